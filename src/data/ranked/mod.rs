//! The large sorted set: a hash table that finds members, and a tree that keeps them in order.
//!
//! ```text
//!            table: bytes → member            tree: (score, bytes) → rank
//!                      \                       /
//!                       [ score | length | bytes ]
//! ```
//!
//! A skip list does this job with a node of some 40 bytes beside each member and a cache miss for
//! every step. The B+-tree here ([`tree`]) needs about 24 bytes a member and a handful of misses
//! to get anywhere, counts what is below each node, so that ranks cost what lookups do, and goes
//! through ranges a leaf of members at a time. Members ([`member`]) are allocated once and known
//! to both sides by their pointer.
//!
//! Order is by score, where -0 equals 0, and by bytes among equal scores. NaN is never stored.
//!
//! This folder is one of the places with unsafe code: it follows pointers to members. Invariants: a
//! member is live from when it enters the table until it has left it, and is freed then; what is in
//! the tree is in the table; the score in the tree and that in the member are the same. A member
//! leaves the tree before it leaves the table, so no pointer in the tree ever dangles. The tree
//! finds a member by its score and bytes, so the order must be total, which NaN would break: it is
//! refused.

mod keys;
mod member;
mod node;
mod range;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::ops::Range;

pub use self::keys::Cut;
use self::keys::Slot;
use self::member::Member;
pub use self::range::RankRange;
use self::tree::Tree;
use crate::base::bytes::equal;
use crate::table::{Found, KeyHasher, Table};

/// How many buckets a scan may visit for each member that it was asked for.
const SCAN_BUCKETS_PER_MEMBER: usize = 10;

const NO_NAN: &str = "what is not a number has no place in an order";

/// Members that are found by their bytes, and own them. The half of a set that has no order.
struct Members {
    table: Table<Member>,
    hasher: KeyHasher,
    /// Allocated for the members themselves.
    bytes: usize,
}

/// A large sorted set.
pub struct SortedSet {
    members: Members,
    tree: Tree,
}

/// A set under construction: members come in any order and may change their scores.
pub struct Builder {
    members: Members,
    /// In the order of arrival.
    arrived: Vec<Member>,
}

/// What [`SortedSet::update`] found and did.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Update {
    /// The score before; none if there was no such member.
    pub old: Option<f64>,
    /// The score that was asked for; none if all was left as it was.
    pub new: Option<f64>,
}

impl Members {
    fn new(hasher: KeyHasher) -> Members {
        Members {
            table: Table::new(),
            hasher,
            bytes: 0,
        }
    }

    #[inline]
    fn find(&self, hash: u64, bytes: &[u8]) -> Option<Found<Member>> {
        // SAFETY: members of the table are live.
        let is_it = |member: Member| equal(unsafe { member.bytes() }, bytes);
        self.table.find(hash, is_it)
    }

    /// Adds a member that is not there yet.
    fn add(&mut self, hash: u64, score: f64, bytes: &[u8]) -> Member {
        let member = Member::allocate(score, bytes);
        // SAFETY: it has just been made.
        self.bytes += unsafe { member.memory() };
        self.table.insert(hash, member, hash_with(&self.hasher));
        member
    }

    /// Removes and frees a member.
    ///
    /// # Safety
    /// It must have been found since the table changed last, and it must not be in a tree.
    unsafe fn free(&mut self, found: Found<Member>) {
        let member = self.table.remove(found, hash_with(&self.hasher));
        // SAFETY: the table was the last to have it.
        self.bytes -= unsafe { member.free() };
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for member in self.table.iter() {
            // SAFETY: members of the table are live, each is there once, and neither the table
            // nor a tree that goes down with it looks at them again.
            unsafe { member.free() };
        }
    }
}

/// The hash of any member of the table.
fn hash_with(hasher: &KeyHasher) -> impl Fn(Member) -> u64 {
    // SAFETY: tables call this with their own members only, which are live.
    move |member| hasher.hash(unsafe { member.bytes() })
}

