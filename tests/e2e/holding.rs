//! What has to wait, and goes on by itself: the stream behind a load, commands behind a pause; and
//! clients that leave before it is their turn.

use std::io::Write;
use std::net::Shutdown;

use crate::harness::*;

/// No ping of a master comes within a test.
const SILENT: &str = "repl-ping-replica-period 3600";

/// Starts a replica of `master` that loads so slowly that it needs help (`end_load`).
fn slow_replica(master: &Server, load: &str) -> Server {
    let replica = Options::ours()
        .config(format!("repl-diskless-load {load}"))
        .config("key-load-delay 100000")
        .config("repl-timeout 3600")
        .start();
    let follow = format!("REPLICAOF 127.0.0.1 {}", master.port);
    assert_eq!(replica.ask(&follow), "OK");
    wait_until("the replica loads", || {
        replica.info("loading") == "1" || replica.info("async_loading") == "1"
    });
    replica
}

/// Lets the load of a slow replica run through.
fn end_load(replica: &Server) {
    assert_eq!(replica.ask("CONFIG SET key-load-delay 0"), "OK");
    wait_link_up(replica);
}

fn fill(server: &Server, keys: usize) {
    let mut conn = server.connect();
    let writes = (0..keys).map(|number| encode(&["SET", &format!("key:{number}"), "value"]));
    conn.send(&writes.flatten().collect::<Vec<u8>>());
    for _ in 0..keys {
        conn.read_value().expect("a reply");
    }
}

/// One write during a load, and then silence.
fn write_behind_a_snapshot(master: fn() -> Options) {
    for sync in ["no", "yes"] {
        let master = master()
            .config(format!("repl-diskless-sync {sync}"))
            .config(SILENT)
            .start();
        fill(&master, 500);
        for load in ["disabled", "on-empty-db", "swapdb"] {
            let replica = slow_replica(&master, load);
            let mut writer = master.connect();
            for line in ["MULTI", "INCR late", "LPUSH list x", "EXEC"] {
                writer.ask(line);
            }
            end_load(&replica);
            wait_for(
                "what was written during the load is there",
                || (replica.ask("GET late") == master.ask("GET late")).then_some(()),
                || format!("sync {sync}, load {load}\n{}", replica.log_tail()),
            );
            wait_equal_offsets(&[&master, &replica]);
        }
    }
}

#[test]
fn what_stock_writes_during_a_load_is_there_when_it_ends() {
    write_behind_a_snapshot(Options::stock);
}

#[test]
fn what_we_write_during_a_load_is_there_when_it_ends() {
    write_behind_a_snapshot(Options::ours);
}

