//! A folder in which nothing can be made.

use std::fs;

use super::{Record, wait_info};
use crate::harness::*;

const DISK_BYTES: usize = 8 * 1024 * 1024;

fn server(lines: &[&str]) -> Option<Server> {
    let options = lines
        .iter()
        .fold(Options::ours(), |o, line| o.config(*line));
    options.small_disk(DISK_BYTES).start_if_possible()
}

#[test]
fn a_folder_that_turns_read_only_stops_rewrites_and_nothing_else() {
    let Some(mut server) = server(&["appendonly yes"]) else {
        return;
    };
    let mut record = Record::default();
    record.write_well(&server, 100);
    let before = manifest_of(&server);
    let read_only = ReadOnly::make(aof_folder(&server));
    server.ask("BGREWRITEAOF");
    wait_rewritten(&server);
    wait_info(&server, "aof_last_bgrewrite_status", "err");
    record.write_well(&server, 100);
    drop(read_only);
    assert!(manifest_of(&server).starts_with(&before));
    rewrite(&server);
    record.write_well(&server, 10);
    record.check_after_a_kill(&mut server);
}

#[test]
fn a_start_on_a_folder_that_is_read_only_fails_and_says_why() {
    let Some(mut server) = server(&["appendonly yes"]) else {
        return;
    };
    let mut record = Record::default();
    record.write_well(&server, 50);
    server.kill();
    let before = files_in(&aof_folder(&server));
    let read_only = ReadOnly::make(aof_folder(&server));
    let exit = server.start_again_and_fail();
    assert_eq!(exit.code(), 1, "{}", exit.log);
    assert!(exit.log.contains("Read-only file system"), "{}", exit.log);
    drop(read_only);
    assert!(files_in(&aof_folder(&server)) == before);
    server.start_again();
    record.check(&server);
}

#[test]
fn a_file_cannot_be_switched_on_in_a_folder_that_is_read_only() {
    let Some(mut server) = server(&[]) else {
        return;
    };
    let mut record = Record::default();
    record.write_well(&server, 50);
    fs::create_dir(aof_folder(&server)).unwrap();
    let read_only = ReadOnly::make(aof_folder(&server));
    let refusal = server.ask("CONFIG SET appendonly yes");
    assert!(refusal.contains("Unable to turn on AOF"), "{refusal}");
    assert_eq!(server.info("aof_enabled"), "0");
    record.write_well(&server, 10);
    drop(read_only);
    assert_eq!(server.ask("CONFIG SET appendonly yes"), "OK");
    wait_rewritten(&server);
    record.write_well(&server, 10);
    server.kill();
    let config = fs::read_to_string(server.path("redis.conf")).unwrap();
    fs::write(server.path("redis.conf"), config + "appendonly yes\n").unwrap();
    server.start_again();
    record.check(&server);
}

#[test]
fn a_snapshot_cannot_be_written_to_a_folder_that_is_read_only_and_the_old_one_stays() {
    let Some(server) = server(&["enable-protected-configs yes"]) else {
        return;
    };
    let mut record = Record::default();
    record.write_well(&server, 50);
    assert_eq!(server.ask("SAVE"), "OK");
    let folder = server.data_path("");
    let old = files_in(&folder);
    record.write_well(&server, 10);
    let place = server.data_path("place");
    fs::create_dir(&place).unwrap();
    let read_only = ReadOnly::make(place.clone());
    assert_eq!(server.ask("CONFIG SET dir place"), "OK");
    server.ask("BGSAVE");
    wait_info(&server, "rdb_last_bgsave_status", "err");
    assert_eq!(server.ask("SAVE"), "-ERR");
    drop(read_only);
    // The server is still in the folder as it was read-only.
    server.command(&["CONFIG", "SET", "dir", folder.to_str().unwrap()]);
    server.ask("CONFIG SET dir place");
    assert_eq!(server.ask("SAVE"), "OK");
    assert_eq!(names_in(&place), ["dump.rdb"]);
    fs::remove_dir_all(&place).unwrap();
    assert!(files_in(&folder) == old);
}
