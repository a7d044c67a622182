//! Time that can be compared between servers.
//!
//! Lag is the difference of two clocks, so a jump of either would show as lag. A server therefore
//! uses a clock of its own: the wall clock as it was when the process started, and from there on
//! the monotonic one. What is left is how far two such clocks are apart. A replica asks for the
//! origin's time when it connects: the answer was given between its question and the moment when
//! it came, which leaves an interval as wide as the round trip. If the interval allows for equal
//! clocks, they count as equal; else the nearest difference that it allows for is taken.
//!
//! The reason for this rule: a delay that is longer in one direction than in the other moves the
//! middle of the interval by half of the difference, which is what is to be measured here. Servers
//! that keep their clocks in step are measured exactly so, and others within one round trip.

use crate::base::time::Now;

/// A clock without jumps, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock {
    /// What it is ahead of the monotonic clock.
    ahead_us: i64,
}

impl SteadyClock {
    /// The clock of a process that starts now.
    pub fn new(now: Now) -> SteadyClock {
        SteadyClock {
            ahead_us: now.unix_us.saturating_sub_unsigned(now.mono_us),
        }
    }

    /// Its time.
    pub fn us(self, now: Now) -> i64 {
        self.ahead_us.saturating_add_unsigned(now.mono_us)
    }
}

/// How far the clock of the origin is ahead of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew {
    ahead_us: i64,
}

impl Skew {
    /// What an answer says that was asked for at `asked_us` and came at `came_us`, by our clock.
    pub fn measured(asked_us: i64, answer_us: i64, came_us: i64) -> Skew {
        let least = answer_us.saturating_sub(came_us.max(asked_us));
        let most = answer_us.saturating_sub(asked_us);
        Skew {
            ahead_us: 0.clamp(least, most),
        }
    }

    /// Microseconds that the origin's clock is ahead.
    pub fn us(self) -> i64 {
        self.ahead_us
    }

    /// The origin's time at this time of ours.
    pub fn of_origin(self, own_us: i64) -> i64 {
        own_us.saturating_add(self.ahead_us)
    }

    /// Microseconds since this time of the origin. Nothing is ahead of its origin: if it looks so,
    /// the origin's clock is further ahead than we thought.
    pub fn since(&mut self, origin_us: i64, own_us: i64) -> u64 {
        let lag_us = self.of_origin(own_us).saturating_sub(origin_us);
        if lag_us < 0 {
            self.ahead_us = self.ahead_us.saturating_sub(lag_us);
        }
        lag_us.max(0).unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_follow_jumps_of_the_wall_clock() {
        let start = Now::at_unix_ms(1_700_000_000_000);
        let clock = SteadyClock::new(start);
        let mut later = start.plus_ms(250);
        later.unix_us -= 3_600_000_000;
        assert_eq!(clock.us(later) - clock.us(start), 250_000);
        assert_eq!(clock.us(start), start.unix_us);
    }

    #[test]
    fn clocks_that_may_be_equal_count_as_equal() {
        for (asked, answer, came, ahead) in [
            // In step; the answer, or the question, took all of the time.
            (1000, 1000, 251_000, 0),
            (1000, 251_000, 251_000, 0),
            (1000, 100_000, 251_000, 0),
            // Ahead or behind for sure.
            (1000, 5_000_000, 11_000, 4_989_000),
            (5_000_000, 1000, 5_010_000, -4_999_000),
            // A peer that answers nonsense.
            (0, i64::MAX, 10, i64::MAX - 10),
            (i64::MAX, i64::MIN, i64::MAX, i64::MIN),
        ] {
            let skew = Skew::measured(asked, answer, came);
            assert_eq!(skew.us(), ahead, "{asked} {answer} {came}");
        }
    }

    #[test]
    fn nobody_is_ahead_of_its_origin() {
        let mut skew = Skew::default();
        assert_eq!(skew.since(1_000, 251_000), 250_000);
        assert_eq!(skew.since(252_000, 251_000), 0);
        assert_eq!(skew.us(), 1_000, "its clock is ahead of ours");
        assert_eq!(skew.since(252_000, 252_000), 1_000);
    }
}
