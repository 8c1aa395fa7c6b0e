//! One intention is done once: when it is repeated, when it comes a hundred times at once, when nobody knows what became of
//! it, and when the program dies in between.

use std::time::Duration;

use paybridge::api::{Scope, issue};
use paybridge::clock::{Clock, unix_ms};
use paybridge::sandbox::stripe::{Fault, Options, Stripe};
use paybridge::store::operations::{self, Operation};
use paybridge::store::{Backend, Store, api_keys, bindings, idempotency, standing};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::bridge::{Bridge, Caller, STRIPE_KEY, WEBHOOK_SECRET, database};
use crate::each_backend;
use crate::patience::until;
use crate::process::Service;

each_backend!(
    a_hundred_creates_for_one_account_make_one_customer,
    a_repeat_is_answered_when_stripe_has_long_forgotten,
    a_decline_is_the_answer_for_good_and_a_refusal_is_not,
    an_unknown_outcome_is_found_out_in_the_background,
    what_stripe_did_while_it_failed_is_found_by_its_events,
    a_key_that_is_too_old_is_looked_up_and_never_sent,
    what_nobody_did_in_a_day_is_not_done_any_more,
    what_nobody_found_out_in_a_month_is_left_to_a_person,
    what_was_done_in_part_is_gone_on_with,
    what_was_done_in_part_and_is_too_old_is_told,
    no_secret_is_kept_and_none_is_lost,
    a_cancel_whose_answer_was_lost_is_told_as_done,
    keys_that_are_made_here_are_not_for_callers,
    a_customer_that_was_deleted_is_made_anew_by_its_record,
    what_is_no_operation_id_is_an_unknown_one,
    a_bulk_that_takes_long_goes_on_and_can_be_asked_for,
    what_is_about_to_be_claimed_is_not_told_as_never_done,
    a_bulk_is_inside_stripes_limits_and_not_slower_than_they_allow,
    what_is_old_is_forgotten,
    what_cannot_be_written_down_is_not_asked_of_stripe,
    a_bulk_is_claimed_item_by_item_by_two_processes_at_once,
);

fn count(stripe: &Stripe, kind: &str) -> usize {
    stripe.events().iter().filter(|event| event["type"] == kind).count()
}

fn posts(bridge: &Bridge, path: &str) -> usize {
    bridge.stripe.calls().iter().filter(|call| call.method == "POST" && call.path == path).count()
}

fn account() -> Value {
    json!({ "name": "Lindqvist Robotics", "salesforceRecordId": "001D000000IRFma" })
}

fn payment(key: &str) -> Value {
    json!({ "amount": "20", "currencyCode": "EUR", "idempotencyKey": key })
}

async fn a_hundred_creates_for_one_account_make_one_customer(bridge: Bridge) {
    let one = bridge.caller().await;
    let second = bridge.second_process().await;
    let other = one.calling(second.address());
    bridge.stripe.set_latency(Duration::from_millis(100));
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..100 {
        let caller = if number % 2 == 0 { one.clone() } else { other.clone() };
        calls.spawn(async move { caller.post("/v1/customers", &account()).await });
    }
    let answers = calls.join_all().await;
    let made: Vec<_> = answers.iter().filter(|(status, _)| *status == 201).collect();
    let busy = answers.iter().filter(|(_, body)| body["code"] == "idempotency_key_in_use").count();
    assert!(!made.is_empty() && made.len() + busy == 100, "{answers:#?}");
    assert_eq!((count(&bridge.stripe, "customer.created"), posts(&bridge, "/v1/customers")), (1, 1));
    for caller in [&one, &other] {
        let (status, again) = caller.post("/v1/customers", &account()).await;
        assert_eq!((status, &again["idempotencyReplayed"]), (201, &json!(true)), "{again:#}");
        assert!(made.iter().all(|(_, body)| body["stripeId"] == again["stripeId"]));
    }
    assert_eq!(posts(&bridge, "/v1/customers"), 1);
    second.stop().await;
}

