//! Who is calling, and what they may do.
//!
//! Keys look like `pb_<id>_<secret>`. The id finds the row, the secret is compared by its hash in constant time. The secret
//! has 256 random bits, so a plain SHA-256 is enough: there is nothing to guess.

use std::fmt;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::ApiState;
use super::problem::{Code, Problem};
use crate::clock::unix_ms;
use crate::store::api_keys::{self, ApiKey};

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Create and change at Stripe.
    PaymentsWrite,
    /// Look at what is at Stripe.
    PaymentsRead,
    /// Look at queues and dead letters.
    OpsRead,
    /// Replay dead letters.
    OpsWrite,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::PaymentsWrite, Self::PaymentsRead, Self::OpsRead, Self::OpsWrite];

    /// As it is written in keys and tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::PaymentsWrite => "payments:write",
            Self::PaymentsRead => "payments:read",
            Self::OpsRead => "ops:read",
            Self::OpsWrite => "ops:write",
        }
    }

    /// The scope of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whoever sent a request, proven.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The id of the key; safe to log.
    pub key_id: String,
    scopes: Vec<Scope>,
}

impl Caller {
    /// Whether the caller may do this. Who may write may read, as with Stripe's own keys.
    pub fn may(&self, scope: Scope) -> bool {
        let wider = match scope {
            Scope::PaymentsRead => Scope::PaymentsWrite,
            Scope::OpsRead => Scope::OpsWrite,
            Scope::PaymentsWrite | Scope::OpsWrite => scope,
        };
        self.scopes.contains(&scope) || self.scopes.contains(&wider)
    }

    /// Errors: 403 `insufficient_scope` when the caller may not do this.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) {
            return Ok(());
        }
        Err(Problem::new(Code::InsufficientScope, format!("this needs the scope `{scope}`")))
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        std::future::ready(caller.ok_or_else(missing))
    }
}

/// Middleware for everything that needs a caller; extractors behind it get the [`Caller`].
pub async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let state = request.app_data::<web::Data<ApiState>>().cloned();
    let header =
        request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let caller = match (state, header) {
        (None, _) => Err(Problem::not_set_up()),
        (_, None) => Err(missing()),
        (Some(state), Some(header)) => identify(&state, &header).await,
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
        Err(problem) => Ok(request.error_response(problem)),
    }
}

async fn identify(state: &ApiState, header: &str) -> Result<Caller, Problem> {
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(missing()),
    };
    let parts = token.strip_prefix("pb_").and_then(|rest| rest.split_once('_'));
    let Some((id, secret)) = parts.map(|(id, secret)| (id.to_owned(), secret.to_owned())) else {
        return Err(invalid());
    };
    let row = state.store.read(move |conn| api_keys::find(conn, &id)).await?;
    judge(row, &secret, unix_ms(state.clock.now()))
}

fn judge(row: Option<ApiKey>, secret: &str, now_ms: i64) -> Result<Caller, Problem> {
    let row = row.ok_or_else(invalid)?;
    let same: bool = row.hash.as_bytes().ct_eq(hash(secret).as_bytes()).into();
    if !same || row.revoked_at.is_some() {
        return Err(invalid());
    }
    if row.expires_at.is_some_and(|end| end <= now_ms) {
        return Err(Problem::new(Code::CredentialsExpired, "create a new key and replace this one"));
    }
    Ok(Caller { key_id: row.id, scopes: row.scopes.split(' ').filter_map(Scope::parse).collect() })
}

fn missing() -> Problem {
    Problem::new(Code::CredentialsMissing, "send the header `Authorization: Bearer pb_…`")
}

fn invalid() -> Problem {
    Problem::new(Code::CredentialsInvalid, "the bearer token is unknown or was withdrawn")
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// Makes a key: the row to store, and the token to show once.
///
/// Errors: when the system has no random numbers.
pub fn issue(
    name: &str,
    scopes: &[Scope],
    now: OffsetDateTime,
    lifetime: Option<Duration>,
) -> Result<(ApiKey, SecretString), aws_lc_rs::error::Unspecified> {
    let (mut id, mut secret) = ([0; 6], [0; 32]);
    aws_lc_rs::rand::fill(&mut id)?;
    aws_lc_rs::rand::fill(&mut secret)?;
    Ok(issue_known(&hex::encode(id), &hex::encode(secret), name, scopes, now, lifetime))
}

/// [`issue`] with an id and a secret that the caller chose. For the sandbox, whose key is no secret at all.
pub fn issue_known(
    id: &str,
    secret: &str,
    name: &str,
    scopes: &[Scope],
    now: OffsetDateTime,
    lifetime: Option<Duration>,
) -> (ApiKey, SecretString) {
    let scopes: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
    let key = ApiKey {
        id: id.to_owned(),
        hash: hash(secret),
        name: name.to_owned(),
        scopes: scopes.join(" "),
        created_at: unix_ms(now),
        expires_at: lifetime.map(|lifetime| unix_ms(now + lifetime)),
        revoked_at: None,
    };
    (key, SecretString::from(format!("pb_{id}_{secret}")))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_key_opens_until_it_is_withdrawn_or_ends() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let (key, token) =
            issue("script", &[Scope::PaymentsRead], now, Some(Duration::from_secs(60))).unwrap();
        let (_, secret) = token.expose_secret().strip_prefix("pb_").unwrap().split_once('_').unwrap();
        assert!(!key.hash.contains(secret));
        let code = |row: Option<ApiKey>, secret: &str, now_ms| judge(row, secret, now_ms).map_err(|p| p.code);

        let caller = code(Some(key.clone()), secret, 59_999).unwrap();
        assert!(caller.require(Scope::PaymentsRead).is_ok());
        assert_eq!(caller.require(Scope::PaymentsWrite).unwrap_err().code, Code::InsufficientScope);

        assert_eq!(code(Some(key.clone()), secret, 60_000).unwrap_err(), Code::CredentialsExpired);
        assert_eq!(code(Some(key.clone()), "other", 0).unwrap_err(), Code::CredentialsInvalid);
        assert_eq!(code(None, secret, 0).unwrap_err(), Code::CredentialsInvalid);
        let revoked = ApiKey { revoked_at: Some(0), ..key };
        assert_eq!(code(Some(revoked), secret, 0).unwrap_err(), Code::CredentialsInvalid);
    }
}
