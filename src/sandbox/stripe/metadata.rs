//! Metadata: the caller's own keys on an object.
//!
//! Source: docs.stripe.com/api/metadata — 50 keys, names up to 40 characters without brackets, values up to 500.

use serde_json::{Value, json};

use super::errors::Refusal;
use super::form::Form;

/// Merges what was sent into the object: an empty value removes its key, `metadata=` removes all.
pub(super) fn merge(form: &Form, object: &mut Value) -> Result<(), Refusal> {
    if !object["metadata"].is_object() || form.text("metadata") == Some("") {
        object["metadata"] = json!({});
    }
    if form.word("metadata").is_some() {
        return Err(Refusal::invalid("Invalid object").param("metadata"));
    }
    let Some(metadata) = object["metadata"].as_object_mut() else { return Ok(()) };
    for (key, value) in form.below("metadata") {
        let param = format!("metadata[{key}]");
        if key.is_empty() || key.chars().count() > 40 {
            let message = format!("Invalid metadata: the key `{key}` must have between 1 and 40 characters.");
            return Err(Refusal::invalid(message).param(&param));
        }
        if value.chars().count() > 500 {
            let message =
                format!("Invalid metadata: the value for key `{key}` is longer than 500 characters.");
            return Err(Refusal::invalid(message).param(&param));
        }
        if value.is_empty() {
            metadata.remove(&key);
        } else {
            metadata.insert(key, json!(value));
        }
    }
    if metadata.len() > 50 {
        return Err(Refusal::invalid("You can have at most 50 metadata keys.").param("metadata"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_merged_unset_and_limited() {
        let mut object = json!({ "metadata": { "a": "1", "b": "2" } });
        let mut send = |text: &str| {
            let outcome = merge(&Form::parse(text).unwrap(), &mut object);
            (outcome.is_ok(), object["metadata"].clone())
        };
        assert_eq!(send("metadata[a]=&metadata[c]=3"), (true, json!({ "b": "2", "c": "3" })));
        assert_eq!(send("metadata=&metadata[d]=4"), (true, json!({ "d": "4" })));
        assert!(!send(&format!("metadata[{}]=x", "k".repeat(41))).0);
        assert!(!send(&format!("metadata[k]={}", "v".repeat(501))).0);
        assert!(send(&format!("metadata[{}]={}", "k".repeat(40), "v".repeat(500))).0);
        let many: Vec<String> = (0..50).map(|n| format!("metadata[n{n}]=x")).collect();
        assert!(!send(&many.join("&")).0);
    }
}
