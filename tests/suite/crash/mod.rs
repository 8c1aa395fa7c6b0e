//! The real program, killed again and again while it works: what was acknowledged is compared with what arrived.
//!
//! `make crash` kills it hundreds of times; `docs/crash-tests.md` says what came of it.
#![expect(
    clippy::print_stderr,
    reason = "the figures are what a long run is for, the seed what a failure needs"
)]

mod steps;
mod surroundings;
mod told;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use paybridge::api::{Scope, issue};
use paybridge::clock::Clock;
use paybridge::config::PREFIX;
use paybridge::sandbox::salesforce::{self, Record, Salesforce};
use paybridge::sandbox::stripe::{self, Stripe};
use paybridge::store::{Backend, Conn, Store, api_keys, audit, fetches, idempotency, inbox, outbox, stops};
use secrecy::ExposeSecret;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::told::{Addresses, Called, Counts, Told};
use crate::bridge::{self, STRIPE_KEY, WEBHOOK_SECRET};
use crate::patience::until;
use crate::process::{self, Service};

/// Kills of each database in the short form.
const FEW: usize = 5;
const SENDERS: usize = 6;
const CALLERS: usize = 4;
/// Families of one sender are numbered from its own multiple of this.
const APART: usize = 1_000_000;
/// Nothing may stand still so long once nobody disturbs any more.
const STANDSTILL: Duration = Duration::from_secs(90);
/// Nor may it take so long until nothing waits.
const ENDLESS: Duration = Duration::from_secs(600);

/// Both stand-ins and a database, which outlive every service between them.
struct World {
    backend: Backend,
    url: String,
    stripe: Stripe,
    org: Salesforce,
    own: Vec<(&'static str, String)>,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new(backend: Backend) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::on(backend, bridge::database(backend, &directory), directory).await
    }

    async fn on(backend: Backend, url: String, directory: tempfile::TempDir) -> Self {
        let stripe = Stripe::start(stripe::Options {
            port: 0,
            secret_key: STRIPE_KEY.to_owned(),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            clock: Clock::system(),
        });
        let org = Salesforce::start(salesforce::Options {
            port: 0,
            client_id: "suite".to_owned(),
            username: "bridge@example.com".to_owned(),
            public_key_pem: bridge::keys().public_pem.clone(),
            audience: "https://login.salesforce.com".to_owned(),
            api_version: "v66.0".to_owned(),
            is_sandbox: true,
            daily_limit: 100_000_000,
            clock: Clock::system(),
        });
        let (stripe, org) = (stripe.await.unwrap(), org.await.unwrap());
        // So that there is time to die while they work.
        stripe.set_latency(Duration::from_millis(10));
        org.set_latency(Duration::from_millis(20));
        stripe.deliver_in_background();
        let own = vec![
            ("STRIPE__MAIN__API_BASE", stripe.base_url()),
            ("SALESFORCE__MAIN__LOGIN_URL", org.base_url()),
            ("STRIPE__MAIN__TIMEOUT_MS", "1000".to_owned()),
            ("SALESFORCE__MAIN__TIMEOUT_MS", "2000".to_owned()),
            // As an operator would have it, but that the dead are missed sooner.
            ("DELIVERY__MAX_ATTEMPTS", "15".to_owned()),
            ("DELIVERY__LEASE_SECONDS", "5".to_owned()),
            ("DELIVERY__BACKOFF_LIMIT_SECONDS", "5".to_owned()),
            ("API__PATIENCE_MS", "2000".to_owned()),
            ("API__LEASE_SECONDS", "4".to_owned()),
        ];
        Self { backend, url, stripe, org, own, _directory: directory }
    }

