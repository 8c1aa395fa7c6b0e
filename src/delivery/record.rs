//! What a call came to, decided and written down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use time::OffsetDateTime;

use super::gather::Parent;
use super::lane::Cause;
use super::send::{NO_ANSWER, Sent};
use super::verdict::{Verdict, judge};
use crate::backoff;
use crate::clock::unix_ms;
use crate::config::DeliveryConfig;
use crate::salesforce::Outcome;
use crate::store::attempts::{self, Ended, NewAttempt};
use crate::store::fetches::{self, Wanted};
use crate::store::outbox::{self, Arrived, Leased};
use crate::store::{self, Conn};

/// What becomes of each row of a call, and what it says about others.
#[derive(Debug, Default)]
pub(super) struct Settled {
    arrived: Vec<Leased>,
    arrivals: Vec<Arrived>,
    failed: Vec<Failed>,
    /// Given back untried.
    released: Vec<Leased>,
    /// Left alone until their lease ends: the org may still be working on them.
    unheard: Vec<Leased>,
    /// Objects of which a record arrived.
    pub works: BTreeSet<String>,
    /// Objects that are not set up, and why.
    pub holds: BTreeMap<String, String>,
    /// Why nothing is taken.
    pub stop: Option<Cause>,
    /// Whether records were locked by others.
    pub locked: bool,
}

#[derive(Debug)]
struct Failed {
    row: Leased,
    code: String,
    message: String,
    fate: Fate,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Retry {
        due_ms: i64,
    },
    Wait {
        due_ms: i64,
        since_ms: i64,
    },
    /// It arrived, and nobody could be told. Not a try.
    TellLater {
        due_ms: i64,
    },
    /// Again when its lease has ended.
    Silent,
    Dead,
}

/// What became of the records of one call, for those who count.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Of each record that arrived, how long it had been due.
    pub delays: Vec<Duration>,
    pub retried: usize,
    pub waiting_for_parent: usize,
    pub dead: usize,
    pub released: usize,
    pub unheard: usize,
}

impl Settled {
    /// A record was refused for a reason that concerns all. What needs a person is what operators are told.
    fn stop(&mut self, row: &Leased, code: &str, message: &str, needs_person: bool) {
        if self.stop.as_ref().is_none_or(|known| needs_person && !known.needs_person) {
            let reason = format!("{} {}: {code}: {message}", row.sobject, row.external_id);
            self.stop = Some(Cause { reason, needs_person, may_be_ours: false, retry_after: None });
        }
    }

    pub(super) fn tally(&self, now: OffsetDateTime) -> Tally {
        let now_ms = unix_ms(now);
        let delay = |row: &Leased| Duration::from_millis(u64::try_from(now_ms - row.due_at).unwrap_or(0));
        let ended = |wanted: fn(&Fate) -> bool| self.failed.iter().filter(|one| wanted(&one.fate)).count();
        Tally {
            delays: self.arrived.iter().map(delay).collect(),
            retried: ended(|fate| matches!(fate, Fate::Retry { .. } | Fate::TellLater { .. } | Fate::Silent)),
            waiting_for_parent: ended(|fate| matches!(fate, Fate::Wait { .. })),
            dead: ended(|fate| matches!(fate, Fate::Dead)),
            released: self.released.len(),
            unheard: self.unheard.len(),
        }
    }
}