/// A member of the table and its score.
///
/// # Safety
/// The member must be in the table, and stay there as [`Slot::new`] says.
#[inline]
unsafe fn slot(member: Member) -> Slot {
    // SAFETY: members of the table are live.
    unsafe { Slot::new(member.score(), member) }
}

impl SortedSet {
    /// An empty set that places its members by this hash function.
    pub fn new(hasher: KeyHasher) -> SortedSet {
        SortedSet {
            members: Members::new(hasher),
            tree: Tree::new(),
        }
    }

    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether there are no members.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tree.len() == 0
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        let members = &self.members;
        size_of::<SortedSet>() + members.table.memory() + members.bytes + self.tree.memory()
    }

    /// Slots for members in the table, in use or not.
    pub fn slots(&self) -> usize {
        self.members.table.slots()
    }

    /// How the members are spread over the table; see [`Table::spread`].
    pub fn spread(&self) -> Vec<usize> {
        self.members.table.spread()
    }

    /// First step of a prefetched lookup: asks for the bucket of a member, and gives the hash for
    /// the second.
    #[inline]
    pub fn prefetch_bucket(&self, bytes: &[u8]) -> u64 {
        let hash = self.members.hasher.hash(bytes);
        self.members.table.prefetch_bucket(hash);
        hash
    }

    /// Second step, some other lookups later: asks for the member.
    #[inline]
    pub fn prefetch_member(&self, hash: u64) {
        self.members.table.prefetch_element(hash);
    }

    /// Third step, when the members have arrived: asks for the way to each of them in the tree.
    pub fn prefetch_ways<const N: usize>(&self, hashes: &[Option<u64>; N]) {
        let scores = hashes.map(|hash| {
            let member = self.members.table.likely(hash?)?;
            // SAFETY: members of the table are live.
            Some(unsafe { member.score() })
        });
        self.tree.prefetch_ways(&scores);
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, bytes: &[u8]) -> Option<f64> {
        let hash = self.members.hasher.hash(bytes);
        let found = self.members.find(hash, bytes)?;
        // SAFETY: members of the table are live.
        Some(unsafe { found.handle.score() })
    }

    /// The rank of a member, counted from the lowest, and its score.
    pub fn rank(&self, bytes: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(bytes)?;
        Some((self.tree.rank(score, bytes), score))
    }

    /// How many members are before a cut.
    pub fn position(&self, cut: Cut<'_>) -> usize {
        self.tree.position(cut)
    }

    /// The members of these ranks, which must be within the set.
    pub fn range(&self, ranks: Range<usize>) -> RankRange<'_> {
        RankRange::new(&self.tree, ranks)
    }

    /// Adds a member or changes its score: `choose` gets the score that it has, if any, and says
    /// which it shall have, if anything is to be done.
    ///
    /// # Panics
    ///
    /// The score is NaN.
    pub fn update(
        &mut self,
        bytes: &[u8],
        choose: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Update {
        let hash = self.members.hasher.hash(bytes);
        let found = self.members.find(hash, bytes).map(|found| found.handle);
        // SAFETY: it is in the table, which it does not leave here.
        let old = found.map(|member| unsafe { slot(member) });
        let new = choose(old.map(Slot::score));
        if let Some(score) = new {
            assert!(!score.is_nan(), "{NO_NAN}");
            match old {
                None => {
                    let member = self.members.add(hash, score, bytes);
                    // SAFETY: the member is in the table, and leaves the tree before that.
                    self.tree.insert(unsafe { Slot::new(score, member) });
                }
                Some(slot) if slot.score() != score => {
                    self.tree.reseat(slot, score);
                    // SAFETY: the member is live, and nobody holds more than its bytes.
                    unsafe { slot.member().set_score(score) }
                }
                Some(_) => {}
            }
        }
        Update {
            old: old.map(Slot::score),
            new,
        }
    }

    /// Removes a member and returns its score.
    pub fn remove(&mut self, bytes: &[u8]) -> Option<f64> {
        let hash = self.members.hasher.hash(bytes);
        let found = self.members.find(hash, bytes)?;
        // SAFETY: it has just been found in the table, and the slot is not used once it has left.
        let slot = unsafe { slot(found.handle) };
        self.tree.remove(slot);
        // SAFETY: only the tree has changed since it was found, and does not have it any more.
        unsafe { self.members.free(found) }
        Some(slot.score())
    }

    /// Removes the members of these ranks, which must be within the set.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        let members = &mut self.members;
        self.tree.remove_ranks(ranks, &mut |slot| {
            let hash = members.hasher.hash(slot.bytes());
            let found = members.table.find(hash, |member| member == slot.member());
            let found = found.expect("what is in the tree is in the table");
            // SAFETY: it has just been found, and the tree has given it up.
            unsafe { members.free(found) }
        });
    }

    /// Visits members from `cursor` on (0 to begin) until at least `count` were seen or that would
    /// take too long; returns the cursor to go on from, 0 at the end.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8], f64)) -> u64 {
        let buckets = count.saturating_mul(SCAN_BUCKETS_PER_MEMBER);
        self.members.table.scan(cursor, count, buckets, |member| {
            // SAFETY: the table passes its own members, and cannot change meanwhile.
            let slot = unsafe { slot(member) };
            visit(slot.bytes(), slot.score());
        })
    }
}

