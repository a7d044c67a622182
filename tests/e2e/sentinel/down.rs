//! Servers and sentinels that do not answer.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::*;

#[test]
fn a_silent_master_is_down_for_one_then_for_all_until_it_answers() {
    let group = Plan::ours(1, 3).start();
    let master = &group.servers[0];
    let name = format!("master {MASTER} 127.0.0.1 {}", master.port);
    master.freeze();
    for sentinel in &group.sentinels {
        sentinel.wait_event(&format!("+sdown {name}"));
        let agreed = sentinel.wait_event(&format!("+odown {name} #quorum "));
        let votes = agreed.rsplit(' ').next().unwrap();
        assert!(["2/2", "3/2"].contains(&votes), "{agreed}");
        let fields = sentinel.master();
        let flags: Vec<&str> = fields.get("flags").split(',').collect();
        for flag in ["s_down", "o_down", "master"] {
            assert!(flags.contains(&flag), "{flags:?}");
        }
        assert!(fields.number("s-down-time") >= fields.number("o-down-time"));
        assert!(fields.number("last-ping-sent") >= 600);
        let status = sentinel.info("master0");
        assert!(status.starts_with(&format!("name={MASTER},status=odown,address=127.0.0.1:")));
        let question = format!(
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 {} 0 *",
            master.port
        );
        assert_eq!(sentinel.ask(&question), "[1 * 0]");
    }
    master.thaw();
    for sentinel in &group.sentinels {
        sentinel.wait_event(&format!("-sdown {name}"));
        sentinel.wait_event(&format!("-odown {name}"));
        // Without a replica nothing could be done, and all have a try in hand or behind them.
        sentinel.wait_master("all is well again", |m| !m.get("flags").contains("down"));
        assert_eq!(sentinel.event_count("+switch-master"), 0);
    }
    assert_eq!(group.settle(), master.port);
}

#[test]
fn a_failover_without_a_replica_is_given_up() {
    let mut group = Plan::ours(1, 1).start();
    let port = group.servers[0].port;
    group.servers[0].kill();
    let sentinel = &group.sentinels[0];
    let name = format!("master {MASTER} 127.0.0.1 {port}");
    sentinel.wait_event(&format!("+failover-state-select-slave {name}"));
    sentinel.wait_event(&format!("-failover-abort-no-good-slave {name}"));
    sentinel.wait_master("it is no failover any more", |m| {
        !m.get("flags").contains("failover_in_progress")
    });
    assert_eq!(sentinel.master_port(), Some(port));
    let error = sentinel.ask(&format!("SENTINEL FAILOVER {MASTER}"));
    assert_eq!(error, "-NOGOODSLAVE No suitable replica to promote");
}

#[test]
fn replicas_and_sentinels_that_are_down_are_told_and_counted() {
    let mut group = Plan::ours(2, 3).start();
    let ports: Vec<u16> = group.servers.iter().map(|s| s.port).collect();
    let at_master = format!("@ {MASTER} 127.0.0.1 {}", ports[0]);
    let replica = format!("slave 127.0.0.1:{0} 127.0.0.1 {0} {at_master}", ports[1]);
    let name = |s: &Sentinel| format!("sentinel {} 127.0.0.1 {} {at_master}", s.id(), s.port);
    let names: Vec<String> = group.sentinels.iter().map(name).collect();
    let check = format!("SENTINEL CKQUORUM {MASTER}");
    let reached = "usable Sentinels. Quorum and failover authorization can be reached";
    assert_eq!(group.sentinels[0].ask(&check), format!("OK 3 {reached}"));
    group.servers[1].kill();
    group.sentinels[1].kill();
    let first = &group.sentinels[0];
    first.wait_event(&format!("+sdown {replica}"));
    first.wait_event(&format!("+sdown {}", names[1]));
    let flags = first.replica(ports[1]).unwrap().get("flags").to_owned();
    assert!(
        flags.contains("s_down") && flags.contains("slave"),
        "{flags}"
    );
    assert_eq!(first.ask(&check), format!("OK 2 {reached}"));
    group.sentinels[2].kill();
    let first = &group.sentinels[0];
    first.wait_event(&format!("+sdown {}", names[2]));
    let missing = "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the \
                   specified quorum for this master. Not enough available Sentinels to reach the \
                   majority and authorize a failover";
    assert_eq!(first.ask(&check), missing);
    assert_eq!(first.ask(&format!("SENTINEL SET {MASTER} quorum 1")), "OK");
    let missing = "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the \
                   majority and authorize a failover";
    assert_eq!(first.ask(&check), missing);
    assert_eq!(first.ask(&format!("SENTINEL SET {MASTER} quorum 2")), "OK");
    group.servers[1].start_again();
    group.sentinels[1].return_to_life();
    group.sentinels[2].return_to_life();
    let first = &group.sentinels[0];
    for back in [&replica, &names[1], &names[2]] {
        first.wait_event(&format!("-sdown {back}"));
    }
    group.wait_known();
    assert_eq!(group.sentinels[0].ask(&check), format!("OK 3 {reached}"));
    assert_eq!(group.settle(), ports[0]);
}

