//! The Sentinel at work, in a room of its own.

mod emptied;
mod returning;
mod ties;

use std::sync::atomic::{AtomicU64, Ordering};

use super::action::Answer;
use super::address::Address;
use super::orders::OrderError;
use super::rig::{Place, Process, Rig, name_of};
use super::testing::watching_one;
use crate::base::time::Now;

/// One master with two replicas, three Sentinels that know each other.
fn trio(seed: u64) -> Rig {
    let mut rig = Rig::group(seed, 1, 2, 3);
    rig.wait("all know each other", 30_000, |rig| rig.is_acquainted(1, 2));
    rig
}

fn events_of(rig: &Rig, n: usize, since_ms: u64) -> Vec<String> {
    let of =
        |(at, of, text): &&(u64, usize, String)| *of == n && *at >= since_ms && !text.is_empty();
    let kind =
        |(_, _, text): &(u64, usize, String)| text.split(' ').next().unwrap_or("").to_owned();
    rig.story.iter().filter(of).map(kind).collect()
}

#[test]
fn a_dead_master_is_replaced_within_half_a_second() {
    let mut worst_ms = 0;
    for seed in 0..50 {
        let mut rig = trio(seed);
        rig.kill_server(0);
        let took_ms = rig.wait("a new master", 5000, |rig| {
            (1..3).any(|n| rig.servers[n].master.is_none())
        });
        worst_ms = worst_ms.max(took_ms);
        rig.wait("all agree", 5000, |rig| rig.is_settled(0, 0..3));
    }
    assert!(worst_ms < 500, "{worst_ms} ms");
}

#[test]
fn a_stopped_master_is_replaced_soon_after_down_after() {
    for seed in 0..20 {
        let mut rig = trio(seed);
        rig.servers[0].process = Process::Stopped;
        let took_ms = rig.wait("a new master", 5000, |rig| {
            (1..3).any(|n| rig.servers[n].master.is_none())
        });
        assert!(took_ms < 1500, "{took_ms} ms\n{}", rig.told());
        rig.run_ms(3000);
        rig.servers[0].process = Process::Running;
        let took_ms = rig.wait("it follows", 5000, |rig| rig.is_settled(0, 0..3));
        assert!(took_ms < 500, "{took_ms} ms\n{}", rig.told());
    }
}

#[test]
fn the_events_of_a_failover_come_in_the_order_that_is_known() {
    let mut rig = Rig::group(3, 1, 2, 1);
    rig.seats[0].disk.masters[0].options.quorum = 1;
    rig.wait("all know each other", 30_000, |rig| rig.is_acquainted(1, 2));
    let since_ms = rig.ms();
    rig.kill_server(0);
    rig.wait("all agree", 5000, |rig| rig.is_settled(0, 0..3));
    rig.run_ms(500);
    let events = events_of(&rig, 0, since_ms);
    let expected = [
        "+sdown",
        "+odown",
        "+new-epoch",
        "+try-failover",
        "+vote-for-leader",
        "+elected-leader",
        "+failover-state-select-slave",
        "+selected-slave",
        "+failover-state-send-slaveof-noone",
        "+failover-state-wait-promotion",
        "-role-change",
        "+promoted-slave",
        "+failover-state-reconf-slaves",
        "+slave-reconf-sent",
        "+slave-reconf-inprog",
        "+slave-reconf-done",
        "+failover-end",
        "+switch-master",
        "+slave",
        "+slave",
        "+sdown",
    ];
    assert_eq!(events, expected, "{}", rig.told());
}

