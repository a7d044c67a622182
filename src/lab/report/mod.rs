//! Reports on a run: a page to look at, JSON for programs, one line of text for scripts, and the
//! distribution of many runs.
//!
//! All of them are made from the record of a run alone, so they can be made again at any time, on
//! any machine, of a run that ended as it should or broke off.
//!
//! ```text
//!   Record ─► history     what belongs together, by time
//!               ├─► failovers (trouble, sentinel_event)   when each came how far
//!               ├─► gaps, states, links, steps            what the pictures show
//!               └─► summary (sentence)                    all figures
//!                     ├─► page (chart, …_table, log)      HTML
//!                     ├─► machine                         JSON, one line
//!                     └─► distribution                    of many runs
//! ```

mod chart;
pub mod distribution;
mod failovers;
mod gaps;
mod history;
mod links;
mod log;
mod machine;
mod markup;
mod page;
mod sentence;
mod sentinel_event;
mod stages_table;
mod states;
mod steps;
mod summary;
mod tables;
mod trouble;
mod words;
mod writes_table;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use super::model::{Entry, Record};
pub use failovers::Failover;
use history::History;
pub use summary::{Pause, ServerFigures, Summary, WriterFigures};
pub use trouble::{Trouble, TroubleKind};

/// The figures of a run.
pub fn summarize(record: &Record) -> Summary {
    figures(&History::of(record))
}

fn figures(history: &History) -> Summary {
    let mut summary = summary::of(history);
    summary.sentence = sentence::of(&summary, history);
    summary
}

/// A run as one page of HTML: one file, without scripts, that fetches nothing.
pub fn html(record: &Record) -> String {
    let history = History::of(record);
    page::html(&history, &figures(&history))
}

/// A run as JSON: its summary, settings, nodes, events by time, and verdicts.
pub fn json(record: &Record) -> String {
    let history = History::of(record);
    let nodes = record.entries.iter().filter_map(|entry| match entry {
        Entry::Node(facts) => Some(facts),
        _ => None,
    });
    let nodes: Vec<_> = nodes.collect();
    machine::json(&history, &nodes, &figures(&history))
}

/// A run as one line `key=value …`, for scripts; without an end of line.
pub fn line(record: &Record) -> String {
    machine::line(&summarize(record))
}
