//! Reading and storing several strings at once.
//!
//! Each key costs a cache miss for its bucket and one for its entry. So keys are looked at in
//! groups: the misses of a group overlap, and only then is the group worked on.

use super::{overwrite, reply_string, to_store};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::prefetch::{GROUP, prefetch_keys};
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::keyspace::Type;
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "mget",
        arity: -2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::STRING,
        keys: &[KeySpec::range(
            KeyFlags::RO.union(KeyFlags::ACCESS),
            1,
            -1,
            1,
        )],
        group: CommandGroup::String,
        complexity: "O(N), N being the number of keys.",
        summary: "Reads the strings under several keys.",
        tips: &["request_policy:multi_shard"],
        args: &[Arg::key("key", 0).multiple()],
        handler: mget,
        ..Row::BASE
    },
    Row {
        name: "mset",
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::STRING,
        keys: &[KeySpec::range(
            KeyFlags::OW.union(KeyFlags::UPDATE),
            1,
            -1,
            2,
        )],
        group: CommandGroup::String,
        since: "1.0.1",
        complexity: "O(N), N being the number of keys.",
        summary: "Stores several strings under their keys, all at once.",
        tips: &[
            "request_policy:multi_shard",
            "response_policy:all_succeeded",
        ],
        args: &[Arg::block("data", &[Arg::key("key", 0), Arg::string("value")]).multiple()],
        handler: mset,
        ..Row::BASE
    },
    Row {
        name: "msetnx",
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::STRING,
        keys: &[KeySpec::range(
            KeyFlags::OW.union(KeyFlags::INSERT),
            1,
            -1,
            2,
        )],
        group: CommandGroup::String,
        since: "1.0.1",
        complexity: "O(N), N being the number of keys.",
        summary: "Stores several strings at once, if none of their keys exists yet.",
        args: &[Arg::block("data", &[Arg::key("key", 0), Arg::string("value")]).multiple()],
        handler: msetnx,
        ..Row::BASE
    },
];

fn mget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.reply.array(args.len() - 1);
    for at in 1..args.len() {
        if at % GROUP == 1 {
            prefetch_keys(ctx, args, at, 1);
        }
        match ctx.env.lookup(ctx.session, &args[at], Access::Read) {
            Some(entry) if entry.type_() == Type::String => reply_string(ctx.reply, entry),
            _ => ctx.reply.null(),
        }
    }
    Ok(())
}

fn mset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    check_pairs(args, "mset")?;
    store_pairs(ctx, args);
    ctx.reply.ok();
    Ok(())
}

fn msetnx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    check_pairs(args, "msetnx")?;
    for at in (1..args.len()).step_by(2) {
        if ctx
            .env
            .lookup(ctx.session, &args[at], Access::Write)
            .is_some()
        {
            ctx.reply.int(0);
            return Ok(());
        }
    }
    store_pairs(ctx, args);
    ctx.reply.int(1);
    Ok(())
}

/// Behind the name there must be pairs.
fn check_pairs(args: &Args<'_>, command: &'static str) -> CmdResult {
    if args.len().is_multiple_of(2) {
        Err(CmdError::Arity(command.into()))
    } else {
        Ok(())
    }
}

fn store_pairs(ctx: &mut Ctx<'_>, args: &mut Args<'_>) {
    for at in (1..args.len()).step_by(2) {
        if at % (2 * GROUP) == 1 {
            prefetch_keys(ctx, args, at, 2);
        }
        let new = to_store(args.take(at + 1));
        overwrite(ctx, &args[at], new);
        ctx.notify(Class::STRING, "set", &args[at]);
    }
    ctx.changed(args.len() as u64 / 2);
}
