//! Answers queries: which records, which of their fields, in which order, page by page.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use serde::Serialize;

use super::failure::Failure;
use super::ids::RecordId;
use super::json::{self, Json, Shape, shape};
use super::records::Row;
use super::request::{Answer, Request};
use super::rows::record_json;
use super::schema::{Field, Kind, Object};
use super::soql::{self, Comparison, Condition, Literal, Query, Select, malformed};
use super::transaction::Transaction;
use super::values::{parse_date, parse_datetime};

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

/// A value that can be compared. A date and a time are both the moment they begin.
#[derive(Debug, PartialEq)]
enum Cell {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    Time(i64),
}

/// A field of the record itself, or of the parent that one of its lookups names.
struct Path<'a> {
    name: String,
    parent: Option<(&'a Field, usize)>,
    field: &'a Field,
}

type Records<'a> = Vec<(RecordId, &'a Row)>;

/// `GET /query?q=`
pub(super) fn run(tx: &mut Transaction<'_>, request: &Request<'_>) -> Result<Answer, Failure> {
    let text = request.parameter("q").ok_or_else(|| malformed("no query was given"))?;
    let query = soql::parse(text)?;
    if query.from == "Organization" {
        return organization(tx, &query);
    }
    let at = tx.schema.position(&query.from).ok_or_else(|| {
        Failure::new("INVALID_TYPE", format!("sObject type '{}' is not supported.", query.from))
    })?;
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
            "OrganizationType" => json::of("Developer Edition"),
            "InstanceName" => json::of("LOCAL1"),
            _ => return Err(no_such_column(name, "Organization")),
        };
        record.push_str(&format!(",\"{name}\":{value}"));
    }
    record.push('}');
    let records = vec![json::written(record)];
    Ok(Answer::json(200, &Found { total_size: 1, done: true, next_records_url: None, records }))
}

fn matching<'a>(tx: &'a Transaction<'_>, at: usize, query: &Query) -> Result<Records<'a>, Failure> {
    let table = tx.state.records.table(at);
    let mut found: Records<'a> = Vec::new();
    if let Some(condition) = &query.condition {
        // A condition that names unknown fields is refused also when there are no records.
        holds(tx, at, None, condition)?;
        for (id, row) in table.rows() {
            if holds(tx, at, Some((id, row)), condition)? {
                found.push((id, row));
            }
        }
    } else {
        found.extend(table.rows());
    }
    found.sort_unstable_by_key(|(id, _)| *id);
    for order in query.order.iter().rev() {
        let path = path(tx, at, &order.field)?;
        found.sort_by_cached_key(|(id, row)| Sorted::new(cell_of(tx, &path, *id, row), order));
    }
    let limit = query.limit.unwrap_or(usize::MAX);
    Ok(found.into_iter().skip(query.offset).take(limit).collect())
}

/// Whether the condition is true of a record; without a record it is only checked.
fn holds(
    tx: &Transaction<'_>,
    at: usize,
    record: Option<(RecordId, &Row)>,
    condition: &Condition,
) -> Result<bool, Failure> {
    match condition {
        Condition::And(terms) => {
            terms.iter().try_fold(true, |all, term| Ok(holds(tx, at, record, term)? && all))
        }
        Condition::Or(terms) => {
            terms.iter().try_fold(false, |any, term| Ok(holds(tx, at, record, term)? || any))
        }
        Condition::Not(term) => Ok(!holds(tx, at, record, term)?),
        Condition::Compare { field, comparison, value } => {
            let path = path(tx, at, field)?;
            let cell = record.map_or(Cell::Null, |(id, row)| cell_of(tx, &path, id, row));
            compare(path.field, &cell, *comparison, value)
        }
        Condition::In { field, negated, values } => {
            let path = path(tx, at, field)?;
            let cell = record.map_or(Cell::Null, |(id, row)| cell_of(tx, &path, id, row));
            let mut is_in = false;
            for value in values {
                is_in |= compare(path.field, &cell, Comparison::Equal, value)?;
            }
            Ok(is_in != *negated)
        }
    }
}

