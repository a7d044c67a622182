//! Files of commands, whole, cut and damaged.

use proptest::prelude::*;

use super::*;
use crate::base::rng::Rng;
use crate::persist::rdb::decoder::{Decoder, DecoderOptions, Purpose};
use crate::resp::args::encode_command;

/// What an item was, in a form that can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Command(Vec<Vec<u8>>, Range<u64>),
    Timestamp(i64, Range<u64>),
    Annotation(Vec<u8>, Range<u64>),
}

fn keep(item: Item<'_>) -> Seen {
    match item {
        Item::Command { args, at } => Seen::Command(args.iter().map(<[u8]>::to_vec).collect(), at),
        Item::Timestamp { seconds, at } => Seen::Timestamp(seconds, at),
        Item::Annotation { text, at } => Seen::Annotation(text.to_vec(), at),
    }
}

/// Reads what can be read of `bytes`, pushed in pieces of `piece` bytes.
fn read(bytes: &[u8], piece: usize) -> (Vec<Seen>, Result<End, FormatError>) {
    let mut records = Records::default();
    let mut seen = Vec::new();
    for piece in bytes.chunks(piece) {
        records.push(piece);
        loop {
            match records.next_item() {
                Ok(Some(item)) => seen.push(keep(item)),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(records.next_item().unwrap_err(), error);
                    return (seen, Err(error));
                }
            }
        }
    }
    assert_eq!(records.pushed(), bytes.len() as u64);
    (seen, Ok(records.end()))
}

fn words(args: &[&[u8]]) -> Vec<Vec<u8>> {
    args.iter().map(|arg| arg.to_vec()).collect()
}

const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";

#[test]
fn commands_and_comments_are_handed_out_with_where_they_stand() {
    let mut bytes = SELECT.to_vec();
    push_timestamp(1_700_000_000, &mut bytes);
    bytes.extend_from_slice(b"#REPL:abc 17\r\n#\n#TS:x\r\n");
    encode_command(&[b"SET", b"key", b"", &[b'v'; 120]], &mut bytes);
    let expected = [
        Seen::Command(words(&[b"SELECT", b"0"]), 0..23),
        Seen::Timestamp(1_700_000_000, 23..39),
        Seen::Annotation(b"REPL:abc 17".to_vec(), 39..53),
        Seen::Annotation(b"".to_vec(), 53..55),
        Seen::Annotation(b"TS:x".to_vec(), 55..62),
        Seen::Command(words(&[b"SET", b"key", b"", &[b'v'; 120]]), 62..218),
    ];
    for piece in [1, 2, 3, 7, 64, 1000] {
        let (seen, end) = read(&bytes, piece);
        assert_eq!(seen, expected, "pieces of {piece}");
        assert_eq!(end, Ok(End::Whole));
    }
}

#[test]
fn a_canonical_command_lends_its_wire_form() {
    let mut records = Records::new(100);
    records.push(SELECT);
    records.push(b"*1\n$04\r\nPING\r\n");
    match records.next_item().unwrap() {
        Some(Item::Command { args, at }) => {
            assert_eq!(args.raw(), Some(SELECT));
            assert_eq!(at, 100..123);
        }
        other => panic!("{other:?}"),
    }
    match records.next_item().unwrap() {
        Some(Item::Command { args, at }) => {
            assert_eq!(args.raw(), None);
            assert_eq!(&args[0], b"PING");
            assert_eq!(at, 123..137);
        }
        other => panic!("{other:?}"),
    }
    assert!(records.next_item().unwrap().is_none());
    assert_eq!((records.offset(), records.end()), (137, End::Whole));
}

#[test]
fn a_loader_takes_more_than_a_server_writes() {
    for bytes in [
        &b"*1\n$4\nPING\r\n"[..],
        b"* 1x\r\n$+4y\r\nPINGxx",
        b"*01\r\n$4 \r\nPING\n\n",
    ] {
        let shown = bytes.escape_ascii();
        for piece in [1, 100] {
            let (seen, end) = read(bytes, piece);
            let at = 0..bytes.len() as u64;
            assert_eq!(seen, [Seen::Command(words(&[b"PING"]), at)], "{shown}");
            assert_eq!(end, Ok(End::Whole), "{shown}");
        }
    }
}

