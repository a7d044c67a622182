//! An append-only file on a disk that fails at the worst moment: what was acknowledged is there
//! after the next start, the files load, and writes are taken again without one.

use std::path::Path;

use super::aof_tests::{file, increment, wait_for};
use super::disk::SimDisk;
use super::stage::{SERVER, Stage, command};
use crate::base::disk::Disk;
use crate::config::{Appendfsync, Settings};

/// A rewrite that repairs the file has been tried, and has ended, by then.
const REPAIR_MS: u64 = 10_000;

fn server(configure: impl FnOnce(&mut Settings)) -> Stage {
    Stage::new(|settings| {
        settings.appendonly = true;
        settings.appendfsync = Appendfsync::Everysec;
        configure(settings);
    })
}

/// Pushes a number that nobody refuses.
fn push(stage: &mut Stage, number: u32) {
    let told = stage.ask(&format!("RPUSH list {number}"));
    assert!(told.starts_with(':'), "{told}");
}

fn list(stage: &mut Stage) -> String {
    stage.ask("LRANGE list 0 -1")
}

/// The server, in which 1 is on disk, and a sync of 2 has failed.
fn after_failed_sync() -> Stage {
    let mut stage = server(|_| {});
    push(&mut stage, 1);
    stage.ask("SET short x PX 4000");
    stage.advance_ms(3000);
    stage.server().set_children_die(true);
    stage.disk().fail_syncs(1);
    push(&mut stage, 2);
    stage.advance_ms(500);
    let refused = stage.ask("RPUSH list x");
    assert!(refused.starts_with("-MISCONF"), "{refused}");
    stage
}

#[test]
fn what_a_failed_sync_has_lost_is_written_anew() {
    let mut stage = after_failed_sync();
    stage.server().set_children_die(false);
    stage.advance_ms(REPAIR_MS);
    push(&mut stage, 3);
    stage.advance_ms(3000);
    stage.lose_power();
    assert_eq!(list(&mut stage), "*3 $1 1 $1 2 $1 3");
}

#[test]
fn nothing_is_written_behind_what_a_failed_sync_has_lost() {
    // A key expires meanwhile, which is written without a client that could be refused.
    for repairs in [false, true] {
        let mut stage = after_failed_sync();
        stage.advance_ms(if repairs { REPAIR_MS } else { 1500 });
        stage.ask("CONFIG SET appendfsync always");
        stage.ask("CONFIG SET appendfsync always");
        stage.advance_ms(1000);
        stage.lose_power();
        assert_eq!(list(&mut stage), "*1 $1 1");
    }
}

/// What a sync that failed was about, and what comes after it, survives a loss of power.
fn check_that_all_is_written_anew(mut stage: Stage) {
    assert_eq!(stage.ask("CONFIG SET appendfsync always"), "+OK");
    stage.advance_ms(REPAIR_MS);
    push(&mut stage, 2);
    stage.lose_power();
    assert_eq!(list(&mut stage), "*2 $1 1 $1 2");
}

#[test]
fn a_failed_sync_is_not_forgotten_when_the_policy_changes() {
    let mut stage = server(|settings| settings.appendfsync = Appendfsync::No);
    push(&mut stage, 1);
    stage.disk().fail_syncs(1);
    let refused = stage.ask("CONFIG SET appendfsync always");
    assert!(refused.starts_with('-'), "{refused}");
    check_that_all_is_written_anew(stage);
}

#[test]
fn a_failed_sync_is_not_forgotten_when_the_server_stays_after_all() {
    let mut stage = server(|settings| settings.appendfsync = Appendfsync::No);
    push(&mut stage, 1);
    // The first sync is that of the file, the second that of a snapshot.
    stage.disk().fail_syncs(2);
    let refused = stage.ask("SHUTDOWN SAVE");
    assert!(refused.starts_with("-ERR Errors trying"), "{refused}");
    check_that_all_is_written_anew(stage);
}

#[test]
fn a_sync_that_fails_on_another_thread_is_not_forgotten_when_a_rewrite_syncs_too() {
    let mut stage = server(|_| {});
    push(&mut stage, 1);
    stage.disk().set_sync_time(1000..1001);
    stage.disk().fail_syncs(1);
    while stage.info("aof_pending_bio_fsync") != "1" {
        stage.advance_ms(1);
    }
    stage.server().set_children_die(true);
    // It has failed, and nobody was told.
    stage.advance_ms(1);
    let told = stage.ask("BGREWRITEAOF");
    assert!(told.starts_with('-'), "{told}");
    stage.advance_ms(100);
    let refused = stage.ask("RPUSH list x");
    assert!(refused.starts_with("-MISCONF"), "{refused}");
    stage.server().set_children_die(false);
    stage.advance_ms(REPAIR_MS);
    push(&mut stage, 3);
    stage.advance_ms(3000);
    stage.lose_power();
    assert!(list(&mut stage).ends_with("$1 3"));
}

#[test]
fn always_does_not_reply_to_what_the_sync_before_a_rewrite_has_lost() {
    let mut stage = server(|settings| settings.appendfsync = Appendfsync::Always);
    push(&mut stage, 1);
    let mut client = stage.connect();
    client.say("RPUSH list 2");
    client.say("BGREWRITEAOF");
    stage.disk().fail_syncs(1);
    stage.tick();
    assert!(!stage.server().is_up());
    assert!(client.take().is_empty());
}

