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
//! because entries are never shared between threads: [`Entry`] is neither `Send` nor `Sync`.

mod header;
#[cfg(test)]
mod tests;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::ptr::{self, NonNull};
use std::slice;

use self::header::{Form, Header};
use super::size_class::size_class;
use super::table::Handle;
use super::value::{EMBSTR_LEN_MAX, Encoding, NewValue, Type, ValueRef};

/// The longest string that is embedded in its entry. Up to about a page, copying a string costs
/// less than the allocation and the cache miss that a place of its own would; beyond, moving a
/// command's argument into place saves the copy.
pub const EMBEDDED_LEN_MAX: usize = 4000;

const _: () = assert!(EMBEDDED_LEN_MAX <= header::TEXT_LEN_MAX);

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

// SAFETY: an entry is plain memory tied to no thread. Whoever sends the pointer must send the
// right to use it along, as everywhere with pointers; using one is unsafe.
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

    /// Whether this is the entry of `key`. Spares most keys the call of a comparison that is made
    /// for long ones.
    #[inline]
    pub(super) fn has_key(self, key: &[u8]) -> bool {
        let own = self.key();
        if own.len() != key.len() {
            return false;
        }
        match key.len() {
            8..=16 => {
                own.first_chunk::<8>() == key.first_chunk()
                    && own.last_chunk::<8>() == key.last_chunk()
            }
            17..=32 => {
                own.first_chunk::<16>() == key.first_chunk()
                    && own.last_chunk::<16>() == key.last_chunk()
            }
            _ => own == key,
        }
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

    /// The value.
    #[inline]
    pub fn value(self) -> ValueRef<'a> {
        let header = self.header();
        match header.form() {
            // SAFETY: this form has the integer at that place.
            Form::Int => ValueRef::Int(unsafe { self.word(header.value_offset()) } as i64),
            Form::Text => {
                let (offset, len) = (header.key_offset() + self.key_len(), header.text_len());
                // SAFETY: this form has `len` bytes of text behind the key, and nobody writes to
                // them during `'a`.
                let text = unsafe { slice::from_raw_parts(self.start.add(offset).as_ptr(), len) };
                ValueRef::Bytes(text)
            }
            // SAFETY: this form has a vector at that place, and nobody writes to it during `'a`.
            Form::Apart => ValueRef::Bytes(unsafe { self.apart().as_ref() }),
        }
    }

    /// The vector of a value that lives apart.
    #[inline]
    fn apart(self) -> NonNull<Vec<u8>> {
        debug_assert_eq!(self.header().form(), Form::Apart);
        // SAFETY: the offset is within the allocation.
        unsafe { self.start.add(self.header().value_offset()).cast() }
    }

    /// The length of a string value's text.
    #[inline]
    pub fn string_len(self) -> usize {
        self.value().string_len()
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
        let header = self.header();
        let apart = match header.form() {
            // SAFETY: as in `value`.
            Form::Apart => match unsafe { self.apart().as_ref() }.capacity() {
                0 => 0,
                capacity => size_class(capacity),
            },
            Form::Int | Form::Text => 0,
        };
        size_class(header.used(self.key_len())) + apart
    }

    /// A copy of this entry under another key.
    pub fn duplicate(self, key: &[u8]) -> OwnedEntry {
        let header = self.header();
        let value = match (header.encoding(), self.value()) {
            (Encoding::Raw, ValueRef::Bytes(bytes)) => NewValue::RawBytes(bytes),
            (_, value) => value.into(),
        };
        OwnedEntry::new(key, value, self.expire_at_ms(), header.access())
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
        let is_int = header.form() == Form::Int;
        if is_int {
            let start = self.entry.start;
            // SAFETY: this form has an aligned integer there, and we have exclusive access.
            unsafe { start.add(header.value_offset()).cast::<i64>().write(int) }
        }
        is_int
    }

    /// The string of a value that lives apart from its entry.
    pub(super) fn into_string_mut(self) -> Option<&'a mut Vec<u8>> {
        match self.entry.header().form() {
            // SAFETY: this form has a vector there, and we have exclusive access for `'a`.
            Form::Apart => Some(unsafe { self.entry.apart().as_mut() }),
            Form::Int | Form::Text => None,
        }
    }
}

/// A value in the shape that entries store it in.
enum Stored<'a> {
    Int(i64),
    Text(&'a [u8]),
    Apart(Vec<u8>),
}

