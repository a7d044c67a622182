//! Which keys there are: deleting, counting and classifying them.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::events::Class;
use crate::commands::garbage::Garbage;
use crate::commands::prefetch::{GROUP, prefetch_keys};
use crate::commands::row::{Acl, Arg, Flags, KeyFlags, KeySpec, Row};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "del",
        arity: -2,
        flags: Flags::WRITE,
        acl: Acl::KEYSPACE,
        keys: &[KeySpec::range(
            KeyFlags::RM.union(KeyFlags::DELETE),
            1,
            -1,
            1,
        )],
        complexity: "O(N), N being the number of keys; a key with a collection adds the number \
            of its elements.",
        summary: "Deletes keys.",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        args: &[Arg::key("key", 0).multiple()],
        handler: del,
        ..Row::BASE
    },
    Row {
        name: "unlink",
        arity: -2,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::KEYSPACE,
        keys: &[KeySpec::range(
            KeyFlags::RM.union(KeyFlags::DELETE),
            1,
            -1,
            1,
        )],
        since: "4.0.0",
        complexity: "O(1) for each key; freeing a large value takes another thread O(N), N \
            being the number of its parts.",
        summary: "Deletes keys and leaves freeing large values to another thread.",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        args: &[Arg::key("key", 0).multiple()],
        handler: unlink,
        ..Row::BASE
    },
    Row {
        name: "exists",
        arity: -2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::KEYSPACE,
        keys: &[KeySpec::range(KeyFlags::RO, 1, -1, 1)],
        complexity: "O(N), N being the number of keys.",
        summary: "Counts how many of the keys exist.",
        history: &[("3.0.3", "Takes more than one key.")],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        args: &[Arg::key("key", 0).multiple()],
        handler: exists,
        ..Row::BASE
    },
    Row {
        name: "touch",
        arity: -2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::KEYSPACE,
        keys: &[KeySpec::range(KeyFlags::RO, 1, -1, 1)],
        since: "3.2.1",
        complexity: "O(N), N being the number of keys.",
        summary: "Counts how many of the keys exist, and counts that as use of them.",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        args: &[Arg::key("key", 0).multiple()],
        handler: touch,
        ..Row::BASE
    },
    Row {
        name: "type",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::KEYSPACE,
        keys: &[KeySpec::first(KeyFlags::RO)],
        complexity: "O(1)",
        summary: "Tells the type of the value under a key.",
        args: &[Arg::key("key", 0)],
        handler: type_of,
        ..Row::BASE
    },
];

fn del(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let lazily = ctx.env.config.lazyfree_lazy_user_del;
    delete(ctx, args, lazily)
}

fn unlink(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    delete(ctx, args, true)
}

fn delete(ctx: &mut Ctx<'_>, args: &Args<'_>, lazily: bool) -> CmdResult {
    let mut deleted = 0;
    for (at, key) in args.iter().enumerate().skip(1) {
        if at % GROUP == 1 {
            prefetch_keys(ctx, args, at, 1);
        }
        ctx.env
            .expire_if_due(ctx.session, ctx.session.db, key, Access::Peek);
        if let Some(entry) = ctx.db().remove(key) {
            ctx.host.free(Garbage::Entry(entry), lazily);
            ctx.wrote(Class::GENERIC, "del", key);
            deleted += 1;
        }
    }
    ctx.reply.int(deleted);
    Ok(())
}

fn exists(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    count_present(ctx, args, Access::Peek)
}

fn touch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    count_present(ctx, args, Access::Touch)
}

/// Counts the arguments that are keys; one that is named twice counts twice.
fn count_present(ctx: &mut Ctx<'_>, args: &Args<'_>, access: Access) -> CmdResult {
    let mut present = 0;
    for (at, key) in args.iter().enumerate().skip(1) {
        if at % GROUP == 1 {
            prefetch_keys(ctx, args, at, 1);
        }
        present += i64::from(ctx.env.lookup(ctx.session, key, access).is_some());
    }
    ctx.reply.int(present);
    Ok(())
}

fn type_of(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let found = ctx.env.lookup(ctx.session, &args[1], Access::Peek);
    let name = found.map_or("none", |entry| entry.type_().name());
    ctx.reply.simple(name);
    Ok(())
}
