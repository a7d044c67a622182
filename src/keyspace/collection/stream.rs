//! How a stream is kept under its key: always in a box.

use super::{Collection, Parts, PartsRef};
use crate::data::stream::Stream;
use crate::keyspace::boxed::{Boxed, BoxedRef};
use crate::keyspace::kind::{Encoding, Type};

impl Collection for Box<Stream> {
    const TYPE: Type = Type::Stream;
    type Ref<'a> = &'a Stream;

    fn empty() -> Box<Stream> {
        Box::new(Stream::new())
    }

    fn is_vacant(&self) -> bool {
        false
    }

    fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    fn into_parts(self) -> Parts {
        Parts::Boxed(Boxed::Stream(self))
    }

    fn from_parts(_: Encoding, parts: Parts) -> Box<Stream> {
        match parts {
            Parts::Boxed(Boxed::Stream(value)) => value,
            _ => unreachable!("streams are always in a box, and it is theirs"),
        }
    }

    fn view(_: Encoding, parts: PartsRef<'_>) -> &Stream {
        match parts {
            PartsRef::Boxed(BoxedRef::Stream(value)) => value,
            _ => unreachable!("streams are always in a box, and it is theirs"),
        }
    }
}
