//! A master is cut off, goes on writing, and comes back as a replica: its ledger has exactly the
//! acknowledged writes that the new master lacks.
//!
//! Each run differs by its seed: what was under way when the link fell silent, whether the old
//! master notices, how much it writes (more than memory may hold of it, too), how its snapshot
//! comes, and whether the new master is the second one since.

use std::collections::BTreeSet;

use super::cluster::Cluster;
use super::ledger::Ledger;

/// Keys with their databases.
type Keys = BTreeSet<(usize, Vec<u8>)>;

/// What was acknowledged in the history that server 0 has, and is not there at the server `host`.
fn lost_at(cluster: &Cluster, id: crate::replication::ReplId, host: usize) -> Keys {
    let env = cluster.nodes[host].env().expect("it runs");
    let acknowledged = cluster.oracle.acknowledged_in(id);
    acknowledged
        .filter(|(db, key)| env.keyspace.db(*db).get(key).is_none())
        .map(|(db, key)| (db, key.to_vec()))
        .collect()
}

/// Server 0 is cut off from the others, and writes; the others follow 1 meanwhile, or 2 after
/// that. Gives the history of server 0, and the new master.
fn split(cluster: &mut Cluster, seed: u64) -> (crate::replication::ReplId, usize) {
    let many = if seed % 3 == 1 { 60 } else { 4 };
    cluster.begin_to_write(0, 5);
    let ms = cluster.rng.below(4);
    cluster.run_ms(ms);
    for host in [1, 2] {
        cluster.net.borrow_mut().silence(0, host);
    }
    cluster.write(0, many);
    if !seed.is_multiple_of(4) {
        // Long enough to be noticed.
        cluster.run_ms(8000);
        cluster.write(0, many);
    }
    let env = cluster.nodes[0].env().expect("it runs");
    let id = env.replication.identity().id();
    cluster.follow(1, None);
    cluster.run_ms(300);
    cluster.follow(2, Some(1));
    cluster.write(1, 3);
    cluster.run_ms(2000);
    if seed % 5 < 2 {
        cluster.follow(2, None);
        cluster.run_ms(300);
        cluster.follow(1, Some(2));
        cluster.write(2, 3);
        return (id, 2);
    }
    (id, 1)
}

fn run(seed: u64) {
    let mut cluster = Cluster::tree(seed, &[None, Some(0), Some(0)]);
    let load = ["disabled", "swapdb", "on-empty-db"][(seed % 3) as usize];
    cluster.tell(
        0,
        &format!(
            "CONFIG SET repl-backlog-size 16384 lost-writes-max-size 1mb repl-diskless-load {load}"
        ),
    );
    cluster.run_ms(500);
    let (id, master) = split(&mut cluster, seed);
    cluster.net.borrow_mut().heal();
    cluster.follow(0, Some(master));
    cluster.converge(60_000);
    let lost = lost_at(&cluster, id, master);
    let ledgers = Ledger::all_of(&cluster.nodes[0].disk);
    assert_eq!(ledgers.len(), 1, "seed {seed}");
    let ledger = &ledgers[0];
    assert!(ledger.head.is_exact, "seed {seed}: {:?}", ledger.head);
    assert!(ledger.head.is_complete, "seed {seed}: {:?}", ledger.head);
    assert_eq!(ledger.tail.up_to, ledger.head.end, "seed {seed}");
    assert_eq!(ledger.head.id, id.to_string());
    assert!(lost.len() >= 4);
    assert!(lost.is_subset(&ledger.keys), "seed {seed}");
    // What was run and not acknowledged, since a command beside it failed, is lost as well.
    let env = cluster.nodes[master].env().expect("it runs");
    for (db, key) in &ledger.keys {
        let found = env.keyspace.db(*db).get(key);
        assert!(found.is_none(), "seed {seed}: {}", key.escape_ascii());
    }
    let env = cluster.nodes[0].env().expect("it runs");
    assert_eq!(env.persistence.lost.ledgers, 1);
    assert_eq!(env.persistence.lost.commands, ledger.tail.commands);
}

#[test]
fn a_ledger_has_the_acknowledged_writes_that_the_new_master_lacks_and_no_others() {
    super::random_runs_of(0..100, run);
}

#[test]
fn a_master_that_is_told_to_follow_one_that_has_all_keeps_no_ledger() {
    for seed in 0..10 {
        let mut cluster = Cluster::tree(seed, &[None, Some(0)]);
        cluster.write(0, 5);
        cluster.converge(10_000);
        cluster.follow(1, None);
        cluster.run_ms(300);
        cluster.write(1, 2);
        cluster.follow(0, Some(1));
        cluster.converge(30_000);
        assert_eq!(Ledger::all_of(&cluster.nodes[0].disk).len(), 0);
    }
}

