//! The way of every creation and change: read, claim the key, ask Stripe, write down what became of it, answer.
//!
//! The work runs beside the request, so that it goes on when the caller hangs up or has waited long enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::time::Instant;
use uuid::Uuid;

use super::ApiState;
use super::action::{Action, Head, Kind};
use super::answer::{RequestId, json};
use super::ask::{Outcome, Question, ask, with_secrets};
use super::auth::{Caller, Scope};
use super::bulk::BulkResult;
use super::fields::Fields;
use super::idempotency::{Claimed, Claims, Held, Known, Wanted};
use super::operations;
use super::pace::Pace;
use super::problem::{Code, Problem};
use super::request::JsonBody;
use crate::clock::Clock;
use crate::config::{ApiConfig, StripeConfig};
use crate::crash;
use crate::store::Store;
use crate::stripe;

/// Stripe may forget a key after 24 hours, and would then do the work again. From this age on it is looked up instead.
const KEY_IS_OLD: Duration = Duration::from_secs(23 * 60 * 60);
/// Stripe forgets events after 30 days. What was not found out by then, a person has to.
const EVENTS_ARE_GONE: Duration = Duration::from_secs(29 * 24 * 60 * 60);
/// Stripe's clock and ours may differ so much.
const SKEW: Duration = Duration::from_secs(300);

/// Everything that creations and changes need; one for the whole process.
#[derive(Debug)]
pub struct Pipeline {
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) claims: Claims,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) settings: ApiConfig,
    /// Where the work runs: not on the threads that serve requests, which end before it.
    pub(super) runtime: Handle,
}

/// A Stripe account that callers can name.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) client: stripe::Client,
    pub(super) pace: Arc<Pace>,
}

impl Pipeline {
    /// Starts the threads that commit claims. Must be called on the runtime where work may go on.
    ///
    /// Errors: the machine has no threads left.
    pub fn start(
        clients: BTreeMap<String, (stripe::Client, &StripeConfig)>,
        store: &Store,
        clock: &Clock,
        settings: &ApiConfig,
    ) -> std::io::Result<Arc<Self>> {
        let account = |(name, (client, config)): (String, (stripe::Client, &StripeConfig))| {
            let pace = Arc::new(Pace::new(config.concurrency, config.requests_per_second));
            (name.clone(), Account { name, client, pace })
        };
        Ok(Arc::new(Self {
            accounts: clients.into_iter().map(account).collect(),
            claims: Claims::start(store, clock.clone(), settings.lease)?,
            store: store.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
            runtime: Handle::current(),
        }))
    }

    /// Has one thing done, or finds out what became of it.
    ///
    /// Errors: the key could not be claimed; nothing was done by this call.
    async fn perform(&self, account: &Account, caller: &str, wanted: &Wanted) -> Result<Outcome, Problem> {
        let lease = Uuid::now_v7().to_string();
        match self.claims.take(&account.name, caller, wanted, &lease).await? {
            Claimed::Ours(held) => {
                account.pace.count();
                Ok(self.finish(account, wanted, &held).await)
            }
            Claimed::Known(Known::Done { answer, replayed }) => {
                let answer = with_secrets(&account.client, wanted.kind, answer).await;
                Ok(Outcome::Known(Known::Done { answer, replayed }))
            }
            Claimed::Known(failed) => Ok(Outcome::Known(failed)),
            Claimed::Running => Err(Problem::key_in_use()),
            Claimed::Reused => Err(Problem::key_reused()),
        }
    }

    /// Works on a claim that is ours, and writes down what became of it.
    pub(super) async fn finish(&self, account: &Account, wanted: &Wanted, held: &Held) -> Outcome {
        crash::at("call_claimed");
        let outcome = self.find_out(account, wanted, held).await;
        crash::at("call_answered");
        self.claims.settle(held, &outcome).await;
        crash::at("call_settled");
        outcome
    }

