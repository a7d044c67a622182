//! The commands that a keyspace is written as, run again: an empty server that runs them has equal
//! data.

use std::collections::BTreeMap;

use super::debug::digest::data_set;
use super::testing::Rig;
use crate::base::rng::Rng;
use crate::keyspace::{Db, Keyspace};
use crate::persist::aof::commands::{CommandsOptions, save_commands};
use crate::resp::args::ArgRanges;
use crate::resp::parser::{Parse, Parser, ParserLimits, Peer};

/// Keyspaces that are tried.
const SEEDS: u64 = 40;
/// Commands that make one.
const STEPS: usize = 300;

const LIMITS: ParserLimits = ParserLimits {
    peer: Peer::Master,
    bulk_bytes_max: u64::MAX,
};

fn written(keyspace: &Keyspace) -> Vec<u8> {
    let options = CommandsOptions::default();
    save_commands(Vec::new(), keyspace, &options, &mut ()).unwrap()
}

/// The commands of a file, word by word.
fn commands(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let (mut parser, mut ranges) = (Parser::default(), ArgRanges::default());
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        let found = parser.next(bytes, &LIMITS, &mut ranges);
        let Parse::Command { consumed } = found else {
            panic!("{found:?} before {}", bytes.escape_ascii());
        };
        let words = ranges.args(bytes).iter().map(<[u8]>::to_vec).collect();
        commands.push(words);
        bytes = &bytes[consumed..];
    }
    commands
}

/// What makes the streams, by database and key. A stream is what its digest says least of.
fn stream_commands(bytes: &[u8]) -> BTreeMap<(String, String), Vec<String>> {
    let mut streams: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let mut db = String::new();
    for words in commands(bytes) {
        let words: Vec<_> = words
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect();
        let key = match &*words[0] {
            "SELECT" => {
                db = words[1].to_string();
                continue;
            }
            "XGROUP" => &words[2],
            name if name.starts_with('X') => &words[1],
            _ => continue,
        };
        let key = (db.clone(), key.to_string());
        streams.entry(key).or_default().push(words.join(" "));
    }
    streams
}

fn times(keyspace: &Keyspace) -> BTreeMap<(usize, Vec<u8>), i64> {
    let of_db = |(index, db): (usize, &Db)| {
        let expiring = db
            .iter()
            .filter_map(move |entry| Some(((index, entry.key().to_vec()), entry.expire_at_ms()?)));
        expiring.collect::<Vec<_>>()
    };
    keyspace.iter().enumerate().flat_map(of_db).collect()
}

/// A word of any bytes, mostly a short one; a number at times.
fn word(rng: &mut Rng) -> Vec<u8> {
    match rng.below(10) {
        0..5 => rng.below(200).to_string().into_bytes(),
        5 => (rng.next_u64() as i64).to_string().into_bytes(),
        kind => {
            let len = [4, 12, 70, 3000][(kind - 6) as usize];
            let mut word = vec![0; rng.below(len) as usize];
            rng.fill(&mut word);
            word
        }
    }
}

/// Any number but those that are none.
fn score(rng: &mut Rng) -> Vec<u8> {
    let any = f64::from_bits(rng.next_u64());
    match rng.below(6) {
        0 => b"inf".to_vec(),
        1 => b"-inf".to_vec(),
        2 if any.is_finite() && any != 0.0 => format!("{any:e}").into_bytes(),
        3 => rng.unit_f64().to_string().into_bytes(),
        _ => rng.below(1000).to_string().into_bytes(),
    }
}

/// A command that fills what `template` leaves open: `@` a number of a key or group, `#` a larger
/// number, `?` a word, `*` many of them, `**` so many that they make pairs, `%?` scores and words,
/// `&` the id that is next.
fn fill(template: &str, rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    for part in template.split(' ') {
        match part {
            "&" => words.push(b"*".to_vec()),
            "?" => words.push(word(rng)),
            "*" => (0..1 + rng.below(120)).for_each(|_| words.push(word(rng))),
            "**" => (0..2 + 2 * rng.below(60)).for_each(|_| words.push(word(rng))),
            "%?" => (0..1 + rng.below(60)).for_each(|_| {
                words.push(score(rng));
                words.push(word(rng));
            }),
            _ => {
                let part = part.replace('@', &rng.below(3).to_string());
                words.push(
                    part.replace('#', &(1 + rng.below(400)).to_string())
                        .into_bytes(),
                );
            }
        }
    }
    words
}

