//! Reads single objects from Stripe: parents that no event spoke of, ties, events in another API version.
//!
//! What is read goes through the inbox as an event of our own (`fetch_…`), dated by Stripe's clock, so that it is ordered,
//! mapped and delivered like any other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::backoff;
use crate::clock::{Clock, unix_ms};
use crate::config::Mode;
use crate::metrics::Metrics;
use crate::store::fetches::{self, Due};
use crate::store::inbox::{self, NewEvent};
use crate::store::{self, Payload, Store};
use crate::stripe::{Client, Error, Fetched};
use crate::worker::{Bell, Next, Step};

/// Objects read in one step. One after the other: reads are scarce and nobody waits for them.
const BATCH_LIMIT: i64 = 20;
/// Longest first wait after Stripe did not answer, and the longest wait at all.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));

/// Reads the objects that were asked for.
#[derive(Clone, Debug)]
pub struct Fetcher {
    store: Store,
    accounts: Arc<BTreeMap<String, Source>>,
    clock: Clock,
    inbox: Bell,
    metrics: Metrics,
}

/// Where the objects of an account are read.
#[derive(Clone, Debug)]
pub struct Source {
    /// The account's client.
    pub client: Client,
    /// The API version that its answers are written in.
    pub api_version: String,
    /// The mode of its key, and so of all it can read; not every object says its own.
    pub mode: Mode,
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
    data: FetchedData<'a>,
}

#[derive(Serialize)]
struct FetchedData<'a> {
    object: &'a RawValue,
}

impl Fetcher {
    /// `inbox` rings when something was read.
    pub fn new(store: Store, accounts: BTreeMap<String, Source>, clock: Clock, inbox: Bell) -> Self {
        Self { store, accounts: Arc::new(accounts), clock, inbox, metrics: Metrics::default() }
    }

    /// Counts what it does there.
    pub fn counted_in(self, metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone(), ..self }
    }

    async fn fetch(&self, due: Due) -> store::Result<()> {
        let Some(source) = self.accounts.get(&due.account) else {
            tracing::warn!(account = due.account, "fetch dropped: the account is not configured any more");
            return self.store.write(move |conn| fetches::complete(conn, &due)).await;
        };
        let asked = Instant::now();
        let answer = source.client.fetch(&due.object, &due.object_id).await;
        self.metrics.reads.with_label_values(&[outcome(&answer)]).inc();
        match answer {
            Ok(fetched) => {
                let read_at = began_at(fetched.answered_at, asked.elapsed());
                self.record(source, due, &fetched, read_at).await
            }
            Err(error) if gone(&error) => {
                tracing::warn!(object = due.object, object.id = due.object_id, "Stripe has no such object");
                let reason = format!("Stripe has no {} `{}` to read in its place", due.object, due.object_id);
                self.store
                    .write(move |conn| {
                        if let Some(seq) = due.event_seq {
                            inbox::dead_letter_again(conn, seq, &reason)?;
                        }
                        fetches::complete(conn, &due)
                    })
                    .await
            }
            Err(error) => {
                let attempt = u32::try_from(due.attempts + 1).unwrap_or(1);
                let wait = backoff::wait(attempt, BACKOFF.0, BACKOFF.1, fastrand::u64(..));
                let due_ms = unix_ms(self.clock.now() + wait) + 1;
                tracing::warn!(object = due.object, object.id = due.object_id, attempt, %error, "fetch failed");
                let error = error.to_string();
                self.store.write(move |conn| fetches::retry_at(conn, due.id, due_ms, &error)).await
            }
        }
    }

    async fn record(
        &self,
        source: &Source,
        due: Due,
        fetched: &Fetched,
        read_at: OffsetDateTime,
    ) -> store::Result<()> {
        let corrupt = |error: serde_json::Error| store::Error::Corrupt(Box::new(error));
        let event_id = format!("fetch_{}", uuid::Uuid::now_v7().simple());
        let kind = format!("{}.fetched", due.object);
        let created = read_at.unix_timestamp();
        let payload = serde_json::to_string(&FetchedEvent {
            id: &event_id,
            object: "event",
            api_version: &source.api_version,
            created,
            kind: &kind,
            livemode: source.mode == Mode::Live,
            data: FetchedData { object: &fetched.body },
        })
        .map_err(corrupt)?;
        let event = NewEvent {
            account: due.account.clone(),
            event_id,
            event_type: kind,
            object_id: Some(due.object_id.clone()),
            created,
            received_at: unix_ms(self.clock.now()),
            payload: Payload::pack(&payload),
        };
        self.store
            .write(move |conn| {
                inbox::record(conn, std::slice::from_ref(&event))?;
                fetches::complete(conn, &due)
            })
            .await?;
        self.inbox.ring();
        Ok(())
    }

    async fn step_once(&self) -> store::Result<Next> {
        let now_ms = unix_ms(self.clock.now());
        let due = self.store.read(move |conn| fetches::due(conn, now_ms, BATCH_LIMIT)).await?;
        if due.is_empty() {
            let next = self.store.read(fetches::next_due).await?;
            return Ok(next.map_or(Next::Idle, |ms| Next::At(crate::clock::from_unix_ms(ms))));
        }
        for one in due {
            self.fetch(one).await?;
        }
        Ok(Next::Again)
    }
}

impl Step for Fetcher {
    fn name(&self) -> &'static str {
        "fetch"
    }

    async fn step(&self) -> Next {
        self.step_once().await.unwrap_or_else(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "fetching waits: the database did not answer"
            );
            Next::Idle
        })
    }
}

/// When a read began, by Stripe's clock. It is dated by its beginning: what changes while Stripe answers has an event of
/// that time or later, which must win.
fn began_at(answered_at: OffsetDateTime, took: Duration) -> OffsetDateTime {
    answered_at - took
}

fn outcome(answer: &Result<Fetched, Error>) -> &'static str {
    match answer {
        Ok(_) => "read",
        Err(error) if gone(error) => "missing",
        Err(_) => "failed",
    }
}

/// Stripe knows nothing of it, or never will under this name.
fn gone(error: &Error) -> bool {
    match error {
        Error::Rejected(rejection) => rejection.status == 404,
        Error::Unaddressable(_) => true,
        _ => false,
    }
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
