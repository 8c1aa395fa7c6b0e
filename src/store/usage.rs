//! How much was read of each Stripe account, and for how many charges; Stripe ties the one to the other.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::stripe_usage;

const DAY_MS: i64 = 86_400_000;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Requests that only read.
    pub reads: i64,
    /// Charges that became known.
    pub charges: i64,
}

/// Adds to what was counted today.
pub fn add(conn: &mut Conn, account: &str, now_ms: i64, used: Used) -> Result<()> {
    on_backend!(conn, c => diesel::insert_into(stripe_usage::table)
        .values((
            stripe_usage::account.eq(account),
            stripe_usage::day.eq(now_ms.div_euclid(DAY_MS)),
            stripe_usage::reads.eq(used.reads),
            stripe_usage::charges.eq(used.charges),
        ))
        .on_conflict((stripe_usage::account, stripe_usage::day))
        .do_update()
        .set((
            stripe_usage::reads.eq(stripe_usage::reads + used.reads),
            stripe_usage::charges.eq(stripe_usage::charges + used.charges),
        ))
        .execute(c))?;
    Ok(())
}

/// What was counted in the last `days` days, today included.
pub fn of_last(conn: &mut Conn, account: &str, days: i64, now_ms: i64) -> Result<Used> {
    let counted: Vec<(i64, i64)> = on_backend!(conn, c => stripe_usage::table
        .filter(stripe_usage::account.eq(account))
        .filter(stripe_usage::day.gt(now_ms.div_euclid(DAY_MS) - days))
        .select((stripe_usage::reads, stripe_usage::charges))
        .load(c))?;
    let add = |sum: Used, (reads, charges)| Used { reads: sum.reads + reads, charges: sum.charges + charges };
    Ok(counted.into_iter().fold(Used::default(), add))
}
