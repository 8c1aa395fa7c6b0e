//! What the service holds in memory while very many records wait, events come in and calls are under way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::database::{Database, Engine};
use super::load::{self, Pace};
use super::report::Figure;
use super::service::{ALL, Org, Service};
use super::{Options, events};
use crate::clock::{Clock, unix_ms};
use crate::store::Store;
use crate::store::outbox::{self, NewState, Position};

/// The org takes this long for a call, so that the backlog lasts.
const CALL_TAKES: Duration = Duration::from_millis(300);
/// Rows of one transaction while the backlog is made.
const BATCH: usize = 1_000;

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Vec<Figure>> {
    let database = Database::create(engine, &options.directory)?;
    let org = Org::start().await?;
    if let Some(stand_in) = &org.stand_in {
        stand_in.set_latency(CALL_TAKES);
    }
    let store = database.open().await?;
    fill(&store, 0..options.waiting, &progress).await?;
    let service = Service::start(ALL, &database, &org).await?;
    let (mut held, mut rates) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let first = round * options.events;
        let requests: Arc<[Vec<u8>]> =
            (first..first + options.events).map(|number| events::signed(&events::charge(number))).collect();
        rates.push(load::send(service.address, &requests, Pace::AsAnswered).await?.per_second);
        held.push(service.most_memory_mb()?);
        progress(&format!("round {} of {}: {:.0} MB", round + 1, options.rounds, held[round]));
    }
    let most = held.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Figure::new("most memory, a million records waiting", "MB", vec![most]).at_most(200.0),
        Figure::new("stored while mapping and delivering", "events/s", rates),
    ])
}

/// Puts charges into the outbox, pending, as mapping would.
async fn fill(store: &Store, numbers: std::ops::Range<usize>, progress: impl Fn(&str)) -> io::Result<()> {
    let now_ms = unix_ms(Clock::system().now());
    let total = numbers.len();
    for from in numbers.clone().step_by(BATCH) {
        let states: Vec<NewState> = (from..(from + BATCH).min(numbers.end)).map(charge_state).collect();
        store.write(move |conn| outbox::merge(conn, &states, now_ms)).await.map_err(io::Error::other)?;
        if (from - numbers.start).is_multiple_of(100_000) {
            progress(&format!("{} of {total} records put into the outbox", from - numbers.start));
        }
    }
    Ok(())
}

fn charge_state(number: usize) -> NewState {
    charge_of(format!("ch_3w{number:016}"), format!("evt_3w{number:016}"))
}

/// What mapping makes of the event about a succeeded charge.
pub(super) fn charge_of(external_id: String, event_id: String) -> NewState {
    NewState {
        org: "main".to_owned(),
        sobject: "Stripe_Charge__c".to_owned(),
        account: "main".to_owned(),
        position: Position { created: 1_791_198_003, progress: 3, event_id: event_id.clone() },
        fields: format!(
            r#"{{"Livemode__c":false,"Stripe_Created__c":"2026-10-05T13:00:01Z","Last_Event_Id__c":"{event_id}","Last_Event_At__c":"2026-10-05T13:00:03Z","Name":"{external_id}","Status__c":"Completed","Stripe_Status__c":"succeeded","Currency__c":"USD","Amount__c":147.00,"Amount_Captured__c":147.00,"Amount_Refunded__c":0.00,"Payment_Method_Type__c":"card","Card_Brand__c":"visa","Card_Last4__c":"4242","Disputed__c":false}}"#
        ),
        external_id,
        carried: "{}".to_owned(),
        parents: "[]".to_owned(),
        mapping_version: String::new(),
    }
}
