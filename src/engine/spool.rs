//! A stream, or a part of one, that is kept on disk for a while, because memory is too dear for it.
//!
//! A server has three of these, and [`Kind`] tells how they differ:
//!
//! ```text
//! kind     holds                                            who gives up what     no room
//! STREAM   what replicas that sync have to get yet          once they have it     refused
//! MASTER   what our master has sent and cannot be run yet   once it is run        refused
//! TAIL     what replicas may lack, so that it may be lost   once all of them      the oldest
//!                                                           have it               goes
//! ```
//!
//! Bytes are added at the end, under the number that they have in their stream, and given up from
//! the front. They stand in a few files of limited size, so that what was given up is soon free on
//! disk as well. What is added at once stands in one file: where a file begins, something began
//! that was added. A file is opened twice, to be written and to be read, and its name is taken away
//! before there is a byte in it: nobody else can come across it, and whatever becomes of this
//! process, the system frees it with the last of us who had it open. So nothing needs to be tidied
//! up after a crash, two servers in one folder cannot take away each other's files, and another
//! `dir` changes nothing.
//!
//! Nothing here is synced: what a file holds is of no use to anybody after a crash.
//!
//! Whatever the disk refuses, what was there before is there still; what to make of an error is for
//! the user to say. Files that are given up are returned and not closed: to close one frees its
//! blocks, which takes time, and is for another thread to do.
//!
//! Invariants: the files follow each other without a gap, none is empty, and the last ends at
//! `end`.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use crate::base::disk::{Disk, DiskFile};

/// A file is sent to disk in pieces of this size while it grows.
const WRITEBACK_BYTES: u64 = 8 * 1024 * 1024;

/// How one spool differs from another.
#[derive(Debug)]
pub struct Kind {
    /// For a moment its files are called `temp-`, this word, and a number.
    name: &'static str,
    /// So many files share the room. Few may be open at once, and what was given up shall not stay
    /// for long.
    files: u64,
    /// What is the least, and the most, that a file takes before the next one is begun.
    file_bytes: RangeInclusive<u64>,
    when_full: WhenFull,
}

/// What happens when there is no room.
#[derive(Debug)]
enum WhenFull {
    /// What was to be added is refused; this directive is to blame.
    Refuse(&'static str),
    /// It is added all the same, and the oldest files go, but for the last.
    DropOldest,
}

impl Kind {
    /// See the module's head.
    pub const STREAM: Kind = Kind::spilled("stream");
    /// See the module's head.
    pub const MASTER: Kind = Kind::spilled("master");
    /// See the module's head.
    pub const TAIL: Kind = Kind {
        name: "lost-writes",
        files: 8,
        file_bytes: 64 * 1024..=u64::MAX,
        when_full: WhenFull::DropOldest,
    };

    const fn spilled(name: &'static str) -> Kind {
        Kind {
            name,
            files: 64,
            file_bytes: 256 * 1024..=64 * 1024 * 1024,
            when_full: WhenFull::Refuse("repl-spill-max-size"),
        }
    }

    /// How long a file becomes when all of them have this room.
    fn file_bytes_of(&self, room: u64) -> u64 {
        (room / self.files).clamp(*self.file_bytes.start(), *self.file_bytes.end())
    }
}

/// One of the files.
struct Segment<F> {
    /// The number of its first byte.
    start: u64,
    bytes: u64,
    reader: F,
}

impl<F> Segment<F> {
    fn end(&self) -> u64 {
        self.start + self.bytes
    }
}

/// The last of the files, to be written.
struct Writer<F> {
    file: F,
    sent_to_disk: u64,
}

/// See the module's head.
pub struct Spool<F> {
    segments: VecDeque<Segment<F>>,
    /// None if the next byte needs a new file.
    writer: Option<Writer<F>>,
    kind: Kind,
    /// Files made since the start; it makes their names differ.
    made: u64,
}

impl<F: DiskFile> Spool<F> {
    /// An empty one.
    pub fn new(kind: Kind) -> Spool<F> {
        Spool {
            segments: VecDeque::new(),
            writer: None,
            kind,
            made: 0,
        }
    }

