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

#[tokio::test]
async fn no_value_of_any_field_is_a_fault_of_ours() {
    let desk = Desk::start().await;
    let contract: Value = serde_json::from_str(document()).unwrap();
    let odd = [
        "null",
        "true",
        "0",
        "-1",
        "1e400",
        "1E-400",
        "0.1",
        "99999999999999999999",
        "\"\"",
        "\" \"",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"../..\"",
        "\"a&b=c[d]\"",
        "[]",
        "[null]",
        "[[]]",
        "[{}]",
        "{}",
        "{\"a\":{\"b\":[]}}",
    ];
    let mut asked = 0;
    for (path, item) in contract["paths"].as_object().unwrap() {
        let Some(body) =
            item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()
        else {
            continue;
        };
        let valid = example(&contract, body);
        for name in valid.as_object().unwrap().keys() {
            for value in odd {
                // As text: what is odd about some of these would not survive a `Value`.
                let others = valid.as_object().unwrap().iter().filter(|(other, _)| *other != name);
                let members: Vec<_> = others.map(|(other, value)| format!("{other:?}:{value}")).collect();
                let text = format!("{{{},{name:?}:{value}}}", members.join(","));
                let request =
                    desk.request("POST", path).header("Content-Type", "application/json").body(text.clone());
                let got = desk.send(request).await;
                assert!((200..500).contains(&got.status), "{path} {text} {:#}", got.body);
                asked += 1;
            }
        }
    }
    assert!(asked > 500, "{asked}");
}
