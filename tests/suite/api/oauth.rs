//! `/oauth/token`, as Salesforce and scripts use it, and everything that must not open.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use paybridge::api::Scope;
use paybridge::auth::certificate;
use paybridge::store::certificates::{self, Certificate};
use paybridge::store::{api_keys, assertions};
use serde_json::{Value, json};

use super::{Desk, Got, TOKEN_SECRET, auth_config};
use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(an_assertion_is_taken_once_and_forgotten_when_it_is_over);

/// The certificate of an org, and the key behind it. Made for this test: `openssl req -x509 -newkey rsa:2048 -nodes -days 36500`.
const ORG_CERTIFICATE: &str = include_str!("../../fixtures/certificates/org.crt");
const ORG_KEY: &str = include_str!("../../fixtures/certificates/org.key");
/// Somebody else's.
const OTHER_KEY: &str = include_str!("../../fixtures/certificates/other.key");

const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");
const BEARER: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");

impl Desk {
    /// Asks for a token by a form.
    pub(super) async fn form(&self, form: &[(&str, &str)]) -> Got {
        self.send(self.http.post(format!("{}/oauth/token", self.base)).form(form)).await
    }

    /// A new client: id and secret.
    async fn client(&self, scopes: &[Scope]) -> (String, String) {
        let key = self.key(scopes, None).await;
        let (id, secret) = key.strip_prefix("pb_").unwrap().split_once('_').unwrap();
        (id.to_owned(), secret.to_owned())
    }

    /// Trusts the org's certificate for a client.
    async fn trust(&self, key_id: &str) {
        let read = certificate::read(ORG_CERTIFICATE).unwrap();
        let row = Certificate {
            key_id: key_id.to_owned(),
            fingerprint: read.fingerprint,
            certificate: ORG_CERTIFICATE.to_owned(),
            expires_at: read.expires_at_ms,
            created_at: 1,
            revoked_at: None,
        };
        self.store.write(move |conn| certificates::trust(conn, &row)).await.unwrap();
    }

    fn now(&self) -> i64 {
        self.clock.now().unix_timestamp()
    }

    /// What the org says when it signs for a client.
    fn claims(&self, key_id: &str) -> Value {
        json!({ "iss": key_id, "sub": "integration@example.com", "aud": "paybridge",
                "exp": self.now() + 120, "iat": self.now(), "nbf": self.now() })
    }
}

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(ORG_KEY.as_bytes()).unwrap();
    encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
}

impl Got {
    #[track_caller]
    fn refused(&self, status: u16, error: &str) {
        assert_eq!((self.status, &self.body["error"]), (status, &json!(error)), "{:#}", self.body);
        assert!(!self.body["error_description"].as_str().unwrap().is_empty());
        assert_eq!(self.body["requestId"], self.headers["x-request-id"].to_str().unwrap());
        assert_eq!(self.headers["cache-control"], "no-store");
        assert!(self.body.get("access_token").is_none());
    }
}