async fn a_repeat_is_answered_when_stripe_has_long_forgotten(bridge: Bridge) {
    let caller = bridge.caller().await;
    let (_, first) = caller.post("/v1/customers", &account()).await;
    bridge.clock.advance(Duration::from_secs(40 * 60 * 60));
    let (status, again) = caller.post("/v1/customers", &account()).await;
    assert_eq!((status, &again["stripeId"]), (201, &first["stripeId"]), "{again:#}");
    assert_eq!((&first["idempotencyReplayed"], &again["idempotencyReplayed"]), (&json!(false), &json!(true)));
    assert_ne!(first["requestId"], again["requestId"]);
    let mut other = account();
    other["name"] = json!("Someone else");
    let (status, refused) = caller.post("/v1/customers", &other).await;
    assert_eq!((status, &refused["code"]), (422, &json!("idempotency_key_reused")), "{refused:#}");
    assert_eq!(posts(&bridge, "/v1/customers"), 1);
}

async fn a_decline_is_the_answer_for_good_and_a_refusal_is_not(bridge: Bridge) {
    let caller = bridge.caller().await;
    let mut declined = payment("one");
    declined["confirm"] = json!(true);
    declined["paymentMethodId"] = json!("pm_card_visa_chargeDeclined");
    let (_, first) = caller.post("/v1/payment-intents", &declined).await;
    bridge.clock.advance(Duration::from_secs(30 * 60 * 60));
    let (status, again) = caller.post("/v1/payment-intents", &declined).await;
    assert_eq!((status, &again["code"]), (402, &json!("payment_declined")), "{again:#}");
    assert_eq!(first["paymentIntentId"], again["paymentIntentId"]);
    assert_eq!(posts(&bridge, "/v1/payment_intents"), 1);

    // Nothing was done: who corrects it may keep the key.
    let mut wrong = payment("two");
    wrong["customerId"] = json!("cus_nobody");
    let (status, refused) = caller.post("/v1/payment-intents", &wrong).await;
    assert_eq!((status, &refused["code"]), (422, &json!("stripe_rejected")), "{refused:#}");
    let (status, made) = caller.post("/v1/payment-intents", &payment("two")).await;
    assert_eq!((status, &made["idempotencyReplayed"]), (201, &json!(false)), "{made:#}");
}

async fn an_unknown_outcome_is_found_out_in_the_background(bridge: Bridge) {
    let caller = bridge.caller().await;
    bridge.stripe.fail_next(4, Fault::DropConnection);
    let (status, accepted) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!(status, 202, "{accepted:#}");
    let path = format!("/v1/operations/{}", accepted["operationId"].as_str().unwrap());
    bridge.drain_for(Duration::from_secs(60)).await;
    let (_, operation) = caller.get(&path).await;
    assert_eq!(operation["operationStatus"], "completed", "{operation:#}");
    assert_eq!(operation["results"][0]["succeeded"], true);
    let (status, made) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!((status, &made["stripeId"]), (201, &operation["results"][0]["stripeId"]), "{made:#}");
    assert_eq!(count(&bridge.stripe, "payment_intent.created"), 1);
}

async fn what_stripe_did_while_it_failed_is_found_by_its_events(bridge: Bridge) {
    let caller = bridge.caller().await;
    bridge.stripe.fail_next(1, Fault::ServerErrorAfterWork);
    let (status, lost) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!((status, &lost["retryable"]), (502, &json!(false)), "{lost:#}");
    bridge.drain_for(Duration::from_secs(60)).await;
    let (status, made) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!((status, &made["idempotencyReplayed"]), (201, &json!(true)), "{made:#}");
    assert_eq!(count(&bridge.stripe, "payment_intent.created"), 1);
}

async fn a_key_that_is_too_old_is_looked_up_and_never_sent(bridge: Bridge) {
    let caller = bridge.caller().await;
    bridge.stripe.fail_next(4, Fault::DropConnection);
    let (status, accepted) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!(status, 202, "{accepted:#}");
    let sent = posts(&bridge, "/v1/payment_intents");
    // Nobody could look for longer than Stripe remembers the key.
    bridge.clock.advance(Duration::from_secs(26 * 60 * 60));
    bridge.drain_for(Duration::from_secs(120)).await;
    let (status, made) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!((status, &made["idempotencyReplayed"]), (201, &json!(true)), "{made:#}");
    assert_eq!(posts(&bridge, "/v1/payment_intents"), sent);
    assert_eq!(count(&bridge.stripe, "payment_intent.created"), 1);
}

