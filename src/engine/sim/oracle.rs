//! What must hold, whatever happens.
//!
//! 1. Two servers that say they are at the same offset of the same history hold the same data.
//! 2. A write that was acknowledged in a history is there wherever that history has been followed
//!    beyond it. (What an asynchronous master did not pass on before it died, or before its
//!    replicas went another way, may be lost: such a write is in no history that anybody follows.)
//! 3. What a client asked for that had gone while a pause held its command back is never done.
//! 4. A server that starts again with an append-only file goes on from what the file has promised
//!    (`survival.rs`): what was acknowledged in that history before is there.
//! 5. While a server hands over, its data do not change; and when it has handed over, and nobody
//!    forced that, its target has every write that it ever acknowledged.
//! 6. A server with data takes none of a history that its guard refuses (`lineage.rs`).
//!
//! Histories form a tree: each begins at an offset of the one before it, which a server's second
//! replication id tells, or the file that it was started with.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::lineage::LineageWatch;
use super::net::HostId;
use crate::commands::debug::digest;
use crate::commands::env::Env;
use crate::keyspace::{Entry, Keyspace, ValueRef};
use crate::replication::ReplId;

/// A place in a history.
pub type Place = (ReplId, u64);

/// A write that a client was told to be done.
struct Acknowledged {
    db: usize,
    key: Vec<u8>,
    /// A place where the data held it.
    place: Place,
}

/// A server that hands over.
struct Failover {
    /// Its data.
    data: u64,
    /// Where it stands.
    place: Place,
    /// Whether it has become the replica of its target.
    in_progress: bool,
    /// How long it waits for a replica.
    deadline_ms: Option<u64>,
}

impl Failover {
    /// Whether this one may be what has become of the one before. Otherwise that has ended, and
    /// writes were done before this one began.
    fn goes_on_from(&self, before: &Failover) -> bool {
        self.in_progress || !before.in_progress && before.deadline_ms == self.deadline_ms
    }
}

/// See the module's head.
#[derive(Default)]
pub struct Oracle {
    /// Servers that hand over.
    failovers: HashMap<HostId, Failover>,
    /// Servers that may have been told to hand over whatever the target lacks.
    forced: HashSet<HostId>,
    /// Servers whose data somebody has changed behind their backs.
    distrusted: HashSet<HostId>,
    /// How many have handed over and were looked at.
    handed_over: usize,
    /// How many have started again with what their files had promised.
    restored: usize,
    /// The data at each place that any server was ever seen at.
    truth: HashMap<Place, u64>,
    /// Where each history began: in which one, and at which offset.
    parents: HashMap<ReplId, Place>,
    /// Where masters began that have been started with a file. Their histories may change their
    /// names as long as no replica has asked for them.
    origins: HashMap<HostId, Place>,
    /// Histories that began so.
    restarts: HashSet<ReplId>,
    acknowledged: Vec<Acknowledged>,
    /// Whose data servers take.
    pub lineage: LineageWatch,
    /// Keys of writes whose clients had gone before they could be done.
    abandoned: Vec<Vec<u8>>,
    /// All that was seen, as one number: two runs of one seed must agree.
    trace: u64,
}

/// A number that stands for a data set.
pub fn fingerprint(keyspace: &Keyspace) -> u64 {
    fingerprint_of(keyspace, |_| true)
}

/// A number that stands for all of a data set that goes away only if somebody wants it to.
pub fn lasting_fingerprint(keyspace: &Keyspace) -> u64 {
    fingerprint_of(keyspace, |entry| entry.expire_at_ms().is_none())
}

