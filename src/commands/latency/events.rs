//! What took so long that the latency monitor wants to know of it, by kind of event.
//!
//! Of each kind the latest samples are kept, one a second at most: the worst of it.

use std::collections::{BTreeMap, VecDeque};

/// Samples kept of each kind.
const SAMPLES_MAX: usize = 160;

/// The worst of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The second, since the epoch.
    pub unix_s: i64,
    /// How long it took.
    pub spent_ms: u64,
}

/// The samples of one kind.
#[derive(Clone, Debug, Default)]
pub struct Series {
    samples: VecDeque<Sample>,
    worst_ms: u64,
}

impl Series {
    /// The samples, the oldest first; never none.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample> + '_ {
        self.samples.iter().copied()
    }

    /// The latest.
    pub fn last(&self) -> Sample {
        *self.samples.back().expect("a series begins with a sample")
    }

    /// The longest that it ever took.
    pub fn worst_ms(&self) -> u64 {
        self.worst_ms
    }

    fn note(&mut self, sample: Sample) {
        self.worst_ms = self.worst_ms.max(sample.spent_ms);
        match self.samples.back_mut() {
            Some(last) if last.unix_s == sample.unix_s => {
                last.spent_ms = last.spent_ms.max(sample.spent_ms);
                return;
            }
            _ => self.samples.push_back(sample),
        }
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }
}

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct LatencyEvents {
    kinds: BTreeMap<&'static str, Series>,
}

impl LatencyEvents {
    /// Something took so long.
    pub fn note(&mut self, event: &'static str, unix_s: i64, spent_ms: u64) {
        let series = self.kinds.entry(event).or_default();
        series.note(Sample { unix_s, spent_ms });
    }

    /// Whether nothing was ever noted, or all of it was forgotten.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The kinds of events that there were, with their samples.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &Series)> {
        self.kinds.iter().map(|(event, series)| (*event, series))
    }

    /// The samples of a kind, which is spelled so.
    pub fn get(&self, event: &[u8]) -> Option<(&'static str, &Series)> {
        let event = std::str::from_utf8(event).ok()?;
        self.kinds
            .get_key_value(event)
            .map(|(name, series)| (*name, series))
    }

    /// Forgets the samples of a kind, in whatever case it is spelled; says whether there were any.
    pub fn forget(&mut self, event: &[u8]) -> bool {
        let is_it = |name: &str| name.as_bytes().eq_ignore_ascii_case(event);
        let before = self.kinds.len();
        self.kinds.retain(|name, _| !is_it(name));
        before != self.kinds.len()
    }

    /// Forgets everything; says how many kinds there were.
    pub fn clear(&mut self) -> usize {
        std::mem::take(&mut self.kinds).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_second_the_worst_sample_is_kept() {
        let mut events = LatencyEvents::default();
        for (second, ms) in [(1, 5), (1, 9), (1, 7), (2, 3)] {
            events.note("command", second, ms);
        }
        let (name, series) = events.get(b"command").expect("samples");
        let samples: Vec<_> = series.samples().map(|s| (s.unix_s, s.spent_ms)).collect();
        assert_eq!((name, &samples[..]), ("command", &[(1, 9), (2, 3)][..]));
        assert_eq!(series.worst_ms(), 9);
        assert_eq!(series.last().spent_ms, 3);
        assert!(events.get(b"COMMAND").is_none());
    }

    #[test]
    fn old_samples_go_and_the_worst_is_remembered() {
        let mut events = LatencyEvents::default();
        events.note("fork", 0, 1000);
        (1..=200).for_each(|second| events.note("fork", second, 1));
        let (_, series) = events.get(b"fork").expect("samples");
        assert_eq!(series.samples().len(), SAMPLES_MAX);
        assert_eq!(series.worst_ms(), 1000);
    }

    #[test]
    fn kinds_are_forgotten_one_by_one_or_all_together() {
        let mut events = LatencyEvents::default();
        for event in ["a", "b", "c"] {
            events.note(event, 1, 1);
        }
        assert!(events.forget(b"A") && !events.forget(b"a"));
        assert_eq!(events.iter().len(), 2);
        assert_eq!(events.clear(), 2);
        assert!(events.is_empty());
    }
}
