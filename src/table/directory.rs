//! The directory: it owns the segments of a table, and finds the one that a hash belongs to.
//!
//! A hash's first `global_depth` bits are its *place*. A segment of depth `d` serves a run of
//! `1 << (global_depth - d)` places, and each of them has a record of it, so that a lookup comes
//! from a hash to a bucket by two loads: the record, and the bucket.
//!
//! Several records of one segment are several pointers to the same buckets. That is why this file
//! has unsafe code, and why records never leave it: what it lends, it lends for as long as the
//! directory is borrowed, and for writing only one segment at a time.
//!
//! Invariants:
//!
//! * There are no places, or `1 << global_depth` of them.
//! * They consist of runs, each aligned to its length, whose records are equal and tell the depth
//!   that goes with that length.
//! * Each run owns the boxed slice of buckets that its records describe; no two runs describe the
//!   same one.

use std::mem;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::slice;

use super::bucket::Bucket;
use super::segment::{Exclusive, Owned, Segment, Shared};

/// A segment, as each of its places has it.
#[derive(Clone, Copy)]
struct Record {
    buckets: NonNull<Bucket>,
    n_buckets: u32,
    anchor: u8,
    lag: u8,
}

const _: () = assert!(size_of::<Record>() == 16);

/// See the head of the file.
pub(super) struct Directory {
    places: Vec<Record>,
    /// Elements in the segment, at the first place of each run; unused at the others.
    lens: Vec<u32>,
    global_depth: u32,
    /// Segments whose depth is `global_depth`; when none is left the directory halves.
    deepest: usize,
    /// In all segments.
    n_buckets: usize,
}

// SAFETY: the directory owns its buckets like a vector does, and hands them to nobody. What the
// pointers in the buckets lead to is up to the typed table over this one.
unsafe impl Send for Directory {}

impl Record {
    /// The depth of the segment.
    #[inline]
    fn depth(self) -> u32 {
        u32::from(self.anchor) + u32::from(self.lag)
    }

    /// What a run becomes the owner of.
    fn of(segment: Owned) -> Record {
        let (buckets, anchor, lag) = segment.into_parts();
        let n_buckets = u32::try_from(buckets.len()).expect("segments are small");
        // SAFETY: a box is never null.
        let buckets = unsafe { NonNull::new_unchecked(Box::into_raw(buckets).cast()) };
        Record {
            buckets,
            n_buckets,
            anchor,
            lag,
        }
    }

    /// Takes back the segment that [`Record::of`] was given.
    ///
    /// # Safety
    /// No record of this segment may be used any more, and nothing that was lent of it.
    unsafe fn into_owned(self) -> Owned {
        let buckets = ptr::slice_from_raw_parts_mut(self.buckets.as_ptr(), self.n_buckets as usize);
        // SAFETY: `of` took the pointer and the length from a box, which by contract is nobody
        // else's now.
        let buckets = unsafe { Box::from_raw(buckets) };
        Segment::from_parts(buckets, self.anchor, self.lag)
    }
}

impl Directory {
    pub(super) const fn new() -> Directory {
        Directory {
            places: Vec::new(),
            lens: Vec::new(),
            global_depth: 0,
            deepest: 0,
            n_buckets: 0,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many places there are.
    #[inline]
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    #[inline]
    pub(super) fn global_depth(&self) -> u32 {
        self.global_depth
    }

    /// Buckets of all segments.
    pub(super) fn n_buckets(&self) -> usize {
        self.n_buckets
    }

    /// Bytes allocated for buckets and places.
    pub(super) fn memory(&self) -> usize {
        self.n_buckets * size_of::<Bucket>()
            + self.places.capacity() * size_of::<Record>()
            + self.lens.capacity() * size_of::<u32>()
    }

    /// The place of a hash, if there are places.
    #[inline]
    pub(super) fn place_of(&self, hash: u64) -> usize {
        // In two steps, since a shift by 64 is not defined.
        (hash >> 1 >> (63 - self.global_depth)) as usize
    }

    /// The segment that serves a place.
    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<Shared<'_>> {
        let record = self.places.get(place)?;
        // SAFETY: the record describes a boxed slice that a run of ours owns. It is written to
        // through `&mut self` only, which there is none of while the result borrows `self`.
        let buckets =
            unsafe { slice::from_raw_parts(record.buckets.as_ptr(), record.n_buckets as usize) };
        Some(Segment::from_parts(buckets, record.anchor, record.lag))
    }

    /// The segment that serves a place, which must exist.
    #[inline]
    pub(super) fn segment(&self, place: usize) -> Shared<'_> {
        self.get(place).expect("a place of the directory")
    }