#[test]
fn servers_without_config_are_failed_over_and_operators_are_told() {
    for seed in 0..10 {
        let mut rig = trio(seed);
        for server in &mut rig.servers {
            server.has_config = false;
        }
        rig.kill_server(0);
        let took_ms = rig.wait("a new master", 5000, |rig| {
            (1..3).any(|n| rig.servers[n].master.is_none())
        });
        assert!(took_ms < 500, "{took_ms} ms\n{}", rig.told());
        rig.wait("all agree", 5000, |rig| rig.is_settled(0, 0..3));
        let refused = |(_, _, text): &&(u64, usize, String)| text.starts_with("-reconf-refused");
        let told = rig.story.iter().filter(refused).count();
        assert_eq!(told, 2, "once for each\n{}", rig.told());
        rig.start_server(0);
        rig.wait("it follows", 1000, |rig| rig.is_settled(0, 0..3));
    }
}

#[test]
fn who_only_hears_of_a_failover_leaves_the_replicas_to_its_leader() {
    for seed in 0..10 {
        let mut rig = Rig::group(seed, 1, 4, 3);
        rig.wait("all know each other", 30_000, |rig| rig.is_acquainted(1, 4));
        rig.run_ms(10_000);
        rig.kill_server(0);
        rig.wait("all agree", 5000, |rig| rig.is_settled(0, 0..5));
        let told = |event: &str| {
            let is_it = |(_, _, text): &&(u64, usize, String)| text.starts_with(event);
            rig.story.iter().filter(is_it).count()
        };
        assert_eq!(told("+fix-slave-config"), 0, "{}", rig.told());
        assert_eq!(told("+slave-reconf-sent"), 3, "{}", rig.told());
    }
}

#[test]
fn a_master_that_comes_back_is_told_at_once_whom_it_follows() {
    for seed in 0..20 {
        let mut rig = trio(seed);
        rig.kill_server(0);
        rig.wait("all agree", 5000, |rig| rig.is_settled(0, 0..3));
        rig.run_ms(5000);
        rig.start_server(0);
        rig.wait("it is told", 1000, |rig| rig.servers[0].master.is_some());
        rig.wait("it follows", 1000, |rig| rig.is_settled(0, 0..3));
    }
}

#[test]
fn a_sentinel_that_was_cut_off_while_others_failed_over_corrects_nobody() {
    for seed in 0..20 {
        let mut rig = trio(seed);
        let cut_off = [Place::Sentinel(0), Place::Server(0)];
        for place in cut_off {
            let others: Vec<Place> = rig
                .places()
                .into_iter()
                .filter(|other| !cut_off.contains(other))
                .collect();
            rig.isolate(place, others);
        }
        rig.wait("a new master", 20_000, |rig| {
            (1..3).any(|n| rig.servers[n].master.is_none())
        });
        rig.run_ms(5000);
        let promoted = (1..3)
            .find(|n| rig.servers[*n].master.is_none())
            .expect("one");
        rig.cuts.clear();
        rig.wait("all agree", 60_000, |rig| rig.is_settled(0, 0..3));
        assert_eq!(rig.named(0, 0), Some(promoted), "{}", rig.told());
    }
}

#[test]
fn a_minority_fails_nobody_over() {
    let mut rig = trio(1);
    rig.kill_sentinel(1);
    rig.kill_sentinel(2);
    rig.kill_server(0);
    rig.run_ms(60_000);
    assert!(
        (1..3).all(|n| rig.servers[n].master == Some(0)),
        "{}",
        rig.told()
    );
}

#[test]
fn a_peer_whose_id_somebody_else_has_too_stays_where_it_is() {
    let mut rig = trio(4);
    let id = rig.seats[1]
        .machine
        .as_ref()
        .expect("it runs")
        .id()
        .to_owned();
    let master = Place::Server(0).ip();
    let hello = |host: &str| format!("{host},26379,{id},0,m0,{master},6379,0");
    for _ in 0..10 {
        let now = rig.now;
        let machine = rig.seats[0].machine.as_mut().expect("it runs");
        machine.on_hello(hello("10.9.9.9").as_bytes(), now);
        rig.turn(0);
        rig.run_ms(2000);
    }
    let count = |event: &str| {
        let is_it = |(_, n, text): &&(u64, usize, String)| *n == 0 && text.starts_with(event);
        rig.story.iter().filter(is_it).count()
    };
    assert!(count("+sentinel-address-switch") <= 2, "{}", rig.told());
    assert_eq!(count("+sentinel-duplicate-id"), 1, "{}", rig.told());
    assert_eq!(
        rig.seats[0]
            .machine
            .as_ref()
            .expect("it runs")
            .masters()
            .next()
            .expect("one")
            .voters(),
        3
    );
}

