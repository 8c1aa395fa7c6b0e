//! The contract only grows: what was released once stays as it is, because orgs hold on to it.
//!
//! `openapi/released.json` is the contract of the last release; `make release-contract` renews it. Source: Salesforce Help, "External
//! Services": an update is refused that takes away an operation, a required parameter or property or an object in use, and a
//! new name is a new thing. Taking away an optional part is possible there and breaks Flows; here it is refused, too.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::document::{Damage, by_id, members, operations, served, set, without};
use super::read;

#[test]
fn the_contract_only_grew_since_its_last_release() {
    let released: Value = serde_json::from_str(&read("openapi/released.json")).unwrap();
    let broken = broken(&released, &served());
    assert!(broken.is_empty(), "orgs that use the released contract would break: {broken:#?}");
}

#[test]
fn what_breaks_an_org_is_noticed() {
    let ask = "/components/schemas/CreateCustomerRequest";
    refuse(&[
        // Operations: taken away, renamed, moved, or asking for more.
        without("POST"),
        set("POST/operationId", json!("makeCustomer")),
        set("POST/operationId", json!("createcustomer")),
        without("/paths/~1v1~1customers~1{customerId}"),
        set(
            "GET/parameters/-",
            json!({ "in": "query", "name": "asOf", "required": true, "schema": { "type": "string" } }),
        ),
        set("GET/requestBody", json!({ "required": true, "content": {} })),
        without("GET/parameters/0"),
        set("GET/parameters/0/name", json!("customer")),
        set("GET/parameters/0/in", json!("query")),
        set("GET/parameters/0/schema/type", json!("integer")),
        without("POST/requestBody"),
        set("POST/requestBody/content/application~1json/schema/$ref", json!("#/components/schemas/Customer")),
        without("POST/requestBody/content/application~1json"),
        without("GET/responses/2XX"),
        without("GET/responses/5XX"),
        set(
            "GET/responses/2XX/content/application~1json/schema/$ref",
            json!("#/components/schemas/PaymentIntent"),
        ),
        // Objects: taken away, or other than they were.
        without("CUSTOMER"),
        set("CUSTOMER/type", json!("array")),
        without("CUSTOMER/properties/email"),
        without("CUSTOMER/properties/stripeId"),
        set("CUSTOMER/properties/email/type", json!("integer")),
        set("CUSTOMER/properties/stripeCreatedAt/format", json!("date")),
        without("CUSTOMER/properties/stripeCreatedAt/format"),
        set("CUSTOMER/properties/balanceMinor/format", json!("int32")),
        set("CUSTOMER/properties/metadata/items/$ref", json!("#/components/schemas/Customer")),
        set("CUSTOMER/properties/metadata/type", json!("object")),
        // An answer may not say less than it promised.
        without("CUSTOMER/required/0"),
        without("/components/schemas/Problem/properties/code/enum/0"),
        // A request may not have to say more, and what was allowed stays allowed.
        set(&format!("{ask}/required"), json!(["email"])),
        set(&format!("{ask}/properties/name/maxLength"), json!(1)),
        set(&format!("{ask}/properties/name/minLength"), json!(300)),
        set(&format!("{ask}/properties/name/pattern"), json!("^A")),
        set(&format!("{ask}/properties/name/enum"), json!(["Ada"])),
        set(&format!("{ask}/properties/name/default"), json!("Ada")),
        set("/components/schemas/CreatePaymentIntentRequest/properties/amountMinor/minimum", json!(100)),
    ]);
}

