//! An entry with the duty to free it: how entries are made, copied, rewritten and freed.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::ptr::{self, NonNull};

#[cfg(test)]
use super::EntryMut;
use super::header::{Form, Header};
use super::stored::{Kind, PACKED_EMBEDDED_LEN_MAX, Stored};
use super::{Entry, EntryPtr};
use crate::base::size_class::size_class;
use crate::keyspace::boxed::Boxed;
use crate::keyspace::collection::{Collection, Object, Parts, PartsRef};
use crate::keyspace::kind::{Encoding, Type};
use crate::keyspace::value::{NewValue, StringRef};

/// An entry and the duty to free it. Large ones may be sent to another thread for that.
pub struct OwnedEntry(EntryPtr);

impl OwnedEntry {
    /// A new entry.
    pub fn new(
        key: &[u8],
        mut value: NewValue<'_>,
        expire: Option<i64>,
        access: u32,
    ) -> OwnedEntry {
        let (kind, stored) = Stored::choose(&mut value);
        let empty = Header::new(kind.type_, key.len(), access);
        let header = stored.header(empty, kind, expire.is_some());
        OwnedEntry::build(header, key, expire, stored)
    }

    /// Takes over an entry from a table, where the pointer must no longer be used.
    ///
    /// # Safety
    /// `pointer` must come from [`OwnedEntry::into_ptr`], once for each time.
    #[inline]
    pub(in crate::keyspace) unsafe fn from_ptr(pointer: EntryPtr) -> OwnedEntry {
        OwnedEntry(pointer)
    }

    /// Leaves the entry to a table.
    #[inline]
    pub(in crate::keyspace) fn into_ptr(self) -> EntryPtr {
        ManuallyDrop::new(self).0
    }

