//! One story of 105 events ends in the records that `tests/fixtures/story.ends.toml` says, in whatever order it is told.
//!
//! End to end, with HTTP, both stand-ins and a fresh database each: story order, reversed, and a few random orders with
//! duplicates. 200 random orders with duplicates more are told to inbox, mapping and merge alone (`telling.rs` says why
//! that suffices); there, what is read from Stripe is one of the events, so that it comes in every place of the order.

use std::collections::BTreeMap;
use std::time::Duration;

use paybridge::sandbox::salesforce::Salesforce;
use paybridge::store::inbox;
use serde_json::{Value, json};

use crate::bridge::Bridge;
use crate::each_backend;
use crate::ends;
use crate::telling::{self, API_VERSION, Pace, Told};

each_backend!(
    the_story_ends_as_it_is_written,
    told_in_any_order_end_to_end_it_ends_the_same,
    told_in_two_hundred_orders_it_ends_the_same,
    an_event_in_another_api_version_is_read_again_or_set_aside_with_the_reason,
    each_event_in_another_api_version_is_set_aside_when_its_object_is_gone,
);

const STORY: &str = include_str!("../fixtures/story.jsonl");

/// Later than all of it.
pub const AFTERWARDS: i64 = 1_801_850_400;

/// The Salesforce records that the story's metadata names. It also names two that cannot be: their checksums are wrong.
const LINKED: [(&str, &str); 7] = [
    ("Account", "0015g00000XyZaBAAV"),
    ("Opportunity", "0065g00000QwErTAAV"),
    ("Opportunity", "0065g00000FfFfFAAV"),
    ("Opportunity", "0065g00000JjJjJAAV"),
    ("Opportunity", "0065g00000KkKkKAAV"),
    ("Opportunity", "0065g00000DdDdDAAV"),
    ("Order", "8015g00000CcCcCAAV"),
];

/// Objects of which an event has another API version.
const SPOKEN_OF_IN_ANOTHER_VERSION: [&str; 2] =
    ["in_1VYeUTB1JQOzdLQLdI6V5rYb", "sub_1ltdeck1JQOzdLQLJ9wSQ6HM"];

pub fn story() -> Vec<&'static str> {
    STORY.lines().collect()
}

