//! Refusals as Salesforce words them: a code, a message, and the fields that are at fault.

use std::borrow::Cow;

use serde::Serialize;

use super::json::{self, Json};

/// Why a request or one record of it was refused.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The HTTP status when the whole request is answered with it.
    pub status: u16,
    pub code: Cow<'static, str>,
    pub message: String,
    pub fields: Vec<String>,
    /// Set when the request cannot be read: then all records of it are refused together.
    pub unreadable: bool,
}

impl Failure {
    pub(super) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code: code.into(),
            message: message.into(),
            fields: Vec::new(),
            unreadable: false,
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new("NOT_FOUND", message).status(404)
    }

    /// The body is no JSON, or a value has another JSON type than its field.
    pub(super) fn unreadable(message: impl Into<String>) -> Self {
        Self { unreadable: true, ..Self::new("JSON_PARSER_ERROR", message) }
    }

    pub(super) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(super) fn fields(self, fields: &[&str]) -> Self {
        Self { fields: fields.iter().map(ToString::to_string).collect(), ..self }
    }

    /// As a record's error inside a collection.
    pub(super) fn row(&self) -> RowError<'_> {
        RowError { status_code: &self.code, message: &self.message, fields: &self.fields }
    }

    /// As the body of a refused request.
    pub(super) fn body(&self) -> Json {
        json::of(&[RequestError { message: &self.message, error_code: &self.code, fields: &self.fields }])
    }
}

/// An error of one record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RowError<'a> {
    status_code: &'a str,
    message: &'a str,
    fields: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestError<'a> {
    message: &'a str,
    error_code: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    fields: &'a [String],
}
