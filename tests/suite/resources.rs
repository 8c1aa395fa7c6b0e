//! What a Flow asks for, all the way: the API, Stripe, the webhook, and the record in the org.

use std::time::Duration;

use paybridge::sandbox::salesforce::{ACCOUNT_ID, OPPORTUNITY_ID, ORDER_ID};
use serde_json::{Value, json};

use crate::bridge::{Bridge, Caller};
use crate::each_backend;

each_backend!(
    a_page_is_paid_and_its_opportunity_knows,
    a_link_is_paid_as_often_as_it_may_be,
    an_authorization_is_captured_in_part_and_refunded_in_part,
    a_subscription_changes_rests_and_ends,
    a_contract_of_two_terms_begins,
    an_invoice_is_sent_and_paid_by_transfer,
    an_invoice_with_a_wrong_line_is_corrected_under_its_key,
    a_record_has_one_customer_however_often_it_is_asked_for,
    the_catalog_reaches_the_org,
);

const PAGE: &str = "Stripe_Checkout_Session__c";
const INTENT: &str = "Stripe_Payment_Intent__c";
const SUBSCRIPTION: &str = "Stripe_Subscription__c";
const INVOICE: &str = "Stripe_Invoice__c";

fn id(answer: &Value) -> &str {
    answer["stripeId"].as_str().unwrap_or_else(|| panic!("no stripeId in {answer:#}"))
}

#[track_caller]
fn assert_field(bridge: &Bridge, sobject: &str, external_id: &str, field: &str, expected: &str) {
    assert_eq!(bridge.field(sobject, external_id, field).as_deref(), Some(expected), "{sobject}.{field}");
}

/// A customer who pays with a good card, made by the API.
async fn a_payer(bridge: &Bridge, api: &Caller) -> String {
    let body = json!({ "name": "Northwind Robotics", "email": "ap@northwind.example",
                       "salesforceRecordId": ACCOUNT_ID });
    let customer = id(&api.done("POST", "/v1/customers", body).await).to_owned();
    let attach = "/v1/payment_methods/pm_card_visa/attach";
    let method = bridge.at_stripe(attach, &[("customer", &customer)]).await;
    let usual = json!({ "defaultPaymentMethodId": method["id"] });
    api.done("PATCH", &format!("/v1/customers/{customer}"), usual).await;
    customer
}

async fn a_page_is_paid_and_its_opportunity_knows(bridge: Bridge) {
    let api = bridge.caller().await;
    let body = json!({ "amount": "129.90", "currencyCode": "EUR", "itemName": "Welding arm, deposit",
                       "successUrl": "https://example.com/paid", "salesforceRecordId": OPPORTUNITY_ID });
    let page = api.done("POST", "/v1/checkout-sessions", body).await;
    assert_eq!((&page["status"], &page["amountTotal"]), (&json!("Open"), &json!("129.90")), "{page:#}");
    assert!(page["url"].as_str().unwrap().starts_with(&bridge.stripe.base_url()), "{page:#}");
    let declined = bridge.stripe.pay_session(id(&page), "pm_card_chargeDeclined").unwrap_err();
    assert_eq!(declined, "Your card was declined.");
    bridge.stripe.pay_session(id(&page), "pm_card_visa").unwrap();
    bridge.deliver().await;
    assert_field(&bridge, PAGE, id(&page), "Status__c", "Completed");
    assert_field(&bridge, PAGE, id(&page), "Opportunity__c", OPPORTUNITY_ID);
    let paid = api.done("GET", &format!("/v1/checkout-sessions/{}", id(&page)), json!({})).await;
    assert_eq!(paid["status"], "Completed", "{paid:#}");
    let payment = paid["paymentIntentId"].as_str().unwrap();
    assert_field(&bridge, INTENT, payment, "Status__c", "Completed");
    assert_field(&bridge, INTENT, payment, "Opportunity__c", OPPORTUNITY_ID);
    assert_field(&bridge, INTENT, payment, "Amount_Received__c", "129.90");
    let (status, late) = api.post(&format!("/v1/checkout-sessions/{}/expire", id(&page)), &json!({})).await;
    assert_eq!((status, &late["code"]), (422, &json!("stripe_rejected")), "{late:#}");
}

