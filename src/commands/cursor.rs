//! What `SCAN`, `HSCAN`, `SSCAN` and `ZSCAN` have in common: cursors, options, and the reply.

use super::context::{Access, CmdResult, Ctx};
use super::error::CmdError;
use super::operand::integer;
use super::row::{Arg, ArgKind};
use crate::base::glob::glob_match;
use crate::keyspace::Collection;
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// The option that shows only what has such a name.
pub const MATCH: Arg = Arg::new("pattern", ArgKind::Pattern)
    .token("MATCH")
    .optional();

/// The option that says how many elements a call looks at.
pub const COUNT: Arg = Arg::integer("count").token("COUNT").optional();

/// How many elements a call looks at where nothing is said.
const COUNT_DEFAULT: usize = 10;

/// A pattern that everything matches.
const ANY: &[u8] = b"*";

/// The options that all of them know.
pub struct ScanOptions<'a> {
    /// How many elements to look at, about.
    pub count: usize,
    /// What names must match, unless all do.
    pattern: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Parses the words from `start` on.
    fn parse(args: &'a Args<'_>, start: usize) -> Result<ScanOptions<'a>, CmdError> {
        ScanOptions::parse_with(args, start, |_, _| false)
    }

    /// Parses the words from `start` on; options that not all of the commands know are offered to
    /// `other` with their values, which says whether it took them.
    pub fn parse_with(
        args: &'a Args<'_>,
        start: usize,
        mut other: impl FnMut(&'a [u8], &'a [u8]) -> bool,
    ) -> Result<ScanOptions<'a>, CmdError> {
        let mut options = ScanOptions {
            count: COUNT_DEFAULT,
            pattern: None,
        };
        for at in (start..args.len()).step_by(2) {
            let word = &args[at];
            let value = args.get(at + 1).ok_or(CmdError::Syntax)?;
            if word.eq_ignore_ascii_case(b"COUNT") {
                let count = usize::try_from(integer(value)?).unwrap_or(0);
                options.count = if count > 0 {
                    count
                } else {
                    return Err(CmdError::Syntax);
                };
            } else if word.eq_ignore_ascii_case(b"MATCH") {
                options.pattern = (value != ANY).then_some(value);
            } else if !other(word, value) {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }

    /// Whether an element of this name is to be shown.
    #[inline]
    pub fn matches(&self, name: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| glob_match(pattern, name, false))
    }
}

/// A cursor as C's `strtoul` reads it: no digits at all are 0, and a minus wraps around.
pub fn parse_cursor(word: &[u8]) -> Result<u64, CmdError> {
    let (negative, digits) = match word {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let signed = digits.len() < word.len();
    let all_digits = digits.iter().all(u8::is_ascii_digit) && !(signed && digits.is_empty());
    let number = digits.iter().try_fold(0u64, |number, digit| {
        number
            .checked_mul(10)?
            .checked_add(u64::from(digit.wrapping_sub(b'0')))
    });
    match number {
        Some(number) if all_digits && negative => Ok(number.wrapping_neg()),
        Some(number) if all_digits => Ok(number),
        _ => Err(CmdError::Fixed("ERR invalid cursor")),
    }
}

/// Answers `HSCAN`, `SSCAN` and `ZSCAN`. `scan` goes on from the cursor it is given, puts what it
/// comes across on the page, and returns the cursor to go on from.
pub fn scan_collection<T: Collection>(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    scan: impl for<'a> FnOnce(T::Ref<'a>, u64, &ScanOptions<'_>, &mut Page) -> u64,
) -> CmdResult {
    let cursor = parse_cursor(&args[2])?;
    let mut page = Page::new(ctx.reply);
    let mut next = 0;
    let found = ctx
        .env
        .collection::<T>(ctx.session, &args[1], Access::Read)?;
    // Where there is no collection, nobody looks at the options.
    if let Some(found) = found {
        let options = ScanOptions::parse(args, 3)?;
        next = scan(found, cursor, &options, &mut page);
    }
    page.finish(ctx.reply, next);
    Ok(())
}

/// What one call came across. It is collected apart, because the cursor to go on from, which stands
/// before it in the reply, is known only afterwards.
pub struct Page {
    found: Reply,
    len: usize,
}

impl Page {
    /// A page with nothing on it, to be shown in `reply`.
    pub fn new(reply: &Reply) -> Page {
        Page {
            found: Reply::new(reply.protocol),
            len: 0,
        }
    }

    /// Where the reply of one more element goes.
    #[inline]
    pub fn add(&mut self) -> &mut Reply {
        self.len += 1;
        &mut self.found
    }

    /// Replies with the cursor to go on from and what was found.
    pub fn finish(self, reply: &mut Reply, cursor: u64) {
        reply.array(2);
        reply.bulk(itoa::Buffer::new().format(cursor));
        reply.array(self.len);
        reply.raw(self.found.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_strtoul_would() {
        for (word, cursor) in [
            ("0", Some(0)),
            ("", Some(0)),
            ("007", Some(7)),
            ("+5", Some(5)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            (" 1", None),
            ("1 ", None),
            ("-", None),
            ("x", None),
        ] {
            assert_eq!(parse_cursor(word.as_bytes()).ok(), cursor, "{word:?}");
        }
    }
}
