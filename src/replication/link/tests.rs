//! The link to our master, byte by byte.

use crate::base::rng::Rng;
use crate::replication::identity::Ancestor;
use crate::replication::rig::{Rig, id, in_db};
use crate::replication::*;

pub(super) const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

const CAPABILITIES: &str = "REPLCONF capa eof capa psync2 capa tanist:sum,lag,fork,resume";

fn connect(host: &str) -> Action {
    Action::Connect {
        host: host.into(),
        port: 6379,
    }
}

fn text(command: &str) -> String {
    let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
    String::from_utf8(wire::command(&words)).expect("ASCII")
}

// ---- Handshake ----

#[test]
fn the_handshake_asks_in_the_order_of_the_reference() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.expect_logged("Connecting to MASTER m:6379");
    rig.expect_logged("MASTER <-> REPLICA sync started");
    rig.expect(connect("m"));
    rig.repl.on_connected(rig.facts, &mut rig.out);
    rig.expect_logged("Non blocking connect for SYNC fired the event.");
    assert_eq!(rig.sent(), text("PING"));
    rig.bytes(b"+PONG\r\n");
    rig.expect_logged("Master replied to PING, replication can continue...");
    let port = text("REPLCONF listening-port 6379");
    assert_eq!(rig.sent(), port + &text(CAPABILITIES));
    rig.bytes(b"+OK\r\n");
    assert_eq!(rig.sent(), "");
    rig.bytes(b"+OK\r\n");
    let own = rig.repl.identity().id();
    assert_eq!(rig.sent(), text(&format!("PSYNC {own} 1")));
    rig.expect_logged(&format!(
        "Trying a partial resynchronization (request {own}:1)."
    ));
}

#[test]
fn a_replica_says_its_password_and_where_it_can_be_reached() {
    let mut rig = Rig::connecting(ReplicationSettings {
        master_user: Some(b"bob".to_vec()),
        master_auth: Some(b"pw".to_vec()),
        announce_ip: Some("1.2.3.4".into()),
        announce_port: Some(99),
        ..ReplicationSettings::default()
    });
    rig.repl.on_connected(rig.facts, &mut rig.out);
    rig.sent();
    rig.bytes(b"-NOAUTH Authentication required.\r\n");
    let want = [
        "AUTH bob pw",
        "REPLCONF listening-port 99",
        "REPLCONF ip-address 1.2.3.4",
    ];
    let want = want.map(text).concat() + &text(CAPABILITIES);
    assert_eq!(rig.sent(), want);
    rig.bytes(b"+OK\r\n-ERR unknown\r\n-ERR unknown\r\n");
    rig.expect_logged("(Non critical) Master does not understand REPLCONF listening-port: -ERR");
    rig.expect_logged("(Non critical) Master does not understand REPLCONF ip-address: -ERR");
    rig.bytes(b"-ERR unknown\r\n");
    rig.expect_logged("(Non critical) Master does not understand REPLCONF capa: -ERR unknown");
    assert!(rig.sent().contains("PSYNC"));
}

#[test]
fn a_wrong_password_ends_the_attempt_and_is_tried_again() {
    let mut rig = Rig::connecting(ReplicationSettings {
        master_auth: Some(b"wrong".to_vec()),
        ..ReplicationSettings::default()
    });
    rig.repl.on_connected(rig.facts, &mut rig.out);
    rig.bytes(b"+PONG\r\n-WRONGPASS invalid\r\n");
    rig.expect_logged("Unable to AUTH to MASTER: -WRONGPASS invalid");
    rig.expect(Action::CloseMaster);
    rig.out.clear();
    rig.pass_ms(1000);
    rig.expect(connect("m"));
}

#[test]
fn a_server_that_starts_without_data_asks_for_everything() {
    let mut rig = Rig::new(ReplicationSettings::default());
    rig.repl.start_as_replica_of("m", 6379);
    rig.pass_ms(1000);
    rig.expect_logged("Connecting to MASTER m:6379");
    rig.handshake();
    assert!(rig.sent().ends_with(&text("PSYNC ? -1")));
    rig.expect_logged("Partial resynchronization not possible (no cached master)");
}

