//! What the caller sees when something is wrong; the only file that maps errors to HTTP status codes.
//!
//! The shape is RFC 9457 with a stable `code`. It is served as `application/json`, because Salesforce's External Services
//! read nothing else, and as `application/problem+json` when the caller asks for that.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::fields::excerpt;
use super::stripe_fields;
use crate::{store, stripe};

/// How long to wait when Stripe says only that there were too many: its limits are per second.
const STRIPE_RATE_WAIT: Duration = Duration::from_secs(2);

/// What went wrong, on its way to the caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Problem(Box<Body>);

/// An error, with everything the caller needs to react to it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    /// Names the kind of problem as an identifier; the same as `code`.
    #[serde(rename = "type")]
    #[schema(example = "urn:paybridge:problem:invalid_request")]
    pub type_uri: String,
    /// The kind of problem, for people.
    #[schema(example = "The request is not valid")]
    pub title: String,
    /// The HTTP status code of this answer.
    #[schema(value_type = i32, format = Int32, example = 422)]
    pub status: u16,
    /// What went wrong this time, and what to do about it.
    #[schema(example = "amount: 12.345 has more decimals than USD allows (2)")]
    pub detail: String,
    /// The path that was called.
    #[schema(example = "/v1/payment-intents")]
    pub instance: String,
    /// Stable name of the kind of problem.
    #[schema(schema_with = code_schema)]
    pub code: Code,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    pub request_id: String,
    /// Whether the same request can succeed later. Repeat it with the same idempotency key.
    #[schema(example = false)]
    pub retryable: bool,
    /// Stripe's code of the error, when Stripe refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "card_declined")]
    pub stripe_code: Option<String>,
    /// The bank's reason, when a payment was declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "insufficient_funds")]
    pub decline_code: Option<String>,
    /// The payment intent that exists although its payment failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "pi_3PqXyZ2eZvKYlo2C1a2b3c4d")]
    pub payment_intent_id: Option<String>,
    /// The idempotency key the request was sent to Stripe with. Repeat with this key when the outcome is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "paybridge-createPaymentIntent-006Ws00000ABCDEIA5")]
    pub idempotency_key: Option<String>,
    /// Stripe's name of the request, to look it up in the Dashboard.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "req_8KmPqRsTuVwXyZ")]
    pub stripe_request_id: Option<String>,
    /// How long to wait before the request is repeated, when there were too many.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<i32>, format = Int32, example = 2)]
    pub retry_after_seconds: Option<u64>,
    /// Each field that is wrong. Empty when the problem is not about fields.
    pub errors: Vec<FieldProblem>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldProblem {
    /// Where it is, like `items[0].quantity`.
    #[schema(example = "amount")]
    pub field: String,
    /// What is wrong.
    #[schema(example = "12.345 has more decimals than USD allows (2)")]
    pub problem: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "a decimal amount in major units")]
    pub expected: Option<String>,
    /// A value that would be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "129.90")]
    pub example: Option<String>,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $status:literal, $title:literal, $retryable:literal;)+) => {
        /// Every kind of problem the API answers with. Removing one breaks callers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code { $($(#[doc = $doc])* $name),+ }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable name, the HTTP status, the title, and whether repeating can help.
            fn facts(self) -> (&'static str, u16, &'static str, bool) {
                match self { $(Self::$name => ($code, $status, $title, $retryable)),+ }
            }
        }
    };
}

