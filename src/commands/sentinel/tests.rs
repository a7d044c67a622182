//! `SENTINEL` and its like, byte for byte as 7.2.4 replies.

use super::*;
use crate::commands::blocking;
use crate::commands::context::Ctx;
use crate::commands::testing::Rig;
use crate::resp::writer::{Protocol, Reply};
use crate::sentinel::describe::{ScriptProgress, ScriptView};
use crate::sentinel::failover::{Attempt, Failover, Reason};
use crate::sentinel::testing::{ID, PEER_ID};
use crate::sentinel::{Action, Answer, Verdict};

fn sentinel(rig: &mut Rig) -> &mut Sentinel {
    rig.env.sentinel.as_deref_mut().expect("it is one")
}

/// Bulk strings, one behind the other.
fn bulks(words: &[&str]) -> String {
    let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    words.iter().map(bulk).collect()
}

/// A field of a map of bulk strings.
fn field(reply: &str, name: &str) -> String {
    let mut lines = reply.split("\r\n");
    let found = lines.find(|line| *line == name);
    found.unwrap_or_else(|| panic!("no field {name} in {reply}"));
    lines.nth(1).expect("it has a value").to_owned()
}

#[test]
fn each_kind_of_server_knows_its_own_commands() {
    let mut rig = Rig::new();
    assert_eq!(
        rig.run("SENTINEL MASTERS"),
        "-ERR unknown command 'SENTINEL', with args beginning with: 'MASTERS' \r\n"
    );
    let mut rig = Rig::of_sentinel();
    rig.expect_refusals(&[
        (
            "quit",
            "ERR unknown command 'quit', with args beginning with: ",
        ),
        (
            "multi",
            "ERR unknown command 'multi', with args beginning with: ",
        ),
        (
            "config get x",
            "ERR unknown command 'config', with args beginning with: 'get' 'x' ",
        ),
        (
            "client no-touch on",
            "ERR unknown subcommand 'no-touch'. Try CLIENT HELP.",
        ),
        (
            "sentinel nosuch",
            "ERR unknown subcommand 'nosuch'. Try SENTINEL HELP.",
        ),
    ]);
    assert_eq!(rig.run("PING"), "+PONG\r\n");
    let commands: Vec<&str> = rig.table.iter().map(|command| command.row.name).collect();
    assert_eq!(
        commands,
        [
            "ping",
            "hello",
            "auth",
            "client",
            "acl",
            "subscribe",
            "unsubscribe",
            "psubscribe",
            "punsubscribe",
            "shutdown",
            "info",
            "command",
            "sentinel",
            "publish",
            "role"
        ]
    );
    assert_eq!(rig.run("COMMAND COUNT"), ":15\r\n");
}

#[test]
fn subcommands_are_described_as_what_they_are() {
    let mut rig = Rig::of_sentinel();
    assert_eq!(
        rig.run("COMMAND INFO sentinel|masters"),
        "*1\r\n*10\r\n$16\r\nsentinel|masters\r\n:2\r\n*1\r\n+admin\r\n:0\r\n:0\r\n:0\r\n\
         *3\r\n+@admin\r\n+@slow\r\n+@dangerous\r\n*0\r\n*0\r\n*0\r\n"
    );
    let docs = rig.run("COMMAND DOCS sentinel|slaves");
    assert!(
        docs.contains("deprecated_since\r\n$5\r\n5.0.0\r\n"),
        "{docs}"
    );
    let help = rig.run("SENTINEL HELP");
    assert!(help.starts_with(
        "*53\r\n+SENTINEL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n\
         +CKQUORUM <master-name>\r\n"
    ));
}

