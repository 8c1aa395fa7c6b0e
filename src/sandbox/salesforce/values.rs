//! Which values a field takes, and the form in which they are kept.

use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::value::RawValue;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Iso8601;
use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcOffset};

use super::failure::Failure;
use super::json::{self, Json, Shape, shape};
use super::schema::{Field, Kind};

/// `value` as `field` keeps it; nothing when that is null.
pub(super) fn accept(field: &Field, value: &RawValue) -> Result<Option<Json>, Failure> {
    let text = match (shape(value), &field.kind) {
        (Shape::Null, Kind::Checkbox) => {
            let message = format!("{}: value not of required type: null", field.label);
            return Err(Failure::new("INVALID_TYPE_ON_FIELD_IN_RECORD", message).fields(&[&field.name]));
        }
        (Shape::Null, _) => return Ok(None),
        (Shape::Bool(_), Kind::Checkbox) => return Ok(Some(value.to_owned())),
        (Shape::Number(text), Kind::Number { precision, scale, .. }) => {
            return number(field, text, *precision, *scale).map(|number| Some(json::written(number)));
        }
        (Shape::Text(_), Kind::Checkbox | Kind::Number { .. }) => return Err(wrong_type(field, value)),
        (Shape::Text(text), _) => text,
        _ => return Err(wrong_type(field, value)),
    };
    if text.is_empty() {
        return match field.kind {
            Kind::Date | Kind::DateTime => Err(wrong_type(field, value)),
            // An empty string is stored as null.
            _ => Ok(None),
        };
    }
    match &field.kind {
        Kind::Date => {
            parse_date(&text).ok_or_else(|| wrong_type(field, value))?;
        }
        Kind::DateTime => {
            let at = parse_datetime(&text).ok_or_else(|| wrong_type(field, value))?;
            return Ok(Some(json::of(&print_datetime(at))));
        }
        Kind::Picklist { values, restricted: true } if !values.iter().any(|known| *known == *text) => {
            let message = format!("{}: bad value for restricted picklist field: {text}", field.label);
            let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
            return Err(Failure::new(code, message).fields(&[&field.name]));
        }
        // Ids are judged where it is known what they refer to.
        Kind::Id | Kind::Lookup { .. } => return Ok(Some(value.to_owned())),
        Kind::Email if !looks_like_email(&text) => {
            let message = format!("{}: invalid email address: {text}", field.label);
            return Err(Failure::new("INVALID_EMAIL_ADDRESS", message).fields(&[&field.name]));
        }
        _ => {}
    }
    match max_length(&field.kind) {
        // Counted as Salesforce's own language counts: in UTF-16 units, the strictest reading.
        Some(max) if text.encode_utf16().count() > max => {
            let message = format!("{}: data value too large: {text} (max length={max})", field.label);
            Err(Failure::new("STRING_TOO_LONG", message).fields(&[&field.name]))
        }
        _ => Ok(Some(value.to_owned())),
    }
}

/// How many characters a field holds, for those that hold text.
pub(super) fn max_length(kind: &Kind) -> Option<usize> {
    match kind {
        Kind::Text { length } | Kind::LongText { length } => Some(*length),
        Kind::Email => Some(80),
        Kind::Phone => Some(40),
        Kind::Url | Kind::Picklist { .. } => Some(255),
        Kind::Id | Kind::Lookup { .. } => Some(18),
        Kind::Number { .. } | Kind::Checkbox | Kind::Date | Kind::DateTime => None,
    }
}

/// `2026-11-20`.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// A time with its offset, in any of the forms that are documented: `Z`, `+01:00`, `+0100`.
pub(super) fn parse_datetime(text: &str) -> Option<OffsetDateTime> {
    const COMPACT: &[BorrowedFormatItem<'_>] = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond]]][offset_hour sign:mandatory][offset_minute]"
    );
    let at = OffsetDateTime::parse(text, COMPACT).or_else(|_| OffsetDateTime::parse(text, &Iso8601::PARSING));
    at.ok().map(|at| at.to_offset(UtcOffset::UTC))
}

/// `2026-11-20T16:28:00.000+0000`: seconds are the finest that is stored.
pub(super) fn print_datetime(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].000+0000");
    at.to_offset(UtcOffset::UTC).format(format).unwrap_or_default()
}

/// The number's own text when it fits the field; rounded half up when it has more decimals.
fn number(field: &Field, text: &str, precision: u32, scale: u32) -> Result<String, Failure> {
    let outside = || {
        let message = format!("{}: value outside of valid range on numeric field: {text}", field.label);
        Failure::new("NUMBER_OUTSIDE_VALID_RANGE", message).fields(&[&field.name])
    };
    let exponent = text.contains(['e', 'E']);
    let parsed = if exponent { Decimal::from_scientific(text) } else { text.parse() };
    let exact = parsed.map_err(|_cause| outside())?;
    let rounded = exact.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero);
    let limit = Decimal::from_i128_with_scale(10_i128.pow(precision.saturating_sub(scale).min(28)), 0);
    if rounded.abs() >= limit {
        return Err(outside());
    }
    let as_written =
        !exponent && text.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= scale as usize);
    Ok(if as_written { text.to_owned() } else { rounded.to_string() })
}

