//! Subscriptions: started with their first invoice, changed, canceled. They do not renew by themselves.

use serde_json::{Value, json};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::lists::{self, LIST};
use super::state::{State, filled, new_id, text};
use super::{amounts, invoices, metadata, prices, subscription_items};

const DAY: i64 = 24 * 60 * 60;

const BLANK: &str = r#"{
    "object": "subscription", "application": null, "application_fee_percent": null,
    "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
    "billing_cycle_anchor_config": null, "billing_schedules": [], "billing_thresholds": null, "cancel_at": null,
    "cancel_at_period_end": false, "canceled_at": null,
    "cancellation_details": { "comment": null, "feedback": null, "feedback_option": null, "reason": null },
    "collection_method": "charge_automatically", "customer_account": null, "days_until_due": null,
    "default_payment_method": null, "default_source": null, "default_tax_rates": [], "description": null,
    "discounts": [], "ended_at": null,
    "invoice_settings": {
        "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null,
        "issuer": { "type": "self" }
    },
    "latest_invoice": null, "livemode": false, "managed_payments": null, "metadata": {},
    "next_pending_invoice_item_invoice": null, "on_behalf_of": null, "pause_collection": null,
    "payment_settings": {
        "payment_method_options": null, "payment_method_types": null, "save_default_payment_method": "off"
    },
    "pending_invoice_item_interval": null, "pending_setup_intent": null, "pending_update": null,
    "schedule": null, "status": "incomplete", "test_clock": null, "transfer_data": null, "trial_end": null,
    "trial_settings": {
        "end_behavior": { "billing_cycle_anchor": null, "missing_payment_method": "create_invoice" }
    },
    "trial_start": null
}"#;

const FIELDS: &[Rule] = &[
    ("metadata", Kind::Metadata),
    ("description", Kind::Text),
    ("default_payment_method", Kind::Text),
    ("cancel_at_period_end", Kind::Bool),
    ("collection_method", Kind::OneOf(&["charge_automatically", "send_invoice"])),
    ("days_until_due", Kind::Int),
    ("off_session", Kind::Bool),
    ("proration_behavior", Kind::OneOf(&["always_invoice", "create_prorations", "none"])),
    ("payment_settings[save_default_payment_method]", Kind::OneOf(&["off", "on_subscription"])),
    (
        "trial_settings[end_behavior][missing_payment_method]",
        Kind::OneOf(&["cancel", "create_invoice", "pause"]),
    ),
];
const ON_CREATE: &[Rule] = &[
    ("customer", Kind::Word),
    ("currency", Kind::Word),
    ("trial_period_days", Kind::Int),
    ("trial_end", Kind::TimeOrNow),
    ("cancel_at", Kind::Time),
    ("billing_mode[type]", Kind::OneOf(&["classic", "flexible"])),
    ("payment_behavior", Kind::OneOf(&["allow_incomplete", "default_incomplete", "error_if_incomplete"])),
];
const ON_UPDATE: &[Rule] = &[
    (
        "payment_behavior",
        Kind::OneOf(&[
            "allow_incomplete",
            "default_incomplete",
            "error_if_incomplete",
            "pending_if_incomplete",
        ]),
    ),
    ("pause_collection", Kind::Text),
    ("pause_collection[behavior]", Kind::OneOf(&["keep_as_draft", "mark_uncollectible", "void"])),
    ("pause_collection[resumes_at]", Kind::Time),
    ("cancellation_details[comment]", Kind::Text),
    ("cancellation_details[feedback]", Kind::Text),
];

/// `POST /v1/subscriptions`
pub(super) fn create(state: &mut State, form: &Form) -> Answer {
    form.check(&[FIELDS, ON_CREATE, subscription_items::RULES, prices::INLINE])?;
    form.require(&["customer", "items"])?;
    let customer = state.find("customer", form.word("customer").unwrap_or_default(), "customer")?;
    let id = new_id("sub_1");
    let trial_end = trial_end(state, form)?;
    let items = subscription_items::create(state, form, &id, state.now, trial_end)?;
    start(state, form, &customer, &id, items, trial_end)
}

