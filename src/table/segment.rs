//! A segment: the buckets that serve one interval of the hash space.
//!
//! A segment of depth `d` holds the elements whose hashes share one prefix of `d` bits. The bits
//! after the prefix are the element's *position*, and its home bucket is `position * buckets >> 24`
//! (a multiplication instead of a mask, so any number of buckets will do). Homes rise with the
//! hash; SCAN lives on that. An element that finds its home full settles in the next bucket with
//! room, wrapping around at the end of the segment.
//!
//! Positions are taken from the marks kept beside the pointers. A mark begins at bit `anchor` of
//! the hash; after a split both halves may go on with their old marks, whose first bit has become
//! part of the prefix. `lag` counts the bits lost that way (`depth = anchor + lag`); at
//! [`LAG_MAX`] the marks are made anew from the elements, and have all their 24 bits again.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use super::bucket::{Bucket, Mark, SLOTS};
use crate::sys::prefetch::prefetch;

/// The most position bits that marks may have lost to the prefix. The 20 that are left still tell
/// buckets apart with ease, and the elements of one bucket mostly. Only one split in five has to
/// touch its elements.
pub(super) const LAG_MAX: u32 = 4;

/// Buckets a segment grows to before it is split instead: 14 KiB, the largest size that jemalloc
/// packs without padding, and small enough that no step is long. Unit tests go deep with few
/// elements instead.
pub(super) const BUCKETS_MAX: u32 = if cfg!(test) { 16 } else { 224 };

/// The buckets of one interval of the hash space. A plain copyable record: the directory holds
/// several copies of it, and the table that owns the directory frees the array.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    buckets: NonNull<Bucket>,
    n_buckets: u32,
    /// Where marks begin in the hash.
    anchor: u8,
    /// How many bits of the marks belong to the prefix by now.
    lag: u8,
}

/// Where an element lives in a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seat {
    pub(super) bucket: u32,
    pub(super) slot: u32,
}

impl Segment {
    /// An empty segment of `n_buckets`, with fresh marks at `depth`.
    pub(super) fn allocate(n_buckets: u32, anchor: u32, lag: u32) -> Segment {
        assert!(n_buckets > 0 && lag <= LAG_MAX);
        let layout = Segment::layout(n_buckets);
        // SAFETY: the layout is not empty.
        let raw = unsafe { alloc_zeroed(layout) };
        let Some(buckets) = NonNull::new(raw.cast::<Bucket>()) else {
            handle_alloc_error(layout)
        };
        Segment {
            buckets,
            n_buckets,
            anchor: anchor as u8,
            lag: lag as u8,
        }
    }

    /// A segment with room to grow around these elements.
    pub(super) fn filled(anchor: u32, lag: u32, elements: &[(Mark, NonNull<u8>)]) -> Segment {
        let mut segment = Segment::allocate(fitting_size(elements.len()), anchor, lag);
        for &(mark, pointer) in elements {
            segment.seat(mark, pointer);
        }
        segment
    }

    fn layout(n_buckets: u32) -> Layout {
        Layout::array::<Bucket>(n_buckets as usize).expect("bucket arrays are small")
    }

    /// Gives the buckets back.
    ///
    /// # Safety
    /// No copy of this record may be used afterwards.
    pub(super) unsafe fn free(self) {
        let layout = Segment::layout(self.n_buckets);
        // SAFETY: allocated in `allocate` with the same layout, and by contract for the last time.
        unsafe { dealloc(self.buckets.as_ptr().cast(), layout) }
    }

    #[inline]
    pub(super) fn n_buckets(&self) -> u32 {
        self.n_buckets
    }

    /// Bits of hash prefix that the elements share.
    #[inline]
    pub(super) fn depth(&self) -> u32 {
        self.anchor() + self.lag()
    }

    #[inline]
    pub(super) fn anchor(&self) -> u32 {
        u32::from(self.anchor)
    }

    #[inline]
    pub(super) fn lag(&self) -> u32 {
        u32::from(self.lag)
    }

    /// The mark that an element of this hash has here.
    #[inline]
    pub(super) fn mark(&self, hash: u64) -> Mark {
        Mark::new(hash, self.anchor())
    }

    /// The position of a mark: its bits behind the prefix, as the upper part of 24.
    #[inline]
    pub(super) fn position(&self, mark: Mark) -> u32 {
        (mark.bits() << self.lag) & ((1 << Mark::BITS) - 1)
    }

    /// The bucket where elements of this position belong.
    #[inline]
    pub(super) fn home_of_position(&self, position: u32) -> u32 {
        ((u64::from(position) * u64::from(self.n_buckets)) >> Mark::BITS) as u32
    }

    /// The bucket where elements of this mark belong.
    #[inline]
    pub(super) fn home(&self, mark: Mark) -> u32 {
        self.home_of_position(self.position(mark))
    }

    /// The first position whose home is `bucket` or later; `1 << 24` if there is none.
    pub(super) fn first_position(&self, bucket: u32) -> u32 {
        let exact = (u64::from(bucket) << Mark::BITS).div_ceil(u64::from(self.n_buckets));
        (exact as u32).next_multiple_of(1 << self.lag)
    }

    #[inline]
    pub(super) fn bucket(&self, index: u32) -> &Bucket {
        debug_assert!(index < self.n_buckets);
        // SAFETY: the index is within the allocation, whose zeroes are valid buckets. The record
        // is live (see `free`), and nobody has a mutable reference while `self` is borrowed from
        // the table.
        unsafe { self.buckets.add(index as usize).as_ref() }
    }

