//! Whole servers under seeded trouble: the engine that runs, in a virtual network, on a virtual
//! disk, by a virtual clock.
//!
//! A run has two parts. First anything goes: commands of clients, cuts, silence, frozen and killed
//! servers, lost power, slow and full disks, changes of master, promotions, changed settings. Then
//! the network heals, the servers are put into one tree, and all must come to hold the same data
//! at the same place, in half of the runs without a single ping of a master to help them along.
//!
//! What must hold all the while is in `oracle.rs`. A failure names its seed; `SIM_SEEDS=from..to`
//! runs others, or one again. Time is an event away: nothing is done between two of them, so a
//! minute of a tree's life takes some milliseconds.
//!
//! | file | holds |
//! |---|---|
//! | `net.rs`, `disk.rs`, `world.rs` | the world that the engines live in |
//! | `programs.rs` | programs that a server can start |
//! | `node.rs`, `client.rs` | a server; a client |
//! | `load.rs` | what clients send |
//! | `oracle.rs` | what must hold |
//! | `ledger.rs`, `ledger_tests.rs` | what ledgers of lost writes must hold; their runs |
//! | `lineage.rs` | the part of it that is about masters without data |
//! | `operator.rs` | somebody who has servers take what their masters offer |
//! | `survival.rs` | what a server must bring back that starts again |
//! | `cluster.rs` | servers and clients together, and what may happen to them |
//! | `standing.rs` | where they stand, and whether they have come together |
//! | `crash_runs.rs` | single servers that crash |
//! | `crash_resync_tests.rs` | servers with files that are killed, and continue |
//! | `scenarios.rs` | runs that somebody has written down |
//! | `stage.rs` | one server whose peers a test plays, tick by tick |
//! | `hold_tests.rs`, `stream_tests.rs`, `write_phase_tests.rs` | what is seen there |
//! | `lag_tests.rs` | the same, of delays that show as lag |
//! | `wait_tests.rs`, `failover_tests.rs` | the same, of waiting for replicas and handing over |
//! | `aof_tests.rs`, `aof_fault_tests.rs` | the same, of the append-only file and failing disks |
//! | `sentinel_tests.rs` | the same, of what a Sentinel asks the world for |
//! | `full_sync_tests.rs` | full syncs that are to end |
//! | `group.rs`, `group_client.rs` | servers, Sentinels that watch them, clients that ask those |
//! | `group_trouble.rs`, `group_oracle.rs` | what may happen to them; what must hold |
//! | `group_tests.rs`, `group_tally.rs` | their runs, and what is counted there |
//! | `damage.rs`, `aof_damage_tests.rs` | the same, of append-only files that were damaged |

mod aof_damage_tests;
mod aof_fault_tests;
mod aof_tests;
mod client;
mod cluster;
mod crash_resync_tests;
mod crash_runs;
mod damage;
pub mod disk;
mod end;
mod full_sync_tests;
mod group;
mod group_client;
mod group_oracle;
mod group_tally;
mod group_tests;
mod group_trouble;
mod hold_tests;
mod lag_tests;
mod ledger;
mod ledger_tests;
mod lineage;
mod load;
mod net;
mod node;
mod operator;
mod oracle;
mod programs;
mod scenarios;
mod sentinel_tests;
mod stage;
mod standing;
mod stream_tests;
mod survival;
mod wait_tests;
mod world;
mod write_phase_tests;

use std::ops::Range;
use std::panic::RefUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cluster::Cluster;

/// One random run. Returns all that was seen, as one number.
fn random_run(seed: u64) -> u64 {
    let mut cluster = Cluster::new(seed, 3 + (seed % 3) as usize);
    for _ in 0..25 {
        for _ in 0..cluster.rng.below(8) {
            cluster.say_something();
        }
        if cluster.rng.below(2) == 0 {
            cluster.disturb();
        }
        let ms = cluster.rng.below(1200);
        cluster.run_ms(ms);
    }
    let root = cluster.settle();
    cluster.check_convergence(root);
    cluster.oracle.trace()
}

/// Runs ten thousand seeds on all processors, or those that `SIM_SEEDS=from..to` names.
fn random_runs(run: fn(u64) -> u64) {
    random_runs_of(0..10_000, |seed| {
        run(seed);
    });
}

/// Runs these seeds on all processors, or those that `SIM_SEEDS=from..to` names.
///
/// # Panics
///
/// A run fails; its seed is named.
fn random_runs_of(seeds: Range<u64>, run: impl Fn(u64) + Sync + RefUnwindSafe) {
    let seeds = std::env::var("SIM_SEEDS").map_or(seeds, |named| {
        let bounds = named
            .split_once("..")
            .and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
        bounds.expect("SIM_SEEDS is two numbers with two dots between")
    });
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicU64::new(u64::MAX);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || failed.load(Ordering::Relaxed) != u64::MAX {
                return;
            }
            if std::panic::catch_unwind(|| run(seed)).is_err() {
                failed.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let seed = failed.into_inner();
    assert!(
        seed == u64::MAX,
        "the run of seed {seed} failed; SIM_SEEDS={seed}..{} replays it",
        seed.wrapping_add(1)
    );
}

#[test]
fn trees_of_servers_converge_after_any_trouble_and_lose_nothing_they_may_not() {
    random_runs(random_run);
}

#[test]
fn a_seed_repeats_its_run_to_the_last_event() {
    for seed in [1, 2, 3, 4, 5] {
        assert_eq!(random_run(seed), random_run(seed), "seed {seed}");
    }
}
