//! From Stripe to Salesforce, through every fault on the way.

use std::time::Duration;

use paybridge::api::{self, Scope};
use paybridge::sandbox::salesforce::{ACCOUNT_ID, Fault, OPPORTUNITY_ID};
use paybridge::store::{api_keys, outbox};
use secrecy::ExposeSecret;

use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(
    a_payment_reaches_salesforce,
    the_first_try_in_swagger_ui_reaches_salesforce,
    a_declined_payment_tells_why,
    a_refund_changes_the_charge_too,
    a_burst_on_one_record_is_one_write,
    parents_and_children_travel_in_one_call,
    an_hour_of_outage_delays_and_loses_nothing,
    every_passing_fault_is_survived,
    a_session_that_ends_is_renewed,
    a_sign_in_that_is_refused_stops_the_lane_and_goes_on_when_mended,
    a_bad_record_harms_only_itself_and_can_be_replayed,
    a_newer_state_wakes_a_dead_record,
    a_request_refused_as_a_whole_is_split,
    a_record_that_breaks_every_call_is_found_and_set_aside,
    a_missing_parent_is_read_from_stripe,
    a_tie_that_the_events_cannot_decide_is_settled_by_reading,
    an_event_in_another_api_version_is_read_again,
    an_event_in_another_api_version_whose_object_is_gone_is_set_aside,
    every_event_in_another_api_version_says_what_became_of_it,
    a_link_that_a_later_state_does_not_name_stays_in_every_order,
    the_daily_budget_pauses_and_fails_nothing,
    an_amount_in_no_known_currency_is_set_aside,
    what_waited_goes_on_after_a_restart,
);

const INTENT: &str = "Stripe_Payment_Intent__c";
const CHARGE: &str = "Stripe_Charge__c";
const CUSTOMER: &str = "Stripe_Customer__c";

async fn a_payment_reaches_salesforce(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    let field = |sobject, id: &str, name| bridge.field(sobject, id, name).unwrap();
    assert_eq!(field(INTENT, &paid.intent, "Status__c"), "Completed");
    assert_eq!(field(INTENT, &paid.intent, "Amount_Received__c"), "49.00");
    assert_eq!(field(INTENT, &paid.intent, "Opportunity__c"), OPPORTUNITY_ID);
    assert_eq!(field(CHARGE, &paid.charge, "Status__c"), "Completed");
    assert_eq!(field(CHARGE, &paid.charge, "Card_Last4__c"), "4242");
    let customer = bridge.org.record(CUSTOMER, &paid.customer).unwrap();
    assert_eq!(field(CHARGE, &paid.charge, "Customer__c"), customer.id);
}

