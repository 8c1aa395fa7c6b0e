//! The client: one function for each request we make.
//!
//! Retries are not its business; a caller that wants one repeats the call with the same idempotency key. Only where callers
//! share a key, as for the one customer of a record, they wait here for each other.

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

use super::error::{Error, Failure, Hints, describe, judge};
use super::form::Form;
use super::objects::{Customer, List, PaymentIntent, Reference, Subscription};
use super::request::{MADE, OnlyIn, Request, Verb, key_of_call};
use crate::config::StripeConfig;
use crate::metrics;
use crate::outbound;
use crate::pass::Pass;

/// A host that does not even take the connection is not waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection is kept for the next call. Source: stripe-ruby keeps them as long.
const IDLE: Duration = Duration::from_secs(30);
/// So many pages of 100 events are looked through for one key.
const MOST_EVENT_PAGES: usize = 50;

/// One Stripe account. Clones share connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: SecretString,
    version: String,
    metrics: Option<metrics::Account>,
    pass: Pass,
}

/// What Stripe answered to a request that may change something.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The object, as JSON text.
    pub object: Box<RawValue>,
    /// Whether this is the stored answer of an earlier request with the same idempotency key.
    pub replayed: bool,
    /// `req_…`, to look the request up in the Dashboard.
    pub request_id: Option<String>,
}

impl Answer {
    /// The object.
    ///
    /// Errors: [`Error::Unreadable`] when it is not what Stripe documents.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let unreadable = |error: serde_json::Error| Error::Unreadable {
            status: 200,
            reason: describe(&error),
            request_id: self.request_id.clone(),
        };
        serde_json::from_str(self.object.get()).map_err(unreadable)
    }
}

/// An object as Stripe has it now, unparsed.
#[derive(Debug)]
pub struct Fetched {
    /// The JSON text.
    pub body: Box<RawValue>,
    /// When Stripe answered, by its own clock, in whole seconds; for deciding what is newer.
    pub answered_at: OffsetDateTime,
}

/// One page of a list, its elements unparsed; newest first.
#[derive(Debug)]
pub struct Page {
    /// The elements.
    pub data: Vec<Listed>,
    /// Whether older ones follow.
    pub has_more: bool,
    /// When Stripe answered, by its own clock.
    pub answered_at: OffsetDateTime,
}

/// An element of a list.
#[derive(Debug)]
pub struct Listed {
    /// Stripe's id.
    pub id: String,
    /// The JSON text.
    pub body: Box<RawValue>,
}

/// Which balance transactions are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalanceTransactions<'a> {
    /// Those that a payout consists of, its own included.
    Of(&'a str),
    /// Those that were made in these seconds, both included.
    Made(i64, i64),
}

