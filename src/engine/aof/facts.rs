//! What is told of the append-only file.

use super::file::Aof;
use super::increment::Increment;
use crate::commands::env::Env;
use crate::commands::host::AofFacts;
use crate::engine::runtime::{FileOf, Runtime};
use crate::engine::world::World;

impl<W: World> Runtime<W> {
    /// What `INFO persistence` shows.
    pub fn aof_facts(&self, env: &Env) -> AofFacts {
        let aof: &Aof<FileOf<W>> = &self.aof;
        let rewriting = &aof.rewriting;
        let started_mono_ms = self.snapshots.rewriting_since_ms();
        AofFacts {
            enabled: aof.is_wanted(),
            rewriting_since_mono_ms: started_mono_ms,
            scheduled: rewriting.scheduled,
            last_rewrite_s: rewriting.last_duration_s,
            last_rewrite_ok: rewriting.last_ok,
            rewrites: rewriting.started,
            failures_in_a_row: rewriting.failures_in_a_row,
            last_write_ok: aof.trouble.reason().is_none(),
            last_cow_bytes: rewriting.last_cow_bytes,
            current_bytes: aof.bytes(),
            base_bytes: aof.rewritten_bytes,
            buffer_bytes: env.aof.bytes().len(),
            pending_syncs: aof.increment.as_ref().map_or(0, Increment::pending_syncs),
            delayed_syncs: aof.delayed_syncs,
        }
    }
}
