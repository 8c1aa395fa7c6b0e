//! Dead letters: events that could not be mapped and records that could not be delivered; seen, tried again, set aside.
//!
//! The same for callers of the API and for the command line.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::remake::{Remade, differences, remake};
use super::{Ops, object_name, written};
use crate::clock::unix_ms;
use crate::store::attempts::{self, Attempt};
use crate::store::audit::{self, NewEntry};
use crate::store::dead_letters::{self, DeadEvent, DeadRecord, Filter};
use crate::store::{self, Conn, history, inbox, outbox};
use crate::webhooks::retell::{self, Saying};

/// The code of events that could not be mapped.
pub const NOT_MAPPED: &str = "NOT_MAPPED";
/// Lines of a history.
const HISTORY_LIMIT: i64 = 100;
/// Dead letters of one transaction.
const BATCH: i64 = 20;
/// A replay of many stops after this time, so that its caller hears of it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Names a dead letter: `event:5` or `record:17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// An event, by its place in the order of arrival.
    Event(i64),
    /// A record, by its row in the outbox.
    Record(i64),
}

impl Id {
    /// Reads a name; none when it is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, number) = text.split_once(':')?;
        let number = number.parse().ok()?;
        match kind {
            "event" => Some(Self::Event(number)),
            "record" => Some(Self::Record(number)),
            _ => None,
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(seq) => write!(f, "event:{seq}"),
            Self::Record(id) => write!(f, "record:{id}"),
        }
    }
}

/// The two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Events that could not be mapped.
    Event,
    /// Records that could not be delivered.
    Record,
}

/// Which dead letters are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only this kind.
    pub kind: Option<Kind>,
    /// What is known of them.
    pub filter: Filter,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Event(i64),
    Record(i64, i64),
}

/// Something that was given up.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Names it, here and on the command line.
    #[schema(example = "record:17")]
    pub dead_letter_id: String,
    /// record: could not be delivered; event: could not be mapped.
    #[schema(example = "record")]
    pub kind: String,
    /// The Salesforce object of a record, the type of an event.
    #[schema(example = "Stripe_Charge__c")]
    pub object_name: String,
    /// Stripe's id of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ch_3PqXyZ2eZvKYlo2C1a2b3c4d")]
    pub stripe_id: Option<String>,
    /// The event; of a record, the last one of its newest state.
    #[schema(example = "evt_1PqXyZ2eZvKYlo2Cabcdefgh")]
    pub event_id: String,
    /// Name of the Stripe account in the configuration.
    #[schema(example = "main")]
    pub account_name: String,
    /// Salesforce's code, or NOT_MAPPED for events.
    #[schema(example = "STRING_TOO_LONG")]
    pub code: String,
    /// The full error.
    #[schema(example = "Name: data value too large: … (max length=80)")]
    pub message: String,
    /// How often it was tried.
    #[schema(example = 1)]
    pub attempts: i32,
    /// Since when it waits for a person: when the record was given up, when the event was received.
    #[schema(format = DateTime, example = "2026-11-20T16:00:00Z")]
    pub waiting_since: String,
    /// Whether somebody decided that it stays as it is.
    #[schema(example = false)]
    pub discarded: bool,
}

/// Dead letters, the longest waiting first, events before records.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterList {
    /// One page of them.
    pub dead_letters: Vec<DeadLetter>,
    /// Send it as `page` to get the next; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "r1795190400000.17")]
    pub next_page: Option<String>,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    pub request_id: String,
}

/// Everything there is to know about one dead letter.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterDetail {
    // Without words of its own: beside a reference the contract's format has no place for them.
    pub(crate) dead_letter: DeadLetter,
    /// JSON text: of a record the fields as they were sent last, of an event its body.
    #[schema(example = "{\"Name\":\"…\",\"Status__c\":\"Completed\"}")]
    pub payload: String,
    /// Names the mapping that made the fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "0.1.0-5f2b81aa")]
    pub mapping_version: Option<String>,
    /// The record's own id, if it ever arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "a01D000000IRFmaIAH")]
    pub salesforce_id: Option<String>,
    /// What happened to it, newest first.
    pub history: Vec<HistoryEntry>,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    pub request_id: String,
}

