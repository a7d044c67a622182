//! DUMP, RESTORE and MIGRATE, against a host that answers what a test wants.

use crate::commands::host::{MigrationFailure, MigrationOutcome};
use crate::commands::testing::{Rig, START_MS};
use crate::keyspace::access::{lfu_count, lru_idle_ms};

/// `DUMP` of the integer 5.
const FIVE: &[u8] = b"\x00\xc0\x05\x0b\x00";

/// The payload of a key.
fn dump(rig: &mut Rig, key: &str) -> Vec<u8> {
    let entry = rig.env.keyspace.db(0).get(key.as_bytes()).unwrap();
    super::dump::payload_of(&rig.env, entry.value())
}

fn restore(rig: &mut Rig, key: &str, ttl: &str, payload: &[u8], options: &str) -> String {
    let mut words = vec![
        b"RESTORE".to_vec(),
        key.into(),
        ttl.into(),
        payload.to_vec(),
    ];
    words.extend(options.split_whitespace().map(|word| word.into()));
    rig.run_words(&words)
}

#[test]
fn a_value_is_dumped_and_restored_with_its_type_and_form() {
    let mut rig = Rig::new();
    assert_eq!(rig.run("DUMP none"), "$-1\r\n");
    rig.run("SET n 5");
    assert_eq!(dump(&mut rig, "n")[..5], *FIVE);
    assert!(rig.run("DUMP n").starts_with("$13\r\n"));
    rig.run("RPUSH l a b c 17");
    let payload = dump(&mut rig, "l");
    assert_eq!(restore(&mut rig, "copy", "0", &payload, ""), "+OK\r\n");
    assert_eq!(rig.run("LRANGE copy 0 -1"), rig.run("LRANGE l 0 -1"));
    assert_eq!(rig.run("OBJECT ENCODING copy"), "$8\r\nlistpack\r\n");
    assert_eq!(rig.run("TTL copy"), ":-1\r\n");
    rig.env.config.rdb_version = 9;
    let old = dump(&mut rig, "l");
    assert_eq!((old[0], old[old.len() - 10]), (1, 9));
}

#[test]
fn a_key_that_is_there_stays_unless_it_may_be_replaced() {
    let mut rig = Rig::new();
    rig.run("SET n 5");
    let payload = dump(&mut rig, "n");
    let busy = "-BUSYKEY Target key name already exists.\r\n";
    assert_eq!(restore(&mut rig, "n", "0", &payload, ""), busy);
    rig.run("SET m 6 EX 100");
    assert_eq!(restore(&mut rig, "m", "0", &payload, "replace"), "+OK\r\n");
    assert_eq!(rig.run("GET m"), "$1\r\n5\r\n");
    assert_eq!(rig.run("TTL m"), ":-1\r\n");
}

#[test]
fn a_time_to_live_reaches_replicas_as_a_point_in_time() {
    let mut rig = Rig::new();
    rig.run("SET n 5");
    let payload = dump(&mut rig, "n");
    rig.propagated();
    restore(&mut rig, "a", "5000", &payload, "REPLACE");
    assert_eq!(rig.run("PTTL a"), ":5000\r\n");
    let sent = rig.propagated().pop().unwrap();
    assert!(sent.starts_with(&format!("RESTORE a {} ", START_MS + 5000)));
    assert!(sent.ends_with("REPLACE ABSTTL"), "{sent}");
    let at = (START_MS + 7000).to_string();
    restore(&mut rig, "b", &at, &payload, "ABSTTL");
    assert_eq!(rig.run("PTTL b"), ":7000\r\n");
    assert!(rig.propagated()[0].ends_with(" ABSTTL"));
}