#[test]
fn wrong_numbers_of_words_are_refused() {
    let mut rig = Rig::of_sentinel();
    for (words, name) in [
        ("sentinel", "sentinel"),
        ("sentinel masters x", "sentinel|masters"),
        ("sentinel master", "sentinel|master"),
        ("sentinel replicas", "sentinel|replicas"),
        ("sentinel slaves a b", "sentinel|slaves"),
        ("sentinel sentinels", "sentinel|sentinels"),
        (
            "sentinel get-master-addr-by-name",
            "sentinel|get-master-addr-by-name",
        ),
        ("sentinel ckquorum", "sentinel|ckquorum"),
        ("sentinel flushconfig x", "sentinel|flushconfig"),
        ("sentinel failover", "sentinel|failover"),
        ("sentinel failover mymaster x", "sentinel|failover"),
        (
            "sentinel failover mymaster coordinated x",
            "sentinel|failover",
        ),
        ("sentinel reset", "sentinel|reset"),
        ("sentinel monitor a b c", "sentinel|monitor"),
        ("sentinel remove", "sentinel|remove"),
        ("sentinel myid x", "sentinel|myid"),
        (
            "sentinel is-master-down-by-addr a 1 1",
            "sentinel|is-master-down-by-addr",
        ),
        ("sentinel info-cache", "sentinel|info-cache"),
        ("sentinel pending-scripts x", "sentinel|pending-scripts"),
        ("sentinel simulate-failure", "sentinel|simulate-failure"),
        ("sentinel forget mymaster 1.1.1.1", "sentinel|forget"),
        ("sentinel help x", "sentinel|help"),
    ] {
        let error = format!("-ERR wrong number of arguments for '{name}' command\r\n");
        assert_eq!(rig.run(words), error, "{words}");
    }
}

#[test]
fn masters_that_are_not_watched_are_not_found() {
    let mut rig = Rig::of_sentinel();
    for words in [
        "sentinel master x",
        "sentinel replicas x",
        "sentinel slaves x",
        "sentinel sentinels MYMASTER",
        "sentinel ckquorum x",
    ] {
        assert_eq!(
            rig.run(words),
            "-ERR No such master with that name\r\n",
            "{words}"
        );
    }
    rig.expect(&[
        ("sentinel get-master-addr-by-name x", "*-1\r\n"),
        ("sentinel info-cache x", "*0\r\n"),
    ]);
}

#[test]
fn instances_are_maps_of_strings() {
    let mut rig = Rig::of_sentinel();
    let master = rig.run("SENTINEL MASTER mymaster");
    let begin = format!("*40\r\n{}", bulks(&["name", "mymaster", "ip", "10.0.0.1"]));
    assert!(master.starts_with(&begin), "{master}");
    assert_eq!(rig.run("SENTINEL MASTERS"), format!("*1\r\n{master}"));
    let replicas = rig.run("SENTINEL REPLICAS mymaster");
    let begin = format!("*2\r\n*42\r\n{}", bulks(&["name", "10.0.0.2:6379"]));
    assert!(replicas.starts_with(&begin), "{replicas}");
    assert_eq!(rig.run("SENTINEL SLAVES mymaster"), replicas);
    let peers = rig.run("SENTINEL SENTINELS mymaster");
    let begin = format!("*1\r\n*28\r\n{}", bulks(&["name", PEER_ID]));
    assert!(peers.starts_with(&begin), "{peers}");
    rig.session.protocol = Protocol::Resp3;
    let master = rig.run("SENTINEL MASTER mymaster");
    assert!(master.starts_with("%20\r\n$4\r\nname\r\n"), "{master}");
}

#[test]
fn time_goes_on_for_what_is_shown() {
    let mut rig = Rig::of_sentinel();
    rig.advance_ms(1234);
    let master = rig.run("SENTINEL MASTER mymaster");
    assert_eq!(field(&master, "last-ok-ping-reply"), "1234");
}

#[test]
fn clients_are_sent_to_the_promoted_replica_as_soon_as_it_is_a_master() {
    let mut rig = Rig::of_sentinel();
    let ask = "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster";
    let at = |host| format!("*2\r\n{}", bulks(&[host, "6379"]));
    assert_eq!(rig.run(ask), at("10.0.0.1"));
    let attempt = Attempt {
        epoch: 1,
        reason: Reason::Down,
        begun_ms: 0,
        since_ms: 0,
    };
    let master = sentinel(&mut rig).only_master_mut();
    master.failover = Failover::WaitPromotion(attempt, master.replicas[1].id);
    assert_eq!(rig.run(ask), at("10.0.0.1"));
    let master = sentinel(&mut rig).only_master_mut();
    master.failover = Failover::ReconfReplicas(attempt, master.replicas[1].id);
    assert_eq!(rig.run(ask), at("10.0.0.3"));
}

