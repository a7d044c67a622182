//! Two servers of ours, and a snapshot file whose transfer was cut.

use crate::replication::extensions::{Extensions, SnapshotPart};
use crate::replication::rig::{Rig, id};
use crate::replication::*;

const NAME: [u8; 40] = [b'n'; 40];

fn disk() -> ReplicationSettings {
    ReplicationSettings {
        diskless_sync: false,
        ..ReplicationSettings::default()
    }
}

fn name() -> String {
    String::from_utf8(NAME.to_vec()).expect("ASCII")
}

// ---- The replica ----

/// A replica that has got 400 of 1000 bytes when its link breaks.
fn cut_replica() -> Rig {
    let mut rig = Rig::connecting(disk());
    rig.handshake_with(Extensions::SUM | Extensions::RESUME);
    rig.bytes(b"+OK\r\n");
    rig.pass_ms(1000);
    let head = format!("+FULLRESYNC {} 700\r\n$1000 {}\r\n", id('a'), name());
    rig.bytes(head.as_bytes());
    rig.bytes(&[b'x'; 400]);
    rig.out.clear();
    rig.closed();
    rig.expect(Action::KeepSnapshot);
    assert!(!rig.out.contains(&Action::AbortSnapshot));
    rig
}

#[test]
fn a_replica_says_what_it_has_and_is_content_with_the_rest() {
    let mut rig = cut_replica();
    rig.handshake_with(Extensions::SUM | Extensions::RESUME);
    let text = rig.sent();
    let part = SnapshotPart {
        name: NAME,
        bytes: 400,
    };
    let part = String::from_utf8(part.text()).expect("ASCII");
    assert!(text.contains(&part), "{text}");
    rig.bytes(b"+OK\r\n+OK\r\n");
    assert!(rig.sent().contains("PSYNC"));
    let head = format!("+FULLRESYNC {} 700\r\n$1000 {} 400\r\n", id('a'), name());
    rig.bytes(head.as_bytes());
    rig.expect(Action::ResumeSnapshot);
    assert!(
        !rig.out
            .iter()
            .any(|a| matches!(a, Action::BeginSnapshot { .. }))
    );
    let sync = rig.repl.info(rig.facts.now).master.expect("a master").sync;
    assert_eq!(sync.expect("a sync").read_bytes, 400);
    assert_eq!(rig.bytes(&[b'x'; 650]), 600, "the others are stream");
    rig.inspected(true);
    rig.expect(Action::EndSnapshot);
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    let place = StreamPlace::default();
    rig.repl.on_load_finished(place, rig.facts, &mut rig.out);
    assert!(rig.repl.is_link_up());
    assert_eq!(rig.repl.offset(), 700);
}

#[test]
fn it_takes_a_whole_snapshot_as_well() {
    for head in ["$1000", &format!("$900 {}", "m".repeat(40))] {
        let mut rig = cut_replica();
        rig.handshake_with(Extensions::SUM | Extensions::RESUME);
        rig.bytes(b"+OK\r\n+OK\r\n");
        rig.out.clear();
        rig.bytes(format!("+FULLRESYNC {} 800\r\n{head}\r\n", id('a')).as_bytes());
        rig.expect(Action::DropKeptSnapshot);
        assert!(
            rig.out
                .iter()
                .any(|a| matches!(a, Action::BeginSnapshot { .. }))
        );
    }
}

#[test]
fn the_rest_of_something_else_is_refused() {
    let other = "m".repeat(40);
    for head in [
        format!("$1000 {} 401", name()),
        format!("$1001 {} 400", name()),
        format!("$1000 {other} 400"),
    ] {
        let mut rig = cut_replica();
        rig.handshake_with(Extensions::SUM | Extensions::RESUME);
        rig.bytes(b"+OK\r\n+OK\r\n");
        rig.out.clear();
        rig.bytes(format!("+FULLRESYNC {} 700\r\n{head}\r\n", id('a')).as_bytes());
        rig.expect(Action::CloseMaster);
        rig.expect_logged("the rest of something that we do not have");
    }
}

#[test]
fn what_was_kept_goes_with_the_master_that_it_is_of() {
    let mut rig = cut_replica();
    rig.out.clear();
    rig.repl
        .replicaof("other", 6379, "test", rig.facts, &mut rig.out);
    rig.expect(Action::DropKeptSnapshot);
    rig.handshake_with(Extensions::SUM | Extensions::RESUME);
    assert!(!rig.sent().contains("snapshot-part"));
}

#[test]
fn nothing_is_kept_of_a_stock_master() {
    let mut rig = Rig::connecting(disk());
    rig.handshake();
    rig.pass_ms(1000);
    rig.bytes(format!("+FULLRESYNC {} 700\r\n$1000\r\n", id('a')).as_bytes());
    rig.bytes(&[b'x'; 400]);
    rig.closed();
    rig.expect(Action::AbortSnapshot);
}

// ---- The master ----

/// A master that was sending a file of 1000 bytes to a replica, which has gone.
fn cut_master() -> (Rig, String) {
    let mut rig = Rig::new(disk());
    rig.replconf(1, "capa tanist:resume");
    rig.psync(1, "?", "-1");
    rig.forked();
    rig.reaped(true);
    rig.repl.on_file_opened(1, 1000, rig.facts, &mut rig.out);
    let told = rig.told(1);
    let name = told.trim_end().rsplit(' ').next().expect("a name");
    assert_eq!(name.len(), 40, "{told}");
    let name = name.to_owned();
    rig.repl.feed(Some(0), b"PING\r\n");
    rig.out.clear();
    rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    rig.expect(Action::KeepFile { client: 1 });
    rig.repl.check_invariants();
    (rig, name)
}