#[test]
fn what_has_expired_already_only_deletes() {
    let mut rig = Rig::new();
    rig.run("SET n 5");
    let payload = dump(&mut rig, "n");
    rig.propagated();
    let past = (START_MS - 1).to_string();
    assert_eq!(restore(&mut rig, "x", &past, &payload, "ABSTTL"), "+OK\r\n");
    assert_eq!(rig.run("EXISTS x"), ":0\r\n");
    assert_eq!(rig.propagated(), [""; 0]);
    assert_eq!(
        restore(&mut rig, "n", &past, &payload, "ABSTTL REPLACE"),
        "+OK\r\n"
    );
    assert_eq!(rig.run("EXISTS n"), ":0\r\n");
    assert_eq!(rig.propagated(), ["DEL n"]);
}

#[test]
fn options_and_payloads_that_make_no_sense_are_refused() {
    let mut rig = Rig::new();
    rig.run("SET n 5");
    let payload = dump(&mut rig, "n");
    for (ttl, options, reply) in [
        ("0", "NOPE", "-ERR syntax error\r\n"),
        ("0", "IDLETIME", "-ERR syntax error\r\n"),
        ("0", "IDLETIME 1 FREQ 1", "-ERR syntax error\r\n"),
        ("0", "FREQ 1 IDLETIME 1", "-ERR syntax error\r\n"),
        (
            "0",
            "IDLETIME -1",
            "-ERR Invalid IDLETIME value, must be >= 0\r\n",
        ),
        (
            "0",
            "FREQ 256",
            "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n",
        ),
        ("-1", "", "-ERR Invalid TTL value, must be >= 0\r\n"),
        ("x", "", "-ERR value is not an integer or out of range\r\n"),
    ] {
        assert_eq!(restore(&mut rig, "x", ttl, &payload, options), reply);
    }
    let mut broken = payload.clone();
    broken[1] ^= 1;
    let wrong = "-ERR DUMP payload version or checksum are wrong\r\n";
    assert_eq!(restore(&mut rig, "x", "0", &broken, ""), wrong);
    assert_eq!(restore(&mut rig, "x", "0", b"short", ""), wrong);
    rig.env.skip_checksums = true;
    broken[1] = 0xc9;
    assert_eq!(
        restore(&mut rig, "x", "0", &broken, ""),
        "-ERR Bad data format\r\n"
    );
    assert_eq!(rig.run("EXISTS x"), ":0\r\n");
}

#[test]
fn use_is_restored_where_the_policy_knows_it() {
    let mut rig = Rig::new();
    rig.run("SET n 5");
    let payload = dump(&mut rig, "n");
    let access = |rig: &Rig, key: &[u8]| rig.env.keyspace.db(0).get(key).unwrap().access();
    restore(&mut rig, "idle", "0", &payload, "IDLETIME 1000");
    assert_eq!(lru_idle_ms(access(&rig, b"idle"), START_MS), 1_000_000);
    restore(&mut rig, "other", "0", &payload, "FREQ 7");
    assert_eq!(lru_idle_ms(access(&rig, b"other"), START_MS), 0);
    rig.run("CONFIG SET maxmemory-policy allkeys-lfu");
    restore(&mut rig, "often", "0", &payload, "FREQ 77");
    let tuning = rig.env.lfu_tuning();
    assert_eq!(lfu_count(access(&rig, b"often"), tuning, START_MS), 77);
}

#[test]
fn payloads_are_counted_as_sanitized_where_that_is_wanted() {
    let mut rig = Rig::new();
    rig.run("RPUSH l a");
    let payload = dump(&mut rig, "l");
    for (setting, count) in [("no", 0), ("yes", 1), ("clients", 2)] {
        rig.run(&format!("CONFIG SET sanitize-dump-payload {setting}"));
        restore(&mut rig, "x", "0", &payload, "REPLACE");
        assert_eq!(rig.env.stats.payloads_sanitized, count);
    }
}

fn answering(answers: Vec<Result<(), Vec<u8>>>) -> MigrationOutcome {
    MigrationOutcome {
        answers,
        failure: None,
    }
}

