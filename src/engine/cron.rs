//! Periodic work: every tick a little, and a round of everything `hz` times a second.

use std::cmp::Ordering;
use std::time::Duration;

use super::Engine;
use super::apply::watchdog_period_ms;
use super::runtime::Runtime;
use super::world::World;
use crate::commands::env::Env;
use crate::commands::gates::Loading;
use crate::keyspace::OwnedEntry;
use crate::keyspace::expiry::{ExpiryClock, ExpiryCycle, Pace};
use crate::sentinel::Sentinel;

/// Connections looked at in one round, at least.
const CONNS_PER_ROUND_MIN: usize = 5;
/// Segments of each table looked at in one round, after a snapshot, whether they shall shrink.
const SEGMENTS_PER_ROUND: usize = 64;
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

impl<W: World> Engine<W> {
    /// How long the loop may sleep.
    pub fn time_to_sleep(&self) -> Duration {
        if self.is_busy() {
            return Duration::ZERO;
        }
        let load_us = self.runtime.load_wakes_at_us();
        let deadline = self.env.waiters.next_deadline().into_iter();
        let deadline = deadline.chain(self.runtime.pauses.ends_at_ms());
        let deadline = deadline.chain(self.runtime.outgoing.deadline_ms());
        let deadline = deadline.chain(self.runtime.arriving.deadline_ms());
        let sentinel = self.env.sentinel.as_deref();
        let deadline_ms = deadline
            .chain(self.env.replication.failover_deadline_ms())
            .chain(sentinel.map(Sentinel::due_ms))
            .min();
        let deadline_us = deadline_ms.map_or(u64::MAX, |ms| ms.saturating_mul(1000));
        let next_us = self.cron.next_us.min(deadline_us);
        let next_us = next_us.min(self.runtime.metrics.wakes_at_us());
        let paced_us = self.runtime.pacing.wakes_at_us(&self.env.config);
        let next_us = next_us.min(paced_us.unwrap_or(u64::MAX));
        let next_us = next_us.min(load_us.unwrap_or(u64::MAX));
        Duration::from_micros(next_us.saturating_sub(self.runtime.world.mono_ns() / 1000))
    }

    /// Whether there is something to do that no event and no deadline will announce.
    fn is_busy(&self) -> bool {
        let Runtime {
            clients,
            link,
            snapshots,
            to_accept,
            pauses,
            put_off,
            sentinel,
            ..
        } = &self.runtime;
        !to_accept.is_empty()
            || !put_off.is_empty()
            || pauses.is_eased()
            || !clients.to_continue.is_empty()
            || !clients.to_resume.is_empty()
            || !clients.to_write.is_empty()
            || self.env.waiters.has_ready()
            || self.env.has_ack_news()
            || self.env.eviction.is_going_on()
            || link.stream.is_due()
            || link.has_more && !self.master_must_wait()
            || snapshots.forwarding_is_due()
            || sentinel.is_busy()
    }

    /// Does a round of periodic work when it is due.
    pub fn run_cron(&mut self) {
        let now_us = self.env.now.mono_us;
        if now_us < self.cron.next_us {
            return;
        }
        let started_ns = self.runtime.world.mono_ns();
        self.watch_loop();
        let hz = u64::from(self.env.config.hz);
        self.cron.next_us = now_us + 1_000_000 / hz;
        self.env.renew_access();
        self.runtime.rates.sample(&self.env.stats, now_us);
        self.note_memory();
        let Engine { env, runtime, .. } = self;
        runtime.finish_snapshot(env);
        let Runtime {
            to_accept,
            to_accept_later,
            ..
        } = runtime;
        to_accept.append(to_accept_later);
        if !runtime.cron_paused {
            runtime.continue_shutdown(env);
            self.expire_keys(Pace::Slow { hz: hz as u32 });
            if self.env.config.activerehashing {
                self.env.keyspace.settle(SEGMENTS_PER_ROUND);
            }
            self.look_at_connections(hz as usize);
        }
        let Engine { env, runtime, .. } = self;
        if env.sentinel.is_none() {
            runtime.rewrite_when_due(env);
            runtime.save_when_due(env);
            // What is being loaded says where a replica stands, and so what to ask its master for.
            if !runtime.loads_at_start() {
                runtime.drive(env, |r, e, out| r.tick(e, out));
            }
        }
        runtime.refresh_gates(env);
        self.each_second();
        let spent_ns = self.runtime.world.mono_ns() - started_ns;
        note_round(&mut self.env, spent_ns);
    }

    /// A round that is due when a tick ends comes behind the next tick's events, which are to be
    /// watched, too, although this tick may have used the watch up.
    #[inline]
    pub fn watch_loop_if_late(&mut self, now_us: u64) {
        if now_us >= self.cron.next_us {
            self.watch_loop();
        }
    }

    /// From this round to the next no more time may pass than is configured.
    fn watch_loop(&mut self) {
        if self.env.config.watchdog_period > 0 {
            let period_ms = watchdog_period_ms(&self.env.config);
            let period = Duration::from_millis(period_ms.into());
            self.runtime.world.watch_loop(period);
        }
    }

    fn note_memory(&mut self) {
        let stats = self.runtime.world.memory();
        let used = stats.used as u64;
        self.env.stats.peak_memory = self.env.stats.peak_memory.max(used);
        self.runtime.memory = stats;
    }

