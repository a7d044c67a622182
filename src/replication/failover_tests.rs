//! A master that hands over to one of its replicas.

use crate::replication::rig::{Rig, id};
use crate::replication::*;

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
const GETACK_BYTES: u64 = 37;

/// A master with replicas 1, 2, … in step with it, at ports 7001, 7002, …
fn master(replicas: u64) -> Rig {
    let mut rig = Rig::new(ReplicationSettings {
        diskless_sync: false,
        ping_period_s: 1000,
        ..ReplicationSettings::default()
    });
    for replica in 1..=replicas {
        rig.online(replica);
    }
    rig.repl.feed(Some(0), SET);
    for replica in 1..=replicas {
        ack(&mut rig, replica, 0);
    }
    rig.out.clear();
    rig
}

fn ack(rig: &mut Rig, replica: u64, behind: u64) {
    let offset = rig.repl.offset() - behind;
    assert_eq!(
        rig.replconf(replica, &format!("ACK {offset}")),
        ReplconfReply::Silent
    );
}

fn begin(rig: &mut Rig, request: FailoverRequest) -> Result<(), &'static str> {
    rig.repl.begin_failover(request, rig.facts, &mut rig.out)
}

fn to(port: i64) -> FailoverRequest<'static> {
    FailoverRequest {
        to: Some((b"10.0.0.9", port)),
        ..FailoverRequest::default()
    }
}

/// The end of a tick.
fn go_on(rig: &mut Rig) {
    rig.repl.go_on_with_failover(true, rig.facts, &mut rig.out);
    rig.repl.check_invariants();
}

fn state(rig: &Rig) -> &'static str {
    rig.repl.info(rig.facts.now).failover_state
}

fn connect(port: u16) -> Action {
    let host = "10.0.0.9".to_owned();
    Action::Connect { host, port }
}

/// A master whose target, at port 7001, has been asked to take over.
fn asking() -> Rig {
    let mut rig = master(2);
    begin(&mut rig, to(7001)).expect("it may");
    go_on(&mut rig);
    rig.out.clear();
    rig.handshake();
    rig
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let refused = |rig: &mut Rig, request: FailoverRequest| {
        let error = begin(rig, request).expect_err("it makes no sense");
        assert_eq!((state(rig), rig.actions()), ("no-failover", vec![]));
        error
    };
    let mut rig = master(0);
    let none = FailoverRequest::default();
    assert_eq!(
        refused(&mut rig, none),
        "FAILOVER requires connected replicas."
    );
    let mut rig = master(1);
    rig.psync(5, "?", "-1");
    rig.out.clear();
    let force = "FAILOVER with force option requires both a timeout and target HOST and IP.";
    for (to, timeout_ms) in [(None, None), (None, Some(1)), (to(7001).to, None)] {
        let request = FailoverRequest {
            force: true,
            to,
            timeout_ms,
        };
        assert_eq!(refused(&mut rig, request), force);
    }
    let stranger = "FAILOVER target HOST and PORT is not a replica.";
    for port in [7002, 0, -1, 7001 + 65536] {
        assert_eq!(refused(&mut rig, to(port)), stranger);
    }
    let elsewhere = FailoverRequest {
        to: Some((b"10.0.0.8", 7001)),
        ..none
    };
    assert_eq!(refused(&mut rig, elsewhere), stranger);
    assert_eq!(
        refused(&mut rig, to(7005)),
        "FAILOVER target replica is not online."
    );
    begin(&mut rig, to(7001)).expect("it may");
    assert_eq!(begin(&mut rig, none), Err("FAILOVER already in progress."));
    let mut rig = Rig::streaming(&id('a'), 100);
    assert_eq!(
        refused(&mut rig, none),
        "FAILOVER is not valid when server is a replica."
    );
}