/// Decides what becomes of each row.
pub(super) fn settle(
    sent: Sent,
    config: &DeliveryConfig,
    now: OffsetDateTime,
    mut random: impl FnMut() -> u64,
) -> Settled {
    let Sent { judged, unsent, unheard, silent, error: _ } = sent;
    let mut settled = Settled { released: unsent, unheard, ..Settled::default() };
    settled.failed.extend(silent.map(|(row, message)| {
        let fate = if has_tries(&row, config) { Fate::Silent } else { Fate::Dead };
        Failed { row, code: NO_ANSWER.to_owned(), message, fate }
    }));
    let accepted = judged.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Accepted { .. }));
    settled.works = accepted.map(|(row, _)| row.sobject.clone()).collect();
    for (row, outcome) in judged {
        let verdict = judge(&outcome);
        let (code, message) = match outcome {
            Outcome::Accepted { record_id, .. } => {
                settled.arrivals.push(Arrived { id: row.id, record_id, event_id: row.event_id.clone() });
                settled.arrived.push(row);
                continue;
            }
            Outcome::Refused { code, message, fields, .. } if fields.is_empty() => (code, message),
            Outcome::Refused { code, message, fields, .. } => {
                (code, format!("{message} [{}]", fields.join(", ")))
            }
        };
        settled.locked |= code == "UNABLE_TO_LOCK_ROW";
        let fate = match verdict {
            Verdict::StopLane => {
                settled.stop(&row, &code, &message, true);
                settled.released.push(row);
                continue;
            }
            Verdict::PauseLane if settled.works.is_empty() => {
                settled.stop(&row, &code, &message, false);
                settled.released.push(row);
                continue;
            }
            // What arrives for others of its object is set up: this is about the record.
            Verdict::HoldObject if !settled.works.contains(&row.sobject) => {
                let reason = format!("{}: {code}: {message}", row.external_id);
                settled.holds.entry(row.sobject.clone()).or_insert(reason);
                settled.released.push(row);
                continue;
            }
            Verdict::Retry | Verdict::HoldObject | Verdict::PauseLane if has_tries(&row, config) => {
                let wait = backoff::wait(tries(&row), config.backoff, config.backoff_limit, random());
                Fate::Retry { due_ms: unix_ms(now + wait) + 1 }
            }
            Verdict::WaitForParent => wait_for_parent(&row, config, now, random()),
            Verdict::TellLater => {
                // The quota is the hour's: asking sooner would only cost requests.
                let wait = config.backoff_limit
                    + backoff::wait(1, config.backoff_limit, config.backoff_limit, random());
                Fate::TellLater { due_ms: unix_ms(now + wait) + 1 }
            }
            Verdict::Done
            | Verdict::Retry
            | Verdict::HoldObject
            | Verdict::PauseLane
            | Verdict::DeadLetter => Fate::Dead,
        };
        let message = match (fate, verdict) {
            (Fate::Dead, Verdict::WaitForParent) => {
                let (parent, minutes) = (absent_parent(&row, &message), config.parent_wait.as_secs() / 60);
                format!("waited {minutes} minutes for {parent}, which never came: {message}")
            }
            _ => message,
        };
        settled.failed.push(Failed { row, code, message, fate });
    }
    settled
}

fn tries(row: &Leased) -> u32 {
    u32::try_from(row.attempts).unwrap_or(1)
}

/// Whether a record that failed for a passing reason is tried again.
fn has_tries(row: &Leased, config: &DeliveryConfig) -> bool {
    tries(row) < config.max_attempts
}

/// The longer it has waited, the longer it may wait on, up to a day.
fn wait_for_parent(row: &Leased, config: &DeliveryConfig, now: OffsetDateTime, random: u64) -> Fate {
    let now_ms = unix_ms(now);
    let since_ms = row.waiting_since.unwrap_or(now_ms);
    let waited = Duration::from_millis(u64::try_from(now_ms - since_ms).unwrap_or(0));
    if waited >= config.parent_wait {
        return Fate::Dead;
    }
    let wait = backoff::wait(1, waited.max(config.backoff), config.backoff_limit, random);
    Fate::Wait { due_ms: unix_ms(now + wait) + 1, since_ms }
}

/// The parent that Salesforce's text speaks of, in Stripe's words.
fn absent_parent(row: &Leased, message: &str) -> String {
    let parents: Vec<Parent> = serde_json::from_str(&row.parents).unwrap_or_default();
    let named = parents.into_iter().find(|parent| message.contains(&parent.id));
    named.map_or("its parent".to_owned(), |parent| format!("its parent {} {}", parent.object, parent.id))
}

