//! The identity of a stream's entry: milliseconds and a sequence number, in that order.
//!
//! An id is written `ms-seq`. Commands also take shorthand: `ms` alone (the sequence that is
//! missing is the smallest or the largest, depending on the end of the range), `-` and `+` for the
//! ends of everything, `(id` for an open end, and, where an entry is added, `*` and `ms-*` for what
//! the server shall choose ([`NewId`]).

use crate::base::numbers::{INTEGER_TEXT_BYTES_MAX, parse_u64, skip_blanks};

/// The longest argument that is looked at as an id.
const ID_ARGUMENT_BYTES_MAX: usize = 127;

/// The longest text of an id: two numbers and a dash.
const ID_TEXT_BYTES_MAX: usize = 2 * INTEGER_TEXT_BYTES_MAX + 1;

/// The identity of an entry. Ids of a stream only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds, usually since the epoch.
    pub ms: u64,
    /// Tells entries of one millisecond apart.
    pub seq: u64,
}

impl StreamId {
    /// The smallest id, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The largest id.
    pub const MAX: StreamId = StreamId {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// An id from its two parts.
    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The id right behind this one; none behind the largest.
    #[inline]
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId::new(self.ms.checked_add(1)?, 0)),
        }
    }

    /// The id right before this one; none before the smallest.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId::new(self.ms.checked_sub(1)?, u64::MAX)),
        }
    }

    /// The bytes whose order is the order of ids, as snapshots hold them.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The reverse of [`StreamId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> StreamId {
        let both = u128::from_be_bytes(bytes);
        StreamId::new((both >> 64) as u64, both as u64)
    }

    /// Reads `ms-seq` or `ms`, whose sequence is then `missing_seq`.
    #[inline]
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        let (ms, seq) = split(text)?;
        Some(StreamId {
            ms: parse_part(ms)?,
            seq: seq.map_or(Some(missing_seq), parse_part)?,
        })
    }

    /// Reads what [`StreamId::parse`] reads, and `-` and `+`.
    pub fn parse_or_end(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        match text {
            b"-" => Some(StreamId::MIN),
            b"+" => Some(StreamId::MAX),
            _ => StreamId::parse(text, missing_seq),
        }
    }

    /// The id as text.
    #[inline]
    pub fn text(self) -> IdText {
        let mut text = IdText {
            bytes: [0; ID_TEXT_BYTES_MAX],
            len: 0,
        };
        let mut digits = itoa::Buffer::new();
        text.push(digits.format(self.ms).as_bytes());
        text.push(b"-");
        text.push(digits.format(self.seq).as_bytes());
        text
    }
}

/// An id as text, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; ID_TEXT_BYTES_MAX],
    len: usize,
}

impl IdText {
    #[inline]
    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }
}

impl AsRef<[u8]> for IdText {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The id that an entry shall get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// `*`: the time now, or behind the last entry where that is not later.
    Auto,
    /// `ms-*`: the next free sequence number of a millisecond.
    AutoSeq(u64),
    /// Just this one.
    Exact(StreamId),
}

impl NewId {
    /// Reads `*`, `ms-*`, `ms-seq` or `ms` (with sequence 0).
    #[inline]
    pub fn parse(text: &[u8]) -> Option<NewId> {
        if text == b"*" {
            return Some(NewId::Auto);
        }
        match split(text)? {
            (ms, Some(b"*")) => parse_part(ms).map(NewId::AutoSeq),
            _ => StreamId::parse(text, 0).map(NewId::Exact),
        }
    }
}

/// One end of a range of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeEnd {
    /// The id at the end.
    pub id: StreamId,
    /// Whether the range ends just before it: it was written `(id`.
    pub open: bool,
}

impl RangeEnd {
    /// Reads an end: an id, `-`, `+`, or an id behind `(`.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<RangeEnd> {
        match text {
            [b'(', id @ ..] if !id.is_empty() => Some(RangeEnd {
                id: StreamId::parse(id, missing_seq)?,
                open: true,
            }),
            _ => Some(RangeEnd {
                id: StreamId::parse_or_end(text, missing_seq)?,
                open: false,
            }),
        }
    }
}

