//! The append-only file, tick by tick: when it is written and synced, when it is rewritten, how it
//! is switched on and off, and what is loaded of it.

use std::path::Path;

use super::cluster::Cluster;
use super::disk::SimDisk;
use super::net::HostId;
use super::stage::{NO_LIMIT, Peer, SERVER, Stage, command};
use crate::base::disk::Disk;
use crate::config::{Appendfsync, ProtectedAction, Settings};
use crate::persist::aof::manifest::Manifest;

/// Everything that goes on by itself has come to its end by then.
const LONG_MS: u64 = 10_000;

fn server(configure: impl FnOnce(&mut Settings)) -> Stage {
    Stage::new(|settings| {
        settings.appendonly = true;
        settings.enable_debug_command = ProtectedAction::Yes;
        configure(settings);
    })
}

fn with_policy(policy: Appendfsync) -> Stage {
    server(|settings| settings.appendfsync = policy)
}

/// What a file of the folder holds.
pub fn file(stage: &Stage, name: &str) -> String {
    let path = Path::new("appendonlydir").join(name);
    let mut bytes = Vec::new();
    if let Ok(mut file) = stage.disk().open(&path) {
        std::io::Read::read_to_end(&mut file, &mut bytes).expect("it can be read");
    }
    String::from_utf8_lossy(&bytes).replace("\r\n", " ")
}

/// What the increment holds that grows.
pub fn increment(stage: &Stage) -> String {
    let text = file(stage, "appendonly.aof.manifest");
    let manifest = Manifest::parse(text.as_bytes()).expect("there is a manifest");
    let last = manifest.increments().last().expect("there is an increment");
    file(stage, &String::from_utf8_lossy(&last.name))
}

/// A disk with an increment that holds this, and what makes it one.
fn disk_with(increment: &[u8]) -> SimDisk {
    let mut disk = SimDisk::default();
    let folder = Path::new("appendonlydir");
    disk.create_folder(folder).unwrap();
    disk.sync_folder_of(folder).unwrap();
    let manifest = b"file appendonly.aof.1.incr.aof seq 1 type i\n";
    disk.put(
        &folder.join("appendonly.aof.manifest"),
        manifest.to_vec(),
        true,
    );
    let path = folder.join("appendonly.aof.1.incr.aof");
    disk.put(&path, increment.to_vec(), true);
    disk
}

/// A server that starts with an increment that holds this.
fn started_with(increment: &[u8]) -> Stage {
    Stage::with_disk(disk_with(increment), |settings| settings.appendonly = true)
}

/// Lets time pass until a field of `INFO` has a value.
pub fn wait_for(stage: &mut Stage, field: &str, value: &str) {
    let deadline_ms = stage.cluster.now_ms() + LONG_MS;
    while stage.info(field) != value {
        assert!(
            stage.cluster.now_ms() < deadline_ms,
            "{field} is not {value}"
        );
        stage.advance_ms(50);
    }
}

/// A replica that has got its snapshot.
fn online_replica(stage: &mut Stage) -> Peer {
    let mut replica = stage.connect();
    replica.say("REPLCONF capa eof capa psync2");
    stage.settle();
    replica.say("PSYNC ? -1");
    let deadline_ms = stage.cluster.now_ms() + 60_000;
    while !stage.info("slave0").contains("state=online") {
        assert!(stage.cluster.now_ms() < deadline_ms, "no snapshot comes");
        stage.advance_ms(100);
        replica.say("REPLCONF ACK 0");
    }
    replica.take();
    replica
}

// ---- The write phase ----

