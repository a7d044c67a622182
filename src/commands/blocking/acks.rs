//! Who waits for replicas and for files: what `WAIT` and `WAITAOF` park.
//!
//! Such a client waits until the stream up to its last write is where it wants it: run by so many
//! replicas, or on the disks of so many, and perhaps on our own. Those who need the same form a
//! group, in the order of their offsets; how far their need is met is one offset for all of them.
//! So an acknowledgement costs a look at each group and at those who are served, however many wait.

use std::collections::{BTreeMap, BTreeSet};

/// Where the stream has to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AckOf {
    /// In the data of replicas.
    Run,
    /// In append-only files, on disk.
    Stored {
        /// In ours, too.
        here: bool,
    },
}

/// What has to have the stream, apart from how much of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AckNeed {
    /// Where.
    pub of: AckOf,
    /// At so many replicas.
    pub replicas: usize,
}

/// What a client waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckWait {
    /// The end of its last write in the stream.
    pub offset: u64,
    /// Who has to have it.
    pub need: AckNeed,
}

/// What the answer to "how far is this need met" depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Acknowledgements of replicas, counted.
    pub replicas: u64,
    /// How far our own file is on disk.
    pub fsynced: Option<u64>,
    /// Whether there is to be one.
    pub file: bool,
}

/// One who waits: the offset, its place in the queue, the client.
type Entry = (u64, u64, u64);

/// Those who wait; see the module's head. No group is empty.
#[derive(Default, Debug)]
pub struct AckWaits {
    groups: BTreeMap<AckNeed, BTreeSet<Entry>>,
    /// What those who wait were looked at with.
    seen: Option<Progress>,
}

/// How far a need is met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Not at all.
    None,
    /// Up to this offset.
    UpTo(u64),
    /// It cannot be met any more.
    Never,
}

/// A client whose wait for acknowledgements is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Served {
    /// Its place in the queue.
    pub ticket: u64,
    /// Who.
    pub client: u64,
    /// What it waits for cannot come any more.
    pub in_vain: bool,
}

impl AckWaits {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether more may have been acknowledged than when somebody looked last.
    pub fn is_news(&self, progress: Progress) -> bool {
        self.seen != Some(progress)
    }

    /// The same, and somebody looks now.
    pub fn note_news(&mut self, progress: Progress) -> bool {
        self.seen.replace(progress) != Some(progress)
    }

    /// A client begins to wait.
    pub fn insert(&mut self, wait: AckWait, ticket: u64, client: u64) {
        let group = self.groups.entry(wait.need).or_default();
        group.insert((wait.offset, ticket, client));
    }

    /// A client does not wait any more.
    pub fn remove(&mut self, wait: AckWait, ticket: u64, client: u64) {
        let group = self.groups.get_mut(&wait.need);
        let group = group.expect("a client stands in the group of its need");
        group.remove(&(wait.offset, ticket, client));
        if group.is_empty() {
            self.groups.remove(&wait.need);
        }
    }

    /// Those whose wait is over when needs are met so far, in the order in which they began.
    pub fn served(&self, level: impl Fn(AckNeed) -> Level) -> Vec<Served> {
        let mut served = Vec::new();
        for (need, group) in &self.groups {
            let (up_to, in_vain) = match level(*need) {
                Level::None => continue,
                Level::UpTo(offset) => (offset, false),
                Level::Never => (u64::MAX, true),
            };
            let entries = group.range(..=(up_to, u64::MAX, u64::MAX));
            served.extend(entries.map(|(_, ticket, client)| Served {
                ticket: *ticket,
                client: *client,
                in_vain,
            }));
        }
        served.sort_unstable_by_key(|one| one.ticket);
        served
    }
}
