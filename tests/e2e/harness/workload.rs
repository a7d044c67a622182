//! Commands on every type, drawn at random, and a data set that shows every type and encoding.
//!
//! The commands are chosen for how they reach replicas: as they are, with absolute times, as their
//! effect (`SPOP` as `SREM`, `XADD *` with its id, `XREADGROUP` as claims), wrapped together with
//! what they caused, in the name of a client that waited, or as the deletion of a key that expired
//! or was evicted. Keys of one type share a few names, and now and then trade them with others.

use super::{Command, Conn, Rng, encode};

/// What a writer sends, as templates: `{…}` stands for what [`fill`] draws. `|` parts commands
/// that are sent one behind the other.
const WRITES: &[&str] = &[
    "SET str:{k} {v}",
    "SET str:{k} {n} PX {ms}",
    "SET str:{k} {v} EX {sec} GET",
    "GETEX str:{k} PX {ms}",
    "GETEX str:{k} PERSIST",
    "GETDEL str:{k}",
    "INCRBY count:{k} {n}",
    "INCRBYFLOAT float:{k} 0.1",
    "APPEND str:{k} {m}",
    "SETRANGE str:{k} {n} {m}",
    "SETBIT bits:{k} {n} 1",
    "BITFIELD bits:{k} SET u8 #{k} {n} INCRBY i5 3 {k}",
    "BITOP XOR bits:{k} bits:{k} bits:{k}",
    "PFADD hll:{k} {m} {m} {n}",
    "PFMERGE hll:{k} hll:{k} hll:{k}",
    "PFCOUNT hll:{k}",
    "RPUSH list:{k} {m} {v} {n}",
    "LPUSH list:{k} {n}",
    "LPUSHX list:{k} {m} {m}",
    "LINSERT list:{k} BEFORE {n} {m}",
    "LSET list:{k} 1 {v}",
    "LREM list:{k} 1 {n}",
    "LTRIM list:{k} 0 40",
    "LPOP list:{k} {k}",
    "LMPOP 3 list:{k} list:{k} list:{k} RIGHT COUNT {k}",
    "LMOVE list:{k} list:{k} LEFT RIGHT",
    "RPOPLPUSH list:{k} list:{k}",
    "BLPOP list:{k} list:{k} 0.001",
    "BLMOVE list:{k} list:{k} RIGHT LEFT 0.001",
    "SADD set:{k} {n} {n} {n}",
    "SADD set:{k} {m} {v}",
    "SREM set:{k} {n} {m}",
    "SPOP set:{k}",
    "SPOP set:{k} {k}",
    "SPOP set:{k} 1000",
    "SMOVE set:{k} set:{k} {n}",
    "SUNIONSTORE set:{k} set:{k} set:{k}",
    "SINTERSTORE set:{k} set:{k} set:{k}",
    "SDIFFSTORE set:{k} set:{k} set:{k}",
    "HSET hash:{k} {m} {v} {n} {n}",
    "HSETNX hash:{k} {m} {n}",
    "HDEL hash:{k} {m} {n}",
    "HINCRBY hash:{k} count {n}",
    "HINCRBYFLOAT hash:{k} float 0.3",
    "ZADD zset:{k} {s} {m} {s} {n} {s} {v}",
    "ZADD zset:{k} GT CH {s} {m}",
    "ZADD zset:{k} INCR {s} {n}",
    "ZINCRBY zset:{k} 0.25 {m}",
    "ZREM zset:{k} {m} {n}",
    "ZPOPMIN zset:{k} {k}",
    "ZPOPMAX zset:{k}",
    "ZMPOP 2 zset:{k} zset:{k} MIN COUNT {k}",
    "BZPOPMIN zset:{k} zset:{k} 0.001",
    "ZREMRANGEBYRANK zset:{k} 40 -1",
    "ZREMRANGEBYSCORE zset:{k} {s} {s}",
    "ZUNIONSTORE zset:{k} 2 zset:{k} set:{k} WEIGHTS 1 0.5",
    "ZINTERSTORE zset:{k} 2 zset:{k} zset:{k} AGGREGATE MAX",
    "ZDIFFSTORE zset:{k} 2 zset:{k} zset:{k}",
    "ZRANGESTORE zset:{k} zset:{k} 0 20",
    "GEOADD geo:{k} 13.36 38.11 {m} 15.08 37.50 {n}",
    "GEOSEARCHSTORE zset:{k} geo:{k} FROMLONLAT 15 37 BYRADIUS 200 km ASC COUNT 5",
    "GEORADIUS geo:{k} 15 37 200 km STORE zset:{k}",
    "XADD stream:{k} * a {v} b {n}",
    "XADD stream:{k} * a {n} b {m}",
    "XADD stream:{k} MAXLEN 30 * a {m}",
    "XADD stream:{k} MAXLEN ~ 100 * a {m} c {n}",
    "XADD fixed:{k} {n}-* a {m}",
    "XADD fixed:{k} NOMKSTREAM {n}-{k} a {m}",
    "XTRIM stream:{k} MAXLEN 10",
    "XDEL fixed:{k} {n}-{k} {n}-0",
    "XSETID stream:{k} 9999999999999-{n}",
    "XGROUP CREATE stream:{k} group 0 MKSTREAM",
    "XGROUP CREATE stream:{k} group $",
    "XGROUP CREATE fixed:{k} group 0 MKSTREAM",
    "XGROUP SETID stream:{k} group $",
    "XGROUP DESTROY stream:{k} group",
    "XGROUP CREATECONSUMER stream:{k} group c{k}",
    "XGROUP DELCONSUMER stream:{k} group c{k}",
    "XREADGROUP GROUP group c{k} COUNT 5 STREAMS stream:{k} fixed:{k} > >",
    "XREADGROUP GROUP group c{k} COUNT 3 STREAMS stream:{k} >",
    "XREADGROUP GROUP group c{k} NOACK STREAMS stream:{k} >",
    "XREADGROUP GROUP group c{k} COUNT 3 STREAMS fixed:{k} >",
    "XACK fixed:{k} group {n}-0 {n}-{k}",
    "XCLAIM fixed:{k} group c{k} 0 {n}-0 {n}-{k}",
    "XCLAIM fixed:{k} group c{k} 0 {n}-0 JUSTID FORCE",
    "XAUTOCLAIM stream:{k} group c{k} 0 0 COUNT 4",
    "XAUTOCLAIM fixed:{k} group c{k} 0 0 JUSTID",
    "SORT list:{k} ALPHA LIMIT 0 20 STORE list:{k}",
    "SORT set:{k} BY nosort GET # GET str:* STORE list:{k}",
    "DEL {any}",
    "UNLINK {any} {any}",
    "EXPIRE {any} {sec}",
    "EXPIRE {any} {sec} NX",
    "PEXPIRE {any} {ms}",
    "EXPIREAT {any} 1",
    "PERSIST {any}",
    "RENAME {any} {any}",
    "RENAMENX {any} {any}",
    "COPY {any} {any} REPLACE",
    "COPY {any} {any} DB 1",
    "MOVE {any} 2",
    "SELECT 0",
    "SELECT 1",
    "SWAPDB 1 2",
    "MULTI|RPUSH list:{k} {n} {n}|SPOP set:{k}|INCRBYFLOAT float:{k} 0.7|EXEC",
    "MULTI|PEXPIRE {any} {ms}|LPOP list:{k}|ZPOPMIN zset:{k}|XADD stream:{k} * a {n}|EXEC",
    "MULTI|SET str:{k} {v} PX 1|RPUSH list:{k} {m}|DEL list:{k}|RPUSH list:{k} {n}|EXEC",
    "MULTI|SELECT 1|ZADD zset:{k} {s} {m}|SELECT 0|LPUSH list:{k} {m}|EXEC",
    "MULTI|LPOP list:{k}|HGETALL hash:{k}|GET {any}|EXEC",
    "MULTI|BLPOP list:{k} 1|XREADGROUP GROUP group c{k} COUNT 2 STREAMS stream:{k} >|EXEC",
    "MULTI|SET str:{k} 1|DISCARD",
    "WATCH {any}|MULTI|INCRBY count:{k} 1|EXPIREAT {any} 1|EXEC",
];

