//! What those see who watch a server at work: the slow log, monitors, the latency monitor.

use crate::harness::*;

/// A line of a monitor, from the database on; the time in front of it must look like one, and the
/// port is left out, since no two connections share it.
fn shown(monitor: &mut Conn) -> String {
    let line = monitor.read_value().expect("a line").to_string();
    let (time, rest) = line.split_once(' ').expect("a time");
    let (seconds, micros) = time.split_once('.').expect("a fraction");
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    assert!(
        digits(seconds) && digits(micros) && micros.len() == 6,
        "{time}"
    );
    let (place, words) = rest.split_once(']').expect("a place");
    let (host, port) = place.rsplit_once(':').unwrap_or((place, "0"));
    assert!(digits(port), "{place}");
    format!("{host}]{words}")
}

/// What a monitor shows of these commands of one client, up to a last `ECHO end`.
fn shown_of(server: &Server, lines: &[&str]) -> Vec<String> {
    let mut monitor = server.connect();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    let mut client = server.connect();
    for line in lines {
        client.call(line);
    }
    client.call("ECHO end");
    let all = std::iter::repeat_with(|| shown(&mut monitor));
    all.take_while(|line| !line.contains("\"end\"")).collect()
}

#[test]
fn a_monitor_shows_what_a_stock_one_shows() {
    let lines = [
        "SET key \"a b\\x00\\r\\n\\xff\\\"\\\\\"",
        "GET key",
        "SELECT 2",
        "nosuch command",
        "get",
        "CONFIG GET maxmemory",
        "CONFIG SET masterauth secret",
        "AUTH secret",
        "AUTH user secret",
        "HELLO 3 AUTH user secret",
        "EVAL \"return redis.call('get', KEYS[1])\" 1 key",
        "EVALSHA 0000000000000000000000000000000000000000 0",
        "MULTI",
        "LPUSH list 1",
        "EVAL \"return redis.call('ping')\" 0",
        "EXEC",
        "MULTI",
        "nosuch",
        "EXEC",
        "MULTI",
        "SET key x",
        "DISCARD",
        "BLPOP list 1",
        "BLPOP list 0.01",
        "SUBSCRIBE channel",
        "UNSUBSCRIBE channel",
        "MIGRATE 127.0.0.1 1 nosuch 0 10 AUTH secret",
        "CLIENT LIST",
        "CLIENT ID",
        "RESET",
    ];
    let ours = shown_of(&Server::ours(&[]), &lines);
    let stock = shown_of(&Server::stock(&[]), &lines);
    assert_eq!(ours, stock);
}

#[test]
fn a_monitor_is_listed_as_one_and_a_reset_ends_it() {
    for server in [Server::ours(&[]), Server::stock(&[])] {
        let mut monitor = server.connect();
        let id = monitor.ask("CLIENT ID");
        assert_eq!(monitor.ask("MONITOR"), "OK");
        let listed = server.ask(&format!("CLIENT LIST ID {id}"));
        assert!(listed.contains(" flags=O "), "{listed}");
        assert_eq!(server.info("connected_slaves"), "0");
        let listed = server.ask("CLIENT LIST TYPE normal");
        assert!(listed.contains(" flags=O "), "{listed}");
        monitor.send(&encode(&["RESET"]));
        while monitor.read_value().expect("a line").to_string() != "RESET" {}
        assert_eq!(server.ask("SET a 1"), "OK");
        assert_eq!(monitor.ask("GET a"), "1");
    }
}

#[test]
fn a_monitor_that_does_not_read_is_dropped() {
    let server = Server::ours(&["client-output-buffer-limit normal 1mb 0 0"]);
    let mut monitor = server.connect();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    let mut client = server.connect();
    let value = "x".repeat(100_000);
    wait_until("the monitor is dropped", || {
        client.command(&["SET", "a", &value]);
        !client.ask("CLIENT LIST").contains(" flags=O ")
    });
    assert_eq!(client.ask("STRLEN a"), "100000");
}

