//! Reading a file of commands, piece by piece.
//!
//! [`Records`] is pushed bytes in the order of the file and hands out [`Item`]s that lie in its
//! buffer: commands as the [`Args`] that a dispatcher takes, and comments. Nothing is copied but
//! what is pushed, and [`Records::read_from`] has a file read straight into the buffer. An item
//! goes the way of the next call.
//!
//! ```text
//! loop {
//!     match records.next_item()? {                   an error is damage, at a known offset
//!         Some(item) => …
//!         None => if records.read_from(&mut file, READ_BYTES)? == 0 { break }
//!     }
//! }
//! match records.end() { Whole … Torn { at } … }      no error: a server may have died there
//! ```
//!
//! The two ways in which a file can be bad are kept apart. One that ends within a record is what
//! the death of a server leaves; what is in front of that record is sound. A record that is not
//! spelled as one is damage: nobody knows what is missing.
//!
//! What is accepted is what the reference's loader accepts, which is more than clients may send: a
//! line ends with a line feed, whatever stands behind the number in it, and the two bytes behind an
//! argument may be any. Lengths that it could only die of are errors here. Memory grows with what
//! is pushed, never with what a length announces.
//!
//! A transaction whose `EXEC` is missing at the end counts as torn from its `MULTI` on; that needs
//! to know commands, so a [`Tracker`] is shown each of them and tells up to where a file is sound.

use std::io::{self, Read};
use std::ops::Range;

use thiserror::Error;

use crate::base::numbers;
use crate::resp::args::{ArgRanges, Args};

/// A comment, or the line of a length, has at most so many bytes, its line end included.
pub const LINE_BYTES_MAX: usize = 1023;

/// A command has at most so many arguments.
const ARGUMENTS_MAX: usize = i32::MAX as usize;

/// An argument has at most so many bytes: as many as a process can have addresses.
const ARGUMENT_BYTES_MAX: usize = 1 << 47;

/// A buffer with more room than this is given back once the record that needed it is gone.
const ROOM_KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What stands in a file. The ranges are absolute offsets.
#[derive(Debug)]
pub enum Item<'a> {
    /// A command.
    Command {
        /// Its arguments, at least one. [`Args::raw`] has the bytes in wire form if they are
        /// canonical, which all are that a server wrote.
        args: Args<'a>,
        /// Where it stands.
        at: Range<u64>,
    },
    /// A comment that tells when what follows was written, in seconds since 1970.
    Timestamp {
        /// That time.
        seconds: i64,
        /// Where it stands.
        at: Range<u64>,
    },
    /// Another comment, without its mark and its line end.
    Annotation {
        /// What it says.
        text: &'a [u8],
        /// Where it stands.
        at: Range<u64>,
    },
}

/// How a file is not spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum FormatFault {
    #[error("expected '*', got '{}'", .0.escape_ascii())]
    ExpectedCommand(u8),
    #[error("the number of arguments is missing, below 1 or too large")]
    ArgumentCount,
    #[error("expected '$', got '{}'", .0.escape_ascii())]
    ExpectedBulk(u8),
    #[error("the length of an argument is negative or too large")]
    BulkLength,
    #[error("a line is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
}

/// A record that is not spelled as one. Nothing behind it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("bad format in the record at offset {record_at}, at offset {at}: {fault}")]
pub struct FormatError {
    /// Where the record begins, as an absolute offset.
    pub record_at: u64,
    /// Where in it the fault is, as an absolute offset.
    pub at: u64,
    /// What is wrong.
    pub fault: FormatFault,
}

/// What the end of the bytes pushed so far is, if it is the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The end of a record.
    Whole,
    /// Within a command that begins at this absolute offset.
    Torn {
        /// That offset.
        at: u64,
    },
    /// Within a comment that begins at this absolute offset. The reference loads such a file
    /// without a word, and ruins it by what it appends; it has to be cut there before that.
    TornAnnotation {
        /// That offset.
        at: u64,
    },
}

