//! The mapping from the command line: proven, tried, and explained by examples that work.

use std::path::Path;
use std::process::Command;

use crate::bridge::settings;

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