#[tokio::test]
async fn a_client_gets_a_token_by_body_or_by_basic_and_the_token_opens() {
    let mut desk = Desk::start().await;
    let (id, secret) = desk.client(&[Scope::PaymentsWrite, Scope::OpsRead]).await;
    let by_body = desk.form(&[CREDENTIALS, ("client_id", &id), ("client_secret", &secret)]).await;
    let request = desk.http.post(format!("{}/oauth/token", desk.base)).basic_auth(&id, Some(&secret));
    let by_basic = desk.send(request.form(&[CREDENTIALS, ("client_id", &id)])).await;
    for got in [by_body, by_basic] {
        assert_eq!(got.headers["cache-control"], "no-store");
        let granted = got.is(200);
        assert_eq!(granted["token_type"], "Bearer");
        assert_eq!(granted["expires_in"], 900);
        assert_eq!(granted["scope"], "payments:write ops:read");
        desk.token = granted["access_token"].as_str().unwrap().to_owned();
        desk.post("/v1/customers", &json!({ "name": "Ada" })).await.is(201);
    }
    // It ends by itself, and Salesforce is told so by a 401.
    desk.clock.advance(Duration::from_secs(899));
    desk.get("/v1/customers/cus_1").await.is(404);
    desk.clock.advance(Duration::from_secs(1));
    let ended = desk.get("/v1/customers/cus_1").await;
    assert_eq!(ended.problem(), (401, "credentials_expired"));
    assert_eq!(ended.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn a_token_carries_only_the_scopes_that_were_asked_for_and_that_the_client_still_has() {
    let mut desk = Desk::start().await;
    let (id, secret) = desk.client(&[Scope::PaymentsWrite]).await;
    let ask = |scope: &'static str| {
        let form = [CREDENTIALS, ("client_id", &id), ("client_secret", &secret), ("scope", scope)];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = desk.http.post(format!("{}/oauth/token", desk.base)).form(&form);
        desk.send(request)
    };
    ask("ops:read").await.refused(400, "invalid_scope");
    ask("payments:write admin").await.refused(400, "invalid_scope");
    let granted = ask("payments:read payments:read").await.is(200);
    assert_eq!(granted["scope"], "payments:read");
    desk.token = granted["access_token"].as_str().unwrap().to_owned();
    desk.get("/v1/customers/cus_1").await.is(404);
    assert_eq!(desk.post("/v1/customers", &json!({})).await.problem(), (403, "insufficient_scope"));
}

#[tokio::test]
async fn requests_for_tokens_that_are_wrong_are_answered_as_rfc_6749_says() {
    let desk = Desk::start().await;
    let (id, secret) = desk.client(&[Scope::PaymentsRead]).await;
    let (id, secret) = (id.as_str(), secret.as_str());
    for (form, status, error) in [
        (vec![], 400, "invalid_request"),
        (vec![("grant_type", "password")], 400, "unsupported_grant_type"),
        (vec![CREDENTIALS], 401, "invalid_client"),
        (vec![CREDENTIALS, ("client_secret", secret)], 400, "invalid_request"),
        (vec![CREDENTIALS, ("client_id", id), ("client_secret", "")], 401, "invalid_client"),
        (vec![CREDENTIALS, ("client_id", id), ("client_secret", "wrong")], 401, "invalid_client"),
        (vec![CREDENTIALS, ("client_id", "nobody"), ("client_secret", secret)], 401, "invalid_client"),
        (vec![CREDENTIALS, CREDENTIALS], 400, "invalid_request"),
        (
            vec![CREDENTIALS, ("client_id", id), ("client_secret", secret), ("client_assertion", "a.b.c")],
            400,
            "invalid_request",
        ),
        (vec![CREDENTIALS, ("client_assertion", "a.b.c")], 400, "invalid_request"),
        (vec![BEARER], 400, "invalid_request"),
        (vec![BEARER, ("assertion", "a.b.c")], 400, "invalid_grant"),
    ] {
        desk.form(&form).await.refused(status, error);
    }
    // Unknown and wrong are told in the same words.
    let wrong = desk.form(&[CREDENTIALS, ("client_id", id), ("client_secret", "wrong")]).await;
    let unknown = desk.form(&[CREDENTIALS, ("client_id", "nobody"), ("client_secret", "wrong")]).await;
    assert_eq!(wrong.body["error_description"], unknown.body["error_description"]);

    let url = format!("{}/oauth/token", desk.base);
    let basic = desk.send(desk.http.post(&url).basic_auth(id, Some("wrong")).form(&[CREDENTIALS])).await;
    basic.refused(401, "invalid_client");
    assert_eq!(basic.headers["www-authenticate"], "Basic realm=\"paybridge\"");
    for header in ["Basic !!!", "Basic", "Basic YQ==", "Bearer YTpi"] {
        let request = desk.http.post(&url).header("Authorization", header).form(&[CREDENTIALS]);
        desk.send(request).await.refused(401, "invalid_client");
    }
    let json = desk.http.post(&url).json(&json!({ "grant_type": "client_credentials" }));
    desk.send(json).await.refused(400, "invalid_request");
    let long = desk.http.post(&url).form(&[("grant_type", "x".repeat(20_000))]);
    desk.send(long).await.refused(400, "invalid_request");
    let get = desk.send(desk.http.get(&url)).await;
    get.refused(405, "invalid_request");
    assert_eq!(get.headers["allow"], "POST");
}

#[tokio::test]
async fn an_org_gets_a_token_by_what_its_certificate_signed() {
    let mut desk = Desk::start().await;
    let (id, _secret) = desk.client(&[Scope::PaymentsRead]).await;
    let assertion = signed(&desk.claims(&id));
    desk.form(&[BEARER, ("assertion", &assertion)]).await.refused(400, "invalid_grant");
    desk.trust(&id).await;
    let granted = desk.form(&[BEARER, ("assertion", &assertion)]).await.is(200);
    desk.token = granted["access_token"].as_str().unwrap().to_owned();
    desk.get("/v1/customers/cus_1").await.is(404);
    // Without a `jti` two users of the org may send the same text in one second. With one it counts once.
    desk.form(&[BEARER, ("assertion", &assertion)]).await.is(200);
    let mut claims = desk.claims(&id);
    claims["jti"] = json!("one");
    let once = signed(&claims);
    desk.form(&[BEARER, ("assertion", &once)]).await.is(200);
    desk.form(&[BEARER, ("assertion", &once)]).await.refused(400, "invalid_grant");
    // The audience may be one of several.
    claims = desk.claims(&id);
    claims["aud"] = json!(["https://elsewhere.example", "paybridge"]);
    desk.form(&[BEARER, ("assertion", &signed(&claims))]).await.is(200);
    // As a client's proof about itself it has to be about itself.
    let own = |claims: &Value| {
        let form = [
            CREDENTIALS,
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &signed(claims)),
        ];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        desk.send(desk.http.post(format!("{}/oauth/token", desk.base)).form(&form))
    };
    own(&desk.claims(&id)).await.refused(401, "invalid_client");
    claims = desk.claims(&id);
    claims["sub"] = json!(id);
    own(&claims).await.is(200);
}

