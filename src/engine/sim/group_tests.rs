//! Groups of servers and Sentinels under seeded trouble.
//!
//! First anything goes (`group_trouble.rs`), while clients ask Sentinels for the master and write
//! there; what must hold all the while, and what may be lost, is in `group_oracle.rs`. Then all
//! heals, and in a bounded time there must be one master that everybody follows, with equal data,
//! and that all Sentinels name; and it must stay so.
//!
//! `SIM_SEEDS=from..to` runs other seeds; `make simulate SEEDS=from..to` does it in a release
//! build. With `SIM_STORY=1` each run tells what has happened.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

use super::group::Group;
use super::group_tally::Tally;
use super::net::HostId;
use super::random_runs_of;
use crate::sentinel::planted::Bug;

/// Seeds that are run where nobody says otherwise.
const SEEDS: std::ops::Range<u64> = 0..400;
/// How often something happens.
const STEPS: usize = 20;
/// All is well again after this time at most.
const SETTLED_MS_MAX: u64 = 120_000;
/// And for so long at least.
const STAYS_MS: u64 = 8000;
/// A planted fault is found in so many seeds.
const FOUND_SEEDS_MAX: u64 = 2000;

/// What happens in a run.
fn play(group: &mut Group) {
    for _ in 0..STEPS {
        if group.rng.below(4) > 0 {
            group.disturb();
        }
        let ms = group.rng.below(2500);
        group.run_ms(ms);
    }
    group.heal();
    group.run_ms(3000);
    group.clients_write = false;
    let master = settled_master(group);
    group.tell(format!("all agree on {master}"));
    let until_ms = group.now_ms() + STAYS_MS;
    while group.now_ms() < until_ms {
        group.run_ms(500);
        assert!(group.has_master(master), "it does not stay so");
    }
    assert_eq!(settled_master(group), master, "it does not stay so");
    let Group { oracle, nodes, .. } = group;
    oracle.check_writes(&nodes[master]);
    for node in &nodes[group.servers..] {
        oracle.check_file(node);
    }
}

/// Waits until all agree on a master.
fn settled_master(group: &mut Group) -> HostId {
    let deadline_ms = group.now_ms() + SETTLED_MS_MAX;
    loop {
        if let Some(master) = group.settled_master() {
            return master;
        }
        assert!(group.now_ms() < deadline_ms, "they do not agree");
        group.run_ms(100);
    }
}

/// One random run. What was counted, and all that was seen as one number.
fn run_with(seed: u64, bug: Option<Bug>) -> (Tally, u64) {
    let mut group = Group::new(seed, bug);
    let ended = catch_unwind(AssertUnwindSafe(|| play(&mut group)));
    if std::env::var_os("SIM_STORY").is_some() {
        eprint!("{}", group.told());
    }
    match ended {
        Ok(()) => (group.oracle.tally, group.oracle.trace()),
        Err(panic) => resume_unwind(panic),
    }
}

#[test]
fn groups_agree_on_one_master_after_any_trouble_and_lose_nothing_they_may_not() {
    let sum = Mutex::new(Tally::default());
    random_runs_of(SEEDS, |seed| {
        let (tally, _) = run_with(seed, None);
        sum.lock().expect("nobody panics with it").add(&tally);
    });
    println!("{:?}", sum.into_inner().expect("nobody panics with it"));
}

#[test]
fn a_seed_repeats_its_run_of_a_group_to_the_last_event() {
    for seed in [1, 2, 3] {
        assert_eq!(
            run_with(seed, None).1,
            run_with(seed, None).1,
            "seed {seed}"
        );
    }
}

/// After how many seeds a planted fault is found, and what is said of it.
fn found_after(bug: Bug) -> (u64, String) {
    for seed in 0..FOUND_SEEDS_MAX {
        if let Err(panic) = catch_unwind(|| run_with(seed, Some(bug))) {
            let words = panic.downcast_ref::<String>().cloned();
            return (seed + 1, words.unwrap_or_default());
        }
    }
    panic!("{bug:?} is not found in {FOUND_SEEDS_MAX} seeds");
}

#[test]
fn faults_that_are_planted_are_found() {
    for (bug, words) in [
        (Bug::ForgetsEpochs, "the file of Sentinel"),
        (Bug::TrustsOldOffsets, "which lacks"),
        (Bug::SkipsMajority, "votes of"),
    ] {
        let (seeds, said) = found_after(bug);
        println!("{bug:?} is found after {seeds} seeds: {said}");
        assert!(said.contains(words), "{said}");
    }
}
