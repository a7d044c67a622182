//! The load of the lab: who writes, who reads, and what became of each write.
//!
//! Whether a failover has lost writes, and how long nobody took any, is to be seen by clients only.
//! A [`Writer`] numbers its writes 1, 2, 3 …; it appends each number to a list and notes what it
//! was told. Afterwards [`fetch`] reads the lists from a server, and [`check`] compares: what is
//! lost, there twice, out of order, there though it was refused, or nobody's. No number is ever
//! sent twice, whatever became of it: so what is there twice is a server's doing.
//!
//! ```text
//!   writer:   link (route: who is the master?) ──► RPUSH lab:NAME:<chunk> <number>
//!             pace (when is the next due?)    ◄── reply, error, nothing ──► tally
//!   tally:    an outcome for each number · buckets of a tenth of a second · the longest gap
//!   at last:  outcomes + fetch(a server) ──► check ──► Verdict
//! ```
//!
//! A [`Clock`] writes the time to one key, and [`Readers`] look how old it is on each server.
//!
//! Each of them is a thread with connections that block for a bounded time, from a source address
//! of its own. What there is to decide (what a reply means, whom to ask next, when a write is due,
//! what a bucket and a gap are, the verdict) is apart from the threads, and takes the time as an
//! argument.

mod check;
#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod fake;
mod fetch;
mod freshness;
mod keys;
mod ledger;
mod link;
mod outcome;
mod pace;
mod route;
mod tally;
mod worker;
mod writer;
#[cfg(test)]
mod writer_tests;

use std::time::Duration;

/// Writes per second that a writer sends if nobody says otherwise.
pub const RATE_DEFAULT: u32 = 500;
/// How long clients wait for a reply if nobody says otherwise.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_millis(500);
/// How often the clock is written, and read, if nobody says otherwise.
pub const CLOCK_EVERY_DEFAULT: Duration = Duration::from_millis(20);

pub use check::{Found, check};
pub use fetch::fetch;
pub use freshness::{Clock, ClockPlan, ReaderPlan, Readers};
pub use ledger::{is_ledger, read_ledger};
pub use outcome::{Outcome, Outcomes};
pub use route::Route;
pub use tally::{Accepted, Counts};
pub use writer::{Kind, Writer, WriterPlan};