#[test]
fn one_that_has_the_id_of_another_says_so_once() {
    let mut rig = Rig::group(6, 1, 1, 2);
    rig.wait("they know each other", 30_000, |rig| {
        rig.is_acquainted(1, 1)
    });
    let told = |rig: &Rig| {
        let is_it = |(_, _, text): &&(u64, usize, String)| text.starts_with("+sentinel-duplicate");
        rig.story.iter().filter(is_it).count()
    };
    assert_eq!(told(&rig), 0, "{}", rig.told());
    rig.kill_sentinel(1);
    rig.seats[1].disk.id = rig.seats[0].disk.id.clone();
    rig.start_sentinel(1);
    rig.run_ms(20_000);
    assert_eq!(told(&rig), 2, "each tells\n{}", rig.told());
}

#[test]
fn sentinels_that_start_long_after_the_master_died_fail_it_over() {
    let mut rig = trio(5);
    for n in 0..3 {
        rig.kill_sentinel(n);
    }
    rig.kill_server(0);
    rig.run_ms(60_000);
    // This one was cut off before, so its copy is old.
    rig.servers[1].since_ms -= 50_000;
    rig.servers[1].offset += 5;
    for n in 0..3 {
        rig.start_sentinel(n);
    }
    let took_ms = rig.wait("a new master", 5000, |rig| rig.servers[2].master.is_none());
    assert!(took_ms < 1000, "{took_ms} ms\n{}", rig.told());
    rig.wait("all agree", 5000, |rig| rig.is_settled(0, 0..3));
}

#[test]
fn a_majority_is_needed_even_where_the_quorum_is_one() {
    let mut rig = trio(2);
    for seat in &mut rig.seats {
        let machine = seat.machine.as_mut().expect("it runs");
        machine.options_mut(b"m0").expect("a master").quorum = 1;
    }
    rig.kill_sentinel(1);
    rig.kill_sentinel(2);
    rig.kill_server(0);
    rig.run_ms(8000);
    assert!(
        (1..3).all(|n| rig.servers[n].master == Some(0)),
        "{}",
        rig.told()
    );
    rig.start_sentinel(1);
    rig.wait("a new master", 60_000, |rig| {
        (1..3).any(|n| rig.servers[n].master.is_none())
    });
}

#[test]
fn one_that_cannot_write_its_vote_down_does_not_vote() {
    let mut rig = trio(3);
    rig.seats[1].saves_fail = true;
    rig.seats[2].saves_fail = true;
    rig.kill_server(0);
    rig.run_ms(30_000);
    assert!(
        (1..3).all(|n| rig.servers[n].master == Some(0)),
        "{}",
        rig.told()
    );
    let told = rig
        .story
        .iter()
        .any(|(_, n, text)| *n == 1 && text.starts_with("+config-not-saved"));
    assert!(told, "{}", rig.told());
    rig.seats[1].saves_fail = false;
    rig.wait("a new master", 60_000, |rig| {
        (1..3).any(|n| rig.servers[n].master.is_none())
    });
}

#[test]
fn one_that_cannot_write_leaves_the_lead_to_others() {
    for seed in 0..10 {
        let mut rig = trio(seed);
        rig.seats[0].saves_fail = true;
        rig.seats[0].machine.as_mut().expect("it runs").saves.want();
        rig.run_ms(2000);
        let since_ms = rig.ms();
        rig.kill_server(0);
        let took_ms = rig.wait("a new master", 5000, |rig| {
            (1..3).any(|n| rig.servers[n].master.is_none())
        });
        assert!(took_ms < 500, "{took_ms} ms\n{}", rig.told());
        let tried = events_of(&rig, 0, since_ms);
        assert!(!tried.contains(&"+try-failover".to_owned()), "{tried:?}");
    }
}

