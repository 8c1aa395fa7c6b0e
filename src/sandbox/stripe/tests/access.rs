//! Who is let in, idempotency keys, lists, and faults, as a caller meets them.

use std::time::Duration;

use super::{id, paying};
use crate::sandbox::stripe::Fault;
use crate::sandbox::stripe::testing::Caller;
use crate::sandbox::until;

#[tokio::test]
async fn only_the_right_key_is_let_in() {
    let caller = Caller::start().await;
    let url = format!("{}/v1/account", caller.stripe.base_url());
    let client = reqwest::Client::new();
    for request in [client.get(&url), client.get(&url).bearer_auth("sk_test_other")] {
        let got = caller.send(request).await;
        assert_eq!(got.refused(), (401, ""));
        assert!(got.headers["request-id"].to_str().unwrap().starts_with("req_"));
    }
    caller.send(client.get(&url).basic_auth(crate::sandbox::stripe::testing::KEY, Some(""))).await.ok();
    let got = caller.send(caller.request("GET", "/v1/account").header("Stripe-Version", "newest")).await;
    assert_eq!(got.refused(), (400, ""));
    caller
        .send(caller.request("GET", "/v1/account").header("Stripe-Version", "2026-10-28.endive"))
        .await
        .ok();
    assert_eq!(caller.get("/v1/unknown").await.refused(), (404, ""));
    assert_eq!(caller.send(caller.request("PUT", "/v1/customers")).await.refused(), (404, ""));
}

#[tokio::test]
async fn a_customer_is_created_changed_listed_and_deleted() {
    let caller = Caller::start().await;
    let form = "email=ada@example.com&name=Ada&metadata[sf_record_id]=001&address[city]=Berlin";
    let customer = caller.post("/v1/customers", form).await.ok();
    let path = format!("/v1/customers/{}", id(&customer));
    let changed =
        caller.post(&path, "description=Best&metadata[sf_record_id]=&metadata[a]=b&name=").await.ok();
    assert_eq!(changed["metadata"], serde_json::json!({ "a": "b" }));
    assert!(changed["name"].is_null());
    assert_eq!(caller.get(&path).await.ok(), changed);
    let list = caller.get("/v1/customers?email=ada@example.com").await.ok();
    assert_eq!(list["data"], serde_json::json!([changed]));
    assert_eq!(caller.delete(&path).await.ok()["deleted"], true);
    assert_eq!(caller.get(&path).await.ok()["deleted"], true);
    assert_eq!(caller.post(&path, "name=x").await.refused(), (404, "resource_missing"));
    assert_eq!(caller.get("/v1/customers").await.ok()["data"], serde_json::json!([]));
    assert_eq!(caller.event_types(), ["customer.created", "customer.updated", "customer.deleted"]);
    let previous = &caller.stripe.events()[1]["data"]["previous_attributes"];
    assert_eq!(
        *previous,
        serde_json::json!({
            "description": null, "name": "Ada", "metadata": { "sf_record_id": "001", "a": null },
        })
    );
    let refused = caller.post("/v1/customers", "emial=x").await;
    assert_eq!(
        (refused.refused(), &refused.body["error"]["param"]),
        ((400, "parameter_unknown"), &"emial".into())
    );
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer() {
    let caller = Caller::start().await;
    let first = caller.post_with_key("k1", "/v1/customers", "name=Ada").await;
    let again = caller.post_with_key("k1", "/v1/customers", "name=Ada").await;
    assert!(first.headers.get("idempotent-replayed").is_none());
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.headers["original-request"], first.headers["request-id"]);
    assert_ne!(again.headers["request-id"], first.headers["request-id"]);
    assert_eq!(first.ok(), again.ok());
    let other = caller.post_with_key("k1", "/v1/customers", "name=Bob").await;
    assert_eq!((other.status, &other.body["error"]["type"]), (400, &"idempotency_error".into()));
    assert_eq!(caller.event_types().len(), 1);
    assert_eq!(caller.stripe.events()[0]["request"]["idempotency_key"], "k1");

    // A refusal before any work leaves the key free, a decline does not.
    assert_eq!(caller.post_with_key("k2", "/v1/payment_intents", "amount=x").await.refused().0, 400);
    let form = paying("pm_card_chargeDeclined");
    let declined = caller.post_with_key("k2", "/v1/payment_intents", &form).await;
    let again = caller.post_with_key("k2", "/v1/payment_intents", &form).await;
    assert_eq!(declined.refused(), (402, "card_declined"));
    assert_eq!((again.status, &again.body), (402, &declined.body));
    assert_eq!(again.headers["idempotent-replayed"], "true");

    // After 24 hours the key is free again.
    caller.clock.advance(Duration::from_secs(24 * 60 * 60));
    let later = caller.post_with_key("k1", "/v1/customers", "name=Bob").await;
    assert_eq!(later.ok()["name"], "Bob");
}

