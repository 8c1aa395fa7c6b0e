//! Keys that callers of the API hold. The secret part is never stored, only its hash.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::api_keys;

/// A key, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = api_keys)]
pub struct ApiKey {
    /// The public part, which finds the row; the `client_id` of OAuth.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// SHA-256 of the secret part, lower-case hex.
    pub hash: String,
    /// What it may do, separated by spaces.
    pub scopes: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// From this moment it is refused; milliseconds since 1970.
    pub expires_at: Option<i64>,
    /// When somebody withdrew it.
    pub revoked_at: Option<i64>,
    /// The hash of the secret before the last rotation.
    pub previous_hash: Option<String>,
    /// Until when that secret is good as well.
    pub previous_until: Option<i64>,
    /// The only Stripe account it may use, by its name in the configuration; any when absent.
    pub account: Option<String>,
    /// The only org whose accounts it may use, by its name in the configuration; any when absent.
    pub org: Option<String>,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<i64>,
}

/// Adds a key.
///
/// Errors: `Conflict` when the id is taken.
pub fn create(conn: &mut Conn, key: &ApiKey) -> Result<()> {
    on_backend!(conn, c => diesel::insert_into(api_keys::table).values(key).execute(c))?;
    Ok(())
}

/// The key with this id, whatever its state.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<ApiKey>> {
    Ok(on_backend!(conn, c => api_keys::table.find(id).select(ApiKey::as_select()).first(c).optional())?)
}

/// All keys, the oldest first.
pub fn list(conn: &mut Conn) -> Result<Vec<ApiKey>> {
    on_backend!(conn, c => Ok(api_keys::table
        .order((api_keys::created_at, api_keys::id))
        .select(ApiKey::as_select())
        .load(c)?))
}

/// All keys that nobody withdrew, also those past their end.
pub fn living(conn: &mut Conn) -> Result<Vec<ApiKey>> {
    on_backend!(conn, c => Ok(api_keys::table
        .filter(api_keys::revoked_at.is_null())
        .select(ApiKey::as_select())
        .load(c)?))
}

/// Gives a key another secret; the present one stays good until `overlap_end_ms`, the one before ends now. Says whether there was a
/// key that is not withdrawn.
pub fn rotate(conn: &mut Conn, id: &str, hash: &str, overlap_end_ms: i64) -> Result<bool> {
    let rows = on_backend!(conn, c => diesel::update(api_keys::table.find(id))
        .filter(api_keys::revoked_at.is_null())
        .set((
            api_keys::previous_hash.eq(api_keys::hash.nullable()),
            api_keys::previous_until.eq(overlap_end_ms),
            api_keys::hash.eq(hash),
        ))
        .execute(c))?;
    Ok(rows == 1)
}

/// Withdraws a key for good and says whether there was one to withdraw; a second time changes nothing.
pub fn revoke(conn: &mut Conn, id: &str, now_ms: i64) -> Result<bool> {
    let rows = on_backend!(conn, c => diesel::update(api_keys::table.find(id))
        .filter(api_keys::revoked_at.is_null())
        .set(api_keys::revoked_at.eq(now_ms))
        .execute(c))?;
    Ok(rows == 1)
}

/// Remembers that a key was used; an older time than the one known changes nothing.
pub fn used(conn: &mut Conn, id: &str, at_ms: i64) -> Result<()> {
    let older = api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(at_ms));
    on_backend!(conn, c => diesel::update(api_keys::table.find(id))
        .filter(older)
        .set(api_keys::last_used_at.eq(at_ms))
        .execute(c))?;
    Ok(())
}
