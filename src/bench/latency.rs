//! How long an event waits for its 200 while they come at a steady rate, whether the service keeps up or not.

use std::io;
use std::sync::Arc;

use super::database::{Database, Engine};
use super::load::{self, Pace};
use super::report::Figure;
use super::service::{ALL, Org, Service};
use super::{Options, events};

const EVENTS_PER_SECOND: u32 = 1_000;
const SECONDS: usize = 5;

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Vec<Figure>> {
    let database = Database::create(engine, &options.directory)?;
    let service = Service::start(ALL, &database, &Org::unreachable().await?).await?;
    let (mut middle, mut slow) = (Vec::new(), Vec::new());
    for round in 0..=options.rounds {
        let count = EVENTS_PER_SECOND as usize * SECONDS;
        let requests: Arc<[Vec<u8>]> =
            (0..count).map(|number| events::signed(&events::charge(round * count + number))).collect();
        let answers = load::send(service.address, &requests, Pace::PerSecond(EVENTS_PER_SECOND)).await?;
        let (p50, p99) = (answers.within_ms(50), answers.within_ms(99));
        progress(&format!("round {round} of {}: p50 {p50:.2} ms, p99 {p99:.2} ms", options.rounds));
        if round > 0 {
            middle.push(p50);
            slow.push(p99);
        }
    }
    Ok(vec![
        Figure::new("1,000 events/s offered, p50", "ms", middle),
        Figure::new("1,000 events/s offered, p99", "ms", slow).at_most(10.0),
    ])
}
