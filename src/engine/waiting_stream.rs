//! What our master has sent of its stream and cannot be run yet, beyond what is kept in memory.
//!
//! While a snapshot is loaded, or a pause holds the stream back, our master writes on. What we do
//! not read waits there, and a master that has a limit for that drops us: the sync begins anew, and
//! takes as long as before. So we read on, and what is more than `repl-sync-memory` goes to disk,
//! up to `repl-spill-max-size`. When the disk is full or fails, no more is read, and the rest waits
//! at our master.
//!
//! Order is everything here: as long as anything waits on disk, all that comes goes behind it.

use std::io;

use super::spool::{Kind, Spool};
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;

/// Bytes read back at once.
const PIECE_BYTES: usize = 1024 * 1024;

/// See the module's head.
pub struct WaitingStream<F> {
    spool: Spool<F>,
    /// How many bytes were read back from the spool.
    taken: u64,
    /// What came when the disk had failed; it stands behind what is on disk.
    behind: Vec<u8>,
    /// The disk has failed since something waits.
    fails: bool,
}

impl<F: DiskFile> WaitingStream<F> {
    /// Nothing waits.
    pub fn new() -> WaitingStream<F> {
        WaitingStream {
            spool: Spool::new(Kind::MASTER),
            taken: 0,
            behind: Vec::new(),
            fails: false,
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.spool.is_empty() && self.behind.is_empty()
    }

    /// Bytes on disk that were not read back.
    pub fn bytes(&self) -> u64 {
        match self.spool.is_empty() {
            true => 0,
            false => self.spool.range().end - self.taken,
        }
    }

    /// Whether so many bytes more may come.
    pub fn has_room_for(&self, bytes: usize, room: u64) -> bool {
        !self.fails && self.spool.bytes() + bytes as u64 <= room
    }

    /// Adds bytes behind all others. What does not get to disk stays in memory.
    pub fn push<D>(&mut self, disk: &mut D, run: &str, bytes: &[u8], room: u64)
    where
        D: Disk<File = F>,
    {
        if !self.fails {
            if self.spool.is_empty() {
                self.taken = 0;
            }
            let at = self.spool.range().end;
            let Err(e) = self.spool.append(disk, run, (at, bytes), room) else {
                return;
            };
            log::warn!(
                "Cannot keep on disk what MASTER sends meanwhile: {}. No more is read for now.",
                os_text(&e)
            );
            self.fails = true;
        }
        self.behind.extend_from_slice(bytes);
    }

    /// Takes the next bytes, and files that are not needed any more.
    pub fn take(&mut self) -> io::Result<(Vec<u8>, Vec<F>)> {
        if self.spool.is_empty() {
            self.fails = false;
            return Ok((std::mem::take(&mut self.behind), Vec::new()));
        }
        let mut piece = vec![0; PIECE_BYTES];
        let count = self.spool.read_at(self.taken, &mut piece)?;
        piece.truncate(count);
        self.taken += count as u64;
        let passed = self.spool.release_before(self.taken);
        self.fails &= !self.is_empty();
        Ok((piece, passed))
    }

    /// Forgets everything. Returns the files.
    pub fn clear(&mut self) -> Vec<F> {
        self.behind = Vec::new();
        self.fails = false;
        self.spool.clear()
    }
}
