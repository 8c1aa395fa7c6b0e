//! The compiled mapping: which records an object becomes, and in which order they may point to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::condition::When;
use super::field::Field;
use super::paths::{Found, Paths, Slot};
use super::progress::Progress;
use super::transform::{self, Made, Transform};
use super::{Change, Error, Occasion, Parent, Surroundings};
use crate::salesforce::{Fields, Value};

/// The plans by Stripe's name of the object.
#[derive(Clone, Debug)]
pub(super) struct Plans {
    /// Of the files that they are made from.
    pub version: Arc<str>,
    pub kinds: BTreeMap<String, Kind>,
}

/// What is done with one kind of object.
#[derive(Clone, Debug, Default)]
pub(super) struct Kind {
    /// What is read of it.
    pub paths: Paths,
    /// The records it becomes.
    pub plans: Vec<Plan>,
    /// What it names that becomes records of its own: where, and Stripe's name of the kind.
    pub related: Vec<(Slot, Arc<str>)>,
    /// When what it is made of is to be listed.
    pub contents: Vec<When>,
}

/// How one record is made.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub sobject: Arc<str>,
    pub when: When,
    /// What must be there, and whether it may be null.
    pub needs: Vec<(Slot, bool)>,
    pub key: Key,
    /// The object's own id.
    pub id: Slot,
    pub deleted: Slot,
    pub fields: Vec<Field>,
    pub progress: Progress,
    /// A platform event tells of each new state of the record.
    pub notify: bool,
}

/// Which record is written.
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// The one that goes by the object's own id.
    Own(Slot),
    /// The one of another object, whose id is there. It is only added to.
    Of(Arc<str>, Slot),
    /// The one that the metadata names, by its own id. It is never made.
    Record(Transform),
}

impl Plans {
    /// The Salesforce objects that a Stripe object becomes records of.
    pub(super) fn targets(&self, object: &str) -> impl Iterator<Item = &str> {
        self.kinds.get(object).into_iter().flat_map(|kind| &kind.plans).map(|plan| &*plan.sobject)
    }

    /// The Salesforce objects, each after all that its records can point to.
    pub(super) fn parents_first(&self) -> Vec<Arc<str>> {
        let mut waiting: BTreeMap<Arc<str>, BTreeSet<&str>> = BTreeMap::new();
        for plan in self.kinds.values().flat_map(|kind| &kind.plans) {
            let parents = plan.fields.iter().filter_map(Field::refers_to);
            let parents = parents.flat_map(|object| self.targets(object));
            let parents = parents.filter(|parent| **parent != *plan.sobject);
            waiting.entry(Arc::clone(&plan.sobject)).or_default().extend(parents);
        }
        let mut sorted: Vec<Arc<str>> = Vec::new();
        while !waiting.is_empty() {
            let is_free =
                |parents: &BTreeSet<&str>| parents.iter().all(|p| sorted.iter().any(|s| **s == **p));
            let free: Vec<_> = waiting
                .iter()
                .filter(|(_, parents)| is_free(parents))
                .map(|(name, _)| Arc::clone(name))
                .collect();
            // Objects that point to each other in a circle travel in the order of their names.
            let next = if free.is_empty() { waiting.keys().cloned().collect() } else { free };
            for name in next {
                waiting.remove(&name);
                sorted.push(name);
            }
        }
        sorted
    }
}

impl Kind {
    /// Reads an event; what it does not say of its surroundings is put in.
    pub(super) fn read<'a>(
        &self,
        payload: &'a str,
        around: &'a Surroundings,
    ) -> Result<Found<'a>, serde_json::Error> {
        let mut found = self.paths.read(payload)?;
        if let (Some(slot), Some(account)) = (self.paths.find("event.account"), &around.account)
            && found.value(slot).is_none()
        {
            found.put(slot, account);
        }
        found.org = around.org.as_deref();
        Ok(found)
    }

    /// The changes of all records that the object becomes.
    pub(super) fn apply(&self, occasion: &Occasion<'_>, found: &Found<'_>) -> Result<Vec<Change>, Error> {
        let changes = self.plans.iter().map(|plan| plan.apply(occasion, &self.paths, found));
        changes.filter_map(Result::transpose).collect()
    }
}

impl Plan {
    /// The record's change; nothing when the plan is not meant for this event.
    pub(super) fn apply(
        &self,
        occasion: &Occasion<'_>,
        paths: &Paths,
        found: &Found<'_>,
    ) -> Result<Option<Change>, Error> {
        if !self.when.holds(found) {
            return Ok(None);
        }
        let Some(object_id) = found.text(self.id) else { return Ok(None) };
        let (external_id, adds_to) = match &self.key {
            Key::Own(slot) => match found.text(*slot) {
                Some(id) => (id.into_owned(), None),
                None => return Ok(None),
            },
            Key::Of(object, slot) => match found.value(*slot).map(transform::id) {
                Some(Ok(id)) => (id.clone(), Some(Parent { object: object.as_ref().to_owned(), id })),
                Some(Err(_)) | None => return Ok(None),
            },
            Key::Record(named) => match named.make(None, found) {
                Ok(Made::Value(Value::Text(id))) => (id, None),
                _ => return Ok(None),
            },
        };
        // Read after its deletion, an object says little more than its id; what the record says of it stays.
        let stub = found.value(self.deleted) == Some("true");
        if !stub {
            for (slot, nullable) in &self.needs {
                let there = if *nullable { found.is_there(*slot) } else { found.value(*slot).is_some() };
                if !there {
                    let path = paths.name(*slot).to_owned();
                    return Err(Error::Vanished { id: external_id, path });
                }
            }
        }
        let mut change = Change {
            object: Arc::clone(&occasion.object),
            object_id: object_id.into_owned(),
            sobject: Arc::clone(&self.sobject),
            external_id,
            adds_to,
            event_id: occasion.event_id.to_owned(),
            created: occasion.created,
            progress: self.progress.of(found),
            fields: Fields::with_capacity(self.fields.len()),
            parents: Vec::new(),
            notes: Vec::new(),
        };
        for field in &self.fields {
            field.fill(&mut change, found, paths, stub)?;
        }
        Ok(Some(change))
    }
}
