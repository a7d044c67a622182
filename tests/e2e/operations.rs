//! What an operator sees: log lines, pid files, sockets, signals, INFO.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use crate::harness::*;

#[test]
fn log_lines_have_the_pid_the_role_the_time_and_the_level() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    master.wait_log("Ready to accept connections");
    for (server, role) in [(&master, 'M'), (&replica, 'S')] {
        let log = server.log();
        let start = format!("{}:{role} ", server.pid());
        let line = log.lines().rfind(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("no line of role {role}\n{log}"));
        let words: Vec<&str> = line.split(' ').collect();
        let [_, day, _month, year, time, level, ..] = words[..] else {
            panic!("{line}")
        };
        assert_eq!(
            (day.len(), year.len(), time.len()),
            (2, 4, "00:00:00.000".len()),
            "{line}"
        );
        assert!([".", "-", "*", "#"].contains(&level), "{line}");
    }
}

#[test]
fn a_daemon_detaches_writes_its_pid_and_logs_to_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _end = ShutAtEnd(port);
    let path = |name: &str| folder.path().join(name);
    let settings = format!(
        "port {port}\ndaemonize yes\npidfile {}\nlogfile {}\ndir {}\nsave 3600 1\n\
         dbfilename own.rdb\n",
        path("own.pid").display(),
        path("own.log").display(),
        folder.path().display()
    );
    fs::write(path("own.conf"), settings).unwrap();
    let started = Command::new(subject_path())
        .arg(path("own.conf"))
        .output()
        .unwrap();
    assert!(started.status.success(), "{started:?}");
    wait_until("it listens", || Conn::to(port).is_ok());
    let mut conn = Conn::to(port).unwrap();
    assert_eq!(conn.ask("SET a 1"), "OK");
    let pid = fs::read_to_string(path("own.pid")).unwrap();
    assert_eq!(
        info_field(&conn.ask("INFO server"), "process_id"),
        pid.trim()
    );
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap();
    let session = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .nth(3)
        .unwrap()
        .to_owned();
    assert_eq!(session, pid.trim(), "it leads a session of its own");
    conn.send(b"SHUTDOWN\r\n");
    conn.read_to_close();
    wait_until("the pid file is gone", || !path("own.pid").exists());
    assert!(path("own.rdb").exists());
    let log = fs::read_to_string(path("own.log")).unwrap();
    assert!(log.contains("Ready to accept connections"), "{log}");
}

#[test]
fn a_unix_socket_serves_with_the_permissions_asked_for() {
    let options = Options::ours()
        .config("unixsocket own.sock")
        .config("unixsocketperm 700");
    let mut server = options.start();
    let metadata = fs::metadata(server.path("own.sock")).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    let mut stream = UnixStream::connect(server.path("own.sock")).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
    server.terminate();
    assert!(!server.path("own.sock").exists());
}

#[test]
fn several_addresses_are_bound_and_optional_ones_may_be_missing() {
    let server = Server::ours(&["bind 127.0.0.1 -::1 -192.0.2.77"]);
    assert_eq!(server.ask("PING"), "PONG");
    let exit = Options::ours().config("bind 192.0.2.77").start_and_fail();
    assert_eq!(exit.code(), 1);
    assert!(
        exit.log
            .contains("Could not create server TCP listening socket"),
        "{}",
        exit.log
    );
}

#[test]
fn a_port_in_use_stops_the_start() {
    let first = Server::ours(&[]);
    let options = Options::ours().config(format!("port {}", first.port));
    let exit = options.start_and_fail();
    assert_eq!(exit.code(), 1);
    for part in ["Address already in use", "Failed listening on port"] {
        assert!(exit.log.contains(part), "no {part:?} in\n{}", exit.log);
    }
}

#[test]
fn a_second_sigint_ends_at_once() {
    let mut server = Server::ours(&["save 3600 1"]);
    server.ask("SET a 1");
    server.signal(libc::SIGINT);
    let exit = server.wait_exit();
    assert!(
        exit.log.contains("Received SIGINT scheduling shutdown..."),
        "{}",
        exit.log
    );
    assert_eq!(exit.code(), 0);
    // While a shutdown waits for a replica that lags, the second signal does not ask.
    server.start_again();
    let replica = Server::ours(&[]);
    follow(&replica, server.port);
    replica.freeze();
    server.ask("SET b 1");
    server.signal(libc::SIGINT);
    server.wait_log("Waiting for replicas before shutting down");
    server.signal(libc::SIGINT);
    assert_eq!(server.wait_exit().code(), 1);
    server.wait_log("You insist... exiting now.");
    replica.thaw();
}

#[test]
fn a_second_sigint_breaks_a_final_save_off() {
    let mut server = Server::ours(&["save 3600 1"]);
    server.ask("DEBUG POPULATE 100");
    server.ask("CONFIG SET rdb-key-save-delay 100000");
    server.signal(libc::SIGINT);
    let temporary = server.path(&format!("temp-{}.rdb", server.pid()));
    wait_until("it saves", || temporary.exists());
    server.signal(libc::SIGINT);
    let exit = server.wait_exit();
    assert_eq!(exit.code(), 1);
    assert!(exit.log.contains("You insist..."), "{}", exit.log);
    assert!(!temporary.exists() && !server.path("dump.rdb").exists());
}

