//! A whole replication tree in one process: virtual clock, virtual network, seeded faults.
//!
//! The servers around the machines are models, the machines are those that run. A run has two
//! parts. First anything goes: writes, cuts, silence, kills, restarts with and without a snapshot,
//! changes of master, promotions, changed settings. Then the network heals, the servers are put
//! into one tree, and all must come to hold the same data at the same place.
//!
//! Checked after every step: two servers that say they are at the same offset of the same history
//! hold the same data ([`Cluster::check`]); the machines' invariants; and at every `PSYNC`, that it
//! is continued exactly when the bytes are there (in `node.rs`). A failure names its seed; put it
//! into `replay` to see that one run again.

mod clients;
mod data;
mod network;
mod node;
mod parse;

use super::{ReplId, Settings};
use crate::base::rng::Rng;
use crate::replication::DisklessLoad;
use data::{Data, Snapshot};
use network::{Network, NodeId};
use node::Node;
use std::collections::HashMap;

const STEP_MS: u64 = 10;

/// What is left of a server that does not run.
struct Stopped {
    disk: Option<Snapshot>,
    settings: Settings,
}

struct Cluster {
    nodes: Vec<Result<Box<Node>, Stopped>>,
    net: Network,
    rng: Rng,
    /// The data at each place that any server was ever seen at.
    truth: HashMap<(ReplId, u64), Data>,
}

fn settings(rng: &mut Rng) -> Settings {
    Settings {
        timeout_s: 5,
        ping_period_s: 1 + rng.below(3),
        backlog_bytes: (16 * 1024) << rng.below(4),
        backlog_ttl_s: rng.below(3) * 10,
        diskless_sync: rng.below(2) == 0,
        diskless_sync_delay_s: rng.below(2),
        diskless_load: match rng.below(3) {
            0 => DisklessLoad::Disabled,
            1 => DisklessLoad::OnEmptyDb,
            _ => DisklessLoad::SwapDb,
        },
        has_save_points: rng.below(2) == 0,
        ..Settings::default()
    }
}

