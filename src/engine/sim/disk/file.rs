//! Files of the disk in memory, and what becomes of their content.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::panic::resume_unwind;
use std::rc::Rc;

use super::{ProcessEnded, SimDisk};
use crate::base::disk::DiskFile;
use crate::base::rng::Rng;

/// What a file holds.
#[derive(Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    synced: Vec<u8>,
    /// What syncs that failed were about.
    lost: Vec<Range<usize>>,
    /// How many syncs have failed.
    failures: u64,
}

impl Content {
    /// A file that is on disk as it is.
    pub(super) fn stored(bytes: Vec<u8>) -> Content {
        Content {
            synced: bytes.clone(),
            bytes,
            ..Content::default()
        }
    }

    /// A file of which nothing is known to be on disk.
    pub(super) fn unsynced(bytes: Vec<u8>) -> Content {
        Content {
            bytes,
            ..Content::default()
        }
    }

    /// Nobody knows any more that anything was lost.
    pub(super) fn forget_lost(&mut self) {
        self.lost.clear();
    }

    /// Up to where all is on disk, or held to be.
    fn synced_len(&self) -> usize {
        self.synced.len().min(self.bytes.len())
    }

    /// A sync has failed that was about the first `len` bytes.
    fn lose(&mut self, len: usize) {
        log::debug!("a sync of {len} bytes fails");
        self.failures += 1;
        let lost = self.synced_len()..len;
        if !lost.is_empty() {
            self.synced = self.bytes[..len].to_vec();
            self.lost.push(lost);
        }
    }

    /// The machine has lost power.
    pub(super) fn lose_power(&mut self, rng: &mut Rng) {
        let common = self.synced_len();
        let unsynced = self.bytes.len() - common;
        let kept = rng.below(unsynced as u64 + 1) as usize;
        let mut bytes = self.synced.clone();
        let goes_on = self.lost.last().is_none_or(|lost| lost.end < common);
        if goes_on && self.bytes.starts_with(&bytes) {
            bytes.extend_from_slice(&self.bytes[common..common + kept]);
        }
        for lost in std::mem::take(&mut self.lost).into_iter().rev() {
            if lost.end >= bytes.len() {
                bytes.truncate(lost.start);
            } else {
                bytes[lost].fill(0);
            }
        }
        log::debug!("of {} bytes {} are kept", self.bytes.len(), bytes.len());
        self.synced.clone_from(&bytes);
        self.bytes = bytes;
    }
}

pub(super) type SharedContent = Rc<RefCell<Content>>;

/// An open file.
pub struct SimFile {
    disk: SimDisk,
    content: SharedContent,
    read_at: usize,
    /// Of how many failed syncs was told whoever shares this open file.
    told: Rc<Cell<u64>>,
}

/// A sync that another thread does: what it is about is what the file held when it began.
pub struct BegunSync {
    file: SimFile,
    len: usize,
    fails: bool,
}

impl BegunSync {
    /// Ends it: only now is anything on disk.
    pub fn end(self) -> io::Result<()> {
        let told = self.file.told.get();
        let content = &mut *self.file.content.borrow_mut();
        let len = self.len.min(content.bytes.len());
        if self.fails {
            self.file.disk.0.borrow_mut().refusals += 1;
            content.lose(len);
        } else if content.synced_len() < len || !content.bytes.starts_with(&content.synced) {
            log::debug!("{len} bytes are synced on another thread");
            content.synced = content.bytes[..len].to_vec();
        }
        self.file.told.set(content.failures);
        match content.failures > told {
            true => Err(ErrorKind::Other.into()),
            false => Ok(()),
        }
    }
}

impl SimFile {
    /// The same open file once more: what one is told of it, the other is not.
    pub fn duplicate(&self) -> SimFile {
        SimFile {
            disk: self.disk.clone(),
            content: Rc::clone(&self.content),
            read_at: self.read_at,
            told: Rc::clone(&self.told),
        }
    }

    pub(super) fn new(disk: &SimDisk, content: &SharedContent) -> SimFile {
        SimFile {
            disk: disk.clone(),
            content: Rc::clone(content),
            read_at: 0,
            told: Rc::new(Cell::new(content.borrow().failures)),
        }
    }

    fn spend(&self, bytes: usize) {
        let mut state = self.disk.0.borrow_mut();
        state.spent_us += bytes as u64 * state.us_per_kib / 1024;
    }

    /// Begins a sync that takes its time.
    pub fn begin_sync(self) -> BegunSync {
        let fails = (self.disk.0.borrow_mut()).fails(|state| &mut state.failing_syncs);
        let len = self.content.borrow().bytes.len();
        BegunSync {
            file: self,
            len,
            fails,
        }
    }
}

impl Read for SimFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = DiskFile::read_at(self, self.read_at as u64, into)?;
        self.read_at += count;
        Ok(count)
    }
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.disk.ends_process() {
            let half = &bytes[..bytes.len() / 2];
            self.content.borrow_mut().bytes.extend_from_slice(half);
            resume_unwind(Box::new(ProcessEnded));
        }
        let count = {
            let state = &mut *self.disk.0.borrow_mut();
            if state.happens_to_fail() {
                return state.refuse(ErrorKind::Other);
            }
            let count = state.room.unwrap_or(usize::MAX).min(bytes.len());
            if count == 0 && !bytes.is_empty() {
                return state.refuse(ErrorKind::StorageFull);
            }
            state.room = state.room.map(|room| room - count);
            count
        };
        self.spend(count);
        let taken = &bytes[..count];
        let content = &mut *self.content.borrow_mut();
        log::debug!("{count} bytes are written at {}", content.bytes.len());
        content.bytes.extend_from_slice(taken);
        Ok(count)
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
        if self.disk.ends_process() {
            resume_unwind(Box::new(ProcessEnded));
        }
        self.disk.0.borrow_mut().syncs += 1;
        let fails = (self.disk.0.borrow_mut()).fails(|state| &mut state.failing_syncs);
        let mut content = self.content.borrow_mut();
        self.spend(content.bytes.len() - content.synced_len());
        if fails {
            self.disk.0.borrow_mut().refusals += 1;
            let len = content.bytes.len();
            content.lose(len);
        } else {
            log::debug!("{} bytes are synced", content.bytes.len());
            content.synced = content.bytes.clone();
        }
        match self.told.replace(content.failures) < content.failures {
            true => Err(ErrorKind::Other.into()),
            false => Ok(()),
        }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.sync()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        if self.disk.0.borrow().unreadable {
            return self.disk.0.borrow_mut().refuse(ErrorKind::Other);
        }
        let content = self.content.borrow();
        let at = usize::try_from(at).map_err(|_| ErrorKind::FileTooLarge)?;
        let left = &content.bytes[at.min(content.bytes.len())..];
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        Ok(count)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| ErrorKind::FileTooLarge)?;
        let mut state = self.disk.begin_change()?;
        if state.fails(|state| &mut state.failing_cuts) {
            return state.refuse(ErrorKind::Other);
        }
        log::debug!("a file is cut to {len} bytes");
        let content = &mut *self.content.borrow_mut();
        let bytes = &mut content.bytes;
        let freed = bytes.len().saturating_sub(len);
        state.room = state.room.map(|room| room + freed);
        bytes.resize(len, 0);
        content.lost.retain_mut(|lost| {
            lost.end = lost.end.min(len);
            lost.start < lost.end
        });
        Ok(())
    }

    fn start_writeback(&mut self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn finish_writeback(&mut self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }
}
