//! What others rely on: the org's metadata, tables alike on both databases, documented settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection};
use paybridge::config::Config;
use paybridge::mapping::{self, Mapped};
use paybridge::salesforce::Value;
use paybridge::store::{Backend, Store};

use crate::bridge::{database, settings};

const STORY: &str = include_str!("../fixtures/story.jsonl");
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

/// A charge as it is read from Stripe, with what no event carries: fee and net.
fn settled_charge() -> String {
    let charge = STORY.lines().find(|line| line.contains(r#""type":"charge.updated""#)).unwrap();
    let mut event: serde_json::Value = serde_json::from_str(charge).unwrap();
    event["account"] = "acct_1".into();
    event["data"]["object"]["balance_transaction"] =
        serde_json::json!({"id": "txn_1", "amount": 14700, "fee": 456, "net": 14244, "currency": "usd"});
    event["data"]["object"]["metadata"] = serde_json::json!({});
    event.to_string()
}

fn linked_customer() -> String {
    let customer = STORY.lines().find(|line| line.contains(r#""type":"customer.created""#)).unwrap();
    let mut event: serde_json::Value = serde_json::from_str(customer).unwrap();
    event["data"]["object"]["metadata"] = serde_json::json!({"sf_contact_id": "003Kj000007NwMkIAK"});
    event["data"]["object"]["currency"] = "usd".into();
    event.to_string()
}

fn linked_intent() -> String {
    let intent = STORY.lines().find(|line| line.contains(r#""type":"payment_intent.succeeded""#)).unwrap();
    let mut event: serde_json::Value = serde_json::from_str(intent).unwrap();
    event["data"]["object"]["metadata"] =
        serde_json::json!({"sf_account_id": "001Kj000004NwRbIAK", "sf_order_id": "801Kj000001NwRdIAK"});
    event.to_string()
}

#[test]
fn every_field_that_is_sent_exists_in_the_org_and_takes_it() {
    let mut sent: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let more = [settled_charge(), linked_customer(), linked_intent()];
    for event in STORY.lines().chain(more.iter().map(String::as_str)) {
        let Ok(Mapped::Changes(changes)) = mapping::map(event, API_VERSION) else { continue };
        for change in changes {
            let fields = fields_of(change.sobject);
            for (name, value) in change.fields.iter() {
                let column =
                    name.strip_suffix("__r").map_or(name.to_owned(), |relation| format!("{relation}__c"));
                sent.entry(change.sobject).or_default().insert(column.clone());
                if name == "Name" {
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
                    Value::DateTime(_) => kind == "DateTime",
                    Value::Parent(_) => kind == "Lookup",
                };
                assert!(fits, "{}.{column} is {kind} and was sent {value:?}", change.sobject);
            }
        }
    }
    for (sobject, sent) in sent {
        let in_the_org: BTreeSet<_> = fields_of(sobject).into_keys().collect();
        // The external id travels beside the fields; a customer has no status of its own at Stripe.
        let beside = ["Stripe_Id__c", "Stripe_Status__c", "Stripe_Account__c"].map(str::to_owned);
        let missing: Vec<_> = in_the_org.difference(&sent).filter(|field| !beside.contains(field)).collect();
        assert!(missing.is_empty(), "{sobject}: nothing fills {missing:?}");
    }
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
