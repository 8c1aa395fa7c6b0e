//! The OpenAPI document as data, for those who judge it. Nothing here trusts that it is well formed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// As it is served now.
pub fn served() -> Value {
    serde_json::from_str(paybridge::api::document()).unwrap()
}

/// An operation and where it is.
pub struct Operation<'a> {
    /// `post /v1/customers`
    pub place: String,
    pub path: &'a str,
    pub method: &'a str,
    pub value: &'a Value,
}

impl<'a> Operation<'a> {
    pub fn id(&self) -> &'a str {
        self.value["operationId"].as_str().unwrap_or_default()
    }

    pub fn parameters(&self) -> impl Iterator<Item = &'a Value> {
        self.value["parameters"].as_array().into_iter().flatten()
    }

    /// Bodies by their media type: that of the request, then those of the answers.
    pub fn contents(&self) -> Vec<(String, &'a str, &'a Value)> {
        let request = std::iter::once(("request".to_owned(), &self.value["requestBody"]));
        let answers = members(&self.value["responses"]).map(|(status, answer)| (status.clone(), answer));
        let mut found = Vec::new();
        for (what, holder) in request.chain(answers) {
            for (media, content) in members(&holder["content"]) {
                found.push((format!("{} {what}", self.place), media.as_str(), content));
            }
        }
        found
    }
}

/// All operations, whatever their method.
pub fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut found = Vec::new();
    for (path, item) in members(&document["paths"]) {
        for (method, value) in members(item) {
            found.push(Operation { place: format!("{method} {path}"), path, method, value });
        }
    }
    found
}

/// All schemas with their places, those inside others as well.
pub fn schemas(document: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (name, schema) in members(&document["components"]["schemas"]) {
        add(name.clone(), schema, &mut found);
    }
    for operation in operations(document) {
        for parameter in operation.parameters() {
            let name = parameter["name"].as_str().unwrap_or_default();
            add(format!("{} {name}", operation.place), &parameter["schema"], &mut found);
        }
        for (place, _, content) in operation.contents() {
            add(place, &content["schema"], &mut found);
        }
    }
    found
}

fn add<'a>(place: String, schema: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    for (name, property) in members(&schema["properties"]) {
        add(format!("{place}.{name}"), property, found);
    }
    for key in ["items", "additionalProperties", "not"] {
        if schema[key].is_object() {
            add(format!("{place} {key}"), &schema[key], found);
        }
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for part in schema[key].as_array().into_iter().flatten() {
            add(format!("{place} {key}"), part, found);
        }
    }
    found.push((place, schema));
}

/// All properties with their places.
pub fn properties(document: &Value) -> Vec<(String, &str, &Value)> {
    schemas(document)
        .into_iter()
        .flat_map(|(place, schema)| {
            members(&schema["properties"])
                .map(move |(name, property)| (format!("{place}.{name}"), name.as_str(), property))
        })
        .collect()
}

/// What a reference leads to; anything else is given back.
pub fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

pub fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// The operations by their ids.
pub fn by_id(document: &Value) -> BTreeMap<&str, Operation<'_>> {
    operations(document).into_iter().map(|operation| (operation.id(), operation)).collect()
}

/// A mistake, to see whether it is noticed.
#[derive(Debug)]
pub struct Damage {
    pointer: String,
    value: Option<Value>,
}

/// Puts a value somewhere. `POST`, `GET` and `CUSTOMER` stand for an operation of each kind and for a schema.
pub fn set(pointer: &str, value: Value) -> Damage {
    Damage { pointer: expand(pointer), value: Some(value) }
}

/// Takes something away.
pub fn without(pointer: &str) -> Damage {
    Damage { pointer: expand(pointer), value: None }
}

fn expand(pointer: &str) -> String {
    pointer
        .replace("POST", "/paths/~1v1~1customers/post")
        .replace("GET", "/paths/~1v1~1customers~1{customerId}/get")
        .replace("CUSTOMER", "/components/schemas/Customer")
}

impl Damage {
    /// The document with this mistake in it.
    pub fn applied(&self, document: &Value) -> Value {
        let mut damaged = document.clone();
        let (parent, key) = self.pointer.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/");
        let parent = damaged.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}"));
        match (&self.value, parent) {
            (Some(value), Value::Object(members)) => drop(members.insert(key, value.clone())),
            (Some(value), Value::Array(elements)) => elements.push(value.clone()),
            (None, Value::Object(members)) => drop(members.remove(&key)),
            (None, Value::Array(elements)) => drop(elements.remove(key.parse().unwrap())),
            (_, other) => panic!("{self:?} leads into {other}"),
        }
        assert_ne!(&damaged, document, "{self:?} changes nothing");
        damaged
    }
}
