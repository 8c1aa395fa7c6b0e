//! Forgets what is older than operators want to keep: events and failed attempts. Records are never forgotten: their
//! newest state decides whether a late event is older.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use crate::clock::{Clock, unix_ms};
use crate::store::{self, Store, retention};
use crate::worker::{Next, Step};

/// Rows of one transaction: it takes some milliseconds.
const BATCH_LIMIT: i64 = 500;
/// Between two of them whoever writes gets a turn.
const BREATH: Duration = Duration::from_millis(20);
/// When there was nothing to forget.
const PAUSE: Duration = Duration::from_secs(60);

/// Forgets old events and attempts.
#[derive(Debug)]
pub struct Retention {
    store: Store,
    events: Duration,
    clock: Clock,
    /// Nothing is looked for before.
    resting_until: Mutex<Option<OffsetDateTime>>,
}

impl Retention {
    /// Keeps events, and attempts that failed, for `events` after they came.
    pub fn new(store: Store, events: Duration, clock: Clock) -> Self {
        Self { store, events, clock, resting_until: Mutex::default() }
    }

    async fn forget(&self) -> store::Result<usize> {
        let before_ms = unix_ms(self.clock.now() - self.events);
        let forget = move |conn: &mut store::Conn| {
            let events = retention::forget_events(conn, before_ms, BATCH_LIMIT)?;
            Ok(events + retention::forget_attempts(conn, before_ms, BATCH_LIMIT)?)
        };
        self.store.write(forget).await
    }
}

impl Step for Retention {
    fn name(&self) -> &'static str {
        "retain"
    }

    async fn step(&self) -> Next {
        let resting_until = *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = resting_until.filter(|until| *until > self.clock.now()) {
            return Next::At(until);
        }
        let wait = match self.forget().await {
            Ok(0) => PAUSE,
            Ok(rows) => {
                tracing::debug!(rows, "forgot what is old");
                BREATH
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "old events stay for now: the database did not answer"
                );
                PAUSE
            }
        };
        let until = self.clock.now() + wait;
        *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        Next::At(until)
    }
}
