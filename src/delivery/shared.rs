//! What those who take part in delivery to one org share: its parts, and the state of the lane.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use super::calls::Call;
use super::deliver::Parts;
use super::lane::{Cause, Lane, Sign};
use super::record::Tally;
use crate::metrics;
use crate::salesforce::{Budget, Error};
use crate::store::{self, Conn, stops};

pub(super) struct Shared {
    pub(super) parts: Parts,
    pub(super) lane: Mutex<Lane>,
    /// Names this process to others.
    pub(super) holder: String,
    pub(super) counts: Arc<metrics::Org>,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Self {
        let counts = parts.metrics.org(&parts.org);
        let lane = Mutex::new(Lane::new(parts.org.clone(), parts.config.clone(), Arc::clone(&counts)));
        Self { parts, lane, holder: uuid::Uuid::now_v7().to_string(), counts }
    }

    pub(super) fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls may be under way at the same time.
    pub(super) fn most_calls(&self) -> usize {
        if self.parts.client.budget() == Budget::Ask { 1 } else { self.lane().calls() }
    }

    /// Whether a call was made ready too long ago, or before others failed.
    pub(super) fn is_outdated(&self, call: &Call) -> bool {
        call.head.leased_at.elapsed() >= self.parts.config.lease / 8 || call.head.epoch != self.lane().epoch()
    }

    /// Whether nothing may be sent now, and until when.
    pub(super) fn closed_until(&self, idle: bool) -> Option<OffsetDateTime> {
        let (mut lane, now) = (self.lane(), self.parts.clock.now());
        match self.parts.client.budget() {
            Budget::Spent { until } => {
                if idle {
                    lane.pause(until, "our share of the org's daily requests is used up", now);
                }
                return Some(until);
            }
            Budget::Free | Budget::Scarce => lane.resume(),
            Budget::Ask => {}
        }
        lane.closed_until(now)
    }

    pub(super) fn count(&self, tally: &Tally) {
        let count = |counted: usize| u64::try_from(counted).unwrap_or(u64::MAX);
        self.counts.delivered.inc_by(count(tally.delays.len()));
        self.counts.retried.inc_by(count(tally.retried));
        self.counts.waiting_for_parent.inc_by(count(tally.waiting_for_parent));
        self.parts.metrics.dead_letters.with_label_values(&["record"]).inc_by(count(tally.dead));
        tally.delays.iter().for_each(|delay| self.counts.delay.took(*delay));
    }

    /// Shows operators what keeps records from being sent.
    pub(super) async fn show_signs(&self) {
        let signs = self.lane().take_signs();
        if signs.is_empty() {
            return;
        }
        let org = self.parts.org.clone();
        if let Err(error) = self.parts.store.write(move |conn| show(conn, &org, &signs)).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the state of delivery was not written down"
            );
        }
    }
}

pub(super) fn show(conn: &mut Conn, org: &str, signs: &[Sign]) -> store::Result<()> {
    for sign in signs {
        match sign {
            Sign::Put(stop) => stops::put(conn, stop)?,
            Sign::Works(objects) => stops::end(conn, org, objects)?,
        }
    }
    Ok(())
}

/// What an error of a call says about the lane; nothing when the day's requests are used up.
pub(super) fn cause(error: Option<&Error>) -> Option<Cause> {
    let error = error?;
    let retry_after = match error {
        Error::Exhausted { .. } => return None,
        Error::RateLimited { retry_after, .. } => *retry_after,
        _ => None,
    };
    let may_be_ours = matches!(error, Error::Unreachable(_) | Error::Unheard(_) | Error::Unreadable(_));
    let (reason, needs_person) = (error.to_string(), !error.is_retryable());
    Some(Cause { reason, needs_person, may_be_ours, retry_after })
}
