//! Invoices made by hand, pauses and schedules over HTTP.

use serde_json::{Value, json};

use super::id;
use crate::sandbox::stripe::testing::Caller;

async fn draft(caller: &Caller, form: &str) -> Value {
    let invoice = caller.post("/v1/invoices", form).await.ok();
    let lines = "lines[0][amount]=48000&lines[0][description]=Two days&lines[1][amount]=-3000&lines[1][description]=Rebate";
    caller.post(&format!("/v1/invoices/{}/add_lines", id(&invoice)), lines).await.ok()
}

/// A customer who pays with a good card, and a subscription.
async fn subscribed(caller: &Caller) -> (String, Value) {
    let customer = caller.customer().await;
    let form = format!("customer={customer}");
    let method = caller.post("/v1/payment_methods/pm_card_visa/attach", &form).await.ok();
    let form = format!("invoice_settings[default_payment_method]={}", id(&method));
    caller.post(&format!("/v1/customers/{customer}"), &form).await.ok();
    let form = format!("customer={customer}&items[0][price]=price_sandbox_monthly");
    let subscription = caller.post("/v1/subscriptions", &form).await.ok();
    (customer, subscription)
}

#[tokio::test]
async fn an_invoice_is_drawn_up_sent_and_paid() {
    let caller = Caller::start().await;
    let customer = caller.customer().await;
    let by_mail = format!("customer={customer}&currency=eur&collection_method=send_invoice");
    assert_eq!(caller.post("/v1/invoices", &by_mail).await.refused(), (400, "parameter_missing"));
    let invoice = draft(&caller, &format!("{by_mail}&days_until_due=30&metadata[sf_record_id]=006")).await;
    assert_eq!((&invoice["status"], &invoice["amount_due"]), (&json!("draft"), &json!(45_000)));
    assert_eq!(invoice["lines"]["data"][1]["amount"], -3_000);
    let path = format!("/v1/invoices/{}", id(&invoice));
    let sent = caller.post(&format!("{path}/send"), "").await.ok();
    assert_eq!((&sent["status"], &sent["due_date"]), (&json!("open"), &json!(1_791_300_000 + 30 * 86_400)));
    let more = "lines[0][amount]=1&lines[0][description]=x";
    assert_eq!(
        caller.post(&format!("{path}/add_lines"), more).await.refused(),
        (400, "invoice_not_editable")
    );
    assert_eq!(caller.delete(&path).await.refused(), (400, "invoice_not_editable"));
    assert_eq!(
        caller.post(&format!("{path}/pay"), "payment_method=pm_card_visa").await.ok()["status"],
        "paid"
    );
    assert_eq!(caller.post(&format!("{path}/void"), "").await.refused(), (400, "invoice_not_editable"));
    let types = caller.event_types();
    let invoices: Vec<&str> =
        types.iter().filter(|kind| kind.starts_with("invoice.")).map(String::as_str).collect();
    assert_eq!(
        invoices,
        [
            "invoice.created",
            "invoice.updated",
            "invoice.finalized",
            "invoice.sent",
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded"
        ]
    );
}

#[tokio::test]
async fn an_invoice_over_nothing_is_paid_when_it_is_final_and_a_draft_can_go() {
    let caller = Caller::start().await;
    let customer = caller.customer().await;
    let empty = caller.post("/v1/invoices", &format!("customer={customer}")).await.ok();
    let path = format!("/v1/invoices/{}", id(&empty));
    assert_eq!(caller.post(&format!("{path}/send"), "").await.refused(), (400, "invoice_not_editable"));
    assert_eq!(caller.post(&format!("{path}/finalize"), "").await.ok()["status"], "paid");
    let open = draft(&caller, &format!("customer={customer}&currency=eur")).await;
    let path = format!("/v1/invoices/{}", id(&open));
    assert_eq!(caller.post(&format!("{path}/finalize"), "auto_advance=false").await.ok()["status"], "open");
    assert_eq!(caller.post(&format!("{path}/void"), "").await.ok()["status"], "void");
    let draft = draft(&caller, &format!("customer={customer}&currency=eur")).await;
    assert_eq!(caller.delete(&format!("/v1/invoices/{}", id(&draft))).await.ok()["deleted"], true);
    assert_eq!(caller.get(&format!("/v1/invoices/{}", id(&draft))).await.status, 404);
}

