//! Consumer groups: how far a group has read, and what its consumers have not acknowledged yet.
//!
//! A delivered entry is *pending* until somebody acknowledges it. The group's list says of each
//! pending entry when, how often and to whom it was delivered; each consumer has the set of ids
//! that it owns. Invariants:
//!
//! - a pending entry names a living consumer as its owner;
//! - an id is in the group's list exactly if it is in the set of its owner, and in no other.
//!
//! Consumers live in a slab, so that an owner is a small index ([`ConsumerId`]) that stays good
//! while others come and go.

use std::collections::{BTreeMap, BTreeSet};

use slab::Slab;

use super::id::StreamId;
use super::log::Log;

/// A group of consumers that share the entries of a stream among themselves.
#[derive(Clone, Debug)]
pub struct Group {
    /// The last entry that was delivered to anybody.
    pub last_id: StreamId,
    /// How many of the entries ever added have been read, where that is known.
    pub entries_read: Option<i64>,
    pending: BTreeMap<StreamId, Pending>,
    consumers: Slab<Consumer>,
    by_name: BTreeMap<Box<[u8]>, ConsumerId>,
}

/// Names a consumer of one group for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerId(usize);

/// One consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last tried to do something.
    pub seen_ms: i64,
    /// When it last got something; `None` before the first time.
    pub active_ms: Option<i64>,
    pending: BTreeSet<StreamId>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When it was last delivered.
    pub delivered_ms: i64,
    /// How often it was delivered.
    pub deliveries: u64,
    /// To whom it was last delivered.
    pub owner: ConsumerId,
}

/// How a pending entry changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// When it counts as delivered.
    pub delivered_ms: i64,
    /// What happens to the number of deliveries.
    pub deliveries: Deliveries,
}

/// What a claim does to the number of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliveries {
    /// Nothing.
    Keep,
    /// One more.
    CountOne,
    /// It becomes this.
    Set(u64),
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many entries it has not acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The entries that it has not acknowledged, from an id on, in order.
    pub fn pending_from(&self, start: StreamId) -> impl Iterator<Item = StreamId> + '_ {
        self.pending.range(start..).copied()
    }
}

impl Group {
    /// A group that has read up to `last_id`.
    pub fn new(last_id: StreamId, entries_read: Option<i64>) -> Group {
        Group {
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            consumers: Slab::new(),
            by_name: BTreeMap::new(),
        }
    }

    /// The number of consumers.
    pub fn consumers_len(&self) -> usize {
        self.consumers.len()
    }

