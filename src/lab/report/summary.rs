//! The figures of a run.

use serde::{Deserialize, Serialize};

use super::failovers::{self, Failover};
use super::gaps::{self, Gap};
use super::history::History;
use crate::lab::model::{NodeKind, UnixUs, What};

/// The figures of a run, all derived from its record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The name of the experiment.
    pub title: String,
    /// The number that all chance of the run came from.
    pub seed: u64,
    /// When the run began, in microseconds since the Unix epoch.
    pub at_us: UnixUs,
    /// How long it took, in microseconds.
    pub length_us: u64,
    /// Whether the record has an end; it has none if the keeper ended in the middle of the run.
    pub complete: bool,
    /// Whether all that the script waited for came true.
    pub all_held: bool,
    /// What it waited for in vain, in its words.
    pub not_held: Vec<String>,
    /// The failovers, in order.
    pub failovers: Vec<Failover>,
    /// The longest time in which no writer had a write accepted, in microseconds, and when it
    /// began; none if there was always one that could write, or nobody wrote.
    pub nobody_wrote: Option<Pause>,
    /// The writers, by name.
    pub writers: Vec<WriterFigures>,
    /// The servers, by name.
    pub servers: Vec<ServerFigures>,
    /// What happened, as one sentence.
    pub sentence: String,
}

/// A time without an accepted write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When it began.
    pub at_us: UnixUs,
    /// How long it was, in microseconds.
    pub length_us: u64,
}

/// What became of the writes of one writer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterFigures {
    /// Its name.
    pub writer: String,
    /// Whether its writes were looked for in the end. If not, only `acknowledged` and
    /// `longest_gap` are known, from what was written down on the way.
    pub checked: bool,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Acknowledged writes that the master has in the end.
    pub present: u64,
    /// Acknowledged writes that it has not.
    pub lost: u64,
    /// Lost writes that `WAIT` said enough replicas have.
    pub promised_lost: u64,
    /// Lost writes that stand in a ledger of lost writes; none where no server keeps one.
    pub in_ledger: Option<u64>,
    /// Writes that are there more than once.
    pub duplicated: u64,
    /// Writes that stand before one that was sent earlier.
    pub reordered: u64,
    /// The longest time without an accepted write.
    pub longest_gap: Option<Pause>,
}

/// How far a server was behind, at worst.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFigures {
    /// Its name.
    pub node: String,
    /// The farthest that its data was behind the newest accepted write, in milliseconds.
    pub lag_ms: Option<u64>,
    /// The oldest that what a reader saw of it was, in milliseconds.
    pub staleness_ms: Option<u64>,
}

impl Summary {
    /// Acknowledged writes of all writers.
    pub fn acknowledged(&self) -> u64 {
        self.sum(|writer| writer.acknowledged)
    }

    /// Lost writes of all writers.
    pub fn lost(&self) -> u64 {
        self.sum(|writer| writer.lost)
    }

    /// A figure summed over all writers.
    pub fn sum(&self, figure: impl Fn(&WriterFigures) -> u64) -> u64 {
        let figures = self.writers.iter().map(figure);
        figures.fold(0, u64::saturating_add)
    }

    /// Lost writes that stand in a ledger; none where no server keeps one.
    pub fn in_ledger(&self) -> Option<u64> {
        let known = self.writers.iter().filter_map(|writer| writer.in_ledger);
        known.reduce(u64::saturating_add)
    }

    /// The longest gap of any writer.
    pub fn longest_gap(&self) -> Option<Pause> {
        let gaps = self.writers.iter().filter_map(|writer| writer.longest_gap);
        gaps.max_by_key(|gap| gap.length_us)
    }

    /// Whether the run came to nothing: its record has no end, and nobody looked for the writes. A
    /// report that is asked for before a lab ends is none of that.
    pub fn broke_off(&self) -> bool {
        !self.complete && !self.is_checked()
    }

    /// Whether the writes of all writers were looked for, and there are some.
    pub fn is_checked(&self) -> bool {
        !self.writers.is_empty() && self.writers.iter().all(|writer| writer.checked)
    }
}

/// The figures of a run; the sentence is left empty, for it is made of them.
pub fn of(history: &History) -> Summary {
    let not_held = not_held(history);
    Summary {
        title: history.setup.title.clone(),
        seed: history.setup.seed,
        at_us: history.from_us,
        length_us: history.since_start(history.to_us).max(0) as u64,
        complete: history.is_complete,
        all_held: not_held.is_empty(),
        not_held,
        failovers: failovers_with_writes(history),
        nobody_wrote: gaps::shared(history).map(pause),
        writers: writers(history),
        servers: servers(history),
        sentence: String::new(),
    }
}

fn pause(gap: Gap) -> Pause {
    Pause {
        at_us: gap.from_us,
        length_us: gap.length_us(),
    }
}

fn not_held(history: &History) -> Vec<String> {
    let awaited = history.events.iter().filter_map(|event| match &event.what {
        What::Awaited { words, held: false } => Some(words.clone()),
        _ => None,
    });
    awaited.collect()
}

/// The failovers, with the first write after each.
fn failovers_with_writes(history: &History) -> Vec<Failover> {
    let mut all = failovers::failovers(history);
    for i in 0..all.len() {
        let next = all.get(i + 1).map_or(history.to_us, |next| next.began_us);
        let failover = &all[i];
        let began = failover.began_us;
        let over = failover.promoted_us.max(failover.switched_us);
        let stop = over.map_or(next, |us| began.saturating_add(us as i64));
        let first = gaps::first_write(history, began, stop, next);
        all[i].first_write_us = first.map(|at| at.saturating_sub(began).max(0) as u64);
    }
    all
}

fn writers(history: &History) -> Vec<WriterFigures> {
    let figures = |name: &str| {
        let longest_gap = gaps::longest_of(history, name).map(pause);
        let writer = name.to_owned();
        let Some(verdict) = history.verdicts.get(name) else {
            let writes = history.writes.get(name).map_or(&[][..], Vec::as_slice);
            let accepted = writes.iter().map(|writes| u64::from(writes.accepted));
            return WriterFigures {
                writer,
                acknowledged: accepted.sum(),
                longest_gap,
                ..WriterFigures::default()
            };
        };
        WriterFigures {
            writer,
            checked: true,
            acknowledged: verdict.acknowledged,
            present: verdict.present,
            lost: verdict.lost,
            promised_lost: verdict.promised_lost,
            in_ledger: verdict.in_ledger,
            duplicated: verdict.duplicated,
            reordered: verdict.reordered,
            longest_gap,
        }
    };
    gaps::writers(history).into_iter().map(figures).collect()
}

fn servers(history: &History) -> Vec<ServerFigures> {
    let servers = history.nodes.iter().filter(|n| n.kind == NodeKind::Server);
    let figures = servers.map(|node| {
        let samples = history.samples.get(node.name.as_str());
        let reads = history.reads.get(node.name.as_str());
        ServerFigures {
            node: node.name.clone(),
            lag_ms: samples.and_then(|all| all.iter().filter_map(|sample| sample.lag_ms).max()),
            staleness_ms: reads.and_then(|all| all.iter().map(|read| read.ms).max()),
        }
    });
    figures.collect()
}
