//! What was given up, of both kinds: events that could not be mapped, and records that could not be delivered.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::outbox::{Known, Position};
use super::schema::{events, inbox, outbox};

diesel::define_sql_function! {
    /// Small letters.
    fn lower(text: Nullable<Text>) -> Nullable<Text>;
}

/// What people know of those they look for; nothing means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The Salesforce object of records, or the beginning of the type of events in whole words (`charge`, `payment_intent`).
    pub object: Option<String>,
    /// Salesforce's code.
    pub code: Option<String>,
    /// Milliseconds since 1970: not given up before.
    pub since_ms: Option<i64>,
    /// A part of the id or of the error, in small or capital letters.
    pub text: Option<String>,
    /// Only of these Stripe accounts.
    pub accounts: Option<Vec<String>>,
}

/// A record that was given up.
#[derive(Clone, Debug, Queryable)]
pub struct DeadRecord {
    /// The row of the outbox.
    pub id: i64,
    /// Name of the org in the configuration.
    pub org: String,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// API name of the object.
    pub sobject: String,
    /// The Stripe id.
    pub external_id: String,
    /// The second of its newest state's event,
    pub created: i64,
    /// the progress within it,
    pub progress: i64,
    /// and the event.
    pub event_id: String,
    /// Its fields.
    pub fields: String,
    /// Of the fields that its newest state does not speak of, the position of the one that did.
    pub carried: String,
    /// The records that must exist first.
    pub parents: String,
    /// `dead` or `discarded`.
    pub state: String,
    /// Tries so far.
    pub attempts: i32,
    /// The full error, its code first.
    pub last_error: Option<String>,
    /// Milliseconds since 1970: when it was given up.
    pub updated_at: i64,
    /// Names the mapping that made the fields.
    pub mapping_version: String,
    /// The record's own id, if it ever arrived.
    pub salesforce_id: Option<String>,
}

impl DeadRecord {
    /// Its state, as it is merged.
    pub fn known(&self) -> Known {
        let position =
            Position { created: self.created, progress: self.progress, event_id: self.event_id.clone() };
        Known {
            position,
            fields: self.fields.clone(),
            carried: self.carried.clone(),
            parents: self.parents.clone(),
        }
    }
}

/// An event that could not be mapped.
#[derive(Clone, Debug, Queryable)]
pub struct DeadEvent {
    /// Order of arrival.
    pub seq: i64,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// Stripe's id.
    pub event_id: String,
    /// Stripe's type.
    pub event_type: String,
    /// The object it is about.
    pub object_id: Option<String>,
    /// Milliseconds since 1970.
    pub received_at: i64,
    /// `dead` or `discarded`.
    pub state: String,
    /// Why.
    pub last_error: Option<String>,
}

macro_rules! record_columns {
    () => {
        (
            outbox::id,
            outbox::org,
            outbox::account,
            outbox::sobject,
            outbox::external_id,
            outbox::created,
            outbox::progress,
            outbox::event_id,
            outbox::fields,
            outbox::carried,
            outbox::parents,
            outbox::state,
            outbox::attempts,
            outbox::last_error,
            outbox::updated_at,
            outbox::mapping_version,
            outbox::salesforce_id,
        )
    };
}

macro_rules! event_columns {
    () => {
        (
            events::seq,
            events::account,
            events::event_id,
            events::event_type,
            events::object_id,
            events::received_at,
            inbox::state,
            inbox::last_error,
        )
    };
}

/// Spelled out, because SQLite uses a partial index only for the words it was made with.
macro_rules! dead {
    ($table:literal) => {
        diesel::dsl::sql::<Bool>(concat!($table, ".state = 'dead'"))
    };
}

