//! The ledger of lost writes: what a master wrote while it was cut off is not gone without a trace
//! when it becomes a replica.
//!
//! The master is ours; the one that takes over is ours or a stock server. A relay between the two
//! is what is cut.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::*;

const MAKES: [fn() -> Options; 2] = [Options::ours, Options::stock];

/// A master of ours that a stock server can follow.
fn master() -> Options {
    Options::ours().readable_by_stock()
}

/// A master, a replica of that make that follows it through a relay, and the relay.
fn pair(master: Options, make: fn() -> Options) -> (Server, Server, Proxy) {
    let master = master.start();
    let replica = make().start();
    let relay = Proxy::to(master.port);
    follow(&replica, relay.port);
    master.ask("SET common 1");
    wait_equal_offsets(&[&master, &replica]);
    assert_eq!(master.ask("WAIT 1 5000"), "1");
    (master, replica, relay)
}

fn ledgers_of(server: &Server) -> Vec<PathBuf> {
    let names = names_in(server.dir());
    let is_one = |name: &String| name.starts_with("lost-") && name.ends_with(".aof");
    names
        .iter()
        .filter(|name| is_one(name))
        .map(|name| server.path(name))
        .collect()
}

/// What `redis-check-aof --show-lost` says, and whether it is content.
fn show(paths: &[PathBuf]) -> (String, bool) {
    let mut command = Command::new(subject_path());
    std::os::unix::process::CommandExt::arg0(&mut command, "redis-check-aof");
    let output = command.arg("--show-lost").args(paths).output();
    let output = output.expect("the checker runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text, output.status.success())
}

/// The commands that a ledger shows.
fn commands(path: &PathBuf) -> Vec<String> {
    let (text, is_sound) = show(std::slice::from_ref(path));
    assert!(is_sound, "{text}");
    let lines = text.lines().filter(|line| line.starts_with('['));
    lines.map(str::to_owned).collect()
}

fn replay(path: &PathBuf, server: &Server) -> String {
    let output = Command::new("redis-cli")
        .args(["-p", &server.port.to_string(), "--pipe"])
        .stdin(File::open(path).expect("the ledger"))
        .stderr(Stdio::inherit())
        .output()
        .expect("redis-cli runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_a_master_wrote_while_it_was_cut_off_is_in_its_ledger() {
    for make in MAKES {
        for load in ["disabled", "swapdb"] {
            let config = format!("repl-diskless-load {load}");
            let (old, new, relay) = pair(master().config(config), make);
            let mut listener = old.connect();
            listener.call("SUBSCRIBE __replica__:lost-writes");
            relay.stall();
            for n in 0..20 {
                assert_eq!(old.ask(&format!("SET lost:{n} {n}")), "OK");
            }
            assert_eq!(old.ask("PUBLISH channel message"), "0");
            let mut client = old.connect();
            client.ask("SELECT 3");
            client.ask("MULTI");
            client.ask("INCR counter");
            client.ask("RPUSH list a b");
            client.ask("EXEC");
            assert_eq!(new.ask("REPLICAOF NO ONE"), "OK");
            new.ask("SET new 1");
            relay.sever();
            follow(&old, new.port);
            assert_same_data(&old, &new);

            let ledgers = ledgers_of(&old);
            assert_eq!(ledgers.len(), 1);
            let mut want: Vec<String> = (0..20)
                .map(|n| format!("[0] \"SET\" \"lost:{n}\" \"{n}\""))
                .collect();
            want.extend(["[0] \"MULTI\"", "[3] \"INCR\" \"counter\""].map(str::to_owned));
            want.extend(["[3] \"RPUSH\" \"list\" \"a\" \"b\"", "[3] \"EXEC\""].map(str::to_owned));
            assert_eq!(commands(&ledgers[0]), want);
            let (text, _) = show(&ledgers);
            assert!(
                text.contains("Complete: ") && text.contains("Exact: "),
                "{text}"
            );
            assert_eq!(old.info("lost_writes_ledgers"), "1");
            assert_eq!(old.info("lost_writes_commands"), "22");
            assert_eq!(old.info("lost_writes_keys"), "22");
            assert_eq!(old.log_count("LOST WRITES"), 1);
            let told = listener.read_value().expect("an event").to_string();
            assert!(told.contains(" 22 22 exact complete"), "{told}");

            let said = replay(&ledgers[0], &new);
            assert!(said.contains("errors: 0"), "{said}");
            assert_eq!(new.ask("GET lost:7"), "7");
            let mut client = new.connect();
            client.ask("SELECT 3");
            assert_eq!(client.ask("GET counter"), "1");
        }
    }
}

/// Two thousand writes of a kilobyte each.
fn write_two_megabytes(server: &Server) {
    let value = "v".repeat(1000);
    let mut client = server.connect();
    for n in 0..2000 {
        assert_eq!(client.ask(&format!("SET lost:{n} {value}")), "OK");
    }
}

#[test]
fn a_ledger_reaches_back_farther_than_the_backlog() {
    let small = master()
        .config("repl-backlog-size 16kb")
        .config("lost-writes-max-size 4mb");
    let (old, new, relay) = pair(small, Options::ours);
    relay.stall();
    write_two_megabytes(&old);
    // Its files have no names: only the process that has them open knows them.
    let has_spool = || {
        let files = fs::read_dir(format!("/proc/{}/fd", old.pid())).expect("a process");
        let targets = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        let mut targets = targets.map(|target| target.to_string_lossy().into_owned());
        targets.any(|target| target.contains("temp-lost-writes-"))
    };
    wait_until("the spool is in use", has_spool);
    let left = names_in(old.dir());
    assert!(
        !left.iter().any(|name| name.starts_with("temp-")),
        "{left:?}"
    );
    assert_eq!(new.ask("REPLICAOF NO ONE"), "OK");
    relay.sever();
    follow(&old, new.port);
    let ledgers = ledgers_of(&old);
    assert_eq!(ledgers.len(), 1);
    let shown = commands(&ledgers[0]);
    assert_eq!(shown.len(), 2000);
    for (n, line) in shown.iter().enumerate() {
        assert!(line.starts_with(&format!("[0] \"SET\" \"lost:{n}\" ")));
    }
    wait_until("the spool is gone", || !has_spool());
}

#[test]
fn a_ledger_that_had_no_room_for_all_says_so() {
    let small = master()
        .config("repl-backlog-size 16kb")
        .config("lost-writes-max-size 512kb");
    let (old, new, relay) = pair(small, Options::ours);
    relay.stall();
    write_two_megabytes(&old);
    assert_eq!(new.ask("REPLICAOF NO ONE"), "OK");
    relay.sever();
    follow(&old, new.port);
    let ledgers = ledgers_of(&old);
    assert_eq!(ledgers.len(), 1);
    let (text, is_sound) = show(&ledgers);
    assert!(is_sound && text.contains("Not complete: "), "{text}");
    let shown = commands(&ledgers[0]);
    assert!((300..700).contains(&shown.len()), "{}", shown.len());
    assert!(shown[shown.len() - 1].starts_with("[0] \"SET\" \"lost:1999\" "));
    assert!(old.log().contains("They are not complete"));
}

#[test]
fn two_promotions_in_a_row_do_not_blur_the_fork() {
    let (old, first, relay) = pair(master(), Options::ours);
    let second = Server::ours(&[]);
    follow(&second, relay.port);
    wait_equal_offsets(&[&old, &first, &second]);
    relay.stall();
    old.ask("SET lost 1");
    first.ask("REPLICAOF NO ONE");
    first.ask("SET of:first 1");
    follow(&second, first.port);
    wait_equal_offsets(&[&first, &second]);
    second.ask("REPLICAOF NO ONE");
    second.ask("SET of:second 1");
    relay.sever();
    follow(&old, second.port);
    let ledgers = ledgers_of(&old);
    assert_eq!(ledgers.len(), 1);
    assert_eq!(commands(&ledgers[0]), ["[0] \"SET\" \"lost\" \"1\""]);
    assert!(show(&ledgers).0.contains("Exact: "));
}

#[test]
fn a_promoted_replica_that_was_killed_still_knows_where_its_old_master_parts() {
    for rewrites in [false, true] {
        kill_a_promoted_replica(rewrites);
    }
}

fn kill_a_promoted_replica(rewrites: bool) {
    let with_file = || master().config("appendonly yes");
    let mut old = with_file().start();
    let mut new = with_file().start();
    follow(&new, old.port);
    wait_link_up(&new);
    wait_rewritten(&new);
    old.ask("SET common 1");
    wait_equal_offsets(&[&old, &new]);
    old.kill();
    assert_eq!(new.ask("REPLICAOF NO ONE"), "OK");
    if rewrites {
        new.ask("BGREWRITEAOF");
        wait_rewritten(&new);
    }
    for n in 0..20 {
        assert_eq!(new.ask(&format!("SET lost:{n} {n}")), "OK");
    }
    new.kill();
    // The old master takes over again, with data that know nothing of that.
    old.start_again();
    assert_eq!(old.ask("SET other 1"), "OK");
    new.start_again();
    follow(&new, old.port);
    assert_same_data(&old, &new);

    let ledgers = ledgers_of(&new);
    assert_eq!(ledgers.len(), 1, "{}", new.log_tail());
    let want: Vec<String> = (0..20)
        .map(|n| format!("[0] \"SET\" \"lost:{n}\" \"{n}\""))
        .collect();
    assert_eq!(commands(&ledgers[0]), want);
    let (text, _) = show(&ledgers);
    assert!(
        text.contains("Complete: ") && text.contains("Exact: "),
        "{text}"
    );
}

#[test]
fn a_promoted_replica_that_starts_from_its_snapshot_knows_it_as_well() {
    let (old, mut new, relay) = pair(master(), Options::ours);
    relay.stall();
    old.ask("SET lost 1");
    new.ask("REPLICAOF NO ONE");
    new.ask("SET other 1");
    assert_eq!(new.ask("SAVE"), "OK");
    new.kill();
    new.start_again();
    relay.sever();
    follow(&old, new.port);
    assert_same_data(&old, &new);
    let ledgers = ledgers_of(&old);
    assert_eq!(ledgers.len(), 1, "{}", old.log_tail());
    assert_eq!(commands(&ledgers[0]), ["[0] \"SET\" \"lost\" \"1\""]);
    assert!(show(&ledgers).0.contains("Exact: "));
}

#[test]
fn a_master_that_may_not_be_asked_makes_the_ledger_say_that_it_may_hold_too_much() {
    let (old, new, relay) = pair(master(), Options::stock);
    relay.stall();
    old.ask("SET lost 1");
    new.ask("REPLICAOF NO ONE");
    relay.sever();
    new.ask("ACL SETUSER link on >pw +psync +replconf +ping");
    old.ask("CONFIG SET masteruser link masterauth pw");
    follow(&old, new.port);
    let ledgers = ledgers_of(&old);
    assert_eq!(ledgers.len(), 1);
    assert_eq!(commands(&ledgers[0]), ["[0] \"SET\" \"lost\" \"1\""]);
    assert!(show(&ledgers).0.contains("Not exact: "));
}

#[test]
fn where_nothing_is_lost_there_is_no_ledger() {
    // Handed over.
    let (old, new, _relay) = pair(master(), Options::ours);
    old.ask("SET a 1");
    wait_equal_offsets(&[&old, &new]);
    new.ask("REPLICAOF NO ONE");
    follow(&old, new.port);
    assert_eq!(ledgers_of(&old).len(), 0);
    // Off.
    let (old, new, relay) = pair(master().config("lost-writes-max-size 0"), Options::ours);
    relay.stall();
    old.ask("SET lost 1");
    new.ask("REPLICAOF NO ONE");
    relay.sever();
    follow(&old, new.port);
    assert_eq!(old.ask("GET lost"), "(nil)");
    assert_eq!(ledgers_of(&old).len(), 0);
    // A master without replicas that is given to another.
    let (alone, other) = (Server::ours(&[]), Server::ours(&[]));
    alone.ask("SET mine 1");
    follow(&alone, other.port);
    assert_eq!(ledgers_of(&alone).len(), 0);
}

#[test]
fn the_oldest_ledgers_go_when_there_are_too_many() {
    let mut server = Server::ours(&["lost-writes-max-age 1000"]);
    let ledger = |name: char, at: u64| {
        let id = name.to_string().repeat(40);
        let text = format!(
            "tanist-lost-writes id={id} after=1 end=2 complete=yes exact=yes new=? master=m at={at}"
        );
        let path = server.path(&format!("lost-{id}-1.aof"));
        std::fs::write(path, encode(&["ECHO", &text])).expect("a file");
    };
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).expect("a time");
    ledger('a', now.as_secs() - 5000);
    ledger('b', now.as_secs() - 100);
    std::fs::write(server.path("lost-and-found.aof"), "x").expect("a file");
    server.kill();
    server.start_again();
    wait_until("ledgers are counted", || {
        server.info("lost_writes_ledgers") == "1"
    });
    assert_eq!(ledgers_of(&server).len(), 2, "what is none stays");
    assert_eq!(server.log_count("The ledger of lost writes"), 1);
}

#[test]
fn what_is_no_ledger_is_said_to_be_none() {
    let server = Server::ours(&[]);
    let bad = [
        ("empty", ""),
        ("text", "hello"),
        ("other", "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n"),
    ];
    for (name, text) in bad {
        let path = server.path(name);
        std::fs::write(&path, text).expect("a file");
        let (said, is_sound) = show(&[path]);
        assert!(
            !is_sound && said.contains("not a ledger of lost writes"),
            "{said}"
        );
    }
    let (said, is_sound) = show(&[server.path("missing")]);
    assert!(!is_sound && said.contains("cannot be opened"), "{said}");
}
