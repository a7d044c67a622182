//! How fast something comes or goes: bytes per second over the last few seconds.

use std::collections::VecDeque;

/// So many readings, a second apart, are looked back on.
const READINGS_MAX: usize = 6;

/// See the module's head. The total may only grow.
#[derive(Clone, Debug, Default)]
pub struct RateMeter {
    /// Time in milliseconds, and the total then.
    readings: VecDeque<(u64, u64)>,
}

impl RateMeter {
    /// The meter of something that begins now.
    pub fn starting(now_ms: u64) -> RateMeter {
        RateMeter {
            readings: VecDeque::from([(now_ms, 0)]),
        }
    }

    /// So much has come by now. To be called once a second.
    pub fn note(&mut self, total: u64, now_ms: u64) {
        if self.readings.len() == READINGS_MAX {
            self.readings.pop_front();
        }
        self.readings.push_back((now_ms, total));
    }

    /// Bytes per second, with `total` by now.
    pub fn per_second(&self, total: u64, now_ms: u64) -> u64 {
        let Some((since_ms, before)) = self.readings.front() else {
            return 0;
        };
        let ms = now_ms.saturating_sub(*since_ms);
        let bytes = u128::from(total.saturating_sub(*before));
        u64::try_from(bytes * 1000 / u128::from(ms.max(1))).unwrap_or(u64::MAX)
    }

    /// Seconds until `left` more have come at this rate; `None` if they never will.
    pub fn seconds_for(&self, left: u64, total: u64, now_ms: u64) -> Option<u64> {
        match (left, self.per_second(total, now_ms)) {
            (0, _) => Some(0),
            (_, 0) => None,
            (left, rate) => Some(left.div_ceil(rate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut meter = RateMeter::starting(1000);
        assert_eq!(meter.per_second(0, 1000), 0);
        assert_eq!(meter.seconds_for(10, 0, 1000), None);
        assert_eq!(meter.per_second(500, 1500), 1000);
        for second in 2..20 {
            meter.note(second * 1000, second * 1000);
        }
        for second in 20..26 {
            meter.note(20_000, second * 1000);
        }
        assert_eq!(meter.per_second(20_000, 26_000), 0, "it has stopped");
        assert_eq!(meter.per_second(26_000, 26_000), 1000);
        assert_eq!(meter.seconds_for(2500, 26_000, 26_000), Some(3));
        assert_eq!(meter.seconds_for(0, 20_000, 26_000), Some(0));
    }
}
