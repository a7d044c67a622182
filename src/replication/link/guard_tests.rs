//! Which full syncs a replica takes, and what a refusal leaves as it was.

use super::CHANNEL;
use crate::replication::rig::{Rig, id};
use crate::replication::*;

/// A replica with data of history `a` and a replica of its own, whose link is lost, and which has
/// asked again to continue.
fn asking(rule: LineageRule) -> Rig {
    let mut rig = Rig::streaming(&id('a'), 700);
    rig.repl.configure(ReplicationSettings {
        lineage_guard: rule,
        diskless_sync: false,
        ..ReplicationSettings::default()
    });
    rig.online(3);
    rig.pass_ms(2000);
    rig.closed();
    rig.handshake();
    rig.out.clear();
    rig
}

/// The master offers a snapshot of this history, and all of it comes.
fn offer(rig: &mut Rig, letter: char) {
    let name = id(letter);
    rig.bytes(format!("+FULLRESYNC {name} 1\r\n$5\r\n01234").as_bytes());
}

fn guard_of(rig: &Rig) -> GuardInfo {
    let master = rig.repl.info(rig.facts.now).master;
    master.expect("it is a replica").guard
}

fn message(text: &str) -> Action {
    Action::Publish {
        channel: CHANNEL,
        message: text.to_owned(),
    }
}

fn asks_to_connect(rig: &Rig) -> bool {
    let connects = |action: &Action| matches!(action, Action::Connect { .. });
    rig.out.iter().any(connects)
}

#[test]
fn an_unknown_history_without_a_key_is_refused_and_nothing_of_ours_changes() {
    let mut rig = asking(LineageRule::RefuseEmpty);
    offer(&mut rig, 'b');
    rig.expect(Action::InspectSnapshot);
    assert!(!rig.out.contains(&Action::EndSnapshot));
    let (identity, stream) = (rig.repl.identity().clone(), rig.repl.last_stream_bytes(99));
    rig.inspected(false);
    rig.expect_logged("LINEAGE GUARD");
    rig.expect(message(&format!("refused m 6379 {} empty", id('b'))));
    let spared =
        |action: &Action| !matches!(action, Action::FlushData | Action::CloseReplica { .. });
    assert!(rig.out.iter().all(spared), "{:#?}", rig.out);
    assert!(rig.out.contains(&Action::AbortSnapshot) && rig.out.contains(&Action::CloseMaster));
    assert_eq!(*rig.repl.identity(), identity);
    assert_eq!(rig.repl.last_stream_bytes(99), stream);
    assert_eq!(rig.repl.source().count(), 1);
    let guard = guard_of(&rig);
    assert_eq!((guard.state, guard.refusals), (GuardState::Refusing, 1));
    let refused = guard.refused.expect("it is refused");
    assert_eq!(refused.id, ReplId::parse(id('b').as_bytes()));
    assert!(rig.repl.saved_identity().is_some(), "it knows where it is");
}

#[test]
fn what_holds_a_key_is_taken() {
    let mut rig = asking(LineageRule::RefuseEmpty);
    offer(&mut rig, 'b');
    rig.inspected(true);
    rig.expect(Action::EndSnapshot);
    assert_eq!(guard_of(&rig).refusals, 0);
}

#[test]
fn a_known_history_is_taken_without_a_look() {
    for rule in [LineageRule::RefuseEmpty, LineageRule::RefuseUnknown] {
        let mut rig = asking(rule);
        offer(&mut rig, 'a');
        rig.expect(Action::EndSnapshot);
        // One whose master was promoted knows two.
        for letter in ['a', 'b'] {
            let mut rig = asking(rule);
            rig.bytes(format!("+CONTINUE {}\r\n", id('b')).as_bytes());
            rig.pass_ms(2000);
            rig.closed();
            rig.handshake();
            offer(&mut rig, letter);
            rig.expect(Action::EndSnapshot);
        }
    }
}

#[test]
fn one_without_data_or_with_the_guard_off_takes_everything() {
    for (rule, is_empty) in [
        (LineageRule::AcceptAll, false),
        (LineageRule::RefuseEmpty, true),
        (LineageRule::RefuseUnknown, true),
    ] {
        let mut rig = asking(rule);
        rig.facts.dataset_empty = is_empty;
        offer(&mut rig, 'b');
        rig.expect(Action::EndSnapshot);
    }
}

#[test]
fn a_strict_guard_refuses_before_anything_has_come() {
    let mut rig = asking(LineageRule::RefuseUnknown);
    rig.bytes(format!("+FULLRESYNC {} 1\r\n", id('b')).as_bytes());
    rig.expect(message(&format!("refused m 6379 {} unknown", id('b'))));
    let begins = |action: &Action| matches!(action, Action::BeginSnapshot { .. });
    assert!(!rig.out.iter().any(begins));
    assert_eq!(guard_of(&rig).state, GuardState::Refusing);
}

#[test]
fn a_master_that_only_knows_sync_has_a_history_that_nobody_knows() {
    let mut rig = asking(LineageRule::RefuseUnknown);
    rig.bytes(b"-ERR unknown command 'PSYNC'\r\n");
    rig.expect(message("refused m 6379 ? unknown"));
    let mut rig = asking(LineageRule::RefuseEmpty);
    rig.bytes(b"-ERR unknown command 'PSYNC'\r\n$5\r\n01234");
    rig.expect(Action::InspectSnapshot);
}

