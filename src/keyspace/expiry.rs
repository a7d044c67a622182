//! The cycle that finds expired keys nobody asks for.
//!
//! A key that is read is checked then and there. The others are found by sampling: look at some
//! keys that expire, remove those whose time has come, and go on at once while the share of
//! expired ones is high, since then there is memory to be won. Two paces share the work. The
//! *slow* cycle runs `hz` times a second and may use a quarter of the time (more at higher
//! effort). If that was not enough, a *fast* cycle of about a millisecond runs between ticks.
//!
//! Where the sampling stopped is remembered in each database, and at which database here, so that
//! every key has its turn. Time comes from the caller, and so does what happens to a key that has
//! expired: the server has to tell replicas and clients before it frees the entry.

use super::databases::Keyspace;
use super::db::Db;
use super::entry::OwnedEntry;

/// Databases that one cycle looks at, unless the last one ran out of time.
const DBS_PER_CYCLE: usize = 16;

/// Sweeps between two looks at the clock.
const SWEEPS_PER_CLOCK_READ: u32 = 16;

/// How fast the estimate of stale keys follows what cycles see.
const STALE_WEIGHT: f64 = 0.05;

/// Which of the two cycles to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The regular one.
    Slow {
        /// How many of them there are a second.
        hz: u32,
    },
    /// The extra one between ticks. It does not run unless there is need.
    Fast,
}

/// What `active-expire-effort` (1 to 10) amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Effort {
    keys_per_sweep: usize,
    fast_us: u64,
    slow_percent: u64,
    acceptable_stale_percent: usize,
}

impl Effort {
    fn new(level: u8) -> Effort {
        let above = u64::from(level.clamp(1, 10)) - 1;
        Effort {
            keys_per_sweep: 20 + 5 * above as usize,
            fast_us: 1000 + 250 * above,
            slow_percent: 25 + 2 * above,
            acceptable_stale_percent: 10 - above as usize,
        }
    }
}

/// What one cycle did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// Keys looked at.
    pub sampled: usize,
    /// Keys removed.
    pub expired: usize,
    /// Whether it stopped because its time was up.
    pub out_of_time: bool,
}

/// What the cycle remembers from one run to the next.
#[derive(Debug, Default)]
pub struct ExpiryCycle {
    next_db: usize,
    out_of_time: bool,
    last_fast_us: Option<u64>,
    stale_share: f64,
}

/// The instant and the clock of a cycle.
pub struct ExpiryClock<'a> {
    /// Wall clock: keys that expire before this have expired.
    pub now_unix_ms: i64,
    /// The monotonic clock at the start.
    pub mono_us: u64,
    /// Tells the microseconds gone by since the start.
    pub elapsed_us: &'a mut dyn FnMut() -> u64,
}

impl ExpiryCycle {
    /// The estimated share of keys that have expired but are still there, from 0 to 1.
    pub fn stale_share(&self) -> f64 {
        self.stale_share
    }

    /// Runs a cycle. `on_expired` gets each expired entry with the number of its database.
    pub fn run(
        &mut self,
        keyspace: &mut Keyspace,
        pace: Pace,
        effort_level: u8,
        clock: ExpiryClock<'_>,
        on_expired: &mut dyn FnMut(usize, OwnedEntry),
    ) -> CycleReport {
        let effort = Effort::new(effort_level);
        let limit_us = match pace {
            Pace::Slow { hz } => (effort.slow_percent * 10_000 / u64::from(hz.max(1))).max(1),
            Pace::Fast if !self.needs_fast(effort, clock.mono_us) => return CycleReport::default(),
            Pace::Fast => {
                self.last_fast_us = Some(clock.mono_us);
                effort.fast_us
            }
        };
        let n_dbs = keyspace.n_dbs();
        let turns = if self.out_of_time {
            n_dbs
        } else {
            n_dbs.min(DBS_PER_CYCLE)
        };
        let mut run = Run {
            effort,
            limit_us,
            clock,
            sweeps: 0,
            report: CycleReport::default(),
        };
        for _ in 0..turns {
            // The next cycle starts behind this database even if it could not be finished, so
            // that time is shared evenly.
            let index = self.next_db % n_dbs;
            self.next_db = index + 1;
            run.database(keyspace.db_mut(index), &mut |entry| {
                on_expired(index, entry)
            });
            if run.report.out_of_time {
                break;
            }
        }
        self.conclude(run.report);
        run.report
    }

    /// Whether there is need for a fast cycle, and the last one was long enough ago.
    fn needs_fast(&self, effort: Effort, mono_us: u64) -> bool {
        let acceptable = effort.acceptable_stale_percent as f64 / 100.0;
        let need = self.out_of_time || self.stale_share >= acceptable;
        let rested = |last: u64| mono_us >= last + 2 * effort.fast_us;
        need && self.last_fast_us.is_none_or(rested)
    }

    fn conclude(&mut self, report: CycleReport) {
        self.out_of_time = report.out_of_time;
        let share = match report.sampled {
            0 => 0.0,
            sampled => report.expired as f64 / sampled as f64,
        };
        self.stale_share = share * STALE_WEIGHT + self.stale_share * (1.0 - STALE_WEIGHT);
    }
}

/// A cycle under way.
struct Run<'a> {
    effort: Effort,
    limit_us: u64,
    clock: ExpiryClock<'a>,
    sweeps: u32,
    report: CycleReport,
}

