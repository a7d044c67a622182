//! The entries of a stream: an ordered index of nodes, and what is counted about them.
//!
//! The index maps the id of a node's first entry to the node. Entries are only ever added behind
//! the last one, so nodes fill up one after the other; they leave at the front when the log is
//! trimmed, or wherever the last of their entries is deleted. An ordered map does all of this in
//! the logarithm of the number of nodes, and there is one node for some tens of entries.
//!
//! Invariants: the ids of live entries grow, within a node and from node to node; `len` is their
//! number and `first_id` the smallest of them (zero if there are none); none is above `last_id`.

use std::collections::BTreeMap;

use super::id::{NewId, StreamId};
use super::node::{self, Entry, Head, Record};
use crate::data::listpack::{Listpack, ListpackRef, Pos};

/// A node may not grow larger, whatever the limits say.
const NODE_BYTES_MAX: usize = 1 << 30;

/// How large a node may become; 0 means that it does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bytes of a node.
    pub node_max_bytes: usize,
    /// Entries of a node, deleted ones included.
    pub node_max_entries: u64,
}

/// Why an entry could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Its id would not be above that of the last entry.
    #[error("id not above the last one")]
    IdTooSmall,
    /// Its fields and values are larger than a node can be.
    #[error("entry too large")]
    TooLarge,
}

/// Which entries [`Log::trim`] removes, always from the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// How far.
    pub to: TrimTo,
    /// Whether only whole nodes go, which is quick and may leave some more entries.
    pub by_node: bool,
    /// Stop before more than this many entries went; 0 means no limit.
    pub limit: u64,
}

/// How far a log is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// Until so many entries are left.
    Len(u64),
    /// Until no entry is below this id.
    Id(StreamId),
}

/// The entries of a stream.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub(super) nodes: BTreeMap<StreamId, Listpack>,
    pub(super) len: u64,
    pub(super) first_id: StreamId,
    pub(super) last_id: StreamId,
    pub(super) max_deleted_id: StreamId,
    pub(super) entries_added: u64,
}

