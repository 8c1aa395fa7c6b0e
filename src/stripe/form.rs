//! Request bodies as Stripe reads them: form fields, nested with brackets.
//!
//! `metadata[k]=v`, `items[0][price]=…`, `expand[]=…`; booleans are words and times are seconds.
//! Source: Stripe API reference, request bodies; the official SDKs' encoding.

use std::fmt;

use url::form_urlencoded;

/// The fields of one request, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub(super) fn set(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.fields.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a field when there is something to say; an empty one would tell Stripe to clear it.
    pub(super) fn set_some(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Adds the fields of `inner` below `name`.
    pub(super) fn nest(mut self, name: &str, inner: Self) -> Self {
        self.fields.extend(inner.fields.into_iter().map(|(key, value)| (below(name, &key), value)));
        self
    }

    /// Adds each form below `name` and its number.
    pub(super) fn list(self, name: &str, items: impl IntoIterator<Item = Self>) -> Self {
        let numbered = items.into_iter().enumerate();
        numbered.fold(self, |form, (number, item)| form.nest(&format!("{name}[{number}]"), item))
    }

    /// Adds each text below `name` and its number.
    pub(super) fn words(self, name: &str, words: &[String]) -> Self {
        let numbered = words.iter().enumerate();
        numbered.fold(self, |form, (number, word)| form.set(&format!("{name}[{number}]"), word))
    }

    /// Adds key-value pairs below `name`.
    pub(super) fn map<'a>(
        self,
        name: &str,
        pairs: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        let inner = pairs.into_iter().fold(Self::new(), |form, (key, value)| form.set(key, value));
        self.nest(name, inner)
    }

    /// Whether there is a field of this name, or below it.
    pub(super) fn has(&self, name: &str) -> bool {
        let begins =
            |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('['));
        self.fields.iter().any(|(key, _)| begins(key))
    }

    /// The fields of a body that [`Form::encode`] wrote.
    pub(super) fn parse(body: &str) -> Self {
        Self { fields: form_urlencoded::parse(body.as_bytes()).into_owned().collect() }
    }

    /// The body.
    pub(super) fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

/// `a` below `n` is `n[a]`, `a[b]` below `n` is `n[a][b]`.
fn below(name: &str, key: &str) -> String {
    match key.split_once('[') {
        Some((head, tail)) => format!("{name}[{head}][{tail}"),
        None => format!("{name}[{key}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_written_with_brackets() {
        let price = Form::new().nest("recurring", Form::new().set("interval", "month"));
        let item = Form::new().nest("price_data", price).set("quantity", 2);
        let form = Form::new()
            .set("name", "Zoë & Söhne=1")
            .set_some("email", None::<&str>)
            .set("confirm", true)
            .list("items", [Form::new().set("price", "price_1"), item])
            .nest("metadata", Form::new().set("sf_record_id", "006"));
        let read: Vec<String> = form_urlencoded::parse(form.encode().as_bytes())
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(
            read,
            [
                "name=Zoë & Söhne=1",
                "confirm=true",
                "items[0][price]=price_1",
                "items[1][price_data][recurring][interval]=month",
                "items[1][quantity]=2",
                "metadata[sf_record_id]=006",
            ]
        );
    }
}
