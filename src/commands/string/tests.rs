//! The family's behaviour, as clients and replicas see it.

use crate::commands::session::Kind;
use crate::commands::testing::{Rig, START_MS};
use crate::config::MaxmemoryPolicy;

const NULL: &str = "$-1\r\n";
const OK: &str = "+OK\r\n";

/// Runs a dialogue: each line's reply must be exactly the one beside it.
/// What is refused, and how.
const REFUSALS: &[(&str, &str)] = &[
    ("SET a", "ERR wrong number of arguments for 'set' command"),
    ("SET a 1 NX XX", "ERR syntax error"),
    ("SET a 1 XX NX", "ERR syntax error"),
    ("SET a 1 EX", "ERR syntax error"),
    ("SET a 1 EX 10 PX 10", "ERR syntax error"),
    ("SET a 1 KEEPTTL EX 10", "ERR syntax error"),
    ("SET a 1 EX 10 KEEPTTL", "ERR syntax error"),
    ("SET a 1 PERSIST", "ERR syntax error"),
    (
        "SET a 1 EX ten",
        "ERR value is not an integer or out of range",
    ),
    ("SET a 1 EX 0", "ERR invalid expire time in 'set' command"),
    (
        "SET a 1 PXAT -1",
        "ERR invalid expire time in 'set' command",
    ),
    (
        "SET a 1 EX 9223372036854775",
        "ERR invalid expire time in 'set' command",
    ),
    (
        "SET a 1 PX 9223372036854775807",
        "ERR invalid expire time in 'set' command",
    ),
    ("SETEX a 0 1", "ERR invalid expire time in 'setex' command"),
    (
        "PSETEX a -1 1",
        "ERR invalid expire time in 'psetex' command",
    ),
    ("SETEX a x 1", "ERR value is not an integer or out of range"),
    (
        "GETEX text EX 0",
        "ERR invalid expire time in 'getex' command",
    ),
    ("GETEX text EX 1 PERSIST", "ERR syntax error"),
    ("GETEX text PERSIST PX 1", "ERR syntax error"),
    ("GETEX text KEEPTTL", "ERR syntax error"),
    (
        "MSET a 1 b",
        "ERR wrong number of arguments for 'mset' command",
    ),
    (
        "MSETNX a 1 b",
        "ERR wrong number of arguments for 'msetnx' command",
    ),
    ("INCR text", "ERR value is not an integer or out of range"),
    (
        "INCRBY text x",
        "ERR value is not an integer or out of range",
    ),
    ("INCR big", "ERR increment or decrement would overflow"),
    ("DECR small", "ERR increment or decrement would overflow"),
    (
        "DECRBY big -9223372036854775808",
        "ERR decrement would overflow",
    ),
    ("SETRANGE a -1 x", "ERR offset is out of range"),
    (
        "SETRANGE a x x",
        "ERR value is not an integer or out of range",
    ),
    ("INCRBYFLOAT text 1", "ERR value is not a valid float"),
    ("INCRBYFLOAT big x", "ERR value is not a valid float"),
    ("INCRBYFLOAT big nan", "ERR value is not a valid float"),
    (
        "INCRBYFLOAT big inf",
        "ERR increment would produce NaN or Infinity",
    ),
    (
        "SETRANGE a 536870912 x",
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
    ),
    (
        "SETRANGE text 9223372036854775807 x",
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
    ),
    (
        "GETRANGE text x 1",
        "ERR value is not an integer or out of range",
    ),
    (
        "LCS a b LEN IDX",
        "ERR If you want both the length and indexes, please just use IDX.",
    ),
    ("LCS a b MINMATCHLEN", "ERR syntax error"),
    (
        "LCS a b MINMATCHLEN x",
        "ERR value is not an integer or out of range",
    ),
];

#[test]
fn every_refusal_has_its_exact_words() {
    let mut rig = Rig::new();
    rig.run("MSET text hello big 9223372036854775807 small -9223372036854775808");
    rig.expect_refusals(REFUSALS);
    assert_eq!(rig.run("EXISTS a b"), ":0\r\n");
}

#[test]
fn set_obeys_its_conditions_and_tells_the_old_value() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("SET a 1 XX", NULL),
        ("SET a 1 NX", OK),
        ("SET a 2 NX", NULL),
        ("SET a 2 XX", OK),
        ("SET a 3 GET", "$1\r\n2\r\n"),
        ("SET a 4 NX GET", "$1\r\n3\r\n"),
        ("SET b x NX GET", NULL),
        ("SET c x XX GET", NULL),
        ("MGET a b c", "*3\r\n$1\r\n3\r\n$1\r\nx\r\n$-1\r\n"),
        ("SETNX a 5", ":0\r\n"),
        ("SETNX d 5", ":1\r\n"),
        ("GETSET d 6", "$1\r\n5\r\n"),
        ("GETSET e 6", NULL),
        ("GETDEL d", "$1\r\n6\r\n"),
        ("GETDEL d", NULL),
    ]);
}

