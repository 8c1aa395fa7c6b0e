//! Asks Stripe until the outcome is known or time is over, always with the same key.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::action::Kind;
use super::idempotency::Known;
use super::pace::Pace;
use super::problem::Problem;
use crate::stripe;

/// Asked so often in one go; then the outcome is left to [`resolve`](super::resolve).
const TRIES: u32 = 4;
/// The official SDKs wait so long before they ask again, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What is asked, and of whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) client: &'a stripe::Client,
    pub(super) pace: &'a Pace,
    pub(super) kind: Kind,
    pub(super) request: &'a stripe::Request,
    pub(super) key: &'a str,
    /// Stripe was asked before with this key, and the outcome is not known.
    pub(super) asked_before: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is known, for good under this key.
    Known(Known),
    /// Nothing was done, and Stripe keeps nothing under the key.
    Refused(Problem),
    /// It may have taken effect. `again` says whether asking again with the key can tell.
    Unknown { problem: Problem, again: bool },
}

/// What an error says about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Stripe did it, it failed, and Stripe keeps the answer.
    Failed,
    /// Stripe looked at it and did nothing.
    Refused,
    /// Stripe did not look at it. What an earlier request with the key did stays unknown.
    Unheard { again: bool },
    /// It may have taken effect.
    Unknown { again: bool },
}