async fn what_nobody_did_in_a_day_is_not_done_any_more(bridge: Bridge) {
    let caller = bridge.caller().await;
    bridge.stripe.set_outage(true);
    let (status, accepted) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!(status, 202, "{accepted:#}");
    bridge.clock.advance(Duration::from_secs(26 * 60 * 60));
    bridge.drain().await;
    let path = format!("/v1/operations/{}", accepted["operationId"].as_str().unwrap());
    assert_eq!(caller.get(&path).await.1["operationStatus"], "running");
    bridge.stripe.set_outage(false);
    bridge.drain_for(Duration::from_secs(1_500)).await;
    let (_, operation) = caller.get(&path).await;
    assert_eq!(operation["operationStatus"], "completed", "{operation:#}");
    assert_eq!(operation["results"][0]["problem"]["code"], "stripe_unreachable", "{operation:#}");
    assert_eq!(count(&bridge.stripe, "payment_intent.created"), 0);
    let (status, made) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!((status, &made["idempotencyReplayed"]), (201, &json!(false)), "{made:#}");
}

async fn what_nobody_found_out_in_a_month_is_left_to_a_person(bridge: Bridge) {
    let caller = bridge.caller().await;
    bridge.stripe.set_outage(true);
    let (status, accepted) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!(status, 202, "{accepted:#}");
    bridge.stripe.set_outage(false);
    bridge.clock.advance(Duration::from_secs(31 * 86_400));
    bridge.drain().await;
    let (status, lost) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!((status, &lost["retryable"]), (502, &json!(false)), "{lost:#}");
    assert!(lost["detail"].as_str().unwrap().contains("look there"), "{lost:#}");
    let waits = bridge.store().read(standing::waiting).await.unwrap();
    assert_eq!(waits.unknown_calls, 0, "it is over; nobody is asked again and again");
    assert_eq!(count(&bridge.stripe, "payment_intent.created"), 0);
}

async fn a_cancel_whose_answer_was_lost_is_told_as_done(bridge: Bridge) {
    let caller = bridge.caller().await;
    let customer =
        caller.done("POST", "/v1/customers", json!({ "name": "Ada", "idempotencyKey": "ada" })).await;
    let wanted = json!({ "customerId": customer["stripeId"], "idempotencyKey": "sub", "collectionMethod": "send_invoice",
        "daysUntilDue": 14, "items": [{ "priceId": "price_sandbox_monthly" }] });
    let subscription = caller.done("POST", "/v1/subscriptions", wanted).await;
    let path = format!("/v1/subscriptions/{}/cancel", subscription["stripeId"].as_str().unwrap());
    bridge.stripe.fail_next(1, Fault::DropConnection);
    let canceled = caller.done("POST", &path, json!({ "cancelWhen": "now", "idempotencyKey": "end" })).await;
    assert_eq!(canceled["status"], "Canceled", "{canceled:#}");
    let (status, _) = caller.post(&path, &json!({ "cancelWhen": "now", "idempotencyKey": "another" })).await;
    assert_eq!(status, 404, "what somebody else ended is still told as gone");
}

async fn keys_that_are_made_here_are_not_for_callers(bridge: Bridge) {
    let caller = bridge.caller().await;
    for key in ["paybridge-customer-of-001D000000IRFmaIAH", "paybridge-step-0-2"] {
        let (status, refused) =
            caller.post("/v1/customers", &json!({ "name": "Ada", "idempotencyKey": key })).await;
        assert_eq!((status, &refused["errors"][0]["field"]), (422, &json!("idempotencyKey")), "{refused:#}");
    }
}

async fn a_customer_that_was_deleted_is_made_anew_by_its_record(bridge: Bridge) {
    let caller = bridge.caller().await;
    let of_record =
        |name: &str| json!({ "name": name, "salesforceRecordId": "001D000000IRFma", "idempotencyKey": name });
    let first = caller.done("PUT", "/v1/customers", of_record("Ada")).await;
    let id = first["stripeId"].as_str().unwrap();
    let url = format!("{}/v1/customers/{id}", bridge.stripe.base_url());
    let deleted = reqwest::Client::new().delete(url).bearer_auth(STRIPE_KEY).send().await.unwrap();
    assert_eq!(deleted.status(), 200);
    let second = caller.done("PUT", "/v1/customers", of_record("Ada again")).await;
    assert_ne!(second["stripeId"], first["stripeId"]);
    let third = caller.done("PUT", "/v1/customers", of_record("Ada once more")).await;
    assert_eq!(third["stripeId"], second["stripeId"], "{third:#}");
}

/// PostgreSQL would not even take the text.
async fn what_is_no_operation_id_is_an_unknown_one(bridge: Bridge) {
    let caller = bridge.caller().await;
    for id in ["%00", "1", "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11"] {
        let (status, missing) = caller.get(&format!("/v1/operations/{id}")).await;
        assert_eq!((status, &missing["code"]), (404, &json!("resource_missing")), "{missing:#}");
    }
}

