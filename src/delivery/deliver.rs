//! Keeps calls to one org under way: chooses what travels, sends it, and has written down what became of it.
//!
//! One call is sent at once, whatever there is; further ones beside it only when they are well filled or have waited, because
//! requests are what an org has least of. While as many as allowed are under way, the next ones are made ready.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::task::{Id, JoinError, JoinSet};

use super::batch::{self, Chosen, Packed};
use super::busy::Busy;
use super::company::Company;
use super::gather::{Gathered, Parent, Wanted, gather};
use super::lane::{Cause, Lane, Sign};
use super::owner;
use super::record::{Tally, record, settle};
use super::send::{Collections, Sent, send};
use crate::clock::{Clock, from_unix_ms, unix_ms};
use crate::config::DeliveryConfig;
use crate::crash;
use crate::metrics::{self, Metrics};
use crate::pass::State;
use crate::salesforce::{Budget, Client, Error};
use crate::store::bindings;
use crate::store::lanes::{self, Turn};
use crate::store::outbox::{self, Leased};
use crate::store::{self, Conn, Store, stops};
use crate::worker::{Bell, Next, Step};

/// How long the lane stays ours after that was written down. Another process that takes it then respects calls under way.
const HOLD: Duration = Duration::from_secs(2);
/// A call that has not been answered by then is not expected to be.
const HANGS: Duration = Duration::from_secs(30);
/// Milliseconds: if we hold the lane for longer, our clock was wrong when we took it.
const TOO_LONG_HELD: i64 = 60_000;
/// A few records that have waited so long beside a call under way are sent in one of their own.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
/// While a call is under way, news is looked at so often at most.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// While a call is under way, the outbox is looked at so often at least: another process may have added work.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// How far beyond its window the outbox is read when calls under way block what is in it.
const FARTHEST_REACH: i64 = 16;

/// Brings the records of one org to their newest state.
pub struct Delivery {
    shared: Arc<Shared>,
    running: AsyncMutex<Running>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("org", &self.shared.org).finish_non_exhaustive()
    }
}

/// What delivery is made of.
#[expect(missing_debug_implementations, reason = "it is taken apart at once")]
pub struct Parts {
    /// Name of the org in the configuration.
    pub org: String,
    /// Where the outbox is.
    pub store: Store,
    /// The way to the org.
    pub client: Arc<Client>,
    /// Its settings.
    pub config: DeliveryConfig,
    /// The objects, each after those that its records can point to.
    pub parents_first: Vec<Arc<str>>,
    /// The objects that go first when requests get scarce.
    pub money: Vec<Arc<str>>,
    /// The objects of whose records a platform event tells.
    pub notifying: Vec<Arc<str>>,
    /// The time.
    pub clock: Clock,
    /// Rings when the outbox has something new.
    pub work: Bell,
    /// Becomes true when nothing more is to be begun.
    pub stop: watch::Receiver<bool>,
    /// To be rung when a parent has to be read from Stripe.
    pub fetching: Bell,
    /// Where it counts what it does.
    pub metrics: Metrics,
}

struct Shared {
    org: String,
    store: Store,
    client: Arc<Client>,
    config: DeliveryConfig,
    parents_first: Vec<Arc<str>>,
    money: Vec<Arc<str>>,
    notifying: Vec<Arc<str>>,
    clock: Clock,
    work: Bell,
    stop: watch::Receiver<bool>,
    fetching: Bell,
    lane: Mutex<Lane>,
    /// Names this process to others.
    holder: String,
    metrics: Metrics,
    counts: Arc<metrics::Org>,
}

/// What is under way.
#[derive(Default)]
struct Running {
    tasks: JoinSet<Ended>,
    calls: HashMap<Id, Head>,
    prepared: VecDeque<Call>,
    /// Whether records may be taken for a call that is not among the prepared ones yet.
    taking: bool,
    /// How many tasks have ended while the database was waited for.
    ended_meanwhile: u64,
    busy: Busy,
    company: Company,
    reach: i64,
    held_until_ms: i64,
    /// When that was written down.
    held_since: Option<Instant>,
}

/// A call that is ready to leave.
struct Call {
    head: Head,
    collections: Collections,
}

