//! From what Stripe says to what a field takes.

use std::sync::Arc;

use rust_decimal::Decimal;
use time::OffsetDateTime;

use super::condition::When;
use super::paths::{Found, Paths, Slot, elements, plain};
use super::{Error, Parent, plausible};
use crate::money::{Currency, Money};
use crate::salesforce::{Value, record_id};
use crate::stripe::event::ObjectHead;

/// How one field gets its value. Everything is resolved; nothing is looked up by name when an event comes.
#[derive(Clone, Debug)]
pub(super) enum Transform {
    /// Text of at most so many UTF-16 units; whether Salesforce counts these or characters is not documented, and units
    /// are never fewer.
    Text { length: usize, too_long: TooLong },
    /// An e-mail address. Salesforce refuses what is none, and the whole record with it; so such a one is left out.
    Email,
    /// The id of an object that is written as an id or, expanded, in full.
    Id,
    /// A currency in upper case.
    CurrencyCode,
    /// Minor units → an exact decimal.
    Money { currency: Slot, each: Option<Each>, decimals: u32 },
    /// A number as it is.
    Number,
    /// A checkbox: the first rule that holds, or else what Stripe says.
    Flag { rules: Vec<(When, bool)> },
    /// Seconds since 1970 → a point in time.
    DateTime,
    /// Seconds since 1970 → the day in UTC.
    Date,
    /// Always the same.
    Constant(Value),
    /// The record of another Stripe object, named by its Stripe id.
    Reference { object: Arc<str> },
    /// The Salesforce record that the metadata names: by a key of its own, or as the record that asked.
    RecordId { sobject: Arc<str>, own: Slot, asked: Option<(Slot, Slot)>, org: Slot },
    /// The first rule that holds, or else the word for the value.
    Status { rules: Vec<(When, Arc<str>)>, words: Vec<(String, Arc<str>)> },
}

/// What is done with text that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooLong {
    /// It ends with an ellipsis.
    Cut,
    /// It is worthless when cut, like an address.
    LeaveOut,
}

/// A sum over the elements of a list: amount, and by how many it is multiplied.
#[derive(Clone, Debug)]
pub(super) struct Each {
    /// What is read of an element.
    pub paths: Paths,
    /// The amount.
    pub amount: Slot,
    /// How many.
    pub times: Option<Slot>,
}

/// What became of a value.
#[derive(Debug)]
pub(super) enum Made {
    /// The field is set.
    Value(Value),
    /// The field is set, and there is something to say about it.
    Noted(Value, String),
    /// A lookup, and the record that it needs.
    Parent(Parent),
    /// The field is not touched, and why.
    LeftOut(String),
    /// There is no value.
    Nothing,
}

impl Transform {
    /// The field's value from the JSON text of the source.
    pub(super) fn make(&self, source: Option<&str>, found: &Found<'_>) -> Result<Made, Unfit> {
        let source = match self {
            Self::Constant(value) => return Ok(Made::Value(value.clone())),
            Self::Flag { rules } => return flag(rules, source, found),
            Self::Status { rules, words } => return Ok(status(rules, words, source, found)),
            Self::RecordId { sobject, own, asked, org } => {
                return Ok(linked(sobject, *own, *asked, *org, found));
            }
            _ => match source {
                None => return Ok(Made::Nothing),
                Some(source) => source,
            },
        };
        Ok(match self {
            Self::Text { length, too_long } => text(source, *length, *too_long)?,
            Self::Email => email(source)?,
            Self::Id => match id(source)? {
                id if plausible(&id) => Made::Value(Value::Text(id)),
                _ => return Err(Unfit::Not("an id")),
            },
            Self::Reference { object } => {
                Made::Parent(Parent { object: object.as_ref().to_owned(), id: id(source)? })
            }
            Self::CurrencyCode => {
                Made::Value(Value::Text(Currency::parse(&plain(source))?.code().to_owned()))
            }
            Self::Money { currency, each, decimals } => {
                let Some(code) = found.text(*currency) else { return Ok(Made::Nothing) };
                let minor = match each {
                    None => Some(integer(source)?),
                    Some(each) => each.sum(source)?,
                };
                let Some(minor) = minor else { return Ok(Made::Nothing) };
                let amount = Money::from_minor(minor, Currency::parse(&code)?).major();
                if amount.scale() > *decimals && amount.normalize().scale() > *decimals {
                    return Ok(Made::LeftOut(format!("{amount} has more than {decimals} decimals")));
                }
                Made::Value(Value::Number(amount))
            }
            Self::Number => Made::Value(Value::Number(number(source)?)),
            Self::DateTime => Made::Value(Value::DateTime(moment(source)?)),
            Self::Date => Made::Value(Value::Date(moment(source)?.date())),
            Self::Constant(_) | Self::Flag { .. } | Self::Status { .. } | Self::RecordId { .. } => {
                Made::Nothing
            }
        })
    }
}

/// Why a value is not what the mapping takes it for.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It should be this.
    Not(&'static str),
    /// It is no amount.
    Amount(crate::money::Error),
}

impl From<crate::money::Error> for Unfit {
    fn from(error: crate::money::Error) -> Self {
        Self::Amount(error)
    }
}

impl Unfit {
    /// The error for the object with this id.
    pub(super) fn of(self, id: &str, path: &str, found: Option<&str>) -> Error {
        match self {
            Self::Amount(error) => Error::Amount { id: id.to_owned(), error },
            Self::Not(expected) => Error::Unfit {
                id: id.to_owned(),
                path: path.to_owned(),
                expected,
                found: found.unwrap_or_default().chars().take(60).collect(),
            },
        }
    }
}