/// Asks for an invoice, which takes several calls, and lets something happen while the first of them is under way.
async fn ask_for_an_invoice(bridge: &Bridge, caller: &Caller, happens: impl FnOnce(&Stripe)) -> (u16, Value) {
    let customer = bridge.a_customer("Ada Brandt").await;
    let body = json!({ "customerId": customer, "currencyCode": "EUR", "finalizeNow": true, "idempotencyKey": "k",
                       "items": [{ "description": "Commissioning", "unitAmount": "480.00" }] });
    bridge.stripe.hold(|call| call == "POST /v1/invoices");
    let (caller, asked) = (caller.clone(), body.clone());
    let call = tokio::spawn(async move { caller.post("/v1/invoices", &asked).await });
    until("Stripe is asked for an invoice", async || posts(bridge, "/v1/invoices") > 0).await;
    happens(&bridge.stripe);
    bridge.stripe.let_go();
    call.await.unwrap()
}

async fn what_was_done_in_part_is_gone_on_with(bridge: Bridge) {
    let caller = bridge.caller().await;
    let (status, accepted) =
        ask_for_an_invoice(&bridge, &caller, |stripe| stripe.fail_next(4, Fault::RateLimited)).await;
    assert_eq!(status, 202, "{accepted:#}");
    bridge.drain_for(Duration::from_secs(60)).await;
    let path = format!("/v1/operations/{}", accepted["operationId"].as_str().unwrap());
    let (_, operation) = caller.get(&path).await;
    assert_eq!(operation["operationStatus"], "completed", "{operation:#}");
    assert_eq!(
        (&operation["status"], &operation["succeededCount"]),
        (&json!("Open"), &json!(1)),
        "{operation:#}"
    );
    assert_eq!(count(&bridge.stripe, "invoice.created"), 1);
}

async fn what_was_done_in_part_and_is_too_old_is_told(bridge: Bridge) {
    let caller = bridge.caller().await;
    let (status, accepted) = ask_for_an_invoice(&bridge, &caller, |stripe| stripe.set_outage(true)).await;
    assert_eq!(status, 202, "{accepted:#}");
    bridge.clock.advance(Duration::from_secs(26 * 60 * 60));
    bridge.stripe.set_outage(false);
    bridge.drain().await;
    let path = format!("/v1/operations/{}", accepted["operationId"].as_str().unwrap());
    let (_, operation) = caller.get(&path).await;
    let detail = operation["problemDetail"].as_str().unwrap_or_default();
    assert!(detail.contains("only a part") && detail.contains("`in_"), "{operation:#}");
    assert_eq!(
        (count(&bridge.stripe, "invoice.created"), count(&bridge.stripe, "invoice.finalized")),
        (1, 0)
    );
}

async fn no_secret_is_kept_and_none_is_lost(bridge: Bridge) {
    let caller = bridge.caller().await;
    let (_, first) = caller.post("/v1/payment-intents", &payment("k")).await;
    let secret = first["clientSecret"].as_str().unwrap();
    let claims = |conn: &mut _| idempotency::find(conn, "main", &["k".to_owned()]);
    let claim = bridge.store().read(claims).await.unwrap().pop().unwrap();
    assert!(claim.is_settled() && claim.request.is_none());
    assert!(!format!("{claim:?}").contains(secret), "{claim:?}");
    let (_, again) = caller.post("/v1/payment-intents", &payment("k")).await;
    assert_eq!(again["clientSecret"], secret, "{again:#}");
}

