//! What a writer has seen so far: outcomes by number, buckets of a tenth of a second, the gap.
//!
//! Buckets are for a picture: one for each tenth of a second of the run, also where nothing
//! happened, each handed out once, when it is over. A write counts in the bucket in which its
//! outcome was known, or, where that has been handed out already, in the next one; so buckets are
//! in order, and their sums are right.
//!
//! The gap is the longest time between two accepted writes that follow each other; the time from
//! the last one to the end counts, that before the first does not.

use std::collections::VecDeque;

use super::outcome::{Outcome, Outcomes};
use crate::base::time::Now;
use crate::lab::model::{UnixUs, Writes};

/// The length of a bucket.
const BUCKET_US: i64 = 100_000;
/// Buckets that wait to be taken: an hour. The oldest are dropped then.
const BUCKETS_MAX: usize = 36_000;

/// How many writes fared how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Writes whose outcome is settled, be it as unknown.
    pub sent: u64,
    /// Writes that were acknowledged; the promised ones are among them.
    pub acknowledged: u64,
    /// Writes that `WAIT` said enough replicas have.
    pub promised: u64,
    /// Writes that were refused.
    pub refused: u64,
    /// Writes of which no reply came in time.
    pub unknown: u64,
}

/// The newest accepted write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// When it was accepted.
    pub at_us: UnixUs,
    /// How many are accepted with it.
    pub count: u64,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Tally {
    outcomes: Outcomes,
    counts: Counts,
    last_accepted: Option<Now>,
    /// The bucket that has not ended.
    open: Writes,
    ended: VecDeque<Writes>,
}

impl Tally {
    /// Begins; `outcomes` has the names and no outcome yet.
    pub fn new(outcomes: Outcomes, now: Now) -> Tally {
        let open = Writes {
            at_us: now.unix_us.div_euclid(BUCKET_US) * BUCKET_US,
            writer: outcomes.writer.clone(),
            ..Writes::default()
        };
        Tally {
            outcomes,
            counts: Counts::default(),
            last_accepted: None,
            open,
            ended: VecDeque::new(),
        }
    }

    /// The outcome of the next number became known at `at`, so many microseconds after it was sent.
    pub fn on_outcome(&mut self, outcome: Outcome, at: Now, took_us: u64) {
        self.close(at);
        self.outcomes.list.push(outcome);
        self.counts.sent += 1;
        match outcome {
            Outcome::Refused => self.counts.refused += 1,
            Outcome::Unknown => self.counts.unknown += 1,
            Outcome::Acknowledged => self.counts.acknowledged += 1,
            Outcome::Promised => {
                self.counts.acknowledged += 1;
                self.counts.promised += 1;
            }
        }
        if outcome.is_accepted() {
            self.open.accepted += 1;
            self.open.slowest_us = self.open.slowest_us.max(took_us);
            self.note_gap(at);
            self.last_accepted = Some(at);
        } else {
            self.open.failed += 1;
        }
    }

    /// The buckets that are over, each once.
    pub fn take_buckets(&mut self, now: Now) -> Vec<Writes> {
        self.close(now);
        self.ended.drain(..).collect()
    }

    /// The run is over: so is the last bucket, and the gap that lasts until now.
    pub fn end(&mut self, now: Now) {
        self.close(now);
        self.push_open(self.open.at_us + BUCKET_US);
        self.note_gap(now);
    }

    /// The numbers so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The newest accepted write.
    pub fn last_accepted(&self) -> Option<Accepted> {
        let count = self.counts.acknowledged;
        self.last_accepted.map(|at| Accepted {
            at_us: at.unix_us,
            count,
        })
    }

