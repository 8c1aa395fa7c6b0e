//! What Salesforce's External Services can import: one test for each rule, each shown to notice what breaks it.
//!
//! Source: Salesforce Help, "External Services" (schema definition, limits, naming, updates), and what is known from the field about
//! `4XX` and `5XX` in Flow Builder.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::document::{Damage, members, operations, properties, resolve, schemas, served, set, without};

/// Makes one test of each rule: nothing to say about our document, something to say about each damaged one.
macro_rules! rules {
    ($($rule:ident: [$($damage:expr),+ $(,)?];)+) => {
        $(#[test]
        fn $rule() {
            prove(super::$rule, &[$($damage),+]);
        })+
    };
}

mod rule {
    use super::*;

    rules! {
        openapi_is_3_0: [
            set("/openapi", json!("3.1.0")),
            set("/webhooks", json!({})),
            set("CUSTOMER/properties/email/type", json!(["string", "null"])),
            set("CUSTOMER/properties/email/const", json!("x")),
            set("CUSTOMER/properties/email/examples", json!(["x"])),
            set("CUSTOMER/properties/balanceMinor/exclusiveMinimum", json!(0)),
        ];
        every_reference_stays_in_the_document: [
            set("CUSTOMER/properties/email/$ref", json!("other.json#/Email")),
            set("CUSTOMER/properties/email/$ref", json!("#/components/schemas/Nothing")),
        ];
        methods_are_those_that_can_be_called: [
            set("/paths/~1v1~1customers/head", json!({ "operationId": "headCustomers" })),
            set("GET/requestBody", json!({ "content": {} })),
        ];
        bodies_are_json: [
            set("POST/requestBody/content/text~1plain", json!({ "schema": { "type": "string" } })),
            set("GET/responses/4XX/content/application~1problem+json", json!({})),
            without("GET/responses/2XX/content/application~1json"),
        ];
        bodies_are_objects: [
            set("GET/responses/2XX/content/application~1json/schema", json!({ "type": "array", "items": { "type": "string" } })),
            set("POST/requestBody/content/application~1json/schema", json!({ "type": "string" })),
        ];
        nothing_lives_in_a_response_header: [
            set("POST/responses/2XX/headers", json!({ "Location": { "schema": { "type": "string" } } })),
        ];
        parameters_are_named_and_described: [
            set("GET/parameters/-", json!({ "in": "query", "description": "x", "schema": { "type": "string" } })),
            set("GET/parameters/-", json!({ "in": "cookie", "name": "a", "description": "x", "schema": { "type": "string" } })),
            set("GET/parameters/-", json!({ "in": "query", "name": "a", "description": "x" })),
            set("GET/parameters/-", json!({ "in": "query", "name": "a", "schema": { "type": "string" } })),
            without("GET/parameters/0"),
        ];
        the_base_path_is_left_to_the_named_credential: [
            set("/servers", json!([{ "url": "https://example.com/api" }])),
            set("POST/servers", json!([{ "url": "/api" }])),
        ];
        there_are_no_alternatives_and_no_maps: [
            set("CUSTOMER/properties/email/oneOf", json!([])),
            set("CUSTOMER/properties/email/anyOf", json!([])),
            set("CUSTOMER/properties/email/allOf", json!([])),
            set("CUSTOMER/properties/email/not", json!({})),
            set("CUSTOMER/discriminator", json!({})),
            set("CUSTOMER/additionalProperties", json!({ "type": "string" })),
            set("CUSTOMER/additionalProperties", json!(true)),
            set("CUSTOMER/properties/email/nullable", json!(true)),
        ];
        there_are_no_callbacks: [
            set("POST/callbacks", json!({})),
        ];
        types_are_those_that_flow_and_apex_have: [
            set("CUSTOMER/properties/email/type", json!("null")),
            set("CUSTOMER/properties/email/type", json!("file")),
            without("CUSTOMER/properties/email/type"),
            set("CUSTOMER/properties/email", json!({})),
            without("CUSTOMER/properties/balanceMinor/format"),
            set("CUSTOMER/properties/balanceMinor/format", json!("uint64")),
            set("CUSTOMER/properties/email/format", json!("email")),
            without("CUSTOMER/properties/metadata/items"),
        ];
        times_are_date_times: [
            without("CUSTOMER/properties/stripeCreatedAt/format"),
            set("CUSTOMER/properties/stripeCreatedAt/format", json!("date")),
        ];
        lists_are_not_nested_further_than_a_flow_can_map: [
            set("/components/schemas/MetadataEntry/properties/tags",
                json!({ "type": "array", "description": "x", "items": { "type": "string" } })),
            set("CUSTOMER/properties/metadata/items", json!({ "type": "array", "items": { "type": "string" } })),
        ];
        schemas_end: [
            set("CUSTOMER/properties/parent", json!({ "$ref": "#/components/schemas/Customer" })),
        ];
        everything_is_within_the_limits: [
            set("/info/description", json!("x".repeat(10_000_000))),
            set("/paths/~1many", (0..3_001).map(|n| (format!("m{n}"), json!({}))).collect()),
            set("/components/schemas", (0..3_001).map(|n| (format!("S{n}"), json!({}))).collect()),
            set("CUSTOMER/properties", (0..400_001).map(|n| (format!("p{n}"), json!({}))).collect()),
        ];
        every_schema_is_used: [
            set("/components/schemas/Lonely", json!({ "type": "object", "properties": {} })),
        ];
        descriptions_are_there_and_short_enough: [
            without("CUSTOMER/properties/email/description"),
            set("CUSTOMER/properties/email/description", json!("")),
            set("CUSTOMER/properties/email/description", json!("x".repeat(1_334))),
            set("CUSTOMER/description", json!("x".repeat(1_334))),
            set("POST/description", json!("x".repeat(1_334))),
            without("POST/summary"),
            set("GET/parameters/0x", json!({ "in": "query", "name": "a", "description": "x".repeat(1_334), "schema": {} })),
            without("GET/responses/2XX/description"),
        ];
        every_value_has_an_example: [
            without("CUSTOMER/properties/email/example"),
        ];
        operations_have_names_of_their_own: [
            without("POST/operationId"),
            set("POST/operationId", json!("create-customer")),
            set("POST/operationId", json!("CreateCustomer")),
            set("POST/operationId", json!("getcustomer")),
            set("POST/operationId", json!(format!("a{}", "b".repeat(80)))),
        ];
        names_are_apex_identifiers: [
            set("CUSTOMER/properties/e-mail", json!({})),
            set("CUSTOMER/properties/e_mail", json!({})),
            set("CUSTOMER/properties/1email", json!({})),
            set("CUSTOMER/properties/$email", json!({})),
            set("/components/schemas/My.Customer", json!({})),
            set("GET/parameters/-", json!({ "in": "query", "name": "page.size" })),
            set("GET/parameters/-", json!({ "in": "header", "name": "X Account" })),
            set(&format!("CUSTOMER/properties/{}", "e".repeat(255)), json!({})),
        ];
        names_are_not_reserved: [
            set("CUSTOMER/properties/currency", json!({})),
            set("CUSTOMER/properties/Group", json!({})),
            set("CUSTOMER/properties/type", json!({})),
            set("/components/schemas/List", json!({})),
            set("GET/parameters/-", json!({ "in": "query", "name": "limit" })),
            set("GET/parameters/-", json!({ "in": "query", "name": "connection" })),
        ];
        a_name_has_one_spelling: [
            set("CUSTOMER/properties/customerid", json!({})),
            set("/components/schemas/customer", json!({})),
        ];
        what_can_go_wrong_is_typed: [
            without("POST/responses/4XX"),
            without("POST/responses/5XX"),
            without("GET/responses/2XX"),
            set("GET/responses/200", json!({})),
            set("GET/responses/default", json!({})),
            set("GET/responses/5XX/content/application~1json/schema/$ref", json!("#/components/schemas/Customer")),
            set("GET/responses/2XX/content/application~1json/schema/$ref", json!("#/components/schemas/Problem")),
        ];
        enumerations_are_texts_that_may_grow: [
            set("CUSTOMER/properties/status/enum", json!(["Active"])),
            set("CUSTOMER/properties/balanceMinor/enum", json!([1, 2])),
        ];
        defaults_have_the_type_of_their_property: [
            set("CUSTOMER/properties/email/default", json!(1)),
            set("CUSTOMER/properties/balanceMinor/default", json!("1")),
            set("CUSTOMER/properties/metadata/default", json!([])),
        ];
        what_is_required_exists: [
            set("CUSTOMER/required/-", json!("nothing")),
        ];
        paths_name_their_parameters: [
            set("/paths/~1v1~1customers~1{id}~1{other}", json!({ "get": {} })),
            set("GET/parameters/-", json!({ "in": "path", "name": "other", "required": true })),
            set("GET/parameters/-", json!({ "in": "query", "name": "other", "required": true })),
        ];
    }
}

