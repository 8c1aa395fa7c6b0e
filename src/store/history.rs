//! What was received about an object, for those who ask why its record looks as it does.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::inbox::{self, StoredEvent};
use super::schema::{events, inbox as waiting};

/// Of one object so many events are looked at, the newest.
const ENOUGH: i64 = 1_000;

/// Where an event stands that is not done with.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Unfinished {
    /// Its place in the order of arrival.
    pub seq: i64,
    /// `pending`, `dead` or `discarded`.
    pub state: String,
    /// Why it was given up.
    pub last_error: Option<String>,
}

/// The objects that these events are about.
pub fn objects_of(conn: &mut Conn, account: &str, event_ids: &[&str]) -> Result<Vec<String>> {
    let query = events::table
        .filter(events::event_id.eq_any(event_ids))
        .filter(events::account.eq(account))
        .filter(events::object_id.is_not_null())
        .select(events::object_id.assume_not_null())
        .distinct();
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// The events of an account about these objects, in order of arrival.
pub fn events_of(conn: &mut Conn, account: &str, object_ids: &[&str]) -> Result<Vec<StoredEvent>> {
    let mut found = Vec::new();
    for object_id in object_ids {
        found.extend(inbox::events_of(conn, object_id, ENOUGH)?);
    }
    found.retain(|event| event.account == account);
    found.sort_by_key(|event| event.seq);
    found.dedup_by_key(|event| event.seq);
    Ok(found)
}

/// The event with this place in the order of arrival.
pub fn event(conn: &mut Conn, seq: i64) -> Result<Option<StoredEvent>> {
    let query = events::table.find(seq).select((
        events::seq,
        events::account,
        events::event_id,
        events::event_type,
        events::created,
        events::received_at,
        events::payload,
    ));
    Ok(on_backend!(conn, c => query.first(c).optional())?)
}

/// Which of these events are not done with.
pub fn unfinished(conn: &mut Conn, seqs: &[i64]) -> Result<Vec<Unfinished>> {
    let query = waiting::table.filter(waiting::seq.eq_any(seqs)).select((
        waiting::seq,
        waiting::state,
        waiting::last_error,
    ));
    Ok(on_backend!(conn, c => query.load(c))?)
}
