//! When which byte of our stream was written: a bounded memory of it.
//!
//! A stock replica measures nothing, so its master estimates: the first byte that it has not
//! acknowledged was written so long ago. For that a few pairs of offset and time are enough. When
//! there are too many, every other one is dropped and they are taken half as often from then on;
//! so the estimate is exact to [`STEP_MS`] as long as little is outstanding, and to a thirtieth of
//! what it says otherwise. It is never too low by more than a tick.

use std::collections::VecDeque;

/// So many pairs are kept.
const PAIRS_MAX: usize = 64;
/// Pairs are at least so far apart.
pub const STEP_MS: u64 = 10;

/// From this time on the bytes behind this offset were written.
#[derive(Clone, Copy, Debug)]
struct Pair {
    offset: u64,
    at_ms: u64,
}

/// See the module's head.
#[derive(Debug)]
pub struct FeedTimes {
    /// In the order of both; the first is the only one that may be at or below what all replicas
    /// have acknowledged.
    pairs: VecDeque<Pair>,
    step_ms: u64,
    /// The stream's end when it was looked at last.
    end: u64,
}

impl Default for FeedTimes {
    fn default() -> FeedTimes {
        FeedTimes {
            pairs: VecDeque::new(),
            step_ms: STEP_MS,
            end: 0,
        }
    }
}

impl FeedTimes {
    /// The stream ends at `offset` now. To be called in each tick in which there is a replica.
    #[inline]
    pub fn note(&mut self, offset: u64, now_ms: u64) {
        if offset == self.end {
            return;
        }
        let before = std::mem::replace(&mut self.end, offset);
        if offset < before {
            // Another history.
            self.pairs.clear();
            self.step_ms = STEP_MS;
        }
        let last = self.pairs.back();
        let is_due = |last: &Pair| now_ms.saturating_sub(last.at_ms) >= self.step_ms;
        if last.is_none_or(is_due) {
            self.push(before.min(offset), now_ms);
        }
    }

    fn push(&mut self, offset: u64, at_ms: u64) {
        if self.pairs.len() == PAIRS_MAX {
            let mut keep = false;
            self.pairs.retain(|_| {
                keep = !keep;
                keep
            });
            self.step_ms = self.step_ms.saturating_mul(2);
        }
        self.pairs.push_back(Pair { offset, at_ms });
    }

    /// All replicas have the stream up to `offset`.
    pub fn forget_before(&mut self, offset: u64) {
        while self.pairs.get(1).is_some_and(|next| next.offset <= offset) {
            self.pairs.pop_front();
        }
        if self.pairs.len() <= 1 {
            self.step_ms = STEP_MS;
        }
    }

    /// How long ago the first byte behind `offset` was written, if there is one.
    pub fn age_ms(&self, offset: u64, now_ms: u64) -> u64 {
        if offset >= self.end {
            return 0;
        }
        let at = self.pairs.partition_point(|pair| pair.offset <= offset);
        let pair = self.pairs.get(at.saturating_sub(1));
        pair.map_or(0, |pair| now_ms.saturating_sub(pair.at_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_acknowledged_has_the_age_of_its_first_byte() {
        let mut times = FeedTimes::default();
        times.note(100, 1000);
        times.note(150, 1500);
        times.note(200, 2000);
        assert_eq!(times.age_ms(200, 9000), 0, "nothing is missing");
        assert_eq!(times.age_ms(199, 2100), 100);
        assert_eq!(times.age_ms(150, 2100), 100);
        assert_eq!(times.age_ms(149, 2100), 600);
        assert_eq!(times.age_ms(0, 2100), 1100);
        times.forget_before(150);
        assert_eq!(times.age_ms(150, 2100), 100);
        times.note(50, 3000);
        assert_eq!(times.age_ms(10, 3100), 100, "another history");
    }

    #[test]
    fn memory_is_bounded_and_what_it_says_stays_close() {
        let mut times = FeedTimes::default();
        for ms in 1..=1_000_000 {
            times.note(ms, ms);
            assert!(times.pairs.len() <= PAIRS_MAX);
        }
        for acknowledged in [0, 1000, 500_000, 900_000] {
            let right = 1_000_000 - acknowledged - 1;
            let told = times.age_ms(acknowledged, 1_000_000);
            assert!(told >= right && told - right <= 1_000_000 / 30, "{told}");
        }
        times.forget_before(1_000_000);
        times.note(1_000_001, 1_000_100);
        times.note(1_000_002, 1_000_110);
        assert_eq!(times.age_ms(1_000_001, 1_000_110), 0, "precise again");
        assert_eq!(times.age_ms(1_000_000, 1_000_110), 10);
    }
}
