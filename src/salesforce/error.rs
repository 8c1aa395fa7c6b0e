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
    /// Nobody was there, or an answer says that the org is not there now. What was sent may have been carried out; it is not
    /// any more.
    #[error("Salesforce cannot be reached: {0}")]
    Unreachable(String),
    /// Records left and no answer of the org came: it may still be working on them.
    #[error("Salesforce did not answer: {0}")]
    Unheard(String),
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
                | Self::Unheard(_)
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
            Self::Unheard(_) => "unheard",
            Self::Unreadable(_) => "unreadable",
            Self::Stopped(_) => "stopped",
        }
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreachable(text(error))
    }
}

impl Error {
    /// Why records that were to be sent got no answer.
    pub(super) fn of_sending(error: reqwest::Error) -> Self {
        let left = !error.is_connect() && !error.is_builder();
        if left { Self::Unheard(text(error)) } else { error.into() }
    }
}

fn text(error: reqwest::Error) -> String {
    // The URL of a token request or an instance is nobody's business in a log.
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_left_may_be_worked_on_and_what_did_not_leave_is_not() {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/secret", listener.local_addr().unwrap());
        std::thread::spawn(move || drop(listener.accept().unwrap()));
        let hung_up = Error::of_sending(http.post(&address).body("{}").send().await.unwrap_err());
        assert!(matches!(hung_up, Error::Unheard(_)), "{hung_up:?}");
        // Nobody listens any more.
        let refused = loop {
            match Error::of_sending(http.post(&address).body("{}").send().await.unwrap_err()) {
                Error::Unheard(_) => {}
                other => break other,
            }
        };
        assert!(matches!(refused, Error::Unreachable(_)), "{refused:?}");
        let nowhere = Error::of_sending(http.post("no address").send().await.unwrap_err());
        assert!(matches!(nowhere, Error::Unreachable(_)), "{nowhere:?}");
        assert!(!format!("{hung_up} {refused}").contains("secret"));
    }
}
