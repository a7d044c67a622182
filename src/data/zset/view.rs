//! Reading a sorted set, whatever its shape.

use std::collections::HashSet;
use std::ops::Range;

use super::packed::{self, GROUP};
use super::{Cut, SortedSet};
use crate::base::rng::Rng;
use crate::data::listpack::{Element, ListpackRef, Pos};
use crate::data::ranked::RankRange;

/// When more than one in so many members is wanted, a sample is drawn by walking through all.
const SPARSE_SAMPLE: usize = 3;

/// A member and its score.
pub type Scored<'a> = (Element<'a>, f64);

/// A sorted set, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum ZSetRef<'a> {
    /// In one piece.
    Packed(ListpackRef<'a>),
    /// In a tree, with a table over the same members.
    Tree(&'a SortedSet),
}

impl<'a> ZSetRef<'a> {
    /// How many members there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            ZSetRef::Packed(listpack) => listpack.len() / GROUP,
            ZSetRef::Tree(set) => set.len(),
        }
    }

    /// Whether there are no members.
    #[inline]
    pub fn is_empty(self) -> bool {
        match self {
            ZSetRef::Packed(listpack) => listpack.is_empty(),
            ZSetRef::Tree(set) => set.is_empty(),
        }
    }

    /// The score of a member.
    #[inline]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            ZSetRef::Packed(listpack) => packed::find(listpack, member).map(|(_, score)| score),
            ZSetRef::Tree(set) => set.score(member),
        }
    }

    /// The rank of a member, counted from the lowest, and its score.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            ZSetRef::Packed(_) => {
                let mut members = self.iter().enumerate();
                let (rank, (_, score)) = members.find(|(_, (other, _))| *other == *member)?;
                Some((rank, score))
            }
            ZSetRef::Tree(set) => set.rank(member),
        }
    }

    /// How many members are before a cut.
    pub fn position(self, cut: Cut<'_>) -> usize {
        match self {
            ZSetRef::Packed(_) => {
                let is_before = |(member, score): &Scored<'_>| {
                    member.with_bytes(|member| cut.has_before(*score, member))
                };
                self.iter().take_while(is_before).count()
            }
            ZSetRef::Tree(set) => set.position(cut),
        }
    }

    /// The ranks between two cuts.
    pub fn between(self, from: Cut<'_>, to: Cut<'_>) -> Range<usize> {
        let start = self.position(from);
        start..self.position(to).max(start)
    }

    /// The members of these ranks, which must be within the set.
    pub fn range(self, ranks: Range<usize>) -> Members<'a> {
        match self {
            ZSetRef::Packed(listpack) => Members::Packed {
                listpack,
                ranks,
                front: None,
                back: None,
            },
            ZSetRef::Tree(set) => Members::Tree(set.range(ranks)),
        }
    }

    /// All members, in order.
    pub fn iter(self) -> Members<'a> {
        self.range(0..self.len())
    }

    /// Visits members from `cursor` on, some `count` of them or, of a listpack, all; returns the
    /// cursor to go on from. See [`SortedSet::scan`].
    pub fn scan(self, cursor: u64, count: usize, visit: &mut dyn FnMut(Scored<'_>)) -> u64 {
        match self {
            ZSetRef::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
            ZSetRef::Tree(set) => set.scan(cursor, count, &mut |member, score| {
                visit((Element::Bytes(member), score));
            }),
        }
    }

    /// A member chosen at random.
    pub fn random(self, rng: &mut Rng) -> Option<Scored<'a>> {
        if self.is_empty() {
            return None;
        }
        let rank = rng.below(self.len() as u64) as usize;
        self.range(rank..rank + 1).next()
    }

    /// Visits so many members chosen at random, each time from all of them. There must be one.
    pub fn draw(self, count: usize, rng: &mut Rng, visit: &mut dyn FnMut(Scored<'a>)) {
        match self {
            ZSetRef::Packed(listpack) => {
                for pos in listpack.random_repeating(GROUP, count, rng) {
                    visit(scored(listpack, pos));
                }
            }
            ZSetRef::Tree(_) => {
                (0..count).for_each(|_| visit(self.random(rng).expect("there is a member")));
            }
        }
    }

    /// Visits so many different members chosen at random, or all where there are no more.
    pub fn sample(self, count: usize, rng: &mut Rng, visit: &mut dyn FnMut(Scored<'a>)) {
        let len = self.len();
        if count < len / SPARSE_SAMPLE {
            let mut drawn = HashSet::with_capacity(count);
            while drawn.len() < count {
                let rank = rng.below(len as u64) as usize;
                if drawn.insert(rank) {
                    self.range(rank..rank + 1).for_each(&mut *visit);
                }
            }
            return;
        }
        rng.choose(count, len, self.iter(), visit);
    }

    /// Bytes that it takes, without room to spare.
    pub fn memory(self) -> usize {
        match self {
            ZSetRef::Packed(listpack) => listpack.body().len(),
            ZSetRef::Tree(set) => set.memory(),
        }
    }

    /// How many allocations there are to free, about.
    pub fn free_effort(self) -> usize {
        match self {
            ZSetRef::Packed(_) => 1,
            ZSetRef::Tree(set) => set.len(),
        }
    }
}

/// The member at a place and its score.
#[inline]
fn scored(listpack: ListpackRef<'_>, pos: Pos) -> Scored<'_> {
    let score_pos = packed::score_pos(listpack, pos);
    (listpack.get(pos), packed::score(listpack, score_pos))
}

/// Members in order, from both ends; see [`ZSetRef::range`].
pub enum Members<'a> {
    /// Of a listpack.
    Packed {
        /// The listpack.
        listpack: ListpackRef<'a>,
        /// What is left.
        ranks: Range<usize>,
        /// The first of them, once it has been looked for.
        front: Option<Pos>,
        /// The last of them, likewise.
        back: Option<Pos>,
    },
    /// Of a tree.
    Tree(RankRange<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = Scored<'a>;

    #[inline]
    fn next(&mut self) -> Option<Scored<'a>> {
        match self {
            Members::Tree(range) => range
                .next()
                .map(|(member, score)| (Element::Bytes(member), score)),
            Members::Packed {
                listpack,
                ranks,
                front,
                ..
            } => {
                let rank = ranks.next()?;
                let pos = front.or_else(|| listpack.seek((rank * GROUP) as i64))?;
                let score_pos = packed::score_pos(*listpack, pos);
                *front = listpack.next(score_pos);
                Some((listpack.get(pos), packed::score(*listpack, score_pos)))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Members::Tree(range) => range.size_hint(),
            Members::Packed { ranks, .. } => ranks.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Members<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Members::Tree(range) => range
                .next_back()
                .map(|(member, score)| (Element::Bytes(member), score)),
            Members::Packed {
                listpack,
                ranks,
                back,
                ..
            } => {
                let rank = ranks.next_back()?;
                let pos = back.or_else(|| listpack.seek((rank * GROUP) as i64))?;
                *back = listpack.prev(pos).and_then(|score| listpack.prev(score));
                Some(scored(*listpack, pos))
            }
        }
    }
}

impl ExactSizeIterator for Members<'_> {}
