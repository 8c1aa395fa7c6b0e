//! The stand-in over HTTP: keys, payments, subscriptions, deliveries and faults as a caller meets them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

use super::testing::Caller;
use super::{Fault, state};

const VISA: &str = "payment_method=pm_card_visa&confirm=true&automatic_payment_methods[enabled]=true\
     &automatic_payment_methods[allow_redirects]=never";

fn id(object: &Value) -> &str {
    state::text(object, "id")
}

fn paying(card: &str) -> String {
    format!("amount=25000&currency=usd&{}", VISA.replace("pm_card_visa", card))
}

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
    caller.send(client.get(&url).basic_auth(super::testing::KEY, Some(""))).await.ok();
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
    while caller.event_types().is_empty() {
        tokio::task::yield_now().await;
    }
    let refused = caller.post_with_key("k", "/v1/customers", "name=Ada").await;
    assert_eq!(refused.refused(), (409, "idempotency_key_in_use"));

    // The caller gives up: the work was done, and its answer can be had.
    hanging.abort();
    let replayed = loop {
        let got = caller.post_with_key("k", "/v1/customers", "name=Ada").await;
        if got.status != 409 {
            break got;
        }
        tokio::task::yield_now().await;
    };
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
async fn a_payment_succeeds_and_settles_afterwards() {
    let caller = Caller::start().await;
    let form = format!("{}&metadata[sf_record_id]=006&expand[]=latest_charge", paying("pm_card_visa"));
    let intent = caller.post("/v1/payment_intents", &form).await.ok();
    assert_eq!((&intent["status"], &intent["amount_received"]), (&"succeeded".into(), &25_000.into()));
    assert!(intent["latest_charge"]["balance_transaction"].is_null());
    assert_eq!(
        caller.event_types(),
        ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.updated"]
    );
    let updated = &caller.stripe.events()[3];
    assert_eq!(updated["data"]["previous_attributes"], serde_json::json!({ "balance_transaction": null }));
    assert!(updated["request"]["id"].is_null());
    let path = format!("/v1/payment_intents/{}?expand[]=latest_charge.balance_transaction", id(&intent));
    let settled = caller.get(&path).await.ok();
    let booked = &settled["latest_charge"]["balance_transaction"];
    assert_eq!((&booked["fee"], &booked["net"]), (&755.into(), &24_245.into()));
    assert_eq!(settled["latest_charge"]["metadata"]["sf_record_id"], "006");
    caller.get(&format!("/v1/balance_transactions/{}", id(booked))).await.ok();
    assert_eq!(caller.get(&format!("{path}&expand[]=currency")).await.refused().0, 400);
}

#[tokio::test]
async fn every_declining_card_says_why() {
    let caller = Caller::start().await;
    for (card, code, decline_code) in [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_radarBlock", "card_declined", "fraudulent"),
    ] {
        let got = caller.post("/v1/payment_intents", &paying(card)).await;
        assert_eq!(got.refused(), (402, code), "{card}");
        let error = &got.body["error"];
        let intent = &error["payment_intent"];
        assert_eq!(
            (&error["type"], &error["decline_code"]),
            (&"card_error".into(), &decline_code.into()),
            "{card}"
        );
        assert_eq!(intent["status"], "requires_payment_method");
        assert_eq!(intent["last_payment_error"]["code"], code);
        assert_eq!(intent["latest_charge"], error["charge"]);
        let charge = caller.get(&format!("/v1/charges/{}", error["charge"].as_str().unwrap())).await.ok();
        assert_eq!((&charge["status"], &charge["failure_code"]), (&"failed".into(), &code.into()));
    }
    assert_eq!(
        caller.event_types()[..3],
        ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]
    );
    let customer = caller.customer().await;
    let attach = |card: &str| format!("/v1/payment_methods/{card}/attach");
    let form = format!("customer={customer}");
    assert_eq!(caller.post(&attach("pm_card_chargeDeclined"), &form).await.refused().0, 402);
    caller.post(&attach("pm_card_chargeCustomerFail"), &form).await.ok();
}

