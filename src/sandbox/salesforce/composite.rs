//! Composite requests: up to 25 subrequests in one call, one after the other, later ones using what earlier ones answered.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::value::RawValue;

use super::api;
use super::failure::Failure;
use super::json::{self, Json, Members};
use super::references::Results;
use super::request::{Answer, Request, flag, only};
use super::transaction::Transaction;

const MAX_SUBREQUESTS: usize = 25;
const MAX_COLLECTIONS_AND_QUERIES: usize = 5;
const HALTED: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";

struct Subrequest<'a> {
    method: String,
    url: String,
    reference_id: String,
    body: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CompositeResponse<'a> {
    composite_response: Vec<Response<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    body: Option<&'a RawValue>,
    http_headers: Headers<'a>,
    http_status_code: u16,
    reference_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Headers<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
}

/// `POST /composite`
pub(super) fn answer(tx: &mut Transaction<'_>, request: &Request<'_>) -> Result<Answer, Failure> {
    let members = request.members()?;
    only(&members, &["allOrNone", "collateSubrequests", "compositeRequest"])?;
    let all_or_none = flag(&members, "allOrNone")?.unwrap_or(false);
    flag(&members, "collateSubrequests")?;
    let listed = members.get("compositeRequest").and_then(|listed| json::elements(listed));
    let listed = listed.ok_or_else(|| Failure::unreadable("compositeRequest is not a list"))?;
    let subrequests = listed.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    check(tx, &subrequests)?;

    let before = tx.savepoint();
    let mut results = Results::default();
    let mut answers = Vec::with_capacity(subrequests.len());
    for subrequest in &subrequests {
        let answer = run(tx, subrequest, &results);
        let failed = failed(&answer);
        results.add(&subrequest.reference_id, answer.body.as_deref());
        answers.push(answer);
        if failed && all_or_none {
            break;
        }
    }
    if all_or_none && answers.iter().any(failed) {
        tx.roll_back(&before);
        halt_the_others(&mut answers, subrequests.len());
    }
    Ok(respond(&subrequests, &answers))
}

fn read(subrequest: &RawValue) -> Result<Subrequest<'_>, Failure> {
    let members =
        json::members(subrequest).ok_or_else(|| Failure::unreadable("a subrequest is not an object"))?;
    only(&members, &["method", "url", "referenceId", "httpHeaders", "body"])?;
    check_headers(&members)?;
    let text = |name: &str| {
        let value =
            members.get(name).and_then(|value| json::as_text(value)).map(std::borrow::Cow::into_owned);
        value.ok_or_else(|| Failure::new("INVALID_INPUT", format!("a subrequest has no {name}")))
    };
    Ok(Subrequest {
        method: text("method")?,
        url: text("url")?,
        reference_id: text("referenceId")?,
        body: members.get("body").copied(),
    })
}

/// The headers that describe the call as a whole cannot be set for a part of it.
fn check_headers(members: &Members<'_>) -> Result<(), Failure> {
    let headers = members.get("httpHeaders").and_then(|headers| json::members(headers)).unwrap_or_default();
    let forbidden = ["accept", "authorization", "content-type"];
    match headers.keys().find(|name| forbidden.contains(&name.to_ascii_lowercase().as_str())) {
        None => Ok(()),
        Some(name) => Err(Failure::new("INVALID_INPUT", format!("{name} is not allowed in httpHeaders"))),
    }
}

/// What is wrong with any subrequest is wrong with the whole request.
fn check(tx: &mut Transaction<'_>, subrequests: &[Subrequest<'_>]) -> Result<(), Failure> {
    tx.subrequests = subrequests.len();
    let refuse = |message: String| Err(Failure::new("INVALID_INPUT", message));
    if subrequests.is_empty() {
        return refuse("compositeRequest has no subrequests".to_owned());
    }
    if subrequests.len() > MAX_SUBREQUESTS {
        return refuse(format!(
            "Limit exceeded: at most {MAX_SUBREQUESTS} subrequests in one composite request"
        ));
    }
    let prefix = format!("/services/data/{}/", tx.version);
    let mut names = HashSet::new();
    let mut collections_and_queries = 0;
    for Subrequest { method, url, reference_id, .. } in subrequests {
        if !["POST", "PUT", "PATCH", "GET", "DELETE"].contains(&method.as_str()) {
            return refuse(format!("{method} is not a method of a subrequest"));
        }
        let Some(target) = url.strip_prefix(&prefix) else {
            return refuse(format!("the url of a subrequest must start with {prefix}: {url}"));
        };
        let legal = |character: char| character.is_ascii_alphanumeric() || character == '_';
        if !reference_id.starts_with(|first: char| first.is_ascii_alphanumeric())
            || !reference_id.chars().all(legal)
        {
            return refuse(format!(
                "Provided referenceId ('{reference_id}') must start with a letter or a number, and it can contain \
                 only letters, numbers and underscores ('_')."
            ));
        }
        if !names.insert(reference_id.as_str()) {
            return refuse(format!("Duplicate ReferenceId provided ({reference_id})."));
        }
        let path = target.split('?').next().unwrap_or_default();
        collections_and_queries += usize::from(path.starts_with("composite/") || path.starts_with("query"));
    }
    if collections_and_queries > MAX_COLLECTIONS_AND_QUERIES {
        return refuse(format!(
            "Limit exceeded: at most {MAX_COLLECTIONS_AND_QUERIES} collections and queries in one composite request"
        ));
    }
    Ok(())
}

fn run(tx: &mut Transaction<'_>, subrequest: &Subrequest<'_>, results: &Results) -> Answer {
    let resolved = results.in_text(&subrequest.url).and_then(|url| {
        let body = subrequest.body.map(|body| results.in_json(body)).transpose()?;
        Ok((url, body))
    });
    let (url, body): (String, Option<Json>) = match resolved {
        Ok(resolved) => resolved,
        Err(failure) => return failure.into(),
    };
    let target = url.splitn(5, '/').last().unwrap_or_default();
    let request = Request::new(&subrequest.method, target, body.as_deref());
    api::subrequest(tx, &request)
}

/// Whether anything was refused: a collection answers 200 also when records of it were.
fn failed(answer: &Answer) -> bool {
    let rows = answer.body.as_ref().and_then(|body| json::elements(body)).unwrap_or_default();
    let refused = |row: &&RawValue| {
        let success = json::members(row).and_then(|row| row.get("success").copied());
        success.is_some_and(|success| success.get() == "false")
    };
    answer.status >= 300 || rows.iter().any(refused)
}

/// The culprit keeps its own error; what was done and what was not tried say that they were halted.
fn halt_the_others(answers: &mut Vec<Answer>, subrequests: usize) {
    for answer in answers.iter_mut().filter(|answer| !failed(answer)) {
        *answer = Failure::new("PROCESSING_HALTED", HALTED).into();
    }
    answers.resize_with(subrequests, || Failure::new("PROCESSING_HALTED", HALTED).into());
}

fn respond(subrequests: &[Subrequest<'_>], answers: &[Answer]) -> Answer {
    let responses = subrequests.iter().zip(answers).map(|(subrequest, answer)| Response {
        body: answer.body.as_deref(),
        http_headers: Headers { location: answer.location.as_deref() },
        http_status_code: answer.status,
        reference_id: &subrequest.reference_id,
    });
    Answer::json(200, &CompositeResponse { composite_response: responses.collect() })
}
