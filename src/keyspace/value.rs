//! What keys hold: values in their entries and on their way there.

use std::borrow::Cow;

use super::collection::Object;
use super::kind::{Encoding, Type};
use crate::base::numbers::parse_i64;
use crate::data::hash::HashRef;
use crate::data::list::ListRef;
use crate::data::set::SetRef;
use crate::data::stream::Stream;
use crate::data::zset::ZSetRef;

/// The longest string that is called `embstr`.
pub const EMBSTR_LEN_MAX: usize = 44;

/// The longest text that can be a 64-bit integer.
const INT_LEN_MAX: usize = 20;

/// A value in its entry.
#[derive(Clone, Copy)]
pub enum ValueRef<'a> {
    /// A string.
    String(StringRef<'a>),
    /// A list.
    List(ListRef<'a>),
    /// A set.
    Set(SetRef<'a>),
    /// A sorted set.
    ZSet(ZSetRef<'a>),
    /// A hash.
    Hash(HashRef<'a>),
    /// A stream.
    Stream(&'a Stream),
}

impl ValueRef<'_> {
    /// First step of a prefetched lookup in a large collection: asks for the bucket of a member or
    /// field, and gives the hash for the second. None where that would not help.
    #[inline]
    pub fn prefetch_bucket(self, member: &[u8]) -> Option<u64> {
        match self {
            ValueRef::Hash(HashRef::Table(table)) => Some(table.prefetch_bucket(member)),
            ValueRef::Set(SetRef::Table(table)) => Some(table.prefetch_bucket(member)),
            ValueRef::ZSet(ZSetRef::Tree(set)) => Some(set.prefetch_bucket(member)),
            _ => None,
        }
    }

    /// The other steps for members whose buckets have arrived: asks for the members themselves and,
    /// where they have an order, for the way to them.
    pub fn prefetch_members<const N: usize>(self, hashes: &[Option<u64>; N]) {
        let known = || hashes.iter().flatten();
        match self {
            ValueRef::Hash(HashRef::Table(table)) => {
                known().for_each(|hash| table.prefetch_element(*hash));
            }
            ValueRef::Set(SetRef::Table(table)) => {
                known().for_each(|hash| table.prefetch_element(*hash));
            }
            ValueRef::ZSet(ZSetRef::Tree(set)) => {
                known().for_each(|hash| set.prefetch_member(*hash));
                set.prefetch_ways(hashes);
            }
            _ => {}
        }
    }
}

/// A string in its entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StringRef<'a> {
    /// A string kept as an integer.
    Int(i64),
    /// A string.
    Bytes(&'a [u8]),
}

impl<'a> StringRef<'a> {
    /// The text of a string; an integer is spelled out.
    pub fn bytes(self) -> Cow<'a, [u8]> {
        match self {
            StringRef::Int(int) => Cow::Owned(itoa::Buffer::new().format(int).as_bytes().to_vec()),
            StringRef::Bytes(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// Lends the text of a string to `use_it`, without allocating.
    #[inline]
    pub fn with_bytes<R>(self, use_it: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            StringRef::Int(int) => use_it(itoa::Buffer::new().format(int).as_bytes()),
            StringRef::Bytes(bytes) => use_it(bytes),
        }
    }

    /// The length of the text of a string.
    #[inline]
    pub fn string_len(self) -> usize {
        match self {
            StringRef::Int(int) => itoa::Buffer::new().format(int).len(),
            StringRef::Bytes(bytes) => bytes.len(),
        }
    }
}

/// A value to be stored.
#[derive(Clone, Debug)]
pub enum NewValue<'a> {
    /// An integer.
    Int(i64),
    /// A string, `embstr` if it is short enough, else `raw`.
    Bytes(&'a [u8]),
    /// A string that is `raw` whatever its length, as those are that commands modified in place.
    RawBytes(&'a [u8]),
    /// As `Bytes`, but a long one is moved into place instead of copied.
    Owned(Vec<u8>),
    /// A collection.
    Object(Object),
    /// A collection in one piece, of bytes that are known to be sound.
    Packed {
        /// Its type.
        type_: Type,
        /// What the bytes are.
        encoding: Encoding,
        /// To be copied.
        bytes: &'a [u8],
    },
}

impl<'a> NewValue<'a> {
    /// A string as clients send it: an integer if it reads exactly like one, bytes otherwise.
    #[inline]
    pub fn from_bytes_auto(bytes: &'a [u8]) -> NewValue<'a> {
        match NewValue::as_int(bytes) {
            Some(int) => NewValue::Int(int),
            None => NewValue::Bytes(bytes),
        }
    }

    /// As [`NewValue::from_bytes_auto`], for bytes that can be moved.
    pub fn from_vec_auto(bytes: Vec<u8>) -> NewValue<'static> {
        match NewValue::as_int(&bytes) {
            Some(int) => NewValue::Int(int),
            None => NewValue::Owned(bytes),
        }
    }

    #[inline]
    fn as_int(bytes: &[u8]) -> Option<i64> {
        // Most values give themselves away by their length or their first byte.
        let first = *bytes.first()?;
        if bytes.len() > INT_LEN_MAX || !(first == b'-' || first.is_ascii_digit()) {
            return None;
        }
        parse_i64(bytes)
    }
}

impl<'a> From<StringRef<'a>> for NewValue<'a> {
    fn from(value: StringRef<'a>) -> Self {
        match value {
            StringRef::Int(int) => NewValue::Int(int),
            StringRef::Bytes(bytes) => NewValue::Bytes(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<'b> PartialEq<NewValue<'b>> for NewValue<'_> {
        fn eq(&self, other: &NewValue<'b>) -> bool {
            format!("{self:?}") == format!("{other:?}")
        }
    }

    #[test]
    fn only_exact_integers_become_integers() {
        let int = |text: &'static str| NewValue::from_bytes_auto(text.as_bytes());
        assert_eq!(int("0"), NewValue::Int(0));
        assert_eq!(int("-12"), NewValue::Int(-12));
        assert_eq!(int("-9223372036854775808"), NewValue::Int(i64::MIN));
        let texts = [
            "",
            " 1",
            "1 ",
            "+1",
            "01",
            "-0",
            "-",
            "1.0",
            "x",
            "9223372036854775808",
        ];
        for text in texts {
            assert_eq!(int(text), NewValue::Bytes(text.as_bytes()), "{text:?}");
        }
        assert_eq!(NewValue::from_vec_auto(b"7".to_vec()), NewValue::Int(7));
        let moved = NewValue::from_vec_auto(b"seven".to_vec());
        assert_eq!(moved, NewValue::Owned(b"seven".to_vec()));
    }

    #[test]
    fn values_know_their_text() {
        assert_eq!(StringRef::Int(-105).bytes().as_ref(), b"-105");
        assert_eq!(StringRef::Int(-105).string_len(), 4);
        assert_eq!(StringRef::Bytes(b"abc").with_bytes(<[u8]>::len), 3);
        assert_eq!(NewValue::from(StringRef::Int(5)), NewValue::Int(5));
    }
}
