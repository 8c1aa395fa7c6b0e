//! Reads objects from Stripe: parents that no event spoke of, ties, events in another API version, balance transactions.
//!
//! What is read goes through the inbox as an event of our own (`fetch_…`), dated by Stripe's clock, so that it is ordered,
//! mapped and delivered like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::pace::{self, Pace};
use super::reading::{Reading, began_at};
use crate::backoff;
use crate::clock::{Clock, from_unix_ms, unix_ms};
use crate::config::Mode;
use crate::crash;
use crate::metrics::Metrics;
use crate::store::fetches::{self, Due};
use crate::store::inbox::{self, NewEvent};
use crate::store::outbox;
use crate::store::usage::{self, Used};
use crate::store::{self, Conn, Store, notes};
use crate::stripe::{BalanceTransactions, Client, Error};
use crate::worker::{Bell, Next, Step};

/// Wishes looked at in one step.
const BATCH_LIMIT: i64 = 500;
/// Requests under way at once: reads are scarce and nobody waits for them.
const IN_FLIGHT: usize = 4;
/// From so many on, balance transactions made at about the same time are listed instead of read one by one.
const TOGETHER: usize = 3;
/// Seconds between two that are listed together, and how much earlier than its event one may have been made.
const APART: i64 = 60;
const EARLIER: i64 = 120;
/// Longest first wait after an object could not be read, and the longest wait at all.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));
/// The same for a payout that Stripe has not put together yet, and how often it is asked.
const NOT_READY: (Duration, Duration) = (Duration::from_secs(3_600), Duration::from_secs(6 * 3_600));
const NOT_READY_LIMIT: i32 = 30;
/// How long what Stripe did not have is not read again for the records that point to it.
const ABSENT: Duration = Duration::from_secs(3_600);
/// How long nothing is read after the allowance is used up.
const SPENT: Duration = Duration::from_secs(3_600);

/// How often it is looked whether a person has let the account's traffic go on.
const STOPPED_MS: i64 = 1_000;

const BALANCE_TRANSACTION: &str = "balance_transaction";

/// Reads the objects that were asked for.
#[derive(Clone, Debug)]
pub struct Fetcher(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    store: Store,
    accounts: BTreeMap<String, (Source, Pace)>,
    clock: Clock,
    inbox: Bell,
    metrics: Metrics,
}

/// Where the objects of an account are read.
#[derive(Clone, Debug)]
pub struct Source {
    /// The account's client.
    pub client: Client,
    /// The API version that its answers are written in.
    pub api_version: String,
    /// The mode of its key, and so of all it can read; not every object says its own.
    pub mode: Mode,
}

/// Something that is read with one request or, if it is a list, with a few.
#[derive(Debug)]
enum Work {
    One(Due),
    /// What an object consists of.
    Contents(Due),
    /// Balance transactions that were made at about the same time.
    Together(Vec<Due>),
}

impl Fetcher {
    /// `inbox` rings when something was read.
    pub fn new(
        store: Store,
        accounts: BTreeMap<String, Source>,
        clock: Clock,
        inbox: Bell,
        metrics: &Metrics,
    ) -> Self {
        let with_pace = |(name, source): (String, Source)| {
            let pace = Pace::of(source.mode);
            (name, (source, pace))
        };
        let accounts = accounts.into_iter().map(with_pace).collect();
        Self(Arc::new(Parts { store, accounts, clock, inbox, metrics: metrics.clone() }))
    }
}

impl Step for Fetcher {
    fn name(&self) -> &'static str {
        "fetch"
    }

    async fn step(&self) -> Next {
        self.0.clone().step_once().await.unwrap_or_else(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "fetching waits: the database did not answer"
            );
            Next::Idle
        })
    }
}

