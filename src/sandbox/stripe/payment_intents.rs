//! Payment intents: created, changed, confirmed, captured, canceled.

use serde_json::{Value, json};

use super::confirm::{self, Attempt};
use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::method_types::{automatic_methods, check_return_url, method_types};
use super::state::{State, filled, int, new_id, text};
use super::{amounts, balance, customers, metadata, payment_methods};

const BLANK: &str = r#"{
    "object": "payment_intent", "allowed_payment_method_types": null, "amount_capturable": 0, "amount_received": 0,
    "application": null, "application_fee_amount": null, "automatic_payment_methods": null, "canceled_at": null,
    "cancellation_reason": null, "capture_method": "automatic_async", "confirmation_method": "automatic",
    "customer": null, "customer_account": null, "description": null, "excluded_payment_method_types": null,
    "last_payment_error": null, "latest_charge": null, "livemode": false, "managed_payments": null, "metadata": {},
    "next_action": null, "on_behalf_of": null, "payment_method": null,
    "payment_method_configuration_details": null, "payment_method_options": {}, "payment_method_types": ["card"],
    "payment_record": null, "processing": null, "receipt_email": null, "review": null, "setup_future_usage": null,
    "shipping": null, "source": null, "statement_descriptor": null, "statement_descriptor_suffix": null,
    "status": "requires_payment_method", "transfer_data": null, "transfer_group": null
}"#;

const USAGES: &[&str] = &["off_session", "on_session"];
const CAPTURES: &[&str] = &["automatic", "automatic_async", "manual"];
const FIELDS: &[Rule] = &[
    ("amount", Kind::Int),
    ("currency", Kind::Word),
    ("customer", Kind::Word),
    ("payment_method", Kind::Word),
    ("description", Kind::Text),
    ("metadata", Kind::Metadata),
    ("receipt_email", Kind::Text),
    ("statement_descriptor", Kind::Text),
    ("statement_descriptor_suffix", Kind::Text),
    ("transfer_group", Kind::Text),
    ("capture_method", Kind::OneOf(CAPTURES)),
    ("setup_future_usage", Kind::OneOfOrEmpty(USAGES)),
    ("allowed_payment_method_types[]", Kind::Word),
    ("excluded_payment_method_types[]", Kind::Word),
    ("shipping[name]", Kind::Text),
    ("shipping[phone]", Kind::Text),
    ("shipping[carrier]", Kind::Text),
    ("shipping[tracking_number]", Kind::Text),
    ("shipping[address]", Kind::Metadata),
];
const ON_CREATE: &[Rule] = &[
    ("confirm", Kind::Bool),
    ("confirmation_method", Kind::OneOf(&["automatic", "manual"])),
    ("automatic_payment_methods[enabled]", Kind::Bool),
    ("automatic_payment_methods[allow_redirects]", Kind::OneOf(&["always", "never"])),
];
const ON_CONFIRM: &[Rule] = &[
    ("off_session", Kind::OneOf(&["true", "false", "one_off", "recurring"])),
    ("return_url", Kind::Word),
    ("error_on_requires_action", Kind::Bool),
    ("use_stripe_sdk", Kind::Bool),
];

/// `POST /v1/payment_intents`
pub(super) fn create(state: &mut State, form: &Form) -> Answer {
    form.check(&[FIELDS, ON_CREATE, ON_CONFIRM])?;
    form.require(&["amount", "currency"])?;
    let confirming = form.flag("confirm") == Some(true);
    if !confirming && let Some((name, _)) = ON_CONFIRM.iter().find(|(name, _)| form.has(name)) {
        let message = format!("The parameter `{name}` can only be passed when `confirm=true`.");
        return Err(Refusal::invalid(message).param(name));
    }
    let mut intent = blank(state);
    intent["automatic_payment_methods"] = automatic_methods(form)?;
    if let Some(method) = form.word("confirmation_method") {
        intent["confirmation_method"] = json!(method);
    }
    fill(state, form, &mut intent)?;
    intent["payment_method_types"] = json!(method_types(&intent)?);
    if confirming && intent["payment_method"].is_null() {
        let message = "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.";
        return Err(Refusal::invalid(message).code("payment_intent_unexpected_state"));
    }
    let id = text(&intent, "id").to_owned();
    if confirming {
        check_return_url(form, &intent)?;
    }
    state.save("payment_intent.created", intent);
    if confirming {
        confirm::attempt(state, &id, &attempt(form))?;
    }
    state.find("payment_intent", &id, "id")
}

