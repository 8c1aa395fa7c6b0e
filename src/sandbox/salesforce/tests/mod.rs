//! The org over HTTP, as any client meets it.

mod sessions;

mod collections;
mod composite;
mod faults;
mod locks;
mod page;
mod queries;
mod rows;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use time::macros::datetime;

use super::{Options, Salesforce};
use crate::clock::Clock;

const DATA: &str = "/services/data/v66.0";

/// A running org with a client that is signed in.
struct Client {
    org: Salesforce,
    clock: Clock,
    http: reqwest::Client,
    token: String,
}

/// An answer that was read.
#[derive(Debug)]
struct Read {
    status: u16,
    limit_info: Option<String>,
    location: Option<String>,
    text: String,
    body: Value,
}

struct Keys {
    private_pem: String,
    public_pem: String,
}

impl Client {
    async fn start() -> Self {
        Self::with_limit(1_000).await
    }

    async fn with_limit(daily_limit: u64) -> Self {
        let clock = Clock::manual(datetime!(2026-11-20 16:28:00 UTC));
        let options = Options {
            port: 0,
            client_id: "3MVG9.paybridge".into(),
            username: "bridge@northwind.example".into(),
            public_key_pem: keys().public_pem.clone(),
            audience: "https://northwind.my.salesforce.com".into(),
            api_version: "v66.0".into(),
            is_sandbox: true,
            daily_limit,
            clock: clock.clone(),
        };
        let org = Salesforce::start(options).await.unwrap();
        let mut client = Self { org, clock, http: reqwest::Client::new(), token: String::new() };
        client.sign_in_again().await;
        client
    }

    async fn sign_in_again(&mut self) {
        let granted = self.sign_in(self.claims()).await;
        assert_eq!(granted.status, 200, "{granted:?}");
        self.token = granted.body["access_token"].as_str().unwrap().to_owned();
    }

    fn claims(&self) -> Value {
        json!({
            "iss": "3MVG9.paybridge",
            "sub": "bridge@northwind.example",
            "aud": "https://test.salesforce.com",
            "exp": self.clock.now().unix_timestamp() + 180,
        })
    }

    async fn sign_in(&self, claims: Value) -> Read {
        let key = EncodingKey::from_rsa_pem(keys().private_pem.as_bytes()).unwrap();
        let assertion = encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap();
        self.token_request(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &assertion),
        ])
        .await
    }

    async fn token_request(&self, form: &[(&str, &str)]) -> Read {
        let request = self.http.post(format!("{}/services/oauth2/token", self.org.base_url())).form(form);
        Read::of(request.send().await.unwrap()).await
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("{DATA}/{path}") };
        self.http.request(method, format!("{}{path}", self.org.base_url())).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Read {
        Read::of(self.request("GET", path).send().await.unwrap()).await
    }

    async fn query(&self, soql: &str) -> Read {
        Read::of(self.request("GET", "query").query(&[("q", soql)]).send().await.unwrap()).await
    }

    /// Sends `body` as written, so that numbers stay as they are.
    async fn send(&self, method: &str, path: &str, body: impl ToString) -> Read {
        let request =
            self.request(method, path).header("Content-Type", "application/json").body(body.to_string());
        Read::of(request.send().await.unwrap()).await
    }

    async fn upsert(&self, sobject: &str, external_id: &str, body: Value) -> Read {
        self.send("PATCH", &format!("sobjects/{sobject}/Stripe_Id__c/{external_id}"), body).await
    }

    async fn upsert_all(&self, sobject: &str, records: Vec<Value>) -> Read {
        self.send("PATCH", &format!("composite/sobjects/{sobject}/Stripe_Id__c"), collection(false, records))
            .await
    }
}

impl Read {
    async fn of(response: Response) -> Self {
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (limit_info, location) = (header("Sforce-Limit-Info"), header("Location"));
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, limit_info, location, text, body }
    }

    /// The code of a request that was refused as a whole.
    fn code(&self) -> &str {
        self.body[0]["errorCode"].as_str().unwrap_or_default()
    }

    fn message(&self) -> &str {
        self.body[0]["message"].as_str().unwrap_or_default()
    }

    /// The code of each record of a collection; `ok` for those that were written.
    fn row_codes(&self) -> Vec<&str> {
        let rows = self.body.as_array().unwrap_or_else(|| panic!("{self:?}"));
        rows.iter().map(|row| row["errors"][0]["statusCode"].as_str().unwrap_or("ok")).collect()
    }
}

fn collection(all_or_none: bool, records: Vec<Value>) -> Value {
    json!({"allOrNone": all_or_none, "records": records})
}

/// A record of a collection.
fn record(sobject: &str, fields: Value) -> Value {
    let mut record = fields;
    record["attributes"] = json!({"type": sobject});
    record
}

fn customer(id: &str) -> Value {
    record("Stripe_Customer__c", json!({"Stripe_Id__c": id}))
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        Keys {
            private_pem: pem("PRIVATE KEY", private.as_ref()),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        }
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut lines = String::new();
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits =
                (0..3).fold(0_usize, |bits, at| bits << 8 | usize::from(group.get(at).copied().unwrap_or(0)));
            for place in 0..4 {
                let digit = char::from(DIGITS[bits >> (18 - 6 * place) & 63]);
                lines.push(if place <= group.len() { digit } else { '=' });
            }
        }
        lines.push('\n');
    }
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}
