//! The family's behaviour, as clients and replicas see it.

use std::collections::BTreeSet;

use crate::commands::gates::{Gates, PauseMode};
use crate::commands::session::Kind;
use crate::commands::testing::Rig;
use crate::config::MaxmemoryPolicy;

const NULL: &str = "$-1\r\n";
const OK: &str = "+OK\r\n";

/// Runs a dialogue: each line's reply must be exactly the one beside it.
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const NOT_32_BITS: &str =
    "ERR value is out of range, value must between -2147483648 and 2147483647";
const CONFLICT: &str = "ERR NX and XX, GT or LT options at the same time are not compatible";

/// What is refused, and how.
const REFUSALS: &[(&str, &str)] = &[
    (
        "EXPIRE a",
        "ERR wrong number of arguments for 'expire' command",
    ),
    ("EXPIRE a x", NOT_AN_INTEGER),
    ("EXPIRE a x FOO", "ERR Unsupported option FOO"),
    ("EXPIRE a 1 NX XX", CONFLICT),
    ("EXPIRE a 1 GT NX", CONFLICT),
    (
        "EXPIRE a 1 GT LT",
        "ERR GT and LT options at the same time are not compatible",
    ),
    (
        "EXPIRE a 9223372036854775807",
        "ERR invalid expire time in 'expire' command",
    ),
    (
        "EXPIRE a -9223372036854775808",
        "ERR invalid expire time in 'expire' command",
    ),
    (
        "PEXPIRE a 9223372036854775807",
        "ERR invalid expire time in 'pexpire' command",
    ),
    (
        "EXPIREAT a 9223372036854776",
        "ERR invalid expire time in 'expireat' command",
    ),
    ("RENAME missing b", "ERR no such key"),
    ("RENAME missing missing", "ERR no such key"),
    ("RENAMENX missing b", "ERR no such key"),
    (
        "MOVE a 0",
        "ERR source and destination objects are the same",
    ),
    ("MOVE a 16", "ERR DB index is out of range"),
    ("MOVE a x", NOT_AN_INTEGER),
    ("MOVE a 99999999999", NOT_32_BITS),
    (
        "COPY a a",
        "ERR source and destination objects are the same",
    ),
    ("COPY a b DB 16", "ERR DB index is out of range"),
    ("COPY a b DB -1", "ERR DB index is out of range"),
    ("COPY a b DB x", NOT_AN_INTEGER),
    ("COPY a b DB", "ERR syntax error"),
    ("COPY a b FOO", "ERR syntax error"),
    ("SELECT 16", "ERR DB index is out of range"),
    ("SELECT x", NOT_AN_INTEGER),
    ("SELECT 99999999999", NOT_32_BITS),
    ("SWAPDB x 99", "ERR invalid first DB index"),
    ("SWAPDB 99 x", "ERR invalid second DB index"),
    ("SWAPDB 0 16", "ERR DB index is out of range"),
    ("FLUSHDB FOO", "ERR syntax error"),
    ("FLUSHALL SYNC ASYNC", "ERR syntax error"),
    ("SCAN x", "ERR invalid cursor"),
    ("SCAN x FOO", "ERR invalid cursor"),
    ("SCAN 18446744073709551616", "ERR invalid cursor"),
    ("SCAN 0 FOO", "ERR syntax error"),
    ("SCAN 0 FOO 1", "ERR syntax error"),
    ("SCAN 0 COUNT", "ERR syntax error"),
    ("SCAN 0 COUNT 0", "ERR syntax error"),
    ("SCAN 0 COUNT x", NOT_AN_INTEGER),
    (
        "OBJECT FOO a",
        "ERR unknown subcommand 'FOO'. Try OBJECT HELP.",
    ),
    (
        "OBJECT FREQ a",
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please \
             note that when switching between policies at runtime LRU and LFU data will take \
             some time to adjust.",
    ),
];

