//! Subscriptions with their invoices over HTTP.

use super::id;
use crate::sandbox::stripe::testing::Caller;

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
