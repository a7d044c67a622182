//! Servers with an append-only file that are killed under load: they go on in their replication
//! history where the file ends, so nobody needs a full sync.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::harness::*;

/// How often a server is killed.
const KILLS: usize = 4;

/// A file that is always there, and a backlog that reaches over any restart.
fn with_file(options: Options) -> Options {
    options
        .config("appendonly yes")
        .config("repl-backlog-size 256mb")
        .config("repl-diskless-sync-delay 0")
        .config("auto-aof-rewrite-percentage 0")
}

/// Waits until the file of a server counts, as after a full sync it does once it was rewritten.
fn wait_file(server: &Server) {
    wait_rewritten(server);
    assert_eq!(server.info("aof_enabled"), "1");
}

fn wait_for_more(load: &Writer) {
    let before = load.acknowledged();
    wait_until("writes go on", || load.acknowledged() > before + 300);
}

fn assert_together(servers: &[&Server]) {
    for server in &servers[1..] {
        wait_link_up(server);
    }
    wait_same_data(servers);
}

#[test]
fn a_replica_that_is_killed_continues_with_a_master_of_any_make() {
    for make in [Options::stock as fn() -> Options, Options::ours] {
        let master = make()
            .config("repl-backlog-size 256mb")
            .config("repl-diskless-sync-delay 0")
            .start();
        let mut replica = with_file(Options::ours())
            .config(format!("replicaof 127.0.0.1 {}", master.port))
            .start();
        wait_link_up(&replica);
        wait_file(&replica);
        let before = master.info("sync_full");
        let load = Writer::of_all_types(master.port, 7);
        for _ in 0..KILLS {
            wait_for_more(&load);
            master.ask("PUBLISH news something");
            replica.kill();
            replica.start_again();
            wait_link_up(&replica);
        }
        load.stop();
        assert_together(&[&master, &replica]);
        assert_eq!(master.info("sync_full"), before);
        assert_eq!(replica.log_count("Full resync from master"), 1);
    }
}

#[test]
fn a_master_that_is_killed_lets_replicas_of_any_make_continue() {
    let mut master = with_file(Options::ours()).readable_by_stock().start();
    let stock = Options::stock().start();
    // Its own replica is away for a second when the name of the history changes.
    let ours = Options::ours().config("repl-backlog-size 256mb").start();
    let leaf = Options::ours().start();
    follow(&stock, master.port);
    follow(&ours, master.port);
    follow(&leaf, ours.port);
    let load = Writer::of_all_types(master.port, 8);
    for _ in 0..KILLS {
        wait_for_more(&load);
        master.kill();
        master.start_again();
        for replica in [&stock, &ours, &leaf] {
            wait_link_up(replica);
        }
        assert_eq!(master.info("sync_full"), "0", "{}", master.log_tail());
    }
    load.stop();
    assert_together(&[&master, &stock, &ours, &leaf]);
    assert_eq!(ours.info("sync_full"), "1", "that of the leaf");
    let sums = [&master, &ours, &leaf].map(|server| server.info("repl_stream_sum"));
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    assert_eq!(master.info("repl_stream_drifts"), "0");
}

#[test]
fn a_file_that_was_changed_is_found_out_by_the_master() {
    let master = Server::ours(&["repl-backlog-size 256mb"]);
    let mut replica = with_file(Options::ours())
        .config(format!("replicaof 127.0.0.1 {}", master.port))
        .start();
    wait_link_up(&replica);
    wait_file(&replica);
    master.ask("SET drifting aaaa");
    wait_equal_offsets(&[&master, &replica]);
    let mut heard = master.connect();
    heard.ask("SUBSCRIBE __replica__:stream-sum");
    replica.kill();
    let path = increment_of(&replica);
    let mut bytes = fs::read(&path).expect("an increment");
    let found = bytes.windows(4).rposition(|part| part == b"aaaa");
    bytes[found.expect("it is in the file")] = b'b';
    fs::write(&path, bytes).expect("a changed file");
    replica.start_again();
    replica.wait_log("STREAM DRIFT");
    assert_together(&[&master, &replica]);
    assert_eq!(master.info("repl_stream_drifts"), "1");
    assert_eq!(master.info("sync_full"), "2");
    assert_eq!(replica.ask("GET drifting"), "aaaa");
}

/// Runs a program of stock Redis on a file; what it says.
fn stock_checker(path: &Path) -> String {
    let mut checker = Command::new(stock_path());
    let output = checker.arg0("redis-check-aof").arg(path).output();
    let output = output.expect("the checker runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn stock_servers_and_tools_read_such_a_file_and_what_they_add_has_no_place() {
    let mut master = with_file(Options::ours()).readable_by_stock().start();
    let replica = Options::ours().start();
    follow(&replica, master.port);
    let load = Writer::of_all_types(master.port, 9);
    wait_for_more(&load);
    load.stop();
    master.ask("PUBLISH news something");
    assert_together(&[&master, &replica]);
    let before = Contents::settled(&master);
    master.kill();
    let folder = aof_folder(&master);
    let said = stock_checker(&folder.join("appendonly.aof.manifest"));
    assert!(
        said.contains("All AOF files and manifest are valid"),
        "{said}"
    );
    let mut stock = Server::prepare(with_file(Options::stock()));
    copy_files(&folder, &aof_folder(&stock));
    stock.start_again();
    before.assert_held_by(&stock);
    // What it adds is in no stream of ours.
    stock.ask("SET added 1");
    stock.kill();
    copy_files(&aof_folder(&stock), &folder);
    master.start_again();
    assert_eq!(master.ask("GET added"), "1");
    wait_link_up(&replica);
    assert_eq!(master.info("sync_full"), "1");
    assert_together(&[&master, &replica]);
    assert_eq!(replica.ask("GET added"), "1");
}
