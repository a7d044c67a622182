//! The same questions to the sentinel under test and to a stock one: the same replies.

use crate::harness::*;

/// `HERE` stands for the port of the master, which nothing listens on.
const QUESTIONS: &[&str] = &[
    "PING",
    "PING hello",
    "ROLE",
    "SENTINEL",
    "SENTINEL nonsense",
    "SENTINEL NONSENSE mymaster",
    "SENTINEL MASTERS",
    "SENTINEL MASTERS x",
    "SENTINEL MASTER",
    "SENTINEL MASTER mymaster",
    "SENTINEL MASTER MYMASTER",
    "SENTINEL MASTER nobody",
    "SENTINEL MASTER mymaster x",
    "SENTINEL REPLICAS mymaster",
    "SENTINEL REPLICAS nobody",
    "SENTINEL REPLICAS",
    "SENTINEL SLAVES mymaster",
    "SENTINEL SLAVES nobody",
    "SENTINEL SENTINELS mymaster",
    "SENTINEL SENTINELS nobody",
    "SENTINEL SENTINELS",
    "SENTINEL MYID",
    "SENTINEL MYID x",
    "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster",
    "SENTINEL GET-MASTER-ADDR-BY-NAME nobody",
    "SENTINEL GET-MASTER-ADDR-BY-NAME",
    "SENTINEL CKQUORUM mymaster",
    "SENTINEL CKQUORUM nobody",
    "SENTINEL CKQUORUM",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 HERE 0 *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 2 0 *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 x 0 *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 HERE x *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 HERE",
    // Votes: the first of an epoch counts, an old epoch gets what was said last.
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 HERE 5 aaaa",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 HERE 5 bbbb",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 HERE 4 bbbb",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 HERE 6 bbbb",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 HERE 6 *",
    "SENTINEL FAILOVER nobody",
    "SENTINEL FAILOVER mymaster",
    "SENTINEL FAILOVER",
    "SENTINEL RESET",
    "SENTINEL RESET nobody",
    "SENTINEL RESET [mn]y*",
    "SENTINEL MONITOR",
    "SENTINEL MONITOR a 127.0.0.1 1",
    "SENTINEL MONITOR a 127.0.0.1 1 0",
    "SENTINEL MONITOR a 127.0.0.1 1 -1",
    "SENTINEL MONITOR a 127.0.0.1 1 x",
    "SENTINEL MONITOR a 127.0.0.1 x 1",
    "SENTINEL MONITOR a 127.0.0.1 65536 1",
    "SENTINEL MONITOR a 127.0.0.1 -1 1",
    "SENTINEL MONITOR a no.such.host.invalid 1 1",
    "SENTINEL MONITOR a localhost 1 1",
    "SENTINEL MONITOR mymaster 127.0.0.1 1 1",
    "SENTINEL MONITOR a 127.0.0.1 1 5",
    "SENTINEL GET-MASTER-ADDR-BY-NAME a",
    "SENTINEL REMOVE nobody",
    "SENTINEL REMOVE",
    "SENTINEL REMOVE a",
    "SENTINEL SET",
    "SENTINEL SET mymaster",
    "SENTINEL SET nobody quorum 1",
    "SENTINEL SET mymaster quorum",
    "SENTINEL SET mymaster quorum 0",
    "SENTINEL SET mymaster quorum x",
    "SENTINEL SET mymaster nonsense 1",
    "SENTINEL SET mymaster down-after-milliseconds 0",
    "SENTINEL SET mymaster down-after-milliseconds -5",
    "SENTINEL SET mymaster failover-timeout x",
    "SENTINEL SET mymaster parallel-syncs 0",
    "SENTINEL SET mymaster master-reboot-down-after-period -1",
    "SENTINEL SET mymaster master-reboot-down-after-period 0",
    "SENTINEL SET mymaster notification-script /no/such",
    "SENTINEL SET mymaster client-reconfig-script /no/such",
    "SENTINEL SET mymaster rename-command CONFIG",
    "SENTINEL SET mymaster rename-command CONFIG own",
    "SENTINEL SET mymaster rename-command CONFIG CONFIG",
    "SENTINEL SET mymaster quorum 7 parallel-syncs 2",
    // The same quorum again: a stock sentinel does not take it back when the next option is wrong.
    "SENTINEL SET mymaster quorum 7 nonsense 2",
    "SENTINEL MASTER mymaster",
    "SENTINEL CONFIG",
    "SENTINEL CONFIG GET nonsense",
    "SENTINEL CONFIG GET announce*",
    "SENTINEL CONFIG SET announce-port 1234",
    "SENTINEL CONFIG GET announce-port",
    "SENTINEL FLUSHCONFIG",
    "SENTINEL FLUSHCONFIG x",
    "SENTINEL INFO-CACHE nobody",
    "SENTINEL PENDING-SCRIPTS",
    "SENTINEL PENDING-SCRIPTS x",
    "SENTINEL SIMULATE-FAILURE",
    "SENTINEL SIMULATE-FAILURE nonsense",
    "SENTINEL SIMULATE-FAILURE help",
    "SENTINEL DEBUG",
    "SENTINEL DEBUG nonsense 1",
    "SENTINEL DEBUG info-period",
    "SENTINEL DEBUG info-period 0",
    "SENTINEL DEBUG info-period x",
    "SENTINEL DEBUG info-period 5000 ask-period 700",
    "SENTINEL DEBUG",
    "PUBLISH a b",
    "PUBLISH __sentinel__:hello nonsense",
    "SUBSCRIBE",
    "AUTH x",
    "AUTH default x",
    "HELLO 4",
    "GET a",
    "SET a 1",
    "CONFIG GET port",
    "SHUTDOWN a b c",
    "CLIENT SETNAME tester",
    "CLIENT GETNAME",
    "CLIENT NONSENSE",
    "INFO nonsense",
];

