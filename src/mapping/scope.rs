//! What is at hand while one record's mapping is compiled: its Stripe object, its paths, and the faults found so far.

use super::file::{Fault, Item, Node, Place, Table};
use super::paths::{Paths, Slot};
use super::shape::{Known, Shapes, did_you_mean};

/// What an event says beside its object.
const EVENT: [(&str, &str); 6] = [
    ("event.id", "text"),
    ("event.type", "text"),
    ("event.created", "time"),
    ("event.livemode", "flag"),
    ("event.account", "text"),
    // Of what was listed as part of a payout.
    ("event.payout", "payout"),
];

/// What it means when a field that Stripe always writes is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// The event must not be mapped.
    IsAnError,
    /// The mapping says itself what is done then.
    IsFine,
}

/// The compilation of one record.
#[derive(Debug)]
pub(super) struct Scope<'c> {
    /// Stripe's name of the object.
    pub object: String,
    /// Known objects of Stripe.
    pub shapes: &'c Shapes,
    /// The paths that all records of the object want.
    pub paths: Paths,
    /// What must be there, and whether it may be null.
    pub needs: Vec<(Slot, bool)>,
    /// What is wrong.
    pub faults: &'c mut Vec<Fault>,
}

impl Scope<'_> {
    /// Notes a fault.
    pub(super) fn fault(&mut self, place: &Place, problem: String) {
        self.faults.push(Fault { place: place.clone(), problem });
    }

    /// The slot of a path.
    pub(super) fn slot(&mut self, path: &str, item: &Item, absent: Absent) -> Slot {
        let known = self.look_up(path, item);
        let slot = self.paths.add(path);
        if let Some(known) = known.filter(|known| known.always_there && absent == Absent::IsAnError) {
            self.needs.push((slot, known.nullable));
        }
        slot
    }

    /// What a path leads to; a fault is noted when it leads nowhere.
    pub(super) fn look_up(&mut self, path: &str, item: &Item) -> Option<Known> {
        if path.starts_with("event.") {
            let found = EVENT.iter().find(|(name, _)| *name == path);
            let known = found.map(|(_, holds)| Known {
                holds: (*holds).to_owned(),
                always_there: false,
                nullable: true,
            });
            if known.is_none() {
                let names = EVENT.map(|(name, _)| name.to_owned());
                let problem = format!("an event has no `{path}`; there are {}", names.join(", "));
                self.fault(&item.place, problem);
            }
            return known;
        }
        match self.shapes.look_up(&self.object, path) {
            Ok(known) => Some(known),
            Err(problem) => {
                self.fault(&item.place, problem);
                None
            }
        }
    }

    /// The text of a setting; a fault is noted when it is something else.
    pub(super) fn text<'i>(&mut self, item: &'i Item, what: &str) -> Option<&'i str> {
        match &item.node {
            Node::Text(text) => Some(text),
            _ => {
                self.fault(&item.place, format!("`{what}` takes a text in quotes"));
                None
            }
        }
    }

    /// Notes the settings that do not exist.
    pub(super) fn refuse_unknown(&mut self, table: &Table, known: &[&str], of: &str) {
        for (name, item) in table.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            let names: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
            let problem = format!("{of} has no setting `{name}`{}", did_you_mean(name, names.iter()));
            self.fault(&item.place, problem);
        }
    }
}
