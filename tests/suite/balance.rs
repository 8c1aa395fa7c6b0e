//! Fees, balance transactions and payouts: what events only name is read from Stripe, once and together.

use std::time::Duration;

use paybridge::sandbox::stripe::Fault;
use paybridge::store::usage;

use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(
    a_charge_gets_its_fee_from_the_balance_transaction,
    a_fee_that_is_booked_after_the_charge_arrives_later,
    many_fees_are_read_with_one_request,
    a_refund_and_its_failure_have_balance_transactions,
    a_dispute_brings_its_balance_transactions_along,
    a_payout_says_what_it_consists_of,
    a_payout_of_several_pages_is_listed_to_the_end,
    a_balance_transaction_of_an_unseen_charge_makes_no_half_record,
    reading_waits_as_long_as_stripe_asks_and_harms_nothing,
    reads_stay_within_what_stripe_allows,
);

const CHARGE: &str = "Stripe_Charge__c";
const TRANSACTION: &str = "Stripe_Balance_Transaction__c";
const AN_HOUR: Duration = Duration::from_secs(3_600);

/// Paths of what was read from Stripe.
fn reads(bridge: &Bridge) -> Vec<String> {
    bridge.stripe.calls().into_iter().filter(|call| call.method == "GET").map(|call| call.path).collect()
}

fn transaction_of(bridge: &Bridge, id: &str) -> String {
    bridge.stripe.object(id).unwrap()["balance_transaction"].as_str().unwrap().to_owned()
}

async fn a_charge_gets_its_fee_from_the_balance_transaction(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Fee__c"), None, "the event does not say it");
    bridge.drain_for(Duration::from_secs(60)).await;
    let transaction = transaction_of(&bridge, &paid.charge);
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Fee__c").unwrap(), "1.72");
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Net__c").unwrap(), "47.28");
    assert_eq!(bridge.field(TRANSACTION, &transaction, "Net__c").unwrap(), "47.28");
    let charge = bridge.org.record(CHARGE, &paid.charge).unwrap().id;
    assert_eq!(bridge.field(TRANSACTION, &transaction, "Charge__c").unwrap(), charge);
    assert_eq!(reads(&bridge), [format!("/v1/balance_transactions/{transaction}")]);
    // What speaks of the same charge later takes the fee from nobody, and asks for nothing.
    bridge.at_stripe(&format!("/v1/charges/{}", paid.charge), &[("description", "Again")]).await;
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(60)).await;
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Fee__c").unwrap(), "1.72");
    assert_eq!(reads(&bridge).len(), 1);
}

async fn a_fee_that_is_booked_after_the_charge_arrives_later(bridge: Bridge) {
    let intent = bridge
        .at_stripe(
            "/v1/payment_intents",
            &[
                ("amount", "4900"),
                ("currency", "usd"),
                ("payment_method", "pm_card_visa"),
                ("confirm", "true"),
                ("capture_method", "automatic_async"),
                ("automatic_payment_methods[enabled]", "true"),
                ("automatic_payment_methods[allow_redirects]", "never"),
            ],
        )
        .await;
    let charge = intent["latest_charge"].as_str().unwrap();
    let events = bridge.stripe.events();
    let event = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap().to_string();
    bridge.receive(&event("charge.succeeded")).await;
    bridge.drain_for(Duration::from_secs(60)).await;
    assert_eq!(bridge.field(CHARGE, charge, "Balance_Transaction_Id__c"), None);
    bridge.receive(&event("charge.updated")).await;
    bridge.drain_for(Duration::from_secs(60)).await;
    assert_eq!(bridge.field(CHARGE, charge, "Fee__c").unwrap(), "1.72");
    assert_eq!(bridge.field(CHARGE, charge, "Status__c").unwrap(), "Completed");
}

async fn many_fees_are_read_with_one_request(bridge: Bridge) {
    let mut payments = Vec::new();
    for _ in 0..30 {
        payments.push(bridge.a_payment("4900", "usd").await);
    }
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(60)).await;
    for paid in &payments {
        assert_eq!(bridge.field(CHARGE, &paid.charge, "Fee__c").unwrap(), "1.72");
    }
    assert_eq!(reads(&bridge), ["/v1/balance_transactions"]);
}

async fn a_refund_and_its_failure_have_balance_transactions(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    let refund = bridge.at_stripe("/v1/refunds", &[("charge", &paid.charge), ("amount", "1000")]).await;
    let refund = refund["id"].as_str().unwrap();
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(60)).await;
    let transaction = transaction_of(&bridge, refund);
    assert_eq!(bridge.field(TRANSACTION, &transaction, "Amount__c").unwrap(), "-10.00");
    let record = bridge.org.record("Stripe_Refund__c", refund).unwrap().id;
    assert_eq!(bridge.field(TRANSACTION, &transaction, "Refund__c").unwrap(), record);
    assert!(bridge.stripe.fail_refund(refund, "lost_or_stolen_card"));
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(60)).await;
    let failure = bridge.stripe.object(refund).unwrap()["failure_balance_transaction"].clone();
    let failure = failure.as_str().unwrap();
    assert_eq!(bridge.field(TRANSACTION, failure, "Type__c").unwrap(), "refund_failure");
    assert_eq!(bridge.field(TRANSACTION, failure, "Refund__c").unwrap(), record);
}

