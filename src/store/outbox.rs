//! The newest state of each Salesforce record that was not yet accepted, and where each record stands.
//!
//! A row lives as long as its record, because its position decides whether a late event is older. `pending` rows are due
//! at `due_at`; `leased` rows travel, and are due again when the lease ends without a result; `done` rows arrived; `dead`
//! rows wait for a person or a newer state; `discarded` rows are those of which a person said that they stay away.

use std::collections::HashMap;

use diesel::connection::SimpleConnection;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text};

use super::attempts::{self, Ended, NewAttempt};
use super::connection::{Conn, on_backend};
use super::error::{Error, Result};
use super::schema::outbox;
use super::statement::Statement;

/// How new a state is: the second of its event, the object's own progress within that second, and the event's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Stripe's clock, seconds since 1970.
    pub created: i64,
    /// Larger is further; only compared inside one second.
    pub progress: i64,
    /// Decides what nothing else decides, the same way in every order of arrival.
    pub event_id: String,
}

/// The newest state of one record, as it is merged in.
#[derive(Clone, Debug)]
pub struct NewState {
    /// Name of the org in the configuration.
    pub org: String,
    /// API name of the object.
    pub sobject: String,
    /// The Stripe id that the record is upserted by.
    pub external_id: String,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// How new it is.
    pub position: Position,
    /// JSON object of the fields.
    pub fields: String,
    /// JSON object: of those fields that this state does not speak of, the position of the state that did.
    pub carried: String,
    /// JSON list of the records that must exist first.
    pub parents: String,
    /// Names the mapping that made the fields.
    pub mapping_version: String,
}

/// What is known of a record before a new state comes.
#[derive(Clone, Debug)]
pub struct Known {
    /// How new the known state is.
    pub position: Position,
    /// Its fields.
    pub fields: String,
    /// Of the fields it does not speak of itself, the position of the state that did.
    pub carried: String,
    /// The records that must exist first.
    pub parents: String,
}

/// A row taken to Salesforce.
#[derive(Clone, Debug, Queryable)]
pub struct Leased {
    /// The row.
    pub id: i64,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// API name of the object.
    pub sobject: String,
    /// The Stripe id that the record is upserted by.
    pub external_id: String,
    /// Last event of the state that travels.
    pub event_id: String,
    /// JSON object of the fields.
    pub fields: String,
    /// JSON list of the records that must exist first.
    pub parents: String,
    /// Tries so far, this one included.
    pub attempts: i32,
    /// Milliseconds since 1970: since when it waits for a parent.
    pub waiting_since: Option<i64>,
    /// Milliseconds since 1970: since when it was due.
    pub due_at: i64,
    /// Names the mapping that made the fields.
    pub mapping_version: String,
    /// The record's own id, once Salesforce accepted it.
    pub salesforce_id: Option<String>,
}

/// A row that Salesforce accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The row.
    pub id: i64,
    /// The record's own id; empty when the answer did not say it.
    pub record_id: String,
    /// Last event of the state that arrived.
    pub event_id: String,
}

/// A row that is not tried again until a person replays it or a newer state comes.
#[derive(Clone, Debug, Queryable)]
pub struct DeadLetter {
    /// The row.
    pub id: i64,
    /// API name of the object.
    pub sobject: String,
    /// The Stripe id.
    pub external_id: String,
    /// What was sent.
    pub fields: String,
    /// Tries so far.
    pub attempts: i32,
    /// The full error.
    pub last_error: Option<String>,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

/// Where one record stands.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Standing {
    /// The row.
    pub id: i64,
    /// `pending`, `leased`, `done`, `dead` or `discarded`.
    pub state: String,
    /// Last event of the newest state.
    pub event_id: String,
    /// Names the mapping that made it.
    pub mapping_version: String,
    /// Tries of that state so far.
    pub attempts: i32,
    /// Milliseconds since 1970: when it is tried next, or the lease of its call ends.
    pub due_at: i64,
    /// Milliseconds since 1970: since when it waits for a parent.
    pub waiting_since: Option<i64>,
    /// Why it is not there yet.
    pub last_error: Option<String>,
    /// The record's own id, once it arrived.
    pub salesforce_id: Option<String>,
    /// Milliseconds since 1970: when it last arrived.
    pub delivered_at: Option<i64>,
    /// Last event of the state that arrived.
    pub delivered_event_id: Option<String>,
    /// The call that carried it.
    pub delivered_call: Option<String>,
}

