//! One database: keys, their values, and which of them expire.
//!
//! Two tables over the same entries. `keys` owns them; `expiring` points to those that have an
//! expiry, so that the expiry cycle need not wade through the others, and a key's bytes exist
//! once. Whatever changes an entry goes through [`Db::rewrite`], which keeps both tables right
//! when the entry moves, gains an expiry or loses it.
//!
//! The database knows no clock: it hands out expiry times, and who asks decides what has expired.
//!
//! Invariants: every pointer in `keys` owns a live entry, and is there once; `expiring` holds
//! exactly the pointers of those entries in `keys` that have an expiry. So a pointer out of either
//! table may be followed for as long as the database is borrowed.

mod edits;
#[cfg(test)]
mod tests;

use std::mem;
use std::process;

use super::entry::{Entry, EntryMut, EntryPtr, OwnedEntry};
use super::kind::Type;
use super::value::NewValue;
use crate::base::rng::Rng;
use crate::sys::prefetch::prefetch;
use crate::table::{self, Found, Handle, KeyHasher, Table};

/// How many buckets a scan may visit for each element that it was asked for, so that a sparse
/// table does not make it long.
const SCAN_BUCKETS_PER_ELEMENT: usize = 10;

/// Scan cursors are below this.
const SCAN_CURSOR_END: u64 = 1 << 48;

/// The same for sweeps over the expiring keys.
const SWEEP_BUCKETS_PER_KEY: usize = 3;

/// How many entries an iterator asks for ahead of the one it hands out.
const ITER_AHEAD: usize = 8;

/// A table with fewer slots is never called sparse.
const SPARSE_SLOTS_MIN: usize = 64;

/// A database.
pub struct Db {
    keys: Table<EntryPtr>,
    expiring: Table<EntryPtr>,
    hasher: KeyHasher,
    new_access: u32,
    avg_ttl_ms: i64,
    expiry_cursor: u64,
    /// Memory for embedded collections while they are changed, see [`Edit`](super::Edit).
    scratch: Vec<u8>,
}

/// A key holds a value of another type than the one that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongType;

/// Where the value of an [`Edit`](super::Edit) came from and goes to. The edit borrows the database
/// until it ends, so what was found stays where it is.
pub(super) struct Place<'a> {
    hash: u64,
    key: &'a [u8],
    found: Option<Found<EntryPtr>>,
}

/// Bytes that a database needs on top of its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overhead {
    /// For the table of all keys.
    pub keys: usize,
    /// For the table of those that expire.
    pub expiring: usize,
}

/// What one sweep over the expiring keys came across.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sweep {
    /// Keys looked at.
    pub(super) sampled: usize,
    /// Those of them that had expired.
    pub(super) expired: usize,
}

/// Borrows an entry for as long as its database.
///
/// # Safety
/// The pointer must come from a table of the database that is borrowed for `'a`.
#[inline]
unsafe fn view<'a>(pointer: EntryPtr) -> Entry<'a> {
    // SAFETY: entries in the tables are live, and only change through `&mut Db`.
    unsafe { pointer.entry() }
}

/// The hash of any entry in the tables.
fn hash_with(hasher: &KeyHasher) -> impl Fn(EntryPtr) -> u64 {
    // SAFETY: tables call this with their own pointers only.
    move |pointer| hasher.hash(unsafe { view(pointer) }.key())
}

/// Finds the place of a key in one of the tables.
#[inline]
fn find(table: &Table<EntryPtr>, hash: u64, key: &[u8]) -> Option<Found<EntryPtr>> {
    // SAFETY: the table calls this with its own pointers only.
    table.find(hash, |pointer| unsafe { view(pointer) }.has_key(key))
}

impl Db {
    /// An empty database.
    pub fn new(hasher: KeyHasher) -> Db {
        Db {
            keys: Table::new(),
            expiring: Table::new(),
            hasher,
            new_access: 0,
            avg_ttl_ms: 0,
            expiry_cursor: 0,
            scratch: Vec::new(),
        }
    }

