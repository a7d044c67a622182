//! What `HRANDFIELD`, `SRANDMEMBER` and `ZRANDMEMBER` have in common: elements picked at random.
//!
//! A positive count asks for so many different elements, or all where there are no more; a negative
//! one for just so many, each drawn from all of them. As that may be as many as a client likes,
//! they are drawn in parts of bounded size, and no more once nobody wants them.

use super::error::CmdError;
use super::operand::signed_size;
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// Elements drawn between two looks at whether there is still use in it.
const BATCH: usize = 1000;

/// With values or scores, twice as many elements come back: larger counts cannot be doubled.
const COUNT_WITH_MORE_MAX: u64 = i64::MAX as u64 / 2;

/// How to pick what was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    /// Not at all: none is asked for, or there is none.
    Nothing,
    /// So many different ones, of which there are enough.
    Sample(usize),
    /// So many, one by one.
    Draw(usize),
}

impl Pick {
    /// What a count means to a collection of this length.
    pub fn of(count: i64, len: usize) -> Pick {
        let wanted = count.unsigned_abs() as usize;
        match count {
            _ if wanted == 0 || len == 0 => Pick::Nothing,
            // One element is the same either way, and is drawn faster.
            ..=1 => Pick::Draw(wanted),
            _ => Pick::Sample(wanted.min(len)),
        }
    }

    /// How many elements that makes.
    pub fn count(self) -> usize {
        match self {
            Pick::Nothing => 0,
            Pick::Sample(n) | Pick::Draw(n) => n,
        }
    }
}

/// Reads a count and, behind it, the option to show more than the elements themselves.
pub fn count_and_option(args: &Args<'_>, option: &str) -> Result<(i64, bool), CmdError> {
    let count = signed_size(&args[2])?;
    let shows_more = match args.get(3) {
        None => false,
        Some(word) if args.len() == 4 && word.eq_ignore_ascii_case(option.as_bytes()) => true,
        Some(_) => return Err(CmdError::Syntax),
    };
    if shows_more && count.unsigned_abs() > COUNT_WITH_MORE_MAX {
        return Err(CmdError::Fixed("ERR value is out of range"));
    }
    Ok((count, shows_more))
}

/// Has `draw` reply with so many elements, as long as somebody wants them.
pub fn draw_in_batches(reply: &mut Reply, n: usize, mut draw: impl FnMut(&mut Reply, usize)) {
    for drawn in (0..n).step_by(BATCH) {
        draw(reply, (n - drawn).min(BATCH));
        if reply.is_moot() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_says_how_many_and_whether_they_may_repeat() {
        for (count, len, pick) in [
            (0, 3, Pick::Nothing),
            (5, 0, Pick::Nothing),
            (-5, 0, Pick::Nothing),
            (1, 3, Pick::Draw(1)),
            (2, 3, Pick::Sample(2)),
            (5, 3, Pick::Sample(3)),
            (-5, 3, Pick::Draw(5)),
            (-i64::MAX, 1, Pick::Draw(i64::MAX as usize)),
        ] {
            assert_eq!(Pick::of(count, len), pick, "{count} of {len}");
        }
    }
}
