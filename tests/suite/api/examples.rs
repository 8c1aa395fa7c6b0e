//! Every example of the contract, sent as it stands to a sandbox with its samples: a first try in Swagger UI works.

use paybridge::api::document;
use serde_json::{Value, json};

use super::Desk;

#[tokio::test]
async fn every_example_works_as_it_stands() {
    let desk = Desk::start().await;
    desk.stripe.seed_sample();
    let contract: Value = serde_json::from_str(document()).unwrap();
    let mut failed = Vec::new();
    let mut tried = 0;
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            // The desk has no background work to tell of.
            if operation["tags"][0] == "operations" {
                continue;
            }
            let mut path = path.clone();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (name, example) = (parameter["name"].as_str().unwrap(), &parameter["example"]);
                let example = example.as_str().unwrap_or_else(|| panic!("{path} has no example of {name}"));
                path = path.replace(&format!("{{{name}}}"), example);
            }
            let mut request = desk.request(&method.to_uppercase(), &path);
            if operation["requestBody"].is_object() {
                let example = &operation["requestBody"]["content"]["application/json"]["example"];
                assert!(example.is_object(), "{method} {path} has no example");
                request = request.json(example);
            }
            let got = desk.send(request).await;
            tried += 1;
            if !(200..300).contains(&got.status) {
                failed.push(format!("{method} {path}: {:#}", got.body));
            }
            for result in got.body["results"].as_array().into_iter().flatten() {
                if result["succeeded"] != true {
                    failed.push(format!("{method} {path}: {result:#}"));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} of {tried}:\n{}", failed.len(), failed.join("\n"));
    assert!(tried > 50, "{tried}");
}

#[tokio::test]
async fn a_change_needs_no_body() {
    let desk = Desk::start().await;
    desk.stripe.seed_sample();
    let path = "/v1/invoices/in_sandbox_draft/finalize";
    let bare = desk.send(desk.request("POST", path)).await.is(200);
    assert_eq!(bare["status"], "Open", "{bare:#}");
    let again = desk.post(path, &json!({})).await;
    assert_eq!(again.problem(), (422, "stripe_rejected"));
    assert_eq!(desk.send(desk.request("POST", "/v1/invoices")).await.problem(), (400, "invalid_json"));
}
