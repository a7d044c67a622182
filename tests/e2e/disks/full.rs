//! A small disk fills up during each kind of work, and is emptied again.

use std::fs;

use super::{Record, wait_info, wait_writable};
use crate::harness::*;

/// Room on the disk.
const DISK_BYTES: usize = 4 * 1024 * 1024;
/// Room that is left for appends, in bytes; far from enough for a copy of the data.
const LITTLE_BYTES: usize = 64 * 1024;

/// A server with an append-only file on a small disk that rewrites it only when asked.
fn with_file(policy: &str) -> Option<Server> {
    Options::ours()
        .small_disk(DISK_BYTES)
        .config("appendonly yes")
        .config(format!("appendfsync {policy}"))
        .config("auto-aof-rewrite-percentage 0")
        .config("rdbcompression no")
        .start_if_possible()
}

/// A server that is to have a snapshot on a small disk.
fn with_snapshots() -> Option<Server> {
    Options::ours()
        .small_disk(DISK_BYTES)
        .config("rdbcompression no")
        .start_if_possible()
}

fn refuses_writes_until_there_is_room(policy: &str) {
    let Some(mut server) = with_file(policy) else {
        return;
    };
    let mut record = Record::default();
    record.write_well(&server, 100);
    // Whoever does not append to what a rewrite has begun leaves a hole where a command is cut off.
    rewrite(&server);
    server.disk().fill(LITTLE_BYTES);
    for _ in 0..2 {
        let refusal = record.write_until_refused(&server);
        let expected = "MISCONF Errors writing to the AOF file: No space left on device";
        assert_eq!(refusal, expected);
        assert_eq!(server.info("aof_last_write_status"), "err");
        // What is there can be read, and nothing of it is lost.
        record.check(&server);
        server.disk().empty();
        wait_writable(&server);
        assert_eq!(server.info("aof_last_write_status"), "ok");
        record.write_well(&server, 50);
        server.disk().fill(0);
    }
    server.disk().empty();
    wait_writable(&server);
    record.check_after_a_kill(&mut server);
}

#[test]
fn with_everysec_a_full_disk_has_writes_refused_until_there_is_room() {
    refuses_writes_until_there_is_room("everysec");
}

#[test]
fn without_syncs_a_full_disk_has_writes_refused_until_there_is_room() {
    refuses_writes_until_there_is_room("no");
}

#[test]
fn a_file_that_is_switched_off_and_on_while_the_disk_is_full_comes_back_with_the_room() {
    let Some(mut server) = with_file("everysec") else {
        return;
    };
    let mut record = Record::default();
    record.write_well(&server, 100);
    server.disk().fill(LITTLE_BYTES);
    record.write_until_refused(&server);
    assert_eq!(server.ask("CONFIG SET appendonly no"), "OK");
    // Without a file nobody is refused because of it.
    record.write_well(&server, 50);
    let _ = server.ask("CONFIG SET appendonly yes");
    server.disk().empty();
    wait_for(
        "the file can be switched on",
        || (server.ask("CONFIG SET appendonly yes") == "OK").then_some(()),
        || server.log_tail(),
    );
    wait_for(
        "its first base is whole",
        || {
            let is_whole = server.info("aof_last_bgrewrite_status") == "ok"
                && server.info("aof_rewrite_in_progress") == "0"
                && server.info("aof_rewrite_scheduled") == "0";
            is_whole.then_some(())
        },
        || server.log_tail(),
    );
    wait_writable(&server);
    record.write_well(&server, 50);
    record.check_after_a_kill(&mut server);
}

#[test]
fn with_always_a_server_ends_when_its_disk_is_full_and_has_lost_nothing() {
    let Some(mut server) = with_file("always") else {
        return;
    };
    let mut record = Record::default();
    record.write_well(&server, 50);
    server.disk().fill(LITTLE_BYTES);
    record.write_until_refused(&server);
    let exit = server.wait_exit();
    assert_eq!(exit.code(), 1, "{}", exit.log);
    assert!(
        exit.log
            .contains("Short write while writing to the AOF file"),
        "{}",
        exit.log
    );
    server.disk().empty();
    server.start_again();
    record.check(&server);
    record.write_well(&server, 50);
    record.check_after_a_kill(&mut server);
}

#[test]
fn a_rewrite_that_finds_no_room_leaves_the_files_and_succeeds_when_there_is_some() {
    let Some(mut server) = with_file("everysec") else {
        return;
    };
    let mut record = Record::default();
    record.write_well(&server, 300);
    rewrite(&server);
    record.write_well(&server, 100);
    server.disk().fill(LITTLE_BYTES);
    let before = manifest_of(&server);
    server.ask("BGREWRITEAOF");
    wait_rewritten(&server);
    assert_eq!(server.info("aof_last_bgrewrite_status"), "err");
    // Its commands go to another increment, and what was there stays.
    assert!(manifest_of(&server).starts_with(&before));
    let names = names_in(&aof_folder(&server));
    assert!(names.iter().all(|n| !n.contains("temp")), "{names:?}");
    record.write_well(&server, 5);
    record.check_after_a_kill(&mut server);
    server.disk().empty();
    rewrite(&server);
    record.write_well(&server, 5);
    record.check_after_a_kill(&mut server);
}

