//! Adding members and changing their scores.
//!
//! `ZINCRBY` is `ZADD` with `INCR`, down to the event that follows.

use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::row::{Acl, Arg, ArgKind, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::zset::{double, reply_score};
use crate::data::zset::{Add, Added, Only, Unless, ZSet};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "zadd",
        arity: -4,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        group: CommandGroup::SortedSet,
        since: "1.2.0",
        complexity: "O(log(N)) for each member, N being the number of members.",
        summary: "Adds members with scores, or gives members other scores.",
        history: &[
            ("2.4.0", "Takes several members."),
            ("3.0.2", "The options `XX`, `NX`, `CH` and `INCR`."),
            ("6.2.0", "The options `GT` and `LT`."),
        ],
        args: &[
            Arg::key("key", 0),
            Arg::one_of("condition", &[Arg::pure("nx", "NX"), Arg::pure("xx", "XX")])
                .since("3.0.2")
                .optional(),
            Arg::one_of(
                "comparison",
                &[Arg::pure("gt", "GT"), Arg::pure("lt", "LT")],
            )
            .since("6.2.0")
            .optional(),
            Arg::pure("change", "CH").since("3.0.2").optional(),
            Arg::pure("increment", "INCR").since("3.0.2").optional(),
            Arg::block(
                "data",
                &[Arg::new("score", ArgKind::Double), Arg::string("member")],
            )
            .multiple(),
        ],
        handler: zadd,
        ..Row::BASE
    },
    Row {
        name: "zincrby",
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::first(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        group: CommandGroup::SortedSet,
        since: "1.2.0",
        complexity: "O(log(N)), N being the number of members.",
        summary: "Adds to the score of a member; one that is not there counts as 0.",
        args: &[
            Arg::key("key", 0),
            Arg::integer("increment"),
            Arg::string("member"),
        ],
        handler: zincrby,
        ..Row::BASE
    },
];

/// `ZADD`; `GEOADD` is one too.
pub(in crate::commands) fn zadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let request = Request::parse(args, false)?;
    add(ctx, args, request)
}

fn zincrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let request = Request::parse(args, true)?;
    add(ctx, args, request)
}

/// What the options ask for.
struct Request {
    how: Add,
    /// Whether members with another score are counted beside the new ones (CH).
    counts_updated: bool,
    /// Where the first score stands.
    first: usize,
    /// How many pairs of score and member follow.
    pairs: usize,
}

impl Request {
    fn parse(args: &Args<'_>, increment: bool) -> Result<Request, CmdError> {
        let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
        let (mut increment, mut counts_updated) = (increment, false);
        let mut first = 2;
        while let Some(word) = args.get(first) {
            let option = match word.len() {
                2 if word.eq_ignore_ascii_case(b"NX") => &mut nx,
                2 if word.eq_ignore_ascii_case(b"XX") => &mut xx,
                2 if word.eq_ignore_ascii_case(b"GT") => &mut gt,
                2 if word.eq_ignore_ascii_case(b"LT") => &mut lt,
                2 if word.eq_ignore_ascii_case(b"CH") => &mut counts_updated,
                4 if word.eq_ignore_ascii_case(b"INCR") => &mut increment,
                _ => break,
            };
            *option = true;
            first += 1;
        }
        let words = args.len() - first;
        if words == 0 || !words.is_multiple_of(2) {
            return Err(CmdError::Syntax);
        }
        let unless = match (nx, xx) {
            (true, true) => {
                return Err(CmdError::Fixed(
                    "ERR XX and NX options at the same time are not compatible",
                ));
            }
            (true, false) => Unless::Present,
            (false, true) => Unless::Absent,
            (false, false) => Unless::Never,
        };
        let only = match (gt, lt) {
            (false, false) => Only::Either,
            (true, false) if !nx => Only::Up,
            (false, true) if !nx => Only::Down,
            _ => {
                return Err(CmdError::Fixed(
                    "ERR GT, LT, and/or NX options at the same time are not compatible",
                ));
            }
        };
        let pairs = words / 2;
        if increment && pairs > 1 {
            return Err(CmdError::Fixed(
                "ERR INCR option supports a single increment-element pair",
            ));
        }
        let how = Add {
            unless,
            only,
            increment,
        };
        Ok(Request {
            how,
            counts_updated,
            first,
            pairs,
        })
    }
}

fn add(ctx: &mut Ctx<'_>, args: &Args<'_>, request: Request) -> CmdResult {
    let Request { how, first, .. } = request;
    // All scores are read before the first member is added; mostly there is one, and no vector.
    let score = |pair: usize| double(&args[first + pair * 2]);
    let first_score = score(0)?;
    let more: Vec<f64> = (1..request.pairs).map(score).collect::<Result<_, _>>()?;

    let key = &args[1];
    if how.unless != Unless::Absent {
        ctx.adding(key);
    }
    let limits = ctx.env.zset_limits();
    let mut set = ctx.env.edit_or_new::<ZSet>(ctx.session, key)?;
    set.expect(request.pairs, args[first + 1].len(), &limits);
    let (mut new, mut updated) = (0, 0);
    let mut last = Added::Refused;
    for (pair, score) in std::iter::once(first_score).chain(more).enumerate() {
        last = set.add(&args[first + pair * 2 + 1], score, how, &limits);
        match last {
            Added::New(_) => new += 1,
            Added::Updated(_) => updated += 1,
            Added::Same(_) | Added::Refused => {}
            // It takes an increment, of which there is only one: nothing has been done.
            Added::NotANumber => {
                return Err(CmdError::Fixed("ERR resulting score is not a number (NaN)"));
            }
        }
    }
    drop(set);
    if new + updated > 0 {
        ctx.touched(key);
        let event = if how.increment { "zincr" } else { "zadd" };
        ctx.notify(Class::ZSET, event, key);
        ctx.changed(new + updated);
    }
    if how.increment {
        let score = match last {
            Added::New(score) | Added::Updated(score) | Added::Same(score) => Some(score),
            Added::Refused | Added::NotANumber => None,
        };
        reply_score(ctx.reply, score);
    } else if request.counts_updated {
        ctx.reply.int((new + updated) as i64);
    } else {
        ctx.reply.int(new as i64);
    }
    Ok(())
}
