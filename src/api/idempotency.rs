//! Same key, same answer: which key a request travels to Stripe with, and the claims that keep what became of it.
//!
//! A claim is committed before Stripe is asked and settled before the caller is answered. Stripe forgets keys after a day;
//! claims are kept as long as the settings say.
//! Source: Stripe API reference, "Idempotent requests".

use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::action::{Head, Kind};
use super::ask::{Outcome, without_secrets};
use super::fields::Fields;
use super::problem::{Code, Problem};
use crate::backoff;
use crate::clock::{Clock, from_unix_ms, unix_ms};
use crate::crash;
use crate::store::idempotency::{self as claims, Claim, NewClaim, Settlement, Taken};
use crate::store::{Group, GroupError, Store};
use crate::stripe;

/// First wait before Stripe is asked again about an unknown outcome; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The key of one intention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(String);

impl Key {
    /// The key for `operation`: the caller's own, else one derived from the record that asks, else a fresh one.
    ///
    /// It is never derived from the run of a Flow: a re-run must meet the answer of the first run. A fresh key protects
    /// nothing but this one call.
    pub(super) fn read(fields: &mut Fields, head: &Head, operation: &str, record_id: Option<&str>) -> Self {
        let body = fields.text("idempotencyKey", 255, "invoice-4711-deposit");
        let header = head.key.as_deref();
        if let (Some(body), Some(header)) = (&body, header)
            && body != header
        {
            fields.fault("idempotencyKey", "differs from the header Idempotency-Key", None, None);
        }
        let given = body.or_else(|| header.map(str::to_owned));
        if let Some(given) = &given
            && (given.len() > 255 || !given.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '))
        {
            let expected = "at most 255 printable ASCII characters";
            fields.fault(
                "idempotencyKey",
                "cannot travel in a header",
                Some(expected),
                Some("invoice-4711-deposit"),
            );
        }
        if given.as_deref().is_some_and(stripe::is_reserved_key) {
            let expected = "another beginning";
            fields.fault(
                "idempotencyKey",
                "begins like a key of our own",
                Some(expected),
                Some("invoice-4711-deposit"),
            );
        }
        Self(match (given, record_id) {
            (Some(given), _) => given,
            (None, Some(record)) => format!("paybridge-{operation}-{record}"),
            (None, None) => format!("paybridge-{}", Uuid::now_v7()),
        })
    }

    /// The key of a claim.
    pub(super) fn known(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// What stands for good under a key.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// It was done.
    Done {
        /// As the contract describes it.
        answer: Map<String, Value>,
        /// Whether an earlier call did it, and this one nothing.
        replayed: bool,
    },
    /// It failed.
    Failed(Problem),
}

/// What a request finds under its key.
#[derive(Debug)]
pub(super) enum Claimed {
    /// The key is ours: ask Stripe.
    Ours(Held),
    Known(Known),
    /// Another call is asking Stripe.
    Running,
    /// The key came with another request.
    Reused,
}

/// A claim that this process works on.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) id: i64,
    key: String,
    lease: String,
    attempts: u32,
    /// Stripe was asked before, and the outcome is not known.
    pub(super) asked_before: bool,
    /// When the request was first asked for.
    pub(super) created_at: OffsetDateTime,
    /// When Stripe was last asked before.
    pub(super) sent_at: OffsetDateTime,
}

impl Held {
    /// A claim as it was before `lease` took it.
    pub(super) fn resumed(claim: &Claim, lease: String) -> Self {
        Self {
            id: claim.id,
            key: claim.idempotency_key.clone(),
            lease,
            attempts: u32::try_from(claim.attempts).unwrap_or(1) + 1,
            asked_before: true,
            created_at: from_unix_ms(claim.created_at),
            sent_at: from_unix_ms(claim.sent_at),
        }
    }
}

/// One thing to be done, by its key.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) request: stripe::Request,
    pub(super) key: Key,
}