#[test]
fn a_server_that_starts_from_a_snapshot_asks_to_continue() {
    let mut rig = Rig::new(ReplicationSettings::default());
    rig.repl.start_as_replica_of("m", 6379);
    let saved = SavedIdentity {
        id: ReplId::parse(id('a').as_bytes()).expect("an id"),
        offset: 41,
        stream_db: 3,
        sum: None,
        ancestors: vec![Ancestor {
            id: ReplId::parse(id('o').as_bytes()).expect("an id"),
            end: 30,
            is_exact: true,
        }],
    };
    rig.repl.restore(saved.clone(), rig.facts, &mut rig.out);
    rig.pass_ms(1000);
    rig.handshake();
    assert!(
        rig.sent()
            .ends_with(&text(&format!("PSYNC {} 42", id('a'))))
    );
    rig.bytes(b"+CONTINUE\r\n");
    let after = SyncKind::Partial;
    rig.expect(Action::StartStream { db: 3, after });
    assert_eq!(rig.repl.saved_identity(), Some(saved));
}

#[test]
fn somebody_else_than_a_master_is_recognised() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.repl.on_connected(rig.facts, &mut rig.out);
    rig.bytes(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n");
    rig.expect_logged("Error reply to PING from master: 'HTTP/1.1 400 Bad Request'");
    rig.expect(Action::CloseMaster);
    assert_eq!(rig.repl.role(rig.facts.now), role("connect", -1));
}

fn role(state: &'static str, offset: i64) -> RoleInfo {
    RoleInfo::Replica {
        host: "m".into(),
        port: 6379,
        state,
        offset,
    }
}

#[test]
fn a_line_without_an_end_is_not_waited_for() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.repl.on_connected(rig.facts, &mut rig.out);
    assert_eq!(rig.bytes(&[b'x'; 100_000]), 100_000);
    rig.expect(Action::CloseMaster);
}

#[test]
fn every_failed_connection_is_logged_and_retried_each_second_for_ever() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    for round in 0..100 {
        rig.expect(connect("m"));
        rig.out.clear();
        let failure = if round % 2 == 0 {
            ConnectFailure::Socket("Connection refused".into())
        } else {
            ConnectFailure::NotBegun("Name or service not known".into())
        };
        rig.repl.on_connect_failed(failure, rig.facts, &mut rig.out);
        if round % 2 == 0 {
            rig.expect_logged("Error condition on socket for SYNC: Connection refused");
        } else {
            rig.expect_logged("Unable to connect to MASTER: Name or service not known");
        }
        rig.pass_ms(1000);
    }
}

#[test]
fn a_master_that_cannot_serve_us_yet_is_asked_again() {
    for reply in ["-NOMASTERLINK Can't SYNC", "-LOADING Redis is loading"] {
        let mut rig = Rig::connecting(ReplicationSettings::default());
        rig.handshake();
        rig.bytes(format!("{reply}\r\n").as_bytes());
        rig.expect_logged("Master is currently unable to PSYNC but should be in the future: -");
        rig.out.clear();
        rig.pass_ms(1000);
        rig.expect(connect("m"));
        rig.handshake();
        assert!(rig.sent().contains("PSYNC"));
    }
}

#[test]
fn a_continuation_that_we_did_not_ask_for_is_nonsense() {
    let mut rig = Rig::new(ReplicationSettings::default());
    rig.repl.start_as_replica_of("m", 6379);
    rig.pass_ms(1000);
    rig.handshake();
    rig.bytes(b"+CONTINUE\r\n");
    rig.expect_logged("Unexpected reply to PSYNC from master: +CONTINUE");
    assert!(!rig.repl.is_link_up());
}

// ---- Snapshots ----

#[test]
fn a_snapshot_of_known_size_goes_to_disk_and_is_loaded() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.handshake();
    rig.actions();
    rig.bytes(format!("\n\n+FULLRESYNC {} 700\r\n", id('a')).as_bytes());
    rig.expect_logged(&format!("Full resync from master: {}:700", id('a')));
    assert_eq!(rig.bytes(b"\n\n$10\r\n0123"), 11);
    rig.expect_logged("MASTER <-> REPLICA sync: receiving 10 bytes from master to disk");
    let begin = Action::BeginSnapshot {
        size: Some(10),
        target: LoadTarget::Disk,
    };
    assert_eq!(rig.actions(), [begin, Action::SnapshotData(7..11)]);
    let info = rig
        .repl
        .info(rig.facts.now)
        .master
        .expect("a master")
        .sync
        .expect("a sync");
    assert_eq!((info.total_bytes, info.read_bytes), (10, 4));
    assert_eq!(rig.bytes(&[b"456789", SET].concat()), 6);
    assert_eq!(
        rig.actions(),
        [Action::SnapshotData(0..6), Action::InspectSnapshot]
    );
    rig.inspected(true);
    assert_eq!(rig.actions(), [Action::EndSnapshot]);
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    rig.expect_logged("MASTER <-> REPLICA sync: Flushing old data");
    rig.expect_logged("MASTER <-> REPLICA sync: Loading DB in memory");
    assert_eq!(rig.actions(), [Action::FlushData, Action::LoadSnapshot]);
    rig.repl.on_load_finished(in_db(5), rig.facts, &mut rig.out);
    rig.expect_logged("MASTER <-> REPLICA sync: Finished with success");
    let after = SyncKind::Full;
    assert_eq!(rig.actions(), [Action::StartStream { db: 5, after }]);
    rig.repl.on_applied(SET, 5);
    assert_eq!(rig.repl.identity().id().as_str(), id('a'));
    assert_eq!(rig.repl.identity().offset(), 700 + SET.len() as u64);
    assert_eq!(rig.repl.last_stream_bytes(1000), SET);
}

