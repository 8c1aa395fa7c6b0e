//! Stripe fails, hangs or is away: the caller is told which, soon, and whether to repeat.

use std::time::{Duration, Instant};

use paybridge::sandbox::stripe::Fault;
use serde_json::json;

use super::Desk;

#[tokio::test]
async fn each_failure_of_stripe_is_told_apart() {
    for (fault, expected, retryable) in [
        (Fault::RateLimited, (429, "rate_limited"), true),
        (Fault::LockTimeout, (429, "rate_limited"), true),
        (Fault::ServerError, (502, "stripe_failed"), false),
        (Fault::Unavailable, (502, "stripe_failed"), true),
        (Fault::DropConnection, (502, "stripe_failed"), true),
        (Fault::ExpiredKey, (502, "stripe_credentials_refused"), false),
        (Fault::MissingPermission, (502, "stripe_credentials_refused"), false),
    ] {
        let desk = Desk::start().await;
        desk.stripe.fail_next(5, fault);
        let got = desk.post("/v1/customers", &json!({ "idempotencyKey": "k" })).await;
        assert_eq!(got.problem(), expected, "{fault}");
        assert_eq!(got.body["retryable"], retryable, "{fault}: {:#}", got.body);
        assert_eq!(got.body["idempotencyKey"], "k");
        assert!(!got.body.to_string().contains("sk_test"), "{:#}", got.body);
    }
}

#[tokio::test]
async fn a_hanging_stripe_is_given_up_within_eight_seconds_and_found_out_by_repeating() {
    let desk = Desk::patient(Duration::from_millis(700)).await;
    desk.stripe.fail_next(1, Fault::Hang);
    let began = Instant::now();
    let body = json!({ "amount": "20", "currencyCode": "EUR" });
    let lost = desk.post("/v1/payment-intents", &body).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(lost.problem(), (504, "stripe_timeout"));
    assert_eq!(lost.body["retryable"], true);

    let mut again = body;
    again["idempotencyKey"] = lost.body["idempotencyKey"].clone();
    desk.post("/v1/payment-intents", &again).await.is(201);
    let created =
        desk.stripe.events().iter().filter(|event| event["type"] == "payment_intent.created").count();
    assert_eq!(created, 1);
}

#[tokio::test]
async fn whatever_takes_long_the_caller_waits_eight_seconds_at_most() {
    let desk = Desk::patient(Duration::from_secs(20)).await;
    desk.stripe.set_latency(Duration::from_secs(9));
    let began = Instant::now();
    let got = desk.post("/v1/customers", &json!({})).await;
    assert!(began.elapsed() < Duration::from_millis(8_500), "{:?}", began.elapsed());
    assert_eq!(got.problem(), (504, "deadline_passed"));
}

#[tokio::test]
async fn a_stripe_that_is_away_is_told_at_once() {
    let desk = Desk::start().await;
    desk.stripe.stop().await;
    let began = Instant::now();
    let got = desk.get("/v1/customers/cus_1").await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(got.problem(), (503, "stripe_unreachable"));
    assert_eq!(got.body["retryable"], true);
}

#[tokio::test]
async fn life_and_readiness_need_no_key() {
    let mut desk = Desk::start().await;
    desk.token = String::new();
    for path in ["/healthz", "/readyz", "/openapi.json", "/docs/", "/docs/swagger-ui-bundle.js"] {
        let got = desk.get(path).await;
        assert_eq!(got.status, 200, "{path}");
        assert!(got.headers.contains_key("x-request-id"));
    }
    let settings = desk.get("/docs/swagger-initializer.js").await.body.to_string();
    for expected in ["/openapi.json", "persistAuthorization", "validatorUrl"] {
        assert!(settings.contains(expected), "{settings}");
    }
    // The pages work without the internet.
    let page = desk.get("/docs/").await.body.to_string();
    assert!(!settings.contains("https://") && !page.contains("https://"), "{settings}\n{page}");
}
