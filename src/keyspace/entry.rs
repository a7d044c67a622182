//! An entry: a key and its value in one allocation.
//!
//! A table of a hundred million keys is mostly entries, so every byte counts, and a lookup should
//! touch one place. The entry is therefore one piece of memory: eight bytes of header, an expiry
//! if there is one, the key, and the value embedded behind it (`header` has the exact layout). A
//! key of 16 bytes with a string of 32 is 56 bytes, a size class of the allocator. There is no
//! reference count: an entry has one owner, and reading it in a forked child writes nothing.
//!
//! Strings longer than [`EMBEDDED_LEN_MAX`] and those under modification by APPEND and its kin
//! live in a vector of their own, so that they can be moved in, moved out and grown without being
//! copied along with the key.
//!
//! Entries are always allocated at the full size of their class, so a new value is written over
//! the old one whenever both round to the same class.
//!
//! Three views: [`OwnedEntry`] owns the allocation, [`Entry`] borrows it for reading, and
//! [`EntryMut`] for the little that can change in place. A table holds [`EntryPtr`]s, which are
//! owners by agreement.
//!
//! The access bits may be changed through [`Entry`]: reading a key records the fact. That is sound
//! because entries are never shared between threads: [`Entry`] is neither `Send` nor `Sync`, and
//! neither [`OwnedEntry`] nor a database is `Sync`.
//!
//! Invariant, which all unsafe code here rests on: an allocation is as large as the class of what
//! its header says is used, and all parts that the header calls for are there and initialised. Form
//! and type tell how to read the value: a word of a string is an integer, that of a collection owns
//! a box of that type or is null. What the encoding says is believed by safe code only.

mod header;
mod owned;
mod stored;
#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ptr::NonNull;
use std::slice;

use self::header::{Form, Header};
pub use self::owned::OwnedEntry;
pub use self::stored::{EMBEDDED_LEN_MAX, PACKED_EMBEDDED_LEN_MAX};
use super::boxed::{Boxed, BoxedRef, TAKEN};
use super::collection::{Collection, Parts, PartsRef};
use super::kind::{Encoding, Type};
use super::value::{StringRef, ValueRef};
use crate::base::bytes::equal;
use crate::base::size_class::size_class;
use crate::data::hash::Hash;
use crate::data::list::List;
use crate::data::set::Set;
use crate::data::stream::Stream;
use crate::data::zset::ZSet;
use crate::table::Handle;

/// A pointer to an entry's header, with access to the whole allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryPtr(NonNull<u8>);

// SAFETY: both ways carry the pointer along unchanged. Addresses are checked on insertion.
unsafe impl Handle for EntryPtr {
    fn into_pointer(self) -> NonNull<u8> {
        self.0
    }

    unsafe fn from_pointer(pointer: NonNull<u8>) -> Self {
        EntryPtr(pointer)
    }
}

// SAFETY: an entry is plain memory tied to no thread, and so is what it owns: bytes, or a box that
// is `Send` (see `boxed`). Whoever sends the pointer must send the right to use it along, as
// everywhere with pointers; using one is unsafe.
unsafe impl Send for EntryPtr {}

impl EntryPtr {
    /// Borrows the entry.
    ///
    /// # Safety
    /// The entry must stay alive and unmoved for `'a`, and nobody may hold it mutably meanwhile.
    #[inline]
    pub(super) unsafe fn entry<'a>(self) -> Entry<'a> {
        Entry {
            start: self.0,
            life: PhantomData,
        }
    }

    /// Borrows the entry mutably.
    ///
    /// # Safety
    /// The entry must stay alive and unmoved for `'a`, and nobody else may use it meanwhile.
    #[inline]
    pub(super) unsafe fn entry_mut<'a>(self) -> EntryMut<'a> {
        EntryMut {
            // SAFETY: the contract is stricter than that of `entry`.
            entry: unsafe { self.entry() },
        }
    }
}

/// A key and its value, borrowed.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// Live, laid out as its header says, and not written to during `'a`, except for the access
    /// bits.
    start: NonNull<u8>,
    life: PhantomData<&'a *mut u8>,
}

impl<'a> Entry<'a> {
    #[inline]
    fn header(self) -> Header {
        // SAFETY: every entry starts with an aligned, initialised header.
        Header(unsafe { self.start.cast::<u64>().read() })
    }

    /// One of the words between header and key.
    ///
    /// # Safety
    /// The layout must have an initialised word at this offset.
    #[inline]
    unsafe fn word(self, offset: usize) -> u64 {
        // SAFETY: by contract; words are aligned, as the layout puts them first.
        unsafe { self.start.add(offset).cast::<u64>().read() }
    }