    /// The entry for changing it in place.
    #[cfg(test)]
    pub(super) fn entry_mut(&mut self) -> EntryMut<'_> {
        // SAFETY: we own it, and are borrowed mutably.
        unsafe { self.0.entry_mut() }
    }

    /// Where the entry is.
    #[cfg(test)]
    pub(super) fn address(&self) -> EntryPtr {
        self.0
    }

    /// The entry, for reading.
    #[inline]
    pub fn entry(&self) -> Entry<'_> {
        // SAFETY: we own it, and change or free it only when `self` is not borrowed.
        unsafe { self.0.entry() }
    }

    /// The same key with another value and expiry; access bits stay.
    #[inline]
    pub fn with_value(self, mut value: NewValue<'_>, expire: Option<i64>) -> OwnedEntry {
        let (kind, stored) = Stored::choose(&mut value);
        self.rewrite(kind, stored, expire)
    }

    /// The same key with a collection, which was taken out of it before. Memory that was only
    /// borrowed for the change goes back to `scratch`.
    #[inline]
    pub(in crate::keyspace) fn with_collection<T: Collection>(
        self,
        value: T,
        scratch: &mut Vec<u8>,
    ) -> OwnedEntry {
        let kind = Kind {
            type_: T::TYPE,
            encoding: value.encoding(),
        };
        let expire = self.entry().expire_at_ms();
        match value.into_parts() {
            Parts::Boxed(value) => self.rewrite(kind, Stored::Boxed(value), expire),
            Parts::Packed(bytes) if bytes.len() <= PACKED_EMBEDDED_LEN_MAX => {
                let entry = self.rewrite(kind, Stored::Text(&bytes), expire);
                *scratch = bytes;
                entry
            }
            Parts::Packed(mut bytes) => {
                bytes.shrink_to(size_class(bytes.len()));
                self.rewrite(kind, Stored::Apart(bytes), expire)
            }
        }
    }

    /// The same entry, which must hold a string, with that in a vector, see
    /// [`EntryMut::into_string_mut`](super::EntryMut::into_string_mut).
    pub(in crate::keyspace) fn growable(self) -> OwnedEntry {
        let entry = self.entry();
        assert!(
            entry.type_() == Type::String,
            "callers look at the type first"
        );
        if entry.header().form() == Form::Apart {
            return self;
        }
        let text = entry.string().bytes().into_owned();
        let expire = entry.expire_at_ms();
        self.rewrite(Kind::string(Encoding::Raw), Stored::Apart(text), expire)
    }

    /// The same entry with another expiry.
    pub fn with_expire(self, expire: Option<i64>) -> OwnedEntry {
        let (old, key_len) = (self.entry().header(), self.entry().key_len());
        let new = old.with_expires(expire.is_some());
        let start = self.0.0;
        let moves = !same_class(old.used(key_len), new.used(key_len));
        let target = if moves {
            allocate(new.used(key_len))
        } else {
            start
        };
        // All that follows the expiry keeps its order and moves as one piece.
        let tail = old.used(key_len) - old.value_offset();
        // SAFETY: both ranges are within their allocations by the layout, and `copy` does not
        // mind if they overlap. A vector in the tail moves along bit by bit.
        unsafe {
            let from = start.add(old.value_offset());
            ptr::copy(from.as_ptr(), target.add(new.value_offset()).as_ptr(), tail);
            write_prefix(target, new, key_len, expire);
        }
        if moves {
            // SAFETY: everything in the old place has been moved away.
            unsafe { self.free_shallow() }
        } else {
            mem::forget(self);
        }
        OwnedEntry(EntryPtr(target))
    }

    /// The same value under another key.
    pub fn with_key(self, key: &[u8]) -> OwnedEntry {
        // Its value is about to have two owners for a moment; should anything panic then, none
        // must drop it twice.
        let this = ManuallyDrop::new(self);
        let entry = this.entry();
        let old = entry.header();
        let stored = match old.form() {
            Form::Text => Stored::Text(entry.text()),
            // SAFETY: the vector moves; below, only the shell that is left is freed.
            Form::Apart => Stored::Apart(unsafe { entry.apart().read() }),
            Form::Word if old.type_() == Type::String => Stored::Int(entry.int()),
            Form::Word => {
                let word = entry.boxed().expect("no edit was leaked");
                // SAFETY: the box moves; below, only the shell that is left is freed.
                Stored::Boxed(unsafe { Boxed::from_word(old.type_(), word) })
            }
        };
        let header = old.with_key_len(key.len());
        let renamed = OwnedEntry::build(header, key, entry.expire_at_ms(), stored);
        // SAFETY: what the old entry owned has been moved.
        unsafe { ManuallyDrop::into_inner(this).free_shallow() }
        renamed
    }

    /// Writes a new value over the old one if it fits, else moves to a new allocation.
    #[inline]
    fn rewrite(self, kind: Kind, stored: Stored<'_>, expire: Option<i64>) -> OwnedEntry {
        let entry = self.entry();
        let (old, key_len) = (entry.header(), entry.key_len());
        let new = stored.header(old, kind, expire.is_some());
        if !same_class(old.used(key_len), new.used(key_len)) {
            return OwnedEntry::build(new, entry.key(), expire, stored);
        }
        let start = self.0.0;
        // SAFETY: we own the entry. The old vector or box, if any, is dropped exactly once, as the
        // header that tells of it is overwritten, and nothing in between can panic: what vectors
        // and collections do when they are dropped is to free. The key moves within the
        // allocation, which the new layout fits; `write_prefix` and `write_value` fill in the rest
        // of that layout. The new value is not borrowed from this entry, as that would borrow
        // `self`.
        unsafe {
            self.drop_value();
            if old.key_offset() != new.key_offset() {
                let from = start.add(old.key_offset());
                let to = start.add(new.key_offset());
                ptr::copy(from.as_ptr(), to.as_ptr(), key_len);
            }
            write_prefix(start, new, key_len, expire);
            write_value(start, new, key_len, stored);
        }
        self
    }

    #[inline]
    fn build(header: Header, key: &[u8], expire: Option<i64>, stored: Stored<'_>) -> OwnedEntry {
        let start = allocate(header.used(key.len()));
        // SAFETY: the allocation is new and as large as the layout; all of its parts are written.
        unsafe {
            write_prefix(start, header, key.len(), expire);
            let to = start.add(header.key_offset());
            ptr::copy_nonoverlapping(key.as_ptr(), to.as_ptr(), key.len());
            write_value(start, header, key.len(), stored);
        }
        OwnedEntry(EntryPtr(start))
    }

    /// Drops the vector or box of a value that is not embedded.
    ///
    /// # Safety
    /// The entry must not be used as what its header says until it is written anew.
    #[inline]
    unsafe fn drop_value(&self) {
        let entry = self.entry();
        let header = entry.header();
        match header.form() {
            Form::Text => {}
            // SAFETY: the vector is there, and by contract this is the last use.
            Form::Apart => unsafe { entry.apart().drop_in_place() },
            Form::Word if header.type_() == Type::String => {}
            Form::Word => {
                if let Some(word) = entry.boxed() {
                    // SAFETY: the word owns a box of this type, and by contract this is the last
                    // use.
                    drop(unsafe { Boxed::from_word(header.type_(), word) });
                }
            }
        }
    }

    /// Frees the allocation without dropping what is in it.
    ///
    /// # Safety
    /// What the entry owned must have been moved away or dropped.
    unsafe fn free_shallow(self) {
        let this = ManuallyDrop::new(self);
        let used = this.entry().header().used(this.entry().key_len());
        // SAFETY: it was allocated for this size class: rewriting in place never leaves it.
        unsafe { dealloc(this.0.0.as_ptr(), layout(used)) }
    }
}

