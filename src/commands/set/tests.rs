//! The set commands through the dispatcher.

use std::collections::{BTreeMap, BTreeSet};

use crate::commands::testing::Rig;
use crate::resp::writer::Protocol;

/// The bulk strings of a reply, sorted.
fn bulks(reply: &str) -> Vec<String> {
    let lines: Vec<_> = reply.split("\r\n").collect();
    let headers = lines.iter().enumerate().filter(|(_, l)| l.starts_with('$'));
    let mut bulks: Vec<_> = headers.map(|(at, _)| lines[at + 1].to_owned()).collect();
    bulks.sort_unstable();
    bulks
}

fn members(rig: &mut Rig, key: &str) -> Vec<String> {
    bulks(&rig.run(&format!("SMEMBERS {key}")))
}

fn encoding(rig: &mut Rig, key: &str) -> String {
    bulks(&rig.run(&format!("OBJECT ENCODING {key}"))).remove(0)
}

/// Sets of the numbers below `len` in each of the three encodings.
fn with_numbers(len: usize) -> Vec<Rig> {
    let rig = |intset, listpack, expected| {
        let mut rig = Rig::new();
        rig.env.config.set_max_intset_entries = intset;
        rig.env.config.set_max_listpack_entries = listpack;
        for n in 0..len {
            assert_eq!(rig.run(&format!("SADD s {n}")), ":1\r\n");
        }
        assert_eq!(encoding(&mut rig, "s"), expected);
        rig.propagated_but_select();
        rig
    };
    vec![
        rig(4096, 0, "intset"),
        rig(0, 4096, "listpack"),
        rig(0, 0, "hashtable"),
    ]
}

#[test]
fn members_are_added_asked_for_and_removed() {
    let mut rig = Rig::new();
    assert_eq!(rig.run("SADD s a b a"), ":2\r\n");
    assert_eq!(rig.run("SADD s b"), ":0\r\n");
    assert_eq!(rig.run("SISMEMBER s a"), ":1\r\n");
    assert_eq!(rig.run("SISMEMBER s c"), ":0\r\n");
    assert_eq!(rig.run("SMISMEMBER s a c b"), "*3\r\n:1\r\n:0\r\n:1\r\n");
    assert_eq!(rig.run("SCARD s"), ":2\r\n");
    assert_eq!(rig.run("SREM s a x"), ":1\r\n");
    assert_eq!(rig.run("SREM s x"), ":0\r\n");
    assert_eq!(rig.run("SMEMBERS s"), "*1\r\n$1\r\nb\r\n");
    assert_eq!(rig.run("SREM s b c"), ":1\r\n");
    assert_eq!(rig.run("EXISTS s"), ":0\r\n");
    assert_eq!(
        rig.propagated_but_select(),
        ["SADD s a b a", "SREM s a x", "SREM s b c"]
    );
    assert_eq!(rig.env.persistence.dirty, 4);
}

#[test]
fn a_key_that_does_not_exist_is_an_empty_set() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("SISMEMBER s a", ":0\r\n"),
        ("SMISMEMBER s a b", "*2\r\n:0\r\n:0\r\n"),
        ("SCARD s", ":0\r\n"),
        ("SMEMBERS s", "*0\r\n"),
        ("SREM s a", ":0\r\n"),
        ("SPOP s", "$-1\r\n"),
        ("SPOP s 2", "*0\r\n"),
        ("SRANDMEMBER s", "$-1\r\n"),
        ("SRANDMEMBER s 2", "*0\r\n"),
        ("SMOVE s t a", ":0\r\n"),
        ("SINTER s", "*0\r\n"),
        ("SUNION s t", "*0\r\n"),
        ("SDIFF s t", "*0\r\n"),
        ("SINTERCARD 1 s", ":0\r\n"),
        ("SINTERSTORE d s", ":0\r\n"),
        ("SSCAN s 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
    ]);
    rig.session.protocol = Protocol::Resp3;
    rig.expect(&[
        ("SMEMBERS s", "~0\r\n"),
        ("SPOP s", "_\r\n"),
        ("SPOP s 2", "~0\r\n"),
        ("SRANDMEMBER s", "_\r\n"),
        ("SRANDMEMBER s 2", "*0\r\n"),
        ("SINTER s", "~0\r\n"),
        ("SUNION s", "~0\r\n"),
    ]);
    assert_eq!(rig.propagated_but_select(), [""; 0]);
}

