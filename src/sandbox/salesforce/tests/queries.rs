//! Queries.

use serde_json::{Value, json};

use super::{Client, record};

async fn with_charges() -> Client {
    let client = Client::start().await;
    client.upsert("Stripe_Customer__c", "cus_1", json!({"Name": "Ada", "Email__c": "ada@example.com"})).await;
    let records = r#"{"records": [
        {"attributes": {"type": "Stripe_Charge__c"}, "Stripe_Id__c": "ch_1", "Amount__c": 10.00, "Status__c": "Completed",
         "Customer__r": {"Stripe_Id__c": "cus_1"}, "Stripe_Created__c": "2026-11-20T10:00:00Z", "Disputed__c": true},
        {"attributes": {"type": "Stripe_Charge__c"}, "Stripe_Id__c": "ch_2", "Amount__c": 9.50, "Status__c": "Failed",
         "Stripe_Created__c": "2026-11-20T11:00:00+01:00", "Failure_Code__c": "card_declined"},
        {"attributes": {"type": "Stripe_Charge__c"}, "Stripe_Id__c": "CH_3", "Status__c": "Pending"}
    ]}"#;
    let written = client.send("PATCH", "composite/sobjects/Stripe_Charge__c/Stripe_Id__c", records).await;
    assert_eq!(written.row_codes(), ["ok"; 3], "{written:?}");
    client
}

#[tokio::test]
async fn conditions_choose_records() {
    let client = with_charges().await;
    let table = [
        ("", "ch_1 ch_2 CH_3"),
        ("WHERE Stripe_Id__c = 'ch_1'", "ch_1"),
        ("WHERE Stripe_Id__c = 'ch_3'", ""),
        ("WHERE Status__c = 'failed'", "ch_2"),
        ("WHERE Status__c != 'Failed'", "ch_1 CH_3"),
        ("WHERE Stripe_Id__c IN ('ch_1', 'ch_2')", "ch_1 ch_2"),
        ("WHERE Stripe_Id__c NOT IN ('ch_1', 'ch_2')", "CH_3"),
        ("WHERE Amount__c = null", "CH_3"),
        ("WHERE Amount__c != null", "ch_1 ch_2"),
        ("WHERE Amount__c = 10", "ch_1"),
        ("WHERE Amount__c < 10 AND Amount__c >= 9.5", "ch_2"),
        ("WHERE Disputed__c = true", "ch_1"),
        ("WHERE Stripe_Created__c = 2026-11-20T10:00:00Z", "ch_1 ch_2"),
        ("WHERE Stripe_Created__c > 2026-11-20T10:00:00.000Z", ""),
        ("WHERE Failure_Code__c LIKE 'CARD%'", "ch_2"),
        ("WHERE Failure_Code__c LIKE '%_declined'", "ch_2"),
        ("WHERE Failure_Code__c LIKE 'card'", ""),
        ("WHERE Customer__r.Name = 'ada'", "ch_1"),
        ("WHERE Customer__r.Stripe_Id__c = null", "ch_2 CH_3"),
        ("WHERE (Status__c = 'Failed' OR Status__c = 'Pending') AND Amount__c = null", "CH_3"),
        ("WHERE NOT (Status__c = 'Failed')", "ch_1 CH_3"),
        ("ORDER BY Amount__c", "CH_3 ch_2 ch_1"),
        ("ORDER BY Amount__c DESC NULLS LAST", "ch_1 ch_2 CH_3"),
        ("ORDER BY Disputed__c DESC, Stripe_Id__c DESC LIMIT 2", "ch_1 CH_3"),
        ("ORDER BY Id LIMIT 1 OFFSET 1", "ch_2"),
    ];
    for (condition, expected) in table {
        let found = client.query(&format!("SELECT Stripe_Id__c FROM Stripe_Charge__c {condition}")).await;
        let ids = |records: &Value| {
            let ids = records
                .as_array()
                .unwrap()
                .iter()
                .map(|record| record["Stripe_Id__c"].as_str().unwrap().to_owned());
            ids.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found.status, 200, "{condition}: {found:?}");
        assert_eq!(ids(&found.body["records"]), expected, "{condition}");
    }
}

