//! Which arguments of a command are keys, and what is done with them.
//!
//! `COMMAND GETKEYS`, access control and the pipeline's prefetch read the row's specifications;
//! a command whose options change the answer names a function of its own.

use super::row::{Arg, ArgKind, BeginSearch, FindKeys, KeyFlags, KeyRef, KeySpec, RowOf};
use crate::base::numbers::{atoi, parse_i64};
use crate::resp::args::Args;

/// Whether the arguments of such commands may be keys.
pub fn has_keys<H>(row: &RowOf<H>) -> bool {
    let is_key = |spec: &KeySpec| !spec.flags.contains(KeyFlags::NOT_KEY);
    row.get_keys.is_some() || row.keys.iter().any(is_key)
}

/// Collects the keys of a command, which has as many arguments as it must, into `out`; none when
/// the arguments make no sense.
///
/// The specifications are asked first. Where they do not hold for these arguments, or do not tell
/// what is done with the keys, it is for the row's own function; and a number of keys that is not
/// well spelled is read more leniently.
pub fn keys_of<H>(row: &RowOf<H>, args: &Args<'_>, out: &mut Vec<KeyRef>) {
    out.clear();
    let tells_flags = |spec: &KeySpec| !spec.flags.contains(KeyFlags::VARIABLE_FLAGS);
    if row.keys.iter().all(tells_flags) {
        let mut keys = row
            .keys
            .iter()
            .filter(|spec| !spec.flags.contains(KeyFlags::NOT_KEY));
        if keys.all(|spec| expand(spec, args, out)) {
            return;
        }
        out.clear();
    }
    match row.get_keys {
        Some(get_keys) => get_keys(args, out),
        None => count_leniently(row, args, out),
    }
}

/// The index of the first key by the first specification, for prefetching; cheap, and only right
/// for rows whose keys begin at a fixed index, if there are any.
pub fn first_key_index<H>(row: &RowOf<H>) -> Option<usize> {
    let spec = row.keys.first()?;
    let BeginSearch::Index(begin) = spec.begin else {
        return None;
    };
    let offset = match spec.find {
        FindKeys::KeyNum { first, .. } => first,
        FindKeys::Range { .. } | FindKeys::Unknown => 0,
    };
    usize::try_from(begin + offset).ok()
}

/// The index of the first word that names a member of the collection under the first key, going
/// by the documented arguments, whose options are taken to be absent. For prefetching.
pub fn member_index<H>(row: &RowOf<H>) -> Option<usize> {
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

/// Where the keys of a specification begin.
enum Begin {
    At(usize),
    /// The keyword in front of them is not there, and so no keys either.
    Nowhere,
    Unknown,
}

fn begin(search: BeginSearch, args: &Args<'_>) -> Begin {
    match search {
        BeginSearch::Index(i) => usize::try_from(i).map_or(Begin::Unknown, Begin::At),
        BeginSearch::Keyword {
            keyword,
            start_from,
        } => {
            // Behind the last word, and in place of the command's name, there is nothing to find.
            let last = args.len() - 1;
            let is_keyword = |i: &usize| args[*i].eq_ignore_ascii_case(keyword.as_bytes());
            let found = if start_from > 0 {
                (start_from as usize..last).find(is_keyword)
            } else {
                let start = args
                    .len()
                    .saturating_sub(start_from.unsigned_abs() as usize);
                (2..=start).rev().find(is_keyword)
            };
            found.map_or(Begin::Nowhere, |i| Begin::At(i + 1))
        }
        BeginSearch::Unknown => Begin::Unknown,
    }
}

/// Collects the keys of a specification; `false` if it does not tell all of them, or if there would
/// have to be more arguments or fewer.
fn expand(spec: &KeySpec, args: &Args<'_>, out: &mut Vec<KeyRef>) -> bool {
    let first = match begin(spec.begin, args) {
        Begin::At(first) => first as i64,
        Begin::Nowhere => return true,
        Begin::Unknown => return false,
    };
    let len = args.len() as i64;
    let (first, last, step) = match spec.find {
        FindKeys::Range { last, step, limit } => {
            let end = if last >= 0 {
                first + i64::from(last)
            } else if limit == 0 {
                len + i64::from(last)
            } else {
                first + (len - first) / i64::from(limit) + i64::from(last)
            };
            (first, end, step)
        }
        FindKeys::KeyNum {
            keynum,
            first: offset,
            step,
        } => {
            let count = args.get((first + i64::from(keynum)) as usize);
            let Some(count @ 0..) = count.and_then(parse_i64) else {
                return false;
            };
            let first = first + i64::from(offset);
            // Counts have 32 bits, whatever was said.
            (first, first + i64::from(count as i32) - 1, step)
        }
        FindKeys::Unknown => return false,
    };
    if last >= len || last < first {
        return false;
    }
    let indices = (first..=last).step_by(step.max(1) as usize);
    let indices = indices.map(|i| i as usize);
    let repeated = repeated_option(spec, first as usize, args);
    out.extend(indices.chain(repeated).map(|index| KeyRef {
        index,
        flags: spec.flags,
    }));
    !spec.flags.contains(KeyFlags::INCOMPLETE)
}

/// The keys of an option with one key that is given again behind its first key: the command takes
/// the last one, and whoever has a say in keys must have it in that one, too.
fn repeated_option<'a>(
    spec: &KeySpec,
    first: usize,
    args: &'a Args<'_>,
) -> impl Iterator<Item = usize> + use<'a> {
    let keyword = match (spec.begin, spec.find) {
        (BeginSearch::Keyword { keyword, .. }, FindKeys::Range { last: 0, .. }) => keyword,
        _ => "",
    };
    let last = args.len() - 1;
    let start = if keyword.is_empty() { last } else { first + 1 };
    let is_keyword = move |i: &usize| args[*i].eq_ignore_ascii_case(keyword.as_bytes());
    (start..last).filter(is_keyword).map(|i| i + 1)
}

