//! Row locks: a write holds its record and the parents that it names until its call is answered.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Client, Read, record};

/// Two calls of which the second arrives while the first waits for its answer.
async fn at_the_same_time(client: &Client, first: (&str, Value), second: (&str, Value)) -> (Read, Read) {
    client.org.set_latency(Duration::from_millis(150));
    let answers =
        tokio::join!(client.upsert_all(first.0, vec![first.1]), client.upsert_all(second.0, vec![second.1]));
    client.org.set_latency(Duration::ZERO);
    answers
}

fn codes(answers: &(Read, Read)) -> Vec<&str> {
    let mut codes = [answers.0.row_codes(), answers.1.row_codes()].concat();
    codes.sort_unstable();
    codes
}

fn charge(id: &str, customer: &str) -> (&'static str, Value) {
    (
        "Stripe_Charge__c",
        record("Stripe_Charge__c", json!({"Stripe_Id__c": id, "Customer__r": {"Stripe_Id__c": customer}})),
    )
}

#[tokio::test]
async fn calls_that_share_a_record_or_a_parent_lock_each_other_out() {
    let client = Client::start().await;
    for id in ["cus_1", "cus_2"] {
        client.upsert("Stripe_Customer__c", id, json!({})).await;
    }
    let customer = |id: &str| ("Stripe_Customer__c", super::customer(id));
    let locked = vec!["UNABLE_TO_LOCK_ROW", "ok"];
    let table = [
        (charge("ch_1", "cus_1"), charge("ch_2", "cus_1"), locked.clone(), "the same parent"),
        (charge("ch_3", "cus_1"), customer("cus_1"), locked.clone(), "a child and its parent"),
        (customer("cus_1"), customer("cus_1"), locked.clone(), "the same record"),
        (customer("cus_new"), customer("cus_new"), locked, "the same new record"),
        (charge("ch_4", "cus_1"), charge("ch_5", "cus_2"), vec!["ok", "ok"], "nothing"),
    ];
    for (first, second, expected, shared) in table {
        let answers = at_the_same_time(&client, first, second).await;
        assert_eq!(codes(&answers), expected, "{shared}: {answers:?}");
    }
}

#[tokio::test]
async fn a_lock_outlasts_a_caller_who_leaves_and_ends_with_the_call() {
    let client = Client::start().await;
    client.org.set_daily_limit(1_000_000);
    client.upsert("Stripe_Customer__c", "cus_1", json!({})).await;
    client.org.set_latency(Duration::from_millis(400));
    let path = "sobjects/Stripe_Customer__c/Stripe_Id__c/cus_1";
    let left =
        client.request("PATCH", path).json(&json!({"Name": "Ada"})).timeout(Duration::from_millis(100));
    assert!(left.send().await.unwrap_err().is_timeout());
    client.org.set_latency(Duration::ZERO);
    let refused = client.upsert("Stripe_Customer__c", "cus_1", json!({})).await;
    assert_eq!(refused.code(), "UNABLE_TO_LOCK_ROW", "{refused:?}");
    let patience = Instant::now() + Duration::from_secs(10);
    while client.upsert("Stripe_Customer__c", "cus_1", json!({})).await.status != 200 {
        assert!(Instant::now() < patience, "the record is still locked");
    }
    assert_eq!(client.org.record("Stripe_Customer__c", "cus_1").unwrap().text("Name"), Some("Ada"));
}
