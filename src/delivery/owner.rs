//! Fields that belong to the org once their record is there: they are sent until Salesforce has accepted it, and no more.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::store;
use crate::store::outbox::Leased;

/// Before the name of such a field.
const ONLY_NEW: char = '+';

/// Makes the fields what travels: without what belongs to the org, or, of a record that is not there yet, with it.
pub(super) fn settle(rows: &mut [Leased]) -> store::Result<()> {
    for row in rows.iter_mut().filter(|row| row.fields.contains("\"+")) {
        let is_new = row.salesforce_id.is_none();
        let corrupt = |error: serde_json::Error| store::Error::Corrupt(Box::new(error));
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(&row.fields).map_err(corrupt)?;
        let sent: BTreeMap<&str, &RawValue> = fields
            .iter()
            .filter_map(|(name, value)| match name.strip_prefix(ONLY_NEW) {
                Some(name) => is_new.then_some((name, *value)),
                None => Some((name.as_str(), *value)),
            })
            .collect();
        row.fields = serde_json::to_string(&sent).map_err(corrupt)?;
    }
    Ok(())
}
