//! What an event costs when very many are stored already, beside what it costs when few are: the same load in turns, on a
//! service with a small database and on one with a large one.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::backlog;
use super::database::{Database, Engine};
use super::ingest::until_empty;
use super::load::{self, Pace};
use super::report::Figure;
use super::service::{ALL, Org, Service};
use super::{Options, events};
use crate::clock::{Clock, unix_ms};
use crate::store::inbox::{self, NewEvent};
use crate::store::{Payload, Store};

/// Events in the small database.
const FEW: usize = 50_000;
/// Events of one transaction while the databases are filled.
const BATCH: usize = 1_000;
/// One record for so many events.
const EVENTS_OF_A_RECORD: usize = 3;

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Vec<Figure>> {
    let org = Org::unreachable().await?;
    let mut services = Vec::new();
    let mut databases = Vec::new();
    for stored in [FEW, options.stored] {
        let database = Database::create(engine, &options.directory)?;
        let store = database.open().await?;
        fill(&store, stored, &progress).await?;
        services.push((Service::start(ALL, &database, &org).await?, store));
        databases.push(database);
    }
    let (mut acknowledged, mut mapped, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms up and does not count.
    for round in 0..=options.rounds {
        let first = round * options.events;
        let requests: Arc<[Vec<u8>]> =
            (first..first + options.events).map(|number| events::signed(&events::charge(number))).collect();
        let mut took = Vec::new();
        for (service, store) in &services {
            let begun = Instant::now();
            let answers = load::send(service.address, &requests, Pace::AsAnswered).await?;
            until_empty(store).await?;
            took.push((answers.per_second, begun.elapsed().as_secs_f64()));
        }
        progress(&format!(
            "round {round} of {}: {:.2} s with few events stored, {:.2} s with many",
            options.rounds, took[0].1, took[1].1
        ));
        if round > 0 {
            acknowledged.push(took[0].0 / took[1].0);
            mapped.push(options.events as f64 / took[1].1);
            costs.push(took[1].1 / took[0].1);
        }
    }
    Ok(vec![
        Figure::new("cost of an event until it is mapped, many stored / 50,000", "", costs).at_most(1.3),
        Figure::new("time to store it, many stored / 50,000", "", acknowledged),
        Figure::new("received to outbox with many stored", "events/s", mapped),
        Figure::new("events stored at the beginning", "events", vec![options.stored as f64]),
        Figure::new("database on disk", "MB", vec![databases[1].megabytes()?]),
    ])
}

/// Stores events as if they had been received and mapped long ago, and the records that they made.
async fn fill(store: &Store, count: usize, progress: impl Fn(&str)) -> io::Result<()> {
    let now_ms = unix_ms(Clock::system().now());
    let payload = Payload::pack(&events::charge(0));
    let mut random = fastrand::Rng::with_seed(7);
    for from in (0..count).step_by(BATCH) {
        // Stripe's event ids nearly ascend, those of objects do not.
        let batch: Vec<NewEvent> = (from..(from + BATCH).min(count))
            .map(|number| NewEvent {
                account: "main".to_owned(),
                event_id: format!("evt_1{number:09}{:08x}", random.u32(..)),
                event_type: "charge.updated".to_owned(),
                object_id: Some(format!("ch_3{:016x}", random.u64(..))),
                created: 1_791_000_000,
                received_at: now_ms,
                payload: payload.clone(),
            })
            .collect();
        let work = move |conn: &mut crate::store::Conn| {
            inbox::record(conn, &batch)?;
            let seqs: Vec<i64> = inbox::take(conn, 2_000)?.iter().map(|event| event.seq).collect();
            inbox::complete(conn, &seqs)
        };
        store.write(work).await.map_err(io::Error::other)?;
        if from.is_multiple_of(500_000) {
            progress(&format!("{from} of {count} events stored"));
        }
    }
    backlog::fill(store, 0..count / EVENTS_OF_A_RECORD, |_| ()).await
}
