//! What callers do wrong with each resource: every fault is told by field, and nothing reaches Stripe.

use serde_json::{Value, json};

use super::Desk;

/// Method and path, a body that is right, what is wrong about another, and the fields that are named.
type Row = (&'static str, &'static str, Value, Vec<&'static str>);

fn refund() -> Value {
    json!({ "paymentIntentId": "pi_1" })
}

fn page() -> Value {
    json!({ "amount": "20", "currencyCode": "EUR", "itemName": "Arm", "successUrl": "https://example.com/paid" })
}

fn link() -> Value {
    json!({ "amount": "20", "currencyCode": "EUR", "itemName": "Arm" })
}

fn invoice() -> Value {
    json!({ "customerId": "cus_1", "currencyCode": "EUR", "items": [{ "description": "x", "unitAmount": 1 }] })
}

fn schedule() -> Value {
    json!({ "customerId": "cus_1", "terms": [{ "priceId": "price_1", "termInterval": "year" }] })
}

fn price() -> Value {
    json!({ "productId": "prod_1", "unitAmount": "49", "currencyCode": "USD" })
}

#[tokio::test]
async fn each_wrong_field_of_a_creation_is_named() {
    let rows: Vec<(&str, Value, Value, Vec<&str>)> = vec![
        ("/v1/customers", json!({}), json!({ "addressCountry": "D" }), vec!["addressCountry"]),
        ("/v1/customers", json!({}), json!({ "addressCity": 7 }), vec!["addressCity"]),
        (
            "/v1/payment-intents",
            link_free(),
            json!({ "allowedPaymentMethodTypes": "card" }),
            vec!["allowedPaymentMethodTypes"],
        ),
        (
            "/v1/payment-intents",
            link_free(),
            json!({ "allowedPaymentMethodTypes": ["a b"] }),
            vec!["allowedPaymentMethodTypes[0]"],
        ),
        (
            "/v1/payment-intents",
            link_free(),
            json!({ "allowedPaymentMethodTypes": ["card"], "excludedPaymentMethodTypes": ["klarna"] }),
            vec!["excludedPaymentMethodTypes"],
        ),
        ("/v1/payment-intents", link_free(), json!({ "savePaymentMethod": true }), vec!["customerId"]),
        ("/v1/refunds", json!({}), json!({}), vec!["paymentIntentId"]),
        ("/v1/refunds", refund(), json!({ "chargeId": "ch_1" }), vec!["chargeId"]),
        ("/v1/refunds", refund(), json!({ "paymentIntentId": "re_1" }), vec!["paymentIntentId"]),
        ("/v1/refunds", refund(), json!({ "amount": "5" }), vec!["currencyCode"]),
        ("/v1/refunds", refund(), json!({ "amount": "5.001", "currencyCode": "EUR" }), vec!["amount"]),
        ("/v1/refunds", refund(), json!({ "amount": "-5", "currencyCode": "EUR" }), vec!["amount"]),
        ("/v1/refunds", refund(), json!({ "amountMinor": 0 }), vec!["amountMinor"]),
        ("/v1/refunds", refund(), json!({ "currencyCode": "EURO" }), vec!["currencyCode"]),
        ("/v1/refunds", refund(), json!({ "refundReason": "mistake" }), vec!["refundReason"]),
        ("/v1/refunds", refund(), json!({ "reason": "duplicate" }), vec!["reason"]),
        (
            "/v1/checkout-sessions",
            json!({}),
            json!({}),
            vec!["successUrl", "currencyCode", "amount", "itemName"],
        ),
        ("/v1/checkout-sessions", page(), json!({ "successUrl": "example.com" }), vec!["successUrl"]),
        ("/v1/checkout-sessions", page(), json!({ "successUrl": "javascript:alert(1)" }), vec!["successUrl"]),
        ("/v1/checkout-sessions", page(), json!({ "expiresAt": "in an hour" }), vec!["expiresAt"]),
        (
            "/v1/checkout-sessions",
            page(),
            json!({ "customerId": "cus_1", "customerEmail": "a@b.se" }),
            vec!["customerEmail"],
        ),
        ("/v1/checkout-sessions", page(), json!({ "lineItems": [{ "priceId": "price_1" }] }), vec!["amount"]),
        ("/v1/checkout-sessions", page(), json!({ "trialDays": 7 }), vec!["trialDays"]),
        ("/v1/checkout-sessions", page(), json!({ "checkoutMode": "setup" }), vec!["checkoutMode"]),
        (
            "/v1/checkout-sessions",
            page(),
            json!({ "checkoutMode": "subscription", "captureMethod": "manual" }),
            vec!["captureMethod"],
        ),
        ("/v1/payment-links", link(), json!({ "paymentsLimit": 0 }), vec!["paymentsLimit"]),
        ("/v1/payment-links", link(), json!({ "successUrl": "https://example.com" }), vec!["successUrl"]),
        (
            "/v1/payment-links",
            link(),
            json!({ "redirectUrl": "https://a.example", "confirmationMessage": "Thanks" }),
            vec!["confirmationMessage"],
        ),
        (
            "/v1/payment-links",
            json!({}),
            json!({ "lineItems": [{ "itemName": "Arm", "productId": "prod_1", "unitAmount": 1, "currencyCode": "USD" }] }),
            vec!["lineItems[0].itemName"],
        ),
        (
            "/v1/payment-links",
            json!({}),
            json!({ "checkoutMode": "payment", "lineItems": [
                { "itemName": "Arm", "unitAmount": 1, "currencyCode": "USD", "billingInterval": "month" }] }),
            vec!["checkoutMode"],
        ),
        ("/v1/payment-links", json!({}), json!({ "lineItems": vec![json!({}); 21] }), vec!["lineItems"]),
        ("/v1/invoices", json!({}), json!({}), vec!["customerId", "currencyCode", "items"]),
        ("/v1/invoices", invoice(), json!({ "items": [{ "unitAmount": 1 }] }), vec!["items[0].description"]),
        (
            "/v1/invoices",
            invoice(),
            json!({ "items": [{ "description": "x" }] }),
            vec!["items[0].unitAmount"],
        ),
        (
            "/v1/invoices",
            invoice(),
            json!({ "items": [{ "description": "x", "unitAmount": "0.001" }] }),
            vec!["items[0].unitAmount"],
        ),
        (
            "/v1/invoices",
            invoice(),
            json!({ "items": [{ "description": "x", "unitAmountMinor": 999_999_999_999_999_999_i64, "quantity": 2 }] }),
            vec!["items[0].quantity"],
        ),
        (
            "/v1/invoices",
            invoice(),
            json!({ "items": [{ "priceId": "price_1", "unitAmount": 1 }] }),
            vec!["items[0].unitAmount"],
        ),
        ("/v1/invoices", invoice(), json!({ "daysUntilDue": 30 }), vec!["daysUntilDue"]),
        ("/v1/invoices", invoice(), json!({ "collectionMethod": "send_invoice" }), vec!["daysUntilDue"]),
        ("/v1/subscription-schedules", json!({}), json!({}), vec!["customerId", "terms"]),
        (
            "/v1/subscription-schedules",
            schedule(),
            json!({ "terms": [{ "priceId": "price_1" }] }),
            vec!["terms[0].termInterval"],
        ),
        (
            "/v1/subscription-schedules",
            schedule(),
            json!({ "terms": [{ "priceId": "price_1", "termInterval": "year", "termNumber": 1 },
                              { "priceId": "price_2", "termInterval": "year" }] }),
            vec!["terms"],
        ),
        (
            "/v1/subscription-schedules",
            schedule(),
            json!({ "terms": [{ "priceId": "price_1", "termInterval": "quarter" }] }),
            vec!["terms[0].termInterval"],
        ),
        ("/v1/subscription-schedules", schedule(), json!({ "startsAt": "01.01.2027" }), vec!["startsAt"]),
        ("/v1/products", json!({}), json!({}), vec!["name"]),
        ("/v1/products", json!({ "name": "A" }), json!({ "productUrl": "ftp://a.b" }), vec!["productUrl"]),
        ("/v1/products", json!({ "name": "A" }), json!({ "isActive": "yes" }), vec!["isActive"]),
        ("/v1/prices", json!({}), json!({}), vec!["productId", "currencyCode", "unitAmount"]),
        ("/v1/prices", price(), json!({ "billingInterval": "quarter" }), vec!["billingInterval"]),
        ("/v1/prices", price(), json!({ "billingIntervalCount": 3 }), vec!["billingInterval"]),
        (
            "/v1/prices",
            price(),
            json!({ "billingInterval": "year", "billingIntervalCount": 4 }),
            vec!["billingIntervalCount"],
        ),
        ("/v1/prices", price(), json!({ "taxBehavior": "none" }), vec!["taxBehavior"]),
        (
            "/v1/subscriptions",
            json!({ "customerId": "cus_1", "items": [{ "priceId": "price_1" }] }),
            json!({ "trialEndBehavior": "pause" }),
            vec!["trialEndBehavior"],
        ),
    ];
    let desk = Desk::start().await;
    for (path, base, change, named) in rows {
        let mut body = base;
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let got = desk.post(path, &body).await;
        assert_eq!(got.named(), named, "{path} {body:#} {:#}", got.body);
    }
    assert!(desk.stripe.calls().is_empty());
}

fn link_free() -> Value {
    json!({ "amount": "20", "currencyCode": "EUR" })
}

#[tokio::test]
async fn each_wrong_field_of_a_change_is_named() {
    let rows: Vec<Row> = vec![
        (
            "POST",
            "/v1/payment-intents/pi_1/confirm",
            json!({ "paymentMethodId": "a/b" }),
            vec!["paymentMethodId"],
        ),
        (
            "POST",
            "/v1/payment-intents/pi_1/confirm",
            json!({ "paymentMethod": "pm_1" }),
            vec!["paymentMethod"],
        ),
        ("POST", "/v1/payment-intents/pi_1/capture", json!({ "amount": "5" }), vec!["currencyCode"]),
        ("POST", "/v1/payment-intents/pi_1/capture", json!({ "amountMinor": -1 }), vec!["amountMinor"]),
        (
            "POST",
            "/v1/payment-intents/pi_1/cancel",
            json!({ "cancellationReason": "no" }),
            vec!["cancellationReason"],
        ),
        ("POST", "/v1/payment-intents/a.b/cancel", json!({}), vec!["paymentIntentId"]),
        ("POST", "/v1/payment-intents/a%2Fb/capture", json!({}), vec!["paymentIntentId"]),
        ("POST", "/v1/invoices/in_1%0d%0ax/send", json!({}), vec!["invoiceId"]),
        ("POST", "/v1/invoices/in_1%3Fa/finalize", json!({}), vec!["invoiceId"]),
        (
            "POST",
            "/v1/invoices/in_1/pay",
            json!({ "paidElsewhere": true, "paymentMethodId": "pm_1" }),
            vec!["paymentMethodId"],
        ),
        ("POST", "/v1/subscriptions/sub_1/items", json!({}), vec!["items"]),
        (
            "POST",
            "/v1/subscriptions/sub_1/items",
            json!({ "items": [{ "subscriptionItemId": "si_1" }] }),
            vec!["items[0].quantity"],
        ),
        (
            "POST",
            "/v1/subscriptions/sub_1/items",
            json!({ "items": [{ "removeItem": true }] }),
            vec!["items[0].subscriptionItemId"],
        ),
        (
            "POST",
            "/v1/subscriptions/sub_1/items",
            json!({ "items": [{ "subscriptionItemId": "si_1", "removeItem": true, "quantity": 2 }] }),
            vec!["items[0].removeItem"],
        ),
        (
            "POST",
            "/v1/subscriptions/sub_1/items",
            json!({ "items": [{ "priceId": "price_1" }], "prorationBehavior": "maybe" }),
            vec!["prorationBehavior"],
        ),
        ("POST", "/v1/subscriptions/sub_1/pause", json!({ "pauseBehavior": "stop" }), vec!["pauseBehavior"]),
        (
            "POST",
            "/v1/subscriptions/sub_1/pause",
            json!({ "collectionResumesAt": "2027-01-01" }),
            vec!["collectionResumesAt"],
        ),
        (
            "POST",
            "/v1/subscriptions/sub_1/resume",
            json!({ "resumeWhat": "collection", "billingPeriod": "new_period" }),
            vec!["billingPeriod"],
        ),
        ("POST", "/v1/subscriptions/sub_1/cancel", json!({ "cancelWhen": "soon" }), vec!["cancelWhen"]),
        ("POST", "/v1/subscriptions/sub_1/cancel", json!({ "prorate": true }), vec!["prorate"]),
        (
            "POST",
            "/v1/payment-links/plink_1/deactivate",
            json!({ "inactiveMessage": 7 }),
            vec!["inactiveMessage"],
        ),
        ("PATCH", "/v1/customers/cus_1", json!({ "email": "nobody" }), vec!["email"]),
        (
            "PATCH",
            "/v1/customers/cus_1",
            json!({ "defaultPaymentMethodId": "card_1" }),
            vec!["defaultPaymentMethodId"],
        ),
        (
            "PATCH",
            "/v1/customers/cus_1",
            json!({ "metadata": [{ "key": "sf_object" }] }),
            vec!["metadata[0].key"],
        ),
        ("PUT", "/v1/customers", json!({ "name": "A" }), vec!["salesforceRecordId"]),
        (
            "PUT",
            "/v1/customers",
            json!({ "salesforceRecordId": "a01D000000IRFma" }),
            vec!["salesforceObject"],
        ),
    ];
    let desk = Desk::start().await;
    for (method, path, body, named) in rows {
        let got = desk.send(desk.request(method, path).json(&body)).await;
        assert_eq!(got.named(), named, "{method} {path} {body:#} {:#}", got.body);
    }
    assert!(desk.stripe.calls().is_empty());
}

#[tokio::test]
async fn what_does_not_exist_is_told_apart_from_what_is_referred_to() {
    let desk = Desk::start().await;
    desk.stripe.seed_sample();
    for (method, path, body, expected) in [
        ("POST", "/v1/payment-intents/pi_missing/capture", json!({}), (404, "resource_missing")),
        ("POST", "/v1/invoices/in_missing/void", json!({}), (404, "resource_missing")),
        ("PATCH", "/v1/customers/cus_missing", json!({ "name": "A" }), (404, "resource_missing")),
        ("POST", "/v1/subscriptions/sub_missing/keep", json!({}), (404, "resource_missing")),
        ("GET", "/v1/prices/price_missing", json!({}), (404, "resource_missing")),
        (
            "POST",
            "/v1/payment-intents/pi_sandbox_open/confirm",
            json!({ "paymentMethodId": "pm_missing" }),
            (422, "stripe_rejected"),
        ),
        ("POST", "/v1/refunds", json!({ "paymentIntentId": "pi_missing" }), (422, "stripe_rejected")),
    ] {
        let got = desk.send(desk.request(method, path).json(&body)).await;
        assert_eq!(got.problem(), expected, "{method} {path} {:#}", got.body);
    }
}

#[tokio::test]
async fn what_stripe_does_not_charge_is_readable() {
    let desk = Desk::start().await;
    for (body, told) in [
        (json!({ "amount": "0.10", "currencyCode": "USD" }), "at least $0.50"),
        (json!({ "amount": "1000000", "currencyCode": "USD" }), "no more than $999999.99"),
    ] {
        let got = desk.post("/v1/payment-intents", &body).await;
        assert_eq!(got.problem(), (422, "stripe_rejected"));
        assert_eq!(got.body["errors"][0]["field"], "amount", "{:#}", got.body);
        assert!(got.body["detail"].as_str().unwrap().contains(told), "{:#}", got.body);
    }
}