#[tokio::test]
async fn an_assertion_that_is_wrong_in_any_way_gives_no_token() {
    let desk = Desk::start().await;
    let (id, secret) = desk.client(&[Scope::PaymentsRead]).await;
    desk.trust(&id).await;
    let (other, _) = desk.client(&[Scope::PaymentsRead]).await;
    let good = desk.claims(&id);
    desk.form(&[BEARER, ("assertion", &signed(&good))]).await.is(200);
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        if claims[name].is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
        signed(&claims)
    };
    let rsa = |key: &str| EncodingKey::from_rsa_pem(key.as_bytes()).unwrap();
    let with = |header: Header, key: &EncodingKey| encode(&header, &good, key).unwrap();
    let unsigned = {
        let parts: Vec<_> = signed(&good).split('.').map(str::to_owned).collect();
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1])
    };
    let token = desk.form(&[CREDENTIALS, ("client_id", &id), ("client_secret", &secret)]).await.is(200);
    let pem = EncodingKey::from_secret(ORG_CERTIFICATE.as_bytes());
    for (what, assertion) in [
        ("expired", changed("exp", json!(desk.now() - 60))),
        ("without an end", changed("exp", Value::Null)),
        ("an end far away", changed("exp", json!(desk.now() + 700))),
        ("an end that is text", changed("exp", json!("tomorrow"))),
        ("begins later", changed("nbf", json!(desk.now() + 90))),
        ("made later", changed("iat", json!(desk.now() + 90))),
        ("for another service", changed("aud", json!("https://elsewhere.example"))),
        ("for nobody", changed("aud", Value::Null)),
        ("of nobody", changed("iss", Value::Null)),
        ("of a client that does not exist", changed("iss", json!("nobody"))),
        ("of a client that has no certificate", changed("iss", json!(other))),
        ("signed by another key", with(Header::new(Algorithm::RS256), &rsa(OTHER_KEY))),
        ("another algorithm", with(Header::new(Algorithm::RS512), &rsa(ORG_KEY))),
        ("RSA taken for HMAC", with(Header::new(Algorithm::HS256), &pem)),
        (
            "HMAC by the client's secret",
            with(Header::new(Algorithm::HS256), &EncodingKey::from_secret(secret.as_bytes())),
        ),
        ("not signed", unsigned),
        ("an access token", token["access_token"].as_str().unwrap().to_owned()),
        ("long", "x".repeat(9_000)),
        ("nothing", ".".to_owned()),
    ] {
        let got = desk.form(&[BEARER, ("assertion", &assertion)]).await;
        assert_eq!(
            (got.status, &got.body["error"]),
            (400, &json!("invalid_grant")),
            "{what}: {:#}",
            got.body
        );
    }
    // Who is unknown and who signs wrongly are told in the same words.
    let unknown = desk.form(&[BEARER, ("assertion", &changed("iss", json!("nobody")))]).await;
    let forged = with(Header::new(Algorithm::RS256), &rsa(OTHER_KEY));
    let forged = desk.form(&[BEARER, ("assertion", &forged)]).await;
    assert_eq!(unknown.body["error_description"], forged.body["error_description"]);
    // A certificate that is trusted no more signs no more.
    let fingerprint = certificate::read(ORG_CERTIFICATE).unwrap().fingerprint;
    let key_id = id.clone();
    let gone =
        desk.store.write(move |conn| certificates::distrust(conn, &key_id, &fingerprint, 2)).await.unwrap();
    assert!(gone);
    desk.clock.advance(Duration::from_secs(5));
    desk.form(&[BEARER, ("assertion", &signed(&desk.claims(&id)))]).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_forged_token_does_not_open() {
    let mut desk = Desk::start().await;
    let (id, secret) = desk.client(&[Scope::PaymentsRead]).await;
    let granted = desk.form(&[CREDENTIALS, ("client_id", &id), ("client_secret", &secret)]).await.is(200);
    let token = granted["access_token"].as_str().unwrap().to_owned();
    let header: Header = jsonwebtoken::decode_header(&token).unwrap();
    let claims = json!({ "iss": "paybridge", "aud": "paybridge", "sub": id, "scope": "payments:read payments:write",
                         "iat": desk.now(), "exp": desk.now() + 60 });
    let ours = EncodingKey::from_secret(TOKEN_SECRET.as_bytes());
    let make = |header: &Header, claims: &Value, key: &EncodingKey| encode(header, claims, key).unwrap();
    let changed = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        make(&header, &claims, &ours)
    };
    let parts: Vec<_> = token.split('.').collect();
    let rsa = EncodingKey::from_rsa_pem(ORG_KEY.as_bytes()).unwrap();
    let (mut hs512, mut rs256, mut plain, mut unnamed) =
        (header.clone(), header.clone(), header.clone(), header.clone());
    hs512.alg = Algorithm::HS512;
    rs256.alg = Algorithm::RS256;
    plain.typ = Some("JWT".to_owned());
    unnamed.kid = Some("00000000".to_owned());
    for (what, token, code) in [
        ("expired", changed("exp", json!(desk.now())), "credentials_expired"),
        ("for another service", changed("aud", json!("elsewhere")), "credentials_invalid"),
        ("of another service", changed("iss", json!("elsewhere")), "credentials_invalid"),
        ("of a key that does not exist", changed("sub", json!("nobody")), "credentials_invalid"),
        ("without an end", changed("exp", Value::Null), "credentials_invalid"),
        (
            "signed by another secret",
            make(&header, &claims, &EncodingKey::from_secret(&[7; 32])),
            "credentials_invalid",
        ),
        (
            "signed by the secret of a key",
            make(&header, &claims, &EncodingKey::from_secret(secret.as_bytes())),
            "credentials_invalid",
        ),
        ("another algorithm", make(&hs512, &claims, &ours), "credentials_invalid"),
        ("RSA", make(&rs256, &claims, &rsa), "credentials_invalid"),
        ("not an access token", make(&plain, &claims, &ours), "credentials_invalid"),
        ("an unknown secret", make(&unnamed, &claims, &ours), "credentials_invalid"),
        ("an assertion", signed(&desk.claims(&id)), "credentials_invalid"),
        (
            "not signed",
            format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", parts[1]),
            "credentials_invalid",
        ),
        ("its signature cut off", format!("{}.{}.", parts[0], parts[1]), "credentials_invalid"),
        (
            "changed",
            format!("{}.{}.{}", parts[0], parts[1].replacen('e', "f", 1), parts[2]),
            "credentials_invalid",
        ),
        ("long", "x".repeat(60_000), "credentials_invalid"),
    ] {
        desk.token = token;
        assert_eq!(desk.get("/v1/customers/cus_1").await.problem(), (401, code), "{what}");
    }
    // Somebody who knows the secret cannot get more than the key has now.
    desk.token = make(&header, &claims, &ours);
    assert_eq!(desk.post("/v1/customers", &json!({})).await.problem(), (403, "insufficient_scope"));
    desk.get("/v1/customers/cus_1").await.is(404);
}

