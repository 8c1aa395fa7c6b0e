use super::*;
use crate::salesforce::Value;

const VERSION: &str = "2026-10-28.endive";

fn event(kind: &str, object: &str) -> String {
    format!(
        r#"{{"id":"evt_1","object":"event","type":"{kind}","api_version":"{VERSION}","created":1795190400,
        "livemode":false,"account":"acct_1","data":{{"object":{object}}}}}"#
    )
}

fn mapped(kind: &str, object: &str) -> Change {
    match map(&event(kind, object), VERSION) {
        Ok(Mapped::Changes(mut changes)) if changes.len() == 1 => changes.remove(0),
        other => panic!("{object}: {other:?}"),
    }
}

fn text(change: &Change, field: &str) -> Option<String> {
    match change.fields.get(field)? {
        Value::Text(text) | Value::Parent(text) => Some(text.clone()),
        Value::Null => Some("null".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Flag(flag) => Some(flag.to_string()),
        Value::DateTime(at) => Some(at.unix_timestamp().to_string()),
    }
}

fn intent(with: &str) -> String {
    format!(
        r#"{{"id":"pi_1","object":"payment_intent","amount":1000,"currency":"usd","created":1,"livemode":false,{with}}}"#
    )
}

fn charge(with: &str) -> String {
    format!(
        r#"{{"id":"ch_1","object":"charge","amount":1000,"currency":"usd","created":1,"livemode":false,{with}}}"#
    )
}

#[test]
fn payment_intents_have_the_statuses_of_the_record_model() {
    let error =
        r#""last_payment_error":{"code":"card_declined","decline_code":"do_not_honor","message":"No."}"#;
    for (with, expected) in [
        (r#""status":"requires_payment_method""#.to_owned(), Some("Pending")),
        (format!(r#""status":"requires_payment_method",{error}"#), Some("Failed")),
        (r#""status":"requires_confirmation""#.to_owned(), Some("Pending")),
        (r#""status":"requires_action""#.to_owned(), Some("Action Required")),
        (r#""status":"processing""#.to_owned(), Some("Pending")),
        (r#""status":"requires_capture""#.to_owned(), Some("Authorized")),
        (format!(r#""status":"succeeded",{error}"#), Some("Completed")),
        (r#""status":"canceled""#.to_owned(), Some("Canceled")),
        (r#""status":"teleported""#.to_owned(), None),
    ] {
        let change = mapped("payment_intent.created", &intent(&with));
        assert_eq!(text(&change, "Status__c").as_deref(), expected, "{with}");
        assert!(text(&change, "Stripe_Status__c").is_some());
        assert_eq!(change.notes.is_empty(), expected.is_some(), "a new status is noted");
    }
}

#[test]
fn a_charge_has_the_first_status_that_holds() {
    for (with, expected) in [
        (r#""status":"failed","disputed":true"#, "Failed"),
        (r#""status":"pending""#, "Pending"),
        (r#""status":"succeeded","captured":true"#, "Completed"),
        (r#""status":"succeeded","captured":false"#, "Authorized"),
        (r#""status":"succeeded","captured":true,"amount_refunded":1"#, "Partially Refunded"),
        (r#""status":"succeeded","captured":true,"amount_refunded":1,"disputed":true"#, "Disputed"),
        (
            r#""status":"succeeded","captured":true,"amount_refunded":1000,"refunded":true,"disputed":true"#,
            "Refunded",
        ),
        (r#""status":"succeeded","captured":false,"amount_refunded":1000,"refunded":true"#, "Refunded"),
    ] {
        assert_eq!(
            text(&mapped("charge.updated", &charge(with)), "Status__c").as_deref(),
            Some(expected),
            "{with}"
        );
    }
}

#[test]
fn fees_are_in_the_currency_they_were_settled_in() {
    let change = mapped(
        "charge.fetched",
        &charge(
            r#""status":"succeeded","captured":true,
            "balance_transaction":{"id":"txn_1","amount":150000,"fee":4500,"net":145500,"currency":"jpy"}"#,
        ),
    );
    let fields =
        ["Amount__c", "Fee__c", "Net__c", "Balance_Transaction_Id__c"].map(|field| text(&change, field));
    assert_eq!(fields.map(Option::unwrap), ["10.00", "4500", "145500", "txn_1"]);
    let unknown_yet =
        mapped("charge.succeeded", &charge(r#""status":"succeeded","balance_transaction":null"#));
    assert_eq!(text(&unknown_yet, "Fee__c"), None, "what is not known is not cleared");
}

#[test]
fn links_come_from_the_metadata_and_only_if_they_are_ids() {
    let with = |metadata: &str| intent(&format!(r#""status":"processing","metadata":{{{metadata}}}"#));
    for (metadata, field, expected, notes) in [
        (
            r#""sf_object":"Opportunity","sf_record_id":"006Kj000002NwAr""#,
            "Opportunity__c",
            Some("006Kj000002NwArIAK"),
            0,
        ),
        (r#""sf_opportunity_id":"006Kj000002NwArIAK""#, "Opportunity__c", Some("006Kj000002NwArIAK"), 0),
        (
            r#""sf_object":"Order","sf_record_id":"801Kj000001NwRdIAK""#,
            "Order__c",
            Some("801Kj000001NwRdIAK"),
            0,
        ),
        (r#""sf_object":"Case","sf_record_id":"500Kj000001NwRdIAK""#, "Order__c", None, 0),
        (r#""sf_order_id":"not an id""#, "Order__c", None, 1),
        (r#""sf_account_id":"006Kj000002NwArIAK""#, "Account__c", None, 1),
    ] {
        let change = mapped("payment_intent.created", &with(metadata));
        assert_eq!(text(&change, field).as_deref(), expected, "{metadata}");
        assert_eq!(change.notes.len(), notes, "{metadata}: {:?}", change.notes);
    }
}

#[test]
fn what_salesforce_would_refuse_is_left_out_or_cut() {
    let long = "ü".repeat(100);
    let customer = |with: &str| {
        format!(r#"{{"id":"cus_1","object":"customer","created":1,"livemode":false,"metadata":{{}},{with}}}"#)
    };
    let change = mapped(
        "customer.updated",
        &customer(&format!(r#""name":"{long}","email":"nobody","phone":"{long}""#)),
    );
    let name = text(&change, "Name").unwrap();
    assert_eq!((name.chars().count(), name.ends_with('…')), (80, true));
    assert_eq!((text(&change, "Email__c"), text(&change, "Phone__c")), (None, None));
    assert_eq!(change.notes.len(), 3);
    let emoji = mapped("customer.updated", &customer(&format!(r#""name":"{}""#, "😀".repeat(60))));
    assert_eq!(text(&emoji, "Name").unwrap().encode_utf16().count(), 79, "an emoji is two units");
    let cleared = mapped("customer.updated", &customer(r#""name":"A","email":null"#));
    assert_eq!(text(&cleared, "Email__c").as_deref(), Some("null"));
}

#[test]
fn a_customer_read_after_deletion_keeps_what_its_record_says() {
    let change = mapped("customer.fetched", r#"{"id":"cus_1","object":"customer","deleted":true}"#);
    assert_eq!(text(&change, "Status__c").as_deref(), Some("Deleted"));
    assert_eq!(text(&change, "Email__c"), None);
}

#[test]
fn what_has_no_record_asks_for_nothing() {
    for object in
        [r#"{"id":"plan_1","object":"plan"}"#, r#"{"object":"balance"}"#, r#"{"id":"x","object":"quantum"}"#]
    {
        assert!(
            matches!(map(&event("whatever.happened", object), VERSION), Ok(Mapped::Changes(c)) if c.is_empty())
        );
    }
}

#[test]
fn another_api_version_is_not_trusted() {
    let old = event("charge.updated", &charge(r#""status":"succeeded""#)).replace(VERSION, "2020-08-27");
    let Ok(Mapped::Foreign(object)) = map(&old, VERSION) else { panic!("an old shape was mapped") };
    assert_eq!((object.object.as_str(), object.id.as_str()), ("charge", "ch_1"));
}

#[test]
fn a_field_that_vanished_is_an_error_and_never_a_null() {
    let gone = r#"{"id":"ch_1","object":"charge","currency":"usd","created":1,"livemode":false,"status":"succeeded"}"#;
    let error = map(&event("charge.updated", gone), VERSION).unwrap_err().to_string();
    assert!(error.contains("missing field `amount`"), "{error}");
}
