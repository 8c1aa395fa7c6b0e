//! How many calls a backlog costs, and how soon a single event is in the org when there is nothing else to do.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::database::{Database, Engine};
use super::load::{self, Pace};
use super::process::{fill, processor};
use super::report::Figure;
use super::service::{ALL, ORG, Org, Service};
use super::{Options, events};
use crate::sandbox::salesforce::Salesforce;
use crate::store::outbox;
use crate::worker::{Next, Step};

/// Events sent one after the other to an idle service.
const SINGLE_EVENTS: usize = 100;
/// How long the service is left alone before each, so that it is idle again.
const REST: Duration = Duration::from_millis(20);
/// What a call takes in the row that shows whether calls overlap.
const CALL_TAKES: Duration = Duration::from_millis(300);
/// Calls that are under way at the same time, by default.
const CALLS_IN_FLIGHT: f64 = 4.0;
/// Records that one call carries at most.
const CALL_CARRIES: f64 = 1_000.0;
/// Whether something is left costs the database next to nothing; how much it is, it would have to count.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A record that is not there by then never comes.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Vec<Figure>> {
    let at_once = drain(engine, options, options.backlog, Duration::ZERO, &progress).await?;
    // Signing in and asking who the org is takes slow calls too; with more records it counts for less.
    let slowly = drain(engine, options, options.backlog * 4, CALL_TAKES, &progress).await?;
    let possible = CALLS_IN_FLIGHT * CALL_CARRIES / CALL_TAKES.as_secs_f64();
    let mut figures = vec![
        Figure::new("calls per 1,000 changed records", "calls", vec![at_once.calls_per_thousand])
            .at_most(1.2),
        Figure::new("drained, stand-in on the same cores", "records/s", vec![at_once.per_second]),
        Figure::new("drained at 300 ms a call", "records/s", vec![slowly.per_second]),
        Figure::new("drained at 300 ms a call / possible", "", vec![slowly.per_second / possible])
            .at_least(0.8),
        Figure::new("at 300 ms a call: calls per 1,000 records", "calls", vec![slowly.calls_per_thousand]),
    ];
    figures.extend(idle(engine, options, &progress).await?);
    Ok(figures)
}

/// What it took to bring a backlog to the org.
struct Drained {
    calls_per_thousand: f64,
    per_second: f64,
}

/// Customers, payment intents and charges in equal parts wait when the service starts; the org takes `latency` for each call.
async fn drain(
    engine: Engine,
    options: &Options,
    backlog: usize,
    latency: Duration,
    progress: impl Fn(&str),
) -> io::Result<Drained> {
    let database = Database::create(engine, &options.directory)?;
    let (org, stand_in) = org().await?;
    let store = database.open().await?;
    let payments = backlog.div_ceil(3);
    fill(&store, (0..payments).flat_map(events::payment)).await?;
    let processor = processor(store.clone())?;
    while processor.step().await == Next::Again {}
    progress(&format!(
        "{} records wait in the outbox; a call takes {} ms",
        payments * 3,
        latency.as_millis()
    ));
    stand_in.set_latency(latency);
    let _service = Service::start(ALL, &database, &org).await?;
    let begun = Instant::now();
    while !store.read(|conn| outbox::queues(conn, ORG)).await.map_err(io::Error::other)?.is_empty() {
        if begun.elapsed() > PATIENCE * 30 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the backlog did not reach the org"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let calls = stand_in.calls().iter().filter(|call| call.subrequests > 0).count();
    let arrived = stand_in.records("Stripe_Charge__c").len();
    stand_in.stop().await;
    if arrived != payments {
        return Err(io::Error::other(format!("{arrived} of {payments} charges arrived")));
    }
    let records = (payments * 3) as f64;
    Ok(Drained { calls_per_thousand: calls as f64 * 1_000.0 / records, per_second: records / seconds })
}

async fn idle(engine: Engine, options: &Options, progress: impl Fn(&str)) -> io::Result<Vec<Figure>> {
    let database = Database::create(engine, &options.directory)?;
    let (org, stand_in) = org().await?;
    let service = Service::start(ALL, &database, &org).await?;
    progress(&format!("{SINGLE_EVENTS} events one by one"));
    let mut waits = Vec::with_capacity(SINGLE_EVENTS);
    for number in 0..=SINGLE_EVENTS {
        tokio::time::sleep(REST).await;
        let request: Arc<[Vec<u8>]> = Arc::new([events::signed(&events::customer(number))]);
        load::send(service.address, &request, Pace::AsAnswered).await?;
        let answered = Instant::now();
        let (stand_in, id) = (stand_in.clone(), events::customer_id(number));
        let arrival = tokio::task::spawn_blocking(move || wait_for(&stand_in, &id)).await??;
        waits.push((arrival - answered).as_secs_f64() * 1_000.0);
    }
    stand_in.stop().await;
    // The first one signs in.
    waits.remove(0);
    waits.sort_by(f64::total_cmp);
    let at = |percent: usize| vec![waits[waits.len() * percent / 100]];
    Ok(vec![
        Figure::new("idle: from 200 to the record, p50", "ms", at(50)).at_most(50.0),
        Figure::new("idle: from 200 to the record, p99", "ms", at(99)),
    ])
}

async fn org() -> io::Result<(Org, Salesforce)> {
    let org = Org::start().await?;
    let stand_in = org.stand_in.clone().ok_or(io::ErrorKind::NotFound)?;
    Ok((org, stand_in))
}

/// Looks often enough that what it adds is a fifth of a millisecond at most.
fn wait_for(stand_in: &Salesforce, customer: &str) -> io::Result<Instant> {
    let begun = Instant::now();
    while stand_in.record("Stripe_Customer__c", customer).is_none() {
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{customer} did not reach the org")));
        }
        std::thread::sleep(Duration::from_micros(150));
    }
    Ok(Instant::now())
}
