//! Single records, and the rules that every write is held to.

use serde_json::json;

use super::Client;

#[tokio::test]
async fn an_upsert_creates_and_then_updates_the_same_record() {
    let client = Client::start().await;
    let created = client.upsert("Stripe_Customer__c", "cus_1", json!({"Name": "Ada"})).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!((&created.body["created"], &created.body["success"]), (&json!(true), &json!(true)));
    let id = created.body["id"].as_str().unwrap();
    assert_eq!(id.len(), 18);
    assert_eq!(created.location, Some(format!("/services/data/v66.0/sobjects/Stripe_Customer__c/{id}")));

    let updated = client.upsert("Stripe_Customer__c", "cus_1", json!({"Name": "Ada B."})).await;
    assert_eq!((updated.status, &updated.body["created"]), (200, &json!(false)), "{updated:?}");
    assert_eq!(updated.body["id"], id);
    let record = client.org.record("Stripe_Customer__c", "cus_1").unwrap();
    assert_eq!((record.id.as_str(), record.text("Name")), (id, Some("Ada B.")));
    assert_eq!(client.org.writes("Stripe_Customer__c", "cus_1"), 2);
    assert_eq!(client.org.records("Stripe_Customer__c").len(), 1);
}

#[tokio::test]
async fn numbers_are_stored_and_printed_as_they_were_sent() {
    let client = Client::start().await;
    for (sent, kept) in [
        ("12.00", "12.00"),
        ("0.1", "0.1"),
        ("90071992547409.993", "90071992547409.993"),
        ("0.0005", "0.001"),
    ] {
        let body = format!(r#"{{"Amount__c": {sent}}}"#);
        let answer = client.send("PATCH", "sobjects/Stripe_Charge__c/Stripe_Id__c/ch_1", body).await;
        assert!(answer.status < 300, "{answer:?}");
        assert_eq!(client.org.record("Stripe_Charge__c", "ch_1").unwrap().text("Amount__c"), Some(kept));
        let read = client.get("sobjects/Stripe_Charge__c/Stripe_Id__c/ch_1?fields=Amount__c").await;
        assert!(read.text.contains(&format!("\"Amount__c\":{kept}}}")), "{read:?}");
        let found = client.query("SELECT Amount__c FROM Stripe_Charge__c").await;
        assert!(found.text.contains(&format!("\"Amount__c\":{kept}}}")), "{found:?}");
    }
}

#[tokio::test]
async fn a_field_that_does_not_fit_is_refused_with_the_platforms_code() {
    let client = Client::start().await;
    let long = "x".repeat(256);
    let table = [
        (json!({"Nope__c": 1}), "INVALID_FIELD"),
        (json!({"Amount__c": "12.00"}), "JSON_PARSER_ERROR"),
        (json!({"Failure_Code__c": 12}), "JSON_PARSER_ERROR"),
        (json!({"Amount__c": 1_000_000_000_000_000_i64}), "NUMBER_OUTSIDE_VALID_RANGE"),
        (json!({"Failure_Code__c": long}), "STRING_TOO_LONG"),
        (json!({"Status__c": "Lost"}), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (json!({"Disputed__c": null}), "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (json!({"Stripe_Created__c": "yesterday"}), "JSON_PARSER_ERROR"),
        (json!({"CreatedDate": "2026-11-20T00:00:00Z"}), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({"Customer__c": "cus_1"}), "MALFORMED_ID"),
        (json!({"Customer__c": "001Kj000004NwRbIAK"}), "MALFORMED_ID"),
        (json!({"Customer__c": "a04Kj0000000999"}), "MALFORMED_ID"),
        (json!({"Customer__r": {"Stripe_Id__c": "cus_missing"}}), "INVALID_FIELD"),
        (json!({"Customer__r": {"Nope__c": "cus_1"}}), "INVALID_FIELD"),
        (json!({"Customer__r": {"Name": "Ada"}}), "INVALID_FIELD"),
        (json!({"Customer__r": {}}), "INVALID_FIELD"),
        (json!({"Customer__r": null}), "JSON_PARSER_ERROR"),
        (json!({"Stripe_Id__c": "ch_1"}), "INVALID_FIELD"),
        (json!({"Id": "a01Kj0000000001"}), "INVALID_FIELD"),
        (json!([1]), "JSON_PARSER_ERROR"),
    ];
    for (body, code) in table {
        let refused = client.upsert("Stripe_Charge__c", "ch_1", body.clone()).await;
        assert_eq!((refused.status, refused.code()), (400, code), "{body}: {refused:?}");
    }
    assert!(client.org.record("Stripe_Charge__c", "ch_1").is_none());
}

#[tokio::test]
async fn refusals_say_what_the_platform_says() {
    let client = Client::start().await;
    let table = [
        (json!({"Nope__c": 1}), "No such column 'Nope__c' on sobject of type Stripe_Charge__c"),
        (
            json!({"Customer__r": {"Stripe_Id__c": "cus_9"}}),
            "Foreign key external ID: cus_9 not found for field Stripe_Id__c in entity Stripe_Customer__c",
        ),
        (json!({"Currency__c": "EURO"}), "Currency: data value too large: EURO (max length=3)"),
        (json!({"Status__c": "Lost"}), "Status: bad value for restricted picklist field: Lost"),
    ];
    for (body, message) in table {
        assert_eq!(client.upsert("Stripe_Charge__c", "ch_1", body).await.message(), message);
    }
}

#[tokio::test]
async fn ids_name_existing_records_in_15_or_18_characters() {
    let client = Client::start().await;
    client.org.seed_sample();
    let known = super::super::OPPORTUNITY_ID;
    for id in [known, &known[..15]] {
        let written = client.upsert("Stripe_Payment_Intent__c", "pi_1", json!({"Opportunity__c": id})).await;
        assert!(written.status < 300, "{written:?}");
        let record = client.org.record("Stripe_Payment_Intent__c", "pi_1").unwrap();
        assert_eq!(record.text("Opportunity__c"), Some(known));
    }
    let table = [
        ("006Kj000002NwAq", "INVALID_CROSS_REFERENCE_KEY"),
        ("006Kj000002NwArAAA", "MALFORMED_ID"),
        (super::super::ACCOUNT_ID, "MALFORMED_ID"),
        ("006", "MALFORMED_ID"),
    ];
    for (id, code) in table {
        let refused = client.upsert("Stripe_Payment_Intent__c", "pi_1", json!({"Opportunity__c": id})).await;
        assert_eq!(refused.code(), code, "{id}: {refused:?}");
    }
    let cleared = client.upsert("Stripe_Payment_Intent__c", "pi_1", json!({"Opportunity__c": null})).await;
    assert_eq!(cleared.status, 200, "{cleared:?}");
    assert_eq!(client.org.record("Stripe_Payment_Intent__c", "pi_1").unwrap().text("Opportunity__c"), None);
}

#[tokio::test]
async fn a_parent_is_found_by_its_external_id_and_let_go_when_it_is_deleted() {
    let client = Client::start().await;
    let parent = client.upsert("Stripe_Customer__c", "cus_1", json!({})).await.body["id"].clone();
    let child = json!({"Customer__r": {"Stripe_Id__c": "cus_1"}, "Amount__c": 5});
    assert_eq!(client.upsert("Stripe_Charge__c", "ch_1", child).await.status, 201);
    let stored = client.org.record("Stripe_Charge__c", "ch_1").unwrap();
    assert_eq!(stored.text("Customer__c"), parent.as_str());
    let both = json!({"Customer__r": {"Stripe_Id__c": "cus_1"}, "Customer__c": parent});
    assert_eq!(client.upsert("Stripe_Charge__c", "ch_1", both).await.code(), "INVALID_FIELD");
    let gone = client.send("DELETE", "sobjects/Stripe_Customer__c/Stripe_Id__c/cus_1", "").await;
    assert_eq!(gone.status, 204, "{gone:?}");
    assert_eq!(client.org.record("Stripe_Charge__c", "ch_1").unwrap().text("Customer__c"), None);
}

#[tokio::test]
async fn keys_with_another_case_are_other_records_when_the_field_says_so() {
    let client = Client::start().await;
    for id in ["cus_a", "cus_A"] {
        assert_eq!(client.upsert("Stripe_Customer__c", id, json!({})).await.status, 201);
    }
    assert_eq!(client.org.records("Stripe_Customer__c").len(), 2);
}

#[tokio::test]
async fn required_and_unique_fields_are_enforced() {
    let client = Client::start().await;
    let missing = client.send("POST", "sobjects/Opportunity", json!({"Name": "Arms", "CloseDate": ""})).await;
    assert_eq!(missing.code(), "JSON_PARSER_ERROR", "{missing:?}");
    let missing = client.send("POST", "sobjects/Opportunity", json!({"Name": ""})).await;
    assert_eq!(missing.code(), "REQUIRED_FIELD_MISSING", "{missing:?}");
    assert_eq!(missing.message(), "Required fields are missing: [Name, StageName, CloseDate]");
    assert_eq!(missing.body[0]["fields"], json!(["Name", "StageName", "CloseDate"]));

    let first = client.upsert("Stripe_Customer__c", "cus_1", json!({})).await;
    let second = client.send("POST", "sobjects/Stripe_Customer__c", json!({"Stripe_Id__c": "cus_1"})).await;
    assert_eq!(second.code(), "DUPLICATE_VALUE", "{second:?}");
    let id = &first.body["id"].as_str().unwrap()[..15];
    assert_eq!(
        second.message(),
        format!("duplicate value found: Stripe_Id__c duplicates value on record with id: {id}")
    );
    let by_id = format!("sobjects/Stripe_Customer__c/{id}");
    let emptied = client.send("PATCH", &by_id, json!({"Stripe_Id__c": null})).await;
    assert_eq!(emptied.code(), "REQUIRED_FIELD_MISSING", "{emptied:?}");
}

#[tokio::test]
async fn a_record_is_created_read_updated_and_deleted_by_id() {
    let client = Client::start().await;
    let created = client.send("POST", "sobjects/Account", json!({"Name": "Northwind", "Phone": ""})).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.body.get("created"), None);
    let id = created.body["id"].as_str().unwrap();
    assert!(id.starts_with("001"));
    let path = format!("sobjects/Account/{id}");
    assert_eq!(
        client.send("PATCH", &path, json!({"Website": "https://northwind.example"})).await.status,
        204
    );
    let read = client.get(&path).await;
    assert_eq!(read.body["Name"], "Northwind", "{read:?}");
    assert_eq!(read.body["Phone"], json!(null));
    assert_eq!(read.body["CreatedDate"], "2026-11-20T16:28:00.000+0000");
    assert_eq!(read.body["attributes"]["url"], format!("/services/data/v66.0/{path}"));
    assert_eq!(client.get(&format!("{path}?fields=Name,Nope")).await.code(), "INVALID_FIELD");
    assert_eq!(client.send("DELETE", &path, "").await.status, 204);
    let gone = client.get(&path).await;
    assert_eq!((gone.status, gone.code()), (404, "NOT_FOUND"), "{gone:?}");
}

#[tokio::test]
async fn what_is_unknown_is_not_found() {
    let client = Client::start().await;
    let table = [
        ("GET", "nonsense", 404, "NOT_FOUND"),
        ("GET", "sobjects/Nope__c/001Kj000004NwRbIAK", 404, "NOT_FOUND"),
        ("POST", "sobjects/Nope__c", 404, "NOT_FOUND"),
        ("PATCH", "sobjects/Stripe_Customer__c/Nope__c/1", 404, "NOT_FOUND"),
        ("PATCH", "sobjects/Stripe_Customer__c/Name/1", 404, "NOT_FOUND"),
        ("PATCH", "sobjects/Stripe_Customer__c/Stripe_Id__c/cus_9?updateOnly=true", 404, "NOT_FOUND"),
        ("GET", "sobjects/Account/cus_1", 400, "MALFORMED_ID"),
        ("PUT", "sobjects/Account", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "limits", 405, "METHOD_NOT_ALLOWED"),
    ];
    for (method, path, status, code) in table {
        let refused = client.send(method, path, "{}").await;
        assert_eq!((refused.status, refused.code()), (status, code), "{method} {path}: {refused:?}");
    }
    let wrong_type = client.request("POST", "sobjects/Account").body("Name=x").send().await.unwrap();
    assert_eq!(wrong_type.status(), 415);
    assert_eq!(client.send("POST", "sobjects/Account", "{\"Name\":").await.code(), "JSON_PARSER_ERROR");
    assert_eq!(client.send("POST", "sobjects/Account", "").await.code(), "JSON_PARSER_ERROR");
}

#[tokio::test]
async fn keys_in_the_path_may_be_percent_encoded() {
    let client = Client::start().await;
    assert_eq!(client.upsert("Stripe_Customer__c", "cus%2F1%C3%A9+", json!({})).await.status, 201);
    assert!(client.org.record("Stripe_Customer__c", "cus/1é+").is_some());
}

#[tokio::test]
async fn a_record_that_is_refused_on_request_is_refused_until_it_is_pardoned() {
    let client = Client::start().await;
    client.org.reject_records("cus_1", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Customers need an Account");
    let refused = client.upsert("Stripe_Customer__c", "cus_1", json!({})).await;
    assert_eq!(refused.code(), "FIELD_CUSTOM_VALIDATION_EXCEPTION");
    assert_eq!(refused.message(), "Customers need an Account");
    assert_eq!(client.upsert("Stripe_Customer__c", "cus_2", json!({})).await.status, 201);
    client.org.pardon("cus_1");
    assert_eq!(client.upsert("Stripe_Customer__c", "cus_1", json!({})).await.status, 201);
}

#[tokio::test]
async fn describe_tells_what_the_rules_enforce() {
    let client = Client::start().await;
    let all = client.get("sobjects").await;
    let names =
        all.body["sobjects"].as_array().unwrap().iter().map(|object| object["name"].as_str().unwrap());
    let names: Vec<_> = names.collect();
    for name in ["Account", "Product2", "Stripe_Payout__c"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let described = client.get("sobjects/Stripe_Charge__c/describe").await;
    let field = |name: &str| {
        let fields = described.body["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    };
    let key = field("Stripe_Id__c");
    assert_eq!(
        json!([
            key["type"],
            key["length"],
            key["externalId"],
            key["unique"],
            key["caseSensitive"],
            key["nillable"]
        ]),
        json!(["string", 255, true, true, true, false])
    );
    let amount = field("Amount__c");
    assert_eq!(json!([amount["type"], amount["precision"], amount["scale"]]), json!(["double", 18, 3]));
    let status = field("Status__c");
    assert_eq!((&status["type"], &status["restrictedPicklist"]), (&json!("picklist"), &json!(true)));
    assert_eq!(status["picklistValues"][0]["value"], "Pending");
    let customer = field("Customer__c");
    assert_eq!(customer["referenceTo"], json!(["Stripe_Customer__c"]));
    assert_eq!(customer["relationshipName"], "Customer__r");
    assert_eq!(field("CreatedDate")["createable"], false);
    assert_eq!(client.get("sobjects/Nope__c/describe").await.status, 404);
}
