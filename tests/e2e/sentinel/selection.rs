//! Which replica is promoted.

use crate::harness::*;

/// Stops whatever moves offsets while nobody writes.
const QUIET: &str = "SENTINEL DEBUG publish-period 3600000";

fn quiet_server() -> Options {
    Make::Ours.server().config("repl-ping-replica-period 3600")
}

#[test]
fn the_best_priority_is_taken_first_and_priority_zero_never() {
    let priority = |n: u16| move |o: Options| o.config(format!("replica-priority {n}"));
    let mut group = Plan::ours(4, 1)
        .server(1, priority(0))
        .server(2, priority(50))
        .server(3, priority(20))
        .start();
    let ports: Vec<u16> = group.servers.iter().map(|s| s.port).collect();
    let sentinel = &group.sentinels[0];
    for (port, priority) in [(ports[1], 0), (ports[2], 50), (ports[3], 20)] {
        let replica = sentinel.replica(port).unwrap();
        assert_eq!(replica.number("slave-priority"), priority);
    }
    assert_eq!(group.kill_master(), ports[3]);
    assert_eq!(group.settle(), ports[3]);
    assert_eq!(group.kill_master(), ports[2]);
    assert_eq!(group.settle(), ports[2]);
    let sentinel = &group.sentinels[0];
    let dead = format!(
        "+sdown slave 127.0.0.1:{0} 127.0.0.1 {0} @ {MASTER} 127.0.0.1 {1}",
        ports[3], ports[2]
    );
    sentinel.wait_event(&dead);
    let error = sentinel.ask(&format!("SENTINEL FAILOVER {MASTER}"));
    assert_eq!(error, "-NOGOODSLAVE No suitable replica to promote");
}

#[test]
fn of_equal_replicas_the_smallest_run_id_is_taken() {
    let mut group = Plan::ours(4, 1).each_server(|_| quiet_server()).start();
    let sentinel = &group.sentinels[0];
    assert_eq!(sentinel.ask(QUIET), "OK");
    let offset = group.servers[0].info("master_repl_offset");
    for replica in &group.servers[1..] {
        sentinel.wait_replica(replica.port, "the last offset is known", |known| {
            known.get("slave-repl-offset") == offset
        });
    }
    let first = group.servers[1..]
        .iter()
        .min_by_key(|s| s.info("run_id"))
        .unwrap()
        .port;
    assert_eq!(group.kill_master(), first);
    group.settle();
}

#[test]
fn the_largest_offset_is_taken_whatever_the_run_id() {
    let mut group = Plan::ours(1, 1)
        .each_server(|_| quiet_server())
        .line(format!("sentinel failover-timeout {MASTER} 60000"))
        .start();
    let replicas = [quiet_server().start(), quiet_server().start()];
    let links = [
        Proxy::to(group.servers[0].port),
        Proxy::to(group.servers[0].port),
    ];
    for (replica, link) in replicas.iter().zip(&links) {
        follow(replica, link.port);
        group.sentinels[0].wait_replica(replica.port, "it is known", |known| {
            known.get("flags") == "slave" && known.get("master-link-status") == "ok"
        });
    }
    assert_eq!(group.sentinels[0].ask(QUIET), "OK");
    wait_equal_offsets(&[&group.servers[0], &replicas[0], &replicas[1]]);
    // The one that would be taken otherwise gets no more of the stream.
    let is_first = replicas[0].info("run_id") < replicas[1].info("run_id");
    let (behind, ahead) = if is_first { (0, 1) } else { (1, 0) };
    links[behind].stall();
    group.servers[0].ask("SET late 1");
    wait_equal_offsets(&[&group.servers[0], &replicas[ahead]]);
    let offset = replicas[ahead].info_number("slave_repl_offset");
    group.sentinels[0].wait_replica(replicas[ahead].port, "the offset is known", |known| {
        known.number("slave-repl-offset") == offset
    });
    let best = replicas[ahead].port;
    group.servers.extend(replicas);
    assert_eq!(group.kill_master(), best);
    assert_eq!(group.settle(), best);
    assert_eq!(group.server_on(best).ask("GET late"), "1");
}
