//! What subscribers get, in which order, and what a subscriber may still say.

use super::super::testing::Rig;
use super::registry::TopicKind;
use crate::resp::writer::Protocol;

fn push(words: &[&str]) -> String {
    let bulks = words.iter().map(|w| format!("${}\r\n{w}\r\n", w.len()));
    format!(">{}\r\n{}", words.len(), bulks.collect::<String>())
}

#[test]
fn each_topic_is_acknowledged_with_the_count_of_channels_and_patterns() {
    let mut rig = Rig::new();
    let subscribed = |verb: &str, topic: &str, count: u32| {
        let (verb_len, len) = (verb.len(), topic.len());
        format!("*3\r\n${verb_len}\r\n{verb}\r\n${len}\r\n{topic}\r\n:{count}\r\n")
    };
    let two = [
        subscribed("subscribe", "a", 1),
        subscribed("subscribe", "b", 2),
    ];
    assert_eq!(rig.run("SUBSCRIBE a b"), two.concat());
    assert_eq!(rig.run("SUBSCRIBE a"), subscribed("subscribe", "a", 2));
    assert_eq!(rig.run("PSUBSCRIBE a*"), subscribed("psubscribe", "a*", 3));
    assert_eq!(rig.run("SSUBSCRIBE a"), subscribed("ssubscribe", "a", 1));
    let two = [
        subscribed("unsubscribe", "a", 2),
        subscribed("unsubscribe", "b", 1),
    ];
    assert_eq!(rig.run("UNSUBSCRIBE"), two.concat());
    assert_eq!(rig.run("PUNSUBSCRIBE x a*"), {
        let two = [
            subscribed("punsubscribe", "x", 1),
            subscribed("punsubscribe", "a*", 0),
        ];
        two.concat()
    });
    assert!(rig.session.subscriptions.is_some());
    assert_eq!(
        rig.run("SUNSUBSCRIBE a"),
        subscribed("sunsubscribe", "a", 0)
    );
    assert!(rig.session.subscriptions.is_none());
    assert_eq!(
        rig.run("UNSUBSCRIBE"),
        "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
    );
    assert!(
        TopicKind::ALL
            .iter()
            .all(|kind| rig.env.pubsub.count(*kind) == 0)
    );
}

#[test]
fn messages_go_to_channels_then_patterns_and_to_replicas() {
    let mut rig = Rig::new();
    rig.run_as(2, "SUBSCRIBE news");
    rig.run_as(3, "PSUBSCRIBE n*s");
    rig.run_as(2, "SSUBSCRIBE news");
    assert_eq!(rig.run("PUBLISH news hello"), ":2\r\n");
    assert_eq!(rig.run("SPUBLISH news shard"), ":1\r\n");
    assert_eq!(rig.run("PUBLISH nobody hears"), ":0\r\n");
    let expected = [
        (2, push(&["message", "news", "hello"])),
        (3, push(&["pmessage", "n*s", "news", "hello"])),
        (2, push(&["smessage", "news", "shard"])),
    ];
    assert_eq!(rig.host.delivered, expected);
    assert_eq!(
        rig.propagated(),
        [
            "SELECT 0",
            "PUBLISH news hello",
            "SPUBLISH news shard",
            "PUBLISH nobody hears"
        ]
    );
    assert_eq!(rig.env.persistence.dirty, 0);
}

#[test]
fn a_client_that_publishes_to_itself_gets_the_message_behind_the_reply() {
    let mut rig = Rig::new();
    rig.session.protocol = Protocol::Resp3;
    rig.run("SUBSCRIBE a");
    let message = push(&["message", "a", "1"]);
    assert_eq!(rig.run("PUBLISH a 1"), format!(":1\r\n{message}"));
    rig.run("MULTI");
    rig.run("PUBLISH a 1");
    rig.run("PING");
    assert_eq!(rig.run("EXEC"), format!("*2\r\n:1\r\n+PONG\r\n{message}"));
    rig.run("CLIENT REPLY OFF");
    assert_eq!(rig.run("PUBLISH a 1"), message);
    assert_eq!(
        rig.run("UNSUBSCRIBE a"),
        ">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"
    );
}

#[test]
fn a_subscriber_without_pushes_may_do_little_else() {
    let mut rig = Rig::new();
    rig.run("SUBSCRIBE a");
    assert_eq!(
        rig.run("GET a"),
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
         are allowed in this context\r\n"
    );
    assert_eq!(rig.run("PING"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    assert_eq!(rig.run("PING x"), "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    assert_eq!(rig.run("RESET"), "+RESET\r\n");
    assert_eq!(rig.run("GET a"), "$-1\r\n");
    assert_eq!(rig.run("PUBSUB CHANNELS"), "*0\r\n");
}

#[test]
fn pubsub_tells_who_listens() {
    let mut rig = Rig::new();
    rig.run_as(2, "SUBSCRIBE ab ba");
    rig.run_as(2, "PSUBSCRIBE x*");
    assert_eq!(rig.run("PUBSUB CHANNELS a*"), "*1\r\n$2\r\nab\r\n");
    assert_eq!(rig.run("PUBSUB NUMPAT"), ":1\r\n");
    assert_eq!(
        rig.run("PUBSUB NUMSUB ab c"),
        "*4\r\n$2\r\nab\r\n:1\r\n$1\r\nc\r\n:0\r\n"
    );
    assert_eq!(rig.run("PUBSUB SHARDCHANNELS"), "*0\r\n");
    assert_eq!(rig.run("PUBSUB SHARDNUMSUB"), "*0\r\n");
    assert!(
        rig.run("PUBSUB CHANNELS a b")
            .starts_with("-ERR unknown subcommand or wrong")
    );
}

#[test]
fn keyspace_events_are_messages() {
    let mut rig = Rig::new();
    rig.run_as(2, "PSUBSCRIBE __key*__:*");
    let events = |rig: &mut Rig, line: &str| {
        rig.host.delivered.clear();
        rig.run(line);
        let text = |(_, push): &(u64, String)| {
            let words: Vec<&str> = push.split("\r\n").skip(6).step_by(2).collect();
            words.join(" ").trim_end().to_owned()
        };
        rig.host.delivered.iter().map(text).collect::<Vec<_>>()
    };
    assert!(events(&mut rig, "SET a 1").is_empty());
    rig.run("CONFIG SET notify-keyspace-events KEA");
    let set = ["__keyspace@0__:a set", "__keyevent@0__:set a"];
    assert_eq!(events(&mut rig, "SET a 1"), set);
    rig.run("CONFIG SET notify-keyspace-events EAnm");
    let on = |event: &str, key: &str| format!("__keyevent@0__:{event} {key}");
    let expected = [on("new", "b"), on("set", "b"), on("expire", "b")];
    assert_eq!(events(&mut rig, "SET b 1 EX 10"), expected);
    assert_eq!(events(&mut rig, "GET nothing"), [on("keymiss", "nothing")]);
    let expected = [on("new", "b"), on("rename_from", "a"), on("rename_to", "b")];
    assert_eq!(events(&mut rig, "RENAME a b"), expected);
    assert_eq!(
        events(&mut rig, "MOVE b 1"),
        [
            "__keyevent@1__:new b",
            "__keyevent@0__:move_from b",
            "__keyevent@1__:move_to b"
        ]
    );
    rig.run("SET c 1 PX 10");
    rig.advance_ms(11);
    let expected = [on("expired", "c"), on("new", "c"), on("incrby", "c")];
    assert_eq!(events(&mut rig, "INCR c"), expected);
    assert_eq!(events(&mut rig, "DEL c d"), [on("del", "c")]);
}
