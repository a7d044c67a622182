//! Picks the writes out of a stretch of the replication stream.
//!
//! The stretch begins with a whole command, in front of which some database is selected, and the
//! writes that are wanted begin somewhere in it: up to there it is only read to know the database.
//! What is not a write is left out (`PING`, `REPLCONF`, published messages), and so is a `SELECT`
//! that selects nothing for a write, and a transaction in which none is left. A transaction is
//! kept whole, since the half of one means something else.

use std::mem;

use crate::base::numbers::{self, parse_u64};
use crate::resp::args::{ArgRanges, Args, encode_command};
use crate::resp::parser::{Parse, Parser, ParserLimits, Peer, ProtocolError};

/// See the module's head.
#[derive(Debug)]
pub struct Sieve {
    parser: Parser,
    ranges: ArgRanges,
    /// Bytes of a command that is not whole.
    buffer: Vec<u8>,
    /// The offset of its first byte.
    at: u64,
    /// Writes behind this offset are wanted.
    after: u64,
    /// The database that is selected in the stream.
    db: Option<u32>,
    /// The database that is selected in what was picked.
    picked_db: Option<u32>,
    /// What was picked of a transaction that has no end yet.
    transaction: Option<Vec<u8>>,
    commands: u64,
}

/// What a command is to a sieve.
enum Kind {
    Select,
    Begin,
    End,
    Noise,
    Write,
}

fn kind_of(name: &[u8]) -> Kind {
    match name.to_ascii_lowercase().as_slice() {
        b"select" => Kind::Select,
        b"multi" => Kind::Begin,
        b"exec" => Kind::End,
        b"ping" | b"replconf" | b"publish" | b"spublish" => Kind::Noise,
        _ => Kind::Write,
    }
}

impl Sieve {
    /// For a stream whose next byte, the first of a command, has the offset `at`, with `db`
    /// selected there; what is wanted lies behind `after`.
    pub fn new(at: u64, db: Option<u32>, after: u64) -> Sieve {
        Sieve {
            parser: Parser::default(),
            ranges: ArgRanges::default(),
            buffer: Vec::new(),
            at,
            after,
            db,
            picked_db: None,
            transaction: None,
            commands: 0,
        }
    }

    /// The last byte of the last whole command.
    pub fn up_to(&self) -> u64 {
        self.at - 1
    }