async fn a_bulk_that_takes_long_goes_on_and_can_be_asked_for(bridge: Bridge) {
    let bridge = Bridge::start_with(bridge.backend, &[("API__PATIENCE_MS", "500")]).await;
    let caller = bridge.caller().await;
    bridge.stripe.hold(|call| call == "POST /v1/payment_intents");
    let mut items: Vec<Value> = (0..80).map(|number| payment(&format!("k{number}"))).collect();
    items[7] = json!({ "amount": "x", "currencyCode": "EUR", "idempotencyKey": "k7" });
    items[79] = items[78].clone();
    let body = json!({ "items": items });
    let (status, accepted) = caller.post("/v1/payment-intents/bulk", &body).await;
    assert_eq!((status, &accepted["operationStatus"]), (202, &json!("running")), "{accepted:#}");
    assert_eq!(accepted["results"].as_array().unwrap().len(), 80);
    let path = format!("/v1/operations/{}", accepted["operationId"].as_str().unwrap());
    bridge.stripe.let_go();
    let has_ended = async || caller.get(&path).await.1["operationStatus"] == "completed";
    until("the operation has ended", has_ended).await;
    let (_, operation) = caller.get(&path).await;
    assert_eq!((&operation["succeededCount"], &operation["failedCount"]), (&json!(79), &json!(1)));
    let results = operation["results"].as_array().unwrap();
    assert!(results.iter().zip(0..).all(|(result, index)| result["itemIndex"] == json!(index)));
    assert_eq!(results[7]["problem"]["code"], "invalid_request");
    assert_eq!(results[78]["stripeId"], results[79]["stripeId"]);
    assert_eq!(count(&bridge.stripe, "payment_intent.created"), 78);
    // There, callers wait longer.
    let second = bridge.second_process().await;
    let (status, again) = caller.calling(second.address()).post("/v1/payment-intents/bulk", &body).await;
    assert_eq!((status, &again["succeededCount"]), (200, &json!(79)), "{again:#}");
    assert!(again["results"][0]["idempotencyReplayed"].as_bool().unwrap());
    assert_eq!(count(&bridge.stripe, "payment_intent.created"), 78);
    second.stop().await;
}

async fn what_is_about_to_be_claimed_is_not_told_as_never_done(bridge: Bridge) {
    let caller = bridge.caller().await;
    let id = uuid::Uuid::now_v7().to_string();
    let item = json!({ "itemIndex": 0, "succeeded": false, "pending": true, "idempotencyKey": "k",
                       "idempotencyReplayed": false });
    let operation = Operation {
        id: id.clone(),
        account: "main".to_owned(),
        action: "createPaymentIntent".to_owned(),
        caller: "suite".to_owned(),
        items: json!([item]).to_string(),
        created_at: unix_ms(bridge.clock.now()),
    };
    bridge.store().write(move |conn| operations::create(conn, &operation)).await.unwrap();
    let ask = async || caller.get(&format!("/v1/operations/{id}")).await.1;
    assert_eq!(ask().await["operationStatus"], "running");
    bridge.clock.advance(Duration::from_secs(120));
    let ended = ask().await;
    assert_eq!(
        (&ended["operationStatus"], &ended["failedCount"]),
        (&json!("completed"), &json!(1)),
        "{ended:#}"
    );
}

async fn a_bulk_is_inside_stripes_limits_and_not_slower_than_they_allow(bridge: Bridge) {
    let caller = bridge.caller().await;
    bridge.stripe.fail_next(3, Fault::LockTimeout);
    let items: Vec<Value> = (0..12).map(|number| json!({ "idempotencyKey": format!("k{number}") })).collect();
    let (status, answer) = caller.post("/v1/customers/bulk", &json!({ "items": items })).await;
    assert_eq!((status, &answer["succeededCount"]), (200, &json!(12)), "{answer:#}");
    assert_eq!((posts(&bridge, "/v1/customers"), count(&bridge.stripe, "customer.created")), (15, 12));
}

async fn what_is_old_is_forgotten(bridge: Bridge) {
    let caller = bridge.caller().await;
    caller.post("/v1/customers", &account()).await;
    bridge.clock.advance(Duration::from_secs(200 * 86_400));
    caller.post("/v1/payment-intents", &payment("k")).await;
    bridge.clock.advance(Duration::from_secs(166 * 86_400));
    bridge.drain().await;
    let keys = ["paybridge-createCustomer-001D000000IRFmaIAH".to_owned(), "k".to_owned()];
    let left = bridge.store().read(move |conn| idempotency::find(conn, "main", &keys)).await.unwrap();
    assert_eq!(left.iter().map(|claim| claim.idempotency_key.as_str()).collect::<Vec<_>>(), ["k"]);
}

