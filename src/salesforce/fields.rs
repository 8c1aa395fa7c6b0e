//! The fields of one record as they travel: exact numbers, UTC times, references by external id.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};

/// What one field is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Clears the field.
    Null,
    /// Text, picklist values and record ids.
    Text(String),
    /// An exact decimal; its digits are written as they are.
    Number(Decimal),
    /// A checkbox.
    Flag(bool),
    /// A day.
    Date(Date),
    /// A point in time.
    DateTime(OffsetDateTime),
    /// The parent record with this Stripe id; the name of such a field is the relationship (`Customer__r`).
    Parent(String),
}

/// The fields of one record, in the order they were set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Arc<str>, Value)>);

impl Fields {
    /// Room for so many.
    pub fn with_capacity(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    /// Sets a field.
    pub fn set(&mut self, name: impl Into<Arc<str>>, value: Value) {
        self.0.push((name.into(), value));
    }

    /// The value of a field, if it is set.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(field, _)| **field == *name).map(|(_, value)| value)
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The fields as the text of a JSON object.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(&**name, value)?;
        }
        map.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            // A raw number keeps every digit; a float would not.
            Self::Number(number) => {
                RawValue::from_string(number.to_string()).map_err(S::Error::custom)?.serialize(serializer)
            }
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            // `Date` displays as `2026-11-20`.
            Self::Date(day) => serializer.collect_str(day),
            Self::DateTime(at) => serializer.serialize_str(&at.format(&Rfc3339).map_err(S::Error::custom)?),
            Self::Parent(stripe_id) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("Stripe_Id__c", stripe_id)?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let mut fields = Fields::default();
        fields.set("A", Value::Number(Decimal::new(12_340, 3)));
        fields.set("B", Value::Number(Decimal::new(999_999_999_999_999_999, 3)));
        fields.set("C", Value::Parent("cus_1".to_owned()));
        fields.set("D", Value::Null);
        fields.set("E", Value::DateTime(OffsetDateTime::UNIX_EPOCH));
        assert_eq!(
            fields.to_json().unwrap(),
            r#"{"A":12.340,"B":999999999999999.999,"C":{"Stripe_Id__c":"cus_1"},"D":null,"E":"1970-01-01T00:00:00Z"}"#
        );
    }
}
