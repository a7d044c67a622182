//! Keeping the data set within `maxmemory`.
//!
//! Before a command runs, [`Ctx::make_room`] compares the memory in use with the limit and evicts
//! keys until it holds, for a bounded time: what is left to do then is continued by the server
//! tick by tick, and meanwhile commands pass. Only when there is nothing that may be evicted are
//! commands refused that need memory.
//!
//! What replicas have still to be sent does not count: if it did, evicting keys (whose deletion is
//! sent to replicas) could make more of it, and a slow replica would empty the server. For the same
//! reason a round evicts until the keys themselves gave back what was too much when it began: what
//! clients are told of each of them takes memory, too, until it is sent.

pub mod progress;

use super::context::Ctx;
use super::env::Env;
use super::events::Class;
use super::garbage::Garbage;
use super::gates::Loading;
use super::host::Host;
use crate::config::MaxmemoryPolicy;
use crate::keyspace::Entry;
use crate::keyspace::access::{LfuTuning, lfu_count, lru_idle_ms};
use crate::keyspace::eviction::{Among, Candidate};

/// After so many keys the clock and the memory are looked at again.
const KEYS_PER_CHECK: u32 = 16;

/// From this `maxmemory-eviction-tenacity` on, evictions go on for as long as it takes.
const TENACITY_UNBOUNDED: u32 = 100;

/// Whether there is memory for a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// Within the limit.
    Enough,
    /// Above it, but keys are being evicted, and that goes on in the next tick.
    Soon,
    /// Above it, with nothing that may be evicted.
    None,
}

/// How long one round of evictions may take, in nanoseconds.
fn time_limit_ns(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => 50_000 * u64::from(tenacity),
        TENACITY_UNBOUNDED.. => u64::MAX,
        // Grows by 15 % for each step, from half a millisecond to about two minutes.
        _ => (500_000.0 * 1.15_f64.powi(tenacity as i32 - 10)) as u64,
    }
}

impl Ctx<'_> {
    /// Evicts keys if memory is above the limit.
    pub fn make_room(&mut self) -> Room {
        make_room(self.env, self.host)
    }
}

/// Evicts keys if memory is above the limit, for a bounded time.
pub fn make_room(env: &mut Env, host: &mut dyn Host) -> Room {
    if bytes_over(env, host) == 0 || !may_evict(env) {
        return settle(env, Room::Enough);
    }
    host.give_up_buffers();
    let over = bytes_over(env, host);
    if over == 0 {
        return settle(env, Room::Enough);
    }
    if env.config.maxmemory_policy == MaxmemoryPolicy::Noeviction {
        return settle(env, Room::None);
    }
    env.measure("eviction-cycle", |env| evict_for_a_while(env, host, over))
}

/// Evicts keys until they have given back so many bytes, or memory is within the limit; for a
/// bounded time.
fn evict_for_a_while(env: &mut Env, host: &mut dyn Host, over: u64) -> Room {
    let start_ns = env.clock.ns();
    env.eviction.begin(start_ns);
    let limit_ns = time_limit_ns(env.config.maxmemory_eviction_tenacity);
    let lazily = env.config.lazyfree_lazy_eviction;
    let mut freed = 0;
    for n in 1u32.. {
        let Some(victim) = next_victim(env) else {
            env.end_unit_in_parts();
            // Memory that another thread is freeing just now will be there soon.
            return match host.lazy_free_pending() {
                0 => settle(env, Room::None),
                _ => Room::Soon,
            };
        };
        freed += evict(env, host, &victim, lazily);
        if freed >= over as i64 {
            break;
        }
        if n.is_multiple_of(KEYS_PER_CHECK) {
            // Another thread frees what is freed lazily.
            if lazily && bytes_over(env, host) == 0 {
                break;
            }
            let spent = env.clock.ns().saturating_sub(start_ns);
            if spent > limit_ns {
                env.end_unit_in_parts();
                return Room::Soon;
            }
        }
    }
    env.end_unit_in_parts();
    settle(env, Room::Enough)
}

/// Ends a time above the limit, for the statistics.
fn settle(env: &mut Env, room: Room) -> Room {
    if let Some(since) = env.eviction.end() {
        let spent = env.clock.ns().saturating_sub(since);
        env.stats.eviction_exceeded_ns += spent;
    }
    room
}

