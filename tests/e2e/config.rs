//! Settings: from files, arguments and standard input, at run time, and back to the file.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::*;

/// The values that `CONFIG GET` shows for a name.
fn setting(server: &Server, name: &str) -> String {
    match server.call(&format!("CONFIG GET {name}")) {
        Value::Array(items) if items.len() == 2 => items[1].to_string(),
        other => panic!("CONFIG GET {name} replied {other}"),
    }
}

#[test]
fn a_file_may_quote_comment_and_include() {
    let options = Options::ours()
        .config("# a comment")
        .config("   # an indented one")
        .config("")
        .config("include extra.conf")
        .config("  maxclients   123  ")
        .config("dbfilename \"with space.rdb\"")
        .config("PROTO-MAX-BULK-LEN 64mb");
    let mut server = Server::prepare(options);
    fs::write(server.path("extra.conf"), "timeout 77\nmaxclients 5\n").unwrap();
    server.start_again();
    assert_eq!(setting(&server, "timeout"), "77");
    assert_eq!(setting(&server, "maxclients"), "123", "the later line wins");
    assert_eq!(setting(&server, "dbfilename"), "with space.rdb");
    assert_eq!(setting(&server, "proto-max-bulk-len"), "67108864");
}

#[test]
fn arguments_are_settings_that_win_over_the_file() {
    let server = Options::ours()
        .config("timeout 10")
        .args(&[
            "--timeout",
            "20",
            "--save",
            "60",
            "1",
            "--appendfsync",
            "no",
        ])
        .start();
    assert_eq!(setting(&server, "timeout"), "20");
    assert_eq!(setting(&server, "save"), "60 1");
    assert_eq!(setting(&server, "appendfsync"), "no");
}

