//! References from one subrequest to the answer of an earlier one: `@{customer.id}`, `@{found.records[0].Id}`.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::failure::Failure;
use super::json::{self, Json, Shape, shape};

/// The answers so far, by reference id.
#[derive(Default)]
pub(super) struct Results(HashMap<String, Json>);

impl Results {
    /// Remembers what the subrequest called `reference_id` answered.
    pub(super) fn add(&mut self, reference_id: &str, body: Option<&RawValue>) {
        if let Some(body) = body {
            self.0.insert(reference_id.to_owned(), body.to_owned());
        }
    }

    /// `text` with each reference replaced by what it stands for.
    pub(super) fn in_text(&self, text: &str) -> Result<String, Failure> {
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("@{") {
            let Some((reference, after)) = after.split_once('}') else { break };
            replaced.push_str(before);
            let value = self.value(reference)?;
            match shape(value) {
                Shape::Null => {}
                Shape::Text(text) => replaced.push_str(&text),
                _ => replaced.push_str(value.get()),
            }
            rest = after;
        }
        replaced.push_str(rest);
        Ok(replaced)
    }

    /// `body` with the references in its strings replaced; a string that is nothing but a reference takes the
    /// value's type.
    pub(super) fn in_json(&self, body: &RawValue) -> Result<Json, Failure> {
        if !body.get().contains("@{") {
            return Ok(body.to_owned());
        }
        match shape(body) {
            Shape::Text(text) => match text.strip_prefix("@{").and_then(|text| text.strip_suffix('}')) {
                Some(reference) if !reference.contains("@{") => self.value(reference).map(ToOwned::to_owned),
                _ => self.in_text(&text).map(|text| json::of(&text)),
            },
            Shape::Object => {
                let members = json::members(body).unwrap_or_default().into_iter();
                let replaced = members.map(|(name, value)| {
                    self.in_json(value).map(|value| format!("{}:{}", json::of(&name), value))
                });
                let replaced = replaced.collect::<Result<Vec<_>, _>>()?;
                Ok(json::written(format!("{{{}}}", replaced.join(","))))
            }
            Shape::List => {
                let elements = json::elements(body).unwrap_or_default().into_iter();
                let replaced = elements.map(|value| self.in_json(value)).collect::<Result<Vec<_>, _>>()?;
                Ok(json::of(&replaced))
            }
            _ => Ok(body.to_owned()),
        }
    }

    /// The scalar that `reference` leads to; names are compared with their case.
    fn value(&self, reference: &str) -> Result<&RawValue, Failure> {
        let name = reference.split(['.', '[']).next().unwrap_or_default();
        let unknown = || {
            let message = format!("Invalid reference specified. No value for {reference} found in {name}.");
            Failure::new("PROCESSING_HALTED", message)
        };
        let mut value: &RawValue = self.0.get(name).ok_or_else(unknown)?;
        let steps = reference[name.len()..].split(['.', '[']).filter(|step| !step.is_empty());
        for step in steps {
            let next = match step.strip_suffix(']').map(str::parse::<usize>) {
                Some(Ok(place)) => json::elements(value).and_then(|elements| elements.get(place).copied()),
                Some(Err(_)) => None,
                None => json::members(value).and_then(|members| members.get(step).copied()),
            };
            value = next.ok_or_else(unknown)?;
        }
        match shape(value) {
            Shape::List | Shape::Object => Err(unknown()),
            _ => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::Results;

    fn results() -> Results {
        let mut results = Results::default();
        let found = r#"{"totalSize":1,"records":[{"Id":"001","Amount__c":12.50,"Note__c":null}]}"#;
        for (name, body) in [("customer", r#"{"id":"a01","success":true}"#), ("found", found)] {
            results.add(name, Some(&RawValue::from_string(body.to_owned()).unwrap()));
        }
        results
    }

    #[test]
    fn references_become_the_value_that_they_stand_for() {
        let table = [
            (r#""@{customer.id}""#, r#""a01""#),
            (r#""for @{customer.id} of @{found.records[0].Id}""#, r#""for a01 of 001""#),
            (r#"{"Amount__c":"@{found.records[0].Amount__c}","n":1.10}"#, r#"{"Amount__c":12.50,"n":1.10}"#),
            (r#"["@{found.records[0].Note__c}",true]"#, "[null,true]"),
            (r#""a @{ alone""#, r#""a @{ alone""#),
        ];
        for (body, expected) in table {
            let body = RawValue::from_string(body.to_owned()).unwrap();
            assert_eq!(results().in_json(&body).unwrap().get(), expected);
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for reference in
            ["nobody.id", "customer.Id", "customer.errors[0]", "found.records", "found.records[1].Id"]
        {
            let failure = results().in_text(&format!("@{{{reference}}}")).unwrap_err();
            assert_eq!(failure.code, "PROCESSING_HALTED", "{reference}");
            assert!(failure.message.starts_with("Invalid reference specified."), "{}", failure.message);
        }
    }
}