/// Its disk takes nothing for a while, in which the old data stay; the snapshot comes beside them.
#[test]
fn what_cannot_be_kept_for_want_of_room_is_kept_when_there_is_some() {
    let mut cluster = Cluster::tree(7, &[None, Some(0), Some(0)]);
    cluster.tell(
        0,
        "CONFIG SET repl-diskless-load swapdb lost-writes-max-size 1mb",
    );
    cluster.run_ms(500);
    let (id, master) = split(&mut cluster, 3);
    cluster.net.borrow_mut().heal();
    cluster.nodes[0].disk.set_full(true);
    cluster.follow(0, Some(master));
    cluster.run_ms(4000);
    let lost = lost_at(&cluster, id, master);
    assert_eq!(lost_at(&cluster, id, 0).len(), 0, "the old data are there");
    cluster.nodes[0].disk.set_full(false);
    cluster.converge(20_000);
    let ledgers = Ledger::all_of(&cluster.nodes[0].disk);
    assert_eq!(ledgers.len(), 1);
    assert!(lost.is_subset(&ledgers[0].keys));
}

#[test]
fn a_disk_that_stays_full_does_not_keep_a_former_master_out_for_ever() {
    let mut cluster = Cluster::tree(7, &[None, Some(0), Some(0)]);
    cluster.tell(
        0,
        "CONFIG SET repl-diskless-load swapdb lost-writes-max-size 1mb",
    );
    cluster.run_ms(500);
    let (_, master) = split(&mut cluster, 3);
    cluster.net.borrow_mut().heal();
    cluster.nodes[0].disk.set_full(true);
    cluster.follow(0, Some(master));
    cluster.converge(30_000);
    assert_eq!(Ledger::all_of(&cluster.nodes[0].disk).len(), 0);
}

/// What is wrong with the disk of a master that is cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trouble {
    /// Nothing can be written while it is cut off.
    Full,
    /// So much can.
    NearlyFull,
    /// Some calls fail while it is.
    Failing,
    /// What it has copied cannot be read when it is needed.
    Unreadable,
}

/// It writes more than memory may hold of it meanwhile. Whether the disk has refused something, and
/// whether the ledger says that it is complete.
fn run_on_a_bad_disk(seed: u64, trouble: Trouble) -> (bool, bool) {
    let mut cluster = Cluster::tree(seed, &[None, Some(0), Some(0)]);
    cluster.tell(
        0,
        "CONFIG SET repl-backlog-size 16384 lost-writes-max-size 1mb",
    );
    cluster.run_ms(500);
    let (disk, chance) = (cluster.nodes[0].disk.clone(), cluster.rng.fork());
    match trouble {
        Trouble::Full => disk.set_full(true),
        Trouble::NearlyFull => disk.set_room(Some(10_000)),
        Trouble::Failing => disk.set_failing(300, chance),
        Trouble::Unreadable => {}
    }
    // It writes much, in two parts.
    let (id, master) = split(&mut cluster, 12 * seed + 1);
    disk.mend();
    let env = cluster.nodes[0].env().expect("it runs");
    let is_copied = env.replication.spooled().is_some();
    cluster.net.borrow_mut().heal();
    disk.set_unreadable(trouble == Trouble::Unreadable);
    cluster.follow(0, Some(master));
    while trouble == Trouble::Unreadable && is_copied && disk.refusals() == 0 {
        cluster.run_ms(1);
        assert!(cluster.now_ms() < 100_000, "it never reads");
    }
    disk.mend();
    cluster.converge(60_000);
    let lost = lost_at(&cluster, id, master);
    let ledgers = Ledger::all_of(&cluster.nodes[0].disk);
    assert_eq!(ledgers.len(), 1);
    let ledger = &ledgers[0];
    assert_eq!(ledger.tail.up_to, ledger.head.end);
    let env = cluster.nodes[master].env().expect("it runs");
    for (db, key) in &ledger.keys {
        assert!(env.keyspace.db(*db).get(key).is_none());
    }
    assert_eq!(ledger.head.is_complete, lost.is_subset(&ledger.keys));
    assert!(lost.intersection(&ledger.keys).count() > 0);
    let is_refused = disk.refusals() > 0;
    assert!(is_refused || ledger.head.is_complete);
    (is_refused, ledger.head.is_complete)
}

#[test]
fn a_disk_that_fails_while_a_master_is_cut_off_costs_the_oldest_part_and_the_ledger_says_so() {
    for trouble in [
        Trouble::Full,
        Trouble::NearlyFull,
        Trouble::Failing,
        Trouble::Unreadable,
    ] {
        let runs: Vec<_> = (0..10)
            .map(|seed| run_on_a_bad_disk(seed, trouble))
            .collect();
        println!("{trouble:?}: {runs:?}");
        let is_spoilt = |(is_refused, is_complete): &(bool, bool)| *is_refused && !is_complete;
        assert!(runs.iter().any(is_spoilt), "{trouble:?}");
    }
}