/// What is to be read next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The first byte of a record.
    #[default]
    Start,
    /// The length line of an argument.
    BulkLength,
    /// An argument of this length and the two bytes behind it.
    Payload { len: usize },
}

/// A line that has a length in it.
struct Line {
    /// Its own length, mark and line end included.
    len: usize,
    /// Whether it is what a server writes.
    is_canonical: bool,
}

/// The reader. See the module's head.
#[derive(Debug, Default)]
pub struct Records {
    /// What was pushed and not handed out, from `start` on.
    buffer: Vec<u8>,
    /// Where in the buffer the record at hand begins.
    start: usize,
    /// The absolute offset of the first byte of the buffer.
    buffer_at: u64,
    /// How far the record at hand has been read, from `start` on.
    read: usize,
    /// Bytes behind `read` that are known to have no line end.
    scanned: usize,
    stage: Stage,
    args_left: usize,
    canonical: bool,
    ranges: ArgRanges,
}

impl Records {
    /// A reader of a file whose commands begin at this offset: behind a snapshot, or at 0.
    pub fn new(offset: u64) -> Records {
        Records {
            buffer_at: offset,
            ..Records::default()
        }
    }

    /// Adds the bytes that follow.
    pub fn push(&mut self, bytes: &[u8]) {
        self.make_room();
        self.buffer.extend_from_slice(bytes);
    }

    /// Adds what one read of at most `bytes` bytes gives, and returns how many bytes that was; 0
    /// is the end of the file.
    pub fn read_from(&mut self, source: &mut impl Read, bytes: usize) -> io::Result<usize> {
        self.make_room();
        let filled = self.buffer.len();
        self.buffer.resize(filled + bytes, 0);
        let count = loop {
            match source.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.buffer.truncate(filled + *count.as_ref().unwrap_or(&0));
        count
    }

    /// Reads the next record. `None` says that the rest is no whole record: push more, or, at the
    /// end of the file, ask [`Records::end`]. After an error there is nothing to be read any more,
    /// and every call gives the same error.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, FormatError> {
        if self.stage == Stage::Start {
            self.ranges.release();
        }
        let Some(&mark) = self.buffer.get(self.start) else {
            return Ok(None);
        };
        match mark {
            b'#' => self.annotation(),
            b'*' => match self.command() {
                Ok(true) => Ok(Some(self.finish_command())),
                Ok(false) => Ok(None),
                Err(fault) => Err(self.error(fault)),
            },
            other => Err(self.error(FormatFault::ExpectedCommand(other))),
        }
    }

    /// As [`Records::next_item`], for somebody who reads several commands before he runs the
    /// first: `ranges` are the arguments of the next command in what [`Records::buffer`] has from
    /// `start` on, until more is pushed. Tells that `start`. Comments before it are shown to
    /// `on_comment`, with the offset behind them.
    pub fn next_command(
        &mut self,
        ranges: &mut ArgRanges,
        mut on_comment: impl FnMut(&[u8], u64),
    ) -> Result<Option<usize>, FormatError> {
        loop {
            let begins_at = self.start;
            match self.next_item()? {
                Some(Item::Command { .. }) => {
                    std::mem::swap(&mut self.ranges, ranges);
                    return Ok(Some(begins_at));
                }
                Some(Item::Timestamp { .. }) => {}
                Some(Item::Annotation { text, at }) => on_comment(text, at.end),
                None => return Ok(None),
            }
        }
    }

    /// What was pushed last, and the absolute offset of its first byte.
    pub fn buffer(&self) -> (&[u8], u64) {
        (&self.buffer, self.buffer_at)
    }

    /// The absolute offset up to which records were handed out.
    pub fn offset(&self) -> u64 {
        self.buffer_at + self.start as u64
    }

    /// The absolute offset up to which bytes were pushed.
    pub fn pushed(&self) -> u64 {
        self.buffer_at + self.buffer.len() as u64
    }

