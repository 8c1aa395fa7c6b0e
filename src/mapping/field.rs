//! One field of a record: compiled from its line in the file, applied to an event.

use std::sync::Arc;

use super::condition::When;
use super::file::{Item, Node, Table};
use super::paths::{Found, Paths, Slot};
use super::scope::{Absent, Scope};
use super::target;
use super::transform::{Each, Made, TooLong, Transform};
use super::{Change, Error};
use crate::salesforce::Value;
use crate::salesforce::schema::{self, Kind};

/// One field, ready to be filled.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// As it is sent: a lookup by external id goes by the name of its relationship.
    name: Arc<str>,
    /// Where its value comes from: the first that has one.
    sources: Vec<Slot>,
    when: When,
    missing: Missing,
    transform: Transform,
}

/// Before the name of a field that is only sent while the record is not there yet.
const ONLY_NEW: char = '+';

/// What is done when there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// The field is emptied; a checkbox is unticked.
    Clear,
    /// The field is not touched.
    Keep,
}

/// The transformations by the name of their setting, and the further settings that each takes.
const TRANSFORMS: [(&str, &[&str]); 13] = [
    ("text", &["length", "too_long"]),
    ("email", &[]),
    ("id", &[]),
    ("currency_code", &[]),
    ("money", &["currency", "each", "times"]),
    ("number", &[]),
    ("flag", &["rules"]),
    ("datetime", &[]),
    ("date", &[]),
    ("constant", &[]),
    ("reference", &["object"]),
    ("record_id", &["path"]),
    ("status", &["rules", "words"]),
];

impl Field {
    /// Reads the field `name`. `target` is the field in the org, as far as it is known.
    pub(super) fn compile(
        name: &str,
        item: &Item,
        target: Option<&schema::Field>,
        by_id: bool,
        scope: &mut Scope<'_>,
    ) -> Option<Self> {
        let Node::Table(table) = &item.node else {
            let problem =
                format!("`{name}` is written like {{ text = \"path.in.stripe\" }}, or false to leave it out");
            scope.fault(&item.place, problem);
            return None;
        };
        let mut chosen = TRANSFORMS.iter().filter(|(kind, _)| table.contains_key(*kind));
        let (Some((kind, settings)), None) = (chosen.next(), chosen.next()) else {
            let names = TRANSFORMS.map(|(kind, _)| kind).join(", ");
            scope.fault(&item.place, format!("`{name}` needs exactly one of: {names}"));
            return None;
        };
        let known: Vec<&str> = [kind, "when", "missing", "owner"].iter().chain(*settings).copied().collect();
        scope.refuse_unknown(table, &known, &format!("`{kind}`"));
        let missing = missing(table, kind, scope);
        let absent = if missing.is_some() { Absent::IsFine } else { Absent::IsAnError };
        let missing = missing.unwrap_or(match *kind {
            "reference" | "record_id" | "status" => Missing::Keep,
            _ => Missing::Clear,
        });
        let when = table.get("when").map(|item| When::compile(item, scope)).unwrap_or_default();
        let (sources, paths) = sources(kind, &table[*kind], table, absent, scope);
        let transform = transform(kind, table, absent, &paths, target, scope)?;
        if let Some(target) = target {
            for problem in target::problems(&transform, target) {
                scope.fault(&item.place, format!("`{name}` {problem}"));
            }
        }
        let relationship = matches!(transform, Transform::Reference { .. });
        let sent = if relationship {
            if name.ends_with("__c") {
                name.replace("__c", "__r")
            } else {
                name.trim_end_matches("Id").to_owned()
            }
        } else {
            name.to_owned()
        };
        let sent = if is_salesforces(table, by_id, scope) { format!("{ONLY_NEW}{sent}") } else { sent };
        Some(Self { name: sent.into(), sources, when, missing, transform })
    }

    /// The Stripe object that this field refers to.
    pub(super) fn refers_to(&self) -> Option<&str> {
        match &self.transform {
            Transform::Reference { object } => Some(object),
            _ => None,
        }
    }

    /// Sets the field of `change`. Of a deleted object that only says its id (`stub`), what is not said stays.
    pub(super) fn fill(
        &self,
        change: &mut Change,
        found: &Found<'_>,
        paths: &Paths,
        stub: bool,
    ) -> Result<(), Error> {
        if !self.when.holds(found) {
            return Ok(());
        }
        let several = self.sources.len() > 1;
        let source =
            self.sources.iter().find_map(|slot| found.value(*slot).filter(|v| !several || *v != "\"\""));
        let made = self.transform.make(source, found).map_err(|unfit| {
            let path = self.sources.first().map_or("", |slot| paths.name(*slot));
            unfit.of(&change.external_id, path, source)
        })?;
        let name = Arc::clone(&self.name);
        match made {
            Made::Value(value) => change.fields.set(name, value),
            Made::Noted(value, note) => {
                change.notes.push(format!("{name} {note}"));
                change.fields.set(name, value);
            }
            Made::Parent(parent) => {
                change.fields.set(name, Value::Parent(parent.id.clone()));
                change.parents.push(parent);
            }
            Made::LeftOut(why) => change.notes.push(format!("{name} was left out: {why}")),
            Made::Nothing if self.missing == Missing::Keep || stub => {}
            Made::Nothing => {
                let empty = if matches!(self.transform, Transform::Flag { .. }) {
                    Value::Flag(false)
                } else {
                    Value::Null
                };
                change.fields.set(name, empty);
            }
        }
        Ok(())
    }
}

