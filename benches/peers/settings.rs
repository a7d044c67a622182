//! What to measure and against whom, from the environment.

use std::path::PathBuf;
use std::time::Duration;

use crate::environment::{list, number, or, stock_in_path, text};
use crate::load::Turn;
use crate::peer::Peer;

/// The choices of one run.
pub struct Settings {
    /// `BENCH="get set memory"`: the workloads and parts to run; empty runs all.
    only: Vec<String>,
    /// `ROUNDS`: how often each server has its turn.
    pub rounds: usize,
    /// `SECONDS_PER_ROUND`: how long a turn is measured.
    pub turn_time: Duration,
    /// `KEYS`: how many keys the speed part's data set has.
    pub keys: u64,
    /// `VALUE_BYTES`: the length of a small value.
    pub value_bytes: usize,
    /// `CLIENTS`: connections of the load.
    pub clients: usize,
    /// `PIPELINES="1 16"`: commands a connection sends at once.
    pub pipelines: Vec<usize>,
    /// `PEERS="name=path …"`: the servers to compare with; a path may be a script that execs one.
    peers: String,
    /// `OURS=path`: our server, if it is not the release build; `OURS=none` leaves it out.
    ours: Option<PathBuf>,
}

impl Settings {
    pub fn from_env() -> Settings {
        Settings {
            only: text("BENCH")
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            rounds: number("ROUNDS", 5),
            turn_time: Duration::from_secs_f64(number("SECONDS_PER_ROUND", 2.0)),
            keys: number("KEYS", 1_000_000),
            value_bytes: number("VALUE_BYTES", 3),
            clients: number("CLIENTS", 50),
            pipelines: list("PIPELINES", "1 16"),
            peers: or(text("PEERS"), &stock_in_path()),
            ours: match or(text("OURS"), env!("CARGO_BIN_EXE_redis-server")).as_str() {
                "none" => None,
                path => Some(path.into()),
            },
        }
    }

    /// Whether a workload or part is to run.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|chosen| chosen == name)
    }

    /// How a server's turn goes in this round.
    pub fn turn(&self, pipeline: usize, ops_max: u64, round: usize) -> Turn {
        Turn {
            clients: self.clients,
            pipeline,
            time: self.turn_time,
            ops_max,
            seed: round as u64,
        }
    }

    /// Ours first, if it takes part.
    pub fn peers(&self) -> Vec<Peer> {
        let mut peers: Vec<Peer> = self
            .ours
            .iter()
            .map(|path| Peer::new("tanist", path.clone()))
            .collect();
        for entry in self.peers.split_whitespace() {
            let (name, path) = entry.split_once('=').expect("PEERS is a list of name=path");
            peers.push(Peer::new(name, path.into()));
        }
        peers
    }
}