/// How many rows are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting for their turn.
    pub pending: i64,
    /// On their way.
    pub leased: i64,
    /// Arrived.
    pub done: i64,
    /// Given up.
    pub dead: i64,
    /// Given up, and a person agreed.
    pub discarded: i64,
}

/// What is known of these records, by sobject and external id. On PostgreSQL the rows stay locked until the transaction ends.
pub fn known(conn: &mut Conn, org: &str, external_ids: &[&str]) -> Result<HashMap<(String, String), Known>> {
    type Row = (String, String, i64, i64, String, String, String, String);
    let columns = (
        outbox::sobject,
        outbox::external_id,
        outbox::created,
        outbox::progress,
        outbox::event_id,
        outbox::fields,
        outbox::carried,
        outbox::parents,
    );
    // Always in the same order, so that two processes cannot lock each other out.
    let query = outbox::table
        .filter(outbox::org.eq(org))
        .filter(outbox::external_id.eq_any(external_ids))
        .order((outbox::sobject, outbox::external_id))
        .select(columns);
    let rows: Vec<Row> = match conn {
        Conn::Sqlite(c) => query.load(c)?,
        Conn::Postgres(c) => query.for_update().load(c)?,
    };
    Ok(rows
        .into_iter()
        .map(|(sobject, external_id, created, progress, event_id, fields, carried, parents)| {
            let position = Position { created, progress, event_id };
            ((sobject, external_id), Known { position, fields, carried, parents })
        })
        .collect())
}

macro_rules! merge_from {
    ($rows:literal) => {
        concat!(
            "INSERT INTO outbox (version, leased_version, state, lease, attempts, org, sobject, external_id, \
               account, created, progress, event_id, fields, carried, parents, mapping_version, due_at, \
               updated_at) \
             SELECT 1, 0, 'pending', '', 0, arriving.* FROM ",
            $rows
        )
    };
}

const MERGE_UNLESS_OLDER: &str = ")) AS arriving WHERE true \
     ON CONFLICT (external_id, org, sobject) DO UPDATE SET \
       account = excluded.account, created = excluded.created, progress = excluded.progress, \
       event_id = excluded.event_id, fields = excluded.fields, carried = excluded.carried, \
       parents = excluded.parents, mapping_version = excluded.mapping_version, \
       version = outbox.version + 1, updated_at = excluded.updated_at, \
       state = CASE outbox.state WHEN 'leased' THEN 'leased' ELSE 'pending' END, \
       attempts = CASE WHEN outbox.state IN ('done', 'dead', 'discarded') THEN 0 ELSE outbox.attempts END, \
       waiting_since = CASE WHEN outbox.state IN ('done', 'dead', 'discarded') THEN NULL ELSE outbox.waiting_since END, \
       due_at = CASE WHEN outbox.state IN ('done', 'dead', 'discarded') THEN excluded.due_at ELSE outbox.due_at END \
     WHERE (excluded.created, excluded.progress, excluded.event_id) \
         >= (outbox.created, outbox.progress, outbox.event_id)";

/// Writes states into their rows, unless they are older than what the row has; what is written is due now. A row
/// that travels keeps its lease and is due again when the call ends; one that waits after a failure keeps its wait.
pub fn merge(conn: &mut Conn, states: &[NewState], now_ms: i64) -> Result<()> {
    match conn {
        Conn::Sqlite(c) => states.iter().try_for_each(|state| merge_on_sqlite(c, state, now_ms)),
        Conn::Postgres(c) => merge_on_postgres(c, states, now_ms),
    }
}

