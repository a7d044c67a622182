//! The ordered slots of a tree node, and ways to cut through them.
//!
//! Scores and pointers lie in two arrays: a search looks at scores alone and follows a pointer
//! only where scores are equal. Counting the smaller scores of one node looks at all of them, but
//! has no branch to mispredict, and its cache lines load side by side, where the steps of a binary
//! search would wait for one another.

use std::ops::Range;
use std::ptr;

use super::member::Member;
use crate::sys::prefetch::prefetch;

const CACHE_LINE_BYTES: usize = 64;

/// A member and its score. The member is live: whoever makes a slot answers for that, so that all
/// who pass slots on, trees above all, may look at members without asking again.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    score: f64,
    member: Member,
}

impl Slot {
    /// A slot for a member.
    ///
    /// # Safety
    /// The member must stay alive for as long as the slot or a copy of it is used; a tree uses
    /// those that have been put into it until they are taken out again.
    #[inline]
    pub(super) unsafe fn new(score: f64, member: Member) -> Slot {
        Slot { score, member }
    }

    /// The same member with another score.
    #[inline]
    pub(super) fn with_score(self, score: f64) -> Slot {
        Slot { score, ..self }
    }

    #[inline]
    pub(super) fn score(self) -> f64 {
        self.score
    }

    #[inline]
    pub(super) fn member(self) -> Member {
        self.member
    }

    /// The member's bytes.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the member is live, by the contract of `new`. Bytes never change.
        unsafe { self.member.bytes() }
    }

    /// Whether this comes before a member with this score and these bytes.
    #[inline]
    pub(super) fn is_before(self, score: f64, bytes: &[u8]) -> bool {
        self.score < score || self.score == score && self.bytes() < bytes
    }
}

/// A place between two neighbours in the order of a set: members are before or behind it.
#[derive(Clone, Copy, Debug)]
pub enum Cut<'a> {
    /// Before everybody.
    Lowest,
    /// Before the first member with this score.
    BeforeScore(f64),
    /// Behind the last member with this score.
    AfterScore(f64),
    /// Before the first member with these bytes; of use where all scores are equal.
    BeforeBytes(&'a [u8]),
    /// Behind the last member with these bytes; of use where all scores are equal.
    AfterBytes(&'a [u8]),
    /// Behind everybody.
    Highest,
}

impl Cut<'_> {
    /// Whether a member is before the cut.
    #[inline]
    pub fn has_before(self, score: f64, bytes: &[u8]) -> bool {
        match self {
            Cut::Lowest => false,
            Cut::BeforeScore(cut) => score < cut,
            Cut::AfterScore(cut) => score <= cut,
            Cut::BeforeBytes(cut) => bytes < cut,
            Cut::AfterBytes(cut) => bytes <= cut,
            Cut::Highest => true,
        }
    }
}

/// Up to `N` slots in order.
#[repr(C)]
pub(super) struct Keys<const N: usize> {
    /// What is stored below this are slots, beyond it is nothing that may be looked at.
    len: usize,
    scores: [f64; N],
    members: [Member; N],
}