impl Log {
    /// The number of entries.
    #[inline]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no entries.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The largest id ever given, or what it was set to.
    #[inline]
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The id of the first entry; zero if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The largest id that was deleted by name; zero if none was.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// The nodes as snapshots hold them: their ids and listpacks, in order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (StreamId, ListpackRef<'_>)> + '_ {
        self.nodes.iter().map(|(id, pack)| (*id, pack.as_ref()))
    }

    /// The id of the last entry that is there; not the same as the last id ever given.
    pub fn last_entry_id(&self) -> Option<StreamId> {
        self.range_back(StreamId::MIN, StreamId::MAX)
            .next()
            .map(|entry| entry.id)
    }

    /// The first id that still takes room, be its entry there or deleted.
    pub fn first_recorded_id(&self) -> Option<StreamId> {
        let (id, pack) = self.nodes.first_key_value()?;
        let first = Head::read(pack.as_ref()).records(*id).next()?;
        Some(first.entry.id)
    }

    /// The entries from `start` to `end`, both included.
    pub fn range(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> + '_ {
        let from = self.node_of(start).unwrap_or(StreamId::MIN);
        self.nodes
            .range(from..)
            .take_while(move |(node_id, _)| **node_id <= end)
            .flat_map(|(node_id, pack)| Head::read(pack.as_ref()).records(*node_id))
            .filter(move |record| !record.deleted && record.entry.id >= start)
            .map(|record| record.entry)
            .take_while(move |entry| entry.id <= end)
    }

    /// The same from the end to the start.
    pub fn range_back(
        &self,
        start: StreamId,
        end: StreamId,
    ) -> impl Iterator<Item = Entry<'_>> + '_ {
        self.nodes
            .range(..=end)
            .rev()
            .flat_map(|(node_id, pack)| Head::read(pack.as_ref()).records(*node_id).rev())
            .filter(move |record| !record.deleted && record.entry.id <= end)
            .map(|record| record.entry)
            .take_while(move |entry| entry.id >= start)
    }

    /// The entry with this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let (node_id, pack) = self.nodes.range(..=id).next_back()?;
        find(pack, *node_id, id).map(|record| record.entry)
    }

    /// The node that holds an id, if any does.
    fn node_of(&self, id: StreamId) -> Option<StreamId> {
        let (node_id, _) = self.nodes.range(..=id).next_back()?;
        Some(*node_id)
    }

    /// Adds an entry at the end; `words` alternates fields and values.
    pub fn append<'w>(
        &mut self,
        id: NewId,
        words: impl ExactSizeIterator<Item = &'w [u8]> + Clone,
        now_ms: u64,
        limits: StreamLimits,
    ) -> Result<StreamId, AppendError> {
        let id = self.choose_id(id, now_ms).ok_or(AppendError::IdTooSmall)?;
        let bytes: usize = words.clone().map(<[u8]>::len).sum();
        if bytes > NODE_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        self.open_node(id, words.clone(), bytes, limits);
        let mut last = self.nodes.last_entry().expect("a node is open");
        let node_id = *last.key();
        node::append(last.get_mut(), node_id, id, words, bytes);
        if self.len == 0 {
            self.first_id = id;
        }
        self.len += 1;
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        Ok(id)
    }

    /// Sees to it that the last node can take an entry of so many bytes of text.
    fn open_node<'w>(
        &mut self,
        id: StreamId,
        words: impl Iterator<Item = &'w [u8]> + Clone,
        bytes: usize,
        limits: StreamLimits,
    ) {
        if let Some(mut last) = self.nodes.last_entry() {
            if limits.let_grow(last.get(), bytes) {
                return;
            }
            last.get_mut().shrink_to_fit();
        }
        self.nodes.insert(id, node::create(words));
    }

    /// The id for a new entry, if it can be above the last one.
    fn choose_id(&self, id: NewId, now_ms: u64) -> Option<StreamId> {
        let id = match id {
            NewId::Auto if now_ms > self.last_id.ms => StreamId::new(now_ms, 0),
            NewId::Auto => self.last_id.next()?,
            NewId::AutoSeq(ms) if ms == self.last_id.ms => {
                StreamId::new(ms, self.last_id.seq.checked_add(1)?)
            }
            NewId::AutoSeq(ms) => StreamId::new(ms, 0),
            NewId::Exact(id) => id,
        };
        (id > self.last_id).then_some(id)
    }

    /// Deletes entries by id; says how many there were.
    pub fn delete(&mut self, ids: &[StreamId]) -> u64 {
        let mut deleted = 0;
        let mut lost_first = false;
        for &id in ids {
            if !self.delete_one(id) {
                continue;
            }
            deleted += 1;
            lost_first |= id == self.first_id;
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        if lost_first {
            self.find_first();
        }
        deleted
    }

    fn delete_one(&mut self, id: StreamId) -> bool {
        let Some((&node_id, pack)) = self.nodes.range_mut(..=id).next_back() else {
            return false;
        };
        let Some(at) = find(pack, node_id, id).map(|record| record.at) else {
            return false;
        };
        if node::mark_deleted(pack, &[at]) == 0 {
            self.nodes.remove(&node_id);
        }
        self.len -= 1;
        true
    }

    /// Removes entries from the front; says how many.
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        let mut removed = 0;
        while let Some(mut first) = self.nodes.first_entry() {
            let live = Head::read(first.get().as_ref()).live;
            let enough = matches!(trim.to, TrimTo::Len(len) if self.len <= len);
            if enough || (trim.limit != 0 && removed + live > trim.limit) {
                break;
            }
            let goes_whole = match trim.to {
                TrimTo::Len(len) => self.len - live >= len,
                TrimTo::Id(id) => last_recorded_id(first.get(), *first.key()) < id,
            };
            if goes_whole {
                first.remove();
                self.len -= live;
                removed += live;
                continue;
            }
            if !trim.by_node {
                let node_id = *first.key();
                let cut = Cut::find(first.get(), node_id, trim.to, self.len);
                let cut_len = cut.places.len() as u64;
                node::mark_deleted(first.get_mut(), &cut.places);
                self.len -= cut_len;
                removed += cut_len;
                if let Some(next) = cut.next {
                    self.first_id = next;
                    return removed;
                }
            }
            break;
        }
        if removed > 0 {
            self.find_first();
        }
        removed
    }

    /// Finds out which entry is the first.
    pub(super) fn find_first(&mut self) {
        let first = self.range(StreamId::MIN, StreamId::MAX).next();
        self.first_id = first.map_or(StreamId::MIN, |entry| entry.id);
    }

    /// Sets what is counted. The new last id must not be below that of any entry.
    pub fn set_counters(
        &mut self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) {
        self.last_id = last_id;
        self.entries_added = entries_added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    /// Whether an entry was deleted by name from this id on, so that positions behind it cannot be
    /// counted any more.
    pub(super) fn has_deleted_from(&self, id: StreamId) -> bool {
        let none = self.len == 0 || self.max_deleted_id == StreamId::MIN;
        !none && self.first_id <= self.max_deleted_id && id <= self.max_deleted_id
    }

    /// How many of the entries ever added have ids up to this one, where that can be told without
    /// counting: it is the last id, or at most the first one with nothing deleted behind it.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.len == 0 && id < self.last_id) {
            return Some(self.entries_added);
        }
        let all_there = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id;
        if id > self.last_id || !all_there {
            return None;
        }
        let trimmed = self.entries_added.wrapping_sub(self.len);
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less => Some(trimmed),
            std::cmp::Ordering::Equal => Some(trimmed.wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// Bytes of memory, estimated from `samples` nodes; 0 looks at all.
    pub(super) fn memory(&self, samples: usize) -> usize {
        let nodes = self.nodes.len();
        let looked_at = if samples == 0 {
            nodes
        } else {
            samples.min(nodes)
        };
        let sum: usize = self
            .nodes
            .values()
            .take(looked_at)
            .map(Listpack::allocated_bytes)
            .sum();
        // The last node is still growing, so it stands for itself only.
        let last = self
            .nodes
            .last_key_value()
            .map_or(0, |(_, pack)| pack.allocated_bytes());
        let packs = if looked_at == nodes {
            sum
        } else {
            sum / looked_at * (nodes - 1) + last
        };
        // A node of the map holds eleven entries and is about two thirds full.
        packs + nodes * size_of::<(StreamId, Listpack)>() * 3 / 2
    }
}

