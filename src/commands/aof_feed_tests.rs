//! What the feed holds, by itself and beside a stream.

use super::*;

#[test]
fn a_database_is_selected_once_and_again_in_another_file() {
    let mut feed = AofFeed::default();
    feed.append(None, b"M", None);
    feed.append(Some(0), b"A", None);
    feed.append(Some(0), b"B", None);
    feed.append(Some(11), b"C", None);
    feed.append(None, b"E", None);
    let expected = b"M*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\nAB*2\r\n$6\r\nSELECT\r\n$2\r\n11\r\nCE";
    assert_eq!(feed.bytes(), expected);
    feed.written(expected.len());
    feed.begin_file();
    feed.append(Some(11), b"D", None);
    assert_eq!(feed.bytes(), b"*2\r\n$6\r\nSELECT\r\n$2\r\n11\r\nD");
}

#[test]
fn a_second_is_named_once_and_never_an_earlier_one() {
    let mut feed = AofFeed::default();
    for (command, second) in [(b"A", 7), (b"B", 7), (b"C", 6), (b"D", 8)] {
        feed.append(None, command, Some(second));
    }
    assert_eq!(feed.bytes(), b"#TS:7\r\nABC#TS:8\r\nD");
}

#[test]
fn what_was_written_in_part_keeps_its_rest() {
    let mut feed = AofFeed::default();
    feed.append(None, b"ABCDEF", None);
    feed.written(2);
    assert_eq!(feed.bytes(), b"CDEF");
    feed.written(4);
    assert_eq!(feed.bytes(), b"");
}

const PLACE: Place = Place {
    id: [b'a'; 40],
    offset: 1000,
    db: Some(0),
    sum: Some(7),
};

/// A feed that follows the stream from 1000 on, and what it holds then.
fn following() -> (AofFeed, String) {
    let mut feed = AofFeed::default();
    feed.switch(true);
    feed.follow(Some(PLACE), None);
    let head = format!("#RP:{}:1000:0:0000000000000007\r\n", "a".repeat(40));
    (feed, head)
}

fn text(feed: &mut AofFeed) -> String {
    feed.seal();
    String::from_utf8(feed.bytes().to_vec()).expect("ASCII in this test")
}

const SELECT_2: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n";

#[test]
fn what_the_stream_has_too_needs_no_mark() {
    let (mut feed, head) = following();
    feed.append_followed(Some(2), b"ABC", None, 3 + SELECT_2.len() as u64);
    feed.append_followed(Some(2), b"DE", None, 2);
    assert_eq!(feed.followed_end(), Some(1028));
    let want = format!("{head}#RB:0000001c:0000000000000404\r\n{SELECT_2}ABCDE");
    assert_eq!(text(&mut feed), want);
    feed.written(want.len());
    assert_eq!(text(&mut feed), "", "a batch begins with what it holds");
}

#[test]
fn what_the_file_or_the_stream_has_alone_is_marked() {
    let (mut feed, head) = following();
    feed.append_followed(Some(2), b"ABC", None, 3);
    feed.append_followed(Some(2), b"own", None, 0);
    feed.append_sent(b"PING\r\n");
    feed.append_followed(Some(2), b"D", Some(9), 1);
    assert_eq!(feed.followed_end(), Some(1010));
    let body = format!("#RO:23\r\n{SELECT_2}ABC#RO:3\r\nown#RS:PING\\r\\n\r\n#TS:9\r\nD");
    let count = body.len();
    let want = format!("{head}#RB:{count:08x}:00000000000003f2\r\n{body}");
    assert_eq!(text(&mut feed), want);
}

#[test]
fn what_a_master_has_sent_and_what_it_yields_are_compared() {
    let (mut feed, head) = following();
    let apply = |feed: &mut AofFeed, yields: &[&[u8]], stream: &[u8]| {
        feed.begin_applied(None);
        for command in yields {
            feed.append_followed(Some(2), command, None, 0);
        }
        feed.end_applied(stream);
    };
    apply(&mut feed, &[], SELECT_2.as_bytes());
    apply(&mut feed, &[b"SET a"], b"SET a");
    apply(&mut feed, &[], b"PING");
    apply(&mut feed, &[b"PEXPIREAT"], b"EXPIRE");
    apply(&mut feed, &[], b"");
    apply(&mut feed, &[b"M", b"A", b"B", b"E"], b"MABE");
    let grown = SELECT_2.len() + 5 + 4 + 6 + 4;
    assert_eq!(feed.followed_end(), Some(1000 + grown as u64));
    let body = format!("{SELECT_2}SET a#RS:PING\r\n#RS:EXPIRE\r\n#RO:9\r\nPEXPIREATMABE");
    let (count, end) = (body.len(), 1000 + grown);
    let want = format!("{head}#RB:{count:08x}:{end:016x}\r\n{body}");
    assert_eq!(text(&mut feed), want);
}

#[test]
fn comments_alone_are_no_data() {
    let (mut feed, _) = following();
    feed.append_sent(b"PING\r\n");
    feed.begin_applied(None);
    feed.end_applied(b"PING\r\n");
    assert!(!feed.take_has_data());
    feed.append_followed(Some(0), b"SET", None, 3);
    assert!(feed.take_has_data());
    assert!(!feed.take_has_data());
    feed.begin_applied(None);
    feed.append_followed(Some(0), b"SET", None, 0);
    feed.end_applied(b"SET");
    assert!(feed.take_has_data());
}

#[test]
fn messages_do_not_make_the_file_much_longer_than_its_commands() {
    let (mut feed, _) = following();
    assert!(feed.may_keep_sent(1 << 20));
    feed.append_sent(&vec![b'm'; 1 << 20]);
    assert!(!feed.may_keep_sent(1));
    feed.append_followed(Some(0), &[b'c'; 100], None, 100);
    assert!(feed.may_keep_sent(100) && !feed.may_keep_sent(101));
    feed.begin_applied(None);
    feed.append_followed(Some(0), b"yield", None, 0);
    feed.end_applied(&[b'm'; 200]);
    assert_eq!(feed.followed_end(), None, "the place is lost");
    assert!(text(&mut feed).ends_with("yield"));
}

#[test]
fn the_place_is_told_again_after_a_while_and_under_another_name() {
    let (mut feed, _) = following();
    assert!(feed.follows(&[b'a'; 40]) && feed.told_place_lately());
    assert!(!feed.follows(&[b'b'; 40]));
    let long = vec![b'c'; 1 << 16];
    feed.append_followed(None, &long, None, 1 << 16);
    assert!(!feed.told_place_lately(), "64 KiB later");
    let lineage = "of another history";
    feed.follow(Some(PLACE), Some(lineage));
    assert!(text(&mut feed).ends_with(&format!("#RL:{lineage}\r\n")));
    assert!(feed.told_place_lately());
    feed.lose_place();
    assert!(text(&mut feed).ends_with("#RP:-\r\n"));
    assert_eq!(feed.followed_end(), None);
}
