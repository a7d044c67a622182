//! The eight bytes that every entry begins with, and the layout that follows from them.
//!
//! ```text
//! bit  0      4      7        8         32            48             62
//!      enc:4  type:3 expire:1 access:24 key length:16 text length:14 form:2
//! ```
//!
//! What follows the header, each part only where the header calls for it:
//!
//! | part | bytes | when |
//! |---|---|---|
//! | key length | 8 | the field above is all ones |
//! | expiry | 8 | `expire` |
//! | value | 8 × form | form 1: an integer or a pointer; form 3: a vector |
//! | key | key length | always |
//! | text | text length | form 0; the field is zero for the others |
//!
//! The parts of fixed size come first, so they are aligned; so is the vector. The form is its own
//! size in words, so offsets are sums without branches.

use crate::keyspace::access::ACCESS_BITS;
use crate::keyspace::kind::{Encoding, Type};

const WORD: usize = 8;

const TYPE_SHIFT: u32 = 4;
const EXPIRE_SHIFT: u32 = 7;
const ACCESS_SHIFT: u32 = 8;
const KEY_SHIFT: u32 = 32;
const TEXT_SHIFT: u32 = 48;
const FORM_SHIFT: u32 = 62;

const ENCODING_FIELD: u64 = 15;
const TYPE_FIELD: u64 = 7 << TYPE_SHIFT;
const EXPIRE_FIELD: u64 = 1 << EXPIRE_SHIFT;
const ACCESS_FIELD: u64 = ((1 << ACCESS_BITS) - 1) << ACCESS_SHIFT;
const TEXT_FIELD: u64 = (TEXT_LEN_MAX as u64) << TEXT_SHIFT;
const FORM_FIELD: u64 = 3 << FORM_SHIFT;
const KEY_LEN_LONG: u16 = u16::MAX;

/// The longest text that fits the header's field.
pub(super) const TEXT_LEN_MAX: usize = (1 << (FORM_SHIFT - TEXT_SHIFT)) - 1;

/// How a value lies in its entry. The discriminant counts the words in front of the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Form {
    /// As text behind the key.
    Text = 0,
    /// As one word: an integer, or a pointer to a collection.
    Word = 1,
    /// As a vector that holds its bytes elsewhere.
    Apart = 3,
}

const _: () = assert!(size_of::<Vec<u8>>() == Form::Apart as usize * WORD);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header(pub(super) u64);

impl Header {
    /// A header for a key of this length, still without a value: an empty text.
    #[inline]
    pub(super) fn new(type_: Type, key_len: usize, access: u32) -> Header {
        let key_field = key_len.min(usize::from(KEY_LEN_LONG)) as u64;
        Header((type_ as u64) << TYPE_SHIFT | key_field << KEY_SHIFT).with_access(access)
    }

    /// The header after a change of value and expiry.
    #[inline]
    pub(super) fn with_value(
        self,
        encoding: Encoding,
        form: Form,
        text_len: usize,
        expires: bool,
    ) -> Header {
        debug_assert!(form == Form::Text || text_len == 0);
        assert!(text_len <= TEXT_LEN_MAX);
        let kept = self.0 & !(ENCODING_FIELD | EXPIRE_FIELD | TEXT_FIELD | FORM_FIELD);
        let value = encoding as u64
            | (text_len as u64) << TEXT_SHIFT
            | (form as u64) << FORM_SHIFT
            | u64::from(expires) << EXPIRE_SHIFT;
        Header(kept | value)
    }

    /// The header of the same value under a key of another length.
    pub(super) fn with_key_len(self, key_len: usize) -> Header {
        let other = Header::new(self.type_(), key_len, self.access());
        other.with_value(
            self.encoding(),
            self.form(),
            self.text_len(),
            self.expires(),
        )
    }

    /// The header with another type, whose value is to be set next.
    #[inline]
    pub(super) fn with_type(self, type_: Type) -> Header {
        Header(self.0 & !TYPE_FIELD | (type_ as u64) << TYPE_SHIFT)
    }

    #[inline]
    pub(super) fn type_(self) -> Type {
        Type::from_bits((self.0 >> TYPE_SHIFT) as u8 & 7)
    }

    #[inline]
    pub(super) fn encoding(self) -> Encoding {
        Encoding::from_bits((self.0 & ENCODING_FIELD) as u8)
    }

