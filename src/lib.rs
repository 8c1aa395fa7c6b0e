//! paybridge: between Stripe and Salesforce.

pub mod app;
pub mod backoff;
pub mod bench;
pub mod clock;
pub mod commands;
pub mod config;
pub mod delivery;
pub mod mapping;
pub mod money;
pub mod reconcile;
pub mod salesforce;
pub mod sandbox;
pub mod store;
pub mod stripe;
pub mod telemetry;
pub mod webhooks;
pub mod worker;
