//! The type-erased table: pointers in, pointers out, never dereferenced here.

use std::ptr::NonNull;

use super::bucket::Mark;
use super::segment::{
    BUCKETS_MAX, LAG_MAX, Seat, Segment, comfortable, crammed, fitting_size, next_size, sparse,
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

/// How often `random` throws the dice before it takes the next element it can find. Where a table
/// is as full as it should be, every other throw hits.
const RANDOM_TRIES: usize = 128;

/// A seat together with the segment's place in the directory. Good until the table changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    place: usize,
    seat: Seat,
}

/// See the head of the parent module.
pub(super) struct RawTable {
    /// `1 << global_depth` places (none while the table is empty). A segment of depth `d` fills a
    /// run of `1 << (global_depth - d)` places, aligned to its length.
    directory: Vec<Segment>,
    /// Elements in the segment, at the first place of each run; unused at the others.
    lens: Vec<u32>,
    global_depth: u32,
    /// Segments whose depth is `global_depth`; when none is left the directory halves.
    deepest: usize,
    len: usize,
    n_buckets: usize,
    hold: bool,
}

impl RawTable {
    pub(super) const fn new() -> RawTable {
        RawTable {
            directory: Vec::new(),
            lens: Vec::new(),
            global_depth: 0,
            deepest: 0,
            len: 0,
            n_buckets: 0,
            hold: false,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn n_buckets(&self) -> usize {
        self.n_buckets
    }

    pub(super) fn memory(&self) -> usize {
        self.n_buckets * size_of::<super::bucket::Bucket>()
            + self.directory.capacity() * size_of::<Segment>()
            + self.lens.capacity() * size_of::<u32>()
    }

    pub(super) fn set_hold(&mut self, hold: bool) {
        self.hold = hold;
    }

    pub(super) fn is_held(&self) -> bool {
        self.hold
    }

    /// The place in the directory for a hash. The directory must not be empty.
    #[inline]
    fn place_of(&self, hash: u64) -> usize {
        // In two steps, since a shift by 64 is not defined.
        (hash >> 1 >> (63 - self.global_depth)) as usize
    }

    #[inline]
    fn segment_of(&self, hash: u64) -> Option<&Segment> {
        self.directory.get(self.place_of(hash))
    }

    /// The run of directory places that the segment at `place` fills.
    #[inline]
    fn run(&self, place: usize) -> std::ops::Range<usize> {
        let len = 1 << (self.global_depth - self.directory[place].depth());
        let start = place & !(len - 1);
        start..start + len
    }

    #[inline]
    pub(super) fn prefetch_bucket(&self, hash: u64) {
        if let Some(segment) = self.segment_of(hash) {
            prefetch(segment.home_address(segment.mark(hash)));
        }
    }

    /// The first element whose mark agrees with `hash`.
    #[inline]
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
        let place = self.place_of(hash);
        let segment = self.directory.get(place)?;
        let (seat, pointer) = segment.find(segment.mark(hash), is_it)?;
        Some((Location { place, seat }, pointer))
    }

    /// A stale location may name some other element, but it must name one.
    #[inline]
    fn check(&self, at: Location) {
        let segment = &self.directory[at.place];
        assert!(at.seat.bucket < segment.n_buckets());
        assert!((at.seat.slot as usize) < segment.bucket(at.seat.bucket).len());
    }

    #[inline]
    pub(super) fn set(&mut self, at: Location, pointer: NonNull<u8>) {
        self.check(at);
        let bucket = self.directory[at.place].bucket_mut(at.seat.bucket);
        bucket.set(at.seat.slot as usize, pointer);
    }

    pub(super) fn insert(&mut self, hash: u64, pointer: NonNull<u8>, hash_of: HashOf<'_>) {
        if self.directory.is_empty() {
            self.start(0, 1);
        }
        let mut place = self.place_of(hash);
        loop {
            let first = self.run(place).start;
            let n_buckets = self.directory[place].n_buckets();
            let limit = if self.hold {
                crammed(n_buckets)
            } else {
                comfortable(n_buckets)
            };
            if (self.lens[first] as usize) < limit {
                self.lens[first] += 1;
                break;
            }
            self.grow(place, hash_of);
            place = self.place_of(hash);
        }
        let segment = &mut self.directory[place];
        segment.seat(segment.mark(hash), pointer);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, at: Location, hash_of: HashOf<'_>) -> NonNull<u8> {
        self.check(at);
        let bucket = self.directory[at.place].bucket(at.seat.bucket);
        let pointer = bucket.get(at.seat.slot as usize);
        self.directory[at.place].unseat(at.seat);
        self.len -= 1;
        let first = self.run(at.place).start;
        self.lens[first] -= 1;
        let n_buckets = self.directory[first].n_buckets();
        if !self.hold && (self.lens[first] as usize) < sparse(n_buckets) {
            self.shrink(first, hash_of);
        }
        pointer
    }

    /// Lays out `1 << depth` empty segments.
    fn start(&mut self, depth: u32, n_buckets: u32) {
        debug_assert!(self.directory.is_empty());
        let places = 1usize << depth;
        self.directory = (0..places)
            .map(|_| Segment::allocate(n_buckets, depth, 0))
            .collect();
        self.lens = vec![0; places];
        self.global_depth = depth;
        self.deepest = places;
        self.n_buckets = places * n_buckets as usize;
    }

    /// Makes room for `n` elements in an empty table.
    pub(super) fn reserve(&mut self, n: usize) {
        if self.len > 0 || n == 0 {
            return;
        }
        self.free_segments();
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
        self.start(depth, n_buckets);
    }

    fn grow(&mut self, place: usize, hash_of: HashOf<'_>) {
        let segment = self.directory[place];
        let depth = segment.depth();
        let may_double = self.directory.len() * 2 * ELEMENTS_PER_PLACE_MIN <= self.len;
        let may_split = depth < DEPTH_MAX && (depth < self.global_depth || may_double);
        if segment.n_buckets() >= BUCKETS_MAX && may_split {
            self.split(place, hash_of);
        } else {
            self.resize(place, next_size(segment.n_buckets()));
        }
    }

    /// Moves a segment's elements to an array of another size. The elements are not touched.
    fn resize(&mut self, place: usize, n_buckets: u32) {
        let old = self.directory[place];
        let mut new = Segment::allocate(n_buckets, old.anchor(), old.lag());
        for (mark, pointer) in old.elements() {
            new.seat(mark, pointer);
        }
        let run = self.run(place);
        self.replace(run, new);
        self.release(old);
    }

    /// Puts one segment into a run of places.
    fn replace(&mut self, run: std::ops::Range<usize>, segment: Segment) {
        self.n_buckets += segment.n_buckets() as usize;
        self.directory[run].fill(segment);
    }

    /// Frees a segment that is no longer in the directory.
    fn release(&mut self, segment: Segment) {
        self.n_buckets -= segment.n_buckets() as usize;
        // SAFETY: the callers have replaced every copy in the directory.
        unsafe { segment.free() }
    }

    /// Splits a segment in two, by the next bit of the hash.
    fn split(&mut self, place: usize, hash_of: HashOf<'_>) {
        let old = self.directory[place];
        let mut run = self.run(place);
        if run.len() == 1 {
            self.double();
            run = run.start * 2..run.end * 2;
        }
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
        let middle = run.start + run.len() / 2;
        let runs = [run.start..middle, middle..run.end];
        for (run, elements) in runs.into_iter().zip(halves) {
            self.lens[run.start] = elements.len() as u32;
            self.replace(run, Segment::filled(anchor, lag, &elements));
        }
        if depth + 1 == self.global_depth {
            self.deepest += 2;
        }
        self.release(old);
    }

    /// Doubles the directory.
    fn double(&mut self) {
        let twice = |segment: &Segment| [*segment; 2];
        self.directory = self.directory.iter().flat_map(twice).collect();
        self.lens = self.lens.iter().flat_map(|&len| [len, 0]).collect();
        self.global_depth += 1;
        self.deepest = 0;
    }

    /// Answers a segment that has become sparse: merges it with its neighbour if that one is
    /// sparse too, else gives it fewer buckets.
    fn shrink(&mut self, first: usize, hash_of: HashOf<'_>) {
        if self.len == 0 {
            self.free_segments();
        } else if !self.merge(first, hash_of) {
            let n_buckets = fitting_size(self.lens[first] as usize);
            if n_buckets < self.directory[first].n_buckets() {
                self.resize(first, n_buckets);
            }
        }
    }

    fn merge(&mut self, first: usize, hash_of: HashOf<'_>) -> bool {
        let depth = self.directory[first].depth();
        if depth == 0 {
            return false;
        }
        let run = self.run(first);
        let sibling = run.start ^ run.len();
        let len = self.lens[run.start] as usize + self.lens[sibling] as usize;
        if self.directory[sibling].depth() != depth || len > MERGED_LEN_MAX {
            return false;
        }
        let start = run.start & sibling;
        let olds = [self.directory[run.start], self.directory[sibling]];
        let anchor = depth - 1;
        let mut elements = Vec::with_capacity(len);
        for old in &olds {
            let hashed = old.rehashed(hash_of);
            elements.extend(hashed.iter().map(|&(h, p)| (Mark::new(h, anchor), p)));
        }
        let merged = start..start + 2 * run.len();
        self.lens[start] = len as u32;
        self.replace(merged, Segment::filled(anchor, 0, &elements));
        olds.into_iter().for_each(|old| self.release(old));
        if depth == self.global_depth {
            self.deepest -= 2;
            self.halve();
        }
        true
    }

    /// Halves the directory for as long as no segment needs its full depth.
    fn halve(&mut self) {
        while self.deepest == 0 && self.global_depth > 0 {
            self.directory = self.directory.iter().step_by(2).copied().collect();
            self.lens = self.lens.iter().step_by(2).copied().collect();
            self.global_depth -= 1;
            let is_deepest = |segment: &&Segment| segment.depth() == self.global_depth;
            self.deepest = self.directory.iter().filter(is_deepest).count();
        }
    }

    fn free_segments(&mut self) {
        let mut place = 0;
        while place < self.directory.len() {
            let run = self.run(place);
            // SAFETY: runs do not overlap, and the directory is emptied below.
            unsafe { self.directory[place].free() }
            place = run.end;
        }
        self.directory = Vec::new();
        self.lens = Vec::new();
        self.global_depth = 0;
        self.deepest = 0;
        self.n_buckets = 0;
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
        let place = self.place_of(hash);
        let segment = &self.directory[place];
        let from = segment.position(segment.mark(hash));
        let home = segment.home_of_position(from);
        for (_, bucket) in segment.probe(home) {
            for slot in 0..bucket.len() {
                let position = segment.position(bucket.mark(slot));
                if position >= from && segment.home_of_position(position) == home {
                    visit(bucket.get(slot));
                }
            }
        }
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
        let buckets_max = match &self.directory[..] {
            [only] => only.n_buckets(),
            _ => BUCKETS_MAX,
        };
        for _ in 0..RANDOM_TRIES {
            let place = rng.below(self.directory.len() as u64) as usize;
            let segment = &self.directory[place];
            let run = self.run(place);
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
            let slot = rng.below(super::bucket::SLOTS as u64) as usize;
            if slot < bucket.len() {
                return Some(bucket.get(slot));
            }
        }
        self.random_from_scan(rng)
    }

    /// Where the dice keep missing, as in a table that was emptied while it was held: the element
    /// that follows a position chosen at random.
    #[cold]
    fn random_from_scan(&self, rng: &mut Rng) -> Option<NonNull<u8>> {
        let mut found = None;
        let start = rng.next_u64() >> (64 - CURSOR_BITS);
        self.scan(start, 1, usize::MAX, &mut |pointer| found = Some(pointer));
        if found.is_none() {
            self.scan(0, 1, usize::MAX, &mut |pointer| found = Some(pointer));
        }
        found
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
        let (mut len, mut n_buckets, mut deepest, mut place) = (0, 0, 0, 0);
        while place < self.directory.len() {
            let segment = &self.directory[place];
            let run = self.run(place);
            assert!(run.start == place && segment.depth() <= self.global_depth);
            deepest += usize::from(segment.depth() == self.global_depth);
            n_buckets += segment.n_buckets() as usize;
            let elements: Vec<_> = segment.elements().collect();
            assert_eq!(elements.len(), self.lens[place] as usize);
            len += elements.len();
            for (mark, pointer) in elements {
                let hash = hash_of(pointer);
                assert!(run.contains(&self.place_of(hash)));
                assert_eq!(mark, segment.mark(hash));
                assert!(segment.find(mark, |other| other == pointer).is_some());
            }
            place = run.end;
        }
        assert_eq!((self.len, self.n_buckets), (len, n_buckets));
        assert_eq!(
            self.directory.is_empty() as usize,
            (self.deepest == 0) as usize
        );
        assert_eq!(self.deepest, deepest);
    }
}

impl Drop for RawTable {
    fn drop(&mut self) {
        self.free_segments();
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
            let segment = self.table.directory.get(self.place)?;
            let bucket = segment.bucket(self.bucket);
            if self.slot < bucket.len() {
                self.slot += 1;
                return Some(bucket.get(self.slot - 1));
            }
            self.slot = 0;
            self.bucket += 1;
            if self.bucket == segment.n_buckets() {
                self.bucket = 0;
                self.place = self.table.run(self.place).end;
            } else if self.bucket + 1 < segment.n_buckets() {
                let ahead = segment.bucket(self.bucket + 1);
                (0..ahead.len()).for_each(|slot| prefetch(ahead.get(slot).as_ptr()));
            }
        }
    }
}