    /// Settings as they stand in the environment.
    fn command(&self) -> Command {
        let mut command = process::command(&self.url);
        command.envs(self.own.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)));
        command
    }

    async fn start(&self) -> Service {
        let command = self.command();
        let started = tokio::task::spawn_blocking(|| Service::run(command)).await.unwrap();
        started.unwrap_or_else(|ended| panic!("the service did not start: {}", ended.log))
    }

    /// The database, while no service has just been killed on it: whoever holds it open spares SQLite its recovery.
    async fn store(&self) -> Store {
        let mut opened = None;
        // The service may be writing.
        let is_open = async || {
            let url = self.url.clone().into();
            opened = tokio::task::spawn_blocking(move || Store::open(&url, 2)).await.unwrap().ok();
            opened.is_some()
        };
        until("the database is opened", is_open).await;
        opened.unwrap()
    }

    /// A key for the API.
    async fn token(&self) -> String {
        let (key, token) = issue("suite", &[Scope::PaymentsWrite], OffsetDateTime::now_utc(), None).unwrap();
        self.store().await.write(move |conn| api_keys::create(conn, &key)).await.unwrap();
        token.expose_secret().to_owned()
    }

    /// Waits until nothing waits any more.
    async fn settled(&self) {
        let store = self.store().await;
        let begun = Instant::now();
        let (mut last, mut changed) = (None, begun);
        let mut look = tokio::time::interval(Duration::from_millis(50));
        loop {
            look.tick().await;
            let untold = self.stripe.deliver_pending().await.into_iter().filter(|(_, status)| *status != 200);
            let waits = (untold.count(), store.read(waiting).await.unwrap());
            if waits == (0, (0, 0, None, None)) {
                return;
            }
            if last.as_ref() != Some(&waits) {
                (last, changed) = (Some(waits), Instant::now());
            }
            assert!(changed.elapsed() < STANDSTILL, "nothing goes on: {last:?}");
            assert!(begun.elapsed() < ENDLESS, "it goes on and comes to no end: {last:?}");
        }
    }

    /// Compares what was acknowledged with what there is.
    async fn compare(&self, told: &Told, called: &Called) {
        let store = self.store().await;
        let stored: Vec<EventId> = store.read(stored).await.unwrap();
        let ids: HashSet<&str> = stored.iter().map(|event| event.event_id.as_str()).collect();
        let lost: Vec<_> = told.acknowledged.iter().filter(|id| !ids.contains(id.as_str())).collect();
        assert!(lost.is_empty(), "{} acknowledged events are lost: {lost:?}", lost.len());
        assert_eq!(stored.len(), ids.len(), "events are stored twice");
        // Read from Stripe instead of told, they are events, too.
        let known = told.acknowledged.len() + self.stripe.events().len();
        let unread = ids.iter().filter(|id| id.starts_with("evt_")).count();
        assert_eq!(unread, known, "events that nobody sent");

        self.compare_records(told);
        self.compare_calls(called);

        let counts = store.read(outbox::counts).await.unwrap();
        assert_eq!((counts.pending, counts.leased, counts.dead), (0, 0, 0), "{counts:?}");
        assert!(store.read(|conn| inbox::dead_letters(conn, 10)).await.unwrap().is_empty());
        assert_eq!(store.read(stops::all).await.unwrap(), [], "somebody has to mend something");
        let (broken, _) = store.read(|conn| audit::verify(conn, None)).await.unwrap();
        assert!(broken.is_empty(), "the audit log is broken: {broken:?}");
        if let Backend::Sqlite = self.backend {
            let said: Vec<Check> = store.read(check).await.unwrap();
            assert_eq!(said.into_iter().map(|line| line.integrity_check).collect::<Vec<_>>(), ["ok"]);
        }
    }

    /// Each record of each family is there once and in its last state.
    fn compare_records(&self, told: &Told) {
        let [customers, intents, charges] = ["Customer", "Payment_Intent", "Charge"].map(|object| {
            let mut records: BTreeMap<String, Record> = BTreeMap::new();
            for record in self.org.records(&format!("Stripe_{object}__c")) {
                let id = text(&record, "Stripe_Id__c");
                assert!(records.insert(id.clone(), record).is_none(), "{id} is there twice");
            }
            records
        });
        let made = self.stripe.events().iter().filter(|event| event["type"] == "customer.created").count();
        let families = told.families.len();
        assert_eq!((customers.len(), intents.len(), charges.len()), (families + made, families, families));
        for family in &told.families {
            let end = family.end();
            let customer = &customers[&end.customer];
            let (intent, charge) = (&intents[&end.intent], &charges[&end.charge]);
            let found = [
                text(customer, "Name"),
                text(intent, "Status__c"),
                text(intent, "Amount__c"),
                text(intent, "Amount_Received__c"),
                text(intent, "Customer__c"),
                text(charge, "Status__c"),
                text(charge, "Amount__c"),
                text(charge, "Amount_Refunded__c"),
                text(charge, "Customer__c"),
                text(charge, "Payment_Intent__c"),
            ];
            let expected = [
                end.name.as_str(),
                "Completed",
                &end.amount,
                &end.amount,
                &customer.id,
                end.charge_status,
                &end.amount,
                &end.refunded,
                &customer.id,
                &intent.id,
            ];
            assert_eq!(found, expected, "{family:?}");
        }
    }

    /// Under each key there is one customer at Stripe, and everybody was told of that one.
    fn compare_calls(&self, called: &Called) {
        let mut made: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in self.stripe.events() {
            if event["type"] == "customer.created" {
                let key = event["request"]["idempotency_key"].as_str().unwrap();
                let id = event["data"]["object"]["id"].as_str().unwrap();
                made.entry(key.to_owned()).or_default().push(id.to_owned());
            }
        }
        assert_eq!(made.len(), called.answers.len(), "keys");
        for (key, answers) in &called.answers {
            let answers: BTreeSet<_> = answers.iter().collect();
            let at_stripe = &made[key];
            assert!(
                at_stripe.len() == 1 && answers == at_stripe.iter().collect(),
                "{key}: {answers:?} {at_stripe:?}"
            );
        }
    }
}

