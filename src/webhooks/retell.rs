//! Tells again, from the events that are stored, how records came to look as they do; changes nothing.
//!
//! The same understanding and the same order as when the events came, so that nothing has to be written down meanwhile. By
//! today's mapping: told after it was corrected, the records look as they should.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::process::{Arriving, Route, Standing, Understood, understand};
use crate::mapping::Mapping;
use crate::store;
use crate::store::inbox::{PendingEvent, StoredEvent};
use crate::store::outbox::{Known, NewState, Position};

/// A record by its object and external id.
pub type Key = (String, String);

/// What came of some events.
#[derive(Clone, Debug, Default)]
pub struct Retold {
    /// What each event said, in order of arrival.
    pub heard: Vec<Heard>,
    /// The newest state of each record.
    pub records: BTreeMap<Key, NewState>,
}

/// What one event said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its place in the order of arrival.
    pub seq: i64,
    /// What it came down to.
    pub saying: Saying,
}

/// What an event came down to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saying {
    /// It cannot be mapped.
    Unmappable(String),
    /// The object was read from Stripe in its place, for this reason.
    ReadInstead(String),
    /// States of these records, if any, and how each did against what was known; and what was left out.
    States(Vec<(Key, Verdict)>, Vec<String>),
}

/// How a state did against what was known of its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was known.
    First,
    /// It only adds to a record that no event had made; that was read from Stripe.
    TooEarly,
    /// It only adds to the record, beside the state of this one.
    Added(Position),
    /// It is newer than the known one.
    Newer(Difference),
    /// It is older than this one, and only counts for fields that no newer one speaks of.
    Older(Difference, Position),
    /// The payloads cannot tell; for the moment the event's id decided, and the object was read from Stripe.
    Undecided {
        /// Whether this one stood meanwhile.
        stood: bool,
        /// The other one.
        other: Position,
    },
}

/// What made one state newer than the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The events' seconds.
    Second,
    /// How far the object had got within the same second.
    Progress,
    /// Both say the same.
    Nothing,
}

/// Tells what these events, in order of arrival, came to.
///
/// Errors: what the mapping makes cannot be merged, which would be a bug.
pub fn retell(
    events: &[StoredEvent],
    mapping: &Mapping,
    accounts: &BTreeMap<String, Route>,
) -> store::Result<Retold> {
    let (mut retold, mut early) = (Retold::default(), Vec::new());
    for event in events {
        let saying = match understood(event, mapping, accounts) {
            Err(reason) => Saying::Unmappable(reason),
            Ok(Understood::Wanted(_, note)) => Saying::ReadInstead(note),
            Ok(Understood::States { mut states, notes, .. }) => {
                // A record is made before anything is added to it.
                states.sort_by_key(|one| one.adds_to.is_some());
                let verdicts = states.into_iter().map(|one| retold.hear(one, &mut early));
                Saying::States(verdicts.collect::<store::Result<_>>()?, notes)
            }
        };
        retold.heard.push(Heard { seq: event.seq, saying });
    }
    // By now their records are there; in any order the end is the same.
    for addition in std::mem::take(&mut early) {
        retold.hear(addition, &mut early)?;
    }
    Ok(retold)
}

fn understood(
    event: &StoredEvent,
    mapping: &Mapping,
    accounts: &BTreeMap<String, Route>,
) -> Result<Understood, String> {
    let route = accounts
        .get(&event.account)
        .ok_or_else(|| format!("no account `{}` is configured", event.account))?;
    let pending =
        PendingEvent { seq: event.seq, account: event.account.clone(), payload: event.payload.clone() };
    understand(mapping, &pending, route, &route.surroundings())
}

impl Retold {
    fn hear(&mut self, arriving: Arriving, early: &mut Vec<Arriving>) -> store::Result<(Key, Verdict)> {
        let state = &arriving.state;
        let key = (state.sobject.clone(), state.external_id.clone());
        let Some(known) = self.records.get(&key) else {
            if arriving.adds_to.is_some() {
                early.push(arriving);
                return Ok((key, Verdict::TooEarly));
            }
            self.records.insert(key.clone(), arriving.state);
            return Ok((key, Verdict::First));
        };
        let met = Standing::arrived(known).meet(state)?;
        let difference = difference(&known.position, &state.position);
        let verdict = if met.undecided {
            Verdict::Undecided { stood: met.arriving_is_newer, other: known.position.clone() }
        } else if arriving.adds_to.is_some() {
            Verdict::Added(known.position.clone())
        } else if met.arriving_is_newer {
            Verdict::Newer(difference)
        } else {
            Verdict::Older(difference, known.position.clone())
        };
        if let Some(now) = met.changed {
            self.records.insert(key.clone(), now);
        }
        Ok((key, verdict))
    }
}

/// Of each field that a state carries along, the second, the progress and the event of the state that spoke of it.
///
/// Errors: it is no JSON of that form.
pub fn spoken_at(carried: &str) -> store::Result<BTreeMap<String, (i64, i64, String)>> {
    serde_json::from_str(carried).map_err(|error| store::Error::Corrupt(Box::new(error)))
}

/// A retold state, with those carried fields of the known one whose events are not among the `told` ones.
///
/// Errors: what is stored is no JSON of the form it should be.
pub fn with_remains_of(known: &Known, told: &[StoredEvent], retold: NewState) -> store::Result<NewState> {
    let corrupt = |error: serde_json::Error| store::Error::Corrupt(Box::new(error));
    let mut spoken = spoken_at(&known.carried)?;
    spoken.retain(|_, (_, _, event_id)| told.iter().all(|event| event.event_id != *event_id));
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&known.fields).map_err(corrupt)?;
    fields.retain(|name, _| spoken.contains_key(name));
    // Older than everything: it counts only for what nothing else speaks of.
    let remains = Known {
        position: Position { created: i64::MIN, progress: i64::MIN, event_id: String::new() },
        fields: serde_json::to_string(&fields).map_err(corrupt)?,
        carried: serde_json::to_string(&spoken).map_err(corrupt)?,
        parents: known.parents.clone(),
    };
    Ok(Standing::known(remains).meet(&retold)?.changed.unwrap_or(retold))
}

fn difference(known: &Position, arriving: &Position) -> Difference {
    if known.created != arriving.created {
        Difference::Second
    } else if known.progress != arriving.progress {
        Difference::Progress
    } else {
        Difference::Nothing
    }
}
