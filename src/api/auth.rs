//! Finds the caller of a request, and answers those who are none.

use std::net::IpAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};

use super::ApiState;
use super::problem::{Code, Problem};
use crate::auth::{Auth, Refusal};
pub(super) use crate::auth::{Caller, Scope};

impl Caller {
    /// Errors: 403 `insufficient_scope` when the caller may not do this.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) {
            return Ok(());
        }
        Err(Problem::new(Code::InsufficientScope, format!("this needs the scope `{scope}`")))
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        std::future::ready(caller.ok_or_else(missing))
    }
}

/// Middleware for everything that needs a caller; extractors behind it get the [`Caller`].
pub async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(state) = request.app_data::<web::Data<ApiState>>().cloned() else {
        return Ok(request.error_response(Problem::not_set_up()));
    };
    let caller = match bearer(request.request()) {
        Some(bearer) if said_twice(bearer) => Err(Problem::new(
            Code::CredentialsInvalid,
            "the header says `Bearer` twice: where you put the token in, leave the word out",
        )),
        Some(bearer) => {
            let source = source(request.request(), &state.auth);
            state.auth.authenticate(bearer, source).await.map_err(Problem::from)
        }
        None => Err(missing()),
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            let response = next.call(request).await?;
            if response.status() == StatusCode::FORBIDDEN {
                state.auth.refused(&caller);
            }
            Ok(response.map_into_boxed_body())
        }
        Err(problem) => Ok(request.error_response(problem)),
    }
}

/// Swagger UI and Named Credentials put the word there themselves, and people paste it once more.
fn said_twice(bearer: &str) -> bool {
    bearer.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case("bearer "))
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Where a request came from: the other end of the connection, or what our own proxy says about it.
pub(super) fn source(request: &HttpRequest, auth: &Auth) -> Option<IpAddr> {
    let peer = request.peer_addr().map(|address| address.ip());
    let Some(header) = &auth.source_header else { return peer };
    // The last one is the proxy's own word; what stands before it was sent by whoever called.
    let named = request.headers().get_all(header.as_str()).last().and_then(|value| value.to_str().ok());
    let last = named.and_then(|list| list.rsplit(',').next()).map(str::trim);
    last.and_then(|text| text.parse().ok()).or(peer)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown | Refusal::Assertion(_) => {
                Self::new(Code::CredentialsInvalid, "the bearer token is unknown or was withdrawn")
            }
            Refusal::Expired(advice) => Self::new(Code::CredentialsExpired, advice),
            Refusal::TooManyFailures(wait) => Self::new(
                Code::TooManyFailures,
                "the key is unknown or was withdrawn, and too many wrong ones came from this address",
            )
            .after(wait),
            Refusal::TooManyRequests(wait) => Self::new(
                Code::RateLimited,
                "this key used up its requests for now; nothing was done, repeat after retryAfterSeconds",
            )
            .after(wait),
            Refusal::Scope(detail) => Self::new(Code::InsufficientScope, detail),
            Refusal::Store(error) => Self::from(error),
            Refusal::Signing(error) => {
                tracing::error!(%error, "no token could be signed");
                Self::new(Code::InternalError, "the operators of this service find the reason in its log")
            }
        }
    }
}

fn missing() -> Problem {
    Problem::new(
        Code::CredentialsMissing,
        "send the header `Authorization: Bearer …` with an access token or an API key",
    )
}
