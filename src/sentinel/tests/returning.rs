//! Masters that come back: before they are replaced, and as what they were when another is gone.

use super::*;

fn count(rig: &Rig, event: &str) -> usize {
    let is_it = |(_, _, text): &&(u64, usize, String)| text.starts_with(event);
    rig.story.iter().filter(is_it).count()
}

/// Two servers of which the second has taken over, and the first is dead.
fn replaced(seed: u64) -> Rig {
    let mut rig = Rig::group(seed, 1, 1, 3);
    rig.wait("all know each other", 30_000, |rig| rig.is_acquainted(1, 1));
    rig.kill_server(0);
    rig.wait("all agree", 5000, |rig| rig.is_settled(0, 0..2));
    rig.run_ms(5000);
    rig
}

/// The former master comes back, and the new one is gone before that follows it.
fn return_as_the_other_dies(rig: &mut Rig) {
    rig.servers[1].offset += 5000;
    rig.kill_server(1);
    rig.start_server(0);
}

#[test]
fn a_master_that_answers_again_before_the_election_is_won_stays() {
    for seed in 0..20 {
        let mut rig = trio(seed);
        for n in 1..3 {
            rig.seats[n].saves_fail = true;
            rig.seats[n].machine.as_mut().expect("it runs").saves.want();
        }
        rig.kill_server(0);
        rig.wait("votes are asked for", 5000, |rig| {
            count(rig, "+try-failover") > 0
        });
        rig.run_ms(seed * 10);
        rig.start_server(0);
        rig.wait("it is given up", 5000, |rig| {
            count(rig, "-failover-abort-master-is-back") > 0
        });
        for n in 1..3 {
            rig.seats[n].saves_fail = false;
        }
        rig.run_ms(30_000);
        assert_eq!(count(&rig, "+elected-leader"), 0, "{}", rig.told());
        assert!(rig.is_settled(0, 0..3), "{}", rig.told());
        // What was given up is in nobody's way.
        rig.kill_server(0);
        let took_ms = rig.wait("a new master", 5000, |rig| {
            (1..3).any(|n| rig.servers[n].master.is_none())
        });
        assert!(took_ms < 500, "{took_ms} ms\n{}", rig.told());
    }
}

#[test]
fn a_master_of_before_does_not_take_over_with_old_data_while_the_last_one_may_come_back() {
    for seed in 0..20 {
        let mut rig = replaced(seed);
        return_as_the_other_dies(&mut rig);
        rig.run_ms(4500);
        assert!(count(&rig, "-failover-abort-no-good-slave") > 0);
        rig.start_server(1);
        rig.wait("all agree", 30_000, |rig| rig.is_settled(0, 0..2));
        assert_eq!(rig.named(0, 0), Some(1), "{}", rig.told());
        assert_eq!(rig.servers[0].offset, rig.servers[1].offset);
    }
}

#[test]
fn a_master_of_before_takes_over_when_the_last_one_does_not_come_back() {
    let mut rig = replaced(1);
    return_as_the_other_dies(&mut rig);
    rig.run_ms(4500);
    assert_eq!(rig.named(0, 0), Some(1), "{}", rig.told());
    rig.wait("all agree", 20_000, |rig| rig.is_settled(0, 0..1));
}

#[test]
fn a_master_of_before_takes_over_when_an_operator_wants_it() {
    let mut rig = replaced(1);
    return_as_the_other_dies(&mut rig);
    rig.run_ms(2000);
    let now = rig.now;
    let machine = rig.seats[0].machine.as_mut().expect("it runs");
    machine.force_failover(b"m0", now).expect("it begins");
    rig.turn(0);
    rig.wait("all agree", 2000, |rig| rig.is_settled(0, 0..1));
}

#[test]
fn a_master_of_before_that_has_followed_the_last_one_takes_over_at_once() {
    for seed in 0..20 {
        let mut rig = replaced(seed);
        rig.start_server(0);
        rig.wait("it follows", 5000, |rig| rig.is_settled(0, 0..2));
        rig.kill_server(1);
        let took_ms = rig.wait("it takes over", 5000, |rig| rig.servers[0].master.is_none());
        assert!(took_ms < 500, "{took_ms} ms\n{}", rig.told());
    }
}