#[test]
fn a_snapshot_with_an_end_mark_is_acknowledged_at_once() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.handshake();
    let mark = "m".repeat(40);
    rig.bytes(format!("+FULLRESYNC {} 9\r\n$EOF:{mark}\r\ndata", id('a')).as_bytes());
    rig.expect_logged("receiving streamed RDB from master with EOF to disk");
    rig.actions();
    assert_eq!(rig.bytes(b"more mm"), 7);
    assert_eq!(rig.actions(), [Action::SnapshotData(0..5)]);
    assert_eq!(rig.bytes(b"x"), 1);
    let held = Action::SnapshotHeld(b"mm".to_vec());
    assert_eq!(rig.actions(), [held, Action::SnapshotData(0..1)]);
    assert_eq!(rig.bytes(mark.as_bytes()), 40);
    assert_eq!(rig.actions(), [Action::InspectSnapshot]);
    rig.inspected(true);
    assert_eq!(rig.actions(), [Action::EndSnapshot]);
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    rig.repl
        .on_load_finished(StreamPlace::default(), rig.facts, &mut rig.out);
    assert_eq!(rig.sent(), text("REPLCONF ACK 9"));
}

/// Runs a whole synchronization whose bytes come in pieces of `step`, and gives what was stored
/// and what was left as stream.
fn sync_in_pieces(wire: &[u8], step: usize) -> (Vec<u8>, Vec<u8>) {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.repl.on_connected(rig.facts, &mut rig.out);
    let (mut stored, mut stream) = (Vec::new(), Vec::new());
    for piece in wire.chunks(step) {
        rig.out.clear();
        let taken = rig.bytes(piece);
        for action in &rig.out {
            match action {
                Action::SnapshotData(range) => stored.extend_from_slice(&piece[range.clone()]),
                Action::SnapshotHeld(bytes) => stored.extend_from_slice(bytes),
                _ => {}
            }
        }
        stream.extend_from_slice(&piece[taken..]);
    }
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    rig.repl
        .on_load_finished(StreamPlace::default(), rig.facts, &mut rig.out);
    rig.repl.on_applied(&stream, 0);
    assert_eq!(rig.repl.identity().offset(), 5 + stream.len() as u64);
    (stored, stream)
}

#[test]
fn the_cuts_that_the_network_makes_change_nothing() {
    let mark = "mn".repeat(20);
    let hello = format!("+PONG\r\n+OK\r\n+OK\r\n\n+FULLRESYNC {} 5\r\n\n", id('a'));
    let sized = [hello.as_bytes(), b"$9\r\nmnmnmnmnX", SET].concat();
    let body = "mnmnmn and mnmn.";
    let marked = [
        hello.as_bytes(),
        format!("$EOF:{mark}\r\n{body}{mark}").as_bytes(),
        SET,
    ]
    .concat();
    for step in 1..120 {
        assert_eq!(
            sync_in_pieces(&sized, step),
            (b"mnmnmnmnX".to_vec(), SET.to_vec())
        );
        assert_eq!(
            sync_in_pieces(&marked, step),
            (body.as_bytes().to_vec(), SET.to_vec())
        );
    }
}