    /// Commands that were picked.
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// Takes more of the stream, and appends the writes in it to `out`. `each` is shown every one
    /// of them, with its database.
    ///
    /// # Errors
    ///
    /// The stream cannot be understood; what was picked before stands.
    pub fn push(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        mut each: impl FnMut(u32, &Args<'_>),
    ) -> Result<(), ProtocolError> {
        let limits = ParserLimits {
            peer: Peer::Master,
            bulk_bytes_max: u64::MAX,
        };
        self.buffer.extend_from_slice(bytes);
        let buffer = mem::take(&mut self.buffer);
        let mut start = 0;
        let result = loop {
            let next = self
                .parser
                .next(&buffer[start..], &limits, &mut self.ranges);
            match next {
                Parse::Command { consumed } => {
                    let raw = &buffer[start..start + consumed];
                    let mut ranges = mem::take(&mut self.ranges);
                    let args = ranges.args(raw);
                    self.take(raw, &args, out, &mut each);
                    ranges.release();
                    self.ranges = ranges;
                    start += consumed;
                    self.at += consumed as u64;
                }
                Parse::Blank { consumed } => {
                    start += consumed;
                    self.at += consumed as u64;
                }
                Parse::Incomplete | Parse::Big { .. } => break Ok(()),
                Parse::Error(error) => break Err(error),
            }
        };
        self.buffer = buffer;
        self.buffer.drain(..start);
        result
    }

    fn take(
        &mut self,
        raw: &[u8],
        args: &Args<'_>,
        out: &mut Vec<u8>,
        each: &mut impl FnMut(u32, &Args<'_>),
    ) {
        match kind_of(args.get(0).unwrap_or_default()) {
            Kind::Noise => {}
            Kind::Select => {
                let db = args.get(1).and_then(parse_u64);
                self.db = db.and_then(|db| u32::try_from(db).ok()).or(self.db);
            }
            Kind::Begin => self.transaction = Some(Vec::new()),
            Kind::End => {
                let picked = self.transaction.take().unwrap_or_default();
                if !picked.is_empty() {
                    encode_command(&[b"MULTI"], out);
                    out.extend_from_slice(&picked);
                    out.extend_from_slice(raw);
                }
            }
            Kind::Write if self.at > self.after => {
                let into = self.transaction.as_mut().unwrap_or(out);
                if self.db.is_some() && self.picked_db != self.db {
                    let mut digits = Vec::new();
                    numbers::format_u64(self.db.unwrap_or(0).into(), &mut digits);
                    encode_command(&[b"SELECT", &digits], into);
                    self.picked_db = self.db;
                }
                into.extend_from_slice(raw);
                self.commands += 1;
                each(self.db.unwrap_or(0), args);
            }
            Kind::Write => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands as a stream, and where each of them ends.
    fn stream(lines: &[&str]) -> (Vec<u8>, Vec<u64>) {
        let mut bytes = Vec::new();
        let ends = lines.iter().map(|line| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            encode_command(&words, &mut bytes);
            bytes.len() as u64
        });
        let ends = ends.collect();
        (bytes, ends)
    }

    /// What is picked, as lines, whatever the pieces in which the stream comes.
    fn picked(lines: &[&str], db: Option<u32>, after: u64) -> Vec<String> {
        let (bytes, _) = stream(lines);
        let mut results = Vec::new();
        for step in [1, 7, 1000] {
            let mut sieve = Sieve::new(1, db, after);
            let mut out = Vec::new();
            for piece in bytes.chunks(step) {
                sieve.push(piece, &mut out, |_, _| {}).expect("a stream");
            }
            assert_eq!(sieve.up_to(), bytes.len() as u64);
            results.push(out);
        }
        assert!(results.iter().all(|out| *out == results[0]));
        let mut words: Vec<&str> = Vec::new();
        let text = str::from_utf8(&results[0]).expect("ASCII");
        let mut lines = Vec::new();
        for line in text.split("\r\n") {
            if line.starts_with('*') && !words.is_empty() {
                lines.push(words.join(" "));
                words.clear();
            } else if !line.starts_with(['*', '$']) && !line.is_empty() {
                words.push(line);
            }
        }
        lines.extend((!words.is_empty()).then(|| words.join(" ")));
        lines
    }

    #[test]
    fn writes_are_picked_and_nothing_else() {
        let lines = [
            "SELECT 2",
            "SET a 1",
            "ping",
            "PUBLISH c m",
            "SELECT 3",
            "SELECT 2",
        ];
        assert_eq!(picked(&lines, None, 0), ["SELECT 2", "SET a 1"]);
        let more = [
            "REPLCONF GETACK *",
            "SELECT 3",
            "PING",
            "SET b 2",
            "SET c 3",
        ];
        let want = ["SELECT 3", "SET b 2", "SET c 3"];
        assert_eq!(picked(&more, Some(0), 0), want);
    }

    #[test]
    fn what_lies_before_is_read_for_its_database_only() {
        let lines = ["SELECT 5", "SET a 1", "SET b 2"];
        let (_, ends) = stream(&lines);
        assert_eq!(picked(&lines, None, ends[1]), ["SELECT 5", "SET b 2"]);
        assert_eq!(picked(&lines, None, ends[2]), [""; 0]);
        assert_eq!(picked(&["SET a 1"], Some(7), 0), ["SELECT 7", "SET a 1"]);
    }

    #[test]
    fn transactions_are_kept_whole_and_empty_ones_left_out() {
        let lines = [
            "MULTI",
            "SELECT 1",
            "SET a 1",
            "PUBLISH c m",
            "INCR b",
            "EXEC",
        ];
        let want = ["MULTI", "SELECT 1", "SET a 1", "INCR b", "EXEC"];
        assert_eq!(picked(&lines, Some(0), 0), want);
        assert_eq!(
            picked(&["MULTI", "PUBLISH c m", "EXEC"], Some(0), 0),
            [""; 0]
        );
        assert_eq!(picked(&["MULTI", "SET a 1"], Some(0), 0), [""; 0]);
    }

    #[test]
    fn a_stream_that_makes_no_sense_ends_what_is_picked() {
        let mut sieve = Sieve::new(1, Some(0), 0);
        let (mut bytes, _) = stream(&["SET a 1"]);
        bytes.extend_from_slice(b"nonsense\r\n");
        let (mut out, mut seen) = (Vec::new(), 0);
        assert!(sieve.push(&bytes, &mut out, |_, _| seen += 1).is_err());
        assert_eq!((sieve.commands(), seen), (1, 1));
        assert!(out.ends_with(b"SET\r\n$1\r\na\r\n$1\r\n1\r\n"));
    }
}
