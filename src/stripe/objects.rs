//! The fields we read of Stripe's objects, as API version 2026-10-28.endive writes them.
//!
//! Amounts are minor units of the object's currency, times are seconds since 1970. Statuses and other enumerations stay
//! text, because Stripe adds values to published versions; unknown fields are skipped. What the schema calls nullable or
//! optional is an `Option` here.
//! Source: Stripe's OpenAPI description, version 2026-10-28.endive, schemas of the same names.

mod billing;
mod catalog;
mod checkout;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};

pub use super::expandable::{Expandable, Identified, Reference};
pub use billing::{
    Invoice, InvoiceLine, InvoiceParent, PhaseItem, Schedule, SchedulePhase, SubscriptionDetails,
};
pub use catalog::Product;
pub use checkout::{CheckoutSession, CompletedSessions, PaymentLink, Restrictions};

/// Key-value pairs that users attach to objects.
pub type Metadata = BTreeMap<String, String>;

/// One page of objects inside another object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct List<T> {
    /// The objects, in Stripe's order.
    pub data: Vec<T>,
    /// Whether Stripe has more than these.
    #[serde(default)]
    pub has_more: bool,
}

/// The token with which a browser completes a payment. It is a secret: shown to the payer, never logged.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// The text, for the answer to the caller who asked for the payment.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who pays. Of a deleted customer Stripe tells only `id` and `deleted`, except in the event `customer.deleted`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
    /// Address for receipts.
    pub email: Option<String>,
    /// Name in full, or of the business.
    pub name: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Free text of the user.
    pub description: Option<String>,
    /// How invoices are made and paid.
    pub invoice_settings: Option<InvoiceSettings>,
    /// What the customer owes (positive) or has as credit (negative) for coming invoices; minor units.
    pub balance: Option<i64>,
    /// Currency of recurring payments, lower case.
    pub currency: Option<String>,
    /// Whether the latest invoice is overdue or its payment failed.
    pub delinquent: Option<bool>,
    /// Whether the customer was deleted, for good.
    #[serde(default)]
    pub deleted: bool,
    /// When it was created; absent on a deleted customer.
    pub created: Option<i64>,
    /// Whether it is real; absent on a deleted customer.
    pub livemode: Option<bool>,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// How a customer's invoices are made and paid.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InvoiceSettings {
    /// What they are paid with.
    pub default_payment_method: Option<Expandable<Reference>>,
}

/// The intention to collect an amount, and how far it got.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PaymentIntent {
    /// `pi_…`
    pub id: String,
    /// What shall be collected, minor units.
    pub amount: i64,
    /// What was collected, minor units.
    #[serde(default)]
    pub amount_received: i64,
    /// What is authorised and can be captured, minor units.
    #[serde(default)]
    pub amount_capturable: i64,
    /// Lower-case code.
    pub currency: String,
    /// Who pays.
    pub customer: Option<Expandable<Customer>>,
    /// `requires_payment_method`, `requires_confirmation`, `requires_action`, `processing`, `requires_capture`,
    /// `succeeded`, `canceled`, or a later invention.
    pub status: String,
    /// The newest attempt that reached a charge.
    pub latest_charge: Option<Expandable<Charge>>,
    /// Why the last attempt failed; cleared by the next success.
    pub last_payment_error: Option<PaymentError>,
    /// Why it was cancelled.
    pub cancellation_reason: Option<String>,
    /// Ways of paying that are offered, or the one that was used.
    #[serde(default)]
    pub payment_method_types: Vec<String>,
    /// The payer's token; absent for keys without write permission.
    pub client_secret: Option<ClientSecret>,
    /// Free text of the user.
    pub description: Option<String>,
    /// When it was created.
    pub created: i64,
    /// Whether it is real money.
    pub livemode: bool,
    /// What the payer has to do, with status `requires_action`.
    pub next_action: Option<NextAction>,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// Why an attempt to pay failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PaymentError {
    /// Like `card_declined`.
    pub code: Option<String>,
    /// The bank's reason, like `insufficient_funds`.
    pub decline_code: Option<String>,
    /// For people.
    pub message: Option<String>,
}

/// What the payer has to do next.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NextAction {
    /// Like `redirect_to_url`; names the field that holds the details.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where to send the payer, with the kind of the same name.
    pub redirect_to_url: Option<Redirect>,
}

/// An address to send the payer to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Redirect {
    /// The address of the page.
    pub url: Option<String>,
}

