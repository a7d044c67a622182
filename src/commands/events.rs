//! What follows from a change beside propagation: watches break, clients that wait for the key are
//! woken, and subscribers of keyspace notifications hear of it.
//!
//! A handler that changed a key says so in this order, which is the reference's: `Ctx::touched`,
//! `Ctx::notify`, `Ctx::changed`; `Ctx::wrote` is all three ([`super::report`]). The first two
//! exist on [`Env`] for what the server does by itself: keys that expire, that are evicted,
//! databases that are emptied or swapped. With nobody to hear of it, each costs a branch.

use super::env::Env;
use super::pubsub::outbox::Outbox;
use super::pubsub::registry::Registry;
use super::watch::{Became, Watches};
pub use crate::config::NotifyEvents as Class;
use crate::keyspace::{Db, Keyspace};

impl Env {
    /// The value of a key has changed, or the key has come or gone.
    #[inline]
    pub fn touched(&mut self, db: usize, key: &[u8]) {
        let heard = !self.watches.is_empty() | !self.waiters.is_empty() | !self.tracking.is_off();
        if heard {
            self.tell_observers(db, key);
        }
    }

    #[cold]
    fn tell_observers(&mut self, db: usize, key: &[u8]) {
        self.waiters.signal(db, key);
        if !self.tracking.is_off() {
            self.invalidate(key);
        }
        if self.watches.is_empty() {
            return;
        }
        let became = self.state_in(self.keyspace.db(db), key);
        self.watches.on_change(db, key, became);
    }

    /// How a key of a database stands, as watches see it.
    fn state_in(&self, db: &Db, key: &[u8]) -> Became {
        match db.get(key) {
            None => Became::Absent,
            Some(entry) if self.is_due(entry) => Became::Expired,
            Some(_) => Became::Present,
        }
    }

    /// A key was deleted because its time had come: everybody who has to know hears of it.
    pub fn on_expired(&mut self, db: usize, key: &[u8]) {
        self.notify(db, Class::EXPIRED, "expired", key);
        self.touched(db, key);
        self.stats.expired_keys += 1;
        self.propagate_deletion(db, key, self.config.lazyfree_lazy_expire);
    }

    /// A database is about to be emptied.
    pub fn emptying(&mut self, db: usize) {
        self.invalidate_all();
        self.tell_of_emptying(db);
    }

    fn tell_of_emptying(&mut self, db: usize) {
        self.waiters.signal_all(db);
        if self.watches.is_empty() {
            return;
        }
        let keys = self.keyspace.db(db);
        let look = |key: &[u8]| keys.contains(key).then_some((true, Became::Absent));
        self.watches.on_replaced(db, look);
    }

    /// All databases are about to be emptied.
    pub fn emptying_all(&mut self) {
        self.own_expiries.clear();
        self.invalidate_all();
        (0..self.keyspace.n_dbs()).for_each(|db| self.tell_of_emptying(db));
    }

    /// Two databases are about to be swapped.
    pub fn swapping(&mut self, a: usize, b: usize) {
        if a == b {
            return;
        }
        self.own_expiries.swap(a, b);
        self.waiters.signal_all(a);
        self.waiters.signal_all(b);
        if self.watches.is_empty() {
            return;
        }
        let mut watches = std::mem::take(&mut self.watches);
        self.replace(&mut watches, a, self.keyspace.db(b));
        self.replace(&mut watches, b, self.keyspace.db(a));
        self.watches = watches;
    }

    /// All data is about to be replaced.
    pub fn replacing_all(&mut self, by: &Keyspace) {
        self.own_expiries.clear();
        self.invalidate_all();
        (0..self.keyspace.n_dbs()).for_each(|db| self.waiters.signal_all(db));
        if self.watches.is_empty() {
            return;
        }
        let mut watches = std::mem::take(&mut self.watches);
        for db in 0..self.keyspace.n_dbs() {
            self.replace(&mut watches, db, by.db(db));
        }
        self.watches = watches;
    }

    fn replace(&self, watches: &mut Watches, db: usize, by: &Db) {
        watches.on_replaced(db, |key| {
            let was_there = self.keyspace.db(db).contains(key);
            let becomes = self.state_in(by, key);
            (was_there || becomes != Became::Absent).then_some((was_there, becomes))
        });
    }

    /// Tells subscribers of keyspace notifications what happened to a key.
    #[inline]
    pub fn notify(&mut self, db: usize, class: Class, event: &str, key: &[u8]) {
        let wanted = self.config.notify_keyspace_events;
        if wanted.contains(class) {
            announce(wanted, &self.pubsub, &mut self.outbox, db, event, key);
        }
    }
}

/// Publishes an event on the channels that `wanted` asks for.
#[cold]
pub(super) fn announce(
    wanted: Class,
    pubsub: &Registry,
    outbox: &mut Outbox,
    db: usize,
    event: &str,
    key: &[u8],
) {
    let channel = |kind: &str, what: &[u8]| {
        let mut name = format!("__{kind}@{db}__:").into_bytes();
        name.extend_from_slice(what);
        name
    };
    if wanted.contains(Class::KEYSPACE) {
        pubsub.publish(&channel("keyspace", key), event.as_bytes(), outbox);
    }
    if wanted.contains(Class::KEYEVENT) {
        pubsub.publish(&channel("keyevent", event.as_bytes()), key, outbox);
    }
}