/// What is remembered of a call while it is under way.
struct Head {
    /// Names the call and its lease.
    id: String,
    leased_at: Instant,
    leased_until_ms: i64,
    epoch: u64,
    touched: Vec<String>,
    /// Objects of which this call sees whether they were mended.
    probed: BTreeSet<String>,
    /// When it was taken, by the clock that rows are dated by.
    taken_ms: i64,
    /// Set while the org has not answered yet.
    sent_at: Option<Instant>,
}

/// What a task ends with.
enum Ended {
    Answered(Box<Sent>),
    /// Whether a parent is to be read from Stripe.
    Recorded(store::Result<bool>),
}

/// What came of choosing.
enum Composed {
    Prepared,
    /// Too little to be sent beside other calls, before it has waited so much longer.
    TooLittle(Duration),
    Nothing(Next),
    /// Something changed; look again.
    Again,
}

impl Delivery {
    /// Sends nothing before its first step.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            org,
            store,
            client,
            config,
            parents_first,
            money,
            notifying,
            clock,
            work,
            stop,
            fetching,
            metrics,
        } = parts;
        let counts = metrics.org(&org);
        let lane = Mutex::new(Lane::new(org.clone(), config.clone(), Arc::clone(&counts)));
        let holder = uuid::Uuid::now_v7().to_string();
        let shared = Shared {
            org,
            store,
            client,
            config,
            parents_first,
            money,
            notifying,
            clock,
            work,
            stop,
            fetching,
            lane,
            holder,
            metrics,
            counts,
        };
        Self { shared: Arc::new(shared), running: AsyncMutex::default() }
    }
}

impl Step for Delivery {
    fn name(&self) -> &'static str {
        "deliver"
    }

    async fn step(&self) -> Next {
        let mut running = self.running.lock().await;
        let mut rung = self.shared.work.listen();
        while let Some(ended) = running.tasks.try_join_next_with_id() {
            running.settle(&self.shared, ended);
        }
        running.keep_lane(&self.shared).await;
        let filled = running.fill(&self.shared).await;
        self.shared.show_signs().await;
        let Some((next, wait)) = filled else { return Next::Again };
        if running.calls.is_empty() {
            return next;
        }
        let mut stop = self.shared.stop.clone();
        let has_room = next != Next::Again;
        let wait = if has_room { wait } else { LOOK_ANYWAY };
        let ended = tokio::select! {
            ended = running.tasks.join_next_with_id() => ended,
            () = async { rung.heard().await; tokio::time::sleep(LOOK_AGAIN).await }, if has_room => None,
            () = tokio::time::sleep(wait) => None,
            // What is ready is given back before calls under way have used up the time that is left.
            Ok(_) = stop.wait_for(|stop| *stop) => None,
        };
        if let Some(ended) = ended {
            running.settle(&self.shared, ended);
        }
        Next::Again
    }

    async fn finish(&self) {
        let mut running = self.running.lock().await;
        running.give_back(&self.shared).await;
        while let Some(ended) = running.tasks.join_next_with_id().await {
            running.settle(&self.shared, ended);
        }
    }
}

