//! What to measure and against whom, from the environment.

use std::path::PathBuf;
use std::time::Duration;

use crate::environment::{number, or, stock_in_path, text};
use crate::peer::Peer;
use crate::report;
use crate::round::Round;
use crate::scenario::Scenario;

/// The choices of one run.
pub struct Settings {
    /// `SCENARIO="killed planned"`: what happens; empty runs all.
    only: Vec<String>,
    /// `ROUNDS`: how often it happens to each make.
    pub rounds: usize,
    /// `DOWN_AFTER`: `down-after-milliseconds` of all sentinels.
    pub down_after_ms: u64,
    /// `FAILOVER_TIMEOUT`: `failover-timeout` of all sentinels. A failover without a leader is
    /// tried again after twice as long.
    pub failover_timeout_ms: u64,
    /// `LIMIT`: seconds after which a round without a new master is given up.
    pub limit: Duration,
    /// `PEERS="name=server name=server,sentinel …"`: the makes to compare with. Without a binary
    /// of its own, the sentinel is the server's with `--sentinel`.
    peers: String,
    /// `OURS=server` or `OURS=server,sentinel`: our make, if it is not the release build;
    /// `OURS=none` leaves it out.
    ours: String,
    /// `VERBOSE=1`: shows every round.
    verbose: bool,
}

/// Whose servers and whose sentinels a group has.
pub struct Make {
    pub name: String,
    pub server: PathBuf,
    pub sentinel: PathBuf,
}

impl Make {
    fn new(name: &str, binaries: &str) -> Make {
        let (server, sentinel) = binaries.split_once(',').unwrap_or((binaries, binaries));
        Make {
            name: name.to_owned(),
            server: server.into(),
            sentinel: sentinel.into(),
        }
    }
}

impl Settings {
    pub fn from_env() -> Settings {
        Settings {
            only: text("SCENARIO")
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            rounds: number("ROUNDS", 30),
            down_after_ms: number("DOWN_AFTER", 1000),
            failover_timeout_ms: number("FAILOVER_TIMEOUT", 5000),
            limit: Duration::from_secs(number("LIMIT", 60)),
            peers: or(text("PEERS"), &stock_in_path()),
            ours: or(text("OURS"), env!("CARGO_BIN_EXE_redis-server")),
            verbose: !text("VERBOSE").is_empty(),
        }
    }

    /// Ours first, if it takes part.
    pub fn makes(&self) -> Vec<Make> {
        let mut makes = Vec::new();
        if self.ours != "none" {
            makes.push(Make::new("tanist", &self.ours));
        }
        for entry in self.peers.split_whitespace() {
            let (name, binaries) = entry
                .split_once('=')
                .expect("PEERS is a list of name=server or name=server,sentinel");
            makes.push(Make::new(name, binaries));
        }
        makes
    }

    pub fn scenarios(&self) -> Vec<Scenario> {
        for name in &self.only {
            assert!(
                Scenario::ALL.iter().any(|one| one.name() == name),
                "SCENARIO knows no {name}"
            );
        }
        let chosen =
            |one: &Scenario| self.only.is_empty() || self.only.iter().any(|n| n == one.name());
        Scenario::ALL.iter().copied().filter(chosen).collect()
    }

    /// The head of the report: machine, makes, what is the same for all.
    pub fn describe(&self, makes: &[Make]) {
        let servers: Vec<Peer> = makes
            .iter()
            .map(|make| Peer::new(&make.name, make.server.clone()))
            .collect();
        report::machine(&servers);
        for make in makes.iter().filter(|make| make.sentinel != make.server) {
            let sentinel = Peer::new(&make.name, make.sentinel.clone());
            println!("- sentinels of {}: `{}`\n", make.name, sentinel.version());
        }
        println!(
            "A master, two replicas, three sentinels with quorum 2; down-after-milliseconds {}, \
             failover-timeout {}; {} rounds, a write each millisecond. Times are medians from the \
             blow on unless it says worst; of the old master, from its return on.\n",
            self.down_after_ms, self.failover_timeout_ms, self.rounds
        );
        for scenario in self.scenarios() {
            println!("- {}: {}", scenario.name(), scenario.story());
        }
        println!();
    }

    pub fn tell(&self, scenario: Scenario, number: usize, round: &Round) {
        if self.verbose {
            eprintln!("{} {number}: {}", scenario.name(), round.summary());
        }
    }
}
