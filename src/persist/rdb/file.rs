//! Snapshots as files: written beside the old one and put in its place, read slice by slice.
//!
//! A save never touches the file that is there until the new one is complete and on disk:
//!
//! ```text
//! create temp-PID.rdb → write → fsync → rename over the old file → fsync the folder
//! ```
//!
//! So whatever fails, or kills the process, leaves the old file whole, and at worst a temporary
//! file that [`remove_temporary`] takes away. The server itself and its forked child save through
//! the same [`save`].
//!
//! [`FileLoader`] reads a file in steps of a given number of bytes, so that a server that loads can
//! answer its clients between two steps.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::decoder::DecoderOptions;
use super::error::RdbError;
use super::load::{Sink, StreamLoader};
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;

/// A growing file is sent to disk in pieces of this size (`rdb-save-incremental-fsync`).
const WRITEBACK_BYTES: u64 = 4 * 1024 * 1024;
/// A file is read in pieces of at most this size.
const READ_BYTES: usize = 1024 * 1024;

/// Which step of a save failed, and why.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum SaveError {
    #[error(
        "Failed opening the temp RDB file {} (in server root dir {}) for saving: {}",
        temporary.display(), folder.display(), os_text(source)
    )]
    Create {
        temporary: PathBuf,
        folder: PathBuf,
        source: io::Error,
    },
    #[error("Write error while saving DB to the disk(rdbSaveRio): {}", os_text(.0))]
    Write(io::Error),
    #[error("Write error while saving DB to the disk(fsync): {}", os_text(.0))]
    Sync(io::Error),
    #[error(
        "Error moving temp DB file {} on the final destination {} (in server root dir {}): {}",
        temporary.display(), target.display(), folder.display(), os_text(source)
    )]
    Rename {
        temporary: PathBuf,
        target: PathBuf,
        folder: PathBuf,
        source: io::Error,
    },
    #[error("Failed to fsync directory while saving DB: {}", os_text(.0))]
    SyncFolder(io::Error),
}

/// The file that process `pid` writes before it becomes `target`.
pub fn temporary_path(target: &Path, pid: u32) -> PathBuf {
    target.with_file_name(format!("temp-{pid}.rdb"))
}

/// Takes away what a child that was killed has left of the file that it was to put at `target`.
pub fn remove_temporary(disk: &mut impl Disk, target: &Path, pid: u32) {
    // Nothing is lost if it cannot be removed, or was never made.
    let _ = disk.remove(&temporary_path(target, pid));
}

/// A file being saved.
pub struct SaveFile<F> {
    file: F,
    written: u64,
    /// Up to where the kernel was asked to write it to disk; none if it is left to itself.
    started: Option<u64>,
}

impl<F: DiskFile> SaveFile<F> {
    fn write_back(&mut self) -> io::Result<()> {
        let Some(started) = &mut self.started else {
            return Ok(());
        };
        if self.written - *started < WRITEBACK_BYTES {
            return Ok(());
        }
        self.file.start_writeback(*started..self.written)?;
        // Waiting for the piece before this one bounds what is dirty to two pieces.
        let before = started.saturating_sub(WRITEBACK_BYTES)..*started;
        *started = self.written;
        if before.is_empty() {
            return Ok(());
        }
        self.file.finish_writeback(before)
    }
}

impl<F: DiskFile> Write for SaveFile<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        self.write_back()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes `target` what `write` writes, wholly or not at all, by way of `temporary` in the same
/// folder; with `incremental_sync` the file goes to disk while it grows. Returns its length.
pub fn save<D: Disk>(
    disk: &mut D,
    temporary: &Path,
    target: &Path,
    incremental_sync: bool,
    write: impl FnOnce(SaveFile<D::File>) -> io::Result<SaveFile<D::File>>,
) -> Result<u64, SaveError> {
    let written = write_temporary(disk, temporary, incremental_sync, write).and_then(|written| {
        match disk.rename(temporary, target) {
            Ok(()) => Ok(written),
            Err(source) => Err(SaveError::Rename {
                temporary: temporary.to_owned(),
                target: target.to_owned(),
                folder: disk.working_folder(),
                source,
            }),
        }
    });
    if written.is_err() {
        // Nothing is lost if it cannot be removed, or was never made.
        let _ = disk.remove(temporary);
    }
    let written = written?;
    disk.sync_folder_of(target).map_err(SaveError::SyncFolder)?;
    Ok(written)
}

fn write_temporary<D: Disk>(
    disk: &mut D,
    temporary: &Path,
    incremental_sync: bool,
    write: impl FnOnce(SaveFile<D::File>) -> io::Result<SaveFile<D::File>>,
) -> Result<u64, SaveError> {
    let created = disk.create(temporary);
    let file = created.map_err(|source| SaveError::Create {
        temporary: temporary.to_owned(),
        folder: disk.working_folder(),
        source,
    })?;
    let started = incremental_sync.then_some(0);
    let saved = write(SaveFile {
        file,
        written: 0,
        started,
    });
    let mut saved = saved.map_err(SaveError::Write)?;
    saved.file.sync().map_err(SaveError::Sync)?;
    Ok(saved.written)
}

/// Why a file cannot be loaded.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum LoadError {
    #[error("{}", os_text(.0))]
    Io(io::Error),
    #[error(transparent)]
    Rdb(#[from] RdbError),
}

/// How far a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadProgress {
    /// There is more to read.
    More,
    /// The end was reached, and all is well.
    Finished,
}

/// Loads a file, a few bytes at a time.
pub struct FileLoader<F> {
    file: F,
    total: u64,
    buffer: Vec<u8>,
    loader: StreamLoader,
}

impl<F: DiskFile> FileLoader<F> {
    /// Opens a file.
    pub fn open<D>(disk: &mut D, path: &Path, options: DecoderOptions) -> io::Result<FileLoader<F>>
    where
        D: Disk<File = F>,
    {
        let file = disk.open(path)?;
        let total = file.size()?;
        Ok(FileLoader {
            file,
            total,
            buffer: vec![0; READ_BYTES],
            loader: StreamLoader::new(DecoderOptions {
                stream_bytes: Some(total),
                ..options
            }),
        })
    }

    /// Loads about `budget` bytes (at least one read) into `sink`.
    pub fn step(&mut self, budget: usize, sink: &mut impl Sink) -> Result<LoadProgress, LoadError> {
        let mut left = budget.max(1);
        while left > 0 {
            let wanted = left.min(READ_BYTES);
            let count = match self.file.read(&mut self.buffer[..wanted]) {
                Ok(0) => return Err(self.loader.unexpected_end().into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(LoadError::Io(error)),
            };
            self.loader.push(&self.buffer[..count], sink)?;
            if self.loader.is_done() {
                return Ok(LoadProgress::Finished);
            }
            left -= count;
        }
        Ok(LoadProgress::More)
    }

    /// Bytes read so far.
    pub fn loaded(&self) -> u64 {
        self.loader.offset()
    }

    /// Bytes in the file when it was opened.
    pub fn total(&self) -> u64 {
        self.total
    }
}
