//! API keys: `pb_<id>_<secret>`. The id finds the caller, of the secret only the hash is kept.
//!
//! The secret has 256 random bits, so a plain SHA-256 is enough: there is nothing to guess.

use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::scope::Scope;
use crate::clock::unix_ms;
use crate::store::api_keys::ApiKey;

/// Makes a key: the row to store, and the key to show once.
///
/// Errors: when the system has no random numbers.
pub fn issue(
    name: &str,
    scopes: &[Scope],
    now: OffsetDateTime,
    lifetime: Option<Duration>,
) -> Result<(ApiKey, SecretString), Unspecified> {
    let mut id = [0; 6];
    rand::fill(&mut id)?;
    let (secret, _hash) = new_secret()?;
    Ok(issue_known(&hex::encode(id), secret.expose_secret(), name, scopes, now, lifetime))
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
        previous_hash: None,
        previous_until: None,
        account: None,
        org: None,
        last_used_at: None,
    };
    (key, SecretString::from(format!("pb_{id}_{secret}")))
}

/// A secret part and its hash.
///
/// Errors: when the system has no random numbers.
pub fn new_secret() -> Result<(SecretString, String), Unspecified> {
    let mut secret = [0; 32];
    rand::fill(&mut secret)?;
    let secret = hex::encode(secret);
    let hash = hash(&secret);
    Ok((SecretString::from(secret), hash))
}

/// As it is stored and compared.
pub(super) fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}