/// Stripe writes them into the dispute in full, so nothing is read.
async fn a_dispute_brings_its_balance_transactions_along(bridge: Bridge) {
    let story = include_str!("../fixtures/story.jsonl");
    let withdrawn =
        story.lines().find(|line| line.contains(r#""type":"charge.dispute.funds_withdrawn""#)).unwrap();
    let event: serde_json::Value = serde_json::from_str(withdrawn).unwrap();
    let dispute = &event["data"]["object"];
    bridge.org.insert("Stripe_Charge__c", None, &[("Stripe_Id__c", dispute["charge"].as_str().unwrap())]);
    let intent = dispute["payment_intent"].as_str().unwrap();
    bridge.org.insert("Stripe_Payment_Intent__c", None, &[("Stripe_Id__c", intent)]);
    bridge.receive(withdrawn).await;
    bridge.drain().await;
    let transaction = dispute["balance_transactions"][0]["id"].as_str().unwrap();
    let record = bridge.org.record("Stripe_Dispute__c", dispute["id"].as_str().unwrap()).unwrap().id;
    assert_eq!(bridge.field(TRANSACTION, transaction, "Dispute__c").unwrap(), record);
    assert_eq!(bridge.field(TRANSACTION, transaction, "Reporting_Category__c").unwrap(), "dispute");
    assert_eq!(reads(&bridge), [""; 0]);
}

async fn a_payout_says_what_it_consists_of(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    bridge.clock.advance(AN_HOUR * 49);
    let payout = bridge.stripe.pay_out("usd").unwrap();
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(60)).await;
    let transaction = transaction_of(&bridge, &paid.charge);
    assert_eq!(bridge.field("Stripe_Payout__c", &payout, "Amount__c").unwrap(), "47.28");
    assert_eq!(bridge.field(TRANSACTION, &transaction, "Payout__c"), None, "not known before it arrives");
    bridge.clock.advance(AN_HOUR * 24);
    assert!(bridge.stripe.payout_arrives(&payout));
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(60)).await;
    let record = bridge.org.record("Stripe_Payout__c", &payout).unwrap().id;
    for part in [transaction.clone(), transaction_of(&bridge, &payout)] {
        assert_eq!(bridge.field(TRANSACTION, &part, "Payout__c").unwrap(), record);
        assert_eq!(bridge.field(TRANSACTION, &part, "Status__c").unwrap(), "Available");
    }
    assert_eq!(bridge.field(TRANSACTION, &transaction, "Fee__c").unwrap(), "1.72");
    assert_eq!(bridge.field("Stripe_Payout__c", &payout, "Status__c").unwrap(), "Paid");
}

async fn a_payout_of_several_pages_is_listed_to_the_end(bridge: Bridge) {
    for _ in 0..120 {
        bridge.a_payment("4900", "usd").await;
    }
    bridge.deliver().await;
    bridge.clock.advance(AN_HOUR * 49);
    let payout = bridge.stripe.pay_out("usd").unwrap();
    assert!(bridge.stripe.payout_arrives(&payout));
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(120)).await;
    let record = bridge.org.record("Stripe_Payout__c", &payout).unwrap().id;
    let records = bridge.org.records(TRANSACTION);
    let of_the_payout = records.iter().filter(|txn| txn.text("Payout__c") == Some(&record)).count();
    assert_eq!(of_the_payout, 121, "120 charges and the payout itself");
}

/// A charge from before the bridge was set up: what the payout lists of it must not make a record of fee and net alone.
async fn a_balance_transaction_of_an_unseen_charge_makes_no_half_record(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    bridge.clock.advance(AN_HOUR * 49);
    let payout = bridge.stripe.pay_out("usd").unwrap();
    assert!(bridge.stripe.payout_arrives(&payout));
    for event in
        bridge.stripe.events().iter().filter(|event| event["type"].as_str().unwrap().starts_with("payout."))
    {
        assert_eq!(bridge.receive(&event.to_string()).await.status, 200);
    }
    bridge.drain_for(Duration::from_secs(120)).await;
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Status__c").unwrap(), "Completed");
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Fee__c").unwrap(), "1.72");
    let charge = bridge.org.record(CHARGE, &paid.charge).unwrap();
    assert_eq!(charge.text("Payment_Intent__c").map(str::len), Some(18), "its own parents were read, too");
    let charge_reads = reads(&bridge).iter().filter(|path| path.contains("/charges/")).count();
    assert_eq!(charge_reads, 1, "{:?}", reads(&bridge));
}

async fn reading_waits_as_long_as_stripe_asks_and_harms_nothing(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    for fault in [Fault::RateLimited, Fault::Unavailable, Fault::MissingPermission] {
        bridge.stripe.fail_next(1, fault);
    }
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(1_800)).await;
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Fee__c").unwrap(), "1.72");
    assert_eq!(reads(&bridge).len(), 4, "{:?}", reads(&bridge));
}

async fn reads_stay_within_what_stripe_allows(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    let now_ms = paybridge::clock::unix_ms(bridge.clock.now());
    let used = usage::Used { reads: 8_000, charges: 0 };
    bridge.store().write(move |conn| usage::add(conn, "main", now_ms, used)).await.unwrap();
    bridge.deliver().await;
    // One charge allows 500 reads, but 10,000 are free, and a fifth is left to others.
    bridge.drain_for(AN_HOUR).await;
    assert_eq!(reads(&bridge), [""; 0]);
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Status__c").unwrap(), "Completed", "nothing else waits");
    bridge.clock.advance(AN_HOUR * 24 * 30);
    bridge.drain_for(AN_HOUR).await;
    assert_eq!(bridge.field(CHARGE, &paid.charge, "Fee__c").unwrap(), "1.72");
}