impl Entry<'_> {
    /// A copy of this entry under another key.
    pub fn duplicate(self, key: &[u8]) -> OwnedEntry {
        let header = self.header();
        let value = if header.type_() != Type::String {
            NewValue::Object(self.to_object())
        } else {
            match (header.encoding(), self.string()) {
                (Encoding::Raw, StringRef::Bytes(bytes)) => NewValue::RawBytes(bytes),
                (_, value) => value.into(),
            }
        };
        OwnedEntry::new(key, value, self.expire_at_ms(), header.access())
    }

    /// A copy of the value, which is not a string.
    fn to_object(self) -> Object {
        let header = self.header();
        Object {
            type_: header.type_(),
            encoding: header.encoding(),
            parts: match self.parts() {
                PartsRef::Packed(bytes) => Parts::Packed(bytes.to_vec()),
                PartsRef::Boxed(value) => Parts::Boxed(value.to_boxed()),
            },
        }
    }
}

impl Drop for OwnedEntry {
    fn drop(&mut self) {
        // SAFETY: we own the entry and it is not used again; the copy of the pointer is forgotten
        // by `free_shallow`, so it is not dropped twice.
        unsafe {
            self.drop_value();
            OwnedEntry(self.0).free_shallow();
        }
    }
}

impl fmt::Debug for OwnedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry().fmt(f)
    }
}

/// Whether an allocation for one size serves the other as well.
#[inline]
fn same_class(a: usize, b: usize) -> bool {
    a == b || size_class(a) == size_class(b)
}

/// What is allocated for an entry that uses this many bytes: all of its size class.
#[inline]
fn layout(used: usize) -> Layout {
    Layout::from_size_align(size_class(used), align_of::<u64>()).expect("lengths are bounded")
}

#[inline]
fn allocate(used: usize) -> NonNull<u8> {
    let layout = layout(used);
    // SAFETY: the size is not zero, since there is a header at least.
    match NonNull::new(unsafe { alloc(layout) }) {
        Some(start) => start,
        None => handle_alloc_error(layout),
    }
}

/// Writes the header, the length of a long key and the expiry.
///
/// # Safety
/// `start` must be an allocation that fits the layout, owned by the caller. The header must have
/// been made for a key of this length and for an expiry if there is one.
#[inline]
unsafe fn write_prefix(start: NonNull<u8>, header: Header, key_len: usize, expire: Option<i64>) {
    debug_assert_eq!(header.expires(), expire.is_some());
    // SAFETY: the layout has these words at these places, aligned.
    unsafe {
        start.cast::<u64>().write(header.0);
        if header.short_key_len().is_none() {
            start.add(8).cast::<u64>().write(key_len as u64);
        }
        if let Some(at) = expire {
            start.add(header.expire_offset()).cast::<i64>().write(at);
        }
    }
}

/// Writes the value.
///
/// # Safety
/// As for [`write_prefix`]; the header must have been made for this value, and the value must not
/// be borrowed from this entry.
#[inline]
unsafe fn write_value(start: NonNull<u8>, header: Header, key_len: usize, stored: Stored<'_>) {
    // SAFETY: the layout has the respective form at these places; words and vector are aligned.
    unsafe {
        match stored {
            Stored::Int(int) => start.add(header.value_offset()).cast::<i64>().write(int),
            Stored::Boxed(value) => {
                let place = start.add(header.value_offset()).cast::<*mut ()>();
                place.write(value.into_word());
            }
            Stored::Text(text) => {
                let to = start.add(header.key_offset() + key_len);
                ptr::copy_nonoverlapping(text.as_ptr(), to.as_ptr(), text.len());
            }
            Stored::Apart(bytes) => start
                .add(header.value_offset())
                .cast::<Vec<u8>>()
                .write(bytes),
        }
    }
}
