//! Assertions: short texts by which an org says who it is, signed with a certificate that was trusted before.
//!
//! Source: RFC 7523, section 3; Salesforce Help, "Set Up JWT Claims for External Credentials" (two minutes by default, no `jti`).

use std::sync::Arc;

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Refusal;
use super::callers::{Callers, Known};

/// The longest text that is looked at.
const LONGEST: usize = 8_192;

/// How far ahead an assertion may end: as long as it can be repeated if it has no `jti`.
const LONGEST_LIFE_S: i64 = 600;

/// How far two clocks may be apart.
const SKEW_S: i64 = 60;

/// No caller has more certificates at a time, and for each assertion so many are tried.
pub(super) const MOST_SIGNERS: usize = 2;

/// What an assertion says.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    /// The caller.
    pub(super) iss: String,
    pub(super) sub: Option<String>,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    jti: Option<String>,
}

impl Claims {
    /// A name under which it may come only once, if it has one.
    pub(super) fn once(&self) -> Option<String> {
        let jti = self.jti.as_deref()?;
        let digest = Sha256::new().chain_update(&self.iss).chain_update([0]).chain_update(jti).finalize();
        Some(hex::encode(digest))
    }

    /// When it would be refused anyway; seconds since 1970.
    pub(super) fn forgotten_after(&self) -> i64 {
        self.exp + SKEW_S
    }
}

/// The caller that an assertion stands for. What is wrong with it is only told when its signature is right.
pub(super) fn verify(
    callers: &Callers,
    text: &str,
    audience: &str,
    now_s: i64,
) -> Result<(Arc<Known>, Claims), Refusal> {
    if text.len() > LONGEST {
        return Err(Refusal::Unknown);
    }
    let unknown = |error: jsonwebtoken::errors::Error| {
        tracing::debug!(%error, "an assertion was refused");
        Refusal::Unknown
    };
    // Not proven yet; only says whose certificates to try.
    let iss = insecure_decode_claims::<Claims>(text).map_err(unknown)?.iss;
    let known = callers.find(&iss);
    let signers = known.map(|known| known.signers.as_slice()).unwrap_or_default();
    let valid =
        signers.iter().filter(|signer| signer.expires_at_ms > now_s * 1_000).map(|signer| &signer.key);
    let nobody = nobody();
    // As many for an unknown caller as for a known one, so that the time does not tell.
    let mut proven = None;
    for key in valid.chain(std::iter::repeat(&nobody)).take(MOST_SIGNERS) {
        match decode::<Claims>(text, key, &validation(audience)) {
            Ok(read) => proven = proven.or(Some(Ok(read.claims))),
            Err(error) => match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidAudience
                | jsonwebtoken::errors::ErrorKind::MissingRequiredClaim(_) => {
                    proven = proven.or(Some(Err(Refusal::Assertion(
                        "`aud` is not the audience of this service (auth.audience)",
                    ))));
                }
                _ => drop(unknown(error)),
            },
        }
    }
    let claims = proven.ok_or(Refusal::Unknown)??;
    let known = known.ok_or(Refusal::Unknown)?;
    // A token of ours is signed otherwise, but nobody should have to rely on that alone.
    let header = decode_header(text).map_err(unknown)?;
    if header.typ.is_some_and(|kind| !kind.eq_ignore_ascii_case("jwt")) {
        return Err(Refusal::Assertion("its `typ` is not JWT"));
    }
    if claims.exp <= now_s - SKEW_S {
        return Err(Refusal::Assertion("it has expired"));
    }
    if claims.exp > now_s + LONGEST_LIFE_S + SKEW_S {
        return Err(Refusal::Assertion("it ends more than ten minutes from now"));
    }
    if [claims.nbf, claims.iat].into_iter().flatten().any(|at| at > now_s + SKEW_S) {
        return Err(Refusal::Assertion("it begins in the future"));
    }
    if known.expired(now_s * 1_000) {
        return Err(Refusal::Expired("the client has expired"));
    }
    Ok((Arc::clone(known), claims))
}

/// One algorithm, whatever the text says; the time is compared by our own clock.
fn validation(audience: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_audience(&[audience]);
    validation.validate_exp = false;
    validation
}

/// A key that signed nothing, of the usual size.
fn nobody() -> DecodingKey {
    DecodingKey::from_rsa_raw_components(&[0xff; 256], &[1, 0, 1])
}
