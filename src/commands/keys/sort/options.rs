//! The option words of `SORT`.

use std::ops::Range;

use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::resp::args::Args;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SortOptions<'a> {
    /// `BY`: where an element's weight is found.
    pub by: Option<&'a [u8]>,
    /// A pattern after `BY` has no place for the element: nothing is to be sorted.
    pub keeps_order: bool,
    /// `GET`: what is shown for each element.
    pub gets: Vec<&'a [u8]>,
    /// `DESC`.
    pub descending: bool,
    /// `ALPHA`: texts are compared, not numbers.
    pub alpha: bool,
    /// `STORE`: where the result goes.
    pub store: Option<&'a [u8]>,
    offset: i64,
    count: i64,
}

impl<'a> SortOptions<'a> {
    /// Parses the words behind `SORT key`.
    ///
    /// Whoever may not read every key may not have other keys looked up by patterns.
    pub(super) fn parse(
        args: &'a Args<'_>,
        may_store: bool,
        may_look_up: bool,
    ) -> Result<SortOptions<'a>, CmdError> {
        let refuse = |option: &str| {
            let why = "denied due to insufficient ACL permissions.";
            Err(CmdError::err(format!("{option} option of SORT {why}")))
        };
        let mut options = SortOptions {
            by: None,
            keeps_order: false,
            gets: Vec::new(),
            descending: false,
            alpha: false,
            store: None,
            offset: 0,
            count: -1,
        };
        let mut at = 2;
        while at < args.len() {
            let left = args.len() - at - 1;
            let operands = match args[at].to_ascii_lowercase().as_slice() {
                b"asc" => {
                    options.descending = false;
                    0
                }
                b"desc" => {
                    options.descending = true;
                    0
                }
                b"alpha" => {
                    options.alpha = true;
                    0
                }
                b"limit" if left >= 2 => {
                    options.offset = integer(&args[at + 1])?;
                    options.count = integer(&args[at + 2])?;
                    2
                }
                b"store" if left >= 1 && may_store => {
                    options.store = Some(&args[at + 1]);
                    1
                }
                b"by" if left >= 1 => {
                    let is_pattern = args[at + 1].contains(&b'*');
                    if is_pattern && !may_look_up {
                        return refuse("BY");
                    }
                    options.by = Some(&args[at + 1]);
                    options.keeps_order |= !is_pattern;
                    1
                }
                b"get" if left >= 1 && !may_look_up => return refuse("GET"),
                b"get" if left >= 1 => {
                    options.gets.push(&args[at + 1]);
                    1
                }
                _ => return Err(CmdError::Syntax),
            };
            at += 1 + operands;
        }
        Ok(options)
    }

    /// Sorts by the elements' own texts after all.
    pub(super) fn sort_by_text(&mut self) {
        self.keeps_order = false;
        self.alpha = true;
        self.by = None;
    }

    /// Which of so many elements `LIMIT` leaves, once they are in order.
    pub(super) fn range(&self, len: usize) -> Range<usize> {
        let within = |number: i64| usize::try_from(number).unwrap_or(0).min(len);
        let start = within(self.offset);
        let end = if self.count < 0 {
            len
        } else {
            (start + within(self.count)).min(len)
        };
        start..end
    }
}

/// Which argument the last `STORE` names. Words that belong to other options are not mistaken for
/// one.
pub(super) fn store_index(args: &Args<'_>) -> Option<usize> {
    let mut found = None;
    let mut at = 2;
    while at < args.len() {
        at += match args[at].to_ascii_lowercase().as_slice() {
            b"limit" => 3,
            b"get" | b"by" => 2,
            b"store" if at + 1 < args.len() => {
                found = Some(at + 1);
                1
            }
            _ => 1,
        };
    }
    found
}