/// How many bytes there are too many.
fn bytes_over(env: &Env, host: &dyn Host) -> u64 {
    let limit = env.config.maxmemory;
    if limit == 0 {
        return 0;
    }
    let used = host.used_memory(env) as u64;
    used.saturating_sub(env.memory_not_counted())
        .saturating_sub(limit)
}

/// Whether this server may evict at present: a replica leaves that to its master, and nothing may
/// change while a data set is loaded or writes are held back.
fn may_evict(env: &Env) -> bool {
    let follows = env.gates.replica && env.config.replica_ignore_maxmemory;
    !follows && env.gates.loading == Loading::No && env.gates.pause.is_none()
}

fn among(policy: MaxmemoryPolicy) -> Among {
    match policy {
        MaxmemoryPolicy::AllkeysLru
        | MaxmemoryPolicy::AllkeysLfu
        | MaxmemoryPolicy::AllkeysRandom => Among::All,
        _ => Among::Expiring,
    }
}

/// How soon an entry should go, by a policy that has an order.
fn score(entry: Entry<'_>, policy: MaxmemoryPolicy, now_ms: i64, tuning: LfuTuning) -> u64 {
    if policy.is_lru() {
        lru_idle_ms(entry.access(), now_ms)
    } else if policy.is_lfu() {
        u64::from(u8::MAX - lfu_count(entry.access(), tuning, now_ms))
    } else {
        u64::MAX - entry.expire_at_ms().unwrap_or(i64::MAX).max(0) as u64
    }
}

/// Chooses the key that goes next; none if there is none that may.
fn next_victim(env: &mut Env) -> Option<Candidate> {
    let policy = env.config.maxmemory_policy;
    if matches!(
        policy,
        MaxmemoryPolicy::AllkeysRandom | MaxmemoryPolicy::VolatileRandom
    ) {
        return random_victim(env, among(policy));
    }
    let samples = env.config.maxmemory_samples as usize;
    let (now_ms, tuning) = (env.now.unix_ms(), env.lfu_tuning());
    let Env {
        keyspace,
        rng,
        eviction,
        ..
    } = env;
    let pool = eviction.pool(policy);
    loop {
        let rank = |entry: Entry<'_>| score(entry, policy, now_ms, tuning);
        let any = pool.fill(keyspace, among(policy), samples, rng, rank);
        if !any {
            return None;
        }
        while let Some(candidate) = pool.pop() {
            let found = keyspace.db(candidate.db).get(&candidate.key);
            let qualifies = |entry: Entry<'_>| among(policy) == Among::All || entry.expires();
            if found.is_some_and(qualifies) {
                return Some(candidate);
            }
        }
    }
}

/// A key at random, from one database after the other.
fn random_victim(env: &mut Env, among: Among) -> Option<Candidate> {
    let n_dbs = env.keyspace.n_dbs();
    for _ in 0..n_dbs {
        let db = env.eviction.next_db(n_dbs);
        let keys = env.keyspace.db(db);
        let found = match among {
            Among::All => keys.random(&mut env.rng),
            Among::Expiring => keys.random_expiring(&mut env.rng),
        };
        if let Some(entry) = found {
            let key = entry.key().to_vec();
            return Some(Candidate { score: 0, db, key });
        }
    }
    None
}

/// Evicts a key; says how many bytes that gave back at once.
fn evict(env: &mut Env, host: &mut dyn Host, victim: &Candidate, lazily: bool) -> i64 {
    let Candidate { db, key, .. } = victim;
    let used = host.used_memory(env);
    env.measure("eviction-del", |env| {
        let removed = env.keyspace.db_mut(*db).remove(key);
        let entry = removed.expect("the victim was looked up just now");
        host.free(Garbage::Entry(entry), lazily);
    });
    let freed = used as i64 - host.used_memory(env) as i64;
    env.stats.evicted_keys += 1;
    env.touched(*db, key);
    env.notify(*db, Class::EVICTED, "evicted", key);
    env.propagate_deletion(*db, key, lazily);
    freed
}

#[cfg(test)]
#[path = "eviction_tests.rs"]
mod tests;