/// One thing that happened to a record.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// When.
    #[schema(format = DateTime, example = "2026-11-20T16:00:00Z")]
    pub happened_at: String,
    /// retry, wait_for_parent, dead, replayed or discarded.
    #[schema(example = "dead")]
    pub outcome: String,
    /// Salesforce's code, or ours.
    #[schema(example = "STRING_TOO_LONG")]
    pub code: String,
    /// The full text; who replayed or discarded, and why.
    #[schema(example = "Name: data value too large: … (max length=80)")]
    pub message: String,
    /// Which try it was.
    #[schema(example = 1)]
    pub attempt: i32,
    /// The call that carried the record; empty when none did.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    pub call_id: String,
    /// The mapping that made the fields.
    #[schema(example = "0.1.0-5f2b81aa")]
    pub mapping_version: String,
}

/// What a replay would send, by today's mapping. Nothing is sent or changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterPreview {
    /// Names it.
    #[schema(example = "record:17")]
    pub dead_letter_id: String,
    /// Whether a replay would send anything.
    #[schema(example = true)]
    pub replayable: bool,
    /// What there is to say: why nothing would be sent, or why it would be sent as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        example = "the event is not stored any more; the record would be sent as it was"
    )]
    pub note: Option<String>,
    /// Names today's mapping.
    #[schema(example = "0.1.0-5f2b81aa")]
    pub mapping_version: String,
    /// What would be sent.
    pub records: Vec<PreviewRecord>,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    pub request_id: String,
}

/// One record that would be sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewRecord {
    /// The Salesforce object.
    #[schema(example = "Stripe_Charge__c")]
    pub object_name: String,
    /// Stripe's id.
    #[schema(example = "ch_3PqXyZ2eZvKYlo2C1a2b3c4d")]
    pub stripe_id: String,
    /// JSON text: the fields.
    #[schema(example = "{\"Name\":\"…\",\"Status__c\":\"Completed\"}")]
    pub payload: String,
    /// What differs from what was sent last, a line for each field; empty when nothing does.
    #[schema(example = "Name: \"a very long name\" → \"a very\"")]
    pub differences: String,
}

/// What became of a wish to replay or discard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is due again; whether it was made anew by today's mapping.
    Replayed {
        /// Otherwise it is sent as it was.
        remade: bool,
    },
    /// It stays away.
    Discarded,
    /// There is no such dead letter.
    NoSuch,
    /// It would not be sent, for this reason.
    Refused(String),
}

/// What became of a replay of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Many {
    /// Due again.
    pub replayed: i64,
    /// Not made by today's mapping; they stay dead letters.
    pub refused: i64,
    /// Time was up before all were looked at; ask again.
    pub more: bool,
}

impl Ops {
    /// One page of dead letters, events before records; `page` is where the one before ended.
    ///
    /// Errors: `Ok(None)` when `page` is none of ours.
    pub async fn dead_letters(
        &self,
        wanted: Wanted,
        page: Option<&str>,
        limit: i64,
    ) -> store::Result<Option<(Vec<DeadLetter>, Option<String>)>> {
        let after = match page.map(After::parse) {
            Some(None) => return Ok(None),
            Some(after) => after,
            None => None,
        };
        self.store
            .read(move |conn| {
                let mut found = Vec::new();
                if !matches!(after, Some(After::Record(..))) && wanted.includes(Kind::Event) {
                    let after =
                        after.and_then(|after| if let After::Event(seq) = after { Some(seq) } else { None });
                    for event in dead_letters::events(conn, &wanted.filter, after, limit + 1)? {
                        found.push((event_letter(&event), After::Event(event.seq)));
                    }
                }
                let left = limit + 1 - i64::try_from(found.len()).unwrap_or(i64::MAX);
                if left > 0 && wanted.includes(Kind::Record) {
                    let after =
                        after.and_then(
                            |after| if let After::Record(at, id) = after { Some((at, id)) } else { None },
                        );
                    for record in dead_letters::records(conn, &wanted.filter, after, left)? {
                        found.push((record_letter(&record), After::Record(record.updated_at, record.id)));
                    }
                }
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                let more = found.len() > limit;
                found.truncate(limit);
                let next = found.last().filter(|_| more).map(|(_, after)| after.to_string());
                let letters = found.into_iter().map(|(letter, _)| letter).collect();
                Ok(Some((letters, next)))
            })
            .await
    }

