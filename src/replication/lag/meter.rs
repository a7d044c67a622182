//! What a replica has measured, and how that ages.
//!
//! A sample is taken when a mark has been applied. Between samples the last one holds, as long as
//! nothing is known to be missing; its age is told beside it. From the moment on at which something
//! is missing, the time since then is added: what was `lag` old then is that much older now.

use super::clock::Skew;
use super::mark::Mark;

/// A replica's lag as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// How far behind its origin it is, in milliseconds.
    pub ms: u64,
    /// How long ago that was measured, in milliseconds.
    pub sampled_ms_ago: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    lag_us: u64,
    at_ms: u64,
}

/// See the module's head.
#[derive(Clone, Copy, Debug, Default)]
pub struct LagMeter {
    /// The origin's clock, if our master knows it.
    skew: Option<Skew>,
    sample: Option<Sample>,
}

impl LagMeter {
    /// What our master has told of the origin's time, if it has.
    pub fn set_skew(&mut self, skew: Option<Skew>) {
        self.skew = skew;
    }

    /// How far the origin's clock is ahead of ours, if that is known.
    pub fn skew(&self) -> Option<Skew> {
        self.skew
    }

    /// What was measured was so of another master's data.
    pub fn forget(&mut self) {
        *self = LagMeter::default();
    }

    /// A mark of the origin has been applied. Whether that says anything.
    pub fn on_mark(&mut self, mark: Mark, own_us: i64, now_ms: u64) -> bool {
        let Some(skew) = &mut self.skew else {
            return false;
        };
        let lag_us = skew.since(mark.at_us, own_us);
        self.sample = Some(Sample {
            lag_us,
            at_ms: now_ms,
        });
        true
    }

    /// The lag, where something is missing `since` then, if it is.
    pub fn lag(&self, missing_since_ms: Option<u64>, now_ms: u64) -> Option<Lag> {
        let sample = self.sample?;
        let missing_ms = missing_since_ms.map_or(0, |since| now_ms.saturating_sub(since));
        Some(Lag {
            ms: (sample.lag_us / 1000).saturating_add(missing_ms),
            sampled_ms_ago: now_ms.saturating_sub(sample.at_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(at_us: i64) -> Mark {
        let text = format!("lag:{at_us}:cccccccc");
        Mark::parse(text.as_bytes()).expect("a mark")
    }

    #[test]
    fn a_sample_holds_until_something_is_missing() {
        let mut meter = LagMeter::default();
        assert!(!meter.on_mark(mark(0), 9, 0), "whose clock is that?");
        meter.set_skew(Some(Skew::default()));
        assert_eq!(meter.lag(None, 5000), None, "nothing was measured");
        assert!(meter.on_mark(mark(1_000_000), 1_250_999, 10_000));
        let lag = |ms, sampled_ms_ago| Some(Lag { ms, sampled_ms_ago });
        assert_eq!(meter.lag(None, 10_000), lag(250, 0));
        assert_eq!(meter.lag(None, 14_000), lag(250, 4000));
        assert_eq!(meter.lag(Some(13_000), 14_000), lag(1250, 4000));
    }
}
