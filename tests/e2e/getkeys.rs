//! `COMMAND GETKEYS` and `GETKEYSANDFLAGS` of every command that both ours and stock Redis have,
//! with too few words, enough, and too many: numbers of keys right and wrong, options, nonsense.
//!
//! Redis 7.0 wants two words at least behind `GETKEYS`, and knows no `WITHSCORE` for `ZRANK` and
//! `ZREVRANK`; so commands of one word and these two are only compared with 7.2
//! (`TANIST_STOCK_SERVER`).

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::*;

/// How often each command is drawn.
const TRIES: usize = 40;

const COUNTS: &[&str] = &["0", "1", "2", "3", "1", "2"];
const KEYS: &[&str] = &["k1", "k2", "k3", "", "*", ">", "$", "0-0"];
const NUMBERS: &[&str] = &[
    "-1",
    "x",
    "5",
    "100",
    "007",
    " 1",
    "1 ",
    "+1",
    "1.5",
    "2147483648",
    "4294967297",
    "9223372036854775808",
    "-9223372036854775808",
];
/// Options that tell where keys are, in whatever command.
const OPTIONS: &[&str] = &[
    "STORE",
    "STOREDIST",
    "STREAMS",
    "KEYS",
    "GET",
    "BY",
    "LIMIT",
    "COUNT",
    "BLOCK",
    "GROUP",
    "NOACK",
    "AUTH",
    "AUTH2",
    "SET",
    "INCRBY",
    "OVERFLOW",
    "u8",
    "store",
    "keys",
    "streams",
];

/// The words of a command's own options, as its documentation names them.
fn tokens(docs: &Value, found: &mut Vec<String>) {
    let Value::Array(items) = docs else {
        return;
    };
    for (at, item) in items.iter().enumerate() {
        match item {
            Value::Bulk(name) if name == b"token" => found.push(items[at + 1].to_string()),
            inner => tokens(inner, found),
        }
    }
}

fn names(server: &Server) -> BTreeSet<String> {
    let list = server.call("COMMAND LIST");
    list.items().iter().map(Value::to_string).collect()
}

fn word(rng: &mut Rng, options: &[String]) -> Vec<u8> {
    let own = |rng: &mut Rng| options[rng.below(options.len() as u64) as usize].as_str();
    let word = match rng.below(12) {
        0..4 if !options.is_empty() => own(rng),
        4..7 => rng.pick(COUNTS),
        7..10 => rng.pick(KEYS),
        10 => rng.pick(NUMBERS),
        _ => rng.pick(OPTIONS),
    };
    word.as_bytes().to_vec()
}

#[test]
fn keys_are_found_in_every_command_as_stock_redis_finds_them() {
    let (mut rng, seed) = Rng::from_env();
    println!("seed {seed}");
    let (ours, stock) = (Server::ours(&[]), Server::stock(&[]));
    let strict = stock.info("redis_version").starts_with("7.2");
    let (mine, theirs) = (names(&ours), names(&stock));
    let both: Vec<&String> = mine.intersection(&theirs).collect();
    assert!(both.len() > 250, "{} commands in common", both.len());
    let mut pair = [ours.connect(), stock.connect()];
    let mut differences: BTreeMap<&String, String> = BTreeMap::new();
    for name in both {
        if !strict && ["zrank", "zrevrank"].contains(&name.as_str()) {
            continue;
        }
        let mut options = Vec::new();
        tokens(&ours.call(&format!("COMMAND DOCS {name}")), &mut options);
        for _ in 0..TRIES {
            let mut inner: Command = name.split('|').map(|word| word.into()).collect();
            let most = 2 + rng.below(12);
            let more = rng.below(most);
            inner.extend((0..more).map(|_| word(&mut rng, &options)));
            if !strict && inner.len() == 1 {
                continue;
            }
            for question in ["GETKEYS", "GETKEYSANDFLAGS"] {
                let mut whole: Command = vec![b"COMMAND".to_vec(), question.into()];
                whole.extend(inner.iter().cloned());
                let [mine, theirs] = pair.each_mut().map(|conn| conn.command(&whole).to_string());
                if mine != theirs {
                    let asked = show_command(&whole);
                    differences.insert(name, format!("{asked}\nours:  {mine}\nstock: {theirs}"));
                }
            }
        }
    }
    assert!(differences.is_empty(), "seed {seed}\n{differences:#?}");
}
