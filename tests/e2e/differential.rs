//! The same random commands to ours and to stock Redis: every reply must agree, byte for byte.
//!
//! Commands are drawn from templates whose placeholders are filled from small pools, so that keys
//! meet again and values sit on the borders where encodings and parsers change their mind. Each run
//! prints its seed; `TANIST_TEST_SEED` replays it, or is `random`.
//!
//! Two things cannot agree and are compared for what they mean: times to live (two clocks) and the
//! order in which a table is walked. Debian ships Redis 7.0 where we follow 7.2; for the commands
//! below the two say the same.

use crate::harness::*;

const COMMANDS_PER_RUN: usize = 15_000;

const TEMPLATES: &[&str] = &[
    "GET {key}",
    "GET {key}",
    "SET {key} {value}",
    "SET {key} {value}",
    "SET {key} {value} {setopt}",
    "SET {key} {value} {setopt} {setopt}",
    "SET {key} {value} {setopt} {setopt} {setopt}",
    "SETNX {key} {value}",
    "SETEX {key} {seconds} {value}",
    "PSETEX {key} {millis} {value}",
    "GETSET {key} {value}",
    "GETDEL {key}",
    "GETEX {key}",
    "GETEX {key} {getexopt}",
    "GETEX {key} {getexopt} {getexopt}",
    "MSET {key} {value} {key} {value}",
    "MSETNX {key} {value} {key} {value}",
    "MGET {key} {key} {key}",
    "APPEND {key} {value}",
    "STRLEN {key}",
    "SETRANGE {key} {offset} {value}",
    "GETRANGE {key} {index} {index}",
    "SUBSTR {key} {index} {index}",
    "INCR {key}",
    "DECR {key}",
    "INCRBY {key} {integer}",
    "DECRBY {key} {integer}",
    "INCRBYFLOAT {key} {float}",
    "LCS {key} {key}",
    "LCS {key} {key} {lcsopt}",
    "LCS {key} {key} {lcsopt} {lcsopt}",
    "LCS {key} {key} IDX MINMATCHLEN {index} WITHMATCHLEN",
    "DEL {key}",
    "DEL {key} {key} {key}",
    "UNLINK {key} {key}",
    "EXISTS {key} {key} {key}",
    "TYPE {key}",
    "TOUCH {key} {key}",
    "RENAME {key} {key}",
    "RENAMENX {key} {key}",
    "COPY {key} {key}",
    "COPY {key} {key} REPLACE",
    "COPY {key} {key} DB {db} {copyopt}",
    "MOVE {key} {db}",
    "SELECT {db}",
    "SWAPDB {db} {db}",
    "DBSIZE",
    "KEYS {pattern}",
    "SCAN 0 COUNT 10000",
    "SCAN 0 MATCH {pattern} COUNT 10000",
    "SCAN 0 TYPE {type} COUNT 10000",
    "SCAN {integer} {word} {integer}",
    "OBJECT ENCODING {key}",
    "OBJECT FREQ {key}",
    "OBJECT {word} {key}",
    "EXPIRE {key} {seconds}",
    "EXPIRE {key} {seconds} {expireopt}",
    "EXPIRE {key} {seconds} {expireopt} {expireopt}",
    "PEXPIRE {key} {millis}",
    "PEXPIRE {key} {millis} {expireopt}",
    "EXPIREAT {key} {unix}",
    "EXPIREAT {key} {unix} {expireopt}",
    "PEXPIREAT {key} {unixms}",
    "PEXPIREAT {key} {unixms} {expireopt}",
    "TTL {key}",
    "PTTL {key}",
    "EXPIRETIME {key}",
    "PEXPIRETIME {key}",
    "PERSIST {key}",
    "ECHO {value}",
    "PING {value}",
    "FLUSHDB {flushopt}",
    "{word} {key} {value}",
];

/// Rare ones, which would keep the keyspace empty if they came often.
const RARE: &[&str] = &[
    "FLUSHALL",
    "FLUSHDB",
    "FLUSHALL {flushopt}",
    "FLUSHDB ASYNC",
];

