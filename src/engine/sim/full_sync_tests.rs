//! Full syncs that come to an end: writes that are faster than the link, a disk that fills up, a
//! load that takes long, more replicas than may be synced at once, a bandwidth that is limited.

use std::path::Path;

use super::cluster::Cluster;
use super::net::HostId;
use crate::base::disk::Disk;
use crate::commands::env::Env;
use crate::config::{OutputLimit, ReplDisklessLoad, Settings};

/// The window of the log here, what may be in memory for replicas that sync, and the limit of one
/// that is online.
const BYTES: u64 = 16 * 1024;
/// The limit of a replica that is in step, where it is to bear bursts.
const IN_STEP_BYTES: u64 = 512 * 1024;
/// What the log may take beyond that: the blocks at its ends, a spare one, and what is written in a
/// tick.
const SLACK_BYTES: usize = 20 * 16 * 1024;

/// Masters that know nothing of each other and have little room, with these changes.
fn servers(seed: u64, count: usize, configure: impl Fn(HostId, &mut Settings)) -> Cluster {
    let mut cluster = Cluster::plain(seed, &vec![None; count]);
    // A link is slow, and many are not.
    cluster.net.borrow_mut().pipe_bytes = 1500;
    for host in 0..count {
        cluster.kill(host);
        let settings = &mut cluster.nodes[host].settings;
        settings.repl_backlog_size = BYTES;
        settings.repl_sync_memory = BYTES;
        settings.repl_diskless_sync = false;
        settings.repl_diskless_load = ReplDisklessLoad::Disabled;
        settings.save.0.clear();
        settings.client_output_buffer_limit.replica = OutputLimit {
            hard: 4 * BYTES,
            soft: 0,
            soft_seconds: 0,
        };
        configure(host, settings);
        cluster.start(host, None);
    }
    cluster
}

fn env(cluster: &Cluster, host: HostId) -> &Env {
    cluster.nodes[host].env().expect("it runs")
}

fn full_syncs(cluster: &Cluster) -> u64 {
    env(cluster, 0).replication.source().stats().full
}

fn assert_no_files_left(cluster: &mut Cluster) {
    cluster.run_ms(500);
    for node in &mut cluster.nodes {
        let files = node.disk.files_in(Path::new("")).expect("the folder");
        let is_temporary = |path: &&std::path::PathBuf| path.to_string_lossy().starts_with("temp-");
        assert_eq!(files.iter().filter(is_temporary).count(), 0, "{files:?}");
    }
}

/// What was seen while clients wrote faster than a replica could take it.
#[derive(Debug, Default)]
struct Seen {
    log_memory_max: usize,
    spilled_max: u64,
    waiting_max: u64,
    ever_online: bool,
}

/// Several clients write for so long, each over a link as fast as that of a replica.
fn write_fast(cluster: &mut Cluster, ms: u64) -> Seen {
    let mut seen = Seen::default();
    let until_ms = cluster.now_ms() + ms;
    while cluster.now_ms() < until_ms {
        for _ in 0..3 {
            cluster.begin_to_write(0, 20);
        }
        for _ in 0..10 {
            cluster.run_ms(10);
            let replication = &env(cluster, 0).replication;
            seen.log_memory_max = seen.log_memory_max.max(replication.log_memory_bytes());
            seen.spilled_max = seen.spilled_max.max(replication.cold_bytes());
            let source = replication.source();
            seen.ever_online |= source.count() > 0 && source.all_online();
            seen.waiting_max = seen
                .waiting_max
                .max(cluster.nodes[1].stream_spilled_bytes());
        }
    }
    seen
}

#[test]
fn a_sync_ends_though_writes_are_faster_than_the_link_and_memory_stays_bounded() {
    for (seed, diskless) in [(70, false), (71, true)] {
        let mut cluster = servers(seed, 2, |_, settings| {
            settings.repl_diskless_sync = diskless;
            // Enough for one that is in step and gets much at once; less than is written meanwhile.
            settings.client_output_buffer_limit.replica.hard = IN_STEP_BYTES;
        });
        cluster.write(0, 400);
        cluster.follow(1, Some(0));
        let seen = write_fast(&mut cluster, 4000);
        assert!(seen.spilled_max > 5 * BYTES, "{seen:?}");
        let most = IN_STEP_BYTES as usize + SLACK_BYTES;
        assert!(seen.log_memory_max < most, "{seen:?}");
        cluster.converge(120_000);
        assert_eq!(full_syncs(&cluster), 1, "{seen:?}");
        assert_eq!(env(&cluster, 0).replication.cold_bytes(), 0);
        assert_no_files_left(&mut cluster);
    }
}