#[tokio::test]
async fn what_is_revoked_ends_within_five_seconds_tokens_included() {
    let mut desk = Desk::start().await;
    let (id, secret) = desk.client(&[Scope::PaymentsRead]).await;
    let granted = desk.form(&[CREDENTIALS, ("client_id", &id), ("client_secret", &secret)]).await.is(200);
    let key = format!("pb_{id}_{secret}");
    let tokens = [granted["access_token"].as_str().unwrap(), key.as_str()];
    let revoked = id.clone();
    assert!(desk.store.write(move |conn| api_keys::revoke(conn, &revoked, 1)).await.unwrap());
    desk.clock.advance(Duration::from_secs(5));
    for token in tokens {
        desk.token = token.to_owned();
        assert_eq!(desk.get("/v1/customers/cus_1").await.problem(), (401, "credentials_invalid"));
    }
    desk.form(&[CREDENTIALS, ("client_id", &id), ("client_secret", &secret)])
        .await
        .refused(401, "invalid_client");
}

#[tokio::test]
async fn a_token_ends_with_its_key_and_outlives_the_rotation_of_the_secret_that_signed_it() {
    let old = Desk::start().await;
    let key = old.key(&[Scope::PaymentsRead], Some(Duration::from_secs(100))).await;
    let (id, secret) = key.strip_prefix("pb_").unwrap().split_once('_').unwrap();
    let form = [CREDENTIALS, ("client_id", id), ("client_secret", secret)];
    let granted = old.form(&form).await.is(200);
    assert_eq!(granted["expires_in"], 100);
    let token = granted["access_token"].as_str().unwrap();
    // The next start signs with a new secret and still reads what the old one signed.
    let mut config = auth_config();
    config.token_secrets.insert(0, "a-newer-secret-by-which-tokens-are-signed".to_owned().into());
    let new = paybridge::auth::Auth::new(&config, old.store.clone(), old.clock.clone()).unwrap();
    assert_eq!(new.authenticate(token, None).await.unwrap().key_id, id);
    let without =
        paybridge::config::AuthConfig { token_secrets: config.token_secrets[..1].to_vec(), ..config };
    let later = paybridge::auth::Auth::new(&without, old.store.clone(), old.clock.clone()).unwrap();
    assert!(later.authenticate(token, None).await.is_err());
    old.clock.advance(Duration::from_secs(100));
    old.form(&form).await.refused(401, "invalid_client");
}

