//! Assertions that were taken and may not come again.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::assertions;

/// Takes an assertion and says whether this is the first time. Forgets those that have expired, so that the table stays as small
/// as what can still be repeated.
pub fn take(conn: &mut Conn, id: &str, expires_at_ms: i64, now_ms: i64) -> Result<bool> {
    let over = assertions::table.filter(assertions::expires_at.le(now_ms));
    on_backend!(conn, c => diesel::delete(over).execute(c))?;
    let rows = on_backend!(conn, c => diesel::insert_into(assertions::table)
        .values((assertions::id.eq(id), assertions::expires_at.eq(expires_at_ms)))
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(rows == 1)
}
