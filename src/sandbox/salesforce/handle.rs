//! The org as the sandbox and tests hold it in their hands.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use serde_json::value::RawValue;

use super::calls::Call;
use super::fault::Fault;
use super::ids::RecordId;
use super::json;
use super::org::Org;
use super::records::Row;
use super::schema::{Field, Kind, Object, Schema};
use super::{limits, login, sample, server};
use crate::clock::Clock;

/// How the org is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on loopback; 0 takes any that is free.
    pub port: u16,
    /// The consumer key of the app that may sign in.
    pub client_id: String,
    /// The user that the app signs in as.
    pub username: String,
    /// The public key by which assertions are verified, as PEM (SPKI).
    pub public_key_pem: String,
    /// The audience that assertions name, besides Salesforce's own login host.
    pub audience: String,
    /// The version that the org's page speaks of, such as `v66.0`.
    pub api_version: String,
    /// Whether the org says that it is a sandbox.
    pub is_sandbox: bool,
    /// How many calls are taken in 24 hours.
    pub daily_limit: u64,
    /// Where the org reads the time.
    pub clock: Clock,
}

/// A running org. Clones are the same org.
#[derive(Clone)]
pub struct Salesforce {
    org: Arc<Org>,
    server: ServerHandle,
}

/// One record as it is stored.
#[derive(Clone, Debug)]
pub struct Record {
    /// The id of 18 characters.
    pub id: String,
    /// Each field that is not null, as JSON text.
    pub fields: BTreeMap<String, Box<RawValue>>,
    texts: BTreeMap<String, String>,
}

