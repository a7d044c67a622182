//! What a listpack holds at one place: a number or a piece of text.
//!
//! To clients both are strings. An integer is stored as one only if its text is the canonical one,
//! so nothing is lost, and text need not be made where two numbers can be compared.

use crate::base::numbers::{format_i64, parse_i64};
use std::borrow::Cow;

/// One element. Two are equal if their texts are.
#[derive(Clone, Copy, Debug)]
pub enum Element<'a> {
    /// An integer; its text is the canonical decimal one.
    Int(i64),
    /// Any other string.
    Bytes(&'a [u8]),
}

impl<'a> Element<'a> {
    /// Lends the text to `read`.
    #[inline]
    pub fn with_bytes<R>(self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Element::Int(value) => read(itoa::Buffer::new().format(value).as_bytes()),
            Element::Bytes(text) => read(text),
        }
    }

    /// The length of the text.
    pub fn text_len(self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// The text, copied only if it had to be made.
    pub fn text(self) -> Cow<'a, [u8]> {
        match self {
            Element::Int(_) => Cow::Owned(self.to_vec()),
            Element::Bytes(text) => Cow::Borrowed(text),
        }
    }

    /// A copy of the text.
    pub fn to_vec(self) -> Vec<u8> {
        let mut out = Vec::new();
        self.append_to(&mut out);
        out
    }

    /// Appends the text.
    #[inline]
    pub fn append_to(self, out: &mut Vec<u8>) {
        match self {
            Element::Int(value) => format_i64(value, out),
            Element::Bytes(text) => out.extend_from_slice(text),
        }
    }

    /// The number that the text spells in the canonical way.
    pub fn as_int(self) -> Option<i64> {
        match self {
            Element::Int(value) => Some(value),
            Element::Bytes(text) => parse_i64(text),
        }
    }
}

/// The form in which `text` is to be stored.
impl<'a> From<&'a [u8]> for Element<'a> {
    #[inline]
    fn from(text: &'a [u8]) -> Element<'a> {
        match parse_i64(text) {
            Some(value) => Element::Int(value),
            None => Element::Bytes(text),
        }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Element<'a> {
    fn from(text: &'a [u8; N]) -> Element<'a> {
        Element::from(&text[..])
    }
}

impl<'a> From<&'a Vec<u8>> for Element<'a> {
    fn from(text: &'a Vec<u8>) -> Element<'a> {
        Element::from(&text[..])
    }
}

impl From<i64> for Element<'_> {
    #[inline]
    fn from(value: i64) -> Self {
        Element::Int(value)
    }
}

impl PartialEq for Element<'_> {
    #[inline]
    fn eq(&self, other: &Element<'_>) -> bool {
        match (*self, *other) {
            (Element::Int(a), Element::Int(b)) => a == b,
            (Element::Bytes(a), Element::Bytes(b)) => a == b,
            // Text that spells an integer stays text in listpacks that others made.
            (Element::Int(a), Element::Bytes(b)) | (Element::Bytes(b), Element::Int(a)) => {
                parse_i64(b) == Some(a)
            }
        }
    }
}

impl Eq for Element<'_> {}

impl PartialEq<[u8]> for Element<'_> {
    fn eq(&self, text: &[u8]) -> bool {
        *self == Element::Bytes(text)
    }
}

impl PartialEq<&[u8]> for Element<'_> {
    fn eq(&self, text: &&[u8]) -> bool {
        *self == Element::Bytes(text)
    }
}
