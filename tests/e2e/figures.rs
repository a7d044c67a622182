//! The names under which a server shows its figures and settings, beside those of stock Redis.
//!
//! Debian's server is 7.0, and the reference 7.2: what came between is listed here.

use crate::harness::*;

/// What `INFO everything` shows since 7.2.
const NEW_IN_INFO: &[&str] = &[
    "listener0",
    "total_blocking_keys",
    "total_blocking_keys_on_nokey",
    "eventloop_cycles",
    "eventloop_duration_sum",
    "eventloop_duration_cmd_sum",
    "instantaneous_eventloop_cycles_per_sec",
    "instantaneous_eventloop_duration_usec",
    "acl_access_denied_auth",
    "acl_access_denied_cmd",
    "acl_access_denied_key",
    "acl_access_denied_channel",
];
/// Settings since 7.2.
const NEW_SETTINGS: &[&str] = &[
    "cluster-announce-human-nodename",
    "locale-collate",
    "set-max-listpack-entries",
    "set-max-listpack-value",
];
/// A setting of 7.0 that 7.2 hides.
const HIDDEN_SETTING: &str = "aof-disable-auto-gc";
/// What only we have.
const OWN: &[&str] = &[
    "tanist_version",
    "rdb-version",
    "rdb-skip-unknown",
    "metrics-port",
    "metrics-bind",
    "replica-lineage-guard",
    "aof-stream-marks",
    "replica_guard",
    "replica_guard_refusals",
    "master_lag_bytes",
    "master_lag_ms",
    "master_lag_sampled_ms",
    "master_sync_stage",
    "replica0_lag",
    // While a replica syncs.
    "replica0_sync",
    "master_sync_bytes_per_second",
    "master_sync_seconds_left",
    "lost-writes-max-size",
    "lost-writes-max-age",
    "lost_writes_ledgers",
    "lost_writes_commands",
    "lost_writes_keys",
    "lost_writes_last_file",
    "lost_writes_tail_bytes",
    "repl-sync-memory",
    "repl-spill-max-size",
    "repl-max-concurrent-syncs",
    "repl-snapshot-bandwidth",
    "syncs_in_progress",
    "sync_queue_length",
    "syncs_resumed",
    "repl_spilled_bytes",
    "master_stream_spilled_bytes",
    "repl_stream_sum",
    "repl_stream_drifts",
    "handshakes_pending",
    "handshakes_failed",
];

/// Headings and names of fields, in their order; what stands for a command or an error comes last,
/// since stock Redis has these in no order.
fn names_in_info(server: &Server) -> Vec<String> {
    let text = server.ask("INFO everything");
    let lines = text.lines().filter(|line| !line.is_empty());
    let names = lines.map(|line| line.split(':').next().unwrap_or_default().to_owned());
    let unordered = ["cmdstat_", "errorstat_", "latency_percentiles_usec_"];
    let (mut last, mut names): (Vec<String>, Vec<String>) =
        names.partition(|name| unordered.iter().any(|start| name.starts_with(start)));
    last.sort();
    names.append(&mut last);
    names
}

/// Every other element of a reply.
fn names(server: &Server, command: &str) -> Vec<String> {
    let reply = server.call(command);
    reply
        .items()
        .iter()
        .step_by(2)
        .map(Value::to_string)
        .collect()
}

fn without(names: &[String], left_out: &[&[&str]]) -> Vec<String> {
    let left_out = left_out.concat();
    let kept = names.iter().filter(|n| !left_out.contains(&n.as_str()));
    kept.cloned().collect()
}

fn pair() -> [Server; 2] {
    [Server::ours(&[]), Server::stock(&[])]
}

#[test]
fn info_has_the_fields_of_stock_redis_in_their_order() {
    for commands in [&["PING"][..], &["SET a 1", "EVAL return(1) 0", "nosuch"]] {
        let [ours, stock] = pair().map(|server| {
            for command in commands {
                server.call(command);
            }
            names_in_info(&server)
        });
        assert_eq!(
            without(&ours, &[NEW_IN_INFO, OWN]),
            without(&stock, &[NEW_IN_INFO])
        );
        for name in NEW_IN_INFO {
            assert!(ours.iter().any(|own| own == name), "{name}");
        }
    }
}

#[test]
fn info_of_a_master_and_a_replica_has_the_fields_of_stock_redis() {
    let [ours, stock] = [
        [Server::ours(&[]), Server::ours(&[])],
        [Server::stock(&[]), Server::stock(&[])],
    ]
    .map(|[master, replica]| {
        follow(&replica, master.port);
        wait_link_up(&replica);
        [names_in_info(&master), names_in_info(&replica)]
    });
    for (ours, stock) in ours.iter().zip(&stock) {
        assert_eq!(
            without(ours, &[NEW_IN_INFO, OWN]),
            without(stock, &[NEW_IN_INFO])
        );
    }
}

#[test]
fn settings_are_those_of_stock_redis() {
    let [mut ours, mut stock] = pair().map(|server| names(&server, "CONFIG GET *"));
    ours.sort();
    stock.sort();
    assert_eq!(
        without(&ours, &[NEW_SETTINGS, OWN]),
        without(&stock, &[NEW_SETTINGS, &[HIDDEN_SETTING]])
    );
    for name in NEW_SETTINGS {
        assert!(ours.iter().any(|own| own == name), "{name}");
    }
}

#[test]
fn memory_stats_have_the_names_of_stock_redis_in_their_order() {
    let [ours, stock] = pair().map(|server| {
        server.ask("SET a 1");
        names(&server, "MEMORY STATS")
    });
    assert_eq!(ours, stock);
}
