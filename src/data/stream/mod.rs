//! The stream: a log of entries that is appended to at one end and read by many from any place.
//!
//! Two halves that know little of each other. [`Log`] holds the entries, packed by the dozen into
//! listpacks of the reference's format, so that snapshots are written without re-encoding
//! anything. [`Group`]s hold what was read by whom. Commands that read on behalf of a group need
//! the log to look at and the group to write to, at once: [`Stream::group_mut`] lends both.
//!
//! A stream remembers more than its entries (the last id ever given, how many entries were ever
//! added), so one without entries is not the same as none, and stays.

mod group;
mod id;
mod log;
mod node;
mod radix;
mod restore;
#[cfg(test)]
mod tests;

pub use group::{Claim, Consumer, ConsumerId, Deliveries, Group, Pending};
pub use id::{IdText, NewId, RangeEnd, StreamId};
pub use log::{AppendError, Log, StreamLimits, Trim, TrimTo};
pub use node::Entry;
pub use restore::{Counters, Restore, RestoreError};

use std::collections::BTreeMap;

/// Above this many nodes the effort of freeing a stream need not be known exactly.
const FREE_EFFORT_EXACT_MAX: usize = 64;

/// A stream with its consumer groups.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    log: Log,
    groups: BTreeMap<Box<[u8]>, Group>,
}

impl Stream {
    /// A stream that nothing was ever added to.
    pub fn new() -> Stream {
        Stream::default()
    }

    /// The entries.
    #[inline]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The entries, to change them.
    #[inline]
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> + '_ {
        self.groups.iter().map(|(name, group)| (&name[..], group))
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// A group to change, and the entries to look at meanwhile.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<(&Log, &mut Group)> {
        Some((&self.log, self.groups.get_mut(name)?))
    }

    /// Adds a group, unless there is one of that name.
    pub fn create_group(&mut self, name: &[u8], group: Group) -> bool {
        let free = !self.groups.contains_key(name);
        if free {
            self.groups.insert(name.into(), group);
        }
        free
    }

    /// Removes a group.
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Group> {
        self.groups.remove(name)
    }

    /// The number of nodes that the reference's radix tree has for these entries.
    pub fn radix_nodes(&self) -> usize {
        radix::node_count(self.log.nodes().map(|(id, _)| id))
    }

    /// How much work freeing it is, in allocations. The reference counts the nodes of its radix
    /// tree, of which there are no fewer than of ours.
    pub fn free_effort(&self) -> usize {
        let nodes = self.log.nodes().len();
        let log = if nodes > FREE_EFFORT_EXACT_MAX {
            nodes
        } else {
            self.radix_nodes()
        };
        // The first group stands for the others.
        let first = self.groups.values().next();
        log + first.map_or(0, |group| self.groups.len() * (1 + group.pending_len()))
    }

    /// Bytes of memory, estimated from `samples` nodes; 0 looks at all.
    pub fn memory(&self, samples: usize) -> usize {
        let groups = self.groups.iter();
        size_of::<Stream>()
            + self.log.memory(samples)
            + groups
                .map(|(name, group)| name.len() + group.memory())
                .sum::<usize>()
    }
}