/// What a client sends that waits for others to write.
const WAITS: &[&str] = &[
    "BLPOP list:{k} list:{k} 0.05",
    "BRPOP list:{k} list:{k} 0.05",
    "BLMOVE list:{k} list:{k} LEFT RIGHT 0.05",
    "BLMOVE nolist:{k} list:{k} LEFT RIGHT 0.05",
    "BRPOPLPUSH nolist:{k} list:{k} 0.05",
    "BLMPOP 0.05 2 list:{k} nolist:{k} LEFT COUNT {k}",
    "RPUSH nolist:{k} {m} {m}",
    "BZPOPMIN nozset:{k} zset:{k} 0.05",
    "BZPOPMAX nozset:{k} 0.05",
    "BZMPOP 0.05 2 nozset:{k} nozset:{k} MIN COUNT {k}",
    "ZADD nozset:{k} {s} {m} {s} {n}",
    "MULTI|RPUSH nolist:{k} {m} {n}|ZADD nozset:{k} {s} {m}|XADD stream:{k} * a {m}|EXEC",
    "XREADGROUP GROUP group waiter BLOCK 50 COUNT 3 STREAMS stream:{k} >",
    "XREADGROUP GROUP group waiter BLOCK 50 STREAMS fixed:{k} stream:{k} > >",
    "XREADGROUP GROUP group waiter BLOCK 50 NOACK STREAMS stream:{k} >",
];