#[test]
fn what_only_adds_is_let_through() {
    let released = served();
    let mut now = released.clone();
    for addition in [
        set("/paths/~1v1~1things", json!({ "get": { "operationId": "listThings" } })),
        set("/components/schemas/Thing", json!({ "type": "object", "required": ["name"] })),
        set("CUSTOMER/properties/nickname", json!({ "type": "string" })),
        set("CUSTOMER/required/-", json!("nickname")),
        set("CUSTOMER/properties/email/description", json!("Where to write to.")),
        set("/components/schemas/CreateCustomerRequest/properties/nickname", json!({ "type": "string" })),
        set("/components/schemas/Problem/properties/code/enum/-", json!("brand_new")),
        set(
            "GET/parameters/-",
            json!({ "in": "query", "name": "expanded", "schema": { "type": "boolean" } }),
        ),
        set("POST/summary", json!("Makes a customer.")),
        without("CUSTOMER/properties/email/example"),
        without("/components/schemas/CreateCustomerRequest/properties/name/maxLength"),
    ] {
        now = addition.applied(&now);
    }
    let broken = broken(&released, &now);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[track_caller]
fn refuse(damages: &[Damage]) {
    let released = served();
    for damage in damages {
        assert!(!broken(&released, &damage.applied(&released)).is_empty(), "not noticed: {damage:?}");
    }
}

/// What somebody who holds on to the released contract would stumble over.
fn broken(released: &Value, now: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let current = by_id(now);
    for operation in operations(released) {
        let id = operation.id();
        let Some(new) = current.get(id).filter(|new| new.place == operation.place) else {
            broken.push(format!("{id}: {} is not there", operation.place));
            continue;
        };
        compare_parameters(id, operation.value, new.value, &mut broken);
        compare_bodies(id, operation.value, new.value, &mut broken);
    }
    let asked = reachable(released, true);
    let answered = reachable(released, false);
    for (name, schema) in members(&released["components"]["schemas"]) {
        let side = Side { asked: asked.contains(name.as_str()), answered: answered.contains(name.as_str()) };
        match now["components"]["schemas"].get(name) {
            Some(new) => compare_schemas(name, schema, new, side, &mut broken),
            None => broken.push(format!("{name} is not there")),
        }
    }
    broken
}

/// Whether a schema is sent to us, and whether we send it.
#[derive(Clone, Copy)]
struct Side {
    asked: bool,
    answered: bool,
}

fn compare_parameters(id: &str, old: &Value, new: &Value, broken: &mut Vec<String>) {
    let list = |operation: &Value| operation["parameters"].as_array().cloned().unwrap_or_default();
    let same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
    let (olds, news) = (list(old), list(new));
    let side = Side { asked: true, answered: false };
    for old in &olds {
        match news.iter().find(|new| same(old, new)) {
            Some(new) => {
                let place = format!("{id} {}", old["name"]);
                compare_schemas(&place, &old["schema"], &new["schema"], side, broken);
            }
            None => broken.push(format!("{id}: the parameter {} is not there", old["name"])),
        }
    }
    for new in news.iter().filter(|new| new["required"] == true) {
        if !olds.iter().any(|old| same(old, new) && old["required"] == true) {
            broken.push(format!("{id}: the parameter {} is required now", new["name"]));
        }
    }
}

fn compare_bodies(id: &str, old: &Value, new: &Value, broken: &mut Vec<String>) {
    let holders = |operation: &Value| {
        let mut holders: Vec<_> = members(&operation["responses"])
            .map(|(status, answer)| (status.clone(), answer.clone()))
            .collect();
        holders.extend(operation.get("requestBody").map(|body| ("request".to_owned(), body.clone())));
        holders
    };
    let news = holders(new);
    for (what, old) in holders(old) {
        let Some((_, new)) = news.iter().find(|(name, _)| *name == what) else {
            broken.push(format!("{id}: {what} is not there"));
            continue;
        };
        for (media, content) in members(&old["content"]) {
            let place = format!("{id} {what} {media}");
            let side = Side { asked: what == "request", answered: what != "request" };
            compare_schemas(&place, &content["schema"], &new["content"][media]["schema"], side, broken);
        }
    }
    if new["requestBody"]["required"] == true && old["requestBody"]["required"] != true {
        broken.push(format!("{id}: a body is required now"));
    }
}

fn compare_schemas(place: &str, old: &Value, new: &Value, side: Side, broken: &mut Vec<String>) {
    for key in ["$ref", "type", "format"] {
        if old.get(key) != new.get(key) {
            broken.push(format!("{place}: {key} was {} and is {}", old[key], new[key]));
        }
    }
    for (name, property) in members(&old["properties"]) {
        match new["properties"].get(name) {
            Some(new) => compare_schemas(&format!("{place}.{name}"), property, new, side, broken),
            None => broken.push(format!("{place}.{name} is not there")),
        }
    }
    if old["items"].is_object() {
        compare_schemas(&format!("{place}[]"), &old["items"], &new["items"], side, broken);
    }
    let (olds, news) = (texts(&old["enum"]), texts(&new["enum"]));
    // An enumeration of texts may grow, and a request may become free in what it says.
    let free_now = news.is_empty() && !side.answered;
    if !olds.is_subset(&news) && !free_now {
        broken.push(format!("{place}: {:?} is not possible any more", olds.difference(&news)));
    }
    let (olds_required, news_required) = (texts(&old["required"]), texts(&new["required"]));
    if side.answered && !olds_required.is_subset(&news_required) {
        broken.push(format!("{place}: {:?} may be absent now", olds_required.difference(&news_required)));
    }
    if side.asked {
        if !news_required.is_subset(&olds_required) {
            broken.push(format!("{place}: {:?} is required now", news_required.difference(&olds_required)));
        }
        if olds.is_empty() && !news.is_empty() {
            broken.push(format!("{place}: only {news:?} is possible now"));
        }
        compare_bounds(place, old, new, broken);
    }
}

/// What could be sent before can be sent now, and means the same when it is left out.
fn compare_bounds(place: &str, old: &Value, new: &Value, broken: &mut Vec<String>) {
    let narrower = |key: &str, lower: bool| match (old[key].as_i64(), new[key].as_i64()) {
        (None, Some(_)) => true,
        (Some(old), Some(new)) => {
            if lower {
                new < old
            } else {
                new > old
            }
        }
        (_, None) => false,
    };
    for key in ["maximum", "maxLength", "maxItems"] {
        if narrower(key, true) {
            broken.push(format!("{place}: {key} is {}", new[key]));
        }
    }
    for key in ["minimum", "minLength", "minItems"] {
        if narrower(key, false) {
            broken.push(format!("{place}: {key} is {}", new[key]));
        }
    }
    if new.get("pattern").is_some() && new["pattern"] != old["pattern"] {
        broken.push(format!("{place}: pattern is {}", new["pattern"]));
    }
    if new["default"] != old["default"] {
        broken.push(format!("{place}: default was {} and is {}", old["default"], new["default"]));
    }
}

fn texts(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Names of the schemas that requests, or answers, lead to.
fn reachable(document: &Value, requests: bool) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for operation in operations(document) {
        for (place, _, content) in operation.contents() {
            if place.ends_with(" request") == requests {
                follow(document, &content["schema"], &mut found);
            }
        }
    }
    found
}

fn follow<'a>(document: &'a Value, schema: &'a Value, found: &mut BTreeSet<&'a str>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next())
        && found.insert(name)
    {
        follow(document, &document["components"]["schemas"][name], found);
    }
    let parts = members(&schema["properties"]).map(|(_, property)| property);
    for part in parts.chain(schema.get("items")) {
        follow(document, part, found);
    }
}
