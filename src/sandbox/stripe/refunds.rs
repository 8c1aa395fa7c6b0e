//! Refunds: in full, in part, more than one.

use serde_json::{Value, json};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::state::{State, int, new_id, text};
use super::{amounts, balance, metadata};

const RULES: &[Rule] = &[
    ("amount", Kind::Int),
    ("charge", Kind::Word),
    ("payment_intent", Kind::Word),
    ("metadata", Kind::Metadata),
    ("reason", Kind::OneOf(&["duplicate", "fraudulent", "requested_by_customer"])),
];

/// `POST /v1/refunds`
pub(super) fn create(state: &mut State, form: &Form) -> Answer {
    form.check(&[RULES])?;
    let mut charge = charge_to_refund(state, form)?;
    let id = text(&charge, "id").to_owned();
    let currency = text(&charge, "currency").to_owned();
    if charge["refunded"] == true {
        let message = format!("Charge {id} has already been refunded.");
        return Err(Refusal::conflict("charge_already_refunded", message));
    }
    if charge["disputed"] == true {
        let message = format!("Charge {id} has been charged back; cannot issue a refund.");
        return Err(Refusal::conflict("charge_disputed", message));
    }
    if charge["captured"] != true || charge["status"] != "succeeded" {
        let message = format!("Charge {id} cannot be refunded: it was not captured.");
        return Err(Refusal::conflict("charge_not_refundable", message));
    }
    let left = int(&charge, "amount") - int(&charge, "amount_refunded");
    let amount = form.int("amount").unwrap_or(left);
    amounts::check_positive(amount, "amount")?;
    amounts::check_multiple(amount, &currency, "amount")?;
    if amount > left {
        let message = format!(
            "Refund amount ({}) is greater than unrefunded amount on charge ({})",
            amounts::written(amount, &currency),
            amounts::written(left, &currency)
        );
        return Err(Refusal::invalid(message).param("amount"));
    }
    let mut refund = of_charge(state, &charge, amount);
    refund["reason"] = json!(form.word("reason"));
    metadata::merge(form, &mut refund)?;
    // A refund within the second of the payment finds the charge not settled yet.
    balance::settle_later(state, &id);
    charge["balance_transaction"] = state.get(&id).map(|charge| charge["balance_transaction"].clone()).into();
    refund["balance_transaction"] = json!(balance::refunded(state, &refund, &charge));
    state.save("refund.created", refund.clone());
    charge["amount_refunded"] = json!(int(&charge, "amount_refunded") + amount);
    charge["refunded"] = json!(amount == left);
    state.save("charge.refunded", charge);
    Ok(refund)
}

/// A refund of a charge that has not been booked yet.
pub(super) fn of_charge(state: &State, charge: &Value, amount: i64) -> Value {
    json!({
        "id": new_id("re_3"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": null,
        "charge": charge["id"],
        "created": state.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": null,
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": null,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    })
}

/// `POST /v1/refunds/{id}`
pub(super) fn update(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[&[("metadata", Kind::Metadata)]])?;
    let mut refund = state.find("refund", id, "id")?;
    metadata::merge(form, &mut refund)?;
    state.save("refund.updated", refund.clone());
    Ok(refund)
}

/// `POST /v1/refunds/{id}/cancel`: only one that waits for the customer.
pub(super) fn cancel(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    let mut refund = state.find("refund", id, "id")?;
    if refund["status"] != "requires_action" {
        let message =
            format!("You cannot cancel this refund because it has a status of {}.", text(&refund, "status"));
        return Err(Refusal::invalid(message));
    }
    refund["status"] = json!("canceled");
    state.save("refund.updated", refund.clone());
    Ok(refund)
}

/// A refund that seemed done comes back: the charge is refunded by less again. False when it cannot fail any more.
///
/// Source: docs.stripe.com/refunds — a refund can fail weeks after it succeeded, with `refund.failed`.
pub(super) fn fail(state: &mut State, id: &str, reason: &str) -> bool {
    let done = state.find("refund", id, "id").ok().filter(|refund| refund["status"] == "succeeded");
    let Some(mut refund) = done else { return false };
    let Ok(mut charge) = state.find("charge", text(&refund, "charge"), "id") else { return false };
    refund["failure_balance_transaction"] = json!(balance::refund_failed(state, &refund, &charge));
    refund["failure_reason"] = json!(reason);
    refund["status"] = json!("failed");
    charge["amount_refunded"] = json!(int(&charge, "amount_refunded") - int(&refund, "amount"));
    charge["refunded"] = json!(false);
    state.save("refund.failed", refund);
    state.save("charge.updated", charge);
    true
}

fn charge_to_refund(state: &State, form: &Form) -> Answer {
    let named = form.word("charge").map(|id| state.find("charge", id, "charge")).transpose()?;
    let Some(intent) = form.word("payment_intent") else {
        let message =
            "One of the following params should be provided for this request: payment_intent or charge.";
        return named
            .ok_or_else(|| Refusal::invalid(message).code("parameter_missing").param("payment_intent"));
    };
    let intent = state.find("payment_intent", intent, "payment_intent")?;
    let Some(paid) = state.get(text(&intent, "latest_charge")).filter(|charge| charge["paid"] == true) else {
        let message = "This PaymentIntent does not have a successful charge to refund.";
        return Err(Refusal::conflict("payment_intent_unexpected_state", message).param("payment_intent"));
    };
    if named.is_some_and(|charge: Value| charge["id"] != paid["id"]) {
        return Err(Refusal::invalid("The charge does not belong to the PaymentIntent.").param("charge"));
    }
    Ok(paid.clone())
}
