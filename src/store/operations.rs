//! Work that outlasted its caller's patience, so that somebody can ask what became of it.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::operations;

/// An operation, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = operations)]
pub struct Operation {
    /// Ascending with time.
    pub id: String,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// The `operationId` that was called.
    pub action: String,
    /// Who called.
    pub caller: String,
    /// JSON list: the key of each item's claim, or what was wrong with the item.
    pub items: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// Keeps an operation.
pub fn create(conn: &mut Conn, operation: &Operation) -> Result<()> {
    on_backend!(conn, c => diesel::insert_into(operations::table).values(operation).execute(c))?;
    Ok(())
}

/// The operation with this id.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<Operation>> {
    let query = operations::table.find(id);
    Ok(on_backend!(conn, c => query.select(Operation::as_select()).first(c).optional())?)
}

/// Forgets operations from before `before_ms`, at most `limit` of them, and says how many.
pub fn purge(conn: &mut Conn, before_ms: i64, limit: i64) -> Result<usize> {
    let oldest = operations::table.order(operations::id).limit(limit);
    let oldest = oldest.select((operations::id, operations::created_at));
    let oldest: Vec<(String, i64)> = on_backend!(conn, c => oldest.load(c))?;
    let ids: Vec<_> = oldest.into_iter().filter(|(_, at)| *at < before_ms).map(|(id, _)| id).collect();
    let old = operations::table.filter(operations::id.eq_any(&ids));
    Ok(on_backend!(conn, c => diesel::delete(old).execute(c))?)
}
