//! Lag as masters and replicas measure and tell it: the machines of a chain, byte by byte.

use crate::base::time::Now;
use crate::replication::extensions::Extensions;
use crate::replication::rig::{Rig, id, in_db};
use crate::replication::{Action, MasterInfo, ReplconfReply, ReplicaInfo, ReplicationSettings};

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";

/// A master that sends its replicas files.
fn by_file() -> Rig {
    Rig::new(ReplicationSettings {
        diskless_sync: false,
        ..ReplicationSettings::default()
    })
}

/// A master with a replica of ours, number 1.
fn master() -> Rig {
    let mut rig = by_file();
    rig.replconf(1, "capa tanist:lag");
    rig.online(1);
    rig.replconf(1, "ACK 0");
    rig.read(1);
    rig
}

/// A replica at `offset` of history `a`, whose master is ours and says that its origin's clock
/// showed `origin_us` when it was asked.
fn replica(origin_us: Option<i64>, offset: u64) -> Rig {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.handshake_with(Extensions::LAG);
    assert!(rig.sent().contains("origin-time"));
    let time = origin_us.map_or("?".to_owned(), |us| us.to_string());
    rig.bytes(format!("+ORIGIN-TIME {time}\r\n").as_bytes());
    rig.bytes(format!("+FULLRESYNC {} {offset}\r\n$10\r\n0123456789", id('a')).as_bytes());
    rig.inspected(true);
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    rig.repl.on_load_finished(in_db(0), rig.facts, &mut rig.out);
    assert!(rig.repl.is_link_up());
    rig.out.clear();
    rig
}

/// A tick ends in which `writes` were written.
fn tick(rig: &mut Rig, writes: &[&[u8]]) {
    for write in writes {
        rig.repl.feed(None, write);
    }
    rig.repl.before_sleep(false, rig.facts.now);
}

fn pass(rig: &mut Rig, ms: u64) {
    rig.facts.now = rig.facts.now.plus_ms(ms);
}

fn marks_in(text: &str) -> usize {
    text.matches("lag:").count()
}

/// The replica has got a mark of that time, and come to it.
fn run_mark(rig: &mut Rig, at_us: i64) {
    run_mark_of(rig, 'a', at_us);
}

/// The same with a mark of this history.
fn run_mark_of(rig: &mut Rig, letter: char, at_us: i64) {
    let argument = format!("lag:{at_us}:{}", &id(letter)[..8]);
    let mark = format!("*2\r\n$4\r\nPING\r\n${}\r\n{argument}\r\n", argument.len());
    rig.bytes(mark.as_bytes());
    let count = mark.len() as u64;
    rig.repl
        .on_mark(argument.as_bytes(), count, rig.facts, &mut rig.out);
}

fn own(rig: &Rig) -> MasterInfo {
    rig.repl.info(rig.facts.now).master.expect("a replica")
}

fn first(rig: &Rig) -> ReplicaInfo {
    rig.repl.info(rig.facts.now).replicas[0].clone()
}

fn now_us(rig: &Rig) -> i64 {
    rig.facts.now.unix_us
}

#[test]
fn marks_follow_writes_ten_times_a_second_at_most() {
    let mut rig = master();
    pass(&mut rig, 1000);
    let mut marks = 0;
    for _ in 0..1000 {
        tick(&mut rig, &[SET, SET]);
        let text = rig.read(1);
        if let Some(at) = text.find("lag:") {
            assert!(text[..at].ends_with("$29\r\n"), "{text}");
            assert!(text.starts_with("*3"), "behind the writes: {text}");
        }
        marks += marks_in(&text);
        pass(&mut rig, 1);
    }
    assert_eq!(marks, 10);
    // At rest nothing moves.
    let offset = rig.repl.offset();
    for _ in 0..50 {
        pass(&mut rig, 100);
        tick(&mut rig, &[]);
    }
    assert_eq!(rig.repl.offset(), offset);
    assert_eq!(marks_in(&rig.read(1)), 1, "behind the last writes");
    tick(&mut rig, &[SET]);
    assert_eq!(marks_in(&rig.read(1)), 1);
}

