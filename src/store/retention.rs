//! What may be forgotten, a little at a time, so that live traffic gets its turns in between.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::{attempts, event_notes, event_objects, events, inbox, outbox};
use super::statement::Statement;

/// Deletes up to `limit` events received before `before_ms` and says how many. Events in the inbox stay, also those that
/// were set aside: they wait for a person.
///
/// Only the oldest rows are looked at, so finding nothing costs nothing, however many are stored.
pub fn forget_events(conn: &mut Conn, before_ms: i64, limit: i64) -> Result<usize> {
    type Row = (i64, i64, Option<String>);
    let oldest = events::table
        .filter(not(exists(inbox::table.filter(inbox::seq.eq(events::seq)))))
        .order(events::seq)
        .limit(limit)
        .select((events::seq, events::received_at, events::object_id));
    let rows: Vec<Row> = on_backend!(&mut *conn, c => oldest.load(c))?;
    let old: Vec<Row> = rows.into_iter().filter(|(_, received_at, _)| *received_at < before_ms).collect();
    if old.is_empty() {
        return Ok(0);
    }
    let seqs: Vec<i64> = old.iter().map(|(seq, ..)| *seq).collect();
    let named = old.iter().filter_map(|(seq, _, object)| Some((object.as_deref()?, *seq)));
    match conn {
        Conn::Sqlite(c) => {
            for (object, seq) in named {
                diesel::delete(event_objects::table.find((object, seq))).execute(c)?;
            }
        }
        Conn::Postgres(c) => {
            let (objects, seqs): (Vec<&str>, Vec<i64>) = named.unzip();
            let statement = Statement {
                before: "DELETE FROM event_objects USING unnest(",
                values: (objects.into_sql::<Array<Text>>(), seqs.into_sql::<Array<BigInt>>()),
                after: ") AS old (object_id, seq) \
                    WHERE event_objects.object_id = old.object_id AND event_objects.seq = old.seq",
            };
            statement.execute(c)?;
        }
    }
    Ok(on_backend!(conn, c => {
        diesel::delete(event_notes::table.filter(event_notes::event_seq.eq_any(&seqs))).execute(c)?;
        diesel::delete(events::table.filter(events::seq.eq_any(&seqs))).execute(c)
    })?)
}

/// Deletes up to `limit` attempts made before `before_ms` and says how many. The history of a record that is given up stays.
pub fn forget_attempts(conn: &mut Conn, before_ms: i64, limit: i64) -> Result<usize> {
    let given_up = outbox::table.filter(outbox::id.eq(attempts::outbox_id)).filter(outbox::state.eq("dead"));
    let oldest = attempts::table
        .filter(not(exists(given_up)))
        .order(attempts::id)
        .limit(limit)
        .select((attempts::id, attempts::at));
    let rows: Vec<(i64, i64)> = on_backend!(&mut *conn, c => oldest.load(c))?;
    let old: Vec<i64> = rows.into_iter().filter(|(_, at)| *at < before_ms).map(|(id, _)| id).collect();
    if old.is_empty() {
        return Ok(0);
    }
    Ok(on_backend!(conn, c => diesel::delete(attempts::table.filter(attempts::id.eq_any(&old))).execute(c))?)
}
