//! How long to wait before the next attempt: a pure function of the attempt and a random number.

use std::time::Duration;

/// A wait between nothing and `base` doubled for each attempt after the first, never above `limit` ("full jitter").
///
/// `attempt` counts from 1. `random` may be any number; it decides where in the range the wait lies, so that many waiting
/// rows do not come back in one moment.
pub fn wait(attempt: u32, base: Duration, limit: Duration, random: u64) -> Duration {
    let doubled =
        base.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1).min(31)).unwrap_or(u32::MAX));
    let ceiling = u64::try_from(doubled.min(limit).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % ceiling.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_doubles_up_to_the_limit() {
        let longest = |attempt| {
            let (base, limit) = (Duration::from_secs(1), Duration::from_secs(300));
            (0..=300_000).map(|random| wait(attempt, base, limit, random)).max().unwrap().as_secs()
        };
        assert_eq!([1, 2, 3, 9, 10, 40, u32::MAX].map(longest), [1, 2, 4, 256, 300, 300, 300]);
        assert_eq!(wait(5, Duration::from_secs(1), Duration::from_secs(300), 0), Duration::ZERO);
    }
}
