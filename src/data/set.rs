//! Sets.

use super::intset::{Intset, IntsetRef};
use super::listpack::{Listpack, ListpackRef};
use super::table::SetTable;
use crate::keyspace::boxed::{Boxed, BoxedRef};
use crate::keyspace::collection::{Parts, PartsRef};
use crate::keyspace::{Collection, Encoding, Type};

/// A set.
#[derive(Clone)]
pub enum Set {
    /// Only integers, in an intset.
    Ints(Intset),
    /// In a listpack.
    Packed(Listpack),
    /// In a hash table.
    Table(Box<SetTable>),
}

/// A set. Borrowed.
#[derive(Clone, Copy)]
pub enum SetRef<'a> {
    /// Only integers, in an intset.
    Ints(IntsetRef<'a>),
    /// In a listpack.
    Packed(ListpackRef<'a>),
    /// In a hash table.
    Table(&'a SetTable),
}

impl Collection for Set {
    const TYPE: Type = Type::Set;
    type Ref<'a> = SetRef<'a>;

    fn empty() -> Set {
        Set::Ints(Intset::new())
    }

    fn is_vacant(&self) -> bool {
        match self {
            Set::Ints(ints) => ints.is_empty(),
            Set::Packed(packed) => packed.is_empty(),
            Set::Table(value) => value.is_empty(),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Set::Ints(_) => Encoding::Intset,
            Set::Packed(_) => Encoding::Listpack,
            Set::Table(_) => Encoding::Hashtable,
        }
    }

    fn into_parts(self) -> Parts {
        match self {
            Set::Ints(ints) => Parts::Packed(ints.into_bytes()),
            Set::Packed(packed) => Parts::Packed(packed.into_bytes()),
            Set::Table(value) => Parts::Boxed(Boxed::SetTable(value)),
        }
    }

    fn from_parts(encoding: Encoding, parts: Parts) -> Set {
        match parts {
            Parts::Packed(bytes) if encoding == Encoding::Intset => {
                Set::Ints(Intset::from_bytes(bytes))
            }
            Parts::Packed(bytes) => Set::Packed(Listpack::from_bytes(bytes)),
            Parts::Boxed(Boxed::SetTable(value)) => Set::Table(value),
            Parts::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }

    fn view(encoding: Encoding, parts: PartsRef<'_>) -> SetRef<'_> {
        match parts {
            PartsRef::Packed(bytes) if encoding == Encoding::Intset => {
                SetRef::Ints(IntsetRef::from_bytes(bytes))
            }
            PartsRef::Packed(bytes) => SetRef::Packed(ListpackRef::from_bytes(bytes)),
            PartsRef::Boxed(BoxedRef::SetTable(value)) => SetRef::Table(value),
            PartsRef::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }
}
