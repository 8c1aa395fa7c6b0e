//! The default mapping, on objects of the story that are changed in one place each.

use std::sync::OnceLock;

use serde_json::{Value as Json, json};

use super::*;
use crate::salesforce::Value;

mod faults;
mod order;
mod statuses;
mod values;

const VERSION: &str = "2026-10-28.endive";
const STORY: &str = include_str!("../../../tests/fixtures/story.jsonl");

fn schema() -> Schema {
    Schema::package().unwrap()
}

fn mapping() -> &'static Mapping {
    static MAPPING: OnceLock<Mapping> = OnceLock::new();
    MAPPING.get_or_init(|| Mapping::load(None, &schema()).unwrap_or_else(|faults| panic!("{faults}")))
}

/// The story's first object of a kind, in full, with `changes` laid over it.
fn object(kind: &str, changes: Json) -> Json {
    let events = STORY.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let events = events.filter(|event| event["api_version"] == VERSION);
    let mut object = match kind {
        "balance_transaction" => {
            let mut of_disputes =
                events.map(|event| event["data"]["object"]["balance_transactions"][0].clone());
            of_disputes.find(|transaction| transaction.is_object()).unwrap()
        }
        _ => events.map(|event| event["data"]["object"].clone()).find(|o| o["object"] == kind).unwrap(),
    };
    for (name, value) in changes.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

fn event(kind: &str, object: &Json) -> String {
    json!({
        "id": "evt_1", "object": "event", "type": kind, "api_version": VERSION, "created": 1_795_190_400,
        "livemode": false, "account": "acct_1", "data": {"object": object},
    })
    .to_string()
}

fn try_map(mapping: &Mapping, kind: &str, object: &Json) -> Result<Vec<Change>, Error> {
    match mapping.map(&event(kind, object), VERSION)? {
        // What is inside is looked at on its own.
        Mapped::Changes(changes, _) => Ok(changes
            .into_iter()
            .filter(|change| object["object"] == *change.object && change.adds_to.is_none())
            .collect()),
        Mapped::Foreign(parent, _) => panic!("{parent:?}"),
    }
}

fn mapped(kind: &str, object: &Json) -> Change {
    let mut changes = try_map(mapping(), kind, object).unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    changes.remove(0)
}

fn text(change: &Change, field: &str) -> Option<String> {
    match change.fields.get(field)? {
        Value::Text(text) | Value::Parent(text) => Some(text.clone()),
        Value::Null => Some("null".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Flag(flag) => Some(flag.to_string()),
        Value::Date(day) => Some(day.to_string()),
        Value::DateTime(at) => Some(at.unix_timestamp().to_string()),
    }
}
