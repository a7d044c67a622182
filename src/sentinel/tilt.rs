//! A sense of time that is not to be trusted.
//!
//! Who is down is told from time that has passed. When we were held up for long, or the clock has
//! jumped, everybody may seem to be silent who is not. So for a while we observe only.

use crate::base::time::Now;

/// Whether we only observe.
#[derive(Debug, Default)]
pub(super) struct Tilt {
    since_ms: Option<u64>,
    last: Option<Now>,
}

/// What a turn finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    Nothing,
    Entered,
    Left,
}

impl Tilt {
    /// Whether we only observe.
    pub fn is_on(&self) -> bool {
        self.since_ms.is_some()
    }

    /// Since when.
    pub fn since_ms(&self) -> Option<u64> {
        self.since_ms
    }

    /// When we last had a turn; 0 before the first.
    pub fn last_ms(&self) -> u64 {
        self.last.map_or(0, |last| last.mono_ms())
    }

    /// A turn begins.
    pub fn turn(&mut self, now: Now, trigger_ms: u64, period_ms: u64) -> Finding {
        let last = self.last.replace(now).unwrap_or(now);
        let passed_us = now.mono_us.saturating_sub(last.mono_us) as i64;
        let jumped_us = (now.unix_us - last.unix_us - passed_us).abs();
        let trigger_us = trigger_ms as i64 * 1000;
        if passed_us > trigger_us || jumped_us > trigger_us {
            self.since_ms = Some(now.mono_ms());
            return Finding::Entered;
        }
        let is_over = |since_ms: u64| now.mono_ms().saturating_sub(since_ms) >= period_ms;
        match self.since_ms.take_if(|since_ms| is_over(*since_ms)) {
            Some(_) => Finding::Left,
            None => Finding::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIGGER_MS: u64 = 2000;
    const PERIOD_MS: u64 = 30_000;

    #[test]
    fn a_long_stall_or_a_jump_of_the_clock_has_us_observe_for_thirty_seconds() {
        let start = Now::at_unix_ms(1_000_000);
        for jump in [false, true] {
            let mut tilt = Tilt::default();
            assert_eq!(tilt.turn(start, TRIGGER_MS, PERIOD_MS), Finding::Nothing);
            let mut now = start.plus_ms(500);
            assert_eq!(tilt.turn(now, TRIGGER_MS, PERIOD_MS), Finding::Nothing);
            if jump {
                now = now.plus_ms(100);
                now.unix_us -= 5_000_000;
            } else {
                now = now.plus_ms(TRIGGER_MS + 1);
            }
            assert_eq!(tilt.turn(now, TRIGGER_MS, PERIOD_MS), Finding::Entered);
            let mut left_ms = None;
            for n in 1..=100 {
                let later = now.plus_ms(n * 500);
                match tilt.turn(later, TRIGGER_MS, PERIOD_MS) {
                    Finding::Left => left_ms = left_ms.or(Some(n * 500)),
                    Finding::Entered => panic!("nothing has happened"),
                    Finding::Nothing => {}
                }
            }
            assert_eq!(left_ms, Some(PERIOD_MS));
        }
    }
}
