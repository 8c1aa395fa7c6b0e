//! Same key, same answer: which key a request travels to Stripe with, and what replays and clashes become.
//!
//! Stripe keeps the first answer of a key for at least a day and replays it, failures included.
//! Source: Stripe API reference, "Idempotent requests".

use uuid::Uuid;

use super::action::Head;
use super::fields::Fields;

/// The key of one intention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(String);

impl Key {
    /// The key for `operation`: the caller's own, else one derived from the record that asks, else a fresh one.
    ///
    /// It is never derived from the run of a Flow: a re-run must meet the answer of the first run. A fresh key protects
    /// nothing but this one call.
    pub(super) fn read(fields: &mut Fields, head: &Head, operation: &str, record_id: Option<&str>) -> Self {
        let body = fields.text("idempotencyKey", 255, "invoice-4711-deposit");
        let header = head.key.as_deref();
        if let (Some(body), Some(header)) = (&body, header)
            && body != header
        {
            fields.fault("idempotencyKey", "differs from the header Idempotency-Key", None, None);
        }
        let given = body.or_else(|| header.map(str::to_owned));
        if let Some(given) = &given
            && (given.len() > 255 || !given.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '))
        {
            let expected = "at most 255 printable ASCII characters";
            fields.fault(
                "idempotencyKey",
                "cannot travel in a header",
                Some(expected),
                Some("invoice-4711-deposit"),
            );
        }
        Self(match (given, record_id) {
            (Some(given), _) => given,
            (None, Some(record)) => format!("paybridge-{operation}-{record}"),
            (None, None) => format!("paybridge-{}", Uuid::now_v7()),
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::super::problem::Problem;
    use super::*;

    fn key(body: &str, header: Option<&[u8]>, record: Option<&str>) -> Result<String, Problem> {
        let mut request = TestRequest::default();
        if let Some(header) = header {
            request = request.insert_header(("Idempotency-Key", HeaderValue::from_bytes(header).unwrap()));
        }
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        let key = Key::read(&mut fields, &Head::of(&request.to_http_request()), "createCustomer", record);
        fields.finish(Some(key.0))
    }

    #[test]
    fn the_callers_key_wins_then_the_record_then_chance() {
        let body = r#"{"idempotencyKey":"mine"}"#;
        assert_eq!(key(body, None, Some("006")).unwrap(), "mine");
        assert_eq!(key(body, Some(b"mine"), None).unwrap(), "mine");
        assert_eq!(key("{}", Some(b"theirs"), Some("006")).unwrap(), "theirs");
        assert_eq!(key("{}", None, Some("006")).unwrap(), "paybridge-createCustomer-006");
        assert_ne!(key("{}", None, None).unwrap(), key("{}", None, None).unwrap());
    }

    #[test]
    fn keys_that_contradict_or_cannot_travel_are_refused() {
        assert!(key(r#"{"idempotencyKey":"a"}"#, Some(b"b"), None).is_err());
        assert!(key(r#"{"idempotencyKey":"a\nb"}"#, None, None).is_err());
        assert!(key(r#"{"idempotencyKey":"é"}"#, None, None).is_err());
        assert!(key("{}", Some(b"\xff"), Some("006")).is_err());
        assert!(key("{}", Some(&[b'k'; 256]), None).is_err());
    }
}
