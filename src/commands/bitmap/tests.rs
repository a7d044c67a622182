//! The family's behaviour, as clients and replicas see it.

use crate::commands::session::Kind;
use crate::commands::testing::Rig;

/// Runs a dialogue: each line's reply must be exactly the one beside it.
/// What is refused, and how.
const REFUSALS: &[(&str, &str)] = &[
    (
        "SETBIT a x 1",
        "ERR bit offset is not an integer or out of range",
    ),
    (
        "SETBIT a -1 1",
        "ERR bit offset is not an integer or out of range",
    ),
    (
        "SETBIT a #1 1",
        "ERR bit offset is not an integer or out of range",
    ),
    (
        "SETBIT a 4294967296 1",
        "ERR bit offset is not an integer or out of range",
    ),
    (
        "GETBIT a 4294967296",
        "ERR bit offset is not an integer or out of range",
    ),
    ("SETBIT a 0 2", "ERR bit is not an integer or out of range"),
    ("SETBIT a 0 x", "ERR bit is not an integer or out of range"),
    ("BITCOUNT text 0", "ERR syntax error"),
    ("BITCOUNT text 0 1 BITS", "ERR syntax error"),
    ("BITCOUNT text 0 1 BIT 1", "ERR syntax error"),
    (
        "BITCOUNT text x 1",
        "ERR value is not an integer or out of range",
    ),
    ("BITPOS text 2", "ERR The bit argument must be 1 or 0."),
    (
        "BITPOS text x",
        "ERR value is not an integer or out of range",
    ),
    (
        "BITPOS text 1 0 x",
        "ERR value is not an integer or out of range",
    ),
    ("BITPOS text 1 0 1 BITS", "ERR syntax error"),
    ("BITPOS text 1 0 1 BIT 1", "ERR syntax error"),
    ("BITOP NAND a text", "ERR syntax error"),
    (
        "BITOP NOT a text text",
        "ERR BITOP NOT must be called with a single source key.",
    ),
    ("BITFIELD text GET u8", "ERR syntax error"),
    ("BITFIELD text SET u8 0", "ERR syntax error"),
    ("BITFIELD text PUT u8 0", "ERR syntax error"),
    (
        "BITFIELD text GET u64 0",
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported \
         but i64 is.",
    ),
    (
        "BITFIELD text GET u8 #x",
        "ERR bit offset is not an integer or out of range",
    ),
    (
        "BITFIELD text GET u8 #4611686018427387904",
        "ERR bit offset is not an integer or out of range",
    ),
    (
        "BITFIELD a SET u8 0 x",
        "ERR value is not an integer or out of range",
    ),
    (
        "BITFIELD a OVERFLOW WARP SET u8 0 1",
        "ERR Invalid OVERFLOW type specified",
    ),
    (
        "BITFIELD_RO text GET u8 0 SET u8 0 1",
        "ERR BITFIELD_RO only supports the GET subcommand",
    ),
];

#[test]
fn every_refusal_has_its_exact_words() {
    let mut rig = Rig::new();
    rig.run("SET text hello");
    rig.propagated();
    rig.expect_refusals(REFUSALS);
    assert_eq!(rig.run("EXISTS a"), ":0\r\n");
    assert!(rig.propagated().is_empty());
}

#[test]
fn bits_are_set_and_read_one_by_one() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("SETBIT a 7 1", ":0\r\n"),
        ("SETBIT a 7 1", ":1\r\n"),
        ("SETBIT a 1 1", ":0\r\n"),
        ("GET a", "$1\r\nA\r\n"),
        ("OBJECT ENCODING a", "$3\r\nraw\r\n"),
        ("GETBIT a 7", ":1\r\n"),
        ("GETBIT a 6", ":0\r\n"),
        ("GETBIT a 4000", ":0\r\n"),
        ("SETBIT a 23 0", ":0\r\n"),
        ("STRLEN a", ":3\r\n"),
        ("SET n 1", "+OK\r\n"),
        ("GETBIT n 2", ":1\r\n"),
        ("SETBIT n 6 1", ":0\r\n"),
        ("GET n", "$1\r\n3\r\n"),
        ("GETBIT absent 0", ":0\r\n"),
    ]);
    assert_eq!(
        rig.propagated(),
        [
            "SELECT 0",
            "SETBIT a 7 1",
            "SETBIT a 1 1",
            "SETBIT a 23 0",
            "SET n 1",
            "SETBIT n 6 1"
        ]
    );
}

#[test]
fn a_master_may_set_bits_beyond_our_own_limit() {
    let mut rig = Rig::new();
    rig.env.config.proto_max_bulk_len = 1;
    assert_eq!(
        rig.run("SETBIT a 8 1"),
        "-ERR bit offset is not an integer or out of range\r\n"
    );
    rig.session.kind = Kind::Master;
    rig.run("SETBIT a 8 1");
    rig.session.kind = Kind::Normal;
    assert_eq!(rig.run("STRLEN a"), ":2\r\n");
}

#[test]
fn bits_are_counted_in_ranges_of_bytes_and_of_bits() {
    let mut rig = Rig::new();
    rig.run("SET a foobar");
    rig.expect(&[
        ("BITCOUNT a", ":26\r\n"),
        ("BITCOUNT a 0 0", ":4\r\n"),
        ("BITCOUNT a 1 1 byte", ":6\r\n"),
        ("BITCOUNT a 5 30 BIT", ":17\r\n"),
        ("BITCOUNT a -100 -1", ":26\r\n"),
        ("BITCOUNT a -1 -2 nonsense", ":0\r\n"),
        ("BITCOUNT a 4 2", ":0\r\n"),
        ("BITCOUNT a 100 200", ":0\r\n"),
        ("BITCOUNT a -200 -100", ":4\r\n"),
        ("BITCOUNT absent x y z", ":0\r\n"),
        ("SET n 12345", "+OK\r\n"),
        ("BITCOUNT n", ":17\r\n"),
    ]);
}

