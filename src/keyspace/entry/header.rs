//! The eight bytes that every entry begins with, and the layout that follows from them.
//!
//! ```text
//! bit  0      4      7        8         32            48             63
//!      enc:4  type:3 expire:1 access:24 key length:16 text length:15 apart:1
//! ```
//!
//! What follows the header, each part only where the header calls for it:
//!
//! | part | bytes | when |
//! |---|---|---|
//! | key length | 8 | the field above is all ones |
//! | expiry | 8 | `expire` |
//! | value | 8, or 24 | encoding `int`: the integer; `apart`: the vector |
//! | key | key length | always |
//! | text | text length | a string that is neither `int` nor `apart` |
//!
//! The parts of fixed size come first, so they are aligned; so is the vector.

use crate::keyspace::access::ACCESS_BITS;
use crate::keyspace::size_class::size_class;
use crate::keyspace::value::{Encoding, Type};

const WORD: usize = 8;
const APART: usize = size_of::<Vec<u8>>();

const TYPE_SHIFT: u32 = 4;
const EXPIRE_SHIFT: u32 = 7;
const ACCESS_SHIFT: u32 = 8;
const KEY_SHIFT: u32 = 32;
const TEXT_SHIFT: u32 = 48;
const APART_SHIFT: u32 = 63;

const ACCESS_FIELD: u64 = ((1 << ACCESS_BITS) - 1) << ACCESS_SHIFT;
const EXPIRE_FIELD: u64 = 1 << EXPIRE_SHIFT;
const KEY_LEN_LONG: u16 = u16::MAX;

/// The longest text that fits the header's field.
pub(super) const TEXT_LEN_MAX: usize = (1 << (APART_SHIFT - TEXT_SHIFT)) - 1;

/// How a value lies in its entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// As an integer.
    Int,
    /// As text of this length behind the key.
    Text(usize),
    /// As a vector that holds its bytes elsewhere.
    Apart,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header(pub(super) u64);

impl Header {
    pub(super) fn new(
        type_: Type,
        encoding: Encoding,
        form: Form,
        key_len: usize,
        expires: bool,
        access: u32,
    ) -> Header {
        debug_assert_eq!(form == Form::Int, encoding == Encoding::Int);
        let (text_len, apart) = match form {
            Form::Int => (0, 0),
            Form::Text(len) => (len, 0),
            Form::Apart => (0, 1),
        };
        assert!(text_len <= TEXT_LEN_MAX);
        let key_field = key_len.min(usize::from(KEY_LEN_LONG));
        let bits = encoding as u64
            | (type_ as u64) << TYPE_SHIFT
            | u64::from(expires) << EXPIRE_SHIFT
            | (key_field as u64) << KEY_SHIFT
            | (text_len as u64) << TEXT_SHIFT
            | apart << APART_SHIFT;
        Header(bits).with_access(access)
    }

    #[inline]
    pub(super) fn type_(self) -> Type {
        Type::from_bits((self.0 >> TYPE_SHIFT) as u8 & 7)
    }

    #[inline]
    pub(super) fn encoding(self) -> Encoding {
        Encoding::from_bits(self.0 as u8 & 15)
    }

    #[inline]
    pub(super) fn expires(self) -> bool {
        self.0 & EXPIRE_FIELD != 0
    }

    pub(super) fn with_expires(self, expires: bool) -> Header {
        Header(self.0 & !EXPIRE_FIELD | u64::from(expires) << EXPIRE_SHIFT)
    }

    #[inline]
    pub(super) fn access(self) -> u32 {
        ((self.0 & ACCESS_FIELD) >> ACCESS_SHIFT) as u32
    }

    #[inline]
    pub(super) fn with_access(self, access: u32) -> Header {
        let field = (u64::from(access) << ACCESS_SHIFT) & ACCESS_FIELD;
        Header(self.0 & !ACCESS_FIELD | field)
    }

    #[inline]
    pub(super) fn form(self) -> Form {
        if self.0 >> APART_SHIFT == 1 {
            Form::Apart
        } else if self.0 as u8 & 15 == Encoding::Int as u8 {
            Form::Int
        } else {
            Form::Text((self.0 >> TEXT_SHIFT) as usize)
        }
    }

    /// The key's length, unless it has a word of its own.
    #[inline]
    pub(super) fn short_key_len(self) -> Option<usize> {
        let field = (self.0 >> KEY_SHIFT) as u16;
        (field != KEY_LEN_LONG).then_some(usize::from(field))
    }

    /// Where the expiry is, or would be.
    #[inline]
    pub(super) fn expire_offset(self) -> usize {
        match self.short_key_len() {
            Some(_) => WORD,
            None => 2 * WORD,
        }
    }

    /// Where the fixed part of the value is, or would be.
    #[inline]
    pub(super) fn value_offset(self) -> usize {
        self.expire_offset() + usize::from(self.expires()) * WORD
    }

    #[inline]
    pub(super) fn key_offset(self) -> usize {
        let fixed = match self.form() {
            Form::Int => WORD,
            Form::Text(_) => 0,
            Form::Apart => APART,
        };
        self.value_offset() + fixed
    }

    /// Bytes in use, for a key of this length.
    #[inline]
    pub(super) fn used(self, key_len: usize) -> usize {
        let text = match self.form() {
            Form::Text(len) => len,
            Form::Int | Form::Apart => 0,
        };
        self.key_offset() + key_len + text
    }

    /// Bytes to allocate, for a key of this length.
    #[inline]
    pub(super) fn size(self, key_len: usize) -> usize {
        size_class(self.used(key_len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(form: Form, key_len: usize, expires: bool) -> Header {
        let encoding = match form {
            Form::Int => Encoding::Int,
            Form::Text(_) => Encoding::Embstr,
            Form::Apart => Encoding::Raw,
        };
        Header::new(Type::String, encoding, form, key_len, expires, 0)
    }

    #[test]
    fn every_field_keeps_to_itself() {
        let full = Header::new(
            Type::Stream,
            Encoding::Stream,
            Form::Text(TEXT_LEN_MAX),
            65_534,
            true,
            u32::MAX,
        );
        assert_eq!(full.type_(), Type::Stream);
        assert_eq!(full.encoding(), Encoding::Stream);
        assert_eq!(full.form(), Form::Text(TEXT_LEN_MAX));
        assert_eq!(full.short_key_len(), Some(65_534));
        assert_eq!(full.access(), (1 << ACCESS_BITS) - 1);
        assert!(full.expires());
        let bare = full.with_access(0).with_expires(false);
        assert_eq!((bare.access(), bare.expires()), (0, false));
        assert_eq!(bare.short_key_len(), Some(65_534));
        assert_eq!(bare.form(), Form::Text(TEXT_LEN_MAX));
    }

    #[test]
    fn sizes_are_what_the_targets_count_on() {
        assert_eq!(header(Form::Text(32), 16, false).size(16), 56);
        assert_eq!(header(Form::Text(32), 16, true).size(16), 64);
        assert_eq!(header(Form::Int, 16, false).size(16), 32);
        assert_eq!(header(Form::Apart, 16, false).size(16), 48);
    }

    #[test]
    fn long_keys_bring_their_length_along() {
        let header = header(Form::Int, 65_535, true);
        assert_eq!(header.short_key_len(), None);
        assert_eq!(header.expire_offset(), 16);
        assert_eq!(header.value_offset(), 24);
        assert_eq!(header.key_offset(), 32);
        assert_eq!(header.used(65_535), 32 + 65_535);
    }
}