const KEYS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "key:1",
    "key:2",
    "key:3",
    "",
    "\u{1F511}",
];
const VALUES: &[&str] = &[
    "",
    "0",
    "-0",
    "1",
    "-1",
    "007",
    "+5",
    " 5",
    "5 ",
    "10000",
    "9999",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "12345678901234567890123",
    "3.14",
    "3.0e3",
    "-0.1",
    "1e400",
    "inf",
    "nan",
    "0x10",
    "hello",
    "ohmytext",
    "mynewtext",
    "forty-four bytes are what an embstr may have",
    "forty-five bytes is one more than an embstr is",
    "line\r\nbreak",
    "quote\"and\\slash",
    "\u{0}\u{1}\u{7f}",
];
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "42",
    "-300",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "",
    "x",
    " 1",
    "01",
];
const FLOATS: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.1",
    "1.1",
    "-2.5",
    "3.0e3",
    "1e-7",
    "1e17",
    "123456789.123456789",
    "inf",
    "-inf",
    "nan",
    "1.",
    ".5",
    " 1",
    "1 ",
    "abc",
    "",
    "0x1p3",
    "1e5000",
    "5e-324",
];
const INDEXES: &[&str] = &[
    "0",
    "1",
    "3",
    "10",
    "-1",
    "-3",
    "-100",
    "100",
    "x",
    "9999999999",
];
const OFFSETS: &[&str] = &[
    "0",
    "1",
    "5",
    "43",
    "44",
    "100",
    "-1",
    "x",
    "536870912",
    "600000000",
];
const SECONDS: &[&str] = &[
    "1000",
    "100000",
    "0",
    "-1",
    "x",
    "9223372036854775807",
    "1.5",
];
const MILLIS: &[&str] = &[
    "1000000",
    "100000000",
    "0",
    "-5",
    "x",
    "9223372036854775807",
];
const UNIX: &[&str] = &[
    "32503680000",
    "33000000000",
    "1",
    "0",
    "-1",
    "x",
    "9223372036854775807",
];
const UNIX_MS: &[&str] = &[
    "32503680000123",
    "33000000000000",
    "1",
    "0",
    "-1",
    "x",
    "9223372036854775807",
];
const DATABASES: &[&str] = &["0", "0", "1", "2", "9", "15", "16", "-1", "x"];
const PATTERNS: &[&str] = &[
    "*", "key:*", "?", "[a-c]", "[^a-c]", "[abc", "key:[12]", "*:*", "\\*", "", "nothing", "[]",
];
const SET_OPTIONS: &[&str] = &[
    "NX",
    "XX",
    "GET",
    "KEEPTTL",
    "EX 1000",
    "PX 1000000",
    "EXAT 32503680000",
    "PXAT 32503680000123",
    "nx",
    "Ex 100000",
    "EX 0",
    "PX -1",
    "EX x",
    "EX",
    "NONSENSE",
    "EX 9223372036854775807",
];
const GETEX_OPTIONS: &[&str] = &[
    "PERSIST",
    "EX 1000",
    "PX 1000000",
    "EXAT 32503680000",
    "PXAT 32503680000123",
    "EX 0",
    "EX",
    "persist",
    "KEEPTTL",
    "EXAT 1",
];
const EXPIRE_OPTIONS: &[&str] = &["NX", "XX", "GT", "LT", "nx", "gt", "NONSENSE"];
const LCS_OPTIONS: &[&str] = &[
    "LEN",
    "IDX",
    "MINMATCHLEN 2",
    "WITHMATCHLEN",
    "MINMATCHLEN x",
    "NO",
];
const COPY_OPTIONS: &[&str] = &["REPLACE", "replace", "NONSENSE", "DB 3"];
const FLUSH_OPTIONS: &[&str] = &["NONSENSE", "NONSENSE", "SYNC"];
const TYPES: &[&str] = &["string", "STRING", "hash", "nonsense"];
const WORDS: &[&str] = &["NOSUCH", "nosuch", "HELP!", "", "GETT"];

fn pool(name: &str) -> &'static [&'static str] {
    match name {
        "key" => KEYS,
        "value" => VALUES,
        "integer" => INTEGERS,
        "float" => FLOATS,
        "index" => INDEXES,
        "offset" => OFFSETS,
        "seconds" => SECONDS,
        "millis" => MILLIS,
        "unix" => UNIX,
        "unixms" => UNIX_MS,
        "db" => DATABASES,
        "pattern" => PATTERNS,
        "setopt" => SET_OPTIONS,
        "getexopt" => GETEX_OPTIONS,
        "expireopt" => EXPIRE_OPTIONS,
        "lcsopt" => LCS_OPTIONS,
        "copyopt" => COPY_OPTIONS,
        "flushopt" => FLUSH_OPTIONS,
        "type" => TYPES,
        "word" => WORDS,
        other => panic!("no pool is called {other}"),
    }
}

