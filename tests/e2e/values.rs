//! Values of every type on their way between servers: as files, in a full sync, one by one.
//!
//! Two servers hold the same data if a client sees no difference; where one value is looked at
//! alone, its digest stands for it (`DEBUG DIGEST-VALUE`).

use std::fs;
use std::path::Path;

use crate::harness::*;

/// Values of every type, in every encoding; some of them expire.
fn fill(server: &Server) {
    let mut conn = server.connect();
    let mut run = |line: &str| {
        let reply = conn.ask(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    };
    run("SET text value");
    run("SET number 12345");
    for n in 0..700 {
        let text = format!("element-number-{n}-of-many");
        run(&format!("RPUSH list:long {text} {n}"));
        run(&format!("SADD set:large {text}"));
        run(&format!("SADD set:numbers {}", n * 7919));
        run(&format!("ZADD zset:large {} {text}", f64::from(n) / 4.0));
        run(&format!("HSET hash:large field-{n} {text}"));
        run(&format!("XADD stream:long {n}-1 field {text} n {n}"));
    }
    run("RPUSH list a b 17 -5 3000000000");
    run("SADD set:intset 1 -70000 9000000000");
    run("SADD set:small a b 17");
    run("ZADD zset:small 1 a 2.5 b -inf c +inf d 2.5 bb");
    run("HSET hash:small f v n 17 17 n");
    run("XGROUP CREATE stream:long readers 0");
    run("XGROUP CREATE stream:long idle $");
    run("XREADGROUP GROUP readers alice COUNT 5 STREAMS stream:long >");
    run("XREADGROUP GROUP readers bob COUNT 3 STREAMS stream:long >");
    run("XACK stream:long readers 1-1 2-1");
    run("XDEL stream:long 0-1 6-1 300-1");
    run("XADD stream:empty 5-5 a b");
    run("XTRIM stream:empty MAXLEN 0");
    run("SELECT 7");
    run("RPUSH elsewhere x");
    run("PEXPIREAT elsewhere 4102444800123");
}

fn ours() -> Options {
    Options::ours()
        .readable_by_stock()
        .config("stream-node-max-entries 10")
        .config("list-compress-depth 1")
}

fn stock() -> Server {
    Server::stock(&["stream-node-max-entries 10"])
}

/// Fails if two servers differ in any key, or in a consumer group.
#[track_caller]
fn assert_same_values(one: &Server, other: &Server) {
    assert_same_data(one, other);
    for question in [
        "XINFO GROUPS stream:long",
        "XPENDING stream:long readers",
        "XPENDING stream:long idle",
    ] {
        assert_eq!(one.ask(question), other.ask(question), "{question}");
    }
}

/// Puts the snapshot of one server under another, and starts that again.
fn hand_over(from: &Server, to: &mut Server) {
    assert_eq!(from.ask("SAVE"), "OK");
    to.kill();
    fs::copy(from.path("dump.rdb"), to.path("dump.rdb")).unwrap();
    to.start_again();
}

/// Every key with its encoding.
fn encodings(server: &Server) -> Vec<String> {
    let places = dump(server).into_keys().filter(|(db, _)| *db == 0);
    places
        .map(|(_, key)| {
            let encoding = server.command(&[&b"OBJECT"[..], b"ENCODING", &key]);
            format!("{} {encoding}", String::from_utf8_lossy(&key))
        })
        .collect()
}

#[test]
fn a_file_of_ours_is_the_same_data_to_stock_redis() {
    let ours = ours().start();
    fill(&ours);
    let mut stock = stock();
    hand_over(&ours, &mut stock);
    assert_same_values(&ours, &stock);
}

#[test]
fn a_file_of_stock_redis_is_the_same_data_to_us_in_the_same_forms() {
    let stock = stock();
    fill(&stock);
    let mut ours = ours().start();
    hand_over(&stock, &mut ours);
    assert_same_values(&ours, &stock);
    // A small set of text had no small form before 7.2; all others have the form they had.
    let expected = encodings(&stock).into_iter().map(|line| match &line[..] {
        "set:small hashtable" => "set:small listpack".to_owned(),
        _ => line,
    });
    let packed_lists = |line: String| line.replace("list quicklist", "list listpack");
    assert_eq!(
        encodings(&ours),
        expected.map(packed_lists).collect::<Vec<_>>()
    );
}

/// All data but what version 9 has no room for: what a stream remembers of entries that are gone,
/// and how much its groups have read.
fn lasting_data(server: &Server) -> Vec<String> {
    let mut all: Vec<String> = dump(server)
        .into_iter()
        .filter(|((_, key), _)| !key.starts_with(b"stream:"))
        .map(|content| format!("{content:?}"))
        .collect();
    for question in ["XRANGE stream:long - +", "XPENDING stream:long readers"] {
        all.push(server.ask(question));
    }
    all
}

#[test]
fn files_of_every_version_hold_the_same_data() {
    let mut server = Server::ours(&["stream-node-max-entries 10"]);
    fill(&server);
    let before = dump(&server);
    for version in [11, 10] {
        server.ask(&format!("CONFIG SET rdb-version {version}"));
        assert_eq!(server.ask("SAVE"), "OK");
        server.kill();
        server.start_again();
        assert!(dump(&server) == before, "version {version}");
    }
    assert_eq!(server.ask("DEBUG RELOAD"), "OK");
    assert!(dump(&server) == before);
    let before = lasting_data(&server);
    server.ask("CONFIG SET rdb-version 9");
    assert_eq!(server.ask("DEBUG RELOAD"), "OK");
    assert!(lasting_data(&server) == before, "version 9");
}

#[test]
fn stock_redis_reads_the_oldest_version_that_we_write() {
    let ours = Server::ours(&["rdb-version 9"]);
    fill(&ours);
    let mut stock = stock();
    hand_over(&ours, &mut stock);
    assert!(lasting_data(&ours) == lasting_data(&stock));
}

#[test]
fn full_syncs_bring_every_value_both_ways() {
    for diskless in ["yes", "no"] {
        let load = if diskless == "yes" {
            "swapdb"
        } else {
            "disabled"
        };
        let sync = format!("repl-diskless-sync {diskless}");
        let load = format!("repl-diskless-load {load}");
        let master = Server::stock(&[&sync, "repl-diskless-sync-delay 0"]);
        fill(&master);
        let middle = ours()
            .config(&sync)
            .config(&load)
            .config("repl-diskless-sync-delay 0")
            .start();
        follow(&middle, master.port);
        wait_link_up(&middle);
        let last = Server::stock(&[&load]);
        follow(&last, middle.port);
        wait_link_up(&last);
        assert_same_values(&master, &middle);
        assert_same_values(&middle, &last);
    }
}

#[test]
fn payloads_of_either_server_are_restored_by_the_other() {
    let (ours, stock) = (ours().start(), stock());
    fill(&ours);
    for (from, to) in [(&ours, &stock), (&stock, &ours)] {
        to.ask("FLUSHALL");
        for (db, key) in dump(from).into_keys().filter(|(db, _)| *db == 0) {
            let payload = from.command(&[b"DUMP", &key[..]]);
            let reply = to.command(&[b"RESTORE", &key[..], b"0", payload.bytes()]);
            assert_eq!(reply.to_string(), "OK", "db{db} {}", key.escape_ascii());
            let digest = |server: &Server| {
                server
                    .command(&[&b"DEBUG"[..], b"DIGEST-VALUE", &key])
                    .to_string()
            };
            assert_eq!(digest(from), digest(to), "{}", key.escape_ascii());
        }
    }
}

#[test]
fn payloads_of_old_versions_mean_the_same_to_both() {
    let (ours, stock) = (ours().start(), stock());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/payloads");
    let mut seen = 0;
    for file in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        let payload = fs::read(file.path()).unwrap();
        if !name.starts_with("old-") && !name.starts_with("7.0.15-") {
            continue;
        }
        for server in [&ours, &stock] {
            let reply = server.command(&[b"RESTORE", name.as_bytes(), b"0", &payload]);
            assert_eq!(reply.to_string(), "OK", "{name}");
        }
        seen += 1;
    }
    assert!(seen > 10);
    assert_same_data(&ours, &stock);
}

