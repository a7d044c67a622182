//! Our replicas, step by step.

use crate::replication::identity::Ancestor;
use crate::replication::rig::{Rig, id};
use crate::replication::*;

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
const SELECT: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";

fn disk() -> ReplicationSettings {
    ReplicationSettings {
        diskless_sync: false,
        ..ReplicationSettings::default()
    }
}

/// Client 1, which comes over a Unix socket.
fn nameless() -> SyncClient<'static> {
    SyncClient {
        id: 1,
        ip: None,
        description: "",
        has_pending_output: false,
    }
}

fn to_disk() -> Action {
    Action::StartSnapshot {
        target: SnapshotTarget::Disk,
        contents: Contents::All,
    }
}

fn starts(rig: &Rig) -> usize {
    rig.out
        .iter()
        .filter(|action| matches!(action, Action::StartSnapshot { .. }))
        .count()
}

fn set_text() -> String {
    String::from_utf8(SET.to_vec()).expect("ASCII")
}

fn state(rig: &Rig, nth: usize) -> &'static str {
    rig.repl.info(rig.facts.now).replicas[nth].state
}

fn full(rig: &Rig, offset: u64) -> String {
    format!("+FULLRESYNC {} {offset}\r\n", rig.repl.identity().id())
}

// ---- Full synchronization ----

#[test]
fn a_replica_gets_a_snapshot_from_disk_and_what_was_written_since() {
    let mut rig = Rig::new(disk());
    let before = rig.repl.identity().id();
    assert_eq!(rig.psync(1, "?", "-1"), SyncReply::Accepted);
    assert_ne!(
        rig.repl.identity().id(),
        before,
        "the backlog begins a new history"
    );
    rig.expect_logged("Replica 10.0.0.9:7001 asks for synchronization");
    rig.expect_logged("Full resync requested by replica 10.0.0.9:7001");
    rig.expect_logged("Replication backlog created, my new replication IDs are");
    rig.expect_logged("Starting BGSAVE for SYNC with target: disk");
    assert_eq!(rig.actions(), [to_disk()]);
    rig.forked();
    assert_eq!(rig.told(1), full(&rig, 0));
    assert_eq!(state(&rig, 0), "wait_bgsave");
    rig.repl.feed(Some(0), SET);
    assert_eq!(rig.read(1), "", "nothing is sent before the snapshot");
    rig.reaped(true);
    rig.expect(Action::OpenFile { client: 1 });
    rig.repl.on_file_opened(1, 4321, rig.facts, &mut rig.out);
    assert_eq!(rig.told(1), "$4321\r\n");
    rig.expect(Action::SendFile { client: 1 });
    assert_eq!(state(&rig, 0), "send_bulk");
    assert_eq!(rig.read(1), "");
    rig.repl.on_file_sent(1, rig.facts, &mut rig.out);
    rig.expect_logged("Synchronization with replica 10.0.0.9:7001 succeeded");
    assert_eq!(state(&rig, 0), "online");
    assert_eq!(rig.repl.readers().collect::<Vec<_>>(), [1]);
    assert_eq!(rig.read(1), format!("{SELECT}{}", set_text()));
    assert_eq!(rig.repl.readers().count(), 0);
    assert_eq!(
        rig.repl.source().stats(),
        SyncStats {
            full: 1,
            ..SyncStats::default()
        }
    );
}

#[test]
fn a_snapshot_through_sockets_holds_the_stream_until_it_is_acknowledged() {
    for early in [false, true] {
        let mut rig = Rig::new(ReplicationSettings::default());
        rig.psync(1, "?", "-1");
        rig.expect_logged("Delay next BGSAVE for diskless SYNC");
        assert_eq!(starts(&rig), 0);
        rig.pass_ms(5000);
        rig.expect_logged("Starting BGSAVE for SYNC with target: replicas sockets");
        rig.forked();
        assert_eq!(rig.repl.snapshot_receivers().collect::<Vec<_>>(), [1]);
        rig.repl.feed(Some(0), SET);
        if early {
            assert_eq!(rig.replconf(1, "ACK 0"), ReplconfReply::Silent);
        }
        rig.reaped(true);
        rig.expect_logged("Streamed RDB transfer with replica 10.0.0.9:7001 succeeded (socket).");
        assert_eq!(state(&rig, 0), "online");
        if !early {
            assert_eq!(rig.read(1), "");
            rig.replconf(1, "ACK 0");
        }
        assert!(rig.read(1).ends_with(&set_text()));
    }
}