fn merge_on_sqlite(c: &mut SqliteConnection, state: &NewState, now_ms: i64) -> Result<()> {
    let NewState { org, sobject, external_id, account, position, fields, carried, parents, mapping_version } =
        state;
    let values = (
        org.into_sql::<Text>(),
        sobject.into_sql::<Text>(),
        external_id.into_sql::<Text>(),
        account.into_sql::<Text>(),
        position.created.into_sql::<BigInt>(),
        position.progress.into_sql::<BigInt>(),
        (&position.event_id).into_sql::<Text>(),
        fields.into_sql::<Text>(),
        carried.into_sql::<Text>(),
        parents.into_sql::<Text>(),
        mapping_version.into_sql::<Text>(),
        now_ms.into_sql::<BigInt>(),
        now_ms.into_sql::<BigInt>(),
    );
    Statement { before: merge_from!("(VALUES ("), values, after: MERGE_UNLESS_OLDER }.execute(c)?;
    Ok(())
}

fn merge_on_postgres(c: &mut PgConnection, states: &[NewState], now_ms: i64) -> Result<()> {
    fn column<'a, T>(states: &'a [NewState], field: impl Fn(&'a NewState) -> T) -> Vec<T> {
        states.iter().map(field).collect()
    }
    let values = (
        column(states, |s| s.org.as_str()).into_sql::<Array<Text>>(),
        column(states, |s| s.sobject.as_str()).into_sql::<Array<Text>>(),
        column(states, |s| s.external_id.as_str()).into_sql::<Array<Text>>(),
        column(states, |s| s.account.as_str()).into_sql::<Array<Text>>(),
        column(states, |s| s.position.created).into_sql::<Array<BigInt>>(),
        column(states, |s| s.position.progress).into_sql::<Array<BigInt>>(),
        column(states, |s| s.position.event_id.as_str()).into_sql::<Array<Text>>(),
        column(states, |s| s.fields.as_str()).into_sql::<Array<Text>>(),
        column(states, |s| s.carried.as_str()).into_sql::<Array<Text>>(),
        column(states, |s| s.parents.as_str()).into_sql::<Array<Text>>(),
        column(states, |s| s.mapping_version.as_str()).into_sql::<Array<Text>>(),
        column(states, |_| now_ms).into_sql::<Array<BigInt>>(),
        column(states, |_| now_ms).into_sql::<Array<BigInt>>(),
    );
    Statement { before: merge_from!("(SELECT * FROM unnest("), values, after: MERGE_UNLESS_OLDER }
        .execute(c)?;
    Ok(())
}

/// Rows that wait or travel. Spelled out, because SQLite uses a partial index only for the words it was made with: with
/// parameters instead, every step would read all rows that arrived long ago.
pub(super) fn unfinished() -> SqlLiteral<Bool> {
    diesel::dsl::sql("state IN ('pending', 'leased')")
}

macro_rules! due_columns {
    () => {
        (
            outbox::id,
            outbox::sobject,
            outbox::external_id,
            outbox::parents,
            outbox::due_at,
            outbox::delivered_at.is_not_null(),
        )
    };
}

/// Rows of one object that wait or travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// API name of the object.
    pub sobject: String,
    /// Milliseconds since 1970: when its next row is due.
    pub due_at: i64,
}

/// A row that may travel, with what decides in which company.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Due {
    /// The row.
    pub id: i64,
    /// API name of the object.
    pub sobject: String,
    /// The Stripe id that the record is upserted by.
    pub external_id: String,
    /// JSON list of the records that must exist first.
    pub parents: String,
    /// Milliseconds since 1970.
    pub due_at: i64,
    /// Whether the record is in the org already, with an older state.
    pub arrived: bool,
}

/// A record that is not in the org yet, and why.
#[derive(Clone, Debug, Queryable)]
pub struct Absent {
    /// The row.
    pub row: Due,
    /// `pending`, `leased` or `dead`.
    pub state: String,
    /// What went wrong last.
    pub last_error: Option<String>,
}

const QUEUES: &str = " AS org) AS given \
     UNION ALL \
       SELECT queue.org, (SELECT min(o.sobject) FROM outbox o WHERE o.org = queue.org \
         AND o.state IN ('pending', 'leased') AND o.sobject > queue.sobject) \
       FROM queue WHERE queue.sobject IS NOT NULL) \
     SELECT queue.sobject, CAST((SELECT min(o.due_at) FROM outbox o WHERE o.org = queue.org \
       AND o.state IN ('pending', 'leased') AND o.sobject = queue.sobject) AS TEXT) \
     FROM queue WHERE queue.sobject IS NOT NULL";

