//! Taking from lists, and waiting for an element where there is none.
//!
//! Each command does what its sister without the `B` does as long as there is something to take,
//! and replicas are sent that sister. Otherwise its client waits for the keys, and the command is
//! run again when one of them has become a list.

use super::many::{Wish, grant};
use super::pop::pop_verb;
use super::transfer::{MOVE, move_element};
use super::{ENDS, end, popped};
use crate::commands::blocking::{Block, TIMEOUT, Timeout};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::row::{Acl, Arg, CommandGroup, Deprecation, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording::element;
use crate::data::list::{End, List};
use crate::keyspace::Type;
use crate::resp::args::Args;

const FRACTIONS: &[(&str, &str)] = &[("6.0.0", "The `timeout` may have a fraction.")];

/// What `BLPOP` and `BRPOP` have in common.
const POP: Row = Row {
    arity: -3,
    flags: Flags::WRITE.union(Flags::BLOCKING),
    acl: Acl::LIST,
    keys: &[KeySpec::range(
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        1,
        -2,
        1,
    )],
    group: CommandGroup::List,
    since: "2.0.0",
    complexity: "O(N), N being the number of keys.",
    history: FRACTIONS,
    args: &[Arg::key("key", 0).multiple(), TIMEOUT],
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "blpop",
        summary: "Takes the first element out of the first of several lists that has any, and \
            waits for one if none has; the list goes with its last element.",
        handler: |ctx, args| pop(ctx, args, End::Head),
        ..POP
    },
    Row {
        name: "brpop",
        summary: "Takes the last element out of the first of several lists that has any, and \
            waits for one if none has; the list goes with its last element.",
        handler: |ctx, args| pop(ctx, args, End::Tail),
        ..POP
    },
    Row {
        name: "blmpop",
        arity: -5,
        flags: Flags::WRITE.union(Flags::BLOCKING),
        acl: Acl::LIST,
        keys: &[KeySpec::counted(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
            2,
        )],
        group: CommandGroup::List,
        since: "7.0.0",
        complexity: "O(N+M), N being the number of keys, M the number of elements taken.",
        summary: "Takes elements out of the first of several lists that has any, and waits for \
            one if none has; the list goes with its last element.",
        args: &[
            TIMEOUT,
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::one_of("where", ENDS),
            Arg::integer("count").token("COUNT").optional(),
        ],
        handler: blmpop,
        ..Row::BASE
    },
    Row {
        name: "blmove",
        arity: 6,
        flags: MOVE.flags.union(Flags::BLOCKING),
        since: "6.2.0",
        summary: "Takes an element out of one list and adds it to another, and waits for one if \
            there is none; the first list goes with its last element.",
        args: &[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::one_of("wherefrom", ENDS),
            Arg::one_of("whereto", ENDS),
            TIMEOUT,
        ],
        handler: blmove,
        ..MOVE
    },
    Row {
        name: "brpoplpush",
        arity: 4,
        flags: MOVE.flags.union(Flags::BLOCKING),
        since: "2.2.0",
        history: FRACTIONS,
        summary: "Takes the last element out of one list and adds it before the first one of \
            another, and waits for one if there is none; the first list goes with its last \
            element.",
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
        }),
        args: &[Arg::key("source", 0), Arg::key("destination", 1), TIMEOUT],
        handler: brpoplpush,
        ..MOVE
    },
];

fn timeout(ctx: &Ctx<'_>, word: &[u8]) -> Result<Timeout, CmdError> {
    Timeout::parse_seconds(word, ctx.now_ms())
}

/// Has the client wait for a list; false if it may not.
fn wait<'k>(ctx: &mut Ctx<'_>, keys: impl IntoIterator<Item = &'k [u8]>, timeout: Timeout) -> bool {
    ctx.block(Block::until(Type::List, timeout), keys)
}

fn pop(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End) -> CmdResult {
    let last = args.len() - 1;
    let timeout = timeout(ctx, &args[last])?;
    let limits = ctx.env.list_limits();
    for key in (1..last).map(|at| &args[at]) {
        let Some(mut list) = ctx.env.edit::<List>(ctx.session, key)? else {
            continue;
        };
        ctx.reply.array(2);
        ctx.reply.bulk(key);
        list.pop(end, |found| element(ctx.reply, found));
        list.settle_shrunk(&limits);
        let gone = list.finish();
        popped(ctx, key, end, 1, gone);
        ctx.propagate_instead(&[pop_verb(end), key]);
        return Ok(());
    }
    if !wait(ctx, (1..last).map(|at| &args[at]), timeout) {
        ctx.reply.null_array();
    }
    Ok(())
}

fn blmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let wish = Wish::parse(args, 2, end)?;
    let timeout = timeout(ctx, &args[1])?;
    if grant(ctx, args, &wish)? || wait(ctx, wish.keys(args), timeout) {
        return Ok(());
    }
    ctx.reply.null_array();
    Ok(())
}

fn blmove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (from, to) = (end(&args[3])?, end(&args[4])?);
    let timeout = timeout(ctx, &args[5])?;
    let instead = [b"LMOVE", &args[1], &args[2], &args[3], &args[4]];
    move_or_wait(ctx, args, (from, to), timeout, &instead)
}

fn brpoplpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let timeout = timeout(ctx, &args[3])?;
    let instead = [b"RPOPLPUSH", &args[1], &args[2]];
    move_or_wait(ctx, args, (End::Tail, End::Head), timeout, &instead)
}

/// Moves an element from one end to another and has replicas do so with the words `instead`, or
/// waits for one.
fn move_or_wait(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    (from, to): (End, End),
    timeout: Timeout,
    instead: &[&[u8]],
) -> CmdResult {
    let (source, destination) = (&args[1], &args[2]);
    if move_element(ctx, source, destination, from, to)? {
        ctx.propagate_instead(instead);
    } else if !wait(ctx, [source], timeout) {
        ctx.reply.null();
    }
    Ok(())
}
