//! What no server that holds data may take from a master: a rule that the oracles share.
//!
//! A server that gets a history by a full sync that it did not know before, and held data, holds
//! data afterwards, or its guard was off or open; under a strict guard it gets none at all.

use std::collections::HashMap;

use super::net::HostId;
use crate::commands::env::Env;
use crate::commands::gates::Loading;
use crate::replication::{GuardState, LineageRule, ReplId};

/// What was last seen of a server.
struct Seen {
    known: [Option<ReplId>; 2],
    has_data: bool,
    guard: Option<GuardState>,
}

/// See the module's head.
#[derive(Default)]
pub struct LineageWatch {
    seen: HashMap<HostId, Seen>,
    /// How often a refusal was seen to begin.
    refusals: usize,
}

impl LineageWatch {
    /// A server starts, with what it has found on its disk.
    pub fn forget(&mut self, host: HostId) {
        self.seen.remove(&host);
    }

    /// How often a refusal was seen to begin.
    pub fn refusals(&self) -> usize {
        self.refusals
    }

    /// Looks at a server after each instant.
    ///
    /// # Panics
    ///
    /// It has taken what it should have refused.
    pub fn check(&mut self, host: HostId, env: &Env) {
        if env.gates.loading != Loading::No {
            // What it had before is what counts.
            return;
        }
        let replication = &env.replication;
        let identity = replication.identity();
        let now = Seen {
            known: [
                Some(identity.id()),
                identity.previous().map(|previous| previous.id),
            ],
            has_data: !env.keyspace.is_empty(),
            guard: replication.guard_state(),
        };
        if let Some(before) = self.seen.get(&host) {
            let refuses = Some(GuardState::Refusing);
            self.refusals += usize::from(now.guard == refuses && before.guard != refuses);
            let is_adopted = replication.is_replica()
                && identity.previous().is_none()
                && !before.known.contains(&Some(identity.id()));
            let is_guarded = matches!(before.guard, Some(GuardState::On | GuardState::Refusing));
            if is_adopted && is_guarded && before.has_data {
                let rule = replication.settings().lineage_guard;
                let may = rule == LineageRule::RefuseEmpty && now.has_data;
                assert!(
                    may,
                    "server {host} has taken history {} ({rule:?})",
                    identity.id()
                );
            }
        }
        self.seen.insert(host, now);
    }
}