impl Parts {
    async fn step_once(self: Arc<Self>) -> store::Result<Next> {
        let now_ms = unix_ms(self.clock.now());
        let resting = |(name, (source, pace)): (&String, &(Source, Pace))| {
            let stopped = source.client.pass().closed().map(|_why| now_ms + STOPPED_MS);
            Some((name.clone(), pace.open_at().max(stopped.unwrap_or(0)))).filter(|(_, at)| *at > now_ms)
        };
        let resting: BTreeMap<String, i64> = self.accounts.iter().filter_map(resting).collect();
        let paused: Vec<String> = resting.keys().cloned().collect();
        let names: Vec<String> = self.accounts.keys().cloned().collect();
        let Looked { known, due, next, used } =
            self.store.read(move |conn| look(conn, &paused, &names, now_ms)).await?;
        let mut begun = known.len();
        self.drop_all(known).await?;
        let mut by_account: BTreeMap<String, Vec<Due>> = BTreeMap::new();
        for one in due {
            by_account.entry(one.account.clone()).or_default().push(one);
        }
        let mut running = JoinSet::new();
        for (name, due) in by_account {
            let Some((_, pace)) = self.accounts.get(&name) else {
                tracing::warn!(account = name, "fetches dropped: the account is not configured any more");
                begun += due.len();
                self.drop_all(due).await?;
                continue;
            };
            let left = pace::allowance(used.get(&name).copied().unwrap_or_default());
            if left == 0 {
                tracing::warn!(account = name, "reading waits: what Stripe allows in 30 days is used up");
                pace.rest(SPENT, now_ms);
                continue;
            }
            let work = gather(due);
            let allowed = pace.take(work.len().min(usize::try_from(left).unwrap_or(usize::MAX)), now_ms);
            for work in work.into_iter().take(allowed) {
                begun += 1;
                if running.len() >= IN_FLIGHT {
                    ended(running.join_next().await)?;
                }
                // What was found out since may speak against going on.
                if pace.paused(now_ms).is_none() {
                    running.spawn(Arc::clone(&self).carry_out(name.clone(), work));
                }
            }
        }
        while let Some(result) = running.join_next().await {
            ended(Some(result))?;
        }
        if begun > 0 {
            return Ok(Next::Again);
        }
        let next = next.into_iter().chain(resting.into_values()).min();
        Ok(next.map_or(Next::Idle, |ms| Next::At(from_unix_ms(ms))))
    }

    async fn carry_out(self: Arc<Self>, name: String, work: Work) -> store::Result<()> {
        let Some((source, pace)) = self.accounts.get(&name) else { return Ok(()) };
        let began_ms = unix_ms(self.clock.now());
        let (result, due) = match work {
            Work::One(due) => (self.one(source, &due).await?, vec![due]),
            Work::Contents(due) => (self.contents(source, pace, &due).await?, vec![due]),
            Work::Together(due) => (self.together(source, pace, &due).await?, due),
        };
        match result {
            Ok(()) => {
                pace.answered();
                self.inbox.ring();
                Ok(())
            }
            Err(error) => self.failed(pace, began_ms, due, error).await,
        }
    }

    async fn one(&self, source: &Source, due: &Due) -> store::Result<Result<(), Error>> {
        let asked = Instant::now();
        let fetched = match source.client.fetch(&due.object, &due.object_id).await {
            Ok(fetched) => fetched,
            Err(error) => return self.unread(&due.account, error).await,
        };
        let reading = Reading {
            object: &due.object,
            id: &due.object_id,
            body: &fetched.body,
            read_at: began_at(fetched.answered_at, asked.elapsed()),
            reason: &due.reason,
            payout: None,
        };
        let event = reading.event(&due.account, source, unix_ms(self.clock.now()))?;
        self.keep(&due.account, vec![event], vec![due.clone()]).await?;
        Ok(Ok(()))
    }

    /// Lists what a payout consists of. Each page is kept when it is there; should a later one fail, all come again.
    async fn contents(&self, source: &Source, pace: &Pace, due: &Due) -> store::Result<Result<(), Error>> {
        let which = BalanceTransactions::Of(&due.object_id);
        let mut after = None;
        loop {
            let asked = Instant::now();
            let page = match source.client.balance_transactions(which, after.as_deref()).await {
                Ok(page) => page,
                Err(error) => return self.unread(&due.account, error).await,
            };
            let now_ms = unix_ms(self.clock.now());
            let event = |listed: &crate::stripe::Listed| {
                let reading = Reading {
                    object: BALANCE_TRANSACTION,
                    id: &listed.id,
                    body: &listed.body,
                    read_at: began_at(page.answered_at, asked.elapsed()),
                    reason: "a payout consists of it",
                    payout: Some(&due.object_id),
                };
                reading.event(&due.account, source, now_ms)
            };
            let events = page.data.iter().map(event).collect::<store::Result<Vec<_>>>()?;
            let last = page.data.last().map(|listed| listed.id.clone()).filter(|_| page.has_more);
            let done_with = if last.is_none() { vec![due.clone()] } else { Vec::new() };
            self.keep(&due.account, events, done_with).await?;
            match last {
                None => return Ok(Ok(())),
                Some(last) => after = Some(last),
            }
            pace.count(1, now_ms);
        }
    }

