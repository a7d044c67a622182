//! Marks of time between commands of the stream, and when the origin makes one.
//!
//! A mark is `PING lag:<microseconds>:<name>`: the origin's time, and the beginning of the name of
//! the history that it was made in. Whoever reads an old part of the stream, after another server
//! has become the origin, thus tells the old origin's marks from those whose clock it knows.
//!
//! It goes over a link whose both ends know marks, between two commands, and is **no part of the
//! stream**: it counts for no offset and no sum, and stands in no log and no file. So it does not
//! matter to anybody who does not know marks. The log's owner keeps the last marks with their
//! places, and whoever is sent the stream up to such a place is sent the mark there.
//!
//! Marks stand behind the writes of a tick, [`PERIOD_MS`] apart at least. The one behind the last
//! writes before a rest may come so much later than they.

use std::collections::VecDeque;

use crate::base::numbers::parse_i64;
use crate::replication::identity::ReplId;
use crate::replication::wire;

/// Marks are at least so far apart.
pub const PERIOD_MS: u64 = 100;

/// What the argument begins with.
const PREFIX: &[u8] = b"lag:";
/// So much of the history's name stands in a mark.
const NAME_BYTES: usize = 8;
/// So many marks are kept for replicas that are behind. When there are more, every second one goes.
const MARKS_MAX: usize = 512;

/// A mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The origin's time when it was made, in microseconds.
    pub at_us: i64,
    name: [u8; NAME_BYTES],
}

impl Mark {
    /// A mark of this time in this history.
    pub fn new(at_us: i64, id: ReplId) -> Mark {
        let (name, _) = id.as_bytes().split_first_chunk().expect("40 characters");
        Mark { at_us, name: *name }
    }

    /// Reads the argument of a `PING`.
    pub fn parse(argument: &[u8]) -> Option<Mark> {
        let rest = argument.strip_prefix(PREFIX)?;
        let at = rest.iter().position(|byte| *byte == b':')?;
        Some(Mark {
            at_us: parse_i64(&rest[..at])?,
            name: rest[at + 1..].try_into().ok()?,
        })
    }

    /// Whether it was made in this history.
    pub fn is_of(&self, id: ReplId) -> bool {
        id.as_bytes().starts_with(&self.name)
    }

    /// The mark as it goes over the wire.
    pub fn command(&self) -> Vec<u8> {
        let time = self.at_us.to_string();
        let argument = [PREFIX, time.as_bytes(), b":", &self.name].concat();
        wire::command(&[b"PING", &argument])
    }
}

/// A mark at its place in the stream.
#[derive(Clone, Copy, Debug)]
pub struct PlacedMark {
    /// The offset of the byte behind it.
    pub before: u64,
    /// When it was put there, in monotonic milliseconds.
    pub placed_ms: u64,
    /// The mark.
    pub mark: Mark,
}

/// The last marks, by their places.
#[derive(Debug, Default)]
pub struct MarkQueue {
    marks: VecDeque<PlacedMark>,
}

impl MarkQueue {
    /// Adds a mark behind all that are there. Where the stream has begun anew, those are forgotten.
    pub fn push(&mut self, placed: PlacedMark) {
        if let Some(last) = self.marks.back()
            && (last.mark.name != placed.mark.name || last.before >= placed.before)
        {
            self.marks.clear();
        }
        if self.marks.len() == MARKS_MAX {
            let mut at = 0;
            self.marks.retain(|_| {
                at += 1;
                at % 2 == 0
            });
        }
        self.marks.push_back(placed);
    }

    /// The first mark that stands at `position` or behind, for who has got the one before `sent`.
    pub fn next(&self, sent: u64, position: u64) -> Option<&PlacedMark> {
        let from = position.max(sent + 1);
        // Usually there is none.
        self.marks.back().filter(|last| last.before >= from)?;
        let at = self.marks.partition_point(|placed| placed.before < from);
        self.marks.get(at)
    }

