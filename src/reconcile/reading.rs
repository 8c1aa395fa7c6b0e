//! What was read from Stripe, as an event of our own (`fetch_…`), dated by Stripe's clock.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::fetch::Source;
use crate::config::Mode;
use crate::store::inbox::NewEvent;
use crate::store::{self, Payload};

/// What was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    /// Stripe's name of the kind.
    pub object: &'a str,
    /// Stripe's id.
    pub id: &'a str,
    /// The JSON text.
    pub body: &'a RawValue,
    /// When the read began.
    pub read_at: OffsetDateTime,
    /// Why it was read, for people.
    pub reason: &'a str,
    /// The payout whose balance transactions were listed.
    pub payout: Option<&'a str>,
}

#[derive(Serialize)]
struct FetchedEvent<'a> {
    id: &'a str,
    object: &'static str,
    api_version: &'a str,
    created: i64,
    #[serde(rename = "type")]
    kind: &'a str,
    livemode: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payout: Option<&'a str>,
    reason: &'a str,
    data: FetchedData<'a>,
}

#[derive(Serialize)]
struct FetchedData<'a> {
    object: &'a RawValue,
}

impl Reading<'_> {
    /// The event, of the account with this name in the configuration.
    pub(super) fn event(self, account: &str, source: &Source, now_ms: i64) -> store::Result<NewEvent> {
        let event_id = format!("fetch_{}", uuid::Uuid::now_v7().simple());
        let kind = format!("{}.fetched", self.object);
        let created = self.read_at.unix_timestamp();
        let payload = serde_json::to_string(&FetchedEvent {
            id: &event_id,
            object: "event",
            api_version: &source.api_version,
            created,
            kind: &kind,
            livemode: source.mode == Mode::Live,
            payout: self.payout,
            reason: self.reason,
            data: FetchedData { object: self.body },
        })
        .map_err(|error| store::Error::Corrupt(Box::new(error)))?;
        Ok(NewEvent {
            account: account.to_owned(),
            event_id,
            event_type: kind,
            object_id: Some(self.id.to_owned()),
            created,
            received_at: now_ms,
            payload: Payload::pack(&payload),
        })
    }
}

/// When a read began, by Stripe's clock. It is dated by its beginning: what changes while Stripe answers has an event of
/// that time or later, which must win.
pub(super) fn began_at(answered_at: OffsetDateTime, took: Duration) -> OffsetDateTime {
    answered_at - took
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_began_before_a_change_is_older_than_the_change() {
        let answered_at = OffsetDateTime::from_unix_timestamp(1_795_190_411).unwrap();
        let read_at = began_at(answered_at, Duration::from_millis(100));
        assert_eq!(read_at.unix_timestamp(), 1_795_190_410);
    }
}
