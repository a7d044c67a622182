//! A server's whole data set as seen by a client, to compare two servers key by key.

use std::collections::BTreeMap;

use super::{Conn, Server, Value, encode, wait_equal_offsets, wait_for};

/// Database and key.
pub type Place = (u64, Vec<u8>);

/// Value and absolute expiry in milliseconds (-1 for none).
pub type Content = (Vec<u8>, i64);

pub type Data = BTreeMap<Place, Content>;

/// Every key of every database.
#[track_caller]
pub fn dump(server: &Server) -> Data {
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

/// The same, but only whether a key expires and not when: two servers that were told the same one
/// after the other need not agree on that.
#[track_caller]
pub fn dump_without_times(server: &Server) -> Vec<(Place, Vec<u8>, bool)> {
    let all = dump(server).into_iter();
    all.map(|(place, (value, expiry))| (place, value, expiry > 0))
        .collect()
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
    let words: &[&str] = match kind.as_str() {
        "none" => return None,
        "list" => &["LRANGE", "0", "-1"],
        "set" => &["SMEMBERS"],
        "zset" => &["ZRANGE", "0", "-1", "WITHSCORES"],
        "hash" => &["HGETALL"],
        "stream" => &["XRANGE", "-", "+"],
        other => panic!("unknown type {other}"),
    };
    let mut request: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    request.insert(1, key);
    let reply = conn.command(&request);
    // It may have expired between two of our questions.
    if matches!(reply, Value::Error(_)) {
        return None;
    }
    let mut lines: Vec<String> = reply.items().iter().map(Value::to_string).collect();
    match kind.as_str() {
        "set" => lines.sort(),
        "hash" => {
            lines = lines.chunks(2).map(|pair| pair.join(" = ")).collect();
            lines.sort();
        }
        // Versions spell scores differently.
        "zset" => lines.iter_mut().skip(1).step_by(2).for_each(respell),
        "stream" => lines.extend(consumer_groups(conn, key)),
        _ => {}
    }
    Some(format!("{kind}\n{}", lines.join("\n")).into_bytes())
}

fn respell(score: &mut String) {
    let number: f64 = score.parse().expect("a score is a number");
    *score = format!("{number:?}");
}

/// What a stream knows of its groups: all but the times at which its consumers were last seen.
///
/// Two things do not reach replicas, here as in the reference: how many entries a group has read
/// (an `XCLAIM` tells only up to which one), and a consumer that asked when there were no entries.
fn consumer_groups(conn: &mut Conn, key: &[u8]) -> Vec<String> {
    let reply = conn.command(&[b"XINFO".as_slice(), b"STREAM", key, b"FULL", b"COUNT", b"0"]);
    let Some(Value::Array(groups)) = field(&reply, "groups") else {
        return Vec::new();
    };
    let mut lines = vec![
        show(&reply, "last-generated-id"),
        show(&reply, "entries-added"),
    ];
    for group in groups {
        for name in ["name", "last-delivered-id", "pel"] {
            lines.push(show(group, name));
        }
        let consumers = field(group, "consumers").map_or(&[][..], Value::items);
        let pending = |consumer: &&Value| show(consumer, "pel-count") != "pel-count 0";
        for consumer in consumers.iter().filter(pending) {
            lines.push(show(consumer, "name"));
            lines.push(show(consumer, "pel"));
        }
    }
    lines
}

/// The value behind a name in a flat list of names and values.
fn field<'a>(pairs: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Array(items) = pairs else {
        return None;
    };
    let pair = items
        .chunks_exact(2)
        .find(|pair| pair[0].to_string() == name)?;
    Some(&pair[1])
}

fn show(pairs: &Value, name: &str) -> String {
    let value = field(pairs, name).map_or_else(String::new, Value::to_string);
    format!("{name} {value}")
}

/// Waits until all servers stand at one offset and hold the same data, by their own digests and by
/// what a client reads. Keys that expire soon are gone before that.
#[track_caller]
pub fn wait_same_data(servers: &[&Server]) {
    wait_equal_offsets(servers);
    wait_for(
        "all servers hold the same data",
        || differences_among(servers).is_none().then_some(()),
        || {
            let tails: Vec<String> = servers.iter().map(|s| s.log_tail()).collect();
            let differences = differences_among(servers).unwrap_or_default();
            format!("{differences}\n{}", tails.join("\n"))
        },
    );
}

fn differences_among(servers: &[&Server]) -> Option<String> {
    let (first, others) = servers.split_first().expect("servers to compare");
    let (digest, data) = (first.ask("DEBUG DIGEST"), dump(first));
    others.iter().find_map(|other| {
        let theirs = other.ask("DEBUG DIGEST");
        let digests = || format!("the data look alike, not so the digests {digest} and {theirs}");
        let found = differences(&data, &dump(other));
        let found = found.or_else(|| (digest != theirs).then(digests))?;
        Some(format!("ports {} and {}: {found}", first.port, other.port))
    })
}

/// Fails with the first differences if two servers hold different data.
#[track_caller]
pub fn assert_same_data(one: &Server, other: &Server) {
    if let Some(differences) = differences(&dump(one), &dump(other)) {
        panic!(
            "ports {} and {}: {differences}\n{}\n{}",
            one.port,
            other.port,
            one.log_tail(),
            other.log_tail()
        );
    }
}

/// The first differences between what two servers hold; none if they hold the same.
pub fn differences(left: &Data, right: &Data) -> Option<String> {
    if left == right {
        return None;
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
    Some(format!(
        "{} and {} keys, and they differ:\n{}",
        left.len(),
        right.len(),
        report.join("\n")
    ))
}