/// Writes it down, but only for rows whose lease is still held; they were taken at `taken_ms`, and what was not heard of may
/// be under way until `over_ms`. Says whether a parent has to be read from Stripe.
pub(super) fn record(
    conn: &mut Conn,
    org: &str,
    lease: &str,
    (taken_ms, over_ms): (i64, i64),
    settled: &Settled,
    now: OffsetDateTime,
) -> store::Result<bool> {
    let now_ms = unix_ms(now);
    let failed = settled.failed.iter().map(|failed| &failed.row);
    let rows = settled.arrived.iter().chain(failed).chain(&settled.released).chain(&settled.unheard);
    outbox::lock(conn, &rows.map(|row| row.id).collect::<Vec<_>>())?;
    for failed in &settled.failed {
        record_failure(conn, lease, failed, over_ms, now_ms)?;
    }
    outbox::complete(conn, lease, &settled.arrivals, now_ms)?;
    // Back at their place in the queue, before what came later.
    let due_ms = settled.released.iter().map(|row| row.due_at).min().unwrap_or(now_ms);
    let released: Vec<i64> = settled.released.iter().map(|row| row.id).collect();
    outbox::release(conn, lease, &released, due_ms)?;
    outbox::unheard(conn, lease, &settled.unheard.iter().map(|row| row.id).collect::<Vec<_>>(), over_ms)?;
    let wanted = missing_parents(conn, org, &settled.failed, taken_ms, now_ms)?;
    fetches::request(conn, &wanted, now_ms)?;
    Ok(!wanted.is_empty())
}

fn record_failure(
    conn: &mut Conn,
    lease: &str,
    failed: &Failed,
    over_ms: i64,
    now_ms: i64,
) -> store::Result<()> {
    let Failed { row, code, message, fate } = failed;
    let reason = format!("{code}: {message}");
    let ended = match *fate {
        Fate::Retry { due_ms } => {
            outbox::retry_at(conn, lease, row.id, due_ms, true, None, &reason)?;
            Ended::Retry
        }
        Fate::TellLater { due_ms } => {
            outbox::retry_at(conn, lease, row.id, due_ms, false, None, &reason)?;
            Ended::Retry
        }
        Fate::Silent => {
            outbox::silent(conn, lease, row.id, over_ms, &reason)?;
            Ended::Retry
        }
        Fate::Wait { due_ms, since_ms } => {
            outbox::retry_at(conn, lease, row.id, due_ms, false, Some(since_ms), &reason)?;
            Ended::WaitForParent
        }
        Fate::Dead => {
            let (sobject, external_id, attempt) = (&row.sobject, &row.external_id, row.attempts);
            // The text may quote what is in the record; it is in the dead letter.
            tracing::error!(sobject, external_id, attempt, code, "dead letter");
            outbox::dead_letter(conn, lease, row.id, now_ms, &reason)?;
            Ended::Dead
        }
    };
    if ended == Ended::WaitForParent && row.waiting_since.is_some() {
        // A day of waiting is one line, not hundreds.
        return Ok(());
    }
    let attempt = NewAttempt {
        outbox_id: row.id,
        at: now_ms,
        call_id: lease,
        attempt: row.attempts,
        ended,
        code,
        message,
        sent: (ended == Ended::Dead).then_some(row.fields.as_str()),
        mapping_version: &row.mapping_version,
    };
    attempts::record(conn, &attempt)
}

/// Parents of waiting rows that no event ever spoke of: they must be read from Stripe, or the rows wait for nothing. One that
/// had arrived before the call left was deleted in the org since, and is sent again.
fn missing_parents(
    conn: &mut Conn,
    org: &str,
    failed: &[Failed],
    taken_ms: i64,
    now_ms: i64,
) -> store::Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for Failed { row, message, .. } in failed.iter().filter(|failed| matches!(failed.fate, Fate::Wait { .. }))
    {
        let parents: Vec<Parent> =
            serde_json::from_str(&row.parents).map_err(|error| store::Error::Corrupt(Box::new(error)))?;
        let ids: Vec<&str> = parents.iter().map(|parent| parent.id.as_str()).collect();
        let seen: BTreeSet<String> = outbox::seen(conn, org, &ids)?.into_iter().collect();
        if let Some(named) = ids.iter().find(|id| message.contains(**id) && seen.contains(**id)) {
            outbox::send_again(conn, org, named, taken_ms, now_ms)?;
        }
        wanted.extend(parents.into_iter().filter(|parent| !seen.contains(&parent.id)).map(|parent| Wanted {
            account: row.account.clone(),
            object: parent.object,
            object_id: parent.id,
            reason: "a record points to it and no event spoke of it",
            not_before_ms: 0,
            event_seq: None,
            around: None,
            missing_in: Some(org.to_owned()),
        }));
    }
    Ok(wanted)
}
