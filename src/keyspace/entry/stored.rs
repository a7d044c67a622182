//! A value in the shape that entries store it in.

use std::mem;

use super::header::{Form, Header, TEXT_LEN_MAX};
use crate::keyspace::boxed::Boxed;
use crate::keyspace::collection::{Object, Parts};
use crate::keyspace::kind::{Encoding, Type};
use crate::keyspace::value::{EMBSTR_LEN_MAX, NewValue};

/// The longest string that is embedded in its entry. Up to about a page, copying a string costs
/// less than the allocation and the cache miss that a place of its own would; beyond, moving a
/// command's argument into place saves the copy.
pub const EMBEDDED_LEN_MAX: usize = 4000;

/// The longest packed collection that is embedded in its entry. Each change of one copies it twice;
/// longer ones have a vector of their own, where changes happen in place.
pub const PACKED_EMBEDDED_LEN_MAX: usize = 512;

const _: () = assert!(EMBEDDED_LEN_MAX <= TEXT_LEN_MAX);
const _: () = assert!(PACKED_EMBEDDED_LEN_MAX <= TEXT_LEN_MAX);

/// A value to be written into an entry.
pub(super) enum Stored<'a> {
    Int(i64),
    Text(&'a [u8]),
    Apart(Vec<u8>),
    Boxed(Boxed),
}

impl<'a> Stored<'a> {
    /// Chooses type, encoding and form for a new value. A vector that is long enough is taken out
    /// of it, and so is a box.
    #[inline]
    pub(super) fn choose(value: &'a mut NewValue<'_>) -> (Kind, Stored<'a>) {
        let (bytes, always_raw) = match value {
            NewValue::Int(int) => return (Kind::string(Encoding::Int), Stored::Int(*int)),
            NewValue::Owned(bytes) if bytes.len() > EMBEDDED_LEN_MAX => {
                return (Kind::string(Encoding::Raw), Stored::Apart(mem::take(bytes)));
            }
            NewValue::Bytes(bytes) => (*bytes, false),
            NewValue::RawBytes(bytes) => (*bytes, true),
            NewValue::Owned(bytes) => (bytes.as_slice(), false),
            NewValue::Object(object) => return Stored::choose_for_object(object),
            NewValue::Packed {
                type_,
                encoding,
                bytes,
            } => {
                let kind = Kind {
                    type_: *type_,
                    encoding: *encoding,
                };
                let stored = match bytes.len() {
                    ..=PACKED_EMBEDDED_LEN_MAX => Stored::Text(bytes),
                    _ => Stored::Apart(bytes.to_vec()),
                };
                return (kind, stored);
            }
        };
        let short = bytes.len() <= EMBSTR_LEN_MAX && !always_raw;
        let encoding = if short {
            Encoding::Embstr
        } else {
            Encoding::Raw
        };
        let kind = Kind::string(encoding);
        if bytes.len() <= EMBEDDED_LEN_MAX {
            (kind, Stored::Text(bytes))
        } else {
            (kind, Stored::Apart(bytes.to_vec()))
        }
    }

    #[inline]
    fn choose_for_object(object: &'a mut Object) -> (Kind, Stored<'a>) {
        let kind = Kind {
            type_: object.type_,
            encoding: object.encoding,
        };
        let stored = match object.parts {
            Parts::Packed(ref mut bytes) if bytes.len() > PACKED_EMBEDDED_LEN_MAX => {
                Stored::Apart(mem::take(bytes))
            }
            Parts::Packed(ref bytes) => Stored::Text(bytes),
            // The empty vector left behind is dropped with the object.
            Parts::Boxed(_) => match mem::replace(&mut object.parts, Parts::Packed(Vec::new())) {
                Parts::Boxed(value) => Stored::Boxed(value),
                Parts::Packed(_) => unreachable!("this arm is for boxes"),
            },
        };
        (kind, stored)
    }

    /// The header of an entry that gets this value and an expiry or none. What a word means follows
    /// from the type, so there the type must be the value's own.
    #[inline]
    pub(super) fn header(&self, before: Header, kind: Kind, expires: bool) -> Header {
        let (form, text_len) = match self {
            Stored::Int(_) => {
                assert!(kind.type_ == Type::String, "integers are strings");
                (Form::Word, 0)
            }
            Stored::Boxed(value) => {
                assert!(kind.type_ == value.type_(), "each type has its own box");
                (Form::Word, 0)
            }
            Stored::Text(text) => (Form::Text, text.len()),
            Stored::Apart(_) => (Form::Apart, 0),
        };
        let before = before.with_type(kind.type_);
        before.with_value(kind.encoding, form, text_len, expires)
    }
}

/// Type and encoding of a value.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) type_: Type,
    pub(super) encoding: Encoding,
}

impl Kind {
    pub(super) fn string(encoding: Encoding) -> Kind {
        Kind {
            type_: Type::String,
            encoding,
        }
    }
}
