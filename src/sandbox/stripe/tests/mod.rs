//! The stand-in over HTTP, as a caller meets it.

mod access;
mod checkout;
mod deliveries;
mod invoices;
mod payments;
mod sample;
mod subscriptions;

use serde_json::Value;

use super::state;

fn id(object: &Value) -> &str {
    state::text(object, "id")
}

/// The form of a payment of 250.00 USD with a test card.
fn paying(card: &str) -> String {
    format!(
        "amount=25000&currency=usd&payment_method={card}&confirm=true&automatic_payment_methods[enabled]=true\
         &automatic_payment_methods[allow_redirects]=never"
    )
}
