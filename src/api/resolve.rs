//! Finds out what became of claims that nobody works on: of a call whose outcome was unknown, or of a process that died.
//!
//! It asks Stripe again with the same key, and never guesses.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::action::Kind;
use super::ask::Outcome;
use super::idempotency::{Held, Key, Known, Wanted};
use super::pipeline::Pipeline;
use super::problem::{Code, Problem};
use crate::clock::{from_unix_ms, unix_ms};
use crate::store::idempotency::{self, Claim};
use crate::store::{self, operations};
use crate::stripe;
use crate::worker::{Next, Step};

/// Claims of one step, asked at the same time.
const AT_ONCE: i64 = 10;
/// Rows that one step forgets.
const FORGOTTEN_AT_ONCE: i64 = 500;
/// How often it looks for rows to forget.
const FORGETTING: Duration = Duration::from_secs(600);

/// The background work of the API.
#[derive(Debug)]
pub struct Resolver {
    pipeline: Arc<Pipeline>,
    /// When rows were last forgotten, in milliseconds since 1970.
    forgot_at: AtomicI64,
}

impl Resolver {
    /// For the claims of this pipeline.
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline, forgot_at: AtomicI64::new(0) }
    }

    async fn take(&self) -> store::Result<(Vec<Claim>, String, Option<i64>)> {
        let now = self.pipeline.clock.now();
        let (now_ms, until_ms) = (unix_ms(now), self.pipeline.claims.until_ms(now));
        let lease = Uuid::now_v7().to_string();
        // Most of the time there is nothing to take, and looking takes no lock.
        let due = self.pipeline.store.read(idempotency::next_due).await?;
        if due.is_none_or(|due| due > now_ms) {
            return Ok((Vec::new(), lease, due));
        }
        let name = lease.clone();
        let taken = self.pipeline.store.write(move |conn| {
            let taken = idempotency::lease_due(conn, &name, now_ms, until_ms, AT_ONCE)?;
            Ok((taken, idempotency::next_due(conn)?))
        });
        taken.await.map(|(taken, next)| (taken, lease, next))
    }

    /// Forgets what is older than the settings say, a little at a time; says whether there may be more.
    async fn forget(&self) -> store::Result<bool> {
        let now = self.pipeline.clock.now();
        let before_ms = unix_ms(now - self.pipeline.settings.keep);
        let last = self.forgot_at.load(Ordering::Relaxed);
        if unix_ms(now) - last < i64::try_from(FORGETTING.as_millis()).unwrap_or(i64::MAX) {
            return Ok(false);
        }
        let forgotten = self.pipeline.store.write(move |conn| {
            let claims = idempotency::purge(conn, before_ms, FORGOTTEN_AT_ONCE)?;
            Ok(claims + operations::purge(conn, before_ms, FORGOTTEN_AT_ONCE)?)
        });
        let more = forgotten.await? > 0;
        if !more {
            self.forgot_at.store(unix_ms(now), Ordering::Relaxed);
        }
        Ok(more)
    }
}

impl Step for Resolver {
    fn name(&self) -> &'static str {
        "resolver"
    }

    async fn step(&self) -> Next {
        let (claims, lease, next_due) = match self.take().await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "unknown outcomes wait");
                return Next::Idle;
            }
        };
        if claims.is_empty() {
            return match self.forget().await {
                Ok(true) => Next::Again,
                Ok(false) => next_due.map_or(Next::Idle, |due| Next::At(from_unix_ms(due))),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "old claims were not forgotten");
                    Next::Idle
                }
            };
        }
        let mut running = JoinSet::new();
        for claim in claims {
            let held = Held::resumed(&claim, lease.clone());
            running.spawn(resolve(Arc::clone(&self.pipeline), claim, held));
        }
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "resolving a claim panicked; its lease will end");
            }
        }
        Next::Again
    }
}

async fn resolve(pipeline: Arc<Pipeline>, claim: Claim, held: Held) {
    let (account, wanted) = match (pipeline.accounts.get(&claim.account), wanted(&claim)) {
        (Some(account), Some(wanted)) => (account, wanted),
        _ => {
            tracing::error!(
                claim.id, account = %claim.account, action = %claim.action,
                "a claim cannot be worked on: its Stripe account or its action is gone from this service"
            );
            let problem =
                Problem::new(Code::InternalError, "the operators of this service find the reason in its log");
            let outcome = if pipeline.is_beyond_finding_out(&held) {
                Outcome::Known(Known::Failed(Problem::never_found_out()))
            } else {
                Outcome::Unknown { problem, again: true }
            };
            pipeline.claims.settle(&held, &outcome).await;
            return;
        }
    };
    account.pace.count();
    let outcome = pipeline.finish(account, &wanted, &held).await;
    let age = pipeline.clock.now() - held.created_at;
    let (known, outcome) = match &outcome {
        Outcome::Known(Known::Done { .. }) => (true, "done"),
        Outcome::Known(Known::Failed(_)) => (true, "failed"),
        Outcome::Refused(_) => (true, "refused"),
        Outcome::Unknown { .. } => (false, "unknown"),
    };
    tracing::info!(
        claim.id, action = %claim.action, attempt = claim.attempts + 1, outcome, age_s = age.whole_seconds(), known,
        "asked Stripe again about {}", claim.action
    );
}

fn wanted(claim: &Claim) -> Option<Wanted> {
    Some(Wanted {
        kind: Kind::named(&claim.action)?,
        request: stripe::Request::parse(claim.request.as_deref()?)?,
        key: Key::known(&claim.idempotency_key),
    })
}