#[test]
fn who_leads_has_said_before_that_it_voted() {
    for seed in 0..20 {
        let mut rig = trio(seed);
        for (n, seat) in rig.seats.iter_mut().enumerate() {
            seat.save_ms = [60, 5, 20][(n + seed as usize) % 3];
        }
        rig.kill_server(0);
        rig.wait("all agree", 5000, |rig| rig.is_settled(0, 0..3));
        for n in 0..3 {
            let events = events_of(&rig, n, 0);
            let place = |event: &str| events.iter().position(|other| other == event);
            if let Some(elected) = place("+elected-leader") {
                assert!(place("+vote-for-leader") < Some(elected), "{events:?}");
            }
        }
    }
}

#[test]
fn the_replica_with_the_best_priority_then_the_largest_offset_takes_over() {
    for (priorities, offsets, expected) in [
        ([100, 100], [2000, 1999], Some(1)),
        ([100, 100], [1999, 2000], Some(2)),
        ([100, 10], [2000, 1000], Some(2)),
        ([0, 100], [2000, 1000], Some(2)),
        ([100, 100], [2000, 2000], Some(1)),
        ([0, 0], [2000, 2000], None),
    ] {
        let mut rig = trio(7);
        for n in 1..3 {
            rig.servers[n].priority = priorities[n - 1];
        }
        rig.run_ms(11_000);
        rig.kill_server(0);
        // The offsets change after the last answer that the Sentinels have.
        rig.run_ms(20);
        for n in 1..3 {
            rig.servers[n].offset = offsets[n - 1];
        }
        rig.run_ms(5000);
        let promoted = (1..3).find(|n| rig.servers[*n].master.is_none());
        assert_eq!(
            promoted,
            expected,
            "{priorities:?} {offsets:?}\n{}",
            rig.told()
        );
    }
}

#[test]
fn nobody_takes_over_who_never_finished_a_sync() {
    let mut rig = trio(8);
    for n in 1..3 {
        rig.servers[n].link_up = false;
        // The second had a copy, and has thrown it away for another one.
        rig.servers[n].was_linked = n == 2;
        rig.isolate(Place::Server(n), [Place::Server(0)]);
        rig.servers[n].offset = n as u64 - 1;
    }
    rig.servers[0].offset = 5000;
    for seat in &mut rig.seats {
        for master in seat.machine.as_mut().expect("it runs").masters.values_mut() {
            master.replicas.iter_mut().for_each(|replica| {
                (replica.view.offset_when_up, replica.view.has_synced) = (None, false);
            });
        }
    }
    rig.run_ms(12_000);
    rig.kill_server(0);
    rig.run_ms(5000);
    assert!(
        (1..3).all(|n| rig.servers[n].master == Some(0)),
        "{}",
        rig.told()
    );
    let told =
        |(_, _, text): &(u64, usize, String)| text.starts_with("-failover-abort-no-good-slave");
    assert!(rig.story.iter().any(told), "{}", rig.told());
}

#[test]
fn a_replica_that_does_not_become_a_master_ends_the_failover_after_its_timeout() {
    let mut rig = trio(9);
    for n in 1..3 {
        rig.servers[n].is_deaf = true;
    }
    rig.kill_server(0);
    let told = |rig: &Rig, event: &str| {
        let is_it = |(_, _, text): &&(u64, usize, String)| text.starts_with(event);
        rig.story.iter().filter(is_it).count()
    };
    let took_ms = rig.wait("it is given up", 10_000, |rig| {
        told(rig, "-failover-abort-slave-timeout") > 0
    });
    assert!((5000..5500).contains(&took_ms), "{took_ms} ms");
    assert_eq!(told(&rig, "+switch-master"), 0, "{}", rig.told());
    for n in 1..3 {
        rig.servers[n].is_deaf = false;
    }
    rig.wait("another try", 30_000, |rig| rig.is_settled(0, 0..3));
}

