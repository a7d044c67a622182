//! The port for metrics: what a scrape shows, who is served, and what nobody can hold up.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::*;

#[path = "../../src/commands/metrics/strict.rs"]
mod strict;

use strict::Read;

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A server of ours that shows metrics, and the port where it does.
fn serving(lines: &[&str]) -> (Server, u16) {
    let port = free_port();
    let options = lines
        .iter()
        .fold(Options::ours(), |o, line| o.config(*line));
    (options.config(format!("metrics-port {port}")).start(), port)
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends this, and reads until the server closes.
fn exchange(port: u16, text: &str) -> String {
    let mut stream = connect(port);
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The text of a page.
#[track_caller]
fn page(port: u16) -> String {
    let answer = exchange(port, GET);
    let (head, page) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    page.to_owned()
}

#[track_caller]
fn scrape(port: u16) -> Read {
    let text = page(port);
    strict::read(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"))
}

/// One answer of a connection that stays open.
fn next_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("Content-Length: ").nth(1).expect("a length");
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() == length {
                return text;
            }
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).expect("it goes on");
        assert!(count > 0, "closed behind {text}");
        answer.extend_from_slice(&piece[..count]);
    }
}

#[test]
fn a_scrape_shows_what_info_shows() {
    let (server, port) = serving(&[]);
    for line in [
        "SET a 1",
        "SET b 2 EX 1000",
        "GET a",
        "GET nowhere",
        "NOSUCH",
        "LPUSH a 1",
    ] {
        server.ask(line);
    }
    let read = scrape(port);
    for (metric, field) in [
        ("redis_connected_clients", "connected_clients"),
        ("redis_max_clients", "maxclients"),
        ("redis_keyspace_hits_total", "keyspace_hits"),
        ("redis_keyspace_misses_total", "keyspace_misses"),
        ("redis_total_error_replies", "total_error_replies"),
        (
            "redis_rdb_changes_since_last_save",
            "rdb_changes_since_last_save",
        ),
        ("redis_process_id", "process_id"),
        ("redis_config_maxmemory", "maxmemory"),
        ("redis_master_repl_offset", "master_repl_offset"),
        ("redis_memory_used_startup_bytes", "used_memory_startup"),
    ] {
        let shown: f64 = server.info(field).parse().unwrap();
        assert_eq!(read.value(metric, &[]), Some(shown), "{metric}");
    }
    for (metric, labels, value) in [
        ("redis_up", &[][..], 1.0),
        ("redis_commands_total", &["cmd=set"], 2.0),
        ("redis_commands_failed_calls_total", &["cmd=lpush"], 1.0),
        ("redis_commands_latencies_usec_count", &["cmd=get"], 2.0),
        ("redis_errors_total", &["err=WRONGTYPE"], 1.0),
        ("redis_db_keys", &["db=db0"], 2.0),
        ("redis_db_keys_expiring", &["db=db0"], 1.0),
    ] {
        assert_eq!(
            read.value(metric, labels),
            Some(value),
            "{metric}{labels:?}"
        );
    }
    let (info, _) = read.all("redis_instance_info")[0];
    assert_eq!(info["run_id"], server.info("run_id"));
    assert_eq!(info["tcp_port"], server.port.to_string());
    // Pages are no commands, and who asks for them is no client.
    assert_eq!(
        scrape(port).value("tanist_metrics_pages_total", &[]),
        Some(1.0)
    );
    assert_eq!(server.info("total_connections_received"), {
        let received = scrape(port).value("redis_connections_received_total", &[]);
        received.unwrap().to_string()
    });
}

#[test]
fn master_and_replica_show_each_other_and_a_failover() {
    let (master, master_page) = serving(&[]);
    let (replica, replica_page) = serving(&[]);
    follow(&replica, master.port);
    wait_link_up(&replica);
    let port = format!("master_port={}", master.port);
    let whose = ["master_host=127.0.0.1", &port[..]];
    let read = scrape(replica_page);
    assert_eq!(read.value("redis_master_link_up", &whose), Some(1.0));
    assert_eq!(
        read.value("tanist_master_sync_stage", &["stage=streaming"]),
        Some(1.0)
    );
    let became = |port, event| scrape(port).value("tanist_failover_events_total", &[event]);
    assert_eq!(became(replica_page, "event=became_replica"), Some(1.0));
    let port = format!("slave_port={}", replica.port);
    let place = ["slave_ip=127.0.0.1", &port[..]];
    wait_until("the master knows how far it is", || {
        let read = scrape(master_page);
        let labels = [place[0], place[1], "slave_state=online"];
        read.value("redis_connected_slave_lag_seconds", &labels)
            .is_some()
            && read.value("tanist_replica_lag_bytes", &place).is_some()
    });
    assert_eq!(master.ask("FAILOVER"), "OK");
    wait_link_up(&master);
    assert_eq!(became(master_page, "event=begun"), Some(1.0));
    assert_eq!(became(master_page, "event=handed_over"), Some(1.0));
    assert_eq!(became(master_page, "event=became_replica"), Some(1.0));
    assert_eq!(became(replica_page, "event=became_master"), Some(1.0));
    assert_eq!(became(replica_page, "event=given_up"), Some(0.0));
}