impl Run<'_> {
    /// Sweeps one database for as long as it is worth it and there is time.
    fn database(&mut self, db: &mut Db, on_expired: &mut dyn FnMut(OwnedEntry)) {
        loop {
            self.sweeps += 1;
            if db.expires_len() == 0 {
                db.forget_ttl();
                return;
            }
            if db.expiring_is_sparse() {
                return;
            }
            let count = db.expires_len().min(self.effort.keys_per_sweep);
            let sweep = db.sweep(count, self.clock.now_unix_ms, on_expired);
            self.report.sampled += sweep.sampled;
            self.report.expired += sweep.expired;
            if self.sweeps.is_multiple_of(SWEEPS_PER_CLOCK_READ)
                && (self.clock.elapsed_us)() > self.limit_us
            {
                self.report.out_of_time = true;
                return;
            }
            let acceptable = sweep.sampled * self.effort.acceptable_stale_percent;
            if sweep.sampled > 0 && sweep.expired * 100 <= acceptable {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::NewValue;
    use super::*;

    const NOW: i64 = 1_000_000;

    /// A keyspace with `expired` keys whose time has come and `fresh` that have a minute left.
    fn keyspace(n_dbs: usize, expired: usize, fresh: usize) -> Keyspace {
        let mut keyspace = Keyspace::new(n_dbs, [5, 6]);
        for index in 0..n_dbs {
            let db = keyspace.db_mut(index);
            for i in 0..expired {
                db.set(
                    format!("old:{i}").as_bytes(),
                    NewValue::Int(1),
                    Some(NOW - 1),
                );
            }
            for i in 0..fresh {
                db.set(
                    format!("new:{i}").as_bytes(),
                    NewValue::Int(1),
                    Some(NOW + 60_000),
                );
            }
        }
        keyspace
    }

    fn run(
        cycle: &mut ExpiryCycle,
        keyspace: &mut Keyspace,
        pace: Pace,
        mono_us: u64,
        us_per_clock_read: u64,
    ) -> CycleReport {
        let mut elapsed = 0;
        let clock = ExpiryClock {
            now_unix_ms: NOW,
            mono_us,
            elapsed_us: &mut || {
                elapsed += us_per_clock_read;
                elapsed
            },
        };
        let mut removed = 0;
        let report = cycle.run(keyspace, pace, 1, clock, &mut |_, entry| {
            assert!(entry.entry().key().starts_with(b"old:"));
            removed += 1;
        });
        assert_eq!(removed, report.expired);
        report
    }

    const SLOW: Pace = Pace::Slow { hz: 10 };

    #[test]
    fn a_cycle_goes_on_while_many_have_expired_and_spares_the_others() {
        let mut keyspace = keyspace(1, 10_000, 500);
        let mut cycle = ExpiryCycle::default();
        let report = run(&mut cycle, &mut keyspace, SLOW, 0, 0);
        assert!(report.expired > 9_000, "{report:?}");
        for _ in 0..200 {
            run(&mut cycle, &mut keyspace, SLOW, 0, 0);
        }
        assert_eq!((keyspace.len(), keyspace.expires_len()), (500, 500));
        let ttl = keyspace.db(0).avg_ttl_ms();
        assert!((55_000..=60_000).contains(&ttl), "{ttl}");
    }

    #[test]
    fn a_cycle_stops_at_its_limit_and_the_next_goes_on_elsewhere() {
        let mut keyspace = keyspace(2, 5_000, 0);
        let mut cycle = ExpiryCycle::default();
        let report = run(&mut cycle, &mut keyspace, SLOW, 0, 30_000);
        assert!(report.out_of_time && report.expired < 600, "{report:?}");
        assert_eq!(keyspace.db(1).len(), 5_000);
        run(&mut cycle, &mut keyspace, SLOW, 0, 30_000);
        assert!(keyspace.db(1).len() < 5_000);
    }

    #[test]
    fn a_fast_cycle_runs_only_when_needed_and_rested() {
        let mut keyspace = keyspace(1, 20_000, 0);
        let mut cycle = ExpiryCycle::default();
        let idle = CycleReport::default();
        assert_eq!(run(&mut cycle, &mut keyspace, Pace::Fast, 0, 0), idle);
        assert!(run(&mut cycle, &mut keyspace, SLOW, 0, 30_000).out_of_time);
        assert!(run(&mut cycle, &mut keyspace, Pace::Fast, 10_000, 2_000).out_of_time);
        assert_eq!(
            run(&mut cycle, &mut keyspace, Pace::Fast, 11_999, 2_000),
            idle
        );
        assert!(run(&mut cycle, &mut keyspace, Pace::Fast, 12_000, 2_000).sampled > 0);
    }

    #[test]
    fn effort_moves_all_four_knobs() {
        let least = Effort::new(1);
        let most = Effort::new(10);
        assert_eq!((least.keys_per_sweep, most.keys_per_sweep), (20, 65));
        assert_eq!((least.fast_us, most.fast_us), (1000, 3250));
        assert_eq!((least.slow_percent, most.slow_percent), (25, 43));
        assert_eq!(least.acceptable_stale_percent, 10);
        assert_eq!(most.acceptable_stale_percent, 1);
    }

    #[test]
    fn a_database_where_nothing_expires_has_no_average() {
        let mut keyspace = keyspace(1, 0, 10);
        let mut cycle = ExpiryCycle::default();
        run(&mut cycle, &mut keyspace, SLOW, 0, 0);
        assert!(keyspace.db(0).avg_ttl_ms() > 0);
        for i in 0..10 {
            assert!(
                keyspace
                    .db_mut(0)
                    .set_expire(format!("new:{i}").as_bytes(), None)
            );
        }
        run(&mut cycle, &mut keyspace, SLOW, 0, 0);
        assert_eq!(keyspace.db(0).avg_ttl_ms(), 0);
    }
}
