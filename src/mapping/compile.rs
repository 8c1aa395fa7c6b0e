//! From the files to the plan that events are mapped by. Everything that is wrong is told at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::condition::When;
use super::field::{self, Field};
use super::file::{self, Fault, Faults, Item, Node, Place, Table};
use super::paths::{Paths, Slot};
use super::plan::{Key, Plan, Plans};
use super::progress::Progress;
use super::scope::{Absent, Scope};
use super::shape::{Shapes, did_you_mean};
use crate::salesforce::schema::{Kind, Schema};

/// Fields that every record gets; no record itself.
const EVERY: &str = "every";
/// Behind the name of an object whose records are found by their own ids.
const BY_ID: &str = ".Id";
/// The field that records are upserted by.
const KEY: &str = "Stripe_Id__c";

/// The platform event that tells of records' new states.
const EVENT: &str = "Stripe_Event__e";

/// A lookup whose parent has to be mapped too.
struct Reference {
    place: Place,
    field: String,
    object: String,
    to: Option<String>,
}

/// The Salesforce objects that the files name, whatever else is wrong with them.
pub(super) fn targets(files: &[(&str, &str)]) -> BTreeSet<String> {
    let (mut faults, mut merged) = (Vec::new(), Table::new());
    for (name, text) in files {
        let table = file::parse(name, text, &mut faults);
        file::lay_over(&mut merged, table);
    }
    let to = |item: &Item| match &item.node {
        Node::Table(record) => record.get("to")?.node.scalar(),
        _ => None,
    };
    merged.values().filter_map(to).collect()
}

/// The plans for all kinds of objects. `files` are names and texts; later ones are laid over earlier ones.
pub(super) fn compile(files: &[(&str, &str)], schema: &Schema) -> Result<Plans, Faults> {
    let (mut faults, mut merged) = (Vec::new(), Table::new());
    for (name, text) in files {
        let table = file::parse(name, text, &mut faults);
        file::lay_over(&mut merged, table);
    }
    let version: Arc<str> = file::version(&merged).into();
    let shapes = Shapes::load();
    let every = match merged.remove(EVERY).map(|item| item.node) {
        Some(Node::Table(mut every)) => every.remove("fields"),
        _ => None,
    };
    let (mut plans, mut references) = (Plans { version, kinds: BTreeMap::new() }, Vec::new());
    for (name, item) in &merged {
        match &item.node {
            Node::Flag(false) => {}
            Node::Table(record) => {
                let compiler =
                    Compiler { shapes: &shapes, schema, faults: &mut faults, references: &mut references };
                compiler.record(name, item, record, every.as_ref(), &mut plans);
            }
            _ => faults.push(Fault {
                place: item.place.clone(),
                problem: format!("`{name}` is a table [{name}], or false to leave these records out"),
            }),
        }
    }
    for reference in references {
        check_reference(&reference, &plans, &mut faults);
    }
    faults.sort();
    faults.dedup();
    if faults.is_empty() { Ok(plans) } else { Err(Faults(faults)) }
}

fn check_reference(reference: &Reference, plans: &Plans, faults: &mut Vec<Fault>) {
    let Reference { place, field, object, to } = reference;
    let targets: BTreeSet<&str> = plans.targets(object).collect();
    let problem = match to {
        _ if targets.is_empty() => {
            format!("`{field}` refers to a {object}, but no records are made of that object")
        }
        Some(to) if !targets.contains(to.as_str()) => {
            format!("`{field}` points to records of {to}, but a {object} becomes a record of {targets:?}")
        }
        _ => return,
    };
    faults.push(Fault { place: place.clone(), problem });
}

struct Compiler<'c> {
    shapes: &'c Shapes,
    schema: &'c Schema,
    faults: &'c mut Vec<Fault>,
    references: &'c mut Vec<Reference>,
}