#[test]
fn damage_is_told_with_the_record_and_the_place_in_it() {
    use FormatFault::*;
    let long = [&b"#"[..], &[b'x'; 1023], b"\n"].concat();
    let long_number = [&b"*1"[..], &[b' '; 1023], b"\n"].concat();
    // What follows a whole command; where in that the fault is; what it is.
    let cases: &[(&[u8], u64, FormatFault)] = &[
        (b"x", 0, ExpectedCommand(b'x')),
        (b"REDIS0011", 0, ExpectedCommand(b'R')),
        (b"*0\r\n", 0, ArgumentCount),
        (b"*\r\n", 0, ArgumentCount),
        (b"*-1\r\n", 0, ArgumentCount),
        (b"*2147483648\r\n", 0, ArgumentCount),
        (b"*99999999999999999999\r\n", 0, ArgumentCount),
        (b"*1\r\n:", 4, ExpectedBulk(b':')),
        (b"*2\r\n$1\r\nx\r\n*", 11, ExpectedBulk(b'*')),
        (b"*1\r\n$-1\r\n", 4, BulkLength),
        (b"*1\r\n$9223372036854775807\r\n", 4, BulkLength),
        (b"*1\r\n$140737488355329\r\n", 4, BulkLength),
        (&long, 0, LineTooLong),
        (&long_number, 0, LineTooLong),
    ];
    for (bytes, at, fault) in cases {
        let bytes = [SELECT, bytes].concat();
        for piece in [1, 5000] {
            let (seen, end) = read(&bytes, piece);
            assert_eq!(seen.len(), 1, "{}", bytes.escape_ascii());
            let expected = FormatError {
                record_at: 23,
                at: 23 + at,
                fault: *fault,
            };
            assert_eq!(end, Err(expected), "{}", bytes.escape_ascii());
        }
    }
    let error = read(b"*1\r\n:", 9).1.unwrap_err();
    assert_eq!(
        error.to_string(),
        "bad format in the record at offset 0, at offset 4: expected '$', got ':'"
    );
}

#[test]
fn a_comment_may_be_as_long_as_the_reference_reads() {
    let bytes = [&b"#"[..], &[b'x'; 1021], b"\n"].concat();
    let (seen, end) = read(&bytes, 100);
    assert_eq!(seen.len(), 1);
    assert_eq!(end, Ok(End::Whole));
}

#[test]
fn a_log_cut_anywhere_gives_the_records_before_the_cut() {
    let mut bytes = Vec::new();
    let mut ends = vec![0];
    for round in 0..3 {
        push_timestamp(1_700_000_000 + round, &mut bytes);
        ends.push(bytes.len());
        encode_command(&[b"SET", b"key\r\n", &[b'*'; 13]], &mut bytes);
        ends.push(bytes.len());
    }
    for cut in 0..=bytes.len() {
        let whole = ends.iter().rposition(|end| *end <= cut).unwrap();
        for piece in [1, 7, 4096] {
            let (seen, end) = read(&bytes[..cut], piece);
            assert_eq!(seen.len(), whole, "cut at {cut}");
            let at = ends[whole] as u64;
            let expected = match bytes[..cut].get(ends[whole]) {
                None => End::Whole,
                Some(b'#') => End::TornAnnotation { at },
                Some(_) => End::Torn { at },
            };
            assert_eq!(end, Ok(expected), "cut at {cut}");
        }
    }
}

#[test]
fn an_announced_length_takes_no_memory() {
    let mut records = Records::default();
    records.push(b"*2147483647\r\n$1\r\nx\r\n$100000000000000\r\nabc");
    assert!(records.next_item().unwrap().is_none());
    assert!(records.buffer.capacity() < 1024);
    assert_eq!(records.end(), End::Torn { at: 0 });
}

