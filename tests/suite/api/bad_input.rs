//! What callers do wrong: each is told by field, and nothing reaches Stripe.

use serde_json::json;

use super::Desk;

#[tokio::test]
async fn each_wrong_field_is_named() {
    let desk = Desk::start().await;
    let payment = json!({ "amount": "20", "currencyCode": "EUR" });
    let subscription = json!({ "customerId": "cus_1", "items": [{ "priceId": "price_1" }] });
    for (path, base, change, named) in [
        ("/v1/customers", json!({}), json!({ "emial": "a@b.se" }), vec!["emial"]),
        ("/v1/customers", json!({}), json!({ "email": "nobody" }), vec!["email"]),
        ("/v1/customers", json!({}), json!({ "name": 7, "phone": [] }), vec!["name", "phone"]),
        ("/v1/customers", json!({}), json!({ "name": "x".repeat(257) }), vec!["name"]),
        ("/v1/customers", json!({}), json!({ "metadata": { "a": "b" } }), vec!["metadata"]),
        ("/v1/customers", json!({}), json!({ "metadata": [{ "value": "b" }] }), vec!["metadata[0].key"]),
        (
            "/v1/customers",
            json!({}),
            json!({ "metadata": [{ "key": "sf_object" }] }),
            vec!["metadata[0].key"],
        ),
        ("/v1/customers", json!({}), json!({ "metadata": [{ "key": "a[b" }] }), vec!["metadata[0].key"]),
        (
            "/v1/customers",
            json!({}),
            json!({ "metadata": [{ "key": "k".repeat(41) }] }),
            vec!["metadata[0].key"],
        ),
        (
            "/v1/customers",
            json!({}),
            json!({ "metadata": [{ "key": "a" }, { "key": "a" }] }),
            vec!["metadata"],
        ),
        (
            "/v1/customers",
            json!({}),
            json!({ "metadata": [{ "key": "a", "vlaue": "" }] }),
            vec!["metadata[0].vlaue"],
        ),
        ("/v1/customers", json!({}), json!({ "accountId": "003D000000IRFma" }), vec!["accountId"]),
        ("/v1/customers", json!({}), json!({ "idempotencyKey": "é" }), vec!["idempotencyKey"]),
        ("/v1/payment-intents", json!({}), json!({}), vec!["currencyCode", "amount"]),
        ("/v1/payment-intents", payment.clone(), json!({ "amount": "12.345" }), vec!["amount"]),
        ("/v1/payment-intents", payment.clone(), json!({ "amount": -1 }), vec!["amount"]),
        ("/v1/payment-intents", payment.clone(), json!({ "amountMinor": 1 }), vec!["amount"]),
        ("/v1/payment-intents", payment.clone(), json!({ "currencyCode": "ZZZ" }), vec!["currencyCode"]),
        ("/v1/payment-intents", payment.clone(), json!({ "customerId": "../account" }), vec!["customerId"]),
        ("/v1/payment-intents", payment.clone(), json!({ "confirm": true }), vec!["paymentMethodId"]),
        ("/v1/payment-intents", payment.clone(), json!({ "confirm": "yes" }), vec!["confirm"]),
        ("/v1/payment-intents", payment.clone(), json!({ "offSession": true }), vec!["offSession"]),
        ("/v1/payment-intents", payment.clone(), json!({ "returnUrl": "https://a.b" }), vec!["returnUrl"]),
        ("/v1/payment-intents", payment.clone(), json!({ "captureMethod": "later" }), vec!["captureMethod"]),
        ("/v1/payment-intents", payment, json!({ "receiptEmail": "a b@c.d" }), vec!["receiptEmail"]),
        ("/v1/subscriptions", json!({}), json!({}), vec!["customerId", "items"]),
        ("/v1/subscriptions", subscription.clone(), json!({ "items": [] }), vec!["items"]),
        ("/v1/subscriptions", subscription.clone(), json!({ "items": [7] }), vec!["items[0]"]),
        ("/v1/subscriptions", subscription.clone(), json!({ "items": vec![json!({}); 21] }), vec!["items"]),
        (
            "/v1/subscriptions",
            subscription.clone(),
            json!({ "items": [{}] }),
            vec![
                "items[0].currencyCode",
                "items[0].unitAmount",
                "items[0].productId",
                "items[0].billingInterval",
            ],
        ),
        (
            "/v1/subscriptions",
            subscription.clone(),
            json!({ "items": [{ "priceId": "price_1", "unitAmount": "5", "currencyCode": "USD",
                                "productId": "prod_1", "billingInterval": "month" }] }),
            vec!["items[0].unitAmount"],
        ),
        (
            "/v1/subscriptions",
            subscription.clone(),
            json!({ "items": [{ "priceId": "price_1", "quantity": 0 }] }),
            vec!["items[0].quantity"],
        ),
        ("/v1/subscriptions", subscription.clone(), json!({ "trialDays": "soon" }), vec!["trialDays"]),
        ("/v1/subscriptions", subscription.clone(), json!({ "daysUntilDue": 30 }), vec!["daysUntilDue"]),
        (
            "/v1/subscriptions",
            subscription.clone(),
            json!({ "collectionMethod": "send_invoice" }),
            vec!["daysUntilDue"],
        ),
        ("/v1/subscriptions", subscription, json!({ "paymentBehavior": "hope" }), vec!["paymentBehavior"]),
    ] {
        let mut body = base;
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let got = desk.post(path, &body).await;
        assert_eq!(got.named(), named, "{body:#} {:#}", got.body);
    }
    assert!(desk.stripe.calls().is_empty());
}

