//! What `LMPOP`, `ZMPOP` and their blocking sisters have in common: they take from one end of the
//! first of several keys that has anything.

use std::ops::Range;

use super::error::CmdError;
use super::operand::integer_within;
use crate::resp::args::Args;

/// What such a command asks for; `End` is what the ends of its type are.
pub struct FirstOf<End> {
    /// Where the keys stand among the words.
    keys: Range<usize>,
    /// From which end elements are taken.
    pub end: End,
    /// How many, at most.
    pub count: usize,
}

impl<End> FirstOf<End> {
    /// Reads the words from the number of keys on, which stands at `at`: that many keys, an end,
    /// and perhaps `COUNT` with a number.
    pub fn parse(
        args: &Args<'_>,
        at: usize,
        end: impl FnOnce(&[u8]) -> Result<End, CmdError>,
    ) -> Result<FirstOf<End>, CmdError> {
        let refusal = "ERR numkeys should be greater than 0";
        let keys = integer_within(&args[at], 1..=i64::MAX, refusal)? as usize;
        let end_at = keys.saturating_add(at + 1);
        let end = end(args.get(end_at).ok_or(CmdError::Syntax)?)?;
        let mut options = args.iter_from(end_at + 1);
        let count = match (options.next(), options.next(), options.next()) {
            (None, ..) => 1,
            (Some(option), Some(count), rest) if option.eq_ignore_ascii_case(b"count") => {
                let refusal = "ERR count should be greater than 0";
                let count = integer_within(count, 1..=i64::MAX, refusal)?;
                if rest.is_some() {
                    return Err(CmdError::Syntax);
                }
                count as usize
            }
            _ => return Err(CmdError::Syntax),
        };
        Ok(FirstOf {
            keys: at + 1..end_at,
            end,
            count,
        })
    }

    /// The keys among the words.
    pub fn keys<'a>(&self, args: &'a Args<'_>) -> impl Iterator<Item = &'a [u8]> + use<'a, End> {
        self.keys.clone().map(|at| &args[at])
    }
}
