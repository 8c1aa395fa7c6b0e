//! Events received: recorded once, taken in order of arrival, gone from the inbox when their changes are in the outbox.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::payload::Payload;
use super::schema::{event_objects, events, inbox};
use super::statement::Statement;

/// An event as it is recorded.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = events, treat_none_as_default_value = false)]
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
    /// The body as received, packed.
    pub payload: Payload,
}

/// An event waiting to be mapped.
#[derive(Clone, Debug, Queryable)]
pub struct PendingEvent {
    /// Order of arrival.
    pub seq: i64,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// The body as received, packed.
    pub payload: Payload,
}

/// An event as it is kept.
#[derive(Clone, Debug, Queryable)]
pub struct StoredEvent {
    /// Order of arrival.
    pub seq: i64,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// Stripe's id.
    pub event_id: String,
    /// Stripe's type.
    pub event_type: String,
    /// Stripe's clock, seconds since 1970.
    pub created: i64,
    /// Our clock, milliseconds since 1970.
    pub received_at: i64,
    /// The body as received, packed.
    pub payload: Payload,
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

/// One statement for every batch size; arrays travel as one parameter each. The rows are always inserted in the same order,
/// so that two batches with the same events cannot lock each other out.
fn record_on_postgres(c: &mut PgConnection, batch: &[NewEvent]) -> Result<Vec<bool>> {
    fn column<'a, T>(rows: &[&'a NewEvent], field: impl Fn(&'a NewEvent) -> T) -> Vec<T> {
        rows.iter().map(|row| field(row)).collect()
    }
    let mut rows: Vec<&NewEvent> = batch.iter().collect();
    rows.sort_by(|a, b| (&a.event_id, &a.account).cmp(&(&b.event_id, &b.account)));
    let statement = Statement {
        before: "WITH recorded AS ( \
             INSERT INTO events (account, event_id, event_type, object_id, created, received_at, payload) \
             SELECT * FROM unnest(",
        values: (
            column(&rows, |e| e.account.as_str()).into_sql::<Array<Text>>(),
            column(&rows, |e| e.event_id.as_str()).into_sql::<Array<Text>>(),
            column(&rows, |e| e.event_type.as_str()).into_sql::<Array<Text>>(),
            column(&rows, |e| e.object_id.as_deref()).into_sql::<Array<Nullable<Text>>>(),
            column(&rows, |e| e.created).into_sql::<Array<BigInt>>(),
            column(&rows, |e| e.received_at).into_sql::<Array<BigInt>>(),
            column(&rows, |e| e.payload.as_bytes()).into_sql::<Array<Binary>>(),
        ),
        after: ") ON CONFLICT DO NOTHING RETURNING seq, event_id, account \
             ), waiting AS ( \
               INSERT INTO inbox (seq, state) SELECT seq, 'pending' FROM recorded \
             ) SELECT event_id, account FROM recorded",
    };
    let recorded: Vec<(String, String)> = statement.load(c)?;
    let mut recorded: std::collections::HashSet<(&str, &str)> =
        recorded.iter().map(|(event_id, account)| (event_id.as_str(), account.as_str())).collect();
    Ok(batch.iter().map(|e| recorded.remove(&(e.event_id.as_str(), e.account.as_str()))).collect())
}

/// Any number all our processes agree on: who holds it merges.
const MERGING_LOCK: i64 = 7_079_283_412;

/// The next `limit` events in order of arrival from the place `beginning` on, without those of the accounts that wait.
pub fn take(conn: &mut Conn, beginning: i64, waiting: &[String], limit: i64) -> Result<Vec<PendingEvent>> {
    match conn {
        Conn::Sqlite(c) => Ok(inbox::table
            .inner_join(events::table)
            .filter(inbox::state.eq("pending"))
            .filter(inbox::seq.ge(beginning))
            .filter(events::account.ne_all(waiting))
            .order(inbox::seq)
            .limit(limit)
            .select((events::seq, events::account, events::payload))
            .load(c)?),
        Conn::Postgres(c) => {
            let take = |end| Take { beginning, end, waiting, limit };
            // Most often they are near; no planner can believe that few places are very many.
            if beginning > 0 {
                let near: Vec<PendingEvent> = take(Some(beginning + 4 * limit)).load(c)?;
                if i64::try_from(near.len()) == Ok(limit) {
                    return Ok(near);
                }
            }
            Ok(take(None).load(c)?)
        }
    }
}

/// Spelled out for PostgreSQL: along the inbox in order, and to one event after the other. A planner whose statistics are of
/// another hour believes that few events wait, looks up all of them, and sorts them.
struct Take<'a> {
    beginning: i64,
    end: Option<i64>,
    waiting: &'a [String],
    limit: i64,
}