    #[inline]
    fn key_len(self) -> usize {
        match self.header().short_key_len() {
            Some(len) => len,
            // SAFETY: a long key has its length right behind the header.
            None => unsafe { self.word(8) as usize },
        }
    }

    /// The key.
    #[inline]
    pub fn key(self) -> &'a [u8] {
        let offset = self.header().key_offset();
        // SAFETY: the key is there, initialised, and nobody writes to it during `'a`.
        unsafe { slice::from_raw_parts(self.start.add(offset).as_ptr(), self.key_len()) }
    }

    /// Whether this is the entry of `key`.
    #[inline]
    pub(super) fn has_key(self, key: &[u8]) -> bool {
        equal(self.key(), key)
    }

    /// The type of the value.
    #[inline]
    pub fn type_(self) -> Type {
        self.header().type_()
    }

    /// The encoding of the value.
    #[inline]
    pub fn encoding(self) -> Encoding {
        self.header().encoding()
    }

    /// The value, which must be a string.
    #[inline]
    pub fn string(self) -> StringRef<'a> {
        let header = self.header();
        debug_assert_eq!(header.type_(), Type::String);
        match header.form() {
            Form::Word => StringRef::Int(self.int()),
            Form::Text => StringRef::Bytes(self.text()),
            // SAFETY: this form has a vector at that place, and nobody writes to it during `'a`.
            Form::Apart => StringRef::Bytes(unsafe { self.apart().as_ref() }),
        }
    }

    /// The integer that the value, a string, is.
    #[inline]
    fn int(self) -> i64 {
        let header = self.header();
        assert!(header.is_int());
        // SAFETY: this form of a string has the integer at that place.
        unsafe { self.word(header.value_offset()) as i64 }
    }

    /// The bytes embedded behind the key.
    #[inline]
    fn text(self) -> &'a [u8] {
        let header = self.header();
        assert!(header.form() == Form::Text);
        let (offset, len) = (header.key_offset() + self.key_len(), header.text_len());
        // SAFETY: this form has `len` bytes behind the key, and nobody writes to them during `'a`.
        unsafe { slice::from_raw_parts(self.start.add(offset).as_ptr(), len) }
    }

    /// The value, whatever it is.
    pub fn value(self) -> ValueRef<'a> {
        let encoding = self.encoding();
        match self.type_() {
            Type::String => ValueRef::String(self.string()),
            Type::List => ValueRef::List(List::view(encoding, self.parts())),
            Type::Set => ValueRef::Set(Set::view(encoding, self.parts())),
            Type::ZSet => ValueRef::ZSet(ZSet::view(encoding, self.parts())),
            Type::Hash => ValueRef::Hash(Hash::view(encoding, self.parts())),
            Type::Stream => ValueRef::Stream(<Box<Stream>>::view(encoding, self.parts())),
        }
    }

    /// The value, if it is a collection of this type.
    #[inline]
    pub fn collection<T: Collection>(self) -> Option<T::Ref<'a>> {
        let header = self.header();
        let is_it = header.type_() == T::TYPE;
        is_it.then(|| T::view(header.encoding(), self.parts()))
    }

    /// What the value, which is not a string, consists of.
    #[inline]
    fn parts(self) -> PartsRef<'a> {
        let header = self.header();
        debug_assert_ne!(header.type_(), Type::String);
        match header.form() {
            Form::Text => PartsRef::Packed(self.text()),
            // SAFETY: this form has a vector at that place, and nobody writes to it during `'a`.
            Form::Apart => PartsRef::Packed(unsafe { self.apart().as_ref() }),
            Form::Word => {
                let word = self.boxed().expect("no edit was leaked");
                // SAFETY: the word of a collection owns a box of its type, which nobody writes to
                // during `'a`.
                PartsRef::Boxed(unsafe { BoxedRef::from_word(header.type_(), word) })
            }
        }
    }

    /// The pointer to a boxed collection; none while it is being edited.
    #[inline]
    fn boxed(self) -> Option<NonNull<()>> {
        let header = self.header();
        assert!(header.form() == Form::Word && header.type_() != Type::String);
        // SAFETY: this form of a collection has a pointer there.
        NonNull::new(unsafe { self.boxed_place().read() })
    }

    /// Where the pointer to a boxed collection is, in an entry that has one.
    #[inline]
    fn boxed_place(self) -> NonNull<*mut ()> {
        // SAFETY: the offset is within the allocation, or just behind it.
        unsafe { self.start.add(self.header().value_offset()).cast() }
    }

    /// Where the vector of a value that lives apart is, in an entry that has one.
    #[inline]
    fn apart(self) -> NonNull<Vec<u8>> {
        // SAFETY: the offset is within the allocation, or just behind it.
        unsafe { self.start.add(self.header().value_offset()).cast() }
    }

    /// The length of a string value's text.
    #[inline]
    pub fn string_len(self) -> usize {
        self.string().string_len()
    }

    /// Whether the key expires at all.
    #[inline]
    pub fn expires(self) -> bool {
        self.header().expires()
    }

    /// When the key expires, in milliseconds since the epoch.
    #[inline]
    pub fn expire_at_ms(self) -> Option<i64> {
        let header = self.header();
        // SAFETY: with the flag set, the expiry is at that place.
        let expiry = |header: Header| unsafe { self.word(header.expire_offset()) as i64 };
        header.expires().then(|| expiry(header))
    }

    /// The 24 access bits; see [`super::access`] for what they may mean.
    #[inline]
    pub fn access(self) -> u32 {
        self.header().access()
    }

    /// Records an access.
    #[inline]
    pub fn set_access(self, access: u32) {
        let header = self.header().with_access(access);
        // SAFETY: the header is live and aligned. References that are handed out point behind
        // it, and no other thread sees the entry.
        unsafe { self.start.cast::<u64>().write(header.0) }
    }

    /// Bytes allocated for key and value.
    pub fn memory_usage(self) -> usize {
        let apart = match self.capacity_apart() {
            None | Some(0) => 0,
            Some(capacity) => size_class(capacity),
        };
        size_class(self.header().used(self.key_len())) + apart
    }

    /// How many bytes a value may have where it is; none if it is embedded, or boxed.
    pub fn capacity_apart(self) -> Option<usize> {
        match self.header().form() {
            // SAFETY: as in `value`.
            Form::Apart => Some(unsafe { self.apart().as_ref() }.capacity()),
            Form::Word | Form::Text => None,
        }
    }

    /// How many allocations it takes to free the value, roughly.
    pub fn free_effort(self) -> usize {
        match self.value() {
            ValueRef::Hash(hash) => hash.free_effort(),
            ValueRef::Set(set) => set.free_effort(),
            ValueRef::Stream(stream) => stream.free_effort(),
            ValueRef::List(list) => list.free_effort(),
            ValueRef::ZSet(zset) => zset.free_effort(),
            ValueRef::String(_) => 1,
        }
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &String::from_utf8_lossy(self.key()))
            .field("encoding", &self.encoding())
            .field("expire_at_ms", &self.expire_at_ms())
            .finish_non_exhaustive()
    }
}

