//! paybridge: between Stripe and Salesforce.

pub mod clock;
pub mod sandbox;
