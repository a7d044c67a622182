//! The family's behaviour, as clients and replicas see it. Where a test speaks of both shapes of a
//! set, it runs once with listpacks and once without.

use crate::commands::testing::Rig;
use crate::resp::writer::Protocol;

/// Runs a dialogue: each line's reply must be exactly the one beside it.
/// Runs a dialogue against listpacks, then against trees.
fn expect_of_both_shapes(dialogue: &[(&str, &str)]) {
    for entries in ["128", "0"] {
        let mut rig = Rig::new();
        rig.run(&format!("CONFIG SET zset-max-listpack-entries {entries}"));
        rig.expect(dialogue);
    }
}

/// A set's members and scores with blanks between.
fn members(rig: &mut Rig, key: &str) -> String {
    let reply = rig.run(&format!("ZRANGE {key} 0 -1 WITHSCORES"));
    let words: Vec<_> = reply.split("\r\n").skip(2).step_by(2).collect();
    words.join(" ")
}

/// What is refused, and how.
const REFUSALS: &[(&str, &str)] = &[
    (
        "ZADD z 1",
        "ERR wrong number of arguments for 'zadd' command",
    ),
    (
        "ZADD z NX XX 1 a",
        "ERR XX and NX options at the same time are not compatible",
    ),
    (
        "ZADD z GT LT 1 a",
        "ERR GT, LT, and/or NX options at the same time are not compatible",
    ),
    (
        "ZADD z GT NX 1 a",
        "ERR GT, LT, and/or NX options at the same time are not compatible",
    ),
    (
        "ZADD z INCR 1 a 2 b",
        "ERR INCR option supports a single increment-element pair",
    ),
    ("ZADD z 1 a x b", "ERR value is not a valid float"),
    ("ZADD z nan a", "ERR value is not a valid float"),
    (
        "ZINCRBY z -inf i",
        "ERR resulting score is not a number (NaN)",
    ),
    ("ZINCRBY z x a", "ERR value is not a valid float"),
    (
        "ZRANK z a 1 2",
        "ERR wrong number of arguments for 'zrank' command",
    ),
    ("ZRANK z a SCORE", "ERR syntax error"),
    ("ZCOUNT z x 1", "ERR min or max is not a float"),
    (
        "ZLEXCOUNT z a +",
        "ERR min or max not valid string range item",
    ),
    (
        "ZRANGE z 0 x",
        "ERR value is not an integer or out of range",
    ),
    (
        "ZRANGE z 0 -1 LIMIT 0 1",
        "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
    ),
    (
        "ZRANGE z - + BYLEX WITHSCORES",
        "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
    ),
    ("ZRANGE z - + BYLEX BYSCORE", "ERR syntax error"),
    ("ZRANGE z 0 -1 REV REV", "ERR syntax error"),
    ("ZRANGEBYSCORE z 0 1 REV", "ERR syntax error"),
    ("ZRANGEBYSCORE z 0 1 LIMIT 0", "ERR syntax error"),
    ("ZRANGESTORE d z 0 -1 WITHSCORES", "ERR syntax error"),
    ("ZREMRANGEBYSCORE z 1 y", "ERR min or max is not a float"),
    (
        "ZREMRANGEBYLEX z [a b",
        "ERR min or max not valid string range item",
    ),
    (
        "ZPOPMIN z -1",
        "ERR value is out of range, must be positive",
    ),
    ("ZPOPMAX z x", "ERR value is out of range, must be positive"),
    ("ZPOPMIN z 1 2", "ERR syntax error"),
    ("ZMPOP 0 z MIN", "ERR numkeys should be greater than 0"),
    ("ZMPOP 2 z MIN", "ERR syntax error"),
    ("ZMPOP 1 z MIDDLE", "ERR syntax error"),
    (
        "ZMPOP 1 z MIN COUNT 0",
        "ERR count should be greater than 0",
    ),
    ("ZMPOP 1 z MIN COUNT 1 COUNT 1", "ERR syntax error"),
    ("BZPOPMIN z x", "ERR timeout is not a float or out of range"),
    ("BZPOPMAX z -1", "ERR timeout is negative"),
    (
        "BZMPOP 1 1 z MIN COUNT 0",
        "ERR count should be greater than 0",
    ),
    (
        "ZRANDMEMBER z x",
        "ERR value is not an integer or out of range",
    ),
    (
        "ZRANDMEMBER z -9223372036854775808",
        "ERR value is out of range, value must between -9223372036854775807 and \
         9223372036854775807",
    ),
    (
        "ZRANDMEMBER z 5000000000000000000 WITHSCORES",
        "ERR value is out of range",
    ),
    ("ZRANDMEMBER z 1 WITHSCORE", "ERR syntax error"),
    ("ZSCAN z x", "ERR invalid cursor"),
    ("ZSCAN z 0 COUNT 0", "ERR syntax error"),
    (
        "ZUNION 0 z",
        "ERR at least 1 input key is needed for 'zunion' command",
    ),
    ("ZUNION 2 z", "ERR syntax error"),
    ("ZUNION 1 z WEIGHTS x", "ERR weight value is not a float"),
    ("ZUNION 1 z AGGREGATE AVG", "ERR syntax error"),
    ("ZDIFF 1 z WEIGHTS 1", "ERR syntax error"),
    ("ZINTERSTORE d 1 z WITHSCORES", "ERR syntax error"),
    ("ZINTERCARD 1 z LIMIT -1", "ERR LIMIT can't be negative"),
    (
        "ZUNION 1 str",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    ),
    (
        "ZADD str 1 a",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    ),
    (
        "ZMPOP 2 none str MIN",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    ),
    (
        "BZPOPMIN str 0",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    ),
];