/// An entry whose value may be changed in place.
pub struct EntryMut<'a> {
    entry: Entry<'a>,
}

impl<'a> EntryMut<'a> {
    /// The entry, for reading.
    #[inline]
    pub fn entry(&self) -> Entry<'_> {
        self.entry
    }

    /// Replaces an integer by another. Returns whether the value was an integer.
    #[inline]
    pub fn set_int(&mut self, int: i64) -> bool {
        let header = self.entry.header();
        if header.is_int() {
            let start = self.entry.start;
            // SAFETY: such an entry has an aligned integer there, and we have exclusive access.
            unsafe { start.add(header.value_offset()).cast::<i64>().write(int) }
        }
        header.is_int()
    }

    /// The string of a value that lives apart from its entry.
    pub(super) fn into_string_mut(self) -> Option<&'a mut Vec<u8>> {
        match self.entry.header().form() {
            // SAFETY: this form has a vector there, and we have exclusive access for `'a`.
            Form::Apart => Some(unsafe { self.entry.apart().as_mut() }),
            Form::Word | Form::Text => None,
        }
    }

    /// Takes a collection out, so that the entry's value is nothing until it gets a new one.
    /// An embedded one is copied to memory taken from `scratch`.
    #[inline]
    pub(super) fn take<T: Collection>(&mut self, scratch: &mut Vec<u8>) -> T {
        let header = self.entry.header();
        assert!(header.type_() == T::TYPE, "callers look at the type first");
        let parts = match header.form() {
            Form::Text => {
                let mut bytes = mem::take(scratch);
                bytes.clear();
                bytes.extend_from_slice(self.entry.text());
                Parts::Packed(bytes)
            }
            // SAFETY: this form has a vector there, and we have exclusive access.
            Form::Apart => Parts::Packed(mem::take(unsafe { self.entry.apart().as_mut() })),
            Form::Word => {
                let word = self.entry.boxed().expect("no edit was leaked");
                // SAFETY: the word of a collection owns a box of its type; it is given up before
                // the box has its new owner.
                unsafe {
                    self.entry.boxed_place().write(TAKEN);
                    Parts::Boxed(Boxed::from_word(header.type_(), word))
                }
            }
        };
        T::from_parts(header.encoding(), parts)
    }
}
