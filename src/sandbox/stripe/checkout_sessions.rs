//! Checkout sessions: made, changed, expired. What happens on their page is in `checkout`.

use serde_json::{Value, json};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::line_items::{self, Sale};
use super::method_types::method_types;
use super::state::{State, filled, int, new_id, text};
use super::{amounts, metadata};

const BLANK: &str = r#"{
    "object": "checkout.session", "adaptive_pricing": null, "after_expiration": null, "allow_promotion_codes": null,
    "allowed_payment_method_types": null,
    "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
    "billing_address_collection": null, "cancel_url": null, "client_reference_id": null, "client_secret": null,
    "collected_information": null, "consent": null, "consent_collection": null, "currency_conversion": null,
    "custom_fields": [],
    "custom_text": {
        "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null
    },
    "customer": null, "customer_account": null, "customer_creation": null, "customer_details": null,
    "customer_email": null, "discounts": [], "integration_identifier": null, "invoice": null,
    "invoice_creation": null, "livemode": false, "locale": null, "managed_payments": null, "metadata": {},
    "origin_context": null, "payment_intent": null, "payment_link": null, "payment_method_collection": "if_required",
    "payment_method_configuration_details": null, "payment_method_options": {}, "payment_status": "unpaid",
    "permissions": null, "recovered_from": null, "saved_payment_method_options": null, "setup_intent": null,
    "shipping_address_collection": null, "shipping_cost": null, "shipping_options": [], "status": "open",
    "submit_type": null, "subscription": null, "success_url": null,
    "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
    "ui_mode": "hosted_page", "wallet_options": null
}"#;

const HOUR: i64 = 60 * 60;
/// The longest life of a session, and its life unless something else is asked for.
const DAY: i64 = 24 * HOUR;

const MODES: &[&str] = &["payment", "subscription"];
const FIELDS: &[Rule] = &[
    ("mode", Kind::OneOf(MODES)),
    ("ui_mode", Kind::OneOf(&["hosted_page"])),
    ("success_url", Kind::Word),
    ("cancel_url", Kind::Word),
    ("customer", Kind::Word),
    ("customer_email", Kind::Word),
    ("customer_creation", Kind::OneOf(&["always", "if_required"])),
    ("client_reference_id", Kind::Word),
    ("expires_at", Kind::Time),
    ("allow_promotion_codes", Kind::Bool),
    ("allowed_payment_method_types[]", Kind::Word),
    ("excluded_payment_method_types[]", Kind::Word),
    ("payment_method_collection", Kind::OneOf(&["always", "if_required"])),
    ("metadata", Kind::Metadata),
    ("payment_intent_data[capture_method]", Kind::OneOf(&["automatic", "automatic_async", "manual"])),
    ("payment_intent_data[description]", Kind::Word),
    ("payment_intent_data[metadata]", Kind::Metadata),
    ("payment_intent_data[receipt_email]", Kind::Word),
    ("payment_intent_data[setup_future_usage]", Kind::OneOf(&["off_session", "on_session"])),
    ("subscription_data[description]", Kind::Word),
    ("subscription_data[metadata]", Kind::Metadata),
    ("subscription_data[trial_period_days]", Kind::Int),
];

/// `POST /v1/checkout/sessions`
pub(super) fn create(state: &mut State, form: &Form) -> Answer {
    form.check(&[FIELDS, line_items::RULES])?;
    form.require(&["mode", "line_items"])?;
    form.require(&["success_url"])?;
    let mode = form.word("mode").unwrap_or("payment");
    for param in ["success_url", "cancel_url"] {
        if let Some(url) = form.word(param)
            && !["https://", "http://"].iter().any(|scheme| url.starts_with(scheme))
        {
            return Err(Refusal::invalid("Not a valid URL").code("url_invalid").param(param));
        }
    }
    let lines = line_items::read(state, form, if mode == "payment" { 100 } else { 20 })?;
    agrees(mode, &lines)?;
    if form.has("customer") && form.has("customer_email") {
        let message = "You may only specify one of these parameters: customer, customer_email.";
        return Err(Refusal::invalid(message).param("customer_email"));
    }
    for (param, only) in [("payment_intent_data", "payment"), ("subscription_data", "subscription")] {
        if form.has(param) && mode != only {
            let message = format!("You can not pass `{param}` in `{mode}` mode.");
            return Err(Refusal::invalid(message).param(param));
        }
    }
    if form.has("customer_creation") && mode == "subscription" {
        let message = "`customer_creation` can only be used in `payment` and `setup` mode.";
        return Err(Refusal::invalid(message).param("customer_creation"));
    }
    if form.has("payment_method_collection") && mode == "payment" {
        let message = "You can only set `payment_method_collection` if there are recurring prices.";
        return Err(Refusal::invalid(message).param("payment_method_collection"));
    }
    let data = form.part(if mode == "payment" { "payment_intent_data" } else { "subscription_data" });
    check_data(&data)?;
    let mut session = open(state, Sale { lines, data }, mode)?;
    if let Some(id) = form.word("customer") {
        session["customer"] = state.find("customer", id, "customer")?["id"].clone();
    }
    if let Some(email) = form.word("customer_email")
        && !email.contains('@')
    {
        let message = format!("Invalid email address: {email}");
        return Err(Refusal::invalid(message).code("email_invalid").param("customer_email"));
    }
    form.copy_texts(
        &["success_url", "cancel_url", "customer_email", "customer_creation", "client_reference_id"],
        &mut session,
    );
    form.copy_texts(&["payment_method_collection"], &mut session);
    if let Some(at) = form.int("expires_at") {
        if !(state.now + HOUR / 2..=state.now + DAY).contains(&at) {
            let message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.";
            return Err(Refusal::invalid(message).param("expires_at"));
        }
        session["expires_at"] = json!(at);
    }
    if let Some(allow) = form.flag("allow_promotion_codes") {
        session["allow_promotion_codes"] = json!(allow);
    }
    for name in ["allowed_payment_method_types", "excluded_payment_method_types"] {
        if form.has(name) {
            session[name] = json!(form.words(name));
        }
    }
    session["payment_method_types"] = json!(types(&session)?);
    metadata::merge(form, &mut session)?;
    state.put(session.clone());
    Ok(session)
}

