//! The two ends of a range, as clients write them: ranks that may count from the end, scores or
//! strings that may be excluded.

use std::ops::Range;

use crate::base::numbers::parse_f64_lenient;
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::data::zset::{Cut, ZSetRef};

/// A range, before it is known of which set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bounds<'a> {
    /// From rank to rank, both included; a negative one counts from the end.
    Ranks(i64, i64),
    /// What lies between two places in the order.
    Cuts(Cut<'a>, Cut<'a>),
}

impl<'a> Bounds<'a> {
    /// A range of ranks.
    pub(super) fn ranks(first: &[u8], last: &[u8]) -> Result<Bounds<'a>, CmdError> {
        Ok(Bounds::Ranks(integer(first)?, integer(last)?))
    }

    /// A range of scores: `1.5`, `(1.5`, `-inf`.
    pub(super) fn scores(min: &[u8], max: &[u8]) -> Result<Bounds<'a>, CmdError> {
        let refusal = CmdError::Fixed("ERR min or max is not a float");
        let (Some((min, min_excluded)), Some((max, max_excluded))) =
            (score_bound(min), score_bound(max))
        else {
            return Err(refusal);
        };
        let from = match min_excluded {
            true => Cut::AfterScore(min),
            false => Cut::BeforeScore(min),
        };
        let to = match max_excluded {
            true => Cut::BeforeScore(max),
            false => Cut::AfterScore(max),
        };
        Ok(Bounds::Cuts(from, to))
    }

    /// A range of strings: `[a`, `(a`, `-`, `+`.
    pub(super) fn strings(min: &'a [u8], max: &'a [u8]) -> Result<Bounds<'a>, CmdError> {
        let from = match min {
            b"-" => Some(Cut::Lowest),
            b"+" => Some(Cut::Highest),
            [b'[', min @ ..] => Some(Cut::BeforeBytes(min)),
            [b'(', min @ ..] => Some(Cut::AfterBytes(min)),
            _ => None,
        };
        let to = match max {
            b"-" => Some(Cut::Lowest),
            b"+" => Some(Cut::Highest),
            [b'[', max @ ..] => Some(Cut::AfterBytes(max)),
            [b'(', max @ ..] => Some(Cut::BeforeBytes(max)),
            _ => None,
        };
        match (from, to) {
            (Some(from), Some(to)) => Ok(Bounds::Cuts(from, to)),
            _ => Err(CmdError::Fixed(
                "ERR min or max not valid string range item",
            )),
        }
    }

    /// The ranks of a set that are meant; counted from the top if `reversed`, which matters to
    /// ranks only.
    pub(super) fn within(self, set: ZSetRef<'_>, reversed: bool) -> Range<usize> {
        match self {
            Bounds::Cuts(from, to) => set.between(from, to),
            Bounds::Ranks(first, last) => {
                let ranks = clamp(first, last, set.len());
                if reversed {
                    set.len() - ranks.end..set.len() - ranks.start
                } else {
                    ranks
                }
            }
        }
    }
}

/// The ranks from `first` to `last` that exist.
fn clamp(first: i64, last: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let absolute = |rank: i64| if rank < 0 { rank + len } else { rank };
    let first = absolute(first).max(0);
    let last = absolute(last).min(len - 1);
    if first > last {
        0..0
    } else {
        first as usize..last as usize + 1
    }
}

/// A bound of scores, and whether it is excluded.
fn score_bound(word: &[u8]) -> Option<(f64, bool)> {
    match word {
        [b'(', score @ ..] => Some((parse_f64_lenient(score)?, true)),
        score => Some((parse_f64_lenient(score)?, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_scores_are_read_as_strtod_would() {
        let read = |text: &str| score_bound(text.as_bytes());
        assert_eq!(read("1.5"), Some((1.5, false)));
        assert_eq!(read("(1.5"), Some((1.5, true)));
        assert_eq!(read(" 2"), Some((2.0, false)));
        assert_eq!(read(""), Some((0.0, false)));
        assert_eq!(read("("), Some((0.0, true)));
        assert_eq!(read("+inf"), Some((f64::INFINITY, false)));
        assert_eq!(read("1e999"), Some((f64::INFINITY, false)));
        assert_eq!(read("-0x1p1024"), Some((f64::NEG_INFINITY, false)));
        assert_eq!(read("1e-999"), Some((0.0, false)));
        assert_eq!(read("(\x0b0x1p-2000"), Some((0.0, true)));
        assert_eq!(read("0x10"), Some((16.0, false)));
        for text in ["nan", "x", "1x", " ", "((1", "[1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn ranks_are_cut_to_what_exists() {
        assert_eq!(clamp(0, -1, 5), 0..5);
        assert_eq!(clamp(-2, -1, 5), 3..5);
        assert_eq!(clamp(-100, 100, 5), 0..5);
        assert_eq!(clamp(3, 2, 5), 0..0);
        assert_eq!(clamp(5, 9, 5), 0..0);
        assert_eq!(clamp(0, -6, 5), 0..0);
        assert_eq!(clamp(i64::MIN, i64::MAX, 0), 0..0);
    }
}