#[test]
fn infos_are_shown_from_the_cache_once_for_each_name() {
    let mut rig = Rig::of_sentinel();
    let now_ms = rig.env.now.mono_ms();
    let master = sentinel(&mut rig).only_master_mut();
    master.view.info = Some(b"text".to_vec());
    master.view.info_at_ms = Some(now_ms);
    rig.advance_ms(7);
    assert_eq!(
        rig.run("SENTINEL INFO-CACHE mymaster x mymaster"),
        "*2\r\n$8\r\nmymaster\r\n*3\r\n*2\r\n:7\r\n$4\r\ntext\r\n*2\r\n:0\r\n$-1\r\n\
         *2\r\n:0\r\n$-1\r\n"
    );
}

#[test]
fn scripts_are_shown_with_what_they_wait_for() {
    let script = ScriptView {
        path: b"/bin/n",
        args: &["+sdown".to_owned()],
        pid: 77,
        progress: ScriptProgress::Running(12),
        tries: 1,
    };
    let mut reply = Reply::new(Protocol::Resp2);
    show::reply_script(&mut reply, &script);
    assert_eq!(
        String::from_utf8_lossy(reply.as_bytes()),
        format!(
            "*10\r\n$4\r\nargv\r\n*2\r\n{}{}",
            bulks(&["/bin/n", "+sdown"]),
            bulks(&[
                "flags",
                "running",
                "pid",
                "77",
                "run-time",
                "12",
                "retry-num",
                "1"
            ])
        )
    );
    let script = ScriptView {
        pid: 0,
        progress: ScriptProgress::Scheduled(30),
        ..script
    };
    let mut reply = Reply::new(Protocol::Resp2);
    show::reply_script(&mut reply, &script);
    let text = String::from_utf8_lossy(reply.as_bytes()).into_owned();
    let end = bulks(&[
        "flags",
        "scheduled",
        "pid",
        "0",
        "run-delay",
        "30",
        "retry-num",
        "1",
    ]);
    assert!(text.ends_with(&end), "{text}");
    assert_eq!(Rig::of_sentinel().run("SENTINEL PENDING-SCRIPTS"), "*0\r\n");
}

#[test]
fn it_says_who_it_is() {
    let mut rig = Rig::of_sentinel();
    rig.expect(&[
        ("SENTINEL MYID", &format!("$40\r\n{ID}\r\n")),
        ("ROLE", "*2\r\n$8\r\nsentinel\r\n*1\r\n$8\r\nmymaster\r\n"),
    ]);
    assert_eq!(
        rig.run("HELLO"),
        format!(
            "*12\r\n{}:2\r\n$2\r\nid\r\n:1\r\n{}*0\r\n",
            bulks(&["server", "redis", "version", "7.2.4", "proto"]),
            bulks(&["mode", "sentinel", "modules"])
        )
    );
}

#[test]
fn its_info_has_the_sections_of_a_sentinel() {
    let mut rig = Rig::of_sentinel();
    rig.host.facts.mode = "sentinel";
    rig.session.protocol = Protocol::Resp3;
    assert_eq!(rig.run("INFO replication"), "$0\r\n\r\n");
    let section = "# Sentinel\r\nsentinel_masters:1\r\nsentinel_tilt:0\r\n\
                   sentinel_tilt_since_seconds:-1\r\nsentinel_running_scripts:0\r\n\
                   sentinel_scripts_queue_length:0\r\nsentinel_simulate_failure_flags:0\r\n\
                   master0:name=mymaster,status=ok,address=10.0.0.1:6379,slaves=2,sentinels=2\r\n";
    assert_eq!(
        rig.run("INFO sentinel"),
        format!("${}\r\n{section}\r\n", section.len())
    );
    for words in ["INFO", "INFO all", "INFO everything", "INFO default"] {
        let info = rig.run(words);
        let titles: Vec<&str> = info.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(
            titles,
            ["# Server", "# Clients", "# Stats", "# CPU", "# Sentinel"],
            "{words}"
        );
        assert!(info.contains("redis_mode:sentinel\r\n"));
    }
    assert_eq!(Rig::new().run("INFO sentinel"), "$0\r\n\r\n");
}

