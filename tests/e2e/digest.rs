//! Digests are compared across makes, so ours are those of stock Redis: random values of every
//! type, and sorted sets with scores of every magnitude in both encodings.
//!
//! Redis 7.0 spells scores in digests with up to 17 digits, 7.2 with as few as will do. Only those
//! that both spell alike can be compared with 7.0; `TANIST_STOCK_SERVER` naming a 7.2 server lets
//! all others in.

use crate::harness::*;

const ROUNDS: usize = 250;

/// Scores that the two ways of spelling treat differently, and their neighbours.
const SPECIAL: &[&str] = &[
    "-0",
    "5000000000",
    "-5000000000",
    "4999999999",
    "1e8",
    "123456700000000",
    "9007199254740993",
    "4611686018427387904",
    "-9223372036854775808",
    "1e22",
    "0.1",
    "1e-7",
    "5e-324",
    "1.7976931348623157e308",
];

/// A score that both versions spell alike: an integer that does not end in zeros, or one with some
/// eighths behind it.
fn plain_score(rng: &mut Rng) -> String {
    let sign = rng.pick(&["", "-"]);
    let digits = 1 + rng.below(15) as u32;
    let number = rng.below(10_u64.pow(digits));
    match rng.below(4) {
        0 => rng.pick(&["0", "inf", "-inf"]).to_owned(),
        1 => format!("{sign}{}", number % 1_000_000_000 + 1),
        2 => format!(
            "{sign}{}.{}",
            number % 1_000_000_000,
            rng.pick(&["125", "25", "5", "875"])
        ),
        _ => format!("{sign}{}", number / 10 * 10 + 1 + rng.below(9)),
    }
}

fn any_score(rng: &mut Rng) -> String {
    let bits = f64::from_bits(rng.next());
    let sign = rng.pick(&["", "-"]);
    match rng.below(4) {
        0 if !bits.is_nan() => format!("{bits:e}"),
        1 => format!("{sign}{}e{}", 1 + rng.below(999), rng.below(300)),
        2 => format!("{sign}{}", 1_u128 << rng.below(90)),
        _ => rng.pick(SPECIAL).to_owned(),
    }
}

fn word(rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => rng.pick(&["", "a", "b", "-5", "007"]).to_owned(),
        1 => "x".repeat(1 + rng.below(80) as usize),
        _ => (rng.next() >> rng.below(60)).to_string(),
    }
}

fn command(words: &[&str]) -> Command {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// The commands that make a value of every type under the keys of [`KEYS`].
fn values(rng: &mut Rng, strict: bool) -> Vec<Command> {
    let count = |rng: &mut Rng| *rng.pick(&[&1_u64, &3, &150]);
    let entries = rng.pick(&["0", "128"]);
    let mut made = vec![command(&[
        "CONFIG",
        "SET",
        "zset-max-listpack-entries",
        entries,
    ])];
    let mut add = command(&["ZADD", "zset"]);
    for n in 0..count(rng) {
        let score = match strict && rng.chance(70) {
            true => any_score(rng),
            false => plain_score(rng),
        };
        let member = format!("{n}{}", word(rng));
        add.extend(command(&[&score, &member]));
    }
    made.push(add);
    for (name, key, each) in [
        ("HSET", "hash", 2),
        ("RPUSH", "list", 1),
        ("SADD", "set", 1),
    ] {
        let mut add = command(&[name, key]);
        add.extend((0..each * count(rng)).map(|_| word(rng).into_bytes()));
        made.push(add);
    }
    for n in 0..count(rng) {
        let id = format!("{}-{}", n + 1, rng.below(5));
        made.push(command(&["XADD", "stream", &id, &word(rng), &word(rng)]));
    }
    made.push(command(&["XDEL", "stream", "2-0", "2-1", "3-0", "100-3"]));
    made.push(command(&["SET", "string", &word(rng)]));
    let mortal = rng.pick(KEYS);
    made.push(command(&["EXPIRE", mortal, "10000"]));
    made
}

const KEYS: &[&str] = &["zset", "hash", "list", "set", "stream", "string"];

#[test]
fn digests_of_all_types_and_scores_are_those_of_stock_redis() {
    let (mut rng, seed) = Rng::from_env();
    println!("seed {seed}");
    let stock = Server::stock(&[]);
    let strict = stock.info("redis_version").starts_with("7.2");
    let ours = Server::ours(&[]);
    for round in 0..ROUNDS {
        let mut made = vec![command(&["SELECT", rng.pick(&["0", "1", "15"])])];
        made.extend(values(&mut rng, strict));
        for server in [&ours, &stock] {
            server.ask("FLUSHALL");
            for one in &made {
                let reply = server.command(one).to_string();
                assert!(!reply.starts_with('-'), "{} got {reply}", show_command(one));
            }
        }
        for digest in [
            "DEBUG DIGEST-VALUE zset hash list set stream string none",
            "DEBUG DIGEST",
        ] {
            let [mine, theirs] = [&ours, &stock].map(|server| server.ask(digest));
            assert_eq!(
                mine,
                theirs,
                "seed {seed}, round {round}, {digest}\n{}",
                shown(&made)
            );
        }
    }
}

fn shown(commands: &[Command]) -> String {
    let lines: Vec<String> = commands.iter().map(|one| show_command(one)).collect();
    lines.join("\n")
}
