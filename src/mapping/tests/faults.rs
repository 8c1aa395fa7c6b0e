//! A user's own file: what it changes, and what is said when it is wrong.

use super::*;

fn own(text: &str) -> Result<Mapping, Faults> {
    Mapping::load(Some(("mapping.toml", text)), &schema())
}

#[test]
fn a_file_of_the_users_changes_single_fields_and_leaves_out_others() {
    let mapping = own("refund = false\n\
         [every.fields]\nStripe_Account__c = false\n\
         [charge.fields]\n\
         Failure_Message__c = { text = \"outcome.seller_message\", length = 10 }\n\
         Receipt_Url__c = false\n\
         Name = { constant = \"A charge\" }\n");
    // Refunds are a parent of balance transactions, so leaving them out alone is a fault.
    let faults = mapping.unwrap_err().to_string();
    assert!(faults.contains("refers to a refund, but no records are made of that object"), "{faults}");
    let mapping = own("[every.fields]\nStripe_Account__c = false\n\
         [charge.fields]\n\
         Failure_Message__c = { text = \"outcome.seller_message\", length = 10 }\n\
         Receipt_Url__c = false\n\
         Name = { constant = \"A charge\" }\n")
    .unwrap();
    let charge = object("charge", json!({"outcome": {"seller_message": "Payment complete."}}));
    let changes = try_map(&mapping, "charge.updated", &charge).unwrap();
    assert_eq!(text(&changes[0], "Name").as_deref(), Some("A charge"));
    assert_eq!(text(&changes[0], "Failure_Message__c").as_deref(), Some("Payment c…"));
    assert_eq!((text(&changes[0], "Receipt_Url__c"), text(&changes[0], "Stripe_Account__c")), (None, None));
    assert_eq!(text(&changes[0], "Card_Brand__c").as_deref(), Some("visa"), "all else stays");
}

#[test]
fn the_version_is_of_what_the_mapping_says_and_not_of_how_it_is_written() {
    let version = |text: &str| own(text).unwrap().version().to_owned();
    let default = mapping().version();
    assert!(default.len() == 12 && default.bytes().all(|b| b.is_ascii_hexdigit()), "{default}");
    assert_eq!(version(""), default);
    assert_eq!(version("# Nothing else.\n\n[refund.fields]\nName = { text = \"id\" }\n"), default);
    let other = version("[refund.fields]\nName = { text = \"reason\" }\n");
    assert_ne!(other, default);
    assert_eq!(version("refund.fields.Name.text = \"reason\"\n"), other);
}

#[test]
fn one_stripe_object_can_fill_records_of_the_users_own() {
    let directory = tempfile::tempdir().unwrap();
    let fields = directory.path().join("Ledger__c/fields");
    std::fs::create_dir_all(&fields).unwrap();
    for (name, rest) in [
        (
            "Stripe_Id__c",
            "<type>Text</type><length>255</length><externalId>true</externalId><unique>true</unique><caseSensitive>true</caseSensitive>",
        ),
        ("Total__c", "<type>Currency</type><precision>16</precision><scale>2</scale>"),
    ] {
        let xml = format!("<CustomField><fullName>{name}</fullName>{rest}</CustomField>");
        std::fs::write(fields.join(format!("{name}.field-meta.xml")), xml).unwrap();
    }
    let mut schema = schema();
    schema.add_directory(directory.path()).unwrap();
    let text_of = "[ledger]\nfrom = \"charge\"\nto = \"Ledger__c\"\nevery = false\nwhen = { captured = true }\n\
                   fields.Total__c = { money = \"amount\" }\n";
    let mapping = Mapping::load(Some(("mapping.toml", text_of)), &schema).unwrap();
    let ledger = |changes: Json| {
        let changes = try_map(&mapping, "charge.updated", &object("charge", changes)).unwrap();
        changes.into_iter().find(|change| *change.sobject == *"Ledger__c")
    };
    let entry = ledger(json!({"captured": true, "amount": 1_234, "currency": "usd"})).unwrap();
    assert_eq!((text(&entry, "Total__c").as_deref(), entry.fields.iter().count()), (Some("12.34"), 1));
    assert_eq!(ledger(json!({"captured": false})), None);
    let finer = ledger(json!({"captured": true, "amount": 12_345, "currency": "kwd"})).unwrap();
    assert_eq!(finer.fields.get("Total__c"), None, "never rounded");
    assert_eq!(finer.notes.len(), 1);
}

