//! When writes were accepted, and when not.
//!
//! The verdict on a writer has its longest gap to the microsecond. Where there is none — the run
//! broke off, or a gap is not the longest — the tenths of a second in which writers are recorded
//! have to do: a gap is then a run of them without an accepted write.

use super::history::History;
use crate::lab::model::{UnixUs, Writes};

/// The time that one entry of writes stands for.
pub const BIN_US: i64 = 100_000;

/// Shorter pauses are not worth naming: clients have such for other reasons.
pub const WORTH_NAMING_US: u64 = 20_000;

/// A time without an accepted write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When it began.
    pub from_us: UnixUs,
    /// When it ended, or when the writer ended.
    pub to_us: UnixUs,
}

impl Gap {
    /// Its length, in microseconds.
    pub fn length_us(&self) -> u64 {
        self.to_us.saturating_sub(self.from_us).max(0) as u64
    }
}

/// The longest gap of a writer; none if it had none that can be told from the time between two
/// writes.
pub fn longest_of(history: &History, writer: &str) -> Option<Gap> {
    let verdict = history.verdicts.get(writer);
    if let Some((from_us, length)) = verdict.and_then(|verdict| verdict.longest_gap) {
        let to_us = from_us.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
        return Some(Gap { from_us, to_us });
    }
    let writes = history.writes.get(writer)?;
    recorded(writes).into_iter().max_by_key(Gap::length_us)
}

/// The time in which no writer at all had a write accepted, within the longest gap of each; none
/// if these have no time in common.
pub fn shared(history: &History) -> Option<Gap> {
    let mut shared: Option<Gap> = None;
    for writer in writers(history) {
        let gap = longest_of(history, writer)?;
        let both = match shared {
            None => gap,
            Some(other) => Gap {
                from_us: gap.from_us.max(other.from_us),
                to_us: gap.to_us.min(other.to_us),
            },
        };
        if both.from_us >= both.to_us {
            return None;
        }
        shared = Some(both);
    }
    shared
}

/// The names of all writers.
pub fn writers<'h>(history: &'h History) -> Vec<&'h str> {
    let mut names: Vec<&str> = history.writes.keys().copied().collect();
    names.extend(history.verdicts.keys());
    names.sort_unstable();
    names.dedup();
    names
}

/// When the first write was accepted after writes had stopped between `from_us` and `stop_us`, of
/// the writer that was first; none if no writer stopped then, or none went on until `to_us`.
pub fn first_write(
    history: &History,
    from_us: UnixUs,
    stop_us: UnixUs,
    to_us: UnixUs,
) -> Option<UnixUs> {
    let belongs = |gap: &Gap| {
        // The last write before the trouble may be a little older than it.
        gap.from_us >= from_us - BIN_US
            && gap.from_us <= stop_us
            && gap.to_us > from_us
            && gap.to_us <= to_us
    };
    let mut firsts = Vec::new();
    for writer in writers(history) {
        let exact = longest_of(history, writer).filter(belongs);
        let writes = history.writes.get(writer).map_or(&[][..], Vec::as_slice);
        let coarse = || recorded(writes).into_iter().find(|gap| belongs(gap));
        let last = writes.iter().rev().find(|writes| writes.accepted > 0);
        if let Some(gap) = exact.or_else(coarse)
            && last.is_none_or(|last| last.at_us.saturating_add(BIN_US) > gap.to_us)
        {
            firsts.push(gap.to_us);
        }
    }
    firsts.into_iter().min()
}

/// The gaps that can be told from a writer's entries. One in which the writer ended is one too, if
/// it went on to try.
fn recorded(writes: &[&Writes]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut accepted = writes.iter().filter(|writes| writes.accepted > 0);
    let Some(first) = accepted.next() else {
        return gaps;
    };
    let mut from_us = first.at_us.saturating_add(BIN_US);
    for next in accepted {
        if next.at_us > from_us {
            let to_us = next.at_us;
            gaps.push(Gap { from_us, to_us });
        }
        from_us = next.at_us.saturating_add(BIN_US);
    }
    if let Some(last) = writes.last()
        && last.at_us >= from_us
    {
        let to_us = last.at_us.saturating_add(BIN_US);
        gaps.push(Gap { from_us, to_us });
    }
    gaps
}