    /// All consumers, by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> + '_ {
        self.by_name.values().map(|id| self.consumer(*id))
    }

    /// The consumer of that name.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.by_name.get(name).copied()
    }

    /// A consumer.
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        &self.consumers[id.0]
    }

    /// A consumer, to change its times.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        &mut self.consumers[id.0]
    }

    /// Adds a consumer, unless there is one of that name.
    pub fn create_consumer(&mut self, name: &[u8], seen_ms: i64) -> Option<ConsumerId> {
        if self.by_name.contains_key(name) {
            return None;
        }
        let id = ConsumerId(self.consumers.insert(Consumer {
            name: name.into(),
            seen_ms,
            active_ms: None,
            pending: BTreeSet::new(),
        }));
        self.by_name.insert(name.into(), id);
        Some(id)
    }

    /// Removes a consumer and with it what it has not acknowledged; says how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.by_name.remove(name)?;
        let consumer = self.consumers.remove(id.0);
        for entry in &consumer.pending {
            self.pending.remove(entry);
        }
        Some(consumer.pending.len())
    }

    /// The number of pending entries.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// A pending entry.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// The pending entries from an id on, in order.
    pub fn pending_from(
        &self,
        start: StreamId,
    ) -> impl DoubleEndedIterator<Item = (StreamId, &Pending)> + '_ {
        self.pending
            .range(start..)
            .map(|(id, pending)| (*id, pending))
    }

    /// The first and the last pending entry.
    pub fn pending_bounds(&self) -> Option<(StreamId, StreamId)> {
        let (first, _) = self.pending.first_key_value()?;
        let (last, _) = self.pending.last_key_value()?;
        Some((*first, *last))
    }

    /// Records that an entry was read: the group's position and its count of entries read move on
    /// where the entry is new to the group. Says whether it was.
    pub fn advance(&mut self, log: &Log, id: StreamId) -> bool {
        if id <= self.last_id {
            return false;
        }
        match &mut self.entries_read {
            // Nothing was deleted ahead, so that counting stays exact.
            Some(read) if !log.has_deleted_from(id) => *read = read.wrapping_add(1),
            read if log.entries_added() > 0 => *read = log.entries_up_to(id).map(|n| n as i64),
            _ => {}
        }
        self.last_id = id;
        true
    }

    /// Records the delivery of an entry that is as good as new to the consumer: it becomes
    /// pending with one delivery, and if it was pending elsewhere, it is no longer.
    pub fn deliver(&mut self, id: StreamId, owner: ConsumerId, now_ms: i64) -> Pending {
        let pending = Pending {
            delivered_ms: now_ms,
            deliveries: 1,
            owner,
        };
        self.own(id, pending);
        self.consumers[owner.0].active_ms = Some(now_ms);
        pending
    }

    /// Records one more delivery of an entry to its owner, who asked for its own history.
    pub fn deliver_again(&mut self, id: StreamId, now_ms: i64) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.delivered_ms = now_ms;
            pending.deliveries = pending.deliveries.wrapping_add(1);
        }
    }

    /// Gives an entry to a consumer; one that was not pending becomes so.
    pub fn claim(&mut self, id: StreamId, owner: ConsumerId, claim: Claim, now_ms: i64) -> Pending {
        let before = self
            .pending
            .get(&id)
            .map_or(1, |pending| pending.deliveries);
        let pending = Pending {
            delivered_ms: claim.delivered_ms,
            deliveries: match claim.deliveries {
                Deliveries::Keep => before,
                Deliveries::CountOne => before.wrapping_add(1),
                Deliveries::Set(count) => count,
            },
            owner,
        };
        self.own(id, pending);
        self.consumers[owner.0].active_ms = Some(now_ms);
        pending
    }

    /// Makes an entry pending as said, taking it from its owner so far.
    pub(super) fn own(&mut self, id: StreamId, pending: Pending) {
        let owner = pending.owner;
        match self.pending.insert(id, pending) {
            Some(before) if before.owner == owner => return,
            Some(before) => {
                self.consumers[before.owner.0].pending.remove(&id);
            }
            None => {}
        }
        self.consumers[owner.0].pending.insert(id);
    }

    /// An entry is done with; says what was pending.
    pub fn acknowledge(&mut self, id: StreamId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.consumers[pending.owner.0].pending.remove(&id);
        Some(pending)
    }

    /// How many entries the group has yet to read, where that is known.
    pub fn lag(&self, log: &Log) -> Option<i64> {
        if log.entries_added() == 0 {
            return Some(0);
        }
        let read = match self.entries_read {
            Some(read) if !log.has_deleted_from(self.last_id) => read,
            _ => log.entries_up_to(self.last_id)? as i64,
        };
        Some((log.entries_added() as i64).wrapping_sub(read))
    }

    /// Bytes of memory, about.
    pub(super) fn memory(&self) -> usize {
        /// A map's node holds eleven entries and is about two thirds full.
        fn tree<T>(len: usize) -> usize {
            len * size_of::<T>() * 3 / 2
        }
        let consumers = self.consumers.iter().map(|(_, consumer)| {
            2 * consumer.name.len() + tree::<StreamId>(consumer.pending.len())
        });
        size_of::<Group>()
            + tree::<(StreamId, Pending)>(self.pending.len())
            + self.consumers.capacity() * size_of::<Consumer>()
            + tree::<(Box<[u8]>, ConsumerId)>(self.by_name.len())
            + consumers.sum::<usize>()
    }
}