#[tokio::test]
async fn fields_of_a_parent_come_in_an_object_of_their_own() {
    let client = with_charges().await;
    let soql = "select Id, Amount__c, Customer__r.Name, Customer__r.Email__c from Stripe_Charge__c order by Amount__c desc nulls last";
    let found = client.query(soql).await;
    assert_eq!((&found.body["totalSize"], &found.body["done"]), (&json!(3), &json!(true)), "{found:?}");
    let first = &found.body["records"][0];
    assert_eq!(first["attributes"]["type"], "Stripe_Charge__c");
    assert_eq!(first["Customer__r"]["Name"], "Ada");
    assert_eq!(first["Customer__r"]["Email__c"], "ada@example.com");
    assert_eq!(first["Customer__r"]["attributes"]["type"], "Stripe_Customer__c");
    assert_eq!(found.body["records"][1]["Customer__r"], json!(null));
    assert!(
        found.text.contains("\"Amount__c\":10.00,") && found.text.contains("\"Amount__c\":9.50,"),
        "{}",
        found.text
    );
}

#[tokio::test]
async fn records_are_counted() {
    let client = with_charges().await;
    let found = client.query("SELECT COUNT() FROM Stripe_Charge__c WHERE Amount__c != null").await;
    assert_eq!((&found.body["totalSize"], &found.body["records"]), (&json!(2), &json!([])), "{found:?}");
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let client = with_charges().await;
    let table = [
        ("SELECT FROM Stripe_Charge__c", "MALFORMED_QUERY"),
        ("SELECT Id Stripe_Charge__c", "MALFORMED_QUERY"),
        ("SELECT Id FROM Stripe_Charge__c WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Stripe_Charge__c WHERE Name = 'open", "MALFORMED_QUERY"),
        ("SELECT Id FROM Stripe_Charge__c WHERE Name = \"x\"", "MALFORMED_QUERY"),
        ("SELECT Id FROM Stripe_Charge__c WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Stripe_Charge__c GROUP BY Id", "MALFORMED_QUERY"),
        ("SELECT Id FROM Stripe_Charge__c LIMIT many", "MALFORMED_QUERY"),
        ("SELECT Nope__c FROM Stripe_Charge__c", "INVALID_FIELD"),
        ("SELECT Id FROM Stripe_Charge__c WHERE Nope__c = 1", "INVALID_FIELD"),
        ("SELECT Nobody__r.Name FROM Stripe_Charge__c", "INVALID_FIELD"),
        ("SELECT Id FROM Stripe_Charge__c WHERE Amount__c = '1'", "INVALID_FIELD"),
        ("SELECT Id FROM Stripe_Charge__c WHERE Amount__c LIKE '1'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Nope__c", "INVALID_TYPE"),
        ("SELECT Nope FROM Organization", "INVALID_FIELD"),
    ];
    for (soql, code) in table {
        let refused = client.query(soql).await;
        assert_eq!((refused.status, refused.code()), (400, code), "{soql}: {refused:?}");
    }
    assert_eq!(client.get("query").await.code(), "MALFORMED_QUERY");
}

#[tokio::test]
async fn many_records_come_page_by_page() {
    let client = Client::start().await;
    for batch in 0..11 {
        let records = (0..200).map(|at| {
            record("Stripe_Customer__c", json!({"Stripe_Id__c": format!("cus_{}", batch * 200 + at)}))
        });
        client.upsert_all("Stripe_Customer__c", records.collect()).await;
    }
    let first = client.query("SELECT Id FROM Stripe_Customer__c").await;
    assert_eq!((&first.body["totalSize"], &first.body["done"]), (&json!(2_200), &json!(false)));
    assert_eq!(first.body["records"].as_array().unwrap().len(), 2_000);
    let next = first.body["nextRecordsUrl"].as_str().unwrap();
    let second = client.get(next).await;
    assert_eq!(
        (&second.body["totalSize"], &second.body["done"]),
        (&json!(2_200), &json!(true)),
        "{second:?}"
    );
    assert_eq!(second.body["records"].as_array().unwrap().len(), 200);
    assert_eq!(client.get(next).await.code(), "INVALID_QUERY_LOCATOR");
}