#[test]
fn only_announcements_can_be_published() {
    let mut rig = Rig::of_sentinel();
    rig.expect_refusals(&[(
        "PUBLISH x y",
        "ERR Only HELLO messages are accepted by Sentinel instances.",
    )]);
}

#[test]
fn it_saves_nothing_when_it_ends() {
    let mut rig = Rig::of_sentinel();
    assert_eq!(rig.run("SHUTDOWN SAVE"), "");
    assert_eq!(
        rig.host.wishes,
        ["ShutdownOptions { save: Some(false), now: false, force: false }"]
    );
}

#[test]
fn numbers_of_orders_are_checked_first() {
    let mut rig = Rig::of_sentinel();
    rig.expect_refusals(&[
        (
            "sentinel is-master-down-by-addr 10.0.0.1 x 1 *",
            "ERR value is not an integer or out of range",
        ),
        (
            "sentinel is-master-down-by-addr 10.0.0.1 6379 x *",
            "ERR value is not an integer or out of range",
        ),
        ("sentinel monitor a 10.0.0.5 x y", "ERR Invalid quorum"),
        ("sentinel monitor a 10.0.0.5 x 1", "ERR Invalid port"),
        (
            "sentinel monitor a 10.0.0.5 1 0",
            "ERR Quorum must be 1 or greater.",
        ),
        (
            "sentinel monitor a nosuch.example 70000 1",
            "ERR Invalid IP address or hostname specified",
        ),
        (
            "sentinel monitor a 10.0.0.5 70000 1",
            "ERR Invalid port number.",
        ),
        (
            "sentinel monitor a 10.0.0.5 0 1",
            "ERR Invalid port number.",
        ),
        ("sentinel forget mymaster 10.0.0.2 x", "ERR Invalid port"),
        (
            "sentinel forget mymaster 10.0.0.2 70000",
            "ERR Invalid port",
        ),
    ]);
    rig.expect(&[(
        "sentinel is-master-down-by-addr 10.0.0.1 70000 1 *",
        "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n",
    )]);
}

#[test]
fn periods_are_shown_and_changed_all_or_none() {
    let mut rig = Rig::of_sentinel();
    let shown = rig.run("SENTINEL DEBUG");
    assert!(shown.starts_with(&format!("*26\r\n{}", bulks(&["INFO-PERIOD", "10000"]))));
    rig.expect(&[("SENTINEL DEBUG info-period 100 Ping-Period 50", "+OK\r\n")]);
    let shown = rig.run("SENTINEL DEBUG");
    assert_eq!(field(&shown, "INFO-PERIOD"), "100");
    assert_eq!(field(&shown, "PING-PERIOD"), "50");
    rig.expect_refusals(&[
        (
            "SENTINEL DEBUG info-period",
            "ERR Unknown option or number of arguments for SENTINEL DEBUG 'info-period'",
        ),
        (
            "SENTINEL DEBUG ask-period 7 nosuch 1",
            "ERR Unknown option or number of arguments for SENTINEL DEBUG 'nosuch'",
        ),
        (
            "SENTINEL DEBUG info-period 0",
            "ERR Invalid argument '0' for SENTINEL DEBUG 'info-period'",
        ),
        (
            "SENTINEL DEBUG info-period x",
            "ERR Invalid argument 'x' for SENTINEL DEBUG 'info-period'",
        ),
    ]);
    let shown = rig.run("SENTINEL DEBUG");
    assert_eq!(field(&shown, "ASK-PERIOD"), "1000");
}

#[test]
fn failures_on_demand_are_named_by_help() {
    let mut rig = Rig::of_sentinel();
    rig.expect(&[(
        "SENTINEL SIMULATE-FAILURE help",
        "*2\r\n$20\r\ncrash-after-election\r\n$21\r\ncrash-after-promotion\r\n",
    )]);
    rig.expect(&[("SENTINEL SIMULATE-FAILURE crash-after-election", "+OK\r\n")]);
    rig.run("SENTINEL SIMULATE-FAILURE help");
    let info = rig.run("INFO sentinel");
    let asked = "sentinel_simulate_failure_flags:0";
    assert!(info.contains(asked), "asking takes the order back: {info}");
    rig.expect_refusals(&[(
        "SENTINEL SIMULATE-FAILURE nosuch",
        "ERR Unknown failure simulation specified",
    )]);
}

