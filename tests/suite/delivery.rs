//! What delivery does with a record, whatever Salesforce answers.

use std::time::Duration;

use paybridge::sandbox::salesforce::Fault;
use paybridge::store::outbox;

use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(
    an_arrival_leaves_the_records_id_and_its_call,
    a_record_given_up_says_what_was_sent_and_what_was_tried,
    a_discarded_record_stays_away_until_it_has_news,
);

async fn an_arrival_leaves_the_records_id_and_its_call(bridge: Bridge) {
    let customer = bridge.a_customer("Ada Brandt").await;
    bridge.deliver().await;
    let row = bridge.row("Stripe_Customer__c", &customer).await;
    assert_eq!(row.salesforce_id, Some(bridge.org.record("Stripe_Customer__c", &customer).unwrap().id));
    assert_eq!(row.delivered_event_id, Some(row.event_id));
    assert!(row.delivered_call.is_some() && row.delivered_at.is_some());
    assert!(bridge.attempts(row.id).await.is_empty(), "arrivals are too many to be written down one by one");
}

async fn a_record_given_up_says_what_was_sent_and_what_was_tried(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let customer = bridge.a_customer("Ada Brandt").await;
    bridge.org.fail_next(1, Fault::RecordLocked);
    bridge.deliver().await;
    bridge.org.reject_records(&customer, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no Adas please");
    bridge.drain_for(Duration::from_secs(60)).await;
    let row = bridge.row("Stripe_Customer__c", &customer).await;
    let tried = bridge.attempts(row.id).await;
    let told: Vec<_> = tried.iter().map(|a| (a.outcome.as_str(), a.code.as_str(), a.attempt)).collect();
    let expected = [("dead", "FIELD_CUSTOM_VALIDATION_EXCEPTION", 2), ("retry", "UNABLE_TO_LOCK_ROW", 1)];
    assert_eq!(told, expected, "newest first");
    assert!(tried[0].sent.as_ref().unwrap().contains("Ada Brandt"), "{tried:?}");
    assert_eq!((tried[0].message.as_str(), &tried[1].sent), ("no Adas please", &None));
    assert!(!tried[0].call_id.is_empty());
}

async fn a_discarded_record_stays_away_until_it_has_news(bridge: Bridge) {
    let customer = bridge.a_customer("Ada Brandt").await;
    bridge.org.reject_records(&customer, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no Adas please");
    bridge.deliver().await;
    let id = bridge.row("Stripe_Customer__c", &customer).await.id;
    let discard = |reason: &'static str| {
        let now_ms = paybridge::clock::unix_ms(bridge.clock.now());
        bridge.store().write(move |conn| outbox::discard(conn, id, reason, now_ms))
    };
    assert!(discard("a test customer").await.unwrap());
    assert!(!discard("again").await.unwrap(), "only what was given up can be discarded");
    bridge.drain_for(Duration::from_secs(600)).await;
    assert!(bridge.org.record("Stripe_Customer__c", &customer).is_none());
    assert_eq!(bridge.counts().await.discarded, 1);
    let last = bridge.attempts(id).await.remove(0);
    assert_eq!((last.outcome.as_str(), last.message.as_str()), ("discarded", "a test customer"));

    bridge.org.pardon(&customer);
    bridge.clock.advance(Duration::from_secs(5));
    bridge.at_stripe(&format!("/v1/customers/{customer}"), &[("name", "Grace Brandt")]).await;
    bridge.deliver().await;
    assert_eq!(bridge.field("Stripe_Customer__c", &customer, "Name").as_deref(), Some("Grace Brandt"));
}
