//! Commands that wait: who is served in which order, and how a wait ends.

use std::time::{Duration, Instant};

use crate::harness::*;

/// Sends a command whose reply is to come later, and waits until the server holds it.
fn wait_with(server: &Server, conn: &mut Conn, line: &str) {
    let before = server.info_number("blocked_clients");
    let words: Vec<&str> = line.split_whitespace().collect();
    conn.send(&encode(&words));
    wait_until("the command waits", || {
        server.info_number("blocked_clients") > before
    });
}

fn reply(conn: &mut Conn) -> String {
    conn.read_value().expect("a reply").to_string()
}

#[test]
fn those_who_came_first_are_served_first() {
    let server = Server::ours(&[]);
    let mut clients: Vec<Conn> = (0..10).map(|_| server.connect()).collect();
    for client in &mut clients {
        wait_with(&server, client, "BLPOP other queue 0");
    }
    assert_eq!(server.info("total_blocking_keys"), "2");
    assert_eq!(server.ask("RPUSH queue 0 1 2 3"), "4");
    assert_eq!(server.ask("EXISTS queue"), "0");
    let pushes: Vec<u8> = (4..10)
        .flat_map(|n| encode(&["RPUSH", "queue", &n.to_string()]))
        .collect();
    server.connect().send(&pushes);
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(reply(client), format!("[queue {n}]"));
    }
    assert_eq!(server.info("blocked_clients"), "0");
    assert_eq!(server.info("total_blocking_keys"), "0");
}

#[test]
fn what_stands_behind_a_command_that_waits_runs_after_it() {
    let server = Server::ours(&[]);
    let mut client = server.connect();
    let pipeline = [
        encode(&["BLPOP", "a", "0"]),
        encode(&["SET", "x", "1"]),
        encode(&["BLPOP", "a", "0"]),
        encode(&["GET", "x"]),
    ];
    client.send(&pipeline.concat());
    wait_until("it waits", || server.info("blocked_clients") == "1");
    client.send(&encode(&["PING"]));
    assert_eq!(server.ask("GET x"), "(nil)");
    server.ask("RPUSH a 1");
    assert_eq!(reply(&mut client), "[a 1]");
    assert_eq!(reply(&mut client), "OK");
    server.ask("RPUSH a 2");
    let rest = [reply(&mut client), reply(&mut client), reply(&mut client)];
    assert_eq!(rest, ["[a 2]", "1", "PONG"]);
}

#[test]
fn nonsense_behind_a_command_that_waits_is_refused_when_its_turn_comes() {
    let server = Server::ours(&[]);
    let mut client = server.connect();
    client.send(&[encode(&["BLPOP", "a", "0"]), b"*x\r\n".to_vec()].concat());
    wait_until("it waits", || server.info("blocked_clients") == "1");
    server.ask("RPUSH a 1");
    assert_eq!(reply(&mut client), "[a 1]");
    let rest = String::from_utf8(client.read_to_close()).expect("text");
    assert_eq!(rest, "-ERR Protocol error: invalid multibulk length\r\n");
}

#[test]
fn a_wait_ends_at_its_time_though_nothing_else_happens() {
    let server = Server::ours(&["hz 1"]);
    let mut client = server.connect();
    let start = Instant::now();
    for _ in 0..10 {
        let start = Instant::now();
        assert_eq!(client.ask("BLPOP a 0.05"), "(nil)");
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(50), "{waited:?}");
    }
    // One that ended with the second's periodic work would take all of the next second each time.
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(8), "{waited:?}");
}

#[test]
fn a_client_that_leaves_while_it_waits_takes_nothing() {
    let server = Server::ours(&[]);
    let mut gone = server.connect();
    wait_with(&server, &mut gone, "BLPOP a 0");
    drop(gone);
    wait_until("it is gone", || server.info("blocked_clients") == "0");
    let mut killed = server.connect();
    let id = killed.ask("CLIENT ID");
    wait_with(&server, &mut killed, "BLPOP a 0");
    let mut other = server.connect();
    let both = [
        encode(&["CLIENT", "KILL", "ID", &id]),
        encode(&["RPUSH", "a", "1"]),
    ];
    other.send(&both.concat());
    assert_eq!([reply(&mut other), reply(&mut other)], ["1", "1"]);
    assert_eq!(server.ask("LLEN a"), "1");
}

