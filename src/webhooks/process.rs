//! Inbox → mapping → outbox, many events at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::order::{self, State};
use crate::clock::{Clock, unix_ms};
use crate::crash;
use crate::mapping::{Change, Mapped, Mapping, Parent, Surroundings, Wish};
use crate::metrics::Metrics;
use crate::pass::Pass;
use crate::store::fetches::{self, Wanted};
use crate::store::inbox::{self, PendingEvent};
use crate::store::outbox::{self, Known, NewState, Position};
use crate::store::{self, Conn, Store, notes, usage};
use crate::worker::{Bell, Next, Step};

/// Events of one transaction.
const BATCH_LIMIT: i64 = 256;
/// Of so many batches one begins with the first event that waits, and not where the one before it ended: what is stored later may
/// have an earlier place.
const FROM_THE_FIRST: u32 = 64;
/// What is named by events is read this much later, so that what is named together is read together.
const GATHERING_MS: i64 = 10_000;
/// What Stripe counts as a transaction when it says how much may be read.
const TRANSACTION: &str = "charge";

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
    ahead: Ahead,
}

/// What was mapped while the batch before it was merged, so that the database and we do not wait for each other.
#[derive(Clone, Default)]
struct Ahead(Arc<Mutex<Pipeline>>);

#[derive(Default)]
struct Pipeline {
    taken: Option<Taken>,
    /// Batches since one began with the first event that waits.
    batches: u32,
}

impl std::fmt::Debug for Ahead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ahead").finish_non_exhaustive()
    }
}

/// A batch that is mapped and not merged.
struct Taken {
    batch: Batch,
    /// Where the next one begins, if this one is full.
    next: Option<i64>,
}

/// Where the events of an account lead.
#[derive(Clone, Debug)]
pub struct Route {
    /// The org that its records go to.
    pub org: String,
    /// The API version that its events are understood in.
    pub api_version: String,
    /// Whether events of the account may be mapped, and whose they are.
    pub account_pass: Pass,
    /// Which org the records go to.
    pub org_pass: Pass,
}

impl Route {
    /// A route that nobody guards.
    pub fn unguarded(org: String, api_version: String) -> Self {
        Self { org, api_version, account_pass: Pass::default(), org_pass: Pass::default() }
    }

    /// What the mapping has to know of the surroundings.
    pub fn surroundings(&self) -> Surroundings {
        let (account, org) = (self.account_pass.identity(), self.org_pass.identity());
        Surroundings::new(&self.api_version, account.as_deref(), org.as_deref())
    }
}

/// What one transaction did.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    /// There may be more.
    again: bool,
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
        let (metrics, ahead) = (Metrics::default(), Ahead::default());
        Self { store, mapping, accounts: Arc::new(accounts), clock, delivery, fetching, metrics, ahead }
    }

    /// Counts what it does there.
    pub fn counted_in(self, metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone(), ..self }
    }
}

impl Processor {
    /// Takes and maps without holding up the events that come in, then merges in one transaction, during which the next batch is
    /// taken and mapped if there is more. Should another process have merged some of these events meanwhile, nothing is done,
    /// and what still waits is taken anew.
    async fn process_batch(&self) -> store::Result<Done> {
        let mut ahead = self.ahead.0.lock().await;
        let Taken { batch, next } = match ahead.taken.take() {
            Some(taken) => taken,
            None => self.take(0).await?,
        };
        if batch.events == 0 {
            return Ok(Done::default());
        }
        crash::at("events_mapped");
        ahead.batches = (ahead.batches + 1) % FROM_THE_FIRST;
        let next = next.filter(|_| ahead.batches > 0);
        let now_ms = unix_ms(self.clock.now());
        let merge = self.store.write(move |conn| merge_batch(conn, batch, now_ms));
        let meanwhile = async {
            match next {
                Some(beginning) => self.take(beginning).await.ok(),
                None => None,
            }
        };
        let (merged, taken) = tokio::join!(merge, meanwhile);
        // If this one is to be taken again, so is that.
        let merged = merged?;
        ahead.taken = taken.filter(|taken| taken.batch.events > 0 && merged.events > 0);
        crash::at("merge_committed");
        Ok(merged)
    }