/// Records given up, longest first, from behind `after` (when it was given up, and its id) on.
pub fn records(
    conn: &mut Conn,
    filter: &Filter,
    after: Option<(i64, i64)>,
    limit: i64,
) -> Result<Vec<DeadRecord>> {
    on_backend!(conn, c => {
        let mut query = outbox::table.filter(dead!("outbox")).select(record_columns!()).into_boxed();
        if let Some(object) = &filter.object {
            // Records that are found by their own id have it behind the object's name.
            query = query.filter(outbox::sobject.eq_any([object.clone(), format!("{object}.Id")]));
        }
        if let Some(code) = &filter.code {
            query = query.filter(outbox::last_error.like(format!("{}:%", literally(code))).escape('\\'));
        }
        if let Some(since) = filter.since_ms {
            query = query.filter(outbox::updated_at.ge(since));
        }
        if let Some(text) = &filter.text {
            let part = format!("%{}%", literally(&text.to_lowercase()));
            query = query.filter(
                lower(outbox::external_id.nullable()).like(part.clone()).escape('\\')
                    .or(lower(outbox::last_error).like(part).escape('\\')),
            );
        }
        if let Some(accounts) = &filter.accounts {
            query = query.filter(outbox::account.eq_any(accounts));
        }
        if let Some((at, id)) = after {
            query = query.filter(
                outbox::updated_at.gt(at).or(outbox::updated_at.eq(at).and(outbox::id.gt(id))),
            );
        }
        Ok(query.order((outbox::updated_at, outbox::id)).limit(limit).load(c)?)
    })
}

/// Events that could not be mapped, oldest first, from behind `after` (its place in the order of arrival) on.
pub fn events(conn: &mut Conn, filter: &Filter, after: Option<i64>, limit: i64) -> Result<Vec<DeadEvent>> {
    on_backend!(conn, c => {
        let mut query = inbox::table
            .inner_join(events::table)
            .filter(dead!("inbox"))
            .select(event_columns!())
            .into_boxed();
        if let Some(object) = &filter.object {
            query = query.filter(events::event_type.like(format!("{}.%", literally(object))).escape('\\'));
        }
        if let Some(since) = filter.since_ms {
            query = query.filter(events::received_at.ge(since));
        }
        if let Some(text) = &filter.text {
            let part = format!("%{}%", literally(&text.to_lowercase()));
            query = query.filter(
                lower(events::event_id.nullable()).like(part.clone()).escape('\\')
                    .or(lower(events::object_id).like(part.clone()).escape('\\'))
                    .or(lower(inbox::last_error).like(part).escape('\\')),
            );
        }
        if let Some(accounts) = &filter.accounts {
            query = query.filter(events::account.eq_any(accounts));
        }
        if let Some(seq) = after {
            query = query.filter(inbox::seq.gt(seq));
        }
        Ok(query.order(inbox::seq).limit(limit).load(c)?)
    })
}

/// `%`, `_` and `\` stand for themselves.
fn literally(text: &str) -> String {
    text.chars().flat_map(|c| matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c])).collect()
}

/// A record that was given up or discarded.
pub fn record(conn: &mut Conn, id: i64) -> Result<Option<DeadRecord>> {
    let query =
        outbox::table.find(id).filter(outbox::state.eq_any(["dead", "discarded"])).select(record_columns!());
    Ok(on_backend!(conn, c => query.first(c).optional())?)
}

/// An event that could not be mapped, or was discarded.
pub fn event(conn: &mut Conn, seq: i64) -> Result<Option<DeadEvent>> {
    let query = inbox::table
        .inner_join(events::table)
        .filter(inbox::seq.eq(seq))
        .filter(inbox::state.eq_any(["dead", "discarded"]))
        .select(event_columns!());
    Ok(on_backend!(conn, c => query.first(c).optional())?)
}

/// Makes a dead or discarded event pending again. Says whether there was one.
pub fn replay_event(conn: &mut Conn, seq: i64) -> Result<bool> {
    let given_up = inbox::table.find(seq).filter(inbox::state.eq_any(["dead", "discarded"]));
    let rows = on_backend!(conn, c =>
        diesel::update(given_up).set(inbox::state.eq("pending")).execute(c))?;
    Ok(rows == 1)
}

/// A person decided that a dead event stays unmapped; `why` is added to the reason. Says whether there was one.
pub fn discard_event(conn: &mut Conn, seq: i64, why: &str) -> Result<bool> {
    let dead = inbox::table.find(seq).filter(inbox::state.eq("dead"));
    let reason: Option<Option<String>> =
        on_backend!(&mut *conn, c => dead.select(inbox::last_error).first(c).optional())?;
    let Some(reason) = reason else { return Ok(false) };
    let reason = format!("{}; {why}", reason.unwrap_or_default());
    on_backend!(conn, c => diesel::update(dead)
        .set((inbox::state.eq("discarded"), inbox::last_error.eq(reason)))
        .execute(c))?;
    Ok(true)
}
