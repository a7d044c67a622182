//! How a list is kept under its key: a listpack as its bytes, a quicklist as its box.

use super::{Collection, Parts, PartsRef};
use crate::data::list::{List, ListRef};
use crate::data::listpack::{Listpack, ListpackRef};
use crate::keyspace::boxed::{Boxed, BoxedRef};
use crate::keyspace::kind::{Encoding, Type};

impl Collection for List {
    const TYPE: Type = Type::List;
    type Ref<'a> = ListRef<'a>;

    fn empty() -> List {
        List::new()
    }

    fn is_vacant(&self) -> bool {
        self.is_empty()
    }

    fn encoding(&self) -> Encoding {
        match self {
            List::Packed(_) => Encoding::Listpack,
            List::Quick(_) => Encoding::Quicklist,
        }
    }

    fn into_parts(self) -> Parts {
        match self {
            List::Packed(packed) => Parts::Packed(packed.into_body()),
            List::Quick(value) => Parts::Boxed(Boxed::Quicklist(value)),
        }
    }

    fn from_parts(_: Encoding, parts: Parts) -> List {
        match parts {
            Parts::Packed(bytes) => List::Packed(Listpack::from_body(bytes)),
            Parts::Boxed(Boxed::Quicklist(value)) => List::Quick(value),
            Parts::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }

    fn view(_: Encoding, parts: PartsRef<'_>) -> ListRef<'_> {
        match parts {
            PartsRef::Packed(bytes) => ListRef::Packed(ListpackRef::from_body(bytes)),
            PartsRef::Boxed(BoxedRef::Quicklist(value)) => ListRef::Quick(value),
            PartsRef::Boxed(_) => unreachable!("the key's type says what is in the box"),
        }
    }
}
