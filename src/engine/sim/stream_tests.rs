//! The link to a master that the test plays: the addresses that are tried for it, and its stream,
//! which is run without another knock and in turns that are bounded.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use super::net::{NOBODY, address_of, nowhere};
use super::stage::{MASTER, Peer, SERVER, Stage, command};
use crate::base::disk::Disk;
use crate::config::{ReplDisklessLoad, Settings};

const ID: &str = "0123456789012345678901234567890123456789";
/// The offset of the snapshot that the master sends.
const SNAPSHOT_OFFSET: u64 = 1000;
/// A load that sleeps between keys is over within this time.
const LOAD_MS_MAX: u64 = 10_000;

/// A replica of the master with these settings; and the master, which was asked for a snapshot.
fn replica(configure: impl FnOnce(&mut Settings)) -> (Stage, Peer) {
    let mut stage = Stage::new(|settings| {
        settings.repl_timeout = 3600;
        configure(settings);
    });
    let address = address_of(MASTER);
    let follow = format!("REPLICAOF {} {}", address.ip(), address.port());
    assert_eq!(stage.ask(&follow), "+OK");
    let mut master = stage.dialled().expect("it connects");
    assert!(shake_hands(&mut stage, &mut master).starts_with("PSYNC "));
    (stage, master)
}

/// Answers what a replica asks at the beginning, but for its `PSYNC`, which is returned.
fn shake_hands(stage: &mut Stage, master: &mut Peer) -> String {
    for _ in 0..10 {
        stage.settle();
        let heard = master.heard();
        let is_word = |word: &&str| !word.starts_with(['*', '$']);
        let words: Vec<&str> = heard.split(' ').filter(is_word).collect();
        match words.first() {
            Some(&"PING") => master.send(b"+PONG\r\n"),
            Some(&"PSYNC") => return words.join(" "),
            _ => {
                let asked = words.iter().filter(|word| **word == "REPLCONF").count();
                master.send(&b"+OK\r\n".repeat(asked));
            }
        }
    }
    panic!("no PSYNC came");
}

/// A snapshot with so many keys.
fn snapshot(keys: usize) -> Vec<u8> {
    let mut stage = Stage::new(|_| {});
    let mut client = stage.connect();
    for number in 0..keys {
        client.say(&format!("SET key:{number} value"));
    }
    client.say("SAVE");
    stage.settle();
    let file = stage.server().disk.open(Path::new("dump.rdb"));
    let mut bytes = Vec::new();
    let read = file.expect("a saved file").read_to_end(&mut bytes);
    read.expect("the disk is well");
    bytes
}

/// How the end of a snapshot is known on the wire.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Sized,
    Marked,
}

fn full_sync(framing: Framing, snapshot: &[u8]) -> Vec<u8> {
    let answer = format!("+FULLRESYNC {ID} {SNAPSHOT_OFFSET}\r\n");
    let (head, tail) = match framing {
        Framing::Sized => (format!("${}\r\n", snapshot.len()), ""),
        Framing::Marked => (format!("$EOF:{ID}\r\n"), ID),
    };
    let (answer, head, tail) = (answer.as_bytes(), head.as_bytes(), tail.as_bytes());
    [answer, head, snapshot, tail].concat()
}

/// Every way in which a snapshot can come and be loaded.
fn ways() -> impl Iterator<Item = (Framing, ReplDisklessLoad)> {
    let loads = [
        ReplDisklessLoad::Disabled,
        ReplDisklessLoad::OnEmptyDb,
        ReplDisklessLoad::Swapdb,
    ];
    let framings = [Framing::Sized, Framing::Marked];
    let with = move |framing| loads.into_iter().map(move |load| (framing, load));
    framings.into_iter().flat_map(with)
}

/// A stream with a transaction and a big argument.
fn stream() -> Vec<u8> {
    let big = format!("SET big {}", "x".repeat(70_000));
    let lines = [
        "SELECT 0", "MULTI", "INCR n", "INCR n", "EXEC", &big, "INCR n",
    ];
    lines.map(command).concat()
}

/// The stream was run to its end.
#[track_caller]
fn expect_stream_run(stage: &mut Stage, context: &str) {
    assert_eq!(stage.ask("GET n"), "$1 3", "{context}");
    assert_eq!(stage.ask("STRLEN big"), ":70000", "{context}");
    let end = SNAPSHOT_OFFSET + stream().len() as u64;
    assert_eq!(stage.offset(), end, "{context}");
}

