//! The family's behaviour, as clients and replicas see it.

use crate::commands::testing::Rig;

/// Runs a dialogue: each line's reply must be exactly the one beside it.
const NOT_ONE: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n";
const CORRUPT: &str = "-INVALIDOBJ Corrupted HLL object detected\r\n";
const ABSENT: &str = "-ERR The specified key does not exist\r\n";

#[test]
fn elements_are_counted_once() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("PFADD a", ":1\r\n"),
        ("PFADD a", ":0\r\n"),
        ("PFCOUNT a", ":0\r\n"),
        ("PFADD a x y z", ":1\r\n"),
        ("PFADD a x", ":0\r\n"),
        ("PFCOUNT a", ":3\r\n"),
        ("PFADD b z w", ":1\r\n"),
        ("PFCOUNT a b absent", ":4\r\n"),
        ("PFMERGE c a b", "+OK\r\n"),
        ("PFCOUNT c", ":4\r\n"),
        ("PFCOUNT absent", ":0\r\n"),
        ("PFMERGE d", "+OK\r\n"),
        ("STRLEN d", ":18\r\n"),
        ("OBJECT ENCODING d", "$3\r\nraw\r\n"),
    ]);
}

#[test]
fn strings_that_are_none_are_refused() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("MSET text hello int 12 magic HYLL", "+OK\r\n"),
        ("PFADD text x", NOT_ONE),
        ("PFCOUNT int", NOT_ONE),
        ("PFCOUNT absent magic", NOT_ONE),
        ("PFMERGE new magic", NOT_ONE),
        ("EXISTS new", ":0\r\n"),
        ("OBJECT ENCODING text", "$6\r\nembstr\r\n"),
        ("PFADD a x", ":1\r\n"),
        ("APPEND a hello", ":25\r\n"),
        ("PFCOUNT a", CORRUPT),
        ("PFCOUNT a a", CORRUPT),
        ("PFMERGE a", CORRUPT),
        ("PFDEBUG TODENSE a", CORRUPT),
        ("PFDEBUG ENCODING absent", ABSENT),
        (
            "PFDEBUG what a",
            "-ERR Unknown PFDEBUG subcommand 'what'\r\n",
        ),
    ]);
}

#[test]
fn a_kept_estimate_is_a_change_like_any_other() {
    let mut rig = Rig::new();
    rig.run("PFADD a x y");
    rig.propagated();
    assert_eq!(rig.run("PFCOUNT a"), ":2\r\n");
    assert_eq!(rig.propagated(), ["PFCOUNT a"]);
    assert_eq!(rig.run("PFCOUNT a"), ":2\r\n");
    assert_eq!(rig.run("PFADD a x"), ":0\r\n");
    assert_eq!(rig.run("PFCOUNT a a"), ":2\r\n");
    assert!(rig.propagated().is_empty());
}

#[test]
fn registers_can_be_looked_at() {
    let mut rig = Rig::new();
    rig.run("PFADD a foo");
    rig.expect(&[
        ("PFDEBUG ENCODING a", "+sparse\r\n"),
        ("PFDEBUG DECODE a", "$19\r\nZ:7348 v:5,1 Z:9035\r\n"),
        ("PFDEBUG TODENSE a", ":1\r\n"),
        ("PFDEBUG TODENSE a", ":0\r\n"),
        ("PFDEBUG ENCODING a", "+dense\r\n"),
        ("PFDEBUG DECODE a", "-ERR HLL encoding is not sparse\r\n"),
        ("STRLEN a", ":12304\r\n"),
        ("PFCOUNT a", ":1\r\n"),
        ("PFSELFTEST", "+OK\r\n"),
    ]);
    let registers = rig.run("PFDEBUG GETREG a");
    assert_eq!(registers.matches(":0\r\n").count(), 16383);
}