#[tokio::test]
async fn a_subscription_rests_and_goes_on() {
    let caller = Caller::start().await;
    let (_, subscription) = subscribed(&caller).await;
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    let resume = format!("{path}/resume");
    assert_eq!(caller.post(&resume, "").await.refused(), (400, "subscription_status_invalid"));
    assert_eq!(caller.post(&format!("{path}/pause"), "type=subscription").await.ok()["status"], "paused");
    assert_eq!(caller.post(&format!("{path}/pause"), "").await.status, 400);
    let same = caller.post(&resume, "billing_cycle_anchor[type]=unchanged").await.ok();
    assert_eq!(same["latest_invoice"], subscription["latest_invoice"]);
    assert_eq!(same["items"], subscription["items"]);
    caller.post(&format!("{path}/pause"), "").await.ok();
    caller.clock.advance(std::time::Duration::from_secs(10 * 86_400));
    let anew = caller.post(&resume, "").await.ok();
    assert_eq!(anew["status"], "active");
    assert_eq!(anew["items"]["data"][0]["current_period_start"], 1_791_300_000 + 10 * 86_400);
    let invoice = caller.stripe.object(anew["latest_invoice"].as_str().unwrap()).unwrap();
    assert_eq!((&invoice["status"], &invoice["amount_paid"]), (&json!("paid"), &json!(4_900)));
    let types = caller.event_types();
    for kind in ["customer.subscription.paused", "customer.subscription.resumed"] {
        assert_eq!(types.iter().filter(|known| *known == kind).count(), 2, "{types:?}");
    }
}

#[tokio::test]
async fn terms_follow_each_other_in_a_schedule() {
    let caller = Caller::start().await;
    let (customer, _) = subscribed(&caller).await;
    let terms = "phases[0][items][0][price]=price_sandbox_monthly&phases[0][items][0][quantity]=2\
         &phases[0][duration][interval]=year&phases[0][metadata][sf_record_id]=800\
         &phases[1][items][0][price_data][currency]=usd&phases[1][items][0][price_data][product]=prod_sandbox_plan\
         &phases[1][items][0][price_data][unit_amount]=5900&phases[1][items][0][price_data][recurring][interval]=month\
         &phases[1][duration][interval]=month&phases[1][duration][interval_count]=6";
    let form = format!("customer={customer}&end_behavior=cancel&{terms}");
    let schedule = caller.post("/v1/subscription_schedules", &form).await.ok();
    assert_eq!(schedule["status"], "active", "{schedule:#}");
    assert_eq!(schedule["phases"][0]["end_date"], schedule["phases"][1]["start_date"]);
    assert_eq!(schedule["phases"][0]["end_date"], 1_791_300_000 + 365 * 86_400);
    let subscription = caller.stripe.object(schedule["subscription"].as_str().unwrap()).unwrap();
    assert_eq!((&subscription["status"], &subscription["schedule"]), (&json!("active"), &schedule["id"]));
    assert_eq!(subscription["metadata"]["sf_record_id"], "800");
    let pause = format!("/v1/subscriptions/{}/pause", id(&subscription));
    assert_eq!(caller.post(&pause, "").await.refused(), (400, "subscription_schedule_attached"));
    let path = format!("/v1/subscription_schedules/{}", id(&schedule));
    assert_eq!(caller.post(&format!("{path}/release"), "").await.ok()["status"], "released");
    assert!(caller.stripe.object(id(&subscription)).unwrap()["schedule"].is_null());
    assert_eq!(caller.post(&format!("{path}/cancel"), "").await.status, 400);

    let later = format!("{form}&start_date={}", 1_791_300_000 + 86_400);
    let later = caller.post("/v1/subscription_schedules", &later).await.ok();
    assert_eq!((&later["status"], &later["subscription"]), (&json!("not_started"), &Value::Null));
    let path = format!("/v1/subscription_schedules/{}/cancel", id(&later));
    assert_eq!(caller.post(&path, "").await.ok()["status"], "canceled");
    let none = format!("customer={customer}");
    assert_eq!(caller.post("/v1/subscription_schedules", &none).await.refused(), (400, "parameter_missing"));
}
