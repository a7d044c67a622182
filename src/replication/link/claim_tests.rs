//! What a former master asks to keep before it takes the data of another.

use crate::replication::rig::Rig;
use crate::replication::*;

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

fn other_id() -> String {
    "b".repeat(40)
}

/// A master whose replica 5 has all up to the offset that is told, and which has written more.
fn cut_off(settings: ReplicationSettings) -> (Rig, u64) {
    let mut rig = Rig::new(ReplicationSettings {
        diskless_sync: false,
        ..settings
    });
    rig.online(5);
    rig.repl.feed(Some(0), SET);
    let had = rig.repl.offset();
    rig.replconf(5, &format!("ACK {had}"));
    rig.repl.on_client_closed(5, rig.facts, &mut rig.out);
    rig.repl.feed(Some(0), SET);
    rig.repl.feed(Some(0), SET);
    rig.repl
        .replicaof("m", 6379, "test", rig.facts, &mut rig.out);
    (rig, had)
}

/// The handshake up to the question about its history that the master gets before `PSYNC`.
fn ask(rig: &mut Rig) {
    rig.repl.on_connected(rig.facts, &mut rig.out);
    rig.bytes(b"+PONG\r\n+OK\r\n+OK\r\n");
    assert!(rig.sent().ends_with("$4\r\nINFO\r\n$11\r\nreplication\r\n"));
}

/// A promoted replica of ours says so.
fn tell(rig: &mut Rig, second_offset: u64) {
    let text = format!(
        "# Replication\r\nrole:master\r\nmaster_replid:{}\r\nmaster_replid2:{}\r\n\
         master_repl_offset:900\r\nsecond_repl_offset:{second_offset}\r\n",
        other_id(),
        rig.repl.identity().id()
    );
    rig.bytes(format!("${}\r\n{text}\r\n", text.len()).as_bytes());
}

/// It gives us a snapshot with a key.
fn snapshot(rig: &mut Rig) {
    rig.bytes(format!("+FULLRESYNC {} 900\r\n$10\r\n0123456789", other_id()).as_bytes());
    rig.out.retain(|action| !matches!(action, Action::Log(..)));
    rig.inspected(true);
}

fn asked(rig: &Rig) -> Vec<LostWrites> {
    let lost = rig.out.iter().filter_map(|action| match action {
        Action::KeepLost(lost) => Some(lost.clone()),
        _ => None,
    });
    lost.collect()
}

fn ends(rig: &Rig) -> bool {
    rig.out.contains(&Action::EndSnapshot)
}

fn kept(rig: &mut Rig, result: Result<(), String>) {
    rig.repl.on_lost_kept(result, rig.facts, &mut rig.out);
    rig.repl.check_invariants();
}

#[test]
fn what_lies_behind_the_fork_is_kept_before_the_snapshot_is_taken() {
    let (mut rig, had) = cut_off(ReplicationSettings::default());
    // It has got one more than it has acknowledged.
    let fork = had + SET.len() as u64;
    ask(&mut rig);
    tell(&mut rig, fork + 1);
    assert!(rig.sent().contains("PSYNC"));
    snapshot(&mut rig);
    let lost = LostWrites {
        id: rig.repl.identity().id(),
        after: fork,
        end: rig.repl.offset(),
        is_exact: true,
        new_id: ReplId::parse(other_id().as_bytes()),
        master: "m:6379".to_owned(),
    };
    assert_eq!(asked(&rig), [lost]);
    assert!(!ends(&rig));
    let start = rig.repl.begin_reading_tail(fork).expect("it is there");
    assert!(start.offset <= fork + 1);
    kept(&mut rig, Ok(()));
    assert!(ends(&rig));
    rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
    assert_eq!(rig.repl.tail_base(), None, "there is nothing left to lose");
}

#[test]
fn a_master_that_does_not_tell_costs_what_no_replica_is_known_to_have() {
    for answer in [&b"-NOPERM\r\n"[..], b"$-1\r\n", b"$2\r\nhi\r\n"] {
        let (mut rig, had) = cut_off(ReplicationSettings::default());
        ask(&mut rig);
        rig.bytes(answer);
        snapshot(&mut rig);
        let lost = &asked(&rig)[0];
        assert_eq!((lost.after, lost.is_exact), (had, false));
    }
}

#[test]
fn a_master_of_ours_tells_it_in_its_own_words() {
    let (mut rig, had) = cut_off(ReplicationSettings::default());
    rig.repl.on_connected(rig.facts, &mut rig.out);
    rig.bytes(b"+PONG\r\n");
    rig.sent();
    rig.bytes(b"+OK\r\n+OK tanist:fork\r\n");
    assert!(rig.sent().ends_with("$7\r\nlineage\r\n$1\r\n?\r\n"));
    // It is the second that was promoted since.
    let (id, older) = (rig.repl.identity().id(), "c".repeat(40));
    let text = format!("+{}:900:=,{older}:700:=,{id}:{had}:=\r\n", other_id());
    rig.bytes(text.as_bytes());
    snapshot(&mut rig);
    let lost = &asked(&rig)[0];
    assert_eq!((lost.after, lost.is_exact), (had, true));
}

#[test]
fn what_cannot_be_kept_is_tried_again_for_some_time_and_then_given_up() {
    let (mut rig, had) = cut_off(ReplicationSettings::default());
    ask(&mut rig);
    tell(&mut rig, had + 1);
    snapshot(&mut rig);
    for round in 1..10 {
        kept(&mut rig, Err("no space left".to_owned()));
        assert!(!ends(&rig), "round {round}");
        rig.out.clear();
        rig.pass_ms(1000);
        assert_eq!(asked(&rig).len(), 1, "round {round}");
    }
    rig.out.clear();
    kept(&mut rig, Err("no space left".to_owned()));
    rig.expect_logged("LOST WRITES: they cannot be kept: no space left. Given up;");
    assert!(ends(&rig));
}

#[test]
fn nothing_is_kept_if_the_new_master_has_all_or_we_may_continue() {
    let (mut rig, _) = cut_off(ReplicationSettings::default());
    let end = rig.repl.offset();
    ask(&mut rig);
    tell(&mut rig, end + 1);
    snapshot(&mut rig);
    assert_eq!(asked(&rig), []);
    assert!(ends(&rig));

    let (mut rig, _) = cut_off(ReplicationSettings::default());
    ask(&mut rig);
    tell(&mut rig, end + 1);
    rig.bytes(format!("+CONTINUE {}\r\n", other_id()).as_bytes());
    assert!(rig.repl.is_link_up());
    assert_eq!(rig.repl.tail_base(), None);
}

#[test]
fn a_refused_master_costs_nothing_and_no_ledger_is_written_for_it() {
    let (mut rig, had) = cut_off(ReplicationSettings::default());
    ask(&mut rig);
    tell(&mut rig, had + 1);
    rig.bytes(format!("+FULLRESYNC {} 900\r\n$10\r\n0123456789", other_id()).as_bytes());
    rig.inspected(false);
    assert_eq!(asked(&rig), []);
    assert_eq!(rig.repl.tail_base(), Some(had), "it may be lost yet");
}

#[test]
fn who_keeps_no_ledgers_asks_nothing_more() {
    let (mut rig, _) = cut_off(ReplicationSettings {
        lost_age_max_s: 0,
        ..ReplicationSettings::default()
    });
    rig.handshake();
    let sent = rig.sent();
    assert!(sent.contains("PSYNC") && !sent.contains("INFO"), "{sent}");
}
