//! The vendor's own vectors decide what a signature is.

use paybridge::webhooks::signature::verify;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    header: Option<String>,
    now: i64,
    tolerance: i64,
    accept: Vec<String>,
    payload: Option<String>,
    payload_rule: Option<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    prefix: String,
    unit: String,
    times: usize,
    suffix: String,
}

#[test]
fn every_vector_is_judged_as_the_vendor_does() {
    let file: File = serde_json::from_str(include_str!("../fixtures/signatures.json")).unwrap();
    assert_eq!(file.vectors.len(), 43);
    for vector in file.vectors {
        let payload = vector.payload.unwrap_or_else(|| {
            let rule = vector.payload_rule.unwrap();
            format!("{}{}{}", rule.prefix, rule.unit.repeat(rule.times), rule.suffix)
        });
        let tolerance = (vector.tolerance > 0).then_some(vector.tolerance);
        let header = vector.header.unwrap_or_default();
        let verdict = verify(&header, payload.as_bytes(), &[vector.secret.into()], vector.now, tolerance);
        let may_be_valid = vector.accept.iter().any(|verdict| verdict == "valid");
        let may_be_invalid = vector.accept.iter().any(|verdict| verdict != "valid");
        let right = if verdict.is_ok() { may_be_valid } else { may_be_invalid };
        assert!(right, "{}: {verdict:?}, expected one of {:?}", vector.name, vector.accept);
    }
}
