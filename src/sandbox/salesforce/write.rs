//! The rules of one write: which fields and values are taken, which record they go to, and what may stand against it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::failure::Failure;
use super::ids::RecordId;
use super::json::{self, Json, Members, Shape, shape};
use super::records::Row;
use super::schema::{Field, Kind, Object};
use super::transaction::Transaction;
use super::values;

/// Which record a write is meant for.
pub(super) enum Target<'a> {
    New,
    Existing(RecordId),
    /// The record whose external id has this value, and a new one if there is none.
    ByExternalId {
        field: &'a Field,
        value: String,
        may_create: bool,
    },
}

/// An accepted write.
#[derive(Debug)]
pub(super) struct Saved {
    pub id: RecordId,
    pub created: bool,
}

/// What a body asks to change: each field with its new value, and the parents that it names.
struct Changes {
    fields: BTreeMap<Arc<str>, Option<Json>>,
    parents: Vec<RecordId>,
}

/// Writes one record, or says why it is refused; then nothing has changed.
pub(super) fn write(
    tx: &mut Transaction<'_>,
    object: usize,
    target: Target<'_>,
    body: &Members<'_>,
) -> Result<Saved, Failure> {
    let described = &tx.schema.objects()[object];
    if let Some((code, message)) = tx.state.unfit.get(&*described.name) {
        return Err(Failure::new(code.clone(), message.clone()));
    }
    let mut changes = read(tx, described, body)?;
    let existing = match &target {
        Target::New => None,
        Target::Existing(id) => Some(*id),
        Target::ByExternalId { field, value, may_create } => {
            let existing = matching(tx, object, field, value)?;
            if existing.is_none() && !may_create {
                return Err(Failure::not_found("The requested resource does not exist"));
            }
            if existing.is_none() {
                let value = values::accept(field, &json::of(value))?;
                changes.fields.insert(field.name.clone(), value);
            }
            existing
        }
    };
    let (id, row) = match existing {
        None => {
            let id = tx.state.records.next_id(tx.schema, object);
            (id, new_row(tx, object, id, &changes))
        }
        Some(id) => {
            let row = tx.state.records.table(object).row(id).cloned();
            (id, row.ok_or_else(|| Failure::new("ENTITY_IS_DELETED", "entity is deleted").status(404))?)
        }
    };
    let row = changed(tx, described, row, changes.fields);
    require(described, &row)?;
    unique(tx, object, id, &row)?;
    pardoned(tx, described, &row)?;
    let mut locks = changes.parents;
    locks.push(id);
    tx.lock(&locks)?;
    tx.replace(object, id, Some(row));
    Ok(Saved { id, created: existing.is_none() })
}

/// The one record with this external id; several are an error of the data.
pub(super) fn matching(
    tx: &Transaction<'_>,
    object: usize,
    field: &Field,
    value: &str,
) -> Result<Option<RecordId>, Failure> {
    match tx.state.records.table(object).with_key(field, value) {
        [] => Ok(None),
        [id] => Ok(Some(*id)),
        several => {
            let message = format!("more than one record found for external id field: {several:?}");
            Err(Failure::new("DUPLICATE_EXTERNAL_ID", message).status(300))
        }
    }
}

fn read(tx: &Transaction<'_>, object: &Object, body: &Members<'_>) -> Result<Changes, Failure> {
    let mut changes = Changes { fields: BTreeMap::new(), parents: Vec::new() };
    for (name, value) in body {
        if name == "attributes" {
            continue;
        }
        if let Some(lookup) = object.lookup(name) {
            let parent = parent(tx, lookup, value)?;
            changes.parents.push(parent);
            let doubled = changes.fields.insert(lookup.name.clone(), Some(json::of(parent.as_str())));
            if doubled.is_some() {
                let message = format!("{name} and {} name the same parent", lookup.name);
                return Err(Failure::new("INVALID_FIELD", message).fields(&[name]));
            }
            continue;
        }
        let field = object.field(name).ok_or_else(|| no_such_column(name, &object.name))?;
        if !field.writable {
            let message = format!(
                "Unable to create/update fields: {name}. Please check the security settings of this field and \
                 verify that it is read/write for your profile or permission set."
            );
            return Err(Failure::new("INVALID_FIELD_FOR_INSERT_UPDATE", message).fields(&[name]));
        }
        let mut accepted = values::accept(field, value)?;
        if let (Kind::Lookup { to, .. }, Some(id)) = (&field.kind, &accepted) {
            let parent = reference(tx, field, to, id)?;
            changes.parents.push(parent);
            accepted = Some(json::of(parent.as_str()));
        }
        changes.fields.insert(field.name.clone(), accepted);
    }
    Ok(changes)
}

