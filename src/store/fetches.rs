//! Objects to be read from Stripe, once each: parents never seen, ties the events cannot decide, foreign API versions.

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::{fetches, waiting_events};

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
    /// How often it had been asked for.
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

/// Asks for objects to be read; one that is already asked for is due as the last wish says. Always in the same order, so that two
/// processes cannot lock each other out.
pub fn request(conn: &mut Conn, wanted: &[Wanted], now_ms: i64) -> Result<()> {
    let mut wanted: Vec<&Wanted> = wanted.iter().collect();
    wanted.sort_by_key(|one| (&one.account, &one.object, &one.object_id));
    for one in wanted {
        on_backend!(conn, c => diesel::insert_into(fetches::table)
            .values((
                fetches::account.eq(&one.account),
                fetches::object.eq(&one.object),
                fetches::object_id.eq(&one.object_id),
                fetches::reason.eq(one.reason),
                fetches::attempts.eq(0),
                fetches::due_at.eq(now_ms.max(one.not_before_ms)),
                fetches::wishes.eq(1_i64),
                fetches::around.eq(one.around),
                fetches::missing_in.eq(&one.missing_in),
            ))
            .on_conflict((fetches::account, fetches::object, fetches::object_id))
            .do_update()
            .set((
                fetches::wishes.eq(fetches::wishes + 1),
                fetches::due_at.eq(now_ms.max(one.not_before_ms)),
                one.missing_in.is_none().then(|| fetches::missing_in.eq(None::<String>)),
            ))
            .execute(c))?;
        if let Some(seq) = one.event_seq {
            on_backend!(conn, c => diesel::insert_into(waiting_events::table)
                .values((
                    waiting_events::event_seq.eq(seq),
                    waiting_events::account.eq(&one.account),
                    waiting_events::object.eq(&one.object),
                    waiting_events::object_id.eq(&one.object_id),
                ))
                .on_conflict_do_nothing()
                .execute(c))?;
        }
    }
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
fn lock(conn: &mut Conn, ids: &[i64]) -> Result<()> {
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

/// The objects were read, or never will be. Gives the events that waited for each. One that was asked for again meanwhile stays
/// due, and its events wait on: what was read may be older than the reason to ask.
pub fn complete(conn: &mut Conn, read: &[Due]) -> Result<Vec<Vec<i64>>> {
    lock(conn, &ids(read))?;
    read.iter().map(|one| complete_one(conn, one)).collect()
}

fn complete_one(conn: &mut Conn, read: &Due) -> Result<Vec<i64>> {
    let as_read = fetches::table.find(read.id).filter(fetches::wishes.eq(read.wishes));
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
