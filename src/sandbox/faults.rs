//! Faults that a person or a test asks a stand-in for, by name.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

/// The faults one stand-in will show: a queue for single calls, and lasting ones.
#[derive(Debug)]
pub struct Faults<F> {
    state: Mutex<State<F>>,
}

#[derive(Debug)]
struct State<F> {
    next: VecDeque<F>,
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
        let state = State { next: VecDeque::new(), by_chance: None, outage: false, latency: Duration::ZERO };
        Self { state: Mutex::new(state) }
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

    /// Takes the fault of this call: one that was asked for, or one that comes by chance.
    pub fn take(&self) -> Option<F> {
        let mut state = self.lock();
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

    /// How long an answer waits.
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
            (0..10_000).map(|_| faults.take()).collect::<Vec<_>>()
        };
        for fault in ['a', 'b', 'c'] {
            let times = shown(1).into_iter().filter(|shown| *shown == Some(fault)).count();
            assert!((400..600).contains(&times), "{fault}: {times} of 10,000");
        }
        assert_eq!(shown(1), shown(1));
        assert_ne!(shown(1), shown(2));
        let faults = Faults::none();
        faults.at_random(1, 0, vec!['a']);
        assert!((0..100).all(|_| faults.take().is_none()));
    }
}
