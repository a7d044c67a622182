//! The disk of this machine.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::writeback;
use crate::base::disk::{Disk, DiskFile};

/// Permissions, less the umask, of a file that takes the place of none.
const LIKE_NOTHING_MODE: u32 = 0o644;

/// Files as the operating system has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    type File = File;

    fn open(&mut self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn create(&mut self, path: &Path) -> io::Result<File> {
        File::create(path)
    }

    fn create_new(&mut self, path: &Path) -> io::Result<File> {
        File::options().write(true).create_new(true).open(path)
    }

    fn create_like(&mut self, path: &Path, model: &Path) -> io::Result<File> {
        let mut options = File::options();
        options.write(true).create_new(true).mode(LIKE_NOTHING_MODE);
        let file = options.open(path)?;
        match fs::metadata(model) {
            Ok(metadata) => file.set_permissions(metadata.permissions())?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        Ok(file)
    }

    fn open_append(&mut self, path: &Path) -> io::Result<File> {
        File::options().append(true).create(true).open(path)
    }

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn is_file(&mut self, path: &Path) -> bool {
        path.is_file()
    }

    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            result => result,
        }
    }

    fn files_in(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        // Nothing stands for the working directory, and stays so in the paths.
        let is_working = folder.as_os_str().is_empty();
        let read = if is_working { Path::new(".") } else { folder };
        for entry in fs::read_dir(read)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                files.push(folder.join(entry.file_name()));
            }
        }
        Ok(files)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder_of(&mut self, path: &Path) -> io::Result<()> {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match File::open(folder)?.sync_all() {
            // Some file systems know no fsync of a folder; there is nothing more to be done then.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }

    fn working_folder(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("unknown"))
    }
}

impl DiskFile for File {
    fn size(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn sync_data(&mut self) -> io::Result<()> {
        match File::sync_data(self) {
            // What is no file on a disk cannot be synced, and need not be.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, into, at)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn start_writeback(&mut self, range: Range<u64>) -> io::Result<()> {
        writeback::start(self, range)
    }

    fn finish_writeback(&mut self, range: Range<u64>) -> io::Result<()> {
        writeback::finish(self, range)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_opened_to_append_keeps_what_it_holds_and_can_be_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut disk = OsDisk;
        assert!(!disk.exists(&path).unwrap());
        disk.open_append(&path)
            .unwrap()
            .write_all(b"hello")
            .unwrap();
        let mut file = disk.open_append(&path).unwrap();
        file.write_all(b" world").unwrap();
        file.truncate(4).unwrap();
        file.write_all(b"!").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"hell!");
        assert!(disk.exists(&path).unwrap());
    }

    #[test]
    fn a_folder_is_made_once_and_never_in_place_of_a_file() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("logs");
        let mut disk = OsDisk;
        disk.create_folder(&folder).unwrap();
        disk.create_folder(&folder).unwrap();
        let file = folder.join("one");
        fs::write(&file, b"").unwrap();
        disk.create_folder(&folder.join("inner")).unwrap();
        assert_eq!(disk.files_in(&folder).unwrap(), std::slice::from_ref(&file));
        let refused = disk.create_folder(&file).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    }
}