/// Whether the field belongs to the org once its record is there.
fn is_salesforces(table: &Table, by_id: bool, scope: &mut Scope<'_>) -> bool {
    let Some(item) = table.get("owner") else { return false };
    match item.node.scalar().as_deref() {
        Some("salesforce") if by_id => {
            let problem =
                "a record that is found by its own id is always there, so this field would never be written";
            scope.fault(&item.place, problem.to_owned());
            false
        }
        Some("salesforce") => true,
        Some("stripe") => false,
        _ => {
            scope.fault(&item.place, "`owner` is \"stripe\" or \"salesforce\"".to_owned());
            false
        }
    }
}

fn missing(table: &Table, kind: &str, scope: &mut Scope<'_>) -> Option<Missing> {
    let item = table.get("missing")?;
    match scope.text(item, "missing")? {
        "keep" => Some(Missing::Keep),
        "clear" if kind != "status" => Some(Missing::Clear),
        _ => {
            scope.fault(&item.place, "`missing` is \"clear\" or \"keep\"".to_owned());
            None
        }
    }
}

/// The slots of the source, and its paths. Inside `each`, the list itself is the source.
fn sources(
    kind: &str,
    item: &Item,
    table: &Table,
    absent: Absent,
    scope: &mut Scope<'_>,
) -> (Vec<Slot>, Vec<String>) {
    if matches!(kind, "constant" | "record_id") {
        return (Vec::new(), Vec::new());
    }
    let item = table.get("each").unwrap_or(item);
    let items = match &item.node {
        Node::List(items) if table.get("each").is_none() => items.clone(),
        _ => vec![item.clone()],
    };
    let mut found = (Vec::new(), Vec::new());
    for item in &items {
        let Some(path) = scope.text(item, kind).map(str::to_owned) else { continue };
        if !table.contains_key("each")
            && let Some(known) = scope.look_up(&path, item)
            && !target::readable(kind, &known.holds)
        {
            scope.fault(
                &item.place,
                format!("`{path}` is {} in Stripe; {kind} cannot read that", known.holds),
            );
        }
        found.0.push(scope.slot(&path, item, absent));
        found.1.push(path);
    }
    found
}

fn transform(
    kind: &str,
    table: &Table,
    absent: Absent,
    paths: &[String],
    target: Option<&schema::Field>,
    scope: &mut Scope<'_>,
) -> Option<Transform> {
    Some(match kind {
        "text" => text(table, target, scope),
        "email" => Transform::Email,
        "id" => Transform::Id,
        "currency_code" => Transform::CurrencyCode,
        "money" => money(table, absent, target, scope),
        "number" => Transform::Number,
        "flag" => {
            let rules = rules(table, scope);
            let flag = |(when, item, word): (When, Item, String)| match word.parse() {
                Ok(flag) => Some((when, flag)),
                Err(_) => {
                    scope.fault(&item.place, "a rule for a checkbox is true or false".to_owned());
                    None
                }
            };
            Transform::Flag { rules: rules.into_iter().filter_map(flag).collect() }
        }
        "datetime" => Transform::DateTime,
        "date" => Transform::Date,
        "constant" => constant(&table["constant"], scope)?,
        "reference" => {
            let object = match table.get("object") {
                Some(item) => scope.text(item, "object")?.to_owned(),
                None => scope.shapes.look_up(&scope.object, paths.first()?).ok()?.holds,
            };
            if !scope.shapes.objects().any(|known| known == object) {
                let problem = "name the Stripe object with `object = \"…\"`".to_owned();
                scope.fault(&table["reference"].place, problem);
            }
            Transform::Reference { object: object.into() }
        }
        "record_id" => {
            let sobject = scope.text(&table["record_id"], "record_id")?.to_owned();
            record_id(&sobject, table.get("path"), &table["record_id"], scope)
        }
        _ => status(table, scope),
    })
}

/// The record of `sobject` that the metadata names, by the key at `path` or by the usual ones.
pub(super) fn record_id(sobject: &str, path: Option<&Item>, item: &Item, scope: &mut Scope<'_>) -> Transform {
    let path = path.and_then(|item| Some((item, scope.text(item, "path")?.to_owned())));
    let (own, asked) = match path {
        Some((item, path)) => (scope.slot(&path, item, Absent::IsFine), None),
        None => {
            let mut key = |key: &str| scope.slot(&format!("metadata.{key}"), item, Absent::IsFine);
            let own = key(&format!("sf_{}_id", sobject.to_lowercase()));
            (own, Some((key("sf_object"), key("sf_record_id"))))
        }
    };
    let org = scope.slot("metadata.sf_org_id", item, Absent::IsFine);
    Transform::RecordId { sobject: sobject.into(), own, asked, org }
}

