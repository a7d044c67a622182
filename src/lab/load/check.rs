//! What became of each write, from what the writer was told and what a server has.
//!
//! The two are counted against each other and nothing is inferred: a write that was refused or
//! whose outcome is unknown may be there or not, and is neither lost nor wrong in either case. Only
//! an acknowledged one that is not there is lost.
//!
//! Order is that within a list: a write stands before its time if one with a smaller number comes
//! after it. What is there more than once counts where it stands first, so that each fault is
//! counted under one name.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::chunk_of;
use super::outcome::{Outcome, Outcomes};
use crate::base::numbers::parse_u64;
use crate::lab::model::Verdict;

/// Ranges of lost writes that a verdict tells.
const LOST_RANGES_MAX: usize = 20;
/// Stands for a value that is no number of its list; numbers begin at 1.
const FOREIGN: u64 = 0;

/// What a server has of a writer's lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// By list: its numbers in order, and [`FOREIGN`] for what is none.
    lists: BTreeMap<u64, Vec<u64>>,
    len: usize,
}

impl Found {
    /// The next value of this list.
    pub fn push(&mut self, chunk: u64, value: &[u8]) {
        let number = parse_u64(value).filter(|number| chunk_of(*number) == chunk);
        self.lists
            .entry(chunk)
            .or_default()
            .push(number.unwrap_or(FOREIGN));
        self.len += 1;
    }

    /// Values in all lists.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Says what became of each write. `ledger` has the numbers of the writes that a server says it
/// lost, if one keeps such a ledger.
pub fn check(outcomes: &Outcomes, found: &Found, ledger: Option<&BTreeSet<u64>>) -> Verdict {
    let mut verdict = Verdict {
        writer: outcomes.writer.clone(),
        kind: outcomes.kind.clone(),
        route: outcomes.route.clone(),
        sent: outcomes.list.len() as u64,
        in_ledger: ledger.map(|_| 0),
        longest_gap: outcomes.longest_gap,
        ..Verdict::default()
    };
    let mut copies = vec![0u8; outcomes.list.len()];
    for list in found.lists.values() {
        count_list(list, &mut copies, &mut verdict);
    }
    for (number, (outcome, copies)) in (1..).zip(outcomes.list.iter().zip(copies)) {
        judge(number, *outcome, copies, ledger, &mut verdict);
    }
    verdict
}

/// Counts the values of one list: each number, those that are nobody's, and those out of order.
fn count_list(list: &[u64], copies: &mut [u8], verdict: &mut Verdict) {
    let mut first_places = Vec::with_capacity(list.len());
    for number in list {
        let index = (*number as usize).wrapping_sub(1);
        let Some(copies) = copies.get_mut(index) else {
            verdict.foreign += 1;
            continue;
        };
        if *copies == 0 {
            first_places.push(*number);
        }
        *copies = copies.saturating_add(1);
    }
    let mut smallest_after = u64::MAX;
    for number in first_places.iter().rev() {
        verdict.reordered += u64::from(smallest_after < *number);
        smallest_after = smallest_after.min(*number);
    }
}

/// Adds one write to the verdict.
fn judge(
    number: u64,
    outcome: Outcome,
    copies: u8,
    ledger: Option<&BTreeSet<u64>>,
    verdict: &mut Verdict,
) {
    let is_there = copies > 0;
    verdict.duplicated += u64::from(copies > 1);
    match outcome {
        Outcome::Refused => verdict.refused += 1,
        Outcome::Unknown => verdict.unknown += 1,
        Outcome::Acknowledged | Outcome::Promised => verdict.acknowledged += 1,
    }
    if !outcome.is_accepted() {
        verdict.unacknowledged_present += u64::from(is_there);
        return;
    }
    let is_promised = outcome == Outcome::Promised;
    verdict.promised += u64::from(is_promised);
    if is_there {
        verdict.present += 1;
        return;
    }
    verdict.lost += 1;
    verdict.promised_lost += u64::from(is_promised);
    if let (Some(count), Some(ledger)) = (&mut verdict.in_ledger, ledger) {
        *count += u64::from(ledger.contains(&number));
    }
    note_lost(number, &mut verdict.lost_ranges);
}

fn note_lost(number: u64, ranges: &mut Vec<(u64, u64)>) {
    let is_full = ranges.len() == LOST_RANGES_MAX;
    match ranges.last_mut() {
        Some((_, last)) if *last + 1 == number => *last = number,
        _ if is_full => {}
        _ => ranges.push((number, number)),
    }
}