fn random_command(rng: &mut Rng) -> Command {
    let rare = rng.below(400) == 0;
    let template = if rare {
        rng.pick(RARE)
    } else {
        rng.pick(TEMPLATES)
    };
    let mut args: Command = Vec::new();
    for word in template.split(' ') {
        let Some(name) = word.strip_prefix('{').and_then(|w| w.strip_suffix('}')) else {
            args.push(word.as_bytes().to_vec());
            continue;
        };
        if name == "value" && rng.chance(15) {
            let length = rng.pick(&[&1_u64, &20, &44, &45, &100, &5000, &40_000]);
            args.push(rng.bytes(*length as usize));
            continue;
        }
        let filled = rng.pick(pool(name));
        if name.ends_with("opt") {
            args.extend(filled.split(' ').map(|part| part.as_bytes().to_vec()));
        } else {
            args.push(filled.as_bytes().to_vec());
        }
    }
    match rng.below(60) {
        0 if args.len() > 1 => drop(args.pop()),
        1 => args.push(b"extra".to_vec()),
        2 => args[0].make_ascii_lowercase(),
        _ => {}
    }
    args
}

/// Whether two replies to `command` say the same.
fn agree(command: &[Vec<u8>], ours: &[u8], stock: &[u8]) -> bool {
    if ours == stock {
        return true;
    }
    let name = String::from_utf8_lossy(&command[0]).to_uppercase();
    let lines = |raw: &[u8]| {
        let text = String::from_utf8_lossy(raw).into_owned();
        let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
        lines.sort();
        lines
    };
    match name.as_str() {
        "TTL" | "PTTL" | "EXPIRETIME" | "PEXPIRETIME" => {
            let number = |raw: &[u8]| -> Option<i64> {
                std::str::from_utf8(raw)
                    .ok()?
                    .strip_prefix(':')?
                    .trim_end()
                    .parse()
                    .ok()
            };
            let unit = if name.starts_with('P') { 1000 } else { 1 };
            match (number(ours), number(stock)) {
                (Some(a), Some(b)) => a > 0 && b > 0 && a.abs_diff(b) <= 5 * unit,
                _ => false,
            }
        }
        "KEYS" | "SCAN" => lines(ours) == lines(stock),
        // The same relative time given twice is the same deadline if no millisecond has passed
        // between, which one server may see and the other not. Absolute times have no such excuse.
        "EXPIRE" | "PEXPIRE" => {
            let is_comparison = |word: &Vec<u8>| {
                word.eq_ignore_ascii_case(b"GT") || word.eq_ignore_ascii_case(b"LT")
            };
            let is_verdict = |reply: &[u8]| [b":0\r\n", b":1\r\n"].iter().any(|v| *v == reply);
            command.get(3).is_some_and(is_comparison) && is_verdict(ours) && is_verdict(stock)
        }
        _ => false,
    }
}

fn compare_run(protocol: u8) {
    let (mut rng, seed) = Rng::from_env();
    println!("seed {seed}");
    let ours = Server::ours(&[]);
    let stock = Server::stock(&[]);
    let mut pair = [ours.connect(), stock.connect()];
    for conn in &mut pair {
        conn.call(&format!("HELLO {protocol}"));
    }
    let mut history: Vec<String> = Vec::new();
    for number in 0..COMMANDS_PER_RUN {
        let command = random_command(&mut rng);
        history.push(show_command(&command));
        let request = encode(&command);
        let [a, b] = pair.each_mut().map(|conn| {
            conn.send(&request);
            conn.read_raw().expect("a reply")
        });
        if agree(&command, &a, &b) {
            continue;
        }
        let past = &history[history.len().saturating_sub(12)..];
        panic!(
            "seed {seed}, RESP{protocol}, command {number} is answered differently\n\
             {}\nours:  {:?}\nstock: {:?}",
            past.join("\n"),
            String::from_utf8_lossy(&a[..a.len().min(300)]),
            String::from_utf8_lossy(&b[..b.len().min(300)])
        );
    }
    assert!(
        dump_without_times(&ours) == dump_without_times(&stock),
        "seed {seed}: the data differ"
    );
}

#[test]
fn random_commands_are_answered_as_stock_redis_answers_them() {
    compare_run(2);
}

#[test]
fn random_commands_are_answered_as_stock_redis_answers_them_in_resp3() {
    compare_run(3);
}
