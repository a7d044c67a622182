//! A master that hands over: `PSYNC id offset FAILOVER` makes a replica a master.

use std::thread::{self, JoinHandle};

use crate::harness::*;

fn ours() -> Options {
    Options::ours().readable_by_stock()
}

/// A client that counts at a master until that refuses; gives the last count it was told.
fn count_until_refused(port: u16) -> JoinHandle<String> {
    let mut conn = Conn::to(port).expect("a connection");
    thread::spawn(move || {
        let mut last = "0".to_owned();
        while let Value::Int(count) = conn.call("INCR counted") {
            last = count.to_string();
        }
        last
    })
}

/// Has a stock master hand over to `target`, one of its replicas, under a writer and a counting
/// client, and looks at both afterwards.
#[track_caller]
fn hand_over(master: &Server, target: &Server) {
    let load = Writer::start(master.port, 31);
    let counting = count_until_refused(master.port);
    wait_until("writes flow", || load.acknowledged() > 1000);
    let id = master.info("master_replid");
    // The master may not have seen yet that the target is online.
    wait_until("the master is willing", || {
        master.ask(&format!("FAILOVER TO 127.0.0.1 {}", target.port)) == "OK"
    });
    wait_for(
        "the target is the master",
        || (target.info("role") == "master").then_some(()),
        || {
            let facts = [master, target].map(|s| s.ask("INFO replication"));
            format!(
                "{}\n{}\n{}",
                facts.join("\n"),
                master.log_tail(),
                target.log_tail()
            )
        },
    );
    load.stop();
    let last = counting.join().expect("the count");
    wait_link_up(master);
    assert_eq!(target.ask("SET written afterwards"), "OK");
    wait_equal_offsets(&[target, master]);
    assert_eq!(
        target.ask("GET counted"),
        last,
        "what was acknowledged is kept"
    );
    assert_eq!(master.ask("GET written"), "afterwards");
    assert_same_data(target, master);
    wait_until("the handover is over", || {
        master.info("master_failover_state") == "no-failover"
    });
    assert_eq!(master.info("role"), "slave");
    assert_eq!(master.info("master_port"), target.port.to_string());
    assert_eq!(target.info("master_failover_state"), "no-failover");
    assert_eq!(target.info("master_replid2"), id);
    assert_ne!(target.info("master_replid"), id);
    assert_eq!(target.info("sync_full"), "0", "{}", target.log_tail());
    assert!(target.info_number("sync_partial_ok") >= 1);
    assert_eq!(target.ask("CONFIG GET replicaof"), "[replicaof ]");
}

#[test]
fn a_stock_master_hands_over_to_our_replica() {
    let master = Server::stock(&["repl-backlog-size 64mb"]);
    let target = ours().start();
    follow(&target, master.port);
    let id = master.info("master_replid");
    hand_over(&master, &target);
    let log = target.log();
    let at = |text: &str| {
        log.find(text)
            .unwrap_or_else(|| panic!("no {text:?} in\n{log}"))
    };
    let request = at(&format!("Failover request received for replid {id}."));
    let renamed = at(&format!("Setting secondary replication ID to {id}"));
    let enabled = at("MASTER MODE enabled (failover request from 'id=");
    let accepted = at("Partial resynchronization request from 127.0.0.1:");
    assert!(request < renamed && renamed < enabled && enabled < accepted);
    // It is a master for good, and the other may be its target in turn.
    assert_eq!(target.info("connected_slaves"), "1");
    assert!(target.info("slave0").contains("state=online"));
    assert_eq!(master.ask("REPLICAOF NO ONE"), "OK");
    follow(&target, master.port);
    hand_over(&master, &target);
}

#[test]
fn the_replicas_of_the_target_stay_with_it() {
    let master = Server::stock(&["repl-backlog-size 64mb"]);
    let target = ours().start();
    let below = [ours().start(), Server::stock(&[])];
    follow(&target, master.port);
    for server in &below {
        follow(server, target.port);
    }
    let full = target.info_number("sync_full");
    assert_eq!(target.ask("CONFIG RESETSTAT"), "OK");
    assert!(full >= 1);
    hand_over(&master, &target);
    for server in &below {
        wait_link_up(server);
    }
    wait_equal_offsets(&[&target, &master, &below[0], &below[1]]);
    assert_eq!(target.info("sync_full"), "0");
    assert_eq!(target.info("connected_slaves"), "3");
    assert_same_data(&target, &below[0]);
    // Ours hears from a client what the stock master said: the word is all it takes.
    let mut conn = below[0].connect();
    let id = below[0].info("master_replid");
    let next = offset_of(&below[0]) + 1;
    let answer = conn.ask(&format!("PSYNC {id} {next} FAILOVER"));
    assert_eq!(answer, "CONTINUE");
    assert_eq!(below[0].info("role"), "master");
}

#[test]
fn a_master_that_needs_replicas_has_one_right_after_the_handover() {
    let master = Server::stock(&[]);
    let target = ours().config("min-replicas-to-write 1").start();
    follow(&target, master.port);
    hand_over(&master, &target);
    assert_eq!(target.info("min_slaves_good_slaves"), "1");
}

#[test]
fn the_word_is_refused_where_it_makes_no_sense() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    let id = replica.info("master_replid");
    let next = offset_of(&replica) + 1;
    for (server, words, want) in [
        (
            &master,
            format!("{id} {next} FAILOVER"),
            "-ERR PSYNC FAILOVER can't be sent to a master.",
        ),
        (
            &replica,
            format!("{} {next} failover", "f".repeat(40)),
            "-ERR PSYNC FAILOVER replid must match my replid.",
        ),
        (
            &replica,
            "? -1 FAILOVER".to_owned(),
            "-ERR PSYNC FAILOVER replid must match my replid.",
        ),
        (
            &replica,
            id.clone(),
            "-ERR wrong number of arguments for 'psync' command",
        ),
    ] {
        let answer = server.connect().ask(&format!("PSYNC {words}"));
        assert_eq!(answer, want, "{words}");
    }
    // Another word is not read, and neither is what stands behind the fourth.
    for word in ["TAKEOVER", "now FAILOVER"] {
        let answer = replica.connect().ask(&format!("PSYNC {id} {next} {word}"));
        assert_eq!(answer, "CONTINUE", "{word}");
    }
    assert_eq!(replica.info("role"), "slave");
    assert_eq!(replica.info("master_link_status"), "up");
}

#[test]
fn our_master_hands_over_to_a_stock_replica() {
    let master = ours().config("repl-backlog-size 64mb").start();
    let target = Server::stock(&[]);
    follow(&target, master.port);
    hand_over(&master, &target);
    // And back, to the same one, which is its replica now.
    assert_eq!(target.ask("CONFIG SET repl-backlog-size 67108864"), "OK");
    assert_eq!(target.ask("CONFIG RESETSTAT"), "OK");
    assert_eq!(master.ask("CONFIG RESETSTAT"), "OK");
    assert_eq!(target.ask("DEL counted"), "1");
    hand_over(&target, &master);
}

#[test]
fn our_master_hands_over_to_ours() {
    let master = ours().config("repl-backlog-size 64mb").start();
    let target = ours().start();
    follow(&target, master.port);
    hand_over(&master, &target);
}
