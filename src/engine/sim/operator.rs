//! An operator who wants what masters offer, whatever it is.

use super::cluster::{CONVERGENCE_MS_MAX, Cluster};
use crate::config::ReplicaLineageGuard;

impl Cluster {
    /// Where guards are strict, has those servers follow their masters that refuse what these
    /// offer, until all have come together.
    pub fn insist(&mut self) {
        if self.guard != ReplicaLineageGuard::Strict {
            return;
        }
        let deadline_ms = self.now_ms() + CONVERGENCE_MS_MAX;
        while !self.is_converged() {
            assert!(self.now_ms() < deadline_ms, "they refuse for ever");
            self.run_ms(150);
            for host in 0..self.nodes.len() {
                let replication = self.nodes[host].env().map(|env| &env.replication);
                let refused = replication.filter(|replication| replication.refuses_lineage());
                let master = refused.and_then(|replication| replication.master_address());
                if let Some((name, port)) = master {
                    let line = format!("REPLICAOF {name} {port}");
                    self.tell(host, &line);
                }
            }
        }
    }
}
