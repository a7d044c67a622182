//! The operating system and the processor behind safe functions: fork, signals, limits, process
//! title, prefetching.
//!
//! One of the two yards where `unsafe` may stand. Every wrapper takes and gives plain values,
//! reports failure as `io::Error`, and knows nothing of what the server does with it.

pub mod access;
pub mod affinity;
pub mod allocator;
pub mod clock;
pub mod collation;
pub mod crash;
pub mod disk;
pub mod entropy;
pub mod facts;
mod halt;
pub mod lend;
pub mod limits;
pub mod log_file;
pub mod lua;
mod memcheck;
pub mod memory;
pub mod prefetch;
pub mod process;
pub mod read;
pub mod signals;
pub mod socket;
pub mod supervise;
pub mod syslog;
pub mod title;
pub mod usage;
pub mod wait;
pub mod watchdog;
pub mod writeback;

use std::io;

/// The result of a system call that answers -1 on failure and says why in `errno`.
fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
