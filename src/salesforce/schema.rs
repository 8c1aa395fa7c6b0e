//! What an org's objects and fields are, from metadata in source format: the package in `apex/`, and what users add.
//!
//! The sandbox has a reader of its own, because it shares nothing with the clients it stands in for.

use std::collections::BTreeMap;
use std::path::Path;

use include_dir::{Dir, include_dir};
use serde::Deserialize;

static PACKAGE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/apex/force-app/main/default/objects");

/// The objects of an org, by API name.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    objects: BTreeMap<String, BTreeMap<String, Field>>,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it holds.
    pub kind: Kind,
    /// Whether a record cannot be without it.
    pub required: bool,
    /// Whether it can be upserted by, with a Stripe id: external id, unique, and `a` is not `A`.
    pub is_key: bool,
    /// Whether the integration user may set it; of metadata that cannot be told, and is believed.
    pub writable: bool,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text of at most so many characters; with lines or without.
    Text(usize),
    /// An e-mail address.
    Email,
    /// An exact number with so many decimals.
    Number {
        /// Digits behind the point.
        decimals: u32,
    },
    /// A checkbox, which is never empty.
    Checkbox,
    /// A day.
    Date,
    /// A point in time.
    DateTime,
    /// One of a list.
    Picklist {
        /// The list.
        values: Vec<String>,
        /// Whether nothing else is taken.
        restricted: bool,
    },
    /// A record of this object.
    Lookup(String),
    /// Something that nothing is known of.
    Other(String),
}

/// Metadata that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct Unreadable {
    file: String,
    problem: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomField {
    full_name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    length: Option<usize>,
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
    value_set_definition: Option<Values>,
}

#[derive(Deserialize)]
struct Values {
    #[serde(default)]
    value: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    full_name: String,
}

impl Schema {
    /// The objects of the package that belongs to this program.
    pub fn package() -> Result<Self, Unreadable> {
        let mut schema = Self::default();
        schema.add_standard_fields();
        for object in PACKAGE.dirs() {
            let name = object.path().file_name().unwrap_or_default().to_string_lossy();
            schema.object(&name);
            for file in object.get_dir(object.path().join("fields")).into_iter().flat_map(Dir::files) {
                let text = file.contents_utf8().unwrap_or_default();
                schema.add(&name, &file.path().display().to_string(), text)?;
            }
        }
        Ok(schema)
    }

