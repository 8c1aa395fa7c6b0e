//! Certificates by which an org signs: what is in one that matters here.

use jsonwebtoken::DecodingKey;
use sha2::{Digest, Sha256};
use simple_asn1::{ASN1Block, from_der};
use time::OffsetDateTime;

use crate::clock::unix_ms;

/// 1.2.840.113549.1.1.1, as DER writes it. Source: RFC 8017, appendix A.1.
const RSA_ENCRYPTION: [u8; 11] = [6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1];

/// What a certificate says.
#[derive(Clone, Debug)]
pub struct Read {
    /// SHA-256 of the whole certificate, lower-case hex, as `openssl x509 -fingerprint -sha256` shows it without colons.
    pub fingerprint: String,
    /// From this moment it is not good any more; milliseconds since 1970.
    pub expires_at_ms: i64,
    /// Verifies what its private key signed.
    pub key: DecodingKey,
}

/// Reads an X.509 certificate with an RSA key of at least 2048 bits, in PEM form.
///
/// Errors: what is wrong with it, for people.
pub fn read(text: &str) -> Result<Read, &'static str> {
    const MALFORMED: &str = "it is not a whole X.509 certificate";
    let pem = pem::parse(text).map_err(|_error| "it is not in PEM form (-----BEGIN CERTIFICATE-----)")?;
    if pem.tag() != "CERTIFICATE" {
        return Err("it is no certificate; expected -----BEGIN CERTIFICATE-----");
    }
    let blocks = from_der(pem.contents()).map_err(|_error| MALFORMED)?;
    let Some(ASN1Block::Sequence(_, outer)) = blocks.first() else { return Err(MALFORMED) };
    let Some(ASN1Block::Sequence(_, fields)) = outer.first() else { return Err(MALFORMED) };
    // Source: RFC 5280, section 4.1: [version], serial, algorithm, issuer, validity, subject, key. A version 1 has no first.
    let explicit_version = matches!(fields.first(), Some(ASN1Block::Explicit(..)));
    let fields = fields.get(usize::from(explicit_version)..).unwrap_or_default();
    let (Some(ASN1Block::Sequence(_, validity)), Some(ASN1Block::Sequence(_, key))) =
        (fields.get(3), fields.get(5))
    else {
        return Err(MALFORMED);
    };
    let end: OffsetDateTime = match validity.get(1) {
        Some(ASN1Block::UTCTime(_, at) | ASN1Block::GeneralizedTime(_, at)) => at.assume_utc(),
        _ => return Err(MALFORMED),
    };
    let [ASN1Block::Sequence(_, algorithm), ASN1Block::BitString(_, _, rsa)] = key.as_slice() else {
        return Err(MALFORMED);
    };
    let is_rsa = algorithm
        .first()
        .and_then(|oid| simple_asn1::to_der(oid).ok())
        .is_some_and(|oid| oid == RSA_ENCRYPTION);
    if !is_rsa {
        return Err("its key is not RSA; RS256 is the one algorithm that is taken");
    }
    let numbers = from_der(rsa).map_err(|_error| MALFORMED)?;
    let Some(ASN1Block::Sequence(_, numbers)) = numbers.first() else { return Err(MALFORMED) };
    let Some(ASN1Block::Integer(_, modulus)) = numbers.first() else { return Err(MALFORMED) };
    if modulus.bits() < 2_048 {
        return Err("its key has fewer than 2048 bits");
    }
    Ok(Read {
        fingerprint: hex::encode(Sha256::digest(pem.contents())),
        expires_at_ms: unix_ms(end),
        key: DecodingKey::from_rsa_der(rsa),
    })
}
