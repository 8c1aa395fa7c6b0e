//! The bridge under test: the real wiring between both stand-ins, with a database of its own and a clock that stands still.

use std::net::TcpListener;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use paybridge::api::{Scope, issue};
use paybridge::app::{App, Background, Running};
use paybridge::clock::Clock;
use paybridge::config::{Config, PREFIX};
use paybridge::sandbox::keys::Keys;
use paybridge::sandbox::{salesforce, stripe};
use paybridge::store::bindings::{self, Binding};
use paybridge::store::outbox::{Arrived, Counts, Leased, NewState, Position};
use paybridge::store::{Backend, Conn, Store, api_keys, attempts, inbox, outbox, stops};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use time::OffsetDateTime;

use crate::patience::{FOREVER, watch_this_test};
use crate::postgres;

pub const STRIPE_KEY: &str = "sk_test_suite";
/// The org that the story's metadata names.
const ORG_ID: &str = "00D5g00000AbCdEEAV";
pub const WEBHOOK_SECRET: &str = "whsec_suite";
pub const OLD_WEBHOOK_SECRET: &str = "whsec_suite_old";

pub struct Bridge {
    pub backend: Backend,
    pub stripe: stripe::Stripe,
    pub org: salesforce::Salesforce,
    pub clock: Clock,
    pub database_url: String,
    running: Option<Running>,
    http: reqwest::Client,
    dead_letters_expected: bool,
    mapping: Option<std::path::PathBuf>,
    directory: tempfile::TempDir,
}

/// Somebody who calls the API, with a key that may write.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    pub base: String,
    token: String,
}

impl Caller {
    pub fn at(address: &str, token: String) -> Self {
        Self { http: reqwest::Client::new(), base: format!("http://{address}"), token }
    }

    /// Status and body of an answer; `None` when there was none.
    pub async fn try_post(&self, path: &str, body: &serde_json::Value) -> Option<(u16, serde_json::Value)> {
        let url = format!("{}{path}", self.base);
        read(self.http.post(url).bearer_auth(&self.token).json(body)).await
    }

    pub async fn post(&self, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        self.try_post(path, body).await.unwrap()
    }

    /// Asks for anything; a body that is null is none.
    pub async fn ask(&self, method: &str, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        let request = request.bearer_auth(&self.token);
        read(if body.is_null() { request } else { request.json(body) }).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        read(self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token)).await.unwrap()
    }

    /// Asks for something that succeeds; prints any other answer.
    #[track_caller]
    pub fn done(
        &self,
        method: &str,
        path: &str,
        body: serde_json::Value,
    ) -> impl Future<Output = serde_json::Value> + Send + 'static {
        let place = std::panic::Location::caller();
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        let request = request.bearer_auth(&self.token).json(&body);
        let what = format!("{method} {path} at {place}");
        async move {
            let (status, answer) = read(request).await.unwrap_or_else(|| panic!("{what}: no answer"));
            assert!((200..300).contains(&status), "{what}: {answer:#}");
            answer
        }
    }

    /// The same caller at another process.
    pub fn calling(&self, address: impl std::fmt::Display) -> Self {
        Self { base: format!("http://{address}"), ..self.clone() }
    }
}

async fn read(request: reqwest::RequestBuilder) -> Option<(u16, serde_json::Value)> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let text = answer.text().await.ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))))
}

