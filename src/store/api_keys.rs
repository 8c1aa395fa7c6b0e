//! Keys that callers of the API hold. The secret part is never stored, only its hash.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::api_keys;

/// A key, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = api_keys)]
pub struct ApiKey {
    /// The public part, which finds the row.
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

/// Withdraws a key for good and says whether there was one to withdraw; a second time changes nothing.
pub fn revoke(conn: &mut Conn, id: &str, now_ms: i64) -> Result<bool> {
    let rows = on_backend!(conn, c => diesel::update(api_keys::table.find(id))
        .filter(api_keys::revoked_at.is_null())
        .set(api_keys::revoked_at.eq(now_ms))
        .execute(c))?;
    Ok(rows == 1)
}
