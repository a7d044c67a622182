//! Users and what they may do: compared with stock Redis, kept in files, and taken away from who is
//! connected.

use std::fs;

use crate::harness::*;

const RULES: &[&str] = &[
    "on",
    "off",
    "nopass",
    "resetpass",
    ">pass",
    ">word",
    "<pass",
    "#34344e4d60c2b6d639b7bd22e18f2b0b91bc34bf0ac5f9952744435093cfb4e6",
    "!34344e4d60c2b6d639b7bd22e18f2b0b91bc34bf0ac5f9952744435093cfb4e6",
    "#3434",
    "skip-sanitize-payload",
    "sanitize-payload",
    "~*",
    "allkeys",
    "resetkeys",
    "~a*",
    "%R~b*",
    "%W~b*",
    "%R~c*",
    "%W~d*",
    "%RW~e",
    "%X~e",
    "&*",
    "allchannels",
    "resetchannels",
    "&a*",
    "&b",
    "+@all",
    "-@all",
    "allcommands",
    "nocommands",
    "+@read",
    "-@read",
    "+@WRITE",
    "-@write",
    "+@string",
    "-@dangerous",
    "+@pubsub",
    "+@nothing",
    "+get",
    "-get",
    "+GET",
    "+set",
    "-set",
    "+copy",
    "+config",
    "-config",
    "+config|get",
    "-config|get",
    "+config|nothing",
    "+config|get|a",
    "+select",
    "+select|0",
    "-select|0",
    "+select|",
    "+nothing",
    "nothing",
    "(+get ~a*)",
    "(+@write %W~b*)",
    "(+copy ~c %R~d)",
    "(+publish &b",
    "(",
    ")",
    "clearselectors",
    "reset",
];

const TRIED: &[&str] = &[
    "GET a1",
    "GET b",
    "GET c",
    "SET b 1",
    "SET d 1",
    "SET d 1 GET",
    "SET e 1 GET",
    "MGET a1 b c",
    "MSET a1 1 d 2",
    "COPY c d",
    "COPY d c",
    "EXISTS b",
    "EXISTS x",
    "STRLEN d",
    "SORT a1 STORE d",
    "SORT d STORE a1",
    "BITFIELD b GET u4 0",
    "BITFIELD b SET u4 0 1",
    "GEORADIUS c 1 1 1 m STORE d",
    "XREAD STREAMS a1 b 0 0",
    "ZUNIONSTORE d 2 a1 b",
    "MIGRATE h 1 \"\" 0 1 KEYS a1 e",
    "PUBLISH a1 x",
    "PUBLISH c x",
    "SUBSCRIBE b a1",
    "PSUBSCRIBE a*",
    "PSUBSCRIBE b*",
    "SPUBLISH b x",
    "UNSUBSCRIBE c",
    "CONFIG GET x",
    "CONFIG SET x y",
    "CLIENT ID",
    "SELECT 0",
    "SELECT 1",
    "AUTH x",
    "GET",
    "NOTHING",
];

/// A reply without the rules about commands, which Redis 7.0 makes up anew each time.
fn without_commands(value: &Value) -> String {
    let Value::Array(items) = value else {
        return value.to_string();
    };
    let mut shown = Vec::new();
    let mut items = items.iter();
    while let Some(item) = items.next() {
        shown.push(without_commands(item));
        if item.to_string() == "commands" {
            items.next();
        }
    }
    format!("[{}]", shown.join(" "))
}

#[test]
fn rules_mean_what_they_mean_to_stock_redis() {
    let (mut rng, seed) = Rng::from_env();
    println!("seed {seed}");
    let (ours, stock) = (Server::ours(&[]), Server::stock(&[]));
    let strict = stock.info("redis_version").starts_with("7.2");
    let mut pair = [ours.connect(), stock.connect()];
    for round in 0..400 {
        let count = 1 + rng.below(5);
        let rules: Vec<&str> = (0..count).map(|_| rng.pick(RULES)).collect();
        let line = format!("ACL SETUSER bob {}", quoted(&rules));
        let [mine, theirs] = pair.each_mut().map(|conn| conn.ask(&line));
        assert_eq!(mine, theirs, "seed {seed}, round {round}: {line}");
        let shown = pair.each_mut().map(|conn| conn.call("ACL GETUSER bob"));
        let [mine, theirs] = shown.map(|value| match strict {
            true => value.to_string(),
            false => without_commands(&value),
        });
        assert_eq!(mine, theirs, "seed {seed}, round {round}: {line}");
        if mine == "(nil)" {
            continue;
        }
        for command in TRIED {
            let line = format!("ACL DRYRUN bob {command}");
            let [mine, theirs] = pair.each_mut().map(|conn| conn.ask(&line));
            if strict || mine == "OK" || theirs == "OK" {
                assert_eq!(mine, theirs, "seed {seed}, round {round}: {line}");
            }
        }
    }
}

