//! Collections: up to 200 records in one request, each with its own result, in order.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::failure::{Failure, RowError};
use super::ids::RecordId;
use super::json::{self, Members, Shape, shape};
use super::request::{Answer, Request, flag, only};
use super::rows::{existing, external_id, remove};
use super::schema::{Field, Object};
use super::transaction::Transaction;
use super::values;
use super::write::{Saved, Target, write};

const MAX_RECORDS: usize = 200;

/// Records of several types are written in runs of one type; so many runs are taken.
const MAX_RUNS: usize = 10;

const ROLLED_BACK: &str =
    "Record rolled back because not all records were valid and the request was using AllOrNone header";

/// The result of one record.
#[derive(Serialize)]
struct Outcome<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    success: bool,
    errors: Vec<RowError<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
}

struct Collection<'a> {
    all_or_none: bool,
    records: Vec<Entry<'a>>,
}

struct Entry<'a> {
    object: String,
    members: Members<'a>,
}

/// `POST /composite/sobjects`
pub(super) fn create(tx: &mut Transaction<'_>, request: &Request<'_>) -> Result<Answer, Failure> {
    let collection = read(tx, request)?;
    let results = each(tx, &collection, |tx, _, entry| {
        refuse_id(&entry.members)?;
        let (at, _) = typed(tx, &entry.object)?;
        write(tx, at, Target::New, &entry.members)
    })?;
    Ok(answer(&results, false))
}

/// `PATCH /composite/sobjects`
pub(super) fn update(tx: &mut Transaction<'_>, request: &Request<'_>) -> Result<Answer, Failure> {
    let mut collection = read(tx, request)?;
    let ids: Vec<_> = collection
        .records
        .iter_mut()
        .map(|entry| entry.members.remove("id").or(entry.members.remove("Id")))
        .collect();
    let results = each(tx, &collection, |tx, place, entry| {
        let (at, described) = typed(tx, &entry.object)?;
        let id = ids.get(place).copied().flatten().and_then(json::as_text);
        let id = id.ok_or_else(|| Failure::new("MISSING_ARGUMENT", "Id not specified in an update call"))?;
        let id = existing(tx, at, described, &id).map_err(|failure| match failure.status {
            404 => Failure::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
            _ => failure,
        })?;
        write(tx, at, Target::Existing(id), &entry.members)
    })?;
    Ok(answer(&results, false))
}

/// `PATCH /composite/sobjects/T/ExtField`
pub(super) fn upsert(
    tx: &mut Transaction<'_>,
    request: &Request<'_>,
    object: &str,
    field: &str,
) -> Result<Answer, Failure> {
    let (at, described) = tx.object(object)?;
    let field = external_id(described, field)?;
    let mut collection = read(tx, request)?;
    if let Some(other) = collection.records.iter().find(|entry| entry.object != object) {
        let message = format!("all records of this request are of type {object}, not {}", other.object);
        return Err(Failure::new("INVALID_TYPE_FOR_OPERATION", message));
    }
    let keys = collection.records.iter_mut().map(|entry| key(field, entry.members.remove(&*field.name)));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let mut seen: HashMap<String, usize> = HashMap::new();
    for key in keys.iter().flatten() {
        // Source: Salesforce prints the doubled key in lower case, also when the field is case-sensitive.
        *seen.entry(key.to_lowercase()).or_default() += 1;
    }
    let results = each(tx, &collection, |tx, place, entry| {
        refuse_id(&entry.members)?;
        let Some(Some(value)) = keys.get(place) else {
            return Err(Failure::new("MISSING_ARGUMENT", format!("{} not specified", field.name)));
        };
        let lowered = value.to_lowercase();
        if seen.get(&lowered).is_some_and(|times| *times > 1) {
            let message = format!("Duplicate external id specified: {lowered}");
            return Err(Failure::new("DUPLICATE_VALUE", message).fields(&[&field.name]));
        }
        let target = Target::ByExternalId { field, value: value.clone(), may_create: true };
        write(tx, at, target, &entry.members)
    })?;
    Ok(answer(&results, true))
}

/// `DELETE /composite/sobjects?ids=a,b&allOrNone=false`
pub(super) fn delete(tx: &mut Transaction<'_>, request: &Request<'_>) -> Result<Answer, Failure> {
    let ids = request.parameter("ids").unwrap_or_default();
    let ids: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).collect();
    count(tx, ids.len())?;
    let all_or_none = request.parameter("allOrNone") == Some("true");
    let records = ids.iter().map(|_| Entry { object: String::new(), members: Members::new() }).collect();
    let results = each(tx, &Collection { all_or_none, records }, |tx, place, _| {
        let malformed = || Failure::new("MALFORMED_ID", "id value of incorrect type");
        let id = ids.get(place).and_then(|id| RecordId::parse(id)).ok_or_else(malformed)?;
        let at = tx.schema.position_of_prefix(id.prefix()).ok_or_else(malformed)?;
        if tx.state.records.table(at).row(id).is_none() {
            return Err(Failure::new("ENTITY_IS_DELETED", "entity is deleted"));
        }
        remove(tx, at, id)?;
        Ok(Saved { id, created: false })
    })?;
    Ok(answer(&results, false))
}

