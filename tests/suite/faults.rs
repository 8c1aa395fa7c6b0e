//! What goes wrong on the way makes no difference in the end.
//!
//! The whole story is told many times over, each time about other objects, while each fault of the Salesforce stand-in
//! comes in one of twenty calls and Stripe's reads fail, too. Every copy must end as `tests/fixtures/story.ends.toml` says
//! the story ends without any fault.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use paybridge::sandbox::{salesforce, stripe};
use paybridge::store::outbox;
use serde_json::Value;

use crate::bridge::Bridge;
use crate::each_backend;
use crate::ends::{self, Record};
use crate::story;

each_backend!(with_every_fault_in_one_of_twenty_calls_every_record_is_right);

const COPIES: usize = 24;
const SEED: u64 = 20_261_125;
/// Of the calls that a fault concerns.
const PERCENT: usize = 5;

/// The story about other objects: each of its ids gets another end.
struct Copies {
    /// The longest first.
    ids: Vec<String>,
}

impl Copies {
    fn new() -> Self {
        let mut ids = BTreeSet::new();
        for event in story::story() {
            let event: Value = serde_json::from_str(event).unwrap();
            gather(&event, &mut ids);
        }
        ids.extend(ends::table().into_keys());
        let mut ids: Vec<_> = ids.into_iter().collect();
        ids.sort_by_key(|id| std::cmp::Reverse(id.len()));
        Self { ids }
    }

    fn copy(&self, text: &str, number: usize) -> String {
        let mut text = text.to_owned();
        for id in &self.ids {
            text = text.replace(&format!("\"{id}\""), &format!("\"{}\"", Self::id(id, number)));
        }
        text
    }

    fn id(id: &str, number: usize) -> String {
        format!("{id}x{number}")
    }

    fn end(&self, record: &Record, number: usize) -> Record {
        let other = |value: &String| match self.ids.contains(value) {
            true => Self::id(value, number),
            false => value.clone(),
        };
        record.iter().map(|(field, value)| (field.clone(), other(value))).collect()
    }
}

/// The ids of events, objects and balance transactions.
fn gather(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("id" | "balance_transaction" | "failure_balance_transaction", Value::String(id)) => {
                        ids.insert(id.clone());
                    }
                    _ => gather(value, ids),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| gather(element, ids)),
        _ => {}
    }
}

/// All but the refusal of a request as malformed: it says of the request that it will never be taken.
fn passing_faults() -> Vec<salesforce::Fault> {
    use salesforce::Fault;
    Fault::ALL.into_iter().filter(|fault| *fault != Fault::MalformedRequest).collect()
}

fn faults_of_stripe() -> Vec<stripe::Fault> {
    stripe::Fault::names().map(|name| name.parse().unwrap()).collect()
}

async fn with_every_fault_in_one_of_twenty_calls_every_record_is_right(first: Bridge) {
    // As many tries as by default: of one that travels alone, each can break.
    let patience = [
        ("SALESFORCE__MAIN__TIMEOUT_MS", "500"),
        ("STRIPE__MAIN__TIMEOUT_MS", "500"),
        ("DELIVERY__MAX_ATTEMPTS", "15"),
    ];
    let bridge = Bridge::start_with(first.backend, &patience).await;
    let copies = Copies::new();
    story::set_the_scene(&bridge, &[]);
    for object in story::at_stripe() {
        for number in 0..COPIES {
            bridge.stripe.insert(serde_json::from_str(&copies.copy(&object.to_string(), number)).unwrap());
        }
    }
    bridge.org.at_random(SEED, PERCENT, &passing_faults());
    // There are few sign-ins.
    bridge.org.fail_next(1, salesforce::Fault::InvalidGrant);
    bridge.stripe.at_random(SEED, PERCENT, &faults_of_stripe());

    // Roughly in the order of the story, as Stripe delivers; some come long after they happened, one in five twice.
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut events = Vec::new();
    for (place, event) in story::story().into_iter().enumerate() {
        for number in 0..COPIES {
            for _ in 0..=usize::from(random.usize(..5) == 0) {
                let late = if random.usize(..10) == 0 { random.usize(..60) } else { random.usize(..4) };
                events.push((place + late, copies.copy(event, number)));
            }
        }
    }
    random.shuffle(&mut events);
    events.sort_by_key(|(place, _)| *place);
    let mut told = 0;
    for (number, (_, event)) in events.iter().enumerate() {
        let answer = bridge.receive(event).await;
        let wrong_mode = event.contains(r#""livemode":true"#);
        assert_eq!(answer.status, if wrong_mode { 400 } else { 200 }, "{}", answer.body);
        told += usize::from(!wrong_mode);
        if number % 10 == 0 {
            bridge.drain().await;
            bridge.clock.advance(Duration::from_secs(random.u64(1..20)));
        }
    }
    assert!(told > 2_400, "{told} events");

    // The faults go on until everything has arrived.
    for _ in 0..200 {
        bridge.drain_for(Duration::from_secs(300)).await;
        let counts = bridge.counts().await;
        if counts.pending + counts.leased == 0 {
            break;
        }
    }
    let counts = bridge.counts().await;
    let mut given_up = Vec::new();
    for dead in bridge.store().read(|conn| outbox::dead_letters(conn, 3)).await.unwrap() {
        given_up.push((dead.external_id, bridge.attempts(dead.id).await));
    }
    assert_eq!(
        (counts.pending, counts.leased, counts.dead),
        (0, 0, 0),
        "{counts:?}; given up: {given_up:#?}"
    );
    let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
    bridge.org.calls().into_iter().for_each(|call| *answers.entry(call.status).or_default() += 1);
    for status in [0, 200, 400, 401, 403, 429, 500, 502, 503] {
        assert!(answers.contains_key(&status), "no call was answered {status}: {answers:?}");
    }
    let calls = answers.values().sum::<usize>();
    assert!(calls > 200 && answers[&200] * 4 < calls * 3, "too little went wrong: {answers:?}");
    let mut expected = BTreeMap::new();
    for (id, record) in ends::table() {
        for number in 0..COPIES {
            expected.insert(Copies::id(&id, number), copies.end(&record, number));
        }
    }
    ends::assert_same(&ends::in_the_org(&bridge), &expected, "through all faults");
}
