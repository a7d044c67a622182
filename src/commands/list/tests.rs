//! The family's behaviour, as clients and replicas see it.

use crate::commands::session::{Kind, Session};
use crate::commands::testing::Rig;
use crate::config::ProtectedAction;

/// Runs a dialogue: each line's reply must be exactly the one beside it.
/// The elements of a list with blanks between.
fn elements(rig: &mut Rig, key: &str) -> String {
    let reply = rig.run(&format!("LRANGE {key} 0 -1"));
    let words: Vec<_> = reply.split("\r\n").skip(2).step_by(2).collect();
    words.join(" ")
}

/// What is refused, and how.
const REFUSALS: &[(&str, &str)] = &[
    (
        "LPUSH l",
        "ERR wrong number of arguments for 'lpush' command",
    ),
    (
        "LPOP l 1 2",
        "ERR wrong number of arguments for 'lpop' command",
    ),
    ("LPOP l x", "ERR value is out of range, must be positive"),
    ("RPOP no -1", "ERR value is out of range, must be positive"),
    ("LINDEX l x", "ERR value is not an integer or out of range"),
    (
        "LRANGE l 0 x",
        "ERR value is not an integer or out of range",
    ),
    (
        "LTRIM no x 0",
        "ERR value is not an integer or out of range",
    ),
    ("LREM no x a", "ERR value is not an integer or out of range"),
    ("LSET l x a", "ERR value is not an integer or out of range"),
    ("LSET l 3 a", "ERR index out of range"),
    ("LSET l -4 a", "ERR index out of range"),
    ("LSET no x a", "ERR no such key"),
    ("LINSERT l near a b", "ERR syntax error"),
    ("LMOVE l l LEFT DOWN", "ERR syntax error"),
    ("LPOS l a RANK", "ERR syntax error"),
    ("LPOS l a FIRST 1", "ERR syntax error"),
    (
        "LPOS l a RANK x",
        "ERR value is not an integer or out of range",
    ),
    (
        "LPOS l a RANK 0",
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or \
         use negative to start from the end of the list",
    ),
    (
        "LPOS l a RANK -9223372036854775808",
        "ERR value is out of range, value must between -9223372036854775807 and \
         9223372036854775807",
    ),
    ("LPOS l a COUNT -1", "ERR COUNT can't be negative"),
    ("LPOS l a COUNT x", "ERR COUNT can't be negative"),
    ("LPOS l a MAXLEN -1", "ERR MAXLEN can't be negative"),
    ("LMPOP 0 l LEFT", "ERR numkeys should be greater than 0"),
    ("LMPOP x l LEFT", "ERR numkeys should be greater than 0"),
    ("LMPOP 2 l LEFT", "ERR syntax error"),
    ("LMPOP 1 l UP", "ERR syntax error"),
    ("LMPOP 1 l LEFT COUNT", "ERR syntax error"),
    (
        "LMPOP 1 l LEFT COUNT 0",
        "ERR count should be greater than 0",
    ),
    ("LMPOP 1 l LEFT COUNT 1 COUNT 2", "ERR syntax error"),
    ("LMPOP 1 l LEFT SUM 1", "ERR syntax error"),
];

#[test]
fn every_refusal_has_its_exact_words() {
    let mut rig = Rig::new();
    rig.run("RPUSH l a b c");
    rig.expect_refusals(REFUSALS);
    assert_eq!(elements(&mut rig, "l"), "a b c");
}

#[test]
fn a_key_of_another_type_is_refused_by_every_command() {
    let mut rig = Rig::new();
    rig.run("SET s x");
    rig.run("RPUSH l a");
    let lines = [
        "LPUSH s a",
        "RPUSHX s a",
        "LPOP s",
        "RPOP s 0",
        "LLEN s",
        "LINDEX s 0",
        "LRANGE s 0 1",
        "LPOS s a",
        "LINSERT s BEFORE a b",
        "LSET s 0 a",
        "LREM s 0 a",
        "LTRIM s 0 1",
        "LMOVE s l LEFT LEFT",
        "LMOVE l s LEFT LEFT",
        "RPOPLPUSH l s",
        "LMPOP 2 no s LEFT",
    ];
    for line in lines {
        assert!(rig.run(line).starts_with("-WRONGTYPE "), "{line}");
    }
    assert_eq!(elements(&mut rig, "l"), "a");
}

