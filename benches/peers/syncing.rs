//! Part nine: a full sync of 10^7 keys, and how long the master's other clients wait meanwhile.
//!
//! The time is that from `REPLICAOF` until the replica says that its link is up: the fork, the
//! snapshot, its way to the replica, and the load. A client pings the master all the time; it waits
//! for the fork, and for whatever the snapshot costs the master's own thread. Master, replica and
//! the master's child have the machine's cores as the system gives them.

use std::thread;
use std::time::{Duration, Instant};

use crate::load::populate;
use crate::memory::LOOK_EVERY;
use crate::pause::{Latencies, Pinger};
use crate::peer::{Peer, Running, unpin};
use crate::persistence::millis;
use crate::report::{Table, median};
use crate::settings::Settings;
use crate::workload::Workload;

const KEYS: u64 = 10_000_000;
const PINGS_APART: Duration = Duration::from_micros(200);

/// A sync that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(600);

pub fn run(settings: &Settings, peers: &[Peer]) {
    if !settings.wants("sync") {
        return;
    }
    println!(
        "## Full sync\n\nA master with {KEYS} keys of 16 bytes and values of {} bytes, an empty \
         replica, no compression; a client of the master sends a PING every {} µs. Medians of {} \
         rounds.",
        settings.value_bytes,
        PINGS_APART.as_micros(),
        settings.rounds
    );
    for (way, diskless) in [("through sockets", "yes"), ("through a file", "no")] {
        let samples = alternate(settings, peers, diskless);
        let mut table = Table::begin(&format!("Sync {way}"), "what", peers, 1);
        let mut row = |name: &str, figure: &dyn Fn(&Sample) -> f64| {
            let of_peer = |samples: &Vec<Sample>| median(samples.iter().map(figure).collect());
            table.row(name, samples.iter().map(of_peer).collect());
        };
        row("until the link is up, ms", &|sample| millis(sample.took));
        row("PING, 99 %, ms", &|sample| {
            millis(sample.pings.quantile(0.99))
        });
        row("PING, worst, ms", &|sample| {
            millis(sample.pings.quantile(1.0))
        });
        println!();
    }
}

struct Sample {
    took: Duration,
    pings: Latencies,
}

/// Rounds in which each peer has a turn.
fn alternate(settings: &Settings, peers: &[Peer], diskless: &str) -> Vec<Vec<Sample>> {
    let mut samples: Vec<Vec<Sample>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..settings.rounds {
        for (peer, samples) in peers.iter().zip(&mut samples) {
            samples.push(sync(settings, peer, diskless));
        }
    }
    samples
}

fn sync(settings: &Settings, peer: &Peer, diskless: &str) -> Sample {
    let start = || {
        let options = [
            ("repl-diskless-sync", diskless),
            ("repl-diskless-sync-delay", "0"),
            ("rdbcompression", "no"),
        ];
        let server = peer.start_with(&options);
        unpin(server.pid());
        server
    };
    let (master, replica) = (start(), start());
    let set = Workload::set("fill", KEYS, settings.value_bytes);
    populate(master.port, &set);
    let pinger = Pinger::start(master.connect(), PINGS_APART);
    let begin = Instant::now();
    let reply = replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    assert_eq!(reply, "+OK");
    wait_until_up(&replica, begin);
    let took = begin.elapsed();
    assert_eq!(replica.ask("DBSIZE"), format!(":{KEYS}"));
    Sample {
        took,
        pings: pinger.stop(),
    }
}

fn wait_until_up(replica: &Running, begin: Instant) {
    while replica.info("replication", "master_link_status") != "up" {
        assert!(begin.elapsed() < PATIENCE, "the sync does not end");
        thread::sleep(LOOK_EVERY);
    }
}
