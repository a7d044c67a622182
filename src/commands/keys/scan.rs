//! Finding keys without knowing their names.
//!
//! `KEYS` and `RANDOMKEY` see through keys whose time has come but that nobody has deleted yet;
//! so does `SCAN`, which also deletes them, unless that is for a master to decide.

use crate::base::glob::glob_match;
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, ArgKind, Flags, Row};
use crate::keyspace::Type;
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "keys",
        arity: 2,
        flags: Flags::READONLY,
        acl: Acl::KEYSPACE.and(Acl::DANGEROUS),
        complexity: "O(N), N being the number of keys in the database.",
        summary: "Lists the keys that match a pattern.",
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        args: &[Arg::new("pattern", ArgKind::Pattern)],
        handler: keys,
        ..Row::BASE
    },
    Row {
        name: "scan",
        arity: -2,
        flags: Flags::READONLY.and(Flags::TOUCHES_ARBITRARY_KEYS),
        acl: Acl::KEYSPACE,
        since: "2.8.0",
        complexity: "O(1) for a call; O(N) for all calls until the cursor is 0 again, N being \
            the number of keys.",
        summary: "Walks through the keys, some at each call.",
        history: &[("6.0.0", "The option `TYPE`.")],
        tips: &[
            "nondeterministic_output",
            "request_policy:special",
            "response_policy:special",
        ],
        args: &[
            Arg::integer("cursor"),
            Arg::new("pattern", ArgKind::Pattern)
                .token("MATCH")
                .optional(),
            Arg::integer("count").token("COUNT").optional(),
            Arg::string("type").token("TYPE").since("6.0.0").optional(),
        ],
        handler: scan,
        ..Row::BASE
    },
    Row {
        name: "randomkey",
        arity: 1,
        flags: Flags::READONLY.and(Flags::TOUCHES_ARBITRARY_KEYS),
        acl: Acl::KEYSPACE,
        complexity: "O(1)",
        summary: "Picks a key at random.",
        tips: &[
            "request_policy:all_shards",
            "response_policy:special",
            "nondeterministic_output",
        ],
        handler: randomkey,
        ..Row::BASE
    },
];

/// A pattern that every key matches.
const ANY: &[u8] = b"*";

fn keys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let pattern = &args[1];
    let shown = ctx.reply.begin_array();
    let mut count = 0;
    for entry in ctx.env.keyspace.db(ctx.session.db).iter() {
        let matches = pattern == ANY || glob_match(pattern, entry.key(), false);
        if matches && !ctx.env.is_due(entry) {
            ctx.reply.bulk(entry.key());
            count += 1;
        }
    }
    ctx.reply.end(shown, count);
    Ok(())
}

/// Which type of value `SCAN` shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TypeFilter {
    /// Any.
    Any,
    /// This one.
    Only(Type),
    /// One that does not exist, so none at all.
    Unknown,
}

impl TypeFilter {
    fn named(name: &[u8]) -> TypeFilter {
        Type::from_name(name).map_or(TypeFilter::Unknown, TypeFilter::Only)
    }

    fn lets_through(self, type_: Type) -> bool {
        match self {
            TypeFilter::Any => true,
            TypeFilter::Only(only) => only == type_,
            TypeFilter::Unknown => false,
        }
    }
}

/// The options of `SCAN`.
struct ScanOptions<'a> {
    count: usize,
    pattern: &'a [u8],
    types: TypeFilter,
}

/// How many keys a call of `SCAN` looks at where nothing is said.
const SCAN_COUNT_DEFAULT: usize = 10;

impl<'a> ScanOptions<'a> {
    /// Parses the words behind `SCAN cursor`.
    fn parse(args: &'a Args<'_>) -> Result<ScanOptions<'a>, CmdError> {
        let mut options = ScanOptions {
            count: SCAN_COUNT_DEFAULT,
            pattern: ANY,
            types: TypeFilter::Any,
        };
        for at in (2..args.len()).step_by(2) {
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
                options.pattern = value;
            } else if word.eq_ignore_ascii_case(b"TYPE") {
                options.types = TypeFilter::named(value);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }
}

fn scan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let cursor = parse_cursor(&args[1])?;
    let options = ScanOptions::parse(args)?;
    let mut found = Reply::new(ctx.reply.protocol);
    let mut count = 0;
    let mut due: Vec<Vec<u8>> = Vec::new();
    let env = &*ctx.env;
    let next = env
        .keyspace
        .db(ctx.session.db)
        .scan(cursor, options.count, &mut |entry| {
            let key = entry.key();
            if options.pattern != ANY && !glob_match(options.pattern, key, false) {
                return;
            }
            if env.is_due(entry) {
                due.push(key.to_vec());
            } else if options.types.lets_through(entry.type_()) {
                found.bulk(key);
                count += 1;
            }
        });
    for key in &due {
        ctx.env
            .expire_if_due(ctx.session, ctx.session.db, key, Access::Peek);
    }
    ctx.reply.array(2);
    ctx.reply.bulk(itoa::Buffer::new().format(next));
    ctx.reply.array(count);
    ctx.reply.raw(found.as_bytes());
    Ok(())
}

/// A cursor as C's `strtoul` reads it: no digits at all are 0, and a minus wraps around.
fn parse_cursor(word: &[u8]) -> Result<u64, CmdError> {
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

/// How often a replica, which may not delete keys, looks for one whose time has not come yet where
/// all keys expire.
const RANDOM_TRIES_MAX: usize = 100;

fn randomkey(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let mut tries = 0;
    loop {
        let env = &mut *ctx.env;
        let db = env.keyspace.db(ctx.session.db);
        let Some(entry) = db.random(&mut env.rng) else {
            ctx.reply.null();
            return Ok(());
        };
        tries += 1;
        let hopeless =
            env.gates.replica && db.len() == db.expires_len() && tries >= RANDOM_TRIES_MAX;
        if hopeless || !env.is_due(entry) {
            ctx.reply.bulk(entry.key());
            return Ok(());
        }
        let key = entry.key().to_vec();
        env.expire_if_due(ctx.session, ctx.session.db, &key, Access::Peek);
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
