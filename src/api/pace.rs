//! How fast an account's requests leave: inside Stripe's limits, which hold for the whole account.
//!
//! Bulk items wait for their turn. A single call never waits, its caller does; but it counts, so that a bulk slows down.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Calls that do not wait push those that do no further away than this, however many there are.
const MOST_DEBT: Duration = Duration::from_secs(1);

/// The pace of one Stripe account; for the whole process.
#[derive(Debug)]
pub(super) struct Pace {
    places: Arc<Semaphore>,
    /// Time between two requests.
    spacing: Duration,
    /// When the next request may leave.
    next: Mutex<Instant>,
}

impl Pace {
    /// At most `at_once` bulk items at a time, and `per_second` requests in a second.
    pub(super) fn new(at_once: u32, per_second: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(usize::try_from(at_once).unwrap_or(1))),
            spacing: Duration::from_secs(1) / per_second.max(1),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for a turn. Others wait while the permit is held.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        tokio::time::sleep_until(self.reserve()).await;
        place
    }

    /// Counts a request that leaves without waiting.
    pub(super) fn count(&self) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        *next = ((*next).max(now) + self.spacing).min(now + MOST_DEBT).max(*next);
    }

    /// Takes the next turn, and says when it is.
    fn reserve(&self) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(Instant::now());
        *next = turn + self.spacing;
        turn
    }

    /// Nobody's turn comes before `wait` is over: Stripe asked to slow down.
    pub(super) fn pause(&self, wait: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_leave_evenly_and_a_pause_holds_all() {
        let pace = Pace::new(2, 100);
        // Turns to come do not depend on how long this takes.
        pace.pause(Duration::from_secs(60));
        let first = pace.reserve();
        let turns: Vec<_> = (0..3).map(|_| pace.reserve() - first).collect();
        assert_eq!(turns, [10, 20, 30].map(Duration::from_millis));
        pace.pause(Duration::from_secs(120));
        assert!(pace.reserve() - first >= Duration::from_secs(60));
    }

    #[tokio::test]
    async fn calls_that_do_not_wait_hold_up_the_others_but_not_for_long() {
        let pace = Pace::new(2, 20);
        let began = Instant::now();
        (0..10).for_each(|_| pace.count());
        assert!(pace.reserve() - began >= Duration::from_millis(500));
        (0..1_000).for_each(|_| pace.count());
        let turn = pace.reserve();
        assert!(turn <= Instant::now() + MOST_DEBT, "{:?}", turn - began);
        pace.pause(Duration::from_secs(60));
        pace.count();
        assert!(pace.reserve() - began >= Duration::from_secs(60), "a pause stays");
    }

    #[tokio::test]
    async fn so_many_at_once_and_no_more() {
        let pace = Pace::new(2, 1_000);
        let (_one, two) = (pace.turn().await, pace.turn().await);
        assert!(tokio::time::timeout(Duration::from_millis(20), pace.turn()).await.is_err());
        drop(two);
        assert!(pace.turn().await.is_some());
    }
}
