//! What stands on the page: everything that `INFO` shows, once, and nothing that is secret.

use super::page::{Page, ROWS_MAX};
use super::strict::{Read, read};
use super::table::FIELDS;
use super::*;
use crate::base::rng::Rng;
use crate::commands::host::{AofFacts, LoadingFacts};
use crate::commands::testing::Rig;

fn page_of(rig: &mut Rig) -> String {
    let mut page = Page::default();
    let view = View::gather(&rig.env, rig.table, &mut rig.host);
    Renderer::default().write(&view, PageFigures::default(), &mut page);
    String::from_utf8(page.into_text()).expect("all of it is text")
}

fn read_page(rig: &mut Rig) -> Read {
    let text = page_of(rig);
    read(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"))
}

/// Fields of `INFO` that are no figures, or are shown with labels.
const OTHERWISE: &[&str] = &[
    // Labels of `redis_instance_info` and `tanist_build_info`.
    "redis_version",
    "tanist_version",
    "redis_build_id",
    "redis_mode",
    "os",
    "tcp_port",
    "run_id",
    "maxmemory_policy",
    "role",
    "master_replid",
    // Families with labels.
    "master_host",
    "master_port",
    "master_link_status",
    "master_last_io_seconds_ago",
    "master_sync_in_progress",
    "slave_repl_offset",
    "slave_read_only",
    "master_failover_state",
    "master_sync_stage",
    "replica_guard",
    // Constants, and what is nobody's business: paths.
    "arch_bits",
    "redis_git_sha1",
    "redis_git_dirty",
    "monotonic_clock",
    "multiplexing_api",
    "atomicvar_api",
    "gcc_version",
    "process_supervised",
    "executable",
    "config_file",
    "mem_allocator",
    "lost_writes_last_file",
    // The same as another field, in a larger unit.
    "uptime_in_days",
    // Not numbers that could be compared.
    "master_replid2",
    "repl_stream_sum",
    "replica_guard_refused_for",
    "replica_guard_refused_replid",
];

/// Whether a field shows one of several things of a kind.
fn is_row(field: &str) -> bool {
    let starts = ["cmdstat_", "errorstat_", "latency_percentiles_usec_"];
    let numbered = ["db", "slave", "listener", "replica", "master"];
    let has_number = |start: &&str| {
        let rest = field.strip_prefix(*start).unwrap_or_default();
        rest.starts_with(|c: char| c.is_ascii_digit())
    };
    starts.iter().any(|start| field.starts_with(start)) || numbered.iter().any(has_number)
}

/// A replica that loads, saves, rewrites and leaves, so that no field is missing.
fn busy_replica() -> Rig {
    let mut rig = Rig::new();
    rig.become_replica();
    let facts = &mut rig.host.facts;
    facts.loading = Some(LoadingFacts::default());
    facts.aof = AofFacts {
        enabled: true,
        ..AofFacts::default()
    };
    facts.shutdown_in_ms = Some(1500);
    rig
}

fn assert_shown(rig: &mut Rig, seen: &mut Vec<&'static str>) {
    let info = rig.run("INFO everything") + &rig.run("INFO debug");
    let page = read_page(rig);
    for (name, text) in lines(&info) {
        if name.ends_with("_human") || is_row(name) || OTHERWISE.contains(&name) {
            continue;
        }
        let Some(field) = table::find(name) else {
            panic!("{name} has no metric, and is none of those that need none");
        };
        seen.push(field.field);
        let is_unknown = text == "-1" && page.value(field.metric, &[]).is_none();
        assert!(
            is_unknown || page.value(field.metric, &[]).is_some(),
            "{name}:{text} is not shown"
        );
    }
}

#[test]
fn everything_that_info_shows_is_on_the_page() {
    let mut seen = Vec::new();
    let mut master = Rig::new();
    assert_shown(&mut master, &mut seen);
    assert_shown(&mut busy_replica(), &mut seen);
    assert_shown(&mut Rig::of_sentinel(), &mut seen);
    // These need a master, or replicas.
    let elsewhere = [
        "master_sync_",
        "replica_guard_refused_",
        "min_slaves_good_slaves",
    ];
    for field in FIELDS {
        let is_elsewhere = elsewhere.iter().any(|start| field.field.starts_with(start));
        assert!(
            is_elsewhere || seen.contains(&field.field),
            "{} is not in INFO",
            field.field
        );
    }
}

#[test]
fn a_figure_is_that_of_info() {
    let mut rig = Rig::new();
    for line in [
        "SET a 1",
        "GET a",
        "GET b",
        "NOSUCH",
        "GET",
        "LPUSH a 1",
        "SET c 1 EX 100",
    ] {
        rig.run(line);
    }
    let page = read_page(&mut rig);
    for (name, labels, value) in [
        ("redis_up", &[][..], 1.0),
        ("redis_commands_total", &["cmd=set"], 2.0),
        ("redis_commands_total", &["cmd=get"], 2.0),
        ("redis_commands_rejected_calls_total", &["cmd=get"], 1.0),
        ("redis_commands_failed_calls_total", &["cmd=lpush"], 1.0),
        ("redis_commands_latencies_usec_count", &["cmd=get"], 2.0),
        ("redis_latency_percentiles_usec_count", &["cmd=get"], 2.0),
        ("redis_keyspace_hits_total", &[], 1.0),
        ("redis_keyspace_misses_total", &[], 1.0),
        ("redis_errors_total", &["err=ERR"], 2.0),
        ("redis_errors_total", &["err=WRONGTYPE"], 1.0),
        ("redis_errors_total", &["err=other"], 0.0),
        ("redis_db_keys", &["db=db0"], 2.0),
        ("redis_db_keys_expiring", &["db=db0"], 1.0),
        ("redis_rdb_last_bgsave_status", &[], 1.0),
        ("redis_config_maxclients", &[], 10_000.0),
        ("tanist_failover_state", &["state=no-failover"], 1.0),
        (
            "tanist_failover_events_total",
            &["event=became_replica"],
            0.0,
        ),
    ] {
        assert_eq!(page.value(name, labels), Some(value), "{name}{labels:?}");
    }
    assert!(page.value("redis_commands_total", &["cmd=incr"]).is_none());
    let spent = page.value("redis_commands_duration_seconds_total", &["cmd=get"]);
    assert!(spent.expect("it was called") > 0.0);
    let buckets = page.all("redis_commands_latencies_usec_bucket");
    let gets = buckets.iter().filter(|(labels, _)| labels["cmd"] == "get");
    assert_eq!(gets.count(), 22);
    rig.env.config.latency_tracking = false;
    let page = read_page(&mut rig);
    assert!(page.all("redis_commands_latencies_usec_bucket").is_empty());
    assert!(page.all("redis_latency_percentiles_usec").is_empty());
}

#[test]
fn a_replica_shows_its_link_and_how_far_it_is() {
    let mut rig = busy_replica();
    let page = read_page(&mut rig);
    let whose = ["master_host=master", "master_port=6379"];
    assert_eq!(page.value("redis_master_link_up", &whose), Some(0.0));
    assert_eq!(
        page.value("redis_master_sync_in_progress", &whose),
        Some(0.0)
    );
    assert_eq!(
        page.value("redis_master_last_io_seconds_ago", &whose),
        Some(-1.0)
    );
    let stages = page.all("tanist_master_sync_stage");
    assert_eq!(stages.len(), 8);
    assert_eq!(stages.iter().map(|(_, is)| is).sum::<f64>(), 1.0);
    assert_eq!(page.value("tanist_replica_guard", &["state=on"]), Some(1.0));
    assert!(
        page.value("tanist_master_lag_seconds", &[]).is_none(),
        "it is not known"
    );
    let (info, _) = page.all("redis_instance_info")[0];
    assert_eq!(info["role"], "slave");
    assert_eq!(info["redis_version"], REDIS_VERSION);
}

#[test]
fn a_sentinel_shows_its_masters_and_what_has_happened() {
    let mut rig = Rig::of_sentinel();
    rig.env.stats.sentinel_events.insert("+switch-master", 2);
    rig.env.stats.sentinel_events.insert("+reboot", 1);
    let page = read_page(&mut rig);
    assert_eq!(page.value("redis_sentinel_masters", &[]), Some(1.0));
    for name in [
        "redis_sentinel_master_status",
        "redis_sentinel_master_slaves",
        "redis_sentinel_master_sentinels",
        "redis_sentinel_master_ok_slaves",
        "redis_sentinel_master_ok_sentinels",
        "redis_sentinel_master_ckquorum_status",
        "redis_sentinel_master_setting_ckquorum",
        "redis_sentinel_master_last_ok_ping_reply_seconds",
    ] {
        assert_eq!(page.all(name).len(), 1, "{name}");
    }
    let event = |name| page.value("tanist_sentinel_events_total", &[name]);
    assert_eq!(event("event=+switch-master"), Some(2.0));
    assert_eq!(event("event=+reboot"), Some(1.0));
    assert_eq!(event("event=+odown"), Some(0.0));
    assert!(page.all("redis_db_keys").is_empty());
}

#[test]
fn what_scripts_call_an_error_is_not_told() {
    let mut rig = Rig::new();
    for code in [
        "secret:key",
        "SECRET-1",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "\"}",
        "\u{ff}",
    ] {
        rig.env.stats.count_error(code.as_bytes());
    }
    rig.env.stats.count_error(b"MYCODE of mine");
    let page = read_page(&mut rig);
    let known: Vec<&str> = page
        .all("redis_errors_total")
        .iter()
        .map(|(labels, _)| &labels["err"][..])
        .collect();
    assert_eq!(known, ["MYCODE", "other"]);
    assert_eq!(page.value("redis_errors_total", &["err=other"]), Some(5.0));
}

#[test]
fn nothing_that_is_secret_is_on_the_page() {
    let mut rig = Rig::new();
    for line in [
        "CONFIG SET slowlog-log-slower-than 0",
        "CONFIG SET latency-monitor-threshold 1",
        "ACL SETUSER hiddenuser on >hiddenpassword ~* +@all",
        "CONFIG SET masterauth hiddenauth",
        "CLIENT SETNAME hiddenname",
        "SET hiddenkey hiddenvalue",
        "SUBSCRIBE hiddenchannel",
        "EVAL \"return redis.error_reply('hiddencode')\" 0",
    ] {
        rig.run(line);
    }
    rig.host.facts.config_file = "/etc/hiddenfile".to_owned();
    let page = page_of(&mut rig);
    assert!(!page.contains("hidden"), "{page}");
    rig.run("CONFIG SET requirepass hiddenpassword");
    assert!(!page_of(&mut rig).contains("hidden"));
}

#[test]
fn rows_are_bounded_and_what_is_left_out_is_counted() {
    let mut rig = Rig::new();
    rig.env.keyspace = crate::keyspace::Keyspace::new(2 * ROWS_MAX, [1, 2]);
    for db in 0..ROWS_MAX + 7 {
        let db = rig.env.keyspace.db_mut(db);
        db.set(b"a", crate::keyspace::NewValue::Int(1), None);
    }
    let page = read_page(&mut rig);
    assert_eq!(page.all("redis_db_keys").len(), ROWS_MAX);
    assert_eq!(page.value("tanist_metrics_rows_left_out", &[]), Some(7.0));
}

#[test]
fn whatever_is_counted_the_page_can_be_read() {
    let mut rng = Rng::from_seed(11);
    for _ in 0..50 {
        let mut rig = if rng.below(4) == 0 {
            Rig::of_sentinel()
        } else {
            Rig::new()
        };
        let ids = rig.env.stats.commands.len() as u64;
        for _ in 0..rng.below(40) {
            let figures = &mut rig.env.stats.commands[rng.below(ids) as usize];
            figures.calls = rng.next_u64() >> rng.below(64);
            figures.rejected = rng.next_u64() >> rng.below(64);
            figures.nanoseconds = rng.next_u64() >> rng.below(64);
            let latency = figures.latency.get_or_insert_default();
            for _ in 0..rng.below(20) {
                latency.record(rng.next_u64() >> rng.below(64));
            }
        }
        for _ in 0..rng.below(20) {
            let length = rng.below(6);
            let letters = b"AB\"\\\n{},= \xff\xc3\xa9";
            let pick = |_| letters[rng.below(letters.len() as u64) as usize];
            let code: Vec<u8> = (0..length).map(pick).collect();
            rig.env.stats.count_error(&code);
        }
        let facts = &mut rig.host.facts;
        facts.supervised = "no";
        facts.run_id = "a\"b\\c\nd".to_owned();
        facts.input_bytes_per_second = rng.below(1 << 40) as f64;
        read_page(&mut rig);
    }
}

#[test]
fn names_of_the_usual_exporter_are_spelled_as_there() {
    let page = page_of(&mut busy_replica());
    for name in [
        "redis_uptime_in_seconds",
        "redis_connected_clients",
        "redis_blocked_clients",
        "redis_memory_used_bytes",
        "redis_memory_max_bytes",
        "redis_commands_processed_total",
        "redis_connections_received_total",
        "redis_net_input_bytes_total",
        "redis_net_output_bytes_total",
        "redis_evicted_keys_total",
        "redis_expired_keys_total",
        "redis_rdb_changes_since_last_save",
        "redis_rdb_last_save_timestamp_seconds",
        "redis_aof_current_size_bytes",
        "redis_connected_slaves",
        "redis_cpu_sys_seconds_total",
        "redis_latest_fork_seconds",
        "redis_start_time_seconds",
        "redis_slowlog_length",
        "redis_slave_info",
    ] {
        assert!(page.contains(&format!("# TYPE {name} ")), "{name}");
    }
    // Syncs are counted under names that do not end in `_total` there.
    assert!(page.contains("# TYPE redis_replica_resyncs_full "));
}

#[path = "docs_tests.rs"]
mod docs;
