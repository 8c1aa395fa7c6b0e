//! Links to Salesforce records, kept in Stripe's metadata so that every later event finds its records again.

use super::fields::{Fields, excerpt};
use crate::salesforce::record_id;
use crate::stripe::objects::Metadata;

/// Field of the request, key in the metadata, object.
const FURTHER: [(&str, &str, &str); 5] = [
    ("accountId", "sf_account_id", "Account"),
    ("contactId", "sf_contact_id", "Contact"),
    ("opportunityId", "sf_opportunity_id", "Opportunity"),
    ("orderId", "sf_order_id", "Order"),
    ("salesforceOrgId", "sf_org_id", "Organization"),
];

const EXAMPLE: &str = "006Ws00000ABCDEIA5";

/// The links of a request: what goes into the metadata, and the record that asked.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) metadata: Metadata,
    /// 18 characters.
    pub(super) record_id: Option<String>,
}

/// Reads the link fields; ids become 18 characters long.
pub(super) fn read(fields: &mut Fields) -> Links {
    let mut links = Links::default();
    for (field, key, object) in FURTHER {
        if let Some((id, _)) = read_id(fields, field, Some(object)) {
            links.metadata.insert(key.to_owned(), id);
        }
    }
    let object = object_name(fields);
    let Some((id, guessed)) = read_id(fields, "salesforceRecordId", object.as_deref()) else {
        if object.is_some() && !fields.has_fault("salesforceRecordId") {
            fields.missing("salesforceRecordId", "the id of the record that asks", EXAMPLE);
        }
        return links;
    };
    match guessed.map(str::to_owned).or(object) {
        Some(object) => {
            links.metadata.insert("sf_object".to_owned(), object);
            links.metadata.insert("sf_record_id".to_owned(), id.clone());
            links.record_id = Some(id);
        }
        None => {
            let expected = "the API name of the object, because it cannot be told from the id";
            fields.missing("salesforceObject", expected, "Invoice__c");
        }
    }
    links
}

fn object_name(fields: &mut Fields) -> Option<String> {
    let name = fields.text("salesforceObject", 80, "Opportunity")?;
    let legal = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !legal {
        let problem = format!("`{}` is not an API name", excerpt(&name));
        fields.fault("salesforceObject", problem, Some("the API name of the object"), Some("Opportunity"));
    }
    legal.then_some(name)
}

/// A record id, and its object if the prefix tells.
fn read_id(
    fields: &mut Fields,
    name: &'static str,
    object: Option<&str>,
) -> Option<(String, Option<&'static str>)> {
    let text = fields.text(name, 18, EXAMPLE)?;
    let Some(id) = record_id::long_form(&text) else {
        let problem = format!("`{text}` is not a Salesforce record id");
        fields.fault(name, problem, Some("15 characters, or 18 with a correct checksum"), Some(EXAMPLE));
        return None;
    };
    if let Some(object) = object.filter(|object| !record_id::fits(&id, object)) {
        let problem = format!("`{text}` is not the id of a record of {object}");
        let expected = record_id::prefix_of(object).map(|prefix| format!("an id that begins with {prefix}"));
        fields.fault(name, problem, expected.as_deref(), None);
        return None;
    }
    let by_prefix = record_id::object_of(&id);
    Some((id, by_prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(json: &str) -> Result<Links, Vec<String>> {
        let mut fields = Fields::parse(json.as_bytes()).unwrap();
        let links = read(&mut fields);
        fields
            .finish(Some(links))
            .map_err(|problem| problem.errors.iter().cloned().map(|e| e.field).collect())
    }

    #[test]
    fn links_become_metadata() {
        let read =
            links(r#"{"salesforceRecordId":"006D000000IRFma","accountId":"001D000000IRFma"}"#).unwrap();
        let expected = [
            ("sf_account_id", "001D000000IRFmaIAH"),
            ("sf_object", "Opportunity"),
            ("sf_record_id", "006D000000IRFmaIAH"),
        ];
        assert!(read.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected), "{read:?}");
        assert_eq!(
            links(r#"{"salesforceRecordId":"a01D000000IRFma","salesforceObject":"Bill__c"}"#)
                .unwrap()
                .metadata
                .len(),
            2
        );
        assert!(links("{}").unwrap().metadata.is_empty());
    }

    #[test]
    fn links_that_lead_nowhere_are_refused() {
        for (json, field) in [
            (r#"{"salesforceRecordId":"a01D000000IRFma"}"#, "salesforceObject"),
            (r#"{"salesforceObject":"Opportunity"}"#, "salesforceRecordId"),
            (
                r#"{"salesforceObject":"Opportunity","salesforceRecordId":"001D000000IRFma"}"#,
                "salesforceRecordId",
            ),
            (
                r#"{"salesforceObject":"Bill__c","salesforceRecordId":"006D000000IRFma"}"#,
                "salesforceRecordId",
            ),
            (r#"{"salesforceObject":"a b","salesforceRecordId":"006D000000IRFma"}"#, "salesforceObject"),
            (r#"{"accountId":"003D000000IRFma"}"#, "accountId"),
            (r#"{"orderId":"nonsense"}"#, "orderId"),
        ] {
            assert_eq!(links(json).unwrap_err(), [field], "{json}");
        }
    }
}
