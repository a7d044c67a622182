//! The quicklist: a long list as a sequence of listpacks.
//!
//! One listpack would make every insertion move half of the list, one allocation an element would
//! multiply the memory. So a list is cut into nodes of some KiB. An element of enormous size is a
//! node alone. Where nodes are split and merged is the reference's choice, because `DUMP`, RDB
//! files and `DEBUG OBJECT` show it.
//!
//! The nodes stand in a ring buffer rather than being linked: both ends are as cheap, finding an
//! index walks over counts that lie side by side in memory, and dropping many nodes is one
//! movement. Inserting a node in the middle moves up to half of the node *headers*, 48 bytes each,
//! which is less work than finding the place was.
//!
//! With a compression depth, all nodes but that many at each end are compressed with LZF, if that
//! makes them smaller. Reading decompresses into a scratch buffer and leaves the list as it is, so
//! that a forked child, or a reader, writes nothing; changes decompress a node and compress it
//! again.
//!
//! Invariants: no node is empty, `len` is the sum of the counts, and nodes within the compression
//! depth are not compressed.

mod change;
mod limits;
mod node;
#[cfg(test)]
mod tests;

pub(super) use change::collect_places;
pub use limits::{Limit, ListLimits};
pub use node::NodeRef;

use super::listpack::{Element, Listpack};
use node::{Contents, Node};
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// The range of limits that a list remembers.
const MAX_LISTPACK_SIZES: std::ops::RangeInclusive<i32> = -5..=i16::MAX as i32;
const COMPRESS_DEPTH_MAX: u32 = u16::MAX as u32;

/// One end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where index 0 is: head, or left.
    Head,
    /// Where index -1 is: tail, or right.
    Tail,
}

/// One side of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Toward the head.
    Before,
    /// Toward the tail.
    After,
}

/// A list of nodes.
#[derive(Clone)]
pub struct Quicklist {
    nodes: VecDeque<Node>,
    /// How many elements are in all nodes together.
    len: usize,
    max_listpack_size: i16,
    compress_depth: u16,
}

/// Where an element is: in which node, and which of its elements.
struct Place {
    node: usize,
    offset: usize,
}

impl Quicklist {
    /// An empty list, which keeps the limits for its nodes that are set now.
    pub fn new(limits: &ListLimits) -> Quicklist {
        let (min, max) = MAX_LISTPACK_SIZES.into_inner();
        Quicklist {
            nodes: VecDeque::new(),
            len: 0,
            max_listpack_size: limits.max_listpack_size.clamp(min, max) as i16,
            compress_depth: limits.compress_depth.min(COMPRESS_DEPTH_MAX) as u16,
        }
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The nodes from head to tail.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeRef<'_>> {
        self.nodes.iter().map(Node::as_ref)
    }

    /// How much a node may hold, in the words of `list-max-listpack-size`.
    pub fn max_listpack_size(&self) -> i32 {
        i32::from(self.max_listpack_size)
    }

    /// How many nodes at each end are never compressed; 0 if none is.
    pub fn compress_depth(&self) -> u32 {
        u32::from(self.compress_depth)
    }

    /// The size of all nodes when none is compressed.
    pub fn uncompressed_bytes(&self) -> usize {
        self.nodes.iter().map(Node::bytes).sum()
    }

    /// Bytes of memory, estimated from the first `samples` nodes.
    pub fn allocated_bytes(&self, samples: usize) -> usize {
        let sampled = samples.clamp(1, self.nodes.len().max(1));
        let seen: usize = self
            .nodes
            .iter()
            .take(sampled)
            .map(Node::allocated_bytes)
            .sum();
        let headers = self.nodes.capacity() * size_of::<Node>();
        size_of::<Quicklist>() + headers + seen * self.nodes.len() / sampled
    }

    #[inline]
    fn limit(&self) -> Limit {
        Limit::of(i32::from(self.max_listpack_size))
    }

