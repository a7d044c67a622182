//! Part eight: what a write costs at a master and at each of its replicas, plain and with an
//! append-only file at all of them.
//!
//! A replica's work ends later than its master's, so a turn lasts until every replica says that it
//! has everything, and counts all that was sent.

use std::thread;
use std::time::{Duration, Instant};

use crate::appending::{KEYS, keeping_a_file, rewrite};
use crate::load::{drive, populate};
use crate::memory::LOOK_EVERY;
use crate::peer::{Peer, Running, SERVER_CORE, cpu_time, pin};
use crate::report::{Table, median};
use crate::settings::Settings;
use crate::workload::Workload;

const REPLICAS: [usize; 2] = [1, 3];
const PIPELINE: usize = 16;

/// A replica that takes longer will never have everything.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn run(settings: &Settings, peers: &[Peer]) {
    if !settings.wants("replicated") {
        return;
    }
    println!(
        "## Replicated writes\n\nSET, {} clients, pipeline {PIPELINE}, {KEYS} keys of 16 bytes, \
         values of {} bytes; all servers on one core, medians of {} rounds of {:.1} s. With a \
         file: `appendfsync everysec` at master and replicas.",
        settings.clients,
        settings.value_bytes,
        settings.rounds,
        settings.turn_time.as_secs_f64()
    );
    let mut rows = Vec::new();
    for with_file in [false, true] {
        for replicas in REPLICAS {
            let groups: Vec<Group> = peers
                .iter()
                .map(|peer| Group::start(settings, peer, replicas, with_file))
                .collect();
            let costs = alternate(settings, &groups);
            let file = if with_file { ", with a file" } else { "" };
            let plural = if replicas == 1 { "" } else { "s" };
            let name = |who: &str| format!("{who}, {replicas} replica{plural}{file}");
            rows.push((
                name("master"),
                costs.iter().map(|cost| cost.master).collect(),
            ));
            rows.push((
                name("a replica"),
                costs.iter().map(|cost| cost.replica).collect(),
            ));
        }
    }
    let mut table = Table::begin("CPU, ns per SET", "who", peers, 0);
    for (name, values) in rows {
        table.row(&name, values);
    }
    println!();
}

/// Nanoseconds for each operation.
struct Cost {
    master: f64,
    /// The mean of all replicas.
    replica: f64,
}

/// A master, its replicas, and what it is sent.
struct Group {
    master: Running,
    replicas: Vec<Running>,
    set: Workload,
    with_file: bool,
}

impl Group {
    fn start(settings: &Settings, peer: &Peer, replicas: usize, with_file: bool) -> Group {
        let start = || {
            let server = match with_file {
                true => peer.start_with(&keeping_a_file("everysec", "yes")),
                false => peer.start(),
            };
            pin(server.pid(), SERVER_CORE);
            server
        };
        let group = Group {
            master: start(),
            replicas: (0..replicas).map(|_| start()).collect(),
            set: Workload::set("set", KEYS, settings.value_bytes),
            with_file,
        };
        populate(group.master.port, &group.set);
        for replica in &group.replicas {
            let reply = replica.ask(&format!("REPLICAOF 127.0.0.1 {}", group.master.port));
            assert_eq!(reply, "+OK");
        }
        group.wait("link", |replica| {
            replica.info("replication", "master_link_status") == "up"
        });
        if with_file {
            group.wait("rewrite", |replica| {
                let figure = |field| replica.info("persistence", field);
                figure("aof_rewrite_in_progress") == "0" && figure("aof_rewrite_scheduled") == "0"
            });
        }
        group.catch_up();
        group
    }

    /// Waits until something holds of all replicas.
    fn wait(&self, what: &str, holds: impl Fn(&Running) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        for replica in &self.replicas {
            while !holds(replica) {
                assert!(Instant::now() < deadline, "{what}: a replica is too slow");
                thread::sleep(LOOK_EVERY);
            }
        }
    }

    /// Waits until all replicas have all that the master has. It may go on by a ping meanwhile.
    fn catch_up(&self) {
        let offset = |server: &Running, field| -> u64 {
            let text = server.info("replication", field);
            text.parse().expect("an offset")
        };
        let target = offset(&self.master, "master_repl_offset");
        self.wait("offset", |replica| {
            offset(replica, "slave_repl_offset") >= target
        });
    }

    fn turn(&self, settings: &Settings, round: usize) -> Cost {
        if self.with_file {
            rewrite(&self.master);
            self.replicas.iter().for_each(rewrite);
        }
        let used = || -> (Duration, Duration) {
            let replicas = self.replicas.iter().map(|replica| cpu_time(replica.pid()));
            (cpu_time(self.master.pid()), replicas.sum())
        };
        let before = used();
        let turn = settings.turn(PIPELINE, u64::MAX, round);
        let ops = drive(self.master.port, &self.set, turn) as f64;
        self.catch_up();
        let after = used();
        Cost {
            master: (after.0 - before.0).as_nanos() as f64 / ops,
            replica: (after.1 - before.1).as_nanos() as f64 / ops / self.replicas.len() as f64,
        }
    }
}

/// Rounds in which each group has a turn; the medians of each group's turns.
fn alternate(settings: &Settings, groups: &[Group]) -> Vec<Cost> {
    let mut turns: Vec<Vec<Cost>> = groups.iter().map(|_| Vec::new()).collect();
    for round in 0..settings.rounds {
        for (group, turns) in groups.iter().zip(&mut turns) {
            turns.push(group.turn(settings, round));
        }
    }
    let medians = |turns: Vec<Cost>| Cost {
        master: median(turns.iter().map(|cost| cost.master).collect()),
        replica: median(turns.iter().map(|cost| cost.replica).collect()),
    };
    turns.into_iter().map(medians).collect()
}
