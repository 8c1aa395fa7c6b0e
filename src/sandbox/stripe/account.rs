//! The account itself.

use serde_json::json;

use super::errors::Answer;
use super::form::Form;
use super::state::State;

/// The account of a stand-in, until it becomes another one.
pub(super) const ID: &str = "acct_1SandboxPaybridge";
/// Its name on invoices.
pub(super) const NAME: &str = "Sandbox Inc.";

/// `GET /v1/account`
pub(super) fn get(state: &State, form: &Form) -> Answer {
    form.check(&[])?;
    Ok(json!({
        "id": state.account,
        "object": "account",
        "business_type": "company",
        "capabilities": { "card_payments": "active", "transfers": "active" },
        "charges_enabled": true,
        "controller": { "type": "account" },
        "country": "US",
        "created": 1_700_000_000,
        "default_currency": "usd",
        "details_submitted": true,
        "email": "owner@sandbox.example",
        "metadata": {},
        "payouts_enabled": true,
        "type": "standard",
    }))
}
