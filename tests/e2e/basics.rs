//! A client library's first minutes with the server.

use redis::Commands;

use crate::harness::*;

#[test]
fn a_client_library_sets_gets_and_pipelines() {
    let server = Server::ours(&[]);
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/", server.port)).unwrap();
    let mut conn = client.get_connection().unwrap();
    let _: () = conn.set("greeting", "hello").unwrap();
    assert_eq!(conn.get::<_, String>("greeting").unwrap(), "hello");
    let (one, two): (i64, i64) = redis::pipe()
        .incr("count", 1)
        .incr("count", 41)
        .query(&mut conn)
        .unwrap();
    assert_eq!((one, two), (1, 42));
    let missing: Option<String> = conn.get("nothing").unwrap();
    assert_eq!(missing, None);
    let found: Vec<String> = conn.scan_match("g*").unwrap().map(Result::unwrap).collect();
    assert_eq!(found, ["greeting"]);
}

#[test]
fn a_client_library_speaks_resp3() {
    let server = Server::ours(&[]);
    let url = format!("redis://127.0.0.1:{}/?protocol=resp3", server.port);
    let mut conn = redis::Client::open(url).unwrap().get_connection().unwrap();
    let _: () = conn.set_ex("fleeting", "value", 100).unwrap();
    let ttl: i64 = conn.ttl("fleeting").unwrap();
    assert!((90..=100).contains(&ttl));
}

#[test]
fn hello_tells_who_answers_and_switches_the_protocol() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    let flat = conn.call("HELLO");
    assert_eq!(flat.items().len(), 14);
    assert_eq!(conn.ask("GET nothing"), "(nil)");
    let Value::Map(pairs) = conn.call("HELLO 3") else {
        panic!("RESP3 replies with a map")
    };
    let shown: Vec<String> = pairs.iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(
        shown,
        [
            "server", "version", "proto", "id", "mode", "role", "modules"
        ]
    );
    assert_eq!(pairs[0].1.to_string(), "redis");
    assert_eq!(pairs[2].1, Value::Int(3));
    conn.send(&encode(&["GET", "nothing"]));
    assert_eq!(conn.read_raw().unwrap(), b"_\r\n");
    assert_eq!(
        conn.ask("HELLO 4"),
        "-NOPROTO unsupported protocol version",
        "only 2 and 3 are spoken"
    );
    conn.call("HELLO 2");
    conn.send(&encode(&["GET", "nothing"]));
    assert_eq!(conn.read_raw().unwrap(), b"$-1\r\n");
}

#[test]
fn reset_returns_a_connection_to_its_first_state() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    conn.call("HELLO 3 SETNAME worker");
    conn.call("SELECT 5");
    assert_eq!(conn.ask("RESET"), "RESET");
    assert_eq!(conn.ask("CLIENT GETNAME"), "(nil)");
    conn.send(&encode(&["GET", "nothing"]));
    assert_eq!(conn.read_raw().unwrap(), b"$-1\r\n");
    assert!(conn.ask("CLIENT INFO").contains(" db=0 "));
}

#[test]
fn quit_says_ok_and_closes() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    conn.send(b"SET a 1\r\nQUIT\r\nSET a 2\r\n");
    assert_eq!(conn.read_to_close(), b"+OK\r\n+OK\r\n");
    assert_eq!(server.ask("GET a"), "1");
}

#[test]
fn keys_expire_without_being_touched() {
    let server = Server::ours(&[]);
    for key in 0..200 {
        server.ask(&format!("SET short:{key} v PX 50"));
    }
    server.ask("SET lasting v");
    wait_until("the active cycle has removed them", || {
        server.ask("DBSIZE") == "1"
    });
    assert_eq!(server.info("expired_keys"), "200");
}

#[test]
fn databases_are_apart_and_can_be_swapped() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    conn.ask("SET place zero");
    conn.ask("SELECT 1");
    conn.ask("SET place one");
    assert_eq!(conn.ask("SWAPDB 0 1"), "OK");
    assert_eq!(conn.ask("GET place"), "zero");
    assert_eq!(conn.ask("MOVE place 0"), "0", "the name is taken there");
    assert_eq!(conn.ask("COPY place place DB 2"), "1");
    assert_eq!(conn.ask("FLUSHDB"), "OK");
    assert_eq!(conn.ask("SELECT 2"), "OK");
    assert_eq!(conn.ask("GET place"), "zero");
    assert_eq!(conn.ask("SELECT 16"), "-ERR DB index is out of range");
    assert_eq!(conn.ask("FLUSHALL"), "OK");
    assert_eq!(conn.ask("DBSIZE"), "0");
}

#[test]
fn scan_returns_every_key_that_stays_while_others_come_and_go() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    for key in 0..5000 {
        conn.send(&encode(&["SET", &format!("stays:{key}"), "v"]));
    }
    for _ in 0..5000 {
        conn.read_value().unwrap();
    }
    let mut seen = std::collections::HashSet::new();
    let mut cursor = "0".to_owned();
    let mut round = 0;
    loop {
        let reply = conn.call(&format!("SCAN {cursor} MATCH stays:* COUNT 100"));
        seen.extend(reply.items()[1].items().iter().map(Value::to_string));
        cursor = reply.items()[0].to_string();
        // The table grows and shrinks under the cursor.
        for key in 0..300 {
            conn.send(&encode(&["SET", &format!("passing:{round}:{key}"), "v"]));
        }
        for _ in 0..300 {
            conn.read_value().unwrap();
        }
        round += 1;
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 5000);
}

#[test]
fn a_wrong_password_is_refused_and_the_right_one_opens() {
    let server = Server::ours(&["requirepass secret"]);
    let mut conn = server.connect();
    assert_eq!(conn.ask("GET a"), "-NOAUTH Authentication required.");
    assert_eq!(
        conn.ask("AUTH wrong"),
        "-WRONGPASS invalid username-password pair or user is disabled."
    );
    assert_eq!(conn.ask("AUTH default secret"), "OK");
    assert_eq!(conn.ask("GET a"), "(nil)");
    assert_eq!(conn.ask("CONFIG SET requirepass other"), "OK");
    let mut next = server.connect();
    assert_eq!(
        next.ask("AUTH secret").split(' ').next(),
        Some("-WRONGPASS")
    );
    assert_eq!(next.ask("AUTH other"), "OK");
    assert_eq!(next.ask("CONFIG SET requirepass \"\""), "OK");
}
