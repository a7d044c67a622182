//! Periodic work: every tick a little, and a round of everything `hz` times a second.

use std::time::Duration;

use super::Server;
use super::helper::Job;
use super::hub::Hub;
use crate::commands::context::{Env, Loading};
use crate::commands::host::Garbage;
use crate::commands::session::Closing;
use crate::keyspace::OwnedEntry;
use crate::keyspace::expiry::{CycleClock, ExpiryCycle, Pace};
use crate::sys;

/// Connections looked at in one round, at least.
const CONNS_PER_ROUND_MIN: usize = 5;
/// A client that was silent for longer keeps no room for input.
const IDLE_MS: u64 = 2000;

/// Where periodic work stands.
#[derive(Debug, Default)]
pub struct Cron {
    /// When the next round is due, in monotonic microseconds.
    next_us: u64,
    /// The connection to be looked at next.
    next_conn: usize,
    /// The last second whose work is done.
    last_second: u64,
}

impl Server {
    /// How long the loop may sleep.
    pub(super) fn time_to_sleep(&self) -> Duration {
        let hub = &self.hub;
        let load_us = hub.load_wakes_at_us();
        let deadline_us = (self.env.waiters.next_deadline()).map_or(u64::MAX, |ms| ms * 1000);
        let busy = !hub.to_continue.is_empty()
            || !hub.to_resume.is_empty()
            || self.env.waiters.has_ready()
            || self.env.eviction.is_going_on()
            || hub.master_waits && load_us.is_none()
            || hub.transfer_waits;
        if busy {
            return Duration::ZERO;
        }
        let now_us = sys::clock::monotonic_ns() / 1000;
        let deadline_us = deadline_us.min(load_us.unwrap_or(u64::MAX));
        Duration::from_micros(self.cron.next_us.min(deadline_us).saturating_sub(now_us))
    }

    /// Does a round of periodic work when it is due.
    pub(super) fn run_cron(&mut self) {
        let now_us = self.env.now.mono_us;
        if now_us < self.cron.next_us {
            return;
        }
        let started_ns = sys::clock::monotonic_ns();
        let hz = u64::from(self.env.config.hz);
        self.cron.next_us = now_us + 1_000_000 / hz;
        self.env.renew_access();
        self.hub.rates.sample(&self.env.stats, now_us);
        self.note_memory();
        let Server { env, hub, .. } = self;
        hub.finish_snapshot(env);
        if !hub.cron_paused {
            hub.continue_shutdown(env);
            self.expire_keys(Pace::Slow { hz: hz as u32 });
            self.look_at_connections(hz as usize);
        }
        let Server { env, hub, .. } = self;
        hub.save_when_due(env);
        hub.drive(env, |r, e, out| r.tick(e, out));
        hub.refresh_gates(env);
        self.each_second();
        self.env.stats.cron_us += (sys::clock::monotonic_ns() - started_ns) / 1000;
    }

    fn note_memory(&mut self) {
        let stats = self.hub.meter.stats();
        let used = stats.used as u64;
        self.env.stats.peak_memory = self.env.stats.peak_memory.max(used);
        self.hub.memory = stats;
    }

    fn each_second(&mut self) {
        let second = self.env.now.mono_ms() / 1000;
        if second == self.cron.last_second {
            return;
        }
        self.cron.last_second = second;
        self.hub.peers.close_idle(self.env.now);
        self.remove_file_for_replicas();
        self.hub.input_peak.start_second(second);
        self.hub.output_peak.start_second(second);
        if second.is_multiple_of(5) {
            self.log_summary();
        }
    }

    fn log_summary(&self) {
        for (number, db) in self.env.keyspace.iter().enumerate() {
            if !db.is_empty() {
                let (keys, volatile) = (db.len(), db.expires_len());
                log::debug!("DB {number}: {keys} keys ({volatile} volatile).");
            }
        }
        let replicas = self.env.replication.source().count();
        log::trace!(
            "{} clients connected ({replicas} replicas), {} bytes in use",
            self.hub.conns.len() - replicas,
            self.hub.memory.used
        );
    }

