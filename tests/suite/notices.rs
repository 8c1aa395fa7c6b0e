//! Platform events: told of a record's new state, in the call that brings it.

use std::time::Duration;

use paybridge::sandbox::salesforce::Fault;

use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(
    subscribers_are_told_of_a_record_in_the_call_that_brings_it,
    nobody_is_told_of_a_record_that_was_refused,
    what_could_not_be_published_is_published_later,
    a_used_up_hour_of_events_gives_up_no_record,
    many_records_are_told_of_within_the_limits_of_a_call,
    a_lost_answer_tells_twice_under_one_event_id,
);

const EVENT: &str = "Stripe_Event__e";
const CUSTOMER: &str = "Stripe_Customer__c";

async fn notifying(bridge: &mut Bridge) {
    bridge.restart_with_mapping("[customer]\nnotify = true\n").await;
}

/// What was published: of which object's record, and by which event of Stripe's.
fn told(bridge: &Bridge) -> Vec<(String, String)> {
    let text =
        |record: &paybridge::sandbox::salesforce::Record, field: &str| record.text(field).unwrap().to_owned();
    let published = bridge.org.records(EVENT);
    published.iter().map(|event| (text(event, "Stripe_Id__c"), text(event, "Last_Event_Id__c"))).collect()
}

async fn subscribers_are_told_of_a_record_in_the_call_that_brings_it(mut bridge: Bridge) {
    notifying(&mut bridge).await;
    let payment = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    let published = bridge.org.records(EVENT);
    assert_eq!(published.len(), 1, "only of what was asked for: {published:?}");
    let (event, record) = (&published[0], bridge.org.record(CUSTOMER, &payment.customer).unwrap());
    for (field, expected) in [
        ("Stripe_Id__c", &*payment.customer),
        ("Object__c", CUSTOMER),
        ("Record_Id__c", &*record.id),
        ("Status__c", "Active"),
        ("Last_Event_Id__c", record.text("Last_Event_Id__c").unwrap()),
        ("Last_Event_At__c", record.text("Last_Event_At__c").unwrap()),
    ] {
        assert_eq!(event.text(field), Some(expected), "{field} in {event:?}");
    }
    let composites = bridge.org.calls().into_iter().filter(|call| call.path.ends_with("/composite"));
    assert_eq!(
        composites.filter(|call| call.subrequests > call.collections.len()).count(),
        1,
        "no call of its own"
    );
    bridge.clock.advance(Duration::from_secs(5));
    bridge.at_stripe(&format!("/v1/customers/{}", payment.customer), &[("name", "Grace Brandt")]).await;
    bridge.deliver().await;
    assert_eq!(told(&bridge).len(), 2, "of each new state");
}

async fn nobody_is_told_of_a_record_that_was_refused(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    notifying(&mut bridge).await;
    let (bad, good) = (bridge.a_customer("Ada").await, bridge.a_customer("Bo").await);
    bridge.org.reject_records(&bad, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no Adas please");
    bridge.deliver().await;
    let of: Vec<_> = told(&bridge).into_iter().map(|(id, _)| id).collect();
    assert_eq!(of, [good]);
    assert_eq!(bridge.counts().await.dead, 1);
}

async fn what_could_not_be_published_is_published_later(mut bridge: Bridge) {
    notifying(&mut bridge).await;
    let customer = bridge.a_customer("Ada").await;
    bridge.org.reject_object(EVENT, "LIMIT_EXCEEDED", "the hour's events are used up");
    bridge.deliver().await;
    assert!(told(&bridge).is_empty());
    let row = bridge.row(CUSTOMER, &customer).await;
    assert!(bridge.org.record(CUSTOMER, &customer).is_some(), "the record is there all the same");
    assert!(row.last_error.unwrap().contains("Stripe_Event__e was not published"), "{}", row.state);
    bridge.org.mend_object(EVENT);
    bridge.drain_for(Duration::from_secs(600)).await;
    assert_eq!(told(&bridge).len(), 1);
    assert_eq!(bridge.row(CUSTOMER, &customer).await.state, "done");
}

async fn a_used_up_hour_of_events_gives_up_no_record(mut bridge: Bridge) {
    notifying(&mut bridge).await;
    let customer = bridge.a_customer("Ada").await;
    bridge.org.reject_object(EVENT, "LIMIT_EXCEEDED", "the hour's events are used up");
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(3 * 3_600)).await;
    let row = bridge.row(CUSTOMER, &customer).await;
    assert_eq!((row.state.as_str(), row.attempts), ("pending", 0), "{row:?}");
    let calls = bridge.call_sizes().len();
    assert!(calls < 40, "{calls} calls in three hours");
    bridge.org.mend_object(EVENT);
    bridge.drain_for(Duration::from_secs(600)).await;
    assert_eq!((told(&bridge).len(), bridge.counts().await.done), (1, 1));
}

async fn many_records_are_told_of_within_the_limits_of_a_call(mut bridge: Bridge) {
    notifying(&mut bridge).await;
    bridge.org.set_outage(true);
    let mut customers = Vec::new();
    for number in 0..50 {
        customers.push(bridge.a_customer(&format!("Customer {number}")).await);
    }
    bridge.deliver().await;
    bridge.org.set_outage(false);
    bridge.drain_for(Duration::from_secs(3_600)).await;
    let mut of: Vec<_> = told(&bridge).into_iter().map(|(id, _)| id).collect();
    of.sort();
    customers.sort();
    assert_eq!(of, customers, "each once");
    assert!(bridge.org.calls().iter().all(|call| call.subrequests <= 25));
}

async fn a_lost_answer_tells_twice_under_one_event_id(mut bridge: Bridge) {
    notifying(&mut bridge).await;
    bridge.a_customer("Ada").await;
    bridge.org.fail_next(1, Fault::DropConnection);
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(600)).await;
    let told = told(&bridge);
    assert_eq!(told.len(), 2, "at least once");
    assert_eq!(told[0], told[1], "and it shows that it is the same news");
}
