//! Files for the part of the stream that replicas may lack and that memory is too small for.
//!
//! A ring of segments: pieces are added to the last one until it is large enough, and the first
//! one goes when all of them together are too large. Each begins with a whole command, so what is
//! left can be read by itself. They are working files: nothing is synced, and they go with the
//! process that knows what is in them.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::base::disk::Disk;
use crate::replication::CommandStart;

/// So many segments make the whole.
const SEGMENTS: u64 = 8;
/// The least size of one.
const SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// What names of segments begin with, in front of the port.
const NAME: &str = "temp-lost-writes-";
/// Read at once.
const READ_BYTES: usize = 256 * 1024;

/// What is copied of the stream, and when ledgers were looked at.
pub struct Lost<F> {
    /// What is copied.
    pub spool: Spool<F>,
    /// Whether what a server before this one has left behind is removed.
    pub is_tidy: bool,
    /// When ledgers are to be looked at, in monotonic seconds.
    pub look_s: u64,
}

impl<F> Default for Lost<F> {
    fn default() -> Lost<F> {
        Lost {
            spool: Spool::default(),
            is_tidy: false,
            look_s: 0,
        }
    }
}

/// One file.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    start: CommandStart,
    bytes: u64,
}

/// See the module's head.
#[derive(Debug)]
pub struct Spool<F> {
    segments: VecDeque<Segment>,
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

impl<F: Read + Write> Spool<F> {
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
        port: u16,
        start: CommandStart,
        chunks: impl Iterator<Item = &'a [u8]>,
        bytes_max: u64,
    ) -> io::Result<Option<CommandStart>> {
        let segment_max = (bytes_max / SEGMENTS).max(SEGMENT_BYTES_MIN);
        let result = self.write(disk, port, start, chunks, segment_max);
        if result.is_err() {
            self.clear(disk);
        }
        result?;
        let mut is_cut = false;
        while self.bytes() > bytes_max.max(SEGMENT_BYTES_MIN) && self.segments.len() > 1 {
            self.drop_first(disk);
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
        port: u16,
        start: CommandStart,
        chunks: impl Iterator<Item = &'a [u8]>,
        segment_max: u64,
    ) -> io::Result<()> {
        let is_full = |segment: &Segment| segment.bytes >= segment_max;
        if self.segments.back().is_none_or(is_full) {
            let path = PathBuf::from(format!("{NAME}{port}-{}", self.number));
            self.number += 1;
            self.last = Some(disk.create(&path)?);
            let bytes = 0;
            self.segments.push_back(Segment { path, start, bytes });
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

    fn drop_first<D: Disk<File = F>>(&mut self, disk: &mut D) {
        if let Some(first) = self.segments.pop_front() {
            // One that stays is removed at the next start.
            let _ = disk.remove(&first.path);
        }
    }

    /// Lets go of segments whose bytes all replicas have, up to `offset`. Returns where what is
    /// left begins, if any went.
    pub fn drop_up_to<D: Disk<File = F>>(
        &mut self,
        disk: &mut D,
        offset: u64,
    ) -> Option<CommandStart> {
        let mut left = None;
        while let Some(second) = self.segments.get(1)
            && second.start.offset <= offset + 1
        {
            left = Some(second.start);
            self.drop_first(disk);
        }
        left
    }

    /// Lets go of everything.
    pub fn clear<D: Disk<File = F>>(&mut self, disk: &mut D) {
        self.last = None;
        while !self.segments.is_empty() {
            self.drop_first(disk);
        }
    }

    /// Shows all of it in order, in pieces.
    ///
    /// # Errors
    ///
    /// A segment cannot be read, is too short, or `each` has failed.
    pub fn read<D: Disk<File = F>>(
        &self,
        disk: &mut D,
        mut each: impl FnMut(&mut D, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut piece = vec![0; READ_BYTES];
        for segment in &self.segments {
            let mut file = disk.open(&segment.path)?;
            let mut left = segment.bytes;
            while left > 0 {
                let wanted = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let count = file.read(&mut piece[..wanted])?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                each(disk, &piece[..count])?;
                left -= count as u64;
            }
        }
        Ok(())
    }
}

/// Whether a file of this name is a segment of a server at that port that has died.
pub fn is_segment_name(name: &str, port: u16) -> bool {
    let rest = name.strip_prefix(NAME);
    rest.is_some_and(|rest| rest.starts_with(&format!("{port}-")))
}

/// Removes what a server at that port has left behind.
pub fn remove_old<D: Disk>(disk: &mut D, port: u16) {
    let Ok(paths) = disk.files_in(Path::new("")) else {
        return;
    };
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| is_segment_name(name, port)) {
            let _ = disk.remove(&path);
        }
    }
}
