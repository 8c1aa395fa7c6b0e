//! What is due, and which parents stand in the way: read from the outbox, decided elsewhere.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::batch::rank;
use crate::store::outbox::{self, Absent, Due};
use crate::store::{self, Conn};

/// Rows of one object that are looked at for one call.
const WINDOW: i64 = 1_000;
/// Rows that are looked at for one call, if there are many objects.
const WINDOWS: i64 = 4_000;
/// Parents of parents are looked up so often; nothing of the record model is deeper.
const GENERATIONS: usize = 6;

/// What is to be looked at.
#[derive(Debug)]
pub(super) struct Wanted {
    pub org: String,
    pub now_ms: i64,
    /// Only these objects; their missing parents come along.
    pub only: Option<Vec<Arc<str>>>,
    /// Objects whose records wait, and until when.
    pub held: Vec<(String, i64, String)>,
    /// Children of a parent that was given up are looked at again then.
    pub look_again_ms: i64,
    /// How many times as far as usual.
    pub reach: i64,
}

/// What may travel, in the order in which it came, and what may not.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub candidates: Vec<Candidate>,
    /// Why children of these records cannot travel now, by external id.
    pub barriers: HashMap<String, Barrier>,
    /// When something that was not looked at is due.
    pub next_due_ms: Option<i64>,
    /// Whether one of the objects has more rows that are due.
    pub cut_off: bool,
}

#[derive(Debug)]
pub(super) struct Candidate {
    pub due: Due,
    pub parents: Vec<Parent>,
}

/// What the outbox says of a record that must exist first.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Parent {
    pub object: String,
    pub id: String,
}

/// Why a record that is not in the org is not on its way either.
#[derive(Debug)]
pub(super) enum Barrier {
    /// It is on its way.
    UnderWay,
    /// It does not come before, and why.
    Until { due_ms: i64, reason: String },
}

/// Reads what is due, and of what is not in the org yet the parents that are not either.
pub(super) fn gather(
    conn: &mut Conn,
    wanted: &Wanted,
    parents_first: &[Arc<str>],
) -> store::Result<Gathered> {
    let mut gathered = Gathered::default();
    let queues = outbox::queues(conn, &wanted.org)?;
    let mut later = |due_ms: i64| {
        gathered.next_due_ms = Some(gathered.next_due_ms.map_or(due_ms, |known: i64| known.min(due_ms)));
    };
    let mut open = Vec::new();
    for queue in queues {
        let held = wanted.held.iter().find(|(sobject, ..)| *sobject == queue.sobject);
        let left_out = wanted.only.as_ref().is_some_and(|only| only.iter().all(|o| **o != *queue.sobject));
        match held {
            _ if left_out => {}
            Some((_, until, _)) => later(*until),
            None if queue.due_at > wanted.now_ms => later(queue.due_at),
            None => open.push(queue),
        }
    }
    let window = (WINDOWS / i64::try_from(open.len()).unwrap_or(1).max(1)).min(WINDOW) * wanted.reach;
    for queue in open {
        let rows = outbox::due(conn, &wanted.org, &queue.sobject, wanted.now_ms, window)?;
        gathered.cut_off |= i64::try_from(rows.len()).unwrap_or(i64::MAX) == window;
        for due in rows {
            gathered.candidates.push(Candidate::read(due)?);
        }
    }
    add_absent_parents(conn, wanted, &mut gathered)?;
    let order = |one: &Candidate| (one.due.due_at, rank(&one.due.sobject, parents_first), one.due.id);
    gathered.candidates.sort_by_cached_key(order);
    Ok(gathered)
}

/// A parent that never arrived and is due comes along, whatever its object; any other one is a barrier.
fn add_absent_parents(conn: &mut Conn, wanted: &Wanted, gathered: &mut Gathered) -> store::Result<()> {
    let mut known: BTreeSet<i64> = gathered.candidates.iter().map(|one| one.due.id).collect();
    let mut asked: BTreeSet<String> =
        gathered.candidates.iter().map(|one| one.due.external_id.clone()).collect();
    let mut from = 0;
    for _ in 0..GENERATIONS {
        let children = gathered.candidates[from..].iter().filter(|one| !one.due.arrived);
        let parents = children.flat_map(|one| &one.parents).map(|parent| parent.id.clone());
        let parents: Vec<String> = parents.filter(|id| asked.insert(id.clone())).collect();
        if parents.is_empty() {
            break;
        }
        from = gathered.candidates.len();
        let ids: Vec<&str> = parents.iter().map(String::as_str).collect();
        let absent = outbox::absent(conn, &wanted.org, &ids)?;
        // A Stripe object may become several records. Which of them a child points to is not known here, so one that is
        // there is enough: children must not wait for another one that somebody's own mapping adds.
        let ids: Vec<&str> = absent.iter().map(|absent| absent.row.external_id.as_str()).collect();
        let there = if ids.is_empty() { Vec::new() } else { outbox::arrived(conn, &wanted.org, &ids)? };
        let there: BTreeSet<String> = there.into_iter().collect();
        for absent in absent.into_iter().filter(|absent| !there.contains(&absent.row.external_id)) {
            match barrier(&absent, wanted) {
                None if known.insert(absent.row.id) => {
                    gathered.candidates.push(Candidate::read(absent.row)?);
                }
                None => {}
                Some(barrier) => {
                    gathered.barriers.insert(absent.row.external_id, barrier);
                }
            }
        }
    }
    Ok(())
}

fn barrier(absent: &Absent, wanted: &Wanted) -> Option<Barrier> {
    let Absent { row, state, last_error } = absent;
    let name = format!("{} {}", row.sobject, row.external_id);
    let error = last_error.as_deref().unwrap_or("no reason is known");
    let until = |due_ms, reason| Some(Barrier::Until { due_ms, reason });
    if state == "dead" {
        return until(wanted.look_again_ms, format!("waits for {name}, which was given up: {error}"));
    }
    if state == "leased" && row.due_at > wanted.now_ms {
        return Some(Barrier::UnderWay);
    }
    if let Some((_, held_until, reason)) = wanted.held.iter().find(|(sobject, ..)| *sobject == row.sobject) {
        return until(*held_until, format!("waits for {name}, whose object is held: {reason}"));
    }
    if row.due_at > wanted.now_ms {
        return until(row.due_at, format!("waits for {name}, which is tried again later: {error}"));
    }
    None
}

impl Candidate {
    fn read(due: Due) -> store::Result<Self> {
        let parents = serde_json::from_str(&due.parents);
        let parents = parents.map_err(|error| store::Error::Corrupt(Box::new(error)))?;
        Ok(Self { due, parents })
    }
}
