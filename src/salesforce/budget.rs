//! How many of the org's daily requests we may still make. It is kept without asking: answers say what was used, and our
//! own requests leave the rolling day when they are a day old.
//!
//! Source: REST API Developer Guide, "Limit Info Header"; Developer Limits, "API Request Limits" (rolling 24 hours, whole org).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use time::OffsetDateTime;

use crate::clock::Clock;
use crate::metrics;

/// The rolling window.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Others' requests leave the window unseen: that often one request is spent to ask.
const ASK_EVERY: Duration = Duration::from_secs(60 * 60);
/// So many requests of our share at most are kept for asking.
const KEPT_FOR_ASKING: u64 = 24;
/// The org itself took no more: first and longest wait before it is asked again.
const REFUSED: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(60 * 60));
/// Our own requests are remembered by the minute.
const BUCKET_SECONDS: i64 = 60;

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// One request may be made, to find out.
    Ask,
    /// Everything.
    Free,
    /// The last tenth of our share: what matters most.
    Scarce,
    /// Nothing before this time.
    Spent {
        /// When a request may be made again, at least one that asks.
        until: OffsetDateTime,
    },
}

pub(super) struct Keeper {
    share: Decimal,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    report: Option<Report>,
    /// Requests begun so far.
    begun: u64,
    /// When a request was last made only to learn how much was used.
    asked_at: Option<OffsetDateTime>,
    /// By minute: when, and how many.
    own: VecDeque<(i64, u64)>,
    /// The org's allowance is used up: refusals one after the other, and until when nothing is tried.
    refused: Option<(u32, OffsetDateTime)>,
}

/// What an answer said.
#[derive(Clone, Copy)]
struct Report {
    used: u64,
    limit: u64,
    at: OffsetDateTime,
    /// The number of the request that was answered: later ones are not in `used`.
    request: u64,
}

impl Keeper {
    pub(super) fn new(share: Decimal, clock: Clock) -> Self {
        Self { share, clock, state: Mutex::default() }
    }

    pub(super) fn now(&self) -> Budget {
        let (state, now) = (self.state(), self.clock.now());
        if let Some((_, until)) = state.refused {
            return if now < until { Budget::Spent { until } } else { Budget::Ask };
        }
        // Before the first answer nothing is known. What is kept for asking is enough for as many as leave together.
        let Some(report) = state.report else { return Budget::Free };
        let ours = self.ours(report.limit);
        let used = state.used(&report, now);
        if used >= ours {
            let ask_at = state.asked_at.map_or(report.at, |asked| asked.max(report.at)) + ASK_EVERY;
            let until = ask_at.min(state.freed_at(&report, used - ours));
            return if now < until { Budget::Spent { until } } else { Budget::Ask };
        }
        if ours - used <= ours / 10 { Budget::Scarce } else { Budget::Free }
    }

    /// Counts a request that is about to be made and numbers it, if one may be made.
    pub(super) fn begin(&self) -> Option<u64> {
        let budget = self.now();
        if matches!(budget, Budget::Spent { .. }) {
            return None;
        }
        let now = self.clock.now();
        let mut state = self.state();
        if budget == Budget::Ask {
            state.asked_at = Some(now);
        }
        state.begun += 1;
        let minute = now.unix_timestamp().div_euclid(BUCKET_SECONDS);
        match state.own.back_mut() {
            Some((at, count)) if *at == minute => *count += 1,
            _ => state.own.push_back((minute, 1)),
        }
        // Twice the window: what left it before the last report must still be told from what left it since.
        let forgotten = (now - DAY * 2).unix_timestamp().div_euclid(BUCKET_SECONDS);
        while state.own.front().is_some_and(|(at, _)| *at < forgotten) {
            state.own.pop_front();
        }
        Some(state.begun)
    }

    /// An answer came, with or without the header: `api-usage=10018/100000`, several pairs parted by commas. Gives what it
    /// says, if that is new.
    pub(super) fn answered(&self, request: u64, header: Option<&str>) -> Option<metrics::Budget> {
        let told = header.and_then(|header| {
            header.split([',', ';']).find_map(|part| {
                let (used, limit) = part.trim().strip_prefix("api-usage=")?.split_once('/')?;
                Some((used.parse().ok()?, limit.parse().ok()?))
            })
        });
        let at = self.clock.now();
        let mut state = self.state();
        let (used, limit) = told?;
        // Of requests under way together, an earlier one may be answered later.
        if state.report.is_some_and(|known| request < known.request && used <= known.used) {
            return None;
        }
        state.report = Some(Report { used, limit, at, request });
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let left = self.ours(limit).saturating_sub(used);
        Some(metrics::Budget { used: count(used), limit: count(limit), left: count(left) })
    }

    /// The org did what was asked: its allowance is not used up.
    pub(super) fn granted(&self) {
        self.state().refused = None;
    }