    /// The segment that serves a place, which must exist, for writing.
    #[inline]
    pub(super) fn segment_mut(&mut self, place: usize) -> Exclusive<'_> {
        let record = self.places[place];
        // SAFETY: as in `get`. The result borrows `self` mutably, so that nothing else is lent of
        // this segment meanwhile, by way of whichever record.
        let buckets = unsafe {
            slice::from_raw_parts_mut(record.buckets.as_ptr(), record.n_buckets as usize)
        };
        Segment::from_parts(buckets, record.anchor, record.lag)
    }

    /// The run of places that the segment at `place` serves.
    #[inline]
    pub(super) fn run(&self, place: usize) -> Range<usize> {
        let len = 1 << (self.global_depth - self.places[place].depth());
        let start = place & !(len - 1);
        start..start + len
    }

    /// How many elements are in the segment whose run begins at `first`. The table keeps count.
    #[inline]
    pub(super) fn len(&self, first: usize) -> usize {
        self.lens[first] as usize
    }

    /// The count behind [`Directory::len`].
    #[inline]
    pub(super) fn len_mut(&mut self, first: usize) -> &mut u32 {
        &mut self.lens[first]
    }

    /// Counts one more element in the segment that serves a hash, and lends it for seating that
    /// one, unless there are as many in it as `limit` allows to that number of buckets. There must
    /// be places.
    #[inline]
    pub(super) fn admit(
        &mut self,
        hash: u64,
        limit: impl FnOnce(u32) -> usize,
    ) -> Option<Exclusive<'_>> {
        let place = self.place_of(hash);
        let first = self.run(place).start;
        let len = &mut self.lens[first];
        if *len as usize >= limit(self.places[place].n_buckets) {
            return None;
        }
        *len += 1;
        Some(self.segment_mut(place))
    }

    /// Lays out `1 << depth` empty segments in an empty directory.
    pub(super) fn start(&mut self, depth: u32, n_buckets: u32) {
        assert!(self.is_empty());
        let places = 1usize << depth;
        let empty = |_| Record::of(Segment::empty(n_buckets, depth, 0));
        self.places = (0..places).map(empty).collect();
        self.lens = vec![0; places];
        self.global_depth = depth;
        self.deepest = places;
        self.n_buckets = places * n_buckets as usize;
    }

    /// Puts a segment of the same depth and with the same elements in the place of another.
    pub(super) fn replace(&mut self, place: usize, segment: Owned) {
        let run = self.run(place);
        assert!(segment.depth() == self.places[place].depth());
        let old = self.places[run.start];
        self.fill(run, segment);
        // SAFETY: the run has been filled with another.
        unsafe { self.release(old) }
    }

    /// Puts two segments of the next depth, and so many elements, in the place of one.
    pub(super) fn split(&mut self, place: usize, halves: [(Owned, usize); 2]) {
        let mut run = self.run(place);
        let depth = self.places[place].depth() + 1;
        assert!(halves.iter().all(|(half, _)| half.depth() == depth));
        if run.len() == 1 {
            self.double();
            run = run.start * 2..run.end * 2;
        }
        let old = self.places[run.start];
        let middle = run.start + run.len() / 2;
        let runs = [run.start..middle, middle..run.end];
        for (run, (segment, len)) in runs.into_iter().zip(halves) {
            self.lens[run.start] = len as u32;
            self.fill(run, segment);
        }
        if depth == self.global_depth {
            self.deepest += 2;
        }
        // SAFETY: both halves of the run have been filled with others.
        unsafe { self.release(old) }
    }

    /// The first place of the segment that one whose run begins at `first` can merge with: that
    /// which has all but the last bit of its prefix in common. None if there is no such segment.
    pub(super) fn sibling(&self, first: usize) -> Option<usize> {
        let depth = self.places[first].depth();
        let sibling = self.run(first).start ^ self.run(first).len();
        (depth > 0 && self.places[sibling].depth() == depth).then_some(sibling)
    }

    /// Puts one segment, and so many elements, in the place of one that begins at `first` and its
    /// sibling, which must exist.
    pub(super) fn merge(&mut self, first: usize, merged: Owned, len: usize) {
        let sibling = self.sibling(first).expect("callers have looked");
        let depth = self.places[first].depth();
        assert!(merged.depth() + 1 == depth);
        let olds = [self.places[first], self.places[sibling]];
        let half = self.run(first);
        let start = half.start & sibling;
        self.lens[start] = len as u32;
        self.fill(start..start + 2 * half.len(), merged);
        for old in olds {
            // SAFETY: the runs of both, which are different ones, have been filled with another.
            unsafe { self.release(old) }
        }
        if depth == self.global_depth {
            self.deepest -= 2;
            self.halve();
        }
    }

    /// Gives all segments up.
    pub(super) fn clear(&mut self) {
        let places = mem::take(&mut self.places);
        let mut first = 0;
        while let Some(record) = places.get(first) {
            // SAFETY: the places are no longer ours, and each run is looked at once.
            unsafe { self.release(*record) }
            first += 1 << (self.global_depth - record.depth());
        }
        self.lens = Vec::new();
        self.global_depth = 0;
        self.deepest = 0;
    }

    /// Gives a segment to a run of places. The caller has what they were the owner of.
    fn fill(&mut self, run: Range<usize>, segment: Owned) {
        self.n_buckets += segment.n_buckets() as usize;
        self.places[run].fill(Record::of(segment));
    }

    /// Frees a segment.
    ///
    /// # Safety
    /// The segment was in a run of ours, and no place has it any more.
    unsafe fn release(&mut self, record: Record) {
        self.n_buckets -= record.n_buckets as usize;
        // SAFETY: by contract only the caller's records are left, and nothing is lent while `self`
        // is borrowed mutably.
        drop(unsafe { record.into_owned() });
    }

    /// Doubles the number of places.
    fn double(&mut self) {
        let twice = |record: &Record| [*record; 2];
        self.places = self.places.iter().flat_map(twice).collect();
        self.lens = self.lens.iter().flat_map(|&len| [len, 0]).collect();
        self.global_depth += 1;
        self.deepest = 0;
    }

    /// Halves the number of places for as long as no segment needs its full depth.
    fn halve(&mut self) {
        while self.deepest == 0 && self.global_depth > 0 {
            self.places = self.places.iter().step_by(2).copied().collect();
            self.lens = self.lens.iter().step_by(2).copied().collect();
            self.global_depth -= 1;
            let is_deepest = |record: &&Record| record.depth() == self.global_depth;
            self.deepest = self.places.iter().filter(is_deepest).count();
        }
    }
}

#[cfg(test)]
impl Directory {
    /// Panics unless the figures are right and each run's records agree.
    pub(super) fn check_invariants(&self) {
        let (mut n_buckets, mut deepest, mut place) = (0, 0, 0);
        while place < self.places.len() {
            let (run, record) = (self.run(place), self.places[place]);
            assert!(run.start == place && record.depth() <= self.global_depth);
            let same = |other: &Record| other.buckets == record.buckets;
            assert!(self.places[run.clone()].iter().all(same));
            deepest += usize::from(record.depth() == self.global_depth);
            n_buckets += record.n_buckets as usize;
            place = run.end;
        }
        assert_eq!((self.deepest, self.n_buckets), (deepest, n_buckets));
        assert_eq!(self.places.is_empty(), deepest == 0);
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.clear();
    }
}
