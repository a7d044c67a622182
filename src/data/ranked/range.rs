//! Walking through members in order, from either end.
//!
//! A range holds two ranks and the leaves at both of its ends. A leaf that is used up is replaced
//! by a fresh search for the next rank, which costs next to nothing once in some forty members, and
//! spares the leaves links to their neighbours. Members are asked for ahead of their turn: each is
//! an allocation of its own, so the walk would wait for every one of them.

use std::ops::Range;

use super::node::Leaf;
use super::tree::Tree;
use crate::sys::prefetch::prefetch;

/// How many members are asked for ahead.
const AHEAD: usize = 8;

/// The members of a range of ranks, as bytes and score.
pub struct RankRange<'a> {
    tree: &'a Tree,
    ranks: Range<usize>,
    front: Option<Leg<'a>>,
    back: Option<Leg<'a>>,
}

/// What is left of a leaf: slots that lie behind one another in the direction of the walk.
struct Leg<'a> {
    leaf: &'a Leaf,
    slots: Range<usize>,
}

impl<'a> RankRange<'a> {
    pub(super) fn new(tree: &'a Tree, ranks: Range<usize>) -> RankRange<'a> {
        assert!(ranks.end <= tree.len());
        RankRange {
            tree,
            ranks,
            front: None,
            back: None,
        }
    }
}

impl<'a> Leg<'a> {
    #[inline]
    fn ask_for(&self, at: usize) {
        if self.slots.contains(&at) {
            prefetch(self.leaf.members()[at].address());
        }
    }
}

impl<'a> Iterator for RankRange<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], f64)> {
        let rank = self.ranks.next()?;
        loop {
            if let Some(leg) = &mut self.front
                && let Some(at) = leg.slots.next()
            {
                leg.ask_for(at + AHEAD);
                return Some(leg.leaf.pair(at));
            }
            let (leaf, at) = self.tree.leaf_at(rank);
            let slots = at..leaf.len();
            let leg = Leg { leaf, slots };
            (at..at + AHEAD).for_each(|at| leg.ask_for(at));
            self.front = Some(leg);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl DoubleEndedIterator for RankRange<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next_back()?;
        loop {
            if let Some(leg) = &mut self.back
                && let Some(at) = leg.slots.next_back()
            {
                leg.ask_for(at.wrapping_sub(AHEAD));
                return Some(leg.leaf.pair(at));
            }
            let (leaf, at) = self.tree.leaf_at(rank);
            let leg = Leg {
                leaf,
                slots: 0..at + 1,
            };
            (at.saturating_sub(AHEAD)..at).for_each(|at| leg.ask_for(at));
            self.back = Some(leg);
        }
    }
}

impl ExactSizeIterator for RankRange<'_> {}
