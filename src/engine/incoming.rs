//! A snapshot that arrives from our master and is stored before it is loaded.
//!
//! It is written to a temporary file, sent to disk while it grows so that the end does not have to
//! wait for all of it, and put in the place of our snapshot file only when it is whole. One that
//! is given up takes its file with it ([`Incoming::discard`]).

use std::io;
use std::path::{Path, PathBuf};

use crate::base::disk::{Disk, DiskFile};
use crate::base::time::Now;
use crate::persist::rdb::head;

/// The file is sent to disk in pieces of this size.
const SYNC_BYTES: u64 = 8 * 1024 * 1024;

/// See the module's head.
pub struct Incoming<F> {
    file: F,
    path: PathBuf,
    written: u64,
    synced: u64,
}

impl<F: DiskFile> Incoming<F> {
    /// An empty file in the working directory.
    pub fn create<D>(disk: &mut D, now: Now, pid: u32) -> io::Result<Incoming<F>>
    where
        D: Disk<File = F>,
    {
        let path = PathBuf::from(format!("temp-{}.{pid}.rdb", now.unix_s()));
        let file = disk.create_new(&path)?;
        Ok(Incoming {
            file,
            path,
            written: 0,
            synced: 0,
        })
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        if self.written - self.synced >= SYNC_BYTES {
            self.file.start_writeback(self.synced..self.written)?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// Whether there is a key in the file, which is whole.
    pub fn holds_key<D>(&self, disk: &mut D) -> io::Result<bool>
    where
        D: Disk<File = F>,
    {
        head::holds_key(disk.open(&self.path)?)
    }

    /// Makes the file durable and puts it in the place of `target`. Returns the file that was
    /// there: closing it frees its blocks, which takes time.
    pub fn store<D>(mut self, disk: &mut D, target: &Path) -> io::Result<Option<F>>
    where
        D: Disk<File = F>,
    {
        let stored = self.file.sync().and_then(|()| {
            let old = disk.open(target).ok();
            disk.rename(&self.path, target)?;
            Ok(old)
        });
        match stored {
            Ok(old) => {
                // The name becomes durable with the folder; a crash before that only costs
                // another sync.
                disk.sync_folder_of(target)?;
                Ok(old)
            }
            Err(e) => {
                self.discard(disk);
                Err(e)
            }
        }
    }

    /// Gives the snapshot up.
    pub fn discard<D>(self, disk: &mut D)
    where
        D: Disk<File = F>,
    {
        // Nothing is lost if it cannot be removed.
        let _ = disk.remove(&self.path);
    }
}
