//! The hash table of the server: keys in a database, expiring keys, the members of large
//! collections.
//!
//! What it has to be good at, besides lookups: no step may take long however large it is, SCAN
//! must keep its promise while the table grows and shrinks, it must be nearly full at all sizes,
//! and while a child process holds a snapshot it must not move things about.
//!
//! The shape is extendible hashing over small segments:
//!
//! ```text
//!  hash:  [ prefix | position …                    ]
//!             |         \__ bucket = position × buckets >> 24
//!  directory  v
//!  [ 000 ] ─┬─> segment, depth 2: 192 buckets
//!  [ 001 ] ─┘
//!  [ 010 ] ───> segment, depth 3: 128 buckets ───> [ tags | 7 × (16 hash bits + pointer) ]
//!  [ 011 ] ───> segment, depth 3: 128 buckets                          one cache line
//!  …
//! ```
//!
//! * A **bucket** is one cache line of seven elements, so a lookup costs one miss for the bucket
//!   and one for the element, and both can be prefetched. See `bucket`.
//! * A **segment** grows in steps of an eighth to a quarter, through exactly those sizes that the
//!   allocator has classes for, up to 224 buckets; its elements need not be touched for that,
//!   because 24 bits of each hash are kept in the bucket. Then it splits in two. Nothing is ever
//!   larger than one segment's work, and a table is between 70 and 87 % full at every size, where
//!   doubling would swing between 44 and 87. See `segment`.
//! * The **directory** maps hash prefixes to segments. It is small: 20 bytes for some 900
//!   elements.
//!
//! Elements lie in the order of their hashes, bucket by bucket, whatever the sizes of the
//! segments. A scan cursor is therefore nothing but a position in hash space: everything below it
//! has been seen, everything above has not, and growing, shrinking, splitting and merging change
//! nothing about that.
//!
//! The table stores handles and never looks behind them; hashing and comparing is done by closures
//! of its owner. All code but a thin typed shell is compiled once. [`KeyHasher`] is the hash
//! function that all tables of a server share.

mod bucket;
mod directory;
mod hasher;
mod raw;
mod segment;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::ptr::NonNull;

pub use self::hasher::KeyHasher;
use self::raw::{Location, RawIter, RawTable};
use crate::base::rng::Rng;
use crate::sys::prefetch::prefetch;

/// What a table can hold: something that is a pointer underneath.
///
/// # Safety
/// `from_pointer(into_pointer(x))` must be `x`.
pub unsafe trait Handle: Copy {
    /// The pointer underneath; its address must fit 48 bits.
    fn into_pointer(self) -> NonNull<u8>;

    /// The handle that a pointer was made from.
    ///
    /// # Safety
    /// `pointer` must come from [`Handle::into_pointer`] of this type.
    unsafe fn from_pointer(pointer: NonNull<u8>) -> Self;
}

/// What [`Table::find`] found, and where. Good until the table is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<H> {
    /// The element.
    pub handle: H,
    at: Location,
}

/// A hash table of handles. It does not own what they point to.
pub struct Table<H: Handle> {
    raw: RawTable,
    elements: PhantomData<H>,
}

impl<H: Handle> Default for Table<H> {
    fn default() -> Self {
        Table::new()
    }
}

impl<H: Handle> Table<H> {
    /// An empty table; allocates nothing yet.
    pub const fn new() -> Self {
        Table {
            raw: RawTable::new(),
            elements: PhantomData,
        }
    }

    /// The handle behind a stored pointer.
    #[inline]
    fn handle(pointer: NonNull<u8>) -> H {
        // SAFETY: only `insert` and `set` store pointers, and they take them from handles.
        unsafe { H::from_pointer(pointer) }
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there are no elements.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.raw.len() == 0
    }

    /// Slots, free ones included.
    pub fn slots(&self) -> usize {
        self.raw.n_buckets() * bucket::SLOTS
    }

    /// How elements are spread: at index `n`, of how many buckets `n` elements belong there. Looks
    /// at all of the table.
    pub fn spread(&self) -> Vec<usize> {
        self.raw.spread()
    }

    /// Bytes allocated for buckets and directory.
    pub fn memory(&self) -> usize {
        self.raw.memory()
    }

    /// While on, memory shared with a child process is left alone as far as possible: segments do
    /// not shrink, and grow only when hardly a slot is free. [`Table::settle`] makes up for it
    /// afterwards.
    pub fn hold(&mut self, hold: bool) {
        self.raw.set_hold(hold);
    }