#[test]
fn a_leader_that_was_stopped_for_too_long_promotes_nobody_any_more() {
    let mut rig = trio(17);
    for n in 1..3 {
        rig.servers[n].is_deaf = true;
    }
    rig.kill_server(0);
    let begins = |text: &str| text.starts_with("+failover-state-wait-promotion");
    rig.wait("a replica is told to take over", 10_000, |rig| {
        rig.story.iter().any(|(_, _, text)| begins(text))
    });
    let leader = rig.story.iter().find(|(_, _, text)| begins(text));
    let leader = leader.expect("there is one").1;
    rig.stop_sentinel(leader);
    rig.start_server(0);
    for n in 1..3 {
        rig.servers[n].is_deaf = false;
    }
    // Longer than the failover may take; then comes the time in which it only observes.
    rig.run_ms(6000);
    rig.continue_sentinel(leader);
    rig.wait("it gives up", 60_000, |rig| {
        let gives_up = |text: &str| text.starts_with("-failover-abort-slave-timeout");
        rig.story
            .iter()
            .any(|(_, n, text)| *n == leader && gives_up(text))
    });
    for _ in 0..20 {
        rig.run_ms(50);
        let led = (1..3).all(|n| rig.servers[n].master == Some(0));
        assert!(led, "{}", rig.told());
    }
}

#[test]
fn a_peer_has_one_link_however_many_masters_it_watches_with_us() {
    let (masters, replicas) = (3, 1);
    let mut rig = Rig::group(16, masters, replicas, 3);
    rig.wait("all know each other", 30_000, |rig| {
        rig.is_acquainted(masters, replicas)
    });
    let links = |rig: &Rig| {
        let machine = rig.seats[0].machine.as_ref().expect("it runs");
        machine.links.ids().len()
    };
    assert_eq!(links(&rig), masters * (1 + replicas) + 2);
    let now = rig.now;
    for left in [2, 1] {
        let machine = rig.seats[0].machine.as_mut().expect("it runs");
        machine
            .remove(name_of(left).as_bytes(), now)
            .expect("it is known");
        rig.turn(0);
        assert_eq!(links(&rig), left * (1 + replicas) + 2);
    }
    // The one that is left still hears of its peers, and is failed over.
    rig.kill_server(0);
    rig.wait("all agree", 5000, |rig| rig.is_settled(0, 0..2));
    let machine = rig.seats[0].machine.as_mut().expect("it runs");
    machine.remove(b"m0", rig.now).expect("it is known");
    rig.turn(0);
    assert_eq!(links(&rig), 0);
}

#[test]
fn one_slow_replica_holds_nobody_up() {
    for seed in 0..20 {
        let mut rig = trio(seed);
        rig.servers[1].process = Process::Stopped;
        rig.kill_server(0);
        let took_ms = rig.wait("a new master", 5000, |rig| rig.servers[2].master.is_none());
        assert!(took_ms < 550, "{took_ms} ms\n{}", rig.told());
    }
}

#[test]
fn a_planned_failover_hands_over_and_answers() {
    let mut rig = trio(10);
    rig.servers[0].offset = 9000;
    let now = rig.now;
    let machine = rig.seats[0].machine.as_mut().expect("it runs");
    machine
        .coordinate_failover(b"m0", 77, now)
        .expect("it begins");
    assert_eq!(
        machine.coordinate_failover(b"m0", 78, now),
        Err(OrderError::InProgress)
    );
    assert_eq!(
        machine.force_failover(b"m9", now),
        Err(OrderError::NoSuchMaster)
    );
    rig.turn(0);
    rig.wait("all agree", 5000, |rig| {
        rig.is_settled(0, 0..3) && rig.named(0, 0) != Some(0)
    });
    assert_eq!(rig.seats[0].answers, [(77, Answer::Ok)]);
    let new = rig.named(0, 0).expect("a master");
    assert!(rig.servers[new].offset >= 9000);
    for server in [0, new] {
        let has_written = rig.servers[server].reconfigured > 0;
        assert!(has_written, "{server} has written down whom it follows");
    }
}

