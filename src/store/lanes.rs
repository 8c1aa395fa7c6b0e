//! Which process sends to an org now. One at a time, so that no two calls meet on the same records.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::lanes;

/// Milliseconds: far longer than anybody holds a lane, and than clocks of two processes differ that nobody notices.
pub const LONGEST: i64 = 3_600_000;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Ours, as before or after another holder let go.
    Ours,
    /// Ours, because the one who held it has not been heard of for a while: calls of theirs may still be under way.
    TakenOver,
    /// Another process's.
    Theirs,
}

/// Takes the lane to an org, or keeps it, until `until_ms`. Whoever composes calls does it in the same transaction.
pub fn take(conn: &mut Conn, org: &str, holder: &str, now_ms: i64, until_ms: i64) -> Result<Turn> {
    let before: Option<(String, i64)> = {
        let query = lanes::table.find(org).select((lanes::holder, lanes::held_until));
        match conn {
            Conn::Sqlite(c) => query.first(c).optional()?,
            Conn::Postgres(c) => query.for_update().first(c).optional()?,
        }
    };
    let turn = match &before {
        Some((theirs, _)) if theirs == holder => Turn::Ours,
        None | Some((_, 0)) => Turn::Ours,
        // One that is held for hours was taken by a clock that was wrong.
        Some((_, until)) if *until <= now_ms || *until > now_ms + LONGEST => Turn::TakenOver,
        Some(_) => return Ok(Turn::Theirs),
    };
    let ours = (lanes::holder.eq(holder), lanes::held_until.eq(until_ms));
    let taken = if before.is_some() {
        on_backend!(conn, c => diesel::update(lanes::table.find(org)).set(ours).execute(c))?
    } else {
        // Two processes may have found no row at the same time; the first one has it.
        on_backend!(conn, c => diesel::insert_into(lanes::table)
            .values((lanes::org.eq(org), ours))
            .on_conflict_do_nothing()
            .execute(c))?
    };
    Ok(if taken == 1 { turn } else { Turn::Theirs })
}

/// Keeps the lane until `until_ms`, if nobody has taken it over.
pub fn keep(conn: &mut Conn, org: &str, holder: &str, until_ms: i64) -> Result<()> {
    let ours = lanes::table.find(org).filter(lanes::holder.eq(holder));
    on_backend!(conn, c => diesel::update(ours).set(lanes::held_until.eq(until_ms)).execute(c))?;
    Ok(())
}

/// Lets go of the lane, if it was not taken again since: no call of ours is under way.
pub fn release(conn: &mut Conn, org: &str, holder: &str, until_ms: i64) -> Result<()> {
    let ours = lanes::table.find(org).filter(lanes::holder.eq(holder));
    on_backend!(conn, c => diesel::update(ours.filter(lanes::held_until.eq(until_ms)))
        .set(lanes::held_until.eq(0))
        .execute(c))?;
    Ok(())
}
