//! One story of 105 events ends in the same records, in whatever order it is told.

use std::collections::{BTreeMap, BTreeSet};

use paybridge::sandbox::salesforce::Salesforce;
use serde_json::Value;

use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(every_order_of_the_story_ends_in_the_same_records, amounts_of_all_currencies_are_exact);

const STORY: &str = include_str!("../fixtures/story.jsonl");
const OBJECTS: [&str; 11] = [
    "Stripe_Customer__c",
    "Stripe_Payment_Intent__c",
    "Stripe_Charge__c",
    "Stripe_Refund__c",
    "Stripe_Dispute__c",
    "Stripe_Invoice__c",
    "Stripe_Subscription__c",
    "Stripe_Checkout_Session__c",
    "Stripe_Payout__c",
    "Stripe_Price__c",
    "Product2",
];

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

/// What no event of the story speaks of in our API version, and what it is like at Stripe.
const READ: [(&str, &str); 5] = [
    ("pi_3rgE40L31JQOzdLQLqZ5hDAk", "payment_intent.succeeded"),
    ("pi_3ea0Mq7K1JQOzdLQLH8f1VGK", "payment_intent.succeeded"),
    ("pi_3eNNBtBd1JQOzdLQLgJ8pTs2", "payment_intent.succeeded"),
    ("pi_39an4BKG1JQOzdLQLAE1pWOi", "payment_intent.succeeded"),
    ("ch_39an4BKG1JQOzdLQLAE1pWGf", "charge.succeeded"),
];
/// Objects that also have events in another API version, so that they are read.
const READ_AGAIN: [&str; 2] = ["in_1VYeUTB1JQOzdLQLdI6V5rYb", "sub_1ltdeck1JQOzdLQLJ9wSQ6HM"];

fn story() -> Vec<&'static str> {
    STORY.lines().collect()
}

fn seed(org: &Salesforce) {
    for (sobject, id) in LINKED {
        org.insert(sobject, Some(id), &[]);
    }
}

