//! The bytes of the format by name: header, opcodes, value types, length and string encodings.
//!
//! Everything here is a fact of the format, versions 1 to 11 and what came after these
//! ([`super::dialect`]), and nothing here reads or writes.

/// First bytes of a file; four digits of version follow.
pub const SIGNATURE: &[u8; 5] = b"REDIS";
/// First bytes of a file of Valkey from 9.0 on; three digits of version follow.
pub const SIGNATURE_VALKEY: &[u8; 6] = b"VALKEY";
/// Length of signature and version together.
pub const HEADER_BYTES: usize = 9;
/// From this version on a checksum follows the end mark.
pub const VERSION_WITH_CHECKSUM: i64 = 5;

/// The versions that are written: 11 for Redis 7.2, 10 for 7.0, 9 for 5 and 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// Readable from Redis 5.0 on.
    V9 = 9,
    /// Readable from Redis 7.0 on.
    V10 = 10,
    /// Readable from Redis 7.2 on.
    #[default]
    V11 = 11,
}

impl Version {
    /// The version of this number, or the nearest that is written.
    pub fn from_number(number: u32) -> Version {
        match number {
            ..=9 => Version::V9,
            10 => Version::V10,
            _ => Version::V11,
        }
    }
}

/// Bytes that stand where a value type could stand, and are none.
pub mod opcode {
    /// Slots that a node of a cluster of Valkey 9 is importing.
    pub const SLOT_IMPORT: u8 = 243;
    /// How many keys, and keys with expiry, a slot has, as nodes of clusters write it.
    pub const SLOT_INFO: u8 = 244;
    /// A function library: its code.
    pub const FUNCTION2: u8 = 245;
    /// A function library as release candidates of 7.0 wrote it; not readable.
    pub const FUNCTION_PRE_GA: u8 = 246;
    /// Data of a module that belongs to no key.
    pub const MODULE_AUX: u8 = 247;
    /// Seconds since the next key was last used.
    pub const IDLE: u8 = 248;
    /// Access frequency of the next key.
    pub const FREQ: u8 = 249;
    /// A name and a value that tell of the file.
    pub const AUX: u8 = 250;
    /// How many keys, and keys with expiry, the database has.
    pub const RESIZEDB: u8 = 251;
    /// Expiry of the next key in milliseconds.
    pub const EXPIRETIME_MS: u8 = 252;
    /// Expiry of the next key in seconds, as old versions wrote it.
    pub const EXPIRETIME: u8 = 253;
    /// The database of the keys that follow.
    pub const SELECTDB: u8 = 254;
    /// The end; the checksum follows.
    pub const EOF: u8 = 255;
}

/// First bytes of an encoded length.
///
/// ```text
/// 00xxxxxx            6 bits
/// 01xxxxxx +1 byte    14 bits, high bits first
/// 10000000 +4 bytes   32 bits, big endian
/// 10000001 +8 bytes   64 bits, big endian
/// 11eeeeee            no length: a string encoding
/// ```
pub mod length {
    /// Mask of the two bits that tell the forms apart.
    pub const FORM_MASK: u8 = 0b1100_0000;
    /// Form of a length below 64.
    pub const FORM_6_BITS: u8 = 0b0000_0000;
    /// Form of a length below 16384.
    pub const FORM_14_BITS: u8 = 0b0100_0000;
    /// Form of a special string encoding.
    pub const FORM_ENCODED: u8 = 0b1100_0000;
    /// Whole first byte of a 32-bit length.
    pub const LONG_32_BITS: u8 = 0x80;
    /// Whole first byte of a 64-bit length.
    pub const LONG_64_BITS: u8 = 0x81;
}

/// Low six bits of the first byte of a specially encoded string.
pub mod string_encoding {
    /// A one-byte integer follows.
    pub const INT8: u8 = 0;
    /// A two-byte little-endian integer follows.
    pub const INT16: u8 = 1;
    /// A four-byte little-endian integer follows.
    pub const INT32: u8 = 2;
    /// Compressed length, length, and that many LZF bytes follow.
    pub const LZF: u8 = 3;
}

/// What a node of a list is, as a length in front of it.
pub mod container {
    /// One large element.
    pub const PLAIN: u64 = 1;
    /// A listpack of elements.
    pub const LISTPACK: u64 = 2;
}

/// What a module's data consists of: an opcode as a length, then the thing itself.
pub mod module_opcode {
    /// Nothing more.
    pub const EOF: u64 = 0;
    /// A signed integer, as a length.
    pub const SINT: u64 = 1;
    /// An unsigned integer, as a length.
    pub const UINT: u64 = 2;
    /// Four bytes.
    pub const FLOAT: u64 = 3;
    /// Eight bytes.
    pub const DOUBLE: u64 = 4;
    /// A string.
    pub const STRING: u64 = 5;
}