#[test]
fn a_snapshot_that_finds_no_room_leaves_the_old_one_and_refuses_writes_until_one_succeeds() {
    let Some(mut server) = with_snapshots() else {
        return;
    };
    server.command(&["CONFIG", "SET", "save", "100000 1"]);
    let mut record = Record::default();
    record.write_well(&server, 100);
    assert_eq!(server.ask("SAVE"), "OK");
    let old = fs::read(server.data_path("dump.rdb")).unwrap();
    record.write_well(&server, 200);
    server.disk().fill(LITTLE_BYTES);
    server.ask("BGSAVE");
    wait_info(&server, "rdb_last_bgsave_status", "err");
    assert_eq!(server.ask("SAVE"), "-ERR");
    let refusal = server.ask("SET a 1");
    let expected = "-MISCONF Redis is configured to save RDB snapshots";
    assert!(refusal.starts_with(expected), "{refusal}");
    assert_eq!(fs::read(server.data_path("dump.rdb")).unwrap(), old);
    assert_eq!(names_in(&server.data_path("")), ["dump.rdb", "filler"]);
    record.check(&server);
    server.disk().empty();
    server.ask("BGSAVE");
    wait_info(&server, "rdb_last_bgsave_status", "ok");
    record.write_well(&server, 5);
    assert_eq!(server.ask("SAVE"), "OK");
    record.check_after_a_kill(&mut server);
}

#[test]
fn a_server_that_cannot_save_does_not_leave_until_it_can() {
    let Some(mut server) = with_snapshots() else {
        return;
    };
    server.command(&["CONFIG", "SET", "save", "100000 1"]);
    let mut record = Record::default();
    record.write_well(&server, 200);
    server.disk().fill(LITTLE_BYTES);
    let refusal = server.ask("SHUTDOWN");
    assert_eq!(refusal, "-ERR Errors trying to SHUTDOWN. Check logs.");
    record.check(&server);
    server.disk().empty();
    assert_eq!(server.shutdown("").code(), 0);
    server.start_again();
    record.check(&server);
}

/// A replica that is to load from disk, on a small one, and a master.
fn replica_and_master(lines: &[&str]) -> Option<(Server, Server)> {
    let options = lines
        .iter()
        .fold(Options::ours(), |o, line| o.config(*line));
    let options = options.config("repl-diskless-load disabled");
    let replica = options.small_disk(DISK_BYTES).start_if_possible()?;
    let master = Server::ours(&["repl-diskless-sync yes", "rdbcompression no"]);
    Some((replica, master))
}

#[test]
fn a_replica_without_room_for_the_snapshot_keeps_its_data_and_syncs_when_there_is_some() {
    let Some((replica, master)) = replica_and_master(&[]) else {
        return;
    };
    replica.ask("SET old data");
    let mut record = Record::default();
    record.write_well(&master, 300);
    replica.disk().fill(LITTLE_BYTES);
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    replica.wait_log("No space left on device");
    assert_eq!(replica.ask("GET old"), "data");
    assert_eq!(replica.info("master_link_status"), "down");
    replica.disk().empty();
    wait_link_up(&replica);
    record.write_well(&master, 20);
    wait_same_data(&[&master, &replica]);
    // Of the attempts that failed nothing is left.
    assert_eq!(names_in(&replica.data_path("")), ["dump.rdb"]);
}

#[test]
fn a_master_without_room_for_a_snapshot_serves_and_its_replica_syncs_when_there_is_some() {
    let Some(master) = with_snapshots() else {
        return;
    };
    master.ask("CONFIG SET repl-diskless-sync no");
    let mut record = Record::default();
    record.write_well(&master, 300);
    master.disk().fill(LITTLE_BYTES);
    let replica = Server::ours(&[]);
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    master.wait_log("No space left on device");
    record.write_well(&master, 20);
    master.disk().empty();
    wait_link_up(&replica);
    wait_same_data(&[&master, &replica]);
}

#[test]
fn a_replica_that_cannot_write_its_file_goes_on_if_it_is_told_to_and_recovers() {
    let lines = [
        "appendonly yes",
        "auto-aof-rewrite-percentage 0",
        "replica-ignore-disk-write-errors yes",
    ];
    let Some((mut replica, master)) = replica_and_master(&lines) else {
        return;
    };
    let mut record = Record::default();
    record.write_well(&master, 100);
    follow(&replica, master.port);
    wait_link_up(&replica);
    wait_rewritten(&replica);
    replica.disk().fill(LITTLE_BYTES);
    record.write_well(&master, 100);
    wait_info(&replica, "aof_last_write_status", "err");
    wait_same_data(&[&master, &replica]);
    replica.disk().empty();
    wait_info(&replica, "aof_last_write_status", "ok");
    wait_same_data(&[&master, &replica]);
    replica.kill();
    drop(master);
    replica.start_again();
    record.check(&replica);
}
