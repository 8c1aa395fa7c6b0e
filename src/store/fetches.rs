//! Objects to be read from Stripe, once each: parents never seen, ties the events cannot decide, foreign API versions.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::{fetches, waiting_events};
use super::statement::Statement;

/// An object to be read from Stripe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// Stripe's name of the kind, `payment_intent`.
    pub object: String,
    /// Stripe's id.
    pub object_id: String,
    /// Why, for people.
    pub reason: &'static str,
    /// Milliseconds since 1970: an earlier read would not help.
    pub not_before_ms: i64,
    /// The event that cannot be mapped without it; set aside if the object cannot be read.
    pub event_seq: Option<i64>,
    /// About when it was made, in Stripe's seconds: what was made together can be listed together.
    pub around: Option<i64>,
    /// The org in whose outbox its record is missing; once it is there, it need not be read.
    pub missing_in: Option<String>,
}

/// What a fetch is called that lists what an object is made of.
pub fn contents_of(object: &str) -> String {
    format!("{object}{CONTENTS}")
}

const CONTENTS: &str = "/contents";

/// A fetch that is due.
#[derive(Clone, Debug, Queryable)]
pub struct Due {
    /// The row.
    pub id: i64,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// Stripe's name of the kind.
    pub object: String,
    /// Stripe's id.
    pub object_id: String,
    /// Tries so far.
    pub attempts: i32,
    /// How often it had been asked for; 0: Stripe did not have it, and nobody asked since.
    pub wishes: i64,
    /// Why, for people.
    pub reason: String,
    /// About when it was made.
    pub around: Option<i64>,
    /// The org in whose outbox its record is missing.
    pub missing_in: Option<String>,
}

impl Due {
    /// The kind of the object whose contents are to be listed, if this is such a wish.
    pub fn contents(&self) -> Option<&str> {
        self.object.strip_suffix(CONTENTS)
    }
}

macro_rules! request_from {
    ($rows:literal) => {
        concat!(
            "INSERT INTO fetches (attempts, account, object, object_id, reason, due_at, wishes, around, missing_in) \
             SELECT 0, wanted.* FROM ",
            $rows
        )
    };
}

/// What could not be read is not read sooner because it is wanted again, unless only records wanted it so far and now an event
/// does.
const REQUEST_AGAIN: &str = ")) AS wanted WHERE true \
     ON CONFLICT (account, object, object_id) DO UPDATE SET \
       wishes = fetches.wishes + excluded.wishes, \
       missing_in = CASE WHEN excluded.missing_in IS NULL THEN NULL ELSE fetches.missing_in END, \
       due_at = CASE WHEN fetches.attempts > 0 AND fetches.due_at > excluded.due_at \
           AND (excluded.missing_in IS NOT NULL OR fetches.missing_in IS NULL) \
         THEN fetches.due_at ELSE excluded.due_at END";

/// An object, however often it is wanted at once.
struct Wish<'a> {
    first: &'a Wanted,
    count: i64,
    due_ms: i64,
    missing_in: Option<&'a str>,
}

/// Asks for objects to be read; one that is already asked for is due as the last wish says, but after a failure not before its
/// wait is over. Always in the same order, so that two processes cannot lock each other out.
pub fn request(conn: &mut Conn, wanted: &[Wanted], now_ms: i64) -> Result<()> {
    let mut wanted: Vec<&Wanted> = wanted.iter().collect();
    wanted.sort_by_key(|one| (&one.account, &one.object, &one.object_id));
    match conn {
        Conn::Sqlite(c) => request_on_sqlite(c, &wanted, now_ms),
        Conn::Postgres(c) => request_on_postgres(c, &wanted, now_ms),
    }
}

fn wishes<'a>(sorted: &[&'a Wanted], now_ms: i64) -> Vec<Wish<'a>> {
    let same = |one: &&Wanted, next: &&Wanted| {
        (&one.account, &one.object, &one.object_id) == (&next.account, &next.object, &next.object_id)
    };
    let wish = |alike: &[&'a Wanted]| {
        let (first, last): (&'a Wanted, &Wanted) = (alike.first()?, alike.last()?);
        let is_missed = alike.iter().all(|one| one.missing_in.is_some());
        Some(Wish {
            first,
            count: i64::try_from(alike.len()).unwrap_or(i64::MAX),
            due_ms: now_ms.max(last.not_before_ms),
            missing_in: first.missing_in.as_deref().filter(|_| is_missed),
        })
    };
    sorted.chunk_by(same).filter_map(wish).collect()
}

