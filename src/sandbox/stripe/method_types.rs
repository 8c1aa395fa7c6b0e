//! With which types of payment method an intent can be paid.

use serde_json::{Value, json};

use super::errors::{Answer, Refusal};
use super::form::Form;

/// The methods that the account has switched on; a redirect leads the customer away from the page.
const METHODS: &[(&str, bool)] = &[("card", false), ("klarna", true), ("link", false)];

/// Since 2023-08-16 methods are chosen automatically unless the caller says otherwise.
pub(super) fn automatic_methods(form: &Form) -> Answer {
    if form.has("automatic_payment_methods") {
        form.require(&["automatic_payment_methods[enabled]"])?;
    }
    let enabled = form.flag("automatic_payment_methods[enabled]");
    let redirects = form.word("automatic_payment_methods[allow_redirects]").unwrap_or("always");
    if enabled == Some(false) || (enabled.is_none() && form.has("allowed_payment_method_types")) {
        return Ok(Value::Null);
    }
    Ok(json!({ "allow_redirects": redirects, "enabled": true }))
}

/// The methods with which an intent can be paid.
pub(super) fn method_types(intent: &Value) -> Result<Vec<String>, Refusal> {
    let listed = |field: &str| -> Vec<String> {
        let types = intent[field].as_array().into_iter().flatten();
        types.filter_map(|kind| kind.as_str().map(str::to_owned)).collect()
    };
    let allowed = listed("allowed_payment_method_types");
    if let Some(unknown) = allowed.iter().find(|kind| !METHODS.iter().any(|(known, _)| known == kind)) {
        let message =
            format!("The payment method type \"{unknown}\" is invalid or not activated in your dashboard.");
        return Err(Refusal::invalid(message).param("allowed_payment_method_types"));
    }
    let automatic = &intent["automatic_payment_methods"];
    let excluded = listed("excluded_payment_method_types");
    let types = METHODS.iter().filter(|(kind, redirects)| match () {
        () if excluded.iter().any(|e| e == kind) => false,
        () if !allowed.is_empty() => allowed.iter().any(|a| a == kind),
        () if automatic.is_null() => *kind == "card",
        () => !(*redirects && automatic["allow_redirects"] == "never"),
    });
    let types: Vec<String> = types.map(|(kind, _)| (*kind).to_owned()).collect();
    if types.is_empty() {
        let message = "No valid payment method types for this PaymentIntent.";
        return Err(Refusal::invalid(message).code("payment_method_unactivated"));
    }
    Ok(types)
}

/// A method that may redirect needs to know where the customer comes back to.
pub(super) fn check_return_url(form: &Form, intent: &Value) -> Result<(), Refusal> {
    let types = intent["payment_method_types"].as_array().into_iter().flatten();
    let redirects = types.into_iter().any(|kind| METHODS.iter().any(|(known, away)| *away && kind == known));
    if redirects && !intent["automatic_payment_methods"].is_null() && !form.has("return_url") {
        let message = "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.";
        return Err(Refusal::invalid(message).param("return_url"));
    }
    Ok(())
}