#[test]
fn every_refusal_has_its_exact_words() {
    let mut rig = Rig::new();
    rig.run("SET a 1");
    rig.expect_refusals(REFUSALS);
}

#[test]
fn keys_are_deleted_counted_and_classified() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("MSET a 1 b 2 c 3", OK),
        ("EXISTS a a b missing", ":3\r\n"),
        ("TOUCH a missing", ":1\r\n"),
        ("TYPE a", "+string\r\n"),
        ("TYPE missing", "+none\r\n"),
        ("DEL a a missing", ":1\r\n"),
        ("UNLINK b c", ":2\r\n"),
        ("DBSIZE", ":0\r\n"),
        ("RANDOMKEY", NULL),
    ]);
    assert_eq!(
        rig.propagated(),
        [
            "SELECT 0",
            "MSET a 1 b 2 c 3",
            "DEL a a missing",
            "UNLINK b c"
        ]
    );
}

#[test]
fn deleting_a_key_whose_time_has_come_does_not_count() {
    let mut rig = Rig::new();
    rig.run("SET a 1 PX 10");
    rig.run("SET b 1");
    rig.advance_ms(11);
    rig.propagated();
    assert_eq!(rig.run("DEL a b"), ":1\r\n");
    assert_eq!(rig.propagated(), ["MULTI", "DEL a", "DEL a b", "EXEC"]);
    rig.run("SET a 1 PX 10");
    rig.advance_ms(11);
    rig.propagated();
    assert_eq!(rig.run("EXISTS a"), ":0\r\n");
    assert_eq!(rig.propagated(), ["DEL a"]);
    assert_eq!(rig.run("DEL a"), ":0\r\n");
    assert!(rig.propagated().is_empty());
}

#[test]
fn an_expiry_is_set_only_where_its_condition_holds() {
    // The lifetime before, the condition, and whether it holds for 100 s.
    let cases = [
        (None, "", 1),
        (None, "NX", 1),
        (None, "XX", 0),
        (None, "GT", 0),
        (None, "LT", 1),
        (None, "XX LT", 0),
        (Some(50), "NX", 0),
        (Some(50), "XX", 1),
        (Some(50), "GT", 1),
        (Some(50), "LT", 0),
        (Some(100), "GT", 0),
        (Some(100), "LT", 0),
        (Some(200), "GT", 0),
        (Some(200), "xx gt", 0),
        (Some(200), "LT", 1),
        (Some(200), "LT XX LT", 1),
    ];
    for (before, condition, holds) in cases {
        let mut rig = Rig::new();
        rig.run("SET a 1");
        if let Some(seconds) = before {
            rig.run(&format!("EXPIRE a {seconds}"));
        }
        let line = format!("EXPIRE a 100 {condition}");
        assert_eq!(rig.run(&line), format!(":{holds}\r\n"), "{before:?} {line}");
        let left = if holds == 1 { Some(100) } else { before };
        let ttl = rig.run("TTL a");
        assert_eq!(
            ttl,
            format!(":{}\r\n", left.unwrap_or(-1)),
            "{before:?} {line}"
        );
    }
}

#[test]
fn lifetimes_are_told_in_seconds_and_milliseconds_from_now_and_from_the_epoch() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("SET a 1", OK),
        ("TTL a", ":-1\r\n"),
        ("PTTL a", ":-1\r\n"),
        ("EXPIRETIME a", ":-1\r\n"),
        ("TTL missing", ":-2\r\n"),
        ("PEXPIRETIME missing", ":-2\r\n"),
        ("PEXPIRE a 1499", ":1\r\n"),
        ("TTL a", ":1\r\n"),
        ("PEXPIRE a 1500", ":1\r\n"),
        ("TTL a", ":2\r\n"),
        ("PTTL a", ":1500\r\n"),
        ("EXPIRETIME a", ":1700000002\r\n"),
        ("PEXPIRETIME a", ":1700000001500\r\n"),
        ("PERSIST a", ":1\r\n"),
        ("PERSIST a", ":0\r\n"),
        ("PERSIST missing", ":0\r\n"),
        ("EXPIRE missing 10", ":0\r\n"),
        ("EXPIREAT a 9223372036854775", ":1\r\n"),
        ("PEXPIRETIME a", ":9223372036854775000\r\n"),
    ]);
}