async fn what_cannot_be_written_down_is_not_asked_of_stripe(bridge: Bridge) {
    use diesel::connection::SimpleConnection;

    let caller = bridge.caller().await;
    let take_away = |conn: &mut paybridge::store::Conn| {
        let gone = "ALTER TABLE claims RENAME TO no_claims";
        match conn {
            paybridge::store::Conn::Sqlite(c) => c.batch_execute(gone)?,
            paybridge::store::Conn::Postgres(c) => c.batch_execute(gone)?,
        }
        Ok(())
    };
    bridge.store().write(take_away).await.unwrap();
    let (status, refused) = caller.post("/v1/customers", &account()).await;
    assert_eq!((status, &refused["code"]), (503, &json!("storage_unavailable")), "{refused:#}");
    assert_eq!(refused["retryable"], true);
    let (status, answer) = caller.post("/v1/customers/bulk", &json!({ "items": [account()] })).await;
    assert_eq!((status, &answer["results"][0]["problem"]["code"]), (200, &json!("storage_unavailable")));
    assert!(bridge.stripe.calls().is_empty());
}

async fn a_bulk_is_claimed_item_by_item_by_two_processes_at_once(bridge: Bridge) {
    let one = bridge.caller().await;
    let second = bridge.second_process().await;
    let other = one.calling(second.address());
    // In opposite order, so that each process holds what the other wants.
    let items: Vec<Value> =
        (0..40).map(|number| json!({ "idempotencyKey": format!("k{number:02}") })).collect();
    let turned: Vec<Value> = items.iter().rev().cloned().collect();
    let (here, there) = (json!({ "items": items }), json!({ "items": turned }));
    let ((status, here), (other_status, there)) =
        tokio::join!(one.post("/v1/customers/bulk", &here), other.post("/v1/customers/bulk", &there));
    assert_eq!((status, other_status), (200, 200), "{here:#} {there:#}");
    assert_eq!(count(&bridge.stripe, "customer.created"), 40);
    let results = here["results"].as_array().unwrap().iter().chain(there["results"].as_array().unwrap());
    for result in results {
        let busy = result["problem"]["code"] == "idempotency_key_in_use";
        assert!(result["succeeded"] == true || busy, "{result:#}");
    }
    second.stop().await;
}

/// Killed when Stripe has done the work and we have not written it down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_dies_between_stripes_answer_and_its_own_does_nothing_twice() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let directory = tempfile::tempdir().unwrap();
        let url = database(backend, &directory);
        let stripe = Stripe::start(Options {
            port: 0,
            secret_key: STRIPE_KEY.to_owned(),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            clock: Clock::system(),
        })
        .await
        .unwrap();
        let store = Store::open(&url.clone().into(), 2).unwrap();
        let (key, token) = issue("suite", &[Scope::PaymentsWrite], OffsetDateTime::now_utc(), None).unwrap();
        store.write(move |conn| api_keys::create(conn, &key)).await.unwrap();
        let token = token.expose_secret().to_owned();

        let base = stripe.base_url();
        // Long enough that it is killed before it gives up, however busy the machine is.
        let patient = [
            ("PAYBRIDGE__STRIPE__MAIN__API_BASE", base.as_str()),
            ("PAYBRIDGE__STRIPE__MAIN__TIMEOUT_MS", "7000"),
            ("PAYBRIDGE__API__PATIENCE_MS", "7000"),
            ("PAYBRIDGE__API__LEASE_SECONDS", "20"),
        ];
        let start = || Service::start_with(&url, &patient);
        let service = start();
        // It asks once whose key it has; the fault is not meant for that call.
        until("it knows whose key it has", async || !store.read(bindings::list).await.unwrap().is_empty())
            .await;
        stripe.fail_next(1, Fault::Hang);
        let caller = Caller::at(&service.address, token.clone());
        let call = tokio::spawn(async move { caller.try_post("/v1/customers", &account()).await });
        until("Stripe makes a customer", async || count(&stripe, "customer.created") > 0).await;
        service.signal("-KILL");
        assert!(call.await.unwrap().is_none(), "it was answered before it was killed");
        drop(service);

        // Nobody repeats the call; the outcome is found out all the same.
        let service = start();
        let keys = ["paybridge-createCustomer-001D000000IRFmaIAH".to_owned()];
        let is_found_out = async || {
            let keys = keys.clone();
            let claims = store.read(move |conn| idempotency::find(conn, "main", &keys)).await.unwrap();
            assert_eq!(claims.len(), 1, "the claim is written down before Stripe is asked");
            claims[0].is_settled()
        };
        until("the outcome is known", is_found_out).await;
        let (status, made) = Caller::at(&service.address, token).post("/v1/customers", &account()).await;
        assert_eq!((status, &made["idempotencyReplayed"]), (201, &json!(true)), "{backend:?}: {made:#}");
        assert_eq!(count(&stripe, "customer.created"), 1, "{backend:?}");
        stripe.stop().await;
    }
}