#[test]
fn always_syncs_once_for_all_commands_of_a_tick_before_anybody_hears_of_them() {
    let mut stage = server(|settings| {
        settings.appendfsync = Appendfsync::Always;
        settings.repl_diskless_sync = false;
    });
    let mut clients: Vec<Peer> = (0..3).map(|_| stage.connect()).collect();
    let mut replica = online_replica(&mut stage);
    stage.settle();
    let before = stage.disk().syncs();
    for client in &mut clients {
        client.say("INCR a");
        client.say("INCR b");
    }
    stage.tick();
    assert_eq!(stage.disk().syncs(), before + 1);
    let mut hosts = vec![replica.host];
    hosts.extend(clients.iter().map(|client| client.host));
    let mut written: Vec<HostId> = stage.server().written.clone();
    written.dedup();
    assert_eq!(written, hosts);
    replica.take();
    for client in &mut clients {
        client.take();
        client.say("INCR c");
    }
    stage.disk().fail_syncs(1);
    stage.tick();
    assert!(!stage.server().is_up());
    let words = stage.server().last_words.clone();
    assert!(
        words.contains("Can't persist AOF for fsync error"),
        "{words}"
    );
    assert!(clients.iter_mut().all(|client| client.take().is_empty()));
    assert!(replica.take().is_empty());
}

#[test]
fn always_ends_the_process_rather_than_reply_to_what_cannot_be_written() {
    let mut stage = with_policy(Appendfsync::Always);
    let mut client = stage.connect();
    client.say("SET a 1");
    stage.settle();
    assert_eq!(client.heard(), "+OK");
    stage.disk().set_room(Some(10));
    client.say("SET a 2");
    stage.tick();
    assert!(!stage.server().is_up());
    assert!(client.take().is_empty());
    stage.start();
    assert_eq!(stage.ask("GET a"), "$1 1");
}

#[test]
fn a_write_waits_two_seconds_for_a_sync_and_then_no_longer() {
    let mut stage = with_policy(Appendfsync::Everysec);
    stage.disk().set_sync_time(10_000_000..10_000_001);
    stage.ask("SET a 1");
    assert!(increment(&stage).ends_with("SET $1 a $1 1 "));
    stage.advance_ms(1500);
    assert_eq!(stage.info("aof_pending_bio_fsync"), "1");
    assert_eq!(stage.ask("SET b 2"), "+OK");
    assert_ne!(stage.info("aof_buffer_length"), "0");
    stage.advance_ms(1500);
    assert_eq!(stage.ask("SET c 3"), "+OK");
    assert!(!increment(&stage).contains(" b "));
    assert_eq!(stage.info("aof_delayed_fsync"), "0");
    stage.advance_ms(700);
    assert!(increment(&stage).ends_with("SET $1 c $1 3 "));
    assert_eq!(stage.info("aof_delayed_fsync"), "1");
    stage.disk().mend();
    stage.advance_ms(2 * LONG_MS);
    assert_eq!(stage.info("aof_pending_bio_fsync"), "0");
}

#[test]
fn a_full_disk_has_writes_refused_until_there_is_room() {
    for policy in [Appendfsync::Everysec, Appendfsync::No] {
        let mut stage = with_policy(policy);
        stage.ask("SET a 1");
        stage.disk().set_room(Some(10));
        // Nobody knows before the tick ends.
        assert_eq!(stage.ask("RPUSH list 1"), ":1");
        assert_eq!(stage.info("aof_last_write_status"), "err");
        let refused = stage.ask("RPUSH list 2");
        assert!(refused.starts_with("-MISCONF"), "{refused}");
        assert_eq!(stage.ask("GET a"), "$1 1");
        stage.disk().set_full(false);
        stage.advance_ms(300);
        assert_eq!(stage.info("aof_last_write_status"), "ok");
        assert_eq!(stage.ask("RPUSH list 3"), ":2");
        stage.restart();
        assert_eq!(stage.ask("LRANGE list 0 -1"), "*2 $1 1 $1 3");
    }
}

#[test]
fn half_a_command_that_cannot_be_cut_off_is_completed() {
    let mut stage = with_policy(Appendfsync::No);
    stage.disk().set_room(Some(30));
    stage.disk().fail_cuts(1);
    stage.ask("RPUSH list 1");
    stage.disk().set_full(false);
    stage.advance_ms(300);
    assert_eq!(stage.ask("RPUSH list 2"), ":2");
    stage.restart();
    assert_eq!(stage.ask("LRANGE list 0 -1"), "*2 $1 1 $1 2");
}

// ---- Rewrites ----