impl QueryFragment<Pg> for Take<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT event.seq, event.account, event.payload FROM (SELECT seq, state FROM inbox WHERE seq >= ",
        );
        out.push_bind_param::<BigInt, _>(&self.beginning)?;
        if let Some(end) = &self.end {
            out.push_sql(" AND seq <= ");
            out.push_bind_param::<BigInt, _>(end)?;
        }
        out.push_sql(
            " ORDER BY seq OFFSET 0) AS place CROSS JOIN LATERAL ( \
               SELECT seq, account, payload FROM events WHERE events.seq = place.seq OFFSET 0) AS event \
             WHERE place.state = 'pending' AND event.account <> ALL (",
        );
        out.push_bind_param::<Array<Text>, _>(self.waiting)?;
        // Spelled out as well: an unknown number counts as a tenth of the table.
        out.push_sql(&format!(") ORDER BY place.seq LIMIT {}", self.limit));
        Ok(())
    }
}

impl QueryId for Take<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Take<'_> {
    type SqlType = (BigInt, Text, Binary);
}

impl RunQueryDsl<PgConnection> for Take<'_> {}

/// The newest `limit` events about one object, in order of arrival; those that still wait come last.
pub fn events_of(conn: &mut Conn, object_id: &str, limit: i64) -> Result<Vec<StoredEvent>> {
    let columns = (
        events::seq,
        events::account,
        events::event_id,
        events::event_type,
        events::created,
        events::received_at,
        events::payload,
    );
    let mapped = event_objects::table
        .inner_join(events::table.on(events::seq.eq(event_objects::seq)))
        .filter(event_objects::object_id.eq(object_id))
        .order(event_objects::seq.desc())
        .limit(limit)
        .select(columns);
    // By their places: as a join, SQLite would look for the object among all events, and so would PostgreSQL when it
    // believes that many wait; each member of an array it looks up.
    let by_place = match conn {
        Conn::Sqlite(_) => "events.seq IN (SELECT seq FROM inbox)",
        Conn::Postgres(_) => "events.seq = ANY (ARRAY(SELECT seq FROM inbox))",
    };
    let waiting = events::table
        .filter(diesel::dsl::sql::<Bool>(by_place))
        .filter(events::object_id.eq(object_id))
        .order(events::seq.desc())
        .limit(limit)
        .select(columns);
    let mut found: Vec<StoredEvent> = on_backend!(&mut *conn, c => mapped.load(c))?;
    found.extend(on_backend!(conn, c => waiting.load::<StoredEvent>(c))?);
    found.sort_by_key(|event| std::cmp::Reverse(event.seq));
    // An event that was set aside after it had been mapped stands in both.
    found.dedup_by_key(|event| event.seq);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    found.reverse();
    Ok(found)
}

/// From here to the end of the transaction no other process merges: two could each see one of two states of a new record, and
/// neither that they contradict each other. On SQLite there is one writer anyway.
pub fn one_at_a_time(conn: &mut Conn) -> Result<()> {
    if let Conn::Postgres(c) = conn {
        diesel::sql_query(format!("SELECT pg_advisory_xact_lock({MERGING_LOCK})")).execute(c)?;
    }
    Ok(())
}

/// Whether all of these events wait still: another process may have merged them, or a person may have acted.
pub fn all_wait(conn: &mut Conn, seqs: &[i64]) -> Result<bool> {
    let waiting = inbox::table.filter(inbox::seq.eq_any(seqs)).filter(inbox::state.eq("pending")).count();
    let waiting: i64 = on_backend!(conn, c => waiting.get_result(c))?;
    Ok(usize::try_from(waiting) == Ok(seqs.len()))
}

/// The events are mapped: they leave the inbox, their bodies stay, and they can be found by their objects.
pub fn complete(conn: &mut Conn, seqs: &[i64]) -> Result<()> {
    let about = events::table
        .filter(events::seq.eq_any(seqs))
        .filter(events::object_id.is_not_null())
        .order(events::object_id)
        .select((events::object_id.assume_not_null(), events::seq));
    on_backend!(&mut *conn, c => diesel::insert_into(event_objects::table)
        .values(about)
        .into_columns((event_objects::object_id, event_objects::seq))
        .on_conflict_do_nothing()
        .execute(c))?;
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

/// Whether no event waits.
pub fn is_empty(conn: &mut Conn) -> Result<bool> {
    let waiting = inbox::table.filter(inbox::state.eq("pending"));
    Ok(!on_backend!(conn, c => diesel::select(diesel::dsl::exists(waiting)).get_result::<bool>(c))?)
}

/// How many events wait, and how many are stored at all.
pub fn counts(conn: &mut Conn) -> Result<(i64, i64)> {
    let pending =
        on_backend!(conn, c => inbox::table.filter(inbox::state.eq("pending")).count().get_result(c))?;
    let stored = on_backend!(conn, c => events::table.count().get_result(c))?;
    Ok((pending, stored))
}