#[test]
fn storing_a_string_ends_the_old_lifetime_unless_told_otherwise() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("SET a 1 EX 100", OK),
        ("SET a 2 KEEPTTL", OK),
        ("TTL a", ":100\r\n"),
        ("INCR a", ":3\r\n"),
        ("APPEND a 4", ":2\r\n"),
        ("SETRANGE a 0 9", ":2\r\n"),
        ("TTL a", ":100\r\n"),
        ("GETEX a PERSIST", "$2\r\n94\r\n"),
        ("TTL a", ":-1\r\n"),
        ("GETEX a PX 5000", "$2\r\n94\r\n"),
        ("PTTL a", ":5000\r\n"),
        ("SET a 5", OK),
        ("TTL a", ":-1\r\n"),
        ("SETEX a 7 x", OK),
        ("MSET a y", OK),
        ("TTL a", ":-1\r\n"),
        ("SET a z PXAT 1700000000500 GET", "$1\r\ny\r\n"),
        ("PTTL a", ":500\r\n"),
    ]);
    rig.advance_ms(501);
    assert_eq!(rig.run("GET a"), NULL);
}

#[test]
fn replicas_get_what_came_of_a_command_and_not_its_words() {
    let cases: &[(&str, &[&str])] = &[
        ("SET a 1", &["SET a 1"]),
        ("SET a 1 NX", &[]),
        ("SET a 2 GET", &["SET a 2"]),
        ("set a 2 xx get GET keepttl", &["set a 2 xx keepttl"]),
        ("SET a 1 EX 10", &["SET a 1 PXAT 1700000010000"]),
        ("SET a 1 PX 10 GET", &["SET a 1 PXAT 1700000000010"]),
        ("SET a 1 EXAT 4102444800", &["SET a 1 PXAT 4102444800000"]),
        (
            "SET a 1 PXAT 4102444800000 GET",
            &["SET a 1 PXAT 4102444800000 GET"],
        ),
        ("SETEX a 10 v", &["SET a v PXAT 1700000010000"]),
        ("PSETEX a 10 v", &["SET a v PXAT 1700000000010"]),
        ("SETNX b 1", &["SETNX b 1"]),
        ("GETSET b 2", &["SET b 2"]),
        ("GETEX b", &[]),
        ("GETEX b EX 5", &["PEXPIREAT b 1700000005000"]),
        ("GETEX b PXAT 4102444800000", &["PEXPIREAT b 4102444800000"]),
        ("GETEX b PERSIST", &["PERSIST b"]),
        ("GETEX b PERSIST", &[]),
        ("GETEX b EXAT 5", &["DEL b"]),
        ("GETDEL a", &["DEL a"]),
        ("GETDEL a", &[]),
        ("MSET a 1 b 2", &["MSET a 1 b 2"]),
        ("MSETNX a 1 c 2", &[]),
        ("APPEND a 2", &["APPEND a 2"]),
        ("SETRANGE a 0 \"\"", &[]),
        ("INCRBY a 3", &["INCRBY a 3"]),
        ("GET a", &[]),
    ];
    let mut rig = Rig::new();
    rig.run("SET first 1");
    rig.propagated();
    for (line, stream) in cases {
        rig.run(line);
        assert_eq!(rig.propagated(), *stream, "{line}");
    }
}

#[test]
fn overwriting_a_key_whose_time_has_come_deletes_it_first() {
    for write in [
        "SET a 2",
        "MSET a 2",
        "SET a 2 NX",
        "SETRANGE a 0 2",
        "INCRBY a 2",
    ] {
        let mut rig = Rig::new();
        rig.run("SET a 1 PX 10");
        rig.advance_ms(11);
        rig.propagated();
        rig.run(write);
        assert_eq!(rig.propagated(), ["MULTI", "DEL a", write, "EXEC"]);
        assert_eq!(rig.run("GET a"), "$1\r\n2\r\n");
        assert_eq!(rig.run("TTL a"), ":-1\r\n");
        assert_eq!(rig.env.stats.expired_keys, 1);
    }
}

#[test]
fn a_replica_keeps_what_has_expired_until_its_master_deletes_it() {
    let mut rig = Rig::new();
    rig.run("SET a 1 PX 10");
    rig.run("SET b 1");
    rig.become_replica();
    rig.advance_ms(11);
    assert_eq!(rig.run("GET a"), NULL);
    assert_eq!(
        rig.run("SET a 2"),
        "-READONLY You can't write against a read only replica.\r\n"
    );
    assert_eq!(rig.env.keyspace.len(), 2);
    rig.session.kind = Kind::Master;
    rig.run("INCR a");
    rig.session.kind = Kind::Normal;
    rig.env.now = crate::base::time::Now::at_unix_ms(START_MS);
    assert_eq!(rig.run("GET a"), "$1\r\n2\r\n");
}