/// One movement of money from a payer, tried or done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Charge {
    /// `ch_…`, or `py_…` for ways of paying other than cards.
    pub id: String,
    /// What was authorised, minor units.
    pub amount: i64,
    /// What was captured, minor units.
    #[serde(default)]
    pub amount_captured: i64,
    /// What was refunded so far, minor units; goes down again when a refund fails.
    #[serde(default)]
    pub amount_refunded: i64,
    /// Its effect on the balance; absent until captured, and with asynchronous capture for a while longer.
    pub balance_transaction: Option<Expandable<BalanceTransaction>>,
    /// Whether it was captured.
    #[serde(default)]
    pub captured: bool,
    /// Whether it was refunded in full.
    #[serde(default)]
    pub refunded: bool,
    /// Whether the payer disputed it.
    #[serde(default)]
    pub disputed: bool,
    /// `pending`, `succeeded`, `failed`, or a later invention.
    pub status: String,
    /// Who pays.
    pub customer: Option<Expandable<Customer>>,
    /// The intention it belongs to.
    pub payment_intent: Option<Expandable<PaymentIntent>>,
    /// Like `card_declined`.
    pub failure_code: Option<String>,
    /// For people.
    pub failure_message: Option<String>,
    /// How the payment was judged.
    pub outcome: Option<ChargeOutcome>,
    /// How it was paid.
    pub payment_method_details: Option<PaymentMethodDetails>,
    /// The receipt on Stripe's pages.
    pub receipt_url: Option<String>,
    /// Lower-case code.
    pub currency: String,
    /// When it was created.
    pub created: i64,
    /// Whether it is real money.
    pub livemode: bool,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// How a payment was judged by the bank, the network and Stripe.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ChargeOutcome {
    /// `authorized`, `manual_review`, `issuer_declined`, `blocked`, `invalid`, or a later invention.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The decline code, or the rule that blocked it.
    pub reason: Option<String>,
    /// The network's own code, two digits or letters.
    pub network_decline_code: Option<String>,
    /// What Stripe advises to do about a decline.
    pub advice_code: Option<String>,
    /// For the seller, not for the payer.
    pub seller_message: Option<String>,
}

/// How a charge was paid.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PaymentMethodDetails {
    /// Like `card` or `sepa_debit`.
    #[serde(rename = "type")]
    pub kind: String,
    /// With the kind `card`.
    pub card: Option<CardDetails>,
}

/// What may be known of a card.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CardDetails {
    /// Like `visa`.
    pub brand: Option<String>,
    /// The last four digits.
    pub last4: Option<String>,
}

/// An effect on the balance of the Stripe account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct BalanceTransaction {
    /// `txn_…`
    pub id: String,
    /// Gross, minor units of the settlement currency.
    pub amount: i64,
    /// Fees, minor units of the settlement currency.
    pub fee: i64,
    /// `amount` less `fee`.
    pub net: i64,
    /// The settlement currency, lower case; may differ from the charge's.
    pub currency: String,
}

/// Money that goes back to the payer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refund {
    /// `re_…` or `pyr_…`
    pub id: String,
    /// Minor units.
    pub amount: i64,
    /// What is refunded.
    pub charge: Option<Expandable<Charge>>,
    /// The intention the charge belongs to.
    pub payment_intent: Option<Expandable<PaymentIntent>>,
    /// Lower-case code.
    pub currency: String,
    /// `pending`, `requires_action`, `succeeded`, `failed`, `canceled`, or a later invention.
    pub status: Option<String>,
    /// Why it was asked for.
    pub reason: Option<String>,
    /// Why it failed, possibly weeks after it succeeded.
    pub failure_reason: Option<String>,
    /// Its effect on the balance.
    pub balance_transaction: Option<Expandable<BalanceTransaction>>,
    /// When it was created.
    pub created: i64,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// A recurring payment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// `sub_…`
    pub id: String,
    /// `incomplete`, `incomplete_expired`, `trialing`, `active`, `past_due`, `unpaid`, `canceled`, `paused`, or a later
    /// invention.
    pub status: String,
    /// Who pays.
    pub customer: Expandable<Customer>,
    /// What is paid for.
    pub items: List<SubscriptionItem>,
    /// When the trial ends.
    pub trial_end: Option<i64>,
    /// Whether it ends with the current period.
    #[serde(default)]
    pub cancel_at_period_end: bool,
    /// When it ends, if an end was asked for.
    pub cancel_at: Option<i64>,
    /// When it was cancelled, or when the end was asked for.
    pub canceled_at: Option<i64>,
    /// How its invoices are treated while their collection rests.
    pub pause_collection: Option<PauseCollection>,
    /// The schedule it is managed by.
    pub schedule: Option<Expandable<Reference>>,
    /// Days to pay an invoice, with the collection method `send_invoice`.
    pub days_until_due: Option<i64>,
    /// Free text.
    pub description: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: String,
    /// The newest invoice.
    pub latest_invoice: Option<Expandable<Reference>>,
    /// Lower-case code.
    pub currency: String,
    /// When it was created.
    pub created: i64,
    /// Whether it is real money.
    pub livemode: bool,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// A collection that rests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PauseCollection {
    /// `keep_as_draft`, `mark_uncollectible`, `void`, or a later invention.
    pub behavior: String,
    /// When it ends by itself.
    pub resumes_at: Option<i64>,
}

