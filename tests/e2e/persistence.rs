//! Snapshots: made, found again at the next start, and never lost to an accident.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::harness::*;

/// Puts a little of everything that strings can be into the server.
fn fill(server: &Server) {
    let mut conn = server.connect();
    let mut rng = Rng::new(11);
    for n in 0..500 {
        conn.command(&[
            b"SET".to_vec(),
            format!("binary:{n}").into_bytes(),
            rng.bytes(n),
        ]);
        conn.ask(&format!(
            "SET number:{n} {}",
            n as i64 * 7_654_321 - 1_000_000_000
        ));
    }
    conn.command(&["SET", "compressible", &"abc".repeat(5000)]);
    conn.command(&["SET", "", "the empty key"]);
    conn.ask("SET lasting v EX 1000");
    conn.ask("SELECT 9");
    conn.ask("SET elsewhere 1");
}

#[test]
fn a_saved_data_set_is_there_after_a_restart() {
    let mut server = Server::ours(&[]);
    fill(&server);
    let before = dump(&server);
    assert!(before.len() > 1000);
    assert_eq!(server.ask("SAVE"), "OK");
    server.kill();
    server.start_again();
    assert!(dump(&server) == before);
    server.wait_log("DB loaded from disk");
}

#[test]
fn a_background_save_shows_what_was_there_when_it_began() {
    let mut server = Server::ours(&["dbfilename back.rdb"]);
    fill(&server);
    let before = dump(&server);
    let last = server.call("LASTSAVE").int();
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(server.ask("BGSAVE"), "Background saving started");
    wait_until("it is done", || {
        server.info("rdb_bgsave_in_progress") == "0"
    });
    assert_eq!(server.info("rdb_last_bgsave_status"), "ok");
    assert!(server.call("LASTSAVE").int() > last);
    server.wait_log("Background saving terminated with success");
    server.ask("SET late 1");
    server.kill();
    server.start_again();
    assert!(dump(&server) == before);
    let left: Vec<_> = fs::read_dir(server.dir())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_str().unwrap().starts_with("temp-")),
        "{left:?}"
    );
}

#[test]
fn save_points_save_by_themselves() {
    let mut server = Server::ours(&["save 1 3"]);
    for n in 0..3 {
        server.ask(&format!("SET k:{n} v"));
    }
    server.wait_log("3 changes in 1 seconds. Saving...");
    wait_until("it is saved", || {
        server.info("rdb_changes_since_last_save") == "0"
    });
    server.kill();
    server.start_again();
    assert_eq!(server.ask("DBSIZE"), "3");
}

#[test]
fn sigterm_saves_where_save_points_are_set_and_only_there() {
    for (save, kept) in [("save 3600 1", "1"), ("save \"\"", "0")] {
        let mut server = Server::ours(&[save]);
        server.ask("SET a 1");
        let exit = server.terminate();
        assert_eq!(exit.code(), 0, "{}", exit.log);
        assert!(
            exit.log.contains("Received SIGTERM scheduling shutdown..."),
            "{}",
            exit.log
        );
        assert!(
            exit.log.contains("User requested shutdown..."),
            "{}",
            exit.log
        );
        assert!(exit.log.contains("bye bye..."), "{}", exit.log);
        server.start_again();
        assert_eq!(server.ask("EXISTS a"), kept);
    }
}

#[test]
fn shutdown_saves_or_not_as_told() {
    let mut server = Server::ours(&["save 3600 1"]);
    server.ask("SET a 1");
    assert_eq!(server.shutdown("NOSAVE").code(), 0);
    server.start_again();
    assert_eq!(server.ask("EXISTS a"), "0");
    server.ask("SET b 1");
    assert_eq!(server.shutdown("").code(), 0);
    server.start_again();
    assert_eq!(server.ask("EXISTS b"), "1");
    server.ask("CONFIG SET save \"\"");
    server.ask("SET c 1");
    assert_eq!(server.shutdown("SAVE").code(), 0);
    server.start_again();
    assert_eq!(server.ask("EXISTS c"), "1");
    assert_eq!(server.ask("SHUTDOWN NOSUCH"), "-ERR syntax error");
}