    /// The numbers of the bytes that it holds.
    pub fn range(&self) -> Range<u64> {
        match (self.segments.front(), self.segments.back()) {
            (Some(first), Some(last)) => first.start..last.end(),
            _ => 0..0,
        }
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        let range = self.range();
        range.end - range.start
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The number that its last file begins with.
    pub fn last_file_start(&self) -> Option<u64> {
        self.segments.back().map(|segment| segment.start)
    }

    /// Adds bytes, the first of which has the number `at`: the one behind the last, or any if it is
    /// empty. On disk are to be at most `room` bytes. `run` is a word that no other server has.
    /// Returns the files that had to go for it.
    ///
    /// # Errors
    ///
    /// There is no room, or the disk fails; then it is as it was before.
    pub fn append<D>(
        &mut self,
        disk: &mut D,
        run: &str,
        (at, bytes): (u64, &[u8]),
        room: u64,
    ) -> io::Result<Vec<F>>
    where
        D: Disk<File = F>,
    {
        assert!(self.is_empty() || self.range().end == at, "a gap");
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        if let WhenFull::Refuse(directive) = self.kind.when_full
            && self.bytes() + bytes.len() as u64 > room
        {
            let text = format!("{directive} ({room} bytes) is reached");
            return Err(io::Error::new(ErrorKind::StorageFull, text));
        }
        self.write(disk, run, (at, bytes), self.kind.file_bytes_of(room))?;
        match self.kind.when_full {
            WhenFull::Refuse(_) => Ok(Vec::new()),
            WhenFull::DropOldest => Ok(self.drop_oldest(room)),
        }
    }

    fn write<D>(
        &mut self,
        disk: &mut D,
        run: &str,
        (at, bytes): (u64, &[u8]),
        file_bytes: u64,
    ) -> io::Result<()>
    where
        D: Disk<File = F>,
    {
        if self.segments.back().is_none_or(|s| s.bytes >= file_bytes) {
            self.writer = None;
        }
        if self.writer.is_none() {
            self.open_segment(disk, run, at)?;
        }
        let (Some(writer), Some(segment)) = (&mut self.writer, self.segments.back_mut()) else {
            unreachable!("it was just opened");
        };
        if let Err(e) = writer.file.write_all(bytes) {
            // A part may have been written: nothing goes behind it.
            self.writer = None;
            if segment.bytes == 0 {
                self.segments.pop_back();
            }
            return Err(e);
        }
        segment.bytes += bytes.len() as u64;
        if segment.bytes - writer.sent_to_disk >= WRITEBACK_BYTES {
            // It only spreads the work; should it fail, the write behind it will, too.
            let _ = writer
                .file
                .start_writeback(writer.sent_to_disk..segment.bytes);
            writer.sent_to_disk = segment.bytes;
        }
        Ok(())
    }

    /// Has at most `room` bytes left, or one file.
    fn drop_oldest(&mut self, room: u64) -> Vec<F> {
        let room = room.max(*self.kind.file_bytes.start());
        let mut passed = Vec::new();
        while self.bytes() > room
            && self.segments.len() > 1
            && let Some(segment) = self.segments.pop_front()
        {
            passed.push(segment.reader);
        }
        passed
    }

    fn open_segment<D>(&mut self, disk: &mut D, run: &str, at: u64) -> io::Result<()>
    where
        D: Disk<File = F>,
    {
        self.made += 1;
        let path = PathBuf::from(format!("temp-{}-{run}.{}", self.kind.name, self.made));
        let file = disk.create_new(&path)?;
        let reader = disk.open(&path);
        disk.remove(&path)?;
        self.segments.push_back(Segment {
            start: at,
            bytes: 0,
            reader: reader?,
        });
        self.writer = Some(Writer {
            file,
            sent_to_disk: 0,
        });
        Ok(())
    }

    /// Reads bytes from number `at` on, as many as `into` has room for and one file holds.
    ///
    /// # Errors
    ///
    /// The disk fails, or the byte is not here.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let behind = self.segments.partition_point(|s| s.end() <= at);
        let segment = self.segments.get(behind).filter(|s| s.start <= at);
        let segment = segment.ok_or(ErrorKind::UnexpectedEof)?;
        let wanted = into.len().min((segment.end() - at) as usize);
        let count = segment
            .reader
            .read_at(at - segment.start, &mut into[..wanted])?;
        match count {
            0 if wanted > 0 => Err(ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }

    /// Gives up what stands before number `at`, as far as that fills files, and returns these.
    pub fn release_before(&mut self, at: u64) -> Vec<F> {
        let count = self.segments.partition_point(|s| s.end() <= at);
        if count == self.segments.len() {
            return self.clear();
        }
        self.segments.drain(..count).map(|s| s.reader).collect()
    }

    /// Gives up everything, and returns the files.
    pub fn clear(&mut self) -> Vec<F> {
        let writer = self.writer.take().map(|writer| writer.file);
        let readers = self.segments.drain(..).map(|s| s.reader);
        readers.chain(writer).collect()
    }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
