//! Runs that somebody has written down: one thing happens to a tree, and what must follow is known.

use super::cluster::Cluster;
use super::disk::SimDisk;
use super::oracle::lasting_fingerprint;

#[test]
fn a_cut_link_costs_no_snapshot() {
    let mut cluster = Cluster::tree(1, &[None, Some(0), Some(1)]);
    let before = cluster.full_syncs();
    for _ in 0..10 {
        cluster.net.borrow_mut().cut(0, 1);
        cluster.net.borrow_mut().cut(1, 2);
        for _ in 0..5 {
            cluster.write(0, 2);
        }
        cluster.converge(20_000);
    }
    assert_eq!(cluster.full_syncs(), before);
}

#[test]
fn a_silent_link_is_noticed_by_both_ends_and_mended() {
    let mut cluster = Cluster::tree(2, &[None, Some(0)]);
    let before = cluster.full_syncs();
    cluster.net.borrow_mut().silence(0, 1);
    cluster.run_ms(15_000);
    let is_linked = |cluster: &Cluster| {
        let env = cluster.nodes[1].env().expect("it runs");
        env.replication.is_link_up()
    };
    assert!(!is_linked(&cluster));
    let env = cluster.nodes[0].env().expect("it runs");
    assert_eq!(env.replication.source().count(), 0);
    cluster.write(0, 2);
    cluster.net.borrow_mut().heal();
    cluster.converge(20_000);
    assert_eq!(cluster.full_syncs(), before);
}

#[test]
fn replicas_of_a_promoted_replica_continue() {
    let mut cluster = Cluster::tree(3, &[None, Some(0), Some(0), Some(1)]);
    // A ping of the old master would put its replicas ahead of the new one.
    cluster.without_pings();
    let before = cluster.full_syncs();
    cluster.follow(1, None);
    cluster.run_ms(300);
    cluster.follow(2, Some(1));
    cluster.run_ms(500);
    cluster.follow(0, Some(1));
    cluster.run_ms(500);
    cluster.write(1, 3);
    cluster.converge(20_000);
    assert_eq!(
        cluster.full_syncs(),
        before,
        "the old master and its replicas continue too"
    );
}

#[test]
fn a_middle_server_that_is_promoted_keeps_its_branch() {
    let mut cluster = Cluster::tree(4, &[None, Some(0), Some(1)]);
    let served = |cluster: &Cluster| {
        let env = cluster.nodes[1].env().expect("it runs");
        env.replication.source().stats().full
    };
    cluster.follow(1, None);
    cluster.run_ms(300);
    let before = served(&cluster);
    cluster.write(1, 3);
    cluster.run_ms(5000);
    let [_, middle, leaf] = cluster.standings()[..] else {
        panic!("three servers")
    };
    assert_eq!(middle, leaf);
    assert_eq!(served(&cluster), before);
}

#[test]
fn a_restarted_replica_continues_from_its_snapshot() {
    let mut cluster = Cluster::tree(5, &[None, Some(0)]);
    let before = cluster.full_syncs();
    cluster.tell(1, "SAVE");
    cluster.run_ms(500);
    cluster.kill(1);
    cluster.write(0, 3);
    cluster.run_ms(3000);
    cluster.start(1, Some(0));
    cluster.converge(20_000);
    assert_eq!(cluster.full_syncs(), before);
}

#[test]
fn a_restarted_replica_asks_its_master_for_nothing_before_it_has_loaded_what_it_has() {
    let mut cluster = Cluster::tree(5, &[None, Some(0)]);
    cluster.write(0, 20);
    cluster.converge(20_000);
    let before = cluster.full_syncs();
    cluster.tell(1, "SAVE");
    cluster.run_ms(500);
    cluster.kill(1);
    cluster.nodes[1].settings.key_load_delay = 500_000;
    cluster.start(1, Some(0));
    cluster.run_ms(3000);
    assert!(cluster.nodes[1].is_loading());
    cluster.write(0, 3);
    cluster.converge(60_000);
    assert_eq!(cluster.full_syncs(), before);
}

#[test]
fn replicas_continue_with_a_master_that_restarted_from_its_last_snapshot() {
    let mut cluster = Cluster::tree(6, &[None, Some(0), Some(0)]);
    // A ping behind the snapshot would put the replicas ahead of it.
    cluster.without_pings();
    cluster.tell(0, "SAVE");
    cluster.run_ms(500);
    cluster.kill(0);
    cluster.run_ms(3000);
    cluster.start(0, None);
    cluster.write(0, 1);
    cluster.converge(20_000);
    assert_eq!(cluster.full_syncs(), 0);
}

