//! Lag as operators see it: milliseconds and bytes behind, at both ends, through chains; and how a
//! sync gets on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::*;

/// What an injected delay may be shown as, in milliseconds.
const NEAR_250: std::ops::RangeInclusive<i64> = 230..=270;
/// So many readings in a row have to be near it.
const READINGS: usize = 5;

/// A client that writes a little all the time.
struct Drip {
    ended: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drip {
    fn to(server: &Server) -> Drip {
        let ended = Arc::new(AtomicBool::new(false));
        let (end, mut client) = (Arc::clone(&ended), server.connect());
        let thread = thread::spawn(move || {
            while !end.load(Ordering::SeqCst) {
                client.ask("INCR drip");
                thread::sleep(Duration::from_millis(5));
            }
        });
        Drip {
            ended,
            thread: Some(thread),
        }
    }
}

impl Drop for Drip {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A part of `replica0_lag`.
fn told(master: &Server, part: &str) -> String {
    let line = master.info("replica0_lag");
    let found = line
        .split(',')
        .find_map(|word| word.strip_prefix(part)?.strip_prefix('='));
    found.unwrap_or_default().to_owned()
}

fn told_ms(master: &Server) -> i64 {
    told(master, "ms").parse().unwrap_or(-2)
}

/// Waits until a replica and its master both show, again and again, about 250 ms.
#[track_caller]
fn wait_near_250(replica: &Server, master: &Server) {
    let mut near = 0;
    let mut seen = Vec::new();
    wait_for(
        "the delay shows",
        || {
            let readings = [replica.info_number("master_lag_ms"), told_ms(master)];
            let is_near = readings.iter().all(|ms| NEAR_250.contains(ms));
            near = if is_near { near + 1 } else { 0 };
            seen.push(readings);
            thread::sleep(Duration::from_millis(100));
            (near == READINGS).then_some(())
        },
        || replica.ask("INFO replication"),
    );
    assert_eq!(told(master, "by"), "replica");
    assert!(seen.len() < 200, "{seen:?}");
}

#[test]
fn a_delay_of_250_ms_shows_as_250_ms_at_both_ends() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    let line = DelayLine::to(master.port, 250);
    follow(&replica, line.port);
    let _drip = Drip::to(&master);
    wait_near_250(&replica, &master);
    let behind: i64 = told(&master, "bytes").parse().expect("bytes");
    assert!(behind > 0, "{behind}");
    // Without the delay both say so.
    line.delay(0);
    wait_until("there is no delay any more", || {
        (0..20).contains(&replica.info_number("master_lag_ms"))
            && (0..20).contains(&told_ms(&master))
    });
}

#[test]
fn a_delay_shows_end_to_end_through_two_hops() {
    for delays_ms in [[250, 0], [0, 250], [125, 125]] {
        let root = Server::ours(&[]);
        let middle = Server::ours(&[]);
        let leaf = Server::ours(&[]);
        let first = DelayLine::to(root.port, delays_ms[0]);
        let second = DelayLine::to(middle.port, delays_ms[1]);
        follow(&middle, first.port);
        follow(&leaf, second.port);
        let _drip = Drip::to(&root);
        wait_near_250(&leaf, &middle);
        let of_middle = middle.info_number("master_lag_ms");
        let injected = delays_ms[0] as i64;
        assert!((of_middle - injected).abs() <= 40, "{of_middle}");
    }
}

#[test]
fn the_delay_of_a_lab_shows_at_the_end_of_a_chain() {
    let lab = Lab::ours();
    lab.say("up --sentinels 0 --chain");
    lab.say("load client --rate 200");
    lab.say("delay m1 r1 125ms --one-way");
    lab.say("delay r1 r2 125ms --one-way");
    let info = || lab.say("cli r2 INFO replication");
    let mut near = 0;
    wait_for(
        "the delays show",
        || {
            let ms = info_field(&info(), "master_lag_ms").parse().unwrap_or(-2);
            near = if NEAR_250.contains(&ms) { near + 1 } else { 0 };
            (near == READINGS).then_some(())
        },
        info,
    );
    lab.say("stop-load");
}

#[test]
fn of_a_stock_replica_the_lag_is_estimated_and_a_stock_master_tells_none() {
    let master = Options::ours().readable_by_stock().start();
    let stock = Server::stock(&[]);
    let leaf = Server::ours(&[]);
    let line = DelayLine::to(master.port, 250);
    follow(&stock, line.port);
    follow(&leaf, stock.port);
    let drip = Drip::to(&master);
    // It acknowledges once a second.
    wait_until("the delay shows", || {
        (250..1600).contains(&told_ms(&master)) && told(&master, "by") == "estimate"
    });
    assert_eq!(leaf.info("master_lag_ms"), "-1");
    assert_eq!(leaf.info("master_sync_stage"), "streaming");
    drop(drip);
    wait_equal_offsets(&[&master, &stock, &leaf]);
    wait_until("nothing is missing", || {
        master.info("replica0_lag") == "bytes=0,ms=0,by=estimate"
    });
    assert!(!stock.log().contains("lag:"), "it got no marks");
}

/// What a monitor has shown up to this word, which somebody has sent since.
fn seen_until(monitor: &mut Conn, word: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(word) {
        let Ok(Value::Simple(line)) = monitor.read_value() else {
            panic!("the monitor ended: {seen}");
        };
        seen += &line;
    }
    seen
}

#[test]
fn a_stock_replica_beside_ours_gets_no_marks() {
    let master = Options::ours().readable_by_stock().start();
    let [ours, stock] = [Server::ours(&[]), Server::stock(&[])];
    let below = Server::ours(&[]);
    follow(&ours, master.port);
    follow(&stock, master.port);
    follow(&below, stock.port);
    let mut monitor = stock.connect();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    {
        let _drip = Drip::to(&master);
        wait_until("marks come", || ours.info_number("master_lag_ms") >= 0);
        thread::sleep(Duration::from_millis(500));
    }
    wait_equal_offsets(&[&master, &ours, &stock, &below]);
    for server in [&ours, &stock, &below] {
        assert_same_data(&master, server);
        assert_eq!(server.info("master_link_status"), "up");
    }
    stock.ask("PING abcdefgh");
    let seen = seen_until(&mut monitor, "abcdefgh");
    assert!(seen.contains("INCR") && !seen.contains("lag:"), "{seen}");
}

#[test]
fn a_master_at_rest_stays_at_its_offset_and_nobody_sees_marks() {
    let master = Server::ours(&["repl-ping-replica-period 3600", "appendonly yes"]);
    let replica = Server::ours(&["appendonly yes"]);
    follow(&replica, master.port);
    let mut monitor = replica.connect();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    master.ask("SET k 10");
    let begin = offset_of(&master);
    for n in 10..30 {
        master.ask(&format!("SET k {n}"));
        thread::sleep(Duration::from_millis(20));
    }
    wait_until("a mark was read", || {
        replica.info_number("master_lag_ms") >= 0
    });
    wait_equal_offsets(&[&master, &replica]);
    // Nothing but the commands themselves has moved it.
    let offset = offset_of(&master);
    assert_eq!(
        offset,
        begin + 20 * "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n10\r\n".len() as i64
    );
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(offset_of(&master), offset);
    assert_eq!(offset_of(&replica), offset);
    replica.ask("PING lag:1:abcdefgh");
    let seen = seen_until(&mut monitor, "abcdefgh");
    assert_eq!(seen.matches("lag:").count(), 1, "{seen}");
    assert!(seen.contains("SET"), "{seen}");
    for server in [&master, &replica] {
        let folder = server.path("appendonlydir");
        for entry in std::fs::read_dir(folder).expect("its files").flatten() {
            let bytes = std::fs::read(entry.path()).expect("a file");
            assert!(!bytes.windows(4).any(|window| window == b"lag:"));
        }
    }
}

#[test]
fn a_lost_link_shows_as_growing_lag() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    let link = Proxy::to(master.port);
    follow(&replica, link.port);
    let _drip = Drip::to(&master);
    wait_until("marks come", || replica.info_number("master_lag_ms") >= 0);
    link.sever();
    wait_until("it grows", || replica.info_number("master_lag_ms") > 1500);
    link.mend();
    wait_link_up(&replica);
    wait_until("it has caught up", || {
        (0..100).contains(&replica.info_number("master_lag_ms"))
    });
}

