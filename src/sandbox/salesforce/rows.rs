//! Single records: create, read, update, upsert by external id, delete.

use serde::Serialize;

use super::failure::{Failure, RowError};
use super::ids::RecordId;
use super::json::{self, Json};
use super::request::{Answer, Request};
use super::schema::{Field, Object};
use super::transaction::Transaction;
use super::write::{Saved, Target, matching, write};

#[derive(Serialize)]
struct Written<'a> {
    id: &'a str,
    success: bool,
    errors: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
}

/// `POST /sobjects/T`
pub(super) fn create(
    tx: &mut Transaction<'_>,
    request: &Request<'_>,
    object: &str,
) -> Result<Answer, Failure> {
    let (at, described) = tx.any_object(object)?;
    let body = request.members()?;
    let saved = write(tx, at, Target::New, &body)?;
    if described.is_event() {
        return Ok(published(&saved));
    }
    Ok(written(tx, described, &saved, None))
}

#[derive(Serialize)]
struct Published<'a> {
    id: &'a str,
    success: bool,
    errors: [RowError<'a>; 1],
}

/// Success comes with an entry among the errors, which has the event's UUID.
fn published(saved: &Saved) -> Answer {
    let uuid = uuid::Uuid::now_v7().to_string();
    let enqueued = Failure::new("OPERATION_ENQUEUED", uuid);
    Answer::json(201, &Published { id: saved.id.as_str(), success: true, errors: [enqueued.row()] })
}

/// `PATCH /sobjects/T/id`
pub(super) fn update(
    tx: &mut Transaction<'_>,
    request: &Request<'_>,
    object: &str,
    id: &str,
) -> Result<Answer, Failure> {
    let (at, described) = tx.object(object)?;
    let id = existing(tx, at, described, id)?;
    let body = request.members()?;
    write(tx, at, Target::Existing(id), &body)?;
    Ok(Answer::empty())
}

/// `PATCH /sobjects/T/ExtField/value`
pub(super) fn upsert(
    tx: &mut Transaction<'_>,
    request: &Request<'_>,
    object: &str,
    field: &str,
    value: &str,
) -> Result<Answer, Failure> {
    let (at, described) = tx.object(object)?;
    let body = request.members()?;
    let may_create = request.parameter("updateOnly") != Some("true");
    let target = if field == "Id" {
        Target::Existing(existing(tx, at, described, value)?)
    } else {
        let field = external_id(described, field)?;
        Target::ByExternalId { field, value: value.to_owned(), may_create }
    };
    if let Some(forbidden) = [field, "Id", "id"].into_iter().find(|name| body.contains_key(*name)) {
        let message = format!("The {forbidden} field should not be specified in the sobject data.");
        return Err(Failure::new("INVALID_FIELD", message).fields(&[forbidden]));
    }
    let saved = write(tx, at, target, &body)?;
    Ok(written(tx, described, &saved, Some(saved.created)))
}

/// `DELETE /sobjects/T/id`
pub(super) fn delete(tx: &mut Transaction<'_>, object: &str, id: &str) -> Result<Answer, Failure> {
    let (at, described) = tx.object(object)?;
    let id = existing(tx, at, described, id)?;
    remove(tx, at, id)?;
    Ok(Answer::empty())
}

/// `DELETE /sobjects/T/ExtField/value`
pub(super) fn delete_by_external_id(
    tx: &mut Transaction<'_>,
    object: &str,
    field: &str,
    value: &str,
) -> Result<Answer, Failure> {
    let (at, described) = tx.object(object)?;
    let id = found(tx, at, external_id(described, field)?, value)?;
    remove(tx, at, id)?;
    Ok(Answer::empty())
}

/// `GET /sobjects/T/id`
pub(super) fn get(
    tx: &mut Transaction<'_>,
    request: &Request<'_>,
    object: &str,
    id: &str,
) -> Result<Answer, Failure> {
    let (at, described) = tx.object(object)?;
    let id = existing(tx, at, described, id)?;
    shown(tx, request, at, id)
}

/// `GET /sobjects/T/ExtField/value`
pub(super) fn get_by_external_id(
    tx: &mut Transaction<'_>,
    request: &Request<'_>,
    object: &str,
    field: &str,
    value: &str,
) -> Result<Answer, Failure> {
    let (at, described) = tx.object(object)?;
    let id = found(tx, at, external_id(described, field)?, value)?;
    shown(tx, request, at, id)
}

