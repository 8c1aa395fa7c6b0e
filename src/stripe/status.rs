//! Stripe's statuses in the words that Salesforce users read.
//!
//! An unknown status has no word: Stripe adds statuses, and a wrong one is worse than none.

use super::objects::{
    CheckoutSession, Customer, Invoice, PaymentIntent, PaymentLink, Price, Product, Refund, Schedule,
    Subscription,
};

impl Customer {
    /// Active, Delinquent or Deleted.
    pub fn plain_status(&self) -> &'static str {
        match (self.deleted, self.delinquent) {
            (true, _) => "Deleted",
            (false, Some(true)) => "Delinquent",
            (false, _) => "Active",
        }
    }
}

impl PaymentIntent {
    /// Pending, Action Required, Authorized, Completed, Failed or Canceled.
    ///
    /// A failed attempt brings a payment intent back to `requires_payment_method`; only the error tells it from a new one.
    pub fn plain_status(&self) -> Option<&'static str> {
        Some(match self.status.as_str() {
            "requires_payment_method" if self.last_payment_error.is_some() => "Failed",
            "requires_payment_method" | "requires_confirmation" | "processing" => "Pending",
            "requires_action" => "Action Required",
            "requires_capture" => "Authorized",
            "succeeded" => "Completed",
            "canceled" => "Canceled",
            _ => return None,
        })
    }
}

impl Subscription {
    /// Incomplete, Expired, Trialing, Active, Past Due, Unpaid, Paused or Canceled.
    pub fn plain_status(&self) -> Option<&'static str> {
        Some(match self.status.as_str() {
            "incomplete" => "Incomplete",
            "incomplete_expired" => "Expired",
            "trialing" => "Trialing",
            "active" => "Active",
            "past_due" => "Past Due",
            "unpaid" => "Unpaid",
            "paused" => "Paused",
            "canceled" => "Canceled",
            _ => return None,
        })
    }
}

impl CheckoutSession {
    /// Open, Pending, Completed or Expired.
    ///
    /// The page is done with before a bank has paid; whether that failed, only the event says, and the payment intent.
    pub fn plain_status(&self) -> Option<&'static str> {
        Some(match (self.status.as_deref()?, self.payment_status.as_str()) {
            ("open", _) => "Open",
            ("complete", "paid" | "no_payment_required") => "Completed",
            ("complete", "unpaid") => "Pending",
            ("expired", _) => "Expired",
            _ => return None,
        })
    }
}

impl Invoice {
    /// Draft, Open, Paid, Void or Uncollectible.
    pub fn plain_status(&self) -> Option<&'static str> {
        Some(match self.status.as_deref()? {
            "draft" => "Draft",
            "open" => "Open",
            "paid" => "Paid",
            "void" => "Void",
            "uncollectible" => "Uncollectible",
            _ => return None,
        })
    }
}

impl Refund {
    /// Pending, Action Required, Completed, Failed or Canceled.
    pub fn plain_status(&self) -> Option<&'static str> {
        Some(match self.status.as_deref()? {
            "pending" => "Pending",
            "requires_action" => "Action Required",
            "succeeded" => "Completed",
            "failed" => "Failed",
            "canceled" => "Canceled",
            _ => return None,
        })
    }
}

impl Schedule {
    /// Not Started, Active, Completed, Released or Canceled.
    pub fn plain_status(&self) -> Option<&'static str> {
        Some(match self.status.as_str() {
            "not_started" => "Not Started",
            "active" => "Active",
            "completed" => "Completed",
            "released" => "Released",
            "canceled" => "Canceled",
            _ => return None,
        })
    }
}

impl PaymentLink {
    /// Active or Inactive.
    pub fn plain_status(&self) -> &'static str {
        if self.active { "Active" } else { "Inactive" }
    }
}

impl Product {
    /// Active or Archived.
    pub fn plain_status(&self) -> &'static str {
        if self.active { "Active" } else { "Archived" }
    }
}

impl Price {
    /// Active or Archived.
    pub fn plain_status(&self) -> &'static str {
        if self.active { "Active" } else { "Archived" }
    }
}
