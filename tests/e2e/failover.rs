//! `FAILOVER`: a master hands over to one of its replicas, under load, to ours and to stock
//! servers, and to some that will not have it.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::harness::*;

const CLIENTS: usize = 50;
const ROUNDS: usize = 30;

fn state(server: &Server) -> String {
    server.info("master_failover_state")
}

#[track_caller]
fn wait_state(server: &Server, wanted: &str) {
    wait_for(
        &format!("the failover state is {wanted}"),
        || (state(server) == wanted).then_some(()),
        || format!("{}\n{}", state(server), server.log_tail()),
    );
}

/// A master with replicas in step, each with these lines in its configuration.
fn tree(replicas: usize, config: &[&str]) -> (Server, Vec<Server>) {
    let master = Server::ours(config);
    let replicas: Vec<Server> = (0..replicas).map(|_| Server::ours(config)).collect();
    for replica in &replicas {
        follow(replica, master.port);
    }
    wait_until("the replicas are online", || {
        (0..replicas.len()).all(|n| master.info(&format!("slave{n}")).contains("state=online"))
    });
    (master, replicas)
}

/// What fifty clients share that write all the time.
struct Load {
    stop: AtomicBool,
    /// Whom they take for the master.
    master: AtomicU16,
    /// When any of them was answered last, and the longest time between two answers, in µs.
    last_us: AtomicU64,
    gap_us: AtomicU64,
    acknowledged: AtomicU64,
    started: Instant,
}

