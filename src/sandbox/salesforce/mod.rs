//! A stand-in for a Salesforce org: it keeps records, enforces the platform's rules and fails on request.
//!
//! What it does not know it refuses. It must not share code with the client that talks to it.

mod api;
mod calls;
mod collections;
mod composite;
mod describe;
mod failure;
mod fault;
mod filter;
mod handle;
mod ids;
mod json;
mod limits;
mod login;
mod metadata;
mod org;
mod page;
mod query;
mod records;
mod references;
mod request;
mod rows;
mod sample;
mod schema;
mod server;
mod soql;
mod standard;
mod transaction;
mod values;
mod write;

#[cfg(test)]
mod tests;

pub use calls::Call;
pub use fault::Fault;
pub use handle::{Options, Record, Salesforce};
pub use sample::{ACCOUNT_ID, CONTACT_ID, OPPORTUNITY_ID, ORDER_ID};
