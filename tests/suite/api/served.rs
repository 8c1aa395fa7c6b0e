//! Every operation of the contract is served, and takes what the contract describes.

use paybridge::api::document;
use serde_json::{Value, json};

use super::Desk;

#[tokio::test]
async fn every_operation_is_served_and_every_described_field_is_read() {
    let desk = Desk::start().await;
    let contract: Value = serde_json::from_str(document()).unwrap();
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let path = path.replace(['{', '}'], "");
            let mut request = desk.request(&method.to_uppercase(), &path);
            let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            if let Some(reference) = body.as_str() {
                request = request.json(&example(&contract, reference));
            }
            let got = desk.send(request).await;
            assert!(
                !matches!(got.body["code"].as_str(), Some("unknown_path" | "method_not_allowed")),
                "{path}"
            );
            let errors = got.body["errors"].as_array().cloned().unwrap_or_default();
            let unread = errors.iter().find(|error| error["problem"] == "is not a field of this request");
            assert!(unread.is_none(), "{path}: {:#}", got.body);
        }
    }
}

/// A body with every property of a schema, made of its examples.
fn example(contract: &Value, reference: &str) -> Value {
    let name = reference.rsplit('/').next().unwrap();
    let properties = contract["components"]["schemas"][name]["properties"].as_object().unwrap();
    let value = |kind: &Value| match kind["items"]["$ref"].as_str() {
        Some(element) => json!([example(contract, element)]),
        None => kind["example"].clone(),
    };
    properties.iter().map(|(name, kind)| (name.clone(), value(kind))).collect()
}