#[test]
fn strings_are_encoded_as_clients_expect() {
    let mut rig = Rig::new();
    let long = "x".repeat(45);
    let cases: &[(&[&str], &str)] = &[
        (&["SET k 12"], "int"),
        (&["SET k 012"], "embstr"),
        (&["SET k hello"], "embstr"),
        (&["SET k -9223372036854775808"], "int"),
        (&["DEL k", "APPEND k 12"], "int"),
        (&["APPEND k 3"], "raw"),
        (&["INCR k"], "int"),
        (&["DEL k", "SETRANGE k 0 x"], "raw"),
        (&["MSET k 5"], "int"),
        (&["GETSET k abc"], "embstr"),
    ];
    for (lines, encoding) in cases {
        for line in *lines {
            rig.run(line);
        }
        let reply = format!("${}\r\n{encoding}\r\n", encoding.len());
        assert_eq!(rig.run("OBJECT ENCODING k"), reply, "{lines:?}");
    }
    rig.run_words(&["SET", "k", &long]);
    assert_eq!(rig.run("OBJECT ENCODING k"), "$3\r\nraw\r\n");
}

#[test]
fn counters_count_whatever_reads_as_an_integer() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("INCR a", ":1\r\n"),
        ("DECRBY a 3", ":-2\r\n"),
        ("INCRBY a 9223372036854775807", ":9223372036854775805\r\n"),
        ("DECR b", ":-1\r\n"),
        ("APPEND b 5", ":3\r\n"),
        ("INCR b", ":-14\r\n"),
    ]);
    for text in ["\" 1\"", "\"1 \"", "01", "+1", "\"\"", "1.0"] {
        rig.run(&format!("SET c {text}"));
        let error = "-ERR value is not an integer or out of range\r\n";
        assert_eq!(rig.run("INCR c"), error, "{text}");
    }
}

#[test]
fn fractions_are_counted_with_the_digits_of_an_80_bit_float() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("INCRBYFLOAT a 1.5", "$3\r\n1.5\r\n"),
        ("INCRBYFLOAT a 0.1", "$3\r\n1.6\r\n"),
        ("INCRBYFLOAT a -1.6", "$1\r\n0\r\n"),
        ("OBJECT ENCODING a", "$6\r\nembstr\r\n"),
        ("SET b 5.0e3 EX 100", OK),
        ("INCRBYFLOAT b 2.0e2", "$4\r\n5200\r\n"),
        ("TTL b", ":100\r\n"),
        ("SET c 3", OK),
        ("INCRBYFLOAT c 1.1", "$3\r\n4.1\r\n"),
        ("SET d 1", OK),
        (
            "INCRBYFLOAT d 0.333333333333333333",
            "$19\r\n1.33333333333333333\r\n",
        ),
    ]);
    let mut stream = rig.propagated();
    stream.retain(|command| command.starts_with("SET b") || command.starts_with("SET a"));
    assert_eq!(
        stream,
        [
            "SET a 1.5 KEEPTTL",
            "SET a 1.6 KEEPTTL",
            "SET a 0 KEEPTTL",
            "SET b 5.0e3 PXAT 1700000100000",
            "SET b 5200 KEEPTTL",
        ]
    );
}

#[test]
fn parts_of_strings_are_cut_off_at_the_ends() {
    let mut rig = Rig::new();
    rig.run("SET text \"Hello World\"");
    let parts = [
        ("0 4", "Hello"),
        ("-5 -1", "World"),
        ("0 -1", "Hello World"),
        ("5 1", ""),
        ("-1 -5", ""),
        ("100 200", ""),
        ("6 9223372036854775807", "World"),
        ("-9223372036854775808 0", "H"),
        ("-9223372036854775808 -9223372036854775808", "H"),
        ("-100 -50", "H"),
        ("-50 -100", ""),
    ];
    for (span, part) in parts {
        let reply = format!("${}\r\n{part}\r\n", part.len());
        assert_eq!(rig.run(&format!("GETRANGE text {span}")), reply, "{span}");
    }
    rig.expect(&[
        ("SUBSTR text 0 0", "$1\r\nH\r\n"),
        ("GETRANGE missing 0 -1", "$0\r\n\r\n"),
        ("STRLEN text", ":11\r\n"),
        ("STRLEN missing", ":0\r\n"),
        ("SETRANGE text 6 Redis", ":11\r\n"),
        ("GET text", "$11\r\nHello Redis\r\n"),
        ("SETRANGE fresh 2 x", ":3\r\n"),
        ("GET fresh", "$3\r\n\0\0x\r\n"),
        ("SETRANGE none 5 \"\"", ":0\r\n"),
        ("EXISTS none", ":0\r\n"),
    ]);
}