impl Each {
    /// The sum; nothing when an element does not say its part.
    fn sum(&self, list: &str) -> Result<Option<i64>, Unfit> {
        const LIST: Unfit = Unfit::Not("a list of objects");
        let mut sum = 0_i64;
        for element in elements(list).map_err(|_error| LIST)? {
            let found = self.paths.read_object(element.get()).map_err(|_error| LIST)?;
            let Some(amount) = found.value(self.amount) else { return Ok(None) };
            let times = match self.times.map(|slot| found.value(slot)) {
                None => 1,
                Some(None) => return Ok(None),
                Some(Some(times)) => integer(times)?,
            };
            let product = integer(amount)?.checked_mul(times);
            sum = product.and_then(|product| sum.checked_add(product)).ok_or(Unfit::Not("a sum in range"))?;
        }
        Ok(Some(sum))
    }
}

fn integer(source: &str) -> Result<i64, Unfit> {
    source.parse().map_err(|_error: std::num::ParseIntError| Unfit::Not("a whole number"))
}

/// Digits as they are written, in quotes or not; never through floating point.
fn number(source: &str) -> Result<Decimal, Unfit> {
    let text = plain(source);
    let exact = text.parse::<Decimal>().or_else(|_error| Decimal::from_scientific(&text));
    exact.map_err(|_error| Unfit::Not("a number"))
}

/// A point in time that can be written: its year has four digits.
fn moment(source: &str) -> Result<OffsetDateTime, Unfit> {
    let at = OffsetDateTime::from_unix_timestamp(integer(source)?).ok();
    at.filter(|at| (0..=9_999).contains(&at.year())).ok_or(Unfit::Not("a time"))
}

/// The id of an object that is written as an id or in full.
pub(super) fn id(source: &str) -> Result<String, Unfit> {
    if source.starts_with('{') {
        let head: ObjectHead<'_> =
            serde_json::from_str(source).map_err(|_error| Unfit::Not("an object with an id"))?;
        return head.id.map(|id| id.into_owned()).ok_or(Unfit::Not("an object with an id"));
    }
    if source.starts_with('"') { Ok(plain(source).into_owned()) } else { Err(Unfit::Not("an id")) }
}

fn text(source: &str, length: usize, too_long: TooLong) -> Result<Made, Unfit> {
    let text = match source.as_bytes().first() {
        Some(b'[') => {
            let words = elements(source).map_err(|_error| Unfit::Not("a list"))?;
            words.iter().map(|word| plain(word.get())).collect::<Vec<_>>().join(", ").into()
        }
        Some(b'{') => return Err(Unfit::Not("text")),
        _ => plain(source),
    };
    // No character has more units than bytes, so most texts need no counting.
    if text.len() <= length || text.encode_utf16().count() <= length {
        return Ok(Made::Value(Value::Text(text.into_owned())));
    }
    if too_long == TooLong::LeaveOut {
        return Ok(Made::LeftOut(format!("longer than {length} characters")));
    }
    let mut units = 1; // the ellipsis
    let kept: String = text
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= length
        })
        .collect();
    Ok(Made::Noted(Value::Text(format!("{kept}…")), format!("was cut to {length} characters")))
}

fn email(source: &str) -> Result<Made, Unfit> {
    let address = plain(source);
    let plausible =
        address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
            && !address.contains(char::is_whitespace);
    if plausible {
        text(source, 80, TooLong::LeaveOut)
    } else {
        Ok(Made::LeftOut("not an address".to_owned()))
    }
}

/// Ids are only worth something in the org that they come from, which the metadata names.
fn linked(sobject: &str, own: Slot, asked: Option<(Slot, Slot)>, org: Slot, found: &Found<'_>) -> Made {
    let asked = || {
        let (object, record) = asked?;
        let object = found.text(object)?;
        found.text(record).filter(|_| object.eq_ignore_ascii_case(sobject))
    };
    let Some(text) = found.text(own).or_else(asked) else { return Made::Nothing };
    let text = text.trim();
    let named = found.text(org).and_then(|named| record_id::long_form(named.trim()));
    if let (Some(named), Some(org)) = (named, found.org)
        && *named != *org
    {
        return Made::LeftOut(format!("`{text}` is a record of the org {named}, not of {org}"));
    }
    match record_id::long_form(text).filter(|id| record_id::fits(id, sobject)) {
        Some(id) => Made::Value(Value::Text(id)),
        None => Made::LeftOut(format!("`{text}` is not the id of a record of {sobject}")),
    }
}

fn flag(rules: &[(When, bool)], source: Option<&str>, found: &Found<'_>) -> Result<Made, Unfit> {
    let by_rule = rules.iter().find(|(when, _)| when.holds(found)).map(|(_, flag)| *flag);
    Ok(match (by_rule, source) {
        (Some(flag), _) => Made::Value(Value::Flag(flag)),
        (None, Some("true")) => Made::Value(Value::Flag(true)),
        (None, Some("false")) => Made::Value(Value::Flag(false)),
        (None, Some(_)) => return Err(Unfit::Not("true or false")),
        (None, None) => Made::Nothing,
    })
}

/// A value that no rule and no word knows leaves the field as it was, because the picklist takes no other values.
fn status(
    rules: &[(When, Arc<str>)],
    words: &[(String, Arc<str>)],
    source: Option<&str>,
    found: &Found<'_>,
) -> Made {
    let by_rule = rules.iter().find(|(when, _)| when.holds(found)).map(|(_, word)| word);
    let value = source.map(plain);
    let by_value =
        || words.iter().find(|(known, _)| Some(known.as_str()) == value.as_deref()).map(|(_, word)| word);
    match by_rule.or_else(by_value) {
        Some(word) => Made::Value(Value::Text(word.as_ref().to_owned())),
        None => Made::LeftOut(format!("`{}` is new to us", value.unwrap_or_default())),
    }
}