#[test]
fn a_master_that_knows_only_sync_works_too() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.handshake();
    rig.sent();
    rig.bytes(b"-ERR unknown command 'PSYNC'\r\n");
    rig.expect_logged("Master does not support PSYNC or is in error state (reply: -ERR unknown");
    rig.expect_logged("Retrying with SYNC...");
    assert_eq!(rig.sent(), "SYNC\r\n");
    rig.bytes(b"$1\r\nx");
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    rig.repl
        .on_load_finished(StreamPlace::default(), rig.facts, &mut rig.out);
    rig.stream(SET);
    rig.actions();
    rig.pass_ms(3000);
    assert_eq!(
        rig.sent(),
        "",
        "an old master understands no acknowledgements"
    );
    rig.closed();
    rig.handshake();
    assert!(
        rig.sent().ends_with(&text("PSYNC ? -1")),
        "it cannot be continued"
    );
}

#[test]
fn a_broken_promise_of_a_snapshot_is_followed_by_another_attempt() {
    for (line, logged) in [
        (
            "-ERR no memory",
            "MASTER aborted replication with an error: ERR no memory",
        ),
        (
            "hello",
            "Bad protocol from MASTER, the first byte is not '$' (we received 'hello')",
        ),
        ("$0", "receiving 0 bytes from master to disk"),
        ("$-5", "receiving -5 bytes from master to disk"),
        ("$x", "receiving 0 bytes from master to disk"),
        ("$EOF:short", "receiving 0 bytes from master to disk"),
    ] {
        let mut rig = Rig::streaming(&id('a'), 100);
        rig.pass_ms(2000);
        rig.closed();
        rig.pass_ms(2000);
        rig.handshake();
        rig.actions();
        rig.bytes(format!("+FULLRESYNC {} 5\r\n{line}\r\n", id('b')).as_bytes());
        rig.expect_logged(logged);
        rig.expect_logged("Reconnecting to MASTER m:6379 after failure");
        let nothing_lost = [Action::CloseMaster, connect("m")];
        assert_eq!(rig.actions(), nothing_lost, "{line}");
        rig.handshake();
        let request = text(&format!("PSYNC {} 101", id('a')));
        assert!(rig.sent().ends_with(&request), "{line}");
    }
}

#[test]
fn retries_at_once_are_not_faster_than_one_a_second() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    let mut attempts = 0;
    for _ in 0..100 {
        rig.pass_ms(100);
        let tried = rig.actions().contains(&connect("m"));
        attempts += usize::from(tried);
        if rig.repl.role(rig.facts.now) == role("connecting", -1) {
            rig.handshake();
            rig.bytes(b"+FULLRESYNC broken\r\n-ERR go away\r\n");
        }
    }
    assert!(
        (9..=12).contains(&attempts),
        "{attempts} attempts in ten seconds"
    );
}

#[test]
fn a_snapshot_that_cannot_be_stored_costs_nothing() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.pass_ms(2000);
    rig.closed();
    rig.handshake();
    rig.bytes(format!("+FULLRESYNC {} 5\r\n$4\r\nabcd", id('b')).as_bytes());
    rig.out.clear();
    rig.repl.on_snapshot_failed(
        "Failed trying to rename the temp DB",
        rig.facts,
        &mut rig.out,
    );
    rig.expect_logged("Failed trying to rename the temp DB");
    assert_eq!(rig.actions(), [Action::AbortSnapshot, Action::CloseMaster]);
    rig.pass_ms(1000);
    rig.handshake();
    assert!(
        rig.sent()
            .ends_with(&text(&format!("PSYNC {} 101", id('a'))))
    );
}

#[test]
fn a_snapshot_that_cannot_be_loaded_costs_the_old_data() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.pass_ms(2000);
    rig.closed();
    rig.handshake();
    rig.bytes(format!("+FULLRESYNC {} 5\r\n$4\r\nabcd", id('b')).as_bytes());
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    assert_eq!(rig.repl.saved_identity(), None);
    rig.repl.on_load_failed(rig.facts, &mut rig.out);
    rig.expect_logged("Failed trying to load the MASTER synchronization DB from disk, check");
    let want = [
        Action::AbortSnapshot,
        Action::FlushData,
        Action::CloseMaster,
    ];
    assert!(
        rig.actions().ends_with(&want),
        "no half of a snapshot stays"
    );
    rig.pass_ms(1000);
    rig.handshake();
    assert!(rig.sent().ends_with(&text("PSYNC ? -1")));
}