    /// All outcomes so far.
    pub fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }

    fn note_gap(&mut self, until: Now) {
        let Some(last) = self.last_accepted else {
            return;
        };
        let length_us = until.mono_us.saturating_sub(last.mono_us);
        if self
            .outcomes
            .longest_gap
            .is_none_or(|(_, longest)| length_us > longest)
        {
            self.outcomes.longest_gap = Some((last.unix_us, length_us));
        }
    }

    /// Ends the buckets that are over.
    fn close(&mut self, now: Now) {
        let current_us = now.unix_us.div_euclid(BUCKET_US) * BUCKET_US;
        // After a step of the clock, or a long sleep, there are more than anybody wants.
        let first_us = current_us - BUCKETS_MAX as i64 * BUCKET_US;
        if self.open.at_us < first_us {
            self.push_open(first_us);
        }
        while self.open.at_us < current_us {
            self.push_open(self.open.at_us + BUCKET_US);
        }
    }

    /// Ends the open bucket; the next one begins at `next_us`.
    fn push_open(&mut self, next_us: UnixUs) {
        let next = Writes {
            at_us: next_us,
            writer: self.open.writer.clone(),
            ..Writes::default()
        };
        if self.ended.len() == BUCKETS_MAX {
            self.ended.pop_front();
        }
        self.ended
            .push_back(std::mem::replace(&mut self.open, next));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Now = Now::at_unix_ms(1_000_000);

    fn tally() -> Tally {
        let outcomes = Outcomes {
            writer: "plain".to_owned(),
            ..Outcomes::default()
        };
        Tally::new(outcomes, START)
    }

    /// When each bucket began (ms after the start), accepted, failed, the slowest.
    fn brief(buckets: &[Writes]) -> Vec<(i64, u32, u32, u64)> {
        let brief = |b: &Writes| {
            let at_ms = (b.at_us - START.unix_us) / 1000;
            (at_ms, b.accepted, b.failed, b.slowest_us)
        };
        buckets.iter().map(brief).collect()
    }

    #[test]
    fn each_bucket_is_handed_out_once_when_it_is_over_also_an_empty_one() {
        let mut tally = tally();
        tally.on_outcome(Outcome::Acknowledged, START.plus_ms(10), 300);
        tally.on_outcome(Outcome::Promised, START.plus_ms(99), 900);
        assert_eq!(tally.take_buckets(START.plus_ms(99)), []);
        tally.on_outcome(Outcome::Refused, START.plus_ms(100), 50_000);
        tally.on_outcome(Outcome::Unknown, START.plus_ms(320), 0);
        let first = brief(&tally.take_buckets(START.plus_ms(320)));
        assert_eq!(first, [(0, 2, 0, 900), (100, 0, 1, 0), (200, 0, 0, 0)]);
        tally.end(START.plus_ms(350));
        let rest = brief(&tally.take_buckets(START.plus_ms(350)));
        assert_eq!(rest, [(300, 0, 1, 0)]);
        let counts = Counts {
            sent: 4,
            acknowledged: 2,
            promised: 1,
            refused: 1,
            unknown: 1,
        };
        assert_eq!(tally.counts(), counts);
    }

    #[test]
    fn what_is_known_late_counts_in_the_bucket_that_is_open() {
        let mut tally = tally();
        assert_eq!(tally.take_buckets(START.plus_ms(200)).len(), 2);
        tally.on_outcome(Outcome::Acknowledged, START.plus_ms(150), 7);
        assert_eq!(
            brief(&tally.take_buckets(START.plus_ms(300))),
            [(200, 1, 0, 7)]
        );
    }

    #[test]
    fn buckets_that_nobody_takes_and_a_clock_that_jumps_have_a_limit() {
        let mut tally = tally();
        let later = START.plus_ms(3_600_000 * 24);
        tally.on_outcome(Outcome::Acknowledged, later, 7);
        let buckets = tally.take_buckets(later);
        assert_eq!(buckets.len(), BUCKETS_MAX);
        assert!(buckets.is_sorted_by_key(|bucket| bucket.at_us));
        assert_eq!(tally.take_buckets(START), [], "nor back again");
    }

    #[test]
    fn the_longest_gap_is_between_accepted_writes_or_from_the_last_to_the_end() {
        let mut tally = tally();
        tally.on_outcome(Outcome::Unknown, START.plus_ms(5000), 0);
        assert_eq!(
            (tally.last_accepted(), tally.outcomes().longest_gap),
            (None, None)
        );
        for ms in [6000, 6002, 6500, 6501] {
            tally.on_outcome(Outcome::Acknowledged, START.plus_ms(ms), 0);
        }
        let at = |ms| START.plus_ms(ms).unix_us;
        assert_eq!(tally.outcomes().longest_gap, Some((at(6002), 498_000)));
        tally.on_outcome(Outcome::Refused, START.plus_ms(7000), 0);
        let last = Accepted {
            at_us: at(6501),
            count: 4,
        };
        assert_eq!(tally.last_accepted(), Some(last));
        tally.end(START.plus_ms(7500));
        assert_eq!(tally.outcomes().longest_gap, Some((at(6501), 999_000)));
    }

    proptest! {
        #[test]
        fn buckets_follow_each_other_and_sum_up_whatever_the_clock_does(
            steps in prop::collection::vec((-300i64..500, any::<bool>(), 0..4usize), 0..100),
        ) {
            let all = [
                Outcome::Refused,
                Outcome::Unknown,
                Outcome::Acknowledged,
                Outcome::Promised,
            ];
            let (mut tally, mut now, mut buckets) = (tally(), START, Vec::new());
            for (step_ms, takes, outcome) in &steps {
                now.unix_us += step_ms * 1000;
                now.mono_us += 1000;
                tally.on_outcome(all[*outcome], now, 5);
                if *takes {
                    buckets.extend(tally.take_buckets(now));
                }
            }
            tally.end(now);
            buckets.extend(tally.take_buckets(now));
            let follows = |pair: &[Writes]| pair[0].at_us + BUCKET_US == pair[1].at_us;
            prop_assert!(buckets.windows(2).all(follows));
            let counts = tally.counts();
            let accepted: u32 = buckets.iter().map(|bucket| bucket.accepted).sum();
            let failed: u32 = buckets.iter().map(|bucket| bucket.failed).sum();
            prop_assert_eq!(u64::from(accepted), counts.acknowledged);
            prop_assert_eq!(u64::from(failed), counts.refused + counts.unknown);
            prop_assert_eq!(counts.sent, steps.len() as u64);
        }
    }
}
