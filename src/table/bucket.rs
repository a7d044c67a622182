//! A bucket: one cache line, seven slots.
//!
//! ```text
//! byte    0 … 6      7                    8 … 63
//!         7 tags     overflow:5 len:3     7 slots of 8 bytes
//! ```
//!
//! A slot is a pointer whose upper 16 bits, unused by user space addresses, carry hash bits. With
//! the tag these make up the element's [`Mark`]: 24 bits of its hash. They say where in a segment
//! the element belongs, so an array of buckets is rebuilt at another size without touching a
//! single element, and they filter lookups, so that an element is touched only if it is very
//! probably the one.
//!
//! The eight control bytes fit a general register, and seven tags are compared at once by plain
//! integer arithmetic; vector instructions would save nothing at this width.
//!
//! `overflow` counts the elements that belong in this bucket or an earlier one but had to settle
//! in a later one; a lookup goes on to the next bucket only where it is not zero. At 31 it sticks,
//! since the true count is then unknown, until the array is rebuilt.
//!
//! Invariant: slots `0..len` are occupied, that is, hold a pointer that is not null; the others are
//! not looked at. `push`, `set` and `swap_remove` alone write to slots or the length.

use std::ptr::NonNull;

/// Slots in a bucket.
pub(super) const SLOTS: usize = 7;

const LOW_BITS: u64 = 0x0001_0101_0101_0101;
const HIGH_BITS: u64 = LOW_BITS << 7;
const META_SHIFT: u32 = 56;
const LEN_MASK: u64 = 7 << META_SHIFT;
const OVERFLOW_ONE: u64 = 1 << (META_SHIFT + 3);
const OVERFLOW_STUCK: u64 = 31;

/// User space addresses fit in this many bits on every supported system.
const ADDRESS_BITS: u32 = 48;
const ADDRESS_MASK: usize = (1 << ADDRESS_BITS) - 1;

/// 24 bits of an element's hash, as kept beside the pointer to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark(u32);

impl Mark {
    /// Bits in a mark.
    pub(super) const BITS: u32 = 24;

    /// The mark of `hash` in a segment whose marks begin `anchor` bits down.
    #[inline]
    pub(super) fn new(hash: u64, anchor: u32) -> Mark {
        Mark(((hash << anchor) >> (64 - Mark::BITS)) as u32)
    }

    /// The bits as a number, the most significant hash bit first.
    #[inline]
    pub(super) fn bits(self) -> u32 {
        self.0
    }

    #[inline]
    fn tag(self) -> u8 {
        self.0 as u8
    }

    #[inline]
    fn upper(self) -> u16 {
        (self.0 >> 8) as u16
    }
}

/// A pointer with 16 hash bits on top.
#[derive(Clone, Copy)]
struct Slot(*mut u8);

impl Slot {
    #[inline]
    fn new(pointer: NonNull<u8>, mark: Mark) -> Slot {
        let upper = usize::from(mark.upper()) << ADDRESS_BITS;
        Slot(pointer.as_ptr().map_addr(|address| address | upper))
    }

    #[inline]
    fn upper(self) -> u16 {
        (self.0.addr() >> ADDRESS_BITS) as u16
    }

    /// The pointer that the slot was made from.
    ///
    /// # Safety
    /// The slot must come from [`Slot::new`], with a pointer that [`assert_fits`].
    #[inline]
    unsafe fn element(self) -> NonNull<u8> {
        let pointer = self.0.map_addr(|address| address & ADDRESS_MASK);
        // SAFETY: a pointer within 48 bits went in, which is not null; the mask takes away exactly
        // what was added to it.
        unsafe { NonNull::new_unchecked(pointer) }
    }
}

/// Seven slots and their control bytes. All zeroes is an empty bucket.
#[repr(C, align(64))]
pub(super) struct Bucket {
    control: u64,
    slots: [Slot; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    /// So many empty buckets.
    pub(super) fn empty_many(n: usize) -> Box<[Bucket]> {
        // SAFETY: zeroes are an empty bucket: a number and null pointers.
        unsafe { Box::new_zeroed_slice(n).assume_init() }
    }

    /// Elements that live here.
    #[inline]
    pub(super) fn len(&self) -> usize {
        ((self.control & LEN_MASK) >> META_SHIFT) as usize
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.control & LEN_MASK == LEN_MASK
    }

    /// Whether an element that belongs here or before may live in a later bucket.
    #[inline]
    pub(super) fn overflows(&self) -> bool {
        self.control >= OVERFLOW_ONE
    }

    #[inline]
    fn overflow(&self) -> u64 {
        self.control >> (META_SHIFT + 3)
    }

    /// Counts an element that passes this full bucket by.
    #[inline]
    pub(super) fn note_overflow(&mut self) {
        if self.overflow() < OVERFLOW_STUCK {
            self.control += OVERFLOW_ONE;
        }
    }

    /// Takes back [`Bucket::note_overflow`] when that element leaves.
    #[inline]
    pub(super) fn forget_overflow(&mut self) {
        debug_assert!(self.overflows());
        if self.overflow() < OVERFLOW_STUCK {
            self.control -= OVERFLOW_ONE;
        }
    }

    /// The occupied slots whose mark equals `mark`, with their elements.
    #[inline]
    pub(super) fn matches(&self, mark: Mark) -> Matches<'_> {
        // A byte that equals the tag becomes zero; subtracting one borrows into its top bit. The
        // borrow may run on into higher bytes and report slots that do not match. The comparison
        // of the upper bits sorts those out together with true collisions of tags.
        let difference = self.control ^ (LOW_BITS * u64::from(mark.tag()));
        let zeroes = difference.wrapping_sub(LOW_BITS) & !difference & HIGH_BITS;
        let occupied = (1u64 << (self.len() * 8)) - 1;
        Matches {
            bucket: self,
            mark,
            candidates: zeroes & occupied,
        }
    }

