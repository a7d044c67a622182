//! Where evictions stand between commands.

use crate::config::MaxmemoryPolicy;
use crate::keyspace::eviction::EvictionPool;

/// The state of evictions between commands.
#[derive(Debug, Default)]
pub struct Eviction {
    pool: EvictionPool,
    /// The policy that the pool's scores belong to.
    policy: Option<MaxmemoryPolicy>,
    /// The database that the next random key is taken from.
    next_db: usize,
    /// Since when memory has been above the limit, by the measuring clock.
    over_since_ns: Option<u64>,
    /// There was nothing to evict when the last command of a client came.
    out_of_room: bool,
}

impl Eviction {
    /// Whether there is more to evict.
    pub fn is_going_on(&self) -> bool {
        self.over_since_ns.is_some()
    }

    /// Whether there was nothing to evict when the last command of a client came.
    pub fn is_out_of_room(&self) -> bool {
        self.out_of_room
    }

    /// A command of a client has come; there is nothing to evict for it, or there is room.
    pub fn note_room(&mut self, out_of_room: bool) {
        self.out_of_room = out_of_room;
    }

    /// Memory is above the limit, or may be: the server looks for itself at the end of the tick,
    /// without waiting for the next command.
    pub fn begin(&mut self, now_ns: u64) {
        self.over_since_ns.get_or_insert(now_ns);
    }

    /// Memory is within the limit again, or no key may go: since when it was above.
    pub fn end(&mut self) -> Option<u64> {
        self.over_since_ns.take()
    }

    /// For how long memory has been above the limit, in nanoseconds at `now_ns`.
    pub fn exceeded_ns(&self, now_ns: u64) -> u64 {
        self.over_since_ns
            .map_or(0, |since| now_ns.saturating_sub(since))
    }

    /// The candidates that were found by this policy so far.
    pub fn pool(&mut self, policy: MaxmemoryPolicy) -> &mut EvictionPool {
        if self.policy != Some(policy) {
            self.policy = Some(policy);
            self.pool.clear();
        }
        &mut self.pool
    }

    /// The database that a random key is taken from now: each has its turn.
    pub fn next_db(&mut self, n_dbs: usize) -> usize {
        let db = self.next_db % n_dbs;
        self.next_db = (db + 1) % n_dbs;
        db
    }
}