#[track_caller]
fn end_load(stage: &mut Stage) {
    let deadline_ms = stage.cluster.now_ms() + LOAD_MS_MAX;
    while stage.server().is_loading() {
        assert!(stage.cluster.now_ms() < deadline_ms, "it never has loaded");
        stage.advance_ms(1);
    }
}

// ---- The stream behind a snapshot ----

#[test]
fn what_comes_with_a_snapshot_is_run_when_it_is_loaded() {
    let snapshot = snapshot(100);
    for (framing, load) in ways() {
        let (mut stage, mut master) = replica(|settings| settings.repl_diskless_load = load);
        master.send(&[full_sync(framing, &snapshot), stream()].concat());
        stage.settle();
        let context = format!("{framing:?} {load:?}");
        expect_stream_run(&mut stage, &context);
        assert_eq!(stage.ask("DBSIZE"), ":102", "{context}");
    }
}

#[test]
fn what_comes_during_a_slow_load_is_run_when_it_ends() {
    let snapshot = snapshot(300);
    for (framing, load) in ways() {
        let (mut stage, mut master) = replica(|settings| {
            settings.repl_diskless_load = load;
            settings.key_load_delay = 5000;
        });
        master.send(&full_sync(framing, &snapshot));
        stage.settle();
        master.send(&stream());
        stage.settle();
        assert!(stage.server().is_loading());
        end_load(&mut stage);
        expect_stream_run(&mut stage, &format!("{framing:?} {load:?}"));
    }
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    let full_sync = full_sync(Framing::Sized, &snapshot(3));
    let begin = full_sync.len();
    let all = [full_sync, stream()].concat();
    let cuts = (begin - 60..begin + 200).chain(all.len() - 70..all.len());
    for cut in cuts {
        let (mut stage, mut master) = replica(|_| {});
        for part in [&all[..cut], &all[cut..]] {
            master.send(part);
            stage.settle();
        }
        expect_stream_run(&mut stage, &format!("cut at {cut}"));
    }
}

#[test]
fn the_end_of_a_link_comes_behind_what_was_sent_on_it() {
    let (mut stage, mut master) = replica(|_| {});
    master.send(&full_sync(Framing::Sized, &snapshot(3)));
    stage.settle();
    master.send(&stream());
    drop(master);
    stage.settle();
    expect_stream_run(&mut stage, "the link is gone");
    let wanted = stage.offset() + 1;
    let mut again = stage.dialled().expect("it connects again");
    let asked = shake_hands(&mut stage, &mut again);
    assert_eq!(asked, format!("PSYNC {ID} {wanted}"));
}

// ---- In sync ----

/// In sync, with the master's first bytes taken.
fn in_sync() -> (Stage, Peer) {
    let (mut stage, mut master) = replica(|_| {});
    master.send(&full_sync(Framing::Sized, &snapshot(3)));
    master.say("SELECT 0");
    stage.settle();
    assert_eq!(stage.info("master_link_status"), "up");
    master.take();
    (stage, master)
}

#[test]
fn a_pause_holds_the_stream_back_and_its_end_lets_it_go_on_though_nobody_knocks() {
    let (mut stage, mut master) = in_sync();
    master.say("SET a 1");
    stage.settle();
    let at = stage.offset();
    stage.ask("CLIENT PAUSE 60000 WRITE");
    for line in ["PING", "MULTI", "SET a 2", "EXEC", "SET a 3", "PING"] {
        master.say(line);
    }
    stage.settle();
    assert_eq!(stage.ask("GET a"), "$1 1");
    let ping = command("PING").len() as u64;
    assert_eq!(stage.offset(), at + ping, "only what writes nothing");
    let mut admin = stage.connect();
    admin.say("CLIENT UNPAUSE");
    stage.settle();
    let at = stage.offset();
    assert_eq!(stage.info("slave_read_repl_offset"), at.to_string());
    assert_eq!(stage.ask("GET a"), "$1 3");
}

#[test]
fn a_stream_may_be_cut_anywhere_while_a_pause_holds_it_back() {
    let rest = [
        "SELECT 0", "PING", "INCR n", "PING", "MULTI", "INCR n", "EXEC", "INCR n",
    ];
    let all = [rest.map(command).concat(), b"\n".to_vec()].concat();
    for cut in 1..all.len() {
        let (mut stage, mut master) = in_sync();
        let begin = stage.offset();
        stage.ask("CLIENT PAUSE 60000 WRITE");
        for part in [&all[..cut], &all[cut..]] {
            master.send(part);
            stage.settle();
        }
        assert_eq!(stage.ask("EXISTS n"), ":0", "cut at {cut}");
        stage.ask("CLIENT UNPAUSE");
        stage.settle();
        assert_eq!(stage.ask("GET n"), "$1 3", "cut at {cut}");
        // The newline at the end counts with the command behind it.
        let end = begin + all.len() as u64 - 1;
        assert_eq!(stage.offset(), end, "cut at {cut}");
    }
}

