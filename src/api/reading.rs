//! The way of every endpoint that reads one object: ask Stripe, answer.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ApiState;
use super::action::Head;
use super::answer::{RequestId, json};
use super::auth::{Caller, Scope};
use super::problem::Problem;
use crate::stripe;

/// A request for an object as Stripe has it now, by somebody who may read.
pub(super) struct Reading {
    client: stripe::Client,
    head: Head,
    request_id: String,
    /// Whether the caller may change things as well.
    pub(super) may_write: bool,
}

/// An answer that names the request.
pub(super) trait Named {
    fn name(&mut self, request_id: String);
}

impl FromRequest for Reading {
    type Error = Problem;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let state = request.app_data::<web::Data<ApiState>>().cloned();
        let request = request.clone();
        Box::pin(async move {
            let caller = caller.await?;
            caller.require(Scope::PaymentsRead)?;
            let state = state.ok_or_else(Problem::not_set_up)?;
            Ok(Self {
                client: state.client(&request)?.clone(),
                head: Head::of(&request),
                request_id: RequestId::of(&request),
                may_write: caller.may(Scope::PaymentsWrite),
            })
        })
    }
}

impl Reading {
    /// The object of this kind (as in Stripe's field `object`) whose id is the part `name` of the path.
    ///
    /// Errors: 404 `resource_missing`, and what can go wrong between here and Stripe.
    pub(super) async fn object<O: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<O, Problem> {
        let read = self.client.read(kind, self.head.path(name)).await;
        read.map_err(|error| Problem::reading(&error))
    }

    /// The answer.
    pub(super) fn answer(self, mut answer: impl Named + Serialize) -> HttpResponse {
        answer.name(self.request_id);
        json(StatusCode::OK, &answer)
    }
}

/// Answers an endpoint that reads one object.
pub(super) async fn one<O, A>(reading: Reading, kind: &str, name: &str) -> Result<HttpResponse, Problem>
where
    O: DeserializeOwned,
    A: From<O> + Named + Serialize,
{
    let object: O = reading.object(kind, name).await?;
    Ok(reading.answer(A::from(object)))
}
