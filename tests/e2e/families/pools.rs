//! What placeholders stand for.

use crate::harness::Rng;

/// Draws what a placeholder stands for: one or more words.
pub fn draw(name: &str, strict: bool, rng: &mut Rng, out: &mut Vec<Vec<u8>>) {
    let one = |out: &mut Vec<Vec<u8>>, text: &str| out.push(text.as_bytes().to_vec());
    match name {
        "member" => out.push(member(rng)),
        "members" => {
            let count = burst(rng);
            out.extend((0..count).map(|_| member(rng)));
        }
        "int" => out.push(integer(rng)),
        "ints" => {
            let count = burst(rng);
            out.extend((0..count).map(|_| integer(rng)));
        }
        "pairs" => {
            for _ in 0..burst(rng) {
                out.push(member(rng));
                out.push(member(rng));
            }
        }
        "score" => out.push(score(strict, rng)),
        "scored" => {
            for _ in 0..burst(rng) {
                out.push(score(strict, rng));
                out.push(member(rng));
            }
        }
        "place" => {
            // One that is wrong spoils the whole command.
            let (longitudes, latitudes) = match rng.below(5) {
                0 => (LONGITUDES, LATITUDES),
                _ => (&LONGITUDES[..4], &LATITUDES[..4]),
            };
            for _ in 0..burst(rng) {
                one(out, rng.pick(longitudes));
                one(out, rng.pick(latitudes));
                out.push(format!("place:{}", rng.below(300)).into_bytes());
            }
        }
        "id" => out.push(stream_id(rng)),
        "ids" => {
            for _ in 0..1 + rng.below(4) {
                out.push(stream_id(rng));
            }
        }
        "bitop" => words(rng.pick(BITFIELD), out),
        _ => {
            let filled = rng.pick(pool(name));
            if name.ends_with("opt") {
                words(filled, out);
            } else {
                one(out, filled);
            }
        }
    }
}

fn words(text: &str, out: &mut Vec<Vec<u8>>) {
    out.extend(text.split(' ').map(|word| word.as_bytes().to_vec()));
}

/// How many elements a command gets: mostly few, at times enough to cross a threshold at once.
fn burst(rng: &mut Rng) -> u64 {
    match rng.below(100) {
        0..70 => 1 + rng.below(2),
        70..96 => 1 + rng.below(12),
        96..99 => 1 + rng.below(150),
        _ => 500 + rng.below(200),
    }
}

/// A member, field or value: integers of every width, short words, and lengths around the limits.
fn member(rng: &mut Rng) -> Vec<u8> {
    match rng.below(100) {
        0..40 => format!("m{}", rng.below(400)).into_bytes(),
        40..70 => integer(rng),
        70..85 => rng.pick(WORDS).as_bytes().to_vec(),
        85..97 => {
            let length = *rng.pick(&[&1_u64, &11, &12, &13, &62, &63, &64, &65, &66, &100]);
            vec![b'a' + rng.below(3) as u8; length as usize]
        }
        97..99 => vec![b'l'; *rng.pick(&[&4000_usize, &4094, &4095, &4096, &4097])],
        _ => vec![b'x'; *rng.pick(&[&8000_usize, &8192, &9000, &20_000])],
    }
}

fn integer(rng: &mut Rng) -> Vec<u8> {
    let shift = rng.pick(&[&0_u32, &0, &4, &7, &8, &12, &13, &16, &24, &32, &40, &63]);
    let near = (1_i128 << shift) + i128::from(rng.below(9)) - 4;
    let value = if rng.chance(40) { -near } else { near };
    if rng.chance(60) {
        rng.below(300).to_string().into_bytes()
    } else {
        value.to_string().into_bytes()
    }
}