/// The bodies that Swagger UI fills in, sent as they stand.
async fn the_first_try_in_swagger_ui_reaches_salesforce(bridge: Bridge) {
    let (key, token) = api::issue("test", &[Scope::PaymentsWrite], bridge.clock.now(), None).unwrap();
    bridge.store().write(move |conn| api_keys::create(conn, &key)).await.unwrap();
    let contract: serde_json::Value = serde_json::from_str(api::document()).unwrap();
    for (path, sobject, link, to) in [
        ("/v1/customers", CUSTOMER, "Account__c", ACCOUNT_ID),
        ("/v1/payment-intents", INTENT, "Opportunity__c", OPPORTUNITY_ID),
    ] {
        let body = &contract["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"];
        let request = reqwest::Client::new().post(bridge.url(path)).bearer_auth(token.expose_secret());
        let answer = request.json(body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{path}");
        let answer: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        bridge.deliver().await;
        assert_eq!(bridge.field(sobject, answer["stripeId"].as_str().unwrap(), link).unwrap(), to);
    }
}

async fn a_declined_payment_tells_why(bridge: Bridge) {
    let declined = bridge
        .at_stripe(
            "/v1/payment_intents",
            &[
                ("amount", "4900"),
                ("currency", "usd"),
                ("payment_method", "pm_card_visa_chargeDeclinedInsufficientFunds"),
                ("confirm", "true"),
                ("automatic_payment_methods[enabled]", "true"),
                ("automatic_payment_methods[allow_redirects]", "never"),
            ],
        )
        .await;
    let intent = declined["error"]["payment_intent"]["id"].as_str().unwrap();
    bridge.deliver().await;
    assert_eq!(bridge.field(INTENT, intent, "Status__c").unwrap(), "Failed");
    assert_eq!(bridge.field(INTENT, intent, "Failure_Code__c").unwrap(), "card_declined");
    assert_eq!(bridge.field(INTENT, intent, "Decline_Code__c").unwrap(), "insufficient_funds");
    let charge = bridge.field(INTENT, intent, "Latest_Charge_Id__c").unwrap();
    assert_eq!(bridge.field(CHARGE, &charge, "Status__c").unwrap(), "Failed");
    assert_eq!(bridge.field(CHARGE, &charge, "Decline_Code__c").unwrap(), "insufficient_funds");
}

async fn a_refund_changes_the_charge_too(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    // Within one second it would have to be read from Stripe.
    bridge.clock.advance(Duration::from_secs(5));
    let part = bridge.at_stripe("/v1/refunds", &[("charge", &paid.charge), ("amount", "1000")]).await;
    bridge.deliver().await;
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Status__c").unwrap(), "Partially Refunded");
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Amount_Refunded__c").unwrap(), "10.00");
    let refund = part["id"].as_str().unwrap();
    assert_eq!(bridge.field("Stripe_Refund__c", refund, "Status__c").unwrap(), "Completed");
    bridge.clock.advance(Duration::from_secs(5));
    bridge.at_stripe("/v1/refunds", &[("charge", &paid.charge)]).await;
    bridge.deliver().await;
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Status__c").unwrap(), "Refunded");
}

async fn a_burst_on_one_record_is_one_write(bridge: Bridge) {
    let event = |number: i64| {
        format!(
            r#"{{"id":"evt_{number}","object":"event","type":"customer.updated","api_version":"2026-10-28.endive",
            "created":{},"livemode":false,"data":{{"object":{{"id":"cus_1","object":"customer","name":"Name {number}",
            "created":1795000000,"livemode":false,"metadata":{{}},"balance":0,"description":null,"email":null}}}}}}"#,
            1_795_000_000 + number
        )
    };
    for number in 0..1_000 {
        assert_eq!(bridge.receive(&event(number)).await.status, 200);
    }
    bridge.drain().await;
    assert_eq!(bridge.field(CUSTOMER, "cus_1", "Name").unwrap(), "Name 999");
    assert_eq!(bridge.org.writes(CUSTOMER, "cus_1"), 1);
}

async fn parents_and_children_travel_in_one_call(bridge: Bridge) {
    for _ in 0..5 {
        bridge.a_payment("4900", "usd").await;
    }
    bridge.deliver().await;
    let calls: Vec<_> =
        bridge.org.calls().into_iter().filter(|call| call.path.ends_with("/composite")).collect();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].collections, [5, 5, 5]);
    assert_eq!(bridge.org.records(CHARGE).len(), 5, "a child that came before its parent is refused");
}

async fn an_hour_of_outage_delays_and_loses_nothing(bridge: Bridge) {
    bridge.org.set_outage(true);
    let mut payments = Vec::new();
    for _ in 0..3 {
        payments.push(bridge.a_payment("4900", "usd").await);
        for (_, status) in bridge.stripe.deliver_pending().await {
            assert_eq!(status, 200);
        }
        bridge.drain_for(Duration::from_secs(1_200)).await;
    }
    // Each payment is three records, and its balance transaction a fourth.
    assert_eq!(bridge.counts().await.pending, 12);
    bridge.org.set_outage(false);
    bridge.drain_for(Duration::from_secs(600)).await;
    for paid in payments {
        assert_eq!(bridge.field(INTENT, &paid.intent, "Status__c").unwrap(), "Completed");
        assert_eq!(bridge.field(CHARGE, &paid.charge, "Status__c").unwrap(), "Completed");
    }
    assert_eq!(bridge.counts().await.done, 12);
}

async fn every_passing_fault_is_survived(bridge: Bridge) {
    for fault in [
        Fault::ServerUnavailable,
        Fault::ServerError,
        Fault::RequestLimitExceeded,
        Fault::TooManyRequests,
        Fault::RecordLocked,
        Fault::SessionExpired,
        Fault::HtmlErrorPage,
        Fault::DropConnection,
        Fault::RefuseConnection,
        Fault::MalformedAnswer,
    ] {
        let paid = bridge.a_payment("4900", "usd").await;
        bridge.org.fail_next(2, fault);
        bridge.deliver().await;
        // Twice a call that was not heard of.
        bridge.drain_for(Duration::from_secs(400)).await;
        assert_eq!(
            bridge.field(INTENT, &paid.intent, "Status__c").as_deref(),
            Some("Completed"),
            "{fault:?}"
        );
        assert_eq!(
            bridge.field(CHARGE, &paid.charge, "Status__c").as_deref(),
            Some("Completed"),
            "{fault:?}"
        );
    }
}

