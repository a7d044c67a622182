//! Full syncs that come to an end: behind a link that is slower than the writers, at a replica that
//! loads for long, in a crowd.

use std::time::Duration;

use crate::harness::*;

/// Bytes in a value of [`fill`].
const VALUE_BYTES: usize = 50_000;

/// A master with little room: less for a replica than is written while it is synced.
fn master(options: Options) -> Options {
    options
        .config("repl-backlog-size 16kb")
        .config("client-output-buffer-limit replica 1mb 1mb 1")
        .config("rdbcompression no")
}

fn our_master() -> Options {
    master(Options::ours())
        .readable_by_stock()
        .config("repl-sync-memory 1mb")
}

/// Writes so many large values.
fn fill(server: &Server, keys: usize) {
    let script = "for i = 1, ARGV[1] do redis.call('SET', 'k:' .. i, string.rep('x', ARGV[2])) end";
    let (keys, bytes) = (keys.to_string(), VALUE_BYTES.to_string());
    server.command(&["EVAL", script, "0", &keys, &bytes]);
}

fn show(servers: &[&Server]) -> String {
    let show = |s: &&Server| format!("{}\n{}", s.ask("INFO replication"), s.log_tail());
    servers.iter().map(show).collect::<Vec<_>>().join("\n")
}

/// What of the server's files has no name any more.
fn nameless_files(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.pid());
    let links = std::fs::read_dir(folder).expect("it runs");
    links
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|path| path.to_string_lossy().ends_with(" (deleted)"))
        .filter(|path| path.to_string_lossy().contains("temp-"))
        .count()
}

fn temporary_names(server: &Server) -> Vec<String> {
    let mut names = names_in(server.dir());
    names.retain(|name| name.starts_with("temp-"));
    names
}

/// A replica behind a slow link needs a full copy while a client writes.
fn sync_over_a_slow_link(diskless: &str, replica: &Server) {
    let config = format!("repl-diskless-sync {diskless}");
    let master = our_master().config(config).start();
    fill(&master, 200);
    let proxy = Proxy::to(master.port);
    proxy.delay(Duration::from_millis(30));
    let writer = Writer::start(master.port, 1);
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", proxy.port));
    wait_for(
        "much of the stream is on disk",
        || (master.info_number("repl_spilled_bytes") > 20 << 20).then_some(()),
        || show(&[&master, replica]),
    );
    assert!(nameless_files(&master) > 0);
    assert_eq!(temporary_names(&master), [""; 0]);
    writer.stop();
    proxy.delay(Duration::from_millis(1));
    wait_link_up(replica);
    wait_same_data(&[&master, replica]);
    assert_eq!(master.info_number("sync_full"), 1);
    wait_until("nothing is kept any more", || {
        master.info_number("repl_spilled_bytes") == 0 && nameless_files(&master) == 0
    });
}

#[test]
fn a_sync_ends_behind_a_link_that_is_slower_than_the_writers() {
    sync_over_a_slow_link("yes", &Server::ours(&[]));
    sync_over_a_slow_link("no", &Server::ours(&[]));
}

#[test]
fn so_does_that_of_a_stock_replica() {
    sync_over_a_slow_link("yes", &Server::stock(&[]));
    sync_over_a_slow_link("no", &Server::stock(&[]));
}

#[test]
fn the_limit_holds_when_the_disk_may_not_be_used_or_is_used_up() {
    for size in ["0", "4mb"] {
        let config = format!("repl-spill-max-size {size}");
        let master = our_master().config(config).start();
        fill(&master, 200);
        let proxy = Proxy::to(master.port);
        proxy.delay(Duration::from_millis(30));
        let writer = Writer::start(master.port, 1);
        let replica = Server::ours(&[]);
        replica.ask(&format!("REPLICAOF 127.0.0.1 {}", proxy.port));
        master.wait_log("for overcoming of output buffer limits");
        let said = master.log_count("repl-spill-max-size (4194304 bytes) is reached");
        assert_eq!(said > 0, size != "0", "{}", master.log_tail());
        writer.stop();
        proxy.delay(Duration::from_millis(1));
        wait_link_up(&replica);
        wait_same_data(&[&master, &replica]);
        assert!(master.info_number("sync_full") > 1);
    }
}

#[test]
fn a_replica_that_is_online_and_does_not_read_is_dropped_as_ever() {
    let master = our_master().start();
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    fill(&master, 1);
    wait_equal_offsets(&[&master, &replica]);
    replica.freeze();
    fill(&master, 400);
    master.wait_log("for overcoming of output buffer limits");
    assert_eq!(master.info_number("repl_spilled_bytes"), 0);
    assert_eq!(master.info_number("connected_slaves"), 0);
    replica.thaw();
    wait_link_up(&replica);
    wait_same_data(&[&master, &replica]);
}