impl Load {
    fn new(master: u16) -> Load {
        Load {
            stop: AtomicBool::new(false),
            master: AtomicU16::new(master),
            last_us: AtomicU64::new(0),
            gap_us: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    fn note_answer(&self) {
        let now_us = self.started.elapsed().as_micros() as u64;
        let last_us = self.last_us.swap(now_us, Ordering::SeqCst);
        self.gap_us
            .fetch_max(now_us.saturating_sub(last_us), Ordering::SeqCst);
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
    }

    /// One client: it counts its own key up, goes to another server when one refuses, and gives
    /// the last number that it was told to be there.
    fn write(&self, key: &str, ports: &[u16]) -> u64 {
        let mut acknowledged = 0;
        let mut at = 0;
        while !self.stop.load(Ordering::SeqCst) {
            let port = self.master.load(Ordering::SeqCst);
            let Ok(mut conn) = Conn::to(port) else {
                continue;
            };
            while !self.stop.load(Ordering::SeqCst) {
                let next = (acknowledged + 1).to_string();
                match conn.try_command(&["SET", key, &next]) {
                    Ok(Value::Error(_)) | Err(_) => break,
                    Ok(_) => {
                        acknowledged += 1;
                        self.note_answer();
                    }
                }
            }
            // Somebody else may have found the new master already.
            at = (at + 1) % ports.len();
            let other = ports[at];
            if other != port && is_master(other) {
                self.master.store(other, Ordering::SeqCst);
            }
        }
        acknowledged
    }
}

fn is_master(port: u16) -> bool {
    let reply = Conn::to(port).and_then(|mut conn| conn.try_command(&["ROLE"]));
    reply.is_ok_and(|role| role.to_string().starts_with("[master"))
}

#[test]
fn fifty_clients_write_on_through_thirty_failovers_and_lose_nothing() {
    let (master, replicas) = tree(2, &["repl-backlog-size 64mb"]);
    let servers: Vec<&Server> = [&master].into_iter().chain(&replicas).collect();
    let ports: Vec<u16> = servers.iter().map(|server| server.port).collect();
    let full: Vec<i64> = servers.iter().map(|s| s.info_number("sync_full")).collect();
    let load = Load::new(master.port);
    let mut pauses_us = Vec::new();
    let acknowledged: Vec<u64> = thread::scope(|scope| {
        let (load, ports) = (&load, &ports);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| scope.spawn(move || load.write(&format!("c{n}"), ports)))
            .collect();
        let mut at = 0;
        for round in 0..ROUNDS {
            let before = load.acknowledged.load(Ordering::SeqCst);
            wait_until("writes flow", || {
                load.acknowledged.load(Ordering::SeqCst) > before + 1000
            });
            load.gap_us.store(0, Ordering::SeqCst);
            at = fail_over(&servers, at, round);
            let before = load.acknowledged.load(Ordering::SeqCst);
            wait_until("writes flow again", || {
                load.acknowledged.load(Ordering::SeqCst) > before + 1000
            });
            pauses_us.push(load.gap_us.load(Ordering::SeqCst));
        }
        load.stop.store(true, Ordering::SeqCst);
        let ends = clients.into_iter().map(|client| client.join());
        ends.map(|end| end.expect("a client")).collect()
    });
    let target = servers
        .iter()
        .find(|server| server.info("role") == "master");
    let target = target.expect("a master");
    for (n, last) in acknowledged.iter().enumerate() {
        let kept: u64 = target.ask(&format!("GET c{n}")).parse().expect("a number");
        // One more may have been written that nobody was told of.
        assert!((*last..=last + 1).contains(&kept), "c{n}: {last}, {kept}");
    }
    wait_equal_offsets(&servers);
    assert_same_data(target, servers[0]);
    let now: Vec<i64> = servers.iter().map(|s| s.info_number("sync_full")).collect();
    assert_eq!(now, full, "everybody continued");
    pauses_us.sort_unstable();
    let ms = |us: u64| us as f64 / 1000.0;
    println!(
        "pause of {CLIENTS} writers over {ROUNDS} failovers, in ms: median {:.1}, longest {:.1}",
        ms(pauses_us[ROUNDS / 2]),
        ms(pauses_us[ROUNDS - 1])
    );
}

/// Hands over from one server to another, in all the ways there are to say so. Gives the new one,
/// which all others follow.
fn fail_over(servers: &[&Server], from: usize, round: usize) -> usize {
    let old = servers[from];
    let named = (from + 1 + round % 2) % servers.len();
    let to = format!("TO 127.0.0.1 {}", servers[named].port);
    let line = match round % 3 {
        0 => format!("FAILOVER {to}"),
        1 => "FAILOVER".to_owned(),
        _ => format!("FAILOVER {to} TIMEOUT 20000"),
    };
    // The master may not have seen yet that the replica is online.
    wait_for(
        "the master is willing",
        || (old.ask(&line) == "OK").then_some(()),
        || format!("{}\n{}", old.ask(&line), old.log_tail()),
    );
    wait_state(old, "no-failover");
    assert_eq!(old.info("role"), "slave", "{}", old.log_tail());
    let port = old.info("master_port");
    let is_target = |server: &&Server| server.port.to_string() == port;
    let target = servers.iter().position(is_target).expect("one of them");
    assert!(round % 3 == 1 || target == named);
    for (at, server) in servers.iter().enumerate() {
        if at != target && at != from {
            follow(server, servers[target].port);
        }
    }
    wait_link_up(old);
    target
}

#[test]
fn a_write_that_was_held_back_is_refused_by_who_is_no_master_any_more() {
    let (master, replicas) = tree(1, &[]);
    replicas[0].freeze();
    assert_eq!(master.ask("SET a 1"), "OK");
    assert_eq!(master.ask("FAILOVER"), "OK");
    assert_eq!(state(&master), "waiting-for-sync");
    let mut writer = master.connect();
    writer.send(&encode(&["SET", "a", "2"]));
    wait_until("the write is held back", || {
        master.info("blocked_clients") == "1"
    });
    assert_eq!(master.ask("GET a"), "1");
    replicas[0].thaw();
    let refusal = writer.read_value().expect("a reply").to_string();
    assert_eq!(
        refusal,
        "-READONLY You can't write against a read only replica."
    );
    wait_link_up(&master);
    assert_eq!(replicas[0].ask("GET a"), "1");
    assert_eq!(replicas[0].info("role"), "master");
}

#[test]
fn nothing_expires_while_a_failover_goes_on() {
    let (master, replicas) = tree(1, &[]);
    assert_eq!(master.ask("SET a 1 PX 200"), "OK");
    wait_equal_offsets(&[&master, &replicas[0]]);
    replicas[0].freeze();
    assert_eq!(master.ask("SET b 1"), "OK");
    assert_eq!(master.ask("FAILOVER"), "OK");
    wait_until("its time has come", || master.ask("EXISTS a") == "0");
    assert_eq!(master.ask("DBSIZE"), "2", "but it is there");
    replicas[0].thaw();
    wait_until("the target lets it expire", || {
        replicas[0].info("role") == "master" && replicas[0].ask("DBSIZE") == "1"
    });
    assert_eq!(replicas[0].info("sync_full"), "0");
}

#[test]
fn an_target_that_will_not_have_it_leaves_the_master_as_it_was() {
    let (master, replicas) = tree(2, &[]);
    let full = master.info("sync_full");
    let partial = master.info_number("sync_partial_ok");
    // The link stays as it is, but who comes anew has to log in.
    assert_eq!(replicas[0].ask("CONFIG SET requirepass secret"), "OK");
    replicas[0].freeze();
    assert_eq!(master.ask("SET a 1"), "OK");
    let line = format!("FAILOVER TO 127.0.0.1 {}", replicas[0].port);
    assert_eq!(master.ask(&line), "OK");
    let mut writer = master.connect();
    writer.send(&encode(&["SET", "a", "2"]));
    wait_until("the write is held back", || {
        master.info("blocked_clients") == "1"
    });
    let id = master.info("master_replid");
    replicas[0].thaw();
    wait_state(&master, "no-failover");
    assert!(master.log().contains(&format!(
        "FAILOVER to 127.0.0.1:{} aborted: Failover target rejected psync request",
        replicas[0].port
    )));
    // It was a replica for a moment, so writes were refused meanwhile, or are done now.
    let reply = writer.read_value().expect("a reply").to_string();
    assert!(reply == "OK" || reply.starts_with("-READONLY"), "{reply}");
    assert_eq!(master.info("role"), "master");
    assert_ne!(master.info("master_replid"), id);
    assert_eq!(master.info("master_replid2"), id);
    assert_eq!(master.ask("SET a 3"), "OK");
    assert_eq!(master.ask("CONFIG GET replicaof"), "[replicaof ]");
    wait_until("the replicas are back", || {
        master.info_number("sync_partial_ok") == partial + 2
    });
    assert_eq!(master.info("sync_full"), full);
    let mut target = replicas[0].connect();
    assert_eq!(target.ask("AUTH secret"), "OK");
    wait_until("the data are the same", || target.ask("GET a") == "3");
}

#[test]
fn who_waits_in_vain_may_stop_waiting() {
    let (master, replicas) = tree(1, &[]);
    let id = master.info("master_replid");
    replicas[0].freeze();
    assert_eq!(master.ask("SET a 1"), "OK");
    let to = format!("TO 127.0.0.1 {}", replicas[0].port);
    assert_eq!(master.ask("FAILOVER TIMEOUT 100"), "OK");
    wait_state(&master, "no-failover");
    let aborted = "FAILOVER to any replica aborted: Replica never caught up before timeout";
    assert!(master.log().contains(aborted));
    assert_eq!(master.ask(&format!("FAILOVER {to}")), "OK");
    assert_eq!(state(&master), "waiting-for-sync");
    for (line, error) in [
        ("FAILOVER", "-ERR FAILOVER already in progress."),
        (
            "REPLICAOF NO ONE",
            "-ERR REPLICAOF not allowed while failing over.",
        ),
        (
            "REPLICAOF 127.0.0.1 1",
            "-ERR REPLICAOF not allowed while failing over.",
        ),
        ("PSYNC ? -1", "-NOMASTERLINK Can't SYNC while failing over"),
    ] {
        assert_eq!(master.ask(line), error, "{line}");
    }
    assert_eq!(master.ask("FAILOVER ABORT"), "OK");
    assert_eq!(
        master.ask("FAILOVER ABORT"),
        "-ERR No failover in progress."
    );
    assert_eq!(master.ask("SET a 2"), "OK");
    assert_eq!(master.info("master_replid"), id);

    let line = format!("FAILOVER {to} FORCE TIMEOUT 100");
    assert_eq!(master.ask(&line), "OK");
    wait_state(&master, "failover-in-progress");
    assert_eq!(master.info("role"), "slave");
    assert_eq!(master.info("master_link_status"), "down");
    assert_eq!(
        master.ask("SET a 3"),
        "-READONLY You can't write against a read only replica."
    );
    assert_eq!(master.ask("FAILOVER ABORT"), "OK");
    assert_eq!(master.info("role"), "master");
    assert_eq!(master.ask("SET a 4"), "OK");
    replicas[0].thaw();
    wait_equal_offsets(&[&master, &replicas[0]]);
    assert_same_data(&master, &replicas[0]);
}

#[test]
fn one_that_is_forced_catches_up_before_it_takes_over_if_it_can() {
    let (master, replicas) = tree(1, &[]);
    replicas[0].freeze();
    assert_eq!(master.ask("SET a 1"), "OK");
    let target = &replicas[0];
    let line = format!("FAILOVER TO 127.0.0.1 {} FORCE TIMEOUT 100", target.port);
    assert_eq!(master.ask(&line), "OK");
    wait_state(&master, "failover-in-progress");
    target.thaw();
    wait_link_up(&master);
    assert_eq!(state(&master), "no-failover");
    assert_eq!(target.ask("GET a"), "1");
    assert_eq!(target.info("sync_full"), "0");
    assert!(master.log().contains("time out exceeded, failing over."));
}

#[test]
fn a_role_that_was_handed_over_is_what_a_rewritten_file_says() {
    let (master, replicas) = tree(1, &[]);
    assert_eq!(master.ask("FAILOVER"), "OK");
    wait_link_up(&master);
    for server in [&master, &replicas[0]] {
        assert_eq!(server.ask("CONFIG REWRITE"), "OK");
    }
    let file = |server: &Server| std::fs::read_to_string(server.path("redis.conf")).expect("it");
    let want = format!("replicaof 127.0.0.1 {}", replicas[0].port);
    assert!(file(&master).contains(&want));
    assert!(!file(&replicas[0]).contains("replicaof"));
}

#[test]
fn who_waits_for_something_is_sent_away_when_the_role_goes() {
    let (master, replicas) = tree(1, &[]);
    let mut popping = master.connect();
    popping.send(&encode(&["BLPOP", "l", "0"]));
    let mut waiting = master.connect();
    waiting.send(&encode(&["SET", "a", "1"]));
    waiting.send(&encode(&["WAIT", "5", "0"]));
    wait_until("they wait", || master.info("blocked_clients") == "2");
    assert_eq!(master.ask("FAILOVER"), "OK");
    wait_link_up(&master);
    assert_eq!(replicas[0].info("role"), "master");
    let text = "-UNBLOCKED force unblock from blocking operation, instance state changed (master \
                -> replica?)";
    assert_eq!(waiting.read_value().expect("a reply").to_string(), "OK");
    for conn in [&mut popping, &mut waiting] {
        assert_eq!(conn.read_value().expect("a reply").to_string(), text);
        assert!(conn.read_value().is_err(), "it is closed");
    }
}

#[test]
fn a_server_may_be_told_to_leave_while_it_hands_over() {
    let (mut master, replicas) = tree(1, &[]);
    replicas[0].freeze();
    assert_eq!(master.ask("SET a 1"), "OK");
    assert_eq!(master.ask("FAILOVER"), "OK");
    let mut admin = master.connect();
    admin.send(&encode(&["SHUTDOWN", "NOSAVE"]));
    wait_until("it waits", || master.info("blocked_clients") == "1");
    assert_eq!(master.ask("SHUTDOWN ABORT"), "OK");
    assert_eq!(
        admin.read_value().expect("a reply").to_string(),
        "-ERR Errors trying to SHUTDOWN. Check logs."
    );
    assert_eq!(state(&master), "waiting-for-sync");
    let mut writer = master.connect();
    writer.send(&encode(&["SET", "a", "2"]));
    wait_until("writes are held back still", || {
        master.info("blocked_clients") == "1"
    });
    admin.send(&encode(&["SHUTDOWN", "NOSAVE", "NOW"]));
    let exit = master.wait_exit();
    assert_eq!(exit.code(), 0, "{}", exit.log);
    replicas[0].thaw();
    wait_link_down(&replicas[0]);
    assert_eq!(replicas[0].ask("GET a"), "1");
}

#[test]
fn a_transaction_that_begins_a_failover_is_done_before_it() {
    let (master, replicas) = tree(1, &[]);
    let mut client = master.connect();
    for line in ["MULTI", "SET a 1", "FAILOVER", "SET a 2"] {
        client.call(line);
    }
    assert_eq!(client.ask("EXEC"), "[OK OK OK]");
    wait_link_up(&master);
    assert_eq!(replicas[0].ask("GET a"), "2");
    assert_eq!(replicas[0].info("sync_full"), "0");
    assert_same_data(&master, &replicas[0]);
}
