//! Payment methods: test cards by their tokens, and how each of them behaves.
//!
//! Source: docs.stripe.com/testing — tokens such as `pm_card_visa` stand for a card; using one makes a payment method.

use serde_json::{Value, json};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind};
use super::lists::{self, LIST};
use super::state::{State, filled, new_id, text};

/// A test card.
#[derive(Debug)]
pub(super) struct Card {
    /// Its token without `pm_card_` and without `visa_` before a behaviour.
    token: &'static str,
    pub(super) brand: &'static str,
    pub(super) last4: &'static str,
    pub(super) behaviour: Behaviour,
    /// Whether it can be attached to a customer.
    attaches: bool,
}

/// What happens when a card is charged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behaviour {
    Approve,
    /// Approved, and the money is there at once.
    BypassPending,
    /// Approved, with a raised risk.
    Elevated,
    Decline(Decline),
    /// Stopped before it is sent to the network.
    Block,
    /// The holder has to confirm.
    Authenticate,
}

/// Why an issuer declines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decline {
    pub(super) code: &'static str,
    pub(super) decline_code: &'static str,
    pub(super) message: &'static str,
    pub(super) advice: Option<&'static str>,
    pub(super) network: Option<&'static str>,
}

const fn decline(
    token: &'static str,
    last4: &'static str,
    code: &'static str,
    decline_code: &'static str,
    message: &'static str,
    advice: &'static str,
) -> Card {
    let decline = Decline { code, decline_code, message, advice: Some(advice), network: Some("05") };
    Card { token, brand: "visa", last4, behaviour: Behaviour::Decline(decline), attaches: false }
}

const fn card(token: &'static str, brand: &'static str, last4: &'static str, behaviour: Behaviour) -> Card {
    Card { token, brand, last4, behaviour, attaches: true }
}

const DECLINED: &str = "Your card was declined.";
const AGAIN: &str = "try_again_later";
const NEVER: &str = "do_not_try_again";
const CONFIRM: &str = "confirm_card_data";

static CARDS: &[Card] = &[
    card("visa", "visa", "4242", Behaviour::Approve),
    card("visa_debit", "visa", "5556", Behaviour::Approve),
    card("mastercard", "mastercard", "4444", Behaviour::Approve),
    card("amex", "amex", "8431", Behaviour::Approve),
    card("bypassPending", "visa", "0077", Behaviour::BypassPending),
    card("createDispute", "visa", "0259", Behaviour::Approve),
    card("createDisputeProductNotReceived", "visa", "2685", Behaviour::Approve),
    card("createDisputeInquiry", "visa", "1976", Behaviour::Approve),
    card("riskLevelElevated", "visa", "9235", Behaviour::Elevated),
    card("riskLevelHighest", "visa", "4954", Behaviour::Block),
    card("radarBlock", "visa", "0019", Behaviour::Block),
    card("authenticationRequired", "visa", "3184", Behaviour::Authenticate),
    decline("chargeDeclined", "0002", "card_declined", "generic_decline", DECLINED, AGAIN),
    decline(
        "chargeDeclinedInsufficientFunds",
        "9995",
        "card_declined",
        "insufficient_funds",
        "Your card has insufficient funds.",
        AGAIN,
    ),
    decline("chargeDeclinedLostCard", "9987", "card_declined", "lost_card", DECLINED, NEVER),
    decline("chargeDeclinedStolenCard", "9979", "card_declined", "stolen_card", DECLINED, NEVER),
    decline("chargeDeclinedFraudulent", "0019", "card_declined", "fraudulent", DECLINED, NEVER),
    decline(
        "chargeDeclinedExpiredCard",
        "0069",
        "expired_card",
        "expired_card",
        "Your card has expired.",
        CONFIRM,
    ),
    decline(
        "chargeDeclinedIncorrectCvc",
        "0127",
        "incorrect_cvc",
        "incorrect_cvc",
        "Your card's security code is incorrect.",
        CONFIRM,
    ),
    decline(
        "chargeDeclinedProcessingError",
        "0119",
        "processing_error",
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
        AGAIN,
    ),
    Card {
        attaches: true,
        ..decline("chargeCustomerFail", "0341", "card_declined", "generic_decline", DECLINED, AGAIN)
    },
];

const BLANK: &str = r#"{
    "object": "payment_method", "allow_redisplay": "unspecified",
    "billing_details": {
        "address": {
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null
        },
        "email": null, "name": null, "phone": null, "tax_id": null
    },
    "customer": null, "customer_account": null, "livemode": false, "metadata": {}, "type": "card"
}"#;

