//! What clients change: the masters that are watched, what is known, and settings.

use std::fs;

use crate::harness::*;

#[test]
fn masters_are_added_changed_and_removed_and_the_file_knows() {
    let servers = [Server::ours(&[]), Server::ours(&[])];
    let sentinel = Sentinel::watching(&servers[0], 1, &[]);
    let mut events = Events::of(&sentinel);
    let port = servers[1].port;
    assert_eq!(
        sentinel.ask(&format!("SENTINEL MONITOR other 127.0.0.1 {port} 3")),
        "OK"
    );
    events.wait(&format!("+monitor master other 127.0.0.1 {port} quorum 3"));
    let lines = [
        format!("{MASTER} 127.0.0.1 {} 1", servers[0].port),
        format!("other 127.0.0.1 {port} 3"),
    ];
    assert_eq!(sentinel.file_lines("sentinel monitor "), lines);
    let error = sentinel.ask(&format!("SENTINEL MONITOR other 127.0.0.1 {port} 3"));
    assert_eq!(error, "-ERR Duplicate master name.");
    for (option, value, shown, line) in [
        (
            "down-after-milliseconds",
            "1234",
            "1234",
            "down-after-milliseconds other 1234",
        ),
        (
            "failover-timeout",
            "4567",
            "4567",
            "failover-timeout other 4567",
        ),
        ("parallel-syncs", "3", "3", "parallel-syncs other 3"),
        ("quorum", "2", "2", ""),
        ("auth-pass", "secret", "******", "auth-pass other secret"),
        ("auth-user", "watcher", "watcher", "auth-user other watcher"),
    ] {
        assert_eq!(
            sentinel.ask(&format!("SENTINEL SET other {option} {value}")),
            "OK"
        );
        events.wait(&format!(
            "+set master other 127.0.0.1 {port} {option} {shown}"
        ));
        assert!(
            sentinel.file().contains(&format!("sentinel {line}")),
            "{}",
            sentinel.file()
        );
        let fields = Fields::of(&sentinel.call("SENTINEL MASTER other"));
        if fields.names().contains(&option) {
            assert_eq!(fields.get(option), value);
        }
    }
    assert!(
        sentinel
            .file()
            .contains(&format!("sentinel monitor other 127.0.0.1 {port} 2\n"))
    );
    assert!(!sentinel.log().contains("secret"));
    assert_eq!(
        sentinel.ask("SENTINEL SET other auth-pass secret quorum 4"),
        "OK"
    );
    events.wait(&format!("+set master other 127.0.0.1 {port} quorum 4"));
    assert_eq!(sentinel.ask("SENTINEL REMOVE other"), "OK");
    events.wait(&format!("-monitor master other 127.0.0.1 {port}"));
    assert_eq!(
        sentinel.ask("SENTINEL GET-MASTER-ADDR-BY-NAME other"),
        "(nil)"
    );
    assert!(!sentinel.file().contains("other"), "{}", sentinel.file());
    assert_eq!(sentinel.ask("ROLE"), format!("[sentinel [{MASTER}]]"));
}

#[test]
fn a_reset_forgets_what_was_found_and_finds_what_is_there() {
    let mut group = Plan::ours(2, 2).start();
    group.sentinels[1].kill();
    group.servers[1].kill();
    let sentinel = &group.sentinels[0];
    let mut events = Events::of(sentinel);
    sentinel.wait_event("+sdown sentinel");
    sentinel.wait_event("+sdown slave");
    assert_eq!(sentinel.ask("SENTINEL RESET no*such"), "0");
    assert_eq!(sentinel.ask("SENTINEL RESET my*"), "1");
    let port = group.servers[0].port;
    events.wait(&format!("+reset-master master {MASTER} 127.0.0.1 {port}"));
    assert_eq!(sentinel.sentinels(), []);
    group.servers[1].start_again();
    group.sentinels[1].return_to_life();
    group.wait_known();
    let sentinel = &group.sentinels[0];
    assert_eq!(sentinel.event_count("+sentinel sentinel"), 2);
    assert_eq!(sentinel.master().number("num-slaves"), 1);
}