#[test]
fn a_replica_that_has_all_takes_over_at_once() {
    let mut rig = master(1);
    let (own, end) = (rig.repl.identity().id(), rig.repl.offset());
    begin(&mut rig, to(7001)).expect("it may");
    assert_eq!(state(&rig), "waiting-for-sync");
    rig.expect_logged("FAILOVER requested to 10.0.0.9:7001.");
    assert_eq!(rig.actions(), [Action::HoldWrites(true)]);
    go_on(&mut rig);
    assert_eq!(rig.repl.offset(), end, "nobody had to be asked");
    assert_eq!(state(&rig), "failover-in-progress");
    assert!(rig.repl.is_replica());
    rig.expect_logged("Failover target 10.0.0.9:7001 is synced, failing over.");
    assert_eq!(rig.actions(), [Action::RoleChanged, connect(7001)]);
    rig.handshake();
    let sent = rig.sent();
    let asked = format!(
        "*4\r\n$5\r\nPSYNC\r\n$40\r\n{own}\r\n$2\r\n{}\r\n$8\r\nFAILOVER\r\n",
        end + 1
    );
    assert!(sent.ends_with(&asked), "{sent}");
    rig.out.clear();
    rig.bytes(format!("+CONTINUE {}\r\n", id('b')).as_bytes());
    assert_eq!(state(&rig), "no-failover");
    assert!(rig.repl.is_link_up());
    assert_eq!(rig.repl.identity().id().as_str(), id('b'));
    let actions = rig.actions();
    assert_eq!(actions.last(), Some(&Action::HoldWrites(false)));
    assert!(actions.contains(&Action::CloseReplica { client: 1 }));
}

#[test]
fn a_replica_that_lacks_something_is_asked_and_has_all_where_the_question_begins() {
    let mut rig = master(2);
    rig.repl.feed(Some(0), SET);
    let end = rig.repl.offset();
    begin(&mut rig, to(7002)).expect("it may");
    go_on(&mut rig);
    assert_eq!(rig.repl.offset(), end + GETACK_BYTES);
    go_on(&mut rig);
    ack(&mut rig, 1, 0);
    ack(&mut rig, 2, GETACK_BYTES + 1);
    go_on(&mut rig);
    assert_eq!(rig.repl.offset(), end + GETACK_BYTES, "it is asked once");
    assert_eq!(state(&rig), "waiting-for-sync");
    ack(&mut rig, 2, GETACK_BYTES);
    go_on(&mut rig);
    assert_eq!(state(&rig), "failover-in-progress");
    rig.expect(connect(7002));
}

#[test]
fn what_comes_behind_a_question_is_waited_for_with_another_one() {
    let mut rig = master(1);
    rig.repl.feed(Some(0), SET);
    begin(&mut rig, to(7001)).expect("it may");
    go_on(&mut rig);
    rig.repl.feed(Some(0), SET);
    ack(&mut rig, 1, SET.len() as u64);
    go_on(&mut rig);
    assert_eq!(state(&rig), "waiting-for-sync");
    ack(&mut rig, 1, GETACK_BYTES);
    go_on(&mut rig);
    assert_eq!(state(&rig), "failover-in-progress");
}

#[test]
fn nobody_is_asked_while_somebody_else_holds_writes_back() {
    let mut rig = master(1);
    rig.repl.feed(Some(0), SET);
    let end = rig.repl.offset();
    begin(&mut rig, to(7001)).expect("it may");
    rig.repl.go_on_with_failover(false, rig.facts, &mut rig.out);
    assert_eq!(rig.repl.offset(), end);
    ack(&mut rig, 1, 0);
    rig.repl.go_on_with_failover(false, rig.facts, &mut rig.out);
    assert_eq!(state(&rig), "failover-in-progress");
}

#[test]
fn without_a_name_the_first_replica_that_has_all_takes_over() {
    let mut rig = master(3);
    rig.repl.feed(Some(0), SET);
    rig.psync(8, "?", "-1");
    begin(&mut rig, FailoverRequest::default()).expect("it may");
    rig.expect_logged("FAILOVER requested to any replica.");
    ack(&mut rig, 8, 0);
    go_on(&mut rig);
    assert_eq!(state(&rig), "waiting-for-sync", "one that is not online");
    ack(&mut rig, 3, GETACK_BYTES);
    ack(&mut rig, 2, 0);
    go_on(&mut rig);
    rig.expect_logged("Failover target 10.0.0.9:7002 is synced, failing over.");
    rig.expect(connect(7002));
}

#[test]
fn a_replica_that_nobody_can_reach_does_not_take_over() {
    let mut rig = master(0);
    // It did not say at which port it listens.
    rig.sync(4, "?", "-1");
    rig.forked();
    rig.reaped(true);
    rig.repl.on_file_opened(4, 10, rig.facts, &mut rig.out);
    rig.repl.on_file_sent(4, rig.facts, &mut rig.out);
    ack(&mut rig, 4, 0);
    begin(&mut rig, FailoverRequest::default()).expect("it may");
    go_on(&mut rig);
    assert_eq!(state(&rig), "waiting-for-sync");
}

