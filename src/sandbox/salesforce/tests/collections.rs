//! Collections: one result for each record, in order.

use serde_json::{Value, json};

use super::{Client, collection, customer, record};

#[tokio::test]
async fn one_bad_record_harms_only_itself() {
    let client = Client::start().await;
    let records = vec![
        customer("cus_1"),
        record("Stripe_Customer__c", json!({"Stripe_Id__c": "cus_2", "Nope__c": 1})),
        record("Stripe_Customer__c", json!({"Stripe_Id__c": "cus_3", "Status__c": "Happy"})),
        record("Stripe_Customer__c", json!({"Name": "without a key"})),
        customer("cus_5"),
    ];
    let answer = client.upsert_all("Stripe_Customer__c", records).await;
    assert_eq!(answer.status, 200);
    let codes = ["ok", "INVALID_FIELD", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "MISSING_ARGUMENT", "ok"];
    assert_eq!(answer.row_codes(), codes, "{answer:?}");
    assert_eq!((&answer.body[0]["created"], &answer.body[0]["success"]), (&json!(true), &json!(true)));
    assert_eq!(answer.body[2]["errors"][0]["fields"], json!(["Status__c"]));
    assert_eq!(answer.body[1].get("id"), None);
    assert_eq!(client.org.records("Stripe_Customer__c").len(), 2);
    let again = client.upsert_all("Stripe_Customer__c", vec![customer("cus_5")]).await;
    assert_eq!(again.body[0]["created"], false);
    assert_eq!(again.body[0]["id"], answer.body[4]["id"]);
}

#[tokio::test]
async fn with_all_or_none_one_bad_record_takes_back_the_others() {
    let client = Client::start().await;
    client.upsert_all("Stripe_Customer__c", vec![customer("cus_1")]).await;
    let records = vec![
        record("Stripe_Customer__c", json!({"Stripe_Id__c": "cus_1", "Name": "Ada"})),
        customer("cus_2"),
        record("Stripe_Customer__c", json!({"Stripe_Id__c": "cus_3", "Nope__c": 1})),
    ];
    let path = "composite/sobjects/Stripe_Customer__c/Stripe_Id__c";
    let answer = client.send("PATCH", path, collection(true, records)).await;
    let rolled_back = "ALL_OR_NONE_OPERATION_ROLLED_BACK";
    assert_eq!(answer.row_codes(), [rolled_back, rolled_back, "INVALID_FIELD"], "{answer:?}");
    assert_eq!(client.org.records("Stripe_Customer__c").len(), 1);
    assert_eq!(client.org.writes("Stripe_Customer__c", "cus_1"), 1);
    assert_ne!(client.org.record("Stripe_Customer__c", "cus_1").unwrap().text("Name"), Some("Ada"));
    assert!(client.org.record("Stripe_Customer__c", "cus_2").is_none());
}

