//! The configuration file of a Sentinel at its start: what it must be, and what is said of one that
//! is bad.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::*;

/// Starts a Sentinel that is to end by itself.
fn run(folder: &Path, args: &[&str]) -> (Output, String, String) {
    let output = Command::new(subject_path())
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

#[test]
fn a_sentinel_without_a_file_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["--sentinel"][..], &["--sentinel", "--port", "1"]] {
        let (output, out, err) = run(folder.path(), args);
        assert_eq!((output.status.code(), err.as_str()), (Some(1), ""));
        let end = "# Sentinel needs config file on disk to save state. Exiting...\n";
        assert!(out.contains(":X ") && out.ends_with(end), "{out}");
    }
    let (output, out, _) = run(folder.path(), &["none.conf", "--sentinel"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out.contains("# Fatal error, can't open config file '"),
        "{out}"
    );
}

#[test]
fn a_bad_line_is_told_with_its_place_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let text = "port 1\nsentinel auth-pass m x\nsentinel monitor m nowhere 6379 2\n";
    fs::write(folder.path().join("a.conf"), text).unwrap();
    let (output, out, err) = run(folder.path(), &["a.conf", "--sentinel"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out.ends_with("# Failed to resolve hostname 'nowhere'\n"),
        "{out}"
    );
    let start = "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\nReading the configuration file, \
                 at line 3\n>>> 'sentinel monitor m nowhere 6379 2'\n\
                 Can't resolve instance hostname.\n";
    assert!(err.starts_with(start), "{err}");
    fs::write(folder.path().join("b.conf"), "# nothing\n").unwrap();
    let args = [
        "b.conf",
        "--sentinel",
        "monitor",
        "m",
        "127.0.0.1",
        "6379",
        "0",
    ];
    let (output, _, err) = run(folder.path(), &args);
    assert_eq!(output.status.code(), Some(1));
    let end = ">>> 'sentinel \"monitor\" \"m\" \"127.0.0.1\" \"6379\" \"0\"'\n\
               Quorum must be 1 or greater.\n";
    assert!(err.ends_with(end), "{err}");
}