#[test]
fn a_save_that_fails_leaves_the_old_file_and_stops_writes() {
    let mut server = Server::ours(&["save 3600 1", "enable-protected-configs yes"]);
    server.ask("SET kept 1");
    assert_eq!(server.ask("SAVE"), "OK");
    let whole = fs::read(server.path("dump.rdb")).unwrap();
    // Root may write anywhere, so the obstacle is a folder that is gone.
    let gone = server.path("gone");
    fs::create_dir(&gone).unwrap();
    server.ask("SET another 1");
    assert_eq!(
        server
            .command(&["CONFIG", "SET", "dir", gone.to_str().unwrap()])
            .to_string(),
        "OK"
    );
    fs::remove_dir(&gone).unwrap();
    assert!(server.ask("SAVE").starts_with("-ERR"));
    server.ask("BGSAVE");
    wait_until("it has failed", || {
        server.info("rdb_last_bgsave_status") == "err"
    });
    assert_eq!(
        server.ask("SET refused 1"),
        "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist \
         to disk. Commands that may modify the data set are disabled, because this instance is \
         configured to report errors during writes if RDB snapshotting fails \
         (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the \
         RDB error."
    );
    assert_eq!(server.ask("GET kept"), "1");
    assert_eq!(fs::read(server.path("dump.rdb")).unwrap(), whole);
    let home = server.dir().to_str().unwrap().to_owned();
    assert_eq!(
        server.command(&["CONFIG", "SET", "dir", &home]).to_string(),
        "OK"
    );
    server.ask("BGSAVE");
    wait_until("it is saved", || {
        server.info("rdb_last_bgsave_status") == "ok"
    });
    assert_eq!(server.ask("SET accepted 1"), "OK");
    server.kill();
    server.start_again();
    assert_eq!(server.ask("MGET kept another accepted"), "[1 1 (nil)]");
}

/// The process id of the child that writes a snapshot.
fn child_that_saves(server: &Server) -> String {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid()));
    let children = children.unwrap();
    let child = children.split_whitespace().next();
    child.expect("a child saves").to_owned()
}

/// The processors that a task may run on, as the kernel lists them.
fn cpus_of(task: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{task}/status")).unwrap();
    let field = |line: &str| line.strip_prefix("Cpus_allowed_list:").map(str::to_owned);
    let cpus = status
        .lines()
        .find_map(field)
        .expect("a list of processors");
    cpus.trim().to_owned()
}

#[test]
fn children_and_other_threads_run_where_their_lists_say() {
    let all = cpus_of("self");
    let last = all.rsplit([',', '-']).next().expect("a processor");
    let server = Server::ours(&[
        "rdb-key-save-delay 1000000",
        &format!("bgsave_cpulist {last}"),
        &format!("bio_cpulist {last}"),
    ]);
    server.ask("MSET a 1 b 2 c 3");
    server.ask("BGSAVE");
    let child = child_that_saves(&server);
    wait_until("the child is where it shall be", || cpus_of(&child) == last);
    assert_eq!(cpus_of(&server.pid().to_string()), all);
    let tasks = format!("/proc/{}/task", server.pid());
    let is_there = |name: &str| {
        let mut tasks = fs::read_dir(&tasks).unwrap();
        tasks.any(|task| {
            let task = task.unwrap();
            let found = fs::read_to_string(task.path().join("comm"));
            let id = task.file_name().into_string().expect("a number");
            found.is_ok_and(|found| found.trim_end() == name) && cpus_of(&id) == last
        })
    };
    for name in ["bio_free", "bio_close", "bio_resolve"] {
        wait_until("the thread is, too", || is_there(name));
    }
}

#[test]
fn a_killed_child_leaves_the_old_file() {
    let server = Server::ours(&["rdb-key-save-delay 10000", "save 3600 1"]);
    server.ask("SET a 1");
    server.ask("CONFIG SET rdb-key-save-delay 0");
    assert_eq!(server.ask("SAVE"), "OK");
    let whole = fs::read(server.path("dump.rdb")).unwrap();
    server.ask("CONFIG SET rdb-key-save-delay 1000000");
    for n in 0..50 {
        server.ask(&format!("SET k:{n} v"));
    }
    assert_eq!(server.ask("BGSAVE"), "Background saving started");
    assert_eq!(
        server.ask("BGSAVE"),
        "-ERR Background save already in progress"
    );
    let child = child_that_saves(&server);
    std::process::Command::new("kill")
        .args(["-KILL", &child])
        .status()
        .unwrap();
    wait_until("it has failed", || {
        server.info("rdb_last_bgsave_status") == "err"
    });
    server.wait_log("Background saving terminated by signal 9");
    assert_eq!(fs::read(server.path("dump.rdb")).unwrap(), whole);
}

#[test]
fn a_damaged_file_refuses_the_start_and_stays_as_it_is() {
    let mut server = Server::ours(&["save 3600 1"]);
    fill(&server);
    assert_eq!(server.ask("SAVE"), "OK");
    server.kill();
    let whole = fs::read(server.path("dump.rdb")).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let truncated = whole[..whole.len() - 100].to_vec();
    let mut foreign = whole.clone();
    foreign[..5].copy_from_slice(b"RADIS");
    let mut newer = whole.clone();
    newer[5..9].copy_from_slice(b"9999");
    for damaged in [flipped, truncated, foreign, newer] {
        fs::write(server.path("dump.rdb"), &damaged).unwrap();
        let exit = server.start_again_and_fail();
        assert_eq!(exit.code(), 1, "{}", exit.log);
        assert!(
            fs::read(server.path("dump.rdb")).unwrap() == damaged,
            "the file was touched"
        );
    }
    fs::write(server.path("dump.rdb"), &whole).unwrap();
    server.start_again();
    assert_eq!(server.ask("GET lasting"), "v");
}

