//! Which records a query means: conditions, order, and the values that they compare.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::failure::Failure;
use super::ids::RecordId;
use super::json::{Json, Shape, shape};
use super::records::{Row, Table};
use super::schema::{Field, Kind, Object};
use super::soql::{Comparison, Condition, Literal, Order, Query};
use super::transaction::Transaction;
use super::values::{parse_date, parse_datetime};

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
pub(super) struct Path<'a> {
    /// As the query writes it.
    pub name: String,
    /// The lookup, and where the parent's object stands.
    pub parent: Option<(&'a Field, usize)>,
    pub field: &'a Field,
}

/// Records with their ids.
pub(super) type Records<'a> = Vec<(RecordId, &'a Row)>;

/// The records that `query` means, in its order.
pub(super) fn matching<'a>(
    tx: &'a Transaction<'_>,
    at: usize,
    query: &Query,
) -> Result<Records<'a>, Failure> {
    let table = tx.state.records.table(at);
    let mut found: Records<'a> = Vec::new();
    if let Some(condition) = &query.condition {
        // A condition that names unknown fields is refused also when there are no records.
        holds(tx, at, None, condition)?;
        let candidates = by_key(tx, at, table, condition).unwrap_or_else(|| table.rows().collect());
        for (id, row) in candidates {
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

/// The only records for which the condition can hold, when it asks for values of an indexed field.
fn by_key<'a>(
    tx: &Transaction<'_>,
    at: usize,
    table: &'a Table,
    condition: &Condition,
) -> Option<Records<'a>> {
    let (field, values) = match condition {
        Condition::And(terms) => return terms.iter().find_map(|term| by_key(tx, at, table, term)),
        Condition::Compare { field, comparison: Comparison::Equal, value } => {
            (field, std::slice::from_ref(value))
        }
        Condition::In { field, negated: false, values } => (field, values.as_slice()),
        _ => return None,
    };
    let object = &tx.schema.objects()[at];
    let field = object.keys().find(|key| *key.name == **field)?;
    let mut found = Vec::with_capacity(values.len());
    for value in values {
        let Literal::Text(text) = value else { return None };
        found.extend(table.with_key(field, text).iter().filter_map(|id| Some((*id, table.row(*id)?))));
    }
    found.sort_unstable_by_key(|(id, _)| *id);
    found.dedup_by_key(|(id, _)| *id);
    Some(found)
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

/// The parent that `lookup` names, if it has one.
pub(super) fn parent_of<'a>(
    tx: &'a Transaction<'_>,
    lookup: &Field,
    at: usize,
    row: &Row,
) -> Option<(RecordId, &'a Row)> {
    let parent = RecordId::parse(&row.text(&lookup.name)?)?;
    Some((parent, tx.state.records.table(at).row(parent)?))
}

/// The field that `name` leads to from the object at `at`.
pub(super) fn path<'a>(tx: &Transaction<'a>, at: usize, name: &str) -> Result<Path<'a>, Failure> {
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
    fn new(cell: Cell, order: &Order) -> Self {
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

pub(super) fn no_such_column(name: &str, object: &str) -> Failure {
    Failure::new("INVALID_FIELD", format!("No such column '{name}' on entity '{object}'."))
}

fn invalid_operator(field: &Field) -> Failure {
    Failure::new("INVALID_QUERY_FILTER_OPERATOR", format!("invalid operator on {}", field.name))
}