#[tokio::test]
async fn a_payment_intent_goes_only_where_its_status_allows() {
    let caller = Caller::start().await;
    let never = "automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=never";
    let form = format!("amount=18000&currency=usd&capture_method=manual&{never}");
    let intent = caller.post("/v1/payment_intents", &form).await.ok();
    assert_eq!(intent["status"], "requires_payment_method");
    let path = format!("/v1/payment_intents/{}", id(&intent));
    let step = |name: &str| format!("{path}/{name}");
    let unexpected = (400, "payment_intent_unexpected_state");
    assert_eq!(caller.post(&step("confirm"), "").await.refused(), unexpected);
    assert_eq!(caller.post(&step("capture"), "").await.refused(), unexpected);
    assert_eq!(caller.post(&step("confirm"), "payment_method=pm_card_chargeDeclined").await.refused().0, 402);
    let with_card = caller.post(&path, "payment_method=pm_card_visa&amount=18500").await.ok();
    assert_eq!(with_card["status"], "requires_confirmation");
    let held = caller.post(&step("confirm"), "").await.ok();
    assert_eq!((&held["status"], &held["amount_capturable"]), (&"requires_capture".into(), &18_500.into()));
    assert!(held["last_payment_error"].is_null());
    assert_eq!(caller.post(&path, "amount=100").await.refused(), unexpected);
    let too_much = caller.post(&step("capture"), "amount_to_capture=18501").await;
    assert_eq!(too_much.refused(), (400, "amount_too_large"));
    let taken = caller.post(&step("capture"), "amount_to_capture=15000").await.ok();
    assert_eq!((&taken["status"], &taken["amount_received"]), (&"succeeded".into(), &15_000.into()));
    let charge = caller.stripe.object(taken["latest_charge"].as_str().unwrap()).unwrap();
    assert_eq!((&charge["amount_captured"], &charge["amount_refunded"]), (&15_000.into(), &3_500.into()));
    assert_eq!(caller.post(&step("cancel"), "").await.refused(), unexpected);

    let open = caller.post("/v1/payment_intents", &form).await.ok();
    let cancel = format!("/v1/payment_intents/{}/cancel", id(&open));
    let canceled = caller.post(&cancel, "cancellation_reason=abandoned").await.ok();
    assert_eq!(
        (&canceled["status"], &canceled["cancellation_reason"]),
        (&"canceled".into(), &"abandoned".into())
    );
    assert_eq!(caller.post(&cancel, "").await.refused(), unexpected);
}

#[tokio::test]
async fn authentication_is_asked_for_or_refused() {
    let caller = Caller::start().await;
    let form = paying("pm_card_authenticationRequired");
    let intent = caller.post("/v1/payment_intents", &form).await.ok();
    assert_eq!(
        (&intent["status"], &intent["next_action"]["type"]),
        (&"requires_action".into(), &"use_stripe_sdk".into())
    );
    let away = caller.post("/v1/payment_intents", &format!("{form}&off_session=true")).await;
    assert_eq!(away.refused(), (402, "authentication_required"));
    assert!(caller.event_types().contains(&"payment_intent.requires_action".to_owned()));
}

#[tokio::test]
async fn parameters_are_refused_as_stripe_does() {
    let caller = Caller::start().await;
    for (form, code, param) in [
        ("currency=usd", "parameter_missing", "amount"),
        ("amount=1000", "parameter_missing", "currency"),
        ("amount=10.99&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=49&currency=usd", "amount_too_small", "amount"),
        ("amount=100000000&currency=usd", "amount_too_large", "amount"),
        ("amount=1000&currency=xyz", "", "currency"),
        ("amount=12345&currency=kwd", "", "amount"),
        (
            "amount=1000&currency=usd&payment_method_types[]=card",
            "parameter_unknown",
            "payment_method_types[0]",
        ),
        ("amount=1000&currency=usd&customer=cus_none", "resource_missing", "customer"),
        ("amount=1000&currency=usd&payment_method=pm_none", "resource_missing", "payment_method"),
        ("amount=1000&currency=usd&off_session=true", "", "off_session"),
        ("amount=1000&currency=usd&confirm=true&payment_method=pm_card_visa", "", "return_url"),
    ] {
        let got = caller.post("/v1/payment_intents", form).await;
        let status = if code == "resource_missing" { 404 } else { 400 };
        assert_eq!(got.refused(), (status, code), "{form}: {:#}", got.body);
        assert_eq!(got.body["error"]["param"], param, "{form}");
    }
    assert!(caller.event_types().is_empty());
    let with_url =
        "amount=1000&currency=USD&confirm=true&payment_method=pm_card_visa&return_url=https://x.example";
    caller.post("/v1/payment_intents", with_url).await.ok();
    let only_card = "amount=1000&currency=usd&confirm=true&payment_method=pm_card_visa&allowed_payment_method_types[]=card";
    caller.post("/v1/payment_intents", only_card).await.ok();
    let json = caller.request("POST", "/v1/customers").header("Content-Type", "application/json").body("{}");
    assert_eq!(caller.send(json).await.refused().0, 400);
}

