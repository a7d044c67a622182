//! Failovers, from the first suspicion to the return of the old master.

use crate::harness::*;

/// What the leader of a failover of a master with two replicas tells, in this order.
const STEPS: &[&str] = &[
    "+sdown",
    "+odown",
    "+new-epoch",
    "+try-failover",
    "+vote-for-leader",
    "+elected-leader",
    "+failover-state-select-slave",
    "+selected-slave",
    "+failover-state-send-slaveof-noone",
    "+failover-state-wait-promotion",
    "+promoted-slave",
    "+failover-state-reconf-slaves",
    "+slave-reconf-sent",
    "+slave-reconf-inprog",
    "+slave-reconf-done",
    "+failover-end",
    "+switch-master",
    "+slave",
    "+slave",
];

/// The events of this type, which there is one of.
#[track_caller]
fn only(sentinel: &Sentinel, kind: &str) -> String {
    let events = sentinel.events();
    let of_kind: Vec<&String> = events
        .iter()
        .filter(|e| e.split(' ').next() == Some(kind))
        .collect();
    assert_eq!(of_kind.len(), 1, "{kind}\n{}", sentinel.log_tail());
    of_kind[0].clone()
}

#[test]
fn one_sentinel_tells_every_step_of_a_failover_in_order() {
    let mut group = Plan::ours(3, 1).start();
    let (old, id) = (group.servers[0].port, group.sentinels[0].id());
    group.servers[0].ask("SET a 1");
    wait_same_data(&group.servers.iter().collect::<Vec<_>>());
    let known = group.sentinels[0].events().len();
    let new = group.kill_master();
    let other = group.servers[1..]
        .iter()
        .find(|s| s.port != new)
        .unwrap()
        .port;
    let sentinel = &group.sentinels[0];
    sentinel.wait_event(&format!("+slave slave 127.0.0.1:{old}"));
    let types = sentinel.event_types();
    let steps: Vec<&str> = types[known..]
        .iter()
        .map(String::as_str)
        .take(STEPS.len())
        .collect();
    assert_eq!(steps, STEPS, "{}", sentinel.log_tail());
    let master = format!("master {MASTER} 127.0.0.1 {old}");
    let replica = |port| format!("slave 127.0.0.1:{port} 127.0.0.1 {port} @ {MASTER} 127.0.0.1");
    let (chosen, left) = (replica(new), replica(other));
    for expected in [
        format!("+sdown {master}"),
        format!("+odown {master} #quorum 1/1"),
        "+new-epoch 1".to_owned(),
        format!("+try-failover {master}"),
        format!("+vote-for-leader {id} 1"),
        format!("+elected-leader {master}"),
        format!("+failover-state-select-slave {master}"),
        format!("+selected-slave {chosen} {old}"),
        format!("+failover-state-send-slaveof-noone {chosen} {old}"),
        format!("+failover-state-wait-promotion {chosen} {old}"),
        format!("+promoted-slave {chosen} {old}"),
        format!("+failover-state-reconf-slaves {master}"),
        format!("+slave-reconf-sent {left} {old}"),
        format!("+slave-reconf-inprog {left} {old}"),
        format!("+slave-reconf-done {left} {old}"),
        format!("+failover-end {master}"),
        format!("+switch-master {MASTER} 127.0.0.1 {old} 127.0.0.1 {new}"),
    ] {
        let kind = expected.split(' ').next().unwrap();
        assert_eq!(only(sentinel, kind), expected);
    }
    for event in [replica(other), replica(old)] {
        sentinel.wait_event(&format!("+slave {event} {new}"));
    }
    assert_eq!(group.settle(), new);
    assert_eq!(group.server_on(new).ask("GET a"), "1");
}

#[test]
fn the_old_master_returns_as_a_replica_and_every_server_has_it_in_its_file() {
    let mut group = Plan::ours(2, 1).start();
    let old = group.servers[0].port;
    let new = group.kill_master();
    group.sentinels[0].wait_event("+sdown slave");
    assert_eq!(group.server_on(new).ask("SET after 1"), "OK");
    group.servers[0].start_again();
    let sentinel = &group.sentinels[0];
    let replica = format!("slave 127.0.0.1:{old} 127.0.0.1 {old} @ {MASTER} 127.0.0.1 {new}");
    sentinel.wait_event(&format!("-sdown {replica}"));
    sentinel.wait_event(&format!("+convert-to-slave {replica}"));
    assert_eq!(group.settle(), new);
    assert_eq!(group.servers[0].ask("GET after"), "1");
    let file = |server: &Server| std::fs::read_to_string(server.path("redis.conf")).unwrap();
    assert!(
        file(&group.servers[0]).contains(&format!("\nreplicaof 127.0.0.1 {new}\n")),
        "{}",
        file(&group.servers[0])
    );
    let of_new = file(group.server_on(new));
    assert!(!of_new.contains("replicaof"), "{of_new}");
}

