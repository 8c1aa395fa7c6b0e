//! One batch → Salesforce → a verdict for each change → the outbox.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use time::OffsetDateTime;

use super::batch::{self, Packed};
use super::verdict::{Verdict, judge};
use crate::backoff;
use crate::clock::{Clock, unix_ms};
use crate::config::DeliveryConfig;
use crate::metrics::{self, Metrics};
use crate::salesforce::{Client, Collection, Error, Outcome, Record};
use crate::store::attempts::{self, Ended, NewAttempt};
use crate::store::fetches::{self, Wanted};
use crate::store::outbox::{self, Arrived, Leased};
use crate::store::{self, Conn, Store};
use crate::worker::{Bell, Next, Step};

/// Brings the records of one org to their newest state.
#[derive(Debug)]
pub struct Delivery {
    org: String,
    store: Store,
    client: Client,
    config: DeliveryConfig,
    /// The objects, each after those that its records can point to.
    parents_first: Vec<Arc<str>>,
    clock: Clock,
    fetching: Bell,
    lane: Mutex<Lane>,
    metrics: Metrics,
    counts: Arc<metrics::Org>,
}

/// Whether the org takes anything at all.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// Calls that failed as a whole, one after the other.
    failures: u32,
    /// Calls carry half as many records for each; grows with failures, goes back with successes.
    halvings: u32,
    /// A person was told.
    alerted: bool,
    /// Nothing is sent before.
    closed_until: Option<OffsetDateTime>,
}

/// After so many halvings a call of a thousand records carries one.
const LAST_HALVING: u32 = 10;

/// A row with what became of it.
type Judged = (Leased, Outcome);

#[derive(Deserialize)]
struct ParentOf {
    object: String,
    id: String,
}

impl Delivery {
    /// `parents_first` names the objects, each after those that its records can point to; `fetching` rings when a
    /// parent has to be read from Stripe.
    pub fn new(
        org: String,
        store: Store,
        client: Client,
        config: DeliveryConfig,
        parents_first: Vec<Arc<str>>,
        clock: Clock,
        fetching: Bell,
    ) -> Self {
        let (lane, metrics) = (Mutex::default(), Metrics::default());
        let counts = metrics.org(&org);
        Self { org, store, client, config, parents_first, clock, fetching, lane, metrics, counts }
    }

