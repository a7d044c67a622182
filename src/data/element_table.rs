//! The hash tables behind big hashes and sets.
//!
//! [`HashTable`] and [`SetTable`] are one and the same: the server's [`Table`] (no long steps, SCAN
//! cursors that survive growing and shrinking, nearly full at every size) over elements of one
//! allocation each, see `element`. A lookup costs a miss for the bucket and one for the element;
//! who knows early what will be looked up can ask for both ahead of time.
//!
//! A table hashes with the hasher that it is given when it is made, a clone of the keyspace's. It
//! counts the bytes of its elements, so its memory is known without looking at them.
//!
//! The tables of hashes and sets are not held back while a child process shares the memory, as
//! those of the keyspace are: to grow moves one segment of some kilobytes and touches no elements.
//!
//! Invariant: every handle in the table owns a live element, and names are unique.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use super::element::Element;
use crate::base::bytes::equal;
use crate::base::rng::Rng;
use crate::table::{self, Found, KeyHasher, Table};

/// How many buckets a scan may visit for each element that it was asked for, so that a sparse
/// table does not make it long.
const SCAN_BUCKETS_PER_ELEMENT: usize = 10;

/// A sample of a table at least so many times as large is drawn one by one; for a larger sample all
/// elements are walked.
const SAMPLE_SPARSE_FACTOR: usize = 3;

/// Fields with their values.
pub type HashTable = ElementTable<true>;

/// Members.
pub type SetTable = ElementTable<false>;

/// A field of a [`HashTable`].
pub type Field<'a> = ElementRef<'a, true>;

/// A member of a [`SetTable`].
pub type Member<'a> = ElementRef<'a, false>;

/// A table of elements, with values or without.
pub struct ElementTable<const VALUED: bool> {
    table: Table<Element<VALUED>>,
    hasher: KeyHasher,
    element_bytes: usize,
}

/// An element, borrowed from its table.
#[derive(Clone, Copy)]
pub struct ElementRef<'a, const VALUED: bool> {
    /// Alive and unchanged during `'a`.
    element: Element<VALUED>,
    life: PhantomData<&'a [u8]>,
}

impl<'a, const VALUED: bool> ElementRef<'a, VALUED> {
    /// Its name: a hash's field, a set's member.
    #[inline]
    pub fn name(self) -> &'a [u8] {
        // SAFETY: the element stays for `'a`.
        unsafe { self.element.name() }
    }

    /// Its value; a set's members have none, which reads as empty.
    #[inline]
    pub fn value(self) -> &'a [u8] {
        // SAFETY: the element stays for `'a`.
        unsafe { self.element.value() }
    }
}

/// Borrows an element for as long as its table.
///
/// # Safety
/// The element must be in the table that is borrowed for `'a`.
#[inline]
unsafe fn view<'a, const VALUED: bool>(element: Element<VALUED>) -> ElementRef<'a, VALUED> {
    ElementRef {
        element,
        life: PhantomData,
    }
}

/// The hash of any element in the table.
fn hash_with<const VALUED: bool>(hasher: &KeyHasher) -> impl Fn(Element<VALUED>) -> u64 {
    // SAFETY: tables call this with their own elements only, which are alive.
    move |element| hasher.hash(unsafe { element.name() })
}

impl<const VALUED: bool> ElementTable<VALUED> {
    /// An empty table; allocates nothing yet.
    pub fn new(hasher: KeyHasher) -> Self {
        ElementTable {
            table: Table::new(),
            hasher,
            element_bytes: 0,
        }
    }

    /// An empty table with room for `n` elements.
    pub fn with_capacity(n: usize, hasher: KeyHasher) -> Self {
        let mut table = Self::new(hasher);
        table.table.reserve(n);
        table
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes of this and all that is allocated for it.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.table.memory() + self.element_bytes
    }

    /// Slots for elements, in use or not.
    pub fn slots(&self) -> usize {
        self.table.slots()
    }

    /// How the elements are spread over the table; see [`Table::spread`].
    pub fn spread(&self) -> Vec<usize> {
        self.table.spread()
    }

    /// First step of a prefetched lookup: asks for the bucket of a name, and gives the hash for
    /// the second.
    #[inline]
    pub fn prefetch_bucket(&self, name: &[u8]) -> u64 {
        let hash = self.hasher.hash(name);
        self.table.prefetch_bucket(hash);
        hash
    }

    /// Second step, some other lookups later: asks for the element.
    #[inline]
    pub fn prefetch_element(&self, hash: u64) {
        self.table.prefetch_element(hash);
    }

    #[inline]
    fn find(&self, hash: u64, name: &[u8]) -> Option<Found<Element<VALUED>>> {
        // SAFETY: the table calls this with its own elements only, which are alive.
        let is_it = |element: Element<VALUED>| equal(unsafe { element.name() }, name);
        self.table.find(hash, is_it)
    }

