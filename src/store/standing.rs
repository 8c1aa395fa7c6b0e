//! How much waits and for how long, in questions that stay cheap however much is stored.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::stops::Stop;

/// Counting stops here: whoever looks knows enough.
const ENOUGH: i64 = 2_000_000;
/// Up to so many rows PostgreSQL is asked to count instead of to estimate.
const COUNTED: i64 = 50_000;

/// What waits for all orgs together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Events not mapped yet.
    pub events: i64,
    /// When the oldest of them was received; milliseconds since 1970.
    pub oldest_event_at: Option<i64>,
    /// Events that could not be mapped.
    pub dead_events: i64,
    /// Objects to be read from Stripe.
    pub reads: i64,
    /// Creations and changes at Stripe whose outcome is not known.
    pub unknown_calls: i64,
    /// When the oldest of them was asked for; milliseconds since 1970.
    pub oldest_unknown_call_at: Option<i64>,
    /// Records that were ever heard of; an estimate on PostgreSQL.
    pub records_known: i64,
    /// The event received last.
    pub last_event: Option<LastEvent>,
    /// What keeps records from being sent.
    pub stops: Vec<Stop>,
}

/// The event received last.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct LastEvent {
    /// Stripe's id.
    #[diesel(sql_type = Text)]
    pub event_id: String,
    /// Milliseconds since 1970.
    #[diesel(sql_type = BigInt)]
    pub received_at: i64,
}

/// What waits for one org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingFor {
    /// Records that wait for their turn.
    pub pending: i64,
    /// Records that travel.
    pub in_flight: i64,
    /// Records given up.
    pub dead: i64,
    /// Since when the record that is due longest has been due; milliseconds since 1970, in the future when none is due.
    pub oldest_due_at: Option<i64>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

fn number(conn: &mut Conn, sql: &str) -> Result<Option<i64>> {
    let row: Option<Number> =
        on_backend!(conn, c => diesel::sql_query(sql).get_result::<Number>(c).optional())?;
    Ok(row.map(|row| row.n))
}

fn counted(conn: &mut Conn, rows: &str, limit: i64) -> Result<i64> {
    let sql = format!("SELECT count(*) AS n FROM (SELECT 1 {rows} LIMIT {limit}) AS counted");
    Ok(number(conn, &sql)?.unwrap_or(0))
}

/// What waits for all orgs together.
pub fn waiting(conn: &mut Conn) -> Result<Waiting> {
    let oldest = "SELECT e.received_at AS n FROM inbox i JOIN events e ON e.seq = i.seq WHERE i.state = 'pending' \
        ORDER BY i.seq LIMIT 1";
    let last = "SELECT event_id, received_at FROM events ORDER BY seq DESC LIMIT 1";
    let unknown = "FROM claims WHERE state IN ('pending', 'leased') AND state = 'pending'";
    Ok(Waiting {
        unknown_calls: counted(conn, unknown, ENOUGH)?,
        oldest_unknown_call_at: number(
            conn,
            &format!("SELECT created_at AS n {unknown} ORDER BY created_at LIMIT 1"),
        )?,
        events: counted(conn, "FROM inbox WHERE state = 'pending'", ENOUGH)?,
        oldest_event_at: number(conn, oldest)?,
        dead_events: counted(conn, "FROM inbox WHERE state = 'dead'", ENOUGH)?,
        reads: counted(conn, "FROM fetches WHERE wishes > 0", ENOUGH)?,
        records_known: records_known(conn)?,
        stops: super::stops::all(conn)?,
        last_event: on_backend!(conn, c => diesel::sql_query(last).get_result(c).optional())?,
    })
}

/// Rows of the outbox are never deleted, so SQLite's last id is their number. PostgreSQL skips ids, but keeps an estimate.
fn records_known(conn: &mut Conn) -> Result<i64> {
    if let Conn::Sqlite(_) = conn {
        return Ok(number(conn, "SELECT coalesce(max(id), 0) AS n FROM outbox")?.unwrap_or(0));
    }
    let estimate = "SELECT reltuples::bigint AS n FROM pg_class WHERE oid = 'outbox'::regclass";
    match number(conn, estimate)? {
        Some(estimate) if estimate > COUNTED => Ok(estimate),
        _ => counted(conn, "FROM outbox", COUNTED),
    }
}

/// What waits for one org. The state is spelled out, because SQLite uses a partial index only for the words it was made with.
pub fn waiting_for(conn: &mut Conn, org: &str, now_ms: i64) -> Result<WaitingFor> {
    #[derive(QueryableByName)]
    struct Counts {
        #[diesel(sql_type = BigInt)]
        unfinished: i64,
        #[diesel(sql_type = BigInt)]
        dead: i64,
    }
    let sql = format!(
        "SELECT \
           (SELECT count(*) FROM (SELECT 1 FROM outbox WHERE org = $1 AND state IN ('pending', 'leased') \
             LIMIT {ENOUGH}) AS a) AS unfinished, \
           (SELECT count(*) FROM (SELECT 1 FROM outbox WHERE org = $1 AND state = 'dead' \
             LIMIT {ENOUGH}) AS c) AS dead"
    );
    let counts: Counts = on_backend!(conn, c => diesel::sql_query(sql).bind::<Text, _>(org).get_result(c))?;
    let queues = super::outbox::queues(conn, org)?;
    let mut in_flight = 0;
    for queue in &queues {
        in_flight += leased(conn, org, &queue.sobject, now_ms)?;
    }
    Ok(WaitingFor {
        pending: counts.unfinished - in_flight,
        in_flight,
        dead: counts.dead,
        oldest_due_at: queues.iter().map(|queue| queue.due_at).min(),
    })
}

/// Rows of one object that travel. They are due again when their lease ends, so they are among the few that are due later.
fn leased(conn: &mut Conn, org: &str, sobject: &str, now_ms: i64) -> Result<i64> {
    let sql = format!(
        "SELECT count(*) AS n FROM (SELECT state FROM outbox WHERE org = $1 AND sobject = $2 \
           AND state IN ('pending', 'leased') AND due_at > $3 ORDER BY due_at LIMIT {COUNTED}) AS b \
         WHERE b.state = 'leased'"
    );
    let row: Number = on_backend!(conn, c => diesel::sql_query(sql)
        .bind::<Text, _>(org)
        .bind::<Text, _>(sobject)
        .bind::<BigInt, _>(now_ms)
        .get_result(c))?;
    Ok(row.n)
}
