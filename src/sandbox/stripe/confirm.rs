//! What happens when a payment intent is paid: the card answers, and intent, charge and invoice follow.

use serde_json::{Value, json};

use super::errors::Refusal;
use super::payment_methods::{self, Behaviour, Decline};
use super::state::{State, text};
use super::{account, charges, invoices};

/// The circumstances of an attempt.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// The customer is not there to confirm anything.
    pub(super) off_session: bool,
    pub(super) return_url: Option<String>,
    pub(super) error_on_requires_action: bool,
}

const BLOCKED: Decline = Decline {
    code: "card_declined",
    decline_code: "fraudulent",
    message: "Your card was declined.",
    advice: None,
    network: None,
};
const NOT_AUTHENTICATED: Decline = Decline {
    code: "payment_intent_authentication_failure",
    decline_code: "authentication_required",
    message: "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    advice: None,
    network: None,
};
const AUTHENTICATION: Decline = Decline {
    code: "authentication_required",
    decline_code: "authentication_required",
    message: "Your card was declined. This transaction requires authentication.",
    advice: None,
    network: None,
};

/// Pays the intent with its payment method. A refusal leaves the failed attempt behind.
pub(super) fn attempt(state: &mut State, id: &str, attempt: &Attempt) -> Result<(), Refusal> {
    let mut intent = state.find("payment_intent", id, "id")?;
    let method = text(&intent, "payment_method").to_owned();
    let card = payment_methods::card_of(state, &method);
    let silent = attempt.off_session || attempt.error_on_requires_action;
    match card.behaviour {
        Behaviour::Decline(decline) => return Err(fail(state, intent, &decline, false)),
        Behaviour::Block => return Err(fail(state, intent, &BLOCKED, true)),
        Behaviour::Authenticate if silent => return Err(fail(state, intent, &AUTHENTICATION, false)),
        Behaviour::Authenticate => {
            intent["status"] = json!("requires_action");
            intent["next_action"] = next_action(id, attempt.return_url.as_deref());
            state.save("payment_intent.requires_action", intent);
            invoices::action_required(state, id);
            return Ok(());
        }
        Behaviour::Approve | Behaviour::BypassPending | Behaviour::Elevated => {}
    }
    if !intent["setup_future_usage"].is_null()
        && let Some(customer) = intent["customer"].as_str().map(str::to_owned)
    {
        let method = state.find("payment_method", &method, "payment_method")?;
        payment_methods::attach_to(state, method, &customer)?;
    }
    succeed(state, intent);
    Ok(())
}

/// The holder of the card confirmed, or refused to: what waited for it goes on. False when nothing waited.
pub(super) fn authenticated(state: &mut State, id: &str, confirmed: bool) -> bool {
    let waiting = state.find("payment_intent", id, "id").ok();
    let Some(intent) = waiting.filter(|intent| intent["status"] == "requires_action") else { return false };
    if confirmed {
        succeed(state, intent);
    } else {
        // Nobody waits for the refusal; the intent and its events tell of it.
        fail(state, intent, &NOT_AUTHENTICATED, false);
    }
    true
}

/// The money is taken, or set aside when it is captured by hand.
fn succeed(state: &mut State, mut intent: Value) {
    let manual = text(&intent, "capture_method") == "manual";
    let charge = charges::succeeded(state, &intent, !manual);
    intent["latest_charge"] = json!(charge);
    intent["last_payment_error"] = Value::Null;
    intent["next_action"] = Value::Null;
    let amount = intent["amount"].clone();
    if manual {
        intent["status"] = json!("requires_capture");
        intent["amount_capturable"] = amount;
        state.save("payment_intent.amount_capturable_updated", intent);
        return;
    }
    intent["status"] = json!("succeeded");
    intent["amount_received"] = amount;
    let id = text(&intent, "id").to_owned();
    state.save("payment_intent.succeeded", intent);
    invoices::paid_by(state, &id);
}

/// The intent waits for another payment method.
fn fail(state: &mut State, mut intent: Value, decline: &Decline, blocked: bool) -> Refusal {
    let id = text(&intent, "id").to_owned();
    let method = state.get(text(&intent, "payment_method")).cloned().unwrap_or_default();
    let charge = charges::failed(state, &intent, decline, blocked);
    let refusal =
        payment_methods::declined(decline).with("charge", json!(charge)).with("payment_method", method);
    intent["last_payment_error"] = refusal.body()["error"].take();
    intent["latest_charge"] = json!(charge);
    intent["payment_method"] = Value::Null;
    intent["next_action"] = Value::Null;
    intent["status"] = json!("requires_payment_method");
    state.save("payment_intent.payment_failed", intent.clone());
    invoices::failed_by(state, &id);
    refusal.with("payment_intent", intent)
}

fn next_action(id: &str, return_url: Option<&str>) -> Value {
    match return_url {
        Some(url) => json!({
            "redirect_to_url": {
                "return_url": url,
                "url": format!("https://hooks.stripe.com/3d_secure_2/hosted?merchant={}&payment_intent={id}", account::ID),
            },
            "type": "redirect_to_url",
        }),
        None => json!({
            "type": "use_stripe_sdk",
            "use_stripe_sdk": { "type": "three_d_secure_redirect", "source": format!("src_{id}") },
        }),
    }
}
