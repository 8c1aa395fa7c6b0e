//! `/oauth/token`: access tokens for clients that prove who they are. What a Named Credential speaks.
//!
//! Source: RFC 6749, sections 2.3.1, 4.4 and 5; RFC 7523, sections 2.1 and 2.2. A client is an API key: its id and its secret part.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::auth::source;
use super::problem::whole_seconds;
use super::{ApiState, RequestId};
use crate::auth::{Issued, Proof, Refusal};

const JWT_BEARER_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const JWT_BEARER_CLIENT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The longest form that is read: an assertion of 8 KiB and the rest.
const FORM_LIMIT: usize = 16 * 1024;

/// Whoever asks for a token waits at most so long, and has so long to send the form.
const DEADLINE: Duration = Duration::from_secs(7);

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.service(
        web::resource("/oauth/token").route(web::post().to(token)).default_service(web::to(not_post)),
    );
}

/// A token. Source: RFC 6749, section 5.1.
#[derive(Serialize)]
struct Granted<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    scope: &'a str,
}

/// No token. Source: RFC 6749, section 5.2; the last two are ours.
#[derive(Debug, Serialize)]
struct Refused {
    #[serde(skip)]
    status: StatusCode,
    /// Whether the client tried by `Authorization`, which wants to be answered by a header.
    #[serde(skip)]
    basic: bool,
    error: &'static str,
    error_description: Cow<'static, str>,
    #[serde(rename = "requestId")]
    request_id: String,
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

type Form<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

async fn token(request: HttpRequest, state: web::Data<ApiState>, body: web::Payload) -> HttpResponse {
    match grant(&request, &state, body).await {
        Ok(issued) => HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Granted {
            access_token: issued.token.expose_secret(),
            token_type: "Bearer",
            expires_in: issued.seconds,
            scope: &issued.scope,
        }),
        Err(mut refused) => {
            refused.request_id = RequestId::of(&request);
            tracing::info!(
                request.id = refused.request_id,
                error = refused.error,
                "no token: {}",
                refused.error_description
            );
            refused.answer()
        }
    }
}

async fn grant(request: &HttpRequest, state: &ApiState, body: web::Payload) -> Result<Issued, Refused> {
    let body = match tokio::time::timeout(DEADLINE, body.to_bytes_limited(FORM_LIMIT)).await {
        Ok(Ok(Ok(body))) => body,
        Ok(Ok(Err(_)) | Err(_)) => {
            let problem = format!("the form did not arrive whole, or is longer than {FORM_LIMIT} bytes");
            return Err(invalid(problem));
        }
        Err(_elapsed) => {
            let problem = format!("the form did not arrive within {} seconds", DEADLINE.as_secs());
            return Err(invalid(problem));
        }
    };
    if request.content_type() != "application/x-www-form-urlencoded" {
        return Err(invalid("send a form: Content-Type: application/x-www-form-urlencoded"));
    }
    let form = read_form(&body)?;
    let basic = basic(request)?;
    let proof = proof(&form, basic.as_ref())?;
    let scope = form.get("scope").map(|scope| &**scope);
    let source = source(request, &state.auth);
    match tokio::time::timeout(DEADLINE, state.auth.token(proof, scope, source)).await {
        Ok(Ok(issued)) => Ok(issued),
        Ok(Err(refusal)) => {
            let assertion = matches!(proof, Proof::Assertion(_));
            Err(Refused { basic: basic.is_some(), ..refused(refusal, assertion) })
        }
        Err(_elapsed) => Err(unavailable()),
    }
}

fn read_form(body: &[u8]) -> Result<Form<'_>, Refused> {
    let mut form = Form::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if form.contains_key(&name) {
            return Err(invalid("a parameter was sent twice"));
        }
        form.insert(name, value);
    }
    Ok(form)
}

/// Id and secret of `Authorization: Basic`. Ours need no percent-encoding.
fn basic(request: &HttpRequest) -> Result<Option<(String, String)>, Refused> {
    let Some(header) = request.headers().get(AUTHORIZATION) else { return Ok(None) };
    let malformed = || Refused {
        basic: true,
        ..invalid_client("the header Authorization is not `Basic` with base64 of `id:secret`")
    };
    let (scheme, encoded) =
        header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (id, secret) = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    Ok(Some((id.to_owned(), secret.to_owned())))
}

