//! What is old is forgotten; what waits for a person, and what decides about late events, is not.

use std::time::Duration;

use paybridge::store::inbox;

use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(
    old_events_are_forgotten_and_nothing_else_is,
    a_large_backlog_of_old_events_goes_a_little_at_a_time
);

const DAY: Duration = Duration::from_secs(86_400);

async fn old_events_are_forgotten_and_nothing_else_is(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let payment = bridge.a_payment("4900", "eur").await;
    bridge.deliver().await;
    let unreadable = r#"{"id":"evt_unreadable","object":"event","api_version":null,"created":1,"livemode":false,
        "type":"charge.succeeded","data":{"object":{"id":"ch_bad","object":"charge","amount":1,"currency":"xxx"}}}"#;
    assert_eq!(bridge.receive(unreadable).await.status, 200);
    // Long enough for the fee to be read.
    bridge.drain_for(Duration::from_secs(60)).await;
    let stored = bridge.stored_events().await;
    assert!(stored > 3, "{stored}");

    bridge.clock.advance(89 * DAY);
    bridge.drain().await;
    assert_eq!(bridge.stored_events().await, stored, "none is old enough");
    let records = bridge.counts().await;

    bridge.clock.advance(2 * DAY);
    let late = bridge.receive(&late_event(&payment.charge)).await;
    assert_eq!(late.status, 200);
    bridge.drain().await;
    let charge = payment.charge.clone();
    let left = bridge
        .store()
        .read(move |conn| {
            Ok((inbox::counts(conn)?.1, inbox::dead_letters(conn, 9)?, inbox::events_of(conn, &charge, 9)?))
        })
        .await
        .unwrap();
    assert_eq!(left.0, 2, "the one set aside and the new one");
    assert_eq!(left.1[0].event_id, "evt_unreadable");
    assert_eq!(left.2.iter().map(|event| event.event_id.as_str()).collect::<Vec<_>>(), ["evt_late"]);
    // Its state is older than what the record has, and that is known without the events.
    assert_eq!(bridge.field("Stripe_Charge__c", &payment.charge, "Status__c").unwrap(), "Completed");
    assert_eq!(bridge.counts().await, records);
}

/// An event about the charge, made before all others and delivered after they were forgotten.
fn late_event(charge: &str) -> String {
    format!(
        r#"{{"id":"evt_late","object":"event","api_version":null,"created":1,"livemode":false,"type":"charge.pending",
        "data":{{"object":{{"id":"{charge}","object":"charge","amount":4900,"amount_captured":0,"amount_refunded":0,
        "balance_transaction":null,"captured":false,"created":1,"currency":"eur","customer":null,"disputed":false,
        "failure_code":null,"failure_message":null,"livemode":false,"metadata":{{}},"outcome":null,
        "payment_intent":null,"payment_method_details":null,"receipt_url":null,"refunded":false,
        "status":"pending"}}}}}}"#
    )
}

async fn a_large_backlog_of_old_events_goes_a_little_at_a_time(bridge: Bridge) {
    let old = |number: usize| inbox::NewEvent {
        account: "main".to_owned(),
        event_id: format!("evt_{number}"),
        event_type: "plan.created".to_owned(),
        object_id: Some(format!("plan_{}", number % 7)),
        created: 1,
        received_at: 1,
        payload: paybridge::store::Payload::pack("{}"),
    };
    let events: Vec<_> = (0..1_200).map(old).collect();
    bridge
        .store()
        .write(move |conn| {
            inbox::record(conn, &events)?;
            let seqs: Vec<i64> = inbox::take(conn, 0, &[], 2_000)?.iter().map(|event| event.seq).collect();
            inbox::complete(conn, &seqs)
        })
        .await
        .unwrap();
    let mut left = Vec::new();
    for _ in 0..4 {
        bridge.drain().await;
        left.push(bridge.stored_events().await);
        bridge.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(left, [700, 200, 0, 0]);
}
