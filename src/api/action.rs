//! What callers can have done at Stripe: one small type for each creation or change, run in one way by all endpoints.
//!
//! To add a resource, write one file like `customers.rs` and name its `RESOURCE` in the list of `mod.rs`:
//!
//! 1. `request_body!` describes the body, a struct with `ToSchema` the answer.
//! 2. A unit type implements [`Action`]: how the body becomes a request to Stripe, and Stripe's object an answer.
//! 3. One line each hands the endpoint and its bulk twin to [`single`](super::pipeline::single) and
//!    [`bulk`](super::bulk::bulk); `bulk_body!` describes the twin's body.
//! 4. `RESOURCE` lists the actions, the routes and the documented paths.
//!
//! Idempotency, waiting, problems, operations and the bulk answer come by themselves, and tests hold the contract to the
//! routes and to the fields that are read.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::idempotency::Key;
use crate::stripe;

/// A creation or change that callers can ask for.
pub(super) trait Action {
    /// The `operationId` of the endpoint. It is a part of derived idempotency keys, so it never changes.
    const NAME: &'static str;
    /// Stripe's name of the kind of object that comes of it, like `payment_intent`.
    const OBJECT: &'static str;
    /// What success is answered with: 201, or 200 for a change.
    const STATUS: StatusCode = StatusCode::CREATED;
    /// Whether it changes an object that the path names; then there may be no body.
    const CHANGES: bool = false;
    /// The field of the answer with a page to send somebody to; told in bulk answers as `url`.
    const URL: &'static str = "url";
    /// What Stripe answers.
    type Object: DeserializeOwned;
    /// What the caller is answered. `requestId`, `idempotencyKey` and `idempotencyReplayed` are filled in later.
    type Answer: Serialize;

    /// Reads a body: what to ask of Stripe, and under which key. `None` when fields are wrong.
    ///
    /// The same body must make the same request, today and tomorrow: no clock, no chance. Stripe refuses a key that comes
    /// back with another request, and so do we.
    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)>;

    /// What became of it, in the words of the contract.
    fn answer(object: Self::Object) -> Self::Answer;
}

/// An [`Action`] as a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) object: &'static str,
    pub(super) status: StatusCode,
    pub(super) changes: bool,
    pub(super) url: &'static str,
    pub(super) read: fn(&mut Fields, &Head) -> Option<(stripe::Request, Key)>,
    /// Makes the answer of what Stripe said.
    pub(super) answer: fn(&stripe::Answer) -> Result<Map<String, Value>, stripe::Error>,
}

impl Kind {
    /// The kind whose `operationId` this is.
    pub(super) fn named(name: &str) -> Option<Self> {
        let kinds = super::RESOURCES.iter().flat_map(|resource| resource.actions);
        kinds.copied().find(|kind| kind.name == name)
    }

    pub(super) const fn of<A: Action>() -> Self {
        Self {
            name: A::NAME,
            object: A::OBJECT,
            status: A::STATUS,
            changes: A::CHANGES,
            url: A::URL,
            read: A::read,
            answer: answer::<A>,
        }
    }
}

fn answer<A: Action>(said: &stripe::Answer) -> Result<Map<String, Value>, stripe::Error> {
    let answer = serde_json::to_value(A::answer(said.read()?));
    Ok(match answer {
        Ok(Value::Object(fields)) => fields,
        // Answers are structs of text, numbers and lists.
        _ => Map::new(),
    })
}

/// The endpoints of one kind of object, as a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resource {
    /// Everything that creates or changes.
    pub(super) actions: &'static [Kind],
    /// Paths below `/v1`.
    pub(super) routes: fn(&mut web::ServiceConfig),
    /// The same paths, documented.
    pub(super) paths: fn() -> utoipa::openapi::OpenApi,
}

/// What a request says besides its body.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// The header `Idempotency-Key`. One that cannot be read is not no key: it is refused as a wrong one.
    pub(super) key: Option<String>,
    path: Vec<(String, String)>,
}

impl Head {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let key = request.headers().get("idempotency-key");
        let key = key.map(|key| key.to_str().unwrap_or("\u{fffd}").trim().to_owned());
        let path = request.match_info().iter().map(|(name, part)| (name.to_owned(), part.to_owned()));
        Self { key: key.filter(|key| !key.is_empty()), path: path.collect() }
    }

    /// A part of the path, like `paymentIntentId`; empty when the path has none of that name.
    pub(super) fn path(&self, name: &str) -> &str {
        self.path.iter().find(|(other, _)| other == name).map_or("", |(_, part)| part)
    }
}