    /// Adds the objects of a directory in source format: `OBJECT/fields/FIELD.field-meta.xml`.
    pub fn add_directory(&mut self, directory: &Path) -> Result<(), Unreadable> {
        let unreadable = |path: &Path, error: std::io::Error| Unreadable {
            file: path.display().to_string(),
            problem: error.to_string(),
        };
        let list = |path: &Path| -> Result<Vec<_>, Unreadable> {
            let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, error))?;
            Ok(entries.flatten().map(|entry| entry.path()).collect())
        };
        for object in list(directory)?.into_iter().filter(|path| path.is_dir()) {
            let name = object.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.object(&name);
            let fields = object.join("fields");
            for path in if fields.is_dir() { list(&fields)? } else { Vec::new() } {
                let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
                self.add(&name, &path.display().to_string(), &text)?;
            }
        }
        Ok(())
    }

    /// Adds an object as the org describes it.
    pub(super) fn add_described(&mut self, name: &str, fields: BTreeMap<String, Field>) {
        self.objects.insert(name.to_owned(), fields);
    }

    /// The fields of an object; `None` when nothing is known of it.
    pub fn fields(&self, object: &str) -> Option<&BTreeMap<String, Field>> {
        self.objects.get(object)
    }

    /// Names of the objects.
    pub fn objects(&self) -> impl Iterator<Item = &String> {
        self.objects.keys()
    }

    /// The fields of an object, which has at least the name that every custom object has.
    fn object(&mut self, name: &str) -> &mut BTreeMap<String, Field> {
        let fields = self.objects.entry(name.to_owned()).or_default();
        fields.entry("Name".to_owned()).or_insert(Field::of(Kind::Text(80)));
        fields
    }

    /// Standard fields are not in the metadata with their types.
    /// Source: Salesforce Object Reference, "Product2".
    fn add_standard_fields(&mut self) {
        let fields = self.object("Product2");
        for (name, kind) in [
            ("Name", Kind::Text(255)),
            ("Description", Kind::Text(4_000)),
            ("ProductCode", Kind::Text(255)),
            ("IsActive", Kind::Checkbox),
        ] {
            fields.insert(name.to_owned(), Field { required: name == "Name", ..Field::of(kind) });
        }
    }

    fn add(&mut self, object: &str, file: &str, xml: &str) -> Result<(), Unreadable> {
        if !file.ends_with(".field-meta.xml") {
            return Ok(());
        }
        let found: CustomField = quick_xml::de::from_str(xml)
            .map_err(|error| Unreadable { file: file.to_owned(), problem: error.to_string() })?;
        let fields = self.object(object);
        // A standard field has no type here; of those we know, our own knowledge stays.
        let Some(kind) = found.kind else {
            fields.entry(found.full_name).or_insert(Field::of(Kind::Other("standard".to_owned())));
            return Ok(());
        };
        let kind = match kind.as_str() {
            "Text" | "TextArea" => Kind::Text(found.length.unwrap_or(255)),
            "LongTextArea" | "Html" => Kind::Text(found.length.unwrap_or(32_768)),
            "Url" => Kind::Text(255),
            "Phone" => Kind::Text(40),
            "Email" => Kind::Email,
            "Number" | "Currency" | "Percent" => Kind::Number { decimals: found.scale.unwrap_or(0) },
            "Checkbox" => Kind::Checkbox,
            "Date" => Kind::Date,
            "DateTime" => Kind::DateTime,
            "Picklist" => {
                let restricted = found.value_set.as_ref().is_some_and(|set| set.restricted);
                let values = found.value_set.and_then(|set| set.value_set_definition);
                let values = values.into_iter().flat_map(|set| set.value).map(|value| value.full_name);
                Kind::Picklist { values: values.collect(), restricted }
            }
            "Lookup" | "MasterDetail" => Kind::Lookup(found.reference_to.unwrap_or_default()),
            other => Kind::Other(other.to_owned()),
        };
        let is_key = found.external_id && found.unique && found.case_sensitive;
        fields.insert(found.full_name, Field { kind, required: found.required, is_key, writable: true });
        Ok(())
    }
}

impl Kind {
    /// What such a field is called, with its article.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text field",
            Self::Email => "an e-mail field",
            Self::Number { .. } => "a number field",
            Self::Checkbox => "a checkbox",
            Self::Date => "a date field",
            Self::DateTime => "a date/time field",
            Self::Picklist { .. } => "a picklist, which takes what `status` or `constant` give",
            Self::Lookup(_) => "a lookup",
            Self::Other(_) => "a field of another kind",
        }
    }
}

impl Field {
    fn of(kind: Kind) -> Self {
        Self { kind, required: false, is_key: false, writable: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_and_a_directory_of_the_users_are_read() {
        let mut schema = Schema::package().unwrap();
        // Twelve objects and the platform event that tells of them.
        assert_eq!(schema.objects().count(), 13);
        let charge = schema.fields("Stripe_Charge__c").unwrap();
        assert!(charge["Stripe_Id__c"].is_key && charge["Stripe_Id__c"].required);
        assert_eq!(charge["Amount__c"].kind, Kind::Number { decimals: 3 });
        assert_eq!(charge["Customer__c"].kind, Kind::Lookup("Stripe_Customer__c".to_owned()));
        let directory = tempfile::tempdir().unwrap();
        let fields = directory.path().join("Stripe_Charge__c/fields");
        std::fs::create_dir_all(&fields).unwrap();
        let xml =
            "<CustomField><fullName>Desk__c</fullName><type>Text</type><length>12</length></CustomField>";
        std::fs::write(fields.join("Desk__c.field-meta.xml"), xml).unwrap();
        schema.add_directory(directory.path()).unwrap();
        let charge = schema.fields("Stripe_Charge__c").unwrap();
        assert_eq!(charge["Desk__c"].kind, Kind::Text(12));
        assert!(charge.contains_key("Amount__c"), "what is added takes nothing away");
        let missing = schema.add_directory(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(missing.starts_with("/nowhere: "), "{missing}");
    }
}
