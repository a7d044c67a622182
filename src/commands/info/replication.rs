//! `INFO replication`: the role, the link to the master, the replicas, the place in the stream.
//!
//! Sentinels and clients steer by these lines, so each is the reference's, and so is the order.

use super::report::{Report, hundredths};
use super::view::View;
use crate::replication::ReplId;
use crate::replication::info::{GuardInfo, GuardState, MasterInfo, ReplicationInfo, SyncInfo};

pub fn replication(view: &View<'_>, out: &mut Report) {
    let info = &view.replication;
    out.line(
        "role",
        if info.master.is_some() {
            "slave"
        } else {
            "master"
        },
    );
    if let Some(master) = &info.master {
        link(view, master, out);
    }
    out.line("connected_slaves", info.connected_replicas);
    if let Some(good) = info.good_replicas {
        out.line("min_slaves_good_slaves", good);
    }
    for (number, replica) in info.replicas.iter().enumerate() {
        out.line(
            format_args!("slave{number}"),
            format_args!(
                "ip={},port={},state={},offset={},lag={}",
                replica.ip, replica.port, replica.state, replica.offset, replica.lag_s
            ),
        );
    }
    place(info, out);
    syncs(info, out);
    stream_sum(info, out);
    if let Some(master) = &info.master {
        out.line(
            "master_stream_spilled_bytes",
            view.facts.stream_spilled_bytes,
        );
        guard(&master.guard, out);
    }
}

fn link(view: &View<'_>, master: &MasterInfo, out: &mut Report) {
    out.lines(&[
        ("master_host", &master.host),
        ("master_port", &master.port),
        (
            "master_link_status",
            &if master.link_up { "up" } else { "down" },
        ),
        ("master_last_io_seconds_ago", &master.last_io_s),
        ("master_sync_in_progress", &u8::from(master.sync.is_some())),
        ("slave_read_repl_offset", &master.read_offset),
        ("slave_repl_offset", &master.applied_offset),
    ]);
    if let Some(sync) = &master.sync {
        sync_progress(sync, out);
    }
    if let Some(seconds) = master.down_since_s {
        out.line("master_link_down_since_seconds", seconds);
    }
    let settings = &view.env.config;
    out.line("slave_priority", settings.replica_priority);
    out.flag("slave_read_only", settings.replica_read_only);
    out.flag("replica_announced", settings.replica_announced);
}

fn sync_progress(sync: &SyncInfo, out: &mut Report) {
    let read = sync.read_bytes as i64;
    let percent = match sync.total_bytes {
        1.. => read as f64 / sync.total_bytes as f64 * 100.0,
        _ => 0.0,
    };
    out.lines(&[
        ("master_sync_total_bytes", &sync.total_bytes),
        ("master_sync_read_bytes", &read),
        ("master_sync_left_bytes", &(sync.total_bytes - read)),
        ("master_sync_perc", &hundredths(percent)),
        ("master_sync_last_io_seconds_ago", &sync.last_io_s),
    ]);
}

/// Behind the reference's lines: full syncs of our replicas.
fn syncs(info: &ReplicationInfo, out: &mut Report) {
    out.lines(&[
        ("syncs_in_progress", &info.syncs_in_progress),
        ("sync_queue_length", &info.sync_queue_length),
        ("syncs_resumed", &info.syncs_resumed),
        ("repl_spilled_bytes", &info.spilled_bytes),
    ]);
}

/// Behind the reference's lines: what the stream comes to.
fn stream_sum(info: &ReplicationInfo, out: &mut Report) {
    match info.stream_sum {
        Some(sum) => out.line("repl_stream_sum", format_args!("{sum:016x}")),
        None => out.line("repl_stream_sum", "unknown"),
    }
    out.line("repl_stream_drifts", info.stream_drifts);
}

/// Behind the reference's lines: what keeps our data from a master that has lost its own.
fn guard(info: &GuardInfo, out: &mut Report) {
    let state = match info.state {
        GuardState::Off => "off",
        GuardState::On => "on",
        GuardState::Open => "open",
        GuardState::Refusing => "refused",
    };
    out.lines(&[
        ("replica_guard", &state),
        ("replica_guard_refusals", &info.refusals),
    ]);
    if let Some(refused) = &info.refused {
        let id = refused.id.unwrap_or(ReplId::NONE);
        out.lines(&[
            ("replica_guard_refused_seconds", &refused.since_s),
            ("replica_guard_refused_replid", &id),
        ]);
    }
}

fn place(info: &ReplicationInfo, out: &mut Report) {
    out.lines(&[
        ("master_failover_state", &info.failover_state),
        ("master_replid", &info.id),
        ("master_replid2", &info.id2),
        ("master_repl_offset", &info.offset),
        ("second_repl_offset", &info.second_offset),
        ("repl_backlog_active", &u8::from(info.backlog_active)),
        ("repl_backlog_size", &info.backlog_size),
        (
            "repl_backlog_first_byte_offset",
            &info.backlog_first_byte_offset,
        ),
        ("repl_backlog_histlen", &info.backlog_histlen),
    ]);
}
