//! What the org says of its objects and fields.

use serde::Serialize;

use super::failure::Failure;
use super::request::Answer;
use super::schema::{Field, Kind, NumberKind, Object};
use super::transaction::Transaction;
use super::values::max_length;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribedObject<'a> {
    name: &'a str,
    label: &'a str,
    label_plural: &'a str,
    key_prefix: &'a str,
    custom: bool,
    createable: bool,
    updateable: bool,
    deletable: bool,
    queryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<DescribedField<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribedField<'a> {
    name: &'a str,
    label: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    length: usize,
    precision: u32,
    scale: u32,
    custom: bool,
    external_id: bool,
    id_lookup: bool,
    unique: bool,
    case_sensitive: bool,
    nillable: bool,
    defaulted_on_create: bool,
    createable: bool,
    updateable: bool,
    restricted_picklist: bool,
    picklist_values: Vec<PicklistValue<'a>>,
    reference_to: Vec<&'a str>,
    relationship_name: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PicklistValue<'a> {
    value: &'a str,
    label: &'a str,
    active: bool,
    default_value: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AllObjects<'a> {
    encoding: &'static str,
    max_batch_size: u32,
    sobjects: Vec<DescribedObject<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BasicObject<'a> {
    object_describe: DescribedObject<'a>,
    recent_items: [(); 0],
}

/// `GET /sobjects`
pub(super) fn all(tx: &Transaction<'_>) -> Answer {
    let sobjects = tx.schema.objects().iter().map(|object| describe(object, false)).collect();
    Answer::json(200, &AllObjects { encoding: "UTF-8", max_batch_size: 200, sobjects })
}

/// `GET /sobjects/T`
pub(super) fn basic(tx: &Transaction<'_>, object: &str) -> Result<Answer, Failure> {
    let (_, object) = tx.object(object)?;
    let basic = BasicObject { object_describe: describe(object, false), recent_items: [] };
    Ok(Answer::json(200, &basic))
}

/// `GET /sobjects/T/describe`
pub(super) fn object(tx: &Transaction<'_>, object: &str) -> Result<Answer, Failure> {
    let (_, object) = tx.object(object)?;
    Ok(Answer::json(200, &describe(object, true)))
}

fn describe(object: &Object, with_fields: bool) -> DescribedObject<'_> {
    DescribedObject {
        name: &object.name,
        label: &object.label,
        label_plural: &object.label_plural,
        key_prefix: &object.prefix,
        custom: object.custom,
        createable: true,
        updateable: true,
        deletable: true,
        queryable: true,
        fields: with_fields.then(|| object.fields.iter().map(describe_field).collect()),
    }
}

fn describe_field(field: &Field) -> DescribedField<'_> {
    let (precision, scale) = match field.kind {
        Kind::Number { precision, scale, .. } => (precision, scale),
        _ => (0, 0),
    };
    let (values, restricted_picklist) = match &field.kind {
        Kind::Picklist { values, restricted } => (values.as_slice(), *restricted),
        _ => (&[][..], false),
    };
    let (reference_to, relationship_name) = match &field.kind {
        Kind::Lookup { to, relationship } => (vec![to.as_str()], Some(relationship.as_str())),
        _ => (Vec::new(), None),
    };
    let picklist_values =
        values.iter().map(|value| PicklistValue { value, label: value, active: true, default_value: false });
    let is_checkbox = field.kind == Kind::Checkbox;
    DescribedField {
        name: &field.name,
        label: &field.label,
        kind: type_name(&field.kind),
        length: max_length(&field.kind).unwrap_or_default(),
        precision,
        scale,
        custom: field.custom,
        external_id: field.external_id,
        id_lookup: field.external_id || field.kind == Kind::Id,
        unique: field.unique,
        case_sensitive: field.case_sensitive,
        nillable: !field.required && !is_checkbox && field.writable,
        defaulted_on_create: is_checkbox || !field.writable,
        createable: field.writable,
        updateable: field.writable,
        restricted_picklist,
        picklist_values: picklist_values.collect(),
        reference_to,
        relationship_name,
    }
}

fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Id => "id",
        Kind::Text { .. } => "string",
        Kind::LongText { .. } => "textarea",
        Kind::Email => "email",
        Kind::Phone => "phone",
        Kind::Url => "url",
        Kind::Number { of: NumberKind::Plain, .. } => "double",
        Kind::Number { of: NumberKind::Currency, .. } => "currency",
        Kind::Number { of: NumberKind::Percent, .. } => "percent",
        Kind::Checkbox => "boolean",
        Kind::Date => "date",
        Kind::DateTime => "datetime",
        Kind::Picklist { .. } => "picklist",
        Kind::Lookup { .. } => "reference",
    }
}