    /// Everything about one, discarded ones included.
    pub async fn dead_letter(&self, id: Id) -> store::Result<Option<DeadLetterDetail>> {
        self.store
            .read(move |conn| match id {
                Id::Record(id) => {
                    let Some(record) = dead_letters::record(conn, id)? else { return Ok(None) };
                    let history = attempts::of_row(conn, id, HISTORY_LIMIT)?;
                    let sent = history.iter().find_map(|attempt| attempt.sent.clone());
                    Ok(Some(DeadLetterDetail {
                        payload: sent.unwrap_or_else(|| record.fields.clone()),
                        mapping_version: Some(record.mapping_version.clone()),
                        salesforce_id: record.salesforce_id.clone(),
                        history: history.iter().map(history_entry).collect(),
                        dead_letter: record_letter(&record),
                        request_id: String::new(),
                    }))
                }
                Id::Event(seq) => {
                    let Some(event) = dead_letters::event(conn, seq)? else { return Ok(None) };
                    let stored = history::event(conn, seq)?;
                    Ok(Some(DeadLetterDetail {
                        dead_letter: event_letter(&event),
                        payload: stored.map(|event| event.payload.unpack()).transpose()?.unwrap_or_default(),
                        mapping_version: None,
                        salesforce_id: None,
                        history: Vec::new(),
                        request_id: String::new(),
                    }))
                }
            })
            .await
    }

    /// What a replay would send now.
    pub async fn preview(&self, id: Id) -> store::Result<Option<DeadLetterPreview>> {
        let ops = self.clone();
        self.store
            .read(move |conn| {
                let (records, note) = match id {
                    Id::Record(id) => {
                        let Some(row) = dead_letters::record(conn, id)? else { return Ok(None) };
                        ops.preview_record(conn, &row)?
                    }
                    Id::Event(seq) => {
                        if dead_letters::event(conn, seq)?.is_none() {
                            return Ok(None);
                        }
                        let event = history::event(conn, seq)?;
                        ops.preview_event(&event.into_iter().collect::<Vec<_>>())?
                    }
                };
                Ok(Some(DeadLetterPreview {
                    dead_letter_id: id.to_string(),
                    replayable: !records.is_empty(),
                    note,
                    mapping_version: ops.mapping.version().to_owned(),
                    records,
                    request_id: String::new(),
                }))
            })
            .await
    }

    fn preview_record(
        &self,
        conn: &mut Conn,
        row: &DeadRecord,
    ) -> store::Result<(Vec<PreviewRecord>, Option<String>)> {
        let (fields, note) = match remake(conn, row, &self.mapping, &self.accounts)? {
            Remade::State(state) => (state.fields, None),
            Remade::Forgotten => {
                let note = "its events are not stored any more; it would be sent as it was";
                (row.fields.clone(), Some(note.to_owned()))
            }
            Remade::Nothing(reason) => return Ok((Vec::new(), Some(reason))),
        };
        let history = attempts::of_row(conn, row.id, HISTORY_LIMIT)?;
        let sent = history.into_iter().find_map(|attempt| attempt.sent);
        let differences = differences(sent.as_ref().unwrap_or(&row.fields), &fields)?.join("\n");
        let record = PreviewRecord {
            object_name: object_name(&row.sobject).to_owned(),
            stripe_id: row.external_id.clone(),
            payload: fields,
            differences,
        };
        Ok((vec![record], note))
    }

