//! Whether anything grows or slows while events come at a steady rate for long, and calls to the org fail now and then.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Options;
use super::database::{Database, Engine};
use super::events::{self, Number};
use super::load::{self, Pace};
use super::picture::{Curve, Panel, Picture};
use super::report::{Figure, Measured, median};
use super::service::{ALL, Org, Service};
use crate::sandbox::salesforce::{Fault, Salesforce};
use crate::store::{Store, inbox, outbox};

const EVENTS_PER_SECOND: u32 = 300;
/// After each, the service is looked at, and other faults come.
const SLICE_SECONDS: usize = 10;
const EVENTS_OF_A_SLICE: usize = EVENTS_PER_SECOND as usize * SLICE_SECONDS;
const EVENTS_OF_A_PAYMENT: usize = 3;
/// Then the first is told of again, in a newer state.
const PAYMENTS: usize = 40_000;
/// One of so many events is sent again, as Stripe does when it heard no answer.
const SENT_TWICE: usize = 50;
const CALL_TAKES: Duration = Duration::from_millis(100);
/// How long the service waits for a call. Short, so that calls without an answer are met often.
const CALL_MAY_TAKE_MS: &str = "5000";
/// How often each of a slice's two faults comes, in a hundred calls.
const PERCENT: usize = 1;
/// What stops a call or harms it and passes by itself. Left out: what a gateway makes of a request that is not ours, and
/// what holds all calls until the org's day is over.
const FAULTS: [Fault; 11] = [
    Fault::ServerUnavailable,
    Fault::ServerError,
    Fault::ConcurrentLimitExceeded,
    Fault::TooManyRequests,
    Fault::RecordLocked,
    Fault::SessionExpired,
    Fault::HtmlErrorPage,
    Fault::Hang,
    Fault::DropConnection,
    Fault::RefuseConnection,
    Fault::MalformedAnswer,
];
/// What is not in the org by then never comes; longer than a lease.
const PATIENCE: Duration = Duration::from_secs(900);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The first and the last so many of a hundred slices are compared; what starts and fills once is over by then.
const COMPARED_PERCENT: usize = 20;
const SETTLED_PERCENT: usize = 10;

/// How the service did in one slice.
struct Look {
    minute: f64,
    p50_ms: f64,
    p99_ms: f64,
    memory_mb: f64,
    descriptors: f64,
    threads: f64,
    /// Events and records that were not through.
    waiting: f64,
    /// Events that had to be sent again because the database did not answer in time.
    refused: f64,
}

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Measured> {
    let database = Database::create(engine, &options.directory)?;
    let org = Org::start().await?;
    let stand_in = org.stand_in.clone().ok_or(io::ErrorKind::NotFound)?;
    stand_in.set_latency(CALL_TAKES);
    let settings = [("SALESFORCE__MAIN__TIMEOUT_MS", CALL_MAY_TAKE_MS.to_owned())];
    let service = Service::start_with(ALL, &database, &org, &settings).await?;
    let store = database.open().await?;
    let begun = Instant::now();
    let slices = options.minutes * 60 / SLICE_SECONDS;
    let mut looks: Vec<Look> = Vec::with_capacity(slices);
    for slice in 0..slices {
        let faults = [FAULTS[2 * slice % FAULTS.len()], FAULTS[(2 * slice + 1) % FAULTS.len()]];
        stand_in.at_random(slice as u64, PERCENT, &faults);
        let requests: Arc<[Vec<u8>]> =
            bodies(slice * EVENTS_OF_A_SLICE).map(|body| events::signed(&body)).collect();
        let pace = Pace::PerSecond(EVENTS_PER_SECOND);
        let answers = load::send_until_taken(service.address, &requests, pace).await?;
        let look = Look {
            minute: begun.elapsed().as_secs_f64() / 60.0,
            p50_ms: answers.within_ms(50),
            p99_ms: answers.within_ms(99),
            memory_mb: service.memory_mb()?,
            descriptors: service.descriptors()?,
            threads: service.threads()?,
            waiting: waiting(&store).await?,
            refused: answers.refused as f64,
        };
        if (slice + 1) % (60 / SLICE_SECONDS) == 0 {
            progress(&format!(
                "minute {:.0} of {}: p50 {:.2} ms, p99 {:.2} ms, {:.1} MB, {} open, {} threads, {} waiting, {} refused",
                look.minute,
                options.minutes,
                look.p50_ms,
                look.p99_ms,
                look.memory_mb,
                look.descriptors,
                look.threads,
                look.waiting,
                look.refused
            ));
        }
        looks.push(look);
    }
    stand_in.at_random(0, PERCENT, &[]);
    let emptied = until_all_is_through(&store).await?;
    check(&store, &stand_in, slices * EVENTS_OF_A_SLICE).await?;
    stand_in.stop().await;
    Ok(Measured { figures: figures(&looks, emptied), picture: Some(picture(&looks)) })
}

