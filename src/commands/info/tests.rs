//! `INFO` as monitoring tools parse it.

use super::super::host::LoadingFacts;
use super::super::testing::Rig;

/// The text of a reply to `INFO`.
fn info(rig: &mut Rig, words: &str) -> String {
    let reply = rig.run(&format!("INFO {words}"));
    let (_, text) = reply.split_once("\r\n").expect("a bulk string");
    text.strip_suffix("\r\n").expect("a bulk string").to_owned()
}

/// The headings of the sections in a text.
fn sections(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# "))
        .collect()
}

/// The value of a field.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    text.lines()
        .find_map(value)
        .unwrap_or_else(|| panic!("{name} in {text}"))
}

#[test]
fn sections_come_in_their_order_whatever_is_asked() {
    let mut rig = Rig::new();
    let by_default = [
        "Server",
        "Clients",
        "Memory",
        "Persistence",
        "Stats",
        "Replication",
        "CPU",
        "Modules",
        "Errorstats",
        "Cluster",
        "Keyspace",
    ];
    assert_eq!(sections(&info(&mut rig, "")), by_default);
    assert_eq!(sections(&info(&mut rig, "DEFAULT cpu")), by_default);
    assert!(!info(&mut rig, "everything").contains("# Debug"));
    assert_eq!(sections(&info(&mut rig, "debug cpu")), ["CPU", "Debug"]);
    for words in ["all", "everything", "cpu all default"] {
        let text = info(&mut rig, words);
        let all = sections(&text);
        assert_eq!(all.len(), 13, "{words}");
        assert_eq!(all[8], "Commandstats");
        assert_eq!(all[10], "Latencystats");
    }
    assert_eq!(
        sections(&info(&mut rig, "keyspace CPU cpu module_list")),
        ["CPU", "Modules", "Keyspace"]
    );
    assert_eq!(info(&mut rig, "nosuch"), "");
}

#[test]
fn text_is_verbatim_in_resp3() {
    let mut rig = Rig::new();
    rig.run("HELLO 3");
    assert_eq!(
        rig.run("INFO cluster"),
        "=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n"
    );
}

#[test]
fn versions_stand_first() {
    let text = info(&mut Rig::new(), "server");
    let start = "# Server\r\nredis_version:7.2.4\r\ntanist_version:";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn commands_are_counted_when_they_ran_were_refused_or_failed() {
    let mut rig = Rig::new();
    for line in ["PING", "PING", "PING a b", "ECHO", "CLIENT ID"] {
        rig.run(line);
    }
    let text = info(&mut rig, "commandstats");
    assert!(
        field(&text, "cmdstat_ping").starts_with("calls=3,usec="),
        "{text}"
    );
    assert!(field(&text, "cmdstat_ping").ends_with(",rejected_calls=0,failed_calls=1"));
    let echo = "calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0";
    assert_eq!(field(&text, "cmdstat_echo"), echo);
    assert!(field(&text, "cmdstat_client|id").starts_with("calls=1,"));
    assert!(
        !text.contains("cmdstat_info"),
        "a command is counted when it ends"
    );
    let latencies = info(&mut rig, "latencystats");
    let ping = field(&latencies, "latency_percentiles_usec_ping");
    assert!(ping.starts_with("p50=") && ping.contains(",p99=") && ping.contains(",p99.9="));
    rig.env.config.latency_tracking = false;
    assert_eq!(info(&mut rig, "latencystats"), "# Latencystats\r\n");
}

#[test]
fn errors_are_counted_by_their_code_and_forgotten_on_demand() {
    let mut rig = Rig::new();
    for line in ["NOSUCH", "HELLO 9", "AUTH bob x", "PING a b"] {
        rig.run(line);
    }
    let expected = "# Errorstats\r\nerrorstat_ERR:count=2\r\nerrorstat_NOPROTO:count=1\r\n\
                    errorstat_WRONGPASS:count=1\r\n";
    assert_eq!(info(&mut rig, "errorstats"), expected);
    assert_eq!(field(&info(&mut rig, "stats"), "total_error_replies"), "4");
    assert_eq!(rig.run("CONFIG RESETSTAT"), "+OK\r\n");
    assert_eq!(info(&mut rig, "errorstats"), "# Errorstats\r\n");
    assert_eq!(field(&info(&mut rig, "stats"), "total_error_replies"), "0");
    assert!(rig.host.wishes.contains(&"reset rates".to_owned()));
}

#[test]
fn a_running_load_shows_how_far_it_is() {
    let mut rig = Rig::new();
    assert!(!info(&mut rig, "persistence").contains("loading_start_time"));
    rig.host.facts.loading = Some(LoadingFacts {
        started_unix_s: 1_700_000_000,
        total_bytes: 1000,
        loaded_bytes: 249,
        started_mono_ms: rig.env.now.mono_ms(),
    });
    let text = info(&mut rig, "persistence");
    assert_eq!(field(&text, "loading_loaded_perc"), "24.90");
    assert_eq!(field(&text, "loading_eta_seconds"), "1");
    rig.advance_ms(10_000);
    let text = info(&mut rig, "persistence");
    assert_eq!(field(&text, "loading_eta_seconds"), "30");
}

#[test]
fn a_snapshot_child_shows_how_far_it_is() {
    let mut rig = Rig::new();
    let text = info(&mut rig, "persistence");
    assert_eq!(field(&text, "rdb_current_bgsave_time_sec"), "-1");
    let child = &mut rig.host.facts.snapshot;
    child.in_progress = true;
    child.started_mono_ms = rig.env.now.mono_ms();
    child.current_keys = 1;
    child.current_keys_total = 3;
    rig.advance_ms(2500);
    let text = info(&mut rig, "persistence");
    assert_eq!(field(&text, "rdb_bgsave_in_progress"), "1");
    assert_eq!(field(&text, "rdb_current_bgsave_time_sec"), "2");
    assert_eq!(field(&text, "current_fork_perc"), "33.33");
}

#[test]
fn memory_adds_up() {
    let mut rig = Rig::new();
    rig.host.facts.memory.used = 3 << 20;
    rig.host.facts.memory.active = 6 << 20;
    rig.host.facts.startup_memory = 1 << 20;
    rig.env.stats.peak_memory = 4 << 20;
    let text = info(&mut rig, "memory");
    let number = |name: &str| field(&text, name).parse::<u64>().expect("a number");
    assert_eq!(field(&text, "used_memory_human"), "3.00M");
    assert_eq!(field(&text, "used_memory_peak_perc"), "75.00%");
    assert_eq!(field(&text, "allocator_frag_ratio"), "2.00");
    assert_eq!(
        number("used_memory_dataset") + number("used_memory_overhead"),
        3 << 20
    );
    assert!(number("used_memory_overhead") >= number("mem_replication_backlog") + (1 << 20));
}

#[test]
fn databases_with_keys_are_listed() {
    let mut rig = Rig::new();
    assert_eq!(info(&mut rig, "keyspace"), "# Keyspace\r\n");
    let db = rig.env.keyspace.db_mut(3);
    db.set(b"a", crate::keyspace::NewValue::Int(1), None);
    db.set(b"b", crate::keyspace::NewValue::Int(1), Some(i64::MAX));
    let text = "# Keyspace\r\ndb3:keys=2,expires=1,avg_ttl=0\r\n";
    assert_eq!(info(&mut rig, "keyspace"), text);
}