#[test]
fn an_empty_server_may_load_from_the_socket() {
    let settings = ReplicationSettings {
        diskless_load: DisklessLoad::OnEmptyDb,
        ..ReplicationSettings::default()
    };
    let mut rig = Rig::connecting(settings);
    rig.facts.dataset_empty = true;
    rig.handshake();
    rig.actions();
    rig.bytes(format!("+FULLRESYNC {} 5\r\n$4\r\nab", id('b')).as_bytes());
    rig.expect_logged("receiving 4 bytes from master to parser");
    let begin = Action::BeginSnapshot {
        size: Some(4),
        target: LoadTarget::Memory,
    };
    assert_eq!(
        rig.actions(),
        [Action::FlushData, begin, Action::SnapshotData(60..62)]
    );
    rig.pass_ms(1000);
    assert_eq!(rig.sent(), "\n", "the master hears that we are alive");
    rig.closed();
    let want = [
        Action::AbortSnapshot,
        Action::FlushData,
        Action::CloseMaster,
    ];
    assert!(
        rig.actions().starts_with(&want),
        "no half of a snapshot stays"
    );
    rig.pass_ms(1000);
    rig.handshake();
    rig.bytes(format!("+FULLRESYNC {} 5\r\n$4\r\nabcd", id('b')).as_bytes());
    rig.repl
        .on_load_finished(StreamPlace::default(), rig.facts, &mut rig.out);
    assert!(rig.repl.is_link_up());
}

#[test]
fn a_snapshot_for_replicas_ends_with_the_data_that_it_was_of() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.repl.configure(ReplicationSettings {
        diskless_sync: false,
        ..ReplicationSettings::default()
    });
    rig.psync(5, "?", "-1");
    rig.forked();
    rig.pass_ms(2000);
    rig.closed();
    rig.handshake();
    rig.bytes(format!("+FULLRESYNC {} 5\r\n$4\r\nabcd", id('b')).as_bytes());
    assert!(rig.repl.is_snapshot_running());
    rig.actions();
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    let want = [
        Action::CloseReplica { client: 5 },
        Action::StopSnapshot,
        Action::FlushData,
        Action::LoadSnapshot,
    ];
    assert_eq!(rig.actions(), want);
    assert!(!rig.repl.is_snapshot_running());
}

#[test]
fn a_server_with_data_may_load_beside_it_and_lose_nothing_on_failure() {
    let settings = ReplicationSettings {
        diskless_load: DisklessLoad::SwapDb,
        ..ReplicationSettings::default()
    };
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.repl.configure(settings);
    rig.pass_ms(2000);
    for (letter, serve_reads) in [('a', true), ('b', false)] {
        rig.pass_ms(2000);
        rig.closed();
        rig.pass_ms(1000);
        rig.handshake();
        rig.actions();
        rig.bytes(format!("+FULLRESYNC {} 500\r\n$4\r\nabcd", id(letter)).as_bytes());
        let target = LoadTarget::Swap { serve_reads };
        rig.expect(Action::BeginSnapshot {
            size: Some(4),
            target,
        });
        assert!(!rig.out.contains(&Action::FlushData));
        rig.repl.on_load_failed(rig.facts, &mut rig.out);
        rig.expect_logged("DB from socket, check server logs.");
        rig.pass_ms(1000);
        rig.handshake();
        assert!(
            rig.sent()
                .ends_with(&text(&format!("PSYNC {} 101", id('a'))))
        );
    }
    rig.bytes(format!("+FULLRESYNC {} 500\r\n$4\r\nabcd", id('b')).as_bytes());
    rig.repl
        .on_load_finished(StreamPlace::default(), rig.facts, &mut rig.out);
    rig.expect_logged("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
    rig.expect(Action::SwapData);
    assert_eq!(rig.repl.identity().offset(), 500);
}

#[test]
fn a_link_lost_while_loading_is_dealt_with_after_the_load() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.handshake();
    rig.bytes(format!("+FULLRESYNC {} 700\r\n$4\r\nabcd", id('a')).as_bytes());
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    rig.closed();
    rig.pass_ms(2000);
    rig.out.clear();
    rig.repl.on_load_finished(in_db(0), rig.facts, &mut rig.out);
    rig.expect_logged("MASTER <-> REPLICA sync: Finished with success");
    rig.expect_logged("Connection with master lost.");
    rig.expect(connect("m"));
    rig.handshake();
    assert!(
        rig.sent()
            .ends_with(&text(&format!("PSYNC {} 701", id('a'))))
    );
}

// ---- The stream ----

#[test]
fn a_replica_acknowledges_each_second_and_when_asked() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.pass_ms(3000);
    assert_eq!(rig.sent(), text("REPLCONF ACK 100").repeat(3));
    rig.stream(SET);
    let done = 100 + SET.len();
    // The question itself stands behind what is acknowledged, whoever asks it.
    for client in [1, 77] {
        assert_eq!(rig.replconf(client, "GETACK *"), ReplconfReply::Silent);
        assert_eq!(rig.sent(), text(&format!("REPLCONF ACK {done}")));
    }
    rig.closed();
    rig.replconf(77, "getack x");
    assert_eq!(rig.sent(), "", "there is nobody to tell");
}