#[test]
fn marks_are_no_part_of_the_stream() {
    let (mut with, mut without) = (master(), by_file());
    without.online(1);
    without.replconf(1, "ACK 0");
    // A second replica of the first, which reads no marks.
    with.online(2);
    for rig in [&mut with, &mut without] {
        pass(rig, 1000);
        for _ in 0..500 {
            tick(rig, &[SET, SET]);
            pass(rig, 3);
        }
    }
    assert_eq!(with.repl.offset(), without.repl.offset());
    let stream = without.read(1);
    assert_eq!(with.read(2), stream);
    let marked = with.read(1);
    assert!(marks_in(&marked) >= 10);
    let unmarked: Vec<&str> = marked.split("*2\r\n$4\r\nPING\r\n$29\r\n").collect();
    let rests = unmarked
        .iter()
        .skip(1)
        .map(|rest| &rest["lag:1700000000123456:cccccccc\r\n".len()..]);
    assert_eq!(unmarked[0].to_owned() + &rests.collect::<String>(), stream);
}

#[test]
fn a_replica_that_comes_late_is_told_that_nothing_is_missing() {
    let mut rig = master();
    tick(&mut rig, &[SET]);
    let half = rig.read(1);
    assert_eq!(marks_in(&half), 1);
    let (id, next) = (rig.repl.identity().id().to_string(), rig.repl.offset() + 1);
    pass(&mut rig, 9000);
    rig.replconf(2, "capa tanist:lag");
    rig.psync(2, &id, &next.to_string());
    let text = rig.read(2);
    assert!(text.contains(&format!("lag:{}:", now_us(&rig))), "{text}");
}

#[test]
fn a_server_in_the_middle_passes_marks_on_where_they_stood() {
    let start_us = Now::at_unix_ms(1_700_000_000_000).unix_us;
    let mut rig = replica(Some(start_us), 100);
    rig.replconf(1, "capa tanist:lag");
    rig.psync(1, &id('a'), "101");
    let offset = rig.repl.offset();
    rig.stream(SET);
    run_mark(&mut rig, 1_700_000_000_000_000);
    rig.stream(SET);
    assert_eq!(rig.repl.offset(), offset + 2 * SET.len() as u64);
    let set = String::from_utf8(SET.to_vec()).expect("ASCII");
    let mark = "*2\r\n$4\r\nPING\r\n$29\r\nlag:1700000000000000:aaaaaaaa\r\n";
    assert_eq!(rig.read(1), format!("{set}{mark}{set}"));
    // Where it cannot say more than long ago, it says nothing.
    run_mark(&mut rig, 1_700_000_000_500_000);
    pass(&mut rig, 5000);
    assert_eq!(rig.read(1), "");
}

#[test]
fn nobody_gets_marks_who_does_not_read_them() {
    let mut rig = by_file();
    rig.online(1);
    rig.read(1);
    for _ in 0..200 {
        tick(&mut rig, &[SET]);
        rig.pass_ms(100);
        rig.replconf(1, "ACK 0");
    }
    let text = rig.read(1);
    assert_eq!(marks_in(&text), 0);
    assert!(text.contains("ping"), "the regular ping goes on");
}

#[test]
fn the_regular_ping_has_a_mark_behind_it_where_somebody_reads_it() {
    let mut rig = master();
    for _ in 0..12 {
        rig.pass_ms(1000);
        rig.repl.before_sleep(false, rig.facts.now);
        rig.replconf(1, "ACK 0");
    }
    let text = rig.read(1);
    assert_eq!(
        (marks_in(&text), text.matches("ping").count()),
        (1, 1),
        "{text}"
    );
}

#[test]
fn a_replica_tells_the_lag_of_a_mark_when_it_has_run_it() {
    let mut rig = replica(Some(Now::at_unix_ms(1_700_000_000_000).unix_us), 100);
    assert_eq!(own(&rig).lag, None, "nothing was measured");
    let written_us = now_us(&rig);
    pass(&mut rig, 250);
    run_mark(&mut rig, written_us);
    let lag = own(&rig).lag.expect("measured");
    assert_eq!((lag.ms, lag.sampled_ms_ago), (250, 0));
    let sent = rig.sent();
    assert!(sent.contains("$3\r\nLAG\r\n$3\r\n250\r\n"), "{sent}");
    // It stays so while nothing is known to be missing.
    for _ in 0..9 {
        rig.pass_ms(1000);
    }
    let lag = own(&rig).lag.expect("measured");
    assert_eq!((lag.ms, lag.sampled_ms_ago), (250, 9000));
}

