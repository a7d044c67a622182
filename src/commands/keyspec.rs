//! Which arguments of a command are keys, and what is done with them.
//!
//! `COMMAND GETKEYS`, access control and the pipeline's prefetch read the row's specifications;
//! a command whose options change the answer names a function of its own.

use super::row::{BeginSearch, FindKeys, KeyFlags, KeySpec, Row};
use crate::base::numbers::parse_i64;
use crate::resp::args::Args;

/// The position of a key among the arguments, with what is done to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyRef {
    /// The argument's index; the command name is 0.
    pub index: usize,
    /// What is done with the key.
    pub flags: KeyFlags,
}

/// Finds keys where specifications cannot; `false` when the arguments make no sense.
pub type GetKeys = fn(&Args<'_>, &mut Vec<KeyRef>) -> bool;

/// Collects the keys of a command into `out`; `false` when the arguments make no sense.
pub fn keys_of(row: &Row, args: &Args<'_>, out: &mut Vec<KeyRef>) -> bool {
    out.clear();
    if let Some(get_keys) = row.get_keys {
        return get_keys(args, out);
    }
    row.keys
        .iter()
        .all(|spec| spec.flags.has(KeyFlags::NOT_KEY) || expand(spec, args, out))
}

/// The index of the first key by the first specification, for prefetching; cheap, and only right
/// for rows whose keys begin at a fixed index.
pub fn first_key_index(row: &Row) -> Option<usize> {
    match row.keys.first()?.begin {
        BeginSearch::Index(i) => usize::try_from(i).ok(),
        _ => None,
    }
}

fn begin_index(begin: BeginSearch, args: &Args<'_>) -> Option<usize> {
    match begin {
        BeginSearch::Index(i) => usize::try_from(i).ok(),
        BeginSearch::Keyword {
            keyword,
            start_from,
        } => {
            let is_keyword = |i: &usize| args[*i].eq_ignore_ascii_case(keyword.as_bytes());
            let found = if start_from > 0 {
                (start_from as usize..args.len()).find(is_keyword)
            } else {
                let last = args.len().checked_sub(start_from.unsigned_abs() as usize)?;
                (1..=last).rev().find(is_keyword)
            };
            found.map(|i| i + 1)
        }
        BeginSearch::Unknown => None,
    }
}

fn expand(spec: &KeySpec, args: &Args<'_>, out: &mut Vec<KeyRef>) -> bool {
    let Some(first) = begin_index(spec.begin, args) else {
        return true;
    };
    let (first, last, step) = match spec.find {
        FindKeys::Range { last, step, limit } => {
            let end = if last >= 0 {
                first as i64 + i64::from(last)
            } else if limit <= 1 {
                args.len() as i64 + i64::from(last)
            } else {
                let rest = args.len() as i64 - first as i64;
                first as i64 + rest / i64::from(limit) + i64::from(last)
            };
            (first, end, step)
        }
        FindKeys::KeyNum {
            keynum,
            first: offset,
            step,
        } => {
            let Some(count) = args.get(first + keynum as usize).and_then(parse_i64) else {
                return false;
            };
            if count < 0 || count > args.len() as i64 {
                return false;
            }
            let start = first + offset as usize;
            (start, start as i64 + (count - 1) * i64::from(step), step)
        }
        FindKeys::Unknown => return true,
    };
    if last >= args.len() as i64 {
        return false;
    }
    let indices = (first as i64..=last).step_by(step.max(1) as usize);
    out.extend(indices.map(|i| KeyRef {
        index: i as usize,
        flags: spec.flags,
    }));
    true
}