#[test]
fn other_types_and_odd_arguments_are_refused() {
    let mut rig = Rig::new();
    rig.run("SET x text");
    rig.run("SADD s a");
    for command in [
        "SADD x a",
        "SREM x a",
        "SISMEMBER x a",
        "SMISMEMBER x a",
        "SCARD x",
        "SMEMBERS x",
        "SPOP x",
        "SPOP x 1",
        "SRANDMEMBER x",
        "SRANDMEMBER x 1",
        "SMOVE x s a",
        "SMOVE s x a",
        "SINTER none x",
        "SUNION s x",
        "SDIFF s x",
        "SINTERCARD 2 none x",
        "SINTERSTORE d x",
        "SUNIONSTORE d x",
        "SDIFFSTORE d x",
        "SSCAN x 0",
    ] {
        assert!(rig.run(command).starts_with("-WRONGTYPE "), "{command}");
    }
    assert_eq!(rig.run("SMOVE none x a"), ":0\r\n");
    for (command, refusal) in [
        ("SPOP s -1", "value is out of range, must be positive"),
        ("SPOP s x", "value is out of range, must be positive"),
        ("SPOP s 1 2", "syntax error"),
        ("SRANDMEMBER s 1 2", "syntax error"),
        (
            "SRANDMEMBER s -9223372036854775808",
            "value is out of range, value must between -9223372036854775807 and \
             9223372036854775807",
        ),
        ("SINTERCARD 0 s", "numkeys should be greater than 0"),
        ("SINTERCARD x s", "numkeys should be greater than 0"),
        (
            "SINTERCARD 2 s",
            "Number of keys can't be greater than number of args",
        ),
        ("SINTERCARD 1 s LIMIT", "syntax error"),
        ("SINTERCARD 1 s x 1", "syntax error"),
        ("SINTERCARD 1 s LIMIT -1", "LIMIT can't be negative"),
        ("SINTERCARD 1 s LIMIT x", "LIMIT can't be negative"),
    ] {
        assert_eq!(rig.run(command), format!("-ERR {refusal}\r\n"), "{command}");
    }
    assert_eq!(rig.run("SMEMBERS s"), "*1\r\n$1\r\na\r\n");
}

#[test]
fn a_member_moves_from_one_set_to_another() {
    let mut rig = Rig::new();
    rig.run("SADD a 1 2");
    rig.run("SADD b 2 x");
    rig.propagated_but_select();
    assert_eq!(rig.run("SMOVE a b 3"), ":0\r\n");
    assert_eq!(rig.run("SMOVE a a 1"), ":1\r\n");
    assert_eq!(rig.run("SMOVE a a 3"), ":0\r\n");
    assert_eq!(rig.run("SMOVE a b 1"), ":1\r\n");
    assert_eq!(rig.run("SMOVE a b 2"), ":1\r\n");
    assert_eq!(rig.run("EXISTS a"), ":0\r\n");
    assert_eq!(members(&mut rig, "b"), ["1", "2", "x"]);
    assert_eq!(rig.run("SMOVE b c 1"), ":1\r\n");
    assert_eq!(encoding(&mut rig, "c"), "intset");
    assert_eq!(
        rig.propagated_but_select(),
        ["SMOVE a b 1", "SMOVE a b 2", "SMOVE b c 1"]
    );
}

#[test]
fn replicas_are_told_what_was_popped() {
    for mut rig in with_numbers(40) {
        let one = bulks(&rig.run("SPOP s"));
        assert_eq!(rig.propagated_but_select(), [format!("SREM s {}", one[0])]);
        for count in [3, 4, 30] {
            let popped = bulks(&rig.run(&format!("SPOP s {count}")));
            assert_eq!(popped.len(), count);
            let sent = rig.propagated_but_select().remove(0);
            let mut sent: Vec<_> = sent.split(' ').skip(2).collect();
            sent.sort_unstable();
            assert_eq!(sent, popped);
        }
        assert_eq!(rig.run("SCARD s"), ":2\r\n");
        let rest = members(&mut rig, "s");
        assert_eq!(bulks(&rig.run("SPOP s 2")), rest);
        assert_eq!(rig.propagated_but_select(), ["DEL s"]);
        assert_eq!(rig.run("EXISTS s"), ":0\r\n");
        assert_eq!(rig.env.persistence.dirty, 80);
    }
}