async fn a_link_is_paid_as_often_as_it_may_be(bridge: Bridge) {
    let api = bridge.caller().await;
    let body = json!({ "lineItems": [
                           { "itemName": "Welding arm", "unitAmount": 1200, "currencyCode": "USD", "quantity": 2 },
                           { "itemName": "Freight", "unitAmountMinor": 4950, "currencyCode": "USD" } ],
                       "paymentsLimit": 1, "salesforceRecordId": ORDER_ID, "accountId": ACCOUNT_ID });
    let link = api.done("POST", "/v1/payment-links", body).await;
    assert_eq!((&link["status"], &link["paymentsLimit"]), (&json!("Active"), &json!(1)), "{link:#}");
    let visit = bridge.stripe.open_link(id(&link)).unwrap();
    let page = visit["id"].as_str().unwrap();
    bridge.stripe.pay_session(page, "pm_card_visa").unwrap();
    bridge.deliver().await;
    assert_field(&bridge, PAGE, page, "Status__c", "Completed");
    assert_field(&bridge, PAGE, page, "Order__c", ORDER_ID);
    assert_field(&bridge, PAGE, page, "Account__c", ACCOUNT_ID);
    assert_field(&bridge, PAGE, page, "Amount_Total__c", "2449.50");
    let closed = api.done("GET", &format!("/v1/payment-links/{}", id(&link)), json!({})).await;
    assert_eq!((&closed["status"], &closed["paymentsCount"]), (&json!("Inactive"), &json!(1)), "{closed:#}");
    assert!(bridge.stripe.open_link(id(&link)).is_err());
}

async fn an_authorization_is_captured_in_part_and_refunded_in_part(bridge: Bridge) {
    let api = bridge.caller().await;
    let body = json!({ "amount": "180.00", "currencyCode": "EUR", "paymentMethodId": "pm_card_visa",
                       "confirm": true, "captureMethod": "manual", "salesforceRecordId": ORDER_ID });
    let payment = api.done("POST", "/v1/payment-intents", body).await;
    assert_eq!((&payment["status"], &payment["amountCapturable"]), (&json!("Authorized"), &json!("180.00")));
    let path = format!("/v1/payment-intents/{}", id(&payment));
    // 150 yen would be 1.50 of these euros.
    let wrong = json!({ "amount": "150", "currencyCode": "JPY" });
    let (status, refused) = api.post(&format!("{path}/capture"), &wrong).await;
    assert_eq!((status, &refused["errors"][0]["field"]), (422, &json!("currencyCode")), "{refused:#}");
    assert_eq!(refused["errors"][0]["expected"], "EUR", "{refused:#}");
    let right = json!({ "amount": "150.00", "currencyCode": "EUR", "idempotencyKey": "delivered" });
    let captured = api.done("POST", &format!("{path}/capture"), right.clone()).await;
    assert_eq!((&captured["status"], &captured["amountReceived"]), (&json!("Completed"), &json!("150.00")));
    let again = api.done("POST", &format!("{path}/capture"), right).await;
    assert_eq!(again["idempotencyReplayed"], true, "{again:#}");
    let (_, anew) = api.post(&format!("{path}/capture"), &json!({})).await;
    assert_eq!(anew["code"], "stripe_rejected", "{anew:#}");

    let refund = json!({ "paymentIntentId": payment["stripeId"], "amount": "20.5", "currencyCode": "eur",
                         "refundReason": "requested_by_customer", "salesforceRecordId": ORDER_ID });
    let wrong = json!({ "paymentIntentId": payment["stripeId"], "amount": "20", "currencyCode": "USD" });
    assert_eq!(api.post("/v1/refunds", &wrong).await.0, 422);
    let refund = api.done("POST", "/v1/refunds", refund).await;
    assert_eq!((&refund["amount"], &refund["status"]), (&json!("20.50"), &json!("Completed")), "{refund:#}");
    bridge.clock.advance(Duration::from_secs(5));
    bridge.deliver().await;
    assert_field(&bridge, INTENT, id(&payment), "Amount_Received__c", "150.00");
    assert_field(&bridge, "Stripe_Refund__c", id(&refund), "Amount__c", "20.50");
    let charge = captured["latestChargeId"].as_str().unwrap();
    assert_field(&bridge, "Stripe_Charge__c", charge, "Status__c", "Partially Refunded");
}

