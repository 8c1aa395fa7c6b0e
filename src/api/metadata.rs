//! Metadata in the contract: a list of pairs, because Flow cannot use maps.

use serde::Serialize;
use utoipa::ToSchema;

use super::fields::Fields;
use crate::stripe::objects::Metadata;

/// Keys that carry the links to Salesforce records; callers set them by the fields of their own.
const RESERVED: &str = "sf_";

/// A note on a Stripe object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct MetadataEntry {
    /// At most 40 characters, without square brackets. Keys that begin with `sf_` are reserved.
    #[schema(example = "costCenter")]
    pub(super) key: String,
    /// At most 500 characters.
    #[schema(example = "4711")]
    pub(super) value: String,
}

/// Reads the field `metadata`. Source: Stripe API reference, "Metadata": 50 keys of 40 characters, values of 500.
pub(super) fn read(fields: &mut Fields, links: Metadata) -> Metadata {
    let mut metadata = links;
    let pairs = fields.list("metadata", 50 - metadata.len(), |pair| {
        let key = pair.text("key", 40, "costCenter");
        let value = pair.text("value", 500, "4711");
        match &key {
            None if pair.has_fault("key") => {}
            None => pair.missing("key", "text", "costCenter"),
            Some(key) if key.contains(['[', ']']) => {
                pair.fault("key", "has square brackets", Some("a key without them"), Some("costCenter"));
            }
            Some(key) if key.starts_with(RESERVED) => {
                let expected = "another key; links have fields of their own, like salesforceRecordId";
                pair.fault("key", "is reserved", Some(expected), Some("costCenter"));
            }
            Some(_) => {}
        }
        key.map(|key| (key, value.unwrap_or_default()))
    });
    for (key, value) in pairs.into_iter().flatten() {
        if metadata.insert(key.clone(), value).is_some() {
            fields.fault("metadata", format!("has the key `{key}` twice"), None, None);
        }
    }
    metadata
}

/// Metadata as it is answered.
pub(super) fn entries(metadata: &Metadata) -> Vec<MetadataEntry> {
    metadata.iter().map(|(key, value)| MetadataEntry { key: key.clone(), value: value.clone() }).collect()
}
