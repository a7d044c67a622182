//! A disk in memory that keeps its promises and no more than them.
//!
//! A file has content that programs see, and the part of it that was synced; a folder has names
//! that programs see, and those that were synced; a folder is itself a name in the one above. A
//! process that dies loses neither; a machine that loses power keeps what was synced: of what was
//! written behind that any beginning may be there or not, and a file that was cut may be whole
//! again. Of the names that were changed since, it keeps the first so many changes, in their order.
//!
//! What else a disk may do:
//!
//! - It is full: a write takes what there is room for and says so, and the next one fails.
//! - It fails now and then, whatever it is asked ([`SimDisk::set_failing`]).
//! - A sync fails. What it was about is then held to be on disk, and is not: a later sync of the
//!   file succeeds, and when power is lost there are zeros in its place, or, if nothing behind it
//!   was synced, the file ends there.
//!   Whoever has the file open is told once ([`SimFile::sync`]), and those that share one open file
//!   are told once together.
//! - It takes its time.
//! - The process that uses it ends in the middle of it all ([`SimDisk::end_process_after`]).

mod file;

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub use file::{BegunSync, SimFile};
use file::{Content, SharedContent};

use crate::base::disk::Disk;
use crate::base::rng::Rng;

/// Which names there are.
#[derive(Clone, Default)]
struct Names {
    files: BTreeMap<PathBuf, SharedContent>,
    folders: BTreeSet<PathBuf>,
}

/// One name that is made or taken away.
enum Edit {
    File(PathBuf, SharedContent),
    NoFile(PathBuf),
    Folder(PathBuf),
}

impl Edit {
    fn is_in(&self, folder: &Path) -> bool {
        let (Edit::File(path, _) | Edit::NoFile(path) | Edit::Folder(path)) = self;
        path.parent() == Some(folder)
    }
}

impl Names {
    fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::File(path, content) => {
                self.files.insert(path.clone(), Rc::clone(content));
            }
            Edit::NoFile(path) => {
                self.files.remove(path);
            }
            Edit::Folder(path) => {
                self.folders.insert(path.clone());
            }
        }
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

/// How long a sync takes on another thread, in microseconds, if nobody says otherwise.
const SYNC_US: Range<u64> = 1..20_000;

/// The working folder.
const ROOT: &str = "/sim";

/// What a process meets that ends in the middle of a call: it unwinds with this.
pub struct ProcessEnded;

/// A disk that fails now and then.
struct Failing {
    rng: Rng,
    per_mille: u64,
}

#[derive(Default)]
struct State {
    names: Names,
    synced_names: Names,
    /// Changes of names since their folders were synced, in order; each happens as a whole.
    changes: Vec<Vec<Edit>>,
    /// How many bytes can be written yet, if that is limited.
    room: Option<usize>,
    failing: Option<Failing>,
    /// Files cannot be read.
    unreadable: bool,
    /// So many of the next syncs of files fail.
    failing_syncs: u64,
    /// So many of the next cuts fail.
    failing_cuts: u64,
    /// So many of the next syncs of folders fail, after so many that do not.
    failing_folder_syncs: u64,
    folder_syncs_before: u64,
    /// How often it has refused something.
    refusals: u64,
    /// How many changes may be made before the process ends.
    changes_left: Option<u64>,
    /// How long the disk takes for a kilobyte, in microseconds.
    us_per_kib: u64,
    /// How long a sync takes on another thread, in microseconds, if that is known.
    sync_us: Option<Range<u64>>,
    /// How many syncs of files have ended on the thread that asked for them.
    syncs: u64,
    /// How long it has kept its user waiting since somebody asked, in microseconds.
    spent_us: u64,
}

impl State {
    fn refuse<T>(&mut self, kind: ErrorKind) -> io::Result<T> {
        self.refusals += 1;
        Err(kind.into())
    }

    fn change(&mut self, edits: Vec<Edit>) {
        for edit in &edits {
            self.names.apply(edit);
        }
        self.changes.push(edits);
    }

    /// One of the calls that were chosen to fail, or one that happens to.
    fn fails(&mut self, chosen: impl Fn(&mut State) -> &mut u64) -> bool {
        let left = chosen(self);
        if *left > 0 {
            *left -= 1;
            return true;
        }
        self.happens_to_fail()
    }

