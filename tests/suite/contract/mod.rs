//! What others rely on: the API's contract, the org's metadata, tables alike on both databases, documented settings.

mod document;
mod external_services;
mod released;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection};
use paybridge::config::Config;
use paybridge::mapping::{Mapped, Mapping};
use paybridge::salesforce::Value;
use paybridge::salesforce::schema::Schema;
use paybridge::store::{Backend, Store};

use crate::bridge::{database, settings};

const STORY: &str = include_str!("../../fixtures/story.jsonl");
const API_VERSION: &str = "2026-10-28.endive";

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    xml.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// The metadata of each field of an object.
fn fields_of(sobject: &str) -> BTreeMap<String, String> {
    let directory =
        format!("{}/apex/force-app/main/default/objects/{sobject}/fields", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{directory}: {error}"))
        .map(|entry| {
            let xml = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            (element(&xml, "fullName").unwrap().to_owned(), xml)
        })
        .collect()
}

/// What no event of the story carries: each object with an account and all links, settled charges, balance transactions.
fn more() -> Vec<serde_json::Value> {
    let links = serde_json::json!({
        "sf_account_id": "001Kj000004NwRbIAK", "sf_contact_id": "003Kj000007NwMkIAK",
        "sf_opportunity_id": "006Kj000002NwArIAK", "sf_order_id": "801Kj000001NwRdIAK",
    });
    let mut more = Vec::new();
    for line in STORY.lines() {
        let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["account"] = "acct_1".into();
        let object = &mut event["data"]["object"];
        object["metadata"] = links.clone();
        let transactions = object["balance_transactions"].as_array().cloned().unwrap_or_default();
        match object["object"].as_str().unwrap() {
            "charge" => {
                object["balance_transaction"] =
                    serde_json::json!({"id": "txn_1", "fee": 456, "net": 14244, "currency": "usd"});
            }
            "customer" => object["currency"] = "usd".into(),
            _ => {}
        }
        more.push(event.clone());
        for transaction in transactions {
            for (kind, category) in
                [("charge", "charge"), ("refund", "refund"), ("adjustment", "dispute"), ("payout", "payout")]
            {
                let mut read = event.clone();
                read["data"]["object"] = transaction.clone();
                read["data"]["object"]["type"] = kind.into();
                read["data"]["object"]["reporting_category"] = category.into();
                more.push(read);
            }
        }
    }
    more
}

/// Fields that no event fills, and why.
const BESIDE: [(&str, &[&str]); 4] = [
    // The external id travels beside the fields.
    ("", &["Stripe_Id__c"]),
    // These have no status of their own at Stripe.
    ("Stripe_Customer__c", &["Stripe_Status__c"]),
    ("Stripe_Price__c", &["Stripe_Status__c"]),
    // Known only when a payout is reconciled with its transactions.
    ("Stripe_Payout__c", &["Gross__c", "Fees__c", "Net__c", "Difference__c", "Reconciliation_Status__c"]),
];

#[test]
fn every_field_that_is_sent_exists_in_the_org_and_takes_it() {
    let mapping = Mapping::load(None, &Schema::package().unwrap()).unwrap();
    let mut sent: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let more: Vec<String> = more().iter().map(ToString::to_string).collect();
    for event in STORY.lines().chain(more.iter().map(String::as_str)) {
        let Mapped::Changes(changes, _) = mapping.map(event, API_VERSION).unwrap() else { continue };
        for change in changes {
            let fields = fields_of(&change.sobject);
            for (name, value) in change.fields.iter() {
                let column =
                    name.strip_suffix("__r").map_or(name.to_owned(), |relation| format!("{relation}__c"));
                sent.entry(change.sobject.to_string()).or_default().insert(column.clone());
                if !name.contains("__") {
                    continue;
                }
                let xml = fields
                    .get(&column)
                    .unwrap_or_else(|| panic!("{}.{column} is not in the org", change.sobject));
                let kind = element(xml, "type").unwrap();
                let fits = match value {
                    Value::Null => element(xml, "required") != Some("true") && kind != "Checkbox",
                    Value::Text(text) if kind == "Picklist" => {
                        xml.contains(&format!("<fullName>{text}</fullName>"))
                    }
                    Value::Text(_) => {
                        ["Text", "LongTextArea", "Email", "Phone", "Url", "Lookup"].contains(&kind)
                    }
                    Value::Number(number) => {
                        let scale: u32 = element(xml, "scale").unwrap().parse().unwrap();
                        kind == "Number" && number.scale() <= scale
                    }
                    Value::Flag(_) => kind == "Checkbox",
                    Value::Date(_) => kind == "Date",
                    Value::DateTime(_) => kind == "DateTime",
                    Value::Parent(_) => kind == "Lookup",
                };
                assert!(fits, "{}.{column} is {kind} and was sent {value:?}", change.sobject);
            }
        }
    }
    assert_eq!(sent.len(), 12, "{:?}", sent.keys());
    for (sobject, sent) in sent {
        let beside = BESIDE.iter().filter(|(name, _)| name.is_empty() || *name == sobject);
        let beside: Vec<&str> = beside.flat_map(|(_, fields)| *fields).copied().collect();
        let in_the_org = fields_of(&sobject).into_keys();
        let missing: Vec<_> =
            in_the_org.filter(|field| !sent.contains(field) && !beside.contains(&field.as_str())).collect();
        assert!(missing.is_empty(), "{sobject}: nothing fills {missing:?}");
    }
}

#[test]
fn the_committed_document_is_the_served_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/paybridge.json");
    if std::env::var_os("PAYBRIDGE_REFRESH").is_some() {
        std::fs::write(path, paybridge::api::document()).unwrap();
    }
    assert!(
        read("openapi/paybridge.json") == paybridge::api::document(),
        "openapi/paybridge.json is not up to date; refresh it, and what the org's package makes of it, with `make generate`"
    );
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

#[test]
fn the_tables_are_alike_on_both_databases() {
    let directory = tempfile::tempdir().unwrap();
    let urls = [Backend::Sqlite, Backend::Postgres].map(|backend| database(backend, &directory));
    for url in &urls {
        Store::open(&url.clone().into(), 2).unwrap();
    }
    let mut sqlite = SqliteConnection::establish(urls[0].trim_start_matches("sqlite://")).unwrap();
    let mut postgres = PgConnection::establish(&urls[1]).unwrap();
    let columns = |rows: Vec<Column>| rows.into_iter().map(|row| row.name).collect::<BTreeSet<_>>();
    let in_sqlite = diesel::sql_query(
        "SELECT m.name || '.' || c.name AS name FROM sqlite_master m, pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'",
    );
    let in_postgres = diesel::sql_query(
        "SELECT table_name || '.' || column_name AS name FROM information_schema.columns WHERE table_schema = 'public'",
    );
    let (sqlite, postgres) =
        (columns(in_sqlite.load(&mut sqlite).unwrap()), columns(in_postgres.load(&mut postgres).unwrap()));
    assert!(sqlite.len() > 40 && sqlite == postgres, "{:#?}", sqlite.symmetric_difference(&postgres));
    let names = |backend: &str| {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(backend);
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

#[test]
fn every_setting_is_documented_and_every_documented_setting_exists() {
    let config =
        Config::load(None, settings("sqlite://x", "http://127.0.0.1:9", "http://127.0.0.1:9")).unwrap();
    let general = |key: &str| {
        key.replace("stripe.main.", "stripe.<account>.").replace("salesforce.main.", "salesforce.<org>.")
    };
    let known: BTreeSet<String> = config.effective.iter().map(|setting| general(&setting.key)).collect();
    let documented: BTreeSet<String> = read("docs/configuration.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .collect();
    assert_eq!(known, documented);
}