#[test]
fn a_master_that_lost_writes_gives_its_replicas_a_snapshot() {
    let mut cluster = Cluster::tree(7, &[None, Some(0)]);
    cluster.tell(0, "SAVE");
    cluster.run_ms(500);
    cluster.write(0, 5);
    cluster.converge(10_000);
    cluster.kill(0);
    cluster.run_ms(1000);
    cluster.start(0, None);
    cluster.converge(60_000);
    assert_eq!(cluster.full_syncs(), 1);
}

#[test]
fn what_no_longer_fits_the_backlog_costs_a_snapshot() {
    let mut cluster = Cluster::tree(8, &[None, Some(0)]);
    cluster.tell(0, "CONFIG SET repl-backlog-size 16384");
    cluster.tell(1, "SAVE");
    cluster.run_ms(500);
    let before = cluster.full_syncs();
    cluster.kill(1);
    cluster.write(0, 100);
    cluster.start(1, Some(0));
    cluster.converge(60_000);
    assert_eq!(cluster.full_syncs(), before + 1);
}

#[test]
fn a_server_that_hands_on_a_snapshot_still_knows_the_selected_database() {
    let mut cluster = Cluster::tree(9, &[None, Some(0), Some(1)]);
    for _ in 0..20 {
        cluster.write(0, 1);
        cluster.converge(10_000);
        cluster.kill(2);
        cluster.start(2, Some(1));
        cluster.run_ms(8000);
        cluster.tell(1, "SAVE");
        cluster.run_ms(200);
        cluster.kill(1);
        cluster.write(0, 1);
        cluster.start(1, Some(0));
        cluster.converge(60_000);
    }
}

#[test]
fn a_write_of_a_client_that_has_gone_is_not_done() {
    let mut cluster = Cluster::plain(11, &[None]);
    cluster.write(0, 1);
    cluster.abandon_a_write(0);
    assert_eq!(cluster.oracle.abandoned(), 1);
    let env = cluster.nodes[0].env().expect("it runs");
    cluster.oracle.check_abandoned(env);
}

/// A tree whose master loses all that it has, and is started again.
fn emptied_tree(seed: u64) -> (Cluster, u64) {
    let mut cluster = Cluster::tree(seed, &[None, Some(0), Some(0), Some(1)]);
    let env = cluster.nodes[1].env().expect("it runs");
    let data = lasting_fingerprint(&env.keyspace);
    cluster.kill(0);
    cluster.nodes[0].disk = SimDisk::default();
    cluster.run_ms(1000);
    cluster.start(0, None);
    (cluster, data)
}

fn refuse(cluster: &Cluster) -> Vec<usize> {
    let refuses = |host: &usize| {
        let env = cluster.nodes[*host].env().expect("it runs");
        env.replication.refuses_lineage()
    };
    (0..cluster.nodes.len()).filter(refuses).collect()
}

#[test]
fn replicas_of_a_master_that_has_lost_its_data_keep_theirs_and_serve_them() {
    for seed in 40..52 {
        let (mut cluster, data) = emptied_tree(seed);
        cluster.run_ms(60_000);
        assert_eq!(refuse(&cluster), [1, 2]);
        for host in 1..4 {
            let env = cluster.nodes[host].env().expect("it runs");
            assert_eq!(lasting_fingerprint(&env.keyspace), data, "server {host}");
            let mut client = cluster.connect(host);
            client.say("DBSIZE");
            client.say("INCR mine");
            while client.waits_for() > 0 {
                cluster.run_ms(10);
                client.step().expect("it is served");
            }
        }
        assert_eq!(cluster.oracle.lineage.refusals(), 2);
        // One of them takes over, and the others join it; so does the one that has nothing.
        cluster.follow(1, None);
        cluster.run_ms(300);
        cluster.follow(2, Some(1));
        cluster.follow(0, Some(1));
        cluster.write(1, 1);
        cluster.converge(60_000);
        let env = cluster.nodes[0].env().expect("it runs");
        let (kept, lost) = cluster.oracle.check_acknowledged(env);
        assert!(kept > 10 && lost == 0, "{kept} are there, {lost} are not");
    }
}