/// What a client that waits reads when its answer has come.
fn answered(rig: &mut Rig, answer: &Answer) -> String {
    let mut reply = Reply::new(Protocol::Resp2);
    let mut ctx = Ctx {
        env: &mut rig.env,
        session: &mut rig.session,
        reply: &mut reply,
        table: rig.table,
        host: &mut rig.host,
    };
    blocking::answer(&mut ctx, answer);
    rig.session.activity.go_on();
    String::from_utf8_lossy(reply.as_bytes()).into_owned()
}

/// Runs a command whose answer waits for a save, and lets that come to an end.
fn run_and_save(rig: &mut Rig, line: &str, result: Result<(), String>) -> String {
    assert_eq!(rig.run(line), "", "{line} has to wait");
    assert!(rig.session.activity.is_parked(), "{line}");
    let now = rig.env.now;
    let sentinel = sentinel(rig);
    sentinel.act(now);
    let asked = sentinel.take_actions();
    assert!(asked.contains(&Action::Save), "{line}: {asked:?}");
    let (number, _) = sentinel.saved_form();
    sentinel.on_saved(number, result, now);
    let of_client = |action| match action {
        Action::Answer { client, answer } => Some((client, answer)),
        _ => None,
    };
    let answers = sentinel.take_actions().into_iter().filter_map(of_client);
    let [(client, answer)] = answers.collect::<Vec<_>>().try_into().expect("one answer");
    assert_eq!(client, rig.session.id);
    answered(rig, &answer)
}

/// The events that were told since the last call, with their texts.
fn events(rig: &mut Rig) -> Vec<String> {
    let event = |action| match action {
        Action::Publish { event, text } => Some(format!("{event} {text}")),
        _ => None,
    };
    let actions = sentinel(rig).take_actions();
    actions.into_iter().filter_map(event).collect()
}

#[test]
fn answers_come_later() {
    let mut rig = Rig::of_sentinel();
    let mut answered = |answer| {
        assert_eq!(rig.run("SENTINEL FLUSHCONFIG"), "");
        answered(&mut rig, &answer)
    };
    assert_eq!(answered(Answer::Ok), "+OK\r\n");
    assert_eq!(answered(Answer::Error("ERR no".to_owned())), "-ERR no\r\n");
    let verdict = Verdict {
        down: true,
        vote: Some(("abc".to_owned(), 7)),
    };
    assert_eq!(
        answered(Answer::Verdict(verdict)),
        "*3\r\n:1\r\n$3\r\nabc\r\n:7\r\n"
    );
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let mut rig = Rig::of_sentinel();
    rig.expect_refusals(&[
        (
            "SENTINEL SET mymaster quorum",
            "ERR wrong number of arguments for 'sentinel|set' command",
        ),
        (
            "SENTINEL SET x quorum 1",
            "ERR No such master with that name",
        ),
        (
            "SENTINEL SET mymaster Nosuch 1",
            "ERR Unknown option or number of arguments for SENTINEL SET 'Nosuch'",
        ),
        (
            "SENTINEL SET mymaster quorum 3 parallel-syncs",
            "ERR Unknown option or number of arguments for SENTINEL SET 'parallel-syncs'",
        ),
        (
            "SENTINEL SET mymaster quorum 0",
            "ERR Invalid argument '0' for SENTINEL SET 'quorum'",
        ),
        (
            "SENTINEL SET mymaster rename-command CONFIG ''",
            "ERR Invalid argument '' for SENTINEL SET 'rename-command'",
        ),
        (
            "SENTINEL SET mymaster notification-script /bin/sh",
            "ERR Reconfiguration of scripts path is denied for security reasons. Check the \
             deny-scripts-reconfig configuration directive in your Sentinel configuration",
        ),
    ]);
    let master = rig.run("SENTINEL MASTER mymaster");
    assert_eq!(field(&master, "quorum"), "2", "nothing was changed");
    sentinel(&mut rig).common_mut().deny_scripts_reconfig = false;
    rig.expect_refusals(&[
        (
            "SENTINEL SET mymaster notification-script /no/such",
            "ERR Notification script seems non existing or non executable",
        ),
        (
            "SENTINEL SET mymaster client-reconfig-script /no/such",
            "ERR Client reconfiguration script seems non existing or non executable",
        ),
    ]);
}

