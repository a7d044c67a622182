//! What is known of single members, and counting.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::row::{Acl, Arg, ArgKind, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::zset::bounds::Bounds;
use crate::commands::zset::reply_score;
use crate::data::zset::ZSet;
use crate::resp::args::Args;

/// What `ZRANK` and `ZREVRANK` have in common.
const RANK: Row = Row {
    arity: -3,
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: CommandGroup::SortedSet,
    since: "2.0.0",
    complexity: "O(log(N)), N being the number of members.",
    history: &[("7.2.0", "The option `WITHSCORE`.")],
    args: &[
        Arg::key("key", 0),
        Arg::string("member"),
        Arg::pure("withscore", "WITHSCORE").optional(),
    ],
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "zcard",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::first(KeyFlags::RO)],
        group: CommandGroup::SortedSet,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Counts the members.",
        args: &[Arg::key("key", 0)],
        handler: zcard,
        ..Row::BASE
    },
    Row {
        name: "zscore",
        arity: 3,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::SortedSet,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Gives the score of a member.",
        args: &[Arg::key("key", 0), Arg::string("member")],
        handler: zscore,
        ..Row::BASE
    },
    Row {
        name: "zmscore",
        arity: -3,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::SortedSet,
        since: "6.2.0",
        complexity: "O(N), N being the number of members asked for.",
        summary: "Gives the scores of several members.",
        args: &[Arg::key("key", 0), Arg::string("member").multiple()],
        handler: zmscore,
        ..Row::BASE
    },
    Row {
        name: "zrank",
        summary: "Gives the rank of a member, counted from the lowest score.",
        handler: zrank,
        ..RANK
    },
    Row {
        name: "zrevrank",
        summary: "Gives the rank of a member, counted from the highest score.",
        handler: zrevrank,
        ..RANK
    },
    Row {
        name: "zcount",
        arity: 4,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::SortedSet,
        since: "2.0.0",
        complexity: "O(log(N)), N being the number of members.",
        summary: "Counts the members between two scores.",
        args: &[
            Arg::key("key", 0),
            Arg::new("min", ArgKind::Double),
            Arg::new("max", ArgKind::Double),
        ],
        handler: zcount,
        ..Row::BASE
    },
    Row {
        name: "zlexcount",
        arity: 4,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::SortedSet,
        since: "2.8.9",
        complexity: "O(log(N)), N being the number of members.",
        summary: "Counts the members between two strings, where all scores are equal.",
        args: &[Arg::key("key", 0), Arg::string("min"), Arg::string("max")],
        handler: zlexcount,
        ..Row::BASE
    },
];

fn zcard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let set = ctx.zset(&args[1], Access::Read)?;
    let len = set.map_or(0, |set| set.len());
    ctx.reply.int(len as i64);
    Ok(())
}

fn zscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let set = ctx.zset(&args[1], Access::Read)?;
    let score = set.and_then(|set| set.score(&args[2]));
    reply_score(ctx.reply, score);
    Ok(())
}

fn zmscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let set = ctx
        .env
        .collection::<ZSet>(ctx.session, &args[1], Access::Read)?;
    let members = args.iter_from(2);
    ctx.reply.array(members.len());
    for member in members {
        reply_score(ctx.reply, set.and_then(|set| set.score(member)));
    }
    Ok(())
}

fn zrank(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    rank(ctx, args, "zrank", |rank, _| rank)
}

fn zrevrank(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    rank(ctx, args, "zrevrank", |rank, len| len - 1 - rank)
}

fn rank(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    name: &'static str,
    counted: fn(usize, usize) -> usize,
) -> CmdResult {
    let with_score = match args.get(3) {
        None => false,
        Some(_) if args.len() > 4 => return Err(CmdError::Arity(name.into())),
        Some(word) if word.eq_ignore_ascii_case(b"WITHSCORE") => true,
        Some(_) => return Err(CmdError::Syntax),
    };
    let found = ctx.zset(&args[1], Access::Read)?.and_then(|set| {
        let (rank, score) = set.rank(&args[2])?;
        Some((counted(rank, set.len()), score))
    });
    match found {
        Some((rank, score)) => {
            if with_score {
                ctx.reply.array(2);
            }
            ctx.reply.int(rank as i64);
            if with_score {
                ctx.reply.double(score);
            }
        }
        None if with_score => ctx.reply.null_array(),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn zcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let bounds = Bounds::scores(&args[2], &args[3])?;
    count(ctx, &args[1], bounds)
}

fn zlexcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let bounds = Bounds::strings(&args[2], &args[3])?;
    count(ctx, &args[1], bounds)
}

fn count(ctx: &mut Ctx<'_>, key: &[u8], bounds: Bounds<'_>) -> CmdResult {
    let set = ctx.zset(key, Access::Read)?;
    let count = set.map_or(0, |set| bounds.within(set, false).len());
    ctx.reply.int(count as i64);
    Ok(())
}
