//! The OpenAPI document: committed as it is served, fit for External Services, and true.

use serde_json::Value;

use super::*;

/// Words that Apex reserves; a property of that name is renamed on import.
const RESERVED: &str = "abstract activate and any array as asc autonomous begin bigdecimal blob boolean break bulk by byte \
    case cast catch char class collect commit const continue currency date datetime decimal default delete desc do double \
    else end enum exception exit export extends false final finally float for from global goto group having hint if \
    implements import in inner insert instanceof int integer interface into join like limit list long loop map merge new \
    not null nulls number object of on or outer override package parallel pragma private protected public retrieve return \
    rollback search select set sharing short sobject sort static string super switch synchronized system testmethod then \
    this throw time transaction trigger true try type undelete union update upsert using virtual void webservice when \
    where while";

fn contract() -> Value {
    serde_json::from_str(document()).unwrap()
}

#[test]
fn the_committed_document_is_the_served_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/paybridge.json");
    if std::env::var_os("PAYBRIDGE_REFRESH").is_some() {
        std::fs::write(path, document()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == document(),
        "openapi/paybridge.json is not up to date; refresh it with `PAYBRIDGE_REFRESH=1 cargo test contract`"
    );
}

#[test]
fn every_name_and_shape_can_be_imported() {
    let contract = contract();
    assert_eq!(contract["openapi"], "3.0.3");
    let mut operations = Vec::new();
    for item in contract["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            operations.push(operation["operationId"].as_str().unwrap());
            for status in ["2XX", "4XX", "5XX"] {
                let response = &operation["responses"][status];
                assert!(response["description"].is_string(), "{operation:#}");
                let schema = &response["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(schema == "#/components/schemas/Problem", status != "2XX", "{operation:#}");
            }
        }
    }
    let text = document();
    for never in ["oneOf", "anyOf", "additionalProperties", "nullable", "\"null\"", "allOf", "servers"] {
        assert!(!text.contains(never), "{never}");
    }
    for operation in operations {
        assert!(operation.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{operation}");
    }
    for (name, schema) in contract["components"]["schemas"].as_object().unwrap() {
        for (property, kind) in schema["properties"].as_object().unwrap() {
            let place = format!("{name}.{property}");
            let reserved = RESERVED.split_whitespace().any(|word| word.eq_ignore_ascii_case(property));
            // RFC 9457 names it; External Services read it as `z0type`.
            assert!(!reserved || place == "Problem.type", "{place} is reserved in Apex");
            assert!(property.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{place}");
            // What a reference leads to has a description of its own.
            if kind["$ref"].is_string() {
                continue;
            }
            assert!(kind["description"].as_str().is_some_and(|text| text.len() < 1_333), "{place}: {kind:#}");
            let scalar = !matches!(kind["type"].as_str(), Some("array"));
            assert!(!scalar || !kind["example"].is_null(), "{place} has no example");
            if kind["type"] == "integer" {
                assert!(matches!(kind["format"].as_str(), Some("int32" | "int64")), "{place}: {kind:#}");
            }
        }
    }
}

#[test]
fn every_field_that_is_read_is_described() {
    let contract = contract();
    let read = |read: &dyn Fn(&mut fields::Fields)| {
        let mut fields = fields::Fields::parse(b"{}").unwrap();
        read(&mut fields);
        fields.known_names()
    };
    // The body of `createCustomer` is `CreateCustomerRequest`, and so on.
    let schema_of = |name: &str| format!("{}{}Request", name[..1].to_uppercase(), &name[1..]);
    let actions = RESOURCES.iter().flat_map(|resource| resource.actions);
    let mut bodies: Vec<_> = actions
        .map(|kind| {
            (schema_of(kind.name), read(&|fields| drop((kind.read)(fields, &action::Head::default()))))
        })
        .collect();
    bodies
        .push(("SubscriptionItemRequest".to_owned(), read(&|fields| drop(subscriptions::read_item(fields)))));
    for (schema, mut known) in bodies {
        let properties = contract["components"]["schemas"][&schema]["properties"].as_object().unwrap();
        let mut described: Vec<_> = properties.keys().map(String::as_str).collect();
        described.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, described, "{schema}");
    }
}