#[test]
fn three_sentinels_elect_one_of_them_and_the_others_take_its_word() {
    let mut group = Plan::ours(3, 3).start();
    let old = group.servers[0].port;
    let ids: Vec<String> = group.sentinels.iter().map(Sentinel::id).collect();
    let new = group.kill_master();
    let led = |s: &&Sentinel| s.event_count("+elected-leader") > 0;
    let leader = group.sentinels.iter().find(led).expect("a leader");
    let voters = ids
        .iter()
        .filter(|id| leader.event_count(&format!("{id} voted for")) > 0);
    assert!(voters.count() >= 1, "{}", leader.log_tail());
    leader.wait_event("+failover-end ");
    for follower in group
        .sentinels
        .iter()
        .filter(|s| s.event_count("+elected-leader") == 0)
    {
        // From the leader, or from one who had it from there.
        let heard = follower.wait_event("+config-update-from ");
        let told_by = |s: &Sentinel| {
            let name = format!("sentinel {} 127.0.0.1 {}", s.id(), s.port);
            heard == format!("+config-update-from {name} @ {MASTER} 127.0.0.1 {old}")
        };
        assert!(group.sentinels.iter().any(told_by), "{heard}");
        follower.wait_event(&format!(
            "+switch-master {MASTER} 127.0.0.1 {old} 127.0.0.1 {new}"
        ));
    }
    assert_eq!(group.settle(), new);
}

#[test]
fn a_failover_can_be_asked_for_and_one_at_a_time() {
    let group = Plan::ours(3, 1).start();
    let (old, sentinel) = (group.servers[0].port, &group.sentinels[0]);
    let order = format!("SENTINEL FAILOVER {MASTER}");
    let known = sentinel.events().len();
    let mut conn = sentinel.connect();
    conn.send(
        &[
            encode(&["SENTINEL", "FAILOVER", MASTER]),
            encode(&["SENTINEL", "FAILOVER", MASTER]),
        ]
        .concat(),
    );
    assert_eq!(conn.read_value().unwrap().to_string(), "OK");
    let busy = conn.read_value().unwrap().to_string();
    assert_eq!(busy, "-INPROG Failover already in progress", "{order}");
    let said = format!("# Executing user requested FAILOVER of '{MASTER}'");
    let said_modern = said.replace('#', "*");
    assert!(sentinel.log().contains(&said) || sentinel.log().contains(&said_modern));
    let new = group.wait_failover(old);
    sentinel.wait_event(&format!("+convert-to-slave slave 127.0.0.1:{old}"));
    let types = sentinel.event_types();
    let steps: Vec<&str> = types[known..].iter().map(String::as_str).collect();
    let asked = STEPS
        .iter()
        .filter(|step| !["+sdown", "+odown"].contains(*step))
        .copied();
    let expected: Vec<&str> = asked.chain(["+convert-to-slave"]).collect();
    assert_eq!(steps, expected, "{}", sentinel.log_tail());
    assert_eq!(group.settle(), new);
}

#[test]
fn so_many_replicas_at_a_time_are_led_to_the_new_master() {
    let group = Plan::ours(4, 1)
        .line(format!("sentinel parallel-syncs {MASTER} 1"))
        .start();
    let (old, sentinel) = (group.servers[0].port, &group.sentinels[0]);
    assert_eq!(sentinel.ask(&format!("SENTINEL FAILOVER {MASTER}")), "OK");
    group.wait_failover(old);
    group.settle();
    let types = sentinel.event_types();
    let syncs = types
        .iter()
        .filter(|kind| kind.starts_with("+slave-reconf"));
    let expected = [
        "+slave-reconf-sent",
        "+slave-reconf-inprog",
        "+slave-reconf-done",
    ];
    assert_eq!(syncs.collect::<Vec<_>>(), [expected, expected].concat());
}

