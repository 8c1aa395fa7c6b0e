//! Finds what the events left open and puts it into the inbox, as if Stripe had told us. It never writes to Salesforce.

pub mod fetch;
mod pace;
mod reading;
