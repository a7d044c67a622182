//! Finding keys without knowing their names.
//!
//! `KEYS` and `RANDOMKEY` see through keys whose time has come but that nobody has deleted yet;
//! so does `SCAN`, which also deletes them, unless that is for a master to decide.

use crate::base::glob::glob_match;
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::cursor::{COUNT, MATCH, Page, ScanOptions, parse_cursor};
use crate::commands::row::{Acl, Arg, ArgKind, Flags, Row};
use crate::keyspace::Type;
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "keys",
        arity: 2,
        flags: Flags::READONLY,
        acl: Acl::KEYSPACE.union(Acl::DANGEROUS),
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
        flags: Flags::READONLY.union(Flags::TOUCHES_ARBITRARY_KEYS),
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
            MATCH,
            COUNT,
            Arg::string("type").token("TYPE").since("6.0.0").optional(),
        ],
        handler: scan,
        ..Row::BASE
    },
    Row {
        name: "randomkey",
        arity: 1,
        flags: Flags::READONLY.union(Flags::TOUCHES_ARBITRARY_KEYS),
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
            if ctx.reply.is_moot() {
                break;
            }
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

fn scan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let cursor = parse_cursor(&args[1])?;
    let mut types = TypeFilter::Any;
    let options = ScanOptions::parse_with(args, 2, |word, value| {
        let is_type = word.eq_ignore_ascii_case(b"TYPE");
        if is_type {
            types = TypeFilter::named(value);
        }
        is_type
    })?;
    let mut page = Page::new(ctx.reply);
    let mut due: Vec<Vec<u8>> = Vec::new();
    let mut looked_at = 0;
    let env = &*ctx.env;
    let db = env.keyspace.db(ctx.session.db);
    let next = db.scan(cursor, options.count, &mut |entry| {
        let key = entry.key();
        if !options.matches(key) {
            return;
        }
        if env.is_due(entry) {
            return due.push(key.to_vec());
        }
        looked_at += 1;
        if types.lets_through(entry.type_()) {
            page.add().bulk(key);
        }
    });
    if types == TypeFilter::Any {
        for key in &due {
            ctx.env
                .expire_if_due(ctx.session, ctx.session.db, key, Access::Peek);
        }
    } else {
        // Who asks for the type of a key looks it up.
        ctx.env.stats.keyspace_hits += looked_at;
        for key in &due {
            ctx.env.lookup(ctx.session, key, Access::Inspect);
        }
    }
    page.finish(ctx.reply, next);
    Ok(())
}

/// How often a server that may not delete keys, a replica or one that a pause holds, looks for one
/// whose time has not come yet where all keys expire.
const RANDOM_TRIES_MAX: usize = 100;
/// The same where some keys do not expire, and one of them will most likely be met.
const RANDOM_TRIES_AMONG_LASTING_MAX: usize = 10_000;

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
        let keeps_expired = env.gates.replica || env.gates.pause.is_some();
        let tries_max = match db.len() == db.expires_len() {
            true => RANDOM_TRIES_MAX,
            false => RANDOM_TRIES_AMONG_LASTING_MAX,
        };
        let hopeless = keeps_expired && tries >= tries_max;
        if hopeless || !env.is_due(entry) {
            ctx.reply.bulk(entry.key());
            return Ok(());
        }
        let key = entry.key().to_vec();
        env.expire_if_due(ctx.session, ctx.session.db, &key, Access::Peek);
    }
}
