//! Every reply in both protocols, byte for byte.

use super::*;

/// Runs `write` in both protocols and compares with what each must show.
#[track_caller]
fn check(write: impl Fn(&mut Reply), resp2: &str, resp3: &str) {
    for (protocol, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
        let mut reply = Reply::new(protocol);
        write(&mut reply);
        assert_eq!(
            String::from_utf8_lossy(reply.as_bytes()),
            expected,
            "{protocol:?}"
        );
    }
}

#[track_caller]
fn check_both(write: impl Fn(&mut Reply), expected: &str) {
    check(write, expected, expected);
}

#[test]
fn simple_strings_and_errors_are_lines() {
    check_both(|r| r.ok(), "+OK\r\n");
    check_both(|r| r.simple("PONG"), "+PONG\r\n");
    check_both(|r| r.error("ERR syntax error"), "-ERR syntax error\r\n");
}

#[test]
fn an_error_never_breaks_the_line() {
    check_both(|r| r.error("ERR a\r\nb\nc"), "-ERR a  b c\r\n");
    check_both(|r| r.error("\r\nERR x\n\n"), "-ERR x\r\n");
    check_both(|r| r.error("\r\n"), "-\r\n");
}

#[test]
fn integers_of_every_length() {
    for value in [0, 1, -1, 9, 10, 99, 100, 12345, i64::MAX, i64::MIN] {
        check_both(|r| r.int(value), &format!(":{value}\r\n"));
        let text = value.to_string();
        check_both(
            |r| r.bulk_int(value),
            &format!("${}\r\n{text}\r\n", text.len()),
        );
    }
}

#[test]
fn bulk_strings_of_every_header_length() {
    for len in [0, 1, 9, 10, 99, 100, 1000, 70_000] {
        let data = "x".repeat(len);
        check_both(|r| r.bulk(&data), &format!("${len}\r\n{data}\r\n"));
        check_both(|r| r.array(len), &format!("*{len}\r\n"));
    }
}

#[test]
fn nulls_and_truth_values() {
    check(|r| r.null(), "$-1\r\n", "_\r\n");
    check(|r| r.null_array(), "*-1\r\n", "_\r\n");
    check(|r| r.bool(true), ":1\r\n", "#t\r\n");
    check(|r| r.bool(false), ":0\r\n", "#f\r\n");
}

#[test]
fn aggregates_have_their_own_marks_in_resp3() {
    check(|r| r.map(2), "*4\r\n", "%2\r\n");
    check(|r| r.map(60), "*120\r\n", "%60\r\n");
    check(|r| r.set(3), "*3\r\n", "~3\r\n");
    check(|r| r.push(3), "*3\r\n", ">3\r\n");
    let mut reply = Reply::new(Protocol::Resp3);
    reply.attribute(1);
    assert_eq!(reply.as_bytes(), b"|1\r\n");
}

#[test]
fn doubles_are_shortest_and_typed_in_resp3() {
    check(|r| r.double(3.0), "$1\r\n3\r\n", ",3\r\n");
    check(|r| r.double(0.1), "$3\r\n0.1\r\n", ",0.1\r\n");
    check(|r| r.double(-0.0), "$2\r\n-0\r\n", ",-0\r\n");
    check(|r| r.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
    check(
        |r| r.double(f64::NEG_INFINITY),
        "$4\r\n-inf\r\n",
        ",-inf\r\n",
    );
    check(|r| r.double(1.5e300), "$8\r\n1.5e+300\r\n", ",1.5e+300\r\n");
    check(|r| r.double_text(b"10.5"), "$4\r\n10.5\r\n", ",10.5\r\n");
}

#[test]
fn verbatim_text_and_big_numbers() {
    check(
        |r| r.verbatim("txt", b"hello"),
        "$5\r\nhello\r\n",
        "=9\r\ntxt:hello\r\n",
    );
    check(|r| r.verbatim("md", b"x"), "$1\r\nx\r\n", "=5\r\nmd :x\r\n");
    check(
        |r| r.verbatim("markdown", b"x"),
        "$1\r\nx\r\n",
        "=5\r\nmar:x\r\n",
    );
    check(
        |r| r.big_number(b"12345678999999999999999999999999"),
        "$32\r\n12345678999999999999999999999999\r\n",
        "(12345678999999999999999999999999\r\n",
    );
}

#[test]
fn a_deferred_length_fits_any_count() {
    for count in [0usize, 1, 9, 10, 1234] {
        let mut reply = Reply::new(Protocol::Resp2);
        reply.ok();
        let open = reply.begin_array();
        for _ in 0..count {
            reply.int(1);
        }
        reply.end(open, count);
        let expected = format!("+OK\r\n*{count}\r\n{}", ":1\r\n".repeat(count));
        assert_eq!(reply.as_bytes(), expected.as_bytes());
    }
}

#[test]
fn deferred_maps_and_sets_follow_the_protocol() {
    let write = |r: &mut Reply| {
        let outer = r.begin(Aggregate::Map);
        for key in ["a", "b", "c", "d", "e", "f"] {
            r.bulk(key);
            let inner = r.begin(Aggregate::Set);
            r.int(7);
            r.end(inner, 1);
        }
        r.end(outer, 6);
    };
    let body = |mark: &str| -> String {
        ["a", "b", "c", "d", "e", "f"]
            .iter()
            .map(|k| format!("$1\r\n{k}\r\n{mark}1\r\n:7\r\n"))
            .collect()
    };
    check(
        write,
        &format!("*12\r\n{}", body("*")),
        &format!("%6\r\n{}", body("~")),
    );
}

#[test]
fn a_reply_is_due_after_so_many_more_bytes() {
    let mut reply = Reply::with_buf(b"+OK\r\n".to_vec(), Protocol::Resp2);
    assert!(!reply.is_due());
    reply.set_due(10);
    reply.ok();
    assert!(!reply.is_due());
    reply.ok();
    assert!(reply.is_due());
    reply.set_due(1);
    assert!(!reply.is_due());
    reply.set_due(0);
    assert!(reply.is_due(), "at once");
}

#[test]
fn buffers_can_be_pooled() {
    let mut reply = Reply::with_buf(Vec::with_capacity(512), Protocol::Resp3);
    reply.ok();
    assert_eq!(reply.len(), 5);
    let taken = reply.take_buf();
    assert!(taken.capacity() >= 512 && reply.is_empty() && reply.capacity() == 0);
    let mut reply = Reply::with_buf(taken, Protocol::Resp2);
    assert_eq!(reply.as_bytes(), b"+OK\r\n");
    reply.truncate(1);
    assert_eq!(reply.as_bytes(), b"+");
    reply.clear();
    assert!(reply.is_empty());
}
