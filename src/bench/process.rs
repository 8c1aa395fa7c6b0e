//! How many events a second one process maps and merges into the outbox, from an inbox that is full.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::database::{Database, Engine};
use super::report::Figure;
use super::{Options, events};
use crate::app::load_mapping;
use crate::clock::{Clock, unix_ms};
use crate::config::{MappingConfig, STRIPE_API_VERSION};
use crate::store::inbox::{self, NewEvent};
use crate::store::{Payload, Store};
use crate::webhooks::process::{Processor, Route};
use crate::worker::{Bell, Next, Step};

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Vec<Figure>> {
    let database = Database::create(engine, &options.directory)?;
    let store = database.open().await?;
    let processor = processor(store.clone())?;
    let mut rates = Vec::new();
    for round in 0..options.rounds {
        let first = round * options.events;
        fill(&store, (first..first + options.events).map(events::charge)).await?;
        let begun = Instant::now();
        while processor.step().await == Next::Again {}
        let rate = options.events as f64 / begun.elapsed().as_secs_f64();
        progress(&format!("round {} of {}: {rate:.0} events/s", round + 1, options.rounds));
        rates.push(rate);
    }
    Ok(vec![Figure::new("mapped and merged into the outbox", "events/s", rates)])
}

pub(super) fn processor(store: Store) -> io::Result<Processor> {
    let mapping = load_mapping(&MappingConfig::default()).map_err(io::Error::other)?;
    let route = Route::unguarded("main".to_owned(), STRIPE_API_VERSION.to_owned());
    let routes = BTreeMap::from([("main".to_owned(), route)]);
    let bells = (Bell::default(), Bell::default());
    Ok(Processor::new(store, Arc::new(mapping), routes, Clock::system(), bells.0, bells.1))
}

/// Puts events into the inbox as if they had been received.
pub(super) async fn fill(store: &Store, bodies: impl Iterator<Item = String>) -> io::Result<()> {
    let now_ms = unix_ms(Clock::system().now());
    let events: Vec<_> = bodies
        .enumerate()
        .map(|(number, payload)| NewEvent {
            account: "main".to_owned(),
            event_id: format!("evt_{now_ms}_{number}"),
            event_type: "charge.succeeded".to_owned(),
            object_id: None,
            created: 1_791_198_003,
            received_at: now_ms,
            payload: Payload::pack(&payload),
        })
        .collect();
    for chunk in events.chunks(1_000) {
        let chunk = chunk.to_vec();
        store.write(move |conn| inbox::record(conn, &chunk)).await.map_err(io::Error::other)?;
    }
    Ok(())
}