#[test]
fn without_a_quorum_nobody_tries() {
    let mut group = Plan::ours(2, 3).start();
    group.sentinels[1].kill();
    group.sentinels[2].kill();
    group.servers[0].kill();
    let alone = &group.sentinels[0];
    alone.wait_master("it is down for three times as long as it takes", |master| {
        !master.get("s-down-time").is_empty() && master.number("s-down-time") > 1200
    });
    assert_eq!(alone.event_count("+odown"), 0);
    assert_eq!(alone.event_count("+try-failover"), 0);
    // One more is enough, though it starts with what its file tells.
    group.sentinels[1].return_to_life();
    group.wait_failover(group.servers[0].port);
    group.settle();
}

#[test]
fn without_a_majority_nobody_is_elected_whatever_the_quorum() {
    let failover_timeout = format!("sentinel failover-timeout {MASTER} 1000");
    let mut group = Plan::ours(2, 3).quorum(1).line(failover_timeout).start();
    let old = group.servers[0].port;
    group.sentinels[1].kill();
    group.sentinels[2].kill();
    group.servers[0].kill();
    let alone = &group.sentinels[0];
    let name = format!("master {MASTER} 127.0.0.1 {old}");
    alone.wait_event(&format!("+odown {name} #quorum 1/1"));
    alone.wait_event(&format!("+try-failover {name}"));
    alone.wait_event(&format!("-failover-abort-not-elected {name}"));
    assert_eq!(alone.event_count("+elected-leader"), 0);
    assert_eq!(alone.master_port(), Some(old));
    group.sentinels[1].return_to_life();
    group.wait_failover(old);
    group.settle();
}

#[test]
fn a_master_that_is_back_before_the_election_is_won_stays_the_master() {
    let mut group = Plan::ours(2, 3).quorum(1).start();
    let old = group.servers[0].port;
    group.sentinels[1].kill();
    group.sentinels[2].kill();
    group.servers[0].kill();
    let name = format!("master {MASTER} 127.0.0.1 {old}");
    group.sentinels[0].wait_event(&format!("+try-failover {name}"));
    group.servers[0].start_again();
    group.sentinels[0].wait_event(&format!("-failover-abort-master-is-back {name}"));
    group.sentinels[1].return_to_life();
    group.sentinels[2].return_to_life();
    assert_eq!(group.settle(), old);
    assert_eq!(group.sentinels[0].event_count("+elected-leader"), 0);
    // What was given up is in nobody's way.
    group.servers[0].kill();
    group.wait_failover(old);
}

#[test]
fn a_master_that_takes_connections_and_reads_nothing_is_down_and_asked_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepted);
    // Ends with the process of the test: nobody knocks any more when the sentinel is gone.
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for connection in listener.incoming() {
            kept.push(connection);
            counted.store(kept.len(), Ordering::Relaxed);
        }
    });
    let monitor = format!("sentinel monitor {MASTER} 127.0.0.1 {port} 1");
    let options = Make::Ours.sentinel().config(monitor);
    let down_after = format!("sentinel down-after-milliseconds {MASTER} 500");
    let sentinel = Sentinel::start(options.config(down_after));
    sentinel.wait_event(&format!("+sdown master {MASTER} 127.0.0.1 {port}"));
    // Two are made at first: for commands, and for what is published there.
    wait_until("connections are made anew", || {
        accepted.load(Ordering::Relaxed) >= 6
    });
    assert_eq!(sentinel.ask("PING"), "PONG");
}

#[test]
fn a_master_that_says_it_is_a_replica_is_down_in_the_end() {
    let group = Plan::ours(1, 1).quorum(2).start();
    let (master, sentinel) = (&group.servers[0], &group.sentinels[0]);
    let other = Server::ours(&[]);
    assert_eq!(
        master.ask(&format!("REPLICAOF 127.0.0.1 {}", other.port)),
        "OK"
    );
    sentinel.wait_event(&format!("+sdown master {MASTER} 127.0.0.1 {}", master.port));
    assert_eq!(sentinel.master().get("role-reported"), "slave");
    assert_eq!(master.ask("REPLICAOF NO ONE"), "OK");
    sentinel.wait_event(&format!("-sdown master {MASTER} 127.0.0.1 {}", master.port));
    assert_eq!(sentinel.master().get("role-reported"), "master");
}
