//! Every fault of the stand-ins at every step that calls them: `tests/fixtures/faults.toml` says how each ends, and
//! `docs/fault-matrix.md` says it to operators.
//!
//! `cargo test` tries a part: each fault and each step at least once, always the same. `make faults` tries all, on both
//! databases; `FAULTS=deliver` or `FAULTS=deliver/hang` only these.

mod page;
mod run;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use paybridge::store::Backend;
use serde::Deserialize;

use run::{Case, Fault, Seen};
use steps::{Party, Step};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/faults.toml");

/// Cases under way together: most of them wait.
const AT_ONCE: usize = 6;

/// `tests/fixtures/faults.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What the words of the table mean.
    pub words: BTreeMap<String, String>,
    /// What each fault is.
    pub salesforce: BTreeMap<String, String>,
    pub stripe: BTreeMap<String, String>,
    pub step: BTreeMap<String, Section>,
}

/// A step.
#[derive(Deserialize)]
pub struct Section {
    /// What happens in it.
    pub means: String,
    /// The call that meets the fault.
    pub call: String,
    #[serde(flatten)]
    pub faults: BTreeMap<String, Row>,
}

/// How a fault ends at a step.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Row {
    /// When it comes once.
    pub once: String,
    /// When it lasts for twenty minutes.
    pub lasting: String,
    /// What `/v1/status` says meanwhile.
    pub status: String,
    /// What the same request with the same key is answered afterwards; `done` if nothing is said.
    pub again: String,
    /// And the next day.
    pub next_day: String,
    /// What is not as it should be at Stripe in the end, if anything.
    pub amiss: String,
    /// Why it cannot come at this step; then nothing else is said.
    pub never: String,
    /// Why it ends so, where that is not plain.
    pub why: String,
}

impl Row {
    fn expects(&self, column: &str) -> &str {
        match column {
            "once" => &self.once,
            "lasting" => &self.lasting,
            "status" => &self.status,
            "again" if self.again.is_empty() => "done",
            "again" => &self.again,
            "next_day" if self.next_day.is_empty() => "done",
            "next_day" => &self.next_day,
            "amiss" => &self.amiss,
            _ => panic!("no column is called {column}"),
        }
    }
}

pub fn table() -> Table {
    toml::from_str(&std::fs::read_to_string(TABLE).unwrap()).unwrap()
}

#[test]
fn every_fault_has_its_row_at_every_step() {
    let table = table();
    let steps: BTreeSet<&str> = Step::ALL.iter().map(|step| step.name()).collect();
    assert_eq!(table.step.keys().map(String::as_str).collect::<BTreeSet<_>>(), steps);
    for (party, described) in [(Party::Salesforce, &table.salesforce), (Party::Stripe, &table.stripe)] {
        let names: BTreeSet<String> = Fault::all_of(party).into_iter().map(Fault::name).collect();
        assert_eq!(described.keys().cloned().collect::<BTreeSet<_>>(), names, "{party:?}");
        for step in Step::ALL.iter().filter(|step| step.party() == party) {
            let rows = &table.step[step.name()].faults;
            assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), names, "{step:?}");
            for fault in Fault::all_of(party) {
                let row = &rows[&fault.name()];
                let (said, never) = (!row.once.is_empty() && !row.lasting.is_empty(), !row.never.is_empty());
                assert_eq!(
                    (said, never),
                    (fault.can_meet(*step), !fault.can_meet(*step)),
                    "{step:?} {row:?}"
                );
                for word in [&row.once, &row.lasting] {
                    let is_problem = word.split(' ').next().is_some_and(|code| code.parse::<u16>().is_ok());
                    let is_known = is_problem || word.is_empty() || table.words.contains_key(word);
                    assert!(is_known, "{step:?} {}: nobody says what `{word}` means", fault.name());
                }
            }
        }
    }
}

#[test]
fn every_fault_at_every_step_ends_as_it_is_written() {
    let wanted = std::env::var("FAULTS").ok();
    let cases = match wanted.as_deref() {
        None => a_few(),
        Some("all") => [Backend::Sqlite, Backend::Postgres].into_iter().flat_map(all).collect(),
        Some(wanted) => {
            let name = |case: &Case| format!("{}/{}", case.step.name(), case.fault.name());
            let is_wanted = |case: &Case| wanted == case.step.name() || wanted == name(case);
            all(Backend::Sqlite).into_iter().filter(is_wanted).collect()
        }
    };
    assert!(cases.len() > 1, "no step is called {wanted:?}");
    let (table, count) = (table(), cases.len());
    let mut wrong = Vec::new();
    for (case, seen) in run_all(cases) {
        let (step, fault) = (case.step.name(), case.fault.name());
        let row =
            table.step.get(step).and_then(|section| section.faults.get(&fault)).cloned().unwrap_or_default();
        let place =
            format!("{step} {fault} {} {:?}", if case.lasts { "lasting" } else { "once" }, case.backend);
        match seen {
            Err(panicked) => wrong.push(format!("{place}: {panicked}")),
            Ok(seen) => wrong.extend(seen.into_iter().filter_map(|(column, seen)| {
                let expected = row.expects(column);
                (seen != expected).then(|| format!("{place}: {column} is `{seen}`, not `{expected}`"))
            })),
        }
    }
    println!("{count} cases");
    assert!(wrong.is_empty(), "of {count} cases\n{}", wrong.join("\n"));
}

/// Each pair, once and lasting.
fn all(backend: Backend) -> Vec<Case> {
    let mut cases = Vec::new();
    for step in Step::ALL {
        for fault in Fault::all_of(step.party()).into_iter().filter(|fault| fault.can_meet(*step)) {
            cases.extend([false, true].map(|lasts| Case { step: *step, fault, lasts, backend }));
        }
    }
    cases
}

/// Each fault and each step at least once.
fn a_few() -> Vec<Case> {
    let mut pairs = Vec::new();
    for party in [Party::Salesforce, Party::Stripe] {
        let steps: Vec<Step> = Step::ALL.iter().copied().filter(|step| step.party() == party).collect();
        let faults = Fault::all_of(party);
        for turn in 0..steps.len().max(faults.len()) {
            let (fault, from) = (faults[turn % faults.len()], turn % steps.len());
            let in_turn = steps[from..].iter().chain(&steps[..from]);
            pairs.extend(in_turn.copied().find(|step| fault.can_meet(*step)).map(|step| (step, fault)));
        }
    }
    let case = |(turn, (step, fault)): (usize, (Step, Fault))| {
        // Who asks is kept waiting by a fault that lasts.
        let lasts = turn % 2 == 0 && !step.is_asked();
        Case { step, fault, lasts, backend: Backend::Sqlite }
    };
    pairs.into_iter().enumerate().map(case).collect()
}

fn run_all(cases: Vec<Case>) -> Vec<(Case, Result<Seen, String>)> {
    let (queue, ended) = (Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().next() else { return };
                    let seen = run_one(case);
                    ended.lock().unwrap().push((case, seen));
                }
            });
        }
    });
    ended.into_inner().unwrap()
}

/// Each has a runtime of its own, so that nothing is left of it.
fn run_one(case: Case) -> Result<Seen, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let seen = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(case.run())));
    runtime.shutdown_background();
    seen.map_err(|panicked| match (panicked.downcast_ref::<String>(), panicked.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (_, Some(text)) => (*text).to_owned(),
        _ => "it panicked".to_owned(),
    })
}
