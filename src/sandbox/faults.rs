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
    outage: bool,
    latency: Duration,
}

impl<F: Clone> Faults<F> {
    /// No faults.
    pub fn none() -> Self {
        let state = State { next: VecDeque::new(), outage: false, latency: Duration::ZERO };
        Self { state: Mutex::new(state) }
    }

    /// The next `count` calls fail with `fault`, after those already asked for.
    pub fn fail_next(&self, count: usize, fault: F) {
        self.lock().next.extend(std::iter::repeat_n(fault, count));
    }

    /// Takes the fault of this call, if one was asked for.
    pub fn take(&self) -> Option<F> {
        self.lock().next.pop_front()
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