fn quoted(rules: &[&str]) -> String {
    let words: Vec<String> = rules.iter().map(|rule| format!("\"{rule}\"")).collect();
    words.join(" ")
}

const NOBODY: &str = "-WRONGPASS invalid username-password pair or user is disabled.";

#[test]
fn users_are_kept_in_the_configuration_file() {
    let mut server = Server::ours(&["user alice on >pass ~a* +get", "user carol on nopass +@all"]);
    let mut alice = server.connect();
    assert_eq!(alice.ask("AUTH alice pass"), "OK");
    assert_eq!(alice.ask("GET a"), "(nil)");
    assert_eq!(alice.ask("GET b"), "-NOPERM No permissions to access a key");
    assert_eq!(server.ask("ACL SETUSER bob on >word (+set ~b) +ping"), "OK");
    assert_eq!(server.ask("ACL DELUSER carol"), "1");
    let users = server.ask("ACL LIST");
    assert_eq!(server.ask("CONFIG REWRITE"), "OK");
    server.terminate();
    server.start_again();
    assert_eq!(server.ask("ACL LIST"), users);
    let mut conn = server.connect();
    assert_eq!(conn.ask("AUTH carol x"), NOBODY);
    assert_eq!(conn.ask("AUTH bob word"), "OK");
    assert_eq!(conn.ask("SET b 1"), "OK");
}

#[test]
fn users_are_kept_in_a_file_of_their_own() {
    let options = Options::ours().config("aclfile users.acl");
    let mut server = Server::prepare(options);
    let path = server.path("users.acl");
    fs::write(
        &path,
        "user default on nopass ~* &* +@all\nuser alice on >pass +@all ~*\n",
    )
    .unwrap();
    server.start_again();
    let mut alice = server.connect();
    assert_eq!(alice.ask("AUTH alice pass"), "OK");
    assert_eq!(server.ask("ACL SETUSER bob on nopass +ping"), "OK");
    assert_eq!(server.ask("ACL SAVE"), "OK");
    let users = server.ask("ACL LIST");
    server.terminate();
    server.start_again();
    assert_eq!(server.ask("ACL LIST"), users);
    let mut bob = server.connect();
    assert_eq!(bob.ask("AUTH bob x"), "OK");
    let mut default = server.connect();
    assert_eq!(default.ask("PING"), "PONG");
    assert_eq!(server.ask("ACL LOAD"), "OK");
    assert!(
        bob.is_closed(),
        "whoever is not the default user logs in again"
    );
    assert_eq!(default.ask("PING"), "PONG");
    assert_eq!(server.ask("CONFIG REWRITE"), "OK");
    let text = fs::read_to_string(server.path("redis.conf")).unwrap();
    assert!(!text.contains("\nuser "), "{text}");
}

#[test]
fn a_server_does_not_start_with_users_that_it_does_not_understand() {
    for (lines, reason) in [
        (&["user a on", "user a off"][..], "Duplicate user found"),
        (&["user a on ~x\\ty"], "Syntax error"),
        (
            &["user a +nothing"],
            "Error loading ACL rule '+nothing' for the user named 'a'",
        ),
        (&["user a on (+get"], "Unmatched parenthesis"),
        (
            &["aclfile missing.acl"],
            "Error loading ACLs, opening file 'missing.acl'",
        ),
        (&["aclfile x", "user a on"], "but not both"),
    ] {
        let lines: Vec<String> = lines
            .iter()
            .map(|l| l.replace("~x\\ty", "\"~x\\ty\""))
            .collect();
        let options = lines.iter().fold(Options::ours(), |o, line| o.config(line));
        let exit = options.start_and_fail();
        assert_eq!(exit.code(), 1, "{lines:?}");
        assert!(exit.log.contains(reason), "{lines:?}: {}", exit.log);
    }
}

