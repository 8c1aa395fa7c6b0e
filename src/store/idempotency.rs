//! Claims of idempotency keys: what was asked to be done at Stripe, taken before Stripe is asked, and what became of it.
//!
//! A claim is `leased` while somebody asks Stripe, `pending` while its outcome is unknown and nobody asks, `done` when its
//! answer is the answer for good, and `refused` when nothing was done and the key may be used again.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::outbox::unfinished;
use super::schema::claims;

/// A request that wants to be done once.
#[derive(Clone, Debug)]
pub struct NewClaim {
    /// Name of the Stripe account in the configuration. Keys are apart by account, as at Stripe.
    pub account: String,
    /// The key that travels to Stripe.
    pub key: String,
    /// The `operationId` that was called.
    pub action: String,
    /// Who calls.
    pub caller: String,
    /// SHA-256 of the request, lower-case hex.
    pub hash: String,
    /// The request, to ask again with.
    pub request: String,
    /// A name that nobody else has.
    pub lease: String,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// When the lease ends.
    pub until_ms: i64,
}

/// What stands under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The claim is the caller's, and Stripe was not asked before.
    Fresh {
        /// The row.
        id: i64,
    },
    /// The claim is the caller's now; Stripe was asked before, with unknown outcome.
    Resumed(Box<Claim>),
    /// What became of it is known.
    Known {
        /// The answer, or nothing when it failed.
        answer: Option<String>,
        /// Why it failed.
        problem: Option<String>,
    },
    /// Somebody is asking Stripe.
    Running,
    /// The key came with another request.
    Reused,
}

/// A claim, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = claims)]
pub struct Claim {
    /// The row.
    pub id: i64,
    /// Name of the Stripe account in the configuration.
    pub account: String,
    /// The key.
    pub idempotency_key: String,
    /// The `operationId` that was called.
    pub action: String,
    /// SHA-256 of the request.
    pub hash: String,
    /// The request, while the outcome is unknown.
    pub request: Option<String>,
    /// `leased`, `pending`, `done` or `refused`.
    pub state: String,
    /// Who holds it.
    pub lease: String,
    /// How often it was taken.
    pub attempts: i32,
    /// Milliseconds since 1970.
    pub due_at: i64,
    /// What a repeated call is answered.
    pub answer: Option<String>,
    /// Why it failed, or why the outcome is not known yet.
    pub problem: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When Stripe was last asked.
    pub sent_at: i64,
    /// When the outcome was known.
    pub settled_at: Option<i64>,
}

impl Claim {
    /// Whether the outcome is known.
    pub fn is_settled(&self) -> bool {
        matches!(self.state.as_str(), DONE | REFUSED)
    }
}

/// What became of a claim.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The row.
    pub id: i64,
    /// Its key. Settle in the order of keys, as claims are taken.
    pub key: String,
    /// The lease it was taken with; another one changes nothing.
    pub lease: String,
    /// The outcome.
    pub outcome: Outcome,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

/// How a claim ends, or goes on.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was done; the answer for good.
    Done(String),
    /// It failed, for good under this key.
    Failed(String),
    /// Nothing was done, and the key may be used again.
    Refused(String),
    /// It is not known; ask again at this time, milliseconds since 1970.
    Unknown {
        /// Why.
        problem: String,
        /// When to ask again.
        due_ms: i64,
    },
}

const LEASED: &str = "leased";
const PENDING: &str = "pending";
const DONE: &str = "done";
const REFUSED: &str = "refused";

/// Takes a key for a request, or says what stands under it.
pub fn take(conn: &mut Conn, new: &NewClaim) -> Result<Taken> {
    let fields = (
        claims::account.eq(&new.account),
        claims::idempotency_key.eq(&new.key),
        claims::action.eq(&new.action),
        claims::caller.eq(&new.caller),
        claims::hash.eq(&new.hash),
        claims::request.eq(Some(&new.request)),
        claims::state.eq(LEASED),
        claims::lease.eq(&new.lease),
        claims::attempts.eq(1),
        claims::due_at.eq(new.until_ms),
        claims::answer.eq(None::<&str>),
        claims::problem.eq(None::<&str>),
        claims::created_at.eq(new.now_ms),
        claims::sent_at.eq(new.now_ms),
        claims::settled_at.eq(None::<i64>),
    );
    let inserted = on_backend!(conn, c => diesel::insert_into(claims::table)
        .values(fields)
        .on_conflict((claims::idempotency_key, claims::account))
        .do_nothing()
        .returning(claims::id)
        .get_result(c)
        .optional())?;
    if let Some(id) = inserted {
        return Ok(Taken::Fresh { id });
    }
    let there = find(conn, &new.account, std::slice::from_ref(&new.key))?.pop();
    // Forgotten between the two: nothing stands there, and asking again will take it.
    let Some(there) = there else { return Ok(Taken::Running) };
    if there.state == REFUSED {
        // Whatever was asked for under it, nothing was done.
        let refused = claims::table.find(there.id).filter(claims::state.eq(REFUSED));
        let rows = on_backend!(conn, c => diesel::update(refused).set(fields).execute(c))?;
        return Ok(if rows == 1 { Taken::Fresh { id: there.id } } else { Taken::Running });
    }
    if there.hash != new.hash || there.action != new.action {
        return Ok(Taken::Reused);
    }
    if there.state == DONE {
        return Ok(Taken::Known { answer: there.answer, problem: there.problem });
    }
    let free = there.state == PENDING || there.due_at <= new.now_ms;
    if free && resume(conn, &there, &new.lease, new.now_ms, new.until_ms)? {
        return Ok(Taken::Resumed(Box::new(there)));
    }
    Ok(Taken::Running)
}

