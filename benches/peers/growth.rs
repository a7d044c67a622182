//! Part four: GET and SET as the key space grows past the caches.

use std::fs;

use crate::load::populate;
use crate::peer::{Peer, Running, SERVER_CORE, pin};
use crate::report::Table;
use crate::settings::Settings;
use crate::speed::{Case, alternate};
use crate::workload::Workload;

const SIZES: &[u64] = &[10_000, 1_000_000, 10_000_000];

const PIPELINE: usize = 16;

/// More than any of the servers needs for a key with a small value.
const BYTES_PER_KEY_MAX: u64 = 160;

pub fn run(settings: &Settings, peers: &[Peer]) {
    if !settings.wants("growth") {
        return;
    }
    println!(
        "## As the key space grows\n\nPipeline {PIPELINE}, medians of {} rounds.",
        settings.rounds
    );
    let mut rows = Vec::new();
    for size in SIZES {
        let needed = size * BYTES_PER_KEY_MAX * peers.len() as u64;
        if needed > available_memory() {
            println!(
                "\n{size} keys are left out: they need about {} MB.",
                needed >> 20
            );
            continue;
        }
        let servers: Vec<Running> = peers.iter().map(Peer::start).collect();
        let get = Case::steady(Workload::get("get", *size));
        let set = Case::steady(Workload::set("set", *size, settings.value_bytes));
        for server in &servers {
            pin(server.pid(), SERVER_CORE);
            populate(server.port, &set.workload);
        }
        for case in [&get, &set] {
            let samples = alternate(settings, &servers, case, PIPELINE);
            let name = format!("{}, {size} keys", case.workload.name);
            rows.push((name, samples.iter().map(|s| s.cpu_ns_per_op).collect()));
        }
    }
    let mut table = Table::begin("Server CPU, ns per operation", "workload", peers, 0);
    rows.into_iter()
        .for_each(|(name, values)| table.row(&name, values));
    println!();
}

fn available_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))
        .unwrap_or_default();
    let kilobytes = line
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
