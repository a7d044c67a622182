//! The part of the stream that replicas may lack and that memory is too small for.
//!
//! It stands in a [`Spool`], a piece at a time, each of which begins with a command. Where the
//! oldest file had to go, what is left must be read by itself: so the command that each file begins
//! with is kept beside it, which tells the database that is selected there.
//!
//! Invariant: there are as many commands as files, each with the number that its file begins with.

use std::collections::VecDeque;
use std::io;

use super::super::spool::{Kind, Spool};
use crate::base::disk::{Disk, DiskFile};
use crate::replication::CommandStart;

/// Read at once.
const READ_BYTES: usize = 256 * 1024;

/// What is copied of the stream, and when ledgers were looked at.
pub struct Lost<F> {
    /// What is copied.
    pub tail: KeptTail<F>,
    /// When ledgers are to be looked at, in monotonic seconds.
    pub look_s: u64,
}

impl<F: DiskFile> Default for Lost<F> {
    fn default() -> Lost<F> {
        Lost {
            tail: KeptTail::default(),
            look_s: 0,
        }
    }
}

/// See the module's head.
pub struct KeptTail<F> {
    spool: Spool<F>,
    /// The commands that its files begin with.
    starts: VecDeque<CommandStart>,
}

impl<F> Default for KeptTail<F>
where
    F: DiskFile,
{
    fn default() -> KeptTail<F> {
        KeptTail {
            spool: Spool::new(Kind::TAIL),
            starts: VecDeque::new(),
        }
    }
}

impl<F: DiskFile> KeptTail<F> {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.spool.is_empty()
    }

    /// The command that it begins with.
    pub fn start(&self) -> Option<CommandStart> {
        self.starts.front().copied()
    }

    /// Adds the next piece of the stream, which begins with this command. Returns the oldest files
    /// if they had to go for it.
    ///
    /// # Errors
    ///
    /// The piece could not be written; all is as it was before.
    pub fn add<D: Disk<File = F>>(
        &mut self,
        disk: &mut D,
        run: &str,
        (start, piece): (CommandStart, &[u8]),
        bytes_max: u64,
    ) -> io::Result<Vec<F>> {
        let passed = self
            .spool
            .append(disk, run, (start.offset, piece), bytes_max)?;
        if self.spool.last_file_start() == Some(start.offset) {
            self.starts.push_back(start);
        }
        self.forget_starts();
        Ok(passed)
    }

    /// Lets go of files whose bytes all replicas have, up to `offset`; not of the last one. Returns
    /// them.
    pub fn drop_up_to(&mut self, offset: u64) -> Vec<F> {
        let last = self.spool.last_file_start().unwrap_or_default();
        let passed = self.spool.release_before(last.min(offset + 1));
        self.forget_starts();
        passed
    }

    /// Lets go of everything. Returns the files.
    pub fn clear(&mut self) -> Vec<F> {
        self.starts.clear();
        self.spool.clear()
    }

    /// Forgets the commands of files that are gone.
    fn forget_starts(&mut self) {
        let first = self.spool.range().start;
        self.starts.retain(|start| start.offset >= first);
    }

    /// Shows all of it in order, in pieces.
    ///
    /// # Errors
    ///
    /// A file cannot be read, is too short, or `each` has failed.
    pub fn read(&self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut piece = vec![0; READ_BYTES];
        let mut left = self.spool.range();
        while !left.is_empty() {
            let count = self.spool.read_at(left.start, &mut piece)?;
            each(&piece[..count])?;
            left.start += count as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::engine::sim::disk::{SimDisk, SimFile};

    /// Files are as small as they get.
    const ROOM: u64 = 8 * 64 * 1024;

    /// What it is given, and the place of each piece in it.
    #[derive(Default)]
    struct Given {
        bytes: Vec<u8>,
        starts: Vec<CommandStart>,
    }

    impl Given {
        /// One more piece, behind all others.
        fn add(
            &mut self,
            tail: &mut KeptTail<SimFile>,
            disk: &mut SimDisk,
            count: usize,
        ) -> io::Result<Vec<SimFile>> {
            let number = self.starts.len();
            let start = CommandStart {
                offset: self.bytes.len() as u64 + 1,
                db: Some(number as u32),
            };
            let piece = vec![number as u8; count];
            let passed = tail.add(disk, "run", (start, &piece), ROOM)?;
            self.starts.push(start);
            self.bytes.extend_from_slice(&piece);
            Ok(passed)
        }

        /// It begins with a command, and has all from there on.
        fn check(&self, tail: &KeptTail<SimFile>) {
            let mut bytes = Vec::new();
            let read = tail.read(|piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            });
            read.unwrap();
            match tail.start() {
                Some(start) => {
                    assert!(self.starts.contains(&start));
                    assert_eq!(bytes, self.bytes[start.offset as usize - 1..]);
                }
                None => assert!(bytes.is_empty()),
            }
            assert_eq!(tail.start().is_none(), tail.is_empty());
        }
    }

    #[test]
    fn what_is_left_begins_with_a_command_that_is_known() {
        let mut rng = Rng::from_seed(3);
        let (mut cut, mut dropped, mut refused) = (0, 0, 0);
        for _ in 0..50 {
            let (mut disk, mut tail) = (SimDisk::default(), KeptTail::default());
            let mut given = Given::default();
            for _ in 0..100 {
                if rng.below(10) == 0 {
                    disk.set_room(Some(rng.below(20_000) as usize));
                }
                let before = tail.start();
                match given.add(&mut tail, &mut disk, 1 + rng.below(40_000) as usize) {
                    Ok(passed) => {
                        let is_cut = tail.start() != before.or(tail.start());
                        assert_eq!(is_cut, !passed.is_empty());
                        cut += passed.len();
                    }
                    Err(_) => {
                        refused += 1;
                        assert_eq!(tail.start(), before);
                    }
                }
                disk.mend();
                given.check(&tail);
                if rng.below(5) == 0 {
                    let had = rng.below(given.bytes.len() as u64 + 1);
                    let had = had.max(tail.start().map_or(0, |start| start.offset));
                    dropped += tail.drop_up_to(had).len();
                    given.check(&tail);
                    assert!(tail.start().is_none_or(|start| start.offset <= had + 1));
                }
            }
        }
        assert!(cut > 0 && dropped > 0 && refused > 0);
    }

    #[test]
    fn the_last_file_stays_whatever_replicas_have() {
        let (mut disk, mut tail) = (SimDisk::default(), KeptTail::default());
        let mut given = Given::default();
        for _ in 0..3 {
            given.add(&mut tail, &mut disk, 64 * 1024).unwrap();
        }
        assert_eq!(tail.drop_up_to(given.bytes.len() as u64).len(), 2);
        assert_eq!(tail.start(), Some(given.starts[2]));
        given.check(&tail);
        assert_eq!(tail.clear().len(), 2, "open to be read, and to be written");
        assert_eq!(tail.start(), None);
        given.check(&tail);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let (mut disk, mut tail) = (SimDisk::default(), KeptTail::default());
        Given::default().add(&mut tail, &mut disk, 100).unwrap();
        disk.set_unreadable(true);
        assert!(tail.read(|_| panic!("it cannot be read")).is_err());
        disk.mend();
        let refused = tail.read(|_| Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(
            refused.map_err(|e| e.kind()),
            Err(io::ErrorKind::StorageFull)
        );
    }
}
