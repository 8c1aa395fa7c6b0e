//! Assertions, access tokens, keys and certificates that nobody gave out.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use paybridge::api::{Scope, issue};
use paybridge::auth::{Auth, Proof, certificate};
use paybridge::clock::Clock;
use paybridge::config::AuthConfig;
use paybridge::store::certificates::{self, Certificate};
use paybridge::store::{Store, api_keys};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use serde_json::value::RawValue;

use super::hostile::{Damage, damaged, damages, json_value};
use super::{Cost, fuzz};

const ORG_CERTIFICATE: &str = include_str!("../../fixtures/certificates/org.crt");
const ORG_KEY: &str = include_str!("../../fixtures/certificates/org.key");
const NOW: i64 = 1_795_190_400;

/// Who may call, with one caller that has a certificate.
struct Gate {
    auth: Auth,
    clock: Clock,
    runtime: tokio::runtime::Runtime,
    id: String,
    key: String,
    _files: tempfile::TempDir,
}

impl Gate {
    fn open() -> Self {
        let files = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", files.path().join("auth.db").display());
        let store = Store::open(&SecretString::from(url), 2).unwrap();
        let clock = Clock::manual(time::OffsetDateTime::from_unix_timestamp(NOW).unwrap());
        let (key, token) = issue("fuzz", &[Scope::PaymentsRead], clock.now(), None).unwrap();
        let id = key.id.clone();
        let read = certificate::read(ORG_CERTIFICATE).unwrap();
        let trusted = Certificate {
            key_id: id.clone(),
            fingerprint: read.fingerprint,
            certificate: ORG_CERTIFICATE.to_owned(),
            expires_at: read.expires_at_ms,
            created_at: 1,
            revoked_at: None,
        };
        store
            .write_blocking(|conn| {
                api_keys::create(conn, &key)?;
                certificates::trust(conn, &trusted)
            })
            .unwrap();
        let config = AuthConfig {
            token_secrets: vec!["0123456789abcdef0123456789abcdef".into()],
            audience: "paybridge".to_owned(),
            token_life: Duration::from_secs(900),
            requests_per_minute: u32::MAX,
            failures_per_minute: u32::MAX,
            source_header: None,
        };
        let auth = Auth::new(&config, store, clock.clone()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { auth, clock, runtime, id, key: token.expose_secret().to_owned(), _files: files }
    }

    fn gives_a_token_for(&self, assertion: &str) -> bool {
        self.runtime.block_on(self.auth.token(Proof::Assertion(assertion), None, None)).is_ok()
    }

    fn lets_in(&self, bearer: &str) -> bool {
        self.runtime.block_on(self.auth.authenticate(bearer, None)).is_ok()
    }

    /// What the org says when all is well.
    fn claims(&self) -> String {
        let claims = json!({ "iss": self.id, "sub": "a@example.com", "aud": "paybridge", "exp": NOW + 120, "iat": NOW });
        claims.to_string()
    }
}

/// How a text is signed, as what.
#[derive(Clone, Copy, Debug)]
enum Signer {
    /// By the org, as it should.
    Org,
    /// By HMAC with what everybody knows: the certificate.
    Certificate,
    /// The signature of another text.
    Borrowed,
    Nobody,
}

fn parts() -> impl Strategy<Value = (String, Signer)> {
    let header = prop_oneof![
        4 => select(vec![
            r#"{"alg":"RS256","typ":"JWT"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"none"}"#,
            r#"{"alg":"None","typ":"JWT"}"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#"{"alg":"RS512"}"#,
            r#"{"alg":"PS256"}"#,
            r#"{"alg":"ES256"}"#,
            r#"{"alg":"EdDSA"}"#,
            r#"{"alg":"RS256","alg":"none"}"#,
            r#"{"alg":"RS256","crit":["x"],"x":1}"#,
            r#"{"alg":"RS256","jku":"http://127.0.0.1:9/","kid":"../../etc/passwd"}"#,
            r#"{"alg":"RS256","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}"#,
            r#"{"alg":"RS256","x5c":["AAAA"],"typ":"at+jwt"}"#,
        ]).prop_map(str::to_owned),
        1 => damages().prop_map(|damages| damaged(r#"{"alg":"RS256","typ":"JWT"}"#, &damages)),
    ];
    let signer = select(vec![Signer::Org, Signer::Certificate, Signer::Borrowed, Signer::Nobody]);
    (header, signer)
}

/// `header.claims.signature`.
fn assertion(header: &str, claims: &str, signer: Signer) -> String {
    let org = EncodingKey::from_rsa_pem(ORG_KEY.as_bytes()).unwrap();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let sign = |text: &str, key: &EncodingKey, algorithm| {
        jsonwebtoken::crypto::sign(text.as_bytes(), key, algorithm).unwrap()
    };
    let signature = match signer {
        Signer::Org => sign(&signed, &org, Algorithm::RS256),
        Signer::Certificate => {
            sign(&signed, &EncodingKey::from_secret(ORG_CERTIFICATE.as_bytes()), Algorithm::HS256)
        }
        Signer::Borrowed => sign("another.text", &org, Algorithm::RS256),
        Signer::Nobody => String::new(),
    };
    format!("{signed}.{signature}")
}

#[test]
fn assertions_give_a_token_only_if_the_org_signed_them() {
    let gate = Gate::open();
    let good = gate.claims();
    assert!(gate.gives_a_token_for(&assertion(r#"{"alg":"RS256"}"#, &good, Signer::Org)));
    fuzz("assertions", Cost::Dear, &parts(), |(header, signer)| {
        let taken = gate.gives_a_token_for(&assertion(&header, &good, signer));
        let says_rs256 = jsonwebtoken::decode_header(assertion(&header, "{}", Signer::Nobody))
            .is_ok_and(|read| read.alg == Algorithm::RS256);
        assert!(!taken || (matches!(signer, Signer::Org) && says_rs256), "{header} {signer:?}");
    });
}

#[test]
fn assertions_that_were_changed_after_signing_give_no_token() {
    let gate = Gate::open();
    let good = assertion(r#"{"alg":"RS256","typ":"JWT"}"#, &gate.claims(), Signer::Org);
    let input = prop_oneof![
        (vec((any::<Index>(), any::<u8>()), 1..3)).prop_map(Change::Bytes),
        any::<Index>().prop_map(Change::Cut),
        ".{0,60}".prop_map(Change::Text),
        (0..3_usize, ".{0,40}").prop_map(|(part, text)| Change::Part(part, text)),
    ];
    fuzz("changed assertions", Cost::Dear, &input, |change| {
        let changed = change.of(&good);
        if changed != good {
            assert!(!gate.gives_a_token_for(&changed), "{changed}");
        }
    });
}

#[test]
fn assertions_with_hostile_claims_are_refused_without_harm() {
    let gate = Gate::open();
    let good = gate.claims();
    let times = select(vec![0, 60, -60, 61, -61, 660, 661, 100_000, i64::MAX - NOW, -NOW]);
    let time = (select(vec!["exp", "iat", "nbf"]), times).prop_map(|(name, late)| (name, json!(NOW + late)));
    let other = (select(vec!["iss", "aud", "sub", "jti", "exp"]), json_value()).prop_map(|(name, value)| {
        let value = serde_json::from_str(&value).unwrap_or_default();
        (name, value)
    });
    let input = prop_oneof![
        vec(prop_oneof![time, other], 1..3).prop_map(Claimed::Other),
        damages().prop_map(Claimed::Damaged)
    ];
    fuzz("claims", Cost::Fair, &input, |claimed| {
        let claims = match claimed {
            Claimed::Damaged(damages) => damaged(&good, &damages),
            Claimed::Other(changes) => {
                let mut claims: serde_json::Value = serde_json::from_str(&good).unwrap();
                changes.into_iter().for_each(|(name, value)| claims[name] = value);
                claims.to_string()
            }
        };
        // Signed by the org itself, so every word of it is read.
        if gate.gives_a_token_for(&assertion(r#"{"alg":"RS256"}"#, &claims, Signer::Org)) {
            // What nobody reads may be half a character, which no `Value` takes.
            let read: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&claims).unwrap();
            let said = |name: &str| serde_json::from_str::<serde_json::Value>(read[name].get()).unwrap();
            let (audience, ends) = (said("aud"), said("exp").as_i64().unwrap());
            let ours = audience == "paybridge"
                || audience.as_array().is_some_and(|all| all.contains(&"paybridge".into()));
            assert!(said("iss") == gate.id.as_str() && ours, "{claims}");
            assert!((NOW - 60..=NOW + 660).contains(&ends), "{claims}");
        }
    });
}

/// What the org may come to sign.
#[derive(Clone, Debug)]
enum Claimed {
    Other(Vec<(&'static str, serde_json::Value)>),
    Damaged(Vec<Damage>),
}

/// What somebody does to a text that was good.
#[derive(Clone, Debug)]
enum Change {
    Bytes(Vec<(Index, u8)>),
    Cut(Index),
    Text(String),
    Part(usize, String),
}

impl Change {
    fn of(&self, good: &str) -> String {
        match self {
            Self::Bytes(changes) => {
                let mut bytes = good.as_bytes().to_vec();
                for (at, byte) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Self::Cut(at) => good[..at.index(good.len())].to_owned(),
            Self::Text(text) => text.clone(),
            Self::Part(part, text) => {
                let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
                parts[*part] = URL_SAFE_NO_PAD.encode(text);
                parts.join(".")
            }
        }
    }
}

#[test]
fn tokens_and_keys_that_were_changed_let_nobody_in() {
    let gate = Gate::open();
    let (id, secret) = gate.key.strip_prefix("pb_").unwrap().split_once('_').unwrap();
    let issued = gate.runtime.block_on(gate.auth.token(Proof::Secret { id, secret }, None, None)).unwrap();
    let goods = [gate.key.clone(), issued.token.expose_secret().to_owned()];
    assert!(goods.iter().all(|good| gate.lets_in(good)));
    let change = prop_oneof![
        (vec((any::<Index>(), any::<u8>()), 1..3)).prop_map(Change::Bytes),
        any::<Index>().prop_map(Change::Cut),
        ".{0,60}".prop_map(Change::Text),
    ];
    fuzz("tokens and keys", Cost::Dear, &(0..2_usize, change), |(which, change)| {
        let changed = change.of(&goods[which]);
        if changed != goods[which] {
            assert!(!gate.lets_in(&changed), "{changed}");
        }
    });
    let _stands_still = &gate.clock;
}

#[test]
fn certificates_are_read_or_refused() {
    let der = pem::parse(ORG_CERTIFICATE).unwrap().into_contents();
    let input = prop_oneof![
        4 => vec((any::<Index>(), any::<u8>()), 1..6).prop_map(Damaged::Bytes),
        1 => any::<Index>().prop_map(Damaged::Cut),
        1 => vec(any::<u8>(), 0..200).prop_map(Damaged::Other),
        1 => (1..50_000_usize).prop_map(Damaged::Nested),
        1 => ".{0,100}".prop_map(Damaged::Text),
    ];
    fuzz("certificates", Cost::Fair, &input, |damage| {
        let mut bytes = der.clone();
        match damage {
            Damaged::Bytes(changes) => {
                for (at, byte) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            Damaged::Cut(at) => bytes.truncate(at.index(der.len())),
            Damaged::Other(other) => bytes = other,
            // A sequence in a sequence in a sequence, of a length that nobody gave.
            Damaged::Nested(depth) => bytes = [0x30, 0x80].repeat(depth),
            Damaged::Text(text) => return drop(certificate::read(&text)),
        }
        if let Ok(read) = certificate::read(&pem::encode(&pem::Pem::new("CERTIFICATE", bytes))) {
            assert_eq!(read.fingerprint.len(), 64);
        }
    });
}

#[derive(Clone, Debug)]
enum Damaged {
    Bytes(Vec<(Index, u8)>),
    Cut(Index),
    Other(Vec<u8>),
    Nested(usize),
    Text(String),
}

#[test]
fn headers_of_a_token_that_is_signed_by_us_are_what_they_should_be() {
    // Whoever has the secret of the tokens can sign any header; still only ours is taken.
    let gate = Gate::open();
    let (id, secret) = gate.key.strip_prefix("pb_").unwrap().split_once('_').unwrap();
    let issued = gate.runtime.block_on(gate.auth.token(Proof::Secret { id, secret }, None, None)).unwrap();
    let ours: Header = jsonwebtoken::decode_header(issued.token.expose_secret()).unwrap();
    let key = EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef");
    let claims = json!({ "iss": "paybridge", "aud": "paybridge", "sub": id, "scope": "payments:read", "iat": NOW, "exp": NOW + 60 });
    let input =
        (prop_oneof![".{0,12}".prop_map(Some), select(vec![Some("at+jwt".to_owned()), None])], any::<bool>());
    fuzz("headers of tokens", Cost::Dear, &input, |(typ, named)| {
        let mut header = ours.clone();
        header.typ = typ.clone();
        header.kid = header.kid.filter(|_| named);
        let token = encode(&header, &claims, &key).unwrap();
        assert_eq!(gate.lets_in(&token), named && typ.as_deref() == Some("at+jwt"), "{header:?}");
    });
}
