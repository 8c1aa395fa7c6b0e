//! What operators see: metrics and status.

use std::collections::BTreeSet;
use std::time::Duration;

use paybridge::api::Scope;
use paybridge::sandbox::salesforce::Fault;
use secrecy::ExposeSecret;

use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(
    what_happens_is_counted,
    what_waits_is_measured_when_somebody_asks,
    an_object_that_is_not_set_up_is_shown_with_the_reason,
    a_closed_lane_is_shown_with_the_reason,
    a_lane_to_an_org_that_is_not_known_yet_is_shown_as_closed,
    the_public_address_shows_metrics_to_operators_only,
    status_tells_how_each_org_is_doing,
);

const DOCUMENT: &str = include_str!("../../docs/operators.md");

async fn what_happens_is_counted(bridge: Bridge) {
    bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    let stored = bridge.metric("paybridge_events_stored_total").await;
    assert!(stored >= 4, "{stored}");
    assert_eq!(bridge.metric("paybridge_events_mapped_total").await, stored);
    assert_eq!(bridge.metric("paybridge_webhook_request_duration_seconds_count").await, stored);
    let event = bridge.stripe.events()[0].to_string();
    assert_eq!(bridge.receive(&event).await.status, 200);
    assert_eq!(bridge.post("/webhooks/stripe", Some("t=1,v1=00"), event.into_bytes()).await.status, 400);
    assert_eq!(bridge.metric("paybridge_events_stored_total").await, stored);
    assert_eq!(bridge.metric("paybridge_events_duplicate_total").await, 1);
    assert_eq!(bridge.metric(r#"paybridge_webhooks_refused_total{reason="signature_invalid"}"#).await, 1);
    assert_eq!(bridge.metric("paybridge_webhook_requests_total").await, stored + 2);
    assert_eq!(
        bridge.metric(r#"paybridge_salesforce_sign_ins_total{org="main",outcome="signed_in"}"#).await,
        1
    );
    let calls = bridge.metric(r#"paybridge_salesforce_calls_total{org="main",outcome="answered"}"#).await;
    // Without a first 0 nobody sees it grow.
    assert_eq!(bridge.metric(r#"paybridge_salesforce_calls_total{org="main",outcome="unheard"}"#).await, 0);
    let made = bridge.org.calls().iter().filter(|call| call.path.contains("/services/data/")).count();
    assert_eq!(calls, i64::try_from(made).unwrap());
    let (used, limit) = ("paybridge_salesforce_requests_used", "paybridge_salesforce_requests_limit");
    assert_eq!(bridge.metric(&format!("{limit}{{org=\"main\"}}")).await, 100_000);
    assert_eq!(bridge.metric(&format!("{used}{{org=\"main\"}}")).await, calls);
    // Half of the day is ours, and a few requests of that are kept for asking.
    let left = bridge.metric(r#"paybridge_salesforce_requests_left{org="main"}"#).await;
    assert!((49_900..=50_000 - calls).contains(&left), "{left}");
}

async fn what_waits_is_measured_when_somebody_asks(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let payment = bridge.a_payment("4900", "usd").await;
    bridge.org.set_outage(true);
    for (event, status) in bridge.stripe.deliver_pending().await {
        assert_eq!(status, 200, "{event}");
    }
    bridge.clock.advance(Duration::from_secs(7));
    let stored = bridge.metric("paybridge_events_stored_total").await;
    assert_eq!(bridge.metric("paybridge_events_pending").await, stored);
    assert_eq!(bridge.metric("paybridge_events_oldest_pending_age_seconds").await, 7);
    bridge.drain().await;
    assert_eq!(bridge.metric("paybridge_events_pending").await, 0);
    let known = bridge.metric("paybridge_records_known").await;
    assert!(known >= 3, "{known}");
    assert_eq!(bridge.metric(r#"paybridge_records{org="main",state="pending"}"#).await, known);
    bridge.clock.advance(Duration::from_secs(60));
    assert_eq!(bridge.metric(r#"paybridge_records_oldest_due_age_seconds{org="main"}"#).await, 60);
    bridge.org.set_outage(false);
    bridge.drain_for(Duration::from_secs(600)).await;
    assert_eq!(bridge.metric(r#"paybridge_records{org="main",state="pending"}"#).await, 0);
    assert!(bridge.metric("paybridge_records_known").await >= known);
    assert!(bridge.field("Stripe_Charge__c", &payment.charge, "Status__c").is_some());
}

async fn an_object_that_is_not_set_up_is_shown_with_the_reason(bridge: Bridge) {
    let customer = bridge.a_customer("Ada Brandt").await;
    bridge.org.reject_records(
        &customer,
        "INVALID_FIELD",
        "No such column 'Phone__c' on sobject of type Stripe_Customer__c",
    );
    bridge.deliver().await;
    assert_eq!(bridge.metric(r#"paybridge_objects_held{org="main"}"#).await, 1);
    let (_, status) = bridge.api("GET", "/v1/status", None).await;
    let org = &status["orgs"][0];
    assert_eq!((&org["laneOpen"], &org["needsPerson"]), (&true.into(), &true.into()), "{status:#}");
    let held = org["heldObjects"].as_str().unwrap();
    assert!(held.starts_with("Stripe_Customer__c: ") && held.contains("Phone__c"), "{status:#}");
    let (_, trace) = bridge.api("GET", &format!("/v1/trace/{customer}"), None).await;
    let standing = trace["records"][0]["standing"].as_str().unwrap();
    assert!(standing.contains("records of Stripe_Customer__c wait until somebody mends"), "{trace:#}");
    bridge.org.pardon(&customer);
    bridge.drain_for(Duration::from_secs(1_800)).await;
    assert_eq!(bridge.metric(r#"paybridge_objects_held{org="main"}"#).await, 0);
}

async fn a_lane_to_an_org_that_is_not_known_yet_is_shown_as_closed(bridge: Bridge) {
    let bridge = Bridge::start_unbound(bridge.backend).await;
    bridge.org.fail_all_sign_ins(Fault::InvalidGrant);
    bridge.drain_for(Duration::from_secs(60)).await;
    assert_eq!(bridge.metric(r#"paybridge_lane_open{org="main"}"#).await, 0);
    assert_eq!(bridge.metric(r#"paybridge_lane_needs_a_person{org="main"}"#).await, 1);
    bridge.org.forget_faults();
    bridge.drain_for(Duration::from_secs(600)).await;
    assert_eq!(bridge.metric(r#"paybridge_lane_open{org="main"}"#).await, 1);
    assert_eq!(bridge.metric(r#"paybridge_lane_needs_a_person{org="main"}"#).await, 0);
}

async fn a_closed_lane_is_shown_with_the_reason(bridge: Bridge) {
    bridge.a_customer("Ada Brandt").await;
    bridge.org.fail_next(3, Fault::InvalidGrant);
    bridge.deliver().await;
    assert_eq!(bridge.metric(r#"paybridge_lane_open{org="main"}"#).await, 0);
    assert_eq!(bridge.metric(r#"paybridge_lane_needs_a_person{org="main"}"#).await, 1);
    let (_, status) = bridge.api("GET", "/v1/status", None).await;
    let org = &status["orgs"][0];
    assert_eq!((&org["laneOpen"], &org["needsPerson"]), (&false.into(), &true.into()), "{status:#}");
    assert!(org["closedReason"].as_str().unwrap().contains("invalid_grant"), "{status:#}");
    assert!(org["closedUntil"].is_string(), "{status:#}");
    bridge.drain_for(Duration::from_secs(7_200)).await;
    assert_eq!(bridge.metric(r#"paybridge_lane_open{org="main"}"#).await, 1);
    assert_eq!(bridge.metric(r#"paybridge_lane_needs_a_person{org="main"}"#).await, 0);
}

async fn the_public_address_shows_metrics_to_operators_only(bridge: Bridge) {
    let http = reqwest::Client::new();
    let status = async |token: Option<&str>| {
        let request = http.get(bridge.url("/metrics"));
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(None).await, 401);
    assert_eq!(status(Some(bridge.key(&[Scope::PaymentsWrite]).await.expose_secret())).await, 403);
    assert_eq!(status(Some(bridge.key(&[Scope::OpsRead]).await.expose_secret())).await, 200);
}

async fn status_tells_how_each_org_is_doing(bridge: Bridge) {
    let (status, before) = bridge.api("GET", "/v1/status", None).await;
    assert_eq!((status, &before["recordsKnown"]), (200, &0.into()), "{before:#}");
    bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    let (_, after) = bridge.api("GET", "/v1/status", None).await;
    assert_eq!(after["orgs"][0]["laneOpen"], true, "{after:#}");
    assert_eq!(after["orgs"][0]["requestsAllowed"], 100_000, "{after:#}");
    assert!(after["lastEventId"].as_str().unwrap().starts_with("evt_"), "{after:#}");
    assert_eq!(after["accounts"][0]["orgName"], "main", "{after:#}");
}

/// The names that the document explains, and the names that are exported, are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_of_the_metrics_is_the_document() {
    let bridge = Bridge::start(paybridge::store::Backend::Sqlite).await;
    bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    bridge.api("GET", "/v1/status", None).await;
    let text = bridge.metrics().await;
    let exported: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    let documented: BTreeSet<&str> = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `paybridge_"))
        .filter_map(|line| line.split('`').nth(1))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        .collect();
    assert_eq!(exported, documented);
    let words = DOCUMENT.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    for word in words.filter(|word| word.starts_with("paybridge_")) {
        assert!(exported.contains(word), "{word} is no metric");
    }
}