#[test]
fn keys_migrate_between_ours_and_stock_redis() {
    let (ours, stock) = (ours().start(), stock());
    fill(&ours);
    let all = dump(&ours);
    let keys: Vec<String> = all
        .keys()
        .filter(|(db, _)| *db == 0)
        .map(|(_, key)| String::from_utf8(key.clone()).unwrap())
        .collect();
    let migrate = |from: &Server, to: &Server| {
        let port = to.port.to_string();
        let mut words = vec![
            "MIGRATE",
            "127.0.0.1",
            &port,
            "",
            "0",
            "5000",
            "KEYS",
            "none",
        ];
        words.extend(keys.iter().map(String::as_str));
        from.command(&words).to_string()
    };
    assert_eq!(migrate(&ours, &stock), "OK");
    assert_eq!(ours.ask("DBSIZE"), "0");
    assert_eq!(ours.info_number("migrate_cached_sockets"), 1);
    assert_eq!(migrate(&stock, &ours), "OK");
    assert!(dump(&ours) == all);
    assert_eq!(migrate(&stock, &ours), "NOKEY");

    let copy = format!("MIGRATE 127.0.0.1 {} text 3 5000 COPY", stock.port);
    assert_eq!(ours.ask(&copy), "OK");
    let busy = "-ERR Target instance replied with error: BUSYKEY Target key name already exists.";
    assert_eq!(ours.ask(&copy), busy);
    assert_eq!(ours.ask(&format!("{copy} REPLACE")), "OK");
    assert_eq!(ours.ask("EXISTS text"), "1");
}

#[test]
fn a_migration_begins_again_when_a_kept_connection_was_closed() {
    let ours = ours().start();
    let mut stock = stock();
    let move_to = |db: u32| {
        ours.ask("SET k v");
        ours.ask(&format!("MIGRATE 127.0.0.1 {} k {db} 2000", stock.port))
    };
    assert_eq!(move_to(1), "OK");
    stock.ask("CLIENT KILL TYPE normal");
    assert_eq!(move_to(2), "OK");
    let port = stock.port;
    stock.kill();
    ours.ask("SET k v");
    assert_eq!(
        ours.ask(&format!("MIGRATE 127.0.0.1 {port} k 0 2000")),
        "-IOERR error or timeout writing to target instance"
    );
    stock.start_again();
    stock.freeze();
    assert_eq!(
        ours.ask(&format!("MIGRATE 127.0.0.1 {port} k 0 300")),
        "-IOERR error or timeout reading to target instance"
    );
    stock.thaw();
    assert_eq!(ours.ask("EXISTS k"), "1");
}

#[test]
fn a_checker_finds_nothing_wrong_with_any_value() {
    for server in [ours().start(), stock()] {
        fill(&server);
        assert_eq!(server.ask("SAVE"), "OK");
        let mut command = std::process::Command::new(subject_path());
        std::os::unix::process::CommandExt::arg0(&mut command, "redis-check-rdb");
        let output = command.arg(server.path("dump.rdb")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("\\o/ RDB looks OK! \\o/"), "{text}");
    }
}