    /// Lists what was made at about the same time. What is not among it is read alone another time.
    async fn together(&self, source: &Source, pace: &Pace, due: &[Due]) -> store::Result<Result<(), Error>> {
        let Some(account) = due.first().map(|due| due.account.clone()) else { return Ok(Ok(())) };
        let made = || due.iter().filter_map(|due| due.around);
        let (from, to) = (made().min().unwrap_or(0) - EARLIER, made().max().unwrap_or(0));
        let mut missing: BTreeMap<&str, &Due> = due.iter().map(|due| (due.object_id.as_str(), due)).collect();
        let (mut after, mut pages) = (None, 0);
        // A page that finds less than reading one by one would is not worth it.
        while !missing.is_empty() && pages <= due.len() / 10 {
            let asked = Instant::now();
            let which = BalanceTransactions::Made(from, to);
            let page = match source.client.balance_transactions(which, after.as_deref()).await {
                Ok(page) => page,
                Err(error) => return self.unread(&account, error).await,
            };
            pages += 1;
            let now_ms = unix_ms(self.clock.now());
            let (mut events, mut found) = (Vec::new(), Vec::new());
            for listed in &page.data {
                let Some(due) = missing.remove(listed.id.as_str()) else { continue };
                let reading = Reading {
                    object: BALANCE_TRANSACTION,
                    id: &listed.id,
                    body: &listed.body,
                    read_at: began_at(page.answered_at, asked.elapsed()),
                    reason: &due.reason,
                    payout: None,
                };
                events.push(reading.event(&account, source, now_ms)?);
                found.push(due.clone());
            }
            self.keep(&account, events, found).await?;
            after = page.data.last().map(|listed| listed.id.clone()).filter(|_| page.has_more);
            if after.is_none() {
                break;
            }
            pace.count(1, now_ms);
        }
        let alone: Vec<i64> = missing.into_values().map(|due| due.id).collect();
        self.store.write(move |conn| fetches::read_alone(conn, &alone)).await?;
        Ok(Ok(()))
    }

    /// Puts what one request brought into the inbox, and takes the wishes out.
    async fn keep(&self, account: &str, events: Vec<NewEvent>, done_with: Vec<Due>) -> store::Result<()> {
        crash::at("object_read");
        self.metrics.reads.with_label_values(&["read"]).inc();
        let (account, now_ms) = (account.to_owned(), unix_ms(self.clock.now()));
        self.store
            .write(move |conn| {
                usage::add(conn, &account, now_ms, Used { reads: 1, charges: 0 })?;
                inbox::record(conn, &events)?;
                let waited = fetches::complete(conn, &done_with)?;
                let noted = done_with.iter().zip(waited).flat_map(|(due, waited)| {
                    let read = events.iter().find(|event| event.object_id.as_ref() == Some(&due.object_id));
                    let note = match read {
                        Some(event) => format!("read from Stripe instead, as {}", event.event_id),
                        None => "read from Stripe instead".to_owned(),
                    };
                    waited.into_iter().map(move |seq| (seq, note.clone()))
                });
                notes::add(conn, &noted.collect::<Vec<_>>())
            })
            .await
    }

    /// Counts a request that brought nothing.
    async fn unread(&self, account: &str, error: Error) -> store::Result<Result<(), Error>> {
        let outcome = if reaction(&error) == Reaction::Gone { "missing" } else { "failed" };
        self.metrics.reads.with_label_values(&[outcome]).inc();
        let (account, now_ms) = (account.to_owned(), unix_ms(self.clock.now()));
        let used = Used { reads: 1, charges: 0 };
        self.store.write(move |conn| usage::add(conn, &account, now_ms, used)).await?;
        Ok(Err(error))
    }

