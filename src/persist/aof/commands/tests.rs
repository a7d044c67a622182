//! What is written for each type and form, byte for byte, and against a file that Redis wrote.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::*;
use crate::data::hash::Hash;
use crate::data::list::{End, List};
use crate::data::set::Set;
use crate::data::stream::{Claim, Deliveries, NewId, StreamId, StreamLimits, Trim, TrimTo};
use crate::data::stream::{Group, Stream};
use crate::data::zset::{Add, ZSet};
use crate::keyspace::{NewValue, Object};
use crate::persist::rdb::build::BuildLimits;
use crate::persist::rdb::decoder::{DecoderOptions, Purpose};
use crate::persist::rdb::fill::{AccessBits, DuplicateKeys, ExpiredKeys, Fill, FillOptions};
use crate::persist::rdb::load::StreamLoader;
use crate::resp::args::encode_command;

/// A command, word by word.
type Words = Vec<Vec<u8>>;

fn written(keyspace: &Keyspace) -> Vec<u8> {
    save_commands(Vec::new(), keyspace, &CommandsOptions::default(), &mut ()).unwrap()
}

/// Takes a number and a line end from the front, behind `mark`.
fn number(rest: &mut &[u8], mark: u8) -> usize {
    let end = rest.iter().position(|b| *b == b'\r').unwrap();
    let (line, behind) = rest.split_at(end);
    assert_eq!(line[0], mark);
    *rest = behind.strip_prefix(b"\r\n").unwrap();
    std::str::from_utf8(&line[1..]).unwrap().parse().unwrap()
}

/// The words of all commands, of bytes that are canonical and nothing else.
fn commands(bytes: &[u8]) -> Vec<Words> {
    let (mut rest, mut commands, mut again) = (bytes, Vec::new(), Vec::new());
    while !rest.is_empty() {
        let mut words = Words::new();
        for _ in 0..number(&mut rest, b'*') {
            let len = number(&mut rest, b'$');
            words.push(rest[..len].to_vec());
            rest = rest[len..].strip_prefix(b"\r\n").unwrap();
        }
        let borrowed: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
        encode_command(&borrowed, &mut again);
        commands.push(words);
    }
    assert!(
        again == bytes,
        "the bytes are not the only ones for these words"
    );
    commands
}

/// Commands as text, for words without blanks.
fn lines(bytes: &[u8]) -> Vec<String> {
    let line = |words: Words| String::from_utf8_lossy(&words.join(&b' ')).into_owned();
    commands(bytes).into_iter().map(line).collect()
}

/// What is written for a value under the key `k`, without the `SELECT`.
fn lines_of(value: impl Into<Object>) -> Vec<String> {
    let mut keyspace = Keyspace::new(1, [1, 2]);
    let value = NewValue::Object(value.into());
    keyspace.db_mut(0).set(b"k", value, None);
    lines(&written(&keyspace)).split_off(1)
}

fn joined(range: std::ops::Range<usize>, word: impl Fn(usize) -> String) -> String {
    range.map(|n| format!(" {}", word(n))).collect()
}

