//! Which org answers, and that nothing is sent to another one.

use serde::Deserialize;

use super::client::Client;
use super::error::Error;
use super::login::Session;
use super::record_id;
use crate::pass::{Pass, State};

/// Who the org is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `00D…`, 18 characters.
    pub org_id: String,
    /// Whether it holds no business of its own: a sandbox, a scratch org, a developer's.
    pub is_sandbox: bool,
}

#[derive(Deserialize)]
struct Found {
    records: Vec<Organization>,
}

#[derive(Deserialize)]
struct Organization {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "IsSandbox")]
    is_sandbox: bool,
    #[serde(rename = "OrganizationType")]
    edition: Option<String>,
}

impl Client {
    /// Whether records may be sent, and to which org.
    pub fn pass(&self) -> &Pass {
        &self.pass
    }

    /// Whether records may be sent at all.
    pub fn may_send(&self) -> bool {
        matches!(self.pass.state(), State::Open(_) | State::Unguarded)
    }

    /// Asks the org who it is. One request.
    ///
    /// Source: Object Reference, "Organization": `IsSandbox` is also true for scratch orgs, not for Developer Editions.
    pub async fn identity(&self) -> Result<Identity, Error> {
        let query = "query?q=SELECT+Id,IsSandbox,OrganizationType+FROM+Organization";
        let answer = self.get(query).await?;
        let found: Found =
            serde_json::from_slice(&answer).map_err(|error| Error::Unreadable(error.to_string()))?;
        let organization = found.records.into_iter().next();
        let organization =
            organization.ok_or_else(|| Error::Unreadable("the org has no Organization".to_owned()))?;
        let is_sandbox =
            organization.is_sandbox || organization.edition.as_deref() == Some("Developer Edition");
        let org_id = record_id::long_form(&organization.id).unwrap_or(organization.id);
        Ok(Identity { org_id, is_sandbox })
    }

    /// Lets a session send records, unless it is one of another org than the one that is bound. Then somebody has to look who
    /// that is, and nothing is sent meanwhile.
    pub(super) fn admit(&self, session: &Session) -> Result<(), Error> {
        match self.pass.state() {
            State::Unguarded => Ok(()),
            State::Open(bound) if *bound == *session.org_id => Ok(()),
            State::Open(bound) => {
                self.pass.set(State::Unknown);
                Err(Error::Stopped(format!("{} answers instead of {bound}", session.org_id)))
            }
            State::Unknown => Err(Error::Stopped("it is not known yet which org this is".to_owned())),
            State::Closed(why) => Err(Error::Stopped(why.as_ref().to_owned())),
        }
    }
}
