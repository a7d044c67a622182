//! What the sections of `INFO` read, gathered once for all of them.

use crate::commands::context::CommandTable;
use crate::commands::env::Env;
use crate::commands::host::{Host, ServerFacts};
use crate::replication::info::ReplicationInfo;

/// See the module's head.
pub struct View<'a> {
    /// The subsystems.
    pub env: &'a Env,
    /// All commands.
    pub table: &'static CommandTable,
    /// What only the server knows.
    pub facts: ServerFacts,
    /// The role, the link to the master, the replicas.
    pub replication: ReplicationInfo,
}

impl<'a> View<'a> {
    /// How things are, by these facts.
    pub fn of(env: &'a Env, table: &'static CommandTable, facts: ServerFacts) -> View<'a> {
        View {
            env,
            table,
            facts,
            replication: env.replication.info(env.now),
        }
    }

    /// How things are now.
    pub fn gather(env: &'a Env, table: &'static CommandTable, host: &mut dyn Host) -> View<'a> {
        View::of(env, table, host.facts(env))
    }
}
