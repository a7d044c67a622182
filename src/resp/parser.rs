//! Requests: a resumable parser for what clients, masters and replicas send.
//!
//! A connection keeps one small [`Parser`] and one input buffer. [`Parser::next`] is given the
//! buffer from the first byte of the command at hand. When the command is not complete yet the
//! parser remembers how far it came, and goes on from there once bytes have been appended: no byte
//! is parsed twice, however the stream is cut up. Arguments are spans of the buffer, so nothing is
//! allocated or copied for them.
//!
//! ```text
//!   *2\r\n $3\r\n GET\r\n $3\r\n ke|            an array of bulk strings, cut short
//!                                ^ resumes here: Payload { len: 3 }, one argument put aside
//! ```
//!
//! **Big arguments.** Passing a value of megabytes through the input buffer would grow the buffer
//! and copy the value out again. So when a payload of at least [`BIG_ARG_BYTES_MIN`] is not
//! complete, the parser takes the bytes that are there and answers [`Parse::Big`]: the connection
//! drops them from its buffer and reads the rest straight into [`Parser::big_target`]. When
//! [`Parser::big_remaining`] is zero, the stream goes on in the input buffer. The target grows with
//! what has arrived, never to the announced size at once: an announcement costs a peer nothing.
//! Who has sent a big argument is likely to send another of that size, so room for it is made
//! ready; [`Parser::trim_to_use`] takes it back when the guess was wrong.
//!
//! Anything that is not `*` begins an inline request, a line of words as one types at a terminal.
//!
//! Leniences of the reference are kept: the byte behind a CR is not looked at, and neither are the
//! two bytes behind a payload. Such a command is simply not canonical, which `Args::raw` tells.

use std::fmt;

use super::args::{ArgRanges, BigArg, Span};
use crate::base::{numbers, quoting};

/// Payloads from this size on are moved instead of copied.
pub const BIG_ARG_BYTES_MIN: usize = 32 * 1024;

/// A line of a request (inline, or a length) may be this long.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// What a peer that has not authenticated yet may send.
const UNAUTHENTICATED_ARGS_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_BYTES_MAX: i64 = 16 * 1024;

/// First allocation for a big argument; afterwards it grows to four times what has arrived.
const BIG_FIRST_STEP_BYTES: usize = 1024 * 1024;

/// Room made ready for a big argument may be larger than that by one in so many bytes.
const SPARE_EXCESS_SHARE: usize = 8;

/// Spans that an idle connection may keep room for.
const IDLE_SPANS_MAX: usize = 32;

/// Who sends, as far as limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A client that has yet to authenticate: few and small arguments.
    Unauthenticated,
    /// A client.
    Client,
    /// The master of this server, or a file: no limits, no inline requests, and all bytes stay in
    /// the buffer, because they are passed on as they came.
    Master,
}

/// What a request may be.
#[derive(Clone, Copy, Debug)]
pub struct ParserLimits {
    /// Who sends.
    pub peer: Peer,
    /// Longest argument of a client: `proto-max-bulk-len`.
    pub bulk_bytes_max: u64,
}

/// What [`Parser::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parse {
    /// A command, now in the `ArgRanges`, that took so many bytes from the front of the buffer.
    Command {
        /// Bytes of the buffer to drop once the command has run.
        consumed: usize,
    },
    /// Nothing to run: an empty line or an empty array, of so many bytes.
    Blank {
        /// Bytes of the buffer to drop.
        consumed: usize,
    },
    /// More bytes are needed. Append them and call again with the same front.
    Incomplete,
    /// The payload of a big argument is arriving. Cut the buffer to `keep` bytes and read into
    /// [`Parser::big_target`] before calling again.
    Big {
        /// Bytes of the buffer to keep; what was behind them has been taken.
        keep: usize,
    },
    /// The stream cannot be understood from here on.
    Error(ProtocolError),
}

