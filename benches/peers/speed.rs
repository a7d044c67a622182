//! Part one: operations per second and CPU per operation.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::collections;
use crate::load::{Sample, measure, populate};
use crate::peer::{Peer, Running, SERVER_CORE, free_port, pin};
use crate::report::{Table, median};
use crate::services;
use crate::settings::Settings;
use crate::tls::Secrets;
use crate::workload::Workload;

/// Workloads that share a data set.
pub struct Group {
    /// What makes it.
    pub fill: Vec<Workload>,
    pub cases: Vec<Case>,
    /// Whether to measure only the deepest of the pipelines.
    pub only_deepest: bool,
    /// Whether somebody looks on (`MONITOR`).
    pub watched: bool,
    /// Whether the measured connections are encrypted.
    pub tls: Option<Secrets>,
}

/// A workload to measure.
pub struct Case {
    pub workload: Workload,
    pub before: Before,
}

/// What is done to the data set before each turn.
pub enum Before {
    /// Nothing: the workload leaves it as it is.
    Nothing,
    /// It is emptied, for the workload adds to it.
    Flush,
    /// It is made anew, for the workload uses it up: so many operations and no more.
    Refill { with: Workload, ops_max: u64 },
}

impl Case {
    /// A workload that leaves the data set as it finds it.
    pub fn steady(workload: Workload) -> Case {
        let before = Before::Nothing;
        Case { workload, before }
    }

    fn prepare(&self, server: &Running) {
        match &self.before {
            Before::Nothing => {}
            Before::Flush => flush(server),
            Before::Refill { with, .. } => {
                flush(server);
                populate(server.port, with);
            }
        }
    }

    fn ops_max(&self) -> u64 {
        match self.before {
            Before::Refill { ops_max, .. } => ops_max,
            Before::Nothing | Before::Flush => u64::MAX,
        }
    }
}

fn flush(server: &Running) {
    assert_eq!(server.ask("FLUSHALL"), "+OK");
}

/// Strings, in all pipelines.
fn string_groups(settings: &Settings) -> Vec<Group> {
    let (keys, bytes) = (settings.keys, settings.value_bytes);
    let group = |fill: Workload, measured: Vec<Workload>| Group {
        fill: vec![fill],
        cases: measured.into_iter().map(Case::steady).collect(),
        only_deepest: false,
        watched: false,
        tls: None,
    };
    let secrets = Secrets::new();
    let over_tls = |workload: Workload, name| workload.over_tls(name, &secrets.client);
    let mut encrypted = group(
        Workload::set("fill", keys, bytes),
        vec![
            over_tls(Workload::get("get", keys), "get-tls"),
            over_tls(Workload::set("set", keys, bytes), "set-tls"),
        ],
    );
    encrypted.tls = Some(secrets);
    vec![
        encrypted,
        group(
            Workload::set("fill", keys, bytes),
            vec![
                Workload::ping(),
                Workload::get("get", keys),
                Workload::set("set", keys, bytes),
                Workload::mset(keys, bytes),
            ],
        ),
        group(Workload::incr(keys), vec![Workload::incr(keys)]),
        group(
            Workload::set("fill", keys, 1024),
            vec![
                Workload::get("get1k", keys),
                Workload::set("set1k", keys, 1024),
            ],
        ),
    ]
}

fn chosen_groups(settings: &Settings) -> Vec<Group> {
    let mut groups = string_groups(settings);
    groups.extend(collections::groups(settings.keys));
    groups.extend(services::groups());
    for group in &mut groups {
        group
            .cases
            .retain(|case| settings.wants(case.workload.name));
    }
    groups.retain(|group| !group.cases.is_empty());
    groups
}

/// One line of both tables.
pub struct Row {
    pub name: String,
    pub samples: Vec<Sample>,
}

