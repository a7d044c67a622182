//! Having the kernel write a growing file to disk little by little.
//!
//! A snapshot written in one go and synced at the end leaves gigabytes of dirty pages to one
//! `fsync`, during which the disk serves nobody else. With `sync_file_range` the writer can start
//! the transfer of each finished piece, and wait for the piece before it, at no loss of speed.
//! This is no `fsync`: it does not make anything durable.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// Starts to write a range of the file to disk, and does not wait for it.
pub fn start(file: &File, range: Range<u64>) -> io::Result<()> {
    sync_range(file, range, libc::SYNC_FILE_RANGE_WRITE)
}

/// Waits until a range of the file has been written.
pub fn finish(file: &File, range: Range<u64>) -> io::Result<()> {
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    sync_range(file, range, flags)
}

fn sync_range(file: &File, range: Range<u64>, flags: libc::c_uint) -> io::Result<()> {
    let (offset, length) = (range.start as i64, (range.end - range.start) as i64);
    // SAFETY: the call takes numbers only, and the descriptor is open.
    super::check(unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, flags) })
}
