//! Events received: recorded once, taken in order of arrival, gone from the inbox when their changes are in the outbox.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::{events, inbox};

/// An event as it is recorded.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = events)]
pub struct NewEvent {
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// Stripe's id, unique within the account.
    pub event_id: String,
    /// Stripe's type, known to us or not.
    pub event_type: String,
    /// Id of the object the event is about.
    pub object_id: Option<String>,
    /// Stripe's clock, seconds since 1970.
    pub created: i64,
    /// Our clock, milliseconds since 1970.
    pub received_at: i64,
    /// The body as received.
    pub payload: String,
}

/// An event waiting to be mapped.
#[derive(Clone, Debug, Queryable)]
pub struct PendingEvent {
    /// Order of arrival.
    pub seq: i64,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// The body as received.
    pub payload: String,
}

/// An event that could not be mapped.
#[derive(Clone, Debug, Queryable)]
pub struct DeadEvent {
    /// Order of arrival.
    pub seq: i64,
    /// Stripe's id.
    pub event_id: String,
    /// Stripe's type.
    pub event_type: String,
    /// Why.
    pub last_error: Option<String>,
}

/// Records events that are new and puts them into the inbox. Says of each whether it was new; called twice, the second
/// time changes nothing. Duplicates within `batch` are fine.
pub fn record(conn: &mut Conn, batch: &[NewEvent]) -> Result<Vec<bool>> {
    match conn {
        Conn::Sqlite(c) => record_on_sqlite(c, batch),
        Conn::Postgres(c) => record_on_postgres(c, batch),
    }
}

/// Single inserts reuse one prepared statement; a statement with many rows would be compiled for each batch size.
fn record_on_sqlite(c: &mut SqliteConnection, batch: &[NewEvent]) -> Result<Vec<bool>> {
    let before: Option<i64> = events::table.select(diesel::dsl::max(events::seq)).first(c)?;
    let mut new = Vec::with_capacity(batch.len());
    for event in batch {
        let rows = diesel::insert_into(events::table).values(event).on_conflict_do_nothing().execute(c)?;
        new.push(rows == 1);
    }
    // No other writer can come between, so what lies above `before` is this batch.
    diesel::insert_into(inbox::table)
        .values(
            events::table
                .filter(events::seq.gt(before.unwrap_or(0)))
                .select((events::seq, "pending".into_sql::<Text>())),
        )
        .into_columns((inbox::seq, inbox::state))
        .execute(c)?;
    Ok(new)
}

#[derive(QueryableByName)]
struct Recorded {
    #[diesel(sql_type = Text)]
    event_id: String,
    #[diesel(sql_type = Text)]
    account: String,
}

/// One statement for every batch size; arrays travel as one parameter each.
fn record_on_postgres(c: &mut PgConnection, batch: &[NewEvent]) -> Result<Vec<bool>> {
    fn column<'a, T>(batch: &'a [NewEvent], field: impl Fn(&'a NewEvent) -> T) -> Vec<T> {
        batch.iter().map(field).collect()
    }
    let recorded: Vec<Recorded> = diesel::sql_query(
        "WITH recorded AS ( \
           INSERT INTO events (account, event_id, event_type, object_id, created, received_at, payload) \
           SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[]) \
           ON CONFLICT DO NOTHING RETURNING seq, event_id, account \
         ), waiting AS ( \
           INSERT INTO inbox (seq, state) SELECT seq, 'pending' FROM recorded \
         ) SELECT event_id, account FROM recorded",
    )
    .bind::<Array<Text>, _>(column(batch, |e| e.account.as_str()))
    .bind::<Array<Text>, _>(column(batch, |e| e.event_id.as_str()))
    .bind::<Array<Text>, _>(column(batch, |e| e.event_type.as_str()))
    .bind::<Array<Nullable<Text>>, _>(column(batch, |e| e.object_id.as_deref()))
    .bind::<Array<BigInt>, _>(column(batch, |e| e.created))
    .bind::<Array<BigInt>, _>(column(batch, |e| e.received_at))
    .bind::<Array<Text>, _>(column(batch, |e| e.payload.as_str()))
    .load(c)?;
    let mut recorded: std::collections::HashSet<(String, String)> =
        recorded.into_iter().map(|row| (row.event_id, row.account)).collect();
    Ok(batch.iter().map(|e| recorded.remove(&(e.event_id.clone(), e.account.clone()))).collect())
}

/// Any number all our processes agree on: who holds it maps.
const MAPPING_LOCK: i64 = 7_079_283_412;

/// The next events in order of arrival. One process at a time takes events, until its transaction ends: two could each see
/// one of two states of a new record, and neither that they contradict each other. On SQLite there is one writer anyway.
pub fn take(conn: &mut Conn, limit: i64) -> Result<Vec<PendingEvent>> {
    if let Conn::Postgres(c) = conn {
        diesel::sql_query(format!("SELECT pg_advisory_xact_lock({MAPPING_LOCK})")).execute(c)?;
    }
    let query = inbox::table
        .inner_join(events::table)
        .filter(inbox::state.eq("pending"))
        .order(inbox::seq)
        .limit(limit)
        .select((events::seq, events::account, events::payload));
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// The events are mapped: they leave the inbox, their bodies stay.
pub fn complete(conn: &mut Conn, seqs: &[i64]) -> Result<()> {
    on_backend!(conn, c => diesel::delete(inbox::table.filter(inbox::seq.eq_any(seqs))).execute(c))?;
    Ok(())
}

/// The event cannot be mapped; it stays until a person looks.
pub fn dead_letter(conn: &mut Conn, seq: i64, error: &str) -> Result<()> {
    on_backend!(conn, c => diesel::update(inbox::table.find(seq))
        .set((inbox::state.eq("dead"), inbox::last_error.eq(error)))
        .execute(c))?;
    Ok(())
}

/// An event that had left the inbox waits as a dead letter after all.
pub fn dead_letter_again(conn: &mut Conn, seq: i64, error: &str) -> Result<()> {
    on_backend!(conn, c => diesel::insert_into(inbox::table)
        .values((inbox::seq.eq(seq), inbox::state.eq("dead"), inbox::last_error.eq(error)))
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(())
}

/// Events that could not be mapped, oldest first.
pub fn dead_letters(conn: &mut Conn, limit: i64) -> Result<Vec<DeadEvent>> {
    let query = inbox::table
        .inner_join(events::table)
        .filter(inbox::state.eq("dead"))
        .order(inbox::seq)
        .limit(limit)
        .select((events::seq, events::event_id, events::event_type, inbox::last_error));
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// Makes a dead event pending again. Says whether there was one.
pub fn replay(conn: &mut Conn, seq: i64) -> Result<bool> {
    let rows = on_backend!(conn, c => diesel::update(inbox::table.find(seq).filter(inbox::state.eq("dead")))
        .set(inbox::state.eq("pending"))
        .execute(c))?;
    Ok(rows == 1)
}

/// How many events wait, and how many are stored at all.
pub fn counts(conn: &mut Conn) -> Result<(i64, i64)> {
    let pending =
        on_backend!(conn, c => inbox::table.filter(inbox::state.eq("pending")).count().get_result(c))?;
    let stored = on_backend!(conn, c => events::table.count().get_result(c))?;
    Ok((pending, stored))
}

/// The bodies of all events about an object, oldest arrival first.
pub fn about(conn: &mut Conn, object_id: &str) -> Result<Vec<String>> {
    let query =
        events::table.filter(events::object_id.eq(object_id)).order(events::seq).select(events::payload);
    Ok(on_backend!(conn, c => query.load(c))?)
}
