//! What was received about an object, for those who ask why its record looks as it does.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::inbox::{self, StoredEvent};
use super::schema::{events, fetches, inbox as waiting, outbox};

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

/// The events about these objects, in order of arrival.
pub fn events_of(conn: &mut Conn, object_ids: &[&str]) -> Result<Vec<StoredEvent>> {
    let mut found = Vec::new();
    for object_id in object_ids {
        found.extend(inbox::events_of(conn, object_id, ENOUGH)?);
    }
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

/// A record as it stands, with all that explains it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct RecordRow {
    /// The row of the outbox.
    pub id: i64,
    /// Name of the org in the configuration.
    pub org: String,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// API name of the object.
    pub sobject: String,
    /// The Stripe id.
    pub external_id: String,
    /// Last event of the newest state.
    pub event_id: String,
    /// Its fields.
    pub fields: String,
    /// Of the fields it does not speak of itself, the position of the state that did.
    pub carried: String,
    /// The records that must exist first.
    pub parents: String,
    /// `pending`, `leased`, `done`, `dead` or `discarded`.
    pub state: String,
    /// Tries of that state so far.
    pub attempts: i32,
    /// Milliseconds since 1970: when it is tried next, or the lease of its call ends.
    pub due_at: i64,
    /// Milliseconds since 1970: since when it waits for a parent.
    pub waiting_since: Option<i64>,
    /// Why it is not there yet.
    pub last_error: Option<String>,
    /// Milliseconds since 1970: when the row changed last.
    pub updated_at: i64,
    /// Names the mapping that made the fields.
    pub mapping_version: String,
    /// The record's own id, once it arrived.
    pub salesforce_id: Option<String>,
    /// Milliseconds since 1970: when it last arrived.
    pub delivered_at: Option<i64>,
    /// Last event of the state that arrived.
    pub delivered_event_id: Option<String>,
    /// The call that carried it.
    pub delivered_call: Option<String>,
}

/// An object that is still to be read from Stripe.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Read {
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// Stripe's id.
    pub object_id: String,
    /// Why.
    pub reason: String,
    /// Tries so far.
    pub attempts: i32,
    /// Milliseconds since 1970: when it is tried next.
    pub due_at: i64,
    /// Why it did not work last time.
    pub last_error: Option<String>,
}

/// The records that have one of these Stripe ids.
pub fn records_of(conn: &mut Conn, external_ids: &[&str]) -> Result<Vec<RecordRow>> {
    let query = outbox::table
        .filter(outbox::external_id.eq_any(external_ids))
        .order((outbox::org, outbox::sobject, outbox::external_id))
        .select((
            outbox::id,
            outbox::org,
            outbox::account,
            outbox::sobject,
            outbox::external_id,
            outbox::event_id,
            outbox::fields,
            outbox::carried,
            outbox::parents,
            outbox::state,
            outbox::attempts,
            outbox::due_at,
            outbox::waiting_since,
            outbox::last_error,
            outbox::updated_at,
            outbox::mapping_version,
            outbox::salesforce_id,
            outbox::delivered_at,
            outbox::delivered_event_id,
            outbox::delivered_call,
        ));
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// What is still to be read from Stripe of these objects.
pub fn reads_of(conn: &mut Conn, object_ids: &[&str]) -> Result<Vec<Read>> {
    let query = fetches::table.filter(fetches::object_id.eq_any(object_ids)).order(fetches::due_at).select((
        fetches::account,
        fetches::object_id,
        fetches::reason,
        fetches::attempts,
        fetches::due_at,
        fetches::last_error,
    ));
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// The object that an event is about; none for an event that is not stored, an empty one for an event about nothing.
pub fn object_of(conn: &mut Conn, event_id: &str) -> Result<Option<String>> {
    let query = events::table.filter(events::event_id.eq(event_id)).select(events::object_id);
    let found: Option<Option<String>> = on_backend!(conn, c => query.first(c).optional())?;
    Ok(found.map(Option::unwrap_or_default))
}
