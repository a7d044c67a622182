//! Part three: what saving, loading and a full sync cost in time, over keys of all types.

use std::thread;
use std::time::{Duration, Instant};

use crate::datasets;
use crate::load::populate;
use crate::memory::{LOOK_EVERY, settle};
use crate::pause::Pinger;
use crate::peer::{LOAD_CORE, Peer, Running, pin, unpin};
use crate::report::{Table, median};
use crate::settings::Settings;

const PINGS_APART: Duration = Duration::from_micros(500);

/// The times of one server in one round.
struct Times {
    save: f64,
    load: f64,
    sync: f64,
    worst_ping: f64,
}

pub fn run(settings: &Settings, peers: &[Peer]) {
    if !settings.wants("persist") {
        return;
    }
    println!(
        "## Saving, loading, full sync\n\n{} strings, {} small collections of each kind, and two \
         of {} members; servers on any core, medians of {} rounds.",
        datasets::STRING_KEYS,
        datasets::SMALL_KEYS,
        datasets::LARGE_MEMBERS,
        settings.rounds
    );
    // The load's own pin would hold the servers that it starts on its core too.
    unpin(std::process::id());
    let mut all: Vec<Vec<Times>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..settings.rounds {
        for (peer, times) in peers.iter().zip(&mut all) {
            times.push(one_round(peer));
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

fn one_round(peer: &Peer) -> Times {
    let server = peer.start();
    for fill in datasets::mixed() {
        populate(server.port, &fill);
    }
    settle(&server);
    let keys = server.ask("DBSIZE");
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
    assert_eq!(server.ask("DBSIZE"), keys);
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
    let pinger = Pinger::start(master.connect(), PINGS_APART);
    let start = Instant::now();
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    while replica.info("replication", "master_link_status") != "up" {
        thread::sleep(LOOK_EVERY);
    }
    let took = start.elapsed();
    let worst = pinger.stop().quantile(1.0);
    (millis(took), millis(worst))
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