impl StreamLimits {
    /// Whether an entry with `added` bytes of text may go into this node.
    #[inline]
    fn let_grow(&self, pack: &Listpack, added: usize) -> bool {
        let bytes_max = match self.node_max_bytes {
            0 => NODE_BYTES_MAX,
            max => max.min(NODE_BYTES_MAX),
        };
        if pack.framed_len() + added >= bytes_max {
            return false;
        }
        let head = Head::read(pack.as_ref());
        self.node_max_entries == 0 || head.live + head.deleted < self.node_max_entries
    }
}

/// The live entry with this id in a node.
fn find(pack: &Listpack, node_id: StreamId, id: StreamId) -> Option<Record<'_>> {
    Head::read(pack.as_ref())
        .records(node_id)
        .find(|record| record.entry.id == id && !record.deleted)
}

/// The id of the last entry of a node, be it there or deleted.
fn last_recorded_id(pack: &Listpack, node_id: StreamId) -> StreamId {
    let last = Head::read(pack.as_ref()).records(node_id).next_back();
    last.map_or(StreamId::MIN, |record| record.entry.id)
}

/// Where a log is to be cut within a node.
struct Cut {
    /// The entries that have to go.
    places: Vec<Pos>,
    /// The first one behind them that is in the node.
    next: Option<StreamId>,
}

impl Cut {
    /// Looks for the cut that trims a log of `len` entries in its first node.
    fn find(pack: &Listpack, node_id: StreamId, to: TrimTo, len: u64) -> Cut {
        let mut cut = Cut {
            places: Vec::new(),
            next: None,
        };
        let records = Head::read(pack.as_ref()).records(node_id);
        for record in records.filter(|record| !record.deleted) {
            let goes = match to {
                TrimTo::Len(keep) => len - cut.places.len() as u64 > keep,
                TrimTo::Id(id) => record.entry.id < id,
            };
            if !goes {
                cut.next = Some(record.entry.id);
                break;
            }
            cut.places.push(record.at);
        }
        cut
    }
}
