//! Record ids: 15 significant characters, and 3 more that make them safe where case is lost.

/// A record id in its form of 18 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RecordId([u8; 18]);

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKSUM: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

impl RecordId {
    /// The id in `text`, if it has 15 characters, or 18 with the right checksum.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let significant: &[u8; 15] = bytes.get(..15)?.try_into().ok()?;
        if !significant.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let id = Self::with_checksum(significant);
        let as_written = bytes.len() == 15 || bytes == id.0;
        as_written.then_some(id)
    }

    /// The `number`th id of the object whose ids begin with `prefix` (3 characters).
    pub(super) fn numbered(prefix: &str, mut number: u64) -> Self {
        let mut significant = *b"000Kj0000000000";
        for (to, from) in significant.iter_mut().zip(prefix.bytes().take(3)) {
            *to = from;
        }
        for place in significant[6..].iter_mut().rev() {
            *place = DIGITS[usize::try_from(number % 62).unwrap_or_default()];
            number /= 62;
        }
        Self::with_checksum(&significant)
    }

    /// All 18 characters.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The 15 significant characters.
    pub(super) fn short(&self) -> &str {
        self.as_str().get(..15).unwrap_or_default()
    }

    /// The 3 characters that name the object.
    pub(super) fn prefix(&self) -> &str {
        self.as_str().get(..3).unwrap_or_default()
    }

    /// Each group of five characters becomes one more: bit `j` says that character `j` is upper case.
    fn with_checksum(significant: &[u8; 15]) -> Self {
        let mut id = [0; 18];
        id[..15].copy_from_slice(significant);
        for (group, characters) in significant.chunks(5).enumerate() {
            let upper = characters.iter().enumerate().filter(|(_, character)| character.is_ascii_uppercase());
            let bits = upper.fold(0, |bits, (place, _)| bits | 1 << place);
            id[15 + group] = CHECKSUM[bits];
        }
        Self(id)
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::RecordId;

    #[test]
    fn the_checksum_is_the_one_that_salesforce_prints() {
        for id in [
            "001xx0000004GxDAAU",
            "001R00000064wc7IAA",
            "003R000000DDMlTIAX",
            "006R0000003FPYxIAO",
            "001RM000003oLnnYAE",
        ] {
            let parsed = RecordId::parse(&id[..15]).map(|id| id.to_string());
            assert_eq!(parsed.as_deref(), Some(id));
            assert_eq!(RecordId::parse(id).map(|id| id.to_string()).as_deref(), Some(id));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "001", "001xx0000004GxDAAA", "001xx0000004GxDAA", "001xx0000004Gx-", "cus_123"] {
            assert_eq!(RecordId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbered_ids_differ_and_keep_their_prefix() {
        let (first, second) = (RecordId::numbered("a01", 1), RecordId::numbered("a01", 62));
        assert_eq!(first.short(), "a01Kj0000000001");
        assert_eq!(second.short(), "a01Kj0000000010");
        assert_eq!(RecordId::parse(second.as_str()), Some(second));
        assert_eq!(second.prefix(), "a01");
    }
}
