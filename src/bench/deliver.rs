//! How many calls a backlog costs, and how soon a single event is in the org when there is nothing else to do.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::database::{Database, Engine};
use super::load::{self, Pace};
use super::process::{fill, processor};
use super::report::Figure;
use super::service::{ALL, Org, Service, config};
use super::{Options, events};
use crate::app::{App, Background};
use crate::clock::Clock;
use crate::sandbox::salesforce::Salesforce;
use crate::store::outbox;
use crate::worker::{Next, Step};

/// Events sent one after the other to an idle service.
const SINGLE_EVENTS: usize = 100;
/// How long the service is left alone before each, so that it is idle again.
const REST: Duration = Duration::from_millis(20);
/// A record that is not there by then never comes.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Vec<Figure>> {
    let mut figures = backlog(engine, options, &progress).await?;
    figures.extend(idle(engine, options, &progress).await?);
    Ok(figures)
}

async fn backlog(engine: Engine, options: &Options, progress: impl Fn(&str)) -> io::Result<Vec<Figure>> {
    let database = Database::create(engine, &options.directory)?;
    let (org, stand_in) = org().await?;
    let store = database.open().await?;
    let payments = options.backlog.div_ceil(3);
    progress(&format!("{} records wait in the outbox", payments * 3));
    fill(&store, (0..payments).flat_map(events::payment)).await?;
    let processor = processor(store)?;
    while processor.step().await == Next::Again {}
    let config = config(&database, &org)?;
    let app = tokio::task::spawn_blocking(move || App::assemble(config, Clock::system())).await?;
    let app = app.map_err(io::Error::other)?;
    let running =
        app.start(TcpListener::bind("127.0.0.1:0")?, Background::Stepped).map_err(io::Error::other)?;
    let begun = Instant::now();
    running.drain().await;
    // A record that came to the org before its parent waits a little and travels again.
    while running.store().read(outbox::counts).await.map_err(io::Error::other)?.pending > 0 {
        if begun.elapsed() > PATIENCE * 6 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the backlog did not reach the org"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        running.drain().await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    running.stop().await;
    let calls = stand_in.calls().iter().filter(|call| call.subrequests > 0).count();
    let arrived = stand_in.records("Stripe_Charge__c").len();
    stand_in.stop().await;
    if arrived != payments {
        return Err(io::Error::other(format!("{arrived} of {payments} charges arrived")));
    }
    let records = (payments * 3) as f64;
    let per_thousand = calls as f64 * 1_000.0 / records;
    Ok(vec![
        Figure::new("calls per 1,000 changed records", "calls", vec![per_thousand]).at_most(1.2),
        Figure::new("drained, stand-in on the same cores", "records/s", vec![records / seconds]),
    ])
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