    /// Whether all of it is one listpack that `limit` lets live without a list around it.
    pub fn fits_one_pack(&self, limit: Limit, shrinking: bool) -> bool {
        match self.nodes.front() {
            Some(node) if self.nodes.len() == 1 && !node.is_plain() => {
                limit.takes_back(node.bytes(), self.len, shrinking)
            }
            _ => false,
        }
    }

    /// Gives the only listpack away, if there is nothing else.
    pub fn into_single_pack(mut self) -> Option<Listpack> {
        if self.nodes.len() > 1 {
            return None;
        }
        self.nodes.pop_front()?.into_pack()
    }

    /// Finds the element with this index, which there must be, from the nearer end.
    fn locate(&self, index: usize) -> Place {
        assert!(index < self.len, "an index within the list");
        if index <= self.len / 2 {
            let mut before = 0;
            for (node, found) in self.nodes.iter().enumerate() {
                if index < before + found.count() {
                    let offset = index - before;
                    return Place { node, offset };
                }
                before += found.count();
            }
        } else {
            let mut before = self.len;
            for (node, found) in self.nodes.iter().enumerate().rev() {
                before -= found.count();
                if index >= before {
                    let offset = index - before;
                    return Place { node, offset };
                }
            }
        }
        unreachable!("the counts of all nodes make up the length")
    }

    /// Lends the element with this index to `read`.
    pub fn with_index<R>(&self, index: usize, read: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        if index >= self.len {
            return None;
        }
        let place = self.locate(index);
        let mut scratch = Vec::new();
        let contents = self.nodes[place.node].contents(&mut scratch);
        contents.get(place.offset).map(read)
    }

    /// Shows the elements from `index` on to `read`, toward the tail or, with [`Side::Before`],
    /// toward the head, until it has seen enough.
    #[inline]
    pub fn visit(
        &self,
        index: usize,
        toward: Side,
        mut read: impl FnMut(Element<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if index >= self.len {
            return ControlFlow::Continue(());
        }
        let Place {
            node: mut at,
            mut offset,
        } = self.locate(index);
        let mut scratch = Vec::new();
        loop {
            let node = &self.nodes[at];
            match (node.contents(&mut scratch), toward) {
                (Contents::Plain(text), _) => read(Element::Bytes(text))?,
                (Contents::Packed(pack), Side::After) => {
                    let from = pack.seek(offset as i64).expect("an element of the node");
                    pack.entries_from(from)
                        .try_for_each(|(_, element)| read(element))?;
                }
                (Contents::Packed(pack), Side::Before) => {
                    let from = pack.seek(offset as i64).expect("an element of the node");
                    pack.entries_to(from)
                        .rev()
                        .try_for_each(|(_, element)| read(element))?;
                }
            }
            match toward {
                Side::After if at + 1 < self.nodes.len() => {
                    at += 1;
                    offset = 0;
                }
                Side::Before if at > 0 => {
                    at -= 1;
                    offset = self.nodes[at].count() - 1;
                }
                _ => return ControlFlow::Continue(()),
            }
        }
    }

    /// Checks what must hold between any two operations.
    #[cfg(test)]
    fn check_invariants(&self) {
        use super::listpack::ListpackRef;
        let mut scratch = Vec::new();
        let mut total = 0;
        let depth = usize::from(self.compress_depth);
        for (at, node) in self.nodes.iter().enumerate() {
            let count = match node.contents(&mut scratch) {
                Contents::Packed(pack) => ListpackRef::validate(&pack.to_framed()).unwrap().len(),
                Contents::Plain(_) => 1,
            };
            assert!(count > 0 && count == node.count());
            total += count;
            let compressed = matches!(node.as_ref(), NodeRef::Compressed { .. });
            let inside = at >= depth && at + depth < self.nodes.len();
            assert!(!compressed || (depth > 0 && inside), "node {at}");
        }
        assert_eq!(total, self.len);
    }
}

impl std::fmt::Debug for Quicklist {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut list = f.debug_list();
        let _ = self.visit(0, Side::After, |element| {
            list.entry(&element);
            ControlFlow::Continue(())
        });
        list.finish()
    }
}