    /// What it means when nothing follows, to be asked when [`Records::next_item`] has no more.
    pub fn end(&self) -> End {
        let at = self.offset();
        match self.buffer.get(self.start) {
            None => End::Whole,
            Some(b'#') => End::TornAnnotation { at },
            Some(_) => End::Torn { at },
        }
    }

    /// Drops what was handed out.
    fn make_room(&mut self) {
        if self.start == 0 {
            return;
        }
        let kept = self.buffer.len() - self.start;
        if self.buffer.capacity() > ROOM_KEPT_BYTES_MAX && kept <= ROOM_KEPT_BYTES_MAX / 2 {
            self.buffer = self.buffer[self.start..].to_vec();
        } else {
            self.buffer.drain(..self.start);
        }
        self.buffer_at += self.start as u64;
        self.start = 0;
    }

    /// Moves behind the record at hand, of `len` bytes; returns where it stood in the file.
    fn pass(&mut self, len: usize) -> Range<u64> {
        let start = self.offset();
        self.start += len;
        (self.read, self.scanned, self.stage) = (0, 0, Stage::Start);
        start..start + len as u64
    }

    fn error(&self, fault: FormatFault) -> FormatError {
        let record_at = self.offset();
        FormatError {
            record_at,
            at: record_at + self.read as u64,
            fault,
        }
    }

    fn annotation(&mut self) -> Result<Option<Item<'_>>, FormatError> {
        let len = match self.line_length() {
            Ok(Some(len)) => len,
            Ok(None) => return Ok(None),
            Err(fault) => return Err(self.error(fault)),
        };
        let at = self.pass(len);
        let line = &self.buffer[self.start - len..self.start];
        let text = &line[1..len - 1];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let seconds = text.strip_prefix(b"TS:").and_then(numbers::parse_i64);
        Ok(Some(match seconds {
            Some(seconds) => Item::Timestamp { seconds, at },
            None => Item::Annotation { text, at },
        }))
    }

    /// The length of the line at `read` with its line end, if that is there.
    fn line_length(&mut self) -> Result<Option<usize>, FormatFault> {
        let line = &self.buffer[self.start + self.read..];
        let line = &line[..line.len().min(LINE_BYTES_MAX)];
        if let Some(found) = memchr::memchr(b'\n', &line[self.scanned..]) {
            return Ok(Some(self.scanned + found + 1));
        }
        if line.len() == LINE_BYTES_MAX {
            return Err(FormatFault::LineTooLong);
        }
        self.scanned = line.len();
        Ok(None)
    }

    /// Goes on with a command; whether it is whole.
    fn command(&mut self) -> Result<bool, FormatFault> {
        if self.stage == Stage::Start {
            let Some((count, line)) = self.number_line()? else {
                return Ok(false);
            };
            self.args_left = match usize::try_from(count) {
                Ok(count @ 1..=ARGUMENTS_MAX) => count,
                _ => return Err(FormatFault::ArgumentCount),
            };
            self.ranges.clear();
            self.canonical = line.is_canonical;
            self.go_on(line.len, Stage::BulkLength);
        }
        while self.args_left > 0 {
            let is_there = match self.stage {
                Stage::Payload { len } => self.payload(len),
                _ => self.bulk_length()?,
            };
            if !is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads `$N`, if the line is there.
    #[inline]
    fn bulk_length(&mut self) -> Result<bool, FormatFault> {
        match self.buffer.get(self.start + self.read) {
            None => return Ok(false),
            Some(b'$') => {}
            Some(other) => return Err(FormatFault::ExpectedBulk(*other)),
        }
        let Some((len, line)) = self.number_line()? else {
            return Ok(false);
        };
        let len = match usize::try_from(len) {
            Ok(len @ ..=ARGUMENT_BYTES_MAX) => len,
            _ => return Err(FormatFault::BulkLength),
        };
        self.canonical &= line.is_canonical;
        self.go_on(line.len, Stage::Payload { len });
        Ok(true)
    }

    /// Passes over an argument, if it is there with the two bytes behind it.
    #[inline]
    fn payload(&mut self, len: usize) -> bool {
        let end = self.read + len;
        let behind = self.start + end..self.start + end + 2;
        let Some(line_end) = self.buffer.get(behind) else {
            return false;
        };
        self.canonical &= line_end == b"\r\n";
        self.ranges.push(self.read..end);
        self.args_left -= 1;
        self.go_on(len + 2, Stage::BulkLength);
        true
    }

    #[inline]
    fn go_on(&mut self, bytes: usize, stage: Stage) {
        self.read += bytes;
        self.scanned = 0;
        self.stage = stage;
    }

    /// Reads the number in the line at `read`, behind its mark, if the line is there.
    #[inline]
    fn number_line(&mut self) -> Result<Option<(i64, Line)>, FormatFault> {
        let digit = |digit: &u8| i64::from(digit - b'0');
        let short = |len| Line {
            len,
            is_canonical: true,
        };
        // Nearly all numbers have one or two digits.
        match &self.buffer[self.start + self.read + 1..] {
            [d @ b'1'..=b'9', b'\r', b'\n', ..] => Ok(Some((digit(d), short(4)))),
            [t @ b'1'..=b'9', o @ b'0'..=b'9', b'\r', b'\n', ..] => {
                Ok(Some((digit(t) * 10 + digit(o), short(5))))
            }
            _ => self.any_number_line(),
        }
    }

    fn any_number_line(&mut self) -> Result<Option<(i64, Line)>, FormatFault> {
        let Some(len) = self.line_length()? else {
            return Ok(None);
        };
        let line = &self.buffer[self.start + self.read..][..len];
        let (number, _) = numbers::leading_i64(&line[1..]);
        let digits = line[1..].strip_suffix(b"\r\n");
        let is_canonical = digits.is_some_and(|digits| numbers::parse_i64(digits).is_some());
        Ok(Some((number, Line { len, is_canonical })))
    }

    fn finish_command(&mut self) -> Item<'_> {
        let len = self.read;
        let at = self.pass(len);
        if self.canonical {
            self.ranges.set_canonical(len);
        }
        let record = &self.buffer[self.start - len..self.start];
        let args = self.ranges.args(record);
        Item::Command { args, at }
    }
}