#[test]
fn replicas_that_come_while_a_snapshot_is_written_join_it() {
    let mut rig = Rig::new(disk());
    rig.psync(1, "?", "-1");
    rig.repl.feed(Some(0), SET);
    rig.forked();
    let start = rig.repl.identity().offset();
    rig.repl.feed(Some(0), SET);
    rig.out.clear();
    rig.psync(2, "?", "-1");
    rig.expect_logged("Waiting for end of BGSAVE for SYNC");
    assert_eq!(rig.told(2), full(&rig, start));
    rig.reaped(true);
    for client in [1, 2] {
        rig.repl.on_file_opened(client, 10, rig.facts, &mut rig.out);
        rig.repl.on_file_sent(client, rig.facts, &mut rig.out);
        assert_eq!(rig.read(client), format!("{SELECT}{}", set_text()));
    }
    assert_eq!(starts(&rig), 0, "one snapshot served both");
}

#[test]
fn replicas_that_cannot_join_wait_for_the_next_snapshot() {
    // A replica that can do less than the one that the snapshot was begun for.
    let mut rig = Rig::new(disk());
    rig.psync(1, "?", "-1");
    rig.forked();
    rig.sync(2, "?", "-1");
    rig.expect_logged("Can't attach the replica to the current BGSAVE.");
    assert_eq!(rig.told(2), "");
    rig.out.clear();
    rig.reaped(true);
    assert_eq!(
        starts(&rig),
        1,
        "the next begins as soon as the child has ended"
    );
    rig.forked();
    assert_eq!(rig.told(2), full(&rig, 0));

    // A snapshot through sockets, whose first bytes are gone.
    let settings = ReplicationSettings {
        diskless_sync_delay_s: 0,
        ..ReplicationSettings::default()
    };
    let mut rig = Rig::new(settings);
    rig.psync(1, "?", "-1");
    rig.forked();
    rig.psync(2, "?", "-1");
    rig.expect_logged("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC");
    assert_eq!(rig.repl.snapshot_receivers().collect::<Vec<_>>(), [1]);

    // A snapshot that somebody asked for with BGSAVE.
    let mut rig = Rig::new(disk());
    rig.facts.child = RunningChild::Save;
    rig.psync(1, "?", "-1");
    rig.expect_logged("Can't attach the replica to the current BGSAVE.");
    rig.facts.child = RunningChild::None;
    rig.pass_ms(1000);
    assert_eq!(starts(&rig), 1);
}

#[test]
fn another_background_job_delays_the_snapshot() {
    let mut rig = Rig::new(disk());
    rig.facts.child = RunningChild::Other;
    rig.psync(1, "?", "-1");
    rig.expect_logged("No BGSAVE in progress, but another BG operation is active.");
    rig.pass_ms(5000);
    assert_eq!(starts(&rig), 0);
    rig.facts.child = RunningChild::None;
    rig.pass_ms(1000);
    assert_eq!(starts(&rig), 1);
}

