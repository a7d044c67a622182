//! How everything is, as a table for people.

use std::fmt::Write as _;

use super::state::Keeper;
use crate::lab::model::{LinkState, ProcessState};

/// A table whose columns are as wide as they must be.
#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(str::to_owned).to_vec());
    }

    fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(line, "{cell:width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

impl Keeper {
    /// Nodes with their roles, links, offsets and epochs; links that are disturbed; writers.
    pub(super) fn status(&self) -> String {
        let mut text = self.servers_table() + &self.sentinels_table();
        let disturbed = self.disturbed_links();
        if !disturbed.is_empty() {
            let _ = write!(text, "\n{disturbed}");
        }
        let mut writers = Table::default();
        for (name, counts) in self.clients.counts() {
            let acknowledged = format!("{} acknowledged", counts.acknowledged);
            let (refused, unknown) = (
                format!("{} refused", counts.refused),
                format!("{} without a reply", counts.unknown),
            );
            writers.row([name, &acknowledged, &refused, &unknown]);
        }
        if !writers.rows.is_empty() {
            let _ = write!(text, "\n{}", writers.text());
        }
        text
    }

    fn servers_table(&self) -> String {
        let newest = (0..self.nodes.len())
            .filter_map(|number| self.views.server(number)?.offset)
            .max();
        let mut table = Table::default();
        table.row([
            "NODE", "STATE", "ROLE", "FOLLOWS", "LINK", "OFFSET", "BEHIND", "STALE", "KEYS",
            "VERSION",
        ]);
        for (number, node) in self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.is_server())
        {
            let seen = self.views.server(number).cloned().unwrap_or_default();
            let behind = newest.zip(seen.offset).map(|(newest, at)| newest - at);
            table.row([
                node.name(),
                self.state_word(number, seen.silent),
                &shown(seen.role),
                &shown(seen.follows),
                seen.link_up
                    .map_or("-", |up| if up { "up" } else { "down" }),
                &shown(seen.offset),
                &shown(behind),
                &shown(
                    self.clients
                        .staleness(node.name())
                        .map(|ms| format!("{ms} ms")),
                ),
                &shown(seen.keys),
                &node.planned.facts.version,
            ]);
        }
        table.text()
    }

    fn sentinels_table(&self) -> String {
        let mut table = Table::default();
        for (number, node) in self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| !node.is_server())
        {
            let seen = self.views.sentinel(number).cloned().unwrap_or_default();
            let state = self.state_word(number, seen.silent);
            let said: Vec<String> = seen
                .masters
                .iter()
                .map(|master| {
                    format!(
                        "{} is {} ({}), epoch {}, {} replicas, {} other Sentinels",
                        master.name,
                        master.at,
                        master.flags,
                        master.epoch,
                        master.replicas,
                        master.sentinels
                    )
                })
                .collect();
            let version = &node.planned.facts.version;
            table.row([node.name(), state, &said.join("; "), version]);
        }
        match table.rows.is_empty() {
            true => String::new(),
            false => format!("\n{}", table.text()),
        }
    }

    fn state_word(&self, number: usize, silent: bool) -> &'static str {
        match self.nodes[number].state() {
            ProcessState::Up if silent => "silent",
            ProcessState::Up => "up",
            ProcessState::Stopped => "stopped",
            ProcessState::Down => "down",
        }
    }

    fn disturbed_links(&self) -> String {
        let mut table = Table::default();
        for link in self.relay.traffic() {
            if link.state != LinkState::default() {
                table.row([&link.from, "->", &link.to, &link_words(link.state)]);
            }
        }
        table.text()
    }
}

fn link_words(state: LinkState) -> String {
    let mut words = Vec::new();
    if state.cut {
        words.push("cut".to_owned());
    }
    if state.delay_us > 0 {
        words.push(format!("delayed by {} ms", state.delay_us as f64 / 1e3));
    }
    if state.bytes_per_s > 0 {
        words.push(format!("{} bytes/s", state.bytes_per_s));
    }
    words.join(", ")
}