async fn a_session_that_ends_is_renewed(bridge: Bridge) {
    bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    bridge.org.expire_sessions();
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    assert_eq!(bridge.field(INTENT, &paid.intent, "Status__c").unwrap(), "Completed");
    let sign_ins = bridge.org.calls().iter().filter(|call| call.path.contains("/oauth2/token")).count();
    assert_eq!(sign_ins, 2);
}

async fn a_sign_in_that_is_refused_stops_the_lane_and_goes_on_when_mended(bridge: Bridge) {
    bridge.org.fail_next(3, Fault::InvalidGrant);
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    let sign_ins =
        |bridge: &Bridge| bridge.org.calls().iter().filter(|c| c.path.contains("/oauth2/token")).count();
    assert_eq!(sign_ins(&bridge), 1, "a refused sign-in must not be repeated at once");
    bridge.drain_for(Duration::from_secs(1_800)).await;
    assert_eq!(bridge.field(INTENT, &paid.intent, "Status__c").unwrap(), "Completed");
    assert_eq!(sign_ins(&bridge), 4);
}

async fn a_bad_record_harms_only_itself_and_can_be_replayed(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let (bad, good) = (bridge.a_payment("4900", "usd").await, bridge.a_payment("4900", "usd").await);
    bridge.org.reject_records(
        &bad.charge,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "Charges need a cost centre.",
    );
    bridge.deliver().await;
    assert_eq!(bridge.field(CHARGE, &good.charge, "Status__c").unwrap(), "Completed");
    let dead = bridge.store().read(|conn| outbox::dead_letters(conn, 10)).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].external_id, bad.charge);
    assert!(dead[0].last_error.as_deref().unwrap().contains("Charges need a cost centre."), "{dead:?}");
    assert!(dead[0].fields.contains(r#""Amount__c":49.00"#), "{dead:?}");
    bridge.drain_for(Duration::from_secs(600)).await;
    assert_eq!(bridge.counts().await.dead, 1, "a dead letter is not tried again by itself");
    bridge.org.pardon(&bad.charge);
    let (id, now) = (dead[0].id, paybridge::clock::unix_ms(bridge.clock.now()));
    assert!(bridge.store().write(move |conn| outbox::replay(conn, id, now)).await.unwrap());
    bridge.drain().await;
    assert_eq!(bridge.field(CHARGE, &bad.charge, "Status__c").unwrap(), "Completed");
    assert_eq!(bridge.counts().await.dead, 0);
}

async fn a_newer_state_wakes_a_dead_record(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.org.reject_records(&paid.charge, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "No.");
    bridge.deliver().await;
    assert_eq!(bridge.counts().await.dead, 1);
    bridge.org.pardon(&paid.charge);
    bridge.clock.advance(Duration::from_secs(5));
    bridge.clock.advance(Duration::from_secs(5));
    bridge.at_stripe("/v1/refunds", &[("charge", &paid.charge)]).await;
    bridge.deliver().await;
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Status__c").unwrap(), "Refunded");
    assert_eq!(bridge.counts().await.dead, 0);
}

async fn a_request_refused_as_a_whole_is_split(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.org.fail_next(1, Fault::MalformedRequest);
    bridge.deliver().await;
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Status__c").unwrap(), "Completed");
    let calls = bridge.org.calls();
    let collections: Vec<_> =
        calls.iter().filter(|c| c.path.ends_with("/composite")).map(|c| c.collections.len()).collect();
    // The org did not look into the request that it refused.
    assert_eq!(collections, [0, 1, 2]);
}

async fn a_record_that_breaks_every_call_is_found_and_set_aside(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let mut payments = Vec::new();
    for _ in 0..8 {
        payments.push(bridge.a_payment("4900", "usd").await);
    }
    bridge.org.break_on(&payments[3].charge);
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(4 * 3_600)).await;
    for (number, paid) in payments.iter().enumerate() {
        let arrived = bridge.org.record(CHARGE, &paid.charge).is_some();
        assert_eq!(arrived, number != 3, "charge {number}");
    }
    let counts = bridge.counts().await;
    // The balance transaction of the charge that is not there waits for it.
    assert_eq!((counts.dead, counts.done, counts.pending), (1, 30, 1));
}

