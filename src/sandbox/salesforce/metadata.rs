//! Reads object metadata in source format: one file for the object, one for each field.

use include_dir::{Dir, File};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::schema::{Field, Kind, NumberKind};

/// What the metadata says of one object. A standard object has only added fields.
pub(super) struct Described {
    pub name: String,
    pub label: String,
    pub label_plural: String,
    pub name_label: String,
    pub fields: Vec<Field>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct CustomObject {
    label: Option<String>,
    plural_label: Option<String>,
    name_field: Option<NameField>,
}

#[derive(Deserialize)]
struct NameField {
    label: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomField {
    full_name: String,
    label: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    length: Option<usize>,
    precision: Option<u32>,
    scale: Option<u32>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    case_sensitive: bool,
    #[serde(default)]
    external_id: bool,
    reference_to: Option<String>,
    value_set: Option<ValueSet>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValueSet {
    #[serde(default)]
    restricted: bool,
    value_set_definition: Option<ValueSetDefinition>,
}

#[derive(Deserialize)]
struct ValueSetDefinition {
    #[serde(default)]
    value: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Value {
    full_name: String,
}

/// All objects below `directory`, by name; fields in the order of their names.
pub(super) fn read(directory: &Dir<'_>) -> Result<Vec<Described>, String> {
    let mut objects = directory.dirs().map(object).collect::<Result<Vec<_>, _>>()?;
    objects.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(objects)
}

fn object(directory: &Dir<'_>) -> Result<Described, String> {
    let name = directory.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let own = directory.files().find(|file| file.path().to_string_lossy().ends_with(".object-meta.xml"));
    let own = own.map(parse::<CustomObject>).transpose()?.unwrap_or_default();
    let folder = directory.dirs().find(|folder| folder.path().ends_with("fields"));
    let mut files: Vec<_> = folder.into_iter().flat_map(Dir::files).collect();
    files.sort_by_key(|file| file.path());
    let fields = files.into_iter().filter(|file| file.path().to_string_lossy().ends_with(".field-meta.xml"));
    let fields = fields.filter_map(|file| parse(file).and_then(|found| field(&name, found)).transpose());
    Ok(Described {
        label: own.label.unwrap_or_else(|| name.clone()),
        label_plural: own.plural_label.unwrap_or_else(|| name.clone()),
        name_label: own.name_field.and_then(|field| field.label).unwrap_or_else(|| "Name".to_owned()),
        fields: fields.collect::<Result<_, _>>()?,
        name,
    })
}

fn parse<T: DeserializeOwned>(file: &File<'_>) -> Result<T, String> {
    let name = file.path().display();
    let text = file.contents_utf8().ok_or_else(|| format!("{name}: no text"))?;
    quick_xml::de::from_str(text).map_err(|error| format!("{name}: {error}"))
}

/// Nothing for a standard field, whose metadata has no type: it is known already.
fn field(object: &str, mut found: CustomField) -> Result<Option<Field>, String> {
    let Some(kind) = found.kind.take() else { return Ok(None) };
    let name = found.full_name;
    let number = |of| {
        let (precision, scale) = (found.precision.unwrap_or(18), found.scale.unwrap_or(0));
        Kind::Number { precision, scale, of }
    };
    let kind = match kind.as_str() {
        "Text" => Kind::Text { length: found.length.unwrap_or(255) },
        "TextArea" => Kind::Text { length: 255 },
        "LongTextArea" => Kind::LongText { length: found.length.unwrap_or(32_768) },
        "Email" => Kind::Email,
        "Phone" => Kind::Phone,
        "Url" => Kind::Url,
        "Number" => number(NumberKind::Plain),
        "Currency" => number(NumberKind::Currency),
        "Percent" => number(NumberKind::Percent),
        "Checkbox" => Kind::Checkbox,
        "Date" => Kind::Date,
        "DateTime" => Kind::DateTime,
        "Picklist" => picklist(found.value_set),
        "Lookup" | "MasterDetail" => Kind::Lookup {
            to: found.reference_to.ok_or_else(|| format!("{object}.{name}: a lookup without referenceTo"))?,
            relationship: format!("{}__r", name.trim_end_matches("__c")),
        },
        other => return Err(format!("{object}.{name}: fields of type {other} are not known here")),
    };
    Ok(Some(Field {
        label: found.label.unwrap_or_else(|| name.clone()),
        required: found.required,
        unique: found.unique,
        case_sensitive: found.case_sensitive,
        external_id: found.external_id,
        custom: true,
        ..Field::new(&name, kind)
    }))
}

fn picklist(set: Option<ValueSet>) -> Kind {
    let restricted = set.as_ref().is_some_and(|set| set.restricted);
    let definition = set.and_then(|set| set.value_set_definition);
    let values = definition.into_iter().flat_map(|set| set.value).map(|value| value.full_name);
    Kind::Picklist { values: values.collect(), restricted }
}
