//! The increment that grows, and what keeps it from being written.

use std::io;
use std::path::PathBuf;

use crate::base::disk::DiskFile;
use crate::base::time::Now;

/// That a write failed is said this often at most.
const LOG_PERIOD_MS: u64 = 30_000;

/// A sync that another thread was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sync {
    pub(super) request: u64,
    /// What is on disk when it has succeeded: bytes of the increment, and of our stream.
    pub(super) bytes: u64,
    pub(super) offset: u64,
}

/// The increment that grows.
pub(super) struct Increment<F> {
    pub(super) file: F,
    pub(super) path: PathBuf,
    /// Bytes in it. All commands in it are whole, unless half of one could not be cut off again.
    pub(super) bytes: u64,
    /// Of these, how many were there at the last sync, be it done or only asked for.
    pub(super) sync_asked_bytes: u64,
    /// The sync that runs.
    pub(super) sync: Option<Sync>,
    /// When a sync was asked for last, in monotonic milliseconds.
    pub(super) sync_asked_ms: u64,
    /// Since when a write waits for a sync, in monotonic milliseconds.
    pub(super) postponed_ms: Option<u64>,
    /// Writes beside a sync were slow, so until then, in monotonic milliseconds, they wait for it.
    pub(super) slow_until_ms: u64,
    /// Whether the manifest names it.
    pub(super) is_named: bool,
    /// The place in our stream up to which the increment on disk is complete.
    pub(super) synced_offset: u64,
}

impl<F> Increment<F> {
    /// A file of so many bytes, of which none need be on disk: whoever wrote them may have been
    /// killed before a sync.
    pub(super) fn new(file: F, path: PathBuf, bytes: u64, now: Now) -> Increment<F> {
        Increment {
            file,
            path,
            bytes,
            sync_asked_bytes: 0,
            sync: None,
            sync_asked_ms: now.mono_ms(),
            postponed_ms: None,
            slow_until_ms: 0,
            is_named: true,
            synced_offset: 0,
        }
    }

    /// How many syncs run.
    pub(super) fn pending_syncs(&self) -> u64 {
        u64::from(self.sync.is_some())
    }

    pub(super) fn into_file(self) -> F {
        self.file
    }
}

/// What keeps the file from being written.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// Why the last write failed.
    pub(super) write: Option<String>,
    /// Why a sync failed since the last rewrite began.
    pub(super) sync: Option<String>,
    /// Why one had failed before, which the rewrite that runs makes good.
    pub(super) repaired: Option<String>,
    /// When a write was tried last, in monotonic milliseconds.
    pub(super) tried_ms: u64,
    /// When a failed write was last told, in monotonic milliseconds.
    pub(super) logged_ms: Option<u64>,
}

impl Trouble {
    /// What clients are told.
    pub(super) fn reason(&self) -> Option<&str> {
        let sync = self.sync.as_deref().or(self.repaired.as_deref());
        self.write.as_deref().or(sync)
    }

    /// Whether a sync has failed, so that what it was about has to be written anew.
    pub(super) fn has_lost_sync(&self) -> bool {
        self.sync.is_some()
    }

    /// What could not be written is not to be written any more.
    pub(super) fn forget_write(&mut self) {
        self.write = None;
        self.logged_ms = None;
    }

    /// A rewrite begins: the base will have all that was written before.
    pub(super) fn begin_repair(&mut self) {
        self.repaired = self.sync.take();
    }

    /// The rewrite has ended.
    pub(super) fn end_repair(&mut self, succeeded: bool) {
        let repaired = self.repaired.take();
        if !succeeded && self.sync.is_none() {
            self.sync = repaired;
        }
    }

    /// Whether a sync that succeeds does not say that all is on disk.
    pub(super) fn is_behind(&self) -> bool {
        self.sync.is_some() || self.repaired.is_some()
    }

    pub(super) fn may_log(&mut self, now_ms: u64) -> bool {
        let may = self.logged_ms.is_none_or(|at| now_ms > at + LOG_PERIOD_MS);
        if may {
            self.logged_ms = Some(now_ms);
        }
        may
    }
}

/// A write that came to an end before all was written.
pub(super) struct ShortWrite {
    pub(super) written: usize,
    pub(super) error: io::Error,
}

/// Writes all of it, or as much as can be written.
pub(super) fn write_all(file: &mut impl DiskFile, bytes: &[u8]) -> Result<(), ShortWrite> {
    let mut written = 0;
    while written < bytes.len() {
        let error = match file.write(&bytes[written..]) {
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(count) => {
                written += count;
                continue;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => e,
        };
        return Err(ShortWrite { written, error });
    }
    Ok(())
}
