//! No secret is ever in the log, whatever is sent and however much is logged.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use paybridge::api::{Scope, issue};
use paybridge::auth::certificate;
use paybridge::store::certificates::{self, Certificate};
use paybridge::store::{Backend, Store, api_keys};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::bridge::{STRIPE_KEY, WEBHOOK_SECRET, database};
use crate::process::Service;

const TOKEN_SECRET: &str = "a-secret-that-signs-tokens-and-is-in-no-log";
const ORG_CERTIFICATE: &str = include_str!("../../fixtures/certificates/org.crt");
const ORG_KEY: &str = include_str!("../../fixtures/certificates/org.key");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_and_no_token_is_in_the_log_even_when_everything_is_logged() {
    let directory = tempfile::tempdir().unwrap();
    let url = database(Backend::Sqlite, &directory);
    let store = Store::open(&url.clone().into(), 2).unwrap();
    let now = OffsetDateTime::now_utc();
    let (key, token) = issue("scanned", &[Scope::PaymentsWrite], now, None).unwrap();
    let read = certificate::read(ORG_CERTIFICATE).unwrap();
    let trusted = Certificate {
        key_id: key.id.clone(),
        fingerprint: read.fingerprint,
        certificate: ORG_CERTIFICATE.to_owned(),
        expires_at: read.expires_at_ms,
        created_at: 1,
        revoked_at: None,
    };
    let (id, hash) = (key.id.clone(), key.hash.clone());
    let made = store.write(move |conn| {
        api_keys::create(conn, &key)?;
        certificates::trust(conn, &trusted)
    });
    made.await.unwrap();
    let mut service = Service::start_with(
        &url,
        &[("PAYBRIDGE__LOG__LEVEL", "trace"), ("PAYBRIDGE__AUTH__TOKEN_SECRETS", TOKEN_SECRET)],
    );

    let http = reqwest::Client::new();
    let base = format!("http://{}", service.address);
    let token = token.expose_secret().to_owned();
    let secret = token.rsplit('_').next().unwrap().to_owned();
    let wrong = "wr0ngs3cr3t".repeat(4);
    let claims = json!({ "iss": id, "aud": "paybridge", "exp": now.unix_timestamp() + 100, "jti": "once" });
    let org = EncodingKey::from_rsa_pem(ORG_KEY.as_bytes()).unwrap();
    let assertion = encode(&Header::new(Algorithm::RS256), &claims, &org).unwrap();
    let ask = |form: Vec<(&'static str, String)>| {
        let request = http.post(format!("{base}/oauth/token")).form(&form);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let credentials = |secret: &str| {
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", id.clone()),
            ("client_secret", secret.to_owned()),
        ]
    };
    let granted = ask(credentials(&secret)).await;
    let access = granted["access_token"].as_str().unwrap().to_owned();
    ask(credentials(&wrong)).await;
    let bearer = || {
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned();
        vec![("grant_type", grant), ("assertion", assertion.clone())]
    };
    assert!(ask(bearer()).await["access_token"].is_string());
    assert!(ask(bearer()).await["error"].is_string());
    let basic = http.post(format!("{base}/oauth/token")).basic_auth(&id, Some(&wrong));
    basic.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
    let forged = format!("{}x", &access[..access.len() - 2]);
    for bearer in [&token, &access, &forged, &format!("pb_{id}_{wrong}"), &"h".repeat(60_000)] {
        for path in ["/v1/customers/cus_1", "/v1/nothing"] {
            http.get(format!("{base}{path}")).bearer_auth(bearer).send().await.unwrap();
        }
        let body = json!({ "name": "Ada Brandt", "email": "ada@example.com" });
        http.post(format!("{base}/v1/customers")).bearer_auth(bearer).json(&body).send().await.unwrap();
    }
    service.stop();

    let log = service.log.lock().unwrap().clone();
    // The scan would find something: what happened is there.
    for expected in ["invalid_client", "invalid_grant", "uses recorded", "/v1/customers"] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    let signature = |signed: &str| signed.rsplit('.').next().unwrap().to_owned();
    for secret in [
        &secret,
        &hash,
        &wrong,
        &access,
        &signature(&access),
        &signature(&forged),
        &assertion,
        &signature(&assertion),
        &"h".repeat(100),
        &TOKEN_SECRET.to_owned(),
        &STRIPE_KEY.to_owned(),
        &WEBHOOK_SECRET.to_owned(),
        &"ada@example.com".to_owned(),
        &"Ada Brandt".to_owned(),
    ] {
        let found = log.lines().find(|line| line.contains(secret.as_str()));
        assert!(found.is_none(), "`{secret}` is in the log: {}", found.unwrap_or_default());
    }
}
