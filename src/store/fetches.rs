//! Objects to be read from Stripe, once each: parents never seen, ties the events cannot decide, foreign API versions.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::fetches;

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
}

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
    /// The event that cannot be mapped without it.
    pub event_seq: Option<i64>,
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
                fetches::event_seq.eq(one.event_seq),
            ))
            .on_conflict((fetches::account, fetches::object, fetches::object_id))
            .do_update()
            .set((
                fetches::wishes.eq(fetches::wishes + 1),
                fetches::due_at.eq(now_ms.max(one.not_before_ms)),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// The next fetches that are due. Reading twice does no harm, so no lease is taken.
pub fn due(conn: &mut Conn, now_ms: i64, limit: i64) -> Result<Vec<Due>> {
    let query = fetches::table
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
            fetches::event_seq,
        ));
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// The object was read, or never will be. One that was asked for again meanwhile stays due: what was read may be older than
/// the reason to ask.
pub fn complete(conn: &mut Conn, read: &Due) -> Result<()> {
    let as_read = fetches::table.find(read.id).filter(fetches::wishes.eq(read.wishes));
    on_backend!(conn, c => diesel::delete(as_read).execute(c))?;
    Ok(())
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

/// When the next fetch is due, in milliseconds since 1970.
pub fn next_due(conn: &mut Conn) -> Result<Option<i64>> {
    let query = fetches::table.select(diesel::dsl::min(fetches::due_at));
    Ok(on_backend!(conn, c => query.first(c))?)
}