async fn a_subscription_changes_rests_and_ends(bridge: Bridge) {
    let api = bridge.caller().await;
    let customer = a_payer(&bridge, &api).await;
    let body = json!({ "customerId": customer, "items": [{ "priceId": "price_sandbox_monthly", "quantity": 3 }],
                       "salesforceRecordId": OPPORTUNITY_ID });
    let subscription = api.done("POST", "/v1/subscriptions", body).await;
    assert_eq!(subscription["status"], "Active", "{subscription:#}");
    bridge.deliver().await;
    let sub = id(&subscription).to_owned();
    assert_field(&bridge, SUBSCRIPTION, &sub, "Opportunity__c", OPPORTUNITY_ID);
    assert_field(&bridge, SUBSCRIPTION, &sub, "Quantity__c", "3");
    let step = async |step: &str, body: Value| {
        bridge.clock.advance(Duration::from_secs(2));
        let path = format!("/v1/subscriptions/{sub}{step}");
        let answer = api.done("POST", &path, body).await;
        bridge.deliver().await;
        answer
    };
    let item = &subscription["items"][0]["stripeId"];
    step(
        "/items",
        json!({ "items": [{ "subscriptionItemId": item, "quantity": 5 }], "prorationBehavior": "none" }),
    )
    .await;
    assert_field(&bridge, SUBSCRIPTION, &sub, "Quantity__c", "5");
    assert_eq!(step("/pause", json!({})).await["status"], "Paused");
    assert_field(&bridge, SUBSCRIPTION, &sub, "Status__c", "Paused");
    assert_eq!(step("/resume", json!({ "billingPeriod": "same_period" })).await["status"], "Active");
    assert_field(&bridge, SUBSCRIPTION, &sub, "Status__c", "Active");
    let resting = step("/pause", json!({ "pauseBehavior": "void" })).await;
    assert_eq!((&resting["status"], &resting["pausedCollection"]), (&json!("Active"), &json!("void")));
    let going = step("/resume", json!({ "resumeWhat": "collection" })).await;
    assert!(going.get("pausedCollection").is_none(), "{going:#}");
    let ending = step("/cancel", json!({ "cancellationComment": "moved" })).await;
    assert_eq!((&ending["status"], &ending["cancelAtPeriodEnd"]), (&json!("Active"), &json!(true)));
    assert_field(&bridge, SUBSCRIPTION, &sub, "Cancel_At_Period_End__c", "true");
    assert_eq!(step("/keep", json!({})).await["cancelAtPeriodEnd"], false);
    assert_field(&bridge, SUBSCRIPTION, &sub, "Cancel_At_Period_End__c", "false");
    assert_eq!(step("/cancel", json!({ "cancelWhen": "now" })).await["status"], "Canceled");
    assert_field(&bridge, SUBSCRIPTION, &sub, "Status__c", "Canceled");
    let (status, gone) =
        api.post(&format!("/v1/subscriptions/{sub}/cancel"), &json!({ "cancelWhen": "now" })).await;
    assert_eq!((status, &gone["code"]), (404, &json!("resource_missing")), "{gone:#}");
}