// 401 means a dead credential and nothing else: it makes Salesforce fetch a new token.
codes! {
    /// Not JSON, or not an object.
    InvalidJson = "invalid_json", 400, "The body is not a JSON object", false;
    /// A malformed request in some other way.
    BadRequest = "bad_request", 400, "The request cannot be read", false;
    /// No bearer token.
    CredentialsMissing = "credentials_missing", 401, "No credentials were sent", false;
    /// An unknown or withdrawn key.
    CredentialsInvalid = "credentials_invalid", 401, "The credentials are not valid", false;
    /// A key past its end.
    CredentialsExpired = "credentials_expired", 401, "The credentials have expired", false;
    /// The bank, or Stripe, declined the payment.
    PaymentDeclined = "payment_declined", 402, "The payment was declined", false;
    /// A valid key that may not do this.
    InsufficientScope = "insufficient_scope", 403, "The credentials do not allow this", false;
    /// A valid key that is bound to another account or org.
    AccountNotAllowed = "account_not_allowed", 403, "The credentials are for another account", false;
    /// No such path.
    UnknownPath = "unknown_path", 404, "There is nothing at this address", false;
    /// No such object at Stripe.
    ResourceMissing = "resource_missing", 404, "The object does not exist", false;
    /// The path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", 405, "The address does not take this method", false;
    /// The first request with this key is still running.
    IdempotencyKeyInUse = "idempotency_key_in_use", 409, "A request with the same idempotency key is still running", true;
    /// Something else is changing the object.
    Conflict = "conflict", 409, "Another request is in the way", true;
    /// More than 1 MiB.
    BodyTooLarge = "body_too_large", 413, "The body is too large", false;
    /// Not `application/json`.
    UnsupportedMediaType = "unsupported_media_type", 415, "The body must be JSON", false;
    /// Fields are missing, unknown or wrong; `errors` names them.
    InvalidRequest = "invalid_request", 422, "The request is not valid", false;
    /// Today's mapping makes no record of it.
    NotReplayable = "not_replayable", 422, "The dead letter cannot be replayed", false;
    /// The header names a Stripe account that is not configured.
    UnknownAccount = "unknown_account", 422, "The Stripe account is not configured here", false;
    /// Stripe refused what we passed on.
    StripeRejected = "stripe_rejected", 422, "Stripe refused the request", false;
    /// The key was used for another request.
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The idempotency key was used for a different request", false;
    /// Stripe, or this service, asks to slow down.
    RateLimited = "rate_limited", 429, "Too many requests", true;
    /// Somebody at the same address was wrong too often.
    TooManyFailures = "too_many_failures", 429, "Too many failed sign-ins", true;
    /// A fault of ours.
    InternalError = "internal_error", 500, "Something is wrong with this service", false;
    /// Stripe answered with an error of its own.
    StripeFailed = "stripe_failed", 502, "Stripe has a problem", true;
    /// Stripe's answer makes no sense to us.
    StripeUnreadable = "stripe_unreadable", 502, "Stripe's answer cannot be read", false;
    /// Stripe does not take this service's own key.
    StripeCredentialsRefused = "stripe_credentials_refused", 502, "Stripe does not accept this service's key", false;
    /// No connection to Stripe.
    StripeUnreachable = "stripe_unreachable", 503, "Stripe cannot be reached", true;
    /// The database is away.
    StorageUnavailable = "storage_unavailable", 503, "The service cannot reach its database", true;
    /// The service is not ready, or about to stop.
    NotReady = "not_ready", 503, "The service is not ready", true;
    /// Stripe did not answer in time.
    StripeTimeout = "stripe_timeout", 504, "Stripe did not answer in time", true;
    /// The service itself took too long.
    DeadlinePassed = "deadline_passed", 504, "The service did not answer in time", true;
}

/// By hand, because utoipa wraps an inline enumeration that has a description in `allOf`.
fn code_schema() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Stable name of the kind of problem; new ones may be added."))
        .enum_values(Some(Code::ALL.iter().map(|code| code.name())))
        .examples([Code::InvalidRequest.name()])
        .build()
}

impl Code {
    /// The stable name.
    pub fn name(self) -> &'static str {
        self.facts().0
    }
}

