//! Invoices: finalised, paid, failed or voided. Those of subscriptions begin here, others in `one_off_invoices`.

use serde_json::{Value, json};

use super::confirm::{self, Attempt};
use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::lists::{self, LIST};
use super::state::{State, int, new_id, text};
use super::{account, amounts, drafts, payment_intents, payment_methods, subscriptions};

/// Starts a subscription: draws up its first invoice and pays it, if it is to be paid now.
pub(super) fn begin(
    state: &mut State,
    mut subscription: Value,
    customer: &Value,
    form: &Form,
) -> Result<(), Refusal> {
    let trial_end = subscription["trial_end"].as_i64();
    let by_invoice = subscription["collection_method"] == "send_invoice";
    let behaviour = form.word("payment_behavior").unwrap_or("allow_incomplete");
    let invoice = drafts::draw_up(state, &subscription, customer);
    let (invoice_id, due) = (text(&invoice, "id").to_owned(), int(&invoice, "amount_due"));
    let method = usual_method(&subscription, customer);
    let pays_now = due > 0 && !by_invoice;
    if pays_now && method.is_none() && behaviour != "default_incomplete" {
        let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method.";
        return Err(Refusal::invalid(message).code("resource_missing"));
    }
    if pays_now {
        amounts::check_charge(due, text(&invoice, "currency"), "items")?;
    }
    subscription["latest_invoice"] = json!(invoice_id);
    subscription["status"] = json!(match trial_end {
        Some(_) => "trialing",
        None if pays_now => "incomplete",
        None => "active",
    });
    state.save("customer.subscription.created", subscription.clone());
    if trial_end.is_some_and(|end| end - state.now <= 3 * 24 * 60 * 60) {
        state.emit("customer.subscription.trial_will_end", subscription.clone(), None);
    }
    state.save("invoice.created", invoice);
    if by_invoice && due > 0 {
        // Stays a draft for an hour, in which it can still be changed.
        return Ok(());
    }
    open(state, &invoice_id)?;
    if !pays_now {
        settle(state, &invoice_id, None);
        return Ok(());
    }
    let intent = request_payment(state, &invoice_id, method.as_deref());
    if behaviour == "default_incomplete" {
        return Ok(());
    }
    let attempt = Attempt { off_session: form.flag("off_session") == Some(true), ..Attempt::default() };
    match confirm::attempt(state, &intent, &attempt) {
        // The subscription stays incomplete and says so.
        Err(refusal) if refusal.status() == 402 && behaviour != "error_if_incomplete" => Ok(()),
        Err(refusal) => Err(refusal.taking_back()),
        Ok(())
            if behaviour == "error_if_incomplete"
                && state.find("payment_intent", &intent, "id")?["status"] != "succeeded" =>
        {
            let message = "Your card requires authentication.";
            Err(Refusal::card(message).code("invoice_payment_intent_requires_action").taking_back())
        }
        Ok(()) => Ok(()),
    }
}