/// A new payment intent without an amount.
pub(super) fn blank(state: &State) -> Value {
    let id = new_id("pi_3");
    let secret = format!("{id}_secret_{}", new_id(""));
    filled(BLANK, json!({ "id": id, "client_secret": secret, "created": state.now }))
}

/// `POST /v1/payment_intents/{id}`
pub(super) fn update(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[FIELDS])?;
    let mut intent = state.find("payment_intent", id, "id")?;
    let open = ["requires_payment_method", "requires_confirmation", "requires_action"];
    if !open.contains(&text(&intent, "status")) {
        let later = ["description", "metadata", "receipt_email", "shipping", "transfer_group", "expand"];
        if let Some((name, _)) =
            form.pairs().iter().find(|(name, _)| !later.iter().any(|l| name.starts_with(l)))
        {
            return Err(unexpected(&intent, &format!("update `{name}` of")));
        }
    }
    fill(state, form, &mut intent)?;
    intent["payment_method_types"] = json!(method_types(&intent)?);
    state.put(intent.clone());
    Ok(intent)
}

/// `POST /v1/payment_intents/{id}/confirm`
pub(super) fn confirm(state: &mut State, id: &str, form: &Form) -> Answer {
    const ALSO: &[Rule] = &[
        ("payment_method", Kind::Word),
        ("receipt_email", Kind::Text),
        ("capture_method", Kind::OneOf(CAPTURES)),
        ("setup_future_usage", Kind::OneOfOrEmpty(USAGES)),
        ("allowed_payment_method_types[]", Kind::Word),
        ("excluded_payment_method_types[]", Kind::Word),
    ];
    form.check(&[ALSO, ON_CONFIRM])?;
    let mut intent = state.find("payment_intent", id, "id")?;
    if !["requires_payment_method", "requires_confirmation", "requires_action"]
        .contains(&text(&intent, "status"))
    {
        return Err(unexpected(&intent, "confirm"));
    }
    fill(state, form, &mut intent)?;
    intent["payment_method_types"] = json!(method_types(&intent)?);
    if intent["payment_method"].is_null() {
        let message = "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.";
        return Err(
            Refusal::conflict("payment_intent_unexpected_state", message).with("payment_intent", intent)
        );
    }
    check_return_url(form, &intent)?;
    state.put(intent);
    confirm::attempt(state, id, &attempt(form))?;
    state.find("payment_intent", id, "id")
}

/// `POST /v1/payment_intents/{id}/capture`: all of it or a part; the rest goes back to the customer.
pub(super) fn capture(state: &mut State, id: &str, form: &Form) -> Answer {
    const RULES: &[Rule] = &[
        ("amount_to_capture", Kind::Int),
        ("metadata", Kind::Metadata),
        ("statement_descriptor", Kind::Text),
        ("statement_descriptor_suffix", Kind::Text),
    ];
    form.check(&[RULES])?;
    let mut intent = state.find("payment_intent", id, "id")?;
    if text(&intent, "status") != "requires_capture" {
        return Err(unexpected(&intent, "capture"));
    }
    let capturable = int(&intent, "amount_capturable");
    let amount = form.int("amount_to_capture").unwrap_or(capturable);
    amounts::check_positive(amount, "amount_to_capture")?;
    amounts::check_multiple(amount, text(&intent, "currency"), "amount_to_capture")?;
    if amount > capturable {
        let message = format!("You cannot capture more than the amount that is capturable ({capturable}).");
        return Err(Refusal::invalid(message).code("amount_too_large").param("amount_to_capture"));
    }
    metadata::merge(form, &mut intent)?;
    form.copy_texts(&["statement_descriptor", "statement_descriptor_suffix"], &mut intent);
    intent["amount_capturable"] = json!(0);
    intent["amount_received"] = json!(amount);
    intent["status"] = json!("succeeded");
    balance::capture(state, text(&intent, "latest_charge"), amount);
    state.save("payment_intent.succeeded", intent.clone());
    Ok(intent)
}

