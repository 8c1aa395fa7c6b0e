//! Everything on one machine: the service with a stand-in for Stripe and one for Salesforce, over HTTP on loopback.
//!
//! The stand-ins share no code with the clients that talk to them; otherwise a mistake would be made twice and never seen.

pub mod faults;
pub mod keys;
pub mod salesforce;
pub mod stripe;
