//! The calls to one org: what is known of them while they are ready or under way, and what is done when they end.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::task::{Id, JoinError, JoinSet};

use super::busy::Busy;
use super::company::Company;
use super::gather::Parent;
use super::record::{record, settle};
use super::send::{Collections, Sent, send};
use super::shared::{Shared, cause, show};
use crate::clock::unix_ms;
use crate::crash;
use crate::salesforce::Error;
use crate::store::lanes;
use crate::store::outbox::{self, Leased};
use crate::store::{self, Conn};
use crate::worker::Next;

/// How long the lane stays ours after that was written down. Another process that takes it then respects calls under way.
const HOLD: Duration = Duration::from_secs(2);
/// A call that has not been answered by then is not expected to be.
const HANGS: Duration = Duration::from_secs(30);
/// Milliseconds: if we hold the lane for longer, our clock was wrong when we took it.
const TOO_LONG_HELD: i64 = 60_000;
/// While calls are under way, it is written down so often that the lane is ours; steps are a second apart at most.
const HELD_ANEW: Duration = Duration::from_secs(1);

/// What is under way, and what will be next.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) tasks: JoinSet<Ended>,
    /// Until their results are written down.
    pub(super) under_way: HashMap<Id, Head>,
    pub(super) prepared: VecDeque<Call>,
    /// Whether records may be taken for a call that is not among the prepared ones yet.
    pub(super) taking: bool,
    /// How many tasks have ended while the database was waited for.
    pub(super) ended_meanwhile: u64,
    pub(super) busy: Busy,
    pub(super) company: Company,
    /// How far the outbox is read.
    pub(super) reach: i64,
    pub(super) hold: Hold,
}

/// Our hold on the lane.
#[derive(Default)]
pub(super) struct Hold {
    pub(super) until_ms: i64,
    /// When that was written down.
    since: Option<Instant>,
}

/// A call that is ready to leave.
pub(super) struct Call {
    pub(super) head: Head,
    pub(super) collections: Collections,
}

/// What is remembered of a call while it is under way.
pub(super) struct Head {
    /// Names the call and its lease.
    pub(super) id: String,
    pub(super) leased_at: Instant,
    pub(super) leased_until_ms: i64,
    pub(super) epoch: u64,
    pub(super) touched: Vec<String>,
    /// Objects of which this call sees whether they were mended.
    pub(super) probed: BTreeSet<String>,
    /// When it was taken, by the clock that rows are dated by.
    pub(super) taken_ms: i64,
    /// Set while the org has not answered yet.
    pub(super) sent_at: Option<Instant>,
}

/// What a task ends with.
pub(super) enum Ended {
    Answered(Box<Sent>),
    /// Whether a parent is to be read from Stripe.
    Recorded(store::Result<bool>),
}

impl Hold {
    /// Until when the lane is ours if it is taken now. Never the same twice, so that letting go of one turn does not end a later
    /// one.
    pub(super) fn from(&mut self, now: OffsetDateTime) -> i64 {
        let until_ms = unix_ms(now + HOLD);
        let clock_was_ahead = self.until_ms > until_ms + TOO_LONG_HELD;
        self.until_ms = if clock_was_ahead { until_ms } else { until_ms.max(self.until_ms + 1) };
        self.since = Some(Instant::now());
        self.until_ms
    }

    fn is_fresh(&self) -> bool {
        self.since.is_none_or(|since| since.elapsed() < HELD_ANEW)
    }
}

impl Calls {
    /// Lets prepared calls leave as long as there is room. Says when to come back if nothing may be sent now.
    pub(super) fn start_prepared(&mut self, shared: &Arc<Shared>) -> Option<Next> {
        // Nothing is even leased while it is not known that the right org answers.
        if !shared.parts.client.may_send() {
            return Some(Next::Idle);
        }
        if let Some(until) = shared.closed_until(self.under_way.is_empty()) {
            return Some(Next::At(until));
        }
        while self.has_room(shared)
            && !*shared.parts.stop.borrow()
            && self.prepared.front().is_some_and(|call| !shared.is_outdated(call))
            && let Some(call) = self.prepared.pop_front()
        {
            self.start(shared, call);
        }
        None
    }

    /// Whether one more call may leave.
    pub(super) fn has_room(&self, shared: &Shared) -> bool {
        self.sent() < shared.most_calls()
    }