#[test]
fn who_was_handed_over_to_behind_our_backs_stays_the_master() {
    for seed in 0..20 {
        let mut rig = trio(seed);
        // The other replica would be preferred.
        rig.servers[2].priority = 1;
        rig.wait("its priority is known", 60_000, |rig| {
            rig.seats.iter().all(|seat| {
                let machine = seat.machine.as_ref().expect("it runs");
                let master = machine.master(b"m0").expect("it is watched");
                master.replicas.iter().any(|r| r.view.priority == 1)
            })
        });
        rig.give_role(0, 1);
        let until_ms = rig.now.mono_ms() + 30_000;
        while rig.now.mono_ms() < until_ms {
            rig.run_ms(10);
            assert!(rig.servers[1].master.is_none(), "{}", rig.told());
        }
        assert_eq!(rig.named(0, 0), Some(1), "{}", rig.told());
        assert!(rig.is_settled(0, 0..3), "{}", rig.told());
    }
}

#[test]
fn where_the_server_cannot_hand_over_that_is_said() {
    let mut rig = trio(11);
    rig.servers[0].has_failover = false;
    let now = rig.now;
    let machine = rig.seats[0].machine.as_mut().expect("it runs");
    machine
        .coordinate_failover(b"m0", 77, now)
        .expect("it begins");
    rig.turn(0);
    rig.run_ms(2000);
    let [(77, Answer::Error(text))] = &rig.seats[0].answers[..] else {
        panic!("{:?}", rig.seats[0].answers);
    };
    assert!(text.contains("unknown command 'FAILOVER'"), "{text}");
    assert_eq!(rig.named(0, 0), Some(0));
}

#[test]
fn a_forced_failover_asks_nobody() {
    let mut rig = trio(12);
    rig.kill_sentinel(1);
    rig.kill_sentinel(2);
    let now = rig.now;
    rig.seats[0]
        .machine
        .as_mut()
        .expect("it runs")
        .force_failover(b"m0", now)
        .expect("it begins");
    rig.turn(0);
    rig.wait("all follow", 20_000, |rig| {
        rig.is_settled(0, 0..3) && rig.named(0, 0) != Some(0)
    });
}

#[test]
fn replicas_of_replicas_keep_their_place() {
    let mut rig = trio(13);
    rig.servers[2].master = Some(1);
    rig.run_ms(60_000);
    assert_eq!(rig.servers[2].master, Some(1), "{}", rig.told());
    rig.servers[1].priority = 1;
    rig.run_ms(11_000);
    rig.kill_server(0);
    rig.wait("all agree", 20_000, |rig| rig.is_settled(0, 0..3));
    assert_eq!(
        (rig.servers[1].master, rig.servers[2].master),
        (None, Some(1))
    );
}

#[test]
fn a_master_that_returns_behind_another_replica_is_told_at_once() {
    let mut rig = trio(15);
    rig.servers[2].priority = 1;
    rig.run_ms(11_000);
    rig.kill_server(0);
    rig.wait("all agree", 20_000, |rig| rig.named(0, 0) == Some(2));
    rig.run_ms(2_000);
    assert_eq!(rig.servers[1].master, Some(2));
    rig.servers[0].master = Some(1);
    rig.start_server(0);
    let took_ms = rig.wait("it follows", 20_000, |rig| rig.servers[0].master == Some(2));
    assert!(took_ms < 3_000, "{took_ms} ms\n{}", rig.told());
    // From then on it may be put elsewhere.
    rig.run_ms(11_000);
    rig.servers[0].master = Some(1);
    rig.run_ms(60_000);
    assert_eq!(rig.servers[0].master, Some(1), "{}", rig.told());
}