/// Starts one whose items are known.
pub(super) fn start(
    state: &mut State,
    form: &Form,
    customer: &Value,
    id: &str,
    items: Vec<Value>,
    trial_end: Option<i64>,
) -> Answer {
    let currency = items.first().map(|item| text(&item["price"], "currency").to_owned()).unwrap_or_default();
    if let Some(wanted) = form.word("currency")
        && amounts::currency(wanted, "currency")? != currency
    {
        let message = format!(
            "The price specified only supports `{currency}`. This doesn't match the expected currency: `{wanted}`."
        );
        return Err(Refusal::invalid(message).param("currency"));
    }
    let billing = form.word("billing_mode[type]").unwrap_or("flexible");
    let mut subscription = filled(
        BLANK,
        json!({
            "id": id,
            "billing_cycle_anchor": trial_end.unwrap_or(state.now),
            "billing_mode": {
                "flexible": if billing == "flexible" { json!({ "proration_discounts": "included" }) } else { Value::Null },
                "type": billing,
                "updated_at": state.now,
            },
            "created": state.now,
            "currency": currency,
            "customer": customer["id"],
            "items": lists::complete(items, format!("/v1/subscription_items?subscription={id}")),
            "start_date": state.now,
            "trial_end": trial_end,
            "trial_start": trial_end.map(|_| state.now),
        }),
    );
    fill(state, form, &mut subscription)?;
    if let Some(at) = form.int("cancel_at") {
        subscription["cancel_at"] = json!(at);
    }
    let by_invoice = subscription["collection_method"] == "send_invoice";
    if by_invoice != subscription["days_until_due"].is_i64() {
        return Err(if by_invoice {
            Refusal::missing_param("days_until_due")
        } else {
            let message = "You can only set `days_until_due` if the collection method is `send_invoice`.";
            Refusal::invalid(message).param("days_until_due")
        });
    }
    invoices::begin(state, subscription, customer, form)?;
    state.find("subscription", id, "id")
}

/// `GET /v1/subscriptions/{id}`
pub(super) fn get(state: &State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    state.find("subscription", id, "id")
}

/// `GET /v1/subscriptions`: without canceled ones, unless they are asked for.
pub(super) fn list(state: &State, form: &Form) -> Answer {
    const STATUSES: &[&str] = &[
        "active",
        "all",
        "canceled",
        "ended",
        "incomplete",
        "incomplete_expired",
        "past_due",
        "paused",
        "trialing",
        "unpaid",
    ];
    const RULES: &[Rule] = &[
        ("customer", Kind::Word),
        ("price", Kind::Word),
        ("status", Kind::OneOf(STATUSES)),
        ("collection_method", Kind::Word),
    ];
    form.check(&[LIST, lists::CREATED, RULES])?;
    let wanted = form.word("status");
    let by_status = |subscription: &Value| match (wanted, text(subscription, "status")) {
        (None, status) => status != "canceled",
        (Some("all"), _) => true,
        (Some("ended"), status) => status == "canceled" || status == "incomplete_expired",
        (Some(wanted), status) => status == wanted,
    };
    let by_price = |subscription: &Value| {
        let mut items = subscription["items"]["data"].as_array().into_iter().flatten();
        form.word("price").is_none_or(|id| items.any(|item| item["price"]["id"] == id))
    };
    let by_field = |subscription: &Value, field: &str| {
        form.word(field).is_none_or(|value| text(subscription, field) == value)
    };
    let subscriptions = state.all("subscription").rev().filter(|subscription| {
        by_status(subscription)
            && by_price(subscription)
            && by_field(subscription, "customer")
            && by_field(subscription, "collection_method")
    });
    lists::page("subscription", "/v1/subscriptions", subscriptions, form)
}

/// `POST /v1/subscriptions/{id}`
pub(super) fn update(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[
        FIELDS,
        ON_UPDATE,
        subscription_items::RULES,
        subscription_items::ON_UPDATE,
        prices::INLINE,
    ])?;
    let mut subscription = state.find("subscription", id, "id")?;
    if text(&subscription, "status") == "canceled" {
        let allowed = ["metadata", "cancellation_details", "expand"];
        if form.pairs().iter().any(|(name, _)| !allowed.iter().any(|allowed| name.starts_with(allowed))) {
            let message = "A canceled subscription can only update its cancellation_details and metadata.";
            return Err(Refusal::invalid(message));
        }
    }
    if form.has("items") {
        let items = subscription_items::change(state, form, &subscription)?;
        subscription["items"] = lists::complete(items, format!("/v1/subscription_items?subscription={id}"));
    }
    fill(state, form, &mut subscription)?;
    if form.text("pause_collection") == Some("") {
        subscription["pause_collection"] = Value::Null;
    } else if let Some(behaviour) = form.word("pause_collection[behavior]") {
        let resumes_at = form.int("pause_collection[resumes_at]");
        subscription["pause_collection"] = json!({ "behavior": behaviour, "resumes_at": resumes_at });
    }
    fill_cancellation(form, &mut subscription);
    state.save("customer.subscription.updated", subscription.clone());
    Ok(subscription)
}

