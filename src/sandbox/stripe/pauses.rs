//! Subscriptions that rest: paused, and resumed with a new period or in the old one.

use serde_json::{Value, json};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::state::{State, text};
use super::{invoices, lists, subscription_items};

/// `POST /v1/subscriptions/{id}/pause`
pub(super) fn pause(state: &mut State, id: &str, form: &Form) -> Answer {
    const RULES: &[Rule] = &[
        ("type", Kind::OneOf(&["subscription"])),
        ("invoicing_behavior", Kind::OneOf(&["invoice", "pending_invoice_item"])),
    ];
    form.check(&[RULES])?;
    let mut subscription = state.find("subscription", id, "id")?;
    if !["active", "trialing", "past_due", "unpaid"].contains(&text(&subscription, "status")) {
        let status = text(&subscription, "status");
        let message = format!("You cannot pause a subscription with a status of `{status}`.");
        return Err(Refusal::conflict("subscription_status_invalid", message));
    }
    if !subscription["schedule"].is_null() {
        let message = "You cannot pause a subscription that is managed by a subscription schedule.";
        return Err(Refusal::conflict("subscription_schedule_attached", message));
    }
    subscription["status"] = json!("paused");
    subscription["status_details"] = json!({
        "paused": { "subscription": { "type": "pause_requested" }, "transitioned_at": state.now, "type": "subscription" }
    });
    state.save("customer.subscription.paused", subscription.clone());
    Ok(subscription)
}

/// `POST /v1/subscriptions/{id}/resume`: by default a new period begins, and is billed.
pub(super) fn resume(state: &mut State, id: &str, form: &Form) -> Answer {
    const RULES: &[Rule] = &[
        ("billing_cycle_anchor[type]", Kind::OneOf(&["now", "unchanged"])),
        ("payment_behavior", Kind::OneOf(&["resume_on_payment_attempt", "resume_on_payment_success"])),
        ("proration_behavior", Kind::OneOf(&["always_invoice", "create_prorations", "none"])),
    ];
    form.check(&[RULES])?;
    let mut subscription = state.find("subscription", id, "id")?;
    if subscription["status"] != "paused" {
        let message = "You can only resume a subscription with a status of `paused`.";
        return Err(Refusal::conflict("subscription_status_invalid", message));
    }
    if subscription["collection_method"] != "charge_automatically" {
        let message = "You can only resume subscriptions that are charged automatically.";
        return Err(Refusal::conflict("subscription_collection_method_invalid", message));
    }
    subscription["status_details"] = json!({ "paused": null });
    if form.word("billing_cycle_anchor[type]") == Some("unchanged") {
        awake(state, subscription.clone());
        return state.find("subscription", id, "id");
    }
    let items = subscription["items"]["data"].as_array().cloned().unwrap_or_default();
    let items = subscription_items::restarted(&items, state.now);
    subscription["items"] = lists::complete(items, format!("/v1/subscription_items?subscription={id}"));
    subscription["billing_cycle_anchor"] = json!(state.now);
    subscription["trial_end"] = Value::Null;
    subscription["trial_start"] = Value::Null;
    let paid = invoices::bill_resumed(state, &mut subscription)?;
    if paid || form.word("payment_behavior") != Some("resume_on_payment_success") {
        awake(state, subscription);
    } else {
        state.save("customer.subscription.updated", subscription);
    }
    state.find("subscription", id, "id")
}

fn awake(state: &mut State, mut subscription: Value) {
    subscription["status"] = json!("active");
    state.save("customer.subscription.resumed", subscription);
}