async fn a_missing_parent_is_read_from_stripe(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    let charged =
        bridge.stripe.events().into_iter().find(|event| event["type"] == "charge.succeeded").unwrap();
    assert_eq!(bridge.receive(&charged.to_string()).await.status, 200);
    bridge.drain_for(Duration::from_secs(60)).await;
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Status__c").unwrap(), "Completed");
    assert_eq!(bridge.field(INTENT, &paid.intent, "Status__c").unwrap(), "Completed");
    let reads: Vec<_> =
        bridge.stripe.calls().into_iter().filter(|c| c.method == "GET").map(|c| c.path).collect();
    let mut expected =
        vec![format!("/v1/customers/{}", paid.customer), format!("/v1/payment_intents/{}", paid.intent)];
    expected.sort();
    let mut sorted = reads.clone();
    sorted.sort();
    assert_eq!(sorted, expected, "each parent is read once");
}

async fn a_tie_that_the_events_cannot_decide_is_settled_by_reading(bridge: Bridge) {
    let customer = bridge.at_stripe("/v1/customers", &[("name", "Third and true")]).await;
    let id = customer["id"].as_str().unwrap();
    let created = bridge.clock.now().unix_timestamp() - 100;
    for (event, name) in [("evt_b", "Second"), ("evt_a", "First")] {
        let mut object = customer.clone();
        object["name"] = name.into();
        let event = serde_json::json!({"id": event, "object": "event", "type": "customer.updated", "created": created,
            "api_version": "2026-10-28.endive", "livemode": false, "data": {"object": object}});
        assert_eq!(bridge.receive(&event.to_string()).await.status, 200);
    }
    bridge.drain().await;
    assert_eq!(bridge.field(CUSTOMER, id, "Name").unwrap(), "Third and true");
    let reads = bridge.stripe.calls().iter().filter(|call| call.method == "GET").count();
    assert_eq!(reads, 1);
}

async fn an_event_in_another_api_version_is_read_again(bridge: Bridge) {
    let customer = bridge.at_stripe("/v1/customers", &[("name", "As of today")]).await;
    let mut old = bridge.stripe.events()[0].clone();
    old["api_version"] = "2020-08-27".into();
    old["data"]["object"]["name"] = "In an old shape".into();
    assert_eq!(bridge.receive(&old.to_string()).await.status, 200);
    bridge.drain().await;
    let id = customer["id"].as_str().unwrap();
    assert_eq!(bridge.field(CUSTOMER, id, "Name").unwrap(), "As of today");
}

async fn an_event_in_another_api_version_whose_object_is_gone_is_set_aside(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    bridge.at_stripe("/v1/customers", &[("name", "In an old shape")]).await;
    let mut old = bridge.stripe.events()[0].clone();
    old["api_version"] = "2020-08-27".into();
    old["data"]["object"]["id"] = "cus_gone".into();
    assert_eq!(bridge.receive(&old.to_string()).await.status, 200);
    bridge.drain().await;
    let dead = bridge.store().read(|conn| paybridge::store::inbox::dead_letters(conn, 10)).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].last_error.as_deref().unwrap().contains("cus_gone"), "{dead:?}");
}

