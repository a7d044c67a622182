//! Publish and subscribe: who gets which messages, in which order, and what becomes of those who
//! do not read them.

use std::time::Duration;

use crate::harness::*;

#[test]
fn messages_come_to_channels_and_patterns_in_the_order_in_which_they_were_sent() {
    let server = Server::ours(&[]);
    let mut reader = server.connect();
    reader.ask("SUBSCRIBE news");
    reader.ask("PSUBSCRIBE n*");
    let mut writer = server.connect();
    let pipeline: Vec<u8> = (0..200)
        .flat_map(|n| encode(&["PUBLISH", "news", &n.to_string()]))
        .collect();
    writer.send(&pipeline);
    for n in 0..200 {
        assert_eq!(writer.read_value().expect("a reply").int(), 2);
        let mut next = || reader.read_value().expect("a message").to_string();
        assert_eq!(next(), format!("[message news {n}]"));
        assert_eq!(next(), format!("[pmessage n* news {n}]"));
    }
    assert_eq!(server.info("pubsub_channels"), "1");
    assert_eq!(server.info("pubsub_patterns"), "1");
    let clients = server.ask("CLIENT LIST TYPE pubsub");
    assert!(clients.contains("flags=P "), "{clients}");
    assert!(clients.contains(" sub=1 psub=1 ssub=0 "), "{clients}");
    drop(reader);
    wait_until("the subscriptions are gone", || {
        server.info("pubsub_channels") == "0" && server.info("pubsub_patterns") == "0"
    });
}

#[test]
fn a_client_of_the_new_protocol_gets_pushes_between_its_replies() {
    let server = Server::ours(&[]);
    let mut client = server.connect();
    client.ask("HELLO 3");
    let pipeline = [
        encode(&["SUBSCRIBE", "a"]),
        encode(&["PUBLISH", "a", "1"]),
        encode(&["GET", "nothing"]),
        encode(&["PUBLISH", "a", "2"]),
    ];
    client.send(&pipeline.concat());
    let mut next = || String::from_utf8(client.read_raw().expect("a reply")).expect("text");
    assert_eq!(next(), ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    assert_eq!(next(), ":1\r\n");
    assert_eq!(next(), ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_eq!(next(), "_\r\n");
    assert_eq!(next(), ":1\r\n");
    assert_eq!(next(), ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n2\r\n");
}

#[test]
fn replicas_pass_the_messages_of_their_master_on() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    wait_link_up(&replica);
    let mut reader = replica.connect();
    reader.ask("SUBSCRIBE a");
    reader.ask("SSUBSCRIBE b");
    wait_equal_offsets(&[&master, &replica]);
    assert_eq!(master.ask("PUBLISH a 1"), "0");
    assert_eq!(master.ask("SPUBLISH b 2"), "0");
    assert_eq!(replica.ask("PUBLISH a here"), "1");
    let mut messages: Vec<String> = (0..3)
        .map(|_| reader.read_value().expect("a message").to_string())
        .collect();
    messages.sort();
    let expected = ["[message a 1]", "[message a here]", "[smessage b 2]"];
    assert_eq!(messages, expected);
}

#[test]
fn a_subscriber_that_does_not_read_is_dropped_and_the_others_are_not() {
    let server = Server::ours(&["client-output-buffer-limit pubsub 1mb 0 0"]);
    let mut slow = server.connect();
    slow.ask("SUBSCRIBE a");
    let mut quick = server.connect();
    quick.ask("SUBSCRIBE a");
    let message = "x".repeat(100_000);
    wait_until("the slow one is dropped", || {
        server.command(&["PUBLISH", "a", &message]);
        quick.read_value().expect("a message");
        server.ask("PUBSUB NUMSUB a") == "[a 1]"
    });
    assert_eq!(server.ask("PUBLISH a end"), "1");
    let last = quick.read_value().expect("a message").to_string();
    assert_eq!(last, "[message a end]");
}

#[test]
fn keys_that_expire_by_themselves_are_announced() {
    let server = Server::ours(&["notify-keyspace-events Kx"]);
    let mut reader = server.connect();
    reader.ask("PSUBSCRIBE __keyspace@0__:*");
    server.ask("SET a 1 PX 20");
    reader
        .stream()
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let message = reader.read_value().expect("a message").to_string();
    let expected = "[pmessage __keyspace@0__:* __keyspace@0__:a expired]";
    assert_eq!(message, expected);
}

#[test]
fn a_large_message_is_held_once_however_many_have_yet_to_take_it() {
    const BYTES: usize = 8 << 20;
    const SUBSCRIBERS: usize = 20;
    let server = Server::ours(&["client-output-buffer-limit pubsub 0 0 0"]);
    let mut subscribers: Vec<Conn> = (0..SUBSCRIBERS).map(|_| server.connect()).collect();
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        if number % 2 == 1 {
            subscriber.call("HELLO 3");
        }
        subscriber.call("SUBSCRIBE news");
    }
    let before = server.info_number("used_memory");
    let message = vec![b'm'; BYTES];
    let receivers = server.command(&[&b"PUBLISH"[..], b"news", &message]);
    assert_eq!(receivers.int(), SUBSCRIBERS as i64);
    // Far more than any socket takes; the message is there, with its encoding, and no more.
    let held = server.info_number("used_memory") - before;
    assert!(held < 3 * BYTES as i64, "{held} bytes are held");
    server.ask("PUBLISH news behind");
    for subscriber in &mut subscribers {
        let push = subscriber.read_value().expect("the message");
        assert_eq!(push.items()[2].bytes(), message);
        let push = subscriber.read_value().expect("the next message");
        assert_eq!(push.items()[2].bytes(), b"behind");
    }
}
