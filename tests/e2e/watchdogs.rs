//! What watches over the process: the watch on the loop, and the test of the memory after a crash.

use crate::harness::*;

const EXPIRED: &str = "--- WATCHDOG TIMER EXPIRED ---";

#[test]
fn a_loop_that_is_held_up_shows_where_it_stands_while_somebody_watches() {
    let server = Server::ours(&["logfile server.log"]);
    let log = || std::fs::read_to_string(server.path("server.log")).unwrap();
    assert_eq!(server.ask("DEBUG SLEEP 1.5"), "OK");
    assert!(!log().contains(EXPIRED), "nobody watches yet");

    assert_eq!(server.ask("CONFIG SET watchdog-period 1000"), "OK");
    for times in 1..3 {
        assert_eq!(server.ask("DEBUG SLEEP 1.5"), "OK");
        assert_eq!(log().matches(EXPIRED).count(), times, "{}", log());
    }
    let log_then = log();
    let start = format!("{}:signal-handler (", server.pid());
    for part in [
        &format!(") \n{EXPIRED}\n"),
        "Last command begun: debug",
        "------ STACK TRACE ------\nEIP:\n",
        "\n\nBacktrace:\n",
        "redis-server",
        ") --------\n\n",
    ] {
        assert!(log_then.contains(part), "no {part:?} in\n{log_then}");
    }
    assert_eq!(log_then.matches(&start).count(), 4, "{log_then}");

    assert_eq!(server.ask("CONFIG SET watchdog-period 0"), "OK");
    assert_eq!(server.ask("DEBUG SLEEP 1.5"), "OK");
    assert_eq!(log(), log_then, "nobody watches any more");
}

#[test]
fn a_loop_that_is_only_idle_or_busy_is_left_alone() {
    let server = Server::ours(&["logfile server.log", "watchdog-period 1000"]);
    let mut conn = server.connect();
    let started = std::time::Instant::now();
    while started.elapsed().as_secs() < 1 {
        assert_eq!(conn.ask("PING"), "PONG");
    }
    assert_eq!(server.ask("DEBUG SLEEP 1.5"), "OK");
    let log = std::fs::read_to_string(server.path("server.log")).unwrap();
    assert_eq!(log.matches(EXPIRED).count(), 1, "once, in the sleep\n{log}");
}

#[test]
fn a_watch_is_as_long_as_two_rounds_of_periodic_work_and_hidden() {
    for server in [Server::ours(&[]), Server::stock(&[])] {
        let period = || server.ask("CONFIG GET watchdog-period");
        for (set, got) in [("1", 200), ("199", 200), ("201", 201), ("0", 0)] {
            let reply = server.ask(&format!("CONFIG SET watchdog-period {set}"));
            assert_eq!(reply, "OK");
            assert_eq!(period(), format!("[watchdog-period {got}]"));
        }
        assert_eq!(server.ask("CONFIG SET hz 100"), "OK");
        assert_eq!(server.ask("CONFIG SET watchdog-period 1"), "OK");
        assert_eq!(period(), "[watchdog-period 20]");
        assert!(!server.ask("CONFIG GET watch*").contains("watchdog-period"));
        let refused = server.ask("CONFIG SET watchdog-period -1");
        assert!(refused.contains("argument must be between 0 and 2147483647 inclusive"));
    }
}

#[test]
fn the_memory_is_tested_after_a_crash_unless_that_is_switched_off() {
    let passed = "Fast memory test PASSED, however your memory can still be broken. Please run a \
                  memory test for several hours if possible.";
    for (at_start, then, tested) in [
        ("yes", None, true),
        ("no", None, false),
        ("no", Some("yes"), true),
        ("yes", Some("no"), false),
    ] {
        for crash in ["DEBUG SEGFAULT", "DEBUG PANIC"] {
            let mut server = Server::ours(&[
                "logfile crash.log",
                &format!("crash-memcheck-enabled {at_start}"),
            ]);
            if let Some(then) = then {
                let reply = server.ask(&format!("CONFIG SET crash-memcheck-enabled {then}"));
                assert_eq!(reply, "OK");
            }
            server.ask("DEBUG POPULATE 100000");
            server.connect().send(format!("{crash}\r\n").as_bytes());
            assert_ne!(server.wait_exit().code(), 0);
            let log = std::fs::read_to_string(server.path("crash.log")).unwrap();
            assert!(log.contains("BUG REPORT END"), "{log}");
            for part in ["\n------ FAST MEMORY TEST ------\n*** Preparing", passed] {
                assert_eq!(log.contains(part), tested, "{at_start}, {then:?}:\n{log}");
            }
        }
    }
}