#[test]
fn what_holds_for_all_masters_is_shown_and_checked() {
    let mut rig = Rig::of_sentinel();
    let all = [
        "resolve-hostnames",
        "no",
        "announce-hostnames",
        "no",
        "announce-ip",
        "",
        "announce-port",
        "0",
        "sentinel-user",
        "",
        "sentinel-pass",
        "",
        "loglevel",
        "notice",
    ];
    let only = "ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...]/ SET <param> <value> \
                [<param> <value> ...] are supported.";
    rig.expect(&[
        ("SENTINEL CONFIG GET *", &format!("*14\r\n{}", bulks(&all))),
        (
            "SENTINEL CONFIG GET nosuch loglevel log*",
            &format!("*2\r\n{}", bulks(&["loglevel", "notice"])),
        ),
    ]);
    rig.expect_refusals(&[
        (
            "SENTINEL CONFIG GET",
            "ERR wrong number of arguments for 'sentinel|config' command",
        ),
        ("SENTINEL CONFIG REWRITE x", only),
        ("SENTINEL CONFIG SET x", only),
        (
            "SENTINEL CONFIG SET nosuch 1",
            "ERR Invalid argument 'nosuch' to SENTINEL CONFIG SET",
        ),
        (
            "SENTINEL CONFIG SET announce-port 1 announce-port 2",
            "ERR Duplicate argument 'announce-port' to SENTINEL CONFIG SET",
        ),
        (
            "SENTINEL CONFIG SET announce-port 1 announce-ip",
            "ERR Missing argument 'announce-ip' value",
        ),
        (
            "SENTINEL CONFIG SET loglevel loud",
            "ERR Invalid value 'loud' to SENTINEL CONFIG SET 'loglevel'",
        ),
    ]);
}

#[test]
fn masters_come_and_go_when_that_is_durable() {
    let mut rig = Rig::of_sentinel();
    let monitor = "SENTINEL MONITOR other 10.0.1.1 6380 3";
    assert_eq!(run_and_save(&mut rig, monitor, Ok(())), "+OK\r\n");
    let other = rig.run("SENTINEL MASTER other");
    for (name, value) in [("ip", "10.0.1.1"), ("port", "6380"), ("quorum", "3")] {
        assert_eq!(field(&other, name), value);
    }
    rig.expect_refusals(&[
        (monitor, "ERR Duplicate master name."),
        (
            "SENTINEL MONITOR 'a b' 10.0.1.1 6380 3",
            "ERR Invalid master name: it may not be empty, nor have blanks, commas or control \
             characters in it.",
        ),
    ]);
    let remove = "SENTINEL REMOVE other";
    let failed = run_and_save(&mut rig, remove, Err("disk full".to_owned()));
    assert_eq!(
        failed,
        "-ERR Failed to save config file. Check server logs.\r\n"
    );
    rig.expect_refusals(&[(remove, "ERR No such master with that name")]);
}

#[test]
fn options_of_a_master_are_set_all_or_none() {
    let mut rig = Rig::of_sentinel();
    let set = "SENTINEL SET mymaster quorum 3 auth-pass secret down-after-milliseconds 5000";
    assert_eq!(rig.run(set), "");
    let master = "+set master mymaster 10.0.0.1 6379";
    assert_eq!(
        events(&mut rig),
        [
            format!("{master} quorum 3"),
            format!("{master} auth-pass ******"),
            format!("{master} down-after-milliseconds 5000"),
        ]
    );
    rig.switch_to(2);
    let shown = rig.run("SENTINEL MASTER mymaster");
    assert_eq!(field(&shown, "quorum"), "3");
    assert_eq!(field(&shown, "down-after-milliseconds"), "5000");
    rig.switch_to(3);
    rig.expect_refusals(&[(
        "SENTINEL SET mymaster quorum 7 failover-timeout x",
        "ERR Invalid argument 'x' for SENTINEL SET 'failover-timeout'",
    )]);
    let shown = rig.run("SENTINEL MASTER mymaster");
    assert_eq!(field(&shown, "quorum"), "3");
    assert!(events(&mut rig).is_empty());
    let mut rig = Rig::of_sentinel();
    let set = "SENTINEL SET mymaster quorum 3";
    assert_eq!(run_and_save(&mut rig, set, Ok(())), "+OK\r\n");
}