/// A score; by default one that every version spells alike.
fn score(strict: bool, rng: &mut Rng) -> Vec<u8> {
    match rng.below(20) {
        0..12 => rng.below(40).to_string().into_bytes(),
        12..15 => format!("{}", (rng.below(4000) as f64 - 2000.0) / 4.0).into_bytes(),
        15 if strict => format!("{}", rng.below(1_000_000) as f64 / 997.0).into_bytes(),
        15 => format!("-{}", rng.below(1 << 40)).into_bytes(),
        16 => b"inf".to_vec(),
        17 => b"-inf".to_vec(),
        18 => b"1e3".to_vec(),
        _ => rng.pick(BAD_SCORES).as_bytes().to_vec(),
    }
}

fn stream_id(rng: &mut Rng) -> Vec<u8> {
    match rng.below(12) {
        0 => b"-".to_vec(),
        1 => b"+".to_vec(),
        2 => b"0".to_vec(),
        3 => b"$".to_vec(),
        4 => b">".to_vec(),
        5 => format!("({}-1", rng.below(500)).into_bytes(),
        6 => rng.pick(BAD_IDS).as_bytes().to_vec(),
        7 => rng.below(500).to_string().into_bytes(),
        _ => format!("{}-{}", rng.below(500), rng.below(4)).into_bytes(),
    }
}

fn pool(name: &str) -> &'static [&'static str] {
    match name {
        "key" => &["k1", "k2", "k3", "k4", "k5"],
        "any" => &["k1", "k2", "k3", "k4", "k5", "nosuch", "str"],
        "word" => WORDS,
        "index" => &[
            "0",
            "1",
            "2",
            "5",
            "30",
            "127",
            "128",
            "129",
            "600",
            "-1",
            "-2",
            "-6",
            "-200",
            "x",
            "99999999999",
        ],
        "count" => &["0", "1", "2", "3", "10", "200", "1000", "-1", "-5", "x", ""],
        "few" => &["0", "1", "2", "3", "7"],
        "end" => &["LEFT", "RIGHT", "left", "MIDDLE"],
        "side" => &["BEFORE", "AFTER", "before", "BESIDE"],
        "posopt" => &[
            "RANK 1",
            "RANK -1",
            "RANK 2",
            "RANK 0",
            "COUNT 0",
            "COUNT 2",
            "COUNT -1",
            "MAXLEN 0",
            "MAXLEN 10",
            "MAXLEN -1",
            "RANK x",
            "RANK",
            "NO 1",
        ],
        "float" => &[
            "0", "1", "0.5", "-2.25", "1e3", "inf", "nan", "x", "", "3.0",
        ],
        "min" => &[
            "-inf", "0", "(0", "5", "(5", "-100", "100.5", "inf", "x", "(x", "+inf",
        ],
        "max" => &[
            "inf", "+inf", "10", "(10", "20", "300", "-5", "(-5", "x", "-inf",
        ],
        "lexmin" => &["-", "[a", "(a", "[m1", "(m2", "[", "(", "+", "x", "[1"],
        "lexmax" => &["+", "[z", "(m3", "[m2", "[bbb", "-", "x", "(", "[9"],
        "limitopt" => &[
            "LIMIT 0 3",
            "LIMIT 1 -1",
            "LIMIT 2 2",
            "LIMIT -1 2",
            "LIMIT 0",
            "LIMIT x 1",
        ],
        "zaddopt" => &[
            "NX", "XX", "GT", "LT", "CH", "INCR", "XX GT", "XX CH", "NX GT", "nx ch", "GT CH",
            "LT INCR", "INCR NX",
        ],
        "rangeopt" => &[
            "BYSCORE",
            "REV",
            "WITHSCORES",
            "BYSCORE REV",
            "byscore withscores",
        ],
        "aggregateopt" => &[
            "AGGREGATE SUM",
            "AGGREGATE MIN",
            "AGGREGATE MAX",
            "AGGREGATE NO",
            "WEIGHTS 1 2",
            "WEIGHTS 0.5 -1",
            "WEIGHTS 1",
            "WEIGHTS x 1",
            "WEIGHTS 2 3 AGGREGATE MAX",
        ],
        "minmaxopt" => &["MIN", "MAX", "min", "MIDDLE"],
        "unit" => &["m", "km", "ft", "mi", "M", "parsec"],
        "radius" => &["0", "1", "100", "1000.5", "5000", "-1", "x"],
        "longitude" => LONGITUDES,
        "latitude" => LATITUDES,
        "spot" => &["place:1", "place:2", "place:30", "nowhere"],
        "geoopt" => &[
            "WITHCOORD",
            "WITHDIST",
            "WITHHASH",
            "ASC",
            "DESC",
            "COUNT 3",
            "COUNT 10 DESC",
            "COUNT 20",
            "COUNT 1 ANY",
            "COUNT 0",
            "ANY",
            "WITHDIST ASC",
            "WITHCOORD WITHDIST WITHHASH DESC",
        ],
        "bit" => &["0", "1", "2", "x"],
        "offset" => &[
            "0",
            "1",
            "7",
            "8",
            "100",
            "4095",
            "40000",
            "-1",
            "x",
            "4294967296",
        ],
        "bitunitopt" => &["BIT", "BYTE", "bit", "NO"],
        "logic" => &["AND", "OR", "XOR", "and", "NAND"],
        "pattern" => &["*", "m*", "[0-9]*", "?", "a*", "*1*", ""],
        "type" => &["list", "set", "zset", "hash", "stream", "string", "no"],
        "sortopt" => &[
            "DESC",
            "ASC",
            "LIMIT 0 5",
            "LIMIT 2 -1",
            "BY w_*",
            "GET #",
            "GET w_*",
            "BY h_*->f",
            "GET h_*->f",
            "LIMIT x 1",
            "STORE k4",
        ],
        "trimopt" => &[
            "MAXLEN 5",
            "MAXLEN = 10",
            "MAXLEN ~ 100",
            "MINID 100",
            "MINID ~ 200",
            "MAXLEN ~ 50 LIMIT 10",
            "MAXLEN -1",
            "MINID = 50-1",
            "NOMKSTREAM",
            "MAXLEN 3 LIMIT 1",
            "MAXLEN x",
        ],
        "group" => &["g1", "g2", "nogroup"],
        "consumer" => &["alice", "bob", "carol"],
        "claimopt" => &[
            "JUSTID",
            "FORCE",
            "RETRYCOUNT 3",
            "IDLE 5000",
            "FORCE JUSTID",
            "LASTID 400-0",
            "NO",
        ],
        "unix" => &["32503680000", "33000000000", "34000000000"],
        "expireopt" => &["NX", "XX", "GT", "LT"],
        other => panic!("no pool is called {other}"),
    }
}

