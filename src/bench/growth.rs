//! What an event costs on its whole way when very many are stored already, beside what it costs when few are: the same load in
//! turns, on services whose databases differ only in size.

use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Options;
use super::backlog::charge_of;
use super::database::{Database, Engine};
use super::events::{self, Number};
use super::ingest::until_empty;
use super::load::{self, Pace};
use super::picture::{Curve, Panel, Picture};
use super::report::{Figure, Measured, median};
use super::service::{ALL, Org, Service, token};
use crate::api::Scope;
use crate::clock::{Clock, unix_ms};
use crate::sandbox::salesforce::Salesforce;
use crate::store::inbox::{self, NewEvent};
use crate::store::outbox::{self, Arrived, NewState};
use crate::store::{Conn, Payload, Store};

/// Events in the databases besides the largest. The first is what the others are compared with.
const SIZES: [usize; 2] = [50_000, 500_000];
/// Events of one transaction while the databases are filled.
const BATCH: usize = 1_000;
/// One record for so many events.
const EVENTS_OF_A_RECORD: usize = 3;
/// Objects whose story is asked for, in each round.
const TRACES: usize = 200;
/// What is not in the org by then never comes.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(2);
const CHARGE: &str = "Stripe_Charge__c";

/// A service on a database that holds so many events already.
struct Subject {
    stored: usize,
    service: Service,
    store: Store,
    org: Salesforce,
    token: String,
    /// Objects of events that are there already.
    known: Vec<String>,
    database: Database,
}

/// What an event took until it had come so far, in microseconds; and what a look-up took.
#[derive(Clone, Copy)]
struct Cost {
    stored: f64,
    mapped: f64,
    delivered: f64,
    trace: f64,
    /// How many requests were answered 503 and sent again.
    refused: f64,
}

type Part = (&'static str, fn(&Cost) -> f64);

const PARTS: [Part; 4] = [
    ("until stored", |cost| cost.stored),
    ("until mapped", |cost| cost.mapped),
    ("until delivered", |cost| cost.delivered),
    ("trace of an object, p50", |cost| cost.trace),
];

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Measured> {
    let mut subjects = Vec::new();
    for stored in SIZES.into_iter().filter(|size| *size < options.stored).chain([options.stored]) {
        subjects.push(Subject::filled(engine, options, stored, &progress).await?);
    }
    let payments = options.events.div_ceil(3);
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); subjects.len()];
    // The first round warms up and does not count.
    for round in 0..=options.rounds {
        let mut said = format!("round {round} of {}: µs until delivered", options.rounds);
        for (subject, costs) in subjects.iter().zip(&mut costs) {
            let cost = subject.round(round, payments).await?;
            write!(said, ", {:.0} with {}", cost.delivered, subject.stored).map_err(io::Error::other)?;
            if round > 0 {
                costs.push(cost);
            }
        }
        progress(&said);
    }
    let figures = figures(&subjects, &costs)?;
    let picture = Some(picture(&subjects, &costs));
    for subject in subjects {
        subject.org.stop().await;
    }
    Ok(Measured { figures, picture })
}

impl Subject {
    async fn filled(
        engine: Engine,
        options: &Options,
        stored: usize,
        progress: impl Fn(&str),
    ) -> io::Result<Self> {
        let database = Database::create(engine, &options.directory)?;
        let store = database.open().await?;
        let known = fill(&store, stored, &progress).await?;
        database.tidy()?;
        let org = Org::start().await?;
        let stand_in = org.stand_in.clone().ok_or(io::ErrorKind::NotFound)?;
        let service = Service::start(ALL, &database, &org).await?;
        let token = token(&store, &[Scope::OpsRead]).await?;
        Ok(Self { stored, service, store, org: stand_in, token, known, database })
    }