#[tokio::test]
async fn a_key_that_comes_twice_is_refused_on_every_record() {
    let client = Client::start().await;
    let records = ["cus_A", "cus_2", "cus_a"].map(customer).into();
    let answer = client.upsert_all("Stripe_Customer__c", records).await;
    assert_eq!(answer.row_codes(), ["DUPLICATE_VALUE", "ok", "DUPLICATE_VALUE"], "{answer:?}");
    assert_eq!(answer.body[0]["errors"][0]["message"], "Duplicate external id specified: cus_a");
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_refused_as_a_whole() {
    let client = Client::start().await;
    let wrong = record("Stripe_Customer__c", json!({"Stripe_Id__c": "cus_2", "Balance__c": "1.00"}));
    let numbered = record("Stripe_Customer__c", json!({"Stripe_Id__c": 2}));
    let of_another_type = record("Stripe_Charge__c", json!({"Stripe_Id__c": "ch_1"}));
    let many = |count| (0..count).map(|at| customer(&format!("cus_{at}"))).collect::<Vec<_>>();
    let table = [
        (collection(false, vec![customer("cus_1"), wrong]), "JSON_PARSER_ERROR"),
        (collection(false, vec![numbered]), "JSON_PARSER_ERROR"),
        (collection(false, vec![of_another_type]), "INVALID_TYPE_FOR_OPERATION"),
        (collection(false, vec![json!({"Stripe_Id__c": "cus_1"})]), "INVALID_INPUT"),
        (collection(false, many(201)), "EXCEEDED_ID_LIMIT"),
        (collection(false, Vec::new()), "INVALID_INPUT"),
        (json!({"allOrNone": "no", "records": [customer("cus_1")]}), "JSON_PARSER_ERROR"),
        (json!({"records": [customer("cus_1")], "mode": "fast"}), "JSON_PARSER_ERROR"),
        (json!({"records": "none"}), "JSON_PARSER_ERROR"),
    ];
    for (body, code) in table {
        let refused = client.send("PATCH", "composite/sobjects/Stripe_Customer__c/Stripe_Id__c", body).await;
        assert_eq!((refused.status, refused.code()), (400, code), "{refused:?}");
    }
    assert!(client.org.records("Stripe_Customer__c").is_empty());
    assert_eq!(client.upsert_all("Stripe_Customer__c", many(200)).await.row_codes(), ["ok"; 200]);
    assert_eq!(client.org.calls().last().unwrap().collections, [200]);
}

#[tokio::test]
async fn collections_create_update_and_delete_records_of_several_types() {
    let client = Client::start().await;
    let records = vec![
        record("Account", json!({"Name": "Northwind"})),
        record("Contact", json!({"LastName": "Brandt", "FirstName": "Ada"})),
        record("Nope__c", json!({})),
        record("Contact", json!({"id": "003Kj000007NwMkIAK", "LastName": "Brandt"})),
    ];
    let created = client.send("POST", "composite/sobjects", collection(false, records)).await;
    assert_eq!(created.row_codes(), ["ok", "ok", "INVALID_TYPE", "INVALID_FIELD"], "{created:?}");
    let (account, contact) = (&created.body[0]["id"], &created.body[1]["id"]);

    let records = vec![
        record("Contact", json!({"id": contact, "AccountId": account})),
        record("Account", json!({"Name": "without an id"})),
        record("Account", json!({"id": contact, "Name": "of another type"})),
        record("Account", json!({"id": "001Kj000004NwRbIAK", "Name": "unknown"})),
    ];
    let updated = client.send("PATCH", "composite/sobjects", collection(false, records)).await;
    let codes = ["ok", "MISSING_ARGUMENT", "MALFORMED_ID", "INVALID_CROSS_REFERENCE_KEY"];
    assert_eq!(updated.row_codes(), codes, "{updated:?}");
    assert_eq!(client.org.records("Contact")[0].text("Name"), Some("Ada Brandt"));
    assert_eq!(client.org.records("Contact")[0].text("AccountId"), account.as_str());

    let ids = format!("{},001Kj000004NwRbIAK", contact.as_str().unwrap());
    let deleted = client.send("DELETE", &format!("composite/sobjects?ids={ids}&allOrNone=true"), "").await;
    assert_eq!(deleted.row_codes(), ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "ENTITY_IS_DELETED"]);
    let deleted = client.send("DELETE", &format!("composite/sobjects?ids={ids}"), "").await;
    assert_eq!(deleted.row_codes(), ["ok", "ENTITY_IS_DELETED"]);
    assert!(client.org.records("Contact").is_empty());
}

#[tokio::test]
async fn at_most_ten_runs_of_one_type_are_taken() {
    let client = Client::start().await;
    let alternating = |count: usize| -> Vec<Value> {
        let of = |at| match at % 2 {
            0 => record("Account", json!({"Name": "Northwind"})),
            _ => record("Contact", json!({"LastName": "Brandt"})),
        };
        (0..count).map(of).collect()
    };
    let taken = client.send("POST", "composite/sobjects", collection(false, alternating(10))).await;
    assert_eq!(taken.row_codes(), ["ok"; 10]);
    let refused = client.send("POST", "composite/sobjects", collection(false, alternating(11))).await;
    assert_eq!((refused.status, refused.code()), (400, "LIMIT_EXCEEDED"), "{refused:?}");
}
