//! When the next writes are due.
//!
//! Writes are sent in batches, of one or of as many as a pipeline is deep, and each batch has its
//! instant: so many since the first, at the rate that was asked for. As instants are reckoned from
//! the first and not from the batch before, a late one does not delay all that follow. But who was
//! held up for long (there was no master) does not make up for it: a burst would say nothing about
//! the rate at which writes are taken again.

use std::time::Duration;

/// What is later than this begins anew.
const LATE_MAX_US: u64 = 100_000;
const SECOND_US: u64 = 1_000_000;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Pace {
    /// So many batches in so many microseconds; no batches: all are due at once.
    batches: u64,
    within_us: u64,
    start_us: u64,
    /// Batches since then.
    sent: u64,
}

impl Pace {
    /// Batches of so many writes, so many writes per second (or as many as can be), from now on, in
    /// microseconds of the monotonic clock.
    pub fn new(batch: u32, rate: Option<u32>, now_us: u64) -> Pace {
        Pace {
            batches: rate.map_or(0, |rate| u64::from(rate.max(1))),
            within_us: u64::from(batch.max(1)) * SECOND_US,
            start_us: now_us,
            sent: 0,
        }
    }

    /// One batch each time so long has passed.
    pub fn every(interval: Duration, now_us: u64) -> Pace {
        Pace {
            batches: 1,
            within_us: (interval.as_micros() as u64).max(1),
            start_us: now_us,
            sent: 0,
        }
    }

    /// How long it is until the next batch is due; nothing if it is.
    pub fn due_in(&mut self, now_us: u64) -> Duration {
        Duration::from_micros(self.due_in_us(now_us))
    }

    fn due_in_us(&mut self, now_us: u64) -> u64 {
        if self.batches == 0 {
            return 0;
        }
        let since_us = u128::from(self.sent) * u128::from(self.within_us);
        let due_us = self.start_us + (since_us / u128::from(self.batches)) as u64;
        if now_us.saturating_sub(due_us) > LATE_MAX_US {
            self.start_us = now_us;
            self.sent = 0;
        }
        due_us.saturating_sub(now_us)
    }

    /// A batch is on its way.
    pub fn on_sent(&mut self) {
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When batches go out if each is sent `late_us` after it is due.
    fn instants(pace: &mut Pace, mut now_us: u64, count: usize, late_us: u64) -> Vec<u64> {
        let next = |_| {
            now_us += pace.due_in_us(now_us) + late_us;
            pace.on_sent();
            now_us
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn a_rate_is_kept_without_drift_though_each_write_is_a_little_late() {
        let mut pace = Pace::new(1, Some(300), 7);
        let sent = instants(&mut pace, 7, 3001, 150);
        // The one of 10 s later, and it is as late as any other.
        assert_eq!(sent.last(), Some(&(7 + 10_000_000 + 150)));
    }

    #[test]
    fn a_pipeline_sends_as_many_in_fewer_batches() {
        let mut pace = Pace::new(16, Some(1600), 0);
        assert_eq!(instants(&mut pace, 0, 4, 0), [0, 10_000, 20_000, 30_000]);
    }

    #[test]
    fn a_short_delay_is_made_up_for_and_a_long_one_is_not() {
        let mut pace = Pace::new(1, Some(1000), 0);
        assert_eq!(instants(&mut pace, 50_000, 52, 0)[50..], [50_000, 51_000]);
        let mut pace = Pace::new(1, Some(1000), 0);
        let late = instants(&mut pace, 5_000_000, 3, 0);
        assert_eq!(late, [5_000_000, 5_001_000, 5_002_000]);
    }

    #[test]
    fn an_interval_is_kept_as_well() {
        let mut pace = Pace::every(Duration::from_millis(7), 1);
        assert_eq!(instants(&mut pace, 1, 3, 0), [1, 7001, 14_001]);
    }

    #[test]
    fn without_a_rate_all_is_due() {
        let mut pace = Pace::new(1, None, 0);
        assert_eq!(instants(&mut pace, 9, 2, 0), [9, 9]);
    }
}
