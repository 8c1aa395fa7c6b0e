//! Why a record looks as it does: what came, what won, what was sent, and what it waits for. Support opens this first.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BY_ID, Ops, dead_letters, object_name, written};
use crate::api::{Caller, Code, Problem, ProblemBody, RequestId, Scope};
use crate::clock::from_unix_ms;
use crate::store::attempts::{self, Attempt};
use crate::store::history::{self, RecordRow};
use crate::store::inbox::StoredEvent;
use crate::store::outbox::Position;
use crate::store::stops::{self, Stop};
use crate::store::{self, Conn, notes};
use crate::webhooks::retell::{self, Difference, Retold, Saying, Verdict};

/// Tries of one record that are told.
const ATTEMPTS: i64 = 100;

/// Everything that is known of one Stripe object and its records.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// Stripe's id of the object.
    #[schema(example = "ch_3PqXyZ2eZvKYlo2C1a2b3c4d")]
    pub stripe_id: String,
    /// The records that it became, and how they stand now.
    pub records: Vec<TraceRecord>,
    /// What happened, in order of time.
    pub steps: Vec<TraceStep>,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    pub request_id: String,
}

/// How one record stands now.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TraceRecord {
    /// Name of the org in the configuration.
    #[schema(example = "main")]
    pub org_name: String,
    /// The Salesforce object.
    #[schema(example = "Stripe_Charge__c")]
    pub object_name: String,
    /// The record's own id, once it arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "a01D000000IRFmaIAH")]
    pub salesforce_id: Option<String>,
    /// pending, leased, done, dead or discarded.
    #[schema(example = "done")]
    pub state: String,
    /// How it stands, as a sentence.
    #[schema(example = "up to date: the org has the state of evt_1 since 2026-11-20T16:00:00Z")]
    pub standing: String,
    /// The event whose state it is.
    #[schema(example = "evt_1PqXyZ2eZvKYlo2Cabcdefgh")]
    pub event_id: String,
    /// Names the mapping that made the fields.
    #[schema(example = "0.1.0-5f2b81aa")]
    pub mapping_version: String,
    /// JSON text: the fields as they are sent.
    #[schema(example = "{\"Name\":\"…\",\"Status__c\":\"Completed\"}")]
    pub payload: String,
    /// Fields that this event does not speak of, and which event did; a line for each event.
    #[schema(example = "from evt_0: Opportunity__c, Order__c")]
    pub carried_fields: String,
    /// The records that it points to, and where they stand; a line for each.
    #[schema(example = "Stripe_Customer__c cus_1: up to date")]
    pub parents: String,
    /// When it is tried next, if it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:05:00Z")]
    pub next_try_at: Option<String>,
    /// Its name among the dead letters, if it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "record:17")]
    pub dead_letter_id: Option<String>,
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TraceStep {
    /// When.
    #[schema(format = DateTime, example = "2026-11-20T16:00:00Z")]
    pub happened_at: String,
    /// received, attempted, arrived, replayed, discarded or waiting.
    #[schema(example = "received")]
    pub step: String,
    /// What happened, as a sentence.
    #[schema(example = "charge.succeeded evt_1 came; Stripe_Charge__c ch_1 begins with it")]
    pub sentence: String,
    /// The event, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "evt_1PqXyZ2eZvKYlo2Cabcdefgh")]
    pub event_id: Option<String>,
    /// The call, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    pub call_id: Option<String>,
}

/// What is read from the store before it is told.
struct Found {
    object: String,
    rows: Vec<RecordRow>,
    events: Vec<StoredEvent>,
    attempts: BTreeMap<i64, Vec<Attempt>>,
    /// By the event's place in the order of arrival.
    unfinished: BTreeMap<i64, history::Unfinished>,
    notes: BTreeMap<i64, Vec<String>>,
    reads: Vec<history::Read>,
    /// Rows of the records that `rows` point to.
    parents: Vec<RecordRow>,
    /// What keeps records from being sent.
    stops: Vec<Stop>,
}

