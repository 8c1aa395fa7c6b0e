//! Composite requests.

use serde_json::{Value, json};

use super::{Client, DATA, Read, collection, customer, record};

fn subrequest(reference_id: &str, method: &str, path: &str, body: Value) -> Value {
    json!({"method": method, "url": format!("{DATA}/{path}"), "referenceId": reference_id, "body": body})
}

fn upsert(reference_id: &str, sobject: &str, external_id: &str, body: Value) -> Value {
    subrequest(reference_id, "PATCH", &format!("sobjects/{sobject}/Stripe_Id__c/{external_id}"), body)
}

fn bulk(reference_id: &str, sobject: &str, records: Vec<Value>) -> Value {
    let path = format!("composite/sobjects/{sobject}/Stripe_Id__c");
    subrequest(reference_id, "PATCH", &path, collection(false, records))
}

async fn composite(client: &Client, all_or_none: bool, subrequests: Vec<Value>) -> Read {
    let body =
        json!({"allOrNone": all_or_none, "collateSubrequests": false, "compositeRequest": subrequests});
    client.send("POST", "composite", body).await
}

fn statuses(answer: &Read) -> Vec<u64> {
    let responses = answer.body["compositeResponse"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    responses.iter().map(|response| response["httpStatusCode"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn parents_and_children_travel_in_one_call() {
    let client = Client::start().await;
    let child = |id: &str, parent: &str| {
        record("Stripe_Charge__c", json!({"Stripe_Id__c": id, "Customer__r": {"Stripe_Id__c": parent}}))
    };
    let answer = composite(
        &client,
        false,
        vec![
            bulk("customers", "Stripe_Customer__c", vec![customer("cus_1"), customer("cus_2")]),
            bulk("charges", "Stripe_Charge__c", vec![child("ch_1", "cus_1"), child("ch_2", "cus_9")]),
        ],
    )
    .await;
    assert_eq!((answer.status, statuses(&answer)), (200, vec![200, 200]), "{answer:?}");
    let charges = &answer.body["compositeResponse"][1];
    assert_eq!(charges["referenceId"], "charges");
    assert_eq!(
        (&charges["body"][0]["success"], &charges["body"][1]["success"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(charges["body"][1]["errors"][0]["statusCode"], "INVALID_FIELD");
    let call = client.org.calls().pop().unwrap();
    assert_eq!((call.subrequests, call.collections, call.status), (2, vec![2, 2], 200));
    assert_eq!(client.org.calls_used(), 1);
}

#[tokio::test]
async fn later_subrequests_use_what_earlier_ones_answered() {
    let client = Client::start().await;
    let answer = composite(&client, true, vec![
        subrequest("account", "POST", "sobjects/Account", json!({"Name": "Northwind"})),
        upsert("customer", "Stripe_Customer__c", "cus_1", json!({"Account__c": "@{account.id}"})),
        json!({"method": "GET", "url": format!("{DATA}/sobjects/Account/@{{account.id}}"), "referenceId": "read"}),
        json!({
            "method": "GET",
            "url": format!("{DATA}/query?q=SELECT+Account__c+FROM+Stripe_Customer__c"),
            "referenceId": "found",
        }),
        upsert("other", "Stripe_Customer__c", "cus_2", json!({
            "Account__c": "@{found.records[0].Account__c}",
            "Name": "of @{read.Name}",
        })),
    ])
    .await;
    assert_eq!(statuses(&answer), [201, 201, 200, 200, 201], "{answer:?}");
    let first = &answer.body["compositeResponse"][0];
    let account = first["body"]["id"].as_str().unwrap();
    assert_eq!(first["httpHeaders"]["Location"], format!("{DATA}/sobjects/Account/{account}"));
    let other = client.org.record("Stripe_Customer__c", "cus_2").unwrap();
    assert_eq!((other.text("Account__c"), other.text("Name")), (Some(account), Some("of Northwind")));
}

#[tokio::test]
async fn what_depends_on_a_failure_is_halted_and_the_rest_goes_on() {
    let client = Client::start().await;
    let answer = composite(
        &client,
        false,
        vec![
            subrequest("account", "POST", "sobjects/Account", json!({})),
            upsert("customer", "Stripe_Customer__c", "cus_1", json!({"Account__c": "@{account.id}"})),
            upsert("other", "Stripe_Customer__c", "cus_2", json!({})),
            upsert("wrong_case", "Stripe_Customer__c", "cus_3", json!({"Name": "@{other.Id}"})),
        ],
    )
    .await;
    assert_eq!(statuses(&answer), [400, 400, 201, 400], "{answer:?}");
    let responses = &answer.body["compositeResponse"];
    assert_eq!(responses[0]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(responses[1]["body"][0]["errorCode"], "PROCESSING_HALTED");
    let message = "Invalid reference specified. No value for account.id found in account.";
    assert_eq!(responses[1]["body"][0]["message"], message);
    assert_eq!(responses[3]["body"][0]["errorCode"], "PROCESSING_HALTED");
}

#[tokio::test]
async fn with_all_or_none_everything_is_taken_back() {
    let client = Client::start().await;
    let answer = composite(
        &client,
        true,
        vec![
            upsert("good", "Stripe_Customer__c", "cus_1", json!({})),
            upsert("bad", "Stripe_Customer__c", "cus_2", json!({"Nope__c": 1})),
            upsert("late", "Stripe_Customer__c", "cus_3", json!({})),
        ],
    )
    .await;
    assert_eq!((answer.status, statuses(&answer)), (200, vec![400, 400, 400]), "{answer:?}");
    let code = |at: usize| answer.body["compositeResponse"][at]["body"][0]["errorCode"].clone();
    assert_eq!([code(0), code(1), code(2)], ["PROCESSING_HALTED", "INVALID_FIELD", "PROCESSING_HALTED"]);
    assert!(client.org.records("Stripe_Customer__c").is_empty());

    let bad = record("Stripe_Customer__c", json!({"Stripe_Id__c": "cus_2", "Nope__c": 1}));
    let answer = composite(
        &client,
        true,
        vec![
            upsert("good", "Stripe_Customer__c", "cus_1", json!({})),
            bulk("many", "Stripe_Customer__c", vec![customer("cus_3"), bad]),
        ],
    )
    .await;
    assert_eq!(statuses(&answer), [400, 200], "{answer:?}");
    let many = &answer.body["compositeResponse"][1]["body"];
    assert_eq!((&many[0]["success"], &many[1]["success"]), (&json!(true), &json!(false)));
    assert!(client.org.records("Stripe_Customer__c").is_empty());
}

#[tokio::test]
async fn a_request_beyond_the_limits_is_refused_as_a_whole() {
    let client = Client::start().await;
    let get = |reference_id: String| json!({"method": "GET", "url": format!("{DATA}/sobjects/Account/001Kj000004NwRbIAK"), "referenceId": reference_id});
    let good = || get("a".to_owned());
    let changed = |name: &str, value: Value| {
        let mut changed = good();
        changed[name] = value;
        changed
    };
    let many = |count: usize| (0..count).map(|at| get(format!("r{at}"))).collect::<Vec<_>>();
    let bulks = |count: usize| {
        (0..count)
            .map(|at| bulk(&format!("c{at}"), "Stripe_Customer__c", vec![customer("cus_1")]))
            .collect::<Vec<_>>()
    };
    let table = [
        (many(26), "26 subrequests"),
        (bulks(6), "6 collections"),
        (Vec::new(), "no subrequests"),
        (vec![good(), good()], "a reference id twice"),
        (vec![changed("referenceId", json!("a-b"))], "an illegal reference id"),
        (vec![changed("referenceId", json!("_a"))], "a reference id that starts with an underscore"),
        (vec![changed("method", json!("get"))], "a method in lower case"),
        (vec![changed("url", json!("/services/data/v65.0/limits"))], "another version"),
        (vec![changed("url", json!("sobjects/Account"))], "a url without its start"),
        (vec![changed("httpHeaders", json!({"Authorization": "Bearer x"}))], "a forbidden header"),
        (vec![changed("extra", json!(1))], "an unknown member"),
    ];
    for (subrequests, what) in table {
        let refused = composite(&client, false, subrequests).await;
        assert_eq!(refused.status, 400, "{what}: {refused:?}");
    }
    assert_eq!(statuses(&composite(&client, false, many(25)).await), [404; 25]);
    assert_eq!(statuses(&composite(&client, false, bulks(5)).await), [200; 5]);
    let with_header = changed("httpHeaders", json!({"If-Modified-Since": "Tue, 10 Aug 2026 00:00:00 GMT"}));
    assert_eq!(composite(&client, false, vec![with_header]).await.status, 200);
}

#[tokio::test]
async fn other_resources_are_no_subrequests() {
    let client = Client::start().await;
    let answer = composite(
        &client,
        false,
        vec![
            json!({"method": "GET", "url": format!("{DATA}/limits"), "referenceId": "limits"}),
            subrequest("nested", "POST", "composite", json!({"compositeRequest": []})),
        ],
    )
    .await;
    assert_eq!(statuses(&answer), [404, 404], "{answer:?}");
}
