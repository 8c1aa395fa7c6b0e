//! Payouts: what is available goes to the bank, and which balance transactions went with it.

use serde_json::json;

use super::balance;
use super::errors::Refusal;
use super::form::Form;
use super::state::{State, filled, int, new_id, text};

const BLANK: &str = r#"{
    "object": "payout", "application_fee": null, "application_fee_amount": null, "automatic": true,
    "description": "STRIPE PAYOUT", "destination": "ba_1SandboxBankAccount00000", "failure_balance_transaction": null,
    "failure_code": null, "failure_message": null, "livemode": false, "metadata": {}, "method": "standard",
    "original_payout": null, "payout_method": null, "reconciliation_status": "in_progress", "reversed_by": null,
    "source_type": "card", "statement_descriptor": null, "status": "in_transit", "trace_id": null, "type": "bank_account"
}"#;

/// How long the money travels.
const TRANSIT_SECONDS: i64 = 2 * 24 * 60 * 60;

/// Sends what is available in this currency to the bank; answers the payout's id, or nothing when there is nothing.
pub(super) fn pay_out(state: &mut State, currency: &str) -> Option<String> {
    let available = |state: &State| {
        let all =
            state.all("balance_transaction").filter(|txn| !state.paid_out.contains_key(text(txn, "id")));
        let all = all.map(|txn| balance::as_of(txn.clone(), state.now));
        all.filter(|txn| txn["currency"] == currency && txn["status"] == "available").collect::<Vec<_>>()
    };
    let paid = available(state);
    let amount: i64 = paid.iter().map(|txn| int(txn, "net")).sum();
    if amount <= 0 {
        return None;
    }
    let id = new_id("po_1");
    let own = balance::paid_out(state, &id, amount, currency);
    for txn in &paid {
        state.paid_out.insert(text(txn, "id").to_owned(), id.clone());
    }
    state.paid_out.insert(own.clone(), id.clone());
    let payout = filled(
        BLANK,
        json!({
            "id": id,
            "amount": amount,
            "arrival_date": state.now + TRANSIT_SECONDS,
            "balance_transaction": own,
            "created": state.now,
            "currency": currency,
        }),
    );
    state.save("payout.created", payout);
    Some(id)
}

/// The money arrives, and Stripe knows what it consists of; false when it is not under way.
pub(super) fn arrive(state: &mut State, id: &str) -> bool {
    let Some(mut payout) = state.get(id).filter(|payout| payout["status"] == "in_transit").cloned() else {
        return false;
    };
    payout["status"] = json!("paid");
    state.save("payout.paid", payout.clone());
    payout["reconciliation_status"] = json!("completed");
    state.save("payout.reconciliation_completed", payout);
    true
}

/// Refuses a list of what a payout consists of while that is not known.
pub(super) fn check_listed(state: &State, form: &Form) -> Result<(), Refusal> {
    let Some(id) = form.word("payout") else { return Ok(()) };
    let payout = state.find("payout", id, "payout")?;
    match text(&payout, "reconciliation_status") {
        "completed" => Ok(()),
        "not_applicable" => {
            let message =
                "Balance transaction history can only be filtered on automatic transfers, not manual.";
            Err(Refusal::invalid(message).param("payout"))
        }
        _ => {
            let message = format!("The reconciliation of payout {id} is not ready yet.");
            Err(Refusal::invalid(message).code("payout_reconciliation_not_ready").param("payout"))
        }
    }
}