fn text(record: &Record, field: &str) -> String {
    record.text(field).unwrap_or_default().to_owned()
}

#[derive(diesel::QueryableByName)]
struct EventId {
    #[diesel(sql_type = Text)]
    event_id: String,
}

#[derive(diesel::QueryableByName)]
struct Check {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

fn stored(conn: &mut Conn) -> paybridge::store::Result<Vec<EventId>> {
    let query = diesel::sql_query("SELECT event_id FROM events");
    Ok(match conn {
        Conn::Sqlite(c) => query.load(c)?,
        Conn::Postgres(c) => query.load(c)?,
    })
}

fn check(conn: &mut Conn) -> paybridge::store::Result<Vec<Check>> {
    match conn {
        Conn::Sqlite(c) => Ok(diesel::sql_query("PRAGMA integrity_check").load(c)?),
        Conn::Postgres(_) => Ok(Vec::new()),
    }
}

/// Events, records, reads and calls that wait.
fn waiting(conn: &mut Conn) -> paybridge::store::Result<(i64, i64, Option<i64>, Option<i64>)> {
    let counts = outbox::counts(conn)?;
    let (events, records) = (inbox::counts(conn)?.0, counts.pending + counts.leased);
    Ok((events, records, fetches::next_due(conn, &[])?, idempotency::next_due(conn)?))
}

/// Those who send and call, and what tells them where the service is.
struct Load {
    addresses: watch::Sender<Vec<String>>,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Told>>,
    callers: Vec<JoinHandle<Called>>,
}

impl Load {
    fn begin(world: &World, token: &str, random: &mut fastrand::Rng) -> Self {
        let (addresses, here): (_, Addresses) = watch::channel(Vec::new());
        let counts = Arc::new(Counts::default());
        let stop = Arc::new(AtomicBool::new(false));
        let senders = (0..SENDERS).map(|sender| {
            let (stripe, stop, counts) = (world.stripe.clone(), Arc::clone(&stop), Arc::clone(&counts));
            tokio::spawn(told::tell(stripe, here.clone(), stop, counts, sender * APART, random.fork()))
        });
        let senders = senders.collect();
        let callers = (0..CALLERS)
            .map(|caller| {
                let (token, stop) = (token.to_owned(), Arc::clone(&stop));
                tokio::spawn(told::call(token, here.clone(), stop, caller, random.fork()))
            })
            .collect();
        Self { addresses, counts, stop, senders, callers }
    }

