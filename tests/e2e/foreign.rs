//! Snapshots of newer servers: what has a counterpart here is loaded, the rest refused or left out.

use std::process::Command;

use crate::harness::*;
use crate::hostile::{FakeMaster, until_psync};

/// In which format a snapshot is.
#[derive(Clone, Copy)]
enum Format {
    /// Of Redis 7.4.
    Redis12,
    /// Of Valkey 9.
    Valkey80,
}

/// A string as it stands in a snapshot.
fn string(text: &str) -> Vec<u8> {
    assert!(text.len() < 64);
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// A hash of one field; `expires` says whether the field does, in a far future.
fn hash(format: Format, key: &str, expires: bool) -> Vec<u8> {
    const FAR_MS: i64 = 4_000_000_000_000;
    let (key, field, value) = (string(key), string("field"), string("value"));
    match format {
        Format::Redis12 => {
            let earliest = if expires { FAR_MS } else { 0 };
            let head = [
                &[24],
                &key[..],
                &earliest.to_le_bytes(),
                &[1, u8::from(expires)],
            ];
            [&head.concat()[..], &field, &value].concat()
        }
        Format::Valkey80 => {
            let expiry = if expires { FAR_MS } else { -1 };
            let parts = [&[22], &key[..], &[1], &field, &value, &expiry.to_le_bytes()];
            parts.concat()
        }
    }
}

/// A snapshot with a string, a hash, and with `timed` another one whose field expires; without a
/// checksum.
fn snapshot(format: Format, timed: bool) -> Vec<u8> {
    let header: &[u8] = match format {
        Format::Redis12 => b"REDIS0012",
        Format::Valkey80 => b"VALKEY080",
    };
    let text = [&[0], &string("text")[..], &string("hello")].concat();
    let timed = match timed {
        true => hash(format, "timed", true),
        false => Vec::new(),
    };
    let plain = hash(format, "plain", false);
    let end = [0xff, 0, 0, 0, 0, 0, 0, 0, 0];
    [header, &[0xfe, 0], &text, &timed, &plain, &end].concat()
}

fn server_with(file: &[u8], config: &[&str]) -> Server {
    let mut options = Options::ours();
    for line in config {
        options = options.config(*line);
    }
    let server = Server::prepare(options);
    std::fs::write(server.path("dump.rdb"), file).expect("a file");
    server
}

fn expect_text_and_hash(server: &Server) {
    assert_eq!(server.ask("GET text"), "hello");
    assert_eq!(server.ask("HGET plain field"), "value");
    assert_eq!(server.ask("OBJECT ENCODING plain"), "listpack");
    assert_eq!(server.ask("DBSIZE"), "2");
}

#[test]
fn a_snapshot_of_a_newer_server_is_loaded_at_the_start() {
    for format in [Format::Redis12, Format::Valkey80] {
        let mut server = server_with(&snapshot(format, false), &[]);
        assert!(server.start_or_exit().is_none());
        expect_text_and_hash(&server);
        // What is written is what Redis 7.2 reads.
        assert_eq!(server.ask("SAVE"), "OK");
        let written = std::fs::read(server.path("dump.rdb")).expect("a file");
        assert!(written.starts_with(b"REDIS0011"));
    }
}

#[test]
fn what_has_no_counterpart_stops_the_start_or_is_left_out_as_told() {
    for format in [Format::Redis12, Format::Valkey80] {
        let file = snapshot(format, true);
        let mut server = server_with(&file, &[]);
        let exit = server.start_or_exit().expect("it does not start");
        assert_ne!(exit.code(), 0);
        server.wait_log("The hash 'timed' has fields with a time to live");
        assert_eq!(
            std::fs::read(server.path("dump.rdb")).expect("a file"),
            file
        );

        let checker = server.path("redis-check-rdb");
        std::os::unix::fs::symlink(subject_path(), &checker).expect("a link");
        let mut check = Command::new(checker);
        let checked = check
            .arg(server.path("dump.rdb"))
            .output()
            .expect("it runs");
        assert!(!checked.status.success());
        let report = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(report.contains("Reading key 'timed'"), "{report}");

        let mut server = server_with(&file, &["rdb-skip-unknown yes"]);
        assert!(server.start_or_exit().is_none());
        expect_text_and_hash(&server);
        server.wait_log("Left out key 'timed' in DB 0");
        server.wait_log("left out: 1 keys, 0 other records.");
    }
}

#[test]
fn an_append_only_file_may_begin_with_a_newer_snapshot() {
    for format in [Format::Redis12, Format::Valkey80] {
        let mut server = server_with(b"", &["appendonly yes"]);
        let folder = server.path("appendonlydir");
        std::fs::create_dir(&folder).expect("a folder");
        let manifest = "file appendonly.aof.1.base.rdb seq 1 type b\n\
                        file appendonly.aof.1.incr.aof seq 1 type i\n";
        let base = snapshot(format, false);
        let files: [(&str, &[u8]); 3] = [
            ("appendonly.aof.manifest", manifest.as_bytes()),
            ("appendonly.aof.1.base.rdb", &base),
            (
                "appendonly.aof.1.incr.aof",
                b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n",
            ),
        ];
        for (name, bytes) in files {
            std::fs::write(folder.join(name), bytes).expect("a file");
        }
        let checker = server.path("redis-check-aof");
        std::os::unix::fs::symlink(subject_path(), &checker).expect("a link");
        let mut check = Command::new(checker);
        let checked = check.arg(folder.join("appendonly.aof.manifest")).output();
        let checked = checked.expect("it runs");
        let report = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success(), "{report}");
        assert!(server.start_or_exit().is_none());
        assert_eq!(server.ask("DEL n"), "1");
        expect_text_and_hash(&server);
    }
}

#[test]
fn a_replica_takes_a_newer_snapshot_and_can_be_told_to_leave_keys_out() {
    let master = FakeMaster::answering(|request| {
        if request.contains("ACK") {
            return Some(Vec::new());
        }
        let file = snapshot(Format::Redis12, true);
        let head = format!("+FULLRESYNC {} 0\r\n${}\r\n", "a".repeat(40), file.len());
        until_psync(request, [head.as_bytes(), &file].concat())
    });
    for diskless in ["disabled", "swapdb"] {
        let replica = Server::ours(&[&format!("repl-diskless-load {diskless}")]);
        replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
        replica.wait_log("The hash 'timed' has fields with a time to live");
        assert_eq!(replica.ask("CONFIG SET rdb-skip-unknown yes"), "OK");
        wait_link_up(&replica);
        expect_text_and_hash(&replica);
        assert_eq!(replica.info("master_link_status"), "up");
    }
}