pub fn run(settings: &Settings, peers: &[Peer]) {
    let groups = chosen_groups(settings);
    if groups.is_empty() {
        return;
    }
    println!(
        "## Speed\n\n{} clients, {} keys of 16 bytes, values of {} bytes where no size is named; \
         medians of {} rounds of {:.1} s.",
        settings.clients,
        settings.keys,
        settings.value_bytes,
        settings.rounds,
        settings.turn_time.as_secs_f64()
    );
    let mut rows = Vec::new();
    for group in &groups {
        let start = |peer: &Peer| match &group.tls {
            Some(secrets) => peer.start_with_tls(secrets),
            None => peer.start(),
        };
        let servers: Vec<Running> = peers.iter().map(start).collect();
        for server in &servers {
            pin(server.pid(), SERVER_CORE);
            for fill in &group.fill {
                populate(server.port, fill);
            }
            if group.watched {
                watch(server);
            }
        }
        let deepest = settings.pipelines.iter().max().expect("a pipeline");
        for case in &group.cases {
            for pipeline in &settings.pipelines {
                if group.only_deepest && pipeline != deepest {
                    continue;
                }
                let samples = alternate(settings, &servers, case, *pipeline);
                rows.push(Row {
                    name: format!("{}, pipeline {pipeline}", case.workload.name),
                    samples,
                });
            }
        }
    }
    print_tables(&rows, peers);
    if settings.wants("echo") {
        echo_floor(settings);
    }
}

/// Has somebody look at every command for as long as the server runs.
fn watch(server: &Running) {
    let mut stream = server.connect();
    stream.write_all(b"MONITOR\r\n").expect("it is sent");
    std::thread::spawn(move || {
        let mut piece = vec![0; 256 * 1024];
        while stream.read(&mut piece).is_ok_and(|got| got > 0) {}
    });
}

/// Rounds in which each server has a turn; the median of each server's turns.
pub fn alternate(
    settings: &Settings,
    servers: &[Running],
    case: &Case,
    pipeline: usize,
) -> Vec<Sample> {
    let mut turns: Vec<Vec<Sample>> = vec![Vec::new(); servers.len()];
    for round in 0..settings.rounds {
        let turn = settings.turn(pipeline, case.ops_max(), round);
        for (server, turns) in servers.iter().zip(&mut turns) {
            case.prepare(server);
            let port = server.port_for(&case.workload);
            turns.push(measure(port, server.pid(), &case.workload, turn));
        }
    }
    turns.iter().map(|turns| median_sample(turns)).collect()
}

pub fn median_sample(turns: &[Sample]) -> Sample {
    Sample {
        ops_per_second: median(turns.iter().map(|t| t.ops_per_second).collect()),
        cpu_ns_per_op: median(turns.iter().map(|t| t.cpu_ns_per_op).collect()),
    }
}

/// The processor time and the speed of all of them.
pub fn print_tables(rows: &[Row], peers: &[Peer]) {
    let mut table = Table::begin("Server CPU, ns per operation", "workload", peers, 0);
    for row in rows {
        table.row(
            &row.name,
            row.samples.iter().map(|s| s.cpu_ns_per_op).collect(),
        );
    }
    let mut table = Table::begin("Operations per second", "workload", peers, 0);
    for row in rows {
        table.row(
            &row.name,
            row.samples.iter().map(|s| s.ops_per_second).collect(),
        );
    }
    println!();
}

/// What the kernel alone costs: this program as a server that only echoes.
fn echo_floor(settings: &Settings) {
    let port = free_port();
    let itself = std::env::current_exe().expect("a path");
    let mut child = Command::new(itself)
        .env("ECHO_PORT", port.to_string())
        .stdin(Stdio::null())
        .spawn()
        .expect("it runs");
    pin(child.id(), SERVER_CORE);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let workload = Workload::echo(settings.keys);
    println!("A bare epoll echo of a GET's bytes:\n");
    for pipeline in &settings.pipelines {
        let turn = |round| {
            let turn = settings.turn(*pipeline, u64::MAX, round);
            measure(port, child.id(), &workload, turn)
        };
        let turns: Vec<Sample> = (0..settings.rounds).map(turn).collect();
        let sample = median_sample(&turns);
        println!(
            "- pipeline {pipeline}: {:.0} ns, {:.0} operations per second",
            sample.cpu_ns_per_op, sample.ops_per_second
        );
    }
    println!();
    let _ = child.kill();
    let _ = child.wait();
}