/// All records of these objects by Stripe id; lookups as the Stripe ids of what they point to.
fn records(bridge: &Bridge) -> BTreeMap<String, BTreeMap<String, String>> {
    const OF_THE_ORG: [&str; 4] = ["Id", "CreatedDate", "LastModifiedDate", "SystemModstamp"];
    let ours = |object| {
        let records = bridge.org.records(object).into_iter();
        records.filter_map(|record| {
            let stripe_id = record.text("Stripe_Id__c")?.to_string();
            Some((stripe_id, record))
        })
    };
    let mut stripe_ids = BTreeMap::new();
    for (stripe_id, record) in OBJECTS.into_iter().flat_map(ours) {
        stripe_ids.insert(record.id.clone(), stripe_id);
    }
    let mut found = BTreeMap::new();
    for (stripe_id, record) in OBJECTS.into_iter().flat_map(ours) {
        let mut fields = BTreeMap::new();
        for name in record.fields.keys().filter(|name| !OF_THE_ORG.contains(&name.as_str())) {
            let text = record.text(name).unwrap().to_string();
            fields.insert(name.clone(), stripe_ids.get(&text).cloned().unwrap_or(text));
        }
        found.insert(stripe_id, fields);
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

/// Puts into Stripe what the story leaves unsaid: parents without events, and what only an old event speaks of.
fn what_nobody_spoke_of(bridge: &Bridge) {
    let events = || story().into_iter().map(|event| serde_json::from_str::<Value>(event).unwrap());
    for (id, like) in READ {
        let mut object = events().find(|event| event["type"] == like).unwrap()["data"]["object"].take();
        object["id"] = id.into();
        if object["object"] == "charge" {
            object["payment_intent"] = "pi_39an4BKG1JQOzdLQLAE1pWOi".into();
        }
        bridge.stripe.insert(object);
    }
    for id in READ_AGAIN {
        let current = |event: &Value| event["api_version"] == "2026-10-28.endive";
        let last = events().rfind(|event| current(event) && event["data"]["object"]["id"] == id);
        bridge.stripe.insert(last.unwrap()["data"]["object"].take());
    }
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
        what_nobody_spoke_of(bridge);
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
        for (id, _) in READ {
            let read = records.get_mut(id).unwrap_or_else(|| panic!("{id} was not read from Stripe"));
            assert!(read["Last_Event_Id__c"].starts_with("fetch_"));
        }
        for id in READ.map(|(id, _)| id).iter().chain(&READ_AGAIN) {
            let read = records.get_mut(*id).unwrap();
            read.retain(|field, _| !field.starts_with("Last_Event_"));
        }
        assert_eq!(records.len(), 48, "{:#?}", records.keys());
        match &expected {
            None => expected = Some(records),
            Some(expected) => assert_eq!(&records, expected, "order {order}"),
        }
    }
    let expected = expected.unwrap();
    for (id, field, value) in ENDS {
        assert_eq!(expected[id].get(field).map(String::as_str), Some(value), "{id} {field}");
    }
    let awaited = "cs_test_a1e1kZrY3eiNpgRdDj8vqv8OoWCw3pT5CRkRP2Xx4xs3YlrT6mwII1ko5c";
    assert_eq!(expected[awaited].get("Opportunity__c"), None, "what is no record id is not sent");
    let told = ENDS.map(|(id, ..)| id).into_iter().collect::<BTreeSet<_>>();
    let untold: Vec<_> = expected.keys().filter(|id| !told.contains(id.as_str())).collect();
    assert!(untold.is_empty(), "{untold:?}");
}

/// How each record ends, read from the story by hand.
const ENDS: [(&str, &str, &str); 68] = [
    ("cus_Mc3yj4lSDkF5uU", "Status__c", "Deleted"),
    ("cus_Mc3yj4lSDkF5uU", "Account__c", "0015g00000XyZaBAAV"),
    ("pi_3xXbEcgA1JQOzdLQLKnvVoEg", "Status__c", "Completed"),
    ("pi_3xXbEcgA1JQOzdLQLKnvVoEg", "Amount_Received__c", "147.00"),
    ("pi_3dasZXV81JQOzdLQLzXCa5Sb", "Opportunity__c", "0065g00000QwErTAAV"),
    ("pi_3dasZXV81JQOzdLQLzXCa5Sb", "Status__c", "Completed"),
    ("pi_3maTAZ0Y1JQOzdLQL3eoCuBb", "Status__c", "Pending"),
    ("pi_3fF7p2UP1JQOzdLQL0HpJ8eR", "Status__c", "Completed"),
    ("pi_3cX1Xcjz1JQOzdLQLwryaePw", "Amount__c", "5000"),
    ("pi_3FzoM9f81JQOzdLQLoTH7o7z", "Amount__c", "12.340"),
    ("pi_3Lt9Mu7T1JQOzdLQLYJaXExq", "Status__c", "Failed"),
    ("pi_3HcwJ8nq1JQOzdLQL6cajFCm", "Status__c", "Action Required"),
    ("pi_3WQ5SkBx1JQOzdLQLmHIckK7", "Status__c", "Canceled"),
    ("pi_3krFG0ur1JQOzdLQLc1I7mID", "Status__c", "Completed"),
    ("pi_3rgE40L31JQOzdLQLqZ5hDAk", "Status__c", "Completed"),
    ("pi_3ea0Mq7K1JQOzdLQLH8f1VGK", "Status__c", "Completed"),
    ("pi_3eNNBtBd1JQOzdLQLgJ8pTs2", "Status__c", "Completed"),
    ("pi_39an4BKG1JQOzdLQLAE1pWOi", "Status__c", "Completed"),
    ("ch_3xXbEcgA1JQOzdLQLKnvVozm", "Status__c", "Completed"),
    ("ch_3dasZXV81JQOzdLQLzXCa502", "Status__c", "Partially Refunded"),
    ("ch_3dasZXV81JQOzdLQLzXCa502", "Amount_Refunded__c", "50.00"),
    ("ch_3cX1Xcjz1JQOzdLQLwryae7U", "Currency__c", "JPY"),
    ("ch_3FzoM9f81JQOzdLQLoTH7oxp", "Amount__c", "12.340"),
    ("ch_3Lt9Mu7T1JQOzdLQLYJaXE8G", "Status__c", "Failed"),
    ("ch_3rgE40L31JQOzdLQLqZ5hDIk", "Status__c", "Disputed"),
    // Captured in part: Stripe counts what was let go as refunded.
    ("ch_3fF7p2UP1JQOzdLQL0HpJ8B6", "Status__c", "Partially Refunded"),
    ("ch_3WQ5SkBx1JQOzdLQLmHIckCL", "Payment_Intent__c", "pi_3WQ5SkBx1JQOzdLQLmHIckK7"),
    ("ch_3krFG0ur1JQOzdLQLc1I7mr2", "Status__c", "Failed"),
    ("ch_3krFG0ur1JQOzdLQLc1I7mpc", "Status__c", "Completed"),
    ("ch_39an4BKG1JQOzdLQLAE1pWGf", "Payment_Intent__c", "pi_39an4BKG1JQOzdLQLAE1pWOi"),
    ("re_3POgiIjy1JQOzdLQLskw8GTa", "Status__c", "Completed"),
    ("re_3a5vQeck1JQOzdLQLCZvdhJx", "Status__c", "Failed"),
    ("re_3a5vQeck1JQOzdLQLCZvdhJx", "Charge__c", "ch_3dasZXV81JQOzdLQLzXCa502"),
    ("du_1AItjxY1JQOzdLQLWBC98Pzm", "Status__c", "Won"),
    ("du_1AItjxY1JQOzdLQLWBC98Pzm", "Charge__c", "ch_3rgE40L31JQOzdLQLqZ5hDIk"),
    ("du_1AItjxY1JQOzdLQLWBC98Pzm", "Amount__c", "99.00"),
    ("du_1deWX5L1JQOzdLQLsP0yZLa8", "Status__c", "Inquiry Closed"),
    ("du_190EYEV1JQOzdLQLHQMDp8Hy", "Status__c", "Lost"),
    ("in_1VYeUTB1JQOzdLQLdI6V5rYb", "Status__c", "Paid"),
    ("in_1VYeUTB1JQOzdLQLdI6V5rYb", "Number__c", "I0U8ZGXY-0001"),
    ("in_1iWIgL31JQOzdLQLTDulrSNY", "Status__c", "Paid"),
    ("in_1iWIgL31JQOzdLQLTDulrSNY", "Amount_Remaining__c", "0.00"),
    ("in_1iWIgL31JQOzdLQLTDulrSNY", "Subscription__c", "sub_1ltdeck1JQOzdLQLJ9wSQ6HM"),
    ("in_1z7mmp21JQOzdLQLC7r1rz13", "Status__c", "Uncollectible"),
    ("in_1z7mmp21JQOzdLQLC7r1rz13", "Total__c", "490.00"),
    ("in_1ppbrvx1JQOzdLQLZnMT4ea5", "Status__c", "Void"),
    ("sub_1ltdeck1JQOzdLQLJ9wSQ6HM", "Status__c", "Canceled"),
    ("sub_1ltdeck1JQOzdLQLJ9wSQ6HM", "Amount__c", "147.00"),
    ("sub_1ltdeck1JQOzdLQLJ9wSQ6HM", "Price_Id__c", "price_1V4kWXv1JQOzdLQLSAlL4iVt"),
    ("sub_1D9NyIR1JQOzdLQLTfffFmo9", "Status__c", "Active"),
    ("sub_1D9NyIR1JQOzdLQLTfffFmo9", "Amount__c", "49.00"),
    ("cs_test_a1iG03KAIIPSFLsf6WoHqSyYyq49g9CQzoQfS8D9bqzF0aE0Xxnh1KXm4d", "Status__c", "Completed"),
    (
        "cs_test_a1iG03KAIIPSFLsf6WoHqSyYyq49g9CQzoQfS8D9bqzF0aE0Xxnh1KXm4d",
        "Subscription__c",
        "sub_1ltdeck1JQOzdLQLJ9wSQ6HM",
    ),
    ("cs_test_a1YgceCbOfyllWXcKI9BQQcBbabbD8b50kifW1CZlD2XuuWSdbpLvo3vy8", "Status__c", "Completed"),
    (
        "cs_test_a1YgceCbOfyllWXcKI9BQQcBbabbD8b50kifW1CZlD2XuuWSdbpLvo3vy8",
        "Opportunity__c",
        "0065g00000QwErTAAV",
    ),
    ("cs_test_a1e1kZrY3eiNpgRdDj8vqv8OoWCw3pT5CRkRP2Xx4xs3YlrT6mwII1ko5c", "Status__c", "Completed"),
    ("cs_test_a1jU8GaNk9xI7I4fEqPrAhs3yM07DDfZqiRcVn1hfqOC907Glh3d5oR9IY", "Status__c", "Expired"),
    ("cs_test_a1F2wQx7YhYiTL9HTqwNs2WHC6shiEdlItodufYzr2xvbJXGtu3Flm9KL7", "Status__c", "Failed"),
    ("cs_test_a1F2wQx7YhYiTL9HTqwNs2WHC6shiEdlItodufYzr2xvbJXGtu3Flm9KL7", "Amount_Total__c", "810.00"),
    ("po_1ocBgnR1JQOzdLQL3Jj6pp0R", "Status__c", "Paid"),
    ("po_1ocBgnR1JQOzdLQL3Jj6pp0R", "Arrival_Date__c", "2026-10-11"),
    ("po_1AFlUeU1JQOzdLQLrbqVppw1", "Stripe_Account__c", "acct_13rbmUIEEMnVfwyE"),
    ("po_1nHPkqy1JQOzdLQLWp9LpOJb", "Failure_Code__c", "account_closed"),
    ("po_1nHPkqy1JQOzdLQLWp9LpOJb", "Status__c", "Failed"),
    ("po_11zkvw21JQOzdLQLZhxINRbA", "Status__c", "Canceled"),
    ("price_1V4kWXv1JQOzdLQLSAlL4iVt", "Status__c", "Archived"),
    ("price_1V4kWXv1JQOzdLQLSAlL4iVt", "Product__c", "prod_3Z35gSmm27Rzcy"),
    ("prod_3Z35gSmm27Rzcy", "IsActive", "false"),
];

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
