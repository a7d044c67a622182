//! `INFO replication`: the role, the link to the master, the replicas, the place in the stream.
//!
//! Sentinels and clients steer by these lines, so each is the reference's, and so is the order.

use super::report::{Report, hundredths};
use super::server::load_seconds_left;
use super::view::View;
use crate::replication::ReplId;
use crate::replication::info::{GuardInfo, MasterInfo, ReplicationInfo, SyncInfo, SyncStage};

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
        own_lag(view, master, out);
    }
    lag_of_replicas(info, out);
    lost_writes(view, out);
}

/// Behind the reference's lines: what a new master may lack, and what new masters did.
fn lost_writes(view: &View<'_>, out: &mut Report) {
    let lost = &view.env.persistence.lost;
    out.lines(&[
        ("lost_writes_ledgers", &lost.ledgers),
        ("lost_writes_commands", &lost.commands),
        ("lost_writes_keys", &lost.keys),
        ("lost_writes_last_file", &lost.last_file),
        ("lost_writes_tail_bytes", &view.replication.tail_bytes),
    ]);
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
    out.lines(&[
        ("replica_guard", &info.state.name()),
        ("replica_guard_refusals", &info.refusals),
    ]);
    if let Some(refused) = &info.refused {
        let id = refused.id.unwrap_or(ReplId::NONE);
        out.lines(&[
            ("replica_guard_refused_seconds", &refused.since_s),
            ("replica_guard_refused_for", &refused.why.name()),
            (
                "replica_guard_refused_in_step",
                &u8::from(refused.was_in_step),
            ),
            ("replica_guard_refused_replid", &id),
        ]);
    }
}

/// Behind the reference's lines: how far we are behind, and how a sync gets on. What is not known
/// is -1.
fn own_lag(view: &View<'_>, master: &MasterInfo, out: &mut Report) {
    let lag = master.lag;
    out.lines(&[
        ("master_lag_bytes", &master.lag_bytes),
        ("master_lag_ms", &or_unknown(lag.map(|lag| lag.ms))),
        (
            "master_lag_sampled_ms",
            &or_unknown(lag.map(|lag| lag.sampled_ms_ago)),
        ),
        ("master_sync_stage", &master.stage.name()),
    ]);
    let Some(sync) = &master.sync else { return };
    let now_ms = view.env.now.mono_ms();
    let (rate, left_s) = match (master.stage, &view.facts.loading) {
        (SyncStage::Loading, Some(load)) => {
            let ms = now_ms.saturating_sub(load.started_mono_ms).max(1);
            let rate = load.loaded_bytes.saturating_mul(1000) / ms;
            (rate, Some(load_seconds_left(load, now_ms)))
        }
        _ => (sync.bytes_per_second, sync.left_s),
    };
    out.lines(&[
        ("master_sync_bytes_per_second", &rate),
        ("master_sync_seconds_left", &or_unknown(left_s)),
    ]);
}

/// The same of each replica, by the numbers of the reference's lines.
fn lag_of_replicas(info: &ReplicationInfo, out: &mut Report) {
    for (number, replica) in info.replicas.iter().enumerate() {
        if let Some(lag) = &replica.lag {
            out.line(
                format_args!("replica{number}_lag"),
                format_args!(
                    "bytes={},ms={},by={}",
                    lag.bytes,
                    or_unknown(lag.ms),
                    if lag.is_measured {
                        "replica"
                    } else {
                        "estimate"
                    }
                ),
            );
        }
        if let Some(sync) = &replica.sync {
            out.line(
                format_args!("replica{number}_sync"),
                format_args!(
                    "stage={},sent_bytes={},total_bytes={},bytes_per_second={},seconds_left={}",
                    sync.stage,
                    sync.sent_bytes,
                    or_unknown(sync.total_bytes),
                    sync.bytes_per_second,
                    or_unknown(sync.left_s)
                ),
            );
        }
    }
}

fn or_unknown(number: Option<u64>) -> i64 {
    number.map_or(-1, |number| i64::try_from(number).unwrap_or(i64::MAX))
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
