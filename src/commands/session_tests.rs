//! That commands run in a context without a client behind it: nothing has to be faked for a script,
//! for our master's stream or for a file that is replayed.

use super::super::testing::Rig;
use super::*;

/// A server at which nobody speaks, in somebody's name.
fn rig_of_nobody(kind: Kind) -> Rig {
    let mut rig = Rig::new();
    rig.session = Session::new(0, kind);
    rig
}

#[test]
fn a_session_of_nobody_runs_transactions_and_waits_for_nothing() {
    for kind in [Kind::Master, Kind::Internal] {
        let mut rig = rig_of_nobody(kind);
        rig.expect(&[
            ("SELECT 3", "+OK\r\n"),
            ("SET a 1", "+OK\r\n"),
            ("BLPOP nothing 0", "*-1\r\n"),
            ("WATCH a", "+OK\r\n"),
            ("MULTI", "+OK\r\n"),
            ("INCR a", "+QUEUED\r\n"),
            ("EXEC", "*1\r\n:2\r\n"),
        ]);
        assert_eq!(rig.propagated(), ["SELECT 3", "SET a 1", "INCR a"]);
        assert!(rig.env.waiters.is_empty() && rig.env.watches.is_empty());
    }
}

#[test]
fn a_client_that_does_not_exist_has_no_name_and_takes_none() {
    let mut rig = rig_of_nobody(Kind::Internal);
    rig.expect(&[
        ("CLIENT ID", ":0\r\n"),
        ("CLIENT SETNAME nobody", "+OK\r\n"),
        ("CLIENT GETNAME", "$-1\r\n"),
        ("CLIENT SETINFO LIB-NAME none", "+OK\r\n"),
        ("CLIENT NO-EVICT ON", "+OK\r\n"),
        ("CONFIG SET maxmemory 0", "+OK\r\n"),
    ]);
    assert!(rig.run("HELLO 3 SETNAME nobody").starts_with("%7\r\n"));
    assert!(rig.run("CLIENT GETNAME").starts_with('_'));
    assert_eq!(rig.run("RESET")[..1], *"-", "there is no connection");
}

#[test]
fn every_command_can_be_run_by_nobody() {
    for kind in [Kind::Master, Kind::Internal] {
        for command in Rig::new().table.iter_all() {
            let mut words: Vec<&str> = command.full_name.split('|').collect();
            let arity = command.row.arity;
            words.resize(arity.unsigned_abs() as usize, "1");
            let mut rig = rig_of_nobody(kind);
            rig.run("SET 1 1");
            rig.run_words(&words);
            assert!(rig.env.waiters.is_empty(), "{words:?}");
        }
    }
}

#[test]
fn a_file_that_is_replayed_can_neither_listen_nor_end_the_server() {
    let mut rig = rig_of_nobody(Kind::Internal);
    rig.expect(&[
        (
            "SUBSCRIBE news",
            "-ERR SUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n",
        ),
        (
            "PSUBSCRIBE n*",
            "-ERR PSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n",
        ),
        (
            "SHUTDOWN NOSAVE",
            "-ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client\r\n",
        ),
        ("SET a 1", "+OK\r\n"),
    ]);
    assert!(rig.session.subscriptions.is_none());
}
