//! A master that keeps nothing on disk dies and is back before anybody calls it down, empty.

use crate::harness::*;

const KEYS: i64 = 100;

/// A group whose master keeps nothing, whose replicas have `KEYS` keys, and whose Sentinels take a
/// refused connection for nothing special: so that the restart is never seen as a death.
fn forgetful(plan: Plan) -> Group {
    let group = plan
        .line(format!("sentinel down-after-milliseconds {MASTER} 10000"))
        .each_server(|server| server.config("save \"\""))
        .start();
    for sentinel in &group.sentinels {
        // Stock ones do not know it, and take none for down by that.
        sentinel.ask(&format!(
            "SENTINEL SET {MASTER} down-after-refused-milliseconds 0"
        ));
    }
    for n in 0..KEYS {
        group.servers[0].ask(&format!("SET k:{n} {n}"));
    }
    assert_eq!(group.servers[0].ask("WAIT 2 10000"), "2");
    group
}

/// The master dies, and a supervisor starts it again at once.
fn restart_emptied(master: &mut Server) {
    master.kill();
    let _ = std::fs::remove_file(master.path("dump.rdb"));
    master.start_again();
}

#[test]
fn a_replica_with_the_data_takes_over_and_nobody_is_emptied() {
    let mut group = forgetful(Plan::ours(3, 3));
    let old = group.servers[0].port;
    restart_emptied(&mut group.servers[0]);
    let new = group.wait_failover(old);
    assert_eq!(group.settle(), new);
    for server in &group.servers {
        assert_eq!(server.call("DBSIZE"), Value::Int(KEYS), "{}", server.port);
        assert_eq!(server.ask("GET k:7"), "7");
    }
    let told = group.sentinels.iter().map(|s| s.event_count("+lost-data"));
    assert!(told.sum::<usize>() >= 2, "a quorum has seen it");
    assert_eq!(group.server_on(old).info("role"), "slave");
}

#[test]
fn stock_sentinels_among_ours_vote_for_whoever_sees_it() {
    let makes = [Make::Ours, Make::Ours, Make::Stock];
    let mut group = forgetful(Plan::new(&[Make::Ours; 3], &makes));
    let old = group.servers[0].port;
    restart_emptied(&mut group.servers[0]);
    let new = group.wait_failover(old);
    assert_eq!(group.settle(), new);
    for server in &group.servers {
        assert_eq!(server.call("DBSIZE"), Value::Int(KEYS), "{}", server.port);
    }
}

#[test]
fn a_stock_replica_that_was_emptied_is_not_chosen_and_gets_the_data_back() {
    let servers = [Make::Ours, Make::Ours, Make::Stock];
    let mut group = forgetful(Plan::new(&servers, &[Make::Ours; 3]));
    let old = group.servers[0].port;
    restart_emptied(&mut group.servers[0]);
    let new = group.wait_failover(old);
    assert_eq!(new, group.servers[1].port);
    assert_eq!(group.settle(), new);
    for server in &group.servers {
        assert_eq!(server.call("DBSIZE"), Value::Int(KEYS), "{}", server.port);
    }
}