    fn preview_event(
        &self,
        event: &[inbox::StoredEvent],
    ) -> store::Result<(Vec<PreviewRecord>, Option<String>)> {
        let retold = retell::retell(event, &self.mapping, &self.accounts)?;
        let note = match retold.heard.first().map(|heard| &heard.saying) {
            Some(Saying::Unmappable(reason)) => Some(reason.clone()),
            Some(Saying::ReadInstead(reason)) => Some(format!("it would be read from Stripe: {reason}")),
            Some(Saying::States(states, _)) if states.is_empty() => {
                Some("no record is made of this event".to_owned())
            }
            Some(Saying::States(..)) => None,
            None => Some("the event is not stored any more".to_owned()),
        };
        let record = |state: outbox::NewState| PreviewRecord {
            object_name: object_name(&state.sobject).to_owned(),
            stripe_id: state.external_id,
            payload: state.fields,
            differences: String::new(),
        };
        Ok((retold.records.into_values().map(record).collect(), note))
    }

    /// Tries one again: an event is mapped again, a record is made anew by today's mapping and sent. `who` asks for it.
    pub async fn replay(&self, id: Id, who: &str) -> store::Result<Done> {
        let (ops, who) = (self.clone(), who.to_owned());
        let done = self
            .store
            .write(move |conn| {
                inbox::one_at_a_time(conn)?;
                let done = ops.replay_now(conn, id, &who)?;
                if let Done::Replayed { remade } = done {
                    let detail = serde_json::json!({ "remade": remade });
                    ops.note(conn, &who, "dead_letter_replayed", &id.to_string(), &detail)?;
                }
                Ok(done)
            })
            .await?;
        self.ring();
        Ok(done)
    }

    fn replay_now(&self, conn: &mut Conn, id: Id, who: &str) -> store::Result<Done> {
        let id = match id {
            Id::Event(seq) => {
                let found = dead_letters::replay_event(conn, seq)?;
                tracing::info!(seq, who, found, "event replayed");
                return Ok(if found { Done::Replayed { remade: true } } else { Done::NoSuch });
            }
            Id::Record(id) => id,
        };
        outbox::lock(conn, &[id])?;
        let Some(row) = dead_letters::record(conn, id)? else { return Ok(Done::NoSuch) };
        let remade = match remake(conn, &row, &self.mapping, &self.accounts)? {
            Remade::State(state) => Some(state),
            Remade::Forgotten => None,
            Remade::Nothing(reason) => return Ok(Done::Refused(reason)),
        };
        outbox::replay_as(conn, id, remade.as_deref(), &format!("by {who}"), self.now_ms())?;
        tracing::info!(change.id = id, external_id = row.external_id, who, "record replayed");
        Ok(Done::Replayed { remade: remade.is_some() })
    }

    /// Tries all of these again, for a few seconds; says whether there are more.
    pub async fn replay_all(&self, wanted: Wanted, who: &str) -> store::Result<Many> {
        let (began, mut many, mut after) = (Instant::now(), Many::default(), None);
        loop {
            if began.elapsed() > PATIENCE {
                many.more = true;
                break;
            }
            let (ops, wanted, who) = (self.clone(), wanted.clone(), who.to_owned());
            let batch = self.store.write(move |conn| ops.replay_batch(conn, &wanted, after, &who)).await?;
            many.replayed += batch.many.replayed;
            many.refused += batch.many.refused;
            after = batch.last;
            if after.is_none() {
                break;
            }
        }
        self.ring();
        Ok(many)
    }

