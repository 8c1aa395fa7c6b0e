//! How many events a second are taken, stored on disk and acknowledged, and what share of its speed the storing costs.
//!
//! The three services take the same requests in turns, so that the ratio compares what happened in the same minute.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::database::{Database, Engine};
use super::load::{self, Answers, Pace};
use super::report::Figure;
use super::service::{ALL, Org, STORE_ONLY, Service, VERIFY_ONLY};
use super::{Options, events};
use crate::store::{Store, inbox};

/// Events a second that this webhook-to-PostgreSQL sync on Node stores at 64 connections on a machine such as ours.
const SYNC_ENGINE: f64 = 1_650.0;

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Vec<Figure>> {
    let org = Org::unreachable().await?;
    let (verifying, storing, working) =
        (create(engine, options)?, create(engine, options)?, create(engine, options)?);
    let verify_only = Service::start(VERIFY_ONLY, &verifying, &org).await?;
    let store_only = Service::start(STORE_ONLY, &storing, &org).await?;
    let all = Service::start(ALL, &working, &org).await?;
    let inbox = working.open().await?;
    let mut rounds = Vec::new();
    // The first round warms up and does not count.
    for round in 0..=options.rounds {
        let requests: Arc<[Vec<u8>]> = (0..options.events)
            .map(|number| events::signed(&events::charge(round * options.events + number)))
            .collect();
        let verified = load::send(verify_only.address, &requests, Pace::AsAnswered).await?;
        let stored = load::send(store_only.address, &requests, Pace::AsAnswered).await?;
        let begun = Instant::now();
        let worked = load::send(all.address, &requests, Pace::AsAnswered).await?;
        until_empty(&inbox).await?;
        let through = options.events as f64 / begun.elapsed().as_secs_f64();
        progress(&format!(
            "round {round} of {}: {:.0} events/s stored, {:.0} only verified, {:.0} stored while mapping, {through:.0} mapped",
            options.rounds, stored.per_second, verified.per_second, worked.per_second
        ));
        if round > 0 {
            rounds.push(Round { verified, stored, worked, through });
        }
    }
    let of = |figure: fn(&Round) -> f64| rounds.iter().map(figure).collect::<Vec<f64>>();
    let (share, times) = if engine == Engine::Sqlite { (0.5, 20.0) } else { (0.4, 15.0) };
    Ok(vec![
        Figure::new("verified, not stored", "events/s", of(|r| r.verified.per_second)),
        Figure::new("stored", "events/s", of(|r| r.stored.per_second)),
        Figure::new("stored / verified", "", of(|r| r.stored.per_second / r.verified.per_second))
            .at_least(share),
        Figure::new("stored / what stripe-sync-engine stores", "", of(|r| r.stored.per_second / SYNC_ENGINE))
            .at_least(times),
        Figure::new("stored, p50", "ms", of(|r| r.stored.within_ms(50))),
        Figure::new("stored, p99", "ms", of(|r| r.stored.within_ms(99))),
        Figure::new("stored while mapping", "events/s", of(|r| r.worked.per_second)),
        Figure::new(
            "stored while mapping / verified",
            "",
            of(|r| r.worked.per_second / r.verified.per_second),
        ),
        Figure::new("stored while mapping, p99", "ms", of(|r| r.worked.within_ms(99))),
        Figure::new("received to outbox, sustained", "events/s", of(|r| r.through)),
        Figure::new("received to outbox / stored while mapping", "", of(|r| r.through / r.worked.per_second))
            .at_least(0.99),
        Figure::new("memory after the rounds", "MB", vec![all.memory_mb()?]),
    ])
}

struct Round {
    verified: Answers,
    stored: Answers,
    worked: Answers,
    /// Events a second until the last one was mapped.
    through: f64,
}

fn create(engine: Engine, options: &Options) -> io::Result<Database> {
    Database::create(engine, &options.directory)
}

pub(super) async fn until_empty(store: &Store) -> io::Result<()> {
    while !store.read(inbox::is_empty).await.map_err(io::Error::other)? {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
