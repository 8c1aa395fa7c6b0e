//! What can go wrong with a request to Stripe, named by what the caller can do about it.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

/// Why a request to Stripe has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stripe understood and said no. The same request gets the same answer, unless [`Error::is_retryable`].
    #[error("Stripe refused with {}: {}", .0.status, .0.message)]
    Rejected(Box<Rejection>),
    /// Too many requests, or another request holds the object. Nothing was done; repeat later with the same key.
    #[error("Stripe asks to slow down ({})", .reason.as_deref().unwrap_or("no reason given"))]
    RateLimited {
        /// `global-rate`, `endpoint-rate`, …, or `lock_timeout` when another request holds the object.
        reason: Option<String>,
        /// How long to wait, if Stripe says so; it documents no such header.
        retry_after: Option<Duration>,
        /// `req_…`
        request_id: Option<String>,
    },
    /// No answer, or one that says that Stripe itself failed.
    #[error("Stripe could not be reached or failed: {failure}")]
    Unreachable {
        /// What was seen.
        failure: Failure,
        /// Whether the request may have taken effect all the same. Repeat only with the same idempotency key.
        outcome_unknown: bool,
        /// What Stripe itself says about repeating.
        should_retry: Option<bool>,
        /// `req_…`
        request_id: Option<String>,
    },
    /// An answer that is not what Stripe documents; a proxy, or a version drift.
    #[error("Stripe's answer {status} cannot be read: {reason}")]
    Unreadable {
        /// HTTP status of the answer.
        status: u16,
        /// What is wrong with it; never its content.
        reason: String,
        /// `req_…`
        request_id: Option<String>,
    },
    /// An amount was given in another currency than the object has; nothing was sent.
    #[error("the {object} is in {actual}, not in {given}")]
    OtherCurrency {
        /// The kind of object.
        object: String,
        /// Upper-case code.
        given: String,
        /// Upper-case code.
        actual: String,
    },
    /// There is no traffic with this account until a person confirms it: the key belongs to another one than before.
    #[error("nothing is asked of Stripe: {0}")]
    Stopped(Arc<str>),
    /// A later call of several went wrong. What those before it did stays; with the same key nothing is done twice.
    #[error("a part was done; then: {0}")]
    Halfway(Box<Self>),
    /// Not something that has an address at Stripe: an unknown kind of object, or a text that is no id.
    #[error("there is no address at Stripe for `{0}`")]
    Unaddressable(String),
}

/// How a request was lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection came about.
    #[error("no connection")]
    Connect,
    /// The time limit passed.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke")]
    Broken,
    /// A status of 500 or above.
    #[error("status {0}")]
    Status(u16),
}

/// What Stripe says when it refuses. Decide by `status`, `kind` and `code`; `message` is for people and changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// HTTP status.
    pub status: u16,
    /// `card_error`, `idempotency_error`, `invalid_request_error`, `api_error`.
    pub kind: String,
    /// Like `resource_missing`.
    pub code: Option<String>,
    /// The bank's reason, with `card_declined`.
    pub decline_code: Option<String>,
    /// The request parameter at fault, in Stripe's spelling.
    pub param: Option<String>,
    /// For people.
    pub message: String,
    /// The payment intent that was created although the payment failed.
    pub payment_intent: Option<String>,
    /// Whether what does not exist is what the address names, and not something the request refers to.
    pub of_path: bool,
    /// What Stripe itself says about repeating.
    pub should_retry: Option<bool>,
    /// `req_…`
    pub request_id: Option<String>,
}

impl Error {
    /// Whether the same request, with the same idempotency key, can succeed later.
    ///
    /// Stripe's own word (`Stripe-Should-Retry`) goes first, then the order of the official SDKs: no connection, 409 and
    /// 5xx are repeated, 429 too because the limiters run before anything is done.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Rejected(rejection) => {
                rejection.should_retry.unwrap_or(matches!(rejection.status, 409 | 424))
            }
            Self::RateLimited { .. } => true,
            Self::Unreachable { should_retry, .. } => should_retry.unwrap_or(true),
            Self::Halfway(last) => last.is_retryable(),
            Self::Unreadable { .. }
            | Self::OtherCurrency { .. }
            | Self::Unaddressable(_)
            | Self::Stopped(_) => false,
        }
    }

    /// What went wrong with the last call that was made.
    pub fn of_last_call(&self) -> &Self {
        match self {
            Self::Halfway(last) => last,
            _ => self,
        }
    }

    /// The kind of failure, as it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "rejected",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unreachable { .. } => "unreachable",
            Self::Unreadable { .. } => "unreadable",
            Self::Halfway(last) => last.name(),
            Self::OtherCurrency { .. } => "other_currency",
            Self::Unaddressable(_) => "unaddressable",
            Self::Stopped(_) => "stopped",
        }
    }

    /// Marks a 404 as one of the address, unless the parameter it names was sent.
    pub(super) fn of_path_unless(mut self, sent: impl Fn(&str) -> bool) -> Self {
        if let Self::Rejected(rejection) = &mut self {
            let sent = rejection.param.as_deref().is_some_and(sent);
            rejection.of_path = rejection.status == 404 && !sent;
        }
        self
    }

    /// Whether Stripe does not know the object.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Rejected(rejection) if rejection.code.as_deref() == Some("resource_missing"))
    }

    /// Whether another request with the same idempotency key is running.
    pub fn is_key_in_use(&self) -> bool {
        matches!(self, Self::Rejected(rejection)
            if rejection.status == 409 && rejection.code.as_deref() == Some("idempotency_key_in_use"))
    }

    /// Stripe's name of the request, to look it up in the Dashboard.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Rejected(rejection) => rejection.request_id.as_deref(),
            Self::RateLimited { request_id, .. }
            | Self::Unreachable { request_id, .. }
            | Self::Unreadable { request_id, .. } => request_id.as_deref(),
            Self::Halfway(last) => last.request_id(),
            Self::OtherCurrency { .. } | Self::Unaddressable(_) | Self::Stopped(_) => None,
        }
    }
}