/// The door to the claims; many calls share a commit.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    group: Group<Job, Answered>,
    clock: Clock,
    lease: Duration,
}

#[derive(Debug)]
enum Job {
    Take(Box<NewClaim>),
    Settle(Settlement),
}

#[derive(Debug)]
enum Answered {
    Taken(Taken),
    Settled(bool),
}

impl Claims {
    /// Starts the threads that commit; they end when the last clone is gone.
    pub(super) fn start(store: &Store, clock: Clock, lease: Duration) -> std::io::Result<Self> {
        let (group, _threads) = Group::start(store, "claims", write, |_, _| {})?;
        Ok(Self { group, clock, lease })
    }

    /// Takes the key of `wanted`, until the lease ends, or says what stands under it. `lease` names the holder.
    ///
    /// Errors: the database did not take it; Stripe was not asked.
    pub(super) async fn take(
        &self,
        account: &str,
        caller: &str,
        wanted: &Wanted,
        lease: &str,
    ) -> Result<Claimed, Problem> {
        let now = self.clock.now();
        let request = wanted.request.to_text();
        let claim = NewClaim {
            account: account.to_owned(),
            key: wanted.key.text().to_owned(),
            action: wanted.kind.name.to_owned(),
            caller: caller.to_owned(),
            hash: hex::encode(Sha256::digest(request.as_bytes())),
            request,
            lease: lease.to_owned(),
            now_ms: unix_ms(now),
            until_ms: self.until_ms(now),
        };
        let taken = match self.group.write(Job::Take(Box::new(claim))).await {
            Ok(Answered::Taken(taken)) => taken,
            Ok(Answered::Settled(_)) => Taken::Running,
            Err(error) => return Err(not_taken(&error, wanted)),
        };
        let lease = lease.to_owned();
        Ok(match taken {
            Taken::Fresh { id } => Claimed::Ours(Held {
                id,
                key: wanted.key.text().to_owned(),
                lease,
                attempts: 1,
                asked_before: false,
                created_at: now,
                sent_at: now,
            }),
            Taken::Resumed(claim) => Claimed::Ours(Held::resumed(&claim, lease)),
            Taken::Known { answer, problem } => Claimed::Known(read(answer.as_deref(), problem.as_deref())),
            Taken::Running => Claimed::Running,
            Taken::Reused => Claimed::Reused,
        })
    }

    /// Writes down what became of a claim. If that fails, Stripe will be asked again when the lease ends, and say the same.
    pub(super) async fn settle(&self, held: &Held, outcome: &Outcome) {
        let now = self.clock.now();
        let outcome = match outcome {
            Outcome::Known(Known::Done { answer, .. }) => {
                claims::Outcome::Done(Value::Object(without_secrets(answer.clone())).to_string())
            }
            Outcome::Known(Known::Failed(problem)) => claims::Outcome::Failed(text(problem)),
            Outcome::Refused(problem) => claims::Outcome::Refused(text(problem)),
            Outcome::Unknown { problem, .. } => {
                let wait = backoff::wait(held.attempts, FIRST_WAIT, LONGEST_WAIT, fastrand::u64(..));
                let due_ms = unix_ms(now + wait + FIRST_WAIT);
                claims::Outcome::Unknown { problem: text(problem), due_ms }
            }
        };
        let settlement = Settlement {
            id: held.id,
            key: held.key.clone(),
            lease: held.lease.clone(),
            outcome,
            now_ms: unix_ms(now),
        };
        match self.group.write(Job::Settle(settlement)).await {
            Ok(Answered::Settled(true) | Answered::Taken(_)) => {}
            Ok(Answered::Settled(false)) => {
                tracing::warn!(
                    claim.id = held.id,
                    "a lease ended before its work; another worker asks again"
                );
            }
            Err(error) => {
                tracing::warn!(claim.id = held.id, %error, "an outcome was not written down; Stripe will be asked again");
            }
        }
    }

