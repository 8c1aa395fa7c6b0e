//! The way of every creation and change: read, ask Stripe, answer.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use super::ApiState;
use super::action::{Action, Head, Kind};
use super::answer::{RequestId, json};
use super::auth::{Caller, Scope};
use super::fields::Fields;
use super::idempotency::Key;
use super::problem::Problem;
use super::request::JsonBody;
use crate::stripe;

/// A request for something to be done, by somebody who may ask.
pub(super) struct Asked {
    pub(super) client: stripe::Client,
    pub(super) head: Head,
    pub(super) request_id: String,
    pub(super) body: JsonBody,
}

impl FromRequest for Asked {
    type Error = Problem;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let state = web::Data::<ApiState>::extract(request);
        let body = JsonBody::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            caller.await?.require(Scope::PaymentsWrite)?;
            let body = body.await?;
            let state = state.await.map_err(|_| Problem::not_set_up())?;
            let client = state.client(&request)?.clone();
            Ok(Self { client, head: Head::of(&request), request_id: RequestId::of(&request), body })
        })
    }
}

/// One thing to be done.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) request: stripe::Request,
    pub(super) key: Key,
}

/// What became of it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// As the contract describes it.
    pub(super) answer: Map<String, Value>,
    /// Whether this is the answer of an earlier call, and nothing was done now.
    pub(super) replayed: bool,
}

/// Answers an endpoint that does one thing.
pub(super) async fn single<A: Action>(asked: Asked) -> Result<HttpResponse, Problem> {
    let kind = Kind::of::<A>();
    let wanted = read(kind, asked.body.fields()?, &asked.head)?;
    let key = wanted.key.text().to_owned();
    let made = perform(&asked.client, &wanted).await?;
    let mut answer = made.answer;
    answer.insert("requestId".to_owned(), asked.request_id.into());
    answer.insert("idempotencyKey".to_owned(), key.into());
    answer.insert("idempotencyReplayed".to_owned(), made.replayed.into());
    Ok(json(kind.status, &answer))
}

/// What a body asks for.
///
/// Errors: 422 `invalid_request` with everything that is wrong with it.
pub(super) fn read(kind: Kind, mut fields: Fields, head: &Head) -> Result<Wanted, Problem> {
    let read = (kind.read)(&mut fields, head);
    let (request, key) = fields.finish(read)?;
    Ok(Wanted { kind, request, key })
}

/// Has it done.
///
/// Errors: what became of it, with the key to repeat it with.
pub(super) async fn perform(client: &stripe::Client, wanted: &Wanted) -> Result<Made, Problem> {
    let answered = client.change(&wanted.request, wanted.key.text()).await;
    let made =
        answered.and_then(|said| Ok(Made { answer: (wanted.kind.answer)(&said)?, replayed: said.replayed }));
    made.map_err(|error| {
        let mut problem = Problem::changing(&error);
        problem.idempotency_key = Some(wanted.key.text().to_owned());
        problem
    })
}