#[test]
fn an_operator_may_have_replicas_take_the_emptiness_of_their_master() {
    let (mut cluster, _) = emptied_tree(53);
    cluster.run_ms(5000);
    for host in [1, 2] {
        cluster.follow(host, Some(0));
    }
    cluster.run_ms(15_000);
    assert_eq!(refuse(&cluster), [3], "each server decides for itself");
    cluster.follow(3, Some(1));
    cluster.converge(20_000);
    assert!(refuse(&cluster).is_empty());
}

/// A write that reaches the replica while it loads, and then silence: no further packet will wake
/// the replica up, so it must run what it has got when the load ends.
#[test]
fn what_arrives_behind_a_snapshot_is_run_when_the_load_ends() {
    for diskless in ["yes", "no"] {
        let mut cluster = Cluster::plain(10, &[None, None]);
        cluster.write(0, 20);
        cluster.tell(0, &format!("CONFIG SET repl-diskless-sync {diskless}"));
        cluster.without_pings();
        cluster.tell(
            1,
            "CONFIG SET key-load-delay 400000 repl-diskless-load disabled",
        );
        cluster.run_ms(500);
        cluster.follow(1, Some(0));
        while !cluster.nodes[1].is_loading() {
            cluster.run_ms(5);
            assert!(cluster.now_ms() < 100_000, "it never loads");
        }
        cluster.write(0, 1);
        assert!(
            cluster.nodes[1].is_loading(),
            "the write came too late to show anything"
        );
        cluster.converge(30_000);
    }
}

/// Hands over from the first server, which gets writes meanwhile, and has all come together under
/// the one that took over. Gives that one.
fn hand_over(cluster: &mut Cluster, line: &str) -> usize {
    let before = cluster.oracle.handed_over();
    cluster.tell(0, line);
    for _ in 0..20 {
        cluster.say_something();
        cluster.run_ms(1);
    }
    let deadline_ms = cluster.now_ms() + 20_000;
    while cluster.oracle.handed_over() == before {
        assert!(cluster.now_ms() < deadline_ms, "nobody takes over");
        cluster.run_ms(10);
    }
    let is_master = |host: &usize| {
        let env = cluster.nodes[*host].env().expect("it runs");
        !env.replication.is_replica()
    };
    let masters: Vec<usize> = (0..cluster.nodes.len()).filter(is_master).collect();
    assert_eq!(masters.len(), 1, "{masters:?}");
    masters[0]
}

#[test]
fn a_failover_under_writes_loses_nothing_and_costs_nobody_a_snapshot() {
    for (seed, line) in [
        (20, "FAILOVER"),
        (21, "FAILOVER TIMEOUT 5000"),
        (22, "FAILOVER TO 10.0.0.3 6379"),
        (23, "FAILOVER TO 10.0.0.3 6379 FORCE TIMEOUT 5000"),
    ] {
        let mut cluster = Cluster::tree(seed, &[None, Some(0), Some(0), Some(2)]);
        cluster.net.borrow_mut().latency_us_max = 0;
        let before = cluster.full_syncs();
        let target = hand_over(&mut cluster, line);
        cluster.write(target, 3);
        cluster.converge(20_000);
        assert_eq!(cluster.full_syncs(), before, "{line}");
        assert!(!line.contains("10.0.0.3") || target == 2);
    }
}

#[test]
fn a_failover_does_not_wait_until_replicas_say_by_themselves_how_far_they_are() {
    let mut cluster = Cluster::tree(24, &[None, Some(0)]);
    for _ in 0..10 {
        let master = [0, 1].into_iter().find(|host| {
            let env = cluster.nodes[*host].env().expect("it runs");
            !env.replication.is_replica()
        });
        let master = master.expect("one of them");
        cluster.write(master, 1);
        let began_ms = cluster.now_ms();
        cluster.tell(master, "FAILOVER");
        let before = cluster.oracle.handed_over();
        while cluster.oracle.handed_over() == before {
            assert!(cluster.now_ms() < began_ms + 20_000, "nobody takes over");
            cluster.run_ms(1);
        }
        // Two round trips to ask, and some for the handshake, each of 40 milliseconds at most.
        let took_ms = cluster.now_ms() - began_ms;
        assert!(took_ms < 300, "{took_ms} ms");
        cluster.converge(20_000);
    }
}

