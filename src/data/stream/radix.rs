//! How many nodes the reference's radix tree would have for the keys of our index.
//!
//! `XINFO STREAM` shows that number, and freeing a stream is weighed by it. Our index is another
//! structure, so the number is counted from the sorted keys when somebody asks. All keys have 16
//! bytes, which makes the tree a function of the set of keys alone:
//!
//! - a leaf for each key;
//! - a node wherever keys part;
//! - a node for each stretch of bytes, one or more, that leads to such a node or leaf without any
//!   choice. The byte that chooses is part of the node where keys part.
//!
//! Where keys part is seen from the lengths of the prefixes that neighbours share: sweeping over
//! them, a stack holds the open branchings, outermost first.

use super::id::StreamId;

const KEY_BYTES: usize = 16;

/// The number of nodes of a radix tree with these keys, given in ascending order.
pub fn node_count(keys: impl Iterator<Item = StreamId>) -> usize {
    let mut sweep = Sweep::default();
    let mut previous: Option<([u8; KEY_BYTES], Option<usize>)> = None;
    for key in keys.map(StreamId::to_bytes) {
        let mut shared_before = None;
        if let Some((last, shared_with_its_last)) = previous {
            let shared = shared_prefix(&last, &key);
            sweep.leaf(shared_with_its_last.max(Some(shared)));
            sweep.branching(shared);
            shared_before = Some(shared);
        }
        previous = Some((key, shared_before));
    }
    match previous {
        // An empty tree still has its root.
        None => 1,
        Some((_, shared_with_its_last)) => {
            sweep.leaf(shared_with_its_last);
            sweep.finish()
        }
    }
}

#[derive(Default)]
struct Sweep {
    nodes: usize,
    /// Depths of the branchings above the current key, growing.
    open: Vec<usize>,
}

impl Sweep {
    fn leaf(&mut self, parent: Option<usize>) {
        self.nodes += 1 + usize::from(has_stretch(parent, KEY_BYTES));
    }

    /// Two neighbours part at `depth`: branchings below it are complete, and it is one itself.
    fn branching(&mut self, depth: usize) {
        while let Some(complete) = self.open.pop_if(|open| *open > depth) {
            let parent = self.open.last().copied().max(Some(depth));
            self.close(parent, complete);
        }
        if self.open.last() != Some(&depth) {
            self.open.push(depth);
        }
    }

    fn close(&mut self, parent: Option<usize>, depth: usize) {
        self.nodes += 1 + usize::from(has_stretch(parent, depth));
    }

    fn finish(mut self) -> usize {
        while let Some(complete) = self.open.pop() {
            let parent = self.open.last().copied();
            self.close(parent, complete);
        }
        self.nodes
    }
}

/// Whether bytes without a choice lead from the branching at `parent` to what is at `depth`.
fn has_stretch(parent: Option<usize>, depth: usize) -> bool {
    depth > parent.map_or(0, |parent| parent + 1)
}

fn shared_prefix(a: &[u8; KEY_BYTES], b: &[u8; KEY_BYTES]) -> usize {
    let differing = u128::from_be_bytes(*a) ^ u128::from_be_bytes(*b);
    differing.leading_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(ids: &[(u64, u64)]) -> usize {
        node_count(ids.iter().map(|&(ms, seq)| StreamId::new(ms, seq)))
    }

    #[test]
    fn nodes_of_small_trees_counted_by_hand() {
        assert_eq!(count(&[]), 1);
        // One stretch and a leaf.
        assert_eq!(count(&[(1, 0)]), 2);
        // A stretch of 15 bytes, a branching, two leaves.
        assert_eq!(count(&[(1, 0), (1, 1)]), 4);
        // A stretch of 14 bytes, a branching, two stretches of one byte, two leaves.
        assert_eq!(count(&[(1, 1), (1, 256)]), 6);
        // A branching at the very first byte, two stretches of 15 bytes, two leaves.
        assert_eq!(count(&[(1, 0), (1 << 56, 0)]), 5);
        // Branchings at bytes 7 and 15 (twice), right below one another where they can be.
        assert_eq!(count(&[(1, 0), (1, 1), (2, 0), (2, 1)]), 1 + 1 + 2 + 2 + 4);
        // A branching right below a branching has no stretch between.
        assert_eq!(count(&[(0, 1), (0, 256), (0, 257)]), 1 + 1 + 1 + 1 + 1 + 2);
    }

    #[test]
    fn nodes_as_the_reference_counted_them() {
        let small = [
            (11, 11),
            (32, 92),
            (41, 246),
            (83, 269),
            (109, 58),
            (119, 299),
            (124, 170),
            (170, 151),
            (196, 223),
            (286, 27),
        ];
        assert_eq!(count(&small), 23);
        let large = [
            (103811761436, 692947010737),
            (212337479843, 634489225088),
            (367527776099, 381957863184),
            (386853543092, 577998509728),
            (418496886900, 896073287532),
            (501063327022, 695355670480),
            (678734159345, 737852326739),
            (695023019698, 64819998414),
            (756085209568, 374946901476),
            (943573915378, 222727340041),
        ];
        assert_eq!(count(&large), 22);
    }
}
