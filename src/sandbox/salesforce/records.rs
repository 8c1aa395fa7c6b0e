//! The records of the org: one table for each object, with an index for each external id and unique field.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use time::OffsetDateTime;

use super::ids::RecordId;
use super::json::{self, Json};
use super::schema::{Field, Object, Schema};
use super::values::print_datetime;

/// One stored record.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The fields that are not null.
    pub fields: BTreeMap<Arc<str>, Json>,
    pub created_at: OffsetDateTime,
    pub modified_at: OffsetDateTime,
    /// The org's count of changes when this record changed last.
    pub change: u64,
    /// How many writes to it were accepted.
    pub writes: usize,
}

/// The records of one object.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: HashMap<RecordId, Row>,
    /// By field, then by comparable value. A field that is not unique may have several records for one value.
    keys: HashMap<Arc<str>, HashMap<String, Vec<RecordId>>>,
    next_number: u64,
}

/// All tables, in the order of the schema's objects.
#[derive(Debug)]
pub(super) struct Records {
    tables: Vec<Table>,
    changes: u64,
}

impl Records {
    pub(super) fn none(schema: &Schema) -> Self {
        Self { tables: schema.objects().iter().map(|_| Table::default()).collect(), changes: 0 }
    }

    pub(super) fn table(&self, object: usize) -> &Table {
        &self.tables[object]
    }

    /// Whether `id` names a record of any object.
    pub(super) fn exists(&self, schema: &Schema, id: RecordId) -> bool {
        let object = schema.position_of_prefix(id.prefix());
        object.is_some_and(|object| self.tables[object].rows.contains_key(&id))
    }

    /// An id that no record of the object has.
    pub(super) fn next_id(&mut self, schema: &Schema, object: usize) -> RecordId {
        let prefix = &schema.objects()[object].prefix;
        let table = &mut self.tables[object];
        loop {
            table.next_number += 1;
            let id = RecordId::numbered(prefix, table.next_number);
            if !table.rows.contains_key(&id) {
                return id;
            }
        }
    }

    /// The number of the next change.
    pub(super) fn next_change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    /// Stores `row`, or removes the record when there is none; returns what was stored before.
    pub(super) fn replace(
        &mut self,
        schema: &Schema,
        object: usize,
        id: RecordId,
        row: Option<Row>,
    ) -> Option<Row> {
        let Table { rows, keys, .. } = &mut self.tables[object];
        let described = &schema.objects()[object];
        let before = rows.remove(&id);
        if let Some(before) = &before {
            for (field, value) in key_values(described, before) {
                forget(keys.entry(field.name.clone()).or_default(), &value, id);
            }
        }
        if let Some(row) = row {
            for (field, value) in key_values(described, &row) {
                keys.entry(field.name.clone()).or_default().entry(value).or_default().push(id);
            }
            rows.insert(id, row);
        }
        before
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many ids were given to new records.
    pub(super) fn numbers_given(&self) -> u64 {
        self.next_number
    }

    pub(super) fn row(&self, id: RecordId) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (RecordId, &Row)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    /// The records whose key `field` has this value.
    pub(super) fn with_key(&self, field: &Field, value: &str) -> &[RecordId] {
        let values = self.keys.get(&field.name);
        values.and_then(|values| values.get(&field.comparable(value))).map_or(&[], Vec::as_slice)
    }

    /// The records that have `value` as any of their external ids.
    pub(super) fn with_external_id(&self, object: &Object, value: &str) -> Option<(RecordId, &Row)> {
        let id = object.external_ids().find_map(|field| self.with_key(field, value).first())?;
        self.rows.get_key_value(id).map(|(id, row)| (*id, row))
    }
}

impl Row {
    pub(super) fn created(at: OffsetDateTime) -> Self {
        Self { fields: BTreeMap::new(), created_at: at, modified_at: at, change: 0, writes: 0 }
    }

    /// The value of the field called `name`, also of those that only the platform writes; null is nothing.
    pub(super) fn value(&self, id: RecordId, name: &str) -> Option<Json> {
        match name {
            "Id" => Some(json::of(id.as_str())),
            "IsDeleted" => Some(json::of(&false)),
            "CreatedDate" => Some(json::of(&print_datetime(self.created_at))),
            "LastModifiedDate" | "SystemModstamp" => Some(json::of(&print_datetime(self.modified_at))),
            _ => self.fields.get(name).cloned(),
        }
    }

    /// The text of a field that holds text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.fields.get(name).and_then(|value| json::as_text(value)).map(std::borrow::Cow::into_owned)
    }
}

/// The indexed values of a record, in comparable form.
fn key_values<'a>(object: &'a Object, row: &'a Row) -> impl Iterator<Item = (&'a Field, String)> {
    object.keys().filter_map(|field| {
        let value = row.fields.get(&field.name)?;
        let text = json::as_text(value).unwrap_or_else(|| value.get().into());
        Some((field, field.comparable(&text)))
    })
}

fn forget(values: &mut HashMap<String, Vec<RecordId>>, value: &str, id: RecordId) {
    if let Some(ids) = values.get_mut(value) {
        ids.retain(|known| *known != id);
        if ids.is_empty() {
            values.remove(value);
        }
    }
}