fn request_on_sqlite(c: &mut SqliteConnection, sorted: &[&Wanted], now_ms: i64) -> Result<()> {
    for Wish { first, count, due_ms, missing_in } in wishes(sorted, now_ms) {
        let values = (
            (&first.account).into_sql::<Text>(),
            (&first.object).into_sql::<Text>(),
            (&first.object_id).into_sql::<Text>(),
            first.reason.into_sql::<Text>(),
            due_ms.into_sql::<BigInt>(),
            count.into_sql::<BigInt>(),
            first.around.into_sql::<Nullable<BigInt>>(),
            missing_in.into_sql::<Nullable<Text>>(),
        );
        Statement { before: request_from!("(VALUES ("), values, after: REQUEST_AGAIN }.execute(c)?;
    }
    for one in sorted {
        let Some(seq) = one.event_seq else { continue };
        diesel::insert_into(waiting_events::table)
            .values((
                waiting_events::event_seq.eq(seq),
                waiting_events::account.eq(&one.account),
                waiting_events::object.eq(&one.object),
                waiting_events::object_id.eq(&one.object_id),
            ))
            .on_conflict_do_nothing()
            .execute(c)?;
    }
    Ok(())
}

fn request_on_postgres(c: &mut PgConnection, sorted: &[&Wanted], now_ms: i64) -> Result<()> {
    fn column<'a, S, T>(rows: &'a [S], field: impl Fn(&'a S) -> T) -> Vec<T> {
        rows.iter().map(field).collect()
    }
    let wishes = wishes(sorted, now_ms);
    if wishes.is_empty() {
        return Ok(());
    }
    let values = (
        column(&wishes, |w| w.first.account.as_str()).into_sql::<Array<Text>>(),
        column(&wishes, |w| w.first.object.as_str()).into_sql::<Array<Text>>(),
        column(&wishes, |w| w.first.object_id.as_str()).into_sql::<Array<Text>>(),
        column(&wishes, |w| w.first.reason).into_sql::<Array<Text>>(),
        column(&wishes, |w| w.due_ms).into_sql::<Array<BigInt>>(),
        column(&wishes, |w| w.count).into_sql::<Array<BigInt>>(),
        column(&wishes, |w| w.first.around).into_sql::<Array<Nullable<BigInt>>>(),
        column(&wishes, |w| w.missing_in).into_sql::<Array<Nullable<Text>>>(),
    );
    let before = request_from!("(SELECT * FROM unnest(");
    Statement { before, values, after: REQUEST_AGAIN }.execute(c)?;
    let waiting: Vec<(i64, &Wanted)> =
        sorted.iter().filter_map(|one| one.event_seq.map(|seq| (seq, *one))).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let values = (
        column(&waiting, |(seq, _)| *seq).into_sql::<Array<BigInt>>(),
        column(&waiting, |(_, one)| one.account.as_str()).into_sql::<Array<Text>>(),
        column(&waiting, |(_, one)| one.object.as_str()).into_sql::<Array<Text>>(),
        column(&waiting, |(_, one)| one.object_id.as_str()).into_sql::<Array<Text>>(),
    );
    let before = "INSERT INTO waiting_events (event_seq, account, object, object_id) SELECT * FROM unnest(";
    Statement { before, values, after: ") ON CONFLICT DO NOTHING" }.execute(c)?;
    Ok(())
}