#[test]
fn sentinels_show_masters_and_tell_of_a_failover() {
    let plan = Plan::ours(2, 3);
    let mut group = plan
        .each_sentinel(|options| options.config(format!("metrics-port {}", free_port())))
        .start();
    let ports: Vec<u16> = group
        .sentinels
        .iter()
        .map(|sentinel| sentinel.file_number("metrics-port").expect("a port") as u16)
        .collect();
    let switches = || -> f64 {
        let event = ["event=+switch-master"];
        let count = |port: &u16| scrape(*port).value("tanist_sentinel_events_total", &event);
        ports.iter().filter_map(count).sum()
    };
    for port in &ports {
        let read = scrape(*port);
        assert_eq!(read.value("redis_sentinel_masters", &[]), Some(1.0));
        let (labels, is_well) = read.all("redis_sentinel_master_status")[0];
        assert_eq!((&labels["master_status"][..], is_well), ("ok", 1.0));
        assert_eq!(read.all("redis_sentinel_master_ok_sentinels")[0].1, 3.0);
        assert_eq!(read.all("redis_sentinel_master_ok_slaves")[0].1, 1.0);
        assert_eq!(read.all("redis_sentinel_master_ckquorum_status")[0].1, 1.0);
    }
    assert_eq!(switches(), 0.0);
    group.kill_master();
    wait_until("all have told of it", || switches() == 3.0);
}

/// Where `make test` puts a `promtool` if there is no other.
const FETCHED_PROMTOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/promtool");

/// Prometheus' own tool, told to check something; `None` where there is none.
fn promtool(checked: &str) -> Option<Command> {
    let answers = |program: &&str| {
        let mut tool = Command::new(program);
        tool.arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        tool.status().is_ok_and(|status| status.success())
    };
    let Some(program) = ["promtool", FETCHED_PROMTOOL].into_iter().find(answers) else {
        eprintln!("left out: there is no promtool (Debian: apt-get install prometheus)");
        return None;
    };
    let mut tool = Command::new(program);
    tool.args(["check", checked]);
    Some(tool)
}

#[test]
fn prometheus_takes_the_alerts_of_the_manual() {
    let Some(mut tool) = promtool("rules") else {
        return;
    };
    let manual = include_str!("../../docs/metrics.md");
    let (_, behind) = manual.split_once("## Alerts worth having").unwrap();
    let rules = behind.split("```").nth(1).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(rules.strip_prefix("yaml\n").unwrap().as_bytes())
        .unwrap();
    let output = tool.arg(file.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    assert!(said.contains("SUCCESS"), "{said}");
}

/// Names of the usual exporter that `promtool` would have otherwise. Dashboards have them.
const DISLIKED: &[&str] = &[
    "redis_aof_current_rewrite_duration_sec",
    "redis_aof_last_rewrite_duration_sec",
    "redis_current_eviction_exceeded_time_ms",
    "redis_dump_payload_sanitizations",
    "redis_eviction_exceeded_time_ms_total",
    "redis_expire_cycle_cpu_time_ms_total",
    "redis_instantaneous_eventloop_cycles_per_sec",
    "redis_instantaneous_ops_per_sec",
    "redis_io_threaded_reads_processed",
    "redis_io_threaded_writes_processed",
    "redis_memory_used_vm_total",
    "redis_migrate_cached_sockets_total",
    "redis_rdb_current_bgsave_duration_sec",
    "redis_rdb_last_bgsave_duration_sec",
    "redis_sentinel_master_setting_down_after_milliseconds",
    "redis_total_error_replies",
    "redis_total_reads_processed",
    "redis_total_writes_processed",
    "redis_unexpected_error_replies",
];

#[test]
fn prometheus_takes_the_page() {
    if promtool("metrics").is_none() {
        return;
    }
    let (master, master_page) = serving(&["latency-monitor-threshold 1"]);
    let (replica, replica_page) = serving(&["appendonly yes"]);
    follow(&replica, master.port);
    wait_link_up(&replica);
    for line in [
        "SET a 1",
        "NOSUCH",
        "DEBUG SLEEP 0.01",
        "CONFIG GET maxmemory",
    ] {
        master.ask(line);
    }
    let sentinel_page = free_port();
    let line = format!("metrics-port {sentinel_page}");
    let _sentinel = Sentinel::watching(&master, 1, &[&line]);
    for port in [master_page, replica_page, sentinel_page] {
        let mut tool = promtool("metrics").unwrap();
        tool.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut running = tool.spawn().unwrap();
        let text = page(port);
        running
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let output = running.wait_with_output().unwrap();
        // 3 says that names could be better.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            matches!(output.status.code(), Some(0 | 3)),
            "{said}\n{text}"
        );
        for complaint in said.lines() {
            let name = complaint.split(' ').next().unwrap_or_default();
            assert!(DISLIKED.contains(&name), "{complaint}");
        }
    }
}