#[test]
fn an_unreadable_file_refuses_the_start() {
    let mut server = Server::ours(&[]);
    server.ask("SET a 1");
    server.ask("SAVE");
    server.kill();
    // A folder under the file's name cannot be read even by root.
    fs::remove_file(server.path("dump.rdb")).unwrap();
    fs::create_dir(server.path("dump.rdb")).unwrap();
    let permissions = fs::Permissions::from_mode(0o000);
    fs::set_permissions(server.path("dump.rdb"), permissions).unwrap();
    let exit = server.start_again_and_fail();
    assert_eq!(exit.code(), 1, "{}", exit.log);
    fs::set_permissions(server.path("dump.rdb"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn expired_keys_are_not_loaded_again() {
    let mut server = Server::ours(&[]);
    server.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    server.ask("SET short v PX 100");
    server.ask("SET long v EX 1000");
    assert_eq!(server.ask("SAVE"), "OK");
    server.kill();
    std::thread::sleep(Duration::from_millis(150));
    server.start_again();
    assert_eq!(server.ask("DBSIZE"), "1");
    let ttl = server.call("TTL long").int();
    assert!((900..=1000).contains(&ttl), "{ttl}");
}

#[test]
fn the_file_is_one_that_stock_redis_reads_and_the_other_way_round() {
    let mut ours = Options::ours().readable_by_stock().start();
    fill(&ours);
    assert_eq!(ours.ask("SAVE"), "OK");
    let mut stock = Server::stock(&[]);
    stock.kill();
    fs::copy(ours.path("dump.rdb"), stock.path("dump.rdb")).unwrap();
    stock.start_again();
    assert_same_data(&ours, &stock);
    stock.ask("SET from-stock 1");
    assert_eq!(stock.ask("SAVE"), "OK");
    ours.kill();
    fs::copy(stock.path("dump.rdb"), ours.path("dump.rdb")).unwrap();
    ours.start_again();
    assert_same_data(&ours, &stock);
}

#[test]
fn stock_redis_check_rdb_finds_nothing_wrong() {
    let server = Options::ours().readable_by_stock().start();
    fill(&server);
    assert_eq!(server.ask("SAVE"), "OK");
    let run = |binary: std::path::PathBuf| {
        let mut command = std::process::Command::new(binary);
        std::os::unix::process::CommandExt::arg0(&mut command, "redis-check-rdb");
        let output = command.arg(server.path("dump.rdb")).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    for binary in [stock_path(), subject_path()] {
        let (success, text) = run(binary);
        assert!(
            success && text.contains("\\o/ RDB looks OK! \\o/"),
            "{text}"
        );
        assert!(text.contains("1004 keys read"), "{text}");
    }
    let mut bytes = fs::read(server.path("dump.rdb")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(server.path("dump.rdb"), bytes).unwrap();
    let (success, text) = run(subject_path());
    assert!(!success, "{text}");
}

#[test]
fn debug_reload_changes_nothing() {
    let server = Server::ours(&[]);
    fill(&server);
    let before = dump(&server);
    assert_eq!(server.ask("DEBUG RELOAD"), "OK");
    assert!(dump(&server) == before);
}

#[test]
fn loading_is_announced_to_those_who_ask() {
    let mut server = Server::ours(&["loading-process-events-interval-bytes 1024"]);
    let mut conn = server.connect();
    for batch in 0..600 {
        let mut command = vec!["MSET".to_owned()];
        for n in 0..1000 {
            command.extend([format!("k:{batch}:{n}"), "v".repeat(50)]);
        }
        assert_eq!(conn.command(&command).to_string(), "OK");
    }
    assert_eq!(server.ask("SAVE"), "OK");
    server.kill();
    let port = server.port;
    let asking = std::thread::spawn(move || {
        let mut seen = None;
        wait_until("it answers", || {
            let reply = Conn::to(port).and_then(|mut c| c.try_command(&["GET", "k:1:1"]));
            seen = reply.ok().map(|value| value.to_string());
            seen.is_some()
        });
        let info = Conn::to(port).and_then(|mut c| c.try_command(&["INFO", "persistence"]));
        (
            seen.unwrap(),
            info.map(|value| value.to_string()).unwrap_or_default(),
        )
    });
    server.start_again();
    let (reply, info) = asking.join().unwrap();
    assert_eq!(reply, "-LOADING Redis is loading the dataset in memory");
    assert_eq!(info_field(&info, "loading"), "1");
    assert_eq!(server.ask("DBSIZE"), "600000");
}

#[test]
fn a_child_that_saves_dies_with_its_parent() {
    let mut server = Server::ours(&["rdb-key-save-delay 20000"]);
    server.ask("DEBUG POPULATE 1000");
    server.ask("BGSAVE");
    server.wait_log("Background saving started by pid");
    let files = || -> Vec<String> {
        let entries = fs::read_dir(server.dir()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".rdb")).collect()
    };
    wait_until("it writes", || files().len() == 1);
    server.signal(libc::SIGKILL);
    wait_until("its file is gone", || files().is_empty());
    server.wait_log("Child failed reporting info to parent, exiting. Broken pipe");
    server.kill();
}
