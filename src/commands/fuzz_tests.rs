//! Hostile payloads and snapshots: whatever is in one, a server must say no or hold a sound value.
//!
//! Each case takes a payload of the corpus (`tests/fixtures/payloads`), damages it in a way that
//! knows where the soft spots are, puts a checksum under it that is right, and restores it. A value
//! that is taken is then used: read in full, changed, dumped and restored again, which must give
//! the same value, and deleted. A panic, in an assertion of ours or by an access that went astray,
//! is a find: its payload goes into the corpus.
//!
//! `cargo test` runs some thousand cases, always the same ones. For a long run:
//!
//! ```text
//! FUZZ_SECONDS=3600 FUZZ_SEED=7 FUZZ_FINDS=finds cargo test --lib fuzz -- --nocapture
//! ```
//!
//! Every case has a seed of its own, counted up from the first one. `FUZZ_FINDS` names a folder
//! for what made a case fail; while a case runs, its input is there as `current`, in case nothing
//! is left that could report it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use super::testing::Rig;
use crate::base::rng::Rng;
use crate::keyspace::Keyspace;
use crate::persist::rdb::check;
use crate::persist::rdb::decoder::{DecoderOptions, Purpose};
use crate::persist::rdb::encoder::EncoderOptions;
use crate::persist::rdb::fill::{AccessBits, DuplicateKeys, ExpiredKeys, Fill, FillOptions};
use crate::persist::rdb::format::Version;
use crate::persist::rdb::load::StreamLoader;
use crate::persist::rdb::payload;

/// Cases of a run that is given no time.
const CASES: u64 = 1500;
/// Version and checksum.
const FOOTER_BYTES: usize = 10;
/// A case that takes longer is told of.
const SLOW: Duration = Duration::from_secs(2);

/// What a run is to do.
struct Plan {
    seed: u64,
    end: End,
    finds: Option<PathBuf>,
}

enum End {
    After(u64),
    At(Instant),
}

impl Plan {
    fn of_environment() -> Plan {
        let number = |name| env::var(name).ok().map(|text| text.parse().unwrap());
        let end = match number("FUZZ_SECONDS") {
            Some(seconds) => End::At(Instant::now() + Duration::from_secs(seconds)),
            None => End::After(CASES),
        };
        Plan {
            seed: number("FUZZ_SEED").unwrap_or(1),
            end,
            finds: env::var_os("FUZZ_FINDS").map(PathBuf::from),
        }
    }

    /// Runs cases: `input` makes one of a seed, `run` may panic on it.
    fn carry_out(
        &self,
        name: &str,
        mut input: impl FnMut(&mut Rng) -> Vec<u8>,
        mut run: impl FnMut(&[u8], &mut Rng) -> bool,
    ) {
        println!("{name}: from seed {}", self.seed);
        let (mut cases, mut taken, mut finds) = (0, 0, 0);
        while self.goes_on(cases) {
            let seed = self.seed + cases;
            let mut rng = Rng::from_seed(seed);
            let bytes = input(&mut rng);
            self.keep("current", &bytes);
            let began = Instant::now();
            match catch_unwind(AssertUnwindSafe(|| run(&bytes, &mut rng))) {
                Ok(was_taken) => taken += u64::from(was_taken),
                Err(_) => {
                    finds += 1;
                    println!("{name}: seed {seed} fails: {}", bytes.escape_ascii());
                    self.keep(&format!("{name}-{seed}"), &bytes);
                }
            }
            if began.elapsed() > SLOW {
                println!("{name}: seed {seed} takes {:?}", began.elapsed());
                self.keep(&format!("slow-{name}-{seed}"), &bytes);
            }
            cases += 1;
        }
        println!("{name}: {cases} cases, {taken} taken, {finds} finds");
        assert_eq!(finds, 0);
    }

    fn goes_on(&self, cases: u64) -> bool {
        match self.end {
            End::After(most) => cases < most,
            End::At(instant) => Instant::now() < instant,
        }
    }