#[derive(Deserialize)]
struct ParentOf {
    id: String,
}

/// Tells why a record looks as it does: every event received, which won and why, every try, and where it stands now.
#[utoipa::path(
    get, path = "/v1/trace/{stripeId}", operation_id = "getTrace", tag = "operations",
    params(("stripeId" = String, Path, description = "Stripe's id of an object or an event.", example = "ch_3PqXyZ2eZvKYlo2C1a2b3c4d")),
    responses(
        (status = "2XX", description = "What is known.", body = Trace),
        (status = "4XX", description = "The request has to be changed.", body = ProblemBody),
        (status = "5XX", description = "The service has a problem.", body = ProblemBody),
    ),
)]
pub(super) async fn get_trace(
    request: HttpRequest,
    ops: web::Data<Ops>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::OpsRead)?;
    let trace = ops.trace(&id, ops.accounts_of(&caller)).await?.ok_or_else(|| {
        let begin: String = id.chars().take(60).collect();
        Problem::new(Code::ResourceMissing, format!("nothing was received or made of `{begin}`"))
    })?;
    Ok(HttpResponse::Ok().json(Trace { request_id: RequestId::of(&request), ..trace }))
}

impl Ops {
    /// What is known of an object, or of the object that an event is about; none if that is nothing. Only of these accounts.
    pub async fn trace(&self, id: &str, accounts: Option<Vec<String>>) -> store::Result<Option<Trace>> {
        let (ops, id) = (self.clone(), id.trim().to_owned());
        self.store
            .read(move |conn| {
                let Some(found) = ops.find(conn, &id, accounts.as_deref())? else { return Ok(None) };
                let retold = retell::retell(&found.events, &ops.mapping, &ops.accounts)?;
                Ok(Some(found.tell(&retold, ops.now_ms())))
            })
            .await
    }
}

