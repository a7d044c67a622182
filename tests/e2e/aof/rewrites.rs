//! Rewrites: asked for, scheduled, begun by themselves, and failed.

use crate::harness::*;

const STARTED: &str = "Background append only file rewriting started";
const SCHEDULED: &str = "Background append only file rewriting scheduled";

/// Lets every child take so long that the test can look at it.
fn slow_children(server: &Server) {
    server.ask("DEBUG POPULATE 100");
    server.ask("CONFIG SET rdb-key-save-delay 1000000");
}

fn end_child(server: &Server) {
    server.ask("CONFIG SET rdb-key-save-delay 0");
    kill_child_of(server);
    wait_until("the child is gone", || {
        server.info("rdb_bgsave_in_progress") == "0"
            && server.info("aof_rewrite_in_progress") == "0"
    });
}

#[test]
fn bgrewriteaof_tells_what_becomes_of_it() {
    let server = Server::ours(&["appendonly yes"]);
    slow_children(&server);
    assert_eq!(server.ask("BGREWRITEAOF"), STARTED);
    server.wait_log("Background append only file rewriting started by pid");
    assert_eq!(
        server.ask("BGREWRITEAOF"),
        "-ERR Background append only file rewriting already in progress"
    );
    assert_eq!(
        server.ask("BGSAVE"),
        "-ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE \
         in order to schedule a BGSAVE whenever possible."
    );
    assert_eq!(server.ask("BGSAVE SCHEDULE"), "Background saving scheduled");
    end_child(&server);
    server.wait_log("Background AOF rewrite terminated by signal 9");
    wait_until("the scheduled snapshot is made", || {
        server.info("rdb_saves") == "1"
    });
    rewrite(&server);
    server.wait_log("Background AOF rewrite terminated with success");
    server.wait_log("Background AOF rewrite finished successfully");
}

#[test]
fn a_rewrite_waits_for_the_snapshot_that_is_being_written() {
    let server = Server::ours(&["appendonly yes"]);
    slow_children(&server);
    assert_eq!(server.ask("BGSAVE"), "Background saving started");
    assert_eq!(server.ask("BGREWRITEAOF"), SCHEDULED);
    assert_eq!(server.info("aof_rewrite_scheduled"), "1");
    assert_eq!(server.info("aof_rewrite_in_progress"), "0");
    end_child(&server);
    wait_until("it is done", || server.info("aof_rewrites") == "1");
    wait_rewritten(&server);
    assert_eq!(server.info("aof_last_bgrewrite_status"), "ok");
}

#[test]
fn a_rewrite_within_a_transaction_begins_behind_it() {
    let mut server = Server::ours(&["appendonly yes"]);
    let mut conn = server.connect();
    for line in ["MULTI", "INCR a", "BGREWRITEAOF", "INCR a"] {
        conn.ask(line);
    }
    assert_eq!(conn.ask("EXEC"), format!("[1 {SCHEDULED} 2]"));
    wait_until("it is done", || server.info("aof_rewrites") == "1");
    wait_rewritten(&server);
    server.kill();
    server.start_again();
    assert_eq!(server.ask("GET a"), "2");
}

#[test]
fn info_tells_of_the_file_and_of_its_rewrites() {
    let server = Server::ours(&["appendonly yes"]);
    let expect = |pairs: &[(&str, &str)]| {
        let info = server.ask("INFO persistence");
        for (field, value) in pairs {
            assert_eq!(info_field(&info, field), *value, "{field}\n{info}");
        }
    };
    expect(&[
        ("aof_enabled", "1"),
        ("aof_rewrite_in_progress", "0"),
        ("aof_rewrite_scheduled", "0"),
        ("aof_last_rewrite_time_sec", "-1"),
        ("aof_current_rewrite_time_sec", "-1"),
        ("aof_last_bgrewrite_status", "ok"),
        ("aof_rewrites", "0"),
        ("aof_rewrites_consecutive_failures", "0"),
        ("aof_last_write_status", "ok"),
        ("aof_pending_rewrite", "0"),
        ("aof_buffer_length", "0"),
    ]);
    let before = server.info_number("aof_current_size");
    server.ask("SET key value");
    let sent = encode(&["SELECT", "0"]).len() + encode(&["SET", "key", "value"]).len();
    assert_eq!(server.info_number("aof_current_size"), before + sent as i64);
    slow_children(&server);
    assert_eq!(server.ask("BGREWRITEAOF"), STARTED);
    expect(&[
        ("aof_rewrite_in_progress", "1"),
        ("aof_current_rewrite_time_sec", "0"),
    ]);
    end_child(&server);
    expect(&[
        ("aof_last_bgrewrite_status", "err"),
        ("aof_rewrites", "1"),
        ("aof_rewrites_consecutive_failures", "1"),
    ]);
    rewrite(&server);
    expect(&[
        ("aof_last_rewrite_time_sec", "0"),
        ("aof_last_bgrewrite_status", "ok"),
        ("aof_rewrites", "2"),
        ("aof_rewrites_consecutive_failures", "0"),
    ]);
    let base = aof_folder(&server).join("appendonly.aof.2.base.rdb");
    let base = std::fs::metadata(base).expect("a base").len() as i64;
    assert_eq!(server.info_number("aof_base_size"), base);
    assert_eq!(server.info_number("aof_current_size"), base);
    server.ask("CONFIG SET appendonly no");
    let info = server.ask("INFO persistence");
    assert_eq!(info_field(&info, "aof_enabled"), "0");
    assert!(!info.contains("aof_current_size"), "{info}");
}