/// Adding, changing, removing.
const ADDING: &[(&str, &str)] = &[
    ("ZADD z 1 a 2 b 3 c 2.5 d", ":4\r\n"),
    ("ZADD z CH 1 a 9 b 4 e", ":2\r\n"),
    ("ZADD z NX 5 a 6 f", ":1\r\n"),
    ("ZADD z XX 5 a 6 g", ":0\r\n"),
    ("ZADD z GT CH 1 a 9 c", ":1\r\n"),
    ("ZADD z LT CH 1 a 10 c", ":1\r\n"),
    ("ZADD z INCR 2 a", "$1\r\n3\r\n"),
    ("ZADD z INCR NX 2 a", "$-1\r\n"),
    ("ZADD z INCR GT -2 a", "$-1\r\n"),
    ("ZADD none XX 1 a", ":0\r\n"),
    ("ZINCRBY z 1.5 new", "$3\r\n1.5\r\n"),
    ("ZSCORE z new", "$3\r\n1.5\r\n"),
    ("ZSCORE z none", "$-1\r\n"),
    ("ZMSCORE z a none f", "*3\r\n$1\r\n3\r\n$-1\r\n$1\r\n6\r\n"),
    ("ZCARD z", ":7\r\n"),
    ("ZREM z a none b", ":2\r\n"),
    (
        "ZRANGE z 0 -1 WITHSCORES",
        "*10\r\n$3\r\nnew\r\n$3\r\n1.5\r\n$1\r\nd\r\n$3\r\n2.5\r\n$1\r\ne\r\n$1\r\n4\r\n$1\r\n\
            f\r\n$1\r\n6\r\n$1\r\nc\r\n$1\r\n9\r\n",
    ),
    ("ZREM z c d e f new", ":5\r\n"),
    ("EXISTS z none", ":0\r\n"),
];

