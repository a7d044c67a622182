//! A disk that fails to sync, and a kernel that gives no child.

use std::fs;
use std::path::Path;

use super::{Record, wait_info, wait_writable};
use crate::harness::*;

fn server(lines: &[&str]) -> Server {
    let options = lines
        .iter()
        .fold(Options::ours(), |o, line| o.config(*line));
    options.calls_can_fail().start()
}

#[test]
fn with_everysec_a_failed_sync_has_writes_refused_until_all_is_on_disk_anew() {
    let mut server = server(&["appendonly yes", "appendfsync everysec"]);
    let mut record = Record::default();
    record.write_well(&server, 50);
    server.fail_calls(&["fsync", "fdatasync"]);
    let refusal = record.write_until_refused(&server);
    assert!(
        refusal.starts_with("MISCONF Errors writing to the AOF file: "),
        "{refusal}"
    );
    assert_eq!(server.info("aof_last_write_status"), "err");
    record.check(&server);
    server.mend_calls();
    wait_writable(&server);
    assert_eq!(server.info("aof_last_write_status"), "ok");
    record.write_well(&server, 50);
    record.check_after_a_kill(&mut server);
}

#[test]
fn with_always_a_server_whose_disk_fails_to_sync_ends_before_it_replies() {
    let mut server = server(&["appendonly yes", "appendfsync always"]);
    let mut record = Record::default();
    record.write_well(&server, 50);
    server.fail_calls(&["fsync", "fdatasync"]);
    let before = record.written;
    record.write_until_refused(&server);
    assert_eq!(
        record.written, before,
        "nobody was told that a write is done"
    );
    let exit = server.wait_exit();
    assert_eq!(exit.code(), 1, "{}", exit.log);
    assert!(exit.log.contains("Input/output error"), "{}", exit.log);
    server.mend_calls();
    server.start_again();
    record.check(&server);
}

#[test]
fn a_snapshot_that_is_not_synced_does_not_replace_the_old_one() {
    let mut server = server(&["save 100000 1"]);
    let mut record = Record::default();
    record.write_well(&server, 20);
    assert_eq!(server.ask("SAVE"), "OK");
    let old = fs::read(server.path("dump.rdb")).unwrap();
    record.write_well(&server, 20);
    server.fail_calls(&["fsync", "fdatasync"]);
    assert_eq!(server.ask("SAVE"), "-ERR");
    server.ask("BGSAVE");
    wait_info(&server, "rdb_last_bgsave_status", "err");
    assert_eq!(fs::read(server.path("dump.rdb")).unwrap(), old);
    assert!(server.ask("SET a 1").starts_with("-MISCONF "));
    server.mend_calls();
    server.ask("BGSAVE");
    wait_info(&server, "rdb_last_bgsave_status", "ok");
    record.check_after_a_kill(&mut server);
}

#[test]
fn a_base_that_is_not_synced_replaces_nothing() {
    let mut server = server(&["appendonly yes", "appendfsync no"]);
    let mut record = Record::default();
    record.write_well(&server, 50);
    let before = manifest_of(&server);
    server.fail_calls(&["fsync", "fdatasync"]);
    server.ask("BGREWRITEAOF");
    wait_rewritten(&server);
    wait_info(&server, "aof_last_bgrewrite_status", "err");
    assert!(manifest_of(&server).starts_with(&before));
    record.write_well(&server, 20);
    server.mend_calls();
    record.check_after_a_kill(&mut server);
    rewrite(&server);
    record.check_after_a_kill(&mut server);
}

#[test]
fn without_children_everything_else_goes_on_and_they_come_back() {
    let mut server = server(&["appendonly yes"]);
    let mut record = Record::default();
    record.write_well(&server, 50);
    server.fail_calls(&["fork"]);
    assert_eq!(server.ask("BGSAVE"), "-ERR");
    assert_eq!(server.info("rdb_last_bgsave_status"), "err");
    let refusal = server.ask("BGREWRITEAOF");
    let expected = "-ERR Can't execute an AOF background rewriting. Please check the server logs \
                    for more information.";
    assert_eq!(refusal, expected);
    assert_eq!(server.info("aof_last_bgrewrite_status"), "err");
    assert!(server.log().contains("Cannot allocate memory"));
    record.write_well(&server, 50);
    server.mend_calls();
    server.ask("BGSAVE");
    wait_info(&server, "rdb_last_bgsave_status", "ok");
    rewrite(&server);
    record.write_well(&server, 10);
    record.check_after_a_kill(&mut server);
}

/// How many files and sockets a process has open.
fn open_files(server: &Server) -> usize {
    names_in(Path::new(&format!("/proc/{}/fd", server.pid()))).len()
}

#[test]
fn children_that_do_not_come_about_leave_nothing_open_and_no_files() {
    let server = server(&["appendonly yes"]);
    rewrite(&server);
    server.fail_calls(&["fork"]);
    let try_all = || {
        assert_eq!(server.ask("BGSAVE"), "-ERR");
        assert!(server.ask("BGREWRITEAOF").starts_with("-ERR "));
    };
    try_all();
    wait_until("files that were closed are closed", || {
        open_files(&server) < 30
    });
    let before = open_files(&server);
    for _ in 0..50 {
        try_all();
    }
    wait_until("nothing is left open", || open_files(&server) <= before);
    // Each attempt to rewrite has begun an increment, as in the reference; a good one ends them.
    let files = manifest_of(&server).len();
    assert_eq!(names_in(&aof_folder(&server)).len(), files + 1);
    server.mend_calls();
    rewrite(&server);
    wait_until("the increments are gone", || {
        names_in(&aof_folder(&server)).len() == 3
    });
}

#[test]
fn a_replica_syncs_as_soon_as_its_master_can_fork_again() {
    for diskless in ["yes", "no"] {
        let master = server(&[&format!("repl-diskless-sync {diskless}")]);
        let mut record = Record::default();
        record.write_well(&master, 20);
        master.fail_calls(&["fork"]);
        let replica = Server::ours(&[]);
        replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
        master.wait_log("Cannot allocate memory");
        record.write_well(&master, 20);
        master.mend_calls();
        wait_link_up(&replica);
        wait_same_data(&[&master, &replica]);
    }
}