fn fingerprint_of(keyspace: &Keyspace, counts: impl Fn(Entry<'_>) -> bool) -> u64 {
    let mut sum = 0u64;
    for (number, db) in keyspace.iter().enumerate() {
        for entry in db.iter().filter(|entry| counts(*entry)) {
            let mut hasher = FixedState::with_seed(7).build_hasher();
            hasher.write_usize(number);
            hasher.write(entry.key());
            hasher.write_i64(entry.expire_at_ms().unwrap_or(-1));
            match entry.value() {
                ValueRef::String(string) => string.with_bytes(|text| hasher.write(text)),
                _ => {
                    let mut value = digest::Digest::default();
                    digest::value(entry, &mut value);
                    hasher.write(value.to_string().as_bytes());
                }
            }
            sum = sum.wrapping_add(hasher.finish());
        }
    }
    sum
}

impl Oracle {
    /// A server that says where it is must hold the data that belongs there.
    pub fn check(&mut self, host: HostId, env: &Env, now_us: u64) {
        env.replication.check_invariants();
        self.lineage.check(host, env);
        let identity = env.replication.identity();
        if let Some(previous) = identity.previous() {
            let place = (previous.id, previous.second_offset - 1);
            self.parents.entry(identity.id()).or_insert(place);
        } else if env.replication.is_replica() {
            self.origins.remove(&host);
        } else if let Some(origin) = self.origins.get(&host) {
            self.parents.entry(identity.id()).or_insert(*origin);
            self.restarts.insert(identity.id());
        }
        let Some(saved) = env.replication.saved_identity() else {
            return;
        };
        if self.distrusted.contains(&host) {
            return;
        }
        let place = (saved.id, saved.offset);
        let data = fingerprint(&env.keyspace);
        self.note(data ^ saved.offset ^ now_us ^ host as u64);
        let known = *self.truth.entry(place).or_insert(data);
        assert_eq!(data, known, "server {host} at {place:?}, {now_us} us");
    }

    /// Somebody has changed the data of a server behind its back: what it says of its place is not
    /// held against it.
    pub fn distrust(&mut self, host: HostId) {
        self.distrusted.insert(host);
    }

    /// A server may hand over whatever its target lacks.
    pub fn on_forced(&mut self, host: HostId) {
        self.forced.insert(host);
    }

    /// How many servers have handed over and were found to have lost nothing.
    pub fn handed_over(&self) -> usize {
        self.handed_over
    }

    /// How many servers have started again with what their files had promised.
    pub fn restored(&self) -> usize {
        self.restored
    }

    /// Looks at a server that may hand over; it does not run if there is no `env`. Gives where it
    /// stood when it has just handed over and nobody forced it.
    pub fn check_failover(&mut self, host: HostId, env: Option<&Env>) -> Option<Place> {
        let Some(env) = env else {
            self.failovers.remove(&host);
            return None;
        };
        if !env.replication.is_failing_over() {
            let failover = self.failovers.remove(&host)?;
            let forced = failover.in_progress && self.forced.remove(&host);
            let done = failover.in_progress && env.replication.is_replica() && !forced;
            return done.then_some(failover.place);
        }
        let identity = env.replication.identity();
        let data = fingerprint(&env.keyspace);
        let now = Failover {
            data,
            place: (identity.id(), identity.offset()),
            in_progress: env.replication.is_replica(),
            deadline_ms: env.replication.failover_deadline_ms(),
        };
        if let Some(before) = self.failovers.get(&host)
            && now.goes_on_from(before)
        {
            assert_eq!(
                before.data, data,
                "server {host} writes while it hands over"
            );
        }
        self.failovers.insert(host, now);
        None
    }

    /// A server that stood there has handed over to this target. If somebody `flushes` servers,
    /// what was written need not be there.
    pub fn check_target(&mut self, place: Place, target: &Env, flushes: bool) {
        let previous = target.replication.identity().previous();
        if previous.is_none_or(|previous| previous.id != place.0) {
            // It has gone elsewhere meanwhile.
            return;
        }
        self.handed_over += 1;
        if flushes {
            return;
        }
        for write in &self.acknowledged {
            assert!(
                !self.includes(place, write.place)
                    || target.keyspace.db(write.db).get(&write.key).is_some(),
                "{} was acknowledged at {:?}, and lost by handing over at {place:?}",
                String::from_utf8_lossy(&write.key),
                write.place
            );
        }
    }

    /// Adds something to what two runs of one seed must agree on.
    pub fn note(&mut self, what: u64) {
        let mut hasher = FixedState::with_seed(self.trace).build_hasher();
        hasher.write_u64(what);
        self.trace = hasher.finish();
    }

    /// All that was seen, as one number.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// A client was told by a server that its write is done. It counts if the server holds it now:
    /// one that has meanwhile followed another history may not.
    pub fn on_acknowledged(&mut self, env: &Env, db: usize, key: Vec<u8>) {
        let Some(saved) = env.replication.saved_identity() else {
            return;
        };
        if env.keyspace.db(db).get(&key).is_some() {
            let place = (saved.id, saved.offset);
            log::info!(
                "{} is acknowledged at {place:?}",
                String::from_utf8_lossy(&key)
            );
            self.acknowledged.push(Acknowledged { db, key, place });
        }
    }

    /// A client has gone while a pause held back its write of this key, in the first database.
    pub fn on_abandoned(&mut self, key: Vec<u8>) {
        self.abandoned.push(key);
    }

    /// How many writes were abandoned so.
    pub fn abandoned(&self) -> usize {
        self.abandoned.len()
    }

    /// The keys of all writes that were acknowledged by whoever was of this history at the time.
    pub fn acknowledged_in(&self, id: ReplId) -> impl Iterator<Item = (usize, &[u8])> {
        let is_in = move |write: &&Acknowledged| write.place.0 == id;
        let writes = self.acknowledged.iter().filter(is_in);
        writes.map(|write| (write.db, &write.key[..]))
    }

    /// No write of this key is part of the history of this place up to there, as far as it is
    /// known.
    ///
    /// # Panics
    ///
    /// There is one.
    pub fn check_lost(&self, whole: Place, db: usize, key: &[u8]) {
        for write in &self.acknowledged {
            assert!(
                write.db != db || write.key != key || !self.includes(whole, write.place),
                "{} was acknowledged at {:?} and is in {whole:?}, and a ledger says that it is not",
                String::from_utf8_lossy(key),
                write.place
            );
        }
    }

    /// Whether the history of a place includes another place.
    fn includes(&self, whole: Place, part: Place) -> bool {
        let mut at = whole;
        // A history cannot have more ancestors than there are.
        for _ in 0..=self.parents.len() {
            if at.0 == part.0 {
                return part.1 <= at.1;
            }
            match self.parents.get(&at.0) {
                // Such a one counts from zero again, and has all from before its beginning.
                Some(place) if self.restarts.contains(&at.0) => at = *place,
                Some((id, offset)) => at = (*id, (*offset).min(at.1)),
                None => return false,
            }
        }
        false
    }

    /// A server is started.
    pub fn on_started(&mut self, host: HostId) {
        self.origins.remove(&host);
        self.lineage.forget(host);
    }

    /// A server has started with all that belongs to a place: its history goes on from there.
    ///
    /// # Panics
    ///
    /// A write is missing that was acknowledged before.
    pub fn on_restored(&mut self, host: HostId, env: &Env, place: Place) {
        self.restored += 1;
        self.origins.insert(host, place);
        self.check_acknowledged_at(place, env);
    }

    /// No write is done whose client had gone.
    pub fn check_abandoned(&self, env: &Env) {
        for key in &self.abandoned {
            assert!(
                env.keyspace.db(0).get(key).is_none(),
                "{} was written, whose client had gone",
                String::from_utf8_lossy(key)
            );
        }
    }

    /// Every acknowledged write whose history this server has followed must be there. Returns how
    /// many are, and how many were lost with a history that nobody follows any more.
    pub fn check_acknowledged(&self, env: &Env) -> (usize, usize) {
        let saved = env.replication.saved_identity().expect("it is settled");
        self.check_acknowledged_at((saved.id, saved.offset), env)
    }

    /// The same of the data that belong to this place.
    fn check_acknowledged_at(&self, here: Place, env: &Env) -> (usize, usize) {
        let (mut kept, mut lost) = (0, 0);
        for write in &self.acknowledged {
            if !self.includes(here, write.place) {
                lost += 1;
                continue;
            }
            kept += 1;
            assert!(
                env.keyspace.db(write.db).get(&write.key).is_some(),
                "{} was acknowledged at {:?}, which is part of {here:?}, and is not there",
                String::from_utf8_lossy(&write.key),
                write.place
            );
        }
        (kept, lost)
    }
}