#[test]
fn both_ends_take_and_give() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("LPUSHX l a", ":0\r\n"),
        ("RPUSHX l a", ":0\r\n"),
        ("LPOP l", "$-1\r\n"),
        ("LPOP l 2", "*-1\r\n"),
        ("RPUSH l 1 two 3", ":3\r\n"),
        ("LPUSH l b a", ":5\r\n"),
        ("LPUSHX l start", ":6\r\n"),
        ("RPUSHX l end", ":7\r\n"),
        ("LLEN l", ":7\r\n"),
        ("LPOP l 0", "*0\r\n"),
        ("LPOP l", "$5\r\nstart\r\n"),
        ("RPOP l", "$3\r\nend\r\n"),
        ("RPOP l 2", "*2\r\n$1\r\n3\r\n$3\r\ntwo\r\n"),
        ("LPOP l 9", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\n1\r\n"),
        ("EXISTS l", ":0\r\n"),
        ("LLEN l", ":0\r\n"),
    ]);
}

#[test]
fn indexes_count_from_both_ends() {
    let mut rig = Rig::new();
    rig.run("RPUSH l a b c d e");
    rig.expect(&[
        ("LINDEX l 0", "$1\r\na\r\n"),
        ("LINDEX l -1", "$1\r\ne\r\n"),
        ("LINDEX l 5", "$-1\r\n"),
        ("LINDEX l -6", "$-1\r\n"),
        ("LINDEX l -9223372036854775808", "$-1\r\n"),
        ("LINDEX no x", "$-1\r\n"),
        ("LRANGE l 1 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        ("LRANGE l -2 9", "*2\r\n$1\r\nd\r\n$1\r\ne\r\n"),
        ("LRANGE l -9 0", "*1\r\n$1\r\na\r\n"),
        ("LRANGE l 3 2", "*0\r\n"),
        ("LRANGE l 5 9", "*0\r\n"),
        ("LRANGE no 0 -1", "*0\r\n"),
        ("LSET l -1 z", "+OK\r\n"),
        ("LINDEX l 4", "$1\r\nz\r\n"),
        ("LTRIM l 1 -2", "+OK\r\n"),
        ("LRANGE l 0 -1", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n"),
        ("LTRIM no 1 2", "+OK\r\n"),
        ("LTRIM l 2 1", "+OK\r\n"),
        ("EXISTS l", ":0\r\n"),
    ]);
}

#[test]
fn elements_are_found_inserted_and_removed_by_value() {
    let mut rig = Rig::new();
    rig.run("RPUSH l a b 12 a b 12 a");
    rig.expect(&[
        ("LPOS l a", ":0\r\n"),
        ("LPOS l a RANK 2", ":3\r\n"),
        ("LPOS l a RANK -1", ":6\r\n"),
        ("LPOS l a RANK -3 COUNT 0", "*1\r\n:0\r\n"),
        ("LPOS l 12 COUNT 0", "*2\r\n:2\r\n:5\r\n"),
        ("LPOS l a COUNT 2 RANK -1", "*2\r\n:6\r\n:3\r\n"),
        ("LPOS l a COUNT 0 MAXLEN 4", "*2\r\n:0\r\n:3\r\n"),
        ("LPOS l 12 MAXLEN 2", "$-1\r\n"),
        ("LPOS l x", "$-1\r\n"),
        ("LPOS l x COUNT 1", "*0\r\n"),
        ("LPOS no a", "$-1\r\n"),
        ("LPOS no a COUNT 1", "*0\r\n"),
        ("LINSERT l BEFORE 12 new", ":8\r\n"),
        ("LINSERT l after 12 13", ":9\r\n"),
        ("LINSERT l AFTER x y", ":-1\r\n"),
        ("LINSERT no AFTER x y", ":0\r\n"),
    ]);
    assert_eq!(elements(&mut rig, "l"), "a b new 12 13 a b 12 a");
    rig.expect(&[
        ("LREM l -1 a", ":1\r\n"),
        ("LREM l 1 b", ":1\r\n"),
        ("LREM l 0 12", ":2\r\n"),
        ("LREM l 0 x", ":0\r\n"),
        ("LREM no 0 x", ":0\r\n"),
    ]);
    assert_eq!(elements(&mut rig, "l"), "a new 13 a b");
    rig.run("DEL l");
    rig.run("RPUSH l x x");
    assert_eq!(rig.run("LREM l 0 x"), ":2\r\n");
    assert_eq!(rig.run("EXISTS l"), ":0\r\n");
}

#[test]
fn an_element_moves_between_lists_and_around_within_one() {
    let mut rig = Rig::new();
    rig.run("RPUSH a 1 2 3");
    rig.expect(&[
        ("LMOVE a b LEFT RIGHT", "$1\r\n1\r\n"),
        ("RPOPLPUSH a b", "$1\r\n3\r\n"),
        ("LMOVE b b LEFT RIGHT", "$1\r\n3\r\n"),
        ("LMOVE a a RIGHT LEFT", "$1\r\n2\r\n"),
        ("LMOVE a b RIGHT right", "$1\r\n2\r\n"),
        ("EXISTS a", ":0\r\n"),
        ("LMOVE a b LEFT LEFT", "$-1\r\n"),
        ("RPOPLPUSH a b", "$-1\r\n"),
    ]);
    assert_eq!(elements(&mut rig, "b"), "1 3 2");
}

#[test]
fn many_lists_give_from_the_first_that_has_any_and_replicas_take_from_that_one() {
    let mut rig = Rig::new();
    rig.run("RPUSH b 1 2 3");
    rig.propagated();
    rig.expect(&[
        ("LMPOP 2 a c LEFT", "*-1\r\n"),
        ("LMPOP 2 a b LEFT", "*2\r\n$1\r\nb\r\n*1\r\n$1\r\n1\r\n"),
        (
            "LMPOP 1 b RIGHT COUNT 10",
            "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n3\r\n$1\r\n2\r\n",
        ),
    ]);
    assert_eq!(rig.propagated(), ["LPOP b 1", "RPOP b 2"]);
}

#[test]
fn only_what_changed_something_is_propagated_and_counted() {
    let mut rig = Rig::new();
    rig.run("RPUSH l a b c");
    let dirty = rig.env.persistence.dirty;
    rig.propagated();
    for line in [
        "LPUSHX no a",
        "LPOP l 0",
        "LPOP no",
        "LREM l 0 x",
        "LTRIM l 0 -1",
        "LINSERT l BEFORE x y",
        "LMOVE no l LEFT LEFT",
        "LMPOP 1 no LEFT",
    ] {
        rig.run(line);
    }
    assert_eq!(rig.propagated(), [""; 0]);
    assert_eq!(rig.env.persistence.dirty, dirty);
    rig.run("LPUSH l 1 2");
    rig.run("RPOP l 3");
    rig.run("LREM l 0 1");
    assert_eq!(rig.env.persistence.dirty, dirty + 2 + 3 + 1);
    assert_eq!(rig.propagated(), ["LPUSH l 1 2", "RPOP l 3", "LREM l 0 1"]);
}

#[test]
fn encodings_follow_size_there_and_back() {
    let mut rig = Rig::new();
    rig.env.config.list_max_listpack_size = 4;
    let listpack = "$8\r\nlistpack\r\n";
    let quicklist = "$9\r\nquicklist\r\n";
    for (line, encoding) in [
        ("RPUSH l 1 2 3 4", listpack),
        ("RPUSH l 5", quicklist),
        ("RPOP l", quicklist),
        ("RPOP l", quicklist),
        ("RPOP l", listpack),
        ("LINSERT l BEFORE x y", listpack),
        ("RPUSH l 3 4", listpack),
        // Room is made before the pivot is looked for, or the index.
        ("LINSERT l BEFORE x y", quicklist),
        ("LTRIM l 0 2", quicklist),
        ("LREM l 1 3", listpack),
        ("RPUSH l 6 7", listpack),
        ("LSET l 99 x", quicklist),
        ("LMOVE l l LEFT LEFT", quicklist),
        ("LPOP l 2", listpack),
    ] {
        rig.run(line);
        assert_eq!(rig.run("OBJECT ENCODING l"), encoding, "{line}");
    }
}

#[test]
fn subscribers_hear_of_each_change_in_the_order_of_the_reference() {
    let mut rig = Rig::new();
    let mut reader = Session::new(2, Kind::Normal);
    std::mem::swap(&mut rig.session, &mut reader);
    rig.run("PSUBSCRIBE __keyevent@0__:*");
    std::mem::swap(&mut rig.session, &mut reader);
    rig.run("CONFIG SET notify-keyspace-events EAn");
    let dialogue: &[(&str, &[&str])] = &[
        ("RPUSH a 1 2 3", &["new a", "rpush a"]),
        ("LPUSH a 0", &["lpush a"]),
        ("LINSERT a AFTER 1 x", &["linsert a"]),
        ("LINSERT a AFTER y x", &[]),
        ("LSET a 0 y", &["lset a"]),
        ("LREM a 0 x", &["lrem a"]),
        ("LREM a 0 x", &[]),
        ("LTRIM a 0 -1", &["ltrim a"]),
        ("LPOP a", &["lpop a"]),
        ("RPOP a 2", &["rpop a"]),
        (
            "LMOVE a b LEFT RIGHT",
            &["new b", "rpush b", "lpop a", "del a"],
        ),
        ("RPOPLPUSH b b", &["lpush b", "rpop b"]),
        ("LMPOP 2 a b RIGHT", &["rpop b", "del b"]),
        ("RPUSH c 1 1", &["new c", "rpush c"]),
        ("LREM c 0 1", &["lrem c", "del c"]),
        ("RPUSH c 1", &["new c", "rpush c"]),
        ("LTRIM c 1 0", &["ltrim c", "del c"]),
    ];
    for (line, expected) in dialogue {
        rig.host.delivered.clear();
        rig.run(line);
        let text = |(_, push): &(u64, String)| {
            let words: Vec<&str> = push.split("\r\n").skip(6).step_by(2).collect();
            let heard = words.join(" ");
            heard.trim_end().replace("__keyevent@0__:", "")
        };
        let heard: Vec<_> = rig.host.delivered.iter().map(text).collect();
        assert_eq!(heard, *expected, "{line}");
    }
}

#[test]
fn elements_of_the_threshold_stand_alone() {
    let mut rig = Rig::new();
    rig.env.config.enable_debug_command = ProtectedAction::Yes;
    assert_eq!(rig.run("DEBUG QUICKLIST-PACKED-THRESHOLD 100b"), "+OK\r\n");
    assert_eq!(rig.env.list_plain_from_bytes, 100);
    for refused in ["5gb", "x", "4294967295"] {
        assert_eq!(
            rig.run(&format!("DEBUG QUICKLIST-PACKED-THRESHOLD {refused}")),
            "-ERR argument must be a memory value bigger than 1 and smaller than 4gb\r\n"
        );
    }
    assert_eq!(rig.run("DEBUG QUICKLIST-PACKED-THRESHOLD 0"), "+OK\r\n");
    assert_eq!(rig.env.list_plain_from_bytes, 1 << 30);
}

#[test]
fn a_waiting_client_is_served_by_what_is_pushed_and_replicas_see_a_plain_pop() {
    let mut rig = Rig::new();
    assert_eq!(rig.run_as(2, "BLPOP a b 0"), "");
    assert_eq!(rig.run_as(3, "BRPOP b 0"), "");
    assert_eq!(rig.run("RPUSH b 1 2 3"), ":3\r\n");
    let expected = [
        (2, "*2\r\n$1\r\nb\r\n$1\r\n1\r\n".to_owned()),
        (3, "*2\r\n$1\r\nb\r\n$1\r\n3\r\n".to_owned()),
    ];
    assert_eq!(rig.served(), expected);
    assert_eq!(
        rig.propagated(),
        ["SELECT 0", "RPUSH b 1 2 3", "LPOP b", "RPOP b"]
    );
    rig.expect(&[
        ("BLPOP a b 0", "*2\r\n$1\r\nb\r\n$1\r\n2\r\n"),
        ("EXISTS b", ":0\r\n"),
    ]);
}

#[test]
fn waiting_for_several_elements_takes_what_there_is() {
    let mut rig = Rig::new();
    assert_eq!(rig.run_as(2, "BLMPOP 0 2 a b RIGHT COUNT 5"), "");
    rig.run("RPUSH b 1 2");
    let reply = "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n2\r\n$1\r\n1\r\n";
    assert_eq!(rig.served(), [(2, reply.to_owned())]);
    assert_eq!(rig.propagated(), ["SELECT 0", "RPUSH b 1 2", "RPOP b 2"]);
}

#[test]
fn a_move_that_waited_feeds_those_who_wait_for_its_destination() {
    let mut rig = Rig::new();
    assert_eq!(rig.run_as(2, "BLMOVE a b LEFT RIGHT 0"), "");
    assert_eq!(rig.run_as(3, "BRPOPLPUSH b c 0"), "");
    rig.run("LPUSH a x");
    let x = "$1\r\nx\r\n".to_owned();
    assert_eq!(rig.served(), [(2, x.clone()), (3, x)]);
    assert_eq!(
        rig.propagated(),
        [
            "SELECT 0",
            "LPUSH a x",
            "LMOVE a b LEFT RIGHT",
            "RPOPLPUSH b c"
        ]
    );
    assert_eq!(elements(&mut rig, "c"), "x");
    rig.run("SET s text");
    assert!(rig.run("BLMOVE c s LEFT LEFT 0").starts_with("-WRONGTYPE "));
    assert_eq!(elements(&mut rig, "c"), "x");
}

#[test]
fn a_wait_ends_with_a_null_and_one_in_a_transaction_never_begins() {
    let mut rig = Rig::new();
    for (client, line) in [
        (2, "BLPOP a 0.5"),
        (3, "BLMOVE a b LEFT LEFT 1"),
        (4, "BLMPOP 2 1 a LEFT"),
    ] {
        assert_eq!(rig.run_as(client, line), "");
    }
    rig.advance_ms(2001);
    let mut served = rig.served();
    served.sort();
    let null = "*-1\r\n".to_owned();
    assert_eq!(served, [(2, null.clone()), (3, null.clone()), (4, null)]);
    rig.run("MULTI");
    for line in [
        "BLPOP a 0",
        "BRPOP a 0",
        "BLMOVE a b LEFT LEFT 0",
        "BRPOPLPUSH a b 0",
        "BLMPOP 0 1 a LEFT",
    ] {
        assert_eq!(rig.run(line), "+QUEUED\r\n");
    }
    assert_eq!(rig.run("EXEC"), "*5\r\n*-1\r\n*-1\r\n$-1\r\n$-1\r\n*-1\r\n");
    for (line, error) in [
        ("BLPOP a x", "timeout is not a float or out of range"),
        ("BRPOP a -1", "timeout is negative"),
        ("BLMOVE a b LEFT UP x", "syntax error"),
        ("BLMPOP x 0 a LEFT", "numkeys should be greater than 0"),
    ] {
        assert_eq!(rig.run(line), format!("-ERR {error}\r\n"), "{line}");
    }
}
