//! Streams as clients and replicas see them.

use crate::commands::session::Kind;
use crate::commands::testing::{Rig, START_MS};
use crate::resp::writer::Protocol;

/// A reply as a line: nested elements in brackets.
fn line(reply: &str) -> String {
    let mut lines = reply.split("\r\n");
    element(&mut lines)
}

fn element<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    let head = lines.next().expect("a reply");
    let (kind, rest) = head.split_at(1);
    match (kind, rest) {
        ("$" | "*", "-1") | ("_", _) => "nil".to_owned(),
        ("$", _) => lines.next().expect("a bulk string").to_owned(),
        ("*" | "%", len) => {
            let len: usize = len.parse().expect("a length");
            let len = if kind == "%" { 2 * len } else { len };
            let elements: Vec<String> = (0..len).map(|_| element(lines)).collect();
            format!("[{}]", elements.join(" "))
        }
        _ => rest.to_owned(),
    }
}

trait Ask {
    fn ask(&mut self, command: &str) -> String;
    fn ask_all<const N: usize>(&mut self, commands: [&str; N]);
}

impl Ask for Rig {
    fn ask(&mut self, command: &str) -> String {
        line(&self.run(command))
    }

    fn ask_all<const N: usize>(&mut self, commands: [&str; N]) {
        for command in commands {
            let reply = self.run(command);
            assert!(!reply.starts_with('-'), "{command}: {reply}");
        }
    }
}

/// A stream of three entries with a group that has read two of them.
fn rig_with_group() -> Rig {
    let mut rig = Rig::new();
    rig.ask_all([
        "XADD s 1-1 f a",
        "XADD s 2-0 f b",
        "XADD s 3-0 f c",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g alice COUNT 2 STREAMS s >",
    ]);
    rig.propagated();
    rig
}

#[test]
fn replicas_get_the_ids_and_lengths_that_came_out() {
    let mut rig = Rig::new();
    let id = rig.ask("XADD s * f v");
    assert_eq!(id, format!("{START_MS}-0"));
    rig.ask_all([
        "XADD s 1800000000000-* f v",
        "XADD s 1800000000001 f v",
        "XADD s MAXLEN ~ 0 LIMIT 0 * f v",
        "XADD s MINID ~ 5 1800000000009-1 f v",
        "XTRIM s MAXLEN ~ 0 LIMIT 1",
        "XTRIM s MAXLEN = 0",
        "XADD none NOMKSTREAM * f v",
    ]);
    assert_eq!(
        rig.propagated(),
        [
            "SELECT 0",
            &format!("XADD s {START_MS}-0 f v"),
            "XADD s 1800000000000-0 f v",
            "XADD s 1800000000001 f v",
            "XADD s MAXLEN = 0 LIMIT 0 1800000000001-1 f v",
            "XADD s MINID = 1800000000009-1 1800000000009-1 f v",
            "XTRIM s MAXLEN = 0 LIMIT 1",
        ]
    );
    assert_eq!(rig.ask("XLEN s"), "0");
    assert_eq!(rig.ask("TYPE s"), "stream");
}

#[test]
fn what_a_master_says_is_trimmed_as_it_says() {
    let mut rig = Rig::new();
    rig.ask_all(["XADD s 1 f v", "XADD s 2 f v"]);
    assert_eq!(
        rig.ask("XTRIM s MAXLEN = 0 LIMIT 1"),
        "ERR syntax error, LIMIT cannot be used without the special ~ option"
    );
    rig.session.kind = Kind::Master;
    assert_eq!(rig.ask("XTRIM s MAXLEN = 0 LIMIT 1"), "2");
}

