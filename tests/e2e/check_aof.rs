//! `redis-check-aof`: ours and Debian's are shown the same files, and must say the same, end with
//! the same code, and leave the same files behind.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::*;

const MANIFEST: &str = "appendonly.aof.manifest";

/// Files by name.
type Files = BTreeMap<String, Vec<u8>>;

/// What a call leaves behind.
#[derive(PartialEq, Eq, Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
    files: Files,
}

fn read_files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Runs the checker of a binary in a new folder with these files.
fn check_with(binary: PathBuf, files: &Files, args: &[&str], answer: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut child = Command::new(binary)
        .arg0("redis-check-aof")
        .args(args)
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not ask may be gone before the answer comes.
    let _ = child.stdin.take().unwrap().write_all(answer.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        out: comparable(&String::from_utf8_lossy(&output.stdout)),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        files: read_files(folder.path()),
    }
}

/// A report without what is never the same: the process and the time in front of a message of the
/// log, and the byte behind the end of a torn line, which the reference takes from its stack. Nor
/// with the folder of a snapshot, which Redis 7.0 does not show yet.
fn comparable(report: &str) -> String {
    let lines = report.split('\n').map(|line| {
        if let Some((start, _)) = line.split_once("Expected \\r\\n, got: 00") {
            return format!("{start}Expected \\r\\n, got: 00..");
        }
        match line.split_once(" # ") {
            Some((start, message)) if start.contains(":C ") => format!("LOG {message}"),
            _ => line.replace("Checking RDB file ./", "Checking RDB file "),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Both must do the same; what that is.
#[track_caller]
fn expect_same(files: &Files, args: &[&str], answer: &str) -> Ended {
    let expected = check_with(stock_path(), files, args, answer);
    let ended = check_with(subject_path(), files, args, answer);
    if ended != expected {
        for (name, bytes) in files {
            eprintln!("{name}: {}", bytes.escape_ascii());
        }
        eprintln!("expected:\n{}\ngot:\n{}", expected.out, ended.out);
        panic!("{args:?}: {:?} instead of {:?}", ended.code, expected.code);
    }
    ended
}

fn one(name: &str, bytes: &[u8]) -> Files {
    Files::from([(name.to_owned(), bytes.to_vec())])
}

fn command(words: &str) -> Vec<u8> {
    encode(&words.split(' ').collect::<Vec<_>>())
}

/// Commands of all kinds, with times.
fn log() -> Vec<u8> {
    [
        command("SELECT 0"),
        b"#TS:100\r\n".to_vec(),
        command("SET key value-of-some-length"),
        command("MULTI"),
        command("INCR n"),
        command("exec"),
        b"#TS:200\r\n".to_vec(),
        command("RPUSH list a b c d e f g h i j k l"),
        b"#something else\r\n".to_vec(),
        b"#TS:300\r\n".to_vec(),
        command("DEL key"),
    ]
    .concat()
}

/// The files of a stock server that has run with the append-only file on and was rewritten once.
fn files_of_stock(preamble: &str) -> Files {
    let mut server = Options::stock()
        .config("appendonly yes")
        .config("aof-timestamp-enabled yes")
        .config(format!("aof-use-rdb-preamble {preamble}"))
        .start();
    for line in [
        "SET a 1",
        "RPUSH list a b c",
        "HSET hash f v",
        "XADD s 1-1 a b",
    ] {
        server.ask(line);
    }
    server.ask("BGREWRITEAOF");
    wait_until("it is rewritten", || {
        server.info_number("aof_rewrite_in_progress") == 0
            && server.info_number("aof_rewrite_scheduled") == 0
    });
    let mut conn = server.connect();
    for line in ["MULTI", "SET b 2", "INCR b", "EXEC", "LPUSH list x"] {
        conn.ask(line);
    }
    server.shutdown("NOSAVE");
    read_files(&server.path("appendonlydir"))
}

fn increment_of(files: &Files) -> String {
    let mut names = files.keys().filter(|name| name.ends_with(".incr.aof"));
    names.next().unwrap().clone()
}

#[test]
fn files_of_a_stock_server_are_found_valid() {
    for preamble in ["yes", "no"] {
        let files = files_of_stock(preamble);
        for args in [&[MANIFEST][..], &["--fix", MANIFEST]] {
            let ended = expect_same(&files, args, "");
            assert_eq!(ended.code, Some(0));
            assert!(
                ended
                    .out
                    .ends_with("All AOF files and manifest are valid\n")
            );
        }
        for name in files.keys() {
            expect_same(&files, &[name], "");
        }
    }
}

#[test]
fn a_log_cut_anywhere_is_reported_and_mended_alike() {
    let log = log();
    for cut in 0..=log.len() {
        let files = one("a.aof", &log[..cut]);
        expect_same(&files, &["a.aof"], "");
        expect_same(&files, &["--fix", "a.aof"], "y\n");
        if cut % 3 == 0 {
            expect_same(&files, &["--truncate-to-timestamp", "200", "a.aof"], "");
        }
    }
}

#[test]
fn an_increment_cut_anywhere_is_mended_and_then_valid() {
    let mut files = files_of_stock("yes");
    let name = increment_of(&files);
    let whole = files[&name].clone();
    for cut in 0..whole.len() {
        files.insert(name.clone(), whole[..cut].to_vec());
        let mended = expect_same(&files, &["--fix", MANIFEST], "y\n");
        assert_eq!(mended.code, Some(0), "{}", mended.out);
        if cut % 10 == 0 {
            let again = expect_same(&mended.files, &[MANIFEST], "");
            assert_eq!(again.code, Some(0), "{}", again.out);
        }
    }
}

#[test]
fn damage_before_the_last_file_is_refused() {
    let mut files = files_of_stock("no");
    let name = increment_of(&files);
    let text = String::from_utf8(files[MANIFEST].clone()).unwrap();
    let more = format!("{text}file more.aof seq 1000 type i\n");
    files.insert(MANIFEST.to_owned(), more.into_bytes());
    let torn = &log()[..150];
    let late = [command("PING"), b"#TS:99999999999\r\n".to_vec()].concat();
    for last in [torn, &late, b"", &log()] {
        files.insert("more.aof".to_owned(), last.to_vec());
        for first in [torn, &late, b"", &log()] {
            files.insert(name.clone(), first.to_vec());
            expect_same(&files, &[MANIFEST], "");
            expect_same(&files, &["--fix", MANIFEST], "y");
            expect_same(
                &files,
                &["--truncate-to-timestamp", "9999999999", MANIFEST],
                "",
            );
        }
    }
    for name in files.clone().into_keys() {
        let mut fewer = files.clone();
        fewer.remove(&name);
        assert_eq!(expect_same(&fewer, &[MANIFEST], "").code, Some(1));
    }
}

#[test]
fn a_snapshot_in_front_of_commands_is_checked_first() {
    let files = files_of_stock("yes");
    let (_, base) = files
        .iter()
        .find(|(name, _)| name.contains(".base."))
        .unwrap();
    for behind in [&b""[..], &log(), &log()[..200], b"x"] {
        let files = one("a.aof", &[&base[..], behind].concat());
        for args in [&["a.aof"][..], &["--fix", "a.aof"]] {
            expect_same(&files, args, "y");
        }
    }
    let mut damaged = base.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let ended = expect_same(&one("a.aof", &damaged), &["--fix", "a.aof"], "y");
    assert!(ended.out.contains("RDB preamble of AOF file is not sane"));
}

#[test]
fn whatever_the_operator_answers_is_understood_alike() {
    let files = one("a.aof", &log()[..100]);
    for (answer, code) in [("y", 0), ("Yes\n", 0), ("n\n", 1), ("\ny\n", 1), ("", 1)] {
        let ended = expect_same(&files, &["--fix", "a.aof"], answer);
        assert_eq!(ended.code, Some(code), "{answer:?}");
    }
}

#[test]
fn a_time_is_read_alike_wherever_it_stands() {
    for seconds in [
        "0", "99", "100", "250", "300", "-1", "1x", "x", "+200", " 200", "9e9",
    ] {
        let args = ["--truncate-to-timestamp", seconds, "a.aof"];
        expect_same(&one("a.aof", &log()), &args, "");
    }
    for comment in [
        "#TS:x\r\n",
        "#TS:\r\n",
        "#TS:5",
        "#TS:5\n",
        "#TS: 7\r\n",
        "#ts:9\r\n",
    ] {
        let bytes = [
            command("PING"),
            comment.as_bytes().to_vec(),
            command("PING"),
        ]
        .concat();
        expect_same(
            &one("a.aof", &bytes),
            &["--truncate-to-timestamp", "6", "a.aof"],
            "",
        );
        expect_same(&one("a.aof", &bytes), &["a.aof"], "");
    }
}

#[test]
fn manifests_that_make_no_sense_are_refused_alike() {
    let files = files_of_stock("no");
    let manifest = String::from_utf8(files[MANIFEST].clone()).unwrap();
    let long = format!("file {} seq 1 type b\n", "a".repeat(1100));
    for text in [
        &format!("#{manifest}{manifest}"),
        &format!("\n{manifest}"),
        manifest.trim_end(),
        &manifest.repeat(2),
        &manifest.replace(" type i", " type i note \"a b\""),
        &long,
        "file a/b seq 1 type b\n",
        "file a seq 0 type b\n",
        "file a seq 1 type x\n",
        "file 'a seq 1 type b\n",
        "file a seq 1\n",
        "file a seq 2 type i\nfile b seq 2 type i\n",
        "file a seq 1 type h\n",
        "#x\n \nfile \"\\xff\" seq 1 type b",
    ] {
        let mut files = files.clone();
        files.insert(MANIFEST.to_owned(), text.as_bytes().to_vec());
        expect_same(&files, &[MANIFEST], "");
    }
}

#[test]
fn flipped_bytes_are_found_alike() {
    let (mut rng, _) = Rng::from_env();
    let files = files_of_stock("no");
    let log = log();
    for round in 0..300 {
        let (name, bytes) = match round % 3 {
            0 => ("a.aof", &log),
            1 => (MANIFEST, &files[MANIFEST]),
            _ => ("increment", &files[&increment_of(&files)]),
        };
        let mut bytes = bytes.clone();
        for _ in 0..=rng.below(2) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << rng.below(8);
        }
        let mut files = files.clone();
        files.insert(name.to_owned(), bytes);
        let fix = ["--fix", name];
        expect_same(&files, if round % 2 == 0 { &fix } else { &fix[1..] }, "y");
    }
}

#[test]
fn a_log_whose_value_begins_like_a_manifest_is_no_manifest() {
    let bytes = command("SET key file");
    let ended = check_with(subject_path(), &one("a.aof", &bytes), &["a.aof"], "");
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.ends_with("AOF a.aof is valid\n"), "{}", ended.out);
}