    /// Everybody has read up to there.
    pub fn forget_before(&mut self, position: u64) {
        let at = self
            .marks
            .partition_point(|placed| placed.before < position);
        self.marks.drain(..at);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Nobody wants any.
    pub fn clear(&mut self) {
        self.marks = VecDeque::new();
    }
}

/// When the origin makes its next mark.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marker {
    /// The stream's end when that was looked at last: beyond it are the writes of this tick.
    seen_offset: u64,
    marked_ms: Option<u64>,
    /// Something was written that has no mark behind it.
    is_owed: bool,
}

impl Marker {
    /// The stream ends there, at the end of a tick.
    pub fn note_end(&mut self, offset: u64) {
        let seen = std::mem::replace(&mut self.seen_offset, offset);
        self.is_owed |= seen != offset;
    }

    /// Whether a mark is to be made now.
    pub fn is_due(&self, now_ms: u64) -> bool {
        let is_late = |marked_ms: u64| now_ms.saturating_sub(marked_ms) >= PERIOD_MS;
        self.is_owed && self.marked_ms.is_none_or(is_late)
    }

    /// A mark was made.
    pub fn on_marked(&mut self, now_ms: u64) {
        self.marked_ms = Some(now_ms);
        self.is_owed = false;
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
        let written = Mark::new(1_700_000_000_123_456, id('c'));
        let text = "*2\r\n$4\r\nPING\r\n$29\r\nlag:1700000000123456:cccccccc\r\n";
        assert_eq!(written.command(), text.as_bytes());
        let mark = Mark::parse(b"lag:1700000000123456:cccccccc").expect("a mark");
        assert_eq!(mark, written);
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
        marker.note_end(0);
        assert!(!marker.is_due(0), "nothing was written");
        marker.note_end(10);
        assert!(marker.is_due(5));
        marker.on_marked(5);
        marker.note_end(10);
        assert!(!marker.is_due(1000), "nothing was written behind it");
        marker.note_end(50);
        assert!(!marker.is_due(104), "too soon");
        marker.note_end(50);
        assert!(
            marker.is_due(105),
            "what was written last gets its mark, too"
        );
    }

    fn placed(before: u64, letter: char) -> PlacedMark {
        PlacedMark {
            before,
            placed_ms: 0,
            mark: Mark::new(before as i64, id(letter)),
        }
    }

    #[test]
    fn who_reads_gets_each_mark_where_it_stands() {
        let mut queue = MarkQueue::default();
        for before in [10, 20, 30] {
            queue.push(placed(before, 'c'));
        }
        let next = |queue: &MarkQueue, sent, position| queue.next(sent, position).map(|m| m.before);
        assert_eq!(next(&queue, 0, 1), Some(10));
        assert_eq!(next(&queue, 0, 10), Some(10));
        assert_eq!(next(&queue, 10, 10), Some(20), "it has that one");
        assert_eq!(next(&queue, 10, 21), Some(30), "it has read past another");
        assert_eq!(next(&queue, 30, 30), None);
        assert_eq!(next(&queue, 0, 31), None);
        queue.forget_before(20);
        assert_eq!(next(&queue, 0, 1), Some(20));
        queue.push(placed(40, 'd'));
        assert_eq!(next(&queue, 0, 1), Some(40), "another history");
        queue.push(placed(7, 'd'));
        assert_eq!(next(&queue, 0, 1), Some(7), "it has begun anew");
        queue.clear();
        assert_eq!(next(&queue, 0, 1), None);
    }

    #[test]
    fn of_many_marks_that_nobody_takes_every_second_one_goes() {
        let mut queue = MarkQueue::default();
        for before in 1..=100_000 {
            queue.push(placed(before, 'c'));
            assert!(queue.marks.len() <= MARKS_MAX);
        }
        assert_eq!(queue.marks.back().map(|mark| mark.before), Some(100_000));
        assert!(queue.marks.len() > MARKS_MAX / 4);
    }
}
