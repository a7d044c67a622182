//! Which arguments of a command are keys, and what is done with them.
//!
//! `COMMAND GETKEYS`, access control and the pipeline's prefetch read the row's specifications;
//! a command whose options change the answer names a function of its own.

use super::row::{Arg, ArgKind, BeginSearch, FindKeys, KeyFlags, KeySpec, Row};
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

/// The index of the first word that names a member of the collection under the first key, going
/// by the documented arguments, whose options are taken to be absent. For prefetching.
pub fn member_index(row: &Row) -> Option<usize> {
    let mut index = 1;
    first_member(row.args, &mut index).then_some(index)
}

/// Counts the words in front of the first member; `false` when there is none or it may be anywhere.
fn first_member(args: &[Arg], index: &mut usize) -> bool {
    for arg in args.iter().filter(|arg| !arg.optional) {
        *index += usize::from(!arg.token.is_empty());
        match arg.kind {
            ArgKind::Block => {
                if first_member(arg.args, index) {
                    return true;
                }
            }
            ArgKind::OneOf => return false,
            _ if matches!(arg.name, "member" | "field") => return true,
            _ if arg.multiple => return false,
            _ => *index += 1,
        }
    }
    false
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::FAMILIES;

    #[test]
    fn the_documented_arguments_say_where_the_first_member_is() {
        let rows = || FAMILIES.iter().flat_map(|rows| rows.iter());
        let index = |name| member_index(rows().find(|row| row.name == name).unwrap());
        for name in ["hset", "hmget", "sadd", "sismember", "zrank", "zrem"] {
            assert_eq!(index(name), Some(2), "{name}");
        }
        for name in ["zadd", "zincrby", "smove"] {
            assert_eq!(index(name), Some(3), "{name}");
        }
        for name in ["get", "lpush", "zrange", "hgetall", "zunionstore", "xadd"] {
            assert_eq!(index(name), None, "{name}");
        }
    }
}