/// The objects of which rows wait or travel. It hops along the index: what it costs depends on the objects, not on the rows.
pub fn queues(conn: &mut Conn, org: &str) -> Result<Vec<Queue>> {
    let before = "WITH RECURSIVE queue (org, sobject) AS (\
           SELECT given.org, (SELECT min(o.sobject) FROM outbox o WHERE o.org = given.org \
             AND o.state IN ('pending', 'leased')) FROM (SELECT ";
    let query = Statement { before, values: (org.into_sql::<Text>(),), after: QUEUES };
    let rows: Vec<(String, String)> = on_backend!(conn, c => query.load(c))?;
    let queue = |(sobject, due_at): (String, String)| {
        let due_at = due_at.parse().map_err(|error| Error::Corrupt(Box::new(error)))?;
        Ok(Queue { sobject, due_at })
    };
    rows.into_iter().map(queue).collect()
}

/// Rows of one object that are due, first come first.
pub fn due(conn: &mut Conn, org: &str, sobject: &str, now_ms: i64, limit: i64) -> Result<Vec<Due>> {
    let query = outbox::table
        .filter(outbox::org.eq(org))
        .filter(outbox::sobject.eq(sobject))
        .filter(unfinished())
        .filter(outbox::due_at.le(now_ms))
        .order((outbox::due_at, outbox::id))
        .limit(limit)
        .select(due_columns!());
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// Ids asked for in one query: SQLite takes 32,766 values, PostgreSQL's queries have an end.
const PORTION: usize = 5_000;

/// Those of these records that are known, wait, travel or were given up, and never arrived.
pub fn absent(conn: &mut Conn, org: &str, external_ids: &[&str]) -> Result<Vec<Absent>> {
    let mut found = Vec::new();
    for ids in external_ids.chunks(PORTION) {
        let query = outbox::table
            .filter(outbox::org.eq(org))
            .filter(outbox::external_id.eq_any(ids))
            .filter(outbox::delivered_at.is_null())
            .filter(outbox::state.eq_any(["pending", "leased", "dead"]))
            .select((due_columns!(), outbox::state, outbox::last_error));
        let rows: Vec<Absent> = on_backend!(conn, c => query.load(c))?;
        found.extend(rows);
    }
    Ok(found)
}

/// Those of these external ids under which some record is in the org.
pub fn arrived(conn: &mut Conn, org: &str, external_ids: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for ids in external_ids.chunks(PORTION) {
        let query = outbox::table
            .filter(outbox::org.eq(org))
            .filter(outbox::external_id.eq_any(ids))
            .filter(outbox::delivered_at.is_not_null())
            .select(outbox::external_id);
        let ids: Vec<String> = on_backend!(conn, c => query.load(c))?;
        found.extend(ids);
    }
    Ok(found)
}

/// Milliseconds: no call lasts so long; a lease for longer was taken by a clock that was wrong.
pub const LONGEST_CALL: i64 = 86_400_000;

/// Records and their parents in calls of others that may still be under way: external ids, the parents as a JSON list, and
/// until when.
pub fn travelling(conn: &mut Conn, org: &str, now_ms: i64) -> Result<Vec<(String, String, i64)>> {
    let mut found = Vec::new();
    for queue in queues(conn, org)? {
        let query = outbox::table
            .filter(outbox::org.eq(org))
            .filter(outbox::sobject.eq(&queue.sobject))
            .filter(unfinished())
            .filter(outbox::due_at.gt(now_ms).and(outbox::due_at.le(now_ms + LONGEST_CALL)))
            .filter(outbox::state.eq("leased"))
            .select((outbox::external_id, outbox::parents, outbox::due_at));
        let rows: Vec<_> = on_backend!(conn, c => query.load(c))?;
        found.extend(rows);
    }
    Ok(found)
}

/// Takes these rows until `until_ms`, as far as they are still due. The attempt is counted now, so that a crash counts.
pub fn lease(conn: &mut Conn, lease: &str, ids: &[i64], now_ms: i64, until_ms: i64) -> Result<Vec<Leased>> {
    let due = outbox::table
        .filter(outbox::id.eq_any(ids))
        .filter(unfinished())
        .filter(outbox::due_at.le(now_ms))
        .select((outbox::id, outbox::due_at));
    let due: Vec<(i64, i64)> = match conn {
        Conn::Sqlite(c) => due.load(c)?,
        Conn::Postgres(c) => due.for_update().skip_locked().load(c)?,
    };
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let due: HashMap<i64, i64> = due.into_iter().collect();
    let ids: Vec<i64> = due.keys().copied().collect();
    let mut leased: Vec<Leased> = on_backend!(conn, c => diesel::update(outbox::table.filter(outbox::id.eq_any(&ids)))
        .set((
            outbox::state.eq("leased"),
            outbox::lease.eq(lease),
            outbox::leased_version.eq(outbox::version),
            outbox::attempts.eq(outbox::attempts + 1),
            outbox::due_at.eq(until_ms),
        ))
        .returning((
            outbox::id,
            outbox::account,
            outbox::sobject,
            outbox::external_id,
            outbox::event_id,
            outbox::fields,
            outbox::parents,
            outbox::attempts,
            outbox::waiting_since,
            outbox::due_at,
            outbox::mapping_version,
            outbox::salesforce_id,
        ))
        .load(c))?;
    for row in &mut leased {
        row.due_at = due.get(&row.id).copied().unwrap_or(now_ms);
    }
    Ok(leased)
}

/// These rows cannot be sent before `due_ms`, for want of another record. Not an attempt.
pub fn wait_until(conn: &mut Conn, id: i64, now_ms: i64, due_ms: i64, reason: &str) -> Result<()> {
    let still_due = outbox::table.find(id).filter(unfinished()).filter(outbox::due_at.le(now_ms));
    on_backend!(conn, c => diesel::update(still_due)
        .set((
            outbox::state.eq("pending"),
            outbox::lease.eq(""),
            outbox::due_at.eq(due_ms),
            outbox::last_error.eq(reason),
        ))
        .execute(c))?;
    Ok(())
}

/// The row, if this lease still holds it.
macro_rules! held {
    ($lease:expr, $id:expr) => {
        outbox::table.find($id).filter(outbox::lease.eq($lease)).filter(outbox::state.eq("leased"))
    };
}

macro_rules! arrived_from {
    ($close:literal) => {
        concat!(
            $close,
            "UPDATE outbox SET \
               state = CASE WHEN version = leased_version THEN 'done' ELSE 'pending' END, lease = '', \
               attempts = 0, due_at = arrived.at, waiting_since = NULL, last_error = NULL, \
               updated_at = arrived.at, salesforce_id = COALESCE(NULLIF(record_id, ''), salesforce_id), \
               delivered_at = arrived.at, delivered_event_id = arrived.event_id, delivered_call = arrived.lease \
             FROM arrived WHERE outbox.id = arrived.id AND outbox.lease = arrived.lease AND state = 'leased'"
        )
    };
}

/// Salesforce accepted these rows. One that got a newer state meanwhile is due again at once.
pub fn complete(conn: &mut Conn, lease: &str, rows: &[Arrived], now_ms: i64) -> Result<()> {
    match conn {
        Conn::Sqlite(c) => rows.iter().try_for_each(|row| complete_on_sqlite(c, lease, row, now_ms)),
        Conn::Postgres(c) => complete_on_postgres(c, lease, rows, now_ms),
    }
}

fn complete_on_sqlite(c: &mut SqliteConnection, lease: &str, row: &Arrived, now_ms: i64) -> Result<()> {
    let values = (
        row.id.into_sql::<BigInt>(),
        (&row.record_id).into_sql::<Text>(),
        (&row.event_id).into_sql::<Text>(),
        lease.into_sql::<Text>(),
        now_ms.into_sql::<BigInt>(),
    );
    let before = "WITH arrived (id, record_id, event_id, lease, at) AS (VALUES (";
    Statement { before, values, after: arrived_from!(")) ") }.execute(c)?;
    Ok(())
}

fn complete_on_postgres(c: &mut PgConnection, lease: &str, rows: &[Arrived], now_ms: i64) -> Result<()> {
    let values = (
        rows.iter().map(|row| row.id).collect::<Vec<_>>().into_sql::<Array<BigInt>>(),
        rows.iter().map(|row| row.record_id.as_str()).collect::<Vec<_>>().into_sql::<Array<Text>>(),
        rows.iter().map(|row| row.event_id.as_str()).collect::<Vec<_>>().into_sql::<Array<Text>>(),
        vec![lease; rows.len()].into_sql::<Array<Text>>(),
        vec![now_ms; rows.len()].into_sql::<Array<BigInt>>(),
    );
    let before = "WITH arrived (id, record_id, event_id, lease, at) AS (SELECT * FROM unnest(";
    Statement { before, values, after: arrived_from!(")) ") }.execute(c)?;
    Ok(())
}

/// The row failed for a passing reason and is due again later. Where that is no failure of its own, the attempt does not count
/// (`counts`). `waiting_since` is kept while it waits for a parent.
pub fn retry_at(
    conn: &mut Conn,
    lease: &str,
    id: i64,
    due_ms: i64,
    counts: bool,
    waiting_since: Option<i64>,
    error: &str,
) -> Result<()> {
    on_backend!(conn, c => diesel::update(held!(lease, id))
        .set((
            outbox::state.eq("pending"),
            outbox::lease.eq(""),
            outbox::due_at.eq(due_ms),
            outbox::attempts.eq(outbox::attempts - i32::from(!counts)),
            outbox::waiting_since.eq(waiting_since),
            outbox::last_error.eq(error),
        ))
        .execute(c))?;
    Ok(())
}

/// The row will not be tried again until a person replays it or a newer state comes. A newer state that came while it
/// travelled is tried at once, with all its tries.
pub fn dead_letter(conn: &mut Conn, lease: &str, id: i64, now_ms: i64, error: &str) -> Result<()> {
    on_backend!(conn, c => diesel::update(held!(lease, id))
        .set((
            outbox::state.eq(diesel::dsl::case_when(
                outbox::version.eq(outbox::leased_version), "dead".into_sql::<Text>(),
            ).otherwise("pending")),
            outbox::lease.eq(""),
            outbox::attempts.eq(diesel::dsl::case_when(
                outbox::version.eq(outbox::leased_version), outbox::attempts,
            ).otherwise(0)),
            outbox::waiting_since.eq(diesel::dsl::case_when(
                outbox::version.eq(outbox::leased_version), outbox::waiting_since,
            ).otherwise(None::<i64>)),
            outbox::due_at.eq(now_ms),
            outbox::last_error.eq(error),
            outbox::updated_at.eq(now_ms),
        ))
        .execute(c))?;
    Ok(())
}

/// Gives rows back untried: the fault lay elsewhere, so the attempt does not count. They are due since `due_ms`.
pub fn release(conn: &mut Conn, lease: &str, ids: &[i64], due_ms: i64) -> Result<()> {
    on_backend!(conn, c => diesel::update(
            outbox::table.filter(outbox::lease.eq(lease)).filter(outbox::id.eq_any(ids)),
        )
        .filter(outbox::state.eq("leased"))
        .set((
            outbox::state.eq("pending"),
            outbox::lease.eq(""),
            outbox::attempts.eq(outbox::attempts - 1),
            outbox::due_at.eq(due_ms),
        ))
        .execute(c))?;
    Ok(())
}

/// Nothing was heard of the call that carries these rows, and it may still be under way: they stay taken until `until_ms`.
/// That says nothing about them, so the attempt does not count.
pub fn unheard(conn: &mut Conn, lease: &str, ids: &[i64], until_ms: i64) -> Result<()> {
    on_backend!(conn, c => diesel::update(
            outbox::table.filter(outbox::lease.eq(lease)).filter(outbox::id.eq_any(ids)),
        )
        .filter(outbox::state.eq("leased"))
        .set((outbox::attempts.eq(outbox::attempts - 1), outbox::due_at.eq(until_ms)))
        .execute(c))?;
    Ok(())
}

/// The same of a row that travelled alone while the org answered otherwise: the attempt counts.
pub fn silent(conn: &mut Conn, lease: &str, id: i64, until_ms: i64, error: &str) -> Result<()> {
    on_backend!(conn, c => diesel::update(held!(lease, id))
        .set((outbox::last_error.eq(error), outbox::due_at.eq(until_ms)))
        .execute(c))?;
    Ok(())
}

/// Locks these rows (PostgreSQL) in the order in which [`known`] does: results and new states meet on the same rows.
pub fn lock(conn: &mut Conn, ids: &[i64]) -> Result<()> {
    if let Conn::Postgres(c) = conn {
        outbox::table
            .filter(outbox::id.eq_any(ids))
            .order((outbox::sobject, outbox::external_id))
            .select(outbox::id)
            .for_update()
            .execute(c)?;
    }
    Ok(())
}

/// A record that arrived before `arrived_before_ms` is not in the org any more: it is due again, as if it never had been there.
pub fn send_again(
    conn: &mut Conn,
    org: &str,
    external_id: &str,
    arrived_before_ms: i64,
    now_ms: i64,
) -> Result<()> {
    let gone = outbox::table
        .filter(outbox::external_id.eq(external_id))
        .filter(outbox::org.eq(org))
        .filter(outbox::state.eq("done"))
        .filter(outbox::delivered_at.lt(arrived_before_ms));
    on_backend!(conn, c => diesel::update(gone)
        .set((
            outbox::state.eq("pending"),
            outbox::due_at.eq(now_ms),
            outbox::salesforce_id.eq(None::<String>),
            outbox::delivered_at.eq(None::<i64>),
        ))
        .execute(c))?;
    Ok(())
}

/// Which of these records have a row, whatever its state.
pub fn seen(conn: &mut Conn, org: &str, external_ids: &[&str]) -> Result<Vec<String>> {
    let query = outbox::table
        .filter(outbox::org.eq(org))
        .filter(outbox::external_id.eq_any(external_ids))
        .select(outbox::external_id);
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// Where a record stands, if anything is known of it.
pub fn of(conn: &mut Conn, org: &str, sobject: &str, external_id: &str) -> Result<Option<Standing>> {
    let query = outbox::table
        .filter(outbox::external_id.eq(external_id))
        .filter(outbox::org.eq(org))
        .filter(outbox::sobject.eq(sobject))
        .select((
            outbox::id,
            outbox::state,
            outbox::event_id,
            outbox::mapping_version,
            outbox::attempts,
            outbox::due_at,
            outbox::waiting_since,
            outbox::last_error,
            outbox::salesforce_id,
            outbox::delivered_at,
            outbox::delivered_event_id,
            outbox::delivered_call,
        ));
    Ok(on_backend!(conn, c => query.first(c).optional())?)
}

/// Rows given up, longest first.
pub fn dead_letters(conn: &mut Conn, limit: i64) -> Result<Vec<DeadLetter>> {
    let query = outbox::table
        .filter(outbox::state.eq("dead"))
        .order((outbox::updated_at, outbox::id))
        .limit(limit)
        .select((
            outbox::id,
            outbox::sobject,
            outbox::external_id,
            outbox::fields,
            outbox::attempts,
            outbox::last_error,
            outbox::updated_at,
        ));
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// Makes a dead or discarded row due again with its attempts reset; the reason is kept. Says whether there was one.
pub fn replay(conn: &mut Conn, id: i64, now_ms: i64) -> Result<bool> {
    replay_as(conn, id, None, "", now_ms)
}

/// [`replay`], with a state that was made anew if there is one. `note` says who asked for it.
pub fn replay_as(
    conn: &mut Conn,
    id: i64,
    remade: Option<&NewState>,
    note: &str,
    now_ms: i64,
) -> Result<bool> {
    let given_up = || outbox::table.find(id).filter(outbox::state.eq_any(["dead", "discarded"]));
    if let Some(state) = remade {
        on_backend!(&mut *conn, c => diesel::update(given_up())
            .set((
                outbox::created.eq(state.position.created),
                outbox::progress.eq(state.position.progress),
                outbox::event_id.eq(&state.position.event_id),
                outbox::fields.eq(&state.fields),
                outbox::carried.eq(&state.carried),
                outbox::parents.eq(&state.parents),
                outbox::mapping_version.eq(&state.mapping_version),
                outbox::version.eq(outbox::version + 1),
            ))
            .execute(c))?;
    }
    let rows = on_backend!(conn, c => diesel::update(given_up())
        .set((
            outbox::state.eq("pending"),
            outbox::attempts.eq(0),
            outbox::waiting_since.eq(None::<i64>),
            outbox::due_at.eq(now_ms),
        ))
        .execute(c))?;
    if rows == 1 {
        self::note(conn, id, Ended::Replayed, note, now_ms)?;
    }
    Ok(rows == 1)
}

/// A person decided that a dead row stays away; a newer state of it is tried all the same. Says whether there was one.
pub fn discard(conn: &mut Conn, id: i64, reason: &str, now_ms: i64) -> Result<bool> {
    let rows = on_backend!(conn, c => diesel::update(outbox::table.find(id).filter(outbox::state.eq("dead")))
        .set((outbox::state.eq("discarded"), outbox::updated_at.eq(now_ms)))
        .execute(c))?;
    if rows == 1 {
        note(conn, id, Ended::Discarded, reason, now_ms)?;
    }
    Ok(rows == 1)
}

fn note(conn: &mut Conn, id: i64, ended: Ended, message: &str, now_ms: i64) -> Result<()> {
    attempts::record(
        conn,
        &NewAttempt {
            outbox_id: id,
            at: now_ms,
            call_id: "",
            attempt: 0,
            ended,
            code: "",
            message,
            sent: None,
            mapping_version: "",
        },
    )
}

/// How many rows are in each state.
pub fn counts(conn: &mut Conn) -> Result<Counts> {
    let query = outbox::table.group_by(outbox::state).select((outbox::state, diesel::dsl::count_star()));
    let rows: Vec<(String, i64)> = on_backend!(conn, c => query.load(c))?;
    let mut counts = Counts::default();
    for (state, count) in rows {
        match state.as_str() {
            "pending" => counts.pending = count,
            "leased" => counts.leased = count,
            "done" => counts.done = count,
            "discarded" => counts.discarded = count,
            _ => counts.dead += count,
        }
    }
    Ok(counts)
}

macro_rules! again_from {
    ($lock:literal) => {
        concat!(
            ")), again AS (SELECT o.id, given.at FROM outbox o, given WHERE o.org = given.org \
               ORDER BY o.sobject, o.external_id",
            $lock,
            ") UPDATE outbox SET \
               state = CASE WHEN state IN ('dead', 'discarded') THEN state ELSE 'pending' END, lease = '', \
               attempts = CASE WHEN state IN ('dead', 'discarded') THEN attempts ELSE 0 END, \
               due_at = CASE WHEN state IN ('dead', 'discarded') THEN due_at ELSE again.at END, \
               waiting_since = CASE WHEN state IN ('dead', 'discarded') THEN waiting_since ELSE NULL END, \
               salesforce_id = NULL, delivered_at = NULL, delivered_event_id = NULL, delivered_call = NULL \
             FROM again WHERE outbox.id = again.id"
        )
    };
}

/// Another org answers to this name, and a person said that it is right: nothing has arrived there, nothing travels there, and
/// all but what was given up is due. A call that is under way still went to the old one: its rows are let go of.
pub fn send_all_again(conn: &mut Conn, org: &str, now_ms: i64) -> Result<()> {
    let before = "WITH given (org, at) AS (VALUES (";
    let values = (org.into_sql::<Text>(), now_ms.into_sql::<BigInt>());
    match conn {
        Conn::Sqlite(c) => Statement { before, values, after: again_from!("") }.execute(c)?,
        Conn::Postgres(c) => {
            // All rows of an org may take longer than a statement is given.
            c.batch_execute("SET LOCAL statement_timeout = 0")?;
            // The rows are locked in the order in which [`known`] does it.
            Statement { before, values, after: again_from!(" FOR UPDATE OF o") }.execute(c)?
        }
    };
    Ok(())
}