#[test]
fn who_loses_a_user_or_a_channel_is_disconnected() {
    let server = Server::ours(&[]);
    server.ask("ACL SETUSER bob on nopass +@all ~* &a &b");
    let [mut listener, mut idle] = [server.connect(), server.connect()];
    for conn in [&mut listener, &mut idle] {
        assert_eq!(conn.ask("AUTH bob x"), "OK");
    }
    listener.ask("SUBSCRIBE a");
    assert!(server.ask("CLIENT LIST").contains("user=bob"));
    assert_eq!(server.ask("ACL SETUSER bob resetchannels &b"), "OK");
    assert!(listener.is_closed());
    assert_eq!(idle.ask("PING"), "PONG");
    assert_eq!(server.ask("ACL DELUSER bob"), "1");
    assert!(idle.is_closed());
    assert!(!server.ask("CLIENT LIST").contains("user=bob"));
    server.ask("ACL SETUSER eve on nopass +@all ~*");
    let mut eve = server.connect();
    assert_eq!(eve.ask("AUTH eve x"), "OK");
    eve.send(b"ACL DELUSER eve\r\nSET x 1\r\n");
    assert_eq!(eve.read_value().expect("a reply").to_string(), "1");
    assert!(eve.is_closed());
    assert_eq!(
        server.ask("EXISTS x"),
        "0",
        "nothing runs in the name of who is no more"
    );
}

#[test]
fn without_a_default_user_one_has_to_log_in() {
    let server = Server::ours(&["user default off", "user bob on >pass +@all ~* &*"]);
    let mut conn = server.connect();
    assert_eq!(conn.ask("PING"), "-NOAUTH Authentication required.");
    assert_eq!(conn.ask("AUTH default x"), NOBODY);
    assert_eq!(conn.ask("AUTH bob pass"), "OK");
    assert_eq!(conn.ask("PING"), "PONG");
    assert_eq!(conn.ask("RESET"), "RESET");
    assert_eq!(conn.ask("PING"), "-NOAUTH Authentication required.");
}

#[test]
fn replicas_follow_with_a_user_that_may_do_little_else() {
    let master = Server::ours(&["user copier on >pass +psync +replconf +ping"]);
    master.ask("SET a 1");
    let replica = Server::ours(&["masteruser copier", "masterauth pass"]);
    follow(&replica, master.port);
    assert_eq!(replica.ask("GET a"), "1");
    let mut conn = master.connect();
    assert_eq!(conn.ask("AUTH copier pass"), "OK");
    let refusal = "-NOPERM User copier has no permissions to run the 'get' command";
    assert_eq!(conn.ask("GET a"), refusal);
}

#[test]
fn a_script_may_do_what_its_client_may() {
    let server = Server::ours(&["user bob on nopass +eval +@read +acl|whoami ~a*"]);
    server.ask("SET a 1");
    let mut bob = server.connect();
    assert_eq!(bob.ask("AUTH bob x"), "OK");
    let mut run = |script: &str, keys: &str| {
        let words = ["EVAL", script, "0", keys].map(str::as_bytes);
        bob.command(&words).to_string()
    };
    assert_eq!(run("return redis.call('get', ARGV[1])", "a"), "1");
    let refused = run("return redis.call('set', ARGV[1], 'x')", "a");
    let why = "-NOPERM ACL failure in script: User bob has no permissions to run the 'set' command";
    assert!(refused.starts_with(why), "{refused}");
    let refused = run("return redis.pcall('get', ARGV[1])", "b");
    assert_eq!(
        refused,
        "-NOPERM ACL failure in script: No permissions to access a key"
    );
    let asked = "return {redis.acl_check_cmd('get', ARGV[1]) and 1 or 0, \
                 redis.acl_check_cmd('set', ARGV[1], 'x') and 1 or 0}";
    assert_eq!(run(asked, "a"), "[1 0]");
    assert_eq!(run(asked, "b"), "[0 0]");
    let log = server.ask("ACL LOG");
    assert!(log.contains("context lua object set"), "{log}");
    assert!(log.contains(" addr=127.0.0.1:"), "{log}");
    assert!(log.contains(" cmd=eval user=bob "), "{log}");
    assert_eq!(server.ask("GET a"), "1");
}

#[test]
fn nobody_who_watches_sees_the_rules_of_users() {
    let server = Server::ours(&["slowlog-log-slower-than 0"]);
    server.ask("ACL SETUSER bob on >hidden");
    server.ask("ACL GETUSER bob");
    server.ask("ACL DELUSER bob");
    let seen = server.ask("SLOWLOG GET");
    assert!(seen.contains("ACL DELUSER (redacted)"), "{seen}");
    assert!(!seen.contains("hidden") && !seen.contains("bob"), "{seen}");
}

#[test]
fn a_first_argument_that_opens_a_command_is_warned_of_in_the_log() {
    let warning = "Deprecation warning: Allowing a first arg of an otherwise blocked command is a \
                   misuse of ACL and may get disabled in the future (offender: +Select|0)";
    for server in [Server::ours(&[]), Server::stock(&[])] {
        assert_eq!(server.ask("ACL SETUSER u +Select|0 +client|list"), "OK");
        assert_eq!(server.log_count(warning), 1);
        assert_eq!(server.log_count("Deprecation warning"), 1);
    }
}
