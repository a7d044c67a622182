//! Passwords, users, renamed commands, names of hosts, and addresses that are announced.

use std::net::ToSocketAddrs;

use crate::harness::*;

/// What a sentinel must be allowed to do at a server.
const WATCHER: &str = "user watcher on >secret allchannels +multi +slaveof +ping +exec +subscribe \
                       +config|rewrite +role +publish +info +client|setname +client|kill";

#[test]
fn a_password_of_the_servers_can_be_told_while_it_runs() {
    let mut group = Plan::ours(2, 1)
        .each_server(|o| o.password("secret").config("masterauth secret"))
        .line(format!("sentinel failover-timeout {MASTER} 1000"))
        .start_strangers();
    let port = group.servers[0].port;
    let sentinel = &group.sentinels[0];
    // It answers, but nothing that counts.
    sentinel.wait_event(&format!("+sdown master {MASTER} 127.0.0.1 {port}"));
    // The next failover is tried only after some time.
    sentinel.wait_event("-failover-abort-no-good-slave");
    assert_eq!(
        sentinel.ask(&format!("SENTINEL SET {MASTER} auth-pass secret")),
        "OK"
    );
    sentinel.wait_event(&format!("-sdown master {MASTER} 127.0.0.1 {port}"));
    group.wait_known();
    let sentinel = &group.sentinels[0];
    let line = [format!("{MASTER} secret")];
    sentinel.wait_file_lines("sentinel auth-pass ", &line);
    let new = group.kill_master();
    group.servers[0].start_again();
    assert_eq!(group.settle(), new);
}

#[test]
fn a_user_with_few_rights_is_enough_for_a_failover() {
    let mut group = Plan::new(&[Make::Stock, Make::Stock, Make::Stock], &[Make::Ours])
        .each_server(|o| o.config(WATCHER))
        .line(format!("sentinel auth-user {MASTER} watcher"))
        .line(format!("sentinel auth-pass {MASTER} secret"))
        .start();
    let new = group.kill_master();
    group.servers[0].start_again();
    assert_eq!(group.settle(), new);
    let clients = group.server_on(new).ask("CLIENT LIST");
    let watching = clients
        .lines()
        .filter(|line| line.contains("name=sentinel-"));
    let users: Vec<bool> = watching.map(|line| line.contains("user=watcher")).collect();
    assert_eq!(users, [true, true], "{clients}");
}

#[test]
fn sentinels_that_ask_for_a_password_know_each_others() {
    let mut group = Plan::ours(2, 3)
        .each_sentinel(|o| o.password("hush"))
        .line("sentinel sentinel-pass hush")
        .start();
    for sentinel in &group.sentinels {
        let mut stranger = Conn::to(sentinel.port).unwrap();
        assert_eq!(
            stranger.ask("SENTINEL MASTERS"),
            "-NOAUTH Authentication required."
        );
    }
    let new = group.kill_master();
    assert_eq!(group.settle(), new);
    let file = group.sentinels[0].file();
    assert!(file.contains("sentinel sentinel-pass hush\n"), "{file}");
}

#[test]
fn commands_that_servers_have_renamed_are_called_by_their_new_names() {
    let renamed = [("CONFIG", "own-config"), ("SLAVEOF", "own-slaveof")];
    let plan = Plan::ours(2, 1).each_server(|options| {
        renamed.iter().fold(options, |o, (name, new)| {
            o.config(format!("rename-command {name} {new}"))
        })
    });
    let mut group = renamed
        .iter()
        .fold(plan, |plan, (name, new)| {
            plan.line(format!("sentinel rename-command {MASTER} {name} {new}"))
        })
        .start();
    let new = group.kill_master();
    group.servers[0].start_again();
    assert_eq!(group.settle(), new);
    let file = std::fs::read_to_string(group.servers[0].path("redis.conf")).unwrap();
    assert!(
        file.contains(&format!("\nreplicaof 127.0.0.1 {new}\n")),
        "{file}"
    );
    let mut lines = group.sentinels[0].file_lines(&format!("sentinel rename-command {MASTER} "));
    lines.sort();
    assert_eq!(lines, ["CONFIG own-config", "SLAVEOF own-slaveof"]);
}