#[test]
fn a_rewrite_waits_for_the_child_that_runs() {
    let mut stage = with_policy(Appendfsync::Everysec);
    stage.ask("SET a 1");
    stage.ask("BGSAVE");
    let told = stage.ask("BGREWRITEAOF");
    assert_eq!(told, "+Background append only file rewriting scheduled");
    assert_eq!(stage.info("aof_rewrite_scheduled"), "1");
    assert_eq!(stage.info("aof_rewrite_in_progress"), "0");
    wait_for(&mut stage, "aof_rewrite_in_progress", "1");
    assert_eq!(stage.info("aof_rewrite_scheduled"), "0");
    stage.ask("SET b 2");
    wait_for(&mut stage, "aof_rewrite_in_progress", "0");
    assert_eq!(stage.info("aof_last_bgrewrite_status"), "ok");
    stage.restart();
    assert_eq!(stage.ask("MGET a b"), "*2 $1 1 $1 2");
}

#[test]
fn the_file_is_rewritten_when_it_has_grown_by_so_much() {
    let mut stage = server(|settings| {
        settings.rdbcompression = false;
        settings.auto_aof_rewrite_min_size = 2000;
        settings.auto_aof_rewrite_percentage = 100;
    });
    stage.ask(&format!("SET a {}", "x".repeat(1800)));
    stage.advance_ms(LONG_MS);
    assert_eq!(stage.info("aof_rewrites"), "0");
    stage.ask(&format!("SET a {}", "x".repeat(300)));
    wait_for(&mut stage, "aof_rewrites", "1");
    wait_for(&mut stage, "aof_rewrite_in_progress", "0");
    let base: usize = stage.info("aof_base_size").parse().unwrap();
    assert!((300..1000).contains(&base), "{base}");
    assert_eq!(increment(&stage), "");
}

#[test]
fn rewrites_that_fail_are_tried_again_after_minutes_that_double() {
    let mut stage = server(|settings| settings.auto_aof_rewrite_min_size = 100);
    stage.server().set_children_die(true);
    stage.ask(&format!("SET a {}", "x".repeat(1000)));
    stage.advance_ms(LONG_MS);
    assert_eq!(stage.info("aof_rewrites_consecutive_failures"), "3");
    let mut failures = 3;
    for minutes in [1, 2, 4] {
        let began_ms = stage.cluster.now_ms();
        failures += 1;
        while stage.info("aof_rewrites_consecutive_failures") != failures.to_string() {
            stage.advance_ms(500);
        }
        let waited_ms = stage.cluster.now_ms() - began_ms;
        let expected_ms = minutes * 60_000;
        let range = expected_ms - 2 * LONG_MS..expected_ms + 2 * LONG_MS;
        assert!(range.contains(&waited_ms), "{waited_ms} ms");
    }
    stage.server().set_children_die(false);
    let told = stage.ask("BGREWRITEAOF");
    assert_eq!(told, "+Background append only file rewriting started");
    wait_for(&mut stage, "aof_rewrites_consecutive_failures", "0");
}

// ---- On and off ----

#[test]
fn a_file_counts_when_its_first_rewrite_has_succeeded() {
    let mut stage = server(|settings| settings.appendonly = false);
    stage.ask("SET a 1");
    assert_eq!(stage.ask("CONFIG SET appendonly yes"), "+OK");
    stage.ask("SET b 2");
    assert!(!stage.server().has_aof());
    assert!(file(&stage, "temp-appendonly.aof.incr").contains("$1 b"));
    wait_for(&mut stage, "aof_rewrite_in_progress", "0");
    assert!(stage.server().has_aof());
    stage.server().settings.appendonly = true;
    stage.lose_power();
    assert_eq!(stage.ask("GET a"), "$1 1");
}

#[test]
fn a_rewrite_ends_with_the_file_that_it_was_for() {
    let mut stage = with_policy(Appendfsync::Everysec);
    stage.ask("SET a 1");
    stage.ask("BGREWRITEAOF");
    assert_eq!(stage.ask("CONFIG SET appendonly no"), "+OK");
    assert_eq!(stage.info("aof_rewrite_in_progress"), "0");
    stage.ask("SET a 2");
    stage.advance_ms(LONG_MS);
    stage.restart();
    assert_eq!(stage.ask("GET a"), "$1 1");
}

