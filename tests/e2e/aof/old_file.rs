//! A server before 7.0 kept one file beside the folder, with or without a snapshot as its head.

use std::fs;

use crate::harness::*;

/// What a client of that time sent, as the file has it.
fn commands() -> Vec<u8> {
    let lines = [
        "SELECT 0",
        "SET string value",
        "RPUSH list a b c",
        "SADD set 1 2 three",
        "HSET hash field value",
        "ZADD zset 1.5 a 2 b",
        "XADD stream 1-1 field value",
        "XGROUP CREATE stream group 0",
        "MULTI",
        "INCR counter",
        "SELECT 7",
        "SET elsewhere 1",
        "EXEC",
        "PEXPIREAT elsewhere 33177117420000",
        "SELECT 0",
        "DEL list",
    ];
    let words = |line: &str| encode(&line.split(' ').collect::<Vec<_>>());
    lines.into_iter().flat_map(words).collect()
}

/// A snapshot of some keys, written by stock Redis, with commands behind it.
fn snapshot_and_commands() -> Vec<u8> {
    let stock = Server::stock(&[]);
    for n in 0..100 {
        stock.ask(&format!("SET before:{n} {n}"));
    }
    stock.ask("RPUSH list z");
    assert_eq!(stock.ask("SAVE"), "OK");
    let mut bytes = fs::read(stock.path("dump.rdb")).expect("a snapshot");
    bytes.extend(commands());
    bytes
}

fn started_with(options: Options, file: &[u8]) -> Server {
    let mut server = Server::prepare(options.config("appendonly yes"));
    fs::write(server.path("appendonly.aof"), file).expect("the old file");
    server.start_again();
    server
}

#[test]
fn an_old_file_becomes_the_base_of_a_folder_as_it_is() {
    for file in [commands(), snapshot_and_commands()] {
        let mut ours = started_with(Options::ours(), &file);
        let stock = started_with(Options::stock(), &file);
        assert_same_data(&ours, &stock);
        assert_eq!(ours.ask("DEBUG DIGEST"), stock.ask("DEBUG DIGEST"));
        assert_eq!(manifest_of(&ours), manifest_of(&stock));
        assert_eq!(manifest_of(&ours)[0], ("appendonly.aof".to_owned(), 'b'));
        assert!(!ours.path("appendonly.aof").exists());
        let moved = fs::read(aof_folder(&ours).join("appendonly.aof")).expect("the moved file");
        assert!(moved == file, "the file was changed");
        ours.wait_log(
            "Successfully migrated an old-style AOF file (appendonly.aof) into the AOF \
             directory (appendonlydir).",
        );
        // It is not done twice, and a rewrite ends it.
        assert_eq!(ours.ask("SET later 1"), "OK");
        ours.kill();
        ours.start_again();
        assert_eq!(ours.ask("MGET later string counter"), "[1 value 1]");
        let held = Contents::of(&ours);
        rewrite(&ours);
        assert_eq!(
            manifest_of(&ours)[0],
            ("appendonly.aof.2.base.rdb".to_owned(), 'b')
        );
        wait_until("the old file is gone", || {
            !aof_folder(&ours).join("appendonly.aof").exists()
        });
        ours.kill();
        ours.start_again();
        held.assert_held_by(&ours);
    }
}

#[test]
fn an_old_file_beside_a_folder_with_a_manifest_is_left_alone() {
    let mut server = Server::ours(&["appendonly yes"]);
    server.ask("SET a 1");
    server.kill();
    fs::write(server.path("appendonly.aof"), commands()).expect("the old file");
    server.start_again();
    assert_eq!(server.ask("DBSIZE"), "1");
    assert!(fs::read(server.path("appendonly.aof")).unwrap() == commands());
}

#[test]
fn an_upgrade_that_was_cut_short_is_finished_at_the_next_start() {
    // The manifest names the old file already, but it still stands beside the folder.
    let mut server = Server::prepare(Options::ours().config("appendonly yes"));
    fs::write(server.path("appendonly.aof"), commands()).expect("the old file");
    fs::create_dir(aof_folder(&server)).expect("a folder");
    fs::write(
        aof_folder(&server).join("appendonly.aof.manifest"),
        "file appendonly.aof seq 1 type b\n",
    )
    .expect("a manifest");
    server.start_again();
    assert_eq!(server.ask("MGET string counter"), "[value 1]");
    assert!(!server.path("appendonly.aof").exists());
}

#[test]
fn an_old_file_that_was_cut_short_is_loaded_up_to_there_as_far_as_that_is_allowed() {
    let whole = commands();
    let cut = &whole[..whole.len() - 3];
    let server = started_with(Options::ours(), cut);
    assert_eq!(server.ask("MGET string counter"), "[value 1]");
    assert_eq!(server.ask("LLEN list"), "3");
    let mut strict = Server::prepare(
        Options::ours()
            .config("appendonly yes")
            .config("aof-load-truncated no"),
    );
    fs::write(strict.path("appendonly.aof"), cut).expect("the old file");
    let exit = strict.start_again_and_fail();
    assert_eq!(exit.code(), 1, "{}", exit.log);
    assert!(exit.log.contains("appendonly.aof"), "{}", exit.log);
    let kept = fs::read(aof_folder(&strict).join("appendonly.aof")).expect("the file");
    assert!(kept == cut, "the file was changed");
}