impl<'a> Stored<'a> {
    /// Chooses encoding and form for a new value. A vector that is long enough is taken out of it.
    #[inline]
    fn choose(value: &'a mut NewValue<'_>) -> (Encoding, Stored<'a>) {
        let (bytes, always_raw) = match value {
            NewValue::Int(int) => return (Encoding::Int, Stored::Int(*int)),
            NewValue::Owned(bytes) if bytes.len() > EMBEDDED_LEN_MAX => {
                return (Encoding::Raw, Stored::Apart(mem::take(bytes)));
            }
            NewValue::Bytes(bytes) => (*bytes, false),
            NewValue::RawBytes(bytes) => (*bytes, true),
            NewValue::Owned(bytes) => (bytes.as_slice(), false),
        };
        let short = bytes.len() <= EMBSTR_LEN_MAX && !always_raw;
        let encoding = if short {
            Encoding::Embstr
        } else {
            Encoding::Raw
        };
        if bytes.len() <= EMBEDDED_LEN_MAX {
            (encoding, Stored::Text(bytes))
        } else {
            (encoding, Stored::Apart(bytes.to_vec()))
        }
    }

    /// The header of an entry that gets this value and an expiry or none.
    #[inline]
    fn header(&self, before: Header, encoding: Encoding, expires: bool) -> Header {
        let (form, text_len) = match self {
            Stored::Int(_) => (Form::Int, 0),
            Stored::Text(text) => (Form::Text, text.len()),
            Stored::Apart(_) => (Form::Apart, 0),
        };
        before.with_value(encoding, form, text_len, expires)
    }
}

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
        let (encoding, stored) = Stored::choose(&mut value);
        let empty = Header::new(Type::String, key.len(), access);
        let header = stored.header(empty, encoding, expire.is_some());
        OwnedEntry::build(header, key, expire, stored)
    }

    /// Takes over an entry from a table, where the pointer must no longer be used.
    ///
    /// # Safety
    /// `pointer` must come from [`OwnedEntry::into_ptr`], once for each time.
    #[inline]
    pub(super) unsafe fn from_ptr(pointer: EntryPtr) -> OwnedEntry {
        OwnedEntry(pointer)
    }

    /// Leaves the entry to a table.
    #[inline]
    pub(super) fn into_ptr(self) -> EntryPtr {
        ManuallyDrop::new(self).0
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
        let (encoding, stored) = Stored::choose(&mut value);
        self.rewrite(encoding, stored, expire)
    }

    /// The same entry with its string in a vector, see [`EntryMut::into_string_mut`].
    pub(super) fn growable(self) -> OwnedEntry {
        let entry = self.entry();
        if entry.header().form() == Form::Apart {
            return self;
        }
        let text = entry.value().bytes().into_owned();
        let expire = entry.expire_at_ms();
        self.rewrite(Encoding::Raw, Stored::Apart(text), expire)
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
        let entry = self.entry();
        let old = entry.header();
        let stored = match (old.form(), entry.value()) {
            // SAFETY: the vector moves; below, only the shell that is left is freed.
            (Form::Apart, _) => Stored::Apart(unsafe { entry.apart().read() }),
            (_, ValueRef::Int(int)) => Stored::Int(int),
            (_, ValueRef::Bytes(text)) => Stored::Text(text),
        };
        let header = old.with_key_len(key.len());
        let renamed = OwnedEntry::build(header, key, entry.expire_at_ms(), stored);
        // SAFETY: what the old entry owned has been moved.
        unsafe { self.free_shallow() }
        renamed
    }

    /// Writes a new value over the old one if it fits, else moves to a new allocation.
    #[inline]
    fn rewrite(self, encoding: Encoding, stored: Stored<'_>, expire: Option<i64>) -> OwnedEntry {
        let entry = self.entry();
        let (old, key_len) = (entry.header(), entry.key_len());
        let new = stored.header(old, encoding, expire.is_some());
        if !same_class(old.used(key_len), new.used(key_len)) {
            return OwnedEntry::build(new, entry.key(), expire, stored);
        }
        let start = self.0.0;
        // SAFETY: we own the entry. The old vector, if any, is dropped exactly once, as the header
        // that tells of it is overwritten. The key moves within the allocation, which the new
        // layout fits; `write_prefix` and `write_value` fill in the rest of that layout.
        unsafe {
            self.drop_apart();
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

    /// Drops the vector of a value that lives apart.
    ///
    /// # Safety
    /// The entry must not be used as what its header says until it is written anew.
    #[inline]
    unsafe fn drop_apart(&self) {
        let entry = self.entry();
        if entry.header().form() == Form::Apart {
            // SAFETY: the vector is there, and by contract this is the last use.
            unsafe { entry.apart().drop_in_place() }
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

impl Drop for OwnedEntry {
    fn drop(&mut self) {
        // SAFETY: we own the entry and it is not used again; the copy of the pointer is forgotten
        // by `free_shallow`, so it is not dropped twice.
        unsafe {
            self.drop_apart();
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
/// `start` must be an allocation that fits the layout, owned by the caller.
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
    debug_assert_eq!(
        header,
        stored.header(header, header.encoding(), header.expires())
    );
    // SAFETY: the layout has the respective form at these places; words and vector are aligned.
    unsafe {
        match stored {
            Stored::Int(int) => start.add(header.value_offset()).cast::<i64>().write(int),
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