#[test]
fn what_a_signal_asked_for_can_be_aborted_before_it_is_begun() {
    let server = Server::ours(&[]);
    assert_eq!(server.ask("DEBUG PAUSE-CRON 1"), "OK");
    server.signal(libc::SIGTERM);
    server.wait_log("Received SIGTERM scheduling shutdown...");
    assert_eq!(server.ask("SHUTDOWN ABORT"), "OK");
    assert_eq!(server.ask("DEBUG PAUSE-CRON 0"), "OK");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.ask("PING"), "PONG");
}

#[test]
fn a_pause_holds_back_no_command_that_is_refused_for_its_words() {
    let server = Server::ours(&[]);
    assert_eq!(server.ask("CLIENT PAUSE 100000 WRITE"), "OK");
    let refusal = "-ERR wrong number of arguments for 'set' command";
    assert_eq!(server.ask("SET a"), refusal);
}

/// A master with a write that its frozen replica does not acknowledge.
fn a_master_and_a_replica_that_lags(config: &[&str]) -> (Server, Server) {
    let master = Server::ours(config);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    replica.freeze();
    master.ask("SET a 1");
    (master, replica)
}

#[test]
fn a_shutdown_waits_for_replicas_that_lag() {
    let (mut master, replica) = a_master_and_a_replica_that_lags(&["shutdown-timeout 60"]);
    assert!(!master.ask("INFO server").contains("shutdown_in"));
    master.signal(libc::SIGTERM);
    wait_until("it waits", || {
        master.info_number("shutdown_in_milliseconds") > 50_000
    });
    replica.thaw();
    let exit = master.wait_exit();
    assert_eq!(exit.code(), 0);
    assert!(exit.log.contains("1 of 1 replicas are in sync when"));
    assert!(!exit.log.contains("Lagging replica"));
    assert_eq!(replica.ask("GET a"), "1");
}

#[test]
fn a_shutdown_says_whom_it_did_not_wait_for_any_longer() {
    let (mut master, replica) = a_master_and_a_replica_that_lags(&["shutdown-timeout 1"]);
    assert_eq!(master.shutdown("").code(), 0);
    let name = format!("Lagging replica 127.0.0.1:{} reported offset", replica.port);
    for text in [&name, "state=online.", "0 of 1 replicas are in sync"] {
        master.wait_log(text);
    }
    replica.thaw();
}

#[test]
fn clients_that_wait_for_a_shutdown_are_told_when_it_is_called_off() {
    let (master, replica) = a_master_and_a_replica_that_lags(&["save 3600 1"]);
    let ask_to_leave = |behind: &str| {
        let mut client = master.connect();
        client.send(format!("SHUTDOWN\r\n{behind}\r\n").as_bytes());
        client
    };
    let mut waiting = [ask_to_leave("PING"), ask_to_leave("INCR n")];
    wait_until("both wait", || master.info("blocked_clients") == "2");
    assert_eq!(master.ask("CLIENT UNPAUSE"), "OK");
    let mut writer = master.connect();
    writer.send(b"SET b 1\r\n");
    wait_until("it is held back", || master.info("blocked_clients") == "3");
    assert_eq!(master.ask("SHUTDOWN ABORT"), "OK");
    assert_eq!(
        master.ask("SHUTDOWN ABORT"),
        "-ERR No shutdown in progress."
    );
    for (client, behind) in waiting.iter_mut().zip(["PONG", "1"]) {
        for expected in ["-ERR Errors trying to SHUTDOWN. Check logs.", behind] {
            assert_eq!(client.read_value().unwrap().to_string(), expected);
        }
    }
    assert_eq!(writer.read_value().unwrap().to_string(), "OK");
    replica.thaw();
}

