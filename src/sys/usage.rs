//! What the process uses: processor time, memory as the kernel sees it, and its standing with the
//! kernel's out-of-memory killer.

use std::fs;
use std::io;

use super::facts::{kilobytes_of_field, page_bytes};

/// Whose processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All threads of this process.
    Process,
    /// The calling thread.
    Thread,
    /// Children that have ended and been waited for.
    Children,
}

/// Processor time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Spent in the program.
    pub user_us: u64,
    /// Spent in the kernel on the program's behalf.
    pub system_us: u64,
}

/// Processor time used so far.
pub fn cpu_time(whose: Whose) -> CpuTime {
    let who = match whose {
        Whose::Process => libc::RUSAGE_SELF,
        Whose::Thread => libc::RUSAGE_THREAD,
        Whose::Children => libc::RUSAGE_CHILDREN,
    };
    // SAFETY: the structure is plain numbers, for which zeros are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid place for the result, and `who` one of the known constants, so
    // that the call cannot fail.
    unsafe { libc::getrusage(who, &raw mut usage) };
    let us = |t: libc::timeval| t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64;
    CpuTime {
        user_us: us(usage.ru_utime),
        system_us: us(usage.ru_stime),
    }
}

/// Bytes of physical memory that the process occupies.
pub fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_bytes())
}

/// Bytes of memory that are this process's own and have been written to. In a forked child, that
/// is what copying on write has cost so far. Takes milliseconds in a large process.
pub fn private_dirty_bytes() -> Option<u64> {
    if let Ok(text) = fs::read_to_string("/proc/self/smaps_rollup") {
        return kilobytes_of_field(&text, "Private_Dirty:");
    }
    // Kernels before 4.14 have no sum.
    let text = fs::read_to_string("/proc/self/smaps").ok()?;
    Some(
        text.lines()
            .filter_map(|line| kilobytes_of_field(line, "Private_Dirty:"))
            .sum(),
    )
}

const OOM_SCORE_ADJ: &str = "/proc/self/oom_score_adj";

/// How readily the kernel kills this process when memory runs out: -1000 (never) to 1000.
///
/// # Errors
///
/// Those of reading the kernel's file.
pub fn oom_score_adj() -> io::Result<i32> {
    let text = fs::read_to_string(OOM_SCORE_ADJ)?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// Sets what [`oom_score_adj`] gives, clamped to the kernel's range.
///
/// # Errors
///
/// Those of writing the kernel's file; lowering the number takes privileges.
pub fn set_oom_score_adj(score: i32) -> io::Result<()> {
    fs::write(OOM_SCORE_ADJ, format!("{}\n", score.clamp(-1000, 1000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Exit, ForkResult};

    fn in_a_child(test: impl FnOnce() -> bool) {
        match process::fork().unwrap() {
            ForkResult::Child => process::exit_now(i32::from(!test())),
            ForkResult::Parent { child } => {
                assert_eq!(process::wait_for(child).unwrap(), Exit::Code(0));
            }
        }
    }

    #[test]
    fn processor_time_grows_with_work() {
        let before = cpu_time(Whose::Thread);
        let mut sum = 0u64;
        while cpu_time(Whose::Thread) == before {
            sum = std::hint::black_box((0..100_000u64).fold(sum, u64::wrapping_add));
        }
        let (process, thread) = (cpu_time(Whose::Process), cpu_time(Whose::Thread));
        assert!(thread.user_us + thread.system_us > before.user_us + before.system_us);
        assert!(process.user_us + process.system_us > 0);
    }

    #[test]
    fn memory_that_is_written_becomes_resident_and_private() {
        in_a_child(|| {
            let (resident, private) = (resident_bytes().unwrap(), private_dirty_bytes().unwrap());
            let block = std::hint::black_box(vec![1u8; 32 << 20]);
            let grown = 30 << 20;
            let fine = resident_bytes().unwrap() > resident + grown
                && private_dirty_bytes().unwrap() > private + grown;
            drop(block);
            fine
        });
    }

    #[test]
    fn the_oom_score_can_be_raised_and_is_clamped() {
        in_a_child(|| {
            let before = oom_score_adj().unwrap();
            set_oom_score_adj(before.max(500)).unwrap();
            let raised = oom_score_adj().unwrap() == before.max(500);
            set_oom_score_adj(5000).unwrap();
            raised && oom_score_adj().unwrap() == 1000
        });
    }
}