#[test]
fn reset_and_forget_and_remove_leave_nothing_behind() {
    let mut rig = trio(14);
    let now = rig.now;
    let machine = rig.seats[0].machine.as_mut().expect("it runs");
    assert_eq!(machine.reset(b"x*", now), 0);
    assert_eq!(machine.reset(b"m*", now), 1);
    let master = machine.master(b"m0").expect("a master");
    assert!(master.replicas.is_empty() && master.peers.is_empty());
    rig.turn(0);
    rig.run_ms(20);
    let machine = rig.seats[0].machine.as_mut().expect("it runs");
    let master = machine.master(b"m0").expect("a master");
    assert!(master.replicas.is_empty(), "who has asked can see that");
    rig.wait("all know each other", 30_000, |rig| rig.is_acquainted(1, 2));
    let replica = Place::Server(2).ip().to_string();
    let now = rig.now;
    rig.kill_server(2);
    let machine = rig.seats[0].machine.as_mut().expect("it runs");
    assert_eq!(
        machine.forget(b"m0", &replica, 1, now),
        Err(OrderError::NoSuchInstance)
    );
    machine
        .forget(b"m0", &replica, 6379, now)
        .expect("it is known");
    assert_eq!(machine.master(b"m0").expect("a master").replicas.len(), 1);
    machine.remove(b"m0", now).expect("it is known");
    assert_eq!(machine.masters_len(), 0);
    assert!(machine.links.ids().is_empty());
    rig.turn(0);
    rig.run_ms(5000);
}

#[test]
fn a_hundred_of_a_thousand_masters_are_failed_over_within_seconds() {
    let (masters, replicas) = (1000, 1);
    let mut rig = Rig::group(15, masters, replicas, 3);
    rig.wait("all know each other", 60_000, |rig| {
        rig.is_acquainted(masters, replicas)
    });
    for n in 0..100 {
        rig.kill_server(n * 10 * (replicas + 1));
    }
    let took_ms = rig.wait("all are failed over", 5200, |rig| {
        (0..100).all(|n| {
            let first = n * 10 * (replicas + 1);
            rig.servers[first + 1].master.is_none()
        })
    });
    assert!(took_ms < 5200, "{took_ms} ms");
    rig.wait("all agree", 10_000, |rig| {
        (0..masters).all(|n| {
            let first = n * (replicas + 1);
            rig.is_settled(n, first..first + replicas + 1)
        })
    });
}

#[test]
fn names_are_written_down_only_while_they_are_looked_up() {
    let mut sentinel = watching_one(Now::at_unix_ms(1_700_000_000_000));
    sentinel.only_master_mut().base.address = Address {
        host: "a.example".to_owned(),
        ip: "10.0.0.1".parse().ok(),
        port: 6379,
    };
    for (resolve, host) in [(true, "a.example"), (false, "10.0.0.1")] {
        sentinel.common_mut().resolve_hostnames = resolve;
        let (_, config) = sentinel.saved_form();
        assert_eq!(config.masters[0].host, host);
    }
}

// ---- Seeds ----