#[test]
fn settings_are_read_from_standard_input_for_a_dash() {
    let port = free_port();
    let _end = ShutAtEnd(port);
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(subject_path())
        .args(["-", "--timeout", "9"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let settings = format!("port {port}\nsave \"\"\nmaxclients 321\ntimeout 3\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(settings.as_bytes())
        .unwrap();
    wait_until("it listens", || Conn::to(port).is_ok());
    let mut conn = Conn::to(port).unwrap();
    assert_eq!(conn.ask("CONFIG GET maxclients"), "[maxclients 321]");
    assert_eq!(conn.ask("CONFIG GET timeout"), "[timeout 9]");
    conn.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_bad_line_stops_the_start_and_names_file_line_and_reason() {
    let cases = [
        (
            "maxclients none",
            "argument couldn't be parsed into an integer",
        ),
        (
            "maxclients 0",
            "argument must be between 1 and 4294967295 inclusive",
        ),
        (
            "appendfsync sometimes",
            "argument(s) must be one of the following: ",
        ),
        (
            "no-such-setting yes",
            "Bad directive or wrong number of arguments",
        ),
        (
            "dbfilename \"open",
            "Unbalanced quotes in configuration line",
        ),
        ("daemonize perhaps", "argument must be 'yes' or 'no'"),
        (
            "dbfilename a/b",
            "dbfilename can't be a path, just a filename",
        ),
    ];
    for (line, reason) in cases {
        let exit = Options::ours().config(line).start_and_fail();
        assert_eq!(exit.code(), 1, "{line}: {}", exit.log);
        assert!(
            exit.log.contains("*** FATAL CONFIG FILE ERROR"),
            "{line}: {}",
            exit.log
        );
        assert!(exit.log.contains(reason), "{line}: {}", exit.log);
        assert!(
            exit.log.contains(&format!(">>> '{line}'")),
            "{line}: {}",
            exit.log
        );
        assert!(exit.log.contains("at line 6"), "{line}: {}", exit.log);
    }
}

#[test]
fn config_get_takes_several_patterns() {
    let server = Server::ours(&[]);
    let shown = server.call("CONFIG GET *max-listpack-entries maxclients MAXMEM*");
    let names: Vec<String> = shown
        .items()
        .iter()
        .step_by(2)
        .map(Value::to_string)
        .collect();
    assert!(names.contains(&"maxclients".to_owned()), "{names:?}");
    assert!(names.contains(&"maxmemory".to_owned()), "{names:?}");
    assert!(
        names.contains(&"hash-max-listpack-entries".to_owned()),
        "{names:?}"
    );
    assert!(!names.contains(&"timeout".to_owned()), "{names:?}");
    assert_eq!(server.ask("CONFIG GET no-such-setting"), "[]");
}

#[test]
fn config_set_takes_all_or_nothing() {
    let server = Server::ours(&[]);
    assert_eq!(
        server.ask("CONFIG SET timeout 5 maxmemory-policy allkeys-lru"),
        "OK"
    );
    assert_eq!(setting(&server, "timeout"), "5");
    assert_eq!(
        server
            .ask("CONFIG SET timeout 6 maxmemory-policy nonsense")
            .split(" - ")
            .next()
            .unwrap(),
        "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy')"
    );
    assert_eq!(setting(&server, "timeout"), "5");
    assert_eq!(
        server.ask("CONFIG SET timeout 7 timeout 8"),
        "-ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"
    );
    assert_eq!(
        server.ask("CONFIG SET databases 4"),
        "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable \
         config"
    );
    assert_eq!(
        server.ask("CONFIG SET no-such-setting 4"),
        "-ERR Unknown option or number of arguments for CONFIG SET - 'no-such-setting'"
    );
    assert_eq!(
        server.ask("CONFIG SET slave-priority 42"),
        "OK",
        "old names are understood"
    );
    assert_eq!(setting(&server, "replica-priority"), "42");
}

#[test]
fn rewriting_keeps_comments_and_order_and_adds_what_is_new() {
    let options = Options::ours()
        .config("# how long a silent client is kept")
        .config("timeout 100")
        .config("# memory")
        .config("maxmemory 100mb");
    let mut server = options.start();
    assert_eq!(
        server.ask("CONFIG SET timeout 200 maxclients 77 replica-priority 3"),
        "OK"
    );
    assert_eq!(server.ask("CONFIG REWRITE"), "OK");
    let text = fs::read_to_string(server.path("redis.conf")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let line = |wanted: &str| {
        let found = lines.iter().position(|line| *line == wanted);
        found.unwrap_or_else(|| panic!("no line {wanted:?} in\n{text}"))
    };
    assert_eq!(
        line("# how long a silent client is kept") + 1,
        line("timeout 200")
    );
    assert_eq!(line("# memory") + 1, line("maxmemory 100mb"));
    assert!(line("# Generated by CONFIG REWRITE") < line("maxclients 77"));
    line("replica-priority 3");
    server.terminate();
    server.start_again();
    assert_eq!(setting(&server, "timeout"), "200");
    assert_eq!(setting(&server, "maxclients"), "77");
    assert_eq!(server.ask("CONFIG REWRITE"), "OK");
    let again = fs::read_to_string(server.path("redis.conf")).unwrap();
    assert_eq!(
        again.trim_end(),
        text.trim_end(),
        "a second rewrite changes nothing"
    );
}

#[test]
fn a_role_given_at_run_time_is_kept_by_rewriting() {
    let master = Server::ours(&[]);
    let mut replica = Server::ours(&["masterauth secret"]);
    master.ask("CONFIG SET requirepass secret");
    follow(&replica, master.port);
    assert_eq!(replica.ask("CONFIG REWRITE"), "OK");
    replica.terminate();
    replica.start_again();
    wait_link_up(&replica);
    assert_eq!(replica.ask("REPLICAOF NO ONE"), "OK");
    assert_eq!(replica.ask("CONFIG REWRITE"), "OK");
    let text = fs::read_to_string(replica.path("redis.conf")).unwrap();
    assert!(!text.contains("replicaof"), "{text}");
    assert!(text.contains("masterauth"), "{text}");
}

#[test]
fn rewriting_without_a_file_is_refused() {
    let port = free_port();
    let _end = ShutAtEnd(port);
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(subject_path())
        .args(["--port", &port.to_string(), "--save", ""])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("it listens", || Conn::to(port).is_ok());
    let mut conn = Conn::to(port).unwrap();
    assert_eq!(
        conn.ask("CONFIG REWRITE"),
        "-ERR The server is running without a config file"
    );
    conn.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn statistics_can_be_reset() {
    let server = Server::ours(&[]);
    server.ask("SET a 1");
    server.ask("GET a");
    assert_eq!(server.info("keyspace_hits"), "1");
    assert_eq!(server.ask("CONFIG RESETSTAT"), "OK");
    assert_eq!(server.info("keyspace_hits"), "0");
    assert_eq!(server.info("cmdstat_get"), "");
}

#[test]
fn without_an_address_nobody_can_connect_any_more() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    let nowhere = conn.command(&["CONFIG", "SET", "bind", ""]);
    assert_eq!(nowhere.to_string(), "OK");
    assert_eq!(conn.ask("CONFIG GET bind"), "[bind ]");
    assert!(Conn::to(server.port).is_err());
    assert_eq!(conn.ask("CONFIG SET bind 127.0.0.1"), "OK");
    assert_eq!(server.ask("PING"), "PONG");
    let exit = Options::ours().args(&["--bind", ""]).start_and_fail();
    assert_eq!(exit.code(), 1);
    assert!(
        exit.log.contains("Configured to not listen anywhere"),
        "{}",
        exit.log
    );
}
