//! The org itself: everything that its clones share.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use super::Options;
use super::calls::Call;
use super::fault::Fault;
use super::ids::RecordId;
use super::json::Json;
use super::login::Sessions;
use super::records::Records;
use super::schema::Schema;
use super::transaction::Locks;
use crate::sandbox::faults::Faults;

/// An org's fixed parts, and its state behind one lock that is never held while anything waits.
pub(super) struct Org {
    pub options: Options,
    pub schema: Schema,
    pub base_url: String,
    pub faults: Faults<Fault>,
    /// Faults that wait for a sign-in.
    pub sign_in_faults: Faults<Fault>,
    calls_now: AtomicUsize,
    most_calls: AtomicUsize,
    state: Mutex<State>,
}

/// A data call that is under way.
pub(super) struct UnderWay<'a>(&'a Org);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.calls_now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What changes while the org runs.
pub(super) struct State {
    pub org_id: RecordId,
    pub daily_limit: u64,
    pub records: Records,
    pub sessions: Sessions,
    pub locks: Locks,
    pub calls: VecDeque<Call>,
    pub calls_begun: u64,
    /// Code and message for records that are refused on request, by external id.
    pub refused: HashMap<String, (String, String)>,
    /// Code and message for all writes to an object, as when something about it is not set up.
    pub unfit: HashMap<String, (String, String)>,
    /// External ids that no call may carry: it shows this fault, as one does whose trigger breaks the request.
    pub breaking: Vec<(String, Fault)>,
    /// What is left of queries that had more records than one answer carries.
    pub cursors: HashMap<u64, (usize, Vec<Json>)>,
    /// Calls that count, by the hour in which they came.
    used: BTreeMap<i64, u64>,
}

/// The call log keeps this many of the newest calls.
const CALLS_KEPT: usize = 10_000;

impl Org {
    pub(super) fn new(options: Options, schema: Schema, base_url: String) -> Self {
        let state = State {
            org_id: RecordId::numbered("00D", 1),
            daily_limit: options.daily_limit,
            records: Records::none(&schema),
            sessions: Sessions::default(),
            locks: Locks::default(),
            calls: VecDeque::new(),
            calls_begun: 0,
            refused: HashMap::new(),
            unfit: HashMap::new(),
            breaking: Vec::new(),
            cursors: HashMap::new(),
            used: BTreeMap::new(),
        };
        let (faults, sign_in_faults) = (Faults::none(), Faults::none());
        let (calls_now, most_calls) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let state = Mutex::new(state);
        Self { options, schema, base_url, faults, sign_in_faults, calls_now, most_calls, state }
    }

    /// A data call is under way until what this gives is dropped.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        let now = self.calls_now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_calls.fetch_max(now, Ordering::SeqCst);
        UnderWay(self)
    }

    /// How many data calls are under way.
    pub(super) fn calls_under_way(&self) -> usize {
        self.calls_now.load(Ordering::SeqCst)
    }

    /// How many data calls were under way together at most.
    pub(super) fn most_calls(&self) -> usize {
        self.most_calls.load(Ordering::SeqCst)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        self.options.clock.now()
    }

    /// The value of the header `Sforce-Limit-Info`.
    pub(super) fn limit_info(&self) -> String {
        let state = self.state();
        format!("api-usage={}/{}", state.used(self.now()), state.daily_limit)
    }
}

impl State {
    /// How many calls counted in the last 24 hours.
    pub(super) fn used(&self, now: OffsetDateTime) -> u64 {
        self.used.range(hour(now) - 23..).map(|(_, calls)| calls).sum()
    }

    /// Counts one more call, unless the day's calls are used up.
    pub(super) fn use_call(&mut self, now: OffsetDateTime) -> bool {
        let allowed = self.used(now) < self.daily_limit;
        if allowed {
            *self.used.entry(hour(now)).or_default() += 1;
            self.used = self.used.split_off(&(hour(now) - 23));
        }
        allowed
    }

    pub(super) fn log(&mut self, call: Call) {
        if self.calls.len() == CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }
}

fn hour(at: OffsetDateTime) -> i64 {
    at.unix_timestamp().div_euclid(3_600)
}