#[tokio::test]
async fn a_field_that_stripe_refuses_is_named_in_the_callers_words() {
    let desk = Desk::start().await;
    let body = json!({ "amount": "20", "currencyCode": "EUR", "customerId": "cus_missing" });
    let got = desk.post("/v1/payment-intents", &body).await;
    assert_eq!(got.problem(), (422, "stripe_rejected"));
    assert_eq!(got.body["stripeCode"], "resource_missing");
    assert_eq!(got.body["errors"][0]["field"], "customerId", "{:#}", got.body);
}

#[tokio::test]
async fn what_is_no_request_for_us_is_a_problem_as_well() {
    let desk = Desk::start().await;
    let post = |body: &'static str, kind: &'static str| {
        desk.request("POST", "/v1/customers").header("Content-Type", kind).body(body)
    };
    for (request, expected) in [
        (post("{", "application/json"), (400, "invalid_json")),
        (post("[]", "application/json"), (400, "invalid_json")),
        (post("", "application/json"), (400, "invalid_json")),
        (post("{}", "text/plain"), (415, "unsupported_media_type")),
        (post("name=A", "application/x-www-form-urlencoded"), (415, "unsupported_media_type")),
        (desk.request("POST", "/v1/customers").body("{}"), (415, "unsupported_media_type")),
        (post("{}", "application/json").header("X-Paybridge-Account", "other"), (422, "unknown_account")),
        (desk.request("DELETE", "/v1/customers"), (405, "method_not_allowed")),
        (desk.request("GET", "/v1/customers"), (405, "method_not_allowed")),
        (desk.request("GET", "/v1/nothing"), (404, "unknown_path")),
        (desk.request("GET", "/v1"), (404, "unknown_path")),
        (desk.request("GET", "/nothing"), (404, "unknown_path")),
        (desk.request("GET", "/v1/customers/cus_missing"), (404, "resource_missing")),
        (desk.request("GET", "/v1/customers/a.b"), (404, "resource_missing")),
        (desk.request("GET", "/v1/customers/a%2Fb"), (404, "resource_missing")),
        (desk.request("GET", "/v1/customers/%ff"), (404, "resource_missing")),
    ] {
        let got = desk.send(request).await;
        assert_eq!(got.problem(), expected, "{:#}", got.body);
        assert_eq!(got.headers["content-type"], "application/json");
        assert_eq!(got.headers.contains_key("allow"), expected.0 == 405);
    }
    for (body, detail) in [
        ("", "the body is empty"),
        ("[1]", "not an object"),
        (r#""sk_live_pasted""#, "not an object"),
        (r#"{"name": "Ada" "email": 1}"#, "expected `,` or `}` at line 1 column 16"),
        (r#"{"name": "Ada","#, "EOF while parsing"),
    ] {
        let got = desk.send(post(body, "application/json")).await;
        let said = got.body["detail"].as_str().unwrap();
        assert!(said.contains(detail) && !said.contains("pasted"), "{body}: {said}");
    }
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(1024 * 1024));
    let large = desk.request("POST", "/v1/customers").header("Content-Type", "application/json").body(large);
    assert_eq!(desk.send(large).await.problem(), (413, "body_too_large"));
}

#[tokio::test]
async fn the_registered_media_type_is_for_those_who_ask() {
    let desk = Desk::start().await;
    let request = desk.request("GET", "/v1/nothing").header("Accept", "application/problem+json");
    let got = desk.send(request).await;
    assert_eq!(got.problem(), (404, "unknown_path"));
    assert_eq!(got.headers["content-type"], "application/problem+json");
}
