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
        Replacement::by_way_of(path, ".tmp", text)
    }

    /// The same, where several processes may do so at once: each has a suffix of its own for the
    /// name of the file that is to take the place.
    pub fn by_way_of(path: &Path, suffix: &str, text: Bytes) -> Replacement<F> {
        let mut temporary = OsString::from(path);
        temporary.push(suffix);
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sys::disk::OsDisk;

    #[test]
    fn the_new_file_has_the_permissions_of_the_old_one_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let temporary = folder.path().join("file.tmp");
        let put = |text: &'static str| Replacement::new(&path, text.into()).run(&mut OsDisk);
        put("one").expect("it can be made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        // A process that was killed has left this.
        fs::write(&temporary, "half of something longer").expect("there is room");
        put("two").expect("it can be replaced");
        assert_eq!(fs::read(&path).expect("it is there"), b"two");
        let mode = fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!temporary.exists());
        let gone = folder.path().join("gone/file");
        assert!(
            Replacement::new(&gone, "x".into())
                .run(&mut OsDisk)
                .is_err()
        );
    }
}
