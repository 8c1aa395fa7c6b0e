//! Access tokens: signed by us for ourselves, short-lived, and read without a query.

use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Issued, Refusal};
use crate::config::AuthConfig;

/// Ours are shorter by far.
const LONGEST: usize = 2_048;

/// Tells access tokens from all other signed texts. Source: RFC 9068, section 2.1.
const TYPE: &str = "at+jwt";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    /// The id of the key.
    pub(super) sub: String,
    /// Separated by spaces.
    pub(super) scope: String,
    iat: i64,
    exp: i64,
}

pub(super) struct Tokens {
    /// The first one signs.
    keys: Vec<Key>,
    validation: Validation,
    audience: String,
    life: Duration,
}

struct Key {
    id: String,
    sign: EncodingKey,
    verify: DecodingKey,
}

impl Tokens {
    pub(super) fn new(config: &AuthConfig) -> Result<Self, Unspecified> {
        let mut secrets = config.token_secrets.clone();
        if secrets.is_empty() {
            tracing::warn!(
                "auth.token_secrets is not set: access tokens end with this process and are good for no other one"
            );
            let mut random = [0; 32];
            aws_lc_rs::rand::fill(&mut random)?;
            secrets.push(SecretString::from(hex::encode(random)));
        }
        // One algorithm, whatever the token says; the time is compared by our own clock.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "sub", "aud", "iss"]);
        validation.set_audience(&[&config.audience]);
        validation.set_issuer(&[&config.audience]);
        validation.validate_exp = false;
        Ok(Self {
            keys: secrets.iter().map(|secret| Key::new(secret.expose_secret().as_bytes())).collect(),
            validation,
            audience: config.audience.clone(),
            life: config.token_life,
        })
    }

    /// A token that ends after its life, or with the key it stands for.
    pub(super) fn issue(
        &self,
        key_id: &str,
        scope: String,
        now_s: i64,
        key_ends_s: Option<i64>,
    ) -> jsonwebtoken::errors::Result<Issued> {
        let life = i64::try_from(self.life.as_secs()).unwrap_or(i64::MAX);
        let exp = key_ends_s.unwrap_or(i64::MAX).min(now_s + life);
        let claims = Claims {
            iss: self.audience.clone(),
            aud: self.audience.clone(),
            sub: key_id.to_owned(),
            scope,
            iat: now_s,
            exp,
        };
        let key = &self.keys[0];
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.id.clone());
        let token = SecretString::from(encode(&header, &claims, &key.sign)?);
        Ok(Issued { token, seconds: exp - now_s, scope: claims.scope })
    }

    /// What a token says, if it is ours and has not ended.
    pub(super) fn verify(&self, token: &str, now_s: i64) -> Result<Claims, Refusal> {
        if token.len() > LONGEST {
            return Err(Refusal::Unknown);
        }
        let header = decode_header(token).map_err(refused)?;
        let key = self.keys.iter().find(|key| Some(&key.id) == header.kid.as_ref());
        let (Some(key), Some(TYPE)) = (key, header.typ.as_deref()) else { return Err(Refusal::Unknown) };
        let claims = decode::<Claims>(token, &key.verify, &self.validation).map_err(refused)?.claims;
        if claims.exp <= now_s {
            return Err(Refusal::Expired("ask /oauth/token for a new token"));
        }
        Ok(claims)
    }
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        let digest = Sha256::new().chain_update("paybridge token key ").chain_update(secret).finalize();
        Self {
            id: hex::encode(&digest[..4]),
            sign: EncodingKey::from_secret(secret),
            verify: DecodingKey::from_secret(secret),
        }
    }
}

/// What is wrong with a token that is not ours helps nobody but who made it.
fn refused(error: jsonwebtoken::errors::Error) -> Refusal {
    tracing::debug!(%error, "a token was refused");
    Refusal::Unknown
}
