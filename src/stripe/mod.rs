//! Stripe: the requests we make, the fields we read, and what can go wrong.
//!
//! Nothing here retries, stores or decides; it must not know Salesforce or the database.

mod client;
mod error;
pub mod event;
mod expandable;
mod form;
pub mod objects;
mod request;
mod requests;
mod status;

pub use client::{AccountId, Answer, BalanceTransactions, Client, Fetched, Listed, Page, is_address};
pub use error::{Error, Failure, Rejection};
pub use request::{Request, is_reserved_key};
pub use requests::*;