#[test]
fn a_replica_of_a_master_that_wrote_nothing_takes_over_from_it() {
    for seed in 0..10 {
        let mut rig = Rig::group(seed, 1, 1, 3);
        for server in &mut rig.servers {
            server.offset = 0;
        }
        rig.wait("all know each other", 30_000, |rig| rig.is_acquainted(1, 1));
        // The Sentinels have seen its link down only.
        rig.kill_server(0);
        for n in 0..3 {
            rig.kill_sentinel(n);
            rig.start_sentinel(n);
        }
        let took_ms = rig.wait("it takes over", 5000, |rig| rig.servers[1].master.is_none());
        assert!(took_ms < 2500, "{took_ms} ms\n{}", rig.told());
    }
}

#[test]
fn a_master_that_dies_right_after_a_reset_is_replaced() {
    for seed in 0..20 {
        let mut rig = trio(seed);
        for n in 0..3 {
            let now = rig.now;
            let machine = rig.seats[n].machine.as_mut().expect("it runs");
            // The second time, nothing is known to be forgotten.
            for _ in 0..2 {
                assert_eq!(machine.reset(b"m0", now), 1);
            }
            rig.turn(n);
        }
        rig.kill_server(0);
        rig.wait("all agree", 10_000, |rig| rig.is_settled(0, 0..3));
        assert_ne!(rig.named(0, 0), Some(0), "{}", rig.told());
    }
}

#[test]
fn who_was_promoted_before_its_leader_was_lost_is_promoted_by_the_next_one() {
    for seed in 0..20 {
        let mut rig = Rig::group(seed, 1, 1, 3);
        rig.wait("all know each other", 30_000, |rig| rig.is_acquainted(1, 1));
        rig.kill_server(0);
        rig.wait("it is told", 5000, |rig| rig.servers[1].master.is_none());
        for n in 0..3 {
            rig.kill_sentinel(n);
        }
        for n in 0..3 {
            rig.start_sentinel(n);
        }
        let took_ms = rig.wait("all agree", 5000, |rig| rig.is_settled(0, 0..2));
        assert!(took_ms < 2500, "{took_ms} ms\n{}", rig.told());
    }
}

/// A leader is cut off with the replica that he has promoted, and another one that cannot follow it
/// yet. The others promote the last replica, and then the first master again.
#[test]
fn a_failover_that_was_overtaken_is_given_up() {
    for seed in 0..20 {
        let mut rig = Rig::group(seed, 1, 3, 3);
        rig.wait("all know each other", 30_000, |rig| rig.is_acquainted(1, 3));
        rig.kill_server(0);
        let is_told = |(_, _, text): &&(u64, usize, String)| text.starts_with("+promoted-slave");
        rig.wait("somebody is promoted", 5000, |rig| {
            rig.story.iter().any(|told| is_told(&told))
        });
        let (_, leader, text) = rig.story.iter().find(is_told).expect("it was told");
        let (leader, text) = (*leader, text.clone());
        let is_it = |n: &usize| text.contains(&format!(" {} ", Place::Server(*n).ip()));
        let first = (1..4).find(is_it).expect("a replica");
        let (waiting, second) = (1 + first % 3, 1 + (first + 1) % 3);
        rig.isolate(Place::Server(waiting), [Place::Server(first)]);
        let cut_off = [
            Place::Sentinel(leader),
            Place::Server(first),
            Place::Server(waiting),
        ];
        for place in cut_off {
            let others: Vec<Place> = (rig.places().into_iter())
                .filter(|other| !cut_off.contains(other))
                .collect();
            rig.isolate(place, others);
        }
        let machine = rig.seats[leader].machine.as_mut().expect("it runs");
        let options = machine.options_mut(b"m0").expect("a master");
        options.failover_timeout_ms = 600_000;
        let others_name =
            move |rig: &Rig, server| (0..3).all(|n| n == leader || rig.named(n, 0) == Some(server));
        rig.wait("another takes over", 30_000, |rig| others_name(rig, second));
        rig.start_server(0);
        rig.wait("it follows", 5000, |rig| rig.servers[0].link_up);
        rig.kill_server(second);
        rig.wait("it takes over", 30_000, |rig| others_name(rig, 0));
        let machine = rig.seats[leader].machine.as_ref().expect("it runs");
        let master = machine.master(b"m0").expect("a master");
        assert!(master.is_failing_over(), "{}", rig.told());
        rig.cuts.clear();
        rig.start_server(second);
        rig.wait("all agree", 30_000, |rig| rig.is_settled(0, 0..4));
        rig.run_ms(20_000);
        assert!(rig.is_settled(0, 0..4), "{}", rig.told());
        assert_eq!(rig.named(leader, 0), Some(0), "{}", rig.told());
    }
}
