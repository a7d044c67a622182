//! Part two: what a key costs in memory, and what saving, loading and a full sync cost in time.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::populate;
use crate::peer::{LOAD_CORE, Peer, Running, pin, unpin};
use crate::report::{Table, median};
use crate::settings::Settings;
use crate::workload::Workload;

/// Doubling tables flatter some of these sizes, so there are several.
const SIZES: &[u64] = &[300_000, 500_000, 1_000_000, 1_500_000];

const VALUE_BYTES: usize = 32;

/// How often a server is asked whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(2);

pub fn run(settings: &Settings, peers: &[Peer]) {
    if settings.wants("memory") {
        println!("## Memory\n\nStrings: keys of 16 bytes, values of {VALUE_BYTES}.");
        bytes_per_key(peers);
    }
    if settings.wants("persist") {
        persistence(settings, peers);
    }
}

fn bytes_per_key(peers: &[Peer]) {
    let mut by_count = Vec::new();
    let mut by_rss = Vec::new();
    for size in SIZES {
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
            populate(server.port, &Workload::set("fill", *size, VALUE_BYTES));
            settle(&server);
            let per_key = |after: u64, before: u64| (after - before) as f64 / *size as f64;
            counted.push(per_key(used(), used_before));
            resident.push(per_key(server.rss(), rss_before));
        }
        by_count.push((format!("{size} keys"), counted));
        by_rss.push((format!("{size} keys"), resident));
    }
    let mut table = Table::begin("Bytes per key, by used_memory", "data set", peers, 1);
    by_count
        .into_iter()
        .for_each(|(name, values)| table.row(&name, values));
    let mut table = Table::begin("Bytes per key, by resident memory", "data set", peers, 1);
    by_rss
        .into_iter()
        .for_each(|(name, values)| table.row(&name, values));
    println!();
}

/// Lets the clients that filled the server go, and its table finish growing.
fn settle(server: &Running) {
    let one = || server.info("clients", "connected_clients") == "1";
    while !one() {
        thread::sleep(LOOK_EVERY);
    }
    thread::sleep(Duration::from_millis(500));
}

/// The times of one server in one round.
struct Times {
    save: f64,
    load: f64,
    sync: f64,
    worst_ping: f64,
}

fn persistence(settings: &Settings, peers: &[Peer]) {
    println!(
        "## Saving, loading, full sync\n\n{} strings (16-byte keys, {VALUE_BYTES}-byte values), \
         servers on any core, medians of {} rounds.",
        settings.keys, settings.rounds
    );
    // The load's own pin would hold the servers that it starts on its core too.
    unpin(std::process::id());
    let mut all: Vec<Vec<Times>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..settings.rounds {
        for (peer, times) in peers.iter().zip(&mut all) {
            times.push(one_round(settings, peer));
        }
    }
    pin(std::process::id(), LOAD_CORE);
    let medians = |field: fn(&Times) -> f64| -> Vec<f64> {
        all.iter()
            .map(|times| median(times.iter().map(field).collect()))
            .collect()
    };
    let mut table = Table::begin("Times in milliseconds", "what", peers, 1);
    table.row("BGSAVE", medians(|t| t.save));
    table.row("load at start", medians(|t| t.load));
    table.row("full sync to a fresh replica", medians(|t| t.sync));
    table.row(
        "worst PING at the master meanwhile",
        medians(|t| t.worst_ping),
    );
    println!();
}

fn one_round(settings: &Settings, peer: &Peer) -> Times {
    let server = peer.start();
    populate(
        server.port,
        &Workload::set("fill", settings.keys, VALUE_BYTES),
    );
    settle(&server);
    let start = Instant::now();
    server.ask("BGSAVE");
    while server.info("persistence", "rdb_bgsave_in_progress") != "0" {
        thread::sleep(LOOK_EVERY);
    }
    let save = millis(start.elapsed());
    assert!(
        server.dir().join("dump.rdb").is_file(),
        "{} saved nothing",
        peer.name
    );
    let (server, loaded) = server.restart(peer);
    assert_eq!(server.ask("DBSIZE"), format!(":{}", settings.keys));
    let (sync, worst_ping) = full_sync(&server, peer);
    Times {
        save,
        load: millis(loaded),
        sync,
        worst_ping,
    }
}

fn full_sync(master: &Running, peer: &Peer) -> (f64, f64) {
    let replica = peer.start();
    let stop = Arc::new(AtomicBool::new(false));
    let (seen, mut stream) = (Arc::clone(&stop), master.connect());
    let pinging = thread::spawn(move || {
        let (mut worst, mut reply) = (Duration::ZERO, [0; 7]);
        while !seen.load(Ordering::SeqCst) {
            let start = Instant::now();
            stream.write_all(b"PING\r\n").expect("the master takes it");
            stream.read_exact(&mut reply).expect("the master answers");
            worst = worst.max(start.elapsed());
            thread::sleep(Duration::from_micros(500));
        }
        worst
    });
    let start = Instant::now();
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    while replica.info("replication", "master_link_status") != "up" {
        thread::sleep(LOOK_EVERY);
    }
    let took = start.elapsed();
    stop.store(true, Ordering::SeqCst);
    (millis(took), millis(pinging.join().expect("no panic")))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