    /// Shrinks what became sparse while the table was held, looking at so many segments at most.
    /// `hash_of` must give the hash of any element. Costs nothing where there is no such segment.
    #[inline]
    pub fn settle(&mut self, segments: usize, hash_of: impl Fn(H) -> u64) {
        let hash_of = |pointer| hash_of(Self::handle(pointer));
        self.raw.settle(segments, &hash_of);
    }

    /// Whether [`Table::hold`] is on.
    pub fn is_held(&self) -> bool {
        self.raw.is_held()
    }

    /// Prepares an empty table for `n` elements. Does nothing if there are elements already.
    pub fn reserve(&mut self, n: usize) {
        self.raw.reserve(n);
    }

    /// Asks for the bucket that a lookup of `hash` will read.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        self.raw.prefetch_bucket(hash);
    }

    /// Asks for the element that a lookup of `hash` will compare. The bucket should be cached.
    #[inline]
    pub fn prefetch_element(&self, hash: u64) {
        if let Some(pointer) = self.raw.likely(hash) {
            // Short elements mostly straddle two lines.
            prefetch(pointer.as_ptr());
            prefetch(pointer.as_ptr().wrapping_add(56));
        }
    }

    /// The element that a lookup of `hash` will compare first, most likely the one sought.
    #[inline]
    pub fn likely(&self, hash: u64) -> Option<H> {
        self.raw.likely(hash).map(Self::handle)
    }

    /// Finds the element with this hash for which `is_it` holds.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(H) -> bool) -> Option<Found<H>> {
        let is_it = |pointer| is_it(Self::handle(pointer));
        let (at, pointer) = self.raw.find(hash, is_it)?;
        let handle = Self::handle(pointer);
        Some(Found { handle, at })
    }

    /// Puts a handle that has the same hash in the place of the one at `found`.
    #[inline]
    pub fn set(&mut self, found: Found<H>, handle: H) {
        self.raw.set(found.at, handle.into_pointer());
    }

    /// Adds an element that is not there yet. `hash_of` must give the hash of any element that is.
    pub fn insert(&mut self, hash: u64, handle: H, hash_of: impl Fn(H) -> u64) {
        let hash_of = |pointer| hash_of(Self::handle(pointer));
        self.raw.insert(hash, handle.into_pointer(), &hash_of);
    }

    /// Removes the element at `found`. `hash_of` must give the hash of any element that remains.
    pub fn remove(&mut self, found: Found<H>, hash_of: impl Fn(H) -> u64) -> H {
        let hash_of = |pointer| hash_of(Self::handle(pointer));
        Self::handle(self.raw.remove(found.at, &hash_of))
    }

    /// Visits elements from `cursor` on, until at least `count` were seen, `buckets` were
    /// visited or the end is reached; returns where to go on, 0 at the end. Start with 0.
    ///
    /// From start to end every element that was there all the time is seen at least once. It can
    /// be seen twice only when segments merge meanwhile.
    pub fn scan(&self, cursor: u64, count: usize, buckets: usize, mut visit: impl FnMut(H)) -> u64 {
        let visit = &mut |pointer| visit(Self::handle(pointer));
        self.raw.scan(cursor, count, buckets, visit)
    }

    /// An element chosen at random, each with the same chance.
    pub fn random(&self, rng: &mut Rng) -> Option<H> {
        self.raw.random(rng).map(Self::handle)
    }

    /// Panics unless everything is where it belongs. Looks at all of the table.
    #[cfg(test)]
    fn check_invariants(&self, hash_of: impl Fn(H) -> u64) {
        let hash_of = |pointer| hash_of(Self::handle(pointer));
        self.raw.check_invariants(&hash_of);
    }

    /// All elements, in no useful order.
    pub fn iter(&self) -> Iter<'_, H> {
        Iter {
            raw: self.raw.iter(),
            elements: PhantomData,
        }
    }
}

/// See [`Table::iter`].
pub struct Iter<'a, H> {
    raw: RawIter<'a>,
    elements: PhantomData<H>,
}

impl<H: Handle> Iterator for Iter<'_, H> {
    type Item = H;

    #[inline]
    fn next(&mut self) -> Option<H> {
        self.raw.next().map(Table::handle)
    }
}
