//! The few bytes that replication itself puts on the wire, and the one way it reads lines.
//!
//! During the handshake the two servers exchange lines; what a peer sends is untrusted, so a line
//! has a limit, and its text is made harmless before it gets into a log.

use crate::base::numbers;

/// The longest line that a peer may send during the handshake, without its end.
pub const LINE_BYTES_MAX: usize = 1024;

/// What an answer to `REPLCONF origin-time` begins with.
pub const ORIGIN_TIME: &str = "ORIGIN-TIME";

/// A command as an array of bulk strings.
pub fn command(args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + args.iter().map(|arg| arg.len() + 16).sum::<usize>());
    bytes.push(b'*');
    numbers::format_u64(args.len() as u64, &mut bytes);
    bytes.extend_from_slice(b"\r\n");
    for arg in args {
        bytes.push(b'$');
        numbers::format_u64(arg.len() as u64, &mut bytes);
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// `REPLCONF ACK offset`, by which a replica says how far it is, and, if it keeps an append-only
/// file, with `FACK offset` how far that is on disk. A master of ours is told with `LAG
/// milliseconds` how far behind the origin that is.
pub fn ack(offset: u64, fsynced: Option<u64>, lag_ms: Option<u64>) -> Vec<u8> {
    let offset = offset.to_string();
    let (fsynced, lag_ms) = (
        fsynced.map(|offset| offset.to_string()),
        lag_ms.map(|ms| ms.to_string()),
    );
    let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"ACK", offset.as_bytes()];
    for (word, value) in [(&b"FACK"[..], &fsynced), (b"LAG", &lag_ms)] {
        if let Some(value) = value {
            words.extend([word, value.as_bytes()]);
        }
    }
    command(&words)
}

/// `REPLCONF GETACK *`, by which a master asks how far its replicas are.
pub fn get_ack() -> Vec<u8> {
    command(&[b"REPLCONF", b"GETACK", b"*"])
}

/// The peer sent more than [`LINE_BYTES_MAX`] bytes without ending the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong;

/// Collects bytes until a line is complete, however the network cut them.
#[derive(Debug, Default)]
pub struct LineReader {
    partial: Vec<u8>,
}

impl LineReader {
    /// Takes bytes from the front of `input` up to the end of the line, if it is there. The line
    /// comes without its end (`\r\n` or `\n`).
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, LineTooLong> {
        let end = memchr::memchr(b'\n', input);
        let (now, later) = input.split_at(end.map_or(input.len(), |end| end + 1));
        if self.partial.len() + now.len() > LINE_BYTES_MAX + 2 {
            return Err(LineTooLong);
        }
        self.partial.extend_from_slice(now);
        *input = later;
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.partial);
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }
}

/// The largest reply that [`BulkReader`] keeps; what is longer is passed over.
const BULK_BYTES_MAX: usize = 64 * 1024;

/// Collects a reply that is a bulk string, however the network cut it.
#[derive(Debug, Default)]
pub struct BulkReader {
    line: LineReader,
    bytes: Vec<u8>,
    /// What is still to come, the two bytes behind the string included.
    left: Option<u64>,
}

impl BulkReader {
    /// Takes bytes from the front of `input` up to the end of the reply, if it is there. An error,
    /// no string at all or one that is too long, comes as an empty one.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, LineTooLong> {
        if self.left.is_none() {
            let Some(line) = self.line.read(input)? else {
                return Ok(None);
            };
            let length = line.strip_prefix(b"$").and_then(leading_number);
            let Some(length) = length.and_then(|length| u64::try_from(length).ok()) else {
                return Ok(Some(Vec::new()));
            };
            self.left = Some(length.saturating_add(2));
        }
        let left = self.left.get_or_insert(0);
        let count = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
        let (now, later) = input.split_at(count);
        if self.bytes.len() + now.len() <= BULK_BYTES_MAX {
            self.bytes.extend_from_slice(now);
        } else {
            self.bytes.clear();
        }
        *left -= count as u64;
        *input = later;
        let is_whole = *left == 0;
        Ok(is_whole.then(|| std::mem::take(self).bytes))
    }
}

