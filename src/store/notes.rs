//! What there is to say of an event beside what it became: why it was read again, what was left out of its records and why.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::event_notes;
use super::statement::Statement;

/// Adds notes to events, by their place in the order of arrival. The same note twice is one.
pub fn add(conn: &mut Conn, notes: &[(i64, String)]) -> Result<()> {
    match conn {
        Conn::Sqlite(c) => {
            for (seq, note) in notes {
                diesel::insert_into(event_notes::table)
                    .values((event_notes::event_seq.eq(seq), event_notes::note.eq(note)))
                    .on_conflict_do_nothing()
                    .execute(c)?;
            }
        }
        Conn::Postgres(c) if !notes.is_empty() => {
            let values = (
                notes.iter().map(|(seq, _)| *seq).collect::<Vec<_>>().into_sql::<Array<BigInt>>(),
                notes.iter().map(|(_, note)| note.as_str()).collect::<Vec<_>>().into_sql::<Array<Text>>(),
            );
            let before = "INSERT INTO event_notes (event_seq, note) SELECT * FROM unnest(";
            Statement { before, values, after: ") ON CONFLICT DO NOTHING" }.execute(c)?;
        }
        Conn::Postgres(_) => {}
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
