//! The nodes of the tree: leaves with members, inner nodes with counts.
//!
//! An inner node keeps for each child its first slot and the number of members below it. Both are
//! exact: a pointer in an inner node is one of a live member, as that member leads a leaf. That is
//! what lets members be freed at once when they are removed.

use std::ops::Range;

use super::keys::{Keys, Slot};

/// Slots of a leaf. A leaf of 63 is 1016 bytes, a full size class of the allocator. Unit tests
/// go deep with few members instead.
pub(super) const LEAF_SLOTS: usize = if cfg!(test) { 8 } else { 63 };

/// Children of an inner node: 44 make it 1768 bytes, a size class of 1792. Were it a power of two,
/// all nodes would begin in the same few sets of the cache and drive each other out.
pub(super) const INNER_SLOTS: usize = if cfg!(test) { 5 } else { 44 };

const _: () = assert!(cfg!(test) || size_of::<Leaf>() == 1016);
const _: () = assert!(cfg!(test) || size_of::<Inner>() == 1768);

/// Members in order.
pub(super) type Leaf = Keys<LEAF_SLOTS>;

/// Children in order.
pub(super) struct Inner {
    /// The first slot of each child.
    pub(super) keys: Keys<INNER_SLOTS>,
    /// How many members there are under each child; zero where there is no child.
    counts: [usize; INNER_SLOTS],
    children: [Option<Node>; INNER_SLOTS],
}

/// A node; all leaves are equally deep.
pub(super) enum Node {
    Leaf(Box<Leaf>),
    Inner(Box<Inner>),
}

impl Inner {
    pub(super) const fn new() -> Inner {
        Inner {
            keys: Keys::new(),
            counts: [0; INNER_SLOTS],
            children: [const { None }; INNER_SLOTS],
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    #[inline]
    pub(super) fn child(&self, index: usize) -> &Node {
        self.children[index].as_ref().expect("a child for each key")
    }

    #[inline]
    pub(super) fn child_mut(&mut self, index: usize) -> &mut Node {
        self.children[index].as_mut().expect("a child for each key")
    }

    /// How many members there are under a child.
    #[inline]
    pub(super) fn count(&self, index: usize) -> usize {
        self.counts[index]
    }

    /// How many members there are under the children in front of `index`.
    #[inline]
    pub(super) fn count_before(&self, index: usize) -> usize {
        self.counts[..index].iter().sum()
    }

    /// The child that has the member of this rank below the node, and its rank below the child.
    /// The last child takes ranks beyond the end.
    #[inline]
    pub(super) fn child_of_rank(&self, mut rank: usize) -> (usize, usize) {
        for (index, count) in self.counts[..self.len() - 1].iter().enumerate() {
            if rank < *count {
                return (index, rank);
            }
            rank -= count;
        }
        (self.len() - 1, rank)
    }

    /// Takes note that something changed below a child.
    #[inline]
    pub(super) fn refresh(&mut self, index: usize, count: usize) {
        let first = self.child(index).first();
        self.keys.set(index, first);
        self.counts[index] = count;
    }

    /// Inserts a child; there must be room.
    pub(super) fn insert(&mut self, index: usize, child: Node) {
        let len = self.len();
        self.keys.insert(index, child.first());
        self.counts.copy_within(index..len, index + 1);
        self.counts[index] = child.count();
        self.children[index..=len].rotate_right(1);
        self.children[index] = Some(child);
    }

    /// Removes a child.
    pub(super) fn remove(&mut self, index: usize) {
        let len = self.len();
        self.keys.remove(index..index + 1);
        self.counts.copy_within(index + 1..len, index);
        self.counts[len - 1] = 0;
        self.children[index] = None;
        self.children[index..len].rotate_left(1);
    }

    /// The children, in order.
    pub(super) fn children(&self) -> impl Iterator<Item = &Node> {
        self.children[..self.len()].iter().flatten()
    }

    /// Takes the only child out of a node that is given up.
    pub(super) fn take_only_child(&mut self) -> Node {
        debug_assert_eq!(self.len(), 1);
        self.children[0].take().expect("a child for each key")
    }

    /// Two neighbouring children.
    pub(super) fn pair_mut(&mut self, left: usize) -> (&mut Node, &mut Node) {
        let (before, after) = self.children.split_at_mut(left + 1);
        match (&mut before[left], &mut after[0]) {
            (Some(left), Some(right)) => (left, right),
            _ => unreachable!("a child for each key"),
        }
    }

    fn shift_right(&mut self, right: &mut Inner, n: usize) {
        let (len, right_len) = (self.len(), right.len());
        self.keys.shift_right(&mut right.keys, n);
        right.counts.copy_within(..right_len, n);
        right.counts[..n].copy_from_slice(&self.counts[len - n..len]);
        self.counts[len - n..len].fill(0);
        right.children[..right_len + n].rotate_right(n);
        right.children[..n].swap_with_slice(&mut self.children[len - n..len]);
    }

    fn shift_left(&mut self, right: &mut Inner, n: usize) {
        let (len, right_len) = (self.len(), right.len());
        self.keys.shift_left(&mut right.keys, n);
        self.counts[len..len + n].copy_from_slice(&right.counts[..n]);
        right.counts.copy_within(n..right_len, 0);
        right.counts[right_len - n..right_len].fill(0);
        self.children[len..len + n].swap_with_slice(&mut right.children[..n]);
        right.children[..right_len].rotate_left(n);
    }
}

impl Node {
    /// An empty leaf.
    pub(super) fn empty() -> Node {
        Node::Leaf(Box::new(Leaf::new()))
    }

    /// Asks for what a search in this node will read.
    #[inline]
    pub(super) fn prefetch(&self) {
        match self {
            Node::Leaf(leaf) => leaf.prefetch(),
            Node::Inner(inner) => inner.keys.prefetch(),
        }
    }

    /// Slots in use.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner(inner) => inner.len(),
        }
    }

