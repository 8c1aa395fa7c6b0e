//! A request that creates or changes something, as data: it can be kept, and sent again exactly as it was.
//!
//! Some intentions take more than one call, as an invoice that is made, filled and finalised: the first call's request
//! carries the further ones, which name what it made by [`MADE`]. A request can name what must hold before it is sent, as an
//! amount is only right in its currency, and which object makes it needless, as a customer that is there already.

use std::fmt;

use sha2::{Digest, Sha256};

use super::form::Form;

/// Stands in the path of a further request for the id of what the request before made.
pub(super) const MADE: &str = "*";

/// What is asked of Stripe, without key and version.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub(super) verb: Verb,
    pub(super) path: Vec<String>,
    pub(super) form: Form,
    /// What must hold before anything is sent.
    pub(super) only_in: Option<OnlyIn>,
    /// What takes the place of what the first call would make.
    pub(super) unless: Option<Unless>,
    /// What follows, in this order.
    pub(super) then: Vec<Request>,
}

/// An object that has to be in a currency.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct OnlyIn {
    /// Kind of object, as in `object`.
    pub(super) object: String,
    pub(super) id: String,
    /// Lower-case code.
    pub(super) currency: String,
}

/// How it is asked. Stripe has no others for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Post,
    Delete,
}

/// A customer that Stripe's search finds by metadata. Search lags behind by a minute or so, and inside that minute the same
/// key makes no second customer.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Unless {
    /// Key and value, without quotes or spaces.
    pub(super) metadata: (String, String),
    /// The first call's own idempotency key, the same for everybody who looks for the same.
    pub(super) key: String,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

impl Request {
    /// `POST` to a path below `/v1`.
    pub(super) fn post(path: &[&str], form: Form) -> Self {
        Self::to(Verb::Post, path.iter().map(|part| (*part).to_owned()).collect(), form)
    }

    /// The id of the object that this request deletes, if it does. Stripe takes no idempotency key for that: what is gone
    /// cannot be deleted again.
    pub fn deletes(&self) -> Option<&str> {
        self.path.last().filter(|_| self.verb == Verb::Delete).map(String::as_str)
    }

    /// `DELETE` of a path below `/v1`.
    pub(super) fn delete(path: &[&str], form: Form) -> Self {
        Self { verb: Verb::Delete, ..Self::post(path, form) }
    }

    fn to(verb: Verb, path: Vec<String>, form: Form) -> Self {
        Self { verb, path, form, only_in: None, unless: None, then: Vec::new() }
    }

    /// Another request after this one.
    pub(super) fn then(mut self, next: Self) -> Self {
        self.then.push(next);
        self
    }

    /// Sends nothing unless the object (of a kind, as in the field `object`) is in this currency.
    #[must_use]
    pub fn only_in(mut self, object: &str, id: &str, currency: &str) -> Self {
        let (object, id) = (object.to_owned(), id.to_owned());
        self.only_in = Some(OnlyIn { object, id, currency: currency.to_ascii_lowercase() });
        self
    }

    /// Leaves out the first call when a customer with this metadata is there; else it travels under `key`.
    pub(super) fn unless_found(mut self, metadata: (&str, &str), key: String) -> Self {
        let metadata = (metadata.0.to_owned(), metadata.1.to_owned());
        self.unless = Some(Unless { metadata, key });
        self
    }

    /// The key under which the last call of this request travels.
    pub fn last_key(&self, key: &str) -> String {
        if self.then.is_empty() { key.to_owned() } else { key_of_call(key, self.then.len() + 1) }
    }

    /// The request as text, the same for the same request: a line that says where it goes, and its body; further requests
    /// likewise, and before all a line for each condition.
    pub fn to_text(&self) -> String {
        let only_in = self.only_in.as_ref().map_or_else(String::new, |OnlyIn { object, id, currency }| {
            format!("ONLY {object} {id} {currency}\n")
        });
        let unless =
            self.unless.as_ref().map_or_else(String::new, |Unless { metadata: (name, value), key }| {
                format!("UNLESS {name} {value} {key}\n")
            });
        let own =
            format!("{only_in}{unless}{} {}\n{}", self.verb.word(), self.path.join("/"), self.form.encode());
        self.then.iter().fold(own, |text, next| format!("{text}\n{}", next.to_text()))
    }

    /// The request that [`Request::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (only_in, text) = condition(text, "ONLY ")?;
        let only_in = only_in.map(|[object, id, currency]| OnlyIn { object, id, currency });
        let (unless, text) = condition(text, "UNLESS ")?;
        let unless = unless.map(|[name, value, key]| Unless { metadata: (name, value), key });
        let lines: Vec<&str> = text.split('\n').collect();
        let mut calls = Vec::new();
        for call in lines.chunks(2) {
            let [head, body] = call else { return None };
            let (verb, path) = head.split_once(' ')?;
            let verb = [Verb::Post, Verb::Delete].into_iter().find(|known| known.word() == verb)?;
            calls.push(Self::to(verb, path.split('/').map(str::to_owned).collect(), Form::parse(body)));
        }
        let mut calls = calls.into_iter();
        let first = calls.next()?;
        Some(Self { only_in, unless, then: calls.collect(), ..first })
    }
}

/// What keys begin with that are made here and not by callers.
const STEP: &str = "paybridge-step-";
/// The same for the one customer of a record.
pub(super) const CUSTOMER_OF: &str = "paybridge-customer-of-";

/// Whether a caller's key could be taken for one that is made here.
pub fn is_reserved_key(key: &str) -> bool {
    key.starts_with(STEP) || key.starts_with(CUSTOMER_OF)
}

/// The key of a further call of the same intention, counted from 1. Stripe takes at most 255 characters.
pub(super) fn key_of_call(key: &str, number: usize) -> String {
    format!("{STEP}{}-{number}", hex::encode(Sha256::digest(key)))
}

/// The three words of a line that begins like this, if it is there, and the text after it.
fn condition<'a>(text: &'a str, begin: &str) -> Option<(Option<[String; 3]>, &'a str)> {
    let Some(rest) = text.strip_prefix(begin) else { return Some((None, text)) };
    let (line, rest) = rest.split_once('\n')?;
    let mut words = line.splitn(3, ' ').map(str::to_owned);
    Some((Some([words.next()?, words.next()?, words.next()?]), rest))
}

/// Where it goes; what is in it may be personal.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} /v1/{}", self.verb.word(), self.path.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_back_as_it_was_written() {
        let form = Form::new().set("name", "Zoë & Söhne=1\n2").set("items[0][price]", "price_1").set("x", "");
        let request = Request::post(&["payment_intents", "pi_1", "capture"], form);
        let text = request.to_text();
        assert!(text.starts_with("POST payment_intents/pi_1/capture\nname=Zo"), "{text}");
        assert_eq!(Request::parse(&text), Some(request));
        assert_eq!(Request::parse("FETCH a\n"), None);
        let chain = Request::post(&["invoices"], Form::new().set("customer", "cus_1"))
            .then(Request::post(&["invoices", MADE, "add_lines"], Form::new().set("lines[0][amount]", 1)))
            .then(Request::post(&["invoices", MADE, "finalize"], Form::new()))
            .only_in("payment_intent", "pi_1", "EUR")
            .unless_found(("sf_record_id", "001"), "one key".to_owned());
        assert_eq!(Request::parse(&chain.to_text()), Some(chain));
    }

    #[test]
    fn what_is_in_it_is_not_printed() {
        let request = Request::post(&["customers"], Form::new().set("email", "ada@example.com"));
        assert_eq!(format!("{request:?}"), "POST /v1/customers");
    }
}