    /// How many keys there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no keys.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys have an expiry.
    #[inline]
    pub fn expires_len(&self) -> usize {
        self.expiring.len()
    }

    /// An estimate of the time left to keys that expire, from the expiry cycle's samples.
    pub fn avg_ttl_ms(&self) -> i64 {
        self.avg_ttl_ms
    }

    /// Sets the access bits that new keys start with: the LRU clock, or [`super::access::lfu_new`].
    /// To be called as time passes.
    pub fn set_new_access(&mut self, access: u32) {
        self.new_access = access;
    }

    /// The hash of a key, for prefetching.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    /// First step of a prefetched lookup: asks for the bucket of a hash.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        self.keys.prefetch_bucket(hash);
    }

    /// Second step, some other keys later: asks for the entry.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        self.keys.prefetch_element(hash);
    }

    /// The entry of a key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<Entry<'_>> {
        let found = find(&self.keys, self.hasher.hash(key), key)?;
        // SAFETY: the pointer comes from our table, and the result borrows `self`.
        Some(unsafe { view(found.handle) })
    }

    /// Whether a key exists.
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        find(&self.keys, self.hasher.hash(key), key).is_some()
    }

    /// The entry of a key, for changing an integer in place.
    #[inline]
    pub fn get_mut(&mut self, key: &[u8]) -> Option<EntryMut<'_>> {
        let found = find(&self.keys, self.hasher.hash(key), key)?;
        // SAFETY: the entry is live, and the result borrows `self` mutably.
        Some(unsafe { found.handle.entry_mut() })
    }

    /// Sets a key, new or not, to a value and an expiry (or none). The access bits of a key that
    /// exists stay.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: NewValue<'_>, expire: Option<i64>) -> Entry<'_> {
        let hash = self.hasher.hash(key);
        let pointer = match find(&self.keys, hash, key) {
            Some(found) => self.rewrite(hash, found, |entry| entry.with_value(value, expire)),
            None => self.add(hash, OwnedEntry::new(key, value, expire, self.new_access)),
        };
        // SAFETY: the entry is in our table, and the result borrows `self`.
        unsafe { view(pointer) }
    }

    /// Sets a key, new or not, to a value; an expiry that it has stays.
    #[inline]
    pub fn set_keep_ttl(&mut self, key: &[u8], value: NewValue<'_>) -> Entry<'_> {
        let hash = self.hasher.hash(key);
        let pointer = match find(&self.keys, hash, key) {
            Some(found) => self.rewrite(hash, found, |entry| {
                let expire = entry.entry().expire_at_ms();
                entry.with_value(value, expire)
            }),
            None => self.add(hash, OwnedEntry::new(key, value, None, self.new_access)),
        };
        // SAFETY: the entry is in our table, and the result borrows `self`.
        unsafe { view(pointer) }
    }

    /// The string of a key, in a form that can grow in place (its encoding becomes `raw`).
    ///
    /// # Panics
    ///
    /// The key holds something else.
    pub fn string_mut(&mut self, key: &[u8]) -> Option<&mut Vec<u8>> {
        let hash = self.hasher.hash(key);
        let found = find(&self.keys, hash, key)?;
        // SAFETY: the entry is in our table, and let go of at once.
        let type_ = unsafe { view(found.handle) }.type_();
        assert!(type_ == Type::String, "callers look at the type first");
        let pointer = self.rewrite(hash, found, OwnedEntry::growable);
        // SAFETY: the entry is live, and the result borrows `self` mutably.
        unsafe { pointer.entry_mut() }.into_string_mut()
    }

    /// Gives a key an expiry, or takes it away. Returns whether the key exists.
    pub fn set_expire(&mut self, key: &[u8], expire: Option<i64>) -> bool {
        let hash = self.hasher.hash(key);
        let found = find(&self.keys, hash, key);
        if let Some(found) = found {
            self.rewrite(hash, found, |entry| entry.with_expire(expire));
        }
        found.is_some()
    }

    /// Takes a key out of the database.
    pub fn remove(&mut self, key: &[u8]) -> Option<OwnedEntry> {
        let hash = self.hasher.hash(key);
        let found = find(&self.keys, hash, key)?;
        Some(self.remove_found(hash, found))
    }

    fn remove_found(&mut self, hash: u64, found: Found<EntryPtr>) -> OwnedEntry {
        let pointer = found.handle;
        // SAFETY: the pointer comes from our table.
        let expires = unsafe { view(pointer) }.expires();
        self.follow_expiry(hash, expires.then_some(pointer), None);
        let removed = self.keys.remove(found, hash_with(&self.hasher));
        assert!(removed == pointer, "nothing has changed since it was found");
        // SAFETY: neither table has the pointer any more.
        unsafe { OwnedEntry::from_ptr(pointer) }
    }

    /// Puts an entry into the database, unless its key is there already; then gives it back.
    pub fn insert(&mut self, entry: OwnedEntry) -> Result<Entry<'_>, OwnedEntry> {
        let hash = self.hasher.hash(entry.entry().key());
        match find(&self.keys, hash, entry.entry().key()) {
            Some(_) => Err(entry),
            // SAFETY: the entry is in our table then, and the result borrows `self`.
            None => Ok(unsafe { view(self.add(hash, entry)) }),
        }
    }

    /// Moves a value with its expiry to another key, over whatever that one held. Returns whether
    /// there was something to move.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        if from == to {
            return self.contains(from);
        }
        let Some(entry) = self.remove(from) else {
            return false;
        };
        self.remove(to);
        self.add(self.hasher.hash(to), entry.with_key(to));
        true
    }

    /// Visits entries from `cursor` on (0 to begin) until at least `count` were seen or that
    /// would take too long; returns the cursor to go on from, 0 at the end. Whatever is in the
    /// database from the first to the last call is seen, however it grows or shrinks meanwhile.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(Entry<'_>)) -> u64 {
        let buckets = count.saturating_mul(SCAN_BUCKETS_PER_ELEMENT);
        // SAFETY: the table passes its own pointers, and the entries do not outlive the call.
        let visit = |pointer| visit(unsafe { view(pointer) });
        self.keys.scan(cursor, count, buckets, visit)
    }

    /// A key chosen at random, nearly evenly.
    pub fn random(&self, rng: &mut Rng) -> Option<Entry<'_>> {
        let found = self.keys.random(rng);
        // SAFETY: the pointer comes from our table, and the result borrows `self`.
        found.map(|pointer| unsafe { view(pointer) })
    }

    /// A key that has an expiry, chosen at random, nearly evenly.
    pub fn random_expiring(&self, rng: &mut Rng) -> Option<Entry<'_>> {
        // SAFETY: as in `random`.
        self.expiring
            .random(rng)
            .map(|pointer| unsafe { view(pointer) })
    }

    /// Visits about `count` keys from a place chosen at random, of all or of those that expire.
    /// There is at least one if there are any keys of the kind.
    pub fn sample(
        &self,
        of_all: bool,
        count: usize,
        rng: &mut Rng,
        visit: &mut dyn FnMut(Entry<'_>),
    ) {
        let table = if of_all { &self.keys } else { &self.expiring };
        let mut seen = 0;
        // From a random place to the end, and if that was not enough from the start on.
        for start in [rng.below(SCAN_CURSOR_END), 0] {
            let wanted = count.saturating_sub(seen);
            let look = |pointer| {
                seen += 1;
                // SAFETY: the table passes its own pointers, and no entry outlives the call.
                visit(unsafe { view(pointer) });
            };
            if wanted > 0 {
                table.scan(start, wanted, wanted * SCAN_BUCKETS_PER_ELEMENT, look);
            }
        }
        if seen == 0
            && let Some(pointer) = table.random(rng)
        {
            // SAFETY: as above.
            visit(unsafe { view(pointer) });
        }
    }

    /// All entries, in no useful order.
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.keys.iter())
    }

    /// Prepares an empty database for as many keys, of which some expire.
    pub fn reserve(&mut self, keys: usize, expiring: usize) {
        self.keys.reserve(keys);
        self.expiring.reserve(expiring.min(keys));
    }

    /// Empties the database. What was in it can be dropped elsewhere.
    pub fn clear(&mut self) -> DetachedDb {
        let empty = self.new_like();
        DetachedDb(mem::replace(self, empty))
    }

    /// An empty database with the same seed and settings.
    pub fn new_like(&self) -> Db {
        let mut empty = Db::new(self.hasher.clone());
        empty.new_access = self.new_access;
        empty.hold_growth(self.keys.is_held());
        empty
    }

    /// While on, because a child shares the memory, tables are rebuilt only when they must.
    pub fn hold_growth(&mut self, hold: bool) {
        self.keys.hold(hold);
        self.expiring.hold(hold);
    }

    /// Shrinks tables that were emptied while they were held, looking at so many segments of each.
    pub fn settle(&mut self, segments: usize) {
        self.keys.settle(segments, hash_with(&self.hasher));
        self.expiring.settle(segments, hash_with(&self.hasher));
    }

    /// Slots of the tables, in use or not.
    pub fn slots(&self) -> Overhead {
        Overhead {
            keys: self.keys.slots(),
            expiring: self.expiring.slots(),
        }
    }

    /// How the keys, and those that expire, are spread over the tables; see [`Table::spread`].
    pub fn spreads(&self) -> [Vec<usize>; 2] {
        [self.keys.spread(), self.expiring.spread()]
    }

    /// Bytes for the tables.
    pub fn overhead(&self) -> Overhead {
        Overhead {
            keys: self.keys.memory(),
            expiring: self.expiring.memory(),
        }
    }

    /// Goes on through the keys that expire, looks at some `count` of them, takes out those whose
    /// time was before `now_ms`, and learns how long the others still have.
    pub(super) fn sweep(
        &mut self,
        count: usize,
        now_ms: i64,
        on_expired: &mut dyn FnMut(OwnedEntry),
    ) -> Sweep {
        let mut sweep = Sweep::default();
        let hasher = &self.hasher;
        let mut expired = Vec::new();
        let (mut ttl_sum, mut ttl_samples) = (0i128, 0i128);
        let look = |pointer: EntryPtr| {
            // SAFETY: the table passes its own pointers, and the entry does not outlive the call.
            let entry = unsafe { view(pointer) };
            let at = entry.expire_at_ms().expect("it is in the table of those");
            sweep.sampled += 1;
            if at < now_ms {
                expired.push((hasher.hash(entry.key()), pointer));
            } else if at > now_ms {
                ttl_sum += i128::from(at) - i128::from(now_ms);
                ttl_samples += 1;
            }
        };
        let buckets = count * SWEEP_BUCKETS_PER_KEY;
        self.expiry_cursor = self.expiring.scan(self.expiry_cursor, count, buckets, look);
        if ttl_samples > 0 {
            self.note_ttl((ttl_sum / ttl_samples) as i64);
        }
        sweep.expired = expired.len();
        for (hash, pointer) in expired {
            // The pointer is compared, not followed, until it has been found.
            let found = self.keys.find(hash, |other| other == pointer);
            on_expired(self.remove_found(hash, found.expect("every key that expires is a key")));
        }
        sweep
    }

    /// Lets a sample flow into the running average, at two percent.
    fn note_ttl(&mut self, ttl_ms: i64) {
        if self.avg_ttl_ms == 0 {
            self.avg_ttl_ms = ttl_ms;
        }
        self.avg_ttl_ms = self.avg_ttl_ms / 50 * 49 + ttl_ms / 50;
    }

    /// Says that no key expires any more, so there is no average either.
    pub(super) fn forget_ttl(&mut self) {
        self.avg_ttl_ms = 0;
    }

    /// Whether hardly any slot of the expiry table is in use, so that sweeping is a waste.
    pub(super) fn expiring_is_sparse(&self) -> bool {
        let slots = self.expiring.slots();
        slots > SPARSE_SLOTS_MIN && self.expiring.len() * 100 < slots
    }

    /// Adds an entry whose key is not there.
    fn add(&mut self, hash: u64, entry: OwnedEntry) -> EntryPtr {
        let expires = entry.entry().expires();
        let pointer = entry.into_ptr();
        self.keys.insert(hash, pointer, hash_with(&self.hasher));
        self.follow_expiry(hash, None, expires.then_some(pointer));
        pointer
    }

    /// Lets `change` work on an entry in the tables.
    #[inline]
    fn rewrite(
        &mut self,
        hash: u64,
        found: Found<EntryPtr>,
        change: impl FnOnce(OwnedEntry) -> OwnedEntry,
    ) -> EntryPtr {
        let old = found.handle;
        let guard = NoUnwinding;
        // SAFETY: the table owns the entry, and gets what becomes of it right back. Meanwhile
        // nobody looks at the tables, not even should this panic, which ends the process.
        let owned = unsafe { OwnedEntry::from_ptr(old) };
        let expired = owned.entry().expires();
        let changed = change(owned);
        let expires = changed.entry().expires();
        let new = changed.into_ptr();
        if new != old {
            self.keys.set(found, new);
        }
        if expired || expires {
            self.follow_expiry(hash, expired.then_some(old), expires.then_some(new));
        }
        mem::forget(guard);
        new
    }

    /// Keeps the table of those that expire right when an entry has moved, has got an expiry or
    /// lost it. `old` may be gone already; it is compared, not followed.
    fn follow_expiry(&mut self, hash: u64, old: Option<EntryPtr>, new: Option<EntryPtr>) {
        match (old, new) {
            (Some(old), Some(new)) if old != new => {
                let found = self.find_expiry(hash, old);
                self.expiring.set(found, new);
            }
            (Some(old), None) => {
                let found = self.find_expiry(hash, old);
                self.expiring.remove(found, hash_with(&self.hasher));
            }
            (None, Some(new)) => self.expiring.insert(hash, new, hash_with(&self.hasher)),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// Where a pointer is among those that expire. It is compared, not followed.
    fn find_expiry(&self, hash: u64, pointer: EntryPtr) -> Found<EntryPtr> {
        let found = self.expiring.find(hash, |other| other == pointer);
        found.expect("every entry with an expiry is in the table of those")
    }
}

/// Ends the process if it is dropped, that is, if a panic gets as far as here: a table has a
/// pointer to what may be gone, and whoever is told of the panic could still read it.
struct NoUnwinding;

impl Drop for NoUnwinding {
    fn drop(&mut self) {
        process::abort()
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        for pointer in self.keys.iter() {
            // SAFETY: the table owns the entry and is dropped right after, without looking at it.
            drop(unsafe { OwnedEntry::from_ptr(pointer) });
        }
    }
}

/// What was in a database before it was cleared. Dropping it may take long; that can be left to
/// another thread.
pub struct DetachedDb(Db);

impl DetachedDb {
    /// How many keys there were.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// See [`Db::iter`].
///
/// Entries lie in memory in the order of their making, not of the table, so each would be a cache
/// miss; those of the next few are asked for while the caller is busy with one.
pub struct Iter<'a> {
    table: table::Iter<'a, EntryPtr>,
    /// The entries asked for, in a ring: the one that is next stands at `at`.
    ahead: [Option<Entry<'a>>; ITER_AHEAD],
    at: usize,
}

impl<'a> Iter<'a> {
    fn new(table: table::Iter<'a, EntryPtr>) -> Iter<'a> {
        let mut iter = Iter {
            table,
            ahead: [None; ITER_AHEAD],
            at: 0,
        };
        for at in 0..ITER_AHEAD {
            iter.ahead[at] = iter.ask();
        }
        iter
    }

    /// Takes an entry from the table and asks for its memory.
    #[inline]
    fn ask(&mut self) -> Option<Entry<'a>> {
        let pointer = self.table.next()?;
        let address = pointer.into_pointer().as_ptr();
        prefetch(address);
        prefetch(address.wrapping_add(56));
        // SAFETY: the pointer comes from a table of the database that `'a` borrows.
        Some(unsafe { view(pointer) })
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let asked = self.ask();
        let next = mem::replace(&mut self.ahead[self.at], asked);
        self.at = (self.at + 1) % ITER_AHEAD;
        next
    }
}
