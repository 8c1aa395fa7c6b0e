//! Whom each name in the configuration stands for: found at the first connect, kept, and compared ever after.
//!
//! It opens and closes passes; it must not send or change anything itself.

mod guard;
mod judge;

pub use guard::{Guard, hash};
pub use judge::{Found, Judged, KINDS, judge, wrong_environment};

pub use crate::store::bindings::{SALESFORCE, STRIPE};
