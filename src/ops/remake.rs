//! What a record would be by today's mapping, made anew of the events that are stored.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::mapping::Mapping;
use crate::store::dead_letters::DeadRecord;
use crate::store::outbox::NewState;
use crate::store::{self, Conn, history};
use crate::webhooks::process::Route;
use crate::webhooks::retell::{self, Saying};

/// A record, made anew.
#[derive(Clone, Debug)]
pub(super) enum Remade {
    /// This is what would be sent.
    State(Box<NewState>),
    /// The events are not stored any more; it can only be sent as it was.
    Forgotten,
    /// Today's mapping makes no such record, for this reason.
    Nothing(String),
}

/// Makes a record anew, of all events that its state is made of.
pub(super) fn remake(
    conn: &mut Conn,
    row: &DeadRecord,
    mapping: &Mapping,
    accounts: &BTreeMap<String, Route>,
) -> store::Result<Remade> {
    let spoken = retell::spoken_at(&row.carried)?;
    let made_of: Vec<&str> =
        spoken.values().map(|(_, _, event)| event.as_str()).chain([row.event_id.as_str()]).collect();
    let mut objects: BTreeSet<String> =
        history::objects_of(conn, &row.account, &made_of)?.into_iter().collect();
    objects.insert(row.external_id.clone());
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let mut events = history::events_of(conn, &objects)?;
    events.retain(|event| event.account == row.account);
    let Some(newest) = events.iter().find(|event| event.event_id == row.event_id) else {
        return Ok(Remade::Forgotten);
    };
    let newest = newest.seq;
    let mut retold = retell::retell(&events, mapping, accounts)?;
    let said = retold.heard.iter().find(|heard| heard.seq == newest);
    if let Some(Saying::Unmappable(reason)) = said.map(|heard| &heard.saying) {
        return Ok(Remade::Nothing(format!("event {} cannot be mapped: {reason}", row.event_id)));
    }
    let key = (row.sobject.clone(), row.external_id.clone());
    match retold.records.remove(&key) {
        Some(state) => {
            let state = retell::with_remains_of(&row.known(), &events, state)?;
            Ok(Remade::State(Box::new(state)))
        }
        None => Ok(Remade::Nothing(format!("the mapping makes no {} of its events any more", row.sobject))),
    }
}

fn corrupt(error: serde_json::Error) -> store::Error {
    store::Error::Corrupt(Box::new(error))
}

/// What differs between two states of a record, as a line for each field; nothing when they are the same.
pub(super) fn differences(before: &str, after: &str) -> store::Result<Vec<String>> {
    let read = |fields: &str| -> store::Result<BTreeMap<String, Box<RawValue>>> {
        serde_json::from_str(fields).map_err(corrupt)
    };
    let (before, after) = (read(before)?, read(after)?);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let said = |fields: &BTreeMap<String, Box<RawValue>>, name: &str| {
        fields.get(name).map_or("(not sent)".to_owned(), |value| value.get().to_owned())
    };
    let changed = names.into_iter().filter_map(|name| {
        let (old, new) = (said(&before, name), said(&after, name));
        (old != new).then(|| format!("{name}: {old} → {new}"))
    });
    Ok(changed.collect())
}