#[test]
fn jumps_of_the_wall_clock_are_no_lag() {
    let mut rig = replica(Some(Now::at_unix_ms(1_700_000_000_000).unix_us), 100);
    let written_us = now_us(&rig);
    pass(&mut rig, 250);
    rig.facts.now.unix_us -= 7_200_000_000;
    run_mark(&mut rig, written_us);
    assert_eq!(own(&rig).lag.expect("measured").ms, 250);
}

#[test]
fn clocks_that_differ_are_compared_by_what_the_handshake_has_shown() {
    // The origin is an hour ahead.
    let ahead_us = 3_600_000_000;
    let start_us = Now::at_unix_ms(1_700_000_000_000).unix_us;
    let mut rig = replica(Some(start_us + ahead_us), 100);
    let written_us = now_us(&rig) + ahead_us;
    pass(&mut rig, 70);
    run_mark(&mut rig, written_us);
    assert_eq!(own(&rig).lag.expect("measured").ms, 70);
    // Its own replicas are told the origin's time.
    let told = rig.replconf(5, "origin-time ?");
    let time = now_us(&rig) + ahead_us;
    assert_eq!(told, ReplconfReply::Line(format!("ORIGIN-TIME {time}")));
}

#[test]
fn marks_of_another_history_and_of_unknown_clocks_say_nothing() {
    let mut rig = replica(Some(Now::at_unix_ms(1_700_000_000_000).unix_us), 100);
    run_mark_of(&mut rig, 'b', 1_700_000_000_000_000);
    assert_eq!(own(&rig).lag, None);
    let mut rig = replica(None, 100);
    let written_us = now_us(&rig);
    run_mark(&mut rig, written_us);
    assert_eq!(own(&rig).lag, None);
    assert_eq!(rig.sent(), "");
    let told = rig.replconf(5, "origin-time ?");
    assert_eq!(told, ReplconfReply::Line("ORIGIN-TIME ?".to_owned()));
}

#[test]
fn lag_grows_while_something_is_known_to_be_missing() {
    let mut rig = replica(Some(Now::at_unix_ms(1_700_000_000_000).unix_us), 100);
    let written_us = now_us(&rig);
    pass(&mut rig, 20);
    run_mark(&mut rig, written_us);
    // Bytes have come that are not run.
    rig.bytes(SET);
    rig.pass_ms(5000);
    let info = own(&rig);
    assert_eq!(info.lag.expect("measured").ms, 5020);
    assert_eq!(info.lag_bytes, SET.len() as u64);
    rig.repl.on_applied(SET, 0);
    assert_eq!(own(&rig).lag.expect("measured").ms, 20);
    // The link is down.
    rig.closed();
    rig.pass_ms(3000);
    assert_eq!(own(&rig).lag.expect("measured").ms, 3020);
}

#[test]
fn a_silent_master_has_something_to_say_that_does_not_come() {
    let mut rig = replica(Some(Now::at_unix_ms(1_700_000_000_000).unix_us), 100);
    let written_us = now_us(&rig);
    pass(&mut rig, 20);
    run_mark(&mut rig, written_us);
    rig.pass_ms(10_900);
    assert_eq!(
        own(&rig).lag.expect("measured").ms,
        20,
        "it pings every 10 s"
    );
    rig.pass_ms(1000);
    assert_eq!(own(&rig).lag.expect("measured").ms, 11_920);
}

#[test]
fn a_master_shows_what_its_replica_has_measured_and_estimates_when_that_is_silent() {
    let mut rig = master();
    tick(&mut rig, &[SET]);
    let offset = rig.repl.offset();
    rig.replconf(1, &format!("ACK {} LAG 250", offset - 10));
    let lag = first(&rig).lag.expect("online");
    assert_eq!((lag.bytes, lag.ms, lag.is_measured), (10, Some(250), true));
    pass(&mut rig, 4000);
    let lag = first(&rig).lag.expect("online");
    assert_eq!((lag.ms, lag.is_measured), (Some(4000), false));
}