    #[inline]
    pub(super) fn bucket_mut(&mut self, index: u32) -> &mut Bucket {
        debug_assert!(index < self.n_buckets);
        // SAFETY: as in `bucket`; the table lends segments mutably only while it is borrowed
        // mutably itself, so no other reference to a bucket is alive.
        unsafe { self.buckets.add(index as usize).as_mut() }
    }

    /// The address of a mark's home bucket, for prefetching.
    #[inline]
    pub(super) fn home_address(&self, mark: Mark) -> *const u8 {
        let home = self.home(mark) as usize;
        self.buckets.as_ptr().wrapping_add(home).cast()
    }

    #[inline]
    fn after(&self, bucket: u32) -> u32 {
        if bucket + 1 == self.n_buckets {
            0
        } else {
            bucket + 1
        }
    }

    /// The buckets that may hold elements at home in `home`, in probing order: the home itself,
    /// and on for as long as the buckets overflow, once around at most.
    #[inline]
    pub(super) fn probe(&self, home: u32) -> Probe<'_> {
        Probe {
            segment: self,
            next: home,
            left: self.n_buckets,
        }
    }

    /// The element with this mark for which `is_it` holds, and its seat.
    #[inline]
    pub(super) fn find(
        &self,
        mark: Mark,
        mut is_it: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<(Seat, NonNull<u8>)> {
        for (index, bucket) in self.probe(self.home(mark)) {
            for slot in bucket.matches(mark) {
                let pointer = bucket.get(slot);
                if is_it(pointer) {
                    let slot = slot as u32;
                    let seat = Seat {
                        bucket: index,
                        slot,
                    };
                    return Some((seat, pointer));
                }
            }
        }
        None
    }

    /// Seats an element. There must be a free slot somewhere.
    #[inline]
    pub(super) fn seat(&mut self, mark: Mark, pointer: NonNull<u8>) -> Seat {
        let mut index = self.home(mark);
        loop {
            let bucket = self.bucket_mut(index);
            if !bucket.is_full() {
                let slot = bucket.push(mark, pointer) as u32;
                return Seat {
                    bucket: index,
                    slot,
                };
            }
            bucket.note_overflow();
            index = self.after(index);
        }
    }

    /// Empties a seat.
    pub(super) fn unseat(&mut self, seat: Seat) {
        let mark = self.bucket(seat.bucket).mark(seat.slot as usize);
        let mut index = self.home(mark);
        while index != seat.bucket {
            self.bucket_mut(index).forget_overflow();
            index = self.after(index);
        }
        self.bucket_mut(seat.bucket).swap_remove(seat.slot as usize);
    }

    /// Everything in the segment, bucket by bucket.
    pub(super) fn elements(&self) -> impl Iterator<Item = (Mark, NonNull<u8>)> + '_ {
        (0..self.n_buckets).flat_map(|index| {
            let bucket = self.bucket(index);
            (0..bucket.len()).map(|slot| (bucket.mark(slot), bucket.get(slot)))
        })
    }

    /// Everything in the segment with its hash computed anew. The elements are touched, so their
    /// lines are asked for some way ahead.
    pub(super) fn rehashed(&self, hash_of: &dyn Fn(NonNull<u8>) -> u64) -> Vec<(u64, NonNull<u8>)> {
        const AHEAD: usize = 16;
        let pointers: Vec<_> = self.elements().map(|(_, pointer)| pointer).collect();
        let hash_one = |(index, &pointer): (usize, &NonNull<u8>)| {
            if let Some(later) = pointers.get(index + AHEAD) {
                prefetch(later.as_ptr());
            }
            (hash_of(pointer), pointer)
        };
        pointers.iter().enumerate().map(hash_one).collect()
    }
}

/// See [`Segment::probe`].
pub(super) struct Probe<'a> {
    segment: &'a Segment,
    next: u32,
    /// Buckets that may still follow; zero once one did not overflow.
    left: u32,
}

impl<'a> Iterator for Probe<'a> {
    type Item = (u32, &'a Bucket);

    #[inline]
    fn next(&mut self) -> Option<(u32, &'a Bucket)> {
        if self.left == 0 {
            return None;
        }
        let index = self.next;
        let bucket = self.segment.bucket(index);
        self.left = if bucket.overflows() { self.left - 1 } else { 0 };
        self.next = self.segment.after(index);
        Some((index, bucket))
    }
}

/// Elements that `n_buckets` hold before they are replaced by more: seven eighths of the slots.
/// A single bucket may be full.
pub(super) fn comfortable(n_buckets: u32) -> usize {
    let slots = n_buckets as usize * SLOTS;
    if n_buckets == 1 {
        slots
    } else {
        slots - slots.div_ceil(8)
    }
}

/// Elements that `n_buckets` hold at the utmost, where growth is to be put off.
pub(super) fn crammed(n_buckets: u32) -> usize {
    let slots = n_buckets as usize * SLOTS;
    if n_buckets == 1 {
        slots
    } else {
        slots - slots.div_ceil(32)
    }
}

/// Below this many elements, `n_buckets` are replaced by fewer.
pub(super) fn sparse(n_buckets: u32) -> usize {
    n_buckets as usize * SLOTS * 3 / 8
}

/// The next number of buckets that fills a size class of the allocator exactly.
pub(super) fn next_size(n_buckets: u32) -> u32 {
    let next = n_buckets + 1;
    let step = 1 << n_buckets.ilog2().saturating_sub(2);
    next.next_multiple_of(step)
}

/// The number of buckets for `len` elements with an eighth of room to grow.
pub(super) fn fitting_size(len: usize) -> u32 {
    let wanted = len + len / 8;
    let mut n_buckets = 1;
    while comfortable(n_buckets) < wanted {
        n_buckets = next_size(n_buckets);
    }
    n_buckets
}