const WORDS: &[&str] = &[
    "",
    "a",
    "b",
    "foo",
    "bar",
    "0",
    "-0",
    "1.5",
    "01",
    " 1",
    "+1",
    "hello\r\n",
    "\u{1F511}",
];
const BAD_SCORES: &[&str] = &["nan", "x", "", "1 ", "(1", "0x10"];
const BAD_IDS: &[&str] = &[
    "x",
    "1-",
    "-1",
    "1-1-1",
    "18446744073709551615-18446744073709551615",
    "99999999999999999999",
    "1-*",
    "",
];
const LONGITUDES: &[&str] = &[
    "13.361389",
    "15.087269",
    "-122.4194",
    "0",
    "179.99",
    "-180",
    "180.1",
    "x",
    "2.35",
];
const LATITUDES: &[&str] = &[
    "38.115556",
    "37.502669",
    "37.7749",
    "0",
    "85.05",
    "-85",
    "86",
    "x",
    "48.85",
];
const BITFIELD: &[&str] = &[
    "GET u8 0",
    "GET i5 #3",
    "SET u8 #1 200",
    "SET i16 7 -1000",
    "INCRBY u4 0 3",
    "INCRBY i63 #0 1000000",
    "OVERFLOW SAT INCRBY u8 0 100",
    "OVERFLOW FAIL INCRBY i8 #2 100",
    "OVERFLOW WRAP INCRBY u2 9 3",
    "GET u64 0",
    "GET u63 1",
    "SET i64 0 -1",
    "OVERFLOW NO",
    "GET x 0",
    "SET u8 -1 1",
    "INCRBY u8 0 x",
];