/// Bills the period that begins when a subscription resumes; says whether it is paid.
pub(super) fn bill_resumed(state: &mut State, subscription: &mut Value) -> Result<bool, Refusal> {
    let customer = state.find("customer", text(subscription, "customer"), "customer")?;
    let mut invoice = drafts::draw_up(state, subscription, &customer);
    let (id, due) = (text(&invoice, "id").to_owned(), int(&invoice, "amount_due"));
    invoice["billing_reason"] = json!("subscription_update");
    subscription["latest_invoice"] = json!(id);
    state.save("invoice.created", invoice);
    open(state, &id)?;
    if due == 0 {
        settle(state, &id, None);
        return Ok(true);
    }
    let Some(method) = usual_method(subscription, &customer) else { return Ok(false) };
    let intent = request_payment(state, &id, Some(&method));
    let attempt = Attempt { off_session: true, ..Attempt::default() };
    match confirm::attempt(state, &intent, &attempt) {
        Ok(()) => Ok(true),
        Err(refusal) if refusal.status() == 402 => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// What a subscription is paid with.
fn usual_method(subscription: &Value, customer: &Value) -> Option<String> {
    [&subscription["default_payment_method"], &customer["invoice_settings"]["default_payment_method"]]
        .into_iter()
        .find_map(|method| method.as_str().map(str::to_owned))
}

/// Finalises a draft: it gets its number and can be paid.
pub(super) fn open(state: &mut State, id: &str) -> Answer {
    let mut invoice = state.find("invoice", id, "id")?;
    if invoice["status"] != "draft" {
        let message = "This invoice is already finalized, you can't re-finalize a non-draft invoice.";
        return Err(Refusal::conflict("invoice_not_editable", message));
    }
    invoice["number"] = json!(next_number(state, text(&invoice, "customer")));
    invoice["status"] = json!("open");
    invoice["auto_advance"] = json!(false);
    invoice["automatically_finalizes_at"] = Value::Null;
    invoice["effective_at"] = json!(state.now);
    invoice["ending_balance"] = json!(0);
    invoice["status_transitions"]["finalized_at"] = json!(state.now);
    invoice["webhooks_delivered_at"] = json!(state.now);
    let page = format!("https://invoice.stripe.com/i/{}/test_{id}", account::ID);
    invoice["invoice_pdf"] = json!(format!("https://pay.stripe.com/invoice/{}/test_{id}/pdf", account::ID));
    invoice["hosted_invoice_url"] = json!(page);
    state.save("invoice.finalized", invoice.clone());
    Ok(invoice)
}

/// The customer's prefix with a running number.
fn next_number(state: &mut State, customer: &str) -> String {
    let Ok(mut customer) = state.find("customer", customer, "customer") else { return String::new() };
    let sequence = int(&customer, "next_invoice_sequence").max(1);
    customer["next_invoice_sequence"] = json!(sequence + 1);
    let number = format!("{}-{sequence:04}", text(&customer, "invoice_prefix"));
    state.put(customer);
    number
}

/// Makes the payment intent that pays an invoice; answers its id.
fn request_payment(state: &mut State, invoice: &str, method: Option<&str>) -> String {
    let Ok(invoice) = state.find("invoice", invoice, "id") else { return String::new() };
    let mut intent = payment_intents::blank(state);
    let id = text(&intent, "id").to_owned();
    intent["amount"] = invoice["amount_remaining"].clone();
    intent["currency"] = invoice["currency"].clone();
    intent["customer"] = invoice["customer"].clone();
    intent["description"] = json!(match text(&invoice, "billing_reason") {
        "subscription_create" => "Subscription creation",
        "manual" => "Payment for Invoice",
        _ => "Subscription update",
    });
    intent["payment_method"] = json!(method);
    intent["setup_future_usage"] = json!("off_session");
    intent["status"] =
        json!(if method.is_some() { "requires_confirmation" } else { "requires_payment_method" });
    state.put(json!({
        "id": new_id("inpay_1"),
        "object": "invoice_payment",
        "amount_paid": null,
        "amount_requested": invoice["amount_remaining"],
        "created": state.now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": true,
        "livemode": false,
        "payment": { "payment_intent": id, "type": "payment_intent" },
        "status": "open",
        "status_transitions": { "canceled_at": null, "paid_at": null },
    }));
    state.save("payment_intent.created", intent);
    id
}

/// A payment intent succeeded: the invoice behind it, if there is one, is paid.
pub(super) fn paid_by(state: &mut State, intent: &str) {
    if let Some(mut payment) = payment_with(state, intent) {
        let invoice = text(&payment, "invoice").to_owned();
        payment["amount_paid"] = payment["amount_requested"].clone();
        payment["status"] = json!("paid");
        payment["status_transitions"]["paid_at"] = json!(state.now);
        state.put(payment.clone());
        settle(state, &invoice, Some(payment));
    }
}

/// A payment intent failed: so did the attempt to collect the invoice behind it.
pub(super) fn failed_by(state: &mut State, intent: &str) {
    if let Some(payment) = payment_with(state, intent)
        && let Ok(mut invoice) = state.find("invoice", text(&payment, "invoice"), "id")
    {
        invoice["attempt_count"] = json!(int(&invoice, "attempt_count") + 1);
        invoice["attempted"] = json!(true);
        state.save("invoice.updated", invoice.clone());
        state.emit("invoice.payment_failed", invoice, None);
    }
}

/// The customer has to confirm the payment of the invoice behind an intent.
pub(super) fn action_required(state: &mut State, intent: &str) {
    if let Some(payment) = payment_with(state, intent)
        && let Some(invoice) = state.get(text(&payment, "invoice")).cloned()
    {
        state.emit("invoice.payment_action_required", invoice, None);
    }
}

fn payment_with(state: &State, intent: &str) -> Option<Value> {
    state.all("invoice_payment").find(|payment| payment["payment"]["payment_intent"] == intent).cloned()
}

/// The invoice is paid; by nothing when nothing was due.
fn settle(state: &mut State, id: &str, payment: Option<Value>) {
    let Ok(mut invoice) = state.find("invoice", id, "id") else { return };
    let attempts = int(&invoice, "attempt_count") + i64::from(payment.is_some());
    invoice["attempt_count"] = json!(attempts);
    invoice["attempted"] = json!(true);
    invoice["amount_paid"] = invoice["amount_due"].clone();
    invoice["amount_remaining"] = json!(0);
    invoice["status"] = json!("paid");
    invoice["status_transitions"]["paid_at"] = json!(state.now);
    state.save("invoice.updated", invoice.clone());
    let mut told = invoice.clone();
    told["payments"] = payments(state, id);
    state.emit("invoice.paid", told.clone(), None);
    state.emit("invoice.payment_succeeded", told, None);
    if let Some(payment) = payment {
        state.emit("invoice_payment.paid", payment, None);
    }
    subscriptions::activate(state, text(&invoice["parent"]["subscription_details"], "subscription"));
}

/// The payments of an invoice, as they stand inside it.
pub(super) fn payments(state: &State, invoice: &str) -> Value {
    let payments = state.all("invoice_payment").rev().filter(|payment| text(payment, "invoice") == invoice);
    lists::complete(payments.cloned().collect(), format!("/v1/invoice_payments?invoice={invoice}"))
}

/// What a page needs to let the customer pay an open invoice.
pub(super) fn confirmation_secret(state: &State, invoice: &str) -> Value {
    let payment = state.all("invoice_payment").find(|payment| text(payment, "invoice") == invoice);
    let intent = payment.and_then(|payment| state.get(text(&payment["payment"], "payment_intent")));
    intent.map_or(
        Value::Null,
        |intent| json!({ "client_secret": intent["client_secret"], "type": "payment_intent" }),
    )
}

/// `GET /v1/invoices`
pub(super) fn list(state: &State, form: &Form) -> Answer {
    const FIELDS: &[&str] = &["customer", "status", "collection_method"];
    const RULES: &[Rule] = &[
        ("customer", Kind::Word),
        ("status", Kind::OneOf(&["draft", "open", "paid", "uncollectible", "void"])),
        ("collection_method", Kind::Word),
        ("subscription", Kind::Word),
    ];
    form.check(&[LIST, lists::CREATED, RULES])?;
    let invoices = state.all("invoice").rev().filter(|invoice| {
        let subscription = &invoice["parent"]["subscription_details"]["subscription"];
        form.word("subscription").is_none_or(|id| subscription == id)
            && FIELDS.iter().all(|field| form.word(field).is_none_or(|value| text(invoice, field) == value))
    });
    lists::page("invoice", "/v1/invoices", invoices, form)
}

/// `POST /v1/invoices/{id}/finalize`
pub(super) fn finalize(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[&[("auto_advance", Kind::Bool)]])?;
    let invoice = open(state, id)?;
    if int(&invoice, "amount_due") == 0 {
        settle(state, id, None);
    }
    state.find("invoice", id, "id")
}

/// `POST /v1/invoices/{id}/pay`
pub(super) fn pay(state: &mut State, id: &str, form: &Form) -> Answer {
    const RULES: &[Rule] =
        &[("payment_method", Kind::Word), ("off_session", Kind::Bool), ("paid_out_of_band", Kind::Bool)];
    form.check(&[RULES])?;
    let mut invoice = state.find("invoice", id, "id")?;
    if invoice["status"] == "draft" {
        invoice = open(state, id)?;
    }
    if invoice["status"] != "open" {
        let message = format!("Invoice is already {}", text(&invoice, "status"));
        return Err(Refusal::conflict("invoice_not_editable", message));
    }
    if form.flag("paid_out_of_band") == Some(true) {
        settle(state, id, None);
        return state.find("invoice", id, "id");
    }
    let customer = state.find("customer", text(&invoice, "customer"), "customer")?;
    let method = form.word("payment_method").or(invoice["default_payment_method"].as_str());
    let method = method.or(customer["invoice_settings"]["default_payment_method"].as_str());
    let Some(method) = method.map(str::to_owned) else {
        let message = "There is no default payment method set on this Customer or Invoice. Please set one, or provide one as `payment_method`.";
        return Err(Refusal::invalid(message));
    };
    // A token of a test card stands for a new payment method.
    let method = payment_methods::take(state, &method, "payment_method")?;
    let method = text(&method, "id").to_owned();
    let open =
        state.all("invoice_payment").find(|payment| payment["invoice"] == id && payment["status"] == "open");
    let known = open.map(|payment| text(&payment["payment"], "payment_intent").to_owned());
    let intent = known.unwrap_or_else(|| request_payment(state, id, Some(&method)));
    let mut paying = state.find("payment_intent", &intent, "payment_intent")?;
    paying["payment_method"] = json!(method);
    state.put(paying);
    let attempt = Attempt { off_session: form.flag("off_session") == Some(true), ..Attempt::default() };
    confirm::attempt(state, &intent, &attempt)?;
    state.find("invoice", id, "id")
}

/// `POST /v1/invoices/{id}/void`
pub(super) fn void(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    let mut invoice = state.find("invoice", id, "id")?;
    if invoice["status"] != "open" && invoice["status"] != "uncollectible" {
        let message = "You can only void an invoice that is open or uncollectible.";
        return Err(Refusal::conflict("invoice_not_editable", message));
    }
    let open = state
        .all("invoice_payment")
        .filter(|payment| payment["invoice"] == id && payment["status"] == "open");
    let open: Vec<Value> = open.cloned().collect();
    for mut payment in open {
        let intent = state.find("payment_intent", text(&payment["payment"], "payment_intent"), "id")?;
        payment["status"] = json!("canceled");
        payment["status_transitions"]["canceled_at"] = json!(state.now);
        state.put(payment);
        payment_intents::cancel_open(state, intent, Some("void_invoice"));
    }
    invoice["status"] = json!("void");
    invoice["status_transitions"]["voided_at"] = json!(state.now);
    state.save("invoice.voided", invoice.clone());
    Ok(invoice)
}