/// Why a stream cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// An inline request longer than [`LINE_BYTES_MAX`].
    InlineTooBig,
    /// An inline request with a quote that is not closed, or closed inside a word.
    UnbalancedQuotes,
    /// A master sent an inline request.
    InlineFromMaster,
    /// An array length longer than [`LINE_BYTES_MAX`].
    ArrayLengthTooBig,
    /// An array length that is no number or out of range.
    InvalidArrayLength,
    /// More arguments than an unauthenticated peer may send.
    UnauthenticatedArrayLength,
    /// Something else than a bulk string where an argument should be.
    ExpectedBulk(u8),
    /// A bulk length longer than [`LINE_BYTES_MAX`].
    BulkLengthTooBig,
    /// A bulk length that is no number or out of range.
    InvalidBulkLength,
    /// A longer argument than an unauthenticated peer may send.
    UnauthenticatedBulkLength,
}

impl ProtocolError {
    /// The error to reply with, code included.
    pub fn reply_text(&self) -> Vec<u8> {
        let text = match self {
            ProtocolError::InlineTooBig => "too big inline request",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::InlineFromMaster => "inline request from a master",
            ProtocolError::ArrayLengthTooBig => "too big mbulk count string",
            ProtocolError::InvalidArrayLength => "invalid multibulk length",
            ProtocolError::UnauthenticatedArrayLength => "unauthenticated multibulk length",
            ProtocolError::BulkLengthTooBig => "too big bulk count string",
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnauthenticatedBulkLength => "unauthenticated bulk length",
            // The byte is shown as it came, whether or not it is text.
            ProtocolError::ExpectedBulk(got) => {
                return [
                    b"ERR Protocol error: expected '$', got '",
                    &[*got][..],
                    b"'",
                ]
                .concat();
            }
        };
        format!("ERR Protocol error: {text}").into_bytes()
    }
}

/// The reason as the log shows it.
impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProtocolError::InlineTooBig => "too big inline request",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in inline request",
            ProtocolError::InlineFromMaster => "Master using the inline protocol. Desync?",
            ProtocolError::ArrayLengthTooBig => "too big mbulk count string",
            ProtocolError::InvalidArrayLength => "invalid mbulk count",
            ProtocolError::UnauthenticatedArrayLength => "unauth mbulk count",
            ProtocolError::ExpectedBulk(_) => "expected $ but got something else",
            ProtocolError::BulkLengthTooBig => "too big bulk count string",
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnauthenticatedBulkLength => "unauth bulk length",
        })
    }
}

impl std::error::Error for ProtocolError {}

/// What the next bytes at the cursor are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The first byte of a request.
    #[default]
    Start,
    /// The length line of an argument.
    BulkLength,
    /// An argument of this length and its line end.
    Payload { len: usize },
    /// An argument of this length, part of which has been moved to the big argument.
    BigPayload { len: usize },
    /// The line end of a big argument.
    BigLineEnd,
}

/// How far the parser has come in the command at hand.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    stage: Stage,
    /// Where in the buffer `stage` begins.
    at: usize,
    /// Bytes of the line at `at` that are known to have no line end.
    scanned: usize,
    /// Arguments still to come, the one at `stage` included.
    args_left: usize,
    /// Whether so far the bytes are what `Args::encode` would write.
    canonical: bool,
}

/// Why the parser stops in the middle of a command.
enum Stop {
    Incomplete,
    Big,
    Error(ProtocolError),
}

impl From<ProtocolError> for Stop {
    fn from(error: ProtocolError) -> Stop {
        Stop::Error(error)
    }
}

/// A connection's place in its stream of requests.
#[derive(Debug, Default)]
pub struct Parser {
    cursor: Cursor,
    /// Arguments of an incomplete command that have been found already.
    spans: Vec<Span>,
    bigs: Vec<BigArg>,
    /// The big argument that is arriving, or room for the next one.
    big: Vec<u8>,
    /// Whether that room was made since the last [`Parser::trim_to_use`].
    spare_is_fresh: bool,
}

/// What a parser holds beside the input buffer, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// What has arrived of a big argument.
    pub arrived: usize,
    /// Room for the rest of it, or for the next one.
    pub room: usize,
    /// Big arguments of the incomplete command that are whole.
    pub big_arguments: usize,
    /// Where its other arguments are in the input buffer.
    pub spans: usize,
}

