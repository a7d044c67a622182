//! Part one: operations per second and CPU per operation.

use std::process::{Command, Stdio};

use crate::load::{Sample, measure, populate};
use crate::peer::{Peer, Running, SERVER_CORE, free_port, pin};
use crate::report::{Table, median};
use crate::settings::Settings;
use crate::workload::Workload;

/// Workloads that share a data set, which `fill` makes.
struct Group {
    fill: Workload,
    measured: Vec<Workload>,
}

fn groups(settings: &Settings) -> Vec<Group> {
    let (keys, bytes) = (settings.keys, settings.value_bytes);
    let groups = [
        Group {
            fill: Workload::set("fill", keys, bytes),
            measured: vec![
                Workload::ping(),
                Workload::get("get", keys, bytes),
                Workload::set("set", keys, bytes),
                Workload::mset(keys, bytes),
            ],
        },
        Group {
            fill: Workload::incr(keys),
            measured: vec![Workload::incr(keys)],
        },
        Group {
            fill: Workload::set("fill", keys, 1024),
            measured: vec![
                Workload::get("get1k", keys, 1024),
                Workload::set("set1k", keys, 1024),
            ],
        },
    ];
    let chosen = groups.into_iter().map(|mut group| {
        group
            .measured
            .retain(|workload| settings.wants(workload.name));
        group
    });
    chosen.filter(|group| !group.measured.is_empty()).collect()
}

/// One line of both tables.
struct Row {
    name: String,
    samples: Vec<Sample>,
}

pub fn run(settings: &Settings, peers: &[Peer]) {
    let groups = groups(settings);
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
        settings.turn.as_secs_f64()
    );
    let mut rows = Vec::new();
    for group in &groups {
        let servers: Vec<Running> = peers.iter().map(Peer::start).collect();
        for server in &servers {
            pin(server.pid(), SERVER_CORE);
            populate(server.port, &group.fill);
        }
        for workload in &group.measured {
            for pipeline in &settings.pipelines {
                let samples = alternate(settings, &servers, workload, *pipeline);
                rows.push(Row {
                    name: format!("{}, pipeline {pipeline}", workload.name),
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

/// Rounds in which each server has a turn; the median of each server's turns.
pub fn alternate(
    settings: &Settings,
    servers: &[Running],
    workload: &Workload,
    pipeline: usize,
) -> Vec<Sample> {
    let mut turns: Vec<Vec<Sample>> = vec![Vec::new(); servers.len()];
    for _ in 0..settings.rounds {
        for (server, turns) in servers.iter().zip(&mut turns) {
            turns.push(measure(
                server.port,
                server.pid(),
                workload,
                settings.clients,
                pipeline,
                settings.turn,
            ));
        }
    }
    turns.iter().map(|turns| median_sample(turns)).collect()
}

fn median_sample(turns: &[Sample]) -> Sample {
    Sample {
        ops_per_second: median(turns.iter().map(|t| t.ops_per_second).collect()),
        cpu_ns_per_op: median(turns.iter().map(|t| t.cpu_ns_per_op).collect()),
    }
}

fn print_tables(rows: &[Row], peers: &[Peer]) {
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
        let turn = || {
            measure(
                port,
                child.id(),
                &workload,
                settings.clients,
                *pipeline,
                settings.turn,
            )
        };
        let turns: Vec<Sample> = (0..settings.rounds).map(|_| turn()).collect();
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
