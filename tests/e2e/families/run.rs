//! Sending a family's commands to both servers, and looking at what became of the keys.

use super::pools::draw;
use super::table::{EVERYWHERE, Family};
use super::verdict::{Rules, agree, payload};
use crate::harness::*;

const COMMANDS: usize = 6_000;
/// Commands sent at once.
const BATCH: usize = 60;
/// So many batches go by between two looks at the keys.
const BATCHES_PER_LOOK: usize = 4;
const KEYS: &[&str] = &["k1", "k2", "k3", "k4", "k5"];

/// Runs a family's commands on ours and on stock Redis, and panics at the first difference.
pub fn compare_family(family: &Family) {
    let (mut rng, seed) = Rng::from_env();
    let settings = family.settings[rng.below(family.settings.len() as u64) as usize];
    let what = format!("seed {seed}, family {}, settings {settings:?}", family.name);
    println!("{what}");
    let with = |options: Options| {
        // Two compressors may find different matches; what they pack must be the same.
        let mut options = options.config("rdbcompression no");
        for line in settings {
            options = options.config(*line);
        }
        options.start()
    };
    let stock = with(Options::stock());
    let rules = Rules {
        strict: stock.info("redis_version").starts_with("7.2"),
        compressed_lists: settings
            .iter()
            .any(|line| line.starts_with("list-compress")),
    };
    let ours = with(match rules.strict {
        true => Options::ours(),
        false => Options::ours().readable_by_stock(),
    });
    let mut pair = [ours.connect(), stock.connect()];
    let mut observers = [ours.connect(), stock.connect()];
    let protocol = 2 + rng.below(2);
    for conn in &mut pair {
        conn.call(&format!("HELLO {protocol}"));
    }
    let commands = std::env::var("TANIST_TEST_COMMANDS").ok();
    let commands = commands.map_or(COMMANDS, |text| text.parse().expect("a number"));
    let mut history = Vec::new();
    for batch in 0..commands.div_ceil(BATCH) {
        let mut drawn: Vec<Command> = Vec::with_capacity(BATCH);
        while drawn.len() < BATCH {
            let Some(command) = random_command(family, rules, &mut rng) else {
                continue;
            };
            drawn.extend(rules.prelude(&command));
            drawn.push(command);
        }
        compare_batch(&mut pair, &drawn, rules, &mut history, &what);
        compare_counters(&mut observers, &history, &what);
        if batch % BATCHES_PER_LOOK == 0 {
            compare_keys(&mut pair, rules, &history, &what);
        }
    }
    for conn in &mut pair {
        conn.call("DISCARD");
    }
    compare_keys(&mut pair, rules, &history, &what);
    assert!(
        dump_without_times(&ours) == dump_without_times(&stock),
        "{what}: the data differ"
    );
}

fn random_command(family: &Family, rules: Rules, rng: &mut Rng) -> Option<Command> {
    let strict = rules.strict;
    let template = match rng.below(10) {
        0 => rng.pick(EVERYWHERE),
        _ => rng.pick(family.templates),
    };
    if !rules.allow(template) {
        return None;
    }
    let mut args: Command = Vec::new();
    for word in template.split(' ') {
        match word.split_once('{') {
            None => args.push(word.as_bytes().to_vec()),
            Some(("", rest)) => draw(rest.trim_end_matches('}'), strict, rng, &mut args),
            Some((prefix, rest)) => {
                let mut drawn = Vec::new();
                draw(rest.trim_end_matches('}'), strict, rng, &mut drawn);
                args.push([prefix.as_bytes(), &drawn[0]].concat());
            }
        }
    }
    match rng.below(150) {
        // Without its count a command that draws at random would do so.
        0 if args.len() > 1 && !draws(&args[0]) => drop(args.pop()),
        1 => args.push(b"extra".to_vec()),
        2 => args[0].make_ascii_lowercase(),
        _ => {}
    }
    Some(args)
}

