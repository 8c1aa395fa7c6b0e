//! Whether what is sent fits the field that takes it.

use super::transform::Transform;
use crate::salesforce::Value;
use crate::salesforce::schema::{Field, Kind};

/// Whether a transformation can read what Stripe's field holds.
pub(super) fn readable(transform: &str, holds: &str) -> bool {
    let is_object =
        !matches!(holds, "text" | "list text" | "integer" | "number" | "flag" | "time" | "hash" | "map");
    holds == "any"
        || match transform {
            "money" => holds == "integer",
            "number" => matches!(holds, "integer" | "number" | "time" | "text"),
            "datetime" | "date" => matches!(holds, "integer" | "time"),
            "flag" => holds == "flag",
            "email" | "currency_code" => holds == "text",
            "id" | "reference" => holds == "text" || is_object,
            "text" => !is_object && !matches!(holds, "hash" | "map"),
            _ => true,
        }
}

/// What is wrong about sending this to that field, in words that follow the field's name.
pub(super) fn problems(transform: &Transform, target: &Field) -> Vec<String> {
    match (transform, &target.kind) {
        (_, Kind::Other(_))
        | (Transform::Text { .. } | Transform::Id | Transform::CurrencyCode, Kind::Text(_))
        | (Transform::Email, Kind::Email | Kind::Text(_))
        | (Transform::Text { .. }, Kind::Picklist { restricted: false, .. })
        | (Transform::Number, Kind::Number { .. })
        | (Transform::Flag { .. }, Kind::Checkbox)
        | (Transform::DateTime, Kind::DateTime)
        | (Transform::Date, Kind::Date)
        | (Transform::Reference { .. }, Kind::Lookup(_)) => Vec::new(),
        (Transform::Money { .. }, Kind::Number { decimals }) if *decimals >= 2 => Vec::new(),
        (Transform::Money { .. }, Kind::Number { decimals }) => {
            vec![format!("keeps {decimals} decimals; amounts need 3, or 2 where no currency has more")]
        }
        (Transform::RecordId { sobject, .. }, Kind::Lookup(to)) if to.eq_ignore_ascii_case(sobject) => {
            Vec::new()
        }
        (Transform::RecordId { sobject, .. }, Kind::Lookup(to)) => {
            vec![format!("points to records of {to}, not of {sobject}")]
        }
        (Transform::RecordId { .. }, Kind::Text(length)) if *length >= 18 => Vec::new(),
        (Transform::Status { rules, words }, kind) => {
            let rules = rules.iter().map(|(_, word)| word);
            let words: Vec<_> = rules.chain(words.iter().map(|(_, word)| word)).collect();
            words.into_iter().filter_map(|word| unfit_text(word, kind)).collect()
        }
        (Transform::Constant(Value::Text(text)), kind) => unfit_text(text, kind).into_iter().collect(),
        (Transform::Constant(Value::Flag(_)), Kind::Checkbox) => Vec::new(),
        (Transform::Constant(Value::Number(number)), Kind::Number { decimals }) => {
            let fits = number.normalize().scale() <= *decimals;
            if fits { Vec::new() } else { vec![format!("keeps {decimals} decimals; {number} has more")] }
        }
        (transform, kind) => vec![format!("is {} and does not take {}", kind.words(), made_by(transform))],
    }
}

fn unfit_text(text: &str, kind: &Kind) -> Option<String> {
    match kind {
        Kind::Picklist { values, restricted: true } if !values.iter().any(|value| value == text) => {
            Some(format!("has no value `{text}`; it takes {}", values.join(", ")))
        }
        Kind::Picklist { .. } | Kind::Other(_) => None,
        Kind::Text(length) if text.encode_utf16().count() > *length => {
            Some(format!("takes {length} characters; `{text}` is longer"))
        }
        Kind::Text(_) => None,
        kind => Some(format!("is {} and does not take text", kind.words())),
    }
}

fn made_by(transform: &Transform) -> &'static str {
    match transform {
        Transform::Text { .. } | Transform::Email | Transform::Status { .. } => "text",
        Transform::Id | Transform::CurrencyCode => "text",
        Transform::Money { .. } => "money",
        Transform::Number => "a number",
        Transform::Flag { .. } => "a checkbox's value",
        Transform::DateTime => "a date with time",
        Transform::Date => "a date",
        Transform::Constant(_) => "this constant",
        Transform::Reference { .. } => "a reference to the record of a Stripe object",
        Transform::RecordId { .. } => "a record id",
    }
}
