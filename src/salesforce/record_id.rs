//! Record ids: 15 case-sensitive characters, or 18 with a checksum.

/// Key prefixes of objects that callers are likely to name. Source: Salesforce Help, "Standard Field Record ID Prefix Decoder".
const PREFIXES: [(&str, &str); 12] = [
    ("001", "Account"),
    ("003", "Contact"),
    ("005", "User"),
    ("006", "Opportunity"),
    ("00D", "Organization"),
    ("00Q", "Lead"),
    ("01t", "Product2"),
    ("02i", "Asset"),
    ("0Q0", "Quote"),
    ("500", "Case"),
    ("800", "Contract"),
    ("801", "Order"),
];

/// The 18-character form of a record id; `None` when it is not one.
///
/// The last three characters say which of the first fifteen are upper case, five to a character, the first the lowest bit.
/// Source: Salesforce Help, "Differences between 15-character and 18-character record IDs".
pub fn long_form(text: &str) -> Option<String> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    if !matches!(text.len(), 15 | 18) || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let (id, checksum) = text.split_at(15);
    let computed: String = id
        .as_bytes()
        .chunks(5)
        .map(|five| {
            let bits =
                five.iter().rev().fold(0, |bits, byte| bits << 1 | usize::from(byte.is_ascii_uppercase()));
            char::from(ALPHABET[bits])
        })
        .collect();
    // The checksum itself is compared without case, because some tools change it on the way.
    (checksum.is_empty() || checksum.eq_ignore_ascii_case(&computed)).then(|| format!("{id}{computed}"))
}

/// The standard object whose records have such ids; `None` for custom and rarer objects.
pub fn object_of(id: &str) -> Option<&'static str> {
    PREFIXES.into_iter().find(|(prefix, _)| id.starts_with(prefix)).map(|(_, object)| object)
}

/// What the ids of a standard object begin with. Names are compared without case, as Salesforce does.
pub fn prefix_of(sobject: &str) -> Option<&'static str> {
    PREFIXES.into_iter().find(|(_, object)| object.eq_ignore_ascii_case(sobject)).map(|(prefix, _)| prefix)
}

/// Whether an id can be one of a record of `sobject`: standard objects and their prefixes belong together.
pub fn fits(id: &str, sobject: &str) -> bool {
    match prefix_of(sobject) {
        Some(prefix) => id.starts_with(prefix),
        None => object_of(id).is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_characters_become_eighteen_and_a_wrong_checksum_is_seen() {
        for (text, long) in [
            ("001D000000IRFma", Some("001D000000IRFmaIAH")),
            ("001D000000IRFmaIAH", Some("001D000000IRFmaIAH")),
            ("001D000000IRFmaiah", Some("001D000000IRFmaIAH")),
            ("003R000000DDMlT", Some("003R000000DDMlTIAX")),
            ("001D000000IRFmaIAA", None),
            ("001d000000IRFmaIAH", None),
            ("001D000000IRFm", None),
            ("001D000000IRFma-", None),
            ("001D000000IRFmé", None),
            ("", None),
        ] {
            assert_eq!(long_form(text).as_deref(), long, "{text}");
        }
    }

    #[test]
    fn ids_fit_their_own_objects_only() {
        for (id, sobject, fitting) in [
            ("006R0000003FPYxIAO", "Opportunity", true),
            ("006R0000003FPYxIAO", "opportunity", true),
            ("006R0000003FPYxIAO", "Order", false),
            ("006R0000003FPYxIAO", "Bill__c", false),
            ("a01R0000003FPYxIAO", "Bill__c", true),
            ("a01R0000003FPYxIAO", "Account", false),
        ] {
            assert_eq!(fits(id, sobject), fitting, "{id} {sobject}");
        }
    }
}