    fn happens_to_fail(&mut self) -> bool {
        let failing = self.failing.as_mut();
        failing.is_some_and(|failing| failing.rng.below(1000) < failing.per_mille)
    }
}

/// See the module's head. A copy is the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Rc<RefCell<State>>);

impl SimDisk {
    /// Makes it full, or makes room.
    pub fn set_full(&self, full: bool) {
        self.set_room(full.then_some(0));
    }

    /// Leaves room for so many bytes, or for any number.
    pub fn set_room(&self, bytes: Option<usize>) {
        self.0.borrow_mut().room = bytes;
    }

    /// Of a thousand calls so many fail from now on.
    pub fn set_failing(&self, per_mille: u64, rng: Rng) {
        self.0.borrow_mut().failing = (per_mille > 0).then_some(Failing { rng, per_mille });
    }

    /// Has so many of the next syncs of files fail.
    pub fn fail_syncs(&self, count: u64) {
        self.0.borrow_mut().failing_syncs = count;
    }

    /// Has so many of the next cuts fail.
    pub fn fail_cuts(&self, count: u64) {
        self.0.borrow_mut().failing_cuts = count;
    }

    /// Has so many of the next syncs of folders fail.
    pub fn fail_folder_syncs(&self, count: u64) {
        self.fail_folder_syncs_but(0, count);
    }

    /// The same after so many that do not fail.
    pub fn fail_folder_syncs_but(&self, before: u64, count: u64) {
        let mut state = self.0.borrow_mut();
        state.folder_syncs_before = before;
        state.failing_folder_syncs = count;
    }

    /// Nothing can be read, or everything.
    pub fn set_unreadable(&self, unreadable: bool) {
        self.0.borrow_mut().unreadable = unreadable;
    }

    /// It does again whatever it is asked.
    pub fn mend(&self) {
        let mut state = self.0.borrow_mut();
        state.room = None;
        state.failing = None;
        state.unreadable = false;
        state.failing_syncs = 0;
        state.failing_cuts = 0;
        state.failing_folder_syncs = 0;
        state.folder_syncs_before = 0;
        state.sync_us = None;
        state.us_per_kib = 0;
    }

    /// How often it has refused to do something.
    pub fn refusals(&self) -> u64 {
        self.0.borrow().refusals
    }

    /// The process that uses it ends when it has made so many changes more, in the middle of the
    /// next one; or not at all.
    pub fn end_process_after(&self, changes: Option<u64>) {
        self.0.borrow_mut().changes_left = changes;
    }

    /// How long it takes for a kilobyte, in microseconds.
    pub fn set_speed(&self, us_per_kib: u64) {
        self.0.borrow_mut().us_per_kib = us_per_kib;
    }

    /// How long a sync takes on another thread, in microseconds.
    pub fn set_sync_time(&self, us: Range<u64>) {
        self.0.borrow_mut().sync_us = Some(us);
    }

    /// How long a sync takes on another thread now, in microseconds.
    pub fn sync_us(&self, rng: &mut Rng) -> u64 {
        let us = self.0.borrow().sync_us.clone().unwrap_or(SYNC_US);
        us.start + rng.below(us.end - us.start)
    }

    /// How many syncs of files have ended on the thread that asked for them.
    pub fn syncs(&self) -> u64 {
        self.0.borrow().syncs
    }

    /// How long it has kept its user waiting since the last call, in microseconds.
    pub fn take_spent_us(&self) -> u64 {
        std::mem::take(&mut self.0.borrow_mut().spent_us)
    }

    /// The machine loses power.
    pub fn lose_power(&self, rng: &mut Rng) {
        let state = &mut *self.0.borrow_mut();
        let kept = rng.below(state.changes.len() as u64 + 1) as usize;
        for edit in state.changes.drain(..).take(kept).flatten() {
            state.synced_names.apply(&edit);
        }
        state.names = state.synced_names.clone();
        state.names.drop_orphans();
        state.synced_names = state.names.clone();
        for content in state.names.files.values() {
            content.borrow_mut().lose_power(rng);
        }
    }

    /// Another process begins to use it, which cannot know what syncs of the one before it have
    /// lost. No program can make that good, so nothing is held to be lost any more.
    pub fn forget_lost_syncs(&self) {
        let state = self.0.borrow();
        for content in state.names.files.values() {
            content.borrow_mut().forget_lost();
        }
    }

