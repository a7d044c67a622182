//! Streams of requests, whole and cut at every point.

use super::super::args::encode_command;
use super::*;

const CLIENT: ParserLimits = ParserLimits {
    peer: Peer::Client,
    bulk_bytes_max: 512 * 1024 * 1024,
};
const STRANGER: ParserLimits = ParserLimits {
    peer: Peer::Unauthenticated,
    ..CLIENT
};
const MASTER: ParserLimits = ParserLimits {
    peer: Peer::Master,
    ..CLIENT
};

/// What came out of a stream: commands with whether they were canonical, blanks, an error.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Command { args: Vec<Vec<u8>>, raw: bool },
    Blank,
    Error(ProtocolError),
}

/// A connection without a socket: feeds chunks the way the server does.
#[derive(Default)]
struct Connection {
    parser: Parser,
    buf: Vec<u8>,
    ranges: ArgRanges,
    seen: Vec<Seen>,
    failed: bool,
}

impl Connection {
    fn feed(&mut self, mut chunk: &[u8], limits: &ParserLimits) {
        while !chunk.is_empty() && !self.failed {
            let remaining = self.parser.big_remaining();
            if let Some(target) = self.parser.big_target() {
                let room = target.capacity() - target.len();
                assert!(room > 0);
                let (now, later) = chunk.split_at(chunk.len().min(room).min(remaining));
                target.extend_from_slice(now);
                chunk = later;
            } else {
                self.buf.extend_from_slice(chunk);
                chunk = &[];
            }
            self.drain(limits);
        }
    }

    fn drain(&mut self, limits: &ParserLimits) {
        let mut pos = 0;
        loop {
            match self.parser.next(&self.buf[pos..], limits, &mut self.ranges) {
                Parse::Command { consumed } => {
                    let args = self.ranges.args(&self.buf[pos..]);
                    if let Some(raw) = args.raw() {
                        assert_eq!(raw, &self.buf[pos..pos + consumed]);
                    }
                    let mut encoded = Vec::new();
                    args.encode(&mut encoded);
                    assert_eq!(args.to_owned().encoded(), encoded);
                    let raw = args.raw().is_some();
                    let args = args.iter().map(<[u8]>::to_vec).collect();
                    self.seen.push(Seen::Command { args, raw });
                    pos += consumed;
                    assert_eq!(self.parser.cursor.stage, Stage::Start);
                }
                Parse::Blank { consumed } => {
                    self.seen.push(Seen::Blank);
                    pos += consumed;
                }
                Parse::Incomplete => break,
                Parse::Big { keep } => {
                    self.buf.truncate(pos + keep);
                    break;
                }
                Parse::Error(error) => {
                    self.seen.push(Seen::Error(error));
                    self.failed = true;
                    break;
                }
            }
        }
        self.buf.drain(..pos);
    }
}

fn parse_chunks<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limits: &ParserLimits,
) -> Vec<Seen> {
    let mut connection = Connection::default();
    for chunk in chunks {
        connection.feed(chunk, limits);
    }
    connection.seen
}

fn command(args: &[&str]) -> Seen {
    Seen::Command {
        args: args.iter().map(|a| a.as_bytes().to_vec()).collect(),
        raw: true,
    }
}

fn words(args: &[&str]) -> Seen {
    Seen::Command {
        args: args.iter().map(|a| a.as_bytes().to_vec()).collect(),
        raw: false,
    }
}

/// Whole, byte by byte, and cut in two at every point, `stream` must give `expected`.
#[track_caller]
fn check_with(limits: &ParserLimits, stream: impl AsRef<[u8]>, expected: &[Seen]) {
    let stream = stream.as_ref();
    assert_eq!(parse_chunks([stream], limits), expected, "whole");
    assert_eq!(
        parse_chunks(stream.chunks(1), limits),
        expected,
        "byte by byte"
    );
    if stream.len() < 2_000 {
        for cut in 0..stream.len() {
            let (a, b) = stream.split_at(cut);
            assert_eq!(parse_chunks([a, b], limits), expected, "cut at {cut}");
        }
    }
}

#[track_caller]
fn check(stream: impl AsRef<[u8]>, expected: &[Seen]) {
    check_with(&CLIENT, stream, expected);
}

#[test]
fn arrays_of_bulk_strings_are_commands() {
    check("*1\r\n$4\r\nPING\r\n", &[command(&["PING"])]);
    check(
        "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$0\r\n\r\n",
        &[command(&["SET", "x", ""])],
    );
    let long = "v".repeat(700);
    check(
        format!("*2\r\n$4\r\nECHO\r\n$700\r\n{long}\r\n"),
        &[command(&["ECHO", &long])],
    );
}

