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

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

pub use file::{Fault, Faults, Place};
use paths::elements;
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
    /// The object's id.
    pub object_id: String,
    /// API name of the Salesforce object; with `.Id` behind it, the record is found by its own id and never made.
    pub sobject: Arc<str>,
    /// The Stripe id that the record is upserted by, or the record's own id.
    pub external_id: String,
    /// The object whose record this is, when another one makes it and this change only adds to it.
    pub adds_to: Option<Parent>,
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

/// An object of Stripe's: one whose record must exist before another one can point to it, or one that is to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Parent {
    /// Stripe's name of the kind, like `payment_intent`.
    pub object: String,
    /// Stripe's id.
    pub id: String,
}

/// What an event asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// Upserts, none when the event is about nothing we keep; and what is to be read beside.
    Changes(Vec<Change>, Vec<Wish>),
    /// The event is written in another API version, this one: the object has to be read in ours.
    Foreign(Parent, String),
}

/// Something to be read from Stripe, because events do not carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// An object that is named by its id and becomes a record of its own: once, unless its record is known.
    Object(Parent),
    /// What this object is made of, like the balance transactions of a payout.
    Contents(Parent),
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

/// What the mapping has to know beside the event.
#[derive(Clone, Debug)]
pub struct Surroundings {
    api_version: String,
    /// As JSON text, in place of what the event does not say.
    account: Option<String>,
    org: Option<String>,
}

impl Surroundings {
    /// `api_version` is the version that the mapping understands, `account` the Stripe account whose event it is, as far as the
    /// event names no other, and `org` the id of the org that the records go to.
    pub fn new(api_version: &str, account: Option<&str>, org: Option<&str>) -> Self {
        let account = account.and_then(|account| serde_json::to_string(account).ok());
        Self { api_version: api_version.to_owned(), account, org: org.map(str::to_owned) }
    }
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

    /// The Salesforce objects that such a mapping would write, also if it has faults.
    pub fn targets(own: Option<(&str, &str)>) -> BTreeSet<String> {
        let files: Vec<_> = [(DEFAULT_NAME, DEFAULT)].into_iter().chain(own).collect();
        compile::targets(&files)
    }

    /// A short name for what the mapping says: another mapping has another one.
    pub fn version(&self) -> &str {
        &self.plans.version
    }

    /// The Salesforce objects that are written, each after those that its records can point to.
    pub fn parents_first(&self) -> Vec<Arc<str>> {
        self.plans.parents_first()
    }

    /// The Salesforce objects that say where money is. When requests get scarce they go before profiles and catalogues.
    pub fn money_objects(&self) -> Vec<Arc<str>> {
        let kinds =
            ["charge", "payment_intent", "refund", "dispute", "payout", "balance_transaction"].into_iter();
        kinds.flat_map(|kind| self.plans.targets(kind)).map(Arc::from).collect()
    }

    /// The Salesforce objects of whose records a platform event tells.
    pub fn notifying(&self) -> Vec<Arc<str>> {
        let plans = self.plans.kinds.values().flat_map(|kind| &kind.plans);
        let told: BTreeSet<Arc<str>> =
            plans.filter(|plan| plan.notify).map(|plan| Arc::clone(&plan.sobject)).collect();
        told.into_iter().collect()
    }

    /// Maps an event of which nothing is known but that the mapping understands this API version.
    ///
    /// Errors: the event can never be mapped as it is.
    pub fn map(&self, payload: &str, api_version: &str) -> Result<Mapped, Error> {
        self.map_in(&Surroundings::new(api_version, None, None), payload)
    }

    /// Maps the event in `payload`.
    ///
    /// Errors: the event can never be mapped as it is.
    pub fn map_in(&self, around: &Surroundings, payload: &str) -> Result<Mapped, Error> {
        let event: Event<'_, ObjectHead<'_>> = serde_json::from_str(payload)?;
        let head = &event.data.object;
        let (Some(object), Some(id)) = (head.object.as_deref(), head.id.as_deref()) else {
            return Ok(Mapped::Changes(Vec::new(), Vec::new()));
        };
        let (Some(kind), Some(name)) = (self.plans.kinds.get(object), self.names.get(object)) else {
            return Ok(Mapped::Changes(Vec::new(), Vec::new()));
        };
        let foreign = event.api_version.as_deref().filter(|version| *version != around.api_version);
        if let Some(version) = foreign.filter(|_| plausible(id)) {
            let object = Parent { object: object.to_owned(), id: id.to_owned() };
            return Ok(Mapped::Foreign(object, version.to_owned()));
        }
        let occasion = Occasion { object: Arc::clone(name), event_id: &event.id, created: event.created };
        let found = kind.read(payload, around)?;
        let mut changes = kind.apply(&occasion, &found)?;
        let mut wishes = Vec::new();
        for (slot, related) in &kind.related {
            for named in one_or_each(found.value(*slot)) {
                let Ok(id) = transform::id(named) else { continue };
                // Written in full it needs no reading, unless it is not as it should be.
                let inside =
                    named.starts_with('{').then(|| self.inside(&event, &occasion, around, related, named));
                match inside {
                    Some(Ok(more)) => changes.extend(more),
                    Some(Err(_)) | None if plausible(&id) => {
                        wishes.push(Wish::Object(Parent { object: related.as_ref().to_owned(), id }));
                    }
                    Some(Err(_)) | None => {}
                }
            }
        }
        if kind.contents.iter().any(|when| when.holds(&found)) {
            wishes.push(Wish::Contents(Parent { object: object.to_owned(), id: id.to_owned() }));
        }
        let parents = changes.iter().flat_map(|change| &change.parents).map(|parent| parent.id.as_str());
        if !changes.iter().map(|change| change.external_id.as_str()).chain(parents).all(plausible) {
            return Err(Error::Identifier);
        }
        Ok(Mapped::Changes(changes, wishes))
    }

    /// The changes that an object inside the event's object makes.
    fn inside(
        &self,
        event: &Event<'_, ObjectHead<'_>>,
        occasion: &Occasion<'_>,
        around: &Surroundings,
        object: &Arc<str>,
        text: &str,
    ) -> Result<Vec<Change>, Error> {
        let Some(kind) = self.plans.kinds.get(object.as_ref()) else { return Ok(Vec::new()) };
        let of_its_own = serde_json::to_string(&Inside {
            id: &event.id,
            kind: &event.kind,
            created: event.created,
            livemode: event.livemode,
            account: event.account.as_deref(),
            data: InsideData { object: serde_json::from_str(text)? },
        })?;
        let found = kind.read(&of_its_own, around)?;
        kind.apply(&Occasion { object: Arc::clone(object), ..*occasion }, &found)
    }
}

/// An event as it would be if it were about the object inside.
#[derive(Serialize)]
struct Inside<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a Cow<'a, str>,
    created: i64,
    livemode: bool,
    account: Option<&'a str>,
    data: InsideData<'a>,
}

#[derive(Serialize)]
struct InsideData<'a> {
    object: &'a RawValue,
}

/// A value, or the elements of a list.
fn one_or_each(value: Option<&str>) -> Vec<&str> {
    match value {
        Some(list) if list.starts_with('[') => {
            elements(list).map(|elements| elements.iter().map(|one| one.get()).collect()).unwrap_or_default()
        }
        other => other.into_iter().collect(),
    }
}

/// Stripe's ids have at most 255 characters; the databases and Salesforce take no others.
fn plausible(id: &str) -> bool {
    (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
