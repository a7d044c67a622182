//! Single servers with an append-only file, which end in every way that there is.
//!
//! A run is one server and some clients, and what may happen to the server: its process dies,
//! perhaps in the middle of a call, or its machine loses power; its disk is full, fails, loses what
//! it was to sync, or is slow; children do not come about; and it is told to rewrite its file, to
//! switch it on and off, and to keep it in another way. Whenever it starts again it must have what
//! `survival.rs` says, and it must start, unless the disk fails it right then. In the end nothing
//! disturbs it any more, and it must take writes again without being started anew.

use super::cluster::Cluster;
use super::net::HostId;
use super::node::{self, Node};
use super::random_runs;
use super::survival::JOURNAL;
use crate::base::rng::Rng;
use crate::config::Settings;
use crate::engine::path_of;
use crate::resp::args::encode_command;

/// The server.
const SERVER: HostId = 0;
/// Clients that write.
const CLIENTS: usize = 3;
/// A server whose disk is in order takes writes again, and has a file, within this time: a rewrite
/// that has failed again and again is put off for some minutes.
const RECOVERY_MS_MAX: u64 = 30 * 60 * 1000;

/// Settings of a server with an append-only file.
fn settings(rng: &mut Rng) -> Settings {
    Settings {
        key_load_delay: 0,
        appendonly: rng.below(5) > 0,
        ..node::settings_with_file(rng)
    }
}

/// A file as servers had it before there were folders, which is found at the start.
fn put_old_file(node: &mut Node, rng: &mut Rng) {
    let numbers: Vec<u64> = (0..rng.below(20)).map(|n| 1_000_000 + n).collect();
    let mut bytes = Vec::new();
    for number in &numbers {
        let number = number.to_string();
        let argv: [&[u8]; 3] = [b"RPUSH", JOURNAL.as_bytes(), number.as_bytes()];
        encode_command(&argv, &mut bytes);
    }
    let path = path_of(&node.settings.appendfilename);
    let is_synced = rng.below(2) == 0;
    node.disk.put(&path, bytes, is_synced);
    node.survival.expect(numbers, is_synced);
}

/// What somebody may tell the server.
fn order(rng: &mut Rng) -> String {
    let yes_or_no = |rng: &mut Rng| ["yes", "no"][rng.below(2) as usize];
    match rng.below(12) {
        0..=2 => "BGREWRITEAOF".to_owned(),
        3 | 4 => "CONFIG SET appendonly yes".to_owned(),
        5 => "CONFIG SET appendonly no".to_owned(),
        6 => {
            let policy = ["always", "everysec", "no"][rng.below(3) as usize];
            format!("CONFIG SET appendfsync {policy}")
        }
        7 => format!("CONFIG SET no-appendfsync-on-rewrite {}", yes_or_no(rng)),
        8 => format!("CONFIG SET aof-use-rdb-preamble {}", yes_or_no(rng)),
        9 => format!("CONFIG SET aof-timestamp-enabled {}", yes_or_no(rng)),
        10 => "BGSAVE".to_owned(),
        _ => "FLUSHALL".to_owned(),
    }
}

/// One thing that may happen to a server or its disk.
fn disturb(cluster: &mut Cluster) {
    let net = std::rc::Rc::clone(&cluster.net);
    let Cluster { nodes, rng, .. } = cluster;
    let node = &mut nodes[SERVER];
    match rng.below(24) {
        0 => node.kill(&net),
        1 => node.lose_power(&net),
        2..=5 => {
            node.loses_power = rng.below(2) == 0;
            node.disk.end_process_after(Some(rng.below(25)));
        }
        6 => node.terminate(&net),
        7 => node.disk.set_room(Some(rng.below(3000) as usize)),
        8..=10 => node.disk.mend(),
        11 => {
            let chance = rng.fork();
            node.disk.set_failing(rng.below(300), chance);
        }
        12 => node.disk.fail_syncs(1 + rng.below(2)),
        13 => node.disk.fail_cuts(1),
        14 => node.disk.fail_folder_syncs(1),
        15 => node.disk.set_sync_time(1..2 + rng.below(4_000_000)),
        16 => node.disk.set_speed(rng.below(20_000)),
        17 => node.frozen_until_us = net.borrow().now_us + rng.below(4_000_000),
        _ => {
            let order = order(rng);
            cluster.tell(SERVER, &order);
        }
    }
}