#[test]
fn a_chain_of_moves_runs_through_in_one_go() {
    let server = Server::ours(&[]);
    let mut clients: Vec<Conn> = (0..5).map(|_| server.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        wait_with(
            &server,
            client,
            &format!("BLMOVE l{n} l{} LEFT RIGHT 0", n + 1),
        );
    }
    assert_eq!(server.ask("RPUSH l0 x"), "1");
    assert_eq!(server.ask("LRANGE l5 0 -1"), "[x]");
    for client in &mut clients {
        assert_eq!(reply(client), "x");
    }
}

#[test]
fn a_transaction_serves_those_who_wait_when_it_has_ended() {
    let server = Server::ours(&[]);
    let mut client = server.connect();
    wait_with(&server, &mut client, "BLPOP a 0");
    let mut writer = server.connect();
    for line in ["MULTI", "RPUSH a 1", "DEL a", "EXEC"] {
        writer.ask(line);
    }
    for line in ["MULTI", "RPUSH a 2", "LPUSH a 3", "EXEC"] {
        writer.ask(line);
    }
    assert_eq!(reply(&mut client), "[a 3]");
    writer.ask("MULTI");
    writer.ask("BLPOP nothing 0");
    assert_eq!(writer.ask("EXEC"), "[(nil)]");
}

#[test]
fn unblock_and_a_change_of_role_end_a_wait() {
    let server = Server::ours(&[]);
    let mut client = server.connect();
    let id = client.ask("CLIENT ID");
    wait_with(&server, &mut client, "BLPOP a 0");
    let shown = server.ask(&format!("CLIENT LIST ID {id}"));
    assert!(shown.contains("flags=b "), "{shown}");
    assert_eq!(server.ask(&format!("CLIENT UNBLOCK {id}")), "1");
    assert_eq!(reply(&mut client), "(nil)");
    assert_eq!(server.ask(&format!("CLIENT UNBLOCK {id}")), "0");
    wait_with(&server, &mut client, "BLPOP a 0");
    assert_eq!(server.ask(&format!("CLIENT UNBLOCK {id} ERROR")), "1");
    let unblocked = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
    assert!(reply(&mut client).ends_with(unblocked));
    wait_with(&server, &mut client, "BLPOP a 0");
    server.ask("REPLICAOF 127.0.0.1 1");
    let farewell = String::from_utf8(client.read_to_close()).expect("text");
    assert_eq!(
        farewell,
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> \
         replica?)\r\n"
    );
}

#[test]
fn replicas_get_what_was_popped_and_keys_stay_equal() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    wait_link_up(&replica);
    let mut clients: Vec<Conn> = (0..4).map(|_| master.connect()).collect();
    for client in &mut clients {
        wait_with(&master, client, "BRPOPLPUSH from to 0");
    }
    master.ask("RPUSH from 1 2 3 4 5 6");
    for client in &mut clients {
        reply(client);
    }
    wait_equal_offsets(&[&master, &replica]);
    assert_eq!(replica.ask("LRANGE from 0 -1"), "[1 2]");
    assert_eq!(replica.ask("LRANGE to 0 -1"), "[3 4 5 6]");
}

#[test]
fn a_pause_holds_back_those_who_are_served() {
    let server = Server::ours(&[]);
    let mut client = server.connect();
    wait_with(&server, &mut client, "BLPOP a 0");
    let mut writer = server.connect();
    let both = [
        encode(&["MULTI"]),
        encode(&["RPUSH", "a", "1"]),
        encode(&["CLIENT", "PAUSE", "100000", "WRITE"]),
        encode(&["EXEC"]),
    ];
    writer.send(&both.concat());
    for _ in 0..4 {
        reply(&mut writer);
    }
    assert_eq!(writer.ask("LLEN a"), "1");
    writer.ask("CLIENT UNPAUSE");
    assert_eq!(reply(&mut client), "[a 1]");
}

#[test]
fn a_pause_leaves_expired_keys_where_they_are() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    let both = [
        encode(&["MULTI"]),
        encode(&["SET", "b", "1", "PX", "1"]),
        encode(&["CLIENT", "PAUSE", "100000", "WRITE"]),
        encode(&["EXEC"]),
    ];
    conn.send(&both.concat());
    for _ in 0..4 {
        reply(&mut conn);
    }
    wait_until("it is past its time", || conn.ask("GET b") == "(nil)");
    assert_eq!(conn.ask("EXISTS b"), "0");
    assert_eq!(conn.ask("DBSIZE"), "1");
    conn.ask("CLIENT UNPAUSE");
    wait_until("it is deleted", || conn.ask("DBSIZE") == "0");
}
