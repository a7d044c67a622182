//! A snapshot that arrives from our master and is stored before it is loaded.
//!
//! It is written to a temporary file, sent to disk while it grows so that the end does not have to
//! wait for all of it, and put in the place of our snapshot file only when it is whole. One that
//! is given up takes its file with it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file is sent to disk in pieces of this size.
const SYNC_BYTES: u64 = 8 * 1024 * 1024;

/// See the module's head.
pub struct Incoming {
    file: File,
    path: PathBuf,
    written: u64,
    synced: u64,
    stored: bool,
}

impl Incoming {
    /// An empty file in the working directory.
    pub fn create(now_unix_s: i64) -> io::Result<Incoming> {
        let path = PathBuf::from(format!("temp-{now_unix_s}.{}.rdb", std::process::id()));
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(Incoming {
            file,
            path,
            written: 0,
            synced: 0,
            stored: false,
        })
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        if self.written - self.synced >= SYNC_BYTES {
            crate::sys::writeback::start(&self.file, self.synced..self.written)?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// Makes the file durable and puts it in the place of `target`. Returns the file that was
    /// there: closing it frees its blocks, which takes time.
    pub fn store(mut self, target: &Path) -> io::Result<Option<File>> {
        self.file.sync_all()?;
        let old = File::open(target).ok();
        fs::rename(&self.path, target)?;
        self.stored = true;
        // The name becomes durable with the folder; a crash before that only costs another sync.
        File::open(".")?.sync_all()?;
        Ok(old)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.stored {
            let _ = fs::remove_file(&self.path);
        }
    }
}