/// The id of a Stripe account, `acct_…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountId(pub String);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the account of `config`; opens no connection yet.
    ///
    /// Errors: when the TLS library cannot be set up.
    pub fn new(config: &StripeConfig) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: outbound::client(config.timeout, CONNECT_TIMEOUT, IDLE)?,
            base: config.api_base.clone(),
            key: config.secret_key.clone(),
            version: config.api_version.clone(),
            metrics: None,
            pass: Pass::default(),
        })
    }

    /// Whether there may be traffic with this account; while it is closed, only [`Client::account`] asks anything.
    pub fn pass(&self) -> &Pass {
        &self.pass
    }

    /// Counts its calls there.
    pub fn counted_in(self, metrics: metrics::Account) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Creates or changes something.
    ///
    /// A declined payment is [`Error::Rejected`] with status 402 and the id of the payment intent that remains. When one of
    /// several calls fails after the first, it is [`Error::Halfway`].
    pub async fn change(&self, request: &Request, idempotency_key: &str) -> Result<Answer, Error> {
        if let Some(only_in) = &request.only_in {
            self.check_currency(only_in).await?;
        }
        let Some(unless) = &request.unless else {
            let made = self.call(request, idempotency_key, "").await?;
            return self.go_on(request, idempotency_key, made).await;
        };
        if let Some(found) = self.search(&unless.metadata).await? {
            return self.go_on(request, idempotency_key, found).await;
        }
        let made = self.call_in_turn(request, &unless.key).await?;
        let (replayed, id) = (made.replayed, made.read::<Reference>()?.id);
        match self.go_on(request, idempotency_key, made).await {
            // Made under this key before, and deleted since: Stripe would say so until it forgets the key.
            Err(error) if replayed && error.of_last_call().is_missing() => {
                let again = format!("after-{id}");
                let made = self.call_in_turn(request, &format!("{}-{again}", unless.key)).await?;
                self.go_on(request, &format!("{idempotency_key}-{again}"), made).await
            }
            done => done,
        }
    }

    /// The calls that follow the one whose answer this is.
    async fn go_on(&self, request: &Request, idempotency_key: &str, first: Answer) -> Result<Answer, Error> {
        let mut answer = first;
        for (number, next) in request.then.iter().enumerate() {
            let key = key_of_call(idempotency_key, number + 2);
            let done = match answer.read::<Reference>() {
                Ok(made) => self.call(next, &key, &made.id).await,
                Err(error) => Err(error),
            };
            answer = done.map_err(|error| Error::Halfway(Box::new(error)))?;
        }
        Ok(answer)
    }

    /// One call; `made` is the id of what the call before made.
    async fn call(&self, request: &Request, idempotency_key: &str, made: &str) -> Result<Answer, Error> {
        let method = match request.verb {
            Verb::Post => Method::POST,
            Verb::Delete => Method::DELETE,
        };
        let path = request.path.iter().map(|part| if part == MADE { made } else { part });
        let path: Vec<&str> = path.collect();
        let reply = self.send(method, &path, &[], Some((&request.form, idempotency_key))).await;
        let reply = reply.map_err(|error| error.of_path_unless(|param| request.form.has(param)))?;
        let replayed = reply.headers.get("idempotent-replayed").is_some_and(|value| value == "true");
        Ok(Answer { object: reply.read()?, replayed, request_id: reply.hints.request_id })
    }

    /// A call whose key others may be using for the same: waits until they have their answer, which is this call's, too.
    async fn call_in_turn(&self, request: &Request, key: &str) -> Result<Answer, Error> {
        let mut wait = Duration::from_millis(50);
        loop {
            match self.call(request, key, "").await {
                Err(error) if error.is_key_in_use() && wait < Duration::from_secs(2) => {
                    tokio::time::sleep(wait).await;
                    wait = wait * 3 / 2;
                }
                done => return done,
            }
        }
    }

    /// The customer with this metadata, the oldest if there are several.
    async fn search(&self, (name, value): &(String, String)) -> Result<Option<Answer>, Error> {
        let query = [("query", format!("metadata['{name}']:'{value}'")), ("limit", "100".to_owned())];
        let reply = self.send(Method::GET, &["customers", "search"], &query, None).await?;
        let found: List<Box<RawValue>> = reply.read()?;
        let oldest = found.data.into_iter().next_back();
        Ok(oldest.map(|object| Answer { object, replayed: false, request_id: reply.hints.request_id }))
    }

    async fn check_currency(&self, only_in: &OnlyIn) -> Result<(), Error> {
        let there: Priced = self.read(&only_in.object, &only_in.id).await?;
        if there.currency == only_in.currency {
            return Ok(());
        }
        let (given, actual) = (only_in.currency.to_uppercase(), there.currency.to_uppercase());
        Err(Error::OtherCurrency { object: only_in.object.clone(), given, actual })
    }

    /// Any object by its kind, as in the field `object` of an event, and id.
    ///
    /// Errors: [`Error::Unaddressable`] for a kind that cannot be read by id, and for a text that is no id.
    pub async fn read<T: DeserializeOwned>(&self, object: &str, id: &str) -> Result<T, Error> {
        let path = resource(object).ok_or_else(|| Error::Unaddressable(object.to_owned()))?;
        let path: Vec<&str> = path.split('/').chain([id]).collect();
        self.get(&path).await
    }

    /// The customer as it is now; a deleted one answers with `deleted`.
    pub async fn customer(&self, id: &str) -> Result<Customer, Error> {
        self.get(&["customers", id]).await
    }

    /// The payment intent as it is now.
    pub async fn payment_intent(&self, id: &str) -> Result<PaymentIntent, Error> {
        self.get(&["payment_intents", id]).await
    }

    /// The subscription as it is now.
    pub async fn subscription(&self, id: &str) -> Result<Subscription, Error> {
        self.get(&["subscriptions", id]).await
    }

    /// The account that the key belongs to.
    pub async fn account(&self) -> Result<AccountId, Error> {
        self.get(&["account"]).await.map(|account: Reference| AccountId(account.id))
    }

    /// The same, unparsed and dated. What would have to be read next is expanded.
    pub async fn fetch(&self, object: &str, id: &str) -> Result<Fetched, Error> {
        let path = resource(object).ok_or_else(|| Error::Unaddressable(object.to_owned()))?;
        let path: Vec<&str> = path.split('/').chain([id]).collect();
        let query: Vec<_> = expanded(object).iter().map(|field| ("expand[]", (*field).to_owned())).collect();
        let reply = self.send(Method::GET, &path, &query, None).await?;
        Ok(Fetched { body: reply.read()?, answered_at: reply.answered_at()? })
    }

    /// A page of 100 balance transactions, newest first, behind the one with the id `after`.
    pub async fn balance_transactions(
        &self,
        which: BalanceTransactions<'_>,
        after: Option<&str>,
    ) -> Result<Page, Error> {
        #[derive(serde::Deserialize)]
        struct List {
            data: Vec<Box<RawValue>>,
            has_more: bool,
        }
        let mut query = vec![("limit", "100".to_owned())];
        match which {
            BalanceTransactions::Of(payout) => query.push(("payout", payout.to_owned())),
            BalanceTransactions::Made(from, to) => {
                query.extend([("created[gte]", from.to_string()), ("created[lte]", to.to_string())]);
            }
        }
        query.extend(after.map(|id| ("starting_after", id.to_owned())));
        let reply = self.send(Method::GET, &["balance_transactions"], &query, None).await?;
        let list: List = reply.read()?;
        let listed = |body: Box<RawValue>| {
            let reference: Reference =
                serde_json::from_str(body.get()).map_err(|error| reply.unreadable(describe(&error)))?;
            Ok(Listed { id: reference.id, body })
        };
        let data = list.data.into_iter().map(listed).collect::<Result<_, Error>>()?;
        Ok(Page { data, has_more: list.has_more, answered_at: reply.answered_at()? })
    }

    /// The object of the kind `object` that the request with this idempotency key made or changed, by Stripe's events from
    /// `since` to `until`. Events tell the key of their request.
    ///
    /// It answers for a key that is too old to ask with. Source: Stripe API reference, "Events": kept for 30 days.
    /// Errors: also when there are too many events to look through.
    pub async fn find_by_key(
        &self,
        object: &str,
        key: &str,
        since: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<String>, Error> {
        let group = if object == "subscription" { "customer.subscription" } else { object };
        let mut after: Option<String> = None;
        for _ in 0..MOST_EVENT_PAGES {
            let mut query = vec![
                ("type", format!("{group}.*")),
                ("created[gte]", since.unix_timestamp().to_string()),
                ("created[lte]", until.unix_timestamp().to_string()),
                ("limit", "100".to_owned()),
            ];
            query.extend(after.take().map(|id| ("starting_after", id)));
            let page: List<KeyedEvent> = self.send(Method::GET, &["events"], &query, None).await?.read()?;
            let of_key = |event: &&KeyedEvent| {
                let used = event.request.as_ref().and_then(|request| request.idempotency_key.as_deref());
                event.data.object.object == object && used == Some(key)
            };
            if let Some(event) = page.data.iter().find(of_key) {
                return Ok(Some(event.data.object.id.clone()));
            }
            match page.data.last() {
                Some(last) if page.has_more => after = Some(last.id.clone()),
                _ => return Ok(None),
            }
        }
        let reason = "too many events to look through".to_owned();
        Err(Error::Unreadable { status: 200, reason, request_id: None })
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Error> {
        self.send(Method::GET, path, &[], None).await?.read()
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<(&Form, &str)>,
    ) -> Result<Reply, Error> {
        if let Some(why) = self.pass.closed().filter(|_| path != ["account"]) {
            return Err(Error::Stopped(why));
        }
        let changes = body.is_some();
        let mut address = self.address(path)?;
        if !query.is_empty() {
            address.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self
            .http
            .request(method, address)
            .bearer_auth(self.key.expose_secret())
            .header("Stripe-Version", &self.version);
        if let Some((form, idempotency_key)) = body {
            request = request
                .header("Content-Type", "application/x-www-form-urlencoded")
                .header("Idempotency-Key", idempotency_key)
                .body(form.encode());
        }
        let began = Instant::now();
        let result = Self::exchange(request, changes).await;
        if let Some(account) = &self.metrics {
            account.called(result.as_ref().map_or_else(Error::name, |_| "answered"), began.elapsed());
        }
        result
    }

    async fn exchange(request: RequestBuilder, changes: bool) -> Result<Reply, Error> {
        let lost = |error: reqwest::Error| lost(&error, changes);
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = outbound::body(response).await.map_err(lost)?;
        let hints = hints(&headers);
        if status.is_success() {
            Ok(Reply { status, headers, hints, body })
        } else {
            Err(judge(status.as_u16(), &body, hints, changes))
        }
    }

    /// The address of `path` below `/v1`. Every part must look like an id: `..` would be another resource.
    fn address(&self, path: &[&str]) -> Result<Url, Error> {
        if let Some(part) = path.iter().find(|part| !is_address(part)) {
            return Err(Error::Unaddressable((*part).to_owned()));
        }
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push("v1").extend(path);
        }
        Ok(url)
    }
}

/// What of an event tells which request caused it, and what it is about.
#[derive(Deserialize)]
struct KeyedEvent {
    id: String,
    data: KeyedData,
    request: Option<KeyedRequest>,
}

#[derive(Deserialize)]
struct KeyedData {
    object: KeyedObject,
}

#[derive(Deserialize)]
struct KeyedObject {
    #[serde(default)]
    id: String,
    #[serde(default)]
    object: String,
}

#[derive(Deserialize)]
struct KeyedRequest {
    idempotency_key: Option<String>,
}

/// Whether a text can be a part of an address at Stripe, as every id is.
pub fn is_address(text: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=255).contains(&text.len()) && text.bytes().all(harmless)
}