impl Running {
    /// Starts calls as long as there is room and something to send, and makes some ready beyond that. Says when to come back
    /// should nothing be under way, [`Next::Again`] if there is no room, and when to look again should something be. Nothing
    /// when a call has ended since the outbox was read: what waited for it may go now, and others want a word between steps.
    async fn fill(&mut self, shared: &Arc<Shared>) -> Option<(Next, Duration)> {
        loop {
            if *shared.stop.borrow() {
                return None;
            }
            if let Some(not_before) = self.start_prepared(shared) {
                self.give_back(shared).await;
                return Some((not_before, LOOK_ANYWAY));
            }
            if self.prepared.front().is_some_and(|call| shared.is_outdated(call)) {
                self.give_back(shared).await;
            }
            // Calls tend to end together, and room for one is not to wait until it is made.
            let ahead = shared.calls().div_ceil(2);
            if self.prepared.len() >= ahead {
                return Some((Next::Again, LOOK_ANYWAY));
            }
            let ended_before = self.ended_meanwhile;
            let composed = self.compose(shared).await;
            self.taking = false;
            let unless_full = |next| if self.has_room(shared) { next } else { Next::Again };
            match composed {
                Err(error) => {
                    // What is too far to be read keeps nothing back that is nearer.
                    self.reach = 1;
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "changes wait: the database did not answer");
                    return Some((Next::Idle, LOOK_ANYWAY));
                }
                Ok(_) if self.ended_meanwhile != ended_before => return None,
                Ok(Composed::Prepared | Composed::Again) => {}
                Ok(Composed::TooLittle(wait)) => return Some((unless_full(Next::Idle), wait)),
                Ok(Composed::Nothing(next)) => return Some((unless_full(next), LOOK_ANYWAY)),
            }
        }
    }

    /// Lets prepared calls leave as long as there is room. Says when to come back if nothing may be sent now.
    fn start_prepared(&mut self, shared: &Arc<Shared>) -> Option<Next> {
        // Nothing is even leased while it is not known that the right org answers.
        if !shared.client.may_send() {
            return Some(Next::Idle);
        }
        if let Some(until) = shared.closed_until(self.calls.is_empty()) {
            return Some(Next::At(until));
        }
        while self.has_room(shared)
            && !*shared.stop.borrow()
            && self.prepared.front().is_some_and(|call| !shared.is_outdated(call))
            && let Some(call) = self.prepared.pop_front()
        {
            self.start(shared, call);
        }
        None
    }

    /// Whether one more call may leave.
    fn has_room(&self, shared: &Shared) -> bool {
        self.sent() < shared.calls()
    }

    /// Waits for the database. Calls that end meanwhile make room for prepared ones at once.
    async fn meanwhile<T>(&mut self, shared: &Arc<Shared>, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                Some(ended) = self.tasks.join_next_with_id() => {
                    self.ended_meanwhile += 1;
                    self.settle(shared, ended);
                    // When nothing may be sent, what is prepared is given back afterwards.
                    let _not_before = self.start_prepared(shared);
                }
            }
        }
    }

    /// Chooses what travels next and takes it.
    async fn compose(&mut self, shared: &Arc<Shared>) -> store::Result<Composed> {
        let now = shared.clock.now();
        let now_ms = unix_ms(now);
        self.busy.forget(now_ms);
        self.company.forget(now_ms);
        let (limit, epoch, held) = {
            let lane = shared.lane();
            (lane.records(), lane.epoch(), lane.held(now))
        };
        let wanted = Wanted {
            org: shared.org.clone(),
            now_ms,
            only: (shared.client.budget() == Budget::Scarce).then(|| shared.money.clone()),
            held: held.clone(),
            look_again_ms: unix_ms(now + shared.config.backoff_limit),
            reach: self.reach.max(1),
        };
        let for_reading = Arc::clone(shared);
        let gathered = shared.store.read(move |conn| gather(conn, &wanted, &for_reading.parents_first));
        let gathered = self.meanwhile(shared, gathered).await?;
        if shared.lane().held(now) != held {
            return Ok(Composed::Again);
        }
        let probed = shared.lane().probed();
        let is_probed = |sobject: &str| probed.contains(sobject);
        let notifying = |sobject: &str| shared.notifying.iter().any(|object| **object == *sobject);
        let (busy, company) = (|id: &str| self.busy.contains(id), |row| self.company.most(row));
        let chosen = batch::choose(&gathered, &busy, limit, &is_probed, &notifying, &company);
        let limit = chosen.limit;
        let too_little = chosen.ids.len() < limit / 2;
        // What is blocked fills the window: look further the next time.
        let blocked = too_little && chosen.behind_calls > limit / 2 && gathered.cut_off;
        self.reach = if blocked { (self.reach.max(1) * 2).min(FARTHEST_REACH) } else { 1 };
        // What is only being written down occupies no request.
        let alone = self.sent() == 0 && self.prepared.is_empty();
        let Chosen { ids, waits, longest_due_ms, .. } = chosen;
        let waited = longest_due_ms.map_or(0, |due_ms| now_ms - due_ms);
        let waited = Duration::from_millis(u64::try_from(waited).unwrap_or(0));
        let leaves = !too_little || alone || (self.has_room(shared) && waited >= LONG_ENOUGH);
        let ids = if leaves { ids } else { Vec::new() };
        if ids.is_empty() && waits.is_empty() {
            let next = match gathered.next_due_ms {
                Some(due_ms) => Next::At(from_unix_ms(due_ms)),
                None => Next::Idle,
            };
            let nothing = gathered.candidates.is_empty();
            let wait = LONG_ENOUGH.saturating_sub(waited).clamp(LOOK_AGAIN, LOOK_ANYWAY);
            return Ok(if nothing || alone { Composed::Nothing(next) } else { Composed::TooLittle(wait) });
        }
        let put_off = !waits.is_empty();
        let call_id = uuid::Uuid::now_v7().to_string();
        let leased_until_ms = unix_ms(now + shared.config.lease);
        let idle = self.calls.is_empty() && self.prepared.is_empty() && !self.busy.has_unheard();
        let held_until_ms = self.hold_from(shared.clock.now());
        let (in_tx, lease) = (Arc::clone(shared), call_id.clone());
        let bound = shared.client.pass().identity();
        let taken = move |conn: &mut Conn| {
            if let Some(bound) = bound
                && bindings::is_another_org(conn, &in_tx.org, &bound)?
            {
                return Ok(Taken::AnothersNow);
            }
            let turn = lanes::take(conn, &in_tx.org, &in_tx.holder, now_ms, held_until_ms)?;
            match turn {
                Turn::Theirs => return Ok(Taken::Theirs),
                Turn::TakenOver => return Ok(Taken::Over(outbox::travelling(conn, &in_tx.org, now_ms)?)),
                Turn::Ours => {}
            }
            // In the order in which merging locks them.
            outbox::lock(conn, &waits.iter().map(|wait| wait.id).collect::<Vec<_>>())?;
            for wait in &waits {
                outbox::wait_until(conn, wait.id, now_ms, wait.due_ms, &wait.reason)?;
            }
            let mut rows = outbox::lease(conn, &lease, &ids, now_ms, leased_until_ms)?;
            owner::settle(&mut rows)?;
            let (rows, touched) = as_chosen(conn, &lease, rows, &gathered)?;
            let Packed { collections, left_over } = batch::pack(rows, &in_tx.parents_first);
            let due_ms = left_over.iter().map(|row| row.due_at).min().unwrap_or(now_ms);
            let left_over: Vec<i64> = left_over.iter().map(|row| row.id).collect();
            outbox::release(conn, &lease, &left_over, due_ms)?;
            crash::at("lease_written");
            if collections.is_empty() && idle {
                lanes::release(conn, &in_tx.org, &in_tx.holder, held_until_ms)?;
            }
            Ok(Taken::Rows(collections, touched))
        };
        self.taking = true;
        let (collections, touched) = match self.meanwhile(shared, shared.store.write(taken)).await? {
            Taken::Rows(collections, touched) => (collections, touched),
            Taken::Theirs => return Ok(Composed::Nothing(Next::Idle)),
            Taken::AnothersNow => {
                // Now it is to be found out which of the two we reach.
                shared.client.pass().set(State::Unknown);
                return Ok(Composed::Nothing(Next::Idle));
            }
            Taken::Over(travelling) => {
                for (id, parents, until_ms) in travelling {
                    self.busy.add_unheard(touched(id, &parents), until_ms);
                }
                return Ok(Composed::Again);
            }
        };
        if collections.is_empty() {
            // Rows that were put off are not looked at again before they are due; others were taken by somebody else.
            return Ok(if put_off { Composed::Again } else { Composed::Nothing(Next::Idle) });
        }
        let probed: BTreeSet<String> = {
            let mut lane = shared.lane();
            let objects = collections.iter().map(|rows| rows[0].sobject.clone());
            let probed: BTreeSet<String> = objects.filter(|object| probed.contains(object)).collect();
            probed.iter().for_each(|object| lane.probe(object, from_unix_ms(leased_until_ms)));
            probed
        };
        self.busy.add(&touched);
        let (id, leased_at) = (call_id, Instant::now());
        let head =
            Head { id, leased_at, leased_until_ms, epoch, touched, probed, taken_ms: now_ms, sent_at: None };
        self.prepared.push_back(Call { head, collections });
        Ok(Composed::Prepared)
    }

    /// Until when the lane is ours if it is taken now. Never the same twice, so that letting go of one turn does not end a later
    /// one.
    fn hold_from(&mut self, now: OffsetDateTime) -> i64 {
        let until_ms = unix_ms(now + HOLD);
        let clock_was_ahead = self.held_until_ms > until_ms + TOO_LONG_HELD;
        self.held_until_ms = if clock_was_ahead { until_ms } else { until_ms.max(self.held_until_ms + 1) };
        self.held_since = Some(Instant::now());
        self.held_until_ms
    }

    /// Holds on to the lane while calls take long: whoever took it over would leave their records alone until the leases end. Calls
    /// that hang do not keep it: perhaps another process reaches the org.
    async fn keep_lane(&mut self, shared: &Arc<Shared>) {
        let may_be_answered = |call: &Head| call.sent_at.is_some_and(|sent_at| sent_at.elapsed() < HANGS);
        let is_fresh = self.held_since.is_none_or(|since| since.elapsed() < LOOK_ANYWAY);
        if is_fresh || !self.calls.values().any(may_be_answered) {
            return;
        }
        let held_until_ms = self.hold_from(shared.clock.now());
        let in_tx = Arc::clone(shared);
        let keep = move |conn: &mut Conn| lanes::keep(conn, &in_tx.org, &in_tx.holder, held_until_ms);
        if let Err(error) = self.meanwhile(shared, shared.store.write(keep)).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the lane may be taken over while calls are under way");
        }
    }

    /// How many calls the org has not answered yet.
    fn sent(&self) -> usize {
        self.calls.values().filter(|call| call.sent_at.is_some()).count()
    }

    fn start(&mut self, shared: &Arc<Shared>, call: Call) {
        let Call { mut head, collections } = call;
        head.sent_at = Some(Instant::now());
        let sender = Arc::clone(shared);
        let mut rows = collections.iter().flatten();
        let lonely =
            rows.next().is_some_and(|row| self.company.most(row.id) == Some(1)) && rows.next().is_none();
        let single_records = lonely || shared.lane().is_at_single_records();
        let task = self.tasks.spawn(async move {
            crash::at("records_leased");
            let patience = sender.config.lease / 4;
            let sent = send(&sender.client, collections, &sender.notifying, patience, single_records).await;
            crash::at("records_answered");
            Ended::Answered(Box::new(sent))
        });
        self.calls.insert(task.id(), head);
    }

    /// A task of a call ended: what it came to is taken in, and written down by another task.
    fn settle(&mut self, shared: &Arc<Shared>, ended: Result<(Id, Ended), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(head) = self.calls.remove(&id) else { return };
        match ended {
            Ok((_, Ended::Answered(sent))) => self.record(shared, head, *sent),
            Ok((_, Ended::Recorded(Ok(fetch)))) => {
                self.busy.remove(&head.touched);
                if fetch {
                    shared.fetching.ring();
                }
            }
            Ok((_, Ended::Recorded(Err(error)))) => {
                // The leases run out and the records travel again: upserts do no harm twice.
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, call = head.id, "results were not written down");
                self.lose(shared, &head);
            }
            Err(error) => {
                tracing::error!(call = head.id, %error, "a call ended badly; its records travel again");
                self.lose(shared, &head);
            }
        }
    }

    /// Nobody knows what became of the call.
    fn lose(&mut self, shared: &Shared, head: &Head) {
        self.busy.remove(&head.touched);
        self.busy.add_unheard(head.touched.iter().cloned(), head.leased_until_ms);
        let (mut lane, now) = (shared.lane(), shared.clock.now());
        head.probed.iter().for_each(|object| lane.probe_failed(object, now));
    }

    fn record(&mut self, shared: &Arc<Shared>, mut head: Head, mut sent: Sent) {
        let now = shared.clock.now();
        let took = head.sent_at.take().map_or(Duration::ZERO, |sent_at| sent_at.elapsed());
        let (error, now_ms) = (sent.error.take(), unix_ms(now));
        self.company.answered(sent.judged.iter().map(|(row, _)| row.id));
        let lost: Vec<&Leased> =
            sent.unheard.iter().chain(sent.silent.as_ref().map(|(row, _)| row)).collect();
        self.company.unheard(&lost.iter().map(|row| row.id).collect::<Vec<_>>(), now_ms);
        // A request that was split off may have left long after the records were taken.
        let over_ms = head.leased_until_ms.max(unix_ms(now + shared.config.lease / 4));
        for row in lost {
            self.busy.add_unheard(touched(row.external_id.clone(), &row.parents), over_ms);
        }
        let settled = settle(sent, &shared.config, now, || fastrand::u64(..));
        let tally = settled.tally(now);
        tracing::info!(
            org = shared.org,
            call = head.id,
            arrived = tally.delays.len(),
            retried = tally.retried + tally.waiting_for_parent,
            dead = tally.dead,
            released = tally.released,
            unheard = tally.unheard,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            outcome = error.as_ref().map_or("answered".to_owned(), Error::outline),
            "delivery attempted"
        );
        let signs = {
            let mut lane = shared.lane();
            match cause(error.as_ref()).or_else(|| settled.stop.clone()) {
                Some(cause) => lane.close(head.epoch, cause, now, fastrand::u64(..)),
                // The day's requests are no fault of the lane; the client knows when there are more.
                None if error.is_some() => {}
                None => lane.answered(head.epoch, settled.locked, &settled.works),
            }
            for (object, reason) in &settled.holds {
                lane.hold(object, reason, now, fastrand::u64(..));
            }
            let unknown =
                head.probed.iter().filter(|o| !settled.works.contains(*o) && !settled.holds.contains_key(*o));
            unknown.for_each(|object| lane.probe_failed(object, now));
            lane.take_signs()
        };
        // Who takes the lane from us later, because nobody let go of it, reads what may still be under way.
        let last =
            self.calls.is_empty() && self.prepared.is_empty() && !self.taking && !self.busy.has_unheard();
        let (writer, counting) = (Arc::clone(shared), Arc::clone(shared));
        let (lease, times, held_until_ms) = (head.id.clone(), (head.taken_ms, over_ms), self.held_until_ms);
        let task = self.tasks.spawn(async move {
            let store = writer.store.clone();
            let write = move |conn: &mut Conn| {
                let fetch = record(conn, &writer.org, &lease, times, &settled, now)?;
                show(conn, &writer.org, &signs)?;
                if last {
                    lanes::release(conn, &writer.org, &writer.holder, held_until_ms)?;
                }
                crash::at("results_written");
                Ok(fetch)
            };
            let written = store.write(write).await;
            crash::at("results_committed");
            if written.is_ok() {
                counting.count(&tally);
            }
            Ended::Recorded(written)
        });
        self.calls.insert(task.id(), head);
    }

    /// Gives the rows of calls that did not leave back, untried.
    async fn give_back(&mut self, shared: &Arc<Shared>) {
        if self.prepared.is_empty() {
            return;
        }
        let calls = std::mem::take(&mut self.prepared);
        {
            let (mut lane, now) = (shared.lane(), shared.clock.now());
            for Call { head, .. } in &calls {
                self.busy.remove(&head.touched);
                head.probed.iter().for_each(|object| lane.probe_failed(object, now));
            }
        }
        let given_back = shared.store.write(move |conn| {
            let all: Vec<i64> =
                calls.iter().flat_map(|call| call.collections.iter().flatten()).map(|row| row.id).collect();
            outbox::lock(conn, &all)?;
            for Call { head, collections } in calls {
                let due_ms = collections.iter().flatten().map(|row| row.due_at).min().unwrap_or_default();
                let ids: Vec<i64> = collections.iter().flatten().map(|row| row.id).collect();
                outbox::release(conn, &head.id, &ids, due_ms)?;
            }
            Ok(())
        });
        if let Err(error) = given_back.await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "records that did not leave wait until their lease ends");
        }
    }
}