    /// Whether Stripe has forgotten the events that would tell what became of it.
    pub(super) fn is_beyond_finding_out(&self, held: &Held) -> bool {
        held.asked_before && self.clock.now() - held.created_at >= EVENTS_ARE_GONE
    }

    async fn find_out(&self, account: &Account, wanted: &Wanted, held: &Held) -> Outcome {
        let Wanted { kind, request, key } = wanted;
        let age = self.clock.now() - held.created_at;
        let is_old = held.asked_before && age >= KEY_IS_OLD && request.deletes().is_none();
        if is_old && self.is_beyond_finding_out(held) {
            tracing::error!(
                claim.id = held.id,
                action = kind.name,
                "nobody can find out any more what became of a call"
            );
            let problem = with_key(Problem::never_found_out(), wanted);
            return Outcome::Known(Known::Failed(problem));
        }
        if is_old {
            return match self.look_up(account, wanted, held).await {
                Ok(Found::Done(known)) => Outcome::Known(known),
                // For good: begun anew, it would be there twice.
                Ok(Found::Begun(id)) => {
                    let problem = Problem::never_finished(kind.object, &id);
                    Outcome::Known(Known::Failed(with_key(problem, wanted)))
                }
                Ok(Found::Nothing) => Outcome::Refused(with_key(Problem::never_done(), wanted)),
                Err(error) => {
                    Outcome::Unknown { problem: with_key(Problem::reading(&error), wanted), again: true }
                }
            };
        }
        // The last try needs time, too.
        let until = Instant::now() + self.settings.patience * 3 / 4;
        let question = Question {
            client: &account.client,
            pace: &account.pace,
            kind: *kind,
            request,
            key: key.text(),
            asked_before: held.asked_before,
        };
        let (outcome, unknown) = ask(question, until).await;
        match (&outcome, request.deletes()) {
            // Stripe gives its own failures again for as long as it knows the key; its events may tell more.
            (Outcome::Unknown { again: false, .. }, _) if held.asked_before => {
                match self.look_up(account, wanted, held).await {
                    Ok(Found::Done(known)) => Outcome::Known(known),
                    _ => outcome,
                }
            }
            // The request whose outcome was unknown deleted it.
            (Outcome::Refused(problem), Some(id)) if unknown && problem.is_missing() => {
                match self.read(account, *kind, id).await {
                    Ok(known) => Outcome::Known(known),
                    Err(_) => outcome,
                }
            }
            _ => outcome,
        }
    }

    /// What a request did whose key is too old to ask with, or whose answer is no use.
    async fn look_up(&self, account: &Account, wanted: &Wanted, held: &Held) -> Result<Found, stripe::Error> {
        let (since, until) = (held.created_at - SKEW, held.sent_at + self.settings.lease + SKEW);
        let find = |key: String| async move {
            account.client.find_by_key(wanted.kind.object, &key, since, until).await
        };
        // Of several calls, the last one tells that all were done.
        let (first, last) = (wanted.key.text().to_owned(), wanted.request.last_key(wanted.key.text()));
        if let Some(id) = find(last.clone()).await? {
            return self.read(account, wanted.kind, &id).await.map(Found::Done);
        }
        let begun = if first == last { None } else { find(first).await? };
        Ok(begun.map_or(Found::Nothing, Found::Begun))
    }

    async fn read(&self, account: &Account, kind: Kind, id: &str) -> Result<Known, stripe::Error> {
        let read = account.client.fetch(kind.object, id).await?;
        let said = stripe::Answer { object: read.body, replayed: true, request_id: None };
        Ok(Known::Done { answer: (kind.answer)(&said)?, replayed: true })
    }
}

/// What Stripe's events say about a request.
enum Found {
    Done(Known),
    /// The first of several calls made this, and the last one was not made.
    Begun(String),
    Nothing,
}

fn with_key(mut problem: Problem, wanted: &Wanted) -> Problem {
    problem.idempotency_key = Some(wanted.key.text().to_owned());
    problem
}

