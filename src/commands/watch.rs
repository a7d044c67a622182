//! Which clients watch which keys (`WATCH`), and which of those watches were broken.
//!
//! A key that changes breaks the watch of everybody who watches it; such a client is *dirty*, and
//! its next `EXEC` gives up. Everything is in one registry, so whoever changes a key needs no
//! session but its own; with nobody watching, a change costs one look at an empty map.
//!
//! A key that was expired already when it was watched, but not deleted yet, counts as absent: its
//! deletion changes nothing for the client.
//!
//! Invariants: every watch in `keys` belongs to a client in `clients` that names the key in turn;
//! a dirty client watches nothing any more.

use std::collections::HashMap;

/// One client's watch of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Watch {
    db: usize,
    client: u64,
    /// The key had expired, but was still there, when the watch began.
    expired: bool,
}

/// What is known of a client that watches.
#[derive(Default, Debug)]
struct Watcher {
    keys: Vec<(usize, Box<[u8]>)>,
    /// Memory that the keys take, roughly.
    bytes: usize,
    dirty: bool,
}

/// What a watched key was turned into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Became {
    /// It is not there (any more).
    Absent,
    /// It is there, but its time has come.
    Expired,
    /// It is there.
    Present,
}

/// See the module's head.
#[derive(Default, Debug)]
pub struct Watches {
    keys: HashMap<Box<[u8]>, Vec<Watch>>,
    clients: HashMap<u64, Watcher>,
}

impl Watches {
    /// Whether no key is watched.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A client begins to watch a key; `expired` says that its time had come before.
    pub fn watch(&mut self, client: u64, db: usize, key: &[u8], expired: bool) {
        let watcher = self.clients.entry(client).or_default();
        if watcher.dirty || watcher.keys.iter().any(|(d, k)| *d == db && **k == *key) {
            return;
        }
        watcher.keys.push((db, key.into()));
        watcher.bytes += key.len() + size_of::<(usize, Box<[u8]>)>() + size_of::<Watch>();
        let watch = Watch {
            db,
            client,
            expired,
        };
        self.keys.entry(key.into()).or_default().push(watch);
    }

    /// A client watches nothing any more, and is not dirty.
    pub fn forget(&mut self, client: u64) {
        self.unwatch(client);
        self.clients.remove(&client);
    }

    /// Whether a watch of this client was broken.
    pub fn is_dirty(&self, client: u64) -> bool {
        self.clients.get(&client).is_some_and(|c| c.dirty)
    }

    /// The databases and keys that a client watches, without those that had expired before.
    pub fn live_keys(&self, client: u64) -> impl Iterator<Item = (usize, &[u8])> {
        let watcher = self.clients.get(&client);
        let keys = watcher.into_iter().flat_map(|w| &w.keys);
        keys.filter(move |(db, key)| {
            let is_it = |w: &&Watch| w.client == client && w.db == *db;
            let watch = self.keys.get(key).and_then(|all| all.iter().find(is_it));
            watch.is_some_and(|w| !w.expired)
        })
        .map(|(db, key)| (*db, &**key))
    }

    /// How many keys a client watches.
    pub fn count(&self, client: u64) -> usize {
        self.clients.get(&client).map_or(0, |c| c.keys.len())
    }

    /// Memory held for what a client watches, roughly.
    pub fn memory(&self, client: u64) -> usize {
        self.clients.get(&client).map_or(0, |c| c.bytes)
    }

    /// A key has changed.
    pub fn on_change(&mut self, db: usize, key: &[u8], became: Became) {
        self.change(db, key, |watch| {
            let was_expired = std::mem::replace(&mut watch.expired, false);
            // An expired key that is gone is what it was before.
            !(was_expired && became == Became::Absent)
        });
    }

    /// Every key of a database was, or is about to be, replaced by what `look` says of it; a key
    /// that it says nothing of stays as it is.
    pub fn on_replaced(&mut self, db: usize, look: impl Fn(&[u8]) -> Option<(bool, Became)>) {
        let watched = |all: &Vec<Watch>| all.iter().any(|w| w.db == db);
        let keys: Vec<Box<[u8]>> = (self.keys.iter())
            .filter(|(_, all)| watched(all))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            let Some((was_there, became)) = look(&key) else {
                continue;
            };
            self.change(db, &key, |watch| match (watch.expired, became) {
                (true, Became::Absent) => {
                    watch.expired = false;
                    false
                }
                (true, Became::Expired) => false,
                (false, Became::Expired) if !was_there => {
                    watch.expired = true;
                    false
                }
                _ => true,
            });
        }
    }

    /// Lets `breaks` look at every watch of a key and say whether it is broken.
    fn change(&mut self, db: usize, key: &[u8], mut breaks: impl FnMut(&mut Watch) -> bool) {
        let Some(all) = self.keys.get_mut(key) else {
            return;
        };
        let here = all.iter_mut().filter(|w| w.db == db);
        let broken: Vec<u64> = here.filter_map(|w| breaks(w).then_some(w.client)).collect();
        for client in broken {
            self.unwatch(client);
            self.clients.entry(client).or_default().dirty = true;
        }
    }

    /// Takes all watches of a client away.
    fn unwatch(&mut self, client: u64) {
        let Some(watcher) = self.clients.get_mut(&client) else {
            return;
        };
        watcher.bytes = 0;
        for (_, key) in watcher.keys.drain(..) {
            // A client that watches the key in two databases has taken both away by now.
            let Some(all) = self.keys.get_mut(&key) else {
                continue;
            };
            all.retain(|w| w.client != client);
            if all.is_empty() {
                self.keys.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_breaks_the_watches_of_that_key_in_that_database_only() {
        let mut watches = Watches::default();
        watches.watch(1, 0, b"a", false);
        watches.watch(1, 1, b"a", false);
        watches.watch(2, 1, b"a", false);
        watches.watch(3, 0, b"b", false);
        watches.on_change(0, b"a", Became::Present);
        let dirty: Vec<u64> = (1..4).filter(|id| watches.is_dirty(*id)).collect();
        assert_eq!(dirty, [1]);
        assert_eq!((watches.count(1), watches.count(2)), (0, 1));
        watches.forget(1);
        assert!(!watches.is_dirty(1));
        watches.forget(2);
        watches.forget(3);
        assert!(watches.is_empty());
    }

    #[test]
    fn the_deletion_of_a_key_that_had_expired_is_no_change() {
        let mut watches = Watches::default();
        watches.watch(1, 0, b"a", true);
        assert_eq!(watches.live_keys(1).count(), 0);
        watches.on_change(0, b"a", Became::Absent);
        assert!(!watches.is_dirty(1));
        assert_eq!(watches.live_keys(1).count(), 1);
        watches.on_change(0, b"a", Became::Present);
        assert!(watches.is_dirty(1));
    }

    #[test]
    fn replacing_a_database_breaks_what_was_or_comes_there() {
        let mut watches = Watches::default();
        for (client, key) in [(1, "kept"), (2, "gone"), (3, "new"), (4, "never")] {
            watches.watch(client, 0, key.as_bytes(), false);
        }
        watches.watch(5, 0, b"new", true);
        watches.watch(6, 0, b"stale", false);
        watches.on_replaced(0, |key| match key {
            b"gone" => Some((true, Became::Absent)),
            b"new" => Some((false, Became::Present)),
            b"stale" => Some((false, Became::Expired)),
            _ => None,
        });
        let dirty: Vec<u64> = (1..7).filter(|id| watches.is_dirty(*id)).collect();
        assert_eq!(dirty, [2, 3, 5]);
        assert_eq!(watches.live_keys(6).count(), 0);
    }
}
