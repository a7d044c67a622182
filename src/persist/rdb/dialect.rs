//! Whose file it is, which its first bytes say.
//!
//! Up to version 11, the one of Redis 7.2, there was one format. From there on Redis and Valkey
//! went their own ways, and gave the same numbers to different things:
//!
//! | written by | header | what is new |
//! |---|---|---|
//! | Redis to 7.2, Valkey 7.2 and 8 | `REDIS0011` and below | |
//! | Redis 7.4 and 8 | `REDIS0012` | hashes whose fields may expire (22 to 25); sizes of slots |
//! | Valkey 9 | `VALKEY080` | the same hashes in another form (22); imports of slots |
//!
//! Nothing is written in the newer ones. Of these a value is taken that could as well have been
//! written in an older one; the rest has no place in this server.

use super::error::RdbErrorKind;
use super::format::{HEADER_BYTES, SIGNATURE, SIGNATURE_VALKEY, ValueType, opcode};

/// So many first bytes tell a snapshot from another file.
pub const MAGIC_BYTES: usize = 5;
const MAGICS: [&[u8; MAGIC_BYTES]; 2] = [b"REDIS", b"VALKE"];

/// Whether a file that begins like this is a snapshot, of whatever version.
pub fn is_snapshot(beginning: &[u8]) -> bool {
    let magic = beginning.first_chunk();
    magic.is_some_and(|magic| MAGICS.contains(&magic))
}

/// The newest version of the common format.
pub const VERSION_COMMON_MAX: i64 = 11;
/// The version of Redis 7.4 and 8.
const VERSION_REDIS_7_4: i64 = 12;
/// The version of Valkey 9.0 and 9.1. It left room for what Redis may number.
const VERSION_VALKEY_9: i64 = 80;

/// What the numbers of types and opcodes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As all servers of up to version 11 have it.
    Common,
    /// As Redis 7.4 and 8 have it.
    Redis74,
    /// As Valkey 9 has it.
    Valkey9,
}

impl Dialect {
    /// The dialect and the version that a header tells.
    ///
    /// # Errors
    ///
    /// It is no header, or the version is not read.
    pub fn of_header(header: [u8; HEADER_BYTES]) -> Result<(Dialect, i64), RdbErrorKind> {
        let (is_valkey, digits) = match header.strip_prefix(SIGNATURE_VALKEY) {
            Some(digits) => (true, digits),
            None => match header.strip_prefix(SIGNATURE) {
                Some(digits) => (false, digits),
                None => return Err(RdbErrorKind::WrongSignature),
            },
        };
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
        let version = digits.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        let dialect = match (is_valkey, version) {
            (false, 1..=VERSION_COMMON_MAX) => Dialect::Common,
            (false, VERSION_REDIS_7_4) => Dialect::Redis74,
            (true, VERSION_VALKEY_9) => Dialect::Valkey9,
            _ => return Err(RdbErrorKind::UnsupportedVersion(version)),
        };
        Ok((dialect, version))
    }

    /// The type with this number, if it is one that the common format does not have.
    pub fn newer_type(self, id: u8) -> Option<ValueType> {
        Some(match (self, id) {
            (Dialect::Redis74, 22) => ValueType::HashTtlPreGa,
            (Dialect::Redis74, 23) => ValueType::HashListpackTtlPreGa,
            (Dialect::Redis74, 24) => ValueType::HashTtl,
            (Dialect::Redis74, 25) => ValueType::HashListpackTtl,
            (Dialect::Valkey9, 22) => ValueType::HashTtlValkey,
            _ => return None,
        })
    }

    /// Whether this opcode is known that the common format does not have.
    pub fn has_opcode(self, opcode: u8) -> bool {
        match opcode {
            opcode::SLOT_INFO => self != Dialect::Common,
            opcode::SLOT_IMPORT => self == Dialect::Valkey9,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_the_dialect() {
        for (header, expected) in [
            (b"REDIS0001", Ok((Dialect::Common, 1))),
            (b"REDIS0011", Ok((Dialect::Common, 11))),
            (b"REDIS0012", Ok((Dialect::Redis74, 12))),
            (b"VALKEY080", Ok((Dialect::Valkey9, 80))),
            (b"REDIS0000", Err(RdbErrorKind::UnsupportedVersion(0))),
            (b"REDIS0013", Err(RdbErrorKind::UnsupportedVersion(13))),
            (b"REDIS0080", Err(RdbErrorKind::UnsupportedVersion(80))),
            (b"VALKEY011", Err(RdbErrorKind::UnsupportedVersion(11))),
            (b"VALKEY081", Err(RdbErrorKind::UnsupportedVersion(81))),
            (b"VALKEX080", Err(RdbErrorKind::WrongSignature)),
        ] {
            assert_eq!(Dialect::of_header(*header), expected, "{header:?}");
        }
    }

    #[test]
    fn newer_numbers_mean_something_in_their_dialect_alone() {
        for id in 0..=255 {
            assert_eq!(Dialect::Common.newer_type(id), None);
            assert!(!Dialect::Common.has_opcode(id));
            for dialect in [Dialect::Redis74, Dialect::Valkey9] {
                if let Some(newer) = dialect.newer_type(id) {
                    assert_eq!(newer.id(), id);
                    assert_eq!(ValueType::from_id(id), None);
                }
            }
        }
    }
}