#[test]
fn a_frozen_replica_shows_at_its_master() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    let _drip = Drip::to(&master);
    wait_until("marks come", || told(&master, "by") == "replica");
    replica.freeze();
    wait_until("it grows", || told_ms(&master) > 2000);
    assert_eq!(told(&master, "by"), "estimate");
    replica.thaw();
    wait_until("it has caught up", || (0..100).contains(&told_ms(&master)));
}

#[test]
fn a_sync_shows_how_it_gets_on() {
    let master = Server::ours(&["repl-diskless-sync no", "save \"\""]);
    for n in 0..64 {
        master.command(&["SET", &format!("k:{n}"), &"v".repeat(1 << 20)]);
    }
    assert_eq!(master.ask("CONFIG SET rdbcompression no"), "OK");
    let replica = Server::ours(&["key-load-delay 100000"]);
    assert_eq!(replica.info("master_sync_stage"), "");
    let link = Proxy::to(master.port);
    link.delay(Duration::from_millis(20));
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", link.port));
    wait_for(
        "it is sent",
        || {
            let sync = master.info("replica0_sync");
            let number = |name: &str| -> i64 {
                let word = sync.split(',').find_map(|word| word.strip_prefix(name));
                word.and_then(|word| word.strip_prefix('=')?.parse().ok())
                    .unwrap_or(-1)
            };
            let is_sent = sync.starts_with("stage=sending")
                && number("total_bytes") > 64 << 20
                && number("sent_bytes") > 0
                && number("bytes_per_second") > 0
                && number("seconds_left") > 0;
            let is_read = replica.info("master_sync_stage") == "receiving"
                && replica.info_number("master_sync_bytes_per_second") > 0
                && replica.info_number("master_sync_seconds_left") > 0;
            (is_sent && is_read).then_some(())
        },
        || format!("{}\n{}", master.ask("INFO"), replica.ask("INFO")),
    );
    link.delay(Duration::ZERO);
    wait_until("it is loaded", || {
        replica.info("master_sync_stage") == "loading"
            && replica.info_number("master_sync_seconds_left") >= 0
            && master.info("replica0_sync").starts_with("stage=loading")
    });
    assert_eq!(replica.ask("CONFIG SET key-load-delay 0"), "OK");
    wait_link_up(&replica);
    assert_eq!(replica.info("master_sync_stage"), "streaming");
    wait_until("it is over", || master.info("replica0_sync").is_empty());
}
