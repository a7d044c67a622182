//! The command's behaviour, as clients and replicas see it.

use crate::commands::testing::Rig;
use crate::data::hash::Hash;
use crate::data::set::Set;
use crate::keyspace::{NewValue, Object};

/// An array of bulk strings; `-` stands for a null.
fn array(texts: &[&str]) -> String {
    let bulk = |text: &&str| match *text {
        "-" => "$-1\r\n".to_owned(),
        text => format!("${}\r\n{text}\r\n", text.len()),
    };
    let bulks: String = texts.iter().map(bulk).collect();
    format!("*{}\r\n{bulks}", texts.len())
}

/// Runs a dialogue: each line's reply must be the array beside it.
fn expect(rig: &mut Rig, dialogue: &[(&str, &[&str])]) {
    for (line, texts) in dialogue {
        assert_eq!(rig.run(line), array(texts), "{line}");
    }
}

fn put(rig: &mut Rig, key: &str, value: Object) {
    let db = rig.env.keyspace.db_mut(0);
    db.set(key.as_bytes(), NewValue::Object(value), None);
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.run("RPUSH list 3 20 1 -4.5");
    rig.run("ZADD zset 3 a 1 b 2 c");
    rig.run("MSET w_3 1 w_20 3 w_1 2 n_3 three n_1 one");
    let mut set = Set::new();
    for member in [3i64, 20, 1] {
        set.insert(member.into(), &rig.env.set_limits());
    }
    put(&mut rig, "set", set.into());
    for (key, weight, name) in [("h_3", "9", "drei"), ("h_1", "7", "eins")] {
        let mut hash = Hash::new();
        hash.set(b"w", weight.as_bytes(), &rig.env.hash_limits());
        hash.set(b"n", name.as_bytes(), &rig.env.hash_limits());
        put(&mut rig, key, hash.into());
    }
    rig.propagated();
    rig
}

#[test]
fn numbers_are_sorted_as_numbers_and_texts_as_texts() {
    expect(
        &mut rig(),
        &[
            ("SORT list", &["-4.5", "1", "3", "20"]),
            ("SORT list DESC", &["20", "3", "1", "-4.5"]),
            ("SORT list ALPHA", &["-4.5", "1", "20", "3"]),
            ("SORT list DESC ASC LIMIT 1 2", &["1", "3"]),
            ("SORT list LIMIT -1 2", &["-4.5", "1"]),
            ("SORT list LIMIT 3 -1", &["20"]),
            ("SORT list LIMIT 4 1", &[]),
            ("SORT_RO set DESC", &["20", "3", "1"]),
            ("SORT zset ALPHA DESC", &["c", "b", "a"]),
            ("SORT absent", &[]),
        ],
    );
}

#[test]
fn weights_and_what_is_shown_may_be_found_elsewhere() {
    expect(
        &mut rig(),
        &[
            ("SORT set BY w_*", &["3", "1", "20"]),
            (
                "SORT set BY w_* GET # GET n_*",
                &["3", "three", "1", "one", "20", "-"],
            ),
            ("SORT set BY h_*->w GET h_*->n", &["-", "eins", "drei"]),
            ("SORT set BY n_* ALPHA", &["20", "1", "3"]),
            ("SORT set GET fixed LIMIT 0 1", &["-"]),
            ("SORT set GET h_*-> LIMIT 0 1", &["-"]),
            ("SORT set GET h_* LIMIT 0 1", &["-"]),
        ],
    );
}

#[test]
fn a_constant_weight_keeps_the_order_that_there_is() {
    expect(
        &mut rig(),
        &[
            ("SORT list BY nosort", &["3", "20", "1", "-4.5"]),
            ("SORT list BY nosort DESC LIMIT 1 2", &["1", "20"]),
            ("SORT zset BY nosort", &["b", "c", "a"]),
            ("SORT zset BY nosort DESC LIMIT 0 2", &["a", "c"]),
            ("SORT zset BY nosort LIMIT 5 1", &[]),
        ],
    );
}

#[test]
fn results_are_stored_as_lists() {
    let mut rig = rig();
    assert_eq!(rig.run("SORT set BY n STORE dest"), ":3\r\n");
    expect(&mut rig, &[("LRANGE dest 0 -1", &["1", "20", "3"])]);
    assert_eq!(rig.run("OBJECT ENCODING dest"), "$8\r\nlistpack\r\n");
    assert_eq!(
        rig.run("SORT set BY w_* GET # GET n_* STORE dest"),
        ":6\r\n"
    );
    expect(
        &mut rig,
        &[("LRANGE dest 0 -1", &["3", "three", "1", "one", "20", ""])],
    );
    assert_eq!(rig.env.persistence.dirty, 4 + 3 + 5 + 3 + 6);
    assert_eq!(rig.run("SORT absent STORE dest"), ":0\r\n");
    assert_eq!(rig.run("EXISTS dest"), ":0\r\n");
    assert_eq!(
        rig.propagated(),
        [
            "SORT set BY n STORE dest",
            "SORT set BY w_* GET # GET n_* STORE dest",
            "SORT absent STORE dest"
        ]
    );
    assert_eq!(rig.run("SORT absent STORE dest"), ":0\r\n");
    assert!(rig.propagated().is_empty());
}

#[test]
fn every_refusal_has_its_exact_words() {
    let mut rig = rig();
    rig.run("RPUSH tiny 4.9e-324 1");
    rig.expect_refusals(&[
        (
            "SORT zset",
            "ERR One or more scores can't be converted into double",
        ),
        (
            "SORT tiny",
            "ERR One or more scores can't be converted into double",
        ),
        (
            "SORT w_1",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("SORT list LIMIT 1", "ERR syntax error"),
        (
            "SORT list LIMIT x 1",
            "ERR value is not an integer or out of range",
        ),
        ("SORT list BY", "ERR syntax error"),
        ("SORT list UP", "ERR syntax error"),
        ("SORT_RO list STORE dest", "ERR syntax error"),
    ]);
}

#[test]
fn the_key_that_is_stored_to_is_told() {
    let mut rig = rig();
    for (line, keys) in [
        ("SORT a BY store GET store STORE b STORE c", &["a", "c"][..]),
        ("SORT a LIMIT store 1", &["a"]),
        ("SORT_RO a BY x GET y", &["a"]),
    ] {
        assert_eq!(rig.run(&format!("COMMAND GETKEYS {line}")), array(keys));
    }
}

#[test]
fn texts_follow_the_locale_unless_they_are_stored() {
    let mut rig = rig();
    rig.run(r#"RPUSH texts "b\x00c" b a "b\x00a""#);
    // To a locale all of these but one are equal, and keep their order.
    assert_eq!(
        rig.run("SORT texts ALPHA"),
        "*4\r\n$1\r\na\r\n$3\r\nb\0c\r\n$1\r\nb\r\n$3\r\nb\0a\r\n"
    );
    rig.run("SORT texts ALPHA STORE dest");
    assert_eq!(
        rig.run("LRANGE dest 0 -1"),
        "*4\r\n$1\r\na\r\n$1\r\nb\r\n$3\r\nb\0a\r\n$3\r\nb\0c\r\n"
    );
}
