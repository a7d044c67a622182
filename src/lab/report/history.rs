//! A record, sorted: what belongs together is together, and in the order in which it happened.
//!
//! A record may have been broken off, may name nodes that it never introduced, and may hold entries
//! out of order. All of that is settled here once, so that whoever reads a [`History`] need not
//! think of it.

use std::collections::{BTreeMap, HashMap};

use super::words::{duration, seconds};
use crate::lab::model::{
    Entry, Event, NodeKind, Record, Sample, Setup, Staleness, UnixUs, Verdict, What, Writes,
};

/// The shortest time that a history spans, so that nothing divides by zero.
const SPAN_MIN_US: i64 = 1_000;

/// A node, whether the record introduces it or only speaks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Where others reach it; empty if the record does not say.
    pub address: String,
    /// Its program; may be empty.
    pub program: String,
    /// Its version; may be empty.
    pub version: String,
}

/// What a record tells, in order.
#[derive(Debug)]
pub struct History<'a> {
    /// What was tried.
    pub setup: Setup,
    /// When it began.
    pub from_us: UnixUs,
    /// When it ended, or when the last thing happened that is known; later than `from_us`.
    pub to_us: UnixUs,
    /// Whether the record has its last line.
    pub is_complete: bool,
    /// All nodes, in the order in which they were added; servers and Sentinels mixed.
    pub nodes: Vec<Node>,
    /// What happened, by time.
    pub events: Vec<&'a Event>,
    /// How each server was seen, by time.
    pub samples: BTreeMap<&'a str, Vec<&'a Sample>>,
    /// What each writer did, by time.
    pub writes: BTreeMap<&'a str, Vec<&'a Writes>>,
    /// How old what readers saw was, for each node, by time.
    pub reads: BTreeMap<&'a str, Vec<&'a Staleness>>,
    /// The last verdict on each writer.
    pub verdicts: BTreeMap<&'a str, &'a Verdict>,
    by_address: HashMap<String, usize>,
}

impl<'a> History<'a> {
    /// Sorts a record.
    pub fn of(record: &'a Record) -> History<'a> {
        let mut history = History {
            setup: Setup::default(),
            from_us: 0,
            to_us: 0,
            is_complete: false,
            nodes: Vec::new(),
            events: Vec::new(),
            samples: BTreeMap::new(),
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            by_address: HashMap::new(),
        };
        let (mut begun, mut ended) = (None, None);
        for entry in &record.entries {
            match entry {
                Entry::Begun(setup) => {
                    history.setup = setup.clone();
                    begun = Some(setup.at_us);
                }
                Entry::Ended { at_us } => ended = Some(*at_us),
                other => history.take(other),
            }
        }
        history.introduce_the_others();
        history.sort();
        let times = history.times();
        history.from_us = begun.unwrap_or(times.map_or(0, |t| t.0));
        let last = ended.unwrap_or(times.map_or(history.from_us, |t| t.1));
        history.to_us = last.max(history.from_us.saturating_add(SPAN_MIN_US));
        history.is_complete = ended.is_some();
        history
    }

    /// Time since the beginning, in microseconds; negative for what happened before.
    pub fn since_start(&self, at_us: UnixUs) -> i64 {
        at_us.saturating_sub(self.from_us)
    }

    /// A stretch of time in words: `from 1.200 s to 1.500 s (300 ms)`.
    pub fn stretch(&self, from_us: UnixUs, to_us: UnixUs) -> String {
        let from = seconds(self.since_start(from_us));
        let to = seconds(self.since_start(to_us));
        let length = duration(to_us.saturating_sub(from_us).max(0) as u64);
        format!("from {from} s to {to} s ({length})")
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The name of the node at this address, else the address.
    pub fn name_at<'s>(&'s self, address: &'s str) -> &'s str {
        match self.by_address.get(address) {
            Some(index) => &self.nodes[*index].name,
            None => address,
        }
    }

    fn take(&mut self, entry: &'a Entry) {
        match entry {
            Entry::Node(facts) => {
                let node = Node {
                    name: facts.name.clone(),
                    kind: facts.kind,
                    address: facts.address.to_string(),
                    program: facts.program.clone(),
                    version: facts.version.clone(),
                };
                // One that is introduced again runs another program from then on.
                let known = self.nodes.iter().position(|n| n.name == node.name);
                let index = known.unwrap_or(self.nodes.len());
                self.by_address.insert(node.address.clone(), index);
                match known {
                    Some(index) => self.nodes[index] = node,
                    None => self.nodes.push(node),
                }
            }
            Entry::Event(event) => self.events.push(event),
            Entry::Sample(sample) => self.samples.entry(&sample.node).or_default().push(sample),
            Entry::Writes(writes) => self.writes.entry(&writes.writer).or_default().push(writes),
            Entry::Read(read) => self.reads.entry(&read.node).or_default().push(read),
            Entry::Verdict(verdict) => {
                self.verdicts.insert(&verdict.writer, verdict);
            }
            Entry::Begun(_) | Entry::Ended { .. } => {}
        }
    }

    /// Adds the nodes that the record speaks of without having introduced them.
    fn introduce_the_others(&mut self) {
        let sampled = self.samples.keys().map(|name| (*name, NodeKind::Server));
        let logged = self.events.iter().filter_map(|event| match &event.what {
            What::Role { node, .. } => Some((node.as_str(), NodeKind::Server)),
            What::Sentinel { node, .. } => Some((node.as_str(), NodeKind::Sentinel)),
            _ => None,
        });
        for (name, kind) in sampled.chain(logged).collect::<Vec<_>>() {
            if self.node(name).is_none() {
                self.nodes.push(Node {
                    name: name.to_owned(),
                    kind,
                    address: String::new(),
                    program: String::new(),
                    version: String::new(),
                });
            }
        }
    }

    fn sort(&mut self) {
        self.events.sort_by_key(|event| event.at_us);
        for samples in self.samples.values_mut() {
            samples.sort_by_key(|sample| sample.at_us);
        }
        for writes in self.writes.values_mut() {
            writes.sort_by_key(|writes| writes.at_us);
        }
        for reads in self.reads.values_mut() {
            reads.sort_by_key(|read| read.at_us);
        }
    }

    /// The first and the last time that anything happened.
    fn times(&self) -> Option<(UnixUs, UnixUs)> {
        let mut ends = Vec::new();
        ends.extend(self.events.iter().map(|event| event.at_us));
        for samples in self.samples.values() {
            ends.extend([samples[0].at_us, samples[samples.len() - 1].at_us]);
        }
        for writes in self.writes.values() {
            ends.extend([writes[0].at_us, writes[writes.len() - 1].at_us]);
        }
        for reads in self.reads.values() {
            ends.extend([reads[0].at_us, reads[reads.len() - 1].at_us]);
        }
        Some((*ends.iter().min()?, *ends.iter().max()?))
    }
}