impl Cluster {
    /// `count` masters that know nothing of each other.
    fn new(seed: u64, count: usize) -> Cluster {
        let mut rng = Rng::from_seed(seed);
        let net = Network::new(Rng::from_seed(rng.next_u64()));
        let mut cluster = Cluster {
            nodes: Vec::new(),
            net,
            rng,
            truth: HashMap::new(),
        };
        for id in 0..count {
            let settings = settings(&mut cluster.rng);
            cluster.nodes.push(Err(Stopped {
                disk: None,
                settings,
            }));
            cluster.start(id, None);
        }
        cluster
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id]
            .as_mut()
            .unwrap_or_else(|_| panic!("node {id} is down"))
    }

    fn start(&mut self, id: NodeId, master: Option<NodeId>) {
        let Err(Stopped { disk, settings }) = &self.nodes[id] else {
            return;
        };
        let (disk, settings) = (*disk, settings.clone());
        let rng = Rng::from_seed(self.rng.next_u64());
        let node = Node::start(id, self.net.now_ms, settings, disk, master, rng);
        self.net.bring_up(id);
        self.nodes[id] = Ok(Box::new(node));
    }

    /// Kills a server; it keeps what `disk` says.
    fn stop(&mut self, id: NodeId, disk: impl FnOnce(&mut Node) -> Option<Snapshot>) {
        let Ok(node) = &mut self.nodes[id] else {
            return;
        };
        let (disk, settings) = (disk(node), node.repl.settings().clone());
        self.nodes[id] = Err(Stopped { disk, settings });
        self.net.take_down(id);
    }

    fn follow(&mut self, id: NodeId, master: Option<NodeId>) {
        if let Ok(node) = &mut self.nodes[id] {
            node.replicaof(&mut self.net, master);
        }
    }

    /// Lets time pass.
    fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms / STEP_MS {
            self.net.now_ms += STEP_MS;
            while let Some((conn, id, item)) = self.net.receive() {
                if let Ok(node) = &mut self.nodes[id] {
                    node.on_item(&mut self.net, conn, item);
                }
                self.check(id);
            }
            for id in 0..self.nodes.len() {
                if let Ok(node) = &mut self.nodes[id] {
                    node.step(&mut self.net);
                }
                self.check(id);
            }
        }
    }

    /// A server that says where it is must hold the data that belongs there.
    fn check(&mut self, id: NodeId) {
        let Ok(node) = &self.nodes[id] else { return };
        let Some(saved) = node.repl.saved_identity() else {
            return;
        };
        let place = (saved.id, saved.offset);
        let known = *self.truth.entry(place).or_insert(node.data);
        assert_eq!(
            node.data, known,
            "node {id} at {place:?}, {} ms",
            self.net.now_ms
        );
    }

    /// A client writes to a server, if that is a master.
    fn write(&mut self, id: NodeId, count: u64) {
        if let Ok(node) = &mut self.nodes[id]
            && !node.repl.is_replica()
        {
            node.write(count);
        }
        self.check(id);
    }

    fn random_node(&mut self) -> NodeId {
        self.rng.below(self.nodes.len() as u64) as NodeId
    }

    /// One thing that may happen to a replication tree.
    fn disturb(&mut self) {
        let (a, b) = (self.random_node(), self.random_node());
        match self.rng.below(16) {
            0..=3 => self.net.reset(a, b),
            4 if a != b => self.net.silence(a, b),
            5 => self.net.heal(),
            6 => self.stop(a, |node| node.disk),
            7 => self.stop(a, |node| Some(node.snapshot())),
            8 => self.stop(a, |_| None),
            9 | 10 => self.start(a, (a != b).then_some(b)),
            11 | 12 if a != b => self.follow(a, Some(b)),
            13 => self.follow(a, None),
            14 => {
                let settings = settings(&mut self.rng);
                if let Ok(node) = &mut self.nodes[a] {
                    node.repl.configure(settings);
                }
            }
            _ => {
                if let Ok(node) = &mut self.nodes[a] {
                    node.disk = Some(node.snapshot());
                }
            }
        }
        self.check(a);
    }

    /// Ends all trouble and puts the servers into one tree; returns its root.
    fn settle(&mut self) -> NodeId {
        self.net.heal();
        let count = self.nodes.len();
        let root = self.random_node();
        for id in 0..count {
            self.start(id, None);
        }
        self.follow(root, None);
        for step in 1..count {
            let above = self.rng.below(step as u64) as usize;
            self.follow((root + step) % count, Some((root + above) % count));
        }
        root
    }

    fn places(&self) -> Vec<(ReplId, u64, Data)> {
        let place = |node: &Node| {
            (
                node.repl.identity().id(),
                node.repl.identity().offset(),
                node.data,
            )
        };
        self.nodes
            .iter()
            .flatten()
            .map(|node| place(node))
            .collect()
    }

    fn is_converged(&self) -> bool {
        let places = self.places();
        let up = |node: &Node| node.repl.is_link_up() || !node.repl.is_replica();
        places.len() == self.nodes.len()
            && places.iter().all(|place| *place == places[0])
            && self.nodes.iter().flatten().all(|node| up(node))
    }

    /// Waits until all hold the same data at the same place.
    fn converge(&mut self, limit_ms: u64) {
        let deadline = self.net.now_ms + limit_ms;
        while !self.is_converged() {
            assert!(
                self.net.now_ms < deadline,
                "no convergence: {:#?}",
                self.places()
            );
            self.run_ms(100);
        }
    }

    fn full_syncs(&self) -> u64 {
        self.nodes
            .iter()
            .flatten()
            .map(|node| node.repl.source().stats().full)
            .sum()
    }

    /// A tree as `parents` says, with some data, in one place.
    fn tree(seed: u64, parents: &[Option<NodeId>]) -> Cluster {
        let mut cluster = Cluster::new(seed, parents.len());
        for (id, parent) in parents.iter().enumerate() {
            if let Ok(node) = &mut cluster.nodes[id] {
                node.repl.configure(Settings {
                    timeout_s: 5,
                    ..Settings::default()
                });
            }
            cluster.follow(id, *parent);
        }
        cluster.write(0, 1);
        cluster.converge(60_000);
        for _ in 0..20 {
            cluster.write(0, 3);
        }
        cluster.converge(10_000);
        cluster
    }
}

fn random_run(seed: u64) {
    let mut cluster = Cluster::new(seed, 3 + (seed % 3) as usize);
    for _ in 0..60 {
        for _ in 0..cluster.rng.below(8) {
            let (id, count) = (cluster.random_node(), 1 + cluster.rng.below(4));
            cluster.write(id, count);
        }
        if cluster.rng.below(3) == 0 {
            cluster.disturb();
        }
        let ms = cluster.rng.below(1200);
        cluster.run_ms(ms);
    }
    let root = cluster.settle();
    for _ in 0..10 {
        cluster.write(root, 2);
        cluster.run_ms(200);
    }
    cluster.converge(120_000);
}

fn random_runs(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let run = std::panic::catch_unwind(|| random_run(seed));
        assert!(
            run.is_ok(),
            "the run of seed {seed} failed; SIM_SEEDS={seed}..{} replays it",
            seed + 1
        );
    }
}

