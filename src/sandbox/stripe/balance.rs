//! Balance transactions: what a charge or a refund does to the account's money.

use serde_json::{Value, json};

use super::payment_methods::{self, Behaviour};
use super::state::{State, int, new_id, text};
use super::{amounts, refunds};

/// How long money is on its way.
const PENDING_SECONDS: i64 = 2 * 24 * 60 * 60;

/// A movement of money and the object behind it.
struct Movement<'a> {
    kind: &'a str,
    category: &'a str,
    source: &'a str,
    amount: i64,
    fee: i64,
    currency: &'a str,
    description: Value,
    at_once: bool,
}

/// Books a captured charge in full; answers the id of the transaction.
pub(super) fn charged(state: &mut State, charge: &Value) -> String {
    let card = payment_methods::card_of(state, text(charge, "payment_method"));
    let (amount, currency) = (int(charge, "amount"), text(charge, "currency"));
    let movement = Movement {
        kind: "charge",
        category: "charge",
        source: text(charge, "id"),
        amount,
        fee: amounts::fee(amount, currency),
        currency,
        description: charge["description"].clone(),
        at_once: matches!(card.behaviour, Behaviour::BypassPending),
    };
    book(state, movement)
}

/// Books a refund; the fee of the charge does not come back.
pub(super) fn refunded(state: &mut State, refund: &Value, charge: &Value) -> String {
    let movement = Movement {
        kind: "refund",
        category: "refund",
        source: text(refund, "id"),
        amount: -int(refund, "amount"),
        fee: 0,
        currency: text(refund, "currency"),
        description: refund_description(charge),
        at_once: true,
    };
    book(state, movement)
}

/// Books what a failed refund brings back.
pub(super) fn refund_failed(state: &mut State, refund: &Value, charge: &Value) -> String {
    let movement = Movement {
        kind: "refund_failure",
        category: "refund_failure",
        source: text(refund, "id"),
        amount: int(refund, "amount"),
        fee: 0,
        currency: text(refund, "currency"),
        description: match charge["description"].as_str() {
            Some(description) => json!(format!("REFUND FAILURE ({description})")),
            None => json!("REFUND FAILURE"),
        },
        at_once: true,
    };
    book(state, movement)
}

/// Books what a payout takes out of the balance.
pub(super) fn paid_out(state: &mut State, payout: &str, amount: i64, currency: &str) -> String {
    let movement = Movement {
        kind: "payout",
        category: "payout",
        source: payout,
        amount: -amount,
        fee: 0,
        currency,
        description: json!("STRIPE PAYOUT"),
        at_once: true,
    };
    book(state, movement)
}

/// Gives a charge the balance transaction that it did not have when it succeeded.
pub(super) fn settle_later(state: &mut State, id: &str) {
    let Some(mut charge) = state.get(id).cloned() else { return };
    if charge["balance_transaction"].is_null() {
        charge["balance_transaction"] = json!(charged(state, &charge));
        state.save("charge.updated", charge);
    }
}

/// Captures an authorised charge. Below the authorised amount the rest is reversed, with its part of the fee.
pub(super) fn capture(state: &mut State, id: &str, amount: i64) {
    let Some(mut charge) = state.get(id).cloned() else { return };
    let rest = int(&charge, "amount") - amount;
    let currency = text(&charge, "currency").to_owned();
    let transaction = charged(state, &charge);
    if rest > 0 {
        let fee = amounts::fee(amount, &currency) - amounts::fee(amount + rest, &currency);
        let mut refund = refunds::of_charge(state, &charge, rest);
        let movement = Movement {
            kind: "refund",
            category: "partial_capture_reversal",
            source: text(&refund, "id"),
            amount: -rest,
            fee,
            currency: &currency,
            description: refund_description(&charge),
            at_once: false,
        };
        refund["balance_transaction"] = json!(book(state, movement));
        state.put(refund);
    }
    charge["amount_captured"] = json!(amount);
    charge["amount_refunded"] = json!(rest);
    charge["balance_transaction"] = json!(transaction);
    charge["captured"] = json!(true);
    state.save("charge.captured", charge);
}

/// Lets an authorised charge go without taking anything.
pub(super) fn release(state: &mut State, id: &str) {
    let Some(mut charge) = state.get(id).cloned() else { return };
    let refund = refunds::of_charge(state, &charge, int(&charge, "amount"));
    state.put(refund);
    charge["amount_refunded"] = charge["amount"].clone();
    charge["refunded"] = json!(true);
    state.save("charge.refunded", charge);
}

/// A balance transaction as it is at this time; other objects unchanged.
pub(super) fn as_of(mut object: Value, now: i64) -> Value {
    if object["object"] == "balance_transaction"
        && object["status"] == "pending"
        && int(&object, "available_on") <= now
    {
        object["status"] = json!("available");
    }
    object
}

fn refund_description(charge: &Value) -> Value {
    match charge["description"].as_str() {
        Some(description) => json!(format!("REFUND FOR CHARGE ({description})")),
        None => json!("REFUND FOR CHARGE"),
    }
}

fn book(state: &mut State, movement: Movement<'_>) -> String {
    let Movement { kind, category, source, amount, fee, currency, description, at_once } = movement;
    let id = new_id("txn_3");
    let details = json!([{
        "amount": fee,
        "application": null,
        "currency": currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }]);
    state.put(json!({
        "id": id,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": state.now + if at_once { 0 } else { PENDING_SECONDS },
        "balance_type": "payments",
        "created": state.now,
        "currency": currency,
        "description": description,
        "exchange_rate": null,
        "fee": fee,
        "fee_details": if fee == 0 { json!([]) } else { details },
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": if at_once { "available" } else { "pending" },
        "type": kind,
    }));
    id
}
