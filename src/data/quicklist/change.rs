//! Changing a quicklist: where elements go, when nodes split, merge and are compressed.

use super::node::{Contents, Node};
use super::{End, Place, Quicklist, Side};
use crate::data::listpack::{ENTRY_BYTES_MAX, Element, Listpack, Pos};

/// What the reference reckons an entry of a listpack takes beside its text.
const ENTRY_OVERHEAD_BYTES: usize = 8;
/// Header and end of a listpack, of which a merged one has only one.
const LISTPACK_FRAME_BYTES: usize = 7;
/// A ring buffer of no more nodes than this never gives memory back.
const SPARE_NODES: usize = 16;

impl Quicklist {
    /// Adds an element at one end. Texts of `plain_from` bytes and more become a node alone.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8], plain_from: usize) {
        let limit = self.limit();
        let node = match end {
            End::Head => self.nodes.front_mut(),
            End::Tail => self.nodes.back_mut(),
        };
        let fitting = node.filter(|node| takes(node, limit, text, plain_from));
        match fitting {
            Some(node) => push_into(node, end, text),
            None => {
                let at = match end {
                    End::Head => 0,
                    End::Tail => self.nodes.len(),
                };
                self.insert_node(at, new_node(text, plain_from));
            }
        }
        self.len += 1;
    }

    /// Adds a whole listpack behind all nodes; an empty one adds nothing.
    pub fn push_pack(&mut self, pack: Listpack) {
        if !pack.is_empty() {
            let node = Node::packed(pack);
            self.len += node.count();
            self.insert_node(self.nodes.len(), node);
        }
    }

    /// Adds an element behind all others as a node alone.
    pub fn push_plain(&mut self, text: Vec<u8>) {
        self.len += 1;
        self.insert_node(self.nodes.len(), Node::plain(text));
    }

    /// Removes the element at one end, after lending it to `read`.
    #[inline]
    pub fn pop<R>(&mut self, end: End, read: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let at = match end {
            End::Head => 0,
            End::Tail => self.nodes.len().checked_sub(1)?,
        };
        let node = self.nodes.get_mut(at)?;
        let count = node.count() - 1;
        let result = match node.pack_mut() {
            Some(pack) => {
                let view = pack.as_ref();
                let pos = match end {
                    End::Head => view.first(),
                    End::Tail => view.last(),
                };
                let pos = pos.expect("no node is empty");
                let result = read(view.get(pos));
                if count > 0 {
                    pack.remove(pos);
                    node.set_count(count);
                }
                result
            }
            None => match node.contents(&mut Vec::new()) {
                Contents::Plain(text) => read(Element::Bytes(text)),
                Contents::Packed(_) => unreachable!("it has no listpack"),
            },
        };
        self.len -= 1;
        if count == 0 {
            self.remove_node(at);
        }
        Some(result)
    }

    /// Puts another element in the place of the one with this index, which there must be.
    pub fn replace(&mut self, index: usize, text: &[u8], plain_from: usize) {
        let Place { node: at, offset } = self.locate(index);
        let (was_plain, is_plain) = (self.nodes[at].is_plain(), text.len() >= plain_from);
        match (was_plain, is_plain) {
            (false, false) => {
                self.change(at, |pack| {
                    let pos = place(pack, offset);
                    pack.replace(pos, text);
                });
                self.settle(at);
            }
            (true, true) => {
                self.nodes[at] = Node::plain(text.to_vec());
                self.settle(at);
            }
            (true, false) => {
                self.insert(index, Side::After, text, plain_from);
                self.len -= 1;
                self.remove_node(at);
            }
            (false, true) => {
                self.insert(index, Side::After, text, plain_from);
                self.remove_range(index, 1);
            }
        }
    }

    /// Adds an element beside the one with this index, which there must be.
    pub fn insert(&mut self, index: usize, side: Side, text: &[u8], plain_from: usize) {
        let Place { node: at, offset } = self.locate(index);
        let limit = self.limit();
        let node = &self.nodes[at];
        let (at_edge, neighbour) = match side {
            Side::Before => (offset == 0, at.checked_sub(1)),
            Side::After => (offset + 1 == node.count(), Some(at + 1)),
        };
        let beside = match side {
            Side::Before => at,
            Side::After => at + 1,
        };
        let open_neighbour = neighbour.filter(|&at| {
            let node = self.nodes.get(at);
            at_edge && node.is_some_and(|node| takes(node, limit, text, plain_from))
        });
        self.len += 1;
        if takes(node, limit, text, plain_from) {
            self.change(at, |pack| {
                let pos = place(pack, offset);
                match side {
                    Side::Before => pack.insert_before(pos, text),
                    Side::After => pack.insert_after(pos, text),
                };
            });
            self.settle(at);
        } else if let Some(open) = open_neighbour {
            let end = match side {
                Side::Before => End::Tail,
                Side::After => End::Head,
            };
            push_into(&mut self.nodes[open], end, text);
            self.settle(open);
        } else if at_edge || node.is_plain() {
            self.insert_node(beside, new_node(text, plain_from));
        } else {
            self.split_and_insert(at, offset, side, text, plain_from);
        }
    }

    /// Splits the node at `at` beside its element `offset` and puts an element in between: into the
    /// part that was split off, or as a node of its own.
    fn split_and_insert(
        &mut self,
        at: usize,
        offset: usize,
        side: Side,
        text: &[u8],
        plain_from: usize,
    ) {
        let cut = match side {
            Side::Before => offset,
            Side::After => offset + 1,
        };
        let tail = self.change(at, |pack| {
            let pos = place(pack, cut);
            pack.split_off(pos)
        });
        self.insert_node(at + 1, Node::packed(tail));
        self.settle(at);
        if text.len() >= plain_from {
            self.insert_node(at + 1, new_node(text, plain_from));
            return;
        }
        let (split_off, end, kept) = match side {
            Side::Before => (at, End::Tail, at + 1),
            Side::After => (at + 1, End::Head, at),
        };
        push_into(&mut self.nodes[split_off], end, text);
        self.settle(split_off);
        self.merge_around(kept);
    }

    /// Removes up to `count` elements from the one with this index on.
    pub fn remove_range(&mut self, index: usize, count: usize) -> usize {
        let count = count.min(self.len.saturating_sub(index));
        if count == 0 {
            return 0;
        }
        let Place { node: at, offset } = self.locate(index);
        let mut left = count;
        let mut from = at;
        if offset > 0 {
            let here = left.min(self.nodes[at].count() - offset);
            self.change(at, |pack| {
                pack.remove_range(offset as i64, here);
            });
            self.settle(at);
            left -= here;
            from += 1;
        }
        let mut to = from;
        while left > 0 && left >= self.nodes[to].count() {
            left -= self.nodes[to].count();
            to += 1;
        }
        if left > 0 {
            self.change(to, |pack| {
                pack.remove_range(0, left);
            });
            self.settle(to);
        }
        self.nodes.drain(from..to);
        self.len -= count;
        self.after_removal();
        count
    }

    /// Removes up to `max` elements that are equal to `text`, the ones nearest to `from`.
    pub fn remove_equal(&mut self, text: &[u8], from: End, max: usize) -> usize {
        let wanted = Element::from(text);
        let (nodes, mut removed) = (self.nodes.len(), 0);
        let mut places = Vec::new();
        let mut scratch = Vec::new();
        for nth in 0..nodes {
            if removed == max {
                break;
            }
            let at = match from {
                End::Head => nth,
                End::Tail => nodes - 1 - nth,
            };
            places.clear();
            let node = &self.nodes[at];
            let found = match node.contents(&mut scratch) {
                Contents::Plain(text) => usize::from(wanted == Element::Bytes(text)),
                Contents::Packed(pack) => {
                    let equal = pack.entries().filter(|(_, element)| *element == wanted);
                    collect_places(equal, from, max - removed, &mut places);
                    places.len()
                }
            };
            removed += found;
            if found == node.count() {
                self.nodes[at].set_count(0);
            } else if found > 0 {
                self.change(at, |pack| pack.remove_all(&places));
                self.settle(at);
            }
        }
        // All at once, since each removal from the middle moves the nodes behind it.
        self.nodes.retain(|node| node.count() > 0);
        self.len -= removed;
        self.after_removal();
        removed
    }

    /// Merges the nodes around `center` as far as they fit: the two before it, the two behind it,
    /// then with each other.
    fn merge_around(&mut self, mut center: usize) {
        if center >= 2 && self.can_merge(center - 2) {
            self.merge(center - 2);
            center -= 1;
        }
        if self.can_merge(center + 1) {
            self.merge(center + 1);
        }
        if center >= 1 && self.can_merge(center - 1) {
            self.merge(center - 1);
            center -= 1;
        }
        if self.can_merge(center) {
            self.merge(center);
        }
    }

    /// Whether the node at `at` and the next one fit into one.
    fn can_merge(&self, at: usize) -> bool {
        let (Some(first), Some(second)) = (self.nodes.get(at), self.nodes.get(at + 1)) else {
            return false;
        };
        let bytes = first.bytes() + second.bytes() - LISTPACK_FRAME_BYTES;
        let count = first.count() + second.count();
        !first.is_plain() && !second.is_plain() && !self.limit().is_exceeded_by(bytes, count)
    }

    /// Makes one node of the one at `at` and the next one.
    fn merge(&mut self, at: usize) {
        let second = self.nodes.remove(at + 1).and_then(Node::into_pack);
        let second = second.expect("only listpacks are merged");
        self.change(at, |pack| pack.append(second.as_ref()));
        self.settle(at);
    }

    /// Changes the listpack of the node at `at`, which must be one.
    fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Listpack) -> R) -> R {
        let node = &mut self.nodes[at];
        let pack = node.pack_mut().expect("a node with a listpack");
        let result = change(pack);
        let count = pack.len();
        node.set_count(count);
        result
    }

    fn insert_node(&mut self, at: usize, node: Node) {
        self.nodes.insert(at, node);
        self.settle(at);
    }

    fn remove_node(&mut self, at: usize) {
        self.nodes.remove(at);
        self.after_removal();
    }

    /// Nodes that came near an end are decompressed; a ring that became much too large is shrunk.
    fn after_removal(&mut self) {
        self.settle_ends();
        let (len, capacity) = (self.nodes.len(), self.nodes.capacity());
        if capacity > SPARE_NODES && len < capacity / 4 {
            self.nodes.shrink_to((len * 2).max(SPARE_NODES));
        }
    }

    /// Brings nodes to the state that the compression depth wants after the one at `at` was
    /// changed or added.
    #[inline]
    fn settle(&mut self, at: usize) {
        if self.compress_depth > 0 {
            self.settle_ends();
            let depth = usize::from(self.compress_depth);
            if at >= depth && at + depth < self.nodes.len() {
                self.nodes[at].compress();
            }
        }
    }

    /// Decompresses what is within the compression depth, compresses what is just beyond.
    fn settle_ends(&mut self) {
        let depth = usize::from(self.compress_depth);
        let len = self.nodes.len();
        for at in 0..depth.min(len) {
            self.nodes[at].decompress();
            self.nodes[len - 1 - at].decompress();
        }
        if depth > 0 && len > 2 * depth {
            self.nodes[depth].compress();
            self.nodes[len - 1 - depth].compress();
        }
    }
}