impl Held {
    /// What the peer has sent.
    pub fn received(&self) -> usize {
        self.arrived + self.big_arguments
    }

    /// All of it.
    pub fn memory(&self) -> usize {
        self.received() + self.room + self.spans
    }
}

impl Parser {
    /// Parses the next command. `buf` begins at the command's first byte; after
    /// [`Parse::Incomplete`] it must begin with the same bytes as before.
    pub fn next(&mut self, buf: &[u8], limits: &ParserLimits, out: &mut ArgRanges) -> Parse {
        out.clear();
        let mut cursor = self.cursor;
        if cursor.stage == Stage::Start {
            match buf.first() {
                None => return Parse::Incomplete,
                Some(b'*') => {}
                Some(_) => return self.inline(buf, limits, out),
            }
        } else {
            self.bring_back(out);
        }
        match self.multibulk(&mut cursor, buf, limits, out) {
            Ok(()) => self.finish(&cursor, out),
            Err(stop) => {
                self.cursor = cursor;
                self.put_aside(out);
                match stop {
                    Stop::Incomplete => Parse::Incomplete,
                    Stop::Big => Parse::Big { keep: cursor.at },
                    Stop::Error(error) => Parse::Error(error),
                }
            }
        }
    }

    /// Where to read the payload of a big argument into, with room to spare; `None` while there is
    /// none. At most [`Parser::big_remaining`] bytes may be appended.
    pub fn big_target(&mut self) -> Option<&mut Vec<u8>> {
        let remaining = self.big_remaining();
        if remaining == 0 {
            return None;
        }
        if self.big.len() == self.big.capacity() {
            let step = (self.big.len() * 3).max(BIG_FIRST_STEP_BYTES);
            self.big.reserve_exact(step.min(remaining));
        }
        Some(&mut self.big)
    }

    /// Bytes still missing from the big argument that is arriving; zero when none is.
    pub fn big_remaining(&self) -> usize {
        match self.cursor.stage {
            Stage::BigPayload { len } => len - self.big.len(),
            _ => 0,
        }
    }

    /// Bytes at the front of the input buffer that need not be looked at again: arguments of an
    /// incomplete command, and what announced them.
    pub fn parsed(&self) -> usize {
        self.cursor.at
    }

    /// Memory held beside the input buffer.
    pub fn held(&self) -> Held {
        let bigs: usize = self.bigs.iter().map(BigArg::held_bytes).sum();
        Held {
            arrived: self.big.len(),
            room: self.big.capacity() - self.big.len(),
            big_arguments: bigs,
            spans: self.spans.capacity() * size_of::<Span>(),
        }
    }

    /// Gives back the room for the next big argument, unless one has come since the last call.
    pub fn trim_to_use(&mut self) {
        let is_spare = self.big.is_empty() && self.big_remaining() == 0;
        if is_spare && !std::mem::take(&mut self.spare_is_fresh) {
            self.big = Vec::new();
        }
    }

    /// Gives back all room that is not filled.
    pub fn trim_to_content(&mut self) {
        self.big.shrink_to_fit();
        self.spans.shrink_to_fit();
    }

    fn finish(&mut self, cursor: &Cursor, out: &mut ArgRanges) -> Parse {
        self.cursor = Cursor::default();
        if out.is_empty() {
            return Parse::Blank {
                consumed: cursor.at,
            };
        }
        if cursor.canonical {
            out.set_canonical(cursor.at);
        }
        Parse::Command {
            consumed: cursor.at,
        }
    }

    /// Keeps the arguments found so far for the next call.
    fn put_aside(&mut self, out: &mut ArgRanges) {
        if !out.is_empty() {
            out.swap_partial(&mut self.spans, &mut self.bigs);
        }
    }

    /// Gives the arguments put aside back to `out`, and keeps no large empty vector.
    fn bring_back(&mut self, out: &mut ArgRanges) {
        if !self.spans.is_empty() {
            out.swap_partial(&mut self.spans, &mut self.bigs);
        }
        if self.spans.capacity() > IDLE_SPANS_MAX {
            self.spans = Vec::new();
        }
    }

