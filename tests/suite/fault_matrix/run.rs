//! One fault at one step, once or for twenty minutes: what became of it, in the words of the table.

use std::collections::BTreeSet;
use std::time::Duration;

use paybridge::sandbox::{salesforce, stripe};
use paybridge::store::{Backend, standing};
use serde_json::{Value, json};

use super::steps::{Ask, Party, Scene, Step};
use crate::bridge::Bridge;
use crate::ends;

/// A fault that lasts, lasts so many minutes.
pub const MINUTES: usize = 20;
/// In so many minutes calls and sign-ins may be so many at most: what is tried again is not tried in a storm.
const MOST_CALLS: usize = 100;
const MOST_SIGN_INS: usize = 45;
/// Where nobody answers, it is not waited for long.
const IMPATIENT: [(&str, &str); 4] = [
    ("SALESFORCE__MAIN__TIMEOUT_MS", "1000"),
    ("STRIPE__MAIN__TIMEOUT_MS", "1000"),
    ("API__PATIENCE_MS", "7000"),
    ("API__LEASE_SECONDS", "11"),
];

/// A fault of a stand-in.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Salesforce(salesforce::Fault),
    Stripe(stripe::Fault),
}

impl Fault {
    pub fn all_of(party: Party) -> Vec<Self> {
        match party {
            Party::Salesforce => salesforce::Fault::ALL.into_iter().map(Self::Salesforce).collect(),
            Party::Stripe => stripe::Fault::names().map(|name| Self::Stripe(name.parse().unwrap())).collect(),
        }
    }

    pub fn name(self) -> String {
        match self {
            Self::Salesforce(fault) => fault.name().to_owned(),
            Self::Stripe(fault) => fault.to_string(),
        }
    }

    fn hangs(self) -> bool {
        matches!(self, Self::Salesforce(salesforce::Fault::Hang) | Self::Stripe(stripe::Fault::Hang))
    }

    /// Whether a call of this step can meet it.
    pub fn can_meet(self, step: Step) -> bool {
        match self {
            Self::Salesforce(fault) if step == Step::SignIn => fault.can_meet_sign_in(),
            Self::Salesforce(fault) => fault.can_meet_data(),
            Self::Stripe(_) => step.party() == Party::Stripe,
        }
    }

    fn begin(self, step: Step, bridge: &Bridge, lasts: bool) {
        match (self, lasts) {
            (Self::Salesforce(fault), false) if step == Step::SignIn => {
                bridge.org.fail_next_sign_in(1, fault)
            }
            (Self::Salesforce(fault), true) if step == Step::SignIn => bridge.org.fail_all_sign_ins(fault),
            (Self::Salesforce(fault), false) => bridge.org.fail_next(1, fault),
            (Self::Salesforce(fault), true) => bridge.org.fail_all(fault),
            (Self::Stripe(fault), false) => bridge.stripe.fail_next(1, fault),
            (Self::Stripe(fault), true) => bridge.stripe.fail_all(fault),
        }
        match step.party() {
            Party::Salesforce => bridge.org.begin_faults_at(step.is_begun_by()),
            Party::Stripe => bridge.stripe.begin_faults_at(step.is_begun_by()),
        }
    }
}

/// One cell of the table.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub step: Step,
    pub fault: Fault,
    pub lasts: bool,
    pub backend: Backend,
}

