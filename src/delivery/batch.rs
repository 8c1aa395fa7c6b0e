//! Which changes travel together: up to five collections of 200 records, parents with or before their children, and no
//! record that another call under way carries or points to.
//!
//! Source: REST API Developer Guide, "Composite" (25 subrequests, 5 of them collections) and "sObject Collections" (200).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::gather::{Barrier, Candidate, Gathered};
use crate::store::outbox::Leased;

/// Records of one collection.
const RECORDS: usize = 200;
/// Collections of one call.
const COLLECTIONS: usize = 5;
/// Records of one call of which a platform event tells: each event is a subrequest of its own, and there are 25.
const NOTICES: usize = 25 - COLLECTIONS;
/// Bytes of fields in one call. What Salesforce takes is not documented for REST; callouts of its own stop at 6 MB.
const BYTES: usize = 4_000_000;
/// Records of one call.
pub(super) const CALL_LIMIT: usize = RECORDS * COLLECTIONS;

/// What may travel now.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Rows that fit into one call.
    pub ids: Vec<i64>,
    /// Rows that wait for another record, until when, and why.
    pub waits: Vec<Wait>,
    /// Milliseconds since 1970: since when the first of them is due.
    pub longest_due_ms: Option<i64>,
    /// How many were left behind because a call under way touches them.
    pub behind_calls: usize,
    /// Records that the call may carry, with those that were chosen.
    pub limit: usize,
}

/// A row that cannot be sent before another one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub id: i64,
    pub due_ms: i64,
    pub reason: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Unknown,
    Chosen,
    /// Not now, because of room or of a call under way.
    Left,
    Waits(usize),
}

/// Chooses up to `limit` records for one call, first come first. A child travels only with its parents or after them, unless
/// they are in the org already. `busy` says which records calls under way touch; of an object in `probed` at most one
/// collection travels. Of a record of an object in `notifying` a platform event tells. `company` says of rows how many records
/// a call that carries them may have at most.
pub(super) fn choose(
    gathered: &Gathered,
    busy: &dyn Fn(&str) -> bool,
    limit: usize,
    probed: &dyn Fn(&str) -> bool,
    notifying: &dyn Fn(&str) -> bool,
    company: &dyn Fn(i64) -> Option<usize>,
) -> Chosen {
    let at = gathered.candidates.iter().enumerate().map(|(at, one)| (one.due.external_id.as_str(), at));
    let mut chooser = Chooser {
        gathered,
        at: at.fold(HashMap::new(), |mut map: HashMap<_, Vec<usize>>, (id, at)| {
            map.entry(id).or_default().push(at);
            map
        }),
        busy,
        probed,
        notifying,
        company,
        places: vec![Place::Unknown; gathered.candidates.len()],
        room: Room { limit, collections: 0, notices: 0, last: BTreeMap::new() },
        chosen: Chosen::default(),
    };
    for at in 0..gathered.candidates.len() {
        if chooser.chosen.ids.len() >= chooser.room.limit {
            break;
        }
        chooser.place(at);
    }
    chooser.chosen.limit = chooser.room.limit;
    chooser.chosen
}

struct Chooser<'a> {
    gathered: &'a Gathered,
    at: HashMap<&'a str, Vec<usize>>,
    busy: &'a dyn Fn(&str) -> bool,
    probed: &'a dyn Fn(&str) -> bool,
    notifying: &'a dyn Fn(&str) -> bool,
    company: &'a dyn Fn(i64) -> Option<usize>,
    places: Vec<Place>,
    room: Room<'a>,
    chosen: Chosen,
}

/// Room in the call: collections are opened as they are needed, and the last of an object is filled first.
struct Room<'a> {
    limit: usize,
    collections: usize,
    notices: usize,
    /// By object: collections, and records in the last one.
    last: BTreeMap<&'a str, (usize, usize)>,
}

impl<'a> Chooser<'a> {
    fn place(&mut self, at: usize) -> Place {
        if self.places[at] != Place::Unknown {
            return self.places[at];
        }
        // Should records ever point to each other in a circle, one of them has to go first.
        self.places[at] = Place::Left;
        let place = self.judge(at);
        self.places[at] = place;
        place
    }