#[test]
fn hosts_have_names_for_those_who_want_them() {
    let server = Server::ours(&["bind 127.0.0.1 -::1"]);
    let address = ("localhost", server.port)
        .to_socket_addrs()
        .unwrap()
        .next()
        .unwrap();
    let monitor = format!("sentinel monitor {MASTER} localhost {} 1", server.port);
    let start = |lines: &[&str]| {
        let options = lines
            .iter()
            .fold(Make::Ours.sentinel(), |o, line| o.config(*line));
        Sentinel::start(options.config(&monitor))
    };
    let question = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {MASTER}");
    let by_address = start(&["sentinel resolve-hostnames yes"]);
    let expected = format!("[{} {}]", address.ip(), server.port);
    wait_until("the name was looked up", || {
        by_address.ask(&question) == expected
    });
    let by_name = start(&[
        "sentinel resolve-hostnames yes",
        "sentinel announce-hostnames yes",
    ]);
    assert_eq!(
        by_name.ask(&question),
        format!("[localhost {}]", server.port)
    );
    by_name.wait_event(&format!(
        "+monitor master {MASTER} localhost {} quorum 1",
        server.port
    ));
    let line = [format!("{MASTER} localhost {} 1", server.port)];
    by_name.wait_file_lines("sentinel monitor ", &line);
    by_name.wait_master("it is reached", |m| m.get("runid") == server.info("run_id"));
    let is_down = format!(
        "SENTINEL IS-MASTER-DOWN-BY-ADDR localhost {} 0 *",
        server.port
    );
    assert_eq!(by_name.ask(&is_down), "[0 * 0]");
}

#[test]
fn a_failover_among_names_keeps_them() {
    let mut group = Plan::ours(2, 1)
        .each_server(|o| {
            o.config("replica-announce-ip localhost")
                .config("bind 127.0.0.1 -::1")
        })
        .line("sentinel resolve-hostnames yes")
        .line("sentinel announce-hostnames yes")
        .start();
    let old = group.servers[0].port;
    let new = group.kill_master();
    let sentinel = &group.sentinels[0];
    sentinel.wait_event(&format!(
        "+switch-master {MASTER} 127.0.0.1 {old} localhost {new}"
    ));
    let address = sentinel.ask(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {MASTER}"));
    assert_eq!(address, format!("[localhost {new}]"));
    group.servers[0].start_again();
    wait_until("the old master follows the name", || {
        let info = group.servers[0]
            .try_ask("INFO replication")
            .unwrap_or_default();
        info_field(&info, "master_host") == "localhost"
            && info_field(&info, "master_link_status") == "up"
    });
}

#[test]
fn a_sentinel_is_met_at_the_address_that_it_announces() {
    let group = Plan::ours(1, 2).start();
    let [told, other] = [&group.sentinels[0], &group.sentinels[1]];
    let door = Proxy::to(told.port);
    let (id, at) = (told.id(), group.servers[0].port);
    assert_eq!(
        told.ask(&format!("SENTINEL CONFIG SET announce-port {}", door.port)),
        "OK"
    );
    other.wait_event(&format!(
        "+sentinel-address-switch master {MASTER} 127.0.0.1 {at} ip 127.0.0.1 port {} for {id}",
        door.port
    ));
    group.wait_known();
    assert_eq!(other.sentinels()[0].get("port"), door.port.to_string());
    let known = [format!("127.0.0.1 {} {id}", door.port)];
    other.wait_file_lines(&format!("sentinel known-sentinel {MASTER} "), &known);
    assert_eq!(told.ask("SENTINEL CONFIG SET announce-ip 127.0.0.2"), "OK");
    other.wait_event(&format!(
        "+sentinel-address-switch master {MASTER} 127.0.0.1 {at} ip 127.0.0.2 port {} for {id}",
        door.port
    ));
    assert_eq!(other.sentinels()[0].get("ip"), "127.0.0.2");
    // Behind the door all stands still: only one of them sees that.
    assert_eq!(told.ask("SENTINEL CONFIG SET announce-ip 127.0.0.1"), "OK");
    group.wait_known();
    door.stall();
    other.wait_event(&format!(
        "+sdown sentinel {id} 127.0.0.1 {} @ {MASTER}",
        door.port
    ));
    assert_eq!(told.event_count("+sdown"), 0);
    door.mend();
    other.wait_event(&format!(
        "-sdown sentinel {id} 127.0.0.1 {} @ {MASTER}",
        door.port
    ));
}
