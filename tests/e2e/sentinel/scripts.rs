//! Scripts that are told of events and failovers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::*;

/// A folder with a script in it and what the script writes.
struct Script {
    folder: tempfile::TempDir,
}

impl Script {
    /// Notes its arguments, one line a run, and goes on with these commands.
    fn new(commands: &str) -> Script {
        let folder = tempfile::tempdir().unwrap();
        let script = Script { folder };
        let text = format!(
            "#!/bin/sh\ncd {} || exit 99\necho \"$@\" >> said\n{commands}\n",
            script.folder.path().display()
        );
        // Written by a process of its own: a file that another test's fork holds open for writing
        // cannot be executed.
        fs::write(script.file("source"), text).unwrap();
        let source = script.file("source");
        let copied = Command::new("cp").args([&source, &script.path()]).status();
        assert!(copied.unwrap().success());
        set_mode(&script.path(), 0o755);
        script
    }

    fn path(&self) -> PathBuf {
        self.file("script")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn said(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file("said")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn wait_said(&self, line: &str) {
        wait_for(
            &format!("the script is told {line:?}"),
            || self.said().contains(&line.to_owned()).then_some(()),
            || format!("{:#?}", self.said()),
        );
    }

    fn notification(&self) -> String {
        format!(
            "sentinel notification-script {MASTER} {}",
            self.path().display()
        )
    }

    fn reconfiguration(&self) -> String {
        format!(
            "sentinel client-reconfig-script {MASTER} {}",
            self.path().display()
        )
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What waits or runs: the fields of each job, and its arguments.
fn pending(sentinel: &Sentinel) -> Vec<Fields> {
    let reply = sentinel.call("SENTINEL PENDING-SCRIPTS");
    reply.items().iter().map(Fields::of).collect()
}

#[track_caller]
fn wait_idle(sentinel: &Sentinel) {
    wait_for(
        "no script is left",
        || pending(sentinel).is_empty().then_some(()),
        || format!("{:?}\n{}", pending(sentinel), sentinel.log_tail()),
    );
}

#[test]
fn scripts_are_told_of_events_and_of_the_new_address() {
    let (notified, moved) = (Script::new(""), Script::new(""));
    let mut group = Plan::ours(2, 3)
        .line(notified.notification())
        .line(moved.reconfiguration())
        .start();
    let old = group.servers[0].port;
    let master = group.sentinels[0].master();
    assert_eq!(
        master.get("notification-script"),
        notified.path().to_str().unwrap()
    );
    assert_eq!(
        master.get("client-reconfig-script"),
        moved.path().to_str().unwrap()
    );
    notified.wait_said(&format!(
        "+monitor master {MASTER} 127.0.0.1 {old} quorum 2"
    ));
    let new = group.kill_master();
    for line in [
        format!("+sdown master {MASTER} 127.0.0.1 {old}"),
        format!("+elected-leader master {MASTER} 127.0.0.1 {old}"),
        format!("+switch-master {MASTER} 127.0.0.1 {old} 127.0.0.1 {new}"),
    ] {
        notified.wait_said(&line);
    }
    let told = |role| format!("{MASTER} {role} start 127.0.0.1 {old} 127.0.0.1 {new}");
    wait_until("every sentinel has run the script", || {
        moved.said().len() == 3
    });
    let mut said = moved.said();
    said.sort();
    assert_eq!(said, [told("leader"), told("observer"), told("observer")]);
    // What is a mere notice runs no script.
    assert!(
        !notified
            .said()
            .iter()
            .any(|line| line.starts_with("+slave "))
    );
    group.sentinels.iter().for_each(wait_idle);
    group.settle();
}

#[test]
fn a_script_that_asks_for_it_is_run_again_up_to_ten_times() {
    let script = Script::new("exit 1");
    let master = Server::ours(&[]);
    let sentinel = Sentinel::watching(&master, 1, &[]);
    let set = format!(
        "SENTINEL SET {MASTER} notification-script {}",
        script.path().display()
    );
    let denied = "-ERR Reconfiguration of scripts path is denied for security reasons. Check the \
                  deny-scripts-reconfig configuration directive in your Sentinel configuration";
    assert_eq!(sentinel.ask(&set), denied);
    let monitor = format!("sentinel monitor {MASTER} 127.0.0.1 {} 1", master.port);
    let options = Make::Ours.sentinel().config(monitor);
    let sentinel = Sentinel::start(options.config("sentinel deny-scripts-reconfig no"));
    assert_eq!(
        sentinel.ask("SENTINEL DEBUG script-retry-delay 60000"),
        "OK"
    );
    assert_eq!(sentinel.ask(&set), "OK");
    let waiting = wait_for(
        "the script waits to be run again",
        || {
            pending(&sentinel)
                .into_iter()
                .find(|job| job.get("flags") == "scheduled" && job.get("retry-num") == "1")
        },
        || format!("{:?}", pending(&sentinel)),
    );
    assert_eq!(
        waiting.names(),
        ["argv", "flags", "pid", "run-delay", "retry-num"]
    );
    let argv = format!(
        "[{0} +set master {MASTER} 127.0.0.1 {1} notification-script {0}]",
        script.path().display(),
        master.port,
    );
    assert_eq!(waiting.get("argv"), argv);
    assert_eq!(waiting.get("pid"), "0");
    assert!(
        (1..=60_000).contains(&waiting.number("run-delay")),
        "{waiting:?}"
    );
    assert_eq!(sentinel.event_count("-script-error"), 0);
    assert_eq!(sentinel.ask("SENTINEL DEBUG script-retry-delay 1"), "OK");
    assert_eq!(
        sentinel.ask(&format!("SENTINEL SET {MASTER} quorum 2")),
        "OK"
    );
    let failed = format!("-script-error {} 0 1", script.path().display());
    sentinel.wait_event(&failed);
    let said = script.said();
    let of_second = said.iter().filter(|line| line.ends_with("quorum 2"));
    assert_eq!(of_second.count(), 10, "{said:#?}");
}

#[test]
fn a_script_that_fails_for_good_is_not_run_again() {
    let script = Script::new("exit 2");
    let master = Server::ours(&[]);
    let sentinel = Sentinel::watching(&master, 1, &[&script.notification()]);
    sentinel.wait_event(&format!("-script-error {} 0 2", script.path().display()));
    wait_idle(&sentinel);
    assert_eq!(script.said().len(), 1);
}

#[test]
fn a_script_that_takes_too_long_is_killed_and_run_again() {
    let script = Script::new("[ -e waits ] && exit 0\n: > waits\nexec sleep 1000");
    let master = Server::ours(&[]);
    let sentinel = Sentinel::watching(&master, 1, &[&script.notification()]);
    assert_eq!(
        sentinel.ask("SENTINEL DEBUG script-max-runtime 300 script-retry-delay 1"),
        "OK"
    );
    let running = wait_for(
        "the script runs",
        || {
            pending(&sentinel)
                .into_iter()
                .find(|job| job.get("flags") == "running")
        },
        || sentinel.log_tail(),
    );
    assert_eq!(
        running.names(),
        ["argv", "flags", "pid", "run-time", "retry-num"]
    );
    assert!(running.number("pid") > 0);
    let killed = sentinel.wait_event(&format!("-script-timeout {} ", script.path().display()));
    assert_eq!(killed.rsplit(' ').next(), Some(running.get("pid")));
    wait_idle(&sentinel);
    assert_eq!(script.said().len(), 2);
    assert_eq!(sentinel.event_count("-script-error"), 0);
}

#[test]
fn sixteen_scripts_run_at_once_and_the_oldest_of_too_many_are_dropped() {
    let script = Script::new(": < gate");
    let gate = script.file("gate");
    assert!(
        Command::new("mkfifo")
            .arg(&gate)
            .status()
            .unwrap()
            .success()
    );
    let master = Server::ours(&[]);
    let sentinel = Sentinel::watching(&master, 1, &[&script.notification()]);
    let mut conn = sentinel.connect();
    for quorum in 1..=300 {
        conn.send(&encode(&[
            "SENTINEL",
            "SET",
            MASTER,
            "quorum",
            &quorum.to_string(),
        ]));
    }
    for _ in 1..=300 {
        assert_eq!(conn.read_value().unwrap().to_string(), "OK");
    }
    wait_until("as many run as may", || {
        sentinel.info("sentinel_running_scripts") == "16"
    });
    assert_eq!(sentinel.info("sentinel_scripts_queue_length"), "256");
    let jobs = pending(&sentinel);
    assert_eq!(jobs.len(), 256);
    let running = jobs.iter().filter(|job| job.get("flags") == "running");
    assert_eq!(running.count(), 16);
    let last = jobs.last().unwrap().get("argv").to_owned();
    assert!(last.ends_with(" quorum 300]"), "{last}");
    // Opened for both, it lets every reader through.
    let _open = fs::File::options()
        .read(true)
        .write(true)
        .open(&gate)
        .unwrap();
    wait_idle(&sentinel);
    script.wait_said(&format!(
        "+set master {MASTER} 127.0.0.1 {} quorum 300",
        master.port
    ));
}

#[test]
fn a_script_that_cannot_be_run_stops_the_start() {
    let script = Script::new("");
    set_mode(&script.path(), 0o644);
    let master = Server::ours(&[]);
    let monitor = format!("sentinel monitor {MASTER} 127.0.0.1 {} 1", master.port);
    let cases = [
        (
            script.notification(),
            "Notification script seems non existing or non executable.",
        ),
        (
            script.reconfiguration(),
            "Client reconfiguration script seems non existing or non executable.",
        ),
        (
            format!("sentinel notification-script {MASTER} /no/such"),
            "Notification script seems non existing or non executable.",
        ),
    ];
    for (line, reason) in cases {
        let options = Make::Ours.sentinel().config(&monitor).config(&line);
        let exit = options.start_and_fail();
        assert_eq!(exit.code(), 1, "{}", exit.log);
        assert!(
            exit.log.contains("*** FATAL CONFIG FILE ERROR (Redis "),
            "{}",
            exit.log
        );
        assert!(
            exit.log.contains(&format!(">>> '{line}'\n{reason}\n")),
            "{}",
            exit.log
        );
    }
}
