//! How soon the service is ready, and what it holds in memory before and after work.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::database::{Database, Engine};
use super::load::{self, Pace};
use super::report::Figure;
use super::service::{ALL, Org, Service};
use super::{Options, events};

/// What is idle memory settles after this long.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Vec<Figure>> {
    let org = Org::unreachable().await?;
    let (mut first, mut again) = (Vec::new(), Vec::new());
    let (mut idle, mut worked) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let database = Database::create(engine, &options.directory)?;
        let service = Service::start(ALL, &database, &org).await?;
        first.push(service.start.as_secs_f64() * 1_000.0);
        drop(service);
        let service = Service::start(ALL, &database, &org).await?;
        again.push(service.start.as_secs_f64() * 1_000.0);
        tokio::time::sleep(SETTLE).await;
        idle.push(service.memory_mb()?);
        let requests: Arc<[Vec<u8>]> =
            (0..options.events).map(|number| events::signed(&events::charge(number))).collect();
        load::send(service.address, &requests, Pace::AsAnswered).await?;
        tokio::time::sleep(SETTLE).await;
        worked.push(service.memory_mb()?);
        progress(&format!("round {round} of {}", options.rounds));
    }
    Ok(vec![
        Figure::new("to ready, tables made first", "ms", first),
        Figure::new("to ready", "ms", again).at_most(200.0),
        Figure::new("memory, idle after start", "MB", idle).at_most(40.0),
        Figure::new("memory after an ingest round", "MB", worked),
    ])
}
