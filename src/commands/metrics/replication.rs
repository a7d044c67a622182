//! Figures of replication that have labels: our master, our replicas, failovers.

use std::collections::HashSet;

use super::page::{Fraction, Kind, Page, ROWS_MAX};
use crate::commands::info::view::View;
use crate::replication::failover::Failover;
use crate::replication::info::{GuardState, MasterInfo, ReplicaInfo, SyncStage};

pub fn write(view: &View<'_>, page: &mut Page, left_out: &mut usize) {
    if let Some(master) = &view.replication.master {
        link(view, master, page);
    }
    replicas(view, page, left_out);
    failovers(view, page);
}

fn link(view: &View<'_>, master: &MasterInfo, page: &mut Page) {
    let port = master.port.to_string();
    let whose = [("master_host", &master.host[..]), ("master_port", &port)];
    let name = "redis_master_link_up";
    page.family(name, Kind::Gauge, "Whether the link to our master is up.");
    page.figure(name, &whose, master.link_up);
    let name = "redis_master_last_io_seconds_ago";
    let help = "Seconds since our master was heard of; -1 while the link is down.";
    page.family(name, Kind::Gauge, help);
    page.figure(name, &whose, master.last_io_s);
    let name = "redis_master_sync_in_progress";
    let help = "Whether a snapshot of our master comes, or is loaded.";
    page.family(name, Kind::Gauge, help);
    page.figure(name, &whose, master.sync.is_some());
    let name = "redis_slave_repl_offset";
    page.family(
        name,
        Kind::Gauge,
        "How much of our master's stream was run.",
    );
    page.figure(name, &whose, master.applied_offset);
    let name = "redis_slave_info";
    page.family(name, Kind::Gauge, "Whose replica this is.");
    let read_only = match view.env.config.replica_read_only {
        true => "1",
        false => "0",
    };
    let labels = [whose[0], whose[1], ("read_only", read_only)];
    page.figure(name, &labels, 1_u64);
    let name = "tanist_master_sync_stage";
    let help = "How far this replica is in getting into step with its master.";
    page.family(name, Kind::Gauge, help);
    let all = SyncStage::ALL.map(SyncStage::name);
    page.states(name, "stage", &all, master.stage.name());
    let name = "tanist_replica_guard";
    let help = "What the guard does that keeps our data from a master that has lost its own.";
    page.family(name, Kind::Gauge, help);
    let all = GuardState::ALL.map(GuardState::name);
    page.states(name, "state", &all, master.guard.state.name());
}

/// A replica and its labels, which no other has.
struct Row<'a> {
    replica: &'a ReplicaInfo,
    port: String,
}

impl Row<'_> {
    fn place(&self) -> [(&'static str, &str); 2] {
        let ip = ("slave_ip", &self.replica.ip[..]);
        [ip, ("slave_port", &self.port)]
    }

    fn labels<'a>(&'a self, last: &'static str, text: &'a str) -> [(&'static str, &'a str); 3] {
        let [ip, port] = self.place();
        [ip, port, (last, text)]
    }
}

/// Replicas behind one address that say the same port are one row, the one that came first.
fn rows<'a>(replicas: &'a [ReplicaInfo], left_out: &mut usize) -> Vec<Row<'a>> {
    let mut known = HashSet::new();
    let rows = replicas
        .iter()
        .filter(|r| known.insert((&r.ip[..], r.port)));
    let rows = rows.take(ROWS_MAX);
    let rows: Vec<Row<'_>> = rows
        .map(|replica| Row {
            replica,
            port: replica.port.to_string(),
        })
        .collect();
    *left_out += replicas.len() - rows.len();
    rows
}

fn replicas(view: &View<'_>, page: &mut Page, left_out: &mut usize) {
    let rows = rows(&view.replication.replicas, left_out);
    let name = "redis_connected_slave_offset_bytes";
    page.family(name, Kind::Gauge, "What a replica has acknowledged.");
    for row in &rows {
        let labels = row.labels("slave_state", row.replica.state);
        page.figure(name, &labels, row.replica.offset);
    }
    let name = "redis_connected_slave_lag_seconds";
    page.family(name, Kind::Gauge, "Seconds since a replica was heard of.");
    for row in &rows {
        let labels = row.labels("slave_state", row.replica.state);
        page.figure(name, &labels, row.replica.lag_s);
    }
    lags(&rows, page);
    syncs(&rows, page);
}

fn lags(rows: &[Row<'_>], page: &mut Page) {
    let name = "tanist_replica_lag_bytes";
    let help = "Bytes of our stream that a replica has not acknowledged.";
    page.family(name, Kind::Gauge, help);
    for row in rows {
        if let Some(lag) = &row.replica.lag {
            page.figure(name, &row.place(), lag.bytes);
        }
    }
    let name = "tanist_replica_lag_seconds";
    let help =
        "How far a replica is behind the origin of the stream, by its own measure or by ours.";
    page.family(name, Kind::Gauge, help);
    for row in rows {
        if let Some(lag) = &row.replica.lag
            && let Some(ms) = lag.ms
        {
            let by = match lag.is_measured {
                true => "replica",
                false => "estimate",
            };
            page.figure(name, &row.labels("by", by), Fraction::of_ms(ms));
        }
    }
}

fn syncs(rows: &[Row<'_>], page: &mut Page) {
    let syncing = || {
        let of = |row: &'_ Row<'_>| row.replica.sync;
        rows.iter().filter_map(move |row| Some((row, of(row)?)))
    };
    let name = "tanist_replica_sync_stage";
    let help = "How far a replica is in getting into step, until it is.";
    page.family(name, Kind::Gauge, help);
    for (row, sync) in syncing() {
        page.figure(name, &row.labels("stage", sync.stage), 1_u64);
    }
    let name = "tanist_replica_sync_sent_bytes";
    page.family(name, Kind::Gauge, "Bytes of the snapshot that it was sent.");
    for (row, sync) in syncing() {
        page.figure(name, &row.place(), sync.sent_bytes);
    }
    let name = "tanist_replica_sync_size_bytes";
    page.family(name, Kind::Gauge, "How many there are, if that is known.");
    for (row, sync) in syncing() {
        if let Some(bytes) = sync.total_bytes {
            page.figure(name, &row.place(), bytes);
        }
    }
    let name = "tanist_replica_sync_bytes_per_second";
    page.family(name, Kind::Gauge, "How many are sent in a second, of late.");
    for (row, sync) in syncing() {
        page.figure(name, &row.place(), sync.bytes_per_second);
    }
    let name = "tanist_replica_sync_left_seconds";
    page.family(name, Kind::Gauge, "Until all are sent, as it seems.");
    for (row, sync) in syncing() {
        if let Some(seconds) = sync.left_s {
            page.figure(name, &row.place(), seconds);
        }
    }
}

fn failovers(view: &View<'_>, page: &mut Page) {
    let name = "tanist_failover_state";
    page.family(
        name,
        Kind::Gauge,
        "Where a failover stands that we hand over by.",
    );
    let now = view.replication.failover_state;
    page.states(name, "state", &Failover::NAMES, now);
    let name = "tanist_failover_events_total";
    let help =
        "Failovers by FAILOVER that were begun, and how they have ended; changes of the role.";
    page.family(name, Kind::Counter, help);
    let turns = &view.env.stats.turns;
    for (event, count) in [
        ("begun", turns.begun),
        ("handed_over", turns.handed_over),
        ("given_up", turns.given_up),
        ("became_master", turns.became_master),
        ("became_replica", turns.became_replica),
    ] {
        page.figure(name, &[("event", event)], count);
    }
}