#[test]
fn what_a_killed_server_had_not_synced_is_synced_by_the_next_one() {
    for policy in [Appendfsync::Everysec, Appendfsync::Always] {
        let mut stage = server(|_| {});
        push(&mut stage, 1);
        stage.server().settings.appendfsync = policy;
        stage.restart();
        assert_eq!(list(&mut stage), "*1 $1 1");
        stage.advance_ms(3000);
        stage.lose_power();
        assert_eq!(list(&mut stage), "*1 $1 1");
    }
}

#[test]
fn a_write_that_failed_before_the_first_rewrite_did_holds_nobody_up_for_ever() {
    let mut stage = server(|settings| settings.appendonly = false);
    stage.server().set_children_die(true);
    stage.ask("CONFIG SET appendonly yes");
    stage.disk().set_full(true);
    push(&mut stage, 1);
    wait_for(&mut stage, "aof_last_write_status", "err");
    wait_for(&mut stage, "aof_rewrite_in_progress", "0");
    stage.disk().set_full(false);
    stage.server().set_children_die(false);
    stage.advance_ms(REPAIR_MS);
    assert!(stage.server().has_aof());
    push(&mut stage, 2);
}

#[test]
fn an_increment_does_not_begin_with_what_another_server_has_left() {
    let mut disk = SimDisk::default();
    let folder = Path::new("appendonlydir");
    disk.create_folder(folder).unwrap();
    disk.sync_folder_of(folder).unwrap();
    let orphan = command("RPUSH list 0");
    disk.put(&folder.join("appendonly.aof.1.incr.aof"), orphan, true);
    for with_power in [false, true] {
        let mut stage = Stage::with_disk(disk.clone(), |settings| settings.appendonly = true);
        push(&mut stage, 1);
        stage.advance_ms(3000);
        match with_power {
            true => stage.lose_power(),
            false => stage.restart(),
        }
        let expected = if with_power {
            "*2 $1 1 $1 1"
        } else {
            "*1 $1 1"
        };
        assert_eq!(list(&mut stage), expected);
    }
}

#[test]
fn an_increment_that_was_named_too_early_hinders_nothing() {
    for kill_first in [false, true] {
        let mut stage = server(|_| {});
        push(&mut stage, 1);
        stage.advance_ms(3000);
        // The folder of the manifest is the second one that a rewrite syncs.
        stage.disk().fail_folder_syncs_but(1, 1);
        assert!(stage.ask("BGREWRITEAOF").starts_with('-'));
        push(&mut stage, 2);
        if kill_first {
            // What is torn off the file is not the end of the last one.
            stage.disk().end_process_after(Some(0));
            stage.ask("RPUSH list 3");
            assert!(!stage.server().is_up());
            stage.start();
            assert_eq!(list(&mut stage), "*2 $1 1 $1 2");
            push(&mut stage, 4);
            stage.advance_ms(3000);
        }
        stage.lose_power();
        assert!(list(&mut stage).contains("$1 1"));
        stage.ask("BGREWRITEAOF");
        wait_for(&mut stage, "aof_rewrite_in_progress", "0");
        assert_eq!(stage.info("aof_last_bgrewrite_status"), "ok");
        assert_eq!(increment(&stage), "");
    }
}

#[test]
fn a_first_file_whose_names_are_not_durable_is_written_anew() {
    let mut stage = server(|settings| settings.appendonly = false);
    push(&mut stage, 1);
    stage.ask("CONFIG SET appendonly yes");
    // First the names of the files, then that of the manifest.
    stage.disk().fail_folder_syncs_but(1, 1);
    wait_for(&mut stage, "aof_rewrite_in_progress", "0");
    stage.advance_ms(REPAIR_MS);
    push(&mut stage, 2);
    stage.advance_ms(3000);
    stage.server().settings.appendonly = true;
    stage.lose_power();
    assert_eq!(list(&mut stage), "*2 $1 1 $1 2");
}

#[test]
fn a_folder_whose_name_was_not_synced_is_synced_by_the_next_server() {
    let mut stage = server(|settings| settings.appendonly = false);
    stage.cluster.kill(SERVER);
    stage.server().settings.appendonly = true;
    stage.disk().fail_folder_syncs(1);
    stage.start();
    assert!(!stage.server().is_up());
    stage.start();
    push(&mut stage, 1);
    stage.advance_ms(3000);
    stage.lose_power();
    assert_eq!(list(&mut stage), "*1 $1 1");
}

#[test]
fn a_rewrite_can_be_interrupted_at_each_step() {
    for with_power in [false, true] {
        let mut interrupted = 0;
        for changes in 0..30 {
            let mut stage = server(|_| {});
            push(&mut stage, 1);
            stage.advance_ms(3000);
            stage.server().loses_power = with_power;
            stage.disk().end_process_after(Some(changes));
            stage.ask("BGREWRITEAOF");
            stage.advance_ms(REPAIR_MS);
            interrupted += usize::from(!stage.server().is_up());
            stage.disk().end_process_after(None);
            stage.start();
            assert_eq!(list(&mut stage), "*1 $1 1", "{changes}");
            push(&mut stage, 2);
            stage.advance_ms(3000);
            stage.lose_power();
            assert_eq!(list(&mut stage), "*2 $1 1 $1 2", "{changes}");
            let name = "temp-rewriteaof-bg-101.aof";
            assert_eq!(file(&stage, name), "", "{changes}");
        }
        assert!((12..30).contains(&interrupted), "{interrupted}");
    }
}
