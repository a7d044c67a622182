//! The type-erased table: pointers in, pointers out, never dereferenced here.

use std::ptr::NonNull;

use super::bucket::{Mark, SLOTS};
use super::directory::Directory;
use super::segment::{
    BUCKETS_MAX, LAG_MAX, Seat, Segment, Shared, comfortable, crammed, fitting_size, next_size,
    sparse,
};
use crate::base::rng::Rng;
use crate::sys::prefetch::prefetch;

/// Computes the hash of a stored element.
pub(super) type HashOf<'a> = &'a dyn Fn(NonNull<u8>) -> u64;

/// The deepest prefix. With [`Mark::BITS`] it makes up the 48 bits of a scan cursor.
const DEPTH_MAX: u32 = CURSOR_BITS - Mark::BITS;

/// Scan cursors are this many upper bits of a hash. They stay exact in clients that keep numbers
/// as doubles.
const CURSOR_BITS: u32 = 48;

/// The directory doubles only if that leaves at least this many elements to each of its places.
/// Hashes that behave never come near the bound; it keeps a flood of colliding ones from blowing
/// up the directory, at the price of a segment that grows beyond [`BUCKETS_MAX`].
const ELEMENTS_PER_PLACE_MIN: usize = BUCKETS_MAX as usize / 2;

/// Two neighbouring segments merge when together they hold no more than this: below half of
/// where they would split again.
const MERGED_LEN_MAX: usize = BUCKETS_MAX as usize * 3;

/// What `reserve` will make room for at most, since the number may come from a damaged file. More
/// elements than that grow the table as usual.
const RESERVE_MAX: usize = 1 << 24;

/// No segment begins with this half of a hash, since prefixes are shorter.
const SETTLED: u32 = u32::MAX;

/// How often `random` throws the dice before it looks for an element by counting. Where a table is
/// as full as it should be, every other throw hits.
const RANDOM_TRIES: usize = 128;

/// A seat together with the segment's place in the directory. Good until the table changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    place: usize,
    seat: Seat,
}

/// See the head of the parent module.
pub(super) struct RawTable {
    directory: Directory,
    len: usize,
    hold: bool,
    /// The first hash, of its upper half, whose segment may have become sparse while the table was
    /// held; [`SETTLED`] if none did.
    unsettled: u32,
}

