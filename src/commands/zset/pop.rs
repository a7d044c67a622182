//! Taking members from either end of the order.
//!
//! `ZMPOP` and the blocking commands go to replicas as the `ZPOPMIN` or `ZPOPMAX` that they came
//! down to.

use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::first_of::FirstOf;
use crate::commands::operand::positive;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::zset::Listing;
use crate::data::zset::ZSet;
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// What `ZPOPMIN` and `ZPOPMAX` have in common.
const POP: Row = Row {
    arity: -2,
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[KeySpec::first(
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
    )],
    group: CommandGroup::SortedSet,
    since: "5.0.0",
    complexity: "O(M*log(N)), N being the number of members and M that of members taken.",
    args: &[Arg::key("key", 0), Arg::integer("count").optional()],
    ..Row::BASE
};

/// The documented choice between the ends of the order.
pub(super) const END: Arg =
    Arg::one_of("where", &[Arg::pure("min", "MIN"), Arg::pure("max", "MAX")]);

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "zpopmin",
        summary: "Takes the members with the lowest scores out.",
        handler: zpopmin,
        ..POP
    },
    Row {
        name: "zpopmax",
        summary: "Takes the members with the highest scores out.",
        handler: zpopmax,
        ..POP
    },
    Row {
        name: "zmpop",
        arity: -4,
        flags: Flags::WRITE.union(Flags::MOVABLE_KEYS),
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::counted(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
            1,
        )],
        group: CommandGroup::SortedSet,
        since: "7.0.0",
        complexity: "O(K)+O(M*log(N)), K being the number of keys, N that of members and M that \
            of members taken.",
        summary: "Takes members out of the first of several sorted sets that has any.",
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            END,
            Arg::integer("count").token("COUNT").optional(),
        ],
        handler: zmpop,
        ..Row::BASE
    },
];

/// An end of the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Min,
    Max,
}

impl End {
    /// The command that pops from this end, as events and replicas are told.
    fn command(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }

    pub(super) fn parse(word: &[u8]) -> Result<End, CmdError> {
        if word.eq_ignore_ascii_case(b"MIN") {
            Ok(End::Min)
        } else if word.eq_ignore_ascii_case(b"MAX") {
            Ok(End::Max)
        } else {
            Err(CmdError::Syntax)
        }
    }
}

fn zpopmin(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    pop_from_one(ctx, args, End::Min)
}

fn zpopmax(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    pop_from_one(ctx, args, End::Max)
}

fn pop_from_one(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> CmdResult {
    // Without a count there is one member at most, and it is no list of one in any protocol.
    let (count, listing) = match args.get(2) {
        None => (1, Listing::InTurn),
        Some(_) if args.len() > 3 => return Err(CmdError::Syntax),
        Some(count) => (positive(count)?, Listing::WithScores),
    };
    let head = |reply: &mut Reply, members| listing.begin(reply, members);
    if pop(ctx, &args[1], end, count, listing, head)? == 0 {
        ctx.reply.array(0);
    }
    Ok(())
}

fn zmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let wish = Wish::parse(args, 1, End::parse)?;
    if !grant(ctx, args, &wish)? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// What `ZMPOP` and `BZMPOP` ask for.
pub(super) type Wish = FirstOf<End>;

/// Takes from the first set that there is and replies with its key and the members; false if there
/// is none.
pub(super) fn grant(ctx: &mut Ctx<'_>, args: &Args<'_>, wish: &Wish) -> Result<bool, CmdError> {
    for key in wish.keys(args) {
        let head = |reply: &mut Reply, members| {
            reply.array(2);
            reply.bulk(key);
            Listing::Pairs.begin(reply, members);
        };
        let popped = pop(ctx, key, wish.end, wish.count, Listing::Pairs, head)?;
        if popped > 0 {
            let mut text = itoa::Buffer::new();
            let command = wish.end.command().to_ascii_uppercase();
            ctx.propagate_instead(&[command.as_bytes(), key, text.format(popped).as_bytes()]);
            return Ok(true);
        }
    }
    Ok(false)
}

/// Pops for `BZPOPMIN` and `BZPOPMAX`, if there is something under this key.
pub(super) fn pop_one(ctx: &mut Ctx<'_>, key: &[u8], end: End) -> Result<bool, CmdError> {
    let head = |reply: &mut Reply, _| {
        reply.array(3);
        reply.bulk(key);
    };
    let popped = pop(ctx, key, end, 1, Listing::InTurn, head)? > 0;
    if popped {
        let command = end.command().to_ascii_uppercase();
        ctx.propagate_instead(&[command.as_bytes(), key]);
    }
    Ok(popped)
}

/// Takes up to `count` members out of the set under a key and lists them behind the head of the
/// reply; returns how many they were. Where there are none, nothing is replied.
fn pop(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    end: End,
    count: usize,
    listing: Listing,
    head: impl FnOnce(&mut Reply, usize),
) -> Result<usize, CmdError> {
    let Some(mut set) = ctx.env.edit::<ZSet>(ctx.session, key)? else {
        return Ok(0);
    };
    let n = count.min(set.len());
    if n == 0 {
        return Ok(0);
    }
    head(ctx.reply, n);
    let list = |member| listing.member(ctx.reply, member);
    let ranks = match end {
        End::Min => 0..n,
        End::Max => set.len() - n..set.len(),
    };
    match end {
        End::Min => set.as_ref().range(ranks.clone()).for_each(list),
        End::Max => set.as_ref().range(ranks.clone()).rev().for_each(list),
    }
    set.remove_ranks(ranks);
    let gone = set.finish();
    ctx.took(Class::ZSET, end.command(), key, n, gone);
    Ok(n)
}
