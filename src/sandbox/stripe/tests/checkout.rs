//! Checkout sessions and payment links over HTTP, and on their pages.

use serde_json::{Value, json};

use super::id;
use crate::sandbox::stripe::testing::Caller;

const ARM: &str = "line_items[0][price_data][currency]=eur&line_items[0][price_data][unit_amount]=12990\
     &line_items[0][price_data][product_data][name]=Welding arm&line_items[0][quantity]=2";
const PLAN: &str = "line_items[0][price]=price_sandbox_monthly&line_items[0][quantity]=3";
const PAGE: &str = "success_url=https://example.com/paid";

async fn session(caller: &Caller, form: &str) -> Value {
    caller.post("/v1/checkout/sessions", form).await.ok()
}

fn types_of(caller: &Caller, object: &str) -> Vec<String> {
    let events = caller.stripe.events();
    let of = events.iter().filter(|event| event["data"]["object"]["object"] == object);
    of.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_session_is_paid_on_its_page_after_a_declined_try() {
    let caller = Caller::start().await;
    let form = format!(
        "mode=payment&{PAGE}&{ARM}&payment_intent_data[metadata][sf_record_id]=006&metadata[sf_record_id]=006"
    );
    let open = session(&caller, &form).await;
    assert_eq!((&open["status"], &open["payment_status"]), (&json!("open"), &json!("unpaid")), "{open:#}");
    assert_eq!((&open["amount_total"], &open["payment_intent"]), (&json!(25_980), &Value::Null));
    let page = open["url"].as_str().unwrap();
    assert!(page.starts_with(&caller.stripe.base_url()), "{page}");
    let path = page.strip_prefix(&caller.stripe.base_url()).unwrap();
    let seen = caller.request("GET", path).send().await.unwrap().text().await.unwrap();
    assert!(seen.contains("259.80 EUR") && seen.contains("2 × Welding arm"), "{seen}");

    let pay = |card: &'static str| caller.form(path, &format!("card={card}&email=ada@example.com"));
    let seen = pay("pm_card_chargeDeclined").send().await.unwrap().text().await.unwrap();
    assert!(seen.contains("Your card was declined."), "{seen}");
    let tried = caller.stripe.object(id(&open)).unwrap();
    assert_eq!(tried["status"], "open");
    let seen = pay("pm_card_visa").send().await.unwrap().text().await.unwrap();
    assert!(seen.contains("Paid. Thank you.") && seen.contains("https://example.com/paid"), "{seen}");
    let done = caller.get(&format!("/v1/checkout/sessions/{}?expand[]=line_items", id(&open))).await.ok();
    assert_eq!((&done["status"], &done["payment_status"]), (&json!("complete"), &json!("paid")));
    assert_eq!(done["payment_intent"], tried["payment_intent"]);
    assert_eq!(done["customer_details"]["email"], "ada@example.com");
    assert_eq!(done["line_items"]["data"][0]["quantity"], 2);
    let intent = caller.stripe.object(done["payment_intent"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&intent["status"], &intent["metadata"]),
        (&json!("succeeded"), &json!({ "sf_record_id": "006" }))
    );
    assert_eq!(types_of(&caller, "checkout.session"), ["checkout.session.completed"]);
    assert!(caller.stripe.pay_session(id(&open), "pm_card_visa").is_err());
}

#[tokio::test]
async fn a_session_may_begin_a_subscription() {
    let caller = Caller::start().await;
    let form = format!(
        "mode=subscription&{PAGE}&{PLAN}&customer_email=ada@example.com&subscription_data[metadata][k]=v"
    );
    let open = session(&caller, &form).await;
    let refused = caller.stripe.pay_session(id(&open), "pm_card_chargeCustomerFail").unwrap_err();
    assert_eq!(refused, "Your card was declined.");
    assert!(caller.event_types().is_empty(), "a refused try leaves nothing behind");
    let done = caller.stripe.pay_session(id(&open), "pm_card_visa").unwrap();
    let subscription = caller.stripe.object(done["subscription"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&subscription["status"], &subscription["metadata"]),
        (&json!("active"), &json!({ "k": "v" }))
    );
    assert_eq!(done["invoice"], subscription["latest_invoice"]);
    assert_eq!(done["customer"], subscription["customer"]);
    let trial = format!("{form}&subscription_data[trial_period_days]=14");
    let trial = session(&caller, &trial).await;
    let done = caller.stripe.pay_session(id(&trial), "pm_card_visa").unwrap();
    assert_eq!((&done["payment_status"], &done["amount_total"]), (&json!("no_payment_required"), &json!(0)));
}

#[tokio::test]
async fn a_session_expires_when_it_is_told_to_or_when_its_time_is_over() {
    let caller = Caller::start().await;
    let form = format!("mode=payment&{PAGE}&{ARM}");
    let (told, late) = (session(&caller, &form).await, session(&caller, &form).await);
    let path = format!("/v1/checkout/sessions/{}/expire", id(&told));
    assert_eq!(caller.post(&path, "").await.ok()["status"], "expired");
    assert_eq!(caller.post(&path, "").await.status, 400);
    caller.clock.advance(std::time::Duration::from_secs(24 * 60 * 60));
    assert!(caller.stripe.pay_session(id(&late), "pm_card_visa").is_err());
    assert_eq!(caller.stripe.object(id(&late)).unwrap()["status"], "expired");
    assert_eq!(types_of(&caller, "checkout.session"), ["checkout.session.expired"; 2]);
}

#[tokio::test]
async fn what_a_session_cannot_be_is_refused() {
    let caller = Caller::start().await;
    for (form, param) in [
        (format!("mode=payment&{ARM}"), "success_url"),
        (format!("mode=payment&success_url=example&{ARM}"), "success_url"),
        (format!("mode=payment&{PAGE}"), "line_items"),
        (format!("mode=payment&{PAGE}&{PLAN}"), "line_items[0][price]"),
        (format!("mode=subscription&{PAGE}&{ARM}"), "line_items"),
        (format!("mode=payment&{PAGE}&{ARM}&payment_method_types[0]=card"), "payment_method_types[0]"),
        (format!("mode=payment&{PAGE}&{ARM}&subscription_data[trial_period_days]=1"), "subscription_data"),
        (format!("mode=payment&{PAGE}&{ARM}&expires_at=1791300060"), "expires_at"),
        (format!("mode=payment&{PAGE}&{ARM}&customer=cus_1&customer_email=a@b.se"), "customer_email"),
        (
            format!("mode=payment&{PAGE}&line_items[0][price]=price_sandbox_monthly"),
            "line_items[0][quantity]",
        ),
    ] {
        let got = caller.post("/v1/checkout/sessions", &form).await;
        assert_eq!(got.status, 400, "{form}: {:#}", got.body);
        assert_eq!(got.body["error"]["param"], param, "{form}: {:#}", got.body);
    }
}

#[tokio::test]
async fn a_link_is_paid_until_its_limit() {
    let caller = Caller::start().await;
    let form = format!("{ARM}&metadata[sf_record_id]=006&restrictions[completed_sessions][limit]=1");
    let link = caller.post("/v1/payment_links", &form).await.ok();
    let page = link["url"].as_str().unwrap().strip_prefix(&caller.stripe.base_url()).unwrap().to_owned();
    let seen = caller.request("GET", &page).send().await.unwrap().text().await.unwrap();
    assert!(seen.contains("259.80 EUR"), "{seen}");
    let session = caller.stripe.open_link(id(&link)).unwrap();
    assert_eq!(session["metadata"]["sf_record_id"], "006");
    let done = caller.stripe.pay_session(id(&session), "pm_card_authenticationRequired").unwrap();
    assert_eq!((&done["payment_status"], &done["payment_link"]), (&json!("paid"), &link["id"]));
    assert!(caller.stripe.open_link(id(&link)).is_err());
    assert_eq!(caller.stripe.object(id(&link)).unwrap()["active"], false);
    assert_eq!(types_of(&caller, "payment_link"), ["payment_link.created", "payment_link.updated"]);
    let both = format!("{PLAN}&payment_intent_data[description]=x");
    assert_eq!(caller.post("/v1/payment_links", &both).await.status, 400);
    let path = format!("/v1/payment_links/{}", id(&link));
    assert_eq!(caller.post(&path, "active=true&inactive_message=gone").await.ok()["active"], true);
}
