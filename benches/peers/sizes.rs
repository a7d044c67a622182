//! Part five: what one operation costs as a collection grows, from 10^3 to 10^6 members.
//!
//! Every workload leaves the size as it is: what adds also removes. `LINDEX` goes to every tenth
//! of the list alike. `SCAN` is one client that follows the cursor around all keys, and is
//! reckoned per key.

use std::io::{BufRead, BufReader, Write};
use std::time::Instant;

use crate::collections::{fill_hash, fill_list, fill_set, fill_zset, hset, sadd_and_spop, zadd};
use crate::load::populate;
use crate::peer::{Peer, Running, SERVER_CORE, cpu_time, pin};
use crate::report::{Table, median};
use crate::settings::Settings;
use crate::speed::{Case, alternate};
use crate::workload::{BLANK, Workload};

/// Powers of ten: `LINDEX` draws digits.
const SIZES: &[u64] = &[1_000, 100_000, 1_000_000];

const PIPELINE: usize = 16;

/// What `SCAN` is asked for.
const SCAN_COUNT: usize = 100;

pub fn run(settings: &Settings, peers: &[Peer]) {
    if !settings.wants("sizes") {
        return;
    }
    println!(
        "## As collections grow\n\nOne key of each type, pipeline {PIPELINE}; SCAN without \
         pipeline, {SCAN_COUNT} keys a call. Medians of {} rounds.",
        settings.rounds
    );
    let mut rows = Vec::new();
    for size in SIZES {
        let servers: Vec<Running> = peers.iter().map(Peer::start).collect();
        for server in &servers {
            pin(server.pid(), SERVER_CORE);
            for fill in fills(*size) {
                populate(server.port, &fill);
            }
            server.ask(&format!("LTRIM mylist 0 {}", size - 1));
        }
        for workload in workloads(*size) {
            let case = Case::steady(workload);
            let samples = alternate(settings, &servers, &case, PIPELINE);
            let cpu: Vec<f64> = samples.iter().map(|s| s.cpu_ns_per_op).collect();
            rows.push((case.workload.name, *size, cpu));
        }
        rows.push((
            "scan, per key",
            *size,
            scan_in_turns(settings, peers, *size),
        ));
    }
    // All sizes of one operation side by side.
    rows.sort_by_key(|(name, size, _)| (*name, *size));
    let mut table = Table::begin("Server CPU, ns per operation", "workload", peers, 0);
    for (name, size, cpu) in rows {
        table.row(&format!("{name}, {size} members"), cpu);
    }
    println!();
}

fn fills(size: u64) -> [Workload; 5] {
    [
        fill_hash(size),
        fill_set(size),
        fill_zset(size),
        fill_list(size),
        Workload::new("fill", "XADD mystream * myfield myvalue", 2, size),
    ]
}

fn workloads(size: u64) -> [Workload; 6] {
    let zrank = format!("ZRANK myzset element:{BLANK}");
    let xadd = format!("XADD mystream MAXLEN ~ {size} * myfield myvalue");
    [
        hset(size),
        zadd(size),
        Workload::new("zrank", &zrank, 1, size),
        lindex(size),
        Workload::new("xadd", &xadd, 2, 1),
        sadd_and_spop(),
    ]
}

/// Indexes have no leading zeros, so the first digit is the command's and the rest is drawn.
fn lindex(size: u64) -> Workload {
    let drawn_digits = size.ilog10() as usize - 1;
    let line = |first: usize| format!("LINDEX mylist {first}{}", "#".repeat(drawn_digits));
    let lines: Vec<String> = (1..=8).map(line).collect();
    let commands: Vec<(&str, usize)> = lines.iter().map(|line| (line.as_str(), 2)).collect();
    Workload::cycle("lindex", &commands, size / 10)
}

fn scan_in_turns(settings: &Settings, peers: &[Peer], size: u64) -> Vec<f64> {
    let servers: Vec<Running> = peers.iter().map(Peer::start).collect();
    let mut turns: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
    for server in &servers {
        pin(server.pid(), SERVER_CORE);
        populate(
            server.port,
            &Workload::set("fill", size, settings.value_bytes),
        );
    }
    for _ in 0..settings.rounds {
        for (server, turns) in servers.iter().zip(&mut turns) {
            turns.push(scan(server, settings));
        }
    }
    turns.into_iter().map(median).collect()
}

/// Goes around all keys, as often as the time allows but at least once; CPU per key.
fn scan(server: &Running, settings: &Settings) -> f64 {
    let mut stream = BufReader::new(server.connect());
    let (start, cpu_before) = (Instant::now(), cpu_time(server.pid()));
    let mut keys = 0;
    let mut cursor = "0".to_owned();
    loop {
        let command = format!("SCAN {cursor} COUNT {SCAN_COUNT}\r\n");
        stream
            .get_mut()
            .write_all(command.as_bytes())
            .expect("sent");
        assert_eq!(line(&mut stream), "*2");
        line(&mut stream);
        cursor = line(&mut stream);
        let count: usize = line(&mut stream)[1..].parse().expect("a count");
        for _ in 0..2 * count {
            line(&mut stream);
        }
        keys += count;
        if cursor == "0" && start.elapsed() >= settings.turn_time {
            break;
        }
    }
    let cpu = cpu_time(server.pid()) - cpu_before;
    cpu.as_nanos() as f64 / keys as f64
}

fn line(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a reply");
    line.trim_end().to_owned()
}