#[tokio::test]
async fn both_secrets_are_good_while_a_key_is_rotated() {
    let mut desk = Desk::start().await;
    let (id, first) = desk.client(&[Scope::PaymentsRead]).await;
    let mut secrets = vec![first];
    for overlap_s in [3_600, 60] {
        let (secret, hash) = paybridge::auth::new_secret().unwrap();
        let (rotated, until) = (id.clone(), (desk.now() + overlap_s) * 1_000);
        assert!(desk.store.write(move |conn| api_keys::rotate(conn, &rotated, &hash, until)).await.unwrap());
        secrets.push(secrecy::ExposeSecret::expose_secret(&secret).to_owned());
    }
    desk.clock.advance(Duration::from_secs(5));
    for (seconds, expected) in [(0, [401, 404, 404]), (60, [401, 401, 404])] {
        desk.clock.advance(Duration::from_secs(seconds));
        let mut got = Vec::new();
        for secret in &secrets {
            desk.token = format!("pb_{id}_{secret}");
            got.push(desk.get("/v1/customers/cus_1").await.status);
        }
        assert_eq!(got, expected, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_key_may_be_bound_to_an_account_or_to_an_org() {
    let mut desk = Desk::start().await;
    for (account, org, named, expected) in [
        (Some("france"), None, None, (404, "resource_missing")),
        (Some("france"), None, Some("france"), (404, "resource_missing")),
        (Some("france"), None, Some("main"), (403, "account_not_allowed")),
        (Some("france"), None, Some("spain"), (422, "unknown_account")),
        (None, Some("europe"), None, (404, "resource_missing")),
        (None, Some("europe"), Some("main"), (403, "account_not_allowed")),
        (None, Some("main"), Some("france"), (403, "account_not_allowed")),
        (None, Some("nowhere"), None, (403, "account_not_allowed")),
        (None, None, Some("france"), (404, "resource_missing")),
    ] {
        let (mut key, token) =
            paybridge::api::issue("bound", &[Scope::PaymentsRead], desk.clock.now(), None).unwrap();
        (key.account, key.org) = (account.map(str::to_owned), org.map(str::to_owned));
        desk.store.write(move |conn| api_keys::create(conn, &key)).await.unwrap();
        desk.token = secrecy::ExposeSecret::expose_secret(&token).to_owned();
        let mut request = desk.request("GET", "/v1/customers/cus_1");
        if let Some(name) = named {
            request = request.header("X-Paybridge-Account", name);
        }
        assert_eq!(desk.send(request).await.problem(), expected, "{account:?} {org:?} {named:?}");
    }
}

#[tokio::test]
async fn a_bound_key_sees_nothing_that_is_of_all_accounts() {
    let desk = Desk::start().await;
    let auth = paybridge::auth::Auth::new(&auth_config(), desk.store.clone(), desk.clock.clone()).unwrap();
    for (account, sees) in [(None, true), (Some("france"), false)] {
        let scopes = [Scope::PaymentsRead, Scope::OpsWrite];
        let (mut key, token) = paybridge::api::issue("bound", &scopes, desk.clock.now(), None).unwrap();
        key.account = account.map(str::to_owned);
        desk.store.write(move |conn| api_keys::create(conn, &key)).await.unwrap();
        let caller = auth.authenticate(secrecy::ExposeSecret::expose_secret(&token), None).await.unwrap();
        assert!(caller.may(Scope::PaymentsRead));
        assert_eq!((caller.may(Scope::OpsRead), caller.may(Scope::OpsWrite)), (sees, sees));
    }
}

#[tokio::test]
async fn headers_of_any_size_are_answered_or_cut_off_and_the_service_goes_on() {
    let mut desk = Desk::start().await;
    let good = std::mem::replace(&mut desk.token, "x".repeat(100_000));
    assert_eq!(desk.get("/v1/customers/cus_1").await.problem(), (401, "credentials_invalid"));
    for request in [
        desk.http.get(format!("{}/v1/customers/cus_1", desk.base)).bearer_auth("x".repeat(1_000_000)),
        desk.http
            .post(format!("{}/oauth/token", desk.base))
            .header("Authorization", "Basic ".repeat(200_000)),
    ] {
        // The connection may end before the request is sent whole.
        if let Ok(answer) = request.send().await {
            assert!(answer.status().is_client_error(), "{}", answer.status());
        }
    }
    desk.token = good;
    desk.get("/v1/customers/cus_1").await.is(404);
}

async fn an_assertion_is_taken_once_and_forgotten_when_it_is_over(bridge: Bridge) {
    let taken = bridge.store().write(|conn| {
        Ok([
            assertions::take(conn, "a", 100, 1)?,
            assertions::take(conn, "a", 100, 99)?,
            assertions::take(conn, "b", 200, 99)?,
            assertions::take(conn, "a", 200, 100)?,
            assertions::take(conn, "b", 200, 199)?,
        ])
    });
    assert_eq!(taken.await.unwrap(), [true, false, true, true, false]);
}