impl Problem {
    /// A problem with what is special about it this time.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (name, status, title, retryable) = code.facts();
        Self(Box::new(Body {
            type_uri: format!("urn:paybridge:problem:{name}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            instance: String::new(),
            code,
            request_id: String::new(),
            retryable,
            stripe_code: None,
            decline_code: None,
            payment_intent_id: None,
            idempotency_key: None,
            stripe_request_id: None,
            retry_after_seconds: None,
            errors: Vec::new(),
        }))
    }

    /// Fields that are wrong.
    pub fn fields(errors: Vec<FieldProblem>) -> Self {
        let told: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.field, error.problem)).collect();
        let mut problem = Self::new(Code::InvalidRequest, told.join("; "));
        problem.errors = errors;
        problem
    }

    /// Whether Stripe does not know the object.
    pub(super) fn is_missing(&self) -> bool {
        self.stripe_code.as_deref() == Some("resource_missing")
    }

    /// Another call with the same key is asking Stripe.
    pub(super) fn key_in_use() -> Self {
        let detail =
            "nothing was done by this call; repeat it with the same key to get the answer of the first one";
        Self::new(Code::IdempotencyKeyInUse, detail)
    }

    /// Nobody knows any more, and Stripe has nothing of it.
    pub(super) fn never_done() -> Self {
        let detail = "Stripe did nothing with this request, and it is too old to be sent again; repeat it if it is still wanted";
        Self::new(Code::StripeUnreachable, detail)
    }

    /// Only a part was done, and it is too late to go on.
    pub(super) fn never_finished(object: &str, id: &str) -> Self {
        let detail = format!(
            "only a part of this was done, and it is too old to be gone on with: there is the {object} `{id}`; finish it in \
             Stripe, or remove it there and send another idempotencyKey to begin anew"
        );
        let mut problem = Self::new(Code::StripeFailed, detail);
        problem.retryable = false;
        problem
    }

    /// Nobody knows any more, and Stripe does not tell.
    pub(super) fn never_found_out() -> Self {
        let mut problem = Self::new(
            Code::StripeFailed,
            "the request may have taken effect, and Stripe does not tell any more; look there before sending another key",
        );
        problem.retryable = false;
        problem
    }

    /// The key came with other values before.
    pub(super) fn key_reused() -> Self {
        Self::new(
            Code::IdempotencyKeyReused,
            "the same key was used with other values; send another idempotencyKey if this is a new intention",
        )
    }

    /// A part of this service is missing; only wrong wiring does that.
    pub(super) fn not_set_up() -> Self {
        Self::new(Code::InternalError, "the API is not set up")
    }

    /// Asks the caller to wait: whole seconds, at least one.
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after_seconds = Some(whole_seconds(wait));
        self
    }

    /// The problem for a status that something other than our handlers answered with.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let code = match status.as_u16() {
            404 => Code::UnknownPath,
            405 => Code::MethodNotAllowed,
            413 => Code::BodyTooLarge,
            415 => Code::UnsupportedMediaType,
            400..500 => Code::BadRequest,
            _ => Code::InternalError,
        };
        let detail = match code {
            Code::UnknownPath => "the paths of this API are listed in /openapi.json",
            Code::MethodNotAllowed => "the header Allow lists the methods that are possible here",
            _ => code.facts().2,
        };
        Self::new(code, detail)
    }

    /// What became of a request that reads one object at Stripe.
    pub(super) fn reading(error: &stripe::Error) -> Self {
        Self::of(error, true)
    }

    /// What became of a request that changes something at Stripe.
    pub(super) fn changing(error: &stripe::Error) -> Self {
        Self::of(error, false)
    }

    fn of(error: &stripe::Error, reading: bool) -> Self {
        let mut problem = match error {
            stripe::Error::Rejected(rejection) => from_rejection(rejection, reading),
            stripe::Error::RateLimited { retry_after, .. } => Self::new(
                Code::RateLimited,
                "Stripe asks to slow down; nothing was done, repeat in a few seconds",
            )
            .after(retry_after.unwrap_or(STRIPE_RATE_WAIT)),
            stripe::Error::Unreachable { failure, outcome_unknown, should_retry, .. } => {
                let code = match failure {
                    stripe::Failure::Connect => Code::StripeUnreachable,
                    stripe::Failure::Timeout => Code::StripeTimeout,
                    stripe::Failure::Broken | stripe::Failure::Status(_) => Code::StripeFailed,
                };
                let detail = match (*outcome_unknown, *should_retry) {
                    (true, Some(false)) => {
                        "the request may have taken effect, and Stripe gives this answer again for the same idempotency \
                         key; look in Stripe before sending another key"
                    }
                    (true, _) => {
                        "the request may have taken effect; repeat it with the same idempotency key to find out"
                    }
                    (false, Some(false)) => "nothing was done; Stripe says that repeating does not help",
                    (false, _) => "nothing was done; repeat the request later",
                };
                Self::new(code, detail)
            }
            stripe::Error::Unreadable { .. } => {
                Self::new(Code::StripeUnreadable, "the operators of this service find the reason in its log")
            }
            stripe::Error::Halfway(last) => {
                let mut problem = Self::of(last, reading);
                problem.detail = match (problem.code, problem.retryable) {
                    (Code::StripeRejected | Code::PaymentDeclined | Code::ResourceMissing, _) => {
                        format!("{}; what was done before that stays", problem.detail)
                    }
                    (_, true) => "a part was done; repeat the request with the same idempotency key to have the rest done".to_owned(),
                    (_, false) => "a part was done, and the rest may have been; look in Stripe".to_owned(),
                };
                return problem;
            }
            stripe::Error::OtherCurrency { given, actual, .. } => Self::fields(vec![FieldProblem {
                field: "currencyCode".to_owned(),
                problem: format!("is {given}, and what the amount is for is in {actual}"),
                expected: Some(actual.clone()),
                example: Some(actual.clone()),
            }]),
            stripe::Error::Stopped(_) => Self::new(
                Code::StripeCredentialsRefused,
                "the service stopped its traffic with this Stripe account until its operators confirm the account",
            ),
            stripe::Error::Unaddressable(text) => Self::new(
                Code::ResourceMissing,
                format!("`{}` is not the id of a Stripe object", excerpt(text)),
            ),
        };
        if matches!(problem.code, Code::StripeUnreadable | Code::StripeCredentialsRefused) {
            tracing::error!(code = problem.code.name(), %error, stripe.request_id = error.request_id(), "a person has to look at Stripe's answer");
        }
        problem.retryable = error.is_retryable();
        problem.stripe_request_id = error.request_id().map(str::to_owned);
        problem
    }
}