/// `DELETE /v1/subscriptions/{id}`: at once.
pub(super) fn cancel(state: &mut State, id: &str, form: &Form) -> Answer {
    const RULES: &[Rule] = &[
        ("invoice_now", Kind::Bool),
        ("prorate", Kind::Bool),
        ("cancellation_details[comment]", Kind::Text),
        ("cancellation_details[feedback]", Kind::Text),
    ];
    form.check(&[RULES])?;
    let mut subscription = state.find("subscription", id, "id")?;
    if subscription["status"] == "canceled" {
        return Err(Refusal::no_such("subscription", id, "id"));
    }
    fill_cancellation(form, &mut subscription);
    Ok(end(state, subscription))
}

/// Ends all subscriptions of a customer.
pub(super) fn cancel_all(state: &mut State, customer: &str) {
    let open = state.all("subscription").filter(|subscription| {
        text(subscription, "customer") == customer && subscription["status"] != "canceled"
    });
    let open: Vec<Value> = open.cloned().collect();
    for subscription in open {
        end(state, subscription);
    }
}

pub(super) fn end(state: &mut State, mut subscription: Value) -> Value {
    subscription["status"] = json!("canceled");
    subscription["ended_at"] = json!(state.now);
    if subscription["canceled_at"].is_null() {
        subscription["canceled_at"] = json!(state.now);
    }
    subscription["cancellation_details"]["reason"] = json!("cancellation_requested");
    state.save("customer.subscription.deleted", subscription.clone());
    subscription
}

/// The first payment came: the subscription begins.
pub(super) fn activate(state: &mut State, id: &str) {
    if let Ok(mut subscription) = state.find("subscription", id, "id")
        && ["incomplete", "past_due", "unpaid"].contains(&text(&subscription, "status"))
    {
        subscription["status"] = json!("active");
        state.save("customer.subscription.updated", subscription);
    }
}

fn fill(state: &State, form: &Form, subscription: &mut Value) -> Result<(), Refusal> {
    if let Some(method) = form.word("default_payment_method") {
        let method = state.find("payment_method", method, "default_payment_method")?;
        if method["customer"] != subscription["customer"] {
            let message = "The customer does not have a payment method with the ID given. The payment method must be attached to the customer.";
            return Err(Refusal::invalid(message).code("resource_missing").param("default_payment_method"));
        }
    }
    form.copy_texts(&["default_payment_method", "description", "collection_method"], subscription);
    if let Some(days) = form.int("days_until_due") {
        subscription["days_until_due"] = json!(days);
    }
    if let Some(save) = form.word("payment_settings[save_default_payment_method]") {
        subscription["payment_settings"]["save_default_payment_method"] = json!(save);
    }
    if let Some(behaviour) = form.word("trial_settings[end_behavior][missing_payment_method]") {
        subscription["trial_settings"]["end_behavior"]["missing_payment_method"] = json!(behaviour);
    }
    if let Some(at_end) = form.flag("cancel_at_period_end") {
        let ends = subscription["items"]["data"].as_array().into_iter().flatten();
        let end = ends.filter_map(|item| item["current_period_end"].as_i64()).max();
        let reason = if at_end { Some("cancellation_requested") } else { None };
        subscription["cancel_at_period_end"] = json!(at_end);
        subscription["cancel_at"] = json!(end.filter(|_| at_end));
        subscription["canceled_at"] = json!(at_end.then_some(state.now));
        subscription["cancellation_details"]["reason"] = json!(reason);
    }
    metadata::merge(form, subscription)
}

fn fill_cancellation(form: &Form, subscription: &mut Value) {
    for field in ["comment", "feedback"] {
        if let Some(text) = form.text(&format!("cancellation_details[{field}]")) {
            subscription["cancellation_details"][field] = Some(text).filter(|text| !text.is_empty()).into();
        }
    }
}

pub(super) fn trial_end(state: &State, form: &Form) -> Result<Option<i64>, Refusal> {
    if form.has("trial_end") && form.has("trial_period_days") {
        let message = "You may only specify one of these parameters: trial_end, trial_period_days.";
        return Err(Refusal::invalid(message).param("trial_period_days"));
    }
    if let Some(days) = form.int("trial_period_days") {
        if !(0..=730).contains(&days) {
            let message = "Invalid trial_period_days: must be between 0 and 730.";
            return Err(Refusal::invalid(message).param("trial_period_days"));
        }
        return Ok(Some(days).filter(|days| *days > 0).map(|days| state.now + days * DAY));
    }
    let Some(at) = form.int("trial_end") else { return Ok(None) };
    if at <= state.now {
        let message = "Invalid timestamp: must be an integer Unix timestamp in the future.";
        return Err(Refusal::invalid(message).param("trial_end"));
    }
    Ok(Some(at))
}
