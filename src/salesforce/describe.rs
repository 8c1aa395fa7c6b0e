//! What the org itself says of its objects and fields, as the integration user sees them.

use serde::Deserialize;

use super::client::Client;
use super::error::Error;
use super::schema::{Field, Kind, Schema};

#[derive(Deserialize)]
struct Described {
    fields: Vec<DescribedField>,
}

/// Source: REST API Developer Guide, "sObject Describe", and SOAP API Developer Guide, "Field".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribedField {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    length: usize,
    #[serde(default)]
    scale: u32,
    #[serde(default)]
    external_id: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    case_sensitive: bool,
    #[serde(default)]
    nillable: bool,
    #[serde(default)]
    defaulted_on_create: bool,
    #[serde(default)]
    createable: bool,
    #[serde(default)]
    updateable: bool,
    #[serde(default)]
    restricted_picklist: bool,
    #[serde(default)]
    picklist_values: Vec<PicklistValue>,
    #[serde(default)]
    reference_to: Vec<String>,
}

#[derive(Deserialize)]
struct PicklistValue {
    value: String,
    active: bool,
}

impl Client {
    /// Describes these objects; one request each. What is missing, or hidden from the integration user, is left out.
    pub async fn describe(&self, sobjects: &[String]) -> Result<Schema, Error> {
        let mut schema = Schema::default();
        for name in sobjects {
            let answer = match self.get(&format!("sobjects/{name}/describe")).await {
                Ok(answer) => answer,
                Err(Error::Rejected { status: 404, .. }) => continue,
                Err(error) => return Err(error),
            };
            let described: Described =
                serde_json::from_slice(&answer).map_err(|error| Error::Unreadable(error.to_string()))?;
            schema.add_described(name, described.fields.into_iter().map(field).collect());
        }
        Ok(schema)
    }
}

fn field(described: DescribedField) -> (String, Field) {
    let is_key = described.external_id && described.unique && described.case_sensitive;
    let required = !described.nillable && !described.defaulted_on_create && described.createable;
    let writable = described.createable && described.updateable;
    (described.name.clone(), Field { kind: kind(described), required, is_key, writable })
}

fn kind(described: DescribedField) -> Kind {
    match described.kind.as_str() {
        "string" | "textarea" | "url" | "phone" => Kind::Text(described.length),
        "email" => Kind::Email,
        "double" | "currency" | "percent" | "int" => Kind::Number { decimals: described.scale },
        "boolean" => Kind::Checkbox,
        "date" => Kind::Date,
        "datetime" => Kind::DateTime,
        "picklist" => {
            let values = described.picklist_values.into_iter().filter(|value| value.active);
            let values = values.map(|value| value.value).collect();
            Kind::Picklist { values, restricted: described.restricted_picklist }
        }
        "reference" => Kind::Lookup(described.reference_to.into_iter().next().unwrap_or_default()),
        _ => Kind::Other(described.kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_what_the_org_says_of_them() {
        let read = |json: &str| field(serde_json::from_str(json).unwrap()).1;
        let key = read(
            r#"{"name":"Stripe_Id__c","type":"string","length":255,"externalId":true,"unique":true,"caseSensitive":true,
                "nillable":false,"createable":true,"updateable":true}"#,
        );
        assert_eq!(key, Field { kind: Kind::Text(255), required: true, is_key: true, writable: true });
        let hidden =
            read(r#"{"name":"Total__c","type":"currency","scale":2,"nillable":true,"createable":true}"#);
        let kind = Kind::Number { decimals: 2 };
        assert_eq!(hidden, Field { kind, required: false, is_key: false, writable: false });
        let picklist = read(
            r#"{"name":"Status__c","type":"picklist","restrictedPicklist":true,"createable":true,"updateable":true,
                "nillable":true,"picklistValues":[{"value":"Paid","active":true},{"value":"Old","active":false}]}"#,
        );
        assert_eq!(picklist.kind, Kind::Picklist { values: vec!["Paid".to_owned()], restricted: true });
    }
}