#[test]
fn a_monitor_of_a_replica_shows_the_commands_of_its_master() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    wait_link_up(&replica);
    let mut monitor = replica.connect();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    master.ask("SET a 1");
    let expected = r#""SET" "a" "1""#;
    while !shown(&mut monitor).contains(expected) {}
}

/// The log without numbers and times, the oldest first.
fn logged(client: &mut Conn) -> Vec<String> {
    let log = client.call("SLOWLOG GET -1");
    let entries = log.items().iter().rev();
    entries
        .map(|entry| {
            let [_, _, _, words, addr, name] = entry.items() else {
                panic!("{entry}");
            };
            let addr = String::from_utf8_lossy(addr.bytes()).into_owned();
            assert!(addr.starts_with("127.0.0.1:"), "{addr}");
            format!("{words} {name}")
        })
        .collect()
}

#[test]
fn the_slow_log_shows_what_a_stock_one_shows() {
    let many: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let lines = [
        "CLIENT SETNAME me",
        &format!("SET key {}", "x".repeat(200)),
        &format!("DEL {}", many.join(" ")),
        "AUTH secret",
        "AUTH user secret",
        "HELLO 2 AUTH user secret",
        "CONFIG SET masterauth secret",
        "MIGRATE 127.0.0.1 1 nosuch 0 10 AUTH2 user secret",
        "MULTI",
        "LPUSH list 1",
        "EXEC",
        "BLPOP list 1",
        "nosuch",
        "GET",
        "INCR list2",
        "SLOWLOG LEN",
    ];
    let run = |server: Server| {
        let mut client = server.connect();
        client.ask("CONFIG SET slowlog-log-slower-than 0");
        client.ask("SLOWLOG RESET");
        for line in lines {
            client.call(line);
        }
        client.command(&["SET", "big", &"y".repeat(100_000)]);
        client.ask("CONFIG SET slowlog-log-slower-than -1");
        logged(&mut client)
    };
    assert_eq!(run(Server::ours(&[])), run(Server::stock(&[])));
}

#[test]
fn what_takes_long_is_noted_by_the_latency_monitor() {
    let server = Server::ours(&["latency-monitor-threshold 50", "appendonly yes"]);
    server.ask("DEBUG SLEEP 0.1");
    server.ask("PING");
    let latest = server.call("LATENCY LATEST");
    let event = &latest.items()[0].items();
    assert_eq!(event[0].bytes(), b"command");
    assert!(event[2].int() >= 100 && event[3].int() >= 100, "{latest}");
    let graph = server.ask("LATENCY GRAPH command");
    assert!(graph.starts_with("command - high 1"), "{graph}");
    assert!(server.ask("LATENCY DOCTOR").contains("1. command: 1 times"));
    assert_eq!(server.ask("LATENCY RESET"), "1");
}

#[test]
fn the_places_where_the_server_may_be_held_up_are_measured() {
    let server = Server::ours(&["appendonly yes", "appendfsync always"]);
    // So low that everything reaches it.
    let slow = "latency-monitor-threshold 1";
    server.ask(&format!("CONFIG SET {slow}"));
    let noted = |event: &str| {
        !server
            .call(&format!("LATENCY HISTORY {event}"))
            .items()
            .is_empty()
    };
    let mut n = 0;
    wait_until("a large value has expired slowly", || {
        n += 1;
        let key = format!("set{n}");
        server.ask(&format!("DEBUG POPULATE 1 other{n}"));
        let members: Vec<String> = (0..20_000).map(|m| m.to_string()).collect();
        let mut command = vec!["SADD", &key];
        command.extend(members.iter().map(String::as_str));
        server.command(&command);
        server.ask(&format!("PEXPIRE {key} 1"));
        noted("expire-cycle") || noted("expire-del")
    });
    wait_until("a sync or a write took a millisecond", || {
        server.command(&["SET", "a", &"x".repeat(1 << 20)]);
        noted("aof-fsync-always")
    });
    let spent = info_field(&server.ask("INFO debug"), "eventloop_duration_aof_sum");
    assert!(spent.parse::<u64>().unwrap() >= 1000, "{spent} us");
}