#[test]
fn popping_the_last_member_removes_the_key() {
    let mut rig = Rig::new();
    rig.run("SADD s only");
    rig.propagated_but_select();
    assert_eq!(rig.run("SPOP s 0"), "*0\r\n");
    assert_eq!(rig.run("SPOP s"), "$4\r\nonly\r\n");
    assert_eq!(rig.run("EXISTS s"), ":0\r\n");
    assert_eq!(rig.propagated_but_select(), ["SREM s only"]);
    rig.env.config.lazyfree_lazy_server_del = true;
    rig.run("SADD s only");
    rig.propagated_but_select();
    assert_eq!(rig.run("SPOP s 5"), "*1\r\n$4\r\nonly\r\n");
    assert_eq!(rig.propagated_but_select(), ["UNLINK s"]);
}

#[test]
fn many_popped_members_go_to_replicas_in_batches() {
    let mut rig = with_numbers(3000).pop().expect("the one with the table");
    rig.run("SPOP s 2500");
    let sent = rig.propagated_but_select();
    let words: Vec<_> = sent.iter().map(|line| line.split(' ').count()).collect();
    assert_eq!(words, [1, 2 + 1024, 2 + 1024, 2 + 452, 1]);
    assert_eq!((&*sent[0], &*sent[4]), ("MULTI", "EXEC"));
}

#[test]
fn random_members_repeat_only_where_that_was_asked_for() {
    for mut rig in with_numbers(20) {
        for (count, len) in [(5, 5), (6, 6), (19, 19), (20, 20), (100, 20)] {
            let picked = bulks(&rig.run(&format!("SRANDMEMBER s {count}")));
            let different: BTreeSet<_> = picked.iter().collect();
            assert_eq!((picked.len(), different.len()), (len, len), "{count}");
        }
        assert_eq!(bulks(&rig.run("SRANDMEMBER s -100")).len(), 100);
        assert_eq!(bulks(&rig.run("SRANDMEMBER s")).len(), 1);
        assert_eq!(rig.run("SRANDMEMBER s 0"), "*0\r\n");
        assert_eq!(rig.run("SCARD s"), ":20\r\n");
        assert_eq!(rig.propagated_but_select(), [""; 0]);
    }
}

#[test]
fn sets_are_combined_whatever_their_encodings() {
    let mut rig = Rig::new();
    rig.env.config.set_max_listpack_entries = 4;
    rig.run("SADD ints 1 2 3 4 5");
    rig.run("SADD pack 2 4 x");
    rig.run("SADD table 1 2 4 x y z");
    let encodings = ["ints", "pack", "table"].map(|key| encoding(&mut rig, key));
    assert_eq!(encodings, ["intset", "listpack", "hashtable"]);
    for (command, result) in [
        ("SINTER ints pack table", "2 4"),
        ("SINTER pack pack", "2 4 x"),
        ("SINTER ints none", ""),
        ("SUNION ints pack none", "1 2 3 4 5 x"),
        ("SDIFF ints pack", "1 3 5"),
        ("SDIFF table ints none", "x y z"),
        ("SDIFF ints pack table", "3 5"),
        ("SDIFF pack table", ""),
        ("SDIFF table table", ""),
        ("SDIFF none ints", ""),
        ("SDIFF pack ints ints ints ints ints ints", "x"),
    ] {
        assert_eq!(bulks(&rig.run(command)).join(" "), result, "{command}");
        let stored = command.replacen(' ', "STORE d ", 1);
        let len = result.split_terminator(' ').count();
        assert_eq!(rig.run(&stored), format!(":{len}\r\n"), "{stored}");
        assert_eq!(members(&mut rig, "d").join(" "), result, "{stored}");
    }
    for (command, count) in [
        ("SINTERCARD 2 pack table", 3),
        ("SINTERCARD 2 pack table LIMIT 2", 2),
        ("SINTERCARD 2 pack table LIMIT 0", 3),
        ("SINTERCARD 2 pack none", 0),
    ] {
        assert_eq!(rig.run(command), format!(":{count}\r\n"), "{command}");
    }
}

