//! How a hash is kept under its key: a listpack as its bytes, a table as its box.

use super::{Collection, Parts, PartsRef};
use crate::data::hash::{Hash, HashRef};
use crate::data::listpack::{Listpack, ListpackRef};
use crate::keyspace::boxed::{Boxed, BoxedRef};
use crate::keyspace::kind::{Encoding, Type};

impl Collection for Hash {
    const TYPE: Type = Type::Hash;
    type Ref<'a> = HashRef<'a>;

    fn empty() -> Hash {
        Hash::new()
    }

    fn is_vacant(&self) -> bool {
        self.is_empty()
    }

    fn encoding(&self) -> Encoding {
        match self {
            Hash::Packed(_) => Encoding::Listpack,
            Hash::Table(_) => Encoding::Hashtable,
        }
    }

    fn into_parts(self) -> Parts {
        match self {
            Hash::Packed(packed) => Parts::Packed(packed.into_body()),
            Hash::Table(value) => Parts::Boxed(Boxed::HashTable(value)),
        }
    }

    fn from_parts(_: Encoding, parts: Parts) -> Hash {
        match parts {
            Parts::Packed(bytes) => Hash::Packed(Listpack::from_body(bytes)),
            Parts::Boxed(Boxed::HashTable(value)) => Hash::Table(value),
            Parts::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }

    fn view(_: Encoding, parts: PartsRef<'_>) -> HashRef<'_> {
        match parts {
            PartsRef::Packed(bytes) => HashRef::Packed(ListpackRef::from_body(bytes)),
            PartsRef::Boxed(BoxedRef::HashTable(value)) => HashRef::Table(value),
            PartsRef::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }
}