/// Takes claims that nobody works on although their outcome is unknown, the longest due first.
pub fn lease_due(conn: &mut Conn, lease: &str, now_ms: i64, until_ms: i64, limit: i64) -> Result<Vec<Claim>> {
    let due = claims::table
        .filter(unfinished())
        .filter(claims::due_at.le(now_ms))
        .order((claims::due_at, claims::id))
        .limit(limit);
    let due: Vec<Claim> = on_backend!(conn, c => due.select(Claim::as_select()).load(c))?;
    let mut leased = Vec::with_capacity(due.len());
    for claim in due {
        if resume(conn, &claim, lease, now_ms, until_ms)? {
            leased.push(claim);
        }
    }
    Ok(leased)
}

/// Takes a claim as it was seen; not if another one was quicker.
fn resume(conn: &mut Conn, seen: &Claim, lease: &str, now_ms: i64, until_ms: i64) -> Result<bool> {
    let as_seen = claims::table
        .find(seen.id)
        .filter(claims::state.eq(&seen.state))
        .filter(claims::lease.eq(&seen.lease))
        .filter(claims::attempts.eq(seen.attempts));
    let rows = on_backend!(conn, c => diesel::update(as_seen)
        .set((
            claims::state.eq(LEASED),
            claims::lease.eq(lease),
            claims::attempts.eq(claims::attempts + 1),
            claims::due_at.eq(until_ms),
            claims::sent_at.eq(now_ms),
        ))
        .execute(c))?;
    Ok(rows == 1)
}

/// Writes down what became of a claim; not if its lease was lost. Says whether it was written.
pub fn settle(conn: &mut Conn, settlement: &Settlement) -> Result<bool> {
    let held = claims::table
        .find(settlement.id)
        .filter(claims::state.eq(LEASED))
        .filter(claims::lease.eq(&settlement.lease));
    let (state, answer, problem) = match &settlement.outcome {
        Outcome::Done(answer) => (DONE, Some(answer), None),
        Outcome::Failed(problem) => (DONE, None, Some(problem)),
        Outcome::Refused(problem) => (REFUSED, None, Some(problem)),
        Outcome::Unknown { problem, due_ms } => {
            let rows = on_backend!(conn, c => diesel::update(held)
                .set((
                    claims::state.eq(PENDING),
                    claims::lease.eq(""),
                    claims::due_at.eq(due_ms),
                    claims::problem.eq(Some(problem)),
                ))
                .execute(c))?;
            return Ok(rows == 1);
        }
    };
    let rows = on_backend!(conn, c => diesel::update(held)
        .set((
            claims::state.eq(state),
            claims::lease.eq(""),
            claims::request.eq(None::<&str>),
            claims::answer.eq(answer),
            claims::problem.eq(problem),
            claims::settled_at.eq(Some(settlement.now_ms)),
        ))
        .execute(c))?;
    Ok(rows == 1)
}

/// Holds claims longer, for work that takes longer than a lease. Stripe may be asked as late as `now_ms`.
pub fn renew(conn: &mut Conn, lease: &str, ids: &[i64], now_ms: i64, until_ms: i64) -> Result<()> {
    let held = claims::table
        .filter(claims::id.eq_any(ids))
        .filter(claims::state.eq(LEASED))
        .filter(claims::lease.eq(lease));
    on_backend!(conn, c => diesel::update(held)
        .set((claims::due_at.eq(until_ms), claims::sent_at.eq(now_ms)))
        .execute(c))?;
    Ok(())
}

/// The claims of these keys, those that there are.
pub fn find(conn: &mut Conn, account: &str, keys: &[String]) -> Result<Vec<Claim>> {
    let query =
        claims::table.filter(claims::idempotency_key.eq_any(keys)).filter(claims::account.eq(account));
    Ok(on_backend!(conn, c => query.select(Claim::as_select()).load(c))?)
}

/// When the next claim is due, in milliseconds since 1970.
pub fn next_due(conn: &mut Conn) -> Result<Option<i64>> {
    let query = claims::table.filter(unfinished()).select(diesel::dsl::min(claims::due_at));
    Ok(on_backend!(conn, c => query.first(c))?)
}

/// Forgets claims from before `before_ms` whose outcome is known, at most `limit` of them, and says how many.
pub fn purge(conn: &mut Conn, before_ms: i64, limit: i64) -> Result<usize> {
    let oldest = claims::table
        .filter(claims::state.eq_any([DONE, REFUSED]))
        .order(claims::id)
        .limit(limit)
        .select((claims::id, claims::created_at));
    let oldest: Vec<(i64, i64)> = on_backend!(conn, c => oldest.load(c))?;
    let ids: Vec<i64> = oldest.into_iter().filter(|(_, at)| *at < before_ms).map(|(id, _)| id).collect();
    let old = claims::table.filter(claims::id.eq_any(&ids));
    Ok(on_backend!(conn, c => diesel::delete(old).execute(c))?)
}
