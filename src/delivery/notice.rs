//! The platform event that tells subscribers in the org that a record has a new state.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::store::outbox::Leased;

/// What is told of a record beside its ids, if it has these fields.
const TOLD: [&str; 4] = ["Status__c", "Last_Event_Id__c", "Last_Event_At__c", "Livemode__c"];

/// The event's fields, as members of a JSON object without its braces. Nothing for fields that are none.
pub(super) fn notice(row: &Leased) -> Option<String> {
    let fields: BTreeMap<&str, &RawValue> = serde_json::from_str(&row.fields).ok()?;
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut members = vec![
        format!(r#""Stripe_Id__c":{}"#, text(&row.external_id)),
        format!(r#""Object__c":{}"#, text(&row.sobject)),
    ];
    members.extend(TOLD.iter().filter_map(|name| Some(format!(r#""{name}":{}"#, fields.get(name)?.get()))));
    Some(members.join(","))
}
