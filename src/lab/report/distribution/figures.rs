//! What is counted over many runs.
//!
//! Percentiles are the nearest rank: values that were measured, never something between two.

use crate::lab::report::failovers::Failover;
use crate::lab::report::summary::Summary;
use crate::lab::report::words::{count, duration};

/// Runs of the same script with the same binaries.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// What they are called in the tables: `tanist`, `redis 7.2.4`.
    pub label: String,
    /// Their figures.
    pub summaries: Vec<Summary>,
}

/// The distribution of the figures of many runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// The name of the experiment.
    pub title: String,
    /// What was run with the same binaries, side by side.
    pub columns: Vec<Column>,
}

/// The figures of runs with the same binaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What they are called.
    pub label: String,
    /// How many there were.
    pub runs: usize,
    /// Runs that broke off, or in which the script waited in vain.
    pub failed: usize,
    /// Runs in which no server took over.
    pub without_failover: usize,
    /// Runs that lost acknowledged writes.
    pub with_losses: usize,
    /// The values of each of the [`FIGURES`], in their order, from the least to the greatest.
    pub values: Vec<Vec<u64>>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Us,
    /// Writes.
    Writes,
}

/// A figure of which there is a distribution.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Words that explain it.
    pub explained: &'static str,
    /// What it counts.
    pub unit: Unit,
    values: fn(&Summary) -> Vec<u64>,
}

/// All figures, in the order in which they are shown.
pub const FIGURES: [Figure; 8] = [
    Figure {
        key: "detection_us",
        name: "Detection",
        explained: "trouble to +odown",
        unit: Unit::Us,
        values: |summary| of_failovers(summary, Failover::detection_us),
    },
    Figure {
        key: "election_us",
        name: "Election",
        explained: "to +elected-leader",
        unit: Unit::Us,
        values: |summary| of_failovers(summary, Failover::election_us),
    },
    Figure {
        key: "promotion_us",
        name: "Promotion",
        explained: "to the new master",
        unit: Unit::Us,
        values: |summary| of_failovers(summary, Failover::promotion_us),
    },
    Figure {
        key: "promoted_us",
        name: "In all",
        explained: "trouble to the new master",
        unit: Unit::Us,
        values: |summary| of_failovers(summary, |failover| failover.promoted_us),
    },
    Figure {
        key: "first_write_us",
        name: "First write",
        explained: "trouble to the first accepted write",
        unit: Unit::Us,
        values: |summary| of_failovers(summary, |failover| failover.first_write_us),
    },
    Figure {
        key: "gap_us",
        name: "Longest gap",
        explained: "the longest time without an accepted write, of each run",
        unit: Unit::Us,
        values: |summary| {
            summary
                .longest_gap()
                .map(|gap| gap.length_us)
                .into_iter()
                .collect()
        },
    },
    Figure {
        key: "lost",
        name: "Lost writes",
        explained: "acknowledged and gone, of each run",
        unit: Unit::Writes,
        values: |summary| of_checked(summary, summary.lost()),
    },
    Figure {
        key: "promised_lost",
        name: "Promised and lost",
        explained: "of these, promised by WAIT",
        unit: Unit::Writes,
        values: |summary| of_checked(summary, summary.sum(|writer| writer.promised_lost)),
    },
];

fn of_failovers(summary: &Summary, figure: impl Fn(&Failover) -> Option<u64>) -> Vec<u64> {
    summary.failovers.iter().filter_map(figure).collect()
}

fn of_checked(summary: &Summary, figure: u64) -> Vec<u64> {
    if summary.is_checked() {
        vec![figure]
    } else {
        Vec::new()
    }
}

/// The distribution of the figures of these runs.
pub fn of(title: &str, all: &[Runs]) -> Distribution {
    Distribution {
        title: title.to_owned(),
        columns: all.iter().map(column).collect(),
    }
}

fn column(runs: &Runs) -> Column {
    let summaries = &runs.summaries;
    let number = |is: fn(&Summary) -> bool| summaries.iter().filter(|summary| is(summary)).count();
    let values = |figure: &Figure| {
        let mut values: Vec<u64> = summaries.iter().flat_map(figure.values).collect();
        values.sort_unstable();
        values
    };
    Column {
        label: runs.label.clone(),
        runs: summaries.len(),
        failed: number(|summary| summary.broke_off() || !summary.all_held),
        without_failover: number(|summary| summary.failovers.iter().all(|f| f.to.is_none())),
        with_losses: number(|summary| summary.lost() > 0),
        values: FIGURES.iter().map(values).collect(),
    }
}

/// The value that `percent` of all values do not exceed; none if there are no values.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Median, 99th percentile and worst of a figure.
pub fn spread(sorted: &[u64]) -> [Option<u64>; 3] {
    [
        percentile(sorted, 50),
        percentile(sorted, 99),
        sorted.last().copied(),
    ]
}

/// A value in words.
pub fn shown(value: Option<u64>, unit: Unit) -> String {
    match (value, unit) {
        (None, _) => "—".to_owned(),
        (Some(us), Unit::Us) => duration(us),
        (Some(n), Unit::Writes) => count(n),
    }
}
