//! Answers queries: the fields of each record that is found, page by page.

use serde::Serialize;

use super::failure::Failure;
use super::filter::{Path, matching, no_such_column, parent_of, path};
use super::ids::RecordId;
use super::json::{self, Json};
use super::records::Row;
use super::request::{Answer, Request};
use super::rows::record_json;
use super::soql::{self, Query, Select, malformed};
use super::transaction::Transaction;

/// So many records fit into one answer.
const PAGE: usize = 2_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    total_size: usize,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_records_url: Option<String>,
    records: Vec<Json>,
}

/// `GET /query?q=`
pub(super) fn run(tx: &mut Transaction<'_>, request: &Request<'_>) -> Result<Answer, Failure> {
    let text = request.parameter("q").ok_or_else(|| malformed("no query was given"))?;
    let query = soql::parse(text)?;
    if query.from == "Organization" {
        return organization(tx, &query);
    }
    let at = tx.schema.position(&query.from).filter(|at| !tx.schema.objects()[*at].is_event()).ok_or_else(
        || Failure::new("INVALID_TYPE", format!("sObject type '{}' is not supported.", query.from)),
    )?;
    let found = matching(tx, at, &query)?;
    let Select::Fields(names) = &query.select else {
        let total_size = found.len();
        return Ok(Answer::json(
            200,
            &Found { total_size, done: true, next_records_url: None, records: Vec::new() },
        ));
    };
    let paths = names.iter().map(|name| path(tx, at, name)).collect::<Result<Vec<_>, _>>()?;
    let records: Vec<Json> = found.into_iter().map(|(id, row)| record(tx, at, id, row, &paths)).collect();
    Ok(page(tx, records.len(), records))
}

/// `GET /query/<cursor>`
pub(super) fn more(tx: &mut Transaction<'_>, cursor: &str) -> Result<Answer, Failure> {
    let left = cursor.parse().ok().and_then(|cursor: u64| tx.state.cursors.remove(&cursor));
    let (total, records) =
        left.ok_or_else(|| Failure::new("INVALID_QUERY_LOCATOR", "invalid query locator"))?;
    Ok(page(tx, total, records))
}

/// The first records, and a cursor for what is left.
fn page(tx: &mut Transaction<'_>, total_size: usize, mut records: Vec<Json>) -> Answer {
    let rest = records.split_off(records.len().min(PAGE));
    let next_records_url = (!rest.is_empty()).then(|| {
        let cursor = tx.state.records.next_change();
        tx.state.cursors.insert(cursor, (total_size, rest));
        format!("/services/data/{}/query/{cursor}", tx.version)
    });
    Answer::json(200, &Found { total_size, done: next_records_url.is_none(), next_records_url, records })
}

/// The one record that says which org this is.
fn organization(tx: &Transaction<'_>, query: &Query) -> Result<Answer, Failure> {
    let Select::Fields(names) = &query.select else { return Err(malformed("COUNT() of Organization")) };
    if query.condition.is_some() || !query.order.is_empty() {
        return Err(malformed("Organization has one record; it is neither filtered nor ordered here"));
    }
    let id = tx.state.org_id.as_str();
    let mut record = format!(
        r#"{{"attributes":{{"type":"Organization","url":"/services/data/{}/sobjects/Organization/{id}"}}"#,
        tx.version
    );
    for name in names {
        let value = match name.as_str() {
            "Id" => json::of(id),
            "Name" => json::of("Sandbox on this machine"),
            "IsSandbox" => json::of(&tx.is_sandbox),
            "OrganizationType" => json::of("Enterprise Edition"),
            "InstanceName" => json::of("LOCAL1"),
            _ => return Err(no_such_column(name, "Organization")),
        };
        record.push_str(&format!(",\"{name}\":{value}"));
    }
    record.push('}');
    let records = vec![json::written(record)];
    Ok(Answer::json(200, &Found { total_size: 1, done: true, next_records_url: None, records }))
}

/// One record as it is answered; fields of a parent are gathered in an object of the parent's own.
fn record(tx: &Transaction<'_>, at: usize, id: RecordId, row: &Row, paths: &[Path<'_>]) -> Json {
    let mut values: Vec<(&str, Option<Json>)> = Vec::with_capacity(paths.len());
    for path in paths {
        let Some((lookup, parent_at)) = path.parent else {
            values.push((&path.name, row.value(id, &path.field.name)));
            continue;
        };
        let relationship = path.name.split('.').next().unwrap_or_default();
        if values.iter().any(|(name, _)| *name == relationship) {
            continue;
        }
        let parent = parent_of(tx, lookup, parent_at, row).map(|(parent, row)| {
            let same =
                paths.iter().filter(|other| other.parent.is_some_and(|(known, _)| known.name == lookup.name));
            let fields = same.map(|path| (&*path.field.name, row.value(parent, &path.field.name)));
            record_json(tx, parent_at, parent, fields)
        });
        values.push((relationship, parent));
    }
    record_json(tx, at, id, values.into_iter())
}
