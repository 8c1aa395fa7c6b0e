//! Pages on which a payer pays.

use serde::Deserialize;

use super::{Customer, Expandable, Invoice, Metadata, PaymentIntent, Subscription, null_as_default};

/// One visit to the checkout page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CheckoutSession {
    /// `cs_test_…` or `cs_live_…`
    pub id: String,
    /// `payment`, `setup`, `subscription`, or a later invention.
    pub mode: String,
    /// `open`, `complete`, `expired`, or a later invention.
    pub status: Option<String>,
    /// `paid`, `unpaid`, `no_payment_required`, or a later invention.
    pub payment_status: String,
    /// The page; absent when it is closed.
    pub url: Option<String>,
    /// Minor units.
    pub amount_total: Option<i64>,
    /// Lower-case code.
    pub currency: Option<String>,
    /// Who pays.
    pub customer: Option<Expandable<Customer>>,
    /// What comes of it, with the mode `payment`; absent until the payer tries to pay.
    pub payment_intent: Option<Expandable<PaymentIntent>>,
    /// What comes of it, with the mode `subscription`.
    pub subscription: Option<Expandable<Subscription>>,
    /// The first invoice of that subscription.
    pub invoice: Option<Expandable<Invoice>>,
    /// The link that opened it.
    pub payment_link: Option<Expandable<PaymentLink>>,
    /// The caller's own name of the sale.
    pub client_reference_id: Option<String>,
    /// When the page closes by itself.
    pub expires_at: i64,
    /// When it was created.
    pub created: i64,
    /// Whether it is real money.
    pub livemode: bool,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// A page that anyone with its address can pay on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PaymentLink {
    /// `plink_…`
    pub id: String,
    /// Whether it can be paid on.
    pub active: bool,
    /// The page.
    pub url: String,
    /// Lower-case code.
    pub currency: String,
    /// How often it may be paid.
    pub restrictions: Option<Restrictions>,
    /// Whether it is real money.
    pub livemode: bool,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// How often a link may be used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Restrictions {
    /// By sessions that were paid.
    pub completed_sessions: CompletedSessions,
}

/// A limit on sessions that were paid.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CompletedSessions {
    /// So many there are.
    pub count: i64,
    /// So many there may be.
    pub limit: i64,
}
