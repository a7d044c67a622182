//! Where the servers of a cluster stand, and whether they have come together.

use super::cluster::Cluster;
use super::node::Node;
use super::oracle::fingerprint;
use crate::commands::env::Env;
use crate::replication::ReplId;

/// Where a server stands: its history, its offset, its data.
pub type Standing = (ReplId, u64, u64);

impl Cluster {
    /// Where every server stands that runs.
    pub fn standings(&self) -> Vec<Standing> {
        let standing = |env: &Env| {
            let identity = env.replication.identity();
            (identity.id(), identity.offset(), fingerprint(&env.keyspace))
        };
        self.nodes
            .iter()
            .filter_map(Node::env)
            .map(standing)
            .collect()
    }

    /// Whether all hold the same data at the same place, and are linked.
    pub fn is_converged(&self) -> bool {
        let standings = self.standings();
        let is_linked = |env: &Env| env.replication.is_link_up() || !env.replication.is_replica();
        standings.len() == self.nodes.len()
            && standings.iter().all(|standing| *standing == standings[0])
            && self.nodes.iter().filter_map(Node::env).all(is_linked)
    }

    /// Waits until all hold the same data at the same place.
    pub fn converge(&mut self, limit_ms: u64) {
        let deadline_ms = self.now_ms() + limit_ms;
        while !self.is_converged() {
            assert!(
                self.now_ms() < deadline_ms,
                "no convergence: {:#?}",
                self.standings()
            );
            self.run_ms(100);
        }
    }

    /// How many full syncs the servers that run have served.
    pub fn full_syncs(&self) -> u64 {
        let served = |env: &Env| env.replication.source().stats().full;
        self.nodes.iter().filter_map(Node::env).map(served).sum()
    }
}