/// What a webhook was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Bridge {
    /// A bridge that has been at work before: account and org are bound, and nobody asks who they are.
    pub async fn start(backend: Backend) -> Self {
        Self::start_as(backend, &[], true).await
    }

    /// With some settings of its own.
    pub async fn start_with(backend: Backend, own: &[(&str, &str)]) -> Self {
        Self::start_as(backend, own, true).await
    }

    /// A bridge at its very first start.
    pub async fn start_unbound(backend: Backend) -> Self {
        Self::start_as(backend, &[], false).await
    }

    /// With some settings of its own; `bound` when account and org are known already.
    pub async fn start_as(backend: Backend, own: &[(&str, &str)], bound: bool) -> Self {
        let clock = Clock::manual(OffsetDateTime::now_utc());
        let directory = tempfile::tempdir().unwrap();
        let database_url = database(backend, &directory);
        let stripe = stripe::Stripe::start(stripe::Options {
            port: 0,
            secret_key: STRIPE_KEY.to_owned(),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            clock: clock.clone(),
        })
        .await
        .unwrap();
        let org = salesforce::Salesforce::start(salesforce::Options {
            port: 0,
            client_id: "suite".to_owned(),
            username: "bridge@example.com".to_owned(),
            public_key_pem: keys().public_pem.clone(),
            audience: "https://login.salesforce.com".to_owned(),
            api_version: "v66.0".to_owned(),
            is_sandbox: true,
            daily_limit: 100_000,
            clock: clock.clone(),
        })
        .await
        .unwrap();
        org.set_org_id(ORG_ID);
        org.seed_sample();
        if bound {
            bind(&database_url, &org.org_id()).await;
        }
        let mut settings = settings(&database_url, &stripe.base_url(), &org.base_url());
        for (key, value) in own {
            let key = format!("{PREFIX}{key}");
            settings.retain(|(known, _)| *known != key);
            settings.push((key, (*value).to_owned()));
        }
        let config = Config::load(None, settings).unwrap();
        let app_clock = clock.clone();
        let app = tokio::task::spawn_blocking(|| App::assemble(config, app_clock)).await.unwrap().unwrap();
        let running = app.start(TcpListener::bind("127.0.0.1:0").unwrap(), Background::Stepped).unwrap();
        stripe.deliver_to(format!("http://{}/webhooks/stripe", running.address()));
        Self {
            backend,
            stripe,
            org,
            clock,
            database_url,
            running: Some(running),
            http: reqwest::Client::new(),
            dead_letters_expected: false,
            mapping: None,
            directory,
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running().address())
    }

    /// What Prometheus reads.
    pub async fn metrics(&self) -> String {
        let address = self.running().metrics_address().unwrap();
        self.http.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap()
    }

    /// One sample of it, by its name and labels as they are written.
    pub async fn metric(&self, sample: &str) -> i64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {sample} in\n{text}")).parse().unwrap()
    }

    /// A key of the API with these scopes.
    pub async fn key(&self, scopes: &[Scope]) -> SecretString {
        let (key, token) = issue("suite", scopes, self.clock.now(), None).unwrap();
        self.store().write(move |conn| api_keys::create(conn, &key)).await.unwrap();
        token
    }

    /// Asks the API for something, as somebody with all scopes; status and body.
    pub async fn api(
        &self,
        method: &str,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> (u16, serde_json::Value) {
        let token = self.key(&Scope::ALL).await;
        let request = self.http.request(method.parse().unwrap(), self.url(path));
        let request = request.bearer_auth(token.expose_secret());
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error} in {text}")))
    }

    pub fn store(&self) -> &Store {
        self.running().store()
    }

    /// Somebody who calls the API.
    pub async fn caller(&self) -> Caller {
        let (key, token) = issue("suite", &[Scope::PaymentsWrite], self.clock.now(), None).unwrap();
        self.store().write(move |conn| api_keys::create(conn, &key)).await.unwrap();
        Caller { http: self.http.clone(), base: self.url(""), token: token.expose_secret().to_owned() }
    }

    /// Does all background work that is due now.
    pub async fn drain(&self) {
        self.running().drain().await;
    }

    /// Lets time pass in steps until everything that waits has had its turn.
    pub async fn drain_for(&self, time: Duration) {
        let step = Duration::from_secs(30);
        let mut passed = Duration::ZERO;
        self.drain().await;
        while passed < time {
            self.clock.advance(step);
            passed += step;
            self.drain().await;
        }
    }

    /// Posts an event as Stripe would, freshly signed, until there was time to store it.
    pub async fn receive(&self, body: &str) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.receive_once(body).await;
            if answer.status != 503 || begun.elapsed() > FOREVER {
                return answer;
            }
        }
    }

    /// Posts an event as Stripe would, freshly signed.
    pub async fn receive_once(&self, body: &str) -> Answer {
        let header = sign(body.as_bytes(), self.clock.now().unix_timestamp(), WEBHOOK_SECRET);
        self.post("/webhooks/stripe", Some(&header), body.as_bytes().to_vec()).await
    }

    /// Posts whatever, signed or not.
    pub async fn post(&self, path: &str, signature: Option<&str>, body: Vec<u8>) -> Answer {
        let mut request =
            self.http.post(self.url(path)).body(body).header("Content-Type", "application/json");
        if let Some(signature) = signature {
            request = request.header("Stripe-Signature", signature);
        }
        let response = request.send().await.unwrap();
        Answer { status: response.status().as_u16(), body: response.text().await.unwrap() }
    }

    /// Asks the Stripe stand-in for something and delivers what it has to say about it.
    pub async fn at_stripe(&self, path: &str, form: &[(&str, &str)]) -> serde_json::Value {
        let url = format!("{}{path}", self.stripe.base_url());
        let response = self.http.post(url).bearer_auth(STRIPE_KEY).form(form).send().await.unwrap();
        let text = response.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error} in {text}"))
    }

    /// A customer who paid: the ids of customer, payment intent and charge. Nothing is delivered yet.
    pub async fn a_payment(&self, amount: &str, currency: &str) -> Payment {
        let customer = self.at_stripe("/v1/customers", &[("name", "Ada Brandt")]).await;
        let customer = customer["id"].as_str().unwrap().to_owned();
        let intent = self
            .at_stripe(
                "/v1/payment_intents",
                &[
                    ("amount", amount),
                    ("currency", currency),
                    ("customer", &customer),
                    ("payment_method", "pm_card_visa"),
                    ("confirm", "true"),
                    ("automatic_payment_methods[enabled]", "true"),
                    ("automatic_payment_methods[allow_redirects]", "never"),
                    ("metadata[sf_object]", "Opportunity"),
                    ("metadata[sf_record_id]", salesforce::OPPORTUNITY_ID),
                ],
            )
            .await;
        let id =
            |name: &str| intent[name].as_str().unwrap_or_else(|| panic!("{name} in {intent}")).to_owned();
        Payment { customer, intent: id("id"), charge: id("latest_charge") }
    }

    /// A new customer's id. Nothing is delivered yet.
    pub async fn a_customer(&self, name: &str) -> String {
        let customer = self.at_stripe("/v1/customers", &[("name", name)]).await;
        customer["id"].as_str().unwrap().to_owned()
    }

    /// Delivers everything Stripe has to say and brings it to the org.
    pub async fn deliver(&self) {
        for (event, mut status) in self.stripe.deliver_pending().await {
            let begun = Instant::now();
            while status == 503 && begun.elapsed() < FOREVER {
                status = self.stripe.deliver(&event).await;
            }
            assert_eq!(status, 200, "{event}");
        }
        self.drain().await;
    }

    /// A field of a record, as text; `None` when it is empty. Fails when there is no such record.
    pub fn field(&self, sobject: &str, external_id: &str, field: &str) -> Option<String> {
        let record = self.org.record(sobject, external_id);
        let record = record.unwrap_or_else(|| panic!("there is no {sobject} {external_id} in the org"));
        record.text(field).map(|text| text.to_string())
    }

    pub async fn counts(&self) -> Counts {
        self.store().read(outbox::counts).await.unwrap()
    }

    /// What is known of a record. Fails when there is no such row.
    pub async fn row(&self, sobject: &str, external_id: &str) -> outbox::Standing {
        let (sobject, external_id) = (sobject.to_owned(), external_id.to_owned());
        let found = self.store().read(move |conn| outbox::of(conn, "main", &sobject, &external_id)).await;
        found.unwrap().expect("no such row in the outbox")
    }

    /// What happened to a row, newest first.
    pub async fn attempts(&self, row: i64) -> Vec<attempts::Attempt> {
        self.store().read(move |conn| attempts::of_row(conn, row, 100)).await.unwrap()
    }

    /// How many attempts ended with this code.
    pub async fn attempts_with(&self, code: &'static str) -> i64 {
        self.store().read(move |conn| attempts::with_code(conn, code)).await.unwrap()
    }

    pub async fn stored_events(&self) -> i64 {
        self.store().read(inbox::counts).await.unwrap().1
    }

    /// Otherwise a dead letter fails the test.
    pub fn expect_dead_letters(&mut self) {
        self.dead_letters_expected = true;
    }

    /// [`Self::restart`] with this mapping laid over the default one.
    pub async fn restart_with_mapping(&mut self, mapping: &str) {
        let file = self.directory.path().join("mapping.toml");
        std::fs::write(&file, mapping).unwrap();
        self.mapping = Some(file);
        self.restart().await;
    }

    /// [`Self::restart`] with further settings.
    pub async fn restart_with(&mut self, own: &[(&str, &str)]) {
        self.running.take().unwrap().stop().await;
        let mut settings = settings(&self.database_url, &self.stripe.base_url(), &self.org.base_url());
        settings.extend(own.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())));
        let config = Config::load(None, settings).unwrap();
        let clock = self.clock.clone();
        let app = tokio::task::spawn_blocking(|| App::assemble(config, clock)).await.unwrap().unwrap();
        let running = app.start(TcpListener::bind("127.0.0.1:0").unwrap(), Background::Stepped).unwrap();
        self.stripe.deliver_to(format!("http://{}/webhooks/stripe", running.address()));
        self.running = Some(running);
    }

    /// Another process on the same database, for the same orgs. The first one's caller may call it, too.
    pub async fn second_process(&self) -> Running {
        let config = config(&self.database_url, &self.stripe.base_url(), &self.org.base_url());
        let clock = self.clock.clone();
        let app = tokio::task::spawn_blocking(|| App::assemble(config, clock)).await.unwrap().unwrap();
        app.start(TcpListener::bind("127.0.0.1:0").unwrap(), Background::Stepped).unwrap()
    }

    /// Puts states into the outbox as if events had said so.
    pub async fn merge(&self, states: Vec<NewState>) {
        let now_ms = paybridge::clock::unix_ms(self.clock.now());
        self.store().write(move |conn| outbox::merge(conn, &states, now_ms)).await.unwrap();
    }

    /// What keeps records from being sent.
    pub async fn stops(&self) -> Vec<stops::Stop> {
        self.store().read(stops::all).await.unwrap()
    }

    /// How many records each call carried that carried any.
    pub fn call_sizes(&self) -> Vec<usize> {
        let calls = self.org.calls().into_iter().filter(|call| !call.collections.is_empty());
        calls.map(|call| call.collections.iter().sum()).collect()
    }

    /// How often somebody asked for a token.
    pub fn sign_ins(&self) -> usize {
        self.org.calls().iter().filter(|call| call.path.contains("/oauth2/token")).count()
    }

    /// As if the key in the configuration had been exchanged since the account was bound.
    pub async fn forget_key(&self) {
        let forget = |conn: &mut Conn| {
            let bound = bindings::find(conn, "stripe", "main")?.unwrap();
            bindings::answered(conn, &bound, "another key")
        };
        self.store().write(forget).await.unwrap();
    }

    /// Ends the service and both stand-ins, where many bridges follow each other in one test.
    pub async fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        self.org.stop().await;
        self.stripe.stop().await;
    }

    /// Stops the service in order and starts it again on the same database.
    pub async fn restart(&mut self) {
        self.running.take().unwrap().stop().await;
        let mut settings = settings(&self.database_url, &self.stripe.base_url(), &self.org.base_url());
        if let Some(file) = &self.mapping {
            settings.push((format!("{PREFIX}MAPPING__FILE"), file.display().to_string()));
        }
        let config = Config::load(None, settings).unwrap();
        let clock = self.clock.clone();
        let app = tokio::task::spawn_blocking(|| App::assemble(config, clock)).await.unwrap().unwrap();
        let running = app.start(TcpListener::bind("127.0.0.1:0").unwrap(), Background::Stepped).unwrap();
        self.stripe.deliver_to(format!("http://{}/webhooks/stripe", running.address()));
        self.running = Some(running);
    }
}