    /// Counts what it does there.
    pub fn counted_in(self, metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone(), counts: metrics.org(&self.org), ..self }
    }

    async fn lease(&self, lease: &str) -> store::Result<Vec<Leased>> {
        let now_ms = unix_ms(self.clock.now());
        let until_ms = unix_ms(self.clock.now() + self.config.lease);
        let (org, lease) = (self.org.clone(), lease.to_owned());
        let limit = i64::try_from(batch::CALL_LIMIT >> self.lane().halvings).unwrap_or(1).max(1);
        self.store.write(move |conn| outbox::lease(conn, &org, &lease, now_ms, until_ms, limit)).await
    }

    /// Sends what fits into one call. A request that is refused as a whole is split until the culprit is alone, or until the
    /// lease might end during a call, or the day's share is used up: the rest is sent another time.
    async fn send(&self, collections: Vec<Vec<Leased>>) -> (Vec<Judged>, Vec<Leased>, Option<Error>) {
        let began = Instant::now();
        let (mut judged, mut unsent) = (Vec::new(), Vec::new());
        let mut stack = vec![collections];
        while let Some(call) = stack.pop() {
            if !judged.is_empty()
                && (began.elapsed() > self.config.lease / 4 || self.client.budget_is_spent())
            {
                unsent.extend(call.into_iter().flatten());
                continue;
            }
            match self.client.upsert(&as_collections(&call)).await {
                Ok(outcomes) => judged.extend(call.into_iter().flatten().zip(outcomes.into_iter().flatten())),
                Err(Error::Rejected { status, code, message }) if speaks_of_records(&code) => {
                    match split(call) {
                        Split::Halves(first, second) => stack.extend([second, first]),
                        Split::Alone(row) => {
                            let message = format!("the request was refused with {status}: {message}");
                            judged.push((row, refused(code, message)));
                        }
                    }
                }
                Err(error) if self.is_the_records_fault(&call, &error).await => {
                    let message = format!("the org answers, but not when this record is sent: {error}");
                    let code = "NO_ANSWER".to_owned();
                    let row = call.into_iter().flatten();
                    judged.extend(row.map(|row| (row, refused(code.clone(), message.clone()))));
                }
                Err(error) => {
                    unsent.extend(call.into_iter().flatten());
                    unsent.extend(stack.drain(..).flatten().flatten());
                    return (judged, unsent, Some(error));
                }
            }
        }
        (judged, unsent, None)
    }

    /// Whether a call of one record, the last halving, failed although the org is there.
    async fn is_the_records_fault(&self, call: &[Vec<Leased>], error: &Error) -> bool {
        let alone = call.iter().map(Vec::len).sum::<usize>() == 1 && self.lane().halvings >= LAST_HALVING;
        alone
            && matches!(error, Error::Unreachable(_) | Error::Unreadable(_))
            && self.client.check_limits().await.is_ok()
    }

    fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the lane for a while. A fault that only a person can mend is an error, said once; others are warnings.
    fn close_lane(
        &self,
        reason: &str,
        needs_a_person: bool,
        retry_after: Option<Duration>,
    ) -> OffsetDateTime {
        let mut lane = self.lane();
        lane.failures += 1;
        if lane.failures > 2 {
            lane.halvings = (lane.halvings + 1).min(LAST_HALVING);
        }
        let jittered =
            backoff::wait(lane.failures, self.config.backoff, self.config.backoff_limit, fastrand::u64(..));
        let until =
            self.clock.now() + jittered.max(retry_after.unwrap_or(Duration::ZERO)) + Duration::from_millis(1);
        lane.closed_until = Some(until);
        self.counts.lane_closed(until, reason, needs_a_person);
        let (org, failures) = (self.org.as_str(), lane.failures);
        if needs_a_person && !lane.alerted {
            lane.alerted = true;
            tracing::error!(org, %until, "delivery stopped until somebody mends this; nothing is lost: {reason}");
        } else {
            tracing::warn!(org, failures, %until, "delivery waits; nothing is lost: {reason}");
        }
        until
    }

    fn open_lane(&self) {
        let mut lane = self.lane();
        if lane.failures > 0 {
            tracing::info!(org = self.org, "delivery goes on");
            self.counts.lane_opened();
        }
        *lane = Lane { halvings: lane.halvings.saturating_sub(1), ..Lane::default() };
    }

    fn closed_until(&self) -> Option<OffsetDateTime> {
        self.lane().closed_until.filter(|until| *until > self.clock.now())
    }

    /// Writes the verdicts down. Gives whether a parent has to be read, and why the lane must stop, if it must.
    async fn record(
        &self,
        lease: &str,
        judged: Vec<Judged>,
        unsent: Vec<Leased>,
    ) -> store::Result<(bool, Option<String>)> {
        let now = self.clock.now();
        let (org, lease, config) = (self.org.clone(), lease.to_owned(), self.config.clone());
        let written =
            self.store.write(move |conn| record(conn, &org, &lease, &judged, &unsent, &config, now)).await?;
        self.count(&written.tally);
        Ok((written.fetch, written.stop))
    }

    fn count(&self, tally: &Tally) {
        let count = |counted: usize| u64::try_from(counted).unwrap_or(u64::MAX);
        self.counts.delivered.inc_by(count(tally.delays.len()));
        self.counts.retried.inc_by(count(tally.retried));
        self.counts.waiting_for_parent.inc_by(count(tally.waiting_for_parent));
        self.metrics.dead_letters.with_label_values(&["record"]).inc_by(count(tally.dead));
        tally.delays.iter().for_each(|delay| self.counts.delay.took(*delay));
    }

    async fn next_due(&self) -> Next {
        let org = self.org.clone();
        match self.store.read(move |conn| outbox::next_due(conn, &org)).await {
            Ok(Some(due_ms)) => Next::At(crate::clock::from_unix_ms(due_ms)),
            Ok(None) | Err(_) => Next::Idle,
        }
    }
}

