//! A request that creates or changes something, as data: it can be kept, and sent again exactly as it was.

use std::fmt;

use super::form::Form;

/// What is asked of Stripe, without key and version.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub(super) verb: Verb,
    pub(super) path: Vec<String>,
    pub(super) form: Form,
}

/// How it is asked. Stripe has no others for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Post,
    Delete,
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
        Self { verb: Verb::Post, path: path.iter().map(|part| (*part).to_owned()).collect(), form }
    }

    /// The id of the object that this request deletes, if it does. Stripe takes no idempotency key for that: what is gone
    /// cannot be deleted again.
    pub fn deletes(&self) -> Option<&str> {
        self.path.last().filter(|_| self.verb == Verb::Delete).map(String::as_str)
    }

    /// The request as text, the same for the same request: a line that says where it goes, and its body.
    pub fn to_text(&self) -> String {
        format!("{} {}\n{}", self.verb.word(), self.path.join("/"), self.form.encode())
    }

    /// The request that [`Request::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once('\n')?;
        let (verb, path) = head.split_once(' ')?;
        let verb = [Verb::Post, Verb::Delete].into_iter().find(|known| known.word() == verb)?;
        Some(Self { verb, path: path.split('/').map(str::to_owned).collect(), form: Form::parse(body) })
    }
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
    }

    #[test]
    fn what_is_in_it_is_not_printed() {
        let request = Request::post(&["customers"], Form::new().set("email", "ada@example.com"));
        assert_eq!(format!("{request:?}"), "POST /v1/customers");
    }
}