    /// Decides what becomes of wishes that could not be fulfilled.
    async fn failed(&self, pace: &Pace, began_ms: i64, due: Vec<Due>, error: Error) -> store::Result<()> {
        let now_ms = unix_ms(self.clock.now());
        match reaction(&error) {
            Reaction::Gone => {
                pace.answered();
                let (until_ms, error) = (unix_ms(self.clock.now() + ABSENT), error.to_string());
                self.store.write(move |conn| give_up(conn, due, until_ms, &error)).await
            }
            Reaction::NotReady => {
                pace.answered();
                for due in due {
                    if due.attempts >= NOT_READY_LIMIT {
                        tracing::warn!(
                            payout = due.object_id,
                            "Stripe never put the payout together: {error}"
                        );
                        self.drop_all(vec![due]).await?;
                    } else {
                        self.retry(due, NOT_READY, &error).await?;
                    }
                }
                Ok(())
            }
            Reaction::SlowDown(retry_after) => {
                let until = from_unix_ms(pace.pause(retry_after, began_ms, now_ms));
                let account = due.first().map(|due| due.account.as_str());
                tracing::warn!(account, %until, "reading waits: {error}");
                Ok(())
            }
            Reaction::Later => {
                let until = from_unix_ms(pace.pause(None, began_ms, now_ms));
                let account = due.first().map(|due| due.account.as_str());
                tracing::warn!(account, %until, "reading waits: {error}");
                for due in due {
                    self.retry(due, BACKOFF, &error).await?;
                }
                Ok(())
            }
            Reaction::NeedsAPerson => {
                // A key that is not taken is not taken for anything else either.
                if matches!(&error, Error::Rejected(rejection) if rejection.status == 401) {
                    pace.rest(BACKOFF.1, now_ms);
                }
                for due in due {
                    if pace.must_alert() {
                        let (account, object) = (&due.account, &due.object);
                        tracing::error!(
                            account,
                            object,
                            "Stripe does not let us read; nothing is lost: {error}"
                        );
                    }
                    self.retry(due, (BACKOFF.1, BACKOFF.1), &error).await?;
                }
                Ok(())
            }
        }
    }

    async fn retry(&self, due: Due, backoff: (Duration, Duration), error: &Error) -> store::Result<()> {
        let attempt = u32::try_from(due.attempts + 1).unwrap_or(1);
        // Never at once, however the dice fall: reads are counted.
        let wait = backoff::wait(attempt, backoff.0, backoff.1, fastrand::u64(..)).max(backoff.0 / 2);
        let due_ms = unix_ms(self.clock.now() + wait) + 1;
        tracing::warn!(object = due.object, object.id = due.object_id, attempt, %error, "fetch failed");
        let error = error.to_string();
        self.store.write(move |conn| fetches::retry_at(conn, due.id, due_ms, &error)).await
    }

    async fn drop_all(&self, due: Vec<Due>) -> store::Result<()> {
        if due.is_empty() {
            return Ok(());
        }
        self.store.write(move |conn| fetches::complete(conn, &due).map(|_events| ())).await
    }
}

/// What there is to do.
#[derive(Default)]
struct Looked {
    /// Wishes that came true by themselves, or that nobody has any more.
    known: Vec<Due>,
    /// Wishes that are due.
    due: Vec<Due>,
    /// When the next one is, if none is due.
    next: Option<i64>,
    /// What each account has used.
    used: BTreeMap<String, Used>,
}

fn look(conn: &mut Conn, paused: &[String], names: &[String], now_ms: i64) -> store::Result<Looked> {
    let due = fetches::due(conn, paused, now_ms, BATCH_LIMIT)?;
    if due.is_empty() {
        return Ok(Looked { next: fetches::next_due(conn, paused)?, ..Looked::default() });
    }
    let (known, due) = known_meanwhile(conn, due)?;
    let mut used = BTreeMap::new();
    for name in names {
        used.insert(name.clone(), usage::of_last(conn, name, pace::DAYS, now_ms)?);
    }
    Ok(Looked { known, due, next: None, used })
}

/// What became known since it was asked for or is not wanted any more, and the rest.
fn known_meanwhile(conn: &mut Conn, due: Vec<Due>) -> store::Result<(Vec<Due>, Vec<Due>)> {
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for due in &due {
        if let Some(org) = &due.missing_in {
            missing.entry(org).or_default().push(&due.object_id);
        }
    }
    let mut seen = BTreeSet::new();
    for (org, ids) in missing {
        seen.extend(outbox::seen(conn, org, &ids)?.into_iter().map(|id| (org.to_owned(), id)));
    }
    let is_known = |due: &Due| {
        let seen_in = |org: &String| seen.contains(&(org.clone(), due.object_id.clone()));
        due.wishes == 0 || due.missing_in.as_ref().is_some_and(seen_in)
    };
    Ok(due.into_iter().partition(is_known))
}

fn ended(result: Option<Result<store::Result<()>, tokio::task::JoinError>>) -> store::Result<()> {
    match result {
        None => Ok(()),
        Some(Ok(result)) => result,
        // The wish is still there and comes again.
        Some(Err(error)) => {
            tracing::error!(%error, "a read ended badly");
            Ok(())
        }
    }
}

