//! Who is subscribed to what.
//!
//! There are three kinds of topic: channels, patterns over channels, and shard channels, which
//! patterns do not see. [`Registry`] knows the clients of each topic; [`Subscriptions`], which
//! belongs to a session, knows the topics of each client, so that a client that closes is taken
//! out without a search. Both are changed together, by [`Registry::subscribe`] and
//! [`Registry::unsubscribe`], and nowhere else.

use std::collections::{BTreeSet, HashMap};

use super::outbox::Outbox;
use crate::base::glob::glob_match;

/// The kinds of topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopicKind {
    /// `SUBSCRIBE`.
    Channel,
    /// `PSUBSCRIBE`.
    Pattern,
    /// `SSUBSCRIBE`.
    Shard,
}

impl TopicKind {
    /// All of them.
    pub const ALL: [TopicKind; 3] = [TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard];
}

/// What one client is subscribed to.
#[derive(Default, Debug)]
pub struct Subscriptions {
    topics: [BTreeSet<Box<[u8]>>; 3],
    bytes: usize,
}

/// Memory that a topic takes in the list of a subscriber, roughly.
fn bytes_of(topic: &[u8]) -> usize {
    topic.len() + size_of::<Box<[u8]>>()
}

impl Subscriptions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.topics.iter().all(BTreeSet::is_empty)
    }

    /// How many of a kind there are.
    pub fn count(&self, kind: TopicKind) -> usize {
        self.topics[kind as usize].len()
    }

    /// The topics of a kind.
    pub fn of(&self, kind: TopicKind) -> impl Iterator<Item = &[u8]> {
        self.topics[kind as usize].iter().map(|topic| &**topic)
    }

    /// Memory held for them, roughly.
    pub fn memory(&self) -> usize {
        self.bytes
    }
}

/// See the module's head.
#[derive(Default, Debug)]
pub struct Registry {
    topics: [HashMap<Box<[u8]>, BTreeSet<u64>>; 3],
}

impl Registry {
    /// How many topics of a kind have a subscriber.
    pub fn count(&self, kind: TopicKind) -> usize {
        self.topics[kind as usize].len()
    }

    /// How many clients are subscribed to a topic.
    pub fn subscribers(&self, kind: TopicKind, topic: &[u8]) -> usize {
        let clients = self.topics[kind as usize].get(topic);
        clients.map_or(0, BTreeSet::len)
    }

    /// The topics of a kind that have a subscriber.
    pub fn topics(&self, kind: TopicKind) -> impl Iterator<Item = &[u8]> {
        self.topics[kind as usize].keys().map(|topic| &**topic)
    }

    /// Subscribes a client to a topic.
    pub fn subscribe(
        &mut self,
        client: u64,
        own: &mut Subscriptions,
        kind: TopicKind,
        topic: &[u8],
    ) {
        if own.topics[kind as usize].insert(topic.into()) {
            own.bytes += bytes_of(topic);
            let clients = self.topics[kind as usize].entry(topic.into()).or_default();
            let new = clients.insert(client);
            assert!(new, "a client and the registry agree");
        }
    }

    /// Takes a client's subscription away, if it has it.
    pub fn unsubscribe(
        &mut self,
        client: u64,
        own: &mut Subscriptions,
        kind: TopicKind,
        topic: &[u8],
    ) {
        if own.topics[kind as usize].remove(topic) {
            own.bytes -= bytes_of(topic);
            self.remove(client, kind, topic);
        }
    }

    /// Takes away all subscriptions of a client that is no more, or is as good as new.
    pub fn forget(&mut self, client: u64, own: Subscriptions) {
        for kind in TopicKind::ALL {
            for topic in &own.topics[kind as usize] {
                self.remove(client, kind, topic);
            }
        }
    }

    fn remove(&mut self, client: u64, kind: TopicKind, topic: &[u8]) {
        let topics = &mut self.topics[kind as usize];
        let clients = topics.get_mut(topic);
        let clients = clients.expect("a client and the registry agree");
        clients.remove(&client);
        if clients.is_empty() {
            topics.remove(topic);
        }
    }

    /// Sends a message to those who subscribed to the channel, then to those whose patterns match
    /// it; a client may get it more than once. Says how many copies went out.
    pub fn publish(&self, channel: &[u8], message: &[u8], outbox: &mut Outbox) -> usize {
        let mut sent = 0;
        if let Some(clients) = self.topics[TopicKind::Channel as usize].get(channel) {
            sent += outbox.push(&[b"message", channel, message], clients.iter().copied());
        }
        for (pattern, clients) in &self.topics[TopicKind::Pattern as usize] {
            if glob_match(pattern, channel, false) {
                let words: [&[u8]; 4] = [b"pmessage", pattern, channel, message];
                sent += outbox.push(&words, clients.iter().copied());
            }
        }
        sent
    }

    /// Sends a message to those who subscribed to the shard channel.
    pub fn publish_to_shard(&self, channel: &[u8], message: &[u8], outbox: &mut Outbox) -> usize {
        match self.topics[TopicKind::Shard as usize].get(channel) {
            Some(clients) => outbox.push(&[b"smessage", channel, message], clients.iter().copied()),
            None => 0,
        }
    }
}
