//! Inbox → mapping → outbox, many events at a time.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::order::{self, State};
use crate::clock::{Clock, unix_ms};
use crate::mapping::{Change, Mapped, Mapping};
use crate::metrics::Metrics;
use crate::store::fetches::{self, Wanted};
use crate::store::inbox::{self, PendingEvent};
use crate::store::outbox::{self, Known, NewState, Position};
use crate::store::{self, Conn, Store};
use crate::worker::{Bell, Next, Step};

/// Events of one transaction.
const BATCH_LIMIT: i64 = 256;

/// Merges what events say into the outbox.
#[derive(Clone, Debug)]
pub struct Processor {
    store: Store,
    mapping: Arc<Mapping>,
    accounts: Arc<BTreeMap<String, Route>>,
    clock: Clock,
    delivery: Bell,
    fetching: Bell,
    metrics: Metrics,
}

/// Where the events of an account lead.
#[derive(Clone, Debug)]
pub struct Route {
    /// The org that its records go to.
    pub org: String,
    /// The API version that its events are understood in.
    pub api_version: String,
}

/// What one transaction did.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    events: usize,
    changes: usize,
    wanted: usize,
    dead: usize,
}

impl Processor {
    /// `delivery` rings when the outbox has something new, `fetching` when an object is to be read from Stripe.
    pub fn new(
        store: Store,
        mapping: Arc<Mapping>,
        accounts: BTreeMap<String, Route>,
        clock: Clock,
        delivery: Bell,
        fetching: Bell,
    ) -> Self {
        let metrics = Metrics::default();
        Self { store, mapping, accounts: Arc::new(accounts), clock, delivery, fetching, metrics }
    }

    /// Counts what it does there.
    pub fn counted_in(self, metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone(), ..self }
    }
}

impl Processor {
    /// Takes and maps without holding up the events that come in, then merges in one transaction. Should another process
    /// have taken the same events meanwhile, merging them twice changes nothing.
    async fn process_batch(&self) -> store::Result<Done> {
        let (mapping, accounts) = (Arc::clone(&self.mapping), Arc::clone(&self.accounts));
        let take =
            move |conn: &mut Conn| Ok(understand_all(&inbox::take(conn, BATCH_LIMIT)?, &mapping, &accounts));
        let batch = self.store.read(take).await?;
        if batch.events == 0 {
            return Ok(Done::default());
        }
        let now_ms = unix_ms(self.clock.now());
        self.store.write(move |conn| merge_batch(conn, batch, now_ms)).await
    }
}

impl Step for Processor {
    fn name(&self) -> &'static str {
        "process"
    }

    async fn step(&self) -> Next {
        match self.process_batch().await {
            Ok(done) => {
                self.metrics.events_mapped.inc_by(as_u64(done.events - done.dead));
                self.metrics.changes_merged.inc_by(as_u64(done.changes));
                self.metrics.dead_letters.with_label_values(&["event"]).inc_by(as_u64(done.dead));
                if done.changes > 0 {
                    self.delivery.ring();
                }
                if done.wanted > 0 {
                    self.fetching.ring();
                }
                if done.events > 0 { Next::Again } else { Next::Idle }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "events wait: the database did not answer"
                );
                Next::Idle
            }
        }
    }
}

/// What the events of one batch come down to.
#[derive(Default)]
struct Batch {
    events: usize,
    states: Vec<Arriving>,
    wanted: Vec<Wanted>,
    done_with: Vec<i64>,
    dead: Vec<(i64, String)>,
}

fn understand_all(events: &[PendingEvent], mapping: &Mapping, accounts: &BTreeMap<String, Route>) -> Batch {
    let mut batch = Batch { events: events.len(), ..Batch::default() };
    for event in events {
        let understood = match accounts.get(&event.account) {
            Some(route) => understand(mapping, event, route),
            None => Err(format!("no account `{}` is configured", event.account)),
        };
        match understood {
            Ok(Understood::States(states)) => batch.states.extend(states),
            Ok(Understood::Wanted(one)) => batch.wanted.push(one),
            Err(reason) => {
                batch.dead.push((event.seq, reason));
                continue;
            }
        }
        batch.done_with.push(event.seq);
    }
    batch
}

fn merge_batch(conn: &mut Conn, batch: Batch, now_ms: i64) -> store::Result<Done> {
    let Batch { events, states, mut wanted, done_with, dead } = batch;
    inbox::one_at_a_time(conn)?;
    let changes = merge(conn, states, &mut wanted, now_ms)?;
    fetches::request(conn, &wanted, now_ms)?;
    for (seq, reason) in &dead {
        tracing::error!(seq, %reason, "event dead-lettered");
        inbox::dead_letter(conn, *seq, reason)?;
    }
    inbox::complete(conn, &done_with)?;
    Ok(Done { events, changes, wanted: wanted.len(), dead: dead.len() })
}

/// What an event comes down to.
enum Understood {
    States(Vec<Arriving>),
    Wanted(Wanted),
}