    /// Whether the value is a word that is an integer. The encoding alone does not say so: it is
    /// whatever a collection was given with.
    #[inline]
    pub(super) fn is_int(self) -> bool {
        const INT: u64 = (Type::String as u64) << TYPE_SHIFT | (Form::Word as u64) << FORM_SHIFT;
        self.0 & (TYPE_FIELD | FORM_FIELD) == INT
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
        match self.0 >> FORM_SHIFT {
            0 => Form::Text,
            1 => Form::Word,
            _ => Form::Apart,
        }
    }

    #[inline]
    pub(super) fn text_len(self) -> usize {
        ((self.0 & TEXT_FIELD) >> TEXT_SHIFT) as usize
    }

    #[inline]
    fn key_field(self) -> u16 {
        (self.0 >> KEY_SHIFT) as u16
    }

    /// The key's length, unless it has a word of its own.
    #[inline]
    pub(super) fn short_key_len(self) -> Option<usize> {
        let field = self.key_field();
        (field != KEY_LEN_LONG).then_some(usize::from(field))
    }

    /// Where the expiry is, or would be.
    #[inline]
    pub(super) fn expire_offset(self) -> usize {
        WORD + WORD * usize::from(self.key_field() == KEY_LEN_LONG)
    }

    /// Where the fixed part of the value is, or would be.
    #[inline]
    pub(super) fn value_offset(self) -> usize {
        self.expire_offset() + WORD * usize::from(self.expires())
    }

    #[inline]
    pub(super) fn key_offset(self) -> usize {
        self.value_offset() + WORD * (self.0 >> FORM_SHIFT) as usize
    }

    /// Bytes in use, for a key of this length.
    #[inline]
    pub(super) fn used(self, key_len: usize) -> usize {
        self.key_offset() + key_len + self.text_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(form: Form, text_len: usize, key_len: usize, expires: bool) -> Header {
        let encoding = match form {
            Form::Text => Encoding::Embstr,
            Form::Word => Encoding::Int,
            Form::Apart => Encoding::Raw,
        };
        Header::new(Type::String, key_len, 0).with_value(encoding, form, text_len, expires)
    }

    #[test]
    fn every_field_keeps_to_itself() {
        let full = Header::new(Type::Stream, 65_534, u32::MAX);
        let full = full.with_value(Encoding::Stream, Form::Text, TEXT_LEN_MAX, true);
        assert_eq!(full.type_(), Type::Stream);
        assert_eq!(full.encoding(), Encoding::Stream);
        assert_eq!((full.form(), full.text_len()), (Form::Text, TEXT_LEN_MAX));
        assert_eq!(full.short_key_len(), Some(65_534));
        assert_eq!(full.access(), (1 << ACCESS_BITS) - 1);
        assert!(full.expires());
        let bare = full.with_access(0).with_expires(false);
        assert_eq!((bare.access(), bare.expires()), (0, false));
        assert_eq!(bare.short_key_len(), Some(65_534));
        assert_eq!((bare.form(), bare.text_len()), (Form::Text, TEXT_LEN_MAX));
        assert_eq!(bare.with_expires(true).with_access(u32::MAX), full);
        for form in [Form::Word, Form::Apart] {
            let encoding = if form == Form::Word {
                Encoding::Int
            } else {
                Encoding::Raw
            };
            let other = full.with_value(encoding, form, 0, false);
            assert_eq!((other.form(), other.encoding()), (form, encoding));
            assert_eq!((other.text_len(), other.expires()), (0, false));
            assert_eq!(other.type_(), Type::Stream);
        }
    }

    #[test]
    fn sizes_are_what_the_targets_count_on() {
        assert_eq!(header(Form::Text, 32, 16, false).used(16), 56);
        assert_eq!(header(Form::Text, 32, 16, true).used(16), 64);
        assert_eq!(header(Form::Word, 0, 16, false).used(16), 32);
        assert_eq!(header(Form::Apart, 0, 16, false).used(16), 48);
    }

    #[test]
    fn long_keys_bring_their_length_along() {
        let header = header(Form::Word, 0, 65_535, true);
        assert_eq!(header.short_key_len(), None);
        assert_eq!(header.expire_offset(), 16);
        assert_eq!(header.value_offset(), 24);
        assert_eq!(header.key_offset(), 32);
        assert_eq!(header.used(65_535), 32 + 65_535);
        assert_eq!(header.with_key_len(3).used(3), 8 + 8 + 8 + 3);
    }
}
