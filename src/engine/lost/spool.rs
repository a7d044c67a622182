//! Files for the part of the stream that replicas may lack and that memory is too small for.
//!
//! A ring of segments: pieces are added to the last one until it is large enough, and the first
//! one goes when all of them together are too large. Each begins with a whole command, so what is
//! left can be read by itself. They are working files: nothing is synced, and a file's name is
//! taken away before there is a byte in it, so the system frees it with the process that has it
//! open, and another `dir` changes nothing.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use crate::base::disk::{Disk, DiskFile};
use crate::replication::CommandStart;

/// So many segments make the whole.
const SEGMENTS: u64 = 8;
/// The least size of one.
const SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// What names of segments begin with, for the moment that they have one.
const NAME: &str = "temp-lost-writes-";
/// Read at once.
const READ_BYTES: usize = 256 * 1024;

/// What is copied of the stream, and when ledgers were looked at.
pub struct Lost<F> {
    /// What is copied.
    pub spool: Spool<F>,
    /// When ledgers are to be looked at, in monotonic seconds.
    pub look_s: u64,
}

impl<F> Default for Lost<F> {
    fn default() -> Lost<F> {
        Lost {
            spool: Spool::default(),
            look_s: 0,
        }
    }
}

/// One file.
#[derive(Debug)]
struct Segment<F> {
    reader: F,
    start: CommandStart,
    bytes: u64,
}

/// See the module's head.
#[derive(Debug)]
pub struct Spool<F> {
    segments: VecDeque<Segment<F>>,
    /// The last segment, to be added to.
    last: Option<F>,
    /// Number of the next segment.
    number: u64,
}

impl<F> Default for Spool<F> {
    fn default() -> Spool<F> {
        Spool {
            segments: VecDeque::new(),
            last: None,
            number: 0,
        }
    }
}

impl<F: DiskFile> Spool<F> {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Adds a piece of the stream that begins with this command. Returns where what is left begins
    /// if the first segment had to go for it.
    ///
    /// # Errors
    ///
    /// The piece could not be written; the spool is empty then.
    pub fn add<'a, D: Disk<File = F>>(
        &mut self,
        disk: &mut D,
        run: &str,
        start: CommandStart,
        chunks: impl Iterator<Item = &'a [u8]>,
        bytes_max: u64,
    ) -> io::Result<Option<CommandStart>> {
        let segment_max = (bytes_max / SEGMENTS).max(SEGMENT_BYTES_MIN);
        let result = self.write(disk, run, start, chunks, segment_max);
        if result.is_err() {
            self.clear();
        }
        result?;
        let mut is_cut = false;
        while self.bytes() > bytes_max.max(SEGMENT_BYTES_MIN) && self.segments.len() > 1 {
            self.segments.pop_front();
            is_cut = true;
        }
        Ok(self
            .segments
            .front()
            .map(|first| first.start)
            .filter(|_| is_cut))
    }

    fn write<'a, D: Disk<File = F>>(
        &mut self,
        disk: &mut D,
        run: &str,
        start: CommandStart,
        chunks: impl Iterator<Item = &'a [u8]>,
        segment_max: u64,
    ) -> io::Result<()> {
        let is_full = |segment: &Segment<F>| segment.bytes >= segment_max;
        if self.segments.back().is_none_or(is_full) {
            let path = PathBuf::from(format!("{NAME}{run}.{}", self.number));
            self.number += 1;
            let file = disk.create_new(&path)?;
            let reader = disk.open(&path);
            disk.remove(&path)?;
            self.segments.push_back(Segment {
                reader: reader?,
                start,
                bytes: 0,
            });
            self.last = Some(file);
        }
        let (Some(file), Some(segment)) = (&mut self.last, self.segments.back_mut()) else {
            unreachable!("a segment was made");
        };
        // One call for all of it.
        let piece: Vec<u8> = chunks.flatten().copied().collect();
        file.write_all(&piece)?;
        segment.bytes += piece.len() as u64;
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Lets go of segments whose bytes all replicas have, up to `offset`. Returns where what is
    /// left begins, if any went.
    pub fn drop_up_to(&mut self, offset: u64) -> Option<CommandStart> {
        let mut left = None;
        while let Some(second) = self.segments.get(1)
            && second.start.offset <= offset + 1
        {
            left = Some(second.start);
            self.segments.pop_front();
        }
        left
    }

    /// Lets go of everything.
    pub fn clear(&mut self) {
        self.last = None;
        self.segments.clear();
    }

    /// Shows all of it in order, in pieces.
    ///
    /// # Errors
    ///
    /// A segment cannot be read, is too short, or `each` has failed.
    pub fn read(&self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut piece = vec![0; READ_BYTES];
        for segment in &self.segments {
            let mut at = 0;
            while at < segment.bytes {
                let left = usize::try_from(segment.bytes - at).unwrap_or(usize::MAX);
                let wanted = piece.len().min(left);
                let count = segment.reader.read_at(at, &mut piece[..wanted])?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                each(&piece[..count])?;
                at += count as u64;
            }
        }
        Ok(())
    }
}