/// The field called `name`, if records are found by it.
pub(super) fn external_id<'a>(object: &'a Object, name: &str) -> Result<&'a Field, Failure> {
    let field = object.field(name).filter(|field| field.external_id);
    field.ok_or_else(|| {
        Failure::not_found(format!("Provided external ID field does not exist or is not accessible: {name}"))
    })
}

/// Removes a record that exists; lookups that name it are emptied.
pub(super) fn remove(tx: &mut Transaction<'_>, object: usize, id: RecordId) -> Result<(), Failure> {
    let schema = tx.schema;
    let named = &schema.objects()[object].name;
    let mut children = Vec::new();
    for (at, other) in schema.objects().iter().enumerate() {
        for field in other.fields.iter().filter(|field| field.refers_to(named)) {
            let rows = tx.state.records.table(at).rows();
            let naming = rows.filter(|(_, row)| row.text(&field.name).as_deref() == Some(id.as_str()));
            children.extend(naming.map(|(child, _)| (at, field, child)));
        }
    }
    tx.lock(&[id])?;
    for (at, field, child) in children {
        let mut row = tx.state.records.table(at).row(child).cloned();
        if let Some(row) = &mut row {
            row.fields.remove(&field.name);
        }
        tx.replace(at, child, row);
    }
    tx.replace(object, id, None);
    Ok(())
}

/// The id in `text`, if the object has such a record.
pub(super) fn existing(
    tx: &Transaction<'_>,
    at: usize,
    object: &Object,
    text: &str,
) -> Result<RecordId, Failure> {
    let id = RecordId::parse(text).filter(|id| id.prefix() == object.prefix).ok_or_else(|| {
        let message = format!("{} ID: id value of incorrect type: {text}", object.label);
        Failure::new("MALFORMED_ID", message).fields(&["Id"])
    })?;
    let known = tx.state.records.table(at).row(id).is_some();
    known.then_some(id).ok_or_else(|| Failure::not_found("The requested resource does not exist"))
}

/// One record as JSON: `attributes`, then the fields asked for; null is shown.
pub(super) fn record_json<'a>(
    tx: &Transaction<'_>,
    at: usize,
    id: RecordId,
    fields: impl Iterator<Item = (&'a str, Option<Json>)>,
) -> Json {
    let object = &tx.schema.objects()[at].name;
    let url = format!("/services/data/{}/sobjects/{object}/{id}", tx.version);
    let mut text = format!(r#"{{"attributes":{{"type":"{object}","url":"{url}"}}"#);
    for (name, value) in fields {
        let value = value.as_ref().map_or("null", |value| value.get());
        text.push_str(&format!(r#","{name}":{value}"#));
    }
    text.push('}');
    json::written(text)
}

fn found(tx: &Transaction<'_>, at: usize, field: &Field, value: &str) -> Result<RecordId, Failure> {
    let id = matching(tx, at, field, value)?;
    id.ok_or_else(|| Failure::not_found("The requested resource does not exist"))
}

fn shown(tx: &Transaction<'_>, request: &Request<'_>, at: usize, id: RecordId) -> Result<Answer, Failure> {
    let object = &tx.schema.objects()[at];
    let names: Vec<&str> = match request.parameter("fields") {
        Some(names) => names.split(',').map(str::trim).collect(),
        None => object.fields.iter().map(|field| &*field.name).collect(),
    };
    if let Some(unknown) = names.iter().find(|name| object.field(name).is_none()) {
        let message = format!("No such column '{unknown}' on sobject of type {}", object.name);
        return Err(Failure::new("INVALID_FIELD", message));
    }
    let row = tx.state.records.table(at).row(id);
    let values = names.into_iter().map(|name| (name, row.and_then(|row| row.value(id, name))));
    Ok(Answer { status: 200, body: Some(record_json(tx, at, id, values)), location: None })
}

fn written(tx: &Transaction<'_>, object: &Object, saved: &Saved, created: Option<bool>) -> Answer {
    let status = if saved.created { 201 } else { 200 };
    let body = Written { id: saved.id.as_str(), success: true, errors: [], created };
    let location = format!("/services/data/{}/sobjects/{}/{}", tx.version, object.name, saved.id);
    Answer { location: saved.created.then_some(location), ..Answer::json(status, &body) }
}