async fn a_contract_of_two_terms_begins(bridge: Bridge) {
    let api = bridge.caller().await;
    let customer = a_payer(&bridge, &api).await;
    let monthly = json!({ "unitAmount": "45.00", "currencyCode": "USD", "productId": "prod_sandbox_plan",
                          "billingInterval": "month", "quantity": 5 });
    let mut second = monthly.clone();
    second
        .as_object_mut()
        .unwrap()
        .extend([("termInterval".to_owned(), json!("year")), ("termIntervalCount".to_owned(), json!(2))]);
    let body = json!({ "customerId": customer, "endBehavior": "cancel", "salesforceRecordId": ORDER_ID,
                       "terms": [{ "priceId": "price_sandbox_monthly", "termInterval": "year" }, second] });
    let schedule = api.done("POST", "/v1/subscription-schedules", body).await;
    assert_eq!(schedule["status"], "Active", "{schedule:#}");
    assert_eq!(schedule["terms"][0]["endsAt"], schedule["terms"][1]["startsAt"]);
    assert_eq!(
        (&schedule["terms"][1]["termNumber"], &schedule["terms"][1]["quantity"]),
        (&json!(2), &json!(5))
    );
    bridge.deliver().await;
    let sub = schedule["subscriptionId"].as_str().unwrap();
    assert_field(&bridge, SUBSCRIPTION, sub, "Status__c", "Active");
    assert_field(&bridge, SUBSCRIPTION, sub, "Order__c", ORDER_ID);
    let (status, refused) = api.post(&format!("/v1/subscriptions/{sub}/pause"), &json!({})).await;
    assert_eq!((status, &refused["code"]), (422, &json!("stripe_rejected")), "{refused:#}");
    let path = format!("/v1/subscription-schedules/{}/release", id(&schedule));
    let released = api.done("POST", &path, json!({})).await;
    assert_eq!((&released["status"], &released["subscriptionId"]), (&json!("Released"), &json!(sub)));
}

async fn an_invoice_is_sent_and_paid_by_transfer(bridge: Bridge) {
    let api = bridge.caller().await;
    let customer = a_payer(&bridge, &api).await;
    let body = json!({ "customerId": customer, "currencyCode": "EUR", "collectionMethod": "send_invoice",
                       "daysUntilDue": 30, "salesforceRecordId": ORDER_ID, "items": [
                           { "description": "Commissioning, per day", "unitAmount": "480.00", "quantity": 2 },
                           { "description": "Rebate", "unitAmount": -60 } ] });
    let draft = api.done("POST", "/v1/invoices", body).await;
    assert_eq!((&draft["status"], &draft["total"]), (&json!("Draft"), &json!("900.00")), "{draft:#}");
    assert_eq!(draft["items"][0]["description"], "2 × Commissioning, per day");
    let step = async |step: &str, body: Value| {
        bridge.clock.advance(Duration::from_secs(2));
        let answer = api.done("POST", &format!("/v1/invoices/{}/{step}", id(&draft)), body).await;
        bridge.deliver().await;
        answer
    };
    let sent = step("send", json!({})).await;
    assert_eq!(sent["status"], "Open", "{sent:#}");
    assert!(sent["invoiceNumber"].is_string() && sent["hostedInvoiceUrl"].is_string(), "{sent:#}");
    assert_field(&bridge, INVOICE, id(&draft), "Status__c", "Open");
    assert_field(&bridge, INVOICE, id(&draft), "Amount_Due__c", "900.00");
    let paid = step("pay", json!({ "paidElsewhere": true })).await;
    assert_eq!((&paid["status"], &paid["amountPaid"]), (&json!("Paid"), &json!("900.00")), "{paid:#}");
    assert_field(&bridge, INVOICE, id(&draft), "Status__c", "Paid");
    let (status, refused) = api.post(&format!("/v1/invoices/{}/void", id(&draft)), &json!({})).await;
    assert_eq!((status, &refused["code"]), (422, &json!("stripe_rejected")), "{refused:#}");
}

async fn an_invoice_with_a_wrong_line_is_corrected_under_its_key(bridge: Bridge) {
    let api = bridge.caller().await;
    let customer = a_payer(&bridge, &api).await;
    let body = |price: &str| {
        json!({ "customerId": customer, "currencyCode": "USD", "finalizeNow": true, "salesforceRecordId": ORDER_ID,
                "items": [{ "description": "Freight", "unitAmount": "10" }, { "priceId": price }] })
    };
    let (status, refused) = api.post("/v1/invoices", &body("price_missing")).await;
    assert_eq!((status, &refused["errors"][0]["field"]), (422, &json!("items[1].priceId")), "{refused:#}");
    let price = json!({ "productId": "prod_sandbox_plan", "unitAmount": "250", "currencyCode": "USD" });
    let price = api.done("POST", "/v1/prices", price).await;
    let invoice = api.done("POST", "/v1/invoices", body(id(&price))).await;
    assert_eq!((&invoice["status"], &invoice["total"]), (&json!("Open"), &json!("260.00")), "{invoice:#}");
    let again = api.done("POST", "/v1/invoices", body(id(&price))).await;
    assert_eq!(again["stripeId"], invoice["stripeId"]);
    let drafts = bridge.stripe.events().iter().filter(|event| event["type"] == "invoice.created").count();
    assert_eq!(drafts, 1, "the draft of the refused call is the one that went on");
}