/// Commands of a client that writes.
pub fn random_write_of_any_type(rng: &mut Rng) -> Vec<Command> {
    commands(rng.pick(WRITES), rng)
}

/// Commands of a client that waits until others write.
pub fn random_wait(rng: &mut Rng) -> Vec<Command> {
    commands(rng.pick(WAITS), rng)
}

fn commands(template: &str, rng: &mut Rng) -> Vec<Command> {
    let command = |line: &str, rng: &mut Rng| line.split(' ').map(|w| fill(w, rng)).collect();
    template.split('|').map(|line| command(line, rng)).collect()
}

/// Puts what is drawn in place of each `{…}` of a word.
fn fill(word: &str, rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word;
    while let Some((before, from)) = rest.split_once('{') {
        let (name, after) = from.split_once('}').expect("a placeholder has an end");
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(&draw(name, rng));
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn draw(name: &str, rng: &mut Rng) -> Vec<u8> {
    const TYPES: &[&str] = &[
        "str", "list", "set", "hash", "zset", "stream", "fixed", "geo",
    ];
    let text = match name {
        "k" => (1 + rng.below(8)).to_string(),
        "n" => rng.below(200).to_string(),
        "m" => format!("member:{}", rng.below(100)),
        // Fractions that every version spells alike: the digest of a sorted set is over text.
        "s" => format!("{}", rng.below(400) as f64 / 4.0),
        "ms" => (1 + rng.below(300)).to_string(),
        "sec" => (1000 + rng.below(1000)).to_string(),
        "any" => format!("{}:{}", rng.pick(TYPES), 1 + rng.below(8)),
        "v" => {
            let length = *rng.pick(&[&5_u64, &20, &63, &64, &65, &300, &5000]);
            return rng.bytes(length as usize);
        }
        other => panic!("no placeholder is called {other}"),
    };
    text.into_bytes()
}

/// Fills a server with every type in every encoding, over two databases, some with an expiry that
/// is far away.
pub fn populate(conn: &mut Conn, rng: &mut Rng) {
    for database in ["0", "5"] {
        conn.call(&format!("SELECT {database}"));
        let mut all: Vec<Command> = Vec::new();
        let mut add = |line: &str, rng: &mut Rng| all.extend(commands(line, rng));
        for size in [1, 20, 200, 1500] {
            for n in 0..size {
                add(&format!("RPUSH list:{size} {n} member:{n} {{v}}"), rng);
                add(&format!("SADD ints:{size} {n} -{n}00000"), rng);
                add(&format!("SADD wide:{size} {n}000000000 {n}"), rng);
                add(&format!("SADD set:{size} member:{n} {n}"), rng);
                add(&format!("HSET hash:{size} field:{n} {n} {n} text"), rng);
                add(&format!("ZADD zset:{size} {{s}} member:{n}"), rng);
                add(&format!("PFADD hll:{size} {{v}} {n}"), rng);
                add(
                    &format!("XADD stream:{size} {}-1 f {{m}} g {n}", n + 1),
                    rng,
                );
                add(&format!("SETBIT bits:{size} {} 1", n * 13), rng);
            }
            add(&format!("XGROUP CREATE stream:{size} group 0"), rng);
            let read = "XREADGROUP GROUP group alice COUNT 12 STREAMS";
            add(&format!("{read} stream:{size} >"), rng);
            add(&format!("XACK stream:{size} group 2-1 4-1"), rng);
            add(&format!("XDEL stream:{size} 3-1 9-1"), rng);
            add(
                &format!("XGROUP CREATECONSUMER stream:{size} group bob"),
                rng,
            );
            add(&format!("HSET long:{size} field {{v}} other {{v}}"), rng);
            add(
                &format!("ZADD edge:{size} inf a -inf b 0 {{v}} -1.5 c"),
                rng,
            );
            add(
                &format!("GEOADD geo:{size} 13.36 38.11 a 15.08 37.50 b"),
                rng,
            );
        }
        add(
            "SET int 12345|SET small text|SET raw {v}|SET float 1.5",
            rng,
        );
        add(
            "EXPIRE list:20 {sec}|EXPIRE set:200 {sec}|EXPIRE int {sec}",
            rng,
        );
        add(
            "EXPIRE stream:1 {sec}|EXPIRE zset:1500 {sec}|EXPIRE hash:1 {sec}",
            rng,
        );
        for batch in all.chunks(500) {
            conn.send(&batch.iter().flat_map(|c| encode(c)).collect::<Vec<u8>>());
            for command in batch {
                let reply = conn.read_value().expect("a reply").to_string();
                let line: Vec<_> = command.iter().map(|w| String::from_utf8_lossy(w)).collect();
                assert!(!reply.starts_with('-'), "{}: {reply}", line.join(" "));
            }
        }
    }
}
