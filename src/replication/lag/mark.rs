//! Marks of time in the stream, and when the origin writes one.
//!
//! A mark is `PING lag:<microseconds>:<name>`: the origin's time, and the beginning of the name of
//! the history that it wrote it in. Whoever reads an old part of the stream, after another server
//! has become the origin, thus tells the old origin's marks from those whose clock it knows.
//!
//! Marks stand behind the writes of a tick, in the same tick, and in the place of the regular ping.
//! A master that is at rest therefore moves on no more often than a stock one, and the last mark
//! before the rest may be up to [`PERIOD_MS`] older than the last write.

use crate::base::numbers::parse_i64;
use crate::replication::identity::ReplId;
use crate::replication::wire;

/// Marks are at least so far apart.
pub const PERIOD_MS: u64 = 100;

/// What the argument begins with.
const PREFIX: &[u8] = b"lag:";
/// So much of the history's name stands in a mark.
const NAME_BYTES: usize = 8;

/// A mark as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The origin's time when it was written, in microseconds.
    pub at_us: i64,
    name: [u8; NAME_BYTES],
}

impl Mark {
    /// Reads the argument of a `PING`.
    pub fn parse(argument: &[u8]) -> Option<Mark> {
        let rest = argument.strip_prefix(PREFIX)?;
        let at = rest.iter().position(|byte| *byte == b':')?;
        Some(Mark {
            at_us: parse_i64(&rest[..at])?,
            name: rest[at + 1..].try_into().ok()?,
        })
    }

    /// Whether it was written in this history.
    pub fn is_of(&self, id: ReplId) -> bool {
        id.as_bytes().starts_with(&self.name)
    }
}

/// The command that is a mark of this time.
pub fn command(at_us: i64, id: ReplId) -> Vec<u8> {
    let time = at_us.to_string();
    let argument = [PREFIX, time.as_bytes(), b":", &id.as_bytes()[..NAME_BYTES]].concat();
    wire::command(&[b"PING", &argument])
}

/// When the origin writes its next mark.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marker {
    /// The stream's end when that was looked at last: beyond it are the writes of this tick.
    seen_offset: u64,
    marked_ms: Option<u64>,
}

impl Marker {
    /// Whether something was written since this was asked last.
    pub fn take_writes(&mut self, offset: u64) -> bool {
        std::mem::replace(&mut self.seen_offset, offset) != offset
    }

    /// Whether a mark may be written now.
    pub fn may_mark(&self, now_ms: u64) -> bool {
        self.marked_ms
            .is_none_or(|marked_ms| now_ms.saturating_sub(marked_ms) >= PERIOD_MS)
    }

    /// A mark was written.
    pub fn on_marked(&mut self, now_ms: u64) {
        self.marked_ms = Some(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: char) -> ReplId {
        ReplId::parse(letter.to_string().repeat(40).as_bytes()).expect("a name")
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let bytes = command(1_700_000_000_123_456, id('c'));
        let text = "*2\r\n$4\r\nPING\r\n$29\r\nlag:1700000000123456:cccccccc\r\n";
        assert_eq!(bytes, text.as_bytes());
        let mark = Mark::parse(b"lag:1700000000123456:cccccccc").expect("a mark");
        assert_eq!(mark.at_us, 1_700_000_000_123_456);
        assert!(mark.is_of(id('c')) && !mark.is_of(id('d')));
    }

    #[test]
    fn other_pings_are_no_marks() {
        for argument in [
            "",
            "lag",
            "lag:",
            "lag:1",
            "lag:1:",
            "lag:1:short",
            "lag:x:cccccccc",
            "lag:1:ccccccccc",
            "hello",
            "lag:99999999999999999999:cccccccc",
        ] {
            assert_eq!(Mark::parse(argument.as_bytes()), None, "{argument}");
        }
    }

    #[test]
    fn a_mark_needs_a_write_and_some_time() {
        let mut marker = Marker::default();
        assert!(!marker.take_writes(0), "nothing was written");
        assert!(marker.take_writes(10) && marker.may_mark(5));
        marker.on_marked(5);
        marker.take_writes(40);
        assert!(!marker.take_writes(40), "only the mark");
        assert!(marker.take_writes(50) && !marker.may_mark(104), "too soon");
        assert!(!marker.take_writes(50), "a tick without a write");
        assert!(marker.take_writes(60) && marker.may_mark(105));
    }
}
