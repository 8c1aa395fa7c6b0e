//! Builds the change of one record: the fields all records share, and one function for each kind of field.

use time::OffsetDateTime;

use super::{Change, Error, Parent, links};
use crate::money::{Currency, Money};
use crate::salesforce::{Fields, Value};
use crate::stripe::event::Event;
use crate::stripe::objects::Metadata;

/// Salesforce's limit for the name of a record.
const NAME_LENGTH: usize = 80;

/// A change while it is being built.
pub(super) struct Builder {
    id: String,
    change: Change,
}

impl Builder {
    /// Begins with what every record carries.
    pub(super) fn new<O>(sobject: &'static str, id: &str, event: &Event<'_, O>) -> Self {
        let change = Change {
            sobject,
            external_id: id.to_owned(),
            progress: 0,
            fields: Fields::default(),
            parents: Vec::new(),
            notes: Vec::new(),
        };
        let mut builder = Self { id: id.to_owned(), change };
        builder.flag("Livemode__c", event.livemode);
        if let Some(account) = event.account.as_deref() {
            builder.text("Stripe_Account__c", Some(account), 255);
        }
        builder.text("Last_Event_Id__c", Some(&event.id), 255);
        builder.at("Last_Event_At__c", Some(event.created));
        builder
    }

    /// The finished change; `progress` orders states inside one second.
    pub(super) fn finish(mut self, progress: i64) -> Change {
        self.change.progress = progress;
        self.change
    }

    /// The record's name, cut to what fits.
    pub(super) fn name(&mut self, name: &str) {
        self.text("Name", Some(name), NAME_LENGTH);
    }

    /// The normalised status, and Stripe's own. A status we do not know leaves the normalised one as it was, because the
    /// picklist takes no other values.
    pub(super) fn status(&mut self, normalised: Option<&'static str>, stripe: Option<&str>) {
        match normalised {
            Some(status) => self.set("Status__c", Value::Text(status.to_owned())),
            None => self.note(format!("status `{}` is new to us", stripe.unwrap_or_default())),
        }
        if let Some(stripe) = stripe {
            self.text("Stripe_Status__c", Some(stripe), 40);
        }
    }

    /// Text, cut with an ellipsis where the field is shorter; `None` clears the field.
    ///
    /// Whether Salesforce counts UTF-16 units or characters is not documented; units are never fewer.
    pub(super) fn text(&mut self, field: &'static str, text: Option<&str>, length: usize) {
        let Some(text) = text else { return self.set(field, Value::Null) };
        if text.encode_utf16().count() <= length {
            return self.set(field, Value::Text(text.to_owned()));
        }
        let mut units = 1; // the ellipsis
        let kept: String = text
            .chars()
            .take_while(|c| {
                units += c.len_utf16();
                units <= length
            })
            .collect();
        self.note(format!("{field} was cut to {length} characters"));
        self.set(field, Value::Text(format!("{kept}…")));
    }

    /// Text that is worthless when cut, like an address: left out when it does not fit.
    pub(super) fn whole_text(&mut self, field: &'static str, text: Option<&str>, length: usize) {
        match text {
            Some(text) if text.encode_utf16().count() > length => {
                self.note(format!("{field} was left out: longer than {length} characters"));
            }
            text => self.text(field, text, length),
        }
    }

    /// An e-mail address. Salesforce refuses what is none, and the whole record with it; so such a one is left out.
    pub(super) fn email(&mut self, field: &'static str, email: Option<&str>) {
        let plausible = |email: &str| {
            email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
                && !email.contains(char::is_whitespace)
        };
        match email {
            Some(email) if !plausible(email) => self.note(format!("{field} was left out: not an address")),
            email => self.whole_text(field, email, 80),
        }
    }

    /// A checkbox.
    pub(super) fn flag(&mut self, field: &'static str, flag: bool) {
        self.set(field, Value::Flag(flag));
    }

    /// A point in time, from seconds since 1970; `None` clears the field.
    pub(super) fn at(&mut self, field: &'static str, seconds: Option<i64>) {
        let at = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        self.set(field, at.map_or(Value::Null, Value::DateTime));
    }

    /// The currency in upper case, and a reader of amounts in it.
    pub(super) fn currency(&mut self, code: &str) -> Result<Currency, Error> {
        let currency = self.currency_of(code)?;
        self.set("Currency__c", Value::Text(currency.code().to_owned()));
        Ok(currency)
    }

    /// The currency of a code, without setting a field.
    pub(super) fn currency_of(&self, code: &str) -> Result<Currency, Error> {
        Currency::parse(code).map_err(|error| Error::Amount { id: self.id.clone(), error })
    }

    /// An amount: minor units become an exact decimal in major units.
    pub(super) fn amount(&mut self, field: &'static str, minor: i64, currency: Currency) {
        self.set(field, Value::Number(Money::from_minor(minor, currency).major()));
    }

    /// A lookup filled by the parent's Stripe id. Without a parent the field is not touched.
    pub(super) fn parent(&mut self, relationship: &'static str, object: &str, id: Option<&str>) {
        if let Some(id) = id {
            self.set(relationship, Value::Parent(id.to_owned()));
            self.change.parents.push(Parent { object: object.to_owned(), id: id.to_owned() });
        }
    }

    /// Lookups to the Salesforce records that the metadata names, as far as this object has such fields.
    pub(super) fn links(&mut self, metadata: &Metadata, fields: &[(&'static str, &'static str)]) {
        for (field, sobject) in fields {
            match links::record_id(metadata, sobject) {
                Some(Ok(id)) => self.set(field, Value::Text(id)),
                Some(Err(text)) => {
                    self.note(format!(
                        "{field} was left out: `{text}` is not the id of a record of {sobject}"
                    ));
                }
                None => {}
            }
        }
    }

    fn set(&mut self, field: &'static str, value: Value) {
        self.change.fields.set(field, value);
    }

    fn note(&mut self, note: String) {
        self.change.notes.push(note);
    }
}