/// Cuts an id at its first dash.
#[inline]
fn split(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if text.len() > ID_ARGUMENT_BYTES_MAX {
        return None;
    }
    match text.iter().position(|c| *c == b'-') {
        Some(dash) => Some((&text[..dash], Some(&text[dash + 1..]))),
        None => Some((text, None)),
    }
}

/// Reads half of an id as liberally as the reference: what is not a canonical integer is read as
/// C's `strtoull` reads it (blanks and a sign in front, leading zeros, negatives wrap around).
#[inline]
fn parse_part(text: &[u8]) -> Option<u64> {
    parse_u64(text).or_else(|| parse_part_liberally(text))
}

#[cold]
fn parse_part_liberally(text: &[u8]) -> Option<u64> {
    let number = skip_blanks(text);
    let (negative, digits) = match number {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let canonical = number.len() == text.len() && matches!(digits.first(), Some(b'1'..=b'9'));
    let canonical_negative = negative && canonical;
    if digits.is_empty() || canonical_negative {
        return None;
    }
    let magnitude = digits.iter().try_fold(0u64, |value, c| {
        let digit = c.is_ascii_digit().then(|| u64::from(c - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    Some(if negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64, seq: u64) -> StreamId {
        StreamId::new(ms, seq)
    }

    #[test]
    fn ids_are_read_whole_or_in_part() {
        for (text, expected) in [
            ("5-3", Some(id(5, 3))),
            ("5", Some(id(5, 9))),
            ("0-0", Some(id(0, 0))),
            (
                "18446744073709551615-18446744073709551615",
                Some(StreamId::MAX),
            ),
            ("18446744073709551616-0", None),
            ("007-+1", Some(id(7, 1))),
            ("5- 1", Some(id(5, 1))),
            ("5--1", None),
            ("5--01", Some(id(5, u64::MAX))),
            ("-", None),
            ("+", None),
            ("", None),
            ("5-", None),
            ("-5", None),
            ("x", None),
            ("5-*", None),
            ("5-3-1", None),
        ] {
            assert_eq!(StreamId::parse(text.as_bytes(), 9), expected, "{text:?}");
        }
        assert_eq!(StreamId::parse(&[b'0'; 128], 0), None);
        assert_eq!(StreamId::parse_or_end(b"-", 0), Some(StreamId::MIN));
        assert_eq!(StreamId::parse_or_end(b"+", 0), Some(StreamId::MAX));
    }

    #[test]
    fn ids_to_be_chosen_by_the_server() {
        assert_eq!(NewId::parse(b"*"), Some(NewId::Auto));
        assert_eq!(NewId::parse(b"7-*"), Some(NewId::AutoSeq(7)));
        assert_eq!(NewId::parse(b"7"), Some(NewId::Exact(id(7, 0))));
        assert_eq!(NewId::parse(b"7-2"), Some(NewId::Exact(id(7, 2))));
        assert_eq!(NewId::parse(b"7-**"), None);
        assert_eq!(NewId::parse(b"-"), None);
    }

    #[test]
    fn ends_of_ranges_may_be_open() {
        let end = |text: &str| RangeEnd::parse(text.as_bytes(), 4).map(|e| (e.id, e.open));
        assert_eq!(end("(7"), Some((id(7, 4), true)));
        assert_eq!(end("7-1"), Some((id(7, 1), false)));
        assert_eq!(end("+"), Some((StreamId::MAX, false)));
        assert_eq!(end("(+"), None);
        assert_eq!(end("("), None);
    }

    #[test]
    fn neighbours_carry_into_milliseconds() {
        assert_eq!(id(1, u64::MAX).next(), Some(id(2, 0)));
        assert_eq!(id(2, 0).previous(), Some(id(1, u64::MAX)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.previous(), None);
    }

    #[test]
    fn bytes_sort_like_ids_and_text_reads_back() {
        let ids = [id(0, 1), id(1, 0), id(1, 256), id(256, 1), StreamId::MAX];
        assert!(ids.is_sorted_by_key(|id| id.to_bytes()));
        for id in ids {
            assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
            assert_eq!(StreamId::parse(id.text().as_ref(), 0), Some(id));
        }
        assert_eq!(id(12, 34).text().as_ref(), b"12-34");
    }
}
