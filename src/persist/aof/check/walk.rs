//! Walking through a file of commands as its checker does.
//!
//! The checker is stricter than a loader: each number must end its line, and each argument must
//! have its line end. It also words what is wrong in a way that people look for, with the offset
//! of the piece that was being read, so it has a reader of its own and does not share the loader's.
//! Bytes where a C string would end, end texts here as well.
//!
//! Arguments are passed over, not kept, so a file of any size takes no memory.

use std::io::{self, BufRead};

use crate::base::numbers;

/// A line with a number is read up to so many bytes.
const NUMBER_LINE_BYTES_MAX: usize = 127;
/// A comment is read up to so many bytes; what is behind them is no part of it.
const COMMENT_BYTES_MAX: usize = 1023;
/// More bytes than the name of `MULTI` or `EXEC` has.
const NAME_BYTES_KEPT: usize = 6;

/// What is read, and where.
pub(super) struct Input<R> {
    source: R,
    offset: u64,
}

impl<R: BufRead> Input<R> {
    /// What `source` gives stands at this offset of the file.
    pub fn new(source: R, offset: u64) -> Input<R> {
        Input { source, offset }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(fill(&mut self.source)?.first().copied())
    }

    /// Reads a line with its line end, or as much of it as may be read at once. Empty at the end.
    pub fn line(&mut self, limit: usize, line: &mut Vec<u8>) -> io::Result<()> {
        line.clear();
        while line.len() < limit && !line.ends_with(b"\n") {
            let there = fill(&mut self.source)?;
            let there = &there[..there.len().min(limit - line.len())];
            let found = memchr::memchr(b'\n', there);
            let count = found.map_or(there.len(), |at| at + 1);
            if count == 0 {
                break;
            }
            line.extend_from_slice(&there[..count]);
            self.source.consume(count);
            self.offset += count as u64;
        }
        Ok(())
    }

    fn pass(&mut self, wanted: u64) -> io::Result<Passed> {
        let mut passed = Passed::default();
        while passed.count < wanted {
            let there = fill(&mut self.source)?;
            let left = usize::try_from(wanted - passed.count).unwrap_or(usize::MAX);
            let there = &there[..there.len().min(left)];
            if there.is_empty() {
                break;
            }
            let missing = NAME_BYTES_KEPT - passed.head.len();
            passed.head.extend(there.iter().take(missing));
            for &byte in &there[there.len().saturating_sub(2)..] {
                passed.tail = [passed.tail[1], byte];
            }
            let count = there.len();
            self.source.consume(count);
            passed.count += count as u64;
        }
        self.offset += passed.count;
        Ok(passed)
    }
}

/// What a source has ready; nothing at its end.
fn fill(source: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match source.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            // Asked again, because the borrow of the first answer cannot be handed out of a loop.
            Ok(_) => return source.fill_buf(),
        }
    }
}

/// Bytes that were passed over.
#[derive(Default)]
struct Passed {
    count: u64,
    /// The first of them.
    head: Vec<u8>,
    /// The last two.
    tail: [u8; 2],
}

/// How a walk ended.
pub(super) enum End {
    /// At the end of the file, which may be within a record; or behind what is wrong, of which
    /// this line tells.
    Stopped(Option<Vec<u8>>),
    /// In front of something that is no record at all.
    NoRecord,
    /// In front of a comment, at this offset, that tells of a time later than the one to cut at.
    Late(u64),
    /// At a comment that tells of a time that is none.
    BadTimestamp,
}

/// Walks through file after file, and counts their lines all along.
pub(super) struct Walker {
    /// Stop in front of what was written later than this, in seconds since 1970.
    pub cut_after_s: Option<i64>,
    /// The number of the line that would come next.
    pub line: u64,
    /// Where the piece stands that was read last.
    at: u64,
    /// A line that was read; kept for its room.
    buffer: Vec<u8>,
}

/// Why a command could not be read to its end.
enum Broken {
    /// The file ends where a line should begin.
    AtEnd,
    /// For the reason that this line tells.
    Fault(Vec<u8>),
    /// The disk fails.
    Io(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Io(error)
    }
}

impl Walker {
    pub fn new(cut_after_s: Option<i64>) -> Walker {
        Walker {
            cut_after_s,
            line: 1,
            at: 0,
            buffer: Vec::new(),
        }
    }

    /// Walks through a file. Returns how it ended, and up to which offset all is well: the end of
    /// a record that is not within a transaction. `path` is shown.
    pub fn walk<R: BufRead>(
        &mut self,
        input: &mut Input<R>,
        path: &[u8],
    ) -> io::Result<(End, u64)> {
        let mut open = 0;
        let mut sound = input.offset;
        loop {
            if open == 0 {
                sound = input.offset;
            }
            let broken = match input.peek()? {
                None => Broken::AtEnd,
                Some(b'#') => match self.comment(input)? {
                    None => continue,
                    Some(end) => return Ok((end, sound)),
                },
                Some(b'*') => match self.command(input, path, &mut open) {
                    Ok(()) => continue,
                    Err(broken) => broken,
                },
                Some(_) => return Ok((End::NoRecord, sound)),
            };
            let line = match broken {
                Broken::Io(error) => return Err(error),
                Broken::Fault(line) => Some(line),
                Broken::AtEnd if open != 0 => {
                    Some(self.line_of(b"Reached EOF before reading EXEC for MULTI"))
                }
                Broken::AtEnd => None,
            };
            return Ok((End::Stopped(line), sound));
        }
    }

