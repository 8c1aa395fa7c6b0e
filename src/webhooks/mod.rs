//! What Stripe calls: verifies events, records them before it answers, and merges what they say into the outbox.
//!
//! It owns both ends of the inbox. It must not call Salesforce, nor Stripe.

pub mod order;
pub mod process;
pub mod receive;
pub mod record;
pub mod retain;
pub mod retell;
pub mod signature;
