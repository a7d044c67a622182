//! All clients of a lab: writers, readers, and what those that have ended were told.

use std::collections::HashMap;

use crate::lab::load::{Clock, Counts, Outcomes, Readers, Writer};
use crate::lab::model::Entry;

/// All clients of a lab.
#[derive(Default)]
pub(super) struct Clients {
    pub(super) writers: Vec<(String, Writer)>,
    /// Of writers that have ended, and the node that each stayed with.
    pub(super) outcomes: Vec<(Outcomes, Option<String>)>,
    /// The nodes that writers stay with, as they were started.
    pub(super) fixed: Vec<Option<String>>,
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
            .map(|(_, writer)| writer.counts().acknowledged);
        self.accepted_before + running.sum::<u64>()
    }

    /// How the writes of each writer that runs fare.
    pub fn counts(&self) -> impl Iterator<Item = (&str, Counts)> {
        let running = self.writers.iter();
        running.map(|(name, writer)| (name.as_str(), writer.counts()))
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
            .flat_map(|(_, writer)| writer.take_buckets());
        let read = self.readers.iter().flat_map(Readers::take);
        writes
            .map(Entry::Writes)
            .chain(read.map(Entry::Read))
            .collect()
    }

    /// Ends all of them; what they have done since the last look.
    pub fn stop_all(&mut self) -> Vec<Entry> {
        for (_, writer) in &self.writers {
            writer.halt();
        }
        if let Some(clock) = &self.clock {
            clock.halt();
        }
        if let Some(readers) = &mut self.readers {
            readers.stop();
        }
        for (_, writer) in &mut self.writers {
            writer.stop();
        }
        let entries = self.take_entries();
        for ((_, mut writer), fixed) in self.writers.drain(..).zip(self.fixed.drain(..)) {
            self.accepted_before += writer.counts().acknowledged;
            self.outcomes.push((writer.stop(), fixed));
        }
        self.clock = None;
        self.readers = None;
        self.staleness.clear();
        entries
    }
}