    /// Passes over a comment, unless the walk ends there.
    fn comment<R: BufRead>(&mut self, input: &mut Input<R>) -> io::Result<Option<End>> {
        self.at = input.offset;
        input.line(COMMENT_BYTES_MAX, &mut self.buffer)?;
        let Some(cut_after_s) = self.cut_after_s else {
            return Ok(None);
        };
        let Some(time) = c_string(&self.buffer).strip_prefix(b"#TS:") else {
            return Ok(None);
        };
        let end = memchr::memchr(b'\r', time);
        Ok(match end.and_then(|end| parse_seconds(&time[..end])) {
            None => Some(End::BadTimestamp),
            Some(seconds) if seconds > cut_after_s => Some(End::Late(self.at)),
            Some(_) => None,
        })
    }

    /// Passes over a command; `open` counts each `MULTI` up and each `EXEC` down.
    fn command<R: BufRead>(
        &mut self,
        input: &mut Input<R>,
        path: &[u8],
        open: &mut i32,
    ) -> Result<(), Broken> {
        let count = self.number(input, b'*')?;
        for index in 0..count {
            let name = self.argument(input)?;
            if index > 0 {
                continue;
            }
            let name = c_string(&name);
            if name.eq_ignore_ascii_case(b"multi") {
                *open += 1;
                if *open != 1 {
                    let text = [b"Unexpected MULTI in AOF ", path].concat();
                    return Err(Broken::Fault(self.line_of(&text)));
                }
            } else if name.eq_ignore_ascii_case(b"exec") {
                *open -= 1;
                if *open != 0 {
                    let text = [b"Unexpected EXEC in AOF ", path].concat();
                    return Err(Broken::Fault(self.line_of(&text)));
                }
            }
        }
        Ok(())
    }

    fn number<R: BufRead>(&mut self, input: &mut Input<R>, mark: u8) -> Result<i64, Broken> {
        self.at = input.offset;
        input.line(NUMBER_LINE_BYTES_MAX, &mut self.buffer)?;
        let Some(&first) = self.buffer.first() else {
            return Err(Broken::AtEnd);
        };
        if first != mark {
            let text = [
                b"Expected prefix '",
                &[mark][..],
                b"', got: '",
                &[first],
                b"'",
            ];
            return Err(Broken::Fault(self.line_of(&text.concat())));
        }
        let (number, behind) = numbers::leading_i64(c_string(&self.buffer[1..]));
        let byte = |index| behind.get(index).copied().unwrap_or(0);
        let line_end = [byte(0), byte(1)];
        self.end_line(line_end)?;
        Ok(number)
    }

    /// Passes over an argument; returns how it begins.
    fn argument<R: BufRead>(&mut self, input: &mut Input<R>) -> Result<Vec<u8>, Broken> {
        let len = self.number(input, b'$')?;
        let wanted = match u64::try_from(len) {
            Ok(len) if len <= i64::MAX as u64 - 2 => len + 2,
            _ => {
                let text = format!(
                    "Expected to read string of {len} bytes, which is not in the suitable range"
                );
                return Err(Broken::Fault(self.line_of(text.as_bytes())));
            }
        };
        self.at = input.offset;
        let mut passed = input.pass(wanted)?;
        let count = passed.count;
        if count != wanted {
            let text = format!("Expected to read {wanted} bytes, got {count} bytes");
            return Err(Broken::Fault(self.line_of(text.as_bytes())));
        }
        self.end_line(passed.tail)?;
        passed.head.truncate(len as usize);
        Ok(passed.head)
    }

    fn end_line(&mut self, line_end: [u8; 2]) -> Result<(), Broken> {
        if line_end != *b"\r\n" {
            // Bytes are signed in the reference, and so are shown with their sign.
            let [first, second] = line_end.map(|byte| i32::from(byte as i8));
            let text = format!("Expected \\r\\n, got: {first:02x}{second:02x}");
            return Err(Broken::Fault(self.line_of(text.as_bytes())));
        }
        self.line += 1;
        Ok(())
    }

    /// The line of the report that says this of the piece that was read last.
    fn line_of(&self, text: &[u8]) -> Vec<u8> {
        let place = format!("0x{:>16x}: ", self.at);
        [place.as_bytes(), c_string(text)].concat()
    }
}

/// Reads a time as C's `strtol` reads a whole text: no digits at all are 0.
pub fn parse_seconds(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    str::from_utf8(numbers::skip_blanks(text))
        .ok()?
        .parse()
        .ok()
}

/// What a C string of these bytes is.
fn c_string(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())]
}