    fn replay_batch(
        &self,
        conn: &mut Conn,
        wanted: &Wanted,
        after: Option<After>,
        who: &str,
    ) -> store::Result<Batch> {
        inbox::one_at_a_time(conn)?;
        let mut ids = Vec::new();
        let mut last = None;
        if !matches!(after, Some(After::Record(..))) && wanted.includes(Kind::Event) {
            let after = if let Some(After::Event(seq)) = after { Some(seq) } else { None };
            for event in dead_letters::events(conn, &wanted.filter, after, BATCH)? {
                ids.push(Id::Event(event.seq));
                last = Some(After::Event(event.seq));
            }
        }
        if ids.is_empty() && wanted.includes(Kind::Record) {
            let after = if let Some(After::Record(at, id)) = after { Some((at, id)) } else { None };
            for record in dead_letters::records(conn, &wanted.filter, after, BATCH)? {
                ids.push(Id::Record(record.id));
                last = Some(After::Record(record.updated_at, record.id));
            }
        }
        let mut many = Many::default();
        for id in ids {
            match self.replay_now(conn, id, who)? {
                Done::Replayed { .. } => many.replayed += 1,
                Done::Refused(_) => many.refused += 1,
                Done::NoSuch | Done::Discarded => {}
            }
        }
        if many.replayed > 0 {
            let detail = serde_json::json!({ "replayed": many.replayed });
            self.note(conn, who, "dead_letters_replayed", "", &detail)?;
        }
        Ok(Batch { many, last })
    }

    /// Sets one aside: it is not listed any more and not sent. A newer state of the record is sent all the same.
    pub async fn discard(&self, id: Id, reason: &str, who: &str) -> store::Result<Done> {
        let now_ms = self.now_ms();
        let note = format!("{reason} (discarded by {who})");
        let (ops, actor, reason) = (self.clone(), who.to_owned(), reason.to_owned());
        let found = self
            .store
            .write(move |conn| {
                let found = match id {
                    Id::Event(seq) => dead_letters::discard_event(conn, seq, &note)?,
                    Id::Record(id) => outbox::discard(conn, id, &note, now_ms)?,
                };
                if found {
                    let detail = serde_json::json!({ "reason": reason });
                    ops.note(conn, &actor, "dead_letter_discarded", &id.to_string(), &detail)?;
                }
                Ok(found)
            })
            .await?;
        tracing::info!(%id, who, found, "dead letter discarded");
        Ok(if found { Done::Discarded } else { Done::NoSuch })
    }

    /// Writes down who did what.
    fn note(
        &self,
        conn: &mut Conn,
        who: &str,
        action: &'static str,
        subject: &str,
        detail: &serde_json::Value,
    ) -> store::Result<()> {
        let (at, actor, subject) = (self.now_ms(), who.to_owned(), subject.to_owned());
        audit::append(conn, &[NewEntry { at, actor, action, subject, detail: detail.to_string() }])?;
        Ok(())
    }

    fn ring(&self) {
        self.inbox.ring();
        self.outbox.ring();
    }
}

struct Batch {
    many: Many,
    last: Option<After>,
}

impl Wanted {
    fn includes(&self, kind: Kind) -> bool {
        let of_this_kind = self.kind.is_none_or(|only| only == kind);
        // Events have one code among themselves, records never have it.
        let code = self.filter.code.as_deref();
        let has_code = code.is_none_or(|code| (code == NOT_MAPPED) == (kind == Kind::Event));
        of_this_kind && has_code
    }

    /// Whether all are meant that the caller may see.
    pub fn is_everything(&self) -> bool {
        let Filter { object, code, since_ms, text, accounts: _ } = &self.filter;
        self.kind.is_none() && [object, code, text].into_iter().all(Option::is_none) && since_ms.is_none()
    }
}