#[test]
fn of_a_stock_replica_the_first_byte_that_is_missing_tells() {
    let mut rig = by_file();
    rig.online(1);
    rig.replconf(1, "ACK 0");
    tick(&mut rig, &[SET]);
    let first_end = rig.repl.offset();
    pass(&mut rig, 300);
    tick(&mut rig, &[SET]);
    pass(&mut rig, 200);
    let lag = first(&rig).lag.expect("online");
    let bytes = 2 * SET.len() as u64;
    assert_eq!(
        (lag.bytes, lag.ms, lag.is_measured),
        (bytes, Some(500), false)
    );
    rig.replconf(1, &format!("ACK {first_end}"));
    assert_eq!(first(&rig).lag.expect("online").ms, Some(200));
    rig.replconf(1, &format!("ACK {}", rig.repl.offset()));
    let lag = first(&rig).lag.expect("online");
    assert_eq!((lag.bytes, lag.ms), (0, Some(0)));
}

#[test]
fn a_replica_that_continues_is_not_behind_by_all_that_it_has() {
    let mut rig = by_file();
    rig.online(1);
    for _ in 0..10 {
        tick(&mut rig, &[SET]);
    }
    let (id, end) = (rig.repl.identity().id().to_string(), rig.repl.offset());
    let next = end + 1 - SET.len() as u64;
    rig.psync(2, &id, &next.to_string());
    let info = rig.repl.info(rig.facts.now).replicas[1].clone();
    assert_eq!(info.offset, 0, "it has acknowledged nothing");
    assert_eq!(info.lag.expect("online").bytes, SET.len() as u64);
    // One that says more than there is, is not behind.
    rig.replconf(2, &format!("ACK {}", end + 100));
    let info = rig.repl.info(rig.facts.now).replicas[1].clone();
    assert_eq!(info.lag.expect("online").bytes, 0);
}

#[test]
fn a_sync_shows_its_stage_rate_and_time_left_at_both_ends() {
    let mut rig = by_file();
    rig.psync(1, "?", "-1");
    rig.forked();
    assert_eq!(first(&rig).sync.expect("not online").stage, "saving");
    rig.reaped(true);
    rig.repl.on_file_opened(1, 10_000, rig.facts, &mut rig.out);
    for _ in 0..3 {
        rig.repl.on_snapshot_sent(1, 1000);
        rig.pass_ms(1000);
    }
    let sync = first(&rig).sync.expect("not online");
    assert_eq!((sync.stage, sync.sent_bytes), ("sending", 3000));
    assert_eq!(sync.total_bytes, Some(10_000));
    assert_eq!((sync.bytes_per_second, sync.left_s), (1000, Some(7)));
    rig.repl.on_file_sent(1, rig.facts, &mut rig.out);
    assert_eq!(first(&rig).sync.expect("it loads").stage, "loading");
    rig.replconf(1, "ACK 0");
    assert_eq!(first(&rig).sync, None);
    assert!(first(&rig).lag.is_some());

    let mut rig = Rig::connecting(ReplicationSettings::default());
    let stage = |rig: &Rig| own(rig).stage.name();
    assert_eq!(stage(&rig), "connecting");
    rig.handshake();
    assert_eq!(stage(&rig), "handshake");
    rig.bytes(format!("+FULLRESYNC {} 0\r\n", id('a')).as_bytes());
    assert_eq!(stage(&rig), "waiting");
    rig.bytes(b"$10\r\n");
    for _ in 0..3 {
        rig.bytes(b"xx");
        rig.pass_ms(1000);
    }
    let sync = own(&rig).sync.expect("it comes");
    assert_eq!(stage(&rig), "receiving");
    assert_eq!((sync.bytes_per_second, sync.left_s), (2, Some(2)));
    rig.bytes(b"xxxx");
    assert_eq!(stage(&rig), "storing");
    rig.inspected(true);
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    assert_eq!(stage(&rig), "loading");
    rig.repl.on_load_finished(in_db(0), rig.facts, &mut rig.out);
    assert_eq!(stage(&rig), "streaming");
    assert!(
        rig.out
            .iter()
            .any(|a| matches!(a, Action::StartStream { .. }))
    );
}