#[test]
fn our_master_may_exceed_the_limit_on_strings() {
    let mut rig = Rig::new();
    rig.env.config.proto_max_bulk_len = 1 << 20;
    rig.run("SET a 1");
    let append = ["APPEND", "a", &"x".repeat(1 << 20)];
    let error = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
    assert_eq!(rig.run_words(&append), error);
    rig.session.kind = Kind::Master;
    assert_eq!(rig.run_words(&append), ":1048577\r\n");
}

#[test]
fn many_keys_are_read_and_stored_in_groups_without_a_gap() {
    let mut rig = Rig::new();
    let key = |i: usize| format!("key:{i}");
    for count in [1, 2, 15, 16, 17, 32, 33, 100] {
        let mut store = vec!["MSET".to_owned()];
        let mut read = vec!["MGET".to_owned()];
        for i in 0..count {
            store.extend([key(i), (i * count).to_string()]);
            read.push(key(i));
        }
        assert_eq!(rig.run_words(&store), OK);
        let values = (0..count).map(|i| (i * count).to_string());
        let values: String = values.map(|v| format!("${}\r\n{v}\r\n", v.len())).collect();
        assert_eq!(rig.run_words(&read), format!("*{count}\r\n{values}"));
    }
    assert_eq!(rig.run("MSETNX new 1 key:7 2"), ":0\r\n");
    assert_eq!(rig.run("MSETNX new 1 new 2"), ":1\r\n");
    assert_eq!(rig.run("GET new"), "$1\r\n2\r\n");
}

#[test]
fn use_of_a_key_is_recorded_by_reads_and_writes() {
    let mut rig = Rig::new();
    rig.run("SET a 1");
    rig.run("SET b 1");
    rig.advance_ms(5_000);
    assert_eq!(rig.run("OBJECT IDLETIME a"), ":5\r\n");
    rig.run("GET a");
    rig.run("SET b 2");
    assert_eq!(rig.run("OBJECT IDLETIME a"), ":0\r\n");
    assert_eq!(rig.run("OBJECT IDLETIME b"), ":0\r\n");
    rig.advance_ms(5_000);
    rig.session.no_touch = true;
    rig.run("GET a");
    assert_eq!(rig.run("OBJECT IDLETIME a"), ":5\r\n");
}

#[test]
fn overwriting_counts_as_use_under_an_lfu_policy() {
    let mut rig = Rig::new();
    rig.env.config.maxmemory_policy = MaxmemoryPolicy::AllkeysLfu;
    rig.advance_ms(0);
    rig.run("SET a 1");
    assert_eq!(rig.run("OBJECT FREQ a"), ":5\r\n");
    rig.run("SET a 2");
    assert_eq!(rig.run("OBJECT FREQ a"), ":6\r\n");
}

#[test]
fn reads_count_as_hits_and_misses() {
    let mut rig = Rig::new();
    rig.run("SET a 1");
    rig.run("MGET a b");
    rig.run("GET a");
    rig.run("SET a 2 GET");
    rig.run("INCR a");
    assert_eq!(
        (rig.env.stats.keyspace_hits, rig.env.stats.keyspace_misses),
        (3, 1)
    );
}

#[test]
fn lcs_finds_what_two_strings_have_in_common() {
    let mut rig = Rig::new();
    rig.run("MSET a ohmytext b mynewtext");
    let matches = "*4\r\n$7\r\nmatches\r\n*2\r\n\
        *3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n\
        *3\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n:2\r\n\
        $3\r\nlen\r\n:6\r\n";
    let long_matches = "*4\r\n$7\r\nmatches\r\n*1\r\n\
        *2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n\
        $3\r\nlen\r\n:6\r\n";
    rig.expect(&[
        ("LCS a b", "$6\r\nmytext\r\n"),
        ("LCS a b LEN", ":6\r\n"),
        ("LCS a b IDX WITHMATCHLEN", matches),
        ("LCS a b IDX MINMATCHLEN 4", long_matches),
        ("LCS a missing", "$0\r\n\r\n"),
        (
            "LCS missing b IDX",
            "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n",
        ),
    ]);
    rig.env.config.proto_max_bulk_len = 100;
    let error = "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n";
    assert_eq!(rig.run("LCS a b"), error);
}

#[test]
fn long_strings_get_little_room_to_spare() {
    let room = |old: usize, new: usize| {
        let mut string = vec![0; old];
        super::lengthen(&mut string, new);
        assert_eq!(string.len(), new);
        string.capacity()
    };
    assert_eq!(room(0, 1000), 1000);
    assert_eq!(room(10, 1000), 2000);
    assert_eq!(room(10, 5 << 20), 6 << 20);
}
