//! What clients send: writes that the oracle follows, and writes of every type for the trees to
//! differ by, if they can.

use super::client::{SimClient, Topic};
use super::survival::JOURNAL;
use crate::base::rng::Rng;

/// Bytes of an ordinary value at most.
const VALUE_BYTES_MAX: u64 = 400;
/// Bytes of a big one.
const BIG_VALUE_BYTES: usize = 40_000;

/// A value that says nothing.
fn value(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.below(60) {
        0 => BIG_VALUE_BYTES,
        _ => rng.below(VALUE_BYTES_MAX) as usize,
    };
    let mut text = rng.next_u64().to_string().into_bytes();
    text.resize(text.len() + length, b'v');
    text
}

/// Sends some commands, of which the write with this number is one that the oracle follows.
pub fn write(client: &mut SimClient, serial: u64, rng: &mut Rng) {
    if rng.below(4) == 0 {
        let db = rng.below(3) as usize;
        client.say(&format!("SELECT {db}"));
        client.db = db;
    }
    let transaction = rng.below(4) == 0;
    if transaction {
        client.say("MULTI");
        some_write(client, rng);
    }
    let key = format!("w{serial}").into_bytes();
    let topic = Topic::Write {
        db: client.db,
        key: key.clone(),
    };
    let value = value(rng);
    match transaction {
        false => client.send(&[b"SET", &key, &value], topic),
        true => {
            client.send(&[b"SET", &key, &value], Topic::Other);
            some_write(client, rng);
            client.send(&[b"EXEC"], topic);
        }
    }
    for _ in 0..rng.below(4) {
        some_write(client, rng);
    }
}

/// Sends the write with this number, which is put in the journal, too, and others, to be done
/// together.
pub fn write_with_number(client: &mut SimClient, serial: u64, rng: &mut Rng) {
    let db = rng.below(3) as usize;
    let key = format!("w{serial}").into_bytes();
    client.say("MULTI");
    if db > 0 {
        client.say(&format!("SELECT {db}"));
    }
    for _ in 0..rng.below(3) {
        some_write(client, rng);
    }
    client.send(&[b"SET", &key, &value(rng)], Topic::Other);
    if db > 0 {
        client.say("SELECT 0");
    }
    client.say(&format!("RPUSH {JOURNAL} {serial}"));
    client.send(&[b"EXEC"], Topic::Write { db, key });
    if rng.below(8) == 0 {
        let argv: [&[u8]; 4] = [b"WAITAOF", b"1", b"0", b"1500"];
        client.send(&argv, Topic::Stored { serial });
    }
}

/// Sends the write with this number, and nothing that could expire.
pub fn write_plainly(client: &mut SimClient, serial: u64, rng: &mut Rng) {
    let key = format!("w{serial}").into_bytes();
    let topic = Topic::Write {
        db: client.db,
        key: key.clone(),
    };
    client.send(&[b"SET", &key, &value(rng)], topic);
}

/// Sends a write of any type and a number for the journal, to be done together.
pub fn write_to_journal(client: &mut SimClient, serial: u64, rng: &mut Rng) {
    let number = format!("RPUSH {JOURNAL} {serial}");
    if rng.below(3) == 0 {
        return client.say(&number);
    }
    client.say("MULTI");
    let db = rng.below(3);
    if db > 0 {
        client.say(&format!("SELECT {db}"));
    }
    match rng.below(8) {
        0 => {
            let key = format!("w{}", rng.below(20)).into_bytes();
            client.send(&[b"SET", &key, &value(rng)], Topic::Other);
        }
        _ => some_write(client, rng),
    }
    if db > 0 {
        client.say("SELECT 0");
    }
    client.say(&number);
    client.say("EXEC");
}

/// Sends one write of any type.
fn some_write(client: &mut SimClient, rng: &mut Rng) {
    let n = rng.below(4);
    let m = rng.below(50);
    let line = match rng.below(20) {
        0 => format!("INCR counter{n}"),
        1 => format!("INCRBYFLOAT float{n} 0.1"),
        2 => format!("APPEND text{n} {m}"),
        3 => format!("RPUSH list{n} {m} x{m}"),
        4 => format!("LPOP list{n}"),
        5 => format!("SADD set{n} {m} {}", m + 1),
        6 => format!("SPOP set{n}"),
        7 => format!("HSET hash{n} f{m} {m}"),
        8 => format!("ZADD zset{n} {m} m{m}"),
        9 => format!("ZPOPMIN zset{n}"),
        10 => format!("XADD stream{n} * f {m}"),
        11 => format!("SET short{n} {m} PX {}", 1 + rng.below(2000)),
        12 => format!("PEXPIRE list{n} {}", 1 + rng.below(3000)),
        13 => format!("GET short{n}"),
        14 => format!("DEL list{n}"),
        15 => format!("RENAME list{n} list{}", (n + 1) % 4),
        16 => format!("LMPOP 2 list{n} list{} LEFT COUNT 2", (n + 1) % 4),
        17 => format!("GETEX short{n} PX {}", 1 + rng.below(1000)),
        18 => format!("SORT list{n} ALPHA STORE sorted{n}"),
        _ => format!("HINCRBY hash{n} f{m} 1"),
    };
    client.say(&line);
}