#[test]
fn bits_are_found_in_ranges_of_bytes_and_of_bits() {
    let mut rig = Rig::new();
    rig.run(r#"SET a "\xff\xf0\x00""#);
    rig.run(r#"SET ones "\xff\xff""#);
    rig.run(r#"SET empty """#);
    rig.expect(&[
        ("BITPOS a 0", ":12\r\n"),
        ("BITPOS a 1", ":0\r\n"),
        ("BITPOS a 1 2", ":-1\r\n"),
        ("BITPOS a 0 2 -1", ":16\r\n"),
        ("BITPOS a 0 0 0", ":-1\r\n"),
        ("BITPOS a 1 11 -1 BIT", ":11\r\n"),
        ("BITPOS a 0 2 11 BIT", ":-1\r\n"),
        ("BITPOS ones 0", ":16\r\n"),
        ("BITPOS ones 0 1", ":16\r\n"),
        ("BITPOS ones 0 1 -1", ":-1\r\n"),
        ("BITPOS ones 0 2", ":-1\r\n"),
        ("BITPOS empty 0", ":-1\r\n"),
        ("BITPOS absent 0", ":0\r\n"),
        ("BITPOS absent 1", ":-1\r\n"),
        ("BITPOS absent 1 x y z", ":-1\r\n"),
    ]);
}

#[test]
fn strings_are_combined_bit_by_bit() {
    let mut rig = Rig::new();
    rig.run(r#"MSET a "\xf0\xff" b "\x3c""#);
    rig.expect(&[
        ("BITOP AND d a b", ":2\r\n"),
        ("GET d", "$2\r\n0\0\r\n"),
        ("OBJECT ENCODING d", "$3\r\nraw\r\n"),
        ("BITOP XOR d a a", ":2\r\n"),
        ("GET d", "$2\r\n\0\0\r\n"),
        ("BITOP OR d absent b", ":1\r\n"),
        ("GET d", "$1\r\n<\r\n"),
        ("BITOP NOT d d", ":1\r\n"),
        ("BITCOUNT d", ":4\r\n"),
        ("EXPIRE d 10", ":1\r\n"),
        ("BITOP AND d b", ":1\r\n"),
        ("TTL d", ":-1\r\n"),
        ("BITOP OR d absent", ":0\r\n"),
        ("EXISTS d", ":0\r\n"),
    ]);
    rig.propagated();
    assert_eq!(rig.run("BITOP OR d absent"), ":0\r\n");
    assert!(rig.propagated().is_empty());
}

#[test]
fn fields_are_read_set_and_added_to() {
    let mut rig = Rig::new();
    rig.expect(&[
        (
            "BITFIELD a SET u8 0 255 GET i4 4 INCRBY u2 #3 1",
            "*3\r\n:0\r\n:-1\r\n:0\r\n",
        ),
        ("BITFIELD a INCRBY u8 0 10", "*1\r\n:6\r\n"),
        (
            "BITFIELD a OVERFLOW SAT INCRBY u8 0 -10 OVERFLOW FAIL INCRBY u8 0 -1",
            "*2\r\n:0\r\n$-1\r\n",
        ),
        ("BITFIELD a SET i8 #1 -1 GET u8 #1", "*2\r\n:0\r\n:255\r\n"),
        ("BITFIELD_RO a GET i64 0", "*1\r\n:71776119061217280\r\n"),
        ("BITFIELD_RO absent GET u63 5", "*1\r\n:0\r\n"),
        ("EXISTS absent", ":0\r\n"),
        ("BITFIELD a", "*0\r\n"),
        ("STRLEN a", ":2\r\n"),
    ]);
}

#[test]
fn only_fields_that_change_count_as_changes() {
    let mut rig = Rig::new();
    let dirty = |rig: &Rig| rig.env.persistence.dirty;
    rig.run("BITFIELD a SET u8 0 1 SET u8 8 0");
    assert_eq!(dirty(&rig), 2);
    rig.run("BITFIELD a SET u8 0 1 SET u8 8 0 GET u8 0");
    assert_eq!(dirty(&rig), 2);
    rig.run("BITFIELD a SET u8 0 2 SET u8 8 0");
    assert_eq!(dirty(&rig), 3);
    rig.propagated();
    // Nothing is stored, but the string has grown, and must do so everywhere.
    rig.run("BITFIELD a OVERFLOW FAIL SET u8 16 256");
    assert_eq!(rig.run("STRLEN a"), ":3\r\n");
    assert_eq!(rig.propagated(), ["BITFIELD a OVERFLOW FAIL SET u8 16 256"]);
}

#[test]
fn a_call_that_only_reads_says_so_about_its_key() {
    let mut rig = Rig::new();
    let flags = |rig: &mut Rig, line: &str| rig.run(&format!("COMMAND GETKEYSANDFLAGS {line}"));
    let reads = "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n";
    let writes = "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n";
    assert_eq!(flags(&mut rig, "BITFIELD a GET u8 0"), reads);
    assert_eq!(flags(&mut rig, "BITFIELD a GET u8 0 SET u8 0 1"), writes);
    assert_eq!(flags(&mut rig, "BITFIELD a OVERFLOW"), writes);
}