/// The next fetches that are due, except those of the accounts that pause. Reading twice does no harm, so no lease is taken.
pub fn due(conn: &mut Conn, paused: &[String], now_ms: i64, limit: i64) -> Result<Vec<Due>> {
    let query = fetches::table
        .filter(fetches::account.ne_all(paused))
        .filter(fetches::due_at.le(now_ms))
        .order((fetches::due_at, fetches::id))
        .limit(limit)
        .select((
            fetches::id,
            fetches::account,
            fetches::object,
            fetches::object_id,
            fetches::attempts,
            fetches::wishes,
            fetches::reason,
            fetches::around,
            fetches::missing_in,
        ));
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// Locks these wishes (PostgreSQL) in the order in which [`request`] writes them: results and new wishes meet on the same rows.
pub fn lock(conn: &mut Conn, ids: &[i64]) -> Result<()> {
    if let Conn::Postgres(c) = conn {
        let bytewise = r#"account COLLATE "C", object COLLATE "C", object_id COLLATE "C""#;
        fetches::table
            .filter(fetches::id.eq_any(ids))
            .order(diesel::dsl::sql::<Text>(bytewise))
            .select(fetches::id)
            .for_update()
            .execute(c)?;
    }
    Ok(())
}

/// The wish, if nobody asked again since it was read. How often it was tried tells it from one that began again meanwhile.
macro_rules! as_read {
    ($read:expr) => {
        fetches::table
            .find($read.id)
            .filter(fetches::wishes.eq($read.wishes))
            .filter(fetches::attempts.eq($read.attempts))
    };
}

/// The objects were read, or never will be. Gives the events that waited for each. One that was asked for again meanwhile stays
/// due, and its events wait on: what was read may be older than the reason to ask.
pub fn complete(conn: &mut Conn, read: &[Due]) -> Result<Vec<Vec<i64>>> {
    lock(conn, &ids(read))?;
    read.iter().map(|one| complete_one(conn, one)).collect()
}

fn complete_one(conn: &mut Conn, read: &Due) -> Result<Vec<i64>> {
    let as_read = as_read!(read);
    if on_backend!(conn, c => diesel::delete(as_read).execute(c))? == 0 {
        return Ok(Vec::new());
    }
    let waiting = waiting_events::table
        .filter(waiting_events::account.eq(&read.account))
        .filter(waiting_events::object.eq(&read.object))
        .filter(waiting_events::object_id.eq(&read.object_id));
    let events = on_backend!(conn, c => waiting
        .select(waiting_events::event_seq)
        .order(waiting_events::event_seq)
        .load(c))?;
    on_backend!(conn, c => diesel::delete(waiting).execute(c))?;
    Ok(events)
}

/// Stripe has no such objects. That is remembered until `until_ms`, for the records that point to them ask again and again; if
/// none has asked by then, it is forgotten. One that was asked for again meanwhile stays due.
pub fn absent(conn: &mut Conn, missed: &[Due], until_ms: i64, error: &str) -> Result<()> {
    lock(conn, &ids(missed))?;
    for one in missed {
        let as_read = as_read!(one);
        on_backend!(&mut *conn, c => diesel::update(as_read)
            .set((
                fetches::wishes.eq(0_i64),
                fetches::attempts.eq(fetches::attempts + 1),
                fetches::due_at.eq(until_ms),
                fetches::last_error.eq(error),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// These were not among what was listed; they are read one by one.
pub fn read_alone(conn: &mut Conn, ids: &[i64]) -> Result<()> {
    lock(conn, ids)?;
    on_backend!(conn, c => diesel::update(fetches::table.filter(fetches::id.eq_any(ids)))
        .set(fetches::around.eq(None::<i64>))
        .execute(c))?;
    Ok(())
}

fn ids(wishes: &[Due]) -> Vec<i64> {
    wishes.iter().map(|one| one.id).collect()
}

/// Stripe did not answer; ask again later.
pub fn retry_at(conn: &mut Conn, id: i64, due_ms: i64, error: &str) -> Result<()> {
    on_backend!(conn, c => diesel::update(fetches::table.find(id))
        .set((
            fetches::attempts.eq(fetches::attempts + 1),
            fetches::due_at.eq(due_ms),
            fetches::last_error.eq(error),
        ))
        .execute(c))?;
    Ok(())
}

/// When the next fetch is due, in milliseconds since 1970, except of the accounts that pause.
pub fn next_due(conn: &mut Conn, paused: &[String]) -> Result<Option<i64>> {
    let query =
        fetches::table.filter(fetches::account.ne_all(paused)).select(diesel::dsl::min(fetches::due_at));
    Ok(on_backend!(conn, c => query.first(c))?)
}
