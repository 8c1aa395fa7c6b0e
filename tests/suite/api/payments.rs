//! A customer, a payment, a subscription; and what a repeated call becomes.

use paybridge::api::Scope;
use serde_json::{Value, json};

use super::{Desk, KEY};
use crate::patience::until;

#[tokio::test]
async fn a_customer_pays_and_the_payment_is_read_again() {
    let desk = Desk::start().await;
    let customer = desk
        .post(
            "/v1/customers",
            &json!({ "name": "Lindqvist Robotics", "email": "ada@example.com", "salesforceRecordId": "001D000000IRFma",
                     "metadata": [{ "key": "costCenter", "value": "4711" }] }),
        )
        .await
        .is(201);
    assert_eq!(customer["status"], "Active");
    assert_eq!(customer["metadata"][1], json!({ "key": "sf_object", "value": "Account" }), "{customer:#}");
    assert_eq!(customer["idempotencyKey"], "paybridge-createCustomer-001D000000IRFmaIAH");

    let payment = desk
        .post(
            "/v1/payment-intents",
            &json!({ "amount": 129.90, "currencyCode": "USD", "customerId": customer["stripeId"],
                     "paymentMethodId": "pm_card_visa", "confirm": true, "opportunityId": "006D000000IRFma" }),
        )
        .await
        .is(201);
    let id = payment["stripeId"].as_str().unwrap();
    let read = desk.get(&format!("/v1/payment-intents/{id}")).await.is(200);
    for payment in [&payment, &read] {
        assert_eq!(payment["status"], "Completed", "{payment:#}");
        assert_eq!(payment["stripeStatus"], "succeeded");
        assert_eq!((&payment["amount"], &payment["amountMinor"]), (&json!("129.90"), &json!(12_990)));
        assert_eq!(payment["amountReceived"], "129.90");
        assert_eq!(payment["currencyCode"], "USD");
        assert_eq!(payment["customerId"], customer["stripeId"]);
        assert_eq!(
            payment["metadata"][0],
            json!({ "key": "sf_opportunity_id", "value": "006D000000IRFmaIAH" })
        );
    }
    let sent = desk.stripe.calls().into_iter().find(|call| call.path == "/v1/payment_intents").unwrap();
    assert_eq!(sent.stripe_version.as_deref(), Some("2026-10-28.endive"));
    for field in
        [("amount", "12990"), ("currency", "usd"), ("automatic_payment_methods[allow_redirects]", "never")]
    {
        assert!(sent.form.contains(&(field.0.to_owned(), field.1.to_owned())), "{sent:?}");
    }
}

#[tokio::test]
async fn a_payment_may_be_left_to_the_payer_and_its_secret_is_for_writers() {
    let mut desk = Desk::start().await;
    let body = json!({ "amountMinor": 5000, "currencyCode": "JPY" });
    let payment = desk.post("/v1/payment-intents", &body).await.is(201);
    assert_eq!((&payment["status"], &payment["amount"]), (&json!("Pending"), &json!("5000")), "{payment:#}");
    assert!(payment["clientSecret"].is_string());
    desk.token = desk.key(&[Scope::PaymentsRead], None).await;
    let path = format!("/v1/payment-intents/{}", payment["stripeId"].as_str().unwrap());
    assert!(desk.get(&path).await.is(200).get("clientSecret").is_none());
    assert_eq!(desk.post("/v1/payment-intents", &body).await.problem(), (403, "insufficient_scope"));
}

#[tokio::test]
async fn a_declined_card_says_why_and_what_remains() {
    let desk = Desk::start().await;
    let body = json!({ "amount": "20", "currencyCode": "EUR", "confirm": true,
                       "paymentMethodId": "pm_card_visa_chargeDeclinedInsufficientFunds" });
    let declined = desk.post("/v1/payment-intents", &body).await;
    assert_eq!(declined.problem(), (402, "payment_declined"));
    assert_eq!(declined.body["stripeCode"], "card_declined", "{:#}", declined.body);
    assert_eq!(declined.body["declineCode"], "insufficient_funds");
    assert_eq!(declined.body["retryable"], false);
    let path = format!("/v1/payment-intents/{}", declined.body["paymentIntentId"].as_str().unwrap());
    let payment = desk.get(&path).await.is(200);
    assert_eq!(
        (&payment["status"], &payment["declineCode"]),
        (&json!("Failed"), &json!("insufficient_funds"))
    );
}

#[tokio::test]
async fn a_subscription_is_created_and_read_again() {
    let desk = Desk::start().await;
    let customer = desk.post("/v1/customers", &json!({ "name": "A" })).await.is(201);
    let product: Value = {
        let request = desk.http.post(format!("{}/v1/products", desk.stripe.base_url())).bearer_auth(KEY);
        let text = request.form(&[("name", "Arm")]).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let subscription = desk
        .post(
            "/v1/subscriptions",
            &json!({ "customerId": customer["stripeId"], "trialDays": 14, "salesforceRecordId": "801D000000IRFma",
                     "items": [{ "unitAmount": "49.00", "currencyCode": "USD", "productId": product["id"],
                                 "billingInterval": "month", "quantity": 3 }] }),
        )
        .await
        .is(201);
    assert_eq!(subscription["status"], "Trialing", "{subscription:#}");
    assert_eq!(subscription["items"][0]["unitAmount"], "49.00");
    assert_eq!(subscription["items"][0]["quantity"], 3);
    assert_eq!(subscription["items"][0]["productId"], product["id"]);
    let path = format!("/v1/subscriptions/{}", subscription["stripeId"].as_str().unwrap());
    let read = desk.get(&path).await.is(200);
    assert_eq!(read["items"], subscription["items"]);
}

#[tokio::test]
async fn a_repeated_call_gets_the_first_answer_and_another_body_is_refused() {
    let desk = Desk::start().await;
    let body = json!({ "amount": "20", "currencyCode": "EUR", "salesforceRecordId": "006D000000IRFma" });
    let first = desk.post("/v1/payment-intents", &body).await.is(201);
    let again = desk.post("/v1/payment-intents", &body).await.is(201);
    assert_eq!((&first["idempotencyReplayed"], &again["idempotencyReplayed"]), (&json!(false), &json!(true)));
    assert_eq!(first["stripeId"], again["stripeId"]);
    let other = json!({ "amount": "21", "currencyCode": "EUR", "salesforceRecordId": "006D000000IRFma" });
    let refused = desk.post("/v1/payment-intents", &other).await;
    assert_eq!(refused.problem(), (422, "idempotency_key_reused"));
    let mut own = other.clone();
    own["idempotencyKey"] = json!("second payment");
    let second = desk.post("/v1/payment-intents", &own).await.is(201);
    assert_ne!(first["stripeId"], second["stripeId"]);
}

#[tokio::test]
async fn a_call_that_is_still_running_is_not_done_twice() {
    let desk = Desk::start().await;
    desk.stripe.hold(|call| call == "POST /v1/payment_intents");
    let body = json!({ "amount": "20", "currencyCode": "EUR", "idempotencyKey": "one" });
    let (first, second) = tokio::join!(desk.post("/v1/payment-intents", &body), async {
        until("Stripe is asked", async || desk.stripe.calls().iter().any(|call| call.method == "POST")).await;
        let second = desk.post("/v1/payment-intents", &body).await;
        desk.stripe.let_go();
        second
    });
    first.is(201);
    assert_eq!(second.problem(), (409, "idempotency_key_in_use"));
    assert_eq!(second.body["retryable"], true);
}