#[test]
fn strangers_from_afar_are_kept_out_in_protected_mode() {
    // Without a password or a bind address only the loopback is served.
    let address = Command::new("hostname").arg("-I").output().unwrap().stdout;
    let address = String::from_utf8_lossy(&address).into_owned();
    let Some(address) = address.split_whitespace().find(|a| a.contains('.')) else {
        return;
    };
    let server = Server::ours(&["bind * -::*"]);
    let connect = || {
        let stream = std::net::TcpStream::connect((address, server.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let mut reply = String::new();
    connect().read_to_string(&mut reply).unwrap();
    assert!(
        reply.starts_with("-DENIED Redis is running in protected mode"),
        "{reply}"
    );
    server.ask("CONFIG SET protected-mode no");
    let mut stream = connect();
    stream.write_all(b"PING\r\n").unwrap();
    let mut pong = [0; 7];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"+PONG\r\n");
}

#[test]
fn info_shows_true_figures() {
    let server = Server::ours(&[]);
    let field = |name: &str| server.info_number(name);
    assert_eq!(server.info("redis_version"), "7.2.4");
    assert_eq!(server.info("redis_mode"), "standalone");
    assert_eq!(field("tcp_port"), i64::from(server.port));
    assert_eq!(field("process_id"), i64::from(server.pid()));
    assert_eq!(field("connected_clients"), 1);
    let before = field("used_memory");
    server
        .connect()
        .command(&["SET", "big", &"x".repeat(10_000_000)]);
    let grown = field("used_memory") - before;
    assert!(
        (9_900_000..14_000_000).contains(&grown),
        "used_memory grew by {grown}"
    );
    assert!(field("used_memory_rss") > 1_000_000);
    assert!(field("used_memory_peak") >= field("used_memory"));
    for _ in 0..10 {
        server.ask("GET big-but-missing");
    }
    server.ask("GET big");
    server.ask("LPUSH");
    assert_eq!(field("keyspace_hits"), 1);
    assert_eq!(field("keyspace_misses"), 10);
    assert!(server.info("cmdstat_get").starts_with("calls=11,usec="));
    assert!(
        server
            .info("latency_percentiles_usec_get")
            .starts_with("p50=")
    );
    assert_eq!(server.info("db0"), "keys=1,expires=0,avg_ttl=0");
    assert!(field("total_commands_processed") > 10);
    assert!(field("total_net_input_bytes") > 10_000_000);
    assert!(field("total_net_output_bytes") > 10_000_000);
    assert!(server.info("used_cpu_user").parse::<f64>().unwrap() >= 0.0);
    let sections = server.ask("INFO");
    for title in [
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
    ] {
        assert!(
            sections.contains(&format!("# {title}\r\n")),
            "no section {title}"
        );
    }
}

#[test]
fn client_list_shows_who_is_connected_and_kill_ends_them() {
    let server = Server::ours(&[]);
    let mut one = server.connect();
    assert_eq!(one.ask("CLIENT SETNAME one"), "OK");
    let id = one.call("CLIENT ID").int();
    let list = server.ask("CLIENT LIST");
    let line = list
        .lines()
        .find(|l| l.contains("name=one"))
        .unwrap_or_else(|| panic!("{list}"));
    assert!(
        line.starts_with(&format!("id={id} addr=127.0.0.1:")),
        "{line}"
    );
    assert!(line.contains(" cmd=client|id "), "{line}");
    assert_eq!(server.ask(&format!("CLIENT KILL ID {id}")), "1");
    assert_eq!(one.read_to_close(), b"");
    assert_eq!(server.ask("CLIENT KILL ID 999999"), "0");
}

#[test]
fn a_crash_leaves_a_report_in_the_log() {
    let mut server = Server::ours(&[]);
    server.connect().send(b"DEBUG PANIC\r\n");
    let exit = server.wait_exit();
    assert_ne!(exit.code(), 0);
    for part in [
        "BUG REPORT START",
        "Last command begun: debug",
        "tanist::",
        "repl-diskless-sync yes",
        "BUG REPORT END",
    ] {
        assert!(exit.log.contains(part), "no {part:?} in\n{}", exit.log);
    }
    assert!(!exit.log.contains("crashed by signal"), "{}", exit.log);
}

#[test]
fn a_lack_of_memory_leaves_a_report_in_the_log() {
    let mut server = Server::ours(&[]);
    server.connect().send(b"DEBUG OOM\r\n");
    let exit = server.wait_exit();
    assert_eq!(exit.code(), 128 + libc::SIGABRT);
    for part in ["BUG REPORT START", "(SIGABRT)", "Last command begun: debug"] {
        assert!(exit.log.contains(part), "no {part:?} in\n{}", exit.log);
    }
}

#[test]
fn a_bad_access_leaves_a_report_in_the_log_file() {
    let mut server = Server::ours(&["logfile crash.log"]);
    server.connect().send(b"DEBUG SEGFAULT\r\n");
    assert_eq!(server.wait_exit().code(), 128 + libc::SIGSEGV);
    let log = std::fs::read_to_string(server.path("crash.log")).unwrap();
    for part in [
        "BUG REPORT START",
        "crashed by signal: 11 (SIGSEGV)",
        "Accessing address: 0x8",
        "Last command begun: debug",
        "STACK TRACE",
        "tanist::",
        "BUG REPORT END",
    ] {
        assert!(log.contains(part), "no {part:?} in\n{log}");
    }
}

#[test]
fn crash_reports_can_be_switched_off_and_on() {
    for (at_start, then, reports) in [("yes", "no", false), ("no", "yes", true)] {
        let mut server = Server::ours(&[&format!("crash-log-enabled {at_start}")]);
        assert_eq!(
            server.ask(&format!("CONFIG SET crash-log-enabled {then}")),
            "OK"
        );
        server.signal(libc::SIGABRT);
        let exit = server.wait_exit();
        assert_eq!(exit.code(), 128 + libc::SIGABRT);
        let reported = exit.log.contains("crashed by signal: 6 (SIGABRT)");
        assert_eq!(reported, reports, "{}", exit.log);
    }
}