/// Writes down that the service has spoken with the stand-in of Stripe and with this org before.
pub async fn bind(database_url: &str, org_id: &str) {
    let key_hash = paybridge::bindings::hash(&STRIPE_KEY.to_owned().into());
    let binding = |party: &str, identity: &str, kind: &str, key_hash: String| Binding {
        party: party.to_owned(),
        name: "main".to_owned(),
        identity: identity.to_owned(),
        kind: kind.to_owned(),
        key_hash,
        bound_at: 0,
        other: None,
        other_kind: None,
        other_at: None,
    };
    let account = binding("stripe", "acct_1SandboxPaybridge", "test", key_hash);
    let org = binding("salesforce", org_id, "sandbox", String::new());
    let url = SecretString::from(database_url.to_owned());
    let write = move || {
        let store = Store::open(&url, 2).unwrap();
        store.write_blocking(|conn| {
            bindings::bind(conn, &account)?;
            bindings::bind(conn, &org)
        })
    };
    tokio::task::spawn_blocking(write).await.unwrap().unwrap();
}

/// Complains about what a test left behind.
impl Drop for Bridge {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let Some(running) = &self.running else { return };
        let (outbox, dead_events) = running
            .store()
            .write_blocking(|conn| Ok((outbox::counts(conn)?, inbox::dead_letters(conn, 10)?)))
            .unwrap();
        assert_eq!(outbox.leased, 0, "rows are still leased");
        if !self.dead_letters_expected {
            assert_eq!(outbox.dead, 0, "records were given up");
            assert!(dead_events.is_empty(), "events were given up: {dead_events:?}");
        }
    }
}

