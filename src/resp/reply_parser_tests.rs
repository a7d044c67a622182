//! Each type, in whole and in pieces, and what hostile bytes can do: nothing.

use super::*;
use crate::base::rng::Rng;

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

fn simple(text: &str) -> Value {
    Value::Simple(text.as_bytes().to_vec())
}

fn error(text: &str) -> Value {
    Value::Error(text.as_bytes().to_vec())
}

fn all(parser: &mut ReplyParser) -> Result<Vec<Value>, ReplyError> {
    let mut values = Vec::new();
    while let Some(value) = parser.next_reply()? {
        values.push(value);
    }
    Ok(values)
}

fn parse(bytes: &[u8]) -> Result<Vec<Value>, ReplyError> {
    let mut parser = ReplyParser::default();
    parser.feed(bytes);
    all(&mut parser)
}

#[track_caller]
fn check(bytes: &str, expected: &[Value]) {
    assert_eq!(
        parse(bytes.as_bytes()).as_deref(),
        Ok(expected),
        "{bytes:?}"
    );
}

#[track_caller]
fn check_refused(bytes: &str, expected: ReplyError) {
    assert_eq!(parse(bytes.as_bytes()), Err(expected), "{bytes:?}");
}

/// One of everything, and what it stands for.
fn everything() -> (Vec<u8>, Vec<Value>) {
    let parts: Vec<(&str, Option<Value>)> = vec![
        ("+PONG\r\n", Some(simple("PONG"))),
        ("+\r\n", Some(simple(""))),
        ("-LOADING wait\r\n", Some(error("LOADING wait"))),
        (":-42\r\n", Some(Value::Int(-42))),
        ("$5\r\na\r\nb\0\r\n", Some(bulk("a\r\nb\0"))),
        ("$0\r\n\r\n", Some(bulk(""))),
        ("$-1\r\n", Some(Value::Null)),
        ("*-1\r\n", Some(Value::Null)),
        ("*0\r\n", Some(Value::Array(vec![]))),
        (
            "*2\r\n*2\r\n:1\r\n$1\r\nx\r\n*0\r\n",
            Some(Value::Array(vec![
                Value::Array(vec![Value::Int(1), bulk("x")]),
                Value::Array(vec![]),
            ])),
        ),
        ("_\r\n", Some(Value::Null)),
        ("#t\r\n", Some(Value::Int(1))),
        ("#f\r\n", Some(Value::Int(0))),
        (",1.5\r\n", Some(simple("1.5"))),
        (
            "(123456789012345678901234567890\r\n",
            Some(simple("123456789012345678901234567890")),
        ),
        ("!7\r\nERR bad\r\n", Some(error("ERR bad"))),
        ("=8\r\ntxt:some\r\n", Some(bulk("some"))),
        (
            "%2\r\n+a\r\n:1\r\n+b\r\n_\r\n",
            Some(Value::Array(vec![
                simple("a"),
                Value::Int(1),
                simple("b"),
                Value::Null,
            ])),
        ),
        ("~1\r\n:7\r\n", Some(Value::Array(vec![Value::Int(7)]))),
        (
            ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
            Some(Value::Array(vec![bulk("message"), bulk("c"), bulk("hi")])),
        ),
        ("|1\r\n+ttl\r\n:3600\r\n", None),
        ("|0\r\n", None),
        (
            "*2\r\n|1\r\n+k\r\n*1\r\n:9\r\n:1\r\n:2\r\n",
            Some(Value::Array(vec![Value::Int(1), Value::Int(2)])),
        ),
    ];
    let bytes = parts.iter().flat_map(|(text, _)| text.bytes()).collect();
    let values = parts.into_iter().filter_map(|(_, value)| value).collect();
    (bytes, values)
}

#[test]
fn every_type_has_its_value() {
    let (bytes, expected) = everything();
    assert_eq!(parse(&bytes), Ok(expected));
}

#[test]
fn replies_may_be_cut_anywhere() {
    let (bytes, expected) = everything();
    for cut in 0..=bytes.len() {
        let mut parser = ReplyParser::default();
        let mut values = Vec::new();
        for piece in [&bytes[..cut], &bytes[cut..]] {
            parser.feed(piece);
            values.extend(all(&mut parser).expect("it makes sense"));
        }
        assert_eq!(values, expected, "cut at {cut}");
    }
    let mut parser = ReplyParser::default();
    let mut values = Vec::new();
    for byte in &bytes {
        parser.feed(&[*byte]);
        values.extend(all(&mut parser).expect("it makes sense"));
    }
    assert_eq!(values, expected, "byte by byte");
}

#[test]
fn a_reply_is_given_as_soon_as_it_is_whole() {
    let (bytes, expected) = everything();
    let mut parser = ReplyParser::default();
    let mut given = 0;
    for end in 0..bytes.len() {
        let whole = parse(&bytes[..end]).expect("a beginning makes sense").len();
        parser.feed(&bytes[end..=end]);
        given += all(&mut parser).expect("it makes sense").len();
        assert!(whole <= given, "at {end}");
    }
    assert_eq!(given, expected.len());
}