async fn every_event_in_another_api_version_says_what_became_of_it(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let customer = bridge.at_stripe("/v1/customers", &[("name", "As of today")]).await;
    let event = bridge.stripe.events()[0].clone();
    for (id, object) in
        [("evt_1", customer["id"].as_str().unwrap()), ("evt_2", customer["id"].as_str().unwrap())]
            .into_iter()
            .chain([("evt_3", "cus_gone"), ("evt_4", "cus_gone")])
    {
        let mut old = event.clone();
        old["id"] = id.into();
        old["api_version"] = "2020-08-27".into();
        old["data"]["object"]["id"] = object.into();
        assert_eq!(bridge.receive(&old.to_string()).await.status, 200);
    }
    bridge.drain().await;
    let reads = bridge.stripe.calls().iter().filter(|call| call.method == "GET").count();
    assert_eq!(reads, 2, "each object is read once, whoever waits for it");
    let (notes, dead) = bridge
        .store()
        .read(|conn| {
            let notes =
                (1..=4).map(|seq| paybridge::store::notes::of(conn, seq)).collect::<Result<Vec<_>, _>>()?;
            Ok((notes, paybridge::store::inbox::dead_letters(conn, 10)?))
        })
        .await
        .unwrap();
    for of_one in &notes[..2] {
        assert!(of_one[0].starts_with("read from Stripe instead, as fetch_"), "{notes:?}");
    }
    assert!(
        notes.iter().flatten().filter(|n| n.contains("written in API version 2020-08-27")).count() == 4,
        "{notes:?}"
    );
    assert_eq!(dead.iter().map(|event| event.event_id.as_str()).collect::<Vec<_>>(), ["evt_3", "evt_4"]);
    for event in &dead {
        let reason = event.last_error.as_deref().unwrap();
        assert!(reason.contains("Stripe has no customer `cus_gone` any more"), "{reason}");
    }
}

async fn a_link_that_a_later_state_does_not_name_stays_in_every_order(bridge: Bridge) {
    bridge.a_payment("4900", "usd").await;
    let events = bridge.stripe.events();
    let succeeded = events.iter().find(|event| event["type"] == "payment_intent.succeeded").unwrap();
    for (number, order) in [[0, 1], [1, 0]].into_iter().enumerate() {
        let id = format!("pi_{number}");
        let mut linked = succeeded.clone();
        linked["id"] = format!("evt_linked_{number}").into();
        linked["data"]["object"]["id"] = id.clone().into();
        let mut unlinked = linked.clone();
        unlinked["id"] = format!("evt_unlinked_{number}").into();
        unlinked["created"] = (succeeded["created"].as_i64().unwrap() + 1).into();
        unlinked["data"]["object"]["metadata"] = serde_json::json!({});
        unlinked["data"]["object"]["description"] = "newer".into();
        let told = [linked, unlinked];
        for which in order {
            assert_eq!(bridge.receive(&told[which].to_string()).await.status, 200);
            bridge.drain_for(Duration::from_secs(60)).await;
        }
        assert_eq!(bridge.field(INTENT, &id, "Name").unwrap(), "newer", "{order:?}");
        assert_eq!(bridge.field(INTENT, &id, "Opportunity__c").unwrap(), OPPORTUNITY_ID, "{order:?}");
    }
}

async fn the_daily_budget_pauses_and_fails_nothing(bridge: Bridge) {
    bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    bridge.org.set_daily_limit(2);
    bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    let calls = bridge.org.calls().len();
    bridge.drain_for(Duration::from_secs(1_200)).await;
    let asked = bridge.org.calls().len() - calls;
    assert!(asked <= 1, "an org whose requests are used up was called {asked} times in 20 minutes");
    assert!(bridge.org.record(INTENT, &paid.intent).is_none());
    assert_eq!(bridge.counts().await.dead, 0);
    bridge.org.set_daily_limit(100_000);
    bridge.drain_for(Duration::from_secs(3_600)).await;
    assert_eq!(bridge.field(INTENT, &paid.intent, "Status__c").unwrap(), "Completed");
}

async fn an_amount_in_no_known_currency_is_set_aside(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let paid = bridge.a_payment("4900", "usd").await;
    let events = bridge.stripe.events();
    let charged = events.iter().find(|event| event["type"] == "charge.succeeded").unwrap().to_string();
    let odd = charged.replace(r#""currency":"usd""#, r#""currency":"zzz""#);
    assert_eq!(bridge.receive(&odd).await.status, 200);
    bridge.drain().await;
    let dead = bridge.store().read(|conn| paybridge::store::inbox::dead_letters(conn, 10)).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].last_error.as_deref().unwrap().contains("`zzz` is not a currency"), "{dead:?}");
    assert!(bridge.org.record(CHARGE, &paid.charge).is_none());
}

async fn what_waited_goes_on_after_a_restart(mut bridge: Bridge) {
    bridge.org.set_outage(true);
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    bridge.org.set_outage(false);
    bridge.restart().await;
    bridge.drain_for(Duration::from_secs(30)).await;
    assert_eq!(bridge.field(INTENT, &paid.intent, "Status__c").unwrap(), "Completed");
}