impl<const N: usize> Keys<N> {
    pub(super) const fn new() -> Keys<N> {
        Keys {
            len: 0,
            scores: [0.0; N],
            members: [Member::NONE; N],
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len == N
    }

    #[inline]
    pub(super) fn slot(&self, index: usize) -> Slot {
        assert!(index < self.len);
        Slot {
            score: self.scores[index],
            member: self.members[index],
        }
    }

    /// The bytes of a member and its score.
    #[inline]
    pub(super) fn pair(&self, index: usize) -> (&[u8], f64) {
        // SAFETY: it is the member of a slot, which is live by the contract of `Slot::new`.
        let bytes = unsafe { self.members()[index].bytes() };
        (bytes, self.scores()[index])
    }

    #[inline]
    pub(super) fn set(&mut self, index: usize, slot: Slot) {
        assert!(index < self.len);
        self.scores[index] = slot.score;
        self.members[index] = slot.member;
    }

    #[inline]
    fn scores(&self) -> &[f64] {
        &self.scores[..self.len]
    }

    #[inline]
    pub(super) fn members(&self) -> &[Member] {
        &self.members[..self.len]
    }

    /// Asks for all that a search for a score reads.
    #[inline]
    pub(super) fn prefetch(&self) {
        let start = ptr::from_ref(self).cast::<u8>();
        let searched = size_of_val(&self.len) + size_of_val(&self.scores);
        for offset in (0..searched).step_by(CACHE_LINE_BYTES) {
            prefetch(start.wrapping_add(offset));
        }
    }

    /// How many scores are below `score`.
    #[inline]
    pub(super) fn below(&self, score: f64) -> usize {
        self.scores().iter().map(|s| usize::from(*s < score)).sum()
    }

    /// How many scores are `score` or below.
    #[inline]
    fn up_to(&self, score: f64) -> usize {
        self.scores().iter().map(|s| usize::from(*s <= score)).sum()
    }

    /// How many slots come before a member.
    #[inline]
    pub(super) fn before(&self, score: f64, bytes: &[u8]) -> usize {
        self.partition(score, |other| other < bytes)
    }

    /// How many slots come before a member or are it.
    #[inline]
    pub(super) fn before_or_at(&self, score: f64, bytes: &[u8]) -> usize {
        self.partition(score, |other| other <= bytes)
    }

    #[inline]
    fn partition(&self, score: f64, is_before: impl Fn(&[u8]) -> bool) -> usize {
        let below = self.below(score);
        if below == self.len || self.scores[below] != score {
            return below;
        }
        let equal = below..self.up_to(score);
        below + self.partition_bytes(equal, is_before)
    }

    fn partition_bytes(&self, among: Range<usize>, is_before: impl Fn(&[u8]) -> bool) -> usize {
        let is_before = |member: &Member| {
            // SAFETY: it is the member of a slot, which is live by the contract of `Slot::new`.
            is_before(unsafe { member.bytes() })
        };
        self.members()[among].partition_point(is_before)
    }

    /// How many slots are before a cut.
    pub(super) fn before_cut(&self, cut: Cut<'_>) -> usize {
        match cut {
            Cut::Lowest => 0,
            Cut::Highest => self.len,
            Cut::BeforeScore(score) => self.below(score),
            Cut::AfterScore(score) => self.up_to(score),
            Cut::BeforeBytes(bytes) => self.partition_bytes(0..self.len, |other| other < bytes),
            Cut::AfterBytes(bytes) => self.partition_bytes(0..self.len, |other| other <= bytes),
        }
    }

    /// Inserts a slot; there must be room.
    #[inline]
    pub(super) fn insert(&mut self, index: usize, slot: Slot) {
        let len = self.len;
        self.scores[..=len].copy_within(index..len, index + 1);
        self.members[..=len].copy_within(index..len, index + 1);
        self.len += 1;
        self.set(index, slot);
    }

    /// Removes slots.
    #[inline]
    pub(super) fn remove(&mut self, range: Range<usize>) {
        let len = self.len;
        assert!(range.start <= range.end && range.end <= len);
        self.len -= range.len();
        self.scores[..len].copy_within(range.end.., range.start);
        self.members[..len].copy_within(range.end.., range.start);
    }

    /// Moves the last `n` slots to the front of the node on the right.
    pub(super) fn shift_right(&mut self, right: &mut Keys<N>, n: usize) {
        let from = self.len - n..self.len;
        right.scores.copy_within(..right.len, n);
        right.members.copy_within(..right.len, n);
        right.scores[..n].copy_from_slice(&self.scores[from.clone()]);
        right.members[..n].copy_from_slice(&self.members[from]);
        self.len -= n;
        right.len += n;
    }

    /// Moves the first `n` slots of the node on the right to the end of this one.
    pub(super) fn shift_left(&mut self, right: &mut Keys<N>, n: usize) {
        assert!(n <= right.len);
        let to = self.len..self.len + n;
        self.scores[to.clone()].copy_from_slice(&right.scores[..n]);
        self.members[to].copy_from_slice(&right.members[..n]);
        self.len += n;
        right.remove(0..n);
    }
}
