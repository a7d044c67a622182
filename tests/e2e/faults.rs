//! Random accidents under load, and then the one demand: all nodes equal at equal offsets.
//!
//! Each run builds a chain of three (master, replica, replica of the replica) with a relay in each
//! link, lets a client write as fast as it is answered, breaks something at a random moment, mends
//! it at another, and waits until every node stands at the same offset of the same history. Then
//! the data must agree key by key. A failing run names its seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::*;

const RUNS: u64 = 50;

/// Runs at once: they mostly wait for reconnects, which come once a second.
const AT_ONCE: u64 = 5;

#[derive(Clone, Copy, Debug)]
enum Fault {
    CutUpper,
    CutLower,
    CutBoth,
    SeverUpper,
    SeverLower,
    KillMaster,
    KillMiddle,
    KillLast,
    FreezeMiddle,
    FreezeMaster,
}

const FAULTS: &[&Fault] = &[
    &Fault::CutUpper,
    &Fault::CutLower,
    &Fault::CutBoth,
    &Fault::SeverUpper,
    &Fault::SeverLower,
    &Fault::KillMaster,
    &Fault::KillMiddle,
    &Fault::KillLast,
    &Fault::FreezeMiddle,
    &Fault::FreezeMaster,
];

/// The chain with its two breakable links.
struct Chain {
    master: Server,
    upper: Proxy,
    middle: Server,
    lower: Proxy,
    last: Server,
}

impl Chain {
    fn build(rng: &mut Rng) -> Chain {
        let backlog = rng.pick(&["16kb", "256kb", "16mb"]);
        let diskless = rng.pick(&["yes", "no"]);
        let load = rng.pick(&["disabled", "swapdb"]);
        let room = rng.pick(&["0", "0", "4mb"]);
        let policy = rng.pick(&["allkeys-lru", "allkeys-random", "volatile-ttl"]);
        let options = || {
            Options::ours()
                .config(format!("maxmemory {room}"))
                .config(format!("maxmemory-policy {policy}"))
                .config(format!("repl-backlog-size {backlog}"))
                .config(format!("repl-diskless-sync {diskless}"))
                .config(format!("repl-diskless-load {load}"))
                .config("repl-timeout 10")
        };
        let master = options().start();
        let upper = Proxy::to(master.port);
        let middle = options()
            .config(format!("replicaof 127.0.0.1 {}", upper.port))
            .start();
        let lower = Proxy::to(middle.port);
        let last = options()
            .config(format!("replicaof 127.0.0.1 {}", lower.port))
            .start();
        Chain {
            master,
            upper,
            middle,
            lower,
            last,
        }
    }

    /// Breaks something, waits a random while, and undoes what does not undo itself.
    fn suffer(&mut self, fault: Fault, rng: &mut Rng) {
        let while_broken = Duration::from_millis(rng.below(800));
        match fault {
            Fault::CutUpper => self.upper.cut(),
            Fault::CutLower => self.lower.cut(),
            Fault::CutBoth => {
                self.lower.cut();
                self.upper.cut();
            }
            Fault::SeverUpper => self.upper.sever(),
            Fault::SeverLower => self.lower.sever(),
            Fault::KillMaster => self.master.kill(),
            Fault::KillMiddle => self.middle.kill(),
            Fault::KillLast => self.last.kill(),
            Fault::FreezeMiddle => self.middle.freeze(),
            Fault::FreezeMaster => self.master.freeze(),
        }
        thread::sleep(while_broken);
        match fault {
            Fault::CutUpper | Fault::CutLower | Fault::CutBoth => {}
            Fault::SeverUpper => self.upper.mend(),
            Fault::SeverLower => self.lower.mend(),
            Fault::KillMaster => self.master.start_again(),
            Fault::KillMiddle => self.middle.start_again(),
            Fault::KillLast => self.last.start_again(),
            Fault::FreezeMiddle => self.middle.thaw(),
            Fault::FreezeMaster => self.master.thaw(),
        }
    }
}

fn one_run(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut chain = Chain::build(&mut rng);
    let load = Writer::of_all_types(chain.master.port, rng.next());
    // Some runs break the first full sync, others a stream that flows.
    if rng.chance(70) {
        wait_link_up(&chain.last);
    }
    for _ in 0..=rng.below(3) {
        thread::sleep(Duration::from_millis(rng.below(400)));
        if rng.chance(20) {
            let _ = chain.master.try_ask("BGSAVE");
        }
        let fault = *rng.pick(FAULTS);
        chain.suffer(fault, &mut rng);
    }
    thread::sleep(Duration::from_millis(rng.below(300)));
    load.stop();
    wait_link_up(&chain.middle);
    wait_link_up(&chain.last);
    wait_same_data(&[&chain.master, &chain.middle, &chain.last]);
}

#[test]
fn after_fifty_random_accidents_all_nodes_are_equal_at_equal_offsets() {
    let (mut rng, first) = Rng::from_env();
    println!("seed {first}");
    let seeds: Vec<u64> = (0..RUNS)
        .map(|n| if n == 0 { first } else { rng.next() })
        .collect();
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst) as usize) {
                    let run = std::panic::catch_unwind(|| one_run(*seed));
                    assert!(run.is_ok(), "the run with TANIST_TEST_SEED={seed} failed");
                }
            });
        }
    });
}
