//! Record ids: 15 case-sensitive characters, or 18 with a checksum.
//!
//! Source: Salesforce Object Reference, "ID Field Type"; the checksum is five bits per group of five characters.

/// The id in its form of 18 characters, if `text` is one: right length, letters and digits, right checksum, and the
/// prefix of `sobject` where that is a standard object.
pub fn parse(text: &str, sobject: &str) -> Option<String> {
    if !text.bytes().all(|b| b.is_ascii_alphanumeric()) || !matches!(text.len(), 15 | 18) {
        return None;
    }
    if prefix_of(sobject).is_some_and(|prefix| !text.starts_with(prefix)) {
        return None;
    }
    let full = format!("{}{}", &text[..15], checksum(&text[..15]));
    (text.len() == 15 || full.eq_ignore_ascii_case(text)).then_some(full)
}

fn checksum(id: &str) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    id.as_bytes()
        .chunks(5)
        .map(|group| {
            let bits = group
                .iter()
                .enumerate()
                .map(|(bit, b)| usize::from(b.is_ascii_uppercase()) << bit)
                .sum::<usize>();
            char::from(DIGITS[bits])
        })
        .collect()
}

fn prefix_of(sobject: &str) -> Option<&'static str> {
    match sobject {
        "Account" => Some("001"),
        "Contact" => Some("003"),
        "Opportunity" => Some("006"),
        "Order" => Some("801"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_salesforce_prints() {
        for id in ["001xx0000004GxDAAU", "001R00000064wc7IAA", "003R000000DDMlTIAX", "006R0000003FPYxIAO"] {
            assert_eq!(parse(&id[..15], "").as_deref(), Some(id));
            assert_eq!(parse(id, "").as_deref(), Some(id));
        }
    }

    #[test]
    fn what_is_not_an_id_of_that_object_is_refused() {
        for (text, sobject) in [
            ("", "Account"),
            ("001xx0000004Gx", "Account"),
            ("001xx0000004GxDAAV", "Account"),
            ("001xx0000004GxD'; ", "Account"),
            ("003R000000DDMlTIAX", "Account"),
            ("001xx0000004Gxé", "Account"),
        ] {
            assert_eq!(parse(text, sobject), None, "{text} {sobject}");
        }
    }
}