#[test]
fn a_server_does_not_leave_before_its_first_file_is_whole() {
    let mut stage = server(|settings| settings.appendonly = false);
    stage.ask("CONFIG SET appendonly yes");
    let refused = stage.ask("SHUTDOWN NOSAVE");
    assert_eq!(refused, "-ERR Errors trying to SHUTDOWN. Check logs.");
    wait_for(&mut stage, "aof_rewrite_in_progress", "1");
    assert_eq!(stage.ask("SHUTDOWN NOSAVE FORCE"), "");
    assert!(!stage.server().is_up());
}

#[test]
fn a_server_that_leaves_has_brought_everything_to_disk() {
    let mut stage = with_policy(Appendfsync::Everysec);
    stage.disk().set_sync_time(10_000_000..10_000_001);
    stage.ask("SET a 1");
    stage.advance_ms(1500);
    stage.ask("SET b 2");
    stage.ask("BGREWRITEAOF");
    stage.ask("SET c 3");
    assert_eq!(stage.ask("SHUTDOWN NOSAVE"), "");
    assert!(!stage.server().is_up());
    stage.lose_power();
    assert_eq!(stage.ask("MGET a b c"), "*3 $1 1 $1 2 $1 3");
}

#[test]
fn a_replica_begins_a_file_of_its_own_after_a_full_sync() {
    let mut cluster = Cluster::plain(31, &[None, None]);
    cluster.write(0, 5);
    cluster.nodes[1].settings.appendonly = true;
    cluster.kill(1);
    cluster.start(1, None);
    cluster.run_ms(100);
    cluster.tell(1, "SET own 1");
    cluster.run_ms(3000);
    assert!(cluster.nodes[1].has_aof());
    cluster.follow(1, Some(0));
    cluster.converge(20_000);
    let deadline_ms = cluster.now_ms() + LONG_MS;
    while !cluster.nodes[1].has_aof() {
        assert!(cluster.now_ms() < deadline_ms, "there is no file again");
        cluster.run_ms(100);
    }
    cluster.write(0, 5);
    cluster.converge(20_000);
    cluster.run_ms(3000);
    let data = cluster.standings()[1].2;
    let net = std::rc::Rc::clone(&cluster.net);
    cluster.nodes[1].lose_power(&net);
    cluster.start(1, None);
    cluster.run_ms(100);
    assert_eq!(cluster.standings()[1].2, data);
}

#[test]
fn the_files_can_be_loaded_at_any_time() {
    let mut stage = with_policy(Appendfsync::Everysec);
    stage.disk().set_sync_time(10_000_000..10_000_001);
    stage.ask("SET a 1");
    stage.advance_ms(1500);
    // It waits for a sync; it is loaded all the same.
    stage.ask("INCR a");
    assert_eq!(stage.ask("DEBUG LOADAOF"), "+OK");
    assert_eq!(stage.ask("GET a"), "$1 2");
    stage.disk().set_full(true);
    stage.ask("INCR a");
    let refused = stage.ask("DEBUG LOADAOF");
    assert!(
        refused.starts_with("-ERR Error trying to load"),
        "{refused}"
    );
    assert_eq!(stage.ask("GET a"), "$1 3");
}

// ---- Loading ----

#[test]
fn a_base_of_many_slices_is_loaded_whole() {
    for preamble in [true, false] {
        let mut stage = server(|settings| {
            settings.aof_use_rdb_preamble = preamble;
            settings.rdbcompression = false;
        });
        stage.limit_pipes(NO_LIMIT);
        stage.ask(&format!("SET big {}", "x".repeat(700_000)));
        stage.ask(&format!("RPUSH list {}", "y".repeat(300_000)));
        stage.ask("BGREWRITEAOF");
        wait_for(&mut stage, "aof_rewrite_in_progress", "0");
        assert_eq!(increment(&stage), "");
        stage.ask("APPEND big z");
        stage.restart();
        assert_eq!(stage.ask("STRLEN big"), ":700001");
        assert_eq!(stage.ask("LLEN list"), ":1");
    }
}

/// A file of commands, and behind which of its bytes each of them ends.
fn commands(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| command(line)).collect()
}