#[track_caller]
fn prove(rule: fn(&Value) -> Vec<String>, damages: &[Damage]) {
    let document = served();
    let faults = rule(&document);
    assert!(faults.is_empty(), "{faults:#?}");
    for damage in damages {
        assert!(!rule(&damage.applied(&document)).is_empty(), "not noticed: {damage:?}");
    }
}

/// Words of Apex and SOQL, those for future use included. Source: Apex Developer Guide, "Reserved Keywords"; those with an underscore
/// are no names here anyway.
const RESERVED: &str = "abstract activate and any array as asc autonomous begin bigdecimal blob boolean break bulk by byte \
    case cast catch char class collect commit const continue currency date datetime decimal default delete desc do double \
    else end enum exception exit export extends false final finally float for from future global goto group having hint if \
    implements import in inner insert instanceof int integer interface into join like limit list long loop map merge new \
    not null nulls number object of on or outer override package parallel pragma private protected public retrieve return \
    rollback search select set sharing short sobject sort stat static string super switch synchronized system testmethod \
    then this throw time today tolabel tomorrow transaction transient trigger true try type undelete union update upsert \
    using virtual void webservice when where while with without yesterday";

/// RFC 9457 names it so; External Services read it as `z0type`.
const RESERVED_ALL_THE_SAME: &str = "Problem.type";