/// The story without the event of live mode, which is refused before it is stored.
pub fn accepted() -> Vec<Told> {
    story().into_iter().filter(|event| !event.contains(r#""livemode":true"#)).map(Told::parse).collect()
}

fn events() -> Vec<Value> {
    story().into_iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

/// What has to be read: parents that no event speaks of, as they are at Stripe, and what an event of another version
/// speaks of, as the last event in ours left it.
pub fn at_stripe() -> Vec<Value> {
    let events = events();
    let like = |kind: &str, changes: Value| {
        let mut object = events.iter().find(|event| event["type"] == kind).unwrap()["data"]["object"].clone();
        for (name, value) in changes.as_object().unwrap() {
            object[name] = value.clone();
        }
        object
    };
    let debit = json!(["us_bank_account"]);
    let refused = json!({
        "code": "payment_method_provider_decline", "message": "The bank refused the debit.", "type": "invalid_request_error",
    });
    let opportunity = json!({"sf_object": "Opportunity", "sf_record_id": "0065g00000DdDdDAAV"});
    let mut objects = vec![
        like(
            "payment_intent.succeeded",
            json!({
                "id": "pi_3rgE40L31JQOzdLQLqZ5hDAk", "amount": 9900, "amount_received": 9900, "description": "Disputed order",
                "latest_charge": "ch_3rgE40L31JQOzdLQLqZ5hDIk", "metadata": opportunity,
            }),
        ),
        like(
            "payment_intent.succeeded",
            json!({
                "id": "pi_3ea0Mq7K1JQOzdLQLH8f1VGK", "amount": 80000, "amount_received": 80000, "description": null,
                "latest_charge": null, "payment_method_types": debit,
            }),
        ),
        like(
            "payment_intent.succeeded",
            json!({
                "id": "pi_3eNNBtBd1JQOzdLQLgJ8pTs2", "amount": 81000, "amount_received": 0, "description": null,
                "latest_charge": null, "payment_method_types": debit, "status": "requires_payment_method",
                "last_payment_error": refused,
            }),
        ),
        like(
            "payment_intent.succeeded",
            json!({
                "id": "pi_39an4BKG1JQOzdLQLAE1pWOi", "amount": 4200, "amount_received": 4200, "description": null,
                "latest_charge": "ch_39an4BKG1JQOzdLQLAE1pWGf",
            }),
        ),
        like(
            "charge.succeeded",
            json!({
                "id": "ch_39an4BKG1JQOzdLQLAE1pWGf", "amount": 4200, "amount_captured": 4200, "description": null,
                "disputed": true, "payment_intent": "pi_39an4BKG1JQOzdLQLAE1pWOi",
            }),
        ),
    ];
    for id in SPOKEN_OF_IN_ANOTHER_VERSION {
        let last =
            events.iter().rfind(|e| e["api_version"] == API_VERSION && e["data"]["object"]["id"] == id);
        objects.push(last.unwrap()["data"]["object"].clone());
    }
    objects
}

/// Stripe knows all that has to be read, but for `unknown`; it is later than all of the story.
pub fn set_the_scene(bridge: &Bridge, unknown: &[&str]) {
    let seed =
        |org: &Salesforce| LINKED.iter().for_each(|(object, id)| drop(org.insert(object, Some(id), &[])));
    seed(&bridge.org);
    let known = at_stripe().into_iter().filter(|object| !unknown.contains(&object["id"].as_str().unwrap()));
    known.for_each(|object| bridge.stripe.insert(object));
    let ahead = u64::try_from(AFTERWARDS - bridge.clock.now().unix_timestamp()).unwrap_or(0);
    bridge.clock.advance(Duration::from_secs(ahead));
}

async fn tell(bridge: &Bridge, events: &[&str]) {
    for event in events {
        let answer = bridge.receive(event).await;
        let wrong_mode = event.contains(r#""livemode":true"#);
        assert_eq!(answer.status, if wrong_mode { 400 } else { 200 }, "{}", answer.body);
    }
    bridge.drain_for(Duration::from_secs(120)).await;
}

/// Shuffles the events, one in five of them twice.
pub fn shuffled<T: Clone>(events: &[T], random: &mut fastrand::Rng) -> Vec<T> {
    let mut events = events.to_vec();
    let twice: Vec<_> = (0..events.len() / 5).map(|_| events[random.usize(..events.len())].clone()).collect();
    events.extend(twice);
    random.shuffle(&mut events);
    events
}

async fn the_story_ends_as_it_is_written(bridge: Bridge) {
    set_the_scene(&bridge, &[]);
    tell(&bridge, &story()).await;
    ends::assert_same(&ends::in_the_org(&bridge), &ends::table(), "story order");
    for id in at_stripe().iter().map(|object| object["id"].as_str().unwrap()) {
        let reads = bridge.stripe.calls().into_iter().filter(|call| call.path.ends_with(id)).count();
        assert_eq!(reads, 1, "{id}");
    }
}

async fn told_in_any_order_end_to_end_it_ends_the_same(first: Bridge) {
    let mut random = fastrand::Rng::with_seed(20_261_120);
    let backwards = story().into_iter().rev().collect();
    let orders = std::iter::once(backwards).chain((0..5).map(|_| shuffled(&story(), &mut random)));
    let mut bridge = first;
    for (number, order) in orders.enumerate() {
        if number > 0 {
            bridge = Bridge::start(bridge.backend).await;
        }
        set_the_scene(&bridge, &[]);
        tell(&bridge, &order).await;
        ends::assert_same(&ends::in_the_org(&bridge), &ends::table(), &format!("order {number}"));
    }
}

async fn told_in_two_hundred_orders_it_ends_the_same(bridge: Bridge) {
    let mut random = fastrand::Rng::with_seed(20_261_121);
    let mut events = accepted();
    events.extend(at_stripe().iter().map(|object| Told::read(object, AFTERWARDS)));
    let backwards = events.iter().rev().cloned().collect();
    let orders = [events.clone(), backwards].into_iter();
    let orders: Vec<_> = orders.chain((0..200).map(|_| shuffled(&events, &mut random))).collect();
    let ends = telling::tell(&bridge, "story", &orders, Pace::UpTo(40)).await;
    for (number, end) in ends.iter().enumerate() {
        assert_eq!(end.rows, ends[0].rows, "order {number}");
    }
    let found: BTreeMap<_, _> = ends[0]
        .rows
        .iter()
        .map(|((object, id), row)| (id.clone(), ends::in_the_outbox(object, &row.fields)))
        .collect();
    ends::assert_same(&found, &ends::table(), "every order");
}

/// The story has two such events; here Stripe knows the invoice and not the subscription any more.
async fn an_event_in_another_api_version_is_read_again_or_set_aside_with_the_reason(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let [invoice, subscription] = SPOKEN_OF_IN_ANOTHER_VERSION;
    set_the_scene(&bridge, &[subscription]);
    tell(&bridge, &story()).await;
    let dead = bridge.store().read(|conn| inbox::dead_letters(conn, 10)).await.unwrap();
    let [dead] = dead.as_slice() else { panic!("{dead:?}") };
    assert_eq!(dead.event_id, "evt_1nnHAEP1JQOzdLQLbkAZeEwx");
    let reason = dead.last_error.as_deref().unwrap();
    assert!(reason.contains(&format!("Stripe has no subscription `{subscription}`")), "{reason}");
    for id in [invoice, subscription] {
        let (status, told) = bridge.api("GET", &format!("/v1/trace/{id}"), None).await;
        assert!(status == 200 && told.to_string().contains("written in API version 2024-06-20"), "{told:#}");
    }
    let (found, mut expected) = (ends::in_the_org(&bridge), ends::table());
    assert_eq!(found[invoice]["Last_Event_Id__c"], ends::READ);
    // The last event in our version says the same as what would have been read.
    let last = expected.get_mut(subscription).unwrap();
    last.insert("Last_Event_Id__c".to_owned(), "evt_1J7H7o31JQOzdLQLhagCKLSV".to_owned());
    last.insert("Last_Event_At__c".to_owned(), "2026-12-04T11:00:01Z".to_owned());
    ends::assert_same(&found, &expected, "without the subscription");
}

/// One read serves them all, and so does its failure.
async fn each_event_in_another_api_version_is_set_aside_when_its_object_is_gone(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let old = story().into_iter().find(|event| event.contains("evt_1nnHAEP1JQOzdLQLbkAZeEwx")).unwrap();
    let another = old.replace("evt_1nnHAEP1JQOzdLQLbkAZeEwx", "evt_another");
    tell(&bridge, &[old, &another]).await;
    let dead = bridge.store().read(|conn| inbox::dead_letters(conn, 10)).await.unwrap();
    let told: Vec<_> = dead.iter().map(|dead| dead.event_id.as_str()).collect();
    assert_eq!(told, ["evt_1nnHAEP1JQOzdLQLbkAZeEwx", "evt_another"]);
    assert!(
        dead.iter().all(|dead| dead.last_error.as_deref().unwrap().contains("Stripe has no subscription"))
    );
}