fn compare(field: &Field, cell: &Cell, comparison: Comparison, literal: &Literal) -> Result<bool, Failure> {
    if comparison == Comparison::Like {
        let (
            Kind::Text { .. } | Kind::Email | Kind::Phone | Kind::Url | Kind::Picklist { .. },
            Literal::Text(pattern),
        ) = (&field.kind, literal)
        else {
            return Err(invalid_operator(field));
        };
        let Cell::Text(text) = cell else { return Ok(false) };
        return Ok(like(&text.to_lowercase(), &pattern.to_lowercase()));
    }
    let wanted = cell_of_literal(field, literal)?;
    let order = match (cell, &wanted) {
        (Cell::Number(one), Cell::Number(other)) => Some(one.cmp(other)),
        (Cell::Time(one), Cell::Time(other)) => Some(one.cmp(other)),
        (Cell::Text(one), Cell::Text(other)) => Some(field.comparable(one).cmp(&field.comparable(other))),
        (one, other) if one == other => Some(Ordering::Equal),
        _ => None,
    };
    Ok(match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le) && wanted != Cell::Null,
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge) && wanted != Cell::Null,
        Comparison::Like => false,
    })
}

fn cell_of_literal(field: &Field, literal: &Literal) -> Result<Cell, Failure> {
    let time = |text: &str| match field.kind {
        Kind::Date => parse_date(text).map(|date| date.midnight().assume_utc()),
        _ => parse_datetime(text),
    };
    let cell = match (&field.kind, literal) {
        (_, Literal::Null) => Some(Cell::Null),
        (Kind::Checkbox, Literal::Bool(value)) => Some(Cell::Bool(*value)),
        (Kind::Number { .. }, Literal::Number(value)) => Some(Cell::Number(*value)),
        (Kind::Date | Kind::DateTime, Literal::Time(text)) => {
            time(text).map(|at| Cell::Time(at.unix_timestamp()))
        }
        (Kind::Id | Kind::Lookup { .. }, Literal::Text(text)) => {
            let id = RecordId::parse(text);
            let id = id.ok_or_else(|| {
                Failure::new("INVALID_QUERY_FILTER_OPERATOR", format!("invalid ID field: {text}"))
            })?;
            Some(Cell::Text(id.to_string()))
        }
        (Kind::LongText { .. } | Kind::Checkbox | Kind::Number { .. } | Kind::Date | Kind::DateTime, _) => {
            None
        }
        (_, Literal::Text(text)) if text.is_empty() => Some(Cell::Null),
        (_, Literal::Text(text)) => Some(Cell::Text(text.clone())),
        _ => None,
    };
    cell.ok_or_else(|| {
        let message = format!("value of filter criterion for field '{}' must be of its type", field.name);
        Failure::new("INVALID_FIELD", message)
    })
}

fn cell_of(tx: &Transaction<'_>, path: &Path<'_>, id: RecordId, row: &Row) -> Cell {
    let Some(value) = value_of(tx, path, id, row) else { return Cell::Null };
    match (shape(&value), &path.field.kind) {
        (Shape::Bool(value), _) => Cell::Bool(value),
        (Shape::Number(text), _) => text.parse().map_or(Cell::Null, Cell::Number),
        (Shape::Text(text), Kind::Date) => parse_date(&text)
            .map_or(Cell::Null, |date| Cell::Time(date.midnight().assume_utc().unix_timestamp())),
        (Shape::Text(text), Kind::DateTime) => {
            parse_datetime(&text).map_or(Cell::Null, |at| Cell::Time(at.unix_timestamp()))
        }
        (Shape::Text(text), _) => Cell::Text(text.into_owned()),
        _ => Cell::Null,
    }
}

