//! Replies of other servers, from bytes that come in pieces.
//!
//! [`ReplyParser`] takes the bytes as they arrive and gives one [`Value`] for each whole reply. It
//! goes on where it stopped: no byte is looked at twice, however small the pieces are. What it
//! takes is RESP2, and of RESP3 what a server may send without being asked for it: the types that
//! have no [`Value`] of their own become the one that RESP2 has for them, and attributes are left
//! out.
//!
//! The other end is not trusted: a reply may be so large and so deep and no more, memory is taken
//! for what has come and not for what is announced, and what makes no sense is a
//! [`ReplyError`], after which the connection is of no use.

use std::fmt;

use super::reply::Value;
use crate::base::numbers::parse_i64;

/// Bytes of one reply.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Values that one reply is made of.
const VALUES_MAX: usize = 1024 * 1024;
/// Bytes of a line, without its end.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Arrays within arrays.
const DEPTH_MAX: usize = 8;
/// Room for input that is kept while there is none.
const IDLE_BYTES_MAX: usize = 16 * 1024;

const LINE_END: &[u8] = b"\r\n";
/// What a verbatim string begins with: three letters for its kind, and a colon.
const VERBATIM_PREFIX_BYTES: usize = 4;

/// Why a reply makes no sense, or is none that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// It begins with this byte, which no type has.
    UnknownType(u8),
    /// A length is no number that a length may be.
    BadLength,
    /// A number is none.
    BadNumber,
    /// A line or a string does not end where it has to.
    BadEnd,
    /// It is larger or deeper than we take.
    TooLarge,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyError::UnknownType(byte) => {
                write!(f, "unknown type of reply '{}'", byte.escape_ascii())
            }
            ReplyError::BadLength => f.write_str("a reply with an invalid length"),
            ReplyError::BadNumber => f.write_str("a reply with an invalid number"),
            ReplyError::BadEnd => f.write_str("a reply without its end"),
            ReplyError::TooLarge => f.write_str("a reply that is too large"),
        }
    }
}

/// What the bytes of a string are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StringKind {
    Plain,
    Verbatim,
    Error,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaits {
    /// A line.
    #[default]
    Line,
    /// So many bytes, and the end of a line.
    String(StringKind, usize),
}