/// A request for something to be done, by somebody who may ask.
pub(super) struct Asked {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) account: Account,
    pub(super) caller: String,
    pub(super) head: Head,
    pub(super) request_id: String,
    pub(super) body: JsonBody,
}

impl FromRequest for Asked {
    type Error = Problem;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let state = request.app_data::<web::Data<ApiState>>().cloned();
        let body = JsonBody::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let caller = caller.await?;
            caller.require(Scope::PaymentsWrite)?;
            let body = body.await?;
            let state = state.ok_or_else(Problem::not_set_up)?;
            Ok(Self {
                account: state.account(&request)?.clone(),
                pipeline: Arc::clone(&state.pipeline),
                caller: caller.key_id,
                head: Head::of(&request),
                request_id: RequestId::of(&request),
                body,
            })
        })
    }
}

/// Answers an endpoint that does one thing.
pub(super) async fn single<A: Action>(asked: Asked) -> Result<HttpResponse, Problem> {
    let kind = Kind::of::<A>();
    let fields = if kind.changes { asked.body.fields_if_any()? } else { asked.body.fields()? };
    let wanted = read(kind, fields, &asked.head)?;
    let (pipeline, account) = (Arc::clone(&asked.pipeline), asked.account.clone());
    let (caller, work) = (asked.caller.clone(), wanted.clone());
    let work = async move { pipeline.perform(&account, &caller, &work).await };
    let work = asked.pipeline.runtime.spawn(work);
    let Ok(ended) = tokio::time::timeout(asked.pipeline.settings.patience, work).await else {
        return accepted(&asked, &wanted).await;
    };
    let outcome = ended.map_err(|error| {
        tracing::error!(%error, "a call to Stripe panicked");
        with_key(Problem::new(Code::InternalError, "repeat the request with the same key"), &wanted)
    })?;
    match outcome.map_err(|problem| with_key(problem, &wanted))? {
        Outcome::Known(Known::Done { mut answer, replayed }) => {
            answer.insert("requestId".to_owned(), asked.request_id.into());
            answer.insert("idempotencyKey".to_owned(), wanted.key.text().into());
            answer.insert("idempotencyReplayed".to_owned(), replayed.into());
            answer.insert("operationStatus".to_owned(), "completed".into());
            Ok(json(kind.status, &answer))
        }
        Outcome::Unknown { again: true, .. } => accepted(&asked, &wanted).await,
        Outcome::Known(Known::Failed(problem))
        | Outcome::Refused(problem)
        | Outcome::Unknown { problem, .. } => Err(problem),
    }
}

/// The answer while nobody knows more. In the contract these are fields of every answer: `openapi::may_be_accepted`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted<'a> {
    operation_id: String,
    operation_status: &'a str,
    request_id: &'a str,
    idempotency_key: &'a str,
    idempotency_replayed: bool,
}

/// Answers that the work goes on, and where to ask for it.
async fn accepted(asked: &Asked, wanted: &Wanted) -> Result<HttpResponse, Problem> {
    let results = vec![BulkResult::pending(0, wanted.key.text())];
    let kept = operations::keep(asked, wanted.kind, &results).await.map_err(|p| with_key(p, wanted))?;
    let accepted = Accepted {
        operation_id: kept.id,
        operation_status: "running",
        request_id: &asked.request_id,
        idempotency_key: wanted.key.text(),
        idempotency_replayed: false,
    };
    Ok(json(StatusCode::ACCEPTED, &accepted))
}

/// What a body asks for.
///
/// Errors: 422 `invalid_request` with everything that is wrong with it.
pub(super) fn read(kind: Kind, mut fields: Fields, head: &Head) -> Result<Wanted, Problem> {
    let read = (kind.read)(&mut fields, head);
    let (request, key) = fields.finish(read)?;
    Ok(Wanted { kind, request, key })
}
