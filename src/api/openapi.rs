//! The OpenAPI document: utoipa's 3.1 brought down to 3.0.3, and the pages that show it.
//!
//! Salesforce's External Services read OpenAPI 2.0 and 3.0 only. The contract's types avoid what 3.0 cannot say; the
//! conversion knows the rest and names what it had to drop. It walks by the document's structure, so that examples, defaults
//! and enumerations are never taken for schemas.

use std::sync::LazyLock;

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};
use utoipa::Modify;
use utoipa::openapi::security::{
    ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityRequirement, SecurityScheme,
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::action::Kind;
use super::{Scope, contract_document};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let document = serde_json::to_value(contract_document()).unwrap_or_default();
    let (mut document, _dropped) = to_3_0(document);
    may_be_accepted(&mut document);
    format!("{document:#}\n")
});

/// The contract as JSON text, OpenAPI 3.0.3, the same on every machine; ends with a line break.
pub fn document() -> &'static str {
    &DOCUMENT
}

pub(super) fn routes(app: &mut web::ServiceConfig) {
    let ui = Config::from("/openapi.json")
        .persist_authorization(true)
        .display_operation_id(true)
        .try_it_out_enabled(true)
        // The validator badge would be asked for at another site.
        .validator_url("none");
    app.service(web::resource("/openapi.json").route(web::get().to(openapi)))
        .service(web::redirect("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").config(ui));
}

async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document())
}

/// How callers prove who they are. External Services ignore it, the Named Credential decides; people in `/docs` need it.
pub(super) struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An API key, `pb_…`, or an access token. Creating needs the scope payments:write, reading payments:read.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let scopes = Scopes::from_iter(Scope::ALL.map(|scope| (scope.name(), scope.meaning())));
        let flow = Flow::ClientCredentials(ClientCredentials::new("/oauth/token", scopes));
        let description = "The client id and client secret that `paybridge keys create` shows.";
        let oauth = OAuth2::with_description([flow], description);
        components.add_security_scheme("clientCredentials", SecurityScheme::OAuth2(oauth));
        // One of them is enough.
        document.security = Some(
            ["bearer", "clientCredentials"]
                .map(|scheme| SecurityRequirement::new(scheme, Vec::<String>::new()))
                .to_vec(),
        );
    }
}

/// Says of the answer of every creation and change what it is when the work goes on: an operation to ask about, and nothing else
/// yet. It is one schema for 201 and 202, because a Flow gets one output for all of 2XX.
fn may_be_accepted(document: &mut Value) {
    let is_action = |operation: &Value| operation["operationId"].as_str().and_then(Kind::named).is_some();
    let operations = members(&mut document["paths"]).flat_map(|(_, item)| members(item));
    let answers: Vec<String> = operations
        .filter(|(_, operation)| is_action(operation))
        .filter_map(|(_, operation)| {
            let schema = &operation["responses"]["2XX"]["content"]["application/json"]["schema"]["$ref"];
            Some(schema.as_str()?.rsplit('/').next()?.to_owned())
        })
        .collect();
    for name in answers {
        let schema = &mut document["components"]["schemas"][&name];
        schema["properties"]["operationId"] = json!({
            "type": "string",
            "description": "There when operationStatus is running: ask getOperation what became of it.",
            "example": "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11",
        });
        schema["properties"]["operationStatus"] = json!({
            "type": "string",
            "description": "For a creation or change: completed, or running when it takes longer than the caller should wait \
                (status 202). While it runs, nothing else is known than the fields about operation, request and key.",
            "example": "completed",
        });
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.retain(|field| field == "requestId" || field == "idempotencyReplayed");
        }
    }
}

