//! Taking members out of a set that may still have to come.

use crate::commands::blocking::{Block, TIMEOUT, Timeout};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::zset::pop::{END, End, Wish, grant, pop_one};
use crate::keyspace::Type;
use crate::resp::args::Args;

/// What `BZPOPMIN` and `BZPOPMAX` have in common.
const POP: Row = Row {
    arity: -3,
    flags: Flags::WRITE.union(Flags::FAST).union(Flags::BLOCKING),
    acl: Acl::SORTEDSET,
    keys: &[KeySpec::range(
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        1,
        -2,
        1,
    )],
    group: CommandGroup::SortedSet,
    since: "5.0.0",
    complexity: "O(log(N)), N being the number of members.",
    history: &[("6.0.0", "The timeout may be a fraction.")],
    args: &[Arg::key("key", 0).multiple(), TIMEOUT],
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "bzpopmin",
        summary: "Takes the member with the lowest score out of the first of several sorted sets \
            that has one; waits for one otherwise.",
        handler: bzpopmin,
        ..POP
    },
    Row {
        name: "bzpopmax",
        summary: "Takes the member with the highest score out of the first of several sorted \
            sets that has one; waits for one otherwise.",
        handler: bzpopmax,
        ..POP
    },
    Row {
        name: "bzmpop",
        arity: -5,
        flags: Flags::WRITE
            .union(Flags::BLOCKING)
            .union(Flags::MOVABLE_KEYS),
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::counted(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
            2,
        )],
        group: CommandGroup::SortedSet,
        since: "7.0.0",
        complexity: "O(K)+O(M*log(N)), K being the number of keys, N that of members and M that \
            of members taken.",
        summary: "Takes members out of the first of several sorted sets that has any; waits for \
            some otherwise.",
        args: &[
            TIMEOUT,
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            END,
            Arg::integer("count").token("COUNT").optional(),
        ],
        handler: bzmpop,
        ..Row::BASE
    },
];

fn bzpopmin(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wait_for_one(ctx, args, End::Min)
}

fn bzpopmax(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wait_for_one(ctx, args, End::Max)
}

fn wait_for_one(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> CmdResult {
    let last = args.len() - 1;
    let timeout = Timeout::parse_seconds(&args[last], ctx.now_ms())?;
    let keys = || args.iter_from(1).take(last - 1);
    for key in keys() {
        if pop_one(ctx, key, end)? {
            return Ok(());
        }
    }
    wait(ctx, timeout, keys());
    Ok(())
}

fn bzmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let wish = Wish::parse(args, 2, End::parse)?;
    let timeout = Timeout::parse_seconds(&args[1], ctx.now_ms())?;
    if !grant(ctx, args, &wish)? {
        wait(ctx, timeout, wish.keys(args));
    }
    Ok(())
}

/// Has the client wait for a sorted set; one that may not wait hears that there is nothing.
fn wait<'k>(ctx: &mut Ctx<'_>, timeout: Timeout, keys: impl Iterator<Item = &'k [u8]>) {
    if !ctx.block(Block::until(Type::ZSet, timeout), keys) {
        ctx.reply.null_array();
    }
}