/// How the client proves who it is: by one way, as RFC 6749 asks in section 2.3.
fn proof<'a>(form: &'a Form<'_>, basic: Option<&'a (String, String)>) -> Result<Proof<'a>, Refused> {
    let get = |name: &str| form.get(name).map(|value| &**value).filter(|value| !value.is_empty());
    match get("grant_type") {
        Some("client_credentials") => {}
        Some(JWT_BEARER_GRANT) => {
            let missing = || invalid("send the signed assertion as `assertion`");
            return get("assertion").map(Proof::Assertion).ok_or_else(missing);
        }
        Some(_) => {
            return Err(Refused {
                error: "unsupported_grant_type",
                ..invalid(format!("grant_type is client_credentials or {JWT_BEARER_GRANT}"))
            });
        }
        None => return Err(invalid("send grant_type, such as client_credentials")),
    }
    match (basic, get("client_secret"), get("client_assertion")) {
        (Some((id, secret)), None, None) => {
            if get("client_id").is_some_and(|other| other != id) {
                return Err(invalid("client_id is not the one of the header Authorization"));
            }
            Ok(Proof::Secret { id, secret })
        }
        (None, Some(secret), None) => {
            let id = get("client_id").ok_or_else(|| invalid("send client_id with client_secret"))?;
            Ok(Proof::Secret { id, secret })
        }
        (None, None, Some(assertion)) => match get("client_assertion_type") {
            Some(JWT_BEARER_CLIENT) => Ok(Proof::OwnAssertion(assertion)),
            _ => Err(invalid(format!("client_assertion_type is {JWT_BEARER_CLIENT}"))),
        },
        (None, None, None) => Err(invalid_client(
            "send client_id and client_secret in the form or by `Authorization: Basic`, or client_assertion",
        )),
        _ => Err(invalid("prove who you are in one way, not in several")),
    }
}

fn refused(refusal: Refusal, assertion: bool) -> Refused {
    match refusal {
        Refusal::Unknown if assertion => {
            invalid_grant("the assertion is not signed by a certificate that is trusted for its `iss`")
        }
        Refusal::Unknown => invalid_client("client id or secret is wrong, or was withdrawn"),
        Refusal::Expired(what) if assertion => invalid_grant(what),
        Refusal::Expired(_) => invalid_client("the client has expired; create a new one"),
        Refusal::Assertion(what) if assertion => invalid_grant(what),
        Refusal::Assertion(what) => invalid_client(what),
        Refusal::Scope(what) => Refused { error: "invalid_scope", ..invalid(what) },
        Refusal::TooManyFailures(wait) => slow_down("too many wrong attempts came from this address", wait),
        Refusal::TooManyRequests(wait) => slow_down("this client used up its requests for now", wait),
        Refusal::Store(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the store did not answer the API");
            unavailable()
        }
        Refusal::Signing(error) => {
            tracing::error!(%error, "no token could be signed");
            Refused {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "server_error",
                ..invalid("the operators of this service find the reason in its log")
            }
        }
    }
}

async fn not_post(request: HttpRequest) -> HttpResponse {
    let refused = Refused {
        status: StatusCode::METHOD_NOT_ALLOWED,
        request_id: RequestId::of(&request),
        ..invalid("ask by POST")
    };
    let mut response = refused.answer();
    if let Ok(post) = Method::POST.as_str().parse() {
        response.headers_mut().insert(actix_web::http::header::ALLOW, post);
    }
    response
}

fn invalid(description: impl Into<Cow<'static, str>>) -> Refused {
    Refused {
        status: StatusCode::BAD_REQUEST,
        basic: false,
        error: "invalid_request",
        error_description: description.into(),
        request_id: String::new(),
        retry_after_seconds: None,
    }
}

fn invalid_client(description: &'static str) -> Refused {
    Refused { status: StatusCode::UNAUTHORIZED, error: "invalid_client", ..invalid(description) }
}

fn invalid_grant(description: &'static str) -> Refused {
    Refused { error: "invalid_grant", ..invalid(description) }
}

fn slow_down(description: &'static str, wait: Duration) -> Refused {
    Refused {
        status: StatusCode::TOO_MANY_REQUESTS,
        error: "temporarily_unavailable",
        retry_after_seconds: Some(whole_seconds(wait)),
        ..invalid(description)
    }
}

fn unavailable() -> Refused {
    Refused {
        status: StatusCode::SERVICE_UNAVAILABLE,
        error: "temporarily_unavailable",
        ..invalid("the service cannot reach its database; ask again later")
    }
}

impl Refused {
    fn answer(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if self.basic && self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"paybridge\""));
        }
        response.json(self)
    }
}
