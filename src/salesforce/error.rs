//! Why a call to the org failed as a whole, named by what the caller can do about it.

use std::time::Duration;

/// A call that gave no result for its records.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The org understood the request and refused it; the same request will be refused again.
    #[error("Salesforce refused the request ({status} {code}): {message}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// Salesforce's code, `MALFORMED_ID`.
        code: String,
        /// Salesforce's text.
        message: String,
    },
    /// The day's requests are used up, the org's or our share of them. The client knows until when.
    #[error("{message}")]
    Exhausted {
        /// Salesforce's text, or ours.
        message: String,
    },
    /// The org takes no more just now.
    #[error("Salesforce limits our requests: {message}")]
    RateLimited {
        /// Salesforce's text.
        message: String,
        /// When Salesforce says so.
        retry_after: Option<Duration>,
    },
    /// We may not sign in, or were signed out again at once. A person has to mend this.
    #[error("Salesforce does not let us in ({code}): {message}")]
    LoggedOut {
        /// `invalid_grant`, `INVALID_SESSION_ID`, …
        code: String,
        /// Salesforce's text.
        message: String,
    },
    /// No answer, or an answer that says the org is not there now. What was sent may have been carried out.
    #[error("Salesforce cannot be reached: {0}")]
    Unreachable(String),
    /// Nothing is sent: another org answers than the one that is bound, or of the wrong kind, or it is not known which.
    #[error("nothing is sent to Salesforce: {0}")]
    Stopped(String),
    /// An answer that is not what it should be.
    #[error("Salesforce's answer cannot be read: {0}")]
    Unreadable(String),
}

impl Error {
    /// Whether the same call can succeed later without anybody doing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Exhausted { .. }
                | Self::RateLimited { .. }
                | Self::Unreachable(_)
                | Self::Unreadable(_)
                | Self::Stopped(_)
        )
    }
}

impl Error {
    /// What happened, without Salesforce's words where they may quote a record; for the log.
    pub fn outline(&self) -> String {
        match self {
            Self::Rejected { status, code, .. } => {
                format!("Salesforce refused the request ({status} {code})")
            }
            other => other.to_string(),
        }
    }

    /// The kind of failure, as it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "rejected",
            Self::Exhausted { .. } => "exhausted",
            Self::RateLimited { .. } => "rate_limited",
            Self::LoggedOut { .. } => "logged_out",
            Self::Unreachable(_) => "unreachable",
            Self::Unreadable(_) => "unreadable",
            Self::Stopped(_) => "stopped",
        }
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // The URL of a token request or an instance is nobody's business in a log.
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self::Unreachable(text)
    }
}
