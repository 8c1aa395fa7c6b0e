//! One function for each call we make, on the org's REST API.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::RETRY_AFTER;
use secrecy::ExposeSecret;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::budget::{Budget, Keeper};
use super::error::Error;
use super::login::{Login, Session};
use crate::clock::Clock;
use crate::config::SalesforceConfig;
use crate::metrics::{self, Metrics};
use crate::outbound;
use crate::pass::Pass;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is kept for the next call. How long Salesforce keeps one is not documented; no common server closes
/// them before five seconds. Records of a call that was not heard of wait for minutes, a new connection takes a moment.
const IDLE: Duration = Duration::from_secs(4);

/// Seconds; whoever asks for more is asked again all the same.
const LONGEST_RETRY_AFTER: u64 = 86_400;

/// The platform event that tells of a record's new state.
const EVENT: &str = "Stripe_Event__e";

/// The field every record is upserted by.
const EXTERNAL_ID: &str = "Stripe_Id__c";

/// Behind the name of an object whose records are found by their own ids, and never made.
const BY_ID: &str = ".Id";

/// Where all records are sent.
const COMPOSITE: &str = "composite";

/// A client of one org. It does not retry, except once with a new session when the old one is over.
pub struct Client {
    http: reqwest::Client,
    login: Login,
    api_version: String,
    budget: Keeper,
    metrics: Arc<metrics::Org>,
    pub(super) pass: Pass,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("api_version", &self.api_version).finish_non_exhaustive()
    }
}

/// Records of one object, upserted together: at most 200.
#[derive(Clone, Debug)]
pub struct Collection<'a> {
    /// API name of the object.
    pub sobject: &'a str,
    /// The records; each external id once.
    pub records: Vec<Record<'a>>,
}

/// One record to be upserted.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The Stripe id.
    pub external_id: &'a str,
    /// Its fields: the text of a JSON object.
    pub fields: &'a str,
    /// What a platform event tells of it once it is there: members of a JSON object.
    pub notice: Option<&'a str>,
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the org now.
    Accepted {
        /// The record's id; empty when the answer did not say it.
        record_id: String,
        /// Whether it was not there before.
        created: bool,
    },
    /// It is not, or nobody could be told of it.
    Refused {
        /// HTTP status of the collection: 200 when the record was refused by itself.
        status: u16,
        /// Salesforce's code, `REQUIRED_FIELD_MISSING`.
        code: String,
        /// Salesforce's text.
        message: String,
        /// The fields that Salesforce names.
        fields: Vec<String>,
        /// The record is there; the platform event that tells of it was refused.
        untold: bool,
    },
}

/// What became of one collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upserted {
    /// Each record has an outcome of its own, in the order of the records.
    Each(Vec<Outcome>),
    /// It was refused as a whole; always [`Outcome::Refused`].
    Whole(Outcome),
}

#[derive(Deserialize)]
struct CompositeAnswer<'a> {
    #[serde(borrow, rename = "compositeResponse")]
    responses: Vec<SubAnswer<'a>>,
}

#[derive(Deserialize)]
struct SubAnswer<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(rename = "httpStatusCode")]
    status: u16,
}

#[derive(Deserialize)]
struct RecordAnswer {
    success: bool,
    #[serde(default, deserialize_with = "null_as_default")]
    id: String,
    #[serde(default, deserialize_with = "null_as_default")]
    created: bool,
    #[serde(default, deserialize_with = "null_as_default")]
    errors: Vec<RecordError>,
}

#[derive(Deserialize)]
struct RecordError {
    // A record's error says `statusCode`, a request's `errorCode`.
    #[serde(alias = "errorCode", rename = "statusCode", default, deserialize_with = "null_as_default")]
    code: String,
    #[serde(default, deserialize_with = "null_as_default")]
    message: String,
    #[serde(default, deserialize_with = "null_as_default")]
    fields: Vec<String>,
}

impl Client {
    /// A client for the org. Makes no request.
    ///
    /// Errors: [`Error::LoggedOut`] when the private key is none.
    pub fn new(config: &SalesforceConfig, clock: Clock) -> Result<Self, Error> {
        Ok(Self {
            http: outbound::client(config.timeout, CONNECT_TIMEOUT, IDLE)?,
            login: Login::new(config, clock.clone())?,
            api_version: config.api_version.clone(),
            budget: Keeper::new(config.daily_call_share, clock),
            metrics: Metrics::default().org(""),
            pass: Pass::default(),
        })
    }

