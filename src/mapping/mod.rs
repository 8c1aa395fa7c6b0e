//! Turns a Stripe object into upserts of Salesforce records, as the record model says.
//!
//! It is pure: no I/O, no clock, no database. What it cannot know from the event it does not send.

mod charge;
mod customer;
mod fields;
mod links;
mod payment_intent;
mod progress;
mod refund;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::money;
use crate::salesforce::Fields;
use crate::stripe::event::{Event, ObjectHead};

/// One upsert of one Salesforce record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// API name of the object.
    pub sobject: &'static str,
    /// The Stripe id that the record is upserted by.
    pub external_id: String,
    /// How far the object had got; larger is further, only comparable inside one second.
    pub progress: i64,
    /// What is sent.
    pub fields: Fields,
    /// The records that its lookups need.
    pub parents: Vec<Parent>,
    /// What was left out or shortened, and why; for the log.
    pub notes: Vec<String>,
}

/// A record that must exist before another one can point to it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Parent {
    /// Stripe's name of the kind, like `payment_intent`.
    pub object: String,
    /// Stripe's id.
    pub id: String,
}

/// What an event asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// Upserts; none when the event is about nothing we keep.
    Changes(Vec<Change>),
    /// The event is written in another API version: the object has to be read in ours.
    Foreign(Parent),
}

/// Why an event cannot be mapped. Trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is not what Stripe's schema promises.
    #[error("the event cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// An id is none of Stripe's, and nothing can be kept under it.
    #[error("an id of the object or of one it points to is not one of Stripe's")]
    Identifier,
    /// An amount is none.
    #[error("{id}: {error}")]
    Amount {
        /// The object.
        id: String,
        /// What is wrong.
        error: money::Error,
    },
}

/// The kinds of objects that have records.
const KINDS: [&str; 4] = ["customer", "payment_intent", "charge", "refund"];

/// Maps the event in `payload`. `api_version` is the version that the mapping understands.
///
/// Errors: the event can never be mapped as it is.
pub fn map(payload: &str, api_version: &str) -> Result<Mapped, Error> {
    let event: Event<'_, &RawValue> = serde_json::from_str(payload)?;
    let object = event.data.object.get();
    let head: ObjectHead<'_> = serde_json::from_str(object)?;
    let (Some(kind), Some(id)) = (head.object.as_deref(), head.id.as_deref()) else {
        return Ok(Mapped::Changes(Vec::new()));
    };
    if !KINDS.contains(&kind) {
        return Ok(Mapped::Changes(Vec::new()));
    }
    if event.api_version.as_deref().is_some_and(|version| version != api_version) && plausible(id) {
        return Ok(Mapped::Foreign(Parent { object: kind.to_owned(), id: id.to_owned() }));
    }
    let change = match kind {
        "customer" => customer::map(&event, &read(object)?)?,
        "payment_intent" => payment_intent::map(&event, &read(object)?)?,
        "charge" => charge::map(&event, &read(object)?)?,
        _ => refund::map(&event, &read(object)?)?,
    };
    if ![id].into_iter().chain(change.parents.iter().map(|parent| parent.id.as_str())).all(plausible) {
        return Err(Error::Identifier);
    }
    Ok(Mapped::Changes(vec![change]))
}

/// Stripe's ids have at most 255 characters; the databases and Salesforce take no others.
fn plausible(id: &str) -> bool {
    (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn read<'a, T: Deserialize<'a>>(object: &'a str) -> Result<T, Error> {
    Ok(serde_json::from_str(object)?)
}

#[cfg(test)]
mod tests;
