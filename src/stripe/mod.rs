//! Stripe: the requests we make, the fields we read, and what can go wrong.
//!
//! Nothing here retries, stores or decides; it must not know Salesforce or the database.

pub mod event;
pub mod objects;