    /// Puts a whole file in place, durably, as a child that has done its work does.
    pub fn store(&self, path: &Path, bytes: Vec<u8>) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        if state.room.is_some_and(|room| room < bytes.len()) {
            return state.refuse(ErrorKind::StorageFull);
        }
        if state.fails(|state| &mut state.failing_syncs) {
            return state.refuse(ErrorKind::Other);
        }
        drop(state);
        self.put(path, bytes, true);
        Ok(())
    }

    /// What programs see in a file.
    ///
    /// # Panics
    ///
    /// There is no such file.
    pub fn content(&self, path: &Path) -> Vec<u8> {
        let state = self.0.borrow();
        let content = state.names.files.get(path).expect("there is such a file");
        content.borrow().bytes.clone()
    }

    /// Puts a file there that some earlier process has left.
    pub fn put(&self, path: &Path, bytes: Vec<u8>, is_synced: bool) {
        let state = &mut *self.0.borrow_mut();
        let content = match is_synced {
            true => Content::stored(bytes),
            false => Content::unsynced(bytes),
        };
        let edit = Edit::File(path.to_owned(), Rc::new(RefCell::new(content)));
        state.names.apply(&edit);
        state.synced_names.apply(&edit);
    }

    /// Begins to change something, if the process lives that long and the disk does it.
    fn begin_change(&self) -> io::Result<RefMut<'_, State>> {
        if self.ends_process() {
            resume_unwind(Box::new(ProcessEnded));
        }
        let mut state = self.0.borrow_mut();
        match state.happens_to_fail() {
            false => Ok(state),
            true => state.refuse(ErrorKind::Other),
        }
    }

    /// Whether the process ends at this change.
    fn ends_process(&self) -> bool {
        let left = &mut self.0.borrow_mut().changes_left;
        match left {
            None => false,
            Some(0) => {
                *left = None;
                true
            }
            Some(count) => {
                *count -= 1;
                false
            }
        }
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
        let mut state = self.begin_change()?;
        if state.names.folders.contains(path) {
            return Err(ErrorKind::IsADirectory.into());
        }
        if !state.names.has_folder_of(path) {
            return Err(ErrorKind::NotFound.into());
        }
        if let Some(content) = state.names.files.get(path) {
            content.borrow_mut().bytes.clear();
            return Ok(SimFile::new(self, content));
        }
        let content = SharedContent::default();
        state.change(vec![Edit::File(path.to_owned(), Rc::clone(&content))]);
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
        let mut state = self.begin_change()?;
        if state.names.folders.contains(path) {
            return Ok(());
        }
        if state.names.files.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if !state.names.has_folder_of(path) {
            return Err(ErrorKind::NotFound.into());
        }
        if state.room == Some(0) {
            return state.refuse(ErrorKind::StorageFull);
        }
        state.change(vec![Edit::Folder(path.to_owned())]);
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
        let mut state = self.begin_change()?;
        if !state.names.has_folder_of(to) {
            return Err(ErrorKind::NotFound.into());
        }
        let content = state.names.files.get(from).ok_or(ErrorKind::NotFound)?;
        let content = Rc::clone(content);
        let gone = Edit::NoFile(from.to_owned());
        state.change(vec![gone, Edit::File(to.to_owned(), content)]);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let mut state = self.begin_change()?;
        if !state.names.files.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        state.change(vec![Edit::NoFile(path.to_owned())]);
        Ok(())
    }

    fn sync_folder_of(&mut self, path: &Path) -> io::Result<()> {
        let state = &mut *self.begin_change()?;
        if state.folder_syncs_before > 0 {
            state.folder_syncs_before -= 1;
        } else if state.fails(|state| &mut state.failing_folder_syncs) {
            return state.refuse(ErrorKind::Other);
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        // One that concerns another folder, too, happens in both.
        let is_due = |edits: &mut Vec<Edit>| edits.iter().any(|edit| edit.is_in(folder));
        for edit in state.changes.extract_if(.., is_due).flatten() {
            state.synced_names.apply(&edit);
        }
        Ok(())
    }

    fn working_folder(&self) -> PathBuf {
        PathBuf::from(ROOT)
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