/// What was seen, by the column of the table.
pub type Seen = Vec<(&'static str, String)>;

impl Case {
    pub async fn run(self) -> Seen {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("mapping.toml");
        let mut settings = if self.fault.hangs() { IMPATIENT.to_vec() } else { Vec::new() };
        if let Some(mapping) = self.step.mapping() {
            std::fs::write(&file, mapping).unwrap();
            settings.push(("MAPPING__FILE", file.to_str().unwrap()));
        }
        let mut bridge = Bridge::start_as(self.backend, &settings, !self.step.is_the_first()).await;
        bridge.expect_dead_letters();
        let scene = self.step.prepare(&bridge).await;
        let (calls, sign_ins) = (count_calls(self.step, &bridge), bridge.sign_ins());
        self.fault.begin(self.step, &bridge, self.lasts);
        let seen = match (&scene.ask, self.lasts) {
            (Some(ask), lasts) => asked(&bridge, &scene, ask, lasts).await,
            (None, true) => lasting(self.step, &bridge, &scene).await,
            (None, false) => once(self.step, &bridge, &scene).await,
        };
        let (calls, sign_ins) = (count_calls(self.step, &bridge) - calls, bridge.sign_ins() - sign_ins);
        let items = scene.ask.as_ref().map_or(1, |ask| ask.items);
        assert!(calls <= MOST_CALLS * items, "{calls} calls");
        assert!(sign_ins <= MOST_SIGN_INS, "{sign_ins} sign-ins");
        bridge.stop().await;
        seen
    }
}

fn count_calls(step: Step, bridge: &Bridge) -> usize {
    match step.party() {
        Party::Salesforce => bridge.org.calls().len(),
        Party::Stripe => bridge.stripe.calls().len(),
    }
}

fn assert_met(bridge: &Bridge) {
    let waiting = bridge.org.faults_waiting() + bridge.stripe.faults_waiting();
    assert_eq!(waiting, 0, "no call met the fault");
}

async fn once(step: Step, bridge: &Bridge, scene: &Scene) -> Seen {
    step.act(bridge, scene).await;
    assert_met_soon(bridge).await;
    vec![("once", become_of(bridge, scene, 20, Duration::from_secs(30)).await)]
}

/// Some steps come about a little later.
async fn assert_met_soon(bridge: &Bridge) {
    for _ in 0..10 {
        if bridge.org.faults_waiting() + bridge.stripe.faults_waiting() == 0 {
            return;
        }
        bridge.clock.advance(Duration::from_secs(5));
        bridge.drain().await;
    }
    assert_met(bridge);
}

async fn lasting(step: Step, bridge: &Bridge, scene: &Scene) -> Seen {
    step.act(bridge, scene).await;
    let calls = || bridge.org.calls().len() + bridge.stripe.calls().len();
    // Until somebody has just been asked in vain: between two tries there may be less to say.
    for minute in 1..MINUTES + 10 {
        let before = calls();
        bridge.clock.advance(Duration::from_secs(60));
        bridge.drain().await;
        if minute >= MINUTES && calls() > before {
            break;
        }
    }
    let status = status(bridge).await;
    let arrived = amiss(bridge, scene).await.is_empty();
    bridge.org.forget_faults();
    bridge.stripe.forget_faults();
    let outcome = match arrived {
        true => "arrives all the same".to_owned(),
        false => match become_of(bridge, scene, 70, Duration::from_secs(60)).await.as_str() {
            "arrives" => "arrives afterwards".to_owned(),
            other => other.to_owned(),
        },
    };
    // Nothing is done twice, taken back or given up later.
    bridge.clock.advance(Duration::from_secs(26 * 3_600));
    bridge.drain().await;
    let amiss = amiss(bridge, scene).await;
    assert!(amiss.is_empty(), "a day later: {amiss:?}");
    vec![("lasting", outcome), ("status", status)]
}

/// Waits until everything is as it should be, replays what was given up, and says what of that was needed.
async fn become_of(bridge: &Bridge, scene: &Scene, steps: usize, step: Duration) -> String {
    let mut replayed = false;
    for turn in 0..steps * 2 {
        if amiss(bridge, scene).await.is_empty() {
            return if replayed { "given up, arrives when replayed" } else { "arrives" }.to_owned();
        }
        if turn == steps / 2 && given_up(bridge).await {
            let (status, body) =
                bridge.api("POST", "/v1/dead-letters/replay", Some(json!({ "everything": true }))).await;
            assert_eq!(status, 200, "{body:#}");
            replayed = true;
        }
        bridge.clock.advance(step);
        bridge.drain().await;
    }
    format!("{:?}", amiss(bridge, scene).await)
}

async fn given_up(bridge: &Bridge) -> bool {
    let waits = bridge.store().read(standing::waiting).await.unwrap();
    bridge.counts().await.dead > 0 || waits.dead_events > 0
}

/// What is not as it should be.
async fn amiss(bridge: &Bridge, scene: &Scene) -> Vec<String> {
    let mut amiss = Vec::new();
    for expected in &scene.records {
        let Some(record) = bridge.org.record(expected.sobject, &expected.id) else {
            amiss.push(format!("no {} {}", expected.sobject, expected.id));
            continue;
        };
        for (field, value) in &expected.fields {
            let pointed = value.strip_prefix('@').and_then(|link| link.split_once('/'));
            let pointed = pointed.map(|(sobject, id)| bridge.org.record(sobject, id).map(|record| record.id));
            let value = pointed.map_or(Some(value.clone()), |id| id);
            let found = record.text(field);
            if found != value.as_deref() {
                amiss.push(format!("{} {field}: {found:?}, not {value:?}", expected.id));
            }
        }
    }
    let mut objects = ends::objects();
    objects.extend(scene.records.iter().map(|expected| expected.sobject.to_owned()));
    let in_the_org = objects.iter().flat_map(|object| bridge.org.records(object));
    let there = in_the_org.filter(|record| record.text("Stripe_Id__c").is_some()).count();
    if !scene.records.is_empty() && there != scene.records.len() {
        amiss.push(format!("{there} records, not {}", scene.records.len()));
    }
    for (kind, count) in &scene.at_stripe {
        let there = bridge.stripe.events().iter().filter(|event| event["type"] == **kind).count();
        if there != *count {
            amiss.push(format!("{kind}: {there}, not {count}"));
        }
    }
    if let Some(id) = &scene.told {
        let told = bridge.org.records("Stripe_Event__e");
        let of_it: Vec<_> = told.iter().filter(|event| event.text("Stripe_Id__c") == Some(id)).collect();
        let events: BTreeSet<_> = of_it.iter().map(|event| event.text("Last_Event_Id__c")).collect();
        if events.len() != 2 {
            amiss.push(format!("told of {events:?}"));
        }
    }
    if let Some((caller, operation)) = &scene.operation {
        let (_, operation) = caller.get(&format!("/v1/operations/{operation}")).await;
        if (&operation["operationStatus"], &operation["succeededCount"]) != (&json!("completed"), &json!(1)) {
            amiss.push(format!("operation {}", operation["operationStatus"]));
        }
    }
    let (counts, waits) = (bridge.counts().await, bridge.store().read(standing::waiting).await.unwrap());
    let left = [counts.pending, counts.leased, counts.dead, waits.events, waits.dead_events, waits.reads];
    if left != [0; 6] {
        amiss.push(format!("pending, leased, dead, events, dead events, reads: {left:?}"));
    }
    amiss
}

/// What operators are shown.
async fn status(bridge: &Bridge) -> String {
    let (code, status) = bridge.api("GET", "/v1/status", None).await;
    assert_eq!(code, 200, "{status:#}");
    let org = &status["orgs"][0];
    let some = |value: &Value| value.as_i64().unwrap() > 0;
    let lane = match (org["laneOpen"].as_bool().unwrap(), org["needsPerson"].as_bool().unwrap()) {
        (true, _) => "",
        (false, false) => "the lane waits",
        (false, true) => "the lane waits for a person",
    };
    let mut says = vec![lane];
    if !org["heldObjects"].as_str().unwrap().is_empty() {
        says.push("objects are held");
    }
    if some(&org["recordsDead"]) || some(&status["eventsDead"]) {
        says.push("dead letters");
    }
    if some(&status["readsPending"]) {
        says.push("reads wait");
    }
    if some(&status["eventsPending"]) {
        says.push("events wait");
    }
    if lane.is_empty() && some(&org["recordsPending"]) {
        says.push("records wait");
    }
    says.retain(|word| !word.is_empty());
    if says.is_empty() { "nothing".to_owned() } else { says.join(", ") }
}

async fn asked(bridge: &Bridge, scene: &Scene, ask: &Ask, lasts: bool) -> Seen {
    let (first, operation) = answer_to(ask).await;
    if lasts {
        for _ in 0..MINUTES {
            bridge.clock.advance(Duration::from_secs(60));
            bridge.drain().await;
        }
    } else {
        assert_met(bridge);
    }
    bridge.stripe.forget_faults();
    bridge.drain_for(Duration::from_secs(if lasts { 900 } else { 60 })).await;
    let mut again = answer_to(ask).await.0;
    if let Some(operation) = operation {
        let (_, operation) = ask.caller.get(&format!("/v1/operations/{operation}")).await;
        if operation["succeededCount"] != json!(ask.items) {
            let state = operation["operationStatus"].as_str().unwrap_or_default();
            again = format!("{again}, the operation is {state}");
        }
    }
    bridge.clock.advance(Duration::from_secs(26 * 3_600));
    bridge.drain_for(Duration::from_secs(60)).await;
    let next_day = answer_to(ask).await.0;
    // Whoever is told that nothing was done, asks once more.
    for _ in 0..2 {
        answer_to(ask).await;
    }
    let amiss = amiss(bridge, scene).await;
    let amiss: Vec<_> = amiss.iter().filter(|text| !text.starts_with("pending")).collect();
    let amiss = amiss.into_iter().cloned().collect::<Vec<_>>().join(", ");
    let first = (if lasts { "lasting" } else { "once" }, first);
    vec![first, ("again", again), ("next_day", next_day), ("amiss", amiss)]
}

/// What the caller is answered, and the operation to ask about, if there is one.
async fn answer_to(ask: &Ask) -> (String, Option<String>) {
    let (status, body) = ask.caller.ask(ask.method, &ask.path, &ask.body).await;
    let code = |body: &Value| body["code"].as_str().unwrap_or_default().to_owned();
    let operation = body["operationId"].as_str().map(str::to_owned);
    let answer = match (status, body["results"].as_array()) {
        (200 | 202, Some(results)) if ask.items > 1 => {
            let succeeded = results.iter().filter(|result| result["succeeded"] == true).count();
            let codes: BTreeSet<_> = results.iter().map(|result| code(&result["problem"])).collect();
            let codes: Vec<_> = codes.into_iter().filter(|code| !code.is_empty()).collect();
            match (status, succeeded == ask.items) {
                (200, true) => "done".to_owned(),
                (202, _) => "accepted".to_owned(),
                _ => format!("{succeeded} of {} done, {}", ask.items, codes.join(", ")),
            }
        }
        (202, _) => "accepted".to_owned(),
        (200 | 201, _) => "done".to_owned(),
        _ => format!("{status} {}", code(&body)),
    };
    (answer, operation)
}