impl Compiler<'_> {
    fn record(self, name: &str, item: &Item, record: &Table, every: Option<&Item>, plans: &mut Plans) {
        let setting = |key: &str| match record.get(key).map(|item| &item.node) {
            Some(Node::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let (Some(from), Some(to)) = (setting("from"), setting("to")) else {
            let problem =
                format!("[{name}] needs `from = \"a Stripe object\"` and `to = \"a Salesforce object\"`");
            return self.faults.push(Fault { place: item.place.clone(), problem });
        };
        if !self.shapes.objects().any(|known| known == from) {
            let names: Vec<String> = self.shapes.objects().map(str::to_owned).collect();
            let place = record["from"].place.clone();
            let meant = did_you_mean(&from, names.iter());
            let problem = format!("`{from}` is not an object of Stripe that can be mapped{meant}");
            return self.faults.push(Fault { place, problem });
        }
        let kind = plans.kinds.entry(from.clone()).or_default();
        let mut scope = Scope {
            object: from,
            shapes: self.shapes,
            paths: std::mem::take(&mut kind.paths),
            needs: Vec::new(),
            faults: self.faults,
        };
        scope.refuse_unknown(
            record,
            &[
                "from",
                "to",
                "adds_to",
                "record_id",
                "when",
                "every",
                "order",
                "related",
                "contents",
                "notify",
                "fields",
            ],
            "a record",
        );
        let known = self.schema.fields(&to);
        let key = key(item, record, &to, &mut scope);
        let by_id = matches!(key, Key::Record(_));
        check_object(&to, by_id, &record["to"].place, self.schema, &mut scope);
        let id = scope.slot("id", item, Absent::IsAnError);
        let related = related(record, &mut scope);
        let contents = contents(record, &mut scope);
        let deleted = scope.paths.add("deleted");
        let notify = notify(record, by_id, self.schema, &mut scope);
        let when = record.get("when").map(|item| When::compile(item, &mut scope)).unwrap_or_default();
        let progress = record.get("order").map(|item| Progress::compile(item, &mut scope));
        let wants_every =
            !by_id && !matches!(record.get("every").map(|item| &item.node), Some(Node::Flag(false)));
        let mut entries: BTreeMap<&String, &Item> = BTreeMap::new();
        for fields in every.filter(|_| wants_every).into_iter().chain(record.get("fields")) {
            match &fields.node {
                Node::Table(fields) => entries.extend(fields),
                _ => scope.fault(&fields.place, "`fields` is a table".to_owned()),
            }
        }
        let mut fields = Vec::new();
        for (name, item) in entries {
            if matches!(item.node, Node::Flag(false)) {
                continue;
            }
            let target = known.and_then(|fields| fields.get(name));
            if let Some(known) = known.filter(|_| target.is_none()) {
                let meant = did_you_mean(name, known.keys());
                scope.fault(&item.place, format!("{to} has no field `{name}`{meant}"));
            }
            if name == KEY {
                scope.fault(&item.place, format!("`{KEY}` is always the id in Stripe; leave it out"));
                continue;
            }
            if target.is_some_and(|target| !target.writable) {
                let problem = format!(
                    "{to}.{name} may not be written by the integration user: it is read-only, or field-level security says so"
                );
                scope.fault(&item.place, problem);
            }
            let Some(field) = Field::compile(name, item, target, by_id, &mut scope) else { continue };
            if let Some(object) = field.refers_to() {
                let to = target.and_then(|field| match &field.kind {
                    Kind::Lookup(to) => Some(to.clone()),
                    _ => None,
                });
                let (place, field) = (item.place.clone(), name.clone());
                self.references.push(Reference { place, field, object: object.to_owned(), to });
            }
            fields.push(field);
        }
        if let Key::Of(object, _) = &key {
            let (place, field) = (item.place.clone(), "adds_to".to_owned());
            self.references.push(Reference {
                place,
                field,
                object: object.as_ref().to_owned(),
                to: Some(to.clone()),
            });
        }
        let needs = std::mem::take(&mut scope.needs);
        let paths: Paths = scope.paths;
        let to: Arc<str> = if by_id { format!("{to}{BY_ID}").into() } else { to.into() };
        kind.paths = paths;
        kind.related.extend(related);
        kind.contents.extend(contents);
        kind.plans.push(Plan {
            sobject: to,
            when,
            needs,
            key,
            id,
            deleted,
            fields,
            progress: progress.unwrap_or_default(),
            notify,
        });
    }
}

/// The record that is written: the object's own, or that of the object named by `adds_to = { charge = "source" }`.
fn key(item: &Item, record: &Table, to: &str, scope: &mut Scope<'_>) -> Key {
    match record.get("record_id").map(|item| (item, &item.node)) {
        None | Some((_, Node::Flag(false))) => {}
        Some((item, Node::Flag(true))) => return Key::Record(field::record_id(to, None, item, scope)),
        Some((item, Node::Text(_))) => return Key::Record(field::record_id(to, Some(item), item, scope)),
        Some((item, _)) => {
            scope.fault(&item.place, "`record_id` is true, or the path of the record's id".to_owned())
        }
    }
    let Some(adds_to) = record.get("adds_to") else {
        return Key::Own(scope.slot("id", item, Absent::IsAnError));
    };
    let named = match &adds_to.node {
        Node::Table(table) if table.len() == 1 => table.iter().next(),
        _ => None,
    };
    let path = named.and_then(|(object, path)| Some((object, path, scope.text(path, object)?.to_owned())));
    match path {
        Some((object, item, path)) => {
            Key::Of(object.as_str().into(), scope.slot(&path, item, Absent::IsFine))
        }
        None => {
            let problem = "`adds_to` names an object and where its id is: { charge = \"source\" }".to_owned();
            scope.fault(&adds_to.place, problem);
            Key::Own(0)
        }
    }
}

/// What the object names that becomes records of its own.
fn related(record: &Table, scope: &mut Scope<'_>) -> Vec<(Slot, Arc<str>)> {
    let items = match record.get("related") {
        None => Vec::new(),
        Some(Item { node: Node::List(items), .. }) => items.clone(),
        Some(other) => {
            scope.fault(&other.place, "`related` is a list of paths".to_owned());
            Vec::new()
        }
    };
    let mut found = Vec::new();
    for item in &items {
        let Some(path) = scope.text(item, "related").map(str::to_owned) else { continue };
        let Some(known) = scope.look_up(&path, item) else { continue };
        let element = scope.shapes.look_up(&scope.object, &format!("{path}.0"));
        let holds = [Some(known), element.ok()].into_iter().flatten().map(|known| known.holds);
        match holds.into_iter().find(|holds| scope.shapes.objects().any(|object| object == holds)) {
            Some(object) => found.push((scope.slot(&path, item, Absent::IsFine), object.into())),
            None => {
                scope.fault(&item.place, format!("`{path}` does not lead to an object that can be mapped"))
            }
        }
    }
    found
}

/// Whether a platform event tells of the record's new states; the org must have that event.
fn notify(record: &Table, by_id: bool, schema: &Schema, scope: &mut Scope<'_>) -> bool {
    let Some(item) = record.get("notify") else { return false };
    let Node::Flag(notify) = item.node else {
        scope.fault(&item.place, "`notify` is true or false".to_owned());
        return false;
    };
    if notify && by_id {
        let problem = "records that are found by their own id are not told of; their object's record can be";
        scope.fault(&item.place, problem.to_owned());
    }
    if notify && schema.fields(EVENT).is_none() {
        scope.fault(&item.place, format!("there is no platform event `{EVENT}` in the org's metadata"));
    }
    notify
}

/// When what the object is made of is listed. Stripe lists the balance transactions of payouts.
fn contents(record: &Table, scope: &mut Scope<'_>) -> Option<When> {
    let item = record.get("contents")?;
    if scope.object != "payout" {
        let problem = format!("only a payout has contents that can be listed, not a {}", scope.object);
        scope.fault(&item.place, problem);
    }
    Some(When::compile(item, scope))
}

/// The object must be there, and have the field that its records are upserted by, unless they are found by their own ids.
fn check_object(to: &str, by_id: bool, place: &Place, schema: &Schema, scope: &mut Scope<'_>) {
    let problem = match schema.fields(to) {
        None => {
            let meant = did_you_mean(to, schema.objects());
            format!("there is no object `{to}` in the org's metadata{meant}")
        }
        Some(_) if by_id => return,
        Some(fields) => match fields.get(KEY) {
            None => format!("{to} has no field `{KEY}`, by which its records are upserted"),
            Some(field) if !field.is_key => {
                format!("{to}.{KEY} must be an external id, unique and case-sensitive")
            }
            Some(field) if !field.writable => {
                format!(
                    "{to}.{KEY}, by which records are upserted, may not be written by the integration user"
                )
            }
            Some(_) => return,
        },
    };
    scope.fault(place, problem);
}
