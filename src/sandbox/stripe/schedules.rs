//! Subscription schedules: terms that follow each other. A term does not begin by itself here, except for the first.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::state::{State, filled, int, new_id, text};
use super::{metadata, prices, subscription_items, subscriptions};

const BLANK: &str = r#"{
    "object": "subscription_schedule", "application": null, "canceled_at": null, "completed_at": null,
    "current_phase": null, "customer_account": null,
    "default_settings": {
        "application_fee_percent": null, "billing_cycle_anchor": "automatic", "billing_thresholds": null,
        "collection_method": "charge_automatically", "default_payment_method": null, "description": null,
        "invoice_settings": {
            "account_tax_ids": null, "custom_fields": null, "days_until_due": null, "description": null,
            "footer": null, "issuer": { "type": "self" }
        },
        "on_behalf_of": null, "transfer_data": null
    },
    "livemode": false, "metadata": {}, "pause_schedules": [], "released_at": null, "released_subscription": null,
    "status": "not_started", "subscription": null, "test_clock": null
}"#;

const PRORATIONS: &[&str] = &["always_invoice", "create_prorations", "none"];
const RULES: &[Rule] = &[
    ("customer", Kind::Word),
    ("start_date", Kind::TimeOrNow),
    ("end_behavior", Kind::OneOf(&["cancel", "release"])),
    ("metadata", Kind::Metadata),
    ("default_settings[collection_method]", Kind::OneOf(&["charge_automatically", "send_invoice"])),
    ("default_settings[default_payment_method]", Kind::Word),
    ("default_settings[description]", Kind::Text),
    ("default_settings[invoice_settings][days_until_due]", Kind::Int),
    ("phases[][duration][interval]", Kind::OneOf(prices::INTERVALS)),
    ("phases[][duration][interval_count]", Kind::Int),
    ("phases[][end_date]", Kind::Time),
    ("phases[][proration_behavior]", Kind::OneOf(PRORATIONS)),
    ("phases[][metadata]", Kind::Metadata),
    ("phases[][trial]", Kind::Bool),
    ("phases[][items][][price]", Kind::Word),
    ("phases[][items][][quantity]", Kind::Int),
    ("phases[][items][][price_data][currency]", Kind::Word),
    ("phases[][items][][price_data][product]", Kind::Word),
    ("phases[][items][][price_data][unit_amount]", Kind::Int),
    ("phases[][items][][price_data][recurring][interval]", Kind::OneOf(prices::INTERVALS)),
    ("phases[][items][][price_data][recurring][interval_count]", Kind::Int),
];

/// One term: its place in the schedule, and what is sold in it.
struct Phase {
    told: Value,
    prices: Vec<(Value, i64)>,
}

/// `POST /v1/subscription_schedules`
pub(super) fn create(state: &mut State, form: &Form) -> Answer {
    form.check(&[RULES])?;
    form.require(&["customer", "phases"])?;
    let customer = state.find("customer", form.word("customer").unwrap_or_default(), "customer")?;
    let now = state.now;
    let start = form.int("start_date").unwrap_or(now);
    let mut phases: Vec<Phase> = Vec::new();
    let mut begin = start;
    for asked in form.each("phases") {
        let phase = phase(state, &asked, begin)?;
        begin = int(&phase.told, "end_date");
        phases.push(phase);
    }
    if phases.len() > 10 {
        return Err(
            Refusal::invalid("A schedule can have at most 10 current and future phases.").param("phases")
        );
    }
    let id = new_id("sub_sched_1");
    let told: Vec<Value> = phases.iter().map(|phase| phase.told.clone()).collect();
    let mut schedule = filled(
        BLANK,
        json!({
            "id": id,
            "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible", "updated_at": now },
            "created": now,
            "customer": customer["id"],
            "end_behavior": form.word("end_behavior").unwrap_or("release"),
            "phases": told,
        }),
    );
    settings(state, form, &mut schedule, &customer)?;
    metadata::merge(form, &mut schedule)?;
    if start > now {
        state.save("subscription_schedule.created", schedule.clone());
        return Ok(schedule);
    }
    let first = phases.first().ok_or_else(|| Refusal::missing_param("phases"))?;
    let subscription = begin_with(state, &schedule, first, &customer)?;
    schedule["status"] = json!("active");
    schedule["subscription"] = subscription["id"].clone();
    schedule["current_phase"] =
        json!({ "end_date": first.told["end_date"], "start_date": first.told["start_date"] });
    state.save("subscription_schedule.created", schedule.clone());
    let mut subscription = state.find("subscription", text(&subscription, "id"), "id")?;
    subscription["schedule"] = json!(id);
    state.save("customer.subscription.updated", subscription);
    Ok(schedule)
}

/// `POST /v1/subscription_schedules/{id}/cancel`: with its subscription, at once.
pub(super) fn cancel(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[&[("invoice_now", Kind::Bool), ("prorate", Kind::Bool)]])?;
    let mut schedule = running(state, id, "cancel")?;
    if let Ok(subscription) = state.find("subscription", text(&schedule, "subscription"), "id")
        && subscription["status"] != "canceled"
    {
        subscriptions::end(state, subscription);
    }
    schedule["status"] = json!("canceled");
    schedule["canceled_at"] = json!(state.now);
    schedule["current_phase"] = Value::Null;
    state.save("subscription_schedule.canceled", schedule.clone());
    Ok(schedule)
}

