//! Keys that a writable replica lets expire by itself.
//!
//! A replica leaves expired keys to its master. With `replica-read-only no` clients can write keys
//! here that the master knows nothing of; nobody would ever tell us to delete those. So whoever
//! gives a key an expiry, and is not our master, has it noted here.
//!
//! The notes are databases of their own, with an empty entry for each key and the time at which to
//! look at it; so the cycle that expires a master's keys finds those that are due here, in bounded
//! time. What then happens is decided by the key itself: it may be gone, it may have got another
//! time, or none. Notes are not kept in step with the keys meanwhile, and a key of the same name
//! that our master writes may be taken for ours: writing one key on both sides was never safe.
//! They end with the data set: when all of it is emptied or replaced.

pub mod notes;

use self::notes::Due;
use super::env::Env;
use crate::keyspace::expiry::{ExpiryClock, Pace};

impl Env {
    /// A key that clients of a writable replica gave an expiry.
    #[cold]
    pub fn note_own_expiry(&mut self, db: usize, key: &[u8]) {
        let entry = self.keyspace.db(db).get(key);
        if let Some(at_ms) = entry.and_then(|entry| entry.expire_at_ms()) {
            self.own_expiries.note(db, key, at_ms);
        }
    }

    /// Deletes noted keys whose time has come, for a bounded time.
    pub fn expire_own_keys(&mut self, pace: Pace, clock: ExpiryClock<'_>) {
        let now_ms = clock.now_unix_ms;
        let effort = self.config.active_expire_effort as u8;
        for Due { db, note } in self.own_expiries.take_due(pace, effort, clock) {
            let key = note.entry().key();
            let entry = self.keyspace.db(db).get(key);
            match entry.and_then(|entry| entry.expire_at_ms()) {
                Some(at_ms) if at_ms < now_ms => {
                    self.expire_key(db, key);
                    self.end_unit();
                }
                Some(at_ms) => self.own_expiries.note(db, key, at_ms),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::session::Kind;
    use crate::commands::testing::Rig;

    /// A replica that takes writes of clients.
    fn writable_replica() -> Rig {
        let mut rig = Rig::new();
        rig.env.gates.replica = true;
        rig
    }

    fn sweep(rig: &mut Rig) {
        let clock = ExpiryClock {
            now_unix_ms: rig.env.now.unix_ms(),
            mono_us: rig.env.now.mono_us,
            elapsed_us: &mut || 0,
        };
        rig.env.expire_own_keys(Pace::Slow { hz: 10 }, clock);
    }

    #[test]
    fn every_way_to_an_expiry_is_noted() {
        for (line, key) in [
            ("SET k v PX 10", "k"),
            ("SETEX k 1 v", "k"),
            ("PEXPIRE plain 10", "plain"),
            ("GETEX plain PX 10", "plain"),
            ("RENAME volatile k", "k"),
            ("COPY volatile k", "k"),
        ] {
            let mut rig = Rig::new();
            rig.run("SET plain v");
            rig.run("SET volatile v PX 10");
            rig.env.gates.replica = true;
            rig.run(line);
            assert_eq!(rig.env.own_expiries.len(), 1, "{line}");
            rig.advance_ms(1001);
            sweep(&mut rig);
            assert!(!rig.env.keyspace.db(0).contains(key.as_bytes()), "{line}");
            assert!(rig.env.own_expiries.is_empty(), "{line}");
        }
    }

    #[test]
    fn keys_of_other_databases_are_found() {
        let mut rig = writable_replica();
        rig.run("SET a v PX 10");
        rig.run("SET b v PX 10");
        rig.run("MOVE a 3");
        rig.run("SWAPDB 0 5");
        rig.advance_ms(11);
        sweep(&mut rig);
        assert!(rig.env.keyspace.is_empty());
    }

    #[test]
    fn keys_of_the_master_and_of_a_read_only_replica_are_left_alone() {
        let mut rig = writable_replica();
        rig.session.kind = Kind::Master;
        rig.run("SET master v PX 10");
        rig.session.kind = Kind::Normal;
        assert!(rig.env.own_expiries.is_empty());
        rig.advance_ms(11);
        sweep(&mut rig);
        assert_eq!(rig.env.keyspace.len(), 1);
    }

    #[test]
    fn the_key_itself_decides_what_happens_when_its_note_is_due() {
        let mut rig = writable_replica();
        for key in ["gone", "kept", "later", "due"] {
            rig.run(&format!("SET {key} v PX 10"));
        }
        rig.run("DEL gone");
        rig.run("PERSIST kept");
        rig.session.kind = Kind::Master;
        rig.run("PEXPIRE later 50");
        rig.session.kind = Kind::Normal;
        rig.advance_ms(11);
        sweep(&mut rig);
        assert_eq!(rig.env.stats.expired_keys, 1);
        assert_eq!((rig.env.keyspace.len(), rig.env.own_expiries.len()), (2, 1));
        rig.advance_ms(40);
        sweep(&mut rig);
        assert!(rig.env.keyspace.db(0).contains(b"kept"));
        assert_eq!((rig.env.keyspace.len(), rig.env.own_expiries.len()), (1, 0));
    }

    #[test]
    fn notes_go_with_the_data_set() {
        let mut rig = writable_replica();
        rig.run("SET k v PX 10");
        rig.run("FLUSHALL");
        assert!(rig.env.own_expiries.is_empty());
    }
}
