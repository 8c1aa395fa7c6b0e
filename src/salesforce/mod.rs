//! Speaks with one Salesforce org: signs in, upserts records through Composite, reads the limits.
//!
//! It must not decide what to send or whether to try again; that is mapping's and delivery's.

mod budget;
mod client;
mod describe;
mod error;
mod fields;
mod identity;
mod login;
pub mod record_id;
pub mod schema;

pub use budget::Budget;
pub use client::{Client, Collection, Outcome, Record, Upserted};
pub use error::Error;
pub use fields::{Fields, Value};
pub use identity::Identity;
