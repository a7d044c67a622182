//! The hash commands through the dispatcher.

use crate::commands::testing::Rig;
use crate::resp::writer::Protocol;

/// A hash of `len` numbered fields, in a listpack or in a table.
fn with_hash(len: usize, in_table: bool) -> Rig {
    let mut rig = Rig::new();
    if in_table {
        rig.env.config.hash_max_listpack_entries = 0;
    }
    for n in 0..len {
        assert_eq!(rig.run(&format!("HSET h f{n} v{n}")), ":1\r\n");
    }
    let encoding = if in_table { "hashtable" } else { "listpack" };
    assert!(
        rig.run("OBJECT ENCODING h")
            .ends_with(&format!("{encoding}\r\n"))
    );
    rig.propagated_but_select();
    rig
}

/// The bulk strings of a reply.
fn bulks(reply: &str) -> Vec<&str> {
    let lines: Vec<_> = reply.split("\r\n").collect();
    let is_header = |line: &&&str| line.starts_with('$');
    let headers = lines.iter().enumerate().filter(|(_, line)| is_header(line));
    headers.map(|(at, _)| lines[at + 1]).collect()
}

#[test]
fn fields_are_set_read_and_removed() {
    let mut rig = Rig::new();
    assert_eq!(rig.run("HSET h a 1 b two a 3"), ":2\r\n");
    assert_eq!(rig.run("HGET h a"), "$1\r\n3\r\n");
    assert_eq!(rig.run("HGET h c"), "$-1\r\n");
    assert_eq!(
        rig.run("HMGET h a c b"),
        "*3\r\n$1\r\n3\r\n$-1\r\n$3\r\ntwo\r\n"
    );
    assert_eq!(rig.run("HSETNX h a 4"), ":0\r\n");
    assert_eq!(rig.run("HSETNX h c 4"), ":1\r\n");
    assert_eq!(rig.run("HMSET h c 5"), "+OK\r\n");
    assert_eq!(rig.run("HLEN h"), ":3\r\n");
    assert_eq!(rig.run("HSTRLEN h b"), ":3\r\n");
    assert_eq!(rig.run("HEXISTS h b"), ":1\r\n");
    assert_eq!(rig.run("HDEL h b x b"), ":1\r\n");
    assert_eq!(rig.run("HEXISTS h b"), ":0\r\n");
    assert_eq!(rig.run("HKEYS h"), "*2\r\n$1\r\na\r\n$1\r\nc\r\n");
    assert_eq!(rig.run("HVALS h"), "*2\r\n$1\r\n3\r\n$1\r\n5\r\n");
    assert_eq!(
        rig.run("HGETALL h"),
        "*4\r\n$1\r\na\r\n$1\r\n3\r\n$1\r\nc\r\n$1\r\n5\r\n"
    );
    assert_eq!(rig.run("HDEL h a c d"), ":2\r\n");
    assert_eq!(rig.run("EXISTS h"), ":0\r\n");
    assert_eq!(
        rig.propagated_but_select(),
        [
            "HSET h a 1 b two a 3",
            "HSETNX h c 4",
            "HMSET h c 5",
            "HDEL h b x b",
            "HDEL h a c d"
        ]
    );
    assert_eq!(rig.env.persistence.dirty, 3 + 1 + 1 + 1 + 2);
}

#[test]
fn a_key_that_does_not_exist_is_an_empty_hash() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("HGET h f", "$-1\r\n"),
        ("HMGET h f g", "*2\r\n$-1\r\n$-1\r\n"),
        ("HGETALL h", "*0\r\n"),
        ("HKEYS h", "*0\r\n"),
        ("HVALS h", "*0\r\n"),
        ("HLEN h", ":0\r\n"),
        ("HSTRLEN h f", ":0\r\n"),
        ("HEXISTS h f", ":0\r\n"),
        ("HDEL h f", ":0\r\n"),
        ("HRANDFIELD h", "$-1\r\n"),
        ("HRANDFIELD h 3", "*0\r\n"),
        ("HSCAN h 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("HSCAN h 7 NONSENSE", "*2\r\n$1\r\n0\r\n*0\r\n"),
    ]);
    assert_eq!(rig.propagated_but_select(), [""; 0]);
}

#[test]
fn other_types_and_odd_arguments_are_refused() {
    let mut rig = Rig::new();
    rig.run("SET s text");
    for command in [
        "HSET s f v",
        "HMSET s f v",
        "HSETNX s f v",
        "HGET s f",
        "HMGET s f",
        "HGETALL s",
        "HKEYS s",
        "HVALS s",
        "HLEN s",
        "HSTRLEN s f",
        "HEXISTS s f",
        "HDEL s f",
        "HSCAN s 0",
        "HRANDFIELD s",
        "HRANDFIELD s 1",
        "HINCRBY s f 1",
        "HINCRBYFLOAT s f 1",
    ] {
        assert!(rig.run(command).starts_with("-WRONGTYPE "), "{command}");
    }
    for (command, refusal) in [
        (
            "HSET h f v g",
            "wrong number of arguments for 'hset' command",
        ),
        (
            "HMSET h f v g",
            "wrong number of arguments for 'hmset' command",
        ),
        ("HINCRBY h f x", "value is not an integer or out of range"),
        ("HINCRBYFLOAT h f x", "value is not a valid float"),
        ("HINCRBYFLOAT h f inf", "value is NaN or Infinity"),
        ("HRANDFIELD h x", "value is not an integer or out of range"),
        ("HRANDFIELD h 1 x", "syntax error"),
        ("HRANDFIELD h 1 WITHVALUES x", "syntax error"),
        (
            "HRANDFIELD h -9223372036854770000 WITHVALUES",
            "value is out of range",
        ),
        (
            "HRANDFIELD h -9223372036854775808",
            "value is out of range, value must between -9223372036854775807 and \
             9223372036854775807",
        ),
        ("HSCAN h x", "invalid cursor"),
    ] {
        assert_eq!(rig.run(command), format!("-ERR {refusal}\r\n"), "{command}");
    }
    assert_eq!(rig.run("EXISTS h"), ":0\r\n");
}