#[test]
fn a_stored_result_takes_the_place_of_anything() {
    let mut rig = Rig::new();
    rig.run("SADD a 1 2");
    rig.run("SET d text EX 100");
    rig.propagated_but_select();
    assert_eq!(rig.run("SUNIONSTORE d a"), ":2\r\n");
    assert_eq!(rig.run("TTL d"), ":-1\r\n");
    assert_eq!(rig.run("SDIFFSTORE a a d"), ":0\r\n");
    assert_eq!(rig.run("EXISTS a"), ":0\r\n");
    assert_eq!(rig.run("SINTERSTORE a none"), ":0\r\n");
    assert_eq!(
        rig.propagated_but_select(),
        ["SUNIONSTORE d a", "SDIFFSTORE a a d"]
    );
}

#[test]
fn an_intersection_of_integers_is_stored_as_an_intset() {
    let mut rig = Rig::new();
    rig.run("SADD a 1 2 3 x");
    rig.run("SADD b 2 3 x");
    rig.run("SADD c 2 3 4");
    rig.run("SINTERSTORE d a c");
    assert_eq!(encoding(&mut rig, "d"), "intset");
    rig.run("SINTERSTORE d a b");
    assert_eq!(encoding(&mut rig, "d"), "listpack");
    rig.run("SDIFFSTORE d a b");
    assert_eq!(encoding(&mut rig, "d"), "intset");
}

#[test]
fn sets_are_sets_in_resp3() {
    let mut rig = Rig::new();
    rig.run("SADD s 1 2");
    rig.session.protocol = Protocol::Resp3;
    for command in ["SMEMBERS s", "SINTER s", "SUNION s", "SDIFF s none"] {
        assert_eq!(
            rig.run(command),
            "~2\r\n$1\r\n1\r\n$1\r\n2\r\n",
            "{command}"
        );
    }
    assert!(rig.run("SRANDMEMBER s 2").starts_with("*2\r\n"));
    assert!(rig.run("SPOP s 1").starts_with("~1\r\n"));
    assert!(rig.run("SPOP s 1").starts_with("~1\r\n"));
}

#[test]
fn a_scan_shows_every_member_that_matches() {
    for mut rig in with_numbers(300) {
        let (mut cursor, mut seen) = ("0".to_owned(), BTreeSet::new());
        loop {
            let reply = rig.run(&format!("SSCAN s {cursor} MATCH 1* COUNT 20"));
            let mut lines = reply.split("\r\n").skip(2);
            cursor = lines.next().unwrap().to_owned();
            seen.extend(
                lines
                    .filter(|line| line.starts_with('1'))
                    .map(str::to_owned),
            );
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen.len(), 111);
    }
}

/// Removes members in the order in which they are scanned, until so many are left.
fn keep_the_last_scanned(rig: &mut Rig, left: usize) {
    let whole = rig.run("SSCAN s 0 COUNT 1000000");
    let members: Vec<&str> = whole
        .split("\r\n")
        .filter(|l| l.starts_with("m:"))
        .collect();
    let gone = members.len() - left;
    let words = [&["SREM", "s"][..], &members[..gone]].concat();
    assert_eq!(rig.run_words(&words), format!(":{gone}\r\n"));
}

#[test]
fn choice_is_fair_where_all_members_belong_into_few_buckets() {
    const LEFT: usize = 30;
    const ROUNDS: usize = 1000;
    let mut rig = Rig::new();
    rig.env.config.set_max_listpack_entries = 0;
    for n in 0..10_000 {
        rig.run(&format!("SADD s m:{n}"));
    }
    keep_the_last_scanned(&mut rig, 500);
    keep_the_last_scanned(&mut rig, LEFT);
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for member in bulks(&rig.run("SRANDMEMBER s 10")) {
            *times.entry(member).or_default() += 1;
        }
    }
    assert_eq!(times.len(), LEFT);
    let expected = (ROUNDS * 10) as f64 / LEFT as f64;
    let squares = times.values().map(|n| (*n as f64 - expected).powi(2));
    let chi_square = squares.sum::<f64>() / expected;
    // With 29 degrees of freedom, more than this has a chance of one in a hundred thousand.
    assert!(chi_square < 73.0, "{chi_square}: {times:?}");
}