/// Sixty seeds, or those that `SIM_SEEDS=from..to` names: one to replay it, thousands after a
/// change to the machines.
#[test]
fn trees_converge_after_any_trouble_and_never_differ_at_the_same_place() {
    let named = std::env::var("SIM_SEEDS").unwrap_or_else(|_| "0..60".to_owned());
    let bounds = named
        .split_once("..")
        .and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    random_runs(bounds.expect("SIM_SEEDS is two numbers with two dots between"));
}

#[test]
fn a_cut_link_costs_no_snapshot() {
    let mut cluster = Cluster::tree(1, &[None, Some(0), Some(1)]);
    let before = cluster.full_syncs();
    for _ in 0..10 {
        cluster.net.reset(0, 1);
        cluster.net.reset(1, 2);
        for _ in 0..5 {
            cluster.write(0, 2);
            cluster.run_ms(50);
        }
        cluster.converge(20_000);
    }
    assert_eq!(cluster.full_syncs(), before);
}

#[test]
fn a_silent_link_is_noticed_by_both_ends_and_mended() {
    let mut cluster = Cluster::tree(2, &[None, Some(0)]);
    let before = cluster.full_syncs();
    cluster.net.silence(0, 1);
    cluster.run_ms(15_000);
    assert!(!cluster.node(1).repl.is_link_up());
    assert_eq!(cluster.node(0).repl.source().count(), 0);
    cluster.write(0, 2);
    cluster.net.heal();
    cluster.converge(20_000);
    assert_eq!(cluster.full_syncs(), before);
}

#[test]
fn replicas_of_a_promoted_replica_continue() {
    let mut cluster = Cluster::tree(3, &[None, Some(0), Some(0), Some(1)]);
    let before = cluster.full_syncs();
    cluster.follow(1, None);
    cluster.follow(2, Some(1));
    cluster.run_ms(500);
    cluster.follow(0, Some(1));
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
    cluster.follow(1, None);
    let before = cluster.node(1).repl.source().stats().full;
    cluster.write(1, 3);
    cluster.run_ms(5000);
    let [_, middle, leaf] = cluster.places()[..] else {
        panic!("three servers")
    };
    assert_eq!(middle, leaf);
    assert_eq!(cluster.node(1).repl.source().stats().full, before);
}

#[test]
fn a_restarted_replica_continues_from_its_snapshot() {
    let mut cluster = Cluster::tree(5, &[None, Some(0)]);
    let before = cluster.full_syncs();
    cluster.stop(1, |node| Some(node.snapshot()));
    cluster.write(0, 3);
    cluster.run_ms(3000);
    cluster.start(1, Some(0));
    cluster.converge(20_000);
    assert_eq!(cluster.full_syncs(), before);
}

#[test]
fn replicas_continue_with_a_master_that_restarted_from_its_last_snapshot() {
    let mut cluster = Cluster::tree(6, &[None, Some(0), Some(0)]);
    cluster.stop(0, |node| Some(node.snapshot()));
    cluster.run_ms(3000);
    cluster.start(0, None);
    cluster.write(0, 1);
    cluster.converge(20_000);
    assert_eq!(cluster.node(0).repl.source().stats().full, 0);
}

#[test]
fn a_master_that_lost_writes_gives_its_replicas_a_snapshot() {
    let mut cluster = Cluster::tree(7, &[None, Some(0)]);
    let old = cluster.node(0).snapshot();
    cluster.write(0, 5);
    cluster.converge(10_000);
    cluster.stop(0, |_| Some(old));
    cluster.run_ms(1000);
    cluster.start(0, None);
    cluster.converge(60_000);
    assert_eq!(cluster.node(0).repl.source().stats().full, 1);
}

#[test]
fn what_no_longer_fits_the_backlog_costs_a_snapshot() {
    let mut cluster = Cluster::tree(8, &[None, Some(0)]);
    let small = Settings {
        backlog_bytes: 16 * 1024,
        timeout_s: 5,
        ..Settings::default()
    };
    cluster.node(0).repl.configure(small);
    let before = cluster.full_syncs();
    cluster.stop(1, |node| Some(node.snapshot()));
    for _ in 0..100 {
        cluster.write(0, 4);
    }
    cluster.run_ms(1000);
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
        cluster.stop(2, |_| None);
        cluster.start(2, Some(1));
        cluster.run_ms(8000);
        cluster.stop(1, |node| Some(node.snapshot()));
        cluster.write(0, 1);
        cluster.start(1, Some(0));
        cluster.converge(60_000);
    }
}