    /// The element in the occupied slot `index`.
    #[inline]
    pub(super) fn get(&self, index: usize) -> NonNull<u8> {
        assert!(index < self.len());
        // SAFETY: the slot is occupied.
        unsafe { self.slots[index].element() }
    }

    /// The mark of the element in the occupied slot `index`.
    #[inline]
    pub(super) fn mark(&self, index: usize) -> Mark {
        debug_assert!(index < self.len());
        let tag = (self.control >> (index * 8)) as u8;
        Mark(u32::from(self.slots[index].upper()) << 8 | u32::from(tag))
    }

    /// Puts another element into the occupied slot `index`; the mark stays.
    #[inline]
    pub(super) fn set(&mut self, index: usize, pointer: NonNull<u8>) {
        assert_fits(pointer);
        assert!(index < self.len());
        self.slots[index] = Slot::new(pointer, self.mark(index));
    }

    /// Adds an element. The bucket must not be full.
    #[inline]
    pub(super) fn push(&mut self, mark: Mark, pointer: NonNull<u8>) {
        assert_fits(pointer);
        assert!(!self.is_full());
        let index = self.len();
        self.slots[index] = Slot::new(pointer, mark);
        self.put_tag(index, mark.tag());
        self.control += 1 << META_SHIFT;
    }

    /// Removes the element in slot `index`; the last one takes its place.
    #[inline]
    pub(super) fn swap_remove(&mut self, index: usize) {
        assert!(index < self.len());
        let last = self.len() - 1;
        self.slots[index] = self.slots[last];
        self.put_tag(index, (self.control >> (last * 8)) as u8);
        self.control -= 1 << META_SHIFT;
    }

    #[inline]
    fn put_tag(&mut self, index: usize, tag: u8) {
        let shift = index * 8;
        self.control = self.control & !(0xff << shift) | u64::from(tag) << shift;
    }
}

/// A wider address would lose bits in the slot; better to stop than to corrupt.
#[inline]
fn assert_fits(pointer: NonNull<u8>) {
    assert!(
        pointer.addr().get() <= ADDRESS_MASK,
        "an address beyond 48 bits"
    );
}

/// See [`Bucket::matches`].
pub(super) struct Matches<'a> {
    bucket: &'a Bucket,
    mark: Mark,
    /// The top bit of the byte of each occupied slot that is still to be looked at.
    candidates: u64,
}

impl Iterator for Matches<'_> {
    type Item = (usize, NonNull<u8>);

    #[inline]
    fn next(&mut self) -> Option<(usize, NonNull<u8>)> {
        while self.candidates != 0 {
            let index = (self.candidates.trailing_zeros() / 8) as usize;
            self.candidates &= self.candidates - 1;
            if self.bucket.mark(index) == self.mark {
                // SAFETY: candidates are among the occupied slots, see `matches`; while `self`
                // borrows the bucket, they stay so.
                return Some((index, unsafe { self.bucket.slots[index].element() }));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn a_slot_that_is_not_occupied_is_refused_by_all_that_would_hand_it_out() {
        for len in 0..=SLOTS {
            let filled = move || {
                let mut bucket = Bucket::empty_many(1);
                for slot in 0..len {
                    bucket[0].push(Mark::new(slot as u64, 0), NonNull::dangling());
                }
                bucket
            };
            for index in len..=SLOTS {
                assert!(catch_unwind(|| filled()[0].get(index)).is_err());
                assert!(catch_unwind(|| filled()[0].set(index, NonNull::dangling())).is_err());
                assert!(catch_unwind(|| filled()[0].swap_remove(index)).is_err());
            }
        }
        let mut full = Bucket::empty_many(1);
        (0..SLOTS).for_each(|_| full[0].push(Mark::new(0, 0), NonNull::dangling()));
        assert_eq!(full[0].matches(Mark::new(0, 0)).count(), SLOTS);
        assert!(catch_unwind(move || full[0].push(Mark::new(0, 0), NonNull::dangling())).is_err());
    }
}
