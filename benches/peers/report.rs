//! Markdown out of measurements.

use std::fs;

use crate::peer::Peer;

/// What the numbers below were taken on.
pub fn machine(peers: &[Peer]) {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!(
        "Machine: {}, {cores} cores, Linux {}.\n",
        model.trim_start_matches(['\t', ' ', ':']),
        kernel.trim()
    );
    for peer in peers {
        println!("- {}: `{}`", peer.name, peer.version());
    }
    println!();
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    assert!(!numbers.is_empty());
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 {
        numbers[middle]
    } else {
        (numbers[middle - 1] + numbers[middle]) / 2.0
    }
}

/// A table with a column for each server and, if ours is the first of several, our ratio to each
/// of the others.
pub struct Table {
    rows: Vec<(String, Vec<f64>)>,
    digits: usize,
}

impl Table {
    pub fn begin(title: &str, what: &str, peers: &[Peer], digits: usize) -> Table {
        println!("\n### {title}\n");
        let mut header = format!("| {what} |");
        let mut rule = "| --- |".to_owned();
        for peer in peers {
            header.push_str(&format!(" {} |", peer.name));
            rule.push_str(" ---: |");
        }
        for peer in ratios(peers) {
            header.push_str(&format!(" ÷ {} |", peer.name));
            rule.push_str(" ---: |");
        }
        println!("{header}\n{rule}");
        Table {
            rows: Vec::new(),
            digits,
        }
    }

    pub fn row(&mut self, name: &str, values: Vec<f64>) {
        let mut line = format!("| {name} |");
        for value in &values {
            line.push_str(&format!(" {} |", grouped(*value, self.digits)));
        }
        if values.len() > 1 {
            for other in &values[1..] {
                line.push_str(&format!(" {:.2} |", values[0] / other));
            }
        }
        println!("{line}");
        self.rows.push((name.to_owned(), values));
    }
}

fn ratios(peers: &[Peer]) -> &[Peer] {
    if peers.len() > 1 { &peers[1..] } else { &[] }
}

/// A number with its thousands apart.
fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if digits > 0 {
        out.push('.');
        out.push_str(fraction);
    }
    out
}