#[test]
fn a_file_that_is_cut_anywhere_is_loaded_up_to_the_last_command_that_was_done() {
    let timestamp = b"#TS:1700000000\r\n";
    let first = [&timestamp[..], &commands(&["SELECT 0", "SET a 1"])].concat();
    let group = commands(&["MULTI", "SET a 2", "SET b 2", "EXEC"]);
    let last = [&timestamp[..], &command("SET a 3")].concat();
    let whole = [&first[..], &group, &last].concat();
    for len in first.len()..=whole.len() {
        let mut stage = started_with(&whole[..len]);
        let expected = match len - first.len() {
            n if n < group.len() => "*2 $1 1 $-1",
            n if n < group.len() + last.len() => "*2 $1 2 $1 2",
            _ => "*2 $1 3 $1 2",
        };
        assert_eq!(stage.ask("MGET a b"), expected, "{len} bytes");
        stage.ask("SET c 4");
        stage.restart();
        assert_eq!(stage.ask("MGET a b"), expected, "{len} bytes");
        assert_eq!(stage.ask("GET c"), "$1 4");
    }
}

#[test]
fn key_load_delay_holds_for_each_command_of_a_file_and_clients_are_told_that_it_is_loaded() {
    let lines: Vec<String> = (0..200).map(|n| format!("SET key:{n} 1")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut stage = Stage::with_disk(disk_with(&commands(&lines)), |settings| {
        settings.appendonly = true;
        settings.key_load_delay = 10_000;
    });
    let loading = "-LOADING Redis is loading the dataset in memory";
    stage.advance_ms(500);
    for line in ["GET key:1", "PING", "BGREWRITEAOF", "WAIT 0 0", "SET a b"] {
        assert_eq!(stage.ask(line), loading, "{line}");
    }
    assert_eq!(stage.info("loading"), "1");
    assert_eq!(stage.info("async_loading"), "0");
    stage.advance_ms(1000);
    assert_eq!(stage.info("loading"), "1");
    wait_for(&mut stage, "loading", "0");
    assert!(stage.cluster.now_ms() >= 1900, "200 times 10 ms");
    assert_eq!(stage.ask("DBSIZE"), ":200");
}

#[test]
fn a_command_that_nobody_knows_stops_the_start_and_the_file_stays() {
    let bytes = commands(&["SET a 1", "NOSUCH a", "SET a 2"]);
    let mut stage = Stage::with_disk(disk_with(&bytes), |_| {});
    stage.server().settings.appendonly = true;
    stage.server().may_fail_to_start = true;
    stage.restart();
    assert!(!stage.server().is_up());
    let words = stage.server().last_words.clone();
    assert!(
        words.starts_with("Unknown command 'NOSUCH' reading the append only file"),
        "{words}"
    );
    let kept = file(&stage, "appendonly.aof.1.incr.aof");
    assert_eq!(
        kept.len(),
        String::from_utf8_lossy(&bytes).replace("\r\n", " ").len()
    );
}

#[test]
fn the_upgrade_from_a_single_file_can_be_interrupted_at_each_step() {
    let bytes = commands(&["SELECT 0", "RPUSH list 1", "RPUSH list 2"]);
    for with_power in [false, true] {
        let mut interrupted = 0;
        for changes in 0..30 {
            let disk = SimDisk::default();
            disk.put(Path::new("appendonly.aof"), bytes.clone(), true);
            let mut stage = Stage::with_disk(disk, |settings| settings.appendonly = false);
            stage.cluster.kill(SERVER);
            stage.server().settings.appendonly = true;
            stage.server().loses_power = with_power;
            stage.disk().end_process_after(Some(changes));
            stage.start();
            interrupted += usize::from(!stage.server().is_up());
            stage.disk().end_process_after(None);
            stage.start();
            assert_eq!(stage.ask("LRANGE list 0 -1"), "*2 $1 1 $1 2", "{changes}");
            stage.ask("RPUSH list 3");
            stage.advance_ms(3000);
            stage.lose_power();
            assert_eq!(stage.ask("LLEN list"), ":3", "{changes}");
        }
        assert!((8..30).contains(&interrupted), "{interrupted}");
    }
}
