//! Which Stripe account and which org each name in the configuration stands for.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::bindings;

/// The party of Stripe accounts.
pub const STRIPE: &str = "stripe";
/// The party of Salesforce orgs.
pub const SALESFORCE: &str = "salesforce";

/// Whom a name stands for, and who answers instead, if somebody does.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = bindings)]
pub struct Binding {
    /// `stripe` or `salesforce`.
    pub party: String,
    /// The name in the configuration.
    pub name: String,
    /// `acct_…` or `00D…`.
    pub identity: String,
    /// `test` or `live`; `sandbox` or `production`.
    pub kind: String,
    /// Of the key by which it was found; empty for an org.
    pub key_hash: String,
    /// Milliseconds since 1970.
    pub bound_at: i64,
    /// Who answers now and is not it.
    pub other: Option<String>,
    /// What that one is.
    pub other_kind: Option<String>,
    /// Since when; milliseconds since 1970.
    pub other_at: Option<i64>,
}

/// The row, if no person has changed it since.
macro_rules! still {
    ($bound:expr) => {
        bindings::table.find((&$bound.party, &$bound.name)).filter(bindings::bound_at.eq($bound.bound_at))
    };
}

/// All of them.
pub fn list(conn: &mut Conn) -> Result<Vec<Binding>> {
    on_backend!(conn, c => Ok(bindings::table
        .order((bindings::party, bindings::name))
        .select(Binding::as_select())
        .load(c)?))
}

/// The one of this name.
pub fn find(conn: &mut Conn, party: &str, name: &str) -> Result<Option<Binding>> {
    Ok(on_backend!(conn, c => bindings::table
        .find((party, name))
        .select(Binding::as_select())
        .first(c)
        .optional())?)
}

/// Whether the name stands for another org than this one: a person may have said so to another process. One who is about to say
/// so is waited for, and nobody can until the end of the transaction.
pub fn is_another_org(conn: &mut Conn, name: &str, identity: &str) -> Result<bool> {
    let query = bindings::table.find((SALESFORCE, name)).select(bindings::identity);
    let bound: Option<String> = match conn {
        Conn::Sqlite(c) => query.first(c).optional()?,
        Conn::Postgres(c) => query.for_share().first(c).optional()?,
    };
    Ok(bound.is_some_and(|bound| bound != identity))
}

/// Binds a name to the first that answered to it. Should another process have been first, that one stands.
pub fn bind(conn: &mut Conn, binding: &Binding) -> Result<()> {
    on_backend!(conn, c =>
        diesel::insert_into(bindings::table).values(binding).on_conflict_do_nothing().execute(c))?;
    Ok(())
}

/// The right one answered, by this key; whoever answered before is forgotten. Says whether it is bound as it was in `bound`.
pub fn answered(conn: &mut Conn, bound: &Binding, key_hash: &str) -> Result<bool> {
    let other = (
        bindings::other.eq(None::<String>),
        bindings::other_kind.eq(None::<String>),
        bindings::other_at.eq(None::<i64>),
    );
    let rows = on_backend!(conn, c => diesel::update(still!(bound))
        .set((bindings::key_hash.eq(key_hash), other))
        .execute(c))?;
    Ok(rows == 1)
}

/// Another one answered. Seen again, it keeps the time when it was seen first. Says whether it is bound as it was in `bound`.
pub fn another_answered(
    conn: &mut Conn,
    bound: &Binding,
    (identity, kind): (&str, &str),
    now_ms: i64,
) -> Result<bool> {
    let seen_before = bound.other.as_deref() == Some(identity) && bound.other_kind.as_deref() == Some(kind);
    let first_seen = bound.other_at.filter(|_| seen_before).unwrap_or(now_ms);
    let rows = on_backend!(conn, c => diesel::update(still!(bound))
        .set((
            bindings::other.eq(identity),
            bindings::other_kind.eq(kind),
            bindings::other_at.eq(first_seen),
        ))
        .execute(c))?;
    Ok(rows == 1)
}

/// A person says that the name stands for this one from now on. Whose key that is shows when it answers.
pub fn rebind(
    conn: &mut Conn,
    party: &str,
    name: &str,
    identity: &str,
    kind: &str,
    now_ms: i64,
) -> Result<()> {
    on_backend!(conn, c => diesel::update(bindings::table.find((party, name)))
        .set((
            bindings::identity.eq(identity),
            bindings::kind.eq(kind),
            bindings::key_hash.eq(""),
            bindings::bound_at.eq(now_ms),
            bindings::other.eq(None::<String>),
            bindings::other_kind.eq(None::<String>),
            bindings::other_at.eq(None::<i64>),
        ))
        .execute(c))?;
    Ok(())
}
