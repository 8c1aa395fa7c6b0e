//! paybridge: between Stripe and Salesforce.
//!
//! A payment's way, folder by folder. A Flow in Salesforce asks [`api`] for a payment, [`auth`] knows the caller, and [`stripe`] makes it. When it is
//! paid, Stripe calls [`webhooks`]: the signature is verified, the event recorded (the inbox, in [`store`]), and only then
//! acknowledged. [`webhooks::process`] takes events from the inbox, lets [`mapping`] say which Salesforce records they
//! change, and merges the newest state of each record into the outbox. [`delivery`] packs what is due into as few calls as
//! possible, [`salesforce`] makes them, and a verdict for each record decides: done, again later, or set aside for a person.
//! What events leave open, [`reconcile`] reads from Stripe and puts into the inbox like anything else.
//!
//! Whom a name in the configuration stands for, [`bindings`] finds out, and stops what would go to somebody else.
//!
//! What came of it all, and what was given up, [`ops`] shows and lets people replay.
//!
//! [`app`] puts the parts together; [`commands`] is what a person types. [`sandbox`] holds stand-ins for both platforms.
//! Who may know whom is a table in `tests/suite/architecture.rs`.

pub mod commands;

pub mod app;
pub mod config;
pub mod connections;
pub mod metrics;
pub mod telemetry;

pub mod api;
pub mod auth;
pub mod bindings;
pub mod webhooks;

pub mod mapping;

pub mod delivery;
pub mod ops;
pub mod reconcile;

pub mod salesforce;
pub mod stripe;

pub mod store;

pub mod backoff;
pub mod bench;
pub mod clock;
pub mod crash;
pub mod money;
pub mod outbound;
pub mod pass;
pub mod worker;

pub mod sandbox;
