//! Hashes.

use super::listpack::{Listpack, ListpackRef};
use super::table::HashTable;
use crate::keyspace::boxed::{Boxed, BoxedRef};
use crate::keyspace::collection::{Parts, PartsRef};
use crate::keyspace::{Collection, Encoding, Type};

/// A hash.
#[derive(Clone)]
pub enum Hash {
    /// In a listpack: field, value, field, value.
    Packed(Listpack),
    /// In a hash table.
    Table(Box<HashTable>),
}

/// A hash. Borrowed.
#[derive(Clone, Copy)]
pub enum HashRef<'a> {
    /// In a listpack: field, value, field, value.
    Packed(ListpackRef<'a>),
    /// In a hash table.
    Table(&'a HashTable),
}

impl Collection for Hash {
    const TYPE: Type = Type::Hash;
    type Ref<'a> = HashRef<'a>;

    fn empty() -> Hash {
        Hash::Packed(Listpack::new())
    }

    fn is_vacant(&self) -> bool {
        match self {
            Hash::Packed(packed) => packed.is_empty(),
            Hash::Table(value) => value.is_empty(),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Hash::Packed(_) => Encoding::Listpack,
            Hash::Table(_) => Encoding::Hashtable,
        }
    }

    fn into_parts(self) -> Parts {
        match self {
            Hash::Packed(packed) => Parts::Packed(packed.into_bytes()),
            Hash::Table(value) => Parts::Boxed(Boxed::HashTable(value)),
        }
    }

    fn from_parts(_: Encoding, parts: Parts) -> Hash {
        match parts {
            Parts::Packed(bytes) => Hash::Packed(Listpack::from_bytes(bytes)),
            Parts::Boxed(Boxed::HashTable(value)) => Hash::Table(value),
            Parts::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }

    fn view(_: Encoding, parts: PartsRef<'_>) -> HashRef<'_> {
        match parts {
            PartsRef::Packed(bytes) => HashRef::Packed(ListpackRef::from_bytes(bytes)),
            PartsRef::Boxed(BoxedRef::HashTable(value)) => HashRef::Table(value),
            PartsRef::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }
}