#[test]
fn an_target_whose_answer_is_cut_off_is_followed_all_the_same() {
    let mut followed = 0;
    for cut_after_ms in 1..60 {
        let mut cluster = Cluster::tree(25, &[None, Some(0)]);
        cluster.write(0, 3);
        cluster.tell(0, "FAILOVER");
        cluster.run_ms(cut_after_ms);
        let env = cluster.nodes[0].env().expect("it runs");
        if !env.replication.is_replica() {
            // A replica that is lost before it has all is not let in again.
            continue;
        }
        cluster.net.borrow_mut().cut(0, 1);
        let deadline_ms = cluster.now_ms() + 20_000;
        while cluster.oracle.handed_over() == 0 {
            assert!(cluster.now_ms() < deadline_ms, "after {cut_after_ms} ms");
            cluster.run_ms(10);
        }
        cluster.write(1, 3);
        cluster.converge(20_000);
        followed += 1;
    }
    assert!(followed > 20, "{followed} cuts came in time");
}

/// A replica with an append-only file of its own, and a master that has something else for it. The
/// replica is killed at some time of the full sync, and starts again as a master.
fn killed_in_a_sync(load: &str, after_ms: u64) -> (&'static str, bool) {
    let mut cluster = Cluster::plain(30, &[None, None]);
    cluster.start_with_file(1, None);
    cluster.tell(1, &format!("CONFIG SET repl-diskless-load {load}"));
    cluster.run_ms(100);
    cluster.write(0, 30);
    cluster.write(1, 10);
    cluster.run_ms(500);
    let data = |cluster: &Cluster, host: usize| {
        let env = cluster.nodes[host].env().expect("it runs");
        lasting_fingerprint(&env.keyspace)
    };
    let mine = data(&cluster, 1);
    cluster.follow(1, Some(0));
    cluster.run_ms(after_ms);
    let is_over = data(&cluster, 0) == data(&cluster, 1);
    cluster.kill(1);
    cluster.start(1, None);
    cluster.run_ms(100);
    let found = match data(&cluster, 1) {
        now if now == mine => "mine",
        now if now == data(&cluster, 0) => "theirs",
        _ => panic!("killed after {after_ms} ms it has neither the old data nor the new"),
    };
    cluster.follow(1, Some(0));
    cluster.converge(20_000);
    (found, is_over)
}

#[test]
fn a_replica_that_is_killed_in_a_full_sync_has_the_old_data_or_the_new() {
    for load in ["disabled", "swapdb"] {
        let times_ms = (0..2000).step_by(20);
        let found: Vec<(&str, bool)> = times_ms.map(|ms| killed_in_a_sync(load, ms)).collect();
        // The sync has come in, and the first rewrite behind it goes on.
        let count = |what: (&str, bool)| found.iter().filter(|found| **found == what).count();
        assert!(count(("mine", false)) > 2, "{found:?}");
        assert!(count(("mine", true)) > 2, "{found:?}");
        assert!(count(("theirs", true)) > 2, "{found:?}");
        assert_eq!(count(("theirs", false)), 0, "{found:?}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_with_power_where_every_write_is_synced() {
    let mut cluster = Cluster::plain(32, &[None, Some(0), Some(0)]);
    for (host, master) in [(0, None), (1, Some(0)), (2, Some(0))] {
        cluster.start_with_file(host, master);
    }
    cluster.write(0, 1);
    cluster.converge(20_000);
    let net = std::rc::Rc::clone(&cluster.net);
    for round in 0..20 {
        // A rewrite may be under way or not, and whoever is the master hands over at times.
        let master = cluster.only_master();
        cluster.tell(master, "BGREWRITEAOF");
        cluster.write(master, 5);
        if round % 3 == 0 {
            cluster.tell(master, "FAILOVER TIMEOUT 5000");
            cluster.run_ms(2000);
        }
        let master = cluster.only_master();
        for _ in 0..10 {
            cluster.begin_to_write(master, 1);
            cluster.run_ms(7);
        }
        cluster.nodes[master].lose_power(&net);
        cluster.start(master, None);
        cluster.run_ms(1000);
        cluster.write(master, 1);
        cluster.converge(20_000);
        let env = cluster.nodes[master].env().expect("it runs");
        let (kept, lost) = cluster.oracle.check_acknowledged(env);
        assert!(
            kept > round && lost == 0,
            "{kept} are there, {lost} are not"
        );
    }
    assert_eq!(cluster.oracle.restored(), 20);
}
