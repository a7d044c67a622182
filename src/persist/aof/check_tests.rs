//! Reports on files in a temporary folder, line by line.

use std::fs;

use super::*;
use crate::resp::args::encode_command;
use crate::sys::disk::OsDisk;

/// A snapshot of nothing, without a checksum.
const SNAPSHOT: &[u8] = b"REDIS0011\xff\0\0\0\0\0\0\0\0";
const MANIFEST: &[u8] = b"file a.1.base.aof seq 1 type b\n\
    file a.1.incr.aof seq 1 type i\n\
    file a.2.incr.aof seq 2 type i\n";

fn commands(commands: &[&[&[u8]]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for command in commands {
        encode_command(command, &mut bytes);
    }
    bytes
}

fn ping() -> Vec<u8> {
    commands(&[&[b"PING"]])
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, bytes) in files {
            fs::write(folder.0.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    /// Checks a file; returns whether all is well, and the report with `@` for the folder.
    fn check_answering(&self, name: &str, mode: Mode, answer: &[u8]) -> (bool, String) {
        let folder = self.0.path().to_str().unwrap();
        let mut out = Vec::new();
        let mut checker = Checker {
            disk: &mut OsDisk,
            out: &mut out,
            answers: answer,
            log_prefix: "LOG ".to_owned(),
            now_ms: 0,
        };
        let path = format!("{folder}/{name}");
        let is_well = checker.check(path.as_bytes(), mode).unwrap();
        let text = String::from_utf8_lossy(&out).replace(folder, "@");
        (is_well, text)
    }

    fn check(&self, name: &str, mode: Mode) -> (bool, String) {
        self.check_answering(name, mode, b"")
    }
}

#[track_caller]
fn expect_report((is_well, report): (bool, String), expected_well: bool, lines: &[&str]) {
    let report: Vec<_> = report.split_terminator('\n').collect();
    assert_eq!(report, lines);
    assert_eq!(is_well, expected_well);
}

#[test]
fn an_old_file_is_walked_through_to_its_end() {
    let folder = Folder::new(&[("a", &[&b"#TS:1\r\n"[..], &ping()].concat()), ("b", b"")]);
    expect_report(
        folder.check("a", Mode::Report),
        true,
        &[
            "Start checking Old-Style AOF",
            "AOF analyzed: filename=@/a, size=21, ok_up_to=21, ok_up_to_line=4, diff=0",
            "AOF @/a is valid",
        ],
    );
    expect_report(
        folder.check("b", Mode::Report),
        true,
        &["Start checking Old-Style AOF", "AOF @/b is empty"],
    );
    expect_report(
        folder.check("c", Mode::Report),
        false,
        &["Cannot open file @/c: No such file or directory"],
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let multi = commands(&[&[b"MULTI"]]);
    let exec = commands(&[&[b"exec"]]);
    // What stands behind a whole command of 14 bytes and three lines; how the report tells of it;
    // lines that were read.
    let cases: &[(&[u8], &str, u64)] = &[
        (
            b"*1\r\n$",
            "0x              12: Expected \\r\\n, got: 0000",
            5,
        ),
        (
            b"*1\r\n$4\r\nPI",
            "0x              16: Expected to read 6 bytes, got 2 bytes",
            6,
        ),
        (
            b"*1\r\n$1\r\nx\x80\xff",
            "0x              16: Expected \\r\\n, got: ffffff80ffffffff",
            6,
        ),
        (
            b"*1\r\n:1\r\n",
            "0x              12: Expected prefix '$', got: ':'",
            5,
        ),
        (
            b"*1\r\n\0",
            "0x              12: Expected prefix '$', got: '",
            5,
        ),
        (
            b"*1\r\n$-1\r\n",
            "0x              12: Expected to read string of -1 bytes, which is not in the \
             suitable range",
            6,
        ),
        (
            b"*1\n$1\r\n",
            "0x               e: Expected \\r\\n, got: 0a00",
            4,
        ),
        (b"SET a b\r\n", "AOF @/a format error", 4),
        (
            &multi,
            "0x              16: Reached EOF before reading EXEC for MULTI",
            7,
        ),
        (
            &[&multi[..], &multi].concat(),
            "0x              25: Unexpected MULTI in AOF @/a",
            10,
        ),
        (&exec, "0x              16: Unexpected EXEC in AOF @/a", 7),
    ];
    for (bytes, line, lines) in cases {
        let bytes = [&ping()[..], bytes].concat();
        let size = bytes.len();
        let folder = Folder::new(&[("a", &bytes)]);
        let rest = size - 14;
        expect_report(
            folder.check("a", Mode::Report),
            false,
            &[
                "Start checking Old-Style AOF",
                line,
                &format!(
                    "AOF analyzed: filename=@/a, size={size}, ok_up_to=14, \
                     ok_up_to_line={lines}, diff={rest}"
                ),
                "AOF @/a is not valid. Use the --fix option to try fixing it.",
            ],
        );
        assert_eq!(folder.get("a"), bytes, "it was left as it is");
    }
}

#[test]
fn a_checker_takes_what_no_loader_takes() {
    let bytes = b"*0\r\n*-1\r\n#no end";
    let folder = Folder::new(&[("a", bytes)]);
    let (is_well, report) = folder.check("a", Mode::Report);
    assert!(
        is_well && report.ends_with("ok_up_to_line=3, diff=0\nAOF @/a is valid\n"),
        "{report}"
    );
}

#[test]
fn the_end_is_cut_off_when_the_operator_says_yes() {
    let bytes = [&ping()[..], b"*1\r\n"].concat();
    for (answer, cut) in [
        (&b"y\n"[..], true),
        (b"Yes", true),
        (b"n\n", false),
        (b"\n", false),
        (b"", false),
    ] {
        let folder = Folder::new(&[("a", &bytes)]);
        let mut lines = vec![
            "Start checking Old-Style AOF",
            "AOF analyzed: filename=@/a, size=18, ok_up_to=14, ok_up_to_line=5, diff=4",
            "This will shrink the AOF @/a from 18 bytes, with 4 bytes, to 14 bytes",
        ];
        lines.push(if cut {
            "Continue? [y/N]: Successfully truncated AOF @/a"
        } else {
            "Continue? [y/N]: Aborting..."
        });
        expect_report(folder.check_answering("a", Mode::Fix, answer), cut, &lines);
        assert_eq!(folder.get("a").len(), if cut { 14 } else { 18 });
    }
}

#[test]
fn a_manifest_has_all_its_files_checked() {
    let folder = Folder::new(&[
        ("m", MANIFEST),
        ("a.1.base.aof", SNAPSHOT),
        ("a.1.incr.aof", b""),
        ("a.2.incr.aof", &ping()),
    ]);
    expect_report(
        folder.check("m", Mode::Report),
        true,
        &[
            "Start checking Multi Part AOF",
            "Start to check BASE AOF (RDB format).",
            "[offset 0] Checking RDB file @/a.1.base.aof",
            "[offset 18] RDB file was saved with checksum disabled: no check performed.",
            "[offset 18] \\o/ RDB looks OK! \\o/",
            "[info] 0 keys read",
            "[info] 0 expires",
            "[info] 0 already expired",
            "RDB preamble is OK, proceeding with AOF tail...",
            "AOF analyzed: filename=a.1.base.aof, size=18, ok_up_to=18, ok_up_to_line=1, diff=0",
            "BASE AOF a.1.base.aof is valid",
            "Start to check INCR files.",
            "INCR AOF a.1.incr.aof is empty",
            "AOF analyzed: filename=a.2.incr.aof, size=14, ok_up_to=14, ok_up_to_line=4, diff=0",
            "INCR AOF a.2.incr.aof is valid",
            "All AOF files and manifest are valid",
        ],
    );
    fs::remove_file(folder.0.path().join("a.2.incr.aof")).unwrap();
    let (is_well, report) = folder.check("m", Mode::Report);
    let last = "Cannot open file @/a.2.incr.aof: No such file or directory, aborting...\n";
    assert!(!is_well && report.ends_with(last), "{report}");
    assert!(!folder.0.path().join("a.2.incr.aof").exists());
}

#[test]
fn only_the_last_file_is_ever_cut() {
    let torn = [&b"#TS:5\r\n"[..], &ping(), b"#TS:50\r\n*1\r\n"].concat();
    let folder = Folder::new(&[
        ("m", MANIFEST),
        ("a.1.base.aof", &ping()),
        ("a.1.incr.aof", &torn),
        ("a.2.incr.aof", &torn),
    ]);
    let (is_well, report) = folder.check_answering("m", Mode::Fix, b"y");
    let last = "Failed to truncate AOF a.1.incr.aof because it is not the last file\n";
    assert!(!is_well && report.ends_with(last), "{report}");
    let (is_well, report) = folder.check("m", Mode::CutAfter(49));
    let last = "Failed to truncate AOF @/a.1.incr.aof to timestamp 49 to offset 21 because it is \
                not the last file.\n\
                If you insist, please delete all files after this file according to the manifest \
                file and delete the corresponding records in manifest file manually. Then re-run \
                redis-check-aof.\n";
    assert!(!is_well && report.ends_with(last), "{report}");
    assert_eq!(folder.get("a.1.incr.aof"), torn);
    assert_eq!(folder.get("a.2.incr.aof"), torn);

    fs::write(folder.0.path().join("a.1.incr.aof"), ping()).unwrap();
    let (is_well, report) = folder.check("m", Mode::CutAfter(49));
    let last = "Successfully truncated AOF a.2.incr.aof to timestamp 49\n\
                All AOF files and manifest are valid\n";
    assert!(is_well && report.ends_with(last), "{report}");
    assert_eq!(folder.get("a.2.incr.aof"), torn[..21]);
}

#[test]
fn a_file_is_cut_in_front_of_the_first_later_time() {
    let bytes = [&b"#TS:10\r\n"[..], &ping(), b"#TS:20\r\n", &ping()].concat();
    // The time; how the report ends; how much of the file is left.
    let cases = [
        (
            9,
            "AOF @/a has nothing before timestamp 9, aborting...\n",
            44,
        ),
        (10, "Successfully truncated AOF @/a to timestamp 10\n", 22),
        (
            20,
            "Truncate nothing in AOF @/a to timestamp 20\nAOF @/a is valid\n",
            44,
        ),
        (0, "ok_up_to_line=7, diff=0\nAOF @/a is valid\n", 44),
        (
            -1,
            "AOF @/a has nothing before timestamp -1, aborting...\n",
            44,
        ),
    ];
    for (seconds, end, left) in cases {
        let folder = Folder::new(&[("a", &bytes)]);
        let (_, report) = folder.check("a", Mode::CutAfter(seconds));
        assert!(report.ends_with(end), "{seconds}: {report}");
        assert_eq!(folder.get("a").len(), left, "{seconds}");
    }
    for comment in ["#TS:1x\r\n", "#TS:1", "#TS:9223372036854775808\r\n"] {
        let folder = Folder::new(&[("a", comment.as_bytes())]);
        let (is_well, report) = folder.check("a", Mode::CutAfter(5));
        let end = "Invalid timestamp annotation\n";
        assert!(!is_well && report.ends_with(end), "{report}");
        assert!(folder.check("a", Mode::Report).0);
    }
}

#[test]
fn a_manifest_that_cannot_be_understood_is_told_of_as_in_the_log() {
    let folder = Folder::new(&[("m", b"file a seq 1 type x\n")]);
    expect_report(
        folder.check("m", Mode::Report),
        false,
        &[
            "Start checking Multi Part AOF",
            "LOG ",
            "*** FATAL AOF MANIFEST FILE ERROR ***",
            "",
            "LOG Reading the manifest file, at line 1",
            "",
            "LOG >>> 'file a seq 1 type x'",
            "",
            "LOG Unknown AOF file type",
            "",
        ],
    );
}

#[test]
fn a_file_is_what_it_begins_with() {
    let value = commands(&[&[b"SET", b"file", b"x"]]);
    let is = |bytes: &[u8]| match see(bytes, bytes.len() as u64, true).unwrap() {
        Sight::Manifest => "manifest",
        Sight::Snapshot => "snapshot",
        Sight::Commands => "commands",
    };
    assert_eq!(is(MANIFEST), "manifest");
    assert_eq!(is(b"# x\n\nfile"), "manifest");
    assert_eq!(is(SNAPSHOT), "snapshot");
    assert_eq!(is(b"VALKEY080"), "snapshot");
    assert_eq!(is(b"REDIS"), "commands");
    assert_eq!(is(&value), "commands");
    assert_eq!(is(&[b"#TS:1\r\n", &value[..]].concat()), "commands");
    assert_eq!(is(&[b"x\n", &value[..]].concat()), "manifest");
}

#[test]
fn the_folder_of_a_file_is_in_front_of_its_last_slash() {
    for (path, folder) in [
        ("a", "."),
        ("a/b", "a"),
        ("a//b", "a"),
        ("/a", "/"),
        ("/a/b/c", "/a/b"),
    ] {
        assert_eq!(folder_of(path.as_bytes()), folder.as_bytes(), "{path}");
    }
}
