//! Lists.

use super::listpack::{Listpack, ListpackRef};
use super::quicklist::Quicklist;
use crate::keyspace::boxed::{Boxed, BoxedRef};
use crate::keyspace::collection::{Parts, PartsRef};
use crate::keyspace::{Collection, Encoding, Type};

/// A list.
#[derive(Clone)]
pub enum List {
    /// In one listpack.
    Packed(Listpack),
    /// In a list of listpacks.
    Quick(Box<Quicklist>),
}

/// A list. Borrowed.
#[derive(Clone, Copy)]
pub enum ListRef<'a> {
    /// In one listpack.
    Packed(ListpackRef<'a>),
    /// In a list of listpacks.
    Quick(&'a Quicklist),
}

impl Collection for List {
    const TYPE: Type = Type::List;
    type Ref<'a> = ListRef<'a>;

    fn empty() -> List {
        List::Packed(Listpack::new())
    }

    fn is_vacant(&self) -> bool {
        match self {
            List::Packed(packed) => packed.is_empty(),
            List::Quick(value) => value.is_empty(),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            List::Packed(_) => Encoding::Listpack,
            List::Quick(_) => Encoding::Quicklist,
        }
    }

    fn into_parts(self) -> Parts {
        match self {
            List::Packed(packed) => Parts::Packed(packed.into_bytes()),
            List::Quick(value) => Parts::Boxed(Boxed::Quicklist(value)),
        }
    }

    fn from_parts(_: Encoding, parts: Parts) -> List {
        match parts {
            Parts::Packed(bytes) => List::Packed(Listpack::from_bytes(bytes)),
            Parts::Boxed(Boxed::Quicklist(value)) => List::Quick(value),
            Parts::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }

    fn view(_: Encoding, parts: PartsRef<'_>) -> ListRef<'_> {
        match parts {
            PartsRef::Packed(bytes) => ListRef::Packed(ListpackRef::from_bytes(bytes)),
            PartsRef::Boxed(BoxedRef::Quicklist(value)) => ListRef::Quick(value),
            PartsRef::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }
}