/// A wait as HTTP and bodies say it: not shorter, and never none.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Stripe's refusals by what the caller can do. Source: Stripe API reference, "Errors".
fn from_rejection(rejection: &stripe::Rejection, reading: bool) -> Problem {
    let code = match (rejection.status, rejection.kind.as_str(), rejection.code.as_deref()) {
        (401 | 403, ..) => Code::StripeCredentialsRefused,
        (402, ..) => Code::PaymentDeclined,
        (404, ..) if reading || rejection.of_path => Code::ResourceMissing,
        (409, _, Some("idempotency_key_in_use")) => Code::IdempotencyKeyInUse,
        (409, ..) => Code::Conflict,
        (_, "idempotency_error", _) => Code::IdempotencyKeyReused,
        (424, ..) => Code::StripeFailed,
        _ => Code::StripeRejected,
    };
    // Stripe's texts on keys quote a part of our key.
    let detail = match code {
        Code::StripeCredentialsRefused => {
            "the operators of this service have to look at its Stripe key".to_owned()
        }
        Code::IdempotencyKeyReused => Problem::key_reused().detail.clone(),
        _ => rejection.message.clone(),
    };
    let mut problem = Problem::new(code, detail);
    problem.stripe_code.clone_from(&rejection.code);
    problem.decline_code.clone_from(&rejection.decline_code);
    problem.payment_intent_id.clone_from(&rejection.payment_intent);
    if let (Code::StripeRejected, Some(param)) = (code, &rejection.param) {
        let field = stripe_fields::ours(param);
        problem.errors =
            vec![FieldProblem { field, problem: rejection.message.clone(), expected: None, example: None }];
    }
    problem
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store did not answer the API");
        match error {
            store::Error::Unavailable(_) | store::Error::Conflict(_) => {
                Self::new(Code::StorageUnavailable, "nothing was done; repeat the request later")
            }
            store::Error::Corrupt(_) => {
                Self::new(Code::InternalError, "the operators of this service find the reason in its log")
            }
        }
    }
}