fn openapi_is_3_0(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if !document["openapi"].as_str().is_some_and(|version| version.starts_with("3.0.")) {
        faults.push(format!("openapi: {}", document["openapi"]));
    }
    for key in ["webhooks", "jsonSchemaDialect"] {
        if document.get(key).is_some() {
            faults.push(key.to_owned());
        }
    }
    for (place, schema) in schemas(document) {
        for key in
            ["const", "examples", "$defs", "$schema", "prefixItems", "patternProperties", "contentEncoding"]
        {
            if schema.get(key).is_some() {
                faults.push(format!("{place}: {key}"));
            }
        }
        let bound = |key: &str| schema[key].is_number();
        if schema["type"].is_array() || bound("exclusiveMinimum") || bound("exclusiveMaximum") {
            faults.push(format!("{place}: {schema}"));
        }
    }
    faults
}

fn every_reference_stays_in_the_document(document: &Value) -> Vec<String> {
    let leads_nowhere = |schema: &Value| {
        let pointer = schema["$ref"].as_str().map(|text| text.strip_prefix('#'));
        pointer.is_some_and(|pointer| pointer.and_then(|pointer| document.pointer(pointer)).is_none())
    };
    let broken = schemas(document).into_iter().filter(|(_, schema)| leads_nowhere(schema));
    broken.map(|(place, schema)| format!("{place}: {schema}")).collect()
}

fn methods_are_those_that_can_be_called(document: &Value) -> Vec<String> {
    let wrong = |method: &str, body: bool| {
        !["get", "patch", "put", "post", "delete"].contains(&method) || (method == "get" && body)
    };
    operations(document)
        .into_iter()
        .filter(|operation| wrong(operation.method, operation.value.get("requestBody").is_some()))
        .map(|operation| operation.place)
        .collect()
}

fn bodies_are_json(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in operations(document) {
        let contents = operation.contents();
        let others = contents.iter().filter(|(_, media, _)| *media != "application/json");
        faults.extend(others.map(|(place, media, _)| format!("{place}: {media}")));
        let holders = members(&operation.value["responses"]).map(|(_, answer)| answer);
        for holder in holders.chain(operation.value.get("requestBody")) {
            if holder["content"].get("application/json").is_none() {
                faults.push(format!("{}: {holder}", operation.place));
            }
        }
    }
    faults
}

