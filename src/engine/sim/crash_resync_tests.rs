//! Servers with append-only files that are killed, lose power, or come back with a file that was
//! changed: who may continue does, and nobody continues with other data.

use std::path::{Path, PathBuf};

use super::cluster::Cluster;
use super::net::HostId;
use crate::base::disk::Disk;
use crate::base::rng::Rng;
use crate::config::{Appendfsync, Settings};

fn with_files(settings: &mut Settings) {
    settings.appendonly = true;
    settings.appendfsync = Appendfsync::Everysec;
    settings.auto_aof_rewrite_percentage = 0;
    settings.save.0.clear();
}

/// A tree in one place whose servers keep append-only files.
fn tree(seed: u64, parents: &[Option<HostId>]) -> Cluster {
    let mut cluster = Cluster::plain_with(seed, parents, with_files);
    cluster.grow_together();
    // After the full sync, the file counts once it was rewritten.
    cluster.run_ms(5000);
    cluster.converge(20_000);
    cluster
}

/// Full syncs that a server has served since it was started.
fn served(cluster: &Cluster, host: HostId) -> u64 {
    let env = cluster.nodes[host].env().expect("it runs");
    env.replication.source().stats().full
}

fn drifts(cluster: &Cluster, host: HostId) -> u64 {
    let env = cluster.nodes[host].env().expect("it runs");
    env.replication.info(env.now).stream_drifts
}

/// The increment of a server that grows.
fn increment(cluster: &Cluster, host: HostId) -> PathBuf {
    let mut disk = cluster.nodes[host].disk.clone();
    let files = disk.files_in(Path::new("appendonlydir")).expect("a folder");
    let is_increment = |path: &PathBuf| path.to_string_lossy().ends_with(".incr.aof");
    let increments = files.into_iter().filter(is_increment);
    increments.max().expect("there is an increment")
}

/// Has servers killed one after the other, in the middle of writes, and looks what it costs.
fn kill_under_load(seed: u64, parents: &[Option<HostId>], victims: &[HostId]) {
    let mut cluster = tree(seed, parents);
    let mut rng = Rng::from_seed(seed);
    for &victim in victims {
        let before: Vec<u64> = (0..parents.len())
            .map(|host| served(&cluster, host))
            .collect();
        cluster.begin_to_write(0, 40);
        cluster.tell(0, "PUBLISH news something");
        cluster.run_ms(rng.below(30));
        cluster.kill(victim);
        if victim == 0 {
            cluster.forget_writers();
        }
        cluster.run_ms(rng.below(300));
        cluster.start(victim, parents[victim]);
        cluster.converge(30_000);
        for (host, before) in before.into_iter().enumerate() {
            let expected = if host == victim { 0 } else { before };
            assert_eq!(
                served(&cluster, host),
                expected,
                "{seed}: {host} after {victim}"
            );
            assert_eq!(drifts(&cluster, host), 0, "{seed}: {host} after {victim}");
        }
        cluster.write(0, 5);
        cluster.converge(20_000);
    }
}

#[test]
fn a_server_that_is_killed_continues_and_lets_others_continue() {
    for seed in 0..10 {
        kill_under_load(seed, &[None, Some(0), Some(1)], &[2, 1, 0, 1, 0, 0, 2]);
    }
}

#[test]
fn replicas_beside_each_other_continue_with_a_master_that_was_killed() {
    for seed in 20..26 {
        kill_under_load(seed, &[None, Some(0), Some(0)], &[0, 1, 0, 2, 0]);
    }
}

#[test]
fn a_server_continues_after_its_file_was_rewritten() {
    let mut cluster = tree(3, &[None, Some(0)]);
    for victim in [0, 1] {
        let before = [served(&cluster, 0), served(&cluster, 1)];
        cluster.tell(victim, "BGREWRITEAOF");
        cluster.run_ms(3000);
        cluster.kill(victim);
        cluster.start(victim, [None, Some(0)][victim]);
        cluster.converge(20_000);
        let expected = if victim == 0 { 0 } else { before[0] };
        assert_eq!(served(&cluster, 0), expected);
        cluster.write(0, 5);
        cluster.converge(20_000);
    }
}

#[test]
fn a_replica_whose_file_was_changed_is_found_out_and_gets_all_anew() {
    let mut cluster = tree(4, &[None, Some(0)]);
    cluster.tell(0, "SET drifting aaaa");
    cluster.run_ms(500);
    cluster.converge(20_000);
    let before = served(&cluster, 0);
    cluster.kill(1);
    let path = increment(&cluster, 1);
    let mut bytes = cluster.nodes[1].disk.content(&path);
    let at = memchr::memmem::rfind(&bytes, b"aaaa").expect("it is in the file");
    bytes[at] = b'b';
    cluster.nodes[1].disk.put(&path, bytes, true);
    cluster.start(1, Some(0));
    cluster.converge(30_000);
    assert_eq!(served(&cluster, 0), before + 1);
    assert_eq!([drifts(&cluster, 0), drifts(&cluster, 1)], [1, 1]);
}

#[test]
fn a_file_that_somebody_else_has_added_to_has_no_place() {
    let mut cluster = tree(5, &[None, Some(0)]);
    let before = served(&cluster, 0);
    cluster.kill(1);
    let path = increment(&cluster, 1);
    let mut bytes = cluster.nodes[1].disk.content(&path);
    bytes.extend_from_slice(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$4\r\nINCR\r\n$1\r\nx\r\n");
    cluster.nodes[1].disk.put(&path, bytes, true);
    cluster.start(1, Some(0));
    cluster.converge(30_000);
    assert_eq!(served(&cluster, 0), before + 1);
    assert_eq!(drifts(&cluster, 0), 0, "it does not even claim a place");
}

#[test]
fn a_master_that_lost_power_lets_nobody_continue_who_has_more() {
    for seed in 0..8 {
        let mut cluster = tree(seed, &[None, Some(0)]);
        cluster.without_pings();
        cluster.converge(20_000);
        cluster.run_ms(2000);
        // The replica has this, and the disk of the master does not.
        cluster.write(0, 10);
        cluster.run_ms(100);
        cluster.net.borrow_mut().silence(0, 1);
        let net = cluster.net.clone();
        cluster.nodes[0].lose_power(&net);
        cluster.forget_writers();
        cluster.start(0, None);
        // It gets past the place where the replica is before that comes back.
        cluster.write(0, 30);
        cluster.net.borrow_mut().heal();
        cluster.nodes[1].settings.repl_timeout = 5;
        cluster.tell(1, "CONFIG SET repl-timeout 3");
        cluster.converge(60_000);
    }
}

#[test]
fn without_marks_a_restart_costs_a_full_sync() {
    let mut cluster = Cluster::plain_with(6, &[None, Some(0)], |settings| {
        with_files(settings);
        settings.aof_stream_marks = false;
    });
    cluster.grow_together();
    cluster.run_ms(5000);
    cluster.converge(20_000);
    let before = served(&cluster, 0);
    cluster.kill(1);
    let text = String::from_utf8_lossy(&cluster.nodes[1].disk.content(&increment(&cluster, 1)))
        .into_owned();
    assert!(!text.contains("#R"), "{text}");
    cluster.start(1, Some(0));
    cluster.converge(30_000);
    assert_eq!(served(&cluster, 0), before + 1);
}
