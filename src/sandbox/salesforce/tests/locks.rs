//! Row locks: a write holds its record and the parents that it names until its call is answered.

use serde_json::{Value, json};

use super::{Client, Read, record};
use crate::sandbox::until;

/// Two calls of which the second arrives while the first waits for its answer.
async fn at_the_same_time(client: &Client, first: (&str, Value), second: (&str, Value)) -> (Read, Read) {
    client.org.hold(|_any| true);
    let both = async {
        until("both calls are under way", async || client.org.calls_under_way() == 2).await;
        client.org.let_go();
    };
    let (first, second, ()) = tokio::join!(
        client.upsert_all(first.0, vec![first.1]),
        client.upsert_all(second.0, vec![second.1]),
        both
    );
    (first, second)
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
    client.org.hold(|call| call.ends_with("/cus_1"));
    let path = "sobjects/Stripe_Customer__c/Stripe_Id__c/cus_1";
    let patch = client.request("PATCH", path).json(&json!({"Name": "Ada"}));
    let leaves = until("the call is under way", async || client.org.calls_under_way() == 1);
    tokio::select! {
        answer = patch.send() => panic!("it was answered: {answer:?}"),
        () = leaves => {}
    }
    let refused = client.upsert_all("Stripe_Customer__c", vec![super::customer("cus_1")]).await;
    assert_eq!(refused.row_codes(), ["UNABLE_TO_LOCK_ROW"], "{refused:?}");
    client.org.let_go();
    let is_free = async || client.upsert("Stripe_Customer__c", "cus_1", json!({})).await.status == 200;
    until("the record is not locked any more", is_free).await;
    assert_eq!(client.org.record("Stripe_Customer__c", "cus_1").unwrap().text("Name"), Some("Ada"));
}
