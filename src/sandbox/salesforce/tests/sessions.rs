//! Sign-in, sessions, versions and the call limit.

use std::time::Duration;

use serde_json::json;

use super::{Client, DATA};

#[tokio::test]
async fn a_signed_assertion_gets_a_token_and_the_same_one_again() {
    let client = Client::start().await;
    let again = client.sign_in(client.claims()).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.body["access_token"], client.token.as_str());
    assert_eq!(again.body["instance_url"], client.org.base_url().as_str());
    assert_eq!(again.body["token_type"], "Bearer");
    let id = again.body["id"].as_str().unwrap();
    assert!(id.starts_with(&format!("https://test.salesforce.com/id/{}/005", client.org.org_id())), "{id}");
    assert!(client.token.starts_with(&format!("{}!", &client.org.org_id()[..15])));
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let client = Client::start().await;
    let now = client.clock.now().unix_timestamp();
    let table = [
        ("iss", json!("someone"), "invalid_client_id"),
        ("sub", json!("nobody@example.com"), "invalid_grant"),
        ("aud", json!("https://login.salesforce.com"), "invalid_grant"),
        ("exp", json!(now), "invalid_grant"),
    ];
    for (claim, value, error) in table {
        let mut claims = client.claims();
        claims[claim] = value;
        let refused = client.sign_in(claims).await;
        assert_eq!((refused.status, &refused.body["error"]), (400, &json!(error)), "{claim}: {refused:?}");
        assert!(refused.body["error_description"].is_string());
    }
    let mut claims = client.claims();
    claims["aud"] = json!("https://northwind.my.salesforce.com");
    assert_eq!(client.sign_in(claims).await.status, 200);
}

#[tokio::test]
async fn other_grants_and_forged_assertions_are_refused() {
    let client = Client::start().await;
    let jwt_bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let forged = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl";
    let table = [
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (vec![("grant_type", jwt_bearer)], "invalid_request"),
        (vec![("grant_type", jwt_bearer), ("assertion", forged)], "invalid_grant"),
        (vec![("grant_type", jwt_bearer), ("assertion", "no token")], "invalid_grant"),
        (vec![], "invalid_request"),
    ];
    for (form, error) in table {
        let refused = client.token_request(&form).await;
        assert_eq!((refused.status, &refused.body["error"]), (400, &json!(error)), "{form:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_session_ends_two_hours_after_its_last_use() {
    let mut client = Client::start().await;
    client.clock.advance(Duration::from_secs(7_199));
    assert_eq!(client.get("limits").await.status, 200);
    client.clock.advance(Duration::from_secs(7_199));
    assert_eq!(client.get("limits").await.status, 200);
    client.clock.advance(Duration::from_secs(7_200));
    let refused = client.get("limits").await;
    assert_eq!((refused.status, refused.code()), (401, "INVALID_SESSION_ID"), "{refused:?}");
    let old = client.token.clone();
    client.sign_in_again().await;
    assert_ne!(client.token, old);
    assert_eq!(client.get("limits").await.status, 200);
    client.org.expire_sessions();
    assert_eq!(client.get("limits").await.status, 401);
}

#[tokio::test]
async fn a_call_without_a_good_token_is_refused() {
    let mut client = Client::start().await;
    let bare = client.http.get(format!("{}{DATA}/limits", client.org.base_url())).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    client.token.push('x');
    assert_eq!(client.get("limits").await.status, 401);
}

#[tokio::test]
async fn only_living_versions_are_served() {
    let client = Client::start().await;
    let table = [
        ("v66.0", 200, ""),
        ("v41.0", 200, ""),
        ("v68.0", 200, ""),
        ("v30.0", 410, "GONE"),
        ("v40.0", 410, "GONE"),
        ("v69.0", 404, "NOT_FOUND"),
        ("v66", 404, "NOT_FOUND"),
        ("66.0", 404, "NOT_FOUND"),
    ];
    for (version, status, code) in table {
        let answer = client.get(&format!("/services/data/{version}/limits")).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{version}: {answer:?}");
    }
    let versions = client.http.get(format!("{}/services/data/", client.org.base_url())).send().await.unwrap();
    let versions = super::Read::of(versions).await;
    assert_eq!((versions.status, versions.limit_info), (200, None));
    assert_eq!(versions.body.as_array().unwrap().last().unwrap()["version"], "68.0");
}

#[tokio::test]
async fn calls_are_counted_and_refused_above_the_limit_of_a_day() {
    let client = Client::with_limit(3).await;
    let first = client.get("limits").await;
    assert_eq!(first.body["DailyApiRequests"], json!({"Max": 3, "Remaining": 2}));
    assert_eq!(first.limit_info.as_deref(), Some("api-usage=1/3"));
    client.get("sobjects").await;
    client.get("no/such/resource").await;
    let refused = client.get("limits").await;
    assert_eq!((refused.status, refused.code()), (403, "REQUEST_LIMIT_EXCEEDED"), "{refused:?}");
    assert_eq!(refused.message(), "TotalRequests Limit exceeded.");
    assert_eq!(refused.limit_info.as_deref(), Some("api-usage=3/3"));
    assert_eq!(client.org.calls_used(), 3);
    let mut client = client;
    client.clock.advance(Duration::from_secs(24 * 60 * 60));
    client.sign_in_again().await;
    assert_eq!(client.get("limits").await.limit_info.as_deref(), Some("api-usage=1/3"));
}

#[tokio::test]
async fn another_org_id_ends_the_session_and_shows_everywhere() {
    let mut client = Client::start().await;
    client.org.set_org_id("00DKj000000paybMAA");
    assert_eq!(client.get("limits").await.status, 401);
    client.sign_in_again().await;
    let found = client.query("SELECT Id, IsSandbox FROM Organization").await;
    assert_eq!(found.body["records"][0]["Id"], "00DKj000000paybMAA", "{found:?}");
    assert_eq!(found.body["records"][0]["IsSandbox"], true);
}