    /// The element of this name.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<ElementRef<'_, VALUED>> {
        let found = self.find(self.hasher.hash(name), name)?;
        // SAFETY: the element is in our table, and the result borrows `self`.
        Some(unsafe { view(found.handle) })
    }

    /// Whether there is an element of this name.
    #[inline]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Removes the element of this name. Returns whether there was one.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let found = self.find(self.hasher.hash(name), name);
        if let Some(found) = found {
            self.remove_found(found);
        }
        found.is_some()
    }

    /// Removes an element chosen at random and gives its name.
    pub fn pop_random(&mut self, rng: &mut Rng) -> Option<Vec<u8>> {
        let element = self.table.random(rng)?;
        // SAFETY: the element is in our table, and the name is let go of before anything changes.
        let name = unsafe { element.name() };
        let (hash, name) = (self.hasher.hash(name), name.to_vec());
        let found = self.table.find(hash, |other| other == element);
        self.remove_found(found.expect("it was drawn from the table"));
        Some(name)
    }

    fn remove_found(&mut self, found: Found<Element<VALUED>>) {
        let element = self.table.remove(found, hash_with(&self.hasher));
        // SAFETY: the element was in our table and is no more, so this is its last use.
        unsafe {
            self.element_bytes -= element.memory();
            element.free();
        }
    }

    /// Adds an element whose name is not there.
    #[inline]
    fn add(&mut self, hash: u64, name: &[u8], value: &[u8]) {
        let element = Element::new(name, value);
        // SAFETY: the element is alive.
        self.element_bytes += unsafe { element.memory() };
        self.table.insert(hash, element, hash_with(&self.hasher));
    }

    /// Visits elements from `cursor` on (0 to begin) until at least `count` were seen or that
    /// would take too long; returns the cursor to go on from, 0 at the end. What is in the table
    /// from the first to the last call is seen, however it grows or shrinks meanwhile.
    pub fn scan(
        &self,
        cursor: u64,
        count: usize,
        visit: &mut dyn FnMut(ElementRef<'_, VALUED>),
    ) -> u64 {
        let buckets = count.saturating_mul(SCAN_BUCKETS_PER_ELEMENT);
        // SAFETY: the table passes its own elements, and the views do not outlive the call.
        let visit = |element| visit(unsafe { view(element) });
        self.table.scan(cursor, count, buckets, visit)
    }

    /// An element chosen at random, each with the same chance.
    pub fn random(&self, rng: &mut Rng) -> Option<ElementRef<'_, VALUED>> {
        let element = self.table.random(rng)?;
        // SAFETY: the element is in our table, and the result borrows `self`.
        Some(unsafe { view(element) })
    }

    /// Visits so many different elements chosen at random, or all where there are no more, each
    /// choice with the same chance.
    pub fn sample<'a>(
        &'a self,
        count: usize,
        rng: &mut Rng,
        visit: &mut dyn FnMut(ElementRef<'a, VALUED>),
    ) {
        if count.saturating_mul(SAMPLE_SPARSE_FACTOR) <= self.len() {
            // Hardly any is drawn twice.
            let mut drawn = BTreeSet::new();
            while drawn.len() < count {
                let element = self.random(rng).expect("there are more than enough");
                if drawn.insert(element.name().as_ptr()) {
                    visit(element);
                }
            }
            return;
        }
        rng.choose(count, self.len(), self.iter(), visit);
    }

    /// All elements, in the order of the table.
    pub fn iter(&self) -> Iter<'_, VALUED> {
        Iter(self.table.iter())
    }
}

impl HashTable {
    /// Gives a field a value. Returns whether the field is new.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        let hash = self.hasher.hash(field);
        let Some(found) = self.find(hash, field) else {
            self.add(hash, field, value);
            return true;
        };
        let old = found.handle;
        // SAFETY: the element is in our table, and `self` is borrowed mutably, so nobody else uses
        // it and the value is none of ours.
        if unsafe { old.replace_value(value) } {
            return false;
        }
        let new = Element::new(field, value);
        self.table.set(found, new);
        // SAFETY: both are alive, and the table has the new one in the place of the old one, which
        // is used for the last time here.
        unsafe {
            self.element_bytes += new.memory();
            self.element_bytes -= old.memory();
            old.free();
        }
        false
    }
}

impl SetTable {
    /// Adds a member. Returns whether it is new.
    #[inline]
    pub fn insert(&mut self, member: &[u8]) -> bool {
        let hash = self.hasher.hash(member);
        let is_new = self.find(hash, member).is_none();
        if is_new {
            self.add(hash, member, &[]);
        }
        is_new
    }
}

impl<const VALUED: bool> Clone for ElementTable<VALUED> {
    fn clone(&self) -> Self {
        let mut copy = Self::with_capacity(self.len(), self.hasher.clone());
        for element in self.iter() {
            let hash = self.hasher.hash(element.name());
            copy.add(hash, element.name(), element.value());
        }
        copy
    }
}

impl<const VALUED: bool> Drop for ElementTable<VALUED> {
    fn drop(&mut self) {
        for element in self.table.iter() {
            // SAFETY: the table owns the element and is dropped right after, without looking at it.
            unsafe { element.free() }
        }
    }
}

impl<const VALUED: bool> fmt::Debug for ElementTable<VALUED> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElementTable")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// See [`ElementTable::iter`].
pub struct Iter<'a, const VALUED: bool>(table::Iter<'a, Element<VALUED>>);

impl<'a, const VALUED: bool> Iterator for Iter<'a, VALUED> {
    type Item = ElementRef<'a, VALUED>;

    #[inline]
    fn next(&mut self) -> Option<ElementRef<'a, VALUED>> {
        // SAFETY: the elements come from the table that `'a` borrows.
        self.0.next().map(|element| unsafe { view(element) })
    }
}
