//! A part of a stream that is kept on disk for a while, because memory is too dear for it.
//!
//! Bytes are added at the end, under the number that they have in their stream, and given up from
//! the front. They stand in a few files of limited size, so that what was given up is soon free on
//! disk as well. A file is opened twice, to be written and to be read, and its name is taken away
//! before there is a byte in it: nobody else can come across it, and whatever becomes of this
//! process, the system frees it with the last of us who had it open. So nothing needs to be tidied
//! up after a crash, and two servers in one folder cannot take away each other's files.
//!
//! Nothing here is synced: what a file holds is of no use to anybody after a crash.
//!
//! Invariants: the files follow each other without a gap, and the last ends at `end`.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::PathBuf;

use crate::base::disk::{Disk, DiskFile};

/// A file has a share of the room, within these bounds: few files may be open at once, and what
/// was given up shall not stay for long.
const FILE_BYTES: std::ops::RangeInclusive<u64> = 256 * 1024..=64 * 1024 * 1024;
/// So many files share the room.
const FILES: u64 = 64;
/// A file is sent to disk in pieces of this size while it grows.
const WRITEBACK_BYTES: u64 = 8 * 1024 * 1024;

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
struct Tail<F> {
    file: F,
    sent_to_disk: u64,
}

/// See the module's head.
pub struct Spool<F> {
    segments: VecDeque<Segment<F>>,
    /// None if the next byte needs a new file.
    tail: Option<Tail<F>>,
    /// What the names of its files begin with.
    name: &'static str,
    /// Files made since the start; it makes their names differ.
    made: u64,
}

