//! Words that a master may send and that mean something else than they seem to, or nothing.

use super::tests::SET;
use crate::replication::rig::{Rig, id};
use crate::replication::*;

#[test]
fn a_size_is_read_as_leniently_as_the_reference_does() {
    for (line, total) in [
        ("$171x", 171),
        ("$+171", 171),
        ("$ 171 ", 171),
        ("$99999999999999999999", i64::MAX as u64),
    ] {
        let mut rig = Rig::connecting(ReplicationSettings::default());
        rig.handshake();
        rig.bytes(format!("+FULLRESYNC {} 5\r\n{line}\r\n", id('a')).as_bytes());
        rig.expect_logged(&format!("receiving {total} bytes from master to disk"));
        rig.expect(Action::BeginSnapshot {
            size: Some(total),
            target: LoadTarget::Disk,
        });
    }
}

#[test]
fn a_place_is_read_as_leniently_as_the_reference_does() {
    for (place, offset) in [
        ("12", 12),
        ("12abc", 12),
        (" +12", 12),
        ("12 and more", 12),
        ("0", 0),
        ("4611686018427387903", 4_611_686_018_427_387_903),
    ] {
        let mut rig = Rig::connecting(ReplicationSettings::default());
        rig.handshake();
        rig.bytes(format!("+FULLRESYNC {} {place}\r\n$1\r\nx", id('a')).as_bytes());
        rig.expect_logged(&format!("Full resync from master: {}:{offset}", id('a')));
        rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
        rig.repl
            .on_load_finished(StreamPlace::default(), rig.facts, &mut rig.out);
        assert_eq!(rig.repl.identity().offset(), offset, "{place}");
    }
}

#[test]
fn a_place_where_no_stream_can_be_is_not_believed() {
    for place in [
        "",
        "x",
        "-1",
        "4611686018427387904",
        "9223372036854775807",
        "18446744073709551615",
    ] {
        let mut rig = Rig::connecting(ReplicationSettings::default());
        rig.handshake();
        rig.bytes(format!("+FULLRESYNC {} {place}\r\n$1\r\nx", id('a')).as_bytes());
        rig.expect_logged("Master replied with wrong +FULLRESYNC syntax.");
        rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
        rig.repl
            .on_load_finished(StreamPlace::default(), rig.facts, &mut rig.out);
        rig.stream(SET);
        assert_eq!(rig.repl.identity().offset(), SET.len() as u64, "{place}");
    }
}