fn draws(name: &[u8]) -> bool {
    let draw: [&[u8]; 4] = [b"SPOP", b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER"];
    draw.contains(&name)
}

fn compare_batch(
    pair: &mut [Conn; 2],
    commands: &[Command],
    rules: Rules,
    history: &mut Vec<String>,
    what: &str,
) {
    let request: Vec<u8> = commands
        .iter()
        .flat_map(|command| encode(command))
        .collect();
    for conn in pair.iter_mut() {
        conn.send(&request);
    }
    for command in commands {
        history.push(show_command(command));
        let [ours, stock] = pair
            .each_mut()
            .map(|conn| conn.read_raw().expect("a reply"));
        if !agree(command, &ours, &stock, rules) {
            fail(what, "is answered differently", history, &ours, &stock);
        }
    }
}

/// Compares how many lookups found a key and how many did not.
fn compare_counters(observers: &mut [Conn; 2], history: &[String], what: &str) {
    let infos = observers.each_mut().map(|conn| conn.ask("INFO stats"));
    for field in ["keyspace_hits", "keyspace_misses"] {
        let [ours, stock] = infos.each_ref().map(|info| info_field(info, field));
        if ours != stock {
            let [ours, stock] = [ours, stock].map(String::into_bytes);
            fail(what, field, history, &ours, &stock);
        }
    }
}

/// Compares type, encoding and `DUMP` of every key. Inside a transaction there is nothing to see.
fn compare_keys(pair: &mut [Conn; 2], rules: Rules, history: &[String], what: &str) {
    for key in KEYS {
        let ask = |conn: &mut Conn, words: &[&str]| conn.command(words);
        let types = pair.each_mut().map(|conn| ask(conn, &["TYPE", key]));
        if types[0].to_string() == "QUEUED" {
            return;
        }
        assert_eq!(types[0], types[1], "{what}: the type of {key}");
        let encodings = pair
            .each_mut()
            .map(|conn| conn.command(&["OBJECT", "ENCODING", key]).to_string());
        let kind = types[0].to_string();
        let comparable = rules.strict || !matches!(kind.as_str(), "set" | "list" | "zset");
        if comparable && encodings[0] != encodings[1] {
            let shown = encodings.each_ref().map(|text| text.as_bytes().to_vec());
            fail(
                what,
                &format!("the encoding of {key}"),
                history,
                &shown[0],
                &shown[1],
            );
        }
        let fixed = match kind.as_str() {
            // Since 7.2 a list becomes a quicklist later, and so is cut elsewhere.
            "list" => rules.strict && !rules.compressed_lists,
            // A listpack that was made from a hash table has the order of that.
            "set" => encodings[0] == "intset",
            // Consumers have the times at which they were seen.
            "stream" => {
                let groups = pair
                    .each_mut()
                    .map(|conn| conn.command(&["XINFO", "GROUPS", key]));
                groups[0].items().is_empty()
            }
            _ => encodings[0] != "hashtable" && encodings[0] == encodings[1],
        };
        let dumps = pair.each_mut().map(|conn| conn.command(&["DUMP", key]));
        if let (true, [Value::Bulk(ours), Value::Bulk(stock)]) = (fixed, &dumps)
            && payload(ours) != payload(stock)
        {
            fail(
                what,
                &format!("the DUMP of {key}, {kind}"),
                history,
                ours,
                stock,
            );
        }
    }
}

fn fail(what: &str, problem: &str, history: &[String], ours: &[u8], stock: &[u8]) -> ! {
    let past = &history[history.len().saturating_sub(15)..];
    let short = |raw: &[u8]| String::from_utf8_lossy(&raw[..raw.len().min(400)]).into_owned();
    panic!(
        "{what}, command {}: {problem}\n{}\nours:  {:?}\nstock: {:?}",
        history.len(),
        past.join("\n"),
        short(ours),
        short(stock)
    );
}
