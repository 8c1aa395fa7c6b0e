//! What was done with keys, as a chain: each entry's hash covers the hash before it, so that a change in the middle shows.
//!
//! The hash needs no secret. Whoever may write to the database can therefore write the whole chain anew; what gives that away
//! is a head that was noted elsewhere, such as in the log.

use diesel::prelude::*;
use sha2::{Digest, Sha256};

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::audit;

/// Any number all our processes agree on: who holds it appends.
const APPENDING_LOCK: i64 = 7_079_283_413;

/// How many entries are held in memory while the chain is followed.
const PAGE: i64 = 1_000;

/// Something to write down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Who did it.
    pub actor: String,
    /// What was done, past tense: `key_created`.
    pub action: &'static str,
    /// What it was done to, such as the id of a key.
    pub subject: String,
    /// A JSON object with the rest. No secrets.
    pub detail: String,
}

/// An entry, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit)]
pub struct Entry {
    /// 1, 2, 3, …
    pub seq: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub subject: String,
    /// A JSON object with the rest.
    pub detail: String,
    /// Covers all of the above and the hash before.
    pub hash: String,
}

/// The end of the chain at some time. Noted elsewhere, it shows later whether everything before it is still as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last entry's number.
    pub seq: i64,
    /// The last entry's hash.
    pub hash: String,
}

/// Where the chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// This entry is not there.
    Missing(i64),
    /// This entry, or the hash before it, is not what was written.
    Altered(i64),
    /// This entry is not the one whose hash was noted.
    NotTheNoted(i64),
}

/// Adds entries to the end of the chain and gives the new end. Without entries it is the old one.
pub fn append(conn: &mut Conn, entries: &[NewEntry]) -> Result<Option<Head>> {
    // Two at once would follow the same entry. On SQLite there is one writer anyway.
    if let Conn::Postgres(c) = conn {
        diesel::sql_query(format!("SELECT pg_advisory_xact_lock({APPENDING_LOCK})")).execute(c)?;
    }
    let mut last = head(conn)?;
    let mut rows = Vec::with_capacity(entries.len());
    for new in entries {
        let (seq, before) = last.map_or((1, String::new()), |head| (head.seq + 1, head.hash));
        let mut entry = Entry {
            seq,
            at: new.at,
            actor: new.actor.clone(),
            action: new.action.to_owned(),
            subject: new.subject.clone(),
            detail: new.detail.clone(),
            hash: String::new(),
        };
        entry.hash = seal(&before, &entry);
        last = Some(Head { seq, hash: entry.hash.clone() });
        rows.push(entry);
    }
    for row in &rows {
        on_backend!(conn, c => diesel::insert_into(audit::table).values(row).execute(c))?;
    }
    Ok(last)
}

/// The end of the chain; nothing when it is empty.
pub fn head(conn: &mut Conn) -> Result<Option<Head>> {
    let query = audit::table.order(audit::seq.desc()).select((audit::seq, audit::hash));
    let last: Option<(i64, String)> = on_backend!(conn, c => query.first(c).optional())?;
    Ok(last.map(|(seq, hash)| Head { seq, hash }))
}

/// The newest entries, the newest last; of one subject if it is named.
pub fn list(conn: &mut Conn, subject: Option<&str>, limit: i64) -> Result<Vec<Entry>> {
    let mut newest: Vec<Entry> = on_backend!(conn, c => {
        let mut query = audit::table.order(audit::seq.desc()).limit(limit).select(Entry::as_select()).into_boxed();
        if let Some(subject) = subject {
            query = query.filter(audit::subject.eq(subject));
        }
        query.load(c)
    })?;
    newest.reverse();
    Ok(newest)
}

/// What was done to one subject, the newest last, without its uses.
pub fn changes(conn: &mut Conn, subject: &str) -> Result<Vec<Entry>> {
    on_backend!(conn, c => Ok(audit::table
        .filter(audit::subject.eq(subject))
        .filter(audit::action.ne_all(["key_used", "sign_in_failed"]))
        .order(audit::seq)
        .select(Entry::as_select())
        .load(c)?))
}

/// Follows the whole chain and says where it is broken, and its end. `noted` is an end that was seen before.
pub fn verify(conn: &mut Conn, noted: Option<&Head>) -> Result<(Vec<Break>, Option<Head>)> {
    let (mut breaks, mut last) = (Vec::new(), Head { seq: 0, hash: String::new() });
    let mut noted_seen = false;
    loop {
        let page: Vec<Entry> = on_backend!(conn, c => audit::table
            .filter(audit::seq.gt(last.seq))
            .order(audit::seq)
            .limit(PAGE)
            .select(Entry::as_select())
            .load(c))?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            if entry.seq != last.seq + 1 {
                breaks.push(Break::Missing(last.seq + 1));
            } else if seal(&last.hash, &entry) != entry.hash {
                breaks.push(Break::Altered(entry.seq));
            }
            if let Some(noted) = noted.filter(|noted| noted.seq == entry.seq) {
                noted_seen = true;
                if noted.hash != entry.hash {
                    breaks.push(Break::NotTheNoted(entry.seq));
                }
            }
            last = Head { seq: entry.seq, hash: entry.hash };
        }
    }
    if let Some(noted) = noted.filter(|_| !noted_seen) {
        breaks.push(Break::Missing(noted.seq));
    }
    Ok((breaks, (last.seq > 0).then_some(last)))
}

fn seal(before: &str, entry: &Entry) -> String {
    let mut hash = Sha256::new();
    hash.update(entry.seq.to_be_bytes());
    hash.update(entry.at.to_be_bytes());
    for text in [before, &entry.actor, &entry.action, &entry.subject, &entry.detail] {
        // The length first: otherwise the end of one text could move into the next.
        hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(text);
    }
    hex::encode(hash.finalize())
}
