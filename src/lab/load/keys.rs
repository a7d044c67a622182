//! The keys of the load.
//!
//! A writer's numbers are in lists of a thousand each, so that no key grows without bound and none
//! is costly to read; within a list their order and what is there twice can be seen.

use crate::base::numbers::parse_u64;

/// Numbers that have a list together.
pub(super) const CHUNK: u64 = 1000;
/// What all keys of the load match.
pub(super) const PATTERN: &[u8] = b"lab:*";
/// The key that holds the time.
pub(super) const CLOCK: &[u8] = b"lab:clock";

/// The list that the number belongs to; numbers begin at 1.
pub(super) fn chunk_of(number: u64) -> u64 {
    number.saturating_sub(1) / CHUNK
}

/// The key of a list.
pub(super) fn chunk_key(writer: &str, chunk: u64) -> String {
    format!("lab:{writer}:{chunk}")
}

/// Which list of the writer has this key, if one has.
pub(super) fn chunk_of_key(writer: &str, key: &[u8]) -> Option<u64> {
    let rest = key.strip_prefix(b"lab:")?.strip_prefix(writer.as_bytes())?;
    parse_u64(rest.strip_prefix(b":")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_numbers_share_a_key_and_the_key_says_which() {
        assert_eq!([1, 1000, 1001, 2000, 2001].map(chunk_of), [0, 0, 1, 1, 2]);
        assert_eq!(chunk_key("plain", 12), "lab:plain:12");
        assert_eq!(chunk_of_key("plain", b"lab:plain:12"), Some(12));
        for other in [
            "lab:plain2:12",
            "lab:plain:x",
            "lab:plain:012",
            "lab:plain",
            "lab:clock",
        ] {
            assert_eq!(chunk_of_key("plain", other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_writer_whose_name_begins_like_another_does_not_have_its_keys() {
        assert_eq!(chunk_of_key("a", b"lab:a:b:1"), None);
        assert_eq!(chunk_of_key("a:b", b"lab:a:b:1"), Some(1));
    }
}