/// Starts the server, if it is down.
fn start(cluster: &mut Cluster) {
    let net = std::rc::Rc::clone(&cluster.net);
    let Cluster { nodes, rng, .. } = cluster;
    let node = &mut nodes[SERVER];
    if node.is_up() {
        return;
    }
    match rng.below(12) {
        0 => node.disk.set_unreadable(true),
        1 => node.disk.set_failing(100, rng.fork()),
        2 | 3 => node.disk.end_process_after(Some(rng.below(15))),
        _ => {}
    }
    node.loses_power = rng.below(2) == 0;
    let rng = rng.fork();
    node.start(&net, None, rng);
}

/// The server runs, its disk does what it is asked, and nobody tells it anything: it must take
/// writes, and have its file.
fn check_recovery(cluster: &mut Cluster) {
    let node = &mut cluster.nodes[SERVER];
    node.frozen_until_us = 0;
    node.disk.mend();
    node.disk.end_process_after(None);
    node.children_fail = false;
    cluster.run_ms(5000);
    let rng = cluster.rng.fork();
    let net = std::rc::Rc::clone(&cluster.net);
    cluster.nodes[SERVER].start(&net, None, rng);
    let deadline_ms = cluster.now_ms() + RECOVERY_MS_MAX;
    while !cluster.nodes[SERVER].is_in_order() {
        let words = &cluster.nodes[SERVER].last_words;
        assert!(cluster.now_ms() < deadline_ms, "no recovery: {words}");
        cluster.run_ms(500);
    }
}

/// One random run. Returns all that was seen, as one number.
fn crash_run(seed: u64) -> u64 {
    let mut cluster = Cluster::new(seed, 0);
    let settings = settings(&mut cluster.rng);
    let mut node = Node::new(SERVER, settings);
    node.children_fail = true;
    node.keeps_journal = true;
    node.is_emptied = true;
    node.survival.is_exact = true;
    if node.settings.appendonly && cluster.rng.below(4) == 0 {
        put_old_file(&mut node, &mut cluster.rng);
    }
    cluster.nodes.push(node);
    for _ in 0..40 {
        if cluster.rng.below(3) > 0 {
            start(&mut cluster);
        }
        for _ in 0..cluster.rng.below(6) {
            cluster.write_to_journal(SERVER, CLIENTS);
        }
        if cluster.rng.below(3) > 0 {
            disturb(&mut cluster);
        }
        let ms = cluster.rng.below(800);
        cluster.run_ms(ms);
    }
    check_recovery(&mut cluster);
    for _ in 0..5 {
        cluster.write_to_journal(SERVER, CLIENTS);
    }
    cluster.run_ms(4000);
    assert!(cluster.nodes[SERVER].is_in_order());
    let net = std::rc::Rc::clone(&cluster.net);
    let power = cluster.rng.below(2) == 0;
    let node = &mut cluster.nodes[SERVER];
    match power {
        true => node.lose_power(&net),
        false => node.kill(&net),
    }
    cluster.start(SERVER, None);
    cluster.run_ms(1000);
    assert!(cluster.nodes[SERVER].is_up());
    cluster.oracle.trace()
}

#[test]
fn a_server_with_an_append_only_file_starts_with_what_it_has_promised() {
    random_runs(crash_run);
}

#[test]
fn a_seed_repeats_its_crash_run_to_the_last_event() {
    for seed in [1, 2, 3, 4, 5] {
        assert_eq!(crash_run(seed), crash_run(seed), "seed {seed}");
    }
}