#[test]
fn what_stands_before_nonsense_in_a_stream_is_run() {
    for count in [0, 1, 15, 16, 17, 40] {
        let (mut stage, mut master) = in_sync();
        let begin = stage.offset();
        let commands = command("INCR n").repeat(count);
        master.send(&[&commands[..], b"*1\r\n:1\r\n"].concat());
        stage.settle();
        assert!(master.is_closed(), "{count}");
        assert_eq!(stage.offset(), begin + commands.len() as u64, "{count}");
        let expected = if count == 0 { ":0" } else { ":1" };
        assert_eq!(stage.ask("EXISTS n"), expected, "{count}");
    }
}

#[test]
fn a_master_that_leaves_while_a_pause_holds_its_stream_back_is_asked_to_repeat_it() {
    let (mut stage, mut master) = in_sync();
    stage.ask("CLIENT PAUSE 60000 WRITE");
    let wanted = stage.offset() + 1;
    master.say("SET a 2");
    drop(master);
    stage.settle();
    let mut again = stage.dialled().expect("it connects again");
    let asked = shake_hands(&mut stage, &mut again);
    assert_eq!(asked, format!("PSYNC {ID} {wanted}"));
    again.send(b"+CONTINUE\r\n");
    again.say("SET a 2");
    stage.settle();
    assert_eq!(stage.ask("EXISTS a"), ":0");
    stage.ask("CLIENT UNPAUSE");
    stage.settle();
    assert_eq!(stage.ask("GET a"), "$1 2");
}

#[test]
fn clients_are_served_between_bounded_turns_of_a_stream_that_has_much_to_run() {
    const MIB: usize = 1024 * 1024;
    const TURN_BYTES_MAX: usize = 2 * MIB;
    let (mut stage, mut master) = in_sync();
    stage.ask("CLIENT PAUSE 60000 WRITE");
    let write = command(&format!("SET a {}", "x".repeat(10_000)));
    // As much as a replica takes while it cannot run it.
    let count = 60 * MIB / write.len();
    master.send(&write.repeat(count));
    stage.settle();
    let begin = stage.offset();
    let end = begin + (count * write.len()) as u64;
    assert_eq!(stage.info("slave_read_repl_offset"), end.to_string());
    let mut client = stage.connect();
    client.say("CLIENT UNPAUSE");
    let (mut at, mut ticks) = (begin, 0);
    while at < end {
        stage.tick();
        let heard = client.heard();
        assert!(!heard.is_empty(), "nobody is served in tick {ticks}");
        client.say("PING");
        let run = (stage.offset() - at) as usize;
        assert!(run < TURN_BYTES_MAX + write.len(), "{run} bytes at once");
        assert!(run > 0 || ticks == 0, "nothing is run in tick {ticks}");
        at += run as u64;
        ticks += 1;
    }
}

// ---- The addresses of a master ----

/// A server that was told to follow a name which stands for these addresses and then the master's.
fn follower(decoys: &[SocketAddr]) -> Stage {
    let mut stage = Stage::new(|settings| settings.repl_timeout = 60);
    stage.server().decoys = decoys.to_vec();
    // A process learns of it at its start.
    stage.cluster.kill(SERVER);
    stage.cluster.start(SERVER, Some(MASTER));
    stage
}

#[test]
fn all_addresses_of_a_master_are_tried() {
    let refused = address_of(NOBODY);
    let lists: [&[SocketAddr]; 5] = [
        &[],
        &[refused],
        &[refused, refused],
        &[nowhere()],
        &[refused, nowhere(), refused],
    ];
    for decoys in lists {
        let mut stage = follower(decoys);
        let master = stage.dialled();
        let mut master = master.unwrap_or_else(|| panic!("{decoys:?}"));
        assert!(shake_hands(&mut stage, &mut master).starts_with("PSYNC "));
    }
}

#[test]
fn a_name_whose_addresses_all_refuse_is_tried_again() {
    let mut stage = follower(&[address_of(NOBODY)]);
    stage.cluster.net.borrow_mut().take_down(MASTER);
    assert!(stage.dialled().is_none());
    stage.cluster.net.borrow_mut().bring_up(MASTER);
    assert!(stage.dialled().is_some());
}
