//! How much one caller may ask, and how often somebody may be wrong. Neither needs more memory under attack.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Refusal;

const MINUTE_US: i64 = 60_000_000;

/// Sources are spread over so many counters. Two that share one share its limit.
const SLOTS: usize = 4_096;

/// So many a minute, also all at once. The state is one number: when everything taken so far has been earned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    interval_us: i64,
}

impl Rate {
    pub(super) fn per_minute(count: u32) -> Self {
        Self { interval_us: (MINUTE_US / i64::from(count.max(1))).max(1) }
    }

    /// Takes one, or says when there is one again.
    pub(super) fn take(&self, taken: &AtomicI64, now_us: i64) -> Result<(), Duration> {
        let mut seen = seen(taken, now_us);
        loop {
            let next = self.after_one_more(seen, now_us)?;
            match taken.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => seen = other,
            }
        }
    }

    /// Whether one could be taken.
    fn allows(&self, taken: &AtomicI64, now_us: i64) -> Result<(), Duration> {
        self.after_one_more(seen(taken, now_us), now_us).map(drop)
    }

    fn after_one_more(&self, taken_us: i64, now_us: i64) -> Result<i64, Duration> {
        let next = taken_us.max(now_us) + self.interval_us;
        let over = next - now_us - MINUTE_US;
        if over > 0 { Err(Duration::from_micros(over.unsigned_abs())) } else { Ok(next) }
    }
}

/// The state, brought back if it is further ahead than it can be: a clock that was set back must not lock anybody out for longer
/// than a minute.
fn seen(taken: &AtomicI64, now_us: i64) -> i64 {
    let furthest = now_us + MINUTE_US;
    taken.fetch_min(furthest, Ordering::Relaxed).min(furthest)
}

/// Wrong attempts by source.
pub(super) struct Failures {
    rate: Rate,
    counters: Vec<AtomicI64>,
    /// Keyed at random, so that nobody can choose an address that shares another one's counter.
    hasher: RandomState,
}

impl Failures {
    pub(super) fn new(per_minute: u32) -> Self {
        let counters = (0..SLOTS).map(|_| AtomicI64::new(0)).collect();
        Self { rate: Rate::per_minute(per_minute), counters, hasher: RandomState::new() }
    }

    /// Errors: `TooManyFailures` when this source may not be wrong again yet.
    pub(super) fn allowed(&self, source: Option<IpAddr>, now_us: i64) -> Result<(), Refusal> {
        self.rate.allows(self.counter(source), now_us).map_err(Refusal::TooManyFailures)
    }

    /// Counts a wrong attempt.
    pub(super) fn count(&self, source: Option<IpAddr>, now_us: i64) {
        // At the limit there is nothing more to count.
        let _full = self.rate.take(self.counter(source), now_us);
    }

    fn counter(&self, source: Option<IpAddr>) -> &AtomicI64 {
        let network = source.map(|address| match address.to_canonical() {
            IpAddr::V4(address) => address.to_bits().into(),
            // Who has one address has the whole network of 64 bits.
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        });
        let slot = usize::try_from(self.hasher.hash_one(network) % SLOTS as u64).unwrap_or_default();
        &self.counters[slot]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_one_by_one() {
        let (rate, taken) = (Rate::per_minute(60), AtomicI64::new(0));
        let began = 1_795_190_400_000_000;
        for _ in 0..60 {
            rate.take(&taken, began).unwrap();
        }
        assert_eq!(rate.take(&taken, began), Err(Duration::from_secs(1)));
        assert_eq!(rate.take(&taken, began + 999_999), Err(Duration::from_micros(1)));
        assert_eq!(rate.take(&taken, began + 1_000_000), Ok(()));
        assert!(rate.take(&taken, began + 1_000_000).is_err());
        // Set back by a day: everything is as if it had been taken just now.
        let back = began - 86_400_000_000;
        assert_eq!(rate.take(&taken, back), Err(Duration::from_secs(1)));
        assert_eq!(rate.take(&taken, back + 1_000_000), Ok(()));
    }

    #[test]
    fn sources_are_limited_apart_and_their_number_costs_nothing() {
        let failures = Failures::new(3);
        let source = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for _ in 0..10 {
            failures.count(source("2001:db8::1"), 1);
        }
        assert!(failures.allowed(source("2001:db8::1"), 1).is_err());
        assert!(failures.allowed(source("2001:db8::ffff:1"), 1).is_err(), "the same network");
        for number in 0..100_000_u32 {
            failures.count(Some(IpAddr::V4(number.into())), 1);
        }
        assert_eq!(failures.counters.len(), SLOTS);
        assert!(failures.allowed(source("2001:db8::1"), MINUTE_US).is_ok());
        let fresh = Failures::new(1);
        fresh.count(source("192.0.2.1"), 1);
        assert!(fresh.allowed(source("::ffff:192.0.2.1"), 1).is_err(), "the same address, written otherwise");
    }
}