fn text(table: &Table, target: Option<&schema::Field>, scope: &mut Scope<'_>) -> Transform {
    let fits = target.and_then(|field| match field.kind {
        Kind::Text(length) => Some(length),
        _ => None,
    });
    let length = table.get("length").and_then(|item| {
        let length = item.node.scalar().and_then(|text| text.parse().ok()).filter(|length| *length > 0);
        match (length, fits) {
            (None, _) => scope.fault(&item.place, "`length` is a whole number above 0".to_owned()),
            (Some(length), Some(fits)) if length > fits => {
                scope.fault(&item.place, format!("{length} characters are too long: the field takes {fits}"));
            }
            _ => {}
        }
        length
    });
    let too_long = match table.get("too_long").map(|item| (item, item.node.scalar())) {
        None => TooLong::Cut,
        Some((_, Some(text))) if text == "cut" => TooLong::Cut,
        Some((_, Some(text))) if text == "leave out" => TooLong::LeaveOut,
        Some((item, _)) => {
            scope.fault(&item.place, "`too_long` is \"cut\" or \"leave out\"".to_owned());
            TooLong::Cut
        }
    };
    Transform::Text { length: length.or(fits).unwrap_or(255), too_long }
}

fn money(table: &Table, absent: Absent, target: Option<&schema::Field>, scope: &mut Scope<'_>) -> Transform {
    let currency = match table.get("currency") {
        Some(item) => scope.text(item, "currency").map(str::to_owned).map(|path| (item, path)),
        None => Some((&table["money"], "currency".to_owned())),
    };
    let currency = currency.map_or(0, |(item, path)| scope.slot(&path, item, absent));
    let list = table.get("each").and_then(|item| scope.text(item, "each").map(str::to_owned));
    let each = list.map(|list| {
        let mut paths = Paths::default();
        let mut inside = |name: &str, scope: &mut Scope<'_>| {
            let item = table.get(name)?;
            let path = scope.text(item, name)?.to_owned();
            scope.look_up(&format!("{list}.0.{path}"), item);
            Some(paths.add(&path))
        };
        let amount = inside("money", scope).unwrap_or(0);
        let times = inside("times", scope);
        Each { paths, amount, times }
    });
    let decimals = match target.map(|field| &field.kind) {
        Some(Kind::Number { decimals }) => *decimals,
        _ => 3,
    };
    Transform::Money { currency, each, decimals }
}

fn constant(item: &Item, scope: &mut Scope<'_>) -> Option<Transform> {
    let value = match &item.node {
        Node::Text(text) => Value::Text(text.clone()),
        Node::Flag(flag) => Value::Flag(*flag),
        Node::Number(number) => Value::Number(number.parse().ok()?),
        Node::List(_) | Node::Table(_) => {
            scope.fault(&item.place, "`constant` is a text, a number, true or false".to_owned());
            return None;
        }
    };
    Some(Transform::Constant(value))
}

/// What holds when; each with its place and its word.
fn rules(table: &Table, scope: &mut Scope<'_>) -> Vec<(When, Item, String)> {
    let items = match table.get("rules") {
        None => &[],
        Some(Item { node: Node::List(items), .. }) => items.as_slice(),
        Some(other) => {
            scope.fault(&other.place, "`rules` is a list".to_owned());
            &[]
        }
    };
    let mut rules = Vec::new();
    for item in items {
        let Node::Table(rule) = &item.node else {
            scope.fault(&item.place, "a rule is written { is = \"Paid\", when = { … } }".to_owned());
            continue;
        };
        scope.refuse_unknown(rule, &["is", "when"], "a rule");
        let when = rule.get("when").map(|item| When::compile(item, scope)).unwrap_or_default();
        match rule.get("is").and_then(|item| item.node.scalar()) {
            Some(word) => rules.push((when, item.clone(), word)),
            None => scope.fault(&item.place, "a rule needs `is = \"…\"`".to_owned()),
        }
    }
    rules
}

fn status(table: &Table, scope: &mut Scope<'_>) -> Transform {
    let rules = rules(table, scope).into_iter().map(|(when, _, word)| (when, word.into())).collect();
    let mut words = Vec::new();
    match table.get("words") {
        None => {}
        Some(Item { node: Node::Table(table), .. }) => {
            for (value, item) in table {
                words.extend(scope.text(item, value).map(|word| (value.clone(), word.into())));
            }
        }
        Some(other) => scope.fault(&other.place, "`words` is written { paid = \"Paid\", … }".to_owned()),
    }
    Transform::Status { rules, words }
}