/// Parts of the order.
const RANGES: &[(&str, &str)] = &[
    ("ZADD z 1 a 2 b 2 c 3 d 4.5 e", ":5\r\n"),
    ("ZRANGE z 1 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"),
    (
        "ZRANGE z -2 -1 WITHSCORES",
        "*4\r\n$1\r\nd\r\n$1\r\n3\r\n$1\r\ne\r\n$3\r\n4.5\r\n",
    ),
    ("ZRANGE z 0 1 REV", "*2\r\n$1\r\ne\r\n$1\r\nd\r\n"),
    (
        "ZREVRANGE z 0 0 WITHSCORES",
        "*2\r\n$1\r\ne\r\n$3\r\n4.5\r\n",
    ),
    ("ZRANGE z 3 1", "*0\r\n"),
    (
        "ZRANGE z (1 3 BYSCORE",
        "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n",
    ),
    ("ZRANGE z 3 (1 BYSCORE REV LIMIT 1 1", "*1\r\n$1\r\nc\r\n"),
    (
        "ZRANGEBYSCORE z -inf +inf WITHSCORES LIMIT 3 -1",
        "*4\r\n$1\r\nd\r\n$1\r\n3\r\n$1\r\ne\r\n$3\r\n4.5\r\n",
    ),
    ("ZRANGEBYSCORE z 2 (2", "*0\r\n"),
    ("ZRANGEBYSCORE z 0 9 LIMIT -1 2", "*0\r\n"),
    (
        "ZREVRANGEBYSCORE z (4.5 2 LIMIT 1 2",
        "*2\r\n$1\r\nc\r\n$1\r\nb\r\n",
    ),
    ("ZCOUNT z 2 (4.5", ":3\r\n"),
    ("ZCOUNT z 9 1", ":0\r\n"),
    ("ZRANK z c", ":2\r\n"),
    ("ZREVRANK z c", ":2\r\n"),
    ("ZRANK z c WITHSCORE", "*2\r\n:2\r\n$1\r\n2\r\n"),
    ("ZRANK z none", "$-1\r\n"),
    ("ZRANK z none WITHSCORE", "*-1\r\n"),
    ("ZADD l 0 a 0 b 0 c 0 10", ":4\r\n"),
    (
        "ZRANGEBYLEX l - +",
        "*4\r\n$2\r\n10\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
    ),
    ("ZRANGEBYLEX l + -", "*0\r\n"),
    ("ZRANGE l [a (c BYLEX", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    ("ZREVRANGEBYLEX l + (a LIMIT 1 1", "*1\r\n$1\r\nb\r\n"),
    ("ZLEXCOUNT l (a [c", ":2\r\n"),
    ("ZREMRANGEBYLEX l [b +", ":2\r\n"),
    ("ZREMRANGEBYRANK z 0 0", ":1\r\n"),
    ("ZREMRANGEBYSCORE z (2 4", ":1\r\n"),
    ("ZRANGE z 0 -1", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\ne\r\n"),
    ("ZREMRANGEBYRANK z 0 -1", ":3\r\n"),
    ("EXISTS z", ":0\r\n"),
];

/// Several sets at once.
const COMBINATIONS: &[(&str, &str)] = &[
    ("ZADD a 1 x 2 y 3 z", ":3\r\n"),
    ("ZADD b 10 y 20 z 30 w", ":3\r\n"),
    (
        "ZUNION 2 a b WITHSCORES",
        "*8\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\ny\r\n$2\r\n12\r\n$1\r\nz\r\n$2\r\n23\r\n$1\r\nw\r\n\
            $2\r\n30\r\n",
    ),
    (
        "ZUNION 2 a b WEIGHTS 2 -1 WITHSCORES",
        "*8\r\n$1\r\nw\r\n$3\r\n-30\r\n$1\r\nz\r\n$3\r\n-14\r\n$1\r\ny\r\n$2\r\n-6\r\n$1\r\nx\r\n\
            $1\r\n2\r\n",
    ),
    (
        "ZUNION 2 a b AGGREGATE MIN WITHSCORES",
        "*8\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\ny\r\n$1\r\n2\r\n$1\r\nz\r\n$1\r\n3\r\n$1\r\nw\r\n$2\r\n\
            30\r\n",
    ),
    (
        "ZUNION 2 a b WEIGHTS inf -inf WITHSCORES",
        "*8\r\n$1\r\nw\r\n$4\r\n-inf\r\n$1\r\ny\r\n$1\r\n0\r\n$1\r\nz\r\n$1\r\n0\r\n$1\r\nx\r\n\
            $3\r\ninf\r\n",
    ),
    (
        "ZINTER 2 a b AGGREGATE MAX WITHSCORES",
        "*4\r\n$1\r\ny\r\n$2\r\n10\r\n$1\r\nz\r\n$2\r\n20\r\n",
    ),
    ("ZINTER 2 a none", "*0\r\n"),
    (
        "ZINTER 2 a a WITHSCORES",
        "*6\r\n$1\r\nx\r\n$1\r\n2\r\n$1\r\ny\r\n$1\r\n4\r\n$1\r\nz\r\n$1\r\n6\r\n",
    ),
    ("ZINTERCARD 2 a b", ":2\r\n"),
    ("ZINTERCARD 2 a b LIMIT 1", ":1\r\n"),
    ("ZDIFF 2 a b WITHSCORES", "*2\r\n$1\r\nx\r\n$1\r\n1\r\n"),
    ("ZDIFF 3 b none a", "*1\r\n$1\r\nw\r\n"),
    ("ZDIFF 2 a a", "*0\r\n"),
    ("ZUNIONSTORE d 2 a b", ":4\r\n"),
    ("ZINTERSTORE d 2 a b WEIGHTS 1 2", ":2\r\n"),
    (
        "ZRANGE d 0 -1 WITHSCORES",
        "*4\r\n$1\r\ny\r\n$2\r\n22\r\n$1\r\nz\r\n$2\r\n43\r\n",
    ),
    ("ZDIFFSTORE d 2 a b", ":1\r\n"),
    ("ZDIFFSTORE d 2 a a", ":0\r\n"),
    ("EXISTS d", ":0\r\n"),
    ("ZRANGESTORE d a (1 3 BYSCORE LIMIT 1 1", ":1\r\n"),
    ("ZRANGE d 0 -1", "*1\r\n$1\r\nz\r\n"),
    ("ZRANGESTORE d none 0 -1", ":0\r\n"),
    ("EXISTS d", ":0\r\n"),
];

/// The ends of the order.
const POPS: &[(&str, &str)] = &[
    ("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5\r\n"),
    ("ZPOPMIN z", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    (
        "ZPOPMAX z 2",
        "*4\r\n$1\r\ne\r\n$1\r\n5\r\n$1\r\nd\r\n$1\r\n4\r\n",
    ),
    ("ZPOPMIN z 0", "*0\r\n"),
    (
        "ZMPOP 2 none z MAX",
        "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n",
    ),
    (
        "BZPOPMIN none z 0",
        "*3\r\n$1\r\nz\r\n$1\r\nb\r\n$1\r\n2\r\n",
    ),
    ("EXISTS z", ":0\r\n"),
    ("ZPOPMIN z", "*0\r\n"),
    ("ZMPOP 1 z MIN", "*-1\r\n"),
    ("ZADD z 1 a 2 b", ":2\r\n"),
    (
        "BZMPOP 0 1 z MIN COUNT 5",
        "*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n",
    ),
    ("ZADD z 1 a", ":1\r\n"),
    ("BZPOPMAX z 0", "*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n"),
];

/// Doubles and pairs.
const IN_RESP3: &[(&str, &str)] = &[
    ("ZADD z 1 a 2.5 b", ":2\r\n"),
    ("ZADD z INCR 1 a", ",2\r\n"),
    ("ZADD z INCR NX 1 a", "_\r\n"),
    ("ZSCORE z b", ",2.5\r\n"),
    ("ZSCORE z none", "_\r\n"),
    (
        "ZRANGE z 0 -1 WITHSCORES",
        "*2\r\n*2\r\n$1\r\na\r\n,2\r\n*2\r\n$1\r\nb\r\n,2.5\r\n",
    ),
    (
        "ZREVRANGEBYSCORE z +inf -inf WITHSCORES",
        "*2\r\n*2\r\n$1\r\nb\r\n,2.5\r\n*2\r\n$1\r\na\r\n,2\r\n",
    ),
    (
        "ZUNION 1 z WITHSCORES",
        "*2\r\n*2\r\n$1\r\na\r\n,2\r\n*2\r\n$1\r\nb\r\n,2.5\r\n",
    ),
    ("ZRANK z b WITHSCORE", "*2\r\n:1\r\n,2.5\r\n"),
    ("ZRANK z none WITHSCORE", "_\r\n"),
    (
        "ZRANDMEMBER z 2 WITHSCORES",
        "*2\r\n*2\r\n$1\r\nb\r\n,2.5\r\n*2\r\n$1\r\na\r\n,2\r\n",
    ),
    ("ZRANDMEMBER z 9", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"),
    (
        "ZSCAN z 0",
        "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$3\r\n2.5\r\n",
    ),
    ("ZPOPMIN z", "*2\r\n$1\r\na\r\n,2\r\n"),
    ("ZADD z 2 a", ":1\r\n"),
    ("ZPOPMIN z 1", "*1\r\n*2\r\n$1\r\na\r\n,2\r\n"),
    (
        "ZMPOP 1 z MIN",
        "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n",
    ),
    ("ZADD z 2 a", ":1\r\n"),
    ("BZPOPMIN z 0", "*3\r\n$1\r\nz\r\n$1\r\na\r\n,2\r\n"),
];

#[test]
fn refusals_are_worded_like_the_references() {
    let mut rig = Rig::new();
    rig.run("SET str x");
    rig.run("ZADD z 1 a inf i");
    rig.expect_refusals(REFUSALS);
    assert_eq!(members(&mut rig, "z"), "a 1 i inf");
}

#[test]
fn members_are_added_and_removed() {
    expect_of_both_shapes(ADDING);
}

#[test]
fn parts_of_the_order_are_listed_counted_and_removed() {
    expect_of_both_shapes(RANGES);
}

#[test]
fn sets_are_combined() {
    expect_of_both_shapes(COMBINATIONS);
}

#[test]
fn ends_are_popped() {
    expect_of_both_shapes(POPS);
}

#[test]
fn resp3_shows_doubles_and_pairs() {
    let mut rig = Rig::new();
    rig.session.protocol = Protocol::Resp3;
    rig.expect(IN_RESP3);
}

#[test]
fn sets_without_scores_take_part_in_combinations() {
    let mut rig = Rig::new();
    rig.run("ZADD z 2 a 3 b");
    rig.run("SADD s b c 5");
    assert_eq!(rig.run("ZUNIONSTORE d 2 z s"), ":4\r\n");
    assert_eq!(members(&mut rig, "d"), "5 1 c 1 a 2 b 4");
    assert_eq!(rig.run("ZINTERSTORE d 2 z s WEIGHTS 1 5"), ":1\r\n");
    assert_eq!(members(&mut rig, "d"), "b 8");
    assert_eq!(rig.run("ZDIFF 2 s z"), "*2\r\n$1\r\n5\r\n$1\r\nc\r\n");
}

#[test]
fn stored_results_have_the_encoding_of_the_reference() {
    let mut rig = Rig::new();
    rig.run("ZADD z 1 a 2 b");
    for (line, encoding) in [
        ("ZRANGESTORE d z 0 -1", "listpack"),
        ("ZRANGESTORE d z 0 9 BYSCORE", "skiplist"),
        ("ZUNIONSTORE d 1 z", "listpack"),
    ] {
        rig.run(line);
        let shown = format!("${}\r\n{encoding}\r\n", encoding.len());
        assert_eq!(rig.run("OBJECT ENCODING d"), shown, "{line}");
    }
}

#[test]
fn scans_spell_scores_of_trees_with_all_their_digits() {
    let mut rig = Rig::new();
    let small = "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$3\r\n0.1\r\n";
    let large = "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$19\r\n0.10000000000000001\r\n";
    rig.expect(&[("ZADD z 0.1 a", ":1\r\n"), ("ZSCAN z 0", small)]);
    rig.run("CONFIG SET zset-max-listpack-entries 0");
    rig.expect(&[("ZADD t 0.1 a", ":1\r\n"), ("ZSCAN t 0", large)]);
    assert_eq!(rig.run("ZSCAN t 0 MATCH b*"), "*2\r\n$1\r\n0\r\n*0\r\n");
}

#[test]
fn replicas_get_what_pops_came_down_to() {
    let mut rig = Rig::new();
    rig.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
    rig.propagated();
    for (line, sent) in [
        ("ZPOPMIN z", "ZPOPMIN z"),
        ("ZMPOP 2 none z MAX COUNT 2", "ZPOPMAX z 2"),
        ("BZPOPMIN z 0", "ZPOPMIN z"),
        ("BZMPOP 0 1 z MIN COUNT 5", "ZPOPMIN z 1"),
    ] {
        rig.run(line);
        assert_eq!(rig.propagated(), [sent], "{line}");
    }
}

#[test]
fn what_changed_nothing_is_not_sent() {
    let mut rig = Rig::new();
    rig.run("ZADD z 1 a");
    rig.propagated();
    for line in [
        "ZADD z 1 a",
        "ZADD z NX 2 a",
        "ZREM z b",
        "ZREMRANGEBYSCORE z 5 6",
        "ZPOPMIN z 0",
        "ZPOPMIN none",
        "ZINTERSTORE none 1 none",
    ] {
        rig.run(line);
        assert_eq!(rig.propagated(), [""; 0], "{line}");
    }
}

#[test]
fn events_say_what_happened() {
    let mut rig = Rig::new();
    rig.run("CONFIG SET notify-keyspace-events Ezg");
    rig.session.protocol = Protocol::Resp3;
    rig.run("PSUBSCRIBE __keyevent@0__:*");
    for (line, events) in [
        ("ZADD z 1 a 2 b 3 c", &["zadd"][..]),
        ("ZINCRBY z 1 a", &["zincr"]),
        ("ZADD z INCR 1 a", &["zincr"]),
        ("ZADD z 3 a", &[]),
        ("ZREM z a", &["zrem"]),
        ("ZRANGESTORE d z 0 -1", &["zrangestore"]),
        ("ZUNIONSTORE d 1 z", &["zunionstore"]),
        ("ZDIFFSTORE d 2 z z", &["del"]),
        ("ZREMRANGEBYSCORE z 2 2", &["zremrangebyscore"]),
        ("ZPOPMAX z", &["zpopmax", "del"]),
    ] {
        let reply = rig.run(line);
        let shown = reply
            .split("\r\n")
            .filter_map(|part| part.split_once("__:"));
        let shown: Vec<_> = shown
            .map(|(_, event)| event)
            .filter(|event| *event != "*")
            .collect();
        assert_eq!(shown, events, "{line}");
    }
}

#[test]
fn somebody_who_waits_gets_the_member_that_comes() {
    let mut rig = Rig::new();
    assert_eq!(rig.run_as(2, "BZPOPMAX none z 0"), "");
    rig.run("ZADD z 1 a 2 b");
    let reply = "*3\r\n$1\r\nz\r\n$1\r\nb\r\n$1\r\n2\r\n";
    assert_eq!(rig.served(), [(2, reply.to_owned())]);
    assert_eq!(
        rig.propagated(),
        ["SELECT 0", "ZADD z 1 a 2 b", "ZPOPMAX z"]
    );
}
