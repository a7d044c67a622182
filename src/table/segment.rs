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
//!
//! A [`Segment`] comes in three kinds, by how it has its buckets: [`Owned`], [`Shared`] and
//! [`Exclusive`]. The table's directory owns segments and lends them.

use std::ops::{Deref, DerefMut};
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

/// The buckets of one interval of the hash space.
pub(super) struct Segment<B> {
    /// At least one.
    buckets: B,
    /// Where marks begin in the hash.
    anchor: u8,
    /// How many bits of the marks belong to the prefix by now.
    lag: u8,
}

/// A segment that owns its buckets.
pub(super) type Owned = Segment<Box<[Bucket]>>;

/// A segment for reading.
pub(super) type Shared<'a> = Segment<&'a [Bucket]>;

/// A segment for reading and writing.
pub(super) type Exclusive<'a> = Segment<&'a mut [Bucket]>;

/// Where an element lives in a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seat {
    pub(super) bucket: u32,
    pub(super) slot: u32,
}

impl Owned {
    /// An empty segment of `n_buckets`.
    pub(super) fn empty(n_buckets: u32, anchor: u32, lag: u32) -> Owned {
        assert!(n_buckets > 0 && lag <= LAG_MAX);
        Segment {
            buckets: Bucket::empty_many(n_buckets as usize),
            anchor: anchor as u8,
            lag: lag as u8,
        }
    }

    /// A segment with room to grow around these elements.
    pub(super) fn filled(anchor: u32, lag: u32, elements: &[(Mark, NonNull<u8>)]) -> Owned {
        let mut segment = Segment::empty(fitting_size(elements.len()), anchor, lag);
        for &(mark, pointer) in elements {
            segment.seat(mark, pointer);
        }
        segment
    }
}

impl<B> Segment<B> {
    /// The segment of these buckets, of which there is at least one.
    #[inline]
    pub(super) fn from_parts(buckets: B, anchor: u8, lag: u8) -> Segment<B> {
        Segment {
            buckets,
            anchor,
            lag,
        }
    }

    /// The buckets, and what was given to [`Segment::from_parts`] beside them.
    pub(super) fn into_parts(self) -> (B, u8, u8) {
        (self.buckets, self.anchor, self.lag)
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
}

impl<B: Deref<Target = [Bucket]>> Segment<B> {
    #[inline]
    pub(super) fn n_buckets(&self) -> u32 {
        self.buckets.len() as u32
    }

    /// The bucket where elements of this position belong.
    #[inline]
    pub(super) fn home_of_position(&self, position: u32) -> u32 {
        ((u64::from(position) * u64::from(self.n_buckets())) >> Mark::BITS) as u32
    }

    /// The bucket where elements of this mark belong.
    #[inline]
    pub(super) fn home(&self, mark: Mark) -> u32 {
        self.home_of_position(self.position(mark))
    }

    /// The first position whose home is `bucket` or later; `1 << 24` if there is none.
    pub(super) fn first_position(&self, bucket: u32) -> u32 {
        let exact = (u64::from(bucket) << Mark::BITS).div_ceil(u64::from(self.n_buckets()));
        (exact as u32).next_multiple_of(1 << self.lag)
    }

    #[inline]
    pub(super) fn bucket(&self, index: u32) -> &Bucket {
        &self.buckets[index as usize]
    }

    /// The address of a mark's home bucket, for prefetching.
    #[inline]
    pub(super) fn home_address(&self, mark: Mark) -> *const u8 {
        let home = self.home(mark) as usize;
        self.buckets.as_ptr().wrapping_add(home).cast()
    }

    /// Visits the buckets that may hold elements at home in `home`, in probing order, until `visit`
    /// gives something: the home itself, and on for as long as the buckets overflow, once around
    /// at most.
    #[inline]
    pub(super) fn probe<T>(
        &self,
        home: u32,
        mut visit: impl FnMut(usize, &Bucket) -> Option<T>,
    ) -> Option<T> {
        let (buckets, home): (&[Bucket], usize) = (&self.buckets, home as usize);
        let mut index = home;
        loop {
            let bucket = &buckets[index];
            let given = visit(index, bucket);
            if given.is_some() || !bucket.overflows() {
                return given;
            }
            index = after(index, buckets.len());
            if index == home {
                return None;
            }
        }
    }

    /// The element with this mark for which `is_it` holds, and its seat.
    #[inline]
    pub(super) fn find(
        &self,
        mark: Mark,
        mut is_it: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<(Seat, NonNull<u8>)> {
        self.probe(self.home(mark), |index, bucket| {
            let (slot, pointer) = bucket.matches(mark).find(|(_, pointer)| is_it(*pointer))?;
            let (bucket, slot) = (index as u32, slot as u32);
            Some((Seat { bucket, slot }, pointer))
        })
    }

    /// Everything in the segment, bucket by bucket.
    pub(super) fn elements(&self) -> impl Iterator<Item = (Mark, NonNull<u8>)> + '_ {
        self.buckets
            .iter()
            .flat_map(|bucket| (0..bucket.len()).map(|slot| (bucket.mark(slot), bucket.get(slot))))
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

impl<B: DerefMut<Target = [Bucket]>> Segment<B> {
    /// Seats an element. There must be a free slot somewhere.
    #[inline]
    pub(super) fn seat(&mut self, mark: Mark, pointer: NonNull<u8>) {
        let mut index = self.home(mark) as usize;
        loop {
            let bucket = &mut self.buckets[index];
            if !bucket.is_full() {
                bucket.push(mark, pointer);
                return;
            }
            bucket.note_overflow();
            index = after(index, self.buckets.len());
        }
    }

    /// Puts another element into a seat that is taken; the mark stays.
    #[inline]
    pub(super) fn set(&mut self, seat: Seat, pointer: NonNull<u8>) {
        self.buckets[seat.bucket as usize].set(seat.slot as usize, pointer);
    }

    /// Empties a seat that is taken, and returns the element that had it.
    pub(super) fn unseat(&mut self, seat: Seat) -> NonNull<u8> {
        let bucket = self.bucket(seat.bucket);
        let pointer = bucket.get(seat.slot as usize);
        let mark = bucket.mark(seat.slot as usize);
        let (mut index, seated) = (self.home(mark) as usize, seat.bucket as usize);
        while index != seated {
            self.buckets[index].forget_overflow();
            index = after(index, self.buckets.len());
        }
        self.buckets[seated].swap_remove(seat.slot as usize);
        pointer
    }
}

/// The bucket that follows another in probing order.
#[inline]
fn after(bucket: usize, n_buckets: usize) -> usize {
    if bucket + 1 == n_buckets {
        0
    } else {
        bucket + 1
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