/// What a run of trouble does next.
fn disturb(rig: &mut Rig) {
    let below = |rig: &mut Rig, n: usize| (rig.rng.next_u64() % n as u64) as usize;
    let (servers, sentinels) = (rig.servers.len(), rig.seats.len());
    let server = below(rig, servers);
    let sentinel = below(rig, sentinels);
    match below(rig, 14) {
        0 | 1 => {
            if rig.servers[server].process != Process::Dead {
                rig.kill_server(server);
            }
        }
        2 => {
            if rig.servers[server].process == Process::Running {
                rig.servers[server].process = Process::Stopped;
            }
        }
        3 | 4 => match rig.servers[server].process {
            Process::Dead => rig.start_server(server),
            Process::Stopped => rig.servers[server].process = Process::Running,
            Process::Running => {}
        },
        5 => {
            if rig.seats[sentinel].process != Process::Dead {
                rig.kill_sentinel(sentinel);
            }
        }
        6 | 7 => match rig.seats[sentinel].process {
            Process::Dead => rig.start_sentinel(sentinel),
            Process::Stopped => rig.continue_sentinel(sentinel),
            Process::Running => {}
        },
        8 => {
            if rig.seats[sentinel].process == Process::Running {
                rig.stop_sentinel(sentinel);
            }
        }
        9 => {
            let places = rig.places();
            let (from, to) = (below(rig, places.len()), below(rig, places.len()));
            rig.cuts.insert((places[from], places[to]));
        }
        10 => {
            let places = rig.places();
            let side: Vec<Place> = places
                .iter()
                .copied()
                .filter(|_| below(rig, 2) == 0)
                .collect();
            for place in &side {
                let others: Vec<Place> = places
                    .iter()
                    .copied()
                    .filter(|other| !side.contains(other))
                    .collect();
                rig.isolate(*place, others);
            }
        }
        11 => rig.cuts.clear(),
        12 => rig.seats[sentinel].saves_fail = below(rig, 2) == 0,
        _ => rig.seats[sentinel].save_ms = below(rig, 300) as u64,
    }
}

/// Trouble, then peace: one master at the end, which everybody follows.
fn random_run(seed: u64) {
    let sentinels = 3 + (seed % 3) as usize;
    let replicas = 1 + (seed / 3 % 3) as usize;
    let mut rig = Rig::group(seed, 1, replicas, sentinels);
    rig.wait("all know each other", 30_000, |rig| {
        rig.is_acquainted(1, replicas)
    });
    for _ in 0..20 {
        disturb(&mut rig);
        let ms = rig.rng.next_u64() % 3000;
        rig.run_ms(ms);
        for server in &mut rig.servers {
            server.offset += u64::from(server.master.is_none()) * 10;
        }
    }
    rig.cuts.clear();
    for n in 0..rig.servers.len() {
        match rig.servers[n].process {
            Process::Dead => rig.start_server(n),
            _ => rig.servers[n].process = Process::Running,
        }
    }
    for n in 0..rig.seats.len() {
        rig.seats[n].saves_fail = false;
        match rig.seats[n].process {
            Process::Dead => rig.start_sentinel(n),
            _ => rig.continue_sentinel(n),
        }
    }
    let servers = 0..rig.servers.len();
    rig.wait("all agree", 120_000, |rig| {
        rig.is_settled(0, servers.clone())
    });
    // And it stays so.
    rig.run_ms(20_000);
    assert!(rig.is_settled(0, servers), "{}", rig.told());
}

#[test]
fn after_any_trouble_all_agree_on_one_master() {
    let named = std::env::var("SENTINEL_SEEDS").unwrap_or_else(|_| "0..300".to_owned());
    let bounds = named
        .split_once("..")
        .expect("two numbers with two dots between");
    let (from, to): (u64, u64) = match (bounds.0.parse(), bounds.1.parse()) {
        (Ok(from), Ok(to)) => (from, to),
        _ => panic!("two numbers with two dots between"),
    };
    let next = AtomicU64::new(from);
    let failed = AtomicU64::new(u64::MAX);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= to || failed.load(Ordering::Relaxed) != u64::MAX {
                return;
            }
            if std::panic::catch_unwind(|| random_run(seed)).is_err() {
                failed.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let seed = failed.into_inner();
    assert!(
        seed == u64::MAX,
        "the run of seed {seed} failed; SENTINEL_SEEDS={seed}.. replays it"
    );
}

#[test]
fn slow_disks_do_not_make_elections_collide() {
    for seed in 0..20 {
        let mut rig = trio(seed);
        for seat in &mut rig.seats {
            seat.save_ms = 300;
        }
        rig.kill_server(0);
        rig.wait("a new master", 1500, |rig| {
            (1..3).any(|n| rig.servers[n].master.is_none())
        });
        let lost = |(_, _, text): &&(u64, usize, String)| text.starts_with("-failover-abort");
        assert_eq!(rig.story.iter().filter(lost).count(), 0, "{}", rig.told());
    }
}
