//! What clients may ask a sentinel.

use crate::harness::*;

const OF_ALL: [&str; 11] = [
    "name",
    "ip",
    "port",
    "runid",
    "flags",
    "link-pending-commands",
    "link-refcount",
    "last-ping-sent",
    "last-ok-ping-reply",
    "last-ping-reply",
    "down-after-milliseconds",
];

#[test]
fn masters_replicas_and_sentinels_are_described_field_by_field() {
    let group = Plan::ours(2, 2).start();
    let sentinel = &group.sentinels[0];
    let with = |more: &[&'static str]| [&OF_ALL[..], more].concat();
    let master = sentinel.master();
    let names = with(&[
        "info-refresh",
        "role-reported",
        "role-reported-time",
        "config-epoch",
        "num-slaves",
        "num-other-sentinels",
        "quorum",
        "failover-timeout",
        "parallel-syncs",
    ]);
    assert_eq!(master.names(), names);
    let own = &group.servers[0];
    for (name, value) in [
        ("name", MASTER),
        ("ip", "127.0.0.1"),
        ("port", &own.port.to_string()),
        ("runid", &own.info("run_id")),
        ("flags", "master"),
        ("link-refcount", "1"),
        ("down-after-milliseconds", "600"),
        ("role-reported", "master"),
        ("config-epoch", "0"),
        ("num-slaves", "1"),
        ("num-other-sentinels", "1"),
        ("quorum", "2"),
        ("failover-timeout", "3000"),
        ("parallel-syncs", "1"),
    ] {
        assert_eq!(master.get(name), value, "{name}");
    }
    let all = sentinel.call("SENTINEL MASTERS");
    assert_eq!(all.items().len(), 1);
    assert_eq!(Fields::of(&all.items()[0]).names(), names);
    let replica = &sentinel.replicas()[0];
    let names = with(&[
        "info-refresh",
        "role-reported",
        "role-reported-time",
        "master-link-down-time",
        "master-link-status",
        "master-host",
        "master-port",
        "slave-priority",
        "slave-repl-offset",
        "replica-announced",
    ]);
    assert_eq!(replica.names(), names);
    let port = group.servers[1].port.to_string();
    for (name, value) in [
        ("name", format!("127.0.0.1:{port}")),
        ("port", port),
        ("runid", group.servers[1].info("run_id")),
        ("role-reported", "slave".to_owned()),
        ("master-link-down-time", "0".to_owned()),
        ("master-host", "127.0.0.1".to_owned()),
        ("master-port", own.port.to_string()),
        ("slave-priority", "100".to_owned()),
        ("replica-announced", "1".to_owned()),
    ] {
        assert_eq!(replica.get(name), value, "{name}");
    }
    assert_eq!(
        sentinel
            .call(&format!("SENTINEL SLAVES {MASTER}"))
            .items()
            .len(),
        1
    );
    let other = &sentinel.sentinels()[0];
    let names = with(&["last-hello-message", "voted-leader", "voted-leader-epoch"]);
    assert_eq!(other.names(), names);
    let id = group.sentinels[1].id();
    for (name, value) in [
        ("name", id.as_str()),
        ("runid", &id),
        ("port", &group.sentinels[1].port.to_string()),
        ("flags", "sentinel"),
        ("voted-leader", "?"),
        ("voted-leader-epoch", "0"),
    ] {
        assert_eq!(other.get(name), value, "{name}");
    }
}

#[test]
fn maps_are_maps_to_those_who_speak_resp3() {
    let master = Server::ours(&[]);
    let sentinel = Sentinel::watching(&master, 1, &[]);
    let mut conn = sentinel.connect();
    let hello = conn.ask("HELLO 3");
    for part in ["server: redis", "proto: 3", "mode: sentinel", "modules: []"] {
        assert!(hello.contains(part), "no {part} in {hello}");
    }
    for question in [
        format!("SENTINEL MASTER {MASTER}"),
        "SENTINEL CONFIG GET *".to_owned(),
        "SENTINEL DEBUG".to_owned(),
    ] {
        let reply = conn.call(&question);
        assert!(matches!(reply, Value::Map(_)), "{question}: {reply}");
    }
}

#[test]
fn all_that_happens_is_published_and_each_kind_on_its_own_channel() {
    // Some of what is published is logged at this level only.
    let mut group = Plan::ours(2, 1)
        .each_sentinel(|o| o.config("loglevel verbose"))
        .start_strangers();
    let sentinel = &group.sentinels[0];
    let mut events = Events::of(sentinel);
    let mut switches = sentinel.connect();
    assert_eq!(
        switches.ask("SUBSCRIBE +switch-master"),
        "[subscribe +switch-master 1]"
    );
    group.wait_known();
    let old = group.servers[0].port;
    let before = group.sentinels[0].events().len();
    events.seen();
    let new = group.kill_master();
    let sentinel = &group.sentinels[0];
    let switch = format!("{MASTER} 127.0.0.1 {old} 127.0.0.1 {new}");
    let message = switches.read_value().unwrap().to_string();
    assert_eq!(message, format!("[message +switch-master {switch}]"));
    events.wait(&format!("+switch-master {switch}"));
    let sdown = format!("+sdown slave 127.0.0.1:{old}");
    sentinel.wait_event(&sdown);
    events.wait(&sdown);
    // What is published is what is logged, in the same order.
    let logged = sentinel.events()[before..].to_vec();
    let from = events
        .seen()
        .iter()
        .position(|e| e.starts_with("+sdown master"))
        .unwrap();
    assert_eq!(events.seen()[from..], logged);
    let error = sentinel.ask("PUBLISH +switch-master x");
    assert_eq!(
        error,
        "-ERR Only HELLO messages are accepted by Sentinel instances."
    );
}

#[test]
fn info_tells_of_the_sentinel_and_the_cache_of_the_servers() {
    let group = Plan::ours(2, 1).start();
    let (sentinel, port) = (&group.sentinels[0], group.servers[0].port);
    assert_eq!(sentinel.info("redis_mode"), "sentinel");
    assert_eq!(
        sentinel.info("master0"),
        format!("name={MASTER},status=ok,address=127.0.0.1:{port},slaves=1,sentinels=1")
    );
    let info = sentinel.ask("INFO sentinel");
    let names: Vec<&str> = info
        .lines()
        .skip(1)
        .filter_map(|l| l.split(':').next())
        .collect();
    let expected = [
        "sentinel_masters",
        "sentinel_tilt",
        "sentinel_tilt_since_seconds",
        "sentinel_running_scripts",
        "sentinel_scripts_queue_length",
        "sentinel_simulate_failure_flags",
        "master0",
    ];
    assert_eq!(names, expected);
    let info = sentinel.ask("INFO everything");
    let headings: Vec<&str> = info.lines().filter(|l| l.starts_with('#')).collect();
    assert_eq!(
        headings,
        ["# Server", "# Clients", "# Stats", "# CPU", "# Sentinel"]
    );
    assert_eq!(sentinel.ask("INFO keyspace"), "");
    let cache = sentinel.call(&format!("SENTINEL INFO-CACHE {MASTER} nobody"));
    assert_eq!(cache.items()[0].to_string(), MASTER);
    let texts: Vec<String> = cache.items()[1]
        .items()
        .iter()
        .map(|one| one.items()[1].to_string())
        .collect();
    let roles: Vec<String> = texts.iter().map(|text| info_field(text, "role")).collect();
    assert_eq!(roles, ["master", "slave"]);
}

#[test]
fn a_crash_can_be_ordered_and_the_others_do_the_work() {
    for (failure, last) in [
        ("crash-after-election", "+elected-leader"),
        ("crash-after-promotion", "+promoted-slave"),
    ] {
        let mut group = Plan::ours(2, 3)
            .line(format!("sentinel failover-timeout {MASTER} 1000"))
            .start();
        let flags = if failure.ends_with("election") {
            "1"
        } else {
            "2"
        };
        for sentinel in &group.sentinels {
            assert_eq!(
                sentinel.ask(&format!("SENTINEL SIMULATE-FAILURE {failure}")),
                "OK"
            );
            assert_eq!(sentinel.info("sentinel_simulate_failure_flags"), flags);
        }
        let old = group.servers[0].port;
        group.servers[0].kill();
        let crash = "Sentinel CRASH because of SENTINEL simulate-failure";
        let crashed = wait_for(
            "the leader crashes",
            || group.sentinels.iter().position(|s| s.log_count(crash) == 1),
            String::new,
        );
        let exit = group.sentinels[crashed].wait_exit();
        assert_eq!(exit.code(), 99);
        assert!(exit.log.ends_with(&format!(" # {crash}\n")), "{}", exit.log);
        assert_eq!(
            group.sentinels[crashed]
                .events()
                .last()
                .unwrap()
                .split(' ')
                .next(),
            Some(last)
        );
        for sentinel in group.watchers() {
            // Asking what there is takes the order back.
            assert_eq!(
                sentinel.ask("SENTINEL SIMULATE-FAILURE help"),
                "[crash-after-election crash-after-promotion]"
            );
            assert_eq!(sentinel.info("sentinel_simulate_failure_flags"), "0");
        }
        group.wait_failover(old);
        group.sentinels[crashed].return_to_life();
        group.servers[0].start_again();
        group.settle();
    }
}