#[test]
fn integers_are_counted_up_and_down() {
    let mut rig = Rig::new();
    assert_eq!(rig.run("HINCRBY h f 5"), ":5\r\n");
    assert_eq!(rig.run("HINCRBY h f -7"), ":-2\r\n");
    rig.run("HSET h text abc max 9223372036854775807 spaced ' 1'");
    for (command, refusal) in [
        ("HINCRBY h text 1", "hash value is not an integer"),
        ("HINCRBY h spaced 1", "hash value is not an integer"),
        ("HINCRBY h max 1", "increment or decrement would overflow"),
        ("HINCRBYFLOAT h text 1", "hash value is not a float"),
    ] {
        assert_eq!(rig.run(command), format!("-ERR {refusal}\r\n"), "{command}");
    }
    assert_eq!(rig.run("HINCRBY h max -1"), ":9223372036854775806\r\n");
}

#[test]
fn replicas_get_the_outcome_of_a_fraction() {
    let mut rig = Rig::new();
    assert_eq!(rig.run("HINCRBYFLOAT h f 10.5"), "$4\r\n10.5\r\n");
    assert_eq!(rig.run("HINCRBYFLOAT h f -0.25"), "$5\r\n10.25\r\n");
    assert_eq!(
        rig.propagated_but_select(),
        ["HSET h f 10.5", "HSET h f 10.25"]
    );
}

#[test]
fn one_field_too_many_or_too_long_makes_a_table() {
    let mut rig = Rig::new();
    rig.env.config.hash_max_listpack_entries = 2;
    rig.env.config.hash_max_listpack_value = 4;
    for (command, encoding) in [
        ("HSET a f 1234", "listpack"),
        ("HSET a f 12345", "hashtable"),
        ("HSET b f 1 g 2", "listpack"),
        ("HSET b h 3", "hashtable"),
        ("HSET c f 1 f 2 f 3", "hashtable"),
        ("HINCRBY d f 12345", "hashtable"),
        ("HSETNX e 12345 1", "hashtable"),
    ] {
        rig.run(command);
        let key = command.split(' ').nth(1).unwrap();
        let shown = rig.run(&format!("OBJECT ENCODING {key}"));
        assert!(
            shown.ends_with(&format!("\r\n{encoding}\r\n")),
            "{command}: {shown}"
        );
    }
}

#[test]
fn maps_are_maps_in_resp3() {
    let mut rig = Rig::new();
    rig.run("HSET h f v");
    rig.session.protocol = Protocol::Resp3;
    assert_eq!(rig.run("HGETALL h"), "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    assert_eq!(rig.run("HGETALL none"), "%0\r\n");
    assert_eq!(rig.run("HKEYS h"), "*1\r\n$1\r\nf\r\n");
    assert_eq!(rig.run("HGET h none"), "_\r\n");
    assert_eq!(rig.run("HRANDFIELD none"), "_\r\n");
    assert_eq!(
        rig.run("HRANDFIELD h 1 WITHVALUES"),
        "*1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
    );
}

#[test]
fn random_fields_repeat_only_where_that_was_asked_for() {
    for in_table in [false, true] {
        let mut rig = with_hash(20, in_table);
        for (count, len) in [(5, 5), (19, 19), (20, 20), (100, 20)] {
            let reply = rig.run(&format!("HRANDFIELD h {count}"));
            let mut fields = bulks(&reply);
            fields.sort_unstable();
            fields.dedup();
            assert_eq!(fields.len(), len, "{count}");
        }
        assert_eq!(bulks(&rig.run("HRANDFIELD h -100")).len(), 100);
        assert_eq!(bulks(&rig.run("HRANDFIELD h")).len(), 1);
        assert_eq!(rig.run("HRANDFIELD h 0"), "*0\r\n");
        let reply = rig.run("HRANDFIELD h -7 WITHVALUES");
        assert!(reply.starts_with("*14\r\n"));
        for pair in bulks(&reply).chunks(2) {
            assert_eq!(pair[0][1..], pair[1][1..]);
        }
        assert_eq!(rig.propagated_but_select(), [""; 0]);
    }
}

#[test]
fn a_scan_shows_every_field_that_matches_with_its_value() {
    for in_table in [false, true] {
        let mut rig = with_hash(200, in_table);
        let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
        loop {
            let reply = rig.run(&format!("HSCAN h {cursor} MATCH f1* COUNT 15"));
            let shown = bulks(&reply);
            cursor = shown[0].to_owned();
            for pair in shown[1..].chunks(2) {
                assert_eq!(pair[0][1..], pair[1][1..]);
                seen.push(pair[0].to_owned());
            }
            if cursor == "0" {
                break;
            }
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 111);
        assert_eq!(rig.run("HSCAN h 0 COUNT 0"), "-ERR syntax error\r\n");
        assert_eq!(rig.run("HSCAN h 0 TYPE hash"), "-ERR syntax error\r\n");
    }
}
