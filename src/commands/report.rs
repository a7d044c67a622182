//! How a handler reports what it did.
//!
//! By [`Ctx::changed`] alone a command's own words go to the backlog and to replicas. A command
//! whose words would not give the same result elsewhere (a relative expiry, a random choice) says
//! what to send instead with [`Ctx::propagate_instead`]; [`super::unit`] collects and sends it.
//! What else hears of a changed key is told by [`Ctx::touched`] and [`Ctx::notify`]; see
//! [`super::events`], also for the order of all three. [`Ctx::wrote`] is all three.

use super::context::{Access, Ctx};
use super::events::Class;
use super::session::Kind;
use super::unit::operations::Audience;
use crate::resp::args::{Args, array_header, bulk};

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

    /// A key of the client's database is about to be set; where it is not there yet, that is an
    /// event of its own.
    #[inline]
    pub fn adding(&mut self, key: &[u8]) {
        if self.env.config.notify_keyspace_events.contains(Class::NEW) {
            self.announce_new(key);
        }
    }

    #[cold]
    fn announce_new(&mut self, key: &[u8]) {
        let db = self.session.db;
        let expired = self.env.expire_if_due(self.session, db, key, Access::Write);
        if expired || !self.db().contains(key) {
            self.notify(Class::NEW, "new", key);
        }
    }

    /// So many elements were taken out of a collection; the key is gone if they were the last.
    #[inline]
    pub fn took(&mut self, class: Class, event: &str, key: &[u8], count: usize, gone: bool) {
        self.touched(key);
        self.notify(class, event, key);
        if gone {
            self.notify(Class::GENERIC, "del", key);
        }
        self.changed(count as u64);
    }

    /// One change of a key: [`touched`](Self::touched), [`notify`](Self::notify) and
    /// [`changed`](Self::changed).
    #[inline]
    pub fn wrote(&mut self, class: Class, event: &str, key: &[u8]) {
        self.touched(key);
        self.notify(class, event, key);
        self.changed(1);
    }

    /// Reports `n` changes to the data set: they count towards save points, and the command is
    /// propagated. (That it changed something stands in the unit as well, since a save within the
    /// command takes the count back to nothing.)
    #[inline]
    pub fn changed(&mut self, n: u64) {
        self.env.persistence.dirty += n;
        if n > 0 {
            self.env.unit.note_change();
        }
    }

    /// Deletes the key that a result was meant for, since there is nothing in it.
    pub fn store_nothing(&mut self, key: &[u8]) {
        if let Some(removed) = self.db().remove(key) {
            let lazily = self.env.config.lazyfree_lazy_server_del;
            self.env.discard(Some(removed), lazily);
            self.wrote(Class::GENERIC, "del", key);
        }
    }

    /// A key was given an expiry, or was made with one.
    #[inline]
    pub fn got_expiry(&mut self, db: usize, key: &[u8]) {
        let gates = &self.env.gates;
        if gates.replica && !gates.read_only && self.session.kind != Kind::Master {
            self.env.note_own_expiry(db, key);
        }
    }

    /// Propagates this command in place of the one that runs. May be called several times.
    pub fn propagate_instead(&mut self, argv: &[&[u8]]) {
        self.env.unit.note_instead();
        self.env.propagate(self.session.db, argv);
    }

    /// Keeps the command's own arguments from others, even if nothing is propagated in their place.
    pub fn propagate_nothing(&mut self) {
        self.env.unit.note_instead();
    }

    /// Propagates the command's own arguments with some of them, by index, replaced.
    pub fn propagate_with(&mut self, args: &Args<'_>, replaced: &[(usize, &[u8])]) {
        self.env.unit.note_instead();
        if !self.env.wants_changes() {
            return;
        }
        self.env.unit.add(self.session.db, Audience::ALL, |out| {
            array_header(args.len(), out);
            for (at, word) in args.iter().enumerate() {
                let other = replaced.iter().find(|(index, _)| *index == at);
                bulk(other.map_or(word, |(_, other)| other), out);
            }
        });
    }
}
