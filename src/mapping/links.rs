//! Which Salesforce records an object belongs to, from the metadata that the API writes.

use crate::salesforce::record_id;
use crate::stripe::objects::Metadata;

/// The id of the record of `sobject` that the metadata names: by its own key, or as the record that asked.
///
/// `Err` holds a text that is no such id; it must never be sent.
pub(super) fn record_id(metadata: &Metadata, sobject: &str) -> Option<Result<String, String>> {
    let own_key = format!("sf_{}_id", sobject.to_lowercase());
    let asked = || {
        let object = metadata.get("sf_object")?;
        metadata.get("sf_record_id").filter(|_| object.eq_ignore_ascii_case(sobject))
    };
    let text = metadata.get(&own_key).or_else(asked)?.trim();
    let id = record_id::long_form(text).filter(|id| record_id::fits(id, sobject));
    Some(id.ok_or_else(|| text.to_owned()))
}
