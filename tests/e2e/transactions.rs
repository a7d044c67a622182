//! Transactions as clients, replicas and cut links see them.

use crate::harness::*;

#[test]
fn a_replica_gets_a_transaction_whole() {
    let master = Server::ours(&[]);
    let mut stream = master.connect();
    stream.send(b"PSYNC ? -1\r\n");
    stream.read_value().expect("the answer to PSYNC");
    stream.skip_snapshot();
    let mut client = master.connect();
    for line in ["MULTI", "SET a 1", "GET a", "INCR a"] {
        client.ask(line);
    }
    assert_eq!(client.ask("EXEC"), "[OK 1 2]");
    for expected in ["[MULTI]", "[SELECT 0]", "[SET a 1]", "[INCR a]", "[EXEC]"] {
        let command = loop {
            let command = stream.read_value().expect("a command").to_string();
            if !command.starts_with("[PING") && !command.starts_with("[ping") {
                break command;
            }
        };
        assert_eq!(command, expected);
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
