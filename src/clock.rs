//! The time, as every part reads it: from a [`Clock`] that is handed in, so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;

/// Where the time comes from. Clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Milliseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: OffsetDateTime) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(unix_ms(start)))))
    }

    /// The time now, UTC, in whole milliseconds.
    pub fn now(&self) -> OffsetDateTime {
        match &self.0 {
            Source::System => from_unix_ms(unix_ms(OffsetDateTime::now_utc())),
            Source::Manual(ms) => from_unix_ms(ms.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; the machine's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(ms) = &self.0 {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            ms.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// Milliseconds since 1970, as times are stored.
pub fn unix_ms(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// The time that [`unix_ms`] stands for; a value outside the calendar becomes its nearest end.
pub fn from_unix_ms(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).unwrap_or(if ms < 0 {
        time::PrimitiveDateTime::MIN.assume_utc()
    } else {
        time::PrimitiveDateTime::MAX.assume_utc()
    })
}