impl RawTable {
    pub(super) const fn new() -> RawTable {
        RawTable {
            directory: Directory::new(),
            len: 0,
            hold: false,
            unsettled: SETTLED,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn n_buckets(&self) -> usize {
        self.directory.n_buckets()
    }

    pub(super) fn memory(&self) -> usize {
        self.directory.memory()
    }

    /// See [`super::Table::spread`].
    pub(super) fn spread(&self) -> Vec<usize> {
        let mut spread = Vec::new();
        let mut place = 0;
        while let Some(segment) = self.directory.get(place) {
            let mut at_home = vec![0; segment.n_buckets() as usize];
            for (mark, _) in segment.elements() {
                at_home[segment.home(mark) as usize] += 1;
            }
            for elements in at_home {
                if spread.len() <= elements {
                    spread.resize(elements + 1, 0);
                }
                spread[elements] += 1;
            }
            place = self.directory.run(place).end;
        }
        spread
    }

    pub(super) fn set_hold(&mut self, hold: bool) {
        self.hold = hold;
    }

    pub(super) fn is_held(&self) -> bool {
        self.hold
    }

    #[inline]
    fn segment_of(&self, hash: u64) -> Option<Shared<'_>> {
        self.directory.get(self.directory.place_of(hash))
    }

    #[inline]
    pub(super) fn prefetch_bucket(&self, hash: u64) {
        if let Some(segment) = self.segment_of(hash) {
            prefetch(segment.home_address(segment.mark(hash)));
        }
    }

    /// The first element whose mark agrees with `hash`.
    #[inline(always)]
    pub(super) fn likely(&self, hash: u64) -> Option<NonNull<u8>> {
        let segment = self.segment_of(hash)?;
        let (_, pointer) = segment.find(segment.mark(hash), |_| true)?;
        Some(pointer)
    }

    #[inline]
    pub(super) fn find(
        &self,
        hash: u64,
        is_it: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<(Location, NonNull<u8>)> {
        let place = self.directory.place_of(hash);
        let segment = self.directory.get(place)?;
        let (seat, pointer) = segment.find(segment.mark(hash), is_it)?;
        Some((Location { place, seat }, pointer))
    }

    /// A stale location may name some other element, but it must name one.
    #[inline]
    pub(super) fn set(&mut self, at: Location, pointer: NonNull<u8>) {
        self.directory.segment_mut(at.place).set(at.seat, pointer);
    }

    pub(super) fn insert(&mut self, hash: u64, pointer: NonNull<u8>, hash_of: HashOf<'_>) {
        if self.directory.is_empty() {
            self.directory.start(0, 1);
        }
        let limit = if self.hold { crammed } else { comfortable };
        loop {
            if let Some(mut segment) = self.directory.admit(hash, limit) {
                segment.seat(segment.mark(hash), pointer);
                self.len += 1;
                return;
            }
            self.grow(self.directory.place_of(hash), hash_of);
        }
    }

    /// As for [`RawTable::set`].
    pub(super) fn remove(&mut self, at: Location, hash_of: HashOf<'_>) -> NonNull<u8> {
        let mut segment = self.directory.segment_mut(at.place);
        let pointer = segment.unseat(at.seat);
        let n_buckets = segment.n_buckets();
        self.len -= 1;
        let first = self.directory.run(at.place).start;
        let len = self.directory.len_mut(first);
        *len -= 1;
        if (*len as usize) < sparse(n_buckets) {
            match self.hold {
                true => self.unsettled = 0,
                false => self.shrink(first, hash_of),
            }
        }
        pointer
    }

    /// See [`super::Table::settle`].
    pub(super) fn settle(&mut self, segments: usize, hash_of: HashOf<'_>) {
        for _ in 0..segments {
            if self.unsettled == SETTLED || self.hold {
                return;
            }
            self.unsettled = self.settle_at(self.unsettled, hash_of);
        }
    }

    /// Shrinks the segment of a hash if it is sparse; returns the first hash of the next one.
    fn settle_at(&mut self, upper: u32, hash_of: HashOf<'_>) -> u32 {
        if self.len == 0 {
            self.directory.clear();
            return SETTLED;
        }
        loop {
            let place = self.directory.place_of(u64::from(upper) << 32);
            let run = self.directory.run(place);
            // What was merged may have a neighbour of its size that was looked at before.
            if self.merge(run.start, hash_of) {
                continue;
            }
            let n_buckets = self.directory.segment(place).n_buckets();
            if self.directory.len(run.start) < sparse(n_buckets) {
                self.shrink(run.start, hash_of);
            }
            return match run.end == self.directory.places() {
                true => SETTLED,
                false => (run.end as u32) << (32 - self.directory.global_depth()),
            };
        }
    }

    /// Makes room for `n` elements in an empty table.
    pub(super) fn reserve(&mut self, n: usize) {
        if self.len > 0 || n == 0 {
            return;
        }
        self.directory.clear();
        let n = n.min(RESERVE_MAX);
        let mut depth = 0;
        let mut wanted = n;
        while wanted > comfortable(BUCKETS_MAX) {
            depth += 1;
            // Hashes scatter: four standard deviations of room leave hardly a segment to grow.
            let mean = n >> depth;
            wanted = mean + 4 * mean.isqrt();
        }
        let mut n_buckets = 1;
        while comfortable(n_buckets) < wanted {
            n_buckets = next_size(n_buckets);
        }
        self.directory.start(depth, n_buckets);
    }

    fn grow(&mut self, place: usize, hash_of: HashOf<'_>) {
        let segment = self.directory.segment(place);
        let (depth, n_buckets) = (segment.depth(), segment.n_buckets());
        let may_double = self.directory.places() * 2 * ELEMENTS_PER_PLACE_MIN <= self.len;
        let may_split = depth < DEPTH_MAX && (depth < self.directory.global_depth() || may_double);
        if n_buckets >= BUCKETS_MAX && may_split {
            self.split(place, hash_of);
        } else {
            self.resize(place, next_size(n_buckets));
        }
    }

    /// Moves a segment's elements to an array of another size. The elements are not touched.
    fn resize(&mut self, place: usize, n_buckets: u32) {
        let old = self.directory.segment(place);
        let mut new = Segment::empty(n_buckets, old.anchor(), old.lag());
        for (mark, pointer) in old.elements() {
            new.seat(mark, pointer);
        }
        self.directory.replace(place, new);
    }

    /// Splits a segment in two, by the next bit of the hash.
    fn split(&mut self, place: usize, hash_of: HashOf<'_>) {
        let old = self.directory.segment(place);
        let depth = old.depth();
        let mut halves = [Vec::new(), Vec::new()];
        let (anchor, lag) = if old.lag() < LAG_MAX {
            let side_shift = Mark::BITS - 1 - old.lag();
            for (mark, pointer) in old.elements() {
                let side = mark.bits() >> side_shift & 1;
                halves[side as usize].push((mark, pointer));
            }
            (old.anchor(), old.lag() + 1)
        } else {
            for (hash, pointer) in old.rehashed(hash_of) {
                let side = hash >> (63 - depth) & 1;
                halves[side as usize].push((Mark::new(hash, depth + 1), pointer));
            }
            (depth + 1, 0)
        };
        let filled = |half: Vec<_>| (Segment::filled(anchor, lag, &half), half.len());
        self.directory.split(place, halves.map(filled));
    }

    /// Answers a segment that has become sparse: merges it with its neighbour if that one is
    /// sparse too, else gives it fewer buckets.
    fn shrink(&mut self, first: usize, hash_of: HashOf<'_>) {
        if self.len == 0 {
            self.directory.clear();
        } else if !self.merge(first, hash_of) {
            let n_buckets = fitting_size(self.directory.len(first));
            if n_buckets < self.directory.segment(first).n_buckets() {
                self.resize(first, n_buckets);
            }
        }
    }

    /// Merges a segment with its neighbour if both are sparse. Returns whether they were.
    fn merge(&mut self, first: usize, hash_of: HashOf<'_>) -> bool {
        let Some(sibling) = self.directory.sibling(first) else {
            return false;
        };
        let len = self.directory.len(first) + self.directory.len(sibling);
        if len > MERGED_LEN_MAX {
            return false;
        }
        let anchor = self.directory.segment(first).depth() - 1;
        let mut elements = Vec::with_capacity(len);
        for old in [first, sibling] {
            let hashed = self.directory.segment(old).rehashed(hash_of);
            elements.extend(hashed.iter().map(|&(h, p)| (Mark::new(h, anchor), p)));
        }
        let merged = Segment::filled(anchor, 0, &elements);
        self.directory.merge(first, merged, len);
        true
    }

    /// Visits the elements at home in the bucket at `cursor` and those that follow, until `count`
    /// elements have been seen or `buckets` visited. Returns the cursor to go on from, 0 at the
    /// end.
    pub(super) fn scan(
        &self,
        mut cursor: u64,
        count: usize,
        buckets: usize,
        visit: &mut dyn FnMut(NonNull<u8>),
    ) -> u64 {
        if self.len == 0 {
            return 0;
        }
        let mut seen = 0;
        for _ in 0..buckets.max(1) {
            cursor = self.scan_bucket(cursor, &mut |pointer| {
                seen += 1;
                visit(pointer);
            });
            if cursor == 0 || seen >= count {
                break;
            }
        }
        cursor
    }

    fn scan_bucket(&self, cursor: u64, visit: &mut dyn FnMut(NonNull<u8>)) -> u64 {
        let cursor = cursor & ((1 << CURSOR_BITS) - 1);
        let hash = cursor << (64 - CURSOR_BITS);
        let segment = self.directory.segment(self.directory.place_of(hash));
        let from = segment.position(segment.mark(hash));
        let home = segment.home_of_position(from);
        segment.probe(home, |_, bucket| {
            for slot in 0..bucket.len() {
                let position = segment.position(bucket.mark(slot));
                if position >= from && segment.home_of_position(position) == home {
                    visit(bucket.get(slot));
                }
            }
            None::<()>
        });
        let prefix = hash.checked_shr(64 - segment.depth()).unwrap_or(0);
        let next = (prefix << Mark::BITS) + u64::from(segment.first_position(home + 1));
        let next = next << (DEPTH_MAX - segment.depth());
        // The end of the hash space is the number one past the last cursor.
        next & ((1 << CURSOR_BITS) - 1)
    }

    /// An element chosen at random, each with the same chance.
    ///
    /// The dice are thrown for a place in the directory, a bucket and a slot, and again where there
    /// is none. Every place counts as if it had `buckets_max` buckets; a segment that fills a run
    /// of places has its buckets spread over them. (Only a flood of colliding hashes makes segments
    /// that have more; their elements get less than their share.)
    pub(super) fn random(&self, rng: &mut Rng) -> Option<NonNull<u8>> {
        if self.len == 0 {
            return None;
        }
        let places = self.directory.places();
        let buckets_max = match places {
            1 => self.directory.segment(0).n_buckets(),
            _ => BUCKETS_MAX,
        };
        for _ in 0..RANDOM_TRIES {
            let place = rng.below(places as u64) as usize;
            let segment = self.directory.segment(place);
            let run = self.directory.run(place);
            let index = if segment.n_buckets() as usize > run.len() * buckets_max as usize {
                rng.below(u64::from(segment.n_buckets())) as u32
            } else {
                let part = (place - run.start) as u32;
                part * buckets_max + rng.below(u64::from(buckets_max)) as u32
            };
            if index >= segment.n_buckets() {
                continue;
            }
            let bucket = segment.bucket(index);
            let slot = rng.below(SLOTS as u64) as usize;
            if slot < bucket.len() {
                return Some(bucket.get(slot));
            }
        }
        self.nth(rng.below(self.len as u64) as usize)
    }

    /// The element that so many come before, in the order of segments and buckets. Where the dice
    /// keep missing, as in a table that was emptied from one end or while it was held, it is chosen
    /// by that number: a position chosen at random would favour whoever stands behind a gap.
    #[cold]
    fn nth(&self, mut before: usize) -> Option<NonNull<u8>> {
        let mut place = 0;
        while let Some(segment) = self.directory.get(place) {
            let len = self.directory.len(place);
            if before < len {
                return segment.elements().nth(before).map(|(_, pointer)| pointer);
            }
            before -= len;
            place = self.directory.run(place).end;
        }
        None
    }

    /// All elements, in no useful order. Those of the following bucket are prefetched.
    pub(super) fn iter(&self) -> RawIter<'_> {
        RawIter {
            table: self,
            place: 0,
            bucket: 0,
            slot: 0,
        }
    }
}

#[cfg(test)]
impl RawTable {
    /// See [`super::Table::check_invariants`].
    pub(super) fn check_invariants(&self, hash_of: HashOf<'_>) {
        let directory = &self.directory;
        let (mut total, mut place) = (0, 0);
        while place < directory.places() {
            let segment = directory.segment(place);
            let run = directory.run(place);
            assert_eq!(run.start, place);
            let elements: Vec<_> = segment.elements().collect();
            assert_eq!(elements.len(), directory.len(place));
            total += elements.len();
            for (mark, pointer) in elements {
                let hash = hash_of(pointer);
                assert!(run.contains(&directory.place_of(hash)));
                assert_eq!(mark, segment.mark(hash));
                assert!(segment.find(mark, |other| other == pointer).is_some());
            }
            place = run.end;
        }
        assert_eq!(self.len, total);
        directory.check_invariants();
    }
}

/// See [`RawTable::iter`].
pub(super) struct RawIter<'a> {
    table: &'a RawTable,
    /// The first place of the segment being walked.
    place: usize,
    bucket: u32,
    slot: usize,
}

impl Iterator for RawIter<'_> {
    type Item = NonNull<u8>;

    #[inline]
    fn next(&mut self) -> Option<NonNull<u8>> {
        loop {
            let directory = &self.table.directory;
            let segment = directory.get(self.place)?;
            let bucket = segment.bucket(self.bucket);
            if self.slot < bucket.len() {
                self.slot += 1;
                return Some(bucket.get(self.slot - 1));
            }
            self.slot = 0;
            self.bucket += 1;
            if self.bucket == segment.n_buckets() {
                self.bucket = 0;
                self.place = directory.run(self.place).end;
            } else if self.bucket + 1 < segment.n_buckets() {
                let ahead = segment.bucket(self.bucket + 1);
                (0..ahead.len()).for_each(|slot| prefetch(ahead.get(slot).as_ptr()));
            }
        }
    }
}
