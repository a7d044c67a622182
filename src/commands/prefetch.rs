//! Bringing keys near before they are worked on.
//!
//! A lookup in a large keyspace waits twice for memory: for the bucket, then for the entry. A
//! command with many keys asks for the buckets of a whole group first, then for their entries, so
//! that the waits overlap.

use super::context::Ctx;
use crate::resp::args::Args;

/// Keys in a group: enough for their waits to overlap, few enough to stay in the nearest cache.
pub const GROUP: usize = 16;

/// Prefetches up to [`GROUP`] keys of the client's database: the arguments from `first` on, every
/// `step`. A single key is left alone, since nothing is gained.
pub fn prefetch_keys(ctx: &Ctx<'_>, args: &Args<'_>, first: usize, step: usize) {
    if first + step >= args.len() {
        return;
    }
    let db = ctx.env.keyspace.db(ctx.session.db);
    let mut hashes = [0; GROUP];
    let keys = (first..args.len()).step_by(step);
    let count = keys.len().min(GROUP);
    for (hash, at) in hashes.iter_mut().zip(keys) {
        *hash = db.hash(&args[at]);
        db.prefetch_bucket(*hash);
    }
    for hash in &hashes[..count] {
        db.prefetch_entry(*hash);
    }
}
