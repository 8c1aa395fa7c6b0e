//! Stripe's statuses in the words that Salesforce users read.
//!
//! An unknown status has no word: Stripe adds statuses, and a wrong one is worse than none.

use super::objects::{Customer, PaymentIntent, Subscription};

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
