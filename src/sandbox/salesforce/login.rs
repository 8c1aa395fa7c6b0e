//! Sign-in by signed assertion, and the sessions that come of it.

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::form_urlencoded;

use super::Options;
use super::ids::RecordId;
use super::json::{self, Json};
use super::org::Org;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A session ends this long after its last use.
const IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// The session of the org's one integration user.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    current: Option<Session>,
}

#[derive(Debug)]
struct Session {
    token: String,
    last_used: OffsetDateTime,
}

impl Sessions {
    /// Whether `token` is good now; using it keeps it alive.
    pub(super) fn accept(&mut self, token: &str, now: OffsetDateTime) -> bool {
        let session = self.current.as_mut().filter(|session| session.token == token && session.is_alive(now));
        session.map(|session| session.last_used = now).is_some()
    }

    pub(super) fn end(&mut self) {
        self.current = None;
    }

    /// The token in use as long as it is good, otherwise a new one.
    fn open(&mut self, org_id: RecordId, now: OffsetDateTime) -> String {
        if let Some(session) = self.current.as_ref().filter(|session| session.is_alive(now)) {
            return session.token.clone();
        }
        let secret: String = std::iter::repeat_with(fastrand::alphanumeric).take(80).collect();
        let token = format!("{}!AQ{secret}", org_id.short());
        self.current = Some(Session { token: token.clone(), last_used: now });
        token
    }
}

impl Session {
    fn is_alive(&self, now: OffsetDateTime) -> bool {
        now < self.last_used + IDLE
    }
}

#[derive(Serialize)]
struct Granted {
    access_token: String,
    scope: &'static str,
    instance_url: String,
    id: String,
    token_type: &'static str,
}

/// Why no token is given: the OAuth error and its description.
#[derive(Debug, Serialize)]
struct Refused {
    error: &'static str,
    error_description: &'static str,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Whether assertions can be verified at all.
pub(super) fn check_key(options: &Options) -> Result<(), String> {
    let key = DecodingKey::from_rsa_pem(options.public_key_pem.as_bytes());
    key.map(|_| ()).map_err(|error| format!("the public key cannot be read: {error}"))
}

/// Answers a request to the token endpoint.
pub(super) fn answer(org: &Org, form: &[u8]) -> (u16, Json) {
    match grant(org, form) {
        Ok(granted) => (200, json::of(&granted)),
        Err(refused) => (400, json::of(&refused)),
    }
}

/// What a sign-in meets when the fault was asked for.
pub(super) fn invalid_grant() -> (u16, Json) {
    (400, json::of(&refuse("invalid_grant", "user hasn't approved this consumer")))
}

fn grant(org: &Org, form: &[u8]) -> Result<Granted, Refused> {
    let parameter = |wanted: &str| {
        form_urlencoded::parse(form).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    match parameter("grant_type").as_deref() {
        Some(JWT_BEARER) => {}
        Some(_) => return Err(refuse("unsupported_grant_type", "grant type not supported")),
        None => return Err(refuse("invalid_request", "grant type not provided")),
    }
    let assertion =
        parameter("assertion").ok_or_else(|| refuse("invalid_request", "assertion not provided"))?;
    let now = org.now();
    verify(&org.options, &assertion, now)?;
    let mut state = org.state();
    let org_id = state.org_id;
    let user_id = RecordId::numbered("005", 1);
    Ok(Granted {
        access_token: state.sessions.open(org_id, now),
        scope: "api",
        instance_url: org.base_url.clone(),
        id: format!("{}/id/{org_id}/{user_id}", login_host(&org.options)),
        token_type: "Bearer",
    })
}

fn verify(options: &Options, assertion: &str, now: OffsetDateTime) -> Result<(), Refused> {
    let key = DecodingKey::from_rsa_pem(options.public_key_pem.as_bytes());
    let key = key.map_err(|_cause| refuse("invalid_grant", "the app has no usable certificate"))?;
    let mut rules = Validation::new(Algorithm::RS256);
    // The claims are judged here: by the org's own clock, and with Salesforce's words.
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let claims = decode::<Claims>(assertion, &key, &rules).map_err(|cause| match cause.kind() {
        ErrorKind::InvalidSignature => refuse("invalid_grant", "invalid assertion"),
        ErrorKind::InvalidAlgorithm => refuse("invalid_grant", "algorithm must be RS256"),
        _ => refuse("invalid_grant", "assertion cannot be read"),
    })?;
    let claims = claims.claims;
    if claims.iss != options.client_id {
        return Err(refuse("invalid_client_id", "client identifier invalid"));
    }
    if claims.sub != options.username {
        return Err(refuse("invalid_grant", "user hasn't approved this consumer"));
    }
    let known = |audience: &String| *audience == options.audience || audience == login_host(options);
    let audience_is_known = match &claims.aud {
        Audience::One(audience) => known(audience),
        Audience::Several(audiences) => audiences.iter().any(known),
    };
    if !audience_is_known {
        return Err(refuse("invalid_grant", "audience is invalid"));
    }
    if claims.exp <= now.unix_timestamp() {
        return Err(refuse("invalid_grant", "expired assertion"));
    }
    Ok(())
}

fn refuse(error: &'static str, error_description: &'static str) -> Refused {
    Refused { error, error_description }
}

fn login_host(options: &Options) -> &'static str {
    if options.is_sandbox { "https://test.salesforce.com" } else { "https://login.salesforce.com" }
}
