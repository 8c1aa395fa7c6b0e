//! The mapping from the command line: proven, tried, and explained by examples that work.

use std::path::Path;
use std::process::Command;

use paybridge::store::Backend;

use crate::bridge::{Bridge, settings};

const STORY: &str = include_str!("../fixtures/story.jsonl");
const DOCUMENT: &str = include_str!("../../docs/mapping.md");

/// What the program says with these arguments and settings, and whether it was content.
fn paybridge(directory: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_paybridge"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(settings("sqlite://paybridge.db", "http://127.0.0.1:9", "http://127.0.0.1:9"))
        .env("PAYBRIDGE__MAPPING__FILE", "mapping.toml")
        .env("PAYBRIDGE__MAPPING__METADATA", "objects")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// A directory with a mapping and the metadata of one object of the user's own.
fn directory(mapping: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mapping.toml"), mapping).unwrap();
    let fields = directory.path().join("objects/Ledger_Entry__c/fields");
    std::fs::create_dir_all(&fields).unwrap();
    for (name, rest) in [
        (
            "Stripe_Id__c",
            "<type>Text</type><length>255</length><externalId>true</externalId><unique>true</unique><caseSensitive>true</caseSensitive>",
        ),
        ("Total__c", "<type>Currency</type><precision>16</precision><scale>2</scale>"),
        ("Desk__c", "<type>Text</type><length>12</length>"),
    ] {
        let xml = format!("<CustomField><fullName>{name}</fullName>{rest}</CustomField>");
        std::fs::write(fields.join(format!("{name}.field-meta.xml")), xml).unwrap();
    }
    directory
}

/// The last example of the document.
fn example() -> String {
    let (_, chapter) = DOCUMENT.split_once("## How to change it").unwrap();
    chapter.lines().filter_map(|line| line.strip_prefix("    ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_of_the_document_is_proven_and_previewed() {
    let directory = directory(&example());
    let (good, said) = paybridge(directory.path(), &["check", "--offline"]);
    assert!(good && said.contains("ok    mapping: 13 kinds of records"), "{said}");
    let charge = STORY.lines().find(|line| line.contains(r#""type":"charge.captured""#)).unwrap();
    std::fs::write(directory.path().join("event.json"), charge).unwrap();
    let (good, said) = paybridge(directory.path(), &["mapping", "preview", "event.json"]);
    assert!(good, "{said}");
    for line in [
        "Stripe_Charge__c ch_3fF7p2UP1JQOzdLQL0HpJ8B6",
        "  Failure_Message__c = \"Payment complete.\"",
        "  Customer__r = {\"Stripe_Id__c\":\"cus_Mc3yj4lSDkF5uU\"}",
        "Ledger_Entry__c ch_3fF7p2UP1JQOzdLQL0HpJ8B6",
        "  Desk__c = null",
    ] {
        assert!(said.lines().any(|found| found == line), "missing `{line}` in:\n{said}");
    }
    assert!(!said.contains("Stripe_Account__c"), "switched off: {said}");
}

#[test]
fn a_faulty_mapping_is_told_by_check_and_stops_the_start() {
    let directory =
        directory("[charge.fields]\nAmount__c = { money = \"amont\" }\nDesk__c = { text = \"id\" }\n");
    for arguments in [["check", "--offline"].as_slice(), &["serve"]] {
        let (good, said) = paybridge(directory.path(), arguments);
        assert!(!good, "{said}");
        assert!(
            said.contains("mapping.toml:2: Stripe's `charge` has no field `amont`; did you mean `amount`?"),
            "{said}"
        );
        assert!(said.contains("mapping.toml:3: Stripe_Charge__c has no field `Desk__c`"), "{said}");
    }
}

#[test]
fn the_default_mapping_is_printed() {
    let directory = directory("");
    let (good, said) = paybridge(directory.path(), &["mapping", "default"]);
    assert!(good && said.contains("[checkout_session.fields]"), "{said}");
}

/// Each kind of mistake, with its line and in an admin's words.
#[test]
fn an_admins_mistakes_are_told_with_line_and_in_words() {
    let mapping = "[charge.fields]\n\
        Amount__c = { money = \"amont\" }\n\
        Amuont__c = { money = \"amount\" }\n\
        Fee__c = { text = \"id\" }\n\
        Card_Last4__c = { text = \"id\", length = 300 }\n\
        Currency__c = { constant = \"dollars\" }\n\
        Status__c = { status = \"status\", words.succeeded = \"Payed\" }\n\
        Opportunity__c = { record_id = \"Opportunity\", owner = \"nobody\" }\n\
        [ledger]\n\
        from = \"charge\"\n\
        to = \"Ledger_Entry__c\"\n\
        every = false\n";
    let directory = directory(mapping);
    let key = directory.path().join("objects/Ledger_Entry__c/fields/Stripe_Id__c.field-meta.xml");
    let xml = "<CustomField><fullName>Stripe_Id__c</fullName><type>Text</type><length>255</length><externalId>true</externalId></CustomField>";
    std::fs::write(key, xml).unwrap();
    let (good, said) = paybridge(directory.path(), &["check", "--offline"]);
    assert!(!good, "{said}");
    for fault in [
        "mapping.toml:2: Stripe's `charge` has no field `amont`; did you mean `amount`?",
        "mapping.toml:3: Stripe_Charge__c has no field `Amuont__c`; did you mean `Amount__c`?",
        "mapping.toml:4: `Fee__c` is a number field and does not take text",
        "mapping.toml:5: 300 characters are too long: the field takes 4",
        "mapping.toml:6: `Currency__c` takes 3 characters; `dollars` is longer",
        "mapping.toml:7: `Status__c` has no value `Payed`; it takes Pending, Authorized, Completed, Failed, Partially Refunded, Refunded, Disputed",
        "mapping.toml:8: Stripe_Charge__c has no field `Opportunity__c`",
        "mapping.toml:8: `owner` is \"stripe\" or \"salesforce\"",
        "mapping.toml:11: Ledger_Entry__c.Stripe_Id__c must be an external id, unique and case-sensitive",
    ] {
        assert!(said.contains(fault), "missing `{fault}` in:\n{said}");
    }
}

/// Metadata of an org's own fields on Opportunity and Account.
fn standard_fields(directory: &Path) {
    for (object, field) in [("Opportunity", "Description"), ("Opportunity", "Amount"), ("Account", "Name")] {
        let fields = directory.join("objects").join(object).join("fields");
        std::fs::create_dir_all(&fields).unwrap();
        let xml = format!("<CustomField><fullName>{field}</fullName></CustomField>");
        std::fs::write(fields.join(format!("{field}.field-meta.xml")), xml).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_orgs_own_word_counts_when_it_can_be_asked() {
    let bridge = Bridge::start(Backend::Sqlite).await;
    let check = |mapping: &str| {
        let directory = directory(mapping);
        standard_fields(directory.path());
        let settings = settings(&bridge.database_url, &bridge.stripe.base_url(), &bridge.org.base_url());
        let run = move || {
            let output = Command::new(env!("CARGO_BIN_EXE_paybridge"))
                .arg("check")
                .current_dir(directory.path())
                .env_clear()
                .envs(settings)
                .env("PAYBRIDGE__MAPPING__FILE", "mapping.toml")
                .env("PAYBRIDGE__MAPPING__METADATA", "objects")
                .output()
                .unwrap();
            (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
        };
        tokio::task::spawn_blocking(run)
    };
    let (good, said) = check("").await.unwrap();
    assert!(
        good && said.contains("ok    fields of salesforce.main: 12 objects take what the mapping sends"),
        "{said}"
    );
    // The metadata on this machine knows the object, the org does not; and what is written by the platform alone is no field for us.
    let mapping = "[ledger]\nfrom = \"charge\"\nto = \"Ledger_Entry__c\"\nevery = false\n\
        [opportunity]\nfrom = \"charge\"\nto = \"Opportunity\"\nrecord_id = true\n\
        fields.Amount = { text = \"id\" }\n\
        [charge.fields]\nCreatedDate = { datetime = \"created\" }\n";
    let (good, said) = check(mapping).await.unwrap();
    assert!(!good, "{said}");
    let (_, live) = said.split_once("FAULT fields of salesforce.main").unwrap_or_else(|| panic!("{said}"));
    for fault in [
        "mapping.toml:3: there is no object `Ledger_Entry__c` in the org's metadata",
        "mapping.toml:9: `Amount` is a number field and does not take text",
        "mapping.toml:11: Stripe_Charge__c.CreatedDate may not be written by the integration user",
    ] {
        assert!(live.contains(fault), "missing `{fault}` in:\n{said}");
    }
}

mod owners {
    use super::*;
    use crate::each_backend;

    each_backend!(a_paid_session_sets_fields_of_the_opportunity, what_the_org_owns_is_written_once,);

    /// The bridge with this mapping over the default one, and metadata that knows the fields.
    async fn with(mapping: &str, bridge: &mut Bridge) -> tempfile::TempDir {
        let directory = directory(mapping);
        standard_fields(directory.path());
        bridge
            .restart_with(&[
                ("MAPPING__FILE", &directory.path().join("mapping.toml").display().to_string()),
                ("MAPPING__METADATA", &directory.path().join("objects").display().to_string()),
            ])
            .await;
        directory
    }

    async fn a_paid_session_sets_fields_of_the_opportunity(mut bridge: Bridge) {
        let mapping = "[won]\nfrom = \"payment_intent\"\nto = \"Opportunity\"\nrecord_id = true\n\
            when = { status = \"succeeded\" }\n\
            fields.Description = { text = \"id\" }\n\
            [cost]\nfrom = \"charge\"\nto = \"Opportunity\"\nrecord_id = true\n\
            fields.Amount = { money = \"amount\" }\n";
        let _files = with(mapping, &mut bridge).await;
        let paid = bridge.a_payment("4900", "usd").await;
        bridge.deliver().await;
        bridge.drain_for(std::time::Duration::from_secs(60)).await;
        let opportunity = || {
            let all = bridge.org.records("Opportunity");
            all.into_iter().find(|one| one.id == paybridge::sandbox::salesforce::OPPORTUNITY_ID).unwrap()
        };
        assert_eq!(opportunity().text("Description"), Some(paid.intent.as_str()));
        assert_eq!(opportunity().text("Amount"), Some("49.00"), "two objects write one record");
        assert_eq!(bridge.org.records("Opportunity").len(), 1, "none is made");
        let (_, told) = bridge.api("GET", &format!("/v1/trace/{}", paid.intent), None).await;
        let names: Vec<_> =
            told["records"].as_array().unwrap().iter().map(|one| &one["objectName"]).collect();
        assert_eq!(names, ["Opportunity", "Stripe_Payment_Intent__c"], "{told:#}");
    }

    async fn what_the_org_owns_is_written_once(mut bridge: Bridge) {
        let mapping = "[customer.fields]\nName = { text = \"name\", owner = \"salesforce\" }\n";
        let _files = with(mapping, &mut bridge).await;
        let customer = bridge.at_stripe("/v1/customers", &[("name", "Ada"), ("phone", "1")]).await;
        let customer = customer["id"].as_str().unwrap();
        bridge.deliver().await;
        assert_eq!(bridge.field("Stripe_Customer__c", customer, "Name").unwrap(), "Ada");
        bridge.clock.advance(std::time::Duration::from_secs(5));
        bridge.at_stripe(&format!("/v1/customers/{customer}"), &[("name", "Eve"), ("phone", "2")]).await;
        bridge.deliver().await;
        assert_eq!(bridge.field("Stripe_Customer__c", customer, "Phone__c").unwrap(), "2");
        assert_eq!(bridge.field("Stripe_Customer__c", customer, "Name").unwrap(), "Ada");
    }
}