impl Deref for Problem {
    type Target = Body;

    fn deref(&self) -> &Body {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Body {
        &mut self.0
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        // The middleware `answer` adds what belongs to the request: its id and path, and the media type it asked for.
        let mut response = HttpResponse::build(self.status_code()).json(&self.0);
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
        }
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == 401 {
            // Required with 401. Source: RFC 9110, section 15.5.2; RFC 6750, section 3.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(status: u16, kind: &str, code: &str, param: Option<&str>) -> Problem {
        let rejection = stripe::Rejection {
            status,
            kind: kind.to_owned(),
            code: Some(code.to_owned()),
            decline_code: None,
            param: param.map(str::to_owned),
            message: "sk_test_****1234".to_owned(),
            payment_intent: None,
            of_path: false,
            should_retry: None,
            request_id: Some("req_1".to_owned()),
        };
        Problem::changing(&stripe::Error::Rejected(Box::new(rejection)))
    }

    #[test]
    fn stripes_refusals_become_stable_codes() {
        for (status, kind, code, expected, answered, retryable) in [
            (400, "invalid_request_error", "parameter_missing", Code::StripeRejected, 422, false),
            (400, "idempotency_error", "", Code::IdempotencyKeyReused, 422, false),
            (401, "invalid_request_error", "api_key_expired", Code::StripeCredentialsRefused, 502, false),
            (402, "card_error", "card_declined", Code::PaymentDeclined, 402, false),
            (403, "invalid_request_error", "", Code::StripeCredentialsRefused, 502, false),
            (404, "invalid_request_error", "resource_missing", Code::StripeRejected, 422, false),
            (409, "idempotency_error", "idempotency_key_in_use", Code::IdempotencyKeyInUse, 409, true),
            (424, "api_error", "", Code::StripeFailed, 502, true),
        ] {
            let problem = rejected(status, kind, code, None);
            assert_eq!((problem.code, problem.status), (expected, answered), "{status} {code}");
            assert_eq!(problem.retryable, retryable, "{status} {code}");
        }
        assert!(!rejected(401, "", "", None).detail.contains("sk_test"));
        assert_eq!(rejected(400, "", "", Some("items[0][price]")).errors[0].field, "items[0].priceId");
    }

    #[test]
    fn nobody_is_told_to_repeat_what_is_not_retryable() {
        for (outcome_unknown, should_retry) in
            [(true, None), (true, Some(false)), (false, None), (false, Some(false)), (true, Some(true))]
        {
            let failure = stripe::Failure::Status(500);
            let error =
                stripe::Error::Unreachable { failure, outcome_unknown, should_retry, request_id: None };
            let problem = Problem::changing(&error);
            assert_eq!(problem.detail.contains("repeat "), problem.retryable, "{problem:?}");
        }
    }

    #[test]
    fn codes_are_spelled_as_they_are_served_and_told_apart_from_401() {
        for &code in Code::ALL {
            let (name, status, _, retryable) = code.facts();
            assert_eq!(serde_json::to_value(code).unwrap(), name);
            assert_eq!(status == 401, name.starts_with("credentials_"), "{name}");
            assert!(!retryable || matches!(status, 409 | 429 | 502..=504), "{name}");
        }
    }
}
