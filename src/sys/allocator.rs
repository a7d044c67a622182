//! The global allocator: jemalloc with an 8-byte quantum.
//!
//! The finer quantum gives size classes such as 24, 40 and 56, which is what most entries are. The
//! price is that a class is only sure to be aligned to 8 bytes. The ready-made adaptor of the
//! `tikv-jemallocator` crate takes 16 for granted (every build with the usual quantum has it) and
//! would hand out misaligned memory for types that need it, hash tables read with vector
//! instructions above all. This adaptor sees to the alignment whenever it is more than 8: for 16 it
//! rounds the size up, since all classes from a multiple of 16 on are multiples of it; beyond that
//! it asks for it, which takes a slower way through jemalloc.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_int;

use tikv_jemalloc_sys as jemalloc;

/// What a class is aligned to if it is the one of a multiple of this. Any other class is aligned to
/// the quantum that `.cargo/config.toml` sets, 8 bytes.
const ROUNDED: usize = 16;

/// jemalloc as the global allocator.
pub struct Allocator;

/// The flags that ask for an alignment; none where the class has it.
#[inline(always)]
fn flags(layout: Layout) -> c_int {
    if layout.align() <= ROUNDED {
        0
    } else {
        jemalloc::MALLOCX_ALIGN(layout.align())
    }
}

/// The size to ask for, so that the class has an alignment that no flag asks for. The size of a
/// layout leaves room for that.
#[inline(always)]
fn rounded(size: usize, align: usize) -> usize {
    match align {
        ROUNDED => size.next_multiple_of(ROUNDED),
        _ => size,
    }
}

// SAFETY: jemalloc returns null or memory that is exclusively ours, of the size asked for, aligned
// to the flags or else to the quantum, or to `ROUNDED` if the size is a multiple of that. Flags and
// size for a layout are always the same, so memory is given back with those it was taken with.
// Nothing here unwinds.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero, by the contract of `alloc`.
        let memory = unsafe {
            match flags(layout) {
                0 => jemalloc::malloc(rounded(layout.size(), layout.align())),
                flags => jemalloc::mallocx(layout.size(), flags),
            }
        };
        memory.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let memory = unsafe {
            match flags(layout) {
                0 => jemalloc::calloc(1, rounded(layout.size(), layout.align())),
                flags => jemalloc::mallocx(layout.size(), flags | jemalloc::MALLOCX_ZERO),
            }
        };
        memory.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: by contract the memory came from us, for this layout.
        unsafe {
            let size = rounded(layout.size(), layout.align());
            jemalloc::sdallocx(memory.cast(), size, flags(layout));
        }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: by contract the memory came from us, and the new size is not zero.
        let memory = unsafe {
            match flags(layout) {
                0 => jemalloc::realloc(memory.cast(), rounded(new_size, layout.align())),
                flags => jemalloc::rallocx(memory.cast(), new_size, flags),
            }
        };
        memory.cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_as_asked_whatever_the_size() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            let held: Vec<_> = (1..400)
                .map(|size| {
                    let layout = Layout::from_size_align(size, align).unwrap();
                    // SAFETY: the size is not zero.
                    let memory = unsafe { Allocator.alloc(layout) };
                    assert!(!memory.is_null() && memory.addr() % align == 0);
                    (memory, layout)
                })
                .collect();
            for (memory, layout) in held {
                // SAFETY: it came from `alloc` with this layout, and is freed at its new size.
                unsafe {
                    let grown = Allocator.realloc(memory, layout, layout.size() + 40);
                    assert!(!grown.is_null() && grown.addr() % align == 0);
                    let layout = Layout::from_size_align(layout.size() + 40, align).unwrap();
                    Allocator.dealloc(grown, layout);
                }
            }
        }
    }

    #[test]
    fn the_quantum_is_what_entries_count_on() {
        for size in [8usize, 24, 40, 56] {
            // SAFETY: a question about a size that is not zero.
            assert_eq!(unsafe { jemalloc::nallocx(size, 0) }, size);
        }
    }
}