/// An array that has begun.
#[derive(Debug)]
struct Open {
    members: Vec<Value>,
    left: usize,
    /// It is an attribute: nobody wants to know.
    is_aside: bool,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct ReplyParser {
    input: Vec<u8>,
    /// Where in it that begins which comes next.
    start: usize,
    /// Up to where it was searched for the end of a line.
    searched: usize,
    awaits: Awaits,
    open: Vec<Open>,
    /// Bytes and values of the reply that has begun.
    bytes: usize,
    values: usize,
}

impl ReplyParser {
    /// Takes bytes that have come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.input.is_empty() {
            self.input.shrink_to(IDLE_BYTES_MAX);
        }
        self.input.extend_from_slice(bytes);
    }

    /// The next whole reply, if it has come.
    ///
    /// # Errors
    ///
    /// What came is no reply that we take. The connection is of no use then.
    pub fn next_reply(&mut self) -> Result<Option<Value>, ReplyError> {
        loop {
            let value = match self.awaits {
                Awaits::Line => match self.take_line()? {
                    None => return Ok(None),
                    Some(begun) => begun,
                },
                Awaits::String(kind, length) => match self.take_string(kind, length)? {
                    None => return Ok(None),
                    Some(value) => Some(value),
                },
            };
            if let Some(value) = value
                && let Some(reply) = self.put(value)
            {
                self.bytes = 0;
                self.values = 0;
                return Ok(Some(reply));
            }
        }
    }

    /// A value is whole. Gives the reply, if that is whole, too.
    fn put(&mut self, mut value: Value) -> Option<Value> {
        while let Some(top) = self.open.last_mut() {
            top.members.push(value);
            if top.members.len() < top.left {
                return None;
            }
            let Open {
                members, is_aside, ..
            } = self.open.pop()?;
            if is_aside {
                // What it is about is still to come.
                return None;
            }
            value = Value::Array(members);
        }
        Some(value)
    }

    /// Counts what belongs to the reply that has begun.
    fn account(&mut self, bytes: usize, values: usize) -> Result<(), ReplyError> {
        self.bytes += bytes;
        self.values += values;
        match self.bytes <= REPLY_BYTES_MAX && self.values <= VALUES_MAX {
            true => Ok(()),
            false => Err(ReplyError::TooLarge),
        }
    }

    // ---- Lines ----

    /// Takes a line, if it is there: a value, or nothing yet if it only begins one.
    fn take_line(&mut self) -> Result<Option<Option<Value>>, ReplyError> {
        self.check_type()?;
        let found = self.input[self.searched..]
            .iter()
            .position(|byte| *byte == b'\r');
        let end = found.map_or(self.input.len(), |at| self.searched + at);
        self.searched = end;
        if end - self.start > LINE_BYTES_MAX {
            return Err(ReplyError::TooLarge);
        }
        match self.input.get(end + 1) {
            None => return Ok(None),
            Some(b'\n') => {}
            Some(_) => return Err(ReplyError::BadEnd),
        }
        let line = self.start..end;
        self.start = end + LINE_END.len();
        self.searched = self.start;
        self.account(line.len() + LINE_END.len(), 1)?;
        let (kind, rest) = (self.input[line.start], line.start + 1..line.end);
        self.read_line(kind, rest).map(Some)
    }

    /// Refuses a line that begins as none does: its end may never come.
    fn check_type(&self) -> Result<(), ReplyError> {
        match self.input.get(self.start) {
            Some(byte) if !b"+-:$*_#,(!=%~>|".contains(byte) => Err(ReplyError::UnknownType(*byte)),
            _ => Ok(()),
        }
    }

    fn read_line(
        &mut self,
        kind: u8,
        rest: std::ops::Range<usize>,
    ) -> Result<Option<Value>, ReplyError> {
        let rest = &self.input[rest];
        if rest.contains(&b'\n') {
            return Err(ReplyError::BadEnd);
        }
        let value = match kind {
            // Numbers that fit no integer are passed on as they are written.
            b'+' | b',' | b'(' => Value::Simple(rest.to_vec()),
            b'-' => Value::Error(rest.to_vec()),
            b':' => Value::Int(parse_i64(rest).ok_or(ReplyError::BadNumber)?),
            b'_' if rest.is_empty() => Value::Null,
            b'_' => return Err(ReplyError::BadEnd),
            b'#' => match rest {
                b"t" => Value::Int(1),
                b"f" => Value::Int(0),
                _ => return Err(ReplyError::BadNumber),
            },
            b'$' | b'=' | b'!' => {
                let kind = match kind {
                    b'=' => StringKind::Verbatim,
                    b'!' => StringKind::Error,
                    _ => StringKind::Plain,
                };
                let length = length_of(rest)?;
                return self.begin_string(kind, length);
            }
            b'*' | b'~' | b'>' => {
                let length = length_of(rest)?;
                return self.begin_array(length, 1, false);
            }
            b'%' | b'|' => {
                let length = length_of(rest)?;
                return self.begin_array(length, 2, kind == b'|');
            }
            other => return Err(ReplyError::UnknownType(other)),
        };
        Ok(Some(value))
    }

    fn begin_array(
        &mut self,
        length: Option<usize>,
        values_each: usize,
        is_aside: bool,
    ) -> Result<Option<Value>, ReplyError> {
        let Some(length) = length else {
            return Ok(Some(Value::Null));
        };
        let values = length
            .checked_mul(values_each)
            .filter(|values| *values <= VALUES_MAX)
            .ok_or(ReplyError::TooLarge)?;
        if values == 0 {
            return Ok((!is_aside).then(|| Value::Array(Vec::new())));
        }
        if self.open.len() == DEPTH_MAX {
            return Err(ReplyError::TooLarge);
        }
        self.open.push(Open {
            members: Vec::new(),
            left: values,
            is_aside,
        });
        Ok(None)
    }

    // ---- Strings ----

    fn begin_string(
        &mut self,
        kind: StringKind,
        length: Option<usize>,
    ) -> Result<Option<Value>, ReplyError> {
        let Some(length) = length else {
            return Ok(Some(Value::Null));
        };
        if length > REPLY_BYTES_MAX {
            return Err(ReplyError::TooLarge);
        }
        self.account(length + LINE_END.len(), 0)?;
        self.awaits = Awaits::String(kind, length);
        Ok(None)
    }

    fn take_string(
        &mut self,
        kind: StringKind,
        length: usize,
    ) -> Result<Option<Value>, ReplyError> {
        let end = self.start + length;
        let Some(line_end) = self.input.get(end..end + LINE_END.len()) else {
            return Ok(None);
        };
        if line_end != LINE_END {
            return Err(ReplyError::BadEnd);
        }
        let bytes = &self.input[self.start..end];
        let value = match kind {
            StringKind::Plain => Value::Bulk(bytes.to_vec()),
            StringKind::Error => Value::Error(bytes.to_vec()),
            StringKind::Verbatim => {
                let text = bytes.get(VERBATIM_PREFIX_BYTES..);
                Value::Bulk(text.ok_or(ReplyError::BadLength)?.to_vec())
            }
        };
        self.start = end + LINE_END.len();
        self.searched = self.start;
        self.awaits = Awaits::Line;
        Ok(Some(value))
    }
}

/// A length; none for what is not there.
fn length_of(text: &[u8]) -> Result<Option<usize>, ReplyError> {
    match parse_i64(text) {
        Some(-1) => Ok(None),
        Some(length) => usize::try_from(length)
            .map(Some)
            .map_err(|_| ReplyError::BadLength),
        None => Err(ReplyError::BadLength),
    }
}

#[cfg(test)]
#[path = "reply_parser_tests.rs"]
mod tests;