#[test]
fn whoever_asks_otherwise_is_told_so() {
    let (server, port) = serving(&[]);
    let long = "x".repeat(9000);
    for (request, status) in [
        ("GET / HTTP/1.0\r\n\r\n", "200 OK"),
        ("GET /nowhere HTTP/1.0\r\n\r\n", "404 Not Found"),
        (
            "POST /metrics HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
            "405 Method Not Allowed",
        ),
        ("PING\r\n\r\n", "400 Bad Request"),
        (
            &format!("GET /{long} HTTP/1.0\r\n\r\n"),
            "431 Request Header Fields Too Large",
        ),
    ] {
        let answer = exchange(port, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answer}"
        );
    }
    // One byte after the other is a request, too, and so are several at once.
    let mut stream = connect(port);
    stream.set_nodelay(true).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    for byte in request.bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    assert!(next_answer(&mut stream).contains("redis_up 1"));
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).unwrap();
        assert!(next_answer(&mut stream).contains("redis_up 1"));
    }
    assert_eq!(server.ask("PING"), "PONG");
}

#[test]
fn whoever_sits_there_or_reads_nothing_keeps_nobody_out() {
    let (server, port) = serving(&["maxclients 10"]);
    assert_eq!(server.ask("PING"), "PONG");
    let idle: Vec<TcpStream> = (0..60).map(|_| connect(port)).collect();
    assert!(page(port).contains("redis_up 1"));
    let readers: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = connect(port);
            // Those who came before may have lost their places by now.
            let _ = stream.write_all(GET.repeat(20).as_bytes());
            stream
        })
        .collect();
    let read = scrape(port);
    let count = |metric| read.value(metric, &[]).unwrap();
    assert!(count("tanist_metrics_connections") <= 16.0);
    assert!(count("tanist_metrics_dropped_connections_total") >= 100.0);
    assert_eq!(
        count("redis_connected_clients"),
        server.info("connected_clients").parse::<f64>().unwrap()
    );
    assert_eq!(server.ask("CLIENT LIST").lines().count(), 1);
    // All clients that may be here are served.
    let mut clients: Vec<Conn> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("PING"), "PONG");
    }
    drop((idle, readers));
}

#[test]
fn clients_are_served_while_others_ask_for_page_after_page() {
    let (server, port) = serving(&[]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert!(page(port).ends_with('\n'));
                }
            });
        }
        for n in 0..2000 {
            assert_eq!(server.ask(&format!("SET key {n}")), "OK");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let read = scrape(port);
    assert_eq!(
        read.value("redis_commands_total", &["cmd=set"]),
        Some(2000.0)
    );
}