#[test]
fn what_holds_for_all_masters_is_set_when_that_is_durable() {
    let mut rig = Rig::of_sentinel();
    let set = "SENTINEL CONFIG SET announce-port 1234 loglevel debug";
    assert_eq!(run_and_save(&mut rig, set, Ok(())), "+OK\r\n");
    assert_eq!(
        rig.run("SENTINEL CONFIG GET announce-port loglevel"),
        format!(
            "*4\r\n{}",
            bulks(&["announce-port", "1234", "loglevel", "debug"])
        )
    );
    // The directives of TLS are taken beside them, and shown when they are asked for.
    let set = "SENTINEL CONFIG SET TLS-protocols TLSv1.3 announce-port 7 tls-session-caching no";
    assert_eq!(run_and_save(&mut rig, set, Ok(())), "+OK\r\n");
    let shown = [
        ["announce-port", "7"],
        ["tls-protocols", "TLSv1.3"],
        ["tls-session-caching", "no"],
    ];
    assert_eq!(
        rig.run("SENTINEL CONFIG GET tls-pro* tls-session-caching announce-port"),
        format!("*6\r\n{}", bulks(&shown.concat()))
    );
    rig.expect_refusals(&[
        (
            "SENTINEL CONFIG SET tls-auth-clients perhaps",
            "ERR CONFIG SET failed (possibly related to argument 'tls-auth-clients') - \
             argument(s) must be one of the following: no, yes, optional",
        ),
        (
            "SENTINEL CONFIG SET tls-cert-file",
            "ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...]/ SET <param> <value> \
             [<param> <value> ...] are supported.",
        ),
    ]);
    let flush = "SENTINEL FLUSHCONFIG";
    assert_eq!(run_and_save(&mut rig, flush, Ok(())), "+OK\r\n");
}

#[test]
fn a_failover_needs_a_replica_that_can_take_over() {
    let mut rig = Rig::of_sentinel();
    rig.expect_refusals(&[
        ("SENTINEL FAILOVER x", "ERR No such master with that name"),
        (
            "SENTINEL FAILOVER x COORDINATED",
            "ERR No such master with that name",
        ),
        (
            "SENTINEL FAILOVER mymaster",
            "NOGOODSLAVE No suitable replica to promote",
        ),
        (
            "SENTINEL FAILOVER mymaster coordinated",
            "NOGOODSLAVE No suitable replica to promote",
        ),
    ]);
    let master = sentinel(&mut rig).only_master_mut();
    master.failover = Failover::WaitStart(Attempt {
        epoch: 1,
        reason: Reason::Down,
        begun_ms: 0,
        since_ms: 0,
    });
    rig.expect_refusals(&[(
        "SENTINEL FAILOVER mymaster",
        "INPROG Failover already in progress",
    )]);
}

#[test]
fn what_is_known_can_be_forgotten() {
    let mut rig = Rig::of_sentinel();
    rig.expect_refusals(&[
        (
            "SENTINEL FORGET x 10.0.0.2 6379",
            "ERR No such master with that name",
        ),
        (
            "SENTINEL FORGET mymaster 10.0.0.8 6379",
            "ERR No such replica or Sentinel of that master",
        ),
    ]);
    for line in [
        "SENTINEL FORGET mymaster 10.0.0.2 6379",
        "SENTINEL FORGET mymaster 10.0.0.9 26379",
    ] {
        assert_eq!(run_and_save(&mut rig, line, Ok(())), "+OK\r\n");
    }
    let master = rig.run("SENTINEL MASTER mymaster");
    assert_eq!(field(&master, "num-slaves"), "1");
    assert_eq!(field(&master, "num-other-sentinels"), "0");
    rig.expect(&[
        ("SENTINEL RESET nosuch*", ":0\r\n"),
        ("SENTINEL RESET my*", ":1\r\n"),
        ("SENTINEL REPLICAS mymaster", "*0\r\n"),
    ]);
}

