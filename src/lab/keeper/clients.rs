//! All clients of a lab: writers, readers, and what those that have ended were told.

use std::collections::HashMap;

use crate::lab::load::{Clock, Counts, Outcomes, Readers, Writer};
use crate::lab::model::Entry;

/// A writer that runs.
pub(super) struct Running {
    pub(super) name: String,
    /// The node that it stays with, if it asks nobody for the master.
    pub(super) fixed: Option<String>,
    pub(super) writer: Writer,
}

/// All clients of a lab.
#[derive(Default)]
pub(super) struct Clients {
    pub(super) writers: Vec<Running>,
    /// Of writers that have ended, and the node that each stayed with.
    pub(super) outcomes: Vec<(Outcomes, Option<String>)>,
    pub(super) clock: Option<Clock>,
    pub(super) readers: Option<Readers>,
    pub(super) count: usize,
    /// Accepted writes of writers that have ended.
    pub(super) accepted_before: u64,
    /// How old what a reader saw last of each server was, in milliseconds.
    pub(super) staleness: HashMap<String, u64>,
}

impl Clients {
    /// Accepted writes, of all writers.
    pub fn accepted(&self) -> u64 {
        let running = self
            .writers
            .iter()
            .map(|running| running.writer.counts().acknowledged);
        self.accepted_before + running.sum::<u64>()
    }

    /// How the writes of each writer that runs fare.
    pub fn counts(&self) -> impl Iterator<Item = (&str, Counts)> {
        let running = self.writers.iter();
        running.map(|running| (running.name.as_str(), running.writer.counts()))
    }

    /// How old what a reader saw last of a server was, in milliseconds.
    pub fn staleness(&self, node: &str) -> Option<u64> {
        self.staleness.get(node).copied()
    }

    /// What they have done since the last call.
    pub fn take_entries(&self) -> Vec<Entry> {
        let writes = self
            .writers
            .iter()
            .flat_map(|running| running.writer.take_buckets());
        let read = self.readers.iter().flat_map(Readers::take);
        writes
            .map(Entry::Writes)
            .chain(read.map(Entry::Read))
            .collect()
    }

    /// Ends all of them; what they have done since the last look.
    pub fn stop_all(&mut self) -> Vec<Entry> {
        for running in &self.writers {
            running.writer.halt();
        }
        if let Some(clock) = &self.clock {
            clock.halt();
        }
        if let Some(readers) = &mut self.readers {
            readers.stop();
        }
        for running in &mut self.writers {
            let outcomes = running.writer.stop();
            self.accepted_before += running.writer.counts().acknowledged;
            self.outcomes.push((outcomes, running.fixed.take()));
        }
        let entries = self.take_entries();
        self.writers.clear();
        self.clock = None;
        self.readers = None;
        self.staleness.clear();
        entries
    }
}