#[test]
fn bursts_beyond_the_limit_cost_one_full_sync_more_and_not_one_each() {
    let master = our_master().start();
    for (n, replica) in [Server::ours(&[]), Server::stock(&[])].iter().enumerate() {
        let proxy = Proxy::to(master.port);
        let before = master.info_number("sync_full");
        proxy.delay(Duration::from_millis(5));
        follow(replica, proxy.port);
        for _ in 0..4 {
            fill(&master, 300);
            wait_until("it has all", || offset_of(replica) == offset_of(&master));
        }
        let full = master.info_number("sync_full") - before;
        assert_eq!(full, 2, "{}", master.log_tail());
        let spared = master.log_count("goes to disk, up to repl-spill-max-size");
        assert_eq!(spared, n + 1);
        wait_same_data(&[&master, replica]);
        replica.ask("REPLICAOF NO ONE");
    }
}

#[test]
fn nothing_is_left_of_the_files_of_a_server_that_is_killed() {
    let mut master = our_master().start();
    fill(&master, 200);
    let proxy = Proxy::to(master.port);
    proxy.delay(Duration::from_millis(30));
    let replica = Server::ours(&[]);
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", proxy.port));
    let writer = Writer::start(master.port, 1);
    wait_for(
        "some of the stream is on disk",
        || (master.info_number("repl_spilled_bytes") > 1 << 20).then_some(()),
        || show(&[&master, &replica]),
    );
    master.kill();
    writer.stop();
    assert_eq!(temporary_names(&master), [""; 0]);
}

#[test]
fn a_replica_that_loads_for_long_keeps_what_comes_meanwhile() {
    for make in [Options::stock as fn() -> Options, Options::ours] {
        let master = master(make()).config("repl-diskless-sync no").start();
        let script = "for i = 1, 3000 do redis.call('SET', 'k:' .. i, i) end";
        master.command(&["EVAL", script, "0"]);
        let replica = Server::ours(&["key-load-delay 1000", "repl-sync-memory 1mb"]);
        replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
        wait_for(
            "it loads",
            || (replica.info("loading") == "1").then_some(()),
            || show(&[&master, &replica]),
        );
        let mut spilled = 0;
        while replica.info("loading") == "1" {
            fill(&master, 10);
            spilled = spilled.max(replica.info_number("master_stream_spilled_bytes"));
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(
            spilled > 2 << 20,
            "{spilled}\n{}",
            show(&[&master, &replica])
        );
        wait_same_data(&[&master, &replica]);
        assert_eq!(master.info_number("sync_full"), 1);
        assert_eq!(replica.info_number("master_stream_spilled_bytes"), 0);
        assert_eq!(nameless_files(&replica), 0);
    }
}

#[test]
fn a_transfer_that_is_cut_goes_on_where_it_stopped() {
    let master = our_master().config("repl-diskless-sync no").start();
    fill(&master, 400);
    let proxy = Proxy::to(master.port);
    proxy.delay(Duration::from_millis(20));
    let replica = Server::ours(&[]);
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", proxy.port));
    let mut read: i64 = 0;
    for _ in 0..3 {
        wait_for(
            "some more has come",
            || {
                let bytes = replica.info("master_sync_read_bytes");
                let bytes = bytes.parse().unwrap_or(0);
                (bytes > read + (2 << 20)).then(|| read = bytes)
            },
            || show(&[&master, &replica]),
        );
        master.ask("INCR cuts");
        proxy.cut();
    }
    wait_link_up(&replica);
    wait_same_data(&[&master, &replica]);
    assert_eq!(
        master.info_number("sync_full"),
        1,
        "{}",
        show(&[&master, &replica])
    );
    assert_eq!(master.info_number("syncs_resumed"), 3);
    assert_eq!(temporary_names(&replica), [""; 0]);
}

#[test]
fn a_crowd_of_replicas_is_synced_one_by_one_at_the_pace_that_is_set() {
    for diskless in ["yes", "no"] {
        let master = our_master()
            .config(format!("repl-diskless-sync {diskless}"))
            .config("repl-max-concurrent-syncs 1")
            .config("repl-snapshot-bandwidth 5mb")
            .start();
        fill(&master, 100);
        let replicas = [Server::ours(&[]), Server::stock(&[]), Server::stock(&[])];
        let begun = std::time::Instant::now();
        for replica in &replicas {
            replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
        }
        let mut queued = 0;
        wait_for(
            "all are in sync",
            || {
                assert!(master.info_number("syncs_in_progress") <= 1);
                queued = queued.max(master.info_number("sync_queue_length"));
                let up = |replica: &Server| replica.info("master_link_status") == "up";
                replicas.iter().all(up).then_some(())
            },
            || show(&[&master]),
        );
        assert!(queued >= 2, "{queued}");
        // Three times five megabytes.
        assert!(begun.elapsed() > Duration::from_millis(2500));
        let [one, two, three] = &replicas;
        wait_same_data(&[&master, one, two, three]);
        assert_eq!(master.info_number("sync_full"), 3);
    }
}