fn bodies_are_objects(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in operations(document) {
        for (place, _, content) in operation.contents() {
            if resolve(document, &content["schema"])["type"] != "object" {
                faults.push(place);
            }
        }
    }
    faults
}

fn nothing_lives_in_a_response_header(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in operations(document) {
        for (status, answer) in members(&operation.value["responses"]) {
            if answer.get("headers").is_some() {
                faults.push(format!("{} {status}", operation.place));
            }
        }
    }
    faults
}

fn parameters_are_named_and_described(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in operations(document) {
        for parameter in operation.parameters() {
            let text = |key: &str| parameter[key].as_str().is_some_and(|text| !text.is_empty());
            let place = ["path", "query", "header"].iter().any(|place| parameter["in"] == *place);
            if !text("name") || !text("description") || !place || !parameter["schema"].is_object() {
                faults.push(format!("{}: {parameter}", operation.place));
            }
        }
        if operation.path.contains('{') && operation.parameters().next().is_none() {
            faults.push(operation.place);
        }
    }
    faults
}

fn the_base_path_is_left_to_the_named_credential(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if document.get("servers").is_some() {
        faults.push("servers".to_owned());
    }
    let own = operations(document).into_iter().filter(|operation| operation.value.get("servers").is_some());
    faults.extend(own.map(|operation| operation.place));
    faults
}

fn there_are_no_alternatives_and_no_maps(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, schema) in schemas(document) {
        // Whether `nullable` is understood is not documented: what is absent is left out instead.
        for key in ["oneOf", "anyOf", "allOf", "not", "discriminator", "additionalProperties", "nullable"] {
            if schema.get(key).is_some() {
                faults.push(format!("{place}: {key}"));
            }
        }
    }
    faults
}

fn there_are_no_callbacks(document: &Value) -> Vec<String> {
    let found =
        operations(document).into_iter().filter(|operation| operation.value.get("callbacks").is_some());
    found.map(|operation| operation.place).collect()
}

fn types_are_those_that_flow_and_apex_have(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, schema) in schemas(document) {
        if schema.get("$ref").is_some() {
            continue;
        }
        let format = schema["format"].as_str();
        let known = match schema["type"].as_str() {
            Some("string") => matches!(format, None | Some("date" | "date-time")),
            Some("integer") => matches!(format, Some("int32" | "int64")),
            Some("number") => matches!(format, None | Some("double")),
            Some("boolean") => format.is_none(),
            Some("array") => schema["items"].is_object(),
            Some("object") => schema["properties"].is_object(),
            _ => false,
        };
        if !known {
            faults.push(format!("{place}: {schema}"));
        }
    }
    faults
}

fn times_are_date_times(document: &Value) -> Vec<String> {
    let time = |name: &str, property: &Value| name.ends_with("At") && property["type"] == "string";
    properties(document)
        .into_iter()
        .filter(|(_, name, property)| time(name, property) && property["format"] != "date-time")
        .map(|(place, ..)| place)
        .collect()
}

/// A list in a list is for Apex: what a Flow sends and gets has lists of plain objects at most. A bulk call is for Apex alone, and
/// so are the results of an operation; of a single call it tells all beside them.
fn lists_are_not_nested_further_than_a_flow_can_map(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in operations(document) {
        let most =
            if operation.path.ends_with("/bulk") || operation.path.contains("/operations/") { 2 } else { 1 };
        for (place, _, content) in operation.contents() {
            let depth = list_depth(document, &content["schema"], 0);
            if depth > most {
                faults.push(format!("{place}: lists {depth} deep"));
            }
        }
    }
    faults
}

fn list_depth(document: &Value, schema: &Value, level: usize) -> usize {
    // What never ends has a rule of its own.
    if level > 20 {
        return 0;
    }
    let schema = resolve(document, schema);
    let inside = |part: &Value| list_depth(document, part, level + 1);
    let deepest = members(&schema["properties"]).map(|(_, property)| inside(property)).max().unwrap_or(0);
    let listed = if schema["type"] == "array" { 1 + inside(&schema["items"]) } else { 0 };
    deepest.max(listed)
}

