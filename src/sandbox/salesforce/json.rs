//! JSON as text: values are passed on as they were written, so that no number is ever rounded.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// One JSON value, as written.
pub(super) type Json = Box<RawValue>;

/// The members of a JSON object by name.
pub(super) type Members<'a> = BTreeMap<String, &'a RawValue>;

/// What a JSON value is.
#[derive(Debug, PartialEq)]
pub(super) enum Shape<'a> {
    Null,
    Bool(bool),
    /// The number's own text.
    Number(&'a str),
    Text(Cow<'a, str>),
    List,
    Object,
}

/// What `value` is, without looking inside lists and objects.
pub(super) fn shape(value: &RawValue) -> Shape<'_> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'n') => Shape::Null,
        Some(b't') => Shape::Bool(true),
        Some(b'f') => Shape::Bool(false),
        Some(b'"') => Shape::Text(string(text)),
        Some(b'[') => Shape::List,
        Some(b'{') => Shape::Object,
        _ => Shape::Number(text),
    }
}

/// What Salesforce's parser calls the value in its messages.
pub(super) fn token_name(value: &RawValue) -> &'static str {
    match shape(value) {
        Shape::Null => "VALUE_NULL",
        Shape::Bool(true) => "VALUE_TRUE",
        Shape::Bool(false) => "VALUE_FALSE",
        Shape::Number(text) if text.contains(['.', 'e', 'E']) => "VALUE_NUMBER_FLOAT",
        Shape::Number(_) => "VALUE_NUMBER_INT",
        Shape::Text(_) => "VALUE_STRING",
        Shape::List => "START_ARRAY",
        Shape::Object => "START_OBJECT",
    }
}

/// The content of a JSON string; of any other value nothing.
pub(super) fn as_text(value: &RawValue) -> Option<Cow<'_, str>> {
    match shape(value) {
        Shape::Text(text) => Some(text),
        _ => None,
    }
}

/// The members of a JSON object; of any other value nothing.
pub(super) fn members(value: &RawValue) -> Option<Members<'_>> {
    serde_json::from_str(value.get()).ok()
}

/// The elements of a JSON list; of any other value nothing.
pub(super) fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// `value` written as JSON.
pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> Json {
    to_raw_value(value).expect("what is written here has text as keys and cannot fail")
}

/// Text that is a JSON value already.
pub(super) fn written(text: String) -> Json {
    RawValue::from_string(text).expect("the text was made of JSON values")
}

/// A string without escapes is borrowed; only the others need the parser.
fn string(text: &str) -> Cow<'_, str> {
    match text.get(1..text.len().saturating_sub(1)) {
        Some(inside) if !inside.contains('\\') => Cow::Borrowed(inside),
        _ => Cow::Owned(serde_json::from_str(text).unwrap_or_default()),
    }
}
