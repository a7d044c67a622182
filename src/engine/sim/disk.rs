//! A disk in memory that keeps its promises and no more than them.
//!
//! A file has content that programs see, and the part of it that was synced; a folder has names
//! that programs see, and those that were synced; a folder is itself a name in the one above. A
//! process that dies loses neither; a machine that loses power keeps what was synced: of what was
//! written behind that any beginning may be there or not, and a file that was cut may be whole
//! again. A disk may be full, and it takes its time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
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

/// Which names there are.
#[derive(Clone, Default)]
struct Names {
    files: BTreeMap<PathBuf, SharedContent>,
    folders: BTreeSet<PathBuf>,
}

impl Names {
    /// Makes the names in `folder` those that they are in `now`.
    fn take_over(&mut self, folder: &Path, now: &Names) {
        let is_in_it = |path: &Path| path.parent() == Some(folder);
        self.files.retain(|path, _| !is_in_it(path));
        self.folders.retain(|path| !is_in_it(path));
        let files = now.files.iter().filter(|(path, _)| is_in_it(path));
        self.files
            .extend(files.map(|(path, content)| (path.clone(), Rc::clone(content))));
        let folders = now.folders.iter().filter(|path| is_in_it(path));
        self.folders.extend(folders.cloned());
    }

    /// Whether a name can be made: the folder that it is to stand in is there. The working folder
    /// always is.
    fn has_folder_of(&self, path: &Path) -> bool {
        path.parent().is_some_and(|folder| {
            folder == Path::new("") || folder == Path::new(ROOT) || self.folders.contains(folder)
        })
    }

    /// Loses the files of folders that are not there.
    fn drop_orphans(&mut self) {
        let names = self.clone();
        self.files.retain(|path, _| names.has_folder_of(path));
    }
}

/// The working folder.
const ROOT: &str = "/sim";

#[derive(Default)]
struct State {
    names: Names,
    synced_names: Names,
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
        state.names.drop_orphans();
        state.synced_names = state.names.clone();
        for content in state.names.files.values() {
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
        state
            .names
            .files
            .insert(path.to_owned(), Rc::clone(&content));
        state.synced_names.files.insert(path.to_owned(), content);
        Ok(())
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn open(&mut self, path: &Path) -> io::Result<SimFile> {
        let state = self.0.borrow();
        let content = state.names.files.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(SimFile::new(self, content))
    }

    fn create(&mut self, path: &Path) -> io::Result<SimFile> {
        let content = SharedContent::default();
        let names = &mut self.0.borrow_mut().names;
        if names.folders.contains(path) {
            return Err(ErrorKind::IsADirectory.into());
        }
        if !names.has_folder_of(path) {
            return Err(ErrorKind::NotFound.into());
        }
        names.files.insert(path.to_owned(), Rc::clone(&content));
        Ok(SimFile::new(self, &content))
    }

    fn create_new(&mut self, path: &Path) -> io::Result<SimFile> {
        if self.exists(path)? {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.create(path)
    }

    fn open_append(&mut self, path: &Path) -> io::Result<SimFile> {
        match self.open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => self.create(path),
            opened => opened,
        }
    }

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        let names = &self.0.borrow().names;
        Ok(names.files.contains_key(path) || names.folders.contains(path))
    }

