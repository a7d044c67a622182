//! Numbers at the edge of every reader: beyond a double, beyond 64 bits, hexadecimal, with blanks,
//! signs and exponents, infinite, no numbers at all. Each command is sent to ours and to stock
//! Redis with each of them, on the same data, and must answer and leave behind the same.
//!
//! Redis 7.0 overflows with timeouts that 7.2 finds out of range, and spells scores with 17 digits;
//! `TANIST_STOCK_SERVER` naming a 7.2 server takes no such excuse.

use crate::harness::*;

/// The data before each command.
const DATA: &[&str] = &[
    "FLUSHALL",
    "SET k foobar",
    "SET i 10",
    "SET f 3.25",
    "HSET h n 5",
    "RPUSH l a b c a",
    "SADD s a",
    "ZADD z 1 a 2 b 3 c 10 d",
    "GEOADD g 1 2 p 13.3 38.1 q",
    "XADD x 1-1 f v",
    "XADD x 2-2 f v",
    "XGROUP CREATE x g 0",
];

/// Asked after each command, so that what it did is seen.
const LOOK: &[&str] = &[
    "DEBUG DIGEST-VALUE k i f h l s x r none",
    "ZRANGE z 0 -1 WITHSCORES",
    "ZRANGE d 0 -1 WITHSCORES",
    "GEOPOS g p q m",
];