#[test]
fn enough_replicas_end_the_delay() {
    let settings = ReplicationSettings {
        diskless_sync_max_replicas: 2,
        ..ReplicationSettings::default()
    };
    let mut rig = Rig::new(settings);
    rig.psync(1, "?", "-1");
    rig.pass_ms(2000);
    assert_eq!(starts(&rig), 0);
    rig.psync(2, "?", "-1");
    rig.pass_ms(1000);
    assert_eq!(starts(&rig), 1);
    rig.forked();
    assert_eq!(rig.repl.snapshot_receivers().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_replica_that_knows_no_end_marks_gets_a_file() {
    let mut rig = Rig::new(ReplicationSettings::default());
    rig.sync(1, "?", "-1");
    assert_eq!(rig.actions(), [to_disk()]);
}

#[test]
fn an_old_replica_is_sent_no_lines_that_it_does_not_know() {
    let mut rig = Rig::new(disk());
    let request = SyncRequest::Sync;
    rig.repl
        .on_sync(&nameless(), request, rig.facts, &mut rig.out);
    rig.expect_logged("Replica client id #1 asks for synchronization");
    rig.forked();
    assert_eq!(rig.told(1), "");
    rig.reaped(true);
    rig.repl.on_file_opened(1, 10, rig.facts, &mut rig.out);
    rig.repl.on_file_sent(1, rig.facts, &mut rig.out);
    rig.pass_ms(600_000);
    assert!(rig.repl.source().contains(1), "it never acknowledges");
}

#[test]
fn a_client_may_want_the_snapshot_only() {
    let mut rig = Rig::new(disk());
    rig.replconf(1, "rdb-only 1");
    rig.psync(1, "?", "-1");
    rig.forked();
    rig.repl.feed(Some(0), SET);
    rig.reaped(true);
    rig.repl.on_file_opened(1, 10, rig.facts, &mut rig.out);
    rig.repl.on_file_sent(1, rig.facts, &mut rig.out);
    rig.expect_logged("rdb only replica (10.0.0.9:7001) should be disconnected asap");
    rig.expect(Action::CloseReplica { client: 1 });
}

#[test]
fn a_filtered_snapshot_goes_through_sockets_and_to_its_kind_only() {
    let mut rig = Rig::new(disk());
    rig.replconf(1, "rdb-filter-only functions");
    let refused = SyncReply::Refused("ERR Filtered replica requires EOF capability".into());
    assert_eq!(rig.sync(1, "?", "-1"), refused);
    rig.psync(1, "?", "-1");
    let started = rig.actions();
    assert!(matches!(
        started[..],
        [Action::StartSnapshot {
            target: SnapshotTarget::Sockets { .. },
            contents: Contents::FunctionsOnly
        }]
    ));
    rig.psync(2, "?", "-1");
    rig.forked();
    assert_eq!(rig.repl.snapshot_receivers().collect::<Vec<_>>(), [1]);
}

// ---- Failures ----

#[test]
fn without_a_child_those_who_wait_are_refused() {
    let mut rig = Rig::new(disk());
    rig.psync(1, "?", "-1");
    rig.repl.on_snapshot_not_started(rig.facts, &mut rig.out);
    rig.expect_logged("BGSAVE for replication failed");
    let bytes = b"-ERR BGSAVE failed, replication can't continue\r\n".to_vec();
    rig.expect(Action::RefuseReplica { client: 1, bytes });
    assert_eq!(rig.repl.source().count(), 0);
    rig.repl.check_invariants();
}

#[test]
fn a_failed_snapshot_sends_its_replicas_away_and_nobody_else() {
    let mut rig = Rig::new(disk());
    rig.online(1);
    rig.psync(2, "?", "-1");
    rig.forked();
    rig.reaped(false);
    rig.expect_logged("SYNC failed. BGSAVE child returned an error");
    rig.expect(Action::CloseReplica { client: 2 });
    assert_eq!(rig.repl.source().clients().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_snapshot_file_that_is_gone_sends_the_replica_away() {
    let mut rig = Rig::new(disk());
    rig.psync(1, "?", "-1");
    rig.forked();
    rig.reaped(true);
    rig.repl
        .on_file_failed(1, "No such file or directory", rig.facts, &mut rig.out);
    rig.expect_logged("SYNC failed. Can't open/stat DB after BGSAVE: No such file or directory");
    rig.expect(Action::CloseReplica { client: 1 });
}

#[test]
fn the_last_replica_that_leaves_stops_the_snapshot() {
    for (diskless, has_save_points, stops) in [
        (false, true, false),
        (false, false, true),
        (true, true, true),
        (true, false, true),
    ] {
        let mut rig = Rig::new(ReplicationSettings {
            diskless_sync: diskless,
            diskless_sync_delay_s: 0,
            has_save_points,
            ..ReplicationSettings::default()
        });
        rig.psync(1, "?", "-1");
        rig.forked();
        rig.psync(2, "?", "-1");
        rig.repl.on_client_closed(2, rig.facts, &mut rig.out);
        assert!(!rig.out.contains(&Action::StopSnapshot), "one still waits");
        rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
        rig.expect_logged("Connection with replica 10.0.0.9:7001 lost.");
        assert_eq!(rig.out.contains(&Action::StopSnapshot), stops);
        assert_eq!(rig.repl.is_snapshot_running(), !stops);
        rig.repl.check_invariants();
    }
}

// ---- Partial synchronization ----

#[test]
fn a_replica_that_was_away_gets_what_it_missed() {
    let mut rig = Rig::new(disk());
    rig.online(1);
    rig.repl.feed(Some(0), SET);
    let missed = rig.repl.identity().offset() - SET.len() as u64 + 1;
    rig.read(1);
    rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    let own = rig.repl.identity().id().to_string();
    rig.psync(2, &own, &missed.to_string());
    assert_eq!(rig.told(2), format!("+CONTINUE {own}\r\n"));
    rig.expect_logged(&format!(
        "Partial resynchronization request from 10.0.0.9:7002 accepted. Sending {} bytes of \
         backlog starting from offset {missed}.",
        SET.len()
    ));
    assert_eq!(rig.read(2), set_text());
    assert_eq!(rig.repl.source().stats().partial_ok, 1);
    rig.repl.on_client_closed(2, rig.facts, &mut rig.out);
    rig.sync(3, &own.to_uppercase(), &missed.to_string());
    assert_eq!(
        rig.told(3),
        "+CONTINUE\r\n",
        "it did not say that it understands names"
    );
}

#[test]
fn refusals_are_explained() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.repl.replicaof_no_one("test", rig.facts, &mut rig.out);
    for (asked, offset, logged) in [
        (
            id('x'),
            "5",
            format!("(Replica asked for '{}', my replication IDs are '", id('x')),
        ),
        (
            id('a'),
            "102",
            "Requested offset for second ID was 102, but I can reply up to".into(),
        ),
        (
            id('a'),
            "100",
            "for lack of backlog (Replica request was: 100)".into(),
        ),
    ] {
        rig.psync(1, &asked, offset);
        rig.expect_logged(&logged);
        rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    }
    let own = rig.repl.identity().id().to_string();
    rig.psync(1, &own, "999");
    rig.expect_logged("tried to PSYNC with an offset that is greater than the master replication");
    assert_eq!(rig.repl.source().stats().partial_err, 4);
    let wrong = SyncReply::Refused("ERR value is not an integer or out of range".into());
    assert_eq!(rig.psync(2, &own, "x"), wrong);
    rig.expect_logged("Replica 10.0.0.9:7002 asks for synchronization but with a wrong offset");
}

#[test]
fn requests_at_the_wrong_time_are_refused() {
    let mut rig = Rig::connecting(disk());
    let refused = "NOMASTERLINK Can't SYNC while not connected with my master";
    assert_eq!(rig.psync(1, "?", "-1"), SyncReply::Refused(refused.into()));
    let mut rig = Rig::new(disk());
    let client = SyncClient {
        has_pending_output: true,
        ..nameless()
    };
    let pending = rig
        .repl
        .on_sync(&client, SyncRequest::Sync, rig.facts, &mut rig.out);
    let refused = "ERR SYNC and PSYNC are invalid with pending output";
    assert_eq!(pending, SyncReply::Refused(refused.into()));
    rig.psync(1, "?", "-1");
    assert_eq!(rig.psync(1, "?", "-1"), SyncReply::Ignored);
}

// ---- While it lasts ----

#[test]
fn online_replicas_are_pinged_and_waiting_ones_get_newlines() {
    let mut rig = Rig::new(ReplicationSettings {
        diskless_sync_delay_s: 1000,
        ..ReplicationSettings::default()
    });
    rig.sync(1, "?", "-1");
    rig.forked();
    rig.reaped(true);
    rig.repl.on_file_opened(1, 10, rig.facts, &mut rig.out);
    rig.repl.on_file_sent(1, rig.facts, &mut rig.out);
    rig.psync(2, "?", "-1");
    rig.read(1);
    rig.told(1);
    rig.told(2);
    rig.pass_ms(30_000);
    assert_eq!(rig.read(1), "*1\r\n$4\r\nping\r\n".repeat(3));
    assert_eq!(rig.told(2), "\n".repeat(30));
    assert_eq!(rig.told(1), "");
}

#[test]
fn silent_replicas_are_dropped_and_others_stay() {
    let mut rig = Rig::new(disk());
    rig.online(1);
    rig.online(2);
    for _ in 0..70 {
        rig.pass_ms(1000);
        rig.replconf(2, "ACK 5");
    }
    rig.expect_logged("Disconnecting timedout replica (streaming sync): 10.0.0.9:7001");
    rig.expect(Action::CloseReplica { client: 1 });
    assert_eq!(rig.repl.source().clients().collect::<Vec<_>>(), [2]);
    assert_eq!(rig.repl.info(rig.facts.now).replicas[0].offset, 5);
}

/// What its output buffer limit counts, once it takes nothing any more.
fn limited_bytes_of_one_that_stops(rig: &mut Rig, client: ClientId) -> usize {
    for _ in 0..100 {
        rig.repl.feed(Some(0), SET);
    }
    rig.repl.replica_limited_bytes(client)
}

#[test]
fn a_replica_is_held_to_its_limit_as_soon_as_it_has_acknowledged() {
    let mut rig = Rig::new(disk());
    rig.online(1);
    assert_eq!(limited_bytes_of_one_that_stops(&mut rig, 1), 0);
    rig.read(1);
    rig.replconf(1, "ACK 0");
    assert!(limited_bytes_of_one_that_stops(&mut rig, 1) > 0);
}

#[test]
fn so_is_one_that_acknowledges_before_its_snapshot_is_seen_to_have_ended() {
    let mut rig = Rig::new(ReplicationSettings {
        diskless_sync_delay_s: 0,
        ..ReplicationSettings::default()
    });
    rig.psync(1, "?", "-1");
    rig.forked();
    rig.replconf(1, "ACK 0");
    rig.reaped(true);
    assert!(limited_bytes_of_one_that_stops(&mut rig, 1) > 0);
}

#[test]
fn one_that_was_dropped_for_its_limit_and_syncs_again_is_spared_it() {
    let mut rig = Rig::new(disk());
    let arrive = |rig: &mut Rig| {
        rig.online(1);
        rig.replconf(1, "ACK 0");
        rig.read(1);
    };
    arrive(&mut rig);
    assert!(limited_bytes_of_one_that_stops(&mut rig, 1) > 0);
    rig.repl.note_over_limit(1, rig.facts.now);
    rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    // A sync that is cut changes nothing.
    rig.psync(1, "?", "-1");
    rig.expect_logged("From now on what it has not read goes to disk");
    rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    arrive(&mut rig);
    rig.pass_ms(30_000);
    rig.replconf(1, "ACK 0");
    rig.read(1);
    assert_eq!(limited_bytes_of_one_that_stops(&mut rig, 1), 0);
    // One that says nothing any more ends all the same.
    rig.pass_ms(62_000);
    rig.expect_logged("Disconnecting timedout replica (streaming sync)");
    // An hour later it is like any other.
    rig.pass_ms(3_600_000);
    arrive(&mut rig);
    assert!(limited_bytes_of_one_that_stops(&mut rig, 1) > 0);
}

#[test]
fn nobody_is_spared_a_limit_where_the_disk_is_not_to_be_used() {
    let mut rig = Rig::new(ReplicationSettings {
        spill_bytes_max: 0,
        ..disk()
    });
    for _ in 0..3 {
        rig.online(1);
        rig.replconf(1, "ACK 0");
        rig.read(1);
        assert!(limited_bytes_of_one_that_stops(&mut rig, 1) > 0);
        rig.repl.note_over_limit(1, rig.facts.now);
        rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    }
}

#[test]
fn a_replica_that_loads_for_long_keeps_its_place_with_newlines() {
    let mut rig = Rig::new(ReplicationSettings {
        diskless_sync_delay_s: 0,
        min_replicas_to_write: 1,
        ..ReplicationSettings::default()
    });
    rig.psync(1, "?", "-1");
    rig.forked();
    rig.reaped(true);
    for _ in 0..300 {
        rig.pass_ms(1000);
        rig.repl.on_newline(1, rig.facts.now);
        rig.repl.on_newline(9, rig.facts.now);
    }
    assert!(rig.repl.source().contains(1));
    assert_eq!(rig.repl.info(rig.facts.now).replicas[0].lag_s, 0);
    assert!(rig.repl.has_enough_replicas());
    rig.repl.feed(Some(0), SET);
    assert_eq!(rig.read(1), "", "it has not loaded the snapshot yet");
    rig.pass_ms(62_000);
    rig.expect_logged("Disconnecting timedout replica (streaming sync): 10.0.0.9:7001");
}

#[test]
fn a_replica_that_takes_nothing_of_a_snapshot_is_dropped() {
    let mut rig = Rig::new(ReplicationSettings {
        diskless_sync_delay_s: 0,
        ..ReplicationSettings::default()
    });
    rig.psync(1, "?", "-1");
    rig.forked();
    rig.repl.on_transfer(1, false, rig.facts.now);
    rig.pass_ms(50_000);
    rig.repl.on_transfer(1, true, rig.facts.now);
    rig.pass_ms(50_000);
    assert!(rig.repl.source().contains(1));
    rig.repl.on_transfer(1, false, rig.facts.now);
    rig.pass_ms(50_000);
    rig.repl.on_transfer(1, false, rig.facts.now);
    rig.pass_ms(12_000);
    rig.expect_logged("Disconnecting timedout replica (full sync): 10.0.0.9:7001");
    rig.expect(Action::StopSnapshot);
}

#[test]
fn a_backlog_that_nobody_uses_is_given_back_and_ends_the_history() {
    let mut rig = Rig::new(ReplicationSettings {
        backlog_ttl_s: 60,
        ..disk()
    });
    rig.online(1);
    rig.replconf(1, "ACK 0");
    rig.repl.feed(Some(0), SET);
    let (own, offset) = (rig.repl.identity().id(), rig.repl.identity().offset());
    rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    rig.pass_ms(60_000);
    assert!(rig.repl.info(rig.facts.now).backlog_active);
    rig.pass_ms(2000);
    rig.expect_logged("Replication backlog freed after 60 seconds without connected replicas.");
    let info = rig.repl.info(rig.facts.now);
    assert!(!info.backlog_active && info.id != own && info.offset == offset);
    assert!(!rig.repl.wants_feed());
    rig.psync(2, own.as_str(), &(offset + 1).to_string());
    assert_eq!(rig.repl.source().stats().partial_ok, 0);
}

#[test]
fn a_backlog_without_ttl_and_that_of_a_replica_stay() {
    let mut rig = Rig::new(ReplicationSettings {
        backlog_ttl_s: 0,
        ..disk()
    });
    rig.online(1);
    rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    rig.pass_ms(100_000_000);
    assert!(rig.repl.info(rig.facts.now).backlog_active);
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.repl.configure(ReplicationSettings {
        backlog_ttl_s: 1,
        ..disk()
    });
    rig.pass_ms(30_000);
    assert!(rig.repl.info(rig.facts.now).backlog_active);
}

#[test]
fn acknowledgements_are_counted_for_those_who_wait() {
    let mut rig = Rig::new(disk());
    rig.online(1);
    rig.online(2);
    rig.psync(3, "?", "-1");
    rig.replconf(1, "ACK 100 FACK 50");
    rig.replconf(2, "ACK 200");
    rig.replconf(2, "ACK 150");
    rig.replconf(3, "ACK 900");
    rig.replconf(9, "ACK 900");
    let source = rig.repl.source();
    let acked: Vec<usize> = [0, 100, 101, 200, 201]
        .map(|at| source.count_acked(at))
        .to_vec();
    assert_eq!(acked, [2, 2, 1, 1, 0]);
    assert_eq!((source.count_fsynced(50), source.count_fsynced(51)), (1, 0));
    let by = [0, 1, 2, 3].map(|count| (source.acked_by(count), source.fsynced_by(count)));
    let nobody = (Some(u64::MAX), Some(u64::MAX));
    let want = [
        nobody,
        (Some(200), Some(50)),
        (Some(100), Some(0)),
        (None, None),
    ];
    assert_eq!(by, want);
    rig.read(1);
    rig.repl.source_mut().request_acks();
    rig.repl.before_sleep(true, rig.facts.now);
    assert_eq!(rig.read(1), "", "writes are paused");
    rig.repl.before_sleep(false, rig.facts.now);
    rig.repl.before_sleep(false, rig.facts.now);
    assert_eq!(
        rig.read(1),
        "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"
    );
}

#[test]
fn an_acknowledgement_that_breaks_off_counts_as_far_as_it_goes() {
    let mut rig = Rig::new(disk());
    rig.online(1);
    rig.pass_ms(5000);
    rig.replconf(1, "ACK 100 FACK x");
    let replica = |rig: &Rig| rig.repl.info(rig.facts.now).replicas[0].clone();
    assert_eq!((replica(&rig).offset, replica(&rig).lag_s), (100, 5));
    rig.replconf(1, "ACK x");
    assert_eq!((replica(&rig).offset, replica(&rig).lag_s), (100, 5));
    rig.replconf(1, "ACK -7 FACK 80");
    assert_eq!((replica(&rig).offset, replica(&rig).lag_s), (100, 0));
    assert_eq!(rig.repl.source().count_fsynced(80), 1);
}

#[test]
fn writes_need_good_replicas_if_configured() {
    let mut rig = Rig::new(ReplicationSettings {
        min_replicas_to_write: 1,
        min_replicas_max_lag_s: 3,
        ..disk()
    });
    assert!(!rig.repl.has_enough_replicas());
    rig.online(1);
    assert!(rig.repl.has_enough_replicas());
    rig.pass_ms(3900);
    assert!(rig.repl.has_enough_replicas());
    rig.pass_ms(200);
    assert!(!rig.repl.has_enough_replicas());
    assert_eq!(rig.repl.info(rig.facts.now).good_replicas, Some(0));
    // It is looked at once a second, and when somebody comes into step or goes.
    rig.replconf(1, "ACK 1");
    assert_eq!(rig.repl.info(rig.facts.now).good_replicas, Some(0));
    rig.pass_ms(1000);
    assert_eq!(rig.repl.info(rig.facts.now).good_replicas, Some(1));
    assert!(rig.repl.has_enough_replicas());
    rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    assert!(!rig.repl.has_enough_replicas());
    rig.repl.configure(ReplicationSettings {
        min_replicas_to_write: 0,
        ..rig.repl.settings().clone()
    });
    assert!(rig.repl.has_enough_replicas());
    assert_eq!(rig.repl.info(rig.facts.now).good_replicas, None);
    rig.online(2);
    rig.repl.configure(ReplicationSettings {
        min_replicas_to_write: 1,
        ..rig.repl.settings().clone()
    });
    assert!(!rig.repl.has_enough_replicas(), "nobody looked meanwhile");
    rig.repl.refresh_good_replicas(rig.facts.now);
    assert!(rig.repl.has_enough_replicas());
    // A replica has no such rule.
    rig.pass_ms(10_000);
    assert!(!rig.repl.has_enough_replicas());
    rig.repl
        .replicaof("m", 6379, "test", rig.facts, &mut rig.out);
    assert!(rig.repl.has_enough_replicas());
}

#[test]
fn a_slow_replica_is_measured_and_its_end_frees_memory() {
    let mut rig = Rig::new(ReplicationSettings {
        // What it lacks is not kept.
        lost_bytes_max: 0,
        ..disk()
    });
    rig.online(1);
    rig.online(2);
    let big = vec![b'x'; 8 << 20];
    rig.repl.feed(None, &big);
    rig.read(2);
    assert!(rig.repl.replica_memory_bytes(1) >= 8 << 20);
    assert!(rig.repl.replica_memory_bytes(2) <= 2 * log::BLOCK_BYTES);
    let both = rig.repl.log_memory_bytes();
    assert!(((8 << 20)..(9 << 20)).contains(&both), "one copy: {both}");
    rig.repl.on_client_closed(1, rig.facts, &mut rig.out);
    rig.pass_ms(2000);
    assert!(rig.repl.log_memory_bytes() < 2 << 20);
}

#[test]
fn a_restarted_master_serves_those_who_have_its_snapshot() {
    let mut rig = Rig::new(disk());
    let ancestor = |letter: char, end: u64| Ancestor {
        id: ReplId::parse(id(letter).as_bytes()).expect("an id"),
        end,
        is_exact: true,
    };
    let old = ancestor('o', 300);
    let saved = SavedIdentity {
        id: ReplId::parse(id('a').as_bytes()).expect("an id"),
        offset: 500,
        stream_db: 0,
        sum: None,
        ancestors: vec![old],
    };
    rig.repl.restore(saved, rig.facts, &mut rig.out);
    rig.psync(1, &id('a'), "501");
    let own = rig.repl.identity().id();
    let lineage: Vec<Ancestor> = rig.repl.identity().lineage().skip(1).collect();
    assert_eq!(lineage, [ancestor('a', 500), old]);
    assert_eq!(rig.told(1), format!("+CONTINUE {own}\r\n"));
    rig.repl.feed(Some(0), SET);
    assert_eq!(
        rig.read(1),
        format!("{SELECT}{}", set_text()),
        "it must select again"
    );
}
