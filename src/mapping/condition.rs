//! Conditions: what values must be for something to hold. Plain matching, compiled once.
//!
//! In the file, `{ status = "succeeded", amount_refunded = { not = 0 } }` holds when all of it does, and a list of such
//! tables when one of them does. A value is compared as text; a list stands for any of its values.

use super::file::{Item, Node, Table};
use super::paths::{Found, Slot};
use super::scope::{Absent, Scope};

/// Holds when one of its alternatives does; without any, always.
#[derive(Clone, Debug, Default)]
pub(super) struct When(Vec<Vec<Test>>);

#[derive(Clone, Debug)]
struct Test {
    slot: Slot,
    expected: Expected,
}

#[derive(Clone, Debug)]
enum Expected {
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    Present(bool),
}

impl When {
    /// Reads a condition.
    pub(super) fn compile(item: &Item, scope: &mut Scope<'_>) -> Self {
        let mut alternatives = Vec::new();
        let tables = match &item.node {
            Node::List(items) => items.iter().collect(),
            _ => vec![item],
        };
        for table in tables {
            let mut tests = Vec::new();
            match &table.node {
                Node::Table(inner) => gather("", inner, &mut tests, scope),
                _ => {
                    scope.fault(&table.place, "a condition is written like { status = \"paid\" }".to_owned())
                }
            }
            alternatives.push(tests);
        }
        Self(alternatives)
    }

    /// Whether it holds for an object.
    pub(super) fn holds(&self, found: &Found<'_>) -> bool {
        self.0.is_empty() || self.0.iter().any(|tests| tests.iter().all(|test| test.holds(found)))
    }
}

impl Test {
    fn holds(&self, found: &Found<'_>) -> bool {
        let is_one_of = |values: &[String]| {
            found.text(self.slot).is_some_and(|text| values.iter().any(|value| *value == *text))
        };
        match &self.expected {
            Expected::OneOf(values) => is_one_of(values),
            Expected::NoneOf(values) => !is_one_of(values),
            Expected::Present(present) => found.value(self.slot).is_some() == *present,
        }
    }
}

fn gather(prefix: &str, table: &Table, tests: &mut Vec<Test>, scope: &mut Scope<'_>) {
    for (name, item) in table {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let mut test = |scope: &mut Scope<'_>, expected| {
            tests.push(Test { slot: scope.slot(&path, item, Absent::IsAnError), expected });
        };
        match &item.node {
            Node::Table(inner) => match (inner.len(), inner.get("not"), inner.get("present")) {
                (1, Some(not), _) => match values(not) {
                    Some(values) => test(scope, Expected::NoneOf(values)),
                    None => scope.fault(&not.place, "`not` takes a value or a list of values".to_owned()),
                },
                (1, _, Some(present)) => match present.node {
                    Node::Flag(present) => test(scope, Expected::Present(present)),
                    _ => scope.fault(&present.place, "`present` is true or false".to_owned()),
                },
                _ => gather(&path, inner, tests, scope),
            },
            _ => match values(item) {
                Some(values) => test(scope, Expected::OneOf(values)),
                None => {
                    scope.fault(&item.place, format!("`{path}` is compared with a value or a list of values"))
                }
            },
        }
    }
}

fn values(item: &Item) -> Option<Vec<String>> {
    match &item.node {
        Node::List(items) => items.iter().map(|item| item.node.scalar()).collect(),
        node => Some(vec![node.scalar()?]),
    }
}
