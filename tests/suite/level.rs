//! The outbox holds what is newest, not what happened: how often something happens costs no calls.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::bridge::Bridge;
use crate::each_backend;
use crate::patience::until;
use crate::telling::API_VERSION;

each_backend!(
    a_burst_while_delivery_is_behind_is_one_write,
    what_comes_while_its_record_travels_is_sent_afterwards,
);

const CUSTOMER: &str = "Stripe_Customer__c";

async fn hear_of(bridge: &Bridge, id: &str, second: i64, name: &str) {
    let customer = json!({"id": id, "object": "customer", "name": name, "created": 1_795_000_000, "livemode": false,
        "metadata": {}, "balance": 0, "description": null, "email": null});
    let event = json!({"id": format!("evt_{id}_{second}"), "object": "event", "type": "customer.updated",
        "api_version": API_VERSION, "created": 1_795_000_000 + second, "livemode": false, "data": {"object": customer}});
    let answer = bridge.receive(&event.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Records in the calls that the org carried out.
fn records_carried(bridge: &Bridge) -> usize {
    let calls = bridge.org.calls();
    let carried = calls.iter().filter(|call| call.path.ends_with("/composite") && call.status == 200);
    carried.flat_map(|call| &call.collections).sum()
}

async fn a_burst_while_delivery_is_behind_is_one_write(bridge: Bridge) {
    hear_of(&bridge, "cus_busy", 0, "Before").await;
    hear_of(&bridge, "cus_calm", 0, "Always the same").await;
    bridge.drain().await;
    assert_eq!((records_carried(&bridge), bridge.org.writes(CUSTOMER, "cus_busy")), (2, 1));
    bridge.org.set_outage(true);
    for second in 1..=1_000 {
        hear_of(&bridge, "cus_busy", second, &format!("Name {second}")).await;
        if second % 100 == 0 {
            bridge.drain_for(Duration::from_secs(30)).await;
        }
    }
    let counts = bridge.counts().await;
    assert_eq!((counts.pending, counts.done), (1, 1), "the backlog is one record, not a thousand events");
    bridge.org.set_outage(false);
    bridge.drain_for(Duration::from_secs(1_200)).await;
    assert_eq!(bridge.field(CUSTOMER, "cus_busy", "Name").unwrap(), "Name 1000");
    assert_eq!((records_carried(&bridge), bridge.org.writes(CUSTOMER, "cus_busy")), (3, 2));
    assert_eq!(bridge.org.writes(CUSTOMER, "cus_calm"), 1);
}

async fn what_comes_while_its_record_travels_is_sent_afterwards(bridge: Bridge) {
    let bridge = Arc::new(bridge);
    hear_of(&bridge, "cus_1", 0, "First").await;
    // The org has written and not answered yet.
    bridge.org.hold(|call| call.ends_with("/composite"));
    let drain = |bridge: &Arc<Bridge>| {
        let bridge = Arc::clone(bridge);
        tokio::spawn(async move { bridge.drain().await })
    };
    let travelling = drain(&bridge);
    until("the record is written", async || bridge.org.record(CUSTOMER, "cus_1").is_some()).await;
    hear_of(&bridge, "cus_1", 1, "Second").await;
    let merging = drain(&bridge);
    let is_merged = async || bridge.row(CUSTOMER, "cus_1").await.event_id == "evt_cus_1_1";
    until("the second event is merged", is_merged).await;
    assert_eq!(bridge.field(CUSTOMER, "cus_1", "Name").unwrap(), "First", "the call had left");
    bridge.org.let_go();
    travelling.await.unwrap();
    merging.await.unwrap();
    bridge.drain().await;
    assert_eq!(bridge.field(CUSTOMER, "cus_1", "Name").unwrap(), "Second");
    assert_eq!((records_carried(&bridge), bridge.org.writes(CUSTOMER, "cus_1")), (2, 2));
}