#[test]
fn the_room_for_a_large_record_is_given_back() {
    let mut bytes = Vec::new();
    encode_command(&[b"SET", b"key", &vec![b'v'; 20_000_000]], &mut bytes);
    encode_command(&[b"PING"], &mut bytes);
    let mut source = &bytes[..];
    let mut records = Records::default();
    let mut commands = 0;
    loop {
        while let Some(item) = records.next_item().unwrap() {
            commands += 1;
            drop(keep(item));
        }
        if records.read_from(&mut source, 1 << 20).unwrap() == 0 {
            break;
        }
    }
    assert_eq!((commands, records.end()), (2, End::Whole));
    assert!(records.buffer.capacity() <= ROOM_KEPT_BYTES_MAX);
}

#[test]
fn a_failed_read_adds_nothing() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let mut records = Records::default();
    records.push(b"*1\r\n");
    assert!(records.read_from(&mut Broken, 100).is_err());
    assert_eq!(records.pushed(), 4);
}

/// A log as servers write it, of some 6,000 bytes.
fn large_log() -> Vec<u8> {
    let mut log = Vec::new();
    encode_command(&[b"SELECT", b"0"], &mut log);
    for round in 0..45u32 {
        let number = round.to_string();
        let value = vec![b'v'; (round as usize * 7) % 150];
        encode_command(&[b"SET", number.as_bytes(), &value], &mut log);
        encode_command(&[b"HSET", b"hash", number.as_bytes(), b"$1\r\n*"], &mut log);
        if round % 10 == 0 {
            push_timestamp(1_700_000_000 + i64::from(round), &mut log);
            encode_command(&[b"MULTI"], &mut log);
            encode_command(&[b"INCR", b"counter"], &mut log);
            encode_command(&[b"EXEC"], &mut log);
        }
    }
    log
}

/// Reads a file of commands; whether that found the end, and not a tear or an error. What was
/// handed out must reach from the beginning to there without a gap.
fn reads_to_its_end(bytes: &[u8]) -> bool {
    let mut records = Records::default();
    let mut tracker = Tracker::default();
    let mut expected = 0;
    for piece in bytes.chunks(4096) {
        records.push(piece);
        loop {
            let item = match records.next_item() {
                Ok(Some(item)) => item,
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.record_at, expected);
                    assert!(error.at < bytes.len() as u64);
                    return false;
                }
            };
            let (Item::Command { at, .. }
            | Item::Timestamp { at, .. }
            | Item::Annotation { at, .. }) = &item;
            assert_eq!(at.start, expected);
            expected = at.end;
            if let Item::Command { args, at } = &item {
                tracker.observe(&args[0], at);
            }
        }
    }
    assert!(tracker.valid_up_to() <= expected && expected <= bytes.len() as u64);
    match records.end() {
        End::Whole => expected == bytes.len() as u64,
        End::Torn { at } | End::TornAnnotation { at } => {
            assert_eq!(at, expected);
            false
        }
    }
}

#[test]
fn a_large_log_with_a_flipped_byte_is_read_up_to_where_it_makes_sense() {
    let mut log = large_log();
    assert!(reads_to_its_end(&log));
    let mut rng = Rng::from_seed(8);
    let mut unnoticed = 0;
    for _ in 0..100_000 {
        let at = rng.below(log.len() as u64) as usize;
        let old = log[at];
        log[at] ^= 1 + rng.below(255) as u8;
        unnoticed += u32::from(reads_to_its_end(&log));
        log[at] = old;
    }
    // Flips within values cannot be noticed, flips of what frames them nearly always are.
    assert!((10_000..90_000).contains(&unnoticed), "{unnoticed}");
}