/// A state on its way into the outbox, and the kind of its object should it have to be read again.
struct Arriving {
    state: NewState,
    kind: Arc<str>,
}

/// A mapping that panics is a bug; the event waits as a dead letter until it is mended, and holds up nothing.
fn understand(mapping: &Mapping, event: &PendingEvent, route: &Route) -> Result<Understood, String> {
    let payload =
        event.payload.unpack().map_err(|error| format!("the stored event cannot be read: {error}"))?;
    let mapped = match catch_unwind(AssertUnwindSafe(|| mapping.map(&payload, &route.api_version))) {
        Ok(result) => result.map_err(|error| error.to_string())?,
        Err(_panic) => return Err("the mapping panicked".to_owned()),
    };
    match mapped {
        Mapped::Changes(changes) => {
            let states = changes.into_iter().map(|change| new_state(event, route, change));
            states.collect::<Result<_, _>>().map(Understood::States).map_err(|error| error.to_string())
        }
        Mapped::Foreign(object) => {
            let reason = "the event has another API version";
            let wanted = want(&event.account, &object.object, &object.id, reason);
            Ok(Understood::Wanted(Wanted { event_seq: Some(event.seq), ..wanted }))
        }
    }
}

fn new_state(event: &PendingEvent, route: &Route, change: Change) -> Result<Arriving, serde_json::Error> {
    for note in &change.notes {
        tracing::info!(event.id = %change.event_id, external_id = %change.external_id, "mapping: {note}");
    }
    let position = Position { created: change.created, progress: change.progress, event_id: change.event_id };
    let state = NewState {
        org: route.org.clone(),
        sobject: change.sobject.as_ref().to_owned(),
        external_id: change.external_id,
        account: event.account.clone(),
        position,
        fields: change.fields.to_json()?,
        carried: "{}".to_owned(),
        parents: serde_json::to_string(&change.parents)?,
        mapping_version: String::new(),
    };
    Ok(Arriving { state, kind: change.object })
}

/// Keeps the newest state of each record and merges those that are newer than what is known. Gives how many.
fn merge(
    conn: &mut Conn,
    arriving: Vec<Arriving>,
    wanted: &mut Vec<Wanted>,
    now_ms: i64,
) -> store::Result<usize> {
    let mut by_org: BTreeMap<String, Vec<Arriving>> = BTreeMap::new();
    for one in arriving {
        by_org.entry(one.state.org.clone()).or_default().push(one);
    }
    let mut merged_in = 0;
    for (org, arriving) in by_org {
        let ids: Vec<&str> = arriving.iter().map(|one| one.state.external_id.as_str()).collect();
        let mut standing: BTreeMap<(String, String), Standing> = outbox::known(conn, &org, &ids)?
            .into_iter()
            .map(|(key, known)| (key, Standing::known(known)))
            .collect();
        let mut touched: BTreeMap<(String, String), NewState> = BTreeMap::new();
        for Arriving { state, kind } in arriving {
            let key = (state.sobject.clone(), state.external_id.clone());
            let Some(known) = standing.get(&key) else {
                standing.insert(key.clone(), Standing::arrived(&state));
                touched.insert(key, state);
                continue;
            };
            let merged = order::merge(&known.state, &Standing::arrived(&state).state)
                .map_err(|error| store::Error::Corrupt(Box::new(error)))?;
            if merged.undecided {
                wanted.push(Wanted {
                    not_before_ms: second_after(state.position.created, now_ms),
                    ..want(&state.account, &kind, &state.external_id, "two events of one second contradict")
                });
            }
            if let Some(now) = merged.changed {
                let parents =
                    if merged.arriving_is_newer { state.parents.clone() } else { known.parents.clone() };
                let (position, fields, carried) = (now.position, now.fields, now.carried);
                let state = NewState { position, fields, carried, parents, ..state };
                standing.insert(key.clone(), Standing::arrived(&state));
                touched.insert(key, state);
            }
        }
        let states: Vec<NewState> = touched.into_values().collect();
        outbox::merge(conn, &states, now_ms)?;
        merged_in += states.len();
    }
    Ok(merged_in)
}

/// What stands for a record so far.
struct Standing {
    state: State,
    parents: String,
}

impl Standing {
    fn known(known: Known) -> Self {
        let state = State { position: known.position, fields: known.fields, carried: known.carried };
        Self { state, parents: known.parents }
    }

    fn arrived(state: &NewState) -> Self {
        let (position, fields) = (state.position.clone(), state.fields.clone());
        let carried = state.carried.clone();
        Self { state: State { position, fields, carried }, parents: state.parents.clone() }
    }
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// When a read can settle what happened in a second: after it has ended, also by a clock that is a little off.
fn second_after(created: i64, now_ms: i64) -> i64 {
    created.saturating_add(2).saturating_mul(1_000).min(now_ms + 10_000)
}

fn want(account: &str, object: &str, id: &str, reason: &'static str) -> Wanted {
    let (account, object, object_id) = (account.to_owned(), object.to_owned(), id.to_owned());
    Wanted { account, object, object_id, reason, not_before_ms: 0, event_seq: None }
}