fn value_of(tx: &Transaction<'_>, path: &Path<'_>, id: RecordId, row: &Row) -> Option<Json> {
    match path.parent {
        None => row.value(id, &path.field.name),
        Some((lookup, at)) => {
            let (parent, row) = parent_of(tx, lookup, at, row)?;
            row.value(parent, &path.field.name)
        }
    }
}

fn parent_of<'a>(
    tx: &'a Transaction<'_>,
    lookup: &Field,
    at: usize,
    row: &Row,
) -> Option<(RecordId, &'a Row)> {
    let parent = RecordId::parse(&row.text(&lookup.name)?)?;
    Some((parent, tx.state.records.table(at).row(parent)?))
}

fn path<'a>(tx: &Transaction<'a>, at: usize, name: &str) -> Result<Path<'a>, Failure> {
    let object: &'a Object = &tx.schema.objects()[at];
    let find = |object: &'a Object, field: &str| {
        object.field(field).ok_or_else(|| no_such_column(field, &object.name))
    };
    let Some((relationship, field)) = name.split_once('.') else {
        return Ok(Path { name: name.to_owned(), parent: None, field: find(object, name)? });
    };
    let lookup = object.lookup(relationship).ok_or_else(|| {
        let message = format!("Didn't understand relationship '{relationship}' in field path.");
        Failure::new("INVALID_FIELD", message)
    })?;
    let Kind::Lookup { to, .. } = &lookup.kind else { return Err(invalid_operator(lookup)) };
    let (parent, described) = tx.object(to)?;
    Ok(Path { name: name.to_owned(), parent: Some((lookup, parent)), field: find(described, field)? })
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

/// `%` stands for any text, `_` for one character; a backslash takes their meaning away.
fn like(text: &str, pattern: &str) -> bool {
    let mut pattern = pattern.chars();
    match pattern.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = pattern.as_str();
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| like(&text[at..], rest))
        }
        Some(wanted) => {
            let mut text = text.chars();
            let wanted =
                if wanted == '\\' { pattern.next() } else { Some(wanted).filter(|wanted| *wanted != '_') };
            let first = text.next();
            first.is_some() && (wanted.is_none() || first == wanted) && like(text.as_str(), pattern.as_str())
        }
    }
}

/// A value as it is ordered: null first unless the query says otherwise, text without case.
struct Sorted {
    cell: Cell,
    descending: bool,
    nulls_last: bool,
}

impl Sorted {
    fn new(cell: Cell, order: &soql::Order) -> Self {
        let cell = match cell {
            Cell::Text(text) => Cell::Text(text.to_lowercase()),
            other => other,
        };
        Self { cell, descending: order.descending, nulls_last: order.nulls_last }
    }
}

impl Ord for Sorted {
    fn cmp(&self, other: &Self) -> Ordering {
        let null_side = if self.nulls_last { Ordering::Greater } else { Ordering::Less };
        let order = match (&self.cell, &other.cell) {
            (Cell::Null, Cell::Null) => return Ordering::Equal,
            (Cell::Null, _) => return null_side,
            (_, Cell::Null) => return null_side.reverse(),
            (Cell::Number(one), Cell::Number(other)) => one.cmp(other),
            (Cell::Time(one), Cell::Time(other)) => one.cmp(other),
            (Cell::Bool(one), Cell::Bool(other)) => one.cmp(other),
            (Cell::Text(one), Cell::Text(other)) => one.cmp(other),
            _ => Ordering::Equal,
        };
        if self.descending { order.reverse() } else { order }
    }
}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sorted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sorted {}

fn no_such_column(name: &str, object: &str) -> Failure {
    Failure::new("INVALID_FIELD", format!("No such column '{name}' on entity '{object}'."))
}

fn invalid_operator(field: &Field) -> Failure {
    Failure::new("INVALID_QUERY_FILTER_OPERATOR", format!("invalid operator on {}", field.name))
}