/// What taking the chosen rows came to.
enum Taken {
    Rows(Collections, Vec<String>),
    Theirs,
    /// The name was bound to another org than the one we send to.
    AnothersNow,
    /// Calls that may be under way: external ids, parents, until when.
    Over(Vec<(String, String, i64)>),
}

/// The rows whose parents are still those that were considered, and all records that they touch. Others are given back.
fn as_chosen(
    conn: &mut Conn,
    lease: &str,
    rows: Vec<Leased>,
    gathered: &Gathered,
) -> store::Result<(Vec<Leased>, Vec<String>)> {
    let known: HashMap<i64, _> = gathered.candidates.iter().map(|one| (one.due.id, one)).collect();
    let as_known = |row: &Leased| known.get(&row.id).is_some_and(|one| one.due.parents == row.parents);
    let (rows, changed): (Vec<_>, Vec<_>) = rows.into_iter().partition(as_known);
    for row in changed {
        outbox::release(conn, lease, &[row.id], row.due_at)?;
    }
    let mut touched = BTreeSet::new();
    for row in &rows {
        touched.insert(row.external_id.clone());
        let parents = known.get(&row.id).map(|one| &one.parents);
        touched.extend(parents.into_iter().flatten().map(|parent| parent.id.clone()));
    }
    Ok((rows, touched.into_iter().collect()))
}

