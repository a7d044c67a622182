//! Who looks at the commands that are run: the slow log, the latency monitor, `MONITOR`, and those
//! who remember what clients have read ([`super::tracking`]).
//!
//! Nearly always nobody does. So all of them share one number, the run time from which on a command
//! is worth a look; what looks at it then is [`super::observe`]. While somebody wants to see every
//! command the number is 0.

use super::latency::events::LatencyEvents;
use super::slowlog::log::SlowLog;

/// See the module's head.
#[derive(Debug, Default)]
pub struct Observers {
    /// The run time from which on a command is looked at, in nanoseconds.
    pub from_ns: u64,
    /// Commands that took long.
    pub slow_log: SlowLog,
    /// Everything that took long.
    pub latency: LatencyEvents,
    /// The clients that see every command, in the order in which they asked for it.
    pub monitors: Vec<u64>,
    /// The client whose command runs, while every command is looked at; 0 for nobody.
    pub speaker: u64,
}

impl Observers {
    /// Whether every command is looked at.
    #[inline]
    pub fn see_all(&self) -> bool {
        self.from_ns == 0
    }
}
