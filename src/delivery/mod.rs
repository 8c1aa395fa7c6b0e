//! Brings every record to its newest state: outbox → batch → Salesforce → a verdict for each change.
//!
//! It owns the outbox's far end. It must not know Stripe or how fields are made.

pub mod deliver;

mod batch;
mod busy;
mod calls;
mod company;
mod compose;
mod gather;
mod lane;
mod notice;
mod owner;
mod record;
mod send;
mod shared;
mod verdict;
