//! What goes wrong on request.

use std::str::FromStr;

use serde_json::json;

use super::{Client, Read, customer};
use crate::sandbox::salesforce::Fault;
use crate::sandbox::until;

#[tokio::test]
async fn a_fault_shows_as_often_as_it_was_asked_for() {
    let table = [
        (Fault::ServerUnavailable, 503, "SERVER_UNAVAILABLE"),
        (Fault::ServerError, 500, "UNKNOWN_EXCEPTION"),
        (Fault::RequestLimitExceeded, 403, "REQUEST_LIMIT_EXCEEDED"),
        (Fault::ConcurrentLimitExceeded, 403, "REQUEST_LIMIT_EXCEEDED"),
        (Fault::TooManyRequests, 429, "TOO_MANY_REQUESTS"),
        (Fault::MalformedRequest, 400, "JSON_PARSER_ERROR"),
        (Fault::HtmlErrorPage, 502, ""),
    ];
    let client = Client::start().await;
    for (fault, status, code) in table {
        client.org.fail_next(2, fault);
        for _ in 0..2 {
            let answer = client.upsert("Stripe_Customer__c", "cus_1", json!({})).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
        }
        assert!(client.org.record("Stripe_Customer__c", "cus_1").is_none());
        assert_eq!(client.get("limits").await.status, 200);
    }
    client.org.fail_next(1, Fault::HtmlErrorPage);
    assert!(client.get("limits").await.text.starts_with("<html>"));
    client.org.fail_next(1, Fault::TooManyRequests);
    let response = client.request("GET", "limits").send().await.unwrap();
    assert_eq!(response.headers()["Retry-After"], "2");
}

#[tokio::test]
async fn locked_records_are_refused_one_by_one() {
    let client = Client::start().await;
    client.org.fail_next(1, Fault::RecordLocked);
    let answer = client.upsert_all("Stripe_Customer__c", vec![customer("cus_1"), customer("cus_2")]).await;
    assert_eq!(answer.row_codes(), ["UNABLE_TO_LOCK_ROW"; 2]);
    let answer = client.upsert_all("Stripe_Customer__c", vec![customer("cus_1"), customer("cus_2")]).await;
    assert_eq!(answer.row_codes(), ["ok"; 2]);
}

#[tokio::test]
async fn an_expired_session_needs_another_sign_in() {
    let mut client = Client::start().await;
    client.org.fail_next(1, Fault::SessionExpired);
    for _ in 0..2 {
        let refused = client.get("limits").await;
        assert_eq!((refused.status, refused.code()), (401, "INVALID_SESSION_ID"));
    }
    client.sign_in_again().await;
    assert_eq!(client.get("limits").await.status, 200);
}

#[tokio::test]
async fn a_dropped_call_was_carried_out() {
    let client = Client::start().await;
    client.org.fail_next(1, Fault::DropConnection);
    let path = "sobjects/Stripe_Customer__c/Stripe_Id__c/cus_1";
    assert!(client.request("PATCH", path).json(&json!({})).send().await.is_err());
    assert_eq!(client.org.writes("Stripe_Customer__c", "cus_1"), 1);
    assert_eq!(client.org.calls().last().unwrap().status, 0);
}

#[tokio::test]
async fn a_hanging_call_ends_with_the_callers_patience_or_the_org() {
    let client = Client::start().await;
    client.org.fail_next(2, Fault::Hang);
    let before = client.org.calls().len();
    tokio::select! {
        answer = client.request("GET", "limits").send() => panic!("it was answered: {answer:?}"),
        () = until("a call hangs", async || client.org.calls().len() > before) => {}
    }
    let hanging = tokio::spawn(client.request("GET", "limits").send());
    until("another call hangs", async || client.org.calls().len() > before + 1).await;
    client.org.stop().await;
    assert!(hanging.await.unwrap().is_err());
    client.org.stop().await;
}