#[test]
fn the_same_sync_does_not_end_without_room_on_disk() {
    let mut cluster = servers(70, 2, |_, settings| settings.repl_spill_max_size = 0);
    cluster.write(0, 400);
    cluster.follow(1, Some(0));
    let seen = write_fast(&mut cluster, 4000);
    assert_eq!((seen.spilled_max, seen.ever_online), (0, false), "{seen:?}");
    assert!(full_syncs(&cluster) > 2);
    cluster.converge(120_000);
}

#[test]
fn a_full_disk_drops_the_replica_and_harms_nobody_else() {
    for (limit, full) in [(64 * BYTES, false), (4 << 30, true)] {
        let mut cluster = servers(72, 2, |_, settings| settings.repl_spill_max_size = limit);
        cluster.write(0, 400);
        cluster.follow(1, Some(0));
        let mut seen = write_fast(&mut cluster, 2000);
        assert!(seen.spilled_max > 0, "{seen:?}");
        cluster.nodes[0].disk.set_full(full);
        for _ in 0..3 {
            let more = write_fast(&mut cluster, 1500);
            seen.log_memory_max = seen.log_memory_max.max(more.log_memory_max);
        }
        assert!(full_syncs(&cluster) > 1, "{seen:?}");
        let most = 5 * BYTES as usize + SLACK_BYTES;
        assert!(seen.log_memory_max < most, "{seen:?}");
        cluster.nodes[0].disk.mend();
        cluster.converge(120_000);
        assert_no_files_left(&mut cluster);
        let kept = cluster.oracle.check_acknowledged(env(&cluster, 0)).0;
        assert!(kept > 400);
    }
}

#[test]
fn a_replica_that_loads_reads_on_and_keeps_what_comes_in_order() {
    // The master has no room for it, as one of another make.
    let configure = |host, settings: &mut Settings| match host {
        0 => {
            settings.repl_spill_max_size = 0;
            settings.client_output_buffer_limit.replica.hard = 256 * 1024;
        }
        _ => settings.key_load_delay = 20_000,
    };
    let mut cluster = servers(73, 2, configure);
    cluster.write(0, 300);
    cluster.follow(1, Some(0));
    while !cluster.nodes[1].is_loading() {
        cluster.run_ms(5);
        assert!(cluster.now_ms() < 100_000, "it never loads");
    }
    let mut waiting_max = 0;
    while cluster.nodes[1].is_loading() {
        // As much as the link takes.
        cluster.begin_to_write(0, 20);
        cluster.run_ms(100);
        waiting_max = waiting_max.max(cluster.nodes[1].stream_spilled_bytes());
    }
    assert!(waiting_max > 256 * 1024, "{waiting_max}");
    cluster.converge(60_000);
    assert_eq!(full_syncs(&cluster), 1);
    assert_no_files_left(&mut cluster);
}

#[test]
fn a_replica_whose_disk_is_full_while_it_loads_stops_to_read() {
    let configure = |host, settings: &mut Settings| match host {
        // Enough for one that is online and gets much at once.
        0 => settings.client_output_buffer_limit.replica.hard = 1 << 20,
        _ => settings.key_load_delay = 20_000,
    };
    let mut cluster = servers(74, 2, configure);
    cluster.write(0, 300);
    cluster.follow(1, Some(0));
    while !cluster.nodes[1].is_loading() {
        cluster.run_ms(5);
    }
    let mut rounds = 0;
    while cluster.nodes[1].is_loading() {
        cluster.begin_to_write(0, 20);
        cluster.run_ms(100);
        rounds += 1;
        cluster.nodes[1].disk.set_full(rounds > 10);
    }
    assert!(rounds > 20, "{rounds}");
    // Our master has kept the rest.
    cluster.converge(60_000);
    assert_eq!(full_syncs(&cluster), 1);
}

