//! The order of a set: a B+-tree that counts.
//!
//! Everything that asks for an order goes through two questions: how many members are before some
//! place ([`Tree::position`]), and which member has some rank ([`Tree::leaf_at`]). A range is two
//! ranks, so ranges by score, by bytes and by rank are one thing.
//!
//! A change walks down by recursion and mends the counts and first slots of inner nodes on its way
//! back. A full node splits in the middle, unless it grew at an outer edge of the tree: then the
//! full one is left full, so that members that come in order, either way, pack tightly. A node
//! that is left with less than a third of its slots merges with a neighbour or takes some of its
//! slots over.
//!
//! Invariants: no node is empty but the leaf of an empty tree; leaves are equally deep; counts and
//! first slots are exact.

use std::mem;
use std::ops::Range;

use super::keys::{Cut, Slot};
use super::node::{INNER_SLOTS, Inner, LEAF_SLOTS, Leaf, Node, even_parts};
use crate::base::size_class::size_class;

/// The share of a node's slots, as a divisor, below which it looks to its neighbours.
const SPARSE_DIVISOR: usize = 3;

/// The share that stays free, as a divisor, in nodes that merge or are built all at once.
const ROOM_DIVISOR: usize = 8;

/// Members in order; they belong to somebody else.
pub(super) struct Tree {
    root: Node,
    len: usize,
}

/// What to take out of the tree.
#[derive(Clone, Copy)]
enum Target<'a> {
    /// A member.
    Member { score: f64, bytes: &'a [u8] },
    /// A member, unless it stays where it is with the other score.
    Moving {
        score: f64,
        bytes: &'a [u8],
        to: f64,
    },
    /// The members from this rank on, up to so many, as far as they are in one leaf.
    Ranks { first: usize, n: usize },
}

/// Which outer edges of the tree a subtree lies on.
#[derive(Clone, Copy)]
struct Edges {
    left: bool,
    right: bool,
}

impl Tree {
    pub(super) fn new() -> Tree {
        Tree {
            root: Node::empty(),
            len: 0,
        }
    }

    /// A tree of slots that are in order.
    pub(super) fn from_sorted(slots: &[Slot]) -> Tree {
        let leaf = |range: Range<usize>| {
            let mut leaf = Box::new(Leaf::new());
            slots[range]
                .iter()
                .for_each(|slot| leaf.insert(leaf.len(), *slot));
            Node::Leaf(leaf)
        };
        let parts = even_parts(slots.len(), LEAF_SLOTS - LEAF_SLOTS / ROOM_DIVISOR);
        let mut level: Vec<Node> = parts.map(leaf).collect();
        while level.len() > 1 {
            let parts = even_parts(level.len(), INNER_SLOTS - INNER_SLOTS / ROOM_DIVISOR);
            let mut children = level.into_iter();
            let inner = |range: Range<usize>| {
                let mut inner = Box::new(Inner::new());
                let children = children.by_ref().take(range.len());
                children.for_each(|child| inner.insert(inner.len(), child));
                Node::Inner(inner)
            };
            level = parts.map(inner).collect();
        }
        Tree {
            root: level.pop().unwrap_or_else(Node::empty),
            len: slots.len(),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes allocated for nodes.
    pub(super) fn memory(&self) -> usize {
        fn below(node: &Node) -> usize {
            let Node::Inner(inner) = node else {
                return size_class(size_of::<Leaf>());
            };
            let own = size_class(size_of::<Inner>());
            match inner.child(0) {
                Node::Leaf(_) => own + inner.len() * size_class(size_of::<Leaf>()),
                Node::Inner(_) => own + inner.children().map(below).sum::<usize>(),
            }
        }
        below(&self.root)
    }

    /// How many members are before a cut.
    pub(super) fn position(&self, cut: Cut<'_>) -> usize {
        let mut before = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return before + leaf.before_cut(cut),
                Node::Inner(inner) => {
                    let index = inner.keys.before_cut(cut).saturating_sub(1);
                    before += inner.count_before(index);
                    node = inner.child(index);
                }
            }
        }
    }

