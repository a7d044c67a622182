//! Removing members, by name or from one end of a range to the other.

use crate::commands::context::{CmdResult, Ctx};
use crate::commands::events::Class;
use crate::commands::row::{Acl, Arg, ArgKind, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::zset::bounds::Bounds;
use crate::data::zset::ZSet;
use crate::resp::args::Args;

/// What the commands that remove a range have in common.
const REMOVE_RANGE: Row = Row {
    arity: 4,
    flags: Flags::WRITE,
    acl: Acl::SORTEDSET,
    keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::DELETE))],
    group: CommandGroup::SortedSet,
    complexity: "O(log(N)+M), N being the number of members and M that of members removed.",
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "zrem",
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::DELETE))],
        group: CommandGroup::SortedSet,
        since: "1.2.0",
        complexity: "O(M*log(N)), N being the number of members and M that of members to remove.",
        summary: "Removes members.",
        history: &[("2.4.0", "Takes several members.")],
        args: &[Arg::key("key", 0), Arg::string("member").multiple()],
        handler: zrem,
        ..Row::BASE
    },
    Row {
        name: "zremrangebyrank",
        since: "2.0.0",
        summary: "Removes the members between two ranks.",
        args: &[
            Arg::key("key", 0),
            Arg::integer("start"),
            Arg::integer("stop"),
        ],
        handler: zremrangebyrank,
        ..REMOVE_RANGE
    },
    Row {
        name: "zremrangebyscore",
        since: "1.2.0",
        summary: "Removes the members between two scores.",
        args: &[
            Arg::key("key", 0),
            Arg::new("min", ArgKind::Double),
            Arg::new("max", ArgKind::Double),
        ],
        handler: zremrangebyscore,
        ..REMOVE_RANGE
    },
    Row {
        name: "zremrangebylex",
        since: "2.8.9",
        summary: "Removes the members between two strings, where all scores are equal.",
        args: &[Arg::key("key", 0), Arg::string("min"), Arg::string("max")],
        handler: zremrangebylex,
        ..REMOVE_RANGE
    },
];

fn zrem(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let mut removed = 0;
    let mut gone = false;
    if let Some(mut set) = ctx.env.edit::<ZSet>(ctx.session, key)? {
        for member in args.iter_from(2) {
            removed += usize::from(set.remove(member).is_some());
        }
        gone = set.finish();
    }
    finish(ctx, key, "zrem", removed, gone);
    Ok(())
}

fn zremrangebyrank(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let bounds = Bounds::ranks(&args[2], &args[3])?;
    remove_range(ctx, &args[1], bounds, "zremrangebyrank")
}

fn zremrangebyscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let bounds = Bounds::scores(&args[2], &args[3])?;
    remove_range(ctx, &args[1], bounds, "zremrangebyscore")
}

fn zremrangebylex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let bounds = Bounds::strings(&args[2], &args[3])?;
    remove_range(ctx, &args[1], bounds, "zremrangebylex")
}

fn remove_range(ctx: &mut Ctx<'_>, key: &[u8], bounds: Bounds<'_>, event: &str) -> CmdResult {
    let mut removed = 0;
    let mut gone = false;
    if let Some(mut set) = ctx.env.edit::<ZSet>(ctx.session, key)? {
        let ranks = bounds.within(set.as_ref(), false);
        removed = ranks.len();
        set.remove_ranks(ranks);
        gone = set.finish();
    }
    finish(ctx, key, event, removed, gone);
    Ok(())
}

/// Reports and replies how many members were removed, and whether the key went with the last.
fn finish(ctx: &mut Ctx<'_>, key: &[u8], event: &str, removed: usize, gone: bool) {
    if removed > 0 {
        ctx.took(Class::ZSET, event, key, removed, gone);
    }
    ctx.reply.int(removed as i64);
}
