//! What went wrong with a record on its way to Salesforce, and what people did about it.
//!
//! Arrivals leave no row here: they are many, and the outbox says when and by which call a record arrived last.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::attempts;

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It failed for a passing reason and is tried again.
    Retry,
    /// The record that it points to is missing.
    WaitForParent,
    /// It was given up.
    Dead,
    /// A person asked to try it again.
    Replayed,
    /// A person decided that it will not be sent.
    Discarded,
}

impl Ended {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::WaitForParent => "wait_for_parent",
            Self::Dead => "dead",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
        }
    }
}

/// What is written down of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct NewAttempt<'a> {
    /// The row of the outbox.
    pub outbox_id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// The call that carried it; empty when none did.
    pub call_id: &'a str,
    /// Which try it was.
    pub attempt: i32,
    /// What it came to.
    pub ended: Ended,
    /// Salesforce's code, or ours.
    pub code: &'a str,
    /// The full text.
    pub message: &'a str,
    /// The fields as they were sent.
    pub sent: Option<&'a str>,
    /// The mapping that made them.
    pub mapping_version: &'a str,
}

/// One attempt as it was written down.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Attempt {
    /// Its number; later ones are larger.
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// The call that carried the record; empty when none did.
    pub call_id: String,
    /// Which try it was.
    pub attempt: i32,
    /// `retry`, `wait_for_parent`, `dead`, `replayed` or `discarded`.
    pub outcome: String,
    /// Salesforce's code, or ours.
    pub code: String,
    /// The full text.
    pub message: String,
    /// The fields as they were sent, when the record was given up.
    pub sent: Option<String>,
    /// The mapping that made them.
    pub mapping_version: String,
}

/// Writes one attempt down.
pub fn record(conn: &mut Conn, new: &NewAttempt<'_>) -> Result<()> {
    on_backend!(conn, c => diesel::insert_into(attempts::table)
        .values((
            attempts::outbox_id.eq(new.outbox_id),
            attempts::at.eq(new.at),
            attempts::call_id.eq(new.call_id),
            attempts::attempt.eq(new.attempt),
            attempts::outcome.eq(new.ended.as_str()),
            attempts::code.eq(new.code),
            attempts::message.eq(new.message),
            attempts::sent.eq(new.sent),
            attempts::mapping_version.eq(new.mapping_version),
        ))
        .execute(c))?;
    Ok(())
}

/// What happened to a row of the outbox, newest first.
pub fn of_row(conn: &mut Conn, outbox_id: i64, limit: i64) -> Result<Vec<Attempt>> {
    let query = attempts::table
        .filter(attempts::outbox_id.eq(outbox_id))
        .order(attempts::id.desc())
        .limit(limit)
        .select((
            attempts::id,
            attempts::at,
            attempts::call_id,
            attempts::attempt,
            attempts::outcome,
            attempts::code,
            attempts::message,
            attempts::sent,
            attempts::mapping_version,
        ));
    Ok(on_backend!(conn, c => query.load(c))?)
}

/// How many attempts ended with this code.
pub fn with_code(conn: &mut Conn, code: &str) -> Result<i64> {
    let query = attempts::table.filter(attempts::code.eq(code)).count();
    Ok(on_backend!(conn, c => query.get_result(c))?)
}
