//! Which operation a method and a path stand for.

use serde_json::Value;

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::lists::{self, LIST};
use super::state::State;
use super::{
    account, balance, charges, checkout_sessions, customers, events, invoices, one_off_invoices, pauses,
    payment_intents, payment_links, payment_methods, payouts, prices, refunds, schedules, subscriptions,
};

/// Path and type of objects that can be read by id, whoever made them, with the fields they can be listed by.
const READABLE: &[(&str, &str, &[&str])] = &[
    ("balance_transactions", "balance_transaction", &["currency", "payout", "source", "type"]),
    ("charges", "charge", &["customer", "payment_intent", "transfer_group"]),
    ("checkout/sessions", "checkout.session", &["customer", "payment_intent", "subscription", "status"]),
    ("coupons", "coupon", &[]),
    ("disputes", "dispute", &["charge", "payment_intent"]),
    (
        "invoice_payments",
        "invoice_payment",
        &["invoice", "status", "payment[payment_intent]", "payment[type]"],
    ),
    ("invoices", "invoice", &["customer", "status", "collection_method"]),
    ("payment_intents", "payment_intent", &["customer"]),
    ("payment_links", "payment_link", &["active"]),
    ("payouts", "payout", &["destination", "status"]),
    ("prices", "price", &["active", "currency", "product", "type"]),
    ("products", "product", &["active", "type", "url"]),
    ("promotion_codes", "promotion_code", &["active", "code", "customer"]),
    ("refunds", "refund", &["charge", "payment_intent"]),
    ("setup_intents", "setup_intent", &["customer", "payment_method"]),
    ("subscription_items", "subscription_item", &["subscription"]),
    ("subscription_schedules", "subscription_schedule", &["customer"]),
];

/// Carries out one call.
pub(super) fn route(state: &mut State, method: &str, path: &str, form: &Form) -> Answer {
    let unknown = || Refusal::unknown_url(method, path);
    let steps: Vec<&str> = path.strip_prefix("/v1/").ok_or_else(unknown)?.split('/').collect();
    match (method, steps.as_slice()) {
        ("GET", ["account"]) => account::get(state, form),
        ("GET", ["events"]) => events::list(state, form),
        ("GET", ["events", id]) => events::get(state, id, form),

        ("POST", ["customers"]) => customers::create(state, form),
        ("GET", ["customers"]) => customers::list(state, form),
        ("GET", ["customers", "search"]) => customers::search(state, form),
        ("GET", ["customers", id]) => customers::get(state, id, form),
        ("POST", ["customers", id]) => customers::update(state, id, form),
        ("DELETE", ["customers", id]) => customers::delete(state, id, form),
        ("GET", ["customers", id, "payment_methods"]) => payment_methods::list(state, Some(id), form),

        ("GET", ["payment_methods"]) => payment_methods::list(state, None, form),
        ("GET", ["payment_methods", id]) => payment_methods::get(state, id, form),
        ("POST", ["payment_methods", id, "attach"]) => payment_methods::attach(state, id, form),
        ("POST", ["payment_methods", id, "detach"]) => payment_methods::detach(state, id, form),

        ("POST", ["payment_intents"]) => payment_intents::create(state, form),
        ("POST", ["payment_intents", id]) => payment_intents::update(state, id, form),
        ("POST", ["payment_intents", id, "confirm"]) => payment_intents::confirm(state, id, form),
        ("POST", ["payment_intents", id, "capture"]) => payment_intents::capture(state, id, form),
        ("POST", ["payment_intents", id, "cancel"]) => payment_intents::cancel(state, id, form),

        ("POST", ["charges", id]) => charges::update(state, id, form),

        ("POST", ["refunds"]) => refunds::create(state, form),
        ("POST", ["refunds", id]) => refunds::update(state, id, form),
        ("POST", ["refunds", id, "cancel"]) => refunds::cancel(state, id, form),

        ("POST", ["products"]) => prices::create_product(state, form),
        ("POST", ["products", id]) => prices::update_product(state, id, form),
        ("POST", ["prices"]) => prices::create(state, form),
        ("POST", ["prices", id]) => prices::update(state, id, form),

        ("POST", ["checkout", "sessions"]) => checkout_sessions::create(state, form),
        ("POST", ["checkout", "sessions", id]) => checkout_sessions::update(state, id, form),
        ("POST", ["checkout", "sessions", id, "expire"]) => checkout_sessions::expire(state, id, form),
        ("GET", ["checkout", "sessions", id, "line_items"]) => checkout_sessions::line_items(state, id, form),

        ("POST", ["payment_links"]) => payment_links::create(state, form),
        ("POST", ["payment_links", id]) => payment_links::update(state, id, form),
        ("GET", ["payment_links", id, "line_items"]) => payment_links::line_items(state, id, form),

        ("POST", ["subscriptions"]) => subscriptions::create(state, form),
        ("GET", ["subscriptions"]) => subscriptions::list(state, form),
        ("GET", ["subscriptions", id]) => subscriptions::get(state, id, form),
        ("POST", ["subscriptions", id]) => subscriptions::update(state, id, form),
        ("DELETE", ["subscriptions", id]) => subscriptions::cancel(state, id, form),

        ("POST", ["subscriptions", id, "pause"]) => pauses::pause(state, id, form),
        ("POST", ["subscriptions", id, "resume"]) => pauses::resume(state, id, form),

        ("POST", ["subscription_schedules"]) => schedules::create(state, form),
        ("POST", ["subscription_schedules", id, "cancel"]) => schedules::cancel(state, id, form),
        ("POST", ["subscription_schedules", id, "release"]) => schedules::release(state, id, form),

        ("POST", ["invoices"]) => one_off_invoices::create(state, form),
        ("POST", ["invoices", id]) => one_off_invoices::update(state, id, form),
        ("DELETE", ["invoices", id]) => one_off_invoices::delete(state, id, form),
        ("POST", ["invoices", id, "add_lines"]) => one_off_invoices::add_lines(state, id, form),
        ("POST", ["invoices", id, "send"]) => one_off_invoices::send(state, id, form),
        ("POST", ["invoices", id, "pay"]) => invoices::pay(state, id, form),
        ("POST", ["invoices", id, "finalize"]) => invoices::finalize(state, id, form),
        ("POST", ["invoices", id, "void"]) => invoices::void(state, id, form),
        ("GET", ["invoices"]) => invoices::list(state, form),

        ("GET", steps) => read(state, steps, form).unwrap_or_else(|| Err(unknown())),
        _ => Err(unknown()),
    }
}

