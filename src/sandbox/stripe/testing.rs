//! What the tests of this folder share: a stand-in with a caller.

use serde_json::Value;
use time::OffsetDateTime;

use super::{Options, Stripe};
use crate::clock::Clock;

pub(super) const KEY: &str = "sk_test_standin";

/// A stand-in and someone who calls it over HTTP.
pub(super) struct Caller {
    pub(super) stripe: Stripe,
    pub(super) clock: Clock,
    client: reqwest::Client,
}

/// What came back.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Value,
}

impl Got {
    /// The object of a good answer; prints any other.
    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.body
    }

    /// Status and code of a refusal; prints any other answer.
    #[track_caller]
    pub(super) fn refused(&self) -> (u16, &str) {
        assert!(self.body["error"].is_object(), "{:#}", self.body);
        (self.status, self.body["error"]["code"].as_str().unwrap_or_default())
    }
}

impl Caller {
    pub(super) async fn start() -> Self {
        let clock = Clock::manual(OffsetDateTime::from_unix_timestamp(1_791_300_000).unwrap());
        let options = Options {
            port: 0,
            secret_key: KEY.to_owned(),
            webhook_secret: "whsec_standin".to_owned(),
            clock: clock.clone(),
        };
        let stripe = Stripe::start(options).await.unwrap();
        Self { stripe, clock, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub(super) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.stripe.base_url());
        self.client.request(method.parse().unwrap(), url).bearer_auth(KEY)
    }

    pub(super) async fn send(&self, request: reqwest::RequestBuilder) -> Got {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Got { status, headers, body: answer.json().await.unwrap() }
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.send(self.request("GET", path)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Got {
        self.send(self.request("DELETE", path)).await
    }

    /// A POST whose form is given as it is sent, with literal brackets.
    pub(super) async fn post(&self, path: &str, form: &str) -> Got {
        self.send(self.form(path, form)).await
    }

    pub(super) async fn post_with_key(&self, key: &str, path: &str, form: &str) -> Got {
        self.send(self.form(path, form).header("Idempotency-Key", key)).await
    }

    pub(super) fn form(&self, path: &str, form: &str) -> reqwest::RequestBuilder {
        self.request("POST", path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form.to_owned())
    }

    /// The id of a new customer.
    pub(super) async fn customer(&self) -> String {
        let customer = self.post("/v1/customers", "email=ada@example.com&name=Ada").await.ok();
        customer["id"].as_str().unwrap().to_owned()
    }

    /// The types of all events, oldest first.
    pub(super) fn event_types(&self) -> Vec<String> {
        self.stripe.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}