#[test]
fn replicas_get_deadlines_as_unix_milliseconds() {
    let cases: &[(&str, &[&str])] = &[
        ("EXPIRE a 10", &["PEXPIREAT a 1700000010000"]),
        ("EXPIRE a 5 LT", &["PEXPIREAT a 1700000005000 LT"]),
        ("PEXPIRE a 5", &["PEXPIREAT a 1700000000005"]),
        ("EXPIREAT a 4102444800", &["PEXPIREAT a 4102444800000"]),
        ("pexpireat a 4102444800000", &["pexpireat a 4102444800000"]),
        ("EXPIRE a 5 GT", &[]),
        ("PERSIST a", &["PERSIST a"]),
        ("PERSIST a", &[]),
        ("EXPIRE a 0", &["DEL a"]),
        ("EXPIRE b -1", &["DEL b"]),
        ("PEXPIREAT c 1700000000000", &["DEL c"]),
    ];
    let mut rig = Rig::new();
    rig.run("MSET a 1 b 2 c 3 d 4");
    rig.propagated();
    for (line, stream) in cases {
        rig.run(line);
        assert_eq!(rig.propagated(), *stream, "{line}");
    }
    rig.env.config.lazyfree_lazy_expire = true;
    assert_eq!(rig.run("EXPIRE d 0"), ":1\r\n");
    assert_eq!(rig.propagated(), ["UNLINK d"]);
    assert_eq!(rig.run("DBSIZE"), ":0\r\n");
}

#[test]
fn a_replica_leaves_deleting_to_its_master_even_for_deadlines_long_past() {
    let mut rig = Rig::new();
    rig.run("SET a 1");
    rig.become_replica();
    rig.session.kind = Kind::Master;
    assert_eq!(rig.run("PEXPIREAT a 5"), ":1\r\n");
    assert_eq!(rig.run("EXISTS a"), ":1\r\n");
    rig.session.kind = Kind::Normal;
    assert_eq!(rig.run("EXISTS a"), ":0\r\n");
    assert_eq!(rig.run("RANDOMKEY"), "$1\r\na\r\n");
    assert_eq!(rig.run("DBSIZE"), ":1\r\n");
}

#[test]
fn values_move_with_their_lifetime() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("SET a 1 EX 100", OK),
        ("SET b 2", OK),
        ("RENAMENX a b", ":0\r\n"),
        ("RENAMENX a a", ":0\r\n"),
        ("RENAME a a", OK),
        ("RENAME a b", OK),
        ("GET b", "$1\r\n1\r\n"),
        ("TTL b", ":100\r\n"),
        ("RENAMENX b c", ":1\r\n"),
        ("COPY c d", ":1\r\n"),
        ("COPY c d", ":0\r\n"),
        ("COPY missing e", ":0\r\n"),
        ("SET c 3", OK),
        ("COPY c d REPLACE", ":1\r\n"),
        ("TTL d", ":-1\r\n"),
        ("COPY c c DB 1", ":1\r\n"),
        ("MOVE c 1", ":0\r\n"),
        ("EXPIRE d 50", ":1\r\n"),
        ("MOVE d 1", ":1\r\n"),
        ("MOVE d 1", ":0\r\n"),
        ("SELECT 1", OK),
        ("TTL d", ":50\r\n"),
        ("MGET c d", "*2\r\n$1\r\n3\r\n$1\r\n3\r\n"),
        ("DBSIZE", ":2\r\n"),
    ]);
    let mut stream = rig.propagated();
    stream.retain(|command| command.starts_with("COPY") || command.starts_with("MOVE"));
    assert_eq!(
        stream,
        ["COPY c d", "COPY c d REPLACE", "COPY c c DB 1", "MOVE d 1"]
    );
}