    /// Slots, free ones included.
    #[inline]
    pub(super) fn slots(&self) -> usize {
        match self {
            Node::Leaf(_) => LEAF_SLOTS,
            Node::Inner(_) => INNER_SLOTS,
        }
    }

    /// The leaf that this is.
    #[inline]
    pub(super) fn leaf_mut(&mut self) -> &mut Leaf {
        match self {
            Node::Leaf(leaf) => leaf,
            Node::Inner(_) => unreachable!("neighbours are of one kind"),
        }
    }

    /// The inner node that this is.
    #[inline]
    pub(super) fn inner_mut(&mut self) -> &mut Inner {
        match self {
            Node::Inner(inner) => inner,
            Node::Leaf(_) => unreachable!("neighbours are of one kind"),
        }
    }

    /// Members below.
    pub(super) fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner(inner) => inner.count_before(inner.len()),
        }
    }

    /// The first member below.
    #[inline]
    pub(super) fn first(&self) -> Slot {
        match self {
            Node::Leaf(leaf) => leaf.slot(0),
            Node::Inner(inner) => inner.keys.slot(0),
        }
    }

    /// Moves what follows the first `at` slots to a new node.
    pub(super) fn split_off(&mut self, at: usize) -> Node {
        let n = self.len() - at;
        match self {
            Node::Leaf(left) => {
                let mut right = Box::new(Leaf::new());
                left.shift_right(&mut right, n);
                Node::Leaf(right)
            }
            Node::Inner(left) => {
                let mut right = Box::new(Inner::new());
                left.shift_right(&mut right, n);
                Node::Inner(right)
            }
        }
    }

    /// Moves the last `n` slots to the front of the neighbour on the right.
    pub(super) fn shift_right(&mut self, right: &mut Node, n: usize) {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => left.shift_right(right, n),
            (Node::Inner(left), Node::Inner(right)) => left.shift_right(right, n),
            _ => unreachable!("neighbours are of one kind"),
        }
    }

    /// Moves the first `n` slots of the neighbour on the right to the end of this node.
    pub(super) fn shift_left(&mut self, right: &mut Node, n: usize) {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => left.shift_left(right, n),
            (Node::Inner(left), Node::Inner(right)) => left.shift_left(right, n),
            _ => unreachable!("neighbours are of one kind"),
        }
    }
}

/// Where to cut `len` things into parts as equal as can be, none larger than `most`.
pub(super) fn even_parts(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = len.div_ceil(most);
    (0..parts).map(move |part| part * len / parts..(part + 1) * len / parts)
}