#[test]
fn a_master_that_is_asked_how_far_it_is_says_nothing() {
    let mut rig = Rig::new(ReplicationSettings::default());
    assert_eq!(rig.replconf(1, "GETACK *"), ReplconfReply::Silent);
    assert_eq!(rig.replconf(1, "capa eof getack *"), ReplconfReply::Silent);
    assert_eq!(rig.actions(), []);
}

#[test]
fn what_was_read_but_not_run_is_shown_and_not_counted() {
    let mut rig = Rig::streaming(&id('a'), 100);
    assert_eq!(rig.bytes(SET), 0);
    let info = rig.repl.info(rig.facts.now).master.expect("a master");
    assert_eq!(
        (info.read_offset, info.applied_offset),
        (100 + SET.len() as u64, 100)
    );
    rig.pass_ms(2000);
    rig.closed();
    rig.handshake();
    assert!(
        rig.sent()
            .ends_with(&text(&format!("PSYNC {} 101", id('a'))))
    );
}

#[test]
fn a_lost_link_is_continued() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.pass_ms(2000);
    rig.stream(SET);
    rig.closed();
    rig.expect_logged("Connection with master lost.");
    rig.expect_logged("Caching the disconnected master state.");
    rig.expect_logged("Reconnecting to MASTER m:6379");
    let down = |rig: &Rig| {
        rig.repl
            .info(rig.facts.now)
            .master
            .expect("a master")
            .down_since_s
    };
    assert_eq!(down(&rig), Some(0));
    rig.pass_ms(2000);
    assert_eq!(down(&rig), Some(2));
    rig.handshake();
    rig.bytes(format!("+CONTINUE {}\r\n", id('a')).as_bytes());
    rig.expect_logged("Successful partial resynchronization with master.");
    rig.expect_logged("Master accepted a Partial Resynchronization.");
    assert_eq!(down(&rig), None);
    rig.stream(SET);
    assert_eq!(rig.repl.identity().offset(), 100 + 2 * SET.len() as u64);
    assert_eq!(rig.repl.identity().previous(), None);
}

#[test]
fn stream_bytes_behind_the_continuation_in_one_read_are_kept() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.pass_ms(2000);
    rig.closed();
    rig.handshake();
    let line = b"+CONTINUE\r\n";
    assert_eq!(rig.bytes(&[line, SET].concat()), line.len());
    rig.repl.on_applied(SET, 0);
    assert_eq!(rig.repl.identity().offset(), 100 + SET.len() as u64);
}

#[test]
fn a_renamed_master_is_followed_and_our_replicas_told() {
    let mut rig = Rig::streaming(&id('a'), 100);
    let answer = rig.psync(5, &id('a'), "101");
    assert_eq!(answer, SyncReply::Accepted);
    rig.pass_ms(2000);
    rig.closed();
    assert!(
        rig.repl.source().contains(5),
        "a lost link alone sends nobody away"
    );
    rig.handshake();
    rig.bytes(format!("+CONTINUE {}\r\n", id('b')).as_bytes());
    rig.expect_logged(&format!("Master replication ID changed to {}", id('b')));
    rig.expect(Action::CloseReplica { client: 5 });
    assert_eq!(rig.repl.info(rig.facts.now).id2.as_str(), id('a'));
    assert_eq!(rig.repl.info(rig.facts.now).second_offset, 101);
    assert_eq!(rig.psync(6, &id('a'), "101"), SyncReply::Accepted);
    assert!(rig.told(6).starts_with(&format!("+CONTINUE {}", id('b'))));
}

#[test]
fn a_stream_that_makes_no_sense_cannot_be_continued() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.pass_ms(2000);
    rig.repl
        .on_master_closed(Closed::ProtocolError, rig.facts, &mut rig.out);
    rig.handshake();
    assert!(rig.sent().ends_with(&text("PSYNC ? -1")));
}

// ---- Timeouts ----

