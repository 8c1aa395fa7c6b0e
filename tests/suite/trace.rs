//! Why a record looks as it does, told to those who ask.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bridge::{Bridge, settings};
use crate::each_backend;

each_backend!(
    a_record_that_arrived_tells_its_way,
    who_came_too_late_is_told_why_it_lost,
    a_tie_and_what_settled_it_are_told,
    an_event_of_another_version_says_what_was_read_instead,
    a_record_that_waits_says_for_whom,
    a_record_given_up_says_so_and_where_to_look,
    an_event_leads_to_its_object,
    the_command_line_tells_it_in_sentences,
);

const CUSTOMER: &str = "Stripe_Customer__c";

async fn trace(bridge: &Bridge, id: &str) -> Value {
    let (status, body) = bridge.api("GET", &format!("/v1/trace/{id}"), None).await;
    assert_eq!(status, 200, "{id}: {body:#}");
    body
}

/// The sentences, in order of time.
fn sentences(trace: &Value) -> Vec<String> {
    let steps = trace["steps"].as_array().unwrap();
    steps.iter().map(|step| step["sentence"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn says(trace: &Value, parts: &[&str]) {
    let told = sentences(trace);
    assert!(told.iter().any(|one| parts.iter().all(|part| one.contains(part))), "{parts:?} in {trace:#}");
}

#[track_caller]
fn stands(trace: &Value, part: &str) {
    let standing = trace["records"][0]["standing"].as_str().unwrap();
    assert!(standing.contains(part), "{part} in {trace:#}");
}

/// An event about a customer that nobody else has.
fn event(id: &str, created: i64, name: &str) -> Value {
    json!({
        "id": id, "object": "event", "type": "customer.updated", "created": created, "livemode": false,
        "api_version": "2026-10-28.endive",
        "data": {"object": {"id": "cus_traced", "object": "customer", "created": 1_795_000_000, "livemode": false,
            "name": name, "email": null, "phone": null, "description": null, "balance": 0, "currency": null,
            "delinquent": false, "metadata": {}}},
    })
}

async fn receive(bridge: &Bridge, event: &Value) {
    assert_eq!(bridge.receive(&event.to_string()).await.status, 200);
    bridge.drain().await;
}

async fn a_record_that_arrived_tells_its_way(bridge: Bridge) {
    let payment = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(60)).await;
    let told = trace(&bridge, &payment.charge).await;
    stands(&told, "up to date: the org has the state of ");
    let record = &told["records"][0];
    let in_org = bridge.org.record("Stripe_Charge__c", &payment.charge).unwrap();
    assert_eq!(record["salesforceId"], in_org.id.as_str(), "{told:#}");
    assert!(record["payload"].as_str().unwrap().contains("\"Amount__c\":49.00"), "{told:#}");
    let parents = record["parents"].as_str().unwrap();
    assert!(parents.contains(&format!("{CUSTOMER} {}: up to date", payment.customer)), "{told:#}");
    says(
        &told,
        &[
            "charge.succeeded",
            "made by Stripe at",
            "in version 2026-10-28.endive",
            "Stripe_Charge__c begins with it",
        ],
    );
    says(
        &told,
        &[
            "balance_transaction.fetched",
            "Stripe_Charge__c takes further fields from it, beside those of evt_",
        ],
    );
    says(&told, &["Salesforce accepted the state of ", &in_org.id]);
    assert!(record["carriedFields"].as_str().unwrap().starts_with("from evt_"), "{told:#}");
    let steps = told["steps"].as_array().unwrap();
    assert!(steps.is_sorted_by_key(|step| step["happenedAt"].as_str().unwrap()), "{told:#}");
    let (status, body) = bridge.api("GET", "/v1/trace/ch_nobody", None).await;
    assert_eq!((status, &body["code"]), (404, &json!("resource_missing")), "{body:#}");
}

async fn who_came_too_late_is_told_why_it_lost(bridge: Bridge) {
    receive(&bridge, &event("evt_newer", 1_795_000_200, "Newer")).await;
    receive(&bridge, &event("evt_older", 1_795_000_100, "Older")).await;
    receive(&bridge, &event("evt_newest", 1_795_000_300, "Newest")).await;
    let told = trace(&bridge, "cus_traced").await;
    says(&told, &["evt_newer", "begins with it"]);
    says(&told, &["evt_older", "keeps the state of evt_newer: this one is older"]);
    says(&told, &["evt_newest", "takes its state: newer than all before"]);
    assert_eq!(told["records"][0]["eventId"], "evt_newest", "{told:#}");
}

async fn a_tie_and_what_settled_it_are_told(bridge: Bridge) {
    bridge.stripe.set_outage(true);
    receive(&bridge, &event("evt_b", 1_795_000_200, "Bo")).await;
    receive(&bridge, &event("evt_a", 1_795_000_200, "Ada")).await;
    let told = trace(&bridge, "cus_traced").await;
    says(&told, &["evt_a", "contradicts evt_b of the same second", "until then evt_b stands"]);
    says(&told, &["is to be read from Stripe, because two events of one second contradict"]);
    bridge.stripe.set_outage(false);
}

async fn an_event_of_another_version_says_what_was_read_instead(bridge: Bridge) {
    let customer = bridge.a_customer("Ada Brandt").await;
    let mut event = bridge.stripe.events().remove(0);
    event["id"] = "evt_foreign".into();
    event["api_version"] = "2020-08-27".into();
    receive(&bridge, &event).await;
    bridge.drain_for(Duration::from_secs(60)).await;
    let told = trace(&bridge, &customer).await;
    says(&told, &["evt_foreign", "in version 2020-08-27", "is read from Stripe instead"]);
    says(&told, &["customer.fetched", "read from Stripe as it was at", "begins with it"]);
    stands(&told, "up to date");
}

async fn a_record_that_waits_says_for_whom(bridge: Bridge) {
    let payment = bridge.a_payment("4900", "usd").await;
    let charged = bridge.stripe.events().into_iter().find(|e| e["type"] == "charge.succeeded").unwrap();
    bridge.stripe.set_outage(true);
    receive(&bridge, &charged).await;
    bridge.clock.advance(Duration::from_secs(1));
    bridge.drain().await;
    let told = trace(&bridge, &payment.charge).await;
    let parents = told["records"][0]["parents"].as_str().unwrap();
    assert!(parents.contains(&format!("{}: is to be read from Stripe", payment.customer)), "{told:#}");
    assert!(told["records"][0]["nextTryAt"].is_string(), "{told:#}");
    bridge.stripe.set_outage(false);
    bridge.drain_for(Duration::from_secs(3_600)).await;
    bridge.deliver().await;
    stands(&trace(&bridge, &payment.charge).await, "up to date");
}

async fn a_record_given_up_says_so_and_where_to_look(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let customer = bridge.a_customer("Ada Brandt").await;
    bridge.org.reject_records(&customer, "STRING_TOO_LONG", "not this one");
    bridge.deliver().await;
    let told = trace(&bridge, &customer).await;
    stands(&told, "given up at ");
    stands(&told, "STRING_TOO_LONG: not this one");
    let id = bridge.row(CUSTOMER, &customer).await.id;
    assert_eq!(told["records"][0]["deadLetterId"], format!("record:{id}"), "{told:#}");
    says(&told, &["given up at attempt 1: STRING_TOO_LONG: not this one"]);
    bridge.org.pardon(&customer);
    let path = format!("/v1/dead-letters/record:{id}/replay");
    assert_eq!(bridge.api("POST", &path, Some(json!({}))).await.0, 200);
    bridge.drain().await;
    says(&trace(&bridge, &customer).await, &["replayed by "]);
    let odd = json!({"id": "evt_odd", "object": "event", "type": "customer.updated", "created": 1_795_000_000,
        "livemode": false, "api_version": "2026-10-28.endive", "data": {"object": {"id": "cus_odd", "object": "customer"}}});
    receive(&bridge, &odd).await;
    let told = trace(&bridge, "cus_odd").await;
    says(&told, &["evt_odd", "it was given up: cus_odd: missing field", "(event:"]);
    assert_eq!(told["records"], json!([]));
}

async fn an_event_leads_to_its_object(bridge: Bridge) {
    receive(&bridge, &event("evt_1", 1_795_000_200, "Ada")).await;
    let (of_event, of_object) = (trace(&bridge, "evt_1").await, trace(&bridge, "cus_traced").await);
    assert_eq!(of_event["stripeId"], "cus_traced");
    assert_eq!(of_event["steps"], of_object["steps"]);
}

async fn the_command_line_tells_it_in_sentences(bridge: Bridge) {
    let payment = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(60)).await;
    let say = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_paybridge"))
            .arg("trace")
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .env_clear()
            .envs(settings(&bridge.database_url, "http://127.0.0.1:9", "http://127.0.0.1:9"))
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), text)
    };
    let (good, said) = say(&[&payment.charge]);
    assert!(good, "{said}");
    for part in [
        "Stripe_Charge__c in org main: up to date",
        "points to Stripe_Customer__c",
        "charge.succeeded evt_",
        "Salesforce accepted",
    ] {
        assert!(said.contains(part), "missing `{part}` in:\n{said}");
    }
    assert!(!said.contains("fields: "), "{said}");
    assert!(say(&[&payment.charge, "--fields"]).1.contains("fields: {"));
    let (good, said) = say(&["ch_nobody"]);
    assert!(!good && said.contains("nothing was received or made of `ch_nobody`"), "{said}");
}