    fn judge(&mut self, at: usize) -> Place {
        let candidate: &'a Candidate = &self.gathered.candidates[at];
        let touches = std::iter::once(candidate.due.external_id.as_str())
            .chain(candidate.parents.iter().map(|parent| parent.id.as_str()));
        if touches.into_iter().any(self.busy) {
            self.chosen.behind_calls += 1;
            return Place::Left;
        }
        if !candidate.due.arrived {
            for parent in &candidate.parents {
                if let Some(barrier) = self.gathered.barriers.get(&parent.id) {
                    return self.wait(candidate, barrier);
                }
                for parent_at in self.at.get(parent.id.as_str()).cloned().unwrap_or_default() {
                    if parent_at == at || self.gathered.candidates[parent_at].due.arrived {
                        continue;
                    }
                    match self.place(parent_at) {
                        Place::Chosen => {}
                        // Why the parent waits, the child waits.
                        Place::Waits(cause) => {
                            let Wait { due_ms, reason, .. } = &self.chosen.waits[cause];
                            let (due_ms, reason) = (*due_ms, reason.clone());
                            return self.put_off(candidate, due_ms, reason);
                        }
                        Place::Left | Place::Unknown => return Place::Left,
                    }
                }
            }
        }
        let collections = if (self.probed)(&candidate.due.sobject) { 1 } else { COLLECTIONS };
        let notice = (self.notifying)(&candidate.due.sobject);
        let company = (self.company)(candidate.due.id).unwrap_or(usize::MAX);
        let taken = self.chosen.ids.len();
        if taken < company && self.room.take(&candidate.due.sobject, collections, notice, taken) {
            self.room.limit = company.min(self.room.limit);
            self.chosen.ids.push(candidate.due.id);
            let due_ms = candidate.due.due_at;
            let longest = self.chosen.longest_due_ms.get_or_insert(due_ms);
            *longest = due_ms.min(*longest);
            Place::Chosen
        } else {
            Place::Left
        }
    }

    fn wait(&mut self, candidate: &Candidate, barrier: &Barrier) -> Place {
        match barrier {
            Barrier::UnderWay => Place::Left,
            Barrier::Until { due_ms, reason } => self.put_off(candidate, *due_ms, reason.clone()),
        }
    }

    fn put_off(&mut self, candidate: &Candidate, due_ms: i64, reason: String) -> Place {
        self.chosen.waits.push(Wait { id: candidate.due.id, due_ms, reason });
        Place::Waits(self.chosen.waits.len() - 1)
    }
}

impl<'a> Room<'a> {
    fn take(&mut self, sobject: &'a str, most: usize, notice: bool, taken: usize) -> bool {
        if taken >= self.limit || (notice && self.notices == NOTICES) {
            return false;
        }
        let (collections, records) = self.last.entry(sobject).or_insert((0, RECORDS));
        if *records == RECORDS {
            if self.collections == COLLECTIONS || *collections == most {
                return false;
            }
            self.collections += 1;
            *collections += 1;
            *records = 0;
        }
        *records += 1;
        self.notices += usize::from(notice);
        true
    }
}

/// What fits into one call, as collections in the order of sending, and what does not.
#[derive(Debug)]
pub(super) struct Packed {
    /// Each holds rows of one object.
    pub collections: Vec<Vec<Leased>>,
    /// Rows for another call.
    pub left_over: Vec<Leased>,
}

/// Packs rows into one call, parents first. What does not fit, children rather than parents, is for another call.
/// `parents_first` names the objects, each after those that it can point to; others come after these.
pub(super) fn pack(mut rows: Vec<Leased>, parents_first: &[Arc<str>]) -> Packed {
    rows.sort_by(|a, b| {
        (rank(&a.sobject, parents_first), &a.sobject, a.id).cmp(&(
            rank(&b.sobject, parents_first),
            &b.sobject,
            b.id,
        ))
    });
    let mut collections: Vec<Vec<Leased>> = Vec::new();
    let (mut left_over, mut bytes) = (Vec::new(), 0);
    for row in rows {
        bytes += row.fields.len();
        if bytes > BYTES && !collections.is_empty() {
            left_over.push(row);
            continue;
        }
        match collections.last_mut() {
            Some(last) if last.len() < RECORDS && last[0].sobject == row.sobject => last.push(row),
            _ => collections.push(vec![row]),
        }
    }
    // Cut at the end: what is left over are children, which could not arrive before their parents anyway.
    left_over.extend(collections.drain(collections.len().min(COLLECTIONS)..).flatten());
    Packed { collections, left_over }
}

