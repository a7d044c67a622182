//! A member of a large sorted set: score and bytes in one allocation.
//!
//! ```text
//! [ score: f64 ][ length | bytes ]
//! ```
//!
//! The second part is written as in the elements of hashes and sets (`data/element.rs`).
//! The hash table and the tree hold the same pointer, so the bytes exist once, and the score can
//! be read and written from the table's side without a walk down the tree. A member of 16 bytes
//! is 25 bytes long, which the allocator serves with 32; it is always allocated at the full size
//! of its class, so the memory figures are exact.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use super::super::element::{read_string, stored_len, write_string};
use crate::base::size_class::size_class;
use crate::table::Handle;

/// Bytes in front of the string.
const SCORE_BYTES: usize = size_of::<f64>();

/// A pointer to a member. Owned by the set whose table and tree it is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Member(NonNull<u8>);

// SAFETY: both ways carry the pointer along unchanged. Addresses are checked on insertion.
unsafe impl Handle for Member {
    fn into_pointer(self) -> NonNull<u8> {
        self.0
    }

    unsafe fn from_pointer(pointer: NonNull<u8>) -> Self {
        Member(pointer)
    }
}

// SAFETY: a member is plain memory tied to no thread. Whoever sends the pointer must send the
// right to use it along, as everywhere with pointers; using one is unsafe.
unsafe impl Send for Member {}

impl Member {
    /// Stands where no member is. Must not be used.
    pub(super) const NONE: Member = Member(NonNull::dangling());

    /// A new member; the caller owns it.
    pub(super) fn allocate(score: f64, bytes: &[u8]) -> Member {
        let layout = layout(SCORE_BYTES + stored_len(bytes.len()));
        // SAFETY: the size is not zero, since there is a score at least.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the allocation is new, aligned for the score, and has room for both parts.
        unsafe {
            start.cast::<f64>().write(score);
            write_string(start.add(SCORE_BYTES).as_ptr(), bytes);
        }
        Member(start)
    }

    /// Frees the member and returns how much memory that was.
    ///
    /// # Safety
    /// The member must be live, and no copy of the pointer may be used afterwards.
    pub(super) unsafe fn free(self) -> usize {
        // SAFETY: live by contract.
        let size = unsafe { self.memory() };
        let layout = layout(size);
        // SAFETY: `allocate` used the same layout: the size class of a size class is itself.
        unsafe { dealloc(self.0.as_ptr(), layout) }
        size
    }

    /// The score.
    ///
    /// # Safety
    /// The member must be live.
    #[inline]
    pub(super) unsafe fn score(self) -> f64 {
        // SAFETY: every live member begins with its aligned score.
        unsafe { self.0.cast::<f64>().read() }
    }

    /// Changes the score.
    ///
    /// # Safety
    /// The member must be live, and nobody else may use it meanwhile.
    #[inline]
    pub(super) unsafe fn set_score(self, score: f64) {
        // SAFETY: as in `score`. References to the bytes do not cover it.
        unsafe { self.0.cast::<f64>().write(score) }
    }

    /// The bytes.
    ///
    /// # Safety
    /// The member must stay alive for `'a`.
    #[inline]
    pub(super) unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: the bytes are behind the score, and stay for `'a` by contract.
        unsafe { read_string(self.0.add(SCORE_BYTES).as_ptr()).0 }
    }

    /// Bytes allocated.
    ///
    /// # Safety
    /// The member must be live.
    pub(super) unsafe fn memory(self) -> usize {
        // SAFETY: by contract.
        let len = unsafe { self.bytes() }.len();
        size_class(SCORE_BYTES + stored_len(len))
    }

    /// Where the member begins, for prefetching.
    #[inline]
    pub(super) fn address(self) -> *const u8 {
        self.0.as_ptr()
    }
}

/// What is allocated for a member that uses this many bytes: all of its size class.
#[inline]
fn layout(used: usize) -> Layout {
    Layout::from_size_align(size_class(used), align_of::<f64>()).expect("lengths are bounded")
}
