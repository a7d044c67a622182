//! A master that comes back without its data, and replicas that refuse to lose theirs.

use super::*;

/// A trio whose master has died and come back at once, without its data.
fn emptied(seed: u64) -> Rig {
    let mut rig = trio(seed);
    // What Sentinels know of replicas is at most this old.
    rig.run_ms(10_000);
    rig.kill_server(0);
    rig.start_emptied(0);
    rig
}

fn is_replaced(rig: &Rig) -> bool {
    (1..3).any(|n| rig.servers[n].master.is_none())
}

fn told(rig: &Rig, event: &str) -> usize {
    let is_it = |(_, _, text): &&(u64, usize, String)| text.starts_with(event);
    rig.story.iter().filter(is_it).count()
}

#[test]
fn a_master_that_lost_the_data_that_its_replicas_keep_is_replaced() {
    for seed in 0..50 {
        let mut rig = emptied(seed);
        let took_ms = rig.wait("a new master", 10_000, is_replaced);
        assert!(took_ms < 3500, "{took_ms} ms\n{}", rig.told());
        rig.wait("all agree", 10_000, |rig| rig.is_settled(0, 0..3));
        assert!(told(&rig, "+lost-data master m0") > 0, "{}", rig.told());
        assert!(rig.servers.iter().all(|server| !server.is_empty));
    }
}

#[test]
fn where_no_replica_refuses_an_empty_master_it_stays_the_master() {
    for seed in 0..10 {
        let mut rig = trio(seed);
        for server in &mut rig.servers {
            server.is_guarded = false;
        }
        rig.run_ms(10_000);
        rig.kill_server(0);
        rig.start_emptied(0);
        rig.run_ms(60_000);
        assert!(!is_replaced(&rig), "{}", rig.told());
        assert_eq!(told(&rig, "+lost-data"), 0);
    }
}

#[test]
fn a_master_that_brought_its_data_back_and_was_emptied_on_purpose_stays() {
    for seed in 0..10 {
        let mut rig = emptied(seed);
        // It continues what its replicas have, and they were not there to see it emptied.
        rig.servers[0].lineage_before = Some(0);
        for server in &mut rig.servers[1..] {
            (server.refuses, server.link_up, server.is_empty) = (true, false, false);
        }
        rig.run_ms(60_000);
        assert!(!is_replaced(&rig), "{}", rig.told());
    }
}

#[test]
fn a_former_master_with_old_data_does_not_replace_an_empty_one() {
    for seed in 0..10 {
        let mut rig = trio(seed);
        rig.run_ms(10_000);
        rig.kill_server(0);
        rig.wait("all agree", 10_000, |rig| rig.is_settled(0, 0..3));
        let new = (1..3)
            .find(|n| rig.servers[*n].master.is_none())
            .expect("one");
        // Somebody empties the new one on purpose, and then the old one comes back.
        for n in 1..3 {
            rig.servers[n].lineage = 77;
            rig.servers[n].is_empty = true;
        }
        rig.run_ms(20_000);
        rig.start_server(0);
        rig.run_ms(60_000);
        assert_eq!(rig.named(0, 0), Some(new), "{}", rig.told());
        assert!(rig.servers[0].refuses, "{}", rig.told());
        assert_eq!(told(&rig, "+lost-data"), 0);
    }
}

#[test]
fn less_than_a_quorum_that_sees_it_replaces_nobody() {
    let mut rig = emptied(1);
    rig.kill_sentinel(1);
    rig.kill_sentinel(2);
    rig.run_ms(30_000);
    assert!(!is_replaced(&rig), "{}", rig.told());
    assert_eq!(told(&rig, "+lost-data master m0"), 1, "{}", rig.told());
    rig.start_sentinel(1);
    rig.wait("a new master", 30_000, is_replaced);
}

#[test]
fn who_has_the_most_of_the_lost_data_takes_over() {
    for seed in 0..20 {
        let mut rig = trio(seed);
        rig.run_ms(10_000);
        rig.servers[2].is_guarded = false;
        rig.kill_server(0);
        rig.start_emptied(0);
        rig.wait("a new master", 10_000, is_replaced);
        assert_eq!(rig.servers[1].master, None, "the other one has copied it");
        rig.wait("all agree", 10_000, |rig| rig.is_settled(0, 0..3));
        assert!(rig.servers.iter().all(|server| !server.is_empty));
    }
}
