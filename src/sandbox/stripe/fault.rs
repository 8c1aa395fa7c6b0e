//! The faults that can be asked for, by name.

use std::fmt;
use std::str::FromStr;

/// What the next call meets instead of a good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 429 `rate_limit`; nothing is executed, nothing is kept under the idempotency key.
    RateLimited,
    /// 429 `lock_timeout`: another call holds the object; nothing is executed.
    LockTimeout,
    /// 500 before any work; kept under the idempotency key and replayed.
    ServerError,
    /// 500 although the work was done; kept under the idempotency key and replayed.
    ServerErrorAfterWork,
    /// 503; nothing is executed.
    Unavailable,
    /// 401 `api_key_expired`.
    ExpiredKey,
    /// 403: the key lacks a permission.
    MissingPermission,
    /// Executes, then answers only after 30 s; the idempotency key stays in use until then or until the caller
    /// goes away.
    Hang,
    /// Executes, then closes the connection without an answer.
    DropConnection,
}

const NAMES: &[(Fault, &str)] = &[
    (Fault::RateLimited, "rate_limited"),
    (Fault::LockTimeout, "lock_timeout"),
    (Fault::ServerError, "server_error"),
    (Fault::ServerErrorAfterWork, "server_error_after_work"),
    (Fault::Unavailable, "unavailable"),
    (Fault::ExpiredKey, "expired_key"),
    (Fault::MissingPermission, "missing_permission"),
    (Fault::Hang, "hang"),
    (Fault::DropConnection, "drop_connection"),
];

impl Fault {
    /// The names of all faults, as [`FromStr`] reads them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(_, name)| *name)
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let known = NAMES.iter().find(|(_, known)| *known == name);
        known.map(|(fault, _)| *fault).ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(fault, _)| fault == self).map_or("", |(_, name)| *name))
    }
}

/// No fault has this name.
#[derive(Debug, thiserror::Error)]
#[error("no fault is called `{0}`")]
pub struct UnknownFault(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_fault() {
        for name in Fault::names() {
            assert_eq!(name.parse::<Fault>().unwrap().to_string(), name);
        }
        assert!("rain".parse::<Fault>().is_err());
    }
}