#[test]
fn a_quorum_is_told_with_what_lacks_for_it() {
    let mut rig = Rig::of_sentinel();
    let ask = "SENTINEL CKQUORUM mymaster";
    assert_eq!(
        rig.run(ask),
        "+OK 2 usable Sentinels. Quorum and failover authorization can be reached\r\n"
    );
    let no_quorum = "Not enough available Sentinels to reach the specified quorum for this master";
    let no_majority =
        "Not enough available Sentinels to reach the majority and authorize a failover";
    let master = sentinel(&mut rig).only_master_mut();
    master.options.quorum = 3;
    let refusal = format!("NOQUORUM 2 usable Sentinels. {no_quorum}");
    rig.expect_refusals(&[(ask, &refusal)]);
    let master = sentinel(&mut rig).only_master_mut();
    master.peers[0].base.down_since_ms = Some(0);
    let refusal = format!("NOQUORUM 1 usable Sentinels. {no_quorum}. {no_majority}");
    rig.expect_refusals(&[(ask, &refusal)]);
    let master = sentinel(&mut rig).only_master_mut();
    master.options.quorum = 1;
    let refusal = format!("NOQUORUM 1 usable Sentinels. {no_majority}");
    rig.expect_refusals(&[(ask, &refusal)]);
}

#[test]
fn peers_are_answered_at_once_unless_they_ask_for_a_vote() {
    let mut rig = Rig::of_sentinel();
    let ask = "SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.1 6379";
    assert_eq!(
        rig.run(&format!("{ask} 0 *")),
        "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n"
    );
    let now_ms = rig.env.now.mono_ms();
    let master = sentinel(&mut rig).only_master_mut();
    master.base.down_since_ms = Some(now_ms);
    assert_eq!(
        rig.run(&format!("{ask} 0 *")),
        "*3\r\n:1\r\n$1\r\n*\r\n:0\r\n"
    );
    rig.expect(&[(
        "SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.7 6379 5 *",
        "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n",
    )]);
    let mut rig = Rig::of_sentinel();
    let vote = format!("{ask} 5 {PEER_ID}");
    let told = format!("*3\r\n:0\r\n$40\r\n{PEER_ID}\r\n:5\r\n");
    assert_eq!(run_and_save(&mut rig, &vote, Ok(())), told);
    assert_eq!(rig.run(&vote), told, "it is durable by now");
}

#[test]
fn peers_announce_themselves_by_publishing() {
    let mut rig = Rig::of_sentinel();
    let id = "f".repeat(40);
    let hello = format!("10.0.0.7,26379,{id},0,mymaster,10.0.0.1,6379,0");
    rig.expect(&[(&format!("PUBLISH __sentinel__:hello {hello}"), ":1\r\n")]);
    let peers = rig.run("SENTINEL SENTINELS mymaster");
    assert!(
        peers.starts_with("*2\r\n") && peers.contains(&id),
        "{peers}"
    );
}

#[test]
fn failures_on_demand_are_shown_by_info() {
    let mut rig = Rig::of_sentinel();
    let flags = |rig: &mut Rig| {
        let info = rig.run("INFO sentinel");
        let mut lines = info.lines();
        let line = lines.find_map(|line| line.strip_prefix("sentinel_simulate_failure_flags:"));
        line.expect("it is shown").to_owned()
    };
    for (words, shown) in [
        ("crash-after-election", "1"),
        ("CRASH-AFTER-PROMOTION", "2"),
        ("crash-after-election crash-after-promotion", "3"),
    ] {
        let line = format!("SENTINEL SIMULATE-FAILURE {words}");
        assert_eq!(rig.run(&line), "+OK\r\n");
        assert_eq!(flags(&mut rig), shown);
    }
}