    /// The rank of a member that is here.
    pub(super) fn rank(&self, score: f64, bytes: &[u8]) -> usize {
        let mut before = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return before + leaf.before(score, bytes),
                Node::Inner(inner) => {
                    let index = inner.child_of(score, bytes);
                    before += inner.count_before(index);
                    node = inner.child(index);
                }
            }
        }
    }

    /// The leaf with the member of this rank, and its place there.
    #[inline]
    pub(super) fn leaf_at(&self, mut rank: usize) -> (&Leaf, usize) {
        assert!(rank < self.len);
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, rank),
                Node::Inner(inner) => {
                    let (index, rest) = inner.child_of_rank(rank);
                    (node, rank) = (inner.child(index), rest);
                }
            }
        }
    }

    /// Asks for the nodes on the way to each of several scores: all of one level, then all of the
    /// next, so that the waits overlap.
    pub(super) fn prefetch_ways<const N: usize>(&self, scores: &[Option<f64>; N]) {
        let mut at = [&self.root; N];
        loop {
            let mut has_below = false;
            for (node, score) in at.iter_mut().zip(scores) {
                if let (Node::Inner(inner), Some(score)) = (*node, score) {
                    *node = inner.child(inner.keys.below(*score).saturating_sub(1));
                    node.prefetch();
                    has_below = true;
                }
            }
            if !has_below {
                return;
            }
        }
    }

    /// Inserts a member that is not here yet.
    pub(super) fn insert(&mut self, slot: Slot) {
        let edges = Edges {
            left: true,
            right: true,
        };
        self.len += 1;
        if let Some(right) = self.root.insert(slot, slot.bytes(), edges) {
            let left = mem::replace(&mut self.root, Node::empty());
            let mut root = Box::new(Inner::new());
            root.insert(0, left);
            root.insert(1, right);
            self.root = Node::Inner(root);
        }
    }

    /// Gives a member that is here another score.
    pub(super) fn reseat(&mut self, slot: Slot, to: f64) {
        let (score, bytes) = (slot.score(), slot.bytes());
        if self.take(Target::Moving { score, bytes, to }, &mut |_| {}) > 0 {
            self.insert(slot.with_score(to));
        }
    }

    /// Removes a member that is here.
    pub(super) fn remove(&mut self, slot: Slot) {
        let (score, bytes) = (slot.score(), slot.bytes());
        self.take(Target::Member { score, bytes }, &mut |_| {});
    }

    /// Removes the members of these ranks, which must be here, and hands them out in order.
    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>, out: &mut dyn FnMut(Slot)) {
        assert!(ranks.end <= self.len);
        let (first, mut n) = (ranks.start, ranks.len());
        while n > 0 {
            n -= self.take(Target::Ranks { first, n }, out);
        }
    }

    /// Removes a target and returns how many members that were.
    fn take(&mut self, target: Target<'_>, out: &mut dyn FnMut(Slot)) -> usize {
        let taken = self.root.take(target, out);
        self.len -= taken;
        while let Node::Inner(inner) = &mut self.root {
            self.root = match inner.len() {
                0 => Node::empty(),
                1 => inner.take_only_child(),
                _ => break,
            };
        }
        taken
    }

    /// Panics unless all is as it should be. Looks at all of the tree.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let mut last = None;
        assert_eq!(self.root.check(&mut last, true).0, self.len);
    }
}

impl Node {
    /// Inserts a member below. A node that has to split returns its new neighbour on the right.
    fn insert(&mut self, slot: Slot, bytes: &[u8], edges: Edges) -> Option<Node> {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.before(slot.score(), bytes);
                if !leaf.is_full() {
                    leaf.insert(at, slot);
                    return None;
                }
                let (mut right, on_right) = self.split(at, edges);
                match on_right {
                    Some(at) => right.leaf_mut().insert(at, slot),
                    None => self.leaf_mut().insert(at, slot),
                }
                Some(right)
            }
            Node::Inner(inner) => {
                let index = inner.child_of(slot.score(), bytes);
                let below = Edges {
                    left: edges.left && index == 0,
                    right: edges.right && index + 1 == inner.len(),
                };
                let Some(child) = inner.child_mut(index).insert(slot, bytes, below) else {
                    inner.refresh(index, inner.count(index) + 1);
                    return None;
                };
                inner.refresh(index, inner.child(index).count());
                let at = index + 1;
                if !inner.keys.is_full() {
                    inner.insert(at, child);
                    return None;
                }
                let (mut right, on_right) = self.split(at, edges);
                match on_right {
                    Some(at) => right.inner_mut().insert(at, child),
                    None => self.inner_mut().insert(at, child),
                }
                Some(right)
            }
        }
    }

    /// Splits a full node into which something is to be inserted at `at`. Returns the new
    /// neighbour, and the place in it if that is where the something belongs now.
    fn split(&mut self, at: usize, edges: Edges) -> (Node, Option<usize>) {
        let len = self.len();
        let cut = match at {
            0 if edges.left => 0,
            _ if at == len && edges.right => len,
            _ => len / 2,
        };
        let right = self.split_off(cut);
        let is_right = at > cut || at == len;
        (right, is_right.then(|| at - cut))
    }

    /// Removes what `target` says, hands it to `out`, and returns how many members that were.
    fn take(&mut self, target: Target<'_>, out: &mut dyn FnMut(Slot)) -> usize {
        let inner = match self {
            Node::Leaf(leaf) => return take_from_leaf(leaf, target, out),
            Node::Inner(inner) => inner,
        };
        let (index, target) = match target {
            Target::Member { score, bytes } | Target::Moving { score, bytes, .. } => {
                (inner.child_of(score, bytes), target)
            }
            Target::Ranks { first, n } => {
                let (index, first) = inner.child_of_rank(first);
                (index, Target::Ranks { first, n })
            }
        };
        let taken = inner.child_mut(index).take(target, out);
        let left = inner.count(index) - taken;
        if left == 0 {
            inner.remove(index);
            return taken;
        }
        inner.refresh(index, left);
        let child = inner.child(index);
        if taken > 0 && child.len() < child.slots() / SPARSE_DIVISOR {
            inner.even_out(index);
        }
        taken
    }
}

