//! A file that takes the place of another, wholly or not at all.
//!
//! The steps are those that [`super::disk`] names. They are made one by one, so that whoever makes
//! them may let time pass in between, or end there: whatever happens, and whenever, the file is the
//! old one or the new one.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::disk::{Disk, DiskFile};

/// What is to be done next.
enum Step<F> {
    Write,
    Sync(F),
    Rename,
    SyncFolder,
}

/// See the module's head.
pub struct Replacement<F> {
    path: PathBuf,
    temporary: PathBuf,
    text: Bytes,
    next: Step<F>,
}

impl<F: DiskFile> Replacement<F> {
    /// Puts this text in place of the file at `path`.
    pub fn new(path: &Path, text: Bytes) -> Replacement<F> {
        // One name for all: what a process has left that was killed is not left for ever.
        let mut temporary = OsString::from(path);
        temporary.push(".tmp");
        Replacement {
            path: path.to_owned(),
            temporary: temporary.into(),
            text,
            next: Step::Write,
        }
    }

    /// Makes the next step. Whether it was the last one.
    ///
    /// # Errors
    ///
    /// Those of the disk. What is at the path is whole all the same; if only its name could not be
    /// made durable, it is the new file.
    pub fn step(&mut self, disk: &mut impl Disk<File = F>) -> io::Result<bool> {
        let made = self.try_step(disk);
        if made.is_err() && !matches!(self.next, Step::SyncFolder) {
            let _ = disk.remove(&self.temporary);
        }
        made
    }

    /// Makes all steps.
    ///
    /// # Errors
    ///
    /// As [`Replacement::step`].
    pub fn run(mut self, disk: &mut impl Disk<File = F>) -> io::Result<()> {
        while !self.step(disk)? {}
        Ok(())
    }

    fn try_step(&mut self, disk: &mut impl Disk<File = F>) -> io::Result<bool> {
        match &mut self.next {
            Step::Write => {
                if disk.exists(&self.temporary)? {
                    disk.remove(&self.temporary)?;
                }
                let mut file = disk.create_like(&self.temporary, &self.path)?;
                file.write_all(&self.text)?;
                self.next = Step::Sync(file);
            }
            Step::Sync(file) => {
                file.sync()?;
                self.next = Step::Rename;
            }
            Step::Rename => {
                disk.rename(&self.temporary, &self.path)?;
                self.next = Step::SyncFolder;
            }
            Step::SyncFolder => {
                disk.sync_folder_of(&self.path)?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
