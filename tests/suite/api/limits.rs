//! How much one caller may ask, and how often somebody may be wrong.

use std::time::Duration;

use paybridge::api::Scope;
use serde_json::json;

use super::{Desk, auth_config};

#[tokio::test]
async fn a_caller_that_asks_too_much_is_told_when_to_come_back_and_nobody_else_is_held_up() {
    let mut config = auth_config();
    config.requests_per_minute = 3;
    let mut desk = Desk::with_auth(config).await;
    for _ in 0..3 {
        assert_eq!(desk.get("/v1/customers/cus_1").await.status, 404);
    }
    let got = desk.post("/v1/customers", &json!({})).await;
    assert_eq!(got.problem(), (429, "rate_limited"));
    assert_eq!(got.body["retryAfterSeconds"], 20, "{:#}", got.body);
    assert_eq!(got.headers["retry-after"], "20");
    assert_eq!(got.body["retryable"], true);
    // Another key has its own share, and a token has the share of its key.
    let other = desk.key(&[Scope::PaymentsRead], None).await;
    let busy = std::mem::replace(&mut desk.token, other);
    assert_eq!(desk.get("/v1/customers/cus_1").await.status, 404);
    let (id, secret) = busy.strip_prefix("pb_").unwrap().split_once('_').unwrap();
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let got = desk.form(&form).await;
    assert_eq!((got.status, &got.body["error"]), (429, &json!("temporarily_unavailable")), "{:#}", got.body);
    assert_eq!(got.body["retryAfterSeconds"], 20);
    desk.token = busy;
    desk.clock.advance(Duration::from_secs(20));
    assert_eq!(desk.get("/v1/customers/cus_1").await.status, 404);
    assert_eq!(desk.get("/v1/customers/cus_1").await.status, 429);
}

#[tokio::test]
async fn who_is_wrong_too_often_is_slowed_down_and_the_right_caller_is_not_locked_out() {
    let mut config = auth_config();
    config.failures_per_minute = 4;
    let mut desk = Desk::with_auth(config).await;
    let right = desk.token.clone();
    let wrong = format!("{}x", &right[..right.len() - 1]);
    for (token, expected) in [
        (wrong.as_str(), (401, "credentials_invalid")),
        ("pb_nobody_x", (401, "credentials_invalid")),
        (&wrong, (401, "credentials_invalid")),
        ("pb_nobody_x", (401, "credentials_invalid")),
        // From here on, both are answered alike as well.
        (&wrong, (429, "too_many_failures")),
        ("pb_nobody_x", (429, "too_many_failures")),
    ] {
        desk.token = token.to_owned();
        let got = desk.get("/v1/customers/cus_1").await;
        assert_eq!(got.problem(), expected, "{token}");
        if expected.0 == 429 {
            assert_eq!(got.body["retryAfterSeconds"], 15, "{:#}", got.body);
        }
    }
    let (id, _) = right.strip_prefix("pb_").unwrap().split_once('_').unwrap();
    let guess = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", "x")];
    assert_eq!(desk.form(&guess).await.status, 429);
    desk.token = right;
    assert_eq!(desk.get("/v1/customers/cus_1").await.status, 404);
    // A token that is none is 401 whatever happened: Salesforce fetches a new one only then.
    desk.token = "eyJhbGciOiJIUzI1NiJ9.e30.AAAA".to_owned();
    assert_eq!(desk.get("/v1/customers/cus_1").await.problem(), (401, "credentials_invalid"));
    desk.token = wrong;
    desk.clock.advance(Duration::from_secs(15));
    assert_eq!(desk.get("/v1/customers/cus_1").await.status, 401);
    assert_eq!(desk.get("/v1/customers/cus_1").await.status, 429);
}

#[tokio::test]
async fn behind_a_proxy_its_own_word_names_the_source() {
    let mut config = auth_config();
    config.failures_per_minute = 1;
    config.source_header = Some("x-forwarded-for".to_owned());
    let mut desk = Desk::with_auth(config).await;
    desk.token = "pb_nobody_x".to_owned();
    // What stands before the last address came from the caller and is not believed.
    for (header, status) in [
        ("192.0.2.1", 401),
        ("192.0.2.1", 429),
        ("198.51.100.7, 192.0.2.1", 429),
        ("192.0.2.1, 192.0.2.2", 401),
        ("2001:db8::1", 401),
        ("2001:db8::2", 429),
    ] {
        let request = desk.request("GET", "/v1/customers/cus_1").header("X-Forwarded-For", header);
        assert_eq!(desk.send(request).await.status, status, "{header}");
    }
}