/// A session that waits for its customer; nothing tells of it until it is over.
pub(super) fn open(state: &mut State, sale: Sale, mode: &str) -> Answer {
    let total = sale.total();
    let currency = sale.currency().to_owned();
    if mode == "payment" {
        amounts::check_charge(total, &currency, "line_items")?;
    }
    let id = new_id("cs_test_a1");
    let mut session = filled(
        BLANK,
        json!({
            "id": id,
            "amount_subtotal": total,
            "amount_total": total,
            "created": state.now,
            "currency": currency,
            "customer_creation": (mode == "payment").then_some("if_required"),
            "expires_at": state.now + DAY,
            "mode": mode,
            "payment_method_collection": if mode == "payment" { "if_required" } else { "always" },
            "url": format!("{}/pay/{id}", state.address),
        }),
    );
    session["payment_method_types"] = json!(types(&session)?);
    state.sales.insert(id, sale);
    Ok(session)
}

/// `POST /v1/checkout/sessions/{id}`
pub(super) fn update(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[&[("metadata", Kind::Metadata)]])?;
    let mut session = state.find("checkout.session", id, "id")?;
    metadata::merge(form, &mut session)?;
    state.put(session.clone());
    Ok(session)
}

/// `POST /v1/checkout/sessions/{id}/expire`
pub(super) fn expire(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    let session = state.find("checkout.session", id, "id")?;
    if session["status"] != "open" {
        let message = format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `{}`.",
            text(&session, "status")
        );
        return Err(Refusal::conflict("", message));
    }
    Ok(end(state, session))
}

/// Sessions whose time has come expire by themselves.
pub(super) fn expire_due(state: &mut State) {
    let due = state
        .all("checkout.session")
        .filter(|session| session["status"] == "open" && int(session, "expires_at") <= state.now);
    let due: Vec<Value> = due.cloned().collect();
    for session in due {
        end(state, session);
    }
}

fn end(state: &mut State, mut session: Value) -> Value {
    session["status"] = json!("expired");
    session["url"] = Value::Null;
    state.save("checkout.session.expired", session.clone());
    session
}

/// `GET /v1/checkout/sessions/{id}/line_items`
pub(super) fn line_items(state: &State, id: &str, form: &Form) -> Answer {
    form.check(&[super::lists::LIST])?;
    state.find("checkout.session", id, "id")?;
    Ok(sold(state, id))
}

/// What a session sells, as it stands inside it.
pub(super) fn sold(state: &State, id: &str) -> Value {
    let sale = state.sales.get(id).cloned().unwrap_or_default();
    sale.list(format!("/v1/checkout/sessions/{id}/line_items"))
}

/// Whether the prices suit the mode. What is sold once together with a subscription is left out here.
fn agrees(mode: &str, lines: &[Value]) -> Result<(), Refusal> {
    let recurring: Vec<bool> = lines.iter().map(|line| !line["price"]["recurring"].is_null()).collect();
    match (mode, recurring.iter().position(|recurs| *recurs)) {
        ("payment", Some(at)) => {
            let message = "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.";
            Err(Refusal::invalid(message).param(&format!("line_items[{at}][price]")))
        }
        ("subscription", None) => {
            let message =
                "You must provide at least one recurring price in `subscription` mode when using prices.";
            Err(Refusal::invalid(message).param("line_items"))
        }
        ("subscription", _) if recurring.contains(&false) => {
            let message = "The stand-in sells no one-time prices together with a subscription.";
            Err(Refusal::invalid(message).param("line_items"))
        }
        _ => Ok(()),
    }
}

/// The trial must be one that a subscription can have.
pub(super) fn check_data(data: &Form) -> Result<(), Refusal> {
    match data.int("trial_period_days") {
        Some(days) if !(1..=730).contains(&days) => {
            let message = "The minimum number of trial period days is 1, the maximum is 730.";
            Err(Refusal::invalid(message).param("subscription_data[trial_period_days]"))
        }
        _ => Ok(()),
    }
}

fn types(session: &Value) -> Result<Vec<String>, Refusal> {
    let mut asked = session.clone();
    asked["automatic_payment_methods"] = json!({ "allow_redirects": "always", "enabled": true });
    method_types(&asked)
}