#[test]
fn a_peer_that_stalls_is_left_in_every_stage() {
    let hello = format!("+FULLRESYNC {} 5\r\n", id('a'));
    let stages: [(&str, &[u8], &str); 6] = [
        ("connecting", b"", "Timeout connecting to the MASTER..."),
        ("handshake", b"", "Timeout connecting to the MASTER..."),
        (
            "handshake",
            b"+PONG\r\n+OK\r\n+OK\r\n",
            "Timeout connecting to the MASTER...",
        ),
        (
            "sync",
            hello.as_bytes(),
            "Timeout receiving bulk data from MASTER...",
        ),
        (
            "sync",
            b"$10\r\nabc",
            "Timeout receiving bulk data from MASTER...",
        ),
        (
            "connected",
            b"",
            "MASTER timeout: no data nor PING received...",
        ),
    ];
    for (nth, (stage, bytes, logged)) in stages.into_iter().enumerate() {
        let mut rig = if stage == "connected" {
            Rig::streaming(&id('a'), 5)
        } else {
            Rig::connecting(ReplicationSettings::default())
        };
        if nth > 0 && stage != "connected" {
            rig.repl.on_connected(rig.facts, &mut rig.out);
        }
        if stage == "sync" {
            rig.bytes(b"+PONG\r\n+OK\r\n+OK\r\n");
        }
        if nth == 4 {
            rig.bytes(hello.as_bytes());
        }
        rig.bytes(bytes);
        let offset = if stage == "connected" { 5 } else { -1 };
        assert_eq!(rig.repl.role(rig.facts.now), role(stage, offset));
        rig.out.clear();
        rig.pass_ms(59_000);
        assert!(
            !rig.out.contains(&Action::CloseMaster),
            "stage {nth}: too early"
        );
        rig.pass_ms(4000);
        rig.expect_logged(logged);
        rig.expect(Action::CloseMaster);
        rig.expect(connect("m"));
    }
}

#[test]
fn newlines_keep_a_waiting_replica_patient() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.handshake();
    for _ in 0..300 {
        rig.bytes(b"\n");
        rig.pass_ms(1000);
    }
    rig.bytes(format!("+FULLRESYNC {} 5\r\n", id('a')).as_bytes());
    for _ in 0..300 {
        rig.bytes(b"\n");
        rig.pass_ms(1000);
    }
    assert!(!rig.out.contains(&Action::CloseMaster));
    assert_eq!(rig.repl.role(rig.facts.now), role("sync", -1));
}

#[test]
fn loading_has_no_timeout_and_tells_the_master_so() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.handshake();
    rig.bytes(format!("+FULLRESYNC {} 5\r\n$4\r\nabcd", id('a')).as_bytes());
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    rig.actions();
    rig.pass_ms(600_000);
    assert_eq!(rig.sent(), "\n".repeat(600));
    assert!(rig.repl.is_syncing());
}

// ---- Changes of role ----

#[test]
fn the_same_master_again_changes_nothing() {
    let mut rig = Rig::streaming(&id('a'), 100);
    let again = rig
        .repl
        .replicaof("M", 6379, "test", rig.facts, &mut rig.out);
    assert_eq!(again, Replicaof::AlreadyFollowing);
    assert_eq!(rig.actions(), []);
    assert!(rig.repl.is_link_up());
}

#[test]
fn another_master_is_asked_to_continue_our_history() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.repl
        .replicaof("n", 6379, "test", rig.facts, &mut rig.out);
    rig.expect_logged("Caching the disconnected master state.");
    rig.expect_logged("REPLICAOF n:6379 enabled (user request from 'test')");
    assert_eq!(rig.actions(), [Action::CloseMaster, connect("n")]);
    rig.handshake();
    assert!(
        rig.sent()
            .ends_with(&text(&format!("PSYNC {} 101", id('a'))))
    );
}

#[test]
fn a_promoted_replica_continues_under_its_own_name() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.psync(5, &id('a'), "101");
    rig.out.clear();
    rig.repl.replicaof_no_one("test", rig.facts, &mut rig.out);
    rig.expect_logged("MASTER MODE enabled (user request from 'test')");
    rig.expect_logged(&format!(
        "Setting secondary replication ID to {}, valid up to",
        id('a')
    ));
    let want = [
        Action::RoleChanged,
        Action::CloseMaster,
        Action::CloseReplica { client: 5 },
    ];
    assert_eq!(rig.actions(), want);
    assert!(!rig.repl.is_replica());
    assert_eq!(rig.psync(6, &id('a'), "101"), SyncReply::Accepted);
    let own = rig.repl.identity().id();
    assert_eq!(rig.told(6), format!("+CONTINUE {own}\r\n"));
    rig.repl.feed(Some(0), SET);
    let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    assert_eq!(rig.read(6).as_bytes(), [select.as_bytes(), SET].concat());
    rig.repl.replicaof_no_one("test", rig.facts, &mut rig.out);
    assert_eq!(rig.repl.identity().id(), own, "a master stays what it is");
}

