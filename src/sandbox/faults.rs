//! Faults that a person or a test asks a stand-in for, by name.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// The faults one stand-in will show: a queue for single calls, and lasting ones.
#[derive(Debug)]
pub struct Faults<F> {
    state: Mutex<State<F>>,
    held: watch::Sender<Option<Held>>,
    /// How many calls have been held.
    came: AtomicUsize,
}

/// Which calls are not answered, but for the first so many.
#[derive(Clone, Copy, Debug)]
struct Held {
    which: Which,
    but: usize,
}

/// Says of a call, by its method and path, whether it is meant.
type Which = fn(&str) -> bool;

#[derive(Debug)]
struct State<F> {
    next: VecDeque<F>,
    /// No call shows a fault before one that this is true of.
    begin_at: Option<Which>,
    by_chance: Option<Chance<F>>,
    outage: bool,
    latency: Duration,
}

/// Faults that come by chance.
#[derive(Debug)]
struct Chance<F> {
    random: fastrand::Rng,
    percent: usize,
    faults: Vec<F>,
}

impl<F: Clone> Faults<F> {
    /// No faults.
    pub fn none() -> Self {
        let state = State {
            next: VecDeque::new(),
            begin_at: None,
            by_chance: None,
            outage: false,
            latency: Duration::ZERO,
        };
        Self { state: Mutex::new(state), held: watch::Sender::new(None), came: AtomicUsize::new(0) }
    }

    /// The next `count` calls fail with `fault`, after those already asked for.
    pub fn fail_next(&self, count: usize, fault: F) {
        self.lock().next.extend(std::iter::repeat_n(fault, count));
    }

    /// From now on each of `faults` comes in `percent` of the calls, by chance; together in no more than all of them. With
    /// the same seed, the same calls in the same order meet the same faults.
    pub fn at_random(&self, seed: u64, percent: usize, faults: Vec<F>) {
        let random = fastrand::Rng::with_seed(seed);
        self.lock().by_chance = Some(Chance { random, percent, faults });
    }

    /// From now on every call fails with `fault`.
    pub fn fail_all(&self, fault: F) {
        self.at_random(0, 100, vec![fault]);
    }

    /// Faults that were asked for wait until a call comes that `begins` is true of: method and path, `GET /v1/account`.
    pub fn begin_at(&self, begins: fn(&str) -> bool) {
        self.lock().begin_at = Some(begins);
    }

    /// Forgets what was asked for, also what comes by chance. An outage, the latency and held calls stay.
    pub fn forget(&self) {
        let mut state = self.lock();
        state.next.clear();
        (state.begin_at, state.by_chance) = (None, None);
    }

    /// How many faults were asked for that no call has shown yet.
    pub fn waiting(&self) -> usize {
        self.lock().next.len()
    }

    /// Takes the fault of this call, method and path: one that was asked for, or one that comes by chance.
    pub fn take(&self, call: &str) -> Option<F> {
        let mut state = self.lock();
        if state.begin_at.is_some_and(|begins| !begins(call)) {
            return None;
        }
        state.begin_at = None;
        if let Some(fault) = state.next.pop_front() {
            return Some(fault);
        }
        let Chance { random, percent, faults } = state.by_chance.as_mut()?;
        faults.get(random.usize(..100).checked_div(*percent)?).cloned()
    }

    /// Switches the lasting outage on or off: every call is answered 503 while it lasts.
    pub fn set_outage(&self, on: bool) {
        self.lock().outage = on;
    }

    /// Whether the stand-in plays dead.
    pub fn outage(&self) -> bool {
        self.lock().outage
    }

    /// Every answer waits this long from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Calls that `which` is true of, method and path, wait for their answers until [`Self::let_go`]. Not to be called again before
    /// those are gone.
    pub fn hold(&self, which: fn(&str) -> bool) {
        self.came.store(0, Ordering::SeqCst);
        self.held.send_replace(Some(Held { which, but: 0 }));
    }

    /// Answers the first so many calls that were held, or will be.
    pub fn let_go_of(&self, calls: usize) {
        self.held.send_modify(|held| held.iter_mut().for_each(|held| held.but = calls));
    }

    /// Answers all calls that were held.
    pub fn let_go(&self) {
        self.held.send_replace(None);
    }

    /// Waits as long as the answer of this call, method and path, is to wait.
    pub async fn wait(&self, call: &str) {
        let latency = self.latency();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let mut held = self.held.subscribe();
        if !held.borrow().is_some_and(|held| (held.which)(call)) {
            return;
        }
        let before = self.came.fetch_add(1, Ordering::SeqCst);
        // It fails only when there is nobody left to let go.
        drop(held.wait_for(|held| held.is_none_or(|held| before < held.but)).await);
    }

    /// How long an answer waits at least.
    pub fn latency(&self) -> Duration {
        self.lock().latency
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Faults;

    #[test]
    fn by_chance_each_fault_comes_in_its_share_of_the_calls() {
        let shown = |seed| {
            let faults = Faults::none();
            faults.at_random(seed, 5, vec!['a', 'b', 'c']);
            (0..10_000).map(|_| faults.take("")).collect::<Vec<_>>()
        };
        for fault in ['a', 'b', 'c'] {
            let times = shown(1).into_iter().filter(|shown| *shown == Some(fault)).count();
            assert!((400..600).contains(&times), "{fault}: {times} of 10,000");
        }
        assert_eq!(shown(1), shown(1));
        assert_ne!(shown(1), shown(2));
        let faults = Faults::none();
        faults.at_random(1, 0, vec!['a']);
        assert!((0..100).all(|_| faults.take("").is_none()));
    }

    #[tokio::test]
    async fn held_calls_are_let_go_of_in_the_order_in_which_they_came() {
        let faults = Faults::<()>::none();
        faults.hold(|call| call == "POST /here");
        faults.wait("POST /there").await;
        let (first, second) = (faults.wait("POST /here"), faults.wait("POST /here"));
        tokio::pin!(first, second);
        tokio::select! {
            biased;
            () = &mut first => panic!("it was not held"),
            () = &mut second => panic!("it was not held"),
            () = std::future::ready(()) => faults.let_go_of(1),
        }
        tokio::select! {
            biased;
            () = &mut second => panic!("it came later"),
            () = &mut first => faults.let_go(),
        }
        second.await;
        faults.wait("POST /here").await;
    }

    #[test]
    fn a_fault_begins_with_the_call_it_waits_for_and_is_forgotten() {
        let faults = Faults::none();
        faults.fail_next(1, 'a');
        faults.begin_at(|call| call == "GET /there");
        assert_eq!((faults.take("GET /here"), faults.waiting()), (None, 1));
        assert_eq!((faults.take("GET /there"), faults.waiting()), (Some('a'), 0));
        faults.fail_all('b');
        faults.begin_at(|call| call == "GET /there");
        let shown = ["GET /here", "GET /there", "GET /here"].map(|call| faults.take(call));
        assert_eq!(shown, [None, Some('b'), Some('b')]);
        faults.forget();
        assert_eq!(faults.take("GET /there"), None);
    }
}
