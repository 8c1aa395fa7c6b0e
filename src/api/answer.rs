//! What every answer has in common: a request id, and problems told in one shape.

use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use uuid::Uuid;

use super::problem::{Code, Problem};
use crate::metrics::Metrics;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long a caller of the API waits at most.
const DEADLINE: Duration = Duration::from_millis(7_900);

/// Swagger UI styles its elements and has its pictures inside its style sheets.
const DOCS_POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

const PROBLEM_JSON: &str = "application/problem+json";

/// Names one request, in its answer and in the log.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

impl RequestId {
    /// The id of a request that came through [`answer`]; empty for others.
    pub fn of(request: &HttpRequest) -> String {
        request.extensions().get::<Self>().map(|id| id.0.clone()).unwrap_or_default()
    }
}

/// Middleware for the whole application: gives the request an id, and turns what went wrong into a problem.
///
/// Whatever our handlers did not answer themselves (unknown path, wrong method) becomes a problem as well, below `/v1` and
/// at addresses nobody serves; other parts may keep answers of their own.
pub async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = Uuid::now_v7().to_string();
    let (began, method) = (Instant::now(), request.method().clone());
    request.extensions_mut().insert(RequestId(id.clone()));
    // No clone of the request may live while the routes are tried: actix-web takes it apart there.
    let instance = request.path().to_owned();
    let metrics = request.app_data::<web::Data<Metrics>>().cloned();
    let media_type = media_type(request.request());
    let mut response = match next.call(request).await {
        Ok(response) => response.map_into_boxed_body(),
        // Only what has no request left to answer to comes this way.
        Err(error) => {
            let Some(problem) = error.as_error::<Problem>() else { return Err(error) };
            let mut problem = problem.clone();
            problem.request_id = id;
            problem.instance = instance;
            return Err(problem.into());
        }
    };
    if let Some(mut problem) = problem_in(&response) {
        tracing::info!(
            request.id = %id, %method, path = %instance, status = problem.status, code = problem.code.name(),
            stripe.request_id = problem.stripe_request_id, duration_ms = began.elapsed().as_millis(),
            "answered {method} {instance} with {}", problem.code.name()
        );
        problem.request_id.clone_from(&id);
        problem.instance = instance;
        response = response.map_body(|head, _| {
            head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            BoxBody::new(serde_json::to_vec(&*problem).unwrap_or_default())
        });
    }
    if let (Some(metrics), Some(route)) = (metrics, response.request().match_pattern())
        && route.starts_with("/v1")
    {
        metrics.answered(method.as_str(), &route, response.status().as_u16(), began.elapsed());
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    for_browsers(&mut response);
    Ok(response)
}

/// What browsers are told: who opens `/docs`, and who is led elsewhere, gets nothing but what is there, in no frame.
fn for_browsers(response: &mut ServiceResponse<BoxBody>) {
    let path = response.request().path();
    let (documentation, private) = (path.starts_with("/docs"), path.starts_with("/v1"));
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = if documentation { DOCS_POLICY } else { "default-src 'none'; frame-ancestors 'none'" };
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    if private {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn problem_in(response: &ServiceResponse) -> Option<Problem> {
    let error = response.response().error();
    if let Some(problem) = error.and_then(|error| error.as_error::<Problem>()) {
        return Some(problem.clone());
    }
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    let ours = response.request().path().starts_with("/v1") || response.request().match_pattern().is_none();
    (failed && ours).then(|| Problem::of_status(status))
}

/// External Services take nothing but `application/json`; others may ask for the registered type.
fn media_type(request: &HttpRequest) -> &'static str {
    let accepts = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepts.contains(PROBLEM_JSON) { PROBLEM_JSON } else { "application/json" }
}

/// An answer with a body.
pub(super) fn json(status: actix_web::http::StatusCode, body: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::build(status).json(body)
}

/// Middleware that gives up on a handler, so that the caller, who waits 10 s, is told what to do.
///
/// Behind it Stripe alone has its own, shorter limit; this one is for a database that stalls as well.
/// Source: Apex Developer Guide, "Callout Limits": a callout times out after 10 s unless told otherwise.
pub(super) async fn in_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match tokio::time::timeout(DEADLINE, next.call(request)).await {
        Ok(answered) => answered.map(ServiceResponse::map_into_boxed_body),
        Err(elapsed) => {
            tracing::warn!(%elapsed, "gave up on a request");
            Err(Problem::new(
                Code::DeadlinePassed,
                "the request may have taken effect; repeat it with the same idempotencyKey to find out",
            )
            .into())
        }
    }
}

/// Defines an answer: its own fields, and those that every object has.
macro_rules! answer_body {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$outer])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub(super) struct $name {
            $($(#[$inner])* $field: $kind,)*
            /// Notes, the links to Salesforce records among them.
            metadata: Vec<$crate::api::metadata::MetadataEntry>,
            /// Names this request in the service's log.
            #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
            request_id: String,
            /// The key the request travelled under; absent when an object was only read.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schema(nullable = false, example = "invoice-4711-deposit")]
            idempotency_key: Option<String>,
            /// Whether this is the answer of an earlier call with the same key, and nothing was done now.
            #[schema(example = false)]
            idempotency_replayed: bool,
        }

        impl $crate::api::reading::Named for $name {
            fn name(&mut self, request_id: String) {
                self.request_id = request_id;
            }
        }
    };
}
pub(super) use answer_body;