#[test]
fn the_destination_of_a_rename_expires_first() {
    let mut rig = Rig::new();
    rig.run("SET a 1");
    rig.run("SET b 2 PX 10");
    rig.advance_ms(11);
    rig.propagated();
    assert_eq!(rig.run("RENAMENX a b"), ":1\r\n");
    assert_eq!(rig.propagated(), ["MULTI", "DEL b", "RENAMENX a b", "EXEC"]);
}

#[test]
fn databases_are_chosen_swapped_and_emptied() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("SET a 0", OK),
        ("SELECT 1", OK),
        ("MSET a 1 b 1", OK),
        ("SWAPDB 0 1", OK),
        ("GET a", "$1\r\n0\r\n"),
        ("FLUSHDB", OK),
        ("DBSIZE", ":0\r\n"),
        ("SELECT 0", OK),
        ("DBSIZE", ":2\r\n"),
        ("FLUSHALL ASYNC", OK),
        ("DBSIZE", ":0\r\n"),
    ]);
    assert_eq!(rig.host.wishes[0], "free 1 keys lazily=false");
    assert_eq!(rig.host.wishes[1], "free 2 keys lazily=true");
    assert_eq!(
        rig.host.wishes.last().map(String::as_str),
        Some("flushed all")
    );
}

#[test]
fn emptying_goes_to_replicas_even_where_nothing_was_there() {
    let mut rig = Rig::new();
    rig.run("FLUSHDB");
    rig.run("FLUSHALL async");
    assert_eq!(rig.propagated(), ["SELECT 0", "FLUSHDB", "FLUSHALL async"]);
    assert_eq!(rig.env.persistence.dirty, 0);
    rig.env.config.lazyfree_lazy_user_flush = true;
    rig.run("SET a 1");
    rig.run("FLUSHDB");
    let wish = rig.host.wishes.last().map(String::as_str);
    assert_eq!(wish, Some("free 1 keys lazily=true"));
    assert_eq!(rig.env.persistence.dirty, 2);
}

#[test]
fn scan_shows_every_key_once_the_cursor_is_zero_again() {
    let mut rig = Rig::new();
    let all: BTreeSet<String> = (0..500).map(|i| format!("key:{i}")).collect();
    for key in &all {
        rig.run(&format!("SET {key} 1"));
    }
    rig.run("SET other 1");
    let mut seen = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = rig.run(&format!("SCAN {cursor} COUNT 20 MATCH key:* TYPE string"));
        let mut lines = reply
            .split("\r\n")
            .filter(|line| !line.starts_with(['$', '*']));
        cursor = lines.next().expect("a cursor").to_owned();
        seen.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen, all);
    let nothing = "*2\r\n$1\r\n0\r\n*0\r\n";
    assert_eq!(rig.run("SCAN 0 COUNT 100000 TYPE hash"), nothing);
    assert_eq!(rig.run("SCAN 0 COUNT 100000 TYPE nosuch"), nothing);
}

#[test]
fn keys_whose_time_has_come_are_shown_by_nothing() {
    let mut rig = Rig::new();
    rig.run("SET a 1 PX 10");
    rig.run("SET b 1 PX 1000");
    rig.advance_ms(11);
    rig.propagated();
    assert_eq!(rig.run("KEYS *"), "*1\r\n$1\r\nb\r\n");
    assert_eq!(rig.run("KEYS [a-c]"), "*1\r\n$1\r\nb\r\n");
    assert!(rig.propagated().is_empty());
    assert_eq!(
        rig.run("SCAN 0 COUNT 100"),
        "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n"
    );
    assert_eq!(rig.propagated(), ["DEL a"]);
    rig.advance_ms(1000);
    assert_eq!(rig.run("RANDOMKEY"), NULL);
    assert_eq!(rig.propagated(), ["DEL b"]);
}

