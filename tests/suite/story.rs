//! One story of 105 events ends in the same records, in whatever order it is told.

use std::collections::BTreeMap;

use paybridge::sandbox::salesforce::Salesforce;

use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(every_order_of_the_story_ends_in_the_same_records, amounts_of_all_currencies_are_exact);

const STORY: &str = include_str!("../fixtures/story.jsonl");
const OBJECTS: [&str; 4] =
    ["Stripe_Customer__c", "Stripe_Payment_Intent__c", "Stripe_Charge__c", "Stripe_Refund__c"];

/// The Salesforce records that the story's metadata names.
const LINKED: [(&str, &str); 7] = [
    ("Account", "0015g00000XyZaBAAV"),
    ("Opportunity", "0065g00000QwErTAAV"),
    ("Opportunity", "0065g00000FfFfFAAV"),
    ("Opportunity", "0065g00000JjJjJAAV"),
    ("Opportunity", "0065g00000KkKkKAAV"),
    ("Opportunity", "0065g00000DdDdDAAV"),
    ("Order", "8015g00000CcCcCAAV"),
];

fn story() -> Vec<&'static str> {
    STORY.lines().collect()
}

fn seed(org: &Salesforce) {
    for (sobject, id) in LINKED {
        org.insert(sobject, Some(id), &[]);
    }
}

/// All records of the four objects by Stripe id; lookups as the Stripe ids of what they point to.
fn records(bridge: &Bridge) -> BTreeMap<String, BTreeMap<String, String>> {
    const OF_THE_ORG: [&str; 4] = ["Id", "CreatedDate", "LastModifiedDate", "SystemModstamp"];
    let mut stripe_ids = BTreeMap::new();
    for object in OBJECTS {
        for record in bridge.org.records(object) {
            stripe_ids.insert(record.id.clone(), record.text("Stripe_Id__c").unwrap().to_string());
        }
    }
    let mut found = BTreeMap::new();
    for object in OBJECTS {
        for record in bridge.org.records(object) {
            let mut fields = BTreeMap::new();
            for name in record.fields.keys().filter(|name| !OF_THE_ORG.contains(&name.as_str())) {
                let text = record.text(name).unwrap().to_string();
                fields.insert(name.clone(), stripe_ids.get(&text).cloned().unwrap_or(text));
            }
            found.insert(stripe_ids[&record.id].clone(), fields);
        }
    }
    found
}

async fn tell(bridge: &Bridge, events: &[&str]) {
    for event in events {
        let answer = bridge.receive(event).await;
        let wrong_mode = event.contains(r#""livemode":true"#);
        assert_eq!(answer.status, if wrong_mode { 400 } else { 200 }, "{}", answer.body);
    }
    bridge.drain_for(std::time::Duration::from_secs(120)).await;
}

/// The payment intent of the disputed charge has no event of its own; Stripe knows it, and it is read from there.
fn the_intent_nobody_spoke_of(bridge: &Bridge) {
    let known = story().into_iter().find(|e| e.contains(r#""payment_intent.succeeded""#)).unwrap();
    let mut intent: serde_json::Value = serde_json::from_str(known).unwrap();
    let intent = intent["data"]["object"].as_object_mut().unwrap();
    intent.insert("id".to_owned(), "pi_3rgE40L31JQOzdLQLqZ5hDAk".into());
    bridge.stripe.insert(serde_json::Value::Object(intent.clone()));
}

async fn every_order_of_the_story_ends_in_the_same_records(first: Bridge) {
    let mut random = fastrand::Rng::with_seed(20_261_120);
    let mut expected = None;
    for order in 0..22 {
        let another;
        let bridge = if order == 0 {
            &first
        } else {
            another = Bridge::start(first.backend).await;
            &another
        };
        seed(&bridge.org);
        the_intent_nobody_spoke_of(bridge);
        let mut events = story();
        match order {
            0 => {}
            1 => events.reverse(),
            _ => {
                let duplicates: Vec<_> =
                    (0..events.len() / 5).map(|_| events[random.usize(..events.len())]).collect();
                events.extend(duplicates);
                random.shuffle(&mut events);
            }
        }
        tell(bridge, &events).await;
        let mut records = records(bridge);
        // Read from Stripe at a time of its own, under an id of our own.
        let read = records.get_mut("pi_3rgE40L31JQOzdLQLqZ5hDAk").expect("the parent was read from Stripe");
        assert!(read.remove("Last_Event_Id__c").unwrap().starts_with("fetch_"));
        read.remove("Last_Event_At__c").unwrap();
        assert_eq!(records.len(), 24, "{:?}", records.keys());
        match &expected {
            None => expected = Some(records),
            Some(expected) => assert_eq!(&records, expected, "order {order}"),
        }
    }
    let expected = expected.unwrap();
    for (id, field, value) in [
        ("cus_Mc3yj4lSDkF5uU", "Status__c", "Deleted"),
        ("cus_Mc3yj4lSDkF5uU", "Account__c", "0015g00000XyZaBAAV"),
        ("ch_3dasZXV81JQOzdLQLzXCa502", "Status__c", "Partially Refunded"),
        ("ch_3dasZXV81JQOzdLQLzXCa502", "Amount_Refunded__c", "50.00"),
        ("ch_3rgE40L31JQOzdLQLqZ5hDIk", "Status__c", "Disputed"),
        ("re_3a5vQeck1JQOzdLQLCZvdhJx", "Status__c", "Failed"),
        ("re_3a5vQeck1JQOzdLQLCZvdhJx", "Charge__c", "ch_3dasZXV81JQOzdLQLzXCa502"),
        ("pi_3krFG0ur1JQOzdLQLc1I7mID", "Status__c", "Completed"),
        ("pi_3WQ5SkBx1JQOzdLQLmHIckK7", "Status__c", "Canceled"),
        ("pi_3HcwJ8nq1JQOzdLQL6cajFCm", "Status__c", "Action Required"),
        ("pi_3dasZXV81JQOzdLQLzXCa5Sb", "Opportunity__c", "0065g00000QwErTAAV"),
    ] {
        assert_eq!(expected[id][field], value, "{id} {field}");
    }
}

async fn amounts_of_all_currencies_are_exact(bridge: Bridge) {
    seed(&bridge.org);
    let about_money =
        |event: &&str| event.contains(r#""currency":"jpy""#) || event.contains(r#""currency":"kwd""#);
    let events: Vec<_> = story().into_iter().filter(about_money).collect();
    let customer = story().into_iter().find(|event| event.contains(r#""type":"customer.created""#)).unwrap();
    tell(&bridge, &[&[customer], events.as_slice()].concat()).await;
    let records = records(&bridge);
    let amounts = |id: &str| (records[id]["Amount__c"].as_str(), records[id]["Currency__c"].as_str());
    assert_eq!(amounts("ch_3cX1Xcjz1JQOzdLQLwryae7U"), ("5000", "JPY"));
    assert_eq!(amounts("pi_3cX1Xcjz1JQOzdLQLwryaePw"), ("5000", "JPY"));
    assert_eq!(amounts("ch_3FzoM9f81JQOzdLQLoTH7oxp"), ("12.340", "KWD"));
    assert_eq!(amounts("pi_3FzoM9f81JQOzdLQLoTH7o7z"), ("12.340", "KWD"));
}