/// What Salesforce's parser answers when a value has another JSON type than its field.
fn wrong_type(field: &Field, value: &RawValue) -> Failure {
    let expected = match field.kind {
        Kind::Number { .. } => "double",
        Kind::Checkbox => "boolean",
        Kind::Date => "date",
        Kind::DateTime => "datetime",
        _ => "string",
    };
    let (token, found) = (json::token_name(value), value.get());
    Failure::unreadable(format!(
        "Cannot deserialize instance of {expected} from {token} value {found} or request may be missing a \
         required field: {}",
        field.name
    ))
}

fn looks_like_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.contains(['@', ' ', ',', ';', '<', '>']);
    plain(local)
        && plain(domain)
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::accept;
    use crate::sandbox::salesforce::schema::{Field, Kind, NumberKind};

    fn kept(kind: Kind, value: &str) -> Result<String, String> {
        let raw = RawValue::from_string(value.to_owned()).unwrap();
        let kept = accept(&Field::new("F", kind), &raw);
        kept.map(|value| value.map_or("null".to_owned(), |value| value.get().to_owned()))
            .map_err(|failure| failure.code.into_owned())
    }

    #[test]
    fn numbers_stay_exact_and_are_rounded_half_up() {
        let amount = || Kind::Number { precision: 18, scale: 3, of: NumberKind::Plain };
        let table = [
            ("12.00", Ok("12.00")),
            ("0.1", Ok("0.1")),
            ("-7", Ok("-7")),
            ("123456789012345.678", Ok("123456789012345.678")),
            ("999999999999999.999", Ok("999999999999999.999")),
            ("0.0005", Ok("0.001")),
            ("1.0004999999999999999", Ok("1.000")),
            ("-2.0005", Ok("-2.001")),
            ("1.25e2", Ok("125")),
            ("1000000000000000", Err("NUMBER_OUTSIDE_VALID_RANGE")),
            ("999999999999999.9996", Err("NUMBER_OUTSIDE_VALID_RANGE")),
            ("1e40", Err("NUMBER_OUTSIDE_VALID_RANGE")),
            ("null", Ok("null")),
            ("\"12.00\"", Err("JSON_PARSER_ERROR")),
            ("\"\"", Err("JSON_PARSER_ERROR")),
            ("true", Err("JSON_PARSER_ERROR")),
            ("[1]", Err("JSON_PARSER_ERROR")),
        ];
        for (value, expected) in table {
            assert_eq!(kept(amount(), value), expected.map(str::to_owned).map_err(str::to_owned), "{value}");
        }
    }

    #[test]
    fn text_is_never_cut() {
        let text = |length| Kind::Text { length };
        assert_eq!(kept(text(3), r#""abc""#), Ok(r#""abc""#.to_owned()));
        assert_eq!(kept(text(3), r#""abcd""#), Err("STRING_TOO_LONG".to_owned()));
        assert_eq!(kept(text(1), r#""\u00e9""#), Ok(r#""\u00e9""#.to_owned()));
        assert_eq!(kept(text(1), r#""😀""#), Err("STRING_TOO_LONG".to_owned()));
        assert_eq!(kept(text(3), r#""""#), Ok("null".to_owned()));
        assert_eq!(kept(text(3), "12"), Err("JSON_PARSER_ERROR".to_owned()));
    }

    #[test]
    fn times_are_kept_in_the_form_in_which_they_are_printed() {
        let table = [
            ("2026-11-20T16:28:00Z", Some("2026-11-20T16:28:00.000+0000")),
            ("2026-11-20T17:28:00+01:00", Some("2026-11-20T16:28:00.000+0000")),
            ("2026-11-20T17:28:00.999+0100", Some("2026-11-20T16:28:00.000+0000")),
            ("2026-11-20T16:28:00.000Z", Some("2026-11-20T16:28:00.000+0000")),
            ("2026-11-20 16:28", None),
            ("2026-11-20", None),
            ("1763656080", None),
        ];
        for (value, expected) in table {
            let expected = expected.map(|at| format!("\"{at}\"")).ok_or("JSON_PARSER_ERROR".to_owned());
            assert_eq!(kept(Kind::DateTime, &format!("\"{value}\"")), expected, "{value}");
        }
        assert_eq!(kept(Kind::Date, r#""2026-11-20""#), Ok(r#""2026-11-20""#.to_owned()));
        for wrong in [r#""2026-13-01""#, r#""2026-11-20T00:00:00Z""#, "20261120"] {
            assert_eq!(kept(Kind::Date, wrong), Err("JSON_PARSER_ERROR".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn other_kinds_have_their_own_rules() {
        let status = || Kind::Picklist { values: vec!["Paid".into(), "Open".into()], restricted: true };
        let free = Kind::Picklist { values: Vec::new(), restricted: false };
        let table = [
            (Kind::Checkbox, "true", Ok("true")),
            (Kind::Checkbox, "null", Err("INVALID_TYPE_ON_FIELD_IN_RECORD")),
            (Kind::Checkbox, "\"true\"", Err("JSON_PARSER_ERROR")),
            (status(), r#""Paid""#, Ok(r#""Paid""#)),
            (status(), r#""Lost""#, Err("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")),
            (free, r#""Anything""#, Ok(r#""Anything""#)),
            (Kind::Email, r#""ada@example.com""#, Ok(r#""ada@example.com""#)),
            (Kind::Email, r#""ada""#, Err("INVALID_EMAIL_ADDRESS")),
            (Kind::Email, r#""a@b@example.com""#, Err("INVALID_EMAIL_ADDRESS")),
        ];
        for (kind, value, expected) in table {
            assert_eq!(kept(kind, value), expected.map(str::to_owned).map_err(str::to_owned), "{value}");
        }
    }
}
