//! Reads the logs of all nodes as they grow.

use super::state::{Keeper, now_us};
use crate::lab::log;
use crate::lab::model::What;

impl Keeper {
    /// Notes what nodes have logged since the last call, as far as it is worth a mark.
    pub(super) fn read_logs(&mut self) {
        for (node, tail) in self.nodes.iter().zip(&mut self.logs) {
            let lines = match tail.take_lines() {
                Ok(lines) => lines,
                Err(e) => vec![format!("{}: {e}", tail.path().display())],
            };
            for line in lines {
                let kind = node.planned.facts.kind;
                let parsed = log::parse(&line);
                let Some(what) = parsed.and_then(|line| log::mark(node.name(), kind, line)) else {
                    continue;
                };
                let at_us = parsed.map_or_else(now_us, |line| line.at_us);
                if let What::Sentinel { name, .. } = &what {
                    self.events.push(name.clone());
                }
                self.record.event(at_us, what);
            }
        }
    }
}