pub struct Payment {
    pub customer: String,
    pub intent: String,
    pub charge: String,
}

/// The state of a record that points to `parents`.
pub fn state_of(sobject: &str, external_id: &str, fields: &str, parents: &[(&str, &str)]) -> NewState {
    let parents = parents.iter().map(|(object, id)| format!(r#"{{"object":"{object}","id":"{id}"}}"#));
    NewState {
        org: "main".to_owned(),
        sobject: sobject.to_owned(),
        external_id: external_id.to_owned(),
        account: "main".to_owned(),
        position: Position { created: 1, progress: 0, event_id: "evt_1".to_owned() },
        fields: fields.to_owned(),
        carried: "{}".to_owned(),
        parents: format!("[{}]", parents.collect::<Vec<_>>().join(",")),
        mapping_version: "1".to_owned(),
    }
}

/// Takes up to `limit` charges that are due.
pub fn lease_due(
    conn: &mut Conn,
    lease: &str,
    now_ms: i64,
    until_ms: i64,
    limit: i64,
) -> paybridge::store::Result<Vec<Leased>> {
    let due = outbox::due(conn, "main", "Stripe_Charge__c", now_ms, limit)?;
    let ids: Vec<i64> = due.into_iter().map(|row| row.id).collect();
    outbox::lease(conn, lease, &ids, now_ms, until_ms)
}

/// What the store is told when these rows arrived.
pub fn arrived(ids: impl IntoIterator<Item = i64>) -> Vec<Arrived> {
    let row = |id| Arrived { id, record_id: format!("a01{id}"), event_id: "evt".to_owned() };
    ids.into_iter().map(row).collect()
}

pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys::generate().unwrap())
}