const TEMPLATES: &[&str] = &[
    "SELECT @",
    "SET str@ ?",
    "SET num@ #",
    "APPEND str@ ?",
    "RPUSH list@ *",
    "LPUSH list@ ?",
    "LTRIM list@ 1 -2",
    "SADD set@ *",
    "SADD ints@ # # # -#",
    "HSET hash@ **",
    "ZADD zset@ %?",
    "ZADD zset@ -# ?",
    "PFADD hll@ *",
    "XADD stream@ & field ?",
    "XADD stream@ & field ? other ?",
    "XADD trimmed@ MAXLEN # & a b",
    "XADD trimmed@ MAXLEN 0 & a b",
    "XGROUP CREATE stream@ group@ $ MKSTREAM ENTRIESREAD #",
    "XGROUP CREATE stream@ group@ 0 MKSTREAM",
    "XGROUP CREATECONSUMER stream@ group@ consumer@",
    "XREADGROUP GROUP group@ consumer@ COUNT 3 STREAMS stream@ >",
    "XREADGROUP GROUP group@ consumer@ STREAMS stream@ 0",
    "XSETID trimmed@ 1800000000000-# ENTRIESADDED 500#",
    "PEXPIREAT str@ 170000000#000",
    "PEXPIREAT list@ 180000000#000",
    "PEXPIREAT stream@ 180000000#000",
    "PERSIST list@",
    "DEL set@",
];

/// A server with something of everything.
fn filled(seed: u64) -> Rig {
    let mut rng = Rng::from_seed(seed);
    let mut rig = Rig::new();
    for _ in 0..STEPS {
        let template = TEMPLATES[rng.below(TEMPLATES.len() as u64) as usize];
        let words = fill(template, &mut rng);
        rig.run_words(&words);
        rig.advance_ms(rng.below(3));
    }
    delete_some_entries(&mut rig, &mut rng);
    rig
}

/// Deletes entries that no group has pending, since those would not come back.
fn delete_some_entries(rig: &mut Rig, rng: &mut Rng) {
    for (db, stream) in (0..3).flat_map(|db| (0..3).map(move |stream| (db, stream))) {
        rig.run(&format!("SELECT {db}"));
        let entries = rig.run(&format!("XRANGE stream{stream} - +"));
        let ids = entries.lines().filter(|line| line.starts_with("17000"));
        for id in ids.filter(|_| rng.below(3) == 0).collect::<Vec<_>>() {
            for group in 0..3 {
                rig.run(&format!("XACK stream{stream} group{group} {id}"));
            }
            rig.run(&format!("XDEL stream{stream} {id}"));
        }
    }
}

#[test]
fn an_empty_server_that_runs_what_was_written_has_equal_data() {
    let (mut types, mut pending) = (BTreeMap::new(), 0);
    for seed in 0..SEEDS {
        let source = filled(seed);
        let bytes = written(&source.env.keyspace);
        let mut copy = Rig::new();
        copy.env.now = source.env.now;
        for words in commands(&bytes) {
            let reply = copy.run_words(&words);
            let name = String::from_utf8_lossy(&words[0]);
            assert!(!reply.starts_with('-'), "seed {seed}: {name}: {reply}");
        }
        let (one, other) = (&source.env.keyspace, &copy.env.keyspace);
        assert_eq!(data_set(one), data_set(other), "seed {seed}");
        assert_eq!(times(one), times(other), "seed {seed}");
        assert_eq!(
            stream_commands(&bytes),
            stream_commands(&written(other)),
            "seed {seed}"
        );
        let claims = commands(&bytes).into_iter();
        pending += claims.filter(|words| words[0] == b"XCLAIM").count();
        for entry in one.iter().flat_map(|db| db.iter()) {
            let form = (entry.type_().name(), entry.encoding().name());
            *types.entry(form).or_insert(0) += 1;
        }
    }
    let forms: Vec<_> = types.keys().copied().collect();
    assert_eq!(forms.len(), 13, "{forms:?}");
    assert!(pending > 100, "{pending} entries are pending in all");
}
