//! Who may call: the keys, over HTTP and in both databases.

use std::time::Duration;

use paybridge::api::{Scope, issue};
use paybridge::store::{Error, api_keys};

use super::Desk;
use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(keys_are_found_listed_and_withdrawn_once);

async fn keys_are_found_listed_and_withdrawn_once(bridge: Bridge) {
    let now = bridge.clock.now();
    let (key, _token) = issue("flow", &[Scope::PaymentsRead, Scope::OpsWrite], now, None).unwrap();
    let (id, stored) = (key.id.clone(), key.clone());
    let (found, listed) = bridge
        .store()
        .write(move |conn| {
            api_keys::create(conn, &key)?;
            Ok((api_keys::find(conn, &key.id)?, api_keys::list(conn)?))
        })
        .await
        .unwrap();
    assert_eq!(stored.scopes, "payments:read ops:write");
    assert_eq!((found, listed), (Some(stored.clone()), vec![stored.clone()]));
    let twice = bridge.store().write(move |conn| api_keys::create(conn, &stored)).await;
    assert!(matches!(twice, Err(Error::Conflict(_))), "{twice:?}");
    let (first, second, row) = bridge
        .store()
        .write(move |conn| {
            let first = api_keys::revoke(conn, &id, 7)?;
            Ok((first, api_keys::revoke(conn, &id, 8)?, api_keys::find(conn, &id)?))
        })
        .await
        .unwrap();
    assert_eq!((first, second, row.unwrap().revoked_at), (true, false, Some(7)));
    assert_eq!(bridge.store().read(|conn| api_keys::find(conn, "nobody")).await.unwrap(), None);
}

#[tokio::test]
async fn only_a_living_key_opens() {
    let mut desk = Desk::start().await;
    let short = desk.key(&[Scope::PaymentsRead], Some(Duration::from_secs(60))).await;
    let revoked = desk.key(&[Scope::PaymentsRead], None).await;
    let id = revoked.split('_').nth(1).unwrap().to_owned();
    assert!(desk.store.write(move |conn| api_keys::revoke(conn, &id, 1)).await.unwrap());
    assert_eq!(desk.store.read(api_keys::list).await.unwrap().len(), 3);
    desk.clock.advance(Duration::from_secs(61));
    let forged = format!("{}x", &desk.token[..desk.token.len() - 1]);
    for (token, code) in [
        (short.as_str(), "credentials_expired"),
        (&revoked, "credentials_invalid"),
        (&forged, "credentials_invalid"),
        ("pb_none_none", "credentials_invalid"),
        ("pb_", "credentials_invalid"),
        ("sk_test_x", "credentials_invalid"),
        ("", "credentials_missing"),
    ] {
        desk.token = token.to_owned();
        for path in ["/v1/customers/cus_1", "/v1/nothing"] {
            let got = desk.get(path).await;
            assert_eq!(got.problem(), (401, code), "{token}");
            assert_eq!(got.headers["www-authenticate"], "Bearer");
        }
    }
    desk.token = "Bearer pb_none_none".to_owned();
    let got = desk.get("/v1/customers/cus_1").await;
    assert_eq!(got.problem(), (401, "credentials_invalid"));
    assert!(got.body["detail"].as_str().unwrap().contains("says `Bearer` twice"), "{:#}", got.body);
    assert!(desk.stripe.calls().is_empty());
}
