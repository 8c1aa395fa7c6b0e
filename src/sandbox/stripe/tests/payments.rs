//! Payment intents, charges and refunds over HTTP.

use super::{id, paying};
use crate::sandbox::stripe::testing::Caller;

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

    assert!(caller.stripe.authenticate(id(&intent), true));
    assert_eq!(caller.stripe.object(id(&intent)).unwrap()["status"], "succeeded");
    assert!(!caller.stripe.authenticate(id(&intent), true));
    let refused = caller.post("/v1/payment_intents", &form).await.ok();
    assert!(caller.stripe.authenticate(id(&refused), false));
    let refused = caller.stripe.object(id(&refused)).unwrap();
    assert_eq!(refused["last_payment_error"]["code"], "payment_intent_authentication_failure");
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
    assert!(caller.stripe.fail_refund(id(&refund), "expired_or_canceled_card"));
    assert!(!caller.stripe.fail_refund(id(&refund), "expired_or_canceled_card"));
    let read = caller.stripe.object(&charge).unwrap();
    assert_eq!((&read["refunded"], &read["amount_refunded"]), (&false.into(), &20_000.into()));
    assert_eq!(caller.event_types()[8..], ["refund.failed", "charge.updated"]);
    assert_eq!(caller.post("/v1/refunds", "amount=1").await.refused(), (400, "parameter_missing"));
}