/// What Stripe does by itself once a call is answered.
pub(super) fn afterwards(state: &mut State, now: i64) {
    let charges = std::mem::take(&mut state.to_settle);
    state.begin(now, None);
    checkout_sessions::expire_due(state);
    for id in charges {
        balance::settle_later(state, &id);
    }
}

/// Reads or lists objects that need no more than that.
fn read(state: &State, steps: &[&str], form: &Form) -> Option<Answer> {
    let path = steps.join("/");
    for (plural, kind, filters) in READABLE {
        if path == *plural {
            return Some(list(state, plural, kind, filters, form));
        }
        if let Some(id) = path.strip_prefix(plural).and_then(|rest| rest.strip_prefix('/')) {
            let answer = form.check(&[]).and_then(|()| state.find(kind, id, "id"));
            return (!id.contains('/')).then(|| answer.map(|object| balance::as_of(object, state.now)));
        }
    }
    None
}

fn list(state: &State, plural: &str, kind: &str, filters: &[&'static str], form: &Form) -> Answer {
    let rules: Vec<Rule> = filters.iter().map(|name| (*name, Kind::Word)).collect();
    form.check(&[LIST, lists::CREATED, &rules])?;
    payouts::check_listed(state, form)?;
    let asked: Vec<(&str, &str)> =
        filters.iter().filter_map(|name| Some((*name, form.word(name)?))).collect();
    let objects = state.all(kind).rev().filter(|object| object["deleted"] != true);
    let objects =
        objects.filter(|object| asked.iter().all(|(name, value)| holds(state, object, name, value)));
    let mut page = lists::page(kind, &format!("/v1/{plural}"), objects, form)?;
    for object in page["data"].as_array_mut().into_iter().flatten() {
        *object = balance::as_of(object.take(), state.now);
    }
    Ok(page)
}

fn holds(state: &State, object: &Value, field: &str, value: &str) -> bool {
    if field == "payout" {
        let payout = object["id"].as_str().and_then(|id| state.paid_out.get(id));
        return payout.is_some_and(|payout| payout == value);
    }
    let (head, rest) = field.split_once('[').unwrap_or((field, ""));
    let field = match rest.strip_suffix(']') {
        Some(below) => &object[head][below],
        None => &object[head],
    };
    match field {
        Value::Bool(is) => value.parse() == Ok(*is),
        field => field.as_str() == Some(value),
    }
}
