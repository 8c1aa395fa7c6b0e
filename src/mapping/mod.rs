//! Turns a Stripe object into upserts of Salesforce records, as the mapping file says.
//!
//! It is pure: no I/O, no clock, no database. What it cannot know from the event it does not send. The default mapping is
//! `default.toml`; users lay a file of their own over it. Both are compiled when the program starts.

mod compile;
mod condition;
mod field;
mod file;
mod paths;
mod plan;
mod progress;
mod scope;
mod shape;
mod target;
mod transform;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use file::{Fault, Faults, Place};
use plan::Plans;

use crate::money;
use crate::salesforce::Fields;
use crate::salesforce::schema::Schema;
use crate::stripe::event::{Event, ObjectHead};

/// The mapping that applies where users say nothing else.
pub const DEFAULT: &str = include_str!("default.toml");
/// What the default mapping is called where a fault is told.
const DEFAULT_NAME: &str = "default mapping";

/// A compiled mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    plans: Plans,
    names: BTreeMap<String, Arc<str>>,
}

/// One upsert of one Salesforce record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Stripe's name of the kind of object, like `payment_intent`.
    pub object: Arc<str>,
    /// API name of the Salesforce object.
    pub sobject: Arc<str>,
    /// The Stripe id that the record is upserted by.
    pub external_id: String,
    /// The event that says it.
    pub event_id: String,
    /// The event's second.
    pub created: i64,
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
    /// A field that Stripe always writes, and that the mapping reads, is not there.
    #[error("{id}: missing field `{path}`")]
    Vanished {
        /// The object.
        id: String,
        /// Where the field should be.
        path: String,
    },
    /// A field holds something else than the mapping takes it for.
    #[error("{id}: `{path}` should be {expected} and is {found}")]
    Unfit {
        /// The object.
        id: String,
        /// The field.
        path: String,
        /// What it should be.
        expected: &'static str,
        /// The begin of what it is.
        found: String,
    },
}

/// What all records of one event share.
struct Occasion<'e> {
    object: Arc<str>,
    event_id: &'e str,
    created: i64,
}

impl Mapping {
    /// The default mapping with `own`, a user's file by name and text, laid over it.
    ///
    /// Errors: everything that is wrong with it, with file and line.
    pub fn load(own: Option<(&str, &str)>, schema: &Schema) -> Result<Self, Faults> {
        let files: Vec<_> = [(DEFAULT_NAME, DEFAULT)].into_iter().chain(own).collect();
        let plans = compile::compile(&files, schema)?;
        let names = plans.kinds.keys().map(|name| (name.clone(), name.as_str().into())).collect();
        Ok(Self { plans, names })
    }

    /// The Salesforce objects that are written, each after those that its records can point to.
    pub fn parents_first(&self) -> Vec<Arc<str>> {
        self.plans.parents_first()
    }

    /// Maps the event in `payload`. `api_version` is the version that the mapping understands.
    ///
    /// Errors: the event can never be mapped as it is.
    pub fn map(&self, payload: &str, api_version: &str) -> Result<Mapped, Error> {
        let event: Event<'_, ObjectHead<'_>> = serde_json::from_str(payload)?;
        let head = &event.data.object;
        let (Some(object), Some(id)) = (head.object.as_deref(), head.id.as_deref()) else {
            return Ok(Mapped::Changes(Vec::new()));
        };
        let (Some(kind), Some(name)) = (self.plans.kinds.get(object), self.names.get(object)) else {
            return Ok(Mapped::Changes(Vec::new()));
        };
        if event.api_version.as_deref().is_some_and(|version| version != api_version) && plausible(id) {
            return Ok(Mapped::Foreign(Parent { object: object.to_owned(), id: id.to_owned() }));
        }
        let occasion = Occasion { object: Arc::clone(name), event_id: &event.id, created: event.created };
        let found = kind.paths.read(payload)?;
        let changes = kind.plans.iter().map(|plan| plan.apply(&occasion, &kind.paths, &found));
        let changes: Vec<Change> = changes.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let parents = changes.iter().flat_map(|change| &change.parents).map(|parent| parent.id.as_str());
        if !changes.iter().map(|change| change.external_id.as_str()).chain(parents).all(plausible) {
            return Err(Error::Identifier);
        }
        Ok(Mapped::Changes(changes))
    }
}

/// Stripe's ids have at most 255 characters; the databases and Salesforce take no others.
fn plausible(id: &str) -> bool {
    (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