    /// From now on these services are there.
    fn turn_to(&self, world: &World, services: &[&Service]) {
        world.stripe.deliver_to(format!("http://{}/webhooks/stripe", services[0].address));
        self.addresses.send_replace(services.iter().map(|service| service.address.clone()).collect());
    }

    /// Nobody knocks where another service may soon be.
    fn turn_away(&self) {
        self.addresses.send_replace(Vec::new());
    }

    /// Everybody ends what was begun.
    async fn end(self) -> (Told, Called) {
        self.stop.store(true, Ordering::SeqCst);
        let (mut told, mut called) = (Told::default(), Called::default());
        for sender in self.senders {
            let one = timeout(ENDLESS, sender).await.expect("an event is never taken").unwrap();
            told.families.extend(one.families);
            told.acknowledged.extend(one.acknowledged);
        }
        for caller in self.callers {
            let one = timeout(ENDLESS, caller).await.expect("a call is never answered").unwrap();
            called.answers.extend(one.answers);
            called.cut += one.cut;
        }
        (told, called)
    }
}

/// What chooses the moments. A test that fails shows what it prints.
fn seeded(backend: Backend) -> fastrand::Rng {
    let seed = setting("CRASH_SEED", 20_261_127);
    eprintln!("{backend:?}: CRASH_SEED={seed}");
    fastrand::Rng::with_seed(seed as u64)
}

/// A moment by chance, within so many milliseconds: nothing is waited for.
async fn at_some_moment(random: &mut fastrand::Rng, most_ms: u64) {
    tokio::time::sleep(Duration::from_millis(random.u64(0..most_ms))).await;
}

fn setting(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Some moments are early in the life of the service, some late, and some before it is ready.
async fn killed_at_any_moment(backend: Backend) {
    let mut random = seeded(backend);
    let kills = setting("CRASH_KILLS", FEW);
    let world = World::new(backend).await;
    // The first die while they make the tables.
    for _ in 0..kills.div_ceil(10) {
        killed_before_it_is_ready(&world, &mut random).await;
    }
    let mut service = world.start().await;
    let load = Load::begin(&world, &world.token().await, &mut random);
    for kill in 0..kills {
        load.turn_to(&world, &[&service]);
        let most = if random.bool() { 400 } else { 4_000 };
        at_some_moment(&mut random, most).await;
        load.turn_away();
        tokio::task::spawn_blocking(|| service.kill()).await.unwrap();
        if random.usize(..10) == 0 {
            killed_before_it_is_ready(&world, &mut random).await;
        }
        service = world.start().await;
        if kill % 20 == 19 {
            eprintln!("{backend:?}: killed {} times", kill + 1);
        }
    }
    load.turn_to(&world, &[&service]);
    let counts = Arc::clone(&load.counts);
    let (told, called) = load.end().await;
    world.settled().await;
    service.stop();
    world.compare(&told, &called).await;
    eprintln!(
        "{backend:?}: {kills} kills; {} events acknowledged, {} sent again because the connection broke, {} because of a 503; \
         {} records; {} calls answered, {} cut; Salesforce was called {} times",
        told.acknowledged.len(),
        counts.cut.load(Ordering::SeqCst),
        counts.refused.load(Ordering::SeqCst),
        told.families.len() * 3,
        called.answers.len(),
        called.cut,
        world.org.calls_used(),
    );
    assert!(counts.cut.load(Ordering::SeqCst) > 0, "no kill met a request under way");
}

async fn killed_before_it_is_ready(world: &World, random: &mut fastrand::Rng) {
    let mut command = world.command();
    command.stderr(std::process::Stdio::null());
    let mut starting = command.spawn().unwrap();
    at_some_moment(random, 300).await;
    starting.kill().unwrap();
    starting.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_nothing_is_lost_on_sqlite() {
    killed_at_any_moment(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_nothing_is_lost_on_postgres() {
    killed_at_any_moment(Backend::Postgres).await;
}
