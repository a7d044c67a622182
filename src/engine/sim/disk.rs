//! A disk in memory that keeps its promises and no more than them.
//!
//! A file has content that programs see, and the part of it that was synced; a folder has names
//! that programs see, and those that were synced. A process that dies loses neither; a machine
//! that loses power keeps what was synced: of the rest of a file any beginning may be there or
//! not. A disk may be full, and it takes its time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::base::disk::{Disk, DiskFile};
use crate::base::rng::Rng;

/// What a file holds.
#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

type SharedContent = Rc<RefCell<Content>>;

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, SharedContent>,
    synced_names: BTreeMap<PathBuf, SharedContent>,
    /// Nothing can be written any more.
    full: bool,
    /// How long the disk takes for a kilobyte, in microseconds.
    us_per_kib: u64,
    /// How long it has kept its user waiting since somebody asked, in microseconds.
    spent_us: u64,
}

/// See the module's head. A copy is the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Rc<RefCell<State>>);

impl SimDisk {
    /// Makes it full, or makes room.
    pub fn set_full(&self, full: bool) {
        self.0.borrow_mut().full = full;
    }

    /// How long it takes for a kilobyte, in microseconds.
    pub fn set_speed(&self, us_per_kib: u64) {
        self.0.borrow_mut().us_per_kib = us_per_kib;
    }

    /// How long it has kept its user waiting since the last call, in microseconds.
    pub fn take_spent_us(&self) -> u64 {
        std::mem::take(&mut self.0.borrow_mut().spent_us)
    }

    /// The machine loses power.
    pub fn lose_power(&self, rng: &mut Rng) {
        let mut state = self.0.borrow_mut();
        state.names = state.synced_names.clone();
        for content in state.names.values() {
            let mut content = content.borrow_mut();
            let common = content.synced.len().min(content.bytes.len());
            let unsynced = content.bytes.len() - common;
            let kept = rng.below(unsynced as u64 + 1) as usize;
            let mut bytes = content.synced.clone();
            if content.bytes.starts_with(&bytes) {
                bytes.extend_from_slice(&content.bytes[common..common + kept]);
            }
            content.synced.clone_from(&bytes);
            content.bytes = bytes;
        }
    }

    /// Puts a whole file in place, durably, as a child that has done its work does.
    pub fn store(&self, path: &Path, bytes: Vec<u8>) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        if state.full {
            return Err(ErrorKind::StorageFull.into());
        }
        let synced = bytes.clone();
        let content = Rc::new(RefCell::new(Content { bytes, synced }));
        state.names.insert(path.to_owned(), Rc::clone(&content));
        state.synced_names.insert(path.to_owned(), content);
        Ok(())
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn open(&mut self, path: &Path) -> io::Result<SimFile> {
        let state = self.0.borrow();
        let content = state.names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(SimFile::new(self, content))
    }

    fn create(&mut self, path: &Path) -> io::Result<SimFile> {
        let content = SharedContent::default();
        let names = &mut self.0.borrow_mut().names;
        names.insert(path.to_owned(), Rc::clone(&content));
        Ok(SimFile::new(self, &content))
    }

    fn create_new(&mut self, path: &Path) -> io::Result<SimFile> {
        if self.0.borrow().names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.create(path)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let names = &mut self.0.borrow_mut().names;
        let content = names.remove(from).ok_or(ErrorKind::NotFound)?;
        names.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let removed = self.0.borrow_mut().names.remove(path);
        removed.map(drop).ok_or(ErrorKind::NotFound.into())
    }

    fn sync_folder_of(&mut self, _: &Path) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        state.synced_names = state.names.clone();
        Ok(())
    }

    fn working_folder(&self) -> PathBuf {
        PathBuf::from("/sim")
    }
}

/// An open file.
pub struct SimFile {
    disk: SimDisk,
    content: SharedContent,
    read_at: usize,
}

impl SimFile {
    fn new(disk: &SimDisk, content: &SharedContent) -> SimFile {
        SimFile {
            disk: disk.clone(),
            content: Rc::clone(content),
            read_at: 0,
        }
    }

    fn spend(&self, bytes: usize) {
        let mut state = self.disk.0.borrow_mut();
        state.spent_us += bytes as u64 * state.us_per_kib / 1024;
    }
}

impl Read for SimFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let content = self.content.borrow();
        let left = &content.bytes[self.read_at.min(content.bytes.len())..];
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        self.read_at += count;
        Ok(count)
    }
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.disk.0.borrow().full {
            return Err(ErrorKind::StorageFull.into());
        }
        self.spend(bytes.len());
        self.content.borrow_mut().bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.content.borrow().bytes.len() as u64)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut content = self.content.borrow_mut();
        self.spend(content.bytes.len() - content.synced.len().min(content.bytes.len()));
        content.synced = content.bytes.clone();
        Ok(())
    }

    fn start_writeback(&mut self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn finish_writeback(&mut self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }
}
