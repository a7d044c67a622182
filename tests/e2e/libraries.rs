//! The everyday work of a client library, in both protocols.

use redis::{Commands, Connection, Script, Value as Reply};

use crate::harness::*;

/// A connection in each of the two protocols, to servers of their own.
fn in_both_protocols() -> [(Server, Connection); 2] {
    ["resp2", "resp3"].map(|protocol| {
        let server = Server::ours(&[]);
        let conn = connection(&server, protocol);
        (server, conn)
    })
}

fn connection(server: &Server, protocol: &str) -> Connection {
    let url = format!("redis://127.0.0.1:{}/?protocol={protocol}", server.port);
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

#[test]
fn values_of_every_type_come_back() {
    for (_server, mut conn) in in_both_protocols() {
        let _: () = conn.hset_multiple("h", &[("a", "1"), ("b", "2")]).unwrap();
        let hash: std::collections::BTreeMap<String, i64> = conn.hgetall("h").unwrap();
        assert_eq!(hash.into_values().collect::<Vec<_>>(), [1, 2]);
        let _: () = conn.zadd_multiple("z", &[(1.5, "a"), (2.5, "b")]).unwrap();
        let ranked: Vec<(String, f64)> = conn.zrange_withscores("z", 0, -1).unwrap();
        assert_eq!(ranked, [("a".to_owned(), 1.5), ("b".to_owned(), 2.5)]);
        let _: () = conn.sadd("s", &["x", "y"]).unwrap();
        let members: std::collections::BTreeSet<String> = conn.smembers("s").unwrap();
        assert_eq!(members.len(), 2);
        let _: () = conn.rpush("l", &[1, 2, 3]).unwrap();
        assert_eq!(conn.lrange::<_, Vec<i64>>("l", 0, -1).unwrap(), [1, 2, 3]);
        let refused = conn.incr::<_, _, i64>("l", 1).unwrap_err();
        assert_eq!(refused.code(), Some("WRONGTYPE"));
    }
}

#[test]
fn transactions_are_whole_and_a_broken_watch_is_tried_again() {
    for ((server, mut conn), protocol) in in_both_protocols().into_iter().zip(["resp2", "resp3"]) {
        let mut other = connection(&server, protocol);
        let mut tries = 0;
        let (count,): (i64,) = redis::transaction(&mut conn, &["count"], |conn, pipe| {
            tries += 1;
            let count: i64 = conn.get::<_, Option<i64>>("count")?.unwrap_or(0);
            if tries == 1 {
                let _: () = other.set("count", 10)?;
            }
            pipe.set("count", count + 1)
                .ignore()
                .get("count")
                .query(conn)
        })
        .unwrap();
        assert_eq!((tries, count), (2, 11));
    }
}

#[test]
fn scripts_are_loaded_when_they_are_missing() {
    for (_server, mut conn) in in_both_protocols() {
        let script = Script::new("return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}");
        for count in [5, 10] {
            let reply: (String, i64) = script.key("n").arg(5).invoke(&mut conn).unwrap();
            assert_eq!(reply, ("n".to_owned(), count));
            let _: () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut conn).unwrap();
        }
    }
}

#[test]
fn consumer_groups_share_a_stream() {
    use redis::streams::{StreamReadOptions, StreamReadReply};
    for (_server, mut conn) in in_both_protocols() {
        let _: () = conn.xgroup_create_mkstream("jobs", "workers", "$").unwrap();
        for n in 0..4 {
            let _: String = conn.xadd("jobs", "*", &[("n", n)]).unwrap();
        }
        for (worker, first) in [("ann", 0), ("bob", 2)] {
            let options = StreamReadOptions::default()
                .group("workers", worker)
                .count(2);
            let reply: StreamReadReply = conn.xread_options(&["jobs"], &[">"], &options).unwrap();
            let entries = &reply.keys[0].ids;
            assert_eq!(entries.len(), 2);
            assert_eq!(entries[0].get::<i64>("n"), Some(first));
            let acked: i64 = conn.xack("jobs", "workers", &[&entries[0].id]).unwrap();
            assert_eq!(acked, 1);
        }
        let pending: redis::streams::StreamPendingReply = conn.xpending("jobs", "workers").unwrap();
        assert_eq!(pending.count(), 2);
    }
}

#[test]
fn published_messages_arrive() {
    for ((server, mut conn), protocol) in in_both_protocols().into_iter().zip(["resp2", "resp3"]) {
        let mut listener = connection(&server, protocol);
        let mut heard = listener.as_pubsub();
        heard.subscribe("news").unwrap();
        heard.psubscribe("w*").unwrap();
        let reached: i64 = conn.publish("news", "one").unwrap();
        assert_eq!(reached, 1);
        let _: i64 = conn.publish("weather", "two").unwrap();
        for (channel, text) in [("news", "one"), ("weather", "two")] {
            let message = heard.get_message().unwrap();
            assert_eq!(message.get_channel_name(), channel);
            assert_eq!(message.get_payload::<String>().unwrap(), text);
        }
    }
}

#[test]
fn scans_see_everything_and_replies_have_their_types() {
    for ((_server, mut conn), protocol) in in_both_protocols().into_iter().zip(["resp2", "resp3"]) {
        let keys: Vec<(String, i64)> = (0..500).map(|n| (format!("k{n}"), n)).collect();
        let _: () = conn.mset(&keys).unwrap();
        let found: Vec<String> = conn.scan_match("k*").unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), 500);
        let _: () = conn.hset("h", "a", 1).unwrap();
        let reply: Reply = conn.hgetall("h").unwrap();
        assert_eq!(matches!(reply, Reply::Map(_)), protocol == "resp3");
    }
}