/// What is tried; each `#` is a number. Commands behind a `|` follow the first.
const TEMPLATES: &[&str] = &[
    "EXPIRE k #",
    "PEXPIRE k #",
    "EXPIREAT k #",
    "PEXPIREAT k #",
    "SET r v EX #",
    "SET r v PX #",
    "SET r v EXAT #",
    "SET r v PXAT #",
    "GETEX k EX #",
    "SETEX r # v",
    "PSETEX r # v",
    "INCRBY i #",
    "DECRBY i #",
    "INCRBYFLOAT i #",
    "INCRBYFLOAT f #",
    "HINCRBY h n #",
    "HINCRBYFLOAT h n #",
    "SET r #|INCR r",
    "SET r #|INCRBYFLOAT r 1.5",
    "HSET h q #|HINCRBYFLOAT h q 1",
    "GETRANGE k # #",
    "GETBIT k #",
    "SETBIT k 1 #",
    "BITCOUNT k # # BIT",
    "BITFIELD k SET i64 0 #",
    "BITFIELD k OVERFLOW FAIL INCRBY u8 0 #",
    "LPOP l #",
    "LINDEX l #",
    "LREM l # a",
    "LRANGE l # #",
    "LPOS l a COUNT #",
    "LMPOP # l LEFT",
    "BLPOP l #",
    "BRPOP l #",
    "BLMOVE l l LEFT RIGHT #",
    "BRPOPLPUSH l l #",
    "BLMPOP # 1 l LEFT",
    "BZPOPMIN z #",
    "BZMPOP # 1 z MIN",
    "MULTI|BLPOP none #|EXEC",
    "SPOP s #",
    "SINTERCARD # s",
    "ZADD z # m",
    "ZADD z INCR # a",
    "ZINCRBY z # a",
    "ZINCRBY z # none",
    "ZRANGEBYSCORE z # 5",
    "ZREVRANGEBYSCORE z # 2",
    "ZCOUNT z # #",
    "ZRANGE z # 5 BYSCORE LIMIT # #",
    "ZREMRANGEBYSCORE z # 2",
    "ZREMRANGEBYRANK z 0 #",
    "ZUNIONSTORE d 1 z WEIGHTS #",
    "ZPOPMIN z #",
    "GEOADD g # 1 m",
    "GEOADD g 1 # m",
    "GEOSEARCH g FROMMEMBER p BYRADIUS # km",
    "GEOSEARCH g FROMMEMBER p BYBOX 100 # km COUNT #",
    "XADD x # f v",
    "XTRIM x MAXLEN #",
    "XRANGE x # +",
    "XREAD COUNT # STREAMS x 0",
    "XREAD BLOCK # STREAMS x 0",
    "XREADGROUP GROUP g c STREAMS x #",
    "XGROUP CREATE x g2 0 ENTRIESREAD #",
    "XSETID x #",
    "COPY k r DB #",
    "SELECT #|SELECT 0",
    "RPUSH r # 3|SORT r",
    "SORT l LIMIT # # ALPHA",
    "DEBUG STRINGMATCH-LEN # a",
    "CLIENT PAUSE # WRITE|CLIENT UNPAUSE",
    "CONFIG SET maxmemory-samples #|CONFIG GET maxmemory-samples",
    "CONFIG SET tcp-keepalive #|CONFIG GET tcp-keepalive",
    "CONFIG SET list-max-listpack-size #|CONFIG GET list-max-listpack-size",
    "CONFIG SET hll-sparse-max-bytes #|CONFIG GET hll-sparse-max-bytes",
    "CONFIG SET proto-max-bulk-len #|CONFIG GET proto-max-bulk-len",
    "CONFIG SET latency-tracking-info-percentiles #|CONFIG GET latency-tracking-info-percentiles",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "+0",
    "00",
    "1",
    "-1",
    "+1",
    "01",
    "1.",
    ".5",
    ".",
    "1.5",
    "-1.5",
    "1e3",
    "1E+3",
    "1e-3",
    "1e17",
    "9.3e15",
    "1e400",
    "-1e400",
    "1e-400",
    "-1e-400",
    "1e308",
    "1e309",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
    "2e-324",
    "1e4932",
    "1e4933",
    "-1e5000",
    "1e-4940",
    "1e-5000",
    "inf",
    "-inf",
    "+inf",
    "Infinity",
    "nan",
    "-nan",
    "nan(1)",
    "0x10",
    "0X1F",
    "0x1.8p1",
    "0x",
    "0x1p",
    "0x1p1023",
    "0x1p1024",
    "-0x1p1024",
    "0x1p16384",
    "0x1p-2000",
    " 1",
    "1 ",
    "\t1",
    "1\n",
    "\u{b}1",
    " ",
    "",
    "--1",
    "+-1",
    "1e",
    "1e+",
    "e5",
    "1_000",
    "1,000",
    "\u{ff11}",
    "(1",
    "((1",
    "(",
    "(inf",
    "(nan",
    "(0x1p1024",
    "(1e400",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "9223372036854775",
    "9223372036854776",
    "9223372036854775.807",
    "9223372036854775.808",
    "18446744073709551615",
    "18446744073709551616",
    "2147483647",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "4611686018427387904",
    "1-1",
    "0-0",
    "5-",
    "5-x",
    "-5",
    "1-*",
    "1-1-1",
    "18446744073709551615-0",
    "01-01",
    " 1-1",
    "180",
    "-180.5",
    "85.1",
    "2",
    "3",
    "100",
    "1k",
    "2kb",
    "3Mb",
    "4g",
    "1gbs",
    "kb",
    "5 mb",
];

/// Where 7.0 makes something else of a timeout.
const TOO_LONG: &str = "ERR timeout is out of range";

/// Numbers that are too long to be written down here.
fn long_numbers() -> Vec<String> {
    vec![
        "1".repeat(40),
        format!("{:0>127}", 7),
        format!("{:0>128}", 7),
        format!("1{}", "0".repeat(400)),
        format!("0.{}1", "0".repeat(400)),
        "1".repeat(5119),
        format!("{:0>5119}", 1),
        format!("{:0>5120}", 1),
    ]
}

/// Something like a number, which nobody wrote down.
fn made_up(rng: &mut Rng) -> String {
    let mut text = match rng.below(3) {
        0 => rng.pick(NUMBERS).to_owned(),
        1 => (rng.next() as i64 >> rng.below(63)).to_string(),
        _ => format!("{:e}", f64::from_bits(rng.next())),
    };
    if rng.chance(30) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let at = *rng.pick(&places.iter().chain([&text.len()]).collect::<Vec<_>>());
        text.insert_str(
            at,
            rng.pick(&["0", "9", ".", "e", "-", " ", "x", "p", "inf"]),
        );
    }
    text
}