/// One product in a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubscriptionItem {
    /// `si_…`
    pub id: String,
    /// What it costs.
    pub price: Price,
    /// How many; absent for metered prices.
    pub quantity: Option<i64>,
    /// Begin of the period that is running; since 2025-03-31 on the items, which may differ, before on the subscription.
    pub current_period_start: Option<i64>,
    /// End of the period that is running.
    pub current_period_end: Option<i64>,
}

/// What one unit of a product costs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Price {
    /// `price_…`
    pub id: String,
    /// `prod_…`
    pub product: Expandable<Reference>,
    /// Minor units; absent for tiered prices and for fractions of a minor unit.
    pub unit_amount: Option<i64>,
    /// Lower-case code.
    pub currency: String,
    /// How often it is charged; absent for single payments.
    pub recurring: Option<Recurring>,
    /// Whether it is sold.
    pub active: bool,
    /// A name that the payer does not see.
    pub nickname: Option<String>,
    /// A name to find it by.
    pub lookup_key: Option<String>,
    /// `exclusive`, `inclusive`, `unspecified`, or a later invention.
    pub tax_behavior: Option<String>,
    /// When it was created.
    pub created: i64,
    /// Whether it is real money.
    pub livemode: bool,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// How often a price is charged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Recurring {
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
    /// Every so many intervals.
    pub interval_count: i64,
}

macro_rules! identified {
    ($($object:ty),+) => { $(impl Identified for $object { fn id(&self) -> &str { &self.id } })+ };
}

identified!(Reference, Customer, PaymentIntent, Charge, BalanceTransaction, Refund, Subscription, Price);
identified!(CheckoutSession, Invoice, PaymentLink, Product, Schedule);

/// Reads an absent and a null field alike.
fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_id_and_as_object() {
        let charge = |field: &str| -> Result<Charge, serde_json::Error> {
            serde_json::from_str(&format!(
                r#"{{"id":"ch_1","amount":1,"status":"quantum","currency":"usd","created":1,"livemode":false,
                "metadata":null,"brand_new":[{{}}],"balance_transaction":{field}}}"#
            ))
        };
        assert_eq!(charge("null").unwrap().balance_transaction, None);
        let id = charge(r#""txn_1""#).unwrap().balance_transaction.unwrap();
        assert_eq!((id.id(), id.object()), ("txn_1", None));
        let whole = charge(r#"{"id":"txn_1","amount":500,"fee":45,"net":455,"currency":"usd"}"#).unwrap();
        let whole = whole.balance_transaction.unwrap();
        assert_eq!((whole.id(), whole.object().unwrap().net), ("txn_1", 455));
        let error = charge(r#"{"id":"txn_1","amount":5.5}"#).unwrap_err().to_string();
        assert!(error.contains("5.5"), "{error}");
    }

    #[test]
    fn a_deleted_customer_has_little_to_say() {
        let customer: Customer =
            serde_json::from_str(r#"{"id":"cus_1","object":"customer","deleted":true}"#).unwrap();
        assert!(customer.deleted && customer.created.is_none());
    }

    #[test]
    fn the_client_secret_is_not_printed() {
        let secret: ClientSecret = serde_json::from_str(r#""pi_1_secret_2""#).unwrap();
        assert_eq!((format!("{secret:?}"), secret.expose()), ("***".to_owned(), "pi_1_secret_2"));
    }
}