#[test]
fn replicas_are_synced_a_few_at_a_time_in_the_order_in_which_they_came() {
    for (seed, diskless) in [(75, false), (76, true)] {
        let mut cluster = servers(seed, 6, |_, settings| {
            settings.repl_diskless_sync = diskless;
            settings.repl_max_concurrent_syncs = 2;
            // What fits a piece would be sent in no time.
            settings.repl_snapshot_bandwidth = 400_000;
        });
        cluster.write(0, 200);
        for host in 1..6 {
            cluster.follow(host, Some(0));
        }
        let (mut most, mut queued) = (0, 0);
        let deadline_ms = cluster.now_ms() + 60_000;
        while !cluster.is_converged() {
            cluster.run_ms(3);
            let now = cluster.nodes[0].env().expect("it runs").now;
            let info = env(&cluster, 0).replication.info(now);
            most = most.max(info.syncs_in_progress);
            queued = queued.max(info.sync_queue_length);
            let waits = info.replicas.iter().position(|r| r.state == "wait_bgsave");
            let sent = info.replicas.iter().rposition(|r| r.state == "send_bulk");
            if let (Some(waits), Some(sent), false) = (waits, sent, diskless) {
                assert!(sent < waits, "{:?}", info.replicas);
            }
            assert!(cluster.now_ms() < deadline_ms, "it never ends");
        }
        assert_eq!((most, queued > 2), (2, true));
        assert_eq!(full_syncs(&cluster), 5);
    }
}

#[test]
fn a_transfer_that_is_cut_again_and_again_goes_on_where_it_stopped() {
    // All of it takes some ten seconds, and a link lives for three.
    let configure = |_, settings: &mut Settings| settings.repl_snapshot_bandwidth = 20_000;
    let mut cluster = servers(79, 2, configure);
    cluster.write(0, 250);
    cluster.follow(1, Some(0));
    let mut cuts = 0;
    while !cluster.is_converged() {
        cluster.begin_to_write(0, 3);
        cluster.run_ms(3000);
        if !env(&cluster, 1).replication.is_link_up() {
            cluster.net.borrow_mut().cut(0, 1);
            cuts += 1;
        } else {
            cluster.run_ms(3000);
        }
        assert!(cuts < 30, "it never ends");
    }
    let stats = env(&cluster, 0).replication.source().stats();
    assert!(cuts >= 2 && stats.resumed >= 1, "{cuts} {stats:?}");
    // A cut before the file was begun costs a snapshot.
    assert!(stats.full <= 2, "{stats:?}");
    assert_no_files_left(&mut cluster);
}

#[test]
fn all_snapshots_together_keep_to_the_bandwidth() {
    for (seed, diskless) in [(77, false), (78, true)] {
        let mut cluster = servers(seed, 3, |_, settings| {
            settings.repl_diskless_sync = diskless;
            settings.repl_snapshot_bandwidth = 20_000;
        });
        cluster.write(0, 200);
        let began_ms = cluster.now_ms();
        for host in [1, 2] {
            cluster.follow(host, Some(0));
        }
        cluster.converge(60_000);
        let took_ms = cluster.now_ms() - began_ms;
        let sent = env(&cluster, 0).stats.net_repl_output_bytes;
        let least_ms = sent / 20 * 8 / 10;
        let may = least_ms..least_ms * 2 + 4000;
        assert!(may.contains(&took_ms), "{took_ms} ms for {sent} bytes");
        assert_eq!(full_syncs(&cluster), 2);
        // Somebody lets go.
        cluster.tell(0, "CONFIG SET repl-snapshot-bandwidth 100");
        cluster.follow(1, None);
        cluster.run_ms(500);
        cluster.tell(1, "FLUSHALL");
        cluster.tell(1, "SET a b");
        cluster.follow(1, Some(0));
        cluster.run_ms(5000);
        assert!(!cluster.is_converged());
        cluster.tell(0, "CONFIG SET repl-snapshot-bandwidth 0");
        cluster.converge(3000);
    }
}