/// The parent named by its id.
fn reference(tx: &Transaction<'_>, field: &Field, to: &str, id: &RawValue) -> Result<RecordId, Failure> {
    let text = json::as_text(id).unwrap_or_default();
    let of_right_kind = |id: &RecordId| {
        tx.schema.position_of_prefix(id.prefix()).is_some_and(|at| *tx.schema.objects()[at].name == *to)
    };
    let id = RecordId::parse(&text).filter(of_right_kind).ok_or_else(|| {
        let message = format!("{}: id value of incorrect type: {text}", field.label);
        Failure::new("MALFORMED_ID", message).fields(&[&field.name])
    })?;
    if !tx.state.records.exists(tx.schema, id) {
        return Err(Failure::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"));
    }
    Ok(id)
}

/// The parent named by one of its external ids: `{"Stripe_Id__c": "cus_1"}`.
fn parent(tx: &Transaction<'_>, lookup: &Field, value: &RawValue) -> Result<RecordId, Failure> {
    let Kind::Lookup { to, relationship } = &lookup.kind else {
        return Err(Failure::new("INVALID_FIELD", format!("{} is no relationship", lookup.name)));
    };
    let (object, described) = tx.object(to)?;
    let members = match shape(value) {
        Shape::Object => json::members(value).unwrap_or_default(),
        _ => {
            let (token, found) = (json::token_name(value), value.get());
            let message =
                format!("Cannot deserialize instance of {to} from {token} value {found}: {relationship}");
            return Err(Failure::unreadable(message));
        }
    };
    let mut named = members.iter().filter(|(name, _)| *name != "attributes");
    let (Some((name, value)), None) = (named.next(), named.next()) else {
        let message = format!("{relationship} must name exactly one external ID field of {to}");
        return Err(Failure::new("INVALID_FIELD", message).fields(&[relationship]));
    };
    let field = described.field(name).ok_or_else(|| no_such_column(name, to))?;
    if !field.external_id {
        let message = format!("Field name provided, {name} is not an External ID or indexed field for {to}");
        return Err(Failure::new("INVALID_FIELD", message).fields(&[relationship]));
    }
    let value = match shape(value) {
        Shape::Text(text) => text,
        Shape::Number(text) => text.into(),
        _ => return Err(Failure::unreadable(format!("{relationship}.{name} is neither text nor a number"))),
    };
    matching(tx, object, field, &value)?.ok_or_else(|| {
        let message = format!("Foreign key external ID: {value} not found for field {name} in entity {to}");
        Failure::new("INVALID_FIELD", message)
    })
}

/// A record with what the platform fills in by itself.
fn new_row(tx: &Transaction<'_>, at: usize, id: RecordId, changes: &Changes) -> Row {
    let object = &tx.schema.objects()[at];
    let mut row = Row::created(tx.now);
    for field in object.fields.iter().filter(|field| field.kind == Kind::Checkbox && field.writable) {
        row.fields.insert(field.name.clone(), json::of(&false));
    }
    // A custom object's record without a name is named by its id.
    if object.field("Name").is_some() && object.custom && !matches!(changes.fields.get("Name"), Some(Some(_)))
    {
        row.fields.insert("Name".into(), json::of(id.as_str()));
    }
    if *object.name == *"Order" {
        let number = format!("{:08}", 100 + tx.state.records.table(at).numbers_given());
        row.fields.insert("OrderNumber".into(), json::of(&number));
    }
    row
}

fn changed(
    tx: &mut Transaction<'_>,
    object: &Object,
    mut row: Row,
    changes: BTreeMap<Arc<str>, Option<Json>>,
) -> Row {
    for (name, value) in changes {
        match value {
            Some(value) => row.fields.insert(name, value),
            None if object.custom && *name == *"Name" => None,
            None => row.fields.remove(&name),
        };
    }
    if *object.name == *"Contact" {
        let parts = ["FirstName", "LastName"].map(|part| row.text(part).unwrap_or_default());
        row.fields.insert("Name".into(), json::of(parts.join(" ").trim()));
    }
    row.modified_at = tx.now;
    row.change = tx.state.records.next_change();
    row.writes += 1;
    row
}

fn require(object: &Object, row: &Row) -> Result<(), Failure> {
    let missing =
        object.fields.iter().filter(|field| field.required && !row.fields.contains_key(&field.name));
    let missing: Vec<&str> = missing.map(|field| &*field.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("Required fields are missing: [{}]", missing.join(", "));
    Err(Failure::new("REQUIRED_FIELD_MISSING", message).fields(&missing))
}

fn unique(tx: &Transaction<'_>, object: usize, id: RecordId, row: &Row) -> Result<(), Failure> {
    let table = tx.state.records.table(object);
    for field in tx.schema.objects()[object].keys().filter(|field| field.unique) {
        let Some(value) = row.fields.get(&field.name) else { continue };
        let text = json::as_text(value).unwrap_or_else(|| value.get().into());
        if let Some(other) = table.with_key(field, &text).iter().find(|other| **other != id) {
            let name = &field.name;
            let message = format!(
                "duplicate value found: {name} duplicates value on record with id: {}",
                other.short()
            );
            return Err(Failure::new("DUPLICATE_VALUE", message));
        }
    }
    Ok(())
}

/// Refuses a record for which a refusal was asked for.
fn pardoned(tx: &Transaction<'_>, object: &Object, row: &Row) -> Result<(), Failure> {
    if tx.state.refused.is_empty() {
        return Ok(());
    }
    let refusal = object.external_ids().find_map(|field| tx.state.refused.get(&row.text(&field.name)?));
    refusal.map_or(Ok(()), |(code, message)| Err(Failure::new(code.clone(), message.clone())))
}

fn no_such_column(name: &str, object: &str) -> Failure {
    Failure::new("INVALID_FIELD", format!("No such column '{name}' on sobject of type {object}"))
}
