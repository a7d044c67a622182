//! A server's whole data set as seen by a client, to compare two servers key by key.

use std::collections::BTreeMap;

use super::{Conn, Server, Value, encode};

/// Database and key.
type Place = (u64, Vec<u8>);

/// Value and absolute expiry in milliseconds (-1 for none).
type Content = (Vec<u8>, i64);

/// Every key of every database.
#[track_caller]
pub fn dump(server: &Server) -> BTreeMap<Place, Content> {
    let mut conn = server.connect();
    let keyspace = conn.ask("INFO keyspace");
    let mut all = BTreeMap::new();
    for line in keyspace.lines() {
        let Some((database, _)) = line.strip_prefix("db").and_then(|l| l.split_once(':')) else {
            continue;
        };
        let database: u64 = database.parse().expect("a database's number");
        assert_eq!(conn.ask(&format!("SELECT {database}")), "OK");
        for key in scan_all(&mut conn) {
            if let Some(content) = read_key(&mut conn, &key) {
                all.insert((database, key), content);
            }
        }
    }
    all
}

fn scan_all(conn: &mut Conn) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = conn.call(&format!("SCAN {cursor} COUNT 1000"));
        let [next, page] = reply.items() else {
            panic!("SCAN replied {reply}")
        };
        keys.extend(page.items().iter().map(|key| key.bytes().to_vec()));
        cursor = next.to_string();
        if cursor == "0" {
            keys.sort();
            keys.dedup();
            return keys;
        }
    }
}

/// None for a key that has expired since it was seen.
fn read_key(conn: &mut Conn, key: &[u8]) -> Option<Content> {
    // Most keys are strings: ask for one, and look closer only when it is not.
    conn.send(&encode(&[b"GET".as_slice(), key]));
    conn.send(&encode(&[b"PEXPIRETIME".as_slice(), key]));
    let value = conn.read_value().expect("a reply to GET");
    let expiry = conn.read_value().expect("a reply to PEXPIRETIME").int();
    match value {
        Value::Null => None,
        Value::Error(_) => Some((read_collection(conn, key)?, expiry)),
        other => Some((other.bytes().to_vec(), expiry)),
    }
}

/// The members of a collection, one a line; sorted where their order means nothing.
fn read_collection(conn: &mut Conn, key: &[u8]) -> Option<Vec<u8>> {
    let kind = conn.command(&[b"TYPE".as_slice(), key]).to_string();
    let (words, group): (&[&str], usize) = match kind.as_str() {
        "none" => return None,
        "list" => (&["LRANGE", "0", "-1"], 0),
        "set" => (&["SMEMBERS"], 1),
        "zset" => (&["ZRANGE", "0", "-1", "WITHSCORES"], 0),
        "hash" => (&["HGETALL"], 2),
        "stream" => (&["XRANGE", "-", "+"], 0),
        other => panic!("unknown type {other}"),
    };
    let mut request: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    request.insert(1, key);
    let reply = conn.command(&request);
    let lines: Vec<String> = reply.items().iter().map(Value::to_string).collect();
    let mut members: Vec<String> = match group {
        0 => lines,
        size => lines.chunks(size).map(|chunk| chunk.join(" = ")).collect(),
    };
    if group > 0 {
        members.sort();
    }
    Some(format!("{kind}\n{}", members.join("\n")).into_bytes())
}

/// Fails with the first differences if two servers hold different data.
#[track_caller]
pub fn assert_same_data(one: &Server, other: &Server) {
    let (left, right) = (dump(one), dump(other));
    if left == right {
        return;
    }
    let places = left.keys().chain(right.keys());
    let differing = places.filter(|place| left.get(*place) != right.get(*place));
    let show = |content: Option<&Content>| match content {
        None => "nothing".to_owned(),
        Some((value, expiry)) => {
            let start = &value[..value.len().min(40)];
            format!(
                "{} bytes {:?} expiry {expiry}",
                value.len(),
                String::from_utf8_lossy(start)
            )
        }
    };
    let report: Vec<String> = differing
        .take(10)
        .map(|place| {
            let (database, key) = place;
            let key = String::from_utf8_lossy(key);
            format!(
                "db{database} {key:?}: {} against {}",
                show(left.get(place)),
                show(right.get(place))
            )
        })
        .collect();
    panic!(
        "ports {} and {} hold {} and {} keys and differ:\n{}\n{}\n{}",
        one.port,
        other.port,
        left.len(),
        right.len(),
        report.join("\n"),
        one.log_tail(),
        other.log_tail()
    );
}
