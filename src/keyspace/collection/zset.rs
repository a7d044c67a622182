//! How a sorted set is kept under its key: a listpack as its bytes, a tree as its box.

use super::{Collection, Parts, PartsRef};
use crate::data::listpack::{Listpack, ListpackRef};
use crate::data::zset::{ZSet, ZSetRef};
use crate::keyspace::boxed::{Boxed, BoxedRef};
use crate::keyspace::kind::{Encoding, Type};

impl Collection for ZSet {
    const TYPE: Type = Type::ZSet;
    type Ref<'a> = ZSetRef<'a>;

    fn empty() -> ZSet {
        ZSet::new()
    }

    fn is_vacant(&self) -> bool {
        self.is_empty()
    }

    fn encoding(&self) -> Encoding {
        match self {
            ZSet::Packed(_) => Encoding::Listpack,
            ZSet::Tree(_) => Encoding::Skiplist,
        }
    }

    fn into_parts(self) -> Parts {
        match self {
            ZSet::Packed(packed) => Parts::Packed(packed.into_body()),
            ZSet::Tree(value) => Parts::Boxed(Boxed::SortedSet(value)),
        }
    }

    fn from_parts(_: Encoding, parts: Parts) -> ZSet {
        match parts {
            Parts::Packed(bytes) => ZSet::Packed(Listpack::from_body(bytes)),
            Parts::Boxed(Boxed::SortedSet(value)) => ZSet::Tree(value),
            Parts::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }

    fn view(_: Encoding, parts: PartsRef<'_>) -> ZSetRef<'_> {
        match parts {
            PartsRef::Packed(bytes) => ZSetRef::Packed(ListpackRef::from_body(bytes)),
            PartsRef::Boxed(BoxedRef::SortedSet(value)) => ZSetRef::Tree(value),
            PartsRef::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }
}