/// What is to be the same: numbers that are times, and what is drawn, are blanked.
fn comparable(reply: &Value) -> String {
    const TIMES: &[&str] = &[
        "link-pending-commands",
        "last-ping-sent",
        "last-ok-ping-reply",
        "last-ping-reply",
        "s-down-time",
        "info-refresh",
        "role-reported-time",
    ];
    let text = reply.to_string();
    let mut words: Vec<&str> = text.split(' ').collect();
    for at in 0..words.len() {
        let is_id = words[at].len() == 40 && words[at].bytes().all(|b| b.is_ascii_hexdigit());
        if is_id || at > 0 && TIMES.contains(&words[at - 1]) {
            words[at] = "…";
        }
    }
    words.join(" ")
}

#[test]
fn every_command_is_answered_as_by_a_stock_sentinel() {
    let port = free_port();
    let start = |options: Options| {
        let monitor = format!("sentinel monitor {MASTER} 127.0.0.1 {port} 5");
        let down = format!("sentinel down-after-milliseconds {MASTER} 600");
        Sentinel::start(options.config(monitor).config(down))
    };
    let both = [Make::Ours, Make::Stock].map(|make| start(make.sentinel()));
    for sentinel in &both {
        sentinel.wait_event("+sdown master");
    }
    let mut conns = both.each_ref().map(|sentinel| sentinel.connect());
    let mut different = String::new();
    for question in QUESTIONS {
        let question = question.replace("HERE", &port.to_string());
        let replies = conns
            .each_mut()
            .map(|conn| comparable(&conn.call(&question)));
        if replies[0] != replies[1] {
            different += &format!(
                "{question}\n  ours:  {}\n  stock: {}\n",
                replies[0], replies[1]
            );
        }
    }
    assert!(different.is_empty(), "answered differently:\n{different}");
}

#[test]
fn every_kind_of_command_there_is_can_be_asked_for() {
    let master = Server::ours(&[]);
    let sentinel = Sentinel::watching(&master, 1, &[]);
    let help = sentinel.call("SENTINEL HELP");
    let lines: Vec<String> = help.items().iter().map(Value::to_string).collect();
    for command in [
        "CKQUORUM <master-name>",
        "CONFIG SET",
        "CONFIG GET",
        "DEBUG",
        "GET-MASTER-ADDR-BY-NAME <master-name>",
        "FAILOVER <master-name>",
        "FLUSHCONFIG",
        "INFO-CACHE <master-name>",
        "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
        "MASTER <master-name>",
        "MASTERS",
        "MONITOR <name> <ip> <port> <quorum>",
        "MYID",
        "PENDING-SCRIPTS",
        "REMOVE <master-name>",
        "REPLICAS <master-name>",
        "RESET <pattern>",
        "SENTINELS <master-name>",
        "SET <master-name>",
        "SIMULATE-FAILURE",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(command)),
            "no {command}: {lines:#?}"
        );
    }
}