    async fn round(&self, round: usize, payments: usize) -> io::Result<Cost> {
        let numbers = round * payments..(round + 1) * payments;
        let requests: Arc<[Vec<u8>]> = numbers
            .flat_map(|event| events::payment_of(Number { event, object: spread(event), seconds: 0 }))
            .map(|body| events::signed(&body))
            .collect();
        let expected = self.org.count(CHARGE) + payments;
        let begun = Instant::now();
        let answers = load::send_until_taken(self.service.address, &requests, Pace::AsAnswered).await?;
        until_empty(&self.store).await?;
        let mapped = begun.elapsed();
        while self.org.count(CHARGE) < expected {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "not every charge reached the org"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let delivered = begun.elapsed();
        let each = |took: Duration| took.as_secs_f64() * 1e6 / requests.len() as f64;
        let trace = self.trace(round).await? * 1e3;
        Ok(Cost {
            stored: 1e6 / answers.per_second,
            mapped: each(mapped),
            delivered: each(delivered),
            trace,
            refused: answers.refused as f64,
        })
    }

    /// The median of the time that it takes to be told about an object, in milliseconds.
    async fn trace(&self, round: usize) -> io::Result<f64> {
        let known = self.known.iter().cycle().skip(round * TRACES).take(TRACES);
        let request = |id: &String| {
            format!(
                "GET /v1/trace/{id} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
                self.service.address, self.token
            )
            .into_bytes()
        };
        let requests: Arc<[Vec<u8>]> = known.map(request).collect();
        Ok(load::send(self.service.address, &requests, Pace::PerSecond(100)).await?.within_ms(50))
    }
}

/// Ids of Stripe's objects do not ascend: one number for each other, all over the range of their digits.
fn spread(number: usize) -> usize {
    const DIGITS: u64 = 10_000_000_000_000_000;
    let number = (number as u64).wrapping_mul(6_364_136_223_846_793_005) % DIGITS;
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Stores events as if they had been received, mapped and brought to the org long ago. Gives some of their objects.
async fn fill(store: &Store, count: usize, progress: impl Fn(&str)) -> io::Result<Vec<String>> {
    let now_ms = unix_ms(Clock::system().now());
    let payload = Payload::pack(&events::charge(0));
    let mut random = fastrand::Rng::with_seed(7);
    let mut known = Vec::new();
    for from in (0..count).step_by(BATCH) {
        let charges: Vec<String> = (from..(from + BATCH).min(count))
            .step_by(EVENTS_OF_A_RECORD)
            .map(|_| format!("ch_3b{:016}", random.u64(..10_000_000_000_000_000)))
            .collect();
        let events: Vec<NewEvent> = (from..(from + BATCH).min(count))
            .map(|number| NewEvent {
                account: "main".to_owned(),
                event_id: format!("evt_1{number:09}{:08x}", random.u32(..)),
                event_type: "charge.updated".to_owned(),
                object_id: Some(charges[(number - from) / EVENTS_OF_A_RECORD].clone()),
                created: 1_791_000_000,
                received_at: now_ms,
                payload: payload.clone(),
            })
            .collect();
        known.push(charges[random.usize(..charges.len())].clone());
        store.write(move |conn| brought(conn, &events, &charges, now_ms)).await.map_err(io::Error::other)?;
        if from > 0 && from.is_multiple_of(500_000) {
            progress(&format!("{from} of {count} events stored"));
        }
    }
    random.shuffle(&mut known);
    Ok(known)
}

fn brought(
    conn: &mut Conn,
    events: &[NewEvent],
    charges: &[String],
    now_ms: i64,
) -> crate::store::Result<()> {
    inbox::record(conn, events)?;
    let seqs: Vec<i64> = inbox::take(conn, 0, &[], 2 * BATCH as i64)?.iter().map(|event| event.seq).collect();
    inbox::complete(conn, &seqs)?;
    let events = events.iter().step_by(EVENTS_OF_A_RECORD);
    let states: Vec<NewState> =
        charges.iter().zip(events).map(|(id, event)| charge_of(id.clone(), event.event_id.clone())).collect();
    outbox::merge(conn, &states, now_ms)?;
    let due = outbox::due(conn, "main", CHARGE, now_ms, 2 * BATCH as i64)?;
    let ids: Vec<i64> = due.iter().map(|row| row.id).collect();
    let arrived: Vec<Arrived> = outbox::lease(conn, "fill", &ids, now_ms, now_ms + 1)?
        .into_iter()
        .map(|row| Arrived { id: row.id, record_id: format!("a01{:015}", row.id), event_id: row.event_id })
        .collect();
    outbox::complete(conn, "fill", &arrived, now_ms)
}

fn figures(subjects: &[Subject], costs: &[Vec<Cost>]) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let few = &costs[0];
    for (part, of) in PARTS {
        let name = format!("{part}, {} stored", subjects[0].stored);
        figures.push(Figure::new(name, "µs", few.iter().map(of).collect()));
        for (subject, many) in subjects.iter().zip(costs).skip(1) {
            let ratios = many.iter().zip(few).map(|(many, few)| of(many) / of(few)).collect();
            let name = format!("{part}, {} stored / {}", subject.stored, subjects[0].stored);
            figures.push(Figure::new(name, "", ratios).at_most(1.3));
        }
    }
    for (subject, costs) in subjects.iter().zip(costs) {
        let refused = costs.iter().map(|cost| cost.refused).sum();
        let name = format!("answered 503 and sent again, {} stored", subject.stored);
        figures.push(Figure::new(name, "", vec![refused]));
        let name = format!("database with {}", subject.stored);
        figures.push(Figure::new(name, "MB", vec![subject.database.megabytes()?]));
    }
    Ok(figures)
}

fn picture(subjects: &[Subject], costs: &[Vec<Cost>]) -> Picture {
    let curve = |(name, of): Part| {
        let points = subjects
            .iter()
            .zip(costs)
            .map(|(subject, costs)| (subject.stored as f64, median(costs.iter().map(of))));
        Curve { name, points: points.collect() }
    };
    let [stored, mapped, delivered, trace] = PARTS;
    let panels = vec![
        Panel { title: "Cost of an event, µs", curves: [stored, mapped, delivered].map(curve).into() },
        Panel { title: "Looking up an object, µs", curves: vec![curve(trace)] },
    ];
    Picture { along: "events stored already", by_powers: true, panels }
}