impl Step for Delivery {
    fn name(&self) -> &'static str {
        "deliver"
    }

    async fn step(&self) -> Next {
        if let Some(until) = self.closed_until() {
            return Next::At(until);
        }
        if self.client.budget_is_spent() {
            // One call to see whether the rolling day has moved on.
            let checked = self.client.check_limits().await;
            if checked.is_err() || self.client.budget_is_spent() {
                return Next::At(self.close_lane(
                    "our share of the org's daily requests is used up",
                    false,
                    None,
                ));
            }
        }
        let lease = uuid::Uuid::now_v7().to_string();
        let rows = match self.lease(&lease).await {
            Ok(rows) if rows.is_empty() => return self.next_due().await,
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "changes wait: the database did not answer"
                );
                return Next::Idle;
            }
        };
        let started = Instant::now();
        let Packed { collections, left_over } = batch::pack(rows, &self.parents_first);
        let (judged, mut unsent, error) = self.send(collections).await;
        let (sent, waiting) = (judged.len(), unsent.len());
        unsent.extend(left_over);
        let recorded = self.record(&lease, judged, unsent).await;
        tracing::info!(
            org = self.org,
            records = sent,
            unsent = waiting,
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            outcome = error.as_ref().map_or("answered".to_owned(), ToString::to_string),
            "delivery attempted"
        );
        let stop = match recorded {
            Ok((fetch, stop)) => {
                if fetch {
                    self.fetching.ring();
                }
                stop
            }
            Err(error) => {
                // The leases run out and the records travel again: upserts do no harm twice.
                tracing::warn!(error = &error as &dyn std::error::Error, "results were not written down");
                None
            }
        };
        match (error, stop) {
            (Some(error), _) => {
                let retry_after = match &error {
                    Error::RateLimited { retry_after, .. } => *retry_after,
                    _ => None,
                };
                Next::At(self.close_lane(&error.to_string(), !error.is_retryable(), retry_after))
            }
            (None, Some(reason)) => Next::At(self.close_lane(&reason, true, None)),
            (None, None) => {
                self.open_lane();
                Next::Again
            }
        }
    }
}

/// What was written down of one call.
struct Written {
    /// A parent has to be read from Stripe.
    fetch: bool,
    /// Why the lane must stop, if it must.
    stop: Option<String>,
    tally: Tally,
}

/// What became of the records of one call, for those who count.
#[derive(Default)]
struct Tally {
    /// Of each record that arrived, how long it had been due.
    delays: Vec<Duration>,
    retried: usize,
    waiting_for_parent: usize,
    dead: usize,
}

fn record(
    conn: &mut Conn,
    org: &str,
    lease: &str,
    judged: &[Judged],
    unsent: &[Leased],
    config: &DeliveryConfig,
    now: OffsetDateTime,
) -> store::Result<Written> {
    let now_ms = unix_ms(now);
    let mut tally = Tally::default();
    let ids: Vec<i64> = judged.iter().map(|(row, _)| row).chain(unsent).map(|row| row.id).collect();
    outbox::lock(conn, &ids)?;
    let (mut arrived, mut released, mut orphans, mut stop) = (Vec::new(), Vec::new(), Vec::new(), None);
    for (row, outcome) in judged {
        let (code, message) = match outcome {
            Outcome::Accepted { record_id, .. } => {
                let (record_id, event_id) = (record_id.clone(), row.event_id.clone());
                arrived.push(Arrived { id: row.id, record_id, event_id });
                tally.delays.push(Duration::from_millis(u64::try_from(now_ms - row.due_at).unwrap_or(0)));
                continue;
            }
            Outcome::Refused { code, message, fields } if fields.is_empty() => (code, message.clone()),
            Outcome::Refused { code, message, fields } => {
                (code, format!("{message} [{}]", fields.join(", ")))
            }
        };
        let reason = format!("{code}: {message}");
        let note = |conn: &mut Conn, ended: Ended| {
            let sent = (ended == Ended::Dead).then_some(row.fields.as_str());
            let (call_id, attempt, mapping_version) = (lease, row.attempts, row.mapping_version.as_str());
            let (outbox_id, message) = (row.id, message.as_str());
            let at = now_ms;
            attempts::record(
                conn,
                &NewAttempt { outbox_id, at, call_id, attempt, ended, code, message, sent, mapping_version },
            )
        };
        let attempts = u32::try_from(row.attempts).unwrap_or(1);
        let wait = backoff::wait(attempts, config.backoff, config.backoff_limit, fastrand::u64(..));
        let due_ms = unix_ms(now + wait) + 1;
        let waiting_since = row.waiting_since.unwrap_or(now_ms);
        let patient =
            now_ms - waiting_since < i64::try_from(config.parent_wait.as_millis()).unwrap_or(i64::MAX);
        match judge(outcome) {
            Verdict::Retry if attempts < config.max_attempts => {
                outbox::retry_at(conn, lease, row.id, due_ms, None, &reason)?;
                note(conn, Ended::Retry)?;
                tally.retried += 1;
            }
            Verdict::WaitForParent if patient => {
                // The longer it has waited, the longer it may wait on.
                let waited = Duration::from_millis(u64::try_from(now_ms - waiting_since).unwrap_or(0));
                let base = waited.max(config.backoff);
                let wait = backoff::wait(1, base, config.backoff_limit, fastrand::u64(..));
                let due_ms = unix_ms(now + wait) + 1;
                outbox::retry_at(conn, lease, row.id, due_ms, Some(waiting_since), &reason)?;
                // A day of waiting is one line, not hundreds.
                if row.waiting_since.is_none() {
                    note(conn, Ended::WaitForParent)?;
                }
                orphans.push(row);
                tally.waiting_for_parent += 1;
            }
            Verdict::StopLane => {
                released.push(row);
                stop = Some(format!("{} {}: {reason}", row.sobject, row.external_id));
            }
            Verdict::Done | Verdict::Retry | Verdict::WaitForParent | Verdict::DeadLetter => {
                tracing::error!(sobject = row.sobject, external_id = row.external_id, attempts, %reason, "dead letter");
                outbox::dead_letter(conn, lease, row.id, now_ms, &reason)?;
                note(conn, Ended::Dead)?;
                tally.dead += 1;
            }
        }
    }
    released.extend(unsent);
    outbox::complete(conn, lease, &arrived, now_ms)?;
    // Back at their place in the queue, before what came later.
    let due_ms = released.iter().map(|row| row.due_at).min().unwrap_or(now_ms);
    let released: Vec<i64> = released.iter().map(|row| row.id).collect();
    outbox::release(conn, lease, &released, due_ms)?;
    let wanted = unseen_parents(conn, org, &orphans)?;
    fetches::request(conn, &wanted, now_ms)?;
    Ok(Written { fetch: !wanted.is_empty(), stop, tally })
}

