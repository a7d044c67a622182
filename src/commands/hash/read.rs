//! Reading fields and values.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::cursor::{COUNT, MATCH, scan_collection};
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording::{element, element_or_null};
use crate::data::hash::{Hash, Pair};
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "hget",
        arity: 3,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::HASH,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Hash,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Reads a field of a hash.",
        args: &[Arg::key("key", 0), Arg::string("field")],
        handler: hget,
        ..Row::BASE
    },
    Row {
        name: "hmget",
        arity: -3,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::HASH,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Hash,
        since: "2.0.0",
        complexity: "O(N), N being the number of fields given.",
        summary: "Reads several fields of a hash.",
        args: &[Arg::key("key", 0), Arg::string("field").multiple()],
        handler: hmget,
        ..Row::BASE
    },
    Row {
        name: "hgetall",
        handler: hgetall,
        summary: "Lists the fields of a hash with their values.",
        ..LISTING
    },
    Row {
        name: "hkeys",
        handler: hkeys,
        summary: "Lists the fields of a hash.",
        ..LISTING
    },
    Row {
        name: "hvals",
        handler: hvals,
        summary: "Lists the values of a hash.",
        ..LISTING
    },
    Row {
        name: "hlen",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::HASH,
        keys: &[KeySpec::first(KeyFlags::RO)],
        group: CommandGroup::Hash,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Tells how many fields a hash has.",
        args: &[Arg::key("key", 0)],
        handler: hlen,
        ..Row::BASE
    },
    Row {
        name: "hstrlen",
        arity: 3,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::HASH,
        keys: &[KeySpec::first(KeyFlags::RO)],
        group: CommandGroup::Hash,
        since: "3.2.0",
        complexity: "O(1)",
        summary: "Tells how long the value of a field is.",
        args: &[Arg::key("key", 0), Arg::string("field")],
        handler: hstrlen,
        ..Row::BASE
    },
    Row {
        name: "hexists",
        arity: 3,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::HASH,
        keys: &[KeySpec::first(KeyFlags::RO)],
        group: CommandGroup::Hash,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Tells whether a hash has a field.",
        args: &[Arg::key("key", 0), Arg::string("field")],
        handler: hexists,
        ..Row::BASE
    },
    Row {
        name: "hscan",
        arity: -3,
        flags: Flags::READONLY,
        acl: Acl::HASH,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Hash,
        since: "2.8.0",
        complexity: "O(1) for a call; O(N) for all calls until the cursor is 0 again, N being \
            the number of fields.",
        summary: "Walks through the fields of a hash and their values, some at each call.",
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key", 0), Arg::integer("cursor"), MATCH, COUNT],
        handler: hscan,
        ..Row::BASE
    },
];

/// What the commands that list a whole hash have in common.
const LISTING: Row = Row {
    arity: 2,
    flags: Flags::READONLY,
    acl: Acl::HASH,
    keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: CommandGroup::Hash,
    since: "2.0.0",
    complexity: "O(N), N being the number of fields.",
    tips: &["nondeterministic_output_order"],
    args: &[Arg::key("key", 0)],
    ..Row::BASE
};

fn hget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let env = &mut *ctx.env;
    let hash = env.collection::<Hash>(ctx.session, &args[1], Access::Read)?;
    element_or_null(ctx.reply, hash.and_then(|hash| hash.get(&args[2])));
    Ok(())
}

fn hmget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let env = &mut *ctx.env;
    let hash = env.collection::<Hash>(ctx.session, &args[1], Access::Read)?;
    ctx.reply.array(args.len() - 2);
    for field in args.iter_from(2) {
        element_or_null(ctx.reply, hash.and_then(|hash| hash.get(field)));
    }
    Ok(())
}

fn hgetall(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Reply::map, |reply, (field, value)| {
        element(reply, field);
        element(reply, value);
    })
}

fn hkeys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Reply::array, |reply, (field, _)| {
        element(reply, field);
    })
}

fn hvals(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Reply::array, |reply, (_, value)| {
        element(reply, value);
    })
}

/// Replies with something of every field; `open` begins a reply of so many.
#[inline]
fn list(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    open: impl FnOnce(&mut Reply, usize),
    show: impl Fn(&mut Reply, Pair<'_>),
) -> CmdResult {
    let env = &mut *ctx.env;
    let hash = env.collection::<Hash>(ctx.session, &args[1], Access::Read)?;
    open(ctx.reply, hash.map_or(0, |hash| hash.len()));
    for pair in hash.into_iter().flat_map(|hash| hash.iter()) {
        show(ctx.reply, pair);
    }
    Ok(())
}

fn hlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let len = ctx
        .hash(&args[1], Access::Read)?
        .map_or(0, |hash| hash.len());
    ctx.reply.int(len as i64);
    Ok(())
}

fn hstrlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let hash = ctx.hash(&args[1], Access::Read)?;
    let value = hash.and_then(|hash| hash.get(&args[2]));
    let len = value.map_or(0, |value| value.text_len());
    ctx.reply.int(len as i64);
    Ok(())
}

fn hexists(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let hash = ctx.hash(&args[1], Access::Read)?;
    let exists = hash.is_some_and(|hash| hash.contains(&args[2]));
    ctx.reply.int(i64::from(exists));
    Ok(())
}

fn hscan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    scan_collection::<Hash>(ctx, args, |hash, cursor, options, page| {
        hash.scan(cursor, options.count, &mut |(field, value)| {
            if field.with_bytes(|name| options.matches(name)) {
                element(page.add(), field);
                element(page.add(), value);
            }
        })
    })
}
