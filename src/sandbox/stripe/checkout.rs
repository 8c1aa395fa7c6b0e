//! What happens on the page of a checkout session: the customer pays, or is declined and may try again.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::confirm::{self, Attempt};
use super::errors::{Answer, Refusal};
use super::form::Form;
use super::state::{State, int, text};
use super::{
    checkout_sessions, customers, metadata, payment_intents, payment_links, payment_methods,
    subscription_items, subscriptions,
};

/// What the customer fills in.
#[derive(Debug, Clone)]
pub(super) struct Payer {
    /// The token of a test card.
    pub(super) card: String,
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
}

/// Pays an open session. After a refusal it stays open.
pub(super) fn pay(state: &mut State, id: &str, payer: &Payer) -> Answer {
    checkout_sessions::expire_due(state);
    let mut session = state.find("checkout.session", id, "id")?;
    if session["status"] != "open" {
        let message = format!("This Checkout Session has a status of {}.", text(&session, "status"));
        return Err(Refusal::conflict("checkout_session_not_open", message));
    }
    let method = payment_methods::take(state, &payer.card, "payment_method")?;
    let customer = customer(state, &session, payer)?;
    session["customer"] = customer.as_ref().map_or(Value::Null, |customer| customer["id"].clone());
    session["customer_details"] = details(&session, customer.as_ref(), payer);
    let mut session = match customer {
        Some(customer) if session["mode"] == "subscription" => subscribe(state, session, &customer, method)?,
        _ => collect(state, session, &method)?,
    };
    session["status"] = json!("complete");
    session["url"] = Value::Null;
    state.save("checkout.session.completed", session.clone());
    payment_links::completed(state, text(&session, "payment_link"));
    Ok(session)
}

/// One payment; the second try uses the intent of the first.
fn collect(state: &mut State, mut session: Value, method: &Value) -> Answer {
    let data = state.sales.get(text(&session, "id")).map(|sale| sale.data.clone()).unwrap_or_default();
    let mut intent = match session["payment_intent"].as_str() {
        Some(id) => state.find("payment_intent", id, "id")?,
        None => payment_intents::blank(state),
    };
    let new = session["payment_intent"].is_null();
    let id = text(&intent, "id").to_owned();
    session["payment_intent"] = json!(id);
    intent["amount"] = session["amount_total"].clone();
    intent["currency"] = session["currency"].clone();
    intent["customer"] = session["customer"].clone();
    intent["payment_method"] = method["id"].clone();
    intent["payment_method_types"] = session["payment_method_types"].clone();
    intent["status"] = json!("requires_confirmation");
    data.copy_texts(&["capture_method", "description", "receipt_email", "setup_future_usage"], &mut intent);
    metadata::merge(&data, &mut intent)?;
    if new {
        state.save("payment_intent.created", intent);
    } else {
        state.put(intent);
    }
    state.put(session.clone());
    confirm::attempt(state, &id, &Attempt::default())?;
    // Whoever is asked to confirm does so on the page.
    confirm::authenticated(state, &id, true);
    let paid = state.find("payment_intent", &id, "id")?["status"] == "succeeded";
    session["payment_status"] = json!(if paid { "paid" } else { "unpaid" });
    Ok(session)
}

fn subscribe(state: &mut State, mut session: Value, customer: &Value, method: Value) -> Answer {
    let sale = state.sales.get(text(&session, "id")).cloned().unwrap_or_default();
    let method = payment_methods::attach_to(state, method, text(customer, "id"))?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("default_payment_method", text(&method, "id"));
    form.append_pair("payment_behavior", "error_if_incomplete");
    for (name, value) in sale.data.pairs() {
        form.append_pair(&name, &value);
    }
    let form = Form::parse(&form.finish())?;
    let id = super::state::new_id("sub_1");
    let trial_end = subscriptions::trial_end(state, &form)?;
    let items = subscription_items::of_prices(state, &sale.prices(), &id, state.now, trial_end)?;
    let subscription = subscriptions::start(state, &form, customer, &id, items, trial_end)?;
    session["subscription"] = subscription["id"].clone();
    session["invoice"] = subscription["latest_invoice"].clone();
    let free = trial_end.is_some() || int(&session, "amount_total") == 0;
    session["payment_status"] = json!(if free { "no_payment_required" } else { "paid" });
    if trial_end.is_some() {
        session["amount_subtotal"] = json!(0);
        session["amount_total"] = json!(0);
    }
    Ok(session)
}

/// The session's customer, or a new one where one is made; a guest has none.
fn customer(state: &mut State, session: &Value, payer: &Payer) -> Result<Option<Value>, Refusal> {
    if let Some(id) = session["customer"].as_str() {
        return state.find("customer", id, "customer").map(Some);
    }
    if session["mode"] == "payment" && session["customer_creation"] != "always" {
        return Ok(None);
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    if let Some(email) = session["customer_email"].as_str().or(payer.email.as_deref()) {
        form.append_pair("email", email);
    }
    if let Some(name) = &payer.name {
        form.append_pair("name", name);
    }
    customers::create(state, &Form::parse(&form.finish())?).map(Some)
}

fn details(session: &Value, customer: Option<&Value>, payer: &Payer) -> Value {
    let known = |field: &str| customer.and_then(|customer| customer[field].as_str());
    json!({
        "address": null,
        "business_name": null,
        "email": session["customer_email"].as_str().or(known("email")).or(payer.email.as_deref()),
        "individual_name": null,
        "name": known("name").or(payer.name.as_deref()),
        "phone": known("phone"),
        "tax_exempt": "none",
        "tax_ids": [],
    })
}
