//! Tells events to the real inbox, mapping and merge in many orders at once, and gives what the outbox says afterwards.
//!
//! Each order has an account of its own that leads to an org of its own, all in one database; that is the same code on
//! the same tables as for one order, for the price of a few transactions. What comes after the outbox is left out:
//! delivery sends a row's fields as they are, so equal rows become equal records.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use paybridge::mapping::Mapping;
use paybridge::pass::State;
use paybridge::salesforce::schema::Schema;
use paybridge::store::inbox::{self, NewEvent};
use paybridge::store::{Payload, fetches, outbox};
use paybridge::webhooks::process::{Processor, Route};
use paybridge::worker::{Bell, Next, Step};
use serde_json::{Value, json};

use crate::bridge::Bridge;

pub const API_VERSION: &str = "2026-10-28.endive";

/// An event as it is told.
#[derive(Clone, Debug)]
pub struct Told {
    pub id: String,
    pub object_id: String,
    pub api_version: String,
    kind: String,
    created: i64,
    payload: Payload,
}

/// What the outbox says of a record: everything that an order could change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub position: (i64, i64, String),
    pub fields: String,
    pub carried: String,
    pub parents: String,
}

/// What one order ends in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The records by object and Stripe id.
    pub rows: BTreeMap<(String, String), Row>,
    /// What is to be read from Stripe because of a tie. Whether one is seen may depend on the order; what it comes to must not.
    pub asked: Vec<String>,
}

impl Told {
    pub fn parse(payload: &str) -> Self {
        let event: Value = serde_json::from_str(payload).unwrap();
        Self::of(&event)
    }

    pub fn of(event: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            id: text(&event["id"]),
            object_id: text(&event["data"]["object"]["id"]),
            api_version: text(&event["api_version"]),
            kind: text(&event["type"]),
            created: event["created"].as_i64().unwrap(),
            payload: Payload::pack(&event.to_string()),
        }
    }

    /// An object as it is when it was read from Stripe at this time.
    pub fn read(object: &Value, created: i64) -> Self {
        let text = |name: &str| object[name].as_str().unwrap();
        let kind = format!("{}.fetched", text("object"));
        Self::of(&json!({
            "id": format!("fetch_{}", text("id")), "object": "event", "api_version": API_VERSION, "created": created,
            "type": kind, "livemode": false, "data": {"object": object},
        }))
    }
}

fn mapping() -> Arc<Mapping> {
    static MAPPING: OnceLock<Arc<Mapping>> = OnceLock::new();
    let load = || Arc::new(Mapping::load(None, &Schema::package().unwrap()).unwrap());
    Arc::clone(MAPPING.get_or_init(load))
}

/// What maps events of these accounts for these orgs.
pub fn processor(bridge: &Bridge, orgs: BTreeMap<String, String>) -> Processor {
    let route = |org| {
        let route = Route::unguarded(org, API_VERSION.to_owned());
        route.account_pass.set(State::Open("acct_1SandboxPaybridge".into()));
        route
    };
    let routes = orgs.into_iter().map(|(account, org)| (account, route(org))).collect();
    let (store, clock) = (bridge.store().clone(), bridge.clock.clone());
    Processor::new(store, mapping(), routes, clock, Bell::default(), Bell::default())
}

/// How many events of each order come at once.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each is merged into what the database has.
    OneByOne,
    /// All are merged in memory first.
    AtOnce,
    /// Up to so many, by chance.
    UpTo(usize),
}

/// Tells each of `orders` to an org of its own. An event that occurs twice is merged twice, as when two processes took it.
pub async fn tell(bridge: &Bridge, name: &str, orders: &[Vec<Told>], pace: Pace) -> Vec<End> {
    // A second account of the same org: within one account the inbox would not let an event in twice.
    let accounts = |number: usize| [format!("{name} {number}"), format!("{name} {number} again")];
    let org = |number: usize| format!("{name} {number}");
    let routes = (0..orders.len()).flat_map(|n| accounts(n).map(|account| (account, org(n)))).collect();
    let processor = processor(bridge, routes);
    let mut random = fastrand::Rng::with_seed(20_261_125);
    let mut waiting: Vec<_> = orders.iter().map(|order| (Vec::<&str>::new(), order.iter())).collect();
    while waiting.iter().any(|(_, left)| left.len() > 0) {
        let mut batch = Vec::new();
        for (number, (told, left)) in waiting.iter_mut().enumerate() {
            let count = match pace {
                Pace::OneByOne => 1,
                Pace::AtOnce => left.len(),
                Pace::UpTo(most) => random.usize(1..=most),
            };
            for event in left.by_ref().take(count) {
                let again = usize::from(told.contains(&event.id.as_str()));
                told.push(&event.id);
                batch.push(NewEvent {
                    account: accounts(number)[again].clone(),
                    event_id: event.id.clone(),
                    event_type: event.kind.clone(),
                    object_id: Some(event.object_id.clone()),
                    created: event.created,
                    received_at: 0,
                    payload: event.payload.clone(),
                });
            }
        }
        for batch in batch.chunks(1_000).map(<[_]>::to_vec) {
            bridge.store().write(move |conn| inbox::record(conn, &batch)).await.unwrap();
        }
        while processor.step().await == Next::Again {}
    }
    let mut ends: Vec<End> = Vec::new();
    for (number, order) in orders.iter().enumerate() {
        let org = org(number);
        let ids: Vec<String> = order.iter().map(|event| event.object_id.clone()).collect();
        let rows = bridge.store().read(move |conn| rows(conn, &org, &ids)).await.unwrap();
        ends.push(End { rows, asked: Vec::new() });
    }
    let asked = bridge.store().read(|conn| fetches::due(conn, &[], i64::MAX, i64::MAX)).await.unwrap();
    let by_account: BTreeMap<String, usize> =
        (0..orders.len()).flat_map(|n| accounts(n).map(|account| (account, n))).collect();
    for due in asked.into_iter().filter(|due| due.reason.contains("contradict")) {
        if let Some(number) = by_account.get(&due.account) {
            ends[*number].asked.push(due.object_id);
        }
    }
    ends
}

fn rows(
    conn: &mut paybridge::store::Conn,
    org: &str,
    ids: &[String],
) -> paybridge::store::Result<BTreeMap<(String, String), Row>> {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let rows = outbox::known(conn, org, &ids)?.into_iter().map(|(key, known)| {
        let outbox::Known { position, fields, carried, parents } = known;
        let position = (position.created, position.progress, position.event_id);
        (key, Row { position, fields, carried, parents })
    });
    Ok(rows.collect())
}