#[tokio::test]
async fn sign_in_has_faults_of_its_own() {
    let client = Client::start().await;
    client.org.fail_next(1, Fault::InvalidGrant);
    client.org.fail_next(1, Fault::SignInUnavailable);
    assert_eq!(client.get("limits").await.status, 200);
    let refused = client.sign_in(client.claims()).await;
    assert_eq!((refused.status, &refused.body["error"]), (400, &json!("invalid_grant")), "{refused:?}");
    assert_eq!(client.sign_in(client.claims()).await.status, 503);
    assert_eq!(client.sign_in(client.claims()).await.status, 200);
}

#[tokio::test]
async fn an_outage_lasts_until_it_ends() {
    let client = Client::start().await;
    client.org.set_outage(true);
    assert_eq!(client.get("limits").await.status, 503);
    assert_eq!(client.sign_in(client.claims()).await.status, 503);
    client.org.set_outage(false);
    assert_eq!(client.get("limits").await.status, 200);
}

#[tokio::test]
async fn people_ask_for_faults_over_http() {
    let client = Client::start().await;
    let ask = async |body: serde_json::Value| {
        let request = client.http.post(format!("{}/_sandbox/faults", client.org.base_url())).json(&body);
        Read::of(request.send().await.unwrap()).await
    };
    let names = client.get("/_sandbox/faults").await;
    for name in names.body["faults"].as_array().unwrap() {
        assert!(Fault::from_str(name.as_str().unwrap()).is_ok());
    }
    assert_eq!(ask(json!({"fault": "record_locked", "count": 2})).await.status, 204);
    for expected in ["UNABLE_TO_LOCK_ROW", "UNABLE_TO_LOCK_ROW", "ok"] {
        assert_eq!(
            client.upsert_all("Stripe_Customer__c", vec![customer("cus_1")]).await.row_codes(),
            [expected]
        );
    }
    assert_eq!(ask(json!({"outage": true})).await.status, 204);
    assert_eq!(client.get("limits").await.status, 503);
    assert_eq!(ask(json!({"outage": false, "expireSessions": true, "latencyMs": 1})).await.status, 204);
    assert_eq!(client.get("limits").await.status, 401);
    for wrong in [json!({"fault": "earthquake"}), json!({"faults": 1}), json!([])] {
        assert_eq!(ask(wrong).await.status, 400);
    }
}

#[tokio::test]
async fn a_connection_that_closes_may_or_may_not_have_done_its_work() {
    let client = Client::start().await;
    for (fault, done) in [(Fault::RefuseConnection, false), (Fault::DropConnection, true)] {
        client.org.fail_next(1, fault);
        let id = format!("cus_{}", fault.name());
        let body = customer(&id);
        let request = client.request("PATCH", "composite/sobjects/Stripe_Customer__c/Stripe_Id__c");
        let sent = request.json(&json!({ "allOrNone": false, "records": [body] })).send().await;
        let answered = match sent {
            Ok(response) => response.bytes().await.is_ok(),
            Err(_) => false,
        };
        assert!(!answered, "{fault:?}");
        assert_eq!(client.org.record("Stripe_Customer__c", &id).is_some(), done, "{fault:?}");
    }
    client.org.fail_next(1, Fault::MalformedAnswer);
    let text = client.request("GET", "limits").send().await.unwrap().text().await.unwrap();
    assert!(text.starts_with('{') && serde_json::from_str::<serde_json::Value>(&text).is_err(), "{text}");
}

#[tokio::test]
async fn an_object_that_is_not_set_up_refuses_its_own_records() {
    let client = Client::start().await;
    client.org.reject_object("Stripe_Customer__c", "INVALID_FIELD", "No such column 'Phone__c'");
    let answer = client.upsert_all("Stripe_Customer__c", vec![customer("cus_1")]).await;
    assert_eq!(answer.row_codes(), ["INVALID_FIELD"]);
    client.org.mend_object("Stripe_Customer__c");
    let answer = client.upsert_all("Stripe_Customer__c", vec![customer("cus_1")]).await;
    assert_eq!(answer.row_codes(), ["ok"]);
}
