//! Parts of the order: `ZRANGE`, the older commands that it took the place of, and `ZRANGESTORE`.
//!
//! All of them are one request, a set's key with [`Bounds`], a direction and a limit, that comes
//! down to a range of ranks. Skipping members with `LIMIT` therefore costs nothing.

use std::ops::Range;

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::commands::row::{
    Acl, Arg, ArgKind, CommandGroup, Deprecation, Flags, KeyFlags, KeySpec, Row,
};
use crate::commands::zset::bounds::Bounds;
use crate::commands::zset::{Listing, WITH_SCORES, store};
use crate::data::zset::{Builder, ZSet, ZSetRef};
use crate::resp::args::Args;

/// What the bounds of `ZRANGE` are, where they are not ranks.
const SORT_BY: Arg = Arg::one_of(
    "sortby",
    &[Arg::pure("byscore", "BYSCORE"), Arg::pure("bylex", "BYLEX")],
)
.optional();

/// What the commands that list members have in common.
const RANGE: Row = Row {
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: CommandGroup::SortedSet,
    complexity: "O(log(N)+M), N being the number of members and M that of members listed; skipping \
        members with LIMIT is free.",
    ..Row::BASE
};

const LISTED: &str = "O(log(N)+M), N being the number of members and M that of members listed.";

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "zrange",
        since: "1.2.0",
        complexity: LISTED,
        summary: "Lists the members between two ranks, scores or strings.",
        history: &[(
            "6.2.0",
            "The options `REV`, `BYSCORE`, `BYLEX` and `LIMIT`.",
        )],
        args: &[
            Arg::key("key", 0),
            Arg::string("start"),
            Arg::string("stop"),
            SORT_BY.since("6.2.0"),
            Arg::pure("rev", "REV").since("6.2.0").optional(),
            Arg::LIMIT.since("6.2.0"),
            WITH_SCORES,
        ],
        handler: zrange,
        ..RANGE
    },
    Row {
        name: "zrangestore",
        arity: -5,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::SORTEDSET,
        keys: &[
            KeySpec::first(KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::range(KeyFlags::RO.union(KeyFlags::ACCESS), 2, 0, 1),
        ],
        group: CommandGroup::SortedSet,
        since: "6.2.0",
        complexity: "O(log(N)+M), N being the number of members and M that of members stored.",
        summary: "Stores the members between two ranks, scores or strings under another key.",
        args: &[
            Arg::key("dst", 0),
            Arg::key("src", 1),
            Arg::string("min"),
            Arg::string("max"),
            SORT_BY,
            Arg::pure("rev", "REV").optional(),
            Arg::LIMIT,
        ],
        handler: zrangestore,
        ..Row::BASE
    },
    Row {
        name: "zrevrange",
        since: "1.2.0",
        complexity: LISTED,
        summary: "Lists the members between two ranks, the highest scores first.",
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`ZRANGE` with the `REV` argument",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::integer("start"),
            Arg::integer("stop"),
            WITH_SCORES,
        ],
        handler: zrevrange,
        ..RANGE
    },
    Row {
        name: "zrangebyscore",
        since: "1.0.5",
        summary: "Lists the members between two scores.",
        history: &[("2.0.0", "The option `WITHSCORES`.")],
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`ZRANGE` with the `BYSCORE` argument",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::new("min", ArgKind::Double),
            Arg::new("max", ArgKind::Double),
            WITH_SCORES.since("2.0.0"),
            Arg::LIMIT,
        ],
        handler: zrangebyscore,
        ..RANGE
    },
    Row {
        name: "zrevrangebyscore",
        since: "2.2.0",
        summary: "Lists the members between two scores, the highest first.",
        history: &[("2.1.6", "A bound can be excluded.")],
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`ZRANGE` with the `REV` and `BYSCORE` arguments",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::new("max", ArgKind::Double),
            Arg::new("min", ArgKind::Double),
            WITH_SCORES,
            Arg::LIMIT,
        ],
        handler: zrevrangebyscore,
        ..RANGE
    },
    Row {
        name: "zrangebylex",
        since: "2.8.9",
        summary: "Lists the members between two strings, where all scores are equal.",
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`ZRANGE` with the `BYLEX` argument",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::string("min"),
            Arg::string("max"),
            Arg::LIMIT,
        ],
        handler: zrangebylex,
        ..RANGE
    },
    Row {
        name: "zrevrangebylex",
        since: "2.8.9",
        summary: "Lists the members between two strings in reverse, where all scores are equal.",
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`ZRANGE` with the `REV` and `BYLEX` arguments",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::string("max"),
            Arg::string("min"),
            Arg::LIMIT,
        ],
        handler: zrevrangebylex,
        ..RANGE
    },
];

/// What the bounds are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Rank,
    Score,
    Bytes,
}

