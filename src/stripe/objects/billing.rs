//! Invoices, and subscriptions of several terms.

use serde::Deserialize;

use super::{Customer, Expandable, List, Metadata, Price, Subscription, null_as_default};

/// What is to be paid, and how far that got.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Invoice {
    /// `in_…`
    pub id: String,
    /// `draft`, `open`, `paid`, `uncollectible`, `void`, or a later invention.
    pub status: Option<String>,
    /// As it is printed; absent on a draft.
    pub number: Option<String>,
    /// Who pays.
    pub customer: Option<Expandable<Customer>>,
    /// What asked for it.
    pub parent: Option<InvoiceParent>,
    /// Lower-case code.
    pub currency: String,
    /// Before discounts and tax, minor units.
    pub subtotal: i64,
    /// After them, minor units.
    pub total: i64,
    /// What is to be paid, minor units.
    pub amount_due: i64,
    /// What was paid, minor units.
    pub amount_paid: i64,
    /// What is still to be paid, minor units.
    pub amount_remaining: i64,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: String,
    /// When it has to be paid, with `send_invoice`.
    pub due_date: Option<i64>,
    /// The page on which it can be paid; absent on a draft.
    pub hosted_invoice_url: Option<String>,
    /// The printed invoice; absent on a draft.
    pub invoice_pdf: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// The first lines.
    pub lines: List<InvoiceLine>,
    /// When it was created.
    pub created: i64,
    /// Whether it is real money.
    pub livemode: bool,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// What asked for an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InvoiceParent {
    /// A subscription.
    pub subscription_details: Option<SubscriptionDetails>,
}

/// The subscription behind an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubscriptionDetails {
    /// The subscription.
    pub subscription: Expandable<Subscription>,
}

/// One line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InvoiceLine {
    /// `il_…`
    pub id: String,
    /// Minor units.
    pub amount: i64,
    /// Lower-case code.
    pub currency: String,
    /// What it is for.
    pub description: Option<String>,
    /// How many.
    pub quantity: Option<i64>,
}

/// A subscription of several terms.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Schedule {
    /// `sub_sched_…`
    pub id: String,
    /// `not_started`, `active`, `completed`, `released`, `canceled`, or a later invention.
    pub status: String,
    /// Who pays.
    pub customer: Expandable<Customer>,
    /// The subscription it manages; absent until the first term begins.
    pub subscription: Option<Expandable<Subscription>>,
    /// The subscription it managed until it was released.
    pub released_subscription: Option<String>,
    /// `release`, `cancel`, or a later invention.
    pub end_behavior: String,
    /// The terms.
    pub phases: Vec<SchedulePhase>,
    /// When it was created.
    pub created: i64,
    /// Whether it is real money.
    pub livemode: bool,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// One term.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SchedulePhase {
    /// Its begin.
    pub start_date: i64,
    /// Its end, and the begin of the next.
    pub end_date: i64,
    /// What is subscribed to.
    pub items: Vec<PhaseItem>,
}

/// One product in a term.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PhaseItem {
    /// What it costs.
    pub price: Expandable<Price>,
    /// How many.
    pub quantity: Option<i64>,
}