/// A header as Stripe writes it.
pub fn sign(body: &[u8], at: i64, secret: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let mac = mac.chain_update(at.to_string()).chain_update(".").chain_update(body);
    format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()))
}

pub fn database(backend: Backend, directory: &tempfile::TempDir) -> String {
    watch_this_test();
    match backend {
        Backend::Sqlite => format!("sqlite://{}", directory.path().join("paybridge.db").display()),
        Backend::Postgres => postgres::server().database(),
    }
}

/// The settings that an operator would give, as environment variables.
pub fn settings(database_url: &str, stripe: &str, org: &str) -> Vec<(String, String)> {
    [
        ("DATABASE__URL", database_url),
        ("DATABASE__CONNECTIONS", "4"),
        ("STRIPE__MAIN__SECRET_KEY", STRIPE_KEY),
        ("STRIPE__MAIN__WEBHOOK_SECRETS", &format!("{WEBHOOK_SECRET},{OLD_WEBHOOK_SECRET}")),
        ("STRIPE__MAIN__API_BASE", stripe),
        // As patient as can be: a call that a busy machine carries out slowly is none that nobody answers.
        ("STRIPE__MAIN__TIMEOUT_MS", "7500"),
        ("SALESFORCE__MAIN__LOGIN_URL", org),
        ("SALESFORCE__MAIN__CLIENT_ID", "suite"),
        ("SALESFORCE__MAIN__USERNAME", "bridge@example.com"),
        ("SALESFORCE__MAIN__PRIVATE_KEY", &keys().private_pem),
        ("SALESFORCE__MAIN__TIMEOUT_MS", "60000"),
        ("SERVER__METRICS_BIND", "127.0.0.1:0"),
        ("DELIVERY__MAX_ATTEMPTS", "5"),
        ("API__PATIENCE_MS", "7000"),
        ("API__LEASE_SECONDS", "20"),
        ("STRIPE__MAIN__REQUESTS_PER_SECOND", "1000"),
    ]
    .map(|(key, value)| (format!("{PREFIX}{key}"), value.to_owned()))
    .to_vec()
}

fn config(database_url: &str, stripe: &str, org: &str) -> Config {
    Config::load(None, settings(database_url, stripe, org)).unwrap()
}
