//! Chooses what travels next, and takes it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{self, Chosen, Packed, Wait};
use super::calls::{Call, Calls, Head, touched};
use super::deliver::Parts;
use super::gather::{Gathered, Wanted, gather};
use super::owner;
use super::send::Collections;
use super::shared::Shared;
use crate::clock::{from_unix_ms, unix_ms};
use crate::crash;
use crate::pass::State;
use crate::salesforce::Budget;
use crate::store::bindings;
use crate::store::lanes::{self, Turn};
use crate::store::outbox::{self, Leased};
use crate::store::{self, Conn};
use crate::worker::Next;

/// A few records that have waited so long beside a call under way are sent in one of their own.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
/// How far beyond its window the outbox is read when calls under way block what is in it.
const FARTHEST_REACH: i64 = 16;

/// What came of choosing.
pub(super) enum Composed {
    Prepared,
    /// Too little to be sent beside other calls, before it has waited so much longer.
    TooLittle(Duration),
    Nothing(Next),
    /// Something changed; look again.
    Again,
}

impl Calls {
    /// Chooses what travels next and takes it.
    pub(super) async fn compose(&mut self, shared: &Arc<Shared>) -> store::Result<Composed> {
        let now = shared.parts.clock.now();
        let now_ms = unix_ms(now);
        self.busy.forget(now_ms);
        self.company.forget(now_ms);
        let (limit, epoch, held) = {
            let lane = shared.lane();
            (lane.records(), lane.epoch(), lane.held(now))
        };
        let wanted = Wanted {
            org: shared.parts.org.clone(),
            now_ms,
            only: (shared.parts.client.budget() == Budget::Scarce).then(|| shared.parts.money.clone()),
            held: held.clone(),
            look_again_ms: unix_ms(now + shared.parts.config.backoff_limit),
            reach: self.reach.max(1),
        };
        let for_reading = Arc::clone(shared);
        let gathered =
            shared.parts.store.read(move |conn| gather(conn, &wanted, &for_reading.parts.parents_first));
        let gathered = self.meanwhile(shared, gathered).await?;
        if shared.lane().held(now) != held {
            return Ok(Composed::Again);
        }
        let probed = shared.lane().probed();
        let is_probed = |sobject: &str| probed.contains(sobject);
        let notifying = |sobject: &str| shared.parts.notifying.iter().any(|object| **object == *sobject);
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
            let wait = LONG_ENOUGH.saturating_sub(waited);
            return Ok(if nothing || alone { Composed::Nothing(next) } else { Composed::TooLittle(wait) });
        }
        let put_off = !waits.is_empty();
        let pick = Pick {
            call: uuid::Uuid::now_v7().to_string(),
            ids,
            waits,
            now_ms,
            leased_until_ms: unix_ms(now + shared.parts.config.lease),
            held_until_ms: self.hold.from(shared.parts.clock.now()),
            bound: shared.parts.client.pass().identity(),
            idle: self.under_way.is_empty() && self.prepared.is_empty() && !self.busy.has_unheard(),
        };
        let (id, leased_until_ms, in_tx) = (pick.call.clone(), pick.leased_until_ms, Arc::clone(shared));
        self.taking = true;
        let taken = shared.parts.store.write(move |conn| take(conn, &in_tx, &gathered, &pick));
        let (collections, touched) = match self.meanwhile(shared, taken).await? {
            Taken::Rows(collections, touched) => (collections, touched),
            Taken::Theirs => return Ok(Composed::Nothing(Next::Idle)),
            Taken::AnothersNow => {
                // Now it is to be found out which of the two we reach.
                shared.parts.client.pass().set(State::Unknown);
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
        let leased_at = Instant::now();
        let head =
            Head { id, leased_at, leased_until_ms, epoch, touched, probed, taken_ms: now_ms, sent_at: None };
        self.prepared.push_back(Call { head, collections });
        Ok(Composed::Prepared)
    }
}

/// What is to be taken for a call.
struct Pick {
    /// Names the call and its lease.
    call: String,
    ids: Vec<i64>,
    waits: Vec<Wait>,
    now_ms: i64,
    leased_until_ms: i64,
    held_until_ms: i64,
    /// Whether nothing of ours is under way.
    idle: bool,
    /// The org that was known to answer when it was picked.
    bound: Option<Arc<str>>,
}

/// What taking it came to.
enum Taken {
    Rows(Collections, Vec<String>),
    Theirs,
    /// The name was bound to another org than the one we send to.
    AnothersNow,
    /// Calls that may be under way: external ids, parents, until when.
    Over(Vec<(String, String, i64)>),
}

/// Takes the lane and what was picked, unless somebody else has it.
fn take(conn: &mut Conn, shared: &Shared, gathered: &Gathered, pick: &Pick) -> store::Result<Taken> {
    let Parts { org, parents_first, .. } = &shared.parts;
    let now_ms = pick.now_ms;
    if let Some(bound) = &pick.bound
        && bindings::is_another_org(conn, org, bound)?
    {
        return Ok(Taken::AnothersNow);
    }
    match lanes::take(conn, org, &shared.holder, now_ms, pick.held_until_ms)? {
        Turn::Theirs => return Ok(Taken::Theirs),
        Turn::TakenOver => return Ok(Taken::Over(outbox::travelling(conn, org, now_ms)?)),
        Turn::Ours => {}
    }
    // In the order in which merging locks them.
    outbox::lock(conn, &pick.waits.iter().map(|wait| wait.id).collect::<Vec<_>>())?;
    for wait in &pick.waits {
        outbox::wait_until(conn, wait.id, now_ms, wait.due_ms, &wait.reason)?;
    }
    let mut rows = outbox::lease(conn, &pick.call, &pick.ids, now_ms, pick.leased_until_ms)?;
    owner::settle(&mut rows)?;
    let (rows, touched) = as_chosen(conn, &pick.call, rows, gathered)?;
    let Packed { collections, left_over } = batch::pack(rows, parents_first);
    let due_ms = left_over.iter().map(|row| row.due_at).min().unwrap_or(now_ms);
    let left_over: Vec<i64> = left_over.iter().map(|row| row.id).collect();
    outbox::release(conn, &pick.call, &left_over, due_ms)?;
    crash::at("lease_written");
    if collections.is_empty() && pick.idle {
        lanes::release(conn, org, &shared.holder, pick.held_until_ms)?;
    }
    Ok(Taken::Rows(collections, touched))
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