    /// Goes on with an array of bulk strings until it is complete or the bytes run out.
    fn multibulk(
        &mut self,
        cursor: &mut Cursor,
        buf: &[u8],
        limits: &ParserLimits,
        out: &mut ArgRanges,
    ) -> Result<(), Stop> {
        if cursor.stage == Stage::Start {
            cursor.canonical = true;
            cursor.args_left = array_length(cursor, buf, limits)?;
            cursor.stage = Stage::BulkLength;
        }
        while cursor.args_left > 0 {
            match cursor.stage {
                Stage::Start | Stage::BulkLength => {
                    let len = bulk_length(cursor, buf, limits)?;
                    cursor.stage = Stage::Payload { len };
                }
                Stage::Payload { len } => {
                    let end = cursor.at + len;
                    let Some(line_end) = buf.get(end..end + 2) else {
                        if len < BIG_ARG_BYTES_MIN || limits.peer == Peer::Master {
                            return Err(Stop::Incomplete);
                        }
                        cursor.stage = Stage::BigPayload { len };
                        continue;
                    };
                    out.spans.push(Span {
                        start: cursor.at,
                        end,
                    });
                    cursor.canonical &= line_end == b"\r\n";
                    cursor.end_argument(end + 2);
                }
                Stage::BigPayload { len } => self.big_payload(cursor, len, buf, out)?,
                Stage::BigLineEnd => {
                    if buf.len() < cursor.at + 2 {
                        return Err(Stop::Incomplete);
                    }
                    cursor.end_argument(cursor.at + 2);
                }
            }
        }
        Ok(())
    }

    /// Moves what `buf` has of a big argument; files the argument once it is whole.
    fn big_payload(
        &mut self,
        cursor: &mut Cursor,
        len: usize,
        buf: &[u8],
        out: &mut ArgRanges,
    ) -> Result<(), Stop> {
        let there = &buf[cursor.at.min(buf.len())..];
        let missing = len - self.big.len();
        if there.len() < missing {
            self.absorb(there, missing);
            return Err(Stop::Big);
        }
        // Rare: everything is here but the line end, or the caller appended to the buffer.
        self.absorb(&there[..missing], missing);
        let spare = Vec::with_capacity(len.min(BIG_FIRST_STEP_BYTES));
        let mut big = std::mem::replace(&mut self.big, spare);
        self.spare_is_fresh = true;
        big.shrink_to_fit();
        out.push_big(big);
        // The payload is in no one's way in the buffer; skip it there.
        cursor.at += missing;
        cursor.canonical = false;
        cursor.stage = Stage::BigLineEnd;
        Ok(())
    }

    fn absorb(&mut self, bytes: &[u8], missing: usize) {
        if self.big.is_empty() {
            let wanted = missing.min(BIG_FIRST_STEP_BYTES.max(bytes.len()));
            // Room left from the last argument will do if the new one is much of its size.
            let fits = wanted..=wanted + wanted / SPARE_EXCESS_SHARE;
            if !fits.contains(&self.big.capacity()) {
                self.big = Vec::with_capacity(wanted);
            }
        }
        self.big.extend_from_slice(bytes);
    }

    /// A line of words. The parser is at its start: lines are short and parsed when complete.
    fn inline(&mut self, buf: &[u8], limits: &ParserLimits, out: &mut ArgRanges) -> Parse {
        let Some(found) = memchr::memchr(b'\n', &buf[self.cursor.scanned..]) else {
            if buf.len() > LINE_BYTES_MAX {
                return Parse::Error(ProtocolError::InlineTooBig);
            }
            self.cursor.scanned = buf.len();
            return Parse::Incomplete;
        };
        let line = &buf[..self.cursor.scanned + found];
        let consumed = line.len() + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.cursor = Cursor::default();
        let Some(words) = quoting::split_args(line) else {
            return Parse::Error(ProtocolError::UnbalancedQuotes);
        };
        if !line.is_empty() && limits.peer == Peer::Master {
            return Parse::Error(ProtocolError::InlineFromMaster);
        }
        for word in &words {
            out.push_unquoted(word);
        }
        if words.is_empty() {
            Parse::Blank { consumed }
        } else {
            Parse::Command { consumed }
        }
    }
}

