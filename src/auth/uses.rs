//! Who used what, counted in memory and written down once a minute: no request waits for it.
//!
//! What was counted since the last writing is lost when the process dies.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::clock::{Clock, from_unix_ms, unix_ms};
use crate::store::audit::{self, NewEntry};
use crate::store::{Store, api_keys};
use crate::worker::{Next, Step};

const EVERY: Duration = Duration::from_secs(60);

/// Who tries with an id that nobody has.
const STRANGERS: &str = "unknown";

/// What one caller did since the last writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    first_ms: i64,
    last_ms: i64,
    requests: u64,
    tokens: u64,
    refused: u64,
    failed: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
        self.requests += other.requests;
        self.tokens += other.tokens;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}

/// The counters; one for each caller that the store knows, and one for all others.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<BTreeMap<String, Count>>);

impl Uses {
    pub(super) fn request(&self, key_id: &str, now_ms: i64) {
        self.count(key_id, now_ms, Count { requests: 1, ..Count::default() });
    }

    pub(super) fn token(&self, key_id: &str, now_ms: i64) {
        self.count(key_id, now_ms, Count { tokens: 1, ..Count::default() });
    }

    pub(super) fn refused(&self, key_id: &str, now_ms: i64) {
        self.count(key_id, now_ms, Count { refused: 1, ..Count::default() });
    }

    /// `key_id` is a caller's that exists; what strangers call themselves is not kept.
    pub(super) fn failed(&self, key_id: Option<&str>, now_ms: i64) {
        self.count(key_id.unwrap_or(STRANGERS), now_ms, Count { failed: 1, ..Count::default() });
    }

    fn count(&self, key_id: &str, now_ms: i64, what: Count) {
        let what = Count { first_ms: now_ms, last_ms: now_ms, ..what };
        let mut counts = self.counts();
        // Looked up by reference first: the name is copied once a minute, not for each request.
        match counts.get_mut(key_id) {
            Some(count) => count.add(what),
            None => drop(counts.insert(key_id.to_owned(), what)),
        }
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down what was counted, once a minute and at the end.
#[derive(Debug)]
pub struct UseRecorder {
    store: Store,
    clock: Clock,
    uses: Arc<Uses>,
    /// When to write next; milliseconds since 1970.
    due_ms: Mutex<i64>,
}

impl UseRecorder {
    pub(super) fn new(store: Store, clock: Clock, uses: Arc<Uses>) -> Self {
        let due_ms = Mutex::new(unix_ms(clock.now() + EVERY));
        Self { store, clock, uses, due_ms }
    }

    /// Writes down what was counted until now.
    pub async fn record(&self) -> crate::store::Result<()> {
        let counts = std::mem::take(&mut *self.uses.counts());
        if counts.is_empty() {
            return Ok(());
        }
        let now_ms = unix_ms(self.clock.now());
        let entries: Vec<_> = counts.iter().map(|(key_id, count)| entry(key_id, count, now_ms)).collect();
        let used: Vec<_> = counts
            .iter()
            .filter(|(_, count)| count.requests + count.tokens > 0)
            .map(|(key_id, count)| (key_id.clone(), count.last_ms))
            .collect();
        let written = self.store.write(move |conn| {
            for (key_id, last_ms) in used {
                api_keys::used(conn, &key_id, last_ms)?;
            }
            audit::append(conn, &entries)
        });
        match written.await {
            Ok(head) => {
                // The log is kept elsewhere: it shows later whether the chain is still the one it was.
                if let Some(head) = head {
                    tracing::info!(audit.seq = head.seq, audit.hash = head.hash, "uses recorded");
                }
                Ok(())
            }
            Err(error) => {
                let mut current = self.uses.counts();
                for (key_id, count) in counts {
                    match current.entry(key_id) {
                        Entry::Occupied(mut newer) => newer.get_mut().add(count),
                        Entry::Vacant(none) => drop(none.insert(count)),
                    }
                }
                Err(error)
            }
        }
    }

    fn due(&self) -> MutexGuard<'_, i64> {
        self.due_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Step for UseRecorder {
    fn name(&self) -> &'static str {
        "audit"
    }

    async fn step(&self) -> Next {
        let now_ms = unix_ms(self.clock.now());
        let due_ms = *self.due();
        if now_ms < due_ms {
            return Next::At(from_unix_ms(due_ms));
        }
        let next = match self.record().await {
            Ok(()) => self.clock.now() + EVERY,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "uses wait");
                self.clock.now() + Duration::from_secs(1)
            }
        };
        *self.due() = unix_ms(next);
        Next::At(next)
    }
}

fn entry(key_id: &str, count: &Count, now_ms: i64) -> NewEntry {
    let mut detail = json!({ "from": count.first_ms, "until": count.last_ms });
    let counted = [
        ("requests", count.requests),
        ("tokens", count.tokens),
        ("refused", count.refused),
        ("failed", count.failed),
    ];
    for (name, number) in counted.into_iter().filter(|(_, number)| *number > 0) {
        detail[name] = number.into();
    }
    let action =
        if count.requests + count.tokens + count.refused > 0 { "key_used" } else { "sign_in_failed" };
    NewEntry {
        at: now_ms,
        actor: "service".to_owned(),
        action,
        subject: key_id.to_owned(),
        detail: detail.to_string(),
    }
}