/// Turns wishes into as few requests as do for them.
fn gather(due: Vec<Due>) -> Vec<Work> {
    let (mut work, mut listed) = (Vec::new(), Vec::new());
    for due in due {
        match (due.contents().is_some(), due.around) {
            (true, _) => work.push(Work::Contents(due)),
            (false, Some(_)) if due.object == BALANCE_TRANSACTION => listed.push(due),
            _ => work.push(Work::One(due)),
        }
    }
    listed.sort_by_key(|due| due.around);
    let mut groups: Vec<Vec<Due>> = Vec::new();
    for due in listed {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| near(last, &due)) => group.push(due),
            _ => groups.push(vec![due]),
        }
    }
    for group in groups {
        if group.len() >= TOGETHER {
            work.push(Work::Together(group));
        } else {
            work.extend(group.into_iter().map(Work::One));
        }
    }
    work
}

fn near(one: &Due, next: &Due) -> bool {
    next.around.zip(one.around).is_some_and(|(next, one)| next - one <= APART)
}

/// Stripe knows nothing of them. The events that waited for them cannot be mapped; records that point to them do not have it
/// asked again before `until_ms`.
fn give_up(conn: &mut Conn, due: Vec<Due>, until_ms: i64, error: &str) -> store::Result<()> {
    for due in &due {
        tracing::warn!(object = due.object, object.id = due.object_id, "Stripe has no such object");
    }
    fetches::lock(conn, &due.iter().map(|due| due.id).collect::<Vec<_>>())?;
    let (missed, due): (Vec<Due>, Vec<Due>) = due.into_iter().partition(|due| due.missing_in.is_some());
    fetches::absent(conn, &missed, until_ms, error)?;
    let waited = fetches::complete(conn, &due)?;
    for (due, waited) in due.iter().zip(waited) {
        let reason = format!(
            "the event is written in another API version, and Stripe has no {} `{}` any more to read in its place",
            due.object, due.object_id
        );
        for seq in BTreeSet::from_iter(waited) {
            inbox::dead_letter_again(conn, seq, &reason)?;
        }
    }
    Ok(())
}

/// What is done about an error.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    /// Stripe knows nothing of it, or never will under this name.
    Gone,
    /// The payout is not put together yet.
    NotReady,
    /// All reads of the account wait.
    SlowDown(Option<Duration>),
    /// Stripe is not there: all wait, and this one longer.
    Later,
    /// The same request will be refused again until somebody mends something.
    NeedsAPerson,
}

fn reaction(error: &Error) -> Reaction {
    match error {
        Error::Rejected(rejection) if rejection.status == 404 => Reaction::Gone,
        Error::Rejected(rejection)
            if rejection.code.as_deref() == Some("payout_reconciliation_not_ready") =>
        {
            Reaction::NotReady
        }
        Error::Unaddressable(_) => Reaction::Gone,
        Error::RateLimited { retry_after, .. } => Reaction::SlowDown(*retry_after),
        Error::Unreachable { .. } => Reaction::Later,
        error if error.is_retryable() => Reaction::Later,
        _ => Reaction::NeedsAPerson,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(object: &str, id: i64, around: Option<i64>) -> Due {
        Due {
            id,
            account: "main".to_owned(),
            object: object.to_owned(),
            object_id: format!("x_{id}"),
            attempts: 0,
            wishes: 1,
            reason: String::new(),
            around,
            missing_in: None,
        }
    }

    #[test]
    fn what_was_made_together_is_listed_together() {
        let due = vec![
            wish("charge", 1, None),
            wish("balance_transaction", 2, Some(1_000)),
            wish("balance_transaction", 3, Some(5_000)),
            wish("balance_transaction", 4, Some(1_060)),
            wish("balance_transaction", 5, Some(1_020)),
            wish("balance_transaction", 6, None),
            wish("payout/contents", 7, None),
        ];
        let shape = |work: &Work| match work {
            Work::One(due) => vec![due.id],
            Work::Contents(due) => vec![-due.id],
            Work::Together(due) => due.iter().map(|due| due.id).collect(),
        };
        let shapes: Vec<_> = gather(due).iter().map(shape).collect();
        assert_eq!(shapes, [vec![1], vec![6], vec![-7], vec![2, 5, 4], vec![3]]);
    }
}