#[test]
fn a_master_that_becomes_a_replica_offers_its_own_history() {
    let mut rig = Rig::new(ReplicationSettings {
        diskless_sync: false,
        ..ReplicationSettings::default()
    });
    rig.online(5);
    rig.repl.feed(Some(0), SET);
    let (own, offset) = (rig.repl.identity().id(), rig.repl.identity().offset());
    rig.repl
        .replicaof("m", 6379, "test", rig.facts, &mut rig.out);
    rig.expect_logged("Before turning into a replica, using my own master parameters");
    assert!(
        rig.repl.source().contains(5),
        "its replicas may still be served"
    );
    rig.handshake();
    assert!(
        rig.sent()
            .ends_with(&text(&format!("PSYNC {own} {}", offset + 1)))
    );
    rig.repl.feed(Some(0), SET);
    assert_eq!(
        rig.repl.identity().offset(),
        offset,
        "local writes are nobody's business"
    );
}

#[test]
fn leaving_a_master_in_the_middle_of_anything_is_clean() {
    let hello = format!(
        "+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {} 5\r\n$4\r\nabcd",
        id('a')
    );
    for cut in 0..=hello.len() {
        for promote in [false, true] {
            let mut rig = Rig::connecting(ReplicationSettings::default());
            if cut > 0 {
                rig.repl.on_connected(rig.facts, &mut rig.out);
                rig.bytes(&hello.as_bytes()[..cut]);
            }
            let began = rig
                .actions()
                .iter()
                .any(|a| matches!(a, Action::BeginSnapshot { .. }));
            if promote {
                rig.repl.replicaof_no_one("test", rig.facts, &mut rig.out);
            } else {
                rig.repl
                    .replicaof("n", 6379, "test", rig.facts, &mut rig.out);
            }
            let actions = rig.actions();
            assert!(actions.contains(&Action::CloseMaster));
            assert_eq!(
                actions.contains(&Action::AbortSnapshot),
                began,
                "cut at {cut}"
            );
            assert_eq!(actions.contains(&connect("n")), !promote);
        }
    }
}

#[test]
fn events_of_a_master_that_was_left_concern_nobody() {
    let mut rig = Rig::connecting(ReplicationSettings::default());
    rig.repl.replicaof_no_one("test", rig.facts, &mut rig.out);
    rig.out.clear();
    rig.repl.on_connected(rig.facts, &mut rig.out);
    assert_eq!(rig.bytes(b"+PONG\r\n"), 7);
    rig.closed();
    assert_eq!(rig.out, []);
}

// ---- Hostile peers ----

#[test]
fn no_bytes_of_a_peer_make_us_panic() {
    let alphabet: [&[u8]; 13] = [
        b"+PONG\r\n",
        b"+OK\r\n",
        b"-ERR x\r\n",
        b"+CONTINUE\r\n",
        b"+FULLRESYNC aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 12\r\n",
        b"+FULLRESYNC aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -12\r\n",
        b"+FULLRESYNC aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 18446744073709551615\r\n",
        b"$5\r\n",
        b"$0\r\n",
        b"$EOF:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n",
        b"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        b"$99999999999999999999\r\n",
        b"\n\r\n\0\xff+",
    ];
    for seed in 0..3000 {
        let mut rng = Rng::from_seed(seed);
        let mut rig = Rig::connecting(ReplicationSettings::default());
        for _ in 0..40 {
            if rig
                .out
                .iter()
                .any(|action| matches!(action, Action::Connect { .. }))
            {
                rig.out.clear();
                rig.repl.on_connected(rig.facts, &mut rig.out);
            }
            let piece = alphabet[rng.below(13) as usize];
            let cut = rng.below(piece.len() as u64 + 1) as usize;
            let piece = if rng.below(3) == 0 {
                &piece[..cut]
            } else {
                piece
            };
            rig.bytes(piece);
            if rig.out.contains(&Action::EndSnapshot) {
                rig.out.clear();
                rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
                if rng.below(2) == 0 {
                    rig.repl
                        .on_load_finished(StreamPlace::default(), rig.facts, &mut rig.out);
                } else {
                    rig.repl.on_load_failed(rig.facts, &mut rig.out);
                }
            }
            rig.pass_ms(rng.below(2) * 1000);
        }
    }
}
