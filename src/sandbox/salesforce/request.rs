//! A request to the REST API, whether it came by HTTP or inside a composite request, and its answer.

use serde::Serialize;
use serde_json::value::RawValue;

use super::failure::Failure;
use super::json::{self, Json, Members, Shape, shape};

/// One request; its path is what follows the version.
pub(super) struct Request<'a> {
    pub method: &'a str,
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub body: Option<&'a RawValue>,
}

/// What the org says to a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Option<Json>,
    /// The path of a record that was created.
    pub location: Option<String>,
}

impl<'a> Request<'a> {
    /// A request for `target`, a path with its query.
    pub(super) fn new(method: &'a str, target: &str, body: Option<&'a RawValue>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.split('/').filter(|segment| !segment.is_empty()).map(percent_decoded).collect();
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { method, path, query, body }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The members of the body, which must be a JSON object.
    pub(super) fn members(&self) -> Result<Members<'a>, Failure> {
        match self.body.map(|body| (body, shape(body))) {
            Some((body, Shape::Object)) => {
                json::members(body).ok_or_else(|| Failure::unreadable("not an object"))
            }
            Some((body, _)) => {
                let token = json::token_name(body);
                Err(Failure::unreadable(format!(
                    "The HTTP entity body is required to be an object, not {token}"
                )))
            }
            None => Err(Failure::unreadable(
                "The HTTP entity body is required, but this request has no entity body.",
            )),
        }
    }
}

impl Answer {
    pub(super) fn json<T: Serialize + ?Sized>(status: u16, body: &T) -> Self {
        Self { status, body: Some(json::of(body)), location: None }
    }

    pub(super) fn empty() -> Self {
        Self { status: 204, body: None, location: None }
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        Self { status: failure.status, body: Some(failure.body()), location: None }
    }
}

/// What stands in the way of reading a member as a flag: only `true` and `false` are flags.
pub(super) fn flag(members: &Members<'_>, name: &str) -> Result<Option<bool>, Failure> {
    match members.get(name).map(|value| shape(value)) {
        None | Some(Shape::Null) => Ok(None),
        Some(Shape::Bool(flag)) => Ok(Some(flag)),
        Some(_) => Err(Failure::unreadable(format!("{name} is neither true nor false"))),
    }
}

/// Refuses members that the request does not know.
pub(super) fn only(members: &Members<'_>, known: &[&str]) -> Result<(), Failure> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Failure::unreadable(format!("Unrecognized field \"{name}\""))),
    }
}

/// A path segment with its `%xx` read; what is no UTF-8 then is left as it came.
fn percent_decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).map(|digits| u8::from_str_radix(digits, 16)) {
            Some(Ok(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap_or_else(|_| segment.to_owned())
}