#[tokio::test]
async fn a_key_is_in_use_while_its_call_runs() {
    let caller = Caller::start().await;
    caller.stripe.fail_next(1, Fault::Hang);
    let hanging = caller.form("/v1/customers", "name=Ada").header("Idempotency-Key", "k");
    let hanging = tokio::spawn(hanging.send());
    until("the work is done", async || !caller.event_types().is_empty()).await;
    let refused = caller.post_with_key("k", "/v1/customers", "name=Ada").await;
    assert_eq!(refused.refused(), (409, "idempotency_key_in_use"));

    // The caller gives up: the work was done, and its answer can be had.
    hanging.abort();
    let again = async || caller.post_with_key("k", "/v1/customers", "name=Ada").await;
    until("the key is free", async || again().await.status != 409).await;
    let replayed = again().await;
    assert_eq!(replayed.headers["idempotent-replayed"], "true");
    assert_eq!(caller.event_types(), ["customer.created"]);
    assert_eq!(caller.stripe.calls()[0].status, None);
}

#[tokio::test]
async fn faults_come_when_asked_for() {
    let caller = Caller::start().await;
    for (fault, status, code, stored) in [
        (Fault::RateLimited, 429, "rate_limit", false),
        (Fault::LockTimeout, 429, "lock_timeout", false),
        (Fault::Unavailable, 503, "", false),
        (Fault::ExpiredKey, 401, "api_key_expired", false),
        (Fault::MissingPermission, 403, "", false),
        (Fault::ServerError, 500, "", true),
        (Fault::ServerErrorAfterWork, 500, "", true),
    ] {
        let key = fault.to_string();
        caller.stripe.fail_next(1, fault);
        assert_eq!(
            caller.post_with_key(&key, "/v1/customers", "name=A").await.refused(),
            (status, code),
            "{fault}"
        );
        let again = caller.post_with_key(&key, "/v1/customers", "name=A").await;
        assert_eq!(again.status, if stored { status } else { 200 }, "{fault}");
    }
    // Five that were tried again, and one whose work was done before the 500.
    assert_eq!(caller.event_types().len(), 6);

    caller.stripe.fail_next(1, Fault::DropConnection);
    let request = caller.form("/v1/customers", "name=B").header("Idempotency-Key", "lost");
    assert!(request.send().await.is_err());
    assert_eq!(caller.event_types().len(), 7);
    assert_eq!(caller.stripe.calls().last().unwrap().status, None);
    assert_eq!(
        caller.post_with_key("lost", "/v1/customers", "name=B").await.headers["idempotent-replayed"],
        "true"
    );

    caller.stripe.set_outage(true);
    assert_eq!(caller.get("/v1/account").await.status, 503);
    caller.stripe.set_outage(false);
    caller.get("/v1/account").await.ok();
}

#[tokio::test]
async fn lists_and_events_are_read_in_pages() {
    let caller = Caller::start().await;
    for name in ["a", "b", "c"] {
        caller.post("/v1/customers", &format!("name={name}")).await.ok();
        caller.clock.advance(Duration::from_secs(10));
    }
    let page = caller.get("/v1/customers?limit=2").await.ok();
    assert_eq!((&page["data"][0]["name"], &page["has_more"]), (&"c".into(), &true.into()));
    let rest =
        caller.get(&format!("/v1/customers?limit=2&starting_after={}", id(&page["data"][1]))).await.ok();
    assert_eq!((&rest["data"][0]["name"], &rest["has_more"]), (&"a".into(), &false.into()));
    assert_eq!(
        caller.get("/v1/customers?created[gte]=1791300010").await.ok()["data"].as_array().unwrap().len(),
        2
    );
    let events = caller.get("/v1/events?types[]=customer.created&types[]=x.y&limit=1").await.ok();
    assert_eq!(events["data"][0]["data"]["object"]["name"], "c");
    caller.get(&format!("/v1/events/{}", id(&events["data"][0]))).await.ok();
    assert_eq!(caller.get("/v1/customers?limit=0").await.refused(), (400, "parameter_invalid_integer"));
    caller.stripe.insert(serde_json::json!({ "id": "po_1", "object": "payout", "amount": 5 }));
    assert_eq!(caller.get("/v1/payouts/po_1").await.ok()["amount"], 5);
    assert_eq!(caller.get("/v1/payouts/po_2").await.refused(), (404, "resource_missing"));
}

#[tokio::test]
async fn people_see_and_ask_for_faults() {
    let caller = Caller::start().await;
    let customer = caller.post("/v1/customers", "name=<b>").await.ok();
    let url = format!("{}/_sandbox", caller.stripe.base_url());
    let page = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert!(
        page.contains(id(&customer)) && page.contains("&lt;b&gt;") && page.contains("rate_limited"),
        "{page}"
    );
    let asked = caller.request("POST", "/_sandbox/faults").body(r#"{"fault":"rate_limited","count":2}"#);
    caller.send(asked).await.ok();
    for status in [429, 429, 200] {
        assert_eq!(caller.get("/v1/account").await.status, status);
    }
    assert_eq!(
        caller.send(caller.request("POST", "/_sandbox/faults").body(r#"{"fault":"rain"}"#)).await.status,
        400
    );
    caller.send(caller.request("POST", "/_sandbox/faults").body(r#"{"outage":true}"#)).await.ok();
    assert_eq!(caller.get("/_sandbox/faults").await.ok()["outage"], true);
    assert_eq!(caller.get("/v1/account").await.status, 503);
}