/// The document in OpenAPI 3.0.3, and what could not be said in it.
fn to_3_0(mut document: Value) -> (Value, Vec<String>) {
    let mut dropped = Vec::new();
    document["openapi"] = json!("3.0.3");
    for key in ["webhooks", "jsonSchemaDialect"] {
        drop_key(&mut document, key, "", &mut dropped);
    }
    drop_key(&mut document["info"], "summary", "info", &mut dropped);
    if document["info"]["license"].is_object() {
        drop_key(&mut document["info"]["license"], "identifier", "info.license", &mut dropped);
    }
    for (path, item) in members(&mut document["paths"]) {
        for (method, operation) in members(item) {
            convert_operation(operation, &format!("{method} {path}"), &mut dropped);
        }
    }
    for (name, schema) in members(&mut document["components"]["schemas"]) {
        convert_schema(schema, name, &mut dropped);
    }
    (document, dropped)
}

fn convert_operation(operation: &mut Value, place: &str, dropped: &mut Vec<String>) {
    unwrap_lines(operation);
    for parameter in elements(operation.get_mut("parameters")) {
        if let Some(schema) = parameter.get_mut("schema") {
            convert_schema(schema, place, dropped);
            // An absent parameter is not null.
            remove(schema, "nullable");
        }
    }
    convert_content(operation.get_mut("requestBody"), place, dropped);
    for (status, response) in members(operation.get_mut("responses").unwrap_or(&mut Value::Null)) {
        convert_content(Some(response), &format!("{place} {status}"), dropped);
        for (_, header) in members(response.get_mut("headers").unwrap_or(&mut Value::Null)) {
            if let Some(schema) = header.get_mut("schema") {
                convert_schema(schema, place, dropped);
            }
        }
    }
}

fn convert_content(holder: Option<&mut Value>, place: &str, dropped: &mut Vec<String>) {
    for (_, media) in members(holder.and_then(|holder| holder.get_mut("content")).unwrap_or(&mut Value::Null))
    {
        if let Some(schema) = media.get_mut("schema") {
            convert_schema(schema, place, dropped);
        }
    }
}

/// One schema, its parts first.
fn convert_schema(schema: &mut Value, place: &str, dropped: &mut Vec<String>) {
    for (name, property) in members(schema.get_mut("properties").unwrap_or(&mut Value::Null)) {
        convert_schema(property, &format!("{place}.{name}"), dropped);
    }
    for key in ["items", "additionalProperties", "not"] {
        if let Some(part) = schema.get_mut(key).filter(|part| part.is_object()) {
            convert_schema(part, place, dropped);
        }
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for part in elements(schema.get_mut(key)) {
            convert_schema(part, place, dropped);
        }
    }
    unwrap_lines(schema);
    null_type(schema);
    null_alternative(schema);
    for bound in ["Minimum", "Maximum"] {
        let exclusive = format!("exclusive{bound}");
        if schema.get(&exclusive).is_some_and(Value::is_number)
            && let Some(limit) = remove(schema, &exclusive)
        {
            schema[bound.to_lowercase()] = limit;
            schema[exclusive] = json!(true);
        }
    }
    if let Some(Value::Array(examples)) = remove(schema, "examples")
        && let Some(first) = examples.into_iter().next()
    {
        schema["example"] = first;
    }
    if let Some(constant) = remove(schema, "const") {
        schema["enum"] = json!([constant]);
    }
    match (remove(schema, "contentEncoding"), remove(schema, "contentMediaType")) {
        (Some(_), _) => schema["format"] = json!("byte"),
        (None, Some(_)) => schema["format"] = json!("binary"),
        (None, None) => {}
    }
    for key in
        ["propertyNames", "prefixItems", "patternProperties", "$schema", "$defs", "unevaluatedProperties"]
    {
        drop_key(schema, key, place, dropped);
    }
    let siblings = schema.as_object().is_some_and(|object| object.contains_key("$ref") && object.len() > 1);
    if siblings && let Some(reference) = remove(schema, "$ref") {
        schema["allOf"] = json!([{ "$ref": reference }]);
    }
}

/// `type: [T, null]` becomes `type: T, nullable: true`.
fn null_type(schema: &mut Value) {
    let Some(Value::Array(types)) = schema.get("type") else { return };
    let others: Vec<_> = types.iter().filter(|kind| *kind != "null").cloned().collect();
    let nullable = others.len() < types.len();
    if let [kind] = others.as_slice() {
        schema["type"] = kind.clone();
        if nullable {
            schema["nullable"] = json!(true);
        }
    }
}

