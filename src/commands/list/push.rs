//! Adding to the ends of lists.

use super::push_event;
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::events::Class;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::list::{End, List, ListLimits};
use crate::keyspace::Edit;
use crate::resp::args::Args;

/// What the rows of this file have in common.
const PUSH: Row = Row {
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::LIST,
    keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::INSERT))],
    group: CommandGroup::List,
    complexity: "O(1) for each element, so O(N) for N elements in one command.",
    args: &[Arg::key("key", 0), Arg::string("element").multiple()],
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "lpush",
        history: &[("2.4.0", "More than one `element` can be given.")],
        summary: "Adds elements before the first one of a list; makes the list if need be.",
        handler: |ctx, args| push(ctx, args, End::Head),
        ..PUSH
    },
    Row {
        name: "rpush",
        history: &[("2.4.0", "More than one `element` can be given.")],
        summary: "Adds elements behind the last one of a list; makes the list if need be.",
        handler: |ctx, args| push(ctx, args, End::Tail),
        ..PUSH
    },
    Row {
        name: "lpushx",
        since: "2.2.0",
        history: &[("4.0.0", "More than one `element` can be given.")],
        summary: "Adds elements before the first one of a list, if there is such a list.",
        handler: |ctx, args| push_if_exists(ctx, args, End::Head),
        ..PUSH
    },
    Row {
        name: "rpushx",
        since: "2.2.0",
        history: &[("4.0.0", "More than one `element` can be given.")],
        summary: "Adds elements behind the last one of a list, if there is such a list.",
        handler: |ctx, args| push_if_exists(ctx, args, End::Tail),
        ..PUSH
    },
];

fn push(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End) -> CmdResult {
    let limits = ctx.env.list_limits();
    ctx.adding(&args[1]);
    let list = ctx.env.edit_or_new::<List>(ctx.session, &args[1])?;
    let len = push_all(list, args, end, &limits);
    pushed(ctx, args, end, len);
    Ok(())
}

fn push_if_exists(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End) -> CmdResult {
    let limits = ctx.env.list_limits();
    let Some(list) = ctx.env.edit::<List>(ctx.session, &args[1])? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let len = push_all(list, args, end, &limits);
    pushed(ctx, args, end, len);
    Ok(())
}

/// Adds all elements among the words; returns the length of the list.
#[inline]
fn push_all(mut list: Edit<'_, List>, args: &Args<'_>, end: End, limits: &ListLimits) -> usize {
    let bytes = args.iter_from(2).map(<[u8]>::len).sum();
    list.make_room(bytes, args.len() - 2, limits);
    for element in args.iter_from(2) {
        list.push(end, element, limits);
    }
    list.len()
}

#[inline]
fn pushed(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End, len: usize) {
    let key = &args[1];
    ctx.touched(key);
    ctx.notify(Class::LIST, push_event(end), key);
    ctx.changed(args.len() as u64 - 2);
    ctx.reply.int(len as i64);
}