/// The events of a slice, of which the first has this number, and those that are sent again.
fn bodies(first: usize) -> impl Iterator<Item = String> {
    (first..first + EVENTS_OF_A_SLICE).flat_map(|number| {
        let again = number % SENT_TWICE == 0;
        let body = body(number);
        std::iter::once(body.clone()).chain(again.then_some(body))
    })
}

fn body(number: usize) -> String {
    let (payment, step) = (number / EVENTS_OF_A_PAYMENT, number % EVENTS_OF_A_PAYMENT);
    let number =
        Number { event: payment, object: payment % PAYMENTS, seconds: number / EVENTS_PER_SECOND as usize };
    let [customer, intent, charge] = events::payment_of(number);
    match step {
        0 => customer,
        1 => intent,
        _ => charge,
    }
}

async fn waiting(store: &Store) -> io::Result<f64> {
    let counts = store.read(|conn| Ok((inbox::counts(conn)?.0, outbox::counts(conn)?)));
    let (events, records) = counts.await.map_err(io::Error::other)?;
    Ok((events + records.pending + records.leased) as f64)
}

/// Gives the seconds that it took.
async fn until_all_is_through(store: &Store) -> io::Result<f64> {
    let begun = Instant::now();
    while waiting(store).await? > 0.0 {
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "not everything reached the org"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// Each charge must be in the org, once, in the state of the last event about it, and nothing given up.
async fn check(store: &Store, org: &Salesforce, sent: usize) -> io::Result<()> {
    let payments = sent / EVENTS_OF_A_PAYMENT;
    let objects = payments.min(PAYMENTS);
    let wrong = (0..objects).filter(|object| {
        let last = (payments - 1 - object) / PAYMENTS * PAYMENTS + object;
        let record = org.record("Stripe_Charge__c", &events::charge_id(*object));
        record.and_then(|record| record.text("Last_Event_Id__c").map(str::to_owned))
            != Some(events::charge_event_id(last))
    });
    let (wrong, there) = (wrong.count(), org.count("Stripe_Charge__c"));
    let (stored, dead) = store
        .read(|conn| {
            let dead = inbox::dead_letters(conn, 1)?.len() + outbox::dead_letters(conn, 1)?.len();
            Ok((inbox::counts(conn)?.1, dead))
        })
        .await
        .map_err(io::Error::other)?;
    if wrong > 0 || there != objects || stored != sent as i64 || dead > 0 {
        return Err(io::Error::other(format!(
            "of {objects} charges {wrong} are not as they were told last, {there} are in the org; {stored} of {sent} events \
             are stored; given up: {dead}"
        )));
    }
    Ok(())
}

fn figures(looks: &[Look], emptied: f64) -> Vec<Figure> {
    let settled = &looks[looks.len() * SETTLED_PERCENT / 100..];
    let compared = (looks.len() * COMPARED_PERCENT / 100).max(1);
    let (early, late) = (&settled[..compared.min(settled.len())], &looks[looks.len() - compared..]);
    let all = |of: fn(&Look) -> f64| looks.iter().map(of).collect::<Vec<f64>>();
    let grown = |of: fn(&Look) -> f64| {
        vec![median(late.iter().map(of)) / median(early.iter().map(of)).max(f64::MIN_POSITIVE)]
    };
    vec![
        Figure::new("300 events/s, calls fail: p50", "ms", all(|look| look.p50_ms)),
        Figure::new("300 events/s, calls fail: p99", "ms", all(|look| look.p99_ms)),
        Figure::new("p99, end / beginning", "", grown(|look| look.p99_ms)).at_most(1.3),
        Figure::new("memory", "MB", all(|look| look.memory_mb)),
        Figure::new("memory, end / beginning", "", grown(|look| look.memory_mb)).at_most(1.1),
        Figure::new("open files and connections", "", all(|look| look.descriptors)),
        Figure::new("open, end / beginning", "", grown(|look| look.descriptors)).at_most(1.1),
        Figure::new("threads", "", all(|look| look.threads)),
        Figure::new("events and records under way", "", all(|look| look.waiting)),
        Figure::new("refused with 503 and sent again", "", vec![looks.iter().map(|look| look.refused).sum()]),
        Figure::new("all in the org after the last event", "s", vec![emptied]),
    ]
}

fn picture(looks: &[Look]) -> Picture {
    let curve = |name, of: fn(&Look) -> f64| Curve {
        name,
        points: looks.iter().map(|look| (look.minute, of(look))).collect(),
    };
    let panel = |title, curves| Panel { title, curves };
    let panels = vec![
        panel(
            "Answer to a webhook, ms",
            vec![curve("p50", |look| look.p50_ms), curve("p99", |look| look.p99_ms)],
        ),
        panel("Memory, MB", vec![curve("resident", |look| look.memory_mb)]),
        panel(
            "Open files and connections, threads",
            vec![curve("open", |look| look.descriptors), curve("threads", |look| look.threads)],
        ),
        panel("Events and records under way", vec![curve("waiting", |look| look.waiting)]),
    ];
    Picture { along: "minutes", by_powers: false, panels }
}