#[test]
fn the_same_is_asked_again_with_growing_pauses_and_told_once_a_minute() {
    let mut rig = asking(LineageRule::RefuseUnknown);
    let (mut pauses_ms, mut loud) = (Vec::new(), 0);
    for _ in 0..16 {
        rig.bytes(format!("+FULLRESYNC {} 1\r\n", id('b')).as_bytes());
        loud += u64::from(rig.logged("LINEAGE GUARD"));
        rig.out.clear();
        let mut pause_ms = 0;
        while !asks_to_connect(&rig) {
            rig.pass_ms(100);
            pause_ms += 100;
            assert!(pause_ms <= 12_000, "it asks no more");
        }
        pauses_ms.push(pause_ms);
        rig.handshake();
        rig.out.clear();
    }
    // The work of a second is done once a second.
    let about = |at: usize, ms: u64| (ms..=ms + 1000).contains(&pauses_ms[at]);
    for (at, ms) in [1000, 2000, 4000, 8000, 10_000, 10_000]
        .into_iter()
        .enumerate()
    {
        assert!(about(at, ms), "{pauses_ms:?}");
    }
    let total_ms: u64 = pauses_ms.iter().sum();
    assert!(
        (2..=1 + total_ms / 60_000).contains(&loud),
        "{loud} times in {total_ms} ms"
    );
    assert_eq!(guard_of(&rig).refusals, 16);
}

#[test]
fn a_master_that_has_its_data_back_ends_the_refusal() {
    let mut rig = asking(LineageRule::RefuseEmpty);
    offer(&mut rig, 'b');
    rig.inspected(false);
    rig.pass_ms(2000);
    rig.handshake();
    rig.bytes(b"+CONTINUE\r\n");
    rig.expect(message("over partial"));
    let guard = guard_of(&rig);
    assert_eq!((guard.state, guard.refused), (GuardState::On, None));
}

#[test]
fn an_operator_opens_the_guard_for_one_sync() {
    let mut rig = asking(LineageRule::RefuseEmpty);
    offer(&mut rig, 'b');
    rig.inspected(false);
    rig.out.clear();
    rig.repl.open_lineage_guard(rig.facts, &mut rig.out);
    assert!(asks_to_connect(&rig), "without a pause");
    assert_eq!(guard_of(&rig).state, GuardState::Open);
    rig.handshake();
    offer(&mut rig, 'b');
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    rig.repl
        .on_load_finished(StreamPlace::default(), rig.facts, &mut rig.out);
    rig.expect(message("over full"));
    assert_eq!(guard_of(&rig).state, GuardState::On);
    // The next stranger is turned away again.
    rig.pass_ms(2000);
    rig.closed();
    rig.handshake();
    offer(&mut rig, 'c');
    rig.expect(Action::InspectSnapshot);
}

#[test]
fn an_open_guard_does_not_stay_open_for_another_master() {
    let mut rig = asking(LineageRule::RefuseUnknown);
    rig.repl.open_lineage_guard(rig.facts, &mut rig.out);
    rig.repl
        .replicaof("other", 6379, "sentinel", rig.facts, &mut rig.out);
    rig.handshake();
    rig.bytes(format!("+FULLRESYNC {} 1\r\n", id('b')).as_bytes());
    rig.expect(message(&format!("refused other 6379 {} unknown", id('b'))));
}

#[test]
fn a_guard_cannot_be_opened_ahead_while_the_link_is_up() {
    let mut rig = Rig::streaming(&id('a'), 700);
    rig.repl.open_lineage_guard(rig.facts, &mut rig.out);
    assert_eq!(guard_of(&rig).state, GuardState::On);
}

#[test]
fn a_changed_rule_is_tried_without_a_pause() {
    let mut rig = asking(LineageRule::RefuseUnknown);
    for _ in 0..6 {
        rig.bytes(format!("+FULLRESYNC {} 1\r\n", id('b')).as_bytes());
        rig.out.clear();
        while !asks_to_connect(&rig) {
            rig.pass_ms(100);
        }
        rig.handshake();
    }
    rig.bytes(format!("+FULLRESYNC {} 1\r\n", id('b')).as_bytes());
    rig.out.clear();
    rig.repl.configure(ReplicationSettings {
        lineage_guard: LineageRule::AcceptAll,
        ..ReplicationSettings::default()
    });
    rig.pass_ms(1000);
    assert!(asks_to_connect(&rig));
    assert_eq!(guard_of(&rig).state, GuardState::Off);
}

#[test]
fn a_refused_replica_may_become_a_master_with_its_data() {
    let mut rig = asking(LineageRule::RefuseEmpty);
    offer(&mut rig, 'b');
    rig.inspected(false);
    let offset = rig.repl.identity().offset();
    rig.repl.replicaof_no_one("test", rig.facts, &mut rig.out);
    let previous = rig.repl.identity().previous().expect("its history so far");
    assert_eq!(previous.id.as_str(), id('a'));
    assert_eq!(rig.repl.identity().offset(), offset);
}

#[test]
fn one_who_hands_over_takes_what_its_target_has_made_of_its_data() {
    let mut rig = Rig::new(ReplicationSettings {
        lineage_guard: LineageRule::RefuseUnknown,
        diskless_sync: false,
        ..ReplicationSettings::default()
    });
    rig.online(3);
    rig.repl.feed(Some(0), b"*1\r\n$4\r\nPING\r\n");
    let request = FailoverRequest::default();
    rig.repl
        .begin_failover(request, rig.facts, &mut rig.out)
        .expect("there is a replica");
    rig.read(3);
    let ack = format!("ACK {}", rig.repl.offset());
    rig.replconf(3, &ack);
    rig.repl.go_on_with_failover(true, rig.facts, &mut rig.out);
    assert!(rig.repl.is_replica(), "{:#?}", rig.out);
    rig.handshake();
    rig.bytes(format!("+FULLRESYNC {} 1\r\n$5\r\n01234", id('b')).as_bytes());
    rig.expect(Action::EndSnapshot);
}