async fn a_record_has_one_customer_however_often_it_is_asked_for(bridge: Bridge) {
    let api = bridge.caller().await;
    bridge.stripe.set_latency(Duration::from_millis(20));
    let body =
        |number: usize| json!({ "name": format!("Northwind {number}"), "salesforceRecordId": ACCOUNT_ID });
    let calls = (0..20).map(|number| tokio::spawn(api.done("PUT", "/v1/customers", body(number))));
    let mut ids = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        ids.push(id(&call.await.unwrap()).to_owned());
    }
    bridge.stripe.set_latency(Duration::ZERO);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // Stripe has forgotten the key, and finds the customer.
    bridge.clock.advance(Duration::from_secs(3 * 24 * 60 * 60));
    let later = json!({ "phone": "+49 30 5550 1170", "salesforceRecordId": ACCOUNT_ID });
    let later = api.done("PUT", "/v1/customers", later).await;
    assert_eq!(id(&later), ids[0]);
    assert!(later["name"].as_str().unwrap().starts_with("Northwind "), "what is left out stays: {later:#}");
    let made = bridge.stripe.events().iter().filter(|event| event["type"] == "customer.created").count();
    assert_eq!(made, 1);
    bridge.deliver().await;
    assert_field(&bridge, "Stripe_Customer__c", &ids[0], "Account__c", ACCOUNT_ID);
    assert_field(&bridge, "Stripe_Customer__c", &ids[0], "Phone__c", "+49 30 5550 1170");
    let both =
        json!({ "items": [{ "salesforceRecordId": ACCOUNT_ID, "name": "Bulk" }, { "name": "No record" }] });
    let both = api.done("PUT", "/v1/customers/bulk", both).await;
    assert_eq!(both["results"][0]["stripeId"], json!(ids[0]), "{both:#}");
    assert_eq!(both["results"][1]["problem"]["errors"][0]["field"], "salesforceRecordId", "{both:#}");
}

async fn the_catalog_reaches_the_org(bridge: Bridge) {
    let api = bridge.caller().await;
    let product = json!({ "name": "Gripper", "description": "Two fingers", "productCode": "GRP-2" });
    let product = api.done("POST", "/v1/products", product).await;
    assert_eq!(product["metadata"][0], json!({ "key": "productCode", "value": "GRP-2" }), "{product:#}");
    let price = json!({ "productId": product["stripeId"], "unitAmount": 19.5, "currencyCode": "USD",
                        "billingInterval": "month", "billingIntervalCount": 3, "taxBehavior": "exclusive" });
    let price = api.done("POST", "/v1/prices", price).await;
    assert_eq!(
        (&price["unitAmount"], &price["unitAmountMinor"]),
        (&json!("19.50"), &json!(1950)),
        "{price:#}"
    );
    bridge.deliver().await;
    assert_field(&bridge, "Product2", id(&product), "Name", "Gripper");
    assert_field(&bridge, "Stripe_Price__c", id(&price), "Unit_Amount__c", "19.50");
    bridge.clock.advance(Duration::from_secs(2));
    let archived = api.done("POST", &format!("/v1/prices/{}/archive", id(&price)), json!({})).await;
    assert_eq!((&archived["status"], &archived["isActive"]), (&json!("Archived"), &json!(false)));
    api.done("POST", &format!("/v1/products/{}/archive", id(&product)), json!({})).await;
    bridge.deliver().await;
    assert_field(&bridge, "Product2", id(&product), "IsActive", "false");
    assert_field(&bridge, "Stripe_Price__c", id(&price), "Status__c", "Archived");
}