/// Up to where a file of commands can be used, given the commands that were read from it.
///
/// It is the end of the last command that is no part of an unfinished transaction. Comments behind
/// that command do not count: they tell of commands that are not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracker {
    valid_up_to: u64,
    transaction_at: Option<u64>,
}

impl Tracker {
    /// Nothing was read yet of commands that begin at this offset.
    pub fn new(offset: u64) -> Tracker {
        Tracker {
            valid_up_to: offset,
            transaction_at: None,
        }
    }

    /// A command called `name`, in any case, was read from here.
    #[inline]
    pub fn observe(&mut self, name: &[u8], at: &Range<u64>) {
        if self.transaction_at.is_some() {
            if !name.eq_ignore_ascii_case(b"exec") {
                return;
            }
            self.transaction_at = None;
        } else if name.eq_ignore_ascii_case(b"multi") {
            self.transaction_at = Some(at.start);
            return;
        }
        self.valid_up_to = at.end;
    }

    /// The offset behind the last command that counts.
    pub fn valid_up_to(&self) -> u64 {
        self.valid_up_to
    }

    /// Where the `MULTI` stands that has no `EXEC` yet, if there is one.
    pub fn unfinished_transaction(&self) -> Option<u64> {
        self.transaction_at
    }
}

/// Appends the comment that tells when the commands behind it were written.
pub fn push_timestamp(seconds: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"#TS:");
    numbers::format_i64(seconds, out);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