/// What has a price.
#[derive(Deserialize)]
struct Priced {
    currency: String,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    hints: Hints,
    body: Vec<u8>,
}

impl Reply {
    fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(describe(&error)))
    }

    /// When Stripe answered, by its own clock, in whole seconds; for deciding what is newer.
    fn answered_at(&self) -> Result<OffsetDateTime, Error> {
        let date = self.headers.get(DATE).and_then(|date| date.to_str().ok());
        let answered_at = date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
        answered_at.ok_or_else(|| self.unreadable("no valid Date header".to_owned()))
    }

    fn unreadable(&self, reason: String) -> Error {
        let request_id = self.hints.request_id.clone();
        Error::Unreadable { status: self.status.as_u16(), reason, request_id }
    }
}

fn hints(headers: &HeaderMap) -> Hints {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Hints {
        request_id: text("request-id"),
        should_retry: text("stripe-should-retry").and_then(|word| word.parse().ok()),
        limited_reason: text("stripe-rate-limited-reason"),
        retry_after: seconds.map(Duration::from_secs),
    }
}

fn lost(error: &reqwest::Error, changes: bool) -> Error {
    let failure = if error.is_connect() {
        Failure::Connect
    } else if error.is_timeout() {
        Failure::Timeout
    } else {
        Failure::Broken
    };
    let outcome_unknown = changes && failure != Failure::Connect;
    Error::Unreachable { failure, outcome_unknown, should_retry: None, request_id: None }
}