    fn is_file(&mut self, path: &Path) -> bool {
        self.0.borrow().names.files.contains_key(path)
    }

    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        if state.names.folders.contains(path) {
            return Ok(());
        }
        if state.names.files.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if !state.names.has_folder_of(path) {
            return Err(ErrorKind::NotFound.into());
        }
        if state.full {
            return Err(ErrorKind::StorageFull.into());
        }
        state.names.folders.insert(path.to_owned());
        Ok(())
    }

    fn files_in(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let names = &self.0.borrow().names;
        if folder != Path::new("") && !names.folders.contains(folder) {
            return Err(ErrorKind::NotFound.into());
        }
        let files = names.files.keys();
        Ok(files
            .filter(|path| path.parent() == Some(folder))
            .cloned()
            .collect())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let names = &mut self.0.borrow_mut().names;
        if !names.has_folder_of(to) {
            return Err(ErrorKind::NotFound.into());
        }
        let content = names.files.remove(from).ok_or(ErrorKind::NotFound)?;
        names.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let removed = self.0.borrow_mut().names.files.remove(path);
        removed.map(drop).ok_or(ErrorKind::NotFound.into())
    }

    fn sync_folder_of(&mut self, path: &Path) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        let folder = path.parent().unwrap_or(Path::new(""));
        state.synced_names.take_over(folder, &state.names);
        Ok(())
    }

    fn working_folder(&self) -> PathBuf {
        PathBuf::from(ROOT)
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

    fn sync_data(&mut self) -> io::Result<()> {
        self.sync()
    }

    fn duplicate(&self) -> io::Result<SimFile> {
        Ok(SimFile {
            disk: self.disk.clone(),
            content: Rc::clone(&self.content),
            read_at: self.read_at,
        })
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| ErrorKind::FileTooLarge)?;
        self.content.borrow_mut().bytes.resize(len, 0);
        Ok(())
    }

    fn start_writeback(&mut self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn finish_writeback(&mut self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::aof::folder::{load_manifest, persist_manifest};
    use crate::persist::aof::manifest::Manifest;

    fn content(disk: &mut SimDisk, path: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        disk.open(Path::new(path))
            .ok()?
            .read_to_end(&mut bytes)
            .unwrap();
        Some(bytes)
    }

    #[test]
    fn a_file_opened_to_append_keeps_what_it_holds_and_can_be_cut() {
        let mut disk = SimDisk::default();
        let path = Path::new("log");
        disk.open_append(path).unwrap().write_all(b"hello").unwrap();
        let mut file = disk.open_append(path).unwrap();
        file.write_all(b" world").unwrap();
        file.truncate(4).unwrap();
        file.write_all(b"!").unwrap();
        assert_eq!(content(&mut disk, "log").unwrap(), b"hell!");
    }

    #[test]
    fn a_folder_lives_through_a_power_loss_when_the_one_above_it_was_synced() {
        for synced in [false, true] {
            let mut disk = SimDisk::default();
            let (folder, path) = (Path::new("logs"), Path::new("logs/one"));
            assert_eq!(disk.create(path).err().unwrap().kind(), ErrorKind::NotFound);
            disk.create_folder(folder).unwrap();
            disk.create_folder(folder).unwrap();
            let mut file = disk.create(path).unwrap();
            file.write_all(b"x").unwrap();
            file.sync().unwrap();
            disk.sync_folder_of(path).unwrap();
            if synced {
                disk.sync_folder_of(folder).unwrap();
            }
            assert_eq!(disk.files_in(folder).unwrap(), [path]);
            disk.lose_power(&mut Rng::from_seed(1));
            assert_eq!(disk.exists(folder).unwrap(), synced);
            assert_eq!(disk.exists(path).unwrap(), synced);
        }
    }

    #[test]
    fn a_manifest_outlives_a_power_loss_once_it_is_persisted() {
        let folder = Path::new("logs");
        let mut rng = Rng::from_seed(7);
        let mut disk = SimDisk::default();
        disk.create_folder(folder).unwrap();
        disk.sync_folder_of(folder).unwrap();
        let mut manifest = Manifest::default();
        for _ in 0..50 {
            let before = manifest.clone();
            manifest.start_increment(b"log");
            disk.set_full(rng.below(3) == 0);
            let persisted = persist_manifest(&mut disk, folder, b"log", &mut manifest);
            disk.lose_power(&mut rng);
            let found = load_manifest(&mut disk, folder, b"log").unwrap();
            if persisted.is_err() {
                manifest = before;
            }
            assert_eq!(found.unwrap_or_default(), manifest);
        }
        assert!(manifest.increments().len() > 10);
    }
}
