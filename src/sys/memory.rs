//! The allocator's figures, as users of `INFO memory` know them.
//!
//! `maxmemory` must hold per command, so the memory in use must be known at the price of a few
//! loads. jemalloc counts what each thread allocates and frees, and lets us read the counts of our
//! own thread; the few other threads add theirs up in a [`ThreadShare`] after each piece of work.
//! Its arenas' totals would not do: they are added up only when asked for (its "epoch"), and they
//! count what lies unused in the threads' caches, hundreds of kilobytes that come and go.

use std::ffi::{CStr, c_char, c_void};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tikv_jemalloc_ctl::thread::{self, ThreadLocal};
use tikv_jemalloc_ctl::{Error, background_thread, epoch, epoch_mib, stats, version};

/// Exact totals over all threads, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// In use by the program, rounded up to size classes.
    pub used: usize,
    /// Handed out, what threads keep in their caches included.
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

/// The allocator and its version, such as `jemalloc-5.3.0`.
pub fn allocator_name() -> String {
    // What stands behind the number names the very commit.
    let named = version::read().unwrap_or_default();
    let number = named.split('-').next().unwrap_or_default();
    format!("jemalloc-{number}")
}

/// Tells how much memory is in use, cheaply enough to ask before every command. It belongs to the
/// thread that made it.
pub struct Meter {
    mibs: Mibs,
    allocated: ThreadLocal<u64>,
    deallocated: ThreadLocal<u64>,
    /// What other threads have allocated and not freed; mostly negative.
    elsewhere: Arc<AtomicI64>,
}

/// Another thread's part of the memory in use.
pub struct ThreadShare {
    elsewhere: Arc<AtomicI64>,
    allocated: ThreadLocal<u64>,
    deallocated: ThreadLocal<u64>,
    published: i64,
}

/// Lets a thread have its part counted.
#[derive(Clone)]
pub struct ShareMaker(Arc<AtomicI64>);

impl ShareMaker {
    /// The part of the current thread; none if the allocator does not tell.
    pub fn start(self) -> Option<ThreadShare> {
        Some(ThreadShare {
            elsewhere: self.0,
            allocated: thread::allocatedp::read().ok()?,
            deallocated: thread::deallocatedp::read().ok()?,
            published: 0,
        })
    }
}

impl ThreadShare {
    /// Adds what the thread has allocated and freed since the last time.
    pub fn publish(&mut self) {
        let own = self.allocated.get().wrapping_sub(self.deallocated.get()) as i64;
        let news = own.wrapping_sub(self.published);
        self.elsewhere.fetch_add(news, Ordering::Relaxed);
        self.published = own;
    }
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
        let meter = Meter {
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
            elsewhere: Arc::default(),
        };
        Ok(meter)
    }

    /// Bytes in use: exact for this thread, as last told for the others.
    #[inline]
    pub fn used_memory(&self) -> usize {
        let elsewhere = self.elsewhere.load(Ordering::Relaxed) as u64;
        elsewhere.wrapping_add(self.own()) as usize
    }

    /// Has another thread's use counted.
    pub fn share(&self) -> ShareMaker {
        ShareMaker(Arc::clone(&self.elsewhere))
    }

    /// All figures, the allocator's own included.
    pub fn stats(&self) -> MemoryStats {
        let stats = self.mibs.read().unwrap_or_default();
        MemoryStats {
            used: self.used_memory(),
            ..stats
        }
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
            used: 0,
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

/// One of the allocator's numbers, by its own name for it.
///
/// # Errors
///
/// The allocator's own: there is no such name, or it does not stand for a number.
pub fn allocator_number(name: &CStr) -> io::Result<u64> {
    // Numbers are of several widths, and one must ask for the right one.
    for width in [8, 4, 1] {
        let mut number = [0u8; 8];
        let mut len = width;
        // SAFETY: the name ends in NUL, at most `width` bytes are written, and nothing is set.
        let error = unsafe {
            let out = number.as_mut_ptr().cast::<c_void>();
            tikv_jemalloc_sys::mallctl(name.as_ptr(), out, &mut len, std::ptr::null_mut(), 0)
        };
        match error {
            0 => return Ok(u64::from_le_bytes(number)),
            libc::EINVAL => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EINVAL))
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
        let meter = Meter::new().unwrap();
        let before = meter.used_memory();
        let block = std::hint::black_box(vec![1u8; 40 << 20]);
        let with_block = meter.used_memory();
        assert!(with_block >= before + (40 << 20));
        drop(block);
        assert!(meter.used_memory() + (39 << 20) < with_block);
        let stats = meter.stats();
        assert!(stats.allocated <= stats.active && stats.metadata > 0);
    }

    #[test]
    fn memory_freed_elsewhere_is_counted_once_it_is_told() {
        let meter = Meter::new().unwrap();
        let block = std::hint::black_box(vec![1u8; 40 << 20]);
        let with_block = meter.used_memory();
        let maker = meter.share();
        let worker = std::thread::spawn(move || {
            let mut share = maker.start().unwrap();
            drop(block);
            share.publish();
            share.publish();
        });
        worker.join().unwrap();
        let freed = with_block - meter.used_memory();
        assert!(freed > (39 << 20) && freed < (41 << 20), "{freed}");
    }

    #[test]
    fn unused_pages_can_be_given_back() {
        drop(std::hint::black_box(vec![1u8; 1 << 20]));
        purge().unwrap();
    }

    #[test]
    fn a_forked_child_goes_on_allocating_with_the_background_thread_on() {
        set_background_thread(true).unwrap();
        let meter = Meter::new().unwrap();
        let child = match process::fork().unwrap() {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                let before = meter.used_memory();
                let blocks: Vec<Vec<u8>> = (0..1000).map(|n| vec![1; n]).collect();
                let grown = meter.used_memory() > before;
                drop(blocks);
                let fine = grown && meter.stats().allocated > 0 && purge().is_ok();
                process::exit_now(i32::from(!fine))
            }
        };
        assert_eq!(process::wait_for(child).unwrap(), Exit::Code(0));
        set_background_thread(false).unwrap();
    }
}