fn schemas_end(document: &Value) -> Vec<String> {
    fn endless(document: &Value, schema: &Value, level: usize) -> bool {
        // Flow Builder walks ten levels.
        let schema = resolve(document, schema);
        let parts = members(&schema["properties"]).map(|(_, property)| property);
        level > 10 || parts.chain(schema.get("items")).any(|part| endless(document, part, level + 1))
    }
    let all = members(&document["components"]["schemas"]);
    all.filter(|(_, schema)| endless(document, schema, 0)).map(|(name, _)| name.clone()).collect()
}

fn everything_is_within_the_limits(document: &Value) -> Vec<String> {
    let count = [
        ("characters", document.to_string().len(), 10_000_000),
        ("operations", operations(document).len(), 3_000),
        ("objects", members(&document["components"]["schemas"]).count(), 3_000),
        ("properties", properties(document).len(), 400_000),
    ];
    let over = count.into_iter().filter(|(_, count, most)| count > most);
    over.map(|(what, count, most)| format!("{count} {what}, {most} are possible")).collect()
}

fn every_schema_is_used(document: &Value) -> Vec<String> {
    let references = schemas(document).into_iter().filter_map(|(_, schema)| schema["$ref"].as_str());
    let used: BTreeSet<_> = references.filter_map(|reference| reference.rsplit('/').next()).collect();
    let all = members(&document["components"]["schemas"]);
    all.map(|(name, _)| name.clone()).filter(|name| !used.contains(name.as_str())).collect()
}

/// External Services keep 1,333 characters and drop the rest without a word.
fn descriptions_are_there_and_short_enough(document: &Value) -> Vec<String> {
    let mut texts: Vec<(String, &Value, bool)> = Vec::new();
    for operation in operations(document) {
        texts.push((format!("{} summary", operation.place), &operation.value["summary"], true));
        texts.push((format!("{} description", operation.place), &operation.value["description"], false));
        for parameter in operation.parameters() {
            texts.push((
                format!("{}: {}", operation.place, parameter["name"]),
                &parameter["description"],
                true,
            ));
        }
        for (status, answer) in members(&operation.value["responses"]) {
            texts.push((format!("{} {status}", operation.place), &answer["description"], true));
        }
    }
    for (name, schema) in members(&document["components"]["schemas"]) {
        texts.push((name.clone(), &schema["description"], false));
    }
    for (place, _, property) in properties(document) {
        // What a reference leads to is described there.
        texts.push((place, &property["description"], property.get("$ref").is_none()));
    }
    let wrong = |text: &Value, needed: bool| match text.as_str() {
        Some(text) => text.trim().is_empty() || text.chars().count() > 1_333,
        None => needed,
    };
    texts.into_iter().filter(|(_, text, needed)| wrong(text, *needed)).map(|(place, ..)| place).collect()
}

fn every_value_has_an_example(document: &Value) -> Vec<String> {
    let composed = |property: &Value| {
        property.get("$ref").is_some() || property["type"] == "array" || property["type"] == "object"
    };
    properties(document)
        .into_iter()
        .filter(|(_, _, property)| !composed(property) && property.get("example").is_none())
        .map(|(place, ..)| place)
        .collect()
}

fn operations_have_names_of_their_own(document: &Value) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for operation in operations(document) {
        let id = operation.id();
        let legal = id.starts_with(|first: char| first.is_ascii_lowercase())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && id.len() <= 80;
        if !legal || !seen.insert(id.to_lowercase()) {
            faults.push(format!("{}: `{id}`", operation.place));
        }
    }
    faults
}

/// Names of properties, schemas and parameters, with their places.
fn names(document: &Value) -> Vec<(String, String)> {
    let mut names: Vec<_> = properties(document)
        .into_iter()
        .map(|(place, name, _)| (place, name.to_owned()))
        .chain(members(&document["components"]["schemas"]).map(|(name, _)| (name.clone(), name.clone())))
        .collect();
    for operation in operations(document) {
        for parameter in operation.parameters() {
            let name = parameter["name"].as_str().unwrap_or_default();
            // Headers have hyphens; what is left has to be a name.
            let name = if parameter["in"] == "header" { name.replace('-', "") } else { name.to_owned() };
            names.push((format!("{} {name}", operation.place), name));
        }
    }
    names
}

