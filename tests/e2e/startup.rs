//! From where a server is started, and where it puts its things.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::*;

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(subject_path());
    command.current_dir(folder).args(args).stdin(Stdio::null());
    command
}

/// Starts a server that is expected to serve.
fn start(mut command: Command, port: u16) -> Process {
    let mut started = Process(command.stdout(Stdio::null()).spawn().unwrap());
    wait_until("the server answers", || {
        assert_eq!(started.0.try_wait().unwrap(), None, "it has ended");
        Conn::to(port).is_ok()
    });
    started
}

fn run(folder: &Path, args: &[&str]) -> (Output, String, String) {
    let output = command(folder, args).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, out, err)
}

/// Two folders: the one of the start, and the one that `dir` names.
fn two_folders() -> (tempfile::TempDir, tempfile::TempDir) {
    (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap())
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |e: fs::DirEntry| e.file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(|e| name(e.unwrap())).collect();
    names.sort();
    names
}

#[test]
fn relative_places_are_below_dir_wherever_it_stands() {
    for dir_comes_last in [false, true] {
        let (folder, home) = two_folders();
        let port = free_port();
        let places = "logfile own.log\npidfile own.pid\nunixsocket own.sock\n";
        let dir = format!("dir {}\n", home.path().display());
        let (first, last) = if dir_comes_last {
            (places, &*dir)
        } else {
            (&*dir, places)
        };
        let config = format!("{first}port {port}\nsave \"\"\n{last}");
        fs::write(folder.path().join("own.conf"), config).unwrap();
        let _server = start(command(folder.path(), &["own.conf"]), port);
        let mut conn = Conn::to(port).unwrap();
        assert_eq!(conn.ask("SAVE"), "OK");
        assert_eq!(names_in(folder.path()), ["own.conf"]);
        assert_eq!(
            names_in(home.path()),
            ["dump.rdb", "own.log", "own.pid", "own.sock"]
        );
        let log = fs::read_to_string(home.path().join("own.log")).unwrap();
        for part in [
            "is starting oO0",
            "Configuration loaded",
            "DB saved on disk",
        ] {
            assert!(log.contains(part), "no {part:?} in\n{log}");
        }
    }
}

#[test]
fn the_log_follows_a_folder_that_is_set_later() {
    let (folder, home) = two_folders();
    let port = free_port();
    let config = format!("port {port}\nlogfile own.log\nenable-protected-configs yes\n");
    fs::write(folder.path().join("own.conf"), config).unwrap();
    let _server = start(command(folder.path(), &["own.conf"]), port);
    let mut conn = Conn::to(port).unwrap();
    let reply = conn.ask(&format!("CONFIG SET dir {}", home.path().display()));
    assert_eq!(reply, "OK");
    assert_eq!(conn.ask("SAVE"), "OK");
    let read = |folder: &Path| fs::read_to_string(folder.join("own.log")).unwrap();
    assert!(!read(folder.path()).contains("DB saved on disk"));
    assert!(read(home.path()).contains("DB saved on disk"));
}

#[test]
fn the_folder_of_the_start_need_not_be_writable() {
    let (folder, home) = two_folders();
    let port = free_port().to_string();
    // Neither the folder of the binary nor a folder of ours need be open to a stranger.
    let program = home.path().join("program");
    // Copied by a process of its own: a file that another test's fork holds open for writing
    // cannot be executed.
    let copied = Command::new("cp")
        .arg(subject_path())
        .arg(&program)
        .status();
    assert!(copied.unwrap().success());
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let dir = home.path().to_str().unwrap();
    let args = ["--port", &port, "--logfile", "own.log", "--dir", dir];
    let mut command = Command::new(program);
    command.current_dir(folder.path()).args(args);
    // SAFETY: the call reads the process's own identity.
    if unsafe { libc::geteuid() } == 0 {
        // Nothing is closed to root.
        command.uid(65_534);
    }
    let _server = start(command, port.parse().unwrap());
    assert!(home.path().join("own.log").exists());
}

#[test]
fn the_folder_of_the_start_need_not_exist_any_more() {
    let (folder, home) = two_folders();
    let port = free_port();
    let script = format!(
        "mkdir gone && cd gone && rmdir ../gone && exec {} --port {port} --dir {}",
        subject_path().display(),
        home.path().display()
    );
    let mut command = Command::new("sh");
    command.current_dir(folder.path()).args(["-c", &script]);
    let _server = start(command, port);
    let mut conn = Conn::to(port).unwrap();
    assert_eq!(conn.ask("SAVE"), "OK");
    assert_eq!(names_in(home.path()), ["dump.rdb"]);
}

#[test]
fn a_server_that_is_restarted_finds_its_configuration_again() {
    let (folder, home) = two_folders();
    let port = free_port();
    let dir = home.path().display();
    let config = format!("port {port}\ndir {dir}\nenable-debug-command yes\nmaxclients 77\n");
    fs::write(folder.path().join("own.conf"), config).unwrap();
    let _server = start(command(folder.path(), &["own.conf"]), port);
    let mut conn = Conn::to(port).unwrap();
    let before = info_field(&conn.ask("INFO server"), "run_id");
    conn.send(b"DEBUG RESTART\r\n");
    wait_until("it is there again", || {
        let mut conn = match Conn::to(port) {
            Ok(conn) => conn,
            Err(_) => return false,
        };
        let words = ["INFO", "server"];
        let info = conn.try_command(&words).map(|info| info.to_string());
        info.is_ok_and(|info| info_field(&info, "run_id") != before)
    });
    let mut conn = Conn::to(port).unwrap();
    assert_eq!(conn.ask("CONFIG GET maxclients"), "[maxclients 77]");
}

#[test]
fn a_log_file_that_cannot_be_opened_refuses_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (output, out, err) = run(folder.path(), &["--logfile", "no/own.log"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n\
                    Can't open the log file: No such file or directory\n";
    assert_eq!((out.as_str(), err.as_str()), ("", expected));
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (output, out, err) = run(folder.path(), &["no.conf"]);
    assert_eq!(output.status.code(), Some(1));
    let path = folder.path().join("no.conf");
    let expected = format!(
        "# Fatal error, can't open config file '{}': No such file or directory\n",
        path.display()
    );
    assert!(out.ends_with(&expected) && out.contains(":C "), "{out}");
    assert_eq!(err, "");
}