#[test]
fn a_lost_file_is_written_again_on_demand() {
    let master = Server::ours(&[]);
    let sentinel = Sentinel::watching(&master, 1, &["sentinel announce-port 1234"]);
    let before = sentinel.file();
    fs::remove_file(sentinel.path("redis.conf")).unwrap();
    assert_eq!(sentinel.ask("SENTINEL FLUSHCONFIG"), "OK");
    let words = |text: &str| {
        let mut lines: Vec<String> = text
            .lines()
            .filter(|l| l.starts_with("sentinel "))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(words(&sentinel.file()), words(&before));
    assert!(
        sentinel
            .log()
            .contains(" * Sentinel new configuration saved on disk\n")
    );
}

#[test]
fn settings_of_the_sentinel_itself_are_read_and_set_and_kept() {
    let master = Server::ours(&[]);
    let sentinel = Sentinel::watching(&master, 1, &[]);
    for (name, before, value) in [
        ("resolve-hostnames", "no", "yes"),
        ("announce-hostnames", "no", "yes"),
        ("announce-ip", "", "127.0.0.2"),
        ("announce-port", "0", "1234"),
        ("sentinel-user", "", "someone"),
        ("sentinel-pass", "", "secret"),
    ] {
        let get = format!("SENTINEL CONFIG GET {name}");
        assert_eq!(sentinel.ask(&get), format!("[{name} {before}]"));
        assert_eq!(
            sentinel.ask(&format!("SENTINEL CONFIG SET {name} {value}")),
            "OK"
        );
        assert_eq!(sentinel.ask(&get), format!("[{name} {value}]"));
        let written = sentinel.file_lines(&format!("sentinel {name} "));
        assert_eq!(written.len(), 1, "{}", sentinel.file());
        assert_eq!(written[0].trim_matches('"'), value);
    }
    if !sentinel.is_modern() {
        return;
    }
    let two = "SENTINEL CONFIG GET announce-port loglevel announce-port";
    assert_eq!(sentinel.ask(two), "[announce-port 1234 loglevel notice]");
    let set = "SENTINEL CONFIG SET announce-port 4321 resolve-hostnames no";
    assert_eq!(sentinel.ask(set), "OK");
    let got = sentinel.ask("SENTINEL CONFIG GET announce-port resolve-hostnames");
    assert_eq!(got, "[announce-port 4321 resolve-hostnames no]");
    for (set, error) in [
        (
            "announce-port 1 nonsense 2",
            "-ERR Invalid argument 'nonsense' to SENTINEL CONFIG SET",
        ),
        (
            "announce-port 1 announce-port 2",
            "-ERR Duplicate argument 'announce-port' to SENTINEL CONFIG SET",
        ),
        (
            "announce-port 1 announce-ip",
            "-ERR Missing argument 'announce-ip' value",
        ),
        (
            "announce-port 1 resolve-hostnames 2",
            "-ERR Invalid value '2' to SENTINEL CONFIG SET 'resolve-hostnames'",
        ),
        (
            "announce-port 65536",
            "-ERR Invalid value '65536' to SENTINEL CONFIG SET 'announce-port'",
        ),
        (
            "loglevel loud",
            "-ERR Invalid value 'loud' to SENTINEL CONFIG SET 'loglevel'",
        ),
    ] {
        assert_eq!(sentinel.ask(&format!("SENTINEL CONFIG SET {set}")), error);
    }
    let usage = "-ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...]/ SET <param> <value> \
                 [<param> <value> ...] are supported.";
    for wrong in ["NONSENSE x", "SET announce-port"] {
        assert_eq!(sentinel.ask(&format!("SENTINEL CONFIG {wrong}")), usage);
    }
    let arity = "-ERR wrong number of arguments for 'sentinel|config' command";
    assert_eq!(sentinel.ask("SENTINEL CONFIG GET"), arity);
    // Nothing of what was refused was done.
    assert_eq!(
        sentinel.ask("SENTINEL CONFIG GET announce-port"),
        "[announce-port 4321]"
    );
}
