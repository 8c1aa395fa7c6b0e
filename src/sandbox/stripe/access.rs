//! Who may call, and with which version of the API.

use super::errors::Refusal;

/// Lets in who brings the secret key, as bearer or as the user of basic credentials.
pub(super) fn authorize(secret_key: &str, authorization: Option<&str>) -> Result<(), Refusal> {
    let missing = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').";
    let given = authorization.ok_or_else(|| Refusal::unauthorized(missing))?;
    let (scheme, credentials) = given.split_once(' ').unwrap_or((given, ""));
    let key = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => credentials.trim().to_owned(),
        "basic" => basic_user(credentials.trim()).unwrap_or_default(),
        _ => return Err(Refusal::unauthorized(missing)),
    };
    if key != secret_key {
        let tail: String = key.chars().skip(key.chars().count().saturating_sub(4)).collect();
        return Err(Refusal::unauthorized(format!("Invalid API Key provided: sk_****{tail}")));
    }
    Ok(())
}

/// The user name in `Basic` credentials.
fn basic_user(credentials: &str) -> Option<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut held, mut decoded) = (0_u32, 0, Vec::new());
    for byte in credentials.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == byte)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0xFFFF;
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push(u8::try_from(bits >> held & 0xFF).ok()?);
        }
    }
    let decoded = String::from_utf8(decoded).ok()?;
    decoded.split(':').next().map(str::to_owned)
}

/// A date, and since 2024-09-30 a name: `2024-06-20`, `2026-10-28.endive`.
pub(super) fn is_version(version: &str) -> bool {
    let (date, name) = version.split_once('.').unwrap_or((version, "preview"));
    let digits = |part: Option<&str>, count| {
        part.is_some_and(|part| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut parts = date.split('-');
    digits(parts.next(), 4)
        && digits(parts.next(), 2)
        && digits(parts.next(), 2)
        && parts.next().is_none()
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_dates_with_names() {
        for good in ["2026-10-28.endive", "2024-06-20"] {
            assert!(is_version(good), "{good}");
        }
        for bad in
            ["", "latest", "2026-10-28.", "2026-10-28.Endive", "2026-10.endive", "26-10-28", "2026-10-28-01"]
        {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn the_user_of_basic_credentials_is_the_key() {
        assert_eq!(basic_user("c2tfdGVzdF94Og==").as_deref(), Some("sk_test_x"));
        assert_eq!(basic_user("c2tfdGVzdF94OnB3").as_deref(), Some("sk_test_x"));
        assert_eq!(basic_user("!!"), None);
    }
}
