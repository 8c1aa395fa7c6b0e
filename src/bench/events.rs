//! Events as Stripe sends them, as many as are wanted, each about an object of its own.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::service::WEBHOOK_SECRET;
use crate::clock::Clock;
use crate::config::STRIPE_API_VERSION;

/// A succeeded card payment, in Stripe's layout and of the usual size, about 3 kB.
const CHARGE: &str = include_str!("charge.json");

const PAYMENT_INTENT: &str = r#"{
  "id": "evt_3p@EVENT@", "object": "event", "api_version": "@VERSION@", "created": @AT@,
  "data": { "object": {
    "id": "pi_3b@NUMBER@", "object": "payment_intent", "amount": 14700, "amount_received": 14700, "created": 1791198001,
    "amount_capturable": 0, "description": null, "last_payment_error": null, "cancellation_reason": null,
    "currency": "usd", "customer": "cus_b@NUMBER@", "latest_charge": "ch_3b@NUMBER@", "livemode": false,
    "metadata": {}, "payment_method_types": ["card"], "status": "succeeded"
  } },
  "livemode": false, "pending_webhooks": 1, "type": "payment_intent.succeeded"
}"#;

const CUSTOMER: &str = r#"{
  "id": "evt_1c@EVENT@", "object": "event", "api_version": "@VERSION@", "created": @AT@,
  "data": { "object": {
    "id": "cus_b@NUMBER@", "object": "customer", "balance": 0, "created": 1791198000, "currency": "usd",
    "delinquent": false, "description": null, "email": "ada@example.com", "livemode": false, "metadata": {}, "name": "Ada Lindqvist"
  } },
  "livemode": false, "pending_webhooks": 1, "type": "customer.created"
}"#;

/// The second of the first event, by Stripe's clock.
const BEGIN: usize = 1_791_198_003;

/// Which of the many an event is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    /// Tells the event from others; in order, as Stripe's ids nearly are.
    pub(super) event: usize,
    /// Tells the object that it is about from others.
    pub(super) object: usize,
    /// How much later than the first it happened.
    pub(super) seconds: usize,
}

impl Number {
    /// An event about an object of its own.
    fn alone(number: usize) -> Self {
        Self { event: number, object: number, seconds: 0 }
    }
}

pub(super) fn charge(number: usize) -> String {
    filled(CHARGE, Number::alone(number))
}

pub(super) fn customer(number: usize) -> String {
    filled(CUSTOMER, Number::alone(number))
}

/// A customer, the intention to pay and the charge: three records, the later ones pointing to the earlier.
pub(super) fn payment(number: usize) -> [String; 3] {
    payment_of(Number::alone(number))
}

/// The same, told by events of these numbers.
pub(super) fn payment_of(number: Number) -> [String; 3] {
    [CUSTOMER, PAYMENT_INTENT, CHARGE].map(|template| filled(template, number))
}

/// Stripe's id of the customer with this number.
pub(super) fn customer_id(number: usize) -> String {
    format!("cus_b{number:016}")
}

/// Stripe's id of the charge with this number.
pub(super) fn charge_id(number: usize) -> String {
    format!("ch_3b{number:016}")
}

/// Stripe's id of the event about a charge with this number.
pub(super) fn charge_event_id(number: usize) -> String {
    format!("evt_3c{number:016}")
}

fn filled(template: &str, number: Number) -> String {
    template
        .replace("@VERSION@", STRIPE_API_VERSION)
        .replace("@AT@", &(BEGIN + number.seconds).to_string())
        .replace("@EVENT@", &format!("{:016}", number.event))
        .replace("@NUMBER@", &format!("{:016}", number.object))
}

/// The HTTP request that brings an event, signed now; it is good for five minutes.
pub(super) fn signed(body: &str) -> Vec<u8> {
    let at = Clock::system().now().unix_timestamp();
    let mac =
        Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).expect("HMAC takes keys of any length");
    let mac = mac.chain_update(at.to_string()).chain_update(".").chain_update(body);
    let signature = hex::encode(mac.finalize().into_bytes());
    let length = body.len();
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: bench\r\nUser-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n\
         Accept: */*\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n\
         Stripe-Signature: t={at},v1={signature}\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}
