//! What can be made to go wrong, by name.

use std::str::FromStr;

/// A fault that one call shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503 `SERVER_UNAVAILABLE`; nothing is written.
    ServerUnavailable,
    /// 500 `UNKNOWN_EXCEPTION`; nothing is written.
    ServerError,
    /// 403 `REQUEST_LIMIT_EXCEEDED`, as when the day's calls are used up.
    RequestLimitExceeded,
    /// 403 `REQUEST_LIMIT_EXCEEDED`, as when too many long calls run at the same time.
    ConcurrentLimitExceeded,
    /// 429 with `Retry-After: 2`, as a gateway in front of the org answers.
    TooManyRequests,
    /// `UNABLE_TO_LOCK_ROW` on every record that the call writes.
    RecordLocked,
    /// 401 `INVALID_SESSION_ID`; the session that was used is over.
    SessionExpired,
    /// 502 with a page for people instead of JSON.
    HtmlErrorPage,
    /// No answer, for as long as the caller waits.
    Hang,
    /// The call is carried out, then the connection closes without an answer.
    DropConnection,
    /// The connection closes without an answer; nothing is carried out.
    RefuseConnection,
    /// The call is carried out, and the answer breaks off in the middle of its JSON.
    MalformedAnswer,
    /// 400 `JSON_PARSER_ERROR` for the request as a whole.
    MalformedRequest,
    /// The next sign-in is answered 400 `invalid_grant`.
    InvalidGrant,
    /// The next sign-in is answered 503.
    SignInUnavailable,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 15] = [
        Self::ServerUnavailable,
        Self::ServerError,
        Self::RequestLimitExceeded,
        Self::ConcurrentLimitExceeded,
        Self::TooManyRequests,
        Self::RecordLocked,
        Self::SessionExpired,
        Self::HtmlErrorPage,
        Self::Hang,
        Self::DropConnection,
        Self::RefuseConnection,
        Self::MalformedAnswer,
        Self::MalformedRequest,
        Self::InvalidGrant,
        Self::SignInUnavailable,
    ];

    /// The name by which people ask for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerUnavailable => "server_unavailable",
            Self::ServerError => "server_error",
            Self::RequestLimitExceeded => "request_limit_exceeded",
            Self::ConcurrentLimitExceeded => "concurrent_limit_exceeded",
            Self::TooManyRequests => "too_many_requests",
            Self::RecordLocked => "record_locked",
            Self::SessionExpired => "session_expired",
            Self::HtmlErrorPage => "html_error_page",
            Self::Hang => "hang",
            Self::DropConnection => "drop_connection",
            Self::RefuseConnection => "refuse_connection",
            Self::MalformedAnswer => "malformed_answer",
            Self::MalformedRequest => "malformed_request",
            Self::InvalidGrant => "invalid_grant",
            Self::SignInUnavailable => "sign_in_unavailable",
        }
    }

    /// Whether a sign-in can meet it: those that come from the way to the org or from its sessions can, those that are about
    /// data cannot.
    pub fn can_meet_sign_in(self) -> bool {
        match self {
            Self::ServerUnavailable
            | Self::ServerError
            | Self::TooManyRequests
            | Self::SessionExpired
            | Self::HtmlErrorPage
            | Self::Hang
            | Self::DropConnection
            | Self::RefuseConnection
            | Self::MalformedAnswer
            | Self::InvalidGrant
            | Self::SignInUnavailable => true,
            Self::RequestLimitExceeded
            | Self::ConcurrentLimitExceeded
            | Self::RecordLocked
            | Self::MalformedRequest => false,
        }
    }

    /// Whether a data call can meet it.
    pub fn can_meet_data(self) -> bool {
        !self.concerns_sign_in()
    }

    /// Whether it waits for a sign-in rather than for a data call.
    pub(super) fn concerns_sign_in(self) -> bool {
        matches!(self, Self::InvalidGrant | Self::SignInUnavailable)
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|fault| fault.name() == name);
        known.ok_or_else(|| {
            format!("no fault is called `{name}`; there are {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn every_fault_is_found_by_its_name() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
        }
        assert!("earthquake".parse::<Fault>().is_err_and(|message| message.contains("record_locked")));
    }
}