#[tokio::test]
async fn refunds_take_a_charge_back_in_parts() {
    let caller = Caller::start().await;
    let intent = caller.post("/v1/payment_intents", &paying("pm_card_visa")).await.ok();
    let charge = intent["latest_charge"].as_str().unwrap().to_owned();
    let by_intent = format!("payment_intent={}", id(&intent));
    let refund = caller.post("/v1/refunds", &format!("{by_intent}&amount=5000&reason=duplicate")).await.ok();
    assert_eq!((&refund["status"], &refund["charge"]), (&"succeeded".into(), &charge.as_str().into()));
    let too_much = caller.post("/v1/refunds", &format!("charge={charge}&amount=20001")).await;
    assert_eq!((too_much.refused(), &too_much.body["error"]["param"]), ((400, ""), &"amount".into()));
    caller.post("/v1/refunds", &format!("charge={charge}")).await.ok();
    assert_eq!(caller.post("/v1/refunds", &by_intent).await.refused(), (400, "charge_already_refunded"));
    let read = caller.get(&format!("/v1/charges/{charge}?expand[]=refunds")).await.ok();
    assert_eq!((&read["refunded"], &read["amount_refunded"]), (&true.into(), &25_000.into()));
    assert_eq!(read["refunds"]["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        caller.get(&format!("/v1/refunds?charge={charge}")).await.ok()["data"].as_array().unwrap().len(),
        2
    );
    assert_eq!(caller.post(&format!("/v1/refunds/{}/cancel", id(&refund)), "").await.status, 400);
    let types = caller.event_types();
    assert_eq!(types[4..], ["refund.created", "charge.refunded", "refund.created", "charge.refunded"]);
    let previous = &caller.stripe.events()[5]["data"]["previous_attributes"];
    assert_eq!(*previous, serde_json::json!({ "amount_refunded": 0 }));
    assert_eq!(caller.post("/v1/refunds", "amount=1").await.refused(), (400, "parameter_missing"));
}

/// A customer who pays with this card unless asked otherwise.
async fn subscriber(caller: &Caller, card: &str) -> String {
    let customer = caller.customer().await;
    let form = format!("customer={customer}");
    let method = caller.post(&format!("/v1/payment_methods/{card}/attach"), &form).await.ok();
    let form = format!("invoice_settings[default_payment_method]={}", id(&method));
    caller.post(&format!("/v1/customers/{customer}"), &form).await.ok();
    customer
}

#[tokio::test]
async fn a_subscription_begins_with_a_paid_invoice() {
    let caller = Caller::start().await;
    let customer = subscriber(&caller, "pm_card_visa").await;
    let before = caller.event_types().len();
    let form = format!(
        "customer={customer}&items[0][price]=price_sandbox_monthly&items[0][quantity]=3&metadata[sf_record_id]=800\
         &expand[]=latest_invoice.payments"
    );
    let subscription = caller.post("/v1/subscriptions", &form).await.ok();
    assert_eq!(subscription["status"], "active");
    let item = &subscription["items"]["data"][0];
    assert_eq!(item["current_period_start"], 1_791_300_000);
    assert!(subscription.get("current_period_end").is_none());
    let invoice = &subscription["latest_invoice"];
    assert_eq!((&invoice["status"], &invoice["amount_paid"]), (&"paid".into(), &14_700.into()));
    assert_eq!(invoice["parent"]["subscription_details"]["metadata"]["sf_record_id"], "800");
    assert_eq!(invoice["payments"]["data"][0]["status"], "paid");
    assert_eq!(
        caller.event_types()[before..],
        [
            "customer.subscription.created",
            "invoice.created",
            "invoice.finalized",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
            "invoice_payment.paid",
            "customer.subscription.updated",
            "charge.updated",
        ]
    );
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    let more = format!("items[0][id]={}&items[0][quantity]=5", id(item));
    assert_eq!(caller.post(&path, &more).await.ok()["items"]["data"][0]["quantity"], 5);
    let ending = caller.post(&path, "cancel_at_period_end=true").await.ok();
    assert_eq!(ending["cancel_at"], item["current_period_end"]);
    assert!(caller.post(&path, "cancel_at_period_end=false").await.ok()["cancel_at"].is_null());
    assert_eq!(caller.delete(&path).await.ok()["status"], "canceled");
    assert_eq!(caller.delete(&path).await.refused(), (404, "resource_missing"));
    assert_eq!(caller.get("/v1/subscriptions").await.ok()["data"], serde_json::json!([]));
    assert_eq!(caller.get("/v1/subscriptions?status=all").await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_subscription_without_money_stays_incomplete_until_it_is_paid() {
    let caller = Caller::start().await;
    let customer = subscriber(&caller, "pm_card_chargeCustomerFail").await;
    let form = format!("customer={customer}&items[0][price]=price_sandbox_monthly");
    let subscription = caller.post("/v1/subscriptions", &form).await.ok();
    assert_eq!(subscription["status"], "incomplete");
    assert!(caller.event_types().contains(&"invoice.payment_failed".to_owned()));
    let pay = format!("/v1/invoices/{}/pay", subscription["latest_invoice"].as_str().unwrap());
    assert_eq!(caller.post(&pay, "").await.refused(), (402, "card_declined"));
    let good =
        caller.post("/v1/payment_methods/pm_card_visa/attach", &format!("customer={customer}")).await.ok();
    assert_eq!(caller.post(&pay, &format!("payment_method={}", id(&good))).await.ok()["status"], "paid");
    assert_eq!(caller.stripe.object(id(&subscription)).unwrap()["status"], "active");

    let events = caller.event_types().len();
    let strict =
        caller.post("/v1/subscriptions", &format!("{form}&payment_behavior=error_if_incomplete")).await;
    assert_eq!(strict.refused(), (402, "card_declined"));
    assert_eq!(caller.event_types().len(), events);
    assert_eq!(caller.get("/v1/subscriptions").await.ok()["data"].as_array().unwrap().len(), 1);

    let later = caller
        .post(
            "/v1/subscriptions",
            &format!(
                "{form}&payment_behavior=default_incomplete&expand[]=latest_invoice.confirmation_secret"
            ),
        )
        .await
        .ok();
    let secret = later["latest_invoice"]["confirmation_secret"]["client_secret"].as_str().unwrap();
    let intent = secret.split("_secret_").next().unwrap();
    let form = format!("payment_method={}", id(&good));
    caller.post(&format!("/v1/payment_intents/{intent}/confirm"), &form).await.ok();
    assert_eq!(caller.stripe.object(id(&later)).unwrap()["status"], "active");
}

#[tokio::test]
async fn trials_cost_nothing_and_invoices_by_mail_wait() {
    let caller = Caller::start().await;
    let customer = caller.customer().await;
    let items = "items[0][price_data][currency]=eur&items[0][price_data][product]=prod_sandbox_plan\
         &items[0][price_data][unit_amount]=900&items[0][price_data][recurring][interval]=year";
    let form = format!("customer={customer}&{items}");
    assert_eq!(caller.post("/v1/subscriptions", &form).await.refused(), (400, "resource_missing"));
    let trial = caller
        .post("/v1/subscriptions", &format!("{form}&trial_period_days=14&expand[]=latest_invoice"))
        .await
        .ok();
    assert_eq!((&trial["status"], &trial["latest_invoice"]["status"]), (&"trialing".into(), &"paid".into()));
    assert_eq!(trial["items"]["data"][0]["current_period_end"], 1_791_300_000 + 14 * 86_400);
    let by_mail = format!("{form}&collection_method=send_invoice");
    assert_eq!(caller.post("/v1/subscriptions", &by_mail).await.refused(), (400, "parameter_missing"));
    let by_mail = format!("{by_mail}&days_until_due=30&expand[]=latest_invoice");
    let by_mail = caller.post("/v1/subscriptions", &by_mail).await.ok();
    assert_eq!(
        (&by_mail["status"], &by_mail["latest_invoice"]["status"]),
        (&"active".into(), &"draft".into())
    );
    caller.delete(&format!("/v1/customers/{customer}")).await.ok();
    let types = caller.event_types();
    assert_eq!(
        types[types.len() - 3..],
        ["customer.subscription.deleted", "customer.subscription.deleted", "customer.deleted"]
    );
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

/// A webhook endpoint that notes what comes and answers as it is told.
struct Endpoint {
    url: String,
    got: Arc<Mutex<Vec<(String, String)>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Endpoint {
    /// Answers these statuses first, then 200.
    fn start(answers: &[u16]) -> Self {
        let got: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let answers = Arc::new(Mutex::new(answers.iter().rev().copied().collect::<Vec<_>>()));
        let (noting, answering) = (Arc::clone(&got), Arc::clone(&answers));
        let server = HttpServer::new(move || {
            let (got, answers) = (Arc::clone(&noting), Arc::clone(&answering));
            App::new().default_service(web::to(move |request: HttpRequest, body: String| {
                let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
                let signature = header("stripe-signature");
                assert_eq!(header("content-type"), "application/json; charset=utf-8");
                got.lock().unwrap().push((signature, body));
                let status = answers.lock().unwrap().pop().unwrap_or(200);
                async move { HttpResponse::build(status.try_into().unwrap()).finish() }
            }))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/webhooks/stripe", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, got, answers }
    }

    fn types(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        let events = got.iter().map(|(_, body)| serde_json::from_str::<Value>(body).unwrap());
        events.map(|event| state::text(&event, "type").to_owned()).collect()
    }
}

#[tokio::test]
async fn events_are_delivered_signed_until_they_are_accepted() {
    let caller = Caller::start().await;
    caller.post("/v1/payment_intents", &paying("pm_card_visa")).await.ok();
    assert!(caller.stripe.deliver_pending().await.is_empty());
    let endpoint = Endpoint::start(&[200, 503, 302]);
    caller.stripe.deliver_to(endpoint.url.clone());
    let statuses: Vec<u16> =
        caller.stripe.deliver_pending().await.into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, [200, 503, 302, 200]);
    let undelivered = caller.get("/v1/events?delivery_success=false").await.ok();
    assert_eq!(undelivered["data"].as_array().unwrap().len(), 2);

    caller.clock.advance(Duration::from_secs(7));
    let again = caller.stripe.deliver_pending().await;
    assert_eq!(again.iter().map(|(_, status)| *status).collect::<Vec<_>>(), [200, 200]);
    assert!(caller.stripe.deliver_pending().await.is_empty());
    let got = endpoint.got.lock().unwrap().clone();
    assert!(got[0].0.starts_with("t=1791300000,v1=") && got[4].0.starts_with("t=1791300007,v1="), "{got:?}");
    assert_eq!(got[4].1, got[1].1);

    let first = id(&caller.stripe.events()[0]).to_owned();
    assert_eq!(caller.stripe.deliver(&first).await, 200);
    assert_eq!(caller.stripe.deliver("evt_none").await, 0);
}

#[tokio::test]
async fn deliveries_come_twice_or_out_of_order_once_when_asked() {
    let caller = Caller::start().await;
    let endpoint = Endpoint::start(&[]);
    caller.stripe.deliver_to(endpoint.url.clone());
    caller.post("/v1/payment_intents", &paying("pm_card_chargeDeclined")).await;
    caller.stripe.deliver_twice();
    caller.stripe.deliver_out_of_order();
    caller.stripe.deliver_pending().await;
    let (failed, charge, created) =
        ("payment_intent.payment_failed", "charge.failed", "payment_intent.created");
    assert_eq!(endpoint.types(), [failed, failed, charge, charge, created, created]);
    caller.customer().await;
    caller.stripe.deliver_pending().await;
    assert_eq!(endpoint.types()[6..], ["customer.created"]);
}

#[tokio::test]
async fn in_the_background_events_are_delivered_as_they_happen_and_again() {
    let caller = Caller::start().await;
    let endpoint = Endpoint::start(&[500]);
    caller.stripe.deliver_to(endpoint.url.clone());
    caller.stripe.deliver_in_background();
    caller.customer().await;
    while endpoint.types().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(endpoint.types(), ["customer.created", "customer.created"]);
    assert!(endpoint.answers.lock().unwrap().is_empty());
    caller.stripe.stop().await;
    assert!(caller.request("GET", "/v1/account").send().await.is_err());
}
