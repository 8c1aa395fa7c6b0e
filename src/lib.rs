//! paybridge: between Stripe and Salesforce.

pub mod api;
pub mod clock;
pub mod config;
pub mod money;
pub mod sandbox;
pub mod store;
pub mod stripe;
