//! Part seven: the append-only file: what a write costs with it, and what rewriting and loading it
//! cost.
//!
//! A file that nobody rewrites grows with every operation, so each turn begins with a fresh one.

use std::thread;
use std::time::{Duration, Instant};

use crate::datasets;
use crate::load::{Sample, measure, populate};
use crate::memory::{LOOK_EVERY, settle};
use crate::peer::{LOAD_CORE, Peer, Running, SERVER_CORE, cpu_time, pin, unpin};
use crate::persistence::millis;
use crate::report::{Table, median};
use crate::settings::Settings;
use crate::speed::{Row, median_sample, print_tables};
use crate::workload::Workload;

const POLICIES: [&str; 3] = ["no", "everysec", "always"];

/// Keys of the parts about writes: few, since they are rewritten before each turn.
pub const KEYS: u64 = 100_000;

/// A rewrite that takes longer does not come to an end.
const REWRITE_MAX: Duration = Duration::from_secs(120);

pub fn run(settings: &Settings, peers: &[Peer]) {
    if settings.wants("aof") {
        writes(settings, peers);
    }
    if settings.wants("rewrite") {
        rewriting_and_loading(settings, peers);
    }
}

/// What a server is started with that keeps a file and rewrites it only when it is told to.
pub fn keeping_a_file<'a>(policy: &'a str, preamble: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("appendonly", "yes"),
        ("appendfsync", policy),
        ("aof-use-rdb-preamble", preamble),
        ("auto-aof-rewrite-percentage", "0"),
    ]
}

/// Has a server rewrite its file, and waits for that.
pub fn rewrite(server: &Running) {
    let reply = server.ask("BGREWRITEAOF");
    assert!(reply.starts_with("+Background"), "BGREWRITEAOF: {reply}");
    let deadline = Instant::now() + REWRITE_MAX;
    let figure = |field| server.info("persistence", field);
    while figure("aof_rewrite_in_progress") != "0" || figure("aof_rewrite_scheduled") != "0" {
        assert!(Instant::now() < deadline, "a rewrite does not end");
        thread::sleep(LOOK_EVERY);
    }
    assert_eq!(figure("aof_last_bgrewrite_status"), "ok");
}

fn writes(settings: &Settings, peers: &[Peer]) {
    println!(
        "## Writes with an append-only file\n\n{} clients, {KEYS} keys of 16 bytes, values of {} \
         bytes, by `appendfsync`; medians of {} rounds of {:.1} s.",
        settings.clients,
        settings.value_bytes,
        settings.rounds,
        settings.turn_time.as_secs_f64()
    );
    let set = Workload::set("set", KEYS, settings.value_bytes);
    let mut rows = Vec::new();
    for policy in POLICIES {
        let start = |peer: &Peer| {
            let server = peer.start_with(&keeping_a_file(policy, "yes"));
            pin(server.pid(), SERVER_CORE);
            populate(server.port, &set);
            server
        };
        let servers: Vec<Running> = peers.iter().map(start).collect();
        for pipeline in &settings.pipelines {
            let mut turns: Vec<Vec<Sample>> = vec![Vec::new(); servers.len()];
            for round in 0..settings.rounds {
                let turn = settings.turn(*pipeline, u64::MAX, round);
                for (server, turns) in servers.iter().zip(&mut turns) {
                    rewrite(server);
                    turns.push(measure(server.port, server.pid(), &set, turn));
                }
            }
            rows.push(Row {
                name: format!("set, {policy}, pipeline {pipeline}"),
                samples: turns.iter().map(|turns| median_sample(turns)).collect(),
            });
        }
    }
    print_tables(&rows, peers);
}

/// What a server took for something, in milliseconds.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

/// The costs of one server in one round, in the order of [`WHAT`].
type Costs = [Cost; 5];

const WHAT: [&str; 5] = [
    "rewrite with preamble, the child",
    "rewrite without, the child",
    "load of a base with preamble",
    "load of a base without",
    "load of increments",
];

fn rewriting_and_loading(settings: &Settings, peers: &[Peer]) {
    println!(
        "## Rewriting and loading an append-only file\n\n{} strings, {} small collections of each \
         kind, and two of {} members; servers on any core, medians of {} rounds. A load is from \
         the start of the process to its first answer.",
        datasets::STRING_KEYS,
        datasets::SMALL_KEYS,
        datasets::LARGE_MEMBERS,
        settings.rounds
    );
    // The load's own pin would hold the servers that it starts on its core too.
    unpin(std::process::id());
    let mut all: Vec<Vec<Costs>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..settings.rounds {
        for (peer, costs) in peers.iter().zip(&mut all) {
            costs.push(one_round(peer));
        }
    }
    pin(std::process::id(), LOAD_CORE);
    let print = |title, field: fn(&Cost) -> f64| {
        let mut table = Table::begin(title, "what", peers, 1);
        for (at, what) in WHAT.iter().enumerate() {
            let of_peer = |costs: &Vec<Costs>| {
                let all = costs.iter().map(|costs| field(&costs[at]));
                median(all.collect())
            };
            table.row(what, all.iter().map(of_peer).collect());
        }
    };
    print("Processor time in milliseconds", |cost| cost.cpu);
    print("Time in milliseconds", |cost| cost.wall);
    println!();
}

fn one_round(peer: &Peer) -> Costs {
    let server = peer.start_with(&keeping_a_file("no", "no"));
    for fill in datasets::mixed() {
        populate(server.port, &fill);
    }
    settle(&server);
    let keys = server.ask("DBSIZE");
    let loaded = |server: Running| {
        let (server, wall) = server.restart(peer);
        let cpu = cpu_time(server.pid());
        assert_eq!(server.ask("DBSIZE"), keys, "{} lost keys", peer.name);
        let cost = Cost {
            cpu: millis(cpu),
            wall: millis(wall),
        };
        (server, cost)
    };
    let (server, load_increments) = loaded(server);
    let rewrite_without = rewriting(&server);
    let (server, load_without) = loaded(server);
    assert_eq!(server.ask("CONFIG SET aof-use-rdb-preamble yes"), "+OK");
    let rewrite_with = rewriting(&server);
    let (_, load_with) = loaded(server);
    [
        rewrite_with,
        rewrite_without,
        load_with,
        load_without,
        load_increments,
    ]
}

fn rewriting(server: &Running) -> Cost {
    let children = || -> f64 {
        let seconds = |field| -> f64 { server.info("cpu", field).parse().expect("seconds") };
        1000.0 * (seconds("used_cpu_user_children") + seconds("used_cpu_sys_children"))
    };
    let before = children();
    let start = Instant::now();
    rewrite(server);
    let wall = millis(start.elapsed());
    Cost {
        cpu: children() - before,
        wall,
    }
}
