//! Clients that say anything that a replica may say, in any order.

use crate::base::rng::Rng;
use crate::replication::rig::{Rig, id};
use crate::replication::*;

/// Does what the machine asks for, as a driver whose child and files fail now and then.
fn carry_out(rig: &mut Rig, rng: &mut Rng) {
    while !rig.out.is_empty() {
        for action in std::mem::take(&mut rig.out) {
            match action {
                Action::StartSnapshot { .. } if rng.below(8) == 0 => {
                    rig.repl.on_snapshot_not_started(rig.facts, &mut rig.out);
                }
                Action::StartSnapshot { .. } => rig.forked(),
                Action::StopSnapshot => rig.facts.child = RunningChild::None,
                Action::OpenFile { client } if rng.below(4) == 0 => {
                    rig.repl
                        .on_file_failed(client, "gone", rig.facts, &mut rig.out);
                }
                Action::OpenFile { client } => {
                    rig.repl.on_file_opened(client, 9, rig.facts, &mut rig.out);
                }
                Action::SendFile { client } => {
                    rig.repl.on_file_sent(client, rig.facts, &mut rig.out);
                }
                _ => {}
            }
            rig.repl.check_invariants();
        }
    }
}

/// One of the clients says something, or goes, or something else happens.
fn happen(rig: &mut Rig, rng: &mut Rng) {
    const OPTIONS: [&str; 14] = [
        "capa eof capa psync2",
        "capa psync2",
        "listening-port 6380",
        "listening-port x",
        "ip-address 1.2.3.4",
        "rdb-only 1",
        "rdb-filter-only functions",
        "ack 5",
        "ack 5 fack 4",
        "ack 9223372036854775807 fack -9223372036854775808",
        "ack x",
        "getack *",
        "version 9",
        "odd",
    ];
    let client = 1 + rng.below(5);
    match rng.below(10) {
        0..=2 => {
            rig.replconf(client, OPTIONS[rng.below(14) as usize]);
        }
        3..=5 => {
            let info = rig.repl.info(rig.facts.now);
            let known = [info.id, info.id2].map(|id| id.to_string());
            let asked = [known[0].as_str(), &known[1], "?", "", "x"][rng.below(5) as usize];
            let near = info.offset as i64 - 2 + rng.below(5) as i64;
            let offset = [near, -1, i64::MIN, i64::MAX][rng.below(4) as usize].to_string();
            let word = [None, Some("FAILOVER"), Some("x")][rng.below(3) as usize];
            rig.request(client, asked, &offset, word);
        }
        6 => rig.repl.on_newline(client, rig.facts.now),
        7 => rig.repl.on_client_closed(client, rig.facts, &mut rig.out),
        8 if rig.repl.is_snapshot_running() => rig.reaped(rng.below(4) > 0),
        8 => {
            rig.repl
                .replicaof("m", 6379, "test", rig.facts, &mut rig.out);
        }
        _ => rig.pass_ms(rng.below(3) * 1000),
    }
}

#[test]
fn no_words_of_clients_make_us_panic() {
    for seed in 0..2000 {
        let mut rng = Rng::from_seed(seed);
        let mut rig = match rng.below(2) {
            0 => Rig::new(ReplicationSettings::default()),
            _ => Rig::streaming(&id('a'), 100),
        };
        rig.repl.configure(ReplicationSettings {
            diskless_sync: rng.below(2) == 0,
            diskless_sync_delay_s: rng.below(2),
            timeout_s: 5,
            concurrent_syncs_max: rng.below(3) as usize,
            ..ReplicationSettings::default()
        });
        for _ in 0..60 {
            happen(&mut rig, &mut rng);
            carry_out(&mut rig, &mut rng);
            rig.repl.feed(Some(0), b"PING\r\n");
            let readers: Vec<ClientId> = rig.repl.readers().collect();
            for client in readers {
                rig.read(client);
            }
        }
    }
}
