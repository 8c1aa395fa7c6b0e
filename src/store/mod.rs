//! Everything that is kept: all SQL of the program, and nothing but SQL.
//!
//! Functions are transitions (`record`, `lease`, `complete`, `dead_letter`, …) on a connection, so that they compose in one
//! transaction. The async side has two doors, [`Store::read`] and [`Store::write`]. It must not know Stripe, Salesforce or
//! HTTP: rows and identifiers only.

pub mod api_keys;
pub mod assertions;
pub mod attempts;
pub mod audit;
pub mod bindings;
pub mod certificates;
mod connection;
pub mod dead_letters;
mod error;
pub mod fetches;
mod group;
pub mod history;
pub mod idempotency;
pub mod inbox;
pub mod lanes;
pub mod notes;
pub mod operations;
pub mod outbox;
mod payload;
pub mod retention;
mod schema;
pub mod standing;
mod statement;
pub mod stops;
pub mod usage;

pub use connection::{Backend, Conn, Store};
pub use error::{Error, Result};
pub use group::{Group, GroupError};
pub use payload::Payload;