/// Asks at least once, and again until `until` as long as that can help. Also says whether a request before the last one may
/// have taken effect.
pub(super) async fn ask(question: Question<'_>, until: Instant) -> (Outcome, bool) {
    let mut unknown = question.asked_before;
    for tried in 1.. {
        let error = match question.client.change(question.request, question.key).await {
            Ok(said) => match (question.kind.answer)(&said) {
                // What an earlier try of this very call did, was done by this call.
                Ok(answer) => {
                    let replayed = said.replayed && tried == 1;
                    return (Outcome::Known(Known::Done { answer, replayed }), unknown);
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        let problem = || {
            let mut problem = Problem::changing(&error);
            problem.idempotency_key = Some(question.key.to_owned());
            problem
        };
        let verdict = judge(&error);
        let (again, wait) = match verdict {
            Verdict::Failed => return (Outcome::Known(Known::Failed(problem())), unknown),
            Verdict::Refused => return (Outcome::Refused(problem()), unknown),
            Verdict::Unheard { again } | Verdict::Unknown { again } => (again, wait(tried, &error)),
        };
        unknown |= matches!(verdict, Verdict::Unknown { .. });
        if let stripe::Error::RateLimited { reason, .. } = error.of_last_call()
            && reason.as_deref() != Some("lock_timeout")
        {
            question.pace.pause(wait);
        }
        if !again || tried == TRIES || Instant::now() + wait > until {
            let problem = problem();
            let outcome =
                if unknown { Outcome::Unknown { problem, again } } else { Outcome::Refused(problem) };
            return (outcome, unknown);
        }
        tokio::time::sleep(wait).await;
        question.pace.count();
    }
    unreachable!("the last try returns")
}

/// Source: Stripe API reference, "Idempotent requests" and "Advanced error handling".
fn judge(error: &stripe::Error) -> Verdict {
    match error {
        stripe::Error::Rejected(rejection) => match (rejection.status, rejection.code.as_deref()) {
            (402, _) => Verdict::Failed,
            // Refused at the door, before Stripe looks whether it knows the key.
            (401 | 403, _) => Verdict::Unheard { again: false },
            // An earlier request with this key is still running there.
            (409, Some("idempotency_key_in_use")) => Verdict::Unknown { again: true },
            (409, _) => Verdict::Unheard { again: true },
            (424, _) => Verdict::Unknown { again: true },
            _ => Verdict::Refused,
        },
        stripe::Error::Stopped(_) => Verdict::Unheard { again: false },
        // The limiters run before anything is looked at.
        stripe::Error::RateLimited { .. } => Verdict::Unheard { again: true },
        stripe::Error::Unreachable { outcome_unknown: false, .. } => Verdict::Unheard { again: true },
        // Stripe keeps its own failures, too, and says so.
        stripe::Error::Unreachable { should_retry, .. } => {
            Verdict::Unknown { again: *should_retry != Some(false) }
        }
        stripe::Error::Unreadable { .. } => Verdict::Unknown { again: false },
        // What was done by the calls before stays, so that nothing is as if nobody had asked.
        stripe::Error::Halfway(last) => match judge(last) {
            Verdict::Unheard { again } => Verdict::Unknown { again },
            verdict => verdict,
        },
        stripe::Error::OtherCurrency { .. } | stripe::Error::Unaddressable(_) => Verdict::Refused,
    }
}

/// As the official SDKs wait, or as long as Stripe asks for.
fn wait(tried: u32, error: &stripe::Error) -> Duration {
    let most = FIRST_WAIT.saturating_mul(1 << (tried - 1).min(10)).min(LONGEST_WAIT);
    let drawn = most / 2 + crate::backoff::wait(1, most / 2, most, fastrand::u64(..));
    let asked = match error.of_last_call() {
        stripe::Error::RateLimited { retry_after, .. } => retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    drawn.max(FIRST_WAIT).max(asked)
}

/// An answer as it is kept: without what only the first caller may see.
pub(super) fn without_secrets(mut answer: Map<String, Value>) -> Map<String, Value> {
    if let Some(secret) = answer.get_mut(SECRET) {
        *secret = Value::Null;
    }
    answer
}

/// Gives a kept answer its secret back, as Stripe has it now; without it when Stripe does not answer.
pub(super) async fn with_secrets(
    client: &stripe::Client,
    kind: Kind,
    mut answer: Map<String, Value>,
) -> Map<String, Value> {
    #[derive(serde::Deserialize)]
    struct Secret {
        client_secret: Option<String>,
    }

    if answer.get(SECRET).is_some_and(Value::is_null) {
        answer.remove(SECRET);
        let id = answer.get("stripeId").and_then(Value::as_str).unwrap_or_default();
        let read = client.fetch(kind.object, id).await.ok();
        let secret = read.and_then(|read| serde_json::from_str::<Secret>(read.body.get()).ok());
        if let Some(secret) = secret.and_then(|read| read.client_secret) {
            answer.insert(SECRET.to_owned(), secret.into());
        }
    }
    answer
}

const SECRET: &str = "clientSecret";

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(status: u16, code: &str) -> stripe::Error {
        stripe::Error::Rejected(Box::new(stripe::Rejection {
            status,
            kind: "invalid_request_error".to_owned(),
            code: Some(code.to_owned()),
            decline_code: None,
            param: None,
            message: String::new(),
            payment_intent: None,
            of_path: false,
            should_retry: None,
            request_id: None,
        }))
    }

    fn lost(outcome_unknown: bool, should_retry: Option<bool>) -> stripe::Error {
        let failure = stripe::Failure::Status(500);
        stripe::Error::Unreachable { failure, outcome_unknown, should_retry, request_id: None }
    }

    #[test]
    fn each_error_says_what_is_known() {
        let limited = stripe::Error::RateLimited { reason: None, retry_after: None, request_id: None };
        let unreadable = stripe::Error::Unreadable { status: 200, reason: String::new(), request_id: None };
        for (error, verdict) in [
            (rejected(402, "card_declined"), Verdict::Failed),
            (rejected(400, "parameter_missing"), Verdict::Refused),
            (rejected(404, "resource_missing"), Verdict::Refused),
            (rejected(401, "api_key_expired"), Verdict::Unheard { again: false }),
            (rejected(409, "idempotency_key_in_use"), Verdict::Unknown { again: true }),
            (rejected(409, ""), Verdict::Unheard { again: true }),
            (limited, Verdict::Unheard { again: true }),
            (lost(false, None), Verdict::Unheard { again: true }),
            (lost(true, None), Verdict::Unknown { again: true }),
            (lost(true, Some(false)), Verdict::Unknown { again: false }),
            (unreadable, Verdict::Unknown { again: false }),
            (stripe::Error::Halfway(Box::new(lost(false, None))), Verdict::Unknown { again: true }),
            (stripe::Error::Halfway(Box::new(rejected(402, "card_declined"))), Verdict::Failed),
            (stripe::Error::Halfway(Box::new(rejected(400, "x"))), Verdict::Refused),
        ] {
            assert_eq!(judge(&error), verdict, "{error:?}");
        }
    }

    #[test]
    fn waits_grow_and_stripes_wish_counts() {
        let lost = lost(true, None);
        for (tried, least, most) in [(1, 500, 500), (2, 500, 1_000), (3, 1_000, 2_000), (9, 2_500, 5_000)] {
            let waited = wait(tried, &lost).as_millis();
            assert!((least..=most).contains(&waited), "{tried}: {waited}");
        }
        let retry_after = Some(Duration::from_secs(9));
        let limited = stripe::Error::RateLimited { reason: None, retry_after, request_id: None };
        assert_eq!(wait(1, &limited), Duration::from_secs(9));
    }
}