impl Salesforce {
    /// Starts an org without records on loopback, served by the current tokio runtime until it is stopped.
    ///
    /// Fails when the port is taken, when `options` name a key or a version that cannot be used, and when the
    /// project's object metadata cannot be read.
    pub async fn start(options: Options) -> io::Result<Self> {
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidInput, reason);
        limits::check_version(&options.api_version).map_err(|failure| invalid(failure.message))?;
        login::check_key(&options).map_err(invalid)?;
        let schema = Schema::load()?;
        let (org, server) = server::start(options, schema)?;
        Ok(Self { org, server })
    }

    /// `http://127.0.0.1:<port>`, which is also the instance URL.
    pub fn base_url(&self) -> String {
        self.org.base_url.clone()
    }

    /// The org's id of 18 characters.
    pub fn org_id(&self) -> String {
        self.org.state().org_id.to_string()
    }

    /// Stops the server; calls that hang are cut off. Calling it twice does no harm.
    pub async fn stop(&self) {
        self.server.stop(false).await;
    }

    /// The record of `sobject` with this value in any of its external id fields.
    ///
    /// # Panics
    /// When the org has no such object.
    pub fn record(&self, sobject: &str, external_id: &str) -> Option<Record> {
        let (at, object) = self.object(sobject);
        let state = self.org.state();
        let found = state.records.table(at).with_external_id(object, external_id);
        found.map(|(id, row)| Record::shown(object, id, row))
    }

    /// All records of `sobject`, in the order in which they changed last.
    ///
    /// # Panics
    /// When the org has no such object.
    pub fn records(&self, sobject: &str) -> Vec<Record> {
        let (at, object) = self.object(sobject);
        let state = self.org.state();
        let mut rows: Vec<_> = state.records.table(at).rows().collect();
        rows.sort_unstable_by_key(|(_, row)| row.change);
        rows.into_iter().map(|(id, row)| Record::shown(object, id, row)).collect()
    }

    /// How many records of `sobject` there are.
    ///
    /// # Panics
    /// When the org has no such object.
    pub fn count(&self, sobject: &str) -> usize {
        let (at, _) = self.object(sobject);
        self.org.state().records.table(at).rows().count()
    }

    /// Puts a record there without asking the rules, with `id` (15 or 18 characters) or a new one, and returns its
    /// id. Values are plain text; those of numbers and checkboxes are read as JSON. It does not count as a write.
    ///
    /// # Panics
    /// When the org has no such object or field, and when a value or `id` does not fit.
    pub fn insert(&self, sobject: &str, id: Option<&str>, fields: &[(&str, &str)]) -> String {
        let (at, object) = self.object(sobject);
        let mut row = Row::created(self.org.now());
        for (name, value) in fields {
            let Some(field) = object.field(name) else { panic!("{sobject} has no field {name}") };
            row.fields.insert(field.name.clone(), literal(field, value));
        }
        let mut state = self.org.state();
        let id = match id.map(|id| (id, RecordId::parse(id))) {
            None => state.records.next_id(&self.org.schema, at),
            Some((_, Some(id))) if id.prefix() == object.prefix => id,
            Some((id, _)) => panic!("{id} is no id of {sobject}"),
        };
        row.change = state.records.next_change();
        state.records.replace(&self.org.schema, at, id, Some(row));
        id.to_string()
    }

    /// Inserts one readable Account, Contact, Opportunity and Order with fixed ids.
    pub fn seed_sample(&self) {
        sample::seed(self);
    }

    /// The newest 10,000 calls, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.org.state().calls.iter().cloned().collect()
    }

    /// How many calls counted against the daily limit in the last 24 hours.
    pub fn calls_used(&self) -> u64 {
        self.org.state().used(self.org.now())
    }

    /// How many writes to this record were accepted and not rolled back.
    ///
    /// # Panics
    /// When the org has no such object.
    pub fn writes(&self, sobject: &str, external_id: &str) -> usize {
        let (at, object) = self.object(sobject);
        let state = self.org.state();
        state.records.table(at).with_external_id(object, external_id).map_or(0, |(_, row)| row.writes)
    }

    /// The next `count` calls show `fault`; those that concern sign-in wait for sign-ins, all others for data calls.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        let faults = if fault.concerns_sign_in() { &self.org.sign_in_faults } else { &self.org.faults };
        faults.fail_next(count, fault);
    }

    /// From now on each of `faults` comes in `percent` of the calls that it concerns, by chance: the same seed brings the
    /// same faults. No faults end it.
    pub fn at_random(&self, seed: u64, percent: usize, faults: &[Fault]) {
        let (sign_in, data) = faults.iter().partition(|fault| fault.concerns_sign_in());
        self.org.sign_in_faults.at_random(seed, percent, sign_in);
        self.org.faults.at_random(seed, percent, data);
    }

    /// The next `count` sign-ins show `fault`, also one that otherwise waits for data calls.
    ///
    /// # Panics
    /// When no sign-in can meet it.
    pub fn fail_next_sign_in(&self, count: usize, fault: Fault) {
        assert!(fault.can_meet_sign_in(), "no sign-in meets {}", fault.name());
        self.org.sign_in_faults.fail_next(count, fault);
    }

    /// From now on every sign-in shows `fault`.
    ///
    /// # Panics
    /// When no sign-in can meet it.
    pub fn fail_all_sign_ins(&self, fault: Fault) {
        assert!(fault.can_meet_sign_in(), "no sign-in meets {}", fault.name());
        self.org.sign_in_faults.fail_all(fault);
    }

    /// From now on every data call shows `fault`.
    ///
    /// # Panics
    /// When no data call can meet it.
    pub fn fail_all(&self, fault: Fault) {
        assert!(fault.can_meet_data(), "no data call meets {}", fault.name());
        self.org.faults.fail_all(fault);
    }

    /// Faults of data calls that were asked for wait until one comes that `begins` is true of: `GET /services/data/…`.
    pub fn begin_faults_at(&self, begins: fn(&str) -> bool) {
        self.org.faults.begin_at(begins);
    }

    /// Forgets the faults that were asked for, also those that come by chance. An outage goes on.
    pub fn forget_faults(&self) {
        self.org.faults.forget();
        self.org.sign_in_faults.forget();
    }

    /// How many faults were asked for that no call has shown yet.
    pub fn faults_waiting(&self) -> usize {
        self.org.faults.waiting() + self.org.sign_in_faults.waiting()
    }

    /// Switches an outage on or off: every call, also to sign in, is answered 503 while it lasts.
    pub fn set_outage(&self, on: bool) {
        self.org.faults.set_outage(on);
    }

    /// Every answer waits this long from now on; the records that the call writes stay locked meanwhile.
    pub fn set_latency(&self, latency: Duration) {
        self.org.faults.set_latency(latency);
    }

    /// Calls for data that `which` is true of (`POST /services/data/v66.0/composite`) are carried out and not answered until they
    /// are let go; the records that they write stay locked meanwhile. Sign-ins are carried out afterwards.
    pub fn hold(&self, which: fn(&str) -> bool) {
        self.org.faults.hold(which);
    }

    /// Answers the first so many calls that were held, or will be.
    pub fn let_go_of(&self, calls: usize) {
        self.org.faults.let_go_of(calls);
    }

    /// Answers all calls that were held.
    pub fn let_go(&self) {
        self.org.faults.let_go();
    }

    /// Ends all sessions.
    pub fn expire_sessions(&self) {
        self.org.state().sessions.end();
    }

    /// Becomes another org with the same records, as after a sandbox refresh; sessions end.
    ///
    /// # Panics
    /// When `org_id` is no org's id.
    pub fn set_org_id(&self, org_id: &str) {
        let parsed = RecordId::parse(org_id).filter(|id| id.prefix() == "00D");
        let Some(parsed) = parsed else { panic!("{org_id} is no id of an org") };
        let mut state = self.org.state();
        state.org_id = parsed;
        state.sessions.end();
    }

    /// How many calls are taken in 24 hours from now on.
    pub fn set_daily_limit(&self, calls: u64) {
        self.org.state().daily_limit = calls;
    }

    /// Refuses every write to records with this external id, as a validation rule does, until they are pardoned.
    pub fn reject_records(&self, external_id: &str, code: &str, message: &str) {
        self.org.state().refused.insert(external_id.to_owned(), (code.to_owned(), message.to_owned()));
    }

    /// A person deletes a record in the org, whatever points to it.
    ///
    /// # Panics
    /// When the org has no such object.
    pub fn delete(&self, sobject: &str, external_id: &str) {
        let (at, object) = self.object(sobject);
        let mut state = self.org.state();
        if let Some(id) = state.records.table(at).with_external_id(object, external_id).map(|(id, _)| id) {
            state.records.replace(&self.org.schema, at, id, None);
        }
    }

    /// Refuses every write to records of this object, as when a field or a permission is missing, until it is mended.
    pub fn reject_object(&self, sobject: &str, code: &str, message: &str) {
        self.org.state().unfit.insert(sobject.to_owned(), (code.to_owned(), message.to_owned()));
    }

    /// Takes back [`Salesforce::reject_object`].
    pub fn mend_object(&self, sobject: &str) {
        self.org.state().unfit.remove(sobject);
    }

    /// How many data calls are under way.
    pub fn calls_under_way(&self) -> usize {
        self.org.calls_under_way()
    }

    /// How many data calls were under way together at most.
    pub fn most_calls_at_once(&self) -> usize {
        self.org.most_calls()
    }

    /// Answers 500 to every call that carries this external id, until it is pardoned.
    pub fn break_on(&self, external_id: &str) {
        self.org.state().breaking.push((external_id.to_owned(), Fault::ServerError));
    }

    /// Gives no answer to a call that carries this external id, until it is pardoned; the call is not carried out.
    pub fn be_silent_on(&self, external_id: &str) {
        self.org.state().breaking.push((external_id.to_owned(), Fault::RefuseConnection));
    }

    /// Takes back [`Salesforce::reject_records`], [`Salesforce::break_on`] and [`Salesforce::be_silent_on`].
    pub fn pardon(&self, external_id: &str) {
        let mut state = self.org.state();
        state.refused.remove(external_id);
        state.breaking.retain(|(id, _)| id != external_id);
    }

    fn object(&self, name: &str) -> (usize, &Object) {
        let Some(at) = self.org.schema.position(name) else { panic!("the org has no object {name}") };
        (at, &self.org.schema.objects()[at])
    }
}

impl Record {
    /// The content of a text field, or the own text of a number or checkbox; nothing when the field is null.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.texts.get(field).map(String::as_str)
    }

    pub(super) fn shown(object: &Object, id: RecordId, row: &Row) -> Self {
        let values = object
            .fields
            .iter()
            .filter_map(|field| Some((field.name.to_string(), row.value(id, &field.name)?)));
        let fields: BTreeMap<_, _> = values.collect();
        let text =
            |value: &RawValue| json::as_text(value).map_or_else(|| value.get().to_owned(), Cow::into_owned);
        let texts = fields.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        Self { id: id.to_string(), fields, texts }
    }
}

fn literal(field: &Field, value: &str) -> json::Json {
    match field.kind {
        Kind::Checkbox | Kind::Number { .. } => match RawValue::from_string(value.to_owned()) {
            Ok(value) => value,
            Err(error) => panic!("{value} is no value of {}: {error}", field.name),
        },
        _ => json::of(value),
    }
}
