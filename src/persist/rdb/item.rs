//! What a snapshot says, one thing at a time.
//!
//! Items borrow from the bytes they were decoded from: whoever wants to keep one copies it.

use crate::keyspace::{Encoding, Object, Type};

/// One thing that a snapshot says.
#[derive(Debug)]
pub enum Item<'a> {
    /// A field that tells of the file.
    Aux {
        /// Its name.
        name: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// The keys that follow belong to this database.
    SelectDb(u64),
    /// How large the database is going to be. A hint: it may lie.
    ResizeDb {
        /// Keys in all.
        keys: u64,
        /// Keys with an expiry.
        expires: u64,
    },
    /// The code of a function library.
    Function(&'a [u8]),
    /// Data of a module that belongs to no key; only met when checking, or skipping.
    ModuleAux {
        /// The module type's name.
        module: String,
    },
    /// Which slots a node of a cluster was importing; only met when skipping.
    SlotImport,
    /// A key.
    Key(KeyItem<'a>),
    /// The end. Bytes after it belong to somebody else.
    End(ChecksumVerdict),
}

/// A key, its value, and what is known of it.
#[derive(Debug)]
pub struct KeyItem<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: Value<'a>,
    /// Expiry and use.
    pub attributes: KeyAttributes,
}

/// A value.
#[derive(Debug)]
pub enum Value<'a> {
    /// A string that was written as an integer.
    Int(i64),
    /// Any other string.
    Bytes(&'a [u8]),
    /// A collection.
    Object(Object),
    /// A collection in one piece that is sound as it is.
    Packed {
        /// Its type.
        type_: Type,
        /// What the bytes are.
        encoding: Encoding,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A collection without members, which is not worth a key. Old versions wrote them.
    Empty,
    /// What a module wrote; only met when checking, or skipping.
    Module,
    /// A hash with fields that expire; only met when skipping.
    ExpiringHash,
}

/// What the opcodes before a key say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyAttributes {
    /// When it expires, in milliseconds since the epoch.
    pub expire_at_ms: Option<i64>,
    /// How long it had not been used, in seconds.
    pub idle_s: Option<u64>,
    /// Its logarithmic access counter.
    pub frequency: Option<u8>,
}

/// What became of the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumVerdict {
    /// Versions before 5 have none.
    Absent,
    /// The writer was told to leave it out.
    Disabled,
    /// We were told not to look.
    NotVerified,
    /// It is right.
    Correct,
}
