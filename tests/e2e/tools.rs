//! Redis's own tools and our scripts against the running server.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::*;

fn server_with_keys() -> Server {
    let server = Options::ours().readable_by_stock().start();
    for n in 0..500 {
        server.ask(&format!("SET key:{n} value:{n}"));
    }
    server.command(&["SET", "the-biggest", &"x".repeat(10_000)]);
    server
}

#[test]
fn redis_cli_shows_replication_and_errors() {
    let server = Server::ours(&[]);
    let shown = redis_cli(server.port, &["--no-auth-warning", "INFO", "replication"]);
    assert!(
        shown.starts_with("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"),
        "{shown}"
    );
    assert_eq!(
        redis_cli(server.port, &["SET", "greeting", "hello"]),
        "OK\n"
    );
    assert_eq!(redis_cli(server.port, &["GET", "greeting"]), "hello\n");
    assert_eq!(
        redis_cli(server.port, &["-3", "--json", "MGET", "greeting", "x"]),
        "[\"hello\",null]\n"
    );
    assert_eq!(
        redis_cli(server.port, &["-n", "4", "GET", "greeting"]),
        "\n"
    );
    let shown = redis_cli(server.port, &["GET"]);
    assert!(
        shown.starts_with("ERR wrong number of arguments for 'get' command"),
        "{shown}"
    );
}

#[test]
fn redis_cli_authenticates() {
    let server = Server::ours(&["requirepass secret"]);
    let shown = redis_cli(server.port, &["-a", "secret", "--no-auth-warning", "PING"]);
    assert_eq!(shown, "PONG\n");
    let shown = redis_cli(server.port, &["-a", "wrong", "--no-auth-warning", "PING"]);
    assert!(shown.contains("AUTH failed: WRONGPASS"), "{shown}");
    assert!(shown.contains("NOAUTH Authentication required."), "{shown}");
}

#[test]
fn redis_cli_fetches_a_snapshot_as_a_replica_would() {
    let server = server_with_keys();
    let file = server.path("fetched.rdb");
    let shown = redis_cli(server.port, &["--rdb", file.to_str().unwrap()]);
    assert!(shown.contains("Transfer finished with success"), "{shown}");
    let mut copy = Server::prepare(Options::ours());
    std::fs::rename(file, copy.path("dump.rdb")).unwrap();
    copy.start_again();
    assert_same_data(&server, &copy);
}

#[test]
fn redis_cli_fetches_functions_and_no_keys() {
    let server = server_with_keys();
    let file = server.path("functions.rdb");
    let shown = redis_cli(server.port, &["--functions-rdb", file.to_str().unwrap()]);
    assert!(shown.contains("Transfer finished with success"), "{shown}");
    let mut copy = Server::prepare(Options::ours());
    std::fs::rename(file, copy.path("dump.rdb")).unwrap();
    copy.start_again();
    assert_eq!(copy.ask("DBSIZE"), "0");
    assert!(copy.log().contains("Done loading RDB, keys loaded: 0"));
}

#[test]
fn redis_cli_shows_the_stream_of_a_master() {
    let server = server_with_keys();
    let shown = File::create(server.path("shown")).unwrap();
    let mut child = Command::new("redis-cli")
        .args(["-p", &server.port.to_string(), "--replica"])
        .stdin(Stdio::null())
        .stdout(shown)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("it is in step", || {
        server.info("slave0").contains("state=online")
    });
    assert_eq!(server.ask("SET shown yes"), "OK");
    wait_until("it shows the write", || {
        let shown = std::fs::read_to_string(server.path("shown")).unwrap();
        shown.contains("\"SET\",\"shown\",\"yes\"")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("it is gone", || server.info("connected_slaves") == "0");
}

#[test]
fn redis_cli_pipes_commands_in() {
    let server = Server::ours(&[]);
    let mut child = Command::new("redis-cli")
        .args(["-p", &server.port.to_string(), "--pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for n in 0..10_000 {
        stdin
            .write_all(&encode(&["SET", &format!("piped:{n}"), "v"]))
            .unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("errors: 0, replies: 10000"), "{shown}");
    assert_eq!(server.ask("DBSIZE"), "10000");
}

#[test]
fn redis_cli_finds_the_big_keys_and_walks_all() {
    let server = server_with_keys();
    let shown = redis_cli(server.port, &["--bigkeys"]);
    assert!(shown.contains("Biggest string found"), "{shown}");
    assert!(shown.contains("the-biggest\"' has 10000 bytes"), "{shown}");
    let shown = redis_cli(server.port, &["--scan", "--pattern", "key:*"]);
    assert_eq!(shown.lines().count(), 500);
}

#[test]
fn redis_cli_measures_latency() {
    let server = Server::ours(&[]);
    // Without a terminal it prints one line after this many seconds: min, max, avg, samples.
    let shown = Command::new("timeout")
        .args([
            "-s",
            "INT",
            "20",
            "redis-cli",
            "-p",
            &server.port.to_string(),
        ])
        .args(["-i", "1", "--raw", "--latency"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let samples: u64 = text
        .split_whitespace()
        .last()
        .unwrap_or("0")
        .parse()
        .unwrap_or(0);
    assert!(samples > 10, "{text}");
}

#[test]
fn redis_benchmark_runs_through() {
    let server = Server::ours(&[]);
    let output = Command::new("redis-benchmark")
        .args([
            "-p",
            &server.port.to_string(),
            "-n",
            "20000",
            "-P",
            "8",
            "-r",
            "1000",
            "-q",
        ])
        .args(["-t", "ping,set,get,incr,mset"])
        .output()
        .expect("redis-benchmark is missing: scripts/ensure-test-tools.sh installs it");
    let shown = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
    for name in [
        "PING_INLINE:",
        "PING_MBULK:",
        "SET:",
        "GET:",
        "INCR:",
        "MSET (10 keys):",
    ] {
        let line = shown.lines().rfind(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no result for {name}\n{shown}"));
        assert!(line.contains("requests per second"), "{line}");
    }
}

#[test]
fn the_replication_tour_ends_well() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/replication-tour.sh");
    let ports: Vec<String> = (0..3).map(|_| free_port().to_string()).collect();
    let output = Command::new(script)
        .env("SERVER", subject_path())
        .env("PORTS", ports.join(" "))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{shown}\n{errors}");
    assert!(shown.contains("The tour is over"), "{shown}\n{errors}");
}