fn read<'a>(tx: &mut Transaction<'_>, request: &Request<'a>) -> Result<Collection<'a>, Failure> {
    let members = request.members()?;
    only(&members, &["allOrNone", "records"])?;
    let records = members.get("records").and_then(|records| json::elements(records));
    let records = records.ok_or_else(|| Failure::unreadable("records is not a list"))?;
    count(tx, records.len())?;
    let records = records.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let runs = 1 + records.windows(2).filter(|pair| pair[0].object != pair[1].object).count();
    if runs > MAX_RUNS {
        let message = format!("cannot process more than {MAX_RUNS} chunks of one type in one request");
        return Err(Failure::new("LIMIT_EXCEEDED", message));
    }
    Ok(Collection { all_or_none: flag(&members, "allOrNone")?.unwrap_or(false), records })
}

/// A request without records is refused like one with too many.
fn count(tx: &mut Transaction<'_>, records: usize) -> Result<(), Failure> {
    tx.collections.push(records);
    match records {
        0 => Err(Failure::new("INVALID_INPUT", "the request has no records")),
        1..=MAX_RECORDS => Ok(()),
        _ => {
            let message =
                format!("record limit reached. cannot submit more than {MAX_RECORDS} records into this call");
            Err(Failure::new("EXCEEDED_ID_LIMIT", message))
        }
    }
}

fn entry(record: &RawValue) -> Result<Entry<'_>, Failure> {
    let members = match shape(record) {
        Shape::Object => json::members(record),
        _ => None,
    };
    let members = members.ok_or_else(|| Failure::unreadable("a record is not an object"))?;
    let attributes = members.get("attributes").and_then(|attributes| json::members(attributes));
    let object = attributes.as_ref().and_then(|known| json::as_text(known.get("type")?));
    let object =
        object.ok_or_else(|| Failure::new("INVALID_INPUT", "a record has no attributes with its type"))?;
    Ok(Entry { object: object.into_owned(), members })
}

/// Writes record after record. One unreadable record makes the whole request unreadable.
fn each(
    tx: &mut Transaction<'_>,
    collection: &Collection<'_>,
    mut write: impl FnMut(&mut Transaction<'_>, usize, &Entry<'_>) -> Result<Saved, Failure>,
) -> Result<Vec<Result<Saved, Failure>>, Failure> {
    let before = tx.savepoint();
    let mut results = Vec::with_capacity(collection.records.len());
    for (place, entry) in collection.records.iter().enumerate() {
        let result = write(tx, place, entry);
        if let Err(failure) = &result
            && failure.unreadable
        {
            tx.roll_back(&before);
            return Err(failure.clone());
        }
        results.push(result);
    }
    if collection.all_or_none && results.iter().any(Result::is_err) {
        tx.roll_back(&before);
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(Failure::new("ALL_OR_NONE_OPERATION_ROLLED_BACK", ROLLED_BACK));
        }
    }
    Ok(results)
}

fn answer(results: &[Result<Saved, Failure>], upsert: bool) -> Answer {
    let outcomes: Vec<Outcome<'_>> = results
        .iter()
        .map(|result| match result {
            Ok(saved) => Outcome {
                id: Some(saved.id.as_str()),
                success: true,
                errors: Vec::new(),
                created: upsert.then_some(saved.created),
            },
            Err(failure) => Outcome { id: None, success: false, errors: vec![failure.row()], created: None },
        })
        .collect();
    Answer::json(200, &outcomes)
}

/// The object of one record; an unknown one concerns this record alone.
fn typed<'a>(tx: &Transaction<'a>, name: &str) -> Result<(usize, &'a Object), Failure> {
    tx.object(name).map_err(|_missing| {
        let message = format!("sObject type '{name}' is not supported.");
        Failure::new("INVALID_TYPE", message)
    })
}

fn refuse_id(members: &Members<'_>) -> Result<(), Failure> {
    match ["id", "Id"].into_iter().find(|name| members.contains_key(*name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("The {name} field should not be specified in the sobject data.");
            Err(Failure::new("INVALID_FIELD", message).fields(&[name]))
        }
    }
}

/// The external id of a record; one that is missing concerns this record alone.
fn key(field: &Field, value: Option<&RawValue>) -> Result<Option<String>, Failure> {
    let Some(value) = value else { return Ok(None) };
    match values::accept(field, value) {
        Ok(Some(value)) => Ok(Some(
            json::as_text(&value).map_or_else(|| value.get().to_owned(), std::borrow::Cow::into_owned),
        )),
        Err(failure) if failure.unreadable => Err(failure),
        // Judged again, and refused, when the record is written.
        Err(_) => Ok(json::as_text(value).map(std::borrow::Cow::into_owned)),
        Ok(None) => Ok(None),
    }
}
