//! How a set is kept under its key: an intset or listpack as its bytes, a table as its box.

use super::{Collection, Parts, PartsRef};
use crate::data::intset::{Intset, IntsetRef};
use crate::data::listpack::{Listpack, ListpackRef};
use crate::data::set::{Set, SetRef};
use crate::keyspace::boxed::{Boxed, BoxedRef};
use crate::keyspace::kind::{Encoding, Type};

impl Collection for Set {
    const TYPE: Type = Type::Set;
    type Ref<'a> = SetRef<'a>;

    fn empty() -> Set {
        Set::new()
    }

    fn is_vacant(&self) -> bool {
        self.is_empty()
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
            Set::Packed(packed) => Parts::Packed(packed.into_body()),
            Set::Table(value) => Parts::Boxed(Boxed::SetTable(value)),
        }
    }

    fn from_parts(encoding: Encoding, parts: Parts) -> Set {
        match parts {
            Parts::Packed(bytes) if encoding == Encoding::Intset => {
                Set::Ints(Intset::from_bytes(bytes))
            }
            Parts::Packed(bytes) => Set::Packed(Listpack::from_body(bytes)),
            Parts::Boxed(Boxed::SetTable(value)) => Set::Table(value),
            Parts::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }

    fn view(encoding: Encoding, parts: PartsRef<'_>) -> SetRef<'_> {
        match parts {
            PartsRef::Packed(bytes) if encoding == Encoding::Intset => {
                SetRef::Ints(IntsetRef::from_bytes(bytes))
            }
            PartsRef::Packed(bytes) => SetRef::Packed(ListpackRef::from_body(bytes)),
            PartsRef::Boxed(BoxedRef::SetTable(value)) => SetRef::Table(value),
            PartsRef::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }
}