/// Parents of these rows that no event ever spoke of: they must be read from Stripe, or the rows wait for nothing.
fn unseen_parents(conn: &mut Conn, org: &str, orphans: &[&Leased]) -> store::Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for row in orphans {
        let parents: Vec<ParentOf> =
            serde_json::from_str(&row.parents).map_err(|error| store::Error::Corrupt(Box::new(error)))?;
        let ids: Vec<&str> = parents.iter().map(|parent| parent.id.as_str()).collect();
        let seen: BTreeSet<String> = outbox::seen(conn, org, &ids)?.into_iter().collect();
        wanted.extend(parents.into_iter().filter(|parent| !seen.contains(&parent.id)).map(|parent| Wanted {
            account: row.account.clone(),
            object: parent.object,
            object_id: parent.id,
            reason: "a record points to it and no event spoke of it",
            not_before_ms: 0,
            event_seq: None,
            around: None,
            missing_in: Some(org.to_owned()),
        }));
    }
    Ok(wanted)
}

fn as_collections(call: &[Vec<Leased>]) -> Vec<Collection<'_>> {
    let record = |row| {
        let Leased { external_id, fields, .. }: &Leased = row;
        Record { external_id, fields }
    };
    call.iter()
        .map(|rows| Collection { sobject: &rows[0].sobject, records: rows.iter().map(record).collect() })
        .collect()
}

fn refused(code: String, message: String) -> Outcome {
    Outcome::Refused { code, message, fields: Vec::new() }
}

/// Whether a refusal of the whole request can be some record's fault. An org that is not set up refuses each alike, and
/// asking for each alone would cost the day's requests.
fn speaks_of_records(code: &str) -> bool {
    judge(&refused(code.to_owned(), String::new())) != Verdict::StopLane
}

enum Split {
    Halves(Vec<Vec<Leased>>, Vec<Vec<Leased>>),
    Alone(Leased),
}

/// Cuts a call in two, between collections if there are several; parents stay in the first half.
fn split(mut call: Vec<Vec<Leased>>) -> Split {
    if call.len() > 1 {
        let second = call.split_off(call.len() / 2);
        return Split::Halves(call, second);
    }
    let mut rows = call.pop().unwrap_or_default();
    match rows.len() {
        1 => Split::Alone(rows.remove(0)),
        count => {
            let second = rows.split_off(count / 2);
            Split::Halves(vec![rows], vec![second])
        }
    }
}
