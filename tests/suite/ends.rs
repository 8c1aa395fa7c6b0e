//! How the story's records must end (`tests/fixtures/story.ends.toml`), and what was found in a form to hold against it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::bridge::Bridge;

const TABLE: &str = include_str!("../fixtures/story.ends.toml");

/// What stands in the table instead of the id and time of a reading.
pub const READ: &str = "read";

/// The fields of a record that have a value, as text.
pub type Record = BTreeMap<String, String>;

/// Every record of the table by its Stripe id, with its object as the field `object`.
pub fn table() -> BTreeMap<String, Record> {
    let table: toml::Table = TABLE.parse().unwrap();
    table.into_iter().map(|(id, record)| (id, record_of(record))).collect()
}

fn record_of(entry: toml::Value) -> Record {
    let toml::Value::Table(mut entry) = entry else { panic!("a record is a table: {entry:?}") };
    if let Some(empty) = entry.remove("empty") {
        let object = entry["object"].as_str().unwrap();
        for name in empty.as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
            assert!(is_a_field(object, name), "{object} has no field {name}");
            assert!(!entry.contains_key(name), "{name} is empty and has a value");
        }
    }
    let text = |value: toml::Value| match value {
        toml::Value::String(text) => text,
        toml::Value::Boolean(flag) => flag.to_string(),
        other => panic!("{other:?} should be written in quotes"),
    };
    entry.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// Whether the package in `apex/` has this field.
fn is_a_field(object: &str, name: &str) -> bool {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/apex/force-app/main/default/objects");
    std::path::Path::new(&format!("{directory}/{object}/fields/{name}.field-meta.xml")).exists()
}

/// The objects of the table.
pub fn objects() -> BTreeSet<String> {
    table().into_values().map(|mut record| record.remove("object").unwrap()).collect()
}

/// All records in the org that have a Stripe id; lookups between them as the Stripe ids of what they point to.
pub fn in_the_org(bridge: &Bridge) -> BTreeMap<String, Record> {
    const OF_THE_ORG: [&str; 6] =
        ["Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp", "Stripe_Id__c"];
    let objects = objects();
    let records = objects.iter().flat_map(|object| {
        let records = bridge.org.records(object).into_iter();
        records.filter_map(move |record| Some((record.text("Stripe_Id__c")?.to_owned(), object, record)))
    });
    let records: Vec<_> = records.collect();
    let stripe_ids: BTreeMap<&str, &str> =
        records.iter().map(|(stripe_id, _, record)| (record.id.as_str(), stripe_id.as_str())).collect();
    let mut found = BTreeMap::new();
    for (stripe_id, object, record) in &records {
        let names = record.fields.keys().filter(|name| !OF_THE_ORG.contains(&name.as_str()));
        let mut fields: Record = names
            .filter_map(|name| {
                let text = record.text(name)?;
                // The org prints times in a form of its own.
                let text = text.strip_suffix(".000+0000").map_or(text.to_owned(), |time| format!("{time}Z"));
                Some((
                    name.clone(),
                    stripe_ids.get(text.as_str()).map_or(text.clone(), |id| (*id).to_owned()),
                ))
            })
            .collect();
        fields.insert("object".to_owned(), (*object).clone());
        found.insert(stripe_id.clone(), as_read(fields));
    }
    found
}

/// The fields of an outbox row, in the same form.
pub fn in_the_outbox(object: &str, fields: &str) -> Record {
    let fields: BTreeMap<String, &serde_json::value::RawValue> = serde_json::from_str(fields).unwrap();
    let text = |value: &serde_json::value::RawValue| match serde_json::from_str::<Value>(value.get()).unwrap()
    {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Object(parent) => Some(parent["Stripe_Id__c"].as_str().unwrap().to_owned()),
        // A number's own digits.
        _ => Some(value.get().to_owned()),
    };
    let fields =
        fields.into_iter().filter_map(|(name, value)| Some((name.replace("__r", "__c"), text(value)?)));
    as_read(fields.chain([("object".to_owned(), object.to_owned())]).collect())
}

/// The id of what we read is new each time.
fn as_read(mut record: Record) -> Record {
    if record.get("Last_Event_Id__c").is_some_and(|id| id.starts_with("fetch_")) {
        record.insert("Last_Event_Id__c".to_owned(), READ.to_owned());
        record.insert("Last_Event_At__c".to_owned(), READ.to_owned());
    }
    record
}

/// Fails with every field that differs.
pub fn assert_same(found: &BTreeMap<String, Record>, expected: &BTreeMap<String, Record>, told: &str) {
    let mut faults = Vec::new();
    for id in found.keys().chain(expected.keys()).collect::<BTreeSet<_>>() {
        let (Some(found), Some(expected)) = (found.get(id), expected.get(id)) else {
            faults.push(format!(
                "{id}: found {}, expected {}",
                found.contains_key(id),
                expected.contains_key(id)
            ));
            continue;
        };
        for name in found.keys().chain(expected.keys()).collect::<BTreeSet<_>>() {
            let (found, expected) = (found.get(name), expected.get(name));
            if found != expected {
                faults.push(format!("{id} {name}: found {found:?}, expected {expected:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{told}:\n{}", faults.join("\n"));
}
