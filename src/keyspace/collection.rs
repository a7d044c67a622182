//! What a data type must offer to be kept under a key.
//!
//! The data types know how they are represented; entries know how to store bytes, words and
//! pointers. In between are [`Parts`]: a collection taken apart into what an entry can hold, which
//! is one packed piece of memory or one box. [`Object`] is a collection of any type in that form,
//! for code that moves values without looking at them.

mod hash;
mod list;
mod set;
mod stream;
mod zset;

use std::fmt;

use super::boxed::{Boxed, BoxedRef};
use super::kind::{Encoding, Type};

/// A collection as an entry stores it.
#[derive(Clone)]
pub enum Parts {
    /// In one piece.
    Packed(Vec<u8>),
    /// In a box.
    Boxed(Boxed),
}

/// A collection as it lies in its entry.
#[derive(Clone, Copy)]
pub enum PartsRef<'a> {
    /// In one piece.
    Packed(&'a [u8]),
    /// In a box.
    Boxed(BoxedRef<'a>),
}

/// A data type that is not a string.
pub trait Collection: Sized {
    /// Its type.
    const TYPE: Type;
    /// What it is read through.
    type Ref<'a>: Copy;

    /// An empty collection.
    fn empty() -> Self;
    /// Whether there is nothing in it that a key should be kept for.
    fn is_vacant(&self) -> bool;
    /// How it is represented at present.
    fn encoding(&self) -> Encoding;
    /// Takes it apart for storing.
    fn into_parts(self) -> Parts;
    /// Puts it together again. `parts` come from [`Collection::into_parts`] of a collection with
    /// this encoding.
    fn from_parts(encoding: Encoding, parts: Parts) -> Self;
    /// Looks at one that is stored.
    fn view(encoding: Encoding, parts: PartsRef<'_>) -> Self::Ref<'_>;
}

/// A collection of any type, on its way to or between keys.
#[derive(Clone)]
pub struct Object {
    pub(super) type_: Type,
    pub(super) encoding: Encoding,
    pub(super) parts: Parts,
}

impl Object {
    /// A collection in one piece, of bytes that are known to be sound.
    pub fn from_packed(type_: Type, encoding: Encoding, bytes: Vec<u8>) -> Object {
        Object {
            type_,
            encoding,
            parts: Parts::Packed(bytes),
        }
    }

    /// Its type.
    pub fn type_(&self) -> Type {
        self.type_
    }
}

impl<T: Collection> From<T> for Object {
    fn from(collection: T) -> Object {
        Object {
            type_: T::TYPE,
            encoding: collection.encoding(),
            parts: collection.into_parts(),
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.type_.name(), self.encoding.name())
    }
}
