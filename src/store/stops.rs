//! What keeps records from being sent to an org, while it lasts. Operators look here first when nothing arrives.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::stops;

/// One cause.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Stop {
    /// Name of the org in the configuration.
    pub org: String,
    /// The object whose records wait; empty when all of the org's do.
    pub sobject: String,
    /// Milliseconds since 1970: since when.
    pub since: i64,
    /// Milliseconds since 1970: when it is tried again.
    pub next_try: i64,
    /// Whether a person has to mend something; otherwise it passes by itself.
    pub needs_person: bool,
    /// The full text.
    pub reason: String,
}

/// Writes a cause down; one that is known keeps its beginning.
pub fn put(conn: &mut Conn, stop: &Stop) -> Result<()> {
    let news = (
        stops::next_try.eq(stop.next_try),
        stops::needs_person.eq(stop.needs_person),
        stops::reason.eq(&stop.reason),
    );
    on_backend!(conn, c => diesel::insert_into(stops::table)
        .values((
            stops::org.eq(&stop.org),
            stops::sobject.eq(&stop.sobject),
            stops::since.eq(stop.since),
            news,
        ))
        .on_conflict((stops::org, stops::sobject))
        .do_update()
        .set(news)
        .execute(c))?;
    Ok(())
}

/// These causes are over, if they were there. An empty name means the one that concerned all of the org's records.
pub fn end(conn: &mut Conn, org: &str, sobjects: &[String]) -> Result<()> {
    let over = stops::table.filter(stops::org.eq(org)).filter(stops::sobject.eq_any(sobjects));
    on_backend!(conn, c => diesel::delete(over).execute(c))?;
    Ok(())
}

/// Everything that keeps records from being sent now.
pub fn all(conn: &mut Conn) -> Result<Vec<Stop>> {
    let query = stops::table.order((stops::org, stops::sobject)).select((
        stops::org,
        stops::sobject,
        stops::since,
        stops::next_try,
        stops::needs_person,
        stops::reason,
    ));
    Ok(on_backend!(conn, c => query.load(c))?)
}