#[test]
fn a_replica_that_comes_back_is_sent_the_rest_and_the_stream_from_there() {
    let (mut rig, name) = cut_master();
    rig.pass_ms(50_000);
    rig.repl.feed(Some(0), b"PONG\r\n");
    rig.replconf(2, "capa tanist:sum,resume");
    rig.replconf(2, &format!("snapshot-part {name}:400"));
    rig.out.clear();
    rig.psync(2, "?", "-1");
    rig.expect(Action::TakeFile {
        client: 2,
        from: 400,
    });
    rig.expect(Action::SendFile { client: 2 });
    let own = rig.repl.identity().id();
    let want = format!("+FULLRESYNC {own} 0\r\n$1000 {name} 400\r\n");
    assert_eq!(rig.told(2), want);
    rig.repl.on_file_sent(2, rig.facts, &mut rig.out);
    let text = rig.read(2);
    assert!(
        text.contains("PING") && text.ends_with("PONG\r\n"),
        "{text}"
    );
    let stats = rig.repl.source().stats();
    assert_eq!((stats.full, stats.resumed), (1, 1));
}

#[test]
fn one_that_comes_back_before_its_old_link_is_known_to_be_dead_gets_the_rest_too() {
    let mut rig = Rig::new(disk());
    rig.replconf(1, "capa tanist:resume listening-port 7");
    rig.sync(1, "?", "-1");
    rig.forked();
    rig.reaped(true);
    rig.repl.on_file_opened(1, 1000, rig.facts, &mut rig.out);
    let told = rig.told(1);
    let name = told.trim_end().rsplit(' ').next().expect("a name");
    rig.replconf(2, "capa tanist:resume listening-port 7");
    rig.replconf(2, &format!("snapshot-part {name}:400"));
    rig.sync(2, "?", "-1");
    rig.expect(Action::CloseReplica { client: 1 });
    rig.expect(Action::TakeFile {
        client: 2,
        from: 400,
    });
    assert_eq!(rig.repl.source().stats().full, 1);
}

#[test]
fn a_file_that_nobody_comes_for_is_let_go_and_so_is_its_place_in_the_log() {
    let (mut rig, name) = cut_master();
    rig.pass_ms(61_000);
    rig.expect(Action::DropFile);
    rig.replconf(2, "capa tanist:resume");
    rig.replconf(2, &format!("snapshot-part {name}:400"));
    rig.psync(2, "?", "-1");
    assert_eq!(rig.repl.source().stats().full, 2);
}

#[test]
fn only_who_has_a_part_of_it_gets_the_rest() {
    let (mut rig, name) = cut_master();
    let other = "m".repeat(40);
    for (client, part) in [
        (2, String::new()),
        (3, format!("snapshot-part {other}:400")),
        (4, format!("snapshot-part {name}:1000")),
        (5, format!("snapshot-part {name}:0")),
        (6, "snapshot-part odd".to_owned()),
    ] {
        rig.replconf(client, "capa tanist:resume");
        if !part.is_empty() {
            rig.replconf(client, &part);
        }
        rig.psync(client, "?", "-1");
    }
    assert_eq!(rig.repl.source().stats().resumed, 0);
    assert_eq!(rig.repl.source().stats().full, 6);
    // It is gone with the history that it is of.
    rig.repl
        .replicaof("m", 6379, "test", rig.facts, &mut rig.out);
    rig.repl.check_invariants();
}

#[test]
fn a_replica_whose_snapshot_through_sockets_was_cut_twice_gets_a_file() {
    let mut rig = Rig::new(ReplicationSettings {
        diskless_sync_delay_s: 0,
        has_save_points: false,
        ..ReplicationSettings::default()
    });
    let mut target = |client, word: &str| {
        rig.replconf(
            client,
            &format!("capa eof capa psync2 {word} listening-port 7"),
        );
        rig.out.clear();
        rig.sync(client, "?", "-1");
        let target = rig.out.iter().find_map(|action| match action {
            Action::StartSnapshot { target, .. } => Some(*target),
            _ => None,
        });
        rig.forked();
        rig.repl.on_client_closed(client, rig.facts, &mut rig.out);
        rig.facts.child = RunningChild::None;
        target.expect("a snapshot") == SnapshotTarget::Disk
    };
    let ours = "capa tanist:resume";
    assert!(!target(1, ours) && !target(2, ours));
    assert!(!target(3, "capa other"), "a stock replica could not resume");
    assert!(target(4, ours));
}

#[test]
fn the_file_of_a_stock_replica_is_not_kept() {
    let mut rig = Rig::new(disk());
    rig.psync(1, "?", "-1");
    rig.forked();
    rig.reaped(true);
    rig.repl.on_file_opened(1, 1000, rig.facts, &mut rig.out);
    assert!(rig.told(1).ends_with("\r\n$1000\r\n"));
    rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    assert!(!rig.out.contains(&Action::KeepFile { client: 1 }));
}
