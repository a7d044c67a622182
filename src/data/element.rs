//! An element of a big hash or set, in one allocation.
//!
//! A hash of a million fields is a million elements, so an element has no header and no pointers:
//! it is its name and, in hashes, its value, each behind a length of mostly one byte.
//!
//! ```text
//! [ length | name ]                       in a set
//! [ length | name ][ length | value ]     in a hash
//! ```
//!
//! A field of 16 bytes with a value of 32 takes 50 bytes and with them a size class of 56.
//! Elements are always allocated at the full size of their class, so a new value is written over
//! the old one whenever both round to the same class; what the class is follows from the lengths.
//!
//! [`Element`] is a pointer, as a table keeps it: whoever has the table owns the elements.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};
use std::slice;

use crate::base::size_class::size_class;
use crate::table::Handle;

/// In place of a length up to 253: the length follows in four bytes.
const LENGTH_IN_4: u8 = 254;
/// In place of a length up to 253: the length follows in eight bytes.
const LENGTH_IN_8: u8 = 255;

/// A pointer to an element; `VALUED` ones have a value behind the name.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Element<const VALUED: bool>(NonNull<u8>);

impl<const VALUED: bool> Clone for Element<VALUED> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<const VALUED: bool> Copy for Element<VALUED> {}

// SAFETY: both ways carry the pointer along unchanged. Addresses are checked on insertion.
unsafe impl<const VALUED: bool> Handle for Element<VALUED> {
    fn into_pointer(self) -> NonNull<u8> {
        self.0
    }

    unsafe fn from_pointer(pointer: NonNull<u8>) -> Self {
        Element(pointer)
    }
}

// SAFETY: an element is plain memory tied to no thread. Whoever sends the pointer must send the
// right to use it along; using one is unsafe.
unsafe impl<const VALUED: bool> Send for Element<VALUED> {}

/// Bytes that a string takes with its length in front.
#[inline]
pub(super) fn stored_len(len: usize) -> usize {
    let length_bytes = match len {
        0..=253 => 1,
        254..=0xffff_ffff => 5,
        _ => 9,
    };
    length_bytes + len
}

/// Reads a length; gives it and how many bytes it took.
///
/// # Safety
/// A length must have been written there.
#[inline]
unsafe fn read_length(at: *const u8) -> (usize, usize) {
    // SAFETY: by contract there is a length; its first byte says how many follow, in any alignment.
    unsafe {
        match at.read() {
            LENGTH_IN_4 => (at.add(1).cast::<u32>().read_unaligned() as usize, 5),
            LENGTH_IN_8 => (at.add(1).cast::<u64>().read_unaligned() as usize, 9),
            short => (usize::from(short), 1),
        }
    }
}

/// Writes a string with its length in front; gives the address behind it.
///
/// # Safety
/// There must be room for [`stored_len`] bytes, owned by the caller, that do not overlap `string`.
#[inline]
pub(super) unsafe fn write_string(at: *mut u8, string: &[u8]) -> *mut u8 {
    let len = string.len();
    // SAFETY: the writes are as long as `stored_len` says, so there is room by contract.
    unsafe {
        let to = match len {
            0..=253 => {
                at.write(len as u8);
                at.add(1)
            }
            254..=0xffff_ffff => {
                at.write(LENGTH_IN_4);
                at.add(1).cast::<u32>().write_unaligned(len as u32);
                at.add(5)
            }
            _ => {
                at.write(LENGTH_IN_8);
                at.add(1).cast::<u64>().write_unaligned(len as u64);
                at.add(9)
            }
        };
        ptr::copy_nonoverlapping(string.as_ptr(), to, len);
        to.add(len)
    }
}

/// Reads a string; gives it and the address behind it.
///
/// # Safety
/// [`write_string`] must have written there, and nobody may change or free that during `'a`.
#[inline]
pub(super) unsafe fn read_string<'a>(at: *const u8) -> (&'a [u8], *const u8) {
    // SAFETY: by contract a length stands there and so many initialised bytes behind it.
    unsafe {
        let (len, length_bytes) = read_length(at);
        let start = at.add(length_bytes);
        (slice::from_raw_parts(start, len), start.add(len))
    }
}

/// What is allocated for an element that uses this many bytes: all of its size class.
#[inline]
fn layout(used: usize) -> Layout {
    Layout::from_size_align(size_class(used), 1).expect("lengths are bounded")
}

impl<const VALUED: bool> Element<VALUED> {
    #[inline]
    fn used(name: &[u8], value: &[u8]) -> usize {
        stored_len(name.len()) + if VALUED { stored_len(value.len()) } else { 0 }
    }

    /// A new element. Without a value, `value` must be empty.
    #[inline]
    pub(super) fn new(name: &[u8], value: &[u8]) -> Self {
        debug_assert!(VALUED || value.is_empty());
        let layout = layout(Self::used(name, value));
        // SAFETY: the size is not zero, since there is a length at least.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the allocation is new and has room for both strings.
        unsafe {
            let behind = write_string(start.as_ptr(), name);
            if VALUED {
                write_string(behind, value);
            }
        }
        Element(start)
    }

    /// The name.
    ///
    /// # Safety
    /// The element must stay alive and unchanged for `'a`.
    #[inline]
    pub(super) unsafe fn name<'a>(self) -> &'a [u8] {
        // SAFETY: every element begins with its name, and nobody changes it, by contract.
        unsafe { read_string(self.0.as_ptr()).0 }
    }

    /// The value; empty where there is none.
    ///
    /// # Safety
    /// As for [`Element::name`].
    #[inline]
    pub(super) unsafe fn value<'a>(self) -> &'a [u8] {
        if !VALUED {
            return &[];
        }
        // SAFETY: elements of this kind have their value behind the name.
        unsafe { read_string(read_string(self.0.as_ptr()).1).0 }
    }

    /// Bytes allocated.
    ///
    /// # Safety
    /// The element must be alive.
    #[inline]
    pub(super) unsafe fn memory(self) -> usize {
        // SAFETY: the strings are let go of at once.
        unsafe { size_class(Self::used(self.name(), self.value())) }
    }

    /// Gives the memory back.
    ///
    /// # Safety
    /// The element must be alive, and nobody may use it any more.
    #[inline]
    pub(super) unsafe fn free(self) {
        // SAFETY: it was allocated with the layout that its lengths give: `replace_value` never
        // lets them leave the size class.
        unsafe {
            let layout = layout(Self::used(self.name(), self.value()));
            dealloc(self.0.as_ptr(), layout);
        }
    }
}

impl Element<true> {
    /// Replaces the value in place, if the allocation is as large as one that would be made for it.
    /// Returns whether it is; if not, nothing has changed.
    ///
    /// # Safety
    /// The element must be alive and nobody else may use it. `value` must not lie in the element.
    #[inline]
    pub(super) unsafe fn replace_value(self, value: &[u8]) -> bool {
        // SAFETY: the element is alive and ours. The new value begins where the old one did, and
        // what is behind that in the allocation, a size class large, is enough for it.
        unsafe {
            let name = self.name();
            let (old, new) = (Self::used(name, self.value()), Self::used(name, value));
            let fits = old == new || size_class(old) == size_class(new);
            if fits {
                write_string(self.0.as_ptr().add(stored_len(name.len())), value);
            }
            fits
        }
    }
}
