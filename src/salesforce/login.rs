//! Signs in by JWT bearer: one token for an org, asked for by one request at a time.
//!
//! Source: Salesforce Help, "OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration".

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::Mutex;
use url::Url;

use super::error::Error;
use super::record_id;
use crate::clock::Clock;
use crate::config::SalesforceConfig;
use crate::metrics::{self, Metrics};
use crate::outbound;

/// How far ahead an assertion expires. Salesforce takes a few minutes.
const ASSERTION_SECONDS: i64 = 180;

/// After a refusal nobody asks again before this, doubled for each further one, up to the second.
const REFUSED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// What a signed-in client needs for a call.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) token: SecretString,
    pub(super) instance_url: String,
    /// `00D…`, 18 characters.
    pub(super) org_id: String,
}

/// Signs in and keeps the session until somebody finds that it is over.
pub(super) struct Login {
    token_url: Url,
    audience: String,
    client_id: String,
    username: String,
    key: EncodingKey,
    state: Mutex<State>,
    clock: Clock,
    metrics: Arc<metrics::Org>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    refusal: Option<Refusal>,
}

/// Why we may not sign in. It opens a breaker: whoever needs a session meanwhile is told the same without asking.
struct Refusal {
    code: String,
    message: String,
    times: u32,
    until: OffsetDateTime,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    instance_url: String,
    /// `https://login.salesforce.com/id/<org id>/<user id>`
    id: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Login {
    pub(super) fn new(config: &SalesforceConfig, clock: Clock) -> Result<Self, Error> {
        let refused = |message: String| Error::LoggedOut { code: "configuration".to_owned(), message };
        let key = EncodingKey::from_rsa_pem(config.private_key.expose_secret().as_bytes())
            .map_err(|error| refused(format!("the private key is not an RSA key in PEM form: {error}")))?;
        let token_url = config
            .login_url
            .join("/services/oauth2/token")
            .map_err(|error| refused(format!("login_url cannot carry a path: {error}")))?;
        Ok(Self {
            token_url,
            audience: config.audience.clone(),
            client_id: config.client_id.clone(),
            username: config.username.clone(),
            key,
            state: Mutex::default(),
            clock,
            metrics: Metrics::default().org(""),
        })
    }

    /// Counts its sign-ins there.
    pub(super) fn counted_in(self, metrics: Arc<metrics::Org>) -> Self {
        Self { metrics, ..self }
    }

    /// The session, after signing in if there is none. Callers that come meanwhile wait for the same answer; after a
    /// refusal they get that, until it is time to ask again.
    pub(super) async fn session(&self, http: &reqwest::Client) -> Result<Session, Error> {
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session {
            return Ok(session.clone());
        }
        if let Some(Refusal { code, message, until, .. }) = &state.refusal
            && self.clock.now() < *until
        {
            return Err(Error::LoggedOut { code: code.clone(), message: message.clone() });
        }
        let signed_in = self.sign_in(http).await;
        self.metrics.signed_in(signed_in.as_ref().map_or_else(Error::name, |_| "signed_in"));
        match signed_in {
            Ok(session) => {
                tracing::info!(instance_url = %session.instance_url, "signed in to Salesforce");
                state.refusal = None;
                Ok(state.session.insert(session).clone())
            }
            Err(Error::LoggedOut { code, message }) => {
                let times = state.refusal.as_ref().map_or(0, |refusal| refusal.times) + 1;
                let wait = REFUSED.0.saturating_mul(1 << (times - 1).min(10)).min(REFUSED.1);
                let until = self.clock.now() + wait;
                state.refusal = Some(Refusal { code: code.clone(), message: message.clone(), times, until });
                Err(Error::LoggedOut { code, message })
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets a session that was refused, unless another one has taken its place.
    pub(super) async fn forget(&self, refused: &Session) {
        let mut state = self.state.lock().await;
        let is_the_same = |held: &Session| held.token.expose_secret() == refused.token.expose_secret();
        if state.session.as_ref().is_some_and(is_the_same) {
            state.session = None;
        }
    }

    async fn sign_in(&self, http: &reqwest::Client) -> Result<Session, Error> {
        let claims = Claims {
            iss: &self.client_id,
            sub: &self.username,
            aud: &self.audience,
            exp: self.clock.now().unix_timestamp() + ASSERTION_SECONDS,
        };
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map_err(|error| Error::LoggedOut { code: "assertion".to_owned(), message: error.to_string() })?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.as_str()),
        ];
        let answer = http.post(self.token_url.clone()).form(&form).send().await?;
        let status = answer.status();
        let body = outbound::body(answer).await?;
        if status.is_success() {
            let granted: Granted = serde_json::from_slice(&body)
                .map_err(|error| Error::Unreadable(format!("answer of the token endpoint: {error}")))?;
            let org_id = granted.id.rsplit('/').nth(1).and_then(record_id::long_form);
            let no_id = || Error::Unreadable("answer of the token endpoint: `id` names no org".to_owned());
            let (token, instance_url) = (granted.access_token.into(), granted.instance_url);
            if !stays_encrypted(&self.token_url, &instance_url) {
                let text = "answer of the token endpoint: `instance_url` does not begin with https://";
                return Err(Error::Unreadable(text.to_owned()));
            }
            return Ok(Session { token, instance_url, org_id: org_id.ok_or_else(no_id)? });
        }
        match serde_json::from_slice::<Refused>(&body) {
            Ok(refused) if status.is_client_error() => {
                Err(Error::LoggedOut { code: refused.error, message: refused.error_description })
            }
            _ => Err(Error::Unreachable(format!("the token endpoint answered {status}"))),
        }
    }
}

/// The session's token goes where Salesforce says, but not in clear if it came encrypted.
fn stays_encrypted(token_url: &Url, instance_url: &str) -> bool {
    token_url.scheme() != "https" || instance_url.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_came_encrypted_is_not_sent_in_clear() {
        for (login, instance, stays) in [
            ("https://acme.my.salesforce.com", "https://acme.my.salesforce.com", true),
            ("https://acme.my.salesforce.com", "http://acme.my.salesforce.com", false),
            ("https://acme.my.salesforce.com", "", false),
            ("http://127.0.0.1:8082", "http://127.0.0.1:8082", true),
        ] {
            assert_eq!(stays_encrypted(&login.parse().unwrap(), instance), stays, "{login} {instance}");
        }
    }
}
