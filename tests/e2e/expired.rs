//! Keys whose time has come but that may not be deleted yet: nothing that is asked of a server full
//! of them may take for ever, and nobody but `RANDOMKEY`, which has no other choice, shows them.

use crate::harness::*;

/// Of each type.
const KEYS_OF_A_TYPE: usize = 200;

/// Makes keys of all types that live for some milliseconds, and keeps the server from looking for
/// those that do not live any more.
fn fill_with_mortals(server: &Server) -> usize {
    server.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    let makers = [
        "SET string:# 1",
        "RPUSH list:# a b",
        "SADD set:# 1 2",
        "HSET hash:# f v",
        "ZADD zset:# 1 a",
        "XADD stream:# 1-1 f v",
        "GEOADD geo:# 1 2 a",
    ];
    let mut conn = server.connect();
    for number in 0..KEYS_OF_A_TYPE {
        for maker in makers {
            let line = maker.replace('#', &number.to_string());
            let key = line.split(' ').nth(1).expect("a key");
            conn.call(&line);
            conn.call(&format!("PEXPIRE {key} 20"));
        }
    }
    KEYS_OF_A_TYPE * makers.len()
}

/// What reads keys, with the reply of a server that has none. `*` stands for any reply.
const QUESTIONS: &[(&str, &str)] = &[
    ("KEYS *", "[]"),
    ("SCAN 0 COUNT 100000", "[0 []]"),
    ("SCAN 0 COUNT 100000 TYPE hash", "[0 []]"),
    ("EXISTS string:1 list:1", "0"),
    ("TOUCH string:1 list:1", "0"),
    ("TYPE hash:1", "none"),
    ("TTL set:1", "-2"),
    ("MGET string:1 string:2", "[(nil) (nil)]"),
    ("SRANDMEMBER set:1 5", "[]"),
    ("SRANDMEMBER set:1 -5", "[]"),
    ("HRANDFIELD hash:1 -5", "[]"),
    ("ZRANDMEMBER zset:1 3", "[]"),
    ("ZUNION 2 zset:1 zset:2", "[]"),
    ("SINTER set:1 set:2", "[]"),
    ("SORT_RO list:1 BY string:*", "[]"),
    ("GEOSEARCH geo:1 FROMLONLAT 1 2 BYRADIUS 1 km", "[]"),
    ("XREAD BLOCK 10 STREAMS stream:1 0", "(nil)"),
    ("XRANGE stream:1 - +", "[]"),
    ("DUMP string:1", "(nil)"),
    ("MEMORY USAGE string:1", "*"),
    ("OBJECT ENCODING string:1", "*"),
    ("DEBUG DIGEST", "*"),
];

/// Asks everything, of all keys expired.
fn interrogate(server: &Server, keys: usize) {
    wait_until("the last key has expired", || {
        server.ask(&format!("EXISTS geo:{}", KEYS_OF_A_TYPE - 1)) == "0"
    });
    for (question, answer) in QUESTIONS {
        let reply = server.ask(question);
        assert!(
            reply == *answer || *answer == "*",
            "{question} is answered with {reply}"
        );
    }
    for _ in 0..20 {
        let reply = server.ask("RANDOMKEY");
        assert!(reply.contains(':'), "{reply} is one of the keys");
    }
    assert_eq!(
        server.ask("DBSIZE"),
        keys.to_string(),
        "all keys are where they were"
    );
}

#[test]
fn a_server_whose_writes_are_held_back_answers_although_all_keys_have_expired() {
    let server = Server::ours(&[]);
    let keys = fill_with_mortals(&server);
    server.ask("CLIENT PAUSE 100000 WRITE");
    interrogate(&server, keys);
    server.ask("CLIENT UNPAUSE");
    assert_eq!(server.ask("SCAN 0 COUNT 100000"), "[0 []]");
    assert_eq!(server.ask("RANDOMKEY"), "(nil)");
    assert_eq!(server.ask("DBSIZE"), "0");
}

#[test]
fn a_replica_answers_although_all_keys_have_expired_and_its_master_says_nothing() {
    for read_only in ["yes", "no"] {
        let master = Server::ours(&[]);
        let replica = Server::ours(&[&format!("replica-read-only {read_only}")]);
        follow(&replica, master.port);
        wait_link_up(&replica);
        let keys = fill_with_mortals(&master);
        wait_equal_offsets(&[&master, &replica]);
        master.freeze();
        interrogate(&replica, keys);
        master.thaw();
    }
}
