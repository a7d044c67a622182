//! What the slow log shows, and what it does not.

use super::super::testing::Rig;

/// A rig whose log takes every command, and is empty.
fn logging() -> Rig {
    let mut rig = Rig::new();
    rig.run("CONFIG SET slowlog-log-slower-than 0");
    rig.run("SLOWLOG RESET");
    rig
}

/// The words of the commands in the log, the oldest first, without the command that emptied it.
fn logged(rig: &Rig) -> Vec<String> {
    let words = |words: &Vec<Box<[u8]>>| {
        let words = words.iter().map(|word| String::from_utf8_lossy(word));
        words.collect::<Vec<_>>().join(" ")
    };
    let mut all: Vec<String> = (rig.env.observers.slow_log.iter())
        .map(|(_, command)| words(&command.words))
        .collect();
    all.reverse();
    all.split_off(1)
}

#[test]
fn only_commands_that_take_as_long_as_the_threshold_are_logged() {
    let mut rig = Rig::new();
    rig.run("PING");
    assert_eq!(rig.run("SLOWLOG LEN"), ":0\r\n");
    rig.run("CONFIG SET slowlog-log-slower-than 0");
    rig.run("PING");
    rig.run("CONFIG SET slowlog-log-slower-than -1");
    rig.run("PING");
    assert_eq!(rig.run("SLOWLOG LEN"), ":2\r\n");
}

#[test]
fn an_entry_has_six_parts_and_numbers_go_on_after_a_reset() {
    let mut rig = logging();
    rig.run("CLIENT SETNAME me");
    rig.run("SET a 1");
    rig.run("CONFIG SET slowlog-log-slower-than -1");
    let shown = rig.run("SLOWLOG GET 1");
    let (head, tail) = (
        "*1\r\n*6\r\n:3\r\n:1700000000\r\n:",
        "\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n$0\r\n\r\n$2\r\nme\r\n",
    );
    assert!(shown.starts_with(head) && shown.ends_with(tail), "{shown}");
    assert_eq!(rig.run("SLOWLOG GET 0"), "*0\r\n");
    assert!(rig.run("SLOWLOG GET -1").starts_with("*3\r\n"));
    rig.expect_refusals(&[
        (
            "SLOWLOG GET -2",
            "ERR count should be greater than or equal to -1",
        ),
        (
            "SLOWLOG GET x",
            "ERR count should be greater than or equal to -1",
        ),
        (
            "SLOWLOG GET 1 2",
            "ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
        ),
        (
            "SLOWLOG LEN 1",
            "ERR wrong number of arguments for 'slowlog|len' command",
        ),
    ]);
}

#[test]
fn the_log_keeps_as_many_as_it_may() {
    let mut rig = logging();
    for _ in 0..20 {
        rig.run("PING");
    }
    rig.run("CONFIG SET slowlog-max-len 10");
    assert_eq!(rig.run("SLOWLOG LEN"), ":10\r\n");
    assert!(rig.run("SLOWLOG GET 5").starts_with("*5\r\n"));
    rig.run("CONFIG SET slowlog-max-len 0");
    assert_eq!(rig.run("SLOWLOG LEN"), ":0\r\n");
}

#[test]
fn long_commands_are_shortened() {
    let mut rig = logging();
    let words: Vec<String> = (0..33).map(|n| n.to_string()).collect();
    rig.run(&format!("DEL {}", words.join(" ")));
    let [all @ .., _, _, _] = &words[..] else {
        unreachable!("there are words")
    };
    rig.run(&format!("SET a {}", "x".repeat(129)));
    let expected = [
        format!("DEL {} ... (3 more arguments)", all.join(" ")),
        format!("SET a {}... (1 more bytes)", "x".repeat(128)),
    ];
    assert_eq!(logged(&rig), expected);
}

#[test]
fn secrets_are_not_shown() {
    let mut rig = logging();
    rig.run("AUTH password");
    rig.run("AUTH user password");
    rig.run("HELLO 2 AUTH user password SETNAME me");
    rig.run("HELLO 2 SETNAME auth AUTH user password");
    rig.run("CONFIG SET masterauth secret maxmemory 0 requirepass ''");
    rig.run("MIGRATE host 1 key 0 1 COPY AUTH secret");
    rig.run("MIGRATE host 1 '' 0 1 AUTH2 user secret KEYS auth me");
    let expected = [
        "AUTH (redacted)",
        "AUTH (redacted) (redacted)",
        "HELLO 2 AUTH (redacted) (redacted) SETNAME me",
        "HELLO 2 SETNAME auth AUTH (redacted) (redacted)",
        "CONFIG SET masterauth (redacted) maxmemory 0 requirepass (redacted)",
        "MIGRATE host 1 key 0 1 COPY AUTH (redacted)",
        "MIGRATE host 1  0 1 AUTH2 (redacted) (redacted) KEYS auth me",
    ];
    assert_eq!(logged(&rig), expected);
}

#[test]
fn of_a_transaction_the_commands_are_logged_and_not_its_end() {
    let mut rig = logging();
    for line in ["MULTI", "SET a 1", "EXEC"] {
        rig.run(line);
    }
    assert_eq!(logged(&rig), ["MULTI", "SET a 1"]);
}

#[test]
fn a_command_that_waits_is_logged_when_it_is_done() {
    let mut rig = logging();
    rig.run_as(2, "BLPOP a 0");
    assert_eq!(logged(&rig), Vec::<String>::new());
    rig.run("LPUSH a 1");
    assert_eq!(logged(&rig), ["LPUSH a 1", "BLPOP a 0"]);
}

#[test]
fn a_command_that_waits_in_vain_is_logged_as_well() {
    let mut rig = logging();
    rig.run_as(2, "BLPOP a 1");
    rig.advance_ms(1001);
    assert_eq!(logged(&rig), ["BLPOP a 1"]);
}