/// How a value is written. Several of these load into the same type of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum ValueType {
    String = 0,
    List = 1,
    Set = 2,
    Zset = 3,
    Hash = 4,
    /// Scores as eight bytes instead of text.
    Zset2 = 5,
    ModulePreGa = 6,
    Module2 = 7,
    HashZipmap = 9,
    ListZiplist = 10,
    SetIntset = 11,
    ZsetZiplist = 12,
    HashZiplist = 13,
    ListQuicklist = 14,
    Stream = 15,
    HashListpack = 16,
    ZsetListpack = 17,
    /// Nodes are listpacks, or one large element.
    ListQuicklist2 = 18,
    /// With first entry, largest deleted entry and counters.
    Stream2 = 19,
    SetListpack = 20,
    /// With the time at which each consumer was last active.
    Stream3 = 21,
    /// Each field with when it expires; by release candidates of Redis 7.4.
    HashTtlPreGa = 22,
    HashListpackTtlPreGa = 23,
    /// Each field with when it expires, counted from when the first one does; by Redis 7.4.
    HashTtl = 24,
    /// Fields, values, and when they expire, and before these when the first one does.
    HashListpackTtl = 25,
    /// Each field with when it expires; by Valkey 9, which gave it a number that was taken.
    HashTtlValkey = OTHER_MEANING | 22,
}

/// Marks the second meaning of a number in the values of [`ValueType`].
const OTHER_MEANING: u8 = 0x80;

impl ValueType {
    /// Every type, in the order of its number.
    pub const ALL: [ValueType; 26] = {
        use ValueType::*;
        [
            String,
            List,
            Set,
            Zset,
            Hash,
            Zset2,
            ModulePreGa,
            Module2,
            HashZipmap,
            ListZiplist,
            SetIntset,
            ZsetZiplist,
            HashZiplist,
            ListQuicklist,
            Stream,
            HashListpack,
            ZsetListpack,
            ListQuicklist2,
            Stream2,
            SetListpack,
            Stream3,
            HashTtlPreGa,
            HashListpackTtlPreGa,
            HashTtl,
            HashListpackTtl,
            HashTtlValkey,
        ]
    };

    /// The type with this number in the format that all servers share.
    pub fn from_id(id: u8) -> Option<ValueType> {
        // The number 8 was never given out.
        let index = match id {
            0..=7 => id,
            9..=21 => id - 1,
            _ => return None,
        };
        Some(Self::ALL[usize::from(index)])
    }

    /// The number that stands in the file.
    pub fn id(self) -> u8 {
        self as u8 & !OTHER_MEANING
    }

    /// What `redis-check-rdb` calls it.
    pub fn name(self) -> &'static str {
        use ValueType::*;
        match self {
            String => "string",
            List => "list-linked",
            Set => "set-hashtable",
            Zset => "zset-v1",
            Hash => "hash-hashtable",
            Zset2 => "zset-v2",
            ModulePreGa => "module-pre-release",
            Module2 => "module-value",
            HashZipmap => "hash-zipmap",
            ListZiplist => "list-ziplist",
            SetIntset => "set-intset",
            ZsetZiplist => "zset-ziplist",
            HashZiplist => "hash-ziplist",
            ListQuicklist => "quicklist",
            Stream => "stream",
            HashListpack => "hash-listpack",
            ZsetListpack => "zset-listpack",
            ListQuicklist2 => "quicklist-v2",
            Stream2 => "stream-v2",
            SetListpack => "set-listpack",
            Stream3 => "stream-v3",
            HashTtlPreGa => "hash-with-ttl-pre-release",
            HashListpackTtlPreGa => "hash-listpack-with-ttl-pre-release",
            HashTtl | HashTtlValkey => "hash-with-ttl",
            HashListpackTtl => "hash-listpack-with-ttl",
        }
    }
}

/// Name of a module's data type: nine characters of a 64-letter alphabet in 54 bits, above ten
/// bits of encoding version.
pub fn module_type_name(id: u64) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9)
        .rev()
        .map(|place| char::from(ALPHABET[(id >> (10 + 6 * place)) as usize & 63]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_numbers_lead_back_to_their_types() {
        for id in 0..=255 {
            match ValueType::from_id(id) {
                Some(value_type) => assert_eq!(value_type.id(), id),
                None => assert!(id == 8 || id > 21),
            }
        }
    }

    #[test]
    fn module_names_are_read_from_the_high_bits() {
        assert_eq!(module_type_name(0), "AAAAAAAAA");
        assert_eq!(module_type_name(u64::MAX), "_________");
        assert_eq!(module_type_name(1 << 10 | 1023), "AAAAAAAAB");
        assert_eq!(module_type_name(26 << 58), "aAAAAAAAA");
    }
}