    /// Counts its calls and sign-ins there.
    pub fn counted_in(self, metrics: Arc<metrics::Org>) -> Self {
        Self { login: self.login.counted_in(Arc::clone(&metrics)), metrics, ..self }
    }

    /// Upserts up to five collections in one call, in their order. Gives what became of each, in the same order.
    ///
    /// Repeating a call does no harm once it is over. Errors: the call as a whole failed; no outcome is known, and after
    /// [`Error::Unheard`] it may go on.
    /// Source: REST API Developer Guide, "Composite" (at most 5 collections) and "Upsert Records Using sObject
    /// Collections" (at most 200 records, results in request order).
    pub async fn upsert(&self, collections: &[Collection<'_>]) -> Result<Vec<Upserted>, Error> {
        self.metrics
            .call_records
            .counted(collections.iter().map(|collection| collection.records.len()).sum());
        let body = || Some(self.composite_body(collections));
        let answer = self.call(reqwest::Method::POST, COMPOSITE, body).await?;
        let unreadable = |error: serde_json::Error| Error::Unreadable(error.to_string());
        let parsed: CompositeAnswer<'_> = serde_json::from_slice(&answer).map_err(unreadable)?;
        let asked = collections.len() + noticed(collections).count();
        if parsed.responses.len() != asked {
            let got = parsed.responses.len();
            return Err(Error::Unreadable(format!("{got} parts answered instead of {asked}")));
        }
        let (of_collections, of_events) = parsed.responses.split_at(collections.len());
        let outcomes = of_collections.iter().zip(collections);
        let mut outcomes: Vec<_> =
            outcomes.map(|(sub, collection)| upserted(sub, collection)).collect::<Result<_, _>>()?;
        for (sub, (number, index, _)) in of_events.iter().zip(noticed(collections)) {
            if let Upserted::Each(records) = &mut outcomes[number]
                && let record @ Outcome::Accepted { .. } = &mut records[index]
                && let Some(refused) = not_published(sub)?
            {
                *record = refused;
            }
        }
        Ok(outcomes)
    }

    /// Asks for the org's limits; this is how a pause for the daily budget ends, and proves that we may sign in and that the org
    /// answers: whatever breaks its answers on the way breaks this one, too.
    pub async fn check_limits(&self) -> Result<(), Error> {
        let limits: Result<serde_json::Map<String, serde_json::Value>, _> =
            serde_json::from_slice(&self.get("limits").await?);
        limits.map(|_limits| ()).map_err(|error| Error::Unreadable(error.to_string()))
    }

    /// How many of the day's requests we may still make.
    pub fn budget(&self) -> Budget {
        self.budget.now()
    }

    fn composite_body(&self, collections: &[Collection<'_>]) -> Vec<u8> {
        // Fields are JSON text already; they are spliced in, not parsed and printed again.
        let room: usize = collections.iter().flat_map(|c| &c.records).map(|r| r.fields.len() + 120).sum();
        let mut body = String::with_capacity(room + 1_000);
        body.push_str(r#"{"allOrNone":false,"collateSubrequests":false,"compositeRequest":["#);
        for (number, collection) in collections.iter().enumerate() {
            let Collection { sobject, records } = collection;
            if number > 0 {
                body.push(',');
            }
            // Source: "Update Records Using sObject Collections": no object in the path, and each record has its `id`.
            let (sobject, key, path) = match sobject.strip_suffix(BY_ID) {
                Some(sobject) => (sobject, "id", String::new()),
                None => (*sobject, EXTERNAL_ID, format!("/{sobject}/{EXTERNAL_ID}")),
            };
            body.push_str(&format!(
                r#"{{"method":"PATCH","url":"/services/data/{}/composite/sobjects{path}","referenceId":"c{number}","body":{{"allOrNone":false,"records":["#,
                self.api_version
            ));
            for (index, record) in records.iter().enumerate() {
                if index > 0 {
                    body.push(',');
                }
                for part in [r#"{"attributes":{"type":""#, sobject, r#""},""#, key, r#"":"#] {
                    body.push_str(part);
                }
                body.push_str(&serde_json::Value::from(record.external_id).to_string());
                let fields = record.fields.trim_start_matches('{');
                if fields != "}" {
                    body.push(',');
                }
                body.push_str(fields);
            }
            body.push_str("]}}");
        }
        // A record that is refused has no id: the event that names it is not published then.
        for (number, index, notice) in noticed(collections) {
            body.push_str(&format!(
                r#",{{"method":"POST","url":"/services/data/{}/sobjects/{EVENT}","referenceId":"e{number}_{index}","body":{{"Record_Id__c":"@{{c{number}[{index}].id}}",{notice}}}}}"#,
                self.api_version
            ));
        }
        body.push_str("]}");
        body.into_bytes()
    }

    pub(super) async fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.call(reqwest::Method::GET, path, || None).await
    }

    /// `body` is made again for the second try, which is rare, rather than kept for it.
    async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        body: impl Fn() -> Option<Vec<u8>>,
    ) -> Result<Vec<u8>, Error> {
        let session = self.login.session(&self.http).await?;
        let writes = path == COMPOSITE;
        if writes {
            self.admit(&session)?;
        }
        match self.send(&session, method.clone(), path, body()).await {
            Err(Error::LoggedOut { .. }) => {
                self.login.forget(&session).await;
                let session = self.login.session(&self.http).await?;
                if writes {
                    self.admit(&session)?;
                }
                self.send(&session, method, path, body()).await
            }
            result => result,
        }
    }

    async fn send(
        &self,
        session: &Session,
        method: reqwest::Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, Error> {
        let spent = "our share of the org's daily requests is used up";
        let exhausted = || Error::Exhausted { message: spent.to_owned() };
        let (number, began) = (self.budget.begin().ok_or_else(exhausted)?, Instant::now());
        let result = self.exchange(session, method, path, body, number).await;
        self.metrics.called(result.as_ref().map_or_else(Error::name, |_| "answered"), began.elapsed());
        result
    }

    async fn exchange(
        &self,
        session: &Session,
        method: reqwest::Method,
        path: &str,
        body: Option<Vec<u8>>,
        number: u64,
    ) -> Result<Vec<u8>, Error> {
        let url = format!("{}/services/data/{}/{path}", session.instance_url, self.api_version);
        let mut request = self.http.request(method, url).bearer_auth(session.token.expose_secret());
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json; charset=UTF-8").body(body);
        }
        let answer = match request.send().await {
            // What only reads is not waited for.
            Err(error) if path == COMPOSITE => return Err(Error::of_sending(error)),
            answer => answer?,
        };
        let told = answer.headers().get("Sforce-Limit-Info").and_then(|value| value.to_str().ok());
        if let Some(budget) = self.budget.answered(number, told) {
            self.metrics.note_budget(budget);
        }
        let status = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_RETRY_AFTER)));
        let body = match outbound::body(answer).await {
            Err(error) if path == COMPOSITE => return Err(Error::of_sending(error)),
            body => body?,
        };
        if status == 200 {
            self.budget.granted();
            return Ok(body);
        }
        let refusal = match refusal(status, retry_after, &body) {
            Error::Unreachable(text) if path == COMPOSITE && is_gateways(status) => Error::Unheard(text),
            refusal => refusal,
        };
        if matches!(refusal, Error::Exhausted { .. }) {
            self.budget.refused();
        }
        Err(refusal)
    }
}