#[test]
fn a_base_with_a_flipped_byte_is_never_taken_for_a_sound_one() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/redis-7.2.4-types.rdb"
    );
    let mut base = std::fs::read(path).unwrap();
    let decode = |bytes: &[u8]| {
        let mut decoder = Decoder::new(DecoderOptions::usual(Purpose::Load));
        let mut feed = decoder.feed(bytes);
        loop {
            match feed.next() {
                Ok(Some(_)) => {}
                Ok(None) => {
                    feed.finish();
                    return decoder.is_done();
                }
                Err(error) => {
                    assert!(error.offset <= bytes.len() as u64);
                    return false;
                }
            }
        }
    };
    assert!(decode(&base));
    let mut rng = Rng::from_seed(9);
    for _ in 0..2_000 {
        // Not the version: before version 5 there was no checksum.
        let at = 9 + rng.below(base.len() as u64 - 9) as usize;
        let old = base[at];
        base[at] ^= 1 + rng.below(255) as u8;
        assert!(!decode(&base), "byte {at}");
        base[at] = old;
    }
}

fn tracked(commands: &[&[u8]]) -> Tracker {
    let mut tracker = Tracker::new(10);
    for (index, name) in commands.iter().enumerate() {
        let start = 10 + index as u64 * 10;
        tracker.observe(name, &(start..start + 9));
    }
    tracker
}

#[test]
fn a_transaction_counts_when_it_is_whole() {
    type Names<'a> = &'a [&'a [u8]];
    // The commands; up to where they count; where an unfinished transaction begins.
    let cases: &[(Names, u64, Option<u64>)] = &[
        (&[], 10, None),
        (&[b"SET", b"SET"], 29, None),
        (&[b"SET", b"multi"], 19, Some(20)),
        (&[b"MULTI", b"SET", b"SET"], 10, Some(10)),
        (&[b"MULTI", b"SET", b"Exec"], 39, None),
        (&[b"MULTI", b"EXEC", b"SET", b"MULTI"], 39, Some(40)),
        (&[b"MULTI", b"MULTI", b"DISCARD"], 10, Some(10)),
        (&[b"EXEC"], 19, None),
    ];
    for (commands, valid_up_to, transaction_at) in cases {
        let tracker = tracked(commands);
        assert_eq!(tracker.valid_up_to(), *valid_up_to, "{commands:?}");
        assert_eq!(tracker.unfinished_transaction(), *transaction_at);
    }
}

fn logs() -> impl Strategy<Value = Vec<u8>> {
    let arg = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        proptest::collection::vec(any::<u8>(), 90..120),
    ];
    let command = proptest::collection::vec(arg, 1..12).prop_map(|args| {
        let args: Vec<_> = args.iter().map(Vec::as_slice).collect();
        let mut bytes = Vec::new();
        encode_command(&args, &mut bytes);
        bytes
    });
    let comment = any::<i64>().prop_map(|seconds| {
        let mut bytes = Vec::new();
        push_timestamp(seconds, &mut bytes);
        bytes
    });
    let record = prop_oneof![4 => command, 1 => comment];
    proptest::collection::vec(record, 0..12).prop_map(|records| records.concat())
}

proptest! {
    #[test]
    fn how_a_log_is_cut_into_pieces_makes_no_difference(
        log in logs(),
        cut in 0..2000usize,
        piece in 1..50usize,
    ) {
        let bytes = &log[..log.len().min(cut)];
        prop_assert_eq!(read(bytes, piece), read(bytes, 4096));
    }

    #[test]
    fn a_flipped_byte_ends_in_records_a_tear_or_an_error(
        mut log in logs(),
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        piece in 1..50usize,
    ) {
        for (at, flip) in flips {
            let len = log.len().max(1);
            if let Some(byte) = log.get_mut(at % len) {
                *byte ^= flip;
            }
        }
        let (seen, end) = read(&log, piece);
        prop_assert_eq!(&(seen, end), &read(&log, 4096));
        if let Err(error) = end {
            prop_assert!(error.record_at <= error.at && error.at < log.len() as u64);
        }
    }
}