impl Inner {
    /// The child under which a member is, or belongs.
    #[inline]
    fn child_of(&self, score: f64, bytes: &[u8]) -> usize {
        self.keys.before_or_at(score, bytes).saturating_sub(1)
    }

    /// Merges a sparse child with a neighbour, or lets it take over some of that one's slots.
    fn even_out(&mut self, sparse: usize) {
        if self.len() == 1 {
            return;
        }
        let left_index = sparse.saturating_sub(1);
        let (left, right) = self.pair_mut(left_index);
        let (n_left, n_right, slots) = (left.len(), right.len(), left.slots());
        if n_left + n_right <= slots - slots / ROOM_DIVISOR {
            left.shift_left(right, n_right);
            let count = self.count(left_index) + self.count(left_index + 1);
            self.refresh(left_index, count);
            self.remove(left_index + 1);
            return;
        }
        if n_left < n_right {
            left.shift_left(right, (n_right - n_left) / 2);
        } else {
            left.shift_right(right, (n_left - n_right) / 2);
        }
        for index in [left_index, left_index + 1] {
            self.refresh(index, self.child(index).count());
        }
    }
}

/// Does in a leaf what [`Node::take`] is to do.
fn take_from_leaf(leaf: &mut Leaf, target: Target<'_>, out: &mut dyn FnMut(Slot)) -> usize {
    let range = match target {
        Target::Member { score, bytes } => {
            let at = leaf.before(score, bytes);
            at..at + 1
        }
        Target::Moving { score, bytes, to } => {
            let at = leaf.before(score, bytes);
            let slot = leaf.slot(at);
            // The neighbour that the score moves away from need not be asked.
            let stays = if to < score {
                at > 0 && leaf.slot(at - 1).is_before(to, bytes)
            } else {
                at + 1 < leaf.len() && !leaf.slot(at + 1).is_before(to, bytes)
            };
            if stays {
                leaf.set(at, slot.with_score(to));
                return 0;
            }
            at..at + 1
        }
        Target::Ranks { first, n } => first..leaf.len().min(first + n),
    };
    range.clone().for_each(|at| out(leaf.slot(at)));
    leaf.remove(range.clone());
    range.len()
}

#[cfg(test)]
impl Node {
    /// Checks the order and figures below, and returns the number of members and the depth.
    fn check(&self, last: &mut Option<Slot>, is_root: bool) -> (usize, usize) {
        match self {
            Node::Leaf(leaf) => {
                assert!(is_root || leaf.len() > 0);
                for slot in (0..leaf.len()).map(|at| leaf.slot(at)) {
                    assert!(last.is_none_or(|last| last.is_before(slot.score(), slot.bytes())));
                    *last = Some(slot);
                }
                (leaf.len(), 0)
            }
            Node::Inner(inner) => {
                assert!(inner.len() > usize::from(is_root));
                let mut depths = Vec::new();
                for index in 0..inner.len() {
                    let (child, key) = (inner.child(index), inner.keys.slot(index));
                    assert!(child.first().member() == key.member());
                    assert!(child.first().score() == key.score());
                    let (count, depth) = child.check(last, false);
                    assert_eq!(count, inner.count(index));
                    depths.push(depth);
                }
                assert!(depths.iter().all(|depth| *depth == depths[0]));
                (inner.count_before(inner.len()), depths[0] + 1)
            }
        }
    }
}
