//! How fast, and how much, may be read of one Stripe account.
//!
//! Source: Stripe's documentation, "Rate limits": 100 requests a second live, 25 in test mode and for each endpoint; reads of
//! thirty days average at most 500 for each transaction, and 10,000 a month are always free.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::backoff;
use crate::config::Mode;
use crate::store::usage::Used;

/// Days over which Stripe averages.
pub(super) const DAYS: i64 = 30;
const FREE: i64 = 10_000;
const FOR_EACH_CHARGE: i64 = 500;
/// Percent of what Stripe allows that we use; the rest is for callers of the API.
const SHARE: i64 = 80;

/// Reads that may follow each other at once after a rest.
const BURST: i64 = 20;
/// Longest first wait after Stripe did not answer, and the longest wait at all.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));
/// Whoever asks for more patience than this is asked again all the same.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// How many more reads the allowance of thirty days has room for.
pub(super) fn allowance(used: Used) -> i64 {
    let allowed = used.charges.saturating_mul(FOR_EACH_CHARGE).max(FREE);
    (allowed.saturating_mul(SHARE) / 100 - used.reads).max(0)
}

/// The pace of one account. Times are milliseconds since 1970.
#[derive(Debug)]
pub(super) struct Pace {
    /// Between two reads, in the long run.
    interval_ms: i64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When all reads so far would have happened at an even pace.
    even_until: i64,
    paused_until: i64,
    failures: u32,
    /// When the last of them was counted.
    failed_at: i64,
    alerted: bool,
}

impl Pace {
    /// A fifth of what Stripe takes in live mode, two fifths in test mode: events and callers come first.
    pub(super) fn of(mode: Mode) -> Self {
        let interval_ms = match mode {
            Mode::Live => 50,
            Mode::Test => 100,
        };
        Self { interval_ms, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of `wanted` reads may begin now; these are counted.
    pub(super) fn take(&self, wanted: usize, now_ms: i64) -> usize {
        let mut state = self.state();
        let even = state.even_until.max(now_ms);
        let room = (now_ms + BURST * self.interval_ms - even) / self.interval_ms;
        let taken = wanted.min(usize::try_from(room).unwrap_or(0));
        state.even_until = even + i64::try_from(taken).unwrap_or(0) * self.interval_ms;
        taken
    }

    /// Counts reads that were begun without asking.
    pub(super) fn count(&self, reads: i64, now_ms: i64) {
        let mut state = self.state();
        state.even_until = state.even_until.max(now_ms) + reads * self.interval_ms;
    }

    /// When the next read may begin.
    pub(super) fn open_at(&self) -> i64 {
        let state = self.state();
        state.paused_until.max(state.even_until - (BURST - 1) * self.interval_ms)
    }

    /// Until when nothing is read because Stripe did not answer or asked for patience.
    pub(super) fn paused(&self, now_ms: i64) -> Option<i64> {
        Some(self.state().paused_until).filter(|until| *until > now_ms)
    }

    /// Stripe failed, or asked for patience, in a read that began then: all reads of the account wait. Gives until when. Those
    /// that were under way together fail together, and count once.
    pub(super) fn pause(&self, retry_after: Option<Duration>, began_ms: i64, now_ms: i64) -> i64 {
        let mut state = self.state();
        let wait = if (began_ms..=now_ms).contains(&state.failed_at) {
            Duration::ZERO
        } else {
            (state.failures, state.failed_at) = (state.failures + 1, now_ms);
            backoff::wait(state.failures, BACKOFF.0, BACKOFF.1, fastrand::u64(..))
        };
        let wait = wait.max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER));
        let until = now_ms + i64::try_from(wait.as_millis()).unwrap_or(0) + 1;
        state.paused_until = state.paused_until.max(until);
        state.paused_until
    }

    /// Pauses for so long, whatever happened before.
    pub(super) fn rest(&self, length: Duration, now_ms: i64) {
        self.state().paused_until = now_ms + i64::try_from(length.as_millis()).unwrap_or(0);
    }

    /// Stripe answered.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        (state.failures, state.alerted) = (0, false);
    }

    /// Whether a person has to be told now: once, until Stripe answers again.
    pub(super) fn must_alert(&self) -> bool {
        !std::mem::replace(&mut self.state().alerted, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_short_and_the_pace_is_even() {
        let pace = Pace::of(Mode::Test);
        assert_eq!((pace.take(100, 1_000_000), pace.take(1, 1_000_000)), (20, 0));
        assert_eq!(pace.open_at(), 1_000_100);
        assert_eq!((pace.take(5, 1_000_099), pace.take(5, 1_000_300)), (0, 3));
        pace.count(50, 1_000_300);
        assert_eq!(pace.take(1, 1_005_300), 0, "pages of a list count, too");
        let seconds = |mode| {
            let pace = Pace::of(mode);
            let reads: usize = (0..100).map(|tenth| pace.take(1_000, 1_000_000 + tenth * 100)).sum();
            reads / 10
        };
        assert_eq!((seconds(Mode::Live), seconds(Mode::Test)), (21, 11));
    }

    #[test]
    fn what_stripe_asks_for_is_waited() {
        let pace = Pace::of(Mode::Live);
        let until = pace.pause(Some(Duration::from_secs(90)), 900, 1_000);
        assert!(until >= 91_000 && pace.paused(90_999) == Some(until), "{until}");
        assert_eq!(pace.paused(until), None);
        let until = pace.pause(Some(Duration::from_secs(1_000_000)), 900, 1_000);
        assert!(until <= 3_700_000, "nobody is waited for forever: {until}");
    }

    #[test]
    fn reads_that_fail_together_count_once() {
        let pace = Pace::of(Mode::Live);
        for late in 0..20 {
            let until = pace.pause(None, 1_000, 2_000 + late);
            assert!(until <= 4_001, "an outage of a moment makes a pause until {until}");
        }
        assert_eq!(pace.state().failures, 1);
        let until = pace.pause(Some(Duration::from_secs(90)), 1_000, 2_000);
        assert!(until >= 92_000, "what Stripe asks for counts: {until}");
        pace.pause(None, 92_000, 92_100);
        assert_eq!(pace.state().failures, 2);
    }

    #[test]
    fn the_allowance_grows_with_the_charges() {
        for (reads, charges, left) in
            [(0, 0, 8_000), (8_000, 20, 0), (9_000, 0, 0), (0, 100, 40_000), (39_999, 100, 1)]
        {
            assert_eq!(allowance(Used { reads, charges }), left, "{reads} {charges}");
        }
    }
}