    fn keep(&self, name: &str, bytes: &[u8]) {
        if let Some(folder) = &self.finds {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

fn fixtures(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut paths: Vec<PathBuf> = fs::read_dir(fixtures.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn below(rng: &mut Rng, n: usize) -> usize {
    rng.below(n.max(1) as u64) as usize
}

fn restore(rig: &mut Rig, key: &[u8], payload: &[u8]) -> String {
    rig.run_words(&[b"RESTORE", key, b"0", payload, b"REPLACE"])
}

/// What a key holds, as a payload without footer, of the version in `options`.
fn body_of(rig: &Rig, key: &[u8], version: Version) -> Option<Vec<u8>> {
    let entry = rig.env.keyspace.db(0).get(key)?;
    let options = EncoderOptions {
        version,
        compression: false,
        checksum: false,
    };
    let mut payload = payload::dump(entry.value(), options);
    payload.truncate(payload.len() - FOOTER_BYTES);
    Some(payload)
}

/// The corpus, without footers, and the same values as every version writes them.
fn corpus() -> Vec<Vec<u8>> {
    let mut rig = Rig::new();
    let mut bodies = Vec::new();
    for payload in fixtures("payloads", "dump") {
        bodies.push(payload[..payload.len() - FOOTER_BYTES].to_vec());
        if restore(&mut rig, b"k", &payload) == "+OK\r\n" {
            let versions = [Version::V9, Version::V10, Version::V11];
            bodies.extend(versions.map(|version| body_of(&rig, b"k", version).unwrap()));
        }
    }
    bodies.sort();
    bodies.dedup();
    bodies
}

/// A payload of a body: with a footer, which the rig is told not to compare.
fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    body.extend([11, 0]);
    body.extend([0; 8]);
    body
}

/// Damages bytes in one to some places.
fn damage(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    for _ in 0..=below(rng, 3) {
        let at = below(rng, bytes.len());
        match below(rng, 12) {
            0..=2 => overwrite(bytes, at, &[rng.next_u64() as u8]),
            3 => overwrite(bytes, at, &[interesting_byte(rng)]),
            4 if !bytes.is_empty() => bytes[at] ^= 1 << below(rng, 8),
            5 => {
                let number = interesting_number(rng).to_le_bytes();
                let width = [2, 4, 8][below(rng, 3)];
                overwrite(bytes, at, &number[..width]);
            }
            6 => {
                let number = interesting_number(rng).to_be_bytes();
                overwrite(bytes, at, &number[4..]);
            }
            7 => bytes.insert(at.min(bytes.len()), interesting_byte(rng)),
            8 if !bytes.is_empty() => {
                let count = 1 + below(rng, 4.min(bytes.len() - at));
                bytes.drain(at..at + count);
            }
            9 => repeat_piece(bytes, at, rng),
            10 => {
                let other = &corpus[below(rng, corpus.len())];
                let piece = &other[below(rng, other.len())..];
                overwrite(bytes, at, &piece[..piece.len().min(16)]);
            }
            _ => nudge(bytes, at, rng),
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, new) in bytes.iter_mut().skip(at).zip(with) {
        *byte = *new;
    }
}

fn repeat_piece(bytes: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    let end = (at + 1 + below(rng, 16)).min(bytes.len());
    let piece = bytes[at.min(end)..end].to_vec();
    bytes.splice(end..end, piece);
}

/// Counts, lengths and ids are most dangerous when they are nearly right.
fn nudge(bytes: &mut [u8], at: usize, rng: &mut Rng) {
    if let Some(byte) = bytes.get_mut(at) {
        let by = 1 + below(rng, 3) as u8;
        *byte = match rng.below(2) {
            0 => byte.wrapping_add(by),
            _ => byte.wrapping_sub(by),
        };
    }
}

fn interesting_byte(rng: &mut Rng) -> u8 {
    const BYTES: [u8; 16] = [
        0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xc3, 0xe0, 0xf0, 0xf1, 0xfe, 0xff,
    ];
    BYTES[below(rng, BYTES.len())]
}

fn interesting_number(rng: &mut Rng) -> u64 {
    let edge = 1u64 << below(rng, 64);
    edge.wrapping_add(rng.below(3)).wrapping_sub(1)
}

/// The string of a value that is one plain string: where its length stands, and where it is.
fn packed_string(body: &[u8]) -> Option<(usize, usize)> {
    const PACKED: [u8; 8] = [9, 10, 11, 12, 13, 16, 17, 20];
    let (id, length) = (*body.first()?, *body.get(1)?);
    let (start, len) = match length {
        0..=0x3f => (2, usize::from(length)),
        0x40..=0x7f => (
            3,
            usize::from(length & 0x3f) << 8 | usize::from(*body.get(2)?),
        ),
        _ => return None,
    };
    (PACKED.contains(&id) && start + len == body.len()).then_some((start, len))
}

/// Damages the inside of a packed value, and makes length and size fit again.
fn damage_packed(body: &mut Vec<u8>, start: usize, corpus: &[Vec<u8>], rng: &mut Rng) {
    let mut inside = body[start..].to_vec();
    damage(&mut inside, corpus, rng);
    if rng.below(4) > 0 && body[0] != 9 && body[0] != 11 {
        let size = inside.len() as u32;
        overwrite(&mut inside, 0, &size.to_le_bytes());
    }
    body.truncate(1);
    body.push(0x40 | (inside.len() >> 8) as u8 & 0x3f);
    body.push(inside.len() as u8);
    body.extend(inside);
}

fn damaged_payload(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut body = corpus[below(rng, corpus.len())].clone();
    match packed_string(&body) {
        Some((start, _)) if rng.below(3) > 0 => damage_packed(&mut body, start, corpus, rng),
        _ => damage(&mut body, corpus, rng),
    }
    if rng.below(16) == 0 {
        let at = 0;
        let id = rng.below(24) as u8;
        overwrite(&mut body, at, &[id]);
    }
    sealed(body)
}

/// Commands for each type; `k` is the key, `%` becomes a small number.
fn commands_for(type_: &str) -> &'static [&'static str] {
    match type_ {
        "string" => &[
            "GET k",
            "APPEND k x",
            "SETRANGE k % y",
            "INCR k",
            "STRLEN k",
        ],
        "list" => &[
            "LLEN k",
            "LRANGE k 0 -1",
            "LINDEX k %",
            "LINDEX k -%",
            "LPUSH k a 1",
            "RPUSH k b 2",
            "LSET k % c",
            "LINSERT k BEFORE a z",
            "LINSERT k AFTER 5 z",
            "LREM k 0 a",
            "LPOS k 1",
            "LTRIM k 1 -2",
            "LPOP k",
            "RPOP k %",
            "LMOVE k k LEFT RIGHT",
            "SORT k ALPHA",
        ],
        "set" => &[
            "SCARD k",
            "SMEMBERS k",
            "SISMEMBER k a",
            "SISMEMBER k 5",
            "SADD k new 77",
            "SREM k a",
            "SRANDMEMBER k -5",
            "SRANDMEMBER k 3",
            "SSCAN k 0 COUNT 100",
            "SINTER k k",
            "SPOP k",
            "SUNIONSTORE other k k",
            "SMOVE k other 5",
            "SPOP k %",
            "SORT k ALPHA",
        ],
        "zset" => &[
            "ZCARD k",
            "ZRANGE k 0 -1 WITHSCORES",
            "ZRANGE k % -1 REV",
            "ZSCORE k a",
            "ZRANK k b",
            "ZADD k 1.5 new",
            "ZADD k 3 a",
            "ZINCRBY k 2 b",
            "ZRANGEBYSCORE k -inf +inf",
            "ZRANGEBYLEX k - +",
            "ZCOUNT k (1 5",
            "ZREVRANK k c",
            "ZRANDMEMBER k -5 WITHSCORES",
            "ZREM k a",
            "ZPOPMIN k",
            "ZPOPMAX k %",
            "ZREMRANGEBYRANK k 0 %",
            "ZSCAN k 0 COUNT 100",
            "ZUNIONSTORE other 2 k k",
        ],
        "hash" => &[
            "HLEN k",
            "HGETALL k",
            "HGET k f",
            "HGET k 5",
            "HSET k new value",
            "HSET k f w n 6",
            "HINCRBY k n 3",
            "HKEYS k",
            "HSTRLEN k f",
            "HRANDFIELD k -5 WITHVALUES",
            "HDEL k f",
            "HSCAN k 0 COUNT 100",
            "HRANDFIELD k 3",
            "HDEL k n 5",
        ],
        "stream" => &[
            "XLEN k",
            "XRANGE k - +",
            "XREVRANGE k + - COUNT %",
            "XINFO STREAM k FULL",
            "XINFO GROUPS k",
            "XINFO CONSUMERS k g1",
            "XPENDING k g1",
            "XPENDING k g1 - + 10",
            "XADD k * f v",
            "XADD k * other 1 field 2",
            "XREAD COUNT 9 STREAMS k 0",
            "XREADGROUP GROUP g1 alice STREAMS k >",
            "XREADGROUP GROUP g1 bob STREAMS k 0",
            "XACK k g1 1-1 4-1",
            "XCLAIM k g1 carol 0 5-1 6-1",
            "XAUTOCLAIM k g1 dan 0 0",
            "XDEL k 3-1 7-1",
            "XTRIM k MAXLEN %",
            "XGROUP DELCONSUMER k g1 alice",
            "XSETID k 99999999999999-1",
            "XGROUP DESTROY k g2",
            "XTRIM k MINID 6",
        ],
        other => panic!("no type is called {other}"),
    }
}

/// What can be done with any key.
const GENERIC: &[&str] = &[
    "OBJECT ENCODING k",
    "DEBUG OBJECT k",
    "MEMORY USAGE k SAMPLES 0",
    "COPY k other REPLACE",
    "RENAME k k2",
    "RENAME k2 k",
    "DEBUG DIGEST-VALUE k other",
];

/// Uses a value that was taken; it must still be what it was after a dump and a restore.
fn use_value(rig: &mut Rig, rng: &mut Rng) {
    check_round_trip(rig);
    let type_ = rig.run("TYPE k");
    let commands = commands_for(type_.trim_matches(['+', '\r', '\n']));
    for command in GENERIC {
        rig.run(command);
    }
    for _ in 0..commands.len() {
        let command = commands[below(rng, commands.len())];
        rig.run(&command.replace('%', &rng.below(6).to_string()));
    }
    if rig.run("EXISTS k") == ":1\r\n" {
        check_round_trip(rig);
    }
    rig.run("DEL k other");
    assert_eq!(rig.run("DBSIZE"), ":0\r\n");
}

fn check_round_trip(rig: &mut Rig) {
    let digest = |rig: &mut Rig, key: &str| rig.run(&format!("DEBUG DIGEST-VALUE {key}"));
    let body = body_of(rig, b"k", Version::V11).expect("the key is there");
    assert_eq!(restore(rig, b"other", &sealed(body)), "+OK\r\n");
    assert_eq!(digest(rig, "k"), digest(rig, "other"));
    rig.run("DEL other");
}

/// A rig for hostile payloads, with limits that values of the corpus are about to exceed.
fn rig_for_payloads(rng: &mut Rng) -> Rig {
    let mut rig = Rig::new();
    rig.env.skip_checksums = true;
    rig.run("CONFIG SET enable-debug-command yes");
    let config = &mut rig.env.config;
    config.enable_debug_command = crate::config::ProtectedAction::Yes;
    if rng.below(2) == 0 {
        config.list_max_listpack_size = 4;
        config.list_compress_depth = rng.below(3) as u32;
        config.hash_max_listpack_entries = 3;
        config.set_max_listpack_entries = 4;
        config.set_max_intset_entries = 3;
        config.zset_max_listpack_entries = 4;
    }
    rig
}

#[test]
fn fuzz_payloads() {
    let corpus = corpus();
    let mut rigs = [0, 1, 2, 3].map(|seed| rig_for_payloads(&mut Rng::from_seed(seed)));
    Plan::of_environment().carry_out(
        "payload",
        |rng| damaged_payload(&corpus, rng),
        |payload, rng| {
            let rig = &mut rigs[below(rng, 4)];
            rig.run("FLUSHALL");
            rig.host.wishes.clear();
            let taken = restore(rig, b"k", payload) == "+OK\r\n";
            if taken {
                use_value(rig, rng);
            }
            taken
        },
    );
}

/// A snapshot with some values of the corpus, without a checksum.
fn a_snapshot(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = b"REDIS0011\xfa\x03ver\x01x\xfe\x00\xfb\x05\x02".to_vec();
    for n in 0..1 + rng.below(4) {
        let body = &corpus[below(rng, corpus.len())];
        match rng.below(4) {
            0 => bytes.extend(b"\xfc\x00\x00\x00\x00\x00\x00\x00\x7f"),
            1 => bytes.extend(b"\xf8\x05"),
            2 => bytes.extend(b"\xf9\x05"),
            _ => {}
        }
        bytes.extend([body[0], 1, b'a' + n as u8]);
        bytes.extend(&body[1..]);
    }
    bytes.push(0xff);
    bytes.extend([0; 8]);
    bytes
}

/// Loads a snapshot in pieces of some size; whether it was whole.
fn load(bytes: &[u8], piece: usize) -> bool {
    let mut keyspace = Keyspace::new(4, [1, 2]);
    let mut loader = StreamLoader::new(DecoderOptions {
        stream_bytes: Some(bytes.len() as u64),
        ..DecoderOptions::usual(Purpose::Load)
    });
    let mut fill = Fill::new(FillOptions {
        now_ms: 0,
        expired: ExpiredKeys::Drop,
        duplicates: DuplicateKeys::Replace,
        access: AccessBits::Lru,
        stream_bytes: None,
    });
    for piece in bytes.chunks(piece) {
        let mut sink = fill.sink(&mut keyspace, |_, _| {}, |_| Ok(()));
        if loader.push(piece, &mut sink).is_err() {
            return false;
        }
    }
    loader.is_done()
}

#[test]
fn fuzz_snapshots() {
    let mut corpus = corpus();
    corpus.retain(|body| body.len() < 2000);
    let files = fixtures("", "rdb");
    Plan::of_environment().carry_out(
        "snapshot",
        |rng| {
            let mut bytes = match rng.below(20) {
                0 => files[below(rng, files.len())].clone(),
                _ => a_snapshot(&corpus, rng),
            };
            damage(&mut bytes, &corpus, rng);
            bytes
        },
        |bytes, rng| {
            check::check(bytes, 0, &mut Vec::new()).unwrap();
            let loaded = load(bytes, 1 + below(rng, 200));
            assert_eq!(loaded, load(bytes, bytes.len()));
            loaded
        },
    );
}