/// The headers of an answer that matter for judging it.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    pub(super) request_id: Option<String>,
    pub(super) should_retry: Option<bool>,
    pub(super) limited_reason: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

#[derive(Deserialize)]
struct Envelope {
    error: Body,
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type", default)]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
    param: Option<String>,
    #[serde(default)]
    message: String,
    payment_intent: Option<super::objects::Reference>,
}

/// Judges an answer that is not 2xx. `changes` says whether the request could change something.
pub(super) fn judge(status: u16, body: &[u8], hints: Hints, changes: bool) -> Error {
    let Hints { request_id, should_retry, limited_reason, retry_after } = hints;
    if status >= 500 {
        let failure = Failure::Status(status);
        return Error::Unreachable { failure, outcome_unknown: changes, should_retry, request_id };
    }
    let body = match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope.error,
        Err(_) if status == 429 => {
            return Error::RateLimited { reason: limited_reason, retry_after, request_id };
        }
        Err(error) => {
            return Error::Unreadable { status, reason: describe(&error), request_id };
        }
    };
    // The official SDKs take a 400 with this code for a rate limit, too.
    if status == 429 || (status == 400 && body.code.as_deref() == Some("rate_limit")) {
        return Error::RateLimited { reason: limited_reason.or(body.code), retry_after, request_id };
    }
    Error::Rejected(Box::new(Rejection {
        status,
        kind: body.kind,
        code: body.code,
        decline_code: body.decline_code,
        param: body.param,
        message: body.message,
        payment_intent: body.payment_intent.map(|reference| reference.id),
        of_path: false,
        should_retry,
        request_id,
    }))
}

/// What is wrong with a JSON text and where, without quoting it: values may be personal.
pub(super) fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = if text.starts_with("missing field") {
        text.split(" at line").next().unwrap_or_default().to_owned()
    } else {
        format!("{:?} error", error.classify()).to_lowercase()
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, code: &str, should_retry: Option<bool>) -> Error {
        let body = format!(
            r#"{{"error":{{"type":"invalid_request_error","code":"{code}","message":"No.","payment_intent":{{"id":"pi_1","x":1}}}}}}"#
        );
        judge(status, body.as_bytes(), Hints { should_retry, ..Hints::default() }, true)
    }

    #[test]
    fn each_answer_has_its_reaction() {
        // Source: Stripe API reference, "Errors", and the official SDKs' order of retry decisions.
        for (status, code, should_retry, variant, retryable) in [
            (400, "parameter_missing", None, "Rejected", false),
            (400, "rate_limit", None, "RateLimited", true),
            (401, "api_key_expired", None, "Rejected", false),
            (402, "card_declined", None, "Rejected", false),
            (403, "", None, "Rejected", false),
            (404, "resource_missing", None, "Rejected", false),
            (409, "idempotency_key_in_use", None, "Rejected", true),
            (409, "idempotency_key_in_use", Some(false), "Rejected", false),
            (424, "", None, "Rejected", true),
            (429, "lock_timeout", Some(true), "RateLimited", true),
            (500, "", Some(false), "Unreachable", false),
            (503, "", Some(true), "Unreachable", true),
            (502, "", None, "Unreachable", true),
        ] {
            let error = judged(status, code, should_retry);
            assert!(format!("{error:?}").starts_with(variant), "{status} {code}: {error:?}");
            assert_eq!(error.is_retryable(), retryable, "{status} {code}");
        }
        let Error::Rejected(declined) = judged(402, "card_declined", None) else { panic!() };
        assert_eq!(declined.payment_intent.as_deref(), Some("pi_1"));
    }

    #[test]
    fn what_a_proxy_says_is_unreadable_and_not_repeated_to_anyone() {
        let error = judge(403, b"<html>secret</html>", Hints::default(), false);
        assert!(matches!(error, Error::Unreadable { status: 403, .. }), "{error:?}");
        assert!(!format!("{error:?}").contains("secret"));
    }
}