fn upserted(sub: &SubAnswer<'_>, collection: &Collection<'_>) -> Result<Upserted, Error> {
    let unreadable = |error: serde_json::Error| Error::Unreadable(error.to_string());
    if sub.status >= 300 {
        let mut errors: Vec<RecordError> = serde_json::from_str(sub.body.get()).map_err(unreadable)?;
        return Ok(Upserted::Whole(refused(sub.status, &mut errors)));
    }
    let mut answers: Vec<RecordAnswer> = serde_json::from_str(sub.body.get()).map_err(unreadable)?;
    if answers.len() != collection.records.len() {
        let (asked, got) = (collection.records.len(), answers.len());
        return Err(Error::Unreadable(format!("{got} records answered instead of {asked}")));
    }
    let outcome = |answer: &mut RecordAnswer| match answer.success {
        true => Outcome::Accepted { record_id: std::mem::take(&mut answer.id), created: answer.created },
        false => refused(sub.status, &mut answer.errors),
    };
    Ok(Upserted::Each(answers.iter_mut().map(outcome).collect()))
}

/// The records that an event tells of: the collection, the place in it, and what is told.
fn noticed<'c>(collections: &'c [Collection<'_>]) -> impl Iterator<Item = (usize, usize, &'c str)> {
    collections.iter().enumerate().flat_map(|(number, collection)| {
        let records = collection.records.iter().enumerate();
        records.filter_map(move |(index, record)| Some((number, index, record.notice?)))
    })
}

