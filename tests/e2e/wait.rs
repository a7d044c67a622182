//! `WAIT` between real servers: what a client was told to be at a replica is there.

use std::thread;

use crate::harness::*;

const CLIENTS: usize = 20;
const WRITES: usize = 50;

/// Clients write to a master and look at once at its replica for what they waited for.
#[track_caller]
fn written_and_waited_for(master: &Server, replica: &Server) {
    follow(replica, master.port);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let mut here = master.connect();
                let mut there = replica.connect();
                for number in 0..WRITES {
                    here.send(&encode(&[
                        "SET",
                        &format!("k{client}"),
                        &number.to_string(),
                    ]));
                    here.send(&encode(&["WAIT", "1", "20000"]));
                    here.send(&encode(&["PING"]));
                    let replies = [(); 3].map(|()| here.read_value().expect("a reply"));
                    let replies = replies.map(|reply| reply.to_string());
                    assert_eq!(replies, ["OK", "1", "PONG"]);
                    let found = there.ask(&format!("GET k{client}"));
                    assert_eq!(found, number.to_string());
                }
            });
        }
    });
    wait_equal_offsets(&[master, replica]);
    assert_same_data(master, replica);
}

#[test]
fn what_was_waited_for_is_at_our_replica() {
    written_and_waited_for(&Server::ours(&[]), &Server::ours(&[]));
}

#[test]
fn what_was_waited_for_is_at_a_stock_replica() {
    let master = Options::ours().readable_by_stock().start();
    written_and_waited_for(&master, &Server::stock(&[]));
}

#[test]
fn a_stock_master_hears_of_what_our_replica_has() {
    written_and_waited_for(&Server::stock(&[]), &Server::ours(&[]));
}

#[test]
fn a_replica_that_stands_still_is_waited_for_until_time_is_over() {
    let master = Server::ours(&[]);
    let replicas = [Server::ours(&[]), Server::ours(&[])];
    for replica in &replicas {
        follow(replica, master.port);
    }
    let mut client = master.connect();
    assert_eq!(client.ask("SET a 1"), "OK");
    assert_eq!(client.ask("WAIT 2 20000"), "2");
    replicas[1].freeze();
    assert_eq!(client.ask("SET a 2"), "OK");
    assert_eq!(client.ask("WAIT 2 300"), "1");
    client.send(&encode(&["WAIT", "2", "0"]));
    wait_until("it waits", || master.info("blocked_clients") == "1");
    replicas[1].thaw();
    assert_eq!(client.read_value().expect("a reply").to_string(), "2");
    let error = replicas[0].ask("WAIT 0 0");
    assert!(
        error.starts_with("-ERR WAIT cannot be used with replica instances."),
        "{error}"
    );
}

#[test]
fn the_replica_of_a_replica_takes_part_in_the_stream_and_not_in_the_count() {
    let master = Server::ours(&[]);
    let middle = Server::ours(&[]);
    let leaf = Server::ours(&[]);
    follow(&middle, master.port);
    follow(&leaf, middle.port);
    let mut client = master.connect();
    assert_eq!(client.ask("SET a 1"), "OK");
    assert_eq!(client.ask("WAIT 2 300"), "1");
    wait_equal_offsets(&[&master, &middle, &leaf]);
    assert_same_data(&master, &leaf);
}
