//! Transactions as clients, replicas and cut links see them.

use crate::harness::*;

/// The next command of a stream of replication, as text.
fn next_streamed(stream: &mut Conn) -> String {
    loop {
        let command = stream.read_value().expect("a command").to_string();
        if !command.eq_ignore_ascii_case("[PING]") {
            return command;
        }
    }
}

/// A connection that has become a replica's, behind the snapshot.
fn attach(master: &Server) -> Conn {
    let mut stream = master.connect();
    stream.send(b"PSYNC ? -1\r\n");
    stream.read_value().expect("the answer to PSYNC");
    stream.skip_snapshot();
    stream
}

#[test]
fn a_replica_gets_a_transaction_whole() {
    let master = Server::ours(&[]);
    let mut stream = attach(&master);
    let mut client = master.connect();
    for line in ["MULTI", "SET a 1", "GET a", "INCR a"] {
        client.ask(line);
    }
    assert_eq!(client.ask("EXEC"), "[OK 1 2]");
    for expected in ["[MULTI]", "[SELECT 0]", "[SET a 1]", "[INCR a]", "[EXEC]"] {
        assert_eq!(next_streamed(&mut stream), expected);
    }
}

/// What a client sends, and what a replica gets of it.
const SAVES: &[(&[&str], &[&str])] = &[
    (
        &["SET a 1", "FLUSHALL"],
        &["SELECT 0", "SET a 1", "FLUSHALL"],
    ),
    (&["FLUSHALL"], &["FLUSHALL"]),
    (
        &["MULTI", "SET a 2", "FLUSHALL", "SET b 1", "EXEC"],
        &["MULTI", "SET a 2", "FLUSHALL", "SET b 1", "EXEC"],
    ),
    (
        &["MULTI", "SET a 2", "DEBUG RELOAD", "SET b 1", "EXEC"],
        &["MULTI", "SET a 2", "SET b 1", "EXEC"],
    ),
    (&["DEBUG RELOAD"], &[]),
    (
        &["SET a 1", "SET b 1", "SAVE", "SET a 2"],
        &["SET a 1", "SET b 1", "SET a 2"],
    ),
];

#[test]
fn a_save_hides_no_change_from_replicas() {
    let config = ["save 3600 1", "repl-diskless-sync no"];
    for master in [Server::ours(&config), Server::stock(&config)] {
        let mut stream = attach(&master);
        let mut client = master.connect();
        for (lines, expected) in SAVES {
            for line in *lines {
                client.call(line);
            }
            for command in *expected {
                assert_eq!(next_streamed(&mut stream), format!("[{command}]"));
            }
        }
        client.ask("SET end 1");
        assert_eq!(next_streamed(&mut stream), "[SET end 1]");
    }
}

#[test]
fn a_snapshot_asked_for_in_a_transaction_holds_all_of_it() {
    for mut server in [Server::ours(&[]), Server::stock(&[])] {
        let mut client = server.connect();
        for line in ["MULTI", "SET a 1", "BGSAVE", "INCR a"] {
            client.ask(line);
        }
        assert_eq!(client.ask("EXEC"), "[OK Background saving scheduled 2]");
        wait_until("it is saved", || {
            server.info("rdb_saves") == "1" && server.info("rdb_bgsave_in_progress") == "0"
        });
        server.kill();
        server.start_again();
        assert_eq!(server.ask("GET a"), "2");
    }
}

#[test]
fn what_debug_sends_to_replicas_belongs_to_no_transaction_and_no_database() {
    let config = ["repl-diskless-sync no"];
    for master in [Server::ours(&config), Server::stock(&config)] {
        let mut stream = attach(&master);
        let mut client = master.connect();
        for line in ["SET a 1", "SELECT 3", "DEBUG REPLICATE SET b 1", "SELECT 0"] {
            client.ask(line);
        }
        for line in ["MULTI", "SET a 2", "DEBUG REPLICATE SET b 2", "INCR a"] {
            client.ask(line);
        }
        assert_eq!(client.ask("EXEC"), "[OK OK 3]");
        for expected in [
            "SELECT 0", "SET a 1", "SET b 1", "SET b 2", "MULTI", "SET a 2", "INCR a", "EXEC",
        ] {
            assert_eq!(next_streamed(&mut stream), format!("[{expected}]"));
        }
    }
}

#[test]
fn a_client_that_leaves_takes_its_transaction_and_watches_along() {
    let server = Server::ours(&[]);
    let mut client = server.connect();
    client.ask("WATCH a");
    client.ask("MULTI");
    client.ask("SET a 1");
    let shown = server.ask("CLIENT LIST");
    assert!(
        shown.contains("flags=x ") && shown.contains(" multi=1 "),
        "{shown}"
    );
    drop(client);
    wait_until("it is gone", || {
        !server.ask("CLIENT LIST").contains("flags=x")
    });
    assert_eq!(server.ask("GET a"), "(nil)");
}

#[test]
fn a_watched_key_that_a_full_sync_replaces_makes_exec_give_up() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&["replica-read-only no"]);
    replica.ask("SET mine 1");
    let mut client = replica.connect();
    client.ask("WATCH mine");
    follow(&replica, master.port);
    wait_link_up(&replica);
    client.ask("MULTI");
    client.ask("PING");
    assert_eq!(client.ask("EXEC"), "(nil)");
}
