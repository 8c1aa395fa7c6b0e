//! What there is to say of an event beside what it became: why it was read again, what was left out of its records and why.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::event_notes;

/// Adds notes to events, by their place in the order of arrival. The same note twice is one.
pub fn add(conn: &mut Conn, notes: &[(i64, String)]) -> Result<()> {
    for (seq, note) in notes {
        on_backend!(conn, c => diesel::insert_into(event_notes::table)
            .values((event_notes::event_seq.eq(seq), event_notes::note.eq(note)))
            .on_conflict_do_nothing()
            .execute(c))?;
    }
    Ok(())
}

/// The notes of an event.
pub fn of(conn: &mut Conn, seq: i64) -> Result<Vec<String>> {
    let query = event_notes::table
        .filter(event_notes::event_seq.eq(seq))
        .order(event_notes::note)
        .select(event_notes::note);
    Ok(on_backend!(conn, c => query.load(c))?)
}