impl Ops {
    /// The records of an object: those with its id, and those of the org that its events set fields on.
    fn rows(&self, conn: &mut Conn, object: &str) -> store::Result<Vec<RecordRow>> {
        let told = retell::retell(&history::events_of(conn, &[object])?, &self.mapping, &self.accounts)?;
        let by_id = told.records.into_keys().filter(|(sobject, _)| sobject.ends_with(BY_ID));
        let ids: Vec<String> = by_id.map(|(_, id)| id).chain([object.to_owned()]).collect();
        history::records_of(conn, &ids.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn find(&self, conn: &mut Conn, id: &str, accounts: Option<&[String]>) -> store::Result<Option<Found>> {
        let object = match history::object_of(conn, id)? {
            Some(object) if !object.is_empty() => object,
            _ => id.to_owned(),
        };
        let may_see = |account: &String| accounts.is_none_or(|mine| mine.contains(account));
        let mut rows = self.rows(conn, &object)?;
        rows.retain(|row| may_see(&row.account));
        // The record may be made of other objects' events as well.
        let mut objects = BTreeSet::from([object.clone()]);
        for row in &rows {
            let spoken = retell::spoken_at(&row.carried)?;
            let made_of: Vec<&str> =
                spoken.values().map(|(_, _, event)| event.as_str()).chain([row.event_id.as_str()]).collect();
            objects.extend(history::objects_of(conn, &row.account, &made_of)?);
        }
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        let mut events = history::events_of(conn, &objects)?;
        events.retain(|event| may_see(&event.account));
        if rows.is_empty() && events.is_empty() {
            return Ok(None);
        }
        let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
        let mut parents = Vec::new();
        for row in &rows {
            let ids: Vec<ParentOf> = serde_json::from_str(&row.parents).map_err(corrupt)?;
            parents.extend(ids.into_iter().map(|parent| parent.id));
        }
        let of_interest: Vec<&str> = parents.iter().map(String::as_str).chain([object.as_str()]).collect();
        let mut tried = BTreeMap::new();
        for row in &rows {
            tried.insert(row.id, attempts::of_row(conn, row.id, ATTEMPTS)?);
        }
        let mut noted = BTreeMap::new();
        for seq in &seqs {
            noted.insert(*seq, notes::of(conn, *seq)?);
        }
        Ok(Some(Found {
            unfinished: history::unfinished(conn, &seqs)?
                .into_iter()
                .map(|event| (event.seq, event))
                .collect(),
            reads: history::reads_of(conn, &of_interest)?,
            parents: history::records_of(conn, &parents.iter().map(String::as_str).collect::<Vec<_>>())?,
            attempts: tried,
            notes: noted,
            stops: stops::all(conn)?,
            object,
            rows,
            events,
        }))
    }
}

fn corrupt(error: serde_json::Error) -> store::Error {
    store::Error::Corrupt(Box::new(error))
}

impl Found {
    fn tell(&self, retold: &Retold, now_ms: i64) -> Trace {
        let mut steps = Vec::new();
        for (event, heard) in self.events.iter().zip(&retold.heard) {
            steps.push((event.received_at, self.received(event, &heard.saying)));
        }
        for row in &self.rows {
            let attempts = self.attempts.get(&row.id).into_iter().flatten();
            steps.extend(attempts.map(|attempt| (attempt.at, tried(row, attempt))));
            steps.extend(row.delivered_at.map(|at| (at, arrived(row, at))));
        }
        for read in self.reads.iter().filter(|read| read.object_id == self.object) {
            steps.push((now_ms, step(now_ms, "waiting", to_be_read(read, now_ms))));
        }
        steps.sort_by_key(|(at, _)| *at);
        Trace {
            stripe_id: self.object.clone(),
            records: self.rows.iter().map(|row| self.record(row, retold, now_ms)).collect(),
            steps: steps.into_iter().map(|(_, step)| step).collect(),
            request_id: String::new(),
        }
    }

    fn received(&self, event: &StoredEvent, saying: &Saying) -> TraceStep {
        let StoredEvent { event_id, event_type, received_at, created, .. } = event;
        let made = time_of(created.saturating_mul(1_000));
        let version = version_of(event).map_or(String::new(), |version| format!(" in version {version}"));
        let came = if event_id.starts_with("evt_") {
            format!("{event_type} {event_id}, made by Stripe at {made}{version}, came")
        } else {
            format!("{event_type} {event_id}: read from Stripe as it was at {made}{version}")
        };
        let mut said = match self.unfinished.get(&event.seq) {
            Some(left) if left.state == "pending" => vec!["it waits to be mapped".to_owned()],
            Some(left) => {
                let reason = left.last_error.as_deref().unwrap_or_default();
                let id = dead_letters::Id::Event(event.seq);
                vec![format!("it was {}: {reason} ({id})", given_up(&left.state))]
            }
            None => self.verdicts(saying),
        };
        for note in self.notes.get(&event.seq).into_iter().flatten() {
            if !said.contains(note) {
                said.push(note.clone());
            }
        }
        let sentence = format!("{came}; {}", said.join("; "));
        TraceStep { event_id: Some(event_id.clone()), ..step(*received_at, "received", sentence) }
    }

    fn verdicts(&self, saying: &Saying) -> Vec<String> {
        match saying {
            Saying::Unmappable(reason) => vec![format!("today's mapping cannot read it: {reason}")],
            Saying::ReadInstead(note) => vec![note.clone()],
            Saying::States(states, _) => {
                let ours = states.iter().filter(|((sobject, external_id), _)| {
                    *external_id == self.object || sobject.ends_with(BY_ID)
                });
                let told: Vec<String> =
                    ours.map(|((sobject, _), verdict)| sentence(object_name(sobject), verdict)).collect();
                if told.is_empty() {
                    return vec!["it says nothing of a record of this object".to_owned()];
                }
                told
            }
        }
    }

    fn record(&self, row: &RecordRow, retold: &Retold, now_ms: i64) -> TraceRecord {
        let waits = matches!(row.state.as_str(), "pending" | "leased");
        let given_up = matches!(row.state.as_str(), "dead" | "discarded");
        let mut standing = standing(row, now_ms);
        for stop in self.stops.iter().filter(|stop| waits && stop.org == row.org) {
            let (until, reason) = (time_of(stop.next_try), &stop.reason);
            if stop.sobject.is_empty() {
                standing.push_str(&format!("; the lane is closed until {until}: {reason}"));
            } else if stop.sobject == row.sobject {
                let sobject = &stop.sobject;
                standing.push_str(&format!(
                    "; records of {sobject} wait until somebody mends this, next look at {until}: {reason}"
                ));
            }
        }
        let key = (row.sobject.clone(), row.external_id.clone());
        let told = retold.records.get(&key);
        if let Some(told) = told.filter(|told| told.position.event_id != row.event_id) {
            standing.push_str(&format!(
                "; told again by today's mapping, its state would be that of {}",
                told.position.event_id
            ));
        }
        let mut carried: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (field, (_, _, event)) in retell::spoken_at(&row.carried).unwrap_or_default() {
            carried.entry(event).or_default().push(field);
        }
        let carried = carried.iter().map(|(event, fields)| format!("from {event}: {}", fields.join(", ")));
        TraceRecord {
            org_name: row.org.clone(),
            object_name: object_name(&row.sobject).to_owned(),
            salesforce_id: row.salesforce_id.clone(),
            state: row.state.clone(),
            standing,
            event_id: row.event_id.clone(),
            mapping_version: row.mapping_version.clone(),
            payload: row.fields.clone(),
            carried_fields: carried.collect::<Vec<_>>().join("\n"),
            parents: self.parents_of(row, now_ms).join("\n"),
            next_try_at: waits.then(|| written(row.due_at)).flatten(),
            dead_letter_id: given_up.then(|| dead_letters::Id::Record(row.id).to_string()),
        }
    }

    fn parents_of(&self, row: &RecordRow, now_ms: i64) -> Vec<String> {
        let parents: Vec<ParentOf> = serde_json::from_str(&row.parents).unwrap_or_default();
        let told = |parent: &ParentOf| {
            let known =
                self.parents.iter().filter(|other| other.external_id == parent.id && other.org == row.org);
            let mut lines: Vec<String> = known
                .map(|other| format!("{} {}: {}", other.sobject, other.external_id, standing(other, now_ms)))
                .collect();
            for read in self.reads.iter().filter(|read| read.object_id == parent.id) {
                lines.push(format!("{}: {}", parent.id, to_be_read(read, now_ms)));
            }
            if lines.is_empty() {
                lines.push(format!("{}: no event spoke of it so far", parent.id));
            }
            lines
        };
        parents.iter().flat_map(told).collect()
    }
}

fn sentence(sobject: &str, verdict: &Verdict) -> String {
    let at = |other: &Position| other.event_id.clone();
    match verdict {
        Verdict::First => format!("{sobject} begins with it"),
        Verdict::TooEarly => {
            format!("it adds to {sobject}, which no event had made: that was read from Stripe")
        }
        Verdict::Added(beside) => {
            format!("{sobject} takes further fields from it, beside those of {}", at(beside))
        }
        Verdict::Newer(Difference::Second) => format!("{sobject} takes its state: newer than all before"),
        Verdict::Newer(Difference::Progress) => {
            format!("{sobject} takes its state: of the same second as the one before, but further")
        }
        Verdict::Newer(Difference::Nothing) => {
            format!("{sobject} takes its state, which is that of another event of the same second")
        }
        Verdict::Older(Difference::Second, other) => {
            format!("{sobject} keeps the state of {}: this one is older", at(other))
        }
        Verdict::Older(Difference::Progress, other) => {
            format!("{sobject} keeps the state of {}: of the same second, and that one is further", at(other))
        }
        Verdict::Older(Difference::Nothing, other) => {
            format!("{sobject} keeps the state of {}: this one says the same", at(other))
        }
        Verdict::Undecided { stood, other } => {
            let stands = if *stood { "this one".to_owned() } else { at(other) };
            format!(
                "it contradicts {} of the same second, and nothing tells which is newer: read from Stripe; until then {stands} stands for {sobject}",
                at(other)
            )
        }
    }
}

fn standing(row: &RecordRow, now_ms: i64) -> String {
    let error = row.last_error.as_deref().unwrap_or("no reason is known");
    let due = time_of(row.due_at);
    match row.state.as_str() {
        "done" => format!(
            "up to date: the org has the state of {} since {}",
            row.event_id,
            time_of(row.delivered_at.unwrap_or(row.updated_at))
        ),
        "leased" => format!("travels now: a call that carries it may take until {due}"),
        "dead" => format!("given up at {}: {error}", time_of(row.updated_at)),
        "discarded" => {
            format!("set aside by a person at {}; it had been given up: {error}", time_of(row.updated_at))
        }
        _ => match row.waiting_since {
            Some(since) => {
                format!("waits for a parent since {}, is tried again at {due}: {error}", time_of(since))
            }
            None if row.due_at > now_ms && row.attempts == 0 => format!("waits until {due}: {error}"),
            None if row.due_at > now_ms => {
                format!("is tried again at {due}, after {} attempts: {error}", row.attempts)
            }
            None => format!("waits for its turn since {due}"),
        },
    }
}

fn tried(row: &RecordRow, attempt: &Attempt) -> TraceStep {
    let Attempt { at, code, message, attempt: count, .. } = attempt;
    let sobject = object_name(&row.sobject);
    let (name, sentence) = match attempt.outcome.as_str() {
        "retry" => {
            ("attempted", format!("{sobject}: attempt {count} failed, to be tried again: {code}: {message}"))
        }
        "wait_for_parent" => (
            "attempted",
            format!("{sobject}: attempt {count}: the record it points to is missing: {code}: {message}"),
        ),
        "dead" => ("attempted", format!("{sobject}: given up at attempt {count}: {code}: {message}")),
        "replayed" => ("replayed", format!("{sobject}: replayed {message}")),
        "discarded" => ("discarded", format!("{sobject}: set aside: {message}")),
        other => ("attempted", format!("{sobject}: {other}: {code}: {message}")),
    };
    let call_id = Some(attempt.call_id.clone()).filter(|call| !call.is_empty());
    TraceStep { call_id, ..step(*at, name, sentence) }
}

fn arrived(row: &RecordRow, at: i64) -> TraceStep {
    let record = row.salesforce_id.as_deref().unwrap_or("unknown");
    let event = row.delivered_event_id.as_deref().unwrap_or("an earlier event");
    let sentence = format!(
        "{}: Salesforce accepted the state of {event}; the record is {record}",
        object_name(&row.sobject)
    );
    TraceStep { call_id: row.delivered_call.clone(), ..step(at, "arrived", sentence) }
}

fn to_be_read(read: &history::Read, now_ms: i64) -> String {
    let mut sentence = format!("is to be read from Stripe, because {}", read.reason);
    if read.due_at > now_ms {
        sentence.push_str(&format!("; next at {}", time_of(read.due_at)));
    }
    if let Some(error) = &read.last_error {
        sentence.push_str(&format!("; {} attempts, the last one: {error}", read.attempts));
    }
    sentence
}

fn given_up(state: &str) -> &'static str {
    if state == "discarded" { "set aside" } else { "given up" }
}

fn step(at_ms: i64, name: &str, sentence: String) -> TraceStep {
    TraceStep {
        happened_at: written(at_ms).unwrap_or_default(),
        step: name.to_owned(),
        sentence,
        event_id: None,
        call_id: None,
    }
}

fn version_of(event: &StoredEvent) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        api_version: Option<String>,
    }
    serde_json::from_str::<Head>(&event.payload.unpack().ok()?).ok()?.api_version
}

/// For people: whole seconds.
fn time_of(at_ms: i64) -> String {
    let at = from_unix_ms(at_ms);
    written(at_ms - i64::from(at.millisecond())).unwrap_or_default()
}