impl Card {
    /// The card that a token names.
    fn by_token(token: &str) -> Option<&'static Card> {
        let name = token.strip_prefix("pm_card_")?;
        let name = name.strip_prefix("visa_").filter(|rest| *rest != "debit").unwrap_or(name);
        CARDS.iter().find(|card| card.token == name)
    }

    fn details(&self) -> Value {
        json!({
            "brand": self.brand,
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "country": "US",
            "display_brand": self.brand,
            "exp_month": 11,
            "exp_year": 2034,
            "fingerprint": format!("Sandbox{:0>9}", self.last4),
            "funding": "credit",
            "generated_from": null,
            "last4": self.last4,
            "networks": { "available": [self.brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        })
    }
}

/// The payment method of an id; a token makes a new one.
pub(super) fn take(state: &mut State, id: &str, param: &str) -> Answer {
    let Some(card) = Card::by_token(id) else { return state.find("payment_method", id, param) };
    let id = new_id("pm_1");
    let fields = json!({ "id": id, "created": state.now, "card": card.details() });
    let method = filled(BLANK, fields);
    state.cards.insert(id, card);
    state.put(method.clone());
    Ok(method)
}

/// The card behind a payment method; one that was put in place from outside is a good Visa.
pub(super) fn card_of(state: &State, method: &str) -> &'static Card {
    state.cards.get(method).copied().unwrap_or(&CARDS[0])
}

/// `GET /v1/payment_methods/{id}`
pub(super) fn get(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    take(state, id, "id")
}

/// `GET /v1/payment_methods` and `GET /v1/customers/{id}/payment_methods`
pub(super) fn list(state: &State, customer: Option<&str>, form: &Form) -> Answer {
    form.check(&[LIST, &[("type", Kind::Word), ("customer", Kind::Word)]])?;
    let url = match customer {
        Some(id) => format!("/v1/customers/{id}/payment_methods"),
        None => "/v1/payment_methods".to_owned(),
    };
    let wanted = customer.or(form.word("customer"));
    if let Some(id) = wanted {
        state.find("customer", id, if customer.is_some() { "id" } else { "customer" })?;
    }
    let methods = state.all("payment_method").rev();
    let methods = methods.filter(|method| wanted.is_some() && method["customer"].as_str() == wanted);
    let methods = methods.filter(|method| form.word("type").is_none_or(|kind| text(method, "type") == kind));
    lists::page("payment_method", &url, methods, form)
}

/// `POST /v1/payment_methods/{id}/attach`
pub(super) fn attach(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[&[("customer", Kind::Word)]])?;
    form.require(&["customer"])?;
    let customer = form.word("customer").unwrap_or_default().to_owned();
    state.find("customer", &customer, "customer")?;
    let method = take(state, id, "id")?;
    attach_to(state, method, &customer)
}

/// Makes a payment method one of the customer's; cards that fail their check are declined.
pub(super) fn attach_to(state: &mut State, mut method: Value, customer: &str) -> Answer {
    match method["customer"].as_str() {
        Some(owner) if owner == customer => return Ok(method),
        Some(_) => {
            let message = "The payment method you provided has already been attached to a customer.";
            return Err(Refusal::conflict("payment_method_unexpected_state", message));
        }
        None => {}
    }
    let card = card_of(state, text(&method, "id"));
    if let Behaviour::Decline(decline) = card.behaviour
        && !card.attaches
    {
        return Err(declined(&decline).with("payment_method", method).taking_back());
    }
    method["customer"] = json!(customer);
    state.save("payment_method.attached", method.clone());
    Ok(method)
}

/// `POST /v1/payment_methods/{id}/detach`
pub(super) fn detach(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    let mut method = state.find("payment_method", id, "id")?;
    let Some(customer) = method["customer"].as_str().map(str::to_owned) else {
        let message =
            "The payment method you provided is not attached to a customer so detachment is impossible.";
        return Err(Refusal::conflict("payment_method_unexpected_state", message));
    };
    if let Ok(mut owner) = state.find("customer", &customer, "customer")
        && owner["invoice_settings"]["default_payment_method"] == id
    {
        owner["invoice_settings"]["default_payment_method"] = Value::Null;
        state.save("customer.updated", owner);
    }
    let previous = [("customer".to_owned(), json!(customer))].into_iter().collect();
    method["customer"] = Value::Null;
    state.put(method.clone());
    state.emit("payment_method.detached", method.clone(), Some(previous));
    Ok(method)
}

/// The refusal that a decline leads to.
pub(super) fn declined(decline: &Decline) -> Refusal {
    let mut refusal = Refusal::card(decline.message).code(decline.code);
    refusal = refusal.with("decline_code", json!(decline.decline_code));
    if let Some(advice) = decline.advice {
        refusal = refusal.with("advice_code", json!(advice));
    }
    if let Some(network) = decline.network {
        refusal = refusal.with("network_decline_code", json!(network));
    }
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_cards_with_or_without_their_brand() {
        for token in ["pm_card_visa_chargeDeclined", "pm_card_chargeDeclined"] {
            assert_eq!(Card::by_token(token).unwrap().last4, "0002", "{token}");
        }
        assert_eq!(Card::by_token("pm_card_visa").unwrap().last4, "4242");
        assert_eq!(Card::by_token("pm_card_visa_debit").unwrap().last4, "5556");
        assert!(Card::by_token("pm_card_none").is_none());
        assert!(Card::by_token("pm_1abc").is_none());
    }
}
