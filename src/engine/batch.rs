//! Commands that were parsed ahead, so that what they need can be fetched before they run.

use crate::commands::context::Command;
use crate::resp::args::ArgRanges;

/// Commands parsed ahead, whose keys are prefetched together.
pub const BATCH_COMMANDS_MAX: usize = 16;

/// Commands parsed ahead; reused from batch to batch.
#[derive(Default)]
pub struct Batch {
    /// One place for each.
    pub parsed: [Parsed; BATCH_COMMANDS_MAX],
}

/// A command in the input.
#[derive(Default)]
pub struct Parsed {
    /// Where its arguments are.
    pub ranges: ArgRanges,
    /// Where the command begins in the input.
    pub start: usize,
    /// The command, once it was looked up.
    pub command: Option<&'static Command>,
    /// The hash of its first key, if that was worth fetching.
    pub hash: Option<u64>,
}