#[test]
fn a_file_that_has_grown_is_rewritten_by_itself() {
    let server = Server::ours(&[
        "appendonly yes",
        "auto-aof-rewrite-percentage 100",
        "auto-aof-rewrite-min-size 20kb",
    ]);
    let mut conn = server.connect();
    let value = "v".repeat(100);
    for rewrites in ["1", "2"] {
        wait_until("it is rewritten", || {
            conn.command(&["SET", "key", &value]);
            conn.command(&["RPUSH", "list", &value]);
            server.info("aof_rewrites").as_str() >= rewrites
        });
        wait_rewritten(&server);
    }
    let told = "Starting automatic rewriting of AOF on ";
    assert!(server.log_count(told) >= 2, "{}", server.log_tail());
    // A percentage of 0 ends that.
    server.ask("CONFIG SET auto-aof-rewrite-percentage 0");
    wait_rewritten(&server);
    let rewrites = server.info("aof_rewrites");
    for _ in 0..2000 {
        conn.command(&["SET", "key", &value]);
    }
    assert_eq!(server.info("aof_rewrites"), rewrites);
}

#[test]
fn rewrites_that_begin_by_themselves_are_given_a_rest_after_three_failures() {
    let server = Server::ours(&[
        "appendonly yes",
        "auto-aof-rewrite-percentage 1",
        "auto-aof-rewrite-min-size 100",
    ]);
    slow_children(&server);
    server.ask("SET key value");
    for failures in 1..=3 {
        server.command(&["SET", "big", &"v".repeat(1000)]);
        kill_child_of(&server);
        wait_until("it has failed", || {
            server.info_number("aof_rewrites_consecutive_failures") == failures
        });
    }
    server.wait_log(
        "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in 1 \
         minutes",
    );
    assert_eq!(child_of(&server), None);
    // Whoever asks for one gets it, and all is well again.
    server.ask("CONFIG SET rdb-key-save-delay 0");
    rewrite(&server);
    assert_eq!(server.info("aof_rewrites_consecutive_failures"), "0");
}

#[test]
fn a_server_without_a_file_writes_a_base_when_asked() {
    let mut server = Server::ours(&[]);
    server.ask("SET a 1");
    assert_eq!(server.ask("BGREWRITEAOF"), STARTED);
    wait_rewritten(&server);
    assert_eq!(server.info("aof_enabled"), "0");
    assert_eq!(
        manifest_of(&server),
        [("appendonly.aof.1.base.rdb".to_owned(), 'b')]
    );
    server.ask("SET b 1");
    server.kill();
    let config = std::fs::read_to_string(server.path("redis.conf")).expect("a config file");
    std::fs::write(server.path("redis.conf"), config + "appendonly yes\n").expect("written");
    server.start_again();
    assert_eq!(server.ask("MGET a b"), "[1 (nil)]");
}

#[test]
fn what_a_rewrite_replaced_can_be_kept_and_goes_at_a_later_start() {
    let mut server = Server::ours(&["appendonly yes", "aof-disable-auto-gc yes"]);
    server.ask("SET a 1");
    rewrite(&server);
    let kept = [
        ("appendonly.aof.2.base.rdb".to_owned(), 'b'),
        ("appendonly.aof.1.incr.aof".to_owned(), 'h'),
        ("appendonly.aof.1.base.rdb".to_owned(), 'h'),
        ("appendonly.aof.2.incr.aof".to_owned(), 'i'),
    ];
    let mut seen = manifest_of(&server);
    seen.sort();
    let mut expected = kept.to_vec();
    expected.sort();
    assert_eq!(seen, expected);
    for (name, _) in &kept {
        assert!(aof_folder(&server).join(name).exists(), "{name}");
    }
    server.kill();
    let config = std::fs::read_to_string(server.path("redis.conf")).expect("a config file");
    let config = config.replace("aof-disable-auto-gc yes", "");
    std::fs::write(server.path("redis.conf"), config).expect("written");
    server.start_again();
    assert_eq!(server.ask("GET a"), "1");
    wait_until("they are gone", || {
        names_in(&aof_folder(&server)).len() == 3
    });
    assert_eq!(manifest_of(&server), [kept[0].clone(), kept[3].clone()]);
}

#[test]
fn a_rewrite_leaves_nothing_behind_when_its_server_dies() {
    let mut server = Server::ours(&["appendonly yes"]);
    server.ask("SET a 1");
    server.ask("CONFIG SET rdb-key-save-delay 1000000");
    let before = Contents::of(&server);
    assert_eq!(server.ask("BGREWRITEAOF"), STARTED);
    let written = || {
        let names = names_in(&aof_folder(&server)).into_iter();
        let mut all = names.chain(names_in(server.dir()));
        all.any(|name| name.starts_with("temp-rewriteaof"))
    };
    wait_until("the child writes", written);
    server.kill();
    server.start_again();
    before.assert_held_by(&server);
    let names = names_in(&aof_folder(&server));
    let left: Vec<String> = names
        .into_iter()
        .filter(|n| n.starts_with("temp"))
        .collect();
    assert_eq!(left, [""; 0]);
}
