//! Mapping files: TOML with the line of every value, and how one file is laid over another.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use toml::de::{DeTable, DeValue};

/// Where something is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the file.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
}

/// One thing that is wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it is.
    pub place: Place,
    /// What is wrong, in words for an admin.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.file, self.place.line, self.problem)
    }
}

/// Everything that is wrong with a mapping.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {plural} in the mapping", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// Values by name.
pub(super) type Table = BTreeMap<String, Item>;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub node: Node,
    pub place: Place,
}

/// A value of the file.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    /// As it is written.
    Number(String),
    Flag(bool),
    List(Vec<Item>),
    Table(Table),
}

impl Node {
    /// What is compared or sent: text, number or truth value as text.
    pub(super) fn scalar(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text.clone()),
            Self::Flag(flag) => Some(flag.to_string()),
            Self::List(_) | Self::Table(_) => None,
        }
    }
}

/// Reads a file. What is no TOML is noted among the faults.
pub(super) fn parse(name: &str, text: &str, faults: &mut Vec<Fault>) -> Table {
    let file: Arc<str> = name.into();
    let place = |offset: usize| Place {
        file: Arc::clone(&file),
        line: text[..offset.min(text.len())].matches('\n').count() + 1,
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = place(error.span().map_or(0, |span| span.start));
        faults.push(Fault { place, problem: format!("is not valid TOML: {}", error.message()) });
    }
    convert_table(table.get_ref(), &place)
}

fn convert_table(table: &DeTable<'_>, place: &impl Fn(usize) -> Place) -> Table {
    let entry = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let name_at = name.span().start;
        let name: &std::borrow::Cow<'_, str> = name.get_ref();
        (name.to_string(), Item { node: convert(value.get_ref(), place), place: place(name_at) })
    };
    table.iter().map(entry).collect()
}

fn convert(value: &DeValue<'_>, place: &impl Fn(usize) -> Place) -> Node {
    match value {
        DeValue::String(text) => Node::Text(text.to_string()),
        DeValue::Boolean(flag) => Node::Flag(*flag),
        DeValue::Integer(number) => Node::Number(number.to_string()),
        DeValue::Float(number) => Node::Number(number.to_string()),
        DeValue::Datetime(at) => Node::Text(at.to_string()),
        DeValue::Array(items) => {
            let item = |item: &toml::Spanned<DeValue<'_>>| Item {
                node: convert(item.get_ref(), place),
                place: place(item.span().start),
            };
            Node::List(items.iter().map(item).collect())
        }
        DeValue::Table(table) => Node::Table(convert_table(table, place)),
    }
}

/// A short name for what the tables say, wherever it is written: the same for the same mapping.
pub(super) fn version(table: &Table) -> String {
    let mut text = String::new();
    write_table(table, &mut text);
    hex::encode(&Sha256::digest(text)[..6])
}

/// Texts are quoted, so that two different tables are never written alike.
fn write_table(table: &Table, text: &mut String) {
    text.push('{');
    for (name, item) in table {
        text.push_str(&format!("{name:?}="));
        write(&item.node, text);
    }
    text.push('}');
}

fn write(node: &Node, text: &mut String) {
    match node {
        Node::Text(word) => text.push_str(&format!("{word:?};")),
        Node::Number(number) => text.push_str(&format!("{number};")),
        Node::Flag(flag) => text.push_str(&format!("{flag};")),
        Node::List(items) => {
            text.push('[');
            items.iter().for_each(|item| write(&item.node, text));
            text.push(']');
        }
        Node::Table(table) => write_table(table, text),
    }
}

/// Lays one file over another: records by name, inside a record each setting, and each field by its name.
pub(super) fn lay_over(base: &mut Table, over: Table) {
    for (name, item) in over {
        match (base.get_mut(&name).map(|known| &mut known.node), item.node) {
            (Some(Node::Table(known)), Node::Table(record)) => {
                for (setting, item) in record {
                    match (known.get_mut(&setting).map(|known| &mut known.node), item.node) {
                        (Some(Node::Table(fields)), Node::Table(new)) if setting == "fields" => {
                            fields.extend(new);
                        }
                        (_, node) => {
                            known.insert(setting, Item { node, place: item.place });
                        }
                    }
                }
            }
            (_, node) => {
                base.insert(name, Item { node, place: item.place });
            }
        }
    }
}