#[test]
fn what_makes_no_sense_is_refused() {
    check_refused("hello\r\n", ReplyError::UnknownType(b'h'));
    check_refused("h", ReplyError::UnknownType(b'h'));
    check_refused("\r\n", ReplyError::UnknownType(b'\r'));
    check_refused("\n", ReplyError::UnknownType(b'\n'));
    check_refused("+a\rb", ReplyError::BadEnd);
    check_refused("+a\nb\r\n", ReplyError::BadEnd);
    check_refused(":\r\n", ReplyError::BadNumber);
    check_refused(":1x\r\n", ReplyError::BadNumber);
    check_refused(":99999999999999999999\r\n", ReplyError::BadNumber);
    check_refused("#x\r\n", ReplyError::BadNumber);
    check_refused("_x\r\n", ReplyError::BadEnd);
    for length in ["", "-2", "x", "?", "1 ", "99999999999999999999"] {
        for kind in "$*=!%~>|".chars() {
            check_refused(&format!("{kind}{length}\r\n"), ReplyError::BadLength);
        }
    }
    check_refused("$1\r\nab\r\n", ReplyError::BadEnd);
    check_refused("$1\r\na\rx", ReplyError::BadEnd);
    check_refused("=3\r\ntxt\r\n", ReplyError::BadLength);
}

#[test]
fn what_comes_before_nonsense_is_given_first() {
    let mut parser = ReplyParser::default();
    parser.feed(b"+OK\r\nnonsense");
    assert_eq!(parser.next_reply(), Ok(Some(simple("OK"))));
    assert_eq!(parser.next_reply(), Err(ReplyError::UnknownType(b'n')));
}

#[test]
fn a_reply_may_be_so_large_and_so_deep() {
    let nested = |depth| format!("{}:1\r\n", "*1\r\n".repeat(depth));
    assert_eq!(
        parse(nested(DEPTH_MAX).as_bytes()).map(|all| all.len()),
        Ok(1)
    );
    check_refused(&nested(DEPTH_MAX + 1), ReplyError::TooLarge);
    check_refused("$9223372036854775807\r\n", ReplyError::TooLarge);
    check_refused(
        &format!("${}\r\n", REPLY_BYTES_MAX + 1),
        ReplyError::TooLarge,
    );
    check_refused("*9223372036854775807\r\n", ReplyError::TooLarge);
    check_refused("%9223372036854775807\r\n", ReplyError::TooLarge);
    check_refused(&format!("*{}\r\n", VALUES_MAX + 1), ReplyError::TooLarge);
    let line = "x".repeat(LINE_BYTES_MAX);
    check_refused(&format!("+{line}\r\n"), ReplyError::TooLarge);
    check_refused(&format!("+{line}x"), ReplyError::TooLarge);
    // Each of the strings may be there, but not all of them.
    let half = REPLY_BYTES_MAX / 2 + 1;
    let string = format!("${half}\r\n{}\r\n", "x".repeat(half));
    check_refused(&format!("*2\r\n{string}${half}\r\n"), ReplyError::TooLarge);
    let mut parser = ReplyParser::default();
    for _ in 0..2 {
        parser.feed(string.as_bytes());
        assert!(
            matches!(parser.next_reply(), Ok(Some(Value::Bulk(_)))),
            "one by one they may"
        );
    }
    // So do arrays in arrays, each of which is short.
    let array = format!("*1000\r\n{}", ":1\r\n".repeat(1000));
    check_refused(
        &format!("*2000\r\n{}", array.repeat(2000)),
        ReplyError::TooLarge,
    );
}

#[test]
fn memory_is_taken_for_what_has_come_only() {
    let mut parser = ReplyParser::default();
    parser.feed(format!("*{VALUES_MAX}\r\n${}\r\nab", REPLY_BYTES_MAX / 2).as_bytes());
    assert_eq!(parser.next_reply(), Ok(None));
    assert!(parser.input.capacity() < 1000 && parser.open[0].members.capacity() < 100);
    let mut parser = ReplyParser::default();
    parser.feed(format!("$1000000\r\n{}\r\n", "x".repeat(1_000_000)).as_bytes());
    assert!(matches!(parser.next_reply(), Ok(Some(_))));
    parser.feed(b"+");
    assert!(parser.input.capacity() <= IDLE_BYTES_MAX);
}

#[test]
fn no_bytes_make_it_panic() {
    let mut rng = Rng::from_seed(1);
    let letters = b"+-:$*_#,(!=%~>|\r\n\r\n\r\n0123456789abt";
    for _ in 0..200_000 {
        let mut parser = ReplyParser::default();
        let mut given = Vec::new();
        let mut whole = Vec::new();
        let mut outcome = Ok(());
        for _ in 0..rng.below(6) {
            let piece: Vec<u8> = (0..rng.below(12))
                .map(|_| match rng.below(50) {
                    0 => rng.below(256) as u8,
                    _ => letters[rng.below(letters.len() as u64) as usize],
                })
                .collect();
            whole.extend_from_slice(&piece);
            parser.feed(&piece);
            while outcome.is_ok() {
                match parser.next_reply() {
                    Ok(Some(value)) => given.push(value),
                    Ok(None) => break,
                    Err(e) => outcome = Err(e),
                }
            }
        }
        // In pieces or as a whole, the same.
        match parse(&whole) {
            Ok(values) => assert_eq!((outcome, &given), (Ok(()), &values), "{whole:?}"),
            Err(e) => assert_eq!(outcome, Err(e), "{whole:?}"),
        }
    }
}

#[test]
fn small_pieces_of_a_large_reply_cost_no_more_than_large_ones() {
    // Were each piece a reason to begin anew, this would take minutes.
    let text = "x".repeat(8_000_000);
    let reply = format!("*1\r\n${}\r\n{text}\r\n", text.len());
    let mut parser = ReplyParser::default();
    let mut values = Vec::new();
    for piece in reply.as_bytes().chunks(16) {
        parser.feed(piece);
        values.extend(all(&mut parser).expect("it makes sense"));
    }
    assert_eq!(values, [Value::Array(vec![bulk(&text)])]);
    check("", &[]);
}