/// The number that `text` begins with, read as C's `strtoll` reads it: behind blanks and perhaps a
/// sign, with anything behind it; one that is out of range is the nearest in it. `None` if there
/// is no digit.
pub fn leading_number(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let value = digits[..count].iter().fold(0_i128, |value, digit| {
        let value = value * 10 + i128::from(digit - b'0');
        value.min(i128::from(u64::MAX))
    });
    let value = if is_negative { -value } else { value };
    let value = value.clamp(i64::MIN.into(), i64::MAX.into());
    (count > 0).then_some(value as i64)
}

/// A peer's text, fit for a log line: what is not printable is replaced.
pub fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        assert_eq!(command(&[b"PING"]), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(
            ack(1234, None, None),
            b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$4\r\n1234\r\n"
        );
        assert_eq!(
            ack(12, Some(7), None),
            b"*5\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n12\r\n$4\r\nFACK\r\n$1\r\n7\r\n"
        );
        let both = b"*7\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n12\r\n$4\r\nFACK\r\n$1\r\n7\r\n\
                     $3\r\nLAG\r\n$3\r\n250\r\n";
        assert_eq!(ack(12, Some(7), Some(250)), both);
    }

    #[test]
    fn a_line_is_the_same_however_it_was_cut() {
        let text = b"+FULLRESYNC abc 12\r\n\n-ERR no\r\nrest";
        let whole: Vec<Vec<u8>> = vec![b"+FULLRESYNC abc 12".to_vec(), vec![], b"-ERR no".to_vec()];
        for step in 1..text.len() {
            let mut reader = LineReader::default();
            let mut lines = Vec::new();
            for chunk in text.chunks(step) {
                let mut input = chunk;
                while let Some(line) = reader.read(&mut input).expect("short lines") {
                    lines.push(line);
                }
            }
            assert_eq!(lines, whole, "cut every {step} bytes");
        }
    }

    #[test]
    fn a_bulk_string_is_the_same_however_it_was_cut() {
        let text = b"$12\r\nab\r\ncd\r\nefgh\r\n+OK\r\n";
        for step in 1..text.len() {
            let mut reader = BulkReader::default();
            let mut found = None;
            let mut rest = 0;
            for chunk in text.chunks(step) {
                let mut input = chunk;
                if found.is_none() {
                    found = reader.read(&mut input).expect("short lines");
                }
                rest += input.len();
            }
            assert_eq!(found.as_deref(), Some(&b"ab\r\ncd\r\nefgh\r\n"[..]));
            assert_eq!(rest, 5, "cut every {step} bytes");
        }
        let mut error: &[u8] = b"-NOPERM\r\n+OK\r\n";
        assert_eq!(BulkReader::default().read(&mut error), Ok(Some(Vec::new())));
        assert_eq!(error, b"+OK\r\n");
    }

    #[test]
    fn what_follows_the_line_is_left_alone() {
        let mut input: &[u8] = b"+OK\r\n*1\r\n";
        assert_eq!(
            LineReader::default().read(&mut input),
            Ok(Some(b"+OK".to_vec()))
        );
        assert_eq!(input, b"*1\r\n");
    }

    #[test]
    fn a_number_is_read_as_far_as_it_goes() {
        for (text, number) in [
            ("171", Some(171)),
            (" \t+171x9", Some(171)),
            ("-5", Some(-5)),
            ("0", Some(0)),
            ("9223372036854775808", Some(i64::MAX)),
            ("-99999999999999999999999999999999999999999", Some(i64::MIN)),
            ("", None),
            ("-", None),
            ("EOF:x", None),
            ("+ 1", None),
        ] {
            assert_eq!(leading_number(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = LineReader::default();
        let noise = [b'x'; 100];
        let refused = (0..12).any(|_| reader.read(&mut &noise[..]) == Err(LineTooLong));
        assert!(refused);
    }

    #[test]
    fn a_peer_cannot_write_control_characters_into_our_log() {
        assert_eq!(printable(b"-ERR \x1b[31m\xff"), "-ERR ?[31m\u{fffd}");
    }
}