impl Cursor {
    #[inline]
    fn end_argument(&mut self, at: usize) {
        self.at = at;
        self.args_left -= 1;
        self.stage = Stage::BulkLength;
    }

    /// Reads the line at the cursor, a mark byte and a number, and moves behind it. `Ok(None)` is
    /// a number that is not spelled as one. The mark is the caller's to judge.
    #[inline]
    fn number_line(&mut self, buf: &[u8], too_big: ProtocolError) -> Result<Option<i64>, Stop> {
        // Nearly all lengths have one or two digits.
        if let [d @ b'1'..=b'9', b'\r', b'\n', ..] = buf.get(self.at + 1..).unwrap_or_default() {
            (self.at, self.scanned) = (self.at + 4, 0);
            return Ok(Some(i64::from(d - b'0')));
        }
        if let [t @ b'1'..=b'9', o @ b'0'..=b'9', b'\r', b'\n', ..] =
            buf.get(self.at + 1..).unwrap_or_default()
        {
            (self.at, self.scanned) = (self.at + 5, 0);
            return Ok(Some(i64::from(t - b'0') * 10 + i64::from(o - b'0')));
        }
        self.any_number_line(buf, too_big)
    }

    fn any_number_line(&mut self, buf: &[u8], too_big: ProtocolError) -> Result<Option<i64>, Stop> {
        let line = &buf[self.at.min(buf.len())..];
        let Some(found) = memchr::memchr(b'\r', &line[self.scanned..]) else {
            if line.len() > LINE_BYTES_MAX {
                return Err(too_big.into());
            }
            self.scanned = line.len();
            return Err(Stop::Incomplete);
        };
        let len = self.scanned + found;
        let Some(line_end) = line.get(len + 1) else {
            self.scanned = len;
            return Err(Stop::Incomplete);
        };
        let number = line.get(1..len).and_then(numbers::parse_i64);
        self.canonical &= *line_end == b'\n';
        self.scanned = 0;
        self.at += len + 2;
        Ok(number)
    }
}

/// Reads `*N`. Zero and below is an empty request.
#[inline]
fn array_length(cursor: &mut Cursor, buf: &[u8], limits: &ParserLimits) -> Result<usize, Stop> {
    match cursor.number_line(buf, ProtocolError::ArrayLengthTooBig)? {
        Some(len) if len > i64::from(i32::MAX) => Err(ProtocolError::InvalidArrayLength.into()),
        Some(len) if len > UNAUTHENTICATED_ARGS_MAX && limits.peer == Peer::Unauthenticated => {
            Err(ProtocolError::UnauthenticatedArrayLength.into())
        }
        Some(len) => Ok(len.max(0) as usize),
        None => Err(ProtocolError::InvalidArrayLength.into()),
    }
}

/// Reads `$N`.
#[inline]
fn bulk_length(cursor: &mut Cursor, buf: &[u8], limits: &ParserLimits) -> Result<usize, Stop> {
    let start = cursor.at;
    let number = cursor.number_line(buf, ProtocolError::BulkLengthTooBig)?;
    // The mark is judged once the whole line is there, as its reader would see it.
    if buf[start] != b'$' {
        return Err(ProtocolError::ExpectedBulk(buf[start]).into());
    }
    match number {
        Some(len @ 0..) => {
            if len as u64 > limits.bulk_bytes_max && limits.peer != Peer::Master {
                return Err(ProtocolError::InvalidBulkLength.into());
            }
            if len > UNAUTHENTICATED_BULK_BYTES_MAX && limits.peer == Peer::Unauthenticated {
                return Err(ProtocolError::UnauthenticatedBulkLength.into());
            }
            Ok(len as usize)
        }
        _ => Err(ProtocolError::InvalidBulkLength.into()),
    }
}

#[cfg(test)]
mod tests;