#[test]
fn keys_that_were_taken_are_deleted_here() {
    let mut rig = Rig::new();
    for key in ["a", "b", "c"] {
        rig.run(&format!("SET {key} 5"));
    }
    rig.run("PEXPIRE b 3000");
    rig.propagated();
    rig.host.migrations = vec![answering(vec![Ok(()), Ok(())])];
    let reply = rig.run("MIGRATE 127.0.0.1 7000 '' 9 500 REPLACE AUTH2 u p KEYS a none b");
    assert_eq!(reply, "+OK\r\n");
    let wish = rig.host.wishes.pop().unwrap();
    let (head, rest) = wish.split_once(": ").unwrap();
    assert_eq!(head, "transfer to 127.0.0.1:7000 within 500ms, db 9");
    assert!(rest.starts_with("*3 $4 AUTH $1 u $1 p *5 $7 RESTORE $1 a $1 0 $13 "));
    assert!(rest.contains("$7 RESTORE $1 b $4 3000 $13 "));
    assert!(rest.ends_with(" $7 REPLACE "));
    assert_eq!(rig.run("DBSIZE"), ":1\r\n");
    assert_eq!(rig.propagated(), ["DEL a b"]);
}

#[test]
fn what_was_not_taken_or_only_copied_stays() {
    let mut rig = Rig::new();
    rig.run("MSET a 1 b 2");
    rig.propagated();
    rig.host.migrations = vec![answering(vec![Ok(())])];
    assert_eq!(rig.run("MIGRATE host 7000 a 0 0 COPY"), "+OK\r\n");
    assert!(rig.host.wishes.pop().unwrap().contains("within 1s"));
    assert_eq!(rig.propagated(), [""; 0]);

    let refused = Err(b"BUSYKEY taken".to_vec());
    rig.host.migrations = vec![answering(vec![Ok(()), refused])];
    assert_eq!(
        rig.run("MIGRATE host 7000 '' 0 10 KEYS a b"),
        "-ERR Target instance replied with error: BUSYKEY taken\r\n"
    );
    assert_eq!(rig.run("EXISTS a b"), ":1\r\n");
    assert_eq!(rig.propagated(), ["DEL a"]);
}

#[test]
fn a_connection_that_fails_is_told_by_its_step() {
    let mut rig = Rig::new();
    rig.run("SET a 1");
    for (failure, text) in [
        (MigrationFailure::Connect, "connecting to the client"),
        (MigrationFailure::Write, "writing to target instance"),
        (MigrationFailure::Read, "reading to target instance"),
    ] {
        rig.host.migrations = vec![MigrationOutcome {
            answers: Vec::new(),
            failure: Some(failure),
        }];
        let reply = format!("-IOERR error or timeout {text}\r\n");
        assert_eq!(rig.run("MIGRATE host 7000 a 0 10"), reply);
    }
    assert_eq!(rig.run("EXISTS a"), ":1\r\n");
}

#[test]
fn the_words_of_migrate_are_checked_before_anything_is_sent() {
    let mut rig = Rig::new();
    assert_eq!(rig.run("MIGRATE host 7000 none 0 10"), "+NOKEY\r\n");
    rig.run("SET a 1");
    for (words, reply) in [
        ("a 0 10 NOPE", "-ERR syntax error\r\n"),
        ("a 0 10 AUTH", "-ERR syntax error\r\n"),
        ("a 0 10 AUTH2 user", "-ERR syntax error\r\n"),
        ("a x 10", "-ERR value is not an integer or out of range\r\n"),
        ("a 0 x", "-ERR value is not an integer or out of range\r\n"),
        (
            "a 0 10 KEYS b",
            "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty \
             string\r\n",
        ),
    ] {
        assert_eq!(rig.run(&format!("MIGRATE host 7000 {words}")), reply);
    }
    assert!(rig.host.wishes.is_empty());
    assert_eq!(
        rig.run("COMMAND GETKEYS MIGRATE h 1 '' 0 10 AUTH KEYS KEYS a b"),
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    );
    assert_eq!(
        rig.run("COMMAND GETKEYS MIGRATE h 1 a 0 10"),
        "*1\r\n$1\r\na\r\n"
    );
}