/// Why an event was not published, if it was not. Its record is to be sent again with it: subscribers are told at least once.
/// Source: Platform Events Developer Guide, "Publish Event Messages with Salesforce APIs": success comes with an entry in
/// `errors`.
fn not_published(sub: &SubAnswer<'_>) -> Result<Option<Outcome>, Error> {
    let unreadable = |error: serde_json::Error| Error::Unreadable(error.to_string());
    let mut errors = if sub.status >= 300 {
        serde_json::from_str::<Vec<RecordError>>(sub.body.get()).map_err(unreadable)?
    } else {
        let answer: RecordAnswer = serde_json::from_str(sub.body.get()).map_err(unreadable)?;
        if answer.success {
            return Ok(None);
        }
        answer.errors
    };
    let mut outcome = refused(sub.status, &mut errors);
    if let Outcome::Refused { message, untold, .. } = &mut outcome {
        *untold = true;
        *message = format!("the record arrived, but {EVENT} was not published: {message}");
    }
    Ok(Some(outcome))
}

/// Reads an absent and a null field alike: an answer that cannot be read stops everything, one without a text does not.
fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

fn refused(status: u16, errors: &mut Vec<RecordError>) -> Outcome {
    if errors.is_empty() {
        let message = "Salesforce gave no reason".to_owned();
        let code = "UNKNOWN".to_owned();
        return Outcome::Refused { status, code, message, fields: Vec::new(), untold: false };
    }
    let RecordError { code, message, fields } = errors.swap_remove(0);
    Outcome::Refused { status, code, message, fields, untold: false }
}

/// Something on the way says so, not the org: that may still be at work.
fn is_gateways(status: u16) -> bool {
    matches!(status, 408 | 502 | 504)
}

/// Judges an answer other than 200 by its status first: some come from the edge and carry HTML.
fn refusal(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Error {
    let error = serde_json::from_slice::<Vec<RecordError>>(body).ok().and_then(|mut errors| errors.pop());
    let (code, message) = error.map_or_else(Default::default, |error| (error.code, error.message));
    match status {
        401 => Error::LoggedOut { code, message },
        429 => Error::RateLimited { message, retry_after },
        503 if retry_after.is_some() => Error::RateLimited { message, retry_after },
        // One code serves for two limits; only the text tells the day's requests from too many long ones at a time.
        403 if code == "REQUEST_LIMIT_EXCEEDED" && message.contains("TotalRequests") => {
            Error::Exhausted { message }
        }
        403 if code == "REQUEST_LIMIT_EXCEEDED" => Error::RateLimited { message, retry_after },
        // The whole org, and it passes.
        403 if code == "API_CURRENTLY_DISABLED" => Error::RateLimited { message, retry_after },
        403 if code == "API_DISABLED_FOR_ORG" => Error::LoggedOut { code, message },
        408 | 420 | 500..=599 => {
            Error::Unreachable(format!("answer {status} {code} {message}").trim_end().to_owned())
        }
        // Without a code it was not the org that answered but something on the way; only these speak of what was sent.
        400 | 413 | 414 | 431 => Error::Rejected { status, code, message },
        400..=499 if !code.is_empty() => Error::Rejected { status, code, message },
        _ => Error::Unreadable(format!("answer {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_by_status_and_code() {
        let judged = |status, body: &str| format!("{:?}", refusal(status, None, body.as_bytes()));
        let error = |code: &str| format!(r#"[{{"message":"text","errorCode":"{code}"}}]"#);
        for (status, body, begins) in [
            (401, error("INVALID_SESSION_ID"), "LoggedOut"),
            (403, error("REQUEST_LIMIT_EXCEEDED"), "RateLimited"),
            (
                403,
                error("REQUEST_LIMIT_EXCEEDED").replace("text", "TotalRequests Limit exceeded."),
                "Exhausted",
            ),
            (403, error("API_CURRENTLY_DISABLED"), "RateLimited"),
            (403, error("INSUFFICIENT_ACCESS"), "Rejected"),
            (429, String::new(), "RateLimited"),
            (400, error("JSON_PARSER_ERROR"), "Rejected"),
            (503, "<html>".to_owned(), "Unreachable"),
            (404, "<html>".to_owned(), "Unreadable"),
            (413, "<html>".to_owned(), "Rejected"),
            (420, String::new(), "Unreachable"),
            (408, String::new(), "Unreachable"),
            (302, String::new(), "Unreadable"),
        ] {
            assert!(judged(status, &body).starts_with(begins), "{status} {body}: {}", judged(status, &body));
        }
    }
}
