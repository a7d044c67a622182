//! A master that hands over to us, its replica.

use crate::replication::rig::{Rig, id};
use crate::replication::*;

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";

/// The log lines so far.
fn lines(rig: &Rig) -> Vec<&str> {
    let mut lines = Vec::new();
    for action in &rig.out {
        if let Action::Log(_, text) = action {
            lines.push(text.as_str());
        }
    }
    lines
}

#[test]
fn a_master_that_hands_over_becomes_our_replica() {
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.psync(5, &id('a'), "101");
    rig.out.clear();
    assert_eq!(rig.hand_over(6, &id('a'), "101"), SyncReply::Accepted);
    assert!(!rig.repl.is_replica());
    let own = rig.repl.identity().id();
    let want = [
        format!("Failover request received for replid {}.", id('a')),
        "Connection with master lost.".to_owned(),
        "Caching the disconnected master state.".to_owned(),
        "Discarding previously cached master state.".to_owned(),
        format!(
            "Setting secondary replication ID to {}, valid up to offset: 101. New replication ID \
             is {own}",
            id('a')
        ),
        "Connection with replica 10.0.0.9:7005 lost.".to_owned(),
        "MASTER MODE enabled (failover request from 'id=7')".to_owned(),
        "Replica 10.0.0.9:<unknown-replica-port> asks for synchronization".to_owned(),
        "Partial resynchronization request from 10.0.0.9:<unknown-replica-port> accepted. Sending \
         0 bytes of backlog starting from offset 101."
            .to_owned(),
    ];
    assert_eq!(lines(&rig), want);
    let want = [
        Action::RoleChanged,
        Action::CloseMaster,
        Action::CloseReplica { client: 5 },
        Action::SendReplica {
            client: 6,
            bytes: format!("+CONTINUE {own}\r\n").into_bytes(),
        },
    ];
    assert_eq!(rig.actions(), want);
    rig.repl.feed(Some(0), SET);
    assert_eq!(rig.read(6).as_bytes(), [SELECT, SET].concat());
    assert_eq!(rig.repl.source().stats().partial_ok, 2);
    // The replica that was sent away finds us under the new name.
    assert_eq!(rig.psync(8, &id('a'), "101"), SyncReply::Accepted);
    assert_eq!(rig.told(8), format!("+CONTINUE {own}\r\n"));
}

#[test]
fn the_history_and_the_word_may_be_spelled_in_any_case() {
    let mut rig = Rig::streaming(&id('a'), 100);
    let reply = rig.request(6, &id('A'), "101", Some("fAiLoVeR"));
    assert_eq!(reply, SyncReply::Accepted);
    assert!(!rig.repl.is_replica());
}

#[test]
fn a_master_that_forces_it_before_we_have_everything_gets_a_snapshot() {
    let mut rig = Rig::streaming(&id('a'), 100);
    assert_eq!(rig.bytes(SET), 0, "it was received, and is not run");
    let next = 101 + SET.len();
    assert_eq!(
        rig.hand_over(6, &id('a'), &next.to_string()),
        SyncReply::Accepted
    );
    rig.expect_logged(&format!(
        "Requested offset for second ID was {next}, but I can reply up to 101"
    ));
    assert!(!rig.repl.is_replica());
    assert_eq!(rig.repl.identity().offset(), 100);
    assert_eq!(rig.repl.source().stats().full, 1);
}

#[test]
fn a_handover_is_refused_by_masters_and_for_other_histories() {
    const MASTER: &str = "ERR PSYNC FAILOVER can't be sent to a master.";
    const OTHER: &str = "ERR PSYNC FAILOVER replid must match my replid.";
    let refused = |text: &str| SyncReply::Refused(text.into());
    let mut rig = Rig::new(ReplicationSettings::default());
    let own = rig.repl.identity().id().to_string();
    for asked in [own.as_str(), "?"] {
        assert_eq!(rig.hand_over(6, asked, "1"), refused(MASTER));
    }
    let mut rig = Rig::streaming(&id('a'), 100);
    rig.pass_ms(2000);
    rig.closed();
    rig.handshake();
    rig.bytes(format!("+CONTINUE {}\r\n", id('b')).as_bytes());
    assert_eq!(rig.repl.info(rig.facts.now).id2.as_str(), id('a'));
    for asked in [id('a'), id('c'), "?".into(), String::new(), "b".repeat(39)] {
        rig.out.clear();
        assert_eq!(rig.hand_over(6, &asked, "101"), refused(OTHER), "{asked}");
        rig.expect_logged(&format!("Failover request received for replid {asked}."));
        assert_eq!(rig.actions(), []);
    }
    assert!(rig.repl.is_link_up());
}

#[test]
fn any_other_word_is_not_read() {
    for option in [None, Some(""), Some("FAILOVERS"), Some("TO")] {
        let mut rig = Rig::streaming(&id('a'), 100);
        assert_eq!(
            rig.request(6, &id('a'), "101", option),
            SyncReply::Accepted,
            "{option:?}"
        );
        assert!(rig.repl.is_link_up());
        assert!(!rig.logged("Failover request"));
    }
}

#[test]
fn what_is_wrong_with_the_rest_of_the_request_comes_too_late() {
    let mut rig = Rig::streaming(&id('a'), 100);
    let wrong = SyncReply::Refused("ERR value is not an integer or out of range".into());
    assert_eq!(rig.hand_over(6, &id('a'), "x"), wrong);
    assert!(!rig.repl.is_replica());
    let mut rig = Rig::streaming(&id('a'), 100);
    let history = id('a');
    let request = SyncRequest::Psync {
        id: history.as_bytes(),
        offset: b"101",
        option: Some(b"FAILOVER"),
    };
    let client = SyncClient {
        id: 6,
        ip: None,
        description: "id=6",
        has_pending_output: true,
    };
    let reply = rig.repl.on_sync(&client, request, rig.facts, &mut rig.out);
    let pending = "ERR SYNC and PSYNC are invalid with pending output";
    assert_eq!(reply, SyncReply::Refused(pending.into()));
    assert!(!rig.repl.is_replica());
    rig.expect(Action::RoleChanged);
}

#[test]
fn a_handover_is_taken_at_every_stage_of_our_own_link() {
    let hello = format!(
        "+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {} 5\r\n$4\r\nabcd",
        id('a')
    );
    for cut in 0..=hello.len() {
        let mut rig = Rig::connecting(ReplicationSettings::default());
        if cut > 0 {
            rig.repl.on_connected(rig.facts, &mut rig.out);
            rig.bytes(&hello.as_bytes()[..cut]);
        }
        let own = rig.repl.identity().id().to_string();
        let began = |action: &Action| matches!(action, Action::BeginSnapshot { .. });
        let began = rig.actions().iter().any(began);
        assert_eq!(rig.hand_over(6, &own, "1"), SyncReply::Accepted);
        assert!(!rig.repl.is_replica(), "cut at {cut}");
        let actions = rig.actions();
        assert!(actions.contains(&Action::CloseMaster));
        assert!(actions.contains(&Action::RoleChanged));
        assert_eq!(actions.contains(&Action::AbortSnapshot), began);
    }
}

#[test]
fn what_is_logged_of_a_change_of_role_is_logged_in_the_new_one() {
    let mut rig = Rig::new(ReplicationSettings::default());
    rig.repl
        .replicaof("m", 6379, "test", rig.facts, &mut rig.out);
    assert_eq!(rig.out[0], Action::RoleChanged);
    rig.out.clear();
    rig.repl.replicaof_no_one("test", rig.facts, &mut rig.out);
    assert_eq!(rig.out[0], Action::RoleChanged);
}
