//! The sum of what clients take, and each client's share in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::commands::host::ClientSizes;

/// Clients below 2 to this power of bytes are all alike.
const CLASS_MIN: u32 = 15;

/// What clients take together.
#[derive(Debug, Default)]
pub struct ClientMemory {
    bytes: u64,
    /// Those who may be evicted: their class and the number of their connection.
    by_class: BTreeSet<(u32, usize)>,
}

/// A client's share in that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    bytes: u64,
    class: Option<u32>,
}

impl Share {
    /// Of a client that takes so much; whether it may be evicted.
    pub fn new(bytes: u64, may_go: bool) -> Share {
        Share {
            bytes,
            class: may_go.then(|| class_of(bytes)),
        }
    }
}

impl ClientMemory {
    /// How much that is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The connection of one of the largest clients that may be evicted.
    pub fn largest(&self) -> Option<usize> {
        self.by_class.last().map(|(_, key)| *key)
    }

    /// A client's share has changed.
    pub fn replace(&mut self, key: usize, old: Share, new: Share) {
        self.bytes = self.bytes - old.bytes + new.bytes;
        if old.class != new.class {
            if let Some(class) = old.class {
                self.by_class.remove(&(class, key));
            }
            if let Some(class) = new.class {
                self.by_class.insert((class, key));
            }
        }
    }
}

/// Bytes, by the kind of client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// Of ordinary clients.
    pub clients: usize,
    /// Of replicas.
    pub replicas: usize,
}

impl Noted {
    /// Adds what a client takes.
    pub fn add(&mut self, is_replica: bool, bytes: usize) {
        match is_replica {
            true => self.replicas += bytes,
            false => self.clients += bytes,
        }
    }
}

/// Clients that may be evicted, class by class.
pub fn by_size(shares: impl Iterator<Item = Share>) -> Vec<ClientSizes> {
    let mut classes: BTreeMap<u32, ClientSizes> = BTreeMap::new();
    for share in shares {
        let Some(class) = share.class else {
            continue;
        };
        let sizes = classes.entry(class).or_default();
        sizes.bytes_below = 1_u64.checked_shl(class).unwrap_or(u64::MAX);
        sizes.clients += 1;
        sizes.bytes += share.bytes;
    }
    classes.into_values().collect()
}

fn class_of(bytes: u64) -> u32 {
    (u64::BITS - bytes.leading_zeros()).max(CLASS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_may_go_are_listed_by_size() {
        let share = |bytes| Share::new(bytes, true);
        let shares = [share(40_000), share(10), share(500), Share::new(9, false)];
        let sizes = |bytes_below, clients, bytes| ClientSizes {
            bytes_below,
            clients,
            bytes,
        };
        assert_eq!(
            by_size(shares.into_iter()),
            [sizes(1 << 15, 2, 510), sizes(1 << 16, 1, 40_000)]
        );
    }
}
