//! Every way of calling the binary: what it says on which stream, and its exit code.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::*;

/// What a call that ends by itself leaves behind.
#[derive(PartialEq, Eq, Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

fn call_as(name: &str, args: &[&str], folder: &Path) -> Ended {
    let output = Command::new(subject_path())
        .arg0(name)
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn call(args: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    call_as("redis-server", args, folder.path())
}

/// Starts a server with these arguments and asks it; `{port}` stands for a free port.
fn serve(args: &[&str], questions: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let args = args.iter().map(|a| a.replace("{port}", &port.to_string()));
    let args: Vec<String> = args.collect();
    fs::write(
        folder.path().join("a.conf"),
        format!("port {port}\nhz 20\n"),
    )
    .unwrap();
    let child = Command::new(subject_path())
        .arg0("redis-server")
        .args(&args)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Process(child);
    wait_until(&format!("a server with {args:?} answers"), || {
        assert_eq!(child.0.try_wait().unwrap(), None, "{args:?}: it has ended");
        Conn::to(port).is_ok()
    });
    let mut conn = Conn::to(port).unwrap();
    for (question, answer) in questions {
        assert_eq!(conn.ask(question), *answer, "{args:?}: {question}");
    }
}

#[test]
fn the_version_is_one_line_wherever_it_is_asked_for_first() {
    for args in [
        &["-v"][..],
        &["--version"],
        &["--version", "x"],
        &["-v", "--port", "1"],
    ] {
        let ended = call(args);
        assert_eq!((ended.code, &*ended.err), (0, ""), "{args:?}");
        let out = ended.out;
        assert!(
            out.starts_with("Redis server v=7.2.4 sha=00000000:0 malloc=jemalloc-5."),
            "{out}"
        );
        assert!(
            out.contains(" bits=64 build=") && out.ends_with('\n'),
            "{out}"
        );
        assert_eq!(out.lines().count(), 1);
    }
}

#[test]
fn the_usage_goes_to_standard_error_and_is_no_success() {
    for args in [
        &["-h"][..],
        &["--help"],
        &["-h", "x"],
        &["--help", "x", "y"],
    ] {
        let ended = call(args);
        assert_eq!((ended.code, &*ended.out), (1, ""), "{args:?}");
        assert!(ended.err.starts_with("Usage: "), "{}", ended.err);
        for option in ["--version", "--test-memory", "--check-system", "--sentinel"] {
            assert!(ended.err.contains(option), "no {option} in\n{}", ended.err);
        }
    }
}

#[test]
fn memory_is_tested_by_the_megabyte() {
    let ended = call(&["--test-memory", "2", "3"]);
    assert_eq!((ended.code, &*ended.err), (0, ""));
    assert_eq!(ended.out.matches("Pass ").count(), 3, "{}", ended.out);
    assert!(ended.out.contains("\nYour memory passed this test.\n"));
    for args in [
        &["--test-memory"][..],
        &["--test-memory", "0"],
        &["--test-memory", "1", "2", "3"],
    ] {
        let ended = call(args);
        assert_eq!((ended.code, &*ended.out), (1, ""), "{args:?}");
        let start = "Please specify the amount of memory to test in megabytes.\nExample: ";
        assert!(ended.err.starts_with(start), "{}", ended.err);
    }
}

#[test]
fn a_system_check_has_a_line_for_each_check() {
    let ended = call(&["--check-system", "x"]);
    assert_eq!(ended.err, "");
    for name in ["slow-clocksource", "xen-clocksource", "overcommit", "THP"] {
        let line = ended
            .out
            .lines()
            .find(|l| l.starts_with(&format!("[{name}]...")));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{}", ended.out));
        let verdict = line.split("]...").nth(1).unwrap();
        assert!(["OK", "skipped", "WARNING:"].contains(&verdict), "{line}");
    }
    let expected = i32::from(ended.out.contains("WARNING:"));
    assert_eq!(ended.code, expected);
}

#[test]
fn what_is_no_option_is_a_directive_and_a_wrong_one_is_shown() {
    let unknown = "Bad directive or wrong number of arguments";
    let number = "wrong number of arguments";
    let cases: &[(&[&str], u32, &str, &str)] = &[
        (&["--foo"], 2, "foo", unknown),
        (&["--foo", "bar"], 2, "foo \"bar\"", unknown),
        (&["-x"], 2, "\"-x\"", unknown),
        (&["-hv"], 2, "\"-hv\"", unknown),
        (&["--v"], 2, "v", unknown),
        (&["--version=1"], 2, "version=1", unknown),
        (&["--port=7777"], 2, "port=7777", unknown),
        (&["--", "a"], 2, "\"a\"", unknown),
        (&["--port"], 2, "port", number),
        (&["--port", "7777", ""], 2, "port \"7777\" \"\"", number),
        (&["--port", "7777", "-h"], 2, "port \"7777\" \"-h\"", number),
        (&["--port", "7777", "--version"], 3, "version", unknown),
        (
            &["--port", "7777", "-", "--hz", "1"],
            2,
            "port \"7777\" \"-\"",
            number,
        ),
        (&["--port", "7777", "--unixsocket"], 3, "unixsocket", number),
        (
            &["--port", "7 7"],
            2,
            "port \"7 7\"",
            "argument couldn't be parsed into an integer",
        ),
        (
            &["--daemonize", "--port"],
            2,
            "daemonize \"--port\"",
            "argument must be 'yes' or 'no'",
        ),
        (
            &["--dir", "/no/such"],
            2,
            "dir \"/no/such\"",
            "No such file or directory",
        ),
    ];
    for (args, line, text, reason) in cases {
        let expected = Ended {
            code: 1,
            out: String::new(),
            err: format!(
                "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\nReading the configuration file, \
                 at line {line}\n>>> '{text}'\n{reason}\n"
            ),
        };
        assert_eq!(call(args), expected, "{args:?}");
    }
}

#[test]
fn a_configuration_file_and_options_make_a_configuration() {
    serve(
        &[
            "a.conf",
            "--hz",
            "33",
            "--maxclients 77",
            "--requirepass",
            "a \"b",
        ],
        &[
            (
                "AUTH x",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            ("CONFIG GET hz", "-NOAUTH Authentication required."),
        ],
    );
    serve(
        &[
            "--port {port}",
            "--bind",
            "127.0.0.1",
            "-::1",
            "--save",
            "--LOGLEVEL",
            "verbose",
        ],
        &[
            ("CONFIG GET bind", "[bind 127.0.0.1 -::1]"),
            ("CONFIG GET save", "[save ]"),
            ("CONFIG GET loglevel", "[loglevel verbose]"),
        ],
    );
    serve(
        &["a.conf", "--logfile", "--x", "-"],
        &[("CONFIG GET hz", "[hz 20]")],
    );
}

#[test]
fn nobody_to_serve_is_a_failure_told_in_the_log() {
    let ended = call(&["--port", "0"]);
    assert_eq!((ended.code, &*ended.err), (1, ""));
    let end = "# Configured to not listen anywhere, exiting.\n";
    assert!(ended.out.ends_with(end), "{}", ended.out);
    assert!(ended.out.contains(":M "), "{}", ended.out);
}

#[test]
fn a_unix_socket_alone_serves() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(subject_path())
        .args(["--port", "0", "--unixsocket", "s.sock"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _process = Process(child);
    let path = folder.path().join("s.sock");
    let connect = || std::os::unix::net::UnixStream::connect(&path).is_ok();
    wait_until("it can be reached", connect);
}

#[test]
fn more_of_the_configuration_comes_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let text = folder.path().join("text");
    let port = free_port();
    fs::write(&text, format!("port {port}\nlogfile own.log\n")).unwrap();
    let child = Command::new(subject_path())
        .args(["-", "--hz", "44"])
        .current_dir(folder.path())
        .stdin(fs::File::open(&text).unwrap())
        .stdout(log)
        .spawn()
        .unwrap();
    let _process = Process(child);
    wait_until("it answers", || Conn::to(port).is_ok());
    assert_eq!(Conn::to(port).unwrap().ask("CONFIG GET hz"), "[hz 44]");
    // That line comes before anybody knows where lines are to go.
    let said = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(said.ends_with(" * Reading config from stdin\n"), "{said}");
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn the_list_of_processes_shows_the_name_that_was_called_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let child = Command::new(subject_path())
        .arg0("./own-name")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--enable-debug-command", "yes"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child);
    let run_id = || {
        let info = Conn::to(port).ok()?.try_command(&["INFO", "server"]).ok()?;
        Some(info_field(&info.to_string(), "run_id"))
    };
    let expect_title = || {
        let title = fs::read(format!("/proc/{}/cmdline", process.0.id())).unwrap();
        let title = String::from_utf8_lossy(&title).into_owned();
        let shown = title.trim_end_matches('\0');
        assert_eq!(shown, format!("./own-name 127.0.0.1:{port}"));
    };
    wait_until("it answers", || run_id().is_some());
    expect_title();
    let before = run_id();
    Conn::to(port).unwrap().send(b"DEBUG RESTART\r\n");
    wait_until("it is there again", || {
        run_id().is_some_and(|id| Some(id) != before)
    });
    expect_title();
}

#[test]
fn the_checker_of_snapshot_files_takes_one_word() {
    let folder = tempfile::tempdir().unwrap();
    let check = |args: &[&str]| call_as("/x/redis-check-rdb", args, folder.path());
    for word in ["-v", "--version"] {
        let ended = check(&[word]);
        assert_eq!((ended.code, &*ended.out), (0, "redis-check-rdb 7.2.4\n"));
    }
    for args in [&[][..], &["a", "b"], &["-v", "a"]] {
        let expected = Ended {
            code: 1,
            out: String::new(),
            err: "Usage: /x/redis-check-rdb <rdb-file-name>\n".to_owned(),
        };
        assert_eq!(check(args), expected, "{args:?}");
    }
    for word in ["no.rdb", "-h", "--help"] {
        let expected = Ended {
            code: 1,
            out: format!("[offset 0] Checking RDB file {word}\n"),
            err: String::new(),
        };
        assert_eq!(check(&[word]), expected);
    }
}

#[test]
fn the_checker_of_append_only_files_knows_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let check = |args: &[&str]| call_as("redis-check-aof", args, folder.path());
    for args in [&[][..], &["a", "b"], &["--fux", "a"]] {
        let ended = check(args);
        assert_eq!((ended.code, &*ended.err), (1, ""));
        assert!(
            ended.out.starts_with("Usage: redis-check-aof [--fix|"),
            "{}",
            ended.out
        );
    }
    let ended = check(&["--truncate-to-timestamp", "1x", "a"]);
    assert_eq!(
        (ended.code, &*ended.out),
        (1, "Invalid timestamp, aborting...\n")
    );
    for args in [
        &["a"][..],
        &["--fix", "a"],
        &["--truncate-to-timestamp", "1", "a"],
    ] {
        let expected = Ended {
            code: 1,
            out: "Cannot open file a: No such file or directory\n".to_owned(),
            err: String::new(),
        };
        assert_eq!(check(args), expected, "{args:?}");
    }
}