/// Whether an element may be added to the node.
#[inline]
fn takes(node: &Node, limit: super::Limit, text: &[u8], plain_from: usize) -> bool {
    let bytes = node.bytes() + text.len() + ENTRY_OVERHEAD_BYTES;
    text.len() < plain_from && !node.is_plain() && !limit.is_exceeded_by(bytes, node.count() + 1)
}

#[inline]
fn push_into(node: &mut Node, end: End, text: &[u8]) {
    let count = node.count() + 1;
    let pack = node.pack_mut().expect("only listpacks take elements");
    match end {
        End::Head => {
            pack.reserve_front(text.len() + ENTRY_BYTES_MAX);
            pack.push_front(text)
        }
        End::Tail => pack.push_back(text),
    };
    node.set_count(count);
}

fn new_node(text: &[u8], plain_from: usize) -> Node {
    if text.len() >= plain_from {
        Node::plain(text.to_vec())
    } else {
        Node::single(text)
    }
}

/// The place of an element that there must be.
fn place(pack: &Listpack, offset: usize) -> Pos {
    pack.as_ref()
        .seek(offset as i64)
        .expect("an element of the node")
}

/// Up to `max` of these places, the ones nearest to `from`, in their order.
pub(in crate::data) fn collect_places<'a>(
    equal: impl DoubleEndedIterator<Item = (Pos, Element<'a>)>,
    from: End,
    max: usize,
    places: &mut Vec<Pos>,
) {
    match from {
        End::Head => places.extend(equal.take(max).map(|(pos, _)| pos)),
        End::Tail => {
            places.extend(equal.rev().take(max).map(|(pos, _)| pos));
            places.reverse();
        }
    }
}