impl<F: DiskFile> Spool<F> {
    /// An empty one. For a moment its files are called `temp-`, this word, and a number.
    pub fn new(name: &'static str) -> Spool<F> {
        Spool {
            segments: VecDeque::new(),
            tail: None,
            name,
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

    /// Adds bytes, the first of which has the number `at`: the one behind the last, or any if it is
    /// empty. On disk are to be at most `room` bytes. `run` is a word that no other server has.
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
    ) -> io::Result<()>
    where
        D: Disk<File = F>,
    {
        assert!(self.is_empty() || self.range().end == at, "a gap");
        if self.bytes() + bytes.len() as u64 > room {
            let text = format!("repl-spill-max-size ({room} bytes) is reached");
            return Err(io::Error::new(ErrorKind::StorageFull, text));
        }
        let file_bytes = (room / FILES).clamp(*FILE_BYTES.start(), *FILE_BYTES.end());
        if self.segments.back().is_none_or(|s| s.bytes >= file_bytes) {
            self.tail = None;
        }
        if self.tail.is_none() {
            self.open_segment(disk, run, at)?;
        }
        let (Some(tail), Some(segment)) = (&mut self.tail, self.segments.back_mut()) else {
            unreachable!("it was just opened");
        };
        if let Err(e) = tail.file.write_all(bytes) {
            // A part may have been written: nothing goes behind it.
            self.tail = None;
            if segment.bytes == 0 {
                self.segments.pop_back();
            }
            return Err(e);
        }
        segment.bytes += bytes.len() as u64;
        if segment.bytes - tail.sent_to_disk >= WRITEBACK_BYTES {
            // It only spreads the work; should it fail, the write behind it will, too.
            let _ = tail.file.start_writeback(tail.sent_to_disk..segment.bytes);
            tail.sent_to_disk = segment.bytes;
        }
        Ok(())
    }

    fn open_segment<D>(&mut self, disk: &mut D, run: &str, at: u64) -> io::Result<()>
    where
        D: Disk<File = F>,
    {
        self.made += 1;
        let path = PathBuf::from(format!("temp-{}-{run}.{}", self.name, self.made));
        let file = disk.create_new(&path)?;
        let reader = disk.open(&path);
        disk.remove(&path)?;
        self.segments.push_back(Segment {
            start: at,
            bytes: 0,
            reader: reader?,
        });
        self.tail = Some(Tail {
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

    /// Gives up what stands before number `at`, as far as that fills files. They are returned:
    /// closing them frees their blocks, which takes time.
    pub fn release_before(&mut self, at: u64) -> Vec<F> {
        let count = self.segments.partition_point(|s| s.end() <= at);
        if count == self.segments.len() {
            return self.clear();
        }
        self.segments.drain(..count).map(|s| s.reader).collect()
    }

    /// Gives up everything.
    pub fn clear(&mut self) -> Vec<F> {
        let tail = self.tail.take().map(|tail| tail.file);
        let readers = self.segments.drain(..).map(|s| s.reader);
        readers.chain(tail).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::rng::Rng;
    use crate::engine::sim::disk::{SimDisk, SimFile};

    /// Files are as small as they get.
    const ROOM_SMALL: u64 = 4 << 20;

    fn byte_at(number: u64) -> u8 {
        (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
    }

    fn piece(range: Range<u64>) -> Vec<u8> {
        range.map(byte_at).collect()
    }

    /// Adds `count` bytes; whether there was room.
    fn add(spool: &mut Spool<SimFile>, disk: &mut SimDisk, count: u64, room: u64) -> bool {
        let at = spool.range().end.max(7);
        let bytes = piece(at..at + count);
        spool.append(disk, "run", (at, &bytes), room).is_ok()
    }

    fn check(spool: &Spool<SimFile>) {
        let Range { start, end } = spool.range();
        let mut at = start;
        let mut into = vec![0; 100_000];
        while at < end {
            let count = spool.read_at(at, &mut into).unwrap() as u64;
            assert_eq!(into[..count as usize], piece(at..at + count));
            at += count;
        }
        assert_eq!(at, end);
        assert!(spool.read_at(end, &mut into).is_err());
        assert!(spool.is_empty() || spool.read_at(start - 1, &mut into).is_err());
    }

    #[test]
    fn what_goes_in_comes_out_and_leaves_no_name() {
        let mut disk = SimDisk::default();
        let mut spool = Spool::new("test");
        let mut rng = Rng::from_seed(1);
        for _ in 0..200 {
            assert!(add(
                &mut spool,
                &mut disk,
                1 + rng.below(60_000),
                ROOM_SMALL
            ));
            check(&spool);
            let Range { start, end } = spool.range();
            let at = start + rng.below(end - start + 1);
            spool.release_before(at);
            assert!(spool.is_empty() || spool.range().start <= at);
            assert!(spool.range().end == end || at == end);
            check(&spool);
            assert!(disk.files_in(Path::new("")).unwrap().is_empty());
        }
    }

    #[test]
    fn files_are_given_up_when_they_are_passed() {
        let mut disk = SimDisk::default();
        let mut spool = Spool::new("test");
        for _ in 0..40 {
            assert!(add(&mut spool, &mut disk, 64 * 1024, ROOM_SMALL));
        }
        let start = spool.range().start;
        assert_eq!(spool.release_before(start + 256 * 1024 - 1).len(), 0);
        assert_eq!(spool.release_before(start + 256 * 1024).len(), 1);
        assert_eq!(spool.range().start, start + 256 * 1024);
        assert_eq!(spool.clear().len(), 9 + 1, "the last is open to be written");
        assert_eq!(spool.range(), 0..0);
    }

    #[test]
    fn it_is_as_it_was_when_there_is_no_room() {
        let mut disk = SimDisk::default();
        let mut spool = Spool::new("test");
        assert!(add(&mut spool, &mut disk, 1000, 2000));
        assert!(!add(&mut spool, &mut disk, 1001, 2000), "the limit");
        disk.set_room(Some(500));
        assert!(!add(&mut spool, &mut disk, 600, 2000), "the disk");
        assert_eq!(spool.bytes(), 1000);
        check(&spool);
        disk.mend();
        assert!(add(&mut spool, &mut disk, 600, 2000));
        assert_eq!(spool.bytes(), 1600);
        check(&spool);
        disk.set_full(true);
        spool.clear();
        assert!(!add(&mut spool, &mut disk, 1, 2000));
        assert!(spool.is_empty());
    }
}