    fn each_second(&mut self) {
        let second = self.env.now.mono_ms() / 1000;
        if second == self.cron.last_second {
            return;
        }
        self.cron.last_second = second;
        let Engine { env, runtime, .. } = self;
        runtime.peers.close_idle(env.now, &mut runtime.world);
        runtime.metrics.close_overdue(env.now, &mut runtime.world);
        runtime.world.on_second();
        runtime.settle_arriving_log(env);
        runtime.renew_own(env);
        runtime.tend_lost_writes(env);
        self.remove_file_for_replicas();
        self.runtime.clients.input_peak.start_second(second);
        self.runtime.clients.output_peak.start_second(second);
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
            self.runtime.clients.len() - replicas,
            self.runtime.memory.used
        );
    }

    /// Deletes keys whose time has come, for a bounded time. A replica leaves that to its master,
    /// but for the keys that the master does not know of.
    pub fn expire_keys(&mut self, pace: Pace) {
        let Engine {
            env,
            runtime,
            cycle,
            ..
        } = self;
        let idle = env.gates.loading != Loading::No
            || env.gates.pause.is_some()
            || !runtime.active_expire
            || env.keyspace.expires_len() == 0
            || env.gates.replica && env.own_expiries.is_empty();
        if idle {
            return;
        }
        let world = &runtime.world;
        let started_ns = world.mono_ns();
        let clock = ExpiryClock {
            now_unix_ms: env.now.unix_ms(),
            mono_us: env.now.mono_us,
            elapsed_us: &mut || (world.mono_ns() - started_ns) / 1000,
        };
        if env.gates.replica {
            env.expire_own_keys(pace, clock);
        } else {
            run_expire_cycle(env, cycle, pace, clock);
        }
        let spent_ns = world.mono_ns() - started_ns;
        env.stats.expire_cycle_cpu_us += spent_ns / 1000;
        env.note_latency("expire-cycle", spent_ns);
    }

    /// Looks at some connections: idle ones are dropped, soft limits enforced, buffers trimmed.
    fn look_at_connections(&mut self, hz: usize) {
        let slots = self.runtime.clients.slots();
        if slots == 0 {
            return;
        }
        let count = (slots / hz).max(CONNS_PER_ROUND_MIN).min(slots);
        for _ in 0..count {
            self.cron.next_conn = (self.cron.next_conn + 1) % slots;
            self.runtime
                .look_at_connection(self.cron.next_conn, &mut self.env);
        }
    }
}

/// Counts the time of a round. While a data set is loaded it holds that up, too.
fn note_round(env: &mut Env, spent_ns: u64) {
    env.stats.cron_us += spent_ns / 1000;
    if env.gates.loading != Loading::No {
        env.note_latency("while-blocked-cron", spent_ns);
    }
}

fn run_expire_cycle(env: &mut Env, cycle: &mut ExpiryCycle, pace: Pace, clock: ExpiryClock<'_>) {
    let mut expired: Vec<(usize, OwnedEntry)> = Vec::new();
    let effort = env.config.active_expire_effort as u8;
    let report = cycle.run(&mut env.keyspace, pace, effort, clock, &mut |db, entry| {
        expired.push((db, entry));
    });
    for (db, entry) in expired {
        env.on_expired(db, entry.entry().key());
        env.measure("expire-del", |env| {
            env.discard(Some(entry), env.config.lazyfree_lazy_expire);
        });
        env.end_unit();
    }
    env.stats.expired_stale_percent = cycle.stale_share() * 100.0;
    env.stats.expire_cycle_time_limit_reached += u64::from(report.out_of_time);
}

impl<W: World> Runtime<W> {
    fn look_at_connection(&mut self, key: usize, env: &mut Env) {
        let fitting = self.clients.fitting;
        let Some(conn) = self.clients.get_mut(key) else {
            return;
        };
        if conn.session().activity.is_over() {
            return;
        }
        let idle_ms = env.now.mono_ms().saturating_sub(conn.last_interaction_ms);
        let limit_ms = u64::from(env.config.timeout) * 1000;
        if limit_ms > 0 && conn.session().may_be_idle() && idle_ms > limit_ms {
            log::debug!("Closing idle client");
            return self.clients.close_now(key);
        }
        let input_bytes = conn.input.memory();
        conn.input.trim(idle_ms > IDLE_MS);
        let waiting = conn.output.pending();
        let now_ms = env.now.mono_ms();
        match conn.output.room.fit(waiting, now_ms, fitting) {
            Ordering::Less => env.stats.reply_rooms_shrunk += 1,
            Ordering::Greater => env.stats.reply_rooms_grown += 1,
            Ordering::Equal => {}
        }
        let pending = match conn.replica {
            Some(client) => env.replication.replica_limited_bytes(client),
            None => conn.output.overflow(),
        };
        self.clients.input_peak.note(input_bytes);
        self.clients.enforce_output_limit(key, pending, env);
        self.clients.recount(key, env);
        self.clients.note_memory(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::Rig;

    #[test]
    fn a_round_is_an_event_of_its_own_while_a_data_set_is_loaded() {
        let mut rig = Rig::new();
        rig.run("CONFIG SET latency-monitor-threshold 2");
        let event = "while-blocked-cron";
        for (loading, spent_ns, count) in [
            (Loading::No, 3_000_000, 0),
            (Loading::Aside, 1_999_999, 0),
            (Loading::Aside, 3_000_000, 1),
            (Loading::Exclusive, 5_000_000, 1),
        ] {
            rig.env.gates.loading = loading;
            note_round(&mut rig.env, spent_ns);
            let noted = rig.env.observers.latency.get(event.as_bytes());
            let samples = noted.map_or(0, |(_, series)| series.samples().len());
            assert_eq!(samples, count, "{loading:?} {spent_ns}");
        }
        let (_, series) = rig.env.observers.latency.get(event.as_bytes()).unwrap();
        assert_eq!(series.worst_ms(), 5);
        assert_eq!(rig.env.stats.cron_us, 12_999);
    }
}