    /// The org takes no more today. Gives when it is asked again.
    pub(super) fn refused(&self) -> OffsetDateTime {
        let now = self.clock.now();
        let mut state = self.state();
        let times = match state.refused {
            // Several requests that were under way together are one refusal.
            Some((_, until)) if now < until => return until,
            Some((times, _)) => times + 1,
            None => 1,
        };
        let wait = REFUSED.0.saturating_mul(1 << (times - 1).min(10)).min(REFUSED.1);
        state.refused = Some((times, now + wait));
        now + wait
    }

    /// Our part of the allowance, rounded down, without what is kept for asking.
    fn ours(&self, limit: u64) -> u64 {
        let ours = (Decimal::from(limit) * self.share).floor().to_u64().unwrap_or(limit);
        ours - KEPT_FOR_ASKING.min(ours / 20)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Requests in the window now, as far as we can know.
    fn used(&self, report: &Report, now: OffsetDateTime) -> u64 {
        let since = self.begun.saturating_sub(report.request);
        let left = self.left(report).take_while(|(leaves, _)| *leaves <= now).map(|(_, count)| count);
        (report.used + since).saturating_sub(left.sum())
    }

    /// When our own requests will have made room.
    fn freed_at(&self, report: &Report, too_many: u64) -> OffsetDateTime {
        let mut leaving = 0;
        let freed = self.left(report).find(|(_, count)| {
            leaving += count;
            leaving > too_many
        });
        freed.map_or(report.at + DAY, |(leaves, _)| leaves)
    }

    /// When our own requests leave the window, of those that were in it at the report.
    fn left(&self, report: &Report) -> impl Iterator<Item = (OffsetDateTime, u64)> {
        let in_window_since = (report.at - DAY).unix_timestamp();
        let leaves = |minute: i64| {
            let end = (minute + 1).saturating_mul(BUCKET_SECONDS);
            OffsetDateTime::from_unix_timestamp(end).map_or(OffsetDateTime::UNIX_EPOCH, |end| end + DAY)
        };
        self.own
            .iter()
            .filter(move |(minute, _)| minute * BUCKET_SECONDS >= in_window_since)
            .map(move |(minute, count)| (leaves(*minute), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper(share: &str) -> (Keeper, Clock) {
        let clock = Clock::manual(OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap());
        (Keeper::new(share.parse().unwrap(), clock.clone()), clock)
    }

    #[test]
    fn requests_under_way_count_before_they_are_answered() {
        let (budget, _) = keeper("0.5");
        assert_eq!(budget.now(), Budget::Free, "nothing is known yet");
        let first = budget.begin().unwrap();
        budget.answered(first, Some("api-usage=6/20"));
        assert_eq!(budget.now(), Budget::Free);
        let under_way: Vec<_> = std::iter::from_fn(|| budget.begin()).collect();
        assert_eq!(under_way.len(), 4, "6 of 10 were used");
        budget.answered(under_way[3], Some("api-usage=10/20"));
        budget.answered(under_way[0], Some("api-usage=7/20"));
        assert_eq!(budget.begin(), None, "an answer that was late tells nothing new");
    }

    #[test]
    fn the_last_tenth_is_scarce() {
        let (budget, _) = keeper("0.5");
        // Of 50, two are kept for asking.
        for (used, expected) in [(43, Budget::Free), (44, Budget::Scarce), (47, Budget::Scarce)] {
            let request = budget.begin().unwrap();
            budget.answered(request, Some(&format!("api-usage={used}/100")));
            assert_eq!(budget.now(), expected, "{used}");
        }
    }

    #[test]
    fn our_own_requests_leave_the_window_without_asking() {
        let (budget, clock) = keeper("1");
        let mut used = 0;
        let mut make_one = || {
            let Some(request) = budget.begin() else { return false };
            used += 1;
            budget.answered(request, Some(&format!("api-usage={used}/100")));
            true
        };
        (0..95).for_each(|_| assert!(make_one()));
        for hour in 1..=23 {
            assert!(!make_one(), "hour {hour}");
            clock.advance(ASK_EVERY);
            assert!(make_one(), "hour {hour}: others' requests may have left");
        }
        clock.advance(ASK_EVERY - Duration::from_secs(60));
        assert!(!make_one());
        clock.advance(Duration::from_secs(120));
        assert_eq!(budget.now(), Budget::Free, "the first ones are a day old");
    }

    #[test]
    fn an_org_that_takes_no_more_is_asked_less_and_less() {
        let (budget, clock) = keeper("1");
        let mut waits = Vec::new();
        for _ in 0..10 {
            let until = budget.refused();
            assert_eq!((budget.now(), budget.refused()), (Budget::Spent { until }, until));
            waits.push((until - clock.now()).whole_seconds());
            clock.advance(Duration::try_from(until - clock.now()).unwrap());
        }
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        budget.granted();
        assert_ne!(budget.now(), Budget::Spent { until: clock.now() });
    }
}
