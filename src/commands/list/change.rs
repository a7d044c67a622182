//! What happens inside lists.

use super::{absolute, span};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::list::{End, List, ListRef, Side};
use crate::data::listpack::Element;
use crate::resp::args::Args;
use std::ops::ControlFlow;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "linsert",
        arity: 5,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::LIST,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::INSERT))],
        group: CommandGroup::List,
        since: "2.2.0",
        complexity: "O(N), N being the number of elements before the pivot: near the head of \
            the list it takes O(1), near the tail O(N).",
        summary: "Adds an element to a list before or behind another one.",
        args: &[
            Arg::key("key", 0),
            Arg::one_of(
                "where",
                &[Arg::pure("before", "BEFORE"), Arg::pure("after", "AFTER")],
            ),
            Arg::string("pivot"),
            Arg::string("element"),
        ],
        handler: linsert,
        ..Row::BASE
    },
    Row {
        name: "lset",
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::LIST,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        group: CommandGroup::List,
        complexity: "O(N), N being the length of the list; O(1) for its first and last element.",
        summary: "Replaces the element of a list that has this index.",
        args: &[
            Arg::key("key", 0),
            Arg::integer("index"),
            Arg::string("element"),
        ],
        handler: lset,
        ..Row::BASE
    },
    Row {
        name: "lrem",
        arity: 4,
        flags: Flags::WRITE,
        acl: Acl::LIST,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::DELETE))],
        group: CommandGroup::List,
        complexity: "O(N+M), N being the length of the list, M the number of elements removed.",
        summary: "Removes elements that are equal to a given one from a list; the list goes with \
            its last element.",
        args: &[
            Arg::key("key", 0),
            Arg::integer("count"),
            Arg::string("element"),
        ],
        handler: lrem,
        ..Row::BASE
    },
    Row {
        name: "ltrim",
        arity: 4,
        flags: Flags::WRITE,
        acl: Acl::LIST,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::DELETE))],
        group: CommandGroup::List,
        complexity: "O(N), N being the number of elements removed.",
        summary: "Removes what is outside of a range from both ends of a list; the list goes \
            with its last element.",
        args: &[
            Arg::key("key", 0),
            Arg::integer("start"),
            Arg::integer("stop"),
        ],
        handler: ltrim,
        ..Row::BASE
    },
];

fn linsert(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let side = if args[2].eq_ignore_ascii_case(b"after") {
        Side::After
    } else if args[2].eq_ignore_ascii_case(b"before") {
        Side::Before
    } else {
        return Err(CmdError::Syntax);
    };
    let (key, pivot, element) = (&args[1], &args[3], &args[4]);
    let limits = ctx.env.list_limits();
    let Some(mut list) = ctx.env.edit::<List>(ctx.session, key)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    list.make_room(element.len(), 1, &limits);
    let Some(index) = position(list.as_ref(), pivot) else {
        ctx.reply.int(-1);
        return Ok(());
    };
    list.insert(index, side, element, &limits);
    let len = list.len();
    drop(list);
    ctx.wrote(Class::LIST, "linsert", key);
    ctx.reply.int(len as i64);
    Ok(())
}

/// The index of the first element that is equal to `text`.
fn position(list: ListRef<'_>, text: &[u8]) -> Option<usize> {
    let wanted = Element::from(text);
    let (mut seen, mut found) = (0, None);
    list.visit(0, Side::After, |element| {
        if element == wanted {
            found = Some(seen);
            return ControlFlow::Break(());
        }
        seen += 1;
        ControlFlow::Continue(())
    });
    found
}

fn lset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (key, element) = (&args[1], &args[3]);
    let limits = ctx.env.list_limits();
    let list = ctx.env.edit::<List>(ctx.session, key)?;
    let mut list = list.ok_or(CmdError::NoSuchKey)?;
    let index = integer(&args[2])?;
    list.make_room(element.len(), 1, &limits);
    let index = absolute(index, list.len()).ok_or(CmdError::OutOfRange)?;
    list.replace(index, element, &limits);
    list.settle_shrunk(&limits);
    drop(list);
    ctx.wrote(Class::LIST, "lset", key);
    ctx.reply.ok();
    Ok(())
}

fn lrem(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (key, count, element) = (&args[1], integer(&args[2])?, &args[3]);
    let (from, max) = match count {
        0 => (End::Head, usize::MAX),
        1.. => (End::Head, count as usize),
        _ => (End::Tail, count.unsigned_abs() as usize),
    };
    let limits = ctx.env.list_limits();
    let Some(mut list) = ctx.env.edit::<List>(ctx.session, key)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let removed = list.remove_equal(element, from, max);
    if removed > 0 {
        list.settle_shrunk(&limits);
    }
    let gone = list.finish();
    if removed > 0 {
        ctx.took(Class::LIST, "lrem", key, removed, gone);
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

fn ltrim(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (key, start, stop) = (&args[1], integer(&args[2])?, integer(&args[3])?);
    let limits = ctx.env.list_limits();
    let Some(mut list) = ctx.env.edit::<List>(ctx.session, key)? else {
        ctx.reply.ok();
        return Ok(());
    };
    let (from, count) = span(start, stop, list.len());
    let removed = list.remove_range(from + count, usize::MAX) + list.remove_range(0, from);
    list.settle_shrunk(&limits);
    let gone = list.finish();
    ctx.took(Class::LIST, "ltrim", key, removed, gone);
    ctx.reply.ok();
    Ok(())
}