impl Clone for SortedSet {
    fn clone(&self) -> SortedSet {
        let mut builder = Builder::new(self.members.hasher.clone(), self.len());
        for (bytes, score) in self.range(0..self.len()) {
            builder.update(bytes, |_| score);
        }
        builder.finish()
    }
}

impl fmt::Debug for SortedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let pairs = self.range(0..self.len());
        f.debug_map()
            .entries(pairs.map(|(bytes, score)| (text(bytes), score)))
            .finish()
    }
}

impl Builder {
    /// A builder for about so many members.
    pub fn new(hasher: KeyHasher, expected: usize) -> Builder {
        let mut members = Members::new(hasher);
        members.table.reserve(expected);
        Builder {
            members,
            arrived: Vec::new(),
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.arrived.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.arrived.is_empty()
    }

    /// Adds a member or changes its score: `choose` gets the score that it has, if any, and says
    /// which it shall have. Returns whether the member is new.
    ///
    /// # Panics
    ///
    /// The score is NaN.
    pub fn update(&mut self, bytes: &[u8], choose: impl FnOnce(Option<f64>) -> f64) -> bool {
        let hash = self.members.hasher.hash(bytes);
        let found = self.members.find(hash, bytes).map(|found| found.handle);
        // SAFETY: members of the table are live.
        let score = choose(found.map(|member| unsafe { member.score() }));
        assert!(!score.is_nan(), "{NO_NAN}");
        match found {
            None => self.arrived.push(self.members.add(hash, score, bytes)),
            // SAFETY: the member is live, and nobody else uses it.
            Some(member) => unsafe { member.set_score(score) },
        }
        found.is_none()
    }

    /// The set. Members that arrived in order, or in reverse, are not sorted again.
    pub fn finish(self) -> SortedSet {
        // SAFETY: all that arrived is in the table, which goes along with the tree.
        let slots = self
            .arrived
            .into_iter()
            .map(|member| unsafe { slot(member) });
        let mut slots: Vec<Slot> = slots.collect();
        slots.sort_unstable_by(|a, b| {
            let by_score = a.score().partial_cmp(&b.score());
            by_score
                .expect("scores are numbers")
                .then_with(|| a.bytes().cmp(b.bytes()))
        });
        SortedSet {
            tree: Tree::from_sorted(&slots),
            members: self.members,
        }
    }
}
