//! Which objects and fields the org has.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use super::{metadata, standard};

static OBJECTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/apex/force-app/main/default/objects");

/// All objects of the org; immutable once it runs.
#[derive(Debug)]
pub(super) struct Schema {
    objects: Vec<Object>,
    by_name: HashMap<Arc<str>, usize>,
    by_prefix: HashMap<String, usize>,
}

/// One object: the table of its records.
#[derive(Debug)]
pub(super) struct Object {
    pub name: Arc<str>,
    pub label: String,
    pub label_plural: String,
    /// The first three characters of its records' ids.
    pub prefix: String,
    pub custom: bool,
    pub fields: Vec<Field>,
    by_name: HashMap<Arc<str>, usize>,
    by_relationship: HashMap<String, usize>,
}

/// One field of an object.
#[derive(Debug)]
pub(super) struct Field {
    pub name: Arc<str>,
    pub label: String,
    pub kind: Kind,
    pub required: bool,
    pub unique: bool,
    pub case_sensitive: bool,
    pub external_id: bool,
    /// Written by people and not by the platform.
    pub writable: bool,
    pub custom: bool,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Id,
    Text { length: usize },
    LongText { length: usize },
    Email,
    Phone,
    Url,
    Number { precision: u32, scale: u32, of: NumberKind },
    Checkbox,
    Date,
    DateTime,
    Picklist { values: Vec<String>, restricted: bool },
    Lookup { to: String, relationship: String },
}

/// What a number counts; the rules are the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberKind {
    Plain,
    Currency,
    Percent,
}

impl Schema {
    /// The project's own objects together with the standard ones that they refer to.
    pub(super) fn load() -> io::Result<Self> {
        let mut objects = standard::objects();
        let custom =
            metadata::read(&OBJECTS).map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))?;
        let mut tables = 0;
        for described in custom {
            if let Some(known) = objects.iter_mut().find(|object| *object.name == *described.name) {
                known.fields.extend(described.fields);
                continue;
            }
            if described.name.ends_with("__e") {
                objects.push(Object::event(described));
                continue;
            }
            let prefix = format!("a0{}", char::from_digit(tables % 36, 36).unwrap_or('z'));
            tables += 1;
            objects.push(Object::custom(described, prefix));
        }
        for object in &mut objects {
            object.index();
        }
        let by_name = objects.iter().enumerate().map(|(at, object)| (object.name.clone(), at)).collect();
        let by_prefix = objects.iter().enumerate().map(|(at, object)| (object.prefix.clone(), at)).collect();
        Ok(Self { objects, by_name, by_prefix })
    }

    pub(super) fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Where the object called `name` stands in [`Schema::objects`].
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Where the object stands whose ids begin with `prefix`.
    pub(super) fn position_of_prefix(&self, prefix: &str) -> Option<usize> {
        self.by_prefix.get(prefix).copied()
    }
}

impl Object {
    fn custom(described: metadata::Described, prefix: String) -> Self {
        let name_field =
            Field { label: described.name_label, ..Field::new("Name", Kind::Text { length: 80 }) };
        let mut fields = standard::system_fields();
        fields.push(name_field);
        fields.extend(described.fields);
        Self {
            name: described.name.into(),
            label: described.label,
            label_plural: described.label_plural,
            prefix,
            custom: true,
            fields,
            by_name: HashMap::new(),
            by_relationship: HashMap::new(),
        }
    }

    /// A platform event: something that is published and has no record.
    fn event(described: metadata::Described) -> Self {
        Self {
            name: described.name.into(),
            label: described.label,
            label_plural: described.label_plural,
            prefix: "e00".to_owned(),
            custom: true,
            fields: described.fields,
            by_name: HashMap::new(),
            by_relationship: HashMap::new(),
        }
    }

    pub(super) fn is_event(&self) -> bool {
        self.name.ends_with("__e")
    }

    pub(super) fn standard(name: &str, prefix: &str, fields: Vec<Field>) -> Self {
        let label_plural =
            if name == "Opportunity" { "Opportunities".to_owned() } else { format!("{name}s") };
        Self {
            name: name.into(),
            label: name.to_owned(),
            label_plural,
            prefix: prefix.to_owned(),
            custom: false,
            fields,
            by_name: HashMap::new(),
            by_relationship: HashMap::new(),
        }
    }

    fn index(&mut self) {
        self.by_name = self.fields.iter().enumerate().map(|(at, field)| (field.name.clone(), at)).collect();
        let lookups = self.fields.iter().enumerate().filter_map(|(at, field)| match &field.kind {
            Kind::Lookup { relationship, .. } => Some((relationship.clone(), at)),
            _ => None,
        });
        self.by_relationship = lookups.collect();
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).map(|at| &self.fields[*at])
    }

    /// The lookup field whose parent is reached by `name`, such as `Customer__r`.
    pub(super) fn lookup(&self, name: &str) -> Option<&Field> {
        self.by_relationship.get(name).map(|at| &self.fields[*at])
    }

    /// The fields whose values are kept in an index: external ids and unique fields.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.external_id || field.unique)
    }

    pub(super) fn external_ids(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.external_id)
    }
}

impl Field {
    /// A field without further properties; its label is its name.
    pub(super) fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.into(),
            label: name.to_owned(),
            kind,
            required: false,
            unique: false,
            case_sensitive: false,
            external_id: false,
            writable: true,
            custom: false,
        }
    }

    /// Whether it is a lookup to the object called `object`.
    pub(super) fn refers_to(&self, object: &str) -> bool {
        matches!(&self.kind, Kind::Lookup { to, .. } if to == object)
    }

    /// `value` in the form in which two equal values are the same text.
    pub(super) fn comparable(&self, value: &str) -> String {
        if self.case_sensitive { value.to_owned() } else { value.to_lowercase() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Schema};

    #[test]
    fn the_projects_objects_and_the_standard_ones_are_there() {
        let schema = Schema::load().unwrap();
        let customers = &schema.objects()[schema.position("Stripe_Customer__c").unwrap()];
        let key = customers.field("Stripe_Id__c").unwrap();
        assert!(key.external_id && key.unique && key.case_sensitive && key.required);
        assert!(customers.lookup("Account__r").is_some());
        assert!(customers.prefix.starts_with('a'));
        let products = &schema.objects()[schema.position("Product2").unwrap()];
        assert!(products.field("Stripe_Id__c").is_some() && products.field("IsActive").is_some());
        let status = customers.field("Status__c").unwrap();
        let Kind::Picklist { values, restricted: true } = &status.kind else { panic!("{status:?}") };
        assert!(values.contains(&"Delinquent".to_owned()));
        assert!(schema.position("Lead").is_none());
    }

    #[test]
    fn every_lookup_leads_to_an_object_of_the_org() {
        let schema = Schema::load().unwrap();
        for object in schema.objects() {
            for field in &object.fields {
                if let Kind::Lookup { to, .. } = &field.kind {
                    assert!(schema.position(to).is_some(), "{}.{} refers to {to}", object.name, field.name);
                }
            }
        }
    }
}
