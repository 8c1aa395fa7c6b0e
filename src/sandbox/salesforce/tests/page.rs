//! What people see, and what the handle tells.

use serde_json::json;

use super::super::{ACCOUNT_ID, CONTACT_ID, OPPORTUNITY_ID, ORDER_ID};
use super::Client;

#[tokio::test]
async fn the_page_shows_records_and_escapes_them() {
    let client = Client::start().await;
    client.org.seed_sample();
    client.upsert("Stripe_Customer__c", "cus_1", json!({"Name": "<script>alert('x')</script> & Co"})).await;
    client.upsert("Stripe_Customer__c", "cus_2", json!({"Name": "newest"})).await;
    let page = client.get("/").await.text;
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; Co"), "{page}");
    assert!(!page.contains("<script>"));
    assert!(page.contains("Northwind Robotics") && page.contains("2 of 1000 API calls used"), "{page}");
    assert!(page.find("newest") < page.find("&lt;script"));
    assert!(!page.contains("https://fonts") && page.contains("<style>"));
}

#[tokio::test]
async fn the_status_is_seen_without_scrolling() {
    let client = Client::start().await;
    let customer = json!({"Name": "Ada", "Status__c": "Active", "Balance__c": 1, "Currency__c": "EUR"});
    client.upsert("Stripe_Customer__c", "cus_1", customer).await;
    let page = client.get("/").await.text;
    let place = |label: &str| page.find(&format!(">{label}</th>")).unwrap();
    assert!(place("Name") < place("Status") && place("Status") < place("Balance"), "{page}");
}

#[tokio::test]
async fn records_are_shown_as_json() {
    let client = Client::start().await;
    client.upsert("Stripe_Customer__c", "cus_1", json!({"Name": "Ada"})).await;
    let records = client.get("/_sandbox/records/Stripe_Customer__c").await;
    assert_eq!(records.body[0]["Name"], "Ada", "{records:?}");
    assert_eq!(client.get("/_sandbox/records/Nope__c").await.status, 404);
}

#[tokio::test]
async fn the_sample_has_fixed_ids_that_can_be_referred_to() {
    let client = Client::start().await;
    client.org.seed_sample();
    client.org.seed_sample();
    for (object, id) in [
        ("Account", ACCOUNT_ID),
        ("Contact", CONTACT_ID),
        ("Opportunity", OPPORTUNITY_ID),
        ("Order", ORDER_ID),
    ] {
        let ids: Vec<_> = client.org.records(object).into_iter().map(|record| record.id).collect();
        assert_eq!(ids, [id], "{object}");
        assert_eq!(client.get(&format!("sobjects/{object}/{id}")).await.status, 200);
    }
    let found = client.query("SELECT Account.Name FROM Opportunity WHERE Amount = 84000").await;
    assert_eq!(found.body["records"][0]["Account"]["Name"], "Northwind Robotics", "{found:?}");
}

#[tokio::test]
async fn seeded_records_keep_their_values_and_are_found_by_their_key() {
    let client = Client::start().await;
    let id = client.org.insert(
        "Product2",
        None,
        &[("Name", "Arm"), ("Stripe_Id__c", "prod_1"), ("IsActive", "true")],
    );
    let product = client.org.record("Product2", "prod_1").unwrap();
    assert_eq!((product.id.as_str(), product.text("IsActive")), (id.as_str(), Some("true")));
    assert_eq!(client.org.writes("Product2", "prod_1"), 0);
    assert_eq!(client.upsert("Product2", "prod_1", json!({"IsActive": false})).await.status, 200);
    assert_eq!(client.org.record("Product2", "prod_1").unwrap().text("IsActive"), Some("false"));
}

#[tokio::test]
async fn every_call_is_logged_with_its_outcome() {
    let client = Client::start().await;
    client.get("limits?x=1").await;
    client.get("nonsense").await;
    let calls = client.org.calls();
    let seen: Vec<_> =
        calls.iter().map(|call| (call.method.as_str(), call.path.as_str(), call.status)).collect();
    assert_eq!(
        seen,
        [
            ("POST", "/services/oauth2/token", 200),
            ("GET", "/services/data/v66.0/limits?x=1", 200),
            ("GET", "/services/data/v66.0/nonsense", 404),
        ]
    );
}
