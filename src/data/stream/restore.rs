//! Putting a stream together from the parts that a snapshot holds, in the order in which it holds
//! them.
//!
//! Parts come from files and from `RESTORE`, so from anybody. What is wrong is refused as soon as
//! it shows; a stream that comes out of [`Restore::finish`] keeps every invariant that the rest of
//! this folder relies on.

use std::collections::BTreeMap;

use thiserror::Error;

use super::group::{ConsumerId, Group, Pending};
use super::id::StreamId;
use super::{Stream, node};
use crate::data::listpack::Listpack;

/// Why parts do not make a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// The id of a node has the wrong size.
    #[error("a node's id is not the size of a stream id")]
    NodeId,
    /// A listpack is none, or does not hold entries as it should.
    #[error("a node's listpack is broken")]
    Node,
    /// A node comes twice, or its entries do not come before those of the next one.
    #[error("nodes are out of order")]
    NodeOrder,
    /// The number of entries is not what was said.
    #[error("the length is not that of all nodes")]
    Length,
    /// An entry is above the last id.
    #[error("an entry is above the last id")]
    LastId,
    /// A group comes twice.
    #[error("a group comes twice")]
    GroupTwice,
    /// A consumer comes twice.
    #[error("a consumer comes twice")]
    ConsumerTwice,
    /// A pending entry comes twice.
    #[error("a pending entry comes twice")]
    PendingTwice,
    /// A consumer owns an entry that is not pending.
    #[error("a consumer owns an entry that is not pending")]
    NotPending,
    /// A pending entry has no owner.
    #[error("a pending entry has no owner")]
    NoOwner,
    /// A part comes before the part that it belongs to.
    #[error("parts come in the wrong order")]
    PartOrder,
}

/// What a snapshot says of a stream beside its nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The number of entries.
    pub len: u64,
    /// The largest id ever given.
    pub last_id: StreamId,
    /// The largest deleted id and the number of entries ever added. Snapshots of servers before 7.0
    /// do not have them.
    pub history: Option<(StreamId, u64)>,
}

/// A stream in the making. Nodes come first, then the counters; then each group with what is
/// pending, followed by its consumers, each with what it owns.
#[derive(Debug, Default)]
pub struct Restore {
    stream: Stream,
    entries: u64,
    last_entry: Option<StreamId>,
    group: Option<OpenGroup>,
}

#[derive(Debug)]
struct OpenGroup {
    name: Box<[u8]>,
    group: Group,
    /// Pending entries whose owner has not come yet: when delivered, how often.
    unowned: BTreeMap<StreamId, (i64, u64)>,
    consumer: Option<ConsumerId>,
}

impl Restore {
    /// Nothing yet.
    pub fn new() -> Restore {
        Restore::default()
    }

    /// The next node.
    pub fn node(&mut self, id: &[u8], listpack: Vec<u8>) -> Result<(), RestoreError> {
        let id = StreamId::from_bytes(id.try_into().map_err(|_| RestoreError::NodeId)?);
        let found = node::validate(id, &listpack).ok_or(RestoreError::Node)?;
        let nodes = &mut self.stream.log.nodes;
        let in_order = nodes.last_key_value().is_none_or(|(last, _)| *last < id);
        if !in_order || self.last_entry >= Some(id) {
            return Err(RestoreError::NodeOrder);
        }
        if let Some((first, last)) = found.bounds {
            if first < id {
                return Err(RestoreError::NodeOrder);
            }
            self.last_entry = Some(last);
        }
        self.entries += found.live;
        nodes.insert(id, Listpack::from_framed(listpack));
        Ok(())
    }

    /// What is counted; after the nodes. The first entry's id is found rather than taken as told.
    pub fn counters(&mut self, counters: Counters) -> Result<(), RestoreError> {
        if counters.len != self.entries {
            return Err(RestoreError::Length);
        }
        if self.last_entry > Some(counters.last_id) {
            return Err(RestoreError::LastId);
        }
        let log = &mut self.stream.log;
        log.len = counters.len;
        log.last_id = counters.last_id;
        log.find_first();
        (log.max_deleted_id, log.entries_added) =
            counters.history.unwrap_or((StreamId::MIN, log.len));
        Ok(())
    }

    /// The next group. Without a number of entries read, as before 7.0, it is estimated.
    pub fn group(
        &mut self,
        name: &[u8],
        last_id: StreamId,
        entries_read: Option<u64>,
    ) -> Result<(), RestoreError> {
        self.close_group()?;
        if self.stream.group(name).is_some() {
            return Err(RestoreError::GroupTwice);
        }
        let read = entries_read.or_else(|| self.stream.log.entries_up_to(last_id));
        self.group = Some(OpenGroup {
            name: name.into(),
            // All bits set is how a snapshot writes that it is not known.
            group: Group::new(last_id, read.map(|n| n as i64).filter(|n| *n != -1)),
            unowned: BTreeMap::new(),
            consumer: None,
        });
        Ok(())
    }

    /// The next pending entry of the group.
    pub fn pending(
        &mut self,
        id: StreamId,
        delivered_ms: i64,
        deliveries: u64,
    ) -> Result<(), RestoreError> {
        let open = self.group.as_mut().ok_or(RestoreError::PartOrder)?;
        match open.unowned.insert(id, (delivered_ms, deliveries)) {
            None => Ok(()),
            Some(_) => Err(RestoreError::PendingTwice),
        }
    }

    /// The next consumer of the group. Before 7.2 it was only told when it was last seen.
    pub fn consumer(
        &mut self,
        name: &[u8],
        seen_ms: i64,
        active_ms: Option<i64>,
    ) -> Result<(), RestoreError> {
        let open = self.group.as_mut().ok_or(RestoreError::PartOrder)?;
        let created = open.group.create_consumer(name, seen_ms);
        let consumer = created.ok_or(RestoreError::ConsumerTwice)?;
        let active_ms = active_ms.unwrap_or(seen_ms);
        open.group.consumer_mut(consumer).active_ms = (active_ms != -1).then_some(active_ms);
        open.consumer = Some(consumer);
        Ok(())
    }

    /// The next entry that the consumer owns. If several claim one, the last has it.
    pub fn owned(&mut self, id: StreamId) -> Result<(), RestoreError> {
        let open = self.group.as_mut().ok_or(RestoreError::PartOrder)?;
        let owner = open.consumer.ok_or(RestoreError::PartOrder)?;
        let pending = match (open.unowned.remove(&id), open.group.pending(id)) {
            (Some((delivered_ms, deliveries)), _) => Pending {
                delivered_ms,
                deliveries,
                owner,
            },
            (None, Some(pending)) if pending.owner != owner => Pending { owner, ..*pending },
            (None, Some(_)) => return Err(RestoreError::PendingTwice),
            (None, None) => return Err(RestoreError::NotPending),
        };
        open.group.own(id, pending);
        Ok(())
    }

    /// The stream, if nothing is missing.
    pub fn finish(mut self) -> Result<Stream, RestoreError> {
        self.close_group()?;
        Ok(self.stream)
    }

    fn close_group(&mut self) -> Result<(), RestoreError> {
        let Some(open) = self.group.take() else {
            return Ok(());
        };
        if !open.unowned.is_empty() {
            return Err(RestoreError::NoOwner);
        }
        self.stream.create_group(&open.name, open.group);
        Ok(())
    }
}