/// What a command of this file asks for.
struct Request<'a> {
    bounds: Bounds<'a>,
    by: By,
    reversed: bool,
    /// How many members are skipped and how many shown; below zero: none, and all of them.
    limit: (i64, i64),
    with_scores: bool,
}

/// What a command of this file has settled by its name.
#[derive(Clone, Copy, Default)]
struct Fixed {
    by: Option<By>,
    reversed: Option<bool>,
    /// The result is stored: there is nothing to show scores with.
    stores: bool,
}

impl<'a> Request<'a> {
    /// Parses the words behind the key of the set: two bounds, then options.
    fn parse(args: &'a Args<'_>, at: usize, fixed: Fixed) -> Result<Request<'a>, CmdError> {
        let (mut by, mut reversed) = (fixed.by, fixed.reversed);
        let (mut limit, mut with_scores) = ((0, -1), false);
        let mut next = at + 2;
        while let Some(word) = args.get(next) {
            let is = |option: &[u8]| word.eq_ignore_ascii_case(option);
            if !fixed.stores && is(b"WITHSCORES") {
                with_scores = true;
            } else if is(b"LIMIT") && next + 2 < args.len() {
                limit = (integer(&args[next + 1])?, integer(&args[next + 2])?);
                next += 2;
            } else if reversed.is_none() && is(b"REV") {
                reversed = Some(true);
            } else if by.is_none() && is(b"BYLEX") {
                by = Some(By::Bytes);
            } else if by.is_none() && is(b"BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CmdError::Syntax);
            }
            next += 1;
        }
        let (by, reversed) = (by.unwrap_or(By::Rank), reversed.unwrap_or(false));
        if limit.1 != -1 && by == By::Rank {
            return Err(CmdError::Fixed(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or \
                 BYLEX",
            ));
        }
        if with_scores && by == By::Bytes {
            return Err(CmdError::Fixed(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        // Scores and strings of a reversed range are given from the upper to the lower one.
        let (min, max) = match reversed && by != By::Rank {
            true => (&args[at + 1], &args[at]),
            false => (&args[at], &args[at + 1]),
        };
        let bounds = match by {
            By::Rank => Bounds::ranks(min, max)?,
            By::Score => Bounds::scores(min, max)?,
            By::Bytes => Bounds::strings(min, max)?,
        };
        Ok(Request {
            bounds,
            by,
            reversed,
            limit,
            with_scores,
        })
    }

    /// The ranks of the members that are meant.
    fn ranks(&self, set: ZSetRef<'_>) -> Range<usize> {
        let ranks = self.bounds.within(set, self.reversed);
        let (skipped, shown) = self.limit;
        if self.by == By::Rank {
            return ranks;
        }
        if skipped < 0 {
            return 0..0;
        }
        let skipped = ranks.len().min(skipped as usize);
        let left = ranks.len() - skipped;
        let shown = usize::try_from(shown).map_or(left, |shown| shown.min(left));
        if self.reversed {
            let end = ranks.end - skipped;
            end - shown..end
        } else {
            let start = ranks.start + skipped;
            start..start + shown
        }
    }
}

fn zrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, None, None)
}

fn zrevrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Some(By::Rank), Some(true))
}

fn zrangebyscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Some(By::Score), Some(false))
}

fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Some(By::Score), Some(true))
}

fn zrangebylex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Some(By::Bytes), Some(false))
}

fn zrevrangebylex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Some(By::Bytes), Some(true))
}

fn list(ctx: &mut Ctx<'_>, args: &Args<'_>, by: Option<By>, reversed: Option<bool>) -> CmdResult {
    let fixed = Fixed {
        by,
        reversed,
        stores: false,
    };
    let request = Request::parse(args, 2, fixed)?;
    let listing = Listing::new(request.with_scores);
    let set = ctx
        .env
        .collection::<ZSet>(ctx.session, &args[1], Access::Read)?;
    match set {
        Some(set) => {
            let members = set.range(request.ranks(set));
            if request.reversed {
                listing.all(ctx.reply, members.rev());
            } else {
                listing.all(ctx.reply, members);
            }
        }
        None => ctx.reply.array(0),
    }
    Ok(())
}

fn zrangestore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let fixed = Fixed {
        stores: true,
        ..Fixed::default()
    };
    let request = Request::parse(args, 3, fixed)?;
    let limits = ctx.env.zset_limits();
    let mut builder = Builder::new(limits.hasher.clone(), 0);
    if let Some(set) = ctx.zset(&args[2], Access::Read)? {
        for (member, score) in set.range(request.ranks(set)) {
            member.with_bytes(|member| builder.update(member, |_| score));
        }
    }
    let set = match request.by {
        By::Rank => ZSet::compact(builder.finish(), &limits),
        // How many there will be is not known beforehand, so the reference takes the large form.
        By::Score | By::Bytes => ZSet::Tree(Box::new(builder.finish())),
    };
    store(ctx, &args[1], set, "zrangestore", 1);
    Ok(())
}