fn names_are_apex_identifiers(document: &Value) -> Vec<String> {
    let legal = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && name.len() < 255
    };
    names(document).into_iter().filter(|(_, name)| !legal(name)).map(|(place, _)| place).collect()
}

fn names_are_not_reserved(document: &Value) -> Vec<String> {
    let reserved: BTreeSet<_> = RESERVED.split_whitespace().collect();
    let mut faults: Vec<_> = names(document)
        .into_iter()
        .filter(|(place, name)| {
            reserved.contains(name.to_lowercase().as_str()) && place != RESERVED_ALL_THE_SAME
        })
        .map(|(place, _)| place)
        .collect();
    for operation in operations(document) {
        // It would be renamed to `reconnection`.
        if operation.parameters().any(|parameter| parameter["name"] == "connection") {
            faults.push(operation.place);
        }
    }
    faults
}

fn a_name_has_one_spelling(document: &Value) -> Vec<String> {
    // A schema and a property may share a word: `Customer` and `customer`.
    let all = members(&document["components"]["schemas"]).map(|(name, _)| ("schema", name.clone()));
    let inside = properties(document).into_iter().map(|(_, name, _)| ("property", name.to_owned()));
    let mut spellings: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (kind, name) in all.chain(inside) {
        spellings.entry((kind, name.to_lowercase())).or_default().insert(name);
    }
    spellings.into_values().filter(|names| names.len() > 1).map(|names| format!("{names:?}")).collect()
}

/// Each declared code becomes an output of the Flow action; what is not declared cannot be read there.
fn what_can_go_wrong_is_typed(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in operations(document) {
        let answers: BTreeSet<_> =
            members(&operation.value["responses"]).map(|(status, _)| status.as_str()).collect();
        if answers != BTreeSet::from(["2XX", "4XX", "5XX"]) {
            faults.push(format!("{}: {answers:?}", operation.place));
        }
        for (status, answer) in members(&operation.value["responses"]) {
            let problem =
                answer["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/Problem";
            if problem != (status != "2XX") {
                faults.push(format!("{} {status}", operation.place));
            }
        }
    }
    faults
}

fn enumerations_are_texts_that_may_grow(document: &Value) -> Vec<String> {
    let tolerant = |schema: &Value| {
        schema["type"] == "string"
            && schema["description"].as_str().is_some_and(|text| text.contains("new ones may be added"))
    };
    schemas(document)
        .into_iter()
        .filter(|(_, schema)| schema.get("enum").is_some() && !tolerant(schema))
        .map(|(place, _)| place)
        .collect()
}

fn defaults_have_the_type_of_their_property(document: &Value) -> Vec<String> {
    let fits = |schema: &Value, default: &Value| match schema["type"].as_str() {
        Some("string") => default.is_string(),
        Some("integer") => default.is_i64() && schema["format"].is_string(),
        Some("number") => default.is_number(),
        Some("boolean") => default.is_boolean(),
        _ => false,
    };
    schemas(document)
        .into_iter()
        .filter(|(_, schema)| schema.get("default").is_some_and(|default| !fits(schema, default)))
        .map(|(place, _)| place)
        .collect()
}

fn what_is_required_exists(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, schema) in schemas(document) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if schema["properties"].get(name).is_none() {
                faults.push(format!("{place}.{name}"));
            }
        }
    }
    faults
}

fn paths_name_their_parameters(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in operations(document) {
        let named: BTreeSet<_> = operation
            .parameters()
            .filter(|parameter| parameter["in"] == "path" && parameter["required"] == true)
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        let in_path: BTreeSet<_> =
            operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        // A new required input would break every caller; only the path may ask for one.
        let required = operation.parameters().filter(|parameter| parameter["required"] == true).count();
        if named != in_path || required != named.len() {
            faults.push(operation.place);
        }
    }
    faults
}