/// `oneOf: [X, null]` becomes `allOf: [X], nullable: true`.
fn null_alternative(schema: &mut Value) {
    for key in ["oneOf", "anyOf"] {
        let Some(Value::Array(parts)) = schema.get(key) else { continue };
        let others: Vec<_> = parts.iter().filter(|part| part["type"] != "null").cloned().collect();
        if others.len() == parts.len() {
            continue;
        }
        remove(schema, key);
        let key = if others.len() == 1 { "allOf" } else { key };
        schema[key] = Value::Array(others);
        schema["nullable"] = json!(true);
    }
}

/// The lines of a comment in the source are no lines to a reader of the contract.
fn unwrap_lines(described: &mut Value) {
    if let Some(Value::String(text)) = described.get_mut("description") {
        let paragraphs: Vec<_> = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
        *text = paragraphs.join("\n\n");
    }
}

fn members(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flat_map(Map::iter_mut)
}

fn elements(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

fn remove(value: &mut Value, key: &str) -> Option<Value> {
    value.as_object_mut()?.remove(key)
}

fn drop_key(value: &mut Value, key: &str, place: &str, dropped: &mut Vec<String>) {
    if remove(value, key).is_some() {
        dropped.push(format!("{place}: {key}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_3_0_cannot_say_is_said_otherwise_or_named() {
        let schema = json!({
            "type": "object", "$schema": "x",
            "properties": {
                "name": { "type": ["string", "null"], "examples": ["a", "b"], "description": "one\nline" },
                "parent": { "oneOf": [{ "type": "null" }, { "$ref": "#/p" }] },
                "noted": { "$ref": "#/p", "description": "x" },
                "count": { "type": "integer", "exclusiveMinimum": 0 },
                "map": { "type": "object", "propertyNames": {}, "additionalProperties": { "type": ["integer", "null"] } },
                "fixed": { "const": "a" },
                "file": { "type": "string", "contentEncoding": "base64" },
                "type": { "type": "string", "example": { "type": ["string", "null"] }, "default": { "const": 1 } },
            },
        });
        let (converted, dropped) = to_3_0(json!({
            "openapi": "3.1.0",
            "info": { "license": { "name": "MIT", "identifier": "MIT" } },
            "webhooks": {},
            "paths": { "/a": { "get": {
                "parameters": [{ "schema": { "type": ["string", "null"] } }],
                "responses": { "2XX": { "content": { "application/json": { "schema": { "const": 1 } } } } },
            } } },
            "components": { "schemas": { "A": schema } },
        }));
        let expected = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "nullable": true, "example": "a", "description": "one line" },
                "parent": { "allOf": [{ "$ref": "#/p" }], "nullable": true },
                "noted": { "allOf": [{ "$ref": "#/p" }], "description": "x" },
                "count": { "type": "integer", "minimum": 0, "exclusiveMinimum": true },
                "map": { "type": "object", "additionalProperties": { "type": "integer", "nullable": true } },
                "fixed": { "enum": ["a"] },
                "file": { "type": "string", "format": "byte" },
                "type": { "type": "string", "example": { "type": ["string", "null"] }, "default": { "const": 1 } },
            },
        });
        assert_eq!(converted["components"]["schemas"]["A"], expected);
        let operation = &converted["paths"]["/a"]["get"];
        assert_eq!(operation["parameters"][0]["schema"], json!({ "type": "string" }));
        assert_eq!(
            operation["responses"]["2XX"]["content"]["application/json"]["schema"],
            json!({ "enum": [1] })
        );
        assert_eq!(dropped, [": webhooks", "info.license: identifier", "A.map: propertyNames", "A: $schema"]);
    }

    #[test]
    fn nothing_of_our_own_contract_is_lost() {
        let (_, dropped) = to_3_0(serde_json::to_value(contract_document()).unwrap());
        assert!(dropped.is_empty(), "{dropped:?}");
    }
}