    async fn take(&self, beginning: i64) -> store::Result<Taken> {
        let (mapping, accounts) = (Arc::clone(&self.mapping), Arc::clone(&self.accounts));
        let stopped = |(name, route): (&String, &Route)| route.account_pass.closed().map(|_why| name.clone());
        let stopped: Vec<String> = accounts.iter().filter_map(stopped).collect();
        let take = move |conn: &mut Conn| {
            let events = inbox::take(conn, beginning, &stopped, BATCH_LIMIT)?;
            let is_full = as_u64(events.len()) == BATCH_LIMIT.unsigned_abs();
            let next = events.last().filter(|_| is_full).map(|last| last.seq + 1);
            Ok(Taken { batch: understand_all(&events, &mapping, &accounts), next })
        };
        self.store.read(take).await
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
                if done.again { Next::Again } else { Next::Idle }
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
    wishes: Vec<Wished>,
    notes: Vec<(i64, String)>,
    done_with: Vec<i64>,
    dead: Vec<(i64, String)>,
}

fn understand_all(events: &[PendingEvent], mapping: &Mapping, accounts: &BTreeMap<String, Route>) -> Batch {
    let mut batch = Batch { events: events.len(), ..Batch::default() };
    let surroundings = |(name, route): (&String, &Route)| (name.clone(), route.surroundings());
    let surroundings: BTreeMap<String, Surroundings> = accounts.iter().map(surroundings).collect();
    for event in events {
        let understood = match (accounts.get(&event.account), surroundings.get(&event.account)) {
            (Some(route), Some(around)) => understand(mapping, event, route, around),
            _ => Err(format!("no account `{}` is configured", event.account)),
        };
        match understood {
            Ok(Understood::States { states, wishes, notes }) => {
                batch.states.extend(states);
                batch.wishes.extend(wishes);
                batch.notes.extend(notes.into_iter().map(|note| (event.seq, note)));
            }
            Ok(Understood::Wanted(one, note)) => {
                batch.notes.push((event.seq, note));
                batch.wanted.push(one);
            }
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
    let Batch { events, states, mut wanted, wishes, notes, done_with, dead } = batch;
    inbox::one_at_a_time(conn)?;
    let seqs: Vec<i64> = done_with.iter().copied().chain(dead.iter().map(|(seq, _)| *seq)).collect();
    if !inbox::all_wait(conn, &seqs)? {
        return Ok(Done { again: true, ..Done::default() });
    }
    let changes = merge(conn, states, &mut wanted, now_ms)?;
    wanted.extend(unknown(conn, wishes, now_ms)?);
    fetches::request(conn, &wanted, now_ms)?;
    notes::add(conn, &notes)?;
    for (seq, reason) in &dead {
        // The reason may quote what is in the event.
        tracing::error!(seq, "event dead-lettered; `paybridge dead-letters show event:{seq}` tells why");
        inbox::dead_letter(conn, *seq, reason)?;
    }
    inbox::complete(conn, &done_with)?;
    crash::at("events_merged");
    Ok(Done { again: true, events, changes, wanted: wanted.len(), dead: dead.len() })
}

/// What an event comes down to.
pub(super) enum Understood {
    States {
        states: Vec<Arriving>,
        wishes: Vec<Wished>,
        notes: Vec<String>,
    },
    /// It is read instead; with what there is to say about it.
    Wanted(Wanted, String),
}

/// Something to be read beside, for whom, and about when it was made.
pub(super) struct Wished {
    wish: Wish,
    account: String,
    org: String,
    around: i64,
}

/// A state on its way into the outbox, and the kind of its object should it have to be read again.
pub(super) struct Arriving {
    pub(super) state: NewState,
    kind: Arc<str>,
    object_id: String,
    /// The object that makes the record, when this one only adds to it.
    pub(super) adds_to: Option<Parent>,
}

/// A mapping that panics is a bug; the event waits as a dead letter until it is mended, and holds up nothing.
pub(super) fn understand(
    mapping: &Mapping,
    event: &PendingEvent,
    route: &Route,
    around: &Surroundings,
) -> Result<Understood, String> {
    let payload =
        event.payload.unpack().map_err(|error| format!("the stored event cannot be read: {error}"))?;
    let mapped = match catch_unwind(AssertUnwindSafe(|| mapping.map_in(around, &payload))) {
        Ok(result) => result.map_err(|error| error.to_string())?,
        Err(_panic) => return Err("the mapping panicked".to_owned()),
    };
    match mapped {
        Mapped::Changes(changes, wishes) => {
            let around = changes.first().map_or(0, |change| change.created);
            let wished =
                |wish| Wished { wish, account: event.account.clone(), org: route.org.clone(), around };
            let wishes = wishes.into_iter().map(wished).collect();
            let notes = changes.iter().flat_map(|change| {
                change.notes.iter().map(|note| format!("{} {}: {note}", change.sobject, change.external_id))
            });
            let notes = notes.collect();
            let states = changes.into_iter().map(|change| new_state(event, route, mapping, change));
            let states = states.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
            Ok(Understood::States { states, wishes, notes })
        }
        Mapped::Foreign(object, version) => {
            let note = format!(
                "written in API version {version}, not {}: {} {} is read from Stripe instead",
                route.api_version, object.object, object.id
            );
            let reason = "the event has another API version";
            let wanted = want(&event.account, &object.object, &object.id, reason);
            Ok(Understood::Wanted(Wanted { event_seq: Some(event.seq), ..wanted }, note))
        }
    }
}

fn new_state(
    event: &PendingEvent,
    route: &Route,
    mapping: &Mapping,
    change: Change,
) -> Result<Arriving, serde_json::Error> {
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
        parents: serde_json::to_string(&BTreeSet::from_iter(change.parents))?,
        mapping_version: mapping.version().to_owned(),
    };
    Ok(Arriving { state, kind: change.object, object_id: change.object_id, adds_to: change.adds_to })
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
    for (org, mut arriving) in by_org {
        // A record is made before anything is added to it.
        arriving.sort_by_key(|one| one.adds_to.is_some());
        let ids: Vec<&str> = arriving.iter().map(|one| one.state.external_id.as_str()).collect();
        let mut standing: BTreeMap<(String, String), Standing> = outbox::known(conn, &org, &ids)?
            .into_iter()
            .map(|(key, known)| (key, Standing::known(known)))
            .collect();
        let mut touched: BTreeMap<(String, String), NewState> = BTreeMap::new();
        let mut charges: BTreeMap<String, i64> = BTreeMap::new();
        for Arriving { state, kind, object_id, adds_to } in arriving {
            let key = (state.sobject.clone(), state.external_id.clone());
            let Some(known) = standing.get(&key) else {
                if let Some(parent) = adds_to {
                    // What is said here is lost until the object is read together with it, also should its own event
                    // come first.
                    let reason = "something speaks of it and no event did";
                    wanted.push(want(&state.account, &parent.object, &parent.id, reason));
                    continue;
                }
                if *kind == *TRANSACTION && object_id == state.external_id {
                    *charges.entry(state.account.clone()).or_default() += 1;
                }
                standing.insert(key.clone(), Standing::arrived(&state));
                touched.insert(key, state);
                continue;
            };
            let met = known.meet(&state)?;
            if met.undecided {
                wanted.push(Wanted {
                    not_before_ms: second_after(state.position.created, now_ms),
                    ..want(&state.account, &kind, &object_id, "two events of one second contradict")
                });
            }
            if let Some(state) = met.changed {
                standing.insert(key.clone(), Standing::arrived(&state));
                touched.insert(key, state);
            }
        }
        let states: Vec<NewState> = touched.into_values().collect();
        outbox::merge(conn, &states, now_ms)?;
        merged_in += states.len();
        for (account, count) in charges {
            usage::add(conn, &account, now_ms, usage::Used { reads: 0, charges: count })?;
        }
    }
    Ok(merged_in)
}

/// The parents that the fields still point to. They are sorted, so that no order of arrival shows.
fn still_parents(fields: &str, known: [&str; 2]) -> store::Result<String> {
    let corrupt = |error: serde_json::Error| store::Error::Corrupt(Box::new(error));
    let mut parents: BTreeSet<Parent> = BTreeSet::new();
    for list in known {
        for parent in serde_json::from_str::<Vec<Parent>>(list).map_err(corrupt)? {
            let id = serde_json::to_string(&parent.id).map_err(corrupt)?;
            if fields.contains(&format!(r#"{{"Stripe_Id__c":{id}}}"#)) {
                parents.insert(parent);
            }
        }
    }
    serde_json::to_string(&parents).map_err(corrupt)
}

/// The wishes for what is not known yet.
fn unknown(conn: &mut Conn, wishes: Vec<Wished>, now_ms: i64) -> store::Result<Vec<Wanted>> {
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Wished { wish, org, .. } in &wishes {
        if let Wish::Object(object) = wish {
            named.entry(org).or_default().push(&object.id);
        }
    }
    let mut seen = BTreeSet::new();
    for (org, ids) in named {
        seen.extend(outbox::seen(conn, org, &ids)?.into_iter().map(|id| (org.to_owned(), id)));
    }
    let wanted = wishes.into_iter().filter_map(|Wished { wish, account, org, around }| match wish {
        Wish::Object(object) if seen.contains(&(org.clone(), object.id.clone())) => None,
        Wish::Object(object) => Some(Wanted {
            not_before_ms: now_ms + GATHERING_MS,
            around: Some(around),
            missing_in: Some(org),
            ..want(&account, &object.object, &object.id, "an event names it and does not carry it")
        }),
        Wish::Contents(of) => {
            let (object, reason) = (fetches::contents_of(&of.object), "what it is made of is to be listed");
            Some(want(&account, &object, &of.id, reason))
        }
    });
    Ok(wanted.collect())
}

/// What stands for a record so far.
pub(super) struct Standing {
    state: State,
    parents: String,
}

/// What comes of a state that stands and one that arrives.
pub(super) struct Met {
    /// What stands now, if it is something else than before.
    pub(super) changed: Option<NewState>,
    /// Whether it is built on the arriving one.
    pub(super) arriving_is_newer: bool,
    /// The payloads cannot tell which is newer.
    pub(super) undecided: bool,
}

impl Standing {
    pub(super) fn known(known: Known) -> Self {
        let state = State { position: known.position, fields: known.fields, carried: known.carried };
        Self { state, parents: known.parents }
    }

    /// What comes of it when this state arrives.
    pub(super) fn meet(&self, arriving: &NewState) -> store::Result<Met> {
        let merged = order::merge(&self.state, &Self::arrived(arriving).state)
            .map_err(|error| store::Error::Corrupt(Box::new(error)))?;
        let (arriving_is_newer, undecided) = (merged.arriving_is_newer, merged.undecided);
        let Some(now) = merged.changed else {
            return Ok(Met { changed: None, arriving_is_newer, undecided });
        };
        let parents = still_parents(&now.fields, [&self.parents, &arriving.parents])?;
        let (position, fields, carried) = (now.position, now.fields, now.carried);
        let changed = NewState { position, fields, carried, parents, ..arriving.clone() };
        Ok(Met { changed: Some(changed), arriving_is_newer, undecided })
    }

    pub(super) fn arrived(state: &NewState) -> Self {
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
    Wanted {
        account,
        object,
        object_id,
        reason,
        not_before_ms: 0,
        event_seq: None,
        around: None,
        missing_in: None,
    }
}
