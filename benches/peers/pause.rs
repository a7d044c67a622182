//! Part six: how long others wait while a table of 10^7 keys grows.
//!
//! One client inserts with a pipeline, another one pings beside it. A ping waits for the batch
//! that is being run and for whatever the server does at one go; that is what a table that grows
//! must keep short. The pinger shares its core with the load, and a virtual machine has pauses of
//! its own: the percentile tells more than the worst one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::populate_with;
use crate::peer::{Peer, SERVER_CORE, pin};
use crate::report::{Table, median};
use crate::settings::Settings;
use crate::workload::Workload;

const KEYS: u64 = 10_000_000;

/// Of the client that inserts.
const PIPELINE: usize = 16;

const PINGS_APART: Duration = Duration::from_micros(200);

/// What is shown of the latencies, by name.
const SHOWN: &[(&str, f64)] = &[
    ("median", 0.5),
    ("99 %", 0.99),
    ("99.99 %", 0.9999),
    ("worst", 1.0),
];

pub fn run(settings: &Settings, peers: &[Peer]) {
    if !settings.wants("pause") {
        return;
    }
    println!(
        "## Pauses while a table grows\n\nOne client inserts {KEYS} keys, pipeline {PIPELINE}; \
         another one sends a PING every {} µs. Medians of {} rounds.",
        PINGS_APART.as_micros(),
        settings.rounds
    );
    let mut rounds: Vec<Vec<Latencies>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..settings.rounds {
        for (peer, rounds) in peers.iter().zip(&mut rounds) {
            rounds.push(insert_and_ping(settings, peer));
        }
    }
    let mut table = Table::begin("Latency of PING in microseconds", "which", peers, 0);
    for (name, part) in SHOWN {
        let micros = |latencies: &Latencies| latencies.quantile(*part).as_secs_f64() * 1e6;
        let values = rounds
            .iter()
            .map(|rounds| median(rounds.iter().map(micros).collect()));
        table.row(name, values.collect());
    }
    println!();
}

fn insert_and_ping(settings: &Settings, peer: &Peer) -> Latencies {
    let server = peer.start();
    pin(server.pid(), SERVER_CORE);
    let pinger = Pinger::start(server.connect(), PINGS_APART);
    let set = Workload::set("fill", KEYS, settings.value_bytes);
    populate_with(server.port, &set, 1, PIPELINE);
    pinger.stop()
}

/// A thread that pings a server until it is stopped.
pub struct Pinger {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<Duration>>,
}

impl Pinger {
    pub fn start(mut stream: TcpStream, apart: Duration) -> Pinger {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (mut latencies, mut reply) = (Vec::new(), [0; 7]);
            while !seen.load(Ordering::SeqCst) {
                let start = Instant::now();
                stream.write_all(b"PING\r\n").expect("the server takes it");
                stream.read_exact(&mut reply).expect("the server answers");
                latencies.push(start.elapsed());
                thread::sleep(apart);
            }
            latencies
        });
        Pinger { stop, thread }
    }

    pub fn stop(self) -> Latencies {
        self.stop.store(true, Ordering::SeqCst);
        let mut sorted = self.thread.join().expect("no panic");
        sorted.sort();
        Latencies { sorted }
    }
}

/// How long pings took.
pub struct Latencies {
    sorted: Vec<Duration>,
}

impl Latencies {
    /// What this part of the pings did not exceed; 1 for all.
    pub fn quantile(&self, part: f64) -> Duration {
        let rank = (self.sorted.len() as f64 * part).ceil() as usize;
        self.sorted[rank.clamp(1, self.sorted.len()) - 1]
    }
}
