//! Events on their way to the service.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

use super::{id, paying};
use crate::sandbox::stripe::state;
use crate::sandbox::stripe::testing::Caller;
use crate::sandbox::until;

/// A webhook endpoint that notes what comes and answers as it is told.
struct Endpoint {
    url: String,
    got: Arc<Mutex<Vec<(String, String)>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Endpoint {
    /// Answers these statuses first, then 200.
    fn start(answers: &[u16]) -> Self {
        let got: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let answers = Arc::new(Mutex::new(answers.iter().rev().copied().collect::<Vec<_>>()));
        let (noting, answering) = (Arc::clone(&got), Arc::clone(&answers));
        let server = HttpServer::new(move || {
            let (got, answers) = (Arc::clone(&noting), Arc::clone(&answering));
            App::new().default_service(web::to(move |request: HttpRequest, body: String| {
                let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
                let signature = header("stripe-signature");
                assert_eq!(header("content-type"), "application/json; charset=utf-8");
                got.lock().unwrap().push((signature, body));
                let status = answers.lock().unwrap().pop().unwrap_or(200);
                async move { HttpResponse::build(status.try_into().unwrap()).finish() }
            }))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/webhooks/stripe", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, got, answers }
    }

    fn types(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        let events = got.iter().map(|(_, body)| serde_json::from_str::<Value>(body).unwrap());
        events.map(|event| state::text(&event, "type").to_owned()).collect()
    }
}

#[tokio::test]
async fn events_are_delivered_signed_until_they_are_accepted() {
    let caller = Caller::start().await;
    caller.post("/v1/payment_intents", &paying("pm_card_visa")).await.ok();
    assert!(caller.stripe.deliver_pending().await.is_empty());
    let endpoint = Endpoint::start(&[200, 503, 302]);
    caller.stripe.deliver_to(endpoint.url.clone());
    let statuses: Vec<u16> =
        caller.stripe.deliver_pending().await.into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, [200, 503, 302, 200]);
    let undelivered = caller.get("/v1/events?delivery_success=false").await.ok();
    assert_eq!(undelivered["data"].as_array().unwrap().len(), 2);

    caller.clock.advance(Duration::from_secs(7));
    let again = caller.stripe.deliver_pending().await;
    assert_eq!(again.iter().map(|(_, status)| *status).collect::<Vec<_>>(), [200, 200]);
    assert!(caller.stripe.deliver_pending().await.is_empty());
    let got = endpoint.got.lock().unwrap().clone();
    assert!(got[0].0.starts_with("t=1791300000,v1=") && got[4].0.starts_with("t=1791300007,v1="), "{got:?}");
    assert_eq!(got[4].1, got[1].1);

    let first = id(&caller.stripe.events()[0]).to_owned();
    assert_eq!(caller.stripe.deliver(&first).await, 200);
    assert_eq!(caller.stripe.deliver("evt_none").await, 0);
}

#[tokio::test]
async fn deliveries_come_twice_or_out_of_order_once_when_asked() {
    let caller = Caller::start().await;
    let endpoint = Endpoint::start(&[]);
    caller.stripe.deliver_to(endpoint.url.clone());
    caller.post("/v1/payment_intents", &paying("pm_card_chargeDeclined")).await;
    caller.stripe.deliver_twice();
    caller.stripe.deliver_out_of_order();
    caller.stripe.deliver_pending().await;
    let (failed, charge, created) =
        ("payment_intent.payment_failed", "charge.failed", "payment_intent.created");
    assert_eq!(endpoint.types(), [failed, failed, charge, charge, created, created]);
    caller.customer().await;
    caller.stripe.deliver_pending().await;
    assert_eq!(endpoint.types()[6..], ["customer.created"]);
}

#[tokio::test]
async fn in_the_background_events_are_delivered_as_they_happen_and_again() {
    let caller = Caller::start().await;
    let endpoint = Endpoint::start(&[500]);
    caller.stripe.deliver_to(endpoint.url.clone());
    caller.stripe.deliver_in_background();
    let customer = caller.customer().await;
    until("it is delivered twice", async || endpoint.types().len() >= 2).await;
    assert_eq!(endpoint.types(), ["customer.created", "customer.created"]);
    assert!(endpoint.answers.lock().unwrap().is_empty());
    caller.stripe.stop().await;
    // Another server may have got the port meanwhile; it would not know this customer.
    let answer = caller.request("GET", &format!("/v1/customers/{customer}")).send().await;
    assert!(answer.is_err() || !answer.unwrap().status().is_success());
}
