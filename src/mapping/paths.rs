//! Reads the wanted values out of an event, in one pass and without copying: what nobody maps is skipped.
//!
//! A path is written with dots and begins at the object, or with `event.` at the event; a number is a place in a list.
//! Values stay the text they are in the JSON, so that no number is ever rounded.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The paths that are wanted. Each has a slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    root: Node,
    names: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    slot: Option<usize>,
    /// Sorted by name.
    children: Vec<(Box<str>, Node)>,
}

/// The place of one path among what was read.
pub(super) type Slot = usize;

/// What was found, by slot: the JSON text of each value.
#[derive(Debug)]
pub(super) struct Found<'a> {
    values: Vec<Option<&'a str>>,
    /// The org that the records go to, if it is known.
    pub org: Option<&'a str>,
}

impl Paths {
    /// The slot of a path; the same for the same path.
    pub(super) fn add(&mut self, path: &str) -> Slot {
        if let Some(slot) = self.find(path) {
            return slot;
        }
        let slot = self.names.len();
        self.names.push(path.to_owned());
        let begin: &[&str] = if path.starts_with("event.") { &[] } else { &["data", "object"] };
        let mut node = &mut self.root;
        for part in begin.iter().copied().chain(path.trim_start_matches("event.").split('.')) {
            let at = node.children.binary_search_by(|(name, _)| (**name).cmp(part)).unwrap_or_else(|at| {
                node.children.insert(at, (part.into(), Node::default()));
                at
            });
            node = &mut node.children[at].1;
        }
        node.slot = Some(slot);
        slot
    }

    /// The slot of a path that is wanted.
    pub(super) fn find(&self, path: &str) -> Option<Slot> {
        self.names.iter().position(|name| name == path)
    }

    /// The path of a slot.
    pub(super) fn name(&self, slot: Slot) -> &str {
        &self.names[slot]
    }

    /// Reads an event.
    pub(super) fn read<'a>(&self, event: &'a str) -> Result<Found<'a>, serde_json::Error> {
        let mut found = vec![None; self.names.len()];
        let mut json = serde_json::Deserializer::from_str(event);
        Walk { node: &self.root, found: &mut found, depth: 0 }.deserialize(&mut json)?;
        Ok(Found { values: found, org: None })
    }

    /// Reads an object that stands alone, like an element of a list.
    pub(super) fn read_object<'a>(&self, object: &'a str) -> Result<Found<'a>, serde_json::Error> {
        let mut found = vec![None; self.names.len()];
        if let Some(node) = self.root.child("data").and_then(|data| data.child("object")) {
            descend(node, object, &mut found)?;
        }
        Ok(Found { values: found, org: None })
    }
}

impl<'a> Found<'a> {
    /// The JSON text of a value; `None` when it is absent or null.
    pub(super) fn value(&self, slot: Slot) -> Option<&'a str> {
        self.values[slot].filter(|text| *text != "null")
    }

    /// Puts a value in place of what was not found.
    pub(super) fn put(&mut self, slot: Slot, json: &'a str) {
        self.values[slot] = Some(json);
    }

    /// Whether the field is there, be it null.
    pub(super) fn is_there(&self, slot: Slot) -> bool {
        self.values[slot].is_some()
    }

    /// The value as plain text: a string without its quotes, anything else as it is written.
    pub(super) fn text(&self, slot: Slot) -> Option<Cow<'a, str>> {
        self.value(slot).map(plain)
    }
}

/// JSON text without the quotes of a string.
pub(super) fn plain(json: &str) -> Cow<'_, str> {
    match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        Some(_) => serde_json::from_str::<String>(json).map_or(Cow::Borrowed(json), Cow::Owned),
        None => Cow::Borrowed(json),
    }
}

impl Node {
    fn child(&self, name: &str) -> Option<&Self> {
        let at = self.children.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.children[at].1)
    }
}

/// How deep the event itself is walked: the event, its data, its object. Below, values are taken as text first.
const EVENT_DEPTH: usize = 2;

struct Walk<'n, 'f, 'a> {
    node: &'n Node,
    found: &'f mut [Option<&'a str>],
    depth: usize,
}

impl<'a> DeserializeSeed<'a> for Walk<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Walk<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(child) = map.next_key_seed(Key(self.node))? {
            let Some(child) = child else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if self.depth < EVENT_DEPTH && child.slot.is_none() {
                map.next_value_seed(Walk { node: child, found: self.found, depth: self.depth + 1 })?;
            } else {
                let text = map.next_value::<&RawValue>()?.get();
                descend(child, text, self.found).map_err(A::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// Takes a value, and what is wanted inside it.
fn descend<'a>(node: &Node, text: &'a str, found: &mut [Option<&'a str>]) -> Result<(), serde_json::Error> {
    if let Some(slot) = node.slot {
        found[slot] = Some(text);
    }
    if node.children.is_empty() {
        return Ok(());
    }
    if text.starts_with('{') {
        let mut json = serde_json::Deserializer::from_str(text);
        Walk { node, found, depth: EVENT_DEPTH }.deserialize(&mut json)?;
    } else if text.starts_with('[') {
        for (at, element) in elements(text)?.into_iter().enumerate() {
            if let Some(child) = node.child(&at.to_string()) {
                descend(child, element.get(), found)?;
            }
        }
    }
    Ok(())
}

/// The elements of a list.
pub(super) fn elements(list: &str) -> Result<Vec<&RawValue>, serde_json::Error> {
    serde_json::from_str(list)
}

/// The child that a key leads to, without copying the key.
struct Key<'n>(&'n Node);

impl<'n, 'a> DeserializeSeed<'a> for Key<'n> {
    type Value = Option<&'n Node>;

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl<'n> Visitor<'_> for Key<'n> {
    type Value = Option<&'n Node>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.child(key))
    }
}