/// The records that a call with this one touches because of it.
fn touched(external_id: String, parents: &str) -> impl Iterator<Item = String> {
    let parents: Vec<Parent> = serde_json::from_str(parents).unwrap_or_default();
    parents.into_iter().map(|parent| parent.id).chain([external_id])
}

impl Shared {
    fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls may be under way at the same time.
    fn calls(&self) -> usize {
        if self.client.budget() == Budget::Ask { 1 } else { self.lane().calls() }
    }

    /// Whether a call was made ready too long ago, or before others failed.
    fn is_outdated(&self, call: &Call) -> bool {
        call.head.leased_at.elapsed() >= self.config.lease / 8 || call.head.epoch != self.lane().epoch()
    }

    /// Whether nothing may be sent now, and until when.
    fn closed_until(&self, idle: bool) -> Option<OffsetDateTime> {
        let (mut lane, now) = (self.lane(), self.clock.now());
        match self.client.budget() {
            Budget::Spent { until } => {
                if idle {
                    lane.pause(until, "our share of the org's daily requests is used up", now);
                }
                return Some(until);
            }
            Budget::Free | Budget::Scarce => lane.resume(),
            Budget::Ask => {}
        }
        lane.closed_until(now)
    }

    fn count(&self, tally: &Tally) {
        let count = |counted: usize| u64::try_from(counted).unwrap_or(u64::MAX);
        self.counts.delivered.inc_by(count(tally.delays.len()));
        self.counts.retried.inc_by(count(tally.retried));
        self.counts.waiting_for_parent.inc_by(count(tally.waiting_for_parent));
        self.metrics.dead_letters.with_label_values(&["record"]).inc_by(count(tally.dead));
        tally.delays.iter().for_each(|delay| self.counts.delay.took(*delay));
    }

    /// Shows operators what keeps records from being sent.
    async fn show_signs(&self) {
        let signs = self.lane().take_signs();
        if signs.is_empty() {
            return;
        }
        let org = self.org.clone();
        if let Err(error) = self.store.write(move |conn| show(conn, &org, &signs)).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the state of delivery was not written down"
            );
        }
    }
}

fn show(conn: &mut Conn, org: &str, signs: &[Sign]) -> store::Result<()> {
    for sign in signs {
        match sign {
            Sign::Put(stop) => stops::put(conn, stop)?,
            Sign::Works(objects) => stops::end(conn, org, objects)?,
        }
    }
    Ok(())
}

/// What an error of a call says about the lane; nothing when the day's requests are used up.
fn cause(error: Option<&Error>) -> Option<Cause> {
    let error = error?;
    let retry_after = match error {
        Error::Exhausted { .. } => return None,
        Error::RateLimited { retry_after, .. } => *retry_after,
        _ => None,
    };
    let may_be_ours = matches!(error, Error::Unreachable(_) | Error::Unheard(_) | Error::Unreadable(_));
    let (reason, needs_person) = (error.to_string(), !error.is_retryable());
    Some(Cause { reason, needs_person, may_be_ours, retry_after })
}
