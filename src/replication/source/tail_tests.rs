//! What a master keeps of its stream for the case that a replica is promoted.

use crate::replication::rig::Rig;
use crate::replication::*;

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

/// A master whose cursor may hold 16 KiB, with the replicas 1 and 2.
fn small() -> Rig {
    let mut rig = Rig::new(ReplicationSettings {
        diskless_sync: false,
        backlog_bytes: 16 * 1024,
        lost_bytes_max: 64 * 1024,
        lost_age_max_s: 100,
        ..ReplicationSettings::default()
    });
    rig.online(1);
    rig.online(2);
    rig
}

fn ack(rig: &mut Rig, client: ClientId, offset: u64) {
    rig.replconf(client, &format!("ACK {offset}"));
}

fn ack_all(rig: &mut Rig) {
    let offset = rig.repl.offset();
    for client in [1, 2] {
        ack(rig, client, offset);
    }
}

fn leave(rig: &mut Rig, client: ClientId) {
    rig.repl.on_client_closed(client, rig.facts, &mut rig.out);
    rig.repl.check_invariants();
}

fn write(rig: &mut Rig, bytes: usize) {
    for _ in 0..bytes / SET.len() + 1 {
        rig.repl.feed(Some(0), SET);
    }
}

/// What would be read behind `after`.
fn read(rig: &mut Rig, after: u64) -> (Option<CommandStart>, usize) {
    let start = rig.repl.begin_reading_tail(after);
    (start, rig.repl.tail_chunks().map(<[u8]>::len).sum())
}

#[test]
fn the_stream_is_kept_from_the_lowest_acknowledged_offset_on() {
    let mut rig = small();
    write(&mut rig, 1000);
    ack_all(&mut rig);
    let base = rig.repl.offset();
    assert_eq!(rig.repl.tail_base(), Some(base));
    write(&mut rig, 1000);
    ack(&mut rig, 1, base + 500);
    assert_eq!(rig.repl.tail_base(), Some(base));
    leave(&mut rig, 2);
    ack_all(&mut rig);
    assert_eq!(rig.repl.tail_base(), Some(base), "who is gone counts");
    let end = rig.repl.offset();
    let (start, bytes) = read(&mut rig, base);
    let start = start.expect("a command");
    assert!(start.offset <= base + 1);
    assert_eq!(bytes as u64, end + 1 - start.offset);
}

#[test]
fn who_comes_back_with_what_he_had_is_not_missing_any_more() {
    let mut rig = small();
    write(&mut rig, 1000);
    ack_all(&mut rig);
    let base = rig.repl.offset();
    leave(&mut rig, 2);
    write(&mut rig, 1000);
    ack_all(&mut rig);
    assert_eq!(rig.repl.tail_base(), Some(base));
    let id = rig.repl.identity().id();
    rig.psync(2, id.as_str(), &(base + 1).to_string());
    assert_eq!(rig.repl.tail_base(), Some(base), "it has no more yet");
    ack_all(&mut rig);
    assert_eq!(rig.repl.tail_base(), Some(rig.repl.offset()));
}

#[test]
fn who_does_not_come_back_is_given_up_in_the_end() {
    let mut rig = small();
    ack_all(&mut rig);
    leave(&mut rig, 2);
    write(&mut rig, 100);
    ack_all(&mut rig);
    assert!(rig.repl.tail_base() < Some(rig.repl.offset()));
    // A replica that says nothing is dropped sooner.
    for _ in 0..11 {
        rig.pass_ms(10_000);
        ack_all(&mut rig);
    }
    assert_eq!(rig.repl.tail_base(), Some(rig.repl.offset()));
}

#[test]
fn replicas_are_asked_before_anything_is_copied() {
    let mut rig = small();
    ack_all(&mut rig);
    let asks = |rig: &mut Rig| {
        let before = rig.repl.offset();
        rig.repl.before_sleep(false, rig.facts.now);
        rig.repl.offset() > before
    };
    assert!(!asks(&mut rig));
    write(&mut rig, 9000);
    assert!(asks(&mut rig), "much waits for them");
    assert!(!asks(&mut rig), "once is enough");
    ack_all(&mut rig);
    assert!(!asks(&mut rig));
    assert_eq!(rig.repl.tail_piece(rig.facts.now), None);
}

#[test]
fn what_memory_is_too_small_for_is_copied_in_pieces_of_whole_commands() {
    let mut rig = small();
    ack_all(&mut rig);
    let base = rig.repl.offset();
    leave(&mut rig, 2);
    let mut copied = 0;
    let mut first = None;
    for _ in 0..20 {
        write(&mut rig, 20_000);
        let end = rig.repl.offset();
        ack(&mut rig, 1, end);
        rig.read(1);
        if let Some(piece) = rig.repl.tail_piece(rig.facts.now) {
            let from = *first.get_or_insert(piece.start.offset);
            assert_eq!(piece.start.offset, from + copied, "no hole");
            assert_eq!(piece.start.db, (copied > 0).then_some(0));
            copied += piece.bytes;
            rig.repl.on_tail_copied(piece);
        }
        rig.repl.tick(rig.facts, &mut rig.out);
        assert!(rig.repl.log_memory_bytes() < 100_000, "it is let go of");
    }
    assert!(copied > 300_000);
    assert!(first.expect("a piece") <= base + 1);
    let (start, bytes) = rig.repl.spooled().expect("a spool");
    assert_eq!((start.offset, bytes), (first.unwrap(), copied));
    // The rest is in the log.
    let end = rig.repl.offset();
    let (start, bytes) = read(&mut rig, base);
    assert_eq!(
        start.map(|start| start.offset),
        Some(end + 1 - bytes as u64)
    );
    assert_eq!(bytes as u64, end - copied - first.unwrap() + 1);
}

#[test]
fn a_spool_that_fails_costs_what_it_held_and_no_memory() {
    let mut rig = small();
    ack_all(&mut rig);
    leave(&mut rig, 2);
    write(&mut rig, 20_000);
    let piece = rig.repl.tail_piece(rig.facts.now).expect("a piece");
    rig.repl.on_tail_copied(piece);
    write(&mut rig, 20_000);
    assert!(rig.repl.tail_piece(rig.facts.now).is_some());
    rig.repl.on_spool_failed(rig.facts.now);
    assert_eq!(rig.repl.spooled(), None);
    for _ in 0..20 {
        write(&mut rig, 20_000);
        rig.read(1);
        assert_eq!(rig.repl.tail_piece(rig.facts.now), None);
        rig.repl.tick(rig.facts, &mut rig.out);
        assert!(rig.repl.log_memory_bytes() < 100_000, "it is let go of");
    }
}

#[test]
fn nothing_is_kept_where_nobody_wants_it() {
    let mut rig = Rig::new(ReplicationSettings {
        diskless_sync: false,
        lost_bytes_max: 0,
        ..ReplicationSettings::default()
    });
    rig.online(1);
    write(&mut rig, 100);
    leave(&mut rig, 1);
    assert_eq!(rig.repl.tail_base(), None);
}