/// `POST /v1/payment_intents/{id}/cancel`
pub(super) fn cancel(state: &mut State, id: &str, form: &Form) -> Answer {
    const REASONS: &[&str] = &["abandoned", "duplicate", "fraudulent", "requested_by_customer"];
    form.check(&[&[("cancellation_reason", Kind::OneOf(REASONS))]])?;
    let intent = state.find("payment_intent", id, "id")?;
    if ["succeeded", "canceled", "processing"].contains(&text(&intent, "status")) {
        return Err(unexpected(&intent, "cancel"));
    }
    let reason = form.word("cancellation_reason");
    Ok(cancel_open(state, intent, reason))
}

/// Cancels an intent that is not finished; an authorisation is given back.
pub(super) fn cancel_open(state: &mut State, mut intent: Value, reason: Option<&str>) -> Value {
    if text(&intent, "status") == "requires_capture" {
        balance::release(state, text(&intent, "latest_charge"));
    }
    intent["amount_capturable"] = json!(0);
    intent["canceled_at"] = json!(state.now);
    intent["cancellation_reason"] = json!(reason);
    intent["next_action"] = Value::Null;
    intent["status"] = json!("canceled");
    state.save("payment_intent.canceled", intent.clone());
    intent
}

fn fill(state: &mut State, form: &Form, intent: &mut Value) -> Result<(), Refusal> {
    if let Some(given) = form.word("currency") {
        intent["currency"] = json!(amounts::currency(given, "currency")?);
    }
    if let Some(amount) = form.int("amount") {
        intent["amount"] = json!(amount);
    }
    if form.has("amount") || form.has("currency") {
        amounts::check_charge(int(intent, "amount"), text(intent, "currency"), "amount")?;
    }
    if let Some(customer) = form.word("customer") {
        state.find("customer", customer, "customer")?;
        intent["customer"] = json!(customer);
    }
    if let Some(id) = form.word("payment_method") {
        let method = payment_methods::take(state, id, "payment_method")?;
        if let Some(owner) = method["customer"].as_str()
            && intent["customer"].as_str() != Some(owner)
        {
            let message = "The provided PaymentMethod cannot be used with this PaymentIntent: it belongs to a customer, who must be named in `customer`.";
            return Err(Refusal::invalid(message).param("payment_method"));
        }
        intent["payment_method"] = method["id"].clone();
        if text(intent, "status") == "requires_payment_method" {
            intent["status"] = json!("requires_confirmation");
        }
    }
    let texts = ["description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix"];
    form.copy_texts(&texts, intent);
    form.copy_texts(&["transfer_group", "setup_future_usage", "capture_method"], intent);
    if let Some(name) =
        texts.iter().skip(2).find(|name| form.word(name).is_some_and(|t| t.chars().count() > 22))
    {
        return Err(Refusal::invalid("The statement descriptor must be at most 22 characters.").param(name));
    }
    for name in ["allowed_payment_method_types", "excluded_payment_method_types"] {
        if form.has(name) {
            intent[name] = json!(form.words(name));
        }
    }
    if form.has("shipping") {
        form.require(&["shipping[address]", "shipping[name]"])?;
        intent["shipping"] = json!({
            "address": customers::address(form, "shipping[address]")?,
            "carrier": form.word("shipping[carrier]"),
            "name": form.word("shipping[name]"),
            "phone": form.word("shipping[phone]"),
            "tracking_number": form.word("shipping[tracking_number]"),
        });
    }
    metadata::merge(form, intent)
}

fn attempt(form: &Form) -> Attempt {
    Attempt {
        off_session: form.word("off_session").is_some_and(|value| value != "false"),
        return_url: form.word("return_url").map(str::to_owned),
        error_on_requires_action: form.flag("error_on_requires_action") == Some(true),
    }
}

/// The refusal of a step that the status does not allow.
fn unexpected(intent: &Value, step: &str) -> Refusal {
    let message = format!(
        "You cannot {step} this PaymentIntent because it has a status of {}.",
        text(intent, "status")
    );
    Refusal::conflict("payment_intent_unexpected_state", message).with("payment_intent", intent.clone())
}
