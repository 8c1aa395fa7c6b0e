//! What is known of the fields of Stripe's objects: whether a path exists, and what it holds.

use std::collections::BTreeMap;

use serde::Deserialize;

const SHAPES: &str = include_str!("shapes.toml");

/// The fields of all objects that can be mapped.
#[derive(Debug)]
pub(super) struct Shapes(BTreeMap<String, Shape>);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Shape {
    Leaf(String),
    Inner(BTreeMap<String, Shape>),
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// `text`, `integer`, …, the name of another object, or `hash`.
    pub holds: String,
    /// Whether Stripe always writes the field.
    pub always_there: bool,
    /// Whether it may be null.
    pub nullable: bool,
}

impl Shapes {
    /// Reads the description that is part of the program.
    pub(super) fn load() -> Self {
        Self(toml::from_str(SHAPES).expect("the description of Stripe's objects is tested"))
    }

    /// Names of the objects.
    pub(super) fn objects(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What a path of `object` leads to. The error names the part that does not exist, with what could be meant.
    pub(super) fn look_up(&self, object: &str, path: &str) -> Result<Known, String> {
        let unknown = Known { holds: "any".to_owned(), always_there: false, nullable: true };
        let Some(mut shape) = self.0.get(object) else { return Ok(unknown) };
        let mut inside = object.to_owned();
        let mut depth = 0;
        for part in path.split('.') {
            shape = loop {
                match shape {
                    Shape::Inner(fields) => match fields.get(part) {
                        Some(found) => break found,
                        None if part.bytes().all(|b| b.is_ascii_digit()) && fields.contains_key("each") => {
                            break &fields["each"];
                        }
                        None => return Err(no_such(&inside, part, fields)),
                    },
                    Shape::Leaf(leaf) => match leaf.trim_end_matches(['!', '?']) {
                        "map" | "any" => return Ok(unknown),
                        other => match self.0.get(other) {
                            Some(object) => {
                                inside = other.to_owned();
                                shape = object;
                            }
                            None => return Err(format!("`{inside}` is {other} and has no `{part}` inside")),
                        },
                    },
                }
            };
            inside = format!("{inside}.{part}");
            depth += 1;
        }
        Ok(match shape {
            Shape::Inner(_) => Known { holds: "hash".to_owned(), ..unknown },
            Shape::Leaf(leaf) => Known {
                holds: leaf.trim_end_matches(['!', '?']).to_owned(),
                // Of nested fields it is not described whether they can be absent.
                always_there: depth == 1 && !leaf.ends_with('?'),
                nullable: depth > 1 || !leaf.ends_with('!'),
            },
        })
    }
}

fn no_such(inside: &str, part: &str, fields: &BTreeMap<String, Shape>) -> String {
    format!("Stripe's `{inside}` has no field `{part}`{}", did_you_mean(part, fields.keys()))
}

/// `; did you mean …?`, if something known is written alike.
pub(super) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a String>) -> String {
    // What is longer than any name is like none, and comparing it would take long.
    let alike = |name: &&String| word.len() <= 255 && strsim::jaro_winkler(word, name) > 0.8;
    let mut known: Vec<&String> = known.filter(alike).collect();
    known.sort_by_key(|name| strsim::levenshtein(word, name));
    known.first().map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_with_what_they_hold() {
        let shapes = Shapes::load();
        for (object, path, holds, always_there, nullable) in [
            ("charge", "amount", "integer", true, false),
            ("charge", "failure_code", "text", true, true),
            ("charge", "customer.email", "text", false, true),
            ("charge", "metadata.anything", "any", false, true),
            ("subscription", "items.data.0.price.product", "product", false, true),
            ("invoice", "parent.subscription_details.subscription", "subscription", false, true),
            ("checkout.session", "payment_status", "text", true, false),
            ("customer", "name", "text", false, true),
        ] {
            let expected = Known { holds: holds.to_owned(), always_there, nullable };
            assert_eq!(shapes.look_up(object, path), Ok(expected), "{object} {path}");
        }
        let error = shapes.look_up("charge", "amount_refundet").unwrap_err();
        assert_eq!(
            error,
            "Stripe's `charge` has no field `amount_refundet`; did you mean `amount_refunded`?"
        );
        assert!(shapes.look_up("charge", "amount.major").unwrap_err().contains("has no `major` inside"));
        assert_eq!(shapes.objects().count(), 12);
    }
}
