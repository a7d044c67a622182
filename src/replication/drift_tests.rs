//! Two servers that compare what the stream comes to before one of them continues.

use crate::base::crc64;
use crate::replication::extensions::StreamSum;
use crate::replication::history::SUM_OF_NOTHING;
use crate::replication::rig::{Rig, id};
use crate::replication::*;

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

/// A replica at 100 of history `a`, whose stream comes to 7 there, that has lost its link.
fn cut_replica() -> Rig {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.handshake();
    rig.bytes(format!("+FULLRESYNC {} 100\r\n$10\r\n0123456789", id('a')).as_bytes());
    rig.inspected(true);
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    let place = StreamPlace {
        db: Some(0),
        sum: Some(7),
    };
    rig.repl.on_load_finished(place, rig.facts, &mut rig.out);
    rig.stream(SET);
    rig.pass_ms(2000);
    rig.closed();
    rig.out.clear();
    rig
}

fn stated() -> String {
    let sum = StreamSum {
        id: ReplId::parse(id('a').as_bytes()).expect("an id"),
        offset: 100 + SET.len() as u64,
        sum: crc64::extend(7, SET),
    };
    String::from_utf8(wire::command(&[
        b"REPLCONF",
        b"stream-sum",
        sum.text().as_bytes(),
    ]))
    .expect("ASCII")
}

#[test]
fn a_replica_tells_a_master_of_ours_what_its_stream_comes_to() {
    let mut rig = cut_replica();
    rig.handshake_with_ours();
    assert_eq!(rig.sent(), stated());
    rig.bytes(b"+OK\r\n");
    let next = 101 + SET.len();
    let asked = format!("PSYNC {} {next}", id('a'));
    let words: Vec<&[u8]> = asked.split(' ').map(str::as_bytes).collect();
    assert_eq!(rig.sent().as_bytes(), wire::command(&words));
    rig.bytes(b"+CONTINUE\r\n");
    assert!(rig.repl.is_link_up());
    assert_eq!(rig.repl.info(rig.facts.now).stream_drifts, 0);
}

#[test]
fn a_stock_master_is_told_nothing_of_it() {
    let mut rig = cut_replica();
    rig.repl.on_connected(rig.facts, &mut rig.out);
    rig.bytes(b"+PONG\r\n");
    rig.sent();
    rig.bytes(b"+OK\r\n+OK\r\n");
    assert!(rig.sent().contains("PSYNC"), "and asked at once");
}

#[test]
fn a_replica_whose_sum_differs_asks_for_everything() {
    let mut rig = cut_replica();
    rig.handshake_with_ours();
    rig.sent();
    rig.bytes(b"-DRIFT the stream comes to something else here\r\n");
    assert_eq!(
        rig.sent().as_bytes(),
        wire::command(&[b"PSYNC", b"?", b"-1"])
    );
    let info = rig.repl.info(rig.facts.now);
    assert_eq!(info.stream_drifts, 1);
    let is_about_it = |channel: &str| channel.ends_with("stream-sum");
    let told = |action: &Action| match action {
        Action::Publish { channel, .. } => is_about_it(channel),
        _ => false,
    };
    assert!(rig.out.iter().any(told), "{:?}", rig.out);
    rig.bytes(format!("+FULLRESYNC {} 200\r\n", id('a')).as_bytes());
    assert!(
        rig.repl.is_syncing(),
        "the history is known, so it is taken"
    );
}

#[test]
fn another_error_to_it_changes_nothing() {
    let mut rig = cut_replica();
    rig.handshake_with_ours();
    rig.sent();
    rig.bytes(b"-ERR busy\r\n");
    assert!(rig.sent().contains(&id('a')));
}

#[test]
fn a_master_compares_where_it_holds_the_place() {
    let mut rig = Rig::new(ReplicationSettings::default());
    rig.psync(1, "?", "-1");
    let id = rig.repl.identity().id();
    let begin = rig.repl.offset();
    rig.repl.feed(None, SET);
    rig.repl.feed(None, SET);
    let state = |offset: u64, sum: u64| {
        let text = StreamSum { id, offset, sum }.text();
        format!("stream-sum {text}")
    };
    let middle = begin + SET.len() as u64;
    let sum = crc64::extend(SUM_OF_NOTHING, SET);
    assert_eq!(rig.replconf(2, &state(middle, sum)), ReplconfReply::Ok);
    assert_eq!(
        rig.replconf(2, &state(middle + 10_000, 1)),
        ReplconfReply::Ok
    );
    assert_eq!(rig.repl.info(rig.facts.now).stream_drifts, 0);
    let reply = rig.replconf(2, &state(middle, sum ^ 1));
    let ReplconfReply::Error(text) = reply else {
        panic!("{reply:?}");
    };
    assert!(text.starts_with(b"DRIFT "), "{}", text.escape_ascii());
    assert_eq!(rig.repl.info(rig.facts.now).stream_drifts, 1);
    let nonsense = rig.replconf(2, "stream-sum x");
    assert!(matches!(nonsense, ReplconfReply::Error(_)));
}