#[test]
fn clients_are_served_while_much_of_the_stream_is_run() {
    const VALUE_BYTES: usize = 10_000;
    const WRITES: usize = 5000;
    const TURN_BYTES_MAX: i64 = 2 * 1024 * 1024;
    let master = Server::ours(&[SILENT]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    wait_equal_offsets(&[&master, &replica]);
    let begin = offset_of(&replica);
    assert_eq!(replica.ask("CLIENT PAUSE 600000 WRITE"), "OK");
    let mut writer = master.connect();
    let value = vec![b'x'; VALUE_BYTES];
    for number in 0..WRITES {
        let key = (number % 10).to_string();
        writer.send(&encode(&[b"SET", key.as_bytes(), &value]));
        writer.read_value().expect("a reply");
    }
    let end = offset_of(&master);
    wait_until("the replica has got it all", || {
        replica.info_number("slave_read_repl_offset") >= end
    });
    let mut client = replica.connect();
    let mut look = || {
        let info = client.ask("INFO everything");
        let number = |field: &str| -> i64 { info_field(&info, field).parse().expect("a number") };
        (number("slave_repl_offset"), number("eventloop_cycles"))
    };
    let (_, before) = look();
    assert_eq!(replica.ask("CLIENT UNPAUSE"), "OK");
    let after = wait_for(
        "the stream is run",
        || {
            let (at, turn) = look();
            // The master may ask how far its replica is.
            (at >= end).then_some(turn)
        },
        || replica.log_tail(),
    );
    let turns = after - before;
    assert!(turns >= (end - begin) / TURN_BYTES_MAX, "{turns} turns");
}

/// Sends a command that a pause holds back.
fn held(server: &Server, line: &str) -> Conn {
    let before = server.info_number("blocked_clients");
    let mut conn = server.connect();
    let words: Vec<&str> = line.split(' ').collect();
    conn.send(&encode(&words));
    wait_until("it is held back", || {
        server.info_number("blocked_clients") > before
    });
    conn
}

#[test]
fn a_write_that_is_held_back_is_not_done_for_a_client_that_has_gone() {
    type Leave = fn(Conn);
    let close: Leave = drop;
    let half_close: Leave = |conn| {
        let stream = conn.stream();
        stream
            .shutdown(Shutdown::Write)
            .expect("a half-closed stream");
    };
    for leave in [close, half_close] {
        let server = Server::ours(&[]);
        assert_eq!(server.ask("CLIENT PAUSE 600000 WRITE"), "OK");
        let clients = server.info("connected_clients");
        let gone = held(&server, "SET b 1");
        let shown = server.ask("CLIENT LIST");
        let line = shown.lines().find(|line| line.contains(" flags=b "));
        let line = line.unwrap_or_else(|| panic!("{shown}"));
        assert!(
            line.contains(" cmd=set ") && !line.contains(" argv-mem=0 "),
            "{line}"
        );
        leave(gone);
        wait_until("it is gone", || server.info("connected_clients") == clients);
        assert_eq!(server.info("blocked_clients"), "0");
        assert_eq!(server.ask("CLIENT UNPAUSE"), "OK");
        assert_eq!(server.ask("GET b"), "(nil)");
    }
}

#[test]
fn a_shutdown_that_waits_for_replicas_does_nothing_for_a_client_that_has_gone() {
    let master = Server::ours(&["shutdown-timeout 600"]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    wait_equal_offsets(&[&master, &replica]);
    replica.freeze();
    master.ask("SET a 1");
    let mut asker = master.connect();
    asker.send(&encode(&["SHUTDOWN"]));
    wait_until("it waits", || master.info("blocked_clients") == "1");
    let clients = master.info("connected_clients");
    drop(held(&master, "SET b 1"));
    wait_until("it is gone", || master.info("connected_clients") == clients);
    let mut stays = held(&master, "SET c 1");
    assert_eq!(master.ask("SHUTDOWN ABORT"), "OK");
    assert_eq!(stays.read_value().expect("a reply").to_string(), "OK");
    assert_eq!(master.ask("EXISTS b c"), "1");
    replica.thaw();
}

#[test]
fn those_who_were_held_back_go_on_in_order() {
    let server = Server::ours(&[]);
    assert_eq!(server.ask("CLIENT PAUSE 600000 WRITE"), "OK");
    let mut clients: Vec<Conn> = (0..3)
        .map(|number| held(&server, &format!("RPUSH list {number}")))
        .collect();
    assert_eq!(server.ask("CLIENT UNPAUSE"), "OK");
    for (number, client) in clients.iter_mut().enumerate() {
        let reply = client.read_value().expect("a reply").int();
        assert_eq!(reply, number as i64 + 1);
    }
}

#[test]
fn a_replica_that_is_paused_stands_still() {
    let master = Options::stock().config(SILENT).start();
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    master.ask("SET a 1");
    wait_equal_offsets(&[&master, &replica]);
    assert_eq!(replica.ask("CLIENT PAUSE 600000 WRITE"), "OK");
    let offset = offset_of(&master);
    master.ask("SET a 2");
    wait_until("the replica has got it", || {
        replica.info_number("slave_read_repl_offset") == offset_of(&master)
    });
    assert_eq!(offset_of(&replica), offset);
    assert_eq!(replica.ask("GET a"), "1");
    assert_eq!(replica.ask("CLIENT UNPAUSE"), "OK");
    wait_equal_offsets(&[&master, &replica]);
    assert_eq!(replica.ask("GET a"), "2");
}

#[test]
fn nothing_of_a_pipeline_is_left_lying_behind_what_waits() {
    let server = Server::ours(&[]);
    let big = "x".repeat(300_000);
    for first in ["BLPOP l 0", "SET held 1", "DEBUG SLEEP 0"] {
        assert_eq!(server.ask("CLIENT PAUSE 600000 WRITE"), "OK");
        let mut client = server.connect();
        let words: Vec<&str> = first.split(' ').collect();
        let rest = [encode(&["SET", "big", &big]), encode(&["STRLEN", "big"])].concat();
        client.send(&encode(&words));
        let (one, other) = rest.split_at(150_000);
        client.stream().write_all(one).expect("the server reads");
        let mut pusher = server.connect();
        pusher.send(&encode(&["RPUSH", "l", "v"]));
        client.stream().write_all(other).expect("the server reads");
        assert_eq!(server.ask("CLIENT UNPAUSE"), "OK");
        for expected in [None, Some("OK"), Some("300000")] {
            let reply = client.read_value().expect("a reply").to_string();
            assert!(
                expected.is_none_or(|text| text == reply),
                "{first}: {reply}"
            );
        }
    }
}
