//! The API over HTTP, against the stand-in for Stripe.

mod audit;
mod bad_input;
mod bulk;
mod examples;
mod keys;
mod limits;
mod oauth;
mod outages;
mod payments;
mod secrets;
mod served;
mod wrong_fields;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer};
use paybridge::api::{ApiState, Pipeline, Scope, answer, issue, routes};
use paybridge::app::load_mapping;
use paybridge::auth::Auth;
use paybridge::clock::Clock;
use paybridge::config::{ApiConfig, AuthConfig, MappingConfig, STRIPE_API_VERSION, StripeConfig};
use paybridge::metrics::Metrics;
use paybridge::ops::Ops;
use paybridge::sandbox::stripe::{Options, Stripe};
use paybridge::store::{Store, api_keys};
use paybridge::stripe::Client;
use paybridge::worker::Bell;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tempfile::TempDir;

use crate::patience::watch_this_test;

const KEY: &str = "sk_test_standin";
const TOKEN_SECRET: &str = "the-secret-by-which-tokens-are-signed";

/// The API, the Stripe behind it, and somebody who calls it.
struct Desk {
    stripe: Stripe,
    clock: Clock,
    store: Store,
    base: String,
    token: String,
    http: reqwest::Client,
    server: ServerHandle,
    _files: TempDir,
}

/// What came back.
#[derive(Debug)]
struct Got {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Got {
    #[track_caller]
    fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// The code of a problem that is told in full; prints any other answer.
    #[track_caller]
    fn problem(&self) -> (u16, &str) {
        let body = &self.body;
        assert_eq!(body["status"], self.status, "{body:#}");
        assert_eq!(body["requestId"], self.headers["x-request-id"].to_str().unwrap(), "{body:#}");
        for key in ["type", "title", "detail", "instance", "requestId"] {
            assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {body:#}");
        }
        assert!(body["retryable"].is_boolean() && body["errors"].is_array(), "{body:#}");
        (self.status, body["code"].as_str().unwrap_or_default())
    }

    /// The fields that a problem names.
    #[track_caller]
    fn named(&self) -> Vec<&str> {
        assert_eq!(self.problem(), (422, "invalid_request"), "{:#}", self.body);
        self.body["errors"].as_array().unwrap().iter().filter_map(|error| error["field"].as_str()).collect()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

impl Desk {
    async fn start() -> Self {
        Self::patient(Duration::from_secs(7), Duration::from_secs(7)).await
    }

    /// One with other settings for callers.
    async fn with_auth(auth: AuthConfig) -> Self {
        Self::open(Duration::from_secs(7), Duration::from_secs(7), auth).await
    }

    /// One that waits so long for Stripe, and whose callers wait so long.
    async fn patient(timeout: Duration, patience: Duration) -> Self {
        Self::open(timeout, patience, auth_config()).await
    }

    async fn open(timeout: Duration, patience: Duration, auth: AuthConfig) -> Self {
        watch_this_test();
        let clock = Clock::manual(time::OffsetDateTime::from_unix_timestamp(1_795_190_400).unwrap());
        let options = Options {
            port: 0,
            secret_key: KEY.to_owned(),
            webhook_secret: "whsec_standin".to_owned(),
            clock: clock.clone(),
        };
        let stripe = Stripe::start(options).await.unwrap();
        let config = StripeConfig {
            secret_key: KEY.to_owned().into(),
            webhook_secrets: Vec::new(),
            api_base: stripe.base_url().parse().unwrap(),
            api_version: STRIPE_API_VERSION.to_owned(),
            timeout,
            org: "main".to_owned(),
            concurrency: 10,
            requests_per_second: 1_000,
        };
        let client = Client::new(&config).unwrap();
        let files = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", files.path().join("test.db").display());
        let store = Store::open(&SecretString::from(url), 2).unwrap();
        let settings =
            ApiConfig { patience, lease: Duration::from_secs(20), keep: Duration::from_secs(86_400 * 365) };
        let clients = ["main", "france"].map(|name| (name.to_owned(), (client.clone(), &config))).into();
        let state = ApiState {
            pipeline: Pipeline::start(clients, &store, &clock, &settings).unwrap(),
            orgs: [("main", "main"), ("france", "europe")].map(|(a, o)| (a.to_owned(), o.to_owned())).into(),
            auth: Arc::new(Auth::new(&auth, store.clone(), clock.clone()).unwrap()),
            store: store.clone(),
            clock: clock.clone(),
            ready: Arc::new(AtomicBool::new(true)),
        };
        let ops = actix_web::web::Data::new(Ops {
            store: store.clone(),
            clock: clock.clone(),
            metrics: Metrics::default(),
            mapping: Arc::new(load_mapping(&MappingConfig::default()).unwrap()),
            accounts: Arc::default(),
            inbox: Bell::default(),
            outbox: Bell::default(),
            asking: Arc::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = HttpServer::new(move || {
            App::new().wrap(from_fn(answer)).app_data(ops.clone()).configure(routes(state.clone()))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut desk =
            Self { stripe, clock, store, base, token: String::new(), http, server: handle, _files: files };
        desk.token = desk.key(&[Scope::PaymentsWrite, Scope::OpsWrite], None).await;
        desk
    }

    /// A new key with these scopes.
    async fn key(&self, scopes: &[Scope], lifetime: Option<Duration>) -> String {
        let (key, token) = issue("test", scopes, self.clock.now(), lifetime).unwrap();
        self.store.write(move |conn| api_keys::create(conn, &key)).await.unwrap();
        token.expose_secret().to_owned()
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Got {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        Got { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    async fn post(&self, path: &str, body: &Value) -> Got {
        self.send(self.request("POST", path).json(body)).await
    }

    async fn get(&self, path: &str) -> Got {
        self.send(self.request("GET", path)).await
    }
}

/// What an operator gets who sets nothing but the secret of the tokens.
fn auth_config() -> AuthConfig {
    AuthConfig {
        token_secrets: vec![TOKEN_SECRET.to_owned().into()],
        audience: "paybridge".to_owned(),
        token_life: Duration::from_secs(900),
        requests_per_minute: 60_000,
        failures_per_minute: 60,
        source_header: None,
    }
}