#[test]
fn options_of_xadd_and_xtrim_are_checked_like_the_reference_does() {
    let mut rig = Rig::new();
    rig.ask_all(["XADD s 5-5 f v"]);
    for (command, reply) in [
        (
            "XADD s 5-5 f v",
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ),
        (
            "XADD s 0-0 f v",
            "ERR The ID specified in XADD must be greater than 0-0",
        ),
        (
            "XADD s * f v f",
            "ERR wrong number of arguments for 'xadd' command",
        ),
        (
            "XADD s x f v",
            "ERR Invalid stream ID specified as stream command argument",
        ),
        (
            "XADD s MAXLEN -1 * f v",
            "ERR The MAXLEN argument must be >= 0.",
        ),
        (
            "XADD s MAXLEN 1 MINID 1 * f v",
            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
        (
            "XADD s LIMIT 1 * f v",
            "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        ),
        (
            "XTRIM s LIMIT 0",
            "ERR syntax error, XTRIM must be called with a trimming strategy",
        ),
        ("XTRIM s MAXLEN 1 x", "ERR syntax error"),
        (
            "XTRIM s MAXLEN ~ 1 LIMIT -1",
            "ERR The LIMIT argument must be >= 0.",
        ),
        (
            "XADD s 18446744073709551615-18446744073709551615 f v",
            "18446744073709551615-18446744073709551615",
        ),
        (
            "XADD s * f v",
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ),
    ] {
        assert_eq!(rig.ask(command), reply, "{command}");
    }
}

#[test]
fn ranges_run_both_ways_and_may_be_open() {
    let mut rig = rig_with_group();
    let entries = "[1-1 [f a]] [2-0 [f b]] [3-0 [f c]]";
    assert_eq!(rig.ask("XRANGE s - +"), format!("[{entries}]"));
    assert_eq!(rig.ask("XRANGE s (1-1 2"), "[[2-0 [f b]]]");
    assert_eq!(rig.ask("XREVRANGE s + (1-1 COUNT 1"), "[[3-0 [f c]]]");
    assert_eq!(rig.ask("XRANGE s - + COUNT 0"), "nil");
    assert_eq!(rig.ask("XRANGE none - +"), "[]");
    assert_eq!(
        rig.ask("XRANGE s (18446744073709551615-18446744073709551615 +"),
        "ERR invalid start ID for the interval"
    );
    assert_eq!(
        rig.ask("XRANGE s - (0-0"),
        "ERR invalid end ID for the interval"
    );
}

#[test]
fn reading_as_a_consumer_is_told_as_claims() {
    let mut rig = rig_with_group();
    assert_eq!(
        rig.ask("XREADGROUP GROUP g bob STREAMS s >"),
        "[[s [[3-0 [f c]]]]]"
    );
    assert_eq!(
        rig.propagated(),
        [format!(
            "XCLAIM s g bob 0 3-0 TIME {START_MS} RETRYCOUNT 1 FORCE JUSTID LASTID 3-0"
        )]
    );
    assert_eq!(rig.ask("XREADGROUP GROUP g bob STREAMS s >"), "nil");
    assert_eq!(
        rig.ask("XREADGROUP GROUP g alice STREAMS s 1-1"),
        "[[s [[2-0 [f b]]]]]"
    );
    assert_eq!(rig.propagated(), [""; 0]);
    rig.advance_ms(5);
    assert_eq!(
        rig.ask("XPENDING s g - + 10 alice"),
        "[[1-1 alice 5 1] [2-0 alice 5 2]]"
    );
    assert_eq!(rig.ask("XPENDING s g"), "[3 1-1 3-0 [[alice 2] [bob 1]]]");
    assert_eq!(rig.ask("XACK s g 1-1 1-1 9-9"), "1");
    assert_eq!(rig.propagated(), ["XACK s g 1-1 1-1 9-9"]);
}

#[test]
fn reading_without_acknowledgement_tells_the_position_only() {
    let mut rig = rig_with_group();
    rig.ask_all(["XREADGROUP GROUP g carol NOACK STREAMS s >"]);
    assert_eq!(
        rig.propagated(),
        [
            "MULTI",
            "XGROUP CREATECONSUMER s g carol",
            "XGROUP SETID s g 3-0 ENTRIESREAD 3",
            "EXEC",
        ]
    );
}

#[test]
fn history_shows_what_is_gone_without_fields() {
    let mut rig = rig_with_group();
    rig.ask_all(["XDEL s 1-1"]);
    assert_eq!(
        rig.ask("XREADGROUP GROUP g alice STREAMS s 0"),
        "[[s [[1-1 nil] [2-0 [f b]]]]]"
    );
}

#[test]
fn claims_move_what_is_idle_and_forget_what_is_gone() {
    let mut rig = rig_with_group();
    rig.advance_ms(100);
    assert_eq!(rig.ask("XCLAIM s g bob 101 1-1"), "[]");
    // The new consumer alone is not told; a claim will be.
    assert_eq!(rig.propagated(), [""; 0]);
    assert_eq!(rig.ask("XCLAIM s g bob 100 1-1 3-0"), "[[1-1 [f a]]]");
    assert_eq!(
        rig.ask("XCLAIM s g bob 0 3-0 FORCE JUSTID RETRYCOUNT 7 TIME 9"),
        "[3-0]"
    );
    let now = START_MS + 100;
    assert_eq!(
        rig.propagated(),
        [
            format!("XCLAIM s g bob 0 1-1 TIME {now} RETRYCOUNT 2 FORCE JUSTID LASTID 2-0"),
            "XCLAIM s g bob 0 3-0 TIME 9 RETRYCOUNT 7 FORCE JUSTID LASTID 2-0".to_owned(),
        ]
    );
    rig.ask_all(["XDEL s 1-1"]);
    assert_eq!(
        rig.ask("XAUTOCLAIM s g carol 0 - COUNT 2"),
        "[3-0 [[2-0 [f b]]] [1-1]]"
    );
    assert_eq!(
        rig.ask("XAUTOCLAIM s g carol 0 (2-0 JUSTID"),
        "[0-0 [3-0] []]"
    );
    assert_eq!(
        rig.ask("XCLAIM s nog bob 0 1"),
        "NOGROUP No such key 's' or consumer group 'nog'"
    );
    assert_eq!(
        rig.ask("XAUTOCLAIM s g c 0 - COUNT 0"),
        "ERR COUNT must be > 0"
    );
}

#[test]
fn a_claim_may_only_move_the_group_on() {
    let mut rig = rig_with_group();
    assert_eq!(rig.ask("XCLAIM s g alice 0 9-9 LASTID 3-0"), "[]");
    assert_eq!(rig.propagated(), ["XGROUP SETID s g 3-0 ENTRIESREAD 2"]);
    assert_eq!(rig.ask("XREADGROUP GROUP g alice STREAMS s >"), "nil");
}

#[test]
fn groups_come_and_go() {
    let mut rig = Rig::new();
    assert!(
        rig.ask("XGROUP CREATE s g $")
            .starts_with("ERR The XGROUP subcommand requires")
    );
    assert_eq!(rig.ask("XGROUP CREATE s g $ MKSTREAM"), "OK");
    assert_eq!(
        rig.ask("XGROUP CREATE s g $"),
        "BUSYGROUP Consumer Group name already exists"
    );
    assert_eq!(rig.ask("XGROUP CREATECONSUMER s g c"), "1");
    assert_eq!(rig.ask("XGROUP CREATECONSUMER s g c"), "0");
    assert_eq!(
        rig.ask("XGROUP DELCONSUMER s x c"),
        "NOGROUP No such consumer group 'x' for key name 's'"
    );
    assert_eq!(rig.ask("XGROUP DELCONSUMER s g c"), "0");
    assert_eq!(rig.ask("XGROUP SETID s g 5 ENTRIESREAD 3"), "OK");
    assert_eq!(
        rig.ask("XINFO GROUPS s"),
        "[[name g consumers 0 pending 0 last-delivered-id 5-0 entries-read 3 lag 0]]"
    );
    assert_eq!(
        rig.ask("XGROUP SETID s g 5 ENTRIESREAD -2"),
        "ERR value for ENTRIESREAD must be positive or -1"
    );
    assert_eq!(rig.ask("XGROUP DESTROY s g"), "1");
    assert_eq!(rig.ask("XGROUP DESTROY s g"), "0");
}

#[test]
fn xinfo_tells_all() {
    let mut rig = rig_with_group();
    assert_eq!(
        rig.ask("XINFO STREAM s"),
        "[length 3 radix-tree-keys 1 radix-tree-nodes 2 last-generated-id 3-0 \
         max-deleted-entry-id 0-0 entries-added 3 recorded-first-entry-id 1-1 groups 1 \
         first-entry [1-1 [f a]] last-entry [3-0 [f c]]]"
    );
    let t = START_MS;
    assert_eq!(
        rig.ask("XINFO STREAM s FULL COUNT 1"),
        format!(
            "[length 3 radix-tree-keys 1 radix-tree-nodes 2 last-generated-id 3-0 \
             max-deleted-entry-id 0-0 entries-added 3 recorded-first-entry-id 1-1 \
             entries [[1-1 [f a]]] groups [[name g last-delivered-id 2-0 entries-read 2 lag 1 \
             pel-count 2 pending [[1-1 alice {t} 1]] consumers [[name alice seen-time {t} \
             active-time {t} pel-count 2 pending [[1-1 {t} 1]]]]]]]"
        )
    );
    rig.advance_ms(7);
    rig.ask_all(["XGROUP CREATECONSUMER s g bob"]);
    rig.advance_ms(1);
    assert_eq!(
        rig.ask("XINFO CONSUMERS s g"),
        "[[name alice pending 2 idle 8 inactive 8] [name bob pending 0 idle 1 inactive -1]]"
    );
    assert_eq!(rig.ask("XINFO STREAM none"), "ERR no such key");
    assert_eq!(
        rig.ask("XINFO STREAM s FULL COUNT"),
        "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."
    );
}

#[test]
fn several_streams_are_a_map_in_resp3() {
    let mut rig = rig_with_group();
    let entries = "*1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\nf\r\n$1\r\nc\r\n";
    assert_eq!(
        rig.run("XREAD STREAMS s none 2 0"),
        format!("*1\r\n*2\r\n$1\r\ns\r\n{entries}")
    );
    assert_eq!(rig.run("XREAD STREAMS s $"), "*-1\r\n");
    rig.session.protocol = Protocol::Resp3;
    assert_eq!(
        rig.run("XREAD STREAMS s none 2 0"),
        format!("%1\r\n$1\r\ns\r\n{entries}")
    );
    assert_eq!(rig.run("XREAD STREAMS s $"), "_\r\n");
}

#[test]
fn a_reader_waits_for_what_comes_after_it_asked() {
    let mut rig = rig_with_group();
    assert_eq!(rig.run_as(2, "XREAD BLOCK 0 STREAMS s $"), "");
    assert_eq!(
        rig.run_as(
            3,
            "XREADGROUP GROUP g bob BLOCK 0 COUNT 1 STREAMS s none >  >"
        ),
        { "-NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP with GROUP option\r\n" }
    );
    rig.ask_all(["XREADGROUP GROUP g alice STREAMS s >"]);
    assert_eq!(
        rig.run_as(3, "XREADGROUP GROUP g bob BLOCK 0 STREAMS s >"),
        ""
    );
    rig.run("XADD s 4-0 f d");
    let served = rig.served().into_iter();
    let served: Vec<_> = served
        .map(|(client, reply)| (client, line(&reply)))
        .collect();
    let entry = "[[s [[4-0 [f d]]]]]".to_owned();
    assert_eq!(served, [(2, entry.clone()), (3, entry)]);
}

#[test]
fn a_waiting_consumer_is_told_that_its_group_is_gone() {
    let mut rig = rig_with_group();
    rig.ask_all(["XREADGROUP GROUP g alice STREAMS s >"]);
    assert_eq!(
        rig.run_as(2, "XREADGROUP GROUP g bob BLOCK 0 STREAMS s >"),
        ""
    );
    rig.run("XGROUP DESTROY s g");
    let refusal =
        "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n";
    assert_eq!(rig.served(), [(2, refusal.to_owned())]);
}

#[test]
fn xsetid_is_refused_where_entries_contradict_it() {
    let mut rig = rig_with_group();
    rig.ask_all(["XDEL s 2-0"]);
    for (command, reply) in [
        (
            "XSETID s 1-0",
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ),
        (
            "XSETID s 2-9",
            "ERR The ID specified in XSETID is smaller than the target stream top item",
        ),
        (
            "XSETID s 9 ENTRIESADDED 1",
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ),
        (
            "XSETID s 9 MAXDELETEDID 10",
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ),
        ("XSETID none 9", "ERR no such key"),
        ("XSETID s 9 ENTRIESADDED 20 MAXDELETEDID 4", "OK"),
    ] {
        assert_eq!(rig.ask(command), reply, "{command}");
    }
    assert!(
        rig.ask("XINFO STREAM s")
            .contains("max-deleted-entry-id 4-0 entries-added 20")
    );
}
