//! Part two: what a key, or a member of a large collection, costs in memory.

use std::thread;
use std::time::Duration;

use crate::datasets;
use crate::load::populate;
use crate::peer::{Peer, Running};
use crate::report::Table;
use crate::settings::Settings;
use crate::workload::Workload;

/// Doubling tables flatter some of these sizes, so there are several.
const SIZES: &[u64] = &[300_000, 500_000, 1_000_000, 1_500_000];

/// How often a server is asked whether it is done.
pub const LOOK_EVERY: Duration = Duration::from_millis(2);

pub fn run(settings: &Settings, peers: &[Peer]) {
    if settings.wants("memory") {
        println!(
            "## Memory\n\nStrings: keys of 16 bytes, values of {}. Small collections: keys of 16 \
             bytes, ten members.\nLarge ones: one key, members of 20 bytes, a hash's values of {}.",
            datasets::VALUE_BYTES,
            datasets::VALUE_BYTES
        );
        bytes_each(peers, &data_sets());
    }
}

/// What is measured, each on a server of its own.
struct DataSet {
    name: String,
    fill: Workload,
    /// What the bytes are divided by: keys, or members of the one key.
    count: u64,
}

fn data_sets() -> Vec<DataSet> {
    let strings = SIZES.iter().map(|keys| DataSet {
        name: format!("{keys} strings, a key"),
        fill: datasets::strings(*keys),
        count: *keys,
    });
    let small = datasets::small(datasets::SMALL_KEYS)
        .into_iter()
        .map(|fill| DataSet {
            name: format!("{} small {}, a key", datasets::SMALL_KEYS, fill.name),
            count: fill.keys,
            fill,
        });
    let large = datasets::large(datasets::LARGE_MEMBERS)
        .into_iter()
        .map(|fill| DataSet {
            name: format!(
                "{} of {} members, a member",
                fill.name,
                datasets::LARGE_MEMBERS
            ),
            count: fill.keys,
            fill,
        });
    strings.chain(small).chain(large).collect()
}

fn bytes_each(peers: &[Peer], data_sets: &[DataSet]) {
    let mut by_count = Vec::new();
    let mut by_rss = Vec::new();
    for data_set in data_sets {
        let (mut counted, mut resident) = (Vec::new(), Vec::new());
        for peer in peers {
            let server = peer.start();
            let used = || {
                server
                    .info("memory", "used_memory")
                    .parse::<u64>()
                    .expect("a number")
            };
            let (used_before, rss_before) = (used(), server.rss());
            populate(server.port, &data_set.fill);
            settle(&server);
            let each = |after: u64, before: u64| (after - before) as f64 / data_set.count as f64;
            counted.push(each(used(), used_before));
            resident.push(each(server.rss(), rss_before));
        }
        by_count.push((&data_set.name, counted));
        by_rss.push((&data_set.name, resident));
    }
    let mut table = Table::begin("Bytes by used_memory", "data set", peers, 1);
    by_count
        .into_iter()
        .for_each(|(name, values)| table.row(name, values));
    let mut table = Table::begin("Bytes by resident memory", "data set", peers, 1);
    by_rss
        .into_iter()
        .for_each(|(name, values)| table.row(name, values));
    println!();
}

/// Lets the clients that filled the server go, and its table finish growing.
pub fn settle(server: &Running) {
    let one = || server.info("clients", "connected_clients") == "1";
    while !one() {
        thread::sleep(LOOK_EVERY);
    }
    thread::sleep(Duration::from_millis(500));
}
