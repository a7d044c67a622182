//! What follows from a change beside propagation: watches break, and subscribers of keyspace
//! notifications hear of it.
//!
//! A handler that changed a key says so in this order, which is the reference's: [`Ctx::touched`],
//! [`Ctx::notify`], [`Ctx::changed`]; [`Ctx::wrote`] is all three. The same exists on [`Env`] for
//! what the server does by itself: keys that expire, that are evicted, databases that are emptied
//! or swapped. With nobody watching and no class asked for, each costs a branch.

use super::context::{Ctx, Env};
use super::watch::Became;
pub use crate::config::NotifyEvents as Class;

impl Env {
    /// The value of a key has changed, or the key has come or gone.
    #[inline]
    pub fn touched(&mut self, db: usize, key: &[u8]) {
        if !self.watches.is_empty() {
            self.break_watches(db, key);
        }
    }

    #[cold]
    fn break_watches(&mut self, db: usize, key: &[u8]) {
        let became = self.state_of(db, key);
        self.watches.on_change(db, key, became);
    }

    /// How a key stands, as watches see it.
    fn state_of(&self, db: usize, key: &[u8]) -> Became {
        match self.keyspace.db(db).get(key) {
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
        if self.watches.is_empty() {
            return;
        }
        let keys = self.keyspace.db(db);
        let look = |key: &[u8]| keys.contains(key).then_some((true, Became::Absent));
        self.watches.on_replaced(db, look);
    }

    /// Two databases are about to be swapped.
    pub fn swapping(&mut self, a: usize, b: usize) {
        if self.watches.is_empty() {
            return;
        }
        let mut watches = std::mem::take(&mut self.watches);
        for (db, other) in [(a, b), (b, a)] {
            watches.on_replaced(db, |key| {
                let was_there = self.keyspace.db(db).contains(key);
                let becomes = self.state_of(other, key);
                (was_there || becomes != Became::Absent).then_some((was_there, becomes))
            });
        }
        self.watches = watches;
    }

    /// Tells subscribers of keyspace notifications what happened to a key.
    #[inline]
    pub fn notify(&mut self, db: usize, class: Class, event: &str, key: &[u8]) {
        if self.config.notify_keyspace_events.contains(class) {
            self.publish_event(db, event, key);
        }
    }

    #[cold]
    fn publish_event(&mut self, db: usize, event: &str, key: &[u8]) {
        let wanted = self.config.notify_keyspace_events;
        let channel = |kind: &str, what: &[u8]| {
            let mut name = format!("__{kind}@{db}__:").into_bytes();
            name.extend_from_slice(what);
            name
        };
        if wanted.contains(Class::KEYSPACE) {
            self.publish(&channel("keyspace", key), event.as_bytes());
        }
        if wanted.contains(Class::KEYEVENT) {
            self.publish(&channel("keyevent", event.as_bytes()), key);
        }
    }
}

impl Ctx<'_> {
    /// The value of a key of the client's database has changed, or the key has come or gone.
    #[inline]
    pub fn touched(&mut self, key: &[u8]) {
        self.env.touched(self.session.db, key);
    }

    /// Tells subscribers of keyspace notifications what happened to a key of the client's
    /// database.
    #[inline]
    pub fn notify(&mut self, class: Class, event: &str, key: &[u8]) {
        self.env.notify(self.session.db, class, event, key);
    }

    /// One change of a key: [`touched`](Self::touched), [`notify`](Self::notify) and
    /// [`changed`](Self::changed).
    #[inline]
    pub fn wrote(&mut self, class: Class, event: &str, key: &[u8]) {
        self.touched(key);
        self.notify(class, event, key);
        self.changed(1);
    }
}