#[test]
fn time_is_over_for_who_does_not_force_it() {
    let mut rig = master(2);
    rig.repl.feed(Some(0), SET);
    for request in [to(7001), FailoverRequest::default()] {
        rig.out.clear();
        let request = FailoverRequest {
            timeout_ms: Some(300),
            ..request
        };
        begin(&mut rig, request).expect("it may");
        assert_eq!(
            rig.repl.failover_deadline_ms(),
            Some(rig.facts.now.mono_ms() + 300)
        );
        rig.pass_ms(200);
        go_on(&mut rig);
        assert_eq!(state(&rig), "waiting-for-sync");
        rig.pass_ms(100);
        go_on(&mut rig);
        assert_eq!(state(&rig), "no-failover");
        let whom = request.to.map_or("any replica", |_| "10.0.0.9:7001");
        rig.expect_logged(&format!(
            "FAILOVER to {whom} aborted: Replica never caught up before timeout"
        ));
        let actions = rig.actions();
        assert_eq!(actions.last(), Some(&Action::HoldWrites(false)));
        assert!(!rig.repl.is_replica());
        assert_eq!(rig.repl.failover_deadline_ms(), None);
    }
}

#[test]
fn who_forces_it_hands_over_to_one_that_lacks_something() {
    let mut rig = master(1);
    rig.repl.feed(Some(0), SET);
    let request = FailoverRequest {
        timeout_ms: Some(300),
        force: true,
        ..to(7001)
    };
    begin(&mut rig, request).expect("it may");
    rig.pass_ms(300);
    go_on(&mut rig);
    rig.expect_logged("FAILOVER to 10.0.0.9:7001 time out exceeded, failing over.");
    assert_eq!(state(&rig), "failover-in-progress");
    rig.expect(connect(7001));
}

#[test]
fn pings_stop_only_where_a_failover_waits_for_some_time() {
    for (timeout_ms, pings) in [(None, 2), (Some(100_000), 0)] {
        let mut rig = master(1);
        rig.repl.configure(ReplicationSettings {
            ping_period_s: 1,
            ..rig.repl.settings().clone()
        });
        rig.repl.feed(Some(0), SET);
        rig.read(1);
        let request = FailoverRequest {
            timeout_ms,
            ..to(7001)
        };
        begin(&mut rig, request).expect("it may");
        rig.pass_ms(2000);
        let read = rig.read(1);
        assert_eq!(read.matches("ping").count(), pings, "{read}");
    }
}

#[test]
fn it_may_be_aborted_as_long_as_it_goes_on() {
    let mut rig = master(1);
    assert!(!rig.repl.abort_failover(rig.facts, &mut rig.out));
    rig.repl.feed(Some(0), SET);
    begin(&mut rig, to(7001)).expect("it may");
    assert!(rig.repl.abort_failover(rig.facts, &mut rig.out));
    rig.expect_logged("FAILOVER to 10.0.0.9:7001 aborted: Failover manually aborted");
    assert_eq!(state(&rig), "no-failover");
    assert!(!rig.repl.is_replica());

    let mut rig = asking();
    let own = rig.repl.identity().id();
    assert!(rig.repl.abort_failover(rig.facts, &mut rig.out));
    assert!(!rig.repl.is_replica());
    assert_ne!(rig.repl.identity().id(), own, "a promotion as any other");
    let actions = rig.actions();
    for wanted in [Action::RoleChanged, Action::CloseMaster] {
        assert!(actions.contains(&wanted), "{wanted:?}");
    }
    assert_eq!(actions.last(), Some(&Action::HoldWrites(false)));
    let info = rig.repl.info(rig.facts.now);
    assert_eq!(info.id2, own);
    assert_eq!(info.second_offset, rig.repl.offset() as i64 + 1);
}

#[test]
fn an_target_that_says_no_leaves_us_the_master() {
    for answer in [
        "-ERR PSYNC FAILOVER replid must match my replid.",
        "-ERR PSYNC FAILOVER can't be sent to a master.",
        "-NOMASTERLINK Can't SYNC while failing over",
        "-LOADING Redis is loading the dataset in memory",
        "-NOPERM User default has no permissions to run the 'psync' command",
        "+WHAT",
    ] {
        let mut rig = asking();
        rig.sent();
        rig.bytes(format!("{answer}\r\n").as_bytes());
        assert!(!rig.repl.is_replica(), "{answer}");
        assert_eq!(state(&rig), "no-failover");
        rig.expect_logged(
            "FAILOVER to 10.0.0.9:7001 aborted: Failover target rejected psync request",
        );
        assert_eq!(rig.sent(), "", "{answer}: nothing else is tried");
        assert_eq!(rig.actions().last(), Some(&Action::HoldWrites(false)));
    }
}