#[test]
fn all_faults_are_told_at_once_with_file_and_line() {
    let faults = own("[charge.fields]\n\
         Amount__c = { money = \"amont\" }\n\
         Card_Last5__c = { text = \"id\" }\n\
         Disputed__c = { text = \"status\" }\n\
         Card_Brand__c = { text = \"status\", length = 50 }\n\
         Status__c = { constant = \"Done\" }\n\
         Fee__c = { money = \"status\" }\n\
         Name = { text = \"id\", lenght = 3 }\n\
         Customer__c = { reference = \"payment_intent\" }\n\
         Net__c = { money = \"amount\", number = \"amount\" }\n\
         Card_Last4__c = { constant = \"12345\" }\n\
         Currency__c = { currency_code = \"currency\", when = { event.kind = \"x\", statsu = 1 } }\n\
         [bill]\nfrom = \"chrge\"\nto = \"Stripe_Charge__c\"\n\
         [deal]\nfrom = \"charge\"\nto = \"Opportunity\"\n\
         [things]\nfrom = \"charge\"\n\
         [payment_intent.fields]\n\
         Order__c = { record_id = \"Account\" }\n\
         Account__c = { id = \"customer\" }\n\
         [refund.fields]\n\
         Status__c = { status = \"status\", words = \"all\", rules = 1 }\n")
    .unwrap_err()
    .to_string();
    for expected in [
        "mapping.toml:2: Stripe's `charge` has no field `amont`; did you mean `amount`?",
        "mapping.toml:3: Stripe_Charge__c has no field `Card_Last5__c`; did you mean `Card_Last4__c`?",
        "mapping.toml:4: `Disputed__c` is a checkbox and does not take text",
        "mapping.toml:5: 50 characters are too long: the field takes 40",
        "mapping.toml:6: `Status__c` has no value `Done`; it takes Pending, Authorized",
        "mapping.toml:7: `status` is text in Stripe; money cannot read that",
        "mapping.toml:8: `text` has no setting `lenght`; did you mean `length`?",
        "mapping.toml:9: `Customer__c` points to records of Stripe_Customer__c, but a payment_intent becomes",
        "mapping.toml:10: `Net__c` needs exactly one of: text, email",
        "mapping.toml:11: `Card_Last4__c` takes 4 characters; `12345` is longer",
        "mapping.toml:12: an event has no `event.kind`",
        "mapping.toml:12: Stripe's `charge` has no field `statsu`; did you mean `status`?",
        "mapping.toml:14: `chrge` is not an object of Stripe that can be mapped; did you mean `charge`?",
        "mapping.toml:18: there is no object `Opportunity` in the org's metadata",
        "mapping.toml:19: [things] needs `from",
        "mapping.toml:22: `Order__c` points to records of Order, not of Account",
        "mapping.toml:23: `Account__c` is a lookup and does not take text",
        "mapping.toml:25: `words` is written",
        "mapping.toml:25: `rules` is a list",
    ] {
        assert!(faults.contains(expected), "missing `{expected}` in:\n{faults}");
    }
    assert!(faults.starts_with("19 faults in the mapping"), "{faults}");
}

#[test]
fn the_key_must_be_unique_and_case_sensitive() {
    let directory = tempfile::tempdir().unwrap();
    let fields = directory.path().join("Loose__c/fields");
    std::fs::create_dir_all(&fields).unwrap();
    let xml = "<CustomField><fullName>Stripe_Id__c</fullName><type>Text</type><externalId>true</externalId></CustomField>";
    std::fs::write(fields.join("Stripe_Id__c.field-meta.xml"), xml).unwrap();
    std::fs::create_dir_all(directory.path().join("Bare__c/fields")).unwrap();
    let mut schema = schema();
    schema.add_directory(directory.path()).unwrap();
    for (object, said) in [
        ("Loose__c", "Loose__c.Stripe_Id__c must be an external id, unique and case-sensitive"),
        ("Bare__c", "Bare__c has no field `Stripe_Id__c`"),
    ] {
        let text = format!("[x]\nfrom = \"charge\"\nto = \"{object}\"\nevery = false\n");
        let faults = Mapping::load(Some(("mapping.toml", &text)), &schema).unwrap_err().to_string();
        assert!(faults.contains(&format!("mapping.toml:3: {said}")), "{faults}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let faults = own("[charge.fields]\nName = = 1\n").unwrap_err().to_string();
    assert!(faults.contains("mapping.toml:2: is not valid TOML"), "{faults}");
}

#[test]
fn a_platform_event_is_asked_for_by_record() {
    assert!(own("").unwrap().notifying().is_empty());
    let asked = own("[charge]\nnotify = true\n[refund]\nnotify = false\n").unwrap().notifying();
    assert_eq!(asked.iter().map(|name| &**name).collect::<Vec<_>>(), ["Stripe_Charge__c"]);
    let faults = own("[charge]\nnotify = \"yes\"\n").unwrap_err().to_string();
    assert!(faults.contains("mapping.toml:2: `notify` is true or false"), "{faults}");
}
