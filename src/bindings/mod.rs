//! Whom each name in the configuration stands for: found at the first connect, kept, and compared ever after.
//!
//! It opens and closes passes; it must not send or change anything itself.

mod guard;
mod judge;

pub use guard::{Guard, hash};
pub use judge::{Found, Judged, KINDS, judge, wrong_environment};

/// The party of Stripe accounts, as the store calls it.
pub const STRIPE: &str = "stripe";
/// The party of Salesforce orgs.
pub const SALESFORCE: &str = "salesforce";
