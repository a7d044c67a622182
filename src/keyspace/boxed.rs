//! Collections too large for one piece of memory: a box, and the word in the entry that owns it.
//!
//! Each type has exactly one boxed form, so the type in the entry's header says what the word
//! points to, and nothing else needs to be stored. While a collection is being edited
//! ([`super::edit`]) the word is null: should an edit ever be leaked, the entry is unusable, but
//! nothing is owned twice.

use std::ptr::{self, NonNull};

use super::kind::Type;
use crate::data::element_table::{HashTable, SetTable};
use crate::data::quicklist::Quicklist;
use crate::data::ranked::SortedSet;
use crate::data::stream::Stream;

/// The word of a collection that has been taken out for editing.
pub(super) const TAKEN: *mut () = ptr::null_mut();

macro_rules! boxed {
    ($($kind:ident: $type:ident),* $(,)?) => {
        /// A boxed collection.
        #[derive(Clone)]
        pub enum Boxed {
            $(#[doc = concat!("A ", stringify!($kind), ".")] $kind(Box<$kind>),)*
        }

        /// A boxed collection, borrowed.
        #[derive(Clone, Copy)]
        pub enum BoxedRef<'a> {
            $(#[doc = concat!("A ", stringify!($kind), ".")] $kind(&'a $kind),)*
        }

        impl Boxed {
            /// The type that it is the boxed form of.
            #[inline]
            pub(super) fn type_(&self) -> Type {
                match self {
                    $(Boxed::$kind(_) => Type::$type,)*
                }
            }

            /// Leaves the collection to an entry: the word to store.
            pub(super) fn into_word(self) -> *mut () {
                match self {
                    $(Boxed::$kind(value) => Box::into_raw(value).cast(),)*
                }
            }

            /// Takes a collection over from an entry of this type.
            ///
            /// # Safety
            /// `word` must come from [`Boxed::into_word`] of a collection of this type, once for
            /// each time.
            pub(super) unsafe fn from_word(type_: Type, word: NonNull<()>) -> Boxed {
                match type_ {
                    $(Type::$type => {
                        // SAFETY: by contract, the pointer comes from a box of this kind.
                        Boxed::$kind(unsafe { Box::from_raw(word.cast().as_ptr()) })
                    })*
                    Type::String => unreachable!("strings are not boxed"),
                }
            }
        }

        impl<'a> BoxedRef<'a> {
            /// Borrows the collection of an entry of this type.
            ///
            /// # Safety
            /// `word` must be one that [`Boxed::from_word`] would take, and the collection must
            /// stay alive and unchanged for `'a`.
            #[inline]
            pub(super) unsafe fn from_word(type_: Type, word: NonNull<()>) -> BoxedRef<'a> {
                match type_ {
                    $(Type::$type => {
                        // SAFETY: by contract.
                        BoxedRef::$kind(unsafe { word.cast().as_ref() })
                    })*
                    Type::String => unreachable!("strings are not boxed"),
                }
            }

            /// A copy of its own.
            pub fn to_boxed(self) -> Boxed {
                match self {
                    $(BoxedRef::$kind(value) => Boxed::$kind(Box::new(value.clone())),)*
                }
            }
        }
    };
}

// An entry may be freed by another thread, and with it what it boxes; see `entry`.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Boxed>();
};

boxed! {
    Quicklist: List,
    SetTable: Set,
    SortedSet: ZSet,
    HashTable: Hash,
    Stream: Stream,
}
