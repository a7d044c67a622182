//! Sorted sets: members in the order of their scores.
//!
//! Small ones are a listpack, member and score in turn and in order; from the thresholds of
//! [`ZSetLimits`] on they are a [`SortedSet`], and stay one. When exactly that happens shows in
//! `OBJECT ENCODING`, in `DUMP` and in memory, so it happens where the reference makes it happen:
//! before a command's members go in, if there are too many of them ([`ZSet::expect`]), and before
//! a single one goes in that is too long or one too many ([`ZSet::add`]). Sets that are computed
//! as a whole are packed if they turn out small ([`ZSet::compact`]).
//!
//! Whatever asks for a part of the order is answered in ranks, for both shapes alike: a range of
//! scores or of bytes is two [`Cut`]s, each cut has a position, and what lies between two
//! positions is read or removed.

mod add;
mod limits;
mod packed;
#[cfg(test)]
mod tests;
mod view;

use std::ops::Range;

pub use self::add::{Add, Added, Only, Unless};
pub use self::limits::ZSetLimits;
pub use self::view::{Members, Scored, ZSetRef};
use super::listpack::{Listpack, entry_bytes};
pub use super::ranked::{Builder, Cut, SortedSet};

/// A sorted set.
#[derive(Clone, Debug)]
pub enum ZSet {
    /// In one piece.
    Packed(Listpack),
    /// In a tree, with a table over the same members.
    Tree(Box<SortedSet>),
}

impl Default for ZSet {
    fn default() -> Self {
        ZSet::new()
    }
}

impl ZSet {
    /// An empty set.
    pub fn new() -> ZSet {
        ZSet::Packed(Listpack::new())
    }

    /// Packs a set that has been computed or loaded as a whole, if it is small enough.
    pub fn compact(set: SortedSet, limits: &ZSetLimits) -> ZSet {
        if set.len() > limits.max_listpack_entries {
            return ZSet::Tree(Box::new(set));
        }
        let mut listpack = Listpack::new();
        for (member, score) in set.range(0..set.len()) {
            let is_long = member.len() > limits.max_listpack_value;
            if is_long || !listpack.as_ref().fits(entry_bytes(member)) {
                return ZSet::Tree(Box::new(set));
            }
            packed::insert(&mut listpack, None, member, score);
        }
        ZSet::Packed(listpack)
    }

    /// The view that all reading goes through.
    #[inline]
    pub fn as_ref(&self) -> ZSetRef<'_> {
        match self {
            ZSet::Packed(listpack) => ZSetRef::Packed(listpack.as_ref()),
            ZSet::Tree(set) => ZSetRef::Tree(set),
        }
    }

    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// Whether there are no members.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.as_ref().is_empty()
    }

    /// Prepares for a command with so many members, the first of them so long. A new set also
    /// minds the length.
    pub fn expect(&mut self, members: usize, first_len: usize, limits: &ZSetLimits) {
        let is_long = self.is_empty() && first_len > limits.max_listpack_value;
        if members > limits.max_listpack_entries || is_long {
            self.convert(limits);
        }
    }

    /// Adds a member or changes its score, as `how` says.
    pub fn add(&mut self, member: &[u8], score: f64, how: Add, limits: &ZSetLimits) -> Added {
        if let ZSet::Packed(listpack) = self {
            let found = packed::find(listpack.as_ref(), member);
            let added = how.decide(score, found.map(|(_, score)| score));
            match (added, found) {
                (Added::Updated(score), Some((pos, _))) => {
                    packed::remove(listpack, pos);
                    packed::insert_in_order(listpack, member, score);
                }
                (Added::New(score), None) if packed::has_room(listpack, member, limits) => {
                    packed::insert_in_order(listpack, member, score);
                }
                (Added::New(_), None) => self.convert(limits),
                _ => {}
            }
            if let ZSet::Packed(_) = self {
                return added;
            }
        }
        let mut added = Added::Refused;
        if let ZSet::Tree(set) = self {
            set.update(member, |old| {
                added = how.decide(score, old);
                added.change()
            });
        }
        added
    }

    /// Removes a member and returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            ZSet::Packed(listpack) => {
                let (pos, score) = packed::find(listpack.as_ref(), member)?;
                packed::remove(listpack, pos);
                Some(score)
            }
            ZSet::Tree(set) => set.remove(member),
        }
    }

    /// Removes the members of these ranks, which must be within the set.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        match self {
            ZSet::Packed(listpack) => packed::remove_ranks(listpack, ranks),
            ZSet::Tree(set) => set.remove_ranks(ranks),
        }
    }

    /// Makes it a tree.
    pub fn convert(&mut self, limits: &ZSetLimits) {
        let ZSet::Packed(_) = self else {
            return;
        };
        let view = self.as_ref();
        let mut builder = Builder::new(limits.hasher.clone(), view.len());
        for (member, score) in view.iter() {
            member.with_bytes(|member| builder.update(member, |_| score));
        }
        *self = ZSet::Tree(Box::new(builder.finish()));
    }
}