#[test]
fn a_random_key_is_found_or_given_up_where_expired_keys_must_stay() {
    let paused = |gates: &mut Gates| gates.pause = Some(PauseMode::Write);
    let replica = |gates: &mut Gates| (gates.replica, gates.read_only) = (true, true);
    let closings: [fn(&mut Gates); 2] = [paused, replica];
    for close in closings {
        let mut rig = Rig::new();
        rig.run("SET a 1 PX 10");
        rig.advance_ms(11);
        close(&mut rig.env.gates);
        // An expired key is a better answer than none, ever.
        assert_eq!(rig.run("RANDOMKEY"), "$1\r\na\r\n");
        rig.env.gates = Gates::OPEN;
        rig.run("SET lasting 1");
        rig.run("SET a 1 PX 10");
        rig.advance_ms(11);
        close(&mut rig.env.gates);
        assert_eq!(rig.run("RANDOMKEY"), "$7\r\nlasting\r\n");
    }
}

#[test]
fn keys_that_a_scan_finds_expired_are_deleted_one_by_one() {
    let mut rig = Rig::new();
    rig.run("SET a 1 PX 10");
    rig.run("SET b 1 PX 10");
    rig.advance_ms(11);
    rig.propagated();
    rig.run("SCAN 0");
    let mut stream = rig.propagated();
    stream.sort();
    assert_eq!(stream, ["DEL a", "DEL b"]);
}

#[test]
fn a_transaction_selects_its_database_inside() {
    let mut rig = Rig::new();
    rig.run("SET b 2 PX 10");
    rig.advance_ms(11);
    rig.propagated();
    rig.run("SELECT 1");
    rig.run("SET a 1");
    rig.run("SELECT 0");
    rig.propagated();
    rig.run("SET b 3");
    assert_eq!(
        rig.propagated(),
        ["MULTI", "SELECT 0", "DEL b", "SET b 3", "EXEC"]
    );
}

#[test]
fn object_tells_how_values_are_kept_and_used_without_using_them() {
    let mut rig = Rig::new();
    rig.run("MSET int 100 text hello huge 1000000");
    rig.advance_ms(3_000);
    rig.expect(&[
        ("OBJECT ENCODING int", "$3\r\nint\r\n"),
        ("OBJECT ENCODING text", "$6\r\nembstr\r\n"),
        ("OBJECT ENCODING missing", NULL),
        ("OBJECT REFCOUNT int", ":2147483647\r\n"),
        ("OBJECT REFCOUNT huge", ":1\r\n"),
        ("OBJECT REFCOUNT text", ":1\r\n"),
        ("TTL text", ":-1\r\n"),
        ("EXISTS text", ":1\r\n"),
        ("TYPE text", "+string\r\n"),
        ("OBJECT IDLETIME text", ":3\r\n"),
        ("OBJECT IDLETIME missing", NULL),
        ("TOUCH text", ":1\r\n"),
        ("OBJECT IDLETIME text", ":0\r\n"),
    ]);
    rig.env.config.maxmemory_policy = MaxmemoryPolicy::AllkeysLfu;
    let refused = rig.run("OBJECT IDLETIME text");
    assert!(refused.starts_with("-ERR An LFU maxmemory policy is selected, idle time"));
    assert_eq!(rig.run("OBJECT IDLETIME missing"), NULL);
}

#[test]
fn touch_counts_as_use_even_for_a_client_that_leaves_no_trace() {
    let mut rig = Rig::new();
    rig.run("SET a 1");
    rig.advance_ms(3_000);
    rig.session.no_touch = true;
    rig.run("GET a");
    assert_eq!(rig.run("OBJECT IDLETIME a"), ":3\r\n");
    rig.run("TOUCH a");
    assert_eq!(rig.run("OBJECT IDLETIME a"), ":0\r\n");
}
