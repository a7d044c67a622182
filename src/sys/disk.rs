//! The disk of this machine.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::writeback;
use crate::base::disk::{Disk, DiskFile};

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

    fn start_writeback(&mut self, range: Range<u64>) -> io::Result<()> {
        writeback::start(self, range)
    }

    fn finish_writeback(&mut self, range: Range<u64>) -> io::Result<()> {
        writeback::finish(self, range)
    }
}