#[test]
fn an_target_may_give_a_snapshot_if_it_must() {
    let mut rig = asking();
    rig.bytes(format!("+FULLRESYNC {} 5\r\n", id('b')).as_bytes());
    assert_eq!(state(&rig), "no-failover");
    assert!(rig.repl.is_replica());
    assert!(rig.actions().contains(&Action::HoldWrites(false)));
}

#[test]
fn an_target_that_cannot_be_reached_is_tried_again_and_again() {
    let mut rig = master(1);
    begin(&mut rig, to(7001)).expect("it may");
    go_on(&mut rig);
    for _ in 0..20 {
        let failure = ConnectFailure::Socket("Connection refused".into());
        rig.repl.on_connect_failed(failure, rig.facts, &mut rig.out);
        rig.out.clear();
        rig.pass_ms(200);
        rig.expect(connect(7001));
        assert_eq!(state(&rig), "failover-in-progress");
    }
    // It may break off before the target was told, too.
    rig.repl.on_connected(rig.facts, &mut rig.out);
    rig.bytes(b"+PONG\r\n+OK\r\n");
    rig.closed();
    rig.pass_ms(200);
    rig.out.clear();
    rig.handshake();
    assert!(rig.sent().contains("FAILOVER"));
}

/// A target that was told, and whose answer was lost: the connection breaks, and we are connected
/// again.
fn unanswered() -> Rig {
    let mut rig = asking();
    assert!(rig.sent().contains("FAILOVER"));
    rig.closed();
    rig.expect_logged("Master did not reply to PSYNC, will try later");
    assert_eq!(state(&rig), "failover-in-progress");
    rig.pass_ms(200);
    rig.out.clear();
    rig.handshake();
    assert!(rig.sent().contains("FAILOVER"), "it may not know yet");
    rig
}

const IS_MASTER: &[u8] = b"-ERR PSYNC FAILOVER can't be sent to a master.\r\n";

#[test]
fn an_target_whose_answer_was_lost_is_asked_again() {
    let mut rig = unanswered();
    rig.bytes(format!("+CONTINUE {}\r\n", id('b')).as_bytes());
    assert_eq!(state(&rig), "no-failover");
    assert!(rig.repl.is_link_up());
}

#[test]
fn one_that_has_taken_over_without_our_hearing_of_it_is_followed() {
    let mut rig = unanswered();
    let end = rig.repl.offset();
    rig.bytes(IS_MASTER);
    let own = rig.repl.identity().id();
    assert_eq!(
        rig.sent(),
        format!("*3\r\n$5\r\nPSYNC\r\n$40\r\n{own}\r\n$2\r\n{}\r\n", end + 1)
    );
    assert_eq!(state(&rig), "failover-in-progress");
    rig.bytes(format!("+CONTINUE {}\r\n", id('b')).as_bytes());
    assert_eq!(state(&rig), "no-failover");
    assert!(rig.repl.is_link_up());
}

#[test]
fn one_that_is_a_master_of_other_data_is_not_followed() {
    for answer in ["+FULLRESYNC x 1", "-ERR no", "-LOADING wait"] {
        let mut rig = unanswered();
        rig.bytes(IS_MASTER);
        rig.sent();
        rig.bytes(format!("{answer}\r\n").as_bytes());
        assert_eq!(state(&rig), "no-failover", "{answer}");
        assert!(!rig.repl.is_replica());
        let actions = rig.actions();
        assert!(actions.contains(&Action::CloseMaster));
        let began = |action: &Action| matches!(action, Action::BeginSnapshot { .. });
        assert!(!actions.iter().any(began));
    }
}

#[test]
fn nobody_gets_the_stream_from_us_while_we_hand_over() {
    let text = "NOMASTERLINK Can't SYNC while failing over";
    let refused = SyncReply::Refused(text.into());
    let mut rig = master(2);
    rig.repl.feed(Some(0), SET);
    begin(&mut rig, to(7001)).expect("it may");
    let own = rig.repl.identity().id().to_string();
    assert_eq!(rig.psync(9, &own, "1"), refused);
    let cannot = SyncReply::Refused("ERR PSYNC FAILOVER can't be sent to a master.".into());
    assert_eq!(rig.hand_over(10, &own, "1"), cannot);
    let mut rig = asking();
    let own = rig.repl.identity().id().to_string();
    assert_eq!(rig.psync(9, &own, "1"), refused);
    assert_eq!(rig.hand_over(10, &own, "1"), refused);
    assert!(rig.repl.is_replica(), "our target has not answered yet");
}