fn fill(template: &str, mut number: impl FnMut() -> String) -> Vec<Command> {
    let mut word = |word: &str| match word {
        "#" => number().into_bytes(),
        word => word.as_bytes().to_vec(),
    };
    let command = |line: &str| line.split(' ').map(&mut word).collect();
    template.split('|').map(command).collect()
}

/// Whether both servers say the same, if not with the same digits.
fn agree(ours: &Value, stock: &Value, strict: bool) -> bool {
    match (ours, stock) {
        _ if ours == stock => true,
        _ if strict => false,
        (Value::Array(ours), Value::Array(stock)) => {
            let mut pairs = ours.iter().zip(stock);
            ours.len() == stock.len() && pairs.all(|(ours, stock)| agree(ours, stock, strict))
        }
        (Value::Bulk(_), Value::Bulk(_)) => {
            let [ours, stock] = [ours, stock].map(|value| value.to_string().parse::<f64>());
            ours.is_ok() && ours == stock
        }
        _ => false,
    }
}

/// Runs commands on fresh data; gives their replies, and what is there afterwards.
fn run(pair: &mut [Conn; 2], prelude: &[u8], commands: &[Command]) -> [Vec<Value>; 2] {
    let look = LOOK.iter().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut bytes = prelude.to_vec();
    commands
        .iter()
        .for_each(|command| bytes.extend(encode(command)));
    look.for_each(|command| bytes.extend(encode(&command)));
    pair.iter_mut().for_each(|conn| conn.send(&bytes));
    let replies = DATA.len() + commands.len() + LOOK.len();
    pair.each_mut().map(|conn| {
        let all = (0..replies).map(|_| conn.read_value().expect("a reply"));
        all.skip(DATA.len()).collect()
    })
}

#[test]
fn numbers_of_all_kinds_are_read_as_stock_redis_reads_them() {
    let (mut rng, seed) = Rng::from_env();
    println!("seed {seed}");
    let (ours, stock) = (Server::ours(&[]), Server::stock(&[]));
    let strict = stock.info("redis_version").starts_with("7.2");
    let mut pair = [ours.connect(), stock.connect()];
    let data = DATA.iter().map(|line| line.split(' ').collect::<Vec<_>>());
    let prelude: Vec<u8> = data.flat_map(|command| encode(&command)).collect();
    let mut numbers: Vec<String> = NUMBERS.iter().map(|text| (*text).to_owned()).collect();
    numbers.extend(long_numbers());
    for conn in &mut pair {
        // So that nothing that expires soon goes before it was looked at.
        conn.call("DEBUG SET-ACTIVE-EXPIRE 0");
    }
    let mut differences = Vec::new();
    for template in TEMPLATES {
        for number in numbers.iter().flat_map(|number| [Some(number), None]) {
            let mut given = number.cloned();
            let commands = fill(template, || {
                given.take().unwrap_or_else(|| made_up(&mut rng))
            });
            let [mine, theirs] = run(&mut pair, &prelude, &commands);
            let overflown = mine
                .iter()
                .any(|reply| reply.to_string().contains(TOO_LONG));
            if overflown && !strict {
                continue;
            }
            let mut replies = mine.iter().zip(&theirs);
            if !replies.all(|(mine, theirs)| agree(mine, theirs, strict)) {
                let shown: Vec<String> = commands.iter().map(|c| show_command(c)).collect();
                differences.push(format!("{shown:?}\nours:  {mine:?}\nstock: {theirs:?}"));
            }
        }
    }
    let count = differences.len();
    assert_eq!(
        count,
        0,
        "seed {seed}, among others\n{}",
        differences[..count.min(12)].join("\n")
    );
}
