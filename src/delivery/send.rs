//! One call on its way: sent, split where it is refused as a whole, and answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::notice::notice;
use super::verdict::{Verdict, judge};
use crate::salesforce::{Budget, Client, Collection, Error, Outcome, Record, Upserted};
use crate::store::outbox::Leased;

/// Ours: the org answers, but not to this record.
pub(super) const NO_ANSWER: &str = "NO_ANSWER";

/// A row with what became of it.
pub(super) type Judged = (Leased, Outcome);

/// Rows by collection, in the order of sending.
pub(super) type Collections = Vec<Vec<Leased>>;

/// What became of a call.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub judged: Vec<Judged>,
    /// These did not leave, or what became of them was not said; they are sent another time.
    pub unsent: Vec<Leased>,
    /// The records of one request that left and was not heard of: the org may still be working on them.
    pub unheard: Vec<Leased>,
    /// The record of a request that carried it alone and was not heard of although the org answers, and why.
    pub silent: Option<(Leased, String)>,
    /// Why the rest was not sent, if that concerns more than its records.
    pub error: Option<Error>,
}

/// Sends what fits into one call. A request or a collection that is refused as a whole is split until the culprit is alone, or
/// until `patience` is over or the day's requests are used up: the rest is sent another time. `single_records` says that calls
/// carry one record because larger ones failed. After a request that is not heard of none leaves.
pub(super) async fn send(
    client: &Client,
    collections: Collections,
    notifying: &[Arc<str>],
    patience: Duration,
    single_records: bool,
) -> Sent {
    let began = Instant::now();
    let mut sent = Sent::default();
    let mut stack = vec![collections];
    while let Some(call) = stack.pop() {
        let spent = || matches!(client.budget(), Budget::Spent { .. });
        if !sent.judged.is_empty() && (began.elapsed() > patience || spent()) {
            sent.unsent.extend(call.into_iter().flatten());
            continue;
        }
        let notices = notices(&call, notifying);
        match client.upsert(&as_collections(&call, &notices)).await {
            Ok(upserted) => {
                for (rows, upserted) in call.into_iter().zip(upserted) {
                    match upserted {
                        Upserted::Each(outcomes) => sent.judged.extend(rows.into_iter().zip(outcomes)),
                        Upserted::Whole(outcome) if rows.len() > 1 && speaks_of_records(&outcome) => {
                            halves(vec![rows], &mut stack);
                        }
                        Upserted::Whole(outcome) => {
                            sent.judged.extend(rows.into_iter().map(|row| (row, outcome.clone())));
                        }
                    }
                }
            }
            Err(Error::Rejected { status, code, message })
                if speaks_of_records(&refused(status, &code, &message)) =>
            {
                if call.iter().map(Vec::len).sum::<usize>() > 1 {
                    halves(call, &mut stack);
                } else {
                    let message = format!("the request was refused with {status}: {message}");
                    let row = call.into_iter().flatten();
                    sent.judged.extend(row.map(|row| (row, refused(status, &code, &message))));
                }
            }
            Err(error) if single_records && is_the_records_fault(client, &call, &error).await => {
                let message = format!("the org answers, but not when this record is sent: {error}");
                let mut row = call.into_iter().flatten();
                if matches!(error, Error::Unheard(_)) {
                    sent.silent = row.next().map(|row| (row, message));
                    sent.unsent.extend(stack.drain(..).flatten().flatten());
                } else {
                    sent.judged.extend(row.map(|row| (row, refused(0, NO_ANSWER, &message))));
                }
            }
            Err(error) => {
                let lost =
                    if matches!(error, Error::Unheard(_)) { &mut sent.unheard } else { &mut sent.unsent };
                lost.extend(call.into_iter().flatten());
                sent.unsent.extend(stack.drain(..).flatten().flatten());
                sent.error = Some(error);
            }
        }
    }
    sent
}

/// Whether a call of one record failed although the org is there.
async fn is_the_records_fault(client: &Client, call: &[Vec<Leased>], error: &Error) -> bool {
    call.iter().map(Vec::len).sum::<usize>() == 1
        && matches!(error, Error::Unreachable(_) | Error::Unheard(_) | Error::Unreadable(_))
        && client.check_limits().await.is_ok()
}

/// Whether a refusal of the whole can be some record's fault. An org that is not set up or is busy refuses each alike, and
/// asking for each alone would cost the day's requests.
fn speaks_of_records(outcome: &Outcome) -> bool {
    judge(outcome) == Verdict::DeadLetter
}

fn refused(status: u16, code: &str, message: &str) -> Outcome {
    let (code, message) = (code.to_owned(), message.to_owned());
    Outcome::Refused { status, code, message, fields: Vec::new(), untold: false }
}

/// What subscribers are told of each record, if anything.
fn notices(call: &[Vec<Leased>], notifying: &[Arc<str>]) -> Vec<Vec<Option<String>>> {
    let told =
        |row: &Leased| notifying.iter().any(|object| **object == *row.sobject).then(|| notice(row)).flatten();
    call.iter().map(|rows| rows.iter().map(told).collect()).collect()
}

fn as_collections<'c>(call: &'c [Vec<Leased>], notices: &'c [Vec<Option<String>>]) -> Vec<Collection<'c>> {
    let record = |(row, notice): (&'c Leased, &'c Option<String>)| {
        let Leased { external_id, fields, .. } = row;
        Record { external_id, fields, notice: notice.as_deref() }
    };
    let collection = |(rows, notices): (&'c Vec<Leased>, &'c Vec<Option<String>>)| Collection {
        sobject: &rows[0].sobject,
        records: rows.iter().zip(notices).map(record).collect(),
    };
    call.iter().zip(notices).map(collection).collect()
}

/// Cuts a call in two, between collections if there are several; parents stay in the first half, which is sent next.
fn halves(mut call: Collections, stack: &mut Vec<Collections>) {
    if let [only] = call.as_mut_slice() {
        let second = only.split_off(only.len() / 2);
        stack.extend([vec![second], call]);
    } else {
        let second = call.split_off(call.len() / 2);
        stack.extend([second, call]);
    }
}
