//! Many in one call: in order, each by itself, and none twice.

use serde_json::{Value, json};

use super::{Desk, Got};

fn created(desk: &Desk, kind: &str) -> usize {
    desk.stripe.events().iter().filter(|event| event["type"] == kind).count()
}

#[tokio::test]
async fn results_come_in_order_and_one_bad_item_harms_only_itself() {
    let desk = Desk::start().await;
    let declined = "pm_card_visa_chargeDeclinedInsufficientFunds";
    let items = json!([
        { "amount": "10", "currencyCode": "EUR", "idempotencyKey": "a" },
        { "amount": "10.001", "currencyCode": "EUR", "idempotencyKey": "b" },
        { "amount": "10", "currencyCode": "EUR", "idempotencyKey": "c", "confirm": true, "paymentMethodId": declined },
        7,
        { "amount": "10", "currencyCode": "EUR", "idempotencyKey": "d", "confirm": true, "paymentMethodId": "pm_card_visa" },
    ]);
    let answer = desk.post("/v1/payment-intents/bulk", &json!({ "items": items })).await.is(200);
    let results = answer["results"].as_array().unwrap();
    let told: Vec<_> = results
        .iter()
        .map(|result| {
            (&result["itemIndex"], &result["succeeded"], &result["status"], &result["problem"]["code"])
        })
        .collect();
    let expected = [
        (&json!(0), &json!(true), &json!("Pending"), &Value::Null),
        (&json!(1), &json!(false), &Value::Null, &json!("invalid_request")),
        (&json!(2), &json!(false), &Value::Null, &json!("payment_declined")),
        (&json!(3), &json!(false), &Value::Null, &json!("invalid_json")),
        (&json!(4), &json!(true), &json!("Completed"), &Value::Null),
    ];
    assert_eq!(told, expected, "{answer:#}");
    assert_eq!((&answer["succeededCount"], &answer["failedCount"]), (&json!(2), &json!(3)));
    assert_eq!(answer["operationStatus"], "completed");
    assert_eq!(results[1]["problem"]["errors"][0]["field"], "amount");
    // The payment that was declined exists.
    assert_eq!(results[2]["stripeId"], results[2]["problem"]["paymentIntentId"]);
    assert_eq!(results[2]["idempotencyKey"], "c");
    for refused in [1, 2, 3] {
        assert_eq!(results[refused]["problem"]["requestId"], answer["requestId"]);
    }
    assert_eq!(created(&desk, "payment_intent.created"), 3);
}

#[tokio::test]
async fn equal_items_are_one_intention_and_a_single_call_is_the_same_one() {
    let desk = Desk::start().await;
    let customer = json!({ "name": "A", "salesforceRecordId": "001D000000IRFma" });
    let other = json!({ "name": "B", "salesforceRecordId": "001D000000IRFma" });
    let items = json!({ "items": [customer, customer, other] });
    let answer = desk.post("/v1/customers/bulk", &items).await.is(200);
    let results = &answer["results"];
    assert_eq!(results[0]["stripeId"], results[1]["stripeId"], "{answer:#}");
    assert_eq!(
        (&results[0]["idempotencyReplayed"], &results[1]["idempotencyReplayed"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(results[2]["problem"]["code"], "idempotency_key_reused");
    let single = desk.post("/v1/customers", &customer).await.is(201);
    assert_eq!(
        (&single["stripeId"], &single["idempotencyReplayed"]),
        (&results[0]["stripeId"], &json!(true))
    );
    assert_eq!(created(&desk, "customer.created"), 1);
}

#[tokio::test]
async fn a_bulk_that_cannot_be_read_as_a_whole_is_refused() {
    let desk = Desk::start().await;
    let many = vec![json!({}); 201];
    for body in [json!({}), json!({ "items": [] }), json!({ "items": many }), json!({ "items": "x" })] {
        let got = desk.post("/v1/customers/bulk", &body).await;
        assert_eq!(got.named(), ["items"], "{body}");
    }
    assert_eq!(desk.post("/v1/customers/bulk", &json!([])).await.problem(), (400, "invalid_json"));
    let with_key = desk.request("POST", "/v1/customers/bulk").header("Idempotency-Key", "k");
    let got: Got = desk.send(with_key.json(&json!({ "items": [{}] }))).await;
    assert_eq!(got.named(), ["idempotencyKey"]);
    assert!(desk.stripe.calls().is_empty());
}
