//! What `EXEC` runs, when it gives up, and what replicas get of it.

use super::super::testing::Rig;

const OK: &str = "+OK\r\n";
const QUEUED: &str = "+QUEUED\r\n";
const GIVEN_UP: &str = "*-1\r\n";

#[test]
fn commands_wait_for_exec_and_run_together() {
    let mut rig = Rig::new();
    rig.expect(&[("MULTI", OK), ("SET a 1", QUEUED), ("INCR a", QUEUED)]);
    assert_eq!(rig.run_as(2, "GET a"), "$-1\r\n");
    rig.expect(&[("SELECT 1", QUEUED), ("SET b 1", QUEUED)]);
    assert_eq!(rig.run("EXEC"), "*4\r\n+OK\r\n:2\r\n+OK\r\n+OK\r\n");
    assert_eq!(
        rig.propagated(),
        [
            "MULTI", "SELECT 0", "SET a 1", "INCR a", "SELECT 1", "SET b 1", "EXEC"
        ]
    );
}

#[test]
fn one_write_needs_no_transaction_at_replicas_and_none_nothing() {
    let mut rig = Rig::new();
    rig.run("MULTI");
    rig.run("GET a");
    rig.run("SET a 1");
    rig.run("GET a");
    rig.run("EXEC");
    assert_eq!(rig.propagated(), ["SELECT 0", "SET a 1"]);
    rig.run("MULTI");
    rig.run("GET a");
    assert_eq!(rig.run("EXEC"), "*1\r\n$1\r\n1\r\n");
    assert!(rig.propagated().is_empty());
}

#[test]
fn rewritten_commands_stay_rewritten_inside() {
    let mut rig = Rig::new();
    rig.run("MULTI");
    rig.run("INCRBYFLOAT a 1.5");
    rig.run("SET b 1");
    rig.run("PUBLISH c 1");
    rig.run("EXEC");
    assert_eq!(
        rig.propagated(),
        [
            "MULTI",
            "SELECT 0",
            "SET a 1.5 KEEPTTL",
            "SET b 1",
            "PUBLISH c 1",
            "EXEC"
        ]
    );
}

#[test]
fn a_refused_command_spoils_the_transaction() {
    let mut rig = Rig::new();
    let spoilt = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    for (line, error) in [
        (
            "NOSUCH",
            "-ERR unknown command 'NOSUCH', with args beginning with: \r\n",
        ),
        (
            "GET",
            "-ERR wrong number of arguments for 'get' command\r\n",
        ),
    ] {
        rig.expect(&[
            ("MULTI", OK),
            (line, error),
            ("SET a 1", QUEUED),
            ("EXEC", spoilt),
        ]);
        assert_eq!(rig.run("GET a"), "$-1\r\n");
    }
}

#[test]
fn a_command_that_fails_does_not_stop_the_others() {
    let mut rig = Rig::new();
    rig.run("MULTI");
    rig.run("SET a x");
    rig.run("INCR a");
    rig.run("SET b 1");
    assert_eq!(
        rig.run("EXEC"),
        "*3\r\n+OK\r\n-ERR value is not an integer or out of range\r\n+OK\r\n"
    );
    let failed = |name: &str| {
        let id = rig.table.by_name(name.as_bytes()).expect("a command").id;
        rig.env.stats.commands[id].failed
    };
    assert_eq!((failed("incr"), failed("exec")), (1, 0));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("EXEC", "-ERR EXEC without MULTI\r\n"),
        ("DISCARD", "-ERR DISCARD without MULTI\r\n"),
        ("MULTI", OK),
        ("MULTI", "-ERR MULTI calls can not be nested\r\n"),
        ("WATCH a", "-ERR WATCH inside MULTI is not allowed\r\n"),
        ("SET a 1", QUEUED),
        ("EXEC", "*1\r\n+OK\r\n"),
        ("MULTI", OK),
        ("SET a 2", QUEUED),
        ("DISCARD", OK),
        ("GET a", "$1\r\n1\r\n"),
    ]);
}

#[test]
fn the_gates_look_at_what_exec_would_run() {
    let mut rig = Rig::new();
    rig.run("MULTI");
    rig.run("SET a 1");
    rig.become_replica();
    assert_eq!(
        rig.run("EXEC"),
        "-EXECABORT Transaction discarded because of: READONLY You can't write against a read \
         only replica.\r\n"
    );
    assert_eq!(rig.run("EXEC"), "-ERR EXEC without MULTI\r\n");
    rig.run("MULTI");
    rig.run("GET a");
    assert_eq!(rig.run("EXEC"), "*1\r\n$-1\r\n");
}

#[test]
fn a_change_of_a_watched_key_makes_exec_give_up() {
    for change in [
        "SET a 2",
        "DEL a",
        "EXPIRE a 10",
        "FLUSHALL",
        "SWAPDB 0 1",
        "RENAME a b",
    ] {
        let mut rig = Rig::new();
        rig.run("SET a 1");
        rig.expect(&[("WATCH a", OK), ("MULTI", OK), ("SET x 1", QUEUED)]);
        rig.run_as(2, change);
        assert_eq!(rig.run("EXEC"), GIVEN_UP, "{change}");
        rig.expect(&[("MULTI", OK), ("PING", QUEUED), ("EXEC", "*1\r\n+PONG\r\n")]);
    }
}

#[test]
fn what_leaves_watched_keys_alone_breaks_nothing() {
    let mut rig = Rig::new();
    rig.run("SET a 1");
    rig.run("WATCH a nothing");
    for other in ["SET b 1", "DEL nothing", "GET a", "FLUSHDB", "SWAPDB 2 3"] {
        if other == "FLUSHDB" {
            rig.session.db = 5;
            rig.run(other);
            rig.session.db = 0;
        } else {
            rig.run_as(2, other);
        }
    }
    rig.run("MULTI");
    assert_eq!(rig.run("EXEC"), "*0\r\n");
    rig.run("WATCH a");
    rig.run("SET a 2");
    rig.run("UNWATCH");
    rig.run("MULTI");
    assert_eq!(rig.run("EXEC"), "*0\r\n");
}

#[test]
fn a_watched_key_that_expires_is_a_change_unless_it_had_expired_before() {
    let mut rig = Rig::new();
    rig.run("SET a 1 PX 10");
    rig.run("WATCH a");
    rig.advance_ms(11);
    rig.run("MULTI");
    assert_eq!(rig.run("EXEC"), GIVEN_UP);
    // The key is still there, for nobody has looked at it.
    rig.run("WATCH a");
    assert_eq!(rig.run_as(2, "GET a"), "$-1\r\n");
    rig.run("MULTI");
    assert_eq!(rig.run("EXEC"), "*0\r\n");
}

#[test]
fn reset_forgets_the_transaction_and_the_watches() {
    let mut rig = Rig::new();
    rig.run("WATCH a");
    rig.run("MULTI");
    assert_eq!(rig.run("RESET"), "+RESET\r\n");
    assert!(rig.env.watches.is_empty());
    assert_eq!(rig.run("EXEC"), "-ERR EXEC without MULTI\r\n");
}