#[test]
fn databases_strings_and_times_are_written_byte_for_byte() {
    let mut keyspace = Keyspace::new(16, [1, 2]);
    assert_eq!(written(&keyspace), b"");
    let value = NewValue::Bytes(b"a\r\n\0");
    keyspace
        .db_mut(0)
        .set(b"key", value, Some(1_700_000_000_123));
    keyspace.db_mut(11).set(b"", NewValue::Int(-5), None);
    keyspace
        .db_mut(12)
        .set(b"e", NewValue::Bytes(b""), Some(-1));
    let expected = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n\
        *3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$4\r\na\r\n\0\r\n\
        *3\r\n$9\r\nPEXPIREAT\r\n$3\r\nkey\r\n$13\r\n1700000000123\r\n\
        *2\r\n$6\r\nSELECT\r\n$2\r\n11\r\n\
        *3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n-5\r\n\
        *2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n\
        *3\r\n$3\r\nSET\r\n$1\r\ne\r\n$0\r\n\r\n\
        *3\r\n$9\r\nPEXPIREAT\r\n$1\r\ne\r\n$2\r\n-1\r\n";
    assert_eq!(
        written(&keyspace).escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    let options = CommandsOptions {
        timestamp_s: Some(1_700_000_000),
        ..CommandsOptions::default()
    };
    let dated = save_commands(Vec::new(), &keyspace, &options, &mut ()).unwrap();
    assert_eq!(dated, [&b"#TS:1700000000\r\n"[..], expected].concat());
}

#[test]
fn a_list_is_pushed_from_head_to_tail_sixty_four_at_a_time() {
    let limits = BuildLimits::usual().list;
    let list = |len: usize| {
        let mut list = List::new();
        (0..len).for_each(|n| list.push(End::Tail, n.to_string().as_bytes(), &limits));
        list
    };
    let all = |range| format!("RPUSH k{}", joined(range, |n| n.to_string()));
    assert_eq!(lines_of(list(1)), ["RPUSH k 0"]);
    assert_eq!(lines_of(list(64)), [all(0..64)]);
    assert_eq!(lines_of(list(65)), [all(0..64), all(64..65)]);
    assert_eq!(lines_of(list(128)), [all(0..64), all(64..128)]);
}

#[test]
fn all_nodes_of_a_long_list_are_pushed_the_compressed_ones_too() {
    let mut limits = BuildLimits::usual().list;
    (limits.compress_depth, limits.plain_from_bytes) = (1, 5000);
    let element = |n: usize| match n % 50 {
        7 => "x".repeat(6000),
        _ => format!("element-{n}"),
    };
    let mut list = List::new();
    for n in 0..1000 {
        let text = element(n);
        list.make_room(text.len(), 1, &limits);
        list.push(End::Tail, text.as_bytes(), &limits);
    }
    assert!(matches!(list, List::Quick(_)));
    let pushed = |n: usize| {
        let range = n * 64..(n * 64 + 64).min(1000);
        format!("RPUSH k{}", joined(range, element))
    };
    let expected: Vec<_> = (0..16).map(pushed).collect();
    assert!(lines_of(list) == expected);
}

#[test]
fn a_set_is_written_in_each_of_its_forms() {
    let limits = BuildLimits::usual().set;
    let set = |members: &[String]| {
        let mut set = Set::new();
        members.iter().for_each(|member| {
            set.insert(member.as_bytes().into(), &limits);
        });
        set
    };
    let ints = ["9", "-3", "100000"].map(String::from);
    assert!(matches!(set(&ints), Set::Ints(_)));
    assert_eq!(lines_of(set(&ints)), ["SADD k -3 9 100000"]);
    let packed = ["b", "7", "a"].map(String::from);
    assert!(matches!(set(&packed), Set::Packed(_)));
    assert_eq!(lines_of(set(&packed)), ["SADD k b 7 a"]);

    let mut many: Vec<_> = (0..200).map(|n| format!("m{n}")).collect();
    assert!(matches!(set(&many), Set::Table(_)));
    let lines = lines_of(set(&many));
    let counts: Vec<_> = lines
        .iter()
        .map(|line| line.split(' ').count() - 2)
        .collect();
    assert_eq!(counts, [64, 64, 64, 8]);
    let members = |line: &String| {
        let members = line.strip_prefix("SADD k ").unwrap();
        members.split(' ').map(String::from).collect::<Vec<_>>()
    };
    let mut found: Vec<_> = lines.iter().flat_map(members).collect();
    found.sort();
    many.sort();
    assert_eq!(found, many);
}

#[test]
fn a_hash_is_written_in_each_of_its_forms() {
    let limits = BuildLimits::usual().hash;
    let mut hash = Hash::new();
    (0..66).for_each(|n| {
        hash.set(
            format!("f{n}").as_bytes(),
            n.to_string().as_bytes(),
            &limits,
        );
    });
    let pairs = |range| format!("HMSET k{}", joined(range, |n| format!("f{n} {n}")));
    assert!(matches!(hash, Hash::Packed(_)));
    assert_eq!(lines_of(hash), [pairs(0..64), pairs(64..66)]);

    let mut hash = Hash::new();
    let long = "v".repeat(100);
    (0..70).for_each(|n| {
        hash.set(format!("f{n}").as_bytes(), long.as_bytes(), &limits);
    });
    assert!(matches!(hash, Hash::Table(_)));
    let mut found = BTreeMap::new();
    for line in lines_of(hash) {
        let pairs: Vec<_> = line.split(' ').skip(2).map(String::from).collect();
        pairs.chunks(2).for_each(|pair| {
            found.insert(pair[0].clone(), pair[1].clone());
        });
    }
    let expected = (0..70).map(|n| (format!("f{n}"), long.clone())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_sorted_set_is_written_in_each_of_its_forms_lowest_first() {
    let limits = BuildLimits::usual().zset;
    let scores: [(f64, &str); 14] = [
        (f64::NEG_INFINITY, "-inf"),
        (f64::MIN, "-1.7976931348623157e+308"),
        (-1e20, "-1e+20"),
        (-3.0, "-3"),
        (5e-324, "5e-324"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (10.0 / 3.0, "3.3333333333333335"),
        (5e9, "5e+9"),
        (9_007_199_254_740_992.0, "9007199254740992"),
        (123_456_789_012_345_678.0, "123456789012345680"),
        (1e21, "1e+21"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::INFINITY, "inf"),
    ];
    let mut zset = ZSet::new();
    scores.iter().enumerate().rev().for_each(|(n, (score, _))| {
        zset.add(format!("m{n}").as_bytes(), *score, Add::default(), &limits);
    });
    let expected = joined(0..14, |n| format!("{} m{n}", scores[n].1));
    let expected = vec![format!("ZADD k{expected}")];
    assert!(matches!(zset, ZSet::Packed(_)));
    assert_eq!(lines_of(zset.clone()), expected);
    zset.convert(&limits);
    assert!(matches!(zset, ZSet::Tree(_)));
    assert_eq!(lines_of(zset), expected);

    let mut zset = ZSet::new();
    (1..200).rev().for_each(|n| {
        zset.add(
            format!("m{n}").as_bytes(),
            f64::from(n),
            Add::default(),
            &limits,
        );
    });
    // Only a tree keeps the sign of a zero.
    zset.add(b"m0", -0.0, Add::default(), &limits);
    let score = |n: usize| if n == 0 { "-0".into() } else { n.to_string() };
    let all = |range| format!("ZADD k{}", joined(range, |n| format!("{} m{n}", score(n))));
    let expected = [all(0..64), all(64..128), all(128..192), all(192..200)];
    assert_eq!(lines_of(zset), expected);
}

const STREAM_LIMITS: StreamLimits = StreamLimits {
    node_max_bytes: 4096,
    node_max_entries: 100,
};

fn stream_of(ids: std::ops::RangeInclusive<u64>) -> Stream {
    let mut stream = Stream::new();
    for ms in ids {
        let text = ms.to_string();
        let words: [&[u8]; 4] = [b"field", text.as_bytes(), b"n", b"x"];
        let words = &words[..if ms % 3 == 0 { 2 } else { 4 }];
        let id = NewId::Exact(StreamId::new(ms, ms % 2));
        let words = words.iter().copied();
        stream
            .log_mut()
            .append(id, words, 0, STREAM_LIMITS)
            .unwrap();
    }
    stream
}

#[test]
fn a_stream_is_written_without_its_deleted_entries() {
    let mut stream = stream_of(1..=5);
    stream
        .log_mut()
        .delete(&[StreamId::new(2, 0), StreamId::new(5, 1)]);
    assert_eq!(
        lines_of(Box::new(stream)),
        [
            "XADD k 1-1 field 1 n x",
            "XADD k 3-1 field 3",
            "XADD k 4-0 field 4 n x",
            "XSETID k 5-1 ENTRIESADDED 5 MAXDELETEDID 5-1",
        ]
    );
    let mut stream = stream_of(1..=300);
    let trim = Trim {
        to: TrimTo::Len(2),
        by_node: false,
        limit: 0,
    };
    assert_eq!(stream.log_mut().trim(&trim), 298);
    assert_eq!(
        lines_of(Box::new(stream)),
        [
            "XADD k 299-1 field 299 n x",
            "XADD k 300-0 field 300",
            "XSETID k 300-0 ENTRIESADDED 300 MAXDELETEDID 0-0",
        ]
    );
}

#[test]
fn a_stream_without_entries_stays() {
    let trick = "XADD k MAXLEN 0 0-1 x y";
    assert_eq!(
        lines_of(Box::new(Stream::new())),
        [trick, "XSETID k 0-0 ENTRIESADDED 0 MAXDELETEDID 0-0"]
    );
    let mut stream = stream_of(8..=8);
    stream.log_mut().delete(&[StreamId::new(8, 0)]);
    stream.create_group(b"g", Group::new(StreamId::new(8, 0), None));
    assert_eq!(
        lines_of(Box::new(stream)),
        [
            trick,
            "XSETID k 8-0 ENTRIESADDED 1 MAXDELETEDID 8-0",
            "XGROUP CREATE k g 8-0 ENTRIESREAD -1",
        ]
    );
}

#[test]
fn groups_come_with_their_consumers_and_what_is_pending_to_each() {
    let mut stream = stream_of(1..=4);
    let mut group = Group::new(StreamId::new(3, 1), Some(3));
    let bob = group.create_consumer(b"bob", 5).unwrap();
    let alice = group.create_consumer(b"alice", 5).unwrap();
    group.create_consumer(b"idle", 5).unwrap();
    group.deliver(StreamId::new(3, 1), bob, 1_700_000_000_000);
    group.deliver(StreamId::new(1, 1), alice, 1_700_000_000_001);
    group.deliver(StreamId::new(2, 0), bob, 1_700_000_000_002);
    let claim = Claim {
        delivered_ms: 1_600_000_000_000,
        deliveries: Deliveries::Set(12),
    };
    group.claim(StreamId::new(2, 0), bob, claim, 7);
    stream.create_group(b"two", Group::new(StreamId::MIN, None));
    stream.create_group(b"one", group);
    assert_eq!(
        lines_of(Box::new(stream)).split_off(5),
        [
            "XGROUP CREATE k one 3-1 ENTRIESREAD 3",
            "XCLAIM k one alice 0 1-1 TIME 1700000000001 RETRYCOUNT 1 JUSTID FORCE",
            "XCLAIM k one bob 0 2-0 TIME 1600000000000 RETRYCOUNT 12 JUSTID FORCE",
            "XCLAIM k one bob 0 3-1 TIME 1700000000000 RETRYCOUNT 1 JUSTID FORCE",
            "XGROUP CREATECONSUMER k one idle",
            "XGROUP CREATE k two 0-0 ENTRIESREAD -1",
        ]
    );
}

#[test]
fn words_of_any_length_pass_the_buffer() {
    for len in [
        0, 9, 10, 99, 100, 131_000, 131_039, 131_040, 131_041, 131_072, 400_000,
    ] {
        let mut keyspace = Keyspace::new(1, [1, 2]);
        let text = vec![b'x'; len];
        for key in ["a", "b", "c"] {
            keyspace
                .db_mut(0)
                .set(key.as_bytes(), NewValue::Bytes(&text), Some(7));
        }
        let mut commands = commands(&written(&keyspace)).split_off(1);
        commands.sort_by(|a, b| (&a[1], &b[0]).cmp(&(&b[1], &a[0])));
        for (pair, key) in commands.chunks(2).zip([b"a", b"b", b"c"]) {
            assert!(pair[0] == [&b"SET"[..], key, &text], "{len}");
            assert!(pair[1] == [&b"PEXPIREAT"[..], key, b"7"], "{len}");
        }
    }
}

/// Takes so many bytes and then has no room any more; counts how often it was asked.
struct Small {
    room: usize,
    writes: usize,
}

impl io::Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        match self.room.min(bytes.len()) {
            0 if !bytes.is_empty() => Err(io::ErrorKind::StorageFull.into()),
            count => {
                self.room -= count;
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_observer_counts_along_and_a_full_disk_is_an_error() {
    struct Last(u64);
    impl SaveObserver for Last {
        fn key_saved(&mut self, keys: u64) {
            assert_eq!(keys, self.0 + 1);
            self.0 = keys;
        }
    }
    let mut keyspace = Keyspace::new(2, [1, 2]);
    for n in 0..10_000 {
        let db = keyspace.db_mut(n % 2);
        db.set(n.to_string().as_bytes(), NewValue::Bytes(&[b'x'; 50]), None);
    }
    let save = |room, observer: &mut Last| {
        let sink = Small { room, writes: 0 };
        save_commands(sink, &keyspace, &CommandsOptions::default(), observer)
    };
    let mut last = Last(0);
    let sink = save(usize::MAX, &mut last).unwrap();
    assert_eq!(last.0, 10_000);
    assert!(
        sink.writes < 10,
        "{} writes of less than a megabyte",
        sink.writes
    );
    for room in [0, 1, 200_000, 600_000] {
        let error = save(room, &mut Last(0)).map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}

#[test]
fn libraries_come_first() {
    let options = CommandsOptions {
        libraries: &[b"#!lua name=l\ncode"],
        ..CommandsOptions::default()
    };
    let commands = save_commands(Vec::new(), &Keyspace::new(1, [0, 0]), &options, &mut ());
    let expected = b"*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$17\r\n#!lua name=l\ncode\r\n";
    assert_eq!(commands.unwrap(), expected);
}

fn fixture(name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(fixtures.join(name)).unwrap()
}

/// The keyspace that a snapshot is of.
fn loaded(snapshot: &[u8]) -> Keyspace {
    let mut keyspace = Keyspace::new(16, [3, 4]);
    let mut fill = Fill::new(FillOptions {
        now_ms: 0,
        expired: ExpiredKeys::Keep,
        duplicates: DuplicateKeys::Refuse,
        access: AccessBits::Lru,
        stream_bytes: None,
    });
    let mut loader = StreamLoader::new(DecoderOptions::usual(Purpose::Load));
    let mut sink = fill.sink(&mut keyspace, |_, _| {}, |_| Ok(()));
    loader.push(snapshot, &mut sink).unwrap();
    assert!(loader.is_done());
    keyspace
}

/// The commands by database and key, in their order. Where members have no order, the numbers of
/// words are kept, and the members sorted.
fn by_key(commands: Vec<Words>) -> BTreeMap<(Vec<u8>, Vec<u8>), Vec<Words>> {
    let mut keys: BTreeMap<_, Vec<Words>> = BTreeMap::new();
    let mut db = Vec::new();
    for words in commands {
        match &words[0][..] {
            b"SELECT" => db = words[1].clone(),
            b"XGROUP" => keys
                .entry((db.clone(), words[2].clone()))
                .or_default()
                .push(words),
            _ => keys
                .entry((db.clone(), words[1].clone()))
                .or_default()
                .push(words),
        }
    }
    for ((_, key), commands) in &mut keys {
        if key.starts_with(b"unordered:") {
            let width = if commands[0][0] == b"SADD" { 1 } else { 2 };
            let counts = commands
                .iter()
                .map(|words| words.len().to_string().into_bytes());
            let mut sorted = vec![counts.collect()];
            let items = commands.iter().flat_map(|words| words[2..].chunks(width));
            sorted.extend(items.map(<[_]>::to_vec));
            sorted[1..].sort();
            *commands = sorted;
        }
    }
    keys
}

#[test]
fn redis_writes_the_same_for_the_same_data() {
    let ours = by_key(commands(&written(&loaded(&fixture(
        "redis-7.2.4-rewritten.rdb",
    )))));
    let theirs = by_key(commands(&fixture("redis-7.2.4-rewritten.aof")));
    let names = |keys: &BTreeMap<_, _>| keys.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    assert_eq!(ours.len(), 28);
    for (key, commands) in ours {
        assert_eq!(
            commands,
            theirs[&key],
            "{}",
            String::from_utf8_lossy(&key.1)
        );
    }
}
