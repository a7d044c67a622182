//! The allocator's figures, as users of `INFO memory` know them.
//!
//! jemalloc counts per arena and per thread and adds up only when asked to (its "epoch"), which
//! is too slow to do per command, yet `maxmemory` must hold per command. So [`Meter`] keeps the
//! last exact total and adds what its own thread has allocated and freed since, which jemalloc
//! lets us read at the price of two loads. What helper threads have freed meanwhile shows at the
//! next [`Meter::refresh`], some milliseconds later.

use std::ffi::{CStr, c_char, c_void};
use std::io;

use tikv_jemalloc_ctl::thread::{self, ThreadLocal};
use tikv_jemalloc_ctl::{Error, background_thread, epoch, epoch_mib, stats};

/// Exact totals over all threads, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Handed out to the program, rounded up to size classes.
    pub allocated: usize,
    /// Pages that hold at least one allocation.
    pub active: usize,
    /// Physical pages that the allocator holds on to, its own bookkeeping included.
    pub resident: usize,
    /// Address space kept for later, without memory behind it.
    pub retained: usize,
    /// The allocator's bookkeeping.
    pub metadata: usize,
}

/// Tells how much memory is in use, cheaply enough to ask before every command. It belongs to the
/// thread that made it.
pub struct Meter {
    mibs: Mibs,
    allocated: ThreadLocal<u64>,
    deallocated: ThreadLocal<u64>,
    /// Exact total at the last refresh, less what this thread's counters said then: the share of
    /// the total that they do not know of. Modulo 2^64.
    elsewhere: u64,
}

/// The allocator's figures by resolved name.
struct Mibs {
    epoch: epoch_mib,
    allocated: stats::allocated_mib,
    active: stats::active_mib,
    resident: stats::resident_mib,
    retained: stats::retained_mib,
    metadata: stats::metadata_mib,
}

impl Meter {
    /// A meter for the current thread.
    ///
    /// # Errors
    ///
    /// The allocator was built without statistics.
    pub fn new() -> io::Result<Meter> {
        Meter::resolve().map_err(to_io)
    }

    fn resolve() -> Result<Meter, Error> {
        let mut meter = Meter {
            mibs: Mibs {
                epoch: epoch::mib()?,
                allocated: stats::allocated::mib()?,
                active: stats::active::mib()?,
                resident: stats::resident::mib()?,
                retained: stats::retained::mib()?,
                metadata: stats::metadata::mib()?,
            },
            allocated: thread::allocatedp::read()?,
            deallocated: thread::deallocatedp::read()?,
            elsewhere: 0,
        };
        meter.refresh();
        Ok(meter)
    }

    /// Bytes in use: exact for this thread, as of the last refresh for the others.
    #[inline]
    pub fn used_memory(&self) -> usize {
        self.elsewhere.wrapping_add(self.own()) as usize
    }

    /// Takes exact totals of all threads.
    pub fn refresh(&mut self) -> MemoryStats {
        let stats = self.mibs.read().unwrap_or_default();
        self.elsewhere = (stats.allocated as u64).wrapping_sub(self.own());
        stats
    }

    /// What this thread has allocated and not freed; it may have freed what others allocated.
    #[inline]
    fn own(&self) -> u64 {
        self.allocated.get().wrapping_sub(self.deallocated.get())
    }
}

impl Mibs {
    fn read(&self) -> Result<MemoryStats, Error> {
        self.epoch.advance()?;
        Ok(MemoryStats {
            allocated: self.allocated.read()?,
            active: self.active.read()?,
            resident: self.resident.read()?,
            retained: self.retained.read()?,
            metadata: self.metadata.read()?,
        })
    }
}

/// Gives all unused pages back to the system now.
///
/// # Errors
///
/// The allocator's own.
pub fn purge() -> io::Result<()> {
    // The number stands for "all arenas".
    const PURGE: &[u8] = b"arena.4096.purge\0";
    let null = std::ptr::null_mut::<c_void>();
    // SAFETY: the name ends in NUL, and this request neither reads nor writes a value.
    let error = unsafe {
        let name = PURGE.as_ptr().cast::<c_char>();
        tikv_jemalloc_sys::mallctl(name, null, std::ptr::null_mut(), null, 0)
    };
    if error == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(error))
    }
}

/// The allocator's own report, for people.
pub fn allocator_report() -> Vec<u8> {
    extern "C" fn append(report: *mut c_void, text: *const c_char) {
        // SAFETY: `report` is what was passed below, which nothing else uses meanwhile, and `text`
        // ends in NUL, as the allocator promises.
        unsafe {
            let report = &mut *report.cast::<Vec<u8>>();
            report.extend_from_slice(CStr::from_ptr(text).to_bytes());
        }
    }
    let mut report = Vec::new();
    // SAFETY: `report` lives as long as the call, and no options means a null pointer.
    unsafe {
        let report = (&raw mut report).cast::<c_void>();
        tikv_jemalloc_sys::malloc_stats_print(Some(append), report, std::ptr::null());
    }
    report
}

/// Lets a thread of the allocator give unused pages back, or stops it. A forked child has no such
/// thread, whatever its parent had.
///
/// # Errors
///
/// The allocator was built without that thread, or it cannot be started.
pub fn set_background_thread(on: bool) -> io::Result<()> {
    background_thread::write(on).map_err(to_io)
}

fn to_io(error: Error) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Exit, ForkResult};

    #[test]
    fn used_memory_follows_every_allocation_of_its_thread() {
        let mut meter = Meter::new().unwrap();
        let before = meter.used_memory();
        let block = std::hint::black_box(vec![1u8; 40 << 20]);
        let with_block = meter.used_memory();
        assert!(with_block >= before + (40 << 20));
        drop(block);
        assert!(meter.used_memory() + (39 << 20) < with_block);
        meter.refresh();
    }

    #[test]
    fn memory_freed_elsewhere_shows_after_a_refresh() {
        let mut meter = Meter::new().unwrap();
        let block = std::hint::black_box(vec![1u8; 400 << 20]);
        let with_block = meter.used_memory();
        std::thread::spawn(move || drop(block)).join().unwrap();
        let stale = meter.used_memory();
        assert!(stale + (200 << 20) > with_block);
        let stats = meter.refresh();
        assert!(meter.used_memory() + (200 << 20) < with_block);
        assert!(stats.allocated <= stats.active && stats.metadata > 0);
    }

    #[test]
    fn unused_pages_can_be_given_back() {
        drop(std::hint::black_box(vec![1u8; 1 << 20]));
        purge().unwrap();
    }

    #[test]
    fn a_forked_child_goes_on_allocating_with_the_background_thread_on() {
        set_background_thread(true).unwrap();
        let mut meter = Meter::new().unwrap();
        let child = match process::fork().unwrap() {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                let before = meter.used_memory();
                let blocks: Vec<Vec<u8>> = (0..1000).map(|n| vec![1; n]).collect();
                let grown = meter.used_memory() > before;
                drop(blocks);
                let fine = grown && meter.refresh().allocated > 0 && purge().is_ok();
                process::exit_now(i32::from(!fine))
            }
        };
        assert_eq!(process::wait_for(child).unwrap(), Exit::Code(0));
        set_background_thread(false).unwrap();
    }
}