/// `POST /v1/subscription_schedules/{id}/release`: the subscription goes on by itself.
pub(super) fn release(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[&[("preserve_cancel_date", Kind::Bool)]])?;
    let mut schedule = running(state, id, "release")?;
    if let Ok(mut subscription) = state.find("subscription", text(&schedule, "subscription"), "id") {
        subscription["schedule"] = Value::Null;
        state.save("customer.subscription.updated", subscription);
    }
    schedule["released_subscription"] = schedule["subscription"].take();
    schedule["status"] = json!("released");
    schedule["released_at"] = json!(state.now);
    schedule["current_phase"] = Value::Null;
    state.save("subscription_schedule.released", schedule.clone());
    Ok(schedule)
}

fn running(state: &State, id: &str, step: &str) -> Answer {
    let schedule = state.find("subscription_schedule", id, "id")?;
    if !["not_started", "active"].contains(&text(&schedule, "status")) {
        let message = format!(
            "You cannot {step} a subscription schedule that is currently in the `{}` status.",
            text(&schedule, "status")
        );
        return Err(Refusal::conflict("", message));
    }
    Ok(schedule)
}

fn settings(state: &State, form: &Form, schedule: &mut Value, customer: &Value) -> Result<(), Refusal> {
    let asked = form.part("default_settings");
    let settings = &mut schedule["default_settings"];
    asked.copy_texts(&["collection_method", "default_payment_method", "description"], settings);
    if let Some(method) = asked.word("default_payment_method") {
        let param = "default_settings[default_payment_method]";
        if state.find("payment_method", method, param)?["customer"] != customer["id"] {
            let message = "The customer does not have a payment method with the ID given. The payment method must be attached to the customer.";
            return Err(Refusal::invalid(message).code("resource_missing").param(param));
        }
    }
    let days = asked.int("invoice_settings[days_until_due]");
    settings["invoice_settings"]["days_until_due"] = json!(days);
    if (settings["collection_method"] == "send_invoice") != days.is_some() {
        let param = "default_settings[invoice_settings][days_until_due]";
        return Err(if days.is_some() {
            let message = "You can only set `days_until_due` if the collection method is `send_invoice`.";
            Refusal::invalid(message).param(param)
        } else {
            Refusal::missing_param(param)
        });
    }
    Ok(())
}

fn phase(state: &mut State, asked: &Form, start: i64) -> Result<Phase, Refusal> {
    let mut prices = Vec::new();
    for item in asked.each("items") {
        let price = subscription_items::price_of(state, &item)?;
        prices.push((price, subscription_items::quantity(&item)?.unwrap_or(1)));
    }
    let Some((first, _)) = prices.first() else {
        return Err(Refusal::missing_param(&asked.name_of("items")));
    };
    let end = match (asked.word("duration[interval]"), asked.int("end_date")) {
        (Some(_), Some(_)) => {
            let message = "You may only specify one of these parameters: duration, end_date.";
            return Err(Refusal::invalid(message).param(&asked.name_of("duration")));
        }
        (Some(interval), None) => {
            let count = asked.int("duration[interval_count]").unwrap_or(1);
            if count < 1 {
                let message = "This value must be greater than or equal to 1.";
                return Err(Refusal::invalid(message).param(&asked.name_of("duration[interval_count]")));
            }
            subscription_items::period_end(start, interval, count)
        }
        (None, Some(end)) => end,
        (None, None) => {
            let recurring = &first["recurring"];
            subscription_items::period_end(
                start,
                text(recurring, "interval"),
                int(recurring, "interval_count"),
            )
        }
    };
    if end <= start {
        let message = "A phase must end after it begins.";
        return Err(Refusal::invalid(message).param(&asked.name_of("end_date")));
    }
    let items: Vec<Value> = prices
        .iter()
        .map(|(price, quantity)| {
            json!({
                "billing_thresholds": null, "discounts": [], "metadata": {}, "plan": price["id"],
                "price": price["id"], "quantity": quantity, "tax_rates": [],
            })
        })
        .collect();
    let mut told = json!({
        "add_invoice_items": [],
        "application_fee_percent": null,
        "billing_cycle_anchor": null,
        "billing_thresholds": null,
        "collection_method": null,
        "currency": first["currency"],
        "default_payment_method": null,
        "default_tax_rates": [],
        "description": null,
        "discounts": [],
        "end_date": end,
        "invoice_settings": null,
        "items": items,
        "metadata": {},
        "on_behalf_of": null,
        "proration_behavior": asked.word("proration_behavior").unwrap_or("create_prorations"),
        "start_date": start,
        "transfer_data": null,
        "trial_end": (asked.flag("trial") == Some(true)).then_some(end),
    });
    metadata::merge(asked, &mut told)?;
    Ok(Phase { told, prices })
}

/// The subscription of the first term, with the term's metadata.
fn begin_with(state: &mut State, schedule: &Value, phase: &Phase, customer: &Value) -> Answer {
    let settings = &schedule["default_settings"];
    let mut form = form_urlencoded::Serializer::new(String::new());
    for field in ["collection_method", "default_payment_method", "description"] {
        if let Some(value) = settings[field].as_str() {
            form.append_pair(field, value);
        }
    }
    if let Some(days) = settings["invoice_settings"]["days_until_due"].as_i64() {
        form.append_pair("days_until_due", &days.to_string());
    }
    for (key, value) in phase.told["metadata"].as_object().into_iter().flatten() {
        form.append_pair(&format!("metadata[{key}]"), value.as_str().unwrap_or_default());
    }
    let form = Form::parse(&form.finish())?;
    let id = new_id("sub_1");
    let trial_end = phase.told["trial_end"].as_i64();
    let items = subscription_items::of_prices(state, &phase.prices, &id, state.now, trial_end)?;
    subscriptions::start(state, &form, customer, &id, items, trial_end)
}