impl After {
    fn parse(text: &str) -> Option<Self> {
        if let Some(seq) = text.strip_prefix('e') {
            return Some(Self::Event(seq.parse().ok()?));
        }
        let (at, id) = text.strip_prefix('r')?.split_once('.')?;
        Some(Self::Record(at.parse().ok()?, id.parse().ok()?))
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(seq) => write!(f, "e{seq}"),
            Self::Record(at, id) => write!(f, "r{at}.{id}"),
        }
    }
}

/// A time in the past, as people write it: `2026-11-20T16:00:00Z`, `2026-11-20`, or `90m`, `24h`, `7d` ago.
pub fn since(text: &str, now: OffsetDateTime) -> Option<i64> {
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(unix_ms(at));
    }
    if let Ok(at) = OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339) {
        return Some(unix_ms(at));
    }
    let unit = text.chars().last()?;
    let count: i64 = text[..text.len() - unit.len_utf8()].parse().ok().filter(|count| *count >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    Some(unix_ms(now).saturating_sub(count.saturating_mul(seconds).saturating_mul(1_000)))
}

fn record_letter(record: &DeadRecord) -> DeadLetter {
    let error = record.last_error.clone().unwrap_or_default();
    let (code, message) = error.split_once(": ").unwrap_or(("", &error));
    DeadLetter {
        dead_letter_id: Id::Record(record.id).to_string(),
        kind: "record".to_owned(),
        object_name: object_name(&record.sobject).to_owned(),
        stripe_id: Some(record.external_id.clone()),
        event_id: record.event_id.clone(),
        account_name: record.account.clone(),
        code: code.to_owned(),
        message: message.to_owned(),
        attempts: record.attempts,
        waiting_since: written(record.updated_at).unwrap_or_default(),
        discarded: record.state == "discarded",
    }
}

fn event_letter(event: &DeadEvent) -> DeadLetter {
    DeadLetter {
        dead_letter_id: Id::Event(event.seq).to_string(),
        kind: "event".to_owned(),
        object_name: event.event_type.clone(),
        stripe_id: event.object_id.clone(),
        event_id: event.event_id.clone(),
        account_name: event.account.clone(),
        code: NOT_MAPPED.to_owned(),
        message: event.last_error.clone().unwrap_or_default(),
        attempts: 1,
        waiting_since: written(event.received_at).unwrap_or_default(),
        discarded: event.state == "discarded",
    }
}

fn history_entry(attempt: &Attempt) -> HistoryEntry {
    HistoryEntry {
        happened_at: written(attempt.at).unwrap_or_default(),
        outcome: attempt.outcome.clone(),
        code: attempt.code.clone(),
        message: attempt.message.clone(),
        attempt: attempt.attempt,
        call_id: attempt.call_id.clone(),
        mapping_version: attempt.mapping_version.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now = OffsetDateTime::from_unix_timestamp(1_795_190_400).unwrap();
        for (text, seconds) in [
            ("2026-11-20T16:00:00Z", Some(1_795_190_400)),
            ("2026-11-20", Some(1_795_132_800)),
            ("90m", Some(1_795_190_400 - 5_400)),
            ("7d", Some(1_795_190_400 - 604_800)),
            ("0s", Some(1_795_190_400)),
            ("yesterday", None),
            ("-1h", None),
            ("h", None),
            ("", None),
            ("5ö", None),
        ] {
            assert_eq!(since(text, now), seconds.map(|seconds: i64| seconds * 1_000), "{text}");
        }
    }

    #[test]
    fn names_and_pages_are_read_as_they_are_written() {
        for text in ["event:5", "record:17"] {
            assert_eq!(Id::parse(text).unwrap().to_string(), text);
        }
        for text in ["record", "record:", "record:x", "row:1", ""] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
        for text in ["e5", "r1795190400000.17"] {
            assert_eq!(After::parse(text).unwrap().to_string(), text);
        }
        for text in ["e", "r1", "rx.1", "17", ""] {
            assert_eq!(After::parse(text), None, "{text}");
        }
    }
}
