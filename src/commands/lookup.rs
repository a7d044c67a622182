//! Finding keys for commands: expiry, statistics and the record of use belong to every lookup.
//!
//! A key whose time has come is as good as absent. Who deletes it, and who only hides it, is
//! decided here and nowhere else.

use super::env::Env;
use super::error::CmdError;
use super::events::{self, Class};
use super::session::{Kind, Session};
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::Settings;
use crate::keyspace::access::{self, LfuTuning};
use crate::keyspace::{Collection, Edit, Entry, EntryMut, Type};

/// Why a key is looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// To read it: counts as hit or miss, and as use.
    Read,
    /// To look without a trace: no use recorded (`TTL`, `EXISTS`, …), but hit or miss counted.
    Peek,
    /// The same, and a miss is no event (`OBJECT`).
    Inspect,
    /// To record its use, even for a client that asked for `NO-TOUCH`.
    Touch,
    /// To write it.
    Write,
}

impl Env {
    /// Looks a key up in the client's database.
    #[inline]
    pub fn lookup(&mut self, session: &Session, key: &[u8], access: Access) -> Option<Entry<'_>> {
        self.lookup_in(session, session.db, key, access)
    }

    /// Looks a key up; one whose time has come is as good as absent, and is deleted where this
    /// server decides such things.
    #[inline]
    pub fn lookup_in(
        &mut self,
        session: &Session,
        db: usize,
        key: &[u8],
        access: Access,
    ) -> Option<Entry<'_>> {
        let expired = self.expire_if_due(session, db, key, access);
        let touches = self.touches(session, access);
        let found = self.keyspace.db(db).get(key).filter(|_| !expired);
        if access != Access::Write {
            match found {
                Some(_) => self.stats.keyspace_hits += 1,
                None => {
                    self.stats.keyspace_misses += 1;
                    let wanted = self.config.notify_keyspace_events;
                    if wanted.contains(Class::KEY_MISS) && access != Access::Inspect {
                        let outbox = &mut self.outbox;
                        events::announce(wanted, &self.pubsub, outbox, db, "keymiss", key);
                    }
                }
            }
        }
        if touches && let Some(entry) = found {
            touch_entry(entry, self.now, &mut self.rng, &self.config);
        }
        found
    }

    /// Looks a string up; another type is an error.
    #[inline]
    pub fn lookup_string(
        &mut self,
        session: &Session,
        key: &[u8],
        access: Access,
    ) -> Result<Option<Entry<'_>>, CmdError> {
        match self.lookup(session, key, access) {
            Some(entry) if entry.type_() != Type::String => Err(CmdError::WrongType),
            found => Ok(found),
        }
    }

    /// Looks a collection up; another type is an error.
    #[inline]
    pub fn collection<T: Collection>(
        &mut self,
        session: &Session,
        key: &[u8],
        access: Access,
    ) -> Result<Option<T::Ref<'_>>, CmdError> {
        match self.lookup(session, key, access) {
            Some(entry) => entry.collection::<T>().ok_or(CmdError::WrongType).map(Some),
            None => Ok(None),
        }
    }

    /// Takes a collection to change it, if there is one; another type is an error.
    #[inline]
    pub fn edit<'a, T: Collection>(
        &'a mut self,
        session: &Session,
        key: &'a [u8],
    ) -> Result<Option<Edit<'a, T>>, CmdError> {
        if self.expire_if_due(session, session.db, key, Access::Write) {
            return Ok(None);
        }
        let touches = self.touches(session, Access::Write);
        let touch = toucher(touches, self.now, &mut self.rng, &self.config);
        let db = self.keyspace.db_mut(session.db);
        db.edit(key, touch).map_err(|_| CmdError::WrongType)
    }

    /// Takes a collection to change it, a new one if there is none; another type is an error.
    #[inline]
    pub fn edit_or_new<'a, T: Collection>(
        &'a mut self,
        session: &Session,
        key: &'a [u8],
    ) -> Result<Edit<'a, T>, CmdError> {
        if self.expire_if_due(session, session.db, key, Access::Write) {
            self.keyspace.db_mut(session.db).remove(key);
        }
        let touches = self.touches(session, Access::Write);
        let touch = toucher(touches, self.now, &mut self.rng, &self.config);
        let db = self.keyspace.db_mut(session.db);
        db.edit_or_new(key, touch).map_err(|_| CmdError::WrongType)
    }

    /// Looks a string up to change it where it is.
    #[inline]
    pub fn lookup_string_mut(
        &mut self,
        session: &Session,
        key: &[u8],
    ) -> Result<Option<EntryMut<'_>>, CmdError> {
        let expired = self.expire_if_due(session, session.db, key, Access::Write);
        let touches = self.touches(session, Access::Write);
        let found = self.keyspace.db_mut(session.db).get_mut(key);
        let Some(entry) = found.filter(|_| !expired) else {
            return Ok(None);
        };
        if touches {
            touch_entry(entry.entry(), self.now, &mut self.rng, &self.config);
        }
        if entry.entry().type_() == Type::String {
            Ok(Some(entry))
        } else {
            Err(CmdError::WrongType)
        }
    }

    /// Whether a key counts as absent because its time has come; it is deleted then, where this
    /// server may.
    #[inline]
    pub fn expire_if_due(
        &mut self,
        session: &Session,
        db: usize,
        key: &[u8],
        access: Access,
    ) -> bool {
        let keys = self.keyspace.db(db);
        let due = keys.expires_len() > 0 && keys.get(key).is_some_and(|entry| self.is_due(entry));
        due && self.expire_due(session, db, key, access)
    }

    #[cold]
    fn expire_due(&mut self, session: &Session, db: usize, key: &[u8], access: Access) -> bool {
        if session.kind == Kind::Master {
            // Our master decides; until its DEL arrives the key is there for its commands.
            return false;
        }
        let reads = access != Access::Write;
        if self.gates.replica && (self.gates.read_only || reads)
            || self.gates.pause.is_some() && reads
        {
            return true;
        }
        if session.kind != Kind::Internal {
            self.expire_key(db, key);
        }
        true
    }

    /// Deletes a key whose time has come and tells replicas.
    pub fn expire_key(&mut self, db: usize, key: &[u8]) {
        let removed = self.keyspace.db_mut(db).remove(key);
        self.on_expired(db, key);
        self.measure("expire-del", |env| {
            env.discard(removed, env.config.lazyfree_lazy_expire);
        });
    }

    /// Whether a lookup counts as use of the key.
    #[inline]
    fn touches(&self, session: &Session, access: Access) -> bool {
        !self.hold_access_times
            && match access {
                Access::Peek | Access::Inspect => false,
                Access::Touch => true,
                Access::Read | Access::Write => !session.no_touch,
            }
    }

    /// How the counters of an LFU policy move.
    pub fn lfu_tuning(&self) -> LfuTuning {
        lfu_tuning(&self.config)
    }

    /// Has new keys begin with what the eviction policy notes of a key that is used now.
    pub fn renew_access(&mut self) {
        let now_ms = self.now.unix_ms();
        self.keyspace
            .set_new_access(match self.config.maxmemory_policy.is_lfu() {
                true => access::lfu_new(now_ms),
                false => access::lru_clock(now_ms),
            });
    }
}

/// What records the use of a key, if that counts.
#[inline]
fn toucher(touches: bool, now: Now, rng: &mut Rng, settings: &Settings) -> impl FnOnce(Entry<'_>) {
    move |entry| {
        if touches {
            touch_entry(entry, now, rng, settings);
        }
    }
}

/// Records the use of a key, as the eviction policy wants it.
#[inline]
fn touch_entry(entry: Entry<'_>, now: Now, rng: &mut Rng, settings: &Settings) {
    let now_ms = now.unix_ms();
    if settings.maxmemory_policy.is_lfu() {
        let tuning = lfu_tuning(settings);
        entry.set_access(access::lfu_touch(entry.access(), tuning, now_ms, rng));
    } else {
        let clock = access::lru_clock(now_ms);
        if entry.access() != clock {
            entry.set_access(clock);
        }
    }
}

fn lfu_tuning(settings: &Settings) -> LfuTuning {
    LfuTuning {
        log_factor: settings.lfu_log_factor,
        decay_minutes: settings.lfu_decay_time,
    }
}
