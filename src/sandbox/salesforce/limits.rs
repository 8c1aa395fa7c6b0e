//! Versions, resources and how many calls are left.

use std::collections::BTreeMap;

use serde::Serialize;

use super::failure::Failure;
use super::request::Answer;
use super::transaction::Transaction;

/// The versions that are served; anything older is retired.
const OLDEST: u32 = 41;
const NEWEST: u32 = 68;

#[derive(Serialize)]
struct Version {
    label: String,
    url: String,
    version: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Limit {
    max: u64,
    remaining: u64,
}

/// `GET /services/data/`
pub(super) fn versions() -> Answer {
    let version = |number| Version {
        label: format!("API {number}.0"),
        url: format!("/services/data/v{number}.0"),
        version: format!("{number}.0"),
    };
    Answer::json(200, &(OLDEST..=NEWEST).map(version).collect::<Vec<_>>())
}

/// Whether `version`, such as `v66.0`, is served.
pub(super) fn check_version(version: &str) -> Result<(), Failure> {
    let number = version.strip_prefix('v').and_then(|number| number.strip_suffix(".0"));
    match number.and_then(|number| number.parse().ok()) {
        Some(OLDEST..=NEWEST) => Ok(()),
        Some(number) if (7..OLDEST).contains(&number) => {
            Err(Failure::new("GONE", "The requested API version is retired").status(410))
        }
        _ => Err(Failure::not_found("The requested resource does not exist")),
    }
}

/// `GET /services/data/vXX.X`
pub(super) fn resources(version: &str) -> Answer {
    let resource = |name: &'static str| (name, format!("/services/data/{version}/{name}"));
    let resources: BTreeMap<_, _> = ["composite", "limits", "query", "sobjects"].map(resource).into();
    Answer::json(200, &resources)
}

/// `GET /limits`
pub(super) fn limits(tx: &Transaction<'_>) -> Answer {
    let max = tx.state.daily_limit;
    let requests = Limit { max, remaining: max.saturating_sub(tx.state.used(tx.now)) };
    Answer::json(200, &BTreeMap::from([("DailyApiRequests", requests)]))
}