#[test]
fn replicas_that_do_not_get_in_sync_hold_a_failover_up_for_so_long_only() {
    let group = Plan::ours(3, 1)
        .line(format!("sentinel failover-timeout {MASTER} 2000"))
        .server(1, |o| o.config("replica-priority 1"))
        .start();
    let (old, new) = (group.servers[0].port, group.servers[1].port);
    // Nobody can go on from its history, and nobody is given a snapshot of it.
    for order in [
        "DEBUG CHANGE-REPL-ID",
        "CONFIG SET repl-diskless-sync yes",
        "CONFIG SET repl-diskless-sync-delay 3600",
    ] {
        assert_eq!(group.servers[1].ask(order), "OK");
    }
    let sentinel = &group.sentinels[0];
    assert_eq!(sentinel.ask(&format!("SENTINEL FAILOVER {MASTER}")), "OK");
    sentinel.wait_event(&format!(
        "+failover-end-for-timeout master {MASTER} 127.0.0.1 {old}"
    ));
    assert_eq!(sentinel.event_count("+slave-reconf-done"), 0);
    assert_eq!(group.wait_failover(old), new);
    let order = "CONFIG SET repl-diskless-sync-delay 0";
    assert_eq!(group.servers[1].ask(order), "OK");
    assert_eq!(group.settle(), new);
}

#[test]
fn clients_are_dropped_so_that_they_ask_again() {
    let group = Plan::ours(2, 1).start();
    let old = group.servers[0].port;
    let mut clients = [group.servers[0].connect(), group.servers[1].connect()];
    let mut subscriber = group.servers[0].connect();
    assert_eq!(subscriber.ask("SUBSCRIBE a"), "[subscribe a 1]");
    for client in &mut clients {
        assert_eq!(client.ask("PING"), "PONG");
    }
    assert_eq!(
        group.sentinels[0].ask(&format!("SENTINEL FAILOVER {MASTER}")),
        "OK"
    );
    group.wait_failover(old);
    for client in clients.iter_mut().chain([&mut subscriber]) {
        wait_until("the client is dropped", || client.is_closed());
    }
    group.settle();
}

#[test]
fn a_replica_that_follows_a_stranger_is_called_back() {
    let group = Plan::ours(2, 1)
        .line(format!("sentinel failover-timeout {MASTER} 1000"))
        .start();
    let stranger = Server::ours(&[]);
    let (master, replica, sentinel) = (
        group.servers[0].port,
        &group.servers[1],
        &group.sentinels[0],
    );
    assert_eq!(
        replica.ask(&format!("REPLICAOF 127.0.0.1 {}", stranger.port)),
        "OK"
    );
    sentinel.wait_event(&format!(
        "+fix-slave-config slave 127.0.0.1:{0} 127.0.0.1 {0} @ {MASTER} 127.0.0.1 {master}",
        replica.port
    ));
    assert_eq!(group.settle(), master);
}

#[test]
fn a_master_that_restarts_and_loads_for_long_is_replaced_if_that_is_wanted() {
    let mut group = Plan::ours(2, 1)
        .line(format!("sentinel down-after-milliseconds {MASTER} 30000"))
        .line(format!(
            "sentinel master-reboot-down-after-period {MASTER} 300"
        ))
        .start();
    let (old, master) = (group.servers[0].port, &group.servers[0]);
    // Data that the replica has, too, which is to be the master: `DEBUG POPULATE` is not
    // replicated.
    let script = "for i = 1, 5000 do redis.call('SET', 'key:' .. i, 'value:' .. i) end return 1";
    assert_eq!(master.command(&["EVAL", script, "0"]), Value::Int(1));
    wait_equal_offsets(&[master, &group.servers[1]]);
    for order in [
        "SAVE",
        "CONFIG SET key-load-delay 500",
        "CONFIG SET loading-process-events-interval-bytes 1024",
        "CONFIG REWRITE",
    ] {
        assert_eq!(master.ask(order), "OK", "{order}");
    }
    group.servers[0].kill();
    group.servers[0].start_again();
    let sentinel = &group.sentinels[0];
    sentinel.wait_event(&format!("+reboot master {MASTER} 127.0.0.1 {old}"));
    sentinel.wait_event(&format!("+sdown master {MASTER} 127.0.0.1 {old}"));
    let new = group.wait_failover(old);
    assert_eq!(group.servers[0].ask("CONFIG SET key-load-delay 0"), "OK");
    assert_eq!(group.settle(), new);
}