/// The place of an object in the order of sending.
pub(super) fn rank(sobject: &str, parents_first: &[Arc<str>]) -> usize {
    parents_first.iter().position(|known| **known == *sobject).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet, VecDeque};

    use super::super::gather::Parent;
    use super::*;
    use crate::store::outbox::Due;

    const CUSTOMER: &str = "Stripe_Customer__c";
    const INTENT: &str = "Stripe_Payment_Intent__c";
    const CHARGE: &str = "Stripe_Charge__c";

    fn order() -> Vec<Arc<str>> {
        [CUSTOMER, INTENT, CHARGE].map(Arc::from).to_vec()
    }

    fn candidate(id: i64, sobject: &str, external_id: &str, parents: &[&str]) -> Candidate {
        let due = Due {
            id,
            sobject: sobject.to_owned(),
            external_id: external_id.to_owned(),
            parents: String::new(),
            due_at: 0,
            arrived: false,
        };
        let parent = |id: &&str| Parent { object: "object".to_owned(), id: (*id).to_owned() };
        Candidate { due, parents: parents.iter().map(parent).collect() }
    }

    fn gathered(candidates: Vec<Candidate>) -> Gathered {
        Gathered { candidates, ..Gathered::default() }
    }

    fn chosen(gathered: &Gathered, busy: &[&str], limit: usize) -> Chosen {
        choose(gathered, &|id| busy.contains(&id), limit, &|_| false, &|_| false, &|_| None)
    }

    #[test]
    fn a_child_travels_with_its_parents_or_not_at_all() {
        let family = || {
            gathered(vec![
                candidate(1, CHARGE, "ch", &["cus", "pi"]),
                candidate(2, CUSTOMER, "cus", &[]),
                candidate(3, INTENT, "pi", &["cus"]),
            ])
        };
        assert_eq!(chosen(&family(), &[], CALL_LIMIT).ids, [2, 3, 1], "whatever came first");
        assert_eq!(chosen(&family(), &[], 2).ids, [2, 3]);
        let halted = chosen(&family(), &["cus"], CALL_LIMIT);
        assert_eq!((halted.ids, halted.waits), (vec![], vec![]), "all of them touch a call under way");
        let mut later = family();
        let reason = "waits for Stripe_Customer__c cus, which was given up: no".to_owned();
        let barrier = Barrier::Until { due_ms: 9, reason: reason.clone() };
        later.candidates.remove(1);
        later.barriers.insert("cus".to_owned(), barrier);
        let Chosen { ids, mut waits, .. } = chosen(&later, &[], CALL_LIMIT);
        waits.sort_by_key(|wait| wait.id);
        let wait = |id| Wait { id, due_ms: 9, reason: reason.clone() };
        assert_eq!((ids, waits), (vec![], vec![wait(1), wait(3)]));
        later.candidates.iter_mut().for_each(|one| one.due.arrived = true);
        assert_eq!(chosen(&later, &[], CALL_LIMIT).ids, [1, 3], "what is in the org found its parents there");
    }

    #[test]
    fn calls_under_way_share_no_record() {
        let payments = gathered(vec![
            candidate(1, CHARGE, "ch_1", &["cus_1"]),
            candidate(2, CHARGE, "ch_2", &["cus_1"]),
            candidate(3, CHARGE, "ch_3", &["cus_2"]),
            candidate(4, CUSTOMER, "cus_1", &[]),
        ]);
        let Chosen { ids, behind_calls, .. } = chosen(&payments, &["cus_1"], CALL_LIMIT);
        assert_eq!((ids, behind_calls), (vec![3], 3));
    }

    #[test]
    fn a_probed_object_fills_one_collection() {
        let many = (0..700).map(|id| candidate(id, CHARGE, &format!("ch_{id}"), &[])).collect();
        let many = gathered(many);
        assert_eq!(choose(&many, &|_| false, CALL_LIMIT, &|_| true, &|_| false, &|_| None).ids.len(), 200);
        assert_eq!(chosen(&many, &[], CALL_LIMIT).ids.len(), 700);
    }

    #[test]
    fn a_record_travels_in_no_more_company_than_it_may() {
        let mut charges: Vec<_> = (0..6).map(|id| candidate(id, CHARGE, &format!("ch_{id}"), &[])).collect();
        charges.push(candidate(6, CUSTOMER, "cus", &[]));
        charges.push(candidate(7, CHARGE, "ch_7", &["cus"]));
        let many = gathered(charges);
        let chosen = |company: &[(i64, usize)]| {
            let company = |id| company.iter().find(|(row, _)| *row == id).map(|(_, most)| *most);
            let Chosen { ids, limit, .. } =
                choose(&many, &|_| false, CALL_LIMIT, &|_| false, &|_| false, &company);
            (ids, limit)
        };
        assert_eq!(chosen(&[(0, 3)]), (vec![0, 1, 2], 3), "others fill it up");
        assert_eq!(chosen(&[(0, 1), (1, 1)]), (vec![0], 1));
        assert_eq!(
            chosen(&[(2, 1), (7, 1)]),
            (vec![0, 1, 3, 4, 5, 6], CALL_LIMIT),
            "another call is for them"
        );
        assert_eq!(chosen(&[(3, 5)]), (vec![0, 1, 2, 3, 4], 5));
    }

    /// Families as they come: batches of events of one moment, sorted by object and id. As many calls under way as allowed.
    fn calls_for(families: i64, shared_by: i64) -> (usize, usize) {
        let mut waiting: Vec<Candidate> = Vec::new();
        for family in 0..families {
            let (batch, customer) = (family / 85, format!("cus_{}", family / shared_by));
            let (intent, charge) = (format!("pi_{family}"), format!("ch_{family}"));
            let mut add = |place, sobject, external_id: &str, parents: &[&str]| {
                let mut one = candidate(family * 3 + place, sobject, external_id, parents);
                one.due.due_at = batch;
                waiting.push(one);
            };
            if family % shared_by == 0 {
                add(0, CUSTOMER, &customer, &[]);
            }
            add(1, INTENT, &intent, &[&customer]);
            add(2, CHARGE, &charge, &[&customer, &intent]);
        }
        let order = order();
        waiting.sort_by_key(|one| (one.due.due_at, rank(&one.due.sobject, &order), one.due.id));
        let (mut calls, mut records) = (0, 0);
        let mut under_way: VecDeque<(Vec<Candidate>, HashSet<String>)> = VecDeque::new();
        let mut there: BTreeSet<String> = BTreeSet::new();
        loop {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            let (window, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|one| {
                let seen = seen.entry(one.due.sobject.clone()).or_default();
                *seen += 1;
                *seen <= 1_000
            });
            let mut look = gathered(window);
            let busy = |id: &str| under_way.iter().any(|(_, touched)| touched.contains(id));
            let ids = choose(&look, &busy, CALL_LIMIT, &|_| false, &|_| false, &|_| None).ids;
            let few = ids.len() < CALL_LIMIT / 2 && !under_way.is_empty();
            if !ids.is_empty() && under_way.len() < 4 && !few {
                let ids: HashSet<i64> = ids.into_iter().collect();
                let (leaving, staying): (Vec<_>, Vec<_>) =
                    look.candidates.into_iter().partition(|one| ids.contains(&one.due.id));
                look.candidates = staying;
                let touches = |one: &Candidate| {
                    let parents = one.parents.iter().map(|parent| parent.id.clone());
                    parents.chain([one.due.external_id.clone()]).collect::<Vec<_>>()
                };
                let touched: HashSet<String> = leaving.iter().flat_map(touches).collect();
                let with: HashSet<&str> = leaving.iter().map(|one| one.due.external_id.as_str()).collect();
                for parent in leaving.iter().flat_map(|one| &one.parents) {
                    assert!(there.contains(&parent.id) || with.contains(parent.id.as_str()));
                }
                calls += 1;
                records += leaving.len();
                under_way.push_back((leaving, touched));
            } else if let Some((arrived, _)) = under_way.pop_front() {
                there.extend(arrived.into_iter().map(|one| one.due.external_id));
            } else {
                assert!(look.candidates.is_empty(), "{} never leave", look.candidates.len());
                return (calls, records);
            }
            waiting = look.candidates;
            waiting.extend(rest);
        }
    }

    #[test]
    fn a_backlog_fills_its_calls() {
        let (calls, records) = calls_for(5_000, 1);
        assert_eq!(records, 15_000);
        assert!(calls <= 17, "{calls} calls");
        let (calls, records) = calls_for(5_000, 5);
        assert_eq!(records, 11_000);
        assert!(calls <= 13, "{calls} calls");
    }

    fn rows(sobject: &str, count: i64) -> Vec<Leased> {
        let row = |id| Leased {
            id,
            account: "main".to_owned(),
            sobject: sobject.to_owned(),
            external_id: format!("x_{id}"),
            event_id: "evt".to_owned(),
            fields: "{}".to_owned(),
            parents: "[]".to_owned(),
            attempts: 1,
            waiting_since: None,
            due_at: 0,
            mapping_version: String::new(),
            salesforce_id: None,
        };
        (0..count).map(row).collect()
    }

    fn shape(packed: &Packed) -> Vec<(&str, usize)> {
        packed.collections.iter().map(|c| (c[0].sobject.as_str(), c.len())).collect()
    }

    #[test]
    fn parents_travel_before_children_in_one_call() {
        let mixed = [rows(CHARGE, 2), rows(CUSTOMER, 1), rows(INTENT, 3)].concat();
        let packed = pack(mixed, &order());
        assert_eq!(shape(&packed), [(CUSTOMER, 1), (INTENT, 3), (CHARGE, 2)]);
        assert!(packed.left_over.is_empty());
    }

    #[test]
    fn a_call_of_long_texts_carries_fewer_records() {
        let mut long = rows(CUSTOMER, 300);
        long.iter_mut().for_each(|row| row.fields = "x".repeat(30_000));
        let packed = pack(long, &order());
        assert_eq!((shape(&packed), packed.left_over.len()), (vec![(CUSTOMER, 133)], 167));
        let mut huge = rows(CUSTOMER, 1);
        huge[0].fields = "x".repeat(BYTES + 1);
        assert_eq!(pack(huge, &order()).collections.len(), 1, "a record alone always travels");
    }
}