/// Collects the keys behind a count, which may be spelled as for C's `atoi`, and the one key in
/// front of it that some commands have. What is done with them is not told.
fn count_leniently<H>(row: &RowOf<H>, args: &Args<'_>, out: &mut Vec<KeyRef>) {
    let counted = row
        .keys
        .iter()
        .find_map(|spec| match (spec.begin, spec.find) {
            (BeginSearch::Index(at), FindKeys::KeyNum { .. }) => Some(at as usize),
            _ => None,
        });
    let Some((at, word)) = counted.and_then(|at| Some((at, args.get(at)?))) else {
        return;
    };
    let first = at + 1;
    let count = usize::try_from(atoi(word)).unwrap_or(0);
    if count > args.len() - first || count == 0 {
        return;
    }
    let destination = (row.keys.len() > 1).then_some(1);
    out.extend(
        (first..first + count)
            .chain(destination)
            .map(|index| KeyRef {
                index,
                flags: KeyFlags::default(),
            }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::FAMILIES;
    use crate::resp::args::OwnedArgs;

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

    #[test]
    fn the_first_key_is_found_behind_a_count() {
        let index = |name: &str| {
            let mut rows = FAMILIES.iter().flat_map(|rows| rows.iter());
            super::first_key_index(rows.find(|row| row.name == name).unwrap())
        };
        for (name, at) in [
            ("get", Some(1)),
            ("bitop", Some(2)),
            ("eval", Some(3)),
            ("fcall_ro", Some(3)),
            ("zunion", Some(2)),
            ("zunionstore", Some(1)),
            ("ping", None),
        ] {
            assert_eq!(index(name), at, "{name}");
        }
    }

    #[test]
    fn an_option_that_is_repeated_gives_all_its_keys() {
        let mut rows = FAMILIES.iter().flat_map(|rows| rows.iter());
        let row = rows.find(|row| row.name == "georadius").unwrap();
        let keys_of = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let mut found = Vec::new();
            super::keys_of(row, &OwnedArgs::new(&words).args(), &mut found);
            found
                .iter()
                .map(|key| words[key.index].to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(keys_of("georadius k 1 1 9 km"), "k");
        assert_eq!(keys_of("georadius k 1 1 9 km store a asc"), "k a");
        assert_eq!(
            keys_of("georadius k 1 1 9 km store a STORE b store c"),
            "k a b c"
        );
        assert_eq!(keys_of("georadius k 1 1 9 km store a storedist b"), "k a b");
        assert_eq!(keys_of("georadius k 1 1 9 km store store"), "k store");
    }
}