    /// Waits for the database. Calls that end meanwhile make room for prepared ones at once.
    pub(super) async fn meanwhile<T>(&mut self, shared: &Arc<Shared>, work: impl Future<Output = T>) -> T {
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

    /// Holds on to the lane while calls take long: whoever took it over would leave their records alone until the leases end. Calls
    /// that hang do not keep it: perhaps another process reaches the org.
    pub(super) async fn keep_lane(&mut self, shared: &Arc<Shared>) {
        let may_be_answered = |call: &Head| call.sent_at.is_some_and(|sent_at| sent_at.elapsed() < HANGS);
        if self.hold.is_fresh() || !self.under_way.values().any(may_be_answered) {
            return;
        }
        let held_until_ms = self.hold.from(shared.parts.clock.now());
        let in_tx = Arc::clone(shared);
        let keep = move |conn: &mut Conn| lanes::keep(conn, &in_tx.parts.org, &in_tx.holder, held_until_ms);
        if let Err(error) = self.meanwhile(shared, shared.parts.store.write(keep)).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the lane may be taken over while calls are under way");
        }
    }

    /// How many calls the org has not answered yet.
    pub(super) fn sent(&self) -> usize {
        self.under_way.values().filter(|call| call.sent_at.is_some()).count()
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
            let patience = sender.parts.config.lease / 4;
            let sent =
                send(&sender.parts.client, collections, &sender.parts.notifying, patience, single_records)
                    .await;
            crash::at("records_answered");
            Ended::Answered(Box::new(sent))
        });
        self.under_way.insert(task.id(), head);
    }

    /// A task of a call ended: what it came to is taken in, and written down by another task.
    pub(super) fn settle(&mut self, shared: &Arc<Shared>, ended: Result<(Id, Ended), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(head) = self.under_way.remove(&id) else { return };
        match ended {
            Ok((_, Ended::Answered(sent))) => self.record(shared, head, *sent),
            Ok((_, Ended::Recorded(Ok(fetch)))) => {
                self.busy.remove(&head.touched);
                if fetch {
                    shared.parts.fetching.ring();
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
        let (mut lane, now) = (shared.lane(), shared.parts.clock.now());
        head.probed.iter().for_each(|object| lane.probe_failed(object, now));
    }

    fn record(&mut self, shared: &Arc<Shared>, mut head: Head, mut sent: Sent) {
        let now = shared.parts.clock.now();
        let took = head.sent_at.take().map_or(Duration::ZERO, |sent_at| sent_at.elapsed());
        let (error, now_ms) = (sent.error.take(), unix_ms(now));
        self.company.answered(sent.judged.iter().map(|(row, _)| row.id));
        let lost: Vec<&Leased> =
            sent.unheard.iter().chain(sent.silent.as_ref().map(|(row, _)| row)).collect();
        self.company.unheard(&lost.iter().map(|row| row.id).collect::<Vec<_>>(), now_ms);
        // A request that was split off may have left long after the records were taken.
        let over_ms = head.leased_until_ms.max(unix_ms(now + shared.parts.config.lease / 4));
        for row in lost {
            self.busy.add_unheard(touched(row.external_id.clone(), &row.parents), over_ms);
        }
        let settled = settle(sent, &shared.parts.config, now, || fastrand::u64(..));
        let tally = settled.tally(now);
        tracing::info!(
            org = shared.parts.org,
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
            self.under_way.is_empty() && self.prepared.is_empty() && !self.taking && !self.busy.has_unheard();
        let (writer, counting) = (Arc::clone(shared), Arc::clone(shared));
        let (lease, times, held_until_ms) = (head.id.clone(), (head.taken_ms, over_ms), self.hold.until_ms);
        let task = self.tasks.spawn(async move {
            let store = writer.parts.store.clone();
            let write = move |conn: &mut Conn| {
                let fetch = record(conn, &writer.parts.org, &lease, times, &settled, now)?;
                show(conn, &writer.parts.org, &signs)?;
                if last {
                    lanes::release(conn, &writer.parts.org, &writer.holder, held_until_ms)?;
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
        self.under_way.insert(task.id(), head);
    }

    /// Gives the rows of calls that did not leave back, untried.
    pub(super) async fn give_back(&mut self, shared: &Arc<Shared>) {
        if self.prepared.is_empty() {
            return;
        }
        let calls = std::mem::take(&mut self.prepared);
        {
            let (mut lane, now) = (shared.lane(), shared.parts.clock.now());
            for Call { head, .. } in &calls {
                self.busy.remove(&head.touched);
                head.probed.iter().for_each(|object| lane.probe_failed(object, now));
            }
        }
        let given_back = shared.parts.store.write(move |conn| {
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

/// The records that a call with this one touches because of it.
pub(super) fn touched(external_id: String, parents: &str) -> impl Iterator<Item = String> {
    let parents: Vec<Parent> = serde_json::from_str(parents).unwrap_or_default();
    parents.into_iter().map(|parent| parent.id).chain([external_id])
}