#[test]
fn the_port_is_set_changed_and_closed_while_the_server_runs() {
    let mut server = Server::ours(&[]);
    assert_eq!(
        server.ask("CONFIG GET metrics-*"),
        "[metrics-port 0 metrics-bind 127.0.0.1 -::1]"
    );
    let (first, second) = (free_port(), free_port());
    assert_eq!(
        server.ask(&format!("CONFIG SET metrics-port {first}")),
        "OK"
    );
    let mut kept = connect(first);
    kept.write_all(GET.replace("close", "keep-alive").as_bytes())
        .unwrap();
    assert!(next_answer(&mut kept).contains("redis_up 1"));
    let holder = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    for port in [holder.local_addr().unwrap().port(), server.port] {
        let refusal = server.ask(&format!("CONFIG SET metrics-port {port}"));
        let reason = "Unable to listen for metrics. Check server logs.";
        assert!(refusal.ends_with(reason), "{refusal}");
    }
    assert!(page(first).contains("redis_up 1"), "it is as it was");
    let words = [
        "CONFIG",
        "SET",
        "metrics-port",
        &second.to_string(),
        "metrics-bind",
        "127.0.0.2",
    ];
    assert_eq!(server.command(&words).to_string(), "OK");
    assert!(TcpStream::connect(("127.0.0.1", first)).is_err());
    assert!(TcpStream::connect(("127.0.0.1", second)).is_err());
    assert!(TcpStream::connect(("127.0.0.2", second)).is_ok());
    assert_eq!(
        kept.read(&mut [0; 10]).unwrap_or(0),
        0,
        "who came before is not served any more"
    );
    assert_eq!(server.ask("CONFIG REWRITE"), "OK");
    server.start_again();
    let words = format!("[metrics-port {second} metrics-bind 127.0.0.2]");
    assert_eq!(server.ask("CONFIG GET metrics-*"), words);
    assert!(TcpStream::connect(("127.0.0.2", second)).is_ok());
    assert_eq!(server.ask("CONFIG SET metrics-port 0"), "OK");
    assert!(TcpStream::connect(("127.0.0.2", second)).is_err());
    assert_eq!(server.ask("PING"), "PONG");
}

#[test]
fn a_port_that_is_taken_stops_the_start() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let exit = Options::ours()
        .config(format!("metrics-port {port}"))
        .start_and_fail();
    let line = format!("Failed listening on port {port} (tcp), aborting.");
    assert!(exit.log.contains(&line), "{}", exit.log);
}

#[test]
fn pages_are_shown_while_a_replica_loads() {
    let master = Server::ours(&[]);
    assert_eq!(master.ask("DEBUG POPULATE 2000"), "OK");
    let (replica, port) = serving(&["key-load-delay 100000", "repl-timeout 3600"]);
    let follow = format!("REPLICAOF 127.0.0.1 {}", master.port);
    assert_eq!(replica.ask(&follow), "OK");
    wait_until("the replica loads", || {
        scrape(port).value("redis_loading_dump_file", &[]) == Some(1.0)
    });
    let read = scrape(port);
    assert_eq!(
        read.value("tanist_master_sync_stage", &["stage=loading"]),
        Some(1.0)
    );
    assert!(read.value("redis_loading_total_bytes", &[]).unwrap() > 0.0);
    assert_eq!(replica.ask("CONFIG SET key-load-delay 0"), "OK");
    wait_link_up(&replica);
    let read = scrape(port);
    assert_eq!(read.value("redis_loading_dump_file", &[]), Some(0.0));
    assert_eq!(read.value("redis_db_keys", &["db=db0"]), Some(2000.0));
}

#[test]
fn pages_are_shown_while_a_script_runs_for_too_long() {
    let (server, port) = serving(&["busy-reply-threshold 5"]);
    let mut kept = connect(port);
    kept.write_all(GET.replace("close", "keep-alive").as_bytes())
        .unwrap();
    next_answer(&mut kept);
    let mut runs = server.connect();
    runs.send(&encode(&["EVAL", "while true do end", "0"]));
    // The first scrape may come before the script; later ones do not.
    for _ in 0..20 {
        assert!(page(port).contains("redis_up 1"));
        kept.write_all(GET.replace("close", "keep-alive").as_bytes())
            .unwrap();
        assert!(next_answer(&mut kept).contains("redis_up 1"));
    }
    assert!(server.ask("GET a").contains("BUSY"), "the script runs");
    assert!(scrape(port).value("redis_up", &[]) == Some(1.0));
    assert_eq!(server.ask("SCRIPT KILL"), "OK");
}

#[test]
fn what_many_clients_take_is_told_as_of_the_last_second() {
    let (server, port) = serving(&[]);
    let told = || scrape(port).value("redis_mem_clients_normal", &[]).unwrap();
    // What each takes by itself, which is always told as it is.
    let taken = || -> f64 {
        let list = server.ask("CLIENT LIST");
        let sizes = list
            .split_ascii_whitespace()
            .filter_map(|word| word.strip_prefix("tot-mem="));
        sizes.map(|size| size.parse::<f64>().unwrap()).sum()
    };
    for _ in 0..2 {
        let mut clients: Vec<Conn> = (0..1100).map(|_| server.connect()).collect();
        for client in &mut clients {
            assert_eq!(client.ask("PING"), "PONG");
        }
        // With so many a sum is kept, to which each adds when it is looked at. What those of before
        // took would double it.
        wait_until("all are counted, and nobody else", || {
            (0.7..1.3).contains(&(told() / taken()))
        });
        drop(clients);
        wait_until("all are gone", || server.info("connected_clients") == "1");
    }
}