    /// Deletes keys whose time has come, for a bounded time. A replica leaves that to its master,
    /// but for the keys that the master does not know of.
    pub(super) fn expire_keys(&mut self, pace: Pace) {
        let Server {
            env, hub, cycle, ..
        } = self;
        let idle = env.gates.loading != Loading::No
            || env.gates.paused
            || !hub.active_expire
            || env.keyspace.expires_len() == 0
            || env.gates.replica && env.own_expiries.is_empty();
        if idle {
            return;
        }
        let started_ns = sys::clock::monotonic_ns();
        let clock = CycleClock {
            now_unix_ms: env.now.unix_ms(),
            mono_us: env.now.mono_us,
            elapsed_us: &mut || (sys::clock::monotonic_ns() - started_ns) / 1000,
        };
        if env.gates.replica {
            env.expire_own_keys(pace, clock);
        } else {
            run_expire_cycle(env, cycle, pace, clock);
        }
        env.stats.expire_cycle_cpu_us += (sys::clock::monotonic_ns() - started_ns) / 1000;
    }

    /// Looks at some connections: idle ones are dropped, soft limits enforced, buffers trimmed.
    fn look_at_connections(&mut self, hz: usize) {
        let slots = self.hub.conns.capacity();
        if slots == 0 {
            return;
        }
        let count = (slots / hz).max(CONNS_PER_ROUND_MIN).min(slots);
        for _ in 0..count {
            self.cron.next_conn = (self.cron.next_conn + 1) % slots;
            self.hub
                .look_at_connection(self.cron.next_conn, &mut self.env);
        }
    }
}

fn run_expire_cycle(env: &mut Env, cycle: &mut ExpiryCycle, pace: Pace, clock: CycleClock<'_>) {
    let mut expired: Vec<(usize, OwnedEntry)> = Vec::new();
    let effort = env.config.active_expire_effort as u8;
    let report = cycle.run(&mut env.keyspace, pace, effort, clock, &mut |db, entry| {
        expired.push((db, entry));
    });
    for (db, entry) in expired {
        env.on_expired(db, entry.entry().key());
        env.discard(Some(entry), env.config.lazyfree_lazy_expire);
        env.end_unit();
    }
    env.stats.expired_stale_percent = cycle.stale_share() * 100.0;
    env.stats.expire_cycle_time_limit_reached += u64::from(report.out_of_time);
}

impl Hub {
    fn look_at_connection(&mut self, key: usize, env: &mut Env) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        if conn.session().closing != Closing::No {
            return;
        }
        let idle_ms = env
            .now
            .mono_ms()
            .saturating_sub(conn.session().last_interaction_ms);
        let limit_ms = u64::from(env.config.timeout) * 1000;
        if limit_ms > 0 && conn.session().may_be_idle() && idle_ms > limit_ms {
            log::debug!("Closing idle client");
            return self.close_now(key);
        }
        self.input_peak.note(conn.input.memory());
        conn.input.trim(idle_ms > IDLE_MS);
        let pending = match conn.replica {
            Some(client) => self.replica_pending(client, env),
            None => conn.output.overflow(),
        };
        self.enforce_output_limit(key, pending, env);
        self.recount(key, env);
    }

    /// Empties all databases; what they held is freed like any garbage.
    pub fn empty_all(&mut self, env: &mut Env, lazily: bool) {
        env.emptying_all();
        for db in env.keyspace.clear() {
            self.free_garbage(Garbage::Db(Box::new(db)), lazily);
        }
    }

    /// Frees what is not needed any more, on the helper thread if `lazily` and worth it.
    pub fn free_garbage(&mut self, garbage: Garbage, lazily: bool) {
        if lazily && garbage.is_large() {
            self.helper.submit(Job::Free(garbage));
        }
    }
}
