//! `expand[]`: ids in an answer become the objects they stand for.

use serde_json::Value;

use super::errors::Refusal;
use super::state::{State, text};
use super::{charges, checkout_sessions, invoices, payment_links};

/// Fields that hold the id of another object.
const FIELDS: &[&str] = &[
    "balance_transaction",
    "charge",
    "customer",
    "default_payment_method",
    "default_price",
    "failure_balance_transaction",
    "invoice",
    "latest_charge",
    "latest_invoice",
    "payment_intent",
    "payment_method",
    "payment_link",
    "product",
    "schedule",
    "source",
    "subscription",
];

/// Replaces what the paths name. At most four levels; on lists every path begins with `data`.
pub(super) fn expand(state: &State, answer: &mut Value, paths: &[String]) -> Result<(), Refusal> {
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        if steps.len() > 4 + usize::from(steps.first() == Some(&"data")) {
            let message = format!("You cannot expand more than 4 levels of a property ({path}).");
            return Err(Refusal::invalid(message).param("expand"));
        }
        walk(state, answer, &steps).map_err(|NotExpandable| {
            let message = format!("This property cannot be expanded ({path}).");
            Refusal::invalid(message).param("expand")
        })?;
    }
    Ok(())
}

struct NotExpandable;

fn walk(state: &State, value: &mut Value, steps: &[&str]) -> Result<(), NotExpandable> {
    let Some((step, rest)) = steps.split_first() else { return Ok(()) };
    if let Some(elements) = value.as_array_mut() {
        return elements.iter_mut().try_for_each(|element| walk(state, element, steps));
    }
    let included = include(state, value, step);
    let kind = text(value, "object").to_owned();
    let known = included || FIELDS.contains(step);
    let Some(field) = value.get_mut(*step) else {
        // Some fields are only there in some states; a field that no object has is a mistake.
        return if known && kind != "list" { Ok(()) } else { Err(NotExpandable) };
    };
    match field {
        Value::Null if known => return Ok(()),
        Value::String(id) if known => {
            if let Some(object) = state.get(id) {
                *field = object.clone();
            }
        }
        // On the way to an expandable field.
        Value::Object(_) | Value::Array(_) if known || !rest.is_empty() => {}
        _ => return Err(NotExpandable),
    }
    walk(state, field, rest)
}

/// Adds a field that is only there when it is asked for; says whether it is such a field.
fn include(state: &State, object: &mut Value, field: &str) -> bool {
    let included = match (text(object, "object"), field) {
        ("charge", "refunds") => charges::refunds(state, text(object, "id")),
        ("checkout.session", "line_items") => checkout_sessions::sold(state, text(object, "id")),
        ("payment_link", "line_items") => payment_links::sold(state, text(object, "id")),
        ("invoice", "payments") => invoices::payments(state, text(object, "id")),
        ("invoice", "confirmation_secret") => invoices::confirmation_secret(state, text(object, "id")),
        _ => return false,
    };
    object[field] = included;
    true
}