/// What is expanded when an object of this kind is read: the fee of a charge, whether the payment of a session failed.
fn expanded(object: &str) -> &'static [&'static str] {
    match object {
        "charge" | "refund" => &["balance_transaction"],
        "checkout.session" => &["payment_intent"],
        _ => &[],
    }
}

/// Where objects of a kind live below `/v1`.
fn resource(object: &str) -> Option<&'static str> {
    Some(match object {
        "balance_transaction" => "balance_transactions",
        "charge" => "charges",
        "checkout.session" => "checkout/sessions",
        "customer" => "customers",
        "dispute" => "disputes",
        "event" => "events",
        "invoice" => "invoices",
        "invoice_payment" => "invoice_payments",
        "payment_intent" => "payment_intents",
        "payment_link" => "payment_links",
        "payment_method" => "payment_methods",
        "payout" => "payouts",
        "price" => "prices",
        "product" => "products",
        "refund" => "refunds",
        "setup_intent" => "setup_intents",
        "subscription" => "subscriptions",
        "subscription_item" => "subscription_items",
        "subscription_schedule" => "subscription_schedules",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::mpsc;

    use super::super::requests::CreateCustomer;
    use super::*;

    fn client(base: &str) -> Client {
        client_waiting(base, Duration::from_secs(60))
    }

    fn client_waiting(base: &str, timeout: Duration) -> Client {
        Client::new(&StripeConfig {
            secret_key: "sk_test_topsecret".to_owned().into(),
            webhook_secrets: Vec::new(),
            api_base: base.parse().unwrap(),
            api_version: "2026-10-28.endive".to_owned(),
            timeout,
            org: "main".to_owned(),
            concurrency: 10,
            requests_per_second: 1_000,
        })
        .unwrap()
    }

    /// Answers one request with `reply`, or never when it is empty, and hands over what was asked.
    fn answer_once(reply: &'static str) -> (SocketAddr, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, requests) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap();
            asked.send(String::from_utf8_lossy(&buffer[..length]).to_lowercase()).unwrap();
            if reply.is_empty() {
                // Until the other side has lost its patience.
                while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
            }
            // It may be gone.
            drop(stream.write_all(reply.as_bytes()));
        });
        (address, requests)
    }

    #[tokio::test]
    async fn every_request_carries_version_key_and_idempotency_key() {
        let (address, requests) = answer_once(
            "HTTP/1.1 200 OK\r\nIdempotent-Replayed: true\r\nRequest-Id: req_1\r\nContent-Length: 14\r\n\r\n{\"id\":\"cus_1\"}",
        );
        let request = CreateCustomer { name: Some("A".to_owned()), ..CreateCustomer::default() };
        let answer = client(&format!("http://{address}")).change(&request.request(), "key-1").await.unwrap();
        assert!(answer.replayed && answer.read::<Reference>().unwrap().id == "cus_1");
        assert_eq!(answer.request_id.as_deref(), Some("req_1"));
        let asked = requests.recv().unwrap();
        for expected in [
            "post /v1/customers http/1.1",
            "stripe-version: 2026-10-28.endive",
            "authorization: bearer sk_test_topsecret",
            "idempotency-key: key-1",
            "content-type: application/x-www-form-urlencoded",
        ] {
            assert!(asked.contains(expected), "missing `{expected}` in {asked}");
        }
    }

    #[tokio::test]
    async fn a_fetched_object_is_raw_and_dated_by_stripe() {
        let (address, requests) = answer_once(
            "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 16:42:26 GMT\r\nContent-Length: 18\r\n\r\n{\"amount\": 1.10  }",
        );
        let fetched =
            client(&format!("http://{address}/")).fetch("checkout.session", "cs_test_1").await.unwrap();
        assert_eq!(fetched.body.get(), "{\"amount\": 1.10  }");
        assert_eq!(fetched.answered_at.unix_timestamp(), 1_795_192_946);
        let asked = requests.recv().unwrap();
        assert!(
            asked.starts_with("get /v1/checkout/sessions/cs_test_1?expand%5b%5d=payment_intent "),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn a_page_of_balance_transactions_is_asked_for_by_payout_or_by_time() {
        let reply = "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 16:42:26 GMT\r\nContent-Length: 49\r\n\r\n{\"data\":[{\"id\":\"txn_1\",\"fee\":1}],\"has_more\":true}";
        for (which, after, expected) in [
            (BalanceTransactions::Of("po_1"), None, "limit=100&payout=po_1 "),
            (
                BalanceTransactions::Made(10, 20),
                Some("txn_9"),
                "limit=100&created%5bgte%5d=10&created%5blte%5d=20&starting_after=txn_9 ",
            ),
        ] {
            let (address, requests) = answer_once(reply);
            let page = client(&format!("http://{address}")).balance_transactions(which, after).await.unwrap();
            assert!(page.has_more && page.data[0].id == "txn_1", "{page:?}");
            assert_eq!(page.data[0].body.get(), r#"{"id":"txn_1","fee":1}"#);
            let asked = requests.recv().unwrap();
            assert!(asked.starts_with(&format!("get /v1/balance_transactions?{expected}")), "{asked}");
        }
    }

    #[tokio::test]
    async fn silence_is_told_apart_from_a_closed_door() {
        let (address, _requests) = answer_once("");
        let slow = client_waiting(&format!("http://{address}"), Duration::from_millis(300));
        let error = slow.change(&CreateCustomer::default().request(), "k").await.unwrap_err();
        let Error::Unreachable { failure: Failure::Timeout, outcome_unknown: true, .. } = error else {
            panic!("{error:?}")
        };
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let closed = client(&format!("http://{closed}"));
        let error = closed.change(&CreateCustomer::default().request(), "k").await.unwrap_err();
        let Error::Unreachable { failure: Failure::Connect, outcome_unknown: false, .. } = error else {
            panic!("{error:?}")
        };
    }

    #[tokio::test]
    async fn what_is_no_id_never_becomes_an_address() {
        let client = client("http://127.0.0.1:9");
        for id in ["", "..", "cus_1/../../account", "a?b", "é", "%2e"] {
            assert!(matches!(client.customer(id).await, Err(Error::Unaddressable(_))), "{id}");
        }
        assert!(matches!(client.fetch("quantum", "q_1").await, Err(Error::Unaddressable(_))));
        assert!(!format!("{client:?}").contains("topsecret"));
    }
}