    /// When a lease that is taken now ends, in milliseconds since 1970.
    pub(super) fn until_ms(&self, now: OffsetDateTime) -> i64 {
        unix_ms(now + self.lease)
    }

    /// How often work that takes longer has to renew its leases.
    pub(super) fn renewal(&self) -> Duration {
        self.lease / 3
    }
}

/// Does jobs in one transaction, always in the same order of keys, so that two processes cannot lock each other out.
fn write(conn: &mut crate::store::Conn, jobs: &[Job]) -> crate::store::Result<Vec<Answered>> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|index| match &jobs[*index] {
        Job::Settle(settlement) => (settlement.key.as_str(), 0),
        Job::Take(claim) => (claim.key.as_str(), 1),
    });
    let mut answers: Vec<Option<Answered>> = jobs.iter().map(|_| None).collect();
    for index in order {
        answers[index] = Some(match &jobs[index] {
            Job::Take(claim) => Answered::Taken(claims::take(conn, claim)?),
            Job::Settle(settlement) => Answered::Settled(claims::settle(conn, settlement)?),
        });
    }
    crash::at("claims_written");
    Ok(answers.into_iter().flatten().collect())
}

/// What is kept of an outcome.
pub(super) fn read(answer: Option<&str>, problem: Option<&str>) -> Known {
    if let Some(answer) = answer.and_then(|text| serde_json::from_str(text).ok()) {
        return Known::Done { answer, replayed: true };
    }
    Known::Failed(
        problem.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| {
            Problem::new(Code::InternalError, "what is kept under this key cannot be read")
        }),
    )
}

fn text(problem: &Problem) -> String {
    serde_json::to_string(problem).unwrap_or_default()
}

fn not_taken(error: &GroupError, wanted: &Wanted) -> Problem {
    tracing::error!(error = error as &dyn std::error::Error, "a key was not claimed; Stripe was not asked");
    let detail = match error {
        GroupError::Busy | GroupError::Stopping => "nothing was done; repeat the request later",
        // Should the claim be there after all, the work is done when its lease ends.
        GroupError::Late | GroupError::Store(_) => {
            "the request may still take effect; repeat it later with this idempotencyKey"
        }
    };
    let mut problem = Problem::new(Code::StorageUnavailable, detail);
    problem.idempotency_key = Some(wanted.key.text().to_owned());
    problem
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::super::problem::Problem;
    use super::*;

    fn key(body: &str, header: Option<&[u8]>, record: Option<&str>) -> Result<String, Problem> {
        let mut request = TestRequest::default();
        if let Some(header) = header {
            request = request.insert_header(("Idempotency-Key", HeaderValue::from_bytes(header).unwrap()));
        }
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        let key = Key::read(&mut fields, &Head::of(&request.to_http_request()), "createCustomer", record);
        fields.finish(Some(key.0))
    }

    #[test]
    fn the_callers_key_wins_then_the_record_then_chance() {
        let body = r#"{"idempotencyKey":"mine"}"#;
        assert_eq!(key(body, None, Some("006")).unwrap(), "mine");
        assert_eq!(key(body, Some(b"mine"), None).unwrap(), "mine");
        assert_eq!(key("{}", Some(b"theirs"), Some("006")).unwrap(), "theirs");
        assert_eq!(key("{}", None, Some("006")).unwrap(), "paybridge-createCustomer-006");
        assert_ne!(key("{}", None, None).unwrap(), key("{}", None, None).unwrap());
    }

    #[test]
    fn keys_that_contradict_or_cannot_travel_are_refused() {
        assert!(key(r#"{"idempotencyKey":"a"}"#, Some(b"b"), None).is_err());
        assert!(key(r#"{"idempotencyKey":"a\nb"}"#, None, None).is_err());
        assert!(key(r#"{"idempotencyKey":"é"}"#, None, None).is_err());
        assert!(key("{}", Some(b"\xff"), Some("006")).is_err());
        assert!(key("{}", Some(&[b'k'; 256]), None).is_err());
    }
}
