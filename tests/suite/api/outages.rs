//! Stripe fails, hangs or is away: the caller is told which, and whether to repeat.

use std::time::Duration;

use paybridge::sandbox::stripe::Fault;
use serde_json::json;

use super::Desk;
use crate::patience::until;

#[tokio::test]
async fn each_failure_of_stripe_is_told_apart() {
    for (fault, expected, retryable) in [
        (Fault::RateLimited, (429, "rate_limited"), true),
        (Fault::LockTimeout, (429, "rate_limited"), true),
        (Fault::ServerError, (502, "stripe_failed"), false),
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
async fn a_moment_of_trouble_is_not_the_callers() {
    for fault in
        [Fault::RateLimited, Fault::LockTimeout, Fault::Unavailable, Fault::DropConnection, Fault::Hang]
    {
        let timeout = Duration::from_millis(if fault == Fault::Hang { 700 } else { 7_000 });
        let desk = Desk::patient(timeout, Duration::from_secs(7)).await;
        desk.stripe.fail_next(1, fault);
        let body = json!({ "amount": "20", "currencyCode": "EUR" });
        let payment = desk.post("/v1/payment-intents", &body).await.is(201);
        assert_eq!(payment["idempotencyReplayed"], false, "{fault}");
        let created =
            desk.stripe.events().iter().filter(|event| event["type"] == "payment_intent.created").count();
        assert_eq!(created, 1, "{fault}");
    }
}

#[tokio::test]
async fn whatever_takes_long_the_caller_is_told_where_to_ask() {
    let desk = Desk::patient(Duration::from_secs(7), Duration::from_millis(300)).await;
    desk.stripe.hold(|_any| true);
    let accepted =
        desk.post("/v1/customers", &json!({ "salesforceRecordId": "001D000000IRFma" })).await.is(202);
    assert_eq!(accepted["operationStatus"], "running", "{accepted:#}");
    assert_eq!(accepted["idempotencyKey"], "paybridge-createCustomer-001D000000IRFmaIAH");
    until("Stripe is asked", async || !desk.stripe.calls().is_empty()).await;
    let path = format!("/v1/operations/{}", accepted["operationId"].as_str().unwrap());
    let running = desk.get(&path).await.is(200);
    assert_eq!(
        (&running["operationStatus"], &running["operationName"]),
        (&json!("running"), &json!("createCustomer"))
    );
    assert_eq!(running["results"][0]["pending"], true);
    desk.stripe.let_go();
    let has_ended = async || desk.get(&path).await.is(200)["operationStatus"] == "completed";
    until("the operation has ended", has_ended).await;
    let ended = desk.get(&path).await.is(200);
    assert_eq!((&ended["succeededCount"], &ended["failedCount"]), (&json!(1), &json!(0)), "{ended:#}");
    assert!(ended["completedAt"].is_string() && ended["stripeId"].is_string(), "{ended:#}");
    assert_eq!(ended["results"][0]["stripeId"], ended["stripeId"]);
    assert_eq!(desk.get("/v1/operations/nonsense").await.problem(), (404, "resource_missing"));
}

#[tokio::test]
async fn a_stripe_that_is_away_is_told() {
    let desk = Desk::start().await;
    desk.stripe.stop().await;
    let got = desk.get("/v1/customers/cus_1").await;
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