#[test]
fn commands_in_a_pipeline_come_out_one_by_one() {
    let mut stream = Vec::new();
    let many: Vec<String> = (0..25).map(|i| format!("argument-{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let many_bytes: Vec<&[u8]> = many.iter().map(|s| s.as_bytes()).collect();
    encode_command(&[b"GET", b"key"], &mut stream);
    encode_command(&many_bytes, &mut stream);
    encode_command(&[b"PING"], &mut stream);
    check(
        stream,
        &[command(&["GET", "key"]), command(&many), command(&["PING"])],
    );
}

#[test]
fn payloads_may_hold_anything() {
    let payload = "\r\n*1\r\n$\0";
    check(format!("*1\r\n$8\r\n{payload}\r\n"), &[command(&[payload])]);
}

#[test]
fn lines_are_commands_of_words() {
    check("PING\r\n", &[words(&["PING"])]);
    check("PING\n", &[words(&["PING"])]);
    check(
        "SET  k \"a\\x41 b\"\r\nGET 'k'\r\n",
        &[words(&["SET", "k", "aA b"]), words(&["GET", "k"])],
    );
    check("$3\r\n", &[words(&["$3"])]);
}

#[test]
fn empty_requests_are_blank() {
    check("\r\n", &[Seen::Blank]);
    check(
        "\n   \r\nPING\r\n",
        &[Seen::Blank, Seen::Blank, words(&["PING"])],
    );
    check(
        "*0\r\n*-10\r\n*1\r\n$4\r\nPING\r\n",
        &[Seen::Blank, Seen::Blank, command(&["PING"])],
    );
}

#[test]
fn sloppy_line_ends_are_accepted_but_not_canonical() {
    check("*1\rx$4\r\nPING\r\n", &[words(&["PING"])]);
    check("*1\r\n$4\rxPING\r\n", &[words(&["PING"])]);
    check(
        "*1\r\n$4\r\nPINGxy*1\r\n$4\r\nPING\r\n",
        &[words(&["PING"]), command(&["PING"])],
    );
}

#[test]
fn broken_streams_stop_with_the_reason() {
    use ProtocolError::*;
    for (stream, error) in [
        ("*3000000000\r\n", InvalidArrayLength),
        ("*\r\n", InvalidArrayLength),
        ("*abc\r\n", InvalidArrayLength),
        ("*01\r\n", InvalidArrayLength),
        ("*+1\r\n", InvalidArrayLength),
        ("*1 \r\n", InvalidArrayLength),
        ("*1\r\nfoo\r\n", ExpectedBulk(b'f')),
        ("*1\r\n5\r\n", ExpectedBulk(b'5')),
        ("*1\r\n\r\n", ExpectedBulk(b'\r')),
        ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", ExpectedBulk(b'f')),
        ("*1\r\n$-10\r\n", InvalidBulkLength),
        ("*1\r\n$536870913\r\n", InvalidBulkLength),
        ("*1\r\n$blabla\r\n", InvalidBulkLength),
        ("*1\r\n$\r\n", InvalidBulkLength),
        ("*1\r\n$99999999999999999999\r\n", InvalidBulkLength),
        ("set \"\"\"test-key\"\"\" test-value\r\n", UnbalancedQuotes),
        ("set 'x\r\n", UnbalancedQuotes),
    ] {
        check(stream, &[Seen::Error(error)]);
    }
}

#[test]
fn lines_without_an_end_are_cut_off() {
    use ProtocolError::*;
    let long = "9".repeat(LINE_BYTES_MAX + 1);
    for (start, error) in [
        ("", InlineTooBig),
        ("*", ArrayLengthTooBig),
        ("*1\r\n$", BulkLengthTooBig),
    ] {
        check(format!("{start}{long}"), &[Seen::Error(error)]);
        check(format!("{start}{}", &long[..LINE_BYTES_MAX - 1]), &[]);
    }
}

#[test]
fn strangers_may_send_little() {
    use ProtocolError::*;
    check_with(
        &STRANGER,
        "*11\r\n",
        &[Seen::Error(UnauthenticatedArrayLength)],
    );
    check_with(
        &STRANGER,
        "*1\r\n$16385\r\n",
        &[Seen::Error(UnauthenticatedBulkLength)],
    );
    let most = "x".repeat(16384);
    let stream = format!("*1\r\n$16384\r\n{most}\r\n");
    check_with(&STRANGER, stream, &[command(&[&most])]);
    check_with(&CLIENT, "*11\r\n*", &[]);
}

#[test]
fn a_master_has_no_limits_and_no_inline_requests() {
    check_with(&MASTER, "\n\n", &[Seen::Blank, Seen::Blank]);
    check_with(
        &MASTER,
        "PING\r\n",
        &[Seen::Error(ProtocolError::InlineFromMaster)],
    );
    let limits = ParserLimits {
        bulk_bytes_max: 1,
        ..MASTER
    };
    let big = "x".repeat(BIG_ARG_BYTES_MIN + 5);
    let stream = format!("*1\r\n${}\r\n{big}\r\n", big.len());
    check_with(&limits, stream, &[command(&[&big])]);
}

#[test]
fn errors_are_worded_as_clients_know_them() {
    let text = |error: ProtocolError| String::from_utf8_lossy(&error.reply_text()).into_owned();
    assert_eq!(
        text(ProtocolError::ExpectedBulk(b'f')),
        "ERR Protocol error: expected '$', got 'f'"
    );
    assert_eq!(
        text(ProtocolError::UnbalancedQuotes),
        "ERR Protocol error: unbalanced quotes in request"
    );
    assert_eq!(
        ProtocolError::UnbalancedQuotes.to_string(),
        "unbalanced quotes in inline request"
    );
    assert_eq!(
        ProtocolError::ExpectedBulk(0xff).reply_text().last_chunk(),
        Some(b"\xff'")
    );
}

fn big_value(len: usize) -> String {
    (0..len)
        .map(|i| char::from(b'a' + (i % 26) as u8))
        .collect()
}

#[test]
fn big_arguments_arrive_however_they_are_cut() {
    let (one, two) = (
        big_value(BIG_ARG_BYTES_MIN),
        big_value(BIG_ARG_BYTES_MIN + 3),
    );
    let mut stream = Vec::new();
    encode_command(
        &[b"MSET", b"k1", one.as_bytes(), b"k2", two.as_bytes()],
        &mut stream,
    );
    encode_command(&[b"PING"], &mut stream);
    let args = ["MSET", "k1", &one, "k2", &two];
    assert_eq!(
        parse_chunks([&stream[..]], &CLIENT),
        [command(&args), command(&["PING"])]
    );
    let moved = [words(&args), command(&["PING"])];
    assert_eq!(parse_chunks(stream.chunks(1), &CLIENT), moved);
    for size in [7, 1000, 4096, 16 * 1024] {
        assert_eq!(
            parse_chunks(stream.chunks(size), &CLIENT),
            moved,
            "chunks of {size}"
        );
    }
    // Around the end of the first payload, where the line end may be missing.
    let end = stream.iter().position(|&c| c == b'a').unwrap() + one.len();
    for cut in end - 3..end + 4 {
        let (a, b) = stream.split_at(cut);
        let seen = parse_chunks([a, b], &CLIENT);
        let Seen::Command { args: got, .. } = &seen[0] else {
            panic!("{cut}")
        };
        assert!(
            got.iter()
                .map(Vec::as_slice)
                .eq(args.iter().map(|a| a.as_bytes())),
            "{cut}"
        );
        assert_eq!(seen[1], command(&["PING"]));
    }
}

#[test]
fn a_big_argument_costs_what_was_sent_and_ends_exactly_sized() {
    const LEN: usize = 100 << 20;
    let mut connection = Connection::default();
    connection.feed(
        format!("*2\r\n$4\r\nECHO\r\n${LEN}\r\nx").as_bytes(),
        &CLIENT,
    );
    assert!(connection.parser.held().memory() <= BIG_FIRST_STEP_BYTES + 64);
    let chunk = vec![b'x'; 1 << 20];
    for sent in 1..100usize {
        connection.feed(&chunk, &CLIENT);
        assert!(connection.parser.held().memory() <= 4 * ((sent + 1) << 20));
        assert!(connection.buf.len() < 64);
    }
    assert_eq!(connection.parser.big_remaining(), (1 << 20) - 1);
    let target = connection.parser.big_target().expect("still arriving");
    target.extend_from_slice(&chunk[1..]);
    assert_eq!((target.len(), target.capacity()), (LEN, LEN));
    let address = target.as_ptr();
    connection.buf.extend_from_slice(b"\r\n");
    let parse = connection
        .parser
        .next(&connection.buf, &CLIENT, &mut connection.ranges);
    assert!(matches!(parse, Parse::Command { .. }));
    let taken = connection.ranges.args(&connection.buf).take(1).into_owned();
    assert_eq!(taken.as_ptr(), address, "the argument was not copied");
    let held = connection.parser.held();
    assert_eq!((held.arrived, held.room), (0, BIG_FIRST_STEP_BYTES));
}

#[test]
fn what_is_parsed_of_an_incomplete_command_is_told() {
    let mut connection = Connection::default();
    for (bytes, parsed) in [
        ("*", 0),
        ("3\r\n", 4),
        ("$3\r", 4),
        ("\nSE", 8),
        ("T\r\n$1\r\nk\r\n", 20),
        ("$40000\r\n", 28),
        ("xxx", 28),
    ] {
        connection.feed(bytes.as_bytes(), &CLIENT);
        assert_eq!(connection.parser.parsed(), parsed, "behind {bytes:?}");
    }
    connection.feed(&[b'x'; 40_000], &CLIENT);
    assert_eq!(connection.parser.parsed(), 0);
}

/// Feeds `SET k <len bytes>`, the payload in two pieces, and takes the value.
fn set_big(connection: &mut Connection, len: usize) -> Vec<u8> {
    let header = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${len}\r\n");
    connection.feed(header.as_bytes(), &CLIENT);
    connection.feed(&vec![b'x'; len], &CLIENT);
    connection.buf.extend_from_slice(b"\r\n");
    let parse = connection
        .parser
        .next(&connection.buf, &CLIENT, &mut connection.ranges);
    assert!(matches!(parse, Parse::Command { .. }));
    let value = connection.ranges.args(&connection.buf).take(2).into_owned();
    connection.buf.clear();
    value
}

#[test]
fn room_for_the_next_big_argument_is_ready_and_used() {
    let mut connection = Connection::default();
    assert_eq!(set_big(&mut connection, 400_000).len(), 400_000);
    assert_eq!(connection.parser.held().room, 400_000);
    let ready = connection.parser.big.as_ptr();
    let second = set_big(&mut connection, 399_000);
    assert_eq!(second.len(), 399_000);
    assert_eq!(second.capacity(), 399_000, "no room is left in a value");
    assert_eq!(second.as_ptr(), ready);
    let small = set_big(&mut connection, 40_000);
    assert_eq!(small.capacity(), 40_000);
    assert_eq!(connection.parser.held().room, 40_000);
    let large = set_big(&mut connection, 4_000_000);
    assert_eq!(large.capacity(), 4_000_000);
    assert_eq!(connection.parser.held().room, BIG_FIRST_STEP_BYTES);
}

#[test]
fn room_that_nobody_used_is_given_back() {
    let mut connection = Connection::default();
    set_big(&mut connection, 400_000);
    connection.parser.trim_to_use();
    assert_eq!(connection.parser.held().room, 400_000, "it is fresh");
    connection.parser.trim_to_use();
    assert_eq!(connection.parser.held().room, 0);

    connection.feed(b"*2\r\n$4\r\nECHO\r\n$400000\r\n", &CLIENT);
    for _ in 0..3 {
        connection.parser.trim_to_use();
    }
    assert_eq!(connection.parser.held().room, 400_000, "it is awaited");
    connection.parser.trim_to_content();
    assert_eq!(connection.parser.held().room, 0);
    let target = connection.parser.big_target().expect("still awaited");
    target.extend_from_slice(&[b'x'; 1000]);
    connection.parser.trim_to_content();
    let held = connection.parser.held();
    assert_eq!((held.arrived, held.room), (1000, 0));
    assert_eq!(connection.parser.big_remaining(), 399_000);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Text that often resembles requests.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"*".to_vec()),
            Just(b"$".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".to_vec()),
            Just(b"\"".to_vec()),
            (0u32..40).prop_map(|n| n.to_string().into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_it_means_the_same(
            stream in stream(),
            sizes in proptest::collection::vec(1usize..20, 1..10),
        ) {
            for limits in [CLIENT, STRANGER, MASTER] {
                let whole = parse_chunks([&stream[..]], &limits);
                let mut chunks = Vec::new();
                let mut rest = &stream[..];
                for size in sizes.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (chunk, after) = rest.split_at(rest.len().min(*size));
                    chunks.push(chunk);
                    rest = after;
                }
                prop_assert_eq!(parse_chunks(chunks, &limits), whole);
            }
        }

        #[test]
        fn what_is_encoded_is_parsed_back(
            commands in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 1..12),
                0..6,
            ),
        ) {
            let mut stream = Vec::new();
            let mut expected = Vec::new();
            for args in &commands {
                let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
                encode_command(&slices, &mut stream);
                expected.push(Seen::Command { args: args.clone(), raw: true });
            }
            prop_assert_eq!(parse_chunks([&stream[..]], &CLIENT), expected);
        }
    }
}
